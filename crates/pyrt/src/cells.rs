//! Cells: variables that islands share with functions that nested code of the compiled function has made.
//!
//! Generated code makes a cell for each such variable when it is entered. An island that uses some is a function of
//! its own in each call: the same code, with these cells among those of the closure.

use numlift_runtime::Ctx;
use pyo3::ffi::{self, PyObject};

use crate::cpython::{self, Field};
use crate::object::guarded_status;
use crate::reference::Ref;

/// The cells that an island uses. Generated code passes them, then the address of an owner slot for the function.
#[derive(Debug, Default)]
pub struct IslandCells {
    /// For each its name, where it is in the closure, and whether the island wants it as an argument too.
    pub all: Vec<IslandCell>,
}

#[derive(Debug)]
pub struct IslandCell {
    pub name: String,
    pub place: usize,
    pub passed: bool,
}

impl IslandCells {
    /// How many slots they take.
    pub(crate) fn slots(&self) -> usize {
        match self.all.len() {
            0 => 0,
            n => n + 1,
        }
    }

    /// The function with these cells, which the call keeps; NULL with an exception if there is no memory.
    ///
    /// # Safety
    /// `function` is the island's, there are the slots; the GIL is held.
    pub(crate) unsafe fn bind(&self, function: &Ref, cells: *const *mut PyObject) -> *mut PyObject {
        let template = function.as_ptr();
        if self.all.is_empty() {
            return template;
        }
        // SAFETY: the slot behind the cells has the address of one that is empty or holds the function.
        let kept = unsafe { &mut *(*cells.add(self.all.len())).cast::<*mut PyObject>() };
        if !kept.is_null() {
            return *kept;
        }
        // SAFETY: the function has a closure with these places; references are taken and given back.
        unsafe {
            let closure = cpython::function_field(template, Field::Closure);
            let mut all: smallvec::SmallVec<[*mut PyObject; 8]> = (0..ffi::PyTuple_Size(closure))
                .map(|i| ffi::PyTuple_GetItem(closure, i))
                .collect();
            for (i, cell) in self.all.iter().enumerate() {
                all[cell.place] = *cells.add(i);
            }
            let closure = cpython::tuple_of(all.as_ptr(), all.len());
            if closure.is_null() {
                return closure;
            }
            let none = ffi::Py_None();
            let code = cpython::function_field(template, Field::Code);
            let globals = cpython::function_field(template, Field::Globals);
            let args = [code, globals, none, none, closure];
            let class = ffi::Py_TYPE(template).cast();
            let made = cpython::call(class, args.as_ptr(), args.len(), std::ptr::null_mut());
            ffi::Py_DECREF(closure);
            *kept = made;
            made
        }
    }
}

/// The helper `py_cell`.
pub(crate) extern "C" fn py_cell(_: *mut Ctx, ret: *mut u64) -> i32 {
    // SAFETY: generated code has room for a slot; the GIL is held.
    guarded_status(|| unsafe {
        let cell = cpython::cell_new();
        *ret = cell as u64;
        !cell.is_null()
    })
}

/// The helper `py_cell_set`.
pub(crate) extern "C" fn py_cell_set(cell: *mut PyObject, object: *mut PyObject) {
    // SAFETY: a cell, and NULL or a reference that is given up; the GIL is held.
    unsafe {
        cpython::cell_set(cell, object);
        ffi::Py_XDECREF(object);
    }
}
