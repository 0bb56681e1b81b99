//! The class of jitted functions: a heap type with vectorcall.
//!
//! PyO3's classes have `tp_call` only, which would make a tuple and a dict of every call, so this type is
//! made from a spec of the stable ABI. It derives from a Python class (the methods that need no speed) and
//! adds the call, the binding to instances, `__dict__`, weak references and garbage collection.

use std::ffi::{CString, c_char, c_int, c_void};
use std::mem::offset_of;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicPtr, Ordering};

use pyo3::exceptions::{PySystemError, PyTypeError};
use pyo3::ffi::{self, PyObject, PyTypeObject};
use pyo3::prelude::*;

use crate::bind::Params;
use crate::call::{tp_call, vectorcall};
use crate::cpython::{TPFLAGS_HAVE_VECTORCALL, TPFLAGS_METHOD_DESCRIPTOR};
use crate::reference::Ref;
use crate::select::{Compiler, Selector};

/// An instance.
#[repr(C)]
pub(crate) struct Object {
    head: PyObject,
    vectorcall: ffi::vectorcallfunc,
    dict: *mut PyObject,
    weakrefs: *mut PyObject,
    /// Number of positional arguments that are the parameters as they are; `usize::MAX`: bind always.
    pub exact: usize,
    /// NULL once the garbage collector has cleared the object.
    body: *mut Body,
}

/// What a jitted function consists of.
pub struct Body {
    pub function: Ref,
    pub params: Params,
    pub selector: Selector,
}

impl Object {
    /// What it consists of; `None` if the garbage collector has cleared it.
    #[inline]
    pub(crate) fn body(&self) -> Option<&Body> {
        // SAFETY: the body is owned by the object and alive until it is cleared.
        unsafe { self.body.as_ref() }
    }
}

/// The class; set when it is made, never freed.
static CLASS: AtomicPtr<PyTypeObject> = AtomicPtr::new(std::ptr::null_mut());

/// Whether an object is a jitted function.
///
/// # Safety
/// `o` is a live object and the GIL is held.
pub unsafe fn is_dispatcher(o: *mut PyObject) -> bool {
    let class = CLASS.load(Ordering::Acquire);
    // SAFETY: as promised by the caller.
    !class.is_null() && unsafe { ffi::PyObject_TypeCheck(o, class) != 0 }
}

/// What a jitted function consists of.
///
/// # Errors
/// If the object is something else, or is being collected.
pub fn body<'a>(o: &'a Bound<'_, PyAny>) -> PyResult<&'a Body> {
    // SAFETY: the class is checked before the object is read.
    let body = unsafe {
        if !is_dispatcher(o.as_ptr()) {
            return Err(PyTypeError::new_err("a jitted function is required"));
        }
        (*o.as_ptr().cast::<Object>()).body.as_ref()
    };
    body.ok_or_else(|| PySystemError::new_err("numlift: the function has been collected"))
}

/// Makes an instance of `class`, which is the one of [`make_class`] or a subclass.
///
/// # Errors
/// If `function` is no Python function, or there is no memory.
pub fn make<'py>(
    class: &Bound<'py, PyAny>,
    function: &Bound<'py, PyAny>,
    compiler: Box<dyn Compiler>,
) -> PyResult<Bound<'py, PyAny>> {
    let params = Params::of(function)?;
    let exact = params.exact().unwrap_or(usize::MAX);
    let body = Box::new(Body {
        function: Ref::from(function),
        params,
        selector: Selector::new(compiler),
    });
    // SAFETY: `tp_alloc` gives a zeroed object of the class, whose layout starts with `Object`'s; the
    // collector may see it at once, with no body yet.
    unsafe {
        let base = CLASS.load(Ordering::Acquire);
        let class = class.as_ptr().cast::<PyTypeObject>();
        if base.is_null() || ffi::PyType_Check(class.cast()) == 0 || ffi::PyType_IsSubtype(class, base) == 0 {
            return Err(PyTypeError::new_err("a class of jitted functions is required"));
        }
        let alloc: ffi::allocfunc = std::mem::transmute(ffi::PyType_GetSlot(class, ffi::Py_tp_alloc));
        let made = Bound::from_owned_ptr_or_err(function.py(), alloc(class, 0))?;
        let o = made.as_ptr().cast::<Object>();
        (*o).vectorcall = vectorcall;
        (*o).exact = exact;
        (*o).body = Box::into_raw(body);
        Ok(made)
    }
}

const READONLY: c_int = 1;
/// `T_PYSSIZET`
const SSIZE: c_int = 19;

