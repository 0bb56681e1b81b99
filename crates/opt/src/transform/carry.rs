//! What a turn of a loop stores and the next turn loads is carried in a register: the load is left out,
//! and done once where the loop is entered.
//!
//! Before:
//! ```text
//!   jump block1(v0)
//! block1(v1: i64):
//!   v2 = load.i64 v1
//!   v3 = iadd.i64 v1, v8
//!   v4 = iadd.i64 v2, v9
//!   store.i64 v4, v3
//!   br v5, block1(v3), block2
//! ```
//! After:
//! ```text
//!   jump block3(v0)
//! block3(v6: i64):
//!   v10 = load.i64 v6
//!   jump block1(v6, v10)
//! block1(v1: i64, v7: i64):
//!   v3 = iadd.i64 v1, v8
//!   v4 = iadd.i64 v7, v9
//!   store.i64 v4, v3
//!   br v5, block1(v3, v4), block2
//! ```
//! The address of the load is, with the values of the next turn, that of the store; nothing else in the block
//! writes memory, and nothing before the load leaves it.

use numlift_mir::{
    Block, ControlFlowGraph, DominatorTree, Function, Imm, Inst, LoopForest, Opcode, Value, ValueDef,
};

use super::Aliases;
use super::clone::branches_mut;
use super::emit::Emit;
use super::entry::{Entry, collect};
use crate::analysis::affine::Affine;
use crate::analysis::scev::ScalarEvolution;
use crate::{Pass, PassContext};

pub const PASS: Pass = Pass {
    name: "carry",
    doc: "Carries what a turn of a loop stores to the load of the next.",
    run,
};

/// A load that can be left out.
struct Carried {
    block: Block,
    load: Inst,
    /// What the address is computed from in the block, operands first.
    address: Vec<Inst>,
    stored: Value,
}

pub fn run(f: &mut Function, context: &mut PassContext) {
    let cfg = ControlFlowGraph::compute(f);
    let candidates: Vec<(Block, Inst)> = f
        .layout
        .iter()
        .filter(|b| !f.blocks[**b].cold && cfg.preds(**b).contains(b))
        .filter_map(|&b| Some((b, only_store(f, b)?)))
        .collect();
    if candidates.is_empty() {
        return;
    }
    let found: Vec<Carried> = {
        let dom = DominatorTree::compute(&cfg);
        let forest = LoopForest::compute(&cfg, &dom);
        let scev = ScalarEvolution::compute(f, &cfg, &dom, &forest);
        let plans = candidates.iter().map(|&(b, store)| plan(f, &scev, b, store));
        plans.flatten().collect()
    };
    let mut aliases = Aliases::default();
    for c in found {
        if context.rewrite() {
            context.remark(
                f.insts[c.load].line,
                "kept in a register: the turn before has stored it",
            );
            let carried = apply(f, &c);
            aliases.set(f.insts[c.load].results[0], carried);
        }
    }
    aliases.apply(f);
}

/// The store of a block in which nothing else has an effect.
fn only_store(f: &Function, b: Block) -> Option<Inst> {
    let (_, insts) = f.blocks[b].insts.split_last()?;
    let mut with_effect = insts.iter().filter(|i| f.has_effect(**i));
    let (&store, None) = (with_effect.next()?, with_effect.next()) else {
        return None;
    };
    (f.insts[store].op == Opcode::Store).then_some(store)
}

/// The load whose value is, from the second turn on, what the store of the turn before has stored.
fn plan(f: &Function, scev: &ScalarEvolution<'_>, b: Block, store: Inst) -> Option<Carried> {
    let again = {
        let mut again = f.successors(b).into_iter().filter(|t| t.block == b);
        let (first, None) = (again.next()?, again.next()) else {
            return None;
        };
        first
    };
    let next = |a: &Affine| {
        let mut out = Affine::constant(a.k)?;
        for &(v, c) in &a.terms {
            let value = match f.values[v].def {
                ValueDef::Param(home, k) if home == b => scev.affine(again.args[usize::from(k)]),
                _ if scev.home(v) == Some(b) => return None,
                _ => Affine::value(v),
            };
            out = out.add_scaled(&value, c)?;
        }
        Some(out)
    };
    let address = |i: Inst, v: Value| match f.insts[i].imm {
        Imm::Mem { disp, .. } => scev.affine(v).add_constant(i64::from(disp)),
        _ => None,
    };
    let [stored, to] = f.insts[store].args[..] else {
        return None;
    };
    let to = address(store, to)?;
    let before = f.blocks[b].insts.iter().take_while(|i| **i != store);
    let mut loads = before.filter(|i| {
        let d = &f.insts[**i];
        let same = d.op == Opcode::Load && d.ty == f.insts[store].ty;
        same && address(**i, d.args[0]).and_then(|a| next(&a)).as_ref() == Some(&to)
    });
    let load = *loads.next()?;
    let mut computed = Vec::new();
    collect(f, scev, b, f.insts[load].args[0], &mut computed).then_some(Carried {
        block: b,
        load,
        address: computed,
        stored,
    })
}

/// Gives the block a parameter for the value, and the branches that enter it a block that loads it.
fn apply(f: &mut Function, c: &Carried) -> Value {
    let mut entry = Entry::create(f, c.block);
    let carried = f.append_param(c.block, f.ty(f.insts[c.load].results[0]));
    if let Some(end) = f.terminator(c.block) {
        for t in branches_mut(&mut f.insts[end].imm) {
            if t.block == c.block {
                t.args.push(c.stored);
            }
        }
    }
    let mut passed = entry.params.clone();
    for &i in c.address.iter().chain([&c.load]) {
        let copy = entry.copy(f, i);
        if i == c.load {
            passed.push(f.insts[copy].results[0]);
        }
    }
    let line = f.insts[c.load].line;
    let mut e = Emit {
        f,
        block: entry.block,
        line,
    };
    e.jump(c.block, &passed);
    f.blocks[c.block].insts.retain(|i| *i != c.load);
    carried
}
