//! The call of a jitted function: vectorcall arguments in, an object or an exception out.

use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::count;
use crate::cpython::{self, VECTORCALL_ARGUMENTS_OFFSET};
use crate::direct;
use crate::key::Key;
use crate::left;
use crate::object::{Body, Object, guarded};
use crate::reference::Ref;
use crate::select::{Refusal, Request};
use crate::slots;
use crate::source::Guard;
use crate::spec::Outcome;
use crate::table::{Entry, Tier};

/// The arguments of a vectorcall.
#[derive(Clone, Copy)]
struct Call {
    args: *const *mut PyObject,
    nargsf: usize,
    kwnames: *mut PyObject,
}

impl Call {
    fn positional(self) -> usize {
        self.nargsf & !VECTORCALL_ARGUMENTS_OFFSET
    }
}

/// The vectorcall function of the class. It only looks which way the call goes, so that the frame of one way
/// is not on the stack in the other.
pub(crate) unsafe extern "C" fn vectorcall(
    callable: *mut PyObject,
    args: *const *mut PyObject,
    nargsf: usize,
    kwnames: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: CPython passes an instance of the class and valid arguments, with the GIL held. The
    // caller's reference keeps the object, and with it the code, until the call is over.
    unsafe {
        let object = &*callable.cast::<Object>();
        if kwnames.is_null()
            && nargsf & !VECTORCALL_ARGUMENTS_OFFSET == object.exact
            && let Some(body) = object.body()
            && let Some(entry) = body.selector.newest()
            && entry.direct
            && let Tier::Native(s) = &entry.tier
        {
            return direct::call(object, args, nargsf, body, entry, s);
        }
        indirect(object, args, nargsf, kwnames)
    }
}

/// A call that is not `direct`.
///
/// # Safety
/// As for [`vectorcall`].
pub(crate) unsafe extern "C" fn indirect(
    object: &Object,
    args: *const *mut PyObject,
    nargsf: usize,
    kwnames: *mut PyObject,
) -> *mut PyObject {
    let call = Call {
        args,
        nargsf,
        kwnames,
    };
    // SAFETY: as promised by the caller.
    guarded(|| unsafe {
        match fast(object, call) {
            Some(result) => result,
            None => slow(object, call),
        }
    })
}

/// The entry of the last call, if the arguments are the parameters as they are and it fits.
#[inline(always)]
unsafe fn fast(object: &Object, call: Call) -> Option<*mut PyObject> {
    let n = call.positional();
    if !call.kwnames.is_null() || n != object.exact {
        return None;
    }
    let body = object.body()?;
    let mut key = Key::default();
    // SAFETY: as for `vectorcall`.
    unsafe {
        let opaque = body.selector.opaque();
        for i in 0..n {
            if !key.push_argument(*call.args.add(i), i, opaque) {
                return None;
            }
        }
        let entry = body.selector.last(key.words(), call.args, n)?;
        if entry.is_ready() {
            return None;
        }
        run(body, entry, call.args, call)
    }
}

/// Runs an entry; `None`: it does not fit, or not any more.
#[inline(always)]
unsafe fn run(body: &Body, entry: &Entry, args: *const *mut PyObject, call: Call) -> Option<*mut PyObject> {
    // SAFETY: the entry is for these arguments; the GIL is held.
    let result = entry.counter.count(|| unsafe {
        match &entry.tier {
            Tier::Native(s) => match s.call(args) {
                Outcome::Returned(result) => Some(result),
                Outcome::Repeat => Some(interpret(body, call)),
                Outcome::Stale | Outcome::Unfit => None,
            },
            Tier::Interpreter(guards) if guards.iter().all(Guard::holds) => {
                let run = |f: &Ref| cpython::call(f.as_ptr(), call.args, call.nargsf, call.kwnames);
                Some(match (&entry.counted, observing(entry)) {
                    (Some(counted), _) if count::observed() => counted.run(|| run(&counted.function)),
                    (_, Some(f)) => run(f),
                    (_, None) => interpret(body, call),
                })
            }
            Tier::Interpreter(_) => None,
        }
    });
    let result = match (&entry.tier, &entry.feedback) {
        // SAFETY: the result of the call; the GIL is held.
        (Tier::Interpreter(_), Some(_)) => result.map(|o| unsafe { left::go_on(o) }),
        _ => result,
    };
    if let Some(feedback) = &entry.feedback
        && feedback.is_observing()
        && result.is_some()
    {
        // SAFETY: the GIL is held; an exception of the call survives.
        slots::with_exception_aside(|| unsafe { Python::attach_unchecked(|py| feedback.end_of_call(py)) });
    }
    result
}

