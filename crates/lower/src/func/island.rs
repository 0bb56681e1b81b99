//! Islands: variables in and out, and where control goes behind them.
//!
//! Before: the statements of an island. After: `py_island` with the variables in a stack slot, the completion
//! code in the first result slot, then the variables that it bound or the function's result.

use std::collections::HashSet;

use cranelift_entity::EntityRef;
use numlift_mir::{IntCC, Region, Ty, Value};
use numlift_runtime::{CallSig, ExitReason, IslandVar, ObjectEntry, SiteKind, helpers};
use numlift_syntax::facts;
use numlift_syntax::hir::{LocalId, StmtId, StmtKind};
use numlift_typeck::islands::{Code, Island};
use numlift_typeck::{Bound, VarTy};
use numlift_types::{Reason, Type};

use super::finals::Leave;
use super::managers::exit;
use super::{AtIsland, FnLower, IsBound, R, Typed, Var};
use crate::emit::{Frame, Vals, flat_tys};
use crate::{IslandForm, IslandSpec};

/// Completion codes.
const RETURN: i64 = 1;
const BREAK: i64 = 2;
const CONTINUE: i64 = 3;

/// The iterator of a loop.
pub(super) const ITERATOR: &str = "<iterator>";

fn no_memory() -> SiteKind {
    SiteKind::Raise {
        exc: "MemoryError".into(),
        args: vec![],
        cause_none: false,
    }
}

/// What an island is given or gives besides variables.
fn unnamed(name: &str) -> IslandVar {
    IslandVar {
        name: name.to_owned(),
        ty: Type::Object(Reason::JOIN),
        maybe: false,
        sure: true,
        annotated: false,
        assumed: None,
    }
}

impl FnLower<'_, '_> {
    /// Lowers the island that begins with a statement; the number of statements in it, 0 if there is none.
    pub(super) fn island_at(&mut self, id: StmtId) -> R<usize> {
        let Some(plan) = self.plan else { return Ok(0) };
        let Some(&index) = plan.heads.get(&id) else {
            return Ok(0);
        };
        let island = &plan.islands[index];
        self.e.b.set_line(self.hir.stmts[id].line);
        self.observe_cells(self.hir.stmts[id].span.start);
        match &island.code {
            Code::Run(stmts) => {
                self.run_island(island, stmts)?;
                Ok(stmts.len())
            }
            Code::Value(id, value) => {
                self.return_island(island, *id, *value)?;
                Ok(1)
            }
            _ => Err("a test at the head of a run".into()),
        }
    }

    fn run_island(&mut self, island: &Island, stmts: &[StmtId]) -> R<()> {
        let last = stmts.last().ok_or("an empty island")?;
        let after = match self.inst.tables.states.get(last) {
            Some([_, after]) if !after.is_empty() => Some(after.clone()),
            _ => None,
        };
        let outs = self.outs(island, stmts, after.as_deref());
        let coded = island.returns || island.leaves();
        let form = if coded {
            IslandForm::Coded
        } else {
            IslandForm::Plain
        };
        self.settle_for(island)?;
        let behind = self.frame(*last, true);
        let out = self.enter_island(island, &outs, form, &[], [behind, None])?;
        if coded {
            self.completions(island, &outs, out)?;
        }
        let Some(after) = after else {
            self.e.b.unreachable();
            return Ok(());
        };
        self.bind_outs(&outs, out);
        for l in &island.binds {
            if after[l.index()].bound == Bound::No {
                self.unset_var(*l);
                self.e.settle(*l);
            }
        }
        Ok(())
    }

    /// The truth of a test that the interpreter evaluates.
    pub(super) fn island_test(&mut self, index: usize) -> R<Value> {
        let island = &self.plan.ok_or("a test without a plan")?.islands[index];
        self.settle_for(island)?;
        let resume = match island.code {
            Code::Test(_, test) => self.frame_within(Some(test)),
            _ => None,
        };
        let out = self.enter_island(island, &[], IslandForm::Test, &[], [resume, None])?;
        let code = self.e.b.load(Ty::I64, out, 0, Region::Stack);
        let zero = self.e.b.iconst(Ty::I64, 0);
        Ok(self.e.b.icmp(IntCC::Ne, code, zero))
    }

