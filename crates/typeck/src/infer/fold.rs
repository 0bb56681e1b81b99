//! What types decide: truths known before the call, and the classes `isinstance` and `type` ask for.
//!
//! A branch that types rule out is not inferred, so `if x is None` and `if a.ndim == 2` select code for the
//! arguments at hand.

use numlift_syntax::hir::{Arg, BinOp, BoolOp, CmpOp, Const, ExprId, ExprKind, UnaryOp};
use numlift_types::{DType, Kind, Scalar, Type};

use super::{FnInfer, R};
use crate::env::Known;
use crate::tables::{Call, Static};

impl FnInfer<'_, '_> {
    /// Truth of an expression that was typed, if its types decide it.
    pub(super) fn known(&self, id: ExprId) -> Option<bool> {
        self.tables.truths.get(&id).copied()
    }

    /// Notes whether the types decide the truth of an expression just typed.
    pub(super) fn note_truth(&mut self, id: ExprId, ty: &Type) {
        match self.decide(id, ty) {
            Some(truth) => self.tables.truths.insert(id, truth),
            None => self.tables.truths.remove(&id),
        };
    }

    fn decide(&self, id: ExprId, ty: &Type) -> Option<bool> {
        match &self.hir.exprs[id].kind {
            ExprKind::Const(Const::Bool(x)) => Some(*x),
            ExprKind::Const(Const::Int(x)) => Some(*x != 0),
            ExprKind::Unary(UnaryOp::Not, a) => self.known(*a).map(|x| !x),
            ExprKind::Bool(op, items) => {
                let short = *op == BoolOp::Or;
                // operands behind one that decides are not typed
                let decided = items.iter().any(|&x| self.known(x) == Some(short));
                let all = items.iter().all(|&x| self.known(x) == Some(!short));
                if decided {
                    Some(short)
                } else {
                    all.then_some(!short)
                }
            }
            ExprKind::Compare(first, rest) => match rest.as_slice() {
                [(op, second)] => self.decide_compare(*op, *first, *second),
                _ => None,
            },
            ExprKind::Call { .. } => match self.tables.calls.get(&id) {
                Some(Call::Static(Static::Bool(x))) => Some(*x),
                _ => None,
            },
            _ => match ty {
                Type::None => Some(false),
                Type::Tuple(items) | Type::List(items) => Some(!items.is_empty()),
                Type::Str(s) => Some(!s.is_empty()),
                Type::Function(_) | Type::Nested(..) => Some(true),
                _ => None,
            },
        }
    }

    pub(super) fn decide_compare(&self, op: CmpOp, a: ExprId, b: ExprId) -> Option<bool> {
        let (x, y) = (self.tables.exprs.get(&a)?, self.tables.exprs.get(&b)?);
        if let (Some(x), Some(y)) = (self.const_int(a), self.const_int(b)) {
            return Some(match op {
                CmpOp::Eq => x == y,
                CmpOp::Ne => x != y,
                CmpOp::Lt => x < y,
                CmpOp::Le => x <= y,
                CmpOp::Gt => x > y,
                CmpOp::Ge => x >= y,
                _ => return None,
            });
        }
        let equal = match (x, y) {
            (Type::Never | Type::Object(_), _) | (_, Type::Never | Type::Object(_)) => return None,
            (Type::None, Type::None) => true,
            // NumPy compares each element
            (Type::None, Type::Array(_)) | (Type::Array(_), Type::None)
                if matches!(op, CmpOp::Eq | CmpOp::Ne) =>
            {
                return None;
            }
            (Type::None, Type::Optional(_)) | (Type::Optional(_), Type::None) => return None,
            (Type::None, _) | (_, Type::None) => false,
            (Type::Known(x), Type::Known(y)) => x == y,
            (Type::Function(x), Type::Function(y)) => x == y,
            (Type::Str(x), Type::Str(y)) => return str_compare(op, x, y),
            (Type::DType(d), other) => self.is_dtype(*d, a, other, b, op)?,
            (other, Type::DType(d)) => self.is_dtype(*d, b, other, a, op)?,
            _ => return None,
        };
        match op {
            CmpOp::Eq | CmpOp::Is => Some(equal),
            CmpOp::Ne | CmpOp::IsNot => Some(!equal),
            _ => None,
        }
    }

