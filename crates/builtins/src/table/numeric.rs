//! Differences, products, polynomials, and what NumPy computes of each element by several ufuncs.

use numlift_types::DType;

use crate::rule::{Cond, Count, Elem, Order, Rank, Rule};
use crate::{Builtin, row};

const X: Elem = Elem::Of("x");
const ONE: Rank = Rank::Is(1);
const SAME: Rank = Rank::Of("a");

const AB: Elem = Elem::Strong(&["a", "b"]);
const AV: Rule = Rule::New(Elem::Strong(&["a", "v"]), ONE, Order::C);
const INEXACT_X: Rule = Rule::New(Elem::Inexact(&X), Rank::Of("x"), Order::Keep(&["x"]));

/// Along one axis an array, else a tuple with one for each axis.
const SLOPE: Rule = Rule::New(Elem::Inexact(&Elem::Of("f")), Rank::Of("f"), Order::Any);
const GRADIENT: Rule = Rule::If(
    &Cond::Any(&[
        Cond::Rank("f", 1),
        Cond::All(&[Cond::Given("axis"), Cond::Index("axis")]),
    ]),
    &SLOPE,
    &Rule::If(
        &Cond::Given("axis"),
        &Rule::TupleOf(Count::Rank(&Rank::Shape("axis")), &SLOPE),
        &Rule::TupleOf(Count::Rank(&Rank::Of("f")), &SLOPE),
    ),
);
const DOT: Rule = Rule::New(AB, Rank::Dot("a", "b"), Order::Keep(&["a", "b"]));
/// The last axis of both is summed.
const DOT_INNER: Rule = Rule::New(AB, Rank::Dot("a", "b"), Order::C);
const MATMUL: Rule = Rule::New(
    Elem::Strong(&["x1", "x2"]),
    Rank::Product("x1", "x2"),
    Order::Keep(&["x1", "x2"]),
);
const EINSUM: Rule = Rule::Loose(
    Elem::Dtype(&Elem::Strong(&["operands"])),
    Rank::Subscripts("subscripts"),
    Order::Any,
);

/// Of polynomials' coefficients.
const fn coefficients(e: Elem) -> Rule {
    Rule::New(e, ONE, Order::Any)
}
const POLYVAL: Rule = Rule::New(Elem::Strong(&["p", "x"]), Rank::Of("x"), Order::Keep(&["x"]));
const SUM_OF: Rule = coefficients(Elem::Strong(&["a1", "a2"]));
const POLYFIT: Rule = Rule::If(
    &Cond::Any(&[Cond::True("full", false), Cond::Given("cov")]),
    &Rule::Dynamic,
    &Rule::New(
        Elem::Join(&Elem::Is(DType::F64), &Elem::Strong(&["x", "y"])),
        Rank::Of("y"),
        Order::Any,
    ),
);

