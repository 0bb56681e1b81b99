//! An owned reference to a Python object that knows nothing of threads.

use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;

/// An owned reference, given back on drop. Unlike [`Py`], it can be made, used and dropped where
/// CPython calls us without PyO3 knowing that the GIL is held; whoever drops it holds the GIL.
#[derive(Debug)]
pub struct Ref(*mut PyObject);

// SAFETY: the object is only touched with the GIL held, by whatever thread.
unsafe impl Send for Ref {}
// SAFETY: as above.
unsafe impl Sync for Ref {}

impl Ref {
    /// Takes over a new reference; `None` if it is NULL.
    ///
    /// # Safety
    /// The pointer is NULL or an owned reference.
    pub unsafe fn from_owned(o: *mut PyObject) -> Option<Ref> {
        (!o.is_null()).then(|| Ref(o))
    }

    /// The object, borrowed.
    #[inline]
    pub fn as_ptr(&self) -> *mut PyObject {
        self.0
    }

    /// The object for PyO3.
    pub fn bind<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        // SAFETY: a live object, and `py` says that the GIL is held.
        unsafe { Bound::from_borrowed_ptr(py, self.0) }
    }
}

impl<T> From<&Bound<'_, T>> for Ref {
    fn from(o: &Bound<'_, T>) -> Ref {
        // SAFETY: a `Bound` exists only while the GIL is held.
        unsafe { ffi::Py_INCREF(o.as_ptr()) };
        Ref(o.as_ptr())
    }
}

impl Drop for Ref {
    fn drop(&mut self) {
        // SAFETY: an owned reference; the GIL is held by the rule of this type.
        unsafe { ffi::Py_DECREF(self.0) }
    }
}
