//! Calls.

use numlift_builtins::{Fill, Kind};
use numlift_mir::{FuncId, IntCC, Opcode, Region, Ty, Value};
use numlift_runtime::SiteKind;
use numlift_syntax::hir::{Arg, BinOp, CmpOp, ExprId, ExprKind};
use numlift_typeck::{ArgSource, Call, CallSig, ObjectEntry, Static, operators};
use numlift_types::{DType, ObjectRef, Scalar, Type};

use super::{FnLower, R, Typed};
use crate::arith;
use crate::emit::{Vals, flat_tys};

impl FnLower<'_, '_> {
    pub(crate) fn call(&mut self, id: ExprId, func: ExprId, args: &[Arg]) -> R<Typed> {
        let never = || Ok((Type::Never, Vals::new()));
        let Some(target) = self.inst.tables.calls.get(&id).cloned() else {
            // typing found that an argument never has a value: evaluating it raises
            if let ExprKind::Attribute(base, _) = self.hir.exprs[func].kind
                && self.inst.tables.exprs.contains_key(&base)
            {
                self.expr(base)?;
            }
            for a in args {
                if self.reachable() && self.inst.tables.exprs.contains_key(&a.value) {
                    self.expr(a.value)?;
                }
            }
            if self.reachable() {
                self.e.b.unreachable();
            }
            return never();
        };
        let line = self.hir.exprs[id].line;
        let ty = self.ty(id)?;
        match target {
            Call::Instance {
                id: callee,
                args: sources,
            } => self.call_instance(callee.0, &sources, line),
            Call::Boxed {
                object,
                method,
                args,
                keywords,
            } => {
                let mut values = vec![];
                for a in args {
                    values.push(self.expr(a)?);
                    if !self.reachable() {
                        return never();
                    }
                }
                self.e.b.set_line(line);
                let v = self.boxed(object, method, keywords, &values, &ty)?;
                let effect = match &self.hir.exprs[func].kind {
                    ExprKind::Attribute(_, n) => n == "fill" || self.draws(object),
                    _ => self.draws(object),
                };
                if effect {
                    self.effect();
                }
                Ok(v)
            }
            Call::Ufunc {
                object,
                types,
                args,
                dtypes,
            } => {
                let mut values = vec![];
                for a in args {
                    values.push(self.expr(a)?);
                    if !self.reachable() {
                        return never();
                    }
                }
                self.ufunc(object, &types, &dtypes, &values)
            }
            Call::Cast(to) => {
                let values = self.values(args)?;
                if !self.reachable() {
                    return never();
                }
                self.e.b.set_line(line);
                self.cast(to, &values)
            }
            Call::Builtin(row) => match row.kind {
                Kind::Alloc(fill) => self.alloc(id, args, fill, false),
                Kind::AllocLike(fill) => self.alloc(id, args, fill, true),
                kind => {
                    let values = self.values(args)?;
                    if !self.reachable() {
                        return never();
                    }
                    self.e.b.set_line(line);
                    self.builtin(kind, row.path, &values, &ty)
                }
            },
            Call::Static(answer) => {
                if let Some(a) = args.first() {
                    self.expr(a.value)?;
                }
                if !self.reachable() {
                    return never();
                }
                Ok(match answer {
                    Static::Bool(x) => (ty, Vals::from_slice(&[self.e.bool_const(x)])),
                    Static::Type => (ty, Vals::new()),
                })
            }
        }
    }

    fn draws(&self, object: Option<ObjectRef>) -> bool {
        use numlift_typeck::Known;
        match object.map(|o| self.sh.env.known(o)) {
            Some(Known::Builtin(p)) => numlift_builtins::find(&p).is_some_and(|b| b.effect),
            _ => false,
        }
    }

    fn values(&mut self, args: &[Arg]) -> R<Vec<Typed>> {
        let mut out = vec![];
        for a in args {
            if !self.reachable() {
                break;
            }
            out.push(self.expr(a.value)?);
        }
        Ok(out)
    }

