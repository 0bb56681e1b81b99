//! Functions that are compiled with the options of another one: plain functions that its islands call, and the rests
//! that its first call goes on with.

use numlift_driver::Options;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// What compiles a plain function.
///
/// # Errors
/// If the package cannot be imported.
pub fn of<'py>(py: Python<'py>, options: &Options, nogil: bool, cache: bool) -> PyResult<Bound<'py, PyAny>> {
    with_options(py, "inner", options, nogil, cache)
}

/// What compiles the rest of a function.
///
/// # Errors
/// If the package cannot be imported.
pub fn of_rest<'py>(py: Python<'py>, options: &Options, nogil: bool) -> PyResult<Bound<'py, PyAny>> {
    with_options(py, "rest", options, nogil, false)
}

fn with_options<'py>(
    py: Python<'py>,
    make: &str,
    options: &Options,
    nogil: bool,
    cache: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let chosen = PyDict::new(py);
    let overflow = if options.overflow_wrap { "wrap" } else { "raise" };
    chosen.set_item("overflow", overflow)?;
    chosen.set_item("fastmath", options.fastmath)?;
    chosen.set_item("boundscheck", !options.trust_indices)?;
    chosen.set_item("nogil", nogil)?;
    chosen.set_item("cache", cache)?;
    let make = py.import("numlift._decorator")?.getattr(make)?;
    let partial = py.import("functools")?.getattr("partial")?;
    partial.call((make,), Some(&chosen))
}
