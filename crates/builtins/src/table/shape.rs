//! Arrays in another shape, joined, divided.

use crate::rule::{Cond, Count, Elem, Order, Rank, Rule};
use crate::{Builtin, row};

const A: Elem = Elem::Of("a");
const SAME: Rank = Rank::Of("a");
const KEEP: Order = Order::Keep(&["a"]);

const RESHAPE: Rule = Rule::View(
    "a",
    A,
    Rank::Shape("shape"),
    Order::If(&Cond::Given("order"), &Order::Any, &KEEP),
);
const RAVEL: Rule = Rule::View(
    "a",
    A,
    Rank::Is(1),
    Order::If(&Cond::Given("order"), &Order::Any, &Order::C),
);
const FLATTEN: Rule = Rule::New(A, Rank::Is(1), Order::C);
const TRANSPOSE: Rule = Rule::View("a", A, SAME, Order::Reversed("a"));
const TURNED: Rule = Rule::View("a", A, SAME, Order::Any);
const TURNED_M: Rule = Rule::View("m", Elem::Of("m"), Rank::Of("m"), Order::Any);
/// Without the axes named, of which one at least is left.
const SQUEEZE: Rule = Rule::If(
    &Cond::Given("axis"),
    &Rule::View("a", A, Rank::Reduced("a"), KEEP),
    &Rule::Dynamic,
);
const AT_LEAST_1: Rule = Rule::View(
    "each",
    Elem::Of("each"),
    Rank::AtLeast(&Rank::Of("each"), 1),
    Order::Keep(&["each"]),
);
const AT_LEAST_2: Rule = Rule::View(
    "each",
    Elem::Of("each"),
    Rank::AtLeast(&Rank::Of("each"), 2),
    Order::Keep(&["each"]),
);
const AT_LEAST_3: Rule = Rule::View(
    "each",
    Elem::Of("each"),
    Rank::AtLeast(&Rank::Of("each"), 3),
    Order::Keep(&["each"]),
);

const fn joined(r: Rank, name: &'static [&'static str], e: Elem) -> Rule {
    Rule::New(e, r, Order::Keep(name))
}

const PARTS: Rule = Rule::ListOf(
    Count::Sections("indices_or_sections"),
    &Rule::View("ary", Elem::Of("ary"), Rank::Of("ary"), Order::Any),
);

const TUP: Elem = Elem::Dtype(&Elem::Of("tup"));
const ARRAYS: Elem = Elem::Dtype(&Elem::Of("arrays"));
/// One axis without an axis.
const FLAT_OR_SAME: Rank = Rank::If(&Cond::Given("axis"), &SAME, &Rank::Is(1));
const ARR_FLAT_OR_SAME: Rank = Rank::If(&Cond::Given("axis"), &Rank::Of("arr"), &Rank::Is(1));

