//! What code that the interpreter runs uses of the function around it.

use std::collections::{BTreeSet, HashMap, HashSet};

use numlift_syntax::facts;
use numlift_syntax::hir::{
    Arg, ExprId, ExprKind, Function, LocalId, Name, Opaque, Pattern, StmtId, StmtKind,
};
use numlift_syntax::visit::{Visitor, walk_expr, walk_pattern, walk_stmt};

use super::frames::{self, Look};

/// Builtins that have used up an argument when they return, and those that have when their result is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consumer {
    /// Of generators, and of functions given as `key`.
    Eager,
    /// Of generators and functions.
    Lazy,
}

impl Consumer {
    /// How a builtin of this path uses its arguments.
    pub fn of(path: &str) -> Option<Consumer> {
        match path.strip_prefix("builtins.")? {
            "all" | "any" | "dict" | "frozenset" | "list" | "max" | "min" | "set" | "sorted" | "sum"
            | "tuple" => Some(Consumer::Eager),
            "enumerate" | "filter" | "map" | "zip" => Some(Consumer::Lazy),
            _ => None,
        }
    }
}

/// Facts of some statements or of an expression.
#[derive(Clone, Debug, Default)]
pub struct Uses {
    pub reads: BTreeSet<LocalId>,
    pub binds: BTreeSet<LocalId>,
    /// What binds a variable, and where it begins in the source; a nested function may at any time.
    pub bindings: Vec<(LocalId, u32)>,
    /// Variables that nested functions use, which may outlive the code.
    pub captured: BTreeSet<LocalId>,
    /// Those of them that nested functions assign.
    pub written: BTreeSet<LocalId>,
    /// It returns from the function.
    pub returns: bool,
    /// A `break` of a loop around it.
    pub breaks: bool,
    /// A `continue` of a loop around it.
    pub continues: bool,
    /// What it looks at of its own frame.
    pub(super) look: Look,
    /// Number of expression nodes.
    pub nodes: usize,
    loops: usize,
    consumers: HashMap<ExprId, Consumer>,
    /// Arguments that do not outlive their call.
    consumed: HashSet<ExprId>,
    /// Where the statement begins.
    at: u32,
}

impl Uses {
    pub fn of_stmts(f: &Function, stmts: &[StmtId]) -> Uses {
        let mut uses = Uses::default();
        for &s in stmts {
            uses.visit_stmt(f, s);
        }
        uses
    }

    /// The same, where it is known which calls are done with their arguments.
    pub fn of_stmts_consumed(f: &Function, stmts: &[StmtId], consumers: &HashMap<ExprId, Consumer>) -> Uses {
        let mut uses = Uses {
            consumers: consumers.clone(),
            ..Uses::default()
        };
        for &s in stmts {
            uses.visit_stmt(f, s);
        }
        uses
    }

    pub fn of_expr(f: &Function, e: ExprId) -> Uses {
        let mut uses = Uses::default();
        uses.visit_expr(f, e);
        uses
    }

    /// What a `for` statement binds before each turn.
    pub fn of_targets(f: &Function, stmt: StmtId) -> Uses {
        let mut uses = Uses {
            at: f.stmts[stmt].span.start,
            ..Uses::default()
        };
        let mut bound = vec![];
        facts::stmt_locals(f, stmt, &mut bound);
        uses.bind(bound);
        uses
    }

    /// It leaves to a loop around it.
    pub fn leaves(&self) -> bool {
        self.breaks || self.continues
    }

    pub fn binds_any(&self) -> bool {
        !self.binds.is_empty()
    }

    fn bind(&mut self, locals: impl IntoIterator<Item = LocalId>) {
        for l in locals {
            self.binds.insert(l);
            self.bindings.push((l, self.at));
        }
    }

    fn opaque(&mut self, code: &Opaque, lazy: bool) {
        self.reads.extend(&code.reads);
        self.bind(code.binds.iter().copied());
        self.hidden(&code.outer);
        self.captured.extend(&code.captured);
        self.written.extend(&code.written);
        if lazy {
            self.captured.extend(code.reads.iter().chain(&code.binds));
            self.written.extend(&code.binds);
        }
    }

    fn look(&mut self, look: Look) {
        self.look.variables |= look.variables;
        self.look.first |= look.first;
    }

    /// Names in code without nodes.
    fn hidden(&mut self, outer: &[Name]) {
        for name in outer {
            if let Name::Free(n) | Name::Global(n) = name {
                self.look(frames::name(n));
            }
        }
    }

