//! Methods of numbers.

use numlift_builtins::Method;
use numlift_mir::{FloatCC, IntCC, Opcode, Ty, Value};
use numlift_syntax::hir::{ExprId, ExprKind};
use numlift_typeck::operators;
use numlift_types::{Kind, Scalar, Type};
use smallvec::smallvec;

use super::{FnLower, R, Typed};
use crate::arith;
use crate::emit::{Emit, Vals};

impl FnLower<'_, '_> {
    /// `func()`, `func` being an attribute of a number.
    pub(crate) fn number_method(&mut self, method: Method, func: ExprId, ty: &Type) -> R<Typed> {
        let ExprKind::Attribute(base, _) = self.hir.exprs[func].kind else {
            return Err("a method without an object".into());
        };
        let v = self.expr(base)?;
        self.number(&v, |f, s, v| {
            let e = &mut f.e;
            match method {
                Method::Conjugate => {
                    let r = operators::conjugate(s).ok_or("conjugate")?;
                    Ok((Type::Scalar(r), conjugate(e, s, &v)))
                }
                Method::IsInteger => Ok((Type::BOOL, smallvec![is_integer(e, s, v[0])])),
                Method::BitLength => Ok((Type::INT, smallvec![bit_length(e, s, v[0])])),
                Method::BitCount => {
                    let x = magnitude(e, s, v[0]);
                    Ok((Type::INT, smallvec![e.b.op(Opcode::Popcnt, &[x])]))
                }
                Method::Item => {
                    let to = operators::python_number(s.dtype());
                    let vals = arith::construct(e, to, (s, &v)).ok_or("item")?;
                    Ok((Type::Scalar(to), vals))
                }
                Method::AsType => {
                    let Type::Scalar(to) = *ty else {
                        return Err("astype".into());
                    };
                    let vals = arith::construct(e, to, (s, &v)).ok_or("astype")?;
                    Ok((ty.clone(), vals))
                }
            }
        })
    }
}

fn conjugate(e: &mut Emit, s: Scalar, v: &Vals) -> Vals {
    match (s, v.as_slice()) {
        (_, &[re, im]) => smallvec![re, e.b.op(Opcode::Fneg, &[im])],
        (Scalar::PyBool, _) => smallvec![arith::int64(e, (s, v))],
        _ => v.clone(),
    }
}

fn is_integer(e: &mut Emit, s: Scalar, x: Value) -> Value {
    if s.dtype().kind() != Kind::Float {
        return e.bool_const(true);
    }
    let whole = e.b.op(Opcode::Ftrunc, &[x]);
    let same = e.b.fcmp(FloatCC::Eq, whole, x);
    let finite = arith::is_finite(e, x);
    e.b.op(Opcode::Band, &[same, finite])
}

fn bit_length(e: &mut Emit, s: Scalar, x: Value) -> Value {
    let x = magnitude(e, s, x);
    let zeros = e.b.op(Opcode::Clz, &[x]);
    let width = e.b.iconst(Ty::I64, 64);
    e.b.op(Opcode::Isub, &[width, zeros])
}

/// `abs(x)` as an unsigned 64-bit integer.
fn magnitude(e: &mut Emit, s: Scalar, x: Value) -> Value {
    if s.dtype().kind() != Kind::Signed {
        return e.b.convert(Opcode::Zext, Ty::I64, x);
    }
    let x = e.b.convert(Opcode::Sext, Ty::I64, x);
    let zero = e.b.iconst(Ty::I64, 0);
    let negated = e.b.op(Opcode::Ineg, &[x]);
    let negative = e.b.icmp(IntCC::Slt, x, zero);
    e.b.select(negative, negated, x)
}
