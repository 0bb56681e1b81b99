//! Types of Python objects, and objects to slots and back.

use std::ffi::{c_int, c_void};

use numlift_types::{ArrayType, Carrier, DType, Scalar, Type, UnionType};
use pyo3::ffi::{self, PyObject};

use crate::numpy::{ArrayObject, api};

/// Extents from here on are only possible with stride 0 or no elements: native code assumes smaller ones.
pub const MAX_EXTENT: isize = 1 << 48;

/// Number of slots of a type.
#[inline]
pub fn slots(t: &Type) -> usize {
    match t {
        Type::Scalar(s) => carrier_slots(s.carrier()),
        Type::Object(_) => 1,
        t => slots_of_parts(t),
    }
}

fn slots_of_parts(t: &Type) -> usize {
    match t {
        Type::Scalar(s) => carrier_slots(s.carrier()),
        Type::Union(u) => carrier_slots(u.carrier()) + 1,
        Type::Array(a) => 2 + 2 * usize::from(a.ndim),
        Type::Optional(t) => slots(t) + 1,
        Type::Tuple(items) | Type::List(items) => items.iter().map(slots).sum(),
        Type::Record(r) => r.items.iter().map(slots).sum(),
        Type::Range => 3,
        Type::Closure(_) => t.parts().into_iter().map(slots).sum(),
        Type::Object(_) => 1,
        _ => 0,
    }
}

fn carrier_slots(c: Carrier) -> usize {
    if matches!(c, Carrier::C64 | Carrier::C128) {
        2
    } else {
        1
    }
}

/// The type of an object, `None` if native code cannot hold it.
///
/// # Safety
/// `o` is a valid object and the GIL is held.
pub unsafe fn type_of(o: *mut PyObject) -> Option<Type> {
    // SAFETY: type objects are compared by address; each cast follows the check of the exact type.
    unsafe {
        let t = ffi::Py_TYPE(o);
        if t == &raw mut ffi::PyFloat_Type {
            return Some(Type::FLOAT);
        }
        let api = api();
        if t == api.array_type {
            return crate::key::array_type(o.cast()).map(Type::Array);
        }
        if t == &raw mut ffi::PyLong_Type {
            let mut overflow: c_int = 0;
            ffi::PyLong_AsLongLongAndOverflow(o, &raw mut overflow);
            return (overflow == 0).then_some(Type::INT);
        }
        if t == &raw mut ffi::PyBool_Type {
            return Some(Type::BOOL);
        }
        if t == &raw mut ffi::PyTuple_Type {
            let n = ffi::PyTuple_Size(o);
            let items: Option<Vec<Type>> = (0..n).map(|i| type_of(ffi::PyTuple_GetItem(o, i))).collect();
            return items.map(Type::tuple);
        }
        if t == &raw mut ffi::PyComplex_Type {
            return Some(Type::COMPLEX);
        }
        if o == ffi::Py_None() {
            return Some(Type::None);
        }
        DType::ALL
            .into_iter()
            .find(|d| api.scalar_types[*d as usize] == t)
            .map(Type::np)
    }
}

/// Writes the slots of an object of the given type; returns how many.
///
/// # Safety
/// `o` has this type (see [`type_of`]), `out` has room, the GIL is held.
pub unsafe fn flatten(o: *mut PyObject, t: &Type, out: *mut u64) -> usize {
    // SAFETY: the layouts follow from the type, which the caller vouches for.
    unsafe {
        match t {
            Type::Scalar(s) => flatten_scalar(o, *s, out),
            Type::Array(a) => {
                let n = usize::from(a.ndim);
                let x = &*o.cast::<ArrayObject>();
                *out = x.data as u64;
                for i in 0..n {
                    *out.add(1 + i) = *x.dimensions.add(i) as u64;
                    *out.add(1 + n + i) = *x.strides.add(i) as u64;
                }
                *out.add(1 + 2 * n) = o as u64;
                2 + 2 * n
            }
            Type::Tuple(_) | Type::List(_) | Type::Record(_) => {
                let list = matches!(t, Type::List(_));
                let mut at = 0;
                for (i, t) in t.parts().into_iter().enumerate() {
                    let item = match list {
                        true => ffi::PyList_GetItem(o, i as isize),
                        false => ffi::PyTuple_GetItem(o, i as isize),
                    };
                    at += flatten(item, t, out.add(at));
                }
                at
            }
            Type::Union(u) => {
                let Some((tag, raw)) = in_union(o, u) else {
                    return 0;
                };
                let n = carrier_slots(u.carrier());
                *out = raw[0];
                if n == 2 {
                    *out.add(1) = raw[1];
                }
                *out.add(n) = tag as u64;
                n + 1
            }
            Type::Object(_) => {
                *out = o as u64;
                1
            }
            Type::Optional(t) => {
                let n = slots(t);
                let there = o != ffi::Py_None();
                if there {
                    flatten(o, t, out);
                } else {
                    (0..n).for_each(|i| *out.add(i) = 0);
                }
                *out.add(n) = u64::from(there);
                n + 1
            }
            _ => 0,
        }
    }
}

