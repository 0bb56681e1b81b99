//! The functions of `math`: the C library's results and CPython's errors.

use numlift_mir::{FloatCC, IntCC, Opcode, Region, Ty, Value};
use numlift_runtime::ExitReason;
use numlift_typeck::operators;
use numlift_types::Kind;
use smallvec::smallvec;

use super::conv::{float_to_int, float64, is_finite, python_int};
use super::float::{any_not_finite, call};
use super::{Operand, float};
use crate::emit::{Emit, Vals};

/// When a function of floats raises.
#[derive(Clone, Copy)]
enum Raises {
    Never,
    /// for x below the bound (and not NaN)
    Below(f64),
    /// for x at or below the bound
    AtMost(f64),
    /// for |x| above the bound
    Outside(f64),
    /// for |x| at or above the bound
    AtLeast(f64),
    /// when a number gives NaN
    Nan,
    /// when finite arguments give an infinity
    Overflow,
    /// when finite arguments give NaN or an infinity, or numbers give NaN
    NotFinite,
}

/// How a function of one float is computed.
#[derive(Clone, Copy)]
enum How {
    Op(Opcode),
    Helper,
    /// times the constant
    Scale(f64),
}

fn one_argument(name: &str) -> Option<(How, Raises)> {
    use Raises::{AtLeast, AtMost, Below, Nan, Never, Outside, Overflow};
    Some(match name {
        "sqrt" => (How::Op(Opcode::Fsqrt), Below(0.0)),
        "fabs" => (How::Op(Opcode::Fabs), Never),
        "degrees" => (How::Scale(180.0 / std::f64::consts::PI), Never),
        "radians" => (How::Scale(std::f64::consts::PI / 180.0), Never),
        "sin" | "cos" | "tan" => (How::Helper, Nan),
        "asin" | "acos" => (How::Helper, Outside(1.0)),
        "acosh" => (How::Helper, Below(1.0)),
        "atanh" => (How::Helper, AtLeast(1.0)),
        "log" | "log2" | "log10" => (How::Helper, AtMost(0.0)),
        "log1p" => (How::Helper, AtMost(-1.0)),
        "exp" | "exp2" | "expm1" | "sinh" | "cosh" => (How::Helper, Overflow),
        "atan" | "tanh" | "asinh" | "erf" | "erfc" | "cbrt" => (How::Helper, Never),
        _ => return None,
    })
}

fn two_arguments(name: &str) -> Option<Raises> {
    Some(match name {
        "atan2" | "copysign" | "nextafter" => Raises::Never,
        "pow" => Raises::NotFinite,
        "hypot" => Raises::Overflow,
        "fmod" | "remainder" => Raises::Nan,
        _ => return None,
    })
}

/// `math.name(args)`, in the family `operators::math` says; `None` if it is not supported.
pub fn math_call(e: &mut Emit, name: &str, args: &[Operand]) -> Option<Vals> {
    operators::math(name, args.iter().map(|a| a.0).collect::<Vec<_>>().as_slice())?;
    let result = match (name, args) {
        ("floor" | "ceil" | "trunc", [a]) => to_integer(e, name, *a),
        ("isnan" | "isinf" | "isfinite", [a]) => classify(e, name, *a),
        ("gcd" | "lcm", _) => common(e, name, args),
        ("isqrt" | "factorial" | "comb" | "perm", _) => counting(e, name, args),
        ("ldexp", [a, b]) => ldexp(e, *a, *b),
        ("ulp", [a]) => {
            let x = float64(e, *a);
            call(e, "float_ulp", &[x])
        }
        ("modf", [a]) => return Some(modf(e, *a)),
        ("frexp", [a]) => return Some(frexp(e, *a)),
        ("log", [a, b]) => {
            let numerator = float_function(e, "log", *a)?;
            let denominator = float_function(e, "log", *b)?;
            let zero = e.b.fconst(Ty::F64, 0.0);
            let ok = e.b.fcmp(FloatCC::Ne, denominator, zero);
            e.replay_unless(ok, "math.log(a, b)", args);
            e.b.op(Opcode::Fdiv, &[numerator, denominator])
        }
        (_, [a]) => float_function(e, name, *a)?,
        (_, [a, b]) => {
            let raises = two_arguments(name)?;
            let x = [float64(e, *a), float64(e, *b)];
            let r = match name {
                "copysign" => e.b.op(Opcode::Fcopysign, &x),
                "hypot" => call(e, "py_hypot", &x),
                _ => call(e, name, &x),
            };
            check(e, raises, r, &x, &format!("math.{name}(a, b)"), args);
            r
        }
        _ => return None,
    };
    Some(smallvec![result])
}

