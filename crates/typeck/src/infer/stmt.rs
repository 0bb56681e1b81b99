//! Statements.

use numlift_syntax::hir::{Block, ExprId, ExprKind, StmtId, StmtKind, Target};
use numlift_types::{Reason, Scalar, Type};

use super::dynamic::Node;
use super::elementwise::is_array;
use super::finals::Leave;
use super::peel::For;
use super::{FnInfer, LoopCx, R, join_vars};
use crate::env::Resolved;
use crate::tables::Bound;

impl FnInfer<'_, '_> {
    pub(super) fn block(&mut self, block: &Block) {
        for &s in block {
            if self.vars.is_none() {
                break;
            }
            self.stmt(s);
        }
    }

    /// A statement; where it has no static types it is dynamic, and inference goes on behind it.
    fn stmt(&mut self, id: StmtId) {
        let outer = (self.stmt.replace(id), self.noted.take());
        let start = self.clock;
        let before = self.boxing.and_then(|_| self.vars.clone());
        self.may_raise();
        if let Err(stop) = self.stmt_inner(id) {
            let r = self.reason(Node::Stmt(id), stop);
            self.rest_of_stmt(id, start, r);
        }
        self.observe_stmt(id);
        match self.noted {
            Some(r) => self.tables.dynamic.insert(id, r),
            None => self.tables.dynamic.remove(&id),
        };
        if let Some(before) = before {
            let after = self.vars.clone().unwrap_or_default();
            self.tables.states.insert(id, [before, after]);
        }
        (self.stmt, self.noted) = outer;
    }

