//! The helpers of generated code that need Python.

use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, OnceLock};
use std::time::Duration;

use numlift_runtime::Ctx;
use numlift_types::{DType, Type};
use pyo3::ffi::{self, PyObject};

use crate::numpy::{ArrayObject, api};
use crate::value::{self, Unboxed};

/// Signature of a boxed call.
#[derive(Clone, Debug)]
pub struct BoxedCall {
    pub args: Vec<Type>,
    /// Names of trailing keyword arguments: a tuple object, or NULL.
    pub keywords: Vec<String>,
    pub method: String,
    pub ret: Type,
}

/// What `ctx.host` points to.
#[derive(Debug)]
pub struct Host<'a> {
    pub calls: &'a [BoxedCall],
}

/// Set by the ticker, polled at safepoints, cleared by the helper.
pub static INTERRUPT: AtomicU32 = AtomicU32::new(0);
static CALLS: AtomicU32 = AtomicU32::new(0);
static PARKED: AtomicBool = AtomicBool::new(true);
static WAKE: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());
static TICKER: OnceLock<()> = OnceLock::new();
const TICK: Duration = Duration::from_millis(10);

/// Notes that a native call starts, so that the ticker runs.
pub fn enter() {
    CALLS.fetch_add(1, Ordering::Relaxed);
    if PARKED.load(Ordering::Relaxed) {
        wake();
    }
}

#[cold]
fn wake() {
    TICKER.get_or_init(|| {
        let named = std::thread::Builder::new().name("numlift-ticker".into());
        // Without the thread only Ctrl-C inside native loops is late.
        let _ = named.spawn(tick);
    });
    PARKED.store(false, Ordering::Relaxed);
    WAKE.1.notify_one();
}

fn tick() {
    let mut idle = 0;
    let mut seen = 0;
    loop {
        std::thread::sleep(TICK);
        INTERRUPT.store(1, Ordering::Relaxed);
        let calls = CALLS.load(Ordering::Relaxed);
        // A flag still set means that nobody polls: no native loop is running.
        idle = if calls == seen && ACTIVE.load(Ordering::Relaxed) == 0 {
            idle + 1
        } else {
            0
        };
        seen = calls;
        if idle > 100 {
            PARKED.store(true, Ordering::Relaxed);
            let Ok(guard) = WAKE.0.lock() else { return };
            let parked = |_: &mut ()| PARKED.load(Ordering::Relaxed);
            if WAKE
                .1
                .wait_timeout_while(guard, Duration::from_secs(3600), parked)
                .is_err()
            {
                return;
            }
            idle = 0;
        }
    }
}

/// Native calls in progress.
pub static ACTIVE: AtomicU32 = AtomicU32::new(0);

extern "C" fn safepoint(_ctx: *mut Ctx) -> i32 {
    INTERRUPT.store(0, Ordering::Relaxed);
    // SAFETY: native code runs with the GIL held.
    unsafe {
        let state = ffi::PyEval_SaveThread();
        ffi::PyEval_RestoreThread(state);
        ffi::PyErr_CheckSignals()
    }
}

extern "C" fn py_incref(o: *mut PyObject) {
    // SAFETY: the object is alive: its owner slot or an argument holds it.
    unsafe { ffi::Py_XINCREF(o) }
}

extern "C" fn py_decref(o: *mut PyObject) {
    // SAFETY: the reference is one that generated code took.
    unsafe { ffi::Py_XDECREF(o) }
}

extern "C" fn array_new(
    _: *mut Ctx,
    dtype: i64,
    nd: i64,
    shape: *const isize,
    zeroed: i64,
    ret: *mut u64,
) -> i32 {
    let Some(d) = DType::ALL.get(dtype as usize) else {
        return 1;
    };
    // SAFETY: generated code passes `nd` extents and room for two slots; the GIL is held.
    unsafe {
        let a = api().new_array(*d, nd as i32, shape, zeroed != 0);
        if a.is_null() {
            return 1;
        }
        *ret = (*a.cast::<ArrayObject>()).data as u64;
        *ret.add(1) = a as u64;
    }
    0
}

