//! Linear algebra.

use numlift_types::DType;

use crate::rule::{Cond, Elem, Order, Rank, Rule};
use crate::{Builtin, row};

/// What NumPy computes in: float32 and complex64 stay.
const A: Elem = Elem::Inexact(&Elem::Of("a"));
const X: Elem = Elem::Inexact(&Elem::Of("x"));
const SAME: Rank = Rank::Of("a");
const VALUES: Rank = Rank::Plus(&SAME, -1);
const STACKED: Rank = Rank::Plus(&SAME, -2);
const AB: Elem = Elem::Inexact(&Elem::Strong(&["a", "b"]));

const MATRIX: Rule = Rule::New(A, SAME, Order::Any);
const SOLVED: Rule = Rule::New(
    AB,
    Rank::If(
        &Cond::Rank("b", 1),
        &Rank::Is(1),
        &Rank::Larger(&SAME, &Rank::Of("b")),
    ),
    Order::Any,
);
const REAL_VALUES: Rule = Rule::New(Elem::Real(&A), VALUES, Order::C);
const NORM: Rule = Rule::New(Elem::Real(&X), Rank::Reduced("x"), Order::Any);
const SVD: Rule = Rule::If(
    &Cond::True("compute_uv", true),
    &Rule::Record(
        "numpy.linalg._linalg.SVDResult",
        &[("U", MATRIX), ("S", REAL_VALUES), ("Vh", MATRIX)],
    ),
    &REAL_VALUES,
);
const QR: Rule = Rule::If(
    &Cond::Text("mode", "r"),
    &MATRIX,
    &Rule::If(
        &Cond::Text("mode", "raw"),
        &Rule::Dynamic,
        &Rule::Record("numpy.linalg._linalg.QRResult", &[("Q", MATRIX), ("R", MATRIX)]),
    ),
);
const EIGH: Rule = Rule::Record(
    "numpy.linalg._linalg.EighResult",
    &[("eigenvalues", REAL_VALUES), ("eigenvectors", MATRIX)],
);
/// Of real matrices they are real or complex as the values are.
const EIG: Rule = Rule::If(
    &Cond::Complex("a"),
    &Rule::Record(
        "numpy.linalg._linalg.EigResult",
        &[
            ("eigenvalues", Rule::New(A, VALUES, Order::C)),
            ("eigenvectors", MATRIX),
        ],
    ),
    &Rule::Dynamic,
);
const SLOGDET: Rule = Rule::Record(
    "numpy.linalg._linalg.SlogdetResult",
    &[
        ("sign", Rule::New(A, STACKED, Order::C)),
        ("logabsdet", Rule::New(Elem::Real(&A), STACKED, Order::C)),
    ],
);
const LSTSQ: Rule = Rule::Tuple(&[
    Rule::New(AB, Rank::Of("b"), Order::Any),
    Rule::New(Elem::Real(&AB), Rank::Is(1), Order::Any),
    Rule::New(Elem::Is(DType::I32), Rank::Is(0), Order::C),
    Rule::New(Elem::Real(&AB), Rank::Is(1), Order::Any),
]);

