//! Draws from NumPy's bit generators, with the algorithms of `RandomState`: the same stream, bit for bit.

use std::ffi::c_void;

/// `bitgen_t` (numpy/random/bitgen.h)
#[repr(C)]
struct Bitgen {
    state: *mut c_void,
    next_uint64: unsafe extern "C" fn(*mut c_void) -> u64,
    next_uint32: unsafe extern "C" fn(*mut c_void) -> u32,
    next_double: unsafe extern "C" fn(*mut c_void) -> f64,
    next_raw: unsafe extern "C" fn(*mut c_void) -> u64,
}

/// `aug_bitgen_t` (legacy-distributions.h): where `RandomState` keeps the second normal of a pair.
#[repr(C)]
struct Augmented {
    bitgen: *mut Bitgen,
    has_gauss: i32,
    gauss: f64,
}

/// A double in [0, 1).
pub(crate) extern "C" fn bitgen_double(g: *mut c_void) -> f64 {
    // SAFETY: the address is the bit generator's own, whose lock the dispatcher holds.
    unsafe {
        let g = &*g.cast::<Bitgen>();
        (g.next_double)(g.state)
    }
}

/// A draw in `0..=range` by masked rejection, as `RandomState.randint` does for 64 and 32 bits.
pub(crate) extern "C" fn bitgen_masked(g: *mut c_void, range: i64) -> i64 {
    let range = range as u64;
    if range == 0 {
        return 0;
    }
    let mask = u64::MAX >> range.leading_zeros();
    // SAFETY: as for `bitgen_double`.
    let g = unsafe { &*g.cast::<Bitgen>() };
    loop {
        // SAFETY: as for `bitgen_double`.
        let v = unsafe {
            if range <= u64::from(u32::MAX) {
                u64::from((g.next_uint32)(g.state)) & mask
            } else {
                (g.next_uint64)(g.state) & mask
            }
        };
        if v <= range {
            return v as i64;
        }
    }
}

/// A draw in `0..=range` for dtypes of 16, 8 and 1 bits: 32 bits are drawn and used up piece by piece.
pub(crate) extern "C" fn bitgen_narrow(g: *mut c_void, range: i64, bits: i64) -> i64 {
    let range = range as u32;
    if range == 0 {
        return 0;
    }
    let mask = u32::MAX >> range.leading_zeros();
    // SAFETY: as for `bitgen_double`.
    let g = unsafe { &*g.cast::<Bitgen>() };
    loop {
        // SAFETY: as for `bitgen_double`.
        let mut word = unsafe { (g.next_uint32)(g.state) };
        for _ in 0..32 / bits {
            let v = word & mask;
            if v <= range {
                return i64::from(v);
            }
            word >>= bits;
        }
    }
}

/// A standard normal by the polar method (`legacy_gauss`); every second one was kept.
pub(crate) extern "C" fn legacy_gauss(g: *mut c_void) -> f64 {
    // SAFETY: the address is that of the global generator's `_aug_state`, whose lock the dispatcher holds.
    let g = unsafe { &mut *g.cast::<Augmented>() };
    if g.has_gauss != 0 {
        g.has_gauss = 0;
        return std::mem::replace(&mut g.gauss, 0.0);
    }
    loop {
        let x1 = 2.0 * bitgen_double(g.bitgen.cast()) - 1.0;
        let x2 = 2.0 * bitgen_double(g.bitgen.cast()) - 1.0;
        let r2 = x1 * x1 + x2 * x2;
        if r2 < 1.0 && r2 != 0.0 {
            let f = (-2.0 * crate::kernels::log(r2) / r2).sqrt();
            g.gauss = f * x1;
            g.has_gauss = 1;
            return f * x2;
        }
    }
}

/// A standard exponential (`legacy_standard_exponential`).
pub(crate) extern "C" fn legacy_exponential(g: *mut c_void) -> f64 {
    -crate::kernels::log(1.0 - bitgen_double(g))
}

/// Offset of the `aug_bitgen_t` in a `RandomState` object of `words` machine words whose bit generator
/// is `bitgen`: it holds the address of a copy of the generator's interface inside the same object.
///
/// # Safety
/// `object` has `words` readable words, `bitgen` is a `bitgen_t`.
pub unsafe fn find_augmented(object: *const usize, words: usize, bitgen: *const c_void) -> Option<usize> {
    const INTERFACE: usize = size_of::<Bitgen>() / size_of::<usize>();
    const STATE: usize = size_of::<Augmented>() / size_of::<usize>();
    // SAFETY: all reads are below `words`, and of the interface.
    unsafe {
        let wanted = std::slice::from_raw_parts(bitgen.cast::<usize>(), INTERFACE);
        let have = std::slice::from_raw_parts(object, words);
        let copy = have.windows(INTERFACE).position(|w| w == wanted)?;
        let address = object.add(copy) as usize;
        let at = have.iter().position(|&w| w == address)?;
        (at + STATE <= words).then_some(at * size_of::<usize>())
    }
}
