//! Runs a function of a module in the interpreter and as machine code, with the same arguments.

use std::ffi::c_void;

use numlift_codegen::{Options, Want};
use numlift_mir::interp::{Failure, Interpreter, NoHost, Outcome, Trap};
use numlift_mir::{FuncId, Module, Site, Ty};
use numlift_runtime::abi::{Ctx, EntryFn, MAX_OPERANDS, Status};
use numlift_runtime::{helpers, kernels};

/// Calls inside one another at most.
const DEPTH_LIMIT: i64 = 200;

/// An argument: a number in slot form, or a block of memory, passed as its address.
#[derive(Clone, Debug, PartialEq)]
pub enum Arg {
    Bits(u64),
    Block(Vec<u8>),
}

/// What a call gave, and what its blocks hold afterwards.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    pub outcome: Outcome,
    pub blocks: Vec<Vec<u8>>,
}

impl Observed {
    /// Whether both are the same but for the bits of NaNs, which no operation is bound to.
    pub fn agrees(&self, other: &Observed) -> bool {
        let outcomes = match (&self.outcome, &other.outcome) {
            (Outcome::Returned(a), Outcome::Returned(b)) => same_words(a, b),
            (Outcome::Failed(a), Outcome::Failed(b)) => {
                (a.status, a.site, a.effects, &a.trace) == (b.status, b.site, b.effects, &b.trace)
                    && same_words(&a.operands, &b.operands)
            }
            _ => false,
        };
        let blocks = self.blocks.iter().zip(&other.blocks);
        outcomes
            && self.blocks.len() == other.blocks.len()
            && blocks.into_iter().all(|(a, b)| same_words(&words(a), &words(b)))
    }
}

fn words(bytes: &[u8]) -> Vec<u64> {
    let word = |c: &[u8]| {
        let mut w = [0; 8];
        w[..c.len()].copy_from_slice(c);
        u64::from_le_bytes(w)
    };
    bytes.chunks(8).map(word).collect()
}

fn same_words(a: &[u64], b: &[u64]) -> bool {
    let nan32 = |x: u64| f32::from_bits(x as u32).is_nan();
    let half = |x: u64, y: u64| x as u32 == y as u32 || nan32(x) && nan32(y);
    let same = |x: u64, y: u64| {
        x == y
            || f64::from_bits(x).is_nan() && f64::from_bits(y).is_nan()
            || half(x, y) && half(x >> 32, y >> 32)
    };
    a.len() == b.len() && a.iter().zip(b).all(|(x, y)| same(*x, *y))
}

/// Runs the entry function in the interpreter.
///
/// # Errors
/// If the call has no outcome.
pub fn interpret(module: &Module, args: &[Arg], fuel: u64) -> Result<Observed, Trap> {
    let mut host = NoHost;
    let mut interpreter = Interpreter::new(module, &mut host);
    interpreter.fuel = fuel;
    interpreter.depth_limit = DEPTH_LIMIT;
    let mut addresses = vec![];
    let slots: Vec<u64> = args
        .iter()
        .map(|a| match a {
            Arg::Bits(x) => *x,
            Arg::Block(bytes) => {
                let address = interpreter.memory.add(bytes.clone());
                addresses.push(address);
                address
            }
        })
        .collect();
    let entry = module.entry.unwrap_or(FuncId::from_u32(0));
    let outcome = interpreter.call(entry, &slots)?;
    let blocks = addresses.iter().map(|a| interpreter.memory.block(*a));
    Ok(Observed {
        outcome,
        blocks: blocks.map(|b| b.unwrap_or_default().to_vec()).collect(),
    })
}

/// The machine code of a module.
pub struct Native {
    map: memmap2::Mmap,
    entry: usize,
    results: Vec<Ty>,
    helpers: Vec<*const c_void>,
}

extern "C" fn no_reference(_: i64) {}

extern "C" fn nothing_to_do(_: *mut Ctx) -> i32 {
    0
}

extern "C" fn missing() {
    std::process::abort();
}

/// The kernels, and what stands for Python's helpers.
fn helper_table() -> Vec<*const c_void> {
    let mut table = kernels::addresses();
    table.resize(helpers::count(), missing as *const c_void);
    for (name, f) in [
        ("py_incref", no_reference as *const c_void),
        ("py_decref", no_reference as *const c_void),
        ("safepoint", nothing_to_do as *const c_void),
    ] {
        if let Some(id) = helpers::find(name) {
            table[usize::from(id.0)] = f;
        }
    }
    table
}

