//! The function table: every supported Python builtin, `math` and NumPy function, one row each.
//!
//! A row gives the canonical path, how it is typed and lowered ([`Kind`]), and its line in the docs. Functions that run through the
//! interpreter are [`Kind::Library`]: signature and typing rule are data, and so are the calls that the tests make of them.

mod describe;
mod info;
mod result;
mod rule;
mod signature;
mod table;

use std::collections::HashMap;
use std::sync::OnceLock;

pub use info::info;
pub use result::{Outcome, outcome};
pub use rule::{Cond, Count, Elem, Order, Rank, Rule};
pub use signature::{Arg, Bound, Param, Value, parameters};

/// How a function is typed and lowered; `typeck` and `lower` have one arm per kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Len,
    Abs,
    Min,
    Max,
    Pow,
    Round,
    Divmod,
    /// `int`, `float`, `bool`, `complex` called
    Construct(Python),
    Range,
    Enumerate,
    Zip,
    Reversed,
    /// Function of `math` on scalars, inline or from the C library: `operators::math` has its types.
    Math,
    /// `math.hypot`: two numbers natively, more of them boxed
    Hypot,
    /// Any function called through the interpreter with boxed arguments and a known result type.
    /// Exact by construction, about 100 ns a call.
    Boxed(Ret),
    /// The same by the row's signature and rule.
    Library,
    /// `np.array`: of numbers that are written out natively, else as a library function
    Array,
    /// `np.zeros`, `np.ones`, `np.empty`: shape and dtype
    Alloc(Fill),
    /// `np.zeros_like`, `np.ones_like`, `np.empty_like`
    AllocLike(Fill),
    /// Functions of NumPy with typing rules of their own.
    Numpy(Numpy),
    /// A draw from NumPy's global generator: scalars natively, arrays through the interpreter.
    Random(Draw),
    /// A method of numbers.
    Method(Method),
}

/// Methods of Python's numbers and NumPy's scalars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Conjugate,
    IsInteger,
    BitLength,
    BitCount,
    /// the Python number of a NumPy scalar
    Item,
    /// a NumPy scalar in another dtype
    AsType,
}

/// Functions of NumPy with typing rules of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numpy {
    /// `np.clip` of scalars
    Clip,
    /// `np.round` of a scalar
    Round,
    /// `np.iinfo` and `np.finfo`: only their attributes, which are constants
    Info,
}

/// Distributions of `np.random`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    /// `random(size)`
    Double,
    /// `rand(d0, d1, ...)`
    Rand,
    /// `randint(low, high, size, dtype)`
    Int,
    /// `uniform(low, high, size)`
    Uniform,
    /// `normal(loc, scale, size)`
    Normal,
    /// `standard_normal(size)`
    StandardNormal,
    /// `randn(d0, d1, ...)`
    Randn,
    /// `exponential(scale, size)`
    Exponential,
}

impl Draw {
    /// Names of the parameters, in order; those of `rand` and `randn` are the extents.
    pub const fn parameters(self) -> &'static [&'static str] {
        match self {
            Draw::Double | Draw::StandardNormal => &["size"],
            Draw::Rand | Draw::Randn => &[],
            Draw::Int => &["low", "high", "size", "dtype"],
            Draw::Uniform => &["low", "high", "size"],
            Draw::Normal => &["loc", "scale", "size"],
            Draw::Exponential => &["scale", "size"],
        }
    }
}

/// Python's number classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Python {
    Bool,
    Int,
    Float,
    Complex,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    Empty,
    Zeros,
    Ones,
}

/// Result type of a boxed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ret {
    None,
    Bool,
    Int,
    Float,
    Complex,
    /// `float, float`
    FloatPair,
    /// the Python number of an element
    Item,
    /// builtin `min` and `max` of a one-dimensional array or range
    Extreme,
    /// builtin `sum` of a tuple, one-dimensional array or range
    BuiltinSum,
    /// `math.prod` of a tuple, one-dimensional array or range
    Product,
    /// real or imaginary part of a scalar
    Part,
    /// angle of a float or complex scalar
    Angle,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Builtin {
    pub path: &'static str,
    pub kind: Kind,
    /// Has an effect outside the call (random draws, writes to an argument).
    pub effect: bool,
    /// Parameters as Python writes them; empty where `kind` has its own.
    pub signature: &'static str,
    /// What it returns: of arrays alone where `kind` knows scalars.
    pub rule: Rule,
    /// Arguments that the differential test calls it with, kinds of values in braces.
    pub cases: &'static [&'static str],
    /// It is a method of its first argument, too.
    pub method: bool,
    /// What of the signature has no static type.
    pub limits: &'static str,
}

