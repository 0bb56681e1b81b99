//! NumPy integer arithmetic: wraps; division by zero gives 0; wide shifts give 0 or -1.

use numlift_mir::{IntCC, Opcode, Ty, Value};
use numlift_syntax::hir::BinOp;
use numlift_types::{DType, Kind};

use super::conv::{int_const, widen};
use super::{Operand, iconst_like, symbol};
use crate::emit::Emit;

pub const fn bitwise(op: BinOp) -> Opcode {
    match op {
        BinOp::And => Opcode::Band,
        BinOp::Or => Opcode::Bor,
        _ => Opcode::Bxor,
    }
}

/// `a op b` in integer dtype `d`; each operand comes with its value in `d`.
pub fn binary(e: &mut Emit, op: BinOp, d: DType, a: (Operand, Value), b: (Operand, Value)) -> Value {
    let (x, y) = (a.1, b.1);
    let ty = e.b.func.ty(x);
    match op {
        BinOp::And | BinOp::Or | BinOp::Xor => e.b.op(bitwise(op), &[x, y]),
        BinOp::Add if d == DType::Bool => e.b.op(Opcode::Bor, &[x, y]),
        BinOp::Mul if d == DType::Bool => e.b.op(Opcode::Band, &[x, y]),
        BinOp::Add => e.b.op(Opcode::Iadd, &[x, y]),
        BinOp::Sub => e.b.op(Opcode::Isub, &[x, y]),
        BinOp::Pow => power(e, d, a, b),
        _ => {
            // Narrow machine division, multiplication and shifts are done in 32 bits.
            let wide = if ty.bits() < 32 { Ty::I32 } else { ty };
            let (x, y) = (widen(e, d, x, wide), widen(e, d, y, wide));
            let r = match op {
                BinOp::FloorDiv => floor_div(e, d, x, y),
                BinOp::Mod => modulo(e, d, x, y),
                BinOp::LShift => shift(e, Opcode::Ishl, d, x, y),
                BinOp::RShift if d.kind() == Kind::Signed => shift(e, Opcode::Sshr, d, x, y),
                BinOp::RShift => shift(e, Opcode::Ushr, d, x, y),
                _ => e.b.op(Opcode::Imul, &[x, y]),
            };
            e.b.convert(Opcode::Trunc, ty, r)
        }
    }
}

/// MIN / -1
pub fn quotient_overflows(e: &mut Emit, x: Value, y: Value) -> Value {
    let min = if e.b.func.ty(x) == Ty::I32 {
        i64::from(i32::MIN)
    } else {
        i64::MIN
    };
    let min = iconst_like(e, x, min);
    let minus = iconst_like(e, y, -1);
    let is_min = e.b.icmp(IntCC::Eq, x, min);
    let is_minus = e.b.icmp(IntCC::Eq, y, minus);
    e.b.op(Opcode::Band, &[is_min, is_minus])
}

/// Which power of two a constant is.
pub fn power_of_two(e: &Emit, y: Value) -> Option<u32> {
    int_const(e, y)
        .filter(|&n| n > 0 && n & (n - 1) == 0)
        .map(i64::trailing_zeros)
}

/// Signed quotient rounded down; the divisor is known to be good.
pub fn floor_quotient(e: &mut Emit, x: Value, y: Value) -> Value {
    if let Some(n) = power_of_two(e, y) {
        let shift = iconst_like(e, x, i64::from(n));
        return e.b.op(Opcode::Sshr, &[x, shift]);
    }
    let q = e.b.op(Opcode::Sdiv, &[x, y]);
    let back = e.b.op(Opcode::Imul, &[q, y]);
    let r = e.b.op(Opcode::Isub, &[x, back]);
    let adjust = differs(e, r, y);
    let one = iconst_like(e, q, 1);
    let less = e.b.op(Opcode::Isub, &[q, one]);
    e.b.select(adjust, less, q)
}

/// Signed remainder with the divisor's sign; the divisor is known to be good.
pub fn floor_remainder(e: &mut Emit, x: Value, y: Value) -> Value {
    if let Some(n) = power_of_two(e, y) {
        let mask = iconst_like(e, x, (1 << n) - 1);
        return e.b.op(Opcode::Band, &[x, mask]);
    }
    let r = e.b.op(Opcode::Srem, &[x, y]);
    let adjust = differs(e, r, y);
    let sum = e.b.op(Opcode::Iadd, &[r, y]);
    e.b.select(adjust, sum, r)
}

