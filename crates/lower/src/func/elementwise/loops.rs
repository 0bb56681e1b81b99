//! The loop nest of an expression on elements, and where its result goes.
//!
//! One dimension is a loop with the strides of elements, and one for any strides. Of more dimensions
//! `runtime::elementwise` orders the axes as NumPy does and joins those that lie next to each other in all arrays, so
//! that arrays without gaps are one loop:
//! ```text
//! flags = elementwise(area, ...)          ; iteration shape and strides, whether the innermost ones are those of elements
//! for i in outer axes:
//!     if flags.unit: for j in 0..n: r[p + 8 * j] = ...
//!     else:          for j in 0..n: r[p + s * j] = ...
//! ```

use numlift_mir::{Block, IntCC, Opcode, Region, Ty, Value};
use numlift_runtime::elementwise::{ASSIGNED, Area, HAZARD, NEW, TARGET, UNIT};
use numlift_types::{ArrayType, DType, Layout, Type};

use super::{Node, is_unit};
use crate::arith;
use crate::emit::Vals;
use crate::func::{FnLower, R, State, Typed};

/// How an address moves from turn to turn of an innermost loop.
#[derive(Clone, Copy)]
pub(crate) enum Stride {
    /// By the size of the element.
    Unit(u32),
    Fixed,
    By(Value),
}

/// An array that loops go through.
#[derive(Clone, Copy)]
pub(crate) struct Pointer {
    pub base: Value,
    pub step: Stride,
}

/// What loops go through: the arrays that are read, then the one that is written.
pub(crate) struct Pointers {
    pub read: Vec<Pointer>,
    pub written: Pointer,
    pub dtype: DType,
}

impl FnLower<'_, '_> {
    /// The array of a node, or the number.
    pub(crate) fn materialise(&mut self, node: Node) -> R<Typed> {
        match node {
            Node::Array(a, v) => Ok((Type::Array(a), v)),
            Node::Scalar(s, v) => Ok((Type::Scalar(s), v)),
            Node::Never => Ok((Type::Never, Vals::new())),
            Node::Apply(_) => {
                let v = match node.shape().len() {
                    1 => self.new_line(&node)?,
                    _ => self.new_array(&node)?,
                };
                self.release_leaves(&node);
                Ok(v)
            }
        }
    }

    /// A new array of one dimension.
    fn new_line(&mut self, node: &Node) -> R<Typed> {
        let n = node.shape()[0];
        let dtype = node.dtype();
        let array = self.allocate(dtype, &[n], Layout::C, false);
        self.temporary(&array);
        let mut leaves = vec![];
        node.leaves(&mut leaves);
        let mut unit = None;
        let (mut fast, mut slow) = (vec![], vec![]);
        for (a, v) in leaves {
            let mut p = Pointer {
                base: v[0],
                step: Stride::Unit(a.dtype.size()),
            };
            fast.push(p);
            let mut stride = self.stride(a, v, 0);
            if v[1] != n {
                let whole = self.e.b.icmp(IntCC::Eq, v[1], n);
                let zero = self.e.b.iconst(Ty::I64, 0);
                stride = self.e.b.select(whole, stride, zero);
            }
            if v[1] != n || !is_unit(a, 0) {
                let size = self.e.b.iconst(Ty::I64, i64::from(a.dtype.size()));
                let is = self.e.b.icmp(IntCC::Eq, stride, size);
                unit = self.both(unit, Some(is));
            }
            p.step = Stride::By(stride);
            slow.push(p);
        }
        let written = Pointer {
            base: array.1[0],
            step: Stride::Unit(dtype.size()),
        };
        let pointers = |read| Pointers { read, written, dtype };
        self.with_blocks(node, |f| {
            let zero = f.e.b.iconst(Ty::I64, 0);
            let some = f.e.b.icmp(IntCC::Slt, zero, n);
            let state = f.state();
            let (go, done) = (f.e.b.create_block(), f.e.b.create_block());
            f.e.b.br(some, (go, &[]), (done, &[]));
            f.start(go, state.clone());
            if let Some(unit) = unit {
                let (yes, no) = f.branch(unit);
                f.start(no, state.clone());
                f.innermost(node, n, &pointers(slow), done)?;
                f.start(yes, state.clone());
            }
            f.innermost(node, n, &pointers(fast), done)?;
            f.start(done, state);
            Ok(())
        })?;
        Ok(array)
    }

