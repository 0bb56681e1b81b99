//! Calls of C functions: arguments go to the rows of registers that `numlift_runtime` fills them from.

use numlift_mir::{IntCC, Opcode, Region, Ty, Value};
use numlift_runtime::{ExitReason, ObjectEntry};
use numlift_typeck::Known;
use numlift_types::{CFunction, CParam, DType, ObjectRef, Scalar, Type};

use super::{FnLower, R, Typed};
use crate::arith;
use crate::emit::Vals;

impl FnLower<'_, '_> {
    pub(super) fn c_call(&mut self, object: ObjectRef, args: &[Typed], ty: &Type) -> R<Typed> {
        let Known::C(signature) = self.sh.env.known(object) else {
            return Err("a C function".into());
        };
        let slot = self
            .e
            .b
            .create_slot(8 * (CFunction::MAX_WORDS + CFunction::MAX_FLOATS) as u32, false);
        let base = self.e.b.slot_addr(slot);
        let (mut words, mut floats) = (0, CFunction::MAX_WORDS as i32);
        for (p, v) in signature.params.iter().zip(args) {
            let (x, row) = match p {
                CParam::Array { .. } => (v.1[0], &mut words),
                CParam::Number(d @ (DType::F32 | DType::F64)) => (self.c_float(*d, v)?, &mut floats),
                CParam::Number(d) => (self.c_int(*d, v, signature.checked)?, &mut words),
            };
            self.e.b.store(x, base, 8 * *row, Region::Stack);
            *row += 1;
        }
        let f = self.sh.object(ObjectEntry::CFunction(object));
        let f = self.e.b.object(f);
        let helper = match signature.ret {
            Some(DType::F64) => "c_call_double",
            Some(DType::F32) => "c_call_float",
            _ => "c_call_int",
        };
        let result = self
            .e
            .helper(helper, &[f, base])
            .ok_or("a C function has no result")?;
        self.effect();
        let vals = match signature.ret {
            None => Vals::new(),
            Some(d) => self.c_result(d, result)?,
        };
        Ok((ty.clone(), vals))
    }

    fn c_float(&mut self, d: DType, (t, v): &Typed) -> R<Value> {
        let Type::Scalar(s) = t else {
            return Err("an argument of a C function".into());
        };
        let mut x = arith::construct(&mut self.e, Scalar::PyFloat, (*s, v)).ok_or("a number for C")?;
        if d == DType::F32 {
            let to = Scalar::Np(DType::F32);
            x = arith::construct(&mut self.e, to, (Scalar::PyFloat, &x)).ok_or("a number for C")?;
        }
        Ok(x[0])
    }

    /// An int cut off to its parameter, or checked to fit. Narrow ones are extended to a register, as compilers expect it.
    fn c_int(&mut self, d: DType, (t, v): &Typed, checked: bool) -> R<Value> {
        let x = match t {
            Type::Scalar(Scalar::PyInt) => v[0],
            Type::Scalar(Scalar::PyBool) => self.e.b.convert(Opcode::Zext, Ty::I64, v[0]),
            _ => return Err("an argument of a C function".into()),
        };
        if d == DType::Bool {
            let zero = self.e.b.iconst(Ty::I64, 0);
            let truth = self.e.b.icmp(IntCC::Ne, x, zero);
            return Ok(self.e.b.convert(Opcode::Zext, Ty::I64, truth));
        }
        let narrow = self.c_narrow(d, x);
        if checked {
            let same = self.e.b.icmp(IntCC::Eq, narrow, x);
            let ok = match d {
                DType::U64 => {
                    let zero = self.e.b.iconst(Ty::I64, 0);
                    self.e.b.icmp(IntCC::Sge, x, zero)
                }
                _ => same,
            };
            self.e.exit_unless(ok, ExitReason::Recheck);
        }
        Ok(narrow)
    }

    /// The low bits of a register, extended to it again.
    fn c_narrow(&mut self, d: DType, x: Value) -> Value {
        let (ty, extend) = match d {
            DType::I8 => (Ty::I8, Opcode::Sext),
            DType::U8 | DType::Bool => (Ty::I8, Opcode::Zext),
            DType::I16 => (Ty::I16, Opcode::Sext),
            DType::U16 => (Ty::I16, Opcode::Zext),
            DType::I32 => (Ty::I32, Opcode::Sext),
            DType::U32 => (Ty::I32, Opcode::Zext),
            _ => return x,
        };
        let low = self.e.b.convert(Opcode::Trunc, ty, x);
        self.e.b.convert(extend, Ty::I64, low)
    }

    fn c_result(&mut self, d: DType, x: Value) -> R<Vals> {
        Ok(match d {
            DType::F64 => Vals::from_slice(&[x]),
            DType::F32 => {
                let single = Vals::from_slice(&[x]);
                let from = Scalar::Np(DType::F32);
                arith::construct(&mut self.e, Scalar::PyFloat, (from, &single)).ok_or("a number from C")?
            }
            DType::Bool => {
                let wide = self.c_narrow(d, x);
                let zero = self.e.b.iconst(Ty::I64, 0);
                Vals::from_slice(&[self.e.b.icmp(IntCC::Ne, wide, zero)])
            }
            _ => Vals::from_slice(&[self.c_narrow(d, x)]),
        })
    }
}
