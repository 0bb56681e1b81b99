//! Source text to running machine code, without Python: names come from a table.

use std::ffi::c_void;

use numlift_driver::{Artifact, Options, compile};
use numlift_filetests::env::TableEnv;
use numlift_runtime::Ctx;
use numlift_types::{DType, Layout, Type};

struct Loaded {
    artifact: Artifact,
    map: memmap2::Mmap,
}

fn load(artifact: Artifact) -> Loaded {
    let mut map = memmap2::MmapMut::map_anon(artifact.blob.code.len().max(1)).expect("memory");
    map[..artifact.blob.code.len()].copy_from_slice(&artifact.blob.code);
    Loaded {
        artifact,
        map: map.make_exec().expect("executable"),
    }
}

extern "C" fn no_ref(_: i64) {}
extern "C" fn no_trace(_: *mut Ctx, _: i64) {}

impl Loaded {
    /// Calls with flattened arguments; the result slots, or the failed site.
    fn call(&self, args: &[u64]) -> Result<Vec<u64>, u32> {
        let mut table: Vec<*const c_void> = vec![std::ptr::null(); numlift_runtime::helpers::count()];
        let mut set = |name: &str, f: *const c_void| {
            if let Some(id) = numlift_runtime::helpers::find(name) {
                table[id.0 as usize] = f;
            }
        };
        set("py_incref", no_ref as *const c_void);
        set("py_decref", no_ref as *const c_void);
        set("trace", no_trace as *const c_void);
        let interrupt = 0u32;
        let mut ctx = Ctx {
            helpers: table.as_ptr(),
            interrupt: &raw const interrupt,
            depth_limit: 500,
            objects: std::ptr::null(),
            hidden: std::ptr::null(),
            site: 0,
            effects: 0,
            operands: [0; numlift_runtime::abi::MAX_OPERANDS],
            frame: [0; numlift_runtime::abi::MAX_OPERANDS],
            trace: std::ptr::null_mut(),
            trace_len: 0,
            trace_cap: 0,
            host: std::ptr::null_mut(),
        };
        let mut ret = vec![0u64; 16];
        // SAFETY: the blob's thunk has this signature, its code is mapped executable, and the
        // slots hold what the artifact's argument types say.
        let status = unsafe {
            let entry = self.map.as_ptr().add(self.artifact.blob.entry as usize);
            let f: numlift_runtime::EntryFn = std::mem::transmute(entry);
            f(&raw mut ctx, args.as_ptr(), ret.as_mut_ptr())
        };
        if status == 0 { Ok(ret) } else { Err(ctx.site) }
    }
}

/// Compiles the first function of the source.
fn build(source: &str, args: &[Type]) -> Loaded {
    let root = source
        .trim_start()
        .strip_prefix("def ")
        .and_then(|s| s.split('(').next());
    let (env, root) =
        TableEnv::of_module(source, root.expect("a function")).unwrap_or_else(|e| panic!("{e}"));
    let options = Options {
        keep_text: true,
        verify: true,
        ..Options::default()
    };
    match compile(&env, root, args, &options) {
        Ok(a) => load(a),
        Err(d) => panic!("{}", d.diagnostic),
    }
}

const SUM2D: &str = "
def sum2d(arr):
    M, N = arr.shape
    result = 0.0
    for i in range(M):
        for j in range(N):
            result += arr[i, j]
    return result
";

fn array_slots(data: &[f64], rows: i64, cols: i64) -> [u64; 6] {
    [
        data.as_ptr() as u64,
        rows as u64,
        cols as u64,
        (cols * 8) as u64,
        8,
        0,
    ]
}

#[test]
fn sum2d_adds_every_element() {
    let f = build(SUM2D, &[Type::array(DType::F64, 2, Layout::C)]);
    assert_eq!(
        f.artifact.ret.as_ref().map(ToString::to_string).as_deref(),
        Some("float | np.float64")
    );
    let data: Vec<f64> = (0..12).map(f64::from).collect();
    let r = f.call(&array_slots(&data, 3, 4)).expect("succeeds");
    assert_eq!(f64::from_bits(r[0]), 66.0);
    assert_eq!(r[1], 1, "a NumPy float64");
    let r = f.call(&array_slots(&data, 0, 4)).expect("succeeds");
    assert_eq!((f64::from_bits(r[0]), r[1]), (0.0, 0), "the Python float");
}

#[test]
fn recursion_and_overflow() {
    let fib = "
def fib(n):
    if n < 2:
        return n
    return fib(n - 1) + fib(n - 2)
";
    let f = build(fib, &[Type::INT]);
    assert_eq!(f.call(&[20]).map(|r| r[0]), Ok(6765));
    assert!(f.call(&[1000]).is_err(), "the recursion limit is kept");
    let g = build("\ndef g(a, b):\n    return a * b + 1\n", &[Type::INT, Type::INT]);
    assert_eq!(g.call(&[6, 7]).map(|r| r[0]), Ok(43));
    assert!(g.call(&[1 << 62, 4]).is_err());
}

#[test]
fn control_flow() {
    let src = "
def f(n, x):
    total = 0
    i = 0
    while True:
        i += 1
        if i % 2 == 0:
            continue
        if i > n:
            break
        total += i if x > 0.5 and i != 3 else -i
    for k in range(10, 0, -3):
        total += k
    else:
        total += 100
    return total, i
";
    let f = build(src, &[Type::INT, Type::FLOAT]);
    let r = f.call(&[7, 1.0f64.to_bits()]).expect("succeeds");
    // 1 - 3 + 5 + 7, then 10 + 7 + 4 + 1, then 100
    assert_eq!((r[0], r[1]), (10 + 22 + 100, 9));
}

#[test]
fn bounds_are_checked_and_negative_indices_wrap() {
    let src = "\ndef f(a, i):\n    return a[i]\n";
    let f = build(src, &[Type::array(DType::F64, 1, Layout::C), Type::INT]);
    let data = [1.5, 2.5, 3.5];
    let call = |i: i64| {
        f.call(&[data.as_ptr() as u64, 3, 8, 0, i as u64])
            .map(|r| f64::from_bits(r[0]))
    };
    assert_eq!(call(0), Ok(1.5));
    assert_eq!(call(-1), Ok(3.5));
    assert!(call(3).is_err());
    assert!(call(-4).is_err());
}
