//! Islands: which statements of a function with dynamic places the interpreter runs.
//!
//! Before: the tables of an instance, with its dynamic statements. After: a [`Plan`] of runs of adjacent
//! statements and of tests; what is not in it is compiled.
//!
//! A loop is compiled if what its native statements save is worth more than its crossings into the
//! interpreter (see [`cost`]); else the whole loop is part of an island.

mod cells;
mod code;
mod cost;
mod finals;
mod frames;
mod reads;
mod uses;

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};

use numlift_diagnostics::Diagnostic;
use numlift_syntax::facts;
use numlift_syntax::hir::{Block, ExprId, Function, LocalId, StmtId, StmtKind, Target};
use numlift_types::{CodeRef, Reason, Type};

use crate::env::Env;
use crate::infer::{Boxing, has_list, infer_with, whole};
use crate::tables::{Binding, Instance, Program};

pub use cells::Cells;
pub(crate) use cells::is_steady;
pub use code::Code;
pub use reads::Read;
pub use uses::{Consumer, Uses};

/// Code that the interpreter runs.
#[derive(Clone, Debug)]
pub struct Island {
    pub code: Code,
    /// Variables that it reads and binds, each once.
    pub reads: Vec<LocalId>,
    pub binds: Vec<LocalId>,
    /// Variables in cells that it uses. It reads them there, `binds` has those that have a type besides.
    pub cells: Vec<LocalId>,
    /// It looks at its own frame: `reads` has all variables.
    pub frame: bool,
    /// The first parameter is its first one: `super()`.
    pub first: bool,
    /// It may return from the function.
    pub returns: bool,
    /// It may leave by a `break` of a loop around it.
    pub breaks: bool,
    /// It may leave by a `continue` of a loop around it.
    pub continues: bool,
    /// It is in the body of a compiled `try`.
    pub protected: bool,
    pub reason: Reason,
}

impl Island {
    /// It may leave to a loop around it.
    pub fn leaves(&self) -> bool {
        self.breaks || self.continues
    }
}

/// The islands of an instance.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub islands: Vec<Island>,
    /// Island that begins with a statement.
    pub heads: HashMap<StmtId, usize>,
    /// Island of a test.
    pub tests: HashMap<ExprId, usize>,
    /// Islands of a `for` statement over an object: its iterator, the next item, its end.
    pub iterations: HashMap<StmtId, [usize; 3]>,
    /// Nanoseconds that it saves in a call, as [`cost`] estimates them.
    pub gain: f64,
    /// Items that are read before statements.
    pub reads: HashMap<StmtId, Vec<Read>>,
    /// Variables that compiled statements read.
    pub compiled_reads: BTreeSet<LocalId>,
    /// Islands of the classes of handlers.
    pub classes: HashMap<ExprId, usize>,
    pub cells: Cells,
    /// Islands of the context managers of `with` statements: one is entered, left, left because of an exception.
    pub managers: HashMap<ExprId, [usize; 3]>,
}

/// Why a function runs in the interpreter as a whole.
#[derive(Clone, Debug, Default)]
pub struct Unplanned {
    /// None if nothing in it is worth compiling.
    pub why: Option<Box<Diagnostic>>,
    /// What a run may observe that may make it worth compiling.
    pub observable: BTreeSet<Binding>,
    pub readable: BTreeSet<ExprId>,
}

impl From<Box<Diagnostic>> for Unplanned {
    fn from(why: Box<Diagnostic>) -> Unplanned {
        Unplanned {
            why: Some(why),
            ..Unplanned::default()
        }
    }
}

/// Infers a function whose entry has dynamic places, and plans its islands.
///
/// # Errors
/// Why the function runs in the interpreter as a whole.
pub fn infer_mixed(env: &dyn Env, root: CodeRef, args: &[Type]) -> Result<(Program, Plan), Unplanned> {
    let mut boxing = Boxing::default();
    loop {
        let program = infer_with(env, root, args, Some(&boxing))?;
        let Some(entry) = program.root.map(|r| &program.instances[r.0]) else {
            return Err(Unplanned::default());
        };
        if let Some(d) = &entry.whole {
            return Err(Box::new(d.clone()).into());
        }
        let mut plan = Planner::new(entry, &boxing.cells).plan()?;
        let mut next = boxed_by(entry, &plan, &boxing);
        next.unread.extend(reads::place(&program, entry, &mut plan));
        plan.gain -= cost::ITEM * plan.reads.values().flatten().count() as f64;
        if next == boxing {
            if boxing.settled || entry.hir.writes_outer.is_empty() {
                return Ok((program, plan));
            }
            next.settled = true;
        }
        boxing = next;
    }
}

