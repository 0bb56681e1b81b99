//! What a loop gains by being compiled, against what its islands cost.
//!
//! Estimates, in nanoseconds per iteration of the loop: a compiled statement saves [`NODE`] for each of its
//! expression nodes; entering an island, also for the next item of an object, costs [`CROSSING`] and [`VARIABLE`] for each variable that goes in or
//! out. A branch is taken half the time, a loop inside runs [`TURNS`] times, a handler hardly ever.

use numlift_syntax::facts;
use numlift_syntax::hir::{Block, StmtId, StmtKind};

use super::{Planner, Uses, is_loop};

const NODE: f64 = 20.0;
const CROSSING: f64 = 150.0;
const VARIABLE: f64 = 15.0;
const TURNS: f64 = 10.0;
/// Reading an item of an object, before a loop or as a statement of its own.
pub(super) const ITEM: f64 = 40.0;

impl Planner<'_> {
    /// Whether the statements of a loop that are compiled are worth the islands in it.
    pub(super) fn pays(&self, s: StmtId) -> bool {
        let kind = &self.hir.stmts[s].kind;
        let test = match kind {
            StmtKind::While { test, .. } => self.own(s, Uses::of_expr(self.hir, *test)),
            _ if self.entry.tables.dynamic.contains_key(&s) => -self.next(s),
            // the counter
            _ => 2.0 * NODE,
        };
        let blocks = facts::blocks(kind);
        let body: f64 = blocks.first().map_or(0.0, |b| self.gain(b));
        test + body > 0.0
    }

    /// Whether what is compiled of a `try` or `with` statement is worth the islands in it.
    pub(super) fn is_worthwhile(&self, s: StmtId) -> bool {
        self.protected(s) > 0.0
    }

    /// Time that compiling the blocks of such a statement saves, handlers left out.
    fn protected(&self, s: StmtId) -> f64 {
        match &self.hir.stmts[s].kind {
            StmtKind::Try {
                body,
                orelse,
                finalbody,
                ..
            } => [body, orelse, finalbody].map(|b| self.gain(b)).iter().sum(),
            // each manager is entered and left
            StmtKind::With { items, body } => self.gain(body) - 2.0 * CROSSING * items.len() as f64,
            _ => 0.0,
        }
    }

    /// Time that compiling a block saves.
    pub(super) fn gain(&self, block: &Block) -> f64 {
        let mut total = 0.0;
        let mut run: Vec<StmtId> = vec![];
        for &s in block {
            if self.is_island(s) {
                run.push(s);
                continue;
            }
            total -= self.crossing(&mut run) - self.gain_of(s);
        }
        total - self.crossing(&mut run)
    }

    fn gain_of(&self, s: StmtId) -> f64 {
        let kind = &self.hir.stmts[s].kind;
        let own = match kind {
            StmtKind::If { test, .. } | StmtKind::While { test, .. } => {
                self.own(s, Uses::of_expr(self.hir, *test))
            }
            StmtKind::For { .. } if self.entry.tables.dynamic.contains_key(&s) => {
                -CROSSING - TURNS * self.next(s)
            }
            StmtKind::For { iter, .. } => NODE * Uses::of_expr(self.hir, *iter).nodes as f64,
            StmtKind::Match { .. } => NODE,
            StmtKind::Try { .. } | StmtKind::With { .. } => return self.protected(s),
            _ => NODE * (1 + Uses::of_stmts(self.hir, &[s]).nodes) as f64,
        };
        let weight = if is_loop(kind) { TURNS } else { 0.5 };
        let blocks = facts::blocks(kind);
        own + weight * blocks.into_iter().map(|b| self.gain(b)).sum::<f64>()
    }

    /// A test that is compiled, or an island of its own.
    fn own(&self, s: StmtId, test: Uses) -> f64 {
        if self.entry.tables.dynamic.contains_key(&s) {
            -CROSSING - VARIABLE * test.reads.len() as f64
        } else {
            NODE * test.nodes as f64
        }
    }

    /// Cost of an item of an object that is iterated over.
    fn next(&self, s: StmtId) -> f64 {
        CROSSING + VARIABLE * (1 + Uses::of_targets(self.hir, s).binds.len()) as f64
    }

    /// Cost of an island of these statements.
    fn crossing(&self, run: &mut Vec<StmtId>) -> f64 {
        if run.is_empty() {
            return 0.0;
        }
        let uses = Uses::of_stmts(self.hir, &std::mem::take(run));
        CROSSING + VARIABLE * (uses.reads.len() + uses.binds.len()) as f64
    }
}
