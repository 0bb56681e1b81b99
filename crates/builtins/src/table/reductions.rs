//! Reductions and cumulative functions.

use numlift_types::DType;

use crate::rule::{Cond, Elem, Order, Rank, Rule};
use crate::{Builtin, row};

const A: Elem = Elem::Of("a");
const KEEP: Order = Order::Keep(&["a"]);
const REDUCED: Rank = Rank::Reduced("a");
const INT: Elem = Elem::Is(DType::I64);
const BOOL: Elem = Elem::Is(DType::Bool);

/// A reduction of `a` that gives this dtype.
const fn reduced(e: Elem) -> Rule {
    Rule::New(e, REDUCED, KEEP)
}

const SUM: Rule = reduced(Elem::Dtype(&Elem::Sum(&A)));
const MEAN: Rule = reduced(Elem::Dtype(&Elem::Inexact(&A)));
const SPREAD: Rule = reduced(Elem::Real(&Elem::Dtype(&Elem::Inexact(&A))));
const ELEMENT: Rule = reduced(A);

/// Cumulative: of the flat array without an axis.
const RUNNING: Rule = Rule::New(
    Elem::Dtype(&Elem::Sum(&A)),
    Rank::If(&Cond::Given("axis"), &Rank::Of("a"), &Rank::Is(1)),
    KEEP,
);

/// `np.median`: the mean of two elements
const MEDIAN: Rule = Rule::If(
    &Cond::True("overwrite_input", false),
    &Rule::Dynamic,
    &reduced(Elem::Inexact(&A)),
);

/// Methods that pick an element.
const PICKS: Cond = Cond::Any(&[
    Cond::Text("method", "lower"),
    Cond::Text("method", "higher"),
    Cond::Text("method", "nearest"),
    Cond::Text("method", "inverted_cdf"),
    Cond::Text("method", "closest_observation"),
]);
/// A percentile for each of `q`
const PERCENTILE: Rule = Rule::If(
    &Cond::True("overwrite_input", false),
    &Rule::Dynamic,
    &Rule::New(
        Elem::If(&PICKS, &A, &Elem::Inexact(&Elem::Common(&["a", "q"]))),
        Rank::Sum(&Rank::Broadcast(&["q"]), &REDUCED),
        Order::Any,
    ),
);

const WEIGHTED: Elem = Elem::If(
    &Cond::Given("weights"),
    &Elem::If(
        &Cond::Any(&[Cond::Integer("a"), Cond::Bool("a")]),
        &Elem::If(
            &Cond::Complex("weights"),
            &Elem::Is(DType::C128),
            &Elem::Is(DType::F64),
        ),
        &Elem::Common(&["a", "weights"]),
    ),
    &Elem::Inexact(&A),
);
const AVERAGE: Rule = Rule::If(
    &Cond::True("returned", false),
    &Rule::Tuple(&[reduced(WEIGHTED), reduced(WEIGHTED)]),
    &reduced(WEIGHTED),
);

const AXIS: &str = "a, axis=None, dtype=None, out=None, keepdims=False, initial=0, where=True";
const EXTREME: &str = "a, axis=None, out=None, keepdims=False, initial=0, where=True";
const STD: &str =
    "a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, where=True, mean=None, correction=0";
const PART: &str =
    "a, q, axis=None, out=None, overwrite_input=False, method='linear', keepdims=False, *, weights=None";

