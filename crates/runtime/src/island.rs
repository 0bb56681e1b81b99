//! Variables at the border between machine code and the interpreter: of islands, and of resume points.

use numlift_types::Type;
use serde::{Deserialize, Serialize};

/// A variable that goes into an island or comes out of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IslandVar {
    pub name: String,
    pub ty: Type,
    /// It may be unbound: a flag slot comes before the value.
    pub maybe: bool,
    /// It is bound for sure, as the interpreter sees it.
    pub sure: bool,
    /// The type is the user's annotation: another one is a `TypeError`.
    pub annotated: bool,
}

/// Where a resumed variable's value is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResumeSource {
    /// Operands of this type; with `maybe` a flag comes first.
    Operand { ty: Type, maybe: bool },
    /// The argument of the call as it was passed.
    Argument(usize),
    /// An entry of `ctx.objects`.
    Object(u32),
    /// It is not bound.
    Unbound,
}
