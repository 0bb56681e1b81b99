//! Checks and the conditions before a loop under which they hold.

use numlift_mir::{Function, Imm, Inst, InstData, IntCC, Opcode, Ty, Value};

use super::{Action, Condition};
use crate::analysis::affine::Affine;
use crate::analysis::extremes::{Extremes, FAR, NEAR};
use crate::analysis::range::{Dir, Place};

/// What must hold before a loop for a check in it to hold in every turn.
pub(super) struct Question<'a> {
    pub f: &'a Function,
    pub x: Extremes<'a>,
}

impl Question<'_> {
    /// What becomes of a check, and the conditions; none if it stays.
    pub fn hoist(&self, i: Inst, at: Place) -> Option<(Action, Vec<Condition>)> {
        let d = &self.f.insts[i];
        self.x.clear();
        let mut out = Vec::new();
        let action = match d.op {
            Opcode::BoundsCheck | Opcode::IndexCheck => self.index(d, at, &mut out)?,
            Opcode::IaddChk | Opcode::IsubChk | Opcode::ImulChk => self.overflow(d, at)?,
            Opcode::ZeroCheck => self.divisor(d.args[0], at, &mut out)?,
            Opcode::Guard => self.guard(d.args[0], at, &mut out, 0)?,
            _ => return None,
        };
        for (v, bits) in self.x.small() {
            if !self.is_small(v, bits) {
                out.push(Condition::Small(v, bits));
            }
        }
        Some((action, out))
    }

    fn is_small(&self, v: Value, bits: u32) -> bool {
        let before = self.x.before;
        if bits >= FAR && self.x.scev.is_extent(v, before.block) {
            return true;
        }
        self.x.ranges.holds(Dir::Le, v, None, (1 << bits) - 1, before)
            && self.x.ranges.holds(Dir::Ge, v, None, -(1 << bits), before)
    }

    /// `a` is not negative in any turn, by conditions on values before the loop if `fixed` is one.
    fn not_negative(&self, a: &Affine, fixed: &Affine, at: Place, out: &mut Vec<Condition>) -> Option<()> {
        let least = self.x.least(a, at)?;
        match least.as_constant() {
            Some(k) if k < 0 => return None,
            Some(_) => {}
            // From what is known of an extent that changes follows nothing but what earlier checks say.
            None if !self.x.scev.all_invariant(fixed, self.x.of) => return None,
            None => {
                let far = least.magnitude(|_| Some(1 << FAR))?;
                if far >= 1 << 62 {
                    return None;
                }
                for t in &least.terms {
                    self.x.magnitude(&Affine::value(t.0), FAR, at)?;
                }
                out.push(Condition::NotNegative(least));
            }
        }
        Some(())
    }

    fn index(&self, d: &InstData, at: Place, out: &mut Vec<Condition>) -> Option<Action> {
        let (v, len) = (d.args[0], d.args[1]);
        let (index, extent) = (self.x.scev.affine(v), self.x.scev.affine(len));
        self.x.magnitude(&index, FAR, at)?;
        self.x.magnitude(&extent, FAR, at)?;
        if !self.x.ranges.holds(Dir::Ge, v, None, 0, at) {
            self.not_negative(&index, &Affine::default(), at, out)?;
        }
        if !self.x.ranges.holds(Dir::Le, v, Some(len), -1, at) {
            let room = extent.sub(&index)?.add_constant(-1)?;
            self.not_negative(&room, &extent, at, out)?;
        }
        Some(Action::Holds)
    }

    fn overflow(&self, d: &InstData, at: Place) -> Option<Action> {
        let of = |n: usize| self.x.scev.affine(d.args[n]);
        let bounded = |a: Option<Affine>| self.x.magnitude(&a?, FAR, at);
        let op = match d.op {
            Opcode::IaddChk => (Opcode::Iadd, bounded(of(0).add(&of(1)))),
            Opcode::IsubChk => (Opcode::Isub, bounded(of(0).sub(&of(1)))),
            _ => {
                let x = self.x.magnitude(&of(0), NEAR, at)?;
                let y = self.x.magnitude(&of(1), NEAR, at)?;
                (Opcode::Imul, x.checked_mul(y).filter(|n| *n < 1 << 62))
            }
        };
        op.1?;
        Some(Action::Unchecked(op.0))
    }

    fn divisor(&self, v: Value, at: Place, out: &mut Vec<Condition>) -> Option<Action> {
        if self.x.scev.is_invariant(v, self.x.of) {
            out.push(Condition::NotZero(v));
            return Some(Action::Holds);
        }
        if self.f.ty(v) != Ty::I64 {
            return None;
        }
        let a = self.x.scev.affine(v);
        self.x.magnitude(&a, FAR, at)?;
        self.not_negative(&a.add_constant(-1)?, &Affine::default(), at, out)?;
        Some(Action::Holds)
    }

    /// Invariant conditions, and inequalities of sums.
    fn guard(&self, cond: Value, at: Place, out: &mut Vec<Condition>, depth: u32) -> Option<Action> {
        if self.x.scev.is_invariant(cond, self.x.of) {
            out.push(Condition::Holds(cond));
            return Some(Action::Holds);
        }
        let d = &self.f.insts[self.f.def(cond)?];
        if d.op == Opcode::Band && depth < 4 {
            self.guard(d.args[0], at, out, depth + 1)?;
            return self.guard(d.args[1], at, out, depth + 1);
        }
        let (Opcode::Icmp, &Imm::IntCC(cc)) = (d.op, &d.imm) else {
            return None;
        };
        let invariant = |v: &Value| self.x.scev.is_invariant(*v, self.x.of);
        if cc == IntCC::Ne && self.f.int_const(d.args[1]) == Some(0) && invariant(&d.args[0]) {
            out.push(Condition::NotZero(d.args[0]));
            return Some(Action::Holds);
        }
        if d.ty != Ty::I64 {
            return None;
        }
        let (a, b) = (self.x.scev.affine(d.args[0]), self.x.scev.affine(d.args[1]));
        self.x.magnitude(&a, FAR, at)?;
        self.x.magnitude(&b, FAR, at)?;
        let beyond = match cc {
            IntCC::Slt => b.sub(&a)?.add_constant(-1)?,
            IntCC::Sle => b.sub(&a)?,
            IntCC::Sgt => a.sub(&b)?.add_constant(-1)?,
            IntCC::Sge => a.sub(&b)?,
            _ => return None,
        };
        self.not_negative(&beyond, &Affine::default(), at, out)?;
        Some(Action::Holds)
    }
}
