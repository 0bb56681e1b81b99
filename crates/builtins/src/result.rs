//! Types of results: [`Rule`]s for the arguments of a call.

use std::sync::Arc;

use numlift_types::{ArrayType, DType, Kind, Layout, RecordType, Scalar, Type, common_dtype, weak_promote};

use crate::rule::{Cond, Count, Elem, Order, Rank, Rule};
use crate::signature::{Arg, Bound, Value};

/// Most axes of an array.
const MAX_RANK: u8 = 32;
/// Most results of a call.
const MAX_RESULTS: usize = 16;

/// What a call gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub ty: Type,
    /// Nothing else refers to the memory of the result.
    pub fresh: bool,
    /// The call writes to an argument.
    pub writes: bool,
}

/// What a call gives by the rule; `None` if it has no static type.
pub fn outcome(rule: &Rule, bound: &Bound<'_>) -> Option<Outcome> {
    if let Some(out) = bound.get("out") {
        let Type::Array(a) = &out.ty else { return None };
        // it must have a type without `out`, too: else what is known of the function does not cover the call
        result(rule, bound)?;
        return Some(Outcome {
            ty: Type::Array(*a),
            fresh: false,
            writes: true,
        });
    }
    Some(Outcome {
        ty: result(rule, bound)?,
        fresh: matches!(chosen(rule, bound)?, Rule::New(..)),
        writes: false,
    })
}

/// The alternative of a rule that holds.
fn chosen<'r>(rule: &'r Rule, bound: &Bound<'_>) -> Option<&'r Rule> {
    match rule {
        Rule::If(c, yes, no) => chosen(if holds(c, bound)? { yes } else { no }, bound),
        rule => Some(rule),
    }
}

fn result(rule: &Rule, b: &Bound<'_>) -> Option<Type> {
    Some(match rule {
        Rule::None => Type::None,
        Rule::Python(s) => Type::Scalar(*s),
        Rule::New(e, r, o) => {
            let (d, ndim) = (elem(e, b)?, rank(r, b)?);
            match ndim {
                0 => Type::np(d),
                _ => Type::array(d, ndim, order(o, ndim, b)?),
            }
        }
        Rule::Loose(e, r, o) => result(&Rule::New(*e, *r, *o), b)?,
        Rule::View(of, e, r, o) => view(of, (e, r, o), false, b)?,
        Rule::Readonly(of, e, r, o) => view(of, (e, r, o), true, b)?,
        Rule::Same(name) => match &b.get(name)?.ty {
            t @ Type::Array(_) => t.clone(),
            _ => return None,
        },
        Rule::Tuple(items) => {
            let items: Option<Vec<Type>> = items.iter().map(|r| result(r, b)).collect();
            Type::tuple(items?)
        }
        Rule::One(name, r) => match b.all(name).as_slice() {
            [one] => result(r, &b.with_each(one))?,
            _ => result(&Rule::Each(name, r), b)?,
        },
        Rule::Each(name, r) => {
            let items = b.all(name).into_iter().map(|a| result(r, &b.with_each(a)));
            let items: Option<Vec<Type>> = items.collect();
            Type::tuple(items.filter(|i| !i.is_empty() && i.len() <= MAX_RESULTS)?)
        }
        Rule::TupleOf(n, r) => Type::tuple(vec![result(r, b)?; count(n, b)?]),
        Rule::ListOf(n, r) => Type::List(vec![result(r, b)?; count(n, b)?].into()),
        Rule::Record(class, items) => {
            let types: Option<Vec<Type>> = items.iter().map(|(_, r)| result(r, b)).collect();
            Type::Record(Arc::new(RecordType {
                class: (*class).to_owned(),
                names: items.iter().map(|(n, _)| (*n).to_owned()).collect(),
                items: types?,
            }))
        }
        Rule::Dynamic => return None,
        Rule::If(..) => result(chosen(rule, b)?, b)?,
    })
}

fn view(of: &str, (e, r, o): (&Elem, &Rank, &Order), readonly: bool, b: &Bound<'_>) -> Option<Type> {
    let Type::Array(a) = b.get(of)?.ty else {
        return None;
    };
    let ndim = rank(r, b).filter(|n| *n > 0)?;
    // a view of no axes but one may have any stride: only what is C-contiguous stays so
    let o = resolved(o, b)?;
    let layout = match o {
        Order::Keep(_) if ndim == 1 && a.layout != Layout::C => Layout::A,
        o => order(o, ndim, b)?,
    };
    Some(Type::Array(ArrayType {
        dtype: elem(e, b)?,
        ndim,
        layout,
        readonly: readonly || a.readonly,
    }))
}

