//! MIR to machine code through Cranelift.
//!
//! [`compile`] takes a verified MIR module and gives a `CodeBlob`: the machine code of all its
//! functions and of an entry thunk, position-independent and without relocations. There is no
//! linker behind it: calls inside the blob are patched by [`link`], everything else is reached
//! through the tables of `ctx`, so a blob can be loaded anywhere (JIT, disk cache, object file).
//!
//! | file | does |
//! |---|---|
//! | `isa` | the target descriptions, made once per process |
//! | `lower` | function frame: signature, prologue, blocks, exits |
//! | `ops` | one MIR instruction to CLIF |
//! | `vectors` | the instructions on vectors |
//! | `loads` | loads that may be done where they are used |
//! | `checks` | the instructions that can fail |
//! | `calls` | helpers, functions of the module, safepoints |
//! | `c_abi` | functions that C calls |
//! | `thunk` | the entry thunk, trampolines of helpers, the 64-bit slot form |
//! | `link` | loop header placement, concatenation, call patching |
//!
//! # Function ABI
//!
//! `fn(ctx, [depth], params..., [ret]) -> (status: i32, [value])`, System V. `depth` exists in
//! recursive functions; one result comes in the second return register, more go to the 64-bit slots
//! of `ret`. A nonzero status means that the results are undefined and `ctx` says why.
//!
//! # Failure
//!
//! A failing operation branches to a cold block that writes its site and operands to `ctx` and
//! goes to the one exit of the function, which releases the owner slots and returns the status.
//! Nothing traps: the code relies on MIR's guards for divisions.

mod branch;
pub mod c_abi;
mod calls;
mod checks;
mod cold;
mod disassembly;
mod isa;
mod link;
mod loads;
mod lower;
mod ops;
#[cfg(test)]
mod tests;
mod thunk;
mod vectors;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use cranelift_codegen::Context;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::{Function, UserFuncName};
use numlift_mir as mir;
use numlift_runtime::abi::CodeBlob;

pub use isa::{features, target_isa};

/// What the code is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Options {
    /// Run Cranelift's optimiser (`opt_level=speed`), else `none`.
    pub opt_level_speed: bool,
    /// Run Cranelift's verifier on every function.
    pub verify: bool,
    /// The processors that the code runs on.
    pub cpu: Cpu,
}

/// Processors that code can be compiled for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Cpu {
    /// Those that have what this one has.
    #[default]
    Host,
    /// All of the architecture.
    Baseline,
    /// x86-64 from 2013 on: AVX2, FMA, BMI.
    X86V3,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            opt_level_speed: true,
            verify: cfg!(debug_assertions),
            cpu: Cpu::Host,
        }
    }
}

/// Which texts to produce besides the code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Want {
    pub clif: bool,
    pub asm: bool,
}

/// Where the time went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// MIR to CLIF.
    pub lower: Duration,
    /// CLIF to machine code.
    pub compile: Duration,
    /// Placement and patching.
    pub link: Duration,
}

/// Product of [`compile`].
#[derive(Clone, Debug, Default)]
pub struct Output {
    pub blob: CodeBlob,
    /// CLIF of all functions before optimisation; empty unless wanted.
    pub clif: String,
    /// The linked machine code with addresses and source lines; empty unless wanted.
    pub asm: String,
    pub timings: Timings,
}

/// Why no code could be made.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CodegenError {
    /// The host is not one that Cranelift or the blob format serves.
    #[error("no code generation for this host: {0}")]
    Host(String),
    /// The MIR breaks a rule that its verifier checks.
    #[error("malformed MIR in `{func}`: {message}")]
    Invalid { func: String, message: String },
    /// Cranelift refused the function.
    #[error("Cranelift failed on `{func}`: {message}")]
    Backend { func: String, message: String },
    /// The code would need something outside the blob.
    #[error("`{func}` needs a relocation that a blob cannot hold: {message}")]
    Relocation { func: String, message: String },
}

/// Compiles the functions of a module and the thunk that calls its entry.
pub fn compile(module: &mir::Module, opts: &Options, want: Want) -> Result<Output, CodegenError> {
    let isa = isa::get(opts)?;
    let entry = module
        .entry
        .filter(|&id| module.funcs.is_valid(id))
        .ok_or_else(|| CodegenError::Invalid {
            func: "<module>".into(),
            message: "no entry function".into(),
        })?;
    let mut session = Session {
        isa,
        want,
        ctx: Context::new(),
        out: Output::default(),
    };

    let mut codes = Vec::with_capacity(module.funcs.len() + 1);
    for (id, func) in module.funcs.iter() {
        codes.push(session.function(&func.name, id.as_u32(), |f| lower::lower(module, id, isa, f))?);
    }
    let thunk = module.funcs.len();
    codes.push(session.function("thunk", thunk as u32, |f| {
        thunk::build(module, entry, f);
        Ok(())
    })?);

    for (at, name) in thunk::trampolines(module).into_iter().enumerate() {
        let index = thunk::trampoline_index(module, at);
        codes.push(session.function(name, index, |f| {
            thunk::build_trampoline(name, f).ok_or_else(|| CodegenError::Invalid {
                func: name.into(),
                message: "no such helper".into(),
            })
        })?);
    }

    let start = Instant::now();
    let (code, offsets) = link::link(&codes, isa)?;
    let mut out = session.out;
    out.timings.link = start.elapsed();
    if want.asm {
        let placed = codes
            .iter()
            .zip(&offsets)
            .map(|(c, &start)| c.placed(&code, start));
        out.asm = disassembly::text(&placed.collect::<Vec<_>>());
    }
    out.blob = CodeBlob {
        code,
        entry: offsets[thunk],
        align: link::ALIGN,
        frame_bytes: codes.iter().map(|c| c.frame_bytes).max().unwrap_or(0),
        ret_slots: module.funcs[entry].results.len() as u32,
    };
    Ok(out)
}

/// State shared by the functions of one compilation.
struct Session<'a> {
    isa: &'a isa::Isa,
    want: Want,
    ctx: Context,
    out: Output,
}

impl Session<'_> {
    /// Fills, compiles and takes the code of one function; `index` is its name inside the blob.
    fn function(
        &mut self,
        name: &str,
        index: u32,
        fill: impl FnOnce(&mut Function) -> Result<(), CodegenError>,
    ) -> Result<link::FuncCode, CodegenError> {
        let start = Instant::now();
        self.ctx.clear();
        self.ctx.func.name = UserFuncName::user(0, index);
        fill(&mut self.ctx.func)?;
        self.out.timings.lower += start.elapsed();
        if self.want.clif {
            let _ = writeln!(self.out.clif, "; {name}\n{}", self.ctx.func.display());
        }

        let start = Instant::now();
        let backend = |message: String| CodegenError::Backend {
            func: name.to_owned(),
            message,
        };
        self.ctx
            .compile(&*self.isa.target, &mut ControlPlane::default())
            .map_err(|e| backend(format!("{:?}", e.inner)))?;
        let compiled = self
            .ctx
            .take_compiled_code()
            .ok_or_else(|| backend("no code".into()))?;
        let mut code = link::FuncCode::new(name, &compiled, &self.ctx.func.params, self.isa)?;
        if self.want.asm {
            code = code.with_lines(&compiled);
        }
        self.out.timings.compile += start.elapsed();
        Ok(code)
    }
}
