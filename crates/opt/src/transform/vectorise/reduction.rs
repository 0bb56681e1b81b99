//! Values carried from turn to turn that can be computed in parts: sums, products, minima of integers, extremes of floats.

use std::collections::HashSet;

use numlift_mir::{Block, Builder, FloatCC, Function, Imm, Inst, IntCC, Opcode, Ty, Value};

use super::shape::dependents;

/// How the parts are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fold {
    /// an operation that may be done in any order: on integers, with `fastmath` on floats
    By(Opcode),
    /// `a cc b ? a : b`
    Pick(IntCC),
    /// as `Pick`, of floats where the first operand is an element and the second what was found so far:
    /// that is kept if either is NaN
    PickFloat(FloatCC),
}

impl Fold {
    /// The value of a part that has no element yet; `None` if it is what was carried in.
    pub fn neutral(self, b: &mut Builder, ty: Ty) -> Option<Value> {
        match self {
            Fold::By(Opcode::Iadd | Opcode::Bxor) => Some(b.iconst(ty, 0)),
            Fold::By(Opcode::Imul) => Some(b.iconst(ty, 1)),
            Fold::By(Opcode::Fadd) => Some(b.fconst(ty, -0.0)),
            Fold::By(Opcode::Fmul) => Some(b.fconst(ty, 1.0)),
            _ => None,
        }
    }

    /// Whether what was carried in is in no part.
    pub fn has_neutral(self) -> bool {
        use Opcode::{Bxor, Fadd, Fmul, Iadd, Imul};
        matches!(self, Fold::By(Iadd | Bxor | Imul | Fadd | Fmul))
    }
}

/// How the next value of parameter `k` is folded from it and the rest of the turn, if nothing else depends on it.
pub(super) fn fold(f: &Function, b: Block, k: usize, next: &[Value], fast: bool) -> Option<Fold> {
    let (param, own) = (f.blocks[b].params[k], next[k]);
    let depends = dependents(f, b, param);
    let stored = |i: &Inst| f.has_effect(*i) && f.insts[*i].args.iter().any(|v| depends.contains(v));
    let elsewhere = (0..next.len()).any(|n| n != k && depends.contains(&next[n]));
    if elsewhere || f.blocks[b].insts.iter().any(stored) {
        return None;
    }
    let mut search = Search {
        f,
        param,
        depends: &depends,
        reached: HashSet::from([param]),
        fold: None,
        fast,
    };
    if !search.is_folded(own) || search.reached != depends {
        return None;
    }
    search.fold
}

struct Search<'a> {
    f: &'a Function,
    param: Value,
    depends: &'a HashSet<Value>,
    reached: HashSet<Value>,
    fold: Option<Fold>,
    /// Floats may be summed in any order.
    fast: bool,
}

impl Search<'_> {
    fn agrees(&mut self, fold: Fold) -> bool {
        *self.fold.get_or_insert(fold) == fold
    }

    /// Whether a value is the parameter, folded with values that do not depend on it.
    fn is_folded(&mut self, v: Value) -> bool {
        if v == self.param {
            return true;
        }
        let Some(i) = self.f.def(v).filter(|_| self.depends.contains(&v)) else {
            return false;
        };
        // Seen before: if it was not folded, the search is over.
        if !self.reached.insert(v) {
            return true;
        }
        let d = &self.f.insts[i];
        let inner = |n: usize| self.depends.contains(&d.args[n]);
        match d.op {
            Opcode::Iadd
            | Opcode::Imul
            | Opcode::Band
            | Opcode::Bor
            | Opcode::Bxor
            | Opcode::Smin
            | Opcode::Smax => {
                let op = d.op;
                match (inner(0), inner(1)) {
                    (true, false) => self.agrees(Fold::By(op)) && self.is_folded(d.args[0]),
                    (false, true) => self.agrees(Fold::By(op)) && self.is_folded(d.args[1]),
                    _ => false,
                }
            }
            Opcode::Fadd | Opcode::Fmul if self.fast && inner(0) != inner(1) => {
                let n = usize::from(inner(1));
                self.agrees(Fold::By(d.op)) && self.is_folded(d.args[n])
            }
            Opcode::Fsub if self.fast && inner(0) && !inner(1) => {
                self.agrees(Fold::By(Opcode::Fadd)) && self.is_folded(d.args[0])
            }
            Opcode::Isub if inner(0) && !inner(1) => {
                self.agrees(Fold::By(Opcode::Iadd)) && self.is_folded(d.args[0])
            }
            Opcode::Select if !inner(0) => {
                // What was carried in stays as it is, or is folded with an element.
                [1, 2].into_iter().all(|n| self.is_folded(d.args[n]))
            }
            Opcode::Select => self.is_picked(d.args[0], d.args[1], d.args[2]),
            _ => false,
        }
    }

    /// `x cc param ? x : param` and the like.
    fn is_picked(&mut self, cond: Value, then: Value, other: Value) -> bool {
        let Some(i) = self.f.def(cond) else { return false };
        let d = &self.f.insts[i];
        let straight = (d.args[0], d.args[1]) == (then, other);
        let crossed = (d.args[1], d.args[0]) == (then, other);
        let one_is_param = (then == self.param) != (other == self.param);
        let free = |v: Value| v == self.param || !self.depends.contains(&v);
        if !(straight || crossed) || !one_is_param || !free(then) || !free(other) {
            return false;
        }
        self.reached.insert(cond);
        match d.imm {
            Imm::IntCC(IntCC::Eq | IntCC::Ne) => false,
            Imm::IntCC(cc) => self.agrees(Fold::Pick(if straight { cc } else { cc.swapped() })),
            Imm::FloatCC(cc) if other == self.param => {
                let cc = match (cc, straight) {
                    (FloatCC::Lt | FloatCC::Le | FloatCC::Gt | FloatCC::Ge, true) => cc,
                    (FloatCC::Lt, false) => FloatCC::Gt,
                    (FloatCC::Le, false) => FloatCC::Ge,
                    (FloatCC::Gt, false) => FloatCC::Lt,
                    (FloatCC::Ge, false) => FloatCC::Le,
                    _ => return false,
                };
                self.agrees(Fold::PickFloat(cc))
            }
            _ => false,
        }
    }
}
