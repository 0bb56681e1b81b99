//! Lines of functions that the interpreter runs as a whole, counted and timed while somebody observes.
//!
//! `numlift._counting` makes a copy of such a function that says when it comes to a statement. The time until it comes
//! to the next one, calls included, is the line's. What runs outside of a call (a generator, a nested function that
//! outlives it) is counted and not timed.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use pyo3::PyTraverseError;
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::types::PyIterator;

use crate::count::add;
use crate::reference::Ref;

/// Counts of the lines of a function, by distance from its first one. Written with the GIL held.
#[derive(Debug)]
pub struct Lines(Vec<Line>);

#[derive(Debug, Default)]
struct Line {
    hits: AtomicU64,
    nanoseconds: AtomicU64,
}

impl Lines {
    fn new(n: usize) -> Arc<Lines> {
        Arc::new(Lines((0..n).map(|_| Line::default()).collect()))
    }

    fn hit(&self, line: usize) {
        if let Some(line) = self.0.get(line) {
            add(&line.hits, 1);
        }
    }

    /// How often the interpreter came to each line, and the nanoseconds that it was there.
    pub fn rows(&self) -> impl Iterator<Item = (u64, u64)> {
        let read = |n: &AtomicU64| n.load(Ordering::Relaxed);
        self.0.iter().map(move |l| (read(&l.hits), read(&l.nanoseconds)))
    }
}

/// A call of a counted function.
struct Clock {
    lines: Arc<Lines>,
    at: Option<usize>,
    since: Instant,
}

impl Clock {
    /// The time until now was spent in the line where it was.
    fn stop(&self, now: Instant) {
        if let Some(line) = self.at.and_then(|at| self.lines.0.get(at)) {
            add(
                &line.nanoseconds,
                now.duration_since(self.since).as_nanos() as u64,
            );
        }
    }
}

thread_local! {
    /// Calls in progress, the innermost last.
    static RUNNING: RefCell<Vec<Clock>> = const { RefCell::new(vec![]) };
}

/// Runs what belongs to no line: the call in progress is where it was afterwards.
pub(crate) fn aside<R>(run: impl FnOnce() -> R) -> R {
    let restart = |running: &mut Vec<Clock>| {
        if let Some(clock) = running.last_mut() {
            clock.since = Instant::now();
        }
    };
    RUNNING.with_borrow(|running| {
        running
            .iter()
            .last()
            .into_iter()
            .for_each(|c| c.stop(Instant::now()))
    });
    let result = run();
    RUNNING.with_borrow_mut(restart);
    result
}

/// What the copy of a function tells where it is.
#[pyclass(frozen, module = "numlift._core")]
#[derive(Debug)]
struct Meter(Arc<Lines>);

#[pymethods]
impl Meter {
    /// The call in progress comes to a line.
    fn come(&self, line: usize) {
        self.0.hit(line);
        RUNNING.with_borrow_mut(|running| {
            if let Some(clock) = running.last_mut().filter(|c| Arc::ptr_eq(&c.lines, &self.0)) {
                let now = Instant::now();
                clock.stop(now);
                (clock.at, clock.since) = (Some(line), now);
            }
        });
    }

    /// Something that outlives the call comes to a line.
    fn mark(&self, line: usize) {
        self.0.hit(line);
    }

    /// The iterator of a `for`, which comes to its line before each turn but the first.
    fn turns(slf: Bound<'_, Self>, iterable: Py<PyAny>, line: usize, timed: bool) -> Turns {
        Turns {
            meter: slf.unbind(),
            items: iterable,
            line,
            timed,
            begun: false,
        }
    }
}

/// An iterable whose iterator counts: what fails when it is made fails where the `for` makes it.
#[pyclass(module = "numlift._core")]
struct Turns {
    meter: Py<Meter>,
    /// The iterable, then its iterator.
    items: Py<PyAny>,
    line: usize,
    timed: bool,
    begun: bool,
}

#[pymethods]
impl Turns {
    fn __iter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        let iterable = slf.borrow().items.clone_ref(slf.py());
        let iterator = iterable.bind(slf.py()).try_iter()?;
        slf.borrow_mut().items = iterator.into_any().unbind();
        Ok(slf)
    }

    fn __next__<'py>(slf: &Bound<'py, Self>) -> Option<PyResult<Bound<'py, PyAny>>> {
        let py = slf.py();
        let items = {
            let mut turns = slf.borrow_mut();
            let meter = turns.meter.get();
            match (turns.begun, turns.timed) {
                (false, _) => {}
                (true, true) => meter.come(turns.line),
                (true, false) => meter.mark(turns.line),
            }
            turns.begun = true;
            turns.items.bind(py).clone()
        };
        items.cast::<PyIterator>().ok()?.clone().next()
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.items)
    }
}

/// A function of which the interpreter runs a copy that counts.
#[derive(Debug)]
pub struct Counted {
    pub function: Ref,
    pub lines: Arc<Lines>,
}

impl Counted {
    /// Of a function with `n` lines; `make` gives the copy that reports to an object, if there can be one.
    ///
    /// # Errors
    /// What `make` raises.
    pub fn new<'py>(
        py: Python<'py>,
        n: usize,
        make: impl FnOnce(Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Counted>> {
        let lines = Lines::new(n);
        let function = make(Bound::new(py, Meter(lines.clone()))?.into_any())?;
        Ok((!function.is_none()).then(|| Counted {
            function: Ref::from(&function),
            lines,
        }))
    }

    /// Makes a call of the copy, with the clock running.
    pub(crate) fn run<R>(&self, call: impl FnOnce() -> R) -> R {
        /// However the call ends.
        struct Running;
        impl Drop for Running {
            fn drop(&mut self) {
                if let Some(clock) = RUNNING.with_borrow_mut(Vec::pop) {
                    clock.stop(Instant::now());
                }
            }
        }
        let clock = Clock {
            lines: self.lines.clone(),
            at: None,
            since: Instant::now(),
        };
        RUNNING.with_borrow_mut(|running| running.push(clock));
        let _running = Running;
        call()
    }
}
