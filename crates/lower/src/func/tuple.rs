//! Tuples, and lists of static length: items by index, slices, comparison, membership.

use numlift_mir::{FloatCC, IntCC, Opcode, Region, Ty, Value};
use numlift_runtime::{ExitReason, SiteKind};
use numlift_syntax::hir::{CmpOp, ExprId, ExprKind};
use numlift_types::{Carrier, Type};

use super::{FnLower, R, Typed};
use crate::emit::{Vals, flat_tys};

/// A part of a composed value.
pub(crate) fn part_of((ty, vals): &Typed, k: usize) -> Typed {
    let parts = ty.parts();
    let at: usize = parts[..k].iter().map(|t| flat_tys(t).len()).sum();
    let n = flat_tys(parts[k]).len();
    (parts[k].clone(), Vals::from_slice(&vals[at..at + n]))
}

/// All parts of a composed value.
pub(crate) fn parts_of(v: &Typed) -> Vec<Typed> {
    (0..v.0.parts().len()).map(|k| part_of(v, k)).collect()
}

/// A tuple of values, or a list if `like` is one.
pub(crate) fn composed(like: &Type, parts: Vec<Typed>) -> Typed {
    let (types, vals): (Vec<Type>, Vec<Vals>) = parts.into_iter().unzip();
    let ty = match like {
        Type::List(_) => Type::List(types.into()),
        _ => Type::tuple(types),
    };
    (ty, vals.into_iter().flatten().collect())
}

impl FnLower<'_, '_> {
    /// The value of a tuple that is written out, or of a list that is an argument.
    pub(crate) fn sequence(&mut self, items: &[ExprId], list: bool) -> R<Typed> {
        let hir = self.hir.clone();
        let mut types = vec![];
        let mut vals = Vals::new();
        for &x in items {
            if let ExprKind::Starred(inner) = hir.exprs[x].kind {
                let v = self.expr(inner)?;
                types.extend(v.0.items().unwrap_or_default().iter().cloned());
                vals.extend(v.1);
                continue;
            }
            let (t, v) = self.expr(x)?;
            types.push(t);
            vals.extend(v);
        }
        let ty = match list {
            true => Type::List(types.into()),
            false => Type::tuple(types),
        };
        Ok((ty, vals))
    }

    /// `v[index]` of a tuple or list.
    pub(crate) fn tuple_subscript(&mut self, v: &Typed, index: ExprId) -> R<Typed> {
        let i = self.expr(index)?;
        if !self.reachable() {
            return Ok((Type::Never, Vals::new()));
        }
        let len = v.0.parts().len();
        let constant = self.inst.tables.indices.get(&index);
        if let Some(&n) = constant.filter(|n| **n < len) {
            return Ok(part_of(v, n));
        }
        if let Some(picked) = self.inst.tables.picks.get(&index) {
            return Ok(composed(&v.0, picked.iter().map(|&k| part_of(v, k)).collect()));
        }
        let i = self.index_value(&i)?;
        let n = self.e.b.iconst(Ty::I64, len as i64);
        let expr = match v.0 {
            Type::List(_) => "([0] * b)[a]",
            _ => "((0,) * b)[a]",
        };
        let site = self.e.site(SiteKind::Replay {
            expr: expr.to_owned(),
            operands: vec![Type::INT, Type::INT],
        });
        let k = self.e.b.checked(Opcode::BoundsCheck, &[i, n], &[i, n], site);
        if constant.is_some() || len == 0 {
            self.e.b.unreachable();
            return Ok((Type::Never, Vals::new()));
        }
        self.tuple_item(v, k)
    }

    /// Item `k` (in range) of a tuple: through the stack, in the form that holds every item.
    pub(crate) fn tuple_item(&mut self, v: &Typed, k: Value) -> R<Typed> {
        let ty = v.0.parts().into_iter().fold(Type::Never, |a, b| a.join(b));
        let tys = flat_tys(&ty);
        let width = tys.len();
        if width == 0 {
            return Ok((ty, Vals::new()));
        }
        let mut all = Vals::new();
        for (t, vals) in parts_of(v) {
            all.extend(self.convert(&vals, &t, &ty)?);
        }
        let slot = self.e.b.create_slot((8 * all.len()) as u32, false);
        let base = self.e.b.slot_addr(slot);
        for (i, &x) in all.iter().enumerate() {
            self.e.b.store(x, base, 8 * i as i32, Region::Stack);
        }
        let size = self.e.b.iconst(Ty::I64, 8 * width as i64);
        let off = self.e.b.op(Opcode::Imul, &[k, size]);
        let at = self.e.b.op(Opcode::Iadd, &[base, off]);
        let vals = tys
            .iter()
            .enumerate()
            .map(|(i, &ty)| self.e.b.load(ty, at, 8 * i as i32, Region::Stack))
            .collect();
        Ok((ty, vals))
    }

    /// Runs `test` for each pair until it is false; then `last` gives the result, else `end` does.
    fn first_different(
        &mut self,
        pairs: &[(Typed, Typed)],
        mut last: impl FnMut(&mut Self, &(Typed, Typed)) -> R<Typed>,
        end: impl FnOnce(&mut Self) -> Typed,
    ) -> R<Typed> {
        let mut ends = vec![];
        for pair in pairs {
            let same = self.items_equal(&pair.0, &pair.1)?;
            let state = self.state();
            let (yes, no) = self.branch(same);
            self.start(no, state.clone());
            let v = last(self, pair)?;
            ends.extend(self.suspend(Some(v)));
            self.start(yes, state);
        }
        let v = end(self);
        ends.extend(self.suspend(Some(v)));
        self.merged_value(ends)
    }

