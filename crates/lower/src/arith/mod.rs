//! Scalar operations: one file per family.
