//! `try` statements with `finally`: the last block is lowered once for each way out of the others.
//!
//! Before: `try: body finally: last`; after:
//!
//! ```text
//!   body, falls through → last → what follows
//!   body, raises        → landing → last, in which the exception is handled → it is raised on
//!   body, `return v`    → v → last → return v
//!   body, `break`       → last → behind the loop; `continue` likewise
//! ```
//!
//! All ends of the body that go the same way share a copy. A copy that leaves in another way itself drops what was to
//! come: the exception is given up, the value forgotten.

use std::collections::BTreeSet;
use std::rc::Rc;

use cranelift_entity::EntityRef;
use numlift_mir::Region;
use numlift_runtime::{IslandVar, Way};
use numlift_syntax::hir::{self, ExprId, LocalId, StmtId, StmtKind};
use numlift_typeck::VarTy;
use numlift_typeck::islands::{Island, Uses};

use super::handlers::Handling;
use super::{FnLower, Pending, R, Typed};
use crate::IslandForm;
use crate::emit::{Frame, Vals, flat_tys};

/// How control leaves a statement besides falling through and raising.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    Return,
    Break,
    Continue,
}

pub(super) const LEAVES: [Leave; 3] = [Leave::Return, Leave::Break, Leave::Continue];

impl Leave {
    pub(super) fn way(self) -> Way {
        match self {
            Leave::Return => Way::Return,
            Leave::Break => Way::Break,
            Leave::Continue => Way::Continue,
        }
    }
}

/// A way out of a statement that is being gone, and the function's result if it is known.
#[derive(Clone, Debug)]
pub(crate) struct Leaving {
    pub way: Way,
    pub value: Option<Typed>,
}

impl Leaving {
    pub(super) fn new(way: Way, value: Option<Typed>) -> Leaving {
        Leaving { way, value }
    }
}

/// What is to be done where control leaves a statement.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    /// The block that begins with this statement.
    Block(StmtId),
    /// So many managers of a `with` statement are to be left.
    With(StmtId, usize),
}

/// A statement around that does something wherever control leaves it.
pub(crate) struct Final {
    goal: Goal,
    /// Where control has left it, by [`Leave`].
    pub ends: [Vec<Pending>; 3],
    /// How many loops, handlers, iterators, `for` loops, ways and managers are around.
    loops: usize,
    handling: usize,
    iterators: usize,
    active: usize,
    ways: usize,
    exits: usize,
}

impl FnLower<'_, '_> {
    pub(super) fn finally(
        &mut self,
        id: StmtId,
        last: &hir::Block,
        code: impl FnOnce(&mut Self) -> R<()>,
    ) -> R<()> {
        let first = *last.first().ok_or("an empty block")?;
        let types = Rc::new(self.inst.tables.finals.get(&id).cloned().unwrap_or_default());
        let around = self.landing.replace(types.clone());
        let mut protected = self.protect(true, None)?;
        self.push_final(Goal::Block(first));
        code(self)?;
        let end = self.suspend(None);
        let landed = self.land(&mut protected)?;
        self.landing = around;
        let left = self.finals.pop().map(|f| f.ends).unwrap_or_default();
        let mut behind: Vec<Pending> = vec![];
        if let Some(p) = end {
            self.resume(&p);
            self.last_block(last, &types, Way::Normal, None)?;
            behind.extend(self.suspend(None));
        }
        for (leave, ends) in LEAVES.into_iter().zip(left) {
            let value = self.merge(ends)?;
            if self.reachable() {
                self.last_block(last, &types, leave.way(), value.clone())?;
            }
            if self.reachable() {
                self.leave_by(leave, value)?;
            }
        }
        let handling = Handling::new(&protected, None, self.loops.len());
        self.ways.push(Leaving::new(Way::Raised, None));
        self.handling.push(handling);
        self.merge_as(landed, &types, |f| f.mark_statement(first))?;
        self.handling.pop();
        if self.reachable() {
            self.handling(handling, last.first(), |f| f.block(last))?;
        }
        if self.reachable() {
            self.raise_on(handling);
        }
        self.ways.pop();
        self.merge(behind)?;
        Ok(())
    }

    /// What is lowered next does something wherever control leaves it.
    pub(super) fn push_final(&mut self, goal: Goal) {
        self.finals.push(Final {
            goal,
            ends: Default::default(),
            loops: self.loops.len(),
            handling: self.handling.len(),
            iterators: self.iterators.len(),
            active: self.active.len(),
            ways: self.ways.len(),
            exits: self.exits.len(),
        });
    }

