//! The import of a compiled module.

use std::sync::OnceLock;

use numlift_pyrt::payload::Payload;
use numlift_pyrt::{cpu, support};
use pyo3::exceptions::{PyImportError, PySystemError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyModule};

use crate::{dispatch, locate};

/// Modules of the package that calls need, and the one that runs the source.
const SOURCES: [(&str, &str); 9] = [
    ("_cells", include_str!("../../../python/numlift/_cells.py")),
    ("_errors", include_str!("../../../python/numlift/_errors.py")),
    ("_inner", include_str!("../../../python/numlift/_inner.py")),
    ("_islands", include_str!("../../../python/numlift/_islands.py")),
    ("_managers", include_str!("../../../python/numlift/_managers.py")),
    ("_reports", include_str!("../../../python/numlift/_reports.py")),
    ("_resume", include_str!("../../../python/numlift/_resume.py")),
    ("_source", include_str!("../../../python/numlift/_source.py")),
    ("types", include_str!("../../../python/numlift/types.py")),
];
const AOT: &str = include_str!("../../../python/numlift/_aot.py");

/// The object that makes these modules.
static CARRIED: OnceLock<Py<PyAny>> = OnceLock::new();

fn finder<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    let Some(carried) = CARRIED.get() else {
        return Err(PySystemError::new_err("numlift: a call before the import"));
    };
    carried.bind(py).call_method1("module", (name,))
}

/// Fills the module that is being imported.
///
/// # Errors
/// `ImportError` if the file, the processor or the interpreter is not the right one; what the source raises.
pub fn fill(module: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = module.py();
    let refuse = |text: String| PyImportError::new_err(format!("{}: {text}", name_of(module)));
    let payload = locate::payload().map_err(|d| refuse(d.text().into()))?;
    if !cpu::interpreter_is_main() {
        return Err(refuse(
            "compiled modules work in the main interpreter only".into(),
        ));
    }
    let missing: Vec<&str> = cpu::missing(&payload.features).collect();
    if !missing.is_empty() {
        return Err(refuse(format!(
            "it was compiled for a processor with {}, which this one has not; compile it with --cpu baseline",
            missing.join(", ")
        )));
    }
    numlift_pyrt::init(py)?;
    support::set_finder(finder);
    run(module, payload)
}

fn name_of(module: &Bound<'_, PyAny>) -> String {
    module
        .getattr("__name__")
        .map_or(String::new(), |n| n.to_string())
}

fn run(module: &Bound<'_, PyAny>, payload: &'static Payload) -> PyResult<()> {
    let py = module.py();
    let aot = PyModule::new(py, "numlift._aot")?;
    let scope = aot.dict();
    scope.set_item("__builtins__", py.import("builtins")?)?;
    let code = py
        .import("builtins")?
        .call_method1("compile", (AOT, "<numlift._aot>", "exec"))?;
    py.import("builtins")?.call_method1("exec", (code, &scope))?;
    let sources = PyDict::new(py);
    for (name, text) in SOURCES {
        sources.set_item(name, text)?;
    }
    let carried = aot.getattr("Carried")?.call1((sources, dispatch::native(py)?))?;
    let carried = CARRIED.get_or_init(|| carried.unbind());
    let file = format!("{}/{}", file_of(module), payload.file);
    aot.getattr("start")?
        .call1((carried.bind(py), module, &payload.source, file))?;
    Ok(())
}

/// The module's own file, which is the directory of its source in tracebacks: there can be no such path.
fn file_of(module: &Bound<'_, PyAny>) -> String {
    let file = module.getattr("__file__").and_then(|f| f.extract::<String>());
    file.unwrap_or_else(|_| format!("<{}>", name_of(module)))
}
