//! The operations that can fail, and the cold blocks they fail into.

use cranelift_codegen::cursor::Cursor;
use cranelift_codegen::ir::{
    Block, BlockArg, FuncRef, InstBuilder, StackSlot, StackSlotData, StackSlotKind, Value, condcodes::IntCC,
    types,
};
use numlift_mir as mir;
use numlift_mir::Opcode;
use numlift_runtime::SiteKind;
use numlift_runtime::abi::{MAX_OPERANDS, Status, offset};
use smallvec::SmallVec;

use crate::CodegenError;
use crate::lower::{Lower, NONE};
use crate::thunk::to_slot;

/// A block out of line, filled after the function's own blocks.
pub(crate) enum ColdBlock {
    /// Record the operands and leave with `Status::Site`.
    Site {
        site: mir::Site,
        operands: SmallVec<[(mir::Ty, Value); 4]>,
        landing: Option<Landing>,
    },
    /// Leave with `Status::Python`; without a site by that of the failure before.
    Helper {
        site: Option<mir::Site>,
        landing: Option<Landing>,
    },
    /// A callee failed: pass its status on.
    Call {
        site: mir::Site,
        /// the effects flag, then the operands of the site
        recorded: SmallVec<[(mir::Ty, Value); 4]>,
        status: Value,
        landing: Option<Landing>,
    },
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
        landing: Option<Landing>,
    },
}

/// Where a cold block goes instead of leaving the function.
pub(crate) struct Landing {
    block: Block,
    slot: StackSlot,
    values: SmallVec<[Value; 4]>,
}

