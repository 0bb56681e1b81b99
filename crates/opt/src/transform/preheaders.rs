//! Gives every loop a preheader: one block that enters it and does nothing else. What is known where the
//! loop is entered holds there, and code that belongs before the loop has a place. `simplify` takes
//! those away that stay empty.
//!
//! Before:
//! ```text
//! block0(v0: i64):
//!   v1 = iconst.i64 0
//!   v2 = icmp.i64 slt v1, v0
//!   br v2, block1(v1), block2
//! ```
//! After:
//! ```text
//!   br v2, block3, block2
//! block3:
//!   jump block1(v1)
//! ```

use numlift_mir::{
    Block, BlockData, ControlFlowGraph, DominatorTree, Function, Imm, Inst, LoopData, LoopForest,
};

use super::clone::branches_mut;
use super::emit::Emit;
use crate::{Pass, PassContext};

pub const PASS: Pass = Pass {
    name: "preheaders",
    doc: "Gives every loop one block that enters it.",
    run,
};

pub fn run(f: &mut Function, context: &mut PassContext) {
    let cfg = ControlFlowGraph::compute(f);
    let dom = DominatorTree::compute(&cfg);
    let forest = LoopForest::compute(&cfg, &dom);
    let mut before: Vec<(Block, Block)> = Vec::new();
    for l in forest.inner_first() {
        let entries = entries(f, &cfg, &forest.loops[l]);
        if !is_single(f, &entries) && context.rewrite() {
            let header = forest.loops[l].header;
            before.push((header, enter(f, header, &entries)));
        }
    }
    if before.is_empty() {
        return;
    }
    let layout = std::mem::take(&mut f.layout);
    for b in layout {
        f.layout.extend(before.iter().filter(|p| p.0 == b).map(|p| p.1));
        f.layout.push(b);
    }
}

fn is_single(f: &Function, entries: &[Inst]) -> bool {
    matches!(entries[..], [i] if matches!(f.insts[i].imm, Imm::Jump(_)))
}

/// The preheader of a loop, which is made if there is none.
pub(crate) fn make(f: &mut Function, cfg: &ControlFlowGraph, data: &LoopData) -> Block {
    let entries = entries(f, cfg, data);
    if is_single(f, &entries)
        && let Some(&b) = cfg.preds(data.header).iter().find(|b| !data.latches.contains(b))
    {
        return b;
    }
    let before = enter(f, data.header, &entries);
    let at = f.layout.iter().position(|b| *b == data.header);
    f.layout.insert(at.unwrap_or(f.layout.len()), before);
    before
}

/// The branches that enter a loop, one for each edge.
fn entries(f: &Function, cfg: &ControlFlowGraph, data: &LoopData) -> Vec<Inst> {
    let mut from: Vec<Block> = cfg.preds(data.header).to_vec();
    from.retain(|p| !data.latches.contains(p));
    from.into_iter().filter_map(|b| f.terminator(b)).collect()
}

/// Makes the block and sends the entries there.
fn enter(f: &mut Function, header: Block, entries: &[Inst]) -> Block {
    let before = f.blocks.push(BlockData::default());
    let mut passed: Vec<_> = Vec::new();
    if entries.len() > 1 {
        for k in 0..f.blocks[header].params.len() {
            let ty = f.ty(f.blocks[header].params[k]);
            passed.push(f.append_param(before, ty));
        }
    }
    for &i in entries {
        for t in branches_mut(&mut f.insts[i].imm) {
            if t.block == header {
                t.block = before;
                if entries.len() == 1 {
                    passed = t.args.drain(..).collect();
                }
            }
        }
    }
    let line = entries.first().map_or(0, |i| f.insts[*i].line);
    let mut e = Emit {
        f,
        block: before,
        line,
    };
    e.jump(header, &passed);
    before
}
