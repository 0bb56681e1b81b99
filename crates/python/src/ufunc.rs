//! NumPy's universal functions: which loop they run for given operands, and where it is.

use numlift_pyrt::numpy;
use numlift_types::Scalar;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// Types of the loop for operands of these families, by NumPy's own resolution.
pub fn resolve(ufunc: &Bound<'_, PyAny>, operands: &[Scalar]) -> Option<String> {
    let py = ufunc.py();
    let known: Vec<String> = ufunc.getattr("types").and_then(|t| t.extract()).ok()?;
    let outputs: usize = ufunc.getattr("nout").and_then(|n| n.extract()).ok()?;
    let attempt = |weak: bool| -> PyResult<String> {
        let mut args = vec![];
        for s in operands {
            args.push(match s {
                Scalar::PyInt if weak => py.get_type::<pyo3::types::PyInt>().into_any(),
                Scalar::PyFloat => py.get_type::<pyo3::types::PyFloat>().into_any(),
                Scalar::PyComplex => py.get_type::<pyo3::types::PyComplex>().into_any(),
                s => numpy::dtype(py, s.dtype())?,
            });
        }
        args.extend(std::iter::repeat_n(py.None().into_bound(py), outputs));
        let found = ufunc.call_method1("resolve_dtypes", (PyTuple::new(py, args)?,))?;
        let codes: PyResult<Vec<char>> = found.try_iter()?.map(|d| d?.getattr("char")?.extract()).collect();
        let codes = codes?;
        let (ins, outs) = codes.split_at(operands.len().min(codes.len()));
        Ok(ins.iter().chain(&['-', '>']).chain(outs).collect())
    };
    let mut types = attempt(true).ok()?;
    if types.contains('O') {
        // Python ints that meet no dtype are compared as objects: as int64 they are
        types = attempt(false).ok()?;
    }
    // float16 that is only looked at (`signbit`): float32 holds it
    if types.split("->").nth(1).is_some_and(|outs| !outs.contains('e')) {
        types = types.replace('e', "f");
    }
    let other_names = || types.replace('l', "q").replace('L', "Q");
    [types.clone(), other_names()]
        .into_iter()
        .find(|t| known.contains(t))
}

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
