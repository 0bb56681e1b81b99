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
use numlift_mir::{Block, Imm, Inst, IntCC, Landing, Region, Site, Slot, Ty, Value};
use numlift_runtime::{IslandVar, ObjectEntry};
use numlift_syntax::hir::{self, ExprId, Handler, LocalId, StmtId};
use numlift_typeck::islands::Island;
use numlift_typeck::{Bound, VarTy};
use numlift_types::{Reason, Type};

use super::call::Area;
use super::{FnLower, IsBound, Pending, R, State, Var};
use crate::IslandForm;
use crate::emit::{Raised, Vals, flat_tys};

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

/// What an island has left behind when it raises.
#[derive(Debug)]
pub(crate) struct AtIsland {
    pub area: Area,
    /// Floats that it has kept behind its results.
    pub floats: Vec<(Value, i32)>,
    /// The variables that it binds.
    pub outs: Vec<(LocalId, IslandVar)>,
}

/// Code whose failures land in it.
pub(crate) struct Protected {
    /// The block before, which is open.
    entry: Block,
    body: Block,
    state: State,
    outer: (Option<Vec<Raised>>, bool),
    /// Variables are needed behind.
    stateful: bool,
    /// Number of iterators known before.
    iterators: usize,
    /// Number of instructions before.
    insts: usize,
    exception: Slot,
    before: Slot,
}

/// Places that store the same variables in the same form.
struct Group {
    raised: Vec<Raised>,
    /// Type of each variable, and the form of its binding.
    vars: Vec<VarTy>,
}

