//! Control flow: branches of the program, and those that leave for cold blocks.
//!
//! Cranelift numbers blocks in reverse postorder, and the target of a branch that is named first comes later.
//! Its register allocator takes that order for the program: what stands between the blocks of a loop counts
//! as part of the loop. So the target that leaves more loops is named first, and of others the cold one.

use cranelift_codegen::cursor::Cursor;
use cranelift_codegen::ir::{
    Block, BlockArg, InstBuilder, Value,
    condcodes::{CondCode, IntCC},
};
use numlift_mir as mir;
use numlift_mir::{ControlFlowGraph, DominatorTree, Imm, LoopForest, Opcode};
use smallvec::SmallVec;

use crate::CodegenError;
use crate::cold::ColdBlock;
use crate::lower::{Lower, NONE};
use crate::ops::{float_cc, int_cc};

/// The loops of a function.
pub(crate) fn loops(f: &mir::Function) -> LoopForest {
    let cfg = ControlFlowGraph::compute(f);
    LoopForest::compute(&cfg, &DominatorTree::compute(&cfg))
}

impl Lower<'_> {
    /// `jump` and `br`, the last instruction of a block.
    pub fn jump(&mut self, data: &mir::InstData, from: mir::Block) -> Result<(), CodegenError> {
        match (&data.imm, &data.args[..]) {
            (Imm::Jump(to), []) => self.go(to),
            // the cold blocks lead to the landing
            (Imm::Branch(_, other), &[cond]) if self.is_raised(cond) => self.go(other),
            (Imm::Branch(then, other), &[cond]) => {
                let swap = self.first(from, other.block) < self.first(from, then.block);
                let (first, second) = if swap { (other, then) } else { (then, other) };
                let cond = self.condition(cond, !swap)?;
                let (a, b) = (self.block_args(first)?, self.block_args(second)?);
                let (first, second) = (self.block(first.block)?, self.block(second.block)?);
                self.pos.ins().brif(cond, first, &a, second, &b);
                Ok(())
            }
            _ => Err(self.unexpected(data)),
        }
    }

    /// What orders the targets of a branch: how many of the loops around it go on, and whether it is hot.
    fn first(&self, from: mir::Block, to: mir::Block) -> (usize, bool) {
        let mut kept = 0;
        let mut around = self.loops.innermost(from);
        while let Some(l) = around {
            kept += usize::from(self.loops.contains(l, to));
            around = self.loops.loops[l].parent.expand();
        }
        (kept, !self.func.blocks[to].cold)
    }

    fn go(&mut self, to: &mir::BlockCall) -> Result<(), CodegenError> {
        let args = self.block_args(to)?;
        let block = self.block(to.block)?;
        self.pos.ins().jump(block, &args);
        Ok(())
    }

    /// A value that is not 0 if `v` is (`holds`), or if `v` is 0: another comparison rather than one more.
    pub fn condition(&mut self, v: mir::Value, holds: bool) -> Result<Value, CodegenError> {
        if holds {
            return self.value(v);
        }
        let func = self.func;
        if let Some(i) = func.def(v)
            && let data = &func.insts[i]
            && let (imm, &[a, b]) = (&data.imm, &data.args[..])
        {
            match *imm {
                Imm::IntCC(cc) => {
                    let (a, b) = (self.value(a)?, self.value(b)?);
                    return Ok(self.pos.ins().icmp(int_cc(cc).complement(), a, b));
                }
                Imm::FloatCC(cc) => {
                    let (a, b) = (self.value(a)?, self.value(b)?);
                    return Ok(self.pos.ins().fcmp(float_cc(cc).complement(), a, b));
                }
                _ => {}
            }
        }
        let v = self.value(v)?;
        Ok(self.pos.ins().icmp_imm_s(IntCC::Equal, v, 0))
    }

    /// Ends the block with a branch to `block` if `v` is 0 and goes on in a new block. Two conditions are two
    /// branches, each of which is compared and taken at once; the second of alternatives is asked out of line.
    pub fn branch_away_unless(&mut self, v: mir::Value, block: Block) -> Result<(), CodegenError> {
        let func = self.func;
        if let Some(i) = func.def(v)
            && let [a, b] = func.insts[i].args[..]
            && [a, b].iter().all(|&x| is_truth(func, x))
        {
            match func.insts[i].op {
                Opcode::Band => {
                    self.branch_away_unless(a, block)?;
                    return self.branch_away_unless(b, block);
                }
                Opcode::Bor => {
                    let other = self.pos.func.dfg.make_block();
                    let fails = self.condition(a, false)?;
                    let next = self.branch_away(fails, other);
                    self.cold.push((
                        other,
                        ColdBlock::Unless {
                            cond: b,
                            fail: block,
                            next,
                        },
                    ));
                    return Ok(());
                }
                _ => {}
            }
        }
        let fails = self.condition(v, false)?;
        self.branch_away(fails, block);
        Ok(())
    }

    /// Ends the block with a branch to `block` if `cond` holds and goes on in a new block.
    pub fn branch_away(&mut self, cond: Value, block: Block) -> Block {
        let next = self.split();
        self.pos.ins().brif(cond, block, NONE, next, NONE);
        self.pos.goto_bottom(next);
        next
    }

    /// A new block that follows the current one in the layout.
    pub fn split(&mut self) -> Block {
        let next = self.pos.func.dfg.make_block();
        if let Some(current) = self.pos.current_block() {
            self.pos.func.layout.insert_block_after(next, current);
            if self.pos.func.layout.is_cold(current) {
                self.pos.func.layout.set_cold(next);
            }
        }
        next
    }

    fn is_raised(&self, cond: mir::Value) -> bool {
        self.func
            .def(cond)
            .is_some_and(|i| self.func.insts[i].op == Opcode::Raised)
    }

    fn block_args(&self, to: &mir::BlockCall) -> Result<SmallVec<[BlockArg; 8]>, CodegenError> {
        if to.args.len() != self.func.blocks[to.block].params.len() {
            return Err(self.invalid(format!("{} arguments for {}", to.args.len(), to.block)));
        }
        to.args
            .iter()
            .map(|&v| self.value(v).map(BlockArg::Value))
            .collect()
    }
}

/// Whether a value is 0 or 1 for sure.
fn is_truth(f: &mir::Function, v: mir::Value) -> bool {
    let Some(i) = f.def(v) else { return false };
    let d = &f.insts[i];
    match d.op {
        Opcode::Icmp | Opcode::Fcmp => !d.ty.is_vector(),
        Opcode::Band | Opcode::Bor => d.args.iter().all(|&x| is_truth(f, x)),
        _ => false,
    }
}
