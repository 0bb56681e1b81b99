//! The frame of a function: signature, prologue, blocks in MIR's layout order, exits.
//!
//! Input: a verified MIR function. Output: CLIF. MIR blocks and their parameters map one to
//! one. Instructions are visited in reverse postorder, so that a value is always known when used;
//! blocks without a path from the entry are left out.

use std::collections::HashMap;

use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::{
    self, AbiParam, AliasRegion, AliasRegionData, Block, BlockArg, InstBuilder, MemFlagsData, Signature,
    SourceLoc, StackSlot, StackSlotData, StackSlotKind, Type, Value, condcodes::IntCC, types,
};
use cranelift_codegen::isa::CallConv;
use cranelift_entity::SecondaryMap;
use cranelift_entity::packed_option::PackedOption;
use numlift_mir as mir;
use numlift_mir::LoopForest;
use numlift_runtime::{HelperId, SiteKind, abi::offset};
use smallvec::SmallVec;

use crate::CodegenError;
use crate::branch::loops;
use crate::cold::{ColdBlock, Failure, Way};
use crate::disassembly::source;
use crate::isa::Isa;
use crate::loads;
use crate::thunk::to_slot;

/// No arguments for a branch target.
pub(crate) const NONE: &[BlockArg] = &[];

pub(crate) fn cl_type(ty: mir::Ty) -> Type {
    match ty {
        mir::Ty::I8 => types::I8,
        mir::Ty::I16 => types::I16,
        mir::Ty::I32 => types::I32,
        mir::Ty::I64 => types::I64,
        mir::Ty::F32 => types::F32,
        mir::Ty::F64 => types::F64,
        mir::Ty::I8x16 => types::I8X16,
        mir::Ty::I16x8 => types::I16X8,
        mir::Ty::I32x4 => types::I32X4,
        mir::Ty::I64x2 => types::I64X2,
        mir::Ty::F32x4 => types::F32X4,
        mir::Ty::F64x2 => types::F64X2,
    }
}

/// Signature of a function of the module.
pub(crate) fn signature(f: &mir::Function) -> Signature {
    let mut sig = Signature::new(CallConv::SystemV);
    let pointer = AbiParam::new(types::I64);
    sig.params
        .extend(std::iter::repeat_n(pointer, 1 + usize::from(f.recursive)));
    sig.params
        .extend(f.params.iter().map(|&t| AbiParam::new(cl_type(t))));
    sig.returns.push(AbiParam::new(types::I32));
    match f.results[..] {
        [] => {}
        [ty] => sig.returns.push(AbiParam::new(cl_type(ty))),
        _ => sig.params.push(pointer),
    }
    sig
}

/// State while one function is lowered.
pub(crate) struct Lower<'a> {
    pub module: &'a mir::Module,
    pub func: &'a mir::Function,
    pub isa: &'a Isa,
    pub pos: FuncCursor<'a>,
    values: SecondaryMap<mir::Value, PackedOption<Value>>,
    blocks: SecondaryMap<mir::Block, PackedOption<Block>>,
    pub slots: SecondaryMap<mir::Slot, PackedOption<StackSlot>>,
    pub ctx: Value,
    pub depth: Option<Value>,
    pub ret: Option<Value>,
    /// The common way out after a failure; its parameter is the status.
    exit: Option<Block>,
    /// The common way out of a function with owner slots; its parameter is the single result.
    done: Option<Block>,
    /// Blocks out of line, to be filled at the end.
    pub cold: Vec<(Block, ColdBlock)>,
    pub fails: HashMap<Failure, Block>,
    pub helper_fails: HashMap<(Option<u32>, Option<Block>), Block>,
    pub ways: HashMap<Way, Block>,
    pub helper_sigs: HashMap<HelperId, ir::SigRef>,
    pub callees: HashMap<mir::FuncId, ir::FuncRef>,
    pub trampolines: HashMap<&'static str, ir::FuncRef>,
    pub loops: LoopForest,
    /// Loads of narrow integers that are extended: whether with their sign.
    pub extended: SecondaryMap<mir::Value, Option<bool>>,
    /// What they are in 64 bits.
    pub wide: SecondaryMap<mir::Value, PackedOption<Value>>,
    /// What is loaded by loads that may be done anywhere in their block.
    pub movable: SecondaryMap<mir::Value, bool>,
    /// Memory for operands that do not fit into the context.
    pub spill: Option<StackSlot>,
    ctx_region: AliasRegion,
    stack_region: AliasRegion,
}

