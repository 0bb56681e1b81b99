//! Facts about functions that passes ask for. An analysis changes nothing.

pub mod range;
