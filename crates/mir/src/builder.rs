//! Appends instructions to a function.

use numlift_runtime::{HelperId, HelperType};
use smallvec::SmallVec;

use crate::Unwind;
use crate::ir::{
    Block, BlockCall, BlockData, FloatCC, FuncId, Function, Imm, Inst, InstData, IntCC, Region, Site, Slot,
    SlotData, Ty, Value, ValueData, ValueDef,
};
use crate::ops::Opcode;

/// Builds a function block by block. Blocks enter the layout when first switched to.
#[derive(Debug)]
pub struct Builder {
    pub func: Function,
    current: Option<Block>,
    line: u32,
}

impl Builder {
    pub fn new(func: Function) -> Builder {
        Builder {
            func,
            current: None,
            line: 0,
        }
    }

    pub fn set_line(&mut self, line: u32) {
        self.line = line;
    }

    pub fn line(&self) -> u32 {
        self.line
    }

    pub fn create_block(&mut self) -> Block {
        self.func.blocks.push(BlockData::default())
    }

    pub fn create_cold_block(&mut self) -> Block {
        self.func.blocks.push(BlockData {
            cold: true,
            ..BlockData::default()
        })
    }

    pub fn switch_to(&mut self, block: Block) {
        self.func.layout.push(block);
        self.current = Some(block);
    }

    /// Goes on filling a block that is already in the layout and has no terminator.
    pub fn resume(&mut self, block: Block) {
        self.current = Some(block);
    }

    /// Leaves the block being filled open, to be resumed.
    pub fn suspend(&mut self) -> Option<Block> {
        self.current.take()
    }

    /// The block being filled; `None` after a terminator (code here is unreachable).
    pub fn current(&self) -> Option<Block> {
        self.current
    }

    pub fn is_terminated(&self) -> bool {
        self.current.is_none()
    }

    pub fn create_slot(&mut self, bytes: u32, owner: bool) -> Slot {
        let array = false;
        self.func.slots.push(SlotData { bytes, owner, array })
    }

    /// Appends an instruction; in unreachable code a fresh block without predecessors takes it.
    pub fn push(&mut self, op: Opcode, ty: Ty, args: &[Value], imm: Imm, results: &[Ty]) -> Inst {
        let block = match self.current {
            Some(b) => b,
            None => {
                let b = self.create_block();
                self.switch_to(b);
                b
            }
        };
        let data = InstData {
            op,
            ty,
            args: SmallVec::from_slice(args),
            imm,
            results: SmallVec::new(),
            unwind: None,
            line: self.line,
        };
        let inst = self.func.insts.push(data);
        for (i, &ty) in results.iter().enumerate() {
            let v = self.func.values.push(ValueData {
                ty,
                def: ValueDef::Result(inst, i as u16),
            });
            self.func.insts[inst].results.push(v);
        }
        self.func.blocks[block].insts.push(inst);
        if op.is_terminator() {
            self.current = None;
        }
        inst
    }

    fn one(&mut self, op: Opcode, ty: Ty, args: &[Value], imm: Imm, result: Ty) -> Value {
        let i = self.push(op, ty, args, imm, &[result]);
        self.func.insts[i].results[0]
    }

    /// The number that the low bits of `n` stand for, as every operation on `ty` wraps.
    pub fn iconst(&mut self, ty: Ty, n: i64) -> Value {
        self.one(Opcode::Iconst, ty, &[], Imm::Int(ty.wrap(n)), ty)
    }

    /// `x` rounded to `ty`.
    pub fn fconst(&mut self, ty: Ty, x: f64) -> Value {
        let x = match ty {
            Ty::F32 if !x.is_nan() => f64::from(x as f32),
            _ => x,
        };
        self.one(Opcode::Fconst, ty, &[], Imm::Float(x.to_bits()), ty)
    }

