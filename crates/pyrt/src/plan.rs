//! How arguments become slots and slots become the result, decided once per specialisation.

use std::ffi::{c_int, c_void};

use numlift_types::{DType, Scalar, Type};
use pyo3::ffi::{self, PyObject};

use crate::key;
use crate::numpy::{ArrayObject, api, is_array};
use crate::value;

/// How an argument is written into slots.
#[derive(Debug)]
pub enum ArgPlan {
    /// no slots
    Nothing,
    Bool,
    Int,
    Float,
    Array(usize),
    Tuple(Box<[ArgPlan]>),
    Object,
    /// the other scalars
    Scalar(Scalar),
}

impl ArgPlan {
    /// The plan for an argument of the type.
    pub fn new(t: &Type) -> ArgPlan {
        match t {
            Type::Scalar(Scalar::PyBool) => ArgPlan::Bool,
            Type::Scalar(Scalar::PyInt) => ArgPlan::Int,
            Type::Scalar(Scalar::PyFloat) => ArgPlan::Float,
            Type::Scalar(s) => ArgPlan::Scalar(*s),
            Type::Array(a) => ArgPlan::Array(usize::from(a.ndim)),
            Type::Tuple(items) => ArgPlan::Tuple(items.iter().map(ArgPlan::new).collect()),
            Type::Object(_) => ArgPlan::Object,
            _ => ArgPlan::Nothing,
        }
    }

    /// Writes the slots; returns the next free one, NULL if an int does not fit in 64 bits.
    ///
    /// # Safety
    /// `o` has the plan's type, `out` has room, the GIL is held.
    #[inline]
    pub unsafe fn write(&self, o: *mut PyObject, out: *mut u64) -> *mut u64 {
        // SAFETY: the layouts follow from the type, which the caller vouches for.
        unsafe {
            match self {
                ArgPlan::Nothing => out,
                ArgPlan::Bool => {
                    *out = u64::from(o == ffi::Py_True());
                    out.add(1)
                }
                ArgPlan::Int => {
                    let mut overflow: c_int = 0;
                    *out = ffi::PyLong_AsLongLongAndOverflow(o, &raw mut overflow) as u64;
                    if overflow == 0 {
                        out.add(1)
                    } else {
                        std::ptr::null_mut()
                    }
                }
                ArgPlan::Float => {
                    *out = ffi::PyFloat_AsDouble(o).to_bits();
                    out.add(1)
                }
                ArgPlan::Array(n) => write_array(o, *n, out),
                ArgPlan::Tuple(items) => {
                    let mut at = out;
                    for (i, plan) in items.iter().enumerate() {
                        at = plan.write(ffi::PyTuple_GetItem(o, i as isize), at);
                        if at.is_null() {
                            break;
                        }
                    }
                    at
                }
                ArgPlan::Object => {
                    *out = o as u64;
                    out.add(1)
                }
                ArgPlan::Scalar(s) => out.add(value::flatten_scalar(o, *s, out)),
            }
        }
    }
}

impl ArgPlan {
    /// Whether it is one of the plans of [`ArgPlan::write_if`], for arguments with this word of a key.
    pub(crate) fn is_direct(&self, word: u64) -> bool {
        match self {
            ArgPlan::Int => word == key::scalar(Scalar::PyInt),
            ArgPlan::Float => word == key::scalar(Scalar::PyFloat),
            ArgPlan::Array(_) => key::is_array(word),
            _ => false,
        }
    }

    /// Writes an argument if its key is the word; the next free slot, NULL if it is not or does not fit.
    /// Does not panic.
    ///
    /// # Safety
    /// `is_direct` for this word, `o` is a live object, `out` has room, the GIL is held.
    #[inline(always)]
    pub(crate) unsafe fn write_if(&self, word: u64, o: *mut PyObject, out: *mut u64) -> *mut u64 {
        // SAFETY: the layouts follow from the exact type, which is compared first.
        unsafe {
            let class = ffi::Py_TYPE(o);
            let mut wide: c_int = 0;
            match self {
                ArgPlan::Float if class == &raw mut ffi::PyFloat_Type => {
                    *out = ffi::PyFloat_AsDouble(o).to_bits();
                }
                ArgPlan::Int if class == &raw mut ffi::PyLong_Type => {
                    *out = ffi::PyLong_AsLongLongAndOverflow(o, &raw mut wide) as u64;
                }
                ArgPlan::Array(n) if is_array(class) && key::array_word(o.cast()) == Some(word) => {
                    return write_array(o, *n, out);
                }
                _ => return std::ptr::null_mut(),
            }
            if wide == 0 {
                out.add(1)
            } else {
                std::ptr::null_mut()
            }
        }
    }
}

#[inline]
unsafe fn write_array(o: *mut PyObject, n: usize, out: *mut u64) -> *mut u64 {
    // SAFETY: `o` is an ndarray of rank `n` and `out` has room for its slots.
    unsafe {
        let x = &*o.cast::<ArrayObject>();
        *out = x.data as u64;
        for i in 0..n {
            *out.add(1 + i) = *x.dimensions.add(i) as u64;
            *out.add(1 + n + i) = *x.strides.add(i) as u64;
        }
        *out.add(1 + 2 * n) = o as u64;
        out.add(2 + 2 * n)
    }
}

/// How the result becomes an object.
#[derive(Debug)]
pub enum RetPlan {
    None,
    Bool,
    Int,
    Float,
    Np(DType),
    /// the other types; owners in it are new references
    Other(Type),
}

impl RetPlan {
    /// The plan for results of the type.
    pub fn new(t: &Type) -> RetPlan {
        match t {
            Type::None | Type::Never => RetPlan::None,
            Type::Scalar(Scalar::PyBool) => RetPlan::Bool,
            Type::Scalar(Scalar::PyInt) => RetPlan::Int,
            Type::Scalar(Scalar::PyFloat) => RetPlan::Float,
            Type::Scalar(Scalar::Np(d)) if *d != DType::C64 => RetPlan::Np(*d),
            other => RetPlan::Other(other.clone()),
        }
    }

    /// The object: a new reference, or NULL with an exception set.
    ///
    /// # Safety
    /// The slots hold a value of the plan's type, whose owners are given up; the GIL is held.
    #[inline(always)]
    pub unsafe fn read(&self, ret: *const u64) -> *mut PyObject {
        // SAFETY: the slots follow from the type, which the caller vouches for.
        unsafe {
            match self {
                RetPlan::None => {
                    let none = ffi::Py_None();
                    ffi::Py_INCREF(none);
                    none
                }
                RetPlan::Bool => ffi::PyBool_FromLong(i64::from(*ret & 0xff != 0)),
                RetPlan::Int => ffi::PyLong_FromLongLong(*ret as i64),
                RetPlan::Float => ffi::PyFloat_FromDouble(f64::from_bits(*ret)),
                RetPlan::Np(d) => api().new_scalar(*d, ret.cast::<c_void>()),
                RetPlan::Other(t) => {
                    let o = value::boxed(t, ret);
                    value::release(t, ret);
                    o
                }
            }
        }
    }
}
