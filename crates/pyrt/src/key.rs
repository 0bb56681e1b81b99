//! The packed type key of a call's arguments: a few 64-bit words, computed without allocating.
//!
//! | argument | words |
//! |---|---|
//! | scalar | tag, family |
//! | None | tag |
//! | array | tag, NumPy's type number, rank, contiguity and writeability |
//! | tuple | tag, length; then the words of its items |
//! | string | tag, hash; equality of the text is checked by the entry that is found |
//! | class, builtin, ufunc, dtype, function with defaults | tag; then its address, which the entry keeps valid |
//! | function without defaults | tag, number of closure variables; the addresses of its code and of its globals; then the words of the closure variables |
//!
//! | anything else | tag |
//!
//! So a lambda that is made anew for each call finds the code that was compiled for the one before.

use std::ffi::c_int;
use std::mem::MaybeUninit;

use numlift_types::{ArrayType, DType, Layout, Scalar, Type};
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;

use crate::cpython::{self, Field};
use crate::numpy::{ALIGNED, Api, ArrayObject, C_CONTIGUOUS, F_CONTIGUOUS, WRITEABLE, api};
use crate::opaque::Opaque;
use crate::value::MAX_EXTENT;

const SCALAR: u64 = 1;
const NONE: u64 = 2;
const ARRAY: u64 = 3;
const TUPLE: u64 = 4;
const TEXT: u64 = 5;
const CONSTANT: u64 = 6;
const FUNCTION: u64 = 7;
const UNBOUND: u64 = 8;
const OPAQUE: u64 = 9;

/// Words kept on the stack.
const INLINE: usize = 24;
/// Deeper nesting of tuples has no native type.
const MAX_DEPTH: u32 = 16;

/// A key under construction.
pub struct Key {
    len: usize,
    inline: [MaybeUninit<u64>; INLINE],
    /// all words, once there are more than fit
    heap: Vec<u64>,
}

impl Default for Key {
    #[inline]
    fn default() -> Key {
        Key {
            len: 0,
            inline: [const { MaybeUninit::uninit() }; INLINE],
            heap: Vec::new(),
        }
    }
}

impl Key {
    #[inline(always)]
    fn push(&mut self, word: u64) {
        if self.len < INLINE {
            self.inline[self.len].write(word);
            self.len += 1;
        } else {
            self.push_to_heap(word);
        }
    }

    #[cold]
    fn push_to_heap(&mut self, word: u64) {
        if self.len == INLINE {
            self.heap = self.words().to_vec();
        }
        self.heap.push(word);
        self.len += 1;
    }

    /// The words so far.
    #[inline(always)]
    pub fn words(&self) -> &[u64] {
        if self.len <= INLINE {
            // SAFETY: the first `len` words have been written.
            unsafe { std::slice::from_raw_parts(self.inline.as_ptr().cast(), self.len) }
        } else {
            &self.heap
        }
    }

    /// Whether the words are these. Keys are short: a loop beats a call of `memcmp`.
    #[inline(always)]
    pub fn is(&self, words: &[u64]) -> bool {
        same(self.words(), words)
    }

    /// Adds an argument; `false` if native code cannot hold it.
    ///
    /// # Safety
    /// `o` is a valid object and the GIL is held.
    #[inline(always)]
    pub unsafe fn push_object(&mut self, o: *mut PyObject) -> bool {
        // SAFETY: type objects are compared by address; the cast follows the check of the exact type.
        unsafe {
            let t = ffi::Py_TYPE(o);
            if t == &raw mut ffi::PyFloat_Type {
                self.push(scalar(Scalar::PyFloat));
                return true;
            }
            let api = api();
            if t == api.array_type {
                return match array_word(o.cast()) {
                    Some(word) => {
                        self.push(word);
                        true
                    }
                    None => false,
                };
            }
            if t == &raw mut ffi::PyLong_Type {
                self.push(scalar(Scalar::PyInt));
                return true;
            }
            self.push_rare(o, api, 0)
        }
    }

    /// Adds the argument of a parameter: functions are keyed by what they consist of, what native code cannot
    /// hold, or may not look into, as an object.
    ///
    /// # Safety
    /// `o` is a valid object and the GIL is held.
    #[inline(always)]
    pub unsafe fn push_argument(&mut self, o: *mut PyObject, parameter: usize, opaque: Opaque) -> bool {
        // SAFETY: as promised by the caller.
        unsafe {
            let t = ffi::Py_TYPE(o);
            if t == &raw mut ffi::PyFloat_Type || t == api().array_type || t == &raw mut ffi::PyLong_Type {
                return self.push_object(o) || self.push_opaque();
            }
            self.push_rare_argument(o, parameter, opaque)
        }
    }

    #[inline(never)]
    unsafe fn push_rare_argument(&mut self, o: *mut PyObject, parameter: usize, opaque: Opaque) -> bool {
        // SAFETY: as for `push_argument`.
        unsafe {
            if opaque.hides(parameter, o) {
                return self.push_opaque();
            }
            match closure_of(o) {
                None => {
                    // what was pushed for the items of a tuple before the one that has no type stays
                    self.push_object(o) || self.push_opaque()
                }
                Some(closure) => {
                    self.push_function(o, closure);
                    true
                }
            }
        }
    }

