//! Reductions of whole arrays, and products of two lines: what `np.sum(a)` and `np.dot(a, b)` are without Python.
//!
//! Floats are added by NumPy's own loops, called as NumPy's iterator calls them: once, on the elements as one line in the
//! order of strides. So the sums are pairwise, with its blocks and its bits. Arrays that are no such line are left to NumPy, as
//! is all that raises.

use std::ffi::{c_char, c_void};

use numlift_types::{DType, Kind};

/// What is computed of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Reduction {
    Sum,
    Prod,
    Min,
    Max,
    Mean,
    Var,
    Std,
    Any,
    All,
    ArgMin,
    ArgMax,
    /// `np.linalg.norm`
    Norm,
    /// `np.dot` of two lines
    Dot,
    /// `@` of two lines
    MatMul,
}

impl Reduction {
    const ALL: [Reduction; 14] = {
        use Reduction::{All, Any, ArgMax, ArgMin, Dot, MatMul, Max, Mean, Min, Norm, Prod, Std, Sum, Var};
        [
            Sum, Prod, Min, Max, Mean, Var, Std, Any, All, ArgMin, ArgMax, Norm, Dot, MatMul,
        ]
    };

    /// The argument of the helper: what, of which dtype and rank.
    pub const fn word(self, d: DType, nd: u8) -> i64 {
        self as i64 | (d as i64) << 8 | (nd as i64) << 16
    }
}

type Loop = unsafe extern "C" fn(*mut *mut c_char, *const isize, *const isize, *mut c_void);
/// `PyArray_ArgFunc`
type Arg = unsafe extern "C" fn(*const u8, isize, *mut isize, *mut c_void) -> i32;
/// `PyArray_DotFunc`
type Dot = unsafe extern "C" fn(*const u8, isize, *const u8, isize, *mut c_void, isize, *mut c_void);

/// Elements that lie at equal distances.
#[derive(Clone, Copy)]
struct Line {
    at: *const u8,
    n: usize,
    step: isize,
}

/// Axes of an array at most.
const MAX_AXES: usize = 64;

impl Line {
    /// The elements of an array in the order in which NumPy's iterator goes through them. The area has the address,
    /// the extents, the strides.
    fn new(area: *const i64, nd: usize, size: usize) -> Option<Line> {
        if nd == 0 || nd > MAX_AXES {
            return None;
        }
        // SAFETY: generated code passes an area of `1 + 2 * nd` words.
        let words = unsafe { std::slice::from_raw_parts(area, 1 + 2 * nd) };
        let mut axes = [(0i64, 0i64); MAX_AXES];
        let mut used = 0;
        let mut n = 1;
        for k in 0..nd {
            let (extent, stride) = (words[1 + k], words[1 + nd + k]);
            n *= extent;
            if extent == 1 {
                continue;
            }
            axes[used] = (extent, stride);
            used += 1;
        }
        let at = words[0] as *const u8;
        let axes = &mut axes[..used];
        axes.sort_by_key(|(_, stride)| stride.unsigned_abs());
        let step = axes.first().map_or(size as i64, |(_, stride)| *stride);
        let joined = axes.windows(2).all(|w| w[1].1 == w[0].1 * w[0].0);
        let (n, step) = (n as usize, step as isize);
        (n == 0 || joined && (step != 0 || used < 2)).then_some(Line { at, n, step })
    }

    /// The elements in C order, if they lie next to each other.
    fn contiguous(area: *const i64, nd: usize, size: usize) -> Option<Line> {
        // SAFETY: as in `new`.
        let words = unsafe { std::slice::from_raw_parts(area, 1 + 2 * nd) };
        let mut step = size as i64;
        for k in (0..nd).rev() {
            let (extent, stride) = (words[1 + k], words[1 + nd + k]);
            if extent != 1 && stride != step {
                return None;
            }
            step *= extent;
        }
        let n = words[1..=nd].iter().product::<i64>() as usize;
        Some(Line {
            at: words[0] as *const u8,
            n,
            step: size as isize,
        })
    }

    /// From the second element on.
    const fn rest(self) -> Line {
        Line {
            at: self.at.wrapping_offset(self.step),
            n: self.n - 1,
            step: self.step,
        }
    }

