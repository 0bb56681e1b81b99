//! Calls from C: no Python is needed, and none is touched.
//!
//! `numlift compile` exports functions of their own for C (`numlift_codegen::c_abi`); they call [`numlift_stub_call`] with
//! their number, and the slots of their arguments.

use std::cell::RefCell;
use std::ffi::{CString, c_char};
use std::mem::MaybeUninit;
use std::sync::OnceLock;

use numlift_pyrt::code::Code;
use numlift_pyrt::image::Image;
use numlift_pyrt::{cpu, helpers, value};
use numlift_runtime::abi::MAX_OPERANDS;
use numlift_runtime::{Ctx, SiteData, SiteKind};
use numlift_types::{ArrayType, Layout, Type};

use crate::locate;

/// What a function returns, in its header's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
enum Status {
    Ok = 0,
    /// Python would raise an exception.
    Raised = 1,
    /// Python would go on without machine code.
    Left = 2,
    /// An array is not laid out as the signature says.
    Argument = 3,
    /// The code cannot run here.
    Unusable = 4,
}

/// Native stack that recursion may take.
const STACK: u32 = 512 << 10;
const MAX_EXTENT: i64 = 1 << 48;

/// A specialisation without what belongs to Python.
struct Loaded {
    code: Code,
    image: Image,
}

thread_local! {
    static ERROR: RefCell<CString> = RefCell::default();
}

/// Why the last call in this thread that failed did: a text that is valid until the next one does.
#[unsafe(no_mangle)]
pub extern "C" fn numlift_stub_error() -> *const c_char {
    ERROR.with(|e| e.try_borrow().map_or(c"".as_ptr(), |e| e.as_ptr()))
}

fn fail(status: Status, text: &str) -> Status {
    let text = CString::new(text.replace('\0', " ")).unwrap_or_default();
    ERROR.with(|e| {
        if let Ok(mut e) = e.try_borrow_mut() {
            *e = text;
        }
    });
    status
}

/// Runs an exported function.
///
/// # Safety
/// The slots are those of the function's parameters, `ret` has room for its results: the exported function sees to
/// it. Arrays are what C says that they are.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn numlift_stub_call(number: i32, slots: *const u64, ret: *mut u64) -> i32 {
    let run = || match loaded(number as usize) {
        // SAFETY: as promised by the caller.
        Ok(loaded) => unsafe { loaded.call(slots, ret) },
        Err(text) => fail(Status::Unusable, text),
    };
    let run = std::panic::AssertUnwindSafe(run);
    let status = std::panic::catch_unwind(run).unwrap_or_else(|_| fail(Status::Unusable, "internal error"));
    status as i32
}

/// The function of a number, loaded by its first call.
fn loaded(number: usize) -> Result<&'static Loaded, &'static str> {
    static ALL: OnceLock<Vec<OnceLock<Result<Loaded, String>>>> = OnceLock::new();
    let payload = locate::payload().map_err(|d| d.text())?;
    let all = ALL.get_or_init(|| payload.exports.iter().map(|_| OnceLock::new()).collect());
    let cell = all.get(number).ok_or("no such function")?;
    cell.get_or_init(|| load(number)).as_ref().map_err(String::as_str)
}

fn load(number: usize) -> Result<Loaded, String> {
    let payload = locate::payload().map_err(|d| d.text())?;
    if let Some(feature) = cpu::missing(&payload.features).next() {
        return Err(format!("the processor has no {feature}"));
    }
    let found = payload.exports.get(number).and_then(|e| {
        let function = payload.functions.get(e.function as usize)?;
        function.specializations.get(e.specialization as usize)
    });
    let found = found.ok_or("no such function")?;
    let image = Image::decode(&found.image).map_err(|e| format!("machine code: {e}"))?;
    if !image.is_pure() {
        return Err("the function needs Python".into());
    }
    let code = Code::load(&image.blob).map_err(|e| e.to_string())?;
    Ok(Loaded { code, image })
}