/// A nonzero remainder whose sign is not the divisor's.
fn differs(e: &mut Emit, r: Value, y: Value) -> Value {
    let zero = iconst_like(e, r, 0);
    let nonzero = e.b.icmp(IntCC::Ne, r, zero);
    let signs = e.b.op(Opcode::Bxor, &[r, y]);
    let opposite = e.b.icmp(IntCC::Slt, signs, zero);
    e.b.op(Opcode::Band, &[nonzero, opposite])
}

/// A divisor that does not trap: 1 for 0 and for MIN / -1 (where MIN is what NumPy gives).
fn safe(e: &mut Emit, d: DType, x: Value, y: Value) -> (Value, Option<Value>) {
    if int_const(e, y).is_some_and(|n| n > 0) {
        return (y, None);
    }
    let zero = iconst_like(e, y, 0);
    let one = iconst_like(e, y, 1);
    let is_zero = e.b.icmp(IntCC::Eq, y, zero);
    let mut bad = is_zero;
    if d.kind() == Kind::Signed {
        let overflows = quotient_overflows(e, x, y);
        bad = e.b.op(Opcode::Bor, &[is_zero, overflows]);
    }
    (e.b.select(bad, one, y), Some(is_zero))
}

fn floor_div(e: &mut Emit, d: DType, x: Value, y: Value) -> Value {
    let (divisor, is_zero) = safe(e, d, x, y);
    let q = if d.kind() == Kind::Signed {
        floor_quotient(e, x, divisor)
    } else {
        e.b.op(Opcode::Udiv, &[x, divisor])
    };
    let Some(is_zero) = is_zero else { return q };
    let zero = iconst_like(e, q, 0);
    e.b.select(is_zero, zero, q)
}

/// The divisor 1 gives remainder 0, which is the answer for a zero divisor.
fn modulo(e: &mut Emit, d: DType, x: Value, y: Value) -> Value {
    let (divisor, _) = safe(e, d, x, y);
    if d.kind() == Kind::Signed {
        floor_remainder(e, x, divisor)
    } else {
        e.b.op(Opcode::Urem, &[x, divisor])
    }
}

/// `npy_lshift` and `npy_rshift`: counts outside 0..bits shift everything out.
fn shift(e: &mut Emit, op: Opcode, d: DType, x: Value, count: Value) -> Value {
    let bits = i64::from(d.bits());
    if int_const(e, count).is_some_and(|n| (0..bits).contains(&n)) {
        return e.b.op(op, &[x, count]);
    }
    let limit = iconst_like(e, count, bits);
    let inside = e.b.icmp(IntCC::Ult, count, limit);
    // For a signed right shift the last count spreads the sign.
    let last = iconst_like(e, count, bits - 1);
    let n = e.b.select(inside, count, last);
    let r = e.b.op(op, &[x, n]);
    if op == Opcode::Sshr {
        return r;
    }
    let zero = iconst_like(e, r, 0);
    e.b.select(inside, r, zero)
}

/// Wrapping power; a negative exponent raises `ValueError`.
fn power(e: &mut Emit, d: DType, a: (Operand, Value), b: (Operand, Value)) -> Value {
    let ty = e.b.func.ty(a.1);
    let x = widen(e, d, a.1, Ty::I64);
    let y = widen(e, d, b.1, Ty::I64);
    match int_const(e, y) {
        Some(0) => return e.b.iconst(ty, 1),
        Some(1) => return a.1,
        Some(2) => {
            let square = e.b.op(Opcode::Imul, &[x, x]);
            return e.b.convert(Opcode::Trunc, ty, square);
        }
        _ => {}
    }
    if d.kind() == Kind::Signed {
        let zero = e.b.iconst(Ty::I64, 0);
        let ok = e.b.icmp(IntCC::Sge, y, zero);
        e.replay_unless(ok, &format!("a {} b", symbol(BinOp::Pow)), &[a.0, b.0]);
    }
    let r = e.helper("np_int_pow", &[x, y]).unwrap_or(x);
    e.b.convert(Opcode::Trunc, ty, r)
}
