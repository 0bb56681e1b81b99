//! Variables that live in cells: functions and generators that outlive their statement see later assignments of them.
//!
//! ```text
//! for i in range(n):
//!     calls.append(lambda: i)        # an island: the lambda and the loop share the cell of `i`
//!     total += a[i]
//! ```
//!
//! A variable that only this function assigns keeps its type; machine code puts it into its cell before others may look.
//! One that nested functions assign too is an object in its cell, and statements that use it are islands.

use std::collections::BTreeSet;

use numlift_syntax::facts;
use numlift_syntax::hir::{Function, LocalId, StmtId, StmtKind, Target};

use super::{Code, Island, Planner, Uses, is_loop};
use crate::tables::{Bound, VarTy};

/// The variables of a function that are in cells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cells {
    pub all: BTreeSet<LocalId>,
    /// Those that nested functions assign.
    pub written: BTreeSet<LocalId>,
    /// Where in the source the first function may be made that sees them.
    pub from: u32,
}

impl Cells {
    pub(super) fn extend(&mut self, other: &Cells) {
        self.all.extend(&other.all);
        self.written.extend(&other.written);
    }
}

impl Planner<'_> {
    /// The variables that islands capture and that change afterwards.
    pub(super) fn captured(&self, islands: &[Island]) -> Cells {
        let all = Uses::of_stmts(self.hir, &self.hir.body).bindings;
        let mut out = Cells {
            from: u32::MAX,
            ..Cells::default()
        };
        for island in islands {
            let uses = self.uses(island);
            let (first, last, outer) = self.extent(island);
            let moves = |l: &LocalId| {
                let bound = self.state_before(island).is_some_and(|s| {
                    s.get(l.as_u32() as usize)
                        .is_some_and(|v: &VarTy| v.bound == Bound::Yes)
                });
                let mut others = all.iter().filter(|(other, _)| other == l).map(|(_, at)| *at);
                others.any(|at| at > last || outer.is_some_and(|(start, end)| (start..end).contains(&at)))
                    || self.ends_handler(*l, first, last)
                    || !bound && !uses.binds.contains(l)
                    || uses.binds.contains(l) && !self.is_bound_behind(island, *l)
            };
            let moving: Vec<LocalId> = uses.captured.iter().copied().filter(moves).collect();
            if !moving.is_empty() || uses.captured.iter().any(|l| self.cells.all.contains(l)) {
                out.from = out.from.min(outer.map_or(first, |(start, _)| start));
            }
            out.all.extend(moving);
            out.written.extend(&uses.written);
        }
        out.all.extend(&out.written);
        out
    }

    /// Whether an island that begins and ends here is the end of a handler with this name, which is unbound behind it.
    fn ends_handler(&self, name: LocalId, first: u32, last: u32) -> bool {
        self.hir.stmts.values().any(|s| {
            let named = matches!(&s.kind, StmtKind::Try { handlers, .. } if handlers.iter().any(|h| h.name == Some(name)));
            named && s.span.start < first && s.span.end == last
        })
    }

    /// Whether an island uses a variable in a cell that may be unbound there.
    pub(super) fn unsure_cell(&self, island: &Island) -> bool {
        let uses = island.code.uses(self.hir);
        let mut unbound = vec![];
        if let Code::Run(stmts) = &island.code {
            facts::block_unbinds(self.hir, stmts, &mut unbound);
        }
        let state = self.state_before(island);
        let sure = |l: &LocalId| {
            let bound = state.and_then(|s| s.get(l.as_u32() as usize));
            bound.is_some_and(|v| v.bound == Bound::Yes) && !unbound.contains(l)
        };
        let mut used = uses
            .reads
            .union(&uses.binds)
            .filter(|l| self.cells.all.contains(l));
        used.any(|l| !sure(l))
    }

    fn uses(&self, island: &Island) -> Uses {
        match &island.code {
            Code::Run(stmts) => Uses::of_stmts_consumed(self.hir, stmts, &self.entry.tables.consumers),
            code => code.uses(self.hir),
        }
    }

    /// Whether a variable is bound for sure where an island ends.
    fn is_bound_behind(&self, island: &Island, l: LocalId) -> bool {
        let Code::Run(stmts) = &island.code else {
            return false;
        };
        let last = stmts.last().and_then(|s| self.entry.tables.states.get(s));
        let state = last.and_then(|[_, after]| after.get(l.as_u32() as usize));
        state.is_some_and(|v| v.bound == Bound::Yes)
    }

    fn state_before(&self, island: &Island) -> Option<&Vec<VarTy>> {
        let stmt = island.code.stmt()?;
        self.entry.tables.states.get(&stmt).map(|[before, _]| before)
    }

    /// Where an island begins and ends in the source, and the outermost loop around it.
    fn extent(&self, island: &Island) -> (u32, u32, Option<(u32, u32)>) {
        let span = |s: StmtId| self.hir.stmts[s].span;
        let (start, end) = match &island.code {
            Code::Run(stmts) => (span(stmts[0]).start, span(stmts[stmts.len() - 1]).end),
            // the blocks of the statement come behind it
            Code::Iter(s, e) | Code::Class(s, _, e) | Code::Enter(s, e) | Code::Test(s, e) => {
                (span(*s).start, self.hir.exprs[*e].span.end)
            }
            code => code.stmt().map_or((0, 0), |s| (span(s).start, span(s).end)),
        };
        let looped = self.hir.stmts.values().filter(|s| is_loop(&s.kind));
        // the test of a `while` is in it
        let tested = matches!(island.code, Code::Test(s, _) if is_loop(&self.hir.stmts[s].kind));
        let around =
            looped.filter(|s| s.span.start < start && end <= s.span.end || tested && s.span.start == start);
        (start, end, around.map(|s| (s.span.start, s.span.end)).min())
    }
}

/// Whether a nested function may leave a variable of this name of a function around it unbound.
fn unbinds(f: &Function, name: &str) -> bool {
    fn deletes(target: &Target, name: &str) -> bool {
        match target {
            Target::Outer(n) => n == name,
            Target::Tuple { items, .. } => items.iter().any(|t| deletes(t, name)),
            _ => false,
        }
    }
    let deleted =
        |s: &StmtKind| matches!(s, StmtKind::Del(targets) if targets.iter().any(|t| deletes(t, name)));
    let listed = |names: &[String]| names.iter().any(|n| n == name);
    f.free.iter().any(|n| n == name)
        && (listed(&f.rebinds_outer)
            || listed(&f.hidden_writes)
            || f.stmts.values().any(|s| deleted(&s.kind))
            || f.nested.iter().any(|inner| unbinds(inner, name)))
}

/// Whether a variable that nested functions assign is never unbound again.
pub(crate) fn is_steady(f: &Function, l: LocalId) -> bool {
    let mut unbound = vec![];
    facts::block_unbinds(f, &f.body, &mut unbound);
    let name = &f.locals[l].name;
    let opaque = |s: &StmtKind| matches!(s, StmtKind::Dynamic(code) if code.written.contains(&l));
    !unbound.contains(&l)
        && !f.nested.iter().any(|inner| unbinds(inner, name))
        && !f.stmts.values().any(|s| opaque(&s.kind))
}