    fn stmt_inner(&mut self, id: StmtId) -> R<()> {
        let hir = self.hir.clone();
        let stmt = &hir.stmts[id];
        match &stmt.kind {
            StmtKind::Expr(e) => {
                if !matches!(hir.exprs[*e].kind, ExprKind::Const(_)) {
                    self.expr(*e);
                }
            }
            StmtKind::Assign { targets, value } => {
                let ty = self.expr(*value);
                for t in targets {
                    self.assign(t, &ty, *value)?;
                }
            }
            StmtKind::AnnAssign {
                target,
                value: Some(v),
                annotation,
            } => {
                let ty = self.expr(*v);
                let ty = self.annotated(id, target, *annotation, ty);
                self.assign(target, &ty, *v)?;
            }
            StmtKind::AnnAssign { .. } => {}
            StmtKind::AugAssign { target, op, value } => self.aug_assign(target, *op, *value)?,
            StmtKind::If { test, then, other } => {
                self.truth(*test);
                match self.known(*test) {
                    Some(true) => self.block(then),
                    Some(false) => self.block(other),
                    None => {}
                }
                if self.known(*test).is_some() {
                    return Ok(());
                }
                let entry = self.vars.clone();
                self.narrow(*test, true);
                self.block(then);
                let after = std::mem::replace(&mut self.vars, entry);
                self.narrow(*test, false);
                self.block(other);
                self.vars = join_vars(after, self.vars.take());
            }
            StmtKind::While { test, body, orelse } => self.while_loop(id, *test, body, orelse),
            StmtKind::For {
                target,
                iter,
                body,
                orelse,
            } => {
                let start = self.clock;
                let item = self.iterable(*iter).unwrap_or_else(|stop| {
                    let r = self.reason(Node::Expr(*iter), stop);
                    self.rest_of_iterable(*iter, start);
                    Type::Object(r)
                });
                self.for_loop(id, target, *iter, &item, body, orelse);
            }
            StmtKind::Match { subject, cases } => self.match_stmt(*subject, cases),
            StmtKind::With { items, body } => {
                if !self.native_with(id, items, body) {
                    self.with(id, items, body);
                }
            }
            StmtKind::Try {
                body,
                handlers,
                orelse,
                finalbody,
                dynamic,
            } => {
                let whole = self.boxing.is_some_and(|b| b.tries.contains(&id)) || self.names_cell(handlers);
                match (*dynamic || whole, finalbody.is_empty()) {
                    (true, _) => self.try_stmt(id, [body, orelse, finalbody], handlers),
                    (false, true) => self.native_try(id, [body, orelse], handlers),
                    (false, false) => {
                        let code = |this: &mut Self| this.native_try(id, [body, orelse], handlers);
                        self.finally(id, code, finalbody);
                    }
                }
            }
            StmtKind::Break => self.leave(Leave::Break),
            StmtKind::Continue => self.leave(Leave::Continue),
            StmtKind::Return(value) => {
                let ty = match value {
                    Some(v) => self.expr(*v),
                    None => Type::None,
                };
                if self.vars.is_some() {
                    let ty = if self.id.0 == 0 {
                        ty
                    } else {
                        self.closed(&ty, stmt.span)?
                    };
                    if !returnable(&ty) && (self.id.0 == 0 || !is_function(&ty)) {
                        self.no_objects([&ty])?;
                        return self.error(
                            stmt.span,
                            stmt.line,
                            "NL2003",
                            format!("a result of type {ty} has no native form"),
                        );
                    }
                    let joined = self.ret.join(&ty);
                    if joined == Type::Object(Reason::JOIN) {
                        let what = "the function's results have no common static type";
                        return self.error(stmt.span, stmt.line, "NL2001", what);
                    }
                    self.ret = joined;
                }
                self.leave(Leave::Return);
            }
            StmtKind::Assert { test, message } => {
                if !self.cx.env.optimized() {
                    self.truth(*test);
                    match self.known(*test) {
                        Some(true) => {}
                        known => {
                            self.assertion(id, *message)?;
                            if known.is_some() {
                                self.vars = None;
                            }
                            self.narrow(*test, true);
                        }
                    }
                }
            }
            StmtKind::Raise { exc, cause } => {
                self.raise(id, *exc, *cause)?;
                self.vars = None;
            }
            StmtKind::Import { module, local, top } => {
                let path = if *top {
                    module.split('.').next().unwrap_or(module)
                } else {
                    module
                };
                if *top && matches!(self.cx.env.module(module), Resolved::NotLoaded) {
                    return self.error(
                        stmt.span,
                        stmt.line,
                        "NL2009",
                        format!("module {module} is not loaded yet"),
                    );
                }
                let r = self.cx.env.module(path);
                let ty = self.imported(id, r, path)?;
                self.set(*local, ty);
            }
            StmtKind::ImportFrom {
                module,
                name,
                local,
                level,
            } => {
                if *level > 0 {
                    return self.error(
                        stmt.span,
                        stmt.line,
                        "NL2011",
                        "a relative import is not resolved",
                    );
                }
                let r = match self.cx.env.module(module) {
                    Resolved::Const(Type::Known(m)) => self.cx.env.attr(m, name),
                    other => other,
                };
                let ty = self.imported(id, r, module)?;
                self.set(*local, ty);
            }
            StmtKind::Def {
                local,
                nested,
                defaults,
            } => {
                let ty = self.nested(*nested, defaults);
                self.set(*local, ty);
                self.assigned_by(id, *nested)?;
            }
            StmtKind::Del(targets) => targets.iter().try_for_each(|t| self.delete(t, id))?,
            StmtKind::Pass => {}
            StmtKind::Dynamic(code) => {
                return self.error(
                    stmt.span,
                    stmt.line,
                    "NL2007",
                    format!("{} is dynamic", code.what),
                );
            }
        }
        Ok(())
    }

    /// A nested function that assigns variables of this one: they live in the interpreter from here on.
    fn assigned_by(&mut self, id: StmtId, nested: u32) -> R<()> {
        let hir = self.hir.clone();
        let written = super::dynamic::assigned_by_nested(&hir, nested);
        let Some(&first) = written.first() else {
            return Ok(());
        };
        let stmt = &hir.stmts[id];
        let what = format!("`{}` is assigned by a nested function", hir.locals[first].name);
        let stop = self.error::<()>(stmt.span, stmt.line, "NL2010", what);
        if let Err(stop) = stop {
            let r = self.reason(Node::Stmt(id), stop);
            for l in written {
                self.cells.insert(l, r);
                if self.var(l).is_some_and(|v| v.bound != Bound::No) {
                    self.set_object(l, r);
                }
            }
        }
        Ok(())
    }

    fn delete(&mut self, target: &Target, at: StmtId) -> R<()> {
        match target {
            Target::Local(l) => {
                self.unbind(*l);
                Ok(())
            }
            Target::Tuple { items, .. } => items.iter().try_for_each(|t| self.delete(t, at)),
            Target::Outer(_) | Target::Subscript(..) | Target::Attribute(..) => {
                if let Target::Outer(n) = target {
                    self.tables.retyped.insert(n.clone());
                }
                let stmt = &self.hir.stmts[at];
                self.error(
                    stmt.span,
                    stmt.line,
                    "NL2007",
                    "`del` of anything but a variable is dynamic",
                )
            }
        }
    }

