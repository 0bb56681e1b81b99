//! The specialisations of a function: found without a lock, added under one.
//!
//! Entries are never removed while the function lives, so a pointer to one is good for any call in
//! progress. Readers load the current array of (hash, entry) and scan it from the newest; a writer fills a
//! free place and then publishes the new length, or publishes a larger copy. Superseded arrays are kept:
//! they double, so all of them together are no larger than the current one.

use std::any::Any;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use pyo3::ffi::{self, PyObject};

use crate::count::Counter;
use crate::cpython;
use crate::feedback::Feedback;
use crate::key::{closure_of, same};
use crate::lines::Counted;
use crate::opaque::{Opaque, Value};
use crate::reference::Ref;
use crate::source::{Args, Guard, visit};
use crate::spec::Specialization;

/// What runs for the arguments of an entry.
#[derive(Debug)]
pub enum Tier {
    Native(Box<Specialization>),
    Interpreter(Vec<Guard>),
}

/// A specialisation with its key.
#[derive(Debug)]
pub struct Entry {
    pub(crate) words: Vec<u64>,
    /// Strings among the arguments, in order: their hashes are in the key, here is the text.
    pub(crate) texts: Vec<Ref>,
    /// Constants among the arguments: their addresses are in the key.
    pub(crate) constants: Vec<Ref>,
    pub tier: Tier,
    /// Native code that `direct` can call.
    pub(crate) direct: bool,
    pub counter: Counter,
    /// What its calls observe.
    pub feedback: Option<Feedback>,
    /// What runs in its place while somebody observes the lines of the interpreter.
    pub counted: Option<Counted>,
    /// It assumes types that calls have observed: another entry is for the same arguments.
    pub assumes: bool,
    /// The parameters whose values it does not depend on.
    pub(crate) opaque: Opaque,
    /// The values of the others.
    pub(crate) values: Vec<Value>,
    /// What the compiler keeps with it.
    pub info: Box<dyn Any + Send + Sync>,
}

impl Entry {
    /// Whether it is for these arguments.
    ///
    /// # Safety
    /// The words are the key of the `n` live objects at `args`; the GIL is held.
    #[inline(always)]
    pub(crate) unsafe fn is_for(&self, words: &[u64], args: *const *mut PyObject, n: usize) -> bool {
        // SAFETY: as promised by the caller.
        same(&self.words, words) && (self.texts.is_empty() || unsafe { self.texts_match(args, n) })
    }

    unsafe fn texts_match(&self, args: *const *mut PyObject, n: usize) -> bool {
        let mut expected = self.texts.iter();
        let mut same = true;
        // SAFETY: live objects; strings are compared with strings.
        unsafe {
            each_leaf(args, n, self.opaque, &mut |o| {
                if ffi::Py_TYPE(o) == &raw mut ffi::PyUnicode_Type {
                    same &= expected.next().is_some_and(|t| cpython::same_text(t.as_ptr(), o));
                }
            });
        }
        same
    }

    /// Whether what it assumed still holds.
    ///
    /// # Safety
    /// The GIL is held; `args` are arguments that it is for.
    pub(crate) unsafe fn is_current(&self, args: Args) -> bool {
        match &self.tier {
            // SAFETY: as promised by the caller.
            Tier::Native(s) => unsafe { s.is_current(args) },
            Tier::Interpreter(guards) => guards.iter().all(Guard::holds),
        }
    }

    /// Whether what it assumed was wrong too often: it is not called any more.
    pub fn is_retired(&self) -> bool {
        matches!(&self.tier, Tier::Native(s) if s.is_retired())
    }

    /// Whether it is what calls run: not retired, nor replaced by one that assumes types.
    pub fn is_in_use(&self) -> bool {
        !self.is_retired() && !self.feedback.as_ref().is_some_and(Feedback::is_replaced)
    }

    /// As [`Entry::is_ready`], also if an entry that assumed types was given up.
    pub(crate) fn is_due(&self) -> bool {
        self.feedback.as_ref().is_some_and(Feedback::is_due)
    }

    /// Whether the next call decides which types to assume.
    #[inline(always)]
    pub(crate) fn is_ready(&self) -> bool {
        self.feedback.as_ref().is_some_and(Feedback::is_ready)
    }

