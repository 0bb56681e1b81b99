//! What native code has read of array objects, to be compared behind an island.

use numlift_types::Type;
use pyo3::ffi::{self, PyObject};
use smallvec::SmallVec;

use crate::numpy::{ArrayObject, api};
use crate::value;

/// What native code has read of the owners of arrays: owner, memory, dtype, flags, rank, extents and strides of each.
pub(crate) type Descriptors = SmallVec<[isize; 32]>;

/// Owners that are no arrays have none.
pub(crate) unsafe fn descriptors(owners: &[*mut PyObject]) -> Descriptors {
    let mut out = Descriptors::new();
    for &o in owners {
        // SAFETY: NULL or a live object; the cast follows the check of the exact type.
        unsafe {
            if o.is_null() || ffi::Py_TYPE(o) != api().array_type {
                continue;
            }
            let a = &*o.cast::<ArrayObject>();
            let n = a.nd as usize;
            let writeable = a.flags & crate::numpy::WRITEABLE;
            let dtype = (*a.descr).type_num as isize;
            out.extend([o as isize, a.data as isize, dtype, writeable as isize, n as isize]);
            out.extend((0..n).flat_map(|i| [*a.dimensions.add(i), *a.strides.add(i)]));
        }
    }
    out
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
