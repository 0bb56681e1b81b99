//! What a failed native call becomes: the interpreter's exception, or a repeat.

use numlift_pyrt::value;
use numlift_runtime::{Ctx, ExitReason, SiteKind};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::run::Specialization;

/// Outcome of a failed call.
pub enum Failure {
    /// No effect was done: the interpreter repeats the call.
    Repeat,
    Error(PyErr),
}

/// Reads what the call left in its context.
pub fn failure(py: Python<'_>, spec: &Specialization, ctx: &Ctx, status: i32, trace: &[u32]) -> Failure {
    let pending = if status == 2 { PyErr::take(py) } else { None };
    match build(py, spec, ctx, trace, pending) {
        Ok(Some(e)) => Failure::Error(e),
        Ok(None) => Failure::Repeat,
        Err(e) => Failure::Error(e),
    }
}

fn build(
    py: Python<'_>,
    spec: &Specialization,
    ctx: &Ctx,
    trace: &[u32],
    pending: Option<PyErr>,
) -> PyResult<Option<PyErr>> {
    let Some(site) = spec.artifact.sites.get(ctx.site as usize) else {
        return Err(pyo3::exceptions::PySystemError::new_err(
            "numlift: a failure without a site",
        ));
    };
    let module = py.import("numlift._errors")?;
    let frames = PyList::empty(py);
    for s in std::iter::once(&ctx.site).chain(trace.iter()) {
        if let Some(s) = spec.artifact.sites.get(*s as usize)
            && let Some(f) = spec.artifact.frames.get(s.frame as usize)
        {
            frames.append((&f.file, &f.name, f.first_line, s.line))?;
        }
    }
    let exc = match (&site.kind, pending) {
        (_, Some(e)) => e.into_value(py).into_any(),
        // a boxed call that gave an int outside 64 bits leaves no exception
        (SiteKind::Exit(_) | SiteKind::Helper, None) => {
            let reason = match site.kind {
                SiteKind::Exit(reason) => reason,
                _ => ExitReason::Overflow,
            };
            if ctx.effects == 0 && ctx.operands[0] & 1 == 0 {
                return Ok(None);
            }
            let file = spec
                .artifact
                .frames
                .get(site.frame as usize)
                .map(|f| f.file.clone());
            module
                .call_method1("exit_error", (reason.name(), file, site.line))?
                .unbind()
        }
        (SiteKind::Replay { expr, operands }, None) => {
            let mut values = vec![];
            let mut at = 0;
            for t in operands {
                // SAFETY: the site recorded operands of these types; the GIL is held.
                let o = unsafe { value::boxed(t, ctx.operands.as_ptr().add(at)) };
                at += value::slots(t);
                // SAFETY: a new reference, or NULL with an exception set.
                values.push(unsafe { Bound::from_owned_ptr_or_err(py, o)? });
            }
            module
                .call_method1("replay", (expr, PyTuple::new(py, values)?))?
                .unbind()
        }
        (
            SiteKind::Raise {
                exc,
                args,
                cause_none,
            },
            None,
        ) => module
            .call_method1("make", (exc, args.clone(), *cause_none))?
            .unbind(),
        (SiteKind::Call, None) => {
            return Err(pyo3::exceptions::PySystemError::new_err(
                "numlift: a helper failed without an exception",
            ));
        }
    };
    let exc = module.call_method1("with_traceback", (exc, frames))?;
    Ok(Some(PyErr::from_value(exc)))
}
