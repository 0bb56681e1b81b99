//! Jitted functions as C function pointers.
//!
//! A pointer is the address of a few instructions that are made for it: they put the registers in which C passes arguments
//! into memory and call [`enter`], which makes the call as Python would. There is nobody whom an exception could be
//! passed to: it is printed (`sys.unraisablehook`), and the result is 0. A pointer is good for the rest of the process.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicPtr, Ordering};

use memmap2::MmapMut;
use numlift_types::{CFunction, DType, Scalar, Type};
use pyo3::exceptions::{PyNotImplementedError, PyOSError};
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;

use crate::direct::{self, BySlots, RET_SLOTS, SLOTS};
use crate::object::{self, Body, Object, guarded_status};
use crate::plan::RetPlan;
use crate::reference::Ref;
use crate::slots::{Held, Slots};
use crate::spec::Specialization;
use crate::table::{Entry, Tier};
use crate::{cpython, key, value};

const WORDS: usize = CFunction::MAX_WORDS;
const REGISTERS: usize = WORDS + CFunction::MAX_FLOATS;

/// What a pointer calls.
struct Callback {
    function: Ref,
    params: Vec<Scalar>,
    /// `None`: void
    ret: Option<DType>,
    /// The key of the parameters.
    words: Vec<u64>,
    /// The entry of the last call.
    entry: AtomicPtr<Entry>,
}

/// A function pointer of a jitted function. Parameters and result are numbers.
///
/// # Errors
/// If this processor is not known, or the system refuses executable memory.
pub fn pointer(
    function: &Bound<'_, PyAny>,
    params: Vec<Scalar>,
    ret: Option<DType>,
) -> PyResult<*const c_void> {
    object::body(function)?;
    let callback = Box::new(Callback {
        function: Ref::from(function),
        words: params.iter().map(|s| key::scalar(*s)).collect(),
        params,
        ret,
        entry: AtomicPtr::default(),
    });
    // C may keep the pointer: neither the callback nor its code are ever freed
    let callback: &'static Callback = Box::leak(callback);
    let code = code(callback)
        .ok_or_else(|| PyNotImplementedError::new_err("no C function pointers on this processor"))?;
    let map = || -> std::io::Result<_> {
        let mut map = MmapMut::map_anon(code.len())?;
        map.copy_from_slice(&code);
        map.make_exec()
    };
    let map = map().map_err(|e| PyOSError::new_err(e.to_string()))?;
    Ok(Box::leak(Box::new(map)).as_ptr().cast())
}

/// The instructions of a pointer.
#[cfg(target_arch = "x86_64")]
fn code(callback: &'static Callback) -> Option<Vec<u8>> {
    let mut code = vec![
        0xF3, 0x0F, 0x1E, 0xFA, // endbr64
        0x55, 0x48, 0x89, 0xE5, // push rbp; mov rbp, rsp
        0x48, 0x83, 0xEC, 0x70, // sub rsp, 112
        0x48, 0x89, 0x3C, 0x24, // mov [rsp], rdi
        0x48, 0x89, 0x74, 0x24, 0x08, // mov [rsp + 8], rsi
        0x48, 0x89, 0x54, 0x24, 0x10, // mov [rsp + 16], rdx
        0x48, 0x89, 0x4C, 0x24, 0x18, // mov [rsp + 24], rcx
        0x4C, 0x89, 0x44, 0x24, 0x20, // mov [rsp + 32], r8
        0x4C, 0x89, 0x4C, 0x24, 0x28, // mov [rsp + 40], r9
    ];
    for n in 0..8 {
        // movsd [rsp + 48 + 8 * n], xmm(n)
        code.extend([0xF2, 0x0F, 0x11, 0x44 | n << 3, 0x24, 48 + 8 * n]);
    }
    let address = |p: *const c_void| (p as usize as u64).to_le_bytes();
    code.extend([0x48, 0xBF]); // mov rdi, callback
    code.extend(address((&raw const *callback).cast()));
    code.extend([0x48, 0x89, 0xE6]); // mov rsi, rsp
    code.extend([0x48, 0x8D, 0x55, 0x10]); // lea rdx, [rbp + 16]
    code.extend([0x48, 0xB8]); // mov rax, enter
    code.extend(address(enter as *const c_void));
    code.extend([0xFF, 0xD0]); // call rax
    code.extend([0x66, 0x48, 0x0F, 0x6E, 0xC0]); // movq xmm0, rax
    code.extend([0xC9, 0xC3]); // leave; ret
    Some(code)
}

