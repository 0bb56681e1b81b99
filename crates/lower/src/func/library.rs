//! Calls of library functions that machine code computes.

use numlift_builtins::{Fill, Kind, Numpy};
use numlift_mir::{IntCC, Opcode, Region, Ty, Value};
use numlift_syntax::hir::{Arg, BinOp, CmpOp, ExprId};
use numlift_typeck::operators;
use numlift_types::{Kind as DKind, Layout, Scalar, Type};

use super::tuple::parts_of;
use super::{FnLower, R, Typed};
use crate::arith;
use crate::emit::Vals;

impl FnLower<'_, '_> {
    pub(crate) fn alloc(&mut self, id: ExprId, args: &[Arg], fill: Fill, like: bool) -> R<Typed> {
        let dtype = *self
            .inst
            .tables
            .dtypes
            .get(&id)
            .ok_or("an allocation without a dtype")?;
        let first = args
            .iter()
            .find(|a| matches!(a.name.as_deref(), None | Some("shape" | "a" | "prototype")))
            .ok_or("an allocation without a shape")?;
        let v = self.expr(first.value)?;
        if !self.reachable() {
            return Ok((Type::Never, Vals::new()));
        }
        let shape: Vec<Value> = match &v.0 {
            Type::Array(a) if like => v.1[1..1 + usize::from(a.ndim)].to_vec(),
            Type::Tuple(items) => {
                let items = items.clone();
                let mut out = vec![];
                for (t, x) in items.iter().zip(v.1.iter()) {
                    out.push(self.index_value(&(t.clone(), Vals::from_slice(&[*x])))?);
                }
                out
            }
            _ => vec![self.index_value(&v)?],
        };
        self.e.b.set_line(self.hir.exprs[id].line);
        let layout = match self.ty(id)? {
            Type::Array(a) => a.layout,
            _ => Layout::C,
        };
        let array = self.allocate(dtype, &shape, layout, fill == Fill::Zeros);
        if fill == Fill::Ones {
            self.fill_ones(&array)?;
        }
        Ok(array)
    }

    pub(crate) fn builtin(&mut self, kind: Kind, path: &str, args: &[Typed], ty: &Type) -> R<Typed> {
        let int = |v: Value| Ok((Type::INT, Vals::from_slice(&[v])));
        match kind {
            Kind::Len => match &args[0].0 {
                Type::Array(_) => int(args[0].1[1]),
                Type::Tuple(items) | Type::List(items) => int(self.e.b.iconst(Ty::I64, items.len() as i64)),
                Type::Str(s) => int(self.e.b.iconst(Ty::I64, s.chars().count() as i64)),
                Type::Range => int(self.range_len(&args[0].1)),
                t => Err(format!("len of {t}")),
            },
            Kind::Abs => self.number(&args[0], |f, s, v| {
                let t = operators::abs(s).ok_or("abs")?;
                Ok((Type::Scalar(t), arith::abs(&mut f.e, (s, &v))))
            }),
            Kind::Min => self.extremum(CmpOp::Lt, args, ty),
            Kind::Max => self.extremum(CmpOp::Gt, args, ty),
            Kind::Pow if args.len() == 3 => self.pow_mod(args),
            Kind::Pow => self.binary(BinOp::Pow, &args[0], &args[1]),
            Kind::Divmod => {
                self.divmod_check(args)?;
                let q = self.binary(BinOp::FloorDiv, &args[0], &args[1])?;
                let r = self.binary(BinOp::Mod, &args[0], &args[1])?;
                let mut vals = q.1;
                vals.extend(r.1);
                Ok((Type::tuple([q.0, r.0]), vals))
            }
            Kind::Round => {
                let (Type::Scalar(s), v) = &args[0] else {
                    return Err("round".into());
                };
                match args.get(1) {
                    None => Ok((Type::INT, arith::round(&mut self.e, (*s, v)))),
                    Some(digits) => self.round_float(&args[0], digits),
                }
            }
            Kind::Math | Kind::Hypot => self.math(path, args, ty),
            Kind::Numpy(which) => self.numpy(which, args, ty),
            Kind::Array => self.array_of(&args[0], ty),
            Kind::Range => {
                let vals = args.iter().map(|a| self.index_value(a)).collect::<R<Vec<_>>>()?;
                Ok(self.range_call(&vals))
            }
            _ => Err(format!("{path} is not lowered")),
        }
    }