/// dtype and rank of what a value is as an array, and whether it is a Python number; `None` for what is none.
fn as_array(t: &Type) -> Option<(DType, u8)> {
    match t {
        Type::Array(a) => Some((a.dtype, a.ndim)),
        Type::Scalar(s) => Some((s.dtype(), 0)),
        Type::Union(u) => {
            let d = u.members()[0].dtype();
            u.members().iter().all(|m| m.dtype() == d).then_some((d, 0))
        }
        Type::Range => Some((DType::I64, 1)),
        Type::Tuple(items) | Type::List(items) => {
            let mut all = items.iter().map(as_array);
            let (mut dtype, ndim) = all.next()??;
            for item in all {
                let (d, n) = item?;
                if n != ndim {
                    return None;
                }
                dtype = common_dtype(dtype, d);
            }
            Some((dtype, ndim + 1))
        }
        _ => None,
    }
}

fn weak(t: &Type) -> bool {
    let scalars = t.scalars();
    !scalars.is_empty() && scalars.iter().all(|s| s.is_python())
}

/// dtype of an operation on several arguments.
fn common(args: &[&Arg]) -> Option<DType> {
    let (weak, strong): (Vec<&Arg>, Vec<&Arg>) = args.iter().partition(|a| weak(&a.ty));
    let mut all = strong.iter().map(|a| as_array(&a.ty).map(|(d, _)| d));
    let Some(first) = all.next() else {
        let all: Option<Vec<DType>> = weak.iter().map(|a| Some(as_array(&a.ty)?.0)).collect();
        return all?.into_iter().reduce(common_dtype);
    };
    let mut d = first?;
    for next in all {
        d = common_dtype(d, next?);
    }
    for a in weak {
        for s in a.ty.scalars() {
            d = weak_promote(d, *s);
        }
    }
    Some(d)
}

/// dtype that holds several arguments as arrays.
fn strong(names: &[&str], b: &Bound<'_>) -> Option<DType> {
    let all = names.iter().flat_map(|n| b.all(n));
    let each: Option<Vec<DType>> = all.map(|a| dtype_in(&a.ty)).collect();
    each?.into_iter().reduce(common_dtype)
}

/// dtype of an array, or of all that is in a sequence.
fn dtype_in(t: &Type) -> Option<DType> {
    match t {
        Type::Tuple(items) | Type::List(items) => {
            let each: Option<Vec<DType>> = items.iter().map(dtype_in).collect();
            each?.into_iter().reduce(common_dtype)
        }
        t => Some(as_array(t)?.0),
    }
}

fn elem(e: &Elem, b: &Bound<'_>) -> Option<DType> {
    Some(match e {
        Elem::Is(d) => *d,
        Elem::Of(name) => strong(&[name], b)?,
        Elem::Common(names) => common(&names.iter().flat_map(|n| b.all(n)).collect::<Vec<_>>())?,
        Elem::Strong(names) => strong(names, b)?,
        Elem::Join(x, y) => common_dtype(elem(x, b)?, elem(y, b)?),
        Elem::Sum(e) => match elem(e, b)? {
            d if d.kind() == Kind::Unsigned => DType::U64,
            d if d.kind() < Kind::Float => DType::I64,
            d => d,
        },
        Elem::Inexact(e) => match elem(e, b)? {
            d if d.kind() < Kind::Float => DType::F64,
            d => d,
        },
        Elem::Real(e) => elem(e, b)?.component(),
        Elem::Complex(e) => match elem(e, b)? {
            DType::F32 | DType::C64 => DType::C64,
            _ => DType::C128,
        },
        Elem::Dtype(e) => match b.get("dtype") {
            Some(a) => a.dtype?,
            None => elem(e, b)?,
        },
        Elem::If(c, yes, no) => elem(if holds(c, b)? { yes } else { no }, b)?,
    })
}