    /// An argument that native code cannot look into.
    #[cold]
    fn push_opaque(&mut self) -> bool {
        self.push(OPAQUE);
        true
    }

    #[cold]
    unsafe fn push_function(&mut self, f: *mut PyObject, closure: Closure) {
        self.push(FUNCTION | (closure.len() as u64) << 8);
        // SAFETY: `f` is a function and `closure` its own; the GIL is held.
        unsafe {
            self.push(cpython::function_field(f, Field::Code) as u64);
            self.push(cpython::function_field(f, Field::Globals) as u64);
            closure.each(&mut |content| {
                if content.is_null() {
                    self.push(UNBOUND);
                } else if !self.push_object(content) {
                    // What was pushed for the items of a tuple before the one that has no type stays: it
                    // is the same for the same tuple types.
                    self.push(OPAQUE);
                    self.push(ffi::Py_TYPE(content) as u64);
                }
            });
        }
    }

    #[inline(never)]
    unsafe fn push_rare(&mut self, o: *mut PyObject, api: &Api, depth: u32) -> bool {
        // SAFETY: as for `push_object`.
        unsafe {
            let t = ffi::Py_TYPE(o);
            if t == &raw mut ffi::PyTuple_Type {
                let n = ffi::PyTuple_Size(o);
                self.push(TUPLE | (n as u64) << 8);
                return depth < MAX_DEPTH
                    && (0..n).all(|i| {
                        let item = ffi::PyTuple_GetItem(o, i);
                        if ffi::Py_TYPE(item) == &raw mut ffi::PyTuple_Type {
                            self.push_rare(item, api, depth + 1)
                        } else {
                            self.push_object(item)
                        }
                    });
            }
            let word = if t == &raw mut ffi::PyBool_Type {
                scalar(Scalar::PyBool)
            } else if t == &raw mut ffi::PyComplex_Type {
                scalar(Scalar::PyComplex)
            } else if o == ffi::Py_None() {
                NONE
            } else if let Some(d) = api.scalar_dtype(t) {
                scalar(Scalar::Np(d))
            } else if t == &raw mut ffi::PyUnicode_Type {
                TEXT | (ffi::PyObject_Hash(o) as u64) << 8
            } else if api.is_constant(o, t) {
                self.push(CONSTANT);
                o as u64
            } else {
                return false;
            };
            self.push(word);
            true
        }
    }

    /// Adds an argument given by its type; `false` if the type needs the object itself.
    pub fn push_type(&mut self, t: &Type) -> bool {
        let word = match t {
            Type::Scalar(s) => scalar(*s),
            Type::None => NONE,
            Type::Array(a) => {
                let flags = match a.layout {
                    Layout::C => C_CONTIGUOUS,
                    Layout::F => F_CONTIGUOUS,
                    Layout::A => 0,
                };
                let writeable = if a.readonly { 0 } else { WRITEABLE };
                pack_array(a.dtype.type_num(), c_int::from(a.ndim), flags | writeable)
            }
            Type::Tuple(items) => {
                self.push(TUPLE | (items.len() as u64) << 8);
                return items.iter().all(|t| self.push_type(t));
            }
            _ => return false,
        };
        self.push(word);
        true
    }
}

/// Whether two keys are the same.
#[inline(always)]
pub(crate) fn same(a: &[u64], b: &[u64]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(x, y)| x == y)
}

/// The closure of a function.
#[derive(Clone, Copy)]
pub(crate) struct Closure(*mut PyObject);

impl Closure {
    pub(crate) fn len(self) -> usize {
        if self.0.is_null() {
            return 0;
        }
        // SAFETY: a tuple, kept alive by its function.
        unsafe { ffi::PyTuple_Size(self.0) as usize }
    }

    /// Calls `f` with the contents of each cell, NULL where it is empty.
    ///
    /// # Safety
    /// The function that has the closure is alive and the GIL is held.
    pub(crate) unsafe fn each(self, f: &mut dyn FnMut(*mut PyObject)) {
        for i in 0..self.len() {
            // SAFETY: cells of a tuple that is alive; the reference is given back.
            unsafe {
                let content = cpython::cell_contents(ffi::PyTuple_GetItem(self.0, i as isize));
                f(content);
                ffi::Py_XDECREF(content);
            }
        }
    }
}

/// The closure of an argument that is keyed by what it consists of: a function without defaults.
///
/// # Safety
/// `o` is a valid object and the GIL is held.
#[inline]
pub(crate) unsafe fn closure_of(o: *mut PyObject) -> Option<Closure> {
    // SAFETY: fields are read of functions only.
    unsafe {
        if ffi::Py_TYPE(o) != api().function_type {
            return None;
        }
        let null = |f: Field| cpython::function_field(o, f).is_null();
        (null(Field::Defaults) && null(Field::KwDefaults))
            .then(|| Closure(cpython::function_field(o, Field::Closure)))
    }
}

