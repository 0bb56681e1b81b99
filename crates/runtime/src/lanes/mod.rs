//! Functions of `math` on many numbers at once, for loops that are vectorised.
//!
//! A kernel is written once, without branches, on one number; the compiler makes vectors of it for what the
//! processor has, and all of them give the same bits. There are two kinds:
//!
//! - *Equal*: the result is the C library's, bit for bit. The kernel has the exact result to about 2^-60 of its size, and
//!   knows how far from it the library's may be. Where all of these round to the same number that is the result; where they
//!   do not, about one time in twenty, and outside of the range it is made for, the library is asked.
//! - *Own*: the result is within one unit in the last place of the exact one, and the same wherever it is computed:
//!   scalar code calls the kernel too.

mod circular;
mod error;
mod exponential;
mod sums;
mod tables;
#[cfg(test)]
mod tests;

use std::ffi::c_void;
use std::sync::OnceLock;

use crate::kernels::libm;

/// One number of a kernel.
trait Kernel {
    /// The result, and whether it is that.
    fn eval(x: f64) -> (f64, bool);
    /// What is asked where it is not.
    fn slow(x: f64) -> f64;
}

/// `(in, out, n)`: arrays that do not overlap.
type Lanes = unsafe extern "C" fn(*const f64, *mut f64, usize);

/// Numbers that are computed together: two vectors, where they are longest, and one for the rest.
const WIDTH: usize = 16;
const REST: usize = 8;

/// Two numbers, as generated code stores them.
#[cfg(target_arch = "x86_64")]
type Pair = std::arch::x86_64::__m128d;
#[cfg(not(target_arch = "x86_64"))]
type Pair = [f64; 2];

/// Loads no more at once than was stored: a wider load would wait until the stores have left the processor, and
/// all that comes before them.
///
/// # Safety
/// `x` points to `N` numbers.
#[inline(always)]
unsafe fn load<const N: usize>(x: *const f64) -> [f64; N] {
    let mut out = [0.0; N];
    for (k, pair) in out.as_chunks_mut::<2>().0.iter_mut().enumerate() {
        // SAFETY: as the caller promises; a pair has the size of two numbers.
        unsafe {
            let both = std::ptr::read_volatile(x.add(2 * k).cast::<Pair>());
            *pair = std::mem::transmute::<Pair, [f64; 2]>(both);
        }
    }
    out
}

/// # Safety
/// `x` points to `n` numbers and `out` to memory for as many, elsewhere.
#[inline(always)]
unsafe fn run<K: Kernel>(x: *const f64, out: *mut f64, n: usize) {
    // SAFETY: as the caller promises.
    unsafe {
        let mut at = 0;
        while n - at >= WIDTH {
            together::<K, WIDTH>(&load(x.add(at)), &mut *out.add(at).cast());
            at += WIDTH;
        }
        if n - at >= REST {
            together::<K, REST>(&load(x.add(at)), &mut *out.add(at).cast());
            at += REST;
        }
        if at < n {
            let (mut padded, mut results) = ([1.0; REST], [0.0; REST]);
            padded[..n - at].copy_from_slice(std::slice::from_raw_parts(x.add(at), n - at));
            together::<K, REST>(&padded, &mut results);
            std::slice::from_raw_parts_mut(out.add(at), n - at).copy_from_slice(&results[..n - at]);
        }
    }
}

#[inline(always)]
fn together<K: Kernel, const N: usize>(x: &[f64; N], out: &mut [f64; N]) {
    let mut unsure = [0u64; N];
    let mut any = 0;
    for i in 0..N {
        let (y, sure) = K::eval(x[i]);
        out[i] = y;
        unsure[i] = u64::from(!sure);
        any |= unsure[i];
    }
    if any != 0 {
        for i in 0..N {
            if unsure[i] != 0 {
                out[i] = K::slow(x[i]);
            }
        }
    }
}

