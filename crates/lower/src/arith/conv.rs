//! Conversions between families: C casts, weak Python scalars, constructors, stores.

use numlift_mir::{FloatCC, Imm, IntCC, Opcode, Ty, Value, ValueDef};
use numlift_runtime::ExitReason;
use numlift_typeck::operators;
use numlift_types::{DType, Kind, Scalar};
use smallvec::smallvec;

use super::{Operand, cmp, fconst_like, float_ty, iconst_like};
use crate::emit::{Emit, Vals, carrier_tys};

/// 2.0**63
const TWO63: f64 = 9_223_372_036_854_775_808.0;

/// The value of an integer constant, widened ones included.
pub fn int_const(e: &Emit, v: Value) -> Option<i64> {
    let ValueDef::Result(inst, _) = e.b.func.values[v].def else {
        return None;
    };
    let data = &e.b.func.insts[inst];
    match (data.op, &data.imm) {
        (Opcode::Iconst, Imm::Int(n)) => Some(*n),
        _ => None,
    }
}

/// Bounds of an integer known without analysis: constants and the width of the family.
pub fn known_range(e: &Emit, a: Operand) -> (i128, i128) {
    match (int_const(e, a.1[0]), a.0.dtype()) {
        (Some(n), d) if d.size() == 8 && d != DType::U64 => (n.into(), n.into()),
        (_, DType::Bool) => (0, 1),
        (_, d) => d.int_range().unwrap_or((i128::MIN, i128::MAX)),
    }
}

/// Whether an integer is known to convert to f64 exactly.
pub fn is_exact(e: &Emit, a: Operand) -> bool {
    let (lo, hi) = known_range(e, a);
    lo >= -(1 << 53) && hi <= 1 << 53
}

/// Leaves unless the integer converts to f64 exactly.
pub fn check_exact(e: &mut Emit, a: Operand) {
    if is_exact(e, a) {
        return;
    }
    let v = int64(e, a);
    let limit = e.b.iconst(Ty::I64, 1 << 53);
    let ok = if a.0.dtype() == DType::U64 {
        e.b.icmp(IntCC::Ule, v, limit)
    } else {
        let shifted = e.b.op(Opcode::Iadd, &[v, limit]);
        let twice = e.b.iconst(Ty::I64, 1 << 54);
        e.b.icmp(IntCC::Ule, shifted, twice)
    };
    e.exit_unless(ok, ExitReason::Inexact);
}

/// An integer or bool widened to i64 (uint64 as its bits).
pub fn int64(e: &mut Emit, a: Operand) -> Value {
    widen(e, a.0.dtype(), a.1[0], Ty::I64)
}

/// An integer or bool extended to `ty`, which is at least as wide.
pub fn widen(e: &mut Emit, d: DType, v: Value, ty: Ty) -> Value {
    let from = e.b.func.ty(v);
    if from == ty {
        return v;
    }
    if let Some(n) = int_const(e, v) {
        let signed = d.kind() == Kind::Signed;
        let n = match (from, signed) {
            (Ty::I8, true) => i64::from(n as i8),
            (Ty::I8, false) => i64::from(n as u8),
            (Ty::I16, true) => i64::from(n as i16),
            (Ty::I16, false) => i64::from(n as u16),
            (Ty::I32, false) => i64::from(n as u32),
            _ => n,
        };
        return e.b.iconst(ty, n);
    }
    let op = if d.kind() == Kind::Signed {
        Opcode::Sext
    } else {
        Opcode::Zext
    };
    e.b.convert(op, ty, v)
}

/// Any real number as f64, rounding to nearest as both Python and C do.
pub fn float64(e: &mut Emit, a: Operand) -> Value {
    real_to(e, a.0.dtype(), a.1[0], Ty::F64)
}

fn real_to(e: &mut Emit, d: DType, v: Value, ty: Ty) -> Value {
    match d.kind() {
        Kind::Float | Kind::Complex => resize_float(e, v, ty),
        _ => {
            let wide = widen(e, d, v, Ty::I64);
            let op = if d == DType::U64 {
                Opcode::UtoF
            } else {
                Opcode::StoF
            };
            e.b.convert(op, ty, wide)
        }
    }
}

fn resize_float(e: &mut Emit, v: Value, ty: Ty) -> Value {
    let op = if ty == Ty::F64 {
        Opcode::Fpromote
    } else {
        Opcode::Fdemote
    };
    e.b.convert(op, ty, v)
}

/// A NumPy cast between dtypes (`astype`): integers wrap, floats truncate as x86 does.
/// From complex only to complex and bool.
pub fn cast(e: &mut Emit, from: DType, v: &Vals, to: DType) -> Vals {
    if from == to {
        return v.clone();
    }
    match (from.kind(), to.kind()) {
        (_, Kind::Bool) => smallvec![cmp::truth(e, (Scalar::Np(from), v))],
        (Kind::Complex, Kind::Complex) => v.iter().map(|&x| resize_float(e, x, float_ty(to))).collect(),
        (_, Kind::Complex) => {
            let re = real_to(e, from, v[0], float_ty(to));
            let zero = fconst_like(e, re, 0.0);
            smallvec![re, zero]
        }
        (_, Kind::Float) => smallvec![real_to(e, from, v[0], float_ty(to))],
        (Kind::Float | Kind::Complex, _) => smallvec![float_to_c_int(e, v[0], to)],
        _ => smallvec![resize_int(e, from, v[0], to)],
    }
}

