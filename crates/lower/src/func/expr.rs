//! Expressions.

use std::sync::Arc;

use cranelift_entity::EntityRef;
use numlift_mir::{IntCC, Opcode, Ty, Value};
use numlift_runtime::SiteKind;
use numlift_syntax::hir::{BinOp, BoolOp, CmpOp, Const, ExprId, ExprKind, LocalId, Name, UnaryOp};
use numlift_typeck::{Call, operators};
use numlift_types::{Carrier, NestedType, Scalar, Type};

use super::tuple::part_of;
use super::{FnLower, IsBound, Pending, R, Typed};
use crate::arith;
use crate::emit::{Vals, carrier_tys, flat_tys};

impl FnLower<'_, '_> {
    pub(crate) fn expr(&mut self, id: ExprId) -> R<Typed> {
        let mark = self.running.parts.len();
        let v = self.undone(id)?;
        self.done(mark, id, &v);
        Ok(v)
    }

    /// Lowers an expression, whose value is not noted as done.
    pub(super) fn undone(&mut self, id: ExprId) -> R<Typed> {
        let hir = self.hir.clone();
        let e = &hir.exprs[id];
        if !self.reachable() {
            return Ok((Type::Never, Vals::new()));
        }
        self.e.b.set_line(e.line);
        if let Some(v) = self.reads.get(&id) {
            return Ok(v.clone());
        }
        if let Some(call) = self.inst.tables.elementwise.get(&id).cloned() {
            return self.elementwise(id, &call);
        }
        match &e.kind {
            ExprKind::Const(c) => Ok(self.constant(c)),
            ExprKind::Name(Name::Local(l)) => self.read_local(*l),
            ExprKind::Name(Name::Free(n)) => {
                if let Some(i) = self.inst.tables.capture(n) {
                    return Ok(self.captures[i].clone());
                }
                self.hidden_or_const(id)
            }
            ExprKind::Name(Name::Global(_)) => self.hidden_or_const(id),
            ExprKind::Binary(op, a, b) => {
                let a = self.expr(*a)?;
                let b = self.expr(*b)?;
                self.e.b.set_line(e.line);
                if let (BinOp::Mul, Some(v)) = (op, self.repeated(id, &a, &b)?) {
                    return Ok(v);
                }
                if let Some(Call::Boxed { object, .. }) = self.inst.tables.calls.get(&id) {
                    let (object, ty) = (*object, self.ty(id)?);
                    return self.boxed(object, String::new(), vec![], &[a, b], &ty);
                }
                self.binary(*op, &a, &b)
            }
            ExprKind::Unary(UnaryOp::Not, a) => {
                let c = self.truth(*a)?;
                let c = self.e.not(c);
                Ok((Type::BOOL, Vals::from_slice(&[c])))
            }
            ExprKind::Unary(op, a) => {
                let v = self.expr(*a)?;
                let op = *op;
                self.number(&v, |f, s, v| {
                    let ty = operators::unary(op, s).ok_or("unary operator")?;
                    Ok((Type::Scalar(ty), arith::unary(&mut f.e, op, (s, &v))))
                })
            }
            ExprKind::Bool(op, items) => self.bool_op(*op, items),
            ExprKind::Compare(first, rest) => match (self.inst.tables.truths.get(&id), rest.as_slice()) {
                (Some(&truth), [(_, second)]) => {
                    self.expr(*first)?;
                    self.expr(*second)?;
                    if !self.reachable() {
                        return Ok((Type::Never, Vals::new()));
                    }
                    Ok((Type::BOOL, Vals::from_slice(&[self.e.bool_const(truth)])))
                }
                _ => self.compare_chain(id, *first, rest),
            },
            ExprKind::If { test, then, other } => {
                let (yes, no) = self.condition(*test)?;
                let mut ends = vec![];
                for (side, x) in [(yes, *then), (no, *other)] {
                    self.merge(side)?;
                    let v = self.expr(x)?;
                    ends.extend(self.suspend(Some(v)));
                }
                self.merged_value(ends)
            }
            ExprKind::Call { func, args } => self.call(id, *func, args),
            ExprKind::Attribute(base, name) => self.attribute(id, *base, name),
            ExprKind::Subscript(base, index) => self.subscript(*base, *index),
            ExprKind::Slice { start, stop, step } => {
                let ty = self.ty(id)?;
                let given = match ty {
                    Type::Slice { start, stop, step } => [start, stop, step],
                    _ => [false; 3],
                };
                let mut vals = Vals::new();
                for (given, part) in given.into_iter().zip([start, stop, step]) {
                    if let Some(p) = part {
                        let v = self.expr(*p)?;
                        if !self.reachable() {
                            return Ok((Type::Never, Vals::new()));
                        }
                        if given {
                            vals.push(self.index_value(&v)?);
                        }
                    }
                }
                Ok((ty, vals))
            }
            ExprKind::Tuple(items) | ExprKind::List(items) => {
                self.sequence(items, matches!(e.kind, ExprKind::List(_)))
            }
            ExprKind::Walrus(l, v) => {
                let v = self.expr(*v)?;
                if self.reachable() {
                    // the value the variable had may be in use in this expression
                    let old = &self.e.vars[l.index()];
                    let old = (old.ty.clone(), old.vals.clone());
                    self.keep(&old);
                    self.set_var(*l, v.clone());
                }
                Ok(v)
            }
            ExprKind::Lambda(n, defaults) => self.nested(*n, defaults),
            ExprKind::Starred(_) | ExprKind::Dynamic(_) => Err("a dynamic expression".into()),
        }
    }

