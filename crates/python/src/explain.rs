//! Diagnostics for the command line: their codes and pages, and how they are printed. The processor, for `info`.

use numlift_diagnostics::{Diagnostic, codes, render};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Adds the functions of this file to the module.
pub fn add_to(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(list_codes, m)?)?;
    m.add_function(wrap_pyfunction!(code_page, m)?)?;
    m.add_function(wrap_pyfunction!(render_diagnostics, m)?)?;
    m.add_function(wrap_pyfunction!(cpu_features, m)?)
}

/// (code, title, summary) of every diagnostic code, in order.
#[pyfunction]
fn list_codes() -> Vec<(&'static str, &'static str, &'static str)> {
    codes::ALL.iter().map(|c| (c.code, c.title, c.summary)).collect()
}

/// The page of a code, as Markdown.
#[pyfunction]
fn code_page(code: &str) -> Option<&'static str> {
    codes::find(code).map(|info| info.page)
}

/// Code, message, file, line, column, length, help, source line.
type Row = (String, String, String, u32, u32, u32, Option<String>, String);

fn diagnostic((code, message, file, line, column, length, help, source_line): Row) -> PyResult<Diagnostic> {
    let info = codes::find(&code).ok_or_else(|| PyValueError::new_err(format!("no code {code}")))?;
    Ok(Diagnostic {
        code: info.code,
        message,
        help: help.or_else(|| Some(info.help.to_owned())),
        file,
        line,
        column,
        length,
        source_line,
    })
}

/// The diagnostics as `text`, `json` or `github`.
#[pyfunction]
#[pyo3(signature = (rows, format, *, colour))]
fn render_diagnostics(rows: Vec<Row>, format: &str, colour: bool) -> PyResult<String> {
    let all: Vec<Diagnostic> = rows.into_iter().map(diagnostic).collect::<PyResult<_>>()?;
    let each = |f: &dyn Fn(&Diagnostic) -> String, between: &str| {
        let texts: Vec<String> = all.iter().map(f).collect();
        texts.join(between)
    };
    Ok(match format {
        "text" => each(&|d| render::linter(d, colour), "\n"),
        "github" => each(&render::github, "\n"),
        "json" => render::json_all(&all),
        other => return Err(PyValueError::new_err(format!("no format {other}"))),
    })
}

macro_rules! detected {
    ($($feature:tt)*) => {
        vec![$(($feature, std::arch::is_x86_feature_detected!($feature))),*]
    };
}

/// Names of the processor's features that compiled code or kernels could use.
#[pyfunction]
fn cpu_features() -> Vec<&'static str> {
    #[cfg(target_arch = "x86_64")]
    let found = detected![
        "sse3" "ssse3" "sse4.1" "sse4.2" "popcnt" "lzcnt" "bmi1" "bmi2" "fma" "avx" "avx2" "avx512f" "avx512dq"
        "avx512bw" "avx512vl"
    ];
    #[cfg(not(target_arch = "x86_64"))]
    let found: Vec<(&'static str, bool)> = vec![];
    found
        .into_iter()
        .filter_map(|(name, present)| present.then_some(name))
        .collect()
}
