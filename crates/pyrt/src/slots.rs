//! Buffers of a call: on the stack, or on the heap if there are many.

use std::mem::MaybeUninit;

use pyo3::ffi::{self, PyObject};

/// Slots of arguments or results, not initialised.
pub(crate) struct Slots<const N: usize> {
    inline: [MaybeUninit<u64>; N],
    heap: Vec<u64>,
}

impl<const N: usize> Slots<N> {
    #[inline]
    pub(crate) fn new(n: usize) -> Self {
        Slots {
            inline: [const { MaybeUninit::uninit() }; N],
            heap: if n > N { vec![0; n] } else { Vec::new() },
        }
    }

    #[inline]
    pub(crate) fn ptr(&mut self) -> *mut u64 {
        if self.heap.is_empty() {
            self.inline.as_mut_ptr().cast()
        } else {
            self.heap.as_mut_ptr()
        }
    }
}

const HELD: usize = 8;

/// References that are given back on drop.
#[derive(Debug)]
pub(crate) struct Held {
    len: usize,
    inline: [*mut PyObject; HELD],
    heap: Vec<*mut PyObject>,
}

impl Default for Held {
    fn default() -> Held {
        Held {
            len: 0,
            inline: [std::ptr::null_mut(); HELD],
            heap: Vec::new(),
        }
    }
}

impl Held {
    /// Takes over a reference.
    pub(crate) fn push(&mut self, o: *mut PyObject) {
        if self.len < HELD {
            self.inline[self.len] = o;
            self.len += 1;
        } else {
            if self.heap.is_empty() {
                self.heap.extend_from_slice(&self.inline);
            }
            self.heap.push(o);
        }
    }

    /// The objects.
    pub(crate) fn as_slice(&self) -> &[*mut PyObject] {
        if self.heap.is_empty() {
            &self.inline[..self.len]
        } else {
            &self.heap
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: owned references; the GIL is held by whoever called.
        let release = || unsafe {
            for o in self.as_slice() {
                ffi::Py_DECREF(*o);
            }
        };
        if self.len > 0 {
            with_exception_aside(release);
        }
    }
}

/// Runs something that may run Python while an exception may be on its way: it is kept, and an
/// exception of what runs is dropped. The GIL is held.
pub(crate) fn with_exception_aside(run: impl FnOnce()) {
    let mut pending = [std::ptr::null_mut(); 3];
    let [class, value, traceback] = &mut pending;
    // SAFETY: the three pointers are taken and given back together.
    unsafe {
        if ffi::PyErr_Occurred().is_null() {
            run();
            return;
        }
        ffi::PyErr_Fetch(class, value, traceback);
        run();
        ffi::PyErr_Restore(pending[0], pending[1], pending[2]);
    }
}
