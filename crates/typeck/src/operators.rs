//! Typing rules of scalar operators: the family of each result, as the interpreter with NumPy 2 has it.

use numlift_syntax::hir::{BinOp, CmpOp, UnaryOp};
use numlift_types::{DType, Kind, Scalar, Type, common_dtype, weak_promote};

/// dtype that NumPy computes `a op b` in, if one of them is a NumPy scalar (NEP 50).
pub fn promote(a: Scalar, b: Scalar) -> Option<DType> {
    match (a, b) {
        (Scalar::Np(d), s) | (s, Scalar::Np(d)) => Some(weak_promote(d, s)),
        _ => None,
    }
}

/// Who computes an operation on scalars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// machine code
    Inline,
    /// the inner loop of a NumPy function with this dtype for operands and result
    Ufunc(&'static str, DType),
    /// the interpreter, on boxed operands
    Boxed(&'static str),
}

/// Who computes `a op b`. Where neither operand has the dtype of the result NumPy goes to its
/// vector loops, whose `pow` and fused complex product differ from the scalar ones in the last bit.
pub fn means(op: BinOp, a: Scalar, b: Scalar) -> Means {
    match (op, binary(op, a, b)) {
        (BinOp::Pow, Some(Scalar::PyComplex)) => Means::Boxed("_operator.pow"),
        (BinOp::Pow, Some(Scalar::Np(d))) if d.kind() == Kind::Complex => {
            Means::Ufunc("numpy._core.umath.power", d)
        }
        (BinOp::Pow | BinOp::Mul, Some(Scalar::Np(d)))
            if d.kind() >= Kind::Float && a != Scalar::Np(d) && b != Scalar::Np(d) =>
        {
            match op {
                BinOp::Pow => Means::Ufunc("numpy._core.umath.power", d),
                _ if d.kind() == Kind::Complex => Means::Ufunc("numpy._core.umath.multiply", d),
                _ => Means::Inline,
            }
        }
        _ => Means::Inline,
    }
}

/// The function that orders complex numbers as NumPy does (Python's raise); `None` where machine code compares.
pub fn compare_boxed(op: CmpOp, a: Scalar, b: Scalar) -> Option<&'static str> {
    if a.dtype().kind().max(b.dtype().kind()) != Kind::Complex {
        return None;
    }
    match op {
        CmpOp::Lt => Some("_operator.lt"),
        CmpOp::Le => Some("_operator.le"),
        CmpOp::Gt => Some("_operator.gt"),
        CmpOp::Ge => Some("_operator.ge"),
        _ => None,
    }
}

/// Family of `a op b`; `None` if it raises `TypeError` or has no static type.
/// Where the type depends on the value (`2 ** -1`), the common one.
pub fn binary(op: BinOp, a: Scalar, b: Scalar) -> Option<Scalar> {
    if op == BinOp::MatMul {
        return None;
    }
    // `complex` knows `np.float64`, which is a `float`, so it answers first.
    let Some(d) = promote(a, b).filter(|_| (a, b) != (Scalar::PyComplex, Scalar::F64)) else {
        return python_binary(op, a, b);
    };
    let d = match op {
        BinOp::Add | BinOp::Mul => d,
        BinOp::Sub if d == DType::Bool => return None,
        BinOp::Sub => d,
        BinOp::Div if d.kind() < Kind::Float => DType::F64,
        BinOp::Div => d,
        BinOp::FloorDiv | BinOp::Mod if d.kind() == Kind::Complex => return None,
        BinOp::FloorDiv | BinOp::Mod | BinOp::Pow if d == DType::Bool => DType::I8,
        BinOp::FloorDiv | BinOp::Mod | BinOp::Pow => d,
        _ if d.kind() >= Kind::Float => return None,
        BinOp::LShift | BinOp::RShift if d == DType::Bool => DType::I8,
        _ => d,
    };
    Some(Scalar::Np(d))
}

fn python_binary(op: BinOp, a: Scalar, b: Scalar) -> Option<Scalar> {
    let bitwise = matches!(op, BinOp::And | BinOp::Or | BinOp::Xor);
    let kind = a.dtype().kind().max(b.dtype().kind());
    match kind {
        Kind::Complex => {
            let defined = [BinOp::Add, BinOp::Sub, BinOp::Mul, BinOp::Div, BinOp::Pow];
            defined.contains(&op).then_some(Scalar::PyComplex)
        }
        Kind::Float => (!bitwise && !matches!(op, BinOp::LShift | BinOp::RShift)).then_some(Scalar::PyFloat),
        _ if op == BinOp::Div => Some(Scalar::PyFloat),
        Kind::Bool if bitwise => Some(Scalar::PyBool),
        _ => Some(Scalar::PyInt),
    }
}

