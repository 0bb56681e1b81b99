//! Variables at the border between machine code and the interpreter: of islands, and of resume points.

use numlift_types::{ClosureType, CodeRef, ObjectRef, Reason, Type};
use serde::{Deserialize, Serialize};

/// A variable that goes into an island or comes out of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IslandVar {
    pub name: String,
    pub ty: Type,
    /// It may be unbound: a flag slot comes before the value.
    pub maybe: bool,
    /// It is bound for sure, as the interpreter sees it.
    pub sure: bool,
    /// The type is the user's annotation: another one is a `TypeError`.
    pub annotated: bool,
    /// Line of the statement behind which the type is assumed, as a run has observed it.
    pub assumed: Option<u32>,
}

/// Where a resumed variable's value is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResumeSource {
    /// Operands of this type; with `maybe` a flag comes first.
    Operand { ty: Type, maybe: bool },
    /// The argument of the call as it was passed.
    Argument(usize),
    /// An entry of `ctx.objects`; with `maybe` a flag is among the operands.
    Object { index: u32, maybe: bool },
    /// A Python function that is compiled along; with `maybe` a flag is among the operands.
    Code { code: CodeRef, maybe: bool },
    /// A nested function, made again from its `def` or lambda: operands are the values of its defaults.
    Nested {
        at: Extent,
        defaults: Vec<Type>,
        maybe: bool,
    },
    /// It is not bound.
    Unbound,
    /// A cell, an operand. The value is put into it; without one it has the value already.
    Cell(Option<Box<ResumeSource>>),
}

/// Where a node is in the source: bytes from its start to behind its end.
pub type Extent = (u32, u32);

/// A part of a statement that is done; its value is among the operands if it has a type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Done {
    /// The value of an expression.
    Value(Extent, Type),
    /// The truth of a condition, which has decided.
    Truth(Extent, bool),
    /// The left side of an augmented assignment.
    Old(Type),
    /// The value that a target gets, which is not stored yet. The path is the number of the target, then those
    /// of items in it.
    Assign(Vec<u32>, Type),
    /// The exception that the statement has raised.
    Raised(Type),
    /// A `try` statement has tried its handlers before that number.
    Tried(u32),
}

/// A statement from which the interpreter can go on. The operands are those of `vars`, `captures`, `done`, `loops`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ResumePoint {
    /// The function, or the one that it is nested in.
    pub code: CodeRef,
    /// The statement.
    pub at: Extent,
    /// It goes on behind the statement.
    pub behind: bool,
    pub vars: Vec<(String, ResumeSource)>,
    /// Nested functions among the operands: where they are.
    pub closures: Vec<(ClosureType, Extent)>,
    /// Constants in values: where they are among the specialisation's objects.
    pub objects: Vec<(ObjectRef, u32)>,
    /// Functions in values.
    pub functions: Vec<CodeRef>,
    /// Variables of functions around it.
    pub captures: Vec<(String, Type)>,
    pub done: Vec<Done>,
    /// The call in progress, whose value the callee's own rest gives.
    pub call: Option<Extent>,
    /// `for` loops around it, outermost first: what gives the remaining items, as a Python expression over
    /// `v[0]`, `v[1]`…, and the types of these.
    pub loops: Vec<(Extent, String, Vec<Type>)>,
    /// How control has left the statements around whose last block runs, outermost first.
    pub ways: Vec<Way>,
    /// How many managers of a `with` statement have been entered and not been left, if it is that statement.
    pub entered: usize,
}

/// How control leaves a statement that does something then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Way {
    Normal,
    Raised,
    Return,
    Break,
    Continue,
}

impl Way {
    /// What `numlift._resume` calls it.
    pub fn name(self) -> &'static str {
        match self {
            Way::Normal => "normal",
            Way::Raised => "raised",
            Way::Return => "return",
            Way::Break => "break",
            Way::Continue => "continue",
        }
    }
}

impl ResumeSource {
    /// Adds the types of its operands.
    fn operands(&self, out: &mut Vec<Type>) {
        let (maybe, types) = match self {
            ResumeSource::Operand { ty, maybe } => (*maybe, std::slice::from_ref(ty)),
            ResumeSource::Nested { defaults, maybe, .. } => (*maybe, defaults.as_slice()),
            ResumeSource::Object { maybe, .. } | ResumeSource::Code { maybe, .. } => (*maybe, &[][..]),
            ResumeSource::Argument(_) | ResumeSource::Unbound => (false, &[][..]),
            ResumeSource::Cell(value) => {
                out.push(Type::Object(Reason::JOIN));
                value.iter().for_each(|v| v.operands(out));
                return;
            }
        };
        out.extend(maybe.then_some(Type::BOOL));
        out.extend_from_slice(types);
    }
}

impl ResumePoint {
    /// Whether the text of a function is needed to go on.
    pub fn uses(&self, code: CodeRef) -> bool {
        self.code == code
            || self.closures.iter().any(|(c, _)| c.code == code)
            || self.functions.contains(&code)
    }

    /// The types of its operands.
    pub fn operands(&self) -> Vec<Type> {
        let mut out = vec![];
        self.vars.iter().for_each(|(_, source)| source.operands(&mut out));
        out.extend(self.captures.iter().map(|(_, t)| t.clone()));
        out.extend(self.done.iter().filter_map(Done::operand).cloned());
        out.extend(self.loops.iter().flat_map(|(_, _, types)| types.iter().cloned()));
        out
    }
}

impl Done {
    /// The type of its value, if it has one.
    pub fn operand(&self) -> Option<&Type> {
        match self {
            Done::Value(_, t) | Done::Old(t) | Done::Assign(_, t) | Done::Raised(t) => Some(t),
            Done::Truth(..) | Done::Tried(_) => None,
        }
    }
}
