//! Analyses and transforms on MIR: the pass manager and its table of passes.
//!
//! A pass is one file with one `run`; it never prints, what it did or could not do is a [`Remark`].

mod dead_code;

use numlift_mir::{Function, Module};

/// What a pass did, or why it could not, at a source line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    pub pass: &'static str,
    /// 1-based, 0 if the whole function is meant
    pub line: u32,
    pub message: String,
}

/// Options of the pass manager.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OptOptions {
    /// Check the module after every pass.
    pub verify: bool,
}

/// Product of [`run`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OptOutput {
    pub remarks: Vec<Remark>,
}

type Pass = fn(&mut Function, &mut Vec<Remark>);

/// The passes in the order they run.
pub const PASSES: &[(&str, Pass)] = &[(dead_code::NAME, dead_code::run)];

/// Runs every pass on every function.
///
/// # Panics
/// With `verify`, if a pass breaks a rule of the IR: the caller's boundary reports it as an internal error.
pub fn run(module: &mut Module, options: &OptOptions) -> OptOutput {
    let mut out = OptOutput::default();
    for (name, pass) in PASSES {
        for f in module.funcs.values_mut() {
            pass(f, &mut out.remarks);
        }
        if options.verify
            && let Err(e) = numlift_mir::verifier::verify(module)
        {
            panic!("pass {name} broke the module: {e}");
        }
    }
    out
}
