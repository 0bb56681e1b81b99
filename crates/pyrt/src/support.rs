//! The Python modules that calls need: those of the package, or what a compiled module carries of them.

use std::sync::OnceLock;

use pyo3::prelude::*;

/// Finds a module of the package by its name in it, such as `_errors`.
pub type Finder = for<'py> fn(Python<'py>, &str) -> PyResult<Bound<'py, PyAny>>;

static FINDER: OnceLock<Finder> = OnceLock::new();

/// Where the modules are found, if not in the installed package. The first call counts.
pub fn set_finder(finder: Finder) {
    FINDER.get_or_init(|| finder);
}

/// A module of the package.
///
/// # Errors
/// If it cannot be imported.
pub fn module<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    match FINDER.get() {
        Some(finder) => finder(py, name),
        None => Ok(py.import(format!("numlift.{name}"))?.into_any()),
    }
}
