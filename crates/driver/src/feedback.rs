//! What a run may observe, and what assuming it would gain.

use std::collections::BTreeSet;

use numlift_diagnostics::Span;
use numlift_typeck::islands::infer_mixed;
use numlift_typeck::{Binding, Env, Program};
use numlift_types::{CodeRef, Type};

/// A variable that code in the interpreter binds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observable {
    pub binding: Binding,
    pub name: String,
    /// The statement behind which it is observed; a `for`: at the beginning of each turn.
    pub span: Span,
    pub line: u32,
}

/// What assuming the types that the environment has observed makes of a function.
#[derive(Clone, Debug, Default)]
pub struct Prospect {
    /// Nanoseconds saved in a call, as `islands::cost` estimates them.
    pub gain: f64,
    /// Assumptions about variables that compiled statements read.
    pub useful: BTreeSet<Binding>,
}

pub(crate) fn observable(program: &Program, bindings: &BTreeSet<Binding>) -> Vec<Observable> {
    let Some(hir) = program.root.map(|r| &program.instances[r.0].hir) else {
        return vec![];
    };
    let one = |&(stmt, local): &Binding| Observable {
        binding: (stmt, local),
        name: hir.locals[local].name.clone(),
        span: hir.stmts[stmt].span,
        line: hir.stmts[stmt].line,
    };
    bindings.iter().map(one).collect()
}

/// Types and plans a function with what the environment has observed; `None` if it would run in the interpreter.
pub fn prospect(env: &dyn Env, root: CodeRef, args: &[Type]) -> Option<Prospect> {
    let (program, plan) = infer_mixed(env, root, args).ok()?;
    let entry = program.root.map(|r| &program.instances[r.0])?;
    let read = |(_, local): &&Binding| plan.compiled_reads.contains(local);
    Some(Prospect {
        gain: plan.gain,
        useful: entry.tables.assumed.keys().filter(read).copied().collect(),
    })
}