    /// Line of the statement in an island behind which the type of a variable is assumed.
    pub(super) fn assumed_at(&self, island: &Island, l: LocalId) -> Option<u32> {
        let own = island.code.assumed(self.inst).filter(|((_, x), _)| *x == l);
        own.last().map(|((s, _), _)| self.hir.stmts[*s].line)
    }

    /// Variables that come out of an island. Where it assumes a type, those that should not be bound come out too:
    /// it may go another way than its types say.
    fn outs(&self, island: &Island, stmts: &[StmtId], after: Option<&[VarTy]>) -> Vec<(LocalId, IslandVar)> {
        let sure = if island.leaves() || island.returns {
            HashSet::new()
        } else {
            self.surely_bound(stmts)
        };
        let annotated = |l: LocalId| {
            stmts.iter().any(|s| {
                let mut own = vec![];
                facts::stmt_locals(&self.hir, *s, &mut own);
                own.contains(&l) && self.inst.tables.annotated.contains_key(s)
            })
        };
        let assumes = island.code.assumed(self.inst).next().is_some();
        let mut out = vec![];
        for &l in &island.binds {
            let behind = after.map(|after| &after[l.index()]);
            let state = match behind {
                Some(v) if v.bound != Bound::No => v.clone(),
                Some(_) if assumes => VarTy {
                    ty: Type::Never,
                    bound: Bound::Maybe,
                },
                Some(_) if !island.leaves() => continue,
                // only a `break` may have it
                _ => VarTy {
                    ty: Type::Object(island.reason),
                    bound: Bound::Maybe,
                },
            };
            let var = IslandVar {
                name: self.hir.locals[l].name.clone(),
                maybe: state.bound != Bound::Yes || island.leaves(),
                sure: sure.contains(&l),
                annotated: annotated(l),
                assumed: self.assumed_at(island, l).filter(|_| !state.ty.is_object()),
                ty: state.ty,
            };
            out.push((l, var));
        }
        out
    }

    /// Variables that the statements bind whatever they do.
    fn surely_bound(&self, stmts: &[StmtId]) -> HashSet<LocalId> {
        let mut out = HashSet::new();
        for &s in stmts {
            let kind = &self.hir.stmts[s].kind;
            if let StmtKind::Del(_) = kind {
                let mut deleted = HashSet::new();
                facts::stmt_locals(&self.hir, s, &mut deleted);
                out.retain(|l| !deleted.contains(l));
            } else if facts::blocks(kind).is_empty() && !matches!(kind, StmtKind::Dynamic(_)) {
                facts::stmt_locals(&self.hir, s, &mut out);
            } else {
                // what is deleted in a block or by a handler
                let mut touched = HashSet::new();
                facts::block_locals(&self.hir, &vec![s], &mut touched);
                out.retain(|l| !touched.contains(l));
            }
        }
        out
    }