impl Native {
    /// # Errors
    /// If code generation refuses the module, or there is no memory for its code.
    pub fn compile(module: &Module, options: &Options) -> Result<Native, String> {
        let out = numlift_codegen::compile(module, options, Want::default()).map_err(|e| e.to_string())?;
        let mut map = memmap2::MmapMut::map_anon(out.blob.code.len().max(1)).map_err(|e| e.to_string())?;
        map[..out.blob.code.len()].copy_from_slice(&out.blob.code);
        let entry = module.entry.map(|e| &module.funcs[e]);
        Ok(Native {
            map: map.make_exec().map_err(|e| e.to_string())?,
            entry: out.blob.entry as usize,
            results: entry.map(|f| f.results.clone()).unwrap_or_default(),
            helpers: helper_table(),
        })
    }

    /// Calls the entry thunk. The interpreter has run the call before: it is known to access no
    /// memory but its blocks and slots.
    pub fn call(&self, args: &[Arg]) -> Observed {
        let mut blocks: Vec<Vec<u64>> = vec![];
        for a in args {
            if let Arg::Block(bytes) = a {
                blocks.push(words(bytes));
            }
        }
        let mut addresses = blocks.iter_mut().map(|b| b.as_mut_ptr() as u64);
        let slots: Vec<u64> = args
            .iter()
            .map(|a| match a {
                Arg::Bits(x) => *x,
                Arg::Block(_) => addresses.next().unwrap_or_default(),
            })
            .collect();
        let outcome = self.enter(&slots);
        let sizes = args.iter().filter_map(|a| match a {
            Arg::Block(bytes) => Some(bytes.len()),
            Arg::Bits(_) => None,
        });
        let bytes = |b: &Vec<u64>, n| b.iter().flat_map(|w| w.to_le_bytes()).take(n).collect();
        Observed {
            outcome,
            blocks: blocks.iter().zip(sizes).map(|(b, n)| bytes(b, n)).collect(),
        }
    }

    fn enter(&self, slots: &[u64]) -> Outcome {
        let mut trace = vec![0u32; DEPTH_LIMIT as usize + 16];
        let interrupt = 0u32;
        let mut ctx = Ctx {
            helpers: self.helpers.as_ptr(),
            interrupt: &raw const interrupt,
            depth_limit: DEPTH_LIMIT,
            objects: std::ptr::null(),
            hidden: std::ptr::null(),
            site: 0,
            effects: 0,
            operands: [0; MAX_OPERANDS],
            trace: trace.as_mut_ptr(),
            trace_len: 0,
            trace_cap: trace.len() as u32,
            host: std::ptr::null_mut(),
        };
        let mut results = vec![0u64; self.results.len().max(1)];
        // SAFETY: `entry` is the offset of the thunk, whose type is `EntryFn`; `ctx`, `slots` and `results`
        // live through the call and have the sizes that the entry function's signature gives.
        let status = unsafe {
            let entry: EntryFn = std::mem::transmute(self.map.as_ptr().add(self.entry));
            entry(&raw mut ctx, slots.as_ptr(), results.as_mut_ptr())
        };
        results.truncate(self.results.len());
        let status = match status {
            0 => return Outcome::Returned(results),
            1 => Status::Site,
            _ => Status::Python,
        };
        trace.truncate(ctx.trace_len as usize);
        Outcome::Failed(Failure {
            status,
            site: Site::from_u32(ctx.site),
            operands: ctx.operands.to_vec(),
            effects: ctx.effects,
            trace: trace.into_iter().map(Site::from_u32).collect(),
        })
    }
}

/// Runs the call as machine code and compares it with what the interpreter observed.
///
/// # Errors
/// Both observations, if they differ.
pub fn compare(native: &Native, args: &[Arg], interpreted: &Observed) -> Result<(), String> {
    let mut got = native.call(args);
    if let (Outcome::Failed(n), Outcome::Failed(i)) = (&mut got.outcome, &interpreted.outcome) {
        // The context does not say how many operands a site has.
        n.operands.truncate(i.operands.len());
    }
    match got.agrees(interpreted) {
        true => Ok(()),
        false => Err(format!(
            "machine code gave {got:?}\nthe interpreter gave {interpreted:?}"
        )),
    }
}
