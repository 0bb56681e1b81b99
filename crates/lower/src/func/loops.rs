//! Loops, in rotated form: the test is at the bottom, and once before the loop.

use std::collections::HashSet;

use cranelift_entity::EntityRef;
use numlift_mir::{Block, IntCC, Opcode, Ty, Value};
use numlift_runtime::SiteKind;
use numlift_syntax::hir::{self, ExprId, ExprKind, LocalId, StmtId, Target};
use numlift_typeck::{Call, VarTy};
use numlift_types::{ArrayType, Scalar, Type};

use super::resume::ActiveLoop;
use super::{FnLower, Pending, R, Typed, scan};
use crate::emit::Vals;

/// What a `for` iterates over, evaluated.
pub(crate) enum Iter {
    /// start, stop, step, and the step if it is constant
    Range {
        start: Value,
        stop: Value,
        step: Value,
        constant: Option<i64>,
    },
    Array(ArrayType, Vals),
    Tuple(Typed),
    Enumerate(Value, Box<Iter>),
    Zip(Vec<Iter>),
    Reversed(Box<Iter>),
}

impl Iter {
    /// Whether it is known to have no items: typing has not looked at the loop's body.
    fn is_empty(&self) -> bool {
        match self {
            Iter::Range { .. } | Iter::Array(..) => false,
            Iter::Tuple((t, _)) => t.items().is_none_or(<[Type]>::is_empty),
            Iter::Enumerate(_, inner) | Iter::Reversed(inner) => inner.is_empty(),
            Iter::Zip(items) => items.iter().any(Iter::is_empty),
        }
    }
}

impl Iter {
    /// Owners of the arrays in it.
    fn owners(&self) -> Vec<Value> {
        match self {
            Iter::Range { .. } => vec![],
            Iter::Array(a, vals) => vec![vals[1 + 2 * usize::from(a.ndim)]],
            Iter::Tuple(v) => FnLower::owners_of(v),
            Iter::Enumerate(_, inner) | Iter::Reversed(inner) => inner.owners(),
            Iter::Zip(items) => items.iter().flat_map(Iter::owners).collect(),
        }
    }
}

/// How a `for` counts its turns.
struct Count {
    /// First counter that is not reached, the last one that is if `unit` is not set.
    limit: Value,
    step: Value,
    constant_step: Option<i64>,
    unit: bool,
    /// Least and greatest counter of a range whose step is no constant.
    span: Option<(Value, Value)>,
}

/// Head of a loop: the block and which variables are its parameters.
pub(super) struct Head {
    block: Block,
    params: Vec<(usize, VarTy)>,
}

impl FnLower<'_, '_> {
    /// The head block: first `extra` parameters, then the variables assigned in the loop, then the effects flag.
    pub(super) fn head(&mut self, id: StmtId, assigned: &HashSet<LocalId>) -> R<Head> {
        let types = self
            .inst
            .tables
            .loops
            .get(&id)
            .cloned()
            .ok_or("a loop was not typed")?;
        let mut params: Vec<(usize, VarTy)> = assigned
            .iter()
            .chain(&self.walrus)
            .map(|l| l.index())
            .filter_map(|i| types.get(i).map(|t| (i, t.clone())))
            .collect();
        params.sort_by_key(|(i, _)| *i);
        params.dedup_by_key(|(i, _)| *i);
        let span = self.hir.stmts[id].span;
        let assigned: Vec<usize> = params.iter().map(|(i, _)| *i).collect();
        self.settle_before_loop((span.start, span.end), &assigned)?;
        Ok(Head {
            block: self.e.b.create_block(),
            params,
        })
    }

    fn head_args(&mut self, head: &Head, extra: &[Value]) -> R<Vec<Value>> {
        let mut args = extra.to_vec();
        for (i, t) in &head.params {
            let var = self.e.vars[*i].clone();
            args.extend(self.convert_var(&var, t)?);
        }
        args.push(self.e.effects);
        Ok(args)
    }

    pub(super) fn jump_head(&mut self, head: &Head, extra: &[Value]) -> R<()> {
        let args = self.head_args(head, extra)?;
        self.e.b.jump(head.block, &args);
        Ok(())
    }

