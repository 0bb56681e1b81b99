//! New instructions at the end of a block.

use numlift_mir::{Block, BlockCall, Function, Imm, InstData, IntCC, Opcode, Ty, Value, ValueData, ValueDef};
use smallvec::SmallVec;

/// Appends to a block, which is well-formed again when its terminator follows.
pub(crate) struct Emit<'f> {
    pub f: &'f mut Function,
    pub block: Block,
    pub line: u32,
}

impl Emit<'_> {
    fn push(&mut self, op: Opcode, ty: Ty, args: &[Value], imm: Imm, result: Ty) -> Value {
        let i = self.f.insts.push(InstData {
            op,
            ty,
            args: SmallVec::from_slice(args),
            imm,
            results: SmallVec::new(),
            landing: None,
            line: self.line,
        });
        self.f.blocks[self.block].insts.push(i);
        let v = self.f.values.push(ValueData {
            ty: result,
            def: ValueDef::Result(i, 0),
        });
        self.f.insts[i].results.push(v);
        v
    }

    /// An operation whose result has the type of its last argument.
    pub fn op(&mut self, op: Opcode, args: &[Value]) -> Value {
        let ty = self.f.ty(args[args.len() - 1]);
        self.push(op, ty, args, Imm::None, ty)
    }

    pub fn constant(&mut self, ty: Ty, n: i64) -> Value {
        self.push(Opcode::Iconst, ty, &[], Imm::Int(n), ty)
    }

    pub fn compare(&mut self, cc: IntCC, a: Value, b: Value) -> Value {
        let ty = self.f.ty(a);
        self.push(Opcode::Icmp, ty, &[a, b], Imm::IntCC(cc), Ty::I8)
    }

    pub fn jump(&mut self, block: Block, args: &[Value]) {
        let target = BlockCall {
            block,
            args: SmallVec::from_slice(args),
        };
        self.end(Opcode::Jump, Ty::I64, &[], Imm::Jump(target));
    }

    /// To `then` if the condition holds, else to `other`; neither has parameters.
    pub fn branch(&mut self, cond: Value, then: Block, other: Block) {
        let [then, other] = [then, other].map(|block| BlockCall {
            block,
            args: SmallVec::new(),
        });
        self.end(Opcode::Br, Ty::I8, &[cond], Imm::Branch(then, other));
    }

    fn end(&mut self, op: Opcode, ty: Ty, args: &[Value], imm: Imm) {
        let i = self.f.insts.push(InstData {
            op,
            ty,
            args: SmallVec::from_slice(args),
            imm,
            results: SmallVec::new(),
            landing: None,
            line: self.line,
        });
        self.f.blocks[self.block].insts.push(i);
    }
}
