//! Where the interpreter goes on when native code gives up behind an effect: the state of a function at the start of a
//! statement, or in it.
//!
//! Before: a statement, with values of variables and of the loops around it. After: a [`Frame`] that exits in the
//! statement record, as long as there has been no effect since. Behind an effect of the statement itself, and where
//! a callee may exit, the frame also has what is done of the statement: values of operands ([`Part`]).

use std::cell::OnceCell;
use std::rc::Rc;

use cranelift_entity::EntityRef;
use numlift_diagnostics::Span;
use numlift_mir::{Site, Value};
use numlift_runtime::{Done, Extent, ObjectEntry, ResumePoint, ResumeSource, SiteKind, Way};
use numlift_syntax::hir::{ExprId, Function, StmtId};
use numlift_typeck::Env;
use numlift_types::{ClosureType, CodeRef, NestedType, ObjectRef, Reason, Type};
use smallvec::SmallVec;

use super::cells::CELL;
use super::finals::returned;
use super::loops::Iter;
use super::managers::exit;
use super::{FnLower, IsBound, Pending, R, Typed, Var};
use crate::emit::{Frame, Vals};

/// A `for` loop in one of its turns.
#[derive(Clone, Debug)]
pub(crate) struct ActiveLoop {
    span: Span,
    /// The remaining items, as a Python expression over `v`.
    items: String,
    operands: Vec<Typed>,
}

impl ActiveLoop {
    /// A loop that takes its items from an iterator.
    pub(super) fn over(span: Span, iterator: Typed) -> ActiveLoop {
        ActiveLoop {
            span,
            items: "v[0]".into(),
            operands: vec![iterator],
        }
    }

    /// The loop in the turn with counter `i`; with `begins` before this turn.
    pub(super) fn new(span: Span, it: &Iter, i: Value, begins: bool) -> ActiveLoop {
        let mut operands = vec![];
        let mut int = |v: Value| {
            operands.push((Type::INT, Vals::from_slice(&[v])));
            format!("v[{}]", operands.len() - 1)
        };
        let items = match it {
            Iter::Range { stop, step, .. } => {
                let (i, stop, step) = (int(i), int(*stop), int(*step));
                match begins {
                    true => format!("iter(range({i}, {stop}, {step}))"),
                    false => format!("iter(range({i} + {step}, {stop}, {step}))"),
                }
            }
            other => {
                let i = int(i);
                let all = iterable(other, &mut operands);
                match begins {
                    true => format!("islice({all}, {i}, None)"),
                    false => format!("islice({all}, {i} + 1, None)"),
                }
            }
        };
        ActiveLoop {
            span,
            items,
            operands,
        }
    }
}

/// The whole iterable, as a Python expression.
fn iterable(it: &Iter, operands: &mut Vec<Typed>) -> String {
    let mut operand = |v: Typed| {
        operands.push(v);
        format!("v[{}]", operands.len() - 1)
    };
    match it {
        Iter::Range {
            start, stop, step, ..
        } => operand((Type::Range, Vals::from_slice(&[*start, *stop, *step]))),
        Iter::Array(a, vals) => operand((Type::Array(*a), vals.clone())),
        Iter::Tuple(v) => operand(v.clone()),
        Iter::Enumerate(start, inner) => {
            let start = operand((Type::INT, Vals::from_slice(&[*start])));
            format!("enumerate({}, {start})", iterable(inner, operands))
        }
        Iter::Zip(items) => {
            let items: Vec<String> = items.iter().map(|i| iterable(i, operands)).collect();
            format!("zip({})", items.join(", "))
        }
        Iter::Reversed(inner) => format!("reversed({})", iterable(inner, operands)),
    }
}

const EXCEPTION: Type = Type::Object(Reason::JOIN);

/// A part of the running statement that is done.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    Value(ExprId, Typed),
    Truth(ExprId, bool),
    /// The left side of an augmented assignment.
    Old(Typed),
    /// What a target gets that has not got it yet.
    Assign(SmallVec<[u32; 2]>, Typed),
    /// The exception that the statement has raised.
    Raised(Value),
    /// Handlers of a `try` before that number are tried.
    Tried(u32),
}

