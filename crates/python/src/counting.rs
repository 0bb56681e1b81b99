//! Copies of functions that count their lines, while somebody observes.

use numlift_pyrt::count;
use numlift_pyrt::feedback::Watch;
use numlift_pyrt::lines::Counted;
use numlift_syntax::hir::Function;
use pyo3::prelude::*;

/// What the interpreter runs of a function while its lines are counted, with the reports of a watch, and what
/// compiles the rest of it; `None` if they are not.
///
/// # Errors
/// What compiling its code raises.
pub fn copy_of<'py>(
    function: &Bound<'py, PyAny>,
    hir: Option<&Function>,
    watch: Option<&Watch<'py>>,
    make: &Bound<'py, PyAny>,
) -> PyResult<Option<Counted>> {
    if !count::observed() {
        return Ok(None);
    }
    let py = function.py();
    let code = function.getattr("__code__")?;
    let first_line: u32 = code.getattr("co_firstlineno")?.extract()?;
    let source = hir.map(|f| &f.source[..]);
    let n = match source {
        Some(text) => text.lines().count(),
        None => py
            .import("numlift._source")?
            .call_method1("lines", (&code,))?
            .extract()?,
    };
    Counted::new(py, n, |meter| {
        let args = (function, source, first_line, watch.map(Watch::row), make, meter);
        py.import("numlift._counting")?.call_method1("counted", args)
    })
}
