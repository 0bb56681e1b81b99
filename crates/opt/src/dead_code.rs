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

use cranelift_entity::EntitySet;
use numlift_mir::{ControlFlowGraph, Function, Inst, ValueDef};

use crate::PassContext;

pub const NAME: &str = "dead-code";

pub fn run(f: &mut Function, context: &mut PassContext) {
    let cfg = ControlFlowGraph::compute(f);
    if cfg.postorder().len() < f.layout.len() && context.rewrite() {
        f.layout.retain(|b| cfg.is_reachable(*b));
    }
    let live = live_insts(f);
    // Uses go before what they use.
    for &b in cfg.postorder() {
        let mut kept = std::mem::take(&mut f.blocks[b].insts);
        kept.reverse();
        kept.retain(|i| live.contains(*i) || !context.rewrite());
        kept.reverse();
        f.blocks[b].insts = kept;
    }
}

/// Instructions with an effect, and those whose results they need.
fn live_insts(f: &Function) -> EntitySet<Inst> {
    let mut live = EntitySet::new();
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
        run(&mut f, &mut PassContext::new(NAME));
        assert_eq!(f.layout, [entry]);
        assert_eq!(f.blocks[entry].insts.len(), 2);
    }
}
