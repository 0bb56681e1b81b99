//! Which names a function binds, as CPython's symbol table decides it. Nested functions and
//! class bodies are scopes of their own and are not entered.

use std::collections::HashSet;

use rustpython_parser::ast::{self, Expr, Pattern, Stmt};

/// Names a scope binds or declares.
#[derive(Debug, Default)]
pub struct Bindings {
    /// In order of first binding, each once.
    pub assigned: Vec<String>,
    pub globals: HashSet<String>,
    pub nonlocals: HashSet<String>,
    /// Contains `yield` or `await`.
    pub is_generator: bool,
    seen: HashSet<String>,
}

impl Bindings {
    pub fn of_body(body: &[Stmt]) -> Self {
        let mut bindings = Self::default();
        bindings.body(body);
        bindings
    }

    pub fn of_expr(expr: &Expr) -> Self {
        let mut bindings = Self::default();
        bindings.expr(expr);
        bindings
    }

    fn bind(&mut self, name: &str) {
        if !self.seen.contains(name) {
            self.seen.insert(name.to_owned());
            self.assigned.push(name.to_owned());
        }
    }

    fn body(&mut self, body: &[Stmt]) {
        for stmt in body {
            self.stmt(stmt);
        }
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::FunctionDef(def) => self.def(&def.name, &def.decorator_list, &def.args),
            Stmt::AsyncFunctionDef(def) => self.def(&def.name, &def.decorator_list, &def.args),
            Stmt::ClassDef(class) => {
                class
                    .decorator_list
                    .iter()
                    .chain(&class.bases)
                    .for_each(|e| self.expr(e));
                class.keywords.iter().for_each(|k| self.expr(&k.value));
                self.bind(&class.name);
            }
            Stmt::Return(ret) => self.option(&ret.value),
            Stmt::Delete(del) => del.targets.iter().for_each(|t| self.target(t)),
            Stmt::Assign(assign) => {
                self.expr(&assign.value);
                assign.targets.iter().for_each(|t| self.target(t));
            }
            Stmt::TypeAlias(alias) => self.target(&alias.name),
            Stmt::AugAssign(assign) => {
                self.target(&assign.target);
                self.expr(&assign.value);
            }
            Stmt::AnnAssign(assign) => {
                // `(x): int` without a value binds nothing
                if assign.simple || assign.value.is_some() {
                    self.target(&assign.target);
                }
                self.option(&assign.value);
            }
            Stmt::For(x) => self.for_loop(&x.target, &x.iter, &x.body, &x.orelse),
            Stmt::AsyncFor(x) => {
                self.is_generator = true;
                self.for_loop(&x.target, &x.iter, &x.body, &x.orelse);
            }
            Stmt::While(x) => {
                self.expr(&x.test);
                self.body(&x.body);
                self.body(&x.orelse);
            }
            Stmt::If(x) => {
                self.expr(&x.test);
                self.body(&x.body);
                self.body(&x.orelse);
            }
            Stmt::With(x) => self.with(&x.items, &x.body),
            Stmt::AsyncWith(x) => {
                self.is_generator = true;
                self.with(&x.items, &x.body);
            }
            Stmt::Match(x) => {
                self.expr(&x.subject);
                for case in &x.cases {
                    self.pattern(&case.pattern);
                    self.option(&case.guard);
                    self.body(&case.body);
                }
            }
            Stmt::Raise(x) => {
                self.option(&x.exc);
                self.option(&x.cause);
            }
            Stmt::Try(x) => self.try_stmt(&x.body, &x.handlers, &x.orelse, &x.finalbody),
            Stmt::TryStar(x) => self.try_stmt(&x.body, &x.handlers, &x.orelse, &x.finalbody),
            Stmt::Assert(x) => {
                self.expr(&x.test);
                self.option(&x.msg);
            }
            Stmt::Import(x) => {
                for alias in &x.names {
                    let top = alias.name.split('.').next().unwrap_or("");
                    self.bind(alias.asname.as_deref().unwrap_or(top));
                }
            }
            Stmt::ImportFrom(x) => {
                for alias in &x.names {
                    self.bind(alias.asname.as_deref().unwrap_or(&alias.name));
                }
            }
            Stmt::Global(x) => self.globals.extend(x.names.iter().map(|n| n.to_string())),
            Stmt::Nonlocal(x) => self.nonlocals.extend(x.names.iter().map(|n| n.to_string())),
            Stmt::Expr(x) => self.expr(&x.value),
            Stmt::Pass(_) | Stmt::Break(_) | Stmt::Continue(_) => {}
        }
    }

    fn def(&mut self, name: &str, decorators: &[Expr], args: &ast::Arguments) {
        decorators.iter().for_each(|e| self.expr(e));
        self.defaults(args);
        self.bind(name);
    }

    fn defaults(&mut self, args: &ast::Arguments) {
        let all = args.posonlyargs.iter().chain(&args.args).chain(&args.kwonlyargs);
        all.for_each(|arg| self.option(&arg.default));
    }

    fn for_loop(&mut self, target: &Expr, iter: &Expr, body: &[Stmt], orelse: &[Stmt]) {
        self.expr(iter);
        self.target(target);
        self.body(body);
        self.body(orelse);
    }

    fn with(&mut self, items: &[ast::WithItem], body: &[Stmt]) {
        for item in items {
            self.expr(&item.context_expr);
            if let Some(target) = &item.optional_vars {
                self.target(target);
            }
        }
        self.body(body);
    }

    fn try_stmt(&mut self, body: &[Stmt], handlers: &[ast::ExceptHandler], orelse: &[Stmt], last: &[Stmt]) {
        self.body(body);
        for ast::ExceptHandler::ExceptHandler(handler) in handlers {
            self.option(&handler.type_);
            if let Some(name) = &handler.name {
                self.bind(name);
            }
            self.body(&handler.body);
        }
        self.body(orelse);
        self.body(last);
    }

    pub fn pattern(&mut self, pattern: &Pattern) {
        match pattern {
            Pattern::MatchValue(_) | Pattern::MatchSingleton(_) => {}
            Pattern::MatchSequence(x) => x.patterns.iter().for_each(|p| self.pattern(p)),
            Pattern::MatchMapping(x) => {
                x.patterns.iter().for_each(|p| self.pattern(p));
                x.rest.iter().for_each(|name| self.bind(name));
            }
            Pattern::MatchClass(x) => {
                x.patterns
                    .iter()
                    .chain(&x.kwd_patterns)
                    .for_each(|p| self.pattern(p));
            }
            Pattern::MatchStar(x) => x.name.iter().for_each(|name| self.bind(name)),
            Pattern::MatchAs(x) => {
                x.pattern.iter().for_each(|p| self.pattern(p));
                x.name.iter().for_each(|name| self.bind(name));
            }
            Pattern::MatchOr(x) => x.patterns.iter().for_each(|p| self.pattern(p)),
        }
    }

    /// An assignment, `for` or `del` target.
    pub fn target(&mut self, target: &Expr) {
        match target {
            Expr::Name(name) => self.bind(&name.id),
            Expr::Tuple(x) => x.elts.iter().for_each(|t| self.target(t)),
            Expr::List(x) => x.elts.iter().for_each(|t| self.target(t)),
            Expr::Starred(x) => self.target(&x.value),
            other => self.expr(other),
        }
    }

    fn option(&mut self, expr: &Option<Box<Expr>>) {
        if let Some(expr) = expr {
            self.expr(expr);
        }
    }

    pub fn expr(&mut self, expr: &Expr) {
        match expr {
            Expr::NamedExpr(x) => {
                self.target(&x.target);
                self.expr(&x.value);
            }
            Expr::Await(_) | Expr::Yield(_) | Expr::YieldFrom(_) => {
                self.is_generator = true;
                children(expr, &mut |e| self.expr(e));
            }
            Expr::Lambda(x) => self.defaults(&x.args),
            _ => children(expr, &mut |e| self.expr(e)),
        }
    }
}

