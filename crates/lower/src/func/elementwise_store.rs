//! Assignments to parts of arrays and augmented assignments to arrays: what is assigned is computed where it goes.

use numlift_mir::{IntCC, Opcode, Ty, Value};
use numlift_syntax::hir::{ExprId, Target};
use numlift_typeck::Elementwise;
use numlift_types::{ArrayType, Scalar, Type};

use super::elementwise::{Names, Node};
use super::{FnLower, R, Typed};
use crate::arith;
use crate::emit::Vals;

impl FnLower<'_, '_> {
    /// Whether an assignment is one of elements that are still to be computed.
    pub(super) fn stores_elements(&self, targets: &[Target], value: ExprId) -> bool {
        let tables = &self.inst.tables;
        match targets {
            [Target::Subscript(base, index)] => {
                let part = tables.parts.contains(index) && tables.elementwise.contains_key(&value);
                let masked = self.is_selection(*index) && tables.elementwise.contains_key(index);
                (part || masked) && self.quiet(*base) && self.quiet(*index)
            }
            _ => false,
        }
    }

    /// `base[index] = value`
    pub(super) fn assign_elements(&mut self, base: ExprId, index: ExprId, value: ExprId) -> R<()> {
        let node = self.node(value)?;
        let array = self.expr(base)?;
        if !self.reachable() {
            return Ok(());
        }
        let line = self.hir.exprs[base].line;
        if self.is_selection(index) {
            return self.put_elements(base, &array, index, node);
        }
        self.store_node(base, &array, index, node, line)
    }

    /// `base[index] = v` where `array` is `base`.
    pub(super) fn store_part(&mut self, base: ExprId, array: &Typed, index: ExprId, v: Typed) -> R<()> {
        let line = self.e.b.line();
        let node = Node::leaf(match v.0 {
            Type::Union(_) => {
                let Type::Array(a) = array.0 else {
                    return Err("not an array".into());
                };
                self.number(&v, |f, s, v| {
                    let vals = arith::store(&mut f.e, a.dtype, (s, &v)).ok_or("a store")?;
                    Ok((Type::np(a.dtype), vals))
                })?
            }
            _ => v,
        })?;
        self.store_node(base, array, index, node, line)
    }

    fn store_node(&mut self, base: ExprId, array: &Typed, index: ExprId, node: Node, line: u32) -> R<()> {
        let Type::Array(a) = array.0 else {
            return Err("not an array".into());
        };
        let Some(parts) = self.parts(index)? else {
            return Ok(());
        };
        self.e.b.set_line(line);
        let (Type::Array(part), target) = self.view(a, &array.1, parts) else {
            return Err("not a part".into());
        };
        let node = match node {
            Node::Scalar(s, v) => {
                let v = arith::store(&mut self.e, part.dtype, (s, &v)).ok_or("a store")?;
                Node::Scalar(Scalar::Np(part.dtype), v)
            }
            Node::Array(a, v) if a.ndim == 0 => {
                let (_, v) = self.load_element(a.dtype, v[0]);
                Node::Scalar(
                    Scalar::Np(part.dtype),
                    arith::cast(&mut self.e, a.dtype, &v, part.dtype),
                )
            }
            n => n,
        };
        if !self.reachable() || matches!(node, Node::Never) {
            return Ok(());
        }
        let extents = &target[1..1 + usize::from(part.ndim)];
        if let Some(ok) = self.fits(node.shape(), extents) {
            let mut names = Names::default();
            let to = names.target(extents);
            let from = names.zeros(node.shape());
            self.shape_check(ok, &format!("{to}.__setitem__(..., {from})"), &names);
        }
        let fresh = self.is_fresh(base);
        self.written(&node, part, &target, fresh)
    }

    /// Writes, which is an effect unless the array is a new one.
    pub(super) fn written(&mut self, node: &Node, target: ArrayType, v: &Vals, fresh: bool) -> R<()> {
        let raising = self.e.raising();
        self.write(node, target, v)?;
        if fresh {
            self.touch_statement();
        } else {
            self.effect();
            self.e.raises_behind_effect(raising);
        }
        Ok(())
    }

    /// Whether a shape broadcasts to that of a target; `None`: for sure.
    fn fits(&mut self, shape: &[Value], target: &[Value]) -> Option<Value> {
        let one = self.e.b.iconst(Ty::I64, 1);
        let mut ok = None;
        for (&n, &to) in shape.iter().rev().zip(target.iter().rev()) {
            if n == to || self.e.b.func.int_const(n) == Some(1) {
                continue;
            }
            let same = self.e.b.icmp(IntCC::Eq, n, to);
            let single = self.e.b.icmp(IntCC::Eq, n, one);
            let here = self.e.b.op(Opcode::Bor, &[same, single]);
            ok = self.both(ok, Some(here));
        }
        ok
    }

    /// `old op= value` of an array, which `call` applies.
    pub(super) fn in_place(&mut self, call: &Elementwise, old: Typed, value: ExprId, fresh: bool) -> R<()> {
        let right = self.node(value)?;
        let (Type::Array(target), v) = old else {
            return Err("not an array".into());
        };
        if !self.reachable() || matches!(right, Node::Never) {
            return Ok(());
        }
        let right_shape = right.shape().to_vec();
        let extents = v[1..1 + usize::from(target.ndim)].to_vec();
        if let Some(ok) = self.fits(&right_shape, &extents) {
            let mut names = Names::default();
            let to = names.target(&extents);
            let from = names.zeros(&right_shape);
            self.shape_check(
                ok,
                &format!("(lambda x, y: np.add(x, y, out=x))({to}, {from})"),
                &names,
            );
        }
        let ty = numlift_typeck::result_array(call.result, &[Type::Array(target), right.ty()]);
        let ty = ty.ok_or("not an array")?;
        let mut node = self.apply(call, vec![Node::Array(target, v.clone()), right], &ty)?;
        if let Node::Apply(a) = &mut node {
            a.shape = extents;
        }
        self.written(&node, target, &v, fresh)
    }
}
