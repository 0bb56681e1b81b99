//! Deletes blocks that are never reached, pure instructions whose results are not used, and block
//! parameters that only feed one another.
//!
//! Before:
//! ```text
//! block0:
//!   v0 = iconst.i64 1
//!   v1 = iconst.i64 2
//!   jump block1(v0)
//! block1(v2: i64):
//!   return v1
//! block2:            ; no predecessors
//!   return v0
//! ```
//! After:
//! ```text
//! block0:
//!   v1 = iconst.i64 2
//!   jump block1
//! block1:
//!   return v1
//! ```

use std::collections::HashSet;

use cranelift_entity::{EntitySet, SecondaryMap};
use numlift_mir::{Block, BlockCall, ControlFlowGraph, Function, Imm, Inst, Value, ValueDef};
use smallvec::SmallVec;

use crate::{Pass, PassContext};

pub const PASS: Pass = Pass {
    name: "dead-code",
    doc: "Deletes blocks that are never reached, instructions whose results are not used, and unused parameters.",
    run,
};

pub fn run(f: &mut Function, context: &mut PassContext) {
    let cfg = ControlFlowGraph::compute(f);
    if cfg.postorder().len() < f.layout.len() && context.rewrite() {
        f.layout.retain(|b| cfg.is_reachable(*b));
    }
    let live = Liveness::compute(f, &cfg, &HashSet::new());
    let is_dead = |v: &Value| !live.params.contains(*v);
    let has_dead_params = |b: &Block| f.blocks[*b].params.iter().any(is_dead);
    let prune = f.layout.iter().skip(1).any(has_dead_params) && context.rewrite();
    if prune {
        prune_params(f, &live);
    }
    // Uses go before what they use. What used the parameters goes with them, in the same rewrite.
    for &b in cfg.postorder() {
        let mut kept = std::mem::take(&mut f.blocks[b].insts);
        kept.reverse();
        kept.retain(|i| live.insts.contains(*i) || !prune && !context.rewrite());
        kept.reverse();
        f.blocks[b].insts = kept;
    }
}

/// Drops dead parameters and what branches pass for them.
fn prune_params(f: &mut Function, live: &Liveness) {
    for n in 0..f.layout.len() {
        if let Some(i) = f.terminator(f.layout[n]) {
            prune_branch(f, i, live);
        }
    }
    for n in 1..f.layout.len() {
        let b = f.layout[n];
        for k in (0..f.blocks[b].params.len()).rev() {
            if !live.params.contains(f.blocks[b].params[k]) {
                f.remove_param(b, k);
            }
        }
    }
}

pub(super) struct Liveness {
    insts: EntitySet<Inst>,
    /// Parameters that something else than dead parameters needs; the entry's are the signature.
    pub params: EntitySet<Value>,
}

impl Liveness {
    /// What would be needed without some instructions.
    pub fn compute(f: &Function, cfg: &ControlFlowGraph, without: &HashSet<Inst>) -> Liveness {
        let mut incoming: SecondaryMap<Block, SmallVec<[Inst; 2]>> = SecondaryMap::new();
        let mut live = Liveness {
            insts: EntitySet::new(),
            params: EntitySet::new(),
        };
        let mut work: Vec<Value> = Vec::new();
        for &b in &f.layout {
            for &i in &f.blocks[b].insts {
                if f.has_effect(i) && !without.contains(&i) && live.insts.insert(i) {
                    work.extend_from_slice(&f.insts[i].args);
                    work.extend(f.insts[i].unwound());
                }
            }
            if let Some(i) = f.terminator(b).filter(|_| cfg.is_reachable(b)) {
                for t in f.successors(b) {
                    if incoming[t.block].last() != Some(&i) {
                        incoming[t.block].push(i);
                    }
                }
            }
        }
        while let Some(v) = work.pop() {
            match f.values[v].def {
                ValueDef::Result(i, _) => {
                    if live.insts.insert(i) {
                        work.extend_from_slice(&f.insts[i].args);
                    }
                }
                ValueDef::Param(b, k) => {
                    if live.params.insert(v) {
                        let passed = incoming[b].iter().flat_map(|i| targets(&f.insts[*i].imm));
                        work.extend(passed.filter(|t| t.block == b).map(|t| t.args[usize::from(k)]));
                    }
                }
            }
        }
        live
    }
}

fn targets(imm: &Imm) -> SmallVec<[&BlockCall; 2]> {
    match imm {
        Imm::Jump(t) => SmallVec::from_slice(&[t]),
        Imm::Branch(t, e) => SmallVec::from_slice(&[t, e]),
        _ => SmallVec::new(),
    }
}

/// Drops the arguments of a branch whose parameters are dead.
fn prune_branch(f: &mut Function, i: Inst, live: &Liveness) {
    let mut imm = std::mem::replace(&mut f.insts[i].imm, Imm::None);
    let prune = |t: &mut BlockCall| {
        let params = &f.blocks[t.block].params;
        let mut k = 0;
        t.args.retain(|_| {
            k += 1;
            live.params.contains(params[k - 1])
        });
    };
    match &mut imm {
        Imm::Jump(t) => prune(t),
        Imm::Branch(t, e) => {
            prune(t);
            prune(e);
        }
        _ => {}
    }
    f.insts[i].imm = imm;
}

#[cfg(test)]
mod tests {
    use numlift_mir::{Builder, Ty};

    use super::*;

    #[test]
    fn unused_constants_and_unreached_blocks_go() {
        let mut b = Builder::new(Function::new("f"));
        b.func.results.push(Ty::I64);
        let entry = b.create_block();
        b.switch_to(entry);
        b.iconst(Ty::I64, 1);
        let two = b.iconst(Ty::I64, 2);
        b.ret(&[two]);
        let other = b.create_block();
        b.switch_to(other);
        b.unreachable();
        let mut f = b.func;
        run(&mut f, &mut PassContext::new(PASS.name));
        assert_eq!(f.layout, [entry]);
        assert_eq!(f.blocks[entry].insts.len(), 2);
    }

    /// A parameter that a loop only passes to itself goes, with what computed it.
    #[test]
    fn parameters_that_feed_one_another_go() {
        let mut b = Builder::new(Function::new("f"));
        let entry = b.create_block();
        b.switch_to(entry);
        let (zero, one) = (b.iconst(Ty::I64, 0), b.iconst(Ty::I64, 1));
        let head = b.create_block();
        b.jump(head, &[zero, zero]);
        b.switch_to(head);
        let i = b.func.append_param(head, Ty::I64);
        let unused = b.func.append_param(head, Ty::I64);
        let next = b.op(numlift_mir::Opcode::Iadd, &[i, one]);
        let sum = b.op(numlift_mir::Opcode::Iadd, &[unused, next]);
        let again = b.icmp(numlift_mir::IntCC::Slt, next, one);
        let done = b.create_block();
        b.br(again, (head, &[next, sum]), (done, &[]));
        b.switch_to(done);
        b.ret(&[]);
        let mut f = b.func;
        run(&mut f, &mut PassContext::new(PASS.name));
        assert_eq!(f.blocks[head].params.as_slice(), [i]);
        assert_eq!(f.blocks[head].insts.len(), 3);
        assert_eq!(f.successors(head)[0].args.as_slice(), [next]);
    }
}
