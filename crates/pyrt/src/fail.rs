//! What a failed native call becomes: the interpreter's exception, or a repeat, or the rest of the call.

use numlift_runtime::{Ctx, SiteKind};
use numlift_types::Type;
use pyo3::ffi::PyObject;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::helpers::Host;
use crate::resume::{Env, Found, Operands, Owned, Prepared};
use crate::source::Args;
use crate::spec::Specialization;
use crate::{unbox, value};

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

/// What the site of an exit has recorded, or that of a call of a function that has exited.
#[derive(Debug)]
pub(crate) struct Caller {
    site: u32,
    /// Its place in the trace; of the exit itself 0.
    depth: usize,
    slots: Vec<u64>,
}

/// Operands of a site that the interpreter may go on from, if it is one.
fn recorded(kind: &SiteKind) -> Option<(Option<u32>, &[Type])> {
    match kind {
        SiteKind::Resume { point, operands, .. } => Some((Some(*point), operands)),
        SiteKind::Frame { point, operands } => Some((*point, operands)),
        _ => None,
    }
}

/// Keeps what a site has recorded, if generated code has exited.
///
/// # Safety
/// Generated code is on its way out with this context; `at` are the operands of the site; the GIL is held.
pub(crate) unsafe fn note_caller(host: &Host<'_>, ctx: *mut Ctx, site: i64, at: *const u64) {
    let sites = host.spec.sites();
    let Some((_, types)) = sites.get(site as usize).and_then(|s| recorded(&s.kind)) else {
        return;
    };
    // SAFETY: the first operand is the effects flag; the list is that of this call.
    unsafe {
        let exited = sites.get((*ctx).site as usize);
        let exited = exited.is_some_and(|s| matches!(s.kind, SiteKind::Exit(_) | SiteKind::Resume { .. }));
        if !exited {
            return;
        }
        let mut end = at.add(1);
        for t in types {
            unbox::retain(t, end);
            end = end.add(value::slots(t));
        }
        if host.callers.get().is_null() {
            host.callers.set(Box::into_raw(Box::default()));
        }
        let n = end.offset_from(at) as usize;
        (*host.callers.get()).push(Caller {
            site: site as u32,
            depth: match (*ctx).site == site as u32 {
                true => 0,
                false => (*ctx).trace_len as usize,
            },
            slots: std::slice::from_raw_parts(at, n).to_vec(),
        });
    }
}

/// What an exit has left, taken from the context.
struct Exited<'a> {
    spec: &'a Specialization,
    site: u32,
    effects: bool,
    /// The first operand of the exit and what follows it.
    first: *const u64,
    callers: Vec<Caller>,
    frames: usize,
}

impl Exited<'_> {
    /// # Safety
    /// Generated code has left the context; the GIL is held.
    unsafe fn of<'a>(spec: &'a Specialization, ctx: *mut Ctx) -> Exited<'a> {
        // SAFETY: a failure sets the site; the boundary has set the rest before. The list is a box of ours.
        unsafe {
            let host = &*(*ctx).host.cast::<Host<'_>>();
            let callers = host.callers.replace(std::ptr::null_mut());
            Exited {
                spec,
                site: (*ctx).site,
                effects: (*ctx).effects != 0 || (*ctx).operands[0] & 1 != 0,
                first: (&raw const (*ctx).operands).cast(),
                callers: match callers.is_null() {
                    true => vec![],
                    false => *Box::from_raw(callers),
                },
                frames: (*ctx).trace_len as usize,
            }
        }
    }

    fn kind(&self, site: u32) -> Option<&SiteKind> {
        self.spec.sites().get(site as usize).map(|s| &s.kind)
    }

    /// The rest of the call; `None` if there is a function on the way that cannot be taken up.
    unsafe fn rest<'py>(&self, py: Python<'py>, env: Env) -> Option<PyResult<Prepared<'py>>> {
        let resume = self.spec.parts().resume.as_ref()?;
        let mut rest: Option<Prepared<'py>> = None;
        for depth in 0..=self.frames {
            let (site, first) = match self.callers.iter().find(|c| c.depth == depth) {
                Some(c) => (c.site, c.slots.as_ptr()),
                // what it has recorded holds no references and is in the context
                None if depth == 0 => (self.site, self.first),
                // it has had no effect
                None if rest.is_none() => continue,
                None => return None,
            };
            // SAFETY: the first operand of an exit and of a caller is its effects flag.
            let begun = unsafe { *first & 1 != 0 };
            if rest.is_none() && !begun {
                continue;
            }
            let (point, _) = recorded(self.kind(site)?)?;
            // SAFETY: the operands are those of the site.
            let made = unsafe {
                let operands = Operands::new(first.add(1));
                let in_call = resume.points.get(point? as usize)?.call.is_some();
                if rest.is_some() && !in_call {
                    return None;
                }
                let found = Found {
                    call: rest,
                    ..Found::default()
                };
                resume.prepare(py, point?, operands, env, found)
            };
            match made {
                Ok(made) => rest = Some(made),
                Err(e) => return Some(Err(e)),
            }
        }
        rest.map(Ok)
    }
}

impl Drop for Exited<'_> {
    fn drop(&mut self) {
        for c in &self.callers {
            if let Some((_, types)) = self.kind(c.site).and_then(recorded) {
                // SAFETY: `note_caller` took the references; the GIL is held as for `of`.
                drop(unsafe { Owned::new(types, c.slots.as_ptr().add(1)) });
            }
        }
    }
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
            (*(*ctx).host.cast::<Host<'_>>()).catching.leave();
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
        let exited = Exited::of(spec, ctx);
        let site = spec.sites().get(exited.site as usize)?;
        let is_exit = matches!(site.kind, SiteKind::Exit(_) | SiteKind::Resume { .. });
        if !is_exit || !exited.effects {
            return None;
        }
        let rest = exited.rest(py, Env { ctx, args })?;
        drop(exited);
        drop((*ctx).take_trace());
        Some(rest.and_then(|(function, args)| function.call1(args)))
    }
}

/// The exception of a failure; `None`: it is an exit before any effect.
///
/// # Safety
/// As for [`failure`].
pub(crate) unsafe fn build(
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
            // SAFETY: the boundary has set the effects and the first operand before the call.
            if unsafe { (*ctx).effects == 0 && (*ctx).operands[0] & 1 == 0 } {
                return Ok(None);
            }
            return wrong("numlift: an exit behind an effect without a point to go on from");
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
        (SiteKind::Call | SiteKind::Frame { .. }, None) => {
            return wrong("numlift: a helper failed without an exception");
        }
    };
    let exc = module.call_method1("with_traceback", (exc, frames))?;
    Ok(Some(PyErr::from_value(exc)))
}
