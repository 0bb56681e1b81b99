//! Where a value outside the function is read: for guards and hidden arguments.

use numlift_types::Type;
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::types::PyModule;

use crate::cpython::{self, Field};
use crate::key::{Key, argument_cell};
use crate::plan::ArgPlan;
use crate::reference::Ref;

/// A place that a name or attribute was resolved from.
#[derive(Debug)]
pub enum Source {
    /// a global, else a builtin
    Global {
        globals: Ref,
        builtins: Ref,
        name: Ref,
    },
    /// an attribute of a module
    Module {
        dict: Ref,
        name: Ref,
    },
    /// a closure cell
    Cell(Ref),
    /// default of a parameter, by position in `__defaults__`, or by name
    Default {
        function: Ref,
        index: usize,
    },
    KeywordDefault {
        function: Ref,
        name: Ref,
    },
    /// the code object of a Python function
    Code(Ref),
    /// an attribute of any object
    Attribute {
        object: Ref,
        name: Ref,
    },
    /// a closure variable of an argument
    ArgumentCell {
        argument: usize,
        cell: usize,
    },
}

/// The arguments of the call, for sources in them; NULL where there is no call.
pub type Args = *const *mut PyObject;

impl Source {
    /// The object there now, borrowed from the place, or NULL. No exception is set. For cells and attributes,
    /// which come as a reference, see [`Source::fetch_raw`].
    #[inline]
    unsafe fn borrow(&self) -> *mut PyObject {
        // SAFETY: the objects are alive and of the classes their variants say; the GIL is held.
        unsafe {
            match self {
                Source::Global {
                    globals,
                    builtins,
                    name,
                } => {
                    let found = cpython::dict_item(globals.as_ptr(), name.as_ptr());
                    if found.is_null() {
                        cpython::dict_item(builtins.as_ptr(), name.as_ptr())
                    } else {
                        found
                    }
                }
                Source::Module { dict, name } => cpython::dict_item(dict.as_ptr(), name.as_ptr()),
                Source::Code(f) => cpython::function_field(f.as_ptr(), Field::Code),
                Source::Default { function, index } => {
                    let all = cpython::function_field(function.as_ptr(), Field::Defaults);
                    if all.is_null() || *index >= ffi::PyTuple_Size(all) as usize {
                        return std::ptr::null_mut();
                    }
                    ffi::PyTuple_GetItem(all, *index as isize)
                }
                Source::KeywordDefault { function, name } => {
                    let all = cpython::function_field(function.as_ptr(), Field::KwDefaults);
                    if all.is_null() {
                        return all;
                    }
                    cpython::dict_item(all, name.as_ptr())
                }
                Source::Cell(_) | Source::Attribute { .. } | Source::ArgumentCell { .. } => {
                    std::ptr::null_mut()
                }
            }
        }
    }

    /// The object there now, a new reference or NULL. No exception is set.
    #[inline]
    fn fetch_raw(&self, args: Args) -> *mut PyObject {
        // SAFETY: as for `borrow`; a borrowed object becomes a reference before anything else runs.
        unsafe {
            match self {
                Source::Cell(c) => cpython::cell_contents(c.as_ptr()),
                Source::Attribute { object, name } => {
                    let found = ffi::PyObject_GetAttr(object.as_ptr(), name.as_ptr());
                    if found.is_null() {
                        ffi::PyErr_Clear();
                    }
                    found
                }
                Source::ArgumentCell { argument, cell } if !args.is_null() => {
                    argument_cell(*args.add(*argument), *cell)
                }
                _ => {
                    let found = self.borrow();
                    ffi::Py_XINCREF(found);
                    found
                }
            }
        }
    }

