//! Names outside the function: globals and closure variables, those that the entry assigns among them.
//!
//! An assignment runs in the interpreter. A name that stays a number of one type is a hidden argument, which is
//! read again behind it; of any other a guard would fail as soon as it is assigned: it is read in the interpreter.

use numlift_diagnostics::Span;
use numlift_syntax::hir::Name;
use numlift_types::Type;

use super::dynamic::Stop;
use super::{FnInfer, R};
use crate::env::Resolved;

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
