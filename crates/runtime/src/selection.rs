//! Elements of an array where a mask of its shape is set, in C order.
//!
//! Generated code describes both in words: the shape, then data and strides of the array, then those of the mask.

/// Array and mask, in rows along the last axis; axes without gaps are joined.
struct Rows {
    shape: Vec<i64>,
    array: (i64, Vec<i64>),
    mask: (i64, Vec<i64>),
}

impl Rows {
    fn new(area: *const i64, nd: i64) -> Rows {
        let nd = nd as usize;
        // SAFETY: generated code passes an area with the words that the file's header speaks of.
        let words = unsafe { std::slice::from_raw_parts(area, 2 + 3 * nd) };
        let (shape, rest) = words.split_at(nd);
        let (array, mask) = rest.split_at(nd + 1);
        let mut rows = Rows {
            shape: vec![],
            array: (array[0], vec![]),
            mask: (mask[0], vec![]),
        };
        for axis in 0..nd {
            rows.add(shape[axis], array[1 + axis], mask[1 + axis]);
        }
        rows
    }

    /// One more axis inside.
    fn add(&mut self, n: i64, array: i64, mask: i64) {
        let outer = (
            self.shape.last_mut(),
            self.array.1.last_mut(),
            self.mask.1.last_mut(),
        );
        if let (Some(outer), Some(a), Some(m)) = outer
            && (*outer == 1 || (*a == array.wrapping_mul(n) && *m == mask.wrapping_mul(n)))
        {
            *outer *= n;
            (*a, *m) = (array, mask);
            return;
        }
        self.shape.push(n);
        self.array.1.push(array);
        self.mask.1.push(mask);
    }

    /// Calls `f` with the addresses of array and mask of each row, until it answers `false`.
    fn each(&self, mut f: impl FnMut(i64, i64) -> bool) {
        if self.shape.contains(&0) {
            return;
        }
        let outer = self.shape.len() - 1;
        let mut index = vec![0i64; outer];
        loop {
            let offset = |strides: &[i64]| index.iter().zip(strides).map(|(i, s)| i * s).sum::<i64>();
            if !f(
                self.array.0 + offset(&self.array.1),
                self.mask.0 + offset(&self.mask.1),
            ) {
                return;
            }
            let mut axis = outer;
            loop {
                if axis == 0 {
                    return;
                }
                axis -= 1;
                index[axis] += 1;
                if index[axis] < self.shape[axis] {
                    break;
                }
                index[axis] = 0;
            }
        }
    }

    /// Length of a row, strides of array and mask in it.
    fn row(&self) -> (usize, isize, isize) {
        let last = self.shape.len() - 1;
        let stride = |v: &[i64]| v[last] as isize;
        (
            self.shape[last] as usize,
            stride(&self.array.1),
            stride(&self.mask.1),
        )
    }
}

/// The helper `mask_count`.
pub(crate) extern "C" fn mask_count(area: *const i64, nd: i64) -> i64 {
    let rows = Rows::new(area, nd);
    let (n, _, step) = rows.row();
    let mut count = 0usize;
    rows.each(|_, mask| {
        let mask = mask as *const u8;
        count += if step == 1 {
            // SAFETY: the mask has `n` bytes there.
            let bytes = unsafe { std::slice::from_raw_parts(mask, n) };
            bytes
                .chunks(255)
                .map(|c| usize::from(c.iter().fold(0u8, |s, b| s + (b & 1))))
                .sum::<usize>()
        } else {
            // SAFETY: the mask has `n` bytes `step` apart.
            (0..n)
                .filter(|&i| unsafe { *mask.offset(i as isize * step) } != 0)
                .count()
        };
        true
    });
    count as i64
}

/// Calls `f` with the offsets of the elements of a row whose mask is set.
#[inline(always)]
unsafe fn set(mask: *const u8, step: isize, n: usize, mut f: impl FnMut(usize)) {
    let mut i = 0;
    if step == 1 {
        while i + 8 <= n {
            // SAFETY: the caller's mask has `n` bytes.
            let mut bits =
                unsafe { mask.add(i).cast::<u64>().read_unaligned() }.to_le() & 0x0101_0101_0101_0101;
            while bits != 0 {
                f(i + (bits.trailing_zeros() / 8) as usize);
                bits &= bits - 1;
            }
            i += 8;
        }
    }
    while i < n {
        // SAFETY: as above, `step` apart.
        if unsafe { *mask.offset(i as isize * step) } != 0 {
            f(i);
        }
        i += 1;
    }
}

fn take<T: Copy>(rows: &Rows, to: i64) {
    let (n, stride, step) = rows.row();
    let mut to = to as *mut T;
    rows.each(|array, mask| {
        let array = array as *const u8;
        // SAFETY: array and mask have the elements; there is room for those that are set, which were counted. Arrays are aligned.
        unsafe {
            set(mask as *const u8, step, n, |i| {
                *to = array.offset(i as isize * stride).cast::<T>().read();
                to = to.add(1);
            });
        }
        true
    });
}

/// The helper `mask_take`.
pub(crate) extern "C" fn mask_take(area: *const i64, nd: i64, size: i64, to: i64) {
    let rows = Rows::new(area, nd);
    match size {
        1 => take::<u8>(&rows, to),
        2 => take::<u16>(&rows, to),
        4 => take::<u32>(&rows, to),
        8 => take::<u64>(&rows, to),
        _ => take::<[u64; 2]>(&rows, to),
    }
}

fn put<T: Copy>(rows: &Rows, from: i64, by: i64) {
    let (n, stride, step) = rows.row();
    let mut from = from as *const u8;
    rows.each(|array, mask| {
        let array = array as *mut u8;
        // SAFETY: as for `take`; there is a value for each that is set, or one for all with `by` 0.
        unsafe {
            set(mask as *const u8, step, n, |i| {
                *array.offset(i as isize * stride).cast::<T>() = from.cast::<T>().read();
                from = from.offset(by as isize);
            });
        }
        true
    });
}

/// The helper `mask_put`.
pub(crate) extern "C" fn mask_put(area: *const i64, nd: i64, size: i64, from: i64, by: i64) {
    let rows = Rows::new(area, nd);
    match size {
        1 => put::<u8>(&rows, from, by),
        2 => put::<u16>(&rows, from, by),
        4 => put::<u32>(&rows, from, by),
        8 => put::<u64>(&rows, from, by),
        _ => put::<[u64; 2]>(&rows, from, by),
    }
}
