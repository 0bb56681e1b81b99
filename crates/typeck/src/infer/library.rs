//! Library functions: the rows of the builtin table, NumPy ufuncs on scalars, boxed calls.

use numlift_builtins::{Kind, Numpy, Python, Ret};
use numlift_syntax::hir::{Arg, BinOp, ExprId, ExprKind};
use numlift_types::{DType, Kind as DKind, Layout, ObjectRef, Scalar, Type};

use super::boxed::{Callee, boxed_result, shape_rank};
use super::elementwise::is_array;
use super::{FnInfer, R};
use crate::env::Known;
use crate::operators;
use crate::tables::Call;

impl FnInfer<'_, '_> {
    pub(super) fn builtin(&mut self, id: ExprId, object: ObjectRef, path: &str, args: &[Arg]) -> R<Type> {
        match path {
            "builtins.isinstance" => return self.isinstance(id, args),
            "builtins.type" if args.len() == 1 => return self.type_call(id, args),
            "numpy.where" if args.len() == 3 => return self.array_where(id, args),
            "numpy.clip" if args.iter().all(|a| a.name.is_none()) => {
                let operands: Vec<ExprId> = args.iter().map(|a| a.value).collect();
                if let Some(t) = self.array_clip(id, &operands) {
                    return Ok(t);
                }
            }
            "numpy.copy" | "numpy.array" => {
                if let [a] = args
                    && a.name.is_none()
                    && a.star == 0
                {
                    self.allow_lists(a.value);
                    let t = self.expr(a.value);
                    if let Some(t) = self.array_copy(id, a.value, &t) {
                        return Ok(t);
                    }
                }
            }
            "builtins.abs" => {
                if let [a] = args
                    && a.name.is_none()
                    && is_array(&self.expr(a.value))
                    && let Some(object) = self.cx.env.object("numpy.absolute")
                {
                    return self.ufunc(id, object, "numpy.absolute", args);
                }
            }
            _ => {}
        }
        let Some(row) = numlift_builtins::find(path) else {
            let inputs = self.cx.env.ufunc_inputs(object);
            if let Some(n) = inputs
                && let [operands @ .., out] = args
                && operands.len() == n
                && operands.iter().all(|a| a.name.is_none())
                && out.name.as_deref().is_none_or(|name| name == "out")
            {
                let operands: Vec<ExprId> = operands.iter().map(|a| a.value).collect();
                return self.ufunc_into(id, object, path, &operands, out.value);
            }
            if inputs != Some(args.len()) {
                let (span, line) = (self.hir.exprs[id].span, self.hir.exprs[id].line);
                return self.error(span, line, "NL2004", format!("{path} is not compiled"));
            }
            return self.ufunc(id, object, path, args);
        };
        self.effects |= row.effect;
        self.uses_rng |= row.draws();
        if matches!(row.kind, Kind::Library | Kind::Array) || self.is_of_arrays(row, args) {
            return self.table_call(id, Callee::Object(object, path), row, args);
        }
        match row.kind {
            Kind::Construct(p) => {
                let to = match p {
                    Python::Bool => Scalar::PyBool,
                    Python::Int => Scalar::PyInt,
                    Python::Float => Scalar::PyFloat,
                    Python::Complex => Scalar::PyComplex,
                };
                if p == Python::Complex && args.len() == 2 {
                    let types = self.positional(id, args)?;
                    let real = |t: &Type| matches!(t, Type::Scalar(s) if s.dtype().kind() <= DKind::Float);
                    if types.iter().all(real) {
                        self.tables.calls.insert(id, Call::Cast(to));
                        return Ok(Type::COMPLEX);
                    }
                    return self.unsupported(id, path, &types);
                }
                self.cast(id, to, args)
            }
            Kind::Alloc(_) | Kind::AllocLike(_) => self.alloc(id, object, row, args),
            Kind::Boxed(ret) => self.boxed(id, Callee::Object(object, path), args, |g| boxed_result(ret, g)),
            Kind::Numpy(which) => self.numpy(id, object, path, which, row, args),
            Kind::Random(draw) => self.random(id, object, path, draw, row, args),
            Kind::Hypot if args.len() != 2 => self.boxed(id, Callee::Object(object, path), args, |g| {
                boxed_result(Ret::Float, g)
            }),
            Kind::Min | Kind::Max if self.is_sequence(args) => {
                self.boxed(id, Callee::Object(object, path), args, |g| {
                    boxed_result(Ret::Extreme, g)
                })
            }
            Kind::Pow if args.len() == 3 => self.pow_mod(id, object, path, row, args),
            Kind::Round if args.len() == 2 => self.round_digits(id, object, path, row, args),
            _ => {
                let types = self.positional(id, args)?;
                if types.contains(&Type::Never) {
                    return Ok(Type::Never);
                }
                let ty = self.builtin_type(row.kind, path, &types);
                match ty {
                    Some(t) => {
                        self.tables.calls.insert(id, Call::Builtin(row));
                        Ok(t)
                    }
                    None => self.unsupported(id, path, &types),
                }
            }
        }
    }