unsafe extern "C" fn baseline<K: Kernel>(x: *const f64, out: *mut f64, n: usize) {
    // SAFETY: as the caller promises.
    unsafe { run::<K>(x, out, n) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,bmi1,bmi2")]
unsafe extern "C" fn avx2<K: Kernel>(x: *const f64, out: *mut f64, n: usize) {
    // SAFETY: as the caller promises.
    unsafe { run::<K>(x, out, n) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw,avx2,fma,bmi1,bmi2")]
unsafe extern "C" fn avx512<K: Kernel>(x: *const f64, out: *mut f64, n: usize) {
    // SAFETY: as the caller promises.
    unsafe { run::<K>(x, out, n) }
}

/// One number, for scalar code.
extern "C" fn scalar<K: Kernel>(x: f64) -> f64 {
    match K::eval(x) {
        (y, true) => y,
        _ => K::slow(x),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "fma")]
unsafe extern "C" fn scalar_fused<K: Kernel>(x: f64) -> f64 {
    match K::eval(x) {
        (y, true) => y,
        _ => K::slow(x),
    }
}

/// The scalar function for this processor.
fn one<K: Kernel>() -> *const c_void {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("fma") {
        return scalar_fused::<K> as *const c_void;
    }
    scalar::<K> as *const c_void
}

/// Without fused multiplication in hardware the library is faster.
#[cfg(target_arch = "x86_64")]
unsafe extern "C" fn one_by_one<K: Kernel>(x: *const f64, out: *mut f64, n: usize) {
    for i in 0..n {
        // SAFETY: as the caller promises.
        unsafe { *out.add(i) = K::slow(*x.add(i)) };
    }
}

/// What this processor may run, the best first.
fn levels<K: Kernel>() -> Vec<Lanes> {
    let mut out: Vec<Lanes> = vec![];
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected as has;
        let fused = has!("avx2") && has!("fma") && has!("bmi1") && has!("bmi2");
        if fused && has!("avx512f") && has!("avx512dq") && has!("avx512vl") && has!("avx512bw") {
            out.push(avx512::<K>);
        }
        if fused {
            out.push(avx2::<K>);
        }
        out.push(one_by_one::<K>);
    }
    out.push(baseline::<K>);
    out
}

/// A function of the C library of these numbers.
macro_rules! library {
    ($name:literal, $($x:expr),*) => {{
        static ADDRESS: OnceLock<usize> = OnceLock::new();
        let address = *ADDRESS.get_or_init(|| libm($name) as usize);
        // SAFETY: the function has these parameters and this result; no address is `None`.
        let f: Option<extern "C" fn($(library!(@number $x)),*) -> f64> = unsafe { std::mem::transmute(address) };
        f.map_or(f64::NAN, |f| f($($x),*))
    }};
    (@number $x:expr) => { f64 };
}

/// A kernel whose results are the C library's.
macro_rules! equal {
    ($($kernel:ident = $eval:path, |$x:ident| $name:literal $(, $more:literal)?;)*) => { $(
        struct $kernel;

        impl Kernel for $kernel {
            #[inline(always)]
            fn eval(x: f64) -> (f64, bool) {
                $eval(x)
            }

            #[inline(never)]
            fn slow($x: f64) -> f64 {
                library!($name, $x $(, $more)?)
            }
        }
    )* };
}

/// A kernel whose results are its own: scalar code calls it too.
macro_rules! own {
    ($($kernel:ident = $eval:path;)*) => { $(
        struct $kernel;

        impl Kernel for $kernel {
            #[inline(always)]
            fn eval(x: f64) -> (f64, bool) {
                ($eval(x), true)
            }

            fn slow(x: f64) -> f64 {
                $eval(x)
            }
        }
    )* };
}

equal! {
    Exp = exponential::exp, |x| "exp";
    Log = exponential::log, |x| "log";
    Square = exponential::square, |x| "pow", 2.0;
    Sin = circular::sin, |x| "sin";
    Cos = circular::cos, |x| "cos";
}

own! {
    Erf = error::erf;
}

fn best<K: Kernel>() -> *const c_void {
    levels::<K>()[0] as *const c_void
}

/// The address of a helper of this module, for this processor.
pub(crate) fn address(name: &str) -> Option<*const c_void> {
    Some(match name {
        "exp_lanes" => best::<Exp>(),
        "log_lanes" => best::<Log>(),
        "square_lanes" => best::<Square>(),
        "sin_lanes" => best::<Sin>(),
        "cos_lanes" => best::<Cos>(),
        "erf_lanes" => best::<Erf>(),
        "erf" => one::<Erf>(),
        "square" => one::<Square>(),
        _ => return None,
    })
}
