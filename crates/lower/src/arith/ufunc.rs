//! Universal functions whose loop is one machine operation or a few: bit for bit what NumPy's loop gives.

use numlift_mir::{FloatCC, IntCC, Opcode, Ty, Value};
use numlift_syntax::hir::{BinOp, CmpOp, UnaryOp};
use numlift_types::{DType, Kind, Scalar};
use smallvec::smallvec;

use super::float::call;
use super::{Operand, cmp, conv, fconst_like, float, iconst_like, npint, unary};
use crate::emit::{Emit, Vals};

/// The comparison that a ufunc is.
pub fn comparison(name: &str) -> Option<CmpOp> {
    Some(match name {
        "equal" => CmpOp::Eq,
        "not_equal" => CmpOp::Ne,
        "less" => CmpOp::Lt,
        "less_equal" => CmpOp::Le,
        "greater" => CmpOp::Gt,
        "greater_equal" => CmpOp::Ge,
        _ => return None,
    })
}

/// `name(operands)` in the loop with these operand dtypes; `None` if the loop itself must run.
pub fn ufunc(e: &mut Emit, name: &str, ins: &[DType], operands: &[Vals]) -> Option<Vals> {
    let d = *ins.first()?;
    if d.kind() == Kind::Complex || ins.iter().any(|x| *x != d) {
        return None;
    }
    let v: Vals = operands.iter().map(|v| v[0]).collect();
    let r = match (v.as_slice(), d.kind()) {
        (&[x], Kind::Float) => float_unary(e, name, d, x),
        (&[x], Kind::Bool) => bool_unary(e, name, x),
        (&[x], _) => int_unary(e, name, d, x),
        (&[x, y], kind) => match comparison(name) {
            Some(op) => Some(compare(e, op, d, x, y)),
            None => match (logical(e, name, d, x, y), kind) {
                (Some(r), _) => Some(r),
                (None, Kind::Float) => float_binary(e, name, d, x, y),
                (None, Kind::Bool) => bool_binary(e, name, x, y),
                (None, _) => int_binary(e, name, d, x, y),
            },
        },
        _ => None,
    };
    r.map(|r| smallvec![r])
}

fn operand(d: DType, v: &Vals) -> Operand<'_> {
    (Scalar::Np(d), v)
}

fn compare(e: &mut Emit, op: CmpOp, d: DType, x: Value, y: Value) -> Value {
    cmp::compare(e, op, operand(d, &smallvec![x]), operand(d, &smallvec![y]))
}

fn truth(e: &mut Emit, d: DType, x: Value) -> Value {
    cmp::truth(e, operand(d, &smallvec![x]))
}

fn logical(e: &mut Emit, name: &str, d: DType, x: Value, y: Value) -> Option<Value> {
    let op = match name {
        "logical_and" => Opcode::Band,
        "logical_or" => Opcode::Bor,
        "logical_xor" => Opcode::Bxor,
        _ => return None,
    };
    let (x, y) = (truth(e, d, x), truth(e, d, y));
    Some(e.b.op(op, &[x, y]))
}

/// `a` if `a op b` or `a` is NaN, else `b`: what x86's `max` and `min` leave, NaN passed on.
pub fn pick(e: &mut Emit, op: CmpOp, d: DType, a: Value, b: Value) -> Value {
    let mut first = compare(e, op, d, a, b);
    if d.kind() == Kind::Float {
        let nan = e.b.fcmp(FloatCC::Uno, a, a);
        first = e.b.op(Opcode::Bor, &[first, nan]);
    }
    e.b.select(first, a, b)
}

fn float_unary(e: &mut Emit, name: &str, d: DType, x: Value) -> Option<Value> {
    let op = match name {
        "sqrt" => Opcode::Fsqrt,
        "absolute" | "fabs" => Opcode::Fabs,
        "floor" => Opcode::Ffloor,
        "ceil" => Opcode::Fceil,
        "trunc" => Opcode::Ftrunc,
        "rint" => Opcode::Fnearest,
        "negative" => Opcode::Fneg,
        _ => return float_test(e, name, d, x),
    };
    Some(e.b.op(op, &[x]))
}

fn float_test(e: &mut Emit, name: &str, d: DType, x: Value) -> Option<Value> {
    Some(match name {
        "positive" | "conjugate" => x,
        "square" => e.b.op(Opcode::Fmul, &[x, x]),
        "reciprocal" => {
            let one = fconst_like(e, x, 1.0);
            e.b.op(Opcode::Fdiv, &[one, x])
        }
        "sign" => sign(e, x),
        "isnan" => e.b.fcmp(FloatCC::Uno, x, x),
        "isfinite" => conv::is_finite(e, x),
        "isinf" => {
            let size = e.b.op(Opcode::Fabs, &[x]);
            let inf = fconst_like(e, x, f64::INFINITY);
            e.b.fcmp(FloatCC::Eq, size, inf)
        }
        "signbit" => {
            let int = if d == DType::F32 { Ty::I32 } else { Ty::I64 };
            let bits = e.b.convert(Opcode::Bitcast, int, x);
            let zero = e.b.iconst(int, 0);
            e.b.icmp(IntCC::Slt, bits, zero)
        }
        "logical_not" => {
            let t = truth(e, d, x);
            e.not(t)
        }
        "degrees" | "rad2deg" if d == DType::F64 => scaled(e, x, 180.0 / std::f64::consts::PI),
        "radians" | "deg2rad" if d == DType::F64 => scaled(e, x, std::f64::consts::PI / 180.0),
        _ => return None,
    })
}

