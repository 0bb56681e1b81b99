//! Float arithmetic: Python's, which raises on zero divisors and overflowing powers, and NumPy's, which does not.
//!
//! Powers are the C library's, `x ** 2` included: `pow(x, 2.0)` differs from `x * x` for about one x in a
//! thousand, and the interpreter gives the former. The helper `square` tells where they agree.

use numlift_mir::{FloatCC, Imm, IntCC, Opcode, Ty, Value, ValueDef};
use numlift_runtime::ExitReason;
use numlift_syntax::hir::BinOp;
use numlift_types::DType;

use super::conv::float64;
use super::{Operand, fconst_like, symbol};
use crate::emit::Emit;

const fn basic(op: BinOp) -> Option<Opcode> {
    match op {
        BinOp::Add => Some(Opcode::Fadd),
        BinOp::Sub => Some(Opcode::Fsub),
        BinOp::Mul => Some(Opcode::Fmul),
        BinOp::Div => Some(Opcode::Fdiv),
        _ => None,
    }
}

/// The value of a float constant, converted integer constants included.
fn float_const(e: &Emit, v: Value) -> Option<f64> {
    let ValueDef::Result(inst, _) = e.b.func.values[v].def else {
        return None;
    };
    let data = &e.b.func.insts[inst];
    match (data.op, &data.imm) {
        (Opcode::Fconst, Imm::Float(bits)) => Some(f64::from_bits(*bits)),
        (Opcode::Iconst, Imm::Int(n)) => Some(*n as f64),
        (Opcode::StoF, _) => float_const(e, data.args[0]),
        _ => None,
    }
}

/// `a op b` whose result is a Python float.
pub fn python(e: &mut Emit, op: BinOp, a: Operand, b: Operand) -> Value {
    let (x, y) = (float64(e, a), float64(e, b));
    if matches!(op, BinOp::Div | BinOp::FloorDiv | BinOp::Mod) && float_const(e, y).is_none_or(|c| c == 0.0) {
        let zero = fconst_like(e, y, 0.0);
        let ok = e.b.fcmp(FloatCC::Ne, y, zero);
        e.replay_unless(ok, &format!("a {} b", symbol(op)), &[a, b]);
    }
    match op {
        BinOp::FloorDiv => call(e, "float_floordiv", &[x, y]),
        BinOp::Mod => call(e, "float_mod", &[x, y]),
        BinOp::Pow => power(e, a, b, x, y),
        _ => e.b.op(basic(op).unwrap_or(Opcode::Fdiv), &[x, y]),
    }
}

/// `float.__pow__`: a complex result exits, a zero base or an overflow raises.
fn power(e: &mut Emit, a: Operand, b: Operand, x: Value, y: Value) -> Value {
    let r = pow(e, x, y);
    let exponent = float_const(e, y);
    if exponent.is_none_or(|c| c.fract() != 0.0) {
        // NaN from numbers: a negative base and a fraction as exponent
        let number = e.b.fcmp(FloatCC::Ord, r, r);
        let given = e.b.fcmp(FloatCC::Uno, x, y);
        let ok = e.b.op(Opcode::Bor, &[number, given]);
        e.exit_unless(ok, ExitReason::ValueType);
    }
    if exponent.is_none_or(|c| !(0.0..=1.0).contains(&c)) {
        let ok = infinite_only_from_infinite(e, r, &[x, y]);
        e.replay_unless(ok, &format!("a {} b", symbol(BinOp::Pow)), &[a, b]);
    }
    r
}

/// The C library's `pow`.
fn pow(e: &mut Emit, x: Value, y: Value) -> Value {
    match float_const(e, y) {
        Some(2.0) => call(e, "square", &[x]),
        _ => call(e, "pow", &[x, y]),
    }
}

/// The result is not infinite, or some argument is not finite.
pub fn infinite_only_from_infinite(e: &mut Emit, r: Value, args: &[Value]) -> Value {
    let inf = fconst_like(e, r, f64::INFINITY);
    let size = e.b.op(Opcode::Fabs, &[r]);
    let fine = e.b.fcmp(FloatCC::Ne, size, inf);
    let given = any_not_finite(e, args);
    e.b.op(Opcode::Bor, &[fine, given])
}