fn rank(r: &Rank, b: &Bound<'_>) -> Option<u8> {
    let of = |name: &str| as_array(&b.get(name)?.ty).map(|(_, n)| n);
    let n = match r {
        Rank::Is(n) => *n,
        Rank::Of(name) => of(name)?,
        Rank::Reduced(name) => reduced(of(name)?, b)?,
        Rank::Broadcast(names) => {
            let all = names.iter().flat_map(|n| b.all(n));
            let ranks: Option<Vec<u8>> = all.map(|a| Some(as_array(&a.ty)?.1)).collect();
            ranks?.into_iter().max()?
        }
        Rank::Item(name) => of(name)?.checked_sub(1)?,
        Rank::Shape(name) => match b.all(name).as_slice() {
            [one] => integers(&one.ty)?,
            many if many.iter().all(|a| is_index(&a.ty)) => u8::try_from(many.len()).ok()?,
            _ => return None,
        },
        Rank::Arguments(name) => u8::try_from(b.all(name).len()).ok()?,
        Rank::Plus(r, k) => rank(r, b)?.checked_add_signed(*k)?,
        Rank::Sum(x, y) => rank(x, b)?.checked_add(rank(y, b)?)?,
        Rank::Less(x, y) => rank(x, b)?.checked_sub(rank(y, b)?)?,
        Rank::Larger(x, y) => rank(x, b)?.max(rank(y, b)?),
        Rank::WithAxes(r, name) => rank(r, b)?.checked_add(integers(&b.get(name)?.ty)?)?,
        Rank::Positive(r) => rank(r, b).filter(|n| *n > 0)?,
        Rank::AtLeast(r, k) => rank(r, b)?.max(*k),
        Rank::Product(x, y) => match (of(x)?, of(y)?) {
            (0, _) | (_, 0) => return None,
            (1, 1) => 0,
            (1, n) | (n, 1) => n - 1,
            (m, n) => m.max(n),
        },
        Rank::Dot(x, y) => match (of(x)?, of(y)?) {
            (0, n) | (n, 0) => n,
            (m, n) => m.checked_add(n)?.checked_sub(2)?,
        },
        Rank::Subscripts(name) => subscripts(&b.get(name)?.ty)?,
        Rank::Contracted(x, y) => {
            let gone = contracted(b.get("axes"))?;
            (of(x)?.checked_sub(gone)?).checked_add(of(y)?.checked_sub(gone)?)?
        }
        Rank::If(c, yes, no) => rank(if holds(c, b)? { yes } else { no }, b)?,
    };
    (n <= MAX_RANK).then_some(n)
}

/// Number of axes that subscripts of `np.einsum` leave.
fn subscripts(t: &Type) -> Option<u8> {
    let Type::Str(text) = t else { return None };
    let letters = |s: &str| s.chars().all(|c| c.is_ascii_alphabetic());
    let text: String = text.chars().filter(|c| *c != ' ').collect();
    let n = match text.split_once("->") {
        Some((_, result)) if letters(result) => result.len(),
        None if text.split(',').all(letters) => {
            let once = |c: &char| text.matches(*c).count() == 1;
            text.chars().filter(|c| *c != ',').filter(once).count()
        }
        _ => return None,
    };
    u8::try_from(n).ok()
}

/// Number of axes that `np.tensordot` sums.
fn contracted(axes: Option<&Arg>) -> Option<u8> {
    match axes {
        None => Some(2),
        Some(Arg {
            value: Value::Int(n), ..
        }) => u8::try_from(*n).ok(),
        Some(a) => match a.ty.items()? {
            [x, y] => integers(x).filter(|n| integers(y) == Some(*n)),
            _ => None,
        },
    }
}

fn is_index(t: &Type) -> bool {
    match t {
        Type::Scalar(s) => *s == Scalar::PyInt || s.is_numpy() && s.dtype().is_integer(),
        _ => false,
    }
}

/// Number of integers: 1 for an integer, the length of a tuple of them.
fn integers(t: &Type) -> Option<u8> {
    match t {
        t if is_index(t) => Some(1),
        Type::Tuple(items) | Type::List(items) if items.iter().all(is_index) => {
            u8::try_from(items.len()).ok()
        }
        _ => None,
    }
}

/// Rank of a reduction over `axis` with `keepdims`.
fn reduced(n: u8, b: &Bound<'_>) -> Option<u8> {
    let keep = match b.get("keepdims") {
        None => false,
        Some(Arg {
            value: Value::Bool(x),
            ..
        }) => *x,
        Some(_) => return None,
    };
    let gone = match b.get("axis") {
        None => n,
        // `axis=(0,)` in a list is an error
        Some(a) if matches!(a.ty, Type::List(_)) => return None,
        Some(a) => integers(&a.ty)?,
    };
    let left = n.checked_sub(gone)?;
    Some(if keep { n } else { left })
}

/// The alternative that holds.
fn resolved<'o>(o: &'o Order, b: &Bound<'_>) -> Option<&'o Order> {
    match o {
        Order::If(c, yes, no) => resolved(if holds(c, b)? { yes } else { no }, b),
        o => Some(o),
    }
}

