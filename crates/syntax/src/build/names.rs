//! What a name means: local, free or global.

use super::{Builder, Shadow};
use crate::hir::Name;

/// Where a name is written.
pub(super) enum Place {
    Local(crate::hir::LocalId),
    Outer,
}

impl Builder<'_> {
    /// What a read of `name` in the current function means.
    pub(super) fn resolve(&mut self, name: &str) -> Name {
        let top = self.scopes.len() - 1;
        let scope = &self.scopes[top];
        if !self.outside {
            if scope.shadows.iter().any(|shadow| shadow.name == name) {
                return Name::Global(name.to_owned());
            }
            if scope.bindings.globals.contains(name) {
                return Name::Global(name.to_owned());
            }
            if let Some(&local) = scope.names.get(name) {
                return Name::Local(local);
            }
        }
        self.resolve_outside(top, name)
    }

    /// A name that the function at `top` does not bind: looked up in the functions around it.
    fn resolve_outside(&mut self, top: usize, name: &str) -> Name {
        for level in (0..top).rev() {
            let scope = &mut self.scopes[level];
            if scope
                .shadows
                .iter()
                .any(|shadow| shadow.name == name && !shadow.class)
            {
                return Name::Free(name.to_owned());
            }
            if scope.bindings.globals.contains(name) {
                return Name::Global(name.to_owned());
            }
            if let Some(&local) = scope.names.get(name) {
                if self.outside && level + 1 == top {
                    // an annotation of a nested function is evaluated by the function around it
                    return Name::Free(name.to_owned());
                }
                scope.function.locals[local].captured = true;
                self.mark_free(level + 1, name);
                return Name::Free(name.to_owned());
            }
        }
        let declared = self.scopes[top].bindings.nonlocals.contains(name);
        if declared || self.free_names.iter().any(|free| free == name) {
            self.mark_free(0, name);
            return Name::Free(name.to_owned());
        }
        Name::Global(name.to_owned())
    }

    /// Lists `name` as free in the functions from `level` inwards.
    fn mark_free(&mut self, level: usize, name: &str) {
        for scope in &mut self.scopes[level..] {
            let free = &mut scope.function.free;
            if !free.iter().any(|known| known == name) {
                free.push(name.to_owned());
            }
        }
    }

    /// Where an assignment to `name` goes that is no target.
    pub(super) fn place(&mut self, name: &str) -> Place {
        match self.resolve(name) {
            Name::Local(local) => Place::Local(local),
            Name::Free(_) | Name::Global(_) => {
                self.scope().function.rebinds_outer.push(name.to_owned());
                Place::Outer
            }
        }
    }

    /// Runs `f` with `names` hidden, in code whose nodes are dropped.
    pub(super) fn shadowed(&mut self, names: Vec<String>, class: bool, f: impl FnOnce(&mut Self)) {
        let shadows = &mut self.scope().shadows;
        let kept = shadows.len();
        shadows.extend(names.into_iter().map(|name| Shadow { name, class }));
        f(self);
        self.scope().shadows.truncate(kept);
    }
}
