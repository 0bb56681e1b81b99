//! Calls: helpers through the table of `ctx`, functions of the module, safepoints.

use cranelift_codegen::ir::{
    AbiParam, Block, ExtFuncData, ExternalName, FuncRef, Inst, InstBuilder, SigRef, Signature, StackSlotData,
    StackSlotKind, UserExternalName, Value, condcodes::IntCC, types,
};
use cranelift_codegen::isa::CallConv;
use numlift_mir as mir;
use numlift_mir::builder::helper_ty;
use numlift_runtime::{HelperId, HelperSig, abi::offset, helpers};

use crate::CodegenError;
use crate::cold::ColdBlock;
use crate::lower::{Lower, NONE, cl_type, signature};
use crate::thunk;

impl Lower<'_> {
    /// `call_helper`: a fallible helper that reports an exception leaves by the site.
    pub fn call_helper(
        &mut self,
        data: &mir::InstData,
        helper: HelperId,
        site: Option<mir::Site>,
    ) -> Result<(), CodegenError> {
        if usize::from(helper.0) >= helpers::count() {
            return Err(self.invalid(format!("no helper {}", helper.0)));
        }
        let args = self.values(&data.args)?;
        if let ("py_incref" | "py_decref", [object]) = (helpers::sig(helper).name, args.as_slice()) {
            return self.count_reference(helpers::sig(helper).name, *object);
        }
        let call = self.emit_helper(helper, &args)?;
        if helpers::sig(helper).fallible {
            let site = site.ok_or_else(|| self.invalid("a fallible helper without a site"))?;
            let status = self.pos.func.dfg.inst_results(call)[0];
            let way = self.way(data)?;
            // what passes a landing keeps its site
            let site = (helpers::sig(helper).name != "py_catch").then_some(site);
            self.leave_if_failed(status, site, way);
            return Ok(());
        }
        let results = self.pos.func.dfg.inst_results(call).to_vec();
        self.define_results(data, &results)
    }

    /// A helper that generated code calls on its own account.
    pub fn named_helper(&mut self, name: &str, args: &[Value]) -> Result<Inst, CodegenError> {
        let id = helpers::find(name).ok_or_else(|| self.invalid(format!("no helper `{name}`")))?;
        self.emit_helper(id, args)
    }

    fn emit_helper(&mut self, helper: HelperId, args: &[Value]) -> Result<Inst, CodegenError> {
        let sig = helpers::sig(helper);
        if args.len() != sig.params.len() {
            return Err(self.invalid(format!("{} arguments for `{}`", args.len(), sig.name)));
        }
        let sig_ref = self.helper_signature(helper, sig);
        let table = self.load_here(offset::HELPERS);
        let flags = self.mem_flags().with_readonly();
        let address = self
            .pos
            .ins()
            .load(types::I64, flags, table, i32::from(helper.0) * 8);
        let mut all = Vec::with_capacity(args.len() + 1);
        all.extend(sig.ctx.then_some(self.ctx));
        all.extend_from_slice(args);
        Ok(self.pos.ins().call_indirect(sig_ref, address, &all))
    }

    fn helper_signature(&mut self, helper: HelperId, sig: &HelperSig) -> SigRef {
        if let Some(&known) = self.helper_sigs.get(&helper) {
            return known;
        }
        let mut s = Signature::new(CallConv::SystemV);
        s.params.extend(sig.ctx.then(|| AbiParam::new(types::I64)));
        s.params
            .extend(sig.params.iter().map(|&t| AbiParam::new(cl_type(helper_ty(t)))));
        if sig.fallible {
            s.returns.push(AbiParam::new(types::I32));
        } else {
            s.returns
                .extend(sig.ret.map(|t| AbiParam::new(cl_type(helper_ty(t)))));
        }
        let made = self.pos.func.import_signature(s);
        self.helper_sigs.insert(helper, made);
        made
    }

    fn leave_if_failed(&mut self, status: Value, site: Option<mir::Site>, way: Option<Block>) {
        let block = self.helper_fail_block(site, way);
        let failed = self.pos.ins().icmp_imm_s(IntCC::NotEqual, status, 0);
        self.branch_away(failed, block);
    }

    /// `call`: behind the callee's arguments come the effects flag of this function, and what the site records.
    pub fn call(
        &mut self,
        data: &mir::InstData,
        (func, levels): (mir::FuncId, u32),
        site: mir::Site,
    ) -> Result<(), CodegenError> {
        let module = self.module;
        let callee = module
            .funcs
            .get(func)
            .ok_or_else(|| self.invalid(format!("no function {func}")))?;
        let args = self.values(&data.args)?;
        let (args, recorded) = args
            .split_at_checked(callee.params.len())
            .filter(|(_, recorded)| !recorded.is_empty())
            .ok_or_else(|| self.invalid(format!("wrong number of arguments for `{}`", callee.name)))?;
        let types = data.args[args.len()..].iter().map(|&v| self.func.ty(v));
        let recorded = types.zip(recorded.iter().copied()).collect();
        let mut all = vec![self.ctx];
        if callee.recursive {
            let levels = i64::from(levels) + 1;
            all.push(match self.depth {
                Some(depth) => self.pos.ins().iadd_imm_s(depth, levels),
                None => self.pos.ins().iconst(types::I64, levels),
            });
        }
        all.extend_from_slice(args);
        let many = callee.results.len() > 1;
        let area = many.then(|| {
            let bytes = 8 * callee.results.len() as u32;
            let slot = StackSlotData::new(StackSlotKind::ExplicitSlot, bytes, 3);
            let slot = self.pos.func.create_sized_stack_slot(slot);
            self.pos.ins().stack_addr(types::I64, slot, 0)
        });
        all.extend(area);
        let target = self.callee(func, callee);
        let call = self.pos.ins().call(target, &all);
        let results = self.pos.func.dfg.inst_results(call).to_vec();
        let status = results[0];

        let block = self.pos.func.dfg.make_block();
        let way = self.way(data)?;
        self.cold.push((
            block,
            ColdBlock::Call {
                site,
                recorded,
                status,
                way,
            },
        ));
        let failed = self.pos.ins().icmp_imm_s(IntCC::NotEqual, status, 0);
        self.branch_away(failed, block);

        let Some(area) = area else {
            return self.define_results(data, &results[1..]);
        };
        let flags = self.stack_flags();
        let mut values = Vec::with_capacity(callee.results.len());
        for (i, &ty) in callee.results.iter().enumerate() {
            values.push(self.pos.ins().load(cl_type(ty), flags, area, 8 * i as i32));
        }
        self.define_results(data, &values)
    }

    fn callee(&mut self, id: mir::FuncId, callee: &mir::Function) -> FuncRef {
        if let Some(&known) = self.callees.get(&id) {
            return known;
        }
        let func = &mut *self.pos.func;
        let signature = func.import_signature(signature(callee));
        let name = func.declare_imported_user_function(UserExternalName::new(0, id.as_u32()));
        let name = ExternalName::user(name);
        let made = func.import_function(ExtFuncData {
            name,
            signature,
            colocated: true,
            patchable: false,
        });
        self.callees.insert(id, made);
        made
    }

    fn define_results(&mut self, data: &mir::InstData, values: &[Value]) -> Result<(), CodegenError> {
        if data.results.len() != values.len() {
            return Err(self.invalid(format!("{} with {} results", data.op.name(), data.results.len())));
        }
        for (&r, &v) in data.results.iter().zip(values) {
            self.define(r, v);
        }
        Ok(())
    }

    /// Polls `*ctx.interrupt`; the helper is called out of line.
    pub fn safepoint(&mut self, site: mir::Site, way: Option<Block>, looped: bool) {
        // in a register only in loops that poll in every turn
        let pointer = match looped {
            true => self.load_constant(offset::INTERRUPT),
            false => self.load_here(offset::INTERRUPT),
        };
        let flags = self.mem_flags();
        let word = self.pos.ins().load(types::I32, flags, pointer, 0);
        let slow = self.pos.func.dfg.make_block();
        let wanted = self.pos.ins().icmp_imm_s(IntCC::NotEqual, word, 0);
        let resume = self.branch_away(wanted, slow);
        self.cold.push((slow, ColdBlock::Safepoint { site, resume, way }));
    }

    /// The body of a safepoint's cold block: calls the trampoline, which leaves the status in `ctx.site`.
    pub fn slow_safepoint(
        &mut self,
        site: mir::Site,
        resume: Block,
        way: Option<Block>,
    ) -> Result<(), CodegenError> {
        let target = self.trampoline("safepoint")?;
        self.pos.ins().call(target, &[self.ctx]);
        let flags = self.ctx_flags();
        let status = self.pos.ins().load(types::I32, flags, self.ctx, offset::SITE);
        let fail = self.helper_fail_block(Some(site), way);
        let failed = self.pos.ins().icmp_imm_s(IntCC::NotEqual, status, 0);
        self.pos.ins().brif(failed, fail, NONE, resume, NONE);
        Ok(())
    }

    /// Takes or gives back a reference, if there is one, out of line: what is in registers stays there.
    fn count_reference(&mut self, name: &'static str, object: Value) -> Result<(), CodegenError> {
        let target = self.trampoline(name)?;
        let call = self.pos.func.dfg.make_block();
        let next = self.branch_away(object, call);
        self.cold
            .push((call, ColdBlock::Reference { target, object, next }));
        Ok(())
    }

    fn trampoline(&mut self, name: &'static str) -> Result<FuncRef, CodegenError> {
        if let Some(&known) = self.trampolines.get(name) {
            return Ok(known);
        }
        let used = thunk::trampolines(self.module);
        let at = used.iter().position(|u| *u == name);
        let at = at.ok_or_else(|| self.invalid(format!("no trampoline for `{name}`")))?;
        let func = &mut *self.pos.func;
        let signature = func.import_signature(thunk::trampoline_signature(name));
        let index = thunk::trampoline_index(self.module, at);
        let external = func.declare_imported_user_function(UserExternalName::new(0, index));
        let made = func.import_function(ExtFuncData {
            name: ExternalName::user(external),
            signature,
            colocated: true,
            patchable: false,
        });
        self.trampolines.insert(name, made);
        Ok(made)
    }
}
