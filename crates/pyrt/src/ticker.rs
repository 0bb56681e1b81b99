//! Lets signals and other threads in while native code runs.
//!
//! Loops poll [`INTERRUPT`]. A ticker thread sets it every [`TICK`]; the safepoint helper clears it
//! and does the work. A flag that stays set means that no loop polls, and after some ticks the thread
//! parks with the flag set: the first poll of the next loop finds it, runs the helper, and that wakes the
//! ticker. So a call costs nothing here, and an idle process has an idle thread.
//!
//! After `fork` the child has no ticker: the flag is set there and the ticker counts as not started.

use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};
use std::thread::Thread;
use std::time::Duration;

use numlift_runtime::Ctx;
use pyo3::ffi;

use crate::helpers::Host;
use crate::object::guarded_status;

/// Polled by generated code; set while nothing has run the safepoint helper since the last tick.
pub static INTERRUPT: AtomicU32 = AtomicU32::new(1);

const TICK: Duration = Duration::from_millis(10);
/// Ticks without a poll before the thread parks.
const PATIENCE: u32 = 100;

static STARTED: AtomicBool = AtomicBool::new(false);
static PARKED: AtomicBool = AtomicBool::new(false);
/// Handle of the ticker; one is leaked in each process that runs native loops.
static TICKER: AtomicPtr<Thread> = AtomicPtr::new(std::ptr::null_mut());

/// Registers what a forked child has to do; called once, when the module is loaded.
pub fn init() {
    // SAFETY: the handler only stores to atomics, which is allowed between fork and exec.
    unsafe {
        libc::pthread_atfork(None, None, Some(after_fork_in_child));
    }
}

extern "C" fn after_fork_in_child() {
    STARTED.store(false, Ordering::Relaxed);
    PARKED.store(false, Ordering::Relaxed);
    INTERRUPT.store(1, Ordering::Relaxed);
}

/// Makes sure that the flag will be set again. The caller has cleared it.
fn keep_ticking() {
    if !STARTED.swap(true, Ordering::AcqRel) {
        start();
    } else if PARKED.swap(false, Ordering::SeqCst) {
        // SAFETY: the handle is never freed.
        if let Some(ticker) = unsafe { TICKER.load(Ordering::Acquire).as_ref() } {
            ticker.unpark();
        }
    }
}

#[cold]
fn start() {
    let named = std::thread::Builder::new().name("numlift-ticker".into());
    match named.stack_size(64 * 1024).spawn(tick) {
        Ok(handle) => {
            let thread = Box::into_raw(Box::new(handle.thread().clone()));
            TICKER.store(thread, Ordering::Release);
        }
        Err(_) => {
            // Without the thread every poll calls the helper: slow, but signals are seen.
            STARTED.store(false, Ordering::Relaxed);
            INTERRUPT.store(1, Ordering::Relaxed);
        }
    }
}

fn tick() {
    block_signals();
    let mut idle = 0;
    loop {
        std::thread::sleep(TICK);
        idle = if INTERRUPT.swap(1, Ordering::SeqCst) == 1 {
            idle + 1
        } else {
            0
        };
        if idle > PATIENCE {
            park();
            idle = 0;
        }
    }
}

/// Waits until a safepoint has found the flag set. Either the helper sees that the thread is parked,
/// or the thread sees that the helper has cleared the flag: both orders are sequentially consistent.
fn park() {
    PARKED.store(true, Ordering::SeqCst);
    while PARKED.load(Ordering::SeqCst) && INTERRUPT.load(Ordering::SeqCst) == 1 {
        std::thread::park();
    }
    PARKED.store(false, Ordering::SeqCst);
}

/// Signals of the process are for Python's threads.
fn block_signals() {
    // SAFETY: the set is initialised by sigfillset before it is read.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const all, std::ptr::null_mut());
    }
}

/// The safepoint helper: other threads may take the GIL, pending signals are handled.
pub(crate) extern "C" fn safepoint(ctx: *mut Ctx) -> i32 {
    INTERRUPT.store(0, Ordering::SeqCst);
    // SAFETY: native code runs with the GIL held unless its host says that it was released.
    let released = unsafe { (*(*ctx).host.cast::<Host<'_>>()).gil_released() };
    if released {
        // SAFETY: this thread has a thread state without the GIL.
        let state = unsafe { ffi::PyGILState_Ensure() };
        let status = handle_signals();
        // SAFETY: given back as taken.
        unsafe { ffi::PyGILState_Release(state) };
        return status;
    }
    // SAFETY: the GIL is held.
    unsafe {
        let state = ffi::PyEval_SaveThread();
        ffi::PyEval_RestoreThread(state);
    }
    handle_signals()
}

/// Runs the handlers of pending signals; the GIL is held.
fn handle_signals() -> i32 {
    guarded_status(|| {
        keep_ticking();
        // SAFETY: the GIL is held.
        unsafe { ffi::PyErr_CheckSignals() == 0 }
    })
}