    fn math(&mut self, path: &str, args: &[Typed], ty: &Type) -> R<Typed> {
        let name = path.rsplit('.').next().unwrap_or(path);
        if let [v @ (Type::Union(_), _)] = args {
            return self.number(v, |f, s, v| {
                let t = operators::math(name, &[s]).ok_or("math argument")?;
                let vals = arith::math_call(&mut f.e, name, &[(s, &v)]).ok_or("math argument")?;
                Ok((t, vals))
            });
        }
        let mut parts = vec![];
        for (t, v) in args {
            let Type::Scalar(s) = t else {
                return Err("math argument".into());
            };
            parts.push((*s, v));
        }
        let vals = arith::math_call(&mut self.e, name, &parts).ok_or_else(|| format!("math.{name}"))?;
        Ok((ty.clone(), vals))
    }

    /// `round(float, int)`: natively for 0 to 22 digits of a finite number, else by the interpreter.
    fn round_float(&mut self, x: &Typed, digits: &Typed) -> R<Typed> {
        let finite = arith::is_finite(&mut self.e, x.1[0]);
        let limit = self.e.b.iconst(Ty::I64, 22);
        let few = self.e.b.icmp(IntCC::Ule, digits.1[0], limit);
        let native = self.e.b.op(Opcode::Band, &[finite, few]);
        self.native_or_boxed(
            native,
            "builtins.round",
            &[x.clone(), digits.clone()],
            &Type::FLOAT,
            |f| f.e.helper("float_round", &[x.1[0], digits.1[0]]),
        )
    }

    /// `pow(int, int, int)`: natively unless the exponent is negative or the modulus 0.
    fn pow_mod(&mut self, args: &[Typed]) -> R<Typed> {
        let mut v = Vals::new();
        for (t, vals) in args {
            let Type::Scalar(s) = t else {
                return Err("pow".into());
            };
            v.push(arith::int64(&mut self.e, (*s, vals)));
        }
        let zero = self.e.b.iconst(Ty::I64, 0);
        let whole = self.e.b.icmp(IntCC::Sge, v[1], zero);
        let modulus = self.e.b.icmp(IntCC::Ne, v[2], zero);
        let native = self.e.b.op(Opcode::Band, &[whole, modulus]);
        self.native_or_boxed(native, "builtins.pow", args, &Type::INT, |f| {
            f.e.helper("pow_mod", &v)
        })
    }

    /// A kernel where `native` holds, elsewhere the library function itself.
    fn native_or_boxed(
        &mut self,
        native: Value,
        path: &str,
        args: &[Typed],
        ty: &Type,
        kernel: impl FnOnce(&mut Self) -> Option<Value>,
    ) -> R<Typed> {
        let state = self.state();
        let (yes, no) = self.branch(native);
        self.start(yes, state.clone());
        let r = kernel(self).ok_or("a kernel with a result")?;
        let done = (ty.clone(), Vals::from_slice(&[r]));
        let mut ends: Vec<_> = self.suspend(Some(done)).into_iter().collect();
        self.start(no, state);
        let object = self.library(path)?;
        let r = self.boxed(Some(object), String::new(), vec![], args, ty)?;
        ends.extend(self.suspend(Some(r)));
        self.merged_value(ends)
    }

