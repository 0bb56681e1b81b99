//! Attributes and items of objects that compiled code reads, once, before a statement in which they cannot change.
//!
//! `a[i] *= self.scale` in a loop: the attribute is read before the loop, if the type of it has been observed. The statement
//! is the outermost one around the expression in which
//!
//! - no code runs in the interpreter, and no C function that may call back, so nothing can change the object but another
//!   thread or a signal handler;
//! - the variables of the expression are not bound.
//!
//! The read looks at each object on the way first (`pyrt::read`). There is no code of the user's in it, so it may be done
//! where the program would not have come; what it does not find is an exit.

use numlift_diagnostics::Span;
use numlift_syntax::hir::{ExprId, LocalId, StmtId, StmtKind};
use numlift_types::{ItemKey, Scalar, Type};

use super::{Code, Plan, Uses, is_loop};
use crate::chain::{Chain, Step};
use crate::tables::{Bound, Call, Instance, Program, VarTy};

/// What is read before a statement.
#[derive(Clone, Debug)]
pub struct Read {
    pub expr: ExprId,
    pub chain: Chain,
    pub ty: Type,
}

/// Places the reads in a plan; those that have no place.
pub(super) fn place(program: &Program, entry: &Instance, plan: &mut Plan) -> Vec<ExprId> {
    let mut homeless = vec![];
    let foreign = foreign_calls(program, entry);
    for (&expr, ty) in &entry.tables.reads {
        let chain = Chain::of(&entry.hir, expr);
        let placed = chain.and_then(|chain| {
            let home = home(entry, plan, expr, &chain, &foreign)?;
            let chain = settled(entry, home, chain)?;
            let ty = ty.clone();
            Some((home, Read { expr, chain, ty }))
        });
        match placed {
            Some((home, read)) => plan.reads.entry(home).or_default().push(read),
            None => homeless.push(expr),
        }
    }
    homeless
}

/// A variable before a statement, if it is bound there.
fn before(entry: &Instance, s: StmtId, l: LocalId) -> Option<&VarTy> {
    let [before, _] = entry.tables.states.get(&s)?;
    before.get(l.as_u32() as usize).filter(|v| v.bound == Bound::Yes)
}

/// The chain with keys that the types know; `None` if a key is neither an int nor an object.
fn settled(entry: &Instance, home: StmtId, mut chain: Chain) -> Option<Chain> {
    for step in &mut chain.steps {
        let Step::ItemBy(l) = step else { continue };
        match &before(entry, home, *l)?.ty {
            Type::Str(text) => *step = Step::Item(ItemKey::Text(text.to_string())),
            Type::Scalar(Scalar::PyInt) | Type::Object(_) => {}
            _ => return None,
        }
    }
    Some(chain)
}

/// The outermost statement around a read before which it can be done.
fn home(entry: &Instance, plan: &Plan, expr: ExprId, chain: &Chain, foreign: &[Span]) -> Option<StmtId> {
    let f = &entry.hir;
    let at = f.exprs[expr].span;
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
    // an item by a variable is read before the innermost loop, or the interpreter reads it as fast
    if chain.keys().next().is_some()
        && let Some(innermost) = around.iter().rposition(|s| is_loop(&f.stmts[*s].kind))
    {
        around.truncate(innermost + 1);
    }
    around.into_iter().find(|&s| {
        let span = f.stmts[s].span;
        let compiled = |other: StmtId| !(span.start..span.end).contains(&f.stmts[other].span.start);
        let object = |l: LocalId| before(entry, s, l).is_some_and(|v| v.ty.is_object());
        chain.local().is_none_or(object)
            && chain.keys().all(|l| before(entry, s, l).is_some())
            && entry.tables.dynamic.keys().all(|d| compiled(*d))
            && !foreign.iter().any(|c| (span.start..span.end).contains(&c.start))
            && !plan.islands.iter().any(|i| covers(entry, &i.code, s))
            && plan.islands.iter().filter_map(|i| i.code.stmt()).all(compiled)
            && chain
                .locals()
                .all(|l| !Uses::of_stmts(f, &[s]).binds.contains(&l))
    })
}

/// Calls of C functions, and of functions in which there may be one.
fn foreign_calls(program: &Program, entry: &Instance) -> Vec<Span> {
    let is_c = |c: &Call| matches!(c, Call::C { .. });
    let deep = |i: &Instance| i.code != entry.code && i.tables.calls.values().any(is_c);
    let deep = program.instances.iter().any(deep);
    let calls = entry.tables.calls.iter();
    let foreign = calls.filter(|(_, c)| is_c(c) || deep && matches!(c, Call::Instance { .. }));
    foreign.map(|(e, _)| entry.hir.exprs[*e].span).collect()
}

/// Whether a statement is in an island.
fn covers(entry: &Instance, code: &Code, s: StmtId) -> bool {
    let span = |s: StmtId| entry.hir.stmts[s].span;
    let Code::Run(stmts) = code else { return false };
    stmts
        .iter()
        .any(|outer| span(*outer).start <= span(s).start && span(s).end <= span(*outer).end)
}