impl Loaded {
    unsafe fn call(&self, slots: *const u64, ret: *mut u64) -> Status {
        let mut at = slots;
        for (i, t) in self.image.args.iter().enumerate() {
            if let Type::Array(a) = t {
                // SAFETY: data, extents, strides and owner are the slots of an array.
                let words =
                    unsafe { std::slice::from_raw_parts(at.cast::<i64>(), 2 + 2 * usize::from(a.ndim)) };
                if let Some(what) = unfit(a, words) {
                    return fail(Status::Argument, &format!("argument {}: {what}", i + 1));
                }
            }
            // SAFETY: within the slots of the arguments.
            at = unsafe { at.add(value::slots(t)) };
        }
        static NEVER: u32 = 0;
        let mut trace = [0_u32; 16];
        let frame = self.image.blob.frame_bytes.max(1);
        let mut room = [const { MaybeUninit::<u64>::uninit() }; 64];
        let mut heap = vec![];
        let n = self.image.ret.as_ref().map_or(0, value::slots);
        let needed = n.max(self.image.blob.ret_slots as usize);
        let results: *mut u64 = if needed > room.len() {
            heap.resize(needed, 0);
            heap.as_mut_ptr()
        } else {
            room.as_mut_ptr().cast()
        };
        let mut ctx = Ctx {
            helpers: helpers::table(),
            interrupt: &raw const NEVER,
            depth_limit: i64::from(STACK / frame),
            objects: std::ptr::null(),
            hidden: std::ptr::null(),
            site: 0,
            effects: 0,
            operands: [0; MAX_OPERANDS],
            frame: [0; MAX_OPERANDS],
            trace: trace.as_mut_ptr(),
            trace_len: 0,
            trace_cap: trace.len() as u32,
            host: std::ptr::null_mut(),
        };
        // SAFETY: the slots are those of the code's arguments; it touches no object, and no part of the context that
        // is NULL: the image has neither objects nor hidden arguments.
        let status = unsafe { (self.code.entry())(&raw mut ctx, slots, results) };
        if status == 0 {
            // SAFETY: both have the slots of the result.
            unsafe { std::ptr::copy_nonoverlapping(results, ret, n) };
            return Status::Ok;
        }
        self.failed(ctx.site)
    }

    #[cold]
    fn failed(&self, site: u32) -> Status {
        let Some(SiteData { kind, frame, line }) = self.image.sites.get(site as usize) else {
            return fail(Status::Raised, "failed");
        };
        let place = self.image.frames.get(*frame as usize);
        let place = place.map_or(String::new(), |f| format!("{}:{line}: in {}: ", f.file, f.name));
        let (status, what) = match kind {
            SiteKind::Raise { exc, args, .. } => (Status::Raised, format!("{exc}({})", args.join(", "))),
            SiteKind::Replay { expr, .. } => (Status::Raised, format!("`{expr}` raises an exception")),
            SiteKind::Exit(reason) | SiteKind::Resume { reason, .. } => (
                Status::Left,
                format!("a value left machine code ({})", reason.name()),
            ),
            SiteKind::Call | SiteKind::Frame { .. } | SiteKind::Helper | SiteKind::Island => {
                (Status::Raised, "a call failed".into())
            }
        };
        fail(status, &(place + &what))
    }
}

/// What is wrong with an array for code that takes such ones: words are data, extents, strides.
fn unfit(a: &ArrayType, words: &[i64]) -> Option<&'static str> {
    let n = usize::from(a.ndim);
    let (shape, strides) = (&words[1..=n], &words[n + 1..=2 * n]);
    let item = i64::from(a.dtype.size());
    if shape.iter().any(|d| !(0..MAX_EXTENT).contains(d)) {
        return Some("an extent is negative or too large");
    }
    if words[0] % item != 0 || strides.iter().any(|s| s % item != 0) {
        return Some("it is not aligned");
    }
    if shape.contains(&0) {
        return None;
    }
    let packed = |axes: &[usize]| {
        let mut expected = item;
        axes.iter().all(|&i| {
            let fits = shape[i] == 1 || strides[i] == expected;
            expected = expected.saturating_mul(shape[i]);
            fits
        })
    };
    let mut axes: Vec<usize> = (0..n).collect();
    let fits = match a.layout {
        Layout::C => {
            axes.reverse();
            packed(&axes)
        }
        Layout::F => packed(&axes),
        Layout::A => true,
    };
    (!fits).then_some("it is not contiguous in the order of the signature")
}
