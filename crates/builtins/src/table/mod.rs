//! The rows.

mod both;
mod creation;
mod fft;
mod linalg;
mod numeric;
mod random;
mod reductions;
mod search;
mod shape;
mod ufuncs;
mod various;

use crate::{Builtin, Draw, Fill, Kind, Method, Numpy, Python, Ret};

/// Rows of functions that share module, kind and effect.
macro_rules! rows {
    ($($module:literal, $kind:expr, $effect:literal: $($name:literal)*;)*) => {
        &[$($(Builtin::new(concat!($module, $name), $kind, $effect),)*)*]
    };
}

/// Functions by canonical path; methods of arrays begin with `ndarray.`.
pub const ROWS: &[&[Builtin]] = &[
    BUILTINS,
    OWN_METHODS,
    reductions::ROWS,
    both::ROWS,
    creation::ROWS,
    shape::ROWS,
    search::ROWS,
    numeric::ROWS,
    linalg::ROWS,
    fft::ROWS,
    random::ROWS,
    various::ROWS,
    ufuncs::SUMS,
    ufuncs::ELEMENTS,
    ufuncs::TRUTHS,
    ufuncs::OUTERS,
    ufuncs::QUOTIENTS,
    ufuncs::COMPARISONS,
    ufuncs::AT_INDICES,
];

/// Rows with rules of their own.
const BUILTINS: &[Builtin] = rows! {
    "builtins.", Kind::Len, false: "len";
    "builtins.", Kind::Abs, false: "abs";
    "builtins.", Kind::Min, false: "min";
    "builtins.", Kind::Max, false: "max";
    "builtins.", Kind::Boxed(Ret::BuiltinSum), false: "sum";
    "builtins.", Kind::Pow, false: "pow";
    "builtins.", Kind::Round, false: "round";
    "builtins.", Kind::Divmod, false: "divmod";
    "builtins.", Kind::Construct(Python::Int), false: "int";
    "builtins.", Kind::Construct(Python::Float), false: "float";
    "builtins.", Kind::Construct(Python::Bool), false: "bool";
    "builtins.", Kind::Construct(Python::Complex), false: "complex";
    "builtins.", Kind::Range, false: "range";
    "numlift.", Kind::Range, false: "prange";
    "builtins.", Kind::Enumerate, false: "enumerate";
    "builtins.", Kind::Zip, false: "zip";
    "builtins.", Kind::Reversed, false: "reversed";

    "math.", Kind::Math, false:
        "acos" "acosh" "asin" "asinh" "atan" "atan2" "atanh" "cbrt" "ceil" "comb" "copysign" "cos" "cosh"
        "degrees" "erf" "erfc" "exp" "exp2" "expm1" "fabs" "factorial" "floor" "fmod" "frexp" "gcd" "isfinite"
        "isinf" "isnan" "isqrt" "lcm" "ldexp" "log" "log10" "log1p" "log2" "modf" "nextafter" "perm" "pow"
        "radians" "remainder" "sin" "sinh" "sqrt" "tan" "tanh" "trunc" "ulp";
    "math.", Kind::Hypot, false: "hypot";
    "math.", Kind::Boxed(Ret::Float), false: "dist" "fsum" "gamma" "lgamma";
    "math.", Kind::Boxed(Ret::Bool), false: "isclose";
    "math.", Kind::Boxed(Ret::Product), false: "prod";

    "cmath.", Kind::Boxed(Ret::Complex), false:
        "acos" "acosh" "asin" "asinh" "atan" "atanh" "cos" "cosh" "exp" "log" "log10" "rect" "sin" "sinh"
        "sqrt" "tan" "tanh";
    "cmath.", Kind::Boxed(Ret::Float), false: "phase";
    "cmath.", Kind::Boxed(Ret::FloatPair), false: "polar";
    "cmath.", Kind::Boxed(Ret::Bool), false: "isclose" "isfinite" "isinf" "isnan";

    "numpy.", Kind::Alloc(Fill::Zeros), false: "zeros";
    "numpy.", Kind::Alloc(Fill::Ones), false: "ones";
    "numpy.", Kind::Alloc(Fill::Empty), false: "empty";
    "numpy.", Kind::Numpy(Numpy::Info), false: "finfo" "iinfo";

    "numpy.random.", Kind::Random(Draw::Double), true: "random" "random_sample";
    "numpy.random.", Kind::Random(Draw::Rand), true: "rand";
    "numpy.random.", Kind::Random(Draw::Int), true: "randint";
    "numpy.random.", Kind::Random(Draw::Uniform), true: "uniform";
    "numpy.random.", Kind::Random(Draw::Normal), true: "normal";
    "numpy.random.", Kind::Random(Draw::StandardNormal), true: "standard_normal";
    "numpy.random.", Kind::Random(Draw::Randn), true: "randn";
    "numpy.random.", Kind::Random(Draw::Exponential), true: "exponential";
    "numpy.random.", Kind::Boxed(Ret::None), true: "seed";
};

/// Methods of arrays with rules of their own.
const OWN_METHODS: &[Builtin] = rows! {
    "ndarray.", Kind::Boxed(Ret::Item), false: "item";
    "ndarray.", Kind::Boxed(Ret::None), true: "fill";
};

/// Methods of Python's numbers and NumPy's scalars by name.
pub const NUMBER_METHODS: &[Builtin] = rows! {
    "", Kind::Method(Method::Conjugate), false: "conj" "conjugate";
    "", Kind::Method(Method::IsInteger), false: "is_integer";
    "", Kind::Method(Method::BitLength), false: "bit_length";
    "", Kind::Method(Method::BitCount), false: "bit_count";
    "", Kind::Method(Method::Item), false: "item";
    "", Kind::Method(Method::AsType), false: "astype";
};
