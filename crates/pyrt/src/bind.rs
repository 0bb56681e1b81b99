//! Arguments of a call to parameters of the function, as Python binds them.

use pyo3::exceptions::PyTypeError;
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::types::{PyFunction, PyString};

use crate::cpython::{self, Field};
use crate::reference::Ref;
use crate::slots::Held;

/// The parameters of a function without `*args` and `**kwargs`.
#[derive(Debug)]
pub struct Params {
    /// Interned; positional ones first, then the keyword-only.
    names: Vec<Ref>,
    positional: usize,
    positional_only: usize,
}

impl Params {
    /// Reads them from the function's code; `None` if it takes `*args` or `**kwargs`.
    ///
    /// # Errors
    /// If the object is no Python function.
    pub fn of(function: &Bound<'_, PyAny>) -> PyResult<Option<Params>> {
        if !function.is_instance_of::<PyFunction>() {
            return Err(PyTypeError::new_err("a Python function is required"));
        }
        const VARARGS_VARKEYWORDS: usize = 0x0c;
        let code = function.getattr("__code__")?;
        let number = |n: &str| code.getattr(n)?.extract::<usize>();
        if number("co_flags")? & VARARGS_VARKEYWORDS != 0 {
            return Ok(None);
        }
        let names: Vec<String> = code.getattr("co_varnames")?.extract()?;
        let positional = number("co_argcount")?;
        let count = positional + number("co_kwonlyargcount")?;
        let intern = |n: &String| Ref::from(&PyString::intern(function.py(), n));
        Ok(Some(Params {
            names: names.iter().take(count).map(intern).collect(),
            positional,
            positional_only: number("co_posonlyargcount")?,
        }))
    }

    /// Number of parameters.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Number of positional arguments that need no binding: all parameters, if none is keyword-only.
    pub(crate) fn exact(&self) -> Option<usize> {
        (self.positional == self.names.len()).then_some(self.positional)
    }

    /// Name of a parameter.
    pub fn name(&self, py: Python<'_>, i: usize) -> String {
        let name = self.names.get(i).map(|n| n.bind(py).to_string());
        name.unwrap_or_default()
    }

    /// Binds a call; `None` if it does not match the signature. Defaults are those of the function now.
    ///
    /// # Safety
    /// The arguments are those of a valid vectorcall, `function` is the function; the GIL is held.
    pub(crate) unsafe fn bind(
        &self,
        function: *mut PyObject,
        args: *const *mut PyObject,
        nargs: usize,
        kwnames: *mut PyObject,
    ) -> Option<Bindings> {
        if nargs > self.positional {
            return None;
        }
        let mut out = Bindings::new(self.len());
        // SAFETY: as promised by the caller; the buffer has a place for each parameter.
        unsafe {
            let at = out.ptr();
            std::ptr::copy_nonoverlapping(args, at, nargs);
            let mut bound = nargs;
            if !kwnames.is_null() {
                for k in 0..ffi::PyTuple_Size(kwnames) {
                    let i = self.position(ffi::PyTuple_GetItem(kwnames, k))?;
                    if !(*at.add(i)).is_null() {
                        return None;
                    }
                    *at.add(i) = *args.add(nargs + k as usize);
                    bound += 1;
                }
            }
            if bound < self.len() && !self.add_defaults(function, &mut out) {
                return None;
            }
        }
        Some(out)
    }

    /// Index of the parameter that a keyword names.
    unsafe fn position(&self, name: *mut PyObject) -> Option<usize> {
        let keywords = &self.names[self.positional_only..];
        let same = keywords.iter().position(|n| n.as_ptr() == name).or_else(|| {
            // SAFETY: the interpreter passes strings as keywords; the GIL is held.
            let equal = |n: &Ref| unsafe { cpython::same_text(n.as_ptr(), name) };
            keywords.iter().position(equal)
        });
        same.map(|i| i + self.positional_only)
    }

    /// Fills what is still missing; `false` if something has no default.
    unsafe fn add_defaults(&self, function: *mut PyObject, out: &mut Bindings) -> bool {
        // SAFETY: the function's fields are borrowed while nothing else runs, their items held for the call.
        unsafe {
            let positional = cpython::function_field(function, Field::Defaults);
            let count = match positional.is_null() {
                true => 0,
                false => ffi::PyTuple_Size(positional) as usize,
            };
            let by_name = cpython::function_field(function, Field::KwDefaults);
            for (i, name) in self.names.iter().enumerate() {
                if !(*out.ptr().add(i)).is_null() {
                    continue;
                }
                let value = if i >= self.positional {
                    match by_name.is_null() {
                        true => std::ptr::null_mut(),
                        false => cpython::dict_item(by_name, name.as_ptr()),
                    }
                } else if i + count >= self.positional {
                    ffi::PyTuple_GetItem(positional, (i + count - self.positional) as isize)
                } else {
                    std::ptr::null_mut()
                };
                if value.is_null() {
                    return false;
                }
                ffi::Py_INCREF(value);
                out.held.push(value);
                *out.ptr().add(i) = value;
            }
        }
        true
    }
}

const INLINE: usize = 16;

/// The objects of the parameters in order; defaults among them are held.
pub(crate) struct Bindings {
    inline: [*mut PyObject; INLINE],
    heap: Vec<*mut PyObject>,
    held: Held,
}

impl Bindings {
    fn new(n: usize) -> Bindings {
        let heap = if n > INLINE {
            vec![std::ptr::null_mut(); n]
        } else {
            Vec::new()
        };
        Bindings {
            inline: [std::ptr::null_mut(); INLINE],
            heap,
            held: Held::default(),
        }
    }

    pub(crate) fn ptr(&mut self) -> *mut *mut PyObject {
        if self.heap.is_empty() {
            self.inline.as_mut_ptr()
        } else {
            self.heap.as_mut_ptr()
        }
    }
}
