//! Blocks out of line: where operations fail into, what they record there, and the way out of the function.

use cranelift_codegen::cursor::Cursor;
use cranelift_codegen::ir::{
    Block, BlockArg, FuncRef, InstBuilder, StackSlot, StackSlotData, StackSlotKind, Value, condcodes::IntCC,
    types,
};
use numlift_mir as mir;
use numlift_runtime::SiteKind;
use numlift_runtime::abi::{MAX_OPERANDS, Status, offset};
use smallvec::SmallVec;

use crate::CodegenError;
use crate::lower::{Lower, NONE};
use crate::thunk::to_slot;

/// Recorded values with their types.
type Recorded = SmallVec<[(mir::Ty, Value); 4]>;

/// A block out of line, filled after the function's own blocks. A `way` is where it goes instead of leaving the function.
pub(crate) enum ColdBlock {
    /// Record the operands and leave with `Status::Site`.
    Site {
        site: mir::Site,
        operands: Recorded,
        way: Option<Block>,
    },
    /// Leave with `Status::Python`; without a site by that of the failure before.
    Helper {
        site: Option<mir::Site>,
        way: Option<Block>,
    },
    /// A callee failed, inlined or not: pass its status on.
    Call {
        site: mir::Site,
        /// the effects flag, then the operands of the site
        recorded: Recorded,
        status: Value,
        way: Option<Block>,
    },
    /// Go on at a landing.
    Land(Landing),
    /// Fail if the condition does not hold, or back.
    Unless {
        cond: mir::Value,
        fail: Block,
        next: Block,
    },
    /// A negative index counts from the end, then back; one that is outside anyway fails.
    Wrap {
        index: Value,
        len: Value,
        fail: Block,
        next: Block,
    },
    /// A reference is counted, then back.
    Reference {
        target: FuncRef,
        object: Value,
        next: Block,
    },
    /// The safepoint helper, then back.
    Safepoint {
        site: mir::Site,
        resume: Block,
        way: Option<Block>,
    },
}

/// Where a function goes on when something fails in it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Landing {
    block: Block,
    slot: StackSlot,
    values: SmallVec<[Value; 8]>,
}

/// What a failure records, by the site's number, and its way.
pub(crate) type Failure = (u32, SmallVec<[Value; 4]>, Option<Block>);

/// What failures have in common on their way: the block for it takes the status.
#[derive(PartialEq, Eq, Hash)]
pub(crate) enum Way {
    Land(Landing),
    /// An inlined call passes the failure on.
    Pass(mir::Site, SmallVec<[Value; 8]>, Option<Block>),
}