fn float_function(e: &mut Emit, name: &str, a: Operand) -> Option<Value> {
    let (how, raises) = one_argument(name)?;
    let x = float64(e, a);
    // A test of the argument comes before the call, which it may make needless.
    let expr = format!("math.{name}(a)");
    let by_argument = matches!(
        raises,
        Raises::Below(_) | Raises::AtMost(_) | Raises::Outside(_) | Raises::AtLeast(_)
    );
    if by_argument {
        check(e, raises, x, &[x], &expr, &[a]);
    }
    let r = match how {
        How::Op(op) => e.b.op(op, &[x]),
        How::Helper => call(e, name, &[x]),
        How::Scale(c) => {
            let c = e.b.fconst(Ty::F64, c);
            e.b.op(Opcode::Fmul, &[x, c])
        }
    };
    if !by_argument {
        check(e, raises, r, &[x], &expr, &[a]);
    }
    Some(r)
}

/// Raises by replay where CPython does.
fn check(e: &mut Emit, raises: Raises, r: Value, x: &[Value], expr: &str, args: &[Operand]) {
    let bad = |e: &mut Emit, cc, v, bound| {
        let bound = e.b.fconst(Ty::F64, bound);
        let outside = e.b.fcmp(cc, v, bound);
        e.not(outside)
    };
    let ok = match raises {
        Raises::Never => return,
        Raises::Below(bound) => bad(e, FloatCC::Lt, x[0], bound),
        Raises::AtMost(bound) => bad(e, FloatCC::Le, x[0], bound),
        Raises::Outside(bound) | Raises::AtLeast(bound) => {
            let size = e.b.op(Opcode::Fabs, &[x[0]]);
            let cc = if matches!(raises, Raises::Outside(_)) {
                FloatCC::Gt
            } else {
                FloatCC::Ge
            };
            bad(e, cc, size, bound)
        }
        Raises::Nan => nan_only_from_nan(e, r, x),
        Raises::Overflow => float::infinite_only_from_infinite(e, r, x),
        Raises::NotFinite => {
            let finite = is_finite(e, r);
            let given = any_not_finite(e, x);
            e.b.op(Opcode::Bor, &[finite, given])
        }
    };
    e.replay_unless(ok, expr, args);
}

fn nan_only_from_nan(e: &mut Emit, r: Value, x: &[Value]) -> Value {
    let number = e.b.fcmp(FloatCC::Ord, r, r);
    let given = e.b.fcmp(FloatCC::Uno, x[0], x[x.len() - 1]);
    e.b.op(Opcode::Bor, &[number, given])
}

/// `floor`, `ceil`, `trunc`. NumPy integers go through float, as they have no such methods.
fn to_integer(e: &mut Emit, name: &str, a: Operand) -> Value {
    let expr = format!("math.{name}(a)");
    if a.0.is_python() && a.0.dtype().kind() < Kind::Float {
        return python_int(e, a, &expr);
    }
    let x = float64(e, a);
    let op = match name {
        "floor" => Opcode::Ffloor,
        "ceil" => Opcode::Fceil,
        _ => Opcode::Ftrunc,
    };
    let r = e.b.op(op, &[x]);
    float_to_int(e, r, &expr, &[a])
}

fn classify(e: &mut Emit, name: &str, a: Operand) -> Value {
    let x = float64(e, a);
    match name {
        "isnan" => e.b.fcmp(FloatCC::Uno, x, x),
        "isfinite" => is_finite(e, x),
        _ => {
            let size = e.b.op(Opcode::Fabs, &[x]);
            let inf = e.b.fconst(Ty::F64, f64::INFINITY);
            e.b.fcmp(FloatCC::Eq, size, inf)
        }
    }
}