/// Family of `op a`.
pub fn unary(op: UnaryOp, a: Scalar) -> Option<Scalar> {
    let kind = a.dtype().kind();
    match op {
        UnaryOp::Not => Some(Scalar::PyBool),
        UnaryOp::Invert if kind >= Kind::Float => None,
        UnaryOp::Neg | UnaryOp::Pos if a == Scalar::BOOL => None,
        _ if a == Scalar::PyBool => Some(Scalar::PyInt),
        _ => Some(a),
    }
}

/// Family of `a op b` for a comparison. Python's complex numbers have no order. Identity of numbers has a
/// static answer only for bools (they are singletons) and for different classes.
pub fn compare(op: CmpOp, a: Scalar, b: Scalar) -> Option<Scalar> {
    let python = a.is_python() && b.is_python();
    let complex = a.dtype().kind().max(b.dtype().kind()) == Kind::Complex;
    match op {
        CmpOp::In | CmpOp::NotIn => None,
        CmpOp::Is | CmpOp::IsNot => (a != b || a.dtype() == DType::Bool).then_some(Scalar::PyBool),
        CmpOp::Lt | CmpOp::Le | CmpOp::Gt | CmpOp::Ge if complex && python => None,
        CmpOp::Eq | CmpOp::Ne if (a, b) == (Scalar::PyComplex, Scalar::F64) => Some(Scalar::PyBool),
        _ if python => Some(Scalar::PyBool),
        _ => Some(Scalar::BOOL),
    }
}

/// Family of `abs(a)`.
pub fn abs(a: Scalar) -> Option<Scalar> {
    Some(match a {
        Scalar::PyBool => Scalar::PyInt,
        Scalar::PyComplex => Scalar::PyFloat,
        Scalar::Np(d) => Scalar::Np(d.component()),
        s => s,
    })
}

/// Family of `a.real` and `a.imag`.
pub fn part(a: Scalar) -> Scalar {
    match a {
        Scalar::PyComplex => Scalar::PyFloat,
        Scalar::PyBool => Scalar::PyInt,
        Scalar::Np(d) => Scalar::Np(d.component()),
        other => other,
    }
}

/// Family of `a.conjugate()`.
pub fn conjugate(a: Scalar) -> Option<Scalar> {
    match a {
        Scalar::PyBool => Some(Scalar::PyInt),
        Scalar::BOOL => None,
        other => Some(other),
    }
}

/// Python's number for an element of a dtype.
pub fn python_number(d: DType) -> Scalar {
    match d.kind() {
        Kind::Bool => Scalar::PyBool,
        Kind::Signed | Kind::Unsigned => Scalar::PyInt,
        Kind::Float => Scalar::PyFloat,
        Kind::Complex => Scalar::PyComplex,
    }
}

/// Family of `round(a)` without digits.
pub fn round(a: Scalar) -> Option<Scalar> {
    (a != Scalar::BOOL && a.dtype().kind() != Kind::Complex).then_some(Scalar::PyInt)
}

/// Family of `round(a, ndigits)`.
pub fn round_digits(a: Scalar) -> Option<Scalar> {
    round(a).map(|_| if a == Scalar::PyBool { Scalar::PyInt } else { a })
}

/// dtype of `np.round(a)`; `None` where it is float16 or not a number that native code holds.
pub fn numpy_round(a: Scalar) -> Option<DType> {
    (a.dtype() != DType::Bool).then_some(a.dtype())
}

/// dtype of `np.clip(a, low, high)`: the common one, Python numbers weak.
pub fn clip(args: &[Scalar]) -> Option<DType> {
    let strong = args.iter().filter(|s| s.is_numpy()).map(|s| s.dtype());
    let d = match strong.reduce(common_dtype) {
        Some(d) => args.iter().fold(d, |d, s| weak_promote(d, *s)),
        None => args.iter().map(|s| s.dtype()).reduce(common_dtype)?,
    };
    (d != DType::Bool).then_some(d)
}

/// Whether `to(from)` (`int(x)`, `np.int32(x)`) is supported; its family is `to`.
pub fn construct(to: Scalar, from: Scalar) -> bool {
    store(to.dtype(), from) || from.is_numpy()
}

/// Whether `array[i] = from` is supported for elements of `dtype`.
pub fn store(dtype: DType, from: Scalar) -> bool {
    let complex = |d: DType| d.kind() == Kind::Complex;
    dtype == DType::Bool || complex(dtype) || !complex(from.dtype())
}

