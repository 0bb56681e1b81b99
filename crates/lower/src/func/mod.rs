//! One function: the state of its variables, merges of control flow, conversions at joins.

mod array;
mod call;
mod cells;
mod elementwise;
mod expr;
mod finals;
mod foreign;
mod handlers;
mod index;
mod island;
mod iteration;
mod landing;
mod library;
mod loops;
mod managers;
mod method;
mod operator;
mod optional;
mod random;
mod read;
mod reduce;
mod references;
mod resume;
mod scan;
mod selection;
mod stmt;
mod tuple;
mod turns;
mod ufunc;
mod vars;

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use cranelift_entity::EntityRef;
use numlift_mir::{Block, Builder, FuncId, Opcode, Slot, Ty, Value};
use numlift_runtime::SiteKind;
use numlift_syntax::hir::{ExprId, Function, LocalId, StmtId};
use numlift_typeck::islands::Plan;
use numlift_typeck::{Bound, Env, Instance, Program, VarTy};
use numlift_types::{Capture, Scalar, Type};
use smallvec::SmallVec;

use crate::emit::{Emit, Frame, Vals, flat_tys};
use crate::{Lowered, Shared, arith};

pub(crate) use cells::Cell;
use finals::{Final, Leave, Leaving};
use handlers::Handling;
pub(crate) use landing::AtIsland;
use resume::{ActiveLoop, Running};
pub(crate) use vars::{IsBound, Var};
use vars::{NEVER, join_var, unbound, var_ty};

/// A typed value.
pub(crate) type Typed = (Type, Vals);
pub(crate) type R<T> = Result<T, String>;

#[derive(Clone, Debug)]
pub(crate) struct State {
    pub vars: Vec<Var>,
    pub effects: Value,
    pub resume: Option<Rc<Frame>>,
    pub running: Running,
    /// What the cells have.
    pub settled: Vec<Option<Var>>,
}

/// A block end that waits for its merge.
pub(crate) struct Pending {
    block: Block,
    state: State,
    extra: Option<Typed>,
}

/// A loop around, and where its turns end.
pub(crate) struct LoopState {
    pub id: StmtId,
    /// The last statement of its body.
    pub last: Option<StmtId>,
    /// Number of `for` loops and of ways around it.
    pub active: usize,
    pub ways: usize,
    pub breaks: Vec<Pending>,
    pub continues: Vec<Pending>,
}

pub(crate) struct FnLower<'a, 'm> {
    pub e: Emit<'m>,
    pub sh: Shared<'a>,
    pub inst: &'a Instance,
    /// The instance with the tables of a loop's first turn.
    pub peeled: &'a HashMap<StmtId, Instance>,
    pub hir: Arc<Function>,
    pub captures: Vec<Typed>,
    pub loops: Vec<LoopState>,
    /// Owner slots of variables: (variable, number of the array in it).
    pub slots: HashMap<(LocalId, usize), Slot>,
    /// Variables that only ever hold arrays allocated in this function: stores are no effect.
    pub fresh: HashSet<LocalId>,
    pub walrus: Vec<LocalId>,
    /// What the interpreter runs of this function.
    pub plan: Option<&'a Plan>,
    /// Owners of the arrays that loops iterate over.
    pub iterated: Vec<Value>,
    /// `for` loops around the statement.
    pub active: Vec<ActiveLoop>,
    /// The parameters as they came in, of a function that is only entered from Python.
    pub entry: Option<Vec<Var>>,
    pub running: Running,
    /// Owner slots of the iterators of the loops over objects around.
    pub iterators: Vec<Slot>,
    /// The same of all loops lowered so far.
    pub all_iterators: Vec<Slot>,
    /// The handlers around, innermost last.
    pub handling: Vec<Handling>,
    /// The statements around that do something wherever control leaves them.
    pub finals: Vec<Final>,
    /// The ways out of such statements that are being gone.
    pub ways: Vec<Leaving>,
    /// Owner slots of what leaves the context managers around.
    pub exits: Vec<Slot>,
    /// Variables where the handlers of the innermost `try` begin.
    pub landing: Option<Rc<Vec<VarTy>>>,
    /// Items of objects that are read already.
    pub reads: HashMap<ExprId, Typed>,
    pub memory: references::Memory,
}