    fn constant(&mut self, c: &Const) -> Typed {
        let b = &mut self.e.b;
        match c {
            Const::None => (Type::None, Vals::new()),
            Const::Ellipsis => (Type::Ellipsis, Vals::new()),
            Const::Bool(x) => (Type::BOOL, Vals::from_slice(&[b.iconst(Ty::I8, i64::from(*x))])),
            Const::Int(n) => (Type::INT, Vals::from_slice(&[b.iconst(Ty::I64, *n)])),
            Const::Float(x) => (Type::FLOAT, Vals::from_slice(&[b.fconst(Ty::F64, *x)])),
            Const::Complex(x) => {
                let re = b.fconst(Ty::F64, 0.0);
                let im = b.fconst(Ty::F64, *x);
                (Type::COMPLEX, Vals::from_slice(&[re, im]))
            }
            Const::Str(s) => (Type::Str(s.as_str().into()), Vals::new()),
            Const::BigInt(_) | Const::Bytes(_) => (Type::Never, Vals::new()),
        }
    }

    /// The value of a `def` or lambda: its defaults.
    pub(crate) fn nested(&mut self, n: u32, defaults: &[ExprId]) -> R<Typed> {
        let mut path = self.inst.path.clone();
        path.push(n);
        let (mut types, mut vals) = (vec![], Vals::new());
        for &e in defaults {
            let (t, v) = self.expr(e)?;
            types.push(t);
            vals.extend(v);
        }
        let ty = Type::Nested(Arc::new(NestedType {
            path,
            defaults: types,
        }));
        Ok((ty, vals))
    }

    /// Hidden argument values start at slot `index` of `ctx.hidden`.
    pub(crate) fn hidden(&mut self, index: u32, ty: &Type) -> Typed {
        // islands may change what they are
        let region = if self.sh.mixed {
            numlift_mir::Region::Any
        } else {
            numlift_mir::Region::Constant
        };
        let base = self.e.b.push(
            Opcode::ObjectAddr,
            Ty::I64,
            &[],
            numlift_mir::Imm::Int(-1),
            &[Ty::I64],
        );
        let base = self.e.b.func.insts[base].results[0];
        let vals = flat_tys(ty)
            .into_iter()
            .enumerate()
            .map(|(i, t)| self.e.b.load(t, base, 8 * (index as i32 + i as i32), region))
            .collect();
        let mut v = (ty.clone(), vals);
        self.mark_extents(&mut v);
        v
    }