pub const ROWS: &[Builtin] = &[
    row(
        "numpy.reshape",
        "a, shape, order='C', *, copy=None",
        RESHAPE,
        &[
            "{x}, -1",
            "{x}, (-1,)",
            "{x1}, (1, -1)",
            "{x2}, (-1, 1)",
            "{x}, (1, -1), order='F'",
            "{x2}, ({int:0:4}, 2)",
        ],
    ),
    row(
        "ndarray.reshape",
        "a, *shape, order='C', copy=None",
        RESHAPE,
        &[
            "{x}, -1",
            "{x}, 1, -1",
            "{x}, (-1, 1)",
            "{x2}, {int:0:4}, 2",
            "{x}, 1, -1, order='F'",
        ],
    ),
    row("numpy.ravel", "a, order='C'", RAVEL, &["{x}", "{x}, order='F'"]).method(),
    row(
        "ndarray.flatten",
        "a, order='C'",
        FLATTEN,
        &["{x}", "{x}, 'F'", "{x}, order='K'"],
    ),
    row(
        "numpy.transpose",
        "a, axes=None",
        Rule::If(&Cond::Given("axes"), &TURNED, &TRANSPOSE),
        &["{x}", "{x2}, (1, 0)", "{x3}, axes=(2, 0, 1)"],
    ),
    row(
        "ndarray.transpose",
        "a, *axes",
        Rule::If(&Cond::Given("axes"), &TURNED, &TRANSPOSE),
        &["{x}", "{x2}, 1, 0", "{x3}, (2, 0, 1)", "{x3}, {int:0:2}, 2, 1"],
    ),
    row(
        "numpy.permute_dims",
        "a, axes=None",
        Rule::If(&Cond::Given("axes"), &TURNED, &TRANSPOSE),
        &["{x}", "{x3}, (2, 0, 1)"],
    ),
    row(
        "numpy.matrix_transpose",
        "x",
        Rule::View("x", Elem::Of("x"), Rank::Of("x"), Order::Any),
        &["{x2}", "{x3}", "{x1}"],
    ),
    row(
        "numpy.swapaxes",
        "a, axis1, axis2",
        TURNED,
        &["{x2}, 0, 1", "{x3}, {axis}, {axis}", "{x}, {int:-3:3}, 0"],
    )
    .method(),
    row(
        "numpy.moveaxis",
        "a, source, destination",
        TURNED,
        &["{x}, 0, -1", "{x3}, (0, 1), (2, 0)", "{x}, {axis}, {axis}"],
    ),
    row(
        "numpy.rollaxis",
        "a, axis, start=0",
        TURNED,
        &["{x}, {axis}", "{x3}, 2, 1"],
    ),
    row(
        "numpy.squeeze",
        "a, axis=None",
        SQUEEZE,
        &["{x2:thin}, axis=0", "{x3:thin}, (0,)", "{x3:thin}, 0", "{x2}, 0"],
    )
    .method()
    .limits("with `axis`"),
    row(
        "numpy.expand_dims",
        "a, axis",
        Rule::View("a", A, Rank::WithAxes(&SAME, "axis"), KEEP),
        &["{x}, 0", "{x}, -1", "{x1}, axis=1", "{x}, (0, 2)", "{x}, {axis}"],
    ),
    row(
        "numpy.broadcast_to",
        "array, shape",
        Rule::Readonly("array", Elem::Of("array"), Rank::Shape("shape"), Order::Any),
        &[
            "{x1}, (2, 3)",
            "{x1:thin}, (2, {int:0:4})",
            "{x1:thin}, {int:0:4}",
        ],
    )
    .limits("of an array"),
    row(
        "numpy.atleast_1d",
        "*arys",
        Rule::One("arys", &AT_LEAST_1),
        &["{x}", "{x}, {x1}"],
    ),
    row(
        "numpy.atleast_2d",
        "*arys",
        Rule::One("arys", &AT_LEAST_2),
        &["{x}", "{x1}, {x1}"],
    ),
    row(
        "numpy.atleast_3d",
        "*arys",
        Rule::One("arys", &AT_LEAST_3),
        &["{x}"],
    ),
    row(
        "numpy.concatenate",
        "arrays, axis=0, out=None, *, dtype=None",
        Rule::If(
            &Cond::IsNone("axis"),
            &joined(Rank::Is(1), &["arrays"], ARRAYS),
            &joined(Rank::Item("arrays"), &["arrays"], ARRAYS),
        ),
        &[
            "({x}, {=})",
            "[{x}, {=}]",
            "({x}, {=x}), axis={axis}",
            "({x1}, {x1}, {n1})",
            "({x}, {x}), axis=None",
            "({n1}, {n1}), dtype=np.float64",
            "({f1}, ({float}, 2))",
            "({x}, {x})",
        ],
    ),
    row(
        "numpy.concat",
        "arrays, axis=0, out=None, *, dtype=None",
        joined(Rank::Item("arrays"), &["arrays"], ARRAYS),
        &["({x}, {=})"],
    ),
    row(
        "numpy.stack",
        "arrays, axis=0, out=None, *, dtype=None",
        joined(Rank::Of("arrays"), &["arrays"], ARRAYS),
        &[
            "({x}, {=})",
            "[{x}, {=x}]",
            "({x}, {=}), axis=-1",
            "({x}, {=}), {axis}",
            "({x}, {x})",
            "[{float}, {int}]",
        ],
    ),
    row(
        "numpy.hstack",
        "tup, *, dtype=None",
        joined(Rank::AtLeast(&Rank::Item("tup"), 1), &["tup"], TUP),
        &["({x}, {=})", "[{x1}, {x1}]", "({float}, {int})", "({x}, {x})"],
    ),
    row(
        "numpy.vstack",
        "tup, *, dtype=None",
        joined(Rank::AtLeast(&Rank::Item("tup"), 2), &["tup"], TUP),
        &["({x}, {=})", "[{x1}, {=x}]", "({float}, {int})"],
    ),
    row(
        "numpy.dstack",
        "tup",
        joined(Rank::AtLeast(&Rank::Item("tup"), 3), &["tup"], Elem::Of("tup")),
        &["({x}, {=})", "({x1}, {=x})"],
    ),
    row(
        "numpy.column_stack",
        "tup",
        joined(Rank::AtLeast(&Rank::Item("tup"), 2), &["tup"], Elem::Of("tup")),
        &["({x1}, {=})", "({x2}, {=x})"],
    ),
    row(
        "numpy.split",
        "ary, indices_or_sections, axis=0",
        PARTS,
        &[
            "{x}, 2",
            "{x}, (1, 2)",
            "{x}, [{int:0:3}], axis={axis}",
            "{x}, 1, {axis}",
        ],
    )
    .limits("into a constant number of parts"),
    row(
        "numpy.array_split",
        "ary, indices_or_sections, axis=0",
        PARTS,
        &["{x}, 3", "{x}, (1, 2), axis={axis}"],
    )
    .limits("into a constant number of parts"),
    row(
        "numpy.hsplit",
        "ary, indices_or_sections",
        PARTS,
        &["{x}, 2", "{x}, (1,)"],
    )
    .limits("into a constant number of parts"),
    row(
        "numpy.vsplit",
        "ary, indices_or_sections",
        PARTS,
        &["{x2}, 2", "{x2}, (1,)"],
    )
    .limits("into a constant number of parts"),
    row(
        "numpy.dsplit",
        "ary, indices_or_sections",
        PARTS,
        &["{x3}, 2", "{x3}, (1,)"],
    )
    .limits("into a constant number of parts"),
    row(
        "numpy.tile",
        "A, reps",
        Rule::New(
            Elem::Of("A"),
            Rank::Larger(&Rank::Of("A"), &Rank::Shape("reps")),
            Order::Keep(&["A"]),
        ),
        &["{x}, {int:0:3}", "{x}, (2, {int:0:3})", "{x1}, (2, 1, 2)"],
    ),
    row(
        "numpy.repeat",
        "a, repeats, axis=None",
        Rule::New(A, FLAT_OR_SAME, Order::C),
        &[
            "{x}, {int:0:3}",
            "{x}, 2, axis={axis}",
            "{x}, (1, 2, 0), axis=0",
            "{x1}, {=u}",
        ],
    )
    .method(),
    row(
        "numpy.roll",
        "a, shift, axis=None",
        Rule::New(A, SAME, KEEP),
        &[
            "{x}, {int:-4:4}",
            "{x}, {int:-4:4}, axis={axis}",
            "{x2}, (1, {int}), axis=(0, 1)",
        ],
    ),
    row(
        "numpy.flip",
        "m, axis=None",
        TURNED_M,
        &["{x}", "{x}, {axis}", "{x2}, axis=(0, 1)"],
    ),
    row("numpy.fliplr", "m", TURNED_M, &["{x}"]),
    row("numpy.flipud", "m", TURNED_M, &["{x}"]),
    row(
        "numpy.rot90",
        "m, k=1, axes=None",
        TURNED_M,
        &["{x2}", "{x2}, {int:-3:5}", "{x3}, 1, (1, 2)"],
    ),
    row(
        "numpy.pad",
        "array, pad_width, mode='constant', *, constant_values=0, end_values=0, stat_length=None, reflect_type='even'",
        Rule::New(Elem::Of("array"), Rank::Of("array"), Order::Keep(&["array"])),
        &[
            "{x}, 1",
            "{x}, {int:0:3}",
            "{x}, (1, 2)",
            "{x2}, ((1, 0), ({int:0:3}, 1))",
            "{n}, 1, constant_values=3",
            "{n:nonempty}, 2, mode='edge'",
            "{n:nonempty}, 2, 'wrap'",
            "{n:nonempty}, 2, 'reflect'",
            "{n:nonempty}, 1, 'symmetric', reflect_type='odd'",
            "{f:nonempty}, (2, 1), 'linear_ramp', end_values=-1",
            "{n:nonempty}, 1, mode='mean'",
        ],
    ),
    row(
        "numpy.append",
        "arr, values, axis=None",
        Rule::New(
            Elem::Strong(&["arr", "values"]),
            ARR_FLAT_OR_SAME,
            Order::Keep(&["arr", "values"]),
        ),
        &[
            "{x}, {x}",
            "{x1}, {s}",
            "{x}, {=}, axis={axis}",
            "{x1}, ({float}, 1)",
        ],
    ),
    row(
        "numpy.insert",
        "arr, obj, values, axis=None",
        Rule::New(Elem::Of("arr"), ARR_FLAT_OR_SAME, Order::Keep(&["arr"])),
        &[
            "{x}, 0, 1",
            "{n1}, {int:-3:3}, {int}",
            "{n2}, 1, 5, axis=1",
            "{n1:nonempty}, (0, 1), 2",
        ],
    ),
    row(
        "numpy.delete",
        "arr, obj, axis=None",
        Rule::New(Elem::Of("arr"), ARR_FLAT_OR_SAME, Order::Keep(&["arr"])),
        &["{x}, 0", "{n1}, {int:-3:3}", "{n2}, 1, axis=1", "{n1}, (0, 1)"],
    ),
    row(
        "numpy.resize",
        "a, new_shape",
        Rule::New(A, Rank::Shape("new_shape"), Order::C),
        &["{x}, (2, {int:0:4})", "{x}, {int:0:9}"],
    ),
    row(
        "numpy.trim_zeros",
        "filt, trim='fb'",
        Rule::View("filt", Elem::Of("filt"), Rank::Of("filt"), Order::Any),
        &["{n1}", "{n1}, 'f'"],
    ),
    row(
        "numpy.diagonal",
        "a, offset=0, axis1=0, axis2=1",
        Rule::Readonly("a", A, Rank::Plus(&SAME, -1), Order::Any),
        &["{x2}", "{x3}", "{x2}, {int:-2:3}", "{x3}, 0, 1, 2"],
    )
    .method(),
    row(
        "ndarray.astype",
        "a, dtype, order='K', casting='unsafe', subok=True, copy=True",
        Rule::If(
            &Cond::True("copy", true),
            &Rule::New(Elem::Dtype(&A), SAME, Order::Given(&["a"])),
            &Rule::View("a", Elem::Dtype(&A), SAME, Order::Given(&["a"])),
        ),
        &[
            "{x}, np.float64",
            "{x}, dtype=np.int32",
            "{x}, 'c8'",
            "{r}, bool",
            "{x}, float, order='C'",
            "{f}, np.float32, copy=False",
            "{f:finite}, int",
            "{f}, np.int8, casting='safe'",
        ],
    ),
    row(
        "numpy.astype",
        "x, dtype, *, copy=True",
        Rule::If(
            &Cond::True("copy", true),
            &Rule::New(Elem::Dtype(&Elem::Of("x")), Rank::Of("x"), Order::Keep(&["x"])),
            &Rule::Dynamic,
        ),
        &["{x}, np.float64", "{x}, np.complex64"],
    ),
    row(
        "ndarray.view",
        "a, dtype=None",
        Rule::View("a", Elem::Dtype(&A), SAME, KEEP),
        &[
            "{f64}, np.int64",
            "{f64}, 'u8'",
            "{x}",
            "{f64}, np.uint8",
            "{i64}, np.float64",
        ],
    ),
];