pub const ROWS: &[Builtin] = &[
    row(
        "numpy.linalg.solve",
        "a, b",
        SOLVED,
        &[
            "{n2:square}, {n1}",
            "{c2:square}, {=}",
            "{f2:square}, {=f}",
            "{c3:square}, {=}",
        ],
    ),
    row(
        "numpy.linalg.inv",
        "a",
        MATRIX,
        &["{n2:square}", "{c3:square}", "{c2}"],
    ),
    row(
        "numpy.linalg.pinv",
        "a, rcond=None, hermitian=False",
        MATRIX,
        &["{n2}", "{f2}, 1e-3"],
    ),
    row(
        "numpy.linalg.det",
        "a",
        Rule::New(A, STACKED, Order::C),
        &["{n2:square}", "{c3:square}", "{c2}"],
    ),
    row(
        "numpy.linalg.slogdet",
        "a",
        SLOGDET,
        &["{n2:square}", "{c3:square}"],
    ),
    row(
        "numpy.linalg.cholesky",
        "a, *, upper=False",
        MATRIX,
        &["{c2:definite}", "{f2:square}", "{f2:definite}, upper=True"],
    ),
    row(
        "numpy.linalg.qr",
        "a, mode='reduced'",
        QR,
        &["{n2}", "{c2}, 'complete'", "{n2}, mode='r'", "{c3}"],
    ),
    row(
        "numpy.linalg.svd",
        "a, full_matrices=True, compute_uv=True, hermitian=False",
        SVD,
        &[
            "{n2}",
            "{c2}, full_matrices=False",
            "{c2}, compute_uv=False",
            "{c3}, False",
        ],
    ),
    row(
        "numpy.linalg.svdvals",
        "x",
        Rule::New(Elem::Real(&X), Rank::Plus(&Rank::Of("x"), -1), Order::C),
        &["{n2}", "{c3}"],
    ),
    row("numpy.linalg.eig", "a", EIG, &["{z2:square}"]).limits("of complex matrices"),
    row(
        "numpy.linalg.eigvals",
        "a",
        Rule::If(
            &Cond::Complex("a"),
            &Rule::New(A, VALUES, Order::C),
            &Rule::Dynamic,
        ),
        &["{z2:square}"],
    )
    .limits("of complex matrices"),
    row(
        "numpy.linalg.eigh",
        "a, UPLO='L'",
        EIGH,
        &["{c2:definite}", "{n2:square}", "{f2:square}, 'U'", "{c3:square}"],
    ),
    row(
        "numpy.linalg.eigvalsh",
        "a, UPLO='L'",
        REAL_VALUES,
        &["{c2:definite}", "{n2:square}", "{c3:square}"],
    ),
    row(
        "numpy.linalg.lstsq",
        "a, b, rcond=None",
        LSTSQ,
        &["{n2:square}, {n1}", "{f2}, {=}", "{f2:square}, {=}, rcond=1e-3"],
    ),
    row(
        "numpy.linalg.matrix_rank",
        "A, tol=None, hermitian=False, *, rtol=None",
        Rule::New(Elem::Is(DType::I64), Rank::Plus(&Rank::Of("A"), -2), Order::C),
        &["{n2}", "{c2}, 0.1", "{c3}"],
    ),
    row(
        "numpy.linalg.matrix_power",
        "a, n",
        Rule::Loose(
            Elem::If(&Cond::Negative("n"), &A, &Elem::Of("a")),
            SAME,
            Order::Any,
        ),
        &[
            "{n2:square}, 2",
            "{n2:square}, 0",
            "{c2:square}, 5",
            "{c2:square}, {int:0:5}",
            "{f2:square}, -1",
        ],
    ),
    row(
        "numpy.linalg.norm",
        "x, ord=None, axis=None, keepdims=False",
        NORM,
        &[
            "{n1}",
            "{n}",
            "{n1}, {k:1:4}",
            "{c1}, ord=np.inf",
            "{n2}, axis={axis}",
            "{n2}, 'fro'",
            "{n2}, 1",
            "{f2}, 2",
            "{n}, axis={axis}, keepdims=True",
            "{f3}, axis=(0, 1)",
            "{n1}, {float:1:3}",
        ],
    ),
    row(
        "numpy.linalg.vector_norm",
        "x, *, axis=None, keepdims=False, ord=2",
        NORM,
        &["{n}", "{f}, axis={axis}", "{f1}, ord=1"],
    ),
    row(
        "numpy.linalg.matrix_norm",
        "x, *, keepdims=False, ord='fro'",
        Rule::If(
            &Cond::True("keepdims", false),
            &Rule::New(Elem::Real(&X), Rank::Of("x"), Order::Any),
            &Rule::New(Elem::Real(&X), Rank::Plus(&Rank::Of("x"), -2), Order::Any),
        ),
        &["{n2}", "{f3}", "{f2}, ord=1"],
    ),
    row(
        "numpy.linalg.cond",
        "x, p=None",
        Rule::New(Elem::Real(&X), Rank::Plus(&Rank::Of("x"), -2), Order::Any),
        &["{n2:square}", "{f2:square}, 1", "{f2}, 2"],
    ),
    row(
        "numpy.linalg.outer",
        "x1, x2",
        Rule::New(Elem::Strong(&["x1", "x2"]), Rank::Is(2), Order::C),
        &["{n1}, {n1}"],
    ),
    row(
        "numpy.linalg.matmul",
        "x1, x2",
        Rule::New(
            Elem::Strong(&["x1", "x2"]),
            Rank::Product("x1", "x2"),
            Order::Keep(&["x1", "x2"]),
        ),
        &["{n2:square}, {=}"],
    ),
    row(
        "numpy.linalg.trace",
        "x, *, offset=0, dtype=None",
        Rule::New(
            Elem::Dtype(&Elem::Sum(&Elem::Of("x"))),
            Rank::Plus(&Rank::Of("x"), -2),
            Order::Any,
        ),
        &["{x2}", "{n3}, offset=1"],
    ),
    row(
        "numpy.linalg.diagonal",
        "x, *, offset=0",
        Rule::Readonly("x", Elem::Of("x"), Rank::Plus(&Rank::Of("x"), -1), Order::Any),
        &["{x2}", "{x3}, offset=1"],
    ),
    row(
        "numpy.linalg.matrix_transpose",
        "x",
        Rule::View("x", Elem::Of("x"), Rank::Of("x"), Order::Any),
        &["{x2}"],
    ),
];
