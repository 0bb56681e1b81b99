//! AST to HIR: one [`Builder`] walks a function and the functions nested in it.

mod expr;
mod names;
mod pattern;
mod stmt;

use std::collections::HashMap;
use std::sync::Arc;

use cranelift_entity::PrimaryMap;
use numlift_diagnostics::{SourceMap, Span};
use rustpython_parser::ast;
use rustpython_parser::text_size::TextRange;

use crate::facts;
use crate::hir::{
    Expr, ExprId, ExprKind, Function, Local, LocalId, Opaque, Param, ParamKind, Stmt, StmtId, StmtKind,
};
use crate::scope::Bindings;

/// Deepest nesting of statements and expressions that is accepted: later stages recurse over the HIR.
pub const MAX_DEPTH: u32 = 1000;

/// A name that hides the function's own names in part of its text.
struct Shadow {
    name: String,
    /// Bound by a class body: not seen by functions nested in it.
    class: bool,
}

/// One function being built.
struct Scope {
    function: Function,
    names: HashMap<String, LocalId>,
    bindings: Bindings,
    shadows: Vec<Shadow>,
}

pub struct Builder<'s> {
    map: &'s SourceMap<'s>,
    /// What to add to the parser's offsets to get offsets in the source text.
    shift: i64,
    first_line: u32,
    source: Arc<str>,
    free_names: &'s [String],
    /// Innermost function last.
    scopes: Vec<Scope>,
    /// In a parameter's annotation, which is evaluated outside the function.
    outside: bool,
    depth: u32,
    /// Where the nesting exceeded [`MAX_DEPTH`].
    pub too_deep: Option<Span>,
}

/// The parts of a `def` or a lambda.
pub struct Definition<'a> {
    pub name: &'a str,
    pub span: Span,
    pub args: &'a ast::Arguments,
    pub body: Body<'a>,
    pub is_async: bool,
}

