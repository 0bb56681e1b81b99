//! Sorting, searching, sets, counting, comparison as a whole.

use numlift_types::{DType, Scalar};

use crate::rule::{Cond, Count, Elem, Order, Rank, Rule};
use crate::{Builtin, row};

const A: Elem = Elem::Of("a");
const INT: Elem = Elem::Is(DType::I64);
const F64: Elem = Elem::Is(DType::F64);
const BOOL: Elem = Elem::Is(DType::Bool);
const SAME: Rank = Rank::Of("a");
const ONE: Rank = Rank::Is(1);
const KEEP: Order = Order::Keep(&["a"]);

const INDICES: Rule = Rule::New(INT, ONE, Order::C);
/// Index arrays are columns of a table.
const COLUMNS: Rule = Rule::New(INT, ONE, Order::Any);
const NONZERO: Rule = Rule::TupleOf(Count::Rank(&SAME), &COLUMNS);

/// Of the flat array where the axis is None.
const SORTED: Rule = Rule::If(
    &Cond::IsNone("axis"),
    &Rule::New(A, ONE, Order::C),
    &Rule::New(A, SAME, KEEP),
);
const ARG_SORTED: Rule = Rule::If(&Cond::IsNone("axis"), &INDICES, &Rule::New(INT, SAME, Order::Any));
const OF_AXIS: Rule = Rule::If(&Cond::Array("a"), &SORTED, &Rule::Dynamic);
const ARG_OF_AXIS: Rule = Rule::If(&Cond::Array("a"), &ARG_SORTED, &Rule::Dynamic);
const PARTITIONED: Rule = OF_AXIS;

/// Three-argument `np.where`; of scalars alone it is an array without axes.
const WHERE: Rule = Rule::If(
    &Cond::Given("x"),
    &Rule::If(
        &Cond::Any(&[Cond::Array("condition"), Cond::Array("x"), Cond::Array("y")]),
        &Rule::New(
            Elem::Common(&["x", "y"]),
            Rank::Broadcast(&["condition", "x", "y"]),
            Order::Keep(&["condition", "x", "y"]),
        ),
        &Rule::Dynamic,
    ),
    &Rule::TupleOf(Count::Rank(&Rank::Of("condition")), &COLUMNS),
);

const UNIQUE: Rule = Rule::New(
    Elem::Of("ar"),
    Rank::If(&Cond::Given("axis"), &Rank::Of("ar"), &ONE),
    Order::If(&Cond::Given("axis"), &Order::Any, &Order::C),
);
const INVERSE: Rule = Rule::New(
    INT,
    Rank::If(&Cond::Given("axis"), &ONE, &Rank::Of("ar")),
    Order::Any,
);
const FLAG_INDEX: Cond = Cond::True("return_index", false);
const FLAG_INVERSE: Cond = Cond::True("return_inverse", false);
const FLAG_COUNTS: Cond = Cond::True("return_counts", false);
/// `np.unique`: a tuple with what is asked for.
const UNIQUES: Rule = Rule::If(
    &FLAG_INDEX,
    &Rule::If(
        &FLAG_INVERSE,
        &Rule::If(
            &FLAG_COUNTS,
            &Rule::Tuple(&[UNIQUE, INDICES, INVERSE, INDICES]),
            &Rule::Tuple(&[UNIQUE, INDICES, INVERSE]),
        ),
        &Rule::If(
            &FLAG_COUNTS,
            &Rule::Tuple(&[UNIQUE, INDICES, INDICES]),
            &Rule::Tuple(&[UNIQUE, INDICES]),
        ),
    ),
    &Rule::If(
        &FLAG_INVERSE,
        &Rule::If(
            &FLAG_COUNTS,
            &Rule::Tuple(&[UNIQUE, INVERSE, INDICES]),
            &Rule::Tuple(&[UNIQUE, INVERSE]),
        ),
        &Rule::If(&FLAG_COUNTS, &Rule::Tuple(&[UNIQUE, INDICES]), &UNIQUE),
    ),
);

const FOUND: Rule = Rule::New(INT, Rank::Of("v"), Order::Keep(&["v"]));
const COUNTS: Rule = Rule::New(Elem::If(&Cond::Given("weights"), &F64, &INT), ONE, Order::C);
const HISTOGRAM: Rule = Rule::New(
    Elem::If(
        &Cond::True("density", false),
        &F64,
        &Elem::If(&Cond::Given("weights"), &Elem::Of("weights"), &INT),
    ),
    ONE,
    Order::C,
);
const EDGES: Rule = Rule::Loose(
    Elem::If(
        &Cond::Any(&[Cond::Array("bins"), Cond::Sequence("bins")]),
        &Elem::Strong(&["bins"]),
        &Elem::Inexact(&A),
    ),
    ONE,
    Order::Any,
);
const PLANE: Rule = Rule::Tuple(&[
    Rule::New(F64, Rank::Is(2), Order::Any),
    Rule::Loose(
        Elem::If(&Cond::Given("range"), &F64, &Elem::Inexact(&Elem::Of("x"))),
        ONE,
        Order::Any,
    ),
    Rule::Loose(
        Elem::If(&Cond::Given("range"), &F64, &Elem::Inexact(&Elem::Of("y"))),
        ONE,
        Order::Any,
    ),
]);

