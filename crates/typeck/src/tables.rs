//! Results of inference: side tables keyed by expression and statement.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use numlift_builtins::Builtin;
use numlift_diagnostics::Diagnostic;
use numlift_syntax::hir::{ExprId, Function, LocalId, StmtId};
use numlift_types::{Capture, CodeRef, DType, ObjectRef, Reason, Scalar, Type};

use crate::islands::Consumer;

/// Index into [`Program::instances`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceId(pub usize);

/// Whether a variable is bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bound {
    No,
    Maybe,
    Yes,
}

impl Bound {
    pub fn join(self, other: Bound) -> Bound {
        if self == other { self } else { Bound::Maybe }
    }
}

/// Type and boundness of a variable at a point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VarTy {
    pub ty: Type,
    pub bound: Bound,
}

/// A variable behind a statement that binds it; of a `for`, at the beginning of a turn.
pub type Binding = (StmtId, LocalId);

/// Where a callee's parameter comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum ArgSource {
    Expr(ExprId),
    /// item of a tuple that a call spreads: `f(*t)`
    Item(ExprId, usize),
    /// hidden argument
    Hidden(u32),
    /// a compile-time object: no machine value
    Const,
    /// captured variable of the calling function
    Local(LocalId),
    /// captured variable the caller captured itself (index into its captures)
    Capture(usize),
    /// part of the value of the function called: a captured variable or a default
    Part(usize),
}

/// What a call expression calls.
#[derive(Clone, Debug)]
pub enum Call {
    Builtin(&'static Builtin),
    /// Boxed call: the object (or a method of the first argument) with these argument expressions.
    Boxed {
        object: Option<ObjectRef>,
        method: String,
        args: Vec<ExprId>,
        keywords: Vec<String>,
        /// Nothing else refers to the memory of an array that it returns.
        fresh: bool,
        /// It writes to an argument, or draws a random number.
        effect: bool,
    },
    /// NumPy inner loop on one element; dtypes of the loop's operands, then of its results.
    Ufunc {
        object: ObjectRef,
        types: String,
        args: Vec<ExprId>,
        dtypes: Vec<DType>,
    },
    /// A C function, with as many arguments as it has parameters.
    C {
        object: ObjectRef,
        args: Vec<ExprId>,
    },
    Instance {
        id: InstanceId,
        args: Vec<ArgSource>,
    },
    /// `np.float32(x)`
    Cast(Scalar),
    /// a number known when compiling, as the bits of its slot
    Constant(Scalar, u64),
    /// The arguments are evaluated, the answer is known.
    Static(Static),
}

/// What is applied to the elements of arrays.
#[derive(Clone, Debug, PartialEq)]
pub struct Elementwise {
    pub function: Applied,
    pub args: Vec<ExprId>,
    /// The array that is written to.
    pub out: Option<ExprId>,
    /// dtypes that the operands are converted to.
    pub operands: Vec<DType>,
    pub result: DType,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Applied {
    /// A universal function: its name, the types of its loop, and the object, for where machine code does not give its bits.
    Ufunc {
        name: String,
        types: String,
        object: ObjectRef,
    },
    /// An object that is called.
    Boxed(Option<ObjectRef>),
    /// `np.where`
    Where,
    /// `astype`
    Cast,
}

/// An exception that Python makes when it is raised.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Template {
    /// A Python expression that raises it, over the operands as `a`, `b`, `c`…
    pub text: String,
    pub operands: Vec<Operand>,
}

/// A value that goes into an exception.
#[derive(Clone, Debug, PartialEq)]
pub struct Operand {
    pub source: ArgSource,
    pub ty: Type,
    /// the shape of the array, as a tuple
    pub shape: bool,
}

impl Template {
    /// Adds an operand and gives its name.
    pub fn operand(&mut self, source: ArgSource, ty: Type, shape: bool) -> String {
        self.operands.push(Operand { source, ty, shape });
        char::from(b'a' + (self.operands.len() as u8 - 1) % 26).to_string()
    }
}

/// Answers of calls that types decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Static {
    Bool(bool),
    /// bits of a Python float
    Float(u64),
    /// a compile-time object: the type says which
    Type,
}

/// A place where static typing ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DynamicPlace {
    pub at: Place,
    pub diagnostic: Diagnostic,
}

/// What a [`DynamicPlace`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Stmt(StmtId),
    /// A variable: statements that use it give it as their reason.
    Local,
    /// The function's result.
    Result,
}

