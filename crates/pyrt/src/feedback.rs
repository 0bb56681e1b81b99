//! What runs of a specialisation observe of the variables that code in the interpreter binds.
//!
//! The code of its islands, or a copy of the whole function, reports values while a cell says so: it does in the
//! first call, for a number of values. Then the compiler decides whether to assume their types.

use std::sync::atomic::{AtomicPtr, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use numlift_types::{ReadPath, Type};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::read::Path;
use crate::reference::Ref;
use crate::table::Entry;
use crate::value;

/// Values that are looked at, of all variables together.
const MAX_VALUES: u32 = 4000;

/// Decisions about the types that calls with one key have: each may compile.
pub const MAX_DECISIONS: u8 = 3;

/// Types of the values of each variable, in the order of the compiler's list.
#[derive(Debug)]
pub struct Observations {
    /// `Some(None)`: values without a common type that machine code could hold.
    types: Mutex<Vec<Option<Option<Type>>>>,
    values: AtomicU32,
    /// The cell that says whether values are reported.
    on: Ref,
}

impl Observations {
    /// Of `n` variables; `on` is a cell with a true value.
    fn new(n: usize, on: Ref) -> Arc<Observations> {
        Arc::new(Observations {
            types: Mutex::new(vec![None; n]),
            values: AtomicU32::new(0),
            on,
        })
    }

    /// The type of each variable, of those that were seen and have one.
    pub fn types(&self) -> Vec<Option<Type>> {
        let types = self.types.lock().unwrap_or_else(PoisonError::into_inner);
        types.iter().map(|t| t.clone().flatten()).collect()
    }

    /// What is known of a subject, misses included.
    pub fn revise(&self, subject: usize, ty: Option<Type>) {
        let mut types = self.types.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = types.get_mut(subject) {
            *known = Some(ty);
        }
    }

    /// Whether each variable was seen.
    pub fn is_complete(&self) -> bool {
        let types = self.types.lock().unwrap_or_else(PoisonError::into_inner);
        types.iter().all(Option::is_some)
    }

    /// `None`: a value that cannot be looked at.
    fn see(&self, subject: usize, o: Option<&Bound<'_, PyAny>>, py: Python<'_>) {
        // SAFETY: a live object, and a `Bound` exists only while the GIL is held.
        let found = o.and_then(|o| unsafe { value::type_of(o.as_ptr()) });
        let mut types = self.types.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = types.get_mut(subject) else {
            return;
        };
        match (&known, found) {
            (Some(Some(t)), Some(found)) if *t == found => {}
            (Some(None), _) => {}
            (_, None) => *known = Some(None),
            (None, found) => *known = Some(found),
            (Some(Some(t)), Some(found)) => *known = Some(joined(t, &found)),
        }
        drop(types);
        if self.values.fetch_add(1, Ordering::Relaxed) >= MAX_VALUES {
            self.report(py, false);
        }
    }

    fn report(&self, py: Python<'_>, on: bool) {
        if let Err(e) = self.on.bind(py).setattr("cell_contents", on) {
            e.write_unraisable(py, None);
        }
    }
}

/// Values of a variable that were not as assumed.
#[derive(Debug, Default)]
pub struct Misses {
    count: AtomicU64,
    /// As in [`Observations`].
    found: Mutex<Option<Option<Type>>>,
}

impl Misses {
    /// How many.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// The type that they have in common with the assumed one; none if there is no such type.
    pub fn joined(&self, assumed: &Type) -> Option<Type> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        match &*found {
            None => Some(assumed.clone()),
            Some(t) => joined(assumed, t.as_ref()?),
        }
    }

    #[cold]
    pub(crate) fn add(&self, ty: Option<Type>) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        *found = Some(match (found.take(), ty) {
            (None, ty) => ty,
            (Some(known), ty) => known.zip(ty).and_then(|(x, y)| joined(&x, &y)),
        });
    }
}

/// The type that values of both have; none if machine code has none.
fn joined(a: &Type, b: &Type) -> Option<Type> {
    Some(a.join(b)).filter(|t| !t.is_object())
}

/// What the code reports to.
#[pyclass(frozen, module = "numlift._core")]
#[derive(Debug)]
pub struct Observer {
    observations: Arc<Observations>,
    /// Of what is read of objects, behind the variables.
    paths: Vec<Path>,
    variables: usize,
}

#[pymethods]
impl Observer {
    /// A variable has a value, or what is read of an object with these keys, which is given back.
    #[pyo3(signature = (subject, value, *origin))]
    fn see<'py>(
        &self,
        subject: usize,
        value: Bound<'py, PyAny>,
        origin: &Bound<'py, PyTuple>,
    ) -> Bound<'py, PyAny> {
        let path = subject
            .checked_sub(self.variables)
            .and_then(|i| self.paths.get(i));
        let readable = path.is_none_or(|path| {
            let origin: Vec<_> = origin.iter_borrowed().map(|o| o.as_ptr()).collect();
            // SAFETY: the tuple keeps the objects, and the GIL is held.
            let found = unsafe { path.read(&origin) };
            found.is_some_and(|o| o.as_ptr() == value.as_ptr())
        });
        self.observations
            .see(subject, Some(&value).filter(|_| readable), value.py());
        value
    }
}