    /// Calls the island, with what it is given besides variables; the address of its result slots. `resume`: the state
    /// behind it, and where there is no next item or an exception is not suppressed.
    pub(super) fn enter_island(
        &mut self,
        island: &Island,
        outs: &[(LocalId, IslandVar)],
        form: IslandForm,
        given: &[(&str, Value)],
        resume: [Option<Frame>; 2],
    ) -> R<Value> {
        let mut wanted = island.reads.clone();
        let unsure = outs.iter().filter(|(_, var)| !var.sure).map(|(l, _)| *l);
        let kept = self.left_by_raise(island).into_iter().map(|(l, _)| l);
        for l in unsure.chain(kept) {
            if !wanted.contains(&l) && self.e.cell(l).is_none() {
                wanted.push(l);
            }
        }
        let (mut params, mut vals) = (vec![], vec![]);
        for (name, object) in given {
            params.push(unnamed(name));
            vals.push(*object);
        }
        self.order_params(island, &mut wanted);
        for l in wanted {
            let (param, value) = self.island_param(l)?;
            params.push(param);
            vals.extend(value);
        }
        let cells = self.island_cells(island);
        let found = island.cells.iter().filter_map(|l| self.e.cell(*l));
        vals.extend(found.map(|(_, cell)| cell.object));
        if !cells.is_empty() {
            // for the function with these cells
            let slot = self.e.b.create_slot(8, true);
            vals.push(self.e.b.slot_addr(slot));
        }
        let watched = self.watched();
        vals.extend(&watched);
        if let Some(frame) = &resume[0] {
            vals.extend_from_slice(&frame.vals);
        }
        if resume[0].is_none() {
            self.e.lost();
        }
        let [resume, over] = resume.map(|frame| frame.map(|frame| self.e.point(&frame)));
        let size = |t: &Type| flat_tys(t).len();
        let landed = self.left_by_raise(island);
        let mut outs: Vec<IslandVar> = outs.iter().map(|(_, v)| v.clone()).collect();
        match form {
            IslandForm::Iter | IslandForm::Class(_) => outs.push(unnamed(ITERATOR)),
            IslandForm::Value => outs.push(self.a_result()),
            IslandForm::Enter(_) => outs.push(unnamed(&exit(self.exits.len()))),
            _ => {}
        }
        let slots = |outs: &[IslandVar]| outs.iter().map(|v| usize::from(v.maybe) + size(&v.ty)).sum();
        let out_size: usize = slots(&outs);
        let partial: Vec<IslandVar> = landed.iter().map(|(_, v)| v.clone()).collect();
        let ret_size = 1 + out_size.max(size(&self.inst.ret)).max(slots(&partial));
        let floats = self.floats();
        let area = self.area(&vals, ret_size + floats.len());
        let (base, out) = (self.e.b.slot_addr(area.slot), self.results_of(area));
        let kept = |i: usize| 8 * (ret_size + i) as i32;
        for (i, &v) in floats.iter().enumerate() {
            self.e.b.store(v, out, kept(i), Region::Stack);
        }
        let spans = match &island.code {
            Code::Run(stmts) => stmts.iter().map(|s| self.hir.stmts[*s].span).collect(),
            code => code.stmt().iter().map(|s| self.hir.stmts[*s].span).collect(),
        };
        let gone = |l: &&LocalId| {
            self.e.cell(**l).is_none() && !outs.iter().any(|o| o.name == self.hir.locals[**l].name)
        };
        let unbinds = island
            .binds
            .iter()
            .filter(gone)
            .map(|l| self.hir.locals[*l].name.clone())
            .collect();
        let spec = IslandSpec {
            spans,
            form,
            params,
            cells,
            frame: island.frame,
            outs,
            partial,
            protected: self.e.raised.is_some() && !self.e.stale_only,
            ret: self.inst.ret.clone(),
            watched: watched.len(),
            resume,
            over,
            unbinds,
            reads: vec![],
            assumes: form == IslandForm::Read || island.code.assumed(self.inst).next().is_some(),
            ends: self.is_end(island),
            line: self.e.b.line(),
            reason: island.reason,
        };
        self.sh.islands.push(spec);
        let index = self.e.b.iconst(Ty::I64, self.sh.islands.len() as i64 - 1);
        let id = helpers::find("py_island").ok_or("no helper for islands")?;
        let raising = self.e.raising();
        let site = self.e.site(SiteKind::Island);
        self.e.raises_behind_effect(raising);
        let own = self.e.raised.as_mut().and_then(|r| r.last_mut());
        if let Some(r) = own.filter(|r| r.site == site) {
            let floats = floats.iter().enumerate().map(|(i, v)| (*v, kept(i)));
            r.island = Some(AtIsland {
                area,
                floats: floats.collect(),
                outs: landed,
            });
        }
        self.e.b.call_helper(id, &[index, base, out], Some(site));
        if form != IslandForm::Read {
            self.effect();
        }
        for (i, &old) in floats.iter().enumerate() {
            let t = self.e.b.func.ty(old);
            let new = self.e.b.load(t, out, kept(i), Region::Stack);
            let known = self.e.settled.iter_mut().flatten();
            let all = self.e.vars.iter_mut().chain(known).flat_map(|v| &mut v.vals);
            all.filter(|v| **v == old).for_each(|v| *v = new);
        }
        Ok(out)
    }

