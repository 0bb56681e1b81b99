//! Type inference over HIR for given argument types.

pub mod env;

pub use env::{CallSig, Env, Known, ObjectEntry, Resolved};