/// An argument as int64. The smallest, whose absolute value is none, leaves native code.
fn magnitude(e: &mut Emit, a: Operand) -> Value {
    let v = python_int(e, a, "");
    if a.0.dtype().size() == 8 {
        let min = e.b.iconst(Ty::I64, i64::MIN);
        let ok = e.b.icmp(IntCC::Ne, v, min);
        e.exit_unless(ok, ExitReason::Overflow);
    }
    v
}

/// A kernel that stores an int64 or says that the result has left it.
fn exact(e: &mut Emit, kernel: &str, args: &[Value]) -> Value {
    let out = e.scratch(8);
    let mut all: Vals = args.into();
    all.push(out);
    let zero = e.b.iconst(Ty::I64, 0);
    let wide = e.helper(kernel, &all).unwrap_or(zero);
    let ok = e.b.icmp(IntCC::Eq, wide, zero);
    e.exit_unless(ok, ExitReason::Overflow);
    e.b.load(Ty::I64, out, 0, Region::Stack)
}

/// `gcd` and `lcm` of any number of integers.
fn common(e: &mut Emit, name: &str, args: &[Operand]) -> Value {
    let neutral = e.b.iconst(Ty::I64, i64::from(name == "lcm"));
    let numbers: Vals = args.iter().map(|a| magnitude(e, *a)).collect();
    // the neutral element first, so that one argument alone becomes its absolute value
    numbers.iter().fold(neutral, |r, &v| match name {
        "gcd" => call(e, "gcd", &[r, v]),
        _ => exact(e, "lcm", &[r, v]),
    })
}

/// `isqrt`, `factorial`, `comb`, `perm`: arguments below zero raise.
fn counting(e: &mut Emit, name: &str, args: &[Operand]) -> Value {
    let numbers: Vals = args.iter().map(|a| python_int(e, *a, "")).collect();
    let zero = e.b.iconst(Ty::I64, 0);
    let mut all = numbers[0];
    for &v in &numbers[1..] {
        // a sign bit in any of them
        all = e.b.op(Opcode::Bor, &[all, v]);
    }
    let ok = e.b.icmp(IntCC::Sge, all, zero);
    let names = ["a", "b"];
    let expr = format!("math.{name}({})", names[..args.len()].join(", "));
    e.replay_unless(ok, &expr, args);
    match (name, numbers.as_slice()) {
        ("isqrt", &[n]) => call(e, "isqrt", &[n]),
        ("comb", &[n, k]) => exact(e, "comb", &[n, k]),
        (_, &[n]) => exact(e, "perm", &[n, n]),
        (_, numbers) => exact(e, "perm", numbers),
    }
}

fn ldexp(e: &mut Emit, a: Operand, b: Operand) -> Value {
    let x = float64(e, a);
    let n = python_int(e, b, "");
    let r = call(e, "float_ldexp", &[x, n]);
    let ok = float::infinite_only_from_infinite(e, r, &[x]);
    e.replay_unless(ok, "math.ldexp(a, b)", &[a, b]);
    r
}

/// Fractional and integral part, both with the sign of the number.
fn modf(e: &mut Emit, a: Operand) -> Vals {
    let x = float64(e, a);
    let whole = e.b.op(Opcode::Ftrunc, &[x]);
    let rest = e.b.op(Opcode::Fsub, &[x, whole]);
    // inf - inf is NaN; the rest of an infinity is 0
    let size = e.b.op(Opcode::Fabs, &[x]);
    let inf = e.b.fconst(Ty::F64, f64::INFINITY);
    let infinite = e.b.fcmp(FloatCC::Eq, size, inf);
    let zero = e.b.fconst(Ty::F64, 0.0);
    let rest = e.b.select(infinite, zero, rest);
    smallvec![e.b.op(Opcode::Fcopysign, &[rest, x]), whole]
}

fn frexp(e: &mut Emit, a: Operand) -> Vals {
    let x = float64(e, a);
    let out = e.scratch(8);
    let m = call(e, "float_frexp", &[x, out]);
    smallvec![m, e.b.load(Ty::I64, out, 0, Region::Stack)]
}
