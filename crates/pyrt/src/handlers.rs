//! Handlers of compiled `try` statements: a failure becomes an exception, and the one that is handled.
//!
//! [`Catching`] knows what was handled when the call began. Generated code ends its handlers one by one; a call that it
//! leaves from inside of them gets the state back from here.

use std::cell::Cell;

use numlift_runtime::{Ctx, SiteKind};
use pyo3::exceptions::PyTypeError;
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;

use crate::fail;
use crate::helpers::Host;
use crate::object::guarded_status;

/// The handlers that a call is in.
#[derive(Debug)]
pub(crate) struct Catching {
    /// How many.
    depth: Cell<usize>,
    /// What was handled before the first of them: a reference, or NULL.
    before: Cell<*mut PyObject>,
    /// The interpreter has gone on and raised: the call is over.
    over: Cell<bool>,
}

impl Catching {
    pub(crate) const fn new() -> Catching {
        Catching {
            depth: Cell::new(0),
            before: Cell::new(std::ptr::null_mut()),
            over: Cell::new(false),
        }
    }

    /// The exception of what follows is that of the call.
    pub(crate) fn end(&self) {
        self.over.set(true);
    }

    /// Leaves all handlers.
    ///
    /// # Safety
    /// The GIL is held.
    pub(crate) unsafe fn leave(&self) {
        if self.depth.replace(0) > 0 {
            let before = self.before.replace(std::ptr::null_mut());
            // SAFETY: NULL or a reference that was taken for this.
            unsafe {
                crate::slots::with_exception_aside(|| handle(before));
            }
        }
    }
}

/// Makes an exception, of which it takes the reference, or none the one that is handled.
unsafe fn handle(exception: *mut PyObject) {
    // SAFETY: NULL or a reference; the GIL is held.
    unsafe {
        ffi::PyErr_SetHandledException(exception);
        ffi::Py_XDECREF(exception);
    }
}

/// The exception that the innermost function or generator handles, a new reference, or NULL. CPython tells of that of
/// the nearest one that has any: what is there without ours is of another one.
unsafe fn handled() -> *mut PyObject {
    // SAFETY: the GIL is held; what was set is set again.
    unsafe {
        let nearest = ffi::PyErr_GetHandledException();
        if nearest.is_null() {
            return nearest;
        }
        ffi::PyErr_SetHandledException(std::ptr::null_mut());
        let outer = ffi::PyErr_GetHandledException();
        ffi::Py_XDECREF(outer);
        if outer == nearest {
            ffi::Py_DECREF(nearest);
            return std::ptr::null_mut();
        }
        ffi::PyErr_SetHandledException(nearest);
        nearest
    }
}

/// The helper `py_catch`.
pub(crate) extern "C" fn py_catch(ctx: *mut Ctx, ret: *mut u64) -> i32 {
    // SAFETY: generated code has failed with this context and has room for two slots; the GIL is held.
    guarded_status(|| unsafe {
        let host = &*(*ctx).host.cast::<Host<'_>>();
        let catching = &host.catching;
        let raised = !ffi::PyErr_Occurred().is_null();
        let site = host.spec.sites().get((*ctx).site as usize);
        let exit = match site.map(|s| &s.kind) {
            Some(SiteKind::Exit(_) | SiteKind::Resume { .. }) => true,
            Some(SiteKind::Helper | SiteKind::Island) => !raised,
            _ => false,
        };
        if exit || catching.over.get() {
            return false;
        }
        let exception = Python::attach_unchecked(|py| {
            let pending = PyErr::take(py);
            match fail::build(py, host.spec, ctx, pending) {
                Ok(Some(e)) | Err(e) => e.into_value(py).into_ptr(),
                Ok(None) => std::ptr::null_mut(),
            }
        });
        if exception.is_null() {
            return false;
        }
        let before = handled();
        ffi::PyErr_SetHandledException(exception);
        if catching.depth.get() == 0 {
            ffi::Py_XINCREF(before);
            catching.before.set(before);
        }
        catching.depth.set(catching.depth.get() + 1);
        *ret = exception as u64;
        *ret.add(1) = before as u64;
        true
    })
}

/// The helper `py_handle`.
pub(crate) extern "C" fn py_handle(ctx: *mut Ctx, exception: *mut PyObject) {
    // SAFETY: generated code gives back what `py_catch` has given it; the GIL is held.
    unsafe {
        let catching = &(*(*ctx).host.cast::<Host<'_>>()).catching;
        handle(exception);
        catching.depth.set(catching.depth.get().saturating_sub(1));
        if catching.depth.get() == 0 {
            ffi::Py_XDECREF(catching.before.replace(std::ptr::null_mut()));
        }
    }
}

/// The helper `py_raise`.
pub(crate) extern "C" fn py_raise(_: *mut Ctx, exception: *mut PyObject) -> i32 {
    // SAFETY: a reference to an exception; the GIL is held.
    guarded_status(|| unsafe {
        let class = ffi::Py_TYPE(exception).cast::<PyObject>();
        ffi::Py_INCREF(class);
        let traceback = ffi::PyException_GetTraceback(exception);
        ffi::PyErr_Restore(class, exception, traceback);
        false
    })
}

/// The helper `py_matches`.
pub(crate) extern "C" fn py_matches(ctx: *mut Ctx, exception: *mut PyObject, index: i64) -> i64 {
    // SAFETY: the index is into the specialisation's objects, a class; the GIL is held.
    unsafe {
        let class = *(*ctx).objects.add(index as usize);
        i64::from(ffi::PyErr_GivenExceptionMatches(exception, class.cast()) != 0)
    }
}

/// The helper `py_matches_class`.
pub(crate) extern "C" fn py_matches_class(_: *mut Ctx, args: *const u64, ret: *mut u64) -> i32 {
    // SAFETY: generated code passes two objects and has room for a slot; the GIL is held.
    guarded_status(|| unsafe {
        let (exception, class) = (*args as *mut PyObject, *args.add(1) as *mut PyObject);
        let tuple = ffi::PyTuple_Check(class) != 0;
        let all = match tuple {
            true => (0..ffi::PyTuple_Size(class)).all(|i| is_class(ffi::PyTuple_GetItem(class, i))),
            false => is_class(class),
        };
        if !all {
            let text = "catching classes that do not inherit from BaseException is not allowed";
            Python::attach_unchecked(|py| PyTypeError::new_err(text).restore(py));
            return false;
        }
        *ret = u64::from(ffi::PyErr_GivenExceptionMatches(exception, class) != 0);
        true
    })
}

/// Whether an object is a class of exceptions.
unsafe fn is_class(o: *mut PyObject) -> bool {
    // SAFETY: a live object; the GIL is held.
    unsafe { ffi::PyExceptionClass_Check(o) != 0 }
}
