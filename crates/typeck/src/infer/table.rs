//! Calls of library functions by the signature and the typing rule of their rows.

use numlift_builtins::{Builtin, Kind, Rule, Value};
use numlift_syntax::hir::{Arg, Const, ExprId, ExprKind};
use numlift_types::{ArrayType, DType, Kind as DKind, Scalar, Type};

use super::boxed::Callee;
use super::stmt::storable;
use super::{FnInfer, R};
use crate::tables::Call;

impl FnInfer<'_, '_> {
    /// A call through the interpreter with the type that the row's rule gives.
    pub(super) fn table_call(
        &mut self,
        id: ExprId,
        callee: Callee<'_>,
        row: &'static Builtin,
        args: &[Arg],
    ) -> R<Type> {
        let mut given = vec![];
        let mut exprs = vec![];
        let (object, method) = match callee {
            Callee::Object(o, _) => (Some(o), String::new()),
            Callee::Method(base, t, name) => {
                given.push(self.given(None, base, t.clone()));
                exprs.push(base);
                (None, name.to_owned())
            }
        };
        for a in args {
            self.allow_lists(a.value);
            let t = self.expr(a.value);
            if t == Type::Never {
                return Ok(Type::Never);
            }
            let arg = self.given(a.name.clone(), a.value, t);
            if !passable(&arg.ty) && arg.dtype.is_none() {
                return self.unsupported(id, callee.name(), &[arg.ty]);
            }
            given.push(arg);
            exprs.push(a.value);
        }
        let Some(outcome) = row.outcome(&given) else {
            let types: Vec<Type> = given.into_iter().map(|a| a.ty).collect();
            return self.unsupported(id, callee.name(), &types);
        };
        let effect = row.effect || outcome.writes;
        self.effects |= effect;
        if row.kind == Kind::Array && is_written_out(&given, &outcome.ty) {
            self.tables.calls.insert(id, Call::Builtin(row));
            return Ok(outcome.ty);
        }
        let call = Call::Boxed {
            object,
            method,
            args: exprs,
            keywords: args.iter().filter_map(|a| a.name.clone()).collect(),
            fresh: outcome.fresh,
            effect,
        };
        self.tables.calls.insert(id, call);
        Ok(outcome.ty)
    }

    /// `a @ b` of arrays.
    pub(super) fn matmul(&mut self, id: ExprId, operands: [ExprId; 2], types: [Type; 2]) -> R<Type> {
        let (span, line) = (self.hir.exprs[id].span, self.hir.exprs[id].line);
        let given: Vec<_> = operands
            .iter()
            .zip(&types)
            .map(|(e, t)| self.given(None, *e, t.clone()))
            .collect();
        let row = numlift_builtins::find("numpy.matmul");
        let outcome = row.and_then(|row| row.outcome(&given));
        let (Some(outcome), Some(object)) = (outcome, self.cx.env.object("_operator.matmul")) else {
            return self.operand_error(span, line, "operator MatMul of", &[&types[0], &types[1]]);
        };
        let call = Call::Boxed {
            object: Some(object),
            method: String::new(),
            args: operands.to_vec(),
            keywords: vec![],
            fresh: true,
            effect: false,
        };
        self.tables.calls.insert(id, call);
        Ok(outcome.ty)
    }

    /// Whether a row has a rule for a call with an array first, where its kind is for scalars.
    pub(super) fn is_of_arrays(&mut self, row: &Builtin, args: &[Arg]) -> bool {
        let first = args.iter().find(|a| a.name.is_none());
        row.rule != Rule::Dynamic
            && !matches!(row.kind, Kind::AllocLike(_))
            && first.is_some_and(|a| {
                self.allow_lists(a.value);
                matches!(
                    self.expr(a.value),
                    Type::Array(_) | Type::List(_) | Type::Tuple(_)
                )
            })
    }

    fn given(&self, name: Option<String>, e: ExprId, ty: Type) -> numlift_builtins::Arg {
        let value = match (&self.hir.exprs[e].kind, self.const_int(e)) {
            (ExprKind::Const(Const::Bool(x)), _) => Value::Bool(*x),
            (_, Some(n)) => Value::Int(n),
            _ => Value::Unknown,
        };
        numlift_builtins::Arg {
            name,
            dtype: self.dtype_of(&ty),
            ty,
            value,
        }
    }

    /// Lists that are written as arguments need no variable that holds them: they are made for the call.
    pub(super) fn allow_lists(&mut self, e: ExprId) {
        let hir = self.hir.clone();
        match &hir.exprs[e].kind {
            ExprKind::List(items) => {
                self.literals.insert(e);
                items.iter().for_each(|&x| self.allow_lists(x));
            }
            ExprKind::Tuple(items) => items.iter().for_each(|&x| self.allow_lists(x)),
            _ => {}
        }
    }
}

/// Whether machine code makes an array of these arguments: nested sequences of numbers and a dtype, and each number becomes what
/// NumPy makes of it by one conversion.
fn is_written_out(given: &[numlift_builtins::Arg], ty: &Type) -> bool {
    let Type::Array(ArrayType { dtype: to, .. }) = *ty else {
        return false;
    };
    let exact = |s: &Scalar| {
        let from = s.dtype();
        let double = matches!(to, DType::F64 | DType::C128);
        let real = from.kind() <= DKind::Float;
        from == to
            || (double && (real || from.kind() == to.kind()))
            || (to == DType::I64 && from == DType::Bool)
    };
    // the lengths of the sequences, if all of a depth have the same
    fn shape(t: &Type, exact: &dyn Fn(&Scalar) -> bool) -> Option<Vec<usize>> {
        match t {
            Type::Tuple(items) | Type::List(items) => {
                let mut shapes = items.iter().map(|t| shape(t, exact));
                let first = shapes.next()??;
                let same = shapes.all(|s| s.as_ref() == Some(&first));
                same.then(|| [vec![items.len()], first].concat())
            }
            Type::Scalar(s) => exact(s).then(Vec::new),
            _ => None,
        }
    }
    let written = |a: &numlift_builtins::Arg| {
        a.name.is_none() && shape(&a.ty, &exact).is_some_and(|shape| !shape.is_empty())
    };
    let named =
        |a: &numlift_builtins::Arg| a.dtype.is_some() && a.name.as_deref().is_none_or(|n| n == "dtype");
    match given {
        [object] => written(object),
        [object, dtype] => written(object) && named(dtype),
        _ => false,
    }
}

/// Whether an argument of this type can be made an object.
fn passable(t: &Type) -> bool {
    match t {
        Type::Tuple(items) | Type::List(items) => items.iter().all(passable),
        t => storable(t) || matches!(t, Type::Range | Type::Str(_)),
    }
}
