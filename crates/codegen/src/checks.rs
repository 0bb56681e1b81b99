//! The operations that can fail.

use cranelift_codegen::cursor::Cursor;
use cranelift_codegen::ir::{Block, BlockArg, InstBuilder, Value, condcodes::IntCC, types};
use numlift_mir as mir;
use numlift_mir::Opcode;

use crate::CodegenError;
use crate::cold::ColdBlock;
use crate::lower::{Lower, NONE};

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
            let way = self.way(data)?;
            let looped = !self.func.blocks[from].cold && self.loops.innermost(from).is_some();
            self.safepoint(site, way, looped);
            return Ok(());
        }
        let way = self.way(data)?;
        let fail = self.fail_block(site, &data.args[own..], way)?;
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
