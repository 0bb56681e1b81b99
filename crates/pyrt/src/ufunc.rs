//! NumPy's universal functions: where their inner loops are.

use pyo3::ffi;
use pyo3::prelude::*;

/// Inner loop and data of a ufunc for a types string, from `PyUFuncObject`.
pub fn address(o: &Bound<'_, PyAny>, types: &str) -> Option<(usize, usize)> {
    /// `PyUFuncObject`, up to `types`
    #[repr(C)]
    struct Ufunc {
        head: ffi::PyObject,
        nin: i32,
        nout: i32,
        nargs: i32,
        identity: i32,
        functions: *const usize,
        data: *const usize,
        ntypes: i32,
        reserved1: i32,
        name: *const u8,
        types: *const u8,
    }
    let all: Vec<String> = o.getattr("types").and_then(|t| t.extract()).ok()?;
    let i = all.iter().position(|t| t == types)?;
    // SAFETY: the caller passes a ufunc; `functions` and `data` have `ntypes` entries, as `types` has.
    unsafe {
        let u = &*o.as_ptr().cast::<Ufunc>();
        if i >= u.ntypes as usize {
            return None;
        }
        let data = if u.data.is_null() { 0 } else { *u.data.add(i) };
        Some((*u.functions.add(i), data))
    }
}

/// Types of all loops of a ufunc that is not NumPy's own; `None` for other objects.
pub(crate) fn foreign_loops(o: &Bound<'_, PyAny>) -> Option<Vec<String>> {
    let numpy = o.py().import("numpy").ok()?;
    if !o.is_exact_instance(&numpy.getattr("ufunc").ok()?) {
        return None;
    }
    let name: String = o.getattr("__name__").ok()?.extract().ok()?;
    let own = numpy.getattr(name).is_ok_and(|n| n.is(o));
    match own {
        true => None,
        false => o.getattr("types").ok()?.extract().ok(),
    }
}