/// The statement that runs and what is done of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Running {
    pub stmt: Option<StmtId>,
    pub parts: Vec<Part>,
}

/// Whether boxing a value without parts gives what the interpreter would have there.
fn is_portable(t: &Type) -> bool {
    let numbers = matches!(t, Type::Scalar(_) | Type::Union(_) | Type::Array(_));
    let objects = matches!(t, Type::None | Type::Never | Type::Object(_) | Type::Ellipsis);
    numbers || objects || matches!(t, Type::Range | Type::Str(_) | Type::DType(_))
}

/// Whether evaluating an expression again gives the same, although its value cannot be recorded.
fn is_constant(t: &Type) -> bool {
    matches!(t, Type::Known(_) | Type::Function(_) | Type::Nested(_))
}

/// The function at a path of nested ones.
fn nested_at<'f>(mut f: &'f Function, path: &[u32]) -> Option<&'f Function> {
    for &n in path {
        f = f.nested.get(n as usize)?;
    }
    Some(f)
}

fn extent(span: Span) -> Extent {
    (span.start, span.end)
}

/// Operands in the order in which the boundary reads them.
#[derive(Default)]
struct Operands {
    types: Vec<Type>,
    vals: Vals,
    closures: Vec<(ClosureType, Extent)>,
    constants: Vec<ObjectRef>,
    functions: Vec<CodeRef>,
}

impl Operands {
    fn push(&mut self, ty: &Type, vals: &[Value]) {
        self.types.push(ty.clone());
        self.vals.extend_from_slice(vals);
    }

    /// A value if it can be boxed.
    fn value(&mut self, env: &dyn Env, (ty, vals): &Typed) -> Option<Type> {
        self.portable(env, ty)?;
        self.push(ty, vals);
        Some(ty.clone())
    }

    fn portable(&mut self, env: &dyn Env, t: &Type) -> Option<()> {
        let c = match t {
            Type::Closure(c) => c,
            Type::Tuple(items) | Type::List(items) => {
                return items.iter().try_for_each(|t| self.portable(env, t));
            }
            Type::Record(r) => return r.items.iter().all(is_portable).then_some(()),
            Type::Optional(t) => return self.portable(env, t),
            Type::Known(o) => {
                self.constants.push(*o);
                return Some(());
            }
            Type::Function(code) => {
                self.functions.push(*code);
                return Some(());
            }
            t => return is_portable(t).then_some(()),
        };
        for t in c.captures.iter().map(|(_, t)| t).chain(&c.function.defaults) {
            self.portable(env, t)?;
        }
        if !self.closures.iter().any(|(known, _)| *known == **c) {
            let f = nested_at(&*env.hir(c.code).ok()?, &c.function.path)?.span;
            self.closures.push((ClosureType::clone(c), extent(f)));
        }
        Some(())
    }

    fn nested(
        &mut self,
        env: &dyn Env,
        n: &NestedType,
        at: Extent,
        vals: &[Value],
        maybe: bool,
    ) -> Option<ResumeSource> {
        let defaults = &Type::tuple(n.defaults.iter().cloned());
        self.portable(env, defaults)?;
        self.push(defaults, vals);
        Some(ResumeSource::Nested {
            at,
            defaults: n.defaults.clone(),
            maybe,
        })
    }
}

impl FnLower<'_, '_> {
    /// Whether there may have been an effect here, so that an exit cannot repeat the call.
    fn is_dirty(&self) -> bool {
        self.e.tracked && self.e.b.func.int_const(self.e.effects) != Some(0)
    }

    /// A statement begins: exits in it go on from here.
    pub(super) fn mark_statement(&mut self, id: StmtId) {
        self.running = Running {
            stmt: Some(id),
            parts: vec![],
        };
        self.e.resume = None;
        if self.is_dirty() {
            self.e.resume = self.frame(id, false).map(Rc::new);
        }
    }

