//! Objects that come from the interpreter: whether they have the type that native code expects, and their slots.

use numlift_types::{ArrayType, Layout, Type};
use pyo3::exceptions::PyTypeError;
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyType};

use crate::numpy::{ArrayObject, F_CONTIGUOUS};
use crate::value::{each_owner, flatten, is_exact, type_of};

/// What became of an object that should have a declared type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unboxed {
    Done,
    /// An object of another type, an int outside 64 bits, or one that a float carrier does not hold exactly:
    /// nothing was written, no exception is set.
    Other,
}

/// The class of a named tuple: a new reference, NULL with an exception set if there is none. A class that is no tuple's
/// is none of a value.
pub(crate) unsafe fn record_class(path: &str) -> *mut PyObject {
    // SAFETY: the GIL is held.
    let py = unsafe { Python::assume_attached() };
    let found = path.rsplit_once('.').map(|(module, name)| {
        let class = py.import(module)?.getattr(name)?.cast_into::<PyType>()?;
        match class.is_subclass_of::<PyTuple>()? {
            true => Ok(class.into_any().into_ptr()),
            false => Err(PyTypeError::new_err("numlift: a named tuple's class")),
        }
    });
    match found {
        Some(Ok(class)) => class,
        Some(Err(e)) => {
            PyErr::restore(e, py);
            std::ptr::null_mut()
        }
        None => {
            PyTypeError::new_err("numlift: a named tuple's class").restore(py);
            std::ptr::null_mut()
        }
    }
}

/// Whether an object has a type: an array is of a layout if it has its strides, whatever other layout it has as well.
///
/// # Safety
/// `o` is a valid object and the GIL is held.
unsafe fn has_type(o: *mut PyObject, t: &Type) -> bool {
    // SAFETY: each cast follows the check of the exact type; items of a list live as long as nothing changes it.
    unsafe {
        match t {
            Type::Object(_) => true,
            Type::List(items) => {
                let n = items.len();
                ffi::Py_TYPE(o) == &raw mut ffi::PyList_Type
                    && ffi::PyList_Size(o) == n as isize
                    && (0..n).all(|i| has_type(ffi::PyList_GetItem(o, i as isize), &items[i]))
            }
            Type::Tuple(items) => {
                let n = items.len();
                ffi::Py_TYPE(o) == &raw mut ffi::PyTuple_Type
                    && ffi::PyTuple_Size(o) == n as isize
                    && (0..n).all(|i| has_type(ffi::PyTuple_GetItem(o, i as isize), &items[i]))
            }
            Type::Record(r) => {
                let class = record_class(&r.class);
                let of_class = !class.is_null() && ffi::Py_TYPE(o).cast::<PyObject>() == class;
                if class.is_null() {
                    ffi::PyErr_Clear();
                }
                ffi::Py_XDECREF(class);
                let n = r.items.len();
                of_class
                    && ffi::PyTuple_Size(o) == n as isize
                    && (0..n).all(|i| has_type(ffi::PyTuple_GetItem(o, i as isize), &r.items[i]))
            }
            Type::Array(a) if a.layout == Layout::F => {
                let any = Type::Array(ArrayType {
                    layout: Layout::A,
                    ..*a
                });
                has_type(o, &any) && (*o.cast::<ArrayObject>()).flags & F_CONTIGUOUS != 0
            }
            t => type_of(o).is_some_and(|found| is_a(&found, t)),
        }
    }
}

/// Whether a value of type `found` is one of type `t`.
fn is_a(found: &Type, t: &Type) -> bool {
    match (found, t) {
        (Type::Array(x), Type::Array(y)) => {
            x.dtype == y.dtype
                && x.ndim == y.ndim
                && x.readonly <= y.readonly
                && (y.layout == Layout::A || x.layout == y.layout)
        }
        (Type::Scalar(s), Type::Union(u)) => u.tag_of(*s).is_some(),
        (found, Type::Optional(t)) => *found == Type::None || is_a(found, t),
        (Type::Tuple(x), Type::Tuple(y)) => {
            x.len() == y.len() && x.iter().zip(y.iter()).all(|(x, y)| is_a(x, y))
        }
        (x, y) => x == y,
    }
}

/// Writes the slots of an object if it has the type; the reference stays the caller's.
///
/// # Safety
/// `o` is a valid object, `out` has room, the GIL is held.
pub unsafe fn write_if(o: *mut PyObject, t: &Type, out: *mut u64) -> bool {
    // SAFETY: the type is checked before the object is read.
    unsafe {
        let fits = has_type(o, t) && is_exact(o, t);
        if fits {
            flatten(o, t, out);
        }
        fits
    }
}

/// Takes references for the owners of a value that was written from a borrowed object.
///
/// # Safety
/// The slots hold a value of the type; the GIL is held.
pub(crate) unsafe fn retain(t: &Type, v: *const u64) {
    // SAFETY: as promised by the caller.
    unsafe { each_owner(t, v, &mut |o| ffi::Py_XINCREF(o)) }
}

/// Slots of an object that should have a declared type: a reference goes into each owner slot.
///
/// # Safety
/// `o` is a new reference (consumed), `out` has room, the GIL is held.
pub unsafe fn unbox(o: *mut PyObject, t: &Type, out: *mut u64) -> Unboxed {
    // SAFETY: the type is checked before the object is read; owners are retained before it is given up.
    unsafe {
        let fits = has_type(o, t) && is_exact(o, t);
        if fits {
            flatten(o, t, out);
            retain(t, out);
        }
        ffi::Py_DECREF(o);
        match fits {
            true => Unboxed::Done,
            false => Unboxed::Other,
        }
    }
}