fn order(o: &Order, ndim: u8, b: &Bound<'_>) -> Option<Layout> {
    let keep = |names: &[&str]| {
        let all = names.iter().flat_map(|n| b.all(n));
        let contiguous = ndim <= 1 || all.into_iter().all(|a| contiguous(&a.ty));
        if contiguous { Layout::C } else { Layout::A }
    };
    Some(match o {
        Order::C => Layout::C,
        Order::Any => Layout::A,
        Order::Keep(names) => keep(names),
        Order::Reversed(name) => match b.get(name)?.ty {
            Type::Array(a) => match a.layout {
                Layout::C if a.ndim > 1 => Layout::F,
                Layout::F => Layout::C,
                other => other,
            },
            _ => return None,
        },
        Order::Given(names) => match b.get("order").map(|a| &a.ty) {
            None => keep(names),
            Some(Type::Str(s)) => match &**s {
                "C" => Layout::C,
                "K" | "A" => keep(names),
                "F" if ndim <= 1 => Layout::C,
                "F" => Layout::F,
                _ => return None,
            },
            Some(_) => return None,
        },
        Order::If(..) => order(resolved(o, b)?, ndim, b)?,
    })
}

/// Whether all arrays in a value are C-contiguous.
fn contiguous(t: &Type) -> bool {
    match t {
        Type::Array(a) => a.layout == Layout::C,
        t => t.parts().into_iter().all(contiguous),
    }
}

fn count(n: &Count, b: &Bound<'_>) -> Option<usize> {
    let n = match n {
        Count::Rank(r) => usize::from(rank(r, b)?),
        Count::Sections(name) => {
            let a = b.get(name)?;
            match (&a.value, &a.ty) {
                (Value::Int(n), _) => usize::try_from(*n).ok().filter(|n| *n > 0)?,
                (_, t @ (Type::Tuple(_) | Type::List(_))) => usize::from(integers(t)?) + 1,
                _ => return None,
            }
        }
    };
    (n <= MAX_RESULTS).then_some(n)
}

/// Whether a condition holds; `None` if that is not known.
fn holds(c: &Cond, b: &Bound<'_>) -> Option<bool> {
    let dtype = |name: &str| strong(&[name], b);
    let ndim = |name: &str| as_array(&b.get(name)?.ty).map(|(_, n)| n);
    Some(match c {
        Cond::Given(name) => !b.all(name).is_empty(),
        Cond::IsNone(name) => b.is_none(name),
        Cond::True(name, default) => match b.get(name).map(|a| &a.value) {
            None => *default,
            Some(Value::Bool(x)) => *x,
            Some(_) => return None,
        },
        Cond::Text(name, text) => match b.get(name).map(|a| &a.ty) {
            Some(Type::Str(s)) => **s == **text,
            Some(_) => return None,
            None => false,
        },
        Cond::Negative(name) => matches!(b.get(name).map(|a| &a.value), Some(Value::Int(x)) if *x < 0),
        Cond::Int(name, n) => match b.get(name).map(|a| &a.value) {
            Some(Value::Int(x)) => x == n,
            Some(_) => return None,
            None => false,
        },
        Cond::Array(name) => b.get(name).is_some_and(|a| matches!(a.ty, Type::Array(_))),
        Cond::Scalar(name) => b.get(name).is_some_and(|a| !a.ty.scalars().is_empty()),
        Cond::Index(name) => b
            .get(name)
            .is_none_or(|a| a.ty.items().is_none() && integers(&a.ty).is_some()),
        Cond::Sequence(name) => b.get(name).is_some_and(|a| a.ty.items().is_some()),
        Cond::Rank(name, n) => ndim(name)? == *n,
        Cond::RankAtLeast(name, n) => ndim(name)? >= *n,
        Cond::Complex(name) => dtype(name)?.kind() == Kind::Complex,
        Cond::Integer(name) => dtype(name)?.is_integer(),
        Cond::Bool(name) => dtype(name)? == DType::Bool,
        Cond::Single(name) => dtype(name)?.component() == DType::F32,
        Cond::Not(c) => !holds(c, b)?,
        Cond::All(all) => {
            for c in *all {
                if !holds(c, b)? {
                    return Some(false);
                }
            }
            true
        }
        Cond::Any(any) => {
            for c in *any {
                if holds(c, b)? {
                    return Some(true);
                }
            }
            false
        }
    })
}
