//! The control-flow graph: predecessors and a postorder of the blocks that the entry reaches.

use cranelift_entity::SecondaryMap;
use smallvec::SmallVec;

use crate::ir::{Block, Function};

/// Predecessors and postorder, of reachable blocks only.
#[derive(Clone, Debug, Default)]
pub struct ControlFlowGraph {
    preds: SecondaryMap<Block, SmallVec<[Block; 2]>>,
    postorder: Vec<Block>,
    reachable: SecondaryMap<Block, bool>,
}

impl ControlFlowGraph {
    pub fn compute(f: &Function) -> ControlFlowGraph {
        let mut cfg = ControlFlowGraph::default();
        let Some(&entry) = f.layout.first() else {
            return cfg;
        };
        let mut stack = vec![(entry, 0)];
        cfg.reachable[entry] = true;
        while let Some((block, next)) = stack.pop() {
            let Some(succ) = f.successors(block).get(next).map(|t| t.block) else {
                cfg.postorder.push(block);
                continue;
            };
            stack.push((block, next + 1));
            cfg.preds[succ].push(block);
            if !std::mem::replace(&mut cfg.reachable[succ], true) {
                stack.push((succ, 0));
            }
        }
        cfg
    }

    /// The blocks that branch to `b`, once per branch target that names it.
    pub fn preds(&self, b: Block) -> &[Block] {
        &self.preds[b]
    }

    pub fn is_reachable(&self, b: Block) -> bool {
        self.reachable[b]
    }

    /// Every block after the blocks it leads to, back edges aside.
    pub fn postorder(&self) -> &[Block] {
        &self.postorder
    }

    /// Every block before the blocks it leads to, back edges aside; the entry is first.
    pub fn reverse_postorder(&self) -> impl Iterator<Item = Block> + '_ {
        self.postorder.iter().rev().copied()
    }
}
