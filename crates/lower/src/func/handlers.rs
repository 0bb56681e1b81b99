//! `try` statements and their handlers.
//!
//! What may raise in the body of a `try` names a landing: a cold block that makes the failure an exception, with the
//! variables as they are there. Before: statements; after, where `a[i]` may raise:
//!
//! ```text
//! block0:
//!   v0 = raised
//!   br v0, block2, block1
//! block1:                                       ; the body
//!   v3 = bounds_check v1, v2 (v1, v2) site0 else block2 ss0(v4)
//!   ...
//! block2: (cold)
//!   v5 = slot_addr ss0
//!   v6 = load.f64 stack v5
//!   call_helper py_catch(v7) site1
//!   ...                                         ; the handlers
//! ```
//!
//! A handler is such a body itself: what it raises gives the exception up that it handles.

use std::rc::Rc;

use cranelift_entity::EntityRef;
use numlift_mir::{IntCC, Region, Slot, Ty, Value};
use numlift_runtime::{IslandVar, ObjectEntry};
use numlift_syntax::hir::{self, ExprId, Handler, LocalId, StmtId};
use numlift_typeck::islands::Island;
use numlift_typeck::{Bound, VarTy};
use numlift_types::{Reason, Type};

use super::landing::Protected;
use super::{FnLower, IsBound, Pending, R, Var};
use crate::IslandForm;
use crate::emit::Vals;

/// Owner slots of the exception that is handled, and of the one that was before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handling {
    pub exception: Slot,
    before: Slot,
    pub name: Option<LocalId>,
    /// Number of loops around it.
    pub loops: usize,
}

impl Handling {
    pub(super) fn new(of: &Protected, name: Option<LocalId>, loops: usize) -> Handling {
        Handling {
            exception: of.exception,
            before: of.before,
            name,
            loops,
        }
    }
}

impl FnLower<'_, '_> {
    pub(super) fn try_stmt(
        &mut self,
        id: StmtId,
        body: &hir::Block,
        handlers: &[Handler],
        orelse: &hir::Block,
    ) -> R<()> {
        let types = Rc::new(self.inst.tables.handlers.get(&id).cloned().unwrap_or_default());
        let around = self.landing.replace(types.clone());
        let mut protected = self.protect(true, body.first())?;
        self.block(body)?;
        let end = self.suspend(None);
        let landed = self.land(&mut protected)?;
        self.landing = around;
        let mut ends = vec![];
        if let Some(p) = end {
            self.resume(&p);
            self.block(orelse)?;
            if orelse.is_empty() && self.reachable() {
                self.mark_tried(id);
            }
            ends.extend(self.suspend(None));
        }
        self.merge_as(landed, &types, |_| {})?;
        if self.reachable() {
            ends.extend(self.handlers(id, handlers, &protected)?);
        }
        self.merge(ends)?;
        Ok(())
    }

    /// Tries the handlers in order; the ends of those that are left at their end.
    fn handlers(&mut self, id: StmtId, handlers: &[Handler], protected: &Protected) -> R<Vec<Pending>> {
        let line = self.hir.stmts[id].line;
        let mut ends = vec![];
        for (n, h) in handlers.iter().enumerate() {
            let handling = Handling::new(protected, h.name, self.loops.len());
            if let Some(class) = h.class {
                let unnamed = Handling {
                    name: None,
                    ..handling
                };
                self.e.b.set_line(self.hir.exprs[class].line);
                let is = self.handling(unnamed, None, |f| f.matches(protected, n, class))?;
                let Some(is) = is else { return Ok(ends) };
                let state = self.state();
                let (yes, no) = self.branch(is);
                self.start(yes, state.clone());
                self.handler(id, h, handling)?;
                ends.extend(self.suspend(None));
                self.start(no, state);
            } else {
                self.handler(id, h, handling)?;
                ends.extend(self.suspend(None));
                return Ok(ends);
            }
        }
        // none of them
        self.e.b.set_line(line);
        self.raise_on(Handling::ending(protected));
        Ok(ends)
    }