    fn hidden_or_const(&mut self, id: ExprId) -> R<Typed> {
        let ty = self.ty(id)?;
        Ok(match self.inst.tables.hidden.get(&id) {
            Some(&index) => self.hidden(index, &ty),
            None => (ty, Vals::new()),
        })
    }

    /// Reads a variable, or raises `UnboundLocalError`.
    pub(crate) fn read_local(&mut self, l: LocalId) -> R<Typed> {
        if self.is_written(l) {
            return Err("a variable in a cell is read".into());
        }
        let var = self.e.vars[l.index()].clone();
        let name = &self.hir.locals[l].name;
        let text =
            format!("\"cannot access local variable '{name}' where it is not associated with a value\"");
        let kind = SiteKind::Raise {
            exc: "UnboundLocalError".into(),
            args: vec![text],
            cause_none: false,
        };
        match var.bound {
            IsBound::Yes => {}
            // a flag of a variable that nothing binds, such as `q` in `while q < n: q += 1`, is never set
            IsBound::Flag(c) if var.ty != Type::Never => self.guard_ok(c, kind, &[]),
            IsBound::No | IsBound::Flag(_) => {
                let site = self.e.site(kind);
                self.e.b.fail(&[], site);
                return Ok((Type::Never, Vals::new()));
            }
        }
        Ok((var.ty, var.vals))
    }

    pub(crate) fn merged_value(&mut self, ends: Vec<Pending>) -> R<Typed> {
        Ok(self.merge(ends)?.unwrap_or((Type::Never, Vals::new())))
    }

    /// Applies `f` to each family of a number.
    pub(crate) fn number(
        &mut self,
        v: &Typed,
        f: impl FnMut(&mut Self, Scalar, Vals) -> R<Typed>,
    ) -> R<Typed> {
        if v.0 == Type::Never {
            return Ok(v.clone());
        }
        self.split(v, f)
    }

    /// A binary operator on numbers of any families.
    pub(crate) fn binary(&mut self, op: BinOp, a: &Typed, b: &Typed) -> R<Typed> {
        if a.0 == Type::Never || b.0 == Type::Never || !self.reachable() {
            return Ok((Type::Never, Vals::new()));
        }
        if let (Type::Tuple(x), Type::Tuple(y)) = (&a.0, &b.0) {
            let ty = Type::tuple(x.iter().chain(y.iter()).cloned());
            return Ok((ty, a.1.iter().chain(&b.1).copied().collect()));
        }
        if let (Type::Str(x), Type::Str(y)) = (&a.0, &b.0) {
            return Ok((Type::Str(format!("{x}{y}").into()), Vals::new()));
        }
        if let Some(v) = self.float_union(op, a, b) {
            return Ok(v);
        }
        let b = b.clone();
        self.split(a, |f, s, v| {
            f.split(&b, |f, t, w| f.scalar_binary(op, (s, &v), (t, &w)))
        })
    }

    /// `+ - *` where one side is a union held as f64 and the other a float: the same machine
    /// operation for every member, so no branch is needed.
    fn float_union(&mut self, op: BinOp, a: &Typed, b: &Typed) -> Option<Typed> {
        let code = match op {
            BinOp::Add => Opcode::Fadd,
            BinOp::Sub => Opcode::Fsub,
            BinOp::Mul => Opcode::Fmul,
            _ => return None,
        };
        let double = |s: &Scalar| matches!(s, Scalar::PyFloat | &Scalar::F64);
        let wide = |t: &Type| match t {
            Type::Scalar(s) => double(s),
            Type::Union(u) => {
                u.carrier() == Carrier::F64
                    && u.members()
                        .iter()
                        .all(|m| double(m) || *m == Scalar::PyInt || *m == Scalar::I64)
            }
            _ => false,
        };
        let exact = |t: &Type| t.scalars().iter().all(double);
        if !wide(&a.0) || !wide(&b.0) || !(exact(&a.0) || exact(&b.0)) {
            return None;
        }
        if !matches!(a.0, Type::Union(_)) && !matches!(b.0, Type::Union(_)) {
            return None;
        }
        let mut results = vec![];
        for &x in a.0.scalars() {
            for &y in b.0.scalars() {
                results.push(operators::binary(op, x, y)?);
            }
        }
        results.dedup();
        let [only] = results.as_slice() else { return None };
        let v = self.e.b.op(code, &[a.1[0], b.1[0]]);
        Some((Type::Scalar(*only), Vals::from_slice(&[v])))
    }