    fn call_instance(&mut self, callee: usize, sources: &[ArgSource], line: u32) -> R<Typed> {
        let program = self.sh.program;
        let inst = &program.instances[callee];
        let params: Vec<Type> = inst
            .args
            .iter()
            .chain(inst.tables.captures.iter().map(|(_, t)| t))
            .cloned()
            .collect();
        let mut args: Vec<Value> = vec![];
        // Arguments are evaluated in source order, which is not always parameter order.
        let mut order: Vec<usize> = (0..sources.len()).collect();
        order.sort_by_key(|&i| match sources[i] {
            ArgSource::Expr(e) => (0, self.hir.exprs[e].span.start),
            _ => (1, 0),
        });
        let mut values: Vec<Vals> = vec![Vals::new(); sources.len()];
        for i in order {
            let v = match &sources[i] {
                ArgSource::Expr(e) => self.expr(*e)?,
                ArgSource::Hidden(index) => self.hidden(*index, &params[i]),
                ArgSource::Const => (params[i].clone(), Vals::new()),
                ArgSource::Local(l) => self.read_local(*l)?,
                ArgSource::Capture(k) => self.captures[*k].clone(),
            };
            if !self.reachable() {
                return Ok((Type::Never, Vals::new()));
            }
            values[i] = self.convert(&v.1, &v.0, &params[i])?;
        }
        self.e.b.set_line(line);
        args.extend(values.into_iter().flatten());
        args.push(self.e.effects);
        let ret = self.sh.results.get(&callee).cloned().unwrap_or(Type::Never);
        let tys = flat_tys(&ret);
        let site = self.e.site(SiteKind::Call);
        let vals: Vals = self
            .e
            .b
            .call(FuncId::from_u32(callee as u32), &args, &tys, site)
            .into_iter()
            .collect();
        if ret == Type::Never {
            self.e.b.unreachable();
            return Ok((Type::Never, Vals::new()));
        }
        if inst.effects {
            self.effect();
        }
        let mut v = (ret, vals);
        self.mark_extents(&mut v);
        for owner in Self::owners_of(&v) {
            self.hold_new(owner);
        }
        Ok(v)
    }

    /// A call through the interpreter: arguments and result go through a stack slot.
    pub(crate) fn boxed(
        &mut self,
        object: Option<ObjectRef>,
        method: String,
        keywords: Vec<String>,
        args: &[Typed],
        ret: &Type,
    ) -> R<Typed> {
        let types: Vec<Type> = args.iter().map(|(t, _)| t.clone()).collect();
        let sig = self.sh.call_sig(CallSig {
            args: types,
            keywords,
            method,
            ret: ret.clone(),
        });
        let index = match object {
            Some(o) => self.sh.object(ObjectEntry::Object(o)),
            None => 0,
        };
        let flat: Vec<Value> = args.iter().flat_map(|(_, v)| v.iter().copied()).collect();
        let ret_tys = flat_tys(ret);
        let slot = self
            .e
            .b
            .create_slot(8 * (flat.len() + ret_tys.len()).max(1) as u32, false);
        let base = self.e.b.slot_addr(slot);
        for (i, &v) in flat.iter().enumerate() {
            let v = self.widen(v);
            self.e.b.store(v, base, 8 * i as i32, Region::Stack);
        }
        let skip = self.e.b.iconst(Ty::I64, 8 * flat.len() as i64);
        let out = self.e.b.op(Opcode::Iadd, &[base, skip]);
        let o = self.e.b.iconst(Ty::I64, i64::from(index));
        let s = self.e.b.iconst(Ty::I64, i64::from(sig));
        let effects = self.e.b.convert(Opcode::Zext, Ty::I64, self.e.effects);
        self.e.helper_fallible("py_call", &[o, s, base, out, effects]);
        let vals: Vals = ret_tys
            .iter()
            .enumerate()
            .map(|(i, &t)| self.e.b.load(t, out, 8 * i as i32, Region::Any))
            .collect();
        let mut v = (ret.clone(), vals);
        self.mark_extents(&mut v);
        for owner in Self::owners_of(&v) {
            self.hold_new(owner);
        }
        Ok(v)
    }

    /// Integers narrower than a slot are extended to it (bytes as unsigned: bools; the host truncates).
    fn widen(&mut self, v: Value) -> Value {
        match self.e.b.func.ty(v) {
            Ty::I8 => self.e.b.convert(Opcode::Zext, Ty::I64, v),
            Ty::I16 | Ty::I32 => self.e.b.convert(Opcode::Sext, Ty::I64, v),
            _ => v,
        }
    }

