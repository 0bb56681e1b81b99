//! Type inference over HIR for given argument types.

pub mod env;
pub mod operators;

pub use env::{CallSig, Env, Known, ObjectEntry, Resolved};
