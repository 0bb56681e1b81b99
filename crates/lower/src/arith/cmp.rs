//! Comparisons and truth.

use numlift_mir::{FloatCC, IntCC, Opcode, Value};
use numlift_syntax::hir::CmpOp;
use numlift_typeck::operators;
use numlift_types::{DType, Kind, Scalar};

use super::conv::{check_exact, float64, int64, to_loop};
use super::{Operand, complex, fconst_like, iconst_like};
use crate::emit::{Emit, Vals};

const fn signed_cc(op: CmpOp) -> IntCC {
    match op {
        CmpOp::Lt => IntCC::Slt,
        CmpOp::Le => IntCC::Sle,
        CmpOp::Gt => IntCC::Sgt,
        CmpOp::Ge => IntCC::Sge,
        CmpOp::Ne | CmpOp::IsNot => IntCC::Ne,
        _ => IntCC::Eq,
    }
}

const fn unsigned_cc(op: CmpOp) -> IntCC {
    match op {
        CmpOp::Lt => IntCC::Ult,
        CmpOp::Le => IntCC::Ule,
        CmpOp::Gt => IntCC::Ugt,
        CmpOp::Ge => IntCC::Uge,
        op => signed_cc(op),
    }
}

const fn float_cc(op: CmpOp) -> FloatCC {
    match op {
        CmpOp::Lt => FloatCC::Lt,
        CmpOp::Le => FloatCC::Le,
        CmpOp::Gt => FloatCC::Gt,
        CmpOp::Ge => FloatCC::Ge,
        CmpOp::Ne => FloatCC::Ne,
        _ => FloatCC::Eq,
    }
}

/// `a op b` as 0 or 1.
///
/// # Panics
/// If typing does not allow the comparison.
pub fn compare(e: &mut Emit, op: CmpOp, a: Operand, b: Operand) -> Value {
    let result = operators::compare(op, a.0, b.0).expect("typed before");
    if matches!(op, CmpOp::Is | CmpOp::IsNot) && a.0 != b.0 {
        return e.bool_const(op == CmpOp::IsNot);
    }
    let (ka, kb) = (a.0.dtype().kind(), b.0.dtype().kind());
    match ka.max(kb) {
        Kind::Bool | Kind::Unsigned | Kind::Signed => integers(e, op, a, b),
        Kind::Float if result == Scalar::PyBool => {
            // Exact in Python: an int that float64 cannot hold is left to the interpreter.
            for x in [a, b] {
                if x.0.dtype().kind() < Kind::Float {
                    check_exact(e, x);
                }
            }
            let (x, y) = (float64(e, a), float64(e, b));
            e.b.fcmp(float_cc(op), x, y)
        }
        Kind::Complex if result == Scalar::PyBool => {
            for x in [a, b] {
                if x.0.dtype().kind() < Kind::Float {
                    check_exact(e, x);
                }
            }
            let (x, y) = (complex::widen(e, a), complex::widen(e, b));
            complexes(e, op, &x, &y)
        }
        kind => {
            let d = operators::promote(a.0, b.0).unwrap_or(DType::C128);
            let (x, y) = (to_loop(e, a, d, "", &[]), to_loop(e, b, d, "", &[]));
            if kind == Kind::Float {
                e.b.fcmp(float_cc(op), x[0], y[0])
            } else {
                complexes(e, op, &x, &y)
            }
        }
    }
}

/// Integers compare by value, whatever their dtypes.
fn integers(e: &mut Emit, op: CmpOp, a: Operand, b: Operand) -> Value {
    let (da, db) = (a.0.dtype(), b.0.dtype());
    if da == db && da.size() < 8 {
        let cc = if da.kind() == Kind::Signed {
            signed_cc(op)
        } else {
            unsigned_cc(op)
        };
        return e.b.icmp(cc, a.1[0], b.1[0]);
    }
    let (x, y) = (int64(e, a), int64(e, b));
    match (da == DType::U64, db == DType::U64) {
        (false, false) => e.b.icmp(signed_cc(op), x, y),
        (true, true) => e.b.icmp(unsigned_cc(op), x, y),
        (a_unsigned, _) => {
            let r = e.b.icmp(unsigned_cc(op), x, y);
            let signed = if a_unsigned { y } else { x };
            let zero = iconst_like(e, signed, 0);
            let negative = e.b.icmp(IntCC::Slt, signed, zero);
            // The answer when the signed one is below zero.
            let below = match op {
                CmpOp::Lt | CmpOp::Le => !a_unsigned,
                CmpOp::Gt | CmpOp::Ge => a_unsigned,
                op => op == CmpOp::Ne,
            };
            let below = e.bool_const(below);
            e.b.select(negative, below, r)
        }
    }
}

/// Equality by parts.
fn complexes(e: &mut Emit, op: CmpOp, x: &Vals, y: &Vals) -> Value {
    let mut f = |cc, i: usize| e.b.fcmp(cc, x[i], y[i]);
    match op {
        CmpOp::Ne => {
            let (re, im) = (f(FloatCC::Ne, 0), f(FloatCC::Ne, 1));
            e.b.op(Opcode::Bor, &[re, im])
        }
        _ => {
            let (re, im) = (f(FloatCC::Eq, 0), f(FloatCC::Eq, 1));
            e.b.op(Opcode::Band, &[re, im])
        }
    }
}

/// `bool(a)` as 0 or 1.
pub fn truth(e: &mut Emit, a: Operand) -> Value {
    let parts: Vals = a.1.iter().map(|&v| nonzero(e, a.0, v)).collect();
    match parts[..] {
        [re, im] => e.b.op(Opcode::Bor, &[re, im]),
        _ => parts[0],
    }
}

fn nonzero(e: &mut Emit, s: Scalar, v: Value) -> Value {
    if s.dtype() == DType::Bool {
        return v;
    }
    if e.b.func.ty(v).is_float() {
        let zero = fconst_like(e, v, 0.0);
        e.b.fcmp(FloatCC::Ne, v, zero)
    } else {
        let zero = iconst_like(e, v, 0);
        e.b.icmp(IntCC::Ne, v, zero)
    }
}