pub(crate) fn lower_instance(
    program: &Program,
    index: usize,
    env: &dyn Env,
    wrap: bool,
    out: &mut Lowered<'_>,
) -> R<()> {
    let inst = &program.instances[index];
    let id = FuncId::from_u32(index as u32);
    let func = std::mem::replace(&mut out.module.funcs[id], numlift_mir::Function::new(""));
    let mut b = Builder::new(func);
    let entry = b.create_block();
    b.switch_to(entry);
    let tys = b.func.params.clone();
    let params: Vec<Value> = tys.iter().map(|&t| b.func.append_param(entry, t)).collect();
    b.set_line(inst.hir.first_line);
    let effects = b.iconst(Ty::I8, 0);
    let e = Emit::new(
        b,
        &mut out.module.sites,
        &mut out.points,
        index as u32,
        effects,
        wrap,
    );
    let results = program
        .instances
        .iter()
        .enumerate()
        .map(|(i, x)| (i, x.ret.clone()))
        .collect();
    let sh = Shared {
        calls: &mut out.calls,
        objects: &mut out.objects,
        islands: &mut out.islands,
        mixed: out.plan.is_some(),
        program,
        env,
        results,
    };
    let peeled = scan::peeled(inst);
    let mut f = FnLower {
        e,
        sh,
        inst,
        peeled: &peeled,
        hir: inst.hir.clone(),
        captures: vec![],
        loops: vec![],
        slots: HashMap::new(),
        fresh: scan::fresh_locals(inst),
        walrus: scan::walrus_locals(&inst.hir),
        plan: out.plan.filter(|_| program.root.is_some_and(|r| r.0 == index)),
        iterated: vec![],
        iterators: vec![],
        all_iterators: vec![],
        handling: vec![],
        finals: vec![],
        ways: vec![],
        exits: vec![],
        landing: None,
        reads: HashMap::new(),
        memory: references::Memory::default(),
        active: vec![],
        entry: None,
        running: Running::default(),
    };
    f.e.tracked = inst.effects || f.plan.is_some();
    f.e.vars = vec![unbound(); inst.hir.locals.len()];
    f.bind_params(&params);
    if program.root.is_some_and(|r| r.0 == index) && !inst.recursive {
        f.entry = Some(f.e.vars.clone());
    }
    if inst.recursive {
        // A function that is not entered has no line in the traceback.
        let line = f.e.b.line();
        f.e.b.set_line(0);
        let site = f.e.site(SiteKind::Raise {
            exc: "RecursionError".into(),
            args: vec!["\"maximum recursion depth exceeded\"".into()],
            cause_none: false,
        });
        f.e.b.set_line(line);
        f.e.b.func.recursion_site = Some(site);
        // Recursion can run as long as any loop.
        let poll = f.e.site(SiteKind::Helper);
        f.e.b.safepoint(poll);
    }
    let hir = f.hir.clone();
    let protected = f.make_cells()?;
    f.block(&hir.body)?;
    if f.reachable() {
        f.return_value((Type::None, Vals::new()))?;
    }
    if let Some(protected) = protected {
        f.land_cells(protected)?;
    }
    out.lost = out.lost.or(f.e.lost.map(|line| (index, line)));
    out.module.funcs[id] = f.e.b.func;
    Ok(())
}

/// The body of a function that is never called.
pub(crate) fn empty(func: &mut numlift_mir::Function) {
    let mut b = Builder::new(std::mem::replace(func, numlift_mir::Function::new("")));
    let entry = b.create_block();
    b.switch_to(entry);
    for t in b.func.params.clone() {
        b.func.append_param(entry, t);
    }
    b.unreachable();
    *func = b.func;
    func.recursive = false;
}