fn resize_int(e: &mut Emit, from: DType, v: Value, to: DType) -> Value {
    let ty = carrier_tys(Scalar::Np(to).carrier())[0];
    if ty.bits() > e.b.func.ty(v).bits() {
        widen(e, from, v, ty)
    } else {
        e.b.convert(Opcode::Trunc, ty, v)
    }
}

/// What `cvttsd2si` and gcc's code around it give: out of range is the smallest integer, cut to the width.
fn float_to_c_int(e: &mut Emit, v: Value, to: DType) -> Value {
    let v = resize_float(e, v, Ty::F64);
    let wide = match to {
        DType::U32 | DType::I64 => c_int64(e, v),
        DType::U64 => {
            let two63 = e.b.fconst(Ty::F64, TWO63);
            let low = c_int64(e, v);
            let shifted = e.b.op(Opcode::Fsub, &[v, two63]);
            let high = c_int64(e, shifted);
            let top = e.b.iconst(Ty::I64, i64::MIN);
            let high = e.b.op(Opcode::Bxor, &[high, top]);
            let is_high = e.b.fcmp(FloatCC::Ge, v, two63);
            e.b.select(is_high, high, low)
        }
        _ => {
            let n = e.b.convert(Opcode::FtoS, Ty::I32, v);
            let limit = e.b.fconst(Ty::F64, 2_147_483_648.0);
            let small = e.b.fcmp(FloatCC::Lt, v, limit);
            let min = e.b.iconst(Ty::I32, i64::from(i32::MIN));
            e.b.select(small, n, min)
        }
    };
    let ty = carrier_tys(Scalar::Np(to).carrier())[0];
    e.b.convert(Opcode::Trunc, ty, wide)
}

fn c_int64(e: &mut Emit, v: Value) -> Value {
    let n = e.b.convert(Opcode::FtoS, Ty::I64, v);
    let limit = e.b.fconst(Ty::F64, TWO63);
    let small = e.b.fcmp(FloatCC::Lt, v, limit);
    let min = e.b.iconst(Ty::I64, i64::MIN);
    e.b.select(small, n, min)
}

/// An operand in the dtype of the NumPy loop: Python ints are range-checked (replaying `expr`).
pub fn to_loop(e: &mut Emit, a: Operand, d: DType, expr: &str, operands: &[Operand]) -> Vals {
    match a.0 {
        Scalar::PyInt if d.is_integer() => smallvec![int_in_range(e, a, d, expr, operands)],
        // through double, as PyNumber_Float does
        Scalar::PyInt => {
            let x: Vals = smallvec![float64(e, a)];
            cast(e, DType::F64, &x, d)
        }
        s => cast(e, s.dtype(), a.1, d),
    }
}

/// An integer of any family as `d`; out of range replays `expr`.
fn int_in_range(e: &mut Emit, a: Operand, d: DType, expr: &str, operands: &[Operand]) -> Value {
    let (lo, hi) = d.int_range().unwrap_or((0, 1));
    let (known_lo, known_hi) = known_range(e, a);
    let from = a.0.dtype();
    if known_lo < lo || known_hi > hi {
        let v = int64(e, a);
        let ok = if from == DType::U64 {
            let limit = e.b.iconst(Ty::I64, hi.min(i64::MAX.into()) as i64);
            e.b.icmp(IntCC::Ule, v, limit)
        } else if d == DType::U64 {
            let zero = e.b.iconst(Ty::I64, 0);
            e.b.icmp(IntCC::Sge, v, zero)
        } else {
            // lo <= v <= hi as one unsigned comparison
            let low = e.b.iconst(Ty::I64, lo as i64);
            let shifted = e.b.op(Opcode::Isub, &[v, low]);
            let width = e.b.iconst(Ty::I64, (hi - lo) as i64);
            e.b.icmp(IntCC::Ule, shifted, width)
        };
        e.replay_unless(ok, expr, operands);
    }
    let ty = carrier_tys(Scalar::Np(d).carrier())[0];
    if let Some(n) = int_const(e, a.1[0]).filter(|_| e.b.func.ty(a.1[0]) == Ty::I64) {
        return e.b.iconst(ty, n);
    }
    resize_int(e, from, a.1[0], d)
}

/// `int(x)` of an integer or bool: the value in int64, or exit.
pub fn python_int(e: &mut Emit, a: Operand, _expr: &str) -> Value {
    let v = int64(e, a);
    if a.0.dtype() == DType::U64 {
        let zero = iconst_like(e, v, 0);
        let ok = e.b.icmp(IntCC::Sge, v, zero);
        e.exit_unless(ok, ExitReason::Overflow);
    }
    v
}

