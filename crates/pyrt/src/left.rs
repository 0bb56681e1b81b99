//! What a function that the interpreter began returns where machine code goes on: the rest of it, and its arguments.

use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::type_object::PyTypeInfo;
use pyo3::types::PyTuple;

use crate::{count, lines};

/// The rest of a call.
#[pyclass(frozen, module = "numlift._core")]
#[derive(Debug)]
pub struct Left {
    rest: Py<PyAny>,
    arguments: Py<PyTuple>,
}

#[pymethods]
impl Left {
    #[new]
    fn new(rest: Py<PyAny>, arguments: Py<PyTuple>) -> Left {
        Left { rest, arguments }
    }
}

/// `f(*args)`, whose time is not that of the call in progress.
///
/// # Errors
/// What it raises.
#[pyfunction]
#[pyo3(signature = (f, *args))]
pub fn aside<'py>(f: &Bound<'py, PyAny>, args: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
    lines::aside(|| count::aside(|| f.call1(args)))
}

/// The result of a call that was left in its middle, or the result as it is: the frame is gone by now.
///
/// # Safety
/// `result` is NULL with an exception set, or a new reference; the GIL is held.
pub(crate) unsafe fn go_on(result: *mut PyObject) -> *mut PyObject {
    if result.is_null() {
        return result;
    }
    // SAFETY: as promised by the caller.
    unsafe {
        Python::attach_unchecked(|py| {
            if ffi::Py_TYPE(result) != Left::type_object_raw(py) {
                return result;
            }
            let left = Bound::from_owned_ptr(py, result).cast_into_unchecked::<Left>();
            let Left { rest, arguments } = left.get();
            ffi::PyObject_Call(rest.as_ptr(), arguments.as_ptr(), std::ptr::null_mut())
        })
    }
}
