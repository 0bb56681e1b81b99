//! Reductions of whole arrays and products of lines, without a call through the interpreter.
//!
//! `np.sum(a)` becomes
//! ```text
//! area = data, extents, strides of a
//! if reduce(sum, loop of np.add, area, out): out's number
//! else: np.sum(a)                               # arrays that are no line, and all that raises
//! ```
//! and `np.sum(a, axis=1)` of an array in C order `reduce_axis` with a new array. Where NumPy
//! converts on the way (integers that are added up in a wider dtype), the call goes through the interpreter.

use numlift_mir::{IntCC, Opcode, Ty, Value};
use numlift_runtime::reduce::Reduction;
use numlift_runtime::{ArrayFunction, ExitReason, ObjectEntry};
use numlift_typeck::Known;
use numlift_types::{ArrayType, DType, Kind, Layout, ObjectRef, Type};

use super::call::Boxed;
use super::{FnLower, R, Typed};
use crate::emit::Vals;

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
    along: Option<Along>,
    with: With,
}

/// One axis.
struct Along {
    axis: usize,
    /// It stays, with extent 1.
    keep: bool,
}

impl Along {
    /// Whether the kernel reduces along it.
    fn fits(&self, what: Reduction, a: ArrayType, result: DType) -> bool {
        use Reduction::{ArgMax, ArgMin, Max, Mean, Min, Prod, Sum};
        let last = self.axis + 1 == usize::from(a.ndim);
        a.layout == Layout::C
            && match what {
                Sum | Prod | Mean => a.dtype == result,
                Min | Max => true,
                ArgMin | ArgMax => last,
                _ => false,
            }
    }
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
    Some(match what {
        Sum => (wide, Some("numpy.add"), None),
        // complex products depend on where their operands are
        _ if kind == Kind::Complex && !matches!(what, Dot | MatMul) => return None,
        Prod => (wide, Some("numpy.multiply"), None),
        Min => (d, Some("numpy.minimum"), None),
        Max => (d, Some("numpy.maximum"), None),
        Mean if kind < Kind::Float => (DType::F64, None, None),
        Mean => (d, Some("numpy.add"), None),
        Var | Std if kind == Kind::Float => (d, Some("numpy.add"), None),
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
        let (mut arrays, mut along) = (vec![first], None);
        match (what, &args[1..], how.keywords.as_slice()) {
            (Reduction::Dot | Reduction::MatMul, [other], []) => arrays.push(array(other)?),
            (Reduction::Dot | Reduction::MatMul, ..) => return None,
            (_, [], []) => {}
            (Reduction::Norm, ..) => return None,
            (_, rest, names) => along = self.axis(first, rest, names)?,
        }
        let d = first.dtype;
        let lines = arrays.len() == 1 || arrays.iter().all(|a| a.ndim == 1 && a.dtype == d);
        let (result, ufunc, function) = means(what, d)?;
        let expected = match &along {
            None => Type::np(result),
            Some(along) if along.fits(what, first, result) => {
                let ndim = first.ndim - u8::from(!along.keep);
                Type::array(result, ndim, Layout::C)
            }
            Some(_) => return None,
        };
        if how.effect || first.ndim == 0 || !lines || *ret != expected {
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
            along,
            with,
        })
    }

    /// The axis that arguments behind the array give, if they are constants; `None` in it if it is the only one, or all are
    /// meant.
    fn axis(&self, a: ArrayType, rest: &[Typed], names: &[String]) -> Option<Option<Along>> {
        let positional = rest.len() - names.len();
        let (mut axis, mut keep) = (None, false);
        for (k, (t, v)) in rest.iter().enumerate() {
            let name = match k.checked_sub(positional) {
                None if k == 0 => "axis",
                None => return None,
                Some(n) => names[n].as_str(),
            };
            match (name, t) {
                ("axis", Type::None) => {}
                ("axis", t) if *t == Type::INT => axis = Some(self.e.b.func.int_const(v[0])?),
                ("keepdims", t) if *t == Type::BOOL => keep = self.e.b.func.int_const(v[0])? != 0,
                _ => return None,
            }
        }
        let rank = i64::from(a.ndim);
        match axis {
            None if !keep => Some(None),
            Some(k) if (-rank..rank).contains(&k) && (keep || rank > 1) => Some(Some(Along {
                axis: k.rem_euclid(rank) as usize,
                keep,
            })),
            Some(0 | -1) if rank == 1 => Some(None),
            _ => None,
        }
    }

    /// The call by a kernel, or where that does not do it, by the interpreter.
    pub(super) fn reduced(&mut self, plan: &Plan, how: Boxed, args: &[Typed], ret: &Type) -> R<Typed> {
        if let Some(along) = &plan.along {
            return self.reduced_along(plan, along, &args[0].1);
        }
        let mut words = vec![];
        for (&a, (_, v)) in plan.arrays.iter().zip(args) {
            let nd = usize::from(a.ndim);
            words.extend_from_slice(&v[..=nd]);
            for axis in 0..nd {
                words.push(self.stride(a, v, axis));
            }
        }
        let (area, out) = self.helper_area(&words, 2);
        let done = self.ask("reduce", plan, area, out)?;
        let zero = self.e.b.iconst(Ty::I64, 0);
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

    /// A new array of what a kernel makes along one axis of an array in C order. An exit if there is nothing along it.
    fn reduced_along(&mut self, plan: &Plan, along: &Along, v: &Vals) -> R<Typed> {
        let nd = usize::from(plan.arrays[0].ndim);
        let extents = v[1..=nd].to_vec();
        let one = self.e.b.iconst(Ty::I64, 1);
        let some = self.e.b.icmp(IntCC::Sle, one, extents[along.axis]);
        self.e.exit_unless(some, ExitReason::ValueType);
        let mut shape = extents.clone();
        match along.keep {
            true => shape[along.axis] = one,
            false => drop(shape.remove(along.axis)),
        }
        let array = self.allocate(plan.result, &shape, Layout::C, false);
        let mut product = |part: &[Value]| part.iter().fold(one, |n, &x| self.e.b.op(Opcode::Imul, &[n, x]));
        let outer = product(&extents[..along.axis]);
        let inner = product(&extents[along.axis + 1..]);
        let (area, _) = self.helper_area(&[v[0], outer, extents[along.axis], inner], 0);
        self.ask("reduce_axis", plan, area, array.1[0])?;
        Ok(array)
    }

    /// Calls the kernel.
    fn ask(&mut self, kernel: &str, plan: &Plan, area: Value, out: Value) -> R<Value> {
        let zero = self.e.b.iconst(Ty::I64, 0);
        let d = plan.arrays[0].dtype;
        let (f, data) = match &plan.with {
            With::None => (zero, zero),
            With::Loop(object, types) => {
                let f = self.sh.object(ObjectEntry::UfuncLoop(*object, types.clone()));
                let data = self.sh.object(ObjectEntry::UfuncData(*object, types.clone()));
                (self.e.b.object(f), self.e.b.object(data))
            }
            With::Function(which) => {
                let f = self.sh.object(ObjectEntry::ArrayFunction(d, *which));
                (self.e.b.object(f), zero)
            }
        };
        let word = self.e.b.iconst(Ty::I64, plan.what.word(d, plan.arrays[0].ndim));
        let done = self.e.helper(kernel, &[word, f, data, area, out]);
        done.ok_or_else(|| "a kernel with a result".into())
    }
}
