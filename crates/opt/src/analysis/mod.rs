//! Facts about functions that passes ask for. An analysis changes nothing.

pub mod affine;
pub mod counters;
pub mod extremes;
pub mod range;
pub mod scev;
