//! Where static typing ends: reasons, and how inference goes on behind them.
//!
//! A node without a static type gets [`Type::Object`] with a handle of its reason. What is computed from it
//! is `object` for the same reason, what it is assigned to is an object variable; the statements on its way
//! are the dynamic ones of the instance.

use numlift_diagnostics::{Diagnostic, SourceMap, Span};
use numlift_syntax::facts;
use numlift_syntax::hir::{ExprId, ExprKind, Function, LocalId, StmtId, StmtKind, Target};
use numlift_syntax::visit::{Visitor, walk_expr, walk_stmt, walk_target};
use numlift_types::{Reason, Type};

use super::finals::Leave;
use super::{FnInfer, R, Vars, index};
use crate::tables::{Bound, DynamicPlace, Place};

/// Why a node has no static type.
pub(crate) enum Stop {
    /// It is the first on its way.
    Here(Box<Diagnostic>),
    /// It uses an object.
    Flow(Reason),
}

/// What a reason is attached to: each node has at most one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Node {
    Expr(ExprId),
    Stmt(StmtId),
    /// A parameter, or a variable that is an object wherever it is assigned.
    Local(LocalId),
    /// A variable that a handler binds to the exception.
    Caught(LocalId),
    /// The result of the function.
    Result,
}

/// The reason in a type, if a part of it is an object.
pub(super) fn reason_in(t: &Type) -> Option<Reason> {
    match t {
        Type::Object(r) => Some(*r),
        t => t.parts().into_iter().find_map(reason_in),
    }
}

/// An object where a part is one: no machine value holds a part of a tuple only.
pub(super) fn solid(t: Type) -> Type {
    reason_in(&t).map_or(t, Type::Object)
}

/// Whether a part of the type is a list.
pub(crate) fn has_list(t: &Type) -> bool {
    matches!(t, Type::List(_)) || t.parts().into_iter().any(has_list)
}

/// A message about a place in a function.
pub(super) fn diagnostic(hir: &Function, code: &'static str, message: String, span: Span) -> Diagnostic {
    SourceMap::new(&hir.source, &hir.file, hir.first_line).diagnostic(code, span, message)
}

/// A message about the whole function.
pub(crate) fn whole(hir: &Function, code: &'static str, message: &str, help: Option<&str>) -> Diagnostic {
    let mut d = diagnostic(hir, code, message.to_owned(), hir.span);
    d.help = help.map(str::to_owned);
    d
}

/// Variables of a function that a function nested in it assigns.
pub(super) fn assigned_by_nested(hir: &Function, nested: u32) -> Vec<LocalId> {
    let written = facts::outer_writes(&hir.nested[nested as usize]);
    let locals = hir.locals.iter();
    let captured = locals.filter(|(_, l)| l.captured && written.contains(&l.name));
    captured.map(|(id, _)| id).collect()
}

impl FnInfer<'_, '_> {
    pub(super) fn error<T>(
        &self,
        span: Span,
        _line: u32,
        code: &'static str,
        message: impl Into<String>,
    ) -> R<T> {
        Err(Stop::Here(Box::new(diagnostic(
            &self.hir,
            code,
            message.into(),
            span,
        ))))
    }

