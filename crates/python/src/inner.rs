//! Plain functions that islands call: they are compiled with the options of the function around.

use numlift_driver::Options;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// What compiles such a function.
///
/// # Errors
/// If the package cannot be imported.
pub fn of<'py>(py: Python<'py>, options: &Options, nogil: bool, cache: bool) -> PyResult<Bound<'py, PyAny>> {
    let chosen = PyDict::new(py);
    let overflow = if options.overflow_wrap { "wrap" } else { "raise" };
    chosen.set_item("overflow", overflow)?;
    chosen.set_item("fastmath", options.fastmath)?;
    chosen.set_item("boundscheck", !options.trust_indices)?;
    chosen.set_item("nogil", nogil)?;
    chosen.set_item("cache", cache)?;
    let make = py.import("numlift._decorator")?.getattr("inner")?;
    let partial = py.import("functools")?.getattr("partial")?;
    partial.call((make,), Some(&chosen))
}
