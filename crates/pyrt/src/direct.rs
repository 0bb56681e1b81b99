//! The call that needs nothing but its code: the arguments are floats, ints and arrays, and there are no
//! hidden arguments, no lock and no recursion. It runs without the words of a key, without buffers that may
//! grow and outside `catch_unwind`: nothing on its way can panic, and what can is called through a guard.

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};

use numlift_runtime::Ctx;
use pyo3::ffi::PyObject;

use crate::call::indirect;
use crate::count;
use crate::cpython::{self, Field, VECTORCALL_ARGUMENTS_OFFSET, function_place};
use crate::handlers::Catching;
use crate::helpers::Host;
use crate::object::{Body, Object, guarded};
use crate::plan::RetPlan;
use crate::slots::Held;
use crate::source::{Args, Guard, Source};
use crate::spec::{Outcome, Specialization, TRACE};
use crate::table::Entry;

/// Slots of arguments and of results that it has room for: calls from Python nest, so its frame is small.
pub(crate) const SLOTS: usize = 32;
pub(crate) const RET_SLOTS: usize = 16;

/// A guard that needs no call: a word of memory that holds a pointer.
#[derive(Debug)]
pub(crate) struct Place {
    at: *const *mut PyObject,
    expected: *mut PyObject,
}

impl Place {
    /// The place a guard looks at, if it is known. It is valid as long as the guard.
    pub(crate) fn of(guard: &Guard) -> Option<Place> {
        let Source::Code(f) = &guard.source else {
            return None;
        };
        // SAFETY: the source of a code object is a function.
        let at = unsafe { function_place(f.as_ptr(), Field::Code) }?;
        let expected = guard.expected.as_ref()?.as_ptr();
        Some(Place { at, expected })
    }

    #[inline(always)]
    fn holds(&self) -> bool {
        // SAFETY: the guard keeps the object that the place is in; the GIL is held.
        unsafe { *self.at == self.expected }
    }
}

/// Whether guards hold that have no place.
#[inline(never)]
fn hold(guards: &[Guard]) -> bool {
    catch_unwind(AssertUnwindSafe(|| guards.iter().all(Guard::holds))).unwrap_or(false)
}

/// Calls an entry that is `direct`, or makes the call in the other way if it is not for these arguments. It has
/// the ABI of C because nothing unwinds out of it: so its caller leaves the stack before.
///
/// # Safety
/// The arguments are the parameters of the function as they are; `s` is the code of `entry`, which is one of
/// `body`, which is that of `object`; the GIL is held.
pub(crate) unsafe extern "C" fn call(
    object: &Object,
    args: Args,
    nargsf: usize,
    body: &Body,
    entry: &Entry,
    s: &Specialization,
) -> *mut PyObject {
    let n = nargsf & !VECTORCALL_ARGUMENTS_OFFSET;
    let mut slots = [const { MaybeUninit::<u64>::uninit() }; SLOTS];
    let slots = slots.as_mut_ptr().cast::<u64>();
    // SAFETY: as promised by the caller; a direct entry has one word for each argument, and its slots fit. The
    // context and what it refers to outlive the call of the code.
    unsafe {
        if s.args.len() != n || count::observed() || !holds(s) || !write(s, &entry.words, args, slots) {
            return indirect(object, args, nargsf, std::ptr::null_mut());
        }
        entry.counter.add();
        let mut trace = [const { MaybeUninit::uninit() }; TRACE];
        let mut ret = [const { MaybeUninit::<u64>::uninit() }; RET_SLOTS];
        let ret = ret.as_mut_ptr().cast::<u64>();
        let host = Host {
            spec: s,
            hidden: std::ptr::null_mut(),
            args,
            resumed: Cell::new(std::ptr::null_mut()),
            callers: Cell::new(std::ptr::null_mut()),
            catching: Catching::new(),
        };
        let mut ctx = MaybeUninit::<Ctx>::uninit();
        let ctx = s.begin(&mut ctx, &mut trace, &host, std::ptr::null(), i64::MAX);
        let status = s.enter_code(ctx, slots, ret);
        if status != 0 {
            return failed(s, args, ctx, status, body, nargsf);
        }
        match s.ret {
            RetPlan::None | RetPlan::Bool | RetPlan::Int | RetPlan::Float => s.ret.read(ret),
            RetPlan::Np(_) | RetPlan::Other(_) => guarded(|| s.ret.read(ret)),
        }
    }
}

/// How a call with slots ended.
pub(crate) enum BySlots {
    /// The result's slots are written.
    Done,
    /// The interpreter has finished it: a new reference, or NULL with an exception set.
    Object(*mut PyObject),
    /// It was not made: something is not as the code assumes.
    NotMade,
}

/// Calls an entry that is `direct` with the slots of its arguments; `args` makes the objects, where they are needed.
///
/// # Safety
/// The slots are those of arguments that `entry` is for; `s` is its code, it is one of `body`; the GIL is held.
#[inline]
pub(crate) unsafe fn call_slots(
    body: &Body,
    entry: &Entry,
    s: &Specialization,
    slots: *const u64,
    ret: &mut [MaybeUninit<u64>; RET_SLOTS],
    args: &dyn Fn() -> Option<Held>,
) -> BySlots {
    if count::observed() || !holds(s) {
        return BySlots::NotMade;
    }
    entry.counter.add();
    let mut trace = [const { MaybeUninit::uninit() }; TRACE];
    let host = Host {
        spec: s,
        hidden: std::ptr::null_mut(),
        // the code of a direct entry does not look at them
        args: std::ptr::null(),
        resumed: Cell::new(std::ptr::null_mut()),
        callers: Cell::new(std::ptr::null_mut()),
        catching: Catching::new(),
    };
    let mut ctx = MaybeUninit::<Ctx>::uninit();
    // SAFETY: as promised by the caller; the context and what it refers to outlive the call of the code.
    unsafe {
        let ctx = s.begin(&mut ctx, &mut trace, &host, std::ptr::null(), i64::MAX);
        let status = s.enter_code(ctx, slots, ret.as_mut_ptr().cast());
        if status == 0 {
            return BySlots::Done;
        }
        BySlots::Object(match args() {
            None => std::ptr::null_mut(),
            Some(held) => {
                let all = held.as_slice();
                failed(s, all.as_ptr(), ctx, status, body, all.len())
            }
        })
    }
}

/// Writes the arguments if they have the words.
#[inline(always)]
unsafe fn write(s: &Specialization, words: &[u64], args: Args, mut out: *mut u64) -> bool {
    for (i, (plan, word)) in s.args.iter().zip(words).enumerate() {
        // SAFETY: as for `call`.
        out = unsafe { plan.write_if(*word, *args.add(i), out) };
        if out.is_null() {
            return false;
        }
    }
    true
}

#[inline(always)]
fn holds(s: &Specialization) -> bool {
    s.places.iter().all(Place::holds) && (s.other_guards().is_empty() || hold(s.other_guards()))
}

#[cold]
#[inline(never)]
unsafe fn failed(
    s: &Specialization,
    args: Args,
    ctx: *mut Ctx,
    status: i32,
    body: &Body,
    nargsf: usize,
) -> *mut PyObject {
    // SAFETY: generated code has left the context as `failed` expects it; as for `call`.
    guarded(|| unsafe {
        match s.failed(args, ctx, status) {
            Outcome::Returned(result) => result,
            Outcome::Stale | Outcome::Unfit | Outcome::Repeat => {
                cpython::call(body.function.as_ptr(), args, nargsf, std::ptr::null_mut())
            }
        }
    })
}