    /// A new array of several dimensions.
    fn new_array(&mut self, node: &Node) -> R<Typed> {
        let (area, base) = self.area_of(node, None);
        let flags = self.order(&area, base, NEW);
        let shape = node.shape().to_vec();
        let nd = shape.len();
        let dtype = node.dtype();
        let ty = node.ty();
        let array = match ty {
            Type::Array(a) if a.layout == Layout::C => self.allocate(dtype, &shape, Layout::C, false),
            _ => {
                let at = area.strides(area.leaves);
                let strides: Vec<Value> = (0..nd).map(|k| self.word(base, at + k)).collect();
                self.allocate_strided(dtype, &shape, &strides)
            }
        };
        let array = (ty, array.1);
        self.temporary(&array);
        self.nest(node, &area, base, flags, (array.1[0], dtype))?;
        Ok(array)
    }

    /// Writes what a node computes to a part of an array, converted to its dtype, whatever they have in common.
    pub(crate) fn write(&mut self, node: &Node, target: ArrayType, v: &Vals) -> R<()> {
        let (area, base) = self.area_of(node, Some((target, v)));
        let assigned = matches!(node, Node::Array(..));
        let flags = self.order(&area, base, if assigned { ASSIGNED } else { TARGET });
        let dtype = target.dtype;
        let hazard = self.e.b.iconst(Ty::I64, HAZARD);
        let hazard = self.e.b.op(Opcode::Band, &[flags, hazard]);
        let zero = self.e.b.iconst(Ty::I64, 0);
        let hazard = self.e.b.icmp(IntCC::Ne, hazard, zero);
        let state = self.state();
        // a copy in the order of the loops
        let slot = self.e.b.create_slot(8, true);
        let (copy, go) = (self.e.b.create_cold_block(), self.e.b.create_block());
        self.e.b.br(hazard, (copy, &[]), (go, &[v[0]]));
        self.start(copy, state.clone());
        let mut total = self.e.b.iconst(Ty::I64, 1);
        for k in 0..usize::from(target.ndim) {
            total = self.e.b.op(Opcode::Imul, &[total, Self::shape(target, v, k)]);
        }
        let (data, owner) = self.new_memory(dtype, &[total], None, 0);
        self.replace_slot(slot, owner);
        self.e.b.jump(go, &[data]);
        self.start(go, state.clone());
        let data = self.e.b.func.append_param(go, Ty::I64);
        self.nest(node, &area, base, flags, (data, dtype))?;
        let (back, done) = (self.e.b.create_cold_block(), self.e.b.create_block());
        self.e.b.br(hazard, (back, &[]), (done, &[]));
        self.start(back, state.clone());
        let (nd, leaves) = self.counts(&area);
        let size = self.e.b.iconst(Ty::I64, i64::from(dtype.size()));
        self.e.helper("elementwise_back", &[base, nd, leaves, data, size]);
        self.replace_slot(slot, zero);
        self.e.b.jump(done, &[]);
        self.start(done, state);
        Ok(())
    }

    fn counts(&mut self, area: &Area) -> (Value, Value) {
        let nd = self.e.b.iconst(Ty::I64, area.nd as i64);
        (nd, self.e.b.iconst(Ty::I64, area.leaves as i64))
    }

    /// A word of an area.
    pub(crate) fn word(&mut self, base: Value, at: usize) -> Value {
        self.e.b.load(Ty::I64, base, 8 * at as i32, Region::Stack)
    }

    pub(crate) fn set_word(&mut self, base: Value, at: usize, x: Value) {
        self.e.b.store(x, base, 8 * at as i32, Region::Stack);
    }

    /// Describes the arrays of a node, and what it is written to.
    fn area_of(&mut self, node: &Node, target: Option<(ArrayType, &Vals)>) -> (Area, Value) {
        let mut leaves = vec![];
        node.leaves(&mut leaves);
        let shape = match target {
            Some((a, v)) => v[1..1 + usize::from(a.ndim)].to_vec(),
            None => node.shape().to_vec(),
        };
        let mut program = vec![];
        encode(node, &mut program);
        let area = Area {
            nd: shape.len(),
            leaves: leaves.len(),
        };
        let words = Area::pack(&program);
        let slot = self
            .e
            .b
            .create_slot(8 * (area.program() + words.len()) as u32, false);
        let base = self.e.b.slot_addr(slot);
        for (k, &n) in shape.iter().enumerate() {
            self.set_word(base, k, n);
        }
        for (k, (a, v)) in leaves.into_iter().chain(target).enumerate() {
            self.describe(&area, base, k, a, v);
        }
        let written = target.map_or(node.dtype(), |(a, _)| a.dtype);
        let size = self.e.b.iconst(Ty::I64, i64::from(written.size()));
        self.set_word(base, area.unit(area.leaves), size);
        for (k, &w) in words.iter().enumerate() {
            let w = self.e.b.iconst(Ty::I64, w);
            self.set_word(base, area.program() + k, w);
        }
        (area, base)
    }