    /// Exits from here on go on behind a statement: conversions where paths meet.
    pub(super) fn mark_behind(&mut self, id: Option<&StmtId>) {
        self.leave_statement();
        if let (Some(&id), true) = (id, self.reachable() && self.is_dirty()) {
            self.e.resume = self.frame(id, true).map(Rc::new);
        }
    }

    /// Exits from here on go on at this state.
    pub(super) fn mark_frame(&mut self, frame: Option<Frame>) {
        self.leave_statement();
        if self.reachable() && self.is_dirty() {
            self.e.resume = frame.map(Rc::new);
        }
    }

    /// Exits from here on are in no statement.
    pub(super) fn leave_statement(&mut self) {
        self.running = Running::default();
        self.e.resume = None;
    }

    /// Exits from here on go on with a loop in the state `turn`, before the targets are bound.
    pub(super) fn mark_turn(&mut self, id: StmtId, turn: ActiveLoop) {
        self.leave_statement();
        if self.is_dirty() {
            self.active.push(turn);
            self.e.resume = self.frame(id, false).map(Rc::new);
            self.active.pop();
        }
    }

    /// Exits from here on go on with a statement that has raised an exception.
    pub(super) fn mark_raised(&mut self, id: StmtId, exception: Value) {
        self.leave_statement();
        if self.is_dirty() {
            self.e.resume = self.frame_with(id, &[Part::Raised(exception)]).map(Rc::new);
        }
    }

    /// The state where the class of a handler is evaluated: the `try` statement that begins with `first` has raised.
    pub(super) fn frame_class(
        &mut self,
        first: StmtId,
        n: usize,
        class: ExprId,
        exception: Value,
    ) -> Option<Frame> {
        // the exception is not handled yet
        let handling = self.handling.pop();
        let frame = self.frame_with(first, &[Part::Raised(exception), Part::Tried(n as u32)]);
        self.handling.extend(handling);
        let mut frame = frame?;
        frame.point.call = Some(extent(self.hir.exprs[class].span));
        Some(frame)
    }

    /// A block ends: exits go on behind its last statement, if that has had an effect.
    pub(super) fn mark_end(&mut self, id: &StmtId) {
        let known = self.e.resume.as_ref();
        if known.is_none_or(|f| f.effects != self.e.effects) {
            self.mark_behind(Some(id));
        }
    }

    /// An expression has a value: what is done of it is no more of interest. `mark` parts were done before it.
    pub(super) fn done(&mut self, mark: usize, id: ExprId, v: &Typed) {
        if !self.e.tracked {
            return;
        }
        self.running.parts.truncate(mark);
        if !is_constant(&v.0) {
            self.running.parts.push(Part::Value(id, v.clone()));
        }
        self.mark_within();
    }

    /// The ends of a condition know its truth.
    pub(super) fn decided(&self, mark: usize, id: ExprId, ends: &mut [Pending], truth: bool) {
        for end in ends.iter_mut().filter(|_| self.e.tracked) {
            end.state.running.parts.truncate(mark);
            end.state.running.parts.push(Part::Truth(id, truth));
        }
    }

    /// The same here.
    pub(super) fn decide(&mut self, mark: usize, id: ExprId, truth: bool) {
        if self.e.tracked {
            self.running.parts.truncate(mark);
            self.running.parts.push(Part::Truth(id, truth));
            self.mark_within();
        }
    }

    /// Exits from here on go on here, in the statement, if there has been an effect since the last such place.
    pub(super) fn mark_within(&mut self) {
        let known = self.e.resume.as_ref();
        if self.is_dirty() && self.reachable() && known.is_none_or(|f| f.effects != self.e.effects) {
            self.e.resume = self.frame_within(None).map(Rc::new);
        }
    }

    /// A store that is no effect of the call is one of the statement all the same.
    pub(super) fn touch_statement(&mut self) {
        self.e.resume = None;
    }