#[cfg(not(target_arch = "x86_64"))]
fn code(_: &'static Callback) -> Option<Vec<u8>> {
    None
}

/// The call of a pointer: `registers` are those of integers, then those of floating-point numbers, `stack` are the arguments that had none.
/// Gives the register of the result.
unsafe extern "C" fn enter(callback: *const Callback, registers: *const u64, stack: *const u64) -> u64 {
    let mut result = 0;
    // SAFETY: callbacks live as long as the process; C passes what the signature says.
    unsafe {
        let state = ffi::PyGILState_Ensure();
        let status = guarded_status(|| match (*callback).call(registers, stack) {
            Some(word) => {
                result = word;
                true
            }
            None => false,
        });
        if status != 0 {
            ffi::PyErr_WriteUnraisable((*callback).function.as_ptr());
        }
        ffi::PyGILState_Release(state);
    }
    result
}

impl Callback {
    /// The register of the result; `None`: an exception is set.
    ///
    /// # Safety
    /// As for [`enter`]; the GIL is held.
    unsafe fn call(&self, registers: *const u64, stack: *const u64) -> Option<u64> {
        let mut slots = Slots::<SLOTS>::new(self.params.len());
        let slots = slots.ptr();
        // SAFETY: as promised by the caller; there is a slot for each parameter.
        unsafe {
            self.read(registers, stack, slots);
            if self.params.len() <= SLOTS
                && let Some(found) = self.direct(slots)
            {
                return found;
            }
            let args = self.objects(slots)?;
            let all = args.as_slice();
            let f = self.function.as_ptr();
            let result = cpython::call(f, all.as_ptr(), all.len(), std::ptr::null_mut());
            self.register(Ref::from_owned(result)?.as_ptr())
        }
    }

    /// Writes the slots of the arguments: registers as they are counted, then the stack in order.
    unsafe fn read(&self, registers: *const u64, stack: *const u64, slots: *mut u64) {
        let (mut word, mut float, mut spilled) = (0, WORDS, 0);
        for (i, s) in self.params.iter().enumerate() {
            let (next, end) = match s.dtype() {
                DType::F32 | DType::F64 => (&mut float, REGISTERS),
                _ => (&mut word, WORDS),
            };
            // SAFETY: as for `call`.
            unsafe {
                let raw = if *next < end {
                    *next += 1;
                    *registers.add(*next - 1)
                } else {
                    spilled += 1;
                    *stack.add(spilled - 1)
                };
                *slots.add(i) = slot(*s, raw);
            }
        }
    }

    /// The arguments as objects; `None`: an exception is set.
    unsafe fn objects(&self, slots: *const u64) -> Option<Held> {
        let mut args = Held::default();
        for (i, s) in self.params.iter().enumerate() {
            // SAFETY: the slots are those of the parameters.
            let o = unsafe { value::boxed(&Type::Scalar(*s), slots.add(i)) };
            if o.is_null() {
                return None;
            }
            args.push(o);
        }
        Some(args)
    }

    /// The call without objects, where the code needs none; `None`: it is not made.
    unsafe fn direct(&self, slots: *const u64) -> Option<Option<u64>> {
        // SAFETY: the function is a jitted one and alive, and so are its entries; the GIL is held.
        unsafe {
            let body = (*self.function.as_ptr().cast::<Object>()).body()?;
            let entry = match self.entry.load(Ordering::Acquire).as_ref() {
                Some(known) => known,
                None => self.find(body)?,
            };
            let Tier::Native(s) = &entry.tier else { return None };
            let mut ret = [const { MaybeUninit::uninit() }; RET_SLOTS];
            match direct::call_slots(body, entry, s, slots, &mut ret, &|| self.objects(slots)) {
                BySlots::NotMade => {
                    self.entry.store(std::ptr::null_mut(), Ordering::Release);
                    None
                }
                BySlots::Object(o) => Some(Ref::from_owned(o).and_then(|o| self.register(o.as_ptr()))),
                BySlots::Done => Some(self.result(s, ret.as_ptr().cast())),
            }
        }
    }

