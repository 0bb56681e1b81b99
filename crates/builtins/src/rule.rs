//! Typing rules as data: what a library function returns for the types of its arguments.
//!
//! `New(Of("a"), Reduced("a"), Keep(&["a"]))` reads: a new array with the dtype of `a`, the rank of `a` without the axes
//! in `axis`, C-contiguous if `a` is. A rule need not be certain: the type of what comes back is looked at, and a result of
//! another type is left to the interpreter. What a rule has no type for is an object.

use numlift_types::{DType, Scalar};

/// A parameter, by name.
pub type Name = &'static str;

/// A dtype.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elem {
    Is(DType),
    /// of what an argument is as an array
    Of(Name),
    /// NEP 50's of several arguments: Python numbers are weak
    Common(&'static [Name]),
    /// of several arguments as arrays: Python numbers are int64, float64, complex128
    Strong(&'static [Name]),
    Join(&'static Elem, &'static Elem),
    /// of a sum: integers widen to 64 bits
    Sum(&'static Elem),
    /// integers become float64
    Inexact(&'static Elem),
    /// of the real part
    Real(&'static Elem),
    /// with an imaginary part
    Complex(&'static Elem),
    /// the argument `dtype`, else this
    Dtype(&'static Elem),
    If(&'static Cond, &'static Elem, &'static Elem),
}

/// A number of axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rank {
    Is(u8),
    Of(Name),
    /// without the axes that the argument `axis` names; none is left if there is no such argument
    Reduced(Name),
    /// of arguments broadcast together: the largest
    Broadcast(&'static [Name]),
    /// of the items of a sequence of arrays
    Item(Name),
    /// of the array that a shape describes
    Shape(Name),
    Plus(&'static Rank, i8),
    Sum(&'static Rank, &'static Rank),
    /// the first less the second
    Less(&'static Rank, &'static Rank),
    AtLeast(&'static Rank, u8),
    /// nothing of no axes: it would be an array without axes
    Positive(&'static Rank),
    Larger(&'static Rank, &'static Rank),
    /// with as many more axes as an argument names
    WithAxes(&'static Rank, Name),
    /// number of arguments of a variadic parameter
    Arguments(Name),
    /// of a matrix product of two arguments
    Product(Name, Name),
    /// of a dot product, whose last axes are summed
    Dot(Name, Name),
    /// of `np.einsum` by its subscripts
    Subscripts(Name),
    /// summed by `np.tensordot`: both arguments less `axes`
    Contracted(Name, Name),
    If(&'static Cond, &'static Rank, &'static Rank),
}

/// The memory layout of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// C-contiguous
    C,
    /// not known
    Any,
    /// C-contiguous if the arrays are
    Keep(&'static [Name]),
    /// of `a` with its axes turned round
    Reversed(Name),
    /// as the argument `order` says; `K` is `Keep`
    Given(&'static [Name]),
    If(&'static Cond, &'static Order, &'static Order),
}

/// What is known of the arguments when compiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cond {
    /// an argument is there and not None
    Given(Name),
    /// None itself
    IsNone(Name),
    /// a bool constant, whose default is the second
    True(Name, bool),
    /// a string constant
    Text(Name, &'static str),
    /// an integer constant
    Int(Name, i64),
    /// a negative constant
    Negative(Name),
    Array(Name),
    Scalar(Name),
    /// an integer, or None
    Index(Name),
    Sequence(Name),
    Rank(Name, u8),
    RankAtLeast(Name, u8),
    Complex(Name),
    Integer(Name),
    Bool(Name),
    /// float32 or complex64
    Single(Name),
    Not(&'static Cond),
    All(&'static [Cond]),
    Any(&'static [Cond]),
}

/// How many results there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    Rank(&'static Rank),
    /// parts that a number, or indices, divide an array into
    Sections(Name),
}

/// The type of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    None,
    Python(Scalar),
    /// a new array, a NumPy scalar if it has no axes
    New(Elem, Rank, Order),
    /// the same, which may share the memory of an argument
    Loose(Elem, Rank, Order),
    /// an array that may share the memory of the argument
    View(Name, Elem, Rank, Order),
    /// the same, read-only
    Readonly(Name, Elem, Rank, Order),
    /// the argument itself
    Same(Name),
    Tuple(&'static [Rule]),
    /// a tuple with a result for each argument of a variadic parameter, which the rule calls `each`
    Each(Name, &'static Rule),
    /// the same for several arguments, for one of them its result
    One(Name, &'static Rule),
    TupleOf(Count, &'static Rule),
    ListOf(Count, &'static Rule),
    /// a named tuple of NumPy's: the place of its class, names and types of its items
    Record(&'static str, &'static [(&'static str, Rule)]),
    If(&'static Cond, &'static Rule, &'static Rule),
    /// no static type
    Dynamic,
}

impl Rule {
    /// Whether the result may share memory with an argument.
    pub fn is_view(&self) -> bool {
        match self {
            Rule::Loose(..) | Rule::View(..) | Rule::Readonly(..) | Rule::Same(_) => true,
            Rule::Tuple(items) => items.iter().any(Rule::is_view),
            Rule::TupleOf(_, r) | Rule::ListOf(_, r) | Rule::Each(_, r) | Rule::One(_, r) => r.is_view(),
            Rule::Record(_, items) => items.iter().any(|(_, r)| r.is_view()),
            Rule::If(_, a, b) => a.is_view() || b.is_view(),
            Rule::None | Rule::Python(_) | Rule::New(..) | Rule::Dynamic => false,
        }
    }
}
