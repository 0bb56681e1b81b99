//! HIR and type tables to MIR.
