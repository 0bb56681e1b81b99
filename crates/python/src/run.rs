//! A loaded specialisation and how it is called.

use std::ffi::c_void;
use std::sync::atomic::{AtomicU64, Ordering};

use numlift_driver::Artifact;
use numlift_pyrt::code::Code;
use numlift_pyrt::helpers::{ACTIVE, BoxedCall, Host, INTERRUPT, enter, table};
use numlift_pyrt::value;
use numlift_runtime::Ctx;
use numlift_runtime::abi::MAX_OPERANDS;
use numlift_typeck::ObjectEntry;
use numlift_types::Type;
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;

use crate::env::{Answers, ufunc_loop};
use crate::fail::{Failure, failure};
use crate::source::{Guard, Hidden};

/// Machine code for argument types, and what it assumed.
pub struct Specialization {
    pub artifact: Artifact,
    code: Code,
    objects: Vec<*mut c_void>,
    calls: Vec<BoxedCall>,
    hidden: Vec<Hidden>,
    guards: Vec<Guard>,
    arg_slots: usize,
    hidden_slots: usize,
    /// keeps the objects of `objects` alive
    _keep: Vec<Py<PyAny>>,
    lock: Option<Py<PyAny>>,
    /// calls that the interpreter repeated
    pub exits: AtomicU64,
}

// SAFETY: the raw addresses are of Python objects kept alive by `_keep` and of code; both are only
// used with the GIL held.
unsafe impl Send for Specialization {}
// SAFETY: as above.
unsafe impl Sync for Specialization {}

impl Specialization {
    pub fn load(py: Python<'_>, artifact: Artifact, answers: Answers) -> PyResult<Specialization> {
        let code = Code::load(&artifact.blob)?;
        let mut objects = vec![];
        let missing =
            || pyo3::exceptions::PySystemError::new_err("numlift: an object of the code is missing");
        for entry in &artifact.objects {
            objects.push(match entry {
                ObjectEntry::Object(o) => answers.objects[o.0 as usize].as_ptr().cast::<c_void>(),
                ObjectEntry::UfuncLoop(o, types) => {
                    let u = answers.objects[o.0 as usize].bind(py);
                    ufunc_loop(u, types).ok_or_else(missing)?.0 as *mut c_void
                }
                ObjectEntry::UfuncData(o, types) => {
                    let u = answers.objects[o.0 as usize].bind(py);
                    ufunc_loop(u, types).ok_or_else(missing)?.1 as *mut c_void
                }
                ObjectEntry::GlobalBitgen => {
                    let capsule = global_bitgen(py)?.getattr("capsule")?;
                    // SAFETY: NumPy documents this capsule and its name.
                    let p = unsafe { ffi::PyCapsule_GetPointer(capsule.as_ptr(), c"BitGenerator".as_ptr()) };
                    if p.is_null() {
                        return Err(PyErr::fetch(py));
                    }
                    p
                }
            });
        }
        let calls = artifact
            .calls
            .iter()
            .map(|c| BoxedCall {
                args: c.args.clone(),
                keywords: c.keywords.clone(),
                method: c.method.clone(),
                ret: c.ret.clone(),
            })
            .collect();
        let lock = match artifact.uses_global_rng {
            true => Some(global_bitgen(py)?.getattr("lock")?.unbind()),
            false => None,
        };
        Ok(Specialization {
            arg_slots: artifact.args.iter().map(value::slots).sum(),
            hidden_slots: answers.hidden_slots as usize,
            code,
            objects,
            calls,
            hidden: answers.hidden,
            guards: answers.guards,
            _keep: answers.objects,
            lock,
            artifact,
            exits: AtomicU64::new(0),
        })
    }