    /// The newest entry for the parameters that can be called without objects.
    fn find<'a>(&self, body: &'a Body) -> Option<&'a Entry> {
        let fits = |e: &&Entry| e.direct && key::same(&e.words, &self.words) && !e.is_retired();
        let found = body.selector.table.iter().filter(fits).last()?;
        self.entry
            .store((&raw const *found).cast_mut(), Ordering::Release);
        Some(found)
    }

    /// The register of what is in the slots of a result.
    unsafe fn result(&self, s: &Specialization, ret: *const u64) -> Option<u64> {
        // SAFETY: the code has written them.
        unsafe {
            match (&s.ret, self.ret) {
                (RetPlan::Float | RetPlan::Np(DType::F64), Some(DType::F64)) => Some(*ret),
                (RetPlan::Int | RetPlan::Np(DType::I64), Some(DType::I64)) => Some(*ret),
                (RetPlan::None, None) => Some(0),
                _ => self.register(Ref::from_owned(s.ret.read(ret))?.as_ptr()),
            }
        }
    }

    /// # Safety
    /// A live object; the GIL is held.
    unsafe fn register(&self, result: *mut PyObject) -> Option<u64> {
        // SAFETY: as promised by the caller.
        unsafe {
            match self.ret {
                None => Some(0),
                Some(d @ (DType::F32 | DType::F64)) => {
                    let x = ffi::PyFloat_AsDouble(result);
                    if x == -1.0 && !ffi::PyErr_Occurred().is_null() {
                        return None;
                    }
                    Some(match d {
                        DType::F32 => u64::from((x as f32).to_bits()),
                        _ => x.to_bits(),
                    })
                }
                Some(d) => integer(d, result),
            }
        }
    }
}

/// A number in a register as machine code has it in a slot: the rest of a register says nothing.
fn slot(s: Scalar, raw: u64) -> u64 {
    match s.dtype() {
        DType::Bool => u64::from(raw & 0xff != 0),
        DType::I8 => raw as i8 as u64,
        DType::U8 => u64::from(raw as u8),
        DType::I16 => raw as i16 as u64,
        DType::U16 => u64::from(raw as u16),
        DType::I32 => raw as i32 as u64,
        DType::U32 | DType::F32 => u64::from(raw as u32),
        _ => raw,
    }
}

/// An int that must fit into the type.
///
/// # Safety
/// A live object; the GIL is held.
unsafe fn integer(d: DType, result: *mut PyObject) -> Option<u64> {
    // SAFETY: as promised by the caller; the int is a new reference.
    unsafe {
        let number = Ref::from_owned(ffi::PyNumber_Index(result))?;
        if d == DType::U64 {
            let x = ffi::PyLong_AsUnsignedLongLong(number.as_ptr());
            return (x != u64::MAX || ffi::PyErr_Occurred().is_null()).then_some(x);
        }
        let x = ffi::PyLong_AsLongLong(number.as_ptr());
        if x == -1 && !ffi::PyErr_Occurred().is_null() {
            return None;
        }
        let fits = match d {
            DType::Bool => x == 0 || x == 1,
            DType::I8 => i8::try_from(x).is_ok(),
            DType::U8 => u8::try_from(x).is_ok(),
            DType::I16 => i16::try_from(x).is_ok(),
            DType::U16 => u16::try_from(x).is_ok(),
            DType::I32 => i32::try_from(x).is_ok(),
            DType::U32 => u32::try_from(x).is_ok(),
            _ => true,
        };
        if !fits {
            let text = c"the result does not fit into its type in C";
            ffi::PyErr_SetString(ffi::PyExc_OverflowError, text.as_ptr());
            return None;
        }
        Some(x as u64)
    }
}
