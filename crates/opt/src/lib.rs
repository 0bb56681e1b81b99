//! Analyses and transforms on MIR: the pass manager and its table of passes.
//!
//! A pass is one file with one `run`; it never prints, what it did or could not do is a [`Remark`].
//! Before each rewrite it asks [`PassContext::rewrite`], so that a limit on their number (fuel)
//! leads to the one that changes a program's meaning.

pub mod analysis;
pub mod transform;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use numlift_mir::{FuncId, Function, Module};
use transform::{
    addresses, assumptions, carry, checks, dead_code, divisions, gvn, hoist, if_convert, inline, intervals,
    invariant_loads, overflow, preheaders, references, simplify, stack_arrays, strip_mine, unchecked, unroll,
    unswitch, vectorise, version,
};

/// What a pass did, or why it could not, at a source line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    pub pass: &'static str,
    pub function: FuncId,
    /// 1-based, 0 if the whole function is meant
    pub line: u32,
    pub message: String,
}

/// Options of the pass manager.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OptOptions {
    /// Check the module after every pass.
    pub verify: bool,
    /// Stop after this many rewrites.
    pub fuel: Option<u64>,
    /// Floats may be summed in another order.
    pub fastmath: bool,
    /// Indices are in range.
    pub trust_indices: bool,
}

/// Product of [`run`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OptOutput {
    pub remarks: Vec<Remark>,
    /// Time of each pass over all functions, in the order they ran.
    pub timings: Vec<(&'static str, Duration)>,
    /// Number of rewrites done: fuel below it does less.
    pub rewrites: u64,
}

/// One row of the table of passes.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    pub name: &'static str,
    /// What it does, in one sentence.
    pub doc: &'static str,
    pub run: fn(&mut Function, &mut PassContext),
}

/// The passes there are.
pub const PASSES: &[Pass] = &[
    addresses::PASS,
    assumptions::PASS,
    carry::PASS,
    checks::PASS,
    dead_code::PASS,
    divisions::PASS,
    gvn::PASS,
    hoist::PASS,
    if_convert::PASS,
    inline::PASS,
    intervals::PASS,
    invariant_loads::PASS,
    overflow::PASS,
    preheaders::PASS,
    references::PASS,
    simplify::PASS,
    stack_arrays::PASS,
    strip_mine::PASS,
    unchecked::PASS,
    unroll::PASS,
    unswitch::PASS,
    vectorise::INTERCHANGE,
    vectorise::NESTS,
    vectorise::PASS,
    version::PASS,
];

/// The passes in the order they run.
pub const PIPELINE: &[Pass] = &[
    dead_code::PASS,
    simplify::PASS,
    gvn::PASS,
    simplify::PASS,
    inline::PASS,
    dead_code::PASS,
    simplify::PASS,
    gvn::PASS,
    stack_arrays::PASS,
    references::PASS,
    unroll::PASS,
    preheaders::PASS,
    checks::PASS,
    version::PASS,
    unchecked::PASS,
    divisions::PASS,
    assumptions::PASS,
    inline::PASS,
    gvn::PASS,
    simplify::PASS,
    intervals::PASS,
    overflow::PASS,
    hoist::PASS,
    if_convert::PASS,
    gvn::PASS,
    simplify::PASS,
    unswitch::PASS,
    dead_code::PASS,
    simplify::PASS,
    vectorise::INTERCHANGE,
    vectorise::NESTS,
    strip_mine::PASS,
    dead_code::PASS,
    vectorise::PASS,
    dead_code::PASS,
    carry::PASS,
    invariant_loads::PASS,
    addresses::PASS,
    gvn::PASS,
    dead_code::PASS,
];

/// The pass of that name.
pub fn find(name: &str) -> Option<&'static Pass> {
    PASSES.iter().find(|p| p.name == name)
}

/// What a pass reports to.
#[derive(Debug)]
pub struct PassContext {
    pass: &'static str,
    function: FuncId,
    remarks: Vec<Remark>,
    rewrites: u64,
    fuel: u64,
    /// Floats may be summed in another order.
    pub fastmath: bool,
    /// Indices are in range.
    pub trust_indices: bool,
    /// The functions that `inline` may use.
    pub(crate) callees: HashMap<FuncId, Function>,
}