    /// The state in the running statement.
    pub(super) fn frame_within(&mut self, call: Option<ExprId>) -> Option<Frame> {
        let id = self.running.stmt?;
        let mut frame = self.frame_with(id, &self.running.parts.clone())?;
        frame.point.call = call.map(|c| extent(self.hir.exprs[c].span));
        Some(frame)
    }

    /// The state at the start of a statement, or behind it.
    pub(super) fn frame(&mut self, id: StmtId, behind: bool) -> Option<Frame> {
        let mut frame = self.frame_with(id, &[])?;
        frame.point.behind = behind;
        Some(frame)
    }

    fn frame_with(&mut self, id: StmtId, parts: &[Part]) -> Option<Frame> {
        let env = self.sh.env;
        let mut operands = Operands::default();
        let hir = self.hir.clone();
        let mut vars = self.frame_vars(&hir, &mut operands)?;
        let mut captures = vec![];
        let captured = || self.inst.tables.captures.iter().zip(&self.captures);
        for ((capture, _), (ty, vals)) in captured() {
            if let Type::Nested(n) = ty {
                let around = env.hir(self.inst.code).ok()?;
                let f = nested_at(&around, &n.path)?;
                // what it captures has these names here too
                let hidden = |name: &String| hir.locals.values().any(|l| l.name == *name);
                if f.free.iter().any(hidden) {
                    return None;
                }
                vars.push((
                    capture.name.clone(),
                    operands.nested(env, n, extent(f.span), vals, false)?,
                ));
            }
        }
        for ((capture, _), v) in captured().filter(|(_, (t, _))| !matches!(t, Type::Nested(_))) {
            captures.push((capture.name.clone(), operands.value(env, v)?));
        }
        let at = |e: &ExprId| extent(hir.exprs[*e].span);
        let mut done = vec![];
        for part in parts {
            done.push(match part {
                Part::Value(e, v) => Done::Value(at(e), operands.value(env, v)?),
                Part::Truth(e, truth) => Done::Truth(at(e), *truth),
                Part::Old(v) => Done::Old(operands.value(env, v)?),
                Part::Assign(path, v) => Done::Assign(path.to_vec(), operands.value(env, v)?),
                Part::Tried(n) => Done::Tried(*n),
                Part::Raised(exception) => {
                    operands.push(&EXCEPTION, &[*exception]);
                    Done::Raised(EXCEPTION)
                }
            });
        }
        let mut loops = vec![];
        for l in &self.active {
            let types = l.operands.iter().map(|v| operands.value(env, v));
            let types = types.collect::<Option<Vec<_>>>()?;
            loops.push((extent(l.span), l.items.clone(), types));
        }
        let Operands {
            types,
            vals,
            closures,
            mut constants,
            mut functions,
        } = operands;
        constants.sort();
        constants.dedup();
        functions.sort();
        functions.dedup();
        let objects = constants
            .iter()
            .map(|o| (*o, self.sh.object(ObjectEntry::Object(*o))));
        Some(Frame {
            point: ResumePoint {
                code: self.inst.code,
                at: extent(hir.stmts[id].span),
                behind: false,
                vars,
                closures,
                objects: objects.collect(),
                functions,
                captures,
                done,
                call: None,
                loops,
                ways: self.ways.iter().map(|l| l.way).collect(),
                entered: 0,
            },
            types,
            vals,
            effects: self.e.effects,
            number: OnceCell::new(),
        })
    }

