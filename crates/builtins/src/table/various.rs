//! Statistics of several variables, indices, questions about arrays.

use numlift_types::{DType, Scalar};

use crate::rule::{Cond, Count, Elem, Order, Rank, Rule};
use crate::{Builtin, row};

const F64: Elem = Elem::Is(DType::F64);
const INT: Elem = Elem::Is(DType::I64);
const TRUTH: Rule = Rule::Python(Scalar::PyBool);
const NUMBER: Rule = Rule::Python(Scalar::PyInt);
const X: Rank = Rank::Of("x");
const KEEP_X: Order = Order::Keep(&["x"]);
/// A bool for each element.
const EACH: Rule = Rule::New(Elem::Is(DType::Bool), X, KEEP_X);

/// Of one variable it is an array without axes.
const fn matrix(several: &'static Cond, rule: &'static Rule) -> Rule {
    Rule::If(several, rule, &Rule::Dynamic)
}
const COV: Rule = matrix(
    &Cond::Any(&[Cond::RankAtLeast("m", 2), Cond::Given("y")]),
    &Rule::New(
        Elem::Dtype(&Elem::Join(&F64, &Elem::Strong(&["m", "y"]))),
        Rank::Is(2),
        Order::Any,
    ),
);
const CORRELATION: Rule = matrix(
    &Cond::Any(&[Cond::RankAtLeast("x", 2), Cond::Given("y")]),
    &Rule::New(
        Elem::Dtype(&Elem::Join(&F64, &Elem::Strong(&["x", "y"]))),
        Rank::Is(2),
        Order::Any,
    ),
);
const RUNNING: Rule = Rule::New(Elem::Dtype(&Elem::Sum(&Elem::Of("x"))), X, KEEP_X);

pub const ROWS: &[Builtin] = &[
    row(
        "numpy.cov",
        "m, y=None, rowvar=True, bias=False, ddof=None, fweights=None, aweights=None, *, dtype=None",
        COV,
        &[
            "{n2:long}",
            "{f1:long}, {=}",
            "{f2:long}, rowvar=False",
            "{f2:long}, bias=True",
            "{c2:long}, ddof=0",
        ],
    )
    .limits("of several variables"),
    row(
        "numpy.corrcoef",
        "x, y=None, rowvar=True, *, dtype=None",
        CORRELATION,
        &["{n2:long}", "{f1:long}, {=}", "{f2:long}, rowvar=False"],
    )
    .limits("of several variables"),
    row(
        "numpy.unravel_index",
        "indices, shape, order='C'",
        Rule::TupleOf(
            Count::Rank(&Rank::Shape("shape")),
            &Rule::New(INT, Rank::Of("indices"), Order::Any),
        ),
        &[
            "{int:-1:8}, (2, 3)",
            "{i64}, (3, {int:1:4})",
            "{u1}, (2, 2, 2)",
            "{int:0:5}, (2, 3), 'F'",
        ],
    ),
    row(
        "numpy.ravel_multi_index",
        "multi_index, dims, mode='raise', order='C'",
        Rule::New(INT, Rank::Item("multi_index"), Order::Any),
        &[
            "({int:0:2}, {int:0:3}), (2, 3)",
            "({u1}, {=u}), (3, 3)",
            "({int}, {int}), (2, 3), mode='wrap'",
        ],
    ),
    row(
        "numpy.shape",
        "a",
        Rule::TupleOf(Count::Rank(&Rank::Of("a")), &NUMBER),
        &["{x}", "((1, 2), (3, {int}))"],
    ),
    row("numpy.ndim", "a", NUMBER, &["{x}", "{s}"]),
    row(
        "numpy.size",
        "a, axis=None",
        NUMBER,
        &["{x}", "{x}, {axis}", "{s}"],
    ),
    row("numpy.isscalar", "element", TRUTH, &["{x}", "{s}"]),
    row("numpy.iscomplexobj", "x", TRUTH, &["{x}", "{s}"]),
    row("numpy.isrealobj", "x", TRUTH, &["{x}", "{s}"]),
    row("numpy.iscomplex", "x", EACH, &["{x}"]),
    row("numpy.isreal", "x", EACH, &["{x}"]),
    row("numpy.isposinf", "x, out=None", EACH, &["{r}"]),
    row("numpy.isneginf", "x, out=None", EACH, &["{r}"]),
    row(
        "numpy.cumulative_sum",
        "x, *, axis=None, dtype=None, out=None, include_initial=False",
        RUNNING,
        &["{x1}", "{x}, axis={axis}", "{n2}, axis=0, include_initial=True"],
    ),
    row(
        "numpy.cumulative_prod",
        "x, *, axis=None, dtype=None, out=None, include_initial=False",
        RUNNING,
        &["{x1}", "{x}, axis={axis}"],
    ),
    row(
        "numpy.lib.stride_tricks.sliding_window_view",
        "x, window_shape, axis=None, *, subok=False, writeable=False",
        Rule::If(
            &Cond::True("writeable", false),
            &Rule::Dynamic,
            &Rule::Readonly(
                "x",
                Elem::Of("x"),
                Rank::Sum(&X, &Rank::Shape("window_shape")),
                Order::Any,
            ),
        ),
        &[
            "{x1:nonempty}, 1",
            "{x1:long}, {int:1:3}",
            "{x2:long}, (2, 2)",
            "{x2:long}, 2, axis={axis}",
        ],
    ),
    row(
        "numpy.linalg.multi_dot",
        "arrays, *, out=None",
        Rule::New(Elem::Of("arrays"), Rank::Item("arrays"), Order::Any),
        &["({n2:square}, {=}, {=})", "[{f2:square}, {=}]"],
    )
    .limits("of matrices"),
];
