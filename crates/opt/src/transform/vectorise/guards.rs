//! Guards of a vector iteration: if one fails in any of its turns, the loop as it was does them from the first one, up to
//! the turn that fails, and fails there.
//!
//! ```text
//! body ─ all turns pass ─ stores ─ back to the body
//!   └ no ─ the loop as it was, with the parameters of the first turn
//! ```

use numlift_mir::{Builder, IntCC, Opcode, Ty, Value};

use super::lanes::Registers;

/// What has to hold so far.
#[derive(Clone, Default)]
pub(super) struct Guards {
    /// in all lanes
    masks: Option<Value>,
    /// what is the same in all turns
    uniform: Option<Value>,
}

impl Guards {
    pub fn lanes(&mut self, b: &mut Builder, masks: &Registers) {
        for &m in masks {
            let m = b.convert(Opcode::Bitcast, Ty::I64x2, m);
            self.masks = Some(and(b, self.masks, m));
        }
    }

    /// A number that is not 0.
    pub fn uniform(&mut self, b: &mut Builder, cond: Value) {
        let zero = b.iconst(b.func.ty(cond), 0);
        let holds = b.icmp(IntCC::Ne, cond, zero);
        self.uniform = Some(and(b, self.uniform, holds));
    }

    /// 1 if all hold; none if there are no guards.
    pub fn all(&self, b: &mut Builder) -> Option<Value> {
        let lanes = self.masks.map(|m| {
            let halves = [0, 1].map(|n| b.extract(m, n));
            let both = b.op(Opcode::Band, &halves);
            let ones = b.iconst(Ty::I64, -1);
            b.icmp(IntCC::Eq, both, ones)
        });
        match (lanes, self.uniform) {
            (Some(x), Some(y)) => Some(b.op(Opcode::Band, &[x, y])),
            (x, y) => x.or(y),
        }
    }
}

fn and(b: &mut Builder, x: Option<Value>, y: Value) -> Value {
    match x {
        None => y,
        Some(x) => b.op(Opcode::Band, &[x, y]),
    }
}