    /// Functions and generators among the arguments of a call that is done with them when it returns.
    fn consume(&mut self, f: &Function, call: ExprId, args: &[Arg]) {
        let how = match self.consumers.get(&call) {
            Some(Consumer::Lazy) if !self.consumed.contains(&call) => return,
            Some(how) => *how,
            None => return,
        };
        for arg in args {
            let key = arg.name.as_deref() == Some("key");
            let taken = match &f.exprs[arg.value].kind {
                ExprKind::Lambda(n, _) => {
                    (key || how == Consumer::Lazy) && makes_nothing(&f.nested[*n as usize])
                }
                ExprKind::Dynamic(code) => code.is_lazy(),
                ExprKind::Call { .. } => true,
                _ => false,
            };
            if taken && arg.star == 0 {
                self.consumed.insert(arg.value);
            }
        }
    }

    /// Variables of this function that one nested in it uses.
    fn nested(&mut self, f: &Function, nested: u32, outlives: bool) {
        let inner = &f.nested[nested as usize];
        let writes = facts::outer_writes(inner);
        for (l, local) in f.locals.iter() {
            if inner.free.contains(&local.name) {
                self.reads.insert(l);
                if outlives {
                    self.captured.insert(l);
                }
                if writes.contains(&local.name) {
                    self.binds.insert(l);
                    self.bindings.push((l, u32::MAX));
                    self.written.insert(l);
                }
            }
        }
    }
}

/// Whether a function makes no functions, classes or generators, which could outlive its call.
fn makes_nothing(f: &Function) -> bool {
    let plain =
        |e: &ExprKind| !matches!(e, ExprKind::Dynamic(code) if code.is_lazy() || !code.captured.is_empty());
    f.nested.is_empty() && f.exprs.values().all(|e| plain(&e.kind))
}

impl Visitor for Uses {
    fn visit_stmt(&mut self, f: &Function, stmt: StmtId) {
        let mut bound = vec![];
        facts::stmt_locals(f, stmt, &mut bound);
        let s = &f.stmts[stmt];
        self.at = s.span.start;
        match &s.kind {
            StmtKind::AugAssign { target, .. } => {
                let mut read = vec![];
                facts::target_locals(target, &mut read);
                self.reads.extend(read);
            }
            StmtKind::Del(_) => self.reads.extend(&bound),
            StmtKind::Dynamic(code) => {
                self.opaque(code, false);
                bound.clear();
            }
            StmtKind::Def { nested, .. } => self.nested(f, *nested, true),
            // they are unbound at the end of the handler
            StmtKind::Try { handlers, .. } => {
                let names = handlers.iter().filter_map(|h| h.name);
                self.bindings.extend(names.map(|l| (l, s.span.end)));
            }
            StmtKind::Return(_) => self.returns = true,
            StmtKind::Break => self.breaks |= self.loops == 0,
            StmtKind::Continue => self.continues |= self.loops == 0,
            _ => {}
        }
        self.bind(bound);
        match &s.kind {
            // what is in `else` belongs to the loop around
            StmtKind::For { body, orelse, .. } | StmtKind::While { body, orelse, .. } => {
                match &s.kind {
                    StmtKind::For { target, iter, .. } => {
                        self.visit_expr(f, *iter);
                        self.visit_target(f, target);
                    }
                    StmtKind::While { test, .. } => self.visit_expr(f, *test),
                    _ => {}
                }
                self.loops += 1;
                self.visit_block(f, body);
                self.loops -= 1;
                self.visit_block(f, orelse);
            }
            _ => walk_stmt(self, f, stmt),
        }
    }

    fn visit_expr(&mut self, f: &Function, expr: ExprId) {
        self.nodes += 1;
        let e = &f.exprs[expr];
        match &e.kind {
            ExprKind::Name(Name::Local(l)) => _ = self.reads.insert(*l),
            ExprKind::Walrus(l, _) => self.bind([*l]),
            ExprKind::Lambda(nested, _) => self.nested(f, *nested, !self.consumed.contains(&expr)),
            ExprKind::Dynamic(code) => {
                self.opaque(code, code.is_lazy() && !self.consumed.contains(&expr));
            }
            ExprKind::Call { func, args } => {
                self.look(frames::call(f, *func, args));
                self.consume(f, expr, args);
            }
            _ => {}
        }
        walk_expr(self, f, expr);
    }

    fn visit_pattern(&mut self, f: &Function, pattern: &Pattern) {
        if let Pattern::Dynamic(code) = pattern {
            self.reads.extend(&code.reads);
            self.hidden(&code.outer);
        }
        walk_pattern(self, f, pattern);
    }
}
