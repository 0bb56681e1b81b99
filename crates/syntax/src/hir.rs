//! HIR: one function with names resolved, sugar removed where nothing is lost, a span on every node.
//!
//! Expressions and statements live in arenas; type tables are keyed by [`ExprId`] and [`StmtId`].

use std::sync::Arc;

use cranelift_entity::{PrimaryMap, entity_impl};
use numlift_diagnostics::Span;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExprId(u32);
entity_impl!(ExprId, "e");

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StmtId(u32);
entity_impl!(StmtId, "s");

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalId(u32);
entity_impl!(LocalId, "l");

pub type Block = Vec<StmtId>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamKind {
    Positional,
    /// before `/`
    PositionalOnly,
    KeywordOnly,
    /// `*args`
    VarArgs,
    /// `**kwargs`
    VarKeywords,
}

#[derive(Clone, Debug)]
pub struct Param {
    pub local: LocalId,
    pub kind: ParamKind,
    /// Whether there is a default (its value is the function object's, or of the node that makes a nested one).
    pub has_default: bool,
    pub annotation: Option<ExprId>,
}

#[derive(Clone, Debug)]
pub struct Local {
    pub name: String,
    /// Assigned by a nested function (`nonlocal`) or read by one.
    pub captured: bool,
}

#[derive(Clone, Debug)]
pub struct Function {
    pub name: String,
    pub span: Span,
    /// 1-based line in the file of the first line of the source text.
    pub first_line: u32,
    pub file: String,
    /// The text that spans are offsets in; it begins at `first_line`.
    pub source: Arc<str>,
    pub params: Vec<Param>,
    pub locals: PrimaryMap<LocalId, Local>,
    /// Names of variables of enclosing functions that this one uses (for nested ones: also listed as free).
    pub free: Vec<String>,
    pub body: Block,
    pub exprs: PrimaryMap<ExprId, Expr>,
    pub stmts: PrimaryMap<StmtId, Stmt>,
    /// Nested `def`s and lambdas, in source order.
    pub nested: Vec<Arc<Function>>,
    /// Contains `yield` or `await`, or is `async`.
    pub is_generator: bool,
    /// `global`/`nonlocal` names that are assigned.
    pub writes_outer: Vec<String>,
    /// Those of them that something else than a [`Target`] binds: `import`, `def`, `class`, `:=`, `except`, `case`.
    pub rebinds_outer: Vec<String>,
    /// Names of outer scopes that functions in code without nodes assign.
    pub hidden_writes: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Expr {
    pub kind: ExprKind,
    pub span: Span,
    /// 1-based line in the file.
    pub line: u32,
}

#[derive(Clone, Debug)]
pub struct Stmt {
    pub kind: StmtKind,
    pub span: Span,
    pub line: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinOp {
    Add,
    Sub,
    Mul,
    Div,
    FloorDiv,
    Mod,
    Pow,
    MatMul,
    LShift,
    RShift,
    And,
    Or,
    Xor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnaryOp {
    Neg,
    Pos,
    Invert,
    Not,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CmpOp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Is,
    IsNot,
    In,
    NotIn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoolOp {
    And,
    Or,
}

/// What a name means in this function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    Local(LocalId),
    /// A variable of an enclosing function.
    Free(String),
    /// A global, else a builtin.
    Global(String),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Const {
    None,
    Ellipsis,
    Bool(bool),
    /// fits i64
    Int(i64),
    /// decimal digits of an int outside i64
    BigInt(String),
    Float(f64),
    /// imaginary part
    Complex(f64),
    Str(String),
    Bytes(Vec<u8>),
}

#[derive(Clone, Debug)]
pub struct Arg {
    /// `None` for positional
    pub name: Option<String>,
    pub value: ExprId,
    /// `*x` (name None) or `**x` (name None, double)
    pub star: u8,
}

#[derive(Clone, Debug)]
pub enum ExprKind {
    Const(Const),
    Name(Name),
    Binary(BinOp, ExprId, ExprId),
    Unary(UnaryOp, ExprId),
    /// Two or more operands.
    Bool(BoolOp, Vec<ExprId>),
    /// `a < b <= c`: first operand, then pairs.
    Compare(ExprId, Vec<(CmpOp, ExprId)>),
    /// `then if test else other`
    If {
        test: ExprId,
        then: ExprId,
        other: ExprId,
    },
    Call {
        func: ExprId,
        args: Vec<Arg>,
    },
    Attribute(ExprId, String),
    /// The index is one expression; `a[i, j]` has a `Tuple`.
    Subscript(ExprId, ExprId),
    Slice {
        start: Option<ExprId>,
        stop: Option<ExprId>,
        step: Option<ExprId>,
    },
    Tuple(Vec<ExprId>),
    List(Vec<ExprId>),
    Starred(ExprId),
    /// `name := value`
    Walrus(LocalId, ExprId),
    /// index into `Function::nested`, and the defaults of its parameters that have one
    Lambda(u32, Vec<ExprId>),
    /// Anything else (comprehension, f-string, dict, set, yield, await...).
    Dynamic(Opaque),
}

/// Code without nodes of its own, which only the interpreter runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opaque {
    /// Its description for messages.
    pub what: &'static str,
    /// Variables of the function it may read, each once.
    pub reads: Vec<LocalId>,
    /// Variables of the function it may bind, each once.
    pub binds: Vec<LocalId>,
    /// Those that functions, classes and generators in it use, which may outlive it; a generator that it is itself is
    /// left out.
    pub captured: Vec<LocalId>,
    /// Those that functions and generators in it assign, whenever they run; as for `captured`.
    pub written: Vec<LocalId>,
    /// Free and global names it may read, each once.
    pub outer: Vec<Name>,
}

impl Opaque {
    /// Whether it is a generator: it reads its variables later.
    pub fn is_lazy(&self) -> bool {
        self.what.contains("generator")
    }
}

/// Assignment target.
#[derive(Clone, Debug)]
pub enum Target {
    Local(LocalId),
    /// `global`/`nonlocal` name
    Outer(String),
    Subscript(ExprId, ExprId),
    Attribute(ExprId, String),
    /// Items; at most one is starred (its index).
    Tuple {
        items: Vec<Target>,
        star: Option<usize>,
    },
}

#[derive(Clone, Debug)]
pub enum Pattern {
    /// a number, None, True, False, or dotted name: compared with `==` (`is` for singletons)
    Value(ExprId),
    /// `_` or a capture
    Capture(Option<LocalId>),
    Or(Vec<Pattern>),
    As(Box<Pattern>, LocalId),
    Sequence(Vec<Pattern>),
    /// anything else
    Dynamic(Opaque),
}

/// `except class as name: body`
#[derive(Clone, Debug)]
pub struct Handler {
    pub class: Option<ExprId>,
    /// Unbound again at the end of the body.
    pub name: Option<LocalId>,
    pub body: Block,
}

#[derive(Clone, Debug)]
pub struct Case {
    pub pattern: Pattern,
    pub guard: Option<ExprId>,
    pub body: Block,
}

#[derive(Clone, Debug)]
pub enum StmtKind {
    Expr(ExprId),
    /// `t1 = t2 = value`, left to right
    Assign {
        targets: Vec<Target>,
        value: ExprId,
    },
    /// annotation only: `value` is None
    AnnAssign {
        target: Target,
        annotation: ExprId,
        value: Option<ExprId>,
    },
    AugAssign {
        target: Target,
        op: BinOp,
        value: ExprId,
    },
    If {
        test: ExprId,
        then: Block,
        other: Block,
    },
    While {
        test: ExprId,
        body: Block,
        orelse: Block,
    },
    For {
        target: Target,
        iter: ExprId,
        body: Block,
        orelse: Block,
    },
    Match {
        subject: ExprId,
        cases: Vec<Case>,
    },
    Break,
    Continue,
    Return(Option<ExprId>),
    Assert {
        test: ExprId,
        message: Option<ExprId>,
    },
    Raise {
        exc: Option<ExprId>,
        cause: Option<ExprId>,
    },
    /// `import a.b as c` binds c; `import a.b` binds a: (module path, bound local, whether bound to the top package)
    Import {
        module: String,
        local: LocalId,
        top: bool,
    },
    /// `from module import name as local`
    ImportFrom {
        module: String,
        name: String,
        local: LocalId,
        level: u32,
    },
    /// nested function: index into `nested`, and the defaults of its parameters that have one
    Def {
        local: LocalId,
        nested: u32,
        defaults: Vec<ExprId>,
    },
    Del(Vec<Target>),
    With {
        items: Vec<(ExprId, Option<Target>)>,
        body: Block,
    },
    Try {
        body: Block,
        handlers: Vec<Handler>,
        orelse: Block,
        finalbody: Block,
        /// `except*`, or a handler that binds a name outside: only the interpreter runs it.
        dynamic: bool,
    },
    Pass,
    /// `global` and `nonlocal` declarations carry no code; anything else (class, async for…).
    Dynamic(Opaque),
}
