//! Natural loops and how they nest.

use cranelift_entity::packed_option::PackedOption;
use cranelift_entity::{PrimaryMap, SecondaryMap, entity_impl};

use crate::cfg::ControlFlowGraph;
use crate::dominators::DominatorTree;
use crate::ir::Block;

/// A loop of a [`LoopForest`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Loop(u32);
entity_impl!(Loop, "loop");

#[derive(Clone, Debug)]
pub struct LoopData {
    /// The block that dominates the loop and that its back edges enter.
    pub header: Block,
    /// Blocks that branch back to the header.
    pub latches: Vec<Block>,
    /// All blocks, those of inner loops included, in reverse postorder.
    pub blocks: Vec<Block>,
    pub parent: PackedOption<Loop>,
    /// 1 for an outermost loop.
    pub depth: u32,
}

/// The natural loops of a function. Irreducible cycles have no entry.
#[derive(Clone, Debug, Default)]
pub struct LoopForest {
    pub loops: PrimaryMap<Loop, LoopData>,
    innermost: SecondaryMap<Block, PackedOption<Loop>>,
}

impl LoopForest {
    pub fn compute(cfg: &ControlFlowGraph, dom: &DominatorTree) -> LoopForest {
        let mut forest = LoopForest::default();
        // Inner headers come later in reverse postorder, so walk it backwards: inner loops first.
        for &header in cfg.postorder() {
            let latches: Vec<Block> = cfg
                .preds(header)
                .iter()
                .copied()
                .filter(|p| dom.dominates(header, *p))
                .collect();
            if !latches.is_empty() {
                forest.add(cfg, header, latches);
            }
        }
        forest.finish(cfg);
        forest
    }

    fn add(&mut self, cfg: &ControlFlowGraph, header: Block, mut latches: Vec<Block>) {
        latches.sort();
        latches.dedup();
        let id = self.loops.push(LoopData {
            header,
            latches: latches.clone(),
            blocks: Vec::new(),
            parent: None.into(),
            depth: 0,
        });
        let mut work = latches;
        while let Some(b) = work.pop() {
            match self.outermost(b) {
                Some(l) if l == id => {}
                Some(inner) => {
                    // A whole inner loop: go on from what enters it.
                    self.loops[inner].parent = id.into();
                    let head = self.loops[inner].header;
                    work.extend(
                        cfg.preds(head)
                            .iter()
                            .copied()
                            .filter(|p| self.outermost(*p) != Some(id)),
                    );
                }
                None => {
                    self.innermost[b] = id.into();
                    if b != header {
                        work.extend_from_slice(cfg.preds(b));
                    }
                }
            }
        }
        if self.innermost[header].is_none() {
            self.innermost[header] = id.into();
        }
    }

    fn outermost(&self, b: Block) -> Option<Loop> {
        let mut at = self.innermost[b].expand()?;
        while let Some(p) = self.loops[at].parent.expand() {
            at = p;
        }
        Some(at)
    }

    fn finish(&mut self, cfg: &ControlFlowGraph) {
        for b in cfg.reverse_postorder() {
            let mut at = self.innermost[b].expand();
            while let Some(l) = at {
                self.loops[l].blocks.push(b);
                at = self.loops[l].parent.expand();
            }
        }
        for l in self.loops.keys().rev().collect::<Vec<_>>() {
            let depth = self.loops[l].parent.expand().map_or(0, |p| self.loops[p].depth);
            self.loops[l].depth = depth + 1;
        }
    }

    /// The innermost loop around a block.
    pub fn innermost(&self, b: Block) -> Option<Loop> {
        self.innermost[b].expand()
    }

    /// Whether a block lies in a loop or in one of its inner loops.
    pub fn contains(&self, l: Loop, b: Block) -> bool {
        let mut at = self.innermost[b].expand();
        while let Some(x) = at {
            if x == l {
                return true;
            }
            at = self.loops[x].parent.expand();
        }
        false
    }

    /// Whether no other loop lies in this one.
    pub fn is_innermost(&self, l: Loop) -> bool {
        self.loops.values().all(|d| d.parent.expand() != Some(l))
    }

    /// Loops, inner ones before those around them.
    pub fn inner_first(&self) -> impl Iterator<Item = Loop> + use<> {
        self.loops.keys()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Builder, Function, Ty};

    /// entry -> outer -> inner (self loop) -> latch -> outer | exit
    #[test]
    fn nest_of_two() {
        let mut b = Builder::new(Function::new("f"));
        let [entry, outer, inner, latch, exit] = [(); 5].map(|()| b.create_block());
        b.switch_to(entry);
        let c = b.iconst(Ty::I8, 1);
        b.jump(outer, &[]);
        b.switch_to(outer);
        b.jump(inner, &[]);
        b.switch_to(inner);
        b.br(c, (inner, &[]), (latch, &[]));
        b.switch_to(latch);
        b.br(c, (outer, &[]), (exit, &[]));
        b.switch_to(exit);
        b.ret(&[]);
        let cfg = ControlFlowGraph::compute(&b.func);
        let dom = DominatorTree::compute(&cfg);
        assert_eq!(dom.idom(exit), Some(latch));
        assert!(dom.dominates(outer, exit) && !dom.dominates(exit, outer));
        let forest = LoopForest::compute(&cfg, &dom);
        let (i, o) = (
            forest.innermost(inner).expect("a loop"),
            forest.innermost(latch).expect("a loop"),
        );
        assert_eq!(forest.loops[i].parent.expand(), Some(o));
        assert_eq!((forest.loops[i].depth, forest.loops[o].depth), (2, 1));
        assert_eq!(forest.loops[o].blocks, [outer, inner, latch]);
        assert!(forest.contains(o, inner) && !forest.contains(i, latch));
        assert!(forest.is_innermost(i) && !forest.is_innermost(o));
        assert_eq!(forest.innermost(exit), None);
    }
}
