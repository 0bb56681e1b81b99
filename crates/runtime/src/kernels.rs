//! The helpers of [`crate::helpers::KERNELS`] and the addresses of the C library's functions.

use std::ffi::{CString, c_char, c_void};
use std::sync::OnceLock;

use crate::helpers::{KERNELS, LIBM1, LIBM2};
use crate::{Ctx, elementwise, floats, foreign, integers, lanes, random, reduce, selection};

extern "C" fn trace(ctx: *mut Ctx, site: i64) {
    // SAFETY: generated code passes the context of its call; `trace` has `trace_cap` entries.
    unsafe {
        (*ctx).push_trace(site as u32);
    }
}

type UfuncLoop = unsafe extern "C" fn(*mut *mut c_char, *const isize, *const isize, *mut c_void);

/// Runs a NumPy inner loop on one element; operand `k` is at `args + 16 * k`. `shape` has the number
/// of operands, of inputs, the sizes of the first input and of a result in its bytes.
extern "C" fn ufunc(f: i64, data: i64, args: i64, shape: i64) {
    let mut pointers = [std::ptr::null_mut::<c_char>(); 8];
    let [n, inputs, first, result, ..] = shape.to_le_bytes().map(usize::from);
    let n = n.min(pointers.len());
    for (k, p) in pointers[..n].iter_mut().enumerate() {
        *p = (args as usize + 16 * k) as *mut c_char;
    }
    // Loops choose their code by the strides: `power` looks whether the exponent is one number, complex
    // products are fused where the first operand is not. These give what NumPy gives for scalars.
    let mut strides = [0isize; 8];
    strides[0] = first as isize;
    for s in strides.iter_mut().take(n).skip(inputs) {
        *s = result as isize;
    }
    // SAFETY: `f` is the address of an inner loop of a ufunc with `n` operands and `data` its data
    // pointer (both from the ufunc object); each operand has 16 bytes of its own.
    unsafe {
        let f: UfuncLoop = std::mem::transmute(f as usize);
        f(
            pointers.as_mut_ptr(),
            &1isize,
            strides.as_ptr(),
            data as *mut c_void,
        );
    }
}

/// Runs a NumPy inner loop on a line of elements. Of each operand, inputs first, `area` has the address and the stride.
extern "C" fn ufunc_line(f: i64, data: i64, area: *const [isize; 2], count: i64, n: i64) {
    let mut pointers = [std::ptr::null_mut::<c_char>(); 8];
    let mut strides = [0isize; 8];
    for k in 0..(count as usize).min(8) {
        // SAFETY: generated code passes an area of `count` pairs.
        let [address, stride] = unsafe { *area.add(k) };
        pointers[k] = address as *mut c_char;
        strides[k] = stride;
    }
    let n = n as isize;
    // SAFETY: `f` is the address of an inner loop of a ufunc with `count` operands and `data` its data pointer (both from the
    // ufunc object); each operand has `n` elements with its stride.
    unsafe {
        let f: UfuncLoop = std::mem::transmute(f as usize);
        f(pointers.as_mut_ptr(), &n, strides.as_ptr(), data as *mut c_void);
    }
}

extern "C" fn py_hypot(a: f64, b: f64) -> f64 {
    crate::hypot::py_hypot(a, b)
}

/// The C library's own function: linking by name would find Rust's copies of some of them.
pub(crate) fn libm(name: &str) -> *const c_void {
    let Ok(symbol) = CString::new(name) else {
        return std::ptr::null();
    };
    // SAFETY: both calls take NUL-terminated strings; the library stays loaded.
    unsafe {
        let lib = libc::dlopen(c"libm.so.6".as_ptr(), libc::RTLD_LAZY);
        libc::dlsym(
            if lib.is_null() { libc::RTLD_DEFAULT } else { lib },
            symbol.as_ptr(),
        )
    }
}

/// The C library's `log`, the one that NumPy's generators call.
pub(crate) fn log(x: f64) -> f64 {
    static LOG: OnceLock<Option<extern "C" fn(f64) -> f64>> = OnceLock::new();
    let found = LOG.get_or_init(|| {
        let address = libm("log");
        // SAFETY: `log` of the C library has this signature.
        (!address.is_null()).then(|| unsafe { std::mem::transmute(address) })
    });
    found.map_or_else(|| x.ln(), |f| f(x))
}

fn kernel(name: &str) -> *const c_void {
    match name {
        "trace" => trace as *const c_void,
        "ufunc" => ufunc as *const c_void,
        "ufunc_line" => ufunc_line as *const c_void,
        "elementwise" => elementwise::elementwise as *const c_void,
        "elementwise_back" => elementwise::elementwise_back as *const c_void,
        "mask_count" => selection::mask_count as *const c_void,
        "mask_take" => selection::mask_take as *const c_void,
        "mask_put" => selection::mask_put as *const c_void,
        "reduce" => reduce::reduce as *const c_void,
        "reduce_axis" => reduce::reduce_axis as *const c_void,
        "py_hypot" => py_hypot as *const c_void,
        "float_floordiv" => floats::float_floordiv as *const c_void,
        "float_mod" => floats::float_mod as *const c_void,
        "np_floordiv" => floats::np_floordiv as *const c_void,
        "np_mod" => floats::np_mod as *const c_void,
        "float_ldexp" => floats::float_ldexp as *const c_void,
        "float_frexp" => floats::float_frexp as *const c_void,
        "float_ulp" => floats::float_ulp as *const c_void,
        "float_round" => floats::float_round as *const c_void,
        "int_pow" => integers::int_pow as *const c_void,
        "np_int_pow" => integers::np_int_pow as *const c_void,
        "gcd" => integers::gcd as *const c_void,
        "lcm" => integers::lcm as *const c_void,
        "perm" => integers::perm as *const c_void,
        "comb" => integers::comb as *const c_void,
        "isqrt" => integers::isqrt as *const c_void,
        "pow_mod" => integers::pow_mod as *const c_void,
        "bitgen_double" => random::bitgen_double as *const c_void,
        "bitgen_masked" => random::bitgen_masked as *const c_void,
        "bitgen_narrow" => random::bitgen_narrow as *const c_void,
        "legacy_gauss" => random::legacy_gauss as *const c_void,
        "legacy_exponential" => random::legacy_exponential as *const c_void,
        "c_call_int" => foreign::c_call_int as *const c_void,
        "c_call_double" => foreign::c_call_double as *const c_void,
        "c_call_float" => foreign::c_call_float as *const c_void,
        other => lanes::address(other).unwrap_or_else(|| libm(other)),
    }
}

/// Addresses of the helpers up to those of `pyrt`, in table order.
pub fn addresses() -> Vec<*const c_void> {
    let c = LIBM1.iter().chain(LIBM2).map(|h| libm(h.name));
    c.chain(KERNELS.iter().map(|h| kernel(h.name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_helper_has_an_address() {
        for (h, a) in LIBM1.iter().chain(LIBM2).chain(KERNELS).zip(addresses()) {
            assert!(!a.is_null(), "{}", h.name);
        }
    }
}