    /// Starts the head block; gives its extra parameters.
    pub(super) fn start_head(&mut self, head: &Head, extra: &[Ty]) -> Vec<Value> {
        self.e.b.switch_to(head.block);
        let out = extra
            .iter()
            .map(|&t| self.e.b.func.append_param(head.block, t))
            .collect();
        for (i, t) in &head.params {
            self.e.vars[*i] = self.param_var(head.block, t);
            self.e.unsettle(*i);
        }
        self.e.effects = self.e.b.func.append_param(head.block, Ty::I8);
        out
    }

    pub(super) fn safepoint(&mut self) {
        let site = self.e.site(SiteKind::Helper);
        self.e.b.safepoint(site);
    }

    pub(crate) fn while_loop(
        &mut self,
        id: StmtId,
        test: ExprId,
        body: &hir::Block,
        orelse: &hir::Block,
    ) -> R<()> {
        let hir = self.hir.clone();
        let assigned = scan::assigned_in(&hir, body);
        let head = self.head(id, &assigned)?;
        // The test sees the variables in the form the loop keeps them in.
        self.normalise(&head)?;
        let (yes, mut exits) = self.condition(test)?;
        self.merge(yes)?;
        if self.reachable() {
            let tested = self.tested(&head, test);
            self.jump_head(&tested, &[])?;
            self.start_head(&tested, &[]);
            self.narrow(test, true);
            self.begin_turns(id, body, self.active.len());
            self.block(body)?;
            let mut l = self.end_turns()?;
            l.continues.extend(self.suspend(None));
            self.merge(l.continues)?;
            if self.reachable() {
                self.mark_behind(body.last());
                self.e.b.set_line(hir.stmts[id].line);
                self.safepoint();
                self.normalise(&head)?;
                self.mark_statement(id);
                let (again, done) = self.condition(test)?;
                exits.extend(done);
                self.merge(again)?;
                if self.reachable() {
                    self.jump_head(&tested, &[])?;
                }
            }
            self.merge(exits)?;
            self.block_or_end(orelse, id)?;
            l.breaks.extend(self.suspend(None));
            self.merge(l.breaks)?;
        } else {
            self.merge(exits)?;
            self.block_or_end(orelse, id)?;
        }
        Ok(())
    }

    /// The head behind the test, which may bind variables itself.
    fn tested(&self, head: &Head, test: ExprId) -> Head {
        let bound = scan::walrus_in(&self.hir, test);
        let mut params = head.params.clone();
        for (i, t) in params.iter_mut().filter(|(i, _)| bound.contains(i)) {
            *t = super::var_ty(&self.e.vars[*i]);
        }
        Head {
            block: head.block,
            params,
        }
    }

    /// Brings the loop's variables into the types of its head, in place.
    fn normalise(&mut self, head: &Head) -> R<()> {
        for (i, t) in &head.params {
            let var = self.e.vars[*i].clone();
            let mut vals = self.convert_var(&var, t)?;
            let bound = match t.bound {
                numlift_typeck::Bound::No => super::IsBound::No,
                numlift_typeck::Bound::Yes => super::IsBound::Yes,
                numlift_typeck::Bound::Maybe => match vals.pop() {
                    Some(f) => super::IsBound::Flag(f),
                    None => super::IsBound::No,
                },
            };
            self.e.vars[*i] = super::Var {
                ty: t.ty.clone(),
                vals,
                bound,
            };
        }
        Ok(())
    }

