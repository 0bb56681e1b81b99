//! Attributes and items of objects, read without running code of the user's.

use std::sync::OnceLock;

use numlift_types::{ItemKey, ReadPath, ReadRoot, ReadStep};
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyString};

use crate::cpython;
use crate::reference::Ref;

/// Dicts with more keys are not looked through.
const MAX_KEYS: isize = 64;

/// How a value is found from an object.
#[derive(Debug)]
pub struct Path {
    root: Root,
    steps: Vec<Step>,
}

#[derive(Debug)]
enum Root {
    Variable(usize),
    /// The globals of the function and a name.
    Global(Ref, Ref),
    Cell(Ref),
    /// There is no such name.
    Nothing,
}

#[derive(Debug)]
enum Step {
    Attribute(Ref),
    Item(Ref),
    ItemBy(usize),
}

impl Path {
    /// A path of expressions of a function.
    pub fn new(function: &Bound<'_, PyAny>, path: &ReadPath) -> Path {
        let py = function.py();
        let text = |s: &str| Ref::from(&PyString::intern(py, s));
        let root = match &path.root {
            ReadRoot::Variable(n) => Root::Variable(*n as usize),
            ReadRoot::Global(name) => match function.getattr("__globals__") {
                Ok(globals) => Root::Global(Ref::from(&globals), text(name)),
                Err(_) => Root::Nothing,
            },
            ReadRoot::Free(name) => cell(function, name).map_or(Root::Nothing, Root::Cell),
        };
        let steps = path.steps.iter().map(|s| match s {
            ReadStep::Attribute(name) => Step::Attribute(text(&mangled(function, name))),
            ReadStep::Item(ItemKey::Text(key)) => Step::Item(text(key)),
            ReadStep::Item(ItemKey::Index(key)) => Step::Item(Ref::from(&PyInt::new(py, *key))),
            ReadStep::ItemBy(n) => Step::ItemBy(*n as usize),
        });
        Path {
            root,
            steps: steps.collect(),
        }
    }

    /// Passes every object held that may be part of a cycle.
    pub(crate) fn visit(&self, f: &mut dyn FnMut(*mut PyObject)) {
        match &self.root {
            Root::Global(o, _) | Root::Cell(o) => f(o.as_ptr()),
            Root::Variable(_) | Root::Nothing => {}
        }
    }

    /// What is found; `None` if there is nothing, or if only code of the user's can tell. No exception is set.
    ///
    /// # Safety
    /// The variables are live objects, as many as the path asks for; the GIL is held, and no exception is set.
    pub(crate) unsafe fn read(&self, variables: &[*mut PyObject]) -> Option<Ref> {
        // SAFETY: each step has the reference of the one before while it looks at the object.
        unsafe {
            let variable = |n: usize| variables.get(n).copied().unwrap_or(std::ptr::null_mut());
            let mut at = match &self.root {
                Root::Variable(n) => borrowed(variable(*n)),
                Root::Global(globals, name) => {
                    let globals = globals.as_ptr();
                    let exact = ffi::Py_TYPE(globals) == &raw mut ffi::PyDict_Type;
                    exact.then(|| borrowed(cpython::dict_item(globals, name.as_ptr())))?
                }
                Root::Cell(cell) => Ref::from_owned(cpython::cell_contents(cell.as_ptr())),
                Root::Nothing => None,
            }?;
            for step in &self.steps {
                at = match step {
                    Step::Attribute(name) => attribute(at.as_ptr(), name.as_ptr()),
                    Step::Item(key) => item(at.as_ptr(), key.as_ptr()),
                    Step::ItemBy(n) => item(at.as_ptr(), variable(*n)),
                }?;
            }
            Some(at)
        }
    }
}

/// The cell of a closure variable.
fn cell(function: &Bound<'_, PyAny>, name: &str) -> Option<Ref> {
    let names: Vec<String> = function
        .getattr("__code__")
        .and_then(|c| c.getattr("co_freevars"))
        .and_then(|n| n.extract())
        .ok()?;
    let at = names.iter().position(|n| n == name)?;
    let cell = function.getattr("__closure__").and_then(|c| c.get_item(at));
    Some(Ref::from(&cell.ok()?))
}

/// The name of an attribute as the function's class makes it private.
fn mangled(function: &Bound<'_, PyAny>, name: &str) -> String {
    if !name.starts_with("__") || name.ends_with("__") {
        return name.to_owned();
    }
    let code = function.getattr("__code__");
    let qualname = code.and_then(|c| c.getattr("co_qualname")?.extract::<String>());
    let qualname = qualname.unwrap_or_default();
    let mut around: Vec<&str> = qualname.split('.').collect();
    around.pop();
    while around.last().is_some_and(|n| n.starts_with('<')) {
        around.truncate(around.len().saturating_sub(2));
    }
    match around.last().map(|class| class.trim_start_matches('_')) {
        Some(class) if !class.is_empty() => format!("_{class}{name}"),
        _ => name.to_owned(),
    }
}

unsafe fn borrowed(o: *mut PyObject) -> Option<Ref> {
    // SAFETY: NULL or a live object.
    unsafe {
        ffi::Py_XINCREF(o);
        Ref::from_owned(o)
    }
}