pub const ROWS: &[Builtin] = &[
    row(
        "numpy.diff",
        "a, n=1, axis=-1, prepend=None, append=None",
        Rule::Loose(
            Elem::Strong(&["a", "prepend", "append"]),
            SAME,
            Order::Keep(&["a"]),
        ),
        &[
            "{x}",
            "{x}, axis={axis}",
            "{x}, 2",
            "{n}, n={int:1:3}",
            "{f}, prepend=0.0",
            "{f1}, prepend={float}, append=1.0",
        ],
    ),
    row(
        "numpy.ediff1d",
        "ary, to_end=None, to_begin=None",
        Rule::New(Elem::Of("ary"), ONE, Order::C),
        &["{n}", "{f}, to_end={float}", "{f}, 1.0, (1.0, 2.0)"],
    ),
    row(
        "numpy.gradient",
        "f, *varargs, axis=None, edge_order=1",
        GRADIENT,
        &[
            "{n1:long}",
            "{n1:long}, {float}",
            "{n2:long}",
            "{n2:long}, axis={axis}",
            "{f2:long}, {float}, 2.0",
            "{f1:long}, {=}",
            "{f1:long}, edge_order=2",
            "{f3:long}, axis=(0, 1)",
        ],
    ),
    row(
        "numpy.convolve",
        "a, v, mode='full'",
        AV,
        &[
            "{x1}, {x1}",
            "{n1}, {n1}, 'same'",
            "{n1}, {n1}, mode='valid'",
            "{n1}, (1.0, {float})",
        ],
    ),
    row(
        "numpy.correlate",
        "a, v, mode='valid'",
        AV,
        &["{x1}, {x1}", "{n1}, {n1}, 'same'", "{n1}, {n1}, mode='full'"],
    ),
    row(
        "numpy.cross",
        "a, b, axisa=-1, axisb=-1, axisc=-1, axis=None",
        Rule::New(
            Elem::Strong(&["a", "b"]),
            Rank::Broadcast(&["a", "b"]),
            Order::Any,
        ),
        &[
            "{n1:three}, {=}",
            "{n2:three}, {n1:three}",
            "{n1:three}, (1.0, 2.0, {float})",
        ],
    ),
    row(
        "numpy.dot",
        "a, b, out=None",
        DOT,
        &[
            "{x1}, {=}",
            "{x1}, {x1}",
            "{n2:square}, {=}",
            "{n2:square}, {n1}",
            "{f2:square}, {=}",
            "{c1}, {=}",
            "{n}, {s}",
            "{n3}, {n1}",
            "{f2:square:64}, {=}, out={=}",
        ],
    ),
    row(
        "ndarray.dot",
        "a, other, out=None",
        Rule::New(
            Elem::Strong(&["a", "other"]),
            Rank::Dot("a", "other"),
            Order::Keep(&["a", "other"]),
        ),
        &["{x1}, {=}", "{n2:square}, {n1}", "{f2:square}, {=}", "{n}, {s}"],
    ),
    row(
        "numpy.vdot",
        "a, b",
        Rule::New(Elem::Strong(&["a", "b"]), Rank::Is(0), Order::C),
        &["{x1}, {=}", "{c}, {=}", "{n2}, {n1}"],
    ),
    row(
        "numpy.inner",
        "a, b",
        DOT_INNER,
        &["{x1}, {=}", "{n2}, {=}", "{n2}, {n1}", "{f1}, {=}"],
    ),
    row(
        "numpy.outer",
        "a, b, out=None",
        Rule::New(Elem::Strong(&["a", "b"]), Rank::Is(2), Order::C),
        &["{x1}, {x1}", "{x}, {n2}", "{n1}, (1.0, {float})"],
    ),
    row(
        "numpy.kron",
        "a, b",
        Rule::New(
            Elem::Strong(&["a", "b"]),
            Rank::Broadcast(&["a", "b"]),
            Order::Any,
        ),
        &["{x1}, {x1}", "{n2}, {n2}", "{n2}, {n1}"],
    ),
    row(
        "numpy.matmul",
        "x1, x2, out=None",
        MATMUL,
        &[
            "{x1}, {=}",
            "{n2:square}, {=}",
            "{n2:square}, {n1}",
            "{c2:square}, {=}",
            "{n3}, {=}",
            "{n1}, {n2}",
            "{n2}, {n2}",
        ],
    ),
    row(
        "numpy.vecdot",
        "x1, x2",
        Rule::New(
            Elem::Strong(&["x1", "x2"]),
            Rank::Plus(&Rank::Broadcast(&["x1", "x2"]), -1),
            Order::Keep(&["x1", "x2"]),
        ),
        &["{n1}, {=}", "{c2}, {=}"],
    ),
    row(
        "numpy.tensordot",
        "a, b, axes=2",
        Rule::New(
            Elem::Strong(&["a", "b"]),
            Rank::Positive(&Rank::Contracted("a", "b")),
            Order::C,
        ),
        &[
            "{n2:square}, {=}, 1",
            "{n1}, {n1}, axes=0",
            "{n2:square}, {=}, ((0,), (1,))",
            "{n3:square}, {=}, axes=([0, 1], [0, 1])",
            "{n2:square}, {=}, (1, 0)",
        ],
    ),
    row(
        "numpy.einsum",
        "subscripts, *operands, out=None, optimize=False, dtype=None",
        EINSUM,
        &[
            "'ij,jk->ik', {n2:square}, {=}",
            "'ij,jk', {n2:square}, {=}",
            "'ii', {n2:square}",
            "'ii->i', {n2:square}",
            "'ij->ji', {n2}",
            "'i,i->', {n1}, {=}",
            "'ij,ij->i', {f2}, {=}",
            "'ij,jk,kl->il', {f2:square}, {=}, {=}, optimize=True",
            "'i,j->ij', {n1}, {n1}",
            "'ij, j', {f2:square}, {f1}",
        ],
    )
    .limits("subscripts without `...`"),
    row(
        "numpy.polyval",
        "p, x",
        POLYVAL,
        &[
            "{n1}, {float}",
            "{n1}, {n}",
            "(1.0, 2, {float}), {f}",
            "[1, {int}], {int}",
            "{f1}, {sf}",
        ],
    ),
    row(
        "numpy.polyadd",
        "a1, a2",
        SUM_OF,
        &["{n1}, {n1}", "(1, {int}), {f1}"],
    ),
    row("numpy.polysub", "a1, a2", SUM_OF, &["{n1}, {n1}"]),
    row("numpy.polymul", "a1, a2", SUM_OF, &["{n1}, {n1}"]),
    row(
        "numpy.polyder",
        "p, m=1",
        coefficients(Elem::Join(&Elem::Of("p"), &Elem::Is(DType::I64))),
        &["{n1}", "{n1}, 2", "{f1}, {int:1:3}"],
    ),
    row(
        "numpy.polyint",
        "p, m=1, k=None",
        coefficients(Elem::Inexact(&Elem::Join(&Elem::Of("p"), &Elem::Is(DType::I64)))),
        &["{n1}", "{f1}, 2"],
    ),
    row(
        "numpy.polyfit",
        "x, y, deg, rcond=None, full=False, w=None, cov=None",
        POLYFIT,
        &[
            "{f1:long}, {=}, 1",
            "{f1:long}, {=}, {int:0:3}",
            "{f1:long}, {=f}, 2",
            "{i1:long}, {=f}, 1",
        ],
    ),
    row(
        "numpy.nan_to_num",
        "x, copy=True, nan=0.0, posinf=None, neginf=None",
        Rule::If(
            &Cond::True("copy", true),
            &Rule::New(X, Rank::Of("x"), Order::Keep(&["x"])),
            &Rule::Dynamic,
        ),
        &["{x}", "{c}, nan={float}", "{f}, True, 1.0, 2.0, -2.0", "{sf}"],
    ),
    row("numpy.sinc", "x", INEXACT_X, &["{n}"]),
    row(
        "numpy.i0",
        "x",
        Rule::New(Elem::Inexact(&X), Rank::Of("x"), Order::Keep(&["x"])),
        &["{r}"],
    ),
    row(
        "numpy.unwrap",
        "p, discont=None, axis=-1, *, period=6.283185307179586",
        Rule::New(Elem::Inexact(&Elem::Of("p")), Rank::Of("p"), Order::Any),
        &["{f}", "{f}, axis={axis}", "{f}, period={float:1:5}"],
    ),
    row(
        "numpy.packbits",
        "a, axis=None, bitorder='big'",
        Rule::New(
            Elem::Is(DType::U8),
            Rank::If(&Cond::Given("axis"), &SAME, &ONE),
            Order::Any,
        ),
        &["{b}", "{u}, axis={axis}", "{b}, bitorder='little'"],
    ),
    row(
        "numpy.unpackbits",
        "a, axis=None, count=None, bitorder='big'",
        Rule::New(
            Elem::Is(DType::U8),
            Rank::If(&Cond::Given("axis"), &SAME, &ONE),
            Order::Any,
        ),
        &["{u8}", "{u8}, axis={axis}", "{u8:nonempty}, count=5"],
    ),
];
