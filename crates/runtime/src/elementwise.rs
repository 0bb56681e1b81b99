//! The order in which loops over the elements of several arrays go through their axes: NumPy's.
//!
//! Generated code describes the arrays in an [`Area`] of words. The axes are sorted by the strides of all arrays as NumPy's
//! iterator sorts them, which decides the strides of a new array; axes that lie next to each other in all arrays become
//! one. What is written to may overlap with what is read: then the loops write to a copy.

/// The innermost strides are those of elements, or known to be 0.
pub const UNIT: i64 = 1;
/// The target overlaps with an array that is read elsewhere than it is written.
pub const HAZARD: i64 = 2;

/// Bytes of an element at most.
const MAX_SIZE: i64 = 16;
/// Most axes of an array (`NPY_MAXDIMS`).
const MAX_AXES: usize = 64;

/// Where what is in the words: the shape; of each array that is read, and of the target, its data, its innermost stride, extents
/// and strides (padded in front); then what is found: shape of the loops, strides in their order, the target's own ones; then the operations.
#[derive(Clone, Copy, Debug)]
pub struct Area {
    pub nd: usize,
    pub leaves: usize,
}

impl Area {
    const fn array(&self, k: usize) -> usize {
        self.nd + k * (2 + 2 * self.nd)
    }
    pub const fn data(&self, k: usize) -> usize {
        self.array(k)
    }
    pub const fn unit(&self, k: usize) -> usize {
        self.array(k) + 1
    }
    pub const fn extents(&self, k: usize) -> usize {
        self.array(k) + 2
    }
    pub const fn strides(&self, k: usize) -> usize {
        self.array(k) + 2 + self.nd
    }
    /// Shape of the loops, the outermost first.
    pub const fn iteration(&self) -> usize {
        self.array(self.leaves + 1)
    }
    /// Strides of an array in the loops.
    pub const fn steps(&self, k: usize) -> usize {
        self.iteration() + self.nd * (1 + k)
    }
    /// Those of the target itself, if the loops write to a copy.
    const fn own(&self) -> usize {
        self.steps(self.leaves + 1)
    }
    pub const fn program(&self) -> usize {
        self.own() + self.nd
    }

    /// Operations as words, 4 bits each.
    pub fn pack(program: &[u8]) -> Vec<i64> {
        let word = |ops: &[u8]| ops.iter().rev().fold(0u64, |w, op| w << 4 | u64::from(*op)) as i64;
        let mut out: Vec<i64> = program.chunks(16).map(word).collect();
        out.push(0);
        out
    }
}

/// An array as its axes are sorted: the stride of an axis of extent 1 is 0.
#[derive(Clone, Copy)]
struct Axes {
    extents: [i64; MAX_AXES],
    strides: [i64; MAX_AXES],
}

type Order = [usize; MAX_AXES];

/// The axes from the innermost to the outermost. An insertion sort as NumPy's: where arrays disagree, C order wins.
fn sorted(arrays: &[Axes], nd: usize) -> Order {
    let mut order = [0; MAX_AXES];
    for (k, o) in order.iter_mut().enumerate().take(nd) {
        *o = nd - 1 - k;
    }
    for at in 1..nd {
        let axis = order[at];
        let mut to = at;
        for before in (0..at).rev() {
            let mut ambiguous = true;
            let mut swap = false;
            for a in arrays {
                let (here, other) = (a.strides[axis].abs(), a.strides[order[before]].abs());
                if here != 0 && other != 0 {
                    swap = if other <= here { false } else { swap || ambiguous };
                    ambiguous = false;
                }
            }
            if !ambiguous {
                if !swap {
                    break;
                }
                to = before;
            }
        }
        order[to..=at].rotate_right(1);
    }
    order
}

/// The array that an operation on these makes.
fn made(arrays: &[Axes], nd: usize) -> Axes {
    let mut out = Axes {
        extents: [1; MAX_AXES],
        strides: [0; MAX_AXES],
    };
    for axis in 0..nd {
        let other = arrays.iter().map(|a| a.extents[axis]).find(|n| *n != 1);
        out.extents[axis] = other.unwrap_or(1);
    }
    let order = sorted(arrays, nd);
    let mut stride = 1i64;
    for &axis in &order[..nd] {
        if out.extents[axis] != 1 {
            out.strides[axis] = stride;
            stride = stride.wrapping_mul(out.extents[axis]);
        }
    }
    out
}

