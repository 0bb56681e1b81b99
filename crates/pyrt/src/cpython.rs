//! What the boundary uses of CPython beyond the stable ABI of 3.11.
//!
//! The extension imports only symbols of the stable ABI. These few functions are exported by every
//! CPython since 3.11 but entered the stable ABI later or never; they are looked up by name once,
//! and each use has a slower way through the stable ABI for an interpreter that lacks them.

use std::ffi::{CStr, c_int, c_ulong};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};

use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;

/// Set in the argument count if the callee may overwrite `args[-1]` (PEP 590).
pub const VECTORCALL_ARGUMENTS_OFFSET: usize = 1 << (usize::BITS - 1);
/// The type has a vectorcall function (PEP 590); in the headers of the stable ABI since 3.12.
pub const TPFLAGS_HAVE_VECTORCALL: c_ulong = 1 << 11;
/// `LOAD_METHOD` may pass `self` as the first argument instead of making a bound method (PEP 590).
pub const TPFLAGS_METHOD_DESCRIPTOR: c_ulong = 1 << 17;

type Vectorcall =
    unsafe extern "C" fn(*mut PyObject, *const *mut PyObject, usize, *mut PyObject) -> *mut PyObject;
type Getter = unsafe extern "C" fn(*mut PyObject) -> *mut PyObject;
type Setter = unsafe extern "C" fn(*mut PyObject, *mut PyObject) -> c_int;

type Lookup = unsafe extern "C" fn(*mut ffi::PyTypeObject, *mut PyObject) -> *mut PyObject;

/// Addresses found by name; `None` where the interpreter has no such function.
#[derive(Debug)]
struct Optional {
    vectorcall: Option<Vectorcall>,
    function_code: Option<Getter>,
    function_defaults: Option<Getter>,
    function_kwdefaults: Option<Getter>,
    function_closure: Option<Getter>,
    function_globals: Option<Getter>,
    cell_get: Option<Getter>,
    cell_new: Option<Getter>,
    cell_set: Option<Setter>,
    type_lookup: Option<Lookup>,
}

static OPTIONAL: OnceLock<Optional> = OnceLock::new();

fn optional() -> &'static Optional {
    OPTIONAL.get_or_init(|| {
        // SAFETY: the names belong to functions of these signatures in every CPython that has them.
        unsafe {
            Optional {
                vectorcall: symbol(c"PyObject_Vectorcall")
                    .map(|p| std::mem::transmute::<*mut libc::c_void, Vectorcall>(p)),
                function_code: getter(c"PyFunction_GetCode"),
                function_defaults: getter(c"PyFunction_GetDefaults"),
                function_kwdefaults: getter(c"PyFunction_GetKwDefaults"),
                function_closure: getter(c"PyFunction_GetClosure"),
                function_globals: getter(c"PyFunction_GetGlobals"),
                cell_get: getter(c"PyCell_Get"),
                cell_new: getter(c"PyCell_New"),
                cell_set: symbol(c"PyCell_Set").map(|p| std::mem::transmute::<*mut libc::c_void, Setter>(p)),
                type_lookup: symbol(c"_PyType_Lookup")
                    .map(|p| std::mem::transmute::<*mut libc::c_void, Lookup>(p)),
            }
        }
    })
}

fn symbol(name: &CStr) -> Option<*mut libc::c_void> {
    // SAFETY: the name is terminated; the default scope holds the interpreter.
    let p = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!p.is_null()).then_some(p)
}

unsafe fn getter(name: &CStr) -> Option<Getter> {
    // SAFETY: the caller names functions of this signature.
    symbol(name).map(|p| unsafe { std::mem::transmute::<*mut libc::c_void, Getter>(p) })
}

/// Calls with the arguments of a vectorcall.
///
/// # Safety
/// The arguments are those of a valid vectorcall; the GIL is held.
pub unsafe fn call(
    callable: *mut PyObject,
    args: *const *mut PyObject,
    nargsf: usize,
    kwnames: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: as promised by the caller; every reference taken is given back.
    unsafe {
        if let Some(f) = optional().vectorcall {
            return f(callable, args, nargsf, kwnames);
        }
        let n = nargsf & !VECTORCALL_ARGUMENTS_OFFSET;
        let tuple = tuple_of(args, n);
        if tuple.is_null() {
            return tuple;
        }
        let mut kwargs = std::ptr::null_mut();
        if !kwnames.is_null() {
            kwargs = ffi::PyDict_New();
            for i in 0..ffi::PyTuple_Size(kwnames) {
                let name = ffi::PyTuple_GetItem(kwnames, i);
                ffi::PyDict_SetItem(kwargs, name, *args.add(n + i as usize));
            }
        }
        let result = ffi::PyObject_Call(callable, tuple, kwargs);
        ffi::Py_DECREF(tuple);
        ffi::Py_XDECREF(kwargs);
        result
    }
}

