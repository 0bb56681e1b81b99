//! Inference: instances of functions, recursion to a fixpoint.

mod boxed;
mod call;
mod closure;
mod dynamic;
mod elementwise;
mod expr;
mod feedback;
mod finals;
mod fold;
mod foreign;
mod handlers;
mod index;
mod island;
mod library;
mod managers;
mod message;
mod method;
mod narrow;
mod outside;
mod pattern;
mod peel;
mod random;
mod selection;
mod stmt;
mod table;
mod tuple;
mod ufunc;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use numlift_diagnostics::Diagnostic;
use numlift_syntax::hir::{ExprId, Function, LocalId, ParamKind, StmtId};
use numlift_types::{Capture, CodeRef, Reason, Type};

use crate::env::Env;
use crate::islands::Cells;
use crate::tables::{Binding, Bound, Instance, InstanceId, Program, Tables, VarTy};

use dynamic::{Node, Stop, solid};
use feedback::Identified;
use finals::FinalCx;

pub(crate) use dynamic::{has_list, whole};
pub use elementwise::result_array;

/// `Err` ends the typing of the node, not of the function.
pub(crate) type R<T> = Result<T, Stop>;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    code: CodeRef,
    path: Vec<u32>,
    args: Vec<Type>,
    captures: Vec<(Capture, Type)>,
}

/// Infers `root` for the argument types, and everything it calls.
///
/// # Errors
/// A diagnostic about the whole function. What is dynamic in it is in the tables of the instances.
pub fn infer(env: &dyn Env, root: CodeRef, args: &[Type]) -> Result<Program, Box<Diagnostic>> {
    infer_with(env, root, args, None)
}

/// What runs in the interpreter inside the entry makes of its variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Boxing {
    /// Variables that are objects wherever they are assigned.
    pub locals: HashSet<LocalId>,
    /// Lists are objects: code in the interpreter may change them.
    pub lists: bool,
    /// `try` statements with a `break` that run in the interpreter: each way out has the same variables.
    pub tries: HashSet<StmtId>,
    /// Names outside that the entry assigns and of which the type changes: read in the interpreter.
    pub outer: BTreeSet<String>,
    /// Variables of which no observed type is assumed: their island may leave to a loop around it.
    pub unassumed: BTreeSet<Binding>,
    /// Items of which no observed type is assumed: their object may change meanwhile.
    pub unread: BTreeSet<ExprId>,
    /// Variables that live in cells.
    pub cells: Cells,
    /// The names outside that are not in `outer` are hidden arguments; before this is set nothing is asked of the environment that would be guarded.
    pub settled: bool,
}

/// As [`infer`]; with `boxing` the states between the statements of the entry are kept.
pub(crate) fn infer_with(
    env: &dyn Env,
    root: CodeRef,
    args: &[Type],
    boxing: Option<&Boxing>,
) -> Result<Program, Box<Diagnostic>> {
    let mut cx = Context {
        env,
        boxing,
        program: Program::default(),
        keys: HashMap::new(),
        open: Vec::new(),
        depth: 0,
    };
    let hir = env.hir(root).map_err(Box::new)?;
    let key = Key {
        code: root,
        path: vec![],
        args: args.to_vec(),
        captures: vec![],
    };
    let id = cx.instance(key, hir)?;
    cx.program.root = Some(id);
    cx.propagate();
    Ok(cx.program)
}

struct Context<'e> {
    env: &'e dyn Env,
    boxing: Option<&'e Boxing>,
    program: Program,
    keys: HashMap<Key, InstanceId>,
    /// Instances being inferred, and whether their result was asked for meanwhile.
    open: Vec<(InstanceId, bool)>,
    depth: u32,
}

/// Deeper chains of different instances are not compiled.
const MAX_DEPTH: u32 = 60;

