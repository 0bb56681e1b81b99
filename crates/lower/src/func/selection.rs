//! Elements that a mask or an array of indices picks: copies of them, and assignments to them.
//!
//! A number is assigned where a mask is set by one loop over all elements, `a[i] = mask[i] ? x : a[i]`, of which the mask may be
//! an expression: `a[a < 0] = 0` makes no mask.

use numlift_mir::{Block, IntCC, Opcode, Region, Ty, Value};
use numlift_syntax::hir::ExprId;
use numlift_typeck::Elementwise;
use numlift_types::{ArrayType, DType, Kind, Layout, Scalar, Type};

use super::elementwise::{Apply, Names, Node, Step};
use super::{FnLower, R, Typed};
use crate::arith;
use crate::emit::Vals;

/// A copy of elements: where from and to, and strides.
struct Move {
    array: (ArrayType, Vals),
    index: (ArrayType, Vals),
    n: Value,
}

impl FnLower<'_, '_> {
    /// Whether an index is an array.
    pub(super) fn is_selection(&self, index: ExprId) -> bool {
        matches!(self.inst.tables.exprs.get(&index), Some(Type::Array(_)))
    }

    fn is_mask(&self, index: ExprId) -> bool {
        matches!(self.inst.tables.exprs.get(&index), Some(Type::Array(m)) if m.dtype == DType::Bool)
    }

    /// `a[index]`
    pub(super) fn select_elements(&mut self, a: ArrayType, v: &Vals, index: ExprId) -> R<Typed> {
        let chosen = self.expr(index)?;
        if !self.reachable() {
            return Ok((Type::Never, Vals::new()));
        }
        self.chosen(a, v, &chosen)
    }

    /// The elements of an array that a mask or indices choose.
    fn chosen(&mut self, a: ArrayType, v: &Vals, chosen: &Typed) -> R<Typed> {
        let (Type::Array(i), iv) = chosen else {
            return Err("not an index".into());
        };
        if i.dtype != DType::Bool {
            let n = iv[1];
            let out = self.allocate(a.dtype, &[n], Layout::C, false);
            let m = Move {
                array: (a, v.clone()),
                index: (*i, iv.clone()),
                n,
            };
            self.gather(&m, out.1[0])?;
            return Ok(out);
        }
        self.mask_check(a, v, &iv[1..1 + usize::from(i.ndim)]);
        let (area, nd) = self.mask_area((a, v), (*i, iv));
        let count = self.e.helper("mask_count", &[area, nd]).ok_or("a count")?;
        let out = self.allocate(a.dtype, &[count], Layout::C, false);
        let size = self.e.b.iconst(Ty::I64, i64::from(a.dtype.size()));
        self.e.helper("mask_take", &[area, nd, size, out.1[0]]);
        Ok(out)
    }

    /// The mask has the shape of the array.
    fn mask_check(&mut self, a: ArrayType, v: &Vals, mask: &[Value]) {
        let extents = &v[1..1 + usize::from(a.ndim)];
        let mut ok = None;
        for (&n, &m) in extents.iter().zip(mask) {
            if n != m {
                let same = self.e.b.icmp(IntCC::Eq, n, m);
                ok = self.both(ok, Some(same));
            }
        }
        if let Some(ok) = ok {
            let mut names = Names::default();
            let (of, mask) = (names.zeros(extents), names.zeros(mask));
            self.shape_check(ok, &format!("{of}[{mask}.astype(bool)]"), &names);
        }
    }

    /// Describes an array and its mask for the helpers.
    fn mask_area(&mut self, array: (ArrayType, &Vals), mask: (ArrayType, &Vals)) -> (Value, Value) {
        let nd = usize::from(array.0.ndim);
        let slot = self.e.b.create_slot(8 * (2 + 3 * nd) as u32, false);
        let base = self.e.b.slot_addr(slot);
        for axis in 0..nd {
            self.set_word(base, axis, Self::shape(array.0, array.1, axis));
        }
        for (k, (a, v)) in [array, mask].into_iter().enumerate() {
            let at = nd + k * (nd + 1);
            self.set_word(base, at, v[0]);
            for axis in 0..nd {
                let s = self.stride(a, v, axis);
                self.set_word(base, at + 1 + axis, s);
            }
        }
        (base, self.e.b.iconst(Ty::I64, nd as i64))
    }

    /// `base[index] = node`, `array` being `base`.
    pub(super) fn put_elements(&mut self, base: ExprId, array: &Typed, index: ExprId, node: Node) -> R<()> {
        let Type::Array(a) = array.0 else {
            return Err("not an array".into());
        };
        let line = self.hir.exprs[base].line;
        let fresh = self.is_fresh(base);
        if let (Node::Scalar(..), true) = (&node, self.is_mask(index)) {
            let mask = self.node(index, None)?;
            if !self.reachable() {
                return Ok(());
            }
            self.e.b.set_line(line);
            self.mask_check(a, &array.1, mask.shape());
            let x = self.element_value(a.dtype, node)?;
            return self.put_where(a, &array.1, mask, x, fresh);
        }
        let chosen = self.expr(index)?;
        if !self.reachable() {
            return Ok(());
        }
        self.e.b.set_line(line);
        self.put_chosen(a, &array.1, &chosen, node, fresh)
    }