/// A set of the elements of two arrays.
const SET: Rule = Rule::New(Elem::Strong(&["ar1", "ar2"]), ONE, Order::C);
const IS_IN: Rule = Rule::New(BOOL, Rank::Positive(&Rank::Of("element")), Order::Any);
const TRUTH: Rule = Rule::Python(Scalar::PyBool);
const CLOSE: Rule = Rule::New(BOOL, Rank::Broadcast(&["a", "b"]), Order::Keep(&["a", "b"]));

pub const ROWS: &[Builtin] = &[
    row(
        "numpy.sort",
        "a, axis=-1, kind=None, order=None, *, stable=None",
        OF_AXIS,
        &[
            "{x}",
            "{x}, axis={axis}",
            "{x}, axis=None",
            "{x}, kind='stable'",
            "{x}, -1, 'mergesort'",
        ],
    ),
    row(
        "ndarray.sort",
        "a, axis=-1, kind=None, order=None, *, stable=None",
        Rule::None,
        &["{x}", "{x}, axis={axis}", "{x}, 0, 'stable'"],
    )
    .effect(),
    row(
        "numpy.argsort",
        "a, axis=-1, kind=None, order=None, *, stable=None",
        ARG_OF_AXIS,
        &[
            "{x}, kind='stable'",
            "{x}, axis={axis}, kind='stable'",
            "{x}, axis=None, kind='stable'",
            "{x}, stable=True",
            "{x}",
        ],
    )
    .method(),
    row(
        "numpy.lexsort",
        "keys, axis=-1",
        Rule::New(INT, Rank::Item("keys"), Order::Any),
        &["({x1}, {=})", "({x}, {=n})", "[{f1}, {=i}]"],
    ),
    row(
        "numpy.partition",
        "a, kth, axis=-1, kind='introselect', order=None",
        PARTITIONED,
        &[
            "{x:nonempty}, 0",
            "{x1:nonempty}, {int:-1:1}",
            "{x:nonempty}, 0, axis={axis}",
        ],
    ),
    row(
        "ndarray.partition",
        "a, kth, axis=-1, kind='introselect', order=None",
        Rule::None,
        &["{x:nonempty}, 0", "{x1}, {int:0:3}"],
    )
    .effect(),
    row(
        "numpy.argpartition",
        "a, kth, axis=-1, kind='introselect', order=None",
        ARG_OF_AXIS,
        &["{x:nonempty}, 0", "{x:nonempty}, 0, axis={axis}"],
    )
    .method(),
    row(
        "numpy.sort_complex",
        "a",
        Rule::New(
            Elem::If(&Cond::Complex("a"), &A, &Elem::Is(DType::C128)),
            SAME,
            Order::Any,
        ),
        &["{c1}", "{i64}"],
    ),
    row("numpy.nonzero", "a", NONZERO, &["{x}"]).method(),
    row("numpy.flatnonzero", "a", INDICES, &["{x}"]),
    row(
        "numpy.argwhere",
        "a",
        Rule::New(INT, Rank::Is(2), Order::Any),
        &["{x}"],
    ),
    row(
        "numpy.where",
        "condition, x=None, y=None",
        WHERE,
        &[
            "{x}",
            "{b}, {=n}, {=n}",
            "{b}, {=n}, {s}",
            "{x}, {s}, {=f}",
            "{b}, {float}, {int}",
        ],
    ),
    row(
        "numpy.select",
        "condlist, choicelist, default=0",
        Rule::New(
            Elem::Common(&["choicelist", "default"]),
            Rank::Larger(&Rank::Item("choicelist"), &Rank::Item("condlist")),
            Order::Any,
        ),
        &[
            "[{b}, {=b}], [{=n}, {=n}]",
            "[{b1}, {=b}], [{=f}, {=f}], {float}",
            "[{b}], [{=n}], default={int}",
        ],
    ),
    row(
        "numpy.searchsorted",
        "a, v, side='left', sorter=None",
        FOUND,
        &[
            "{r1:sorted}, {s}",
            "{n1:sorted}, {n}",
            "{f1:sorted}, {f2}, side='right'",
            "{r1:sorted}, {float}, 'right'",
        ],
    )
    .method(),
    row(
        "numpy.digitize",
        "x, bins, right=False",
        Rule::New(INT, Rank::Of("x"), Order::Keep(&["x"])),
        &[
            "{r}, {r1:sorted}",
            "{float}, {f1:sorted}",
            "{f}, {f1:sorted}, right=True",
        ],
    ),
    row(
        "numpy.bincount",
        "x, weights=None, minlength=0",
        COUNTS,
        &[
            "{u1}",
            "{u1}, {=f}",
            "{u1}, minlength={int:0:12}",
            "{u1}, {=i}, 3",
            "{i1}",
        ],
    ),
    row(
        "numpy.histogram",
        "a, bins=10, range=None, density=None, weights=None",
        Rule::Tuple(&[HISTOGRAM, EDGES]),
        &[
            "{r:finite}",
            "{f:finite}, {int:1:6}",
            "{f}, 4, (-1.0, {float:0:3})",
            "{f:finite}, {f1:sorted}",
            "{f:finite}, 5, density=True",
            "{f:finite}, 5, weights={=f}",
            "{i:finite}, (0, 1, {int:2:9})",
            "{f:finite}, 'sturges'",
        ],
    ),
    row(
        "numpy.histogram_bin_edges",
        "a, bins=10, range=None, weights=None",
        EDGES,
        &["{r:finite}", "{f:finite}, {int:1:6}", "{f}, 3, (0, 1)"],
    ),
    row(
        "numpy.histogram2d",
        "x, y, bins=10, range=None, density=None, weights=None",
        PLANE,
        &[
            "{f1:finite}, {=}",
            "{f1:finite}, {=}, {int:1:5}",
            "{f1:finite}, {=}, (3, 2), ((0, 1), (-1, 1))",
        ],
    ),
    row(
        "numpy.interp",
        "x, xp, fp, left=None, right=None, period=None",
        Rule::New(
            Elem::If(&Cond::Complex("fp"), &Elem::Is(DType::C128), &F64),
            Rank::Of("x"),
            Order::Any,
        ),
        &[
            "{float}, {f1:sorted}, {=f}",
            "{r}, {f1:sorted}, {f1}",
            "{f}, (0.0, 1.0, 2.0), (1.0, {float}, 3.0)",
            "{f}, (0.0, 1.0, 2.0), (1.0, {float}, 3.0), left=-1.0, right=9",
            "{f}, (0.0, 1.0, 2.0), (1.0, {float}, 3.0), period=2.5",
            "{f}, (0.0, 1.0, 2.0), (1.0, {float}, 3j)",
        ],
    ),
    row(
        "numpy.unique",
        "ar, return_index=False, return_inverse=False, return_counts=False, axis=None, *, equal_nan=True, sorted=True",
        UNIQUES,
        &[
            "{x}",
            "{x}, return_index=True",
            "{x}, return_inverse=True",
            "{x}, return_counts=True",
            "{x}, True, True, True",
            "{x2}, axis=0",
            "{f}, equal_nan=False",
        ],
    ),
    row(
        "numpy.unique_values",
        "x",
        Rule::New(Elem::Of("x"), ONE, Order::C),
        &["{x}"],
    ),
    row(
        "numpy.isin",
        "element, test_elements, assume_unique=False, invert=False, *, kind=None",
        IS_IN,
        &["{x}, {x1}", "{n}, (1, 2)", "{i}, {i1}, invert=True"],
    ),
    row(
        "numpy.intersect1d",
        "ar1, ar2, assume_unique=False, return_indices=False",
        Rule::If(
            &Cond::True("return_indices", false),
            &Rule::Tuple(&[SET, INDICES, INDICES]),
            &SET,
        ),
        &["{x}, {x}", "{n}, {n}, return_indices=True"],
    ),
    row("numpy.union1d", "ar1, ar2", SET, &["{x}, {x}"]),
    row(
        "numpy.setxor1d",
        "ar1, ar2, assume_unique=False",
        SET,
        &["{x}, {x}"],
    ),
    row(
        "numpy.setdiff1d",
        "ar1, ar2, assume_unique=False",
        Rule::New(Elem::Of("ar1"), ONE, Order::C),
        &["{x}, {x}"],
    ),
    row(
        "numpy.isclose",
        "a, b, rtol=1e-05, atol=1e-08, equal_nan=False",
        CLOSE,
        &[
            "{x}, {=}",
            "{n}, {=n}, rtol=0.5",
            "{f}, {float}",
            "{float}, {sf}",
            "{f}, {=}, equal_nan=True",
        ],
    ),
    row(
        "numpy.allclose",
        "a, b, rtol=1e-05, atol=1e-08, equal_nan=False",
        TRUTH,
        &["{x}, {=}", "{f}, {float}, atol=1e3", "{x}, {x}"],
    ),
    row(
        "numpy.array_equal",
        "a1, a2, equal_nan=False",
        TRUTH,
        &["{x}, {=}", "{f}, {=}, equal_nan=True", "{x}, {x}", "{x1}, (1, 2)"],
    ),
    row("numpy.array_equiv", "a1, a2", TRUTH, &["{x}, {=}", "{x}, {x1}"]),
    row(
        "numpy.take",
        "a, indices, axis=None, out=None, mode='raise'",
        Rule::If(
            &Cond::Array("a"),
            &Rule::New(
                A,
                Rank::Sum(
                    &Rank::If(&Cond::Given("axis"), &Rank::Plus(&SAME, -1), &Rank::Is(0)),
                    &Rank::Broadcast(&["indices"]),
                ),
                Order::C,
            ),
            &Rule::Dynamic,
        ),
        &[
            "{x}, {int:-3:3}",
            "{x}, {u}, mode='wrap'",
            "{x}, (0, {int:0:2}), axis={axis}",
            "{x}, {int:0:2}, axis={axis}",
            "{x}, [0, 1]",
            "{x:nonempty}, {i}, mode='clip'",
        ],
    )
    .method(),
    row(
        "numpy.take_along_axis",
        "arr, indices, axis=-1",
        Rule::New(
            Elem::Of("arr"),
            Rank::If(&Cond::IsNone("axis"), &ONE, &Rank::Of("arr")),
            Order::Any,
        ),
        &["{x2:nonempty}, {=o}, axis=0", "{x2:nonempty}, {=o}, 1"],
    ),
    row(
        "numpy.compress",
        "condition, a, axis=None, out=None",
        Rule::New(A, Rank::If(&Cond::Given("axis"), &SAME, &ONE), Order::C),
        &["{b1}, {x}", "(True, False), {x}, axis=0"],
    ),
    row(
        "ndarray.compress",
        "a, condition, axis=None, out=None",
        Rule::New(A, Rank::If(&Cond::Given("axis"), &SAME, &ONE), Order::C),
        &["{x}, (True, False), axis=0"],
    ),
    row(
        "numpy.extract",
        "condition, arr",
        Rule::New(Elem::Of("arr"), ONE, Order::C),
        &["{b}, {=}", "{b}, {=n}"],
    ),
    row(
        "numpy.choose",
        "a, choices, out=None, mode='raise'",
        Rule::New(
            Elem::Strong(&["choices"]),
            Rank::Larger(&SAME, &Rank::Item("choices")),
            Order::Any,
        ),
        &["{o}, ({=n}, {=n})"],
    ),
    row(
        "numpy.put",
        "a, ind, v, mode='raise'",
        Rule::None,
        &[
            "{x}, {int:-2:2}, 1",
            "{n}, (0, 1), {float}",
            "{x}, {u1}, {n1}, mode='wrap'",
        ],
    )
    .effect(),
    row(
        "ndarray.put",
        "a, indices, values, mode='raise'",
        Rule::None,
        &[
            "{x}, {int:-2:2}, 1",
            "{n}, (0, 1), {float}",
            "{n}, indices=0, values=2",
        ],
    )
    .effect(),
    row(
        "numpy.place",
        "arr, mask, vals",
        Rule::None,
        &["{x}, {=b}, {n1}", "{n}, {=b}, (1, 2)"],
    )
    .effect(),
    row(
        "numpy.putmask",
        "a, mask, values",
        Rule::None,
        &["{n}, {=b}, {n1}", "{x}, {=b}, 1"],
    )
    .effect(),
    row(
        "numpy.copyto",
        "dst, src, casting='same_kind', where=True",
        Rule::None,
        &["{f}, {=}", "{f}, {float}", "{x}, {x}", "{n}, 1, where={=b}"],
    )
    .effect(),
    row(
        "numpy.fill_diagonal",
        "a, val, wrap=False",
        Rule::None,
        &["{n2}, 3", "{f2}, {float}, wrap=True", "{f2}, {f1}"],
    )
    .effect(),
    row(
        "numpy.put_along_axis",
        "arr, indices, values, axis",
        Rule::None,
        &["{n2:nonempty}, {=o}, 1, axis=0"],
    )
    .effect(),
    row("numpy.shares_memory", "a, b", TRUTH, &["{x}, {=}"]),
    row("numpy.may_share_memory", "a, b", TRUTH, &["{x}, {=}"]),
];