    fn visit(&self, f: &mut dyn FnMut(*mut PyObject)) {
        self.constants.iter().for_each(|o| f(o.as_ptr()));
        let observing = self.feedback.as_ref().and_then(|x| x.function.as_ref());
        observing.iter().for_each(|o| f(o.as_ptr()));
        self.counted.iter().for_each(|c| f(c.function.as_ptr()));
        match &self.tier {
            Tier::Native(s) => s.visit(f),
            Tier::Interpreter(guards) => visit(guards, &[], f),
        }
    }
}

/// Calls `f` with each argument that is not hidden: with the items of those that are tuples, and with the
/// closure variables of functions that are keyed by what they consist of.
///
/// # Safety
/// There are `n` live objects at `args`; the GIL is held.
pub(crate) unsafe fn each_leaf(
    args: *const *mut PyObject,
    n: usize,
    opaque: Opaque,
    f: &mut dyn FnMut(*mut PyObject),
) {
    for i in 0..n {
        // SAFETY: as promised by the caller; items of a tuple live as long as it.
        unsafe {
            let o = *args.add(i);
            if opaque.hides(i, o) {
                continue;
            }
            if ffi::Py_TYPE(o) == &raw mut ffi::PyTuple_Type {
                for k in 0..ffi::PyTuple_Size(o) {
                    each_item(ffi::PyTuple_GetItem(o, k), f);
                }
            } else {
                f(o);
                if let Some(closure) = closure_of(o) {
                    closure.each(&mut |content| {
                        if !content.is_null() {
                            each_item(content, f);
                        }
                    });
                }
            }
        }
    }
}

/// Calls `f` with an object, or with the items of a tuple.
unsafe fn each_item(o: *mut PyObject, f: &mut dyn FnMut(*mut PyObject)) {
    // SAFETY: a live object; items of a tuple live as long as it.
    unsafe {
        if ffi::Py_TYPE(o) == &raw mut ffi::PyTuple_Type {
            for k in 0..ffi::PyTuple_Size(o) {
                each_item(ffi::PyTuple_GetItem(o, k), f);
            }
        } else {
            f(o);
        }
    }
}

#[derive(Debug)]
struct Row {
    hash: u64,
    entry: *const Entry,
}

#[derive(Debug)]
struct Rows {
    len: AtomicUsize,
    rows: Box<[std::cell::UnsafeCell<Row>]>,
}

impl Rows {
    fn with_capacity(n: usize) -> Rows {
        let empty = || {
            std::cell::UnsafeCell::new(Row {
                hash: 0,
                entry: std::ptr::null(),
            })
        };
        Rows {
            len: AtomicUsize::new(0),
            rows: (0..n).map(|_| empty()).collect(),
        }
    }

    fn published(&self) -> impl DoubleEndedIterator<Item = &Row> {
        let n = self.len.load(Ordering::Acquire);
        // SAFETY: rows below the published length are never written again.
        self.rows[..n].iter().map(|r| unsafe { &*r.get() })
    }
}

/// Boxes given up to raw pointers, because readers hold references into them.
#[derive(Debug, Default)]
struct Owned {
    entries: Vec<*mut Entry>,
    /// every array that was published; the last is the current one
    arrays: Vec<*mut Rows>,
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: both lists hold what `Box::into_raw` gave; nobody reads any more.
        unsafe {
            self.arrays.drain(..).for_each(|a| drop(Box::from_raw(a)));
            self.entries.drain(..).for_each(|e| drop(Box::from_raw(e)));
        }
    }
}

/// The table of a function.
#[derive(Debug, Default)]
pub struct Table {
    current: AtomicPtr<Rows>,
    owned: Mutex<Owned>,
}

// SAFETY: entries and arrays are owned by `owned` and only dropped with the table.
unsafe impl Send for Table {}
// SAFETY: writers hold the lock; readers see published rows only.
unsafe impl Sync for Table {}

fn hash(words: &[u64]) -> u64 {
    words.iter().fold(words.len() as u64, |h, w| {
        (h ^ w).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
    })
}

