//! Calls of specialisations and entries of islands, and their time while somebody observes.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

static OBSERVING: AtomicBool = AtomicBool::new(false);

/// Measures the time of calls from now on, or no more.
pub fn observe(on: bool) {
    OBSERVING.store(on, Ordering::Relaxed);
}

/// Whether the time of calls is measured.
#[inline(always)]
pub fn observed() -> bool {
    OBSERVING.load(Ordering::Relaxed)
}

thread_local! {
    /// Time that belongs to no call.
    static ASIDE: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Runs what belongs to no call in progress, such as compiling in the middle of one.
pub(crate) fn aside<R>(run: impl FnOnce() -> R) -> R {
    let (start, before) = (Instant::now(), ASIDE.get());
    let result = run();
    ASIDE.set(before + start.elapsed());
    result
}

/// How often something ran. Written with the GIL held, so an addition is a load and a store.
#[derive(Debug, Default)]
pub struct Counter {
    calls: AtomicU64,
    nanoseconds: AtomicU64,
}

impl Counter {
    /// Runs a call and counts it if it took place.
    #[inline(always)]
    pub(crate) fn count<R>(&self, call: impl FnOnce() -> Option<R>) -> Option<R> {
        if observed() {
            return self.measure(call);
        }
        let result = call()?;
        self.add();
        Some(result)
    }

    /// Counts a call that takes place and is not measured.
    #[inline(always)]
    pub(crate) fn add(&self) {
        add(&self.calls, 1);
    }

    #[cold]
    fn measure<R>(&self, call: impl FnOnce() -> Option<R>) -> Option<R> {
        let before = ASIDE.get();
        let start = Instant::now();
        let result = call()?;
        let aside = ASIDE.get().saturating_sub(before);
        add(
            &self.nanoseconds,
            start.elapsed().saturating_sub(aside).as_nanos() as u64,
        );
        add(&self.calls, 1);
        Some(result)
    }

    /// Calls so far.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Time of the calls that were observed, calls of other functions and of itself included.
    pub fn nanoseconds(&self) -> u64 {
        self.nanoseconds.load(Ordering::Relaxed)
    }
}

#[inline(always)]
pub(crate) fn add(counter: &AtomicU64, n: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_take_place_are_counted() {
        let counter = Counter::default();
        assert_eq!(counter.count(|| Some(1)), Some(1));
        assert_eq!(counter.count(|| None::<u8>), None);
        assert_eq!((counter.calls(), counter.nanoseconds()), (1, 0));
        assert_eq!(counter.measure(|| Some(2)), Some(2));
        assert_eq!(counter.calls(), 2);
        let (counter, start) = (Counter::default(), Instant::now());
        counter.measure(|| {
            aside(|| std::thread::sleep(Duration::from_millis(10)));
            aside(|| std::thread::sleep(Duration::from_millis(10)));
            Some(())
        });
        assert!(counter.nanoseconds() + 20_000_000 <= start.elapsed().as_nanos() as u64);
    }
}