    pub(crate) fn for_loop(
        &mut self,
        id: StmtId,
        target: &Target,
        iter: ExprId,
        body: &hir::Block,
        orelse: &hir::Block,
    ) -> R<()> {
        if let Some(&islands) = self.plan.and_then(|p| p.iterations.get(&id)) {
            return self.iteration(id, islands, body, orelse);
        }
        let it = self.iter(iter)?;
        if !self.reachable() {
            return Ok(());
        }
        if it.is_empty() {
            return self.block_or_end(orelse, id);
        }
        let hir = self.hir.clone();
        let mut assigned = scan::assigned_in(&hir, body);
        numlift_syntax::facts::target_locals(target, &mut assigned);
        let walrus = self.walrus.iter().copied();
        if scan::reads_any(&hir, iter, &assigned.iter().copied().chain(walrus).collect()) {
            self.keep_iter(&it);
        }
        let head = self.head(id, &assigned)?;
        let one = self.e.b.iconst(Ty::I64, 1);
        // `i < stop` counting by one; other steps run to the last value, which cannot overflow.
        let constant_step = match &it {
            Iter::Range { constant, .. } => constant.filter(|n| *n != 0),
            _ => Some(1),
        };
        let (first, limit, step, unit) = match &it {
            Iter::Range {
                start,
                stop,
                constant: Some(1),
                ..
            } => (*start, *stop, one, true),
            Iter::Range { start, step, .. } => {
                let vals = self.range_vals(&it);
                let last = self.range_last(&vals);
                (*start, last, *step, false)
            }
            other => {
                let n = self.iter_len(other);
                (self.e.b.iconst(Ty::I64, 0), n, one, true)
            }
        };
        let enter = match &it {
            Iter::Range {
                constant: Some(1), ..
            } => self.e.b.icmp(IntCC::Slt, first, limit),
            Iter::Range { .. } => {
                let vals = self.range_vals(&it);
                self.range_nonempty(&vals)
            }
            _ => self.e.b.icmp(IntCC::Slt, first, limit),
        };
        let span = constant_step.is_none().then(|| {
            let ends = [first, limit];
            (self.e.b.op(Opcode::Smin, &ends), self.e.b.op(Opcode::Smax, &ends))
        });
        let count = Count {
            limit,
            step,
            constant_step,
            unit,
            span,
        };
        let state = self.state();
        let (go, skip) = self.branch(enter);
        self.start(skip, state.clone());
        let mut exits: Vec<_> = self.suspend(None).into_iter().collect();
        self.start(go, state);
        let mut breaks = vec![];
        let mut next = Some(first);
        if let Some(peeled) = self.peeled.get(&id) {
            let others = std::mem::replace(&mut self.inst, peeled);
            breaks.extend(self.turn(id, &it, &count, first, target, body)?);
            self.inst = others;
            next = self.next_turn(&count, first, &mut exits);
        }
        if let Some(first) = next {
            self.jump_head(&head, &[first])?;
            let i = self.start_head(&head, &[Ty::I64])[0];
            breaks.extend(self.turn(id, &it, &count, i, target, body)?);
            if self.reachable() {
                self.e.b.set_line(hir.stmts[id].line);
                self.safepoint();
            }
            if let Some(next) = self.next_turn(&count, i, &mut exits) {
                self.jump_head(&head, &[next])?;
            }
        }
        self.merge(exits)?;
        self.block_or_end(orelse, id)?;
        breaks.extend(self.suspend(None));
        self.merge(breaks)?;
        Ok(())
    }

    /// One turn with counter `i`: binds the target and runs the body. Gives the ends at breaks.
    fn turn(
        &mut self,
        id: StmtId,
        it: &Iter,
        count: &Count,
        i: Value,
        target: &Target,
        body: &hir::Block,
    ) -> R<Vec<Pending>> {
        let span = self.hir.stmts[id].span;
        self.mark_turn(id, ActiveLoop::new(span, it, i, true));
        let item = match it {
            Iter::Range { start, stop, .. } => {
                if !count.unit {
                    self.assume_within(i, *start, *stop, count);
                }
                (Type::INT, Vals::from_slice(&[i]))
            }
            other => self.iter_item(other, i)?,
        };
        let around = self.active.len();
        self.active.push(ActiveLoop::new(span, it, i, false));
        self.bind_targets(id, target, item)?;
        self.begin_turns(id, body, around);
        let watched = self.iterated.len();
        self.iterated.extend(it.owners());
        self.block(body)?;
        self.iterated.truncate(watched);
        let mut l = self.end_turns()?;
        l.continues.extend(self.suspend(None));
        self.merge(l.continues)?;
        self.mark_behind(body.last());
        self.active.pop();
        Ok(l.breaks)
    }

    /// Goes on where there is another turn, and gives its counter.
    fn next_turn(&mut self, count: &Count, i: Value, exits: &mut Vec<Pending>) -> Option<Value> {
        if !self.reachable() {
            return None;
        }
        let next = self.e.b.op(Opcode::Iadd, &[i, count.step]);
        let cc = match count.constant_step {
            Some(n) if n > 0 => IntCC::Slt,
            Some(_) => IntCC::Sgt,
            None => IntCC::Ne,
        };
        let again = self.e.b.icmp(cc, if count.unit { next } else { i }, count.limit);
        let state = self.state();
        let (more, done) = self.branch(again);
        self.start(done, state.clone());
        exits.extend(self.suspend(None));
        self.start(more, state);
        Some(next)
    }