/// Fills `out` with the CLIF of function `id`.
pub(crate) fn lower(
    module: &mir::Module,
    id: mir::FuncId,
    isa: &Isa,
    out: &mut ir::Function,
) -> Result<(), CodegenError> {
    let func = &module.funcs[id];
    out.signature = signature(func);
    let region = |id, name: &'static str| AliasRegionData {
        user_id: id,
        description: name.into(),
    };
    let ctx_region = out.dfg.alias_regions.insert(region(0, "ctx"));
    let stack_region = out.dfg.alias_regions.insert(region(1, "slots"));
    let mut slots = SecondaryMap::new();
    for (slot, data) in func.slots.iter() {
        // vectors are stored to those of 16 bytes and more
        let align = if data.bytes >= 16 { 4 } else { 3 };
        let data = StackSlotData::new(StackSlotKind::ExplicitSlot, data.bytes.max(8), align);
        slots[slot] = out.create_sized_stack_slot(data).into();
    }
    let mut pos = FuncCursor::new(out);
    let start = pos.func.dfg.make_block();
    pos.insert_block(start);
    let params: Vec<Type> = pos.func.signature.params.iter().map(|p| p.value_type).collect();
    let params: Vec<Value> = params
        .iter()
        .map(|&t| pos.func.dfg.append_block_param(start, t))
        .collect();
    let mut l = Lower {
        module,
        func,
        isa,
        pos,
        values: SecondaryMap::new(),
        blocks: SecondaryMap::new(),
        slots,
        ctx: params[0],
        depth: func.recursive.then(|| params[1]),
        ret: params.last().copied().filter(|_| func.results.len() > 1),
        exit: None,
        done: None,
        cold: Vec::new(),
        fails: HashMap::new(),
        helper_fails: HashMap::new(),
        ways: HashMap::new(),
        helper_sigs: HashMap::new(),
        callees: HashMap::new(),
        trampolines: HashMap::new(),
        loops: loops(func),
        extended: extended_loads(func),
        wide: SecondaryMap::new(),
        movable: loads::movable(func),
        spill: None,
        ctx_region,
        stack_region,
    };
    let first = 1 + usize::from(func.recursive);
    l.body(&params[first..first + func.params.len()])
}

/// The loads of narrow integers that the function extends, by the first extension of each.
fn extended_loads(f: &mir::Function) -> SecondaryMap<mir::Value, Option<bool>> {
    let mut out: SecondaryMap<mir::Value, Option<bool>> = SecondaryMap::new();
    for i in f.layout.iter().flat_map(|b| f.blocks[*b].insts.iter()) {
        let d = &f.insts[*i];
        if matches!(d.op, mir::Opcode::Sext | mir::Opcode::Zext)
            && !d.ty.is_vector()
            && f.def(d.args[0])
                .is_some_and(|l| f.insts[l].op == mir::Opcode::Load)
        {
            out[d.args[0]].get_or_insert(d.op == mir::Opcode::Sext);
        }
    }
    out
}

impl<'a> Lower<'a> {
    fn body(&mut self, params: &[Value]) -> Result<(), CodegenError> {
        let func = self.func;
        let entry = *func.layout.first().ok_or_else(|| self.invalid("no blocks"))?;
        let order = reverse_postorder(func, entry);
        for &b in &order {
            self.blocks[b] = self.pos.func.dfg.make_block().into();
        }
        let start = self.pos.current_block();
        self.prologue(params, entry)?;
        self.lay_out(start)?;
        for &b in &order {
            let block = self.block(b)?;
            for &p in &func.blocks[b].params {
                let v = self.pos.func.dfg.append_block_param(block, cl_type(func.ty(p)));
                self.values[p] = v.into();
            }
        }
        for &b in &order {
            let block = self.block(b)?;
            self.pos.goto_bottom(block);
            for &i in &func.blocks[b].insts {
                let data = &func.insts[i];
                self.pos.set_srcloc(source(data.line, func.blocks[b].cold));
                self.inst(data, b)?;
            }
            if func.terminator(b).is_none() {
                return Err(self.invalid(format!("{b} has no terminator")));
            }
        }
        self.pos.set_srcloc(source(0, true));
        self.fill_cold()?;
        self.fill_exits()
    }

