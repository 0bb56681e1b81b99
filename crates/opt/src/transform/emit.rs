//! New instructions at the end of a block.

use numlift_mir::{
    Block, BlockCall, Function, Imm, InstData, IntCC, Opcode, Region, Site, Slot, Ty, Unwind, Value,
    ValueData, ValueDef,
};
use numlift_runtime::HelperId;
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
            unwind: None,
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

    pub fn slot_addr(&mut self, slot: Slot) -> Value {
        self.push(Opcode::SlotAddr, Ty::I64, &[], Imm::Slot(slot), Ty::I64)
    }

    pub fn load(&mut self, ty: Ty, address: Value, region: Region) -> Value {
        let imm = Imm::Mem { disp: 0, region };
        self.push(Opcode::Load, ty, &[address], imm, ty)
    }

    pub fn store(&mut self, v: Value, address: Value, disp: i32, region: Region) {
        let ty = self.f.ty(v);
        self.end(Opcode::Store, ty, &[v, address], Imm::Mem { disp, region });
    }

    /// Calls a helper without a result that cannot fail.
    pub fn helper(&mut self, helper: HelperId, args: &[Value]) {
        let imm = Imm::Helper { helper, site: None };
        self.end(Opcode::CallHelper, Ty::I64, args, imm);
    }

    /// See `Opcode::CallsLeft`.
    pub fn calls_left(&mut self) -> Value {
        self.push(Opcode::CallsLeft, Ty::I64, &[], Imm::None, Ty::I64)
    }

    /// Fails at the site, which records nothing, unless the condition holds.
    pub fn guard(&mut self, cond: Value, site: Site, unwind: Option<Box<Unwind>>) {
        self.end(Opcode::Guard, Ty::I8, &[cond], Imm::Site(site));
        if let Some(&i) = self.f.blocks[self.block].insts.last() {
            self.f.insts[i].unwind = unwind;
        }
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

    /// What has no result.
    fn end(&mut self, op: Opcode, ty: Ty, args: &[Value], imm: Imm) {
        let i = self.f.insts.push(InstData {
            op,
            ty,
            args: SmallVec::from_slice(args),
            imm,
            results: SmallVec::new(),
            unwind: None,
            line: self.line,
        });
        self.f.blocks[self.block].insts.push(i);
    }
}