    /// Puts the variables in the order in which `locals()` has them, the first parameter first.
    fn order_params(&self, island: &Island, params: &mut [LocalId]) {
        let hir = &self.hir;
        let is_param = |l: LocalId| hir.params.iter().any(|p| p.local == l);
        if island.frame {
            params.sort_by_key(|&l| {
                let local = &hir.locals[l];
                let last = local.captured && !is_param(l);
                (last, last.then(|| local.name.clone()), l)
            });
        } else if let (true, Some(first)) = (island.first, hir.params.first()) {
            params.sort_by_key(|&l| l != first.local);
        }
    }

    /// Whether control does not come behind an island, as its types say.
    fn is_end(&self, island: &Island) -> bool {
        let Code::Run(stmts) = &island.code else {
            return false;
        };
        let last = stmts.last().and_then(|s| self.inst.tables.states.get(s));
        last.is_none_or(|[_, after]| after.is_empty())
    }

    /// Floating-point values of variables. Calls clobber their registers, and a value that is live across one
    /// would be kept in memory in the loop that computes it too: it is stored and loaded again here.
    fn floats(&self) -> Vec<Value> {
        let bound = self.e.vars.iter().filter(|v| v.bound != IsBound::No);
        let all = bound.flat_map(|v| v.vals.iter().copied());
        let mut out: Vec<Value> = all.filter(|v| self.e.b.func.ty(*v).is_float()).collect();
        out.sort();
        out.dedup();
        out
    }

    /// A variable as it goes into an island.
    fn island_param(&mut self, l: LocalId) -> R<(IslandVar, Vals)> {
        let var = self.e.vars[l.index()].clone();
        let mut vals = Vals::new();
        let maybe = match var.bound {
            IsBound::Yes => false,
            IsBound::No => {
                vals.push(self.e.b.iconst(Ty::I64, 0));
                true
            }
            IsBound::Flag(f) => {
                vals.push(f);
                true
            }
        };
        let (ty, value) = match var.bound {
            IsBound::No => (Type::Never, Vals::new()),
            _ => self.portable(&(var.ty, var.vals))?,
        };
        vals.extend(value);
        let param = IslandVar {
            name: self.hir.locals[l].name.clone(),
            ty,
            maybe,
            sure: !maybe,
            annotated: false,
            assumed: None,
        };
        Ok((param, vals))
    }

    /// A value in a form that has an object without the compiler's knowledge.
    fn portable(&mut self, v: &Typed) -> R<Typed> {
        match &v.0 {
            Type::Known(o) => {
                let index = self.sh.object(ObjectEntry::Object(*o));
                let index = self.e.b.iconst(Ty::I64, i64::from(index));
                let o = self.e.helper("py_object", &[index]).ok_or("an object")?;
                Ok((Type::Object(numlift_types::Reason::JOIN), Vals::from_slice(&[o])))
            }
            Type::Tuple(items) if items.iter().any(|t| matches!(t, Type::Known(_))) => {
                Err("a tuple of constants in an island".into())
            }
            _ => Ok(v.clone()),
        }
    }

    /// The object of a value, kept until this place is passed again.
    pub(super) fn box_value(&mut self, v: &Typed) -> R<Value> {
        let o = self.new_object(v)?;
        self.hold_new(o);
        Ok(o)
    }

    /// The object of a value that may be one: a new reference.
    pub(super) fn new_object(&mut self, v: &Typed) -> R<Value> {
        let (ty, vals) = self.portable(v)?;
        if ty.is_object() {
            self.e.helper("py_incref", &[vals[0]]);
            return Ok(vals[0]);
        }
        Ok(self.object_of(ty, &vals))
    }