impl FnLower<'_, '_> {
    fn bind_params(&mut self, params: &[Value]) {
        let mut at = 0;
        let mut take = |t: &Type| {
            let n = flat_tys(t).len();
            let v = Vals::from_slice(&params[at..at + n]);
            at += n;
            (t.clone(), v)
        };
        let hir = self.hir.clone();
        let args: Vec<Typed> = self.inst.args.iter().map(&mut take).collect();
        self.captures = self.inst.tables.captures.iter().map(|(_, t)| take(t)).collect();
        for mut c in std::mem::take(&mut self.captures) {
            self.mark_extents(&mut c);
            self.captures.push(c);
        }
        for (p, mut v) in hir.params.iter().zip(args) {
            self.mark_extents(&mut v);
            let (ty, vals) = v;
            self.e.vars[p.local.index()] = Var {
                ty,
                vals,
                bound: IsBound::Yes,
            };
        }
    }

    /// Says of the extents of arrays in a value from outside this function that they are extents.
    pub(crate) fn mark_extents(&mut self, v: &mut Typed) {
        fn walk(f: &mut FnLower<'_, '_>, t: &Type, vals: &mut [Value]) {
            let mut at = 0;
            match t {
                Type::Array(a) => {
                    for x in &mut vals[1..1 + usize::from(a.ndim)] {
                        *x = f.e.b.op(Opcode::Extent, &[*x]);
                    }
                }
                Type::Tuple(items) => {
                    for t in items.iter() {
                        let n = flat_tys(t).len();
                        walk(f, t, &mut vals[at..at + n]);
                        at += n;
                    }
                }
                _ => {}
            }
        }
        walk(self, &v.0, &mut v.1);
    }

    pub(crate) fn reachable(&self) -> bool {
        !self.e.b.is_terminated()
    }

    pub(crate) fn ty(&self, e: ExprId) -> R<Type> {
        self.inst
            .tables
            .exprs
            .get(&e)
            .cloned()
            .ok_or_else(|| format!("expression {e:?} was not typed"))
    }

    pub(crate) fn state(&self) -> State {
        State {
            vars: self.e.vars.clone(),
            effects: self.e.effects,
            resume: self.e.resume.clone(),
            running: self.running.clone(),
            settled: self.e.settled.clone(),
        }
    }

    pub(crate) fn set_state(&mut self, s: State) {
        self.e.vars = s.vars;
        self.e.effects = s.effects;
        self.e.resume = s.resume;
        self.running = s.running;
        self.e.settled = s.settled;
    }

    /// Leaves the current block open for a merge; `None` if it is not reachable.
    pub(crate) fn suspend(&mut self, extra: Option<Typed>) -> Option<Pending> {
        let state = self.state();
        self.e.b.suspend().map(|block| Pending { block, state, extra })
    }

    pub(crate) fn resume(&mut self, p: &Pending) {
        self.e.b.resume(p.block);
        self.set_state(p.state.clone());
    }

    /// Starts filling a new block with a state.
    pub(crate) fn start(&mut self, block: Block, state: State) {
        self.e.b.switch_to(block);
        self.set_state(state);
    }

    /// `br cond` into two new blocks, both with the current state.
    pub(crate) fn branch(&mut self, cond: Value) -> (Block, Block) {
        let t = self.e.b.create_block();
        let f = self.e.b.create_block();
        self.e.b.br(cond, (t, &[]), (f, &[]));
        (t, f)
    }

