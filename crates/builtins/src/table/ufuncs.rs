//! Methods of ufuncs: `np.add.reduce` and the like.

use numlift_types::DType;

use crate::rule::{Cond, Elem, Order, Rank, Rule};
use crate::{Builtin, row};

const ARRAY: Elem = Elem::Of("array");
const SAME: Rank = Rank::Of("array");
const SUM: Elem = Elem::Dtype(&Elem::Sum(&ARRAY));
const ELEMENT: Elem = Elem::Dtype(&ARRAY);
const BOOL: Elem = Elem::Is(DType::Bool);
const PAIR: Elem = Elem::Strong(&["A", "B"]);

/// The first axis is reduced if none is named.
const REDUCED: Rank = Rank::If(
    &Cond::Any(&[Cond::Given("axis"), Cond::IsNone("axis")]),
    &Rank::Reduced("array"),
    &Rank::If(&Cond::True("keepdims", false), &SAME, &Rank::Plus(&SAME, -1)),
);

const REDUCE: &str = "array, axis=0, dtype=None, out=None, keepdims=False, initial=None, where=True";
const ACCUMULATE: &str = "array, axis=0, dtype=None, out=None";
const AT: &str = "array, indices, axis=0, dtype=None, out=None";

const REDUCTIONS: &[&str] = &[
    "{x}",
    "{x}, {axis}",
    "{x}, axis=None",
    "{x}, axis={axes}",
    "{x}, axis={axis}, keepdims=True",
    "{n}, keepdims=True",
    "{f}, initial=2.0",
];
const RUNS: &[&str] = &["{x}", "{x}, {axis}", "{x}, axis={axis}"];
const PARTS: &[&str] = &["{x:nonempty}, (0,)", "{x:nonempty}, [0, {int:0:1}]"];
const PAIRS: &[&str] = &["{x1}, {x1}", "{n2}, {n1}", "{f1}, {=}"];

/// The rows of ufuncs whose results have this dtype.
macro_rules! reductions {
    ($dtype:expr; $($name:literal)*) => {
        &[$(
            row(concat!("numpy.", $name, ".reduce"), REDUCE, Rule::New($dtype, REDUCED, Order::Keep(&["array"])), REDUCTIONS),
            row(concat!("numpy.", $name, ".accumulate"), ACCUMULATE, Rule::New($dtype, SAME, Order::Keep(&["array"])), RUNS),
            row(concat!("numpy.", $name, ".reduceat"), AT, Rule::New($dtype, SAME, Order::Any), PARTS),
        )*]
    };
}

macro_rules! outer {
    ($dtype:expr; $($name:literal)*) => {
        &[$(
            row(
                concat!("numpy.", $name, ".outer"),
                "A, B",
                Rule::New($dtype, Rank::Sum(&Rank::Of("A"), &Rank::Of("B")), Order::Any),
                PAIRS,
            ),
        )*]
    };
}

/// Writes to its first argument.
macro_rules! at {
    ($($name:literal)*) => {
        &[$(
            row(
                concat!("numpy.", $name, ".at"),
                "a, indices, b=None",
                Rule::None,
                &["{n1}, {u1}, {float}", "{f}, (0, {int:-2:2}), 1", "{x1}, [0, {int}, 0], {n1}", "{f64}, {u1}, {f1}"],
            )
            .effect(),
        )*]
    };
}

pub const SUMS: &[Builtin] = reductions!(SUM; "add" "multiply");
pub const ELEMENTS: &[Builtin] =
    reductions!(ELEMENT; "maximum" "minimum" "fmax" "fmin" "bitwise_and" "bitwise_or" "bitwise_xor");
pub const TRUTHS: &[Builtin] = reductions!(BOOL; "logical_and" "logical_or" "logical_xor");
pub const OUTERS: &[Builtin] = outer!(PAIR; "add" "subtract" "multiply" "maximum" "minimum");
pub const QUOTIENTS: &[Builtin] = outer!(Elem::Inexact(&PAIR); "divide" "true_divide");
pub const COMPARISONS: &[Builtin] = outer!(BOOL; "equal" "not_equal" "less" "less_equal" "greater" "greater_equal" "logical_and" "logical_or");
pub const AT_INDICES: &[Builtin] = at!("add" "subtract" "multiply" "maximum" "minimum");
