//! How deep native recursion may go: what is left of Python's recursion limit and of the C stack.

use std::ffi::c_int;
use std::sync::OnceLock;

use pyo3::ffi;

/// Left to Python's own frames and to helpers.
const RESERVE: usize = 256 * 1024;

/// Native frames of `frame_bytes` that may still be entered; 0 or less: none.
///
/// # Safety
/// The GIL is held.
pub unsafe fn frames_left(frame_bytes: u32) -> i64 {
    let frame = i64::from(frame_bytes.max(64)) + 64;
    // SAFETY: the GIL is held.
    let python = unsafe { python_frames_left() };
    python.min(stack_left() / frame)
}

/// Python frames that the recursion limit still allows in this thread.
unsafe fn python_frames_left() -> i64 {
    // SAFETY: the offset was verified by `find_remaining`; the thread state is this thread's.
    unsafe {
        match REMAINING.get().copied().flatten() {
            Some(at) => i64::from(*ffi::PyThreadState_Get().cast::<c_int>().add(at)),
            None => i64::from(ffi::Py_GetRecursionLimit()),
        }
    }
}

/// Index, in ints, of the count of remaining Python frames in `PyThreadState`; `None`: not found.
static REMAINING: OnceLock<Option<usize>> = OnceLock::new();

/// Finds where the thread state keeps the count of remaining frames.
///
/// The stable ABI has no call for it. Since 3.11 the count and the limit stand side by side, and
/// `Py_SetRecursionLimit` moves both by the same amount: the place is taken only if exactly one
/// pair of neighbours moved so. Else native recursion counts from the whole limit.
///
/// # Safety
/// The GIL is held.
pub unsafe fn init() {
    REMAINING.get_or_init(|| {
        // SAFETY: the GIL is held; the limit is put back.
        unsafe {
            let limit = ffi::Py_GetRecursionLimit();
            let before = snapshot();
            ffi::Py_SetRecursionLimit(limit + STEP);
            let after = snapshot();
            ffi::Py_SetRecursionLimit(limit);
            find_remaining(&before, &after, limit)
        }
    });
}

const STEP: c_int = 7;
/// The thread state of every supported version is larger than this many ints.
const PROBED: usize = 40;

unsafe fn snapshot() -> [c_int; PROBED] {
    // SAFETY: the thread state is at least this large and aligned for pointers.
    unsafe { *ffi::PyThreadState_Get().cast::<[c_int; PROBED]>() }
}

fn find_remaining(before: &[c_int], after: &[c_int], limit: c_int) -> Option<usize> {
    let moved: Vec<usize> = (0..before.len())
        .filter(|&i| before[i].checked_add(STEP) == Some(after[i]))
        .collect();
    match moved[..] {
        [a, b] if b == a + 1 && before[b] == limit && before[a] <= limit => Some(a),
        [a, b] if b == a + 1 && before[a] == limit && before[b] < limit => Some(b),
        _ => None,
    }
}

/// Bytes of native stack that may still be used, with a reserve for Python's own frames.
fn stack_left() -> i64 {
    thread_local! {
        static LOW: usize = stack_low();
    }
    let marker = 0u8;
    let here = &raw const marker as usize;
    LOW.with(|low| here.saturating_sub(*low + RESERVE)) as i64
}

/// Lowest address of this thread's stack.
fn stack_low() -> usize {
    // SAFETY: the attribute object is initialised by pthread_getattr_np before it is read.
    unsafe {
        let mut attr: libc::pthread_attr_t = std::mem::zeroed();
        if libc::pthread_getattr_np(libc::pthread_self(), &raw mut attr) != 0 {
            return 0;
        }
        let mut addr = std::ptr::null_mut();
        let mut size = 0;
        libc::pthread_attr_getstack(&raw const attr, &raw mut addr, &raw mut size);
        libc::pthread_attr_destroy(&raw mut attr);
        addr as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pair_must_be_unique() {
        let before = [5, 990, 1000, 3];
        let after = [5, 997, 1007, 3];
        assert_eq!(find_remaining(&before, &after, 1000), Some(1));
        assert_eq!(find_remaining(&before, &before, 1000), None);
        let noisy = [12, 997, 1007, 3];
        assert_eq!(find_remaining(&before, &noisy, 1000), None);
    }
}
