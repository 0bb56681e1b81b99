//! The compile pipeline: one function on one screen.

mod analysis;
pub mod c_abi;
mod feedback;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

pub use numlift_codegen::Cpu;
use numlift_diagnostics::Diagnostic;
pub use numlift_lower::{IslandForm, IslandSpec};
pub use numlift_runtime::ResumePoint;
use numlift_runtime::abi::CodeBlob;
use numlift_runtime::{CallSig, ObjectEntry};
use numlift_runtime::{FrameInfo, SiteData};
use numlift_typeck::islands::Plan;
use numlift_typeck::{Env, Program};
use numlift_types::{CodeRef, Type};

pub use analysis::{Analysis, Variable, analyse, outline};
pub use feedback::{Observable, Prospect, Subject, prospect};

/// Options of one compilation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Options {
    /// `overflow="wrap"`: Python int arithmetic wraps at 64 bits.
    pub overflow_wrap: bool,
    pub fastmath: bool,
    /// `boundscheck=False`: indices are in range.
    pub trust_indices: bool,
    /// What has no static type is an error.
    pub strict: bool,
    /// Keep CLIF and disassembly in the artifact.
    pub keep_text: bool,
    /// Verify MIR after every pass and CLIF before code generation.
    pub verify: bool,
    /// Rewrites that the optimiser may do, to find the one that breaks a program; `None` for all.
    pub fuel: Option<u64>,
    /// The processors that the code runs on.
    pub cpu: Cpu,
}

/// What code for these processors needs of the one that runs it, as Rust names it: `avx2`.
///
/// # Errors
/// If there is no code for them on this machine; the text is for the user.
pub fn cpu_features(cpu: Cpu) -> Result<Vec<&'static str>, String> {
    let options = numlift_codegen::Options {
        cpu,
        ..Default::default()
    };
    numlift_codegen::features(&options).map_err(|e| e.to_string())
}