/// The function that reports values, as long as somebody listens.
fn observing(entry: &Entry) -> Option<&Ref> {
    let feedback = entry.feedback.as_ref().filter(|f| f.is_observing())?;
    feedback.function.as_ref()
}

/// The original function makes the call.
unsafe fn interpret(body: &Body, call: Call) -> *mut PyObject {
    // SAFETY: the arguments are those of the call; the GIL is held.
    unsafe { cpython::call(body.function.as_ptr(), call.args, call.nargsf, call.kwnames) }
}

/// Everything but the last entry again: other entries, keywords, defaults, compilation.
#[cold]
unsafe fn slow(object: &Object, call: Call) -> *mut PyObject {
    let Some(body) = object.body() else {
        let text = c"numlift: the function has been collected";
        // SAFETY: the GIL is held.
        unsafe { ffi::PyErr_SetString(ffi::PyExc_SystemError, text.as_ptr()) };
        return std::ptr::null_mut();
    };
    // SAFETY: the GIL is held; the arguments are those of the call.
    unsafe {
        if let Some(result) = known(body, call) {
            return result;
        }
        match Python::attach_unchecked(|py| miss(py, body, call).map_err(|e| e.restore(py))) {
            Ok(Some(result)) => result,
            Ok(None) => interpret(body, call),
            Err(()) => std::ptr::null_mut(),
        }
    }
}

/// An entry that is there already, with the arguments bound.
unsafe fn known(body: &Body, call: Call) -> Option<*mut PyObject> {
    // SAFETY: as for `slow`.
    unsafe {
        let params = &body.params;
        let function = body.function.as_ptr();
        let mut bound = params.bind(function, call.args, call.positional(), call.kwnames)?;
        let args = bound.ptr();
        let mut key = Key::default();
        let selector = &body.selector;
        let opaque = selector.opaque();
        for i in 0..params.len() {
            if !key.push_argument(*args.add(i), i, opaque) {
                return None;
            }
        }
        let fitting = selector.table.find(key.words(), args, params.len());
        for entry in fitting {
            if entry.is_due() && entry.is_current(args) {
                return None;
            }
            if let Some(result) = run(body, entry, args, call) {
                selector.set_last(entry);
                return Some(result);
            }
        }
        None
    }
}

/// Finds or compiles; `None`: the interpreter makes the call.
unsafe fn miss(py: Python<'_>, body: &Body, call: Call) -> PyResult<Option<*mut PyObject>> {
    // An entry that is found current may be stale when it is called, if what runs between changes a
    // global: then once more, and then the interpreter, which is right always.
    for _ in 0..2 {
        // SAFETY: as for `slow`.
        let (entry, mut bound) = match unsafe { choose(py, body, call)? } {
            Some(found) => found,
            None => return Ok(None),
        };
        let args = bound.ptr();
        // SAFETY: the entry was chosen for these arguments.
        unsafe {
            if let Tier::Native(s) = &entry.tier
                && !s.fits(args)
            {
                let objects = objects(py, args, body.params.len());
                let wide = objects.iter().position(|o| !is_narrow(o)).unwrap_or(0);
                refuse(py, body, &objects, Refusal::Argument(wide))?;
                return Ok(None);
            }
            if let Some(result) = run(body, entry, args, call) {
                return Ok(Some(result));
            }
        }
    }
    Ok(None)
}

/// Whether no int in it is beyond 64 bits.
fn is_narrow(o: &Bound<'_, PyAny>) -> bool {
    // SAFETY: a live object, and the GIL is held.
    unsafe { crate::value::type_of(o.as_ptr()).is_some() }
}

unsafe fn objects<'py>(py: Python<'py>, args: *const *mut PyObject, n: usize) -> Vec<Bound<'py, PyAny>> {
    // SAFETY: the caller has `n` live objects there.
    (0..n)
        .map(|i| unsafe { Bound::from_borrowed_ptr(py, *args.add(i)) })
        .collect()
}

fn refuse(py: Python<'_>, body: &Body, args: &[Bound<'_, PyAny>], why: Refusal) -> PyResult<()> {
    let compiler = &body.selector.compiler;
    compiler.refuse(&body.function.bind(py), &body.params, args, why)
}

