//! Local simplification to a fixpoint: constants are folded, branches on them become jumps,
//! parameters that are always the same value are that value, blocks that only jump are passed by,
//! and a block joins its only predecessor.
//!
//! Before:
//! ```text
//! block0(v0: i64):
//!   v1 = iconst.i8 1
//!   br v1, block1(v0), block2
//! block1(v2: i64):
//!   v3 = iconst.i64 0
//!   v4 = iadd.i64 v2, v3
//!   jump block3(v4)
//! ```
//! After:
//! ```text
//! block0(v0: i64):
//!   jump block3(v0)
//! ```

mod fold;

use cranelift_entity::{EntitySet, SecondaryMap};
use numlift_mir::{Block, BlockCall, ControlFlowGraph, Function, Imm, Inst, Opcode, Ty, Value, ValueDef};
use smallvec::SmallVec;

use super::Aliases;
use super::clone::branches_mut;
use crate::{Pass, PassContext};

pub const PASS: Pass = Pass {
    name: "simplify",
    doc: "Folds constants and branches, joins blocks, and drops parameters that are always the same value.",
    run,
};

/// More rounds than this change nothing in practice.
const MAX_ROUNDS: usize = 8;

pub fn run(f: &mut Function, context: &mut PassContext) {
    for _ in 0..MAX_ROUNDS {
        let steps = [
            fold_insts,
            fold_branches,
            redundant_params,
            pass_by,
            thread,
            join_blocks,
        ];
        let mut changed = false;
        for step in steps {
            changed |= context.rewrite() && step(f);
        }
        if !changed {
            return;
        }
    }
}

fn fold_insts(f: &mut Function) -> bool {
    let mut aliases = Aliases::default();
    let mut changed = false;
    for n in 0..f.layout.len() {
        let b = f.layout[n];
        for i in std::mem::take(&mut f.blocks[b].insts) {
            f.map_uses(i, |v| aliases.get(v));
            match fold::inst(f, i) {
                fold::Folded::Keep => f.blocks[b].insts.push(i),
                fold::Folded::Changed => {
                    changed = true;
                    f.blocks[b].insts.push(i);
                }
                fold::Folded::Value(v) => aliases.set(f.insts[i].results[0], v),
                fold::Folded::Nothing => changed = true,
            }
        }
    }
    aliases.apply(f) | changed
}

/// A branch on a constant, or to one place on both sides, becomes a jump.
fn fold_branches(f: &mut Function) -> bool {
    let mut changed = false;
    for n in 0..f.layout.len() {
        let Some(i) = f.terminator(f.layout[n]) else {
            continue;
        };
        let Imm::Branch(then, other) = &f.insts[i].imm else {
            continue;
        };
        let taken = match f.int_const(f.insts[i].args[0]) {
            Some(0) => other.clone(),
            Some(_) => then.clone(),
            None if then == other => then.clone(),
            None => continue,
        };
        let d = &mut f.insts[i];
        d.op = Opcode::Jump;
        d.ty = Ty::I64;
        d.args.clear();
        d.imm = Imm::Jump(taken);
        changed = true;
    }
    if changed {
        let cfg = ControlFlowGraph::compute(f);
        f.layout.retain(|b| cfg.is_reachable(*b));
    }
    changed
}

/// The terminators that name each block.
fn incoming(f: &Function) -> SecondaryMap<Block, SmallVec<[Inst; 2]>> {
    let mut out: SecondaryMap<Block, SmallVec<[Inst; 2]>> = SecondaryMap::new();
    for &b in &f.layout {
        if let Some(i) = f.terminator(b) {
            for t in f.successors(b) {
                out[t.block].push(i);
            }
        }
    }
    out
}

/// A parameter that gets one value besides itself is that value.
fn redundant_params(f: &mut Function) -> bool {
    let incoming = incoming(f);
    let mut aliases = Aliases::default();
    let mut any = false;
    for n in 1..f.layout.len() {
        let b = f.layout[n];
        let mut k = 0;
        while k < f.blocks[b].params.len() {
            let p = f.blocks[b].params[k];
            let Some(v) = only_value(f, &aliases, &incoming[b], b, k, p) else {
                k += 1;
                continue;
            };
            aliases.set(p, v);
            f.remove_param(b, k);
            for &i in incoming[b].iter() {
                for t in branches_mut(&mut f.insts[i].imm) {
                    // A branch that names the block twice is listed twice: shorten each target once.
                    if t.block == b && t.args.len() > f.blocks[b].params.len() {
                        t.args.remove(k);
                    }
                }
            }
            any = true;
        }
    }
    aliases.apply(f);
    any
}

fn only_value(
    f: &Function,
    aliases: &Aliases,
    incoming: &[Inst],
    b: Block,
    k: usize,
    p: Value,
) -> Option<Value> {
    let mut found = None;
    for &i in incoming {
        let targets: SmallVec<[&BlockCall; 2]> = match &f.insts[i].imm {
            Imm::Jump(t) => SmallVec::from_slice(&[t]),
            Imm::Branch(t, e) => SmallVec::from_slice(&[t, e]),
            _ => SmallVec::new(),
        };
        for t in targets.into_iter().filter(|t| t.block == b) {
            let v = aliases.get(t.args[k]);
            if v != p && *found.get_or_insert(v) != v {
                return None;
            }
        }
    }
    found
}