/// A new tuple of `n` objects; NULL with an exception if there is no memory.
///
/// # Safety
/// There are `n` objects; the GIL is held.
pub unsafe fn tuple_of(items: *const *mut PyObject, n: usize) -> *mut PyObject {
    // SAFETY: as promised by the caller; the tuple is new, and takes over one reference of each item.
    unsafe {
        let tuple = ffi::PyTuple_New(n as isize);
        for i in (0..n).take_while(|_| !tuple.is_null()) {
            ffi::Py_INCREF(*items.add(i));
            ffi::PyTuple_SetItem(tuple, i as isize, *items.add(i));
        }
        tuple
    }
}

/// Puts an item into a dict that has none of that name; `false` if it has, or for lack of memory. No exception is set.
///
/// # Safety
/// `dict` is a dict, `name` a string, `value` an object; the GIL is held.
pub unsafe fn set_new_item(dict: *mut PyObject, name: *mut PyObject, value: *mut PyObject) -> bool {
    // SAFETY: as promised by the caller.
    unsafe {
        let is_new = dict_item(dict, name).is_null() && ffi::PyDict_SetItem(dict, name, value) == 0;
        if !is_new {
            ffi::PyErr_Clear();
        }
        is_new
    }
}

/// What can be read of a Python function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Code,
    Defaults,
    KwDefaults,
    Closure,
    Globals,
}

/// A field of a function object: borrowed, NULL if it is None or cannot be read. No exception is set.
///
/// # Safety
/// `f` is a function (`PyFunction_Type`) and the GIL is held.
pub unsafe fn function_field(f: *mut PyObject, field: Field) -> *mut PyObject {
    let o = optional();
    let (get, name) = match field {
        Field::Code => (o.function_code, c"__code__"),
        Field::Defaults => (o.function_defaults, c"__defaults__"),
        Field::KwDefaults => (o.function_kwdefaults, c"__kwdefaults__"),
        Field::Closure => (o.function_closure, c"__closure__"),
        Field::Globals => (o.function_globals, c"__globals__"),
    };
    // SAFETY: the function keeps the object alive that its getter returns.
    unsafe {
        if let Some(get) = get {
            return get(f);
        }
        let found = ffi::PyObject_GetAttrString(f, name.as_ptr());
        if found.is_null() {
            ffi::PyErr_Clear();
            return found;
        }
        ffi::Py_DECREF(found);
        if found == ffi::Py_None() {
            return std::ptr::null_mut();
        }
        found
    }
}

/// Index, in words, of the code object in a function; `None`: not found.
static CODE_PLACE: OnceLock<Option<usize>> = OnceLock::new();

/// Finds where functions keep their code object, which every call compares. Where it is not found, or an
/// audit hook refuses, it is read with a call.
pub fn init(py: Python<'_>) {
    CODE_PLACE.get_or_init(|| find_code(py).unwrap_or(None));
}

/// The word is taken only if it is the one word of a function that holds its code, and the code is there
/// after it has been exchanged.
fn find_code(py: Python<'_>) -> PyResult<Option<usize>> {
    let f = py.eval(c"lambda: 0", None, None)?;
    let other = py.eval(c"lambda: 1", None, None)?.getattr("__code__")?;
    let size: usize = f.get_type().getattr("__basicsize__")?.extract()?;
    let find = |code: &Bound<'_, PyAny>| -> Vec<usize> {
        let words = 0..size / size_of::<usize>();
        // SAFETY: a live function has at least the basic size of its class, and is made of words.
        let word = |i: &usize| unsafe { *f.as_ptr().cast::<*mut PyObject>().add(*i) };
        words.filter(|i| word(i) == code.as_ptr()).collect()
    };
    let own = f.getattr("__code__")?;
    let (before, none) = (find(&own), find(&other));
    f.setattr("__code__", &other)?;
    let moved = none.is_empty() && find(&own).is_empty() && find(&other) == before;
    Ok(match before[..] {
        [at] if moved => Some(at),
        _ => None,
    })
}

/// Where a function keeps a field, if that is known. It is valid as long as the function lives.
///
/// # Safety
/// `f` is a function (`PyFunction_Type`) and the GIL is held.
pub(crate) unsafe fn function_place(f: *mut PyObject, field: Field) -> Option<*const *mut PyObject> {
    let at = CODE_PLACE.get().copied().flatten()?;
    // SAFETY: `init` has found the place inside of functions.
    (field == Field::Code).then(|| unsafe { f.cast::<*mut PyObject>().add(at).cast_const() })
}