pub(crate) unsafe fn flatten_scalar(o: *mut PyObject, s: Scalar, out: *mut u64) -> usize {
    // SAFETY: as for `flatten`; a NumPy scalar's value follows the object head.
    unsafe {
        match s {
            Scalar::PyBool => *out = u64::from(o == ffi::Py_True()),
            Scalar::PyInt => *out = ffi::PyLong_AsLongLong(o) as u64,
            Scalar::PyFloat => *out = ffi::PyFloat_AsDouble(o).to_bits(),
            Scalar::PyComplex => {
                *out = ffi::PyComplex_RealAsDouble(o).to_bits();
                *out.add(1) = ffi::PyComplex_ImagAsDouble(o).to_bits();
                return 2;
            }
            Scalar::Np(d) => {
                let p = o.cast::<u8>().add(size_of::<PyObject>());
                *out = match d {
                    DType::Bool | DType::U8 => u64::from(*p),
                    DType::I8 => i64::from(*p.cast::<i8>()) as u64,
                    DType::I16 => i64::from(*p.cast::<i16>()) as u64,
                    DType::U16 => u64::from(*p.cast::<u16>()),
                    DType::I32 => i64::from(*p.cast::<i32>()) as u64,
                    DType::U32 | DType::F32 => u64::from(*p.cast::<u32>()),
                    DType::I64 | DType::U64 | DType::F64 => *p.cast::<u64>(),
                    DType::C64 => {
                        *out.add(1) = u64::from(*p.cast::<u32>().add(1));
                        *out = u64::from(*p.cast::<u32>());
                        return 2;
                    }
                    DType::C128 => {
                        *out.add(1) = *p.cast::<u64>().add(1);
                        *out = *p.cast::<u64>();
                        return 2;
                    }
                };
            }
        }
        1
    }
}

/// The object of a value in slots: a new reference, or NULL with an exception set.
///
/// # Safety
/// The slots hold a value of the type; the GIL is held. Owner slots are borrowed.
pub unsafe fn boxed(t: &Type, v: *const u64) -> *mut PyObject {
    // SAFETY: the slots follow from the type, which the caller vouches for.
    unsafe {
        match t {
            Type::Scalar(s) => box_scalar(*s, v),
            Type::Union(u) => {
                let n = carrier_slots(u.carrier());
                let tag = *v.add(n) as usize & 0xff;
                let Some(&s) = u.members().get(tag) else {
                    ffi::PyErr_SetString(ffi::PyExc_SystemError, c"numlift: a tag out of range".as_ptr());
                    return std::ptr::null_mut();
                };
                let raw = project(u.carrier(), s, v);
                box_scalar(s, raw.as_ptr())
            }
            Type::Array(a) => box_array(*a, v),
            Type::Optional(t) if is_some(t, v) => boxed(t, v),
            Type::Tuple(items) => {
                let tuple = ffi::PyTuple_New(items.len() as isize);
                if tuple.is_null() {
                    return tuple;
                }
                let mut at = 0;
                for (i, t) in items.iter().enumerate() {
                    let item = boxed(t, v.add(at));
                    if item.is_null() {
                        ffi::Py_DECREF(tuple);
                        return item;
                    }
                    ffi::PyTuple_SetItem(tuple, i as isize, item);
                    at += slots(t);
                }
                tuple
            }
            Type::Record(r) => {
                let items = boxed(&Type::tuple(r.items.iter().cloned()), v);
                let class = crate::unbox::record_class(&r.class);
                let result = match items.is_null() || class.is_null() {
                    true => std::ptr::null_mut(),
                    false => ffi::PyObject_CallObject(class, items),
                };
                ffi::Py_XDECREF(items);
                ffi::Py_XDECREF(class);
                result
            }
            Type::List(items) => {
                let list = ffi::PyList_New(items.len() as isize);
                if list.is_null() {
                    return list;
                }
                let mut at = 0;
                for (i, t) in items.iter().enumerate() {
                    let item = boxed(t, v.add(at));
                    if item.is_null() {
                        ffi::Py_DECREF(list);
                        return item;
                    }
                    ffi::PyList_SetItem(list, i as isize, item);
                    at += slots(t);
                }
                list
            }
            Type::Str(s) => ffi::PyUnicode_FromStringAndSize(s.as_ptr().cast(), s.len() as isize),
            Type::DType(d) => {
                let o = api().scalar_types[*d as usize].cast::<PyObject>();
                ffi::Py_INCREF(o);
                o
            }
            Type::Range => {
                let arg = |i: usize| *v.add(i) as i64;
                let class = (&raw mut ffi::PyRange_Type).cast::<PyObject>();
                let format = c"LLL".as_ptr();
                ffi::PyObject_CallFunction(class, format, arg(0), arg(1), arg(2))
            }
            Type::Object(_) => {
                let o = *v as *mut PyObject;
                ffi::Py_INCREF(o);
                o
            }
            Type::Ellipsis => {
                ffi::Py_INCREF(ffi::Py_Ellipsis());
                ffi::Py_Ellipsis()
            }
            Type::None | Type::Never | Type::Optional(_) => {
                ffi::Py_INCREF(ffi::Py_None());
                ffi::Py_None()
            }
            _ => {
                let text = c"numlift: a value without an object form";
                ffi::PyErr_SetString(ffi::PyExc_SystemError, text.as_ptr());
                std::ptr::null_mut()
            }
        }
    }
}