    /// The object of a value: a new reference.
    pub(super) fn object_of(&mut self, ty: Type, vals: &Vals) -> Value {
        let sig = self.sh.call_sig(CallSig {
            args: vec![ty],
            keywords: vec![],
            method: String::new(),
            ret: Type::None,
            effect: false,
        });
        let (base, out) = self.helper_area(vals, 1);
        let sig = self.e.b.iconst(Ty::I64, i64::from(sig));
        let zero = self.e.b.iconst(Ty::I64, 0);
        let made = self.e.helper("py_box", &[sig, base, out]).unwrap_or(zero);
        let made = self.e.b.icmp(IntCC::Ne, made, zero);
        if self.e.can_exit() {
            // without memory the interpreter goes on: typing knows of no exception where paths meet
            self.e.exit_unless(made, ExitReason::Recheck);
        } else {
            // between statements: a cell is filled
            let raised = self.e.raised.take();
            self.guard_ok(made, no_memory(), &[]);
            self.e.raised = raised;
        }
        self.e.b.load(Ty::I64, out, 0, Region::Stack)
    }

    /// Owners of the arrays that native code may use behind an island.
    fn watched(&self) -> Vec<Value> {
        let mut out = self.iterated.clone();
        for var in self.e.vars.iter().filter(|v| v.bound != IsBound::No) {
            Self::owners(&var.ty, &var.vals, false, &mut out);
        }
        out.sort();
        out.dedup();
        out
    }

    /// Branches to where an island that did not fall through goes.
    fn completions(&mut self, island: &Island, outs: &[(LocalId, IslandVar)], out: Value) -> R<()> {
        let code = self.e.b.load(Ty::I64, out, 0, Region::Stack);
        let on = |f: &mut Self, value: i64, then: &mut dyn FnMut(&mut Self) -> R<()>| -> R<()> {
            let value = f.e.b.iconst(Ty::I64, value);
            let is = f.e.b.icmp(IntCC::Eq, code, value);
            let state = f.state();
            let (yes, no) = f.branch(is);
            f.start(yes, state.clone());
            then(f)?;
            f.start(no, state);
            Ok(())
        };
        if island.returns {
            on(self, RETURN, &mut |f| {
                let tys = flat_tys(&f.inst.ret);
                let mut vals = Vals::new();
                for (i, t) in tys.into_iter().enumerate() {
                    vals.push(f.e.b.load(t, out, 8 * (i as i32 + 1), Region::Stack));
                }
                // the references are new
                if !f.finals.is_empty() {
                    return Err("an island that returns where more is to be done".into());
                }
                f.drop_iterators(0);
                f.leave_handlers(0);
                f.e.b.ret(&vals);
                Ok(())
            })?;
        }
        let ways = [
            (island.breaks, BREAK, Leave::Break),
            (island.continues, CONTINUE, Leave::Continue),
        ];
        for (_, code, leave) in ways.into_iter().filter(|(is, ..)| *is) {
            on(self, code, &mut |f| {
                f.bind_outs(outs, out);
                f.leave_by(leave, None)
            })?;
        }
        Ok(())
    }

    /// Binds what came out of an island; its references are new.
    pub(super) fn bind_outs(&mut self, outs: &[(LocalId, IslandVar)], out: Value) {
        let mut at = 8;
        let mut load = |f: &mut Self, t: Ty| {
            let v = f.e.b.load(t, out, at, Region::Stack);
            at += 8;
            v
        };
        for (l, var) in outs {
            let flag = var.maybe.then(|| load(self, Ty::I8));
            let vals: Vals = flat_tys(&var.ty).into_iter().map(|t| load(self, t)).collect();
            let mut v = (var.ty.clone(), vals);
            self.mark_extents(&mut v);
            self.adopt(*l, &v);
            self.e.vars[l.index()] = Var {
                ty: v.0,
                vals: v.1,
                bound: flag.map_or(IsBound::Yes, IsBound::Flag),
            };
            self.e.settle(*l);
        }
    }
}
