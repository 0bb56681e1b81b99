//! Facts read off the HIR before lowering: what a loop assigns, which variables are fresh arrays.

use std::collections::HashSet;

use numlift_builtins::Kind;
use numlift_syntax::hir::{Block, ExprId, ExprKind, Function, LocalId, Name, Pattern, StmtKind, Target};
use numlift_typeck::{Call, Instance};

/// Variables bound by `:=` anywhere in the function.
pub(crate) fn walrus_locals(hir: &Function) -> Vec<LocalId> {
    let mut out: Vec<LocalId> = hir
        .exprs
        .values()
        .filter_map(|e| match e.kind {
            ExprKind::Walrus(l, _) => Some(l),
            _ => None,
        })
        .collect();
    out.sort();
    out.dedup();
    out
}

fn target(t: &Target, out: &mut HashSet<LocalId>) {
    match t {
        Target::Local(l) => {
            out.insert(*l);
        }
        Target::Tuple { items, .. } => items.iter().for_each(|t| target(t, out)),
        Target::Outer(_) | Target::Subscript(..) | Target::Attribute(..) => {}
    }
}

fn pattern(p: &Pattern, out: &mut HashSet<LocalId>) {
    match p {
        Pattern::Capture(Some(l)) => {
            out.insert(*l);
        }
        Pattern::As(inner, l) => {
            out.insert(*l);
            pattern(inner, out);
        }
        Pattern::Or(items) | Pattern::Sequence(items) => items.iter().for_each(|p| pattern(p, out)),
        Pattern::Value(_) | Pattern::Capture(None) | Pattern::Dynamic(_) => {}
    }
}

/// Adds the variables that a block assigns.
pub(crate) fn assigned(hir: &Function, block: &Block, out: &mut HashSet<LocalId>) {
    for &s in block {
        match &hir.stmts[s].kind {
            StmtKind::Assign { targets, .. } => targets.iter().for_each(|t| target(t, out)),
            StmtKind::AnnAssign { target: t, .. } | StmtKind::AugAssign { target: t, .. } => target(t, out),
            StmtKind::If { then, other, .. } => {
                assigned(hir, then, out);
                assigned(hir, other, out);
            }
            StmtKind::While { body, orelse, .. } => {
                assigned(hir, body, out);
                assigned(hir, orelse, out);
            }
            StmtKind::For {
                target: t,
                body,
                orelse,
                ..
            } => {
                target(t, out);
                assigned(hir, body, out);
                assigned(hir, orelse, out);
            }
            StmtKind::Match { cases, .. } => {
                for c in cases {
                    pattern(&c.pattern, out);
                    assigned(hir, &c.body, out);
                }
            }
            StmtKind::Import { local, .. }
            | StmtKind::ImportFrom { local, .. }
            | StmtKind::Def { local, .. } => {
                out.insert(*local);
            }
            StmtKind::Del(targets) => targets.iter().for_each(|t| target(t, out)),
            StmtKind::Expr(_)
            | StmtKind::Break
            | StmtKind::Continue
            | StmtKind::Return(_)
            | StmtKind::Assert { .. }
            | StmtKind::Raise { .. }
            | StmtKind::Pass
            | StmtKind::Dynamic(_) => {}
        }
    }
}

pub(crate) fn assigned_in(hir: &Function, block: &Block) -> HashSet<LocalId> {
    let mut out = HashSet::new();
    assigned(hir, block, &mut out);
    out
}

pub(crate) fn add_target(t: &Target, out: &mut HashSet<LocalId>) {
    target(t, out);
}

/// Variables that only ever hold arrays allocated in this call. Flow-insensitive: every
/// assignment must be an allocation or another such variable.
pub(crate) fn fresh_locals(inst: &Instance) -> HashSet<LocalId> {
    let hir = &inst.hir;
    let mut fresh: HashSet<LocalId> = hir.locals.keys().collect();
    for p in &hir.params {
        fresh.remove(&p.local);
    }
    loop {
        let before = fresh.len();
        for s in hir.stmts.values() {
            match &s.kind {
                StmtKind::Assign { targets, value } => {
                    for t in targets {
                        drop_unless_fresh(inst, t, *value, &mut fresh);
                    }
                }
                StmtKind::AnnAssign {
                    target: t,
                    value: Some(v),
                    ..
                } => {
                    drop_unless_fresh(inst, t, *v, &mut fresh);
                }
                StmtKind::For { target: t, .. } => {
                    let mut out = HashSet::new();
                    target(t, &mut out);
                    fresh.retain(|l| !out.contains(l));
                }
                StmtKind::Match { cases, .. } => {
                    let mut out = HashSet::new();
                    cases.iter().for_each(|c| pattern(&c.pattern, &mut out));
                    fresh.retain(|l| !out.contains(l));
                }
                _ => {}
            }
        }
        if fresh.len() == before {
            return fresh;
        }
    }
}

fn drop_unless_fresh(inst: &Instance, t: &Target, value: ExprId, fresh: &mut HashSet<LocalId>) {
    match (t, &inst.hir.exprs[value].kind) {
        (Target::Local(l), _) if !is_fresh(inst, value, fresh) => {
            fresh.remove(l);
        }
        (Target::Tuple { items, star: None }, ExprKind::Tuple(values)) if items.len() == values.len() => {
            for (t, v) in items.iter().zip(values) {
                drop_unless_fresh(inst, t, *v, fresh);
            }
        }
        (Target::Tuple { .. }, _) => {
            let mut out = HashSet::new();
            target(t, &mut out);
            fresh.retain(|l| !out.contains(l));
        }
        _ => {}
    }
}

fn is_fresh(inst: &Instance, e: ExprId, fresh: &HashSet<LocalId>) -> bool {
    match &inst.hir.exprs[e].kind {
        ExprKind::Name(Name::Local(l)) => fresh.contains(l),
        ExprKind::Call { .. } => match inst.tables.calls.get(&e) {
            Some(Call::Builtin(b)) => matches!(b.kind, Kind::Alloc(_) | Kind::AllocLike(_)),
            Some(Call::Boxed { .. }) => true,
            _ => false,
        },
        _ => false,
    }
}
