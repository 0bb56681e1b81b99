//! Where what raises in protected code lands: one block for the places that store the same variables.

use numlift_mir::{Block, Imm, Inst, Landing, Region, Site, Slot, Ty, Unwind, Value};
use numlift_runtime::IslandVar;
use numlift_syntax::hir::{LocalId, StmtId};
use numlift_typeck::{Bound, VarTy};

use super::call::Area;
use super::{FnLower, IsBound, Pending, R, State, Var};
use crate::emit::{Raised, Vals, flat_tys};

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
    pub exception: Slot,
    pub before: Slot,
    /// The first statement.
    pub first: Option<StmtId>,
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
    /// What is lowered next lands where [`FnLower::land`] says, with its variables if it is `stateful`.
    pub(super) fn protect(&mut self, stateful: bool, first: Option<&StmtId>) -> R<Protected> {
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
            first: first.copied(),
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
                    self.e.b.func.insts[i.1].unwind = Unwind {
                        landing: Some(landing.clone()),
                        ..Unwind::default()
                    }
                    .boxed();
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
        if let (Some(first), true) = (of.first, of.stateful) {
            let exception = self.load_slot(of.exception);
            self.mark_raised(first, exception);
        }
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
