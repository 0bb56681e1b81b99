//! Loops whose turns are counted by one parameter.

use numlift_mir::{Function, Imm, Inst, IntCC, Opcode, Ty, Value};

use crate::analysis::scev::ScalarEvolution;

/// A counter, what it grows by, and how far it can get: `limit + beyond`.
#[derive(Clone, Copy)]
pub(super) struct Counted {
    pub counter: Value,
    pub step: i64,
    pub limit: Value,
    pub beyond: i64,
}

impl Counted {
    /// The counter among the parameters of a header, of which `next` are those of the next turn if the branch is taken.
    pub fn find(
        f: &Function,
        scev: &ScalarEvolution<'_>,
        branch: Inst,
        params: &[Value],
        next: &[Value],
    ) -> Option<Counted> {
        let d = &f.insts[f.def(f.insts[branch].args[0])?];
        let (Opcode::Icmp, Ty::I64, &Imm::IntCC(cc)) = (d.op, d.ty, &d.imm) else {
            return None;
        };
        let test = scev.affine(d.args[0]);
        let k = params.iter().position(|p| test.terms.as_slice() == [(*p, 1)])?;
        let grown = scev.affine(next[k]);
        let step = grown.k;
        if grown.terms.as_slice() != [(params[k], 1)] {
            return None;
        }
        // `v + test.k < limit` in a turn with `v` lets the next be with `v + step`.
        let beyond = match (cc, step) {
            (IntCC::Slt, 1..) => step - test.k - 1,
            (IntCC::Sgt, ..=-1) => step - test.k + 1,
            _ => return None,
        };
        Some(Counted {
            counter: params[k],
            step,
            limit: d.args[1],
            beyond,
        })
    }
}
