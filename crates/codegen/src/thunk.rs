//! The entry thunk `extern "C" fn(ctx, args, ret) -> status`, trampolines of helpers, and the 64-bit slot form.

use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::{
    AbiParam, BlockArg, ExtFuncData, ExternalName, Function, InstBuilder, MemFlagsData, Signature,
    UserExternalName, Value, condcodes::IntCC, types,
};
use cranelift_codegen::isa::CallConv;
use numlift_mir::{FuncId, Imm, Module, Opcode, Ty};
use numlift_runtime::{abi::offset, helpers};

use crate::lower::{cl_type, signature};

/// Slot form of a value: i8 zero-extended, i16 and i32 sign-extended, float bits zero-extended.
pub(crate) fn to_slot(pos: &mut FuncCursor<'_>, ty: Ty, v: Value) -> Value {
    match ty {
        Ty::I8 => pos.ins().uextend(types::I64, v),
        Ty::I16 | Ty::I32 => pos.ins().sextend(types::I64, v),
        Ty::F32 => {
            let bits = pos.ins().bitcast(types::I32, MemFlagsData::new(), v);
            pos.ins().uextend(types::I64, bits)
        }
        // What has a slot is a scalar.
        _ => v,
    }
}

/// Builds the thunk that calls `entry`: parameters are the low bits of their slots.
pub(crate) fn build(module: &Module, entry: FuncId, func: &mut Function) {
    let callee = &module.funcs[entry];
    let mut sig = Signature::new(CallConv::SystemV);
    sig.params.extend([AbiParam::new(types::I64); 3]);
    sig.returns.push(AbiParam::new(types::I32));
    func.signature = sig;
    let signature = func.import_signature(signature(callee));
    let name = func.declare_imported_user_function(UserExternalName::new(0, entry.as_u32()));
    let target = func.import_function(ExtFuncData {
        name: ExternalName::user(name),
        signature,
        colocated: true,
        patchable: false,
    });

    let flags = MemFlagsData::new().with_notrap();
    let mut pos = FuncCursor::new(func);
    let block = pos.func.dfg.make_block();
    pos.insert_block(block);
    let [ctx, slots, ret] = [(); 3].map(|()| pos.func.dfg.append_block_param(block, types::I64));

    let mut args = vec![ctx];
    if callee.recursive {
        args.push(pos.ins().iconst(types::I64, 0));
    }
    for (i, &ty) in callee.params.iter().enumerate() {
        args.push(pos.ins().load(cl_type(ty), flags, slots, 8 * i as i32));
    }
    if callee.results.len() > 1 {
        args.push(ret);
    }
    let call = pos.ins().call(target, &args);
    let status = pos.func.dfg.inst_results(call)[0];

    if let [ty] = callee.results[..] {
        let value = pos.func.dfg.inst_results(call)[1];
        let (store, done) = (pos.func.dfg.make_block(), pos.func.dfg.make_block());
        let failed = pos.ins().icmp_imm_s(IntCC::NotEqual, status, 0);
        pos.ins()
            .brif(failed, done, &[] as &[BlockArg], store, &[] as &[BlockArg]);
        pos.insert_block(store);
        let slot = to_slot(&mut pos, ty, value);
        pos.ins().store(flags, slot, ret, 0);
        pos.ins().jump(done, &[] as &[BlockArg]);
        pos.insert_block(done);
    }
    pos.ins().return_(&[status]);
}

/// Helpers that are called where values of loops are in registers. A trampoline is a function of the blob, behind the entry
/// thunk: `preserve_all fn(ctx)`, for references `preserve_all fn(ctx, object)`. Such a call keeps every register.
const TRAMPOLINES: [&str; 3] = ["safepoint", "py_incref", "py_decref"];

/// Those that a module needs, in the order of their numbers.
pub(crate) fn trampolines(module: &Module) -> Vec<&'static str> {
    let mut used = [false; TRAMPOLINES.len()];
    for f in module.funcs.values() {
        for i in f.layout.iter().flat_map(|b| &f.blocks[*b].insts) {
            let inst = &f.insts[*i];
            let name = match (inst.op, &inst.imm) {
                (Opcode::Safepoint, _) => "safepoint",
                (Opcode::CallHelper, Imm::Helper { helper, .. }) => helpers::sig(*helper).name,
                _ => continue,
            };
            if let Some(at) = TRAMPOLINES.iter().position(|t| *t == name) {
                used[at] = true;
            }
        }
    }
    let all = TRAMPOLINES.into_iter().zip(used);
    all.filter_map(|(name, used)| used.then_some(name)).collect()
}

/// Number of a trampoline inside the blob, which is the given one of those that the module needs.
pub(crate) fn trampoline_index(module: &Module, at: usize) -> u32 {
    (module.funcs.len() + 1 + at) as u32
}

pub(crate) fn trampoline_signature(name: &str) -> Signature {
    let mut sig = Signature::new(CallConv::PreserveAll);
    let n = if name == "safepoint" { 1 } else { 2 };
    sig.params.extend([AbiParam::new(types::I64)].repeat(n));
    sig
}

/// Builds a trampoline: calls the helper. That of safepoints stores its status in `ctx.site`
/// (this calling convention has no results; a failure overwrites it with the site).
pub(crate) fn build_trampoline(name: &str, func: &mut Function) -> Option<()> {
    let helper = helpers::find(name)?;
    let polls = name == "safepoint";
    func.signature = trampoline_signature(name);
    let mut callee = Signature::new(CallConv::SystemV);
    callee.params.push(AbiParam::new(types::I64));
    callee.returns.extend(polls.then(|| AbiParam::new(types::I32)));
    let callee = func.import_signature(callee);
    let params = func.signature.params.len();
    let flags = MemFlagsData::new().with_notrap();
    let mut pos = FuncCursor::new(func);
    let block = pos.func.dfg.make_block();
    pos.insert_block(block);
    let mut args = (0..params).map(|_| pos.func.dfg.append_block_param(block, types::I64));
    let ctx = args.next()?;
    let argument = args.next().unwrap_or(ctx);
    let table = pos.ins().load(types::I64, flags, ctx, offset::HELPERS);
    let address = pos.ins().load(types::I64, flags, table, i32::from(helper.0) * 8);
    let call = pos.ins().call_indirect(callee, address, &[argument]);
    if polls {
        let status = pos.func.dfg.inst_results(call)[0];
        pos.ins().store(flags, status, ctx, offset::SITE);
    }
    pos.ins().return_(&[]);
    Some(())
}