    /// Whether the only argument is an array or a range.
    fn is_sequence(&mut self, args: &[Arg]) -> bool {
        matches!(args, [a] if matches!(self.expr(a.value), Type::Array(_) | Type::Range))
    }

    fn builtin_type(&self, kind: Kind, path: &str, types: &[Type]) -> Option<Type> {
        let scalars: Option<Vec<Scalar>> = types
            .iter()
            .map(|t| match t {
                Type::Scalar(s) => Some(*s),
                _ => None,
            })
            .collect();
        let index = |t: &Type| super::stmt::is_index(t) || *t == Type::BOOL;
        let indices = types.iter().all(index);
        match kind {
            Kind::Len => match types {
                [Type::Array(a)] if a.ndim > 0 => Some(Type::INT),
                [Type::Tuple(_) | Type::List(_) | Type::Range | Type::Str(_)] => Some(Type::INT),
                _ => None,
            },
            Kind::Abs => match types {
                [t] if !t.scalars().is_empty() => Type::union(
                    t.scalars()
                        .iter()
                        .map(|s| operators::abs(*s))
                        .collect::<Option<Vec<_>>>()?,
                ),
                _ => None,
            },
            Kind::Min | Kind::Max => {
                let items: &[Type] = match types {
                    [Type::Tuple(items)] => items,
                    many if many.len() > 1 => many,
                    _ => return None,
                };
                if items.iter().any(|t| t.scalars().is_empty()) {
                    return None;
                }
                Type::union(items.iter().flat_map(|t| t.scalars().to_vec()))
            }
            Kind::Pow => match types {
                [a, b] => {
                    let mut out = vec![];
                    for x in a.scalars() {
                        for y in b.scalars() {
                            out.push(operators::binary(BinOp::Pow, *x, *y)?);
                        }
                    }
                    Type::union(out)
                }
                _ => None,
            },
            Kind::Divmod => match scalars?.as_slice() {
                [a, b] => {
                    let q = operators::binary(BinOp::FloorDiv, *a, *b)?;
                    let r = operators::binary(BinOp::Mod, *a, *b)?;
                    Some(Type::tuple([Type::Scalar(q), Type::Scalar(r)]))
                }
                _ => None,
            },
            Kind::Round => match scalars?.as_slice() {
                [s] => operators::round(*s).map(Type::Scalar),
                _ => None,
            },
            Kind::Math | Kind::Hypot => {
                let name = path.rsplit('.').next()?;
                match types {
                    // every member of a union has its result
                    [Type::Union(u)] => {
                        let each = u.members().iter().map(|s| match operators::math(name, &[*s]) {
                            Some(Type::Scalar(s)) => Some(s),
                            _ => None,
                        });
                        Type::union(each.collect::<Option<Vec<_>>>()?)
                    }
                    _ => operators::math(name, &scalars?),
                }
            }
            Kind::Range => (indices && (1..=3).contains(&types.len())).then_some(Type::Range),
            _ => None,
        }
    }

    /// `np.zeros(shape, dtype=...)` and `np.zeros_like(a)`.
    fn alloc(
        &mut self,
        id: ExprId,
        object: ObjectRef,
        row: &'static numlift_builtins::Builtin,
        args: &[Arg],
    ) -> R<Type> {
        let mut types = Vec::new();
        let mut dtype = None;
        let mut fortran = false;
        for (i, a) in args.iter().enumerate() {
            let t = self.expr(a.value);
            match (a.name.as_deref(), i) {
                (None | Some("shape" | "a" | "prototype"), _) if types.is_empty() => types.push(t),
                (None, 1) | (Some("dtype"), _) if t == Type::None => {}
                (None, 1) | (Some("dtype"), _) => dtype = Some(t),
                (Some("order"), _) if t == Type::Str("C".into()) => {}
                (Some("order"), _) if t == Type::Str("F".into()) => fortran = true,
                _ if matches!(row.kind, Kind::AllocLike(_)) => {
                    return self.table_call(id, Callee::Object(object, row.path), row, args);
                }
                _ => return self.unsupported(id, row.path, &types),
            }
        }
        let dtype = match dtype {
            None => None,
            Some(t) => match self.dtype_of(&t) {
                Some(d) => Some(d),
                None => return self.unsupported(id, row.path, &[t]),
            },
        };
        let ty = match (row.kind, types.first()) {
            (Kind::Alloc(_), Some(t)) => shape_rank(t).map(|n| {
                let layout = if fortran && n > 1 { Layout::F } else { Layout::C };
                Type::array(dtype.unwrap_or(DType::F64), n, layout)
            }),
            // `*_like` keeps the layout (order="K")
            (Kind::AllocLike(_), Some(Type::Array(a))) if a.layout == Layout::C && !fortran => {
                Some(Type::array(dtype.unwrap_or(a.dtype), a.ndim, Layout::C))
            }
            _ => None,
        };
        match ty {
            Some(Type::Array(a)) => {
                self.tables.calls.insert(id, Call::Builtin(row));
                self.tables.dtypes.insert(id, a.dtype);
                Ok(Type::Array(a))
            }
            _ if matches!(types.first(), Some(Type::Array(_))) => {
                self.table_call(id, Callee::Object(object, row.path), row, args)
            }
            _ => self.unsupported(id, row.path, &types),
        }
    }

