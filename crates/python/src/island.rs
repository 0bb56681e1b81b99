//! Islands of an artifact as the boundary runs them: Python functions made from the source.

use std::sync::Arc;

use numlift_driver::{Artifact, IslandForm, IslandSpec, ResumePoint};
use numlift_pyrt::count::Counter;
use numlift_pyrt::island::{Form, Island};
use numlift_pyrt::reference::Ref;
use numlift_pyrt::resume::{Point, Resume};
use numlift_runtime::IslandVar;
use numlift_syntax::hir::Function;
use pyo3::exceptions::PySystemError;
use pyo3::prelude::*;

use crate::env::Answers;

/// Positions, form, parameters, outs: a `Spec` of `numlift._islands`.
type Row = (
    Vec<(u32, u32)>,
    &'static str,
    Vec<(String, bool)>,
    Vec<(String, bool)>,
);

/// Makes the functions of all islands.
///
/// # Errors
/// What compiling them raises; `SystemError` for an inconsistency.
pub fn load(function: &Bound<'_, PyAny>, artifact: &Artifact, answers: &Answers) -> PyResult<Vec<Island>> {
    if artifact.islands.is_empty() {
        return Ok(vec![]);
    }
    let py = function.py();
    let hir = hir_of(function, answers)?;
    let module = py.import("numlift._islands")?;
    let rows: Vec<Row> = artifact.islands.iter().map(|s| row(s, &hir.source)).collect();
    let functions: Vec<Bound<'_, PyAny>> = module
        .call_method1("build", (function, hir.source.to_string(), hir.first_line, rows))?
        .extract()?;
    let unbound = module.getattr("UNBOUND")?;
    let made = functions.iter().zip(&artifact.islands).map(|(f, spec)| Island {
        function: Ref::from(f),
        unbound: Ref::from(&unbound),
        params: spec.params.clone(),
        outs: spec.outs.clone(),
        ret: spec.ret.clone(),
        form: form(spec.form).0,
        watched: spec.watched,
        resume: spec.resume,
        unbinds: spec.unbinds.clone(),
        line: spec.line,
        counter: Counter::default(),
    });
    Ok(made.collect())
}

fn hir_of(function: &Bound<'_, PyAny>, answers: &Answers) -> PyResult<Arc<Function>> {
    let at = answers.codes.iter().position(|c| c.as_ptr() == function.as_ptr());
    let hir = at.and_then(|i| answers.hirs[i].clone());
    hir.ok_or_else(|| PySystemError::new_err("numlift: the source of a function is missing"))
}

/// Where exits of an artifact go on.
///
/// # Errors
/// `SystemError` for an inconsistency.
pub fn resume(
    function: &Bound<'_, PyAny>,
    artifact: &Artifact,
    answers: &Answers,
) -> PyResult<Option<Resume>> {
    if artifact.points.is_empty() {
        return Ok(None);
    }
    let hir = hir_of(function, answers)?;
    let point = |p: &ResumePoint| Point {
        at: position(&hir.source, p.span.start),
        behind: p.behind,
        vars: p.vars.clone(),
        loops: p
            .loops
            .iter()
            .map(|(span, items, types)| (position(&hir.source, span.start), items.clone(), types.clone()))
            .collect(),
    };
    Ok(Some(Resume {
        function: Ref::from(function),
        source: hir.source.to_string(),
        first_line: hir.first_line,
        points: artifact.points.iter().map(point).collect(),
    }))
}

/// Line and column of an offset in a function's source.
fn position(source: &str, start: u32) -> (u32, u32) {
    let before = source.get(..start as usize).unwrap_or("");
    let line = before.matches('\n').count() as u32 + 1;
    let column = before.len() - before.rfind('\n').map_or(0, |i| i + 1);
    (line, column as u32)
}

/// The form of an island for the boundary and for `numlift._islands`.
fn form(form: IslandForm) -> (Form, &'static str) {
    match form {
        IslandForm::Test => (Form::Test, "test"),
        IslandForm::Plain => (Form::Plain, "plain"),
        IslandForm::Coded => (Form::Coded, "coded"),
        IslandForm::Iter => (Form::Plain, "iter"),
        IslandForm::Next => (Form::Next, "next"),
        IslandForm::Drop => (Form::Drop, "drop"),
    }
}

fn row(spec: &IslandSpec, source: &str) -> Row {
    let names = |vars: &[IslandVar]| vars.iter().map(|v| (v.name.clone(), v.sure)).collect();
    (
        spec.spans.iter().map(|s| position(source, s.start)).collect(),
        form(spec.form).1,
        names(&spec.params),
        names(&spec.outs),
    )
}
