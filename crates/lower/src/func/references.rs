//! References that a function holds: owner slots of variables and places, given back on every way out.

use std::collections::HashMap;

use cranelift_entity::EntityRef;
use numlift_mir::{Slot, Ty, Value};
use numlift_syntax::hir::LocalId;
use numlift_types::Type;

use super::{FnLower, IsBound, Typed, Var};
use crate::emit::flat_tys;

/// Memory of values that no variable holds.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// The owner that a place has got last, and the place.
    held: Option<(Value, Slot)>,
    /// Owners that only a place holds, of arrays that nothing but the expression being lowered refers to.
    pub temporaries: HashMap<Value, Slot>,
    /// Where blocks of elements are, in the loops that need them.
    pub blocks: Option<Value>,
}

impl FnLower<'_, '_> {
    /// Owners of the arrays in a value, in order, and its objects if these are wanted.
    pub(super) fn owners(ty: &Type, vals: &[Value], objects: bool, out: &mut Vec<Value>) -> usize {
        match ty {
            Type::Array(a) => {
                let n = 2 + 2 * usize::from(a.ndim);
                out.push(vals[n - 1]);
                n
            }
            Type::Object(_) => {
                out.extend(objects.then_some(vals[0]));
                1
            }
            t => {
                let mut at = 0;
                for t in t.parts() {
                    at += Self::owners(t, &vals[at..], objects, out);
                }
                flat_tys(t).len()
            }
        }
    }

    pub(crate) fn owners_of(v: &Typed) -> Vec<Value> {
        let mut out = vec![];
        Self::owners(&v.0, &v.1, true, &mut out);
        out
    }

    pub(super) fn replace_slot(&mut self, slot: Slot, owner: Value) {
        let addr = self.e.b.slot_addr(slot);
        let old = self.e.b.load(Ty::I64, addr, 0, numlift_mir::Region::Stack);
        self.e.b.store(owner, addr, 0, numlift_mir::Region::Stack);
        self.e.helper("py_decref", &[old]);
    }

    /// Gives up what an owner slot holds.
    pub(super) fn drop_slot(&mut self, slot: Slot) {
        let null = self.e.b.iconst(Ty::I64, 0);
        self.replace_slot(slot, null);
    }

    /// Keeps a new reference until this place is passed again or the function ends.
    pub(crate) fn hold_new(&mut self, owner: Value) {
        let slot = self.e.b.create_slot(8, true);
        self.replace_slot(slot, owner);
        self.memory.held = Some((owner, slot));
    }

    /// The array that was held last is nobody else's: `release` gives it up.
    pub(super) fn temporary(&mut self, v: &Typed) {
        if let (Some((owner, slot)), Some(last)) = (self.memory.held, v.1.last())
            && matches!(v.0, Type::Array(_))
            && owner == *last
        {
            self.memory.temporaries.insert(owner, slot);
        }
    }

    /// Gives up arrays that are temporary.
    pub(super) fn release(&mut self, owner: Value) {
        if let Some(slot) = self.memory.temporaries.remove(&owner) {
            let null = self.e.b.iconst(Ty::I64, 0);
            self.replace_slot(slot, null);
        }
    }

    /// Binds a variable; arrays in it are kept alive.
    pub(crate) fn set_var(&mut self, l: LocalId, mut v: Typed) {
        let shared = matches!(v.0, Type::Array(_)) && self.read_by_islands(l);
        if shared {
            // a view becomes the array object that all of them see
            let object = self.object_of(v.0.clone(), &v.1);
            if let Some(owner) = v.1.last_mut() {
                *owner = object;
            }
        }
        for owner in Self::owners_of(&v).into_iter().filter(|_| !shared) {
            self.e.helper("py_incref", &[owner]);
        }
        self.adopt(l, &v);
        for owner in Self::owners_of(&v) {
            self.release(owner);
        }
        self.e.vars[l.index()] = Var {
            ty: v.0,
            vals: v.1,
            bound: IsBound::Yes,
        };
    }

    fn read_by_islands(&self, l: LocalId) -> bool {
        let islands = self.plan.iter().flat_map(|p| &p.islands);
        islands
            .into_iter()
            .any(|i| i.reads.contains(&l) || i.cells.contains(&l))
    }

    /// Hands the references of a value to a variable.
    pub(super) fn adopt(&mut self, l: LocalId, v: &Typed) {
        for (k, owner) in Self::owners_of(v).into_iter().enumerate() {
            let slot = match self.slots.get(&(l, k)) {
                Some(s) => *s,
                None => {
                    let s = self.e.b.create_slot(8, true);
                    self.slots.insert((l, k), s);
                    s
                }
            };
            self.replace_slot(slot, owner);
        }
    }

    /// Keeps the arrays in a value, whatever happens to the variables that hold them.
    pub(crate) fn keep(&mut self, v: &Typed) {
        for owner in Self::owners_of(v) {
            self.e.helper("py_incref", &[owner]);
            self.hold_new(owner);
        }
    }

    pub(crate) fn unset_var(&mut self, l: LocalId) {
        for k in 0.. {
            let Some(&slot) = self.slots.get(&(l, k)) else {
                break;
            };
            self.drop_slot(slot);
        }
        self.e.vars[l.index()] = super::unbound();
    }
}