/// Some argument is NaN or infinite.
pub fn any_not_finite(e: &mut Emit, args: &[Value]) -> Value {
    // x - x is 0 for finite x and NaN for the others
    let mut differences = Vec::with_capacity(args.len());
    for &x in args {
        differences.push(e.b.op(Opcode::Fsub, &[x, x]));
    }
    let (first, second) = (differences[0], differences[args.len() - 1]);
    e.b.fcmp(FloatCC::Uno, first, second)
}

/// A helper that returns a float.
pub fn call(e: &mut Emit, name: &str, args: &[Value]) -> Value {
    let r = e.helper(name, args);
    r.unwrap_or_else(|| panic!("helper {name} has a result"))
}

/// `a op b` in float32 or float64, as NumPy.
pub fn numpy(e: &mut Emit, op: BinOp, d: DType, x: Value, y: Value) -> Value {
    if let Some(basic) = basic(op) {
        return e.b.op(basic, &[x, y]);
    }
    match (op, d) {
        (BinOp::FloorDiv, DType::F64) => call(e, "np_floordiv", &[x, y]),
        (BinOp::Mod, DType::F64) => call(e, "np_mod", &[x, y]),
        (BinOp::Pow, DType::F64) => pow(e, x, y),
        (BinOp::FloorDiv, _) => divmod32(e, x, y).0,
        (BinOp::Mod, _) => divmod32(e, x, y).1,
        _ => call(e, "powf", &[x, y]),
    }
}

/// `npy_divmodf`. The C remainder of two floats is exact, so it may be taken in double.
fn divmod32(e: &mut Emit, x: Value, y: Value) -> (Value, Value) {
    let (xd, yd) = (
        e.b.convert(Opcode::Fpromote, Ty::F64, x),
        e.b.convert(Opcode::Fpromote, Ty::F64, y),
    );
    let wide = call(e, "fmod", &[xd, yd]);
    let r = e.b.convert(Opcode::Fdemote, Ty::F32, wide);
    let zero = fconst_like(e, x, 0.0);
    let one = fconst_like(e, x, 1.0);
    let half = fconst_like(e, x, 0.5);

    let rest = e.b.op(Opcode::Fsub, &[x, r]);
    let div = e.b.op(Opcode::Fdiv, &[rest, y]);
    let nonzero = e.b.fcmp(FloatCC::Ne, r, zero);
    let y_negative = e.b.fcmp(FloatCC::Lt, y, zero);
    let r_negative = e.b.fcmp(FloatCC::Lt, r, zero);
    let opposite = e.b.icmp(IntCC::Ne, y_negative, r_negative);
    let adjust = e.b.op(Opcode::Band, &[nonzero, opposite]);
    let moved = e.b.op(Opcode::Fadd, &[r, y]);
    let less = e.b.op(Opcode::Fsub, &[div, one]);
    let signed_zero = e.b.op(Opcode::Fcopysign, &[zero, y]);
    let modulus = e.b.select(adjust, moved, r);
    let modulus = e.b.select(nonzero, modulus, signed_zero);
    let div = e.b.select(adjust, less, div);

    let floor = e.b.op(Opcode::Ffloor, &[div]);
    let gap = e.b.op(Opcode::Fsub, &[div, floor]);
    let off = e.b.fcmp(FloatCC::Gt, gap, half);
    let next = e.b.op(Opcode::Fadd, &[floor, one]);
    let floor = e.b.select(off, next, floor);
    let quotient = e.b.op(Opcode::Fdiv, &[x, y]);
    let zero_quotient = e.b.op(Opcode::Fcopysign, &[zero, quotient]);
    let div_nonzero = e.b.fcmp(FloatCC::Ne, div, zero);
    let result = e.b.select(div_nonzero, floor, zero_quotient);

    // By zero: x / y, and the C remainder (NaN).
    let y_zero = e.b.fcmp(FloatCC::Eq, y, zero);
    (
        e.b.select(y_zero, quotient, result),
        e.b.select(y_zero, r, modulus),
    )
}