    /// The object there now; there is none for closure variables of arguments.
    pub fn fetch<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        // SAFETY: a new reference or NULL.
        unsafe { Bound::from_owned_ptr_or_opt(py, self.fetch_raw(std::ptr::null())) }
    }

    /// Passes every object held to a visitor of the garbage collector.
    fn objects(&self) -> [Option<*mut PyObject>; 2] {
        match self {
            Source::Global {
                globals, builtins, ..
            } => [Some(globals.as_ptr()), Some(builtins.as_ptr())],
            Source::Module { dict, .. } => [Some(dict.as_ptr()), None],
            Source::Cell(o) | Source::Code(o) => [Some(o.as_ptr()), None],
            Source::Attribute { object, .. } => [Some(object.as_ptr()), None],
            Source::ArgumentCell { .. } => [None, None],
            Source::Default { function, .. } | Source::KeywordDefault { function, .. } => {
                [Some(function.as_ptr()), None]
            }
        }
    }
}

/// The object that compilation assumed at a place; `None`: there was none.
#[derive(Debug)]
pub struct Guard {
    pub source: Source,
    pub expected: Option<Ref>,
    /// Any object will do whose class that is.
    pub by_class: bool,
}

impl Guard {
    /// Whether it is still there. Called with the GIL held.
    #[inline]
    pub fn holds(&self) -> bool {
        let expected = self.expected.as_ref().map_or(std::ptr::null_mut(), Ref::as_ptr);
        // SAFETY: the GIL is held. What comes as a reference is kept by its place, and only compared by address.
        unsafe {
            if let Source::Cell(_) | Source::Attribute { .. } = self.source {
                let found = self.source.fetch_raw(std::ptr::null());
                let holds = self.compare(found, expected);
                ffi::Py_XDECREF(found);
                return holds;
            }
            self.compare(self.source.borrow(), expected)
        }
    }
}

impl Guard {
    #[inline]
    unsafe fn compare(&self, found: *mut PyObject, expected: *mut PyObject) -> bool {
        if !self.by_class || found.is_null() {
            return found == expected;
        }
        // SAFETY: an object that is alive.
        unsafe { ffi::Py_TYPE(found).cast() == expected }
    }
}

/// A value read at call time.
#[derive(Debug)]
pub struct Hidden {
    source: Source,
    words: Vec<u64>,
    plan: ArgPlan,
}

impl Hidden {
    /// `None` if values of the type cannot be keyed.
    pub fn new(source: Source, ty: &Type) -> Option<Hidden> {
        let mut key = Key::default();
        key.push_type(ty).then(|| Hidden {
            source,
            words: key.words().to_vec(),
            plan: ArgPlan::new(ty),
        })
    }

    /// The object there now if it still has the type.
    ///
    /// # Safety
    /// The GIL is held; `args` are the arguments of the call.
    #[inline]
    pub unsafe fn fetch(&self, args: Args) -> Option<*mut PyObject> {
        let o = self.source.fetch_raw(args);
        if o.is_null() {
            return None;
        }
        let mut key = Key::default();
        // SAFETY: a live object, our own reference.
        unsafe {
            if key.push_object(o) && key.is(&self.words) {
                return Some(o);
            }
            ffi::Py_DECREF(o);
        }
        None
    }

    pub(crate) fn plan(&self) -> &ArgPlan {
        &self.plan
    }
}

/// Visits the objects of guards and hidden arguments.
pub(crate) fn visit(guards: &[Guard], hidden: &[Hidden], f: &mut dyn FnMut(*mut PyObject)) {
    let sources = guards
        .iter()
        .map(|g| &g.source)
        .chain(hidden.iter().map(|h| &h.source));
    for o in sources.flat_map(|s| s.objects().into_iter().flatten()) {
        f(o);
    }
    for o in guards.iter().filter_map(|g| g.expected.as_ref()) {
        f(o.as_ptr());
    }
}

/// The dict of a module.
pub fn module_dict(o: &Bound<'_, PyAny>) -> Option<Ref> {
    o.cast::<PyModule>().ok().map(|m| Ref::from(&m.dict()))
}
