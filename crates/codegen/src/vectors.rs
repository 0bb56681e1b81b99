//! The instructions on vectors.
//!
//! What the processor has no instruction for, and what Cranelift does not lower, is done lane by lane.

use cranelift_codegen::ir::{Endianness, InstBuilder, MemFlagsData, Type, Value, types};
use numlift_mir as mir;
use numlift_mir::{Imm, Opcode, Ty};

use crate::CodegenError;
use crate::lower::{Lower, cl_type};
use crate::ops::{float_cc, int_cc};

/// The second halves of two vectors after one another: lanes 1 of 64 bits.
const HIGH: [u8; 16] = [8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31];
/// The first halves.
const LOW: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23];
/// The lanes of 32 bits with even numbers.
const EVEN: [u8; 16] = [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27];

impl Lower<'_> {
    pub fn vector(&mut self, data: &mir::InstData) -> Result<Value, CodegenError> {
        let args = self.values(&data.args)?;
        let ty = cl_type(data.ty);
        Ok(match (data.op, &data.imm, &args[..]) {
            (Opcode::Splat, _, &[x]) => self.pos.ins().splat(ty, x),
            (Opcode::Extract, &Imm::Int(n), &[x]) => self.pos.ins().extractlane(x, n as u8),
            (Opcode::Insert, &Imm::Int(n), &[x, y]) => self.pos.ins().insertlane(x, y, n as u8),
            (Opcode::Icmp, &Imm::IntCC(cc), &[x, y]) => self.pos.ins().icmp(int_cc(cc), x, y),
            (Opcode::Fcmp, &Imm::FloatCC(cc), &[x, y]) => self.pos.ins().fcmp(float_cc(cc), x, y),
            (Opcode::Select, _, &[mask, x, y]) => {
                let mask = self.as_lanes(ty, mask);
                self.pos.ins().bitselect(mask, x, y)
            }
            (Opcode::Bitcast, _, &[x]) => self.as_lanes(ty, x),
            (Opcode::SextLow, _, &[x]) => self.pos.ins().swiden_low(x),
            (Opcode::SextHigh, _, &[x]) => self.pos.ins().swiden_high(x),
            (Opcode::ZextLow, _, &[x]) => self.pos.ins().uwiden_low(x),
            (Opcode::ZextHigh, _, &[x]) => self.pos.ins().uwiden_high(x),
            (Opcode::Narrow, _, &[x, y]) => self.narrow(data, x, y),
            (Opcode::StoFLow, _, &[x]) => self.low_ints_to_float(x),
            (Opcode::StoFHigh, _, &[x]) => {
                let high = self.shuffle(types::I32X4, x, x, HIGH);
                self.low_ints_to_float(high)
            }
            (Opcode::FpromoteLow, _, &[x]) => self.pos.ins().fvpromote_low(x),
            (Opcode::FpromoteHigh, _, &[x]) => {
                let high = self.shuffle(types::F32X4, x, x, HIGH);
                self.pos.ins().fvpromote_low(high)
            }
            (Opcode::FdemotePair, _, &[x, y]) => {
                let (x, y) = (self.pos.ins().fvdemote(x), self.pos.ins().fvdemote(y));
                self.shuffle(ty, x, y, LOW)
            }
            (Opcode::Fcopysign, _, &[x, y]) => {
                let sign = match data.ty {
                    Ty::F32x4 => self.pos.ins().f32const(-0.0),
                    _ => self.pos.ins().f64const(-0.0),
                };
                let mask = self.pos.ins().splat(ty, sign);
                self.pos.ins().bitselect(mask, y, x)
            }
            _ if self.is_by_lanes(data) => self.by_lanes(data, &args)?,
            (_, Imm::None, &[x]) => self.unary(data, x)?,
            (_, Imm::None, &[x, y]) => self.binary(data.op, x, y)?,
            _ => return Err(self.unexpected(data)),
        })
    }

    /// The same bits as another type of vector.
    fn as_lanes(&mut self, ty: Type, x: Value) -> Value {
        if self.pos.func.dfg.value_type(x) == ty {
            return x;
        }
        let little = MemFlagsData::new().with_endianness(Endianness::Little);
        self.pos.ins().bitcast(ty, little, x)
    }

    fn shuffle(&mut self, ty: Type, x: Value, y: Value, bytes: [u8; 16]) -> Value {
        let (x, y) = (self.as_lanes(types::I8X16, x), self.as_lanes(types::I8X16, y));
        let mask = self.pos.func.dfg.immediates.push(bytes.to_vec().into());
        let picked = self.pos.ins().shuffle(x, y, mask);
        self.as_lanes(ty, picked)
    }

    /// The low halves of the lanes of two vectors. The processor packs with saturation: exact where the lanes are
    /// masks, or have been made to fit.
    fn narrow(&mut self, data: &mir::InstData, x: Value, y: Value) -> Value {
        if data.ty == Ty::I32x4 {
            return self.shuffle(types::I32X4, x, y, EVEN);
        }
        if data.args.iter().all(|&v| self.is_mask(v, 6)) {
            return self.pos.ins().snarrow(x, y);
        }
        let bits = i64::from(data.ty.lane().bits());
        let wide = self.pos.func.dfg.value_type(x);
        if data.ty == Ty::I8x16 || self.isa.native_round {
            let low = self.pos.ins().iconst(wide.lane_type(), (1 << bits) - 1);
            let low = self.pos.ins().splat(wide, low);
            let [x, y] = [x, y].map(|v| self.pos.ins().band(v, low));
            return self.pos.ins().unarrow(x, y);
        }
        let by = self.pos.ins().iconst(types::I32, bits);
        let [x, y] = [x, y].map(|v| {
            let high = self.pos.ins().ishl(v, by);
            self.pos.ins().sshr(high, by)
        });
        self.pos.ins().snarrow(x, y)
    }

    /// Whether a vector is known to have lanes of ones or zeros only, by that many levels of operations.
    fn is_mask(&self, v: mir::Value, levels: u32) -> bool {
        self.func.def(v).filter(|_| levels > 0).is_some_and(|i| {
            let d = &self.func.insts[i];
            match d.op {
                Opcode::Icmp | Opcode::Fcmp => true,
                Opcode::Narrow
                | Opcode::SextLow
                | Opcode::SextHigh
                | Opcode::Band
                | Opcode::Bor
                | Opcode::Bxor
                | Opcode::Bnot => d.args.iter().all(|&v| self.is_mask(v, levels - 1)),
                _ => false,
            }
        })
    }

    fn low_ints_to_float(&mut self, x: Value) -> Value {
        let wide = self.pos.ins().swiden_low(x);
        self.pos.ins().fcvt_from_sint(types::F64X2, wide)
    }

    fn is_by_lanes(&self, data: &mir::InstData) -> bool {
        match data.op {
            Opcode::Imul => data.ty == Ty::I8x16,
            Opcode::StoF => data.ty == Ty::F64x2,
            Opcode::Ffloor | Opcode::Fceil | Opcode::Ftrunc | Opcode::Fnearest => !self.isa.native_round,
            _ => false,
        }
    }

    fn by_lanes(&mut self, data: &mir::InstData, args: &[Value]) -> Result<Value, CodegenError> {
        let scalar = mir::InstData {
            ty: data.ty.lane(),
            ..data.clone()
        };
        let mut made = None;
        for n in 0..data.ty.lanes() as u8 {
            let lanes: Vec<Value> = args.iter().map(|&x| self.pos.ins().extractlane(x, n)).collect();
            let x = match lanes[..] {
                [x] => self.unary(&scalar, x)?,
                [x, y] => self.binary(scalar.op, x, y)?,
                _ => return Err(self.unexpected(data)),
            };
            made = Some(match made {
                None => self.pos.ins().splat(cl_type(data.ty), x),
                Some(v) => self.pos.ins().insertlane(v, x, n),
            });
        }
        made.ok_or_else(|| self.unexpected(data))
    }
}
