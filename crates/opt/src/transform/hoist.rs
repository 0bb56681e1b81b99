//! Code that both ways of a branch have in common: what both compute is computed before, and a store that
//! all ways to a block end in is done there.
//!
//! Before:
//! ```text
//!   br v0, block1, block2
//! block1:
//!   v3 = iadd.i64 v1, v2
//!   store.i64 v4, v3
//!   jump block3
//! block2:
//!   v5 = iadd.i64 v1, v2
//!   store.i64 v6, v5
//!   jump block3
//! block3:
//! ```
//! After:
//! ```text
//!   v3 = iadd.i64 v1, v2
//!   br v0, block1, block2
//! block1:
//!   jump block3(v4)
//! block2:
//!   jump block3(v6)
//! block3(v7: i64):
//!   store.i64 v7, v3
//! ```

use std::collections::HashMap;

use cranelift_entity::SecondaryMap;
use cranelift_entity::packed_option::PackedOption;
use numlift_mir::{Block, ControlFlowGraph, Function, Imm, Inst, Opcode, Value, ValueDef};

use super::clone::branches_mut;
use super::gvn::{Key, key};
use super::{Aliases, speculation};
use crate::{Pass, PassContext};

pub const PASS: Pass = Pass {
    name: "hoist",
    doc: "Moves what both ways of a branch compute before it, and stores that all ways end in behind them.",
    run,
};

pub fn run(f: &mut Function, context: &mut PassContext) {
    let cfg = ControlFlowGraph::compute(f);
    let mut aliases = Aliases::default();
    let mut homes = f.inst_blocks();
    for &b in cfg.postorder() {
        let Some([x, y]) = arms(f, &cfg, b) else { continue };
        while common(f, b, [x, y], &mut homes, &mut aliases, context) {}
    }
    aliases.apply(f);
    for b in cfg.reverse_postorder() {
        sink(f, &cfg, b, context);
    }
}

/// The two targets of a branch, if nothing else leads to either.
fn arms(f: &Function, cfg: &ControlFlowGraph, b: Block) -> Option<[Block; 2]> {
    match f.successors(b)[..] {
        [x, y] if x.block != y.block => Some([x.block, y.block]),
        _ => None,
    }
    .filter(|arms| arms.iter().all(|a| cfg.preds(*a).len() == 1))
}

/// Moves the instructions that both arms have and whose operands are defined before them.
fn common(
    f: &mut Function,
    before: Block,
    arms: [Block; 2],
    homes: &mut SecondaryMap<Inst, PackedOption<Block>>,
    aliases: &mut Aliases,
    context: &mut PassContext,
) -> bool {
    let [mut first, second] = arms.map(|a| movable(f, a, homes, aliases));
    let mut pairs: Vec<(Inst, Inst)> = second
        .into_iter()
        .filter_map(|(k, j)| first.remove(&k).map(|i| (i, j)))
        .collect();
    pairs.sort();
    let mut any = false;
    for (i, j) in pairs {
        if !context.rewrite() {
            return false;
        }
        for (arm, moved) in arms.into_iter().zip([i, j]) {
            f.blocks[arm].insts.retain(|x| *x != moved);
        }
        let end = f.blocks[before].insts.len() - 1;
        f.blocks[before].insts.insert(end, i);
        f.map_uses(i, |v| aliases.get(v));
        homes[i] = before.into();
        homes[j] = before.into();
        aliases.set(f.insts[j].results[0], f.insts[i].results[0]);
        any = true;
    }
    any
}

fn movable(
    f: &mut Function,
    arm: Block,
    homes: &SecondaryMap<Inst, PackedOption<Block>>,
    aliases: &Aliases,
) -> HashMap<Key, Inst> {
    let mut out = HashMap::new();
    for n in 0..f.blocks[arm].insts.len() {
        let i = f.blocks[arm].insts[n];
        let before = |v: Value| match f.values[v].def {
            ValueDef::Param(b, _) => b != arm,
            ValueDef::Result(i, _) => homes[i].expand() != Some(arm),
        };
        let ready = f.insts[i].args.iter().all(|&v| before(aliases.get(v)));
        if !ready || !speculation::is_safe(f, i) {
            continue;
        }
        f.map_uses(i, |v| aliases.get(v));
        if let Some(k) = key(f, i) {
            out.entry(k).or_insert(i);
        }
    }
    out
}

/// Puts the store that all ways to a block end in at its start.
fn sink(f: &mut Function, cfg: &ControlFlowGraph, b: Block, context: &mut PassContext) {
    let from = cfg.preds(b);
    if from.len() < 2 {
        return;
    }
    let Some(stores) = from
        .iter()
        .map(|p| last_store(f, *p))
        .collect::<Option<Vec<Inst>>>()
    else {
        return;
    };
    let same = |x: Inst| {
        let (d, first) = (&f.insts[x], &f.insts[stores[0]]);
        (d.ty, d.args[1], &d.imm) == (first.ty, first.args[1], &first.imm)
    };
    if !stores.iter().all(|&s| same(s)) || !context.rewrite() {
        return;
    }
    let ty = f.insts[stores[0]].ty;
    let v = f.append_param(b, ty);
    for (&p, &s) in from.iter().zip(&stores) {
        let stored = f.insts[s].args[0];
        f.blocks[p].insts.retain(|i| *i != s);
        if let Some(end) = f.terminator(p) {
            for t in branches_mut(&mut f.insts[end].imm) {
                t.args.push(stored);
            }
        }
    }
    f.insts[stores[0]].args[0] = v;
    f.blocks[b].insts.insert(0, stores[0]);
}

/// The store before the jump that a block ends in.
fn last_store(f: &Function, b: Block) -> Option<Inst> {
    let [.., store, end] = f.blocks[b].insts[..] else {
        return None;
    };
    let jumps = matches!(f.insts[end].imm, Imm::Jump(_));
    (jumps && f.insts[store].op == Opcode::Store).then_some(store)
}
