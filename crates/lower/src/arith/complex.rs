//! Complex arithmetic of both families.

use numlift_mir::{FloatCC, Opcode, Ty, Value};
use numlift_syntax::hir::BinOp;
use numlift_types::{DType, Scalar};
use smallvec::smallvec;

use super::conv::cast;
use super::float::{call, infinite_only_from_infinite};
use super::{Operand, fconst_like, symbol};
use crate::emit::{Emit, Vals};

/// A real or complex number as complex128.
pub fn widen(e: &mut Emit, a: Operand) -> Vals {
    cast(e, a.0.dtype(), a.1, DType::C128)
}

/// `a op b` whose result is a Python complex.
pub fn python(e: &mut Emit, op: BinOp, a: Operand, b: Operand) -> Vals {
    let (x, y) = (widen(e, a), widen(e, b));
    if op != BinOp::Div {
        return componentwise(e, op, &x, &y);
    }
    let zero = fconst_like(e, y[0], 0.0);
    let re = e.b.fcmp(FloatCC::Ne, y[0], zero);
    let im = e.b.fcmp(FloatCC::Ne, y[1], zero);
    let ok = e.b.op(Opcode::Bor, &[re, im]);
    e.replay_unless(ok, &format!("a {} b", symbol(op)), &[a, b]);
    python_div(e, &x, &y)
}

/// `a op b` of two values of the same NumPy complex dtype.
pub fn numpy(e: &mut Emit, op: BinOp, x: &Vals, y: &Vals) -> Vals {
    if op == BinOp::Div {
        numpy_div(e, x, y)
    } else {
        componentwise(e, op, x, y)
    }
}

fn componentwise(e: &mut Emit, op: BinOp, x: &Vals, y: &Vals) -> Vals {
    let mut f = |op, a, b| e.b.op(op, &[a, b]);
    match op {
        BinOp::Add => smallvec![f(Opcode::Fadd, x[0], y[0]), f(Opcode::Fadd, x[1], y[1])],
        BinOp::Sub => smallvec![f(Opcode::Fsub, x[0], y[0]), f(Opcode::Fsub, x[1], y[1])],
        _ => {
            let (rr, ii) = (f(Opcode::Fmul, x[0], y[0]), f(Opcode::Fmul, x[1], y[1]));
            let (ri, ir) = (f(Opcode::Fmul, x[0], y[1]), f(Opcode::Fmul, x[1], y[0]));
            smallvec![f(Opcode::Fsub, rr, ii), f(Opcode::Fadd, ri, ir)]
        }
    }
}

/// What Smith's method divides: numerators and denominator, by the larger part of the divisor.
struct Smith {
    re: Value,
    im: Value,
    denominator: Value,
    abs_re: Value,
    abs_im: Value,
}

fn smith(e: &mut Emit, x: &Vals, y: &Vals) -> Smith {
    let abs_re = e.b.op(Opcode::Fabs, &[y[0]]);
    let abs_im = e.b.op(Opcode::Fabs, &[y[1]]);
    let by_re = e.b.fcmp(FloatCC::Ge, abs_re, abs_im);
    let large = e.b.select(by_re, y[0], y[1]);
    let small = e.b.select(by_re, y[1], y[0]);
    let ratio = e.b.op(Opcode::Fdiv, &[small, large]);
    let scaled = e.b.op(Opcode::Fmul, &[small, ratio]);
    let denominator = e.b.op(Opcode::Fadd, &[large, scaled]);
    let re_ratio = e.b.op(Opcode::Fmul, &[x[0], ratio]);
    let im_ratio = e.b.op(Opcode::Fmul, &[x[1], ratio]);
    let re1 = e.b.op(Opcode::Fadd, &[x[0], im_ratio]);
    let re2 = e.b.op(Opcode::Fadd, &[re_ratio, x[1]]);
    let im1 = e.b.op(Opcode::Fsub, &[x[1], re_ratio]);
    let im2 = e.b.op(Opcode::Fsub, &[im_ratio, x[0]]);
    let re = e.b.select(by_re, re1, re2);
    let im = e.b.select(by_re, im1, im2);
    Smith {
        re,
        im,
        denominator,
        abs_re,
        abs_im,
    }
}

/// CPython's `_Py_c_quot`; the divisor is not zero.
fn python_div(e: &mut Emit, x: &Vals, y: &Vals) -> Vals {
    let s = smith(e, x, y);
    let re = e.b.op(Opcode::Fdiv, &[s.re, s.denominator]);
    let im = e.b.op(Opcode::Fdiv, &[s.im, s.denominator]);
    let nan = e.b.fconst(Ty::F64, f64::NAN);
    let ordered = e.b.fcmp(FloatCC::Ord, s.abs_re, s.abs_im);
    smallvec![e.b.select(ordered, re, nan), e.b.select(ordered, im, nan)]
}

/// NumPy's division: multiplies by the reciprocal; by zero gives infinities or NaN.
fn numpy_div(e: &mut Emit, x: &Vals, y: &Vals) -> Vals {
    let s = smith(e, x, y);
    let one = fconst_like(e, s.denominator, 1.0);
    let zero = fconst_like(e, s.denominator, 0.0);
    let scale = e.b.op(Opcode::Fdiv, &[one, s.denominator]);
    let size = e.b.op(Opcode::Fadd, &[s.abs_re, s.abs_im]);
    let by_zero = e.b.fcmp(FloatCC::Eq, size, zero);
    let mut part = |n, component| {
        let r = e.b.op(Opcode::Fmul, &[n, scale]);
        let z = e.b.op(Opcode::Fdiv, &[component, s.abs_re]);
        e.b.select(by_zero, z, r)
    };
    smallvec![part(s.re, x[0]), part(s.im, x[1])]
}

/// `abs(z)`: the C library's `hypot`; Python's raises `OverflowError`.
pub fn abs(e: &mut Emit, a: Operand) -> Value {
    let (re, im) = (a.1[0], a.1[1]);
    if a.0 == Scalar::Np(DType::C64) {
        return call(e, "hypotf", &[re, im]);
    }
    let r = call(e, "hypot", &[re, im]);
    if a.0 == Scalar::PyComplex {
        let ok = infinite_only_from_infinite(e, r, &[re, im]);
        e.replay_unless(ok, "abs(a)", &[a]);
    }
    r
}