const fn offset_member(name: &'static std::ffi::CStr, offset: usize) -> ffi::PyMemberDef {
    ffi::PyMemberDef {
        name: name.as_ptr(),
        type_code: SSIZE,
        offset: offset as isize,
        flags: READONLY,
        doc: std::ptr::null(),
    }
}

const fn end_member() -> ffi::PyMemberDef {
    ffi::PyMemberDef {
        name: std::ptr::null(),
        type_code: 0,
        offset: 0,
        flags: 0,
        doc: std::ptr::null(),
    }
}

fn dict_getset() -> [ffi::PyGetSetDef; 2] {
    let empty = ffi::PyGetSetDef {
        name: std::ptr::null(),
        get: None,
        set: None,
        doc: std::ptr::null(),
        closure: std::ptr::null_mut(),
    };
    let dict = ffi::PyGetSetDef {
        name: c"__dict__".as_ptr(),
        get: Some(ffi::PyObject_GenericGetDict),
        set: Some(ffi::PyObject_GenericSetDict),
        ..empty
    };
    [dict, empty]
}

/// Makes the class of jitted functions from the Python class that has the rest of its methods.
///
/// # Errors
/// If CPython refuses the class.
pub fn make_class<'py>(base: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let module: String = base.getattr("__module__")?.extract()?;
    let name: String = base.getattr("__name__")?.extract()?;
    let name = CString::new(format!("{module}.{name}"))?;
    // CPython keeps the name, the members and the getters of a type: they live as long as the process.
    let name: &'static std::ffi::CStr = Box::leak(name.into_boxed_c_str());
    let members: &'static mut [ffi::PyMemberDef] = Box::leak(Box::new([
        offset_member(c"__vectorcalloffset__", offset_of!(Object, vectorcall)),
        offset_member(c"__dictoffset__", offset_of!(Object, dict)),
        offset_member(c"__weaklistoffset__", offset_of!(Object, weakrefs)),
        end_member(),
    ]));
    let getset: &'static mut [ffi::PyGetSetDef] = Box::leak(Box::new(dict_getset()));
    let slot = |slot: c_int, pfunc: *mut c_void| ffi::PyType_Slot { slot, pfunc };
    let mut slots = [
        slot(ffi::Py_tp_members, members.as_mut_ptr().cast()),
        slot(ffi::Py_tp_getset, getset.as_mut_ptr().cast()),
        slot(ffi::Py_tp_call, tp_call as *mut c_void),
        slot(ffi::Py_tp_descr_get, descr_get as *mut c_void),
        slot(ffi::Py_tp_traverse, traverse as *mut c_void),
        slot(ffi::Py_tp_clear, clear as *mut c_void),
        slot(ffi::Py_tp_dealloc, dealloc as *mut c_void),
        slot(0, std::ptr::null_mut()),
    ];
    let flags = ffi::Py_TPFLAGS_DEFAULT
        | ffi::Py_TPFLAGS_BASETYPE
        | ffi::Py_TPFLAGS_HAVE_GC
        | TPFLAGS_HAVE_VECTORCALL
        | TPFLAGS_METHOD_DESCRIPTOR;
    let mut spec = ffi::PyType_Spec {
        name: name.as_ptr().cast::<c_char>(),
        basicsize: size_of::<Object>() as c_int,
        itemsize: 0,
        flags: flags as u32,
        slots: slots.as_mut_ptr(),
    };
    let bases = pyo3::types::PyTuple::new(base.py(), [base])?;
    // SAFETY: the spec describes `Object`; what CPython keeps of it is leaked above.
    let class = unsafe {
        let made = ffi::PyType_FromSpecWithBases(&raw mut spec, bases.as_ptr());
        Bound::from_owned_ptr_or_err(base.py(), made)?
    };
    class.setattr("__doc__", base.getattr("__doc__")?)?;
    class.setattr("__module__", module)?;
    CLASS.store(class.clone().into_ptr().cast(), Ordering::Release);
    Ok(class)
}

/// Runs what C calls: a panic becomes a `SystemError`, it never crosses into C.
#[inline]
pub(crate) fn guarded(run: impl FnOnce() -> *mut PyObject) -> *mut PyObject {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => result,
        Err(panic) => panicked(&*panic),
    }
}

/// The same for helpers of generated code, which return a status: `true` is success.
#[inline]
pub(crate) fn guarded_status(run: impl FnOnce() -> bool) -> i32 {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(ok) => i32::from(!ok),
        Err(panic) => {
            panicked(&*panic);
            1
        }
    }
}

