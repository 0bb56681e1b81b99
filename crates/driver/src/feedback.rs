//! What a run may observe, and what assuming it would gain.

use std::collections::BTreeSet;

use numlift_diagnostics::Span;
use numlift_syntax::hir::{ExprId, Function};
use numlift_typeck::chain::Chain;
use numlift_typeck::islands::infer_mixed;
use numlift_typeck::{Binding, Env, Program};
use numlift_types::{CodeRef, ReadPath, Type};

/// What a type is assumed of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A variable that code in the interpreter binds.
    Variable(Binding),
    /// What an expression reads of an object.
    Read(ExprId),
}

/// What a run may observe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observable {
    pub subject: Subject,
    pub name: String,
    /// The statement behind which a variable is observed; a `for`: at the beginning of each turn. Of a read the expression.
    pub span: Span,
    pub line: u32,
    /// How what is read is found from the object, which is variable 0; keys that are variables follow in order.
    pub path: Option<ReadPath>,
}

/// What assuming the types that the environment has observed makes of a function.
#[derive(Clone, Debug, Default)]
pub struct Prospect {
    /// Nanoseconds saved in a call, as `islands::cost` estimates them.
    pub gain: f64,
    /// Assumptions about what compiled statements read.
    pub useful: BTreeSet<Subject>,
}

pub(crate) fn observable(
    program: &Program,
    bindings: &BTreeSet<Binding>,
    reads: &BTreeSet<ExprId>,
) -> Vec<Observable> {
    let Some(hir) = program.root.map(|r| &program.instances[r.0].hir) else {
        return vec![];
    };
    let one = |&(stmt, local): &Binding| Observable {
        subject: Subject::Variable((stmt, local)),
        name: hir.locals[local].name.clone(),
        span: hir.stmts[stmt].span,
        line: hir.stmts[stmt].line,
        path: None,
    };
    let read = |&e: &ExprId| Observable {
        subject: Subject::Read(e),
        name: text(hir, hir.exprs[e].span),
        span: hir.exprs[e].span,
        line: hir.exprs[e].line,
        path: Chain::of(hir, e).map(|c| c.observed_path()),
    };
    bindings.iter().map(one).chain(reads.iter().map(read)).collect()
}

fn text(hir: &Function, span: Span) -> String {
    let text = hir.source.get(span.start as usize..span.end as usize);
    text.unwrap_or_default().to_owned()
}

/// Types and plans a function with what the environment has observed; `None` if it would run in the interpreter.
pub fn prospect(env: &dyn Env, root: CodeRef, args: &[Type]) -> Option<Prospect> {
    let (program, plan) = infer_mixed(env, root, args).ok()?;
    let entry = program.root.map(|r| &program.instances[r.0])?;
    let read = |(_, local): &&Binding| plan.compiled_reads.contains(local);
    let variables = entry.tables.assumed.keys().filter(read);
    let reads = plan.reads.values().flatten().map(|r| Subject::Read(r.expr));
    Some(Prospect {
        gain: plan.gain,
        useful: variables.map(|b| Subject::Variable(*b)).chain(reads).collect(),
    })
}
