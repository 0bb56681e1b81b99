//! The function table: every supported Python builtin, `math` and NumPy function, one row each.
//!
//! A row gives the canonical path, how it is typed and lowered ([`Kind`]), and its line in the docs.

mod table;

pub use table::{BUILTINS, METHODS};

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
    /// Scalar function of `math`, inline or from the C library: `operators::math` has its types.
    Math,
    /// Any function called through the interpreter with boxed arguments and a known result type.
    /// Exact by construction, about 100 ns a call.
    Boxed(Ret),
    /// `np.zeros`, `np.ones`, `np.empty`: shape and dtype
    Alloc(Fill),
    /// `np.zeros_like`, `np.ones_like`, `np.empty_like`
    AllocLike(Fill),
    /// `np.random.random`, `np.random.rand()` with no arguments: one double of the global generator
    RandomDouble,
    /// `np.random.randint(high)` / `(low, high)` scalars
    RandomInt,
    /// `np.random.uniform(low, high)` scalars
    RandomUniform,
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
    /// sum of an array: integers widen to 64 bits
    Sum,
    /// a C-contiguous copy (layout of the argument kept as `A` unless C)
    Copy,
    /// `float, float`
    FloatPair,
    /// `float, int`
    FloatInt,
    /// element type of the array
    Element,
    /// builtin `sum` of a one-dimensional array: `int` if it is empty
    BuiltinSum,
    /// float64 of NumPy
    NpFloat,
    /// random array or scalar: unsupported except for scalars (`float`)
    RandomFloat,
    /// NumPy's bool
    NpBool,
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

/// Finds a method of arrays by name.
pub fn find_method(name: &str) -> Option<&'static Builtin> {
    METHODS.iter().find(|b| b.path == name)
}