impl Builtin {
    const fn new(path: &'static str, kind: Kind, effect: bool) -> Builtin {
        Builtin {
            path,
            kind,
            effect,
            signature: "",
            rule: Rule::Dynamic,
            cases: &[],
            method: false,
            limits: "",
        }
    }

    /// Of an array as well.
    const fn method(self) -> Builtin {
        Builtin { method: true, ..self }
    }

    /// With a kind that knows some of the calls.
    const fn kind(self, kind: Kind) -> Builtin {
        Builtin { kind, ..self }
    }

    const fn effect(self) -> Builtin {
        Builtin { effect: true, ..self }
    }

    const fn limits(self, limits: &'static str) -> Builtin {
        Builtin { limits, ..self }
    }

    /// Whether it draws from NumPy's global generator.
    pub fn draws(&self) -> bool {
        self.path.starts_with("numpy.random.")
    }

    /// What a call gives; `None` if it has no static type.
    pub fn outcome(&self, args: &[Arg]) -> Option<Outcome> {
        outcome(&self.rule, &Bound::new(self.signature, args)?)
    }

    /// The name behind the last dot.
    pub fn name(&self) -> &'static str {
        self.path.rsplit('.').next().unwrap_or(self.path)
    }
}

/// A function that is called through the interpreter.
const fn row(
    path: &'static str,
    signature: &'static str,
    rule: Rule,
    cases: &'static [&'static str],
) -> Builtin {
    Builtin {
        signature,
        cases,
        rule,
        ..Builtin::new(path, Kind::Library, false)
    }
}

/// Paths of methods that are no functions as well.
const OF_ARRAYS: &str = "ndarray.";

type Rows = HashMap<&'static str, &'static Builtin>;

/// The rows of functions.
pub fn functions() -> impl Iterator<Item = &'static Builtin> {
    let all = table::ROWS.iter().copied().flatten();
    all.filter(|b| !b.path.starts_with(OF_ARRAYS))
}

/// The rows of methods of arrays, by name.
pub fn methods() -> impl Iterator<Item = &'static Builtin> {
    let all = table::ROWS.iter().copied().flatten();
    all.filter(|b| b.method || b.path.starts_with(OF_ARRAYS))
}

/// The rows of methods of Python's numbers and NumPy's scalars, by name.
pub fn number_methods() -> impl Iterator<Item = &'static Builtin> {
    table::NUMBER_METHODS.iter()
}

/// Finds a function by canonical path (`math.sqrt`).
pub fn find(path: &str) -> Option<&'static Builtin> {
    static ROWS: OnceLock<Rows> = OnceLock::new();
    ROWS.get_or_init(|| functions().map(|b| (b.path, b)).collect())
        .get(path)
        .copied()
}

/// Finds a method of numbers by name.
pub fn find_number_method(name: &str) -> Option<&'static Builtin> {
    number_methods().find(|b| b.path == name)
}

/// Finds a method of arrays by name.
pub fn find_method(name: &str) -> Option<&'static Builtin> {
    static ROWS: OnceLock<Rows> = OnceLock::new();
    ROWS.get_or_init(|| methods().map(|b| (b.name(), b)).collect())
        .get(name)
        .copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_there_once() {
        let mut functions: Vec<&str> = functions().map(|b| b.path).collect();
        let mut methods: Vec<&str> = methods().map(Builtin::name).collect();
        for names in [&mut functions, &mut methods] {
            let n = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(n, names.len());
        }
    }

    #[test]
    fn library_rows_have_cases() {
        for b in functions().chain(methods()).filter(|b| b.kind == Kind::Library) {
            assert!(!b.cases.is_empty(), "{}", b.path);
        }
    }
}