    fn bool_op(&mut self, op: BoolOp, items: &[ExprId]) -> R<Typed> {
        let mut ends = vec![];
        for (i, &x) in items.iter().enumerate() {
            let v = self.expr(x)?;
            if !self.reachable() {
                break;
            }
            let known = self.inst.tables.truths.get(&x).copied().or(self.settled(x));
            if i + 1 == items.len() || known == Some(op == BoolOp::Or) {
                ends.extend(self.suspend(Some(v)));
                break;
            }
            if known.is_some() {
                continue;
            }
            let c = self.truth_of(&v)?;
            let state = self.state();
            let (yes, no) = self.branch(c);
            let (short, go) = if op == BoolOp::And { (no, yes) } else { (yes, no) };
            self.start(short, state.clone());
            ends.extend(self.suspend(Some(v)));
            self.start(go, state);
            self.narrow(x, op == BoolOp::And);
        }
        self.merged_value(ends)
    }

    /// Lowers a condition to the ends where it is true and where it is false.
    pub(super) fn undecided(&mut self, id: ExprId) -> R<(Vec<Pending>, Vec<Pending>)> {
        let hir = self.hir.clone();
        if let Some(&test) = self.plan.and_then(|p| p.tests.get(&id)) {
            let truth = self.island_test(test)?;
            return Ok(self.ends(id, truth));
        }
        match &hir.exprs[id].kind {
            ExprKind::Unary(UnaryOp::Not, a) => {
                let (yes, no) = self.condition(*a)?;
                return Ok((no, yes));
            }
            ExprKind::Bool(op, items) => {
                let mut out = vec![];
                let mut rest = vec![];
                for (i, &x) in items.iter().enumerate() {
                    let (yes, no) = self.condition(x)?;
                    let (go, short) = if *op == BoolOp::And { (yes, no) } else { (no, yes) };
                    out.extend(short);
                    if i + 1 == items.len() {
                        rest = go;
                    } else {
                        self.merge(go)?;
                        if !self.reachable() {
                            break;
                        }
                    }
                }
                return Ok(if *op == BoolOp::And {
                    (rest, out)
                } else {
                    (out, rest)
                });
            }
            _ => {}
        }
        if let Some(&truth) = self.inst.tables.truths.get(&id) {
            self.expr(id)?;
            let end = self.suspend(None).into_iter().collect();
            return Ok(if truth { (end, vec![]) } else { (vec![], end) });
        }
        let c = self.truth(id)?;
        if !self.reachable() {
            return Ok((vec![], vec![]));
        }
        Ok(self.ends(id, c))
    }

    /// The ends where the truth value of a condition holds and where it does not.
    fn ends(&mut self, id: ExprId, truth: Value) -> (Vec<Pending>, Vec<Pending>) {
        if let Some(known) = self.settled(id) {
            let end = self.suspend(None).into_iter().collect();
            return if known { (end, vec![]) } else { (vec![], end) };
        }
        let state = self.state();
        let (t, f) = self.branch(truth);
        self.start(t, state.clone());
        self.narrow(id, true);
        let yes = self.suspend(None);
        self.start(f, state);
        self.narrow(id, false);
        let no = self.suspend(None);
        (yes.into_iter().collect(), no.into_iter().collect())
    }

    /// Truth of an expression as an i8.
    pub(crate) fn truth(&mut self, id: ExprId) -> R<Value> {
        let v = self.expr(id)?;
        self.truth_of(&v)
    }

