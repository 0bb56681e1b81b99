//! The helpers of generated code that need Python.

use std::cell::Cell;
use std::ffi::c_void;
use std::sync::OnceLock;

use numlift_runtime::{CallSig, Ctx};
use numlift_types::{DType, Type};
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use crate::cells::{py_cell, py_cell_set};
use crate::cpython;
use crate::fail::Caller;
use crate::handlers::{Catching, py_catch, py_handle, py_matches, py_matches_class, py_raise};
use crate::island::{Island, py_box, py_island, py_object};
use crate::numpy::{ArrayObject, api};
use crate::object::guarded_status;
use crate::reference::Ref;
use crate::slots::Held;
use crate::source::{Args, Guard, Hidden};
use crate::spec::Specialization;
use crate::ticker::safepoint;
use crate::unbox::{self, Unboxed};
use crate::value;

/// Signature of a boxed call.
#[derive(Debug)]
pub struct BoxedCall {
    args: Vec<Type>,
    /// Names of trailing keyword arguments: a tuple.
    keywords: Option<Ref>,
    method: Option<Ref>,
    ret: Type,
    effect: bool,
}

impl BoxedCall {
    /// A call of a method if `method` is not empty; the last arguments have the names `keywords`.
    ///
    /// # Errors
    /// If there is no memory.
    pub fn new(py: Python<'_>, sig: CallSig) -> PyResult<BoxedCall> {
        let names = sig.keywords.iter().map(|k| PyString::intern(py, k));
        let names = PyTuple::new(py, names.collect::<Vec<_>>())?;
        Ok(BoxedCall {
            args: sig.args,
            keywords: (!names.is_empty()).then(|| Ref::from(&names)),
            method: (!sig.method.is_empty()).then(|| Ref::from(&PyString::intern(py, &sig.method))),
            ret: sig.ret,
            effect: sig.effect,
        })
    }
}

impl BoxedCall {
    /// The type of its first argument.
    pub(crate) fn argument(&self) -> &Type {
        self.args.first().unwrap_or(&Type::None)
    }
}

/// What `ctx.host` points to.
#[derive(Debug)]
pub struct Host<'a> {
    pub spec: &'a Specialization,
    /// NULL without hidden arguments.
    pub hidden: *mut HiddenState,
    /// The arguments of the call.
    pub args: Args,
    /// The result of the call if the interpreter has gone on behind an island: a new reference, or NULL.
    pub resumed: Cell<*mut PyObject>,
    /// The callers that an exit has passed: NULL, or a list in a box.
    pub(crate) callers: Cell<*mut Vec<Caller>>,
    /// The handlers it is in.
    pub(crate) catching: Catching,
}

/// The hidden arguments of a call in progress.
#[derive(Debug)]
pub struct HiddenState {
    pub args: Args,
    pub slots: *mut u64,
    /// References of this call, which are kept until its end.
    pub(crate) held: Held,
}

impl Host<'_> {
    pub(crate) fn calls(&self) -> &[BoxedCall] {
        &self.spec.parts().calls
    }

    pub(crate) fn islands(&self) -> &[Island] {
        &self.spec.parts().islands
    }

    /// The GIL is not held: helpers that need it take it.
    pub(crate) fn gil_released(&self) -> bool {
        self.spec.parts().nogil
    }

    /// Whether guards hold and hidden arguments have their types still; their values are read again.
    ///
    /// # Safety
    /// The GIL is held, and the call is in progress.
    pub(crate) unsafe fn refresh(&self) -> bool {
        let parts = self.spec.parts();
        // SAFETY: as promised by the caller; nothing else uses the state meanwhile.
        parts.guards.iter().all(Guard::holds)
            && (self.hidden.is_null() || unsafe { (*self.hidden).read(&parts.hidden) })
    }
}

impl HiddenState {
    /// Writes the slots; `false` if a value has not its type any more.
    ///
    /// # Safety
    /// The GIL is held; `slots` has room.
    pub(crate) unsafe fn read(&mut self, hidden: &[Hidden]) -> bool {
        let mut at = self.slots;
        for h in hidden {
            // SAFETY: as promised by the caller; `fetch` compared the types.
            unsafe {
                let Some(o) = h.fetch(self.args) else {
                    return false;
                };
                if self.held.as_slice().contains(&o) {
                    ffi::Py_DECREF(o);
                } else {
                    self.held.push(o);
                }
                at = h.plan().write(o, at);
            }
            if at.is_null() {
                return false;
            }
        }
        true
    }
}

extern "C" fn py_incref(o: *mut PyObject) {
    // SAFETY: the object is alive: its owner slot or an argument holds it.
    unsafe { ffi::Py_XINCREF(o) }
}

extern "C" fn py_decref(o: *mut PyObject) {
    // SAFETY: the reference is one that generated code took.
    unsafe { ffi::Py_XDECREF(o) }
}

