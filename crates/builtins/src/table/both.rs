//! Functions whose kind knows scalars, or C-contiguous arrays, and which have a rule for other arrays.

use crate::rule::{Cond, Elem, Order, Rank, Rule};
use crate::{Builtin, Fill, Kind, Numpy, Ret, row};

const A: Elem = Elem::Of("a");
const SAME: Rank = Rank::Of("a");
const KEEP: Order = Order::Keep(&["a"]);

const LIKE: Rule = Rule::New(Elem::Dtype(&A), SAME, Order::Given(&["a"]));
const LIKES: &[&str] = &[
    "{x}",
    "{x}, dtype=np.float32",
    "{x}, order='C'",
    "{x}, np.int16, 'F'",
];

const REAL: Rule = Rule::If(
    &Cond::Complex("val"),
    &Rule::View("val", Elem::Real(&Elem::Of("val")), Rank::Of("val"), Order::Any),
    &Rule::Same("val"),
);
/// Of real arrays it is zero and read-only.
const IMAG: Rule = Rule::If(
    &Cond::Complex("val"),
    &Rule::View("val", Elem::Real(&Elem::Of("val")), Rank::Of("val"), Order::Any),
    &Rule::Readonly("val", Elem::Of("val"), Rank::Of("val"), Order::Any),
);
const ANGLE: Rule = Rule::If(
    &Cond::Any(&[Cond::Integer("z"), Cond::Bool("z")]),
    &Rule::Dynamic,
    &Rule::New(Elem::Real(&Elem::Of("z")), Rank::Of("z"), Order::Keep(&["z"])),
);
/// Of bools it is float16.
const ROUND: Rule = Rule::If(&Cond::Bool("a"), &Rule::Dynamic, &Rule::New(A, SAME, KEEP));
const ROUNDS: &[&str] = &[
    "{n}",
    "{f}, {int:-1:3}",
    "{c}, decimals=1",
    "{i}, {int:-2:2}",
    "{f1:64}, 0, {=}",
];
const CONJUGATE: Rule = Rule::If(&Cond::Complex("a"), &Rule::New(A, SAME, KEEP), &Rule::Same("a"));

pub const ROWS: &[Builtin] = &[
    row("numpy.zeros_like", "a, dtype=None, order='K'", LIKE, LIKES).kind(Kind::AllocLike(Fill::Zeros)),
    row("numpy.ones_like", "a, dtype=None, order='K'", LIKE, LIKES).kind(Kind::AllocLike(Fill::Ones)),
    row(
        "numpy.empty_like",
        "prototype, dtype=None, order='K'",
        Rule::New(
            Elem::Dtype(&Elem::Of("prototype")),
            Rank::Of("prototype"),
            Order::Given(&["prototype"]),
        ),
        &[],
    )
    .kind(Kind::AllocLike(Fill::Empty)),
    row("numpy.real", "val", REAL, &["{x}"]).kind(Kind::Boxed(Ret::Part)),
    row("numpy.imag", "val", IMAG, &["{x}"]).kind(Kind::Boxed(Ret::Part)),
    row(
        "numpy.angle",
        "z, deg=False",
        ANGLE,
        &["{c}", "{c}, True", "{z}, deg=True"],
    )
    .kind(Kind::Boxed(Ret::Angle)),
    row("numpy.round", "a, decimals=0, out=None", ROUND, ROUNDS).kind(Kind::Numpy(Numpy::Round)),
    row("numpy.around", "a, decimals=0, out=None", ROUND, ROUNDS).kind(Kind::Numpy(Numpy::Round)),
    row("ndarray.round", "a, decimals=0, out=None", ROUND, ROUNDS),
    row(
        "numpy.clip",
        "a, a_min=None, a_max=None, out=None",
        Rule::New(
            Elem::Common(&["a", "a_min", "a_max"]),
            Rank::Broadcast(&["a", "a_min", "a_max"]),
            Order::Keep(&["a", "a_min", "a_max"]),
        ),
        &[
            "{n}, 0, {int:0:4}",
            "{x}, {s}, None",
            "{f}, -1.0, 1.0",
            "{n}, {=}, {=}",
            "{f}, a_min=0, a_max={float:0:3}",
            "{f1:64}, 0.0, 1.0, {=}",
        ],
    )
    .kind(Kind::Numpy(Numpy::Clip)),
    row(
        "ndarray.clip",
        "a, min=None, max=None, out=None",
        Rule::New(
            Elem::Common(&["a", "min", "max"]),
            Rank::Broadcast(&["a", "min", "max"]),
            Order::Keep(&["a", "min", "max"]),
        ),
        &[
            "{n}, 0, {int:0:4}",
            "{f}, -1.0, 1.0",
            "{n}, min={=}",
            "{f}, max=2",
        ],
    ),
    row("ndarray.conj", "a", CONJUGATE, &["{x}"]),
    row("ndarray.conjugate", "a", CONJUGATE, &["{x}"]),
];
