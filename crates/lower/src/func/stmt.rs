//! Statements.

use std::collections::VecDeque;

use cranelift_entity::EntityRef;
use numlift_runtime::SiteKind;
use numlift_syntax::hir::{BinOp, Block, Case, CmpOp, ExprId, ExprKind, Pattern, StmtId, StmtKind, Target};
use numlift_typeck::{ArgSource, Operand, Resolved};
use numlift_types::Type;

use smallvec::SmallVec;

use super::finals::Leave;
use super::resume::Part;
use super::tuple::{composed, parts_of};
use super::{FnLower, IsBound, R, Typed, Var};
use crate::emit::Vals;

impl FnLower<'_, '_> {
    pub(crate) fn block(&mut self, block: &Block) -> R<()> {
        let mut rest = block.as_slice();
        while let [s, behind @ ..] = rest {
            if !self.reachable() {
                break;
            }
            match self.island_at(*s)? {
                0 => {
                    self.stmt(*s)?;
                    rest = behind;
                }
                n => rest = &rest[n..],
            }
        }
        if let (Some(last), true) = (block.last(), self.reachable()) {
            self.mark_end(last);
        }
        Ok(())
    }

    /// A block that may be empty: then exits go on behind the statement.
    pub(super) fn block_or_end(&mut self, block: &Block, id: StmtId) -> R<()> {
        self.block(block)?;
        if block.is_empty() && self.reachable() {
            self.mark_end(&id);
        }
        Ok(())
    }

    fn stmt(&mut self, id: StmtId) -> R<()> {
        let hir = self.hir.clone();
        let stmt = &hir.stmts[id];
        self.e.b.set_line(stmt.line);
        self.observe_cells(stmt.span.start);
        self.mark_statement(id);
        self.read_before(id)?;
        match &stmt.kind {
            StmtKind::Expr(e) => {
                if !matches!(hir.exprs[*e].kind, ExprKind::Const(_)) {
                    self.expr(*e)?;
                }
            }
            StmtKind::Assign { targets, value } if self.stores_elements(targets, *value) => {
                let [Target::Subscript(base, index)] = targets.as_slice() else {
                    return Err("an assignment to elements".into());
                };
                self.assign_elements(*base, *index, *value)?;
            }
            StmtKind::Assign { targets, value } => {
                let v = self.expr(*value)?;
                let tuple = targets.iter().any(|t| matches!(t, Target::Tuple { .. }));
                if tuple {
                    // Unpacking may overwrite the variables that hold the arrays: keep them.
                    self.keep(&v);
                }
                self.assign_each(targets, v)?;
            }
            StmtKind::AnnAssign { target, value, .. } => {
                if let Some(v) = value {
                    let v = self.expr(*v)?;
                    self.assign_each(std::slice::from_ref(target), v)?;
                }
            }
            StmtKind::AugAssign { target, op, value } => self.aug_assign(target, *op, *value)?,
            StmtKind::If { test, then, other } => {
                let (yes, no) = self.condition(*test)?;
                let mut ends = vec![];
                self.merge(yes)?;
                self.block(then)?;
                ends.extend(self.suspend(None));
                self.merge(no)?;
                self.block_or_end(other, id)?;
                ends.extend(self.suspend(None));
                self.merge(ends)?;
            }
            StmtKind::While { test, body, orelse } => self.while_loop(id, *test, body, orelse)?,
            StmtKind::For {
                target,
                iter,
                body,
                orelse,
            } => self.for_loop(id, target, *iter, body, orelse)?,
            StmtKind::Match { subject, cases } => self.match_stmt(*subject, cases)?,
            StmtKind::Break => self.leave_by(Leave::Break, None)?,
            StmtKind::Continue => self.leave_by(Leave::Continue, None)?,
            StmtKind::Return(value) => {
                let v = match value {
                    Some(v) => self.expr(*v)?,
                    None => (Type::None, Vals::new()),
                };
                if self.reachable() {
                    self.return_value(v)?;
                }
            }
            StmtKind::Assert { test, .. } => {
                if !self.sh.env.optimized() {
                    let (yes, no) = self.condition(*test)?;
                    self.merge(no)?;
                    if self.reachable() {
                        self.raise(id)?;
                    }
                    self.merge(yes)?;
                }
            }
            StmtKind::Raise { exc: None, .. } if !self.handling.is_empty() => self.raise_again(),
            StmtKind::Raise { .. } => self.raise(id)?,
            StmtKind::Import { module, local, top } => {
                let path = if *top {
                    module.split('.').next().unwrap_or(module)
                } else {
                    module
                };
                self.import(*local, self.sh.env.module(path));
            }
            StmtKind::ImportFrom {
                module, name, local, ..
            } => {
                let r = match self.sh.env.module(module) {
                    Resolved::Const(Type::Known(m)) => self.sh.env.attr(m, name),
                    other => other,
                };
                self.import(*local, r);
            }
            StmtKind::Def {
                local,
                nested,
                defaults,
            } => {
                let v = self.nested(*nested, defaults)?;
                if self.reachable() {
                    self.set_var(*local, v);
                }
            }
            StmtKind::Pass => {}
            StmtKind::Del(targets) => {
                for t in targets {
                    if self.reachable() {
                        self.delete(t)?;
                    }
                }
            }
            StmtKind::Try {
                body,
                handlers,
                orelse,
                finalbody,
                ..
            } if !self.interprets_try(id) => {
                let code = |f: &mut Self| match handlers.is_empty() {
                    true => f.block(body),
                    false => f.try_stmt(id, body, handlers, orelse),
                };
                match finalbody.is_empty() {
                    true => code(self)?,
                    false => self.finally(id, finalbody, code)?,
                }
            }
            StmtKind::With { items, body } if self.plan.is_some() => self.with(id, items, body)?,
            StmtKind::With { .. } | StmtKind::Try { .. } | StmtKind::Dynamic(_) => {
                return Err("a dynamic statement".into());
            }
        }
        if !numlift_syntax::facts::blocks(&stmt.kind).is_empty() {
            self.mark_behind(Some(&id));
        }
        Ok(())
    }