    pub(crate) fn truth_of(&mut self, v: &Typed) -> R<Value> {
        Ok(match &v.0 {
            Type::Never => {
                if !self.reachable() {
                    let b = self.e.b.create_block();
                    let state = self.state();
                    self.start(b, state);
                    let c = self.e.bool_const(false);
                    self.e.b.unreachable();
                    return Ok(c);
                }
                self.e.bool_const(false)
            }
            Type::None => self.e.bool_const(false),
            Type::Optional(_) => self.optional_truth(v)?,
            Type::Tuple(items) | Type::List(items) => self.e.bool_const(!items.is_empty()),
            Type::Str(s) => self.e.bool_const(!s.is_empty()),
            Type::Scalar(s) => arith::truth(&mut self.e, (*s, &v.1)),
            Type::Union(_) => {
                let r = self.split(v, |f, s, v| {
                    let c = arith::truth(&mut f.e, (s, &v));
                    Ok((Type::BOOL, Vals::from_slice(&[c])))
                })?;
                r.1[0]
            }
            Type::Range => {
                let n = self.range_len(&v.1);
                let zero = self.e.b.iconst(Ty::I64, 0);
                self.e.b.icmp(IntCC::Ne, n, zero)
            }
            t => return Err(format!("truth of {t}")),
        })
    }

    /// One comparison as an i8.
    pub(crate) fn compare_values(&mut self, op: CmpOp, a: &Typed, b: &Typed) -> R<Value> {
        let negated = matches!(op, CmpOp::Ne | CmpOp::IsNot);
        match (&a.0, &b.0) {
            (Type::None, Type::None) => return Ok(self.e.bool_const(!negated)),
            (Type::None, Type::Optional(_)) | (Type::Optional(_), Type::None) => {
                let there = self.is_there(if a.0 == Type::None { b } else { a })?;
                return Ok(if negated { there } else { self.e.not(there) });
            }
            (Type::None, _) | (_, Type::None) => return Ok(self.e.bool_const(negated)),
            (Type::Str(x), Type::Str(y)) => return Ok(self.e.bool_const((x == y) != negated)),
            _ => {}
        }
        let b = b.clone();
        let r = self.split(a, |f, s, v| {
            f.split(&b, |f, t, w| {
                let (_, c) = f.scalar_compare(op, (s, &v), (t, &w))?;
                Ok((Type::BOOL, c))
            })
        })?;
        r.1.first().copied().ok_or_else(|| "comparison".into())
    }

    /// `t * n` of a tuple and a constant.
    fn repeated(&self, id: ExprId, a: &Typed, b: &Typed) -> R<Option<Typed>> {
        let (Type::Tuple(of), vals) = (if matches!(a.0, Type::Tuple(_)) { a } else { b }) else {
            return Ok(None);
        };
        let ty = self.ty(id)?;
        let n = ty.items().map_or(0, <[Type]>::len) / of.len().max(1);
        Ok(Some((ty, (0..n).flat_map(|_| vals.iter().copied()).collect())))
    }

    fn compare_chain(&mut self, id: ExprId, first: ExprId, rest: &[(CmpOp, ExprId)]) -> R<Typed> {
        let mut left = self.expr(first)?;
        let mut ends = vec![];
        for (i, (op, x)) in rest.iter().enumerate() {
            let right = self.expr(*x)?;
            if !self.reachable() || left.0 == Type::Never || right.0 == Type::Never {
                break;
            }
            let result = self.compare_typed(*op, &left, &right)?;
            if rest.len() == 1 {
                return Ok(result);
            }
            if i + 1 == rest.len() {
                ends.extend(self.suspend(Some(result)));
                break;
            }
            let c = self.truth_of(&result)?;
            let state = self.state();
            let (go, stop) = self.branch(c);
            self.start(stop, state.clone());
            ends.extend(self.suspend(Some(result)));
            self.start(go, state);
            left = right;
        }
        if ends.is_empty() && !self.reachable() {
            return Ok((Type::Never, Vals::new()));
        }
        let _ = id;
        self.merged_value(ends)
    }

