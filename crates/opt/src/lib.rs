//! Analyses and transforms on MIR.
