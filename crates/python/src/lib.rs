//! The `numlift._core` extension module.

mod aot;
mod cache;
mod callback;
mod cli;
mod compile;
mod counting;
mod dispatcher;
mod env;
mod explain;
mod feedback;
mod image;
mod report;
mod ufunc;

use pyo3::prelude::*;

#[pymodule]
fn _core(m: &Bound<'_, PyModule>) -> PyResult<()> {
    numlift_pyrt::init(m.py())?;
    m.add("__version__", env!("CARGO_PKG_VERSION"))?;
    m.add_function(wrap_pyfunction!(list_builtins, m)?)?;
    m.add_function(wrap_pyfunction!(compile::set_internal_errors_fatal, m)?)?;
    aot::add_to(m)?;
    cache::add_to(m)?;
    callback::add_to(m)?;
    cli::add_to(m)?;
    explain::add_to(m)?;
    report::add_to(m)?;
    dispatcher::add_to(m)
}

/// Canonical paths of the supported functions; methods of arrays start with `ndarray.`, those of
/// numbers with `number.`.
#[pyfunction]
fn list_builtins() -> Vec<String> {
    let functions = numlift_builtins::BUILTINS.iter().map(|b| b.path.to_owned());
    let methods = numlift_builtins::METHODS
        .iter()
        .map(|b| format!("ndarray.{}", b.path));
    let numbers = numlift_builtins::NUMBER_METHODS
        .iter()
        .map(|b| format!("number.{}", b.path));
    functions.chain(methods).chain(numbers).collect()
}
