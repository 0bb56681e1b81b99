//! What a condition says about variables that may be None.

use numlift_syntax::hir::{ExprId, Function};
use numlift_types::Type;

use super::{FnInfer, index};
use crate::optional::{Known, learnt};

impl FnInfer<'_, '_> {
    /// The variables where the condition has this truth.
    pub(super) fn narrow(&mut self, test: ExprId, truth: bool) {
        let hir: &Function = &self.hir;
        let Some(vars) = &mut self.vars else { return };
        for (l, known) in learnt(hir, test, truth) {
            let var = &mut vars[index(l)];
            if let Type::Optional(t) = &var.ty {
                var.ty = match known {
                    Known::None => Type::None,
                    Known::Value => Type::clone(t),
                };
            }
        }
    }
}
