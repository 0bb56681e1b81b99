//! Expressions.

use numlift_diagnostics::Span;
use numlift_syntax::hir::{BinOp, BoolOp, CmpOp, Const, ExprId, ExprKind, LocalId, Name, UnaryOp};
use numlift_types::{ArrayType, DType, Kind, Layout, Reason, Scalar, Type};

use super::dynamic::{Node, solid};
use super::stmt::has_truth;
use super::{FnInfer, R, index, join_vars};
use crate::env::{Known, Resolved};
use crate::operators;
use crate::tables::Bound;

/// Items of the longest tuple that `t * n` makes.
const MAX_REPEATED: i64 = 64;

impl FnInfer<'_, '_> {
    /// Type of an expression, recorded in the table: an object if it has no static type.
    pub(super) fn expr(&mut self, id: ExprId) -> Type {
        let start = self.clock;
        self.tables.elementwise.remove(&id);
        let ty = match self.expr_inner(id).map(solid) {
            Ok(Type::Object(Reason::JOIN)) => {
                let what = "values of different kinds meet here: no static type holds them";
                let (span, line) = (self.hir.exprs[id].span, self.hir.exprs[id].line);
                self.error(span, line, "NL2001", what)
            }
            other => other,
        };
        let ty = ty.unwrap_or_else(|stop| {
            let r = self.reason(Node::Expr(id), stop);
            self.rest_of_expr(id, start, r);
            Type::Object(r)
        });
        if let Type::Object(r) = ty {
            self.note(r);
        }
        self.tables.exprs.insert(id, ty.clone());
        self.note_truth(id, &ty);
        self.clock += 1;
        self.stamps[index(id)] = self.clock;
        if !matches!(self.hir.exprs[id].kind, ExprKind::Const(_)) {
            self.may_raise();
        }
        ty
    }