    /// Gives an object among the types as the reason.
    pub(super) fn no_objects<'t>(&self, types: impl IntoIterator<Item = &'t Type>) -> R<()> {
        match types.into_iter().find_map(reason_in) {
            Some(r) => Err(Stop::Flow(r)),
            None => Ok(()),
        }
    }

    /// The reason of a node; the statement is dynamic.
    pub(super) fn reason(&mut self, node: Node, stop: Stop) -> Reason {
        let r = match stop {
            Stop::Flow(r) if r != Reason::JOIN => r,
            Stop::Flow(_) => {
                let d = whole(&self.hir, "NL2001", "values of different kinds meet here", None);
                self.place(node, d)
            }
            Stop::Here(d) => self.place(node, *d),
        };
        self.note(r);
        r
    }

    pub(super) fn place(&mut self, node: Node, diagnostic: Diagnostic) -> Reason {
        let at = match node {
            Node::Local(_) | Node::Caught(_) => Place::Local,
            Node::Result => Place::Result,
            Node::Expr(_) | Node::Stmt(_) => self.stmt.map_or(Place::Result, Place::Stmt),
        };
        let place = DynamicPlace { at, diagnostic };
        let reasons = &mut self.tables.reasons;
        match self.nodes.get(&node) {
            Some(&r) => {
                reasons[r.0 as usize] = place;
                r
            }
            None => {
                let r = Reason(reasons.len() as u32);
                reasons.push(place);
                self.nodes.insert(node, r);
                r
            }
        }
    }

    /// Parameters that are objects: those without a native type, and those that code in the interpreter uses.
    pub(super) fn object_params(&mut self) {
        let hir = self.hir.clone();
        for (i, p) in hir.params.iter().enumerate() {
            let Some(var) = self.vars.as_ref().map(|v| v[index(p.local)].clone()) else {
                return;
            };
            let ty = match var.ty {
                Type::Object(_) if !self.written.contains_key(&p.local) => {
                    let name = &hir.locals[p.local].name;
                    let what = self.cx.env.argument(i).unwrap_or_else(|| "an object".to_owned());
                    let text = format!("argument `{name}` is {what}: it has no native type");
                    let d = whole(&hir, "NL2002", &text, None);
                    Type::Object(self.place(Node::Local(p.local), d))
                }
                Type::Never => continue,
                _ if self.written.contains_key(&p.local) => continue,
                ty => self.kept_boxed(p.local, ty),
            };
            self.noted = None;
            if let Some(t) = self.cx.program.instances[self.id.0].args.get_mut(i) {
                *t = ty.clone();
            }
            self.set(p.local, ty);
        }
    }

    /// The type of a variable that is assigned a value of type `ty`.
    pub(super) fn kept_boxed(&mut self, l: LocalId, ty: Type) -> Type {
        let Some(boxing) = self.boxing else { return ty };
        let boxed = boxing.locals.contains(&l) || boxing.lists && has_list(&ty);
        if ty.is_object() || !boxed {
            return ty;
        }
        let hir = self.hir.clone();
        let name = &hir.locals[l].name;
        let text = format!("`{name}` is {ty}, and code that runs in the interpreter uses it");
        let r = match self.nodes.get(&Node::Local(l)) {
            Some(&r) => r,
            None => {
                let d = whole(&hir, "NL2007", &text, None);
                self.place(Node::Local(l), d)
            }
        };
        self.note(r);
        Type::Object(r)
    }

    /// The type of an annotated variable: an object is unboxed behind the statement if the annotation is a native type.
    pub(super) fn annotated(&mut self, id: StmtId, target: &Target, annotation: ExprId, ty: Type) -> Type {
        let (Type::Object(r), Target::Local(l)) = (&ty, target) else {
            return ty;
        };
        if self.boxing.is_some_and(|b| b.locals.contains(l)) {
            return ty;
        }
        let span = self.hir.exprs[annotation].span;
        let text = self.hir.source.get(span.start as usize..span.end as usize);
        match text.and_then(|text| self.cx.env.annotation(self.code, text)) {
            Some(t) => {
                self.note(*r);
                self.tables.annotated.insert(id, t.clone());
                t
            }
            None => ty,
        }
    }

    /// The statement being inferred uses an object.
    pub(super) fn note(&mut self, r: Reason) {
        self.noted.get_or_insert(r);
    }

    /// Binds a variable to an object, whether or not the path binds it.
    pub(super) fn set_object(&mut self, l: LocalId, r: Reason) {
        self.set(l, Type::Object(r));
        // what binds it may go on and raise
        self.may_raise();
    }

    /// Types the parts of an expression that its failure left untyped.
    pub(super) fn rest_of_expr(&mut self, id: ExprId, start: u32, r: Reason) {
        let hir = self.hir.clone();
        let mut parts = Children::default();
        match &hir.exprs[id].kind {
            ExprKind::Dynamic(code) => {
                for &l in &code.binds {
                    self.set_object(l, r);
                }
            }
            // a method: its object is a part, the attribute is the call's own matter
            ExprKind::Call { func, args } => {
                match &hir.exprs[*func].kind {
                    ExprKind::Attribute(base, _) => parts.exprs.push(*base),
                    _ => parts.exprs.push(*func),
                }
                parts.exprs.extend(args.iter().map(|a| a.value));
            }
            _ => walk_expr(&mut parts, &hir, id),
        }
        self.rest(&parts.exprs, start);
    }

    /// The same for what a `for` iterates over: `zip` and its like are no values.
    pub(super) fn rest_of_iterable(&mut self, id: ExprId, start: u32) {
        let hir = self.hir.clone();
        match &hir.exprs[id].kind {
            ExprKind::Call { args, .. } => {
                for a in args {
                    self.rest_of_iterable(a.value, start);
                }
            }
            _ => self.rest(&[id], start),
        }
    }

    fn rest(&mut self, exprs: &[ExprId], start: u32) {
        for &e in exprs {
            if self.stamps[index(e)] <= start {
                self.expr(e);
            }
        }
    }

    /// Goes on behind a simple statement that failed: its variables are objects.
    pub(super) fn rest_of_stmt(&mut self, id: StmtId, start: u32, r: Reason) {
        let hir = self.hir.clone();
        let mut parts = Children::default();
        if let StmtKind::Raise { exc, cause } = &hir.stmts[id].kind {
            // making the exception is no call of its own
            for &e in exc.iter().chain(cause) {
                match &hir.exprs[e].kind {
                    ExprKind::Call { args, .. } => parts.exprs.extend(args.iter().map(|a| a.value)),
                    _ => parts.exprs.push(e),
                }
            }
        } else {
            walk_stmt(&mut parts, &hir, id);
        }
        self.rest(&parts.exprs, start);
        let mut bound = vec![];
        facts::stmt_locals(&hir, id, &mut bound);
        let deletes = matches!(hir.stmts[id].kind, StmtKind::Del(_));
        for l in bound {
            if deletes {
                self.unbind(l);
            } else {
                self.set_object(l, r);
            }
        }
        self.note(r);
        match hir.stmts[id].kind {
            StmtKind::Return(_) if self.vars.is_some() => {
                self.ret = Type::Object(r);
                self.leave(Leave::Return);
            }
            StmtKind::Return(_) | StmtKind::Raise { .. } => self.vars = None,
            _ => {}
        }
    }

    /// Binds what a loop or `with` gives; on failure the variables are objects.
    pub(super) fn bind(&mut self, target: &Target, ty: &Type, at: ExprId) {
        let start = self.clock;
        if let Err(stop) = self.assign(target, ty, at) {
            let hir = self.hir.clone();
            let r = self.reason(Node::Expr(at), stop);
            let mut parts = Children::default();
            walk_target(&mut parts, &hir, target);
            self.rest(&parts.exprs, start);
            let mut bound = vec![];
            facts::target_locals(target, &mut bound);
            for l in bound {
                self.set_object(l, r);
            }
        }
    }

    pub(super) fn unbind(&mut self, l: LocalId) {
        if self.written.contains_key(&l) {
            self.assign_cell(l, false);
        } else if let Some(v) = &mut self.vars {
            v[index(l)] = super::UNBOUND;
        }
    }

    /// The state where code of the interpreter has been left at any point: its variables are objects, those of
    /// `unbinds` may be unbound.
    pub(super) fn clobbered(vars: &Vars, locals: &[LocalId], unbinds: &[LocalId], r: Reason) -> Vars {
        let mut out = vars.clone()?;
        for &l in locals {
            let v = &mut out[index(l)];
            if v.bound == Bound::No || unbinds.contains(&l) {
                v.bound = Bound::Maybe;
            }
            v.ty = Type::Object(r);
        }
        Some(out)
    }

    /// The state behind code of the interpreter that was run to its end.
    pub(super) fn left(mut vars: Vars, locals: &[LocalId], r: Reason) -> Vars {
        for &l in locals {
            if let Some(v) = &mut vars
                && v[index(l)].bound != Bound::No
            {
                v[index(l)].ty = Type::Object(r);
            }
        }
        vars
    }
}

/// Collects the direct sub-expressions of a node.
#[derive(Default)]
struct Children {
    exprs: Vec<ExprId>,
}

impl Visitor for Children {
    fn visit_expr(&mut self, _: &Function, expr: ExprId) {
        self.exprs.push(expr);
    }

    fn visit_stmt(&mut self, _: &Function, _: StmtId) {}
}
