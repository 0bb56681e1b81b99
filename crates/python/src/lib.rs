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
mod inner;
mod report;
mod ufunc;

use pyo3::prelude::*;

#[pymodule]
fn _core(m: &Bound<'_, PyModule>) -> PyResult<()> {
    numlift_pyrt::init(m.py())?;
    m.add("__version__", env!("CARGO_PKG_VERSION"))?;
    m.add_function(wrap_pyfunction!(list_builtins, m)?)?;
    m.add_function(wrap_pyfunction!(library_rows, m)?)?;
    m.add_function(wrap_pyfunction!(compile::set_internal_errors_fatal, m)?)?;
    m.add_class::<numlift_pyrt::left::Left>()?;
    m.add_function(wrap_pyfunction!(numlift_pyrt::left::aside, m)?)?;
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
    let functions = numlift_builtins::functions().map(|b| b.path.to_owned());
    let methods = numlift_builtins::methods().map(|b| format!("ndarray.{}", b.name()));
    let numbers = numlift_builtins::number_methods().map(|b| format!("number.{}", b.path));
    functions.chain(methods).chain(numbers).collect()
}

/// Path, signature, arguments to test with, and whether the result may share memory with an argument, of each function
/// that is called by signature and rule.
type LibraryRow = (String, &'static str, &'static [&'static str], bool);

/// The rows of functions that are called by signature and rule, for the tests.
#[pyfunction]
fn library_rows() -> Vec<LibraryRow> {
    let row = |path: String, b: &'static numlift_builtins::Builtin| {
        (!b.cases.is_empty()).then(|| (path, b.signature, b.cases, b.rule.is_view()))
    };
    let functions = numlift_builtins::functions().filter_map(|b| row(b.path.to_owned(), b));
    let methods = numlift_builtins::methods().filter_map(|b| row(format!("ndarray.{}", b.name()), b));
    functions.chain(methods).collect()
}