    /// Puts the reachable blocks in the layout in MIR's order.
    fn lay_out(&mut self, start: Option<Block>) -> Result<(), CodegenError> {
        let mut placed = usize::from(start.is_some());
        for &b in &self.func.layout {
            let Some(block) = self.blocks[b].expand() else {
                continue;
            };
            if self.pos.func.layout.is_block_inserted(block) {
                return Err(self.invalid(format!("{b} is in the layout twice")));
            }
            self.pos.func.layout.append_block(block);
            if self.func.blocks[b].cold {
                self.pos.func.layout.set_cold(block);
            }
            placed += 1;
        }
        let made = self.pos.func.dfg.num_blocks();
        let others = self.cold.len() + usize::from(self.exit.is_some());
        if placed + others != made {
            return Err(self.invalid("a branch target is not in the layout"));
        }
        Ok(())
    }

    /// Clears the owner slots and checks the recursion depth.
    fn prologue(&mut self, params: &[Value], entry: mir::Block) -> Result<(), CodegenError> {
        let owners = self.owners();
        if !owners.is_empty() {
            let flags = self.stack_flags();
            let zero = self.pos.ins().iconst(types::I64, 0);
            for slot in owners {
                let addr = self.pos.ins().stack_addr(types::I64, slot, 0);
                self.pos.ins().store(flags, zero, addr, 0);
            }
        }
        let entry_block = self.block(entry)?;
        let args: SmallVec<[BlockArg; 8]> = params.iter().map(|&v| v.into()).collect();
        let Some(depth) = self.depth else {
            self.pos.ins().jump(entry_block, &args);
            return Ok(());
        };
        let site = self
            .func
            .recursion_site
            .ok_or_else(|| self.invalid("recursive without a site"))?;
        let limit = self.load_here(offset::DEPTH_LIMIT);
        let deep = self.pos.ins().icmp(IntCC::SignedGreaterThanOrEqual, depth, limit);
        let fail = self.fail_block(site, &[], None)?;
        self.pos.ins().brif(deep, fail, NONE, entry_block, &args);
        Ok(())
    }

    fn owners(&self) -> SmallVec<[StackSlot; 8]> {
        let slots = self.func.slots.iter().filter(|(_, d)| d.owner);
        slots.filter_map(|(s, _)| self.slots[s].expand()).collect()
    }

    /// Returns `results`; functions with owner slots share one block for it.
    pub fn ret(&mut self, results: &[Value]) -> Result<(), CodegenError> {
        if results.len() != self.func.results.len() {
            return Err(self.invalid("return with another number of values"));
        }
        let mut direct: SmallVec<[Value; 2]> = SmallVec::new();
        if let Some(ret) = self.ret {
            let flags = self.mem_flags();
            for (i, &v) in results.iter().enumerate() {
                let slot = to_slot(&mut self.pos, self.func.results[i], v);
                self.pos.ins().store(flags, slot, ret, 8 * i as i32);
            }
        } else {
            direct.extend(results.iter().copied());
        }
        if self.owners().is_empty() {
            let status = self.pos.ins().iconst(types::I32, 0);
            direct.insert(0, status);
            self.pos.ins().return_(&direct);
            return Ok(());
        }
        let done = match self.done {
            Some(block) => block,
            None => {
                let block = self.pos.func.dfg.make_block();
                for &v in &direct {
                    let ty = self.pos.func.dfg.value_type(v);
                    self.pos.func.dfg.append_block_param(block, ty);
                }
                *self.done.insert(block)
            }
        };
        let args: SmallVec<[BlockArg; 2]> = direct.iter().map(|&v| v.into()).collect();
        self.pos.ins().jump(done, &args);
        Ok(())
    }

    /// Leaves with a status, from a cold block.
    pub fn leave(&mut self, status: Value) {
        let exit = match self.exit {
            Some(block) => block,
            None => {
                let block = self.pos.func.dfg.make_block();
                self.pos.func.dfg.append_block_param(block, types::I32);
                *self.exit.insert(block)
            }
        };
        self.pos.ins().jump(exit, &[BlockArg::Value(status)]);
    }

