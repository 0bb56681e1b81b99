//! Calls of helpers with bits instead of machine arguments, for interpreters of generated code.
//!
//! Only helpers that are functions of numbers can be called this way, and those that store their
//! result through a last parameter, which they get a place for.

use std::ffi::c_void;

use crate::helpers::{self, HelperId, HelperSig, HelperType};
use crate::kernels;

/// Helpers whose last parameter is the address of 8 bytes for a result.
const STORES: &[&str] = &["int_pow", "lcm", "perm", "comb", "float_frexp"];

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

    /// Whether a helper may store 8 bytes through its last parameter.
    pub fn stores(helper: HelperId) -> bool {
        STORES.contains(&helpers::sig(helper).name)
    }

    /// Calls a helper with the bits of its arguments; the last one of those that store is `out` instead.
    /// Gives the bits of the result (f32 in the low half, 0 if there is none); `None` if it cannot be
    /// called this way.
    pub fn call(&self, helper: HelperId, args: &[u64], out: &mut u64) -> Option<u64> {
        let sig = helpers::sig(helper);
        let stores = Kernels::stores(helper);
        let callable = !sig.ctx && !sig.fallible && (sig.pure_fn || stores);
        if !callable || args.len() != sig.params.len() {
            return None;
        }
        let address = *self.addresses.get(usize::from(helper.0))?;
        if !stores {
            return call(address, sig, args);
        }
        let mut args = args.to_vec();
        *args.last_mut()? = std::ptr::from_mut(out) as u64;
        call(address, sig, &args)
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
    fn every_pure_helper_without_a_context_can_be_called() {
        let kernels = Kernels::load();
        for h in helpers::all().filter(|h| h.pure_fn && !h.ctx) {
            let args: Vec<u64> = h.params.iter().map(|_| 1).collect();
            let result = kernels.call(find(h.name), &args, &mut 0);
            assert!(result.is_some(), "{}", h.name);
        }
        assert_eq!(kernels.call(find("py_decref"), &[0], &mut 0), None);
        assert_eq!(kernels.call(find("exp"), &[], &mut 0), None);
    }

    #[test]
    fn results_and_places_for_them() {
        let kernels = Kernels::load();
        let mut out = 7;
        let mut value = |name: &str, args: &[u64]| (kernels.call(find(name), args, &mut out), out);
        let [x, y] = [2.5f64, -3.0].map(f64::to_bits);
        assert_eq!(value("pow", &[x, y]).0, Some(0.064f64.to_bits()));
        assert_eq!(value("gcd", &[12, -18i64 as u64]).0, Some(6));
        let f = |x: f32| u64::from(x.to_bits());
        assert_eq!(value("powf", &[f(3.0), f(2.0)]).0, Some(f(9.0)));
        assert_eq!(value("int_pow", &[3, 40, 0]), (Some(1), 7));
        assert_eq!(value("int_pow", &[3, 4, 0]), (Some(0), 81));
        assert_eq!(value("float_frexp", &[x, 0]), (Some(0.625f64.to_bits()), 2));
    }
}