    /// One element through a NumPy inner loop.
    pub(crate) fn ufunc(
        &mut self,
        object: ObjectRef,
        types: &str,
        dtypes: &[DType],
        args: &[Typed],
    ) -> R<Typed> {
        let slot = self.e.b.create_slot(16 * dtypes.len() as u32, false);
        let base = self.e.b.slot_addr(slot);
        for (k, (v, d)) in args.iter().zip(dtypes).enumerate() {
            let d = *d;
            let (_, vals) = self.number(v, |f, s, v| {
                let vals = match s.dtype() == d {
                    true => v,
                    false => arith::store(&mut f.e, d, (s, &v)).ok_or("ufunc operand")?,
                };
                Ok((Type::np(d), vals))
            })?;
            let size = d.component().size() as i32;
            for (i, &x) in vals.iter().enumerate() {
                self.e
                    .b
                    .store(x, base, 16 * k as i32 + i as i32 * size, Region::Stack);
            }
        }
        let f = self.sh.object(ObjectEntry::UfuncLoop(object, types.to_owned()));
        let data = self.sh.object(ObjectEntry::UfuncData(object, types.to_owned()));
        let f = self.e.b.object(f);
        let data = self.e.b.object(data);
        let n = self.e.b.iconst(Ty::I64, dtypes.len() as i64);
        self.e.helper("ufunc", &[f, data, base, n]);
        let last = dtypes.len() - 1;
        let skip = self.e.b.iconst(Ty::I64, 16 * last as i64);
        let at = self.e.b.op(Opcode::Iadd, &[base, skip]);
        Ok(self.load_element(dtypes[last], at))
    }

    fn cast(&mut self, to: Scalar, args: &[Typed]) -> R<Typed> {
        let ty = Type::Scalar(to);
        match args {
            [] => {
                let vals = flat_tys(&ty).into_iter().map(|t| self.zero(t)).collect();
                Ok((ty, vals))
            }
            [v] => self.number(v, |f, s, v| {
                if !operators::store(to.dtype(), s) {
                    // NumPy's complex to a real number: the value with a warning
                    let path = match to {
                        Scalar::Np(d) => format!("numpy.{d}"),
                        python => format!("builtins.{python}"),
                    };
                    let object = f.library(&path)?;
                    return f.boxed(Some(object), String::new(), vec![], &[(Type::Scalar(s), v)], &ty);
                }
                let vals = arith::construct(&mut f.e, to, (s, &v)).ok_or("a conversion")?;
                Ok((Type::Scalar(to), vals))
            }),
            [re, im, ..] => {
                let mut parts = Vals::new();
                for v in [re, im] {
                    let Type::Scalar(s) = v.0 else {
                        return Err("complex part".into());
                    };
                    let x =
                        arith::construct(&mut self.e, Scalar::PyFloat, (s, &v.1)).ok_or("complex part")?;
                    parts.extend(x);
                }
                Ok((ty, parts))
            }
        }
    }

    fn alloc(&mut self, id: ExprId, args: &[Arg], fill: Fill, like: bool) -> R<Typed> {
        let dtype = *self
            .inst
            .tables
            .dtypes
            .get(&id)
            .ok_or("an allocation without a dtype")?;
        let first = args
            .iter()
            .find(|a| matches!(a.name.as_deref(), None | Some("shape")))
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
        let array = self.allocate(dtype, &shape, fill == Fill::Zeros);
        if fill == Fill::Ones {
            self.fill_ones(&array)?;
        }
        Ok(array)
    }