/// The helper `py_frame`.
extern "C" fn py_frame(ctx: *mut Ctx, site: i64, at: *const u64) {
    // SAFETY: generated code has recorded the operands of the site; the GIL is taken where it is not held.
    guarded_status(|| unsafe {
        let Some(host) = (*ctx).host.cast::<Host<'_>>().as_ref() else {
            return true;
        };
        let note = || crate::fail::note_caller(host, ctx, site, at);
        match host.gil_released() {
            true => Python::attach(|_| note()),
            false => note(),
        }
        true
    });
}

extern "C" fn array_new(
    _: *mut Ctx,
    dtype: i64,
    nd: i64,
    shape: *const isize,
    how: i64,
    ret: *mut u64,
) -> i32 {
    // SAFETY: generated code passes `nd` extents, `nd` strides if bit 2 of `how` is set, and room for two slots; the GIL is held.
    guarded_status(|| unsafe {
        let Some(d) = DType::ALL.get(dtype as usize) else {
            return false;
        };
        let a = match how & 4 {
            0 => api().new_array(*d, nd as i32, shape, how & 1 != 0, how & 2 != 0),
            _ => api().new_strided(*d, nd as i32, shape, shape.add(nd as usize)),
        };
        if a.is_null() {
            return false;
        }
        *ret = (*a.cast::<ArrayObject>()).data as u64;
        *ret.add(1) = a as u64;
        true
    })
}

extern "C" fn py_call(ctx: *mut Ctx, object: i64, sig: i64, args: *const u64, ret: *mut u64) -> i32 {
    // SAFETY: indices are into the specialisation's tables; the GIL is held.
    guarded_status(|| unsafe {
        let host = &*(*ctx).host.cast::<Host<'_>>();
        let sig = &host.calls()[sig as usize];
        let mut objects = Held::default();
        let mut at = 0;
        for t in &sig.args {
            let o = value::boxed(t, args.add(at));
            at += value::slots(t);
            if o.is_null() {
                return false;
            }
            objects.push(o);
        }
        if ffi::Py_EnterRecursiveCall(c" in compiled code".as_ptr()) != 0 {
            return false;
        }
        let result = call(ctx, object, sig, objects.as_slice());
        ffi::Py_LeaveRecursiveCall();
        if result.is_null() {
            return false;
        }
        let unboxed = unbox::unbox(result, &sig.ret, ret);
        *ret.add(value::slots(&sig.ret)) = u64::from(unboxed == Unboxed::Done);
        if unboxed == Unboxed::Other && sig.effect {
            let text = format!(
                "numlift: a library function returned something else than {}\0",
                sig.ret
            );
            ffi::PyErr_SetString(ffi::PyExc_SystemError, text.as_ptr().cast());
            return false;
        }
        true
    })
}

unsafe fn call(ctx: *mut Ctx, object: i64, sig: &BoxedCall, args: &[*mut PyObject]) -> *mut PyObject {
    let names = sig.keywords.as_ref().map_or(std::ptr::null_mut(), Ref::as_ptr);
    // SAFETY: as for `py_call`; the last arguments are the named ones.
    unsafe {
        let named = match names.is_null() {
            true => 0,
            false => ffi::PyTuple_Size(names) as usize,
        };
        let Some(method) = &sig.method else {
            let f = (*(*ctx).objects.add(object as usize)).cast::<PyObject>();
            return cpython::call(f, args.as_ptr(), args.len() - named, names);
        };
        let f = ffi::PyObject_GetAttr(args[0], method.as_ptr());
        if f.is_null() {
            return f;
        }
        let rest = &args[1..];
        let result = cpython::call(f, rest.as_ptr(), rest.len() - named, names);
        ffi::Py_DECREF(f);
        result
    }
}

struct Table(Vec<*const c_void>);
// SAFETY: addresses of functions.
unsafe impl Send for Table {}
// SAFETY: addresses of functions.
unsafe impl Sync for Table {}

/// The table that `ctx.helpers` points to.
pub fn table() -> *const *const c_void {
    static TABLE: OnceLock<Table> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        let mut all = numlift_runtime::kernels::addresses();
        all.extend(numlift_runtime::helpers::PYRT.iter().map(|h| match h.name {
            "safepoint" => safepoint as *const c_void,
            "py_incref" => py_incref as *const c_void,
            "py_decref" => py_decref as *const c_void,
            "py_call" => py_call as *const c_void,
            "py_box" => py_box as *const c_void,
            "py_object" => py_object as *const c_void,
            "py_cell" => py_cell as *const c_void,
            "py_cell_set" => py_cell_set as *const c_void,
            "py_frame" => py_frame as *const c_void,
            "py_catch" => py_catch as *const c_void,
            "py_raise" => py_raise as *const c_void,
            "py_handle" => py_handle as *const c_void,
            "py_matches" => py_matches as *const c_void,
            "py_matches_class" => py_matches_class as *const c_void,
            "py_island" => py_island as *const c_void,
            "array_new" => array_new as *const c_void,
            _ => std::ptr::null(),
        }));
        Table(all)
    });
    table.0.as_ptr()
}
