//! Loops whose first turn has types of its own.
//!
//! `s = 0.0`, then `s += a[i]` with float32 elements: `s` is a Python float in the first turn and float32
//! in all others. Kept as a union it would be asked for its family in every turn. So the first turn is typed, and
//! lowered, apart, where that makes the others static.

use numlift_syntax::hir::{Block, ExprId, Function, StmtId, StmtKind, Target};
use numlift_syntax::visit::{Visitor, walk_expr, walk_stmt};
use numlift_types::{Carrier, Scalar, Type};

use super::{FnInfer, Vars, join_vars};
use crate::tables::{Tables, VarTy};

/// Larger bodies are not lowered twice.
const MAX_EXPRS: usize = 200;

/// The expressions and statements of a loop's body.
#[derive(Default)]
struct Body {
    exprs: Vec<ExprId>,
    stmts: Vec<StmtId>,
    /// Whether it is of simple statements and branches only.
    plain: bool,
}

impl Visitor for Body {
    fn visit_expr(&mut self, f: &Function, expr: ExprId) {
        self.exprs.push(expr);
        walk_expr(self, f, expr);
    }

    fn visit_stmt(&mut self, f: &Function, stmt: StmtId) {
        self.plain &= matches!(
            f.stmts[stmt].kind,
            StmtKind::Expr(_)
                | StmtKind::Assign { .. }
                | StmtKind::AnnAssign { .. }
                | StmtKind::AugAssign { .. }
                | StmtKind::If { .. }
                | StmtKind::Break
                | StmtKind::Continue
                | StmtKind::Return(_)
                | StmtKind::Assert { .. }
                | StmtKind::Raise { .. }
                | StmtKind::Pass
        );
        self.stmts.push(stmt);
        walk_stmt(self, f, stmt);
    }
}

/// A `for` loop.
#[derive(Clone, Copy)]
pub(super) struct For<'a> {
    pub id: StmtId,
    pub target: &'a Target,
    pub iter: ExprId,
    pub item: &'a Type,
    pub body: &'a Block,
}

impl FnInfer<'_, '_> {
    /// Tries the loop with the types that its first turn, just typed, ends with. If the others keep them,
    /// the variables at the loop's exit, and at its breaks.
    pub(super) fn peel(
        &mut self,
        l: For<'_>,
        head: &Vars,
        back: &Vars,
        breaks: &Vars,
    ) -> Option<(Vars, Vars)> {
        if !worthwhile(head.as_ref()?, back.as_ref()?) {
            return None;
        }
        let hir = self.hir.clone();
        let mut found = Body {
            plain: true,
            ..Body::default()
        };
        found.visit_target(&hir, l.target);
        found.visit_block(&hir, l.body);
        let dynamic = |s: &StmtId| self.tables.dynamic.contains_key(s);
        if !found.plain || found.exprs.len() > MAX_EXPRS || found.stmts.iter().any(dynamic) {
            return None;
        }
        let reasons = self.tables.reasons.len();
        let first = self.take_part(&found);
        self.vars = back.clone();
        self.bind(l.target, l.item, l.iter);
        let turn = self.loop_body(l.body);
        let again = join_vars(self.vars.take(), turn.continues);
        if join_vars(back.clone(), again) != *back || self.tables.reasons.len() != reasons {
            return None;
        }
        self.tables.loops.insert(l.id, back.clone().unwrap_or_default());
        self.tables.peeled.insert(l.id, first);
        let exit = join_vars(head.clone(), back.clone());
        Some((exit, join_vars(breaks.clone(), turn.breaks)))
    }

    /// Moves the tables of a body out.
    fn take_part(&mut self, of: &Body) -> Tables {
        let mut out = Tables {
            captures: self.tables.captures.clone(),
            ..Tables::default()
        };
        let t = &mut self.tables;
        for e in &of.exprs {
            out.exprs.extend(t.exprs.remove_entry(e));
            out.calls.extend(t.calls.remove_entry(e));
            out.truths.extend(t.truths.remove_entry(e));
            out.indices.extend(t.indices.remove_entry(e));
            out.picks.extend(t.picks.remove_entry(e));
            out.hidden.extend(t.hidden.remove_entry(e));
            out.dtypes.extend(t.dtypes.remove_entry(e));
            out.elementwise.extend(t.elementwise.remove_entry(e));
            out.in_place.extend(t.in_place.remove_entry(e));
            out.parts.extend(t.parts.take(e));
            out.reads.extend(t.reads.remove_entry(e));
            out.consumers
                .extend(t.consumers.get_key_value(e).map(|(e, c)| (*e, *c)));
        }
        for s in &of.stmts {
            out.errors.extend(t.errors.remove_entry(s));
        }
        out
    }
}

/// Whether a variable is a number of one family after the first turn, of another before, and the union of both costs.
fn worthwhile(head: &[VarTy], back: &[VarTy]) -> bool {
    let changed = |h: &VarTy, b: &VarTy| {
        let (Type::Scalar(s), false) = (&b.ty, h.ty.scalars().is_empty()) else {
            return false;
        };
        !h.ty.scalars().contains(s) || matches!(h.ty, Type::Union(_))
    };
    let costs = |h: &VarTy, b: &VarTy| matches!(h.ty.join(&b.ty), Type::Union(u) if !is_free(u.members(), u.carrier()));
    head.iter().zip(back).any(|(h, b)| changed(h, b) && costs(h, b))
}

/// Whether sums of these families are the same machine operation, whatever the family.
fn is_free(members: &[Scalar], carrier: Carrier) -> bool {
    let same = |s: &Scalar| matches!(s, Scalar::PyFloat | Scalar::PyInt | &Scalar::F64 | &Scalar::I64);
    carrier == Carrier::F64 && members.iter().all(same)
}
