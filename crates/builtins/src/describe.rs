//! What the documentation says about a row: which arguments it takes, and who computes it.

use crate::{Builtin, Draw, Kind, Method, Numpy, Ret};

const CODE: &str = "machine code";
const CALL: &str = "library call";

impl Builtin {
    /// Arguments and means, as Markdown.
    pub fn description(&self) -> (String, &'static str) {
        let (arguments, means) = self.kind.description();
        let limits = |text: String| match self.limits {
            "" => text,
            limits => format!("{text}; {limits}"),
        };
        match self.kind {
            Kind::Library | Kind::Array => (limits(format!("`{}`", self.signature)), means),
            _ => (limits(arguments.to_owned()), means),
        }
    }
}

impl Kind {
    /// Arguments and means, as Markdown.
    pub const fn description(self) -> (&'static str, &'static str) {
        match self {
            Kind::Len => ("arrays, tuples, strings, ranges", CODE),
            Kind::Abs => ("numbers", CODE),
            Kind::Min | Kind::Max => (
                "two or more numbers, or a tuple of them; a one-dimensional array or range",
                "machine code, library call for arrays and ranges",
            ),
            Kind::Pow => ("two numbers; three Python ints", CODE),
            Kind::Round => (
                "a real number; digits",
                "machine code; library call for digits of NumPy scalars",
            ),
            Kind::Divmod => ("two real numbers", CODE),
            Kind::Construct(_) => ("a number, or nothing", CODE),
            Kind::Range => ("one to three integers", CODE),
            Kind::Enumerate | Kind::Zip | Kind::Reversed => ("what a `for` iterates over", CODE),
            Kind::Math => ("real numbers", CODE),
            Kind::Hypot => (
                "any number of real numbers",
                "machine code for two, else library call",
            ),
            Kind::Boxed(ret) => (ret.arguments(), CALL),
            Kind::Library => ("", CALL),
            Kind::Array => (
                "",
                "machine code for numbers that are written out, else library call",
            ),
            Kind::Alloc(_) => ("shape, `dtype`, `order`", CODE),
            Kind::AllocLike(_) => (
                "an array, `dtype`",
                "machine code if it is C-contiguous, else library call",
            ),
            Kind::Numpy(Numpy::Clip | Numpy::Round) => {
                ("scalars", "machine code for the plain forms, else library call")
            }
            Kind::Numpy(Numpy::Info) => ("a dtype; only its attributes", "constant"),
            Kind::Method(method) => (method.arguments(), CODE),
            Kind::Random(draw) => (
                draw.arguments(),
                "machine code for scalars, library call for arrays",
            ),
        }
    }
}

impl Method {
    const fn arguments(self) -> &'static str {
        match self {
            Method::Conjugate => "any number (`conj`: a NumPy scalar)",
            Method::IsInteger => "`float`, NumPy floats and integers",
            Method::BitLength => "`int`, `bool`",
            Method::BitCount => "`int`, `bool`, NumPy integers",
            Method::Item => "a NumPy scalar",
            Method::AsType => "a NumPy scalar; a dtype",
        }
    }
}

impl Draw {
    const fn arguments(self) -> &'static str {
        match self {
            Draw::Double | Draw::StandardNormal => "`size`",
            Draw::Rand | Draw::Randn => "extents",
            Draw::Int => "`low`, `high`, `size`, `dtype`",
            Draw::Uniform => "`low`, `high`, `size`",
            Draw::Normal => "`loc`, `scale`, `size`",
            Draw::Exponential => "`scale`, `size`",
        }
    }
}

impl Ret {
    const fn arguments(self) -> &'static str {
        match self {
            Ret::Item => "the whole array; indices",
            Ret::Extreme => "a one-dimensional array or range",
            Ret::BuiltinSum | Ret::Product => {
                "a tuple of numbers, a one-dimensional array or a range; `start`"
            }
            Ret::Part | Ret::Angle => "a scalar",
            Ret::None | Ret::Bool | Ret::Int | Ret::Float | Ret::Complex | Ret::FloatPair => "as in Python",
        }
    }
}
