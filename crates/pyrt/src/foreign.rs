//! C functions of ctypes and cffi: their signatures and addresses.
//!
//! Those are understood whose results and arguments mean the same in machine code as in the interpreter: numbers that fit
//! into 64 signed bits, and arrays as `numpy.ctypeslib.ndpointer` describes them. Others are objects like any other.

use std::ffi::c_void;

use numlift_types::{CFunction, CParam, DType, Layout};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};

use crate::reference::Ref;
use crate::source::{Guard, Source};

/// What ctypes reads of a function at each call.
const READ: [&str; 3] = ["argtypes", "restype", "errcheck"];
/// `FUNCFLAG_CDECL`: not one that checks for exceptions or keeps `errno`.
const PLAIN: u32 = 1;
/// Sizes of C integers by name: ctypes' code, cffi's names.
const INTEGERS: [(DType, char, &[&str]); 9] = [
    (DType::Bool, '?', &["_Bool", "bool"]),
    (DType::I8, 'b', &["signed char", "int8_t"]),
    (DType::U8, 'B', &["unsigned char", "uint8_t"]),
    (DType::I16, 'h', &["short", "int16_t"]),
    (DType::U16, 'H', &["unsigned short", "uint16_t"]),
    (DType::I32, 'i', &["int", "int32_t"]),
    (DType::U32, 'I', &["unsigned int", "uint32_t"]),
    (
        DType::I64,
        'l',
        &["long", "long long", "int64_t", "ssize_t", "intptr_t", "ptrdiff_t"],
    ),
    (
        DType::U64,
        'L',
        &[
            "unsigned long",
            "unsigned long long",
            "uint64_t",
            "size_t",
            "uintptr_t",
        ],
    ),
];

/// The signature of a C function; `None`: it is another object, or machine code cannot call it.
pub(crate) fn signature(o: &Bound<'_, PyAny>) -> Option<CFunction> {
    let found = if is_ctypes(o) { of_ctypes(o)? } else { of_cffi(o)? };
    let floats = |d: &DType| matches!(d, DType::F32 | DType::F64);
    let is_float = |p: &&CParam| matches!(p, CParam::Number(d) if floats(d));
    let n = found.params.iter().filter(is_float).count();
    let fits = n <= CFunction::MAX_FLOATS && found.params.len() - n <= CFunction::MAX_WORDS;
    // what does not fit into an int of 64 bits cannot be given back after the call
    (fits && found.ret != Some(DType::U64)).then_some(found)
}

/// What must stay as it is for the signature to hold.
pub(crate) fn guards(o: &Bound<'_, PyAny>) -> Vec<Guard> {
    if !is_ctypes(o) {
        return vec![];
    }
    let guard = |name: &str| Guard {
        source: Source::Attribute {
            object: Ref::from(o),
            name: Ref::from(&PyString::intern(o.py(), name)),
        },
        expected: o.getattr(name).ok().map(|v| Ref::from(&v)),
        by_class: false,
    };
    READ.map(guard).into()
}

/// Where its code is.
pub(crate) fn address(o: &Bound<'_, PyAny>) -> Option<*mut c_void> {
    let py = o.py();
    let found: usize = if is_ctypes(o) {
        let ctypes = py.import("ctypes").ok()?;
        let pointer = ctypes.call_method1("cast", (o, ctypes.getattr("c_void_p").ok()?));
        pointer.ok()?.getattr("value").ok()?.extract().ok()?
    } else {
        let ffi = py
            .import("_cffi_backend")
            .ok()?
            .getattr("FFI")
            .ok()?
            .call0()
            .ok()?;
        let number = ffi.call_method1("cast", ("uintptr_t", o)).ok()?;
        number.call_method0("__int__").ok()?.extract().ok()?
    };
    (found != 0).then_some(found as *mut c_void)
}

fn is_ctypes(o: &Bound<'_, PyAny>) -> bool {
    let class = o.py().import("_ctypes").and_then(|m| m.getattr("CFuncPtr"));
    class.is_ok_and(|c| o.get_type().is_subclass(&c).unwrap_or(false))
}

fn of_ctypes(o: &Bound<'_, PyAny>) -> Option<CFunction> {
    let flags: u32 = o.get_type().getattr("_flags_").ok()?.extract().ok()?;
    let [argtypes, restype, errcheck] = READ.map(|name| o.getattr(name).ok());
    if flags != PLAIN || !errcheck?.is_none() || calls_python(o)? {
        return None;
    }
    // a tuple or a list; None where it was not set
    let params: Vec<Bound<'_, PyAny>> = argtypes?.extract().ok()?;
    let params: Option<Vec<CParam>> = params.iter().map(ctypes_param).collect();
    let restype = restype?;
    Some(CFunction {
        params: params?,
        ret: match restype.is_none() {
            true => None,
            false => Some(ctypes_number(&restype)?),
        },
        checked: false,
    })
}

