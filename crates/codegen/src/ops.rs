//! One MIR instruction to CLIF.

use cranelift_codegen::ir::{InstBuilder, MemFlagsData, TrapCode, Type, Value, condcodes, types};
use numlift_mir as mir;
use numlift_mir::{Imm, Opcode, Region, Ty};
use numlift_runtime::abi::offset;

use crate::CodegenError;
use crate::lower::{Lower, cl_type};

impl Lower<'_> {
    pub fn inst(&mut self, data: &mir::InstData, from: mir::Block) -> Result<(), CodegenError> {
        match (&data.imm, data.op) {
            (Imm::Site(site), _) => self.check(data, *site, from),
            (Imm::Helper { helper, site }, Opcode::CallHelper) => self.call_helper(data, *helper, *site),
            (&Imm::Call { func, site, levels }, Opcode::Call) => self.call(data, (func, levels), site),
            (Imm::Mem { disp, region }, _) => self.memory(data, *disp, *region),
            _ if data.ty.is_vector() => {
                let v = self.vector(data)?;
                self.result(data, v)
            }
            (Imm::Jump(_) | Imm::Branch(..), _) => self.jump(data, from),
            (_, Opcode::Return) => {
                let values = self.values(&data.args)?;
                self.ret(&values)
            }
            (_, Opcode::Assume) => Ok(()),
            (_, Opcode::Raised) => {
                let v = self.pos.ins().iconst(types::I8, 0);
                self.result(data, v)
            }
            (_, Opcode::Unreachable) => {
                self.pos.ins().trap(TrapCode::unwrap_user(1));
                Ok(())
            }
            (Imm::None, _) => {
                let args = self.values(&data.args)?;
                if i32::try_from(args.len()) != Ok(data.op.arity()) {
                    return Err(self.invalid(format!("{} with {} arguments", data.op.name(), args.len())));
                }
                let v = match args[..] {
                    [] => self.calls_left(),
                    [a] => self.unary(data, a)?,
                    [a, b] => self.binary(data.op, a, b)?,
                    [c, a, b] => self.select(data, c, a, b)?,
                    _ => return Err(self.unexpected(data)),
                };
                self.result(data, v)
            }
            _ => {
                let v = self.immediate(data)?;
                self.result(data, v)
            }
        }
    }

    /// The limit of recursion less the depth of this call.
    fn calls_left(&mut self) -> Value {
        let limit = self.load_constant(offset::DEPTH_LIMIT);
        match self.depth {
            Some(depth) => self.pos.ins().isub(limit, depth),
            None => limit,
        }
    }

    pub fn result(&mut self, data: &mir::InstData, v: Value) -> Result<(), CodegenError> {
        let [result] = data.results[..] else {
            return Err(self.unexpected(data));
        };
        self.define(result, v);
        Ok(())
    }

    pub fn unexpected(&self, data: &mir::InstData) -> CodegenError {
        self.invalid(format!("unexpected form of `{}`", data.op.name()))
    }

    /// Constants, compares, addresses.
    fn immediate(&mut self, data: &mir::InstData) -> Result<Value, CodegenError> {
        let args = self.values(&data.args)?;
        Ok(match (data.op, &data.imm, &args[..]) {
            (Opcode::Iconst, &Imm::Int(n), []) => {
                // CLIF wants the bits above the type clear.
                let n = n & (u64::MAX >> (64 - data.ty.bits())) as i64;
                self.pos.ins().iconst(cl_type(data.ty), n)
            }
            (Opcode::Fconst, &Imm::Float(bits), []) => match data.ty {
                Ty::F32 => self.pos.ins().f32const(f64::from_bits(bits) as f32),
                _ => self.pos.ins().f64const(f64::from_bits(bits)),
            },
            (Opcode::Icmp, &Imm::IntCC(cc), &[a, b]) => self.pos.ins().icmp(int_cc(cc), a, b),
            (Opcode::Fcmp, &Imm::FloatCC(cc), &[a, b]) => self.pos.ins().fcmp(float_cc(cc), a, b),
            (Opcode::SlotAddr, &Imm::Slot(slot), []) => {
                let slot = self.slots[slot]
                    .expand()
                    .ok_or_else(|| self.invalid(format!("no slot {slot}")))?;
                self.pos.ins().stack_addr(types::I64, slot, 0)
            }
            (Opcode::ObjectAddr, &Imm::Int(-1), []) => self.load_constant(offset::HIDDEN),
            (Opcode::ObjectAddr, &Imm::Int(n), []) => {
                let disp = i32::try_from(n)
                    .ok()
                    .filter(|&n| n >= 0)
                    .and_then(|n| n.checked_mul(8));
                let disp = disp.ok_or_else(|| self.unexpected(data))?;
                let table = self.load_constant(offset::OBJECTS);
                let flags = self.constant_flags();
                self.pos.ins().load(types::I64, flags, table, disp)
            }
            _ => return Err(self.unexpected(data)),
        })
    }

    pub fn unary(&mut self, data: &mir::InstData, a: Value) -> Result<Value, CodegenError> {
        let ty = cl_type(data.ty);
        if data.op == Opcode::Extent {
            return Ok(a);
        }
        if matches!(data.op, Opcode::Sext | Opcode::Zext)
            && let Some(v) = self.extended(data)
        {
            return Ok(v);
        }
        if !self.isa.native_round
            && matches!(
                data.op,
                Opcode::Ffloor | Opcode::Fceil | Opcode::Ftrunc | Opcode::Fnearest
            )
        {
            return Ok(self.round_by_parts(data.op, ty, a));
        }
        let ins = self.pos.ins();
        Ok(match data.op {
            Opcode::Ineg => ins.ineg(a),
            Opcode::Bnot => ins.bnot(a),
            Opcode::Clz => ins.clz(a),
            Opcode::Ctz => ins.ctz(a),
            Opcode::Popcnt => ins.popcnt(a),
            Opcode::Fneg => ins.fneg(a),
            Opcode::Fabs => ins.fabs(a),
            Opcode::Fsqrt => ins.sqrt(a),
            Opcode::Ffloor => ins.floor(a),
            Opcode::Fceil => ins.ceil(a),
            Opcode::Ftrunc => ins.trunc(a),
            Opcode::Fnearest => ins.nearest(a),
            Opcode::Sext => ins.sextend(ty, a),
            Opcode::Zext => ins.uextend(ty, a),
            Opcode::Trunc => ins.ireduce(ty, a),
            Opcode::StoF => ins.fcvt_from_sint(ty, a),
            Opcode::UtoF => ins.fcvt_from_uint(ty, a),
            Opcode::FtoS => ins.fcvt_to_sint_sat(ty, a),
            Opcode::FtoU => ins.fcvt_to_uint_sat(ty, a),
            Opcode::Fpromote => ins.fpromote(ty, a),
            Opcode::Fdemote => ins.fdemote(ty, a),
            Opcode::Bitcast => ins.bitcast(ty, MemFlagsData::new(), a),
            _ => return Err(self.unexpected(data)),
        })
    }

    pub fn binary(&mut self, op: Opcode, a: Value, b: Value) -> Result<Value, CodegenError> {
        let ins = self.pos.ins();
        Ok(match op {
            Opcode::Iadd => ins.iadd(a, b),
            Opcode::Isub => ins.isub(a, b),
            Opcode::Imul => ins.imul(a, b),
            Opcode::Smulhi => ins.smulhi(a, b),
            Opcode::Sdiv => ins.sdiv(a, b),
            Opcode::Srem => ins.srem(a, b),
            Opcode::Udiv => ins.udiv(a, b),
            Opcode::Urem => ins.urem(a, b),
            Opcode::Band => ins.band(a, b),
            Opcode::Bor => ins.bor(a, b),
            Opcode::Bxor => ins.bxor(a, b),
            Opcode::Ishl => ins.ishl(a, b),
            Opcode::Sshr => ins.sshr(a, b),
            Opcode::Ushr => ins.ushr(a, b),
            Opcode::Smin => ins.smin(a, b),
            Opcode::Smax => ins.smax(a, b),
            Opcode::Fadd => ins.fadd(a, b),
            Opcode::Fsub => ins.fsub(a, b),
            Opcode::Fmul => ins.fmul(a, b),
            Opcode::Fdiv => ins.fdiv(a, b),
            Opcode::Fcopysign => ins.fcopysign(a, b),
            _ => return Err(self.invalid(format!("unexpected form of `{}`", op.name()))),
        })
    }

    /// Integers: a conditional move. Floats: Cranelift would jump over a move, so blend by a mask,
    /// in vector registers if the condition is a compare of the same width.
    fn select(&mut self, data: &mir::InstData, c: Value, a: Value, b: Value) -> Result<Value, CodegenError> {
        let ty = cl_type(data.ty);
        let (vector, int) = match data.ty {
            Ty::F32 => (types::F32X4, types::I32),
            Ty::F64 => (types::F64X2, types::I64),
            _ => return Ok(self.pos.ins().select(c, a, b)),
        };
        let Some((cc, x, y)) = self.float_compare(data.args[0], data.ty) else {
            let mask = self.pos.ins().bmask(int, c);
            let mask = self.pos.ins().bitcast(ty, MemFlagsData::new(), mask);
            return Ok(self.pos.ins().bitselect(mask, a, b));
        };
        let (x, y) = (self.value(x)?, self.value(y)?);
        // The smaller or the larger of two is one instruction.
        let ordered = match cc {
            condcodes::FloatCC::LessThan => Some((x, y)),
            condcodes::FloatCC::GreaterThan => Some((y, x)),
            _ => None,
        };
        if let Some((x, y)) = ordered
            && ((a, b) == (x, y) || (a, b) == (y, x))
        {
            let less = self.pos.ins().fcmp(condcodes::FloatCC::LessThan, x, y);
            return Ok(self.pos.ins().select(less, a, b));
        }
        let [x, y, a, b] = [x, y, a, b].map(|v| self.pos.ins().scalar_to_vector(vector, v));
        let mask = self.pos.ins().fcmp(cc, x, y);
        let lanes = MemFlagsData::new().with_endianness(cranelift_codegen::ir::Endianness::Little);
        let mask = self.pos.ins().bitcast(vector, lanes, mask);
        let blend = self.pos.ins().bitselect(mask, a, b);
        Ok(self.pos.ins().extractlane(blend, 0))
    }

    /// The `fcmp` that defines `cond`, if its operands have type `ty`.
    fn float_compare(
        &self,
        cond: mir::Value,
        ty: Ty,
    ) -> Option<(condcodes::FloatCC, mir::Value, mir::Value)> {
        let mir::ValueDef::Result(inst, _) = self.func.values[cond].def else {
            return None;
        };
        let data = &self.func.insts[inst];
        match (&data.imm, &data.args[..]) {
            (&Imm::FloatCC(cc), &[x, y]) if self.func.ty(x) == ty => Some((float_cc(cc), x, y)),
            _ => None,
        }
    }

    /// Rounding without rounding instructions: below 2**52 (2**23) through an integer, or by
    /// adding and taking away that power; above it, and for NaN, the number itself.
    fn round_by_parts(&mut self, op: Opcode, ty: Type, x: Value) -> Value {
        let (int, limit) = if ty == types::F32 {
            (types::I32, 8388608.0)
        } else {
            (types::I64, 4503599627370496.0)
        };
        let number = |l: &mut Self, n: f64| match ty {
            types::F32 => l.pos.ins().f32const(n as f32),
            _ => l.pos.ins().f64const(n),
        };
        let limit = number(self, limit);
        let one = number(self, 1.0);
        let zero = number(self, 0.0);
        let magnitude = self.pos.ins().fabs(x);
        let small = self
            .pos
            .ins()
            .fcmp(condcodes::FloatCC::LessThan, magnitude, limit);
        let rounded = if op == Opcode::Fnearest {
            let sum = self.pos.ins().fadd(magnitude, limit);
            self.pos.ins().fsub(sum, limit)
        } else {
            let whole = self.pos.ins().fcvt_to_sint_sat(int, x);
            let whole = self.pos.ins().fcvt_from_sint(ty, whole);
            let step = match op {
                Opcode::Ffloor => Some(condcodes::FloatCC::GreaterThan),
                Opcode::Fceil => Some(condcodes::FloatCC::LessThan),
                _ => None,
            };
            match step {
                None => whole,
                Some(cc) => {
                    let off = self.pos.ins().fcmp(cc, whole, x);
                    let by = self.pos.ins().select(off, one, zero);
                    if op == Opcode::Ffloor {
                        self.pos.ins().fsub(whole, by)
                    } else {
                        self.pos.ins().fadd(whole, by)
                    }
                }
            }
        };
        let signed = self.pos.ins().fcopysign(rounded, x);
        self.pos.ins().select(small, signed, x)
    }

    fn memory(&mut self, data: &mir::InstData, disp: i32, region: Region) -> Result<(), CodegenError> {
        // Cranelift takes accesses with different regions for disjoint. `Any` may overlap `Fresh`.
        let flags = match region {
            Region::Stack => self.stack_flags(),
            Region::Constant => self.constant_flags(),
            Region::Any | Region::Fresh(_) => self.mem_flags(),
        };
        let args = self.values(&data.args)?;
        match (data.op, &args[..]) {
            (Opcode::Load, &[addr]) => {
                let signed = data.results.first().and_then(|r| self.extended[*r]);
                let v = match signed {
                    Some(signed) => self.load_extended(data, signed, (flags, addr, disp)),
                    None => {
                        let movable = data.results.first().is_some_and(|r| self.movable[*r]);
                        let flags = match movable {
                            true => flags.with_readonly().with_can_move(),
                            false => flags,
                        };
                        self.pos.ins().load(cl_type(data.ty), flags, addr, disp)
                    }
                };
                self.result(data, v)
            }
            (Opcode::Store, &[value, addr]) => {
                self.pos.ins().store(flags, value, addr, disp);
                Ok(())
            }
            _ => Err(self.unexpected(data)),
        }
    }
}