impl PassContext {
    /// Without a limit on rewrites, for a pass that is run alone.
    pub fn new(pass: &'static str) -> PassContext {
        PassContext {
            pass,
            function: FuncId::from_u32(0),
            remarks: Vec::new(),
            rewrites: 0,
            fuel: u64::MAX,
            fastmath: false,
            trust_indices: false,
            callees: HashMap::new(),
        }
    }

    pub fn remark(&mut self, line: u32, message: impl Into<String>) {
        self.remarks.push(Remark {
            pass: self.pass,
            function: self.function,
            line,
            message: message.into(),
        });
    }

    pub fn remarks(&self) -> &[Remark] {
        &self.remarks
    }

    /// Whether one more rewrite may be done, which it counts. The function must be well-formed
    /// between any two rewrites.
    #[must_use]
    pub fn rewrite(&mut self) -> bool {
        let allowed = self.rewrites < self.fuel;
        self.rewrites += u64::from(allowed);
        allowed
    }
}

/// Runs the pipeline on every function.
///
/// # Panics
/// With `verify`, if a pass breaks a rule of the IR: the caller's boundary reports it as an internal error.
pub fn run(module: &mut Module, options: &OptOptions) -> OptOutput {
    run_passes(module, PIPELINE, options)
}

/// Runs these passes, in this order.
///
/// # Panics
/// As [`run`].
pub fn run_passes(module: &mut Module, passes: &[Pass], options: &OptOptions) -> OptOutput {
    let mut context = PassContext::new("");
    context.fuel = options.fuel.unwrap_or(u64::MAX);
    context.fastmath = options.fastmath;
    context.trust_indices = options.trust_indices;
    let mut timings = Vec::with_capacity(passes.len());
    for pass in passes {
        let start = Instant::now();
        context.pass = pass.name;
        let inlines = pass.name == inline::PASS.name;
        let ids = match inlines {
            true => inline::order(module),
            false => module.funcs.keys().collect(),
        };
        if inlines {
            context.callees = inline::callees(module);
        }
        for id in ids {
            context.function = id;
            (pass.run)(&mut module.funcs[id], &mut context);
        }
        if inlines {
            inline::sweep(module, &mut context);
        }
        timings.push((pass.name, start.elapsed()));
        if options.verify
            && let Err(e) = numlift_mir::verifier::verify(module)
        {
            panic!("pass {} broke the module: {e}", pass.name);
        }
    }
    OptOutput {
        remarks: context.remarks,
        timings,
        rewrites: context.rewrites,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEAD: &str = "function fn0 \"f\"() {\nblock0:\n  v0 = iconst.i64 1\n  v1 = ineg.i64 v0\n  return\nblock1:\n  jump block2\nblock2:\n  jump block1\n}\n";

    #[test]
    fn names_are_unique_and_documented() {
        for (i, p) in PASSES.iter().enumerate() {
            assert!(PASSES[..i].iter().all(|q| q.name != p.name), "{}", p.name);
            assert!(p.doc.ends_with('.'), "{}", p.name);
        }
    }

    #[test]
    fn fuel_stops_between_rewrites() {
        let lines = |fuel| {
            let mut m = numlift_mir::parse(DEAD).unwrap_or_else(|e| panic!("{e}"));
            let options = OptOptions {
                verify: true,
                fuel,
                ..OptOptions::default()
            };
            let out = run_passes(&mut m, &[dead_code::PASS], &options);
            assert_eq!((out.timings.len(), out.timings[0].0), (1, "dead-code"));
            (out.rewrites, m.to_string().lines().count())
        };
        assert_eq!(lines(Some(0)), (0, 9 + 1));
        assert_eq!(lines(Some(1)), (1, 6));
        assert_eq!(lines(Some(2)), (2, 5));
        assert_eq!(lines(None), (3, 4));
    }
}
