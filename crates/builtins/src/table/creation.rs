//! New arrays.

use numlift_types::DType;

use crate::rule::{Cond, Count, Elem, Order, Rank, Rule};
use crate::{Builtin, Kind, row};

const F64: Elem = Elem::Is(DType::F64);
const A: Elem = Elem::Of("a");
/// What has no axes would be an array without axes.
const fn with_axes(rule: &'static Rule, name: &'static Cond) -> Rule {
    Rule::If(name, rule, &Rule::Dynamic)
}

const FULL: Rule = with_axes(
    &Rule::New(
        Elem::Dtype(&Elem::Of("fill_value")),
        Rank::Shape("shape"),
        Order::Given(&[]),
    ),
    &Cond::Scalar("fill_value"),
);
const LIKE: Rule = with_axes(
    &Rule::New(Elem::Dtype(&A), Rank::Of("a"), Order::Given(&["a"])),
    &Cond::Array("a"),
);

/// Of an array or of nested sequences.
const ARRAY: Rule = Rule::If(
    &Cond::Any(&[Cond::Array("object"), Cond::Sequence("object")]),
    &Rule::If(
        &Cond::True("copy", true),
        &Rule::New(
            Elem::Dtype(&Elem::Of("object")),
            Rank::Of("object"),
            Order::Given(&["object"]),
        ),
        &Rule::Dynamic,
    ),
    &Rule::Dynamic,
);
/// An array as it is, or one in another form.
const AS_ARRAY: Rule = Rule::If(
    &Cond::Array("a"),
    &Rule::If(
        &Cond::Any(&[Cond::Given("dtype"), Cond::Given("order")]),
        &Rule::View("a", Elem::Dtype(&A), Rank::Of("a"), Order::Given(&["a"])),
        &Rule::Same("a"),
    ),
    &with_axes(
        &Rule::New(Elem::Dtype(&A), Rank::Of("a"), Order::Given(&[])),
        &Cond::Sequence("a"),
    ),
);
const CONTIGUOUS: Rule = with_axes(
    &Rule::View("a", Elem::Dtype(&A), Rank::Of("a"), Order::C),
    &Cond::Array("a"),
);
const FORTRAN: Rule = with_axes(
    &Rule::View("a", Elem::Dtype(&A), Rank::Of("a"), Order::Any),
    &Cond::Array("a"),
);

const STEPS: Rank = Rank::Plus(&Rank::Broadcast(&["start", "stop"]), 1);
const ENDS: Elem = Elem::Dtype(&Elem::Inexact(&Elem::Common(&["start", "stop"])));
const LINSPACE: Rule = Rule::If(
    &Cond::True("retstep", false),
    &Rule::Dynamic,
    &Rule::New(ENDS, STEPS, Order::Keep(&["start", "stop"])),
);
const EYE: Rule = Rule::New(Elem::Dtype(&F64), Rank::Is(2), Order::Given(&[]));
const TRIANGLE: Rule = with_axes(
    &Rule::New(
        Elem::Of("m"),
        Rank::AtLeast(&Rank::Of("m"), 2),
        Order::Keep(&["m"]),
    ),
    &Cond::Array("m"),
);
const DIAG: Rule = Rule::If(
    &Cond::Rank("v", 1),
    &Rule::New(Elem::Of("v"), Rank::Is(2), Order::C),
    &Rule::Readonly("v", Elem::Of("v"), Rank::Is(1), Order::Any),
);
const MESH: Rule = Rule::If(
    &Cond::All(&[Cond::True("copy", true), Cond::Not(&Cond::True("sparse", false))]),
    &Rule::Each(
        "xi",
        &Rule::New(Elem::Of("each"), Rank::Arguments("xi"), Order::C),
    ),
    &Rule::Dynamic,
);

const LIKE_COPY: Rule = with_axes(
    &Rule::New(A, Rank::Of("a"), Order::Given(&["a"])),
    &Cond::Array("a"),
);
const METHOD_COPY: Rule = Rule::If(
    &Cond::Given("order"),
    &LIKE_COPY,
    &Rule::New(A, Rank::Of("a"), Order::C),
);
const AS_ARRAY_COPY: Rule = Rule::If(&Cond::Given("copy"), &Rule::Dynamic, &AS_ARRAY);
const EYE_C: Rule = Rule::New(Elem::Dtype(&F64), Rank::Is(2), Order::C);
const WINDOW: Rule = Rule::New(F64, Rank::Is(1), Order::C);
const PAIR: Rule = Rule::TupleOf(
    Count::Rank(&Rank::Is(2)),
    &Rule::New(Elem::Is(DType::I64), Rank::Is(1), Order::Any),
);