/// Side tables of one instance.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    pub exprs: HashMap<ExprId, Type>,
    /// By [`Reason`], in the order of discovery.
    pub reasons: Vec<DynamicPlace>,
    /// Statements that use an object, each with the first reason in it.
    pub dynamic: BTreeMap<StmtId, Reason>,
    /// Variables before and behind each statement of an instance with islands.
    pub states: HashMap<StmtId, [Vec<VarTy>; 2]>,
    /// Types that annotations give to variables.
    pub annotated: HashMap<StmtId, Type>,
    /// Variables that code in the interpreter binds, by the statement that does: what a run may observe.
    pub observable: BTreeSet<Binding>,
    /// Those of which the observed type is assumed.
    pub assumed: BTreeMap<Binding, Type>,
    /// Items of objects that expressions read, which a run may observe.
    pub readable: BTreeSet<ExprId>,
    /// Those of which the observed type is assumed.
    pub reads: BTreeMap<ExprId, Type>,
    /// Names outside that are assigned values of another type than they have.
    pub retyped: BTreeSet<String>,
    /// Variables where a `for` has bound its targets, of an instance with islands.
    pub targets: HashMap<StmtId, Vec<VarTy>>,
    /// Variables at the head of a loop.
    pub loops: HashMap<StmtId, Vec<VarTy>>,
    /// Variables where the handlers of a compiled `try` begin: as they are wherever its body may raise.
    pub handlers: HashMap<StmtId, Vec<VarTy>>,
    /// Variables where the last block of a compiled `try` begins: as they are on any way out of the others.
    pub finals: HashMap<StmtId, Vec<VarTy>>,
    /// Variables wherever what a context manager is for may raise, by its expression, of a compiled `with`.
    pub managed: HashMap<ExprId, Vec<VarTy>>,
    /// The type of what it gives, if a variable is bound to that.
    pub entered: HashMap<ExprId, Type>,
    /// Classes of handlers that are known when compiling.
    pub classes: HashMap<ExprId, Vec<ObjectRef>>,
    /// Loops whose first turn has types of its own: tables of that turn's body.
    pub peeled: HashMap<StmtId, Tables>,
    pub calls: HashMap<ExprId, Call>,
    /// Calls of builtins that are done with functions and generators when they return.
    pub consumers: HashMap<ExprId, Consumer>,
    /// Expressions that NumPy evaluates for each element of arrays.
    pub elementwise: HashMap<ExprId, Elementwise>,
    /// Augmented assignments to arrays, by their right sides: the target is the first operand.
    pub in_place: HashMap<ExprId, Elementwise>,
    /// Indices of assignments to parts of arrays.
    pub parts: BTreeSet<ExprId>,
    /// Truth of expressions that the types decide: the other branch is not inferred.
    pub truths: HashMap<ExprId, bool>,
    /// Exceptions of `raise` and `assert` statements.
    pub errors: HashMap<StmtId, Template>,
    /// Constant indices into tuples; out of range if there is no such item.
    pub indices: HashMap<ExprId, usize>,
    /// Items that constant slices of tuples pick.
    pub picks: HashMap<ExprId, Vec<usize>>,
    pub hidden: HashMap<ExprId, u32>,
    /// Types of captured variables, in the order of the instance's captures.
    pub captures: Vec<(Capture, Type)>,
    /// dtype argument of an allocation.
    pub dtypes: HashMap<ExprId, DType>,
}

/// A function for given argument types.
#[derive(Clone, Debug)]
pub struct Instance {
    pub code: CodeRef,
    /// Path of nested functions below `code`.
    pub path: Vec<u32>,
    pub args: Vec<Type>,
    pub hir: Arc<Function>,
    pub tables: Tables,
    pub ret: Type,
    /// Stores to arrays it does not own, or draws random numbers, itself or in a callee.
    pub effects: bool,
    pub callees: Vec<InstanceId>,
    pub recursive: bool,
    pub uses_rng: bool,
    /// What is wrong with the function as a whole.
    pub whole: Option<Diagnostic>,
}

impl Tables {
    /// The captured variable that a free name means: of the nearest function around.
    pub fn capture(&self, name: &str) -> Option<usize> {
        let found = self
            .captures
            .iter()
            .enumerate()
            .filter(|(_, (c, _))| c.name == name);
        found.max_by_key(|(_, (c, _))| c.depth).map(|(i, _)| i)
    }
}

impl Instance {
    /// What a reason of this instance says.
    pub fn reason(&self, reason: Reason) -> Option<&Diagnostic> {
        self.tables.reasons.get(reason.0 as usize).map(|p| &p.diagnostic)
    }

    /// Where it is dynamic, first what was found first; empty if it is wholly native.
    pub fn places(&self) -> impl Iterator<Item = &Diagnostic> {
        let dynamic = |(i, p): &(usize, &DynamicPlace)| match p.at {
            Place::Stmt(s) => self.tables.dynamic.contains_key(&s),
            Place::Local => self.tables.dynamic.values().any(|r| r.0 as usize == *i),
            Place::Result => true,
        };
        let places = self.tables.reasons.iter().enumerate().filter(dynamic);
        self.whole.iter().chain(places.map(|(_, p)| &p.diagnostic))
    }
}

/// Everything a specialisation compiles.
#[derive(Clone, Debug, Default)]
pub struct Program {
    pub instances: Vec<Instance>,
    /// The entry.
    pub root: Option<InstanceId>,
}

impl Program {
    /// The dynamic places of the entry and of what it calls, each once; empty if all is native.
    pub fn places(&self) -> Vec<&Diagnostic> {
        let mut out: Vec<&Diagnostic> = vec![];
        let root = self.root.map(|r| &self.instances[r.0]);
        for d in root.into_iter().chain(&self.instances).flat_map(Instance::places) {
            if !out.contains(&d) {
                out.push(d);
            }
        }
        out
    }
}