    /// A `try` statement that typing has not looked at as one to compile.
    fn interprets_try(&self, id: StmtId) -> bool {
        let tables = &self.inst.tables;
        !tables.handlers.contains_key(&id) && !tables.finals.contains_key(&id)
    }

    fn import(&mut self, local: numlift_syntax::hir::LocalId, r: Resolved) {
        match r {
            Resolved::Const(ty) => {
                self.e.vars[local.index()] = Var {
                    ty,
                    vals: Vals::new(),
                    bound: IsBound::Yes,
                };
            }
            Resolved::Hidden { index, ty } => {
                let v = self.hidden(index, &ty);
                self.set_var(local, v);
            }
            _ => {}
        }
    }

    /// Fails with the exception of a `raise` or `assert`.
    fn raise(&mut self, id: StmtId) -> R<()> {
        let template = self.inst.tables.errors.get(&id).cloned();
        let template = template.ok_or("an exception was not typed")?;
        let (mut types, mut vals) = (vec![], vec![]);
        for o in &template.operands {
            let (ty, v) = self.operand(o)?;
            if !self.reachable() {
                return Ok(());
            }
            types.push(ty);
            vals.extend(v);
        }
        let site = self.e.site(SiteKind::Replay {
            expr: template.text,
            operands: types,
        });
        self.e.b.fail(&vals, site);
        Ok(())
    }

    fn operand(&mut self, o: &Operand) -> R<Typed> {
        let v = match &o.source {
            ArgSource::Local(l) => self.read_local(*l)?,
            ArgSource::Hidden(index) => self.hidden(*index, &o.ty),
            ArgSource::Capture(k) => self.captures[*k].clone(),
            ArgSource::Expr(_) | ArgSource::Item(..) | ArgSource::Const | ArgSource::Part(_) => {
                return Err("an operand of an exception".into());
            }
        };
        match &v.0 {
            Type::Array(a) if o.shape => {
                let n = usize::from(a.ndim);
                let shape = Vals::from_slice(&v.1[1..1 + n]);
                Ok((Type::tuple(vec![Type::INT; n]), shape))
            }
            _ => Ok(v),
        }
    }

    fn delete(&mut self, target: &Target) -> R<()> {
        match target {
            Target::Local(l) => {
                self.read_local(*l)?;
                if self.reachable() {
                    self.unset_var(*l);
                }
                Ok(())
            }
            Target::Tuple { items, .. } => items.iter().try_for_each(|t| self.delete(t)),
            _ => Err("`del` of something dynamic".into()),
        }
    }

    /// Assigns to targets, one after the other; what is still to be assigned is what is not done of the statement.
    fn assign_each(&mut self, targets: &[Target], v: Typed) -> R<()> {
        let mut left: VecDeque<(SmallVec<[u32; 2]>, &Target, Typed)> = targets
            .iter()
            .enumerate()
            .map(|(i, t)| (SmallVec::from_slice(&[i as u32]), t, v.clone()))
            .collect();
        while let Some((path, target, v)) = left.front().cloned() {
            if !self.reachable() {
                break;
            }
            if self.e.tracked {
                let parts = left
                    .iter()
                    .map(|(path, _, v)| Part::Assign(path.clone(), v.clone()));
                self.running.parts = parts.collect();
                self.mark_within();
            }
            left.pop_front();
            let Target::Tuple { items, star } = target else {
                self.assign(target, v)?;
                continue;
            };
            let parts = self.unpack_starred(&v, items.len(), *star)?;
            for (k, (item, part)) in items.iter().zip(parts).enumerate().rev() {
                let mut path = path.clone();
                path.push(k as u32);
                left.push_front((path, item, part));
            }
        }
        Ok(())
    }

    /// Binds the targets of a loop in a turn.
    pub(super) fn bind_targets(&mut self, id: StmtId, target: &Target, item: Typed) -> R<()> {
        self.running.stmt = Some(id);
        self.assign_each(std::slice::from_ref(target), item)
    }

