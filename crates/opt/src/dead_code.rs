//! Deletes blocks that are never reached and pure instructions whose results are not used.
//!
//! Before:
//! ```text
//! block0:
//!   v0 = iconst.i64 1
//!   v1 = iconst.i64 2
//!   return v1
//! block1:            ; no predecessors
//!   return v0
//! ```
//! After:
//! ```text
//! block0:
//!   v1 = iconst.i64 2
//!   return v1
//! ```
//! Block parameters are kept: Cranelift removes the dead ones.

use std::collections::HashSet;

use numlift_mir::{Block, Function, Inst, ValueDef};

use crate::Remark;

pub const NAME: &str = "dead-code";

pub fn run(f: &mut Function, _remarks: &mut Vec<Remark>) {
    let reached = reachable(f);
    f.layout.retain(|b| reached.contains(b));
    let live = live_insts(f);
    for b in f.layout.clone() {
        f.blocks[b].insts.retain(|i| live.contains(i));
    }
}

fn reachable(f: &Function) -> HashSet<Block> {
    let mut seen = HashSet::new();
    let mut work: Vec<Block> = f.layout.first().copied().into_iter().collect();
    while let Some(b) = work.pop() {
        if seen.insert(b) {
            work.extend(f.successors(b).iter().map(|t| t.block));
        }
    }
    seen
}

/// Instructions with an effect, and those whose results they need.
fn live_insts(f: &Function) -> HashSet<Inst> {
    let mut live = HashSet::new();
    let mut work: Vec<Inst> = Vec::new();
    for &b in &f.layout {
        work.extend(f.blocks[b].insts.iter().filter(|i| f.insts[**i].op.has_effect()));
    }
    while let Some(i) = work.pop() {
        if !live.insert(i) {
            continue;
        }
        for v in f.uses(i) {
            if let ValueDef::Result(def, _) = f.values[v].def {
                work.push(def);
            }
        }
    }
    live
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
        run(&mut f, &mut vec![]);
        assert_eq!(f.layout, [entry]);
        assert_eq!(f.blocks[entry].insts.len(), 2);
    }
}
