//! Calls and iterables.

use std::sync::Arc;

use numlift_builtins::Kind;
use numlift_diagnostics::{Diagnostic, Span};
use numlift_syntax::hir::{Arg, ExprId, ExprKind, Function, ParamKind};
use numlift_types::{Scalar, Type};

use super::closure::FunctionValue;
use super::dynamic::Stop;
use super::{FnInfer, Key, R};
use crate::env::{Known, Resolved};
use crate::islands::Consumer;
use crate::operators;
use crate::tables::{ArgSource, Call, Static};

impl FnInfer<'_, '_> {
    pub(super) fn call(&mut self, id: ExprId, func: ExprId, args: &[Arg]) -> R<Type> {
        let hir = self.hir.clone();
        let (span, line) = (hir.exprs[id].span, hir.exprs[id].line);
        let python = |t: &Type| matches!(t, Type::Function(_) | Type::Nested(_) | Type::Closure(_));
        let spread = args.iter().any(|a| a.star > 0);
        if args.iter().any(|a| a.star > 1) {
            return self.error(span, line, "NL2007", "a call with ** is dynamic");
        }
        if let ExprKind::Attribute(base, name) = &hir.exprs[func].kind {
            let t = self.expr(*base);
            if matches!(t, Type::Str(_)) && name == "join" {
                self.tables.consumers.insert(id, Consumer::Eager);
            }
            if matches!(t, Type::Array(_)) && !spread {
                return self.array_method(id, *base, &t, name, args);
            }
            if let Some(found) = self.number_method(id, &t, name, args) {
                return Ok(found);
            }
        }
        let callee = self.expr(func);
        if spread && !python(&callee) {
            self.no_objects([&callee])?;
            return self.error(span, line, "NL2007", "a call with * of this function is dynamic");
        }
        match callee {
            Type::Never => Ok(Type::Never),
            Type::Object(r) => Err(Stop::Flow(r)),
            Type::DType(d) => self.cast(id, Scalar::Np(d), args),
            Type::Known(o) => match self.cx.env.known(o) {
                Known::Builtin(path) => {
                    let consumer = Consumer::of(&path).map(|how| (id, how));
                    self.tables.consumers.extend(consumer);
                    self.builtin(id, o, &path, args)
                }
                Known::C(signature) => self.c_call(id, o, &signature, args),
                _ => self.error(span, line, "NL2004", "this call is not compiled"),
            },
            Type::Function(code) => {
                let callee = match self.cx.env.hir(code) {
                    Ok(h) => h,
                    Err(d) => {
                        return self.error(
                            span,
                            line,
                            "NL2004",
                            format!("the called function cannot be compiled: {}", d.message),
                        );
                    }
                };
                let key = Key {
                    code,
                    path: vec![],
                    args: vec![],
                    captures: vec![],
                };
                self.call_function(id, key, callee, args, FunctionValue::default())
            }
            Type::Nested(n) => self.call_nested(id, &n, args),
            Type::Closure(c) => self.call_closure(id, &c, args),
            t => self.error(span, line, "NL2004", format!("a value of type {t} is called")),
        }
    }