    /// Joins the ends of several paths; the joined extra value, if there is one.
    pub(crate) fn merge(&mut self, mut ends: Vec<Pending>) -> R<Option<Typed>> {
        if ends.len() <= 1 {
            let Some(p) = ends.pop() else {
                self.e.b.suspend();
                return Ok(None);
            };
            self.resume(&p);
            return Ok(p.extra);
        }
        let n = self.e.vars.len();
        let first = ends[0].state.clone();
        let mut joined: Vec<Option<VarTy>> = vec![None; n];
        for (i, j) in joined.iter_mut().enumerate() {
            if ends.iter().any(|p| p.state.vars[i] != first.vars[i]) {
                *j = Some(
                    ends.iter()
                        .map(|p| var_ty(&p.state.vars[i]))
                        .reduce(join_var)
                        .unwrap_or(NEVER),
                );
            }
        }
        let extra_ty = ends
            .iter()
            .map(|p| p.extra.as_ref().map(|(t, _)| t.clone()))
            .reduce(|a, b| Some(a?.join(&b?)))
            .flatten();
        let statement = |p: &Pending| p.state.resume.as_ref().map(Rc::as_ptr);
        let same_statement = ends.iter().all(|p| statement(p) == statement(&ends[0]));
        let settled = |i: usize| ends.iter().all(|p| p.state.settled[i] == first.settled[i]);
        let settled: Vec<bool> = (0..first.settled.len()).map(settled).collect();
        let effects_differ = ends.iter().any(|p| p.state.effects != first.effects);
        let block = self.e.b.create_block();
        for p in &ends {
            self.resume(p);
            let mut args: SmallVec<[Value; 16]> = SmallVec::new();
            for (i, j) in joined.iter().enumerate() {
                if let Some(v) = j {
                    let var = self.e.vars[i].clone();
                    args.extend(self.convert_var(&var, v)?);
                }
            }
            if effects_differ {
                args.push(self.e.effects);
            }
            if let (Some(t), Some((from, v))) = (&extra_ty, &p.extra) {
                args.extend(self.convert(v, from, t)?);
            }
            self.e.b.jump(block, &args);
        }
        self.start(block, first);
        for (known, same) in self.e.settled.iter_mut().zip(settled) {
            known.take_if(|_| !same);
        }
        if !same_statement || effects_differ {
            self.e.resume = None;
        }
        for (i, j) in joined.iter().enumerate() {
            if let Some(v) = j {
                self.e.vars[i] = self.param_var(block, v);
            }
        }
        if effects_differ {
            self.e.effects = self.e.b.func.append_param(block, Ty::I8);
        }
        Ok(extra_ty.map(|t| {
            let vals = self.params(block, &t);
            (t, vals)
        }))
    }

    /// Block parameters that hold a value of type `t`.
    pub(crate) fn params(&mut self, block: Block, t: &Type) -> Vals {
        flat_tys(t)
            .into_iter()
            .map(|ty| self.e.b.func.append_param(block, ty))
            .collect()
    }

    pub(crate) fn param_var(&mut self, block: Block, v: &VarTy) -> Var {
        let vals = self.params(block, &v.ty);
        let bound = match v.bound {
            Bound::No => IsBound::No,
            Bound::Yes => IsBound::Yes,
            Bound::Maybe => IsBound::Flag(self.e.b.func.append_param(block, Ty::I8)),
        };
        Var {
            ty: v.ty.clone(),
            vals,
            bound,
        }
    }

    /// Values of a variable in the form a join wants, the flag last.
    pub(crate) fn convert_var(&mut self, var: &Var, to: &VarTy) -> R<Vals> {
        let mut vals = self.convert(&var.vals, &var.ty, &to.ty)?;
        if to.bound == Bound::Maybe {
            let flag = match var.bound {
                IsBound::Flag(v) => v,
                b => self.e.bool_const(b == IsBound::Yes),
            };
            vals.push(flag);
        }
        Ok(vals)
    }