    fn expr_inner(&mut self, id: ExprId) -> R<Type> {
        let hir = self.hir.clone();
        let e = &hir.exprs[id];
        if matches!(e.kind, ExprKind::Subscript(..) | ExprKind::Attribute(..))
            && let Some(t) = self.observed_read(id)
        {
            return Ok(t);
        }
        match &e.kind {
            ExprKind::Const(c) => self.constant(c, e.span, e.line),
            ExprKind::Name(n) => self.name(id, n),
            ExprKind::Binary(op, a, b) => {
                let ta = self.expr(*a);
                let tb = self.expr(*b);
                let repeated = match (&ta, &tb) {
                    (Type::Tuple(items), _) => self.const_int(*b).map(|n| (items, n)),
                    (_, Type::Tuple(items)) => self.const_int(*a).map(|n| (items, n)),
                    _ => None,
                };
                if let (BinOp::Mul, Some((items, n))) = (op, repeated)
                    && n.saturating_mul(items.len() as i64) <= MAX_REPEATED
                {
                    let n = usize::try_from(n).unwrap_or(0);
                    return Ok(Type::tuple((0..n).flat_map(|_| items.iter().cloned())));
                }
                if let (BinOp::MatMul, Type::Array(_), Type::Array(_)) = (op, &ta, &tb) {
                    return self.matmul(id, [*a, *b], [ta, tb]);
                }
                if let Some(t) = self.array_binary(id, *op, [*a, *b], [&ta, &tb])? {
                    return Ok(t);
                }
                self.binary(*op, &ta, &tb, e.span, e.line)
            }
            ExprKind::Unary(UnaryOp::Not, a) => {
                self.truth(*a);
                Ok(Type::BOOL)
            }
            ExprKind::Unary(op, a) => {
                let t = self.expr(*a);
                if let Some(t) = self.array_unary(id, *op, *a, &t)? {
                    return Ok(t);
                }
                let parts: Option<Vec<Scalar>> =
                    t.scalars().iter().map(|s| operators::unary(*op, *s)).collect();
                match parts.and_then(Type::union) {
                    Some(t) => Ok(t),
                    None => self.operand_error(e.span, e.line, "this operator", &[&t]),
                }
            }
            ExprKind::Bool(op, items) => {
                let mut ty = Type::Never;
                let mut vars = None;
                for (i, &x) in items.iter().enumerate() {
                    let t = self.expr(x);
                    if i + 1 < items.len() && !has_truth(&t) && t != Type::Never {
                        return self.operand_error(e.span, e.line, "the truth of", &[&t]);
                    }
                    let known = self.known(x);
                    if known != Some(*op == BoolOp::And) || i + 1 == items.len() {
                        ty = ty.join(&t);
                        vars = join_vars(vars, self.vars.clone());
                    }
                    if known == Some(*op == BoolOp::Or) {
                        break;
                    }
                    self.narrow(x, *op == BoolOp::And);
                }
                self.vars = vars;
                Ok(ty)
            }
            ExprKind::Compare(first, rest) => self.compare(id, *first, rest, e.span, e.line),
            ExprKind::If { test, then, other } => {
                self.truth(*test);
                match self.known(*test) {
                    Some(true) => return Ok(self.expr(*then)),
                    Some(false) => return Ok(self.expr(*other)),
                    None => {}
                }
                let entry = self.vars.clone();
                self.narrow(*test, true);
                let a = self.expr(*then);
                let after = std::mem::replace(&mut self.vars, entry);
                self.narrow(*test, false);
                let b = self.expr(*other);
                self.vars = join_vars(after, self.vars.take());
                Ok(a.join(&b))
            }
            ExprKind::Call { func, args } => self.call(id, *func, args),
            ExprKind::Attribute(base, name) => self.attribute(id, *base, name),
            ExprKind::Subscript(base, index) => self.subscript(*base, *index),
            ExprKind::Slice { start, stop, step } => {
                let mut given = [false; 3];
                for (g, part) in given.iter_mut().zip([start, stop, step]) {
                    if let Some(p) = part {
                        let t = self.expr(*p);
                        if t == Type::Never {
                            return Ok(t);
                        }
                        *g = t != Type::None;
                        if *g && !super::stmt::is_index(&t) {
                            return self.operand_error(e.span, e.line, "a slice of", &[&t]);
                        }
                    }
                }
                Ok(Type::Slice {
                    start: given[0],
                    stop: given[1],
                    step: given[2],
                })
            }
            ExprKind::Tuple(items) => {
                let mut out = Vec::with_capacity(items.len());
                for &x in items {
                    let ExprKind::Starred(inner) = hir.exprs[x].kind else {
                        out.push(self.expr(x));
                        continue;
                    };
                    let t = self.expr(inner);
                    match t.items() {
                        Some(spread) => out.extend(spread.iter().cloned()),
                        None if t == Type::Never => return Ok(t),
                        None => {
                            self.no_objects([&t])?;
                            let what = "a starred item is dynamic unless it is a tuple";
                            return self.error(e.span, e.line, "NL2007", what);
                        }
                    }
                }
                Ok(Type::tuple(out))
            }
            ExprKind::Walrus(l, v) => {
                let t = self.expr(*v);
                self.set(*l, t.clone());
                Ok(t)
            }
            ExprKind::Lambda(n, defaults) => Ok(self.nested(*n, defaults)),
            ExprKind::List(items) if self.literals.contains(&id) => {
                let types = items.iter().map(|&x| self.expr(x)).collect();
                Ok(Type::List(types))
            }
            ExprKind::List(_) => self.error(e.span, e.line, "NL2007", "a list is dynamic"),
            ExprKind::Starred(_) => self.error(e.span, e.line, "NL2007", "a starred expression is dynamic"),
            ExprKind::Dynamic(code) => {
                self.error(e.span, e.line, "NL2007", format!("{} is dynamic", code.what))
            }
        }
    }

    fn constant(&mut self, c: &Const, span: Span, line: u32) -> R<Type> {
        Ok(match c {
            Const::None => Type::None,
            Const::Ellipsis => Type::Ellipsis,
            Const::Bool(_) => Type::BOOL,
            Const::Int(_) => Type::INT,
            Const::Float(_) => Type::FLOAT,
            Const::Complex(_) => Type::COMPLEX,
            Const::Str(s) => Type::Str(s.as_str().into()),
            Const::BigInt(_) => {
                return self.error(span, line, "NL2007", "an integer outside 64 bits is dynamic");
            }
            Const::Bytes(_) => return self.error(span, line, "NL2007", "bytes are dynamic"),
        })
    }

    fn name(&mut self, id: ExprId, name: &Name) -> R<Type> {
        let (span, line) = (self.hir.exprs[id].span, self.hir.exprs[id].line);
        let r = match name {
            Name::Local(l) => return self.local(*l, span, line),
            Name::Free(n) => {
                if let Some(i) = self.tables.capture(n) {
                    return Ok(self.tables.captures[i].1.clone());
                }
                self.outside(name, span)?
            }
            Name::Global(_) => self.outside(name, span)?,
        };
        let text = match name {
            Name::Free(n) | Name::Global(n) => n.clone(),
            Name::Local(_) => String::new(),
        };
        self.resolved(id, r, &format!("`{text}`"))
    }