    fn describe(&mut self, area: &Area, base: Value, k: usize, a: ArrayType, v: &Vals) {
        let n = usize::from(a.ndim);
        self.set_word(base, area.data(k), v[0]);
        // an axis of extent 1 that is known to be one
        let fixed = n > 0 && self.e.b.func.int_const(v[n]) == Some(1);
        let unit = if fixed { 0 } else { i64::from(a.dtype.size()) };
        let unit = self.e.b.iconst(Ty::I64, unit);
        self.set_word(base, area.unit(k), unit);
        let missing = area.nd.saturating_sub(n);
        for axis in 0..area.nd {
            let (extent, stride) = match axis.checked_sub(missing) {
                Some(i) => (Self::shape(a, v, i), self.stride(a, v, i)),
                None => (self.e.b.iconst(Ty::I64, 1), self.e.b.iconst(Ty::I64, 0)),
            };
            self.set_word(base, area.extents(k) + axis, extent);
            self.set_word(base, area.strides(k) + axis, stride);
        }
    }

    /// Orders the axes; what it tells of them.
    fn order(&mut self, area: &Area, base: Value, given: i64) -> Value {
        let (nd, leaves) = self.counts(area);
        let given = self.e.b.iconst(Ty::I64, given);
        let flags = self.e.helper("elementwise", &[base, nd, leaves, given]);
        flags.unwrap_or(base)
    }

    /// The loops over all axes.
    fn nest(&mut self, node: &Node, area: &Area, base: Value, flags: Value, to: (Value, DType)) -> R<()> {
        self.with_blocks(node, |f| f.nest_with(node, area, base, flags, to))
    }

    fn nest_with(
        &mut self,
        node: &Node,
        area: &Area,
        base: Value,
        flags: Value,
        to: (Value, DType),
    ) -> R<()> {
        let (data, dtype) = to;
        let mut leaves = vec![];
        node.leaves(&mut leaves);
        let nd = area.nd;
        let one = self.e.b.iconst(Ty::I64, 1);
        let zero = self.e.b.iconst(Ty::I64, 0);
        let extents: Vec<Value> = (0..nd).map(|k| self.word(base, area.iteration() + k)).collect();
        let mut total = one;
        for &n in &extents {
            total = self.e.b.op(Opcode::Imul, &[total, n]);
        }
        let some = self.e.b.icmp(IntCC::Ne, total, zero);
        let state = self.state();
        let (go, done) = (self.e.b.create_block(), self.e.b.create_block());
        self.e.b.br(some, (go, &[]), (done, &[]));
        self.start(go, state.clone());
        let mut bases: Vec<Value> = leaves.iter().map(|(_, v)| v[0]).chain([data]).collect();
        let mut latches: Vec<(Block, Block, Value, Value)> = vec![];
        for (axis, &n) in extents.iter().enumerate().take(nd - 1) {
            let head = self.e.b.create_block();
            let latch = self.e.b.create_block();
            let strides: Vec<Value> = (0..bases.len())
                .map(|k| self.word(base, area.steps(k) + axis))
                .collect();
            self.e.b.jump(head, &[zero]);
            self.start(head, state.clone());
            let i = self.e.b.func.append_param(head, Ty::I64);
            for (b, s) in bases.iter_mut().zip(strides) {
                let off = self.e.b.op(Opcode::Imul, &[i, s]);
                *b = self.e.b.op(Opcode::Iadd, &[*b, off]);
            }
            latches.push((head, latch, i, n));
        }
        let n = extents[nd - 1];
        let steps: Vec<Value> = (0..bases.len())
            .map(|k| self.word(base, area.steps(k) + nd - 1))
            .collect();
        let by = |k: usize| Pointer {
            base: bases[k],
            step: Stride::By(steps[k]),
        };
        let slow = Pointers {
            read: (0..leaves.len()).map(by).collect(),
            written: by(leaves.len()),
            dtype,
        };
        let fixed = |f: &Self, a: ArrayType, v: &Vals| {
            let last = usize::from(a.ndim);
            last > 0 && f.e.b.func.int_const(v[last]) == Some(1)
        };
        let read = leaves.iter().enumerate().map(|(k, (a, v))| Pointer {
            base: bases[k],
            step: match fixed(self, *a, v) {
                true => Stride::Fixed,
                false => Stride::Unit(a.dtype.size()),
            },
        });
        let fast = Pointers {
            read: read.collect(),
            written: Pointer {
                base: bases[leaves.len()],
                step: Stride::Unit(dtype.size()),
            },
            dtype,
        };
        let unit = self.e.b.iconst(Ty::I64, UNIT);
        let unit = self.e.b.op(Opcode::Band, &[flags, unit]);
        let unit = self.e.b.icmp(IntCC::Ne, unit, zero);
        let inner = latches.last().map_or(done, |(_, latch, ..)| *latch);
        let (yes, no) = self.branch(unit);
        self.start(no, state.clone());
        self.innermost(node, n, &slow, inner)?;
        self.start(yes, state.clone());
        self.innermost(node, n, &fast, inner)?;
        self.leave(&latches, done, &state);
        Ok(())
    }