/// What has to be an object because islands use it.
fn boxed_by(entry: &Instance, plan: &Plan, known: &Boxing) -> Boxing {
    let mut out = known.clone();
    out.outer.extend(entry.tables.retyped.iter().cloned());
    out.outer.extend(entry.hir.rebinds_outer.iter().cloned());
    out.cells.extend(&plan.cells);
    for island in &plan.islands {
        let Some(stmt) = island.code.stmt() else {
            continue;
        };
        // a handler sees them whatever they are
        let seen = island.protected && !island.code.binds_last(&entry.hir);
        if island.leaves() || seen {
            out.unassumed.extend(island.code.assumed(entry).map(|(b, _)| *b));
        }
        // what a handler wants would be among its names
        if island.frame && island.protected {
            let at = entry.hir.stmts[stmt].span;
            let around = |t: &&StmtId| {
                let span = entry.hir.stmts[**t].span;
                span.start <= at.start && at.end <= span.end
            };
            let compiled = entry
                .hir
                .stmts
                .keys()
                .filter(|s| finals::may_be_compiled(entry, *s));
            out.tries.extend(compiled.filter(|s| around(&s)));
        }
        if let (Code::Run(stmts), true) = (&island.code, island.leaves()) {
            out.tries
                .extend(stmts.iter().filter(|s| finals::may_be_compiled(entry, **s)));
        }
        let before = match &island.code {
            Code::Class(..) => entry.tables.handlers.get(&stmt),
            _ => entry.tables.states.get(&stmt).map(|[before, _]| before),
        };
        let head = entry.tables.loops.get(&stmt);
        for state in before.into_iter().chain(head) {
            for l in &island.reads {
                let Some(v) = state.get(l.as_u32() as usize) else {
                    continue;
                };
                out.object(*l, &v.ty);
            }
        }
        let after = match &island.code {
            Code::Run(stmts) => stmts
                .last()
                .and_then(|s| entry.tables.states.get(s))
                .map(|[_, after]| after),
            Code::Next(s) => entry.tables.targets.get(s),
            _ => None,
        };
        for l in &island.binds {
            let ty = after
                .and_then(|after| after.get(l.as_u32() as usize))
                .map(|v| &v.ty);
            if let Some(ty) = ty.filter(|t| !is_checkable(t)) {
                out.object(*l, ty);
                out.locals.insert(*l);
            }
        }
    }
    for l in entry.hir.locals.keys() {
        let all = entry
            .tables
            .states
            .values()
            .flatten()
            .chain(entry.tables.loops.values())
            .chain(entry.tables.handlers.values())
            .chain(entry.tables.finals.values())
            .chain(entry.tables.managed.values());
        let types: Vec<&Type> = all
            .filter_map(|s| s.get(l.as_u32() as usize))
            .map(|v| &v.ty)
            .collect();
        if types.iter().any(|t| t.is_object()) || plan.cells.all.contains(&l) {
            types.iter().for_each(|t| out.object(l, t));
        }
    }
    out
}

impl Boxing {
    /// A variable with values of this type is used where it has to be an object.
    fn object(&mut self, l: LocalId, t: &Type) {
        if has_list(t) {
            self.lists = true;
        } else if !is_faithful(t) {
            self.locals.insert(l);
        }
    }
}

/// Whether an object can be found to be a value of the type.
fn is_checkable(t: &Type) -> bool {
    match t {
        Type::Optional(t) => is_checkable(t),
        Type::Tuple(items) => items.iter().all(is_checkable),
        Type::Scalar(_) | Type::Union(_) | Type::Array(_) | Type::None | Type::Object(_) | Type::Never => {
            true
        }
        _ => false,
    }
}

/// Whether boxing a value gives what the interpreter would have there.
fn is_faithful(t: &Type) -> bool {
    match t {
        Type::Tuple(items) => items
            .iter()
            .all(|t| is_faithful(t) && !matches!(t, Type::Known(_))),
        Type::Nested(_) | Type::Closure(_) | Type::Function(_) | Type::Slice { .. } | Type::DType(_) => false,
        _ => true,
    }
}

pub(crate) struct Planner<'i> {
    entry: &'i Instance,
    hir: &'i Function,
    /// Variables that are in cells.
    cells: &'i Cells,
    plan: Plan,
    /// Statements of which it is known whether they are islands.
    known: RefCell<HashMap<StmtId, bool>>,
    native_loops: usize,
    /// How many bodies of compiled `try` statements are around.
    protected: usize,
    /// Statements that a `return` in them leaves with more to do.
    watched: HashSet<StmtId>,
}