impl Context<'_> {
    /// The instance for a key, inferred now if it is new. An open one answers with what is known so far.
    ///
    /// # Errors
    /// What keeps the function from being inferred at all.
    fn instance(&mut self, key: Key, hir: Arc<Function>) -> Result<InstanceId, Box<Diagnostic>> {
        if let Some(&id) = self.keys.get(&key) {
            if let Some(pos) = self.open.iter().position(|(o, _)| *o == id) {
                self.open[pos].1 = true;
                for (o, _) in &self.open[pos..] {
                    self.program.instances[o.0].recursive = true;
                }
            }
            return Ok(id);
        }
        if let Some(d) = self.refusal(&hir) {
            return Err(Box::new(d));
        }
        self.depth += 1;
        let id = InstanceId(self.program.instances.len());
        self.program.instances.push(Instance {
            code: key.code,
            path: key.path.clone(),
            args: key.args.clone(),
            hir: hir.clone(),
            tables: Tables {
                captures: key.captures.clone(),
                ..Tables::default()
            },
            ret: Type::Never,
            effects: false,
            callees: vec![],
            recursive: false,
            uses_rng: false,
            whole: None,
        });
        self.keys.insert(key, id);
        self.fixpoint(id, &hir);
        self.depth -= 1;
        Ok(id)
    }

    fn refusal(&self, hir: &Function) -> Option<Diagnostic> {
        let variable = |k: ParamKind| matches!(k, ParamKind::VarArgs | ParamKind::VarKeywords);
        if hir.is_generator {
            let what = "generators and coroutines run in the interpreter";
            return Some(whole(hir, "NL1003", what, None));
        }
        let entry = self.program.instances.is_empty();
        // a call from outside has made a tuple and a dict of them
        if hir.params.iter().any(|p| variable(p.kind)) && !entry {
            let what = "calls of functions with *args or **kwargs are not compiled";
            return Some(whole(hir, "NL1004", what, None));
        }
        // in the entry they are islands
        if let Some(n) = hir.writes_outer.first().filter(|_| !entry) {
            let what = format!("`{n}` of an outer scope is assigned");
            return Some(whole(hir, "NL2010", &what, Some("return the value instead")));
        }
        let deep = self.depth >= MAX_DEPTH;
        deep.then(|| whole(hir, "NL2004", "calls nest too deep to compile", None))
    }

    /// Infers the body until what recursive calls assumed of it is what is found.
    fn fixpoint(&mut self, id: InstanceId, hir: &Arc<Function>) {
        for _ in 0..12 {
            self.open.push((id, false));
            let before = self.program.instances[id.0].ret.clone();
            let was_dynamic = self.program.instances[id.0].places().next().is_some();
            let count = self.program.instances.len();
            let ret = FnInfer::new(self, id, hir.clone()).run();
            let used = self.open.pop().is_some_and(|(_, used)| used);
            let ret = ret.join(&before);
            let inst = &mut self.program.instances[id.0];
            if ret == Type::Object(Reason::JOIN) {
                let what = "the function's results have no common static type";
                inst.whole = Some(whole(hir, "NL2001", what, None));
            }
            let is_dynamic = inst.places().next().is_some();
            // calls of a dynamic function are objects, whatever it returns
            let stable = was_dynamic == is_dynamic && (is_dynamic || ret == before);
            inst.ret = ret;
            if !used || stable {
                return;
            }
            // Instances found on the way assumed the old result.
            self.keys.retain(|_, v| v.0 < count);
            self.program.instances.truncate(count);
        }
        let what = "the result type of this recursive function does not settle";
        self.program.instances[id.0].whole = Some(whole(hir, "NL2001", what, None));
    }

    /// Effects and generator use reach callers.
    fn propagate(&mut self) {
        loop {
            let mut changed = false;
            for i in 0..self.program.instances.len() {
                let (mut effects, mut rng) = (
                    self.program.instances[i].effects,
                    self.program.instances[i].uses_rng,
                );
                for c in self.program.instances[i].callees.clone() {
                    effects |= self.program.instances[c.0].effects;
                    rng |= self.program.instances[c.0].uses_rng;
                }
                let inst = &mut self.program.instances[i];
                changed |= effects != inst.effects || rng != inst.uses_rng;
                inst.effects = effects;
                inst.uses_rng = rng;
            }
            if !changed {
                return;
            }
        }
    }
}

const UNBOUND: VarTy = VarTy {
    ty: Type::Never,
    bound: Bound::No,
};

/// Variables at a point, or `None` where control does not come.
type Vars = Option<Vec<VarTy>>;

fn join_vars(a: Vars, b: Vars) -> Vars {
    match (a, b) {
        (None, x) | (x, None) => x,
        (Some(a), Some(b)) => Some(
            a.into_iter()
                .zip(b)
                .map(|(x, y)| VarTy {
                    ty: x.ty.join(&y.ty),
                    bound: x.bound.join(y.bound),
                })
                .collect(),
        ),
    }
}

/// State of one loop being inferred.
#[derive(Default)]
struct LoopCx {
    breaks: Vars,
    continues: Vars,
    /// How many islands it is in.
    islands: usize,
}