    /// `pow(base, exp, mod)` of Python ints.
    fn pow_mod(
        &mut self,
        id: ExprId,
        object: ObjectRef,
        path: &str,
        row: &'static numlift_builtins::Builtin,
        args: &[Arg],
    ) -> R<Type> {
        let ty = self.boxed(id, Callee::Object(object, path), args, |g| {
            let int =
                |(_, t): &(Option<String>, Type)| matches!(t, Type::Scalar(Scalar::PyInt | Scalar::PyBool));
            g.items.iter().all(int).then_some(Type::INT)
        })?;
        if ty == Type::INT && args.iter().all(|a| a.name.is_none()) {
            self.tables.calls.insert(id, Call::Builtin(row));
        }
        Ok(ty)
    }

    /// `round(x, ndigits)`; `None` is as no digits.
    fn round_digits(
        &mut self,
        id: ExprId,
        object: ObjectRef,
        path: &str,
        row: &'static numlift_builtins::Builtin,
        args: &[Arg],
    ) -> R<Type> {
        let ty = self.boxed(id, Callee::Object(object, path), args, |g| {
            match (g.get(0, "number")?, g.get(1, "ndigits")?) {
                (Type::Scalar(s), Type::None) => operators::round(*s).map(Type::Scalar),
                (Type::Scalar(s), n) if super::stmt::is_index(n) => {
                    operators::round_digits(*s).map(Type::Scalar)
                }
                _ => None,
            }
        })?;
        let plain = args.iter().all(|a| a.name.is_none());
        let second = args.get(1).and_then(|a| self.tables.exprs.get(&a.value));
        if ty == Type::FLOAT && plain && second == Some(&Type::INT) {
            self.tables.calls.insert(id, Call::Builtin(row));
        }
        Ok(ty)
    }

    /// Functions of NumPy on scalars with rules of their own.
    fn numpy(
        &mut self,
        id: ExprId,
        object: ObjectRef,
        path: &str,
        which: Numpy,
        row: &'static numlift_builtins::Builtin,
        args: &[Arg],
    ) -> R<Type> {
        if which == Numpy::Info {
            return self.unsupported(id, path, &[]);
        }
        let ty = self.boxed(id, Callee::Object(object, path), args, |g| {
            let mut scalars = vec![];
            for (_, t) in &g.items {
                match t {
                    Type::Scalar(s) => scalars.push(*s),
                    Type::None => {}
                    _ => return None,
                }
            }
            match which {
                Numpy::Clip => operators::clip(&scalars),
                _ if matches!(g.items.get(1), Some((_, Type::Scalar(s))) if *s != Scalar::PyInt) => None,
                _ => operators::numpy_round(*scalars.first()?),
            }
            .filter(|_| g.dtype.is_none())
            .map(Type::np)
        })?;
        let types: Vec<Option<&Type>> = args.iter().map(|a| self.tables.exprs.get(&a.value)).collect();
        let Type::Scalar(Scalar::Np(d)) = ty else {
            return Ok(ty);
        };
        let scalars = types.iter().all(|t| matches!(t, Some(Type::Scalar(_))));
        // in range by their types: no Python int meets a narrower dtype
        let same = d.kind() == DKind::Float
            || types
                .iter()
                .all(|t| matches!(t, Some(Type::Scalar(s)) if s.dtype() == d));
        let arity = if which == Numpy::Clip { 3 } else { 1 };
        let plain = args.len() == arity && args.iter().all(|a| a.name.is_none());
        if plain && scalars && same && d.kind() != DKind::Complex {
            self.tables.calls.insert(id, Call::Builtin(row));
        }
        Ok(ty)
    }

    /// `np.finfo(dtype).eps`, `np.iinfo(dtype).max`: a constant; `None` if it is another expression.
    pub(super) fn info_attribute(&mut self, id: ExprId, base: ExprId, name: &str) -> R<Option<Type>> {
        let hir = self.hir.clone();
        let ExprKind::Call { func, args } = &hir.exprs[base].kind else {
            return Ok(None);
        };
        let [
            Arg {
                value,
                name: None,
                star: 0,
            },
        ] = args.as_slice()
        else {
            return Ok(None);
        };
        let Type::Known(o) = self.expr(*func) else {
            return Ok(None);
        };
        let Known::Builtin(path) = self.cx.env.known(o) else {
            return Ok(None);
        };
        if !matches!(path.as_str(), "numpy.finfo" | "numpy.iinfo") {
            return Ok(None);
        }
        let t = self.expr(*value);
        let found = self
            .dtype_of(&t)
            .and_then(|d| numlift_builtins::info(&path, d, name));
        let Some((scalar, bits)) = found else {
            return self.unsupported(id, &format!("{path}.{name}"), &[t]);
        };
        self.tables.calls.insert(id, Call::Constant(scalar, bits));
        Ok(Some(Type::Scalar(scalar)))
    }
}
