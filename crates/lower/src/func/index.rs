//! Subscripts of arrays: the parts of an index, elements, views.

use numlift_mir::{IntCC, Opcode, Ty, Value};
use numlift_syntax::hir::ExprId;
use numlift_types::{ArrayType, Layout, Scalar, Type};

use super::{FnLower, R, Typed};
use crate::emit::Vals;

/// One part of an index.
pub(super) enum Part {
    Int(Value),
    /// start, stop, step
    Slice(Option<Value>, Option<Value>, Option<Value>),
    /// an axis of extent 1
    New,
    /// `...`
    Rest,
}

impl Part {
    const WHOLE: Part = Part::Slice(None, None, None);

    const fn is_whole(&self) -> bool {
        matches!(self, Part::Slice(None, None, None))
    }
}

/// Writes `...` out; whole axes at the end say nothing.
fn expanded(parts: Vec<Part>, ndim: usize) -> Vec<Part> {
    let consumed = parts
        .iter()
        .filter(|p| !matches!(p, Part::New | Part::Rest))
        .count();
    let mut out = vec![];
    for p in parts {
        match p {
            Part::Rest => out.extend((consumed..ndim).map(|_| Part::WHOLE)),
            p => out.push(p),
        }
    }
    while out.last().is_some_and(Part::is_whole) {
        out.pop();
    }
    out
}

impl FnLower<'_, '_> {
    pub(super) fn parts(&mut self, index: ExprId) -> R<Option<Vec<Part>>> {
        let (t, v) = self.expr(index)?;
        if !self.reachable() {
            return Ok(None);
        }
        let types = match &t {
            Type::Tuple(items) => items.to_vec(),
            t => vec![t.clone()],
        };
        let mut out = vec![];
        let mut at = 0;
        for t in types {
            match t {
                Type::Slice { start, stop, step } => {
                    let mut next = |given: bool| {
                        given.then(|| {
                            at += 1;
                            v[at - 1]
                        })
                    };
                    out.push(Part::Slice(next(start), next(stop), next(step)));
                }
                Type::None => out.push(Part::New),
                Type::Ellipsis => out.push(Part::Rest),
                t => {
                    let n = self.index_value(&(t, Vals::from_slice(&v[at..=at])))?;
                    at += 1;
                    out.push(Part::Int(n));
                }
            }
        }
        Ok(Some(out))
    }

    pub(crate) fn subscript(&mut self, base: ExprId, index: ExprId) -> R<Typed> {
        let never = (Type::Never, Vals::new());
        let v = self.expr(base)?;
        let a = match &v.0 {
            Type::Array(a) => *a,
            Type::Tuple(_) | Type::List(_) | Type::Record(_) => return self.tuple_subscript(&v, index),
            _ => return Ok(never),
        };
        if self.is_selection(index) {
            return self.select_elements(a, &v.1, index);
        }
        let Some(parts) = self.parts(index)? else {
            return Ok(never);
        };
        let element = parts.len() == usize::from(a.ndim) && parts.iter().all(|p| matches!(p, Part::Int(_)));
        if element {
            let addr = self.element_addr(a, &v.1, &parts);
            return Ok(self.load_element(a.dtype, addr));
        }
        Ok(self.view(a, &v.1, parts))
    }

    pub(super) fn element_addr(&mut self, a: ArrayType, v: &Vals, parts: &[Part]) -> Value {
        let mut indices = vec![];
        for (axis, p) in parts.iter().enumerate() {
            if let Part::Int(i) = p {
                let len = Self::shape(a, v, axis);
                indices.push(self.checked_index(*i, len, axis));
            }
        }
        let mut addr = v[0];
        for (axis, i) in indices.into_iter().enumerate() {
            addr = self.offset(addr, a, v, axis, i);
        }
        addr
    }

