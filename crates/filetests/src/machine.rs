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

    /// Calls the entry thunk; with `interrupted` every safepoint takes its slow path. The interpreter has run the
    /// call before: it is known to access no memory but its blocks and slots.
    ///
    /// # Errors
    /// If machine code has written next to a block or to the results all the same.
    pub fn call(&self, args: &[Arg], interrupted: bool) -> Result<Observed, String> {
        let contents = args.iter().filter_map(|a| match a {
            Arg::Block(bytes) => Some(bytes),
            Arg::Bits(_) => None,
        });
        let mut blocks: Vec<Fenced> = contents.clone().map(|bytes| Fenced::new(&words(bytes))).collect();
        let mut addresses = blocks.iter_mut().map(|b| b.as_mut_ptr() as u64);
        let slots: Vec<u64> = args
            .iter()
            .map(|a| match a {
                Arg::Bits(x) => *x,
                Arg::Block(_) => addresses.next().unwrap_or_default(),
            })
            .collect();
        let outcome = self.enter(&slots, interrupted)?;
        let mut after = vec![];
        for (block, bytes) in blocks.iter().zip(contents) {
            let held = block.words().ok_or("machine code wrote next to a block")?;
            after.push(
                held.iter()
                    .flat_map(|w| w.to_le_bytes())
                    .take(bytes.len())
                    .collect(),
            );
        }
        Ok(Observed {
            outcome,
            blocks: after,
        })
    }

    fn enter(&self, slots: &[u64], interrupted: bool) -> Result<Outcome, String> {
        let mut trace = vec![0u32; DEPTH_LIMIT as usize + 16];
        let interrupt = u32::from(interrupted);
        let mut ctx = Ctx {
            helpers: self.helpers.as_ptr(),
            interrupt: &raw const interrupt,
            depth_limit: DEPTH_LIMIT,
            objects: std::ptr::null(),
            hidden: std::ptr::null(),
            site: 0,
            effects: 0,
            operands: [0; MAX_OPERANDS],
            frame: [0; MAX_OPERANDS],
            trace: trace.as_mut_ptr(),
            trace_len: 0,
            trace_cap: trace.len() as u32,
            host: std::ptr::null_mut(),
        };
        let mut results = Fenced::new(&vec![0; self.results.len()]);
        // SAFETY: `entry` is the offset of the thunk, whose type is `EntryFn`; `ctx`, `slots` and `results`
        // live through the call and have the sizes that the entry function's signature gives.
        let status = unsafe {
            let entry: EntryFn = std::mem::transmute(self.map.as_ptr().add(self.entry));
            entry(&raw mut ctx, slots.as_ptr(), results.as_mut_ptr())
        };
        let results = results.words().ok_or("machine code wrote next to its results")?;
        let status = match status {
            0 => return Ok(Outcome::Returned(results.to_vec())),
            1 => Status::Site,
            _ => Status::Python,
        };
        trace.truncate(ctx.trace_len as usize);
        Ok(Outcome::Failed(Failure {
            status,
            site: Site::from_u32(ctx.site),
            operands: ctx.operands.to_vec(),
            effects: ctx.effects,
            trace: trace.into_iter().map(Site::from_u32).collect(),
        }))
    }
}

/// Memory for machine code, with a margin on both sides that shows stray writes before they reach the heap.
struct Fenced(Vec<u64>);

impl Fenced {
    /// Words of a margin.
    const MARGIN: usize = 64;
    const PATTERN: u64 = 0xA5A5_5A5A_C3C3_3C3C;

    fn new(words: &[u64]) -> Fenced {
        let margin = [Fenced::PATTERN; Fenced::MARGIN];
        Fenced([&margin, words, &margin].concat())
    }

    fn as_mut_ptr(&mut self) -> *mut u64 {
        self.0[Fenced::MARGIN..].as_mut_ptr()
    }

    /// The words between the margins; `None` if these have been written.
    fn words(&self) -> Option<&[u64]> {
        let end = self.0.len() - Fenced::MARGIN;
        let intact = |margin: &[u64]| margin.iter().all(|w| *w == Fenced::PATTERN);
        (intact(&self.0[..Fenced::MARGIN]) && intact(&self.0[end..])).then(|| &self.0[Fenced::MARGIN..end])
    }
}

/// Runs the call as machine code, with and without interruptions, and compares it with what the interpreter observed.
///
/// # Errors
/// Both observations, if they differ.
pub fn compare(native: &Native, args: &[Arg], interpreted: &Observed) -> Result<(), String> {
    compare_once(native.call(args, false)?, interpreted)?;
    compare_once(native.call(args, true)?, interpreted).map_err(|e| format!("interrupted: {e}"))
}

fn compare_once(mut got: Observed, interpreted: &Observed) -> Result<(), String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Stores its second argument at the place of the first that the third says, without a check.
    const STORE: &str = "entry fn0
function fn0 \"f\"(i64, i64, i64) {
block0(v0: i64, v1: i64, v2: i64):
  v3 = iadd.i64 v0, v2
  store.i64 v1, v3
  return
}";

    #[test]
    fn stray_writes_are_noticed() {
        let module = numlift_mir::parse(STORE).unwrap_or_else(|e| panic!("{e}"));
        let native = Native::compile(&module, &Options::default()).unwrap_or_else(|e| panic!("{e}"));
        let store = |at: i64| {
            let args = [Arg::Block(vec![0; 16]), Arg::Bits(7), Arg::Bits(at as u64)];
            native.call(&args, false).map(|o| o.blocks)
        };
        let stray = Err("machine code wrote next to a block".to_owned());
        assert_eq!(store(8), Ok(vec![[[0; 8], 7u64.to_le_bytes()].concat()]));
        assert_eq!(store(16), stray);
        assert_eq!(store(-8), stray);
    }
}
