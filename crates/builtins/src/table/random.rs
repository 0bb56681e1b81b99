//! Draws from NumPy's global generator that NumPy makes itself.

use numlift_types::{DType, Scalar};

use crate::rule::{Cond, Elem, Name, Order, Rank, Rule};
use crate::{Builtin, row};

const F64: Elem = Elem::Is(DType::F64);
const I64: Elem = Elem::Is(DType::I64);
const SIZE: Rank = Rank::Shape("size");

/// A Python number where all parameters are, else an array.
macro_rules! drawn {
    ($scalar:expr, $dtype:expr, $($name:literal)*) => {
        Rule::If(
            &Cond::Given("size"),
            &Rule::New($dtype, SIZE, Order::C),
            &Rule::If(
                &Cond::Any(&[$(Cond::Array($name)),*]),
                &Rule::New($dtype, Rank::Broadcast(&[$($name),*]), Order::C),
                &Rule::Python($scalar),
            ),
        )
    };
}

macro_rules! continuous {
    ($($name:literal)*) => {
        drawn!(Scalar::PyFloat, F64, $($name)*)
    };
}
macro_rules! discrete {
    ($($name:literal)*) => {
        drawn!(Scalar::PyInt, I64, $($name)*)
    };
}

const SHAPE: &[&str] = &[
    "{float:1:4}",
    "{float:1:4}, {int:0:4}",
    "{float:1:4}, size=(2, {int:0:3})",
    "{f1:positive}",
    "{float:-2:1}",
];
const SHAPES: &[&str] = &[
    "{float:1:4}, {float:1:4}",
    "{float:1:4}, 2.0, {int:0:4}",
    "2, {float:1:4}, size=(2, {int:0:3})",
    "{f1:positive}, 2.0",
    "{float:-2:1}, 0.0",
];
const SCALED: &[&str] = &[
    "",
    "{float}, {float:0:3}",
    "0.0, 2.0, {int:0:4}",
    "scale={float:0:3}",
    "size=(2, 2)",
];

const PICKED: Rule = Rule::If(
    &Cond::Given("size"),
    &Rule::New(Elem::If(&Cond::Scalar("a"), &I64, &Elem::Of("a")), SIZE, Order::C),
    &Rule::If(
        &Cond::Scalar("a"),
        &Rule::Python(Scalar::PyInt),
        &Rule::New(Elem::Of("a"), Rank::Is(0), Order::C),
    ),
);
const PERMUTED: Rule = Rule::If(
    &Cond::Scalar("x"),
    &Rule::New(I64, Rank::Is(1), Order::C),
    &Rule::If(
        &Cond::Array("x"),
        &Rule::New(Elem::Of("x"), Rank::Of("x"), Order::Any),
        &Rule::Dynamic,
    ),
);
const fn vectors(dtype: Elem, rank: &'static Rank) -> Rule {
    Rule::New(
        dtype,
        Rank::If(&Cond::Given("size"), rank, &Rank::Is(1)),
        Order::C,
    )
}
const OF_SIZE: Rank = Rank::Plus(&SIZE, 1);

