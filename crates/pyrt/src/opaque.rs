//! Parameters that are not specialised on the values of their arguments any more.
//!
//! A string, a class or a builtin is a constant of the code that is compiled for it, so that `kind == "sum"` is
//! decided once. Where calls keep coming with other values, that would compile without end: from then on the
//! argument is an object, one specialisation serves all values, and what looks into it is an island.

use pyo3::ffi::{self, PyObject};

use crate::numpy::api;

/// So many different strings are constants.
pub(crate) const MAX_TEXTS: usize = 16;
/// So many different classes, builtins, ufuncs, dtypes and functions are.
pub(crate) const MAX_CONSTANTS: usize = 48;

/// A set of parameters by number; of those beyond the 64th nothing is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Opaque(pub(crate) u64);

impl Opaque {
    /// Whether the parameter is in it.
    #[inline(always)]
    pub fn contains(self, parameter: usize) -> bool {
        parameter < 64 && self.0 >> parameter & 1 != 0
    }

    pub(crate) fn insert(&mut self, parameter: usize) {
        if parameter < 64 {
            self.0 |= 1 << parameter;
        }
    }

    /// Whether the argument of a parameter is an object because of it.
    ///
    /// # Safety
    /// `o` is a valid object and the GIL is held.
    pub(crate) unsafe fn hides(self, parameter: usize, o: *mut PyObject) -> bool {
        // SAFETY: as promised by the caller.
        self.contains(parameter) && unsafe { most_values(o) }.is_some()
    }
}

/// Of how many such values a parameter may be specialised on each; `None`: its type is what counts.
///
/// # Safety
/// `o` is a valid object and the GIL is held.
pub(crate) unsafe fn most_values(o: *mut PyObject) -> Option<usize> {
    // SAFETY: as promised by the caller.
    unsafe {
        let class = ffi::Py_TYPE(o);
        if class == &raw mut ffi::PyUnicode_Type {
            Some(MAX_TEXTS)
        } else {
            api().is_constant(o, class).then_some(MAX_CONSTANTS)
        }
    }
}

/// The value of a parameter that an entry was compiled for.
#[derive(Debug)]
pub(crate) struct Value {
    pub(crate) parameter: usize,
    /// what stands for it in the key: its hash or its address
    word: u64,
    most: usize,
}

impl Value {
    /// Whether it is new and so many others of its kind are known that one more is not compiled for.
    pub(crate) fn is_beyond<'a>(&self, known: impl Iterator<Item = &'a Value>) -> bool {
        let alike = known.filter(|v| v.parameter == self.parameter && v.most == self.most);
        let mut words: Vec<u64> = alike.map(|v| v.word).collect();
        words.sort_unstable();
        words.dedup();
        words.len() >= self.most && !words.contains(&self.word)
    }
}

/// The arguments that are constants.
///
/// # Safety
/// The GIL is held; the arguments are alive.
pub(crate) unsafe fn values(args: &[*mut PyObject], opaque: Opaque) -> Vec<Value> {
    let value = |(parameter, &o): (usize, &*mut PyObject)| {
        // SAFETY: as promised by the caller.
        let most = unsafe { most_values(o) }.filter(|_| !opaque.contains(parameter))?;
        let word = match most {
            // SAFETY: as above.
            MAX_TEXTS => unsafe { ffi::PyObject_Hash(o) as u64 },
            _ => o as u64,
        };
        Some(Value {
            parameter,
            word,
            most,
        })
    };
    args.iter().enumerate().filter_map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_beyond_the_words_bits_are_never_in_it() {
        let mut set = Opaque::default();
        for parameter in [3, 63, 64, 200] {
            set.insert(parameter);
        }
        let all: Vec<usize> = (0..300).filter(|&i| set.contains(i)).collect();
        assert_eq!(all, [3, 63]);
    }

    #[test]
    fn values_that_came_again_do_not_count_twice() {
        let value = |parameter, word| Value {
            parameter,
            word,
            most: MAX_TEXTS,
        };
        let known: Vec<Value> = (0..40).map(|i| value(i % 2, i as u64 / 4)).collect();
        assert!(!value(0, 10).is_beyond(known.iter()), "ten of each are known");
        let known: Vec<Value> = (0..40).map(|i| value(i % 2, i as u64 / 2)).collect();
        assert!(value(0, 20).is_beyond(known.iter()) && !value(0, 3).is_beyond(known.iter()));
        assert!(!value(2, 20).is_beyond(known.iter()));
    }
}
