//! HIR and type tables to MIR.

pub mod arith;
pub mod emit;
mod func;

use std::collections::HashMap;

use numlift_mir::{FuncId, Function, Module};
use numlift_runtime::FrameInfo;
use numlift_typeck::{CallSig, Env, ObjectEntry, Program};
use numlift_types::Type;

/// Product of lowering.
#[derive(Debug, Default)]
pub struct Lowered {
    pub module: Module,
    pub calls: Vec<CallSig>,
    pub objects: Vec<ObjectEntry>,
}

/// Lowers every instance of the program.
///
/// # Errors
/// The text of an internal inconsistency between typing and lowering.
pub fn lower(program: &Program, env: &dyn Env, wrap: bool) -> Result<Lowered, String> {
    let mut out = Lowered::default();
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
        func::lower_instance(program, i, env, wrap, &mut out)?;
    }
    out.module.entry = program.root.map(|r| FuncId::from_u32(r.0 as u32));
    Ok(out)
}

/// Tables that functions of one module share.
pub(crate) struct Shared<'a> {
    pub calls: &'a mut Vec<CallSig>,
    pub objects: &'a mut Vec<ObjectEntry>,
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
