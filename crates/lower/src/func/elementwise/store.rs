//! Assignments to parts of arrays and augmented assignments to arrays: what is assigned is computed where it goes.

use numlift_mir::{IntCC, Opcode, Ty, Value};
use numlift_syntax::hir::{ExprId, Target};
use numlift_typeck::{Applied, Elementwise};
use numlift_types::{ArrayType, DType, Layout, ObjectRef, Scalar, Type};

use super::{Names, Node, Step};
use crate::arith;
use crate::emit::Vals;
use crate::func::{FnLower, R, Typed};

impl FnLower<'_, '_> {
    /// Whether an assignment is one of elements that are still to be computed.
    pub(crate) fn stores_elements(&self, targets: &[Target], value: ExprId) -> bool {
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
    pub(crate) fn assign_elements(&mut self, base: ExprId, index: ExprId, value: ExprId) -> R<()> {
        let node = match (self.ty(value)?, self.ty(base)?) {
            (Type::Union(_), Type::Array(a)) => {
                let v = self.expr(value)?;
                Node::leaf(self.as_element(a.dtype, v)?)?
            }
            _ => self.node(value, None)?,
        };
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
    pub(crate) fn store_part(&mut self, base: ExprId, array: &Typed, index: ExprId, v: Typed) -> R<()> {
        let line = self.e.b.line();
        let node = Node::leaf(match (&v.0, &array.0) {
            (Type::Union(_), Type::Array(a)) => self.as_element(a.dtype, v)?,
            _ => v,
        })?;
        self.store_node(base, array, index, node, line)
    }

    /// A number of several families as an element.
    fn as_element(&mut self, dtype: DType, v: Typed) -> R<Typed> {
        self.number(&v, |f, s, v| {
            let vals = arith::store(&mut f.e, dtype, (s, &v)).ok_or("a store")?;
            Ok((Type::np(dtype), vals))
        })
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
        let node = match node.has_lines() && node.shape() != extents {
            true => Node::leaf(self.materialise(node)?)?,
            false => node,
        };
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
    pub(crate) fn written(&mut self, node: &Node, target: ArrayType, v: &Vals, fresh: bool) -> R<()> {
        let raising = self.e.raising();
        self.write(node, target, v)?;
        self.release_leaves(node);
        self.behind_write(raising, fresh);
        Ok(())
    }

    fn behind_write(&mut self, raising: usize, fresh: bool) {
        if fresh {
            self.touch_statement();
        } else {
            self.effect();
            self.e.raises_behind_effect(raising);
        }
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

    /// A universal function that writes to the array `out`, which is its value.
    pub(crate) fn written_out(&mut self, id: ExprId, call: &Elementwise, out: ExprId) -> R<Typed> {
        let never = (Type::Never, Vals::new());
        let Some(operands) = self.operand_nodes(call)? else {
            return Ok(never);
        };
        let to = self.expr(out)?;
        let Type::Array(target) = to.0 else {
            return Ok(never);
        };
        self.e.b.set_line(self.hir.exprs[id].line);
        let v = &to.1;
        let object = match self.step(call, &operands) {
            Err(object) => Some(object),
            Ok(Step::Line(object, _)) => Some(Some(object)),
            Ok(_) => None,
        };
        if let Some(object) = object {
            let fresh = self.is_fresh(out);
            self.called_into(object, operands, (target, v), Some("out"), fresh)?;
            return Ok(to);
        }
        let extents = v[1..1 + usize::from(target.ndim)].to_vec();
        let shapes: Vec<Vec<Value>> = operands.iter().map(|n| n.shape().to_vec()).collect();
        let (shape, ok) = self.broadcast_shapes(&shapes);
        let fits = self.fits(&shape, &extents);
        if let Some(ok) = self.both(ok, fits) {
            let mut names = Names::default();
            let zeros: Vec<String> = shapes.iter().map(|s| names.zeros(s)).collect();
            let f = if zeros.len() == 1 { "positive" } else { "add" };
            let target = names.target(&extents);
            self.shape_check(ok, &format!("np.{f}({}, out={target})", zeros.join(", ")), &names);
        }
        let types: Vec<Type> = operands.iter().map(Node::ty).collect();
        let ty = numlift_typeck::result_array(call.result, &types).unwrap_or(Type::np(call.result));
        let node = match self.apply(call, operands, &ty)? {
            Node::Scalar(s, v) => {
                let v = arith::cast(&mut self.e, s.dtype(), &v, target.dtype);
                Node::Scalar(Scalar::Np(target.dtype), v)
            }
            n => n,
        };
        if !self.reachable() || matches!(node, Node::Never) {
            return Ok(never);
        }
        let fresh = self.is_fresh(out);
        self.written(&node, target, v, fresh)?;
        Ok(to)
    }

    /// The call of a function that writes to an array: its last argument, or its first.
    fn called_into(
        &mut self,
        object: Option<ObjectRef>,
        operands: Vec<Node>,
        target: (ArrayType, &Vals),
        keyword: Option<&str>,
        fresh: bool,
    ) -> R<()> {
        let line = self.e.b.line();
        let mut args = vec![];
        for n in operands {
            args.push(self.materialise(n)?);
        }
        self.e.b.set_line(line);
        if keyword.is_some() {
            args.push((Type::Array(target.0), target.1.clone()));
        }
        let raising = self.e.raising();
        let ret = Type::array(target.0.dtype, target.0.ndim, Layout::A);
        let keywords = keyword.map(str::to_owned).into_iter().collect();
        let object = object.ok_or("a function that is missing")?;
        self.boxed(Some(object), String::new(), keywords, &args, &ret)?;
        for owner in args.iter().filter_map(|(_, v)| v.last()) {
            self.release(*owner);
        }
        self.behind_write(raising, fresh);
        Ok(())
    }

    /// `old op= value` of an array, which `call` applies.
    pub(crate) fn in_place(&mut self, call: &Elementwise, old: Typed, value: ExprId, fresh: bool) -> R<()> {
        let right = self.node(value, call.operands.get(1).copied())?;
        let (Type::Array(target), v) = old else {
            return Err("not an array".into());
        };
        if !self.reachable() || matches!(right, Node::Never) {
            return Ok(());
        }
        let operands = vec![Node::Array(target, v.clone()), right];
        if let Err(object) = self.step(call, &operands) {
            let out = matches!(call.function, Applied::Ufunc { .. }).then_some("out");
            return self.called_into(object, operands, (target, &v), out, fresh);
        }
        let right = &operands[1];
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
        let mut node = self.apply(call, operands, &ty)?;
        if let Node::Apply(a) = &mut node {
            a.shape = extents;
        }
        self.written(&node, target, &v, fresh)
    }
}