impl Lower<'_> {
    /// The block that records `operands` for `site`; shared by failures that record the same and go the same way.
    pub fn fail_block(
        &mut self,
        site: mir::Site,
        operands: &[mir::Value],
        way: Option<Block>,
    ) -> Result<Block, CodegenError> {
        if operands.len() > MAX_OPERANDS && !self.is_resume(site) {
            return Err(self.invalid(format!("{} operands at {site}", operands.len())));
        }
        let values = self.values(operands)?;
        let key = (site.as_u32(), values.iter().copied().collect(), way);
        if let Some(&known) = self.fails.get(&key) {
            return Ok(known);
        }
        let block = self.pos.func.dfg.make_block();
        self.fails.insert(key, block);
        let operands = self.recorded(operands, &values);
        self.cold.push((block, ColdBlock::Site { site, operands, way }));
        Ok(block)
    }

    /// Where an instruction goes on when it fails, unless it leaves the function.
    pub fn way(&mut self, data: &mir::InstData) -> Result<Option<Block>, CodegenError> {
        let mut way = match data.landing() {
            Some(l) => Some(self.landing(l)?),
            None => None,
        };
        for c in data.inlined().iter().rev() {
            way = Some(self.pass(c, way)?);
        }
        Ok(way)
    }

    fn landing(&mut self, l: &mir::Landing) -> Result<Block, CodegenError> {
        let slot = self.slots[l.slot].expand();
        let landing = Landing {
            block: self.block(l.block)?,
            slot: slot.ok_or_else(|| self.invalid(format!("{} does not exist", l.slot)))?,
            values: self.values(&l.values)?,
        };
        let (block, new) = self.way_block(Way::Land(landing.clone()));
        if new {
            self.cold.push((block, ColdBlock::Land(landing)));
        }
        Ok(block)
    }

    /// What an inlined call does with the failure of its callee.
    fn pass(&mut self, c: &mir::InlinedCall, way: Option<Block>) -> Result<Block, CodegenError> {
        let site = c.site;
        let values = self.values(&c.recorded)?;
        let recorded = self.recorded(&c.recorded, &values);
        let (block, new) = self.way_block(Way::Pass(site, values, way));
        if new {
            let status = self.pos.func.dfg.block_params(block)[0];
            let call = ColdBlock::Call {
                site,
                recorded,
                status,
                way,
            };
            self.cold.push((block, call));
        }
        Ok(block)
    }

    fn recorded(&self, values: &[mir::Value], lowered: &[Value]) -> Recorded {
        let types = values.iter().map(|&v| self.func.ty(v));
        types.zip(lowered.iter().copied()).collect()
    }

    /// The block of a way, and whether it is new.
    fn way_block(&mut self, way: Way) -> (Block, bool) {
        if let Some(&known) = self.ways.get(&way) {
            return (known, false);
        }
        let block = self.pos.func.dfg.make_block();
        self.pos.func.dfg.append_block_param(block, types::I32);
        self.ways.insert(way, block);
        (block, true)
    }

    /// Ends a cold block: on its way, or out of the function.
    fn go_on(&mut self, way: Option<Block>, status: Value) {
        match way {
            Some(way) => {
                self.pos.ins().jump(way, &[BlockArg::Value(status)]);
            }
            None => self.leave(status),
        }
    }

    /// Goes on at a landing.
    fn land(&mut self, l: Landing) {
        let flags = self.stack_flags();
        let base = self.pos.ins().stack_addr(types::I64, l.slot, 0);
        for (k, v) in l.values.into_iter().enumerate() {
            self.pos.ins().store(flags, v, base, 8 * k as i32);
        }
        self.pos.ins().jump(l.block, &[] as &[BlockArg]);
    }

    /// The block that leaves with a Python exception set by a helper called at `site`.
    pub fn helper_fail_block(&mut self, site: Option<mir::Site>, way: Option<Block>) -> Block {
        let key = (site.map(mir::Site::as_u32), way);
        if let Some(&known) = self.helper_fails.get(&key) {
            return known;
        }
        let block = self.pos.func.dfg.make_block();
        self.helper_fails.insert(key, block);
        self.cold.push((block, ColdBlock::Helper { site, way }));
        block
    }

    /// Fills the cold blocks, which may ask for more of them.
    pub fn fill_cold(&mut self) -> Result<(), CodegenError> {
        while let Some((block, what)) = self.cold.pop() {
            self.pos.func.layout.append_block(block);
            self.pos.func.layout.set_cold(block);
            self.pos.goto_bottom(block);
            match what {
                ColdBlock::Site { site, operands, way } => {
                    self.record(site, &operands)?;
                    let status = self.status(Status::Site);
                    self.go_on(way, status);
                }
                ColdBlock::Helper { site, way } => {
                    if let Some(site) = site {
                        self.store_site(site);
                    }
                    let status = self.status(Status::Python);
                    self.go_on(way, status);
                }
                ColdBlock::Call {
                    site,
                    recorded,
                    status,
                    way,
                } => {
                    let number = self.pos.ins().iconst(types::I64, i64::from(site.as_u32()));
                    self.named_helper("trace", &[number])?;
                    self.record_frame(site, &recorded)?;
                    self.go_on(way, status);
                }
                ColdBlock::Land(landing) => self.land(landing),
                ColdBlock::Unless { cond, fail, next } => {
                    let fails = self.condition(cond, false)?;
                    self.pos.ins().brif(fails, fail, NONE, next, NONE);
                }
                ColdBlock::Wrap {
                    index,
                    len,
                    fail,
                    next,
                } => {
                    let wrapped = self.pos.ins().iadd(index, len);
                    let outside = self
                        .pos
                        .ins()
                        .icmp(IntCC::UnsignedGreaterThanOrEqual, wrapped, len);
                    self.pos.ins().brif(outside, fail, NONE, next, &[wrapped.into()]);
                }
                ColdBlock::Reference { target, object, next } => {
                    self.pos.ins().call(target, &[self.ctx, object]);
                    self.pos.ins().jump(next, NONE);
                }
                ColdBlock::Safepoint { site, resume, way } => self.slow_safepoint(site, resume, way)?,
            }
        }
        Ok(())
    }

    /// Records the state of a caller; its references are still those of its variables.
    fn record_frame(&mut self, site: mir::Site, recorded: &[(mir::Ty, Value)]) -> Result<(), CodegenError> {
        if let [(_, effects), ..] = recorded {
            self.add_effects(*effects);
        }
        if let Some(SiteKind::Frame { .. }) = self.module.sites.get(site).map(|s| &s.kind) {
            let at = self.store_all(recorded, offset::FRAME);
            self.keep(site, at)?;
        }
        Ok(())
    }

    /// Stores what a site records: in the context, or on the stack if there is no room for it. Its address.
    fn store_all(&mut self, values: &[(mir::Ty, Value)], at: i32) -> Value {
        let (flags, base) = match self.is_spilled(values) {
            false => (
                self.ctx_flags(),
                self.pos.ins().iadd_imm_s(self.ctx, i64::from(at)),
            ),
            true => (self.stack_flags(), self.spill_area(8 * values.len() as u32)),
        };
        for (i, &(ty, v)) in values.iter().enumerate() {
            let slot = to_slot(&mut self.pos, ty, v);
            self.pos.ins().store(flags, slot, base, 8 * i as i32);
        }
        base
    }

    fn is_spilled(&self, values: &[(mir::Ty, Value)]) -> bool {
        values.len() > MAX_OPERANDS
    }

    /// Memory for operands until `py_frame` has taken them.
    fn spill_area(&mut self, bytes: u32) -> Value {
        let slots = &mut self.pos.func.sized_stack_slots;
        let slot = *self
            .spill
            .get_or_insert_with(|| slots.push(StackSlotData::new(StackSlotKind::ExplicitSlot, bytes, 3)));
        slots[slot].size = slots[slot].size.max(bytes);
        self.pos.ins().stack_addr(types::I64, slot, 0)
    }

    fn record(&mut self, site: mir::Site, operands: &[(mir::Ty, Value)]) -> Result<(), CodegenError> {
        let at = self.store_all(operands, offset::OPERANDS);
        let spilled = self.is_spilled(operands);
        if let ([(mir::Ty::I8, done), ..], true) = (operands, self.is_exit(site)) {
            self.add_effects(*done);
            if spilled {
                self.store_all(&operands[..1], offset::OPERANDS);
            }
        }
        self.store_site(site);
        match spilled || self.has_owners(site) {
            true => self.keep(site, at),
            false => Ok(()),
        }
    }

    /// Keeps what a site has recorded, with references of its own: the function gives its own back on the way out.
    fn keep(&mut self, site: mir::Site, at: Value) -> Result<(), CodegenError> {
        let number = self.pos.ins().iconst(types::I64, i64::from(site.as_u32()));
        self.named_helper("py_frame", &[number, at])?;
        Ok(())
    }

    fn is_resume(&self, site: mir::Site) -> bool {
        matches!(
            self.module.sites.get(site).map(|s| &s.kind),
            Some(SiteKind::Resume { .. })
        )
    }

    /// Whether operands of a resume point hold references.
    fn has_owners(&self, site: mir::Site) -> bool {
        let kind = self.module.sites.get(site).map(|s| &s.kind);
        let Some(SiteKind::Resume { operands: types, .. }) = kind else {
            return false;
        };
        let mut owners = vec![];
        let mut at = 1;
        for t in types {
            mir::flatten::owners(t, &mut at, &mut owners);
        }
        !owners.is_empty()
    }

    fn store_site(&mut self, site: mir::Site) {
        let flags = self.ctx_flags();
        let number = self.pos.ins().iconst(types::I32, i64::from(site.as_u32()));
        self.pos.ins().store(flags, number, self.ctx, offset::SITE);
    }

    /// `ctx.effects |= flag`
    fn add_effects(&mut self, flag: Value) {
        let flags = self.ctx_flags();
        let old = self.pos.ins().load(types::I32, flags, self.ctx, offset::EFFECTS);
        let flag = self.pos.ins().uextend(types::I32, flag);
        let new = self.pos.ins().bor(old, flag);
        self.pos.ins().store(flags, new, self.ctx, offset::EFFECTS);
    }

    fn status(&mut self, status: Status) -> Value {
        self.pos.ins().iconst(types::I32, status as i64)
    }
}