    /// Converts at a join: into a union, a looser layout, or zeros where there is no value.
    pub(crate) fn convert(&mut self, v: &Vals, from: &Type, to: &Type) -> R<Vals> {
        if from == to {
            return Ok(v.clone());
        }
        Ok(match (from, to) {
            (Type::Object(_), Type::Object(_)) => v.clone(),
            (Type::Never | Type::None, Type::Optional(_)) => {
                flat_tys(to).into_iter().map(|t| self.zero(t)).collect()
            }
            (Type::Never, _) => flat_tys(to).into_iter().map(|t| self.zero(t)).collect(),
            (_, Type::Object(_)) => Vals::from_slice(&[self.box_value(&(from.clone(), v.clone()))?]),
            (Type::Object(_), _) => return Err("a value without a type is used".into()),
            (from, Type::Optional(to)) => self.optional(v, from, to)?,
            (Type::Scalar(s), Type::Union(u)) => arith::embed(&mut self.e, (*s, v), u),
            (Type::Union(_), Type::Union(_)) => {
                let to = to.clone();
                self.split(&(from.clone(), v.clone()), |f, s, v| {
                    let Type::Union(u) = &to else {
                        return Err("not a union".into());
                    };
                    Ok((to.clone(), arith::embed(&mut f.e, (s, &v), u)))
                })?
                .1
            }
            (Type::Array(_), Type::Array(_)) => v.clone(),
            (Type::Nested(n), Type::Closure(c)) => {
                let mut out = Vals::new();
                for (capture, t) in &c.captures {
                    let (from, vals) = self.captured(capture)?;
                    out.extend(self.convert(&vals, &from, t)?);
                }
                let (from, to) = (&n.defaults, &c.function.defaults);
                let from = Type::tuple(from.iter().cloned());
                out.extend(self.convert(v, &from, &Type::tuple(to.iter().cloned()))?);
                out
            }
            (Type::Tuple(a), Type::Tuple(b)) | (Type::List(a), Type::List(b)) => {
                let (a, b) = (a.clone(), b.clone());
                let mut out = Vals::new();
                let mut at = 0;
                for (x, y) in a.iter().zip(b.iter()) {
                    let n = flat_tys(x).len();
                    out.extend(self.convert(&Vals::from_slice(&v[at..at + n]), x, y)?);
                    at += n;
                }
                out
            }
            _ => return Err(format!("no conversion from {from} to {to}")),
        })
    }

    /// A variable that a nested function captures, as it is here.
    fn captured(&mut self, c: &Capture) -> R<Typed> {
        if c.depth as usize == self.inst.path.len() {
            let found = self.hir.locals.iter().find(|(_, l)| l.name == c.name);
            let (l, _) = found.ok_or("a captured variable that is not there")?;
            return self.read_local(l);
        }
        let known = &self.inst.tables.captures;
        let i = known.iter().position(|(k, _)| k == c);
        i.map(|i| self.captures[i].clone())
            .ok_or_else(|| format!("`{}` is not captured", c.name))
    }

    pub(crate) fn zero(&mut self, t: Ty) -> Value {
        if t.is_float() {
            self.e.b.fconst(t, 0.0)
        } else {
            self.e.b.iconst(t, 0)
        }
    }

    /// Runs `f` for each member of a scalar or union, on the path where the value has that family.
    pub(crate) fn split(
        &mut self,
        v: &Typed,
        mut f: impl FnMut(&mut Self, Scalar, Vals) -> R<Typed>,
    ) -> R<Typed> {
        let u = match &v.0 {
            Type::Scalar(s) => return f(self, *s, v.1.clone()),
            Type::Union(u) => u.clone(),
            t => return Err(format!("{t} is not a number")),
        };
        let tag = v.1[v.1.len() - 1];
        let mut ends = vec![];
        for (k, &m) in u.members().iter().enumerate() {
            let last = k + 1 == u.members().len();
            let mut next = None;
            if !last {
                let kv = self.e.b.iconst(Ty::I8, k as i64);
                let is = self.e.b.icmp(numlift_mir::IntCC::Eq, tag, kv);
                let state = self.state();
                let (here, other) = self.branch(is);
                next = Some((other, state.clone()));
                self.start(here, state);
            }
            let vals = arith::project(&mut self.e, &u, &v.1, m);
            let r = f(self, m, vals)?;
            ends.extend(self.suspend(Some(r)));
            if let Some((block, state)) = next {
                self.start(block, state);
            }
        }
        match self.merge(ends)? {
            Some(t) => Ok(t),
            None => Ok((Type::Never, Vals::new())),
        }
    }

    pub(crate) fn effect(&mut self) {
        self.e.effects = self.e.b.iconst(Ty::I8, 1);
    }

    pub(crate) fn return_value(&mut self, v: Typed) -> R<()> {
        let ret = self.inst.ret.clone();
        let vals = self.convert(&v.1, &v.0, &ret)?;
        let v = (ret, vals);
        if !self.finals.is_empty() {
            self.keep(&v);
        }
        self.leave_by(Leave::Return, Some(v))
    }

    pub(crate) fn guard_ok(&mut self, cond: Value, kind: SiteKind, operands: &[Value]) {
        let site = self.e.site(kind);
        self.e.b.check(Opcode::Guard, &[cond], operands, site);
    }
}