    fn imported(&mut self, id: StmtId, r: Resolved, module: &str) -> R<Type> {
        let (span, line) = (self.hir.stmts[id].span, self.hir.stmts[id].line);
        match r {
            Resolved::Const(t) | Resolved::Hidden { ty: t, .. } => Ok(t),
            Resolved::NotLoaded => {
                self.error(span, line, "NL2009", format!("module {module} is not loaded yet"))
            }
            Resolved::Missing | Resolved::Opaque(_) => self.error(
                span,
                line,
                "NL2011",
                format!("what is imported from {module} has no static type"),
            ),
        }
    }

    fn while_loop(&mut self, id: StmtId, test: ExprId, body: &Block, orelse: &Block) {
        let mut head = self.vars.clone();
        loop {
            self.vars = head.clone();
            self.truth(test);
            let known = self.known(test);
            let tested = self.vars.clone();
            self.narrow(test, false);
            let exit = self.vars.take().filter(|_| known != Some(true));
            self.vars = tested.filter(|_| known != Some(false));
            self.narrow(test, true);
            let l = self.loop_body(body);
            let back = join_vars(self.vars.take(), l.continues);
            let next = join_vars(head.clone(), back);
            if next == head {
                self.tables.loops.insert(id, head.unwrap_or_default());
                self.vars = exit;
                self.block(orelse);
                self.vars = join_vars(self.vars.take(), l.breaks);
                return;
            }
            head = next;
        }
    }

    fn for_loop(
        &mut self,
        id: StmtId,
        target: &Target,
        iter: ExprId,
        item: &Type,
        body: &Block,
        orelse: &Block,
    ) {
        let mut head = self.vars.clone();
        self.tables.peeled.remove(&id);
        if is_empty(item) {
            self.block(orelse);
            return;
        }
        loop {
            self.vars = head.clone();
            self.bind(target, item, iter);
            self.observe_targets(id, target);
            if let Some(vars) = self.vars.clone().filter(|_| self.boxing.is_some()) {
                self.tables.targets.insert(id, vars);
            }
            let l = self.loop_body(body);
            let back = join_vars(self.vars.take(), l.continues);
            let this = For {
                id,
                target,
                iter,
                item,
                body,
            };
            if self.noted.is_none()
                && let Some((exit, breaks)) = self.peel(this, &head, &back, &l.breaks)
            {
                self.vars = exit;
                self.block(orelse);
                self.vars = join_vars(self.vars.take(), breaks);
                return;
            }
            let next = join_vars(head.clone(), back);
            if next == head {
                self.tables.loops.insert(id, head.clone().unwrap_or_default());
                self.vars = head;
                self.block(orelse);
                self.vars = join_vars(self.vars.take(), l.breaks);
                return;
            }
            head = next;
        }
    }

    pub(super) fn loop_body(&mut self, body: &Block) -> LoopCx {
        self.loops.push(LoopCx {
            islands: self.islands.len(),
            ..LoopCx::default()
        });
        self.block(body);
        let l = self.loops.pop().unwrap_or_default();
        // a signal at the end of a turn
        let back = join_vars(self.vars.clone(), l.continues.clone());
        self.may_raise_in(&back);
        l
    }

    /// Binds a value of type `ty`; `at` is where to point on an error.
    pub(super) fn assign(&mut self, target: &Target, ty: &Type, at: ExprId) -> R<()> {
        if self.vars.is_none() {
            return Ok(());
        }
        let (span, line) = (self.hir.exprs[at].span, self.hir.exprs[at].line);
        match target {
            Target::Local(l) => {
                self.set(*l, ty.clone());
                Ok(())
            }
            Target::Outer(n) => self.assign_outside(n, ty, span),
            Target::Subscript(base, index) => self.store(*base, *index, ty),
            Target::Attribute(base, _) => {
                self.expr(*base);
                let (span, line) = (self.hir.exprs[*base].span, self.hir.exprs[*base].line);
                self.error(span, line, "NL2005", "assignment to an attribute is dynamic")
            }
            Target::Tuple { items, star } => {
                self.may_raise();
                let parts = match ty {
                    Type::Tuple(parts) | Type::List(parts) => parts.to_vec(),
                    Type::Record(r) => r.items.clone(),
                    Type::Array(a) if star.is_none() && a.ndim > 0 => {
                        // `x, y = array`: the length is checked at run time
                        vec![super::index::element(*a); items.len()]
                    }
                    Type::Object(r) => {
                        self.note(*r);
                        vec![ty.clone(); items.len()]
                    }
                    Type::Never => return Ok(()),
                    _ => return self.error(span, line, "NL2012", format!("{ty} is unpacked")),
                };
                let parts = match star {
                    Some(k) if !ty.is_object() && parts.len() + 1 >= items.len() => {
                        let after = parts.len() - (items.len() - 1 - k);
                        let mut out = parts[..*k].to_vec();
                        out.push(Type::List(parts[*k..after].into()));
                        out.extend_from_slice(&parts[after..]);
                        out
                    }
                    _ => parts,
                };
                if parts.len() != items.len() {
                    return self.error(span, line, "NL2007", "unpacking into another length is dynamic");
                }
                for (t, ty) in items.iter().zip(&parts) {
                    self.assign(t, ty, at)?;
                }
                Ok(())
            }
        }
    }