impl<'i> Planner<'i> {
    fn new(entry: &'i Instance, cells: &'i Cells) -> Planner<'i> {
        Planner {
            entry,
            hir: &entry.hir,
            cells,
            plan: Plan::default(),
            known: RefCell::default(),
            native_loops: 0,
            protected: 0,
            watched: finals::watched(entry),
        }
    }

    fn plan(mut self) -> Result<Plan, Unplanned> {
        let hir = self.hir;
        self.block(&hir.body);
        if self.native_loops == 0 {
            let all = Uses::of_stmts(hir, &hir.body);
            let hopeless = all.look.variables || !hir.stmts.values().any(|s| is_loop(&s.kind));
            return Err(match hopeless {
                true => Unplanned::default(),
                false => Unplanned {
                    why: None,
                    observable: self.entry.tables.observable.clone(),
                    readable: self.entry.tables.readable.clone(),
                },
            });
        }
        let islands = std::mem::take(&mut self.plan.islands);
        let obstacles = islands.iter().filter_map(|island| self.obstacle(island));
        if let Some((what, help)) = frames::obstacle(hir).or_else(|| obstacles.into_iter().next()) {
            return Err(Box::new(whole(hir, "NL2017", what, Some(help))).into());
        }
        self.plan.cells = self.captured(&islands);
        self.plan.cells.extend(self.cells);
        self.plan.islands = islands;
        self.plan.gain = self.gain(&hir.body);
        Ok(self.plan)
    }

    /// Splits a block into islands and compiled statements.
    fn block(&mut self, block: &Block) {
        let mut run: Vec<StmtId> = vec![];
        for &s in block {
            if let (Some(value), true) = (self.left_value(s), self.is_island(s)) {
                self.close(&mut run);
                self.plan.heads.insert(s, self.plan.islands.len());
                let reason = self.reason(s).unwrap_or(Reason::JOIN);
                self.add(Code::Value(s, value), reason);
            } else if self.is_island(s) {
                run.push(s);
                // the type is checked before anything else is done
                if self.entry.tables.annotated.contains_key(&s) {
                    self.close(&mut run);
                }
            } else {
                self.close(&mut run);
                self.native(s);
            }
        }
        self.close(&mut run);
    }

    fn close(&mut self, run: &mut Vec<StmtId>) {
        if let Some(&first) = run.first() {
            self.plan.heads.insert(first, self.plan.islands.len());
            let stmts = std::mem::take(run);
            let reason = stmts.iter().find_map(|s| self.reason(*s));
            self.add(Code::Run(stmts), reason.unwrap_or(Reason::JOIN));
        }
    }

    fn add(&mut self, code: Code, reason: Reason) {
        let mut uses = code.uses(self.hir);
        if uses.look.variables {
            uses.reads.extend(self.hir.locals.keys());
        } else if uses.look.first {
            uses.reads.extend(self.hir.params.first().map(|p| p.local));
        }
        let used: BTreeSet<LocalId> = uses.reads.union(&uses.binds).copied().collect();
        let is_cell = |l: &&LocalId| self.cells.all.contains(*l);
        self.plan.islands.push(Island {
            code,
            cells: used.iter().filter(is_cell).copied().collect(),
            reads: uses.reads.iter().filter(|l| !is_cell(l)).copied().collect(),
            frame: uses.look.variables,
            first: uses.look.first,
            binds: uses.binds.difference(&self.cells.written).copied().collect(),
            returns: uses.returns,
            breaks: uses.breaks,
            continues: uses.continues,
            protected: self.protected > 0,
            reason,
        });
    }

    /// The reason of a statement or of one in it.
    fn reason(&self, s: StmtId) -> Option<Reason> {
        let own = self.entry.tables.dynamic.get(&s).copied();
        own.or_else(|| {
            let blocks = facts::blocks(&self.hir.stmts[s].kind);
            blocks.into_iter().flatten().find_map(|s| self.reason(*s))
        })
    }

    /// A statement of which at least a part is compiled.
    fn native(&mut self, s: StmtId) {
        let kind = &self.hir.stmts[s].kind;
        if let (StmtKind::If { test, .. } | StmtKind::While { test, .. }, Some(&reason)) =
            (kind, self.entry.tables.dynamic.get(&s))
        {
            self.plan.tests.insert(*test, self.plan.islands.len());
            self.add(Code::Test(s, *test), reason);
        }
        if let (StmtKind::For { iter, .. }, Some(&reason)) = (kind, self.entry.tables.dynamic.get(&s)) {
            let first = self.plan.islands.len();
            self.plan.iterations.insert(s, [first, first + 1, first + 2]);
            for code in [Code::Iter(s, *iter), Code::Next(s), Code::Drop(s)] {
                self.add(code, reason);
            }
        }
        if let StmtKind::Try { handlers, .. } = kind {
            for (i, class) in handlers
                .iter()
                .enumerate()
                .filter_map(|(i, h)| Some((i, h.class?)))
            {
                if !self.entry.tables.classes.contains_key(&class) {
                    self.plan.classes.insert(class, self.plan.islands.len());
                    self.add(Code::Class(s, i, class), Reason::JOIN);
                }
            }
        }
        if let StmtKind::With { items, .. } = kind {
            let reason = self.reason(s).unwrap_or(Reason::JOIN);
            self.managers(s, items, reason);
        }
        self.native_loops += usize::from(is_loop(kind));
        self.compiled_reads(s);
        let blocks = facts::blocks(kind);
        let protected = self.protected_blocks(s);
        for (n, block) in blocks.into_iter().enumerate() {
            let body = usize::from(n < protected);
            self.protected += body;
            self.block(block);
            self.protected -= body;
        }
    }

    /// Notes what a compiled statement reads itself.
    fn compiled_reads(&mut self, s: StmtId) {
        let own = !self.entry.tables.dynamic.contains_key(&s);
        let reads = match &self.hir.stmts[s].kind {
            StmtKind::If { test: e, .. }
            | StmtKind::While { test: e, .. }
            | StmtKind::For { iter: e, .. }
                if own =>
            {
                Uses::of_expr(self.hir, *e).reads
            }
            StmtKind::Match { subject, .. } => Uses::of_expr(self.hir, *subject).reads,
            kind if facts::blocks(kind).is_empty() => Uses::of_stmts(self.hir, &[s]).reads,
            _ => return,
        };
        self.plan.compiled_reads.extend(reads);
    }

    /// Whether the interpreter runs the statement with all that is in it.
    pub(crate) fn is_island(&self, s: StmtId) -> bool {
        let known = self.known.borrow().get(&s).copied();
        known.unwrap_or_else(|| {
            let is = self.decide(s);
            self.known.borrow_mut().insert(s, is);
            is
        })
    }

    fn decide(&self, s: StmtId) -> bool {
        let kind = &self.hir.stmts[s].kind;
        let own = self.entry.tables.dynamic.contains_key(&s);
        let all = |blocks: &[&Block]| blocks.iter().flat_map(|b| b.iter()).all(|s| self.is_island(*s));
        // a branch that types exclude has no types
        let decided = |test: &ExprId| self.entry.tables.truths.contains_key(test);
        let returns = self.returns_within(s);
        match kind {
            StmtKind::If { test, .. } | StmtKind::While { test, .. } if own && decided(test) => true,
            StmtKind::If { test, then, other } => {
                own && (Uses::of_expr(self.hir, *test).binds_any() || !returns && all(&[then, other]))
            }
            StmtKind::While { test, .. } => {
                own && Uses::of_expr(self.hir, *test).binds_any()
                    || !returns && self.reason(s).is_some() && !self.pays(s)
            }
            StmtKind::For { target, iter, .. } => {
                let iterated = || {
                    let typed = self.entry.tables.loops.contains_key(&s);
                    typed && binds_names(target) && !Uses::of_expr(self.hir, *iter).binds_any()
                };
                own && !iterated() || !returns && self.reason(s).is_some() && !self.pays(s)
            }
            StmtKind::Try { .. } => {
                let pays = || returns || self.is_worthwhile(s);
                own || self.reason(s).is_some() && !pays() || self.is_stuck(s)
            }
            StmtKind::With { .. } if finals::may_be_compiled(self.entry, s) => {
                !(returns || self.is_worthwhile(s)) || self.is_stuck(s)
            }
            _ => own,
        }
    }

    /// Why an island cannot be run apart from its function.
    fn obstacle(&self, island: &Island) -> Option<(&'static str, &'static str)> {
        if island.leaves() && !self.leaves_simply(island) {
            return Some((
                "`break` or `continue` in this place runs with the whole function",
                "put that part into a function of its own",
            ));
        }
        let first = self.hir.params.first().map(|p| p.local);
        let hidden = island.first && first.is_some_and(|l| self.cells.all.contains(&l));
        if hidden || island.frame && self.unsure_cell(island) {
            return Some((
                "code that looks at its own frame uses a variable of a nested function",
                "pass the variable to the nested function as a default: `lambda k=k: k`",
            ));
        }
        None
    }

    /// Each way out of the island has the same variables: `with` and `try`.
    fn leaves_simply(&self, island: &Island) -> bool {
        let Code::Run(stmts) = &island.code else {
            return true;
        };
        let leaving = stmts.iter().filter(|s| Uses::of_stmts(self.hir, &[**s]).leaves());
        leaving.into_iter().all(|s| {
            let kind = &self.hir.stmts[*s].kind;
            matches!(kind, StmtKind::With { .. } | StmtKind::Try { .. })
        })
    }
}

/// Whether a target binds names only.
fn binds_names(target: &Target) -> bool {
    match target {
        Target::Local(_) | Target::Outer(_) => true,
        Target::Tuple { items, .. } => items.iter().all(binds_names),
        Target::Subscript(..) | Target::Attribute(..) => false,
    }
}

pub(crate) fn is_loop(kind: &StmtKind) -> bool {
    matches!(kind, StmtKind::For { .. } | StmtKind::While { .. })
}
