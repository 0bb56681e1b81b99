//! HIR and type tables to MIR.

pub mod arith;
pub mod emit;
mod func;

use std::collections::HashMap;

use numlift_diagnostics::Span;
use numlift_mir::{FuncId, Function, Module};
use numlift_runtime::{CallSig, FrameInfo, IslandVar, ObjectEntry, ResumePoint};
use numlift_typeck::islands::Plan;
use numlift_typeck::{Env, Program};
use numlift_types::{ReadPath, Reason, Type};

/// Product of lowering.
#[derive(Debug, Default)]
pub struct Lowered<'p> {
    pub module: Module,
    pub calls: Vec<CallSig>,
    pub objects: Vec<ObjectEntry>,
    pub islands: Vec<IslandSpec>,
    pub points: Vec<ResumePoint>,
    /// A function, by its index, and the line where an exit behind an effect would be lost.
    pub lost: Option<(usize, u32)>,
    plan: Option<&'p Plan>,
}

/// What an island does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IslandForm {
    /// Evaluates the test of a statement.
    Test,
    /// Runs statements to their end.
    Plain,
    /// Runs statements and says how they were left.
    Coded,
    /// Gives the iterator of a `for` statement.
    Iter,
    /// Binds the targets of a `for` statement to the next item, or says that there is none.
    Next,
    /// Gives an iterator up.
    Drop,
    /// Evaluates the class of the handler of that number.
    Class(usize),
    /// Evaluates what a `return` statement gives.
    Value,
    /// Reads attributes and items of objects; runs no code.
    Read,
    /// Enters the manager of that number of a `with` statement; gives what it gives, if that is bound, and its
    /// `__exit__`.
    Enter(usize),
    /// Leaves it.
    Leave(usize),
    /// Leaves it because of an exception, and says whether that is suppressed.
    Suppress(usize),
}

/// Code that the interpreter runs.
#[derive(Clone, Debug)]
pub struct IslandSpec {
    /// Its statements, or the one that it is a part of.
    pub spans: Vec<Span>,
    pub form: IslandForm,
    pub params: Vec<IslandVar>,
    /// Variables that it uses in their cells, and whether they are bound all the time.
    pub cells: Vec<(String, bool)>,
    /// It looks at its own frame: there are no names in it that are not the function's.
    pub frame: bool,
    pub outs: Vec<IslandVar>,
    /// Variables as it has left them when it raises, for a compiled handler.
    pub partial: Vec<IslandVar>,
    /// A compiled handler goes on if it raises.
    pub protected: bool,
    /// Result type of the function.
    pub ret: Type,
    pub watched: usize,
    /// Resume point behind it, if there is one.
    pub resume: Option<u32>,
    /// Resume point where there is no next item, or an exception is not suppressed; its operands are the first ones of `resume`.
    pub over: Option<u32>,
    /// Variables that it leaves unbound.
    pub unbinds: Vec<String>,
    /// What a `Read` reads, for each out; variables are parameters.
    pub reads: Vec<ReadPath>,
    /// It assumes types: it may go another way than they say.
    pub assumes: bool,
    /// Control does not come behind it.
    pub ends: bool,
    pub line: u32,
    pub reason: Reason,
}

/// Lowers every instance of the program; `plan` has the islands of its entry.
///
/// # Errors
/// The text of an internal inconsistency between typing and lowering.
pub fn lower<'p>(
    program: &Program,
    plan: Option<&'p Plan>,
    env: &dyn Env,
    wrap: bool,
) -> Result<Lowered<'p>, String> {
    let mut out = Lowered {
        plan,
        ..Lowered::default()
    };
    for inst in &program.instances {
        let mut f = Function::new(inst.hir.name.clone());
        for t in inst
            .args
            .iter()
            .chain(inst.tables.captures.iter().map(|(_, t)| t))
        {
            f.params.extend(emit::flat_tys(t));
        }
        f.results.extend(emit::flat_tys(&inst.ret));
        f.recursive = inst.recursive;
        out.module.funcs.push(f);
        out.module.frames.push(FrameInfo {
            file: inst.hir.file.clone(),
            name: inst.hir.name.clone(),
            qualname: inst.hir.name.clone(),
            first_line: inst.hir.first_line,
        });
    }
    for i in 0..program.instances.len() {
        let entry = program.root.is_some_and(|r| r.0 == i);
        if !entry && program.instances[i].places().next().is_some() {
            // never called: calls of it are dynamic
            func::empty(&mut out.module.funcs[FuncId::from_u32(i as u32)]);
            continue;
        }
        func::lower_instance(program, i, env, wrap, &mut out)?;
    }
    out.module.entry = program.root.map(|r| FuncId::from_u32(r.0 as u32));
    Ok(out)
}

/// Tables that functions of one module share.
pub(crate) struct Shared<'a> {
    pub calls: &'a mut Vec<CallSig>,
    pub objects: &'a mut Vec<ObjectEntry>,
    pub islands: &'a mut Vec<IslandSpec>,
    /// The entry has islands.
    pub mixed: bool,
    pub program: &'a Program,
    pub env: &'a dyn Env,
    /// result types of the module's functions
    pub results: HashMap<usize, Type>,
}

impl Shared<'_> {
    pub fn object(&mut self, entry: ObjectEntry) -> u32 {
        let at = self.objects.iter().position(|o| *o == entry).unwrap_or_else(|| {
            self.objects.push(entry);
            self.objects.len() - 1
        });
        at as u32
    }

    pub fn call_sig(&mut self, sig: CallSig) -> u32 {
        let at = self.calls.iter().position(|s| *s == sig).unwrap_or_else(|| {
            self.calls.push(sig);
            self.calls.len() - 1
        });
        at as u32
    }
}
