//! Library functions: the rows of the builtin table, NumPy ufuncs on scalars, boxed calls.

use numlift_builtins::{Kind, Python, Ret};
use numlift_syntax::hir::{Arg, ExprId};
use numlift_types::{ArrayType, DType, Kind as DKind, Layout, ObjectRef, Scalar, Type, common_dtype};

use super::stmt::storable;
use super::{FnInfer, R};
use crate::operators;
use crate::tables::Call;

/// Result type of a boxed call for the argument types, `None` if it has no static type.
pub fn boxed_result(ret: Ret, args: &[Type], dtype: Option<DType>) -> Option<Type> {
    let array = |d: DType, ndim: u8| Type::array(d, ndim, Layout::C);
    let first_array = match args.first() {
        Some(Type::Array(a)) => Some(*a),
        _ => None,
    };
    let numbers = args.iter().all(|t| matches!(t, Type::Scalar(_)));
    Some(match ret {
        Ret::None => Type::None,
        Ret::Bool => Type::BOOL,
        Ret::NpBool => Type::np(DType::Bool),
        Ret::Int => Type::INT,
        Ret::Float => Type::FLOAT,
        Ret::NpFloat => Type::np(DType::F64),
        Ret::Complex => Type::COMPLEX,
        Ret::FloatPair => Type::tuple([Type::FLOAT, Type::FLOAT]),
        Ret::FloatInt => Type::tuple([Type::FLOAT, Type::INT]),
        Ret::RandomFloat if numbers => Type::FLOAT,
        Ret::RandomFloat => return None,
        Ret::Full => {
            let d = match (dtype, args.get(1)?) {
                (Some(d), _) => d,
                (None, Type::Scalar(s)) => s.dtype(),
                _ => return None,
            };
            array(d, shape_rank(args.first()?)?)
        }
        Ret::LikeFirst => {
            let a = first_array?;
            let layout = if a.layout == Layout::C {
                Layout::C
            } else {
                Layout::A
            };
            Type::Array(ArrayType {
                dtype: dtype.unwrap_or(a.dtype),
                layout,
                readonly: false,
                ..a
            })
        }
        Ret::Arange if numbers && !args.is_empty() => {
            let d = args
                .iter()
                .flat_map(Type::scalars)
                .fold(DType::I64, |d, s| common_dtype(d, s.dtype()));
            array(dtype.unwrap_or(d), 1)
        }
        Ret::Arange => return None,
        Ret::Sum => {
            let a = first_array?;
            if args.len() != 1 {
                return None;
            }
            Type::np(match a.dtype.kind() {
                DKind::Bool | DKind::Signed => DType::I64,
                DKind::Unsigned => DType::U64,
                _ => a.dtype,
            })
        }
        Ret::Element => {
            let a = first_array?;
            if args.len() != 1 {
                return None;
            }
            Type::np(a.dtype)
        }
        Ret::BuiltinSum => {
            let a = first_array.filter(|a| a.ndim == 1 && args.len() == 1)?;
            let item = operators::binary(
                numlift_syntax::hir::BinOp::Add,
                Scalar::PyInt,
                Scalar::Np(a.dtype),
            )?;
            return Type::union([Scalar::PyInt, item]);
        }
        Ret::Copy => {
            let a = first_array.filter(|_| args.len() == 1)?;
            Type::Array(ArrayType {
                layout: Layout::C,
                readonly: false,
                ..a
            })
        }
    })
}

/// Rank of the array that a shape argument describes.
pub(super) fn shape_rank(t: &Type) -> Option<u8> {
    match t {
        t if super::stmt::is_index(t) => Some(1),
        Type::Tuple(items) if items.iter().all(super::stmt::is_index) => u8::try_from(items.len()).ok(),
        _ => None,
    }
}

