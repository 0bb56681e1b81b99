//! Type inference over HIR for given argument types.
//!
//! Flow-sensitive: a variable has a type at each point; joins are [`numlift_types::Type::join`].
//! Loops are iterated to a fixpoint. Callees are inferred for the argument types of each call.

pub mod chain;
pub mod env;
mod infer;
pub mod islands;
pub mod operators;
pub mod optional;
pub mod tables;

pub use env::{Env, Known, Resolved};
pub use infer::infer;
pub use infer::result_array;
pub use tables::{
    Applied, ArgSource, Binding, Bound, Call, DynamicPlace, Elementwise, Instance, InstanceId, Operand,
    Place, Program, Static, Tables, Template, VarTy,
};
