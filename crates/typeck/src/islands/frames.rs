//! Code that looks at its own frame: `locals()`, `eval("x")`, `super()`.
//!
//! An island that takes all variables in has the names and values that the interpreter's frame has there. What would
//! tell the frames apart is refused: until Python 3.12 the dict of `locals()` is one per frame, so where it is kept or
//! changed it must be asked for once; frame objects are not given away, and the builtins not called by another name.

use std::collections::HashSet;

use numlift_syntax::hir::{
    Arg, BinOp, CmpOp, Const, ExprId, ExprKind, Function, Name, ParamKind, StmtId, StmtKind,
};
use numlift_syntax::visit::{Visitor, walk_expr, walk_stmt};

use super::is_loop;

/// Builtins whose result depends on the variables of the frame that calls them.
const VARIABLES: &[&str] = &["locals", "vars", "dir", "eval", "exec"];
/// Those of them that do not if they have an argument.
const ALONE: &[&str] = &["vars", "dir"];
/// Names of functions that give frames.
const FRAMES: &[&str] = &["_getframe", "currentframe"];
/// What can be read of a frame as of another one of the same function.
const SAME: &[&str] = &["f_lineno", "f_back", "f_globals", "f_builtins"];
/// Functions and methods that do not keep a dict which is an argument or theirs.
const READERS: &[&str] = &[
    "all",
    "any",
    "bool",
    "dict",
    "frozenset",
    "len",
    "list",
    "max",
    "min",
    "print",
    "repr",
    "set",
    "sorted",
    "str",
    "sum",
    "tuple",
];
const READING: &[&str] = &["copy", "get"];
/// What makes the text of an `eval` keep or change the dict.
const KEEPING: &[&str] = &["lambda", "locals", "vars", "eval", "exec", ":=", "frame"];

/// How a call looks at its own frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    /// It needs the variables.
    pub variables: bool,
    /// It needs the first parameter.
    pub first: bool,
}

fn outside(f: &Function, e: ExprId) -> Option<&str> {
    match &f.exprs[e].kind {
        ExprKind::Name(Name::Global(n) | Name::Free(n)) => Some(n),
        _ => None,
    }
}

/// What a call looks at.
pub(super) fn call(f: &Function, func: ExprId, args: &[Arg]) -> Look {
    let name = outside(f, func).unwrap_or_default();
    Look {
        variables: VARIABLES.contains(&name) && (args.is_empty() || !ALONE.contains(&name)),
        first: name == "super" && args.is_empty(),
    }
}

/// What code without nodes may look at that uses a name.
pub(super) fn name(name: &str) -> Look {
    Look {
        variables: VARIABLES.contains(&name),
        first: name == "super",
    }
}

/// Why islands cannot stand for the frame of a function, and what to do.
pub(super) fn obstacle(f: &Function) -> Option<(&'static str, &'static str)> {
    let mut looks = Looks::default();
    looks.visit_block(f, &f.body);
    let kept = |(kept, looped): &(bool, bool)| *kept && (*looped || looks.all.len() > 1);
    let again = looks.all.iter().any(kept).then_some((
        "variables are looked at more than once as a dict that is kept or changed",
        "read it at once, as in `sorted(locals())`, or pass `eval` and `exec` a dict of their own",
    ));
    let positional = matches!(
        f.params.first().map(|p| p.kind),
        Some(ParamKind::Positional | ParamKind::PositionalOnly)
    );
    let nothing = (looks.first && !positional).then_some((
        "`super()` looks for the first parameter",
        "write `super(Class, self)`",
    ));
    looks.refused.or(again).or(nothing)
}

#[derive(Default)]
struct Looks {
    /// For each look at the variables: whether the dict may be kept or changed, and whether it is in a loop.
    all: Vec<(bool, bool)>,
    first: bool,
    refused: Option<(&'static str, &'static str)>,
    loops: usize,
    /// How many `finally` come behind.
    finals: usize,
    /// The function is left: nothing looks again.
    returns: bool,
    /// Names that are called.
    called: HashSet<ExprId>,
    /// Expressions whose value is read at once.
    read: HashSet<ExprId>,
    /// Frames of which only is read what is the same.
    same: HashSet<ExprId>,
}

impl Looks {
    fn refuse(&mut self, frame: bool) {
        self.refused.get_or_insert(match frame {
            true => (
                "a frame object of the function is used",
                "put the loops into a function of their own",
            ),
            false => (
                "a builtin that looks at its caller's frame is used as a value",
                "call it by its name",
            ),
        });
    }