    /// The last block on a way. Variables that it does not bind are behind it what they were.
    fn last_block(&mut self, last: &hir::Block, types: &[VarTy], way: Way, value: Option<Typed>) -> R<()> {
        let before = self.e.vars.clone();
        self.ways.push(Leaving::new(way, value));
        self.mark_statement(last[0]);
        self.convert_vars(types)?;
        self.block(last)?;
        self.ways.pop();
        if self.reachable() {
            let bound: BTreeSet<usize> = Uses::of_stmts(&self.hir, last)
                .binds
                .into_iter()
                .map(LocalId::index)
                .collect();
            for (i, var) in before.into_iter().enumerate().filter(|(i, _)| !bound.contains(i)) {
                self.e.vars[i] = var;
            }
        }
        Ok(())
    }

    /// Control leaves: to the innermost statement that does something then, else to the loop or to the caller. The value
    /// of a `return` is in the function's result type, and kept.
    pub(super) fn leave_by(&mut self, leave: Leave, value: Option<Typed>) -> R<()> {
        let loops = self.loops.len();
        let around = self.finals.last();
        if let Some(f) = around.filter(|f| leave == Leave::Return || f.loops >= loops) {
            let (handling, iterators) = (f.handling, f.iterators);
            if leave == Leave::Return {
                self.drop_iterators(iterators);
            }
            self.leave_handlers(handling);
            let frame = self.frame_left(Leaving::new(leave.way(), value.clone()));
            self.mark_frame(frame);
            let end = self.suspend(value);
            if let Some(f) = self.finals.last_mut() {
                f.ends[leave as usize].extend(end);
            }
            return Ok(());
        }
        match leave {
            Leave::Return => {
                let value = value.ok_or("a return without a value")?;
                for owner in Self::owners_of(&value) {
                    self.e.helper("py_incref", &[owner]);
                }
                self.settle_cells()?;
                self.drop_iterators(0);
                self.leave_handlers(0);
                self.e.b.ret(&value.1);
                Ok(())
            }
            Leave::Break | Leave::Continue => self.leave_turn(leave == Leave::Break),
        }
    }

    /// The body of a `try` statement, its `else` or a handler ends: exits go on with its `finally`, else behind it.
    pub(super) fn mark_tried(&mut self, id: StmtId) {
        let last = match &self.hir.stmts[id].kind {
            StmtKind::Try { finalbody, .. } => finalbody.first().copied(),
            _ => None,
        };
        let Some(first) = last else {
            return self.mark_behind(Some(&id));
        };
        self.ways.push(Leaving::new(Way::Normal, None));
        let frame = self.frame(first, false);
        self.ways.pop();
        self.mark_frame(frame);
    }

    /// `return` with a value that the interpreter evaluates, where more is to be done.
    pub(super) fn return_island(&mut self, island: &Island, id: StmtId, value: ExprId) -> R<()> {
        self.e.b.set_line(self.hir.exprs[value].line);
        self.settle_for(island)?;
        self.ways.push(Leaving::new(Way::Return, None));
        let resume = self.frame(id, true);
        self.ways.pop();
        let out = self.enter_island(island, &[], IslandForm::Value, &[], [resume, None])?;
        let ret = self.inst.ret.clone();
        let mut vals = Vals::new();
        for (i, t) in flat_tys(&ret).into_iter().enumerate() {
            vals.push(self.e.b.load(t, out, 8 * (i as i32 + 1), Region::Stack));
        }
        let mut v = (ret, vals);
        self.mark_extents(&mut v);
        // the references are new
        for owner in Self::owners_of(&v) {
            self.hold_new(owner);
        }
        self.leave_by(Leave::Return, Some(v))
    }

    /// The function's result, as it comes out of an island.
    pub(super) fn a_result(&self) -> IslandVar {
        IslandVar {
            name: returned(self.ways.len()),
            ty: self.inst.ret.clone(),
            maybe: false,
            sure: true,
            annotated: false,
            assumed: None,
        }
    }

    /// The state where control has come to the innermost statement that does something then, on a way.
    fn frame_left(&mut self, leaving: Leaving) -> Option<Frame> {
        let f = self.finals.last()?;
        let (goal, handling, active, ways, exits) = (f.goal, f.handling, f.active, f.ways, f.exits);
        let here = (
            self.handling.clone(),
            self.active.clone(),
            self.ways.clone(),
            self.exits.clone(),
        );
        self.handling.truncate(handling);
        self.active.truncate(active);
        self.ways.truncate(ways);
        self.exits.truncate(exits);
        let frame = match goal {
            Goal::With(id, entered) => self.frame_leaving(id, entered, leaving),
            Goal::Block(first) => {
                self.ways.push(leaving);
                self.frame(first, false)
            }
        };
        (self.handling, self.active, self.ways, self.exits) = here;
        frame
    }
}

/// What `numlift._resume` calls the result of the function on a way.
pub(super) fn returned(depth: usize) -> String {
    format!("<returned {depth}>")
}