    /// Folds elements of type `T`.
    #[inline(always)]
    fn fold<T: Copy, A>(self, start: A, f: impl Fn(A, T) -> A) -> A {
        let at = self.at.cast::<T>();
        if self.step == size_of::<T>() as isize {
            // SAFETY: the line is of `n` elements of this type, aligned as NumPy's arrays are here.
            let all = unsafe { std::slice::from_raw_parts(at, self.n) };
            return all.iter().copied().fold(start, f);
        }
        (0..self.n).fold(start, |a, i| {
            // SAFETY: as above, `step` bytes apart.
            f(a, unsafe { *at.byte_offset(i as isize * self.step) })
        })
    }

    /// Whether an element is one, looked for in blocks of some dozens.
    #[inline(always)]
    fn any<T: Copy>(self, f: impl Fn(T) -> bool + Copy) -> bool {
        const BLOCK: usize = 64;
        (0..self.n).step_by(BLOCK).any(|i| {
            let block = Line {
                at: self.at.wrapping_offset(i as isize * self.step),
                n: BLOCK.min(self.n - i),
                ..self
            };
            block.fold(false, |found, x: T| found | f(x))
        })
    }
}

/// Calls `$f::<T>($($arg),*)` for the type of an integer.
macro_rules! of_integers {
    ($d:expr, $f:ident $args:tt) => {
        match $d {
            DType::Bool | DType::U8 => Some($f::<u8> $args),
            DType::I8 => Some($f::<i8> $args),
            DType::U16 => Some($f::<u16> $args),
            DType::I16 => Some($f::<i16> $args),
            DType::U32 => Some($f::<u32> $args),
            DType::I32 => Some($f::<i32> $args),
            DType::U64 => Some($f::<u64> $args),
            DType::I64 => Some($f::<i64> $args),
            _ => None,
        }
    };
}

/// An integer as 64 bits and as a float.
trait Integer: Copy + PartialEq {
    const ZERO: Self;
    fn bits(self) -> i64;
    fn magnitude(self) -> u64;
}

macro_rules! integers {
    ($magnitude:ident; $($t:ty),*) => { $(impl Integer for $t {
        const ZERO: $t = 0;
        fn bits(self) -> i64 { self as i64 }
        fn magnitude(self) -> u64 { u64::from(self.$magnitude()) }
    })* };
}
integers!(clone; u8, u16, u32, u64);
integers!(unsigned_abs; i8, i16, i32, i64);

fn sum_bits<T: Integer>(line: Line) -> i64 {
    line.fold(0i64, |s, x: T| s.wrapping_add(x.bits()))
}

fn product_bits<T: Integer>(line: Line) -> i64 {
    line.fold(1i64, |s, x: T| s.wrapping_mul(x.bits()))
}

fn is_nonzero<T: Integer>(line: Line) -> bool {
    line.any(|x: T| x != T::ZERO)
}

fn has_zero<T: Integer>(line: Line) -> bool {
    line.any(|x: T| x == T::ZERO)
}

/// The sum as a float, if it is exact in whatever order it is added up.
fn exact_sum<T: Integer>(line: Line) -> Option<f64> {
    let most = line.fold(0, |m: u64, x: T| m.max(x.magnitude()));
    let bound = u128::from(most) * line.n as u128;
    (bound < 1 << 53).then(|| sum_bits::<T>(line) as f64)
}

/// The loop of a ufunc on a line, folded into what is in `acc`.
///
/// # Safety
/// `f` and `data` are of a loop with two operands of the line's dtype and a result of the same.
unsafe fn accumulate(f: i64, data: i64, acc: *mut u64, line: Line) {
    if line.n == 0 {
        return;
    }
    let acc = acc.cast::<c_char>();
    let mut pointers = [acc, line.at.cast_mut().cast(), acc];
    // SAFETY: as promised by the caller; the line's elements are there.
    unsafe {
        let f: Loop = std::mem::transmute(f as usize);
        f(
            pointers.as_mut_ptr(),
            &(line.n as isize),
            [0, line.step, 0].as_ptr(),
            data as *mut c_void,
        );
    }
}