    /// The ends of the loops around the innermost one.
    fn leave(&mut self, latches: &[(Block, Block, Value, Value)], done: Block, state: &State) {
        for (k, &(head, latch, i, n)) in latches.iter().enumerate().rev() {
            self.start(latch, state.clone());
            let one = self.e.b.iconst(Ty::I64, 1);
            let next = self.e.b.op(Opcode::Iadd, &[i, one]);
            let again = self.e.b.icmp(IntCC::Slt, next, n);
            let out = match k {
                0 => done,
                k => latches[k - 1].1,
            };
            self.e.b.br(again, (head, &[next]), (out, &[]));
        }
        self.start(done, state.clone());
    }

    /// The loop over one axis of `n` elements, at least one; it goes on at `done`.
    fn innermost(&mut self, node: &Node, n: Value, p: &Pointers, done: Block) -> R<()> {
        match node.has_lines() {
            true => self.in_blocks(node, n, p, done),
            false => self.line(node, n, p, done),
        }
    }

    /// The same of a node that is computed element by element. Where strides are not known pointers move, else the counter does.
    pub(crate) fn line(&mut self, node: &Node, n: Value, p: &Pointers, done: Block) -> R<()> {
        let state = self.state();
        let zero = self.e.b.iconst(Ty::I64, 0);
        let one = self.e.b.iconst(Ty::I64, 1);
        let head = self.e.b.create_block();
        let all = || p.read.iter().chain([&p.written]);
        let moving = || {
            all().filter_map(|p| match p.step {
                Stride::By(s) => Some((p.base, s)),
                Stride::Unit(_) | Stride::Fixed => None,
            })
        };
        let enter: Vec<Value> = [zero].into_iter().chain(moving().map(|(base, _)| base)).collect();
        self.e.b.jump(head, &enter);
        self.start(head, state);
        let i = self.e.b.func.append_param(head, Ty::I64);
        let (mut addresses, mut next) = (vec![], vec![]);
        for p in all() {
            let at = match p.step {
                Stride::Fixed => p.base,
                Stride::Unit(size) => self.at(p.base, i, size),
                Stride::By(s) => {
                    let at = self.e.b.func.append_param(head, Ty::I64);
                    next.push((at, s));
                    at
                }
            };
            addresses.push(at);
        }
        let to = addresses.pop().ok_or("loops without a target")?;
        let v = self.element(node, &mut addresses.iter())?;
        let v = match node {
            Node::Scalar(..) => v,
            n => arith::cast(&mut self.e, n.dtype(), &v, p.dtype),
        };
        let size = p.dtype.component().size() as i32;
        for (k, &x) in v.iter().enumerate() {
            self.e.b.store(x, to, k as i32 * size, Region::Any);
        }
        let turn = self.e.b.op(Opcode::Iadd, &[i, one]);
        let mut again = vec![turn];
        for (at, s) in next {
            again.push(self.e.b.op(Opcode::Iadd, &[at, s]));
        }
        let more = self.e.b.icmp(IntCC::Slt, turn, n);
        self.e.b.br(more, (head, &again), (done, &[]));
        Ok(())
    }
}

/// The operations on arrays, in the order in which NumPy does them: 1 for an array that is read, else one more than
/// the number of arrays of an operation.
fn encode(node: &Node, out: &mut Vec<u8>) {
    match node {
        Node::Array(..) => out.push(1),
        Node::Apply(a) => {
            a.operands.iter().for_each(|n| encode(n, out));
            let arrays = a.operands.iter().filter(|n| !n.shape().is_empty());
            out.push(1 + arrays.count() as u8);
        }
        Node::Scalar(..) | Node::Never => {}
    }
}
