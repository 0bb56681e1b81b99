//! Arguments of a call to parameters of the function, as Python binds them.

use pyo3::exceptions::PyTypeError;
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::types::{PyFunction, PyString};

use crate::cpython::{self, Field};
use crate::reference::Ref;
use crate::slots::Held;

/// The parameters of a function, as its source has them: `*args` before the keyword-only ones, `**kwargs` last.
#[derive(Debug)]
pub struct Params {
    /// Interned.
    names: Vec<Ref>,
    positional: usize,
    positional_only: usize,
    /// Whether there is a `*args`, at `positional`.
    takes_rest: bool,
    /// Whether the last is a `**kwargs`.
    takes_keywords: bool,
}

impl Params {
    /// Reads them from the function's code.
    ///
    /// # Errors
    /// If the object is no Python function.
    pub fn of(function: &Bound<'_, PyAny>) -> PyResult<Params> {
        if !function.is_instance_of::<PyFunction>() {
            return Err(PyTypeError::new_err("a Python function is required"));
        }
        const VARARGS: usize = 0x04;
        const VARKEYWORDS: usize = 0x08;
        let code = function.getattr("__code__")?;
        let number = |n: &str| code.getattr(n)?.extract::<usize>();
        let flags = number("co_flags")?;
        let (takes_rest, takes_keywords) = (flags & VARARGS != 0, flags & VARKEYWORDS != 0);
        let mut names: Vec<String> = code.getattr("co_varnames")?.extract()?;
        let positional = number("co_argcount")?;
        let plain = positional + number("co_kwonlyargcount")?;
        names.truncate(plain + usize::from(takes_rest) + usize::from(takes_keywords));
        if takes_rest {
            // the code object has the names of `*args` and `**kwargs` last
            names[positional..=plain].rotate_right(1);
        }
        let intern = |n: &String| Ref::from(&PyString::intern(function.py(), n));
        Ok(Params {
            names: names.iter().map(intern).collect(),
            positional,
            positional_only: number("co_posonlyargcount")?,
            takes_rest,
            takes_keywords,
        })
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
        if nargs > self.positional && !self.takes_rest {
            return None;
        }
        let mut out = Bindings::new(self.len());
        // SAFETY: as promised by the caller; the buffer has a place for each parameter.
        unsafe {
            let at = out.ptr();
            let mut bound = nargs.min(self.positional);
            std::ptr::copy_nonoverlapping(args, at, bound);
            if self.takes_rest {
                *at.add(self.positional) = out.hold(cpython::tuple_of(args.add(bound), nargs - bound))?;
                bound += 1;
            }
            let keywords = match self.takes_keywords {
                true => out.hold(ffi::PyDict_New())?,
                false => std::ptr::null_mut(),
            };
            if self.takes_keywords {
                *at.add(self.len() - 1) = keywords;
                bound += 1;
            }
            if !kwnames.is_null() {
                for k in 0..ffi::PyTuple_Size(kwnames) {
                    let (name, value) = (ffi::PyTuple_GetItem(kwnames, k), *args.add(nargs + k as usize));
                    match self.position(name) {
                        Some(i) if (*at.add(i)).is_null() => {
                            *at.add(i) = value;
                            bound += 1;
                        }
                        None if self.takes_keywords && cpython::set_new_item(keywords, name, value) => {}
                        _ => return None,
                    }
                }
            }
            if bound < self.len() && !self.add_defaults(function, &mut out) {
                return None;
            }
        }
        Some(out)
    }

    /// Whether a parameter is `*args` or `**kwargs`.
    fn is_variable(&self, i: usize) -> bool {
        let is_rest = self.takes_rest && i == self.positional;
        is_rest || (self.takes_keywords && i + 1 == self.len())
    }

    /// Index of the parameter that a keyword names.
    unsafe fn position(&self, name: *mut PyObject) -> Option<usize> {
        let named = || {
            let all = self.names.iter().enumerate().skip(self.positional_only);
            all.filter(|(i, _)| !self.is_variable(*i))
        };
        let same = named().find(|(_, n)| n.as_ptr() == name).or_else(|| {
            // SAFETY: the interpreter passes strings as keywords; the GIL is held.
            let equal = |n: &Ref| unsafe { cpython::same_text(n.as_ptr(), name) };
            named().find(|(_, n)| equal(n))
        });
        same.map(|(i, _)| i)
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

    /// Keeps a new reference for the call; `None` if there is none, for lack of memory.
    ///
    /// # Safety
    /// `new` is null or a reference that the caller owns; the GIL is held.
    unsafe fn hold(&mut self, new: *mut PyObject) -> Option<*mut PyObject> {
        if new.is_null() {
            // SAFETY: the GIL is held. The interpreter, which makes the call instead, raises its own error.
            unsafe { ffi::PyErr_Clear() };
            return None;
        }
        self.held.push(new);
        Some(new)
    }

    pub(crate) fn ptr(&mut self) -> *mut *mut PyObject {
        if self.heap.is_empty() {
            self.inline.as_mut_ptr()
        } else {
            self.heap.as_mut_ptr()
        }
    }
}
