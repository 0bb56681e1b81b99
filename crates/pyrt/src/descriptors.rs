//! What native code has read of array objects, to be compared behind an island.

use numlift_types::Type;
use pyo3::ffi::{self, PyObject};
use smallvec::SmallVec;

use crate::numpy::{ArrayObject, api};
use crate::value;

/// What native code has read of the owners of arrays: owner, memory, dtype, flags, rank, extents and strides of each.
pub(crate) type Descriptors = SmallVec<[isize; 32]>;

/// The array that an owner is, if it is one.
unsafe fn array<'a>(owner: *mut PyObject) -> Option<&'a ArrayObject> {
    // SAFETY: NULL or a live object; the cast follows the check of the exact type.
    unsafe {
        let is_array = !owner.is_null() && ffi::Py_TYPE(owner) == api().array_type;
        is_array.then(|| &*owner.cast::<ArrayObject>())
    }
}

/// Its words before extents and strides.
unsafe fn head(owner: *mut PyObject, a: &ArrayObject) -> [isize; DESCRIPTOR_HEAD] {
    // SAFETY: the descriptor of a live array.
    let dtype = unsafe { (*a.descr).type_num } as isize;
    let writeable = (a.flags & crate::numpy::WRITEABLE) as isize;
    [owner as isize, a.data as isize, dtype, writeable, a.nd as isize]
}

/// Adds the descriptors of arrays; owners that are no arrays have none. They are written where they stay: many islands
/// watch an array or two, and moving the buffer costs more than filling it.
///
/// # Safety
/// NULL or live objects; the GIL is held.
pub(crate) unsafe fn describe(owners: &[*mut PyObject], out: &mut Descriptors) {
    for &o in owners {
        // SAFETY: as promised by the caller; an array has `nd` extents and strides.
        unsafe {
            let Some(a) = array(o) else { continue };
            out.extend_from_slice(&head(o, a));
            for i in 0..a.nd as usize {
                out.extend_from_slice(&[*a.dimensions.add(i), *a.strides.add(i)]);
            }
        }
    }
}

/// Whether the descriptors of arrays are what they were.
///
/// # Safety
/// As for [`describe`].
pub(crate) unsafe fn are_as(owners: &[*mut PyObject], before: &Descriptors) -> bool {
    let mut rest = before.as_slice();
    for &o in owners {
        // SAFETY: as for `describe`.
        unsafe {
            let Some(a) = array(o) else { continue };
            let Some((was, axes)) = rest.split_at_checked(DESCRIPTOR_HEAD) else {
                return false;
            };
            let n = a.nd as usize;
            if was != head(o, a) || axes.len() < 2 * n {
                return false;
            }
            let same = |i: usize| axes[2 * i] == *a.dimensions.add(i) && axes[2 * i + 1] == *a.strides.add(i);
            if !(0..n).all(same) {
                return false;
            }
            rest = &axes[2 * n..];
        }
    }
    rest.is_empty()
}

/// Operands as they were before an island: an array that had been an object as a whole is this object.
pub(crate) unsafe fn recalled(
    types: &[Type],
    operands: *const u64,
    (owners, before): (&[*mut PyObject], &Descriptors),
) -> Vec<u64> {
    let n = types.iter().map(value::slots).sum();
    // SAFETY: there are operands of these types.
    let mut slots = unsafe { std::slice::from_raw_parts(operands, n).to_vec() };
    let mut at = slots.as_mut_ptr();
    for t in types {
        // SAFETY: the slots are those of the operands.
        unsafe {
            value::each_array(t, at, &mut |a, v| {
                let n = usize::from(a.ndim);
                let owner = *v.add(1 + 2 * n);
                let described = |d: &[isize]| {
                    let (head, axes) = d.split_at(DESCRIPTOR_HEAD);
                    let same =
                        [*v as isize, a.dtype.type_num() as isize] == head[1..3] && head[4] == n as isize;
                    let extent = |i: usize| *v.add(1 + i) as isize == axes[2 * i];
                    let stride = |i: usize| *v.add(1 + n + i) as isize == axes[2 * i + 1];
                    same && (0..n).all(|i| extent(i) && (stride(i) || axes[2 * i] <= 1))
                };
                if each(owners, before).any(|(o, d)| o as u64 == owner && described(d)) {
                    *v = owner;
                }
            });
            at = at.add(value::slots(t));
        }
    }
    slots
}

/// Words of a descriptor before extents and strides.
const DESCRIPTOR_HEAD: usize = 5;

/// The descriptors of owners that are arrays.
fn each<'a>(
    owners: &'a [*mut PyObject],
    all: &'a Descriptors,
) -> impl Iterator<Item = (*mut PyObject, &'a [isize])> {
    let mut rest = all.as_slice();
    owners.iter().filter_map(move |&o| {
        let head = rest.get(..DESCRIPTOR_HEAD).filter(|head| head[0] == o as isize)?;
        let (this, others) = rest.split_at(DESCRIPTOR_HEAD + 2 * head[4] as usize);
        rest = others;
        Some((o, this))
    })
}
