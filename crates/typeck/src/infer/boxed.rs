//! Library calls through the interpreter: boxed arguments, a result type known from theirs.

use numlift_builtins::{Builtin, Kind, Ret};
use numlift_syntax::hir::{Arg, BinOp, ExprId};
use numlift_types::{ArrayType, DType, Kind as DKind, ObjectRef, Scalar, Type};

use super::stmt::{is_index, storable};
use super::{FnInfer, R};
use crate::operators;
use crate::tables::Call;

/// Arguments of a library call without its `dtype`, which is apart.
#[derive(Default)]
pub struct Given {
    pub items: Vec<(Option<String>, Type)>,
    pub dtype: Option<DType>,
}

impl Given {
    /// The argument at a position or of a name.
    pub fn get(&self, position: usize, name: &str) -> Option<&Type> {
        let plain = self.items.iter().filter(|(n, _)| n.is_none()).nth(position);
        self.named(name).or(plain.map(|(_, t)| t))
    }

    fn named(&self, name: &str) -> Option<&Type> {
        let found = self.items.iter().find(|(n, _)| n.as_deref() == Some(name));
        found.map(|(_, t)| t)
    }

    /// Whether every keyword is one of these and there are no more arguments than names.
    fn only(&self, names: &[&str]) -> bool {
        let known = |n: &Option<String>| n.as_deref().is_none_or(|n| names.contains(&n));
        self.items.len() <= names.len() && self.items.iter().all(|(n, _)| known(n))
    }

    fn types(&self) -> Vec<Type> {
        self.items.iter().map(|(_, t)| t.clone()).collect()
    }

    fn array(&self) -> Option<ArrayType> {
        match self.items.first() {
            Some((None, Type::Array(a))) => Some(*a),
            _ => None,
        }
    }

    /// The only argument, a scalar.
    fn scalar(&self) -> Option<Scalar> {
        match self.items.as_slice() {
            [(None, Type::Scalar(s))] => Some(*s),
            _ => None,
        }
    }
}

/// Result type of a boxed call for the argument types, `None` if it has no static type.
pub fn boxed_result(ret: Ret, given: &Given) -> Option<Type> {
    use Ret::{BuiltinSum, Extreme, Item, Product};
    if given.dtype.is_some() {
        return None;
    }
    Some(match ret {
        Ret::None => Type::None,
        Ret::Bool => Type::BOOL,
        Ret::Int => Type::INT,
        Ret::Float => Type::FLOAT,
        Ret::Complex => Type::COMPLEX,
        Ret::FloatPair => Type::tuple([Type::FLOAT, Type::FLOAT]),
        Item => {
            let a = given.array()?;
            if !given.items[1..].iter().all(|(n, t)| n.is_none() && is_index(t)) {
                return None;
            }
            Type::Scalar(operators::python_number(a.dtype))
        }
        Ret::Part => Type::Scalar(operators::part(given.scalar()?)),
        Ret::Angle => match given.scalar()? {
            Scalar::PyInt => Type::np(DType::F64),
            Scalar::Np(d) if d.is_integer() && d.size() >= 4 => Type::np(DType::F64),
            s if s.dtype().kind() >= DKind::Float => Type::np(s.dtype().component()),
            _ => return None,
        },
        Extreme => match given.items.as_slice() {
            [(None, Type::Array(a))] if a.ndim == 1 => Type::np(a.dtype),
            [(None, Type::Range)] => Type::INT,
            _ => return None,
        },
        BuiltinSum => fold(given, BinOp::Add, Scalar::PyInt)?,
        Product => fold(given, BinOp::Mul, Scalar::PyInt)?,
    })
}

/// `sum` and `prod`: the start, then each item of a tuple or one-dimensional array by the operator.
fn fold(given: &Given, op: BinOp, zero: Scalar) -> Option<Type> {
    let start = match given.get(1, "start") {
        None => zero,
        Some(Type::Scalar(s)) => *s,
        Some(_) => return None,
    };
    if !given.only(&["iterable", "start"]) {
        return None;
    }
    match &given.items.first()?.1 {
        Type::Tuple(items) => {
            let mut total = start;
            for t in items.iter() {
                let Type::Scalar(s) = t else { return None };
                total = operators::binary(op, total, *s)?;
            }
            Some(Type::Scalar(total))
        }
        Type::Array(a) if a.ndim == 1 => {
            let item = Scalar::Np(a.dtype);
            let total = operators::binary(op, start, item)?;
            let settled = operators::binary(op, total, item) == Some(total);
            // the start alone if the array is empty
            settled.then(|| Type::union([start, total])).flatten()
        }
        Type::Range => {
            let total = operators::binary(op, start, Scalar::PyInt)?;
            let settled = operators::binary(op, total, Scalar::PyInt) == Some(total);
            settled.then(|| Type::union([start, total])).flatten()
        }
        _ => None,
    }
}

