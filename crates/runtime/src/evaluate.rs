//! Calls of helpers with bits instead of machine arguments, for interpreters of generated code.
//!
//! Only helpers that are functions of numbers can be called this way, and those that store their
//! result through a last parameter, which they get a place for.

use std::ffi::c_void;

use crate::helpers::{self, HelperId, HelperSig, HelperType};
use crate::kernels;

/// Helpers whose last parameter is an address for a result, and the bytes stored there.
const OUT: &[(&str, usize)] = &[("int_pow", 8), ("complex_div", 16), ("np_complex_div", 16)];

/// What a helper gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Returned {
    /// Bits of the result; f32 in the low half, 0 if there is none.
    pub value: u64,
    /// What was stored through the last parameter.
    pub out: Option<Vec<u8>>,
}

/// The addresses of the helpers that this crate provides.
#[derive(Clone, Debug)]
pub struct Kernels {
    addresses: Vec<*const c_void>,
}

impl Kernels {
    pub fn load() -> Kernels {
        Kernels {
            addresses: kernels::addresses(),
        }
    }

    /// Calls a helper with the bits of its arguments; `None` if it cannot be called this way.
    pub fn call(&self, helper: HelperId, args: &[u64]) -> Option<Returned> {
        let sig = helpers::sig(helper);
        let out = OUT.iter().find(|(name, _)| *name == sig.name).map(|o| o.1);
        let callable = !sig.ctx && !sig.fallible && (sig.pure_fn || out.is_some());
        if !callable || args.len() != sig.params.len() {
            return None;
        }
        let address = *self.addresses.get(usize::from(helper.0))?;
        let Some(bytes) = out else {
            let value = call(address, sig, args)?;
            return Some(Returned { value, out: None });
        };
        let mut place = [0u64; 2];
        let mut args = args.to_vec();
        *args.last_mut()? = place.as_mut_ptr() as u64;
        let value = call(address, sig, &args)?;
        let stored = place.iter().flat_map(|w| w.to_le_bytes()).take(bytes);
        Some(Returned {
            value,
            out: Some(stored.collect()),
        })
    }
}

/// A call with the arguments `$i` of class integer and `$f` of class float, giving `$ret`.
macro_rules! native {
    ($address:ident, $ret:ty, [$($i:expr),*], [$($f:expr),*]) => {{
        // SAFETY: `address` is the helper's, whose row of the table has these parameters and this result
        // (one without a result leaves the register as it is). The calling conventions of
        // x86-64 and AArch64 number integer and float arguments apart, so their order among
        // each other does not matter.
        unsafe {
            let f: extern "C" fn($(native!(@int $i),)* $(native!(@float $f),)*) -> $ret =
                std::mem::transmute($address);
            f($($i,)* $($f,)*)
        }
    }};
    (@int $e:expr) => { i64 };
    (@float $e:expr) => { f64 };
}

/// Every number of integers up to 3 with every number of floats up to 4.
macro_rules! by_shape {
    ($address:ident, $ret:ty, $i:ident, $f:ident) => {
        match ($i.len(), $f.len()) {
            (0, 1) => native!($address, $ret, [], [$f[0]]),
            (0, 2) => native!($address, $ret, [], [$f[0], $f[1]]),
            (0, 3) => native!($address, $ret, [], [$f[0], $f[1], $f[2]]),
            (0, 4) => native!($address, $ret, [], [$f[0], $f[1], $f[2], $f[3]]),
            (1, 0) => native!($address, $ret, [$i[0]], []),
            (1, 1) => native!($address, $ret, [$i[0]], [$f[0]]),
            (1, 2) => native!($address, $ret, [$i[0]], [$f[0], $f[1]]),
            (1, 3) => native!($address, $ret, [$i[0]], [$f[0], $f[1], $f[2]]),
            (1, 4) => native!($address, $ret, [$i[0]], [$f[0], $f[1], $f[2], $f[3]]),
            (2, 0) => native!($address, $ret, [$i[0], $i[1]], []),
            (2, 1) => native!($address, $ret, [$i[0], $i[1]], [$f[0]]),
            (2, 2) => native!($address, $ret, [$i[0], $i[1]], [$f[0], $f[1]]),
            (3, 0) => native!($address, $ret, [$i[0], $i[1], $i[2]], []),
            _ => return None,
        }
    };
}

fn call(address: *const c_void, sig: &HelperSig, args: &[u64]) -> Option<u64> {
    if sig.params.contains(&HelperType::F32) || sig.ret == Some(HelperType::F32) {
        return call_f32(address, sig, args);
    }
    let (mut ints, mut floats) = (vec![], vec![]);
    for (ty, &x) in sig.params.iter().zip(args) {
        match ty {
            HelperType::F64 => floats.push(f64::from_bits(x)),
            HelperType::I32 | HelperType::I64 | HelperType::F32 => ints.push(x as i64),
        }
    }
    Some(match sig.ret {
        Some(HelperType::F64) => by_shape!(address, f64, ints, floats).to_bits(),
        _ => by_shape!(address, i64, ints, floats) as u64,
    })
}

fn call_f32(address: *const c_void, sig: &HelperSig, args: &[u64]) -> Option<u64> {
    const F32: HelperType = HelperType::F32;
    let x = |i: usize| f32::from_bits(args[i] as u32);
    let result = match (sig.params, sig.ret) {
        ([F32], Some(F32)) => {
            // SAFETY: the row of the table has this parameter and result.
            let f: extern "C" fn(f32) -> f32 = unsafe { std::mem::transmute(address) };
            f(x(0))
        }
        ([F32, F32], Some(F32)) => {
            // SAFETY: the row of the table has these parameters and this result.
            let f: extern "C" fn(f32, f32) -> f32 = unsafe { std::mem::transmute(address) };
            f(x(0), x(1))
        }
        _ => return None,
    };
    Some(u64::from(result.to_bits()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(name: &str) -> HelperId {
        helpers::find(name).unwrap_or_else(|| panic!("{name}"))
    }

    #[test]
    fn every_pure_helper_can_be_called() {
        let kernels = Kernels::load();
        for h in helpers::all().filter(|h| h.pure_fn) {
            let args: Vec<u64> = h.params.iter().map(|_| 1).collect();
            assert!(kernels.call(find(h.name), &args).is_some(), "{}", h.name);
        }
        assert_eq!(kernels.call(find("py_decref"), &[0]), None);
        assert_eq!(kernels.call(find("exp"), &[]), None);
    }

    #[test]
    fn results_and_places_for_them() {
        let kernels = Kernels::load();
        let value = |name: &str, args: &[u64]| kernels.call(find(name), args).map(|r| r.value);
        let [x, y] = [2.5f64, -3.0].map(f64::to_bits);
        assert_eq!(value("pow", &[x, y]), Some(0.064f64.to_bits()));
        assert_eq!(value("gcd", &[12, -18i64 as u64]), Some(6));
        let f = |x: f32| u64::from(x.to_bits());
        assert_eq!(value("powf", &[f(3.0), f(2.0)]), Some(f(9.0)));
        let power = kernels.call(find("int_pow"), &[3, 4, 0]);
        assert_eq!(power.and_then(|r| r.out), Some(81i64.to_le_bytes().to_vec()));
        let [one, zero] = [1.0f64, 0.0].map(f64::to_bits);
        let quotient = kernels.call(find("complex_div"), &[one, one, one, zero, 0]);
        let both = [1.0f64.to_le_bytes(), 1.0f64.to_le_bytes()].concat();
        assert_eq!(quotient.and_then(|r| r.out), Some(both));
    }
}