    fn handler(&mut self, id: StmtId, h: &Handler, handling: Handling) -> R<()> {
        if let Some(l) = h.name {
            let exception = self.load_slot(handling.exception);
            self.set_var(l, (Type::Object(Reason::JOIN), Vals::from_slice(&[exception])));
        }
        self.handling(handling, h.body.first(), |f| f.block(&h.body))?;
        if self.reachable() {
            self.give_up(handling);
            self.mark_tried(id);
        }
        Ok(())
    }

    /// Lowers code of a handler. What it raises gives the exception up and is raised on.
    pub(super) fn handling<T>(
        &mut self,
        handling: Handling,
        first: Option<&StmtId>,
        code: impl FnOnce(&mut Self) -> R<T>,
    ) -> R<T> {
        let mut protected = self.protect(self.e.raised.is_some(), first)?;
        self.handling.push(handling);
        let out = code(self)?;
        let end = self.suspend(None);
        let landed = self.land(&mut protected)?;
        self.handling.pop();
        self.merge(landed)?;
        if self.reachable() {
            self.unset_name(handling.name);
            let exception = self.take_slot(protected.exception);
            // the exception that was handled here
            let old = self.take_slot(protected.before);
            self.e.helper("py_handle", &[old]);
            let slot = handling.exception;
            self.replace_slot(slot, exception);
            self.raise_on(Handling {
                name: None,
                ..handling
            });
        }
        if let Some(p) = end {
            self.resume(&p);
        }
        Ok(out)
    }

    /// Whether the exception is of a handler's class; `None` where that is not reached.
    fn matches(&mut self, of: &Protected, n: usize, class: ExprId) -> R<Option<Value>> {
        let exception = of.exception;
        let zero = self.e.b.iconst(Ty::I64, 0);
        let mut any = zero;
        if let Some(classes) = self.inst.tables.classes.get(&class).cloned() {
            let exception = self.load_slot(exception);
            for o in classes {
                let index = self.sh.object(ObjectEntry::Object(o));
                let index = self.e.b.iconst(Ty::I64, i64::from(index));
                let is = self
                    .e
                    .helper("py_matches", &[exception, index])
                    .ok_or("an answer")?;
                any = self.e.b.op(numlift_mir::Opcode::Bor, &[any, is]);
            }
        } else {
            let plan = self.plan.ok_or("a class that is not known")?;
            let &index = plan.classes.get(&class).ok_or("a class without an island")?;
            self.settle_for(&plan.islands[index])?;
            let raised = self.load_slot(exception);
            let first = of.first.ok_or("a `try` without statements")?;
            let resume = self.frame_class(first, n, class, raised);
            let island = &plan.islands[index];
            let out = self.enter_island(island, &[], IslandForm::Class(n), &[], [resume, None])?;
            let class = self.e.b.load(Ty::I64, out, 8, Region::Stack);
            self.hold_new(class);
            let exception = self.load_slot(exception);
            let (base, out) = self.helper_area(&[exception, class], 1);
            self.e.helper_fallible("py_matches_class", &[base, out]);
            any = self.e.b.load(Ty::I64, out, 0, Region::Stack);
        }
        if !self.reachable() {
            return Ok(None);
        }
        Ok(Some(self.e.b.icmp(IntCC::Ne, any, zero)))
    }

    // -- the exception that is handled ----------------------------------------------------------

    pub(super) fn load_slot(&mut self, slot: Slot) -> Value {
        let addr = self.e.b.slot_addr(slot);
        self.e.b.load(Ty::I64, addr, 0, Region::Stack)
    }

    /// What an owner slot holds, with its reference.
    fn take_slot(&mut self, slot: Slot) -> Value {
        let addr = self.e.b.slot_addr(slot);
        let object = self.e.b.load(Ty::I64, addr, 0, Region::Stack);
        let null = self.e.b.iconst(Ty::I64, 0);
        self.e.b.store(null, addr, 0, Region::Stack);
        object
    }

