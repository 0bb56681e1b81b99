//! Finding the specialisation for a call, compiling it once if there is none.

use std::any::Any;
use std::cell::Cell;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::Duration;

use numlift_types::Type;
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;

use crate::bind::Params;
use crate::count::Counter;
use crate::cpython::{self, Field};
use crate::feedback::Feedback;
use crate::key::Key;
use crate::lines::Counted;
use crate::opaque::{Opaque, values};
use crate::reference::Ref;
use crate::table::{Entry, Table, Tier, each_leaf};

/// What to compile for.
#[derive(Debug)]
pub enum Request<'a, 'py> {
    /// Arguments of a call, and the parameters whose values are not looked at.
    Objects(&'a [Bound<'py, PyAny>], Opaque),
    /// Types of a signature.
    Types(&'a [Type]),
}

impl<'py> Request<'_, 'py> {
    /// The arguments of the call.
    pub fn objects(&self) -> &[Bound<'py, PyAny>] {
        match self {
            Request::Objects(all, _) => all,
            Request::Types(_) => &[],
        }
    }

    /// The parameters whose values are not looked at.
    pub fn opaque(&self) -> Opaque {
        match self {
            Request::Objects(_, opaque) => *opaque,
            Request::Types(_) => Opaque::default(),
        }
    }
}

/// Why a call is not compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It has [`MAX_SPECIALIZATIONS`] already.
    TooMany,
    /// The argument of this number has no native type.
    Argument(usize),
}

/// What an entry is made of.
#[derive(Debug)]
pub struct Compiled {
    pub tier: Tier,
    pub feedback: Option<Feedback>,
    pub counted: Option<Counted>,
    /// What the compiler keeps with it.
    pub info: Box<dyn Any + Send + Sync>,
}

/// The compiler behind a function: what makes entries when there is none.
pub trait Compiler: Send + Sync {
    /// Compiles. What cannot be compiled is an entry of the interpreter tier.
    ///
    /// # Errors
    /// If the user asked for an error instead.
    fn compile<'py>(&self, function: &Bound<'py, PyAny>, request: &Request<'_, 'py>) -> PyResult<Compiled>;

    /// Compiles with the types that calls of an entry have observed, if that is worth it.
    ///
    /// # Errors
    /// For an internal error, if the user asked for one.
    fn refine<'py>(
        &self,
        function: &Bound<'py, PyAny>,
        request: &Request<'_, 'py>,
        entry: &Entry,
        feedback: &Feedback,
    ) -> PyResult<Option<Compiled>>;

    /// Tells the user that a call runs in the interpreter.
    ///
    /// # Errors
    /// If the user asked for an error instead.
    fn refuse(
        &self,
        function: &Bound<'_, PyAny>,
        params: &Params,
        args: &[Bound<'_, PyAny>],
        why: Refusal,
    ) -> PyResult<()>;

    /// For the compiler's own use.
    fn as_any(&self) -> &dyn Any;
}

/// More specialisations than this and new argument types run in the interpreter.
pub const MAX_SPECIALIZATIONS: usize = 64;

/// How long a waiting thread goes without looking for signals.
const PATIENCE: Duration = Duration::from_millis(20);

type InProgress = Vec<(Vec<u64>, ThreadId)>;

/// The specialisations of one function and how they are made.
pub struct Selector {
    pub table: Table,
    /// The entry of the last call.
    last: AtomicPtr<Entry>,
    pub compiler: Box<dyn Compiler>,
    /// The parameters that are not specialised on values any more.
    opaque: AtomicU64,
    /// Keys that are being compiled, and by which thread.
    busy: Mutex<InProgress>,
    done: Condvar,
}

thread_local! {
    /// Compilations in progress in this thread.
    static COMPILING: Cell<u32> = const { Cell::new(0) };
}

/// Takes a key off the list of those in progress, however the compilation ends.
struct Progress<'a> {
    selector: &'a Selector,
    words: &'a [u64],
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        COMPILING.set(COMPILING.get() - 1);
        let me = std::thread::current().id();
        self.selector
            .busy()
            .retain(|(w, t)| !(w == self.words && *t == me));
        self.selector.done.notify_all();
    }
}

