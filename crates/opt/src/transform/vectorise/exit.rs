//! The end of a loop that a vector loop can reach itself.
//!
//! A new block behind the loop takes what is used there as parameters. A vector loop that has done the last turn
//! passes them if they are cheap to have: what follows from counters and values from outside, and what was folded.

use std::collections::{BTreeSet, HashSet};

use numlift_mir::ops::Effect;
use numlift_mir::{Block, BlockCall, Builder, Function, Imm, Value};

use super::emit::{Scalars, step_by};
use super::plan::Plan;
use super::shape::Carried;

pub(super) struct Exit {
    /// Where a vector loop goes when it has done the last turn.
    pub block: Block,
    /// The values of the loop that its parameters stand for.
    leaving: Vec<Value>,
}

impl Exit {
    /// Puts the block behind the loop, if all that is used there can be passed.
    pub fn make(b: &mut Builder, plan: &Plan) -> Option<Exit> {
        let shape = &plan.shape;
        let leaving = leaving(&b.func, plan)?;
        let cheap = cheap(&b.func, plan);
        if shape.step.unsigned_abs() != 1 || !leaving.iter().all(|v| cheap.contains(v)) {
            return None;
        }
        let latch = *shape.blocks.last()?;
        let i = b.func.terminator(latch)?;
        let Imm::Branch(again, exit) = b.func.insts[i].imm.clone() else {
            return None;
        };
        let block = b.create_block();
        let types: Vec<_> = leaving.iter().map(|v| b.func.ty(*v)).collect();
        let params: Vec<Value> = types.into_iter().map(|t| b.func.append_param(block, t)).collect();
        let renamed = |v: Value| leaving.iter().position(|l| *l == v).map_or(v, |k| params[k]);
        for n in 0..b.func.layout.len() {
            let at = b.func.layout[n];
            for k in 0..b.func.blocks[at].insts.len() {
                let i = b.func.blocks[at].insts[k];
                if !shape.blocks.contains(&at) {
                    b.func.map_uses(i, renamed);
                }
            }
        }
        b.switch_to(block);
        let args: Vec<Value> = exit.args.iter().map(|v| renamed(*v)).collect();
        b.jump(exit.block, &args);
        let to_end = BlockCall {
            block,
            args: leaving.iter().copied().collect(),
        };
        b.func.insts[i].imm = Imm::Branch(again, to_end);
        Some(Exit { block, leaving })
    }

    /// What the last turn leaves with, where the next one would have these parameters.
    pub fn outs(&self, b: &mut Builder, plan: &Plan, next: &[Value]) -> Vec<Value> {
        let shape = &plan.shape;
        let mut last = next.to_vec();
        for (k, c) in shape.carried.iter().enumerate() {
            if let Carried::Counter(step) = c {
                last[k] = step_by(b, next[k], step.wrapping_neg());
            }
        }
        let mut scalars = Scalars::new(shape, &last);
        let mut out = vec![];
        for &v in &self.leaving {
            out.push(match folded(plan, v) {
                Some(k) => next[k],
                None => scalars.get(b, v),
            });
        }
        out
    }
}

/// The values of the loop that are used outside; none if its last block does not end in the branch back.
fn leaving(f: &Function, plan: &Plan) -> Option<Vec<Value>> {
    let shape = &plan.shape;
    let latch = f.terminator(*shape.blocks.last()?)?;
    let Imm::Branch(again, exit) = &f.insts[latch].imm else {
        return None;
    };
    if again.block != shape.header {
        return None;
    }
    let mut out: BTreeSet<Value> = exit
        .args
        .iter()
        .copied()
        .filter(|v| shape.is_inside(*v))
        .collect();
    for b in f.layout.iter().filter(|b| !shape.blocks.contains(b)) {
        for &i in &f.blocks[*b].insts {
            out.extend(f.uses(i).into_iter().filter(|v| shape.is_inside(*v)));
        }
    }
    Some(out.into_iter().collect())
}

/// The parameter of which a value is the next, folded one.
fn folded(plan: &Plan, v: Value) -> Option<usize> {
    let shape = &plan.shape;
    let is_made = |k: usize| matches!(shape.carried[k], Carried::Folded(_) | Carried::Ordered);
    (0..shape.next.len()).find(|&k| shape.next[k] == v && is_made(k))
}

/// The values of the loop that, in the last turn, follow from the parameters and values from outside.
fn cheap(f: &Function, plan: &Plan) -> HashSet<Value> {
    let shape = &plan.shape;
    let mut out: HashSet<Value> = HashSet::new();
    for (k, c) in shape.carried.iter().enumerate() {
        if !matches!(c, Carried::Folded(_) | Carried::Ordered) {
            out.insert(shape.params[k]);
        }
    }
    for &i in shape.blocks.iter().flat_map(|b| &f.blocks[*b].insts) {
        let d = &f.insts[i];
        let follows = |v: &Value| !shape.is_inside(*v) || out.contains(v);
        if d.op.effect() == Effect::Pure && d.args.iter().all(follows) {
            out.extend(&d.results);
        }
    }
    out.extend(
        (0..shape.next.len())
            .map(|k| shape.next[k])
            .filter(|v| folded(plan, *v).is_some()),
    );
    out
}