impl Table {
    /// The entries that are for these arguments, the newest first.
    ///
    /// # Safety
    /// The words are the key of the `n` live objects at `args`; the GIL is held.
    pub(crate) unsafe fn find<'a>(
        &'a self,
        words: &[u64],
        args: *const *mut PyObject,
        n: usize,
    ) -> impl Iterator<Item = &'a Entry> {
        let wanted = hash(words);
        self.rows()
            .rev()
            .filter(move |r| r.hash == wanted)
            // SAFETY: published entries live as long as the table.
            .map(|r| unsafe { &*r.entry })
            // SAFETY: as promised by the caller.
            .filter(move |e| unsafe { e.is_for(words, args, n) })
    }

    fn rows(&self) -> impl DoubleEndedIterator<Item = &Row> {
        // SAFETY: published arrays live as long as the table.
        let rows = unsafe { self.current.load(Ordering::Acquire).as_ref() };
        rows.into_iter().flat_map(Rows::published)
    }

    /// Every entry, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        // SAFETY: published entries live as long as the table.
        self.rows().map(|r| unsafe { &*r.entry })
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.rows().count()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds an entry.
    pub(crate) fn add(&self, entry: Entry) -> &Entry {
        let mut owned = self.owned.lock().unwrap_or_else(PoisonError::into_inner);
        let n = owned.entries.len();
        // SAFETY: published arrays live as long as the table.
        let mut array = unsafe { self.current.load(Ordering::Acquire).as_ref() };
        if array.is_none_or(|a| a.rows.len() == n) {
            let larger = Box::into_raw(Box::new(self.enlarged(n)));
            owned.arrays.push(larger);
            self.current.store(larger, Ordering::Release);
            // SAFETY: as above.
            array = unsafe { larger.as_ref() };
        }
        let row = Row {
            hash: hash(&entry.words),
            entry: Box::into_raw(Box::new(entry)),
        };
        let added = row.entry;
        owned.entries.push(added.cast_mut());
        if let Some(array) = array {
            // SAFETY: the row is not published yet, and the lock keeps other writers out.
            unsafe { *array.rows[n].get() = row };
            array.len.store(n + 1, Ordering::Release);
        }
        // SAFETY: the entry lives as long as the table.
        unsafe { &*added }
    }

    /// A larger array with the same `n` rows.
    fn enlarged(&self, n: usize) -> Rows {
        let larger = Rows::with_capacity((2 * n).max(4));
        for (to, from) in larger.rows.iter().zip(self.rows()) {
            let row = Row {
                hash: from.hash,
                entry: from.entry,
            };
            // SAFETY: nobody else sees the new array yet.
            unsafe { *to.get() = row };
        }
        larger.len.store(n, Ordering::Release);
        larger
    }

    /// Passes every object held to a visitor of the garbage collector.
    pub(crate) fn visit(&self, f: &mut dyn FnMut(*mut PyObject)) {
        self.iter().for_each(|e| e.visit(f));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(word: u64) -> Entry {
        Entry {
            words: vec![word, 7],
            texts: vec![],
            constants: vec![],
            tier: Tier::Interpreter(vec![]),
            direct: false,
            counter: Counter::default(),
            feedback: None,
            counted: None,
            assumes: false,
            opaque: Opaque::default(),
            values: vec![],
            info: Box::new(word),
        }
    }

    #[test]
    fn the_newest_is_found_first_through_growth() {
        let table = Table::default();
        for word in 0..100 {
            table.add(entry(word % 50));
        }
        assert_eq!(table.len(), 100);
        for word in 0..50 {
            let words = [word, 7];
            // SAFETY: there are no arguments to look at.
            let found: Vec<&Entry> = unsafe { table.find(&words, std::ptr::null(), 0) }.collect();
            assert_eq!(found.len(), 2);
            let all: Vec<&Entry> = table.iter().collect();
            assert!(std::ptr::eq(found[0], all[50 + word as usize]));
        }
        // SAFETY: as above.
        assert!(unsafe { table.find(&[1], std::ptr::null(), 0) }.next().is_none());
    }

    #[test]
    fn readers_see_whole_entries_while_writers_add() {
        let table = Table::default();
        std::thread::scope(|s| {
            for w in 0..2 {
                let table = &table;
                s.spawn(move || (0..200).for_each(|i| _ = table.add(entry(w * 1000 + i))));
            }
            for _ in 0..2 {
                s.spawn(|| {
                    for _ in 0..2000 {
                        assert!(table.iter().all(|e| e.words.len() == 2 && e.words[1] == 7));
                    }
                });
            }
        });
        assert_eq!(table.len(), 400);
    }
}