/// Whether an optional value is there.
unsafe fn is_some(t: &Type, v: *const u64) -> bool {
    // SAFETY: the flag follows the slots of the value.
    unsafe { *v.add(slots(t)) & 0xff != 0 }
}

/// Whether an owner slot is zero: the value of a variable that is not bound.
///
/// # Safety
/// The slots hold a value of the type or are zero.
pub(crate) unsafe fn is_absent(t: &Type, v: *const u64) -> bool {
    // SAFETY: the slots follow from the type, which the caller vouches for.
    unsafe {
        match t {
            Type::Array(a) => *v.add(1 + 2 * usize::from(a.ndim)) == 0,
            Type::Object(_) => *v == 0,
            Type::Tuple(_) | Type::List(_) | Type::Record(_) => {
                let mut at = 0;
                t.parts().into_iter().any(|t| {
                    let slot = v.add(at);
                    at += slots(t);
                    is_absent(t, slot)
                })
            }
            _ => false,
        }
    }
}

/// Calls `f` with each reference in a value.
///
/// # Safety
/// The slots hold a value of the type.
pub(crate) unsafe fn each_owner(t: &Type, v: *const u64, f: &mut dyn FnMut(*mut PyObject)) {
    // SAFETY: the slots follow from the type.
    unsafe {
        match t {
            Type::Optional(t) if is_some(t, v) => each_owner(t, v, f),
            Type::Array(a) => f(*v.add(1 + 2 * usize::from(a.ndim)) as *mut PyObject),
            Type::Object(_) => f(*v as *mut PyObject),
            Type::Tuple(_) | Type::List(_) | Type::Record(_) | Type::Closure(_) => {
                let mut at = 0;
                for t in t.parts() {
                    each_owner(t, v.add(at), f);
                    at += slots(t);
                }
            }
            _ => {}
        }
    }
}

/// Calls `f` with the slots of each array in a value.
///
/// # Safety
/// The slots hold a value of the type.
pub(crate) unsafe fn each_array(t: &Type, v: *mut u64, f: &mut dyn FnMut(&ArrayType, *mut u64)) {
    // SAFETY: the slots follow from the type.
    unsafe {
        match t {
            Type::Array(a) => f(a, v),
            Type::Optional(t) if is_some(t, v) => each_array(t, v, f),
            Type::Tuple(_) | Type::List(_) | Type::Record(_) | Type::Closure(_) => {
                let mut at = 0;
                for t in t.parts() {
                    each_array(t, v.add(at), f);
                    at += slots(t);
                }
            }
            _ => {}
        }
    }
}

/// Drops the references that a result brought.
///
/// # Safety
/// The slots hold a value of the type whose owners are references to give up; the GIL is held.
pub(crate) unsafe fn release(t: &Type, v: *const u64) {
    // SAFETY: as promised by the caller.
    unsafe { each_owner(t, v, &mut |o| ffi::Py_XDECREF(o)) }
}

/// Tag and carrier slots of a number in a union; `None` if it is no member, or an int that the carrier does not
/// hold exactly.
unsafe fn in_union(o: *mut PyObject, u: &UnionType) -> Option<(usize, [u64; 2])> {
    // SAFETY: a live object, whose type is checked before it is read.
    unsafe {
        let Some(Type::Scalar(s)) = type_of(o) else {
            return None;
        };
        let tag = u.tag_of(s)?;
        let mut raw = [0u64; 2];
        flatten_scalar(o, s, raw.as_mut_ptr());
        Some((tag, embed(u.carrier(), s, raw)?))
    }
}