/// Whether it is a callback: code in Python may change anything.
fn calls_python(o: &Bound<'_, PyAny>) -> Option<bool> {
    let kept = o.getattr("_objects").ok()?;
    let Ok(kept) = kept.cast_into::<PyDict>() else {
        return Some(false);
    };
    let thunk = |v: Bound<'_, PyAny>| v.get_type().name().is_ok_and(|n| n == "CThunkObject");
    Some(kept.values().iter().any(thunk))
}

/// One of the classes of ctypes itself: values of subclasses stay what they are.
fn ctypes_number(t: &Bound<'_, PyAny>) -> Option<DType> {
    let name = t.cast::<PyType>().ok()?.name().ok()?;
    let own = t.py().import("ctypes").ok()?.getattr(name).ok()?;
    let code: char = t.getattr("_type_").ok()?.extract().ok()?;
    if !own.is(t) {
        return None;
    }
    match code {
        'd' => Some(DType::F64),
        'f' => Some(DType::F32),
        'q' => Some(DType::I64),
        'Q' => Some(DType::U64),
        _ => INTEGERS.iter().find(|(_, c, _)| *c == code).map(|(d, ..)| *d),
    }
}

fn ctypes_param(t: &Bound<'_, PyAny>) -> Option<CParam> {
    match ctypes_number(t) {
        Some(d) => Some(CParam::Number(d)),
        None => ndpointer(t),
    }
}

/// A class that `numpy.ctypeslib.ndpointer` has made.
fn ndpointer(t: &Bound<'_, PyAny>) -> Option<CParam> {
    let base = t.py().import("numpy.ctypeslib").ok()?.getattr("_ndptr").ok()?;
    let t = t.cast::<PyType>().ok()?;
    if !t.is_subclass(&base).ok()? || !t.getattr("_shape_").ok()?.is_none() {
        return None;
    }
    let get = |name: &str| t.getattr(name).ok().filter(|v| !v.is_none());
    let dtype = match get("_dtype_") {
        None => None,
        Some(d) if d.getattr("isnative").ok()?.is_truthy().ok()? => Some(DType::from_name(
            &d.getattr("name").ok()?.extract::<String>().ok()?,
        )?),
        Some(_) => return None,
    };
    let flags: u32 = get("_flags_").map_or(Some(0), |f| f.extract().ok())?;
    let (c, f, aligned, writeable) = (1, 2, 0x100, 0x400);
    if flags & !(c | f | aligned | writeable) != 0 || flags & (c | f) == c | f {
        return None;
    }
    Some(CParam::Array {
        dtype,
        ndim: get("_ndim_").map_or(Some(None), |n| n.extract().ok().map(Some))?,
        layout: match flags & (c | f) {
            0 => None,
            n => Some(if n == c { Layout::C } else { Layout::F }),
        },
        writeable: flags & writeable != 0,
    })
}

/// A function pointer of a library; a callback is of another class.
fn of_cffi(o: &Bound<'_, PyAny>) -> Option<CFunction> {
    let class = o.get_type();
    let own = class.name().is_ok_and(|n| n == "_CDataBase");
    if !own || class.module().is_ok_and(|m| m != "_cffi_backend") {
        return None;
    }
    let t = o
        .py()
        .import("_cffi_backend")
        .ok()?
        .call_method1("typeof", (o,))
        .ok()?;
    let text = |t: &Bound<'_, PyAny>, name: &str| t.getattr(name).and_then(|v| v.extract::<String>()).ok();
    if text(&t, "kind")? != "function" || t.getattr("ellipsis").ok()?.is_truthy().ok()? {
        return None;
    }
    let number = |t: &Bound<'_, PyAny>| match text(t, "cname")?.as_str() {
        "double" => Some(DType::F64),
        "float" => Some(DType::F32),
        name => INTEGERS
            .iter()
            .find(|(.., names)| names.contains(&name))
            .map(|(d, ..)| *d),
    };
    let args = t.getattr("args").ok()?.cast_into::<PyTuple>().ok()?;
    let params: Option<Vec<CParam>> = args.iter().map(|a| number(&a).map(CParam::Number)).collect();
    let result = t.getattr("result").ok()?;
    Some(CFunction {
        params: params?,
        ret: match text(&result, "kind")?.as_str() {
            "void" => None,
            _ => Some(number(&result)?),
        },
        checked: true,
    })
}
