//! NumPy's universal functions: which loop they run for given operands.

use numlift_pyrt::numpy;
use numlift_types::Scalar;
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