#[derive(Clone, Copy)]
pub enum Body<'a> {
    Block(&'a [ast::Stmt]),
    Expr(&'a ast::Expr),
}

impl<'s> Builder<'s> {
    pub fn new(map: &'s SourceMap<'s>, shift: i64, first_line: u32, free_names: &'s [String]) -> Self {
        let scopes = Vec::new();
        Self {
            map,
            shift,
            first_line,
            source: map.text().into(),
            free_names,
            scopes,
            outside: false,
            depth: 0,
            too_deep: None,
        }
    }

    pub fn span(&self, range: TextRange) -> Span {
        let at = |offset: u32| (i64::from(offset) + self.shift).max(0) as u32;
        Span {
            start: at(range.start().into()),
            end: at(range.end().into()),
        }
    }

    fn scope(&mut self) -> &mut Scope {
        self.scopes
            .last_mut()
            .expect("a scope is open while a function is built")
    }

    fn expr_node(&mut self, kind: ExprKind, span: Span) -> ExprId {
        let line = self.map.line(span.start);
        self.scope().function.exprs.push(Expr { kind, span, line })
    }

    fn stmt_node(&mut self, kind: StmtKind, span: Span) -> StmtId {
        let line = self.map.line(span.start);
        self.scope().function.stmts.push(Stmt { kind, span, line })
    }

    /// Runs `f` one level deeper, or not at all if that is too deep.
    fn deeper<T>(&mut self, span: Span, f: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.depth >= MAX_DEPTH {
            self.too_deep.get_or_insert(span);
            return None;
        }
        self.depth += 1;
        let result = f(self);
        self.depth -= 1;
        Some(result)
    }

    /// Resolves the names in dynamic code and drops the nodes made.
    fn opaque(&mut self, what: &'static str, f: impl FnOnce(&mut Self)) -> Opaque {
        let function = &mut self.scope().function;
        let exprs = std::mem::take(&mut function.exprs);
        let stmts = std::mem::take(&mut function.stmts);
        let nested = std::mem::take(&mut function.nested);
        f(self);
        let scope = self.scope();
        let function = &mut scope.function;
        let names = &scope.names;
        let code = facts::opaque(function, what, |name| names.get(name).copied());
        function.exprs = exprs;
        function.stmts = stmts;
        let inner = std::mem::replace(&mut function.nested, nested);
        let outside = inner.iter().flat_map(|f| facts::outer_writes(f));
        let outside = outside.filter(|name| !names.contains_key(name));
        function.hidden_writes.extend(outside);
        code
    }

    /// Builds a function; it becomes nested in the one being built, if any.
    pub fn function(&mut self, def: &Definition<'_>) -> Function {
        let bindings = match def.body {
            Body::Block(body) => Bindings::of_body(body),
            Body::Expr(expr) => Bindings::of_expr(expr),
        };
        let function = Function {
            name: def.name.to_owned(),
            span: def.span,
            first_line: self.first_line,
            file: self.map.file().to_owned(),
            source: self.source.clone(),
            params: Vec::new(),
            locals: PrimaryMap::new(),
            free: Vec::new(),
            body: Vec::new(),
            exprs: PrimaryMap::new(),
            stmts: PrimaryMap::new(),
            nested: Vec::new(),
            is_generator: def.is_async || bindings.is_generator,
            writes_outer: Vec::new(),
            rebinds_outer: Vec::new(),
            hidden_writes: Vec::new(),
        };
        self.scopes.push(Scope {
            function,
            names: HashMap::new(),
            bindings,
            shadows: Vec::new(),
        });
        let outside = std::mem::replace(&mut self.outside, false);
        self.params(def.args);
        self.declare_assigned();
        let body = match def.body {
            Body::Block(body) => self.block(body),
            Body::Expr(expr) => {
                let span = self.span(ast::Ranged::range(expr));
                let value = self.expr(expr);
                vec![self.stmt_node(StmtKind::Return(Some(value)), span)]
            }
        };
        self.outside = outside;
        let mut function = self.scopes.pop().expect("pushed above").function;
        function.body = body;
        function
    }

    fn params(&mut self, args: &ast::Arguments) {
        let plain = |arg: &ast::ArgWithDefault, kind| (arg.def.clone(), kind, arg.default.is_some());
        let mut all: Vec<(ast::Arg, ParamKind, bool)> = Vec::new();
        all.extend(
            args.posonlyargs
                .iter()
                .map(|arg| plain(arg, ParamKind::PositionalOnly)),
        );
        all.extend(args.args.iter().map(|arg| plain(arg, ParamKind::Positional)));
        all.extend(
            args.vararg
                .iter()
                .map(|arg| ((**arg).clone(), ParamKind::VarArgs, false)),
        );
        all.extend(
            args.kwonlyargs
                .iter()
                .map(|arg| plain(arg, ParamKind::KeywordOnly)),
        );
        all.extend(
            args.kwarg
                .iter()
                .map(|arg| ((**arg).clone(), ParamKind::VarKeywords, false)),
        );
        for (arg, kind, has_default) in &all {
            let local = self.declare(&arg.arg);
            self.scope().function.params.push(Param {
                local,
                kind: *kind,
                has_default: *has_default,
                annotation: None,
            });
        }
        self.outside = true;
        for (index, (arg, ..)) in all.iter().enumerate() {
            if let Some(annotation) = &arg.annotation {
                let annotation = self.expr(annotation);
                self.scope().function.params[index].annotation = Some(annotation);
            }
        }
        self.outside = false;
    }

    fn declare(&mut self, name: &str) -> LocalId {
        let scope = self.scope();
        if let Some(&local) = scope.names.get(name) {
            return local;
        }
        let local = scope.function.locals.push(Local {
            name: name.to_owned(),
            captured: false,
        });
        scope.names.insert(name.to_owned(), local);
        local
    }

    fn declare_assigned(&mut self) {
        let assigned = std::mem::take(&mut self.scope().bindings.assigned);
        for name in &assigned {
            let bindings = &self.scope().bindings;
            if bindings.globals.contains(name) || bindings.nonlocals.contains(name) {
                self.scope().function.writes_outer.push(name.clone());
            } else {
                self.declare(name);
            }
        }
        // Every `nonlocal` makes the name free, used or not.
        let mut nonlocals: Vec<String> = self.scope().bindings.nonlocals.iter().cloned().collect();
        nonlocals.sort_unstable();
        for name in nonlocals {
            self.resolve(&name);
        }
    }

    /// Adds a function to the `nested` of the current one.
    fn nest(&mut self, function: Function) -> u32 {
        let nested = &mut self.scope().function.nested;
        nested.push(Arc::new(function));
        nested.len() as u32 - 1
    }
}