    fn unset_name(&mut self, name: Option<LocalId>) {
        if let Some(l) = name {
            self.unset_var(l);
        }
    }

    /// Ends a handler: the exception before is handled again.
    pub(super) fn give_up(&mut self, handling: Handling) {
        let before = self.take_slot(handling.before);
        self.e.helper("py_handle", &[before]);
        self.unset_name(handling.name);
        self.drop_slot(handling.exception);
    }

    /// Ends the handlers from a number on, where control leaves them.
    pub(super) fn leave_handlers(&mut self, first: usize) {
        for handling in self.handling.clone().into_iter().skip(first).rev() {
            self.give_up(handling);
        }
    }

    /// Ends a handler with its exception, which is raised as it is.
    pub(super) fn raise_on(&mut self, handling: Handling) {
        let before = self.take_slot(handling.before);
        self.e.helper("py_handle", &[before]);
        let exception = self.take_slot(handling.exception);
        self.raise_object(exception);
    }

    /// `raise`
    pub(super) fn raise_again(&mut self) {
        if let Some(handling) = self.handling.last().copied() {
            let exception = self.load_slot(handling.exception);
            self.e.helper("py_incref", &[exception]);
            self.raise_object(exception);
        }
    }

    /// Raises an exception that has its traceback already.
    fn raise_object(&mut self, exception: Value) {
        let line = self.e.b.line();
        self.e.b.set_line(0);
        self.e.helper_fallible("py_raise", &[exception]);
        self.e.b.set_line(line);
        self.e.b.unreachable();
    }

    /// Joins landings, with the variables in the types that typing gives them there. `mark` says where what cannot be
    /// converted goes on.
    pub(super) fn merge_as(
        &mut self,
        landed: Vec<Pending>,
        types: &[VarTy],
        mark: impl Fn(&mut Self),
    ) -> R<()> {
        let mut ends = vec![];
        for p in landed {
            self.resume(&p);
            mark(self);
            self.convert_vars(types)?;
            ends.extend(self.suspend(None));
        }
        self.merge(ends)?;
        Ok(())
    }

    /// Brings the variables into types.
    pub(super) fn convert_vars(&mut self, types: &[VarTy]) -> R<()> {
        for (i, to) in types.iter().enumerate() {
            let var = self.e.vars[i].clone();
            let mut vals = self.convert_var(&var, to)?;
            let bound = match to.bound {
                Bound::No => IsBound::No,
                Bound::Yes => IsBound::Yes,
                Bound::Maybe => vals.pop().map_or(IsBound::No, IsBound::Flag),
            };
            let ty = to.ty.clone();
            self.e.vars[i] = Var { ty, vals, bound };
        }
        Ok(())
    }

    /// The variables of an island that a handler sees as the island has left them: none if it binds its
    /// variables last of all.
    pub(super) fn left_by_raise(&self, island: &Island) -> Vec<(LocalId, IslandVar)> {
        let (Some(types), true) = (&self.landing, self.e.raised.is_some()) else {
            return vec![];
        };
        if island.code.binds_last(&self.hir) {
            return vec![];
        }
        let out = |&l: &LocalId| {
            let to = types.get(l.index()).filter(|v| v.bound != Bound::No)?;
            let var = IslandVar {
                name: self.hir.locals[l].name.clone(),
                ty: to.ty.clone(),
                maybe: true,
                sure: false,
                annotated: false,
                assumed: None,
            };
            Some((l, var))
        };
        island.binds.iter().filter_map(out).collect()
    }
}

impl Handling {
    /// The exception that has left protected code.
    pub(super) fn ending(of: &Protected) -> Handling {
        Handling {
            exception: of.exception,
            before: of.before,
            name: None,
            loops: 0,
        }
    }
}
