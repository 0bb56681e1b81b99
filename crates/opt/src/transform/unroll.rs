//! Loops of a few turns, a constant number, become that many copies of their body.
//!
//! Before:
//! ```text
//!   jump block1(v9)                     ; 0
//! block1(v2: i64):
//!   ...
//!   v3 = iadd.i64 v2, v10               ; 1
//!   v4 = icmp.i64 slt v3, v11           ; 2
//!   br v4, block1(v3), block2
//! ```
//! After, and after `simplify`:
//! ```text
//!   ...                                 ; with v9 for v2
//!   ...                                 ; with v10 for v2
//!   jump block2
//! ```
//! Each copy is a turn taken out of the loop and keeps its test, so the pass only has to be right about
//! the number of turns to pay: what is left of the loop is behind tests that `simplify` decides.

use numlift_mir::{Block, ControlFlowGraph, DominatorTree, Function, Imm, Loop, LoopForest, Opcode, Value};
use smallvec::SmallVec;

use super::clone::{branches_mut, copy_blocks, join_copies};
use super::{gvn, simplify};
use crate::analysis::scev::ScalarEvolution;
use crate::{Pass, PassContext};

pub const PASS: Pass = Pass {
    name: "unroll",
    doc: "Copies the bodies of loops that take a few turns, a constant number.",
    run,
};

/// Turns, instructions that the copies of one loop have, and those that copies of a function have.
const MAX_TURNS: u64 = 8;
const MAX_LOOP: usize = 320;
const MAX_COPIED: usize = 1_500;
/// Loops of a nest: inner ones first.
const MAX_ROUNDS: usize = 3;

pub fn run(f: &mut Function, context: &mut PassContext) {
    let mut copied = 0;
    for _ in 0..MAX_ROUNDS {
        let mut any = false;
        for short in find(f) {
            let size = short.size * short.turns as usize;
            if copied + size <= MAX_COPIED && context.rewrite() {
                copied += size;
                let line = f.terminator(short.latch).map_or(0, |i| f.insts[i].line);
                context.remark(line, format!("unrolled: {} turns", short.turns));
                short.unroll(f);
                any = true;
            }
        }
        if !any {
            return;
        }
        simplify::run(f, context);
        gvn::run(f, context);
        simplify::run(f, context);
    }
}

struct Short {
    header: Block,
    latch: Block,
    entry: Block,
    blocks: Vec<Block>,
    turns: u64,
    size: usize,
}

/// Innermost loops that are short enough.
fn find(f: &Function) -> Vec<Short> {
    let cfg = ControlFlowGraph::compute(f);
    let dom = DominatorTree::compute(&cfg);
    let forest = LoopForest::compute(&cfg, &dom);
    if forest.loops.is_empty() {
        return Vec::new();
    }
    let scev = ScalarEvolution::compute(f, &cfg, &dom, &forest);
    let innermost = forest.inner_first().filter(|l| forest.is_innermost(*l));
    innermost.filter_map(|l| short(f, &scev, l)).collect()
}

fn short(f: &Function, scev: &ScalarEvolution<'_>, l: Loop) -> Option<Short> {
    let data = &scev.forest.loops[l];
    let [latch] = data.latches[..] else { return None };
    let params = f.blocks[data.header].params.iter();
    let (turns, entry) = params
        .filter_map(|&v| Some((scev.constant_turns(v)?, scev.induction(v)?.before)))
        .min_by_key(|x| x.0)?;
    let size: usize = data.blocks.iter().map(|b| f.blocks[*b].insts.len()).sum();
    // a `try` in it is not worth copies of its handlers
    let mut ops = data.blocks.iter().flat_map(|b| &f.blocks[*b].insts);
    let handles = ops.any(|i| f.insts[*i].op == Opcode::Raised);
    let fits = turns <= MAX_TURNS && size * turns as usize <= MAX_LOOP && !handles;
    (fits && !f.blocks[data.header].cold).then(|| Short {
        header: data.header,
        latch,
        entry,
        blocks: data.blocks.clone(),
        turns,
        size,
    })
}

impl Short {
    fn unroll(&self, f: &mut Function) {
        // So few turns need no poll of their own.
        for &b in &self.blocks {
            let mut insts = std::mem::take(&mut f.blocks[b].insts);
            insts.retain(|i| f.insts[*i].op != Opcode::Safepoint);
            f.blocks[b].insts = insts;
        }
        let at = f.layout.iter().position(|b| *b == self.header);
        let mut place = at.unwrap_or(f.layout.len());
        let mut from = self.entry;
        for _ in 0..self.turns {
            let passed = passed(f, from, self.header);
            let copies = copy_blocks(f, &self.blocks, Some((self.header, &passed)));
            for &b in &self.blocks {
                f.layout.insert(place, copies.block(b));
                place += 1;
            }
            enter(f, from, self.header, copies.block(self.header));
            join_copies(f, &self.blocks, &copies);
            from = copies.block(self.latch);
        }
    }
}

/// What a block passes to the header.
fn passed(f: &Function, from: Block, header: Block) -> SmallVec<[Value; 4]> {
    let to = f.successors(from).into_iter().find(|t| t.block == header);
    to.map(|t| t.args.clone()).unwrap_or_default()
}

/// Sends a block's branch to the header to a copy of it instead.
fn enter(f: &mut Function, from: Block, header: Block, copy: Block) {
    let Some(i) = f.terminator(from) else { return };
    let mut imm = std::mem::replace(&mut f.insts[i].imm, Imm::None);
    for t in branches_mut(&mut imm) {
        if t.block == header {
            t.block = copy;
            t.args.clear();
        }
    }
    f.insts[i].imm = imm;
}