    pub(super) fn call_function(
        &mut self,
        id: ExprId,
        mut key: Key,
        callee: Arc<Function>,
        args: &[Arg],
        value: FunctionValue,
    ) -> R<Type> {
        let hir = self.hir.clone();
        let (span, line) = (hir.exprs[id].span, hir.exprs[id].line);
        let n = callee.params.len();
        let mut slots: Vec<Option<(ArgSource, Type)>> = vec![None; n];
        let mut next = 0;
        for (name, source, ty) in self.spread(id, args)? {
            let slot = match name {
                None => {
                    next += 1;
                    callee
                        .params
                        .get(next - 1)
                        .filter(|p| p.kind != ParamKind::KeywordOnly)
                        .map(|_| next - 1)
                }
                Some(name) => callee
                    .params
                    .iter()
                    .position(|p| callee.locals[p.local].name == name && p.kind != ParamKind::PositionalOnly),
            };
            let Some(slot) = slot.filter(|s| slots[*s].is_none()) else {
                return self.error(
                    span,
                    line,
                    "NL2016",
                    "the arguments do not match the function's parameters",
                );
            };
            slots[slot] = Some((source, ty));
        }
        let mut sources = Vec::with_capacity(n);
        let mut defaults = value.defaults.into_iter();
        for (i, s) in slots.into_iter().enumerate() {
            let has_default = callee.params[i].has_default;
            let part = has_default.then(|| defaults.next()).flatten();
            let (source, ty) = match s {
                Some(s) => s,
                None if part.is_some() => part.unwrap_or((ArgSource::Const, Type::Never)),
                None if callee.params[i].has_default => match self.cx.env.default(key.code, i) {
                    Resolved::Const(t) => (ArgSource::Const, t),
                    Resolved::Hidden { index, ty } => (ArgSource::Hidden(index), ty),
                    _ => return self.error(span, line, "NL2016", "a default argument has no static type"),
                },
                None => return self.error(span, line, "NL2016", "an argument of this call is missing"),
            };
            if ty == Type::Never {
                return Ok(Type::Never);
            }
            self.no_objects([&ty])?;
            key.args.push(self.closed(&ty, span)?);
            sources.push(source);
        }
        sources.extend(value.captures);
        self.no_objects(key.captures.iter().map(|(_, t)| t))?;
        let target = match self.cx.instance(key, callee.clone()) {
            Ok(id) => id,
            Err(d) => return self.callee_error(id, &callee, &d),
        };
        let first = self.cx.program.instances[target.0].places().next().cloned();
        if let Some(d) = first {
            self.callees.push(target);
            return self.callee_error(id, &callee, &d);
        }
        self.callees.push(target);
        self.tables.calls.insert(
            id,
            Call::Instance {
                id: target,
                args: sources,
            },
        );
        let ret = self.cx.program.instances[target.0].ret.clone();
        if self.is_from_here(&ret) {
            let what = "a nested function comes back: its variables may have changed";
            return self.error(span, line, "NL2004", what);
        }
        Ok(ret)
    }