    /// Type of an answer of the environment, hidden arguments noted.
    fn resolved(&mut self, id: ExprId, r: Resolved, what: &str) -> R<Type> {
        let (span, line) = (self.hir.exprs[id].span, self.hir.exprs[id].line);
        match r {
            Resolved::Const(t) => Ok(t),
            Resolved::Hidden { index, ty } => {
                self.tables.hidden.insert(id, index);
                Ok(ty)
            }
            Resolved::Missing => self.error(span, line, "NL2003", format!("{what} is not defined")),
            Resolved::NotLoaded => self.error(span, line, "NL2009", format!("{what} is not loaded yet")),
            Resolved::Opaque(class) => self.error(
                span,
                line,
                "NL2003",
                format!("{what} is an instance of {class}: no static type"),
            ),
        }
    }

    /// Reading a local; a certainly unbound one ends the path (it raises).
    pub(super) fn local(&mut self, l: LocalId, span: Span, line: u32) -> R<Type> {
        let Some(v) = self.var(l).cloned() else {
            return Ok(Type::Never);
        };
        if v.ty == Type::Object(Reason::JOIN) {
            let name = &self.hir.locals[l].name;
            let what = format!("`{name}` has values of different kinds here");
            return self.error(span, line, "NL2001", what);
        }
        if v.bound == Bound::No {
            return Ok(Type::Never);
        }
        Ok(v.ty)
    }

    pub(super) fn operand_error<T>(&mut self, span: Span, line: u32, what: &str, types: &[&Type]) -> R<T> {
        self.no_objects(types.iter().copied())?;
        let names: Vec<String> = types.iter().map(ToString::to_string).collect();
        let code = if types.iter().any(|t| matches!(t, Type::Array(_))) {
            "NL2015"
        } else {
            "NL2006"
        };
        self.error(
            span,
            line,
            code,
            format!("{what} {} is not compiled", names.join(" and ")),
        )
    }

    /// Result of a binary operator: each pair of families gives one, their union is the type.
    pub(super) fn binary(&mut self, op: BinOp, a: &Type, b: &Type, span: Span, line: u32) -> R<Type> {
        if *a == Type::Never || *b == Type::Never {
            return Ok(Type::Never);
        }
        if let (BinOp::Add, Type::Tuple(x), Type::Tuple(y)) = (op, a, b) {
            return Ok(Type::tuple(x.iter().chain(y.iter()).cloned()));
        }
        if let (BinOp::Add, Type::Str(x), Type::Str(y)) = (op, a, b) {
            return Ok(Type::Str(format!("{x}{y}").into()));
        }
        let mut out = Vec::new();
        for &x in a.scalars() {
            for &y in b.scalars() {
                match operators::binary(op, x, y) {
                    Some(r) => out.push(r),
                    None => return self.operand_error(span, line, &format!("operator {op:?} of"), &[a, b]),
                }
            }
        }
        match Type::union(out) {
            Some(t) => Ok(t),
            None => self.operand_error(span, line, &format!("operator {op:?} of"), &[a, b]),
        }
    }

    fn compare(
        &mut self,
        id: ExprId,
        first: ExprId,
        rest: &[(CmpOp, ExprId)],
        span: Span,
        line: u32,
    ) -> R<Type> {
        let mut left = self.expr(first);
        let mut ty = Type::Never;
        for (op, e) in rest {
            let right = self.expr(*e);
            if rest.len() == 1 && self.decide_compare(*op, first, *e).is_some() {
                return Ok(Type::BOOL);
            }
            if let [(op, second)] = rest
                && let Some(t) = self.array_compare(id, *op, [first, *second], [&left, &right])?
            {
                return Ok(t);
            }
            let one = self.compare_one(*op, &left, &right, span, line)?;
            ty = ty.join(&one);
            left = right;
        }
        Ok(ty)
    }

