//! Islands in statements that have more to do wherever control leaves them: `try` with `finally`, and `with`.
//!
//! An island that returns says nothing of its variables, and the last block may read them. So what returns in such a
//! statement is compiled, down to the `return` statements, of which the value alone is an island. What cannot be
//! compiled makes the statement an island itself.

use std::collections::HashSet;

use numlift_syntax::facts;
use numlift_syntax::hir::{Block, ExprId, Function, StmtId, StmtKind, Target};
use numlift_types::Reason;

use super::{Code, Planner, Uses};
use crate::tables::Instance;

/// Statements that have more to do when a `return` in them is on its way out.
pub(super) fn watched(entry: &Instance) -> HashSet<StmtId> {
    let mut out = HashSet::new();
    for s in entry.hir.stmts.keys().filter(|s| does_more(entry, *s)) {
        for block in left(&entry.hir, s) {
            collect(&entry.hir, block, &mut out);
        }
    }
    out
}

/// Whether a statement that is compiled has more to do wherever control leaves it.
fn does_more(entry: &Instance, s: StmtId) -> bool {
    match &entry.hir.stmts[s].kind {
        StmtKind::With { .. } => may_be_compiled(entry, s),
        _ => entry.tables.finals.contains_key(&s),
    }
}

/// A `try` or `with` statement whose blocks are typed as those of a compiled one.
pub(super) fn may_be_compiled(entry: &Instance, s: StmtId) -> bool {
    let tables = &entry.tables;
    match &entry.hir.stmts[s].kind {
        StmtKind::With { items, .. } => items.iter().all(|(c, _)| tables.managed.contains_key(c)),
        _ => tables.handlers.contains_key(&s) || tables.finals.contains_key(&s),
    }
}

/// The blocks that control leaves with more to do.
fn left(f: &Function, s: StmtId) -> Vec<&Block> {
    let kind = &f.stmts[s].kind;
    let mut blocks = facts::blocks(kind);
    if matches!(kind, StmtKind::Try { .. }) {
        // `finally` itself comes last
        blocks.pop();
    }
    blocks
}

fn collect(f: &Function, block: &Block, out: &mut HashSet<StmtId>) {
    for &s in block {
        out.insert(s);
        for inner in facts::blocks(&f.stmts[s].kind) {
            collect(f, inner, out);
        }
    }
}

impl Planner<'_> {
    /// The value of a `return` statement with more to do.
    pub(super) fn left_value(&self, s: StmtId) -> Option<ExprId> {
        match self.hir.stmts[s].kind {
            StmtKind::Return(value) if self.watched.contains(&s) => value,
            _ => None,
        }
    }

    /// A `return` in it leaves a statement with more to do.
    pub(super) fn returns_within(&self, s: StmtId) -> bool {
        self.watched.contains(&s) && Uses::of_stmts(self.hir, &[s]).returns
    }

    /// How many blocks of a compiled statement land in it when they raise.
    pub(super) fn protected_blocks(&self, s: StmtId) -> usize {
        let kind = &self.hir.stmts[s].kind;
        match kind {
            StmtKind::Try { finalbody, .. } if !finalbody.is_empty() => facts::blocks(kind).len() - 1,
            StmtKind::Try { .. } | StmtKind::With { .. } => 1,
            _ => 0,
        }
    }

    /// What returns in it cannot be compiled.
    pub(super) fn is_stuck(&self, s: StmtId) -> bool {
        does_more(self.entry, s) && left(self.hir, s).into_iter().any(|block| self.has_stuck(block))
    }

    /// The islands of a `with` statement that is compiled. A manager is entered inside of those before.
    pub(super) fn managers(&mut self, s: StmtId, items: &[(ExprId, Option<Target>)], reason: Reason) {
        for (context, _) in items {
            let first = self.plan.islands.len();
            self.plan.managers.insert(*context, [first, first + 1, first + 2]);
            for code in [Code::Enter, Code::Leave, Code::Suppress] {
                self.add(code(s, *context), reason);
            }
            self.protected += 1;
        }
        self.protected -= items.len();
    }

    fn has_stuck(&self, block: &Block) -> bool {
        block.iter().any(|&s| {
            let kind = &self.hir.stmts[s].kind;
            match (kind, self.is_island(s)) {
                (StmtKind::Return(Some(e)), true) => Uses::of_expr(self.hir, *e).binds_any(),
                (_, true) => Uses::of_stmts(self.hir, &[s]).returns,
                (_, false) => facts::blocks(kind).into_iter().any(|b| self.has_stuck(b)),
            }
        })
    }
}
