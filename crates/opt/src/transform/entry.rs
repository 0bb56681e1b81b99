//! What is done where a loop of one block is entered: a block of its own for it, in which what the loop computes
//! can be computed for the first turn.

use numlift_mir::{Block, BlockData, Function, Inst, Value, ValueDef};

use super::clone::{Copies, branches_mut, copy_inst};
use super::speculation;
use crate::analysis::scev::ScalarEvolution;

/// A block that all branches from outside to a loop go to instead; it has no terminator yet.
pub(super) struct Entry {
    pub block: Block,
    /// One for each parameter of the loop.
    pub params: Vec<Value>,
    copies: Copies,
}

impl Entry {
    pub fn create(f: &mut Function, of: Block) -> Entry {
        let block = f.blocks.push(BlockData::default());
        let mut copies = Copies::default();
        let mut params = Vec::new();
        for k in 0..f.blocks[of].params.len() {
            let v = f.blocks[of].params[k];
            let param = f.append_param(block, f.ty(v));
            copies.values[v] = param.into();
            params.push(param);
        }
        for b in f.layout.clone() {
            let Some(end) = f.terminator(b).filter(|_| b != of) else {
                continue;
            };
            for t in branches_mut(&mut f.insts[end].imm) {
                if t.block == of {
                    t.block = block;
                }
            }
        }
        let at = f.layout.iter().position(|b| *b == of);
        f.layout.insert(at.unwrap_or(f.layout.len()), block);
        Entry {
            block,
            params,
            copies,
        }
    }

    /// Appends what an instruction of the loop does in the first turn; what it uses was copied before.
    pub fn copy(&mut self, f: &mut Function, i: Inst) -> Inst {
        let copy = copy_inst(f, i, &mut self.copies);
        f.map_uses(copy, |v| self.copies.value(v));
        f.blocks[self.block].insts.push(copy);
        copy
    }

    /// The same of an instruction that may have been copied already.
    pub fn copy_once(&mut self, f: &mut Function, i: Inst) {
        if f.insts[i]
            .results
            .iter()
            .any(|r| self.copies.values[*r].is_none())
        {
            self.copy(f, i);
        }
    }

    /// What a value of the loop is in the first turn.
    pub fn value(&self, v: Value) -> Value {
        self.copies.value(v)
    }
}

/// Collects the instructions of the block that a value depends on, operands first.
pub(super) fn collect(
    f: &Function,
    scev: &ScalarEvolution<'_>,
    b: Block,
    v: Value,
    out: &mut Vec<Inst>,
) -> bool {
    const MAX: usize = 8;
    if scev.home(v) != Some(b) || matches!(f.values[v].def, ValueDef::Param(..)) {
        return true;
    }
    let Some(i) = f.def(v) else { return false };
    if out.contains(&i) {
        return true;
    }
    let safe = out.len() < MAX && speculation::is_safe(f, i);
    if !safe || !f.insts[i].args.iter().all(|&a| collect(f, scev, b, a, out)) {
        return false;
    }
    out.push(i);
    true
}
