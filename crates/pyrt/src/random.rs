//! NumPy's global generator: its interface for native draws, and where it keeps its spare normal.

use std::ffi::c_void;
use std::sync::OnceLock;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::reference::Ref;
use crate::source::{Guard, Source};

fn state(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    py.import("numpy.random.mtrand")?.getattr("_rand")
}

/// The bit generator of `np.random`.
///
/// # Errors
/// If this NumPy has none where it is expected.
pub fn generator(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    state(py)?.getattr("_bit_generator")
}

/// That it is still the one there: code has its address, and `set_bit_generator` puts another in its place.
///
/// # Errors
/// If this NumPy has none where it is expected.
pub fn guard(py: Python<'_>) -> PyResult<Guard> {
    let source = Source::Attribute {
        object: Ref::from(&state(py)?),
        name: Ref::from(&PyString::intern(py, "_bit_generator")),
    };
    let expected = Some(Ref::from(&generator(py)?));
    Ok(Guard {
        source,
        expected,
        by_class: false,
    })
}

/// Its `bitgen_t`.
///
/// # Errors
/// If this NumPy has none where it is expected.
pub fn bitgen(py: Python<'_>) -> PyResult<*mut c_void> {
    let capsule = generator(py)?.getattr("capsule")?;
    // SAFETY: NumPy documents this capsule and its name.
    let p = unsafe { ffi::PyCapsule_GetPointer(capsule.as_ptr(), c"BitGenerator".as_ptr()) };
    if p.is_null() {
        return Err(PyErr::fetch(py));
    }
    Ok(p)
}

/// Its `aug_bitgen_t`, which holds the spare of a pair of normals; `None` if it is not where this
/// process once saw `set_state` put it.
///
/// # Errors
/// If this NumPy has no such generator.
pub fn gauss(py: Python<'_>) -> PyResult<Option<*mut c_void>> {
    static OFFSET: OnceLock<Option<usize>> = OnceLock::new();
    let object = state(py)?;
    let offset = match OFFSET.get() {
        Some(o) => *o,
        None => {
            let found = probe(py, &object)?;
            *OFFSET.get_or_init(|| found)
        }
    };
    Ok(offset.map(|n| (object.as_ptr() as usize + n) as *mut c_void))
}

/// The offset in the `RandomState`, tried on the legacy state: what `set_state` writes must be read there.
fn probe(py: Python<'_>, object: &Bound<'_, PyAny>) -> PyResult<Option<usize>> {
    let words = object.get_type().getattr("__basicsize__")?.extract::<usize>()? / size_of::<usize>();
    // SAFETY: the object has its type's basic size; the capsule holds a `bitgen_t`.
    let found =
        unsafe { numlift_runtime::random::find_augmented(object.as_ptr().cast(), words, bitgen(py)?) };
    let Some(offset) = found else { return Ok(None) };
    let kwargs = PyDict::new(py);
    kwargs.set_item("legacy", true)?;
    let lock = generator(py)?.getattr("lock")?;
    lock.call_method0("acquire")?;
    let tried = || -> PyResult<bool> {
        let old = object
            .call_method("get_state", (), Some(&kwargs))?
            .cast_into::<PyTuple>()?;
        let mut good = true;
        for (flag, value) in [(1, 0.25), (0, 0.0), (1, -1.5)] {
            let head = old.get_slice(0, 3);
            let new = head.add((flag, value))?;
            object.call_method1("set_state", (new,))?;
            // SAFETY: the offset leaves room for the structure in the object.
            let (has, spare) = unsafe {
                let p = object.as_ptr().cast::<u8>().add(offset + size_of::<usize>());
                (p.cast::<i32>().read(), p.add(8).cast::<f64>().read())
            };
            good &= has == flag && spare == value;
        }
        object.call_method1("set_state", (old,))?;
        Ok(good)
    };
    let good = tried();
    lock.call_method0("release")?;
    Ok(good?.then_some(offset))
}