/// The order of the axes of what the operations make.
fn order_of_result(arrays: &[Axes], program: &[i64], nd: usize) -> Order {
    let mut stack: Vec<Axes> = vec![];
    let mut next = arrays.iter();
    let ops = program
        .iter()
        .flat_map(|w| (0..16).map(move |k| w >> (4 * k) & 15));
    let mut last = sorted(arrays, nd);
    for op in ops.take_while(|op| *op != 0) {
        match op {
            1 => stack.extend(next.next()),
            n => {
                let from = stack.len().saturating_sub(n as usize - 1);
                last = sorted(&stack[from..], nd);
                let r = made(&stack[from..], nd);
                stack.truncate(from);
                stack.push(r);
            }
        }
    }
    last
}

/// The words of an area, read and written.
struct Words {
    at: *mut i64,
}

impl Words {
    fn get(&self, k: usize) -> i64 {
        // SAFETY: generated code passes an area with all words that `Area` speaks of.
        unsafe { *self.at.add(k) }
    }

    fn set(&mut self, k: usize, x: i64) {
        // SAFETY: as above.
        unsafe { *self.at.add(k) = x }
    }

    fn axes(&self, area: &Area, k: usize) -> Axes {
        let mut out = Axes {
            extents: [1; MAX_AXES],
            strides: [0; MAX_AXES],
        };
        for axis in 0..area.nd {
            out.extents[axis] = self.get(area.extents(k) + axis);
            if out.extents[axis] != 1 {
                out.strides[axis] = self.get(area.strides(k) + axis);
            }
        }
        out
    }

    fn program(&self, area: &Area) -> Vec<i64> {
        let words = (area.program()..).map(|k| self.get(k));
        words.take_while(|w| *w != 0).collect()
    }
}

/// First and last byte address of an array, the last one excluded.
fn bounds(data: i64, size: i64, a: &Axes, nd: usize) -> (i64, i64) {
    let (mut low, mut high) = (data, data + size);
    for axis in 0..nd {
        let reach = (a.extents[axis] - 1) * a.strides[axis];
        low += reach.min(0);
        high += reach.max(0);
    }
    (low, high)
}

/// What there is to write to.
pub const NEW: i64 = 0;
pub const TARGET: i64 = 1;
/// A target to which one array is assigned as it is.
pub const ASSIGNED: i64 = 2;

/// The helper `elementwise(area, nd, leaves, given)`.
pub(crate) extern "C" fn elementwise(area: *mut i64, nd: i64, leaves: i64, given: i64) -> i64 {
    let mut words = Words { at: area };
    let area = Area {
        nd: (nd as usize).min(MAX_AXES),
        leaves: leaves as usize,
    };
    let nd = area.nd;
    let target = area.leaves;
    let mut arrays: Vec<Axes> = (0..area.leaves).map(|k| words.axes(&area, k)).collect();
    let mut shape = [1; MAX_AXES];
    for (axis, n) in shape.iter_mut().enumerate().take(nd) {
        *n = words.get(axis);
    }
    let mut hazard = false;
    let order = if given != NEW {
        let to = words.axes(&area, target);
        hazard = !shape[..nd].contains(&0) && overlaps(&words, &area, &arrays, &to);
        if hazard && given == ASSIGNED && nd == 1 && move_line(&words, &area) {
            words.set(area.iteration(), 0);
            return 0;
        }
        arrays.insert(0, to);
        let order = sorted(&arrays, nd);
        let to = arrays.remove(0);
        arrays.push(to);
        order
    } else {
        let order = order_of_result(&arrays, &words.program(&area), nd);
        let mut made = Axes {
            extents: shape,
            strides: [0; MAX_AXES],
        };
        let mut stride = words.get(area.unit(target));
        for &axis in &order[..nd] {
            words.set(area.strides(target) + axis, stride);
            if shape[axis] != 1 {
                made.strides[axis] = stride;
            }
            stride = stride.wrapping_mul(shape[axis]);
        }
        arrays.push(made);
        order
    };
    let unit = join(&mut words, &area, &arrays, &shape, &order);
    let copied = hazard.then(|| copy_steps(&mut words, &area));
    let unit =
        unit && (copied.is_none() || words.get(area.steps(target) + nd - 1) == words.get(area.unit(target)));
    (i64::from(unit) * UNIT) | (i64::from(hazard) * HAZARD)
}

