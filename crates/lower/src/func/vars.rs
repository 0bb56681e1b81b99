//! Variables where code is emitted: type, values, and whether they are bound.

use numlift_mir::Value;
use numlift_typeck::{Bound, VarTy};
use numlift_types::Type;

use crate::emit::Vals;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IsBound {
    No,
    Yes,
    /// an i8 flag
    Flag(Value),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Var {
    pub ty: Type,
    pub vals: Vals,
    pub bound: IsBound,
}

pub(super) fn unbound() -> Var {
    Var {
        ty: Type::Never,
        vals: Vals::new(),
        bound: IsBound::No,
    }
}

pub(super) const NEVER: VarTy = VarTy {
    ty: Type::Never,
    bound: Bound::No,
};

pub(super) fn var_ty(v: &Var) -> VarTy {
    let bound = match v.bound {
        IsBound::No => Bound::No,
        IsBound::Yes => Bound::Yes,
        IsBound::Flag(_) => Bound::Maybe,
    };
    VarTy {
        ty: v.ty.clone(),
        bound,
    }
}

pub(super) fn join_var(a: VarTy, b: VarTy) -> VarTy {
    VarTy {
        ty: a.ty.join(&b.ty),
        bound: a.bound.join(b.bound),
    }
}