/// `x / n` of a sum in the dtype of the sum, as NumPy divides by a count that is an int64.
unsafe fn divide(d: DType, out: *mut u64, n: usize) {
    // SAFETY: `out` has a number of the dtype.
    unsafe {
        match d {
            DType::F32 => *out.cast() = (f64::from(*out.cast::<f32>()) / n as f64) as f32,
            _ => *out.cast() = *out.cast::<f64>() / n as f64,
        }
    }
}

/// Squares of the distances of a line's elements from their mean.
unsafe fn deviations<T>(line: Line, out: *mut u64) -> Option<Vec<T>>
where
    T: Copy + std::ops::Sub<Output = T> + std::ops::Mul<Output = T>,
{
    let mut all = Vec::new();
    all.try_reserve_exact(line.n).ok()?;
    // SAFETY: `out` has the mean.
    let mean = unsafe { *out.cast::<T>() };
    let square = |x: T| (x - mean) * (x - mean);
    let at = line.at.cast::<T>();
    if line.step == size_of::<T>() as isize {
        // SAFETY: the line is of `n` elements of this type.
        let given = unsafe { std::slice::from_raw_parts(at, line.n) };
        all.extend(given.iter().map(|x| square(*x)));
    } else {
        // SAFETY: as above, `step` bytes apart.
        let element = |i: usize| unsafe { *at.byte_offset(i as isize * line.step) };
        all.extend((0..line.n).map(|i| square(element(i))));
    }
    Some(all)
}

unsafe fn variance(d: DType, f: i64, data: i64, line: Line, out: *mut u64) -> bool {
    // SAFETY: as promised by the caller of `reduce`.
    unsafe {
        accumulate(f, data, out, line);
        divide(d, out, line.n);
        let kept: (Vec<f32>, Vec<f64>);
        let at = match d {
            DType::F32 => {
                let Some(all) = deviations::<f32>(line, out) else {
                    return false;
                };
                kept = (all, vec![]);
                kept.0.as_ptr().cast()
            }
            _ => {
                let Some(all) = deviations::<f64>(line, out) else {
                    return false;
                };
                kept = (vec![], all);
                kept.1.as_ptr().cast()
            }
        };
        *out = 0;
        let (n, step) = (line.n, d.size() as isize);
        accumulate(f, data, out, Line { at, n, step });
        divide(d, out, n);
    }
    true
}

unsafe fn root(d: DType, out: *mut u64) {
    // SAFETY: `out` has a number of the dtype.
    unsafe {
        match d {
            DType::F32 => *out.cast() = (*out.cast::<f32>()).sqrt(),
            _ => *out.cast() = (*out.cast::<f64>()).sqrt(),
        }
    }
}

/// The product of two lines of as many elements by the dtype's own function; one number each is multiplied if `plain`.
unsafe fn dot(d: DType, f: i64, a: Line, b: Line, plain: bool, out: *mut u64) -> bool {
    if a.n != b.n {
        return false;
    }
    // SAFETY: as promised by the caller of `reduce`.
    unsafe {
        if plain && d.kind() >= Kind::Float {
            let size = d.size() as isize;
            // NumPy copies what the libraries for products do not take
            let taken = |l: Line| l.step > 0 && l.step % size == 0;
            if a.n > 1 && !(taken(a) && taken(b)) {
                return false;
            }
            if a.n == 1 {
                match d {
                    DType::F32 => *out.cast() = *a.at.cast::<f32>() * *b.at.cast::<f32>(),
                    DType::F64 => *out.cast() = *a.at.cast::<f64>() * *b.at.cast::<f64>(),
                    _ => return false,
                }
                return true;
            }
        }
        if a.n > 0 {
            let f: Dot = std::mem::transmute(f as usize);
            f(
                a.at,
                a.step,
                b.at,
                b.step,
                out.cast(),
                a.n as isize,
                std::ptr::null_mut(),
            );
        }
    }
    true
}

