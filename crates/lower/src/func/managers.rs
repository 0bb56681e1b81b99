//! `with` statements whose body is compiled: islands enter and leave the context managers.
//!
//! Before: `with E as x: body`; after:
//!
//! ```text
//!   island: E is entered, its `__exit__` kept     → x
//!   body, falls through                           → island: __exit__(None, None, None) → what follows
//!   body, `return`, `break`, `continue`           → the same → goes on that way
//!   body, raises → landing → the exception is handled → island: __exit__(type, e, traceback)
//!                                                 → what follows, or it is raised on
//! ```
//!
//! More managers are nested statements.

use std::rc::Rc;

use numlift_mir::{IntCC, Region, Slot, Ty, Value};
use numlift_runtime::{IslandVar, Way};
use numlift_syntax::hir::{Block, ExprId, LocalId, StmtId, Target};
use numlift_types::Type;

use super::finals::{Goal, LEAVES, Leaving};
use super::handlers::Handling;
use super::{FnLower, Pending, R};
use crate::IslandForm;
use crate::emit::{Frame, flat_tys};

/// A context manager that has been entered.
#[derive(Clone, Copy, Debug)]
struct Manager {
    stmt: StmtId,
    context: ExprId,
    /// Number of managers of the statement around it.
    outer: usize,
    /// Owner slot of its `__exit__`.
    slot: Slot,
    line: u32,
}

impl FnLower<'_, '_> {
    pub(super) fn with(&mut self, id: StmtId, items: &[(ExprId, Option<Target>)], body: &Block) -> R<()> {
        self.managed(id, items, 0, body)
    }

    fn managed(&mut self, id: StmtId, items: &[(ExprId, Option<Target>)], n: usize, body: &Block) -> R<()> {
        let Some((context, target)) = items.get(n) else {
            return self.block(body);
        };
        if !self.reachable() {
            return Ok(());
        }
        self.e.b.set_line(self.hir.exprs[*context].line);
        let target = match target {
            Some(Target::Local(l)) => Some(*l),
            _ => None,
        };
        let manager = self.enter(id, *context, n, target)?;
        let types = self.inst.tables.managed.get(context).cloned().unwrap_or_default();
        let around = self.landing.replace(Rc::new(types.clone()));
        let mut protected = self.protect(true, None)?;
        self.push_final(Goal::With(id, n + 1));
        self.managed(id, items, n + 1, body)?;
        let end = self.suspend(None);
        let landed = self.land(&mut protected)?;
        self.landing = around;
        let left = self.finals.pop().map(|f| f.ends).unwrap_or_default();
        self.exits.pop();

        let mut behind: Vec<Pending> = vec![];
        if let Some(p) = end {
            self.resume(&p);
            self.leave_manager(manager, Leaving::new(Way::Normal, None))?;
            behind.extend(self.suspend(None));
        }
        for (leave, ends) in LEAVES.into_iter().zip(left) {
            let value = self.merge(ends)?;
            if self.reachable() {
                self.leave_manager(manager, Leaving::new(leave.way(), value.clone()))?;
                self.leave_by(leave, value)?;
            }
        }
        let handling = Handling::new(&protected, None, self.loops.len());
        self.handling.push(handling);
        self.exits.push(manager.slot);
        self.merge_as(landed, &types, |f| {
            let frame = f.frame_leaving(id, n + 1, Leaving::new(Way::Raised, None));
            f.mark_frame(frame);
        })?;
        self.exits.pop();
        self.handling.pop();
        if self.reachable() {
            let suppressed = self.handling(handling, None, |f| f.suppress(manager, handling))?;
            if self.reachable() {
                let state = self.state();
                let (yes, no) = self.branch(suppressed);
                self.start(yes, state.clone());
                self.give_up(handling);
                self.mark_left(manager, Leaving::new(Way::Normal, None));
                behind.extend(self.suspend(None));
                self.start(no, state);
                self.raise_on(handling);
            }
        }
        self.merge(behind)?;
        Ok(())
    }

