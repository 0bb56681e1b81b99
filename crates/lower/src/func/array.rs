//! Arrays: element access, views, attributes, stores.
//!
//! An array is `[data, shape..., strides..., owner]`.

use numlift_mir::{IntCC, Opcode, Region, Ty, Value};
use numlift_runtime::SiteKind;
use numlift_syntax::hir::{ExprId, ExprKind, Name};
use numlift_types::{ArrayType, DType, Kind, Layout, Scalar, Type};

use super::elementwise::Node;
use super::{FnLower, R, Typed};
use crate::arith;
use crate::emit::{Vals, carrier_tys};

/// An element of an array.
pub(crate) struct Place {
    addr: Value,
    dtype: DType,
}

impl FnLower<'_, '_> {
    pub(super) fn shape(a: ArrayType, v: &Vals, axis: usize) -> Value {
        debug_assert!(axis < usize::from(a.ndim));
        v[1 + axis]
    }

    /// Stride of an axis in bytes: a constant where the layout says so.
    pub(super) fn stride(&mut self, a: ArrayType, v: &Vals, axis: usize) -> Value {
        let n = usize::from(a.ndim);
        let unit = match a.layout {
            Layout::C => axis + 1 == n,
            Layout::F => axis == 0,
            Layout::A => false,
        };
        if unit {
            self.e.b.iconst(Ty::I64, i64::from(a.dtype.size()))
        } else {
            v[1 + n + axis]
        }
    }

    /// `data + index * stride`
    pub(super) fn offset(&mut self, base: Value, a: ArrayType, v: &Vals, axis: usize, index: Value) -> Value {
        let stride = self.stride(a, v, axis);
        let off = self.e.b.op(Opcode::Imul, &[index, stride]);
        self.e.b.op(Opcode::Iadd, &[base, off])
    }

    /// Index along an axis, checked; negative ones count from the end.
    pub(super) fn checked_index(&mut self, index: Value, len: Value, axis: usize) -> Value {
        let ones = "1, ".repeat(axis);
        let zeros = "0, ".repeat(axis);
        let expr = format!("np.broadcast_to(np.int8(0), ({ones}b,))[({zeros}a,)]");
        let site = self.e.site(SiteKind::Replay {
            expr,
            operands: vec![Type::INT, Type::INT],
        });
        self.e
            .b
            .checked(Opcode::BoundsCheck, &[index, len], &[index, len], site)
    }

    pub(crate) fn load_element(&mut self, dtype: DType, addr: Value) -> Typed {
        let s = Scalar::Np(dtype);
        let size = dtype.component().size() as i32;
        let vals = carrier_tys(s.carrier())
            .iter()
            .enumerate()
            .map(|(i, &t)| self.e.b.load(t, addr, i as i32 * size, Region::Any))
            .collect();
        (Type::Scalar(s), vals)
    }

    /// Item `k` (in range) along the first axis: a scalar or a view.
    pub(crate) fn array_item(&mut self, a: ArrayType, v: &Vals, k: Value) -> R<Typed> {
        let addr = self.offset(v[0], a, v, 0, k);
        if a.ndim == 1 {
            return Ok(self.load_element(a.dtype, addr));
        }
        let n = usize::from(a.ndim);
        let layout = if a.layout == Layout::C {
            Layout::C
        } else {
            Layout::A
        };
        let ty = ArrayType {
            ndim: a.ndim - 1,
            layout,
            ..a
        };
        let mut vals = Vals::from_slice(&[addr]);
        vals.extend_from_slice(&v[2..1 + n]);
        vals.extend_from_slice(&v[2 + n..1 + 2 * n]);
        vals.push(v[1 + 2 * n]);
        Ok((Type::Array(ty), vals))
    }

    /// The element that an index of integers names.
    pub(crate) fn place(&mut self, v: &Typed, index: ExprId) -> R<Option<Place>> {
        let Type::Array(a) = v.0 else { return Ok(None) };
        let Some(parts) = self.parts(index)? else {
            return Ok(None);
        };
        let addr = self.element_addr(a, &v.1, &parts);
        Ok(Some(Place { addr, dtype: a.dtype }))
    }

    pub(crate) fn load_place(&mut self, p: &Option<Place>) -> R<Typed> {
        Ok(match p {
            Some(p) => self.load_element(p.dtype, p.addr),
            None => (Type::Never, Vals::new()),
        })
    }

