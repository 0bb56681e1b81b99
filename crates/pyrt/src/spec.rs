//! A loaded specialisation and how it is called.

use std::cell::Cell;
use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU64, Ordering};

use numlift_runtime::abi::CodeBlob;
use numlift_runtime::{Ctx, FrameInfo, SiteData};
use numlift_types::Type;
use pyo3::ffi::{self, PyObject};

use crate::code::Code;
use crate::direct::{self, Place};
use crate::fail::{Failure, failure};
use crate::handlers::Catching;
use crate::helpers::{BoxedCall, HiddenState, Host, table};
use crate::island::Island;
use crate::plan::{ArgPlan, RetPlan};
use crate::reference::Ref;
use crate::resume::Resume;
use crate::slots::{Held, Slots};
use crate::source::{Args, Guard, Hidden};
use crate::ticker::INTERRUPT;
use crate::{stack, value};

/// The product of a compilation as the boundary needs it.
#[derive(Debug, Default)]
pub struct Parts {
    pub blob: CodeBlob,
    pub args: Vec<Type>,
    pub ret: Option<Type>,
    pub sites: Vec<SiteData>,
    pub frames: Vec<FrameInfo>,
    pub calls: Vec<BoxedCall>,
    pub islands: Vec<Island>,
    pub resume: Option<Resume>,
    /// `ctx.objects`
    pub objects: Vec<*mut c_void>,
    /// What keeps the addresses in `objects` valid.
    pub keep: Vec<Ref>,
    pub guards: Vec<Guard>,
    pub hidden: Vec<Hidden>,
    pub hidden_slots: usize,
    /// Bound `acquire` and `release` of the lock to be held during the call.
    pub lock: Option<[Ref; 2]>,
    /// It can nest without bound: it recurses, or calls Python.
    pub nests: bool,
    /// The GIL is released during the call: the code touches no object.
    pub nogil: bool,
}

/// Machine code for argument types, and what it assumed.
#[derive(Debug)]
pub struct Specialization {
    code: Code,
    pub(crate) args: Box<[ArgPlan]>,
    pub(crate) ret: RetPlan,
    /// those of the first guards
    pub(crate) places: Box<[Place]>,
    arg_slots: usize,
    ret_slots: usize,
    helpers: *const *const c_void,
    parts: Parts,
    /// calls that the interpreter repeated or finished
    exits: AtomicU64,
    /// values that were not as assumed
    misses: AtomicU64,
}

// SAFETY: the raw addresses are of Python objects kept alive by `keep` and of code; both are only
// used with the GIL held.
unsafe impl Send for Specialization {}
// SAFETY: as above.
unsafe impl Sync for Specialization {}

/// What became of a call.
#[derive(Debug)]
pub enum Outcome {
    /// The result, a new reference; NULL: an exception is set.
    Returned(*mut PyObject),
    /// Something it assumed is not so any more: another specialisation has to be found.
    Stale,
    /// An argument does not fit: the interpreter makes the call.
    Unfit,
    /// Native code gave up before any effect: the interpreter repeats the call.
    Repeat,
}

/// Values that are not as assumed before the code is given up.
pub const MAX_MISSES: u64 = 3;

const ARG_SLOTS: usize = 64;
const RET_SLOTS: usize = 24;
pub(crate) const TRACE: usize = numlift_runtime::INLINE_TRACE as usize;

impl Specialization {
    /// Loads the code.
    ///
    /// # Errors
    /// If the system refuses executable memory.
    pub fn load(mut parts: Parts) -> std::io::Result<Specialization> {
        let code = Code::load(&parts.blob)?;
        parts.blob.code = Vec::new();
        parts.guards.sort_by_key(|g| Place::of(g).is_none());
        let ret = parts.ret.clone().unwrap_or(Type::None);
        Ok(Specialization {
            code,
            args: parts.args.iter().map(ArgPlan::new).collect(),
            arg_slots: parts.args.iter().map(value::slots).sum(),
            ret_slots: value::slots(&ret).max(parts.blob.ret_slots as usize),
            ret: RetPlan::new(&ret),
            helpers: table(),
            places: parts.guards.iter().map_while(Place::of).collect(),
            parts,
            exits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        })
    }