/// A branch to a block that only jumps on goes where that jump goes.
fn pass_by(f: &mut Function) -> bool {
    let kept = read_elsewhere(f);
    let mut changed = false;
    for n in 0..f.layout.len() {
        let Some(i) = f.terminator(f.layout[n]) else {
            continue;
        };
        let mut imm = std::mem::replace(&mut f.insts[i].imm, Imm::None);
        for t in branches_mut(&mut imm) {
            changed |= redirect(f, &kept, t);
        }
        f.insts[i].imm = imm;
    }
    if changed {
        let cfg = ControlFlowGraph::compute(f);
        f.layout.retain(|b| cfg.is_reachable(*b));
    }
    changed
}

fn redirect(f: &Function, kept: &EntitySet<Value>, t: &mut BlockCall) -> bool {
    let [only] = f.blocks[t.block].insts[..] else {
        return false;
    };
    let Imm::Jump(next) = &f.insts[only].imm else {
        return false;
    };
    let params = &f.blocks[t.block].params;
    if next.block == t.block || params.iter().any(|p| kept.contains(*p)) {
        return false;
    }
    let pass = |v: &Value| params.iter().position(|p| p == v).map_or(*v, |k| t.args[k]);
    let to = BlockCall {
        block: next.block,
        args: next.args.iter().map(pass).collect(),
    };
    *t = to;
    true
}

/// A branch that decides what a block would branch on goes where that leads.
fn thread(f: &mut Function) -> bool {
    let kept = read_elsewhere(f);
    let mut changed = false;
    for n in 0..f.layout.len() {
        let Some(i) = f.terminator(f.layout[n]) else {
            continue;
        };
        let mut imm = std::mem::replace(&mut f.insts[i].imm, Imm::None);
        let both = matches!(&imm, Imm::Branch(t, e) if t.block == e.block);
        let cond = f.insts[i].args.first().copied().filter(|_| !both);
        for (t, holds) in branches_mut(&mut imm).into_iter().zip([true, false]) {
            changed |= decided(f, &kept, t, cond.map(|c| (c, holds)));
        }
        f.insts[i].imm = imm;
    }
    if changed {
        let cfg = ControlFlowGraph::compute(f);
        f.layout.retain(|b| cfg.is_reachable(*b));
    }
    changed
}

/// Redirects a branch to a block that only branches on one of its parameters, if that is known.
fn decided(f: &Function, kept: &EntitySet<Value>, t: &mut BlockCall, known: Option<(Value, bool)>) -> bool {
    let [only] = f.blocks[t.block].insts[..] else {
        return false;
    };
    let Imm::Branch(then, other) = &f.insts[only].imm else {
        return false;
    };
    let params = &f.blocks[t.block].params;
    let pass = |v: &Value| params.iter().position(|p| p == v).map_or(*v, |k| t.args[k]);
    let cond = pass(&f.insts[only].args[0]);
    let holds = match (f.int_const(cond), known) {
        (Some(n), _) => n != 0,
        (None, Some((v, holds))) if v == cond => holds,
        _ => return false,
    };
    let next = if holds { then } else { other };
    if next.block == t.block || params.iter().any(|p| kept.contains(*p)) {
        return false;
    }
    let to = BlockCall {
        block: next.block,
        args: next.args.iter().map(pass).collect(),
    };
    *t = to;
    true
}

/// Parameters that other blocks than their own read: they must keep their home.
fn read_elsewhere(f: &Function) -> EntitySet<Value> {
    let mut out = EntitySet::new();
    for &b in &f.layout {
        for &i in &f.blocks[b].insts {
            for v in f.uses(i) {
                if matches!(f.values[v].def, ValueDef::Param(home, _) if home != b) {
                    out.insert(v);
                }
            }
        }
    }
    out
}

/// A block with one predecessor that jumps to it is the predecessor's end.
fn join_blocks(f: &mut Function) -> bool {
    let incoming = incoming(f);
    let mut aliases = Aliases::default();
    let mut gone: Vec<Block> = Vec::new();
    for n in 0..f.layout.len() {
        let b = f.layout[n];
        if gone.contains(&b) {
            continue;
        }
        while let Some(i) = f.terminator(b)
            && let Imm::Jump(t) = &f.insts[i].imm
            && incoming[t.block].len() == 1
            && t.block != b
            && t.block != f.layout[0]
        {
            let t = t.clone();
            for (k, &arg) in t.args.iter().enumerate() {
                aliases.set(f.blocks[t.block].params[k], arg);
            }
            f.blocks[b].insts.pop();
            let mut rest = std::mem::take(&mut f.blocks[t.block].insts);
            f.blocks[b].insts.append(&mut rest);
            f.blocks[b].cold &= f.blocks[t.block].cold;
            f.blocks[t.block].params.clear();
            gone.push(t.block);
        }
    }
    f.layout.retain(|b| !gone.contains(b));
    aliases.apply(f) | !gone.is_empty()
}