/// Calls `f` on the direct sub-expressions, comprehension clauses included (their targets left out).
pub fn children<'a>(expr: &'a Expr, f: &mut dyn FnMut(&'a Expr)) {
    match expr {
        Expr::BoolOp(x) => x.values.iter().for_each(f),
        Expr::NamedExpr(x) => f(&x.value),
        Expr::BinOp(x) => {
            f(&x.left);
            f(&x.right);
        }
        Expr::UnaryOp(x) => f(&x.operand),
        Expr::Lambda(_) | Expr::Constant(_) | Expr::Name(_) => {}
        Expr::IfExp(x) => {
            f(&x.test);
            f(&x.body);
            f(&x.orelse);
        }
        Expr::Dict(x) => x.keys.iter().flatten().chain(&x.values).for_each(f),
        Expr::Set(x) => x.elts.iter().for_each(f),
        Expr::ListComp(x) => comprehension(&[&x.elt], &x.generators, f),
        Expr::SetComp(x) => comprehension(&[&x.elt], &x.generators, f),
        Expr::DictComp(x) => comprehension(&[&x.key, &x.value], &x.generators, f),
        Expr::GeneratorExp(x) => comprehension(&[&x.elt], &x.generators, f),
        Expr::Await(x) => f(&x.value),
        Expr::Yield(x) => x.value.iter().for_each(|e| f(e)),
        Expr::YieldFrom(x) => f(&x.value),
        Expr::Compare(x) => {
            f(&x.left);
            x.comparators.iter().for_each(f);
        }
        Expr::Call(x) => {
            f(&x.func);
            x.args
                .iter()
                .chain(x.keywords.iter().map(|k| &k.value))
                .for_each(f);
        }
        Expr::FormattedValue(x) => {
            f(&x.value);
            x.format_spec.iter().for_each(|e| f(e));
        }
        Expr::JoinedStr(x) => x.values.iter().for_each(f),
        Expr::Attribute(x) => f(&x.value),
        Expr::Subscript(x) => {
            f(&x.value);
            f(&x.slice);
        }
        Expr::Starred(x) => f(&x.value),
        Expr::List(x) => x.elts.iter().for_each(f),
        Expr::Tuple(x) => x.elts.iter().for_each(f),
        Expr::Slice(x) => [&x.lower, &x.upper, &x.step]
            .into_iter()
            .flatten()
            .for_each(|e| f(e)),
    }
}

fn comprehension<'a>(
    elements: &[&'a Expr],
    generators: &'a [ast::Comprehension],
    f: &mut dyn FnMut(&'a Expr),
) {
    for clause in generators {
        f(&clause.iter);
        clause.ifs.iter().for_each(&mut *f);
    }
    elements.iter().for_each(|e| f(e));
}
