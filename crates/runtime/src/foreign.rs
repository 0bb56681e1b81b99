//! Calls of C functions whose signature is known when the code is compiled.
//!
//! Integers and addresses go into one row of registers, floating-point numbers into another, each in order, so one call with
//! all registers of both rows serves every function that takes its arguments in registers: what it does not read it does not see.

use std::ffi::c_void;

use numlift_types::CFunction;

const WORDS: usize = CFunction::MAX_WORDS;
const FLOATS: usize = CFunction::MAX_FLOATS;

type Call<R> =
    unsafe extern "C" fn(u64, u64, u64, u64, u64, u64, f64, f64, f64, f64, f64, f64, f64, f64) -> R;

unsafe fn call<R>(f: *const c_void, words: *const u64) -> R {
    // SAFETY: the caller has an array of all words, and a function that takes no more than registers and gives an R.
    unsafe {
        let f = std::mem::transmute::<*const c_void, Call<R>>(f);
        let w: [u64; WORDS] = *words.cast();
        let x: [f64; FLOATS] = *words.add(WORDS).cast();
        f(
            w[0], w[1], w[2], w[3], w[4], w[5], x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7],
        )
    }
}

/// # Safety
/// As for [`call`].
pub(crate) unsafe extern "C" fn c_call_int(f: *const c_void, words: *const u64) -> i64 {
    // SAFETY: as promised by the caller.
    unsafe { call(f, words) }
}

/// # Safety
/// As for [`call`].
pub(crate) unsafe extern "C" fn c_call_double(f: *const c_void, words: *const u64) -> f64 {
    // SAFETY: as promised by the caller.
    unsafe { call(f, words) }
}

/// # Safety
/// As for [`call`].
pub(crate) unsafe extern "C" fn c_call_float(f: *const c_void, words: *const u64) -> f32 {
    // SAFETY: as promised by the caller.
    unsafe { call(f, words) }
}