    /// A number as an element: NumPy's scalars wrap here.
    fn element_value(&mut self, d: DType, node: Node) -> R<Node> {
        let Node::Scalar(s, v) = node else {
            return Ok(node);
        };
        let v = match s {
            Scalar::Np(from) => arith::cast(&mut self.e, from, &v, d),
            s => arith::store(&mut self.e, d, (s, &v)).ok_or("a store")?,
        };
        Ok(Node::Scalar(Scalar::Np(d), v))
    }

    /// `a = where(mask, x, a)` in place.
    fn put_where(&mut self, a: ArrayType, v: &Vals, mask: Node, x: Node, fresh: bool) -> R<()> {
        let node = Node::Apply(Apply {
            step: Step::Where,
            shape: v[1..1 + usize::from(a.ndim)].to_vec(),
            operands: vec![mask, x, Node::Array(a, v.clone())],
            dtypes: vec![DType::Bool, a.dtype, a.dtype],
            result: a.dtype,
        });
        self.written(&node, a, v, fresh)
    }

    fn put_chosen(&mut self, a: ArrayType, v: &Vals, chosen: &Typed, node: Node, fresh: bool) -> R<()> {
        let (Type::Array(i), iv) = chosen else {
            return Err("not an index".into());
        };
        let values = match self.element_value(a.dtype, node)? {
            // a copy: the values may be of the array itself
            n @ (Node::Array(..) | Node::Apply(_)) => {
                let n = self.copied(n, a.dtype);
                self.materialise(n)?
            }
            n => self.materialise(n)?,
        };
        if !self.reachable() {
            return Ok(());
        }
        match i.dtype {
            DType::Bool => self.put_masked((a, v), (*i, iv), &values)?,
            _ => self.scatter((a, v), (*i, iv), &values)?,
        }
        if fresh {
            self.touch_statement();
        } else {
            self.effect();
        }
        Ok(())
    }

    /// A new array of the elements in another dtype.
    fn copied(&mut self, n: Node, d: DType) -> Node {
        Node::Apply(Apply {
            step: Step::Cast,
            shape: n.shape().to_vec(),
            dtypes: vec![n.dtype()],
            result: d,
            operands: vec![n],
        })
    }

    /// Where a mask is set, the values one after the other, or one for all.
    fn put_masked(&mut self, a: (ArrayType, &Vals), mask: (ArrayType, &Vals), values: &Typed) -> R<()> {
        self.mask_check(a.0, a.1, &mask.1[1..1 + usize::from(mask.0.ndim)]);
        let (area, nd) = self.mask_area(a, mask);
        let size = i64::from(a.0.dtype.size());
        let zero = self.e.b.iconst(Ty::I64, 0);
        let size = self.e.b.iconst(Ty::I64, size);
        let one = self.e.b.iconst(Ty::I64, 1);
        let given = values.1[1];
        let count = self.e.helper("mask_count", &[area, nd]).ok_or("a count")?;
        let same = self.e.b.icmp(IntCC::Eq, given, count);
        let single = self.e.b.icmp(IntCC::Eq, given, one);
        let ok = self.e.b.op(Opcode::Bor, &[same, single]);
        let expr = "np.zeros(b, np.int8).__setitem__(np.ones(b, bool), np.broadcast_to(np.int8(0), (a,)))";
        self.shape_check(ok, expr, &Names(vec![given, count]));
        let by = self.e.b.select(single, zero, size);
        self.e.helper("mask_put", &[area, nd, size, values.1[0], by]);
        Ok(())
    }

