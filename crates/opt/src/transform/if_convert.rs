//! Branches around a few cheap operations become selects: no branch, nothing to predict.
//!
//! Before:
//! ```text
//!   br v0, block1, block2(v1)
//! block1:
//!   v3 = iadd.i64 v1, v2
//!   jump block2(v3)
//! block2(v4: i64):
//! ```
//! After:
//! ```text
//!   v3 = iadd.i64 v1, v2
//!   v5 = select.i64 v0, v3, v1
//!   jump block2(v5)
//! ```
//! What moves before the branch is safe to run for nothing (`speculation`). Cold blocks stay out of the way.

use numlift_mir::{Block, BlockCall, ControlFlowGraph, Function, Imm, Inst, Opcode, Ty, Value};
use smallvec::SmallVec;

use super::emit::Emit;
use super::{simplify, speculation};
use crate::{Pass, PassContext};

pub const PASS: Pass = Pass {
    name: "if-convert",
    doc: "Makes selects of branches around a few cheap operations.",
    run,
};

/// Cost of what is run for nothing, and selects that take the place of a branch: about what a branch costs
/// that is predicted half the time.
const MAX_COST: u32 = 12;
const MAX_SELECTS: usize = 4;
const MAX_ROUNDS: usize = 6;

pub fn run(f: &mut Function, context: &mut PassContext) {
    for _ in 0..MAX_ROUNDS {
        let cfg = ControlFlowGraph::compute(f);
        let mut any = false;
        for &b in cfg.postorder() {
            if let Some(c) = Candidate::find(f, &cfg, b)
                && context.rewrite()
            {
                c.convert(f);
                any = true;
            }
        }
        if !any {
            return;
        }
        simplify::run(f, context);
    }
}

/// One way from a branch to where both meet.
#[derive(Clone)]
struct Arm {
    /// The block in between, if there is one.
    block: Option<Block>,
    args: SmallVec<[Value; 4]>,
}

struct Candidate {
    from: Block,
    branch: Inst,
    arms: [Arm; 2],
    to: Block,
}

impl Candidate {
    fn find(f: &Function, cfg: &ControlFlowGraph, from: Block) -> Option<Candidate> {
        let branch = f.terminator(from)?;
        let Imm::Branch(then, other) = &f.insts[branch].imm else {
            return None;
        };
        let [(x, x_to), (y, y_to)] = [through(f, cfg, then), through(f, cfg, other)];
        // Both through a block, or one of them and the other directly.
        let (arms, to) = if let (Some(x), Some(y)) = (&x, &y)
            && x_to == y_to
        {
            ([x.clone(), y.clone()], x_to)
        } else if x.is_some() && x_to == other.block {
            ([x?, Arm::direct(other)], other.block)
        } else if y.is_some() && y_to == then.block {
            ([Arm::direct(then), y?], then.block)
        } else if then.block == other.block {
            ([Arm::direct(then), Arm::direct(other)], then.block)
        } else {
            return None;
        };
        let c = Candidate {
            from,
            branch,
            arms,
            to,
        };
        (!f.blocks[from].cold && c.pays(f)).then_some(c)
    }

    fn pays(&self, f: &Function) -> bool {
        let mut cost = 0;
        for b in self.arms.iter().filter_map(|a| a.block) {
            let (_, insts) = f.blocks[b].insts.split_last().unwrap_or((&self.branch, &[]));
            for &i in insts {
                let Some(n) = speculation::cost(f, i) else {
                    return false;
                };
                cost += n;
            }
        }
        let selects = self.arms[0].args.iter().zip(&self.arms[1].args);
        let selects: Vec<Ty> = selects.filter(|(x, y)| x != y).map(|(x, _)| f.ty(*x)).collect();
        let plain = |ty: &Ty| !ty.is_float() || self.compares(f) == Some(*ty);
        cost <= MAX_COST && selects.len() <= MAX_SELECTS && selects.iter().all(plain)
    }

    /// The type of the floats that the branch compares: a select of such floats is a blend, of others a move
    /// between kinds of registers.
    fn compares(&self, f: &Function) -> Option<Ty> {
        let d = &f.insts[f.def(f.insts[self.branch].args[0])?];
        (d.op == Opcode::Fcmp).then_some(d.ty)
    }

    fn convert(self, f: &mut Function) {
        f.blocks[self.from].insts.pop();
        for b in self.arms.iter().filter_map(|a| a.block) {
            let end = f.blocks[b].insts.len() - 1;
            let moved: Vec<Inst> = f.blocks[b].insts.drain(..end).collect();
            f.blocks[self.from].insts.extend(moved);
        }
        let cond = f.insts[self.branch].args[0];
        let mut e = Emit {
            line: f.insts[self.branch].line,
            f,
            block: self.from,
        };
        let [x, y] = &self.arms;
        let mut args: SmallVec<[Value; 4]> = SmallVec::new();
        for (&x, &y) in x.args.iter().zip(&y.args) {
            args.push(match x == y {
                true => x,
                false => e.op(Opcode::Select, &[cond, x, y]),
            });
        }
        e.jump(self.to, &args);
        f.layout
            .retain(|b| !self.arms.iter().any(|a| a.block == Some(*b)));
    }
}

impl Arm {
    fn direct(t: &BlockCall) -> Arm {
        Arm {
            block: None,
            args: t.args.clone(),
        }
    }
}

/// The arm by way of a block that only this branch leads to and that jumps on, and where to.
fn through(f: &Function, cfg: &ControlFlowGraph, t: &BlockCall) -> (Option<Arm>, Block) {
    let data = &f.blocks[t.block];
    let next = f.terminator(t.block).map(|i| &f.insts[i].imm);
    match next {
        Some(Imm::Jump(next))
            if cfg.preds(t.block).len() == 1
                && data.params.is_empty()
                && !data.cold
                && next.block != t.block =>
        {
            let arm = Arm {
                block: Some(t.block),
                args: next.args.clone(),
            };
            (Some(arm), next.block)
        }
        _ => (None, t.block),
    }
}
