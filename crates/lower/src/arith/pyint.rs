//! Python int arithmetic: exact in int64 or an exit.

use numlift_mir::{IntCC, Opcode, Region, Ty, Value};
use numlift_runtime::{ExitReason, SiteKind};
use numlift_syntax::hir::BinOp;
use numlift_types::{Kind, Type};

use super::conv::{check_exact, int_const, int64};
use super::{Operand, npint, symbol};
use crate::emit::{Emit, Vals};

/// `a op b` of ints and bools whose result is an int.
pub fn binary(e: &mut Emit, op: BinOp, a: Operand, b: Operand) -> Value {
    let (x, y) = (int64(e, a), int64(e, b));
    match op {
        BinOp::Add => e.int_op(Opcode::IaddChk, Opcode::Iadd, x, y),
        BinOp::Sub => e.int_op(Opcode::IsubChk, Opcode::Isub, x, y),
        BinOp::Mul => e.int_op(Opcode::ImulChk, Opcode::Imul, x, y),
        BinOp::FloorDiv => {
            zero_check(e, op, a, b, y);
            floor_div(e, x, y)
        }
        BinOp::Mod => {
            zero_check(e, op, a, b, y);
            modulo(e, x, y)
        }
        BinOp::Pow => power(e, x, y),
        BinOp::LShift => {
            count_check(e, op, a, b, y);
            shift_left(e, x, y)
        }
        BinOp::RShift => {
            count_check(e, op, a, b, y);
            let last = e.b.iconst(Ty::I64, 63);
            let n = match int_const(e, y) {
                Some(0..=63) => y,
                Some(_) => last,
                None => e.b.op(Opcode::Smin, &[y, last]),
            };
            e.b.op(Opcode::Sshr, &[x, n])
        }
        _ => e.b.op(npint::bitwise(op), &[x, y]),
    }
}

/// `ZeroDivisionError`, as the interpreter words it for these families.
pub fn zero_check(e: &mut Emit, op: BinOp, a: Operand, b: Operand, divisor: Value) {
    if int_const(e, divisor).is_some_and(|n| n != 0) {
        return;
    }
    let operands: Vals = a.1.iter().chain(b.1).copied().collect();
    let kind = SiteKind::Replay {
        expr: format!("a {} b", symbol(op)),
        operands: vec![Type::Scalar(a.0), Type::Scalar(b.0)],
    };
    let site = e.site(kind);
    e.b.check(Opcode::ZeroCheck, &[divisor], &operands, site);
}

/// `ValueError: negative shift count`
fn count_check(e: &mut Emit, op: BinOp, a: Operand, b: Operand, count: Value) {
    if b.0.dtype().kind() == Kind::Bool || int_const(e, count).is_some_and(|n| n >= 0) {
        return;
    }
    let zero = e.b.iconst(Ty::I64, 0);
    let ok = e.b.icmp(IntCC::Sge, count, zero);
    e.replay_unless(ok, &format!("a {} b", symbol(op)), &[a, b]);
}

fn floor_div(e: &mut Emit, x: Value, y: Value) -> Value {
    if int_const(e, y) == Some(-1) {
        return neg(e, x);
    }
    let divisor = safe_divisor(e, x, y);
    npint::floor_quotient(e, x, divisor)
}

fn modulo(e: &mut Emit, x: Value, y: Value) -> Value {
    if let Some(n) = int_const(e, y).filter(|_| npint::power_of_two(e, y).is_some()) {
        let mask = e.b.iconst(Ty::I64, n - 1);
        return e.b.op(Opcode::Band, &[x, mask]);
    }
    // `x % -1` is 0 for every x; the machine's division would trap on MIN.
    let minus = e.b.iconst(Ty::I64, -1);
    let one = e.b.iconst(Ty::I64, 1);
    let divisor = match int_const(e, y) {
        Some(-1) => one,
        Some(_) => y,
        None => {
            let is_minus = e.b.icmp(IntCC::Eq, y, minus);
            e.b.select(is_minus, one, y)
        }
    };
    npint::floor_remainder(e, x, divisor)
}