const SUMS: &[&str] = &[
    "{x}",
    "{x}, axis={axis}",
    "{x}, {axis}",
    "{x}, axis={axes}",
    "{x}, axis=None",
    "{x}, axis={axis}, keepdims=True",
    "{x}, keepdims=True",
    "{n}, dtype=np.float64",
    "{i}, axis={axis}, dtype=np.int16",
    "{n}, {axis}, None, None, True",
    "{n}, initial=3",
    "{x2}, axis=0, where={=b}",
    "{f2}, out={f1}, axis=0",
    "{s}",
];
const EXTREMES: &[&str] = &[
    "{x}",
    "{x}, axis={axis}",
    "{x}, axis={axes}",
    "{x}, axis={axis}, keepdims=True",
    "{x}, keepdims=True",
    "{r}, initial=3",
    "{f2}, axis=0, where={=b}, initial=0",
    "{f2:64}, 0, {f1:64}",
];
const MEANS: &[&str] = &[
    "{x}",
    "{x}, axis={axis}",
    "{x}, axis={axes}",
    "{x}, {axis}, keepdims=True",
    "{x}, keepdims=True",
    "{f}, dtype=np.float64",
    "{x2}, axis=1, where={=b}",
    "{f2:64}, 0, None, {f1:64}",
];
const SPREADS: &[&str] = &[
    "{x}",
    "{x}, axis={axis}",
    "{x}, axis={axes}, ddof=1",
    "{x}, {axis}, keepdims=True",
    "{c}, ddof={float}",
    "{f}, dtype=np.float64",
];
const TRUTHS: &[&str] = &[
    "{x}",
    "{x}, axis={axis}",
    "{x}, axis={axes}",
    "{x}, {axis}, keepdims=True",
    "{x}, where={=b}",
];
const INDICES: &[&str] = &[
    "{x}",
    "{x}, axis={axis}",
    "{x}, {axis}, keepdims=True",
    "{x}, keepdims=True",
];
const RUNS: &[&str] = &[
    "{x}",
    "{x}, axis={axis}",
    "{x}, {axis}",
    "{i}, dtype=np.float64",
    "{f1:64}, out={=}",
];
const NAN_AXIS: &[&str] = &[
    "{x}",
    "{x}, axis={axis}",
    "{x}, axis={axes}",
    "{x}, axis={axis}, keepdims=True",
];
const NAN_FLOATS: &[&str] = &[
    "{c}",
    "{c}, axis={axis}",
    "{f}, axis={axis}, keepdims=True",
    "{r}, axis=0",
];
const PARTS: &[&str] = &[
    "{r}, {q}",
    "{r}, {q}, axis={axis}",
    "{f}, {q}, axis={axis}, keepdims=True",
    "{f:nonempty}, ({q}, 0.5)",
    "{f:nonempty}, ({q}, 0.5), axis=0",
    "{f2:nonempty}, {f1:unit}, axis=0",
    "{r}, {q}, method='lower'",
];