    fn builtin(&mut self, kind: Kind, path: &str, args: &[Typed], ty: &Type) -> R<Typed> {
        let int = |v: Value| Ok((Type::INT, Vals::from_slice(&[v])));
        match kind {
            Kind::Len => match &args[0].0 {
                Type::Array(_) => int(args[0].1[1]),
                Type::Tuple(items) => int(self.e.b.iconst(Ty::I64, items.len() as i64)),
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
                let Type::Scalar(s) = args[0].0 else {
                    return Err("round".into());
                };
                Ok((Type::INT, arith::round(&mut self.e, (s, &args[0].1))))
            }
            Kind::Math => {
                let name = path.rsplit('.').next().unwrap_or(path);
                if let [v @ (Type::Union(_), _)] = args {
                    let name = name.to_owned();
                    return self.number(v, |f, s, v| {
                        let t = operators::math(&name, &[s]).ok_or("math argument")?;
                        let vals = arith::math_call(&mut f.e, &name, &[(s, &v)]).ok_or("math argument")?;
                        Ok((Type::Scalar(t), vals))
                    });
                }
                let mut parts = vec![];
                for (t, v) in args {
                    let Type::Scalar(s) = t else {
                        return Err("math argument".into());
                    };
                    parts.push((*s, v));
                }
                let vals =
                    arith::math_call(&mut self.e, name, &parts).ok_or_else(|| format!("math.{name}"))?;
                Ok((ty.clone(), vals))
            }
            Kind::Range => {
                let vals = args.iter().map(|a| self.index_value(a)).collect::<R<Vec<_>>>()?;
                Ok(self.range_call(&vals))
            }
            Kind::RandomDouble => {
                let x = self.random_double()?;
                self.effect();
                Ok((Type::FLOAT, Vals::from_slice(&[x])))
            }
            Kind::RandomUniform => self.random_uniform(args),
            Kind::RandomInt => self.random_int(args),
            _ => Err(format!("{path} is not lowered")),
        }
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
            [(Type::Tuple(items), vals)] => {
                let mut at = 0;
                items
                    .iter()
                    .map(|t| {
                        let k = flat_tys(t).len();
                        at += k;
                        (t.clone(), Vals::from_slice(&vals[at - k..at]))
                    })
                    .collect()
            }
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

    // -- random -------------------------------------------------------------------------------

    fn bitgen(&mut self) -> Value {
        let i = self.sh.object(ObjectEntry::GlobalBitgen);
        self.e.b.object(i)
    }

    fn random_double(&mut self) -> R<Value> {
        let g = self.bitgen();
        self.e
            .helper("bitgen_double", &[g])
            .ok_or_else(|| "bitgen_double".into())
    }

    /// `low + (high - low) * random()`, as RandomState.uniform.
    fn random_uniform(&mut self, args: &[Typed]) -> R<Typed> {
        let mut bounds = vec![];
        for v in args {
            let Type::Scalar(s) = v.0 else {
                return Err("uniform".into());
            };
            let x = arith::construct(&mut self.e, Scalar::PyFloat, (s, &v.1)).ok_or("uniform")?;
            bounds.push(x[0]);
        }
        let low = bounds
            .first()
            .copied()
            .unwrap_or_else(|| self.e.b.fconst(Ty::F64, 0.0));
        let high = bounds
            .get(1)
            .copied()
            .unwrap_or_else(|| self.e.b.fconst(Ty::F64, 1.0));
        let range = self.e.b.op(Opcode::Fsub, &[high, low]);
        // a range that is not finite is an error: replayed
        let abs = self.e.b.op(Opcode::Fabs, &[range]);
        let inf = self.e.b.fconst(Ty::F64, f64::INFINITY);
        let ok = self.e.b.fcmp(numlift_mir::FloatCC::Lt, abs, inf);
        let (l, h) = (Vals::from_slice(&[low]), Vals::from_slice(&[high]));
        let operands = [(Scalar::PyFloat, &l), (Scalar::PyFloat, &h)];
        self.e.replay_unless(ok, "np.random.uniform(a, b)", &operands);
        let x = self.random_double()?;
        let scaled = self.e.b.op(Opcode::Fmul, &[range, x]);
        let v = self.e.b.op(Opcode::Fadd, &[low, scaled]);
        self.effect();
        Ok((Type::FLOAT, Vals::from_slice(&[v])))
    }

    /// `randint(high)` / `randint(low, high)`, as RandomState draws int64.
    fn random_int(&mut self, args: &[Typed]) -> R<Typed> {
        let zero = self.e.b.iconst(Ty::I64, 0);
        let one = self.e.b.iconst(Ty::I64, 1);
        let vals = args.iter().map(|a| self.index_value(a)).collect::<R<Vec<_>>>()?;
        let (low, high, expr) = match vals.as_slice() {
            [high] => (zero, *high, "np.random.randint(b)"),
            [low, high, ..] => (*low, *high, "np.random.randint(a, b)"),
            [] => return Err("randint".into()),
        };
        let ok = self.e.b.icmp(IntCC::Slt, low, high);
        let (l, h) = (Vals::from_slice(&[low]), Vals::from_slice(&[high]));
        self.e
            .replay_unless(ok, expr, &[(Scalar::PyInt, &l), (Scalar::PyInt, &h)]);
        let span = self.e.b.op(Opcode::Isub, &[high, low]);
        let rng = self.e.b.op(Opcode::Isub, &[span, one]);
        let g = self.bitgen();
        let x = self.e.helper("bitgen_masked", &[g, rng]).ok_or("bitgen_masked")?;
        let v = self.e.b.op(Opcode::Iadd, &[low, x]);
        self.effect();
        Ok((Type::INT, Vals::from_slice(&[v])))
    }
}
