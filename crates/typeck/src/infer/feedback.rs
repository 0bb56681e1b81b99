//! Variables that code of the interpreter binds, and what a run has observed of them.
//!
//! Before: a variable is an object behind a statement. After: it has the type that a run has observed there, if the
//! environment knows one; else a run may observe it. A value is looked at where its island ends, so nothing here is
//! a promise: a variable with another value there takes the way of an exit.

use std::collections::HashSet;

use numlift_syntax::facts;
use numlift_syntax::hir::{
    CmpOp, Const, ExprId, ExprKind, Function, LocalId, Name, StmtId, StmtKind, Target,
};
use numlift_syntax::visit::{Visitor, walk_expr};
use numlift_types::{Scalar, Type};

use super::FnInfer;
use crate::chain::Chain;
use crate::env::Resolved;
use crate::islands::Uses;
use crate::tables::Bound;

/// Variables of which the code may see what object they are: a number that was unboxed is another one.
#[derive(Debug, Default)]
pub(super) struct Identified {
    locals: HashSet<LocalId>,
    /// `id` is used.
    all: bool,
}

impl Identified {
    pub(super) fn of(f: &Function) -> Identified {
        let mut out = Identified::default();
        out.visit_block(f, &f.body);
        out
    }

    /// Whether a value of the type may be unboxed and boxed again.
    fn allow(&self, l: LocalId, t: &Type) -> bool {
        !self.all && !self.locals.contains(&l) || is_kept(t)
    }

    /// The same for a value that any variable may get.
    fn allow_item(&self, t: &Type) -> bool {
        !self.all && self.locals.is_empty() || is_kept(t)
    }
}

/// Whether a value that is unboxed and boxed again is the same object.
fn is_kept(t: &Type) -> bool {
    match t {
        Type::Array(_) | Type::None | Type::Scalar(Scalar::PyBool) => true,
        Type::Optional(t) => is_kept(t),
        _ => false,
    }
}

impl Visitor for Identified {
    fn visit_expr(&mut self, f: &Function, expr: ExprId) {
        let e = &f.exprs[expr];
        let is_none = |e: ExprId| matches!(f.exprs[e].kind, ExprKind::Const(Const::None));
        match &e.kind {
            ExprKind::Name(Name::Global(n)) => self.all |= n == "id",
            ExprKind::Compare(first, rest) => {
                let mut left = *first;
                for &(op, right) in rest {
                    let same = matches!(op, CmpOp::Is | CmpOp::IsNot);
                    for e in [left, right] {
                        if let ExprKind::Name(Name::Local(l)) = f.exprs[e].kind
                            && same
                            && !is_none(left)
                            && !is_none(right)
                        {
                            self.locals.insert(l);
                        }
                    }
                    left = right;
                }
            }
            ExprKind::Dynamic(code) => {
                let text = f.source.get(e.span.start as usize..e.span.end as usize);
                if text.is_none_or(|t| t.contains(" is ")) {
                    self.locals.extend(&code.reads);
                }
                self.all |= code.outer.contains(&Name::Global("id".into()));
            }
            _ => {}
        }
        walk_expr(self, f, expr);
    }
}

impl FnInfer<'_, '_> {
    /// Variables that a statement has bound to objects.
    pub(super) fn observe_stmt(&mut self, id: StmtId) {
        let hir = self.hir.clone();
        let mut bound = vec![];
        match &hir.stmts[id].kind {
            StmtKind::Assign { .. } | StmtKind::AnnAssign { .. } | StmtKind::AugAssign { .. } => {
                facts::stmt_locals(&hir, id, &mut bound);
            }
            // a way out of it has the variables as they are in the interpreter
            StmtKind::With { items, .. } if self.is_managed(items) => {}
            StmtKind::With { .. } | StmtKind::Try { .. } if !Uses::of_stmts(&hir, &[id]).leaves() => {
                facts::block_locals(&hir, &vec![id], &mut bound);
            }
            _ => {}
        }
        self.observe(id, &bound);
    }

    /// Variables that a turn of a `for` has bound to objects.
    pub(super) fn observe_targets(&mut self, id: StmtId, target: &Target) {
        let mut bound = vec![];
        facts::target_locals(target, &mut bound);
        self.observe(id, &bound);
    }

    /// The type of what an expression reads of an object, if a run has observed it; else one may observe it.
    pub(super) fn observed_read(&mut self, id: ExprId) -> Option<Type> {
        let boxing = self.boxing?;
        let chain = Chain::of(&self.hir, id)?;
        self.tables.reads.remove(&id);
        self.tables.readable.remove(&id);
        // an annotation says what is to be checked
        let annotated = self.stmt.map(|s| &self.hir.stmts[s].kind);
        if matches!(annotated, Some(StmtKind::AnnAssign { .. })) {
            return None;
        }
        if !self.islands.is_empty() || !self.is_readable(id, &chain) {
            return None;
        }
        match self.cx.env.observed_read(id) {
            Some(t) if self.identified.allow_item(&t) && !boxing.unread.contains(&id) => {
                self.tables.reads.insert(id, t.clone());
                Some(t)
            }
            Some(_) => None,
            None => {
                self.tables.readable.insert(id);
                None
            }
        }
    }

    /// Whether a chain begins with an object that has no static type, and its keys may be ints or text.
    fn is_readable(&mut self, id: ExprId, chain: &Chain) -> bool {
        let bound = |l: LocalId| {
            let v = self.var(l).filter(|v| v.bound == Bound::Yes);
            v.filter(|_| !self.cells.contains_key(&l))
        };
        let key = |l: LocalId| {
            let is_key = |t: &Type| matches!(t, Type::Scalar(Scalar::PyInt) | Type::Str(_) | Type::Object(_));
            bound(l).is_some_and(|v| is_key(&v.ty))
        };
        if !chain.keys().all(key) {
            return false;
        }
        match &chain.root {
            Name::Local(l) => bound(*l).is_some_and(|v| v.ty.is_object()),
            name => {
                let span = self.hir.exprs[id].span;
                matches!(self.outside(name, span), Ok(Resolved::Opaque(_)))
            }
        }
    }

    fn observe(&mut self, id: StmtId, bound: &[LocalId]) {
        let Some(boxing) = self.boxing else { return };
        if !self.islands.is_empty() || self.noted.is_none() {
            return;
        }
        for &l in bound {
            let object = self
                .var(l)
                .is_some_and(|v| v.ty.is_object() && v.bound != Bound::No);
            let free = !boxing.locals.contains(&l) && !self.cells.contains_key(&l);
            let binding = (id, l);
            self.tables.observable.remove(&binding);
            self.tables.assumed.remove(&binding);
            if !object || !free {
                continue;
            }
            match self.cx.env.observed(binding) {
                Some(t) if self.identified.allow(l, &t) && !boxing.unassumed.contains(&binding) => {
                    if let Some(v) = &mut self.vars {
                        v[super::index(l)].ty = t.clone();
                    }
                    self.tables.assumed.insert(binding, t);
                }
                Some(_) => {}
                None => _ = self.tables.observable.insert(binding),
            }
        }
    }
}
