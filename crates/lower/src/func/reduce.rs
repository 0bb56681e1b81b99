//! Reductions of whole arrays and products of lines, without a call through the interpreter.
//!
//! `np.sum(a)` becomes
//! ```text
//! area = data, extents, strides of a
//! if reduce(sum, loop of np.add, area, out): out's number
//! else: np.sum(a)                               # arrays that are no line, and all that raises
//! ```

use numlift_mir::{IntCC, Ty};
use numlift_runtime::reduce::Reduction;
use numlift_runtime::{ArrayFunction, ObjectEntry};
use numlift_typeck::Known;
use numlift_types::{ArrayType, DType, Kind, ObjectRef, Scalar, Type};

use super::call::Boxed;
use super::{FnLower, R, Typed};

/// What functions of NumPy, and methods of the same name, compute.
const REDUCTIONS: &[(&str, Reduction)] = &[
    ("sum", Reduction::Sum),
    ("prod", Reduction::Prod),
    ("min", Reduction::Min),
    ("amin", Reduction::Min),
    ("max", Reduction::Max),
    ("amax", Reduction::Max),
    ("mean", Reduction::Mean),
    ("var", Reduction::Var),
    ("std", Reduction::Std),
    ("any", Reduction::Any),
    ("all", Reduction::All),
    ("argmin", Reduction::ArgMin),
    ("argmax", Reduction::ArgMax),
    ("linalg.norm", Reduction::Norm),
    ("dot", Reduction::Dot),
    ("inner", Reduction::Dot),
    ("matmul", Reduction::MatMul),
];

/// What a helper needs to know for a reduction.
pub(super) struct Plan {
    what: Reduction,
    arrays: Vec<ArrayType>,
    result: DType,
    with: With,
}

/// The code of NumPy that it runs.
enum With {
    None,
    /// The loop of a ufunc, with its types.
    Loop(ObjectRef, String),
    Function(ArrayFunction),
}

/// The dtype of the result, and the ufunc or function behind it; `None` if NumPy is to be called.
fn means(what: Reduction, d: DType) -> Option<(DType, Option<&'static str>, Option<ArrayFunction>)> {
    use Reduction::{All, Any, ArgMax, ArgMin, Dot, MatMul, Max, Mean, Min, Norm, Prod, Std, Sum, Var};
    let kind = d.kind();
    let wide = match kind {
        Kind::Unsigned => DType::U64,
        Kind::Bool | Kind::Signed => DType::I64,
        _ => d,
    };
    let added = (kind >= Kind::Float).then_some("numpy.add");
    Some(match what {
        Sum => (wide, added, None),
        // complex products depend on where their operands are
        _ if kind == Kind::Complex && !matches!(what, Dot | MatMul) => return None,
        Prod => (wide, (kind == Kind::Float).then_some("numpy.multiply"), None),
        Min => (d, Some("numpy.minimum"), None),
        Max => (d, Some("numpy.maximum"), None),
        Mean if kind < Kind::Float => (DType::F64, None, None),
        Mean => (d, added, None),
        Var | Std if kind == Kind::Float => (d, added, None),
        Any | All => (DType::Bool, None, None),
        ArgMin => (DType::I64, None, Some(ArrayFunction::ArgMin)),
        ArgMax => (DType::I64, None, Some(ArrayFunction::ArgMax)),
        Norm if kind == Kind::Float => (d, None, Some(ArrayFunction::Dot)),
        Dot | MatMul => (d, None, Some(ArrayFunction::Dot)),
        Var | Std | Norm => return None,
    })
}

