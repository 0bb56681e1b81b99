//! Items of objects by constant keys, read without running code of the user's.

use numlift_types::ItemKey;
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyString};

use crate::cpython;
use crate::reference::Ref;

/// Dicts with more keys are not looked through.
const MAX_KEYS: isize = 64;

/// A key as an object.
#[derive(Debug)]
pub struct Item {
    key: Ref,
    /// If it is an int.
    index: Option<isize>,
}

impl Item {
    pub fn new(py: Python<'_>, key: &ItemKey) -> Item {
        match key {
            ItemKey::Text(s) => Item {
                key: Ref::from(&PyString::intern(py, s)),
                index: None,
            },
            ItemKey::Index(n) => Item {
                key: Ref::from(&PyInt::new(py, *n)),
                index: isize::try_from(*n).ok(),
            },
        }
    }

    pub(crate) fn key(&self) -> *mut PyObject {
        self.key.as_ptr()
    }

    /// The item, borrowed; NULL if there is none or if only code of the user's can tell. No exception is set.
    ///
    /// # Safety
    /// `o` is a live object and the GIL is held.
    pub(crate) unsafe fn of(&self, o: *mut PyObject) -> *mut PyObject {
        // SAFETY: each access follows the check of the exact type.
        unsafe {
            let class = ffi::Py_TYPE(o);
            if class == &raw mut ffi::PyDict_Type {
                return match has_plain_keys(o) {
                    true => cpython::dict_item(o, self.key.as_ptr()),
                    false => std::ptr::null_mut(),
                };
            }
            let is_list = class == &raw mut ffi::PyList_Type;
            let (Some(index), true) = (self.index, is_list || class == &raw mut ffi::PyTuple_Type) else {
                return std::ptr::null_mut();
            };
            let n = match is_list {
                true => ffi::PyList_Size(o),
                false => ffi::PyTuple_Size(o),
            };
            let at = if index < 0 { index + n } else { index };
            match (0..n).contains(&at) {
                false => std::ptr::null_mut(),
                true if is_list => ffi::PyList_GetItem(o, at),
                true => ffi::PyTuple_GetItem(o, at),
            }
        }
    }
}

/// Whether items can be read of it.
///
/// # Safety
/// `o` is a live object and the GIL is held.
pub(crate) unsafe fn is_readable(o: *mut PyObject) -> bool {
    // SAFETY: a dict is looked at if it is one.
    unsafe {
        let class = ffi::Py_TYPE(o);
        let sequences = [&raw mut ffi::PyList_Type, &raw mut ffi::PyTuple_Type];
        sequences.contains(&class) || class == &raw mut ffi::PyDict_Type && has_plain_keys(o)
    }
}

/// Whether comparing keys of a dict runs nothing of the user's.
unsafe fn has_plain_keys(dict: *mut PyObject) -> bool {
    // SAFETY: an exact dict, which nothing changes meanwhile.
    unsafe {
        if ffi::PyDict_Size(dict) > MAX_KEYS {
            return false;
        }
        let plain = [
            &raw mut ffi::PyUnicode_Type,
            &raw mut ffi::PyLong_Type,
            &raw mut ffi::PyBool_Type,
            &raw mut ffi::PyFloat_Type,
        ];
        let mut at = 0;
        let (mut key, mut value) = (std::ptr::null_mut(), std::ptr::null_mut());
        while ffi::PyDict_Next(dict, &raw mut at, &raw mut key, &raw mut value) != 0 {
            if !plain.contains(&ffi::Py_TYPE(key)) {
                return false;
            }
        }
        true
    }
}