pub const ROWS: &[Builtin] = &[
    row("numpy.sum", AXIS, SUM, SUMS).method(),
    row("numpy.prod", AXIS, SUM, SUMS).method(),
    row("numpy.max", EXTREME, ELEMENT, EXTREMES).method(),
    row("numpy.min", EXTREME, ELEMENT, EXTREMES).method(),
    row("numpy.amax", EXTREME, ELEMENT, EXTREMES),
    row("numpy.amin", EXTREME, ELEMENT, EXTREMES),
    row(
        "numpy.ptp",
        "a, axis=None, out=None, keepdims=False",
        ELEMENT,
        &["{n}", "{n}, axis={axis}", "{n}, {axis}, keepdims=True"],
    ),
    row(
        "numpy.mean",
        "a, axis=None, dtype=None, out=None, keepdims=False, *, where=True",
        MEAN,
        MEANS,
    )
    .method(),
    row("numpy.std", STD, SPREAD, SPREADS).method(),
    row("numpy.var", STD, SPREAD, SPREADS).method(),
    row(
        "numpy.any",
        "a, axis=None, out=None, keepdims=False, *, where=True",
        reduced(BOOL),
        TRUTHS,
    )
    .method(),
    row(
        "numpy.all",
        "a, axis=None, out=None, keepdims=False, *, where=True",
        reduced(BOOL),
        TRUTHS,
    )
    .method(),
    row(
        "numpy.argmax",
        "a, axis=None, out=None, *, keepdims=False",
        reduced(INT),
        INDICES,
    )
    .method(),
    row(
        "numpy.argmin",
        "a, axis=None, out=None, *, keepdims=False",
        reduced(INT),
        INDICES,
    )
    .method(),
    row(
        "numpy.count_nonzero",
        "a, axis=None, *, keepdims=False",
        reduced(INT),
        &[
            "{x}",
            "{x}, axis={axis}",
            "{x}, axis={axes}",
            "{x}, axis={axis}, keepdims=True",
        ],
    ),
    row(
        "numpy.median",
        "a, axis=None, out=None, overwrite_input=False, keepdims=False",
        MEDIAN,
        &[
            "{n}",
            "{n}, axis={axis}",
            "{f}, axis={axis}, keepdims=True",
            "{f}, axis={axes}",
        ],
    ),
    row("numpy.percentile", PART, PERCENTILE, PARTS),
    row("numpy.quantile", PART, PERCENTILE, PARTS),
    row(
        "numpy.average",
        "a, axis=None, weights=None, returned=False, *, keepdims=False",
        AVERAGE,
        &[
            "{x}",
            "{x}, axis={axis}",
            "{x:nonempty}, weights={=f}",
            "{x2:nonempty}, axis=0, weights={=f}",
            "{n}, {axis}, keepdims=True",
            "{x:nonempty}, returned=True",
            "{i1:nonempty}, 0, {=i}, True",
        ],
    ),
    row(
        "numpy.cumsum",
        "a, axis=None, dtype=None, out=None",
        RUNNING,
        RUNS,
    )
    .method(),
    row(
        "numpy.cumprod",
        "a, axis=None, dtype=None, out=None",
        RUNNING,
        RUNS,
    )
    .method(),
    row("numpy.nansum", AXIS, SUM, NAN_AXIS),
    row("numpy.nanprod", AXIS, SUM, NAN_AXIS),
    row("numpy.nanmax", EXTREME, ELEMENT, NAN_FLOATS),
    row("numpy.nanmin", EXTREME, ELEMENT, NAN_FLOATS),
    row(
        "numpy.nanmean",
        "a, axis=None, dtype=None, out=None, keepdims=False, *, where=True",
        MEAN,
        NAN_AXIS,
    ),
    row("numpy.nanstd", STD, SPREAD, NAN_AXIS),
    row("numpy.nanvar", STD, SPREAD, NAN_AXIS),
    row(
        "numpy.nanargmax",
        "a, axis=None, out=None, *, keepdims=False",
        reduced(INT),
        NAN_FLOATS,
    ),
    row(
        "numpy.nanargmin",
        "a, axis=None, out=None, *, keepdims=False",
        reduced(INT),
        NAN_FLOATS,
    ),
    row(
        "numpy.nancumsum",
        "a, axis=None, dtype=None, out=None",
        RUNNING,
        RUNS,
    ),
    row(
        "numpy.nancumprod",
        "a, axis=None, dtype=None, out=None",
        RUNNING,
        RUNS,
    ),
    row(
        "numpy.nanmedian",
        "a, axis=None, out=None, overwrite_input=False, keepdims=False",
        MEDIAN,
        NAN_FLOATS,
    ),
    row("numpy.nanpercentile", PART, PERCENTILE, PARTS),
    row("numpy.nanquantile", PART, PERCENTILE, PARTS),
    row(
        "numpy.trapezoid",
        "y, x=None, dx=1.0, axis=-1",
        Rule::New(
            Elem::Inexact(&Elem::Common(&["y", "x", "dx"])),
            Rank::Plus(&Rank::Of("y"), -1),
            Order::Keep(&["y", "x"]),
        ),
        &[
            "{n1}",
            "{n}",
            "{n1}, {=f}",
            "{f}, dx={float}",
            "{n2}, axis=0",
            "{n}, None, {float}, {axis}",
        ],
    ),
    row(
        "numpy.trace",
        "a, offset=0, axis1=0, axis2=1, dtype=None, out=None",
        Rule::New(
            Elem::Dtype(&Elem::Sum(&A)),
            Rank::Plus(&Rank::Of("a"), -2),
            Order::Any,
        ),
        &[
            "{x2}",
            "{x3}",
            "{x2}, {int:-2:2}",
            "{n2}, dtype=np.float64",
            "{x3}, 0, 1, 2",
        ],
    )
    .method(),
];