/// What code reports the values of variables to.
#[derive(Debug)]
pub struct Watch<'py> {
    observations: Arc<Observations>,
    see: Bound<'py, PyAny>,
    on: Bound<'py, PyAny>,
    /// Where each is bound, and its name.
    variables: Vec<((u32, u32), String)>,
    /// What is read of objects, counted behind the variables: where the expressions begin and end in the source.
    reads: Vec<(u32, u32)>,
}

/// A `Watch` of `numlift._islands`.
pub type Row<'a, 'py> = (
    &'a Bound<'py, PyAny>,
    &'a Bound<'py, PyAny>,
    &'a [((u32, u32), String)],
    &'a [(u32, u32)],
);

impl<'py> Watch<'py> {
    /// Of variables of a function, each behind the statement at a position, and of what expressions read of objects.
    ///
    /// # Errors
    /// If there is no memory.
    pub fn new(
        function: &Bound<'py, PyAny>,
        variables: Vec<((u32, u32), String)>,
        reads: Vec<((u32, u32), &ReadPath)>,
    ) -> PyResult<Watch<'py>> {
        let py = function.py();
        let on = py.import("types")?.getattr("CellType")?.call1((true,))?;
        let observations = Observations::new(variables.len() + reads.len(), Ref::from(&on));
        let observer = Observer {
            observations: observations.clone(),
            paths: reads.iter().map(|(_, p)| Path::new(function, p)).collect(),
            variables: variables.len(),
        };
        Ok(Watch {
            observations,
            see: Bound::new(py, observer)?.getattr("see")?,
            on,
            variables,
            reads: reads.into_iter().map(|(at, _)| at).collect(),
        })
    }

    /// For `numlift._islands`.
    pub fn row(&self) -> Row<'_, 'py> {
        (&self.see, &self.on, &self.variables, &self.reads)
    }

    /// It observes from now on, by itself or in a function that reports; `decisions` have been taken for these
    /// arguments.
    pub fn feedback(self, function: Option<Ref>, decisions: u8) -> Feedback {
        Feedback::new(self.observations, function, decisions)
    }
}

const OBSERVING: u8 = 0;
/// The next call decides.
const READY: u8 = 1;
const SETTLED: u8 = 2;

/// The state of a specialisation that may be followed by one that assumes types.
#[derive(Debug)]
pub struct Feedback {
    pub observations: Arc<Observations>,
    /// The function that reports values, for one that runs in the interpreter as a whole.
    pub function: Option<Ref>,
    state: AtomicU8,
    decisions: AtomicU8,
    /// The entry that follows.
    next: AtomicPtr<Entry>,
}

impl Feedback {
    fn new(observations: Arc<Observations>, function: Option<Ref>, decisions: u8) -> Feedback {
        Feedback {
            observations,
            function,
            state: AtomicU8::new(OBSERVING),
            decisions: AtomicU8::new(decisions),
            next: AtomicPtr::default(),
        }
    }

    pub(crate) fn is_observing(&self) -> bool {
        self.state.load(Ordering::Relaxed) == OBSERVING
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.state.load(Ordering::Relaxed) == READY
    }

    /// The entry that follows.
    pub fn next(&self) -> Option<&Entry> {
        // SAFETY: entries live as long as the table that this one is in.
        unsafe { self.next.load(Ordering::Acquire).as_ref() }
    }

    /// Whether the next call decides; so it does again if the entry that follows was given up.
    pub(crate) fn is_due(&self) -> bool {
        let again = self.state.load(Ordering::Relaxed) == SETTLED
            && self.decisions.load(Ordering::Relaxed) < MAX_DECISIONS
            && self.next().is_some()
            && !self.is_replaced();
        if again {
            self.state.store(READY, Ordering::Relaxed);
        }
        again || self.is_ready()
    }

    /// A call has ended.
    #[cold]
    pub(crate) fn end_of_call(&self, py: Python<'_>) {
        if self.is_observing() && self.observations.values.load(Ordering::Relaxed) > 0 {
            self.state.store(READY, Ordering::Relaxed);
            self.observations.report(py, false);
        }
    }

    /// Decisions so far, with the one that is taken now.
    pub fn decide(&self) -> u8 {
        self.state.store(SETTLED, Ordering::Relaxed);
        self.decisions.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Nothing was decided: the next call observes what was not seen.
    pub fn observe_again(&self, py: Python<'_>) {
        self.observations.values.store(0, Ordering::Relaxed);
        self.observations.report(py, true);
        self.state.store(OBSERVING, Ordering::Relaxed);
    }

    pub(crate) fn set_next(&self, entry: &Entry) {
        self.next.store((&raw const *entry).cast_mut(), Ordering::Release);
    }

    /// Whether an entry that assumes types is used in its place.
    pub(crate) fn is_replaced(&self) -> bool {
        let replaces = |n: &Entry| !n.is_retired() || n.feedback.as_ref().is_some_and(Feedback::is_replaced);
        self.next().is_some_and(replaces)
    }
}