impl Selector {
    /// With no specialisation yet.
    pub fn new(compiler: Box<dyn Compiler>) -> Selector {
        Selector {
            table: Table::default(),
            last: AtomicPtr::default(),
            compiler,
            opaque: AtomicU64::new(0),
            busy: Mutex::default(),
            done: Condvar::new(),
        }
    }

    /// The entry of the last call if it is for these arguments; its assumptions are not checked.
    ///
    /// # Safety
    /// The words are the key of the `n` live objects at `args`; the GIL is held.
    #[inline]
    pub(crate) unsafe fn last(&self, words: &[u64], args: *const *mut PyObject, n: usize) -> Option<&Entry> {
        // SAFETY: as promised by the caller.
        unsafe {
            let last = self.newest()?;
            last.is_for(words, args, n).then_some(last)
        }
    }

    /// The entry of the last call.
    #[inline(always)]
    pub(crate) fn newest(&self) -> Option<&Entry> {
        // SAFETY: entries live as long as the table.
        unsafe { self.last.load(Ordering::Acquire).as_ref() }
    }

    /// The entry to be tried first by the next call.
    pub(crate) fn set_last(&self, entry: &Entry) {
        self.last.store((&raw const *entry).cast_mut(), Ordering::Release);
    }

    fn busy(&self) -> MutexGuard<'_, InProgress> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The entry for the arguments, compiled if it is new; `None`: the interpreter makes this call.
    ///
    /// # Errors
    /// What the compiler raises, or a signal handler while another thread compiles the same.
    pub fn select<'py>(
        &self,
        function: &Bound<'py, PyAny>,
        params: &Params,
        key: &Key,
        request: &Request<'_, 'py>,
    ) -> PyResult<Option<&Entry>> {
        let py = function.py();
        let args: Vec<*mut PyObject> = match request {
            Request::Objects(all, _) => all.iter().map(Bound::as_ptr).collect(),
            Request::Types(_) => vec![],
        };
        let me = std::thread::current().id();
        let ready = loop {
            let found = self.find(key.words(), &args);
            if let Some(e) = found.filter(|e| !e.is_due()) {
                return Ok(Some(e));
            }
            let mut busy = self.busy();
            let Some((_, thread)) = busy.iter().find(|(w, _)| w == key.words()) else {
                busy.push((key.words().to_vec(), me));
                break found;
            };
            if found.is_some() {
                return Ok(found);
            }
            // What the compiler runs may call this very function, and threads that wait for each
            // other's functions would wait for ever: the interpreter makes such calls.
            if *thread == me || COMPILING.get() > 0 {
                return Ok(None);
            }
            drop(busy);
            py.detach(|| self.wait(key.words()));
            py.check_signals()?;
        };
        COMPILING.set(COMPILING.get() + 1);
        let _progress = Progress {
            selector: self,
            words: key.words(),
        };
        if let Some((e, feedback)) = ready.and_then(|e| Some((e, e.feedback.as_ref()?))) {
            let Some(compiled) = self.compiler.refine(function, request, e, feedback)? else {
                return Ok(Some(e));
            };
            let better = self.add(py, key, &args, compiled, Made::of(request, true));
            feedback.set_next(better);
            return Ok(Some(better));
        }
        let (opaque, current) = (request.opaque(), self.opaque());
        let used = |e: &&Entry| !e.assumes && (e.opaque == opaque || e.opaque == current);
        if self.table.iter().filter(used).count() >= MAX_SPECIALIZATIONS {
            self.compiler
                .refuse(function, params, request.objects(), Refusal::TooMany)?;
            return Ok(None);
        }
        let compiled = self.compiler.compile(function, request)?;
        let made = Made::of(request, false);
        Ok(Some(self.add(py, key, &args, compiled, made)))
    }

    fn add(
        &self,
        py: Python<'_>,
        key: &Key,
        args: &[*mut PyObject],
        compiled: Compiled,
        made: Made,
    ) -> &Entry {
        let (texts, constants) = constants(py, args, made.opaque);
        let words = key.words().to_vec();
        let Compiled {
            tier,
            feedback,
            counted,
            info,
        } = compiled;
        let entry = self.table.add(Entry {
            direct: texts.is_empty() && matches!(&tier, Tier::Native(s) if s.is_direct(&words)),
            words,
            texts,
            constants,
            tier,
            counter: Counter::default(),
            feedback,
            counted,
            assumes: made.assumes,
            opaque: made.opaque,
            // SAFETY: the GIL is held; the arguments are alive.
            values: unsafe { values(args, made.opaque) },
            info,
        });
        self.set_last(entry);
        entry
    }

    /// The parameters that are not specialised on values any more.
    #[inline(always)]
    pub(crate) fn opaque(&self) -> Opaque {
        Opaque(self.opaque.load(Ordering::Acquire))
    }

    /// Gives up specialising parameters on values if the arguments are new and there have been many: then the
    /// key is to be made again.
    pub(crate) fn widen(&self, key: &Key, args: &[Bound<'_, PyAny>]) -> bool {
        let args: Vec<*mut PyObject> = args.iter().map(Bound::as_ptr).collect();
        let before = self.opaque();
        // SAFETY: the GIL is held; the arguments are alive.
        let values = unsafe { values(&args, before) };
        if values.is_empty() || self.find(key.words(), &args).is_some() {
            return false;
        }
        let mut after = before;
        for value in &values {
            let known = self.table.iter().flat_map(|e| &e.values);
            if value.is_beyond(known) {
                after.insert(value.parameter);
            }
        }
        self.opaque.fetch_or(after.0, Ordering::AcqRel);
        after != before
    }

    fn find(&self, words: &[u64], args: &[*mut PyObject]) -> Option<&Entry> {
        // SAFETY: the GIL is held; the arguments are alive.
        let found = unsafe {
            let mut fitting = self.table.find(words, args.as_ptr(), args.len());
            fitting.find(|e| e.is_current(args.as_ptr()))
        };
        if let Some(e) = found {
            self.set_last(e);
        }
        found
    }

    /// Waits a little for a compilation of another thread, without the GIL.
    fn wait(&self, words: &[u64]) {
        let busy = self.busy();
        if busy.iter().any(|(w, _)| w == words) {
            let waited = self.done.wait_timeout(busy, PATIENCE);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
    }
}

/// How an entry came to be.
struct Made {
    opaque: Opaque,
    assumes: bool,
}

impl Made {
    fn of(request: &Request<'_, '_>, assumes: bool) -> Made {
        Made {
            opaque: request.opaque(),
            assumes,
        }
    }
}

/// The strings and the other constants among the arguments.
fn constants(py: Python<'_>, args: &[*mut PyObject], opaque: Opaque) -> (Vec<Ref>, Vec<Ref>) {
    let (mut texts, mut constants) = (vec![], vec![]);
    let api = crate::numpy::api();
    // SAFETY: the GIL is held; the arguments are alive.
    unsafe {
        each_leaf(args.as_ptr(), args.len(), opaque, &mut |o| {
            let class = ffi::Py_TYPE(o);
            let reference = || Ref::from(&Bound::from_borrowed_ptr(py, o));
            if class == &raw mut ffi::PyUnicode_Type {
                texts.push(reference());
            } else if api.is_constant(o, class) {
                constants.push(reference());
            }
            if class == api.function_type {
                for field in [Field::Code, Field::Globals] {
                    let part = cpython::function_field(o, field);
                    constants.push(Ref::from(&Bound::from_borrowed_ptr(py, part)));
                }
            } else if crate::value::type_of(o).is_none() {
                // a closure variable without a native type is keyed by its class
                constants.push(Ref::from(&Bound::from_borrowed_ptr(py, class.cast())));
            }
        });
    }
    (texts, constants)
}