    /// An array of nested sequences of numbers.
    fn array_of(&mut self, v: &Typed, ty: &Type) -> R<Typed> {
        fn numbers(v: &Typed, out: &mut Vec<Typed>) {
            match v.0 {
                Type::Tuple(_) | Type::List(_) => parts_of(v).iter().for_each(|p| numbers(p, out)),
                _ => out.push(v.clone()),
            }
        }
        let &Type::Array(a) = ty else {
            return Err("an array of numbers".into());
        };
        let (mut shape, mut t) = (vec![], &v.0);
        while let Some(items) = t.items() {
            shape.push(self.e.b.iconst(Ty::I64, items.len() as i64));
            t = items.first().unwrap_or(&Type::None);
        }
        let mut all = vec![];
        numbers(v, &mut all);
        let array = self.allocate(a.dtype, &shape, Layout::C, false);
        let step = a.dtype.component().size() as i32;
        let mut at = 0;
        for (t, vals) in &all {
            let Type::Scalar(s) = t else {
                return Err("an array of numbers".into());
            };
            for x in arith::cast(&mut self.e, s.dtype(), vals, a.dtype) {
                self.e.b.store(x, array.1[0], at, Region::Any);
                at += step;
            }
        }
        Ok(array)
    }

    /// `np.clip(x, low, high)` and `np.round(x)` of scalars in the dtype of the result.
    fn numpy(&mut self, which: Numpy, args: &[Typed], ty: &Type) -> R<Typed> {
        let Type::Scalar(Scalar::Np(d)) = *ty else {
            return Err("a NumPy scalar".into());
        };
        let mut v = vec![];
        for (t, vals) in args {
            let Type::Scalar(s) = t else {
                return Err("a scalar".into());
            };
            v.push(arith::cast(&mut self.e, s.dtype(), vals, d)[0]);
        }
        let r = match (which, v.as_slice()) {
            (Numpy::Clip, &[x, low, high]) => {
                let low = arith::pick(&mut self.e, CmpOp::Ge, d, x, low);
                arith::pick(&mut self.e, CmpOp::Le, d, low, high)
            }
            (Numpy::Round, &[x]) if d.kind() == DKind::Float => self.e.b.op(Opcode::Fnearest, &[x]),
            (Numpy::Round, &[x]) => x,
            _ => return Err("arguments".into()),
        };
        Ok((ty.clone(), Vals::from_slice(&[r])))
    }

    /// `divmod` of Python numbers has its own text for a zero divisor.
    fn divmod_check(&mut self, args: &[Typed]) -> R<()> {
        if let (Type::Scalar(a), Type::Scalar(b)) = (&args[0].0, &args[1].0)
            && a.is_python()
            && b.is_python()
        {
            let ok = arith::truth(&mut self.e, (*b, &args[1].1));
            let operands = [(*a, &args[0].1), (*b, &args[1].1)];
            self.e.replay_unless(ok, "divmod(a, b)", &operands);
        }
        Ok(())
    }

    /// `min` and `max`: the first of the smallest (largest), as Python compares them.
    fn extremum(&mut self, op: CmpOp, args: &[Typed], ty: &Type) -> R<Typed> {
        let unpacked: Vec<Typed> = match args {
            [v @ (Type::Tuple(_), _)] => parts_of(v),
            many => many.to_vec(),
        };
        let mut best = unpacked[0].clone();
        for other in &unpacked[1..] {
            let c = self.compare_values(op, other, &best)?;
            if other.0 == best.0 && other.1.len() == 1 {
                let v = self.e.b.select(c, other.1[0], best.1[0]);
                best.1 = Vals::from_slice(&[v]);
                continue;
            }
            let state = self.state();
            let (yes, no) = self.branch(c);
            self.start(yes, state.clone());
            let mut ends: Vec<_> = self.suspend(Some(other.clone())).into_iter().collect();
            self.start(no, state);
            ends.extend(self.suspend(Some(best)));
            best = self.merged_value(ends)?;
        }
        let vals = self.convert(&best.1, &best.0, ty)?;
        Ok((ty.clone(), vals))
    }
}