const fn draw(name: Name, signature: &'static str, rule: Rule, cases: &'static [&'static str]) -> Builtin {
    row(name, signature, rule, cases).effect()
}

pub const ROWS: &[Builtin] = &[
    draw(
        "numpy.random.beta",
        "a, b, size=None",
        continuous!("a" "b"),
        SHAPES,
    ),
    draw(
        "numpy.random.binomial",
        "n, p, size=None",
        discrete!("n" "p"),
        &[
            "{int:0:30}, 0.25",
            "10, {float:0:1}, {int:0:4}",
            "{u1}, 0.5",
            "10, -0.5",
        ],
    ),
    draw(
        "numpy.random.chisquare",
        "df, size=None",
        continuous!("df"),
        SHAPE,
    ),
    draw(
        "numpy.random.choice",
        "a, size=None, replace=True, p=None",
        PICKED,
        &[
            "{int:1:9}",
            "{int:1:9}, {int:0:4}",
            "{x1:nonempty}",
            "{x1:nonempty}, 3",
            "5, 3, False",
            "2, size=(2, 2), p=(0.25, 0.75)",
            "{int:-2:1}",
        ],
    ),
    draw(
        "numpy.random.dirichlet",
        "alpha, size=None",
        vectors(F64, &OF_SIZE),
        &["{f1:positive}", "(1.0, {float:1:4}), {int:0:4}"],
    ),
    draw(
        "numpy.random.f",
        "dfnum, dfden, size=None",
        continuous!("dfnum" "dfden"),
        SHAPES,
    ),
    draw(
        "numpy.random.gamma",
        "shape, scale=1.0, size=None",
        continuous!("shape" "scale"),
        SHAPES,
    ),
    draw(
        "numpy.random.geometric",
        "p, size=None",
        discrete!("p"),
        &["0.25", "{float:0:1}, {int:0:4}", "2.0"],
    ),
    draw(
        "numpy.random.gumbel",
        "loc=0.0, scale=1.0, size=None",
        continuous!("loc" "scale"),
        SCALED,
    ),
    draw(
        "numpy.random.hypergeometric",
        "ngood, nbad, nsample, size=None",
        discrete!("ngood" "nbad" "nsample"),
        &["{int:1:9}, 5, 4", "10, 5, 4, {int:0:4}"],
    ),
    draw(
        "numpy.random.laplace",
        "loc=0.0, scale=1.0, size=None",
        continuous!("loc" "scale"),
        SCALED,
    ),
    draw(
        "numpy.random.logistic",
        "loc=0.0, scale=1.0, size=None",
        continuous!("loc" "scale"),
        SCALED,
    ),
    draw(
        "numpy.random.lognormal",
        "mean=0.0, sigma=1.0, size=None",
        continuous!("mean" "sigma"),
        &["", "{float}, {float:0:3}", "0.0, 2.0, {int:0:4}"],
    ),
    draw(
        "numpy.random.logseries",
        "p, size=None",
        discrete!("p"),
        &["0.25", "{float:0:1}, {int:0:4}"],
    ),
    draw(
        "numpy.random.multinomial",
        "n, pvals, size=None",
        vectors(I64, &OF_SIZE),
        &["{int:0:9}, (0.25, 0.75)", "9, (0.25, 0.75), {int:0:4}"],
    ),
    draw(
        "numpy.random.multivariate_normal",
        "mean, cov, size=None, check_valid='warn', tol=1e-8",
        vectors(F64, &OF_SIZE),
        &["(0.0, {float}), ((1.0, 0.5), (0.5, 2.0))", "{f1}, {f2:square}"],
    ),
    draw(
        "numpy.random.negative_binomial",
        "n, p, size=None",
        discrete!("n" "p"),
        &["{int:1:9}, 0.5", "3, {float:0:1}, {int:0:4}"],
    ),
    draw(
        "numpy.random.noncentral_chisquare",
        "df, nonc, size=None",
        continuous!("df" "nonc"),
        SHAPES,
    ),
    draw(
        "numpy.random.noncentral_f",
        "dfnum, dfden, nonc, size=None",
        continuous!("dfnum" "dfden" "nonc"),
        &["{float:1:4}, 2.0, 3.0", "2.0, 3.0, 1.0, {int:0:4}"],
    ),
    draw("numpy.random.pareto", "a, size=None", continuous!("a"), SHAPE),
    draw("numpy.random.permutation", "x", PERMUTED, &["{int:0:9}", "{x}"]),
    draw(
        "numpy.random.poisson",
        "lam=1.0, size=None",
        discrete!("lam"),
        &[
            "",
            "{float:0:30}",
            "{float:0:30}, {int:0:4}",
            "{f1:positive}",
            "-1.0",
        ],
    ),
    draw("numpy.random.power", "a, size=None", continuous!("a"), SHAPE),
    draw(
        "numpy.random.rayleigh",
        "scale=1.0, size=None",
        continuous!("scale"),
        SHAPE,
    ),
    draw("numpy.random.shuffle", "x", Rule::None, &["{x}"]),
    draw(
        "numpy.random.standard_cauchy",
        "size=None",
        continuous!(),
        &["", "{int:0:4}", "size=(2, 2)"],
    ),
    draw(
        "numpy.random.standard_exponential",
        "size=None",
        continuous!(),
        &["", "{int:0:4}", "size=(2, 2)"],
    ),
    draw(
        "numpy.random.standard_gamma",
        "shape, size=None",
        continuous!("shape"),
        SHAPE,
    ),
    draw(
        "numpy.random.standard_t",
        "df, size=None",
        continuous!("df"),
        SHAPE,
    ),
    draw(
        "numpy.random.triangular",
        "left, mode, right, size=None",
        continuous!("left" "mode" "right"),
        &[
            "0.0, {float:0:1}, 1.0",
            "0.0, 0.5, 1.0, {int:0:4}",
            "1.0, 0.5, 0.0",
        ],
    ),
    draw(
        "numpy.random.vonmises",
        "mu, kappa, size=None",
        continuous!("mu" "kappa"),
        SHAPES,
    ),
    draw(
        "numpy.random.wald",
        "mean, scale, size=None",
        continuous!("mean" "scale"),
        SHAPES,
    ),
    draw("numpy.random.weibull", "a, size=None", continuous!("a"), SHAPE),
    draw(
        "numpy.random.zipf",
        "a, size=None",
        discrete!("a"),
        &["{float:2:4}", "3.0, {int:0:4}", "0.5"],
    ),
    draw(
        "numpy.random.ranf",
        "size=None",
        continuous!(),
        &["", "{int:0:4}"],
    ),
    draw(
        "numpy.random.sample",
        "size=None",
        continuous!(),
        &["", "{int:0:4}"],
    ),
];
