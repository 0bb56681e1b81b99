//! Values that may be None: the value, zeros if it is None, then a flag that says whether it is there.

use numlift_mir::Value;
use numlift_syntax::hir::ExprId;
use numlift_typeck::optional::{Known, learnt};
use numlift_types::Type;

use super::{FnLower, R, Typed};
use crate::emit::Vals;

/// The value of an optional type, and its flag.
fn parts((ty, vals): &Typed) -> Option<(Typed, Value)> {
    match (ty, vals.as_slice()) {
        (Type::Optional(t), [value @ .., flag]) => Some(((Type::clone(t), Vals::from_slice(value)), *flag)),
        _ => None,
    }
}

impl FnLower<'_, '_> {
    /// A value other than None as an optional value of type `to`.
    pub(crate) fn optional(&mut self, v: &Vals, from: &Type, to: &Type) -> R<Vals> {
        let ((from, v), flag) = match parts(&(from.clone(), v.clone())) {
            Some(found) => found,
            None => ((from.clone(), v.clone()), self.e.bool_const(true)),
        };
        let mut out = self.convert(&v, &from, to)?;
        out.push(flag);
        Ok(out)
    }

    /// Whether an optional value is there.
    pub(crate) fn is_there(&mut self, v: &Typed) -> R<Value> {
        parts(v)
            .map(|(_, flag)| flag)
            .ok_or_else(|| format!("{} is not optional", v.0))
    }

    /// Truth of an optional value: None has none.
    pub(crate) fn optional_truth(&mut self, v: &Typed) -> R<Value> {
        let (value, flag) = parts(v).ok_or("not optional")?;
        let state = self.state();
        let (yes, no) = self.branch(flag);
        self.start(yes, state.clone());
        let c = self.truth_of(&value)?;
        let end = |c| Some((Type::BOOL, Vals::from_slice(&[c])));
        let mut ends: Vec<_> = self.suspend(end(c)).into_iter().collect();
        self.start(no, state);
        let c = self.e.bool_const(false);
        ends.extend(self.suspend(end(c)));
        let (_, vals) = self.merged_value(ends)?;
        vals.first().copied().ok_or_else(|| "truth".into())
    }

    /// Truth of a condition that the variables decide: here they may be known better than by inference.
    pub(crate) fn settled(&self, test: ExprId) -> Option<bool> {
        let excluded = |truth: bool| {
            learnt(&self.hir, test, truth).into_iter().any(|(l, known)| {
                match (known, &self.e.vars[cranelift_entity::EntityRef::index(l)].ty) {
                    (_, Type::Optional(_) | Type::Object(_) | Type::Never) => false,
                    (Known::None, t) => *t != Type::None,
                    (Known::Value, t) => *t == Type::None,
                }
            })
        };
        [true, false].into_iter().find(|truth| excluded(!truth))
    }

    /// Splits the variables that a condition tells about, where it has this truth.
    pub(crate) fn narrow(&mut self, test: ExprId, truth: bool) {
        let hir = self.hir.clone();
        for (l, known) in learnt(&hir, test, truth) {
            let var = &mut self.e.vars[cranelift_entity::EntityRef::index(l)];
            let Some(((ty, vals), _)) = parts(&(var.ty.clone(), var.vals.clone())) else {
                continue;
            };
            (var.ty, var.vals) = match known {
                Known::None => (Type::None, Vals::new()),
                Known::Value => (ty, vals),
            };
        }
    }
}