/// Inference of one instance's body.
struct FnInfer<'c, 'e> {
    cx: &'c mut Context<'e>,
    id: InstanceId,
    code: CodeRef,
    hir: Arc<Function>,
    tables: Tables,
    vars: Vars,
    loops: Vec<LoopCx>,
    ret: Type,
    effects: bool,
    uses_rng: bool,
    callees: Vec<InstanceId>,
    /// The statement being inferred, and the first object it uses.
    stmt: Option<StmtId>,
    noted: Option<Reason>,
    /// Nodes with a reason of their own.
    nodes: HashMap<Node, Reason>,
    /// Counts typed expressions, and when each was typed last.
    clock: u32,
    stamps: Vec<u32>,
    /// Variables that nested functions assign, once such a function is defined, or if they are in cells.
    cells: HashMap<LocalId, Reason>,
    /// Those in cells that are never unbound again, and the others.
    written: HashMap<LocalId, bool>,
    /// What the interpreter makes of the variables of this instance.
    boxing: Option<&'e Boxing>,
    /// Blocks that run in the interpreter and are being inferred.
    islands: Vec<Interpreted>,
    /// Variables of which the code may see what object they are.
    identified: Identified,
    /// The variables wherever what is around raises, innermost `try` last.
    raises: Vec<Vars>,
    /// Lists that are arguments of library functions.
    literals: HashSet<ExprId>,
    /// The handlers around: the variable that each binds, and how many loops are around it.
    handling: Vec<(Option<LocalId>, usize)>,
    /// The statements around that do something wherever control leaves them.
    finals: Vec<FinalCx>,
}

/// A block that runs in the interpreter.
#[derive(Clone, Debug)]
struct Interpreted {
    /// Variables that it assigns.
    locals: Vec<LocalId>,
    /// Name of the exception, of a handler: unbound behind it.
    caught: Option<LocalId>,
    reason: Reason,
}

impl<'c, 'e> FnInfer<'c, 'e> {
    fn new(cx: &'c mut Context<'e>, id: InstanceId, hir: Arc<Function>) -> Self {
        let inst = &cx.program.instances[id.0];
        let (code, captures) = (inst.code, inst.tables.captures.clone());
        let mut vars = vec![UNBOUND; hir.locals.len()];
        for (p, t) in hir.params.iter().zip(&inst.args) {
            vars[index(p.local)] = VarTy {
                ty: t.clone(),
                bound: Bound::Yes,
            };
        }
        let boxing = cx.boxing.filter(|_| id.0 == 0);
        let identified = boxing.map(|_| Identified::of(&hir)).unwrap_or_default();
        let stamps = vec![0; hir.exprs.len()];
        FnInfer {
            cx,
            id,
            code,
            hir,
            tables: Tables {
                captures,
                ..Tables::default()
            },
            vars: Some(vars),
            loops: vec![],
            ret: Type::Never,
            effects: false,
            uses_rng: false,
            literals: HashSet::new(),
            callees: vec![],
            stmt: None,
            noted: None,
            nodes: HashMap::new(),
            clock: 0,
            stamps,
            cells: HashMap::new(),
            written: HashMap::new(),
            boxing,
            islands: vec![],
            identified,
            raises: vec![],
            handling: vec![],
            finals: vec![],
        }
    }

    fn run(mut self) -> Type {
        let body = self.hir.clone();
        self.written_cells();
        self.object_params();
        self.block(&body.body);
        if self.vars.is_some() {
            self.ret = self.ret.join(&Type::None);
        }
        if self.ret == Type::Object(Reason::JOIN) {
            let what = "the function's results have no common static type";
            let d = whole(&self.hir, "NL2001", what, None);
            let r = self.reason(Node::Result, Stop::Here(Box::new(d)));
            self.ret = Type::Object(r);
        }
        let inst = &mut self.cx.program.instances[self.id.0];
        inst.tables = self.tables;
        inst.effects = self.effects;
        inst.uses_rng = self.uses_rng;
        inst.callees = self.callees;
        self.ret
    }

    fn var(&self, l: LocalId) -> Option<&VarTy> {
        self.vars.as_ref().map(|v| &v[index(l)])
    }

    fn set(&mut self, l: LocalId, ty: Type) {
        let ty = match self.cells.get(&l) {
            Some(&r) => Type::Object(r),
            None => self.kept_boxed(l, solid(ty)),
        };
        let bound = match self.written.get(&l) {
            Some(steady) => self.assign_cell(l, *steady),
            None => Bound::Yes,
        };
        if let Some(v) = &mut self.vars {
            v[index(l)] = VarTy { ty, bound };
        }
    }
}

fn index(id: impl cranelift_entity::EntityRef) -> usize {
    id.index()
}