/// The entry for a call and the bound arguments; `None`: the interpreter makes the call.
unsafe fn choose<'a>(
    py: Python<'_>,
    body: &'a Body,
    call: Call,
) -> PyResult<Option<(&'a Entry, crate::bind::Bindings)>> {
    let params = &body.params;
    // SAFETY: as for `slow`.
    unsafe {
        let function = body.function.as_ptr();
        let Some(mut bound) = params.bind(function, call.args, call.positional(), call.kwnames) else {
            return Ok(None);
        };
        let args = objects(py, bound.ptr(), params.len());
        let function = body.function.bind(py);
        let (key, opaque) = loop {
            let opaque = body.selector.opaque();
            let mut key = Key::default();
            for (i, o) in args.iter().enumerate() {
                if !key.push_argument(o.as_ptr(), i, opaque) {
                    refuse(py, body, &args, Refusal::Argument(i))?;
                    return Ok(None);
                }
            }
            if !body.selector.widen(&key, &args) {
                break (key, opaque);
            }
        };
        let request = Request::Objects(&args, opaque);
        let entry = body.selector.select(&function, params, &key, &request)?;
        Ok(entry.map(|e| (e, bound)))
    }
}

/// The tier of the code that a call with these arguments would run; compiled if it is new.
///
/// # Errors
/// As for the call itself, if compiling raises.
pub fn tier(
    body: &Body,
    args: &Bound<'_, PyTuple>,
    kwargs: Option<&Bound<'_, PyDict>>,
) -> PyResult<&'static str> {
    with_choice(body, args, kwargs, |entry, args| match &entry.tier {
        // SAFETY: the entry was chosen for these arguments; the GIL is held.
        Tier::Native(s) if unsafe { s.fits(args) } => s.tier(),
        _ => "interpreter",
    })
    .map(|tier| tier.unwrap_or("interpreter"))
}

/// The entry that a call with these arguments would run, compiled if it is new.
///
/// # Errors
/// As for the call itself, if compiling raises.
pub fn entry_for<'a>(
    body: &'a Body,
    args: &Bound<'_, PyTuple>,
    kwargs: Option<&Bound<'_, PyDict>>,
) -> PyResult<Option<&'a Entry>> {
    with_choice(body, args, kwargs, |entry, _| entry)
}

fn with_choice<'a, R>(
    body: &'a Body,
    args: &Bound<'_, PyTuple>,
    kwargs: Option<&Bound<'_, PyDict>>,
    f: impl FnOnce(&'a Entry, *const *mut PyObject) -> R,
) -> PyResult<Option<R>> {
    let py = args.py();
    let mut objects: Vec<*mut PyObject> = args.iter_borrowed().map(|o| o.as_ptr()).collect();
    let mut names = vec![];
    for (name, value) in kwargs.iter().flat_map(|k| k.iter()) {
        objects.push(value.as_ptr());
        names.push(name);
    }
    let kwnames = PyTuple::new(py, names)?;
    let call = Call {
        args: objects.as_ptr(),
        nargsf: args.len(),
        kwnames: if kwnames.is_empty() {
            std::ptr::null_mut()
        } else {
            kwnames.as_ptr()
        },
    };
    // SAFETY: the tuple and the dict keep the objects alive; the GIL is held.
    let chosen = unsafe { choose(py, body, call)? };
    Ok(chosen.map(|(entry, mut bound)| f(entry, bound.ptr())))
}

/// `tp_call`, for callers that have a tuple and a dict, and for Python subclasses.
pub(crate) unsafe extern "C" fn tp_call(
    o: *mut PyObject,
    args: *mut PyObject,
    kwargs: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: CPython passes an instance, a tuple and a dict or NULL, with the GIL held; they keep the
    // objects alive.
    guarded(|| unsafe {
        let n = ffi::PyTuple_Size(args) as usize;
        let mut objects: Vec<*mut PyObject> = Vec::with_capacity(n);
        objects.extend((0..n).map(|i| ffi::PyTuple_GetItem(args, i as isize)));
        let mut kwnames = std::ptr::null_mut();
        if !kwargs.is_null() && ffi::PyDict_Size(kwargs) > 0 {
            kwnames = ffi::PyTuple_New(ffi::PyDict_Size(kwargs));
            if kwnames.is_null() {
                return kwnames;
            }
            let (mut at, mut i) = (0, 0);
            let (mut name, mut value) = (std::ptr::null_mut(), std::ptr::null_mut());
            while ffi::PyDict_Next(kwargs, &raw mut at, &raw mut name, &raw mut value) != 0 {
                ffi::Py_INCREF(name);
                ffi::PyTuple_SetItem(kwnames, i, name);
                objects.push(value);
                i += 1;
            }
        }
        let result = vectorcall(o, objects.as_ptr(), n, kwnames);
        ffi::Py_XDECREF(kwnames);
        result
    })
}