    /// At each index its value; all indices are checked before.
    fn scatter(&mut self, a: (ArrayType, &Vals), index: (ArrayType, &Vals), values: &Typed) -> R<()> {
        let n = index.1[1];
        let one = self.e.b.iconst(Ty::I64, 1);
        if let Type::Array(_) = values.0 {
            let given = values.1[1];
            let same = self.e.b.icmp(IntCC::Eq, given, n);
            let single = self.e.b.icmp(IntCC::Eq, given, one);
            let ok = self.e.b.op(Opcode::Bor, &[same, single]);
            let expr = "np.zeros(1, np.int8).__setitem__(np.broadcast_to(np.int8(0), (b,)), np.broadcast_to(np.int8(0), (a,)))";
            self.shape_check(ok, expr, &Names(vec![given, n]));
        }
        // the places, as the index may be the array itself
        let places = self.allocate(DType::I64, &[n], Layout::C, false);
        let len = Self::shape(a.0, a.1, 0);
        self.each(n, |f, i| {
            let k = f.index_element(index, i);
            let k = f.checked_index(k, len, 0);
            let to = f.at(places.1[0], i, 8);
            f.e.b.store(k, to, 0, Region::Any);
            Ok(())
        })?;
        let stride = self.stride(a.0, a.1, 0);
        let size = a.0.dtype.component().size() as i32;
        let by = match values.0 {
            Type::Array(_) => {
                let single = self.e.b.icmp(IntCC::Eq, values.1[1], one);
                let zero = self.e.b.iconst(Ty::I64, 0);
                let size = self.e.b.iconst(Ty::I64, i64::from(a.0.dtype.size()));
                Some(self.e.b.select(single, zero, size))
            }
            _ => None,
        };
        self.each(n, |f, i| {
            let from = f.at(places.1[0], i, 8);
            let k = f.e.b.load(Ty::I64, from, 0, Region::Any);
            let x = match by {
                Some(by) => {
                    let off = f.e.b.op(Opcode::Imul, &[i, by]);
                    let from = f.e.b.op(Opcode::Iadd, &[values.1[0], off]);
                    f.load_element(a.0.dtype, from).1
                }
                None => values.1.clone(),
            };
            let off = f.e.b.op(Opcode::Imul, &[k, stride]);
            let to = f.e.b.op(Opcode::Iadd, &[a.1[0], off]);
            for (part, &x) in x.iter().enumerate() {
                f.e.b.store(x, to, part as i32 * size, Region::Any);
            }
            Ok(())
        })
    }

    /// `out[i] = a[index[i]]`
    fn gather(&mut self, m: &Move, out: Value) -> R<()> {
        let (a, v) = (m.array.0, &m.array.1);
        let len = Self::shape(a, v, 0);
        let size = a.dtype.component().size() as i32;
        self.each(m.n, |f, i| {
            let k = f.index_element((m.index.0, &m.index.1), i);
            let k = f.checked_index(k, len, 0);
            let from = f.offset(v[0], a, v, 0, k);
            let x = f.load_element(a.dtype, from).1;
            let to = f.at(out, i, a.dtype.size());
            for (part, &x) in x.iter().enumerate() {
                f.e.b.store(x, to, part as i32 * size, Region::Any);
            }
            Ok(())
        })
    }

    pub(super) fn at(&mut self, base: Value, i: Value, size: u32) -> Value {
        let size = self.e.b.iconst(Ty::I64, i64::from(size));
        let off = self.e.b.op(Opcode::Imul, &[i, size]);
        self.e.b.op(Opcode::Iadd, &[base, off])
    }

    /// Element `i` of an array of indices, as NumPy casts it to its index type.
    fn index_element(&mut self, index: (ArrayType, &Vals), i: Value) -> Value {
        let at = self.offset(index.1[0], index.0, index.1, 0, i);
        let (_, x) = self.load_element(index.0.dtype, at);
        let op = match index.0.dtype.kind() {
            Kind::Unsigned => Opcode::Zext,
            _ => Opcode::Sext,
        };
        self.e.b.convert(op, Ty::I64, x[0])
    }

    /// A loop of `n` turns.
    fn each(&mut self, n: Value, body: impl FnOnce(&mut Self, Value) -> R<()>) -> R<()> {
        let zero = self.e.b.iconst(Ty::I64, 0);
        let one = self.e.b.iconst(Ty::I64, 1);
        let some = self.e.b.icmp(IntCC::Slt, zero, n);
        let state = self.state();
        let (head, done): (Block, Block) = (self.e.b.create_block(), self.e.b.create_block());
        self.e.b.br(some, (head, &[zero]), (done, &[]));
        self.start(head, state.clone());
        let i = self.e.b.func.append_param(head, Ty::I64);
        body(self, i)?;
        let next = self.e.b.op(Opcode::Iadd, &[i, one]);
        let again = self.e.b.icmp(IntCC::Slt, next, n);
        self.e.b.br(again, (head, &[next]), (done, &[]));
        self.start(done, state);
        Ok(())
    }

    /// `base[index] op= value`: the elements are copied, changed and put back.
    pub(super) fn selection_in_place(
        &mut self,
        call: &Elementwise,
        base: ExprId,
        index: ExprId,
        value: ExprId,
    ) -> R<()> {
        let array = self.expr(base)?;
        let chosen = self.expr(index)?;
        let Type::Array(a) = array.0 else {
            return Ok(());
        };
        if !self.reachable() {
            return Ok(());
        }
        let old = self.chosen(a, &array.1, &chosen)?;
        self.running.parts.push(super::resume::Part::Old(old.clone()));
        self.in_place(call, old.clone(), value, true)?;
        if !self.reachable() {
            return Ok(());
        }
        let node = Node::leaf(old)?;
        let fresh = self.is_fresh(base);
        self.e.b.set_line(self.hir.exprs[base].line);
        self.put_chosen(a, &array.1, &chosen, node, fresh)
    }
}