    fn fill_exits(&mut self) -> Result<(), CodegenError> {
        if let Some(block) = self.done {
            self.pos.func.layout.append_block(block);
            self.pos.goto_bottom(block);
            self.pos.set_srcloc(SourceLoc::default());
            self.release_owners()?;
            let mut values = vec![self.pos.ins().iconst(types::I32, 0)];
            values.extend_from_slice(self.pos.func.dfg.block_params(block));
            self.pos.ins().return_(&values);
        }
        if let Some(block) = self.exit {
            self.pos.func.layout.append_block(block);
            self.pos.func.layout.set_cold(block);
            self.pos.goto_bottom(block);
            self.pos.set_srcloc(source(0, true));
            self.release_owners()?;
            let mut values = vec![self.pos.func.dfg.block_params(block)[0]];
            if let [ty] = self.func.results[..] {
                values.push(self.zero(ty));
            }
            self.pos.ins().return_(&values);
        }
        Ok(())
    }

    fn release_owners(&mut self) -> Result<(), CodegenError> {
        let flags = self.stack_flags();
        for slot in self.owners() {
            let addr = self.pos.ins().stack_addr(types::I64, slot, 0);
            let object = self.pos.ins().load(types::I64, flags, addr, 0);
            self.named_helper("py_decref", &[object])?;
        }
        Ok(())
    }

    fn zero(&mut self, ty: mir::Ty) -> Value {
        match ty {
            mir::Ty::F32 => self.pos.ins().f32const(0.0),
            mir::Ty::F64 => self.pos.ins().f64const(0.0),
            _ => self.pos.ins().iconst(cl_type(ty), 0),
        }
    }

    // Values, blocks and memory flags

    pub fn block(&self, b: mir::Block) -> Result<Block, CodegenError> {
        self.blocks[b]
            .expand()
            .ok_or_else(|| self.invalid(format!("{b} is not reachable")))
    }

    pub fn value(&self, v: mir::Value) -> Result<Value, CodegenError> {
        self.values[v]
            .expand()
            .ok_or_else(|| self.invalid(format!("{v} is used before its definition")))
    }

    pub fn values(&self, vs: &[mir::Value]) -> Result<SmallVec<[Value; 8]>, CodegenError> {
        vs.iter().map(|&v| self.value(v)).collect()
    }

    pub fn define(&mut self, v: mir::Value, to: Value) {
        self.values[v] = to.into();
    }

    /// Memory that generated code and its host share: no claim of alignment.
    pub fn mem_flags(&self) -> MemFlagsData {
        MemFlagsData::new().with_notrap()
    }

    pub fn stack_flags(&self) -> MemFlagsData {
        self.mem_flags().with_alias_region(Some(self.stack_region))
    }

    pub fn ctx_flags(&self) -> MemFlagsData {
        self.mem_flags().with_alias_region(Some(self.ctx_region))
    }

    /// Never changes during a call of generated code: may be hoisted.
    pub fn constant_flags(&self) -> MemFlagsData {
        self.mem_flags().with_readonly().with_can_move()
    }

    /// A field of `ctx` that never changes.
    pub fn load_constant(&mut self, offset: i32) -> Value {
        let flags = self.constant_flags();
        self.pos.ins().load(types::I64, flags, self.ctx, offset)
    }

    /// The same, loaded where it is needed: in a register through loops it would displace what these need.
    pub fn load_here(&mut self, offset: i32) -> Value {
        let flags = self.mem_flags().with_readonly();
        self.pos.ins().load(types::I64, flags, self.ctx, offset)
    }

    pub fn is_exit(&self, site: mir::Site) -> bool {
        matches!(
            self.module.sites.get(site).map(|s| &s.kind),
            Some(SiteKind::Exit(_) | SiteKind::Resume { .. })
        )
    }

    pub fn invalid(&self, message: impl Into<String>) -> CodegenError {
        CodegenError::Invalid {
            func: self.func.name.clone(),
            message: message.into(),
        }
    }
}

fn reverse_postorder(func: &mir::Function, entry: mir::Block) -> Vec<mir::Block> {
    let mut seen: SecondaryMap<mir::Block, bool> = SecondaryMap::new();
    let mut order = Vec::with_capacity(func.blocks.len());
    let mut stack = vec![(entry, 0)];
    seen[entry] = true;
    while let Some((block, next)) = stack.pop() {
        match func.successors(block).get(next) {
            Some(succ) => {
                stack.push((block, next + 1));
                if !std::mem::replace(&mut seen[succ.block], true) {
                    stack.push((succ.block, 0));
                }
            }
            None => order.push(block),
        }
    }
    order.reverse();
    order
}