    /// Says that a counter lies between its start and its stop.
    fn assume_within(&mut self, i: Value, start: Value, stop: Value, count: &Count) {
        let (from, to) = match (count.constant_step, count.span) {
            (Some(n), _) if n > 0 => ((IntCC::Sge, start), (IntCC::Slt, stop)),
            (Some(_), _) => ((IntCC::Sle, start), (IntCC::Sgt, stop)),
            (None, Some((least, most))) => ((IntCC::Sge, least), (IntCC::Sle, most)),
            (None, None) => return,
        };
        for (cc, bound) in [from, to] {
            let c = self.e.b.icmp(cc, i, bound);
            self.e.b.assume(c);
        }
    }

    // -- iterables ----------------------------------------------------------------------------

    fn iter(&mut self, id: ExprId) -> R<Iter> {
        use numlift_builtins::Kind;
        let hir = self.hir.clone();
        if let (ExprKind::Call { args, .. }, Some(Call::Builtin(row))) =
            (&hir.exprs[id].kind, self.inst.tables.calls.get(&id))
        {
            let plain: Vec<ExprId> = args
                .iter()
                .filter(|a| a.name.is_none())
                .map(|a| a.value)
                .collect();
            match row.kind {
                Kind::Enumerate => {
                    let inner = self.iter(plain[0])?;
                    let named = args.iter().find(|a| a.name.is_some()).map(|a| a.value);
                    let start = match named.or(plain.get(1).copied()) {
                        Some(s) => {
                            let v = self.expr(s)?;
                            self.index_value(&v)?
                        }
                        None => self.e.b.iconst(Ty::I64, 0),
                    };
                    return Ok(Iter::Enumerate(start, Box::new(inner)));
                }
                Kind::Zip => {
                    let items = plain.iter().map(|&x| self.iter(x)).collect::<R<Vec<_>>>()?;
                    return Ok(Iter::Zip(items));
                }
                Kind::Reversed => {
                    let inner = self.iter(plain[0])?;
                    return Ok(Iter::Reversed(Box::new(inner)));
                }
                _ => {}
            }
        }
        let v = self.expr(id)?;
        match &v.0 {
            Type::Range => Ok(Iter::Range {
                start: v.1[0],
                stop: v.1[1],
                step: v.1[2],
                constant: self.e.b.func.int_const(v.1[2]),
            }),
            Type::Array(a) => Ok(Iter::Array(*a, v.1.clone())),
            Type::Tuple(_) | Type::List(_) => Ok(Iter::Tuple(v)),
            Type::Never => Ok(Iter::Tuple((Type::tuple([]), Vals::new()))),
            t => Err(format!("iteration over {t}")),
        }
    }

    /// Keeps the arrays that are iterated over, whatever happens to their variables.
    fn keep_iter(&mut self, it: &Iter) {
        match it {
            Iter::Range { .. } => {}
            Iter::Array(a, vals) => self.keep(&(Type::Array(*a), vals.clone())),
            Iter::Tuple(v) => self.keep(v),
            Iter::Enumerate(_, inner) | Iter::Reversed(inner) => self.keep_iter(inner),
            Iter::Zip(items) => items.iter().for_each(|i| self.keep_iter(i)),
        }
    }

    fn range_vals(&self, it: &Iter) -> Vals {
        match it {
            Iter::Range {
                start, stop, step, ..
            } => Vals::from_slice(&[*start, *stop, *step]),
            _ => Vals::new(),
        }
    }

    fn range_nonempty(&mut self, r: &Vals) -> Value {
        let zero = self.e.b.iconst(Ty::I64, 0);
        let up = self.e.b.icmp(IntCC::Sgt, r[2], zero);
        let lt = self.e.b.icmp(IntCC::Slt, r[0], r[1]);
        let gt = self.e.b.icmp(IntCC::Sgt, r[0], r[1]);
        self.e.b.select(up, lt, gt)
    }

    /// Number of steps after the first item of a non-empty range (unsigned, exact).
    fn range_steps(&mut self, r: &Vals) -> Value {
        let one = self.e.b.iconst(Ty::I64, 1);
        let zero = self.e.b.iconst(Ty::I64, 0);
        let up = self.e.b.icmp(IntCC::Sgt, r[2], zero);
        let diff_up = self.e.b.op(Opcode::Isub, &[r[1], r[0]]);
        let diff_down = self.e.b.op(Opcode::Isub, &[r[0], r[1]]);
        let diff = self.e.b.select(up, diff_up, diff_down);
        let neg = self.e.b.op(Opcode::Ineg, &[r[2]]);
        let size = self.e.b.select(up, r[2], neg);
        // an empty range with step 0 cannot occur; keep the division defined all the same
        let is_zero = self.e.b.icmp(IntCC::Eq, size, zero);
        let size = self.e.b.select(is_zero, one, size);
        let span = self.e.b.op(Opcode::Isub, &[diff, one]);
        self.e.b.op(Opcode::Udiv, &[span, size])
    }