    fn compare_one(&mut self, op: CmpOp, a: &Type, b: &Type, span: Span, line: u32) -> R<Type> {
        if *a == Type::Never || *b == Type::Never {
            return Ok(Type::Never);
        }
        match op {
            CmpOp::Is | CmpOp::IsNot => {
                // identity is static where one side is None
                if *a == Type::None || *b == Type::None {
                    return Ok(Type::BOOL);
                }
                if a.scalars().is_empty() || b.scalars().is_empty() {
                    return self.operand_error(span, line, "identity of", &[a, b]);
                }
            }
            CmpOp::In | CmpOp::NotIn if super::tuple::membership(a, b) => return Ok(Type::BOOL),
            CmpOp::In | CmpOp::NotIn => return self.operand_error(span, line, "membership of", &[a, b]),
            _ => {}
        }
        if let (Type::Tuple(x), Type::Tuple(y)) = (a, b) {
            return match super::tuple::compare(op, x, y) {
                Some(t) => Ok(t),
                None => self.operand_error(span, line, "comparison of", &[a, b]),
            };
        }
        let array = |t: &Type| matches!(t, Type::Array(_) | Type::Optional(_));
        let array = array(a) || array(b);
        if (*a == Type::None) != (*b == Type::None) && !array && matches!(op, CmpOp::Eq | CmpOp::Ne) {
            return Ok(Type::BOOL);
        }
        if let (Type::Str(_), Type::Str(_), CmpOp::Eq | CmpOp::Ne) = (a, b, op) {
            return Ok(Type::BOOL);
        }
        let mut out = Vec::new();
        for &x in a.scalars() {
            for &y in b.scalars() {
                match operators::compare(op, x, y) {
                    Some(r) => out.push(r),
                    None => return self.operand_error(span, line, "comparison of", &[a, b]),
                }
            }
        }
        match Type::union(out) {
            Some(t) => Ok(t),
            None => self.operand_error(span, line, "comparison of", &[a, b]),
        }
    }

    /// Types an expression used as a condition.
    pub(super) fn truth(&mut self, id: ExprId) {
        let t = self.expr(id);
        if has_truth(&t) || t == Type::Never {
            return;
        }
        let e = &self.hir.exprs[id];
        let (span, line) = (e.span, e.line);
        if let Err(stop) = self.operand_error::<()>(span, line, "the truth of", &[&t]) {
            self.reason(Node::Expr(id), stop);
        }
    }

    fn attribute(&mut self, id: ExprId, base: ExprId, name: &str) -> R<Type> {
        if let Some(t) = self.info_attribute(id, base, name)? {
            return Ok(t);
        }
        let t = self.expr(base);
        let (span, line) = (self.hir.exprs[id].span, self.hir.exprs[id].line);
        let found = match &t {
            Type::Never => Some(Type::Never),
            Type::Known(o) => {
                let r = self.cx.env.attr(*o, name);
                return self.resolved(id, r, &format!("attribute `{name}`"));
            }
            Type::Array(a) => match name {
                "shape" | "strides" => Some(Type::tuple(vec![Type::INT; usize::from(a.ndim)])),
                "ndim" | "size" | "itemsize" | "nbytes" => Some(Type::INT),
                "dtype" => Some(Type::DType(a.dtype)),
                "real" if a.dtype.kind() != Kind::Complex => Some(t.clone()),
                "real" | "imag" if a.dtype.kind() == Kind::Complex => Some(Type::Array(ArrayType {
                    dtype: a.dtype.component(),
                    layout: Layout::A,
                    ..*a
                })),
                "T" => Some(Type::Array(super::index::transposed(*a))),
                _ => None,
            },
            Type::DType(d) => match name {
                "itemsize" => Some(Type::INT),
                "name" => Some(Type::Str(d.name().into())),
                _ => None,
            },
            Type::Scalar(s) => match name {
                "real" | "imag" => Some(Type::Scalar(operators::part(*s))),
                _ => None,
            },
            Type::Record(r) => {
                let at = r.names.iter().position(|n| n == name);
                at.map(|i| r.items[i].clone())
            }
            _ => None,
        };
        self.no_objects([&t])?;
        match found {
            Some(t) => Ok(t),
            None => self.error(
                span,
                line,
                "NL2005",
                format!("attribute `{name}` of {t} is not compiled"),
            ),
        }
    }

    /// Name of a built-in exception class.
    pub(super) fn exception_name(&self, t: &Type) -> Option<String> {
        match t {
            Type::Known(o) => match self.cx.env.known(*o) {
                Known::Exception(n) => Some(n),
                _ => None,
            },
            _ => None,
        }
    }

    /// dtype named by an argument: a dtype object, `int`/`float`/`bool`/`complex`, or a string.
    pub(super) fn dtype_of(&self, t: &Type) -> Option<DType> {
        match t {
            Type::DType(d) => Some(*d),
            Type::Str(s) => DType::from_spec(s),
            Type::Known(o) => match self.cx.env.known(*o) {
                Known::Builtin(p) => operators::class_dtype(&p),
                _ => None,
            },
            _ => None,
        }
    }
}
