//! What an island runs, and facts of it.

use numlift_syntax::facts;
use numlift_syntax::hir::{ExprId, Function, StmtId, StmtKind, Target};
use numlift_types::Type;

use super::Uses;
use crate::tables::{Binding, Instance};

/// What an island runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Code {
    /// Adjacent statements of one block.
    Run(Vec<StmtId>),
    /// The value of a `return` statement behind which more is to be done.
    Value(StmtId, ExprId),
    /// The test of an `if` or `while` statement: its truth.
    Test(StmtId, ExprId),
    /// What a `for` statement iterates over: its iterator.
    Iter(StmtId, ExprId),
    /// The next item of a `for` statement, bound to its targets, or that there is none.
    Next(StmtId),
    /// The end of a `for` statement: its iterator is given up.
    Drop(StmtId),
    /// The class of a handler of a `try` statement, with its number.
    Class(StmtId, usize, ExprId),
    /// Items that are read before a statement.
    Read(StmtId),
    /// The context manager of a `with` statement with this expression: it is entered.
    Enter(StmtId, ExprId),
    /// The same: it is left.
    Leave(StmtId, ExprId),
    /// The same: it is left because of an exception; whether that is suppressed.
    Suppress(StmtId, ExprId),
}

impl Code {
    /// The statement that it begins with or is a part of.
    pub fn stmt(&self) -> Option<StmtId> {
        match self {
            Code::Run(stmts) => stmts.first().copied(),
            Code::Test(s, _) | Code::Iter(s, _) | Code::Next(s) | Code::Drop(s) => Some(*s),
            Code::Class(s, ..) | Code::Read(s) | Code::Value(s, _) => Some(*s),
            Code::Enter(s, _) | Code::Leave(s, _) | Code::Suppress(s, _) => Some(*s),
        }
    }

    /// Whether it binds nothing before the last that may raise in it.
    pub fn binds_last(&self, f: &Function) -> bool {
        let flat = |t: &Target| match t {
            Target::Local(_) => true,
            Target::Tuple { items, .. } => items.iter().all(|t| matches!(t, Target::Local(_))),
            Target::Outer(_) | Target::Subscript(..) | Target::Attribute(..) => false,
        };
        let (s, next) = match self {
            Code::Run(stmts) if stmts.len() == 1 => (stmts[0], false),
            Code::Next(s) => (*s, true),
            _ => return !self.uses(f).binds_any(),
        };
        let one = match &f.stmts[s].kind {
            StmtKind::Assign { targets, .. } => targets.len() == 1 && flat(&targets[0]),
            StmtKind::For { target, .. } => next && flat(target),
            StmtKind::AnnAssign { .. } | StmtKind::AugAssign { .. } => true,
            _ => false,
        };
        let uses = self.uses(f);
        let mut own = vec![];
        facts::stmt_locals(f, s, &mut own);
        !uses.binds_any() || one && uses.bindings.len() == own.len()
    }

    /// Types of variables that are assumed in it.
    pub fn assumed<'i>(
        &self,
        entry: &'i Instance,
    ) -> impl Iterator<Item = (&'i Binding, &'i Type)> + use<'i> {
        let span = |s: StmtId| entry.hir.stmts[s].span;
        let (start, end) = match self {
            Code::Run(stmts) => match (stmts.first(), stmts.last()) {
                (Some(&first), Some(&last)) => (span(first).start, span(last).end),
                _ => (0, 0),
            },
            // the statement alone
            Code::Next(s) | Code::Enter(s, _) => (span(*s).start, span(*s).start + 1),
            _ => (0, 0),
        };
        let within = move |s: StmtId| (start..end).contains(&span(s).start);
        entry.tables.assumed.iter().filter(move |((s, _), _)| within(*s))
    }

    pub(super) fn uses(&self, f: &Function) -> Uses {
        match self {
            Code::Run(stmts) => Uses::of_stmts(f, stmts),
            Code::Test(_, e)
            | Code::Iter(_, e)
            | Code::Class(_, _, e)
            | Code::Value(_, e)
            | Code::Enter(_, e) => Uses::of_expr(f, *e),
            Code::Leave(..) | Code::Suppress(..) => Uses::default(),
            Code::Next(s) => Uses::of_targets(f, *s),
            Code::Drop(_) | Code::Read(_) => Uses::default(),
        }
    }
}