impl Lower<'_> {
    /// Lowers a checked operation.
    pub fn check(
        &mut self,
        data: &mir::InstData,
        site: mir::Site,
        from: mir::Block,
    ) -> Result<(), CodegenError> {
        let own = data.op.own_args();
        if data.args.len() < own {
            return Err(self.invalid(format!("{} with {} arguments", data.op.name(), data.args.len())));
        }
        let args = self.values(&data.args[..own])?;
        if data.op == Opcode::Safepoint {
            let landing = self.landing(data)?;
            let looped = !self.func.blocks[from].cold && self.loops.innermost(from).is_some();
            self.safepoint(site, landing, looped);
            return Ok(());
        }
        let fail = match self.landing(data)? {
            Some(landing) => self.landing_block(site, &data.args[own..], landing)?,
            None => self.fail_block(site, &data.args[own..])?,
        };
        let cold = self.func.blocks[from].cold;
        let result = match data.op {
            Opcode::IaddChk => self.iadd_checked(data, args[0], args[1], fail),
            Opcode::IsubChk => self.isub_checked(data, args[0], args[1], fail),
            Opcode::ImulChk => self.imul_checked(data, args[0], args[1], fail),
            Opcode::BoundsCheck => self.bounds_check(data, (args[0], args[1]), fail, cold),
            Opcode::IndexCheck => self.index_check(args[0], args[1], fail),
            Opcode::ZeroCheck | Opcode::Guard => {
                return self.branch_away_unless(data.args[0], fail);
            }
            Opcode::ShapeCheck => {
                let other = self.pos.ins().icmp(IntCC::NotEqual, args[0], args[1]);
                self.branch_away(other, fail);
                return Ok(());
            }
            Opcode::Fail => {
                self.pos.ins().jump(fail, &[] as &[BlockArg]);
                return Ok(());
            }
            _ => return Err(self.invalid(format!("{} takes no site", data.op.name()))),
        };
        self.result(data, result)
    }

    /// With a constant the sum is on the wrong side of the other operand exactly if it overflowed.
    fn iadd_checked(&mut self, data: &mir::InstData, a: Value, b: Value, fail: Block) -> Value {
        let constant = self.constant(data.args[1]).map(|k| (a, k));
        match constant.or_else(|| self.constant(data.args[0]).map(|k| (b, k))) {
            Some((x, 0)) => x,
            Some((x, k)) => {
                let sum = self.pos.ins().iadd(a, b);
                let cc = if k > 0 {
                    IntCC::SignedLessThan
                } else {
                    IntCC::SignedGreaterThan
                };
                let overflow = self.pos.ins().icmp(cc, sum, x);
                self.branch_away(overflow, fail);
                sum
            }
            None => {
                let (sum, overflow) = self.pos.ins().sadd_overflow(a, b);
                self.branch_away(overflow, fail);
                sum
            }
        }
    }

    fn isub_checked(&mut self, data: &mir::InstData, a: Value, b: Value, fail: Block) -> Value {
        match self.constant(data.args[1]) {
            Some(0) => a,
            Some(k) => {
                let difference = self.pos.ins().isub(a, b);
                let cc = if k > 0 {
                    IntCC::SignedGreaterThan
                } else {
                    IntCC::SignedLessThan
                };
                let overflow = self.pos.ins().icmp(cc, difference, a);
                self.branch_away(overflow, fail);
                difference
            }
            None => {
                let (difference, overflow) = self.pos.ins().ssub_overflow(a, b);
                self.branch_away(overflow, fail);
                difference
            }
        }
    }

    fn imul_checked(&mut self, data: &mir::InstData, a: Value, b: Value, fail: Block) -> Value {
        let constant = self.constant(data.args[1]).map(|k| (a, k));
        match constant.or_else(|| self.constant(data.args[0]).map(|k| (b, k))) {
            Some((x, 1)) => x,
            Some((_, 0)) => self.pos.ins().iconst(types::I64, 0),
            Some((x, k)) if k > 0 && k.count_ones() == 1 => self.shift_checked(x, k.trailing_zeros(), fail),
            Some((x, k)) => {
                let (lo, hi) = multiplicands(k);
                let from_lo = self.pos.ins().iadd_imm_s(x, lo.wrapping_neg());
                let limit = self.pos.ins().iconst(types::I64, hi.wrapping_sub(lo));
                let overflow = self.pos.ins().icmp(IntCC::UnsignedGreaterThan, from_lo, limit);
                self.branch_away(overflow, fail);
                self.pos.ins().imul(a, b)
            }
            None => {
                let (product, overflow) = self.pos.ins().smul_overflow(a, b);
                self.branch_away(overflow, fail);
                product
            }
        }
    }

    /// `x * 2**n` fits if shifting back gives `x`.
    fn shift_checked(&mut self, x: Value, n: u32, fail: Block) -> Value {
        let product = self.pos.ins().ishl_imm_u(x, i64::from(n));
        let back = self.pos.ins().sshr_imm_u(product, i64::from(n));
        let overflow = self.pos.ins().icmp(IntCC::NotEqual, back, x);
        self.branch_away(overflow, fail);
        product
    }

    /// An index in range costs one comparison: negative ones are counted from the end out of line.
    fn bounds_check(
        &mut self,
        data: &mir::InstData,
        (index, len): (Value, Value),
        fail: Block,
        cold: bool,
    ) -> Value {
        let known = self.constant(data.args[0]);
        if known.is_some_and(|k| k >= 0) {
            return self.index_check(index, len, fail);
        }
        if known.is_some() || cold {
            let wrapped = self.pos.ins().iadd(index, len);
            let negative = self.pos.ins().icmp_imm_s(IntCC::SignedLessThan, index, 0);
            let index = self.pos.ins().select(negative, wrapped, index);
            return self.index_check(index, len, fail);
        }
        let outside = self.pos.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, index, len);
        let wrap = self.pos.func.dfg.make_block();
        let next = self.split();
        let inside = self.pos.func.dfg.append_block_param(next, types::I64);
        self.pos.ins().brif(outside, wrap, NONE, next, &[index.into()]);
        self.pos.goto_bottom(next);
        self.cold.push((
            wrap,
            ColdBlock::Wrap {
                index,
                len,
                fail,
                next,
            },
        ));
        inside
    }

    fn index_check(&mut self, index: Value, len: Value, fail: Block) -> Value {
        let outside = self.pos.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, index, len);
        self.branch_away(outside, fail);
        index
    }

    /// The value of an `iconst`.
    fn constant(&self, v: mir::Value) -> Option<i64> {
        let mir::ValueDef::Result(inst, _) = self.func.values[v].def else {
            return None;
        };
        match self.func.insts[inst] {
            mir::InstData {
                op: Opcode::Iconst,
                imm: mir::Imm::Int(n),
                ..
            } => Some(n),
            _ => None,
        }
    }

    // Cold blocks

    /// The block that records `operands` for `site`; shared by failures that record the same.
    pub fn fail_block(&mut self, site: mir::Site, operands: &[mir::Value]) -> Result<Block, CodegenError> {
        if operands.len() > MAX_OPERANDS && !self.is_resume(site) {
            return Err(self.invalid(format!("{} operands at {site}", operands.len())));
        }
        let values = self.values(operands)?;
        let key = (site.as_u32(), values.iter().copied().collect());
        if let Some(&known) = self.fails.get(&key) {
            return Ok(known);
        }
        let block = self.pos.func.dfg.make_block();
        self.fails.insert(key, block);
        let operands = operands.iter().map(|&v| self.func.ty(v)).zip(values).collect();
        let landing = None;
        self.cold.push((
            block,
            ColdBlock::Site {
                site,
                operands,
                landing,
            },
        ));
        Ok(block)
    }

    /// The block that records `operands` for `site` and goes on at a landing.
    fn landing_block(
        &mut self,
        site: mir::Site,
        operands: &[mir::Value],
        landing: Landing,
    ) -> Result<Block, CodegenError> {
        let values = self.values(operands)?;
        let operands = operands.iter().map(|&v| self.func.ty(v)).zip(values).collect();
        let block = self.pos.func.dfg.make_block();
        let landing = Some(landing);
        self.cold.push((
            block,
            ColdBlock::Site {
                site,
                operands,
                landing,
            },
        ));
        Ok(block)
    }

    /// Where an instruction goes on when it fails.
    pub fn landing(&self, data: &mir::InstData) -> Result<Option<Landing>, CodegenError> {
        let Some(l) = &data.landing else { return Ok(None) };
        let slot = self.slots[l.slot].expand();
        Ok(Some(Landing {
            block: self.block(l.block)?,
            slot: slot.ok_or_else(|| self.invalid(format!("{} does not exist", l.slot)))?,
            values: self.values(&l.values)?.into_iter().collect(),
        }))
    }

    /// Ends a cold block: at its landing, or out of the function.
    fn land(&mut self, landing: Option<Landing>, status: Value) {
        let Some(l) = landing else {
            self.leave(status);
            return;
        };
        let flags = self.stack_flags();
        let base = self.pos.ins().stack_addr(types::I64, l.slot, 0);
        for (k, v) in l.values.into_iter().enumerate() {
            self.pos.ins().store(flags, v, base, 8 * k as i32);
        }
        self.pos.ins().jump(l.block, &[] as &[BlockArg]);
    }

    /// The block that leaves with a Python exception set by a helper called at `site`.
    pub fn helper_fail_block(&mut self, site: Option<mir::Site>, landing: Option<Landing>) -> Block {
        let Some(site) = site.filter(|_| landing.is_none()) else {
            let block = self.pos.func.dfg.make_block();
            self.cold.push((block, ColdBlock::Helper { site, landing }));
            return block;
        };
        if let Some(&known) = self.helper_fails.get(&site.as_u32()) {
            return known;
        }
        let block = self.pos.func.dfg.make_block();
        self.helper_fails.insert(site.as_u32(), block);
        let site = Some(site);
        self.cold.push((block, ColdBlock::Helper { site, landing }));
        block
    }

    /// Fills the cold blocks, which may ask for more of them.
    pub fn fill_cold(&mut self) -> Result<(), CodegenError> {
        while let Some((block, what)) = self.cold.pop() {
            self.pos.func.layout.append_block(block);
            self.pos.func.layout.set_cold(block);
            self.pos.goto_bottom(block);
            match what {
                ColdBlock::Site {
                    site,
                    operands,
                    landing,
                } => {
                    self.record(site, &operands)?;
                    let status = self.status(Status::Site);
                    self.land(landing, status);
                }
                ColdBlock::Helper { site, landing } => {
                    if let Some(site) = site {
                        self.store_site(site);
                    }
                    let status = self.status(Status::Python);
                    self.land(landing, status);
                }
                ColdBlock::Call {
                    site,
                    recorded,
                    status,
                    landing,
                } => {
                    let number = self.pos.ins().iconst(types::I64, i64::from(site.as_u32()));
                    self.named_helper("trace", &[number])?;
                    self.record_frame(site, &recorded)?;
                    self.land(landing, status);
                }
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
                ColdBlock::Safepoint {
                    site,
                    resume,
                    landing,
                } => self.slow_safepoint(site, resume, landing)?,
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

/// The range of `x` for which `x * k` fits in 64 bits; `k` is not 0 or 1.
fn multiplicands(k: i64) -> (i64, i64) {
    let (min, max, k) = (i128::from(i64::MIN), i128::from(i64::MAX), i128::from(k));
    let (lo, hi) = if k > 0 {
        (min / k, max / k)
    } else {
        (max / k, min / k)
    };
    // Only for k = -1 does a bound (2**63) not fit; it stands for no bound.
    (lo as i64, i64::try_from(hi).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::multiplicands;

    #[test]
    fn ranges_are_exact() {
        for k in [
            2,
            3,
            7,
            10,
            1 << 40,
            i64::MAX,
            -1,
            -2,
            -3,
            -1000,
            i64::MIN,
            i64::MIN + 1,
        ] {
            let (lo, hi) = multiplicands(k);
            for x in [lo, hi] {
                assert!(x.checked_mul(k).is_some(), "{x} * {k}");
            }
            assert!(
                lo.checked_sub(1).is_none_or(|x| x.checked_mul(k).is_none()),
                "{lo} - 1, {k}"
            );
            assert!(
                hi.checked_add(1).is_none_or(|x| x.checked_mul(k).is_none()),
                "{hi} + 1, {k}"
            );
        }
    }
}