    /// The arguments of a call, `*t` of a tuple as its items.
    fn spread<'a>(&mut self, id: ExprId, args: &'a [Arg]) -> R<Vec<(Option<&'a str>, ArgSource, Type)>> {
        let mut out = Vec::with_capacity(args.len());
        for a in args {
            let ty = self.expr(a.value);
            if a.star == 0 {
                out.push((a.name.as_deref(), ArgSource::Expr(a.value), ty));
                continue;
            }
            match ty.items() {
                Some(items) => {
                    let items = items.iter().enumerate();
                    out.extend(items.map(|(k, t)| (None, ArgSource::Item(a.value, k), t.clone())));
                }
                None => {
                    self.no_objects([&ty])?;
                    let (span, line) = (self.hir.exprs[id].span, self.hir.exprs[id].line);
                    let what = "a call with * is dynamic unless it is of a tuple";
                    return self.error(span, line, "NL2007", what);
                }
            }
        }
        Ok(out)
    }

    /// A call of a function that is not native.
    fn callee_error(&mut self, id: ExprId, callee: &Function, d: &Diagnostic) -> R<Type> {
        let (span, line) = (self.hir.exprs[id].span, self.hir.exprs[id].line);
        let called = "` is called: ";
        let cause = match d.message.rsplit_once(called) {
            Some((_, cause)) => cause.to_owned(),
            None => format!("{} (line {})", d.message, d.line),
        };
        let what = format!("`{}{called}{cause}", callee.name);
        self.error(span, line, d.code, what)
    }

    pub(super) fn positional(&mut self, id: ExprId, args: &[Arg]) -> R<Vec<Type>> {
        let (span, line) = (self.hir.exprs[id].span, self.hir.exprs[id].line);
        let mut out = Vec::with_capacity(args.len());
        for a in args {
            if a.name.is_some() {
                return self.error(
                    span,
                    line,
                    "NL2004",
                    "a keyword argument of this function is not compiled",
                );
            }
            out.push(self.expr(a.value));
        }
        Ok(out)
    }

    pub(super) fn unsupported<T>(&mut self, id: ExprId, path: &str, types: &[Type]) -> R<T> {
        self.no_objects(types)?;
        let (span, line): (Span, u32) = (self.hir.exprs[id].span, self.hir.exprs[id].line);
        let names: Vec<String> = types.iter().map(ToString::to_string).collect();
        self.error(
            span,
            line,
            "NL2004",
            format!("{path}({}) is not compiled", names.join(", ")),
        )
    }

    pub(super) fn cast(&mut self, id: ExprId, to: Scalar, args: &[Arg]) -> R<Type> {
        let types = self.positional(id, args)?;
        if let (Scalar::PyFloat, [Type::Str(text)]) = (to, types.as_slice())
            && let Some(x) = super::fold::float_of(text)
        {
            let bits = Static::Float(x.to_bits());
            self.tables.calls.insert(id, Call::Static(bits));
            return Ok(Type::FLOAT);
        }
        let ok = match types.as_slice() {
            [] => true,
            [t] => !t.scalars().is_empty() && t.scalars().iter().all(|s| operators::construct(to, *s)),
            _ => false,
        };
        if types.contains(&Type::Never) {
            return Ok(Type::Never);
        }
        if !ok {
            return self.unsupported(id, &to.to_string(), &types);
        }
        self.tables.calls.insert(id, Call::Cast(to));
        Ok(Type::Scalar(to))
    }

    /// Type of the items of the expression a `for` iterates over.
    pub(super) fn iterable(&mut self, id: ExprId) -> R<Type> {
        let hir = self.hir.clone();
        let e = &hir.exprs[id];
        if let ExprKind::Call { func, args } = &e.kind {
            let callee = self.expr(*func);
            if let Type::Known(o) = callee
                && let Known::Builtin(path) = self.cx.env.known(o)
                && let Some(row) = numlift_builtins::find(&path)
                && args.iter().all(|a| a.star == 0)
            {
                let plain: Vec<ExprId> = args
                    .iter()
                    .filter(|a| a.name.is_none())
                    .map(|a| a.value)
                    .collect();
                let start = args
                    .iter()
                    .find(|a| a.name.as_deref() == Some("start"))
                    .map(|a| a.value);
                match row.kind {
                    Kind::Enumerate if !plain.is_empty() => {
                        let item = self.iterable(plain[0])?;
                        let start = start.or(plain.get(1).copied());
                        if let Some(t) = start.map(|s| self.expr(s))
                            && t != Type::INT
                        {
                            self.no_objects([&t])?;
                            return self.error(
                                e.span,
                                e.line,
                                "NL2012",
                                "enumerate starts at something but an int",
                            );
                        }
                        self.tables.calls.insert(id, Call::Builtin(row));
                        return Ok(Type::tuple([Type::INT, item]));
                    }
                    Kind::Zip if !plain.is_empty() && plain.len() == args.len() => {
                        let items: Vec<Type> = plain.iter().map(|&x| self.iterable(x)).collect::<R<_>>()?;
                        self.tables.calls.insert(id, Call::Builtin(row));
                        return Ok(Type::tuple(items));
                    }
                    Kind::Reversed if plain.len() == 1 && args.len() == 1 => {
                        let inner = self.iterable(plain[0])?;
                        let wrapped = matches!(self.tables.calls.get(&plain[0]), Some(Call::Builtin(b)) if !matches!(b.kind, Kind::Range));
                        if wrapped {
                            return self.error(e.span, e.line, "NL2012", "this cannot be reversed");
                        }
                        self.tables.calls.insert(id, Call::Builtin(row));
                        return Ok(inner);
                    }
                    _ => {}
                }
            }
        }
        match self.expr(id) {
            Type::Range => Ok(Type::INT),
            Type::Array(a) if a.ndim > 0 => Ok(super::index::element(a)),
            Type::Tuple(items) | Type::List(items) => match super::tuple::any_item(&items) {
                Some(t) => Ok(t),
                None => self.error(
                    e.span,
                    e.line,
                    "NL2012",
                    "a tuple of different types is iterated over",
                ),
            },
            t @ (Type::Never | Type::Object(_)) => Ok(t),
            t => self.error(
                e.span,
                e.line,
                "NL2012",
                format!("iteration over {t} is not compiled"),
            ),
        }
    }
}