/// The helper `reduce`: whether the result is in `out`, else NumPy has to be asked.
pub(crate) extern "C" fn reduce(what: i64, f: i64, data: i64, area: *const i64, out: *mut u64) -> i64 {
    let [what, d, nd, ..] = what.to_le_bytes().map(usize::from);
    let (Some(&what), Some(&d)) = (Reduction::ALL.get(what), DType::ALL.get(d)) else {
        return 0;
    };
    // SAFETY: generated code passes the words of the array (of two for products), the loop or function that the reduction of
    // this dtype needs, and room for two slots.
    i64::from(unsafe { compute(what, d, nd, (f, data), area, out) }.is_some())
}

unsafe fn compute(
    what: Reduction,
    d: DType,
    nd: usize,
    (f, data): (i64, i64),
    area: *const i64,
    out: *mut u64,
) -> Option<()> {
    use Reduction::{All, Any, ArgMax, ArgMin, Dot, MatMul, Max, Mean, Min, Norm, Prod, Std, Sum, Var};
    let size = d.size() as usize;
    let float = d.kind() >= Kind::Float;
    // SAFETY: as promised by the caller.
    unsafe {
        (*out, *out.add(1)) = (0, 0);
        let line = match what {
            Norm | ArgMin | ArgMax => Line::contiguous(area, nd, size)?,
            Dot | MatMul => given(area),
            _ => Line::new(area, nd, size)?,
        };
        match what {
            Sum if float => accumulate(f, data, out, line),
            Sum => *out = of_integers!(d, sum_bits(line))? as u64,
            Prod if float => {
                ones(d, out.cast(), 1);
                accumulate(f, data, out, line);
            }
            Prod => *out = of_integers!(d, product_bits(line))? as u64,
            Min | Max | Mean | Var | Std | ArgMin | ArgMax if line.n == 0 => return None,
            Min | Max => {
                std::ptr::copy_nonoverlapping(line.at, out.cast(), size);
                accumulate(f, data, out, line.rest());
            }
            Mean => {
                match float {
                    true => accumulate(f, data, out, line),
                    false => *out.cast() = of_integers!(d, exact_sum(line))??,
                }
                divide(d, out, line.n);
            }
            Var | Std => {
                if !variance(d, f, data, line, out) {
                    return None;
                }
                if what == Std {
                    root(d, out);
                }
            }
            Any | All => {
                *out.cast::<u8>() = u8::from(match (d, what) {
                    (DType::F32, Any) => line.any(|x: f32| x != 0.0),
                    (DType::F64, Any) => line.any(|x: f64| x != 0.0),
                    (DType::F32, _) => !line.any(|x: f32| x == 0.0),
                    (DType::F64, _) => !line.any(|x: f64| x == 0.0),
                    (_, Any) => of_integers!(d, is_nonzero(line))?,
                    _ => !of_integers!(d, has_zero(line))?,
                });
            }
            ArgMin | ArgMax => {
                let f: Arg = std::mem::transmute(f as usize);
                f(line.at, line.n as isize, out.cast(), std::ptr::null_mut());
            }
            Norm => {
                if !dot(d, f, line, line, true, out) {
                    return None;
                }
                root(d, out);
            }
            Dot | MatMul => {
                if !dot(d, f, line, given(area.add(3)), what == Dot, out) {
                    return None;
                }
            }
        }
    }
    Some(())
}

/// The helper `reduce_axis`. The area has the address, and the extents before the axis, of it, and behind it joined.
pub(crate) extern "C" fn reduce_axis(
    what: i64,
    f: i64,
    data: i64,
    area: *const [i64; 4],
    out: *mut u8,
) -> i64 {
    let [what, d, ..] = what.to_le_bytes().map(usize::from);
    let (Some(&what), Some(&d)) = (Reduction::ALL.get(what), DType::ALL.get(d)) else {
        return 0;
    };
    // SAFETY: generated code passes an area of four words, and a new array of the other extents.
    unsafe {
        let [at, outer, n, inner] = *area;
        let (at, n, inner) = (at as *const u8, n as usize, inner as usize);
        let result = match what {
            Reduction::ArgMin | Reduction::ArgMax => size_of::<isize>(),
            _ => d.size() as usize,
        };
        for o in 0..outer as usize {
            let part = at.add(o * n * inner * d.size() as usize);
            along(what, d, (f, data), (part, n, inner), out.add(o * inner * result));
        }
    }
    1
}

