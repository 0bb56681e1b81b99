//! Nested functions as values: what they capture, and their calls (lambda lifting).
//!
//! Inside the function around it a nested function has no value but its defaults: what it captures is read where it is
//! called, as cells are. Passed to another function or returned, it takes the values along; they cannot change
//! any more while that function runs.

use std::sync::Arc;

use numlift_diagnostics::Span;
use numlift_syntax::hir::{Arg, ExprId, Function};
use numlift_types::{Capture, ClosureType, NestedType, Type};

use super::dynamic::Stop;
use super::{FnInfer, Key, R};
use crate::tables::{ArgSource, Bound};

/// What a function value brings to its calls.
#[derive(Default)]
pub(super) struct FunctionValue {
    pub captures: Vec<ArgSource>,
    pub defaults: Vec<(ArgSource, Type)>,
}

impl FnInfer<'_, '_> {
    fn path(&self) -> &[u32] {
        &self.cx.program.instances[self.id.0].path
    }

    /// The value of a `def` or lambda.
    pub(super) fn nested(&mut self, n: u32, defaults: &[ExprId]) -> Type {
        let mut path = self.path().to_vec();
        path.push(n);
        let defaults = defaults.iter().map(|&e| self.expr(e)).collect();
        Type::Nested(Arc::new(NestedType { path, defaults }))
    }

    fn function_at(&self, path: &[u32]) -> R<Arc<Function>> {
        let root = self.cx.env.hir(self.code).map_err(|d| Stop::Here(Box::new(d)))?;
        Ok(path.iter().fold(root, |f, &n| f.nested[n as usize].clone()))
    }

    /// The variables that a call of the nested function needs, with those of the functions it captures.
    fn captures(&mut self, path: &[u32], span: Span) -> R<Vec<(Capture, Type)>> {
        let mut out: Vec<(Capture, Type)> = vec![];
        let mut todo = vec![path.to_vec()];
        let mut seen = 0;
        while seen < todo.len() {
            let path = todo[seen].clone();
            seen += 1;
            for name in &self.function_at(&path)?.free {
                let Some(depth) = self.owner(&path, name)? else {
                    continue;
                };
                let capture = Capture {
                    depth: depth as u32,
                    name: name.clone(),
                };
                if out.iter().any(|(c, _)| *c == capture) {
                    continue;
                }
                let t = self.captured(&capture, span)?;
                nested_in(&t, &mut todo);
                out.push((capture, t));
            }
        }
        Ok(out)
    }

    /// How deep the function is nested whose variable a free name of the function at `path` is; `None` for
    /// the closure variables of the outermost function.
    fn owner(&self, path: &[u32], name: &str) -> R<Option<usize>> {
        for depth in (0..path.len()).rev() {
            let around = self.function_at(&path[..depth])?;
            if around.locals.values().any(|l| l.name == name) {
                return Ok(Some(depth));
            }
        }
        Ok(None)
    }

    fn captured(&mut self, c: &Capture, span: Span) -> R<Type> {
        let line = 0;
        if c.depth as usize == self.path().len() {
            let found = self.hir.locals.iter().find(|(_, l)| l.name == c.name);
            if let Some(l) = found.map(|(l, _)| l) {
                let t = self.local(l, span, line)?;
                if self.var(l).is_none_or(|v| v.bound == Bound::Yes) {
                    return Ok(t);
                }
            }
        } else if let Some((_, t)) = self.tables.captures.iter().find(|(known, _)| known == c) {
            return Ok(t.clone());
        }
        let what = format!("`{}` may be unbound when the nested function is called", c.name);
        self.error(span, line, "NL2004", what)
    }

    fn capture_source(&self, c: &Capture) -> ArgSource {
        let local = self.hir.locals.iter().find(|(_, l)| l.name == c.name);
        match local {
            Some((l, _)) if c.depth as usize == self.path().len() => ArgSource::Local(l),
            _ => ArgSource::Capture(
                self.tables
                    .captures
                    .iter()
                    .position(|(known, _)| known == c)
                    .unwrap_or(0),
            ),
        }
    }

    /// The type with which a value leaves the function.
    pub(super) fn closed(&mut self, t: &Type, span: Span) -> R<Type> {
        Ok(match t {
            Type::Nested(n) => {
                let captures = self.captures(&n.path, span)?;
                self.no_objects(captures.iter().map(|(_, t)| t))?;
                let defaults = n.defaults.iter().map(|t| self.closed(t, span));
                let function = NestedType {
                    path: n.path.clone(),
                    defaults: defaults.collect::<R<_>>()?,
                };
                Type::Closure(Arc::new(ClosureType {
                    code: self.code,
                    captures,
                    function,
                }))
            }
            Type::Tuple(items) => {
                let items = items.iter().map(|t| self.closed(t, span));
                Type::tuple(items.collect::<R<Vec<_>>>()?)
            }
            t => t.clone(),
        })
    }

    /// Whether a value brings back a nested function with variables of this one.
    pub(super) fn is_from_here(&self, t: &Type) -> bool {
        let mine = match t {
            Type::Closure(c) => {
                let depth = self.path().len();
                c.code == self.code && c.captures.iter().any(|(v, _)| v.depth as usize == depth)
            }
            _ => false,
        };
        mine || t.parts().into_iter().any(|t| self.is_from_here(t))
    }

    pub(super) fn call_nested(&mut self, id: ExprId, n: &NestedType, args: &[Arg]) -> R<Type> {
        let span = self.hir.exprs[id].span;
        let captures = self.captures(&n.path, span)?;
        let value = FunctionValue {
            captures: captures.iter().map(|(c, _)| self.capture_source(c)).collect(),
            defaults: parts(&n.defaults, 0),
        };
        let callee = self.function_at(&n.path)?;
        let key = Key {
            code: self.code,
            path: n.path.clone(),
            args: vec![],
            captures,
        };
        self.call_function(id, key, callee, args, value)
    }

    pub(super) fn call_closure(&mut self, id: ExprId, c: &ClosureType, args: &[Arg]) -> R<Type> {
        let root = self.cx.env.hir(c.code).map_err(|d| Stop::Here(Box::new(d)))?;
        let path = &c.function.path;
        let callee = path.iter().fold(root, |f, &n| f.nested[n as usize].clone());
        let value = FunctionValue {
            captures: (0..c.captures.len()).map(ArgSource::Part).collect(),
            defaults: parts(&c.function.defaults, c.captures.len()),
        };
        let key = Key {
            code: c.code,
            path: path.clone(),
            args: vec![],
            captures: c.captures.clone(),
        };
        self.call_function(id, key, callee, args, value)
    }
}

fn parts(defaults: &[Type], first: usize) -> Vec<(ArgSource, Type)> {
    let numbered = defaults.iter().enumerate();
    numbered
        .map(|(i, t)| (ArgSource::Part(first + i), t.clone()))
        .collect()
}

/// Adds the paths of the nested functions in a type.
fn nested_in(t: &Type, out: &mut Vec<Vec<u32>>) {
    if let Type::Nested(n) = t
        && !out.contains(&n.path)
    {
        out.push(n.path.clone());
    }
    if !matches!(t, Type::Closure(_)) {
        t.parts().into_iter().for_each(|t| nested_in(t, out));
    }
}