impl FnInfer<'_, '_> {
    pub(super) fn builtin(&mut self, id: ExprId, object: ObjectRef, path: &str, args: &[Arg]) -> R<Type> {
        match path {
            "builtins.isinstance" => return self.isinstance(id, args),
            "builtins.type" if args.len() == 1 => return self.type_call(id, args),
            _ => {}
        }
        let Some(row) = numlift_builtins::find(path) else {
            let loops = self.cx.env.ufunc_types(object);
            if loops.is_empty() {
                let (span, line) = (self.hir.exprs[id].span, self.hir.exprs[id].line);
                return self.error(span, line, "NL2004", format!("{path} is not compiled"));
            }
            return self.ufunc(id, object, path, &loops, args);
        };
        if row.effect {
            self.effects = true;
            self.uses_rng = true;
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
            Kind::Alloc(_) | Kind::AllocLike(_) => self.alloc(id, row, args),
            Kind::Boxed(ret) => self.boxed(id, Some(object), "", ret, &[], args, path),
            _ => {
                let types = self.positional(id, args)?;
                if types.contains(&Type::Never) {
                    return Ok(Type::Never);
                }
                let ty = self.builtin_type(row.kind, path, &types, args);
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

    fn builtin_type(&self, kind: Kind, path: &str, types: &[Type], args: &[Arg]) -> Option<Type> {
        let scalars: Option<Vec<Scalar>> = types
            .iter()
            .map(|t| match t {
                Type::Scalar(s) => Some(*s),
                _ => None,
            })
            .collect();
        let indices = types.iter().all(super::stmt::is_index);
        match kind {
            Kind::Len => match types {
                [Type::Array(a)] if a.ndim > 0 => Some(Type::INT),
                [Type::Tuple(_) | Type::Range | Type::Str(_)] => Some(Type::INT),
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
                            out.push(operators::binary(numlift_syntax::hir::BinOp::Pow, *x, *y)?);
                        }
                    }
                    Type::union(out)
                }
                _ => None,
            },
            Kind::Divmod => match scalars?.as_slice() {
                [a, b] => {
                    let q = operators::binary(numlift_syntax::hir::BinOp::FloorDiv, *a, *b)?;
                    let r = operators::binary(numlift_syntax::hir::BinOp::Mod, *a, *b)?;
                    Some(Type::tuple([Type::Scalar(q), Type::Scalar(r)]))
                }
                _ => None,
            },
            Kind::Round => match scalars?.as_slice() {
                [Scalar::PyFloat | Scalar::PyInt | Scalar::PyBool | Scalar::Np(DType::F64)] => {
                    Some(Type::INT)
                }
                _ => None,
            },
            Kind::Math => {
                let name = path.rsplit('.').next()?;
                match types {
                    // every member of a union has its result
                    [Type::Union(u)] => {
                        let each = u.members().iter().map(|s| operators::math(name, &[*s]));
                        Type::union(each.collect::<Option<Vec<_>>>()?)
                    }
                    _ => operators::math(name, &scalars?).map(Type::Scalar),
                }
            }
            Kind::Range => (indices && (1..=3).contains(&types.len())).then_some(Type::Range),
            Kind::RandomDouble => types.is_empty().then_some(Type::FLOAT),
            Kind::RandomInt => (indices && (1..=2).contains(&args.len())).then_some(Type::INT),
            Kind::RandomUniform => {
                let real = |s: &Scalar| s.dtype().kind() <= DKind::Float;
                (types.len() <= 2 && scalars?.iter().all(real)).then_some(Type::FLOAT)
            }
            _ => None,
        }
    }

    /// `np.zeros(shape, dtype=...)` and `np.zeros_like(a)`.
    fn alloc(&mut self, id: ExprId, row: &'static numlift_builtins::Builtin, args: &[Arg]) -> R<Type> {
        let mut types = Vec::new();
        let mut dtype = None;
        for (i, a) in args.iter().enumerate() {
            let t = self.expr(a.value);
            match (&a.name, i) {
                (None, 0) => types.push(t),
                (Some(n), _) if n == "shape" && types.is_empty() => types.push(t),
                (None, 1) => dtype = Some(t),
                (Some(n), _) if n == "dtype" => dtype = Some(t),
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
            (Kind::Alloc(_), Some(t)) => {
                shape_rank(t).map(|n| Type::array(dtype.unwrap_or(DType::F64), n, Layout::C))
            }
            // `*_like` keeps the layout (order="K")
            (Kind::AllocLike(_), Some(Type::Array(a))) if a.layout == Layout::C => {
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
                let object = self.cx.env.object(row.path);
                if dtype.is_some() || object.is_none() {
                    return self.unsupported(id, row.path, &types);
                }
                self.boxed(id, object, "", Ret::LikeFirst, &[], args, row.path)
            }
            _ => self.unsupported(id, row.path, &types),
        }
    }

    /// A call through the interpreter. dtype arguments must be compile-time objects that can be boxed.
    #[allow(
        clippy::too_many_arguments,
        reason = "one call site each for functions and methods"
    )]
    fn boxed(
        &mut self,
        id: ExprId,
        object: Option<ObjectRef>,
        method: &str,
        ret: Ret,
        first: &[(ExprId, Type)],
        args: &[Arg],
        path: &str,
    ) -> R<Type> {
        let mut exprs: Vec<ExprId> = first.iter().map(|(e, _)| *e).collect();
        let mut types: Vec<Type> = first.iter().map(|(_, t)| t.clone()).collect();
        let mut keywords = vec![];
        let mut dtype = None;
        for a in args {
            let t = self.expr(a.value);
            if t == Type::Never {
                return Ok(Type::Never);
            }
            let d = self.dtype_of(&t);
            let named_dtype = a.name.as_deref() == Some("dtype");
            if named_dtype || (a.name.is_none() && d.is_some()) {
                dtype = d;
                if d.is_none() {
                    return self.unsupported(id, path, &[t]);
                }
            } else if !storable(&t) {
                return self.unsupported(id, path, &[t]);
            } else {
                types.push(t);
            }
            if let Some(n) = &a.name {
                keywords.push(n.clone());
            }
            exprs.push(a.value);
        }
        let Some(ty) = boxed_result(ret, &types, dtype) else {
            return self.unsupported(id, path, &types);
        };
        if dtype.is_some() && !matches!(ret, Ret::Full | Ret::LikeFirst | Ret::Arange) {
            return self.unsupported(id, path, &types);
        }
        self.tables.calls.insert(
            id,
            Call::Boxed {
                object,
                method: method.to_owned(),
                args: exprs,
                keywords,
            },
        );
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
        let Some(row) = numlift_builtins::find_method(name) else {
            let (span, line) = (self.hir.exprs[id].span, self.hir.exprs[id].line);
            return self.error(
                span,
                line,
                "NL2004",
                format!("method `{name}` of {t} is not compiled"),
            );
        };
        let Kind::Boxed(ret) = row.kind else {
            return self.unsupported(id, name, &[]);
        };
        self.effects |= row.effect;
        self.boxed(id, None, name, ret, &[(base, t.clone())], args, name)
    }

    /// A NumPy ufunc on scalars: the loop that NumPy would select.
    fn ufunc(
        &mut self,
        id: ExprId,
        object: ObjectRef,
        path: &str,
        loops: &[String],
        args: &[Arg],
    ) -> R<Type> {
        let types = self.positional(id, args)?;
        if types.contains(&Type::Never) {
            return Ok(Type::Never);
        }
        let Some((found, dtypes)) = select_common_loop(loops, &types) else {
            return self.unsupported(id, path, &types);
        };
        let result = dtypes[dtypes.len() - 1];
        // These loops can raise, which a loop on one element has no way to report.
        if path == "numpy.power" && result.is_integer() {
            return self.unsupported(id, path, &types);
        }
        let args = args.iter().map(|a| a.value).collect();
        self.tables.calls.insert(
            id,
            Call::Ufunc {
                object,
                types: found,
                args,
                dtypes,
            },
        );
        Ok(Type::np(result))
    }
}