    fn range_last(&mut self, r: &Vals) -> Value {
        let n = self.range_steps(r);
        let d = self.e.b.op(Opcode::Imul, &[n, r[2]]);
        self.e.b.op(Opcode::Iadd, &[r[0], d])
    }

    pub(crate) fn range_len(&mut self, r: &Vals) -> Value {
        let n = self.range_steps(r);
        let one = self.e.b.iconst(Ty::I64, 1);
        let n = self.e.b.op(Opcode::Iadd, &[n, one]);
        let zero = self.e.b.iconst(Ty::I64, 0);
        let some = self.range_nonempty(r);
        self.e.b.select(some, n, zero)
    }

    fn iter_len(&mut self, it: &Iter) -> Value {
        match it {
            Iter::Range { .. } => {
                let r = self.range_vals(it);
                self.range_len(&r)
            }
            Iter::Array(_, vals) => vals[1],
            Iter::Tuple((t, _)) => {
                let n = t.items().map_or(0, <[Type]>::len);
                self.e.b.iconst(Ty::I64, n as i64)
            }
            Iter::Enumerate(_, inner) | Iter::Reversed(inner) => self.iter_len(inner),
            Iter::Zip(items) => {
                let lens: Vec<Value> = items.iter().map(|i| self.iter_len(i)).collect();
                let mut n = lens[0];
                for &m in &lens[1..] {
                    n = self.e.b.op(Opcode::Smin, &[n, m]);
                }
                n
            }
        }
    }

    /// Item number `k`, which is in range.
    fn iter_item(&mut self, it: &Iter, k: Value) -> R<Typed> {
        match it {
            Iter::Range { start, step, .. } => {
                let d = self.e.b.op(Opcode::Imul, &[k, *step]);
                let v = self.e.b.op(Opcode::Iadd, &[*start, d]);
                Ok((Type::INT, Vals::from_slice(&[v])))
            }
            Iter::Array(a, vals) => self.array_item(*a, vals, k),
            Iter::Tuple(t) => self.tuple_item(t, k),
            Iter::Enumerate(start, inner) => {
                let item = self.iter_item(inner, k)?;
                let n = self.e.int_op(Opcode::IaddChk, Opcode::Iadd, *start, k);
                let mut vals = Vals::from_slice(&[n]);
                vals.extend(item.1);
                Ok((Type::tuple([Type::INT, item.0]), vals))
            }
            Iter::Zip(items) => {
                let mut types = vec![];
                let mut vals = Vals::new();
                for i in items {
                    let (t, v) = self.iter_item(i, k)?;
                    types.push(t);
                    vals.extend(v);
                }
                Ok((Type::tuple(types), vals))
            }
            Iter::Reversed(inner) => {
                let n = self.iter_len(inner);
                let one = self.e.b.iconst(Ty::I64, 1);
                let last = self.e.b.op(Opcode::Isub, &[n, one]);
                let k = self.e.b.op(Opcode::Isub, &[last, k]);
                self.iter_item(inner, k)
            }
        }
    }

    /// `range(...)` with its checks.
    pub(crate) fn range_call(&mut self, args: &[Value]) -> Typed {
        let zero = self.e.b.iconst(Ty::I64, 0);
        let one = self.e.b.iconst(Ty::I64, 1);
        let (start, stop, step) = match args {
            [stop] => (zero, *stop, one),
            [start, stop] => (*start, *stop, one),
            [start, stop, step, ..] => (*start, *stop, *step),
            [] => (zero, zero, one),
        };
        if args.len() == 3 {
            let ok = self.e.b.icmp(IntCC::Ne, step, zero);
            let v = Vals::from_slice(&[step]);
            self.e.replay_unless(ok, "range(0, 0, a)", &[(Scalar::PyInt, &v)]);
        }
        (Type::Range, Vals::from_slice(&[start, stop, step]))
    }
}
