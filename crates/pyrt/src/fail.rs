//! What a failed native call becomes: the interpreter's exception, or a repeat.

use numlift_runtime::{Ctx, ExitReason, SiteKind};
use pyo3::ffi::PyObject;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::helpers::Host;
use crate::resume::Operands;
use crate::source::Args;
use crate::spec::Specialization;
use crate::value;

/// Outcome of a failed call.
#[derive(Debug)]
pub enum Failure {
    /// No effect was done: the interpreter repeats the call.
    Repeat,
    /// The interpreter went on from a statement: the result of the call, or NULL with an exception set.
    Resumed(*mut PyObject),
    /// An exception is set.
    Raised,
}

/// Reads what the call left in its context.
///
/// # Safety
/// Generated code of `spec` has returned `status` with this context; the GIL is held.
pub unsafe fn failure(spec: &Specialization, args: Args, ctx: *mut Ctx, status: i32) -> Failure {
    // SAFETY: the GIL is held.
    unsafe {
        Python::attach_unchecked(|py| {
            let pending = if status == 2 { PyErr::take(py) } else { None };
            if let Some(result) = resumed(py, spec, args, ctx) {
                return Failure::Resumed(match result {
                    Ok(o) => o.into_ptr(),
                    Err(e) => {
                        e.restore(py);
                        std::ptr::null_mut()
                    }
                });
            }
            let error = match build(py, spec, ctx, pending) {
                Ok(None) => return Failure::Repeat,
                Ok(Some(e)) | Err(e) => e,
            };
            error.restore(py);
            Failure::Raised
        })
    }
}

/// Goes on in the interpreter, if the call has left at a point where that is possible and has had an effect.
unsafe fn resumed<'py>(
    py: Python<'py>,
    spec: &Specialization,
    args: Args,
    ctx: *mut Ctx,
) -> Option<PyResult<Bound<'py, PyAny>>> {
    // SAFETY: a failure sets the site; the boundary has set the rest before.
    unsafe {
        let done = (*(*ctx).host.cast::<Host<'_>>()).resumed.get();
        if !done.is_null() {
            return Some(Ok(Bound::from_owned_ptr(py, done)));
        }
        let SiteKind::Resume { point, .. } = spec.sites().get((*ctx).site as usize)?.kind else {
            return None;
        };
        let effects = (*ctx).effects != 0 || (*ctx).operands[0] & 1 != 0;
        let resume = spec.parts().resume.as_ref()?;
        (effects && (*ctx).trace_len == 0).then(|| {
            let at = (&raw const (*ctx).operands).cast::<u64>().add(1);
            resume.run(py, point, Operands::owned(at), ctx, args, &[])
        })
    }
}

unsafe fn build(
    py: Python<'_>,
    spec: &Specialization,
    ctx: *mut Ctx,
    pending: Option<PyErr>,
) -> PyResult<Option<PyErr>> {
    let wrong = |text: &'static str| Err(pyo3::exceptions::PySystemError::new_err(text));
    // SAFETY: a failure sets the site; the trace is as generated code has left it.
    let (site_id, trace) = unsafe { ((*ctx).site, (*ctx).take_trace()) };
    let Some(site) = spec.sites().get(site_id as usize) else {
        return wrong("numlift: a failure without a site");
    };
    let module = crate::support::module(py, "_errors")?;
    let frames = PyList::empty(py);
    // the code of an island has a frame of its own
    let own_frame =
        matches!(site.kind, SiteKind::Island) && pending.as_ref().is_some_and(|e| e.traceback(py).is_some());
    for s in std::iter::once(&site_id).filter(|_| !own_frame).chain(&trace) {
        if let Some(s) = spec.sites().get(*s as usize)
            && s.line > 0
            && let Some(f) = spec.frames().get(s.frame as usize)
        {
            frames.append((&f.file, &f.name, f.first_line, s.line))?;
        }
    }
    let exc = match (&site.kind, pending) {
        (_, Some(e)) => e.into_value(py).into_any(),
        // a boxed call that gave an int outside 64 bits leaves no exception
        (SiteKind::Exit(_) | SiteKind::Resume { .. } | SiteKind::Helper | SiteKind::Island, None) => {
            let reason = match site.kind {
                SiteKind::Exit(reason) | SiteKind::Resume { reason, .. } => reason,
                SiteKind::Island => ExitReason::Changed,
                _ => ExitReason::Overflow,
            };
            // SAFETY: the boundary has set the effects and the first operand before the call.
            if unsafe { (*ctx).effects == 0 && (*ctx).operands[0] & 1 == 0 } {
                return Ok(None);
            }
            let file = spec.frames().get(site.frame as usize).map(|f| f.file.clone());
            let args = (reason.name(), file, site.line);
            module.call_method1("exit_error", args)?.unbind()
        }
        (SiteKind::Replay { expr, operands }, None) => {
            let mut values = vec![];
            let mut at = 0;
            for t in operands {
                // SAFETY: the site recorded operands of these types; a new reference, or NULL with an
                // exception set.
                unsafe {
                    let o = value::boxed(t, (&raw const (*ctx).operands).cast::<u64>().add(at));
                    values.push(Bound::from_owned_ptr_or_err(py, o)?);
                }
                at += value::slots(t);
            }
            let args = (expr, PyTuple::new(py, values)?);
            module.call_method1("replay", args)?.unbind()
        }
        (
            SiteKind::Raise {
                exc,
                args,
                cause_none,
            },
            None,
        ) => {
            let args = (exc, args.clone(), *cause_none);
            module.call_method1("make", args)?.unbind()
        }
        (SiteKind::Call, None) => {
            return wrong("numlift: a helper failed without an exception");
        }
    };
    let exc = module.call_method1("with_traceback", (exc, frames))?;
    Ok(Some(PyErr::from_value(exc)))
}