/// The loop for operands of these types; members of a union must all select the same one.
fn select_common_loop(loops: &[String], types: &[Type]) -> Option<(String, Vec<DType>)> {
    let mut combinations: Vec<Vec<Scalar>> = vec![vec![]];
    for t in types {
        let extend = |c: &Vec<Scalar>| {
            let c = c.clone();
            t.scalars()
                .iter()
                .map(move |s| c.iter().copied().chain([*s]).collect())
                .collect::<Vec<_>>()
        };
        combinations = combinations.iter().flat_map(extend).collect();
    }
    let mut found = combinations.iter().map(|c| select_loop(loops, c));
    let first = found.next()??;
    found.all(|f| f.as_ref() == Some(&first)).then_some(first)
}

/// The ufunc loop for the operand types and its dtypes, result last: the first whose operands hold
/// the promoted ones, as NumPy's type resolution does.
fn select_loop(loops: &[String], scalars: &[Scalar]) -> Option<(String, Vec<DType>)> {
    let strong = scalars
        .iter()
        .filter(|s| s.is_numpy())
        .map(|s| s.dtype())
        .reduce(common_dtype);
    let wanted: Vec<DType> = scalars
        .iter()
        .map(|s| match (s, strong) {
            (Scalar::Np(d), _) => *d,
            (s, Some(d)) => numlift_types::weak_promote(d, *s),
            (s, None) => s.dtype(),
        })
        .collect();
    let common = wanted.iter().copied().reduce(common_dtype)?;
    let small = |d: &DType| matches!(d, DType::Bool | DType::I8 | DType::U8);
    for text in loops {
        let (ins, outs) = text.split_once("->")?;
        // NumPy computes in float16 here, which native code does not have.
        if ins.contains('e') && wanted.iter().all(small) {
            return None;
        }
        // Loops of wider types refuse bools in some functions (`subtract`): left to NumPy.
        if common == DType::Bool && ins.chars().any(|c| c != '?') {
            return None;
        }
        if ins.len() != scalars.len() || outs.len() != 1 {
            continue;
        }
        let dtype = |c: char| DType::ALL.into_iter().find(|d| d.char_code() == c);
        let Some(mut dtypes) = ins.chars().map(dtype).collect::<Option<Vec<_>>>() else {
            continue;
        };
        let Some(result) = outs.chars().next().and_then(dtype) else {
            continue;
        };
        let fits = dtypes.iter().all(|d| common_dtype(*d, common) == *d);
        if fits {
            dtypes.push(result);
            return Some((text.clone(), dtypes));
        }
    }
    None
}