    /// Operation whose operands and result have the type of the first argument.
    pub fn op(&mut self, op: Opcode, args: &[Value]) -> Value {
        let ty = self.func.ty(args[args.len() - 1]);
        self.one(op, ty, args, Imm::None, ty)
    }

    /// Operation of the controlling type `ty`, with a result of that type.
    pub fn op_of(&mut self, op: Opcode, ty: Ty, args: &[Value]) -> Value {
        self.one(op, ty, args, Imm::None, ty)
    }

    pub fn extract(&mut self, v: Value, lane: u32) -> Value {
        let ty = self.func.ty(v);
        self.one(Opcode::Extract, ty, &[v], Imm::Int(i64::from(lane)), ty.lane())
    }

    pub fn insert(&mut self, v: Value, lane: u32, x: Value) -> Value {
        let ty = self.func.ty(v);
        self.one(Opcode::Insert, ty, &[v, x], Imm::Int(i64::from(lane)), ty)
    }

    /// The vector whose lanes are all `x`.
    pub fn splat(&mut self, x: Value) -> Value {
        let ty = self.func.ty(x).vector();
        self.op_of(Opcode::Splat, ty, &[x])
    }

    /// Conversion to `ty`; the same type is returned as it is.
    pub fn convert(&mut self, op: Opcode, ty: Ty, v: Value) -> Value {
        if self.func.ty(v) == ty {
            return v;
        }
        self.one(op, ty, &[v], Imm::None, ty)
    }

    pub fn icmp(&mut self, cc: IntCC, a: Value, b: Value) -> Value {
        let ty = self.func.ty(a);
        self.one(Opcode::Icmp, ty, &[a, b], Imm::IntCC(cc), ty.truth())
    }

    pub fn fcmp(&mut self, cc: FloatCC, a: Value, b: Value) -> Value {
        let ty = self.func.ty(a);
        self.one(Opcode::Fcmp, ty, &[a, b], Imm::FloatCC(cc), ty.truth())
    }

    pub fn select(&mut self, cond: Value, then: Value, other: Value) -> Value {
        let ty = self.func.ty(then);
        self.one(Opcode::Select, ty, &[cond, then, other], Imm::None, ty)
    }

    pub fn load(&mut self, ty: Ty, addr: Value, disp: i32, region: Region) -> Value {
        self.one(Opcode::Load, ty, &[addr], Imm::Mem { disp, region }, ty)
    }

    pub fn store(&mut self, value: Value, addr: Value, disp: i32, region: Region) {
        let ty = self.func.ty(value);
        self.push(Opcode::Store, ty, &[value, addr], Imm::Mem { disp, region }, &[]);
    }

    pub fn slot_addr(&mut self, slot: Slot) -> Value {
        self.one(Opcode::SlotAddr, Ty::I64, &[], Imm::Slot(slot), Ty::I64)
    }

    pub fn object(&mut self, index: u32) -> Value {
        self.one(
            Opcode::ObjectAddr,
            Ty::I64,
            &[],
            Imm::Int(i64::from(index)),
            Ty::I64,
        )
    }

    /// A checked operation: `own` arguments, then the operands its site records.
    pub fn checked(&mut self, op: Opcode, own: &[Value], operands: &[Value], site: Site) -> Value {
        let args: SmallVec<[Value; 8]> = own.iter().chain(operands).copied().collect();
        self.one(op, Ty::I64, &args, Imm::Site(site), Ty::I64)
    }

    /// A check without a result (`guard`, `zero_check`, `shape_check`).
    pub fn check(&mut self, op: Opcode, own: &[Value], operands: &[Value], site: Site) {
        let ty = own.first().map_or(Ty::I64, |&v| self.func.ty(v));
        let args: SmallVec<[Value; 8]> = own.iter().chain(operands).copied().collect();
        self.push(op, ty, &args, Imm::Site(site), &[]);
    }

    /// Whether an instruction has failed that lands in the first block of the branch on the result.
    pub fn raised(&mut self) -> Value {
        self.one(Opcode::Raised, Ty::I8, &[], Imm::None, Ty::I8)
    }

