//! The extension module that a compiled module is made from.
//!
//! `numlift compile` writes a copy of this library with the payload of a module and its init function renamed
//! (`numlift_aot::stub`). At import it runs the module's source; the functions that `@jit` decorates there take their
//! machine code from the payload. No compiler is inside, and numlift need not be installed.

mod c;
mod dispatch;
mod locate;
mod start;

use std::ffi::{c_int, c_void};
use std::ptr::{addr_of_mut, null, null_mut};

use pyo3::ffi;
use pyo3::prelude::*;

/// What CPython asks for when it makes the module. It is written by CPython only.
static mut SLOTS: [ffi::PyModuleDef_Slot; 2] = [
    ffi::PyModuleDef_Slot {
        slot: ffi::Py_mod_exec,
        value: execute as *mut c_void,
    },
    ffi::PyModuleDef_Slot {
        slot: 0,
        value: null_mut(),
    },
];

static mut DEFINITION: ffi::PyModuleDef = ffi::PyModuleDef {
    m_base: ffi::PyModuleDef_HEAD_INIT,
    m_name: c"compiled".as_ptr(),
    m_doc: null(),
    m_size: 0,
    m_methods: null_mut(),
    m_slots: null_mut(),
    m_traverse: None,
    m_clear: None,
    m_free: None,
};

/// The init function; `numlift compile` gives it the name of the module.
///
/// # Safety
/// CPython calls it, with the GIL held.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn PyInit_numlift_stub() -> *mut ffi::PyObject {
    // SAFETY: the GIL is held: nobody else writes the definition.
    unsafe {
        DEFINITION.m_slots = addr_of_mut!(SLOTS).cast();
        ffi::PyModuleDef_Init(addr_of_mut!(DEFINITION))
    }
}

/// Fills the module.
unsafe extern "C" fn execute(module: *mut ffi::PyObject) -> c_int {
    let run = || {
        // SAFETY: CPython passes the new module, with the GIL held.
        unsafe {
            Python::attach_unchecked(|py| {
                let module = Bound::from_borrowed_ptr(py, module);
                match start::fill(&module) {
                    Ok(()) => 0,
                    Err(e) => {
                        e.restore(py);
                        -1
                    }
                }
            })
        }
    };
    numlift_pyrt::guarded_int(run)
}