/// The same for what CPython calls for an int: -1 is a failure.
pub fn guarded_int(run: impl FnOnce() -> i32) -> i32 {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        panicked(&*panic);
        -1
    })
}

#[cold]
fn panicked(panic: &(dyn std::any::Any + Send)) -> *mut PyObject {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("unknown");
    let text = CString::new(format!("numlift: internal error: {}", text.replace('\0', " ")));
    // SAFETY: the GIL is held: shims are called by Python or by generated code.
    unsafe {
        ffi::PyErr_SetString(
            ffi::PyExc_SystemError,
            text.as_deref().unwrap_or(c"numlift: internal error").as_ptr(),
        );
    }
    std::ptr::null_mut()
}

/// `__get__`: a bound method of an instance, itself for the class.
unsafe extern "C" fn descr_get(o: *mut PyObject, instance: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: CPython passes live objects, with the GIL held.
    guarded(|| unsafe {
        if instance.is_null() || instance == ffi::Py_None() {
            ffi::Py_INCREF(o);
            return o;
        }
        let class = crate::cpython::method_type();
        if class.is_null() {
            return class;
        }
        let args = ffi::PyTuple_New(2);
        if args.is_null() {
            return args;
        }
        for (i, item) in [o, instance].into_iter().enumerate() {
            ffi::Py_INCREF(item);
            ffi::PyTuple_SetItem(args, i as isize, item);
        }
        let bound = ffi::PyObject_Call(class, args, std::ptr::null_mut());
        ffi::Py_DECREF(args);
        bound
    })
}

unsafe extern "C" fn traverse(o: *mut PyObject, visit: ffi::visitproc, arg: *mut c_void) -> c_int {
    let run = || {
        let mut result = 0;
        let mut pass = |p: *mut PyObject| {
            if result == 0 && !p.is_null() {
                // SAFETY: a live object that we hold; `visit` is the collector's.
                result = unsafe { visit(p, arg) };
            }
        };
        // SAFETY: CPython passes an instance of the class, with the GIL held.
        let object = unsafe { &*o.cast::<Object>() };
        // SAFETY: as above; an instance of a heap type holds its type.
        pass(unsafe { ffi::Py_TYPE(o) }.cast());
        pass(object.dict);
        if let Some(body) = object.body() {
            pass(body.function.as_ptr());
            body.selector.table.visit(&mut pass);
        }
        result
    };
    catch_unwind(AssertUnwindSafe(run)).unwrap_or(0)
}

unsafe extern "C" fn clear(o: *mut PyObject) -> c_int {
    // SAFETY: CPython passes an instance of the class, with the GIL held. No call is in progress: a
    // caller would hold a reference, and the object would not be garbage.
    let run = || unsafe {
        let object = o.cast::<Object>();
        let dict = std::mem::replace(&mut (*object).dict, std::ptr::null_mut());
        ffi::Py_XDECREF(dict);
        let body = std::mem::replace(&mut (*object).body, std::ptr::null_mut());
        if !body.is_null() {
            drop(Box::from_raw(body));
        }
    };
    let _ = catch_unwind(AssertUnwindSafe(run));
    0
}

unsafe extern "C" fn dealloc(o: *mut PyObject) {
    // SAFETY: CPython passes an instance that nobody refers to, with the GIL held. The order is that of
    // every heap type with garbage collection: untrack, weak references, contents, memory, type.
    unsafe {
        ffi::PyObject_GC_UnTrack(o.cast());
        if !(*o.cast::<Object>()).weakrefs.is_null() {
            ffi::PyObject_ClearWeakRefs(o);
        }
        crate::slots::with_exception_aside(|| {
            clear(o);
        });
        let class = ffi::Py_TYPE(o);
        let free: ffi::freefunc = std::mem::transmute(ffi::PyType_GetSlot(class, ffi::Py_tp_free));
        free(o.cast());
        ffi::Py_DECREF(class.cast());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_exception() {
        Python::initialize();
        Python::attach(|py| {
            assert!(guarded(|| panic!("lost {}", 7)).is_null());
            let error = PyErr::take(py).map(|e| e.to_string()).unwrap_or_default();
            assert_eq!(error, "SystemError: numlift: internal error: lost 7");
            assert_eq!(guarded_status(|| panic!("lost")), 1);
            assert!(PyErr::take(py).is_some_and(|e| e.is_instance_of::<PySystemError>(py)));
        });
    }
}