impl Group {
    /// Takes a place in, if its variables fit.
    fn take(&mut self, r: Raised) -> Option<Raised> {
        let alone = r.island.is_some() || self.raised.iter().any(|r| r.island.is_some());
        let fits = |(v, g): (&Var, &VarTy)| v.bound == IsBound::No || g.bound == Bound::No || v.ty == g.ty;
        if alone || !r.vars.iter().zip(&self.vars).all(fits) {
            return Some(r);
        }
        for (v, g) in r.vars.iter().zip(&mut self.vars) {
            if v.bound != IsBound::No {
                g.ty = v.ty.clone();
            }
            g.bound = g.bound.join(super::var_ty(v).bound);
        }
        self.raised.push(r);
        None
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
        let mut protected = self.protect(true)?;
        self.block(body)?;
        let end = self.suspend(None);
        let landed = self.land(&mut protected)?;
        self.landing = around;
        let mut ends = vec![];
        if let Some(p) = end {
            self.resume(&p);
            self.block(orelse)?;
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
                let is = self.handling(unnamed, |f| f.matches(id, n, class, protected.exception))?;
                let Some(is) = is else { return Ok(ends) };
                let state = self.state();
                let (yes, no) = self.branch(is);
                self.start(yes, state.clone());
                self.handler(h, handling)?;
                ends.extend(self.suspend(None));
                self.start(no, state);
            } else {
                self.handler(h, handling)?;
                ends.extend(self.suspend(None));
                return Ok(ends);
            }
        }
        // none of them
        self.e.b.set_line(line);
        self.raise_on(Handling::ending(protected));
        Ok(ends)
    }

    fn handler(&mut self, h: &Handler, handling: Handling) -> R<()> {
        if let Some(l) = h.name {
            let exception = self.load_slot(handling.exception);
            self.set_var(l, (Type::Object(Reason::JOIN), Vals::from_slice(&[exception])));
        }
        self.handling(handling, |f| f.block(&h.body))?;
        if self.reachable() {
            self.give_up(handling);
        }
        Ok(())
    }

    /// Lowers code of a handler. What it raises gives the exception up and is raised on.
    pub(super) fn handling<T>(&mut self, handling: Handling, code: impl FnOnce(&mut Self) -> R<T>) -> R<T> {
        let mut protected = self.protect(self.e.raised.is_some())?;
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
    fn matches(&mut self, id: StmtId, n: usize, class: ExprId, exception: Slot) -> R<Option<Value>> {
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
            let _ = id;
            let out =
                self.enter_island(&plan.islands[index], &[], IslandForm::Class(n), &[], [None, None])?;
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

    // -- what raises, and where it lands --------------------------------------------------------

    /// What is lowered next lands where [`FnLower::land`] says, with its variables if it is `stateful`.
    pub(super) fn protect(&mut self, stateful: bool) -> R<Protected> {
        let state = self.state();
        let entry = self.e.b.suspend().ok_or("a `try` that is not reached")?;
        let body = match self.e.b.func.blocks[entry].cold {
            true => self.e.b.create_cold_block(),
            false => self.e.b.create_block(),
        };
        self.e.b.switch_to(body);
        Ok(Protected {
            entry,
            body,
            state,
            outer: (
                self.e.raised.replace(vec![]),
                std::mem::take(&mut self.e.stale_only),
            ),
            stateful,
            iterators: self.all_iterators.len(),
            insts: self.e.b.func.insts.len(),
            exception: self.e.b.create_slot(8, true),
            before: self.e.b.create_slot(8, true),
        })
    }

    /// Ends protected code. The ends of its landings: the exception is handled, and kept in its slot.
    pub(super) fn land(&mut self, of: &mut Protected) -> R<Vec<Pending>> {
        let raised = self.e.raised.take().unwrap_or_default();
        let mut groups: Vec<Group> = vec![];
        for r in raised {
            let vars = r.vars.iter().map(super::var_ty).collect();
            let left = groups.iter_mut().try_fold(r, |r, g| g.take(r));
            groups.extend(left.map(|r| Group {
                raised: vec![r],
                vars,
            }));
        }
        self.e.b.resume(of.entry);
        let one = self.e.b.iconst(Ty::I8, 1);
        let zeros = Zeros::new(self);
        let slot = self.e.b.create_slot(8, false);
        let mut size = 1;
        let mut ends = vec![];
        let sites = self.sites_since(of.insts);
        let mut next = of.entry;
        for group in groups {
            self.e.b.resume(next);
            let pad = self.e.b.create_cold_block();
            let behind = self.e.b.create_block();
            let raised = self.e.b.raised();
            self.e.b.br(raised, (pad, &[]), (behind, &[]));
            let stored = self.stored(of, &group, one, &zeros);
            for (r, values) in group.raised.iter().zip(&stored) {
                size = size.max(values.len());
                let landing = Landing {
                    block: pad,
                    slot,
                    values: values.iter().copied().collect(),
                };
                for i in sites.iter().filter(|(s, _)| *s == r.site) {
                    self.e.b.func.insts[i.1].landing = Some(Box::new(landing.clone()));
                }
            }
            self.start(pad, of.state.clone());
            self.begin_landing(of, &group, slot)?;
            ends.extend(self.suspend(None));
            self.e.b.switch_to(behind);
            self.e.b.suspend();
            next = behind;
        }
        self.e.b.func.slots[slot].bytes = 8 * size as u32;
        self.e.b.resume(next);
        self.e.b.jump(of.body, &[]);
        (self.e.raised, self.e.stale_only) = std::mem::take(&mut of.outer);
        Ok(ends)
    }

    /// The instructions since there were `count`, by their sites.
    fn sites_since(&self, count: usize) -> Vec<(Site, Inst)> {
        let insts = self.e.b.func.insts.iter().skip(count);
        let site = |imm: &Imm| match imm {
            Imm::Site(site) | Imm::Call { site, .. } => Some(*site),
            Imm::Helper { site, .. } => *site,
            _ => None,
        };
        insts.filter_map(|(i, d)| Some((site(&d.imm)?, i))).collect()
    }

    /// What each place of a group stores, in the order in which its landing reads it.
    fn stored(&mut self, of: &Protected, group: &Group, one: Value, zeros: &Zeros) -> Vec<Vals> {
        let mut out = vec![];
        for r in &group.raised {
            let mut values = Vals::new();
            for i in of.stored_vars(group) {
                let (var, to) = (&r.vars[i], &group.vars[i]);
                match var.bound {
                    IsBound::No => values.extend(flat_tys(&to.ty).into_iter().map(|t| zeros.of(t))),
                    _ => values.extend(var.vals.iter().copied()),
                }
                if to.bound == Bound::Maybe {
                    values.push(match var.bound {
                        IsBound::Yes => one,
                        IsBound::No => zeros.of(Ty::I8),
                        IsBound::Flag(f) => f,
                    });
                }
            }
            if of.stores_effects(group) {
                values.push(r.effects.unwrap_or(one));
            }
            if let Some(island) = &r.island {
                // floats come back from the island's results
                let kept = |v: &Value| island.floats.iter().any(|(f, _)| f == v);
                for v in values.iter_mut().filter(|v| kept(v)) {
                    *v = zeros.of(self.e.b.func.ty(*v));
                }
            }
            out.push(values);
        }
        out
    }

    /// The beginning of a landing: the variables, then the exception.
    fn begin_landing(&mut self, of: &Protected, group: &Group, slot: Slot) -> R<()> {
        self.leave_statement();
        self.e.settled.fill(None);
        let base = self.e.b.slot_addr(slot);
        let mut at = 0;
        let mut load = |f: &mut Self, t: Ty| {
            let v = f.e.b.load(t, base, at, Region::Stack);
            at += 8;
            v
        };
        for i in of.stored_vars(group) {
            let to = &group.vars[i];
            let vals = flat_tys(&to.ty).into_iter().map(|t| load(self, t)).collect();
            let bound = match to.bound {
                Bound::No => IsBound::No,
                Bound::Yes => IsBound::Yes,
                Bound::Maybe => IsBound::Flag(load(self, Ty::I8)),
            };
            let ty = to.ty.clone();
            self.e.vars[i] = Var { ty, vals, bound };
        }
        if of.stores_effects(group) {
            self.e.effects = load(self, Ty::I8);
        }
        let island = group.raised.first().and_then(|r| r.island.as_ref());
        if let (Some(island), Some(r), true) = (island, group.raised.first(), of.stateful) {
            let results = self.results_of(island.area);
            for (old, at) in &island.floats {
                let new = self.e.b.load(self.e.b.func.ty(*old), results, *at, Region::Stack);
                for (var, was) in self.e.vars.iter_mut().zip(&r.vars) {
                    let same = was.vals.iter().enumerate().filter(|(_, v)| *v == old);
                    same.for_each(|(k, _)| var.vals[k] = new);
                }
            }
        }
        self.catch(of)?;
        if let Some(island) = island {
            let results = self.results_of(island.area);
            self.bind_outs(&island.outs, results);
        }
        let iterators: Vec<Slot> = self.all_iterators.iter().skip(of.iterators).copied().collect();
        iterators.into_iter().for_each(|slot| self.drop_slot(slot));
        Ok(())
    }

    /// Makes the failure an exception that is handled. An exit is none: it leaves the function.
    fn catch(&mut self, of: &Protected) -> R<()> {
        let (_, out) = self.helper_area(&[], 2);
        self.e.helper_fallible("py_catch", &[out]);
        for (n, slot) in [of.exception, of.before].into_iter().enumerate() {
            let object = self.e.b.load(Ty::I64, out, 8 * n as i32, Region::Stack);
            self.replace_slot(slot, object);
        }
        Ok(())
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

impl Protected {
    /// The variables that are not everywhere what they were before.
    fn stored_vars(&self, group: &Group) -> Vec<usize> {
        let changed = |i: &usize| group.raised.iter().any(|r| r.vars[*i] != self.state.vars[*i]);
        match self.stateful {
            true => (0..self.state.vars.len()).filter(changed).collect(),
            false => vec![],
        }
    }

    fn stores_effects(&self, group: &Group) -> bool {
        self.stateful && group.raised.iter().any(|r| r.effects != Some(self.state.effects))
    }
}

/// A zero of each type.
struct Zeros([Value; Ty::SCALARS.len()]);

impl Zeros {
    fn new(f: &mut FnLower<'_, '_>) -> Zeros {
        Zeros(Ty::SCALARS.map(|t| f.zero(t)))
    }

    fn of(&self, ty: Ty) -> Value {
        let at = Ty::SCALARS.iter().position(|t| *t == ty).unwrap_or_default();
        self.0[at]
    }
}