/// What is at `from`, `n` rows of `inner` elements, reduced to one row.
///
/// # Safety
/// As for `reduce_axis`.
unsafe fn along(
    what: Reduction,
    d: DType,
    (f, data): (i64, i64),
    (from, n, inner): (*const u8, usize, usize),
    to: *mut u8,
) {
    use Reduction::{ArgMax, ArgMin, Max, Mean, Min, Prod};
    let size = d.size() as usize;
    // SAFETY: as promised by the caller; results of `inner` elements are at `to`.
    unsafe {
        let mut first = 0;
        match what {
            ArgMin | ArgMax => {
                let f: Arg = std::mem::transmute(f as usize);
                f(from, n as isize, to.cast(), std::ptr::null_mut());
                return;
            }
            Min | Max => {
                std::ptr::copy_nonoverlapping(from, to, inner * size);
                first = 1;
            }
            Prod => ones(d, to, inner),
            _ => std::ptr::write_bytes(to, 0, inner * size),
        }
        let rest = from.add(first * inner * size);
        if inner == 1 {
            let (n, step) = (n - first, size as isize);
            accumulate(f, data, to.cast(), Line { at: rest, n, step });
        } else {
            let f: Loop = std::mem::transmute(f as usize);
            for k in 0..n - first {
                let row = rest.add(k * inner * size).cast_mut();
                let mut pointers = [to.cast(), row.cast(), to.cast()];
                let steps = [size as isize; 3];
                f(
                    pointers.as_mut_ptr(),
                    &(inner as isize),
                    steps.as_ptr(),
                    data as *mut c_void,
                );
            }
        }
        if what == Mean {
            for k in 0..inner {
                divide(d, to.add(k * size).cast(), n);
            }
        }
    }
}

/// Writes `n` ones.
unsafe fn ones(d: DType, to: *mut u8, n: usize) {
    for k in 0..n {
        // SAFETY: as promised by the caller.
        unsafe {
            match d {
                DType::F32 => *to.cast::<f32>().add(k) = 1.0,
                DType::F64 => *to.cast::<f64>().add(k) = 1.0,
                _ => *to.cast::<u64>().add(k) = 1,
            }
        }
    }
}

/// An array of one axis as it is.
unsafe fn given(area: *const i64) -> Line {
    // SAFETY: generated code passes three words for it.
    let [at, n, step] = unsafe { *area.cast::<[i64; 3]>() };
    Line {
        at: at as *const u8,
        n: n as usize,
        step: step as isize,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(words: &[i64]) -> Option<(i64, usize, isize)> {
        let nd = words.len() / 2;
        Line::new(words.as_ptr(), nd, 8).map(|l| (l.at as i64, l.n, l.step))
    }

    #[test]
    fn axes_are_joined_in_the_order_of_strides() {
        assert_eq!(line(&[1000, 5, -16]), Some((1000, 5, -16)));
        assert_eq!(line(&[1000, 2, 3, 24, 8]), Some((1000, 6, 8)));
        assert_eq!(line(&[1000, 3, 2, 8, 24]), Some((1000, 6, 8)));
        assert_eq!(line(&[1000, 2, 3, 48, 8]), None);
        assert_eq!(line(&[1000, 2, 3, -24, 8]), None);
        assert_eq!(line(&[1000, 2, 3, -24, -8]), Some((1000, 6, -8)));
        assert_eq!(line(&[1000, 2, 1, 3, 24, 99, 8]), Some((1000, 6, 8)));
        assert_eq!(line(&[1000, 1, 1, 0, 0]), Some((1000, 1, 8)));
        assert_eq!(line(&[1000, 2, 3, 0, 0]), None);
        assert_eq!(line(&[1000, 2, 0, 0, 8]).map(|l| l.1), Some(0));
    }

    #[test]
    fn sums_of_integers_are_exact_or_none() {
        let of = |v: &[i64]| {
            exact_sum::<i64>(Line {
                at: v.as_ptr().cast(),
                n: v.len(),
                step: 8,
            })
        };
        assert_eq!(of(&[1, -3, 5]), Some(3.0));
        assert_eq!(of(&[1 << 52, 1]), None);
        assert_eq!(of(&[i64::MIN]), None);
    }
}