/// A cell of an argument that is keyed by what it consists of: its contents, a new reference or NULL.
///
/// # Safety
/// `o` is a valid object and the GIL is held.
pub(crate) unsafe fn argument_cell(o: *mut PyObject, cell: usize) -> *mut PyObject {
    // SAFETY: the index is checked; as promised by the caller.
    unsafe {
        match closure_of(o) {
            Some(closure) if cell < closure.len() => {
                cpython::cell_contents(ffi::PyTuple_GetItem(closure.0, cell as isize))
            }
            _ => std::ptr::null_mut(),
        }
    }
}

/// Whether an argument is keyed by what it consists of.
pub fn is_keyed_by_parts(o: &Bound<'_, PyAny>) -> bool {
    // SAFETY: a live object, and a `Bound` exists only while the GIL is held.
    unsafe { closure_of(o.as_ptr()).is_some() }
}

/// Whether native code cannot look into an argument: it is keyed, and passed, as an object.
pub fn is_opaque(o: &Bound<'_, PyAny>) -> bool {
    // SAFETY: a live object, and a `Bound` exists only while the GIL is held.
    unsafe { closure_of(o.as_ptr()).is_none() && !Key::default().push_object(o.as_ptr()) }
}

/// The word of a scalar.
pub(crate) fn scalar(s: Scalar) -> u64 {
    let family = match s {
        Scalar::PyBool => 0,
        Scalar::PyInt => 1,
        Scalar::PyFloat => 2,
        Scalar::PyComplex => 3,
        Scalar::Np(d) => 4 + d as u64,
    };
    SCALAR | family << 8
}

/// Whether a word is that of an array.
pub(crate) fn is_array(word: u64) -> bool {
    word & 0xff == ARRAY
}

const fn pack_array(type_num: c_int, nd: c_int, flags: c_int) -> u64 {
    ARRAY | (type_num as u64) << 8 | (nd as u64) << 16 | (flags as u64) << 32
}

/// Bit set of NumPy's type numbers that native code can hold.
const NATIVE_TYPES: u32 = {
    let mut set = 0;
    let mut i = 0;
    while i < DType::ALL.len() {
        set |= 1 << DType::ALL[i].type_num();
        i += 1;
    }
    set
};

/// The word of an array; `None`: its dtype, byte order, alignment or extent has no native type.
#[inline]
pub(crate) unsafe fn array_word(a: *mut ArrayObject) -> Option<u64> {
    // SAFETY: the caller checked that this is an ndarray.
    unsafe {
        let a = &*a;
        let descr = &*a.descr;
        let number = descr.type_num;
        if number as u32 >= 32
            || NATIVE_TYPES & 1 << number == 0
            || a.flags & ALIGNED == 0
            || descr.byteorder == b'>' as i8
            || a.nd > 64
            || (0..a.nd as usize).any(|i| *a.dimensions.add(i) >= MAX_EXTENT)
        {
            return None;
        }
        let mut flags = a.flags & (C_CONTIGUOUS | F_CONTIGUOUS | WRITEABLE);
        if flags & C_CONTIGUOUS != 0 || a.nd < 2 {
            flags &= !F_CONTIGUOUS;
        }
        Some(pack_array(number, a.nd, flags))
    }
}

/// The type of an array; `None` as for its key.
///
/// # Safety
/// `a` is an ndarray and the GIL is held.
pub unsafe fn array_type(a: *mut ArrayObject) -> Option<ArrayType> {
    // SAFETY: as promised by the caller.
    let word = unsafe { array_word(a) }?;
    let flags = (word >> 32) as c_int;
    let layout = if flags & C_CONTIGUOUS != 0 {
        Layout::C
    } else if flags & F_CONTIGUOUS != 0 {
        Layout::F
    } else {
        Layout::A
    };
    Some(ArrayType {
        dtype: DType::from_type_num((word >> 8) as i32 & 0xff)?,
        ndim: (word >> 16) as u8,
        layout,
        readonly: flags & WRITEABLE == 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_keys_move_to_the_heap() {
        let mut key = Key::default();
        let t = Type::tuple((0..40).map(|_| Type::FLOAT));
        assert!(key.push_type(&t));
        assert_eq!(key.words().len(), 41);
        assert_eq!(key.words()[0], TUPLE | 40 << 8);
        assert!(key.words()[1..].iter().all(|w| *w == scalar(Scalar::PyFloat)));
    }

    #[test]
    fn types_differ_in_their_words() {
        let array = |layout| Type::array(DType::F64, 2, layout);
        let mut all = vec![Type::None, Type::INT, Type::FLOAT, Type::np(DType::F64)];
        all.extend([array(Layout::C), array(Layout::F), array(Layout::A)]);
        let words: std::collections::HashSet<Vec<u64>> = all
            .iter()
            .map(|t| {
                let mut key = Key::default();
                assert!(key.push_type(t));
                key.words().to_vec()
            })
            .collect();
        assert_eq!(words.len(), all.len());
    }
}
