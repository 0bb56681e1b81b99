//! Asks a condition that no turn of a loop changes before the loop, which is there twice then: a branch less in each
//! turn, and a body that may be a single block, which vectors want.
//!
//! Before (`v1` is defined before the loop):
//! ```text
//!   jump block1(v0)
//! block1(v2: i64):
//!   br v1, block2, block3
//! block2:
//!   ...
//! block3:
//!   ...
//! ```
//! After:
//! ```text
//!   br v1, block1(v0), block5(v0)
//! block1(v2: i64):
//!   jump block2
//! block2:
//!   ...
//! block5(v4: i64):
//!   jump block7
//! block7:                                 ; a copy of block3
//!   ...
//! ```
//! Innermost loops are unswitched, where the branch is still one: `if_convert` has made selects of what is cheap. What
//! the condition is computed from moves before the loop if it is safe to run for nothing. What is not reached any more
//! `dead_code` deletes.

use cranelift_entity::SecondaryMap;
use cranelift_entity::packed_option::PackedOption;
use numlift_mir::{
    Block, BlockCall, ControlFlowGraph, DominatorTree, Function, Imm, Inst, Loop, LoopData, LoopForest,
    Opcode, Ty, Value, ValueDef,
};

use super::clone::{copy_blocks, join_copies, lands_across};
use super::{preheaders, speculation};
use crate::{Pass, PassContext};

pub const PASS: Pass = Pass {
    name: "unswitch",
    doc: "Tests before an innermost loop what it tests in every turn alike, and runs one of two copies.",
    run,
};

/// Instructions of a loop that is copied, and copies made in one function.
const MAX_LOOP: usize = 120;
const MAX_COPIED: usize = 600;
/// Conditions of one loop.
const MAX_ROUNDS: usize = 2;
/// Instructions that a condition takes along.
const MAX_MOVED: usize = 6;

pub fn run(f: &mut Function, context: &mut PassContext) {
    let mut copied = 0;
    for _ in 0..MAX_ROUNDS {
        let cfg = ControlFlowGraph::compute(f);
        let dom = DominatorTree::compute(&cfg);
        let forest = LoopForest::compute(&cfg, &dom);
        let homes = f.inst_blocks();
        let inner = forest.inner_first().filter(|l| forest.is_innermost(*l));
        let found: Vec<Switch> = inner
            .filter_map(|l| Switch::find(f, &homes, &forest, l))
            .collect();
        let mut any = false;
        for switch in found {
            if copied + switch.size > MAX_COPIED || !context.rewrite() {
                continue;
            }
            copied += switch.size;
            any = true;
            switch.apply(f, context);
        }
        if !any {
            return;
        }
    }
}

/// A branch that goes the same way in all turns of a loop.
struct Switch {
    header: Block,
    data: LoopData,
    size: usize,
    branch: Inst,
    /// What the condition is computed by in the loop, operands first.
    moved: Vec<(Block, Inst)>,
}

type Homes = SecondaryMap<Inst, PackedOption<Block>>;

impl Switch {
    fn find(f: &Function, homes: &Homes, forest: &LoopForest, l: Loop) -> Option<Switch> {
        let data = &forest.loops[l];
        let size = data.blocks.iter().map(|b| f.blocks[*b].insts.len()).sum();
        if f.blocks[data.header].cold || size > MAX_LOOP || lands_across(f, &data.blocks) {
            return None;
        }
        data.blocks.iter().find_map(|&b| {
            let branch = f.terminator(b)?;
            let inside = |t: &BlockCall| data.blocks.contains(&t.block) && t.block != data.header;
            let Imm::Branch(then, other) = &f.insts[branch].imm else {
                return None;
            };
            let forks = inside(then) && inside(other) && then.block != other.block && !f.blocks[b].cold;
            let warm = |t: &BlockCall| !f.blocks[t.block].cold;
            let mut moved = vec![];
            let fixed = forks
                && warm(then)
                && warm(other)
                && invariant(f, homes, &data.blocks, f.insts[branch].args[0], &mut moved);
            fixed.then(|| Switch {
                header: data.header,
                data: data.clone(),
                size,
                branch,
                moved,
            })
        })
    }

    fn apply(&self, f: &mut Function, context: &mut PassContext) {
        let blocks = &self.data.blocks;
        // the loop may be entered from copies of another
        let cfg = ControlFlowGraph::compute(f);
        let before = preheaders::make(f, &cfg, &self.data);
        let line = f.insts[self.branch].line;
        context.remark(
            line,
            "condition tested before the loop, which is there for both cases",
        );
        for &(home, i) in &self.moved {
            f.blocks[home].insts.retain(|x| *x != i);
            let end = f.blocks[before].insts.len() - 1;
            f.blocks[before].insts.insert(end, i);
        }
        let copies = copy_blocks(f, blocks, None);
        let last = f.layout.iter().rposition(|b| blocks.contains(b));
        let at = last.map_or(f.layout.len(), |n| n + 1);
        f.layout.splice(at..at, blocks.iter().map(|b| copies.block(*b)));
        let cond = f.insts[self.branch].args[0];
        for &b in blocks {
            settle(f, b, cond, true);
            settle(f, copies.block(b), cond, false);
        }
        if let Some(i) = f.terminator(before) {
            let d = &mut f.insts[i];
            if let Imm::Jump(into) = d.imm.clone() {
                let copy = BlockCall {
                    block: copies.block(self.header),
                    args: into.args.clone(),
                };
                d.op = Opcode::Br;
                d.ty = Ty::I8;
                d.args.push(cond);
                d.imm = Imm::Branch(into, copy);
            }
        }
        join_copies(f, blocks, &copies);
    }
}

/// Goes one way of a branch on the condition.
fn settle(f: &mut Function, b: Block, cond: Value, holds: bool) {
    let Some(i) = f
        .terminator(b)
        .filter(|i| f.insts[*i].args.first() == Some(&cond))
    else {
        return;
    };
    let d = &mut f.insts[i];
    if let Imm::Branch(then, other) = d.imm.clone() {
        d.op = Opcode::Jump;
        d.ty = Ty::I64;
        d.args.clear();
        d.imm = Imm::Jump(if holds { then } else { other });
    }
}

/// Whether a value is the same in all turns; collects what of it has to move before the loop.
fn invariant(
    f: &Function,
    homes: &Homes,
    blocks: &[Block],
    v: Value,
    moved: &mut Vec<(Block, Inst)>,
) -> bool {
    let ValueDef::Result(i, _) = f.values[v].def else {
        return matches!(f.values[v].def, ValueDef::Param(b, _) if !blocks.contains(&b));
    };
    let Some(home) = homes[i].expand() else {
        return false;
    };
    if !blocks.contains(&home) || moved.iter().any(|m| m.1 == i) {
        return true;
    }
    let safe = speculation::is_safe(f, i) && f.insts[i].op != Opcode::Raised;
    let operands = safe
        && f.insts[i]
            .args
            .iter()
            .all(|&a| invariant(f, homes, blocks, a, moved));
    moved.push((home, i));
    operands && moved.len() <= MAX_MOVED
}