    /// A comparison with the family of its result.
    pub(crate) fn compare_typed(&mut self, op: CmpOp, a: &Typed, b: &Typed) -> R<Typed> {
        if let CmpOp::In | CmpOp::NotIn = op {
            let mut c = self.contains(a, b)?;
            if op == CmpOp::NotIn {
                c = self.e.not(c);
            }
            return Ok((Type::BOOL, Vals::from_slice(&[c])));
        }
        if let (Type::Tuple(_), Type::Tuple(_)) = (&a.0, &b.0) {
            return self.tuple_compare(op, a, b);
        }
        if a.0.scalars().is_empty() || b.0.scalars().is_empty() {
            let c = self.compare_values(op, a, b)?;
            return Ok((Type::BOOL, Vals::from_slice(&[c])));
        }
        let b = b.clone();
        self.split(a, |f, s, v| {
            f.split(&b, |f, t, w| f.scalar_compare(op, (s, &v), (t, &w)))
        })
    }

    /// An integer used as an index or bound, as an i64.
    pub(crate) fn index_value(&mut self, v: &Typed) -> R<Value> {
        let Type::Scalar(s) = v.0 else {
            return Err(format!("{} as an index", v.0));
        };
        let unsigned = matches!(
            s.dtype().kind(),
            numlift_types::Kind::Unsigned | numlift_types::Kind::Bool
        );
        let op = if unsigned { Opcode::Zext } else { Opcode::Sext };
        let x = self.e.b.convert(op, Ty::I64, v.1[0]);
        if s.dtype() == numlift_types::DType::U64 {
            // beyond int64: the interpreter reports it
            let zero = self.e.b.iconst(Ty::I64, 0);
            let ok = self.e.b.icmp(IntCC::Sge, x, zero);
            self.e.exit_unless(ok, numlift_runtime::ExitReason::Recheck);
        }
        Ok(x)
    }

    fn attribute(&mut self, id: ExprId, base: ExprId, name: &str) -> R<Typed> {
        let ty = self.ty(id)?;
        if let Some(Call::Constant(s, bits)) = self.inst.tables.calls.get(&id) {
            let (s, bits) = (*s, *bits);
            let v = match carrier_tys(s.carrier())[0] {
                Ty::F64 => self.e.b.fconst(Ty::F64, f64::from_bits(bits)),
                Ty::F32 => self.e.b.fconst(Ty::F32, f64::from(f32::from_bits(bits as u32))),
                int => self.e.b.iconst(int, bits as i64),
            };
            return Ok((Type::Scalar(s), Vals::from_slice(&[v])));
        }
        let base_ty = self.ty(base)?;
        if matches!(base_ty, Type::Known(_) | Type::DType(_)) {
            if name == "itemsize"
                && let Type::DType(d) = base_ty
            {
                let n = self.e.b.iconst(Ty::I64, i64::from(d.size()));
                return Ok((Type::INT, Vals::from_slice(&[n])));
            }
            self.check_bound(base)?;
            return self.hidden_or_const(id);
        }
        let v = self.expr(base)?;
        match &v.0 {
            Type::Array(_) => self.array_attribute(&v, name, ty),
            Type::Record(r) => {
                let at = r.names.iter().position(|n| n == name);
                Ok(part_of(&v, at.ok_or("a name of a named tuple")?))
            }
            Type::Scalar(s) => {
                let complex = v.1.len() == 2;
                let vals = match (name, complex) {
                    ("real", true) => Vals::from_slice(&v.1[..1]),
                    ("imag", true) => Vals::from_slice(&v.1[1..]),
                    ("real", false) if *s == Scalar::PyBool => {
                        Vals::from_slice(&[self.e.b.convert(Opcode::Zext, Ty::I64, v.1[0])])
                    }
                    ("real", false) => v.1.clone(),
                    _ => flat_tys(&ty).into_iter().map(|t| self.zero(t)).collect(),
                };
                Ok((ty, vals))
            }
            _ => Ok((Type::Never, Vals::new())),
        }
    }
}