/// dtype that a Python number class stands for (`dtype=float`), by canonical path.
pub fn class_dtype(path: &str) -> Option<DType> {
    match path {
        "builtins.bool" => Some(DType::Bool),
        "builtins.int" => Some(DType::I64),
        "builtins.float" => Some(DType::F64),
        "builtins.complex" => Some(DType::C128),
        _ => None,
    }
}

const FLOAT1: &[&str] = &[
    "sqrt", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh",
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "fabs", "degrees", "radians", "erf", "erfc",
    "cbrt", "ulp",
];
const FLOAT2: &[&str] = &[
    "atan2",
    "pow",
    "copysign",
    "fmod",
    "hypot",
    "remainder",
    "log",
    "nextafter",
];

/// Whether `math` takes it for an integer.
fn has_index(s: Scalar) -> bool {
    s.dtype().kind() < Kind::Float && s != Scalar::BOOL
}

/// Type of `math.name(args)`; `None` if it is not supported or raises `TypeError`.
pub fn math(name: &str, args: &[Scalar]) -> Option<Type> {
    if args.iter().any(|a| a.dtype().kind() == Kind::Complex) {
        return None;
    }
    let integers = args.iter().all(|a| has_index(*a));
    match (name, args) {
        (_, [_]) if FLOAT1.contains(&name) => Some(Type::FLOAT),
        (_, [_, _]) if FLOAT2.contains(&name) => Some(Type::FLOAT),
        ("isnan" | "isinf" | "isfinite", [_]) => Some(Type::BOOL),
        ("floor" | "ceil", [_]) => Some(Type::INT),
        ("trunc", [a]) => (a.is_python() || *a == Scalar::F64).then_some(Type::INT),
        ("modf", [_]) => Some(Type::tuple([Type::FLOAT, Type::FLOAT])),
        ("frexp", [_]) => Some(Type::tuple([Type::FLOAT, Type::INT])),
        ("ldexp", [_, Scalar::PyInt | Scalar::PyBool]) => Some(Type::FLOAT),
        ("gcd" | "lcm", _) | ("isqrt" | "factorial" | "perm", [_]) | ("comb" | "perm", [_, _])
            if integers =>
        {
            Some(Type::INT)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalar(name: &str) -> Scalar {
        match name {
            "bool" => Scalar::PyBool,
            "int" => Scalar::PyInt,
            "float" => Scalar::PyFloat,
            "complex" => Scalar::PyComplex,
            np => Scalar::Np(DType::from_name(np.trim_start_matches("np.")).expect("a dtype")),
        }
    }

    fn binop(name: &str) -> Option<BinOp> {
        use BinOp::*;
        [
            Add, Sub, Mul, Div, FloorDiv, Mod, Pow, MatMul, LShift, RShift, And, Or, Xor,
        ]
        .into_iter()
        .find(|o| format!("{o:?}") == name)
    }

    fn answer(op: &str, args: &[Scalar]) -> Option<Scalar> {
        use CmpOp::*;
        match (op, args) {
            ("Neg", [a]) => unary(UnaryOp::Neg, *a),
            ("Pos", [a]) => unary(UnaryOp::Pos, *a),
            ("Invert", [a]) => unary(UnaryOp::Invert, *a),
            ("Not", [a]) => unary(UnaryOp::Not, *a),
            ("Abs", [a]) => abs(*a),
            ("Round", [a]) => round(*a),
            (_, [a, b]) => match binop(op) {
                Some(o) => binary(o, *a, *b),
                None => {
                    let cmp = [Eq, Ne, Lt, Le, Gt, Ge, Is, IsNot]
                        .into_iter()
                        .find(|c| format!("{c:?}") == op);
                    compare(cmp.expect("a comparison"), *a, *b)
                }
            },
            _ => panic!("row {op}"),
        }
    }

    /// The table was written by the interpreter: operator, operand families, family of the result or `-`.
    #[test]
    fn agrees_with_the_interpreter() {
        let table = include_str!("../tests/data/binary_types.txt");
        let mut rows = 0;
        for line in table.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let (op, rest) = words.split_first().expect("an operator");
            let (want, names) = rest.split_last().expect("a result");
            let args: Vec<Scalar> = names.iter().map(|n| scalar(n)).collect();
            let got = answer(op, &args);
            let unsupported = op.starts_with("Is") && args[0] == args[1] && args[0].dtype() != DType::Bool;
            let want = if *want == "-" || unsupported {
                None
            } else {
                Some(scalar(want))
            };
            assert_eq!(got, want, "{line}");
            rows += 1;
        }
        assert!(rows > 6000);
    }
}