    pub(crate) fn store_place(&mut self, base: ExprId, p: &Option<Place>, v: Typed) -> R<()> {
        let Some(p) = p else { return Ok(()) };
        let dtype = p.dtype;
        let machine = self.split(&v, |f, s, v| {
            let vals = arith::store(&mut f.e, dtype, (s, &v)).ok_or("a store that is not supported")?;
            Ok((Type::np(dtype), vals))
        })?;
        if !self.reachable() {
            return Ok(());
        }
        let size = dtype.component().size() as i32;
        for (i, &x) in machine.1.iter().enumerate() {
            self.e.b.store(x, p.addr, i as i32 * size, Region::Any);
        }
        if self.is_fresh(base) {
            self.touch_statement();
        } else {
            self.effect();
        }
        Ok(())
    }

    pub(super) fn is_fresh(&self, base: ExprId) -> bool {
        match &self.hir.exprs[base].kind {
            ExprKind::Name(Name::Local(l)) => self.fresh.contains(l),
            _ => false,
        }
    }

    pub(crate) fn store_subscript(&mut self, base: ExprId, index: ExprId, v: Typed) -> R<()> {
        if v.0 == Type::Never {
            return Ok(());
        }
        let array = self.expr(base)?;
        if self.is_selection(index) {
            let node = Node::leaf(v)?;
            return self.put_elements(base, &array, index, node);
        }
        if self.inst.tables.parts.contains(&index) {
            return self.store_part(base, &array, index, v);
        }
        let place = self.place(&array, index)?;
        if !self.reachable() {
            return Ok(());
        }
        self.store_place(base, &place, v)
    }

    pub(crate) fn unpack_array(&mut self, v: &Typed, n: usize) -> R<Vec<Typed>> {
        let Type::Array(a) = v.0 else {
            return Err("not an array".into());
        };
        let want = self.e.b.iconst(Ty::I64, n as i64);
        let len = Self::shape(a, &v.1, 0);
        let ok = self.e.b.icmp(IntCC::Eq, len, want);
        let names: Vec<String> = (0..n).map(|i| format!("x{i}")).collect();
        let expr = format!("(lambda: exec('{}, = [0] * ' + str(a)))()", names.join(", "));
        self.e
            .replay_unless(ok, &expr, &[(Scalar::PyInt, &Vals::from_slice(&[len]))]);
        (0..n)
            .map(|k| {
                let k = self.e.b.iconst(Ty::I64, k as i64);
                self.array_item(a, &v.1, k)
            })
            .collect()
    }

    pub(crate) fn array_attribute(&mut self, v: &Typed, name: &str, ty: Type) -> R<Typed> {
        let Type::Array(a) = v.0 else {
            return Err("not an array".into());
        };
        let n = usize::from(a.ndim);
        let item = i64::from(a.dtype.size());
        let int = |x: Value| Ok((Type::INT, Vals::from_slice(&[x])));
        match name {
            "shape" => Ok((ty, Vals::from_slice(&v.1[1..1 + n]))),
            "strides" => Ok((ty, Vals::from_slice(&v.1[1 + n..1 + 2 * n]))),
            "ndim" => int(self.e.b.iconst(Ty::I64, n as i64)),
            "itemsize" => int(self.e.b.iconst(Ty::I64, item)),
            "size" | "nbytes" => {
                let start = if name == "size" { 1 } else { item };
                let mut x = self.e.b.iconst(Ty::I64, start);
                for axis in 0..n {
                    x = self.e.b.op(Opcode::Imul, &[x, v.1[1 + axis]]);
                }
                int(x)
            }
            "dtype" => Ok((ty, Vals::new())),
            "real" | "imag" => {
                let mut vals = v.1.clone();
                if name == "imag" {
                    let size = self.e.b.iconst(Ty::I64, i64::from(a.dtype.component().size()));
                    vals[0] = self.e.b.op(Opcode::Iadd, &[vals[0], size]);
                }
                Ok((ty, vals))
            }
            "T" => {
                let mut vals = Vals::from_slice(&v.1[..1]);
                vals.extend(v.1[1..1 + n].iter().rev().copied());
                vals.extend(v.1[1 + n..1 + 2 * n].iter().rev().copied());
                vals.push(v.1[1 + 2 * n]);
                Ok((ty, vals))
            }
            _ => Err(format!("attribute {name}")),
        }
    }

    /// Memory of a new array and a reference to its owner. `how` is that of the helper; with strides it is 4.
    pub(super) fn new_memory(
        &mut self,
        dtype: DType,
        shape: &[Value],
        strides: Option<&[Value]>,
        how: i64,
    ) -> (Value, Value) {
        let words = shape.len() + strides.map_or(0, <[Value]>::len);
        let slot = self.e.b.create_slot(8 * (words + 2) as u32, false);
        let base = self.e.b.slot_addr(slot);
        for (i, &s) in shape.iter().chain(strides.unwrap_or_default()).enumerate() {
            self.e.b.store(s, base, 8 * i as i32, Region::Stack);
        }
        let skip = self.e.b.iconst(Ty::I64, 8 * words as i64);
        let out = self.e.b.op(Opcode::Iadd, &[base, skip]);
        let d = self.e.b.iconst(Ty::I64, dtype as i64);
        let nd = self.e.b.iconst(Ty::I64, shape.len() as i64);
        let how = self.e.b.iconst(Ty::I64, how);
        self.e.helper_fallible("array_new", &[d, nd, base, how, out]);
        let data = self.e.b.load(Ty::I64, out, 0, Region::Stack);
        (data, self.e.b.load(Ty::I64, out, 8, Region::Stack))
    }

