//! Calls.

use cranelift_entity::EntityRef;
use numlift_builtins::Kind;
use numlift_mir::{FuncId, Opcode, Region, Slot, Ty, Value};
use numlift_runtime::{CallSig, ExitReason, ObjectEntry};
use numlift_syntax::hir::{Arg, ExprId, ExprKind, Name};
use numlift_typeck::{ArgSource, Call, Known, Static, operators};
use numlift_types::{ObjectRef, Scalar, Type};

use super::tuple::part_of;
use super::{FnLower, IsBound, R, Typed};
use crate::arith;
use crate::emit::{Vals, flat_tys};

/// A stack slot with the arguments of a helper and, from an offset on, room for its results.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Area {
    pub slot: Slot,
    pub results: i64,
}

/// What a boxed call calls and how.
pub(super) struct Boxed {
    pub object: Option<ObjectRef>,
    /// A method of the first argument, if it is not empty.
    pub method: String,
    /// Names of the last arguments.
    pub keywords: Vec<String>,
    pub effect: bool,
}

impl FnLower<'_, '_> {
    pub(crate) fn call(&mut self, id: ExprId, func: ExprId, args: &[Arg]) -> R<Typed> {
        let never = || Ok((Type::Never, Vals::new()));
        let Some(target) = self.inst.tables.calls.get(&id).cloned() else {
            // typing found that the function or an argument never has a value: evaluating it raises
            let first = match self.hir.exprs[func].kind {
                ExprKind::Attribute(base, _) => base,
                _ => func,
            };
            self.check_bound(first)?;
            let known = self.inst.tables.exprs.get(&first);
            if known.is_some_and(|t| first != func || *t == Type::Never) && self.reachable() {
                self.expr(first)?;
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
        self.check_bound(func)?;
        if !self.reachable() {
            return never();
        }
        match target {
            Call::Instance {
                id: callee,
                args: sources,
            } => {
                let value = self.expr(func)?;
                if !self.reachable() {
                    return never();
                }
                self.call_instance(id, callee.0, &value, &sources, line)
            }
            Call::Boxed {
                object,
                method,
                args,
                keywords,
                effect,
                ..
            } => {
                let mut values = vec![];
                for a in args {
                    values.push(self.expr(a)?);
                    if !self.reachable() {
                        return never();
                    }
                }
                self.e.b.set_line(line);
                let raising = self.e.raising();
                let how = Boxed {
                    object,
                    method,
                    keywords,
                    effect,
                };
                let v = self.call_boxed(how, &values, &ty)?;
                if effect {
                    self.effect();
                    self.e.raises_behind_effect(raising);
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
            Call::C { object, args } => {
                let mut values = vec![];
                for a in args {
                    values.push(self.expr(a)?);
                    if !self.reachable() {
                        return never();
                    }
                }
                self.e.b.set_line(line);
                self.c_call(object, &values, &ty)
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
                Kind::Random(draw) => self.random(id, draw, args, &ty),
                Kind::Alloc(fill) => self.alloc(id, args, fill, false),
                Kind::AllocLike(fill) => self.alloc(id, args, fill, true),
                Kind::Method(method) => self.number_method(method, func, &ty),
                kind => {
                    let values = self.values(args)?;
                    if !self.reachable() {
                        return never();
                    }
                    self.e.b.set_line(line);
                    self.builtin(kind, row.path, &values, &ty)
                }
            },
            Call::Constant(..) => never(),
            Call::Static(answer) => {
                if let Some(a) = args.first() {
                    self.expr(a.value)?;
                }
                if !self.reachable() {
                    return never();
                }
                Ok(match answer {
                    Static::Bool(x) => (ty, Vals::from_slice(&[self.e.bool_const(x)])),
                    Static::Float(bits) => {
                        let x = self.e.b.fconst(Ty::F64, f64::from_bits(bits));
                        (ty, Vals::from_slice(&[x]))
                    }
                    Static::Type => (ty, Vals::new()),
                })
            }
        }
    }

    /// Raises if a variable that a constant is reached by is not bound.
    pub(crate) fn check_bound(&mut self, id: ExprId) -> R<()> {
        let hir = self.hir.clone();
        let mut id = id;
        while let ExprKind::Attribute(base, _) = hir.exprs[id].kind {
            id = base;
        }
        if let ExprKind::Name(Name::Local(l)) = hir.exprs[id].kind
            && self.e.vars[l.index()].bound != IsBound::Yes
        {
            self.e.b.set_line(hir.exprs[id].line);
            self.read_local(l)?;
        }
        Ok(())
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

    /// `value` is that of the function called.
    fn call_instance(
        &mut self,
        id: ExprId,
        callee: usize,
        value: &Typed,
        sources: &[ArgSource],
        line: u32,
    ) -> R<Typed> {
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
            ArgSource::Expr(e) | ArgSource::Item(e, _) => (0, self.hir.exprs[e].span.start),
            _ => (1, 0),
        });
        let mut values: Vec<Vals> = vec![Vals::new(); sources.len()];
        let mut spread: Option<(ExprId, Typed)> = None;
        for i in order {
            let v = match &sources[i] {
                ArgSource::Expr(e) => self.expr(*e)?,
                ArgSource::Item(e, k) => {
                    if spread.as_ref().is_none_or(|(of, _)| of != e) {
                        spread = Some((*e, self.expr(*e)?));
                    }
                    match &spread {
                        Some((_, v)) if self.reachable() => part_of(v, *k),
                        _ => (Type::Never, Vals::new()),
                    }
                }
                ArgSource::Hidden(index) => self.hidden(*index, &params[i]),
                ArgSource::Const => (params[i].clone(), Vals::new()),
                ArgSource::Local(l) => self.read_local(*l)?,
                ArgSource::Capture(k) => self.captures[*k].clone(),
                ArgSource::Part(k) => part_of(value, *k),
            };
            if !self.reachable() {
                return Ok((Type::Never, Vals::new()));
            }
            values[i] = self.convert(&v.1, &v.0, &params[i])?;
        }
        self.e.b.set_line(line);
        args.extend(values.into_iter().flatten());
        args.push(self.e.effects);
        let raising = self.e.raising();
        let (site, recorded) = self.call_site(id, inst.effects);
        if inst.effects {
            self.e.raises_behind_effect(raising);
        }
        args.extend(recorded);
        let ret = self.sh.results.get(&callee).cloned().unwrap_or(Type::Never);
        let tys = flat_tys(&ret);
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

    /// A stack slot with values as arguments of a helper and room for its results: addresses of both. They differ even
    /// without arguments: an address of the slot itself is one that only stores and loads of this function use.
    pub(super) fn helper_area(&mut self, args: &[Value], results: usize) -> (Value, Value) {
        let area = self.area(args, results);
        (self.e.b.slot_addr(area.slot), self.results_of(area))
    }

    pub(super) fn area(&mut self, args: &[Value], results: usize) -> Area {
        let n = args.len().max(1);
        let slot = self.e.b.create_slot(8 * (n + results) as u32, false);
        let base = self.e.b.slot_addr(slot);
        for (i, &v) in args.iter().enumerate() {
            let v = self.widen(v);
            self.e.b.store(v, base, 8 * i as i32, Region::Stack);
        }
        Area {
            slot,
            results: 8 * n as i64,
        }
    }

    /// The address of the results of a helper.
    pub(super) fn results_of(&mut self, area: Area) -> Value {
        let base = self.e.b.slot_addr(area.slot);
        let skip = self.e.b.iconst(Ty::I64, area.results);
        self.e.b.op(Opcode::Iadd, &[base, skip])
    }

    /// A call of a function through the interpreter that has no effect.
    pub(crate) fn boxed(
        &mut self,
        object: Option<ObjectRef>,
        method: String,
        keywords: Vec<String>,
        args: &[Typed],
        ret: &Type,
    ) -> R<Typed> {
        let how = Boxed {
            object,
            method,
            keywords,
            effect: false,
        };
        self.call_boxed(how, args, ret)
    }

    /// A call of a library function: by a kernel if there is one, else through the interpreter.
    fn call_boxed(&mut self, how: Boxed, args: &[Typed], ret: &Type) -> R<Typed> {
        match self.reduction(&how, args, ret) {
            Some(plan) => self.reduced(&plan, how, args, ret),
            None => self.call_python(how, args, ret),
        }
    }

    /// A call through the interpreter: arguments and result go through a stack slot. A result of another type than
    /// expected is an exit, unless the call has had an effect.
    pub(super) fn call_python(&mut self, how: Boxed, args: &[Typed], ret: &Type) -> R<Typed> {
        let types: Vec<Type> = args.iter().map(|(t, _)| self.boxable(t)).collect();
        let sig = self.sh.call_sig(CallSig {
            args: types,
            keywords: how.keywords,
            method: how.method,
            ret: ret.clone(),
            effect: how.effect,
        });
        let index = match how.object {
            Some(o) => self.sh.object(ObjectEntry::Object(o)),
            None => 0,
        };
        let flat: Vec<Value> = args.iter().flat_map(|(_, v)| v.iter().copied()).collect();
        let ret_tys = flat_tys(ret);
        let (base, out) = self.helper_area(&flat, ret_tys.len() + 1);
        let o = self.e.b.iconst(Ty::I64, i64::from(index));
        let s = self.e.b.iconst(Ty::I64, i64::from(sig));
        self.e.helper_fallible("py_call", &[o, s, base, out]);
        let fits = self
            .e
            .b
            .load(Ty::I8, out, 8 * ret_tys.len() as i32, Region::Stack);
        let reason = match ret {
            Type::Scalar(Scalar::PyInt) => ExitReason::Overflow,
            _ => ExitReason::ValueType,
        };
        self.e.exit_unless(fits, reason);
        let vals: Vals = ret_tys
            .iter()
            .enumerate()
            .map(|(i, &t)| self.e.b.load(t, out, 8 * i as i32, Region::Stack))
            .collect();
        let mut v = (ret.clone(), vals);
        self.mark_extents(&mut v);
        for owner in Self::owners_of(&v) {
            self.hold_new(owner);
        }
        Ok(v)
    }

    /// A class used as a dtype is passed as the dtype.
    fn boxable(&self, t: &Type) -> Type {
        let Type::Known(o) = t else { return t.clone() };
        match self.sh.env.known(*o) {
            Known::Builtin(path) => operators::class_dtype(&path).map_or(t.clone(), Type::DType),
            _ => t.clone(),
        }
    }

    /// Integers narrower than a slot are extended to it (bytes as unsigned: bools; the host truncates).
    fn widen(&mut self, v: Value) -> Value {
        match self.e.b.func.ty(v) {
            Ty::I8 => self.e.b.convert(Opcode::Zext, Ty::I64, v),
            Ty::I16 | Ty::I32 => self.e.b.convert(Opcode::Sext, Ty::I64, v),
            _ => v,
        }
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
}