/// An item of an exact dict, list or tuple.
unsafe fn item(o: *mut PyObject, key: *mut PyObject) -> Option<Ref> {
    // SAFETY: live objects or a NULL key; each access follows the check of the exact type.
    unsafe {
        if key.is_null() || !is_plain(key) {
            return None;
        }
        let class = ffi::Py_TYPE(o);
        if class == &raw mut ffi::PyDict_Type {
            return has_plain_keys(o)
                .then(|| borrowed(cpython::dict_item(o, key)))
                .flatten();
        }
        let is_list = class == &raw mut ffi::PyList_Type;
        let is_index = ffi::Py_TYPE(key) == &raw mut ffi::PyLong_Type;
        if !is_index || !is_list && class != &raw mut ffi::PyTuple_Type {
            return None;
        }
        let index = ffi::PyLong_AsSsize_t(key);
        if index == -1 && !ffi::PyErr_Occurred().is_null() {
            ffi::PyErr_Clear();
            return None;
        }
        let n = match is_list {
            true => ffi::PyList_Size(o),
            false => ffi::PyTuple_Size(o),
        };
        let at = if index < 0 { index + n } else { index };
        match (0..n).contains(&at) {
            false => None,
            true if is_list => borrowed(ffi::PyList_GetItem(o, at)),
            true => borrowed(ffi::PyTuple_GetItem(o, at)),
        }
    }
}

/// Whether comparing and hashing a key runs nothing of the user's.
unsafe fn is_plain(key: *mut PyObject) -> bool {
    let plain = [
        &raw mut ffi::PyUnicode_Type,
        &raw mut ffi::PyLong_Type,
        &raw mut ffi::PyBool_Type,
        &raw mut ffi::PyFloat_Type,
    ];
    // SAFETY: a live object.
    plain.contains(&unsafe { ffi::Py_TYPE(key) })
}

/// Whether comparing keys of a dict runs nothing of the user's.
unsafe fn has_plain_keys(dict: *mut PyObject) -> bool {
    // SAFETY: an exact dict, which nothing changes meanwhile.
    unsafe {
        if ffi::PyDict_Size(dict) > MAX_KEYS {
            return false;
        }
        let mut at = 0;
        let (mut key, mut value) = (std::ptr::null_mut(), std::ptr::null_mut());
        while ffi::PyDict_Next(dict, &raw mut at, &raw mut key, &raw mut value) != 0 {
            if !is_plain(key) {
                return false;
            }
        }
        true
    }
}

/// What attributes are told apart by.
struct Attributes {
    /// `"__getattribute__"`, and what `object` has of that name.
    getattribute: [Ref; 2],
    /// The class of the fields of named tuples.
    field: Option<Ref>,
}

fn attributes() -> Option<&'static Attributes> {
    static ATTRIBUTES: OnceLock<Option<Attributes>> = OnceLock::new();
    let find = |py: Python<'_>| -> PyResult<Attributes> {
        let name = PyString::intern(py, "__getattribute__");
        let object = py.import("builtins")?.getattr("object")?;
        let generic = object.getattr(&name)?;
        let field = py.import("_collections").and_then(|m| m.getattr("_tuplegetter"));
        Ok(Attributes {
            getattribute: [Ref::from(&name), Ref::from(&generic)],
            field: field.ok().map(|f| Ref::from(&f)),
        })
    };
    // SAFETY: called with the GIL held only.
    let found = ATTRIBUTES.get_or_init(|| find(unsafe { Python::assume_attached() }).ok());
    found.as_ref()
}

/// An attribute that `object.__getattribute__` finds in the instance, in a slot of it, or as a plain value in its class.
///
/// Keys of the instance's dict that are no text, which no attribute has, are taken to be harmless.
unsafe fn attribute(o: *mut PyObject, name: *mut PyObject) -> Option<Ref> {
    let known = attributes()?;
    let [getattribute, generic] = &known.getattribute;
    // SAFETY: live objects; the class keeps what is found in it, as nothing else runs.
    unsafe {
        let class = ffi::Py_TYPE(o);
        if class == &raw mut ffi::PyType_Type {
            return class_attribute(o.cast(), name);
        }
        let own = ffi::PyType_GetSlot(class, ffi::Py_tp_getattro);
        let is_generic = own == ffi::PyObject_GenericGetAttr as *mut std::ffi::c_void
            // a class with `__getattr__` asks it for what is not found here
            || cpython::class_attribute(class, getattribute.as_ptr())? == generic.as_ptr();
        if !is_generic {
            return None;
        }
        let found = cpython::class_attribute(class, name)?;
        if !found.is_null() {
            let kind = ffi::Py_TYPE(found);
            let slot = |slot: i32| !ffi::PyType_GetSlot(kind, slot).is_null();
            let field = known.field.as_ref().is_some_and(|f| f.as_ptr() == kind.cast());
            let harmless = field || kind == &raw mut ffi::PyMemberDescr_Type;
            if !harmless && (slot(ffi::Py_tp_descr_get) || slot(ffi::Py_tp_descr_set)) {
                return None;
            }
        }
        let value = Ref::from_owned(ffi::PyObject_GenericGetAttr(o, name));
        if value.is_none() {
            ffi::PyErr_Clear();
        }
        value
    }
}

/// An attribute of a class that is a plain value in it or a base of it.
unsafe fn class_attribute(class: *mut ffi::PyTypeObject, name: *mut PyObject) -> Option<Ref> {
    // SAFETY: as for `attribute`.
    unsafe {
        if !cpython::class_attribute(&raw mut ffi::PyType_Type, name)?.is_null() {
            return None;
        }
        let found = cpython::class_attribute(class, name)?;
        if found.is_null() || !ffi::PyType_GetSlot(ffi::Py_TYPE(found), ffi::Py_tp_descr_get).is_null() {
            return None;
        }
        borrowed(found)
    }
}