impl FnLower<'_, '_> {
    /// Whether a call is a reduction of a whole array that machine code computes.
    pub(super) fn reduction(&self, how: &Boxed, args: &[Typed], ret: &Type) -> Option<Plan> {
        let path = match (how.object, how.method.as_str()) {
            (Some(o), "") => match self.sh.env.known(o) {
                Known::Builtin(path) => path,
                _ => return None,
            },
            (_, method) => format!("numpy.{method}"),
        };
        let name = path
            .strip_prefix("numpy.")
            .or_else(|| path.strip_prefix("_operator."))?;
        let what = REDUCTIONS.iter().find(|(n, _)| *n == name)?.1;
        let array = |v: &Typed| match v.0 {
            Type::Array(a) => Some(a),
            _ => None,
        };
        let first = array(args.first()?)?;
        let arrays = match (what, &args[1..], how.keywords.as_slice()) {
            (Reduction::Dot | Reduction::MatMul, [other], []) => vec![first, array(other)?],
            (Reduction::Dot | Reduction::MatMul, ..) => return None,
            (_, [], []) => vec![first],
            // the only axis
            (Reduction::Norm, ..) => return None,
            (_, [axis], names) if first.ndim == 1 && names.iter().all(|n| n == "axis") => {
                let only = axis.0 == Type::None
                    || (axis.0 == Type::INT && matches!(self.e.b.func.int_const(axis.1[0]), Some(0 | -1)));
                if !only {
                    return None;
                }
                vec![first]
            }
            _ => return None,
        };
        let d = first.dtype;
        let lines = arrays.len() == 1 || arrays.iter().all(|a| a.ndim == 1 && a.dtype == d);
        let (result, ufunc, function) = means(what, d)?;
        if how.effect || first.ndim == 0 || !lines || *ret != Type::Scalar(Scalar::Np(result)) {
            return None;
        }
        let with = match (ufunc, function) {
            (Some(path), _) => {
                let c = d.char_code();
                With::Loop(self.sh.env.object(path)?, format!("{c}{c}->{c}"))
            }
            (None, Some(f)) => With::Function(f),
            (None, None) => With::None,
        };
        Some(Plan {
            what,
            arrays,
            result,
            with,
        })
    }

    /// The call by a kernel, or where that does not do it, by the interpreter.
    pub(super) fn reduced(&mut self, plan: Plan, how: Boxed, args: &[Typed], ret: &Type) -> R<Typed> {
        let mut words = vec![];
        for (&a, (_, v)) in plan.arrays.iter().zip(args) {
            let nd = usize::from(a.ndim);
            words.extend_from_slice(&v[..=nd]);
            for axis in 0..nd {
                words.push(self.stride(a, v, axis));
            }
        }
        let (area, out) = self.helper_area(&words, 2);
        let zero = self.e.b.iconst(Ty::I64, 0);
        let (f, data) = match plan.with {
            With::None => (zero, zero),
            With::Loop(object, types) => {
                let f = self.sh.object(ObjectEntry::UfuncLoop(object, types.clone()));
                let data = self.sh.object(ObjectEntry::UfuncData(object, types));
                (self.e.b.object(f), self.e.b.object(data))
            }
            With::Function(which) => {
                let f = ObjectEntry::ArrayFunction(plan.arrays[0].dtype, which);
                let f = self.sh.object(f);
                (self.e.b.object(f), zero)
            }
        };
        let word = plan.what.word(plan.arrays[0].dtype, plan.arrays[0].ndim);
        let word = self.e.b.iconst(Ty::I64, word);
        let done = self.e.helper("reduce", &[word, f, data, area, out]);
        let done = done.ok_or("a kernel with a result")?;
        let done = self.e.b.icmp(IntCC::Ne, done, zero);
        let state = self.state();
        let (native, boxed) = (self.e.b.create_block(), self.e.b.create_cold_block());
        self.e.b.br(done, (native, &[]), (boxed, &[]));
        self.start(native, state.clone());
        let v = self.load_element(plan.result, out).1;
        let mut ends: Vec<_> = self.suspend(Some((ret.clone(), v))).into_iter().collect();
        self.start(boxed, state);
        let v = self.call_python(how, args, ret)?;
        ends.extend(self.suspend(Some(v)));
        self.merged_value(ends)
    }
}