/// The divisor; MIN // -1 exits (under `overflow="wrap"` it is MIN: divided by 1).
fn safe_divisor(e: &mut Emit, x: Value, y: Value) -> Value {
    if int_const(e, y).is_some() {
        return y;
    }
    let overflows = npint::quotient_overflows(e, x, y);
    if e.wrap {
        let one = e.b.iconst(Ty::I64, 1);
        return e.b.select(overflows, one, y);
    }
    let ok = e.not(overflows);
    e.exit_unless(ok, ExitReason::Overflow);
    y
}

fn power(e: &mut Emit, x: Value, y: Value) -> Value {
    match int_const(e, y) {
        Some(0) => return e.b.iconst(Ty::I64, 1),
        Some(1) => return x,
        Some(2) => return e.int_op(Opcode::ImulChk, Opcode::Imul, x, x),
        Some(3) => {
            let square = e.int_op(Opcode::ImulChk, Opcode::Imul, x, x);
            return e.int_op(Opcode::ImulChk, Opcode::Imul, square, x);
        }
        _ => {}
    }
    let zero = e.b.iconst(Ty::I64, 0);
    let ok = e.b.icmp(IntCC::Sge, y, zero);
    e.exit_unless(ok, ExitReason::ValueType);
    if e.wrap {
        return e.helper("np_int_pow", &[x, y]).unwrap_or(zero);
    }
    let out = e.scratch(8);
    let left = e.helper("int_pow", &[x, y, out]).unwrap_or(zero);
    let fits = e.b.icmp(IntCC::Eq, left, zero);
    e.exit_unless(fits, ExitReason::Overflow);
    e.b.load(Ty::I64, out, 0, Region::Stack)
}

/// `x << y` for y >= 0: exact, or an exit.
fn shift_left(e: &mut Emit, x: Value, y: Value) -> Value {
    let zero = e.b.iconst(Ty::I64, 0);
    let sixty_four = e.b.iconst(Ty::I64, 64);
    let mask = e.b.iconst(Ty::I64, 63);
    let n = e.b.op(Opcode::Band, &[y, mask]);
    let shifted = e.b.op(Opcode::Ishl, &[x, n]);
    let small = e.b.icmp(IntCC::Ult, y, sixty_four);
    if e.wrap {
        return e.b.select(small, shifted, zero);
    }
    let back = e.b.op(Opcode::Sshr, &[shifted, n]);
    let same = e.b.icmp(IntCC::Eq, back, x);
    let exact = e.b.op(Opcode::Band, &[small, same]);
    let is_zero = e.b.icmp(IntCC::Eq, x, zero);
    let ok = e.b.op(Opcode::Bor, &[exact, is_zero]);
    e.exit_unless(ok, ExitReason::Overflow);
    shifted
}

pub fn neg(e: &mut Emit, x: Value) -> Value {
    if let Some(n) = int_const(e, x).and_then(i64::checked_neg) {
        return e.b.iconst(Ty::I64, n);
    }
    let zero = e.b.iconst(Ty::I64, 0);
    e.int_op(Opcode::IsubChk, Opcode::Isub, zero, x)
}

/// `-x` for `abs`: only MIN leaves.
pub fn abs_neg(e: &mut Emit, x: Value) -> Value {
    neg(e, x)
}

/// `int / int`: the correctly rounded quotient, which is the machine's where both convert exactly.
pub fn true_div(e: &mut Emit, a: Operand, b: Operand) -> Value {
    let y = int64(e, b);
    zero_check(e, BinOp::Div, a, b, y);
    check_exact(e, a);
    check_exact(e, b);
    let x = super::conv::float64(e, a);
    let y = super::conv::float64(e, b);
    e.b.op(Opcode::Fdiv, &[x, y])
}