    fn bool_value(&mut self, x: bool) -> Typed {
        (Type::BOOL, Vals::from_slice(&[self.e.bool_const(x)]))
    }

    /// `a op b` of two tuples.
    pub(crate) fn tuple_compare(&mut self, op: CmpOp, a: &Typed, b: &Typed) -> R<Typed> {
        let (x, y) = (parts_of(a), parts_of(b));
        let by_length = match op {
            CmpOp::Eq => x.len() == y.len(),
            CmpOp::Ne => x.len() != y.len(),
            CmpOp::Lt => x.len() < y.len(),
            CmpOp::Le => x.len() <= y.len(),
            CmpOp::Gt => x.len() > y.len(),
            CmpOp::Ge => x.len() >= y.len(),
            _ => return Err("comparison of tuples".into()),
        };
        let pairs: Vec<(Typed, Typed)> = x.into_iter().zip(y).collect();
        let differ = |f: &mut Self, (a, b): &(Typed, Typed)| match op {
            CmpOp::Eq | CmpOp::Ne => Ok(f.bool_value(op == CmpOp::Ne)),
            _ => f.compare_typed(op, a, b),
        };
        self.first_different(&pairs, differ, |f| f.bool_value(by_length))
    }

    /// Whether a container finds two items equal: the same object is, so two NaN are left to the interpreter.
    fn items_equal(&mut self, a: &Typed, b: &Typed) -> R<Value> {
        match (&a.0, &b.0) {
            (Type::Tuple(_), Type::Tuple(_)) => {
                let r = self.tuple_compare(CmpOp::Eq, a, b)?;
                return Ok(r.1[0]);
            }
            (Type::None | Type::Str(_), _) | (_, Type::None | Type::Str(_)) => {
                return Ok(self.e.bool_const(a.0 == b.0));
            }
            _ => {}
        }
        if let (Some(x), Some(y)) = (self.is_nan(a), self.is_nan(b)) {
            let both = self.e.b.op(Opcode::Band, &[x, y]);
            let ok = self.e.not(both);
            self.e.exit_unless(ok, ExitReason::Recheck);
        }
        self.compare_values(CmpOp::Eq, a, b)
    }

    /// Whether a float or complex number is not equal to itself.
    fn is_nan(&mut self, v: &Typed) -> Option<Value> {
        let carrier = match &v.0 {
            Type::Scalar(s) => s.carrier(),
            Type::Union(u) => u.carrier(),
            _ => return None,
        };
        let n = match carrier {
            Carrier::F32 | Carrier::F64 => 1,
            Carrier::C64 | Carrier::C128 => 2,
            _ => return None,
        };
        let mut out = None;
        for &x in &v.1[..n] {
            let nan = self.e.b.fcmp(FloatCC::Ne, x, x);
            out = Some(match out {
                Some(other) => self.e.b.op(Opcode::Bor, &[other, nan]),
                None => nan,
            });
        }
        out
    }

    /// `a in b`
    pub(crate) fn contains(&mut self, a: &Typed, b: &Typed) -> R<Value> {
        match &b.0 {
            Type::Range => self.range_contains(a, &b.1),
            Type::Array(_) => {
                let args = [b.clone(), a.clone()];
                let r = self.boxed(None, "__contains__".into(), vec![], &args, &Type::BOOL)?;
                Ok(r.1[0])
            }
            _ => {
                let mut ends = vec![];
                for item in parts_of(b) {
                    let same = self.items_equal(&item, a)?;
                    let state = self.state();
                    let (yes, no) = self.branch(same);
                    self.start(yes, state.clone());
                    let found = self.bool_value(true);
                    ends.extend(self.suspend(Some(found)));
                    self.start(no, state);
                }
                let missing = self.bool_value(false);
                ends.extend(self.suspend(Some(missing)));
                Ok(self.merged_value(ends)?.1[0])
            }
        }
    }

    fn range_contains(&mut self, v: &Typed, r: &Vals) -> R<Value> {
        let i = self.index_value(v)?;
        let (start, stop, step) = (r[0], r[1], r[2]);
        let zero = self.e.b.iconst(Ty::I64, 0);
        let up = self.e.b.icmp(IntCC::Sgt, step, zero);
        let low = self.e.b.select(up, start, i);
        let high = self.e.b.select(up, i, start);
        let in_order = self.e.b.icmp(IntCC::Sle, low, high);
        let below = self.e.b.icmp(IntCC::Slt, i, stop);
        let above = self.e.b.icmp(IntCC::Sgt, i, stop);
        let inside = self.e.b.select(up, below, above);
        // distances are below 2^64
        let distance = self.e.b.op(Opcode::Isub, &[high, low]);
        let negated = self.e.b.op(Opcode::Ineg, &[step]);
        let size = self.e.b.select(up, step, negated);
        let rest = self.e.b.op(Opcode::Urem, &[distance, size]);
        let on_step = self.e.b.icmp(IntCC::Eq, rest, zero);
        let both = self.e.b.op(Opcode::Band, &[in_order, inside]);
        Ok(self.e.b.op(Opcode::Band, &[both, on_step]))
    }
}