/// The contents of a closure cell: a new reference, NULL if it is empty. No exception is set.
///
/// # Safety
/// `cell` is a cell object and the GIL is held.
pub unsafe fn cell_contents(cell: *mut PyObject) -> *mut PyObject {
    // SAFETY: as promised by the caller.
    unsafe {
        if let Some(get) = optional().cell_get {
            return get(cell);
        }
        let found = ffi::PyObject_GetAttrString(cell, c"cell_contents".as_ptr());
        if found.is_null() {
            ffi::PyErr_Clear();
        }
        found
    }
}

/// A new empty closure cell; NULL with an exception if there is no memory.
///
/// # Safety
/// The GIL is held.
pub unsafe fn cell_new() -> *mut PyObject {
    // SAFETY: as promised by the caller; the class is given back.
    unsafe {
        if let Some(new) = optional().cell_new {
            return new(std::ptr::null_mut());
        }
        let class = from_types(c"CellType");
        if class.is_null() {
            return class;
        }
        let cell = call(class, std::ptr::null(), 0, std::ptr::null_mut());
        ffi::Py_DECREF(class);
        cell
    }
}

/// Puts an object, or NULL for none, into a closure cell. What goes wrong is left out: a cell takes any object.
///
/// # Safety
/// `cell` is a cell object and the GIL is held; no exception is set.
pub unsafe fn cell_set(cell: *mut PyObject, object: *mut PyObject) {
    // SAFETY: as promised by the caller; NULL deletes an attribute.
    unsafe {
        let failed = match optional().cell_set {
            Some(set) => set(cell, object),
            None => ffi::PyObject_SetAttrString(cell, c"cell_contents".as_ptr(), object),
        };
        if failed != 0 {
            ffi::PyErr_Clear();
        }
    }
}

/// A class of the module `types`: a new reference, NULL with an exception if it cannot be had.
unsafe fn from_types(name: &CStr) -> *mut PyObject {
    // SAFETY: new references; the GIL is held.
    unsafe {
        let module = ffi::PyImport_ImportModule(c"types".as_ptr());
        if module.is_null() {
            return module;
        }
        let class = ffi::PyObject_GetAttrString(module, name.as_ptr());
        ffi::Py_DECREF(module);
        class
    }
}

/// Item of a dict by an interned name: borrowed, NULL if it is not there. No exception is set.
///
/// # Safety
/// `dict` is a dict, `name` a string, the GIL is held.
#[inline]
pub unsafe fn dict_item(dict: *mut PyObject, name: *mut PyObject) -> *mut PyObject {
    // SAFETY: as promised by the caller.
    unsafe {
        let found = ffi::PyDict_GetItemWithError(dict, name);
        if found.is_null() && !ffi::PyErr_Occurred().is_null() {
            ffi::PyErr_Clear();
        }
        found
    }
}

/// What a class or a base of it has of a name, borrowed and not bound, NULL if there is nothing; `None` if this interpreter does
/// not tell. No exception is set.
///
/// # Safety
/// A class and a string; the GIL is held.
pub unsafe fn class_attribute(class: *mut ffi::PyTypeObject, name: *mut PyObject) -> Option<*mut PyObject> {
    // SAFETY: as promised by the caller.
    optional().type_lookup.map(|f| unsafe { f(class, name) })
}

/// Whether two strings are equal; identity first.
///
/// # Safety
/// Both are strings and the GIL is held.
#[inline]
pub unsafe fn same_text(a: *mut PyObject, b: *mut PyObject) -> bool {
    // SAFETY: as promised by the caller.
    unsafe {
        if a == b {
            return true;
        }
        let order: c_int = ffi::PyUnicode_Compare(a, b);
        if order == -1 && !ffi::PyErr_Occurred().is_null() {
            ffi::PyErr_Clear();
            return false;
        }
        order == 0
    }
}

/// The class of bound methods: borrowed, NULL with an exception set if it cannot be had.
///
/// # Safety
/// The GIL is held.
pub unsafe fn method_type() -> *mut PyObject {
    static METHOD: AtomicPtr<PyObject> = AtomicPtr::new(std::ptr::null_mut());
    let known = METHOD.load(Ordering::Acquire);
    if !known.is_null() {
        return known;
    }
    // SAFETY: new references; the class is kept for ever.
    unsafe {
        let class = from_types(c"MethodType");
        METHOD.store(class, Ordering::Release);
        class
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_the_code_is_found() {
        Python::initialize();
        let found = Python::attach(|py| -> PyResult<_> {
            init(py);
            let f = py.eval(c"lambda x: x", None, None)?;
            // SAFETY: `f` is a function.
            unsafe {
                let code = function_place(f.as_ptr(), Field::Code).map(|at| *at);
                assert_eq!(code, Some(function_field(f.as_ptr(), Field::Code)));
                Ok(function_place(f.as_ptr(), Field::Globals))
            }
        });
        assert!(found.is_ok_and(|other| other.is_none()));
    }
}