    /// A new array with strides of its own.
    pub(super) fn allocate_strided(&mut self, dtype: DType, shape: &[Value], strides: &[Value]) -> Typed {
        let (data, owner) = self.new_memory(dtype, shape, Some(strides), 4);
        self.hold_new(owner);
        let mut vals = Vals::from_slice(&[data]);
        vals.extend(self.new_extents(shape));
        vals.extend_from_slice(strides);
        vals.push(owner);
        (Type::array(dtype, shape.len() as u8, Layout::A), vals)
    }

    /// `np.zeros(shape)` and its like; the shape's values are i64.
    pub(crate) fn allocate(&mut self, dtype: DType, shape: &[Value], layout: Layout, zeroed: bool) -> Typed {
        let n = shape.len();
        let fortran = layout == Layout::F;
        let how = i64::from(zeroed) | i64::from(fortran) << 1;
        let (data, owner) = self.new_memory(dtype, shape, None, how);
        self.hold_new(owner);
        let shape = self.new_extents(shape);
        let mut strides = vec![self.e.b.iconst(Ty::I64, i64::from(dtype.size())); n];
        let inner = |axis: usize| if fortran { n - 1 - axis } else { axis };
        for k in (0..n.saturating_sub(1)).rev() {
            let (axis, within) = (inner(k), inner(k + 1));
            strides[axis] = self.e.b.op(Opcode::Imul, &[strides[within], shape[within]]);
        }
        let mut vals = Vals::from_slice(&[data]);
        vals.extend(shape);
        vals.extend(strides);
        vals.push(owner);
        (Type::array(dtype, n as u8, layout), vals)
    }

    /// The extents of an array that could be allocated. Of one dimension they are bounded by memory; of
    /// more a huge one may stand beside a zero, which native code leaves to the interpreter.
    fn new_extents(&mut self, shape: &[Value]) -> Vec<Value> {
        if shape.len() > 1 {
            let limit = self.e.b.iconst(Ty::I64, 1 << 48);
            for &n in shape {
                let usual = self.e.b.icmp(IntCC::Slt, n, limit);
                self.e.exit_unless(usual, numlift_runtime::ExitReason::Recheck);
            }
        }
        shape.iter().map(|&n| self.e.b.op(Opcode::Extent, &[n])).collect()
    }

    /// Writes 1 to every element of a fresh array.
    pub(crate) fn fill_ones(&mut self, v: &Typed) -> R<()> {
        let Type::Array(a) = v.0 else {
            return Err("not an array".into());
        };
        let mut n = self.e.b.iconst(Ty::I64, 1);
        for axis in 0..usize::from(a.ndim) {
            n = self.e.b.op(Opcode::Imul, &[n, v.1[1 + axis]]);
        }
        let zero = self.e.b.iconst(Ty::I64, 0);
        let one = self.e.b.iconst(Ty::I64, 1);
        let enter = self.e.b.icmp(IntCC::Slt, zero, n);
        let state = self.state();
        let head = self.e.b.create_block();
        let done = self.e.b.create_block();
        self.e.b.br(enter, (head, &[zero]), (done, &[]));
        self.start(head, state.clone());
        let i = self.e.b.func.append_param(head, Ty::I64);
        let size = self.e.b.iconst(Ty::I64, i64::from(a.dtype.size()));
        let off = self.e.b.op(Opcode::Imul, &[i, size]);
        let addr = self.e.b.op(Opcode::Iadd, &[v.1[0], off]);
        let comp = a.dtype.component();
        let tys = carrier_tys(Scalar::Np(a.dtype).carrier());
        for (k, &t) in tys.iter().enumerate() {
            let unit = i64::from(k == 0);
            let x = if comp.kind() == Kind::Float {
                self.e.b.fconst(t, unit as f64)
            } else {
                self.e.b.iconst(t, unit)
            };
            self.e
                .b
                .store(x, addr, k as i32 * comp.size() as i32, Region::Any);
        }
        let next = self.e.b.op(Opcode::Iadd, &[i, one]);
        let again = self.e.b.icmp(IntCC::Slt, next, n);
        self.e.b.br(again, (head, &[next]), (done, &[]));
        self.start(done, state);
        Ok(())
    }
}
