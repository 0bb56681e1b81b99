//! HIR and type tables to MIR.

pub mod arith;
pub mod emit;
