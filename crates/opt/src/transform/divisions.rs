//! Divisions that give the same in every turn of a loop are done once before it. Cranelift moves what
//! cannot trap; whether a division can is known here.
//!
//! Before, where `v2` is known to be positive before the loop and `v0` does not change in it:
//! ```text
//!   jump block1(v3)
//! block1(v4: i64):
//!   v5 = srem.i64 v0, v2
//! ```
//! After:
//! ```text
//!   v5 = srem.i64 v0, v2
//!   jump block1(v3)
//! block1(v4: i64):
//! ```
//! What a division is computed from moves with it.

use numlift_mir::{Block, ControlFlowGraph, DominatorTree, Function, Inst, Loop, LoopForest, Opcode, Ty};

use super::speculation;
use crate::analysis::range::{Dir, Place, Ranges};
use crate::analysis::scev::{ScalarEvolution, preheader};
use crate::{Pass, PassContext};

pub const PASS: Pass = Pass {
    name: "divisions",
    doc: "Divides before a loop where the result is the same in every turn.",
    run,
};

/// Instructions that move with a division at most.
const MAX_OPERANDS: usize = 8;

pub fn run(f: &mut Function, context: &mut PassContext) {
    let is_division = |i: &Inst| divides(f.insts[*i].op);
    if !f
        .layout
        .iter()
        .any(|b| f.blocks[*b].insts.iter().any(is_division))
    {
        return;
    }
    let cfg = ControlFlowGraph::compute(f);
    let dom = DominatorTree::compute(&cfg);
    let forest = LoopForest::compute(&cfg, &dom);
    let mut moves: Vec<(Inst, Block)> = Vec::new();
    {
        let ranges = Ranges::compute(f, &cfg, &dom);
        let scev = ScalarEvolution::compute(f, &cfg, &dom, &forest);
        for &b in &f.layout {
            for &i in f.blocks[b].insts.iter().filter(|i| is_division(i)) {
                moves.extend(plan(f, &cfg, &dom, &scev, &ranges, b, i));
            }
        }
    }
    for (i, to) in moves {
        if context.rewrite() {
            for b in &f.layout.clone() {
                f.blocks[*b].insts.retain(|x| *x != i);
            }
            let end = f.blocks[to].insts.len() - 1;
            f.blocks[to].insts.insert(end, i);
        }
    }
}

fn divides(op: Opcode) -> bool {
    matches!(op, Opcode::Sdiv | Opcode::Srem | Opcode::Udiv | Opcode::Urem)
}

/// The division and what it needs, operands first, with the block before the outermost loop in which it
/// does not change.
fn plan(
    f: &Function,
    cfg: &ControlFlowGraph,
    dom: &DominatorTree,
    scev: &ScalarEvolution<'_>,
    ranges: &Ranges<'_>,
    home: Block,
    i: Inst,
) -> Vec<(Inst, Block)> {
    let mut best = Vec::new();
    let mut at = scev.forest.innermost(home);
    while let Some(l) = at {
        let data = &scev.forest.loops[l];
        let every_turn = data.latches.iter().all(|latch| dom.dominates(home, *latch));
        let divisor = f.insts[i].args[1];
        let mut needed = Vec::new();
        let Some((before, _)) = preheader(f, cfg, data).filter(|_| every_turn) else {
            break;
        };
        if f.insts[i].ty != Ty::I64
            || !operands(f, scev, l, i, &mut needed)
            || !ranges.holds(Dir::Ge, divisor, None, 1, Place::end(before))
        {
            break;
        }
        best = needed.into_iter().map(|i| (i, before)).collect();
        at = data.parent.expand();
    }
    best
}

/// Collects the instructions inside the loop that one depends on, and itself.
fn operands(f: &Function, scev: &ScalarEvolution<'_>, l: Loop, i: Inst, out: &mut Vec<Inst>) -> bool {
    for &v in &f.insts[i].args {
        if scev.is_invariant(v, l) || f.def(v).is_some_and(|d| out.contains(&d)) {
            continue;
        }
        let Some(d) = f.def(v) else { return false };
        if out.len() >= MAX_OPERANDS || !speculation::is_safe(f, d) || !operands(f, scev, l, d, out) {
            return false;
        }
    }
    out.push(i);
    true
}