extern "C" fn py_call(
    ctx: *mut Ctx,
    object: i64,
    sig: i64,
    args: *const u64,
    ret: *mut u64,
    effects: i64,
) -> i32 {
    // SAFETY: indices are into the specialisation's tables; the GIL is held.
    unsafe {
        let host = &*(*ctx).host.cast::<Host<'_>>();
        let sig = &host.calls[sig as usize];
        let mut objects = Vec::with_capacity(sig.args.len());
        let mut at = 0;
        let mut ok = true;
        for t in &sig.args {
            let o = value::boxed(t, args.add(at));
            at += value::slots(t);
            if o.is_null() {
                ok = false;
                break;
            }
            objects.push(o);
        }
        let result = if ok {
            call(ctx, object, sig, &objects)
        } else {
            std::ptr::null_mut()
        };
        for o in objects {
            ffi::Py_DECREF(o);
        }
        if result.is_null() {
            return 1;
        }
        match value::unbox(result, &sig.ret, ret) {
            Unboxed::Done => 0,
            Unboxed::Wide => {
                (*ctx).effects |= effects as u32;
                1
            }
            Unboxed::Failed => 1,
        }
    }
}

unsafe fn call(ctx: *mut Ctx, object: i64, sig: &BoxedCall, args: &[*mut PyObject]) -> *mut PyObject {
    // SAFETY: as for `py_call`.
    unsafe {
        let (callee, positional) = if sig.method.is_empty() {
            let f = (*(*ctx).objects.add(object as usize)).cast::<PyObject>();
            ffi::Py_INCREF(f);
            (f, args)
        } else {
            let name =
                ffi::PyUnicode_FromStringAndSize(sig.method.as_ptr().cast(), sig.method.len() as isize);
            let f = ffi::PyObject_GetAttr(args[0], name);
            ffi::Py_DECREF(name);
            (f, &args[1..])
        };
        if callee.is_null() {
            return callee;
        }
        let plain = positional.len() - sig.keywords.len();
        let tuple = ffi::PyTuple_New(plain as isize);
        for (i, &o) in positional[..plain].iter().enumerate() {
            ffi::Py_INCREF(o);
            ffi::PyTuple_SetItem(tuple, i as isize, o);
        }
        let kwargs = if sig.keywords.is_empty() {
            std::ptr::null_mut()
        } else {
            ffi::PyDict_New()
        };
        for (name, &o) in sig.keywords.iter().zip(&positional[plain..]) {
            let key = ffi::PyUnicode_FromStringAndSize(name.as_ptr().cast(), name.len() as isize);
            ffi::PyDict_SetItem(kwargs, key, o);
            ffi::Py_DECREF(key);
        }
        let result = ffi::PyObject_Call(callee, tuple, kwargs);
        ffi::Py_DECREF(tuple);
        ffi::Py_XDECREF(kwargs);
        ffi::Py_DECREF(callee);
        result
    }
}

struct Table(Vec<*const c_void>);
// SAFETY: addresses of functions.
unsafe impl Send for Table {}
// SAFETY: addresses of functions.
unsafe impl Sync for Table {}

/// The table that `ctx.helpers` points to.
pub fn table() -> *const *const c_void {
    static TABLE: OnceLock<Table> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        let mut all = numlift_runtime::kernels::addresses();
        all.extend(numlift_runtime::helpers::PYRT.iter().map(|h| match h.name {
            "safepoint" => safepoint as *const c_void,
            "py_incref" => py_incref as *const c_void,
            "py_decref" => py_decref as *const c_void,
            "py_call" => py_call as *const c_void,
            "array_new" => array_new as *const c_void,
            _ => std::ptr::null(),
        }));
        Table(all)
    });
    table.0.as_ptr()
}