    fn frame_vars(&mut self, hir: &Function, operands: &mut Operands) -> Option<Vec<(String, ResumeSource)>> {
        let mut vars = vec![];
        for (l, local) in hir.locals.iter() {
            let var = self.e.vars[l.index()].clone();
            let cell = self.e.cell(l);
            if let Some((i, cell)) = cell {
                operands.push(&CELL, &[cell.object]);
                if !self.e.is_stale(i) {
                    vars.push((local.name.clone(), ResumeSource::Cell(None)));
                    continue;
                }
            }
            let source = |s: ResumeSource| match cell {
                Some(_) => ResumeSource::Cell(Some(Box::new(s))),
                None => s,
            };
            let maybe = match var.bound {
                IsBound::No => {
                    vars.push((local.name.clone(), source(ResumeSource::Unbound)));
                    continue;
                }
                IsBound::Yes => false,
                IsBound::Flag(f) => {
                    operands.push(&Type::BOOL, &[f]);
                    true
                }
            };
            let value = match (&var.ty, self.argument(l.index(), &var)) {
                (_, Some(i)) => ResumeSource::Argument(i),
                (Type::Known(o), _) => ResumeSource::Object {
                    index: self.sh.object(ObjectEntry::Object(*o)),
                    maybe,
                },
                (Type::Function(code), _) => ResumeSource::Code { code: *code, maybe },
                (Type::Nested(n), _) => {
                    let (last, path) = n.path.split_last()?;
                    let f = hir
                        .nested
                        .get(*last as usize)
                        .filter(|_| path == self.inst.path)?;
                    operands.nested(self.sh.env, n, extent(f.span), &var.vals, maybe)?
                }
                _ => ResumeSource::Operand {
                    ty: operands.value(self.sh.env, &(var.ty, var.vals))?,
                    maybe,
                },
            };
            vars.push((local.name.clone(), source(value)));
        }
        for (n, handling) in self.handling.clone().into_iter().enumerate() {
            let exception = self.load_slot(handling.exception);
            operands.push(&EXCEPTION, &[exception]);
            let source = ResumeSource::Operand {
                ty: EXCEPTION,
                maybe: false,
            };
            vars.push((format!("<caught {n}>"), source));
        }
        for (n, slot) in self.exits.clone().into_iter().enumerate() {
            let ty = Type::Object(numlift_types::Reason::JOIN);
            let leave = self.load_slot(slot);
            operands.push(&ty, &[leave]);
            vars.push((exit(n), ResumeSource::Operand { ty, maybe: false }));
        }
        for (n, leaving) in self.ways.iter().enumerate() {
            let source = match (&leaving.value, leaving.way) {
                (Some(v), _) => ResumeSource::Operand {
                    ty: operands.value(self.sh.env, v)?,
                    maybe: false,
                },
                (None, Way::Return) => ResumeSource::Unbound,
                (None, _) => continue,
            };
            vars.push((returned(n), source));
        }
        Some(vars)
    }

    /// The parameter that a variable still is.
    fn argument(&self, local: usize, var: &Var) -> Option<usize> {
        let entry = &self.entry.as_ref()?[local];
        let same = entry.bound == IsBound::Yes && entry == var;
        let at = self.hir.params.iter().position(|p| p.local.index() == local);
        at.filter(|_| same)
    }

    /// The site of a call, and what it records behind the effects flag. `effects`: the callee may have some, so that its
    /// value may have to be taken from its own rest.
    pub(super) fn call_site(&mut self, id: ExprId, effects: bool) -> (Site, Vals) {
        if !(self.is_dirty() || effects && self.e.tracked) {
            return (self.e.site(SiteKind::Call), Vals::new());
        }
        let here = self.e.resume.clone();
        let here = here.filter(|f| !effects && f.effects == self.e.effects);
        let frame = here.or_else(|| self.frame_within(effects.then_some(id)).map(Rc::new));
        let Some(frame) = frame else {
            self.e.lost();
            let lost = SiteKind::Frame {
                point: None,
                operands: vec![],
            };
            return (self.e.site(lost), Vals::new());
        };
        let kind = SiteKind::Frame {
            point: Some(self.e.point(&frame)),
            operands: frame.types.clone(),
        };
        (self.e.site(kind), frame.vals.clone())
    }

    /// A condition, with its truth noted at its ends.
    pub(crate) fn condition(&mut self, id: ExprId) -> R<(Vec<Pending>, Vec<Pending>)> {
        let mark = self.running.parts.len();
        let (mut yes, mut no) = self.undecided(id)?;
        self.decided(mark, id, &mut yes, true);
        self.decided(mark, id, &mut no, false);
        Ok((yes, no))
    }
}