/// A member's own slots in a union's carrier; the other way round than [`project`].
fn embed(c: Carrier, s: Scalar, raw: [u64; 2]) -> Option<[u64; 2]> {
    let wide = |x: u64| f64::from(f32::from_bits(x as u32)).to_bits();
    Some(match (c, s.carrier()) {
        (Carrier::F64 | Carrier::C128, Carrier::F32) => [wide(raw[0]), 0],
        (Carrier::C128, Carrier::C64) => raw.map(wide),
        (Carrier::F64 | Carrier::C128, Carrier::I64) if s.dtype() == DType::U64 => {
            let x = raw[0] as f64;
            (x < 2f64.powi(64) && x as u64 == raw[0]).then_some([x.to_bits(), 0])?
        }
        (Carrier::F64 | Carrier::C128, Carrier::I8 | Carrier::I16 | Carrier::I32 | Carrier::I64) => {
            let n = raw[0] as i64;
            let x = n as f64;
            (x < 2f64.powi(63) && x as i64 == n).then_some([x.to_bits(), 0])?
        }
        _ => raw,
    })
}

/// Whether the numbers of an object of the type have a place in the carriers of its unions.
pub(crate) unsafe fn is_exact(o: *mut PyObject, t: &Type) -> bool {
    // SAFETY: a live object of the type; items of a tuple live as long as it.
    unsafe {
        match t {
            Type::Union(u) => in_union(o, u).is_some(),
            Type::Optional(t) => o == ffi::Py_None() || is_exact(o, t),
            Type::Tuple(items) => {
                let item = |i: usize| ffi::PyTuple_GetItem(o, i as isize);
                items.iter().enumerate().all(|(i, t)| is_exact(item(i), t))
            }
            // NumPy's lists have no unions
            _ => true,
        }
    }
}

/// A union's carrier back to a member's own slots.
unsafe fn project(c: Carrier, s: Scalar, v: *const u64) -> [u64; 2] {
    // SAFETY: the carrier's slots are there.
    let raw = unsafe { [*v, if carrier_slots(c) == 2 { *v.add(1) } else { 0 }] };
    match (c, s.carrier()) {
        (Carrier::F64 | Carrier::C128, Carrier::F32) => {
            [u64::from((f64::from_bits(raw[0]) as f32).to_bits()), 0]
        }
        (Carrier::C128, Carrier::C64) => {
            let f = |x: u64| u64::from((f64::from_bits(x) as f32).to_bits());
            [f(raw[0]), f(raw[1])]
        }
        (Carrier::F64 | Carrier::C128, Carrier::I64) if s.dtype() == DType::U64 => {
            [f64::from_bits(raw[0]) as u64, 0]
        }
        (Carrier::F64 | Carrier::C128, Carrier::I8 | Carrier::I16 | Carrier::I32 | Carrier::I64) => {
            [f64::from_bits(raw[0]) as i64 as u64, 0]
        }
        _ => raw,
    }
}

unsafe fn box_scalar(s: Scalar, v: *const u64) -> *mut PyObject {
    // SAFETY: the slots hold a value of this family.
    unsafe {
        match s {
            Scalar::PyBool => ffi::PyBool_FromLong(i64::from(*v & 0xff != 0)),
            Scalar::PyInt => ffi::PyLong_FromLongLong(*v as i64),
            Scalar::PyFloat => ffi::PyFloat_FromDouble(f64::from_bits(*v)),
            Scalar::PyComplex => ffi::PyComplex_FromDoubles(f64::from_bits(*v), f64::from_bits(*v.add(1))),
            Scalar::Np(DType::C64) => {
                let pair = [*v as u32, *v.add(1) as u32];
                api().new_scalar(DType::C64, pair.as_ptr().cast())
            }
            // little-endian: the low bytes of the slot are the element
            Scalar::Np(d) => api().new_scalar(d, v.cast::<c_void>()),
        }
    }
}

unsafe fn box_array(a: ArrayType, v: *const u64) -> *mut PyObject {
    // SAFETY: the owner slot holds an object that keeps the memory alive.
    unsafe {
        let n = usize::from(a.ndim);
        let owner = *v.add(1 + 2 * n) as *mut PyObject;
        let shape: Vec<isize> = (0..n).map(|i| *v.add(1 + i) as isize).collect();
        let strides: Vec<isize> = (0..n).map(|i| *v.add(1 + n + i) as isize).collect();
        if *v == owner as u64 {
            // no array is at its own address: the owner as it is, whatever has become of it
            ffi::Py_INCREF(owner);
            return owner;
        }
        if ffi::Py_TYPE(owner) == api().array_type {
            let o = &*owner.cast::<ArrayObject>();
            let same = o.data as u64 == *v
                && o.nd as usize == n
                && (*o.descr).type_num == a.dtype.type_num()
                && (0..n).all(|i| *o.dimensions.add(i) == shape[i])
                && (0..n).all(|i| *o.strides.add(i) == strides[i] || shape[i] <= 1 || shape.contains(&0));
            if same {
                ffi::Py_INCREF(owner);
                return owner;
            }
        }
        api().new_view(a.dtype, &shape, &strides, *v as *mut c_void, !a.readonly, owner)
    }
}