    /// Enters a manager and binds what it gives.
    fn enter(&mut self, id: StmtId, context: ExprId, outer: usize, target: Option<LocalId>) -> R<Manager> {
        let plan = self.plan.ok_or("a manager without a plan")?;
        let islands = plan.managers.get(&context).ok_or("a manager without islands")?;
        let island = &plan.islands[islands[0]];
        let slot = self.e.b.create_slot(8, true);
        let mut outs = vec![];
        if let Some(l) = target {
            let ty = self.inst.tables.entered.get(&context).cloned();
            let ty = ty.unwrap_or(Type::Object(island.reason));
            let var = IslandVar {
                name: self.hir.locals[l].name.clone(),
                maybe: false,
                sure: true,
                annotated: false,
                assumed: self.assumed_at(island, l).filter(|_| !ty.is_object()),
                ty,
            };
            outs.push((l, var));
        }
        self.settle_for(island)?;
        self.exits.push(slot);
        let resume = self.frame_entered(id, outer + 1);
        self.exits.pop();
        let out = self.enter_island(island, &outs, IslandForm::Enter(outer), &[], [resume, None])?;
        let at = 8 + 8 * outs.iter().map(|(_, v)| flat_tys(&v.ty).len()).sum::<usize>() as i32;
        let exit = self.e.b.load(Ty::I64, out, at, Region::Stack);
        self.replace_slot(slot, exit);
        self.bind_outs(&outs, out);
        self.exits.push(slot);
        Ok(Manager {
            stmt: id,
            context,
            outer,
            slot,
            line: self.hir.stmts[id].line,
        })
    }

    /// Leaves a manager on a way without an exception.
    fn leave_manager(&mut self, manager: Manager, leaving: Leaving) -> R<()> {
        let plan = self.plan.ok_or("a manager without a plan")?;
        let island = &plan.islands[plan.managers[&manager.context][1]];
        self.e.b.set_line(manager.line);
        self.settle_for(island)?;
        self.leave_statement();
        let exit = self.load_slot(manager.slot);
        let resume = self.frame_leaving(manager.stmt, manager.outer, leaving.clone());
        let given = [("<exit>", exit)];
        self.enter_island(
            island,
            &[],
            IslandForm::Leave(manager.outer),
            &given,
            [resume, None],
        )?;
        self.drop_slot(manager.slot);
        self.mark_left(manager, leaving);
        Ok(())
    }

    /// Leaves a manager because of an exception; whether that is suppressed.
    fn suppress(&mut self, manager: Manager, handling: Handling) -> R<Value> {
        let plan = self.plan.ok_or("a manager without a plan")?;
        let island = &plan.islands[plan.managers[&manager.context][2]];
        self.e.b.set_line(manager.line);
        self.settle_for(island)?;
        self.leave_statement();
        let exit = self.load_slot(manager.slot);
        let exception = self.load_slot(handling.exception);
        let ways = [Way::Normal, Way::Raised];
        let resume = ways.map(|way| self.frame_leaving(manager.stmt, manager.outer, Leaving::new(way, None)));
        let given = [("<exit>", exit), ("<exception>", exception)];
        let out = self.enter_island(island, &[], IslandForm::Suppress(manager.outer), &given, resume)?;
        self.drop_slot(manager.slot);
        let code = self.e.b.load(Ty::I64, out, 0, Region::Stack);
        let zero = self.e.b.iconst(Ty::I64, 0);
        Ok(self.e.b.icmp(IntCC::Ne, code, zero))
    }

    /// Exits from here on go on where a manager has been left on a way.
    fn mark_left(&mut self, manager: Manager, leaving: Leaving) {
        let frame = self.frame_leaving(manager.stmt, manager.outer, leaving);
        self.mark_frame(frame);
    }

    /// The state where so many managers of a statement have been entered.
    fn frame_entered(&mut self, id: StmtId, entered: usize) -> Option<Frame> {
        let mut frame = self.frame(id, false)?;
        frame.point.entered = entered;
        Some(frame)
    }

    /// The state where control is on its way out of a statement, with so many of its managers still to be left.
    pub(super) fn frame_leaving(&mut self, id: StmtId, entered: usize, leaving: Leaving) -> Option<Frame> {
        self.ways.push(leaving);
        let frame = self.frame(id, true);
        self.ways.pop();
        let mut frame = frame?;
        frame.point.entered = entered;
        Some(frame)
    }
}

/// What `numlift._resume` calls what leaves a manager.
pub(super) fn exit(depth: usize) -> String {
    format!("<exit {depth}>")
}