impl Lower<'_> {
    /// A load that extends, which is one instruction, though the narrow integer is used as well.
    fn load_extended(
        &mut self,
        data: &mir::InstData,
        signed: bool,
        (flags, addr, disp): (MemFlagsData, Value, i32),
    ) -> Value {
        let ins = self.pos.ins();
        let wide = match (data.ty, signed) {
            (Ty::I8, false) => ins.uload8(types::I64, flags, addr, disp),
            (Ty::I8, true) => ins.sload8(types::I64, flags, addr, disp),
            (Ty::I16, false) => ins.uload16(types::I64, flags, addr, disp),
            (Ty::I16, true) => ins.sload16(types::I64, flags, addr, disp),
            (Ty::I32, false) => ins.uload32(flags, addr, disp),
            (Ty::I32, true) => ins.sload32(flags, addr, disp),
            _ => return ins.load(cl_type(data.ty), flags, addr, disp),
        };
        self.wide[data.results[0]] = wide.into();
        self.pos.ins().ireduce(cl_type(data.ty), wide)
    }

    /// The extension of what such a load has loaded.
    fn extended(&mut self, data: &mir::InstData) -> Option<Value> {
        let v = data.args[0];
        let wide = self.wide[v].expand()?;
        let fits = self.extended[v] == Some(data.op == Opcode::Sext);
        Some(match data.ty {
            _ if !fits => return None,
            Ty::I64 => wide,
            ty => self.pos.ins().ireduce(cl_type(ty), wide),
        })
    }
}

