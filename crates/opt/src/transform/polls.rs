//! A recursive function polls for signals only on the ways on which it calls: what it returns at once needs no poll.
//!
//! Before:
//! ```text
//! block0(v0: i64):
//!   safepoint site0
//!   v2 = icmp.i64 slt v0, v1
//!   br v2, block1, block2
//! block1:
//!   return v0
//! block2:
//!   v3 = call fn0(v0, v9) site1
//!   ...
//! ```
//! After:
//! ```text
//! block0(v0: i64):
//!   v2 = icmp.i64 slt v0, v1
//!   br v2, block1, block2
//! block1:
//!   return v0
//! block2:
//!   safepoint site0
//!   v3 = call fn0(v0, v9) site1
//!   ...
//! ```
//! Loops poll themselves. Nothing that has an effect is between the poll and the branch.

use cranelift_entity::EntitySet;
use numlift_mir::{Block, ControlFlowGraph, Function, Inst, Opcode};

use crate::{Pass, PassContext};

pub const PASS: Pass = Pass {
    name: "polls",
    doc: "Polls in a recursive function only on the ways on which it calls.",
    run,
};

pub fn run(f: &mut Function, context: &mut PassContext) {
    if !f.recursive {
        return;
    }
    let cfg = ControlFlowGraph::compute(f);
    let Some(&entry) = f.layout.first() else { return };
    let mut at = entry;
    while let Some((poll, to)) = onwards(f, &cfg, at)
        && context.rewrite()
    {
        f.blocks[at].insts.retain(|i| *i != poll);
        f.blocks[to].insts.insert(0, poll);
        at = to;
    }
}

/// The poll of a block, and the only way out of it on which there are calls.
fn onwards(f: &Function, cfg: &ControlFlowGraph, b: Block) -> Option<(Inst, Block)> {
    let insts = &f.blocks[b].insts;
    let place = insts.iter().position(|i| f.insts[*i].op == Opcode::Safepoint)?;
    let (_, between) = insts[place + 1..].split_last()?;
    let free = f.insts[insts[place]].landing.is_none() && between.iter().all(|i| !f.has_effect(*i));
    let ways: Vec<Block> = f.successors(b).into_iter().map(|t| t.block).collect();
    let [x, y] = ways[..] else { return None };
    let to = match (calls(f, x), calls(f, y)) {
        (true, false) => x,
        (false, true) => y,
        _ => return None,
    };
    (free && x != y && cfg.preds(to).len() == 1).then_some((insts[place], to))
}

/// Whether a call can follow.
fn calls(f: &Function, from: Block) -> bool {
    let mut seen = EntitySet::new();
    let mut work = vec![from];
    while let Some(b) = work.pop() {
        if seen.insert(b) {
            if f.blocks[b].insts.iter().any(|i| f.insts[*i].op == Opcode::Call) {
                return true;
            }
            work.extend(f.successors(b).into_iter().map(|t| t.block));
        }
    }
    false
}