    /// A view: integers drop an axis, slices keep one, `None` makes one.
    pub(super) fn view(&mut self, a: ArrayType, v: &Vals, parts: Vec<Part>) -> Typed {
        let n = usize::from(a.ndim);
        let parts = expanded(parts, n);
        let leading = parts.iter().take_while(|p| matches!(p, Part::Int(_))).count();
        let contiguous = matches!(parts[leading..], [] | [Part::Slice(_, _, None)]);
        let mut addr = v[0];
        let mut shape = vec![];
        let mut strides = vec![];
        let mut axis = 0;
        for part in parts {
            if let Part::New = part {
                shape.push(self.e.b.iconst(Ty::I64, 1));
                strides.push(self.e.b.iconst(Ty::I64, 0));
                continue;
            }
            let len = Self::shape(a, v, axis);
            match part {
                Part::Int(i) => {
                    let i = self.checked_index(i, len, axis);
                    addr = self.offset(addr, a, v, axis, i);
                }
                Part::Slice(start, stop, step) => {
                    let (first, count, step) = self.slice_bounds(start, stop, step, len);
                    let stride = self.stride(a, v, axis);
                    let off = self.e.b.op(Opcode::Imul, &[first, stride]);
                    addr = self.e.b.op(Opcode::Iadd, &[addr, off]);
                    shape.push(count);
                    strides.push(match step {
                        Some(s) => self.e.b.op(Opcode::Imul, &[stride, s]),
                        None => stride,
                    });
                }
                Part::New | Part::Rest => {}
            }
            axis += 1;
        }
        for axis in axis..n {
            shape.push(Self::shape(a, v, axis));
            strides.push(self.stride(a, v, axis));
        }
        let layout = if a.layout == Layout::C && contiguous {
            Layout::C
        } else {
            Layout::A
        };
        let ty = ArrayType {
            ndim: shape.len() as u8,
            layout,
            ..a
        };
        let mut vals = Vals::from_slice(&[addr]);
        vals.extend(shape);
        vals.extend(strides);
        vals.push(v[1 + 2 * n]);
        (Type::Array(ty), vals)
    }

    /// `slice.indices(len)`: first index and count, and the step if one is given.
    fn slice_bounds(
        &mut self,
        start: Option<Value>,
        stop: Option<Value>,
        step: Option<Value>,
        len: Value,
    ) -> (Value, Value, Option<Value>) {
        let zero = self.e.b.iconst(Ty::I64, 0);
        let one = self.e.b.iconst(Ty::I64, 1);
        let minus = self.e.b.iconst(Ty::I64, -1);
        if let Some(s) = step {
            let ok = self.e.b.icmp(IntCC::Ne, s, zero);
            let v = Vals::from_slice(&[s]);
            self.e
                .replay_unless(ok, "np.empty(1)[::a]", &[(Scalar::PyInt, &v)]);
        }
        // bounds for a negative step are one lower
        let (low, high) = match step {
            None => (zero, len),
            Some(s) => {
                let down = self.e.b.icmp(IntCC::Slt, s, zero);
                let low = self.e.b.select(down, minus, zero);
                let last = self.e.b.op(Opcode::Isub, &[len, one]);
                (low, self.e.b.select(down, last, len))
            }
        };
        let mut clamp = |x: Value| {
            let neg = self.e.b.icmp(IntCC::Slt, x, zero);
            let wrapped = self.e.b.op(Opcode::Iadd, &[x, len]);
            let x = self.e.b.select(neg, wrapped, x);
            let x = self.e.b.op(Opcode::Smax, &[x, low]);
            self.e.b.op(Opcode::Smin, &[x, high])
        };
        let given_start = start.map(&mut clamp);
        let given_stop = stop.map(&mut clamp);
        match step {
            None => {
                let first = given_start.unwrap_or(zero);
                let last = given_stop.unwrap_or(len);
                let n = self.e.b.op(Opcode::Isub, &[last, first]);
                (first, self.e.b.op(Opcode::Smax, &[n, zero]), None)
            }
            Some(s) => {
                let down = self.e.b.icmp(IntCC::Slt, s, zero);
                let first = given_start.unwrap_or_else(|| self.e.b.select(down, high, low));
                let last = given_stop.unwrap_or_else(|| self.e.b.select(down, low, high));
                let n = self.range_len(&Vals::from_slice(&[first, last, s]));
                (first, n, Some(s))
            }
        }
    }
}