    /// Equality of what has type `DType` with another value. A dtype equals what converts to it, a class only itself.
    fn is_dtype(&self, d: DType, e: ExprId, other: &Type, o: ExprId, op: CmpOp) -> Option<bool> {
        if matches!(op, CmpOp::Is | CmpOp::IsNot) {
            return None;
        }
        let dtype = |e: ExprId| matches!(&self.hir.exprs[e].kind, ExprKind::Attribute(_, n) if n == "dtype");
        let class = |e: ExprId| matches!(self.tables.calls.get(&e), Some(Call::Static(Static::Type)));
        match other {
            Type::DType(x) => Some(*x == d),
            Type::Known(_) if class(e) && !dtype(o) => Some(false),
            Type::Known(_) | Type::Str(_) if dtype(e) => self.dtype_of(other).map(|x| x == d),
            _ => None,
        }
    }

    /// Value of an int that types decide: a constant, `a.ndim`, `len` of a tuple, and sums of these.
    pub(super) fn const_int(&self, e: ExprId) -> Option<i64> {
        match &self.hir.exprs[e].kind {
            ExprKind::Const(Const::Int(n)) => Some(*n),
            ExprKind::Attribute(base, name) => match (self.tables.exprs.get(base)?, name.as_str()) {
                (Type::Array(a), "ndim") => Some(i64::from(a.ndim)),
                (Type::Array(a), "itemsize") => Some(i64::from(a.dtype.size())),
                (Type::DType(d), "itemsize") => Some(i64::from(d.size())),
                _ => None,
            },
            ExprKind::Call { args, .. } => match (self.tables.calls.get(&e)?, args.as_slice()) {
                (Call::Builtin(row), [a]) if row.kind == numlift_builtins::Kind::Len => {
                    match self.tables.exprs.get(&a.value)? {
                        Type::Tuple(items) | Type::List(items) => i64::try_from(items.len()).ok(),
                        Type::Str(s) => i64::try_from(s.chars().count()).ok(),
                        _ => None,
                    }
                }
                _ => None,
            },
            ExprKind::Unary(UnaryOp::Neg, a) => self.const_int(*a)?.checked_neg(),
            ExprKind::Binary(op, a, b) => {
                let (a, b) = (self.const_int(*a)?, self.const_int(*b)?);
                match op {
                    BinOp::Add => a.checked_add(b),
                    BinOp::Sub => a.checked_sub(b),
                    BinOp::Mul => a.checked_mul(b),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// `isinstance(x, classes)`.
    pub(super) fn isinstance(&mut self, id: ExprId, args: &[Arg]) -> R<Type> {
        let types = self.positional(id, args)?;
        let [x, classes] = types.as_slice() else {
            return self.unsupported(id, "isinstance", &types);
        };
        if *x == Type::Never {
            return Ok(Type::Never);
        }
        let classes: &[Type] = match classes {
            Type::Tuple(items) => items,
            one => std::slice::from_ref(one),
        };
        let mut answer = Some(false);
        for c in classes {
            let one = self.class_of(c).and_then(|c| c.holds(x));
            answer = match (answer, one) {
                (Some(a), Some(b)) => Some(a | b),
                _ => None,
            };
        }
        match answer {
            Some(b) => {
                self.tables.calls.insert(id, Call::Static(Static::Bool(b)));
                Ok(Type::BOOL)
            }
            None => self.unsupported(id, "isinstance", &types),
        }
    }

    /// `type(x)`
    pub(super) fn type_call(&mut self, id: ExprId, args: &[Arg]) -> R<Type> {
        let types = self.positional(id, args)?;
        let object = |this: &Self, name: &str| {
            let object = this.cx.env.object(name);
            object.map(Type::Known)
        };
        let class = match types.as_slice() {
            [Type::Never] => Some(Type::Never),
            [Type::Scalar(Scalar::Np(d))] => Some(Type::DType(*d)),
            [Type::Scalar(s)] => object(self, &format!("builtins.{}", s.class_name())),
            [Type::Tuple(_)] => object(self, "builtins.tuple"),
            [Type::Str(_)] => object(self, "builtins.str"),
            [Type::Array(_)] => object(self, "numpy.ndarray"),
            _ => None,
        };
        match class {
            Some(t) => {
                self.tables.calls.insert(id, Call::Static(Static::Type));
                Ok(t)
            }
            None => self.unsupported(id, "type", &types),
        }
    }

    fn class_of(&self, t: &Type) -> Option<Class> {
        match t {
            Type::DType(d) => Some(Class::DType(*d)),
            Type::Known(o) => match self.cx.env.known(*o) {
                Known::Builtin(path) => CLASSES.iter().find(|(p, _)| *p == path).map(|(_, c)| *c),
                _ => None,
            },
            _ => None,
        }
    }
}

fn str_compare(op: CmpOp, x: &str, y: &str) -> Option<bool> {
    // Python orders strings by code points, which is the order of their UTF-8 bytes
    Some(match op {
        CmpOp::Eq => x == y,
        CmpOp::Ne => x != y,
        CmpOp::Lt => x < y,
        CmpOp::Le => x <= y,
        CmpOp::Gt => x > y,
        CmpOp::Ge => x >= y,
        CmpOp::In => y.contains(x),
        CmpOp::NotIn => !y.contains(x),
        CmpOp::Is | CmpOp::IsNot => return None,
    })
}

/// `float(text)` of the forms that Rust reads as Python does.
pub(super) fn float_of(text: &str) -> Option<f64> {
    let text = text.trim_ascii().to_ascii_lowercase();
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(&text);
    let named = ["inf", "infinity", "nan"].contains(&unsigned);
    let number = |c: char| c.is_ascii_digit() || ".e+-".contains(c);
    (named || unsigned.chars().all(number))
        .then(|| text.parse().ok())
        .flatten()
}

/// A class that `isinstance` knows.
#[derive(Clone, Copy)]
enum Class {
    DType(DType),
    /// scalars that satisfy it
    Scalars(fn(Scalar) -> bool),
    Tuple,
    Str,
    Array,
    /// none of the types here
    Other,
    Any,
}

/// Classes by canonical path.
const CLASSES: &[(&str, Class)] = &[
    (
        "builtins.int",
        Class::Scalars(|s| matches!(s, Scalar::PyInt | Scalar::PyBool)),
    ),
    ("builtins.bool", Class::Scalars(|s| s == Scalar::PyBool)),
    (
        "builtins.float",
        Class::Scalars(|s| matches!(s, Scalar::PyFloat | Scalar::F64)),
    ),
    (
        "builtins.complex",
        Class::Scalars(|s| matches!(s, Scalar::PyComplex | Scalar::Np(DType::C128))),
    ),
    ("builtins.tuple", Class::Tuple),
    ("builtins.str", Class::Str),
    ("builtins.list", Class::Other),
    ("builtins.dict", Class::Other),
    ("builtins.set", Class::Other),
    ("builtins.bytes", Class::Other),
    ("builtins.object", Class::Any),
    ("numpy.ndarray", Class::Array),
    ("numpy.generic", Class::Scalars(Scalar::is_numpy)),
    ("numpy.number", Class::Scalars(|s| np(s, |k| k != Kind::Bool))),
    (
        "numpy.integer",
        Class::Scalars(|s| np(s, |k| matches!(k, Kind::Signed | Kind::Unsigned))),
    ),
    (
        "numpy.signedinteger",
        Class::Scalars(|s| np(s, |k| k == Kind::Signed)),
    ),
    (
        "numpy.unsignedinteger",
        Class::Scalars(|s| np(s, |k| k == Kind::Unsigned)),
    ),
    (
        "numpy.inexact",
        Class::Scalars(|s| np(s, |k| matches!(k, Kind::Float | Kind::Complex))),
    ),
    ("numpy.floating", Class::Scalars(|s| np(s, |k| k == Kind::Float))),
    (
        "numpy.complexfloating",
        Class::Scalars(|s| np(s, |k| k == Kind::Complex)),
    ),
];

fn np(s: Scalar, kind: fn(Kind) -> bool) -> bool {
    s.is_numpy() && kind(s.dtype().kind())
}

impl Class {
    /// Whether all values of the type are instances; `None` if only some are, or if it is not known.
    fn holds(self, t: &Type) -> Option<bool> {
        if let Class::Any = self {
            return Some(true);
        }
        match t {
            Type::Scalar(_) | Type::Union(_) => {
                let one = |s: Scalar| match self {
                    Class::DType(d) => s == Scalar::Np(d),
                    Class::Scalars(f) => f(s),
                    _ => false,
                };
                let mut all = t.scalars().iter().map(|s| one(*s));
                let first = all.next()?;
                all.all(|x| x == first).then_some(first)
            }
            Type::None => Some(false),
            Type::Array(_) => Some(matches!(self, Class::Array)),
            Type::Tuple(_) => Some(matches!(self, Class::Tuple)),
            Type::Str(_) => Some(matches!(self, Class::Str)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::float_of;

    #[test]
    fn floats_from_text() {
        assert_eq!(float_of(" -Infinity"), Some(f64::NEG_INFINITY));
        assert_eq!(float_of("1.5e3"), Some(1500.0));
        assert!(float_of("nan").is_some_and(f64::is_nan));
        for text in ["", "e", "1_0", "0x1", "infin", "1e", "--1"] {
            assert_eq!(float_of(text), None, "{text}");
        }
    }
}
