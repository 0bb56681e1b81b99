//! The mid-level IR: SSA over machine scalars with block parameters.
//!
//! Arrays, tuples, complex numbers and unions are already decomposed into scalars by `lower`.
//! Checks are instructions. See [`ir`] for the data, [`ops`] for the table of operations.

pub mod builder;
pub mod cfg;
pub mod dominators;
pub mod flatten;
pub mod interp;
pub mod ir;
pub mod loops;
pub mod ops;
pub mod reader;
mod text_types;
pub mod unwind;
pub mod verifier;
pub mod writer;

pub use builder::Builder;
pub use cfg::ControlFlowGraph;
pub use dominators::DominatorTree;
pub use ir::*;
pub use loops::{Loop, LoopData, LoopForest};
pub use ops::{Format, Opcode};
pub use reader::{ParseError, parse};
pub use unwind::{InlinedCall, Landing, Unwind};