    fn aug_assign(&mut self, target: &Target, op: numlift_syntax::hir::BinOp, value: ExprId) -> R<()> {
        let hir = self.hir.clone();
        let (span, line) = (hir.exprs[value].span, hir.exprs[value].line);
        let old = match target {
            Target::Local(l) => self.local(*l, span, line)?,
            Target::Subscript(base, index) => self.subscript(*base, *index)?,
            Target::Outer(n) => self.number_outside(n)?,
            _ => return self.error(span, line, "NL2007", "this augmented assignment is dynamic"),
        };
        let right = self.expr(value);
        self.tables.in_place.remove(&value);
        let ty = match self.in_place(op, &old, value, &right, (span, line))? {
            Some(_) if matches!(target, Target::Subscript(..)) => return Ok(()),
            Some(t) => t,
            None if is_array(&right) => {
                return self.operand_error(span, line, &format!("operator {op:?}= of"), &[&old, &right]);
            }
            None => self.binary(op, &old, &right, span, line)?,
        };
        match target {
            Target::Local(l) => {
                if self.vars.is_some() {
                    self.set(*l, ty);
                }
                Ok(())
            }
            Target::Subscript(base, index) => self.store(*base, *index, &ty),
            Target::Outer(n) => self.assign_outside(n, &ty, span),
            Target::Attribute(..) | Target::Tuple { .. } => Ok(()),
        }
    }
}

/// Whether there are no items of this type: a loop over the empty tuple.
fn is_empty(item: &Type) -> bool {
    match item {
        Type::Never => true,
        Type::Tuple(parts) => parts.iter().any(is_empty),
        _ => false,
    }
}

/// Whether values of the type can be kept in machine values and boxed.
pub(super) fn storable(t: &Type) -> bool {
    match t {
        Type::None | Type::Scalar(_) | Type::Union(_) | Type::Array(_) | Type::Never => true,
        Type::Optional(t) => storable(t),
        Type::Tuple(items) => items.iter().all(storable),
        Type::Record(r) => r.items.iter().all(storable),
        _ => false,
    }
}

/// Whether values of the type can be results: a list may be there once, as it is one object.
fn returnable(t: &Type) -> bool {
    fn lists(t: &Type) -> usize {
        usize::from(matches!(t, Type::List(_))) + t.parts().into_iter().map(lists).sum::<usize>()
    }
    fn boxable(t: &Type) -> bool {
        storable(t) || t.items().is_some_and(|items| items.iter().all(boxable))
    }
    boxable(t) && lists(t) <= 1
}

/// Functions that an instance may return to another.
fn is_function(t: &Type) -> bool {
    match t {
        Type::Tuple(items) => items.iter().all(|t| storable(t) || is_function(t)),
        Type::Closure(_) | Type::Function(_) => true,
        _ => false,
    }
}

/// Truth of these types is decided natively.
pub(super) fn has_truth(t: &Type) -> bool {
    if let Type::Optional(t) = t {
        return has_truth(t);
    }
    matches!(
        t,
        Type::None
            | Type::Scalar(_)
            | Type::Union(_)
            | Type::Tuple(_)
            | Type::List(_)
            | Type::Str(_)
            | Type::Range
    )
}

/// Integers that may index: `int` and NumPy integers (bools are masks for arrays).
pub(super) fn is_index(t: &Type) -> bool {
    match t {
        Type::Scalar(Scalar::PyInt) => true,
        Type::Scalar(Scalar::Np(d)) => d.is_integer(),
        _ => false,
    }
}