    /// Whether `direct` can call it with arguments whose key has these words.
    pub(crate) fn is_direct(&self, words: &[u64]) -> bool {
        let p = &self.parts;
        let plain = p.hidden.is_empty() && p.lock.is_none() && !p.nests && !p.nogil;
        plain
            && self.arg_slots <= direct::SLOTS
            && self.ret_slots <= direct::RET_SLOTS
            && self.args.len() == words.len()
            && self.args.iter().zip(words).all(|(a, w)| a.is_direct(*w))
    }

    /// The guards that are not places.
    #[inline(always)]
    pub(crate) fn other_guards(&self) -> &[Guard] {
        self.parts.guards.get(self.places.len()..).unwrap_or_default()
    }

    pub(crate) fn sites(&self) -> &[SiteData] {
        &self.parts.sites
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.parts
    }

    /// `"native"`, or `"mixed"` if it has islands.
    pub fn tier(&self) -> &'static str {
        if self.parts.islands.is_empty() {
            "native"
        } else {
            "mixed"
        }
    }

    /// What the interpreter runs in it.
    pub fn islands(&self) -> &[Island] {
        &self.parts.islands
    }

    pub(crate) fn frames(&self) -> &[FrameInfo] {
        &self.parts.frames
    }

    /// Calls that the interpreter repeated.
    pub fn exits(&self) -> u64 {
        self.exits.load(Ordering::Relaxed)
    }

    /// Values that were not as assumed.
    pub fn misses(&self) -> u64 {
        self.misses.load(Ordering::Relaxed)
    }

    pub(crate) fn count_miss(&self) {
        self.misses.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether what it assumed was wrong too often.
    #[inline(always)]
    pub fn is_retired(&self) -> bool {
        self.misses.load(Ordering::Relaxed) >= MAX_MISSES
    }

    pub(crate) fn visit(&self, f: &mut dyn FnMut(*mut PyObject)) {
        crate::source::visit(&self.parts.guards, &self.parts.hidden, f);
        self.parts.keep.iter().for_each(|o| f(o.as_ptr()));
        self.parts.islands.iter().for_each(|i| f(i.function.as_ptr()));
        let reads = self.parts.islands.iter().flat_map(|i| &i.reads);
        reads.for_each(|path| path.visit(f));
        let codes = self.parts.resume.iter().flat_map(|r| &r.codes);
        codes.for_each(|c| c.visit(f));
    }

    /// Whether what it assumed still holds.
    ///
    /// # Safety
    /// The GIL is held; `args` are arguments that it is for.
    pub unsafe fn is_current(&self, args: Args) -> bool {
        if self.is_retired() {
            return false;
        }
        let hidden_holds = |h: &Hidden| {
            // SAFETY: the GIL is held; the reference is given back.
            unsafe { h.fetch(args).map(|o| ffi::Py_DECREF(o)).is_some() }
        };
        self.parts.guards.iter().all(Guard::holds) && self.parts.hidden.iter().all(hidden_holds)
    }

    /// Whether the arguments can be written into slots: ints have 64 bits.
    ///
    /// # Safety
    /// There are as many objects as arguments, of their types; the GIL is held.
    pub unsafe fn fits(&self, args: Args) -> bool {
        let mut slots = Slots::<ARG_SLOTS>::new(self.arg_slots);
        // SAFETY: as promised by the caller; the buffer has the slots of all arguments.
        unsafe { write_all(&self.args, args, slots.ptr()) }
    }

    /// Calls the code if what it assumed still holds.
    ///
    /// # Safety
    /// There are as many objects as arguments, of their types; the GIL is held.
    #[inline(always)]
    pub unsafe fn call(&self, args: Args) -> Outcome {
        if self.is_retired() || !self.parts.guards.iter().all(Guard::holds) {
            return Outcome::Stale;
        }
        let mut slots = Slots::<ARG_SLOTS>::new(self.arg_slots);
        // SAFETY: as promised by the caller; the buffer has the slots of all arguments.
        if !unsafe { write_all(&self.args, args, slots.ptr()) } {
            return Outcome::Unfit;
        }
        if self.parts.hidden.is_empty() {
            // SAFETY: the slots are those of the arguments.
            return unsafe { self.enter(args, slots.ptr(), std::ptr::null_mut()) };
        }
        // SAFETY: as above.
        unsafe { self.call_with_hidden(args, slots.ptr()) }
    }

    /// Holds a reference to each hidden argument during the call: another thread may rebind it.
    #[inline(never)]
    unsafe fn call_with_hidden(&self, args: Args, slots: *const u64) -> Outcome {
        let mut hidden_slots = Slots::<ARG_SLOTS>::new(self.parts.hidden_slots);
        let mut state = HiddenState {
            args,
            slots: hidden_slots.ptr(),
            held: Held::default(),
        };
        // SAFETY: the GIL is held; both buffers are filled when the code is entered.
        unsafe {
            if !state.read(&self.parts.hidden) {
                return Outcome::Stale;
            }
            self.enter(args, slots, &raw mut state)
        }
    }

    #[inline(always)]
    unsafe fn enter(&self, args: Args, slots: *const u64, state: *mut HiddenState) -> Outcome {
        let mut ret = Slots::<RET_SLOTS>::new(self.ret_slots);
        let mut trace = [const { MaybeUninit::<u32>::uninit() }; TRACE];
        let host = Host {
            spec: self,
            hidden: state,
            args,
            resumed: Cell::new(std::ptr::null_mut()),
            callers: Cell::new(std::ptr::null_mut()),
            catching: Catching::new(),
        };
        let hidden = match state.is_null() {
            true => std::ptr::null(),
            // SAFETY: the state of this call.
            false => unsafe { (*state).slots.cast_const() },
        };
        let mut depth_limit = i64::MAX;
        if self.parts.nests {
            // SAFETY: the GIL is held.
            depth_limit = unsafe { stack::frames_left(self.parts.blob.frame_bytes) };
            if depth_limit <= 0 {
                return Outcome::Returned(recursion_error());
            }
        }
        let mut ctx = MaybeUninit::<Ctx>::uninit();
        let ctx = self.begin(&mut ctx, &mut trace, &host, hidden, depth_limit);
        // SAFETY: the slots hold what the code's signature says, `ctx` outlives the call, the GIL is held.
        unsafe {
            let status = if self.parts.lock.is_none() && !self.parts.nogil {
                self.enter_code(ctx, slots, ret.ptr())
            } else {
                match self.run_guarded(ctx, slots, ret.ptr()) {
                    Some(status) => status,
                    None => return Outcome::Returned(std::ptr::null_mut()),
                }
            };
            if status == 0 {
                return Outcome::Returned(self.ret.read(ret.ptr()));
            }
            self.failed(args, ctx, status)
        }
    }

    /// Runs something of the interpreter without the lock that native code holds: it may wait for another thread
    /// that draws random numbers.
    ///
    /// # Safety
    /// The GIL is held, and so is the lock if there is one.
    pub(crate) unsafe fn unlocked<R>(&self, run: impl FnOnce() -> R) -> R {
        let Some([acquire, release]) = &self.parts.lock else {
            return run();
        };
        let call = |method: &Ref| {
            let method = method.as_ptr();
            // SAFETY: the GIL is held; an exception on its way survives.
            crate::slots::with_exception_aside(|| unsafe {
                ffi::Py_XDECREF(ffi::PyObject_CallNoArgs(method))
            });
        };
        call(release);
        let result = run();
        call(acquire);
        result
    }

    /// The context of a call, ready for generated code.
    #[inline(always)]
    pub(crate) fn begin(
        &self,
        ctx: &mut MaybeUninit<Ctx>,
        trace: &mut [MaybeUninit<u32>; TRACE],
        host: &Host<'_>,
        hidden: *const u64,
        depth_limit: i64,
    ) -> *mut Ctx {
        let c = ctx.as_mut_ptr();
        // SAFETY: every field that may be read before generated code writes it is set; operands (but
        // the first, which an exit may leave alone) and the trace are written before they are read.
        unsafe {
            (&raw mut (*c).helpers).write(self.helpers);
            (&raw mut (*c).interrupt).write(INTERRUPT.as_ptr());
            (&raw mut (*c).depth_limit).write(depth_limit);
            (&raw mut (*c).objects).write(self.parts.objects.as_ptr());
            (&raw mut (*c).hidden).write(hidden);
            (&raw mut (*c).site).write(0);
            (&raw mut (*c).effects).write(0);
            (&raw mut (*c).operands).cast::<u64>().write(0);
            (&raw mut (*c).trace).write(trace.as_mut_ptr().cast());
            (&raw mut (*c).trace_len).write(0);
            (&raw mut (*c).trace_cap).write(TRACE as u32);
            (&raw mut (*c).host).write((&raw const *host).cast_mut().cast());
        }
        c
    }

    /// Runs the code.
    ///
    /// # Safety
    /// The slots hold what the code's signature says, `ctx` is one of [`Specialization::begin`].
    #[inline(always)]
    pub(crate) unsafe fn enter_code(&self, ctx: *mut Ctx, slots: *const u64, ret: *mut u64) -> i32 {
        // SAFETY: as promised by the caller.
        unsafe { (self.code.entry())(ctx, slots, ret) }
    }

    /// Runs with the lock held or the GIL released; `None`: an exception is set.
    unsafe fn run_guarded(&self, ctx: *mut Ctx, slots: *const u64, ret: *mut u64) -> Option<i32> {
        // SAFETY: as for `enter`; an exception that is pending survives the release of the lock.
        unsafe {
            if let Some([acquire, _]) = &self.parts.lock {
                let taken = ffi::PyObject_CallNoArgs(acquire.as_ptr());
                if taken.is_null() {
                    return None;
                }
                ffi::Py_DECREF(taken);
            }
            let status = if self.parts.nogil {
                let state = ffi::PyEval_SaveThread();
                let status = (self.code.entry())(ctx, slots, ret);
                ffi::PyEval_RestoreThread(state);
                status
            } else {
                (self.code.entry())(ctx, slots, ret)
            };
            if let Some([_, release]) = &self.parts.lock {
                let release = release.as_ptr();
                crate::slots::with_exception_aside(|| ffi::Py_XDECREF(ffi::PyObject_CallNoArgs(release)));
            }
            Some(status)
        }
    }

    #[cold]
    pub(crate) unsafe fn failed(&self, args: Args, ctx: *mut Ctx, status: i32) -> Outcome {
        // SAFETY: generated code has left the context as `failure` expects it.
        match unsafe { failure(self, args, ctx, status) } {
            Failure::Repeat => {
                self.exits.fetch_add(1, Ordering::Relaxed);
                Outcome::Repeat
            }
            Failure::Resumed(result) => {
                self.exits.fetch_add(1, Ordering::Relaxed);
                Outcome::Returned(result)
            }
            Failure::Raised => Outcome::Returned(std::ptr::null_mut()),
        }
    }
}

#[inline]
unsafe fn write_all(plans: &[ArgPlan], args: Args, mut out: *mut u64) -> bool {
    for (i, plan) in plans.iter().enumerate() {
        // SAFETY: the caller has as many objects as plans, and room for their slots.
        unsafe {
            out = plan.write(*args.add(i), out);
        }
        if out.is_null() {
            return false;
        }
    }
    true
}

#[cold]
fn recursion_error() -> *mut PyObject {
    // SAFETY: the GIL is held.
    unsafe {
        ffi::PyErr_SetString(
            ffi::PyExc_RecursionError,
            c"maximum recursion depth exceeded".as_ptr(),
        );
    }
    std::ptr::null_mut()
}
