//! The call ABI between the dispatcher and generated code.
//!
//! A blob holds any number of functions. Its entry thunk is
//! `extern "C" fn(ctx, args, ret) -> status`. `args` is an array of 64-bit slots, the flattened
//! arguments in order and nothing else (hidden arguments are in `ctx.hidden`); `ret` receives the flattened
//! result. Flattening (see `numlift_pyrt::marshal` and `numlift_lower::layout`, which agree):
//!
//! | type | slots |
//! |---|---|
//! | None, Str, Known, Function, DType, Ellipsis, ... | none |
//! | scalar of carrier I8..I64 | 1, sign- or zero-extended to 64 bits (bool is 0 or 1) |
//! | F64 | 1, its bits |
//! | F32 | 1, its bits zero-extended |
//! | C64 | 2 F32 slots: re, im |
//! | C128 | 2 F64 slots: re, im |
//! | union | the carrier's slots, then 1 slot: the tag (index of the member) |
//! | array of rank n | data pointer, n shape slots, n stride slots (bytes), owner (`PyObject *`) |
//! | tuple | its items in order |
//! | range | start, stop, step |
//!
//! Status 0 is success. Any other status means: `ret` is undefined and `ctx` says what happened.

use std::ffi::c_void;

use serde::{Deserialize, Serialize};

/// Result of a call of generated code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Status {
    Ok = 0,
    /// `ctx.site` names the failed site; its operands are in `ctx.operands`.
    Site = 1,
    /// A helper has set a Python exception; `ctx.site` is the site of the helper's call.
    Python = 2,
}

/// Operands that a failing site can record in the context. Those of a resume point or a call site may be more: then
/// only the first, the effects flag, is there, and `py_frame` has taken all from the stack.
pub const MAX_OPERANDS: usize = 96;

/// Entries of a trace that the host's own buffer has.
pub const INLINE_TRACE: u32 = 64;

/// Per-call context, shared by all frames of one native call.
#[derive(Debug)]
#[repr(C)]
pub struct Ctx {
    /// Addresses of the helpers, indexed by [`crate::HelperId`].
    pub helpers: *const *const c_void,
    /// Set to nonzero when a safepoint must call the `safepoint` helper.
    pub interrupt: *const u32,
    /// Largest native recursion depth allowed in this call.
    pub depth_limit: i64,
    /// Borrowed `PyObject *` table of the specialisation (callables, descriptors).
    pub objects: *const *mut c_void,
    /// Slots of the hidden arguments of this call (after the arguments in `args`).
    pub hidden: *const u64,
    /// Site that failed.
    pub site: u32,
    /// 1 if an effect was done before an exit (only written on the way out).
    pub effects: u32,
    /// Operand bits of the failed site, in the slot form above.
    pub operands: [u64; MAX_OPERANDS],
    /// The same of a call site on the way out, until `py_frame` has taken them.
    pub frame: [u64; MAX_OPERANDS],
    /// Call sites passed while unwinding, innermost first. The host begins with a buffer of its own, of
    /// at most [`INLINE_TRACE`] entries; one of that many is grown on the heap ([`Ctx::take_trace`]).
    pub trace: *mut u32,
    pub trace_len: u32,
    pub trace_cap: u32,
    /// For helpers: `pyrt`'s own per-call data. NULL in calls from C, of code that touches no Python.
    pub host: *mut c_void,
}

impl Ctx {
    /// Notes a call site. A trace that cannot grow loses its outermost entries.
    ///
    /// # Safety
    /// `trace` has room for `trace_cap` entries, of which `trace_len` are written; it is on the heap if
    /// that is more than [`INLINE_TRACE`].
    pub unsafe fn push_trace(&mut self, site: u32) {
        // SAFETY: as the caller says.
        unsafe {
            if self.trace_len == self.trace_cap && self.trace_cap >= INLINE_TRACE {
                self.grow_trace();
            }
            if self.trace_len < self.trace_cap {
                *self.trace.add(self.trace_len as usize) = site;
                self.trace_len += 1;
            }
        }
    }

    #[cold]
    unsafe fn grow_trace(&mut self) {
        let Some(cap) = self.trace_cap.checked_mul(8) else {
            return;
        };
        let mut grown: Vec<u32> = Vec::new();
        if grown.try_reserve_exact(cap as usize).is_err() {
            return;
        }
        // SAFETY: as the caller says.
        unsafe {
            grown.extend_from_slice(&self.take_trace());
        }
        let mut grown = std::mem::ManuallyDrop::new(grown);
        self.trace = grown.as_mut_ptr();
        self.trace_len = grown.len() as u32;
        self.trace_cap = grown.capacity() as u32;
    }

    /// The trace, which is empty afterwards and owns no memory.
    ///
    /// # Safety
    /// As for [`Ctx::push_trace`].
    pub unsafe fn take_trace(&mut self) -> Vec<u32> {
        let (len, cap) = (self.trace_len as usize, self.trace_cap as usize);
        self.trace_len = 0;
        // SAFETY: a larger trace is the vector that `grow_trace` made; a smaller one is a buffer with
        // `len` entries written.
        unsafe {
            if self.trace_cap > INLINE_TRACE {
                self.trace_cap = 0;
                return Vec::from_raw_parts(self.trace, len, cap);
            }
            if len == 0 {
                return vec![];
            }
            std::slice::from_raw_parts(self.trace, len).to_vec()
        }
    }
}

/// Byte offsets of the fields of [`Ctx`] that generated code touches.
pub mod offset {
    use super::Ctx;
    use std::mem::offset_of;
    pub const HELPERS: i32 = offset_of!(Ctx, helpers) as i32;
    pub const INTERRUPT: i32 = offset_of!(Ctx, interrupt) as i32;
    pub const DEPTH_LIMIT: i32 = offset_of!(Ctx, depth_limit) as i32;
    pub const OBJECTS: i32 = offset_of!(Ctx, objects) as i32;
    pub const HIDDEN: i32 = offset_of!(Ctx, hidden) as i32;
    pub const SITE: i32 = offset_of!(Ctx, site) as i32;
    pub const EFFECTS: i32 = offset_of!(Ctx, effects) as i32;
    pub const OPERANDS: i32 = offset_of!(Ctx, operands) as i32;
    pub const FRAME: i32 = offset_of!(Ctx, frame) as i32;
}

/// The entry thunk of a blob.
pub type EntryFn = unsafe extern "C" fn(ctx: *mut Ctx, args: *const u64, ret: *mut u64) -> i32;

/// Machine code and what the host needs to run it: the product of `codegen`, input of `pyrt`.
/// The code is position-independent and has no relocations.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct CodeBlob {
    pub code: Vec<u8>,
    /// Offset of the entry thunk in `code`.
    pub entry: u32,
    /// Alignment `code` needs (a power of two, at most 4096).
    pub align: u32,
    /// Bytes of native stack one recursion level may take (largest frame).
    pub frame_bytes: u32,
    /// Slots that `ret` must have.
    pub ret_slots: u32,
}
