//! Names outside the function: globals and closure variables, those that the entry assigns among them; and variables
//! that functions nested in it assign.
//!
//! An assignment runs in the interpreter. A name that stays a number of one type is a hidden argument, which is
//! read again behind it; of any other a guard would fail as soon as it is assigned: it is read in the interpreter.

use numlift_diagnostics::Span;
use numlift_syntax::hir::{Handler, LocalId, Name};
use numlift_types::Type;

use super::dynamic::{Node, Stop, whole};
use super::{FnInfer, R};
use crate::env::Resolved;
use crate::islands::is_steady;
use crate::tables::{Bound, VarTy};

impl FnInfer<'_, '_> {
    /// What a global or closure variable is.
    pub(super) fn outside(&mut self, name: &Name, span: Span) -> R<Resolved> {
        if let Name::Global(n) | Name::Free(n) = name
            && self.is_assigned(n)
        {
            let unknown = || self.error(span, 0, "NL2010", format!("`{n}` of an outer scope is assigned"));
            let Some(boxing) = self.cx.boxing else {
                return unknown();
            };
            let number = self.cx.env.number(self.code, name);
            match number.filter(|_| !boxing.outer.contains(n)) {
                None => return unknown(),
                Some(ty) if !boxing.settled => return Ok(Resolved::Hidden { index: 0, ty }),
                Some(_) => {}
            }
        }
        Ok(match name {
            Name::Free(n) => self.cx.env.free(self.code, n),
            Name::Global(n) => self.cx.env.global(self.code, n),
            Name::Local(_) => Resolved::Missing,
        })
    }

    /// Whether the entry, of which this may be a nested function, assigns the name.
    fn is_assigned(&self, name: &str) -> bool {
        let entry = self.cx.program.instances.first();
        entry.is_some_and(|e| e.code == self.code && e.hir.writes_outer.iter().any(|w| w == name))
    }

    /// Why an assignment to a name outside is dynamic; its type is noted.
    pub(super) fn assign_outside(&mut self, name: &str, ty: &Type, span: Span) -> R<()> {
        let same = self.number_outside(name).is_ok_and(|t| t == *ty);
        if !same || self.hir.rebinds_outer.iter().any(|n| n == name) {
            self.tables.retyped.insert(name.to_owned());
        }
        self.error(
            span,
            0,
            "NL2010",
            format!("`{name}` of an outer scope is assigned"),
        )
    }

    /// Variables in cells that nested functions assign are objects from the beginning on.
    pub(super) fn written_cells(&mut self) {
        let Some(boxing) = self.boxing else { return };
        let hir = self.hir.clone();
        for &l in &boxing.cells.written {
            let text = format!("`{}` is assigned by a nested function", hir.locals[l].name);
            let r = self.place(Node::Local(l), whole(&hir, "NL2010", &text, None));
            self.cells.insert(l, r);
            let steady = is_steady(&hir, l);
            self.written.insert(l, steady);
            if let Some(vars) = &mut self.vars {
                let v = &mut vars[super::index(l)];
                let bound = match v.bound {
                    Bound::Yes if steady => Bound::Yes,
                    _ => Bound::Maybe,
                };
                *v = VarTy {
                    ty: Type::Object(r),
                    bound,
                };
            }
        }
    }

    /// Notes that a variable in a cell that nested functions assign is assigned here, which the interpreter does.
    pub(super) fn assign_cell(&mut self, l: LocalId, steady: bool) -> Bound {
        if let Some(&r) = self.cells.get(&l) {
            self.note(r);
        }
        if steady { Bound::Yes } else { Bound::Maybe }
    }

    /// Whether a handler binds such a variable.
    pub(super) fn names_cell(&self, handlers: &[Handler]) -> bool {
        let mut names = handlers.iter().filter_map(|h| h.name);
        names.any(|l| self.written.contains_key(&l))
    }

    /// The type of the number that a name outside is.
    pub(super) fn number_outside(&self, name: &str) -> R<Type> {
        let free = self.hir.free.iter().any(|n| n == name);
        let name = name.to_owned();
        let name = if free {
            Name::Free(name)
        } else {
            Name::Global(name)
        };
        let number = self.cx.env.number(self.code, &name);
        number.ok_or(Stop::Flow(numlift_types::Reason::JOIN))
    }
}