    /// Whether what it assumed still holds; the hidden arguments if so.
    pub fn current<'py>(&self, py: Python<'py>) -> Option<Vec<Bound<'py, PyAny>>> {
        if !self.guards.iter().all(|g| g.holds(py)) {
            return None;
        }
        let mut out = Vec::with_capacity(self.hidden.len());
        for h in &self.hidden {
            let o = h.source.fetch(py)?;
            // SAFETY: a live object, and the GIL is held.
            if unsafe { value::type_of(o.as_ptr()) }.as_ref() != Some(&h.ty) {
                return None;
            }
            out.push(o);
        }
        Some(out)
    }

    /// Calls the code; `Ok(None)`: the interpreter repeats the call.
    pub fn call(
        &self,
        py: Python<'_>,
        args: &[*mut PyObject],
        hidden: &[Bound<'_, PyAny>],
    ) -> PyResult<Option<Py<PyAny>>> {
        let mut slots = Slots::<64>::new(self.arg_slots);
        let mut at = 0;
        for (o, t) in args.iter().zip(&self.artifact.args) {
            // SAFETY: the dispatcher compared the types; the buffer has the slots of all of them.
            at += unsafe { value::flatten(*o, t, slots.ptr().add(at)) };
        }
        let mut hidden_slots = Slots::<16>::new(self.hidden_slots);
        at = 0;
        for (o, h) in hidden.iter().zip(&self.hidden) {
            // SAFETY: `current` compared the types.
            at += unsafe { value::flatten(o.as_ptr(), &h.ty, hidden_slots.ptr().add(at)) };
        }
        let ret_ty = self.artifact.ret.clone().unwrap_or(Type::None);
        let mut ret = Slots::<24>::new(value::slots(&ret_ty).max(self.artifact.blob.ret_slots as usize));
        let mut trace = [0u32; 64];
        let host = Host { calls: &self.calls };
        let mut ctx = Ctx {
            helpers: table(),
            interrupt: INTERRUPT.as_ptr(),
            depth_limit: self.depth_limit(),
            objects: self.objects.as_ptr(),
            hidden: hidden_slots.ptr(),
            site: 0,
            effects: 0,
            operands: [0; MAX_OPERANDS],
            trace: trace.as_mut_ptr(),
            trace_len: 0,
            trace_cap: trace.len() as u32,
            host: (&raw const host).cast_mut().cast(),
        };
        if let Some(l) = &self.lock {
            l.call_method0(py, "acquire")?;
        }
        enter();
        ACTIVE.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the slots hold what the code's signature says, `ctx` outlives the call, the GIL is held.
        let status = unsafe { (self.code.entry())(&raw mut ctx, slots.ptr(), ret.ptr()) };
        ACTIVE.fetch_sub(1, Ordering::Relaxed);
        if let Some(l) = &self.lock {
            let pending = PyErr::take(py);
            l.call_method0(py, "release")?;
            if let Some(e) = pending {
                e.restore(py);
            }
        }
        if status == 0 {
            // SAFETY: on success `ret` holds a value of the result type; owners in it are new references.
            return unsafe {
                let o = value::boxed(&ret_ty, ret.ptr());
                release(&ret_ty, ret.ptr());
                Bound::from_owned_ptr_or_err(py, o).map(|o| Some(o.unbind()))
            };
        }
        match failure(py, self, &ctx, status, &trace[..ctx.trace_len as usize]) {
            Failure::Repeat => {
                self.exits.fetch_add(1, Ordering::Relaxed);
                Ok(None)
            }
            Failure::Error(e) => Err(e),
        }
    }

    /// Frames of native recursion that the recursion limit and the stack allow.
    fn depth_limit(&self) -> i64 {
        // SAFETY: the GIL is held.
        let limit = i64::from(unsafe { ffi::Py_GetRecursionLimit() });
        let frame = i64::from(self.artifact.blob.frame_bytes.max(64)) + 64;
        limit.min(stack_left() / frame)
    }
}

/// Drops the references that a result brought.
unsafe fn release(t: &Type, v: *const u64) {
    // SAFETY: the slots hold a value of the type.
    unsafe {
        match t {
            Type::Array(a) => ffi::Py_DECREF(*v.add(1 + 2 * usize::from(a.ndim)) as *mut PyObject),
            Type::Tuple(items) => {
                let mut at = 0;
                for t in items.iter() {
                    release(t, v.add(at));
                    at += value::slots(t);
                }
            }
            _ => {}
        }
    }
}

/// Slots on the stack, or on the heap if there are many.
struct Slots<const N: usize> {
    inline: [u64; N],
    heap: Vec<u64>,
    big: bool,
}

impl<const N: usize> Slots<N> {
    fn new(n: usize) -> Self {
        let big = n > N;
        Slots {
            inline: [0; N],
            heap: if big { vec![0; n] } else { vec![] },
            big,
        }
    }

    fn ptr(&mut self) -> *mut u64 {
        if self.big {
            self.heap.as_mut_ptr()
        } else {
            self.inline.as_mut_ptr()
        }
    }
}

fn global_bitgen(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    py.import("numpy.random.mtrand")?
        .getattr("_rand")?
        .getattr("_bit_generator")
}

/// Bytes of native stack that may still be used, with a reserve for Python's own frames.
fn stack_left() -> i64 {
    const RESERVE: usize = 256 * 1024;
    thread_local! {
        static LOW: usize = stack_low();
    }
    let marker = 0u8;
    let here = &raw const marker as usize;
    LOW.with(|low| here.saturating_sub(*low + RESERVE)) as i64
}

/// Lowest address of this thread's stack.
fn stack_low() -> usize {
    // SAFETY: the attribute object is initialised by pthread_getattr_np before it is read.
    unsafe {
        let mut attr: libc::pthread_attr_t = std::mem::zeroed();
        if libc::pthread_getattr_np(libc::pthread_self(), &raw mut attr) != 0 {
            return 0;
        }
        let mut addr = std::ptr::null_mut();
        let mut size = 0;
        libc::pthread_attr_getstack(&raw const attr, &raw mut addr, &raw mut size);
        libc::pthread_attr_destroy(&raw mut attr);
        addr as usize
    }
}
