//! Functions that C calls: arguments by the C ABI become slots, results go where pointers say.
//!
//! ```c
//! int32_t f(double x, const struct { void *data; intptr_t shape[2], strides[2]; } *a, double *result);
//! ```
//!
//! Each calls `int32_t call(int32_t number, const uint64_t *slots, uint64_t *results)`, which is at a known distance,
//! and returns its status; results are stored if that is 0 and their pointers are not NULL.

use cranelift_codegen::Context;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::{
    AbiParam, BlockArg, ExtFuncData, ExternalName, Function, InstBuilder, MemFlagsData, Signature,
    StackSlotData, StackSlotKind, UserExternalName, UserFuncName, Value, condcodes::IntCC, types,
};
use cranelift_codegen::isa::CallConv;
use numlift_mir::Ty;

use crate::lower::cl_type;
use crate::thunk::to_slot;
use crate::{CodegenError, Options, isa, link};

/// A parameter in C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Param {
    Number(Ty),
    /// A pointer to data pointer, extents and strides of an array of this rank.
    Array(u8),
}

/// What C calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wrapper {
    pub params: Vec<Param>,
    /// Results with their slots.
    pub results: Vec<(Ty, u32)>,
    pub ret_slots: u32,
}

/// The code of the functions and where each begins. The called function is `call` bytes from the beginning of the code.
///
/// # Errors
/// If there is no code generation for the host, or it is too far.
pub fn wrappers(opts: &Options, all: &[Wrapper], call: i64) -> Result<(Vec<u8>, Vec<u32>), CodegenError> {
    let isa = isa::get(opts)?;
    let mut ctx = Context::new();
    let mut codes = Vec::with_capacity(all.len());
    for (number, wrapper) in all.iter().enumerate() {
        ctx.clear();
        ctx.func.name = UserFuncName::user(0, number as u32);
        build(wrapper, number as u32, all.len() as u32, &mut ctx.func);
        let backend = |message: String| CodegenError::Backend {
            func: format!("wrapper {number}"),
            message,
        };
        ctx.compile(&*isa.target, &mut ControlPlane::default())
            .map_err(|e| backend(format!("{:?}", e.inner)))?;
        let compiled = ctx
            .take_compiled_code()
            .ok_or_else(|| backend("no code".into()))?;
        codes.push(link::FuncCode::new("wrapper", &compiled, &ctx.func.params, isa)?);
    }
    link::link_with(&codes, isa, &[call])
}

fn build(wrapper: &Wrapper, number: u32, callee: u32, func: &mut Function) {
    let mut sig = Signature::new(CallConv::SystemV);
    sig.params.extend(wrapper.params.iter().map(|p| match p {
        Param::Number(ty) => AbiParam::new(cl_type(*ty)),
        Param::Array(_) => AbiParam::new(types::I64),
    }));
    sig.params
        .extend(wrapper.results.iter().map(|_| AbiParam::new(types::I64)));
    sig.returns.push(AbiParam::new(types::I32));
    func.signature = sig;

    let mut sig = Signature::new(CallConv::SystemV);
    sig.params.push(AbiParam::new(types::I32));
    sig.params.extend([AbiParam::new(types::I64); 2]);
    sig.returns.push(AbiParam::new(types::I32));
    let signature = func.import_signature(sig);
    let name = func.declare_imported_user_function(UserExternalName::new(0, callee));
    let target = func.import_function(ExtFuncData {
        name: ExternalName::user(name),
        signature,
        colocated: true,
        patchable: false,
    });

    let slots: u32 = wrapper.params.iter().map(|p| param_slots(*p)).sum();
    let room = |n: u32| StackSlotData::new(StackSlotKind::ExplicitSlot, 8 * n.max(1), 3);
    let args = func.create_sized_stack_slot(room(slots));
    let ret = func.create_sized_stack_slot(room(wrapper.ret_slots));
    let flags = MemFlagsData::new().with_notrap();
    let mut pos = FuncCursor::new(func);
    let block = pos.func.dfg.make_block();
    pos.insert_block(block);
    let types_of = pos.func.signature.params.clone();
    let params: Vec<Value> = types_of
        .iter()
        .map(|p| pos.func.dfg.append_block_param(block, p.value_type))
        .collect();
    let (values, outs) = params.split_at(wrapper.params.len());
    let mut at = 0;
    let mut store = |pos: &mut FuncCursor<'_>, v: Value| {
        pos.ins().stack_store(types::I64, v, args, at);
        at += 8;
    };
    for (param, &v) in wrapper.params.iter().zip(values) {
        match *param {
            Param::Number(ty) => {
                let v = to_slot(&mut pos, ty, v);
                store(&mut pos, v);
            }
            Param::Array(rank) => {
                for i in 0..1 + 2 * i32::from(rank) {
                    let word = pos.ins().load(types::I64, flags, v, 8 * i);
                    store(&mut pos, word);
                }
                let owner = pos.ins().iconst(types::I64, 0);
                store(&mut pos, owner);
            }
        }
    }
    let number = pos.ins().iconst(types::I32, i64::from(number));
    let [args, ret] = [args, ret].map(|s| pos.ins().stack_addr(types::I64, s, 0));
    let call = pos.ins().call(target, &[number, args, ret]);
    let status = pos.func.dfg.inst_results(call)[0];
    let done = pos.func.dfg.make_block();
    let mut next = pos.func.dfg.make_block();
    let none: &[BlockArg] = &[];
    let failed = pos.ins().icmp_imm_s(IntCC::NotEqual, status, 0);
    pos.ins().brif(failed, done, none, next, none);
    for (&(ty, slot), &out) in wrapper.results.iter().zip(outs) {
        pos.insert_block(next);
        let (stored, skipped) = (pos.func.dfg.make_block(), pos.func.dfg.make_block());
        pos.ins().brif(out, stored, none, skipped, none);
        pos.insert_block(stored);
        let value = pos.ins().load(cl_type(ty), flags, ret, 8 * slot as i32);
        pos.ins().store(flags, value, out, 0);
        pos.ins().jump(skipped, none);
        next = skipped;
    }
    pos.insert_block(next);
    pos.ins().jump(done, none);
    pos.insert_block(done);
    pos.ins().return_(&[status]);
}

/// Slots of an array: data, extents, strides, owner.
fn param_slots(p: Param) -> u32 {
    match p {
        Param::Number(_) => 1,
        Param::Array(rank) => 2 + 2 * u32::from(rank),
    }
}