    /// Says that a condition holds, for range analysis.
    pub fn assume(&mut self, cond: Value) {
        self.push(Opcode::Assume, Ty::I8, &[cond], Imm::None, &[]);
    }

    pub fn safepoint(&mut self, site: Site) {
        self.push(Opcode::Safepoint, Ty::I64, &[], Imm::Site(site), &[]);
    }

    /// Says how the last instruction of the block leaves.
    pub fn unwind(&mut self, unwind: Option<Box<Unwind>>) {
        let last = self
            .current
            .and_then(|b| self.func.blocks[b].insts.last().copied());
        if let Some(i) = last {
            self.func.insts[i].unwind = unwind;
        }
    }

    pub fn fail(&mut self, operands: &[Value], site: Site) {
        self.push(Opcode::Fail, Ty::I64, operands, Imm::Site(site), &[]);
    }

    /// Calls a helper; gives its result if it has one (a fallible helper has none).
    pub fn call_helper(&mut self, helper: HelperId, args: &[Value], site: Option<Site>) -> Option<Value> {
        let sig = numlift_runtime::helpers::sig(helper);
        let ret = sig.ret.map(helper_ty);
        let i = self.push(
            Opcode::CallHelper,
            ret.unwrap_or(Ty::I64),
            args,
            Imm::Helper { helper, site },
            ret.as_slice(),
        );
        self.func.insts[i].results.first().copied()
    }

    pub fn call(&mut self, func: FuncId, args: &[Value], results: &[Ty], site: Site) -> SmallVec<[Value; 2]> {
        let imm = Imm::Call {
            func,
            site,
            levels: 0,
        };
        let i = self.push(Opcode::Call, Ty::I64, args, imm, results);
        self.func.insts[i].results.clone()
    }

    pub fn jump(&mut self, block: Block, args: &[Value]) {
        let t = BlockCall {
            block,
            args: SmallVec::from_slice(args),
        };
        self.push(Opcode::Jump, Ty::I64, &[], Imm::Jump(t), &[]);
    }

    pub fn br(&mut self, cond: Value, then: (Block, &[Value]), other: (Block, &[Value])) {
        let t = BlockCall {
            block: then.0,
            args: SmallVec::from_slice(then.1),
        };
        let e = BlockCall {
            block: other.0,
            args: SmallVec::from_slice(other.1),
        };
        self.push(Opcode::Br, Ty::I8, &[cond], Imm::Branch(t, e), &[]);
    }

    pub fn ret(&mut self, values: &[Value]) {
        self.push(Opcode::Return, Ty::I64, values, Imm::None, &[]);
    }

    pub fn unreachable(&mut self) {
        self.push(Opcode::Unreachable, Ty::I64, &[], Imm::None, &[]);
    }
}

/// MIR type of a helper's parameter or result.
pub fn helper_ty(t: HelperType) -> Ty {
    match t {
        HelperType::I32 => Ty::I32,
        HelperType::I64 => Ty::I64,
        HelperType::F32 => Ty::F32,
        HelperType::F64 => Ty::F64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_in_the_range_of_their_type() {
        let mut b = Builder::new(Function::new("f"));
        let entry = b.create_block();
        b.switch_to(entry);
        for (ty, n, want) in [
            (Ty::I8, 255, -1),
            (Ty::I8, -128, -128),
            (Ty::I16, 1 << 31, 0),
            (Ty::I32, (1 << 31) + 7, i64::from(i32::MIN) + 7),
            (Ty::I64, i64::MIN, i64::MIN),
        ] {
            let v = b.iconst(ty, n);
            assert_eq!(b.func.int_const(v), Some(want), "{n}");
        }
        b.fconst(Ty::F32, 0.1);
        b.ret(&[]);
        assert!(b.func.to_string().contains("fconst.f32 0.10000000149011612"));
    }
}
