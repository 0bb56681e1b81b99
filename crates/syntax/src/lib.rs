//! Python source text to HIR. The only user of rustpython-parser.

pub mod hir;
