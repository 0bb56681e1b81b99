//! Copies the body of a loop of few turns as often as it runs: a nest around it becomes a loop of one block, whose
//! turns can be done in vectors, and what its counters are is known in each copy.
//!
//! Before:
//! ```text
//! block1(v2: i64, v3: f64):
//!   ...
//!   v4 = fadd.f64 v3, v9
//!   v5 = iadd.i64 v2, v7               ; 1
//!   v6 = icmp.i64 slt v5, v8           ; 2
//!   br v6, block1(v5, v4), block2(v4)
//! ```
//! After, where it was entered with `v0` and `v1`:
//! ```text
//!   v10 = fadd.f64 v1, v11
//!   v12 = fadd.f64 v10, v13
//!   jump block2(v12)
//! ```
//! The loop around it polls. From inside out, as long as the copies are small.

use numlift_mir::{
    Block, BlockCall, ControlFlowGraph, DominatorTree, Function, Imm, Loop, LoopForest, Opcode,
};
use smallvec::SmallVec;

use super::Aliases;
use super::clone::copy_blocks;
use super::simplify;
use crate::analysis::scev::{ScalarEvolution, preheader};
use crate::{Pass, PassContext};

pub const PASS: Pass = Pass {
    name: "unroll",
    doc: "Copies the body of an inner loop of few turns as often as it runs.",
    run,
};

/// Turns of a loop, instructions of all its copies, and of all copies in a function.
const MAX_TURNS: u64 = 8;
const MAX_SIZE: usize = 200;
const MAX_COPIED: usize = 2_000;
/// Loops in one another.
const MAX_ROUNDS: usize = 3;

pub fn run(f: &mut Function, context: &mut PassContext) {
    let mut copied = 0;
    for _ in 0..MAX_ROUNDS {
        let mut any = false;
        for c in candidates(f) {
            let size = c.turns as usize * size(f, &c.blocks);
            if size <= MAX_SIZE && copied + size <= MAX_COPIED && context.rewrite() {
                copied += size;
                any = true;
                c.unroll(f);
            }
        }
        if !any {
            return;
        }
        simplify::run(f, context);
    }
}

fn size(f: &Function, blocks: &[Block]) -> usize {
    blocks.iter().map(|b| f.blocks[*b].insts.len()).sum()
}

/// A loop with a known number of turns.
struct Candidate {
    turns: u64,
    blocks: Vec<Block>,
    header: Block,
    latch: Block,
    before: Block,
}

fn candidates(f: &Function) -> Vec<Candidate> {
    let cfg = ControlFlowGraph::compute(f);
    let dom = DominatorTree::compute(&cfg);
    let forest = LoopForest::compute(&cfg, &dom);
    if forest.loops.is_empty() {
        return vec![];
    }
    let scev = ScalarEvolution::compute(f, &cfg, &dom, &forest);
    let inner = forest.inner_first().filter(|l| forest.is_innermost(*l));
    inner.filter_map(|l| candidate(f, &cfg, &scev, l)).collect()
}

fn candidate(f: &Function, cfg: &ControlFlowGraph, scev: &ScalarEvolution<'_>, l: Loop) -> Option<Candidate> {
    let data = &scev.forest.loops[l];
    let [latch] = data.latches[..] else { return None };
    if data.parent.is_none() || f.blocks[data.header].cold {
        return None;
    }
    let (_, exit) = end(f, latch, data.header)?;
    let leaves = |b: &Block| {
        let targets = f.successors(*b);
        targets.iter().any(|t| !data.blocks.contains(&t.block))
    };
    let other_ways_out = data.blocks.iter().filter(|b| **b != latch).any(leaves);
    if other_ways_out || exit.block == data.header {
        return None;
    }
    let (before, _) = preheader(f, cfg, data)?;
    let counters = f.blocks[data.header].params.iter();
    let turns = counters.filter_map(|v| scev.constant_turns(*v)).min()?;
    (turns <= MAX_TURNS).then(|| Candidate {
        turns,
        blocks: data.blocks.clone(),
        header: data.header,
        latch,
        before,
    })
}

/// The branch at the end of a turn: to the next one, and out of the loop.
fn end(f: &Function, latch: Block, header: Block) -> Option<(BlockCall, BlockCall)> {
    match &f.insts[f.terminator(latch)?].imm {
        Imm::Branch(then, other) if then.block == header => Some((then.clone(), other.clone())),
        Imm::Branch(then, other) if other.block == header => Some((other.clone(), then.clone())),
        _ => None,
    }
}

impl Candidate {
    fn unroll(self, f: &mut Function) {
        let enter = f.successors(self.before).first().map(|t| t.args.clone());
        let (Some((again, exit)), Some(mut given)) = (end(f, self.latch, self.header), enter) else {
            return;
        };
        let mut from = self.before;
        let mut made: Vec<Block> = vec![];
        let mut last = None;
        for _ in 0..self.turns {
            let copies = copy_blocks(f, &self.blocks, Some((self.header, &given)));
            let to = BlockCall {
                block: copies.block(self.header),
                args: SmallVec::new(),
            };
            jump_instead(f, from, to);
            given = again.args.iter().map(|v| copies.value(*v)).collect();
            from = copies.block(self.latch);
            made.extend(self.blocks.iter().map(|b| copies.block(*b)));
            last = Some(copies);
        }
        let Some(last) = last else { return };
        for &b in &made {
            let polls = |i: &numlift_mir::Inst| f.insts[*i].op == Opcode::Safepoint;
            let kept = f.blocks[b].insts.iter().copied().filter(|i| !polls(i)).collect();
            f.blocks[b].insts = kept;
        }
        let exit = BlockCall {
            block: exit.block,
            args: exit.args.iter().map(|v| last.value(*v)).collect(),
        };
        jump_instead(f, last.block(self.latch), exit);
        let at = f.layout.iter().position(|b| *b == self.header);
        let at = at.unwrap_or(f.layout.len());
        f.layout.splice(at..at, made);
        f.layout.retain(|b| !self.blocks.contains(b));
        // What is used behind the loop is that of the last turn.
        let mut aliases = Aliases::default();
        for &b in &self.blocks {
            let results = f.blocks[b].insts.iter().flat_map(|i| &f.insts[*i].results);
            for &v in f.blocks[b].params.iter().chain(results) {
                aliases.set(v, last.value(v));
            }
        }
        aliases.apply(f);
    }
}

/// A block ends in this jump.
fn jump_instead(f: &mut Function, b: Block, to: BlockCall) {
    if let Some(i) = f.terminator(b) {
        let d = &mut f.insts[i];
        d.op = Opcode::Jump;
        d.ty = numlift_mir::Ty::I64;
        d.args.clear();
        d.imm = Imm::Jump(to);
    }
}
