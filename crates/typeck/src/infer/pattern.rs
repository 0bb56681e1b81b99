//! `match` statements.

use numlift_syntax::facts;
use numlift_syntax::hir::{Case, ExprId, Pattern};
use numlift_types::Type;

use super::dynamic::Node;
use super::{FnInfer, R, join_vars};

impl FnInfer<'_, '_> {
    pub(super) fn match_stmt(&mut self, subject: ExprId, cases: &[Case]) {
        let ty = self.expr(subject);
        let mut after = None;
        for case in cases {
            let before = self.vars.clone();
            let total = match self.pattern(&case.pattern, &ty, subject) {
                Ok(total) => total && case.guard.is_none(),
                Err(stop) => {
                    let r = self.reason(Node::Expr(subject), stop);
                    let mut captured = vec![];
                    facts::pattern_locals(&case.pattern, &mut captured);
                    for l in captured {
                        self.set_object(l, r);
                    }
                    false
                }
            };
            if let Some(g) = case.guard {
                self.truth(g);
            }
            // what the pattern captures is bound if the guard failed
            let entry = join_vars(before, self.vars.clone());
            if let Some(g) = case.guard {
                self.narrow(g, true);
            }
            self.block(&case.body);
            after = join_vars(after, self.vars.take());
            self.vars = if total { None } else { entry };
        }
        self.vars = join_vars(after, self.vars.take());
    }

    /// Whether the pattern always matches.
    fn pattern(&mut self, p: &Pattern, ty: &Type, subject: ExprId) -> R<bool> {
        let (span, line) = (self.hir.exprs[subject].span, self.hir.exprs[subject].line);
        match p {
            Pattern::Value(e) => {
                let other = self.expr(*e);
                let numbers = !ty.scalars().is_empty() && !other.scalars().is_empty();
                self.no_objects([ty, &other])?;
                if !numbers {
                    return self.error(span, line, "NL2007", "this `match` pattern is dynamic");
                }
                Ok(false)
            }
            Pattern::Capture(local) => {
                if let Some(l) = local {
                    self.set(*l, ty.clone());
                }
                Ok(true)
            }
            Pattern::Or(items) => {
                let mut total = false;
                for p in items {
                    if matches!(p, Pattern::Capture(Some(_)) | Pattern::As(..)) {
                        return self.error(span, line, "NL2007", "captures in alternatives are dynamic");
                    }
                    total |= self.pattern(p, ty, subject)?;
                }
                Ok(total)
            }
            Pattern::As(inner, l) => {
                let total = self.pattern(inner, ty, subject)?;
                self.set(*l, ty.clone());
                Ok(total)
            }
            Pattern::Sequence(_) | Pattern::Dynamic(_) => {
                self.no_objects([ty])?;
                self.error(span, line, "NL2007", "this `match` pattern is dynamic")
            }
        }
    }
}