/// Assigns an array of one dimension to a part of itself as NumPy does: without a copy if both go the same way, backwards if the
/// source is in front. Where strides differ that is not what a copy would give. `false`: NumPy makes a copy.
fn move_line(words: &Words, area: &Area) -> bool {
    let n = words.get(0);
    let size = words.get(area.unit(1));
    let (mut from, mut to) = (words.get(area.data(0)), words.get(area.data(1)));
    let (mut s, mut t) = (words.get(area.strides(0)), words.get(area.strides(1)));
    if words.get(area.extents(0)) != n || words.get(area.unit(0)) != size || s.wrapping_mul(t) < 0 {
        return false;
    }
    if from < to && from + n * s > to {
        (from, to) = (from + (n - 1) * s, to + (n - 1) * t);
        (s, t) = (-s, -t);
    }
    for i in 0..n {
        // SAFETY: both are elements of arrays of `n` elements, of one size.
        unsafe {
            std::ptr::copy(
                (from + i * s) as *const u8,
                (to + i * t) as *mut u8,
                size as usize,
            );
        }
    }
    true
}

/// Whether the target shares memory with an array that is read, other than element by element.
fn overlaps(words: &Words, area: &Area, arrays: &[Axes], to: &Axes) -> bool {
    let nd = area.nd;
    let size = words.get(area.unit(area.leaves));
    let data = words.get(area.data(area.leaves));
    let (low, high) = bounds(data, size, to, nd);
    arrays.iter().enumerate().any(|(k, a)| {
        let at = words.get(area.data(k));
        let unit = match words.get(area.unit(k)) {
            0 => MAX_SIZE,
            size => size,
        };
        let (l, h) = bounds(at, unit, a, nd);
        let same = at == data
            && words.get(area.unit(k)) == size
            && a.extents[..nd] == to.extents[..nd]
            && a.strides[..nd] == to.strides[..nd];
        let empty = a.extents[..nd].contains(&0);
        !same && !empty && l < high && low < h
    })
}

/// Joins axes, writes the loops' shape and strides; whether the innermost strides are those of elements.
fn join(words: &mut Words, area: &Area, arrays: &[Axes], shape: &[i64; MAX_AXES], order: &Order) -> bool {
    let nd = area.nd;
    // axes of the loops, the innermost first
    let mut loops: Vec<(i64, Vec<i64>)> = vec![];
    for &axis in &order[..nd] {
        let n = shape[axis];
        let strides: Vec<i64> = arrays.iter().map(|a| a.strides[axis]).collect();
        match loops.last_mut() {
            _ if n == 1 => {}
            Some((inner, steps))
                if steps
                    .iter()
                    .zip(&strides)
                    .all(|(s, t)| s.wrapping_mul(*inner) == *t) =>
            {
                *inner *= n;
            }
            _ => loops.push((n, strides)),
        }
    }
    let unit = match loops.first() {
        Some((_, steps)) => steps
            .iter()
            .enumerate()
            .all(|(k, s)| *s == words.get(area.unit(k))),
        None => true,
    };
    for k in 0..nd {
        let (n, steps) = match loops.get(k) {
            Some((n, steps)) => (*n, Some(steps)),
            None => (1, None),
        };
        let at = nd - 1 - k;
        words.set(area.iteration() + at, n);
        for a in 0..=area.leaves {
            words.set(area.steps(a) + at, steps.map_or(0, |s| s[a]));
        }
    }
    unit
}

/// The loops write to a copy without gaps, in their order.
fn copy_steps(words: &mut Words, area: &Area) {
    let target = area.leaves;
    let mut stride = words.get(area.unit(target));
    for at in (0..area.nd).rev() {
        words.set(area.own() + at, words.get(area.steps(target) + at));
        words.set(area.steps(target) + at, stride);
        stride = stride.wrapping_mul(words.get(area.iteration() + at));
    }
}

/// The helper `elementwise_back(area, nd, leaves, copy, size)`: from the copy to the target.
pub(crate) extern "C" fn elementwise_back(area: *mut i64, nd: i64, leaves: i64, copy: i64, size: i64) {
    let words = Words { at: area };
    let area = Area {
        nd: nd as usize,
        leaves: leaves as usize,
    };
    let shape: Vec<i64> = (0..area.nd).map(|k| words.get(area.iteration() + k)).collect();
    if shape.contains(&0) {
        return;
    }
    let own: Vec<i64> = (0..area.nd).map(|k| words.get(area.own() + k)).collect();
    let data = words.get(area.data(area.leaves));
    let mut index = vec![0; area.nd];
    let mut from = copy;
    loop {
        let offset: i64 = index.iter().zip(&own).map(|(i, s)| i * s).sum();
        // SAFETY: the copy has as many elements of `size` bytes as the target, which generated code was about to write.
        unsafe {
            std::ptr::copy_nonoverlapping(from as *const u8, (data + offset) as *mut u8, size as usize);
        }
        from += size;
        let mut axis = area.nd;
        loop {
            if axis == 0 {
                return;
            }
            axis -= 1;
            index[axis] += 1;
            if index[axis] < shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
}
