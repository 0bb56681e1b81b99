//! Dominators, by Cooper, Harvey and Kennedy, "A Simple, Fast Dominance Algorithm" (2001).

use cranelift_entity::SecondaryMap;
use cranelift_entity::packed_option::PackedOption;

use crate::cfg::ControlFlowGraph;
use crate::ir::Block;

/// The dominator tree of the reachable blocks.
#[derive(Clone, Debug, Default)]
pub struct DominatorTree {
    idom: SecondaryMap<Block, PackedOption<Block>>,
    /// Entry and exit number of a walk over the tree: an ancestor's span encloses a descendant's.
    span: SecondaryMap<Block, (u32, u32)>,
    preorder: Vec<Block>,
}

impl DominatorTree {
    pub fn compute(cfg: &ControlFlowGraph) -> DominatorTree {
        let mut tree = DominatorTree::default();
        let Some(&entry) = cfg.postorder().last() else {
            return tree;
        };
        let mut number: SecondaryMap<Block, u32> = SecondaryMap::new();
        for (n, &b) in cfg.postorder().iter().enumerate() {
            number[b] = n as u32;
        }
        tree.idom[entry] = entry.into();
        loop {
            let mut changed = false;
            for b in cfg.reverse_postorder().skip(1) {
                let known = cfg.preds(b).iter().copied().filter(|p| tree.idom[*p].is_some());
                let new = known.reduce(|x, y| tree.intersect(&number, x, y));
                if tree.idom[b].expand() != new {
                    tree.idom[b] = new.into();
                    changed = true;
                }
            }
            if !changed {
                break;
            }
        }
        tree.number(cfg, entry);
        tree
    }

    fn intersect(&self, number: &SecondaryMap<Block, u32>, mut a: Block, mut b: Block) -> Block {
        while a != b {
            while number[a] < number[b] {
                a = self.idom[a].expand().unwrap_or(a);
            }
            while number[b] < number[a] {
                b = self.idom[b].expand().unwrap_or(b);
            }
        }
        a
    }

    fn number(&mut self, cfg: &ControlFlowGraph, entry: Block) {
        let mut children: SecondaryMap<Block, Vec<Block>> = SecondaryMap::new();
        for b in cfg.reverse_postorder().skip(1) {
            if let Some(d) = self.idom[b].expand() {
                children[d].push(b);
            }
        }
        let mut clock = 0;
        let mut stack = vec![(entry, 0)];
        while let Some((b, next)) = stack.pop() {
            if next == 0 {
                self.preorder.push(b);
                self.span[b].0 = clock;
                clock += 1;
            }
            match children[b].get(next) {
                Some(&c) => stack.extend([(b, next + 1), (c, 0)]),
                None => {
                    self.span[b].1 = clock;
                    clock += 1;
                }
            }
        }
    }

    /// The closest block that every path from the entry passes before `b`; none for the entry.
    pub fn idom(&self, b: Block) -> Option<Block> {
        self.idom[b].expand().filter(|d| *d != b)
    }

    /// Whether every path from the entry to `b` passes `a`; a block dominates itself.
    pub fn dominates(&self, a: Block, b: Block) -> bool {
        self.idom[a].is_some()
            && self.idom[b].is_some()
            && self.span[a].0 <= self.span[b].0
            && self.span[b].1 <= self.span[a].1
    }

    /// The reachable blocks, each before those it dominates.
    pub fn preorder(&self) -> &[Block] {
        &self.preorder
    }
}