/// A float as int, truncated: NaN and infinities replay `expr`, values outside int64 exit.
pub fn float_to_int(e: &mut Emit, x: Value, expr: &str, operands: &[Operand]) -> Value {
    // One comparison for all that fits but -2**63: of the bits without the sign, which a float's constants
    // in vector registers would make longer.
    let bits = e.b.convert(Opcode::Bitcast, Ty::I64, x);
    let magnitude = e.b.op(Opcode::Iadd, &[bits, bits]);
    let limit = e.b.iconst(Ty::I64, (TWO63.to_bits() << 1) as i64);
    let fits = e.b.icmp(IntCC::Ult, magnitude, limit);
    let (rare, join) = (e.b.create_cold_block(), e.b.create_block());
    e.b.br(fits, (join, &[]), (rare, &[]));
    e.b.switch_to(rare);
    let finite = is_finite(e, x);
    e.replay_unless(finite, expr, operands);
    let ok = in_int64(e, x);
    e.exit_unless(ok, ExitReason::Overflow);
    e.b.jump(join, &[]);
    e.b.switch_to(join);
    e.b.convert(Opcode::FtoS, Ty::I64, x)
}

fn in_int64(e: &mut Emit, x: Value) -> Value {
    let low = e.b.fconst(Ty::F64, -TWO63);
    let high = e.b.fconst(Ty::F64, TWO63);
    let above = e.b.fcmp(FloatCC::Ge, x, low);
    let below = e.b.fcmp(FloatCC::Lt, x, high);
    e.b.op(Opcode::Band, &[above, below])
}

/// Neither NaN nor infinite.
pub fn is_finite(e: &mut Emit, x: Value) -> Value {
    let d = e.b.op(Opcode::Fsub, &[x, x]);
    e.b.fcmp(FloatCC::Ord, d, d)
}

/// A float as an element of integer dtype `d` by `int(x)`: what does not fit replays `expr`.
fn float_in_range(e: &mut Emit, a: Operand, d: DType, expr: &str) -> Value {
    let x = float64(e, a);
    let x = e.b.op(Opcode::Ftrunc, &[x]);
    let (lo, hi) = d.int_range().unwrap_or((0, 1));
    let low = e.b.fconst(Ty::F64, lo as f64);
    // exact: a power of two
    let end = e.b.fconst(Ty::F64, (hi + 1) as f64);
    let above = e.b.fcmp(FloatCC::Ge, x, low);
    let below = e.b.fcmp(FloatCC::Lt, x, end);
    let ok = e.b.op(Opcode::Band, &[above, below]);
    e.replay_unless(ok, expr, &[a]);
    let op = if d == DType::U64 {
        Opcode::FtoU
    } else {
        Opcode::FtoS
    };
    let n = e.b.convert(op, Ty::I64, x);
    let ty = carrier_tys(Scalar::Np(d).carrier())[0];
    e.b.convert(Opcode::Trunc, ty, n)
}

/// An element or scalar of dtype `d` made from a Python number: NumPy's `setitem`.
fn setitem(e: &mut Emit, d: DType, from: Operand, expr: &str) -> Vals {
    let kind = from.0.dtype().kind();
    match (d.kind(), kind) {
        (Kind::Signed | Kind::Unsigned, Kind::Float) => smallvec![float_in_range(e, from, d, expr)],
        (Kind::Signed | Kind::Unsigned, _) => smallvec![int_in_range(e, from, d, expr, &[from])],
        _ => to_loop(e, from, d, expr, &[from]),
    }
}

/// The call `to(from)`: `int(x)`, `float(x)`, `np.int32(x)`...; `None` if not supported.
pub fn construct(e: &mut Emit, to: Scalar, from: Operand) -> Option<Vals> {
    if !operators::store(to.dtype(), from.0) {
        return None;
    }
    Some(match to {
        _ if to.dtype() == DType::Bool => smallvec![cmp::truth(e, from)],
        Scalar::PyInt if from.0.dtype().kind() == Kind::Float => {
            let x = float64(e, from);
            smallvec![float_to_int(e, x, "int(a)", &[from])]
        }
        Scalar::PyInt => smallvec![python_int(e, from, "int(a)")],
        Scalar::Np(d) if from.0.is_python() => setitem(e, d, from, &format!("np.{d}(a)")),
        _ => cast(e, from.0.dtype(), from.1, to.dtype()),
    })
}

/// The element that `array[i] = from` stores; `None` if not supported.
/// Signed integer arrays take NumPy scalars as they take Python numbers: in range, or an error.
pub fn store(e: &mut Emit, dtype: DType, from: Operand) -> Option<Vals> {
    if !operators::store(dtype, from.0) {
        return None;
    }
    let checked = from.0.is_python() || dtype.kind() == Kind::Signed;
    Some(if dtype == from.0.dtype() {
        from.1.clone()
    } else if dtype == DType::Bool {
        smallvec![cmp::truth(e, from)]
    } else if checked {
        setitem(
            e,
            dtype,
            from,
            &format!("np.empty(1, np.{dtype}).__setitem__(0, a)"),
        )
    } else {
        cast(e, from.0.dtype(), from.1, dtype)
    })
}
