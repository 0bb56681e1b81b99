//! MIR built by hand, compiled, loaded and run: this file has the host's side.

mod control;
mod scalars;

use std::ffi::c_void;
use std::sync::atomic::{AtomicU64, Ordering};

use numlift_mir::{Builder, FloatCC, FuncId, Function, IntCC, Module, Opcode, Region, Site, Ty, Value};
use numlift_runtime::abi::{Ctx, EntryFn, MAX_OPERANDS};
use numlift_runtime::{ExitReason, SiteData, SiteKind, helpers};

use crate::{CodegenError, Cpu, Options, Output, Want, compile};

const OPTIONS: [Options; 3] = [
    Options {
        opt_level_speed: true,
        verify: true,
        cpu: Cpu::Host,
    },
    Options {
        opt_level_speed: false,
        verify: true,
        cpu: Cpu::Host,
    },
    Options {
        opt_level_speed: true,
        verify: true,
        cpu: Cpu::Baseline,
    },
];

/// What a call left behind.
#[derive(Debug, Clone, PartialEq)]
struct Outcome {
    status: i32,
    ret: [u64; 4],
    site: u32,
    effects: u32,
    operands: [u64; MAX_OPERANDS],
    trace: Vec<u32>,
}

static DECREFS: AtomicU64 = AtomicU64::new(0);

unsafe extern "C" fn decref(object: u64) {
    DECREFS.fetch_add(object, Ordering::SeqCst);
}

unsafe extern "C" fn trace(ctx: *mut Ctx, site: i64) {
    // SAFETY: the tests pass a live `Ctx` with room for four entries.
    unsafe {
        let c = &mut *ctx;
        if c.trace_len < c.trace_cap {
            *c.trace.add(c.trace_len as usize) = site as u32;
            c.trace_len += 1;
        }
    }
}

unsafe extern "C" fn safepoint(ctx: *mut Ctx) -> i32 {
    // SAFETY: the tests pass a live `Ctx`.
    unsafe { (*ctx).effects += 10 };
    1
}

unsafe extern "C" fn exp(x: f64) -> f64 {
    x.exp()
}

unsafe extern "C" fn pow(x: f64, y: f64) -> f64 {
    x.powf(y)
}

unsafe extern "C" fn missing() {
    std::process::abort();
}

fn helper_table() -> Vec<*const c_void> {
    let mut table = vec![missing as *const c_void; helpers::count()];
    for (name, f) in [
        ("py_decref", decref as *const c_void),
        ("trace", trace as *const c_void),
        ("safepoint", safepoint as *const c_void),
        ("exp", exp as *const c_void),
        ("pow", pow as *const c_void),
    ] {
        table[usize::from(helpers::find(name).expect("known").0)] = f;
    }
    table
}

/// Loads the code into executable memory and calls it.
fn run_output(out: &Output, args: &[u64], interrupt: u32) -> Outcome {
    let mut map = memmap2::MmapMut::map_anon(out.blob.code.len()).expect("memory");
    map.copy_from_slice(&out.blob.code);
    let map = map.make_exec().expect("executable memory");
    let table = helper_table();
    let objects = [0x1111 as *mut c_void, 0x2222 as *mut c_void];
    let hidden = [77u64];
    let mut traces = [0u32; 4];
    let mut ctx = Ctx {
        helpers: table.as_ptr(),
        interrupt: &interrupt,
        depth_limit: 50,
        objects: objects.as_ptr(),
        hidden: hidden.as_ptr(),
        site: u32::MAX,
        effects: 0,
        operands: [0; MAX_OPERANDS],
        frame: [0; MAX_OPERANDS],
        trace: traces.as_mut_ptr(),
        trace_len: 0,
        trace_cap: 4,
        host: std::ptr::null_mut(),
    };
    let mut ret = [0u64; 4];
    // SAFETY: `entry` is the offset of the thunk, whose type is `EntryFn`; `ctx`, `args` and
    // `ret` live through the call, and the helpers above have the types of the table.
    let status = unsafe {
        let entry: EntryFn = std::mem::transmute(map.as_ptr().add(out.blob.entry as usize));
        entry(&mut ctx, args.as_ptr(), ret.as_mut_ptr())
    };
    let (site, effects, operands) = (ctx.site, ctx.effects, ctx.operands);
    let trace = traces[..ctx.trace_len as usize].to_vec();
    Outcome {
        status,
        ret,
        site,
        effects,
        operands,
        trace,
    }
}

/// Compiles with every set of options, which must agree.
fn run(module: &Module, args: &[u64]) -> Outcome {
    run_with(module, args, 0)
}

fn run_with(module: &Module, args: &[u64], interrupt: u32) -> Outcome {
    let run = |o: &Options| {
        let out = compile(module, o, Want::default()).unwrap_or_else(|e| panic!("{e}"));
        run_output(&out, args, interrupt)
    };
    let first = run(&OPTIONS[0]);
    for o in &OPTIONS[1..] {
        assert_eq!(run(o), first, "{o:?}");
    }
    first
}

fn function(name: &str, params: &[Ty], results: &[Ty]) -> (Builder, Vec<Value>) {
    let mut f = Function::new(name);
    f.params = params.to_vec();
    f.results = results.to_vec();
    let mut b = Builder::new(f);
    let entry = b.create_block();
    b.switch_to(entry);
    let values = params.iter().map(|&t| b.func.append_param(entry, t)).collect();
    (b, values)
}

fn add_site(m: &mut Module, kind: SiteKind) -> Site {
    m.sites.push(SiteData {
        kind,
        frame: 0,
        line: 1,
    })
}

fn replay() -> SiteKind {
    SiteKind::Replay {
        expr: String::new(),
        operands: Vec::new(),
    }
}

fn single(b: Builder) -> Module {
    let mut m = Module::default();
    m.entry = Some(m.funcs.push(b.func));
    m
}

/// A module of one function: `build` gets its parameters and one `Replay` site.
fn module(params: &[Ty], results: &[Ty], build: impl FnOnce(&mut Builder, &[Value], Site)) -> Module {
    let mut m = Module::default();
    let site = add_site(&mut m, replay());
    let (mut b, values) = function("f", params, results);
    build(&mut b, &values, site);
    m.entry = Some(m.funcs.push(b.func));
    m
}
