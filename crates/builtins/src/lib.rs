//! The function table: every supported Python builtin, `math` and NumPy function, one row each.
//!
//! A row gives the canonical path, how it is typed and lowered ([`Kind`]), and its line in the docs.

mod describe;
mod info;
mod table;

pub use info::info;
pub use table::{BUILTINS, METHODS, NUMBER_METHODS};

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
    /// `np.full(shape, value[, dtype])`
    Full,
    /// `np.full_like(a, value)`
    LikeFirst,
    /// `np.arange(...)`: one dimension, dtype of the arguments
    Arange,
    /// sum or product of an array: integers widen to 64 bits
    Sum,
    /// mean: float64 for integers
    Mean,
    /// standard deviation, variance: real, float64 for integers
    Spread,
    /// a C-contiguous copy
    Copy,
    /// `float, float`
    FloatPair,
    /// element type of the array
    Element,
    /// the Python number of an element
    Item,
    /// builtin `min` and `max` of a one-dimensional array or range
    Extreme,
    /// builtin `sum` of a tuple, one-dimensional array or range
    BuiltinSum,
    /// `math.prod` of a tuple, one-dimensional array or range
    Product,
    /// NumPy's bool
    NpBool,
    /// real or imaginary part of a scalar
    Part,
    /// angle of a float or complex scalar
    Angle,
    /// NumPy's index type
    Index,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Builtin {
    pub path: &'static str,
    pub kind: Kind,
    /// Has an effect outside the call (random draws).
    pub effect: bool,
}

/// Finds a function by canonical path (`math.sqrt`).
pub fn find(path: &str) -> Option<&'static Builtin> {
    BUILTINS.iter().find(|b| b.path == path)
}

/// Finds a method of numbers by name.
pub fn find_number_method(name: &str) -> Option<&'static Builtin> {
    NUMBER_METHODS.iter().find(|b| b.path == name)
}

/// Finds a method of arrays by name.
pub fn find_method(name: &str) -> Option<&'static Builtin> {
    METHODS.iter().find(|b| b.path == name)
}