/// Rank of the array that a shape argument describes.
pub(super) fn shape_rank(t: &Type) -> Option<u8> {
    match t {
        t if is_index(t) => Some(1),
        Type::Tuple(items) if items.iter().all(is_index) => u8::try_from(items.len()).ok(),
        _ => None,
    }
}

/// Whether an argument is the memory layout of a new array.
fn is_order(a: &Arg, t: &Type) -> bool {
    a.name.as_deref() == Some("order") && matches!(t, Type::Str(_))
}

impl FnInfer<'_, '_> {
    /// A call through the interpreter of `object`, or of a method of the `first` argument.
    /// dtype arguments must be compile-time objects.
    pub(super) fn boxed(
        &mut self,
        id: ExprId,
        callee: Callee<'_>,
        args: &[Arg],
        result: impl FnOnce(&Given) -> Option<Type>,
    ) -> R<Type> {
        let mut given = Given::default();
        let mut exprs = vec![];
        let mut keywords = vec![];
        let (object, method) = match callee {
            Callee::Object(o, _) => (Some(o), ""),
            Callee::Method(base, t, name) => {
                given.items.push((None, t.clone()));
                exprs.push(base);
                (None, name)
            }
        };
        let path = callee.name();
        for a in args {
            let t = self.expr(a.value);
            if t == Type::Never {
                return Ok(Type::Never);
            }
            let d = self.dtype_of(&t);
            let is_dtype = a.name.as_deref() == Some("dtype") || (a.name.is_none() && d.is_some());
            match d {
                Some(d) if is_dtype => given.dtype = Some(d),
                None if is_dtype && t == Type::None => {}
                _ if is_order(a, &t) => given.items.push((a.name.clone(), t)),
                None if !is_dtype && (storable(&t) || t == Type::Range) => {
                    given.items.push((a.name.clone(), t))
                }
                _ => return self.unsupported(id, path, &[t]),
            }
            keywords.extend(a.name.clone());
            exprs.push(a.value);
        }
        let Some(ty) = result(&given) else {
            return self.unsupported(id, path, &given.types());
        };
        let call = Call::Boxed {
            object,
            method: method.to_owned(),
            args: exprs,
            keywords,
            fresh: true,
            effect: callee.row().is_some_and(|row| row.effect),
        };
        self.tables.calls.insert(id, call);
        Ok(ty)
    }

    pub(super) fn array_method(
        &mut self,
        id: ExprId,
        base: ExprId,
        t: &Type,
        name: &str,
        args: &[Arg],
    ) -> R<Type> {
        if let (Type::Array(a), "astype") = (t, name) {
            return self.array_astype(id, base, *a, args);
        }
        if let ("copy", []) = (name, args)
            && let Some(t) = self.array_copy(id, base, t)
        {
            return Ok(t);
        }
        if name == "clip" && args.iter().all(|a| a.name.is_none()) {
            let operands: Vec<ExprId> = [base].into_iter().chain(args.iter().map(|a| a.value)).collect();
            if let Some(t) = self.array_clip(id, &operands) {
                return Ok(t);
            }
        }
        let callee = Callee::Method(base, t, name);
        let row = callee.row();
        match row.map(|row| (row, row.kind)) {
            Some((row, Kind::Library)) => self.table_call(id, callee, row, args),
            Some((row, Kind::Boxed(ret))) => {
                self.effects |= row.effect;
                self.boxed(id, callee, args, |g| boxed_result(ret, g))
            }
            _ => {
                let (span, line) = (self.hir.exprs[id].span, self.hir.exprs[id].line);
                let message = format!("method `{name}` of {t} is not compiled");
                self.error(span, line, "NL2004", message)
            }
        }
    }
}

/// What a boxed call calls.
#[derive(Clone, Copy)]
pub(super) enum Callee<'a> {
    /// the object and its path
    Object(ObjectRef, &'a str),
    /// a method of this expression
    Method(ExprId, &'a Type, &'a str),
}

impl<'a> Callee<'a> {
    pub(super) const fn name(self) -> &'a str {
        match self {
            Callee::Object(_, path) | Callee::Method(_, _, path) => path,
        }
    }

    /// Its row of the table.
    fn row(self) -> Option<&'static Builtin> {
        match self {
            Callee::Object(_, path) => numlift_builtins::find(path),
            Callee::Method(_, _, name) => numlift_builtins::find_method(name),
        }
    }
}
