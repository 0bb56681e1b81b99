//! The helpers of [`crate::helpers::KERNELS`] and the addresses of the C library's functions.

use std::ffi::{CString, c_char, c_void};

use crate::Ctx;
use crate::helpers::{KERNELS, LIBM1, LIBM2};

extern "C" fn trace(ctx: *mut Ctx, site: i64) {
    // SAFETY: generated code passes the context of its call; `trace` has `trace_cap` entries.
    unsafe {
        let c = &mut *ctx;
        if c.trace_len < c.trace_cap {
            *c.trace.add(c.trace_len as usize) = site as u32;
            c.trace_len += 1;
        }
    }
}

type UfuncLoop = unsafe extern "C" fn(*mut *mut c_char, *const isize, *const isize, *mut c_void);

/// Runs a NumPy inner loop on one element; operand `k` is at `args + 16 * k`.
extern "C" fn ufunc(f: i64, data: i64, args: i64, n: i64) {
    let mut pointers = [std::ptr::null_mut::<c_char>(); 8];
    let n = (n as usize).min(pointers.len());
    for (k, p) in pointers[..n].iter_mut().enumerate() {
        *p = (args as usize + 16 * k) as *mut c_char;
    }
    let strides = [16isize; 8];
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

/// CPython's `float_divmod`: quotient and remainder for a nonzero divisor.
fn py_divmod(vx: f64, wx: f64) -> (f64, f64) {
    let mut m = fmod(vx, wx);
    let mut div = (vx - m) / wx;
    if m != 0.0 {
        if (wx < 0.0) != (m < 0.0) {
            m += wx;
            div -= 1.0;
        }
    } else {
        m = 0f64.copysign(wx);
    }
    let floor = if div != 0.0 {
        let f = div.floor();
        if div - f > 0.5 { f + 1.0 } else { f }
    } else {
        0f64.copysign(vx / wx)
    };
    (floor, m)
}

fn fmod(x: f64, y: f64) -> f64 {
    x % y
}

extern "C" fn float_floordiv(a: f64, b: f64) -> f64 {
    py_divmod(a, b).0
}

extern "C" fn float_mod(a: f64, b: f64) -> f64 {
    let m = fmod(a, b);
    if m != 0.0 {
        if (b < 0.0) != (m < 0.0) { m + b } else { m }
    } else {
        0f64.copysign(b)
    }
}

extern "C" fn np_floordiv(a: f64, b: f64) -> f64 {
    if b == 0.0 { a / b } else { py_divmod(a, b).0 }
}

extern "C" fn np_mod(a: f64, b: f64) -> f64 {
    if b == 0.0 { fmod(a, b) } else { float_mod(a, b) }
}

extern "C" fn int_pow(base: i64, exp: i64, out: *mut i64) -> i64 {
    let mut result = 1i64;
    let (mut base, mut exp) = (Some(base), exp);
    while exp > 0 {
        if exp & 1 == 1 {
            match base.and_then(|b| result.checked_mul(b)) {
                Some(r) => result = r,
                None => return 1,
            }
        }
        exp >>= 1;
        if exp > 0 {
            base = base.and_then(|b| b.checked_mul(b));
        }
    }
    // SAFETY: generated code passes the address of an 8-byte stack slot.
    unsafe { *out = result };
    0
}

extern "C" fn np_int_pow(base: i64, exp: i64) -> i64 {
    let (mut result, mut base, mut exp) = (1i64, base, exp as u64);
    while exp > 0 {
        if exp & 1 == 1 {
            result = result.wrapping_mul(base);
        }
        base = base.wrapping_mul(base);
        exp >>= 1;
    }
    result
}

extern "C" fn float_round_half_even(x: f64) -> f64 {
    x.round_ties_even()
}

/// `_Py_c_quot` (Smith's method) for a nonzero divisor.
extern "C" fn complex_div(ar: f64, ai: f64, br: f64, bi: f64, out: *mut f64) {
    let (re, im) = if br.abs() >= bi.abs() {
        let ratio = bi / br;
        let denom = br + bi * ratio;
        ((ar + ai * ratio) / denom, (ai - ar * ratio) / denom)
    } else if bi.abs() >= br.abs() {
        let ratio = br / bi;
        let denom = br * ratio + bi;
        ((ar * ratio + ai) / denom, (ai * ratio - ar) / denom)
    } else {
        (f64::NAN, f64::NAN)
    };
    // SAFETY: generated code passes the address of a 16-byte stack slot.
    unsafe {
        *out = re;
        *out.add(1) = im;
    }
}

extern "C" fn np_complex_div(ar: f64, ai: f64, br: f64, bi: f64, out: *mut f64) {
    if br == 0.0 && bi == 0.0 {
        // SAFETY: as for `complex_div`.
        unsafe {
            *out = ar / br.abs();
            *out.add(1) = ai / br.abs();
        }
    } else {
        complex_div(ar, ai, br, bi, out);
    }
}

/// NumPy's `bitgen_t` (numpy/random/bitgen.h).
#[repr(C)]
struct Bitgen {
    state: *mut c_void,
    next_uint64: unsafe extern "C" fn(*mut c_void) -> u64,
    next_uint32: unsafe extern "C" fn(*mut c_void) -> u32,
    next_double: unsafe extern "C" fn(*mut c_void) -> f64,
    next_raw: unsafe extern "C" fn(*mut c_void) -> u64,
}

extern "C" fn bitgen_double(g: *mut Bitgen) -> f64 {
    // SAFETY: the address is the bit generator's own, whose lock the dispatcher holds.
    unsafe { ((*g).next_double)((*g).state) }
}

/// A draw in `0..=rng` by masked rejection, as `RandomState.randint` does for int64.
extern "C" fn bitgen_masked(g: *mut Bitgen, rng: i64) -> i64 {
    let rng = rng as u64;
    if rng == 0 {
        return 0;
    }
    let mask = u64::MAX >> rng.leading_zeros();
    // SAFETY: as for `bitgen_double`.
    unsafe {
        loop {
            let v = if rng <= u64::from(u32::MAX) {
                u64::from(((*g).next_uint32)((*g).state)) & mask
            } else {
                ((*g).next_uint64)((*g).state) & mask
            };
            if v <= rng {
                return v as i64;
            }
        }
    }
}

extern "C" fn gcd(a: i64, b: i64) -> i64 {
    let (mut a, mut b) = (a.unsigned_abs(), b.unsigned_abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a as i64
}

extern "C" fn py_hypot(a: f64, b: f64) -> f64 {
    crate::hypot::py_hypot(a, b)
}

/// The C library's own function: linking by name would find Rust's copies of some of them.
fn libm(name: &str) -> *const c_void {
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

fn kernel(name: &str) -> *const c_void {
    match name {
        "trace" => trace as *const c_void,
        "ufunc" => ufunc as *const c_void,
        "float_floordiv" => float_floordiv as *const c_void,
        "float_mod" => float_mod as *const c_void,
        "np_floordiv" => np_floordiv as *const c_void,
        "np_mod" => np_mod as *const c_void,
        "int_pow" => int_pow as *const c_void,
        "np_int_pow" => np_int_pow as *const c_void,
        "float_round_half_even" => float_round_half_even as *const c_void,
        "complex_div" => complex_div as *const c_void,
        "np_complex_div" => np_complex_div as *const c_void,
        "bitgen_double" => bitgen_double as *const c_void,
        "bitgen_masked" => bitgen_masked as *const c_void,
        "gcd" => gcd as *const c_void,
        "py_hypot" => py_hypot as *const c_void,
        other => libm(other),
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

    #[test]
    fn division_follows_python() {
        assert_eq!(float_floordiv(-7.0, 2.0), -4.0);
        assert_eq!(float_mod(-7.0, 2.0), 1.0);
        assert!(float_mod(4.0, -2.0).is_sign_negative());
    }

    #[test]
    fn integer_power_reports_overflow() {
        let mut out = 0;
        assert_eq!(
            (int_pow(3, 39, &raw mut out), out),
            (0, 4_052_555_153_018_976_267)
        );
        assert_eq!(int_pow(3, 40, &raw mut out), 1);
        assert_eq!((int_pow(-1, i64::MAX, &raw mut out), out), (0, -1));
        assert_eq!((int_pow(-2, 63, &raw mut out), out), (0, i64::MIN));
    }
}