    fn call(&mut self, f: &Function, id: ExprId, func: ExprId, args: &[Arg]) {
        let name = outside(f, func).unwrap_or_default();
        let method = match &f.exprs[func].kind {
            ExprKind::Attribute(base, name) => Some((*base, name.as_str())),
            _ => None,
        };
        if VARIABLES.contains(&name) || name == "super" || FRAMES.contains(&name) {
            self.called.insert(func);
        }
        if FRAMES.contains(&method.map_or(name, |(_, name)| name)) {
            self.called.insert(func);
            if args.is_empty() && !self.same.contains(&id) {
                self.refuse(true);
            }
        }
        let look = call(f, func, args);
        self.first |= look.first;
        if look.variables {
            let kept = match name {
                "dir" => false,
                "eval" => match args.first().map(|a| &f.exprs[a.value].kind) {
                    Some(ExprKind::Const(Const::Str(s))) => KEEPING.iter().any(|k| s.contains(k)),
                    _ => true,
                },
                "exec" => true,
                _ => !self.read.contains(&id),
            };
            self.all.push((kept && !self.returns, self.loops > 0));
        }
        if let Some((base, _)) = method.filter(|(_, name)| READING.contains(name)) {
            self.read.insert(base);
        }
        let read = args
            .iter()
            .filter(|a| a.star == 2 || a.star == 0 && READERS.contains(&name));
        self.read.extend(read.map(|a| a.value));
    }
}

impl Visitor for Looks {
    fn visit_stmt(&mut self, f: &Function, stmt: StmtId) {
        let kind = &f.stmts[stmt].kind;
        match kind {
            StmtKind::For { iter, .. } => self.visit_expr(f, *iter),
            StmtKind::Dynamic(code) => {
                for n in &code.outer {
                    self.hidden(n);
                }
                let span = f.stmts[stmt].span;
                self.text(f, span.start, span.end);
            }
            _ => {}
        }
        let looped = usize::from(is_loop(kind));
        let last = match kind {
            StmtKind::Try { finalbody, .. } => !finalbody.is_empty(),
            StmtKind::With { .. } => true,
            _ => false,
        };
        self.loops += looped;
        self.finals += usize::from(last);
        self.returns = matches!(kind, StmtKind::Return(_)) && self.finals == 0;
        walk_stmt(self, f, stmt);
        self.returns = false;
        self.finals -= usize::from(last);
        self.loops -= looped;
    }

    fn visit_expr(&mut self, f: &Function, expr: ExprId) {
        let e = &f.exprs[expr];
        match &e.kind {
            ExprKind::Call { func, args } => self.call(f, expr, *func, args),
            ExprKind::Attribute(base, name) => {
                if FRAMES.contains(&name.as_str()) && !self.called.contains(&expr) {
                    self.refuse(true);
                }
                if SAME.contains(&name.as_str()) {
                    self.same.insert(*base);
                }
            }
            ExprKind::Subscript(base, _) => _ = self.read.insert(*base),
            ExprKind::Binary(BinOp::Mod, _, right) => _ = self.read.insert(*right),
            ExprKind::Compare(_, rest) => {
                let within = rest
                    .iter()
                    .filter(|(op, _)| matches!(op, CmpOp::In | CmpOp::NotIn));
                self.read.extend(within.map(|(_, right)| *right));
            }
            ExprKind::Name(Name::Global(n) | Name::Free(n)) if !self.called.contains(&expr) => {
                let n = n.as_str();
                if VARIABLES.contains(&n) || n == "super" || FRAMES.contains(&n) {
                    self.refuse(FRAMES.contains(&n));
                }
            }
            ExprKind::Dynamic(code) => {
                for n in &code.outer {
                    self.hidden(n);
                }
                self.text(f, e.span.start, e.span.end);
            }
            _ => {}
        }
        walk_expr(self, f, expr);
    }
}

impl Looks {
    /// A name in code without nodes.
    fn hidden(&mut self, name: &Name) {
        if let Name::Global(n) | Name::Free(n) = name {
            let look = self::name(n);
            self.first |= look.first;
            if look.variables {
                self.all.push((!self.returns, self.loops > 0));
            }
        }
    }

    /// The text of such code.
    fn text(&mut self, f: &Function, start: u32, end: u32) {
        let text = f.source.get(start as usize..end as usize).unwrap_or_default();
        if FRAMES.iter().any(|n| text.contains(n)) {
            self.refuse(true);
        }
    }
}
