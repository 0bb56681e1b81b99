//! Does several turns of an innermost loop at once, in vectors of 128 bits.
//!
//! Before:
//! ```text
//! block1(v3: i64):
//!   v4 = ishl.i64 v3, v8                ; 3
//!   v5 = iadd.i64 v0, v4
//!   v6 = load.f64 v5
//!   v7 = fmul.f64 v6, v1
//!   store.f64 v7, v5
//!   v9 = iadd.i64 v3, v10               ; 1
//!   v11 = icmp.i64 slt v9, v2
//!   br v11, block1(v9), block2
//! ```
//! After, before that loop, which does what is left:
//! ```text
//! block5(v20: i64):
//!   v21 = ishl.i64 v20, v8
//!   v22 = iadd.i64 v0, v21
//!   v23 = load.f64x2 v22
//!   v24 = fmul.f64x2 v23, v19           ; splat v1
//!   store.f64x2 v24, v22
//!   v25 = iadd.i64 v20, v18             ; 2
//!   ...
//! ```
//! Candidates are loops of one block, after the polls have left it, that load and store elements next to
//! each other and carry nothing but counters and what may be folded in any order: integers, where sums
//! wrap, and minima and maxima. Floats are never summed in another order: behind long operations the lanes are added one after the
//! other (`ordered`), else the loop is left as it is. The vector loop is entered if arrays
//! do not overlap in a way that the order of accesses would be seen; it reads and writes just what the turns
//! that it does read and write.

mod alias;
mod calls;
mod counted;
mod emit;
mod exit;
mod guards;
mod interchange;
mod lanes;
mod nest;
mod ordered;
mod plan;
mod reduction;
mod shape;

use numlift_mir::{Block, ControlFlowGraph, DominatorTree, Function, Loop, LoopForest, Opcode};
use plan::Plan;
use shape::{Allowed, Reason, Shape, again};

use crate::analysis::scev::ScalarEvolution;
use crate::{Pass, PassContext};

pub const PASS: Pass = Pass {
    name: "vectorise",
    doc: "Does several turns of an innermost loop at once, in vectors.",
    run,
};

pub const NESTS: Pass = Pass {
    name: "vectorise-nests",
    doc: "Does several turns at once of a loop around one that adds up in order.",
    run: run_nests,
};

pub const INTERCHANGE: Pass = Pass {
    name: "interchange",
    doc: "Exchanges two loops, where vectors then keep what they add up in registers.",
    run: interchange::run,
};

/// Instructions of a body at most.
const MAX_BODY: usize = 300;

pub fn run(f: &mut Function, context: &mut PassContext) {
    let cfg = ControlFlowGraph::compute(f);
    let dom = DominatorTree::compute(&cfg);
    let forest = LoopForest::compute(&cfg, &dom);
    if forest.loops.is_empty() {
        return;
    }
    let scev = ScalarEvolution::compute(f, &cfg, &dom, &forest);
    let allowed = Allowed {
        polls: false,
        guards: true,
        fast: context.fastmath,
    };
    let mut plans = vec![];
    for l in forest.inner_first().filter(|l| forest.is_innermost(*l)) {
        let data = &forest.loops[l];
        if f.blocks[data.header].cold || has_vectors(f, data.header) {
            continue;
        }
        match plan(f, &scev, data.header, &data.blocks, allowed) {
            Ok(plan) => plans.push(plan),
            Err(reason) => context.remark(line(f, data.header), format!("not vectorised: {reason}")),
        }
    }
    for plan in plans {
        if context.rewrite() {
            let Plan { turns, rest, .. } = plan;
            context.remark(
                plan.shape.line,
                format!("vectorised: {turns} turns at once, then {rest}"),
            );
            emit::emit(f, &plan);
        }
    }
}

/// The loops with loops in them, inner ones first.
fn around_others(forest: &LoopForest) -> Vec<Loop> {
    forest
        .inner_first()
        .filter(|l| !forest.is_innermost(*l))
        .collect()
}

/// Before the polls leave the loops: those of a nest stay in its vector loops.
pub fn run_nests(f: &mut Function, context: &mut PassContext) {
    let cfg = ControlFlowGraph::compute(f);
    let dom = DominatorTree::compute(&cfg);
    let forest = LoopForest::compute(&cfg, &dom);
    let outer = around_others(&forest);
    if outer.is_empty() {
        return;
    }
    let scev = ScalarEvolution::compute(f, &cfg, &dom, &forest);
    let allowed = Allowed {
        polls: true,
        guards: false,
        fast: context.fastmath,
    };
    let mut plans = vec![];
    for l in outer {
        let data = &forest.loops[l];
        if f.blocks[data.header].cold || data.blocks.len() > 4 {
            continue;
        }
        // An inner loop that is vectorised itself is better left alone.
        let inner = data.blocks.iter().find(|b| again(f, **b).is_some());
        let alone = |b: &Block| {
            Shape::find(f, &scev, *b, allowed)
                .and_then(|s| Plan::make(f, &scev, s))
                .is_ok()
        };
        if inner.is_some_and(alone) {
            continue;
        }
        let planned = Shape::find_nest(f, &scev, data).and_then(|s| Plan::make(f, &scev, s));
        plans.extend(planned);
    }
    for plan in plans {
        if context.rewrite() {
            let message = format!("vectorised: {} turns at once, around an inner loop", plan.turns);
            context.remark(plan.shape.line, message);
            emit::emit(f, &plan);
            for b in plan.shape.blocks {
                f.blocks[b].cold = true;
            }
        }
    }
}

fn has_vectors(f: &Function, b: Block) -> bool {
    let insts = &f.blocks[b].insts;
    insts.iter().any(|i| f.insts[*i].ty.is_vector())
}

fn plan(
    f: &Function,
    scev: &ScalarEvolution<'_>,
    header: Block,
    blocks: &[Block],
    allowed: Allowed,
) -> Result<Plan, Reason> {
    if again(f, header).is_none() {
        let ops = blocks.iter().filter(|b| !f.blocks[**b].cold);
        let mut ops = ops.flat_map(|b| &f.blocks[*b].insts).map(|i| f.insts[*i].op);
        let calls = ops.any(|op| matches!(op, Opcode::Call | Opcode::CallHelper));
        return Err(if calls {
            "it calls a function"
        } else {
            "its body branches"
        }
        .into());
    }
    if f.blocks[header].insts.len() > MAX_BODY {
        return Err("its body is long".into());
    }
    let shape = Shape::find(f, scev, header, allowed)?;
    Plan::make(f, scev, shape)
}

/// The line of a loop: that of its branch, or the first that its header has.
fn line(f: &Function, header: Block) -> u32 {
    let insts = &f.blocks[header].insts;
    insts.last().map_or(0, |i| f.insts[*i].line)
}
