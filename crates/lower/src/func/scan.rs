//! Facts read off the HIR before lowering: what a loop assigns, which variables are fresh arrays.

use std::collections::{HashMap, HashSet};

use cranelift_entity::EntityRef;
use numlift_builtins::Kind;
use numlift_syntax::facts;
use numlift_syntax::hir::{Block, ExprId, ExprKind, Function, LocalId, Name, StmtId, StmtKind, Target};
use numlift_syntax::visit::{Visitor, walk_expr};
use numlift_typeck::{Call, Instance, Tables};

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
    for e in hir.exprs.values() {
        if let ExprKind::Dynamic(code) = &e.kind {
            out.extend(&code.binds);
        }
    }
    out.sort();
    out.dedup();
    out
}

/// Indices of the variables bound by `:=` in an expression.
pub(crate) fn walrus_in(hir: &Function, expr: ExprId) -> HashSet<usize> {
    struct Bound(HashSet<usize>);
    impl Visitor for Bound {
        fn visit_expr(&mut self, f: &Function, expr: ExprId) {
            if let ExprKind::Walrus(l, _) = &f.exprs[expr].kind {
                self.0.insert(l.index());
            }
            walk_expr(self, f, expr);
        }
    }
    let mut bound = Bound(HashSet::new());
    bound.visit_expr(hir, expr);
    bound.0
}

/// The instance with the tables of the first turn of each loop that has them.
pub(crate) fn peeled(inst: &Instance) -> HashMap<StmtId, Instance> {
    let first = |tables: &Tables| Instance {
        tables: tables.clone(),
        path: inst.path.clone(),
        args: inst.args.clone(),
        hir: inst.hir.clone(),
        ret: inst.ret.clone(),
        callees: vec![],
        whole: None,
        ..*inst
    };
    let loops = inst.tables.peeled.iter();
    loops.map(|(id, tables)| (*id, first(tables))).collect()
}

/// Variables that a block assigns.
pub(crate) fn assigned_in(hir: &Function, block: &Block) -> HashSet<LocalId> {
    let mut out = HashSet::new();
    facts::block_locals(hir, block, &mut out);
    out
}

/// Whether an expression reads one of the variables.
pub(crate) fn reads_any(hir: &Function, expr: ExprId, locals: &HashSet<LocalId>) -> bool {
    struct Reads<'l>(&'l HashSet<LocalId>, bool);
    impl Visitor for Reads<'_> {
        fn visit_expr(&mut self, f: &Function, expr: ExprId) {
            if let ExprKind::Name(Name::Local(l)) = &f.exprs[expr].kind {
                self.1 |= self.0.contains(l);
            }
            walk_expr(self, f, expr);
        }
    }
    let mut reads = Reads(locals, false);
    reads.visit_expr(hir, expr);
    reads.1
}

/// Variables that only ever hold arrays allocated in this call. Flow-insensitive: every
/// assignment must be an allocation or another such variable.
pub(crate) fn fresh_locals(inst: &Instance) -> HashSet<LocalId> {
    let hir = &inst.hir;
    let mut fresh: HashSet<LocalId> = hir.locals.keys().collect();
    for p in &hir.params {
        fresh.remove(&p.local);
    }
    for l in walrus_locals(hir) {
        fresh.remove(&l);
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
                    facts::target_locals(t, &mut out);
                    fresh.retain(|l| !out.contains(l));
                }
                StmtKind::Match { cases, .. } => {
                    let mut out = HashSet::new();
                    cases
                        .iter()
                        .for_each(|c| facts::pattern_locals(&c.pattern, &mut out));
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
            facts::target_locals(t, &mut out);
            fresh.retain(|l| !out.contains(l));
        }
        _ => {}
    }
}

fn is_fresh(inst: &Instance, e: ExprId, fresh: &HashSet<LocalId>) -> bool {
    match &inst.hir.exprs[e].kind {
        ExprKind::Name(Name::Local(l)) => fresh.contains(l),
        // never an array that was there before
        ExprKind::Binary(..) | ExprKind::Unary(..) | ExprKind::Compare(..) => true,
        ExprKind::Call { .. } if inst.tables.elementwise.get(&e).is_some_and(|c| c.out.is_none()) => true,
        ExprKind::Call { .. } => {
            // the first turn of a loop may call something else
            let tables = std::iter::once(&inst.tables).chain(inst.tables.peeled.values());
            let mut calls = tables.filter_map(|t| t.calls.get(&e)).peekable();
            calls.peek().is_some()
                && calls.all(|call| match call {
                    Call::Builtin(b) => matches!(b.kind, Kind::Alloc(_) | Kind::AllocLike(_) | Kind::Array),
                    Call::Boxed { fresh, .. } => *fresh,
                    _ => false,
                })
        }
        _ => false,
    }
}