/// Product of a compilation: what the dispatcher loads and the inspectors read.
#[derive(Clone, Debug, Default)]
pub struct Artifact {
    pub args: Vec<Type>,
    pub ret: Option<Type>,
    pub blob: CodeBlob,
    pub sites: Vec<SiteData>,
    pub frames: Vec<FrameInfo>,
    /// Signatures of `py_call`, by index.
    pub calls: Vec<CallSig>,
    /// What the interpreter runs in it.
    pub islands: Vec<IslandSpec>,
    /// Why each island is one, by index.
    pub island_reasons: Vec<Option<Diagnostic>>,
    /// Where the interpreter can go on at exits.
    pub points: Vec<ResumePoint>,
    /// Places without a static type, by line.
    pub places: Vec<Diagnostic>,
    /// What a run may observe.
    pub observable: Vec<Observable>,
    /// Nanoseconds that it saves in a call, as `islands::cost` estimates them.
    pub gain: f64,
    /// `ctx.objects`, by index.
    pub objects: Vec<ObjectEntry>,
    /// Draws from NumPy's global generator: its lock is held during the call.
    pub uses_global_rng: bool,
    /// A function recurses: the call needs to know how deep it may go.
    pub recursive: bool,
    /// Touches Python objects: the GIL is held during the call.
    pub uses_python: bool,
    /// Types of variables and expressions, one line each.
    pub types_text: String,
    pub mir_text: String,
    pub clif_text: String,
    pub asm_text: String,
    /// Stage name and time.
    pub timings: Vec<(&'static str, Duration)>,
    /// Pass name and time, of the stage `opt`.
    pub passes: Vec<(&'static str, Duration)>,
    pub remarks: Vec<Remark>,
}

/// What a pass did or could not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    pub pass: &'static str,
    /// Name of the function in MIR.
    pub function: String,
    /// 1-based, 0 if the whole function is meant.
    pub line: u32,
    pub message: String,
}

/// The time of each pass, which may run several times.
fn by_name(runs: &[(&'static str, Duration)]) -> Vec<(&'static str, Duration)> {
    let mut out: Vec<(&'static str, Duration)> = Vec::new();
    for &(name, time) in runs {
        match out.iter_mut().find(|(n, _)| *n == name) {
            Some((_, sum)) => *sum += time,
            None => out.push((name, time)),
        }
    }
    out
}

/// Measures the stages of a pipeline.
struct Clock {
    last: Instant,
    stages: Vec<(&'static str, Duration)>,
}

impl Clock {
    fn start() -> Clock {
        Clock {
            last: Instant::now(),
            stages: Vec::new(),
        }
    }

    fn lap(&mut self, stage: &'static str) {
        let now = Instant::now();
        self.stages.push((stage, now - self.last));
        self.last = now;
    }
}

/// Why there is no machine code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The first place, or what is wrong with the function as a whole.
    pub diagnostic: Diagnostic,
    /// Every place without a static type, callees included.
    pub places: Vec<Diagnostic>,
    /// What a run may observe that may make it worth compiling.
    pub observable: Vec<Observable>,
}

impl From<Box<Diagnostic>> for Refusal {
    fn from(d: Box<Diagnostic>) -> Refusal {
        Refusal {
            places: vec![(*d).clone()],
            diagnostic: *d,
            observable: vec![],
        }
    }
}

/// The processor that code is compiled for, with every feature that code generation asks for.
///
/// # Errors
/// If there is no code generation for this host.
pub fn target(verify: bool) -> Result<String, String> {
    let options = numlift_codegen::Options {
        verify,
        ..Default::default()
    };
    let isa = numlift_codegen::target_isa(&options).map_err(|e| e.to_string())?;
    let mut text = isa.triple().to_string();
    for flag in isa.isa_flags() {
        let _ = write!(text, " {flag}");
    }
    Ok(text)
}

/// Compiles `root` for the argument types.
///
/// # Errors
/// Diagnostics of what has no static type in it; `NL9001` for an inconsistency of the compiler.
pub fn compile(env: &dyn Env, root: CodeRef, args: &[Type], options: &Options) -> Result<Artifact, Refusal> {
    let mut clock = Clock::start();
    let (program, plan) = typed(env, root, args, options)?;
    clock.lap("typeck");
    let lowered = numlift_lower::lower(&program, plan.as_ref(), env, options.overflow_wrap)
        .map_err(|m| internal(&program, m))?;
    if lowered.islands.iter().any(|i| i.assumes && i.resume.is_none()) {
        // a value that is not as assumed would have no way out
        let places: Vec<Diagnostic> = program.places().into_iter().cloned().collect();
        let first = places.first().cloned().map(Box::new);
        return Err(first
            .unwrap_or_else(|| internal(&program, "an assumption".into()))
            .into());
    }
    if let Some((index, line)) = lowered.lost {
        return Err(taken_up_nowhere(&program.instances[index].hir, line).into());
    }
    let mut module = lowered.module;
    if options.verify {
        numlift_mir::verifier::verify(&module).map_err(|m| internal(&program, m))?;
    }
    clock.lap("lower");
    let opt = numlift_opt::OptOptions {
        verify: options.verify,
        fuel: options.fuel,
        fastmath: options.fastmath,
        trust_indices: options.trust_indices,
    };
    let optimised = numlift_opt::run(&mut module, &opt);
    clock.lap("opt");
    let want = numlift_codegen::Want {
        clif: options.keep_text,
        asm: options.keep_text,
    };
    let cg = numlift_codegen::Options {
        verify: options.verify,
        cpu: options.cpu,
        ..Default::default()
    };
    let out = numlift_codegen::compile(&module, &cg, want).map_err(|e| internal(&program, e.to_string()))?;
    clock.lap("codegen");
    let root = program.root.map(|r| &program.instances[r.0]);
    let names: Vec<String> = module.funcs.values().map(|f| f.name.clone()).collect();
    Ok(Artifact {
        args: root.map_or(args, |r| &r.args).to_vec(),
        ret: root.map(|r| r.ret.clone()),
        blob: out.blob,
        mir_text: if options.keep_text {
            module.to_string()
        } else {
            String::new()
        },
        recursive: module.funcs.values().any(|f| f.recursive),
        uses_python: module.funcs.values().any(uses_python),
        sites: module.sites.values().cloned().collect(),
        frames: module.frames,
        calls: lowered.calls,
        objects: lowered.objects,
        island_reasons: lowered
            .islands
            .iter()
            .map(|i| root.and_then(|r| r.reason(i.reason)).cloned())
            .collect(),
        islands: lowered.islands,
        points: lowered.points,
        places: program.places().into_iter().cloned().collect(),
        observable: match (root, &plan) {
            (Some(r), Some(_)) => feedback::observable(&program, &r.tables.observable, &r.tables.readable),
            _ => vec![],
        },
        gain: plan.as_ref().map_or(0.0, |p| p.gain),
        uses_global_rng: root.is_some_and(|r| r.uses_rng),
        types_text: if options.keep_text {
            types_text(&program)
        } else {
            String::new()
        },
        clif_text: out.clif,
        asm_text: out.asm,
        timings: clock.stages,
        passes: by_name(&optimised.timings),
        remarks: optimised
            .remarks
            .into_iter()
            .map(|r| Remark {
                pass: r.pass,
                function: names
                    .get(r.function.as_u32() as usize)
                    .cloned()
                    .unwrap_or_default(),
                line: r.line,
                message: r.message,
            })
            .collect(),
    })
}

/// The typed program, with its islands if it has dynamic places.
fn typed(
    env: &dyn Env,
    root: CodeRef,
    args: &[Type],
    options: &Options,
) -> Result<(Program, Option<Plan>), Refusal> {
    let program = numlift_typeck::infer(env, root, args)?;
    let places = program.places();
    let Some(&first) = places.first() else {
        return Ok((program, None));
    };
    let refusal = |first: &Diagnostic| Refusal {
        diagnostic: first.clone(),
        places: places.iter().map(|&d| d.clone()).collect(),
        observable: vec![],
    };
    // a module that is loaded later, or the function as a whole
    let entry = program.root.map(|r| &program.instances[r.0]);
    let whole = entry.is_none_or(|e| e.whole.is_some()) || first.code == "NL2009";
    if options.strict || whole {
        return Err(refusal(first));
    }
    match numlift_typeck::islands::infer_mixed(env, root, args) {
        Ok((program, plan)) => Ok((program, Some(plan))),
        Err(u) => Err(Refusal {
            observable: feedback::observable(&program, &u.observable, &u.readable),
            ..refusal(u.why.as_deref().unwrap_or(first))
        }),
    }
}

/// Whether a function counts references or calls a helper that needs the GIL; the safepoint takes it itself.
fn uses_python(f: &numlift_mir::Function) -> bool {
    let needs_gil = |imm: &numlift_mir::Imm| match imm {
        numlift_mir::Imm::Helper { helper, .. } => {
            let name = numlift_runtime::helpers::sig(*helper).name;
            name != "safepoint" && numlift_runtime::helpers::PYRT.iter().any(|h| h.name == name)
        }
        _ => false,
    };
    f.slots.values().any(|s| s.owner) || f.insts.values().any(|i| needs_gil(&i.imm))
}

/// A function that the interpreter could not go on with behind an effect.
fn taken_up_nowhere(hir: &numlift_syntax::hir::Function, line: u32) -> Box<Diagnostic> {
    Box::new(Diagnostic {
        code: "NL2017",
        message: "a nested function in a tuple, or one whose variables have the names of others where it is called, cannot be made again in the middle of a call".into(),
        help: Some("give the function another variable".into()),
        file: hir.file.clone(),
        line,
        column: 0,
        length: 0,
        source_line: String::new(),
    })
}

fn internal(program: &Program, message: String) -> Box<Diagnostic> {
    let hir = program.instances.first().map(|i| i.hir.clone());
    Box::new(Diagnostic {
        code: "NL9001",
        message: format!("internal error: {message}"),
        help: Some("please report this with the function's source".into()),
        file: hir.as_ref().map(|h| h.file.clone()).unwrap_or_default(),
        line: hir.map_or(0, |h| h.first_line),
        column: 0,
        length: 0,
        source_line: String::new(),
    })
}

/// One block per function: signature, then the type of each expression by line.
fn types_text(program: &Program) -> String {
    let mut out = String::new();
    for inst in &program.instances {
        let args: Vec<String> = inst.args.iter().map(ToString::to_string).collect();
        let _ = writeln!(out, "{}({}) -> {}", inst.hir.name, args.join(", "), inst.ret);
        let peeled = inst.tables.peeled.values().flat_map(|t| &t.exprs);
        let first = peeled.map(|(id, ty)| (*id, false, ty));
        let all = inst.tables.exprs.iter().map(|(id, ty)| (*id, true, ty));
        let mut rows: Vec<_> = first.chain(all).collect();
        rows.sort_by_key(|(id, later, _)| (inst.hir.exprs[*id].line, *id, *later));
        for (id, later, ty) in rows {
            let e = &inst.hir.exprs[id];
            let turn = if later { "" } else { " in the first turn" };
            if let numlift_syntax::hir::ExprKind::Name(numlift_syntax::hir::Name::Local(l)) = e.kind {
                let _ = writeln!(out, "  {:5}: {} : {ty}{turn}", e.line, inst.hir.locals[l].name);
            }
        }
    }
    out
}