fn scaled(e: &mut Emit, x: Value, by: f64) -> Value {
    let by = e.b.fconst(Ty::F64, by);
    e.b.op(Opcode::Fmul, &[x, by])
}

/// 1, -1, 0 (for both zeros) or NaN.
fn sign(e: &mut Emit, x: Value) -> Value {
    let zero = fconst_like(e, x, 0.0);
    let one = fconst_like(e, x, 1.0);
    let minus = fconst_like(e, x, -1.0);
    let positive = e.b.fcmp(FloatCC::Gt, x, zero);
    let negative = e.b.fcmp(FloatCC::Lt, x, zero);
    let none = e.b.fcmp(FloatCC::Eq, x, zero);
    let r = e.b.select(none, zero, x);
    let r = e.b.select(negative, minus, r);
    e.b.select(positive, one, r)
}

fn float_binary(e: &mut Emit, name: &str, d: DType, x: Value, y: Value) -> Option<Value> {
    let op = match name {
        "add" => BinOp::Add,
        "subtract" => BinOp::Sub,
        "multiply" => BinOp::Mul,
        "divide" => BinOp::Div,
        "floor_divide" => BinOp::FloorDiv,
        "remainder" => BinOp::Mod,
        "copysign" => return Some(e.b.op(Opcode::Fcopysign, &[x, y])),
        "fmod" if d == DType::F64 => return Some(call(e, "fmod", &[x, y])),
        "maximum" if cfg!(target_arch = "x86_64") => return Some(pick(e, CmpOp::Gt, d, x, y)),
        "minimum" if cfg!(target_arch = "x86_64") => return Some(pick(e, CmpOp::Lt, d, x, y)),
        _ => return None,
    };
    Some(float::numpy(e, op, d, x, y))
}

fn bool_unary(e: &mut Emit, name: &str, x: Value) -> Option<Value> {
    match name {
        "logical_not" | "invert" => Some(e.not(x)),
        "absolute" | "conjugate" | "floor" | "ceil" | "trunc" => Some(x),
        "isnan" | "isinf" => Some(e.bool_const(false)),
        "isfinite" => Some(e.bool_const(true)),
        _ => None,
    }
}

fn bool_binary(e: &mut Emit, name: &str, x: Value, y: Value) -> Option<Value> {
    let op = match name {
        "bitwise_and" | "minimum" | "multiply" => Opcode::Band,
        "bitwise_or" | "maximum" | "add" => Opcode::Bor,
        "bitwise_xor" => Opcode::Bxor,
        _ => return None,
    };
    Some(e.b.op(op, &[x, y]))
}

fn int_unary(e: &mut Emit, name: &str, d: DType, x: Value) -> Option<Value> {
    let v: Vals = smallvec![x];
    Some(match name {
        "positive" | "conjugate" | "floor" | "ceil" | "trunc" => x,
        "negative" => unary(e, UnaryOp::Neg, operand(d, &v))[0],
        "invert" => unary(e, UnaryOp::Invert, operand(d, &v))[0],
        "absolute" => super::abs(e, operand(d, &v))[0],
        "square" => int_op(e, BinOp::Mul, d, x, x),
        "sign" => {
            let zero = iconst_like(e, x, 0);
            let one = iconst_like(e, x, 1);
            let minus = iconst_like(e, x, -1);
            let below = e.b.icmp(IntCC::Slt, x, zero);
            let none = e.b.icmp(IntCC::Eq, x, zero);
            let r = e.b.select(none, zero, one);
            if d.kind() == Kind::Signed {
                e.b.select(below, minus, r)
            } else {
                r
            }
        }
        "logical_not" => {
            let t = truth(e, d, x);
            e.not(t)
        }
        "isnan" | "isinf" => e.bool_const(false),
        "isfinite" => e.bool_const(true),
        _ => return None,
    })
}

fn int_binary(e: &mut Emit, name: &str, d: DType, x: Value, y: Value) -> Option<Value> {
    let op = match name {
        "add" => BinOp::Add,
        "subtract" => BinOp::Sub,
        "multiply" => BinOp::Mul,
        "floor_divide" => BinOp::FloorDiv,
        "remainder" => BinOp::Mod,
        "power" => BinOp::Pow,
        "left_shift" => BinOp::LShift,
        "right_shift" => BinOp::RShift,
        "bitwise_and" => BinOp::And,
        "bitwise_or" => BinOp::Or,
        "bitwise_xor" => BinOp::Xor,
        "maximum" | "fmax" => return Some(pick(e, CmpOp::Gt, d, x, y)),
        "minimum" | "fmin" => return Some(pick(e, CmpOp::Lt, d, x, y)),
        _ => return None,
    };
    Some(int_op(e, op, d, x, y))
}

fn int_op(e: &mut Emit, op: BinOp, d: DType, x: Value, y: Value) -> Value {
    let (a, b): (Vals, Vals) = (smallvec![x], smallvec![y]);
    npint::binary(e, op, d, (operand(d, &a), x), (operand(d, &b), y))
}