    pub(crate) fn assign(&mut self, target: &Target, v: Typed) -> R<()> {
        if !self.reachable() {
            return Ok(());
        }
        match target {
            Target::Local(l) => self.set_var(*l, v),
            Target::Subscript(base, index) => self.store_subscript(*base, *index, v)?,
            Target::Tuple { items, star } => {
                let parts = self.unpack_starred(&v, items.len(), *star)?;
                for (t, part) in items.iter().zip(parts) {
                    self.assign(t, part)?;
                }
            }
            _ => return Err("an assignment target that is dynamic".into()),
        }
        Ok(())
    }

    /// What the items of a target get, of which one may be starred.
    fn unpack_starred(&mut self, v: &Typed, n: usize, star: Option<usize>) -> R<Vec<Typed>> {
        let mut parts = self.unpack(v, n)?;
        if let Some(k) = star {
            let after = parts.len() + 1 - (n - k);
            let list = composed(&Type::List([].into()), parts[k..after].to_vec());
            parts.splice(k..after, [list]);
        }
        Ok(parts)
    }

    /// Items of a tuple, or of an array of which the length is checked.
    fn unpack(&mut self, v: &Typed, n: usize) -> R<Vec<Typed>> {
        match &v.0 {
            Type::Tuple(_) | Type::List(_) | Type::Record(_) => Ok(parts_of(v)),
            Type::Array(_) => self.unpack_array(v, n),
            t => Err(format!("{t} is unpacked")),
        }
    }

    fn aug_assign(&mut self, target: &Target, op: BinOp, value: ExprId) -> R<()> {
        match target {
            Target::Local(l) => {
                let old = self.read_local(*l)?;
                if !self.reachable() {
                    return Ok(());
                }
                self.running.parts.push(Part::Old(old.clone()));
                if let Some(call) = self.inst.tables.in_place.get(&value).cloned() {
                    let fresh = self.fresh.contains(l);
                    return self.in_place(&call, old, value, fresh);
                }
                let right = self.expr(value)?;
                let v = self.binary(op, &old, &right)?;
                self.assign(target, v)
            }
            Target::Subscript(base, index) if self.inst.tables.in_place.contains_key(&value) => {
                let call = self.inst.tables.in_place[&value].clone();
                if self.is_selection(*index) {
                    return self.selection_in_place(&call, *base, *index, value);
                }
                let old = self.subscript(*base, *index)?;
                if !self.reachable() {
                    return Ok(());
                }
                self.running.parts.push(Part::Old(old.clone()));
                let fresh = self.is_fresh(*base);
                self.in_place(&call, old, value, fresh)
            }
            Target::Subscript(base, index) => {
                let array = self.expr(*base)?;
                let place = self.place(&array, *index)?;
                let old = self.load_place(&place)?;
                self.running.parts.push(Part::Old(old.clone()));
                let right = self.expr(value)?;
                let v = self.binary(op, &old, &right)?;
                if !self.reachable() {
                    return Ok(());
                }
                self.store_place(*base, &place, v)
            }
            _ => Err("an augmented assignment that is dynamic".into()),
        }
    }

    fn match_stmt(&mut self, subject: ExprId, cases: &[Case]) -> R<()> {
        let v = self.expr(subject)?;
        let mut after = vec![];
        for case in cases {
            if !self.reachable() {
                break;
            }
            let mark = self.running.parts.len();
            let mut no = self.pattern(&case.pattern, &v)?;
            if let Some(g) = case.guard {
                let (yes, not) = self.condition(g)?;
                no.extend(not);
                self.merge(yes)?;
            }
            self.block(&case.body)?;
            after.extend(self.suspend(None));
            self.merge(no)?;
            if let Some(g) = case.guard {
                self.decide(mark, g, false);
            }
        }
        after.extend(self.suspend(None));
        self.merge(after)?;
        Ok(())
    }

    /// Continues where the pattern matches; the ends where it does not are returned.
    fn pattern(&mut self, p: &Pattern, v: &Typed) -> R<Vec<super::Pending>> {
        match p {
            Pattern::Value(e) => {
                let other = self.undone(*e)?;
                let c = self.compare_values(CmpOp::Eq, v, &other)?;
                let state = self.state();
                let (yes, no) = self.branch(c);
                self.start(no, state.clone());
                let end = self.suspend(None);
                self.start(yes, state);
                Ok(end.into_iter().collect())
            }
            Pattern::Capture(l) => {
                if let Some(l) = l {
                    self.set_var(*l, v.clone());
                }
                Ok(vec![])
            }
            Pattern::As(inner, l) => {
                let no = self.pattern(inner, v)?;
                self.set_var(*l, v.clone());
                Ok(no)
            }
            Pattern::Or(items) => {
                let mut yes = vec![];
                let mut no = vec![];
                for (i, p) in items.iter().enumerate() {
                    no = self.pattern(p, v)?;
                    yes.extend(self.suspend(None));
                    if i + 1 < items.len() {
                        self.merge(std::mem::take(&mut no))?;
                        if !self.reachable() {
                            break;
                        }
                    }
                }
                self.merge(yes)?;
                Ok(no)
            }
            Pattern::Sequence(_) | Pattern::Dynamic(_) => Err("a dynamic pattern".into()),
        }
    }
}