const LIKES: &[&str] = &[
    "{x}, {k:0:3}",
    "{n}, {float}",
    "{f}, 2.5, dtype=np.float32",
    "{x}, 1, order='C'",
];

pub const ROWS: &[Builtin] = &[
    row(
        "numpy.full",
        "shape, fill_value, dtype=None, order='C'",
        FULL,
        &[
            "{int:0:4}, {s}",
            "({int:0:3}, {int:0:3}), {s}",
            "3, {s}, dtype=np.float64",
            "({int:-1:3}, 2), {s}, order='F'",
        ],
    ),
    row(
        "numpy.full_like",
        "a, fill_value, dtype=None, order='K'",
        LIKE,
        LIKES,
    ),
    row(
        "numpy.copy",
        "a, order='K'",
        LIKE_COPY,
        &["{x}", "{x}, order='C'", "{x}, 'F'"],
    ),
    row(
        "numpy.arange",
        "start, stop=None, step=1, *, dtype=None",
        Rule::If(
            &Cond::All(&[
                Cond::Scalar("start"),
                Cond::Any(&[Cond::Not(&Cond::Given("stop")), Cond::Scalar("stop")]),
                Cond::Any(&[Cond::Not(&Cond::Given("step")), Cond::Scalar("step")]),
            ]),
            &Rule::New(
                Elem::Dtype(&Elem::Join(
                    &Elem::Is(DType::I64),
                    &Elem::Strong(&["start", "stop", "step"]),
                )),
                Rank::Is(1),
                Order::C,
            ),
            &Rule::Dynamic,
        ),
        &[
            "{int:-1:9}",
            "{int:-2:3}, {int:0:9}",
            "{int:0:9}, {int:-3:2}, -2",
            "{float}, 9",
            "9, dtype=np.float32",
        ],
    ),
    row(
        "numpy.array",
        "object, dtype=None, *, copy=True, order='K'",
        ARRAY,
        &[
            "{x}",
            "{x}, dtype=np.float64",
            "{x}, order='C'",
            "{x}, order='F'",
            "[{int}, 2, 3]",
            "[{float}, {int}]",
            "[[1, 2.0, {int}], [3, 4, {float}]]",
            "(({float}, 1.5), (2, 3))",
            "[{float}, 1j]",
            "[{f1}, {=}]",
            "[[{b0}, True]]",
            "({float}, 2), np.float32",
            "[1, 2, {int}], dtype=np.complex128",
            "[[1, 2], [{int}]]",
            "[{s}, {s}]",
            "[({s}, 2), [{float}, {s}]]",
            "[{s}, {s}], float",
        ],
    )
    .kind(Kind::Array),
    row(
        "numpy.asarray",
        "a, dtype=None, order=None, *, copy=None",
        AS_ARRAY_COPY,
        &[
            "{x}",
            "{x}, dtype=np.float64",
            "{x}, order='C'",
            "[{float}, 2.0]",
            "({int}, 2), np.float32",
        ],
    ),
    row(
        "numpy.asanyarray",
        "a, dtype=None, order=None, *, copy=None",
        AS_ARRAY_COPY,
        &["{x}", "[{int}, 1]"],
    ),
    row(
        "numpy.ascontiguousarray",
        "a, dtype=None",
        CONTIGUOUS,
        &["{x}", "{x}, dtype=np.float64"],
    ),
    row(
        "numpy.asfortranarray",
        "a, dtype=None",
        FORTRAN,
        &["{x}", "{x}, dtype=np.float64"],
    ),
    row(
        "numpy.linspace",
        "start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0",
        LINSPACE,
        &[
            "{float}, {float}",
            "{int}, {int}, {int:0:7}",
            "0.0, {float}, 5, endpoint=False",
            "0, {int}, num=4, dtype=np.int32",
            "{f1}, {=}, 3",
            "{sf}, {sf}, 3",
        ],
    ),
    row(
        "numpy.logspace",
        "start, stop, num=50, endpoint=True, base=10.0, dtype=None, axis=0",
        Rule::New(ENDS, STEPS, Order::Keep(&["start", "stop"])),
        &[
            "0.0, 2.0, {int:0:7}",
            "{int:0:3}, 2, 4, base=2.0",
            "{float:0:3}, 1, 4, False",
        ],
    ),
    row(
        "numpy.geomspace",
        "start, stop, num=50, endpoint=True, dtype=None, axis=0",
        Rule::New(ENDS, STEPS, Order::Keep(&["start", "stop"])),
        &["1.0, {float:1:9}, {int:0:7}", "{int:1:3}, 20, 4"],
    ),
    row(
        "numpy.eye",
        "N, M=None, k=0, dtype=float, order='C'",
        EYE,
        &[
            "{int:0:5}",
            "{int:0:5}, {int:0:5}, {int:-2:3}",
            "3, dtype=np.int8",
            "{int:0:4}, order='F'",
        ],
    ),
    row(
        "numpy.identity",
        "n, dtype=None",
        EYE_C,
        &["{int:0:5}", "2, dtype=np.complex64"],
    ),
    row(
        "numpy.tri",
        "N, M=None, k=0, dtype=float",
        EYE_C,
        &["{int:0:5}", "3, {int:0:5}, {int:-2:3}", "3, dtype=np.int8"],
    ),
    row(
        "numpy.tril",
        "m, k=0",
        TRIANGLE,
        &["{x2}", "{x2}, {int:-2:3}", "{x3}"],
    ),
    row(
        "numpy.triu",
        "m, k=0",
        TRIANGLE,
        &["{x2}", "{x2}, {int:-2:3}", "{x3}"],
    ),
    row(
        "numpy.diag",
        "v, k=0",
        DIAG,
        &["{x1}", "{x2}", "{x1}, {int:-2:3}", "{x2}, {int:-2:3}"],
    ),
    row(
        "numpy.diagflat",
        "v, k=0",
        Rule::New(Elem::Of("v"), Rank::Is(2), Order::C),
        &["{x1}", "{x2}, {int:-2:3}"],
    ),
    row(
        "numpy.vander",
        "x, N=None, increasing=False",
        Rule::New(
            Elem::Join(&Elem::Of("x"), &Elem::Is(DType::I64)),
            Rank::Is(2),
            Order::Any,
        ),
        &["{n1}", "{n1}, {int:0:4}", "{n1}, increasing=True"],
    ),
    row(
        "numpy.meshgrid",
        "*xi, copy=True, sparse=False, indexing='xy'",
        MESH,
        &["{x1}, {x1}", "{x1}, {=x}, {=x}", "{x1}, {x1}, indexing='ij'"],
    ),
    row(
        "numpy.indices",
        "dimensions, dtype=int, sparse=False",
        Rule::If(
            &Cond::True("sparse", false),
            &Rule::Dynamic,
            &Rule::New(
                Elem::Dtype(&Elem::Is(DType::I64)),
                Rank::Plus(&Rank::Shape("dimensions"), 1),
                Order::C,
            ),
        ),
        &["({int:0:3}, {int:0:3})", "(2, 3), dtype=np.float32"],
    ),
    row("numpy.hanning", "M", WINDOW, &["{int:-1:7}"]),
    row("numpy.hamming", "M", WINDOW, &["{int:-1:7}"]),
    row("numpy.blackman", "M", WINDOW, &["{int:-1:7}"]),
    row("numpy.bartlett", "M", WINDOW, &["{int:-1:7}"]),
    row("numpy.kaiser", "M, beta", WINDOW, &["{int:-1:7}, {float:0:14}"]),
    row(
        "numpy.tril_indices",
        "n, k=0, m=None",
        PAIR,
        &["{int:0:5}", "{int:0:5}, {int:-2:3}", "3, 1, {int:0:4}"],
    ),
    row(
        "numpy.triu_indices",
        "n, k=0, m=None",
        PAIR,
        &["{int:0:5}", "{int:0:5}, {int:-2:3}", "3, 1, {int:0:4}"],
    ),
    row(
        "numpy.tril_indices_from",
        "arr, k=0",
        PAIR,
        &["{x2}", "{x2}, {int:-2:3}"],
    ),
    row(
        "numpy.triu_indices_from",
        "arr, k=0",
        PAIR,
        &["{x2}", "{x2}, {int:-2:3}"],
    ),
    row("numpy.diag_indices_from", "arr", PAIR, &["{x2:square}"]),
    row(
        "ndarray.copy",
        "a, order='C'",
        METHOD_COPY,
        &["{x}", "{x}, order='F'", "{x}, 'K'"],
    ),
];
