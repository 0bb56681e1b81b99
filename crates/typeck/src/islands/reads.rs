//! Items of objects that compiled code reads, once, before a statement in which they cannot change.
//!
//! `a[i] *= d["scale"]` in a loop: the item is read before the loop, if the type of it has been observed. The statement
//! is the outermost one around the expression in which
//!
//! - no code runs in the interpreter, so nothing can change the object but another thread or a signal handler;
//! - the variable of the object is not bound.
//!
//! The read looks at the object first: an exact `dict` of text or ints, `list` or `tuple`. There is no code of the
//! user's in it, so it may be done where the program would not have come; what it does not find is an exit.

use numlift_syntax::hir::{ExprId, ExprKind, LocalId, StmtId, StmtKind};
use numlift_types::{ItemKey, Type};

use super::{Code, Plan, Uses};
use crate::infer::item_read;
use crate::tables::{Bound, Instance};

/// An item that is read before a statement.
#[derive(Clone, Debug)]
pub struct Read {
    pub expr: ExprId,
    pub base: LocalId,
    pub key: ItemKey,
    pub ty: Type,
}

/// Places the reads in a plan; those that have no place.
pub(super) fn place(entry: &Instance, plan: &mut Plan) -> Vec<ExprId> {
    let mut homeless = vec![];
    for (&expr, ty) in &entry.tables.reads {
        let ExprKind::Subscript(base, key) = entry.hir.exprs[expr].kind else {
            continue;
        };
        let read = item_read(&entry.hir, base, key).map(|(base, key)| Read {
            expr,
            base,
            key,
            ty: ty.clone(),
        });
        let home = read.as_ref().and_then(|r| home(entry, plan, r));
        match (home, read) {
            (Some(home), Some(read)) => plan.reads.entry(home).or_default().push(read),
            _ => homeless.push(expr),
        }
    }
    homeless
}

/// The outermost statement around a read before which it can be done.
fn home(entry: &Instance, plan: &Plan, read: &Read) -> Option<StmtId> {
    let f = &entry.hir;
    let at = f.exprs[read.expr].span;
    let mut around: Vec<StmtId> = f.stmts.keys().collect();
    around.retain(|s| f.stmts[*s].span.start <= at.start && at.end <= f.stmts[*s].span.end);
    around.sort_by_key(|s| (f.stmts[*s].span.start, u32::MAX - f.stmts[*s].span.end));
    // a handler would be in the way of what is not found
    if around
        .iter()
        .any(|s| matches!(f.stmts[*s].kind, StmtKind::Try { .. }))
    {
        return None;
    }
    around.into_iter().find(|&s| {
        let span = f.stmts[s].span;
        let compiled = |other: StmtId| !(span.start..span.end).contains(&f.stmts[other].span.start);
        let known = entry
            .tables
            .states
            .get(&s)
            .and_then(|[before, _]| before.get(read.base.as_u32() as usize));
        known.is_some_and(|v| v.ty.is_object() && v.bound == Bound::Yes)
            && entry.tables.dynamic.keys().all(|d| compiled(*d))
            && !plan.islands.iter().any(|i| covers(entry, &i.code, s))
            && plan.islands.iter().filter_map(|i| i.code.stmt()).all(compiled)
            && !Uses::of_stmts(f, &[s]).binds.contains(&read.base)
    })
}

/// Whether a statement is in an island.
fn covers(entry: &Instance, code: &Code, s: StmtId) -> bool {
    let span = |s: StmtId| entry.hir.stmts[s].span;
    let Code::Run(stmts) = code else { return false };
    stmts
        .iter()
        .any(|outer| span(*outer).start <= span(s).start && span(s).end <= span(*outer).end)
}
