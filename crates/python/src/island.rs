//! Islands of an artifact as the boundary runs them: Python functions made from the source.

use numlift_driver::{Artifact, IslandSpec, IslandVar};
use numlift_pyrt::count::Counter;
use numlift_pyrt::island::{Form, Island, Variable};
use numlift_pyrt::reference::Ref;
use pyo3::exceptions::PySystemError;
use pyo3::prelude::*;

use crate::env::Answers;

/// Positions, test, coded, parameters, outs: a `Spec` of `numlift._islands`.
type Row = (
    Vec<(u32, u32)>,
    bool,
    bool,
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
    let lost = || PySystemError::new_err("numlift: the source of an island is missing");
    let at = answers.codes.iter().position(|c| c.as_ptr() == function.as_ptr());
    let hir = at.and_then(|i| answers.hirs[i].clone()).ok_or_else(lost)?;
    let module = py.import("numlift._islands")?;
    let rows: Vec<Row> = artifact.islands.iter().map(|s| row(s, &hir.source)).collect();
    let functions: Vec<Bound<'_, PyAny>> = module
        .call_method1("build", (function, hir.source.to_string(), hir.first_line, rows))?
        .extract()?;
    let unbound = module.getattr("UNBOUND")?;
    let made = functions.iter().zip(&artifact.islands).map(|(f, spec)| Island {
        function: Ref::from(f),
        unbound: Ref::from(&unbound),
        params: spec.params.iter().map(variable).collect(),
        outs: spec.outs.iter().map(variable).collect(),
        ret: spec.ret.clone(),
        form: match (spec.test, spec.coded) {
            (true, _) => Form::Test,
            (_, true) => Form::Coded,
            _ => Form::Plain,
        },
        watched: spec.watched,
        line: spec.line,
        counter: Counter::default(),
    });
    Ok(made.collect())
}

fn variable(v: &IslandVar) -> Variable {
    Variable {
        name: v.name.clone(),
        ty: v.ty.clone(),
        maybe: v.maybe,
        annotated: v.annotated,
    }
}

fn row(spec: &IslandSpec, source: &str) -> Row {
    let names = |vars: &[IslandVar]| vars.iter().map(|v| (v.name.clone(), v.sure)).collect();
    let position = |start: u32| {
        let before = source.get(..start as usize).unwrap_or("");
        let line = before.matches('\n').count() as u32 + 1;
        let column = before.len() - before.rfind('\n').map_or(0, |i| i + 1);
        (line, column as u32)
    };
    (
        spec.spans.iter().map(|s| position(s.start)).collect(),
        spec.test,
        spec.coded,
        names(&spec.params),
        names(&spec.outs),
    )
}
