//! Scalar operations: one file per family. Typing is `numlift_typeck::operators`.
//!
//! Python numbers are exact or leave native code; NumPy scalars wrap and never check, except that
//! a Python int must fit the dtype it meets. Errors are raised by replaying the operation.

mod cmp;
mod complex;
mod conv;
mod float;
mod math;
mod npint;
mod pyint;
#[cfg(test)]
mod tests;
mod ufunc;
mod union;

use numlift_mir::{Opcode, Ty, Value};
use numlift_syntax::hir::{BinOp, UnaryOp};
use numlift_typeck::operators;
use numlift_types::{DType, Kind, Scalar};
use smallvec::smallvec;

use crate::emit::{Emit, Vals};

pub use cmp::{compare, truth};
pub use conv::{cast, construct, int64, is_finite, store, to_loop};
pub use math::math_call;
pub use ufunc::{comparison, pick, ufunc};
pub use union::{embed, project};

/// An operand: its family and its machine values.
pub type Operand<'a> = (Scalar, &'a Vals);

/// The operator as Python spells it.
pub(crate) const fn symbol(op: BinOp) -> &'static str {
    match op {
        BinOp::Add => "+",
        BinOp::Sub => "-",
        BinOp::Mul => "*",
        BinOp::Div => "/",
        BinOp::FloorDiv => "//",
        BinOp::Mod => "%",
        BinOp::Pow => "**",
        BinOp::MatMul => "@",
        BinOp::LShift => "<<",
        BinOp::RShift => ">>",
        BinOp::And => "&",
        BinOp::Or => "|",
        BinOp::Xor => "^",
    }
}

/// `a op b`, in the family `operators::binary` says (which must be `Some`).
///
/// # Panics
/// If typing does not allow the operation.
pub fn binary(e: &mut Emit, op: BinOp, a: Operand, b: Operand) -> Vals {
    let result = operators::binary(op, a.0, b.0).expect("typed before");
    match result {
        Scalar::PyBool => smallvec![e.b.op(npint::bitwise(op), &[a.1[0], b.1[0]])],
        Scalar::PyInt => smallvec![pyint::binary(e, op, a, b)],
        Scalar::PyFloat if op == BinOp::Div && both_below_float(a.0, b.0) => {
            smallvec![pyint::true_div(e, a, b)]
        }
        Scalar::PyFloat => smallvec![float::python(e, op, a, b)],
        Scalar::PyComplex => complex::python(e, op, a, b),
        Scalar::Np(d) => numpy(e, op, d, a, b),
    }
}

fn both_below_float(a: Scalar, b: Scalar) -> bool {
    a.dtype().kind() < Kind::Float && b.dtype().kind() < Kind::Float
}

/// NumPy converts both operands to the dtype `d` of the loop it runs, which is that of the result.
fn numpy(e: &mut Emit, op: BinOp, d: DType, a: Operand, b: Operand) -> Vals {
    let expr = format!("a {} b", symbol(op));
    let x = conv::to_loop(e, a, d, &expr, &[a, b]);
    let y = conv::to_loop(e, b, d, &expr, &[a, b]);
    match d.kind() {
        Kind::Complex => complex::numpy(e, op, &x, &y),
        Kind::Float => smallvec![float::numpy(e, op, d, x[0], y[0])],
        _ => smallvec![npint::binary(e, op, d, (a, x[0]), (b, y[0]))],
    }
}

/// `op a`, in the family `operators::unary` says.
pub fn unary(e: &mut Emit, op: UnaryOp, a: Operand) -> Vals {
    if op == UnaryOp::Not {
        let t = truth(e, a);
        return smallvec![e.not(t)];
    }
    let kind = a.0.dtype().kind();
    let v: Vals = if a.0 == Scalar::PyBool {
        smallvec![conv::int64(e, a)]
    } else {
        a.1.clone()
    };
    match op {
        UnaryOp::Invert if a.0 == Scalar::BOOL => smallvec![e.not(v[0])],
        UnaryOp::Invert => smallvec![e.b.op(Opcode::Bnot, &[v[0]])],
        UnaryOp::Neg if kind >= Kind::Float => v.iter().map(|&x| e.b.op(Opcode::Fneg, &[x])).collect(),
        UnaryOp::Neg if a.0.is_python() => smallvec![pyint::neg(e, v[0])],
        UnaryOp::Neg => smallvec![e.b.op(Opcode::Ineg, &[v[0]])],
        UnaryOp::Pos | UnaryOp::Not => v,
    }
}

/// `abs(a)`, in the family `operators::abs` says.
pub fn abs(e: &mut Emit, a: Operand) -> Vals {
    let v = a.1[0];
    smallvec![match (a.0, a.0.dtype().kind()) {
        (_, Kind::Complex) => complex::abs(e, a),
        (_, Kind::Float) => e.b.op(Opcode::Fabs, &[v]),
        (Scalar::PyBool, _) => conv::int64(e, a),
        (_, Kind::Bool | Kind::Unsigned) => v,
        (s, Kind::Signed) => {
            let negated = if s == Scalar::PyInt {
                pyint::abs_neg(e, v)
            } else {
                e.b.op(Opcode::Ineg, &[v])
            };
            let zero = iconst_like(e, v, 0);
            let negative = e.b.icmp(numlift_mir::IntCC::Slt, v, zero);
            e.b.select(negative, negated, v)
        }
    }]
}

/// `round(a)`, in the family `operators::round` says.
pub fn round(e: &mut Emit, a: Operand) -> Vals {
    if a.0.dtype().kind() != Kind::Float {
        return smallvec![conv::python_int(e, a, "round(a)")];
    }
    let x = conv::float64(e, a);
    let r = e.b.op(Opcode::Fnearest, &[x]);
    smallvec![conv::float_to_int(e, r, "round(a)", &[a])]
}

/// A constant of the type of `v`.
pub(crate) fn iconst_like(e: &mut Emit, v: Value, n: i64) -> Value {
    let ty = e.b.func.ty(v);
    e.b.iconst(ty, n)
}

/// A float constant of the type of `v`.
pub(crate) fn fconst_like(e: &mut Emit, v: Value, x: f64) -> Value {
    let ty = e.b.func.ty(v);
    e.b.fconst(ty, x)
}

pub(crate) const fn float_ty(d: DType) -> Ty {
    match d {
        DType::F32 | DType::C64 => Ty::F32,
        _ => Ty::F64,
    }
}