pub(crate) fn int_cc(cc: mir::IntCC) -> condcodes::IntCC {
    use condcodes::IntCC as C;
    match cc {
        mir::IntCC::Eq => C::Equal,
        mir::IntCC::Ne => C::NotEqual,
        mir::IntCC::Slt => C::SignedLessThan,
        mir::IntCC::Sle => C::SignedLessThanOrEqual,
        mir::IntCC::Sgt => C::SignedGreaterThan,
        mir::IntCC::Sge => C::SignedGreaterThanOrEqual,
        mir::IntCC::Ult => C::UnsignedLessThan,
        mir::IntCC::Ule => C::UnsignedLessThanOrEqual,
        mir::IntCC::Ugt => C::UnsignedGreaterThan,
        mir::IntCC::Uge => C::UnsignedGreaterThanOrEqual,
    }
}

pub(crate) fn float_cc(cc: mir::FloatCC) -> condcodes::FloatCC {
    use condcodes::FloatCC as C;
    match cc {
        mir::FloatCC::Eq => C::Equal,
        mir::FloatCC::Ne => C::NotEqual,
        mir::FloatCC::Lt => C::LessThan,
        mir::FloatCC::Le => C::LessThanOrEqual,
        mir::FloatCC::Gt => C::GreaterThan,
        mir::FloatCC::Ge => C::GreaterThanOrEqual,
        mir::FloatCC::Ord => C::Ordered,
        mir::FloatCC::Uno => C::Unordered,
    }
}
