//! Exceptions of `raise` and `assert`: built by Python when they are raised, from the source text of their arguments and
//! the values of the variables in it.

use numlift_syntax::hir::{Arg, Const, ExprId, ExprKind, Function, Name, StmtId};
use numlift_syntax::visit::{Visitor, walk_expr};
use numlift_types::{ArrayType, Type};

use super::stmt::storable;
use super::{FnInfer, R};
use crate::env::{Known, Resolved};
use crate::tables::{ArgSource, Template};

/// More operands than this do not fit into a failure's record.
const MAX_SLOTS: usize = 16;

/// A name in the text of a message.
#[derive(Clone, PartialEq, Eq)]
struct Used {
    name: Name,
    /// read by code without nodes
    opaque: bool,
}

/// Names that the arguments of an exception use, and whether they are nothing else.
#[derive(Default)]
struct Names {
    names: Vec<Used>,
    other: bool,
}

impl Visitor for Names {
    fn visit_expr(&mut self, f: &Function, expr: ExprId) {
        let mut add = |name: Name, opaque: bool| {
            let used = Used { name, opaque };
            if !self.names.contains(&used) {
                self.names.push(used);
            }
        };
        match &f.exprs[expr].kind {
            ExprKind::Name(name) => add(name.clone(), false),
            ExprKind::Dynamic(code) => {
                code.reads.iter().for_each(|&l| add(Name::Local(l), true));
                code.outer.iter().for_each(|n| add(n.clone(), true));
                self.other |= !code.binds.is_empty();
            }
            ExprKind::Walrus(..) | ExprKind::Lambda(..) => self.other = true,
            _ => {}
        }
        walk_expr(self, f, expr);
    }
}

/// What a name stands for in the text.
enum Meaning {
    Operand(ArgSource, Type),
    /// an array of which only the shape and dtype are asked for
    Shape(ArgSource, ArrayType),
    /// a Python expression
    Text(String),
}

impl FnInfer<'_, '_> {
    /// `raise exc from cause`
    pub(super) fn raise(&mut self, id: StmtId, exc: Option<ExprId>, cause: Option<ExprId>) -> R<()> {
        if exc.is_none() && !self.handling.is_empty() {
            return Ok(());
        }
        if let Some(e) = exc
            && let Some((class, args)) = self.exception(e)
        {
            let none = cause.is_some_and(|c| matches!(self.hir.exprs[c].kind, ExprKind::Const(Const::None)));
            let cause = match cause {
                None => Some((None, vec![])),
                Some(_) if none => Some((Some("None".to_owned()), vec![])),
                Some(c) => self.exception(c).map(|(class, args)| (Some(class), args)),
            };
            if let Some((cause, cause_args)) = cause
                && let Some(template) = self.template(&class, &args, cause.as_deref(), &cause_args)?
            {
                self.tables.errors.insert(id, template);
                return Ok(());
            }
        }
        let stmt = &self.hir.stmts[id];
        let what = "`raise` is dynamic unless it makes a built-in exception from numbers, tuples and texts";
        self.error(stmt.span, stmt.line, "NL2007", what)
    }

    /// The exception of `assert test, message`.
    pub(super) fn assertion(&mut self, id: StmtId, message: Option<ExprId>) -> R<()> {
        let args: Vec<ExprId> = message.into_iter().collect();
        match self.template("AssertionError", &args, None, &[])? {
            Some(template) => {
                self.tables.errors.insert(id, template);
                Ok(())
            }
            None => {
                let stmt = &self.hir.stmts[id];
                let what = "an assertion message is dynamic unless it is made from numbers, tuples and texts";
                self.error(stmt.span, stmt.line, "NL2007", what)
            }
        }
    }

    /// Name of the class and positional arguments of an exception that is made or named.
    fn exception(&mut self, e: ExprId) -> Option<(String, Vec<ExprId>)> {
        let hir = self.hir.clone();
        let (class, args): (ExprId, &[Arg]) = match &hir.exprs[e].kind {
            ExprKind::Call { func, args } => (*func, args),
            _ => (e, &[]),
        };
        let ty = self.expr(class);
        let name = self.exception_name(&ty)?;
        let plain = args.iter().all(|a| a.name.is_none() && a.star == 0);
        plain.then(|| (name, args.iter().map(|a| a.value).collect()))
    }

    /// The text that raises the exception; `None` if something in it has no value here.
    fn template(
        &mut self,
        class: &str,
        args: &[ExprId],
        cause: Option<&str>,
        cause_args: &[ExprId],
    ) -> R<Option<Template>> {
        let hir = self.hir.clone();
        let mut names = Names::default();
        let all: Vec<ExprId> = args.iter().chain(cause_args).copied().collect();
        all.iter().for_each(|&e| names.visit_expr(&hir, e));
        if names.other {
            return Ok(None);
        }
        let texts: Option<Vec<&str>> = all.iter().map(|&e| source(&hir, e)).collect();
        let Some(texts) = texts else { return Ok(None) };
        let mut out = Template::default();
        let (mut params, mut values): (Vec<String>, Vec<String>) = (vec![], vec![]);
        let mut slots = 0;
        for used in &names.names {
            let name = match &used.name {
                Name::Local(l) => hir.locals[*l].name.clone(),
                Name::Free(n) | Name::Global(n) => n.clone(),
            };
            if params.contains(&name) {
                continue;
            }
            let shape_only = texts.iter().all(|t| asks_for_shape(t, &name));
            let value = match self.meaning(&used.name, shape_only, all[0])? {
                Some(Meaning::Text(text)) => text,
                Some(Meaning::Operand(source, ty)) => {
                    slots += slot_count(&ty);
                    out.operand(source, ty, false)
                }
                Some(Meaning::Shape(source, a)) => {
                    slots += usize::from(a.ndim);
                    let shape = out.operand(source, Type::Array(a), true);
                    format!("np.broadcast_to(np.zeros((), '{}'), {shape})", a.dtype.name())
                }
                None => return Ok(None),
            };
            params.push(name);
            values.push(value);
        }
        if slots > MAX_SLOTS {
            return Ok(None);
        }
        let made = |texts: &[&str]| {
            let items: String = texts.iter().map(|t| format!("({t}), ")).collect();
            format!("(lambda {}: ({items}))({})", params.join(", "), values.join(", "))
        };
        let (first, second) = texts.split_at(args.len());
        let cause = match cause {
            None => String::new(),
            Some("None") => ", None".to_owned(),
            Some(cause) => format!(", {cause}, {}", made(second)),
        };
        out.text = format!("raise_({class}, {}{cause})", made(first));
        Ok(Some(out))
    }

    fn meaning(&mut self, name: &Name, shape_only: bool, at: ExprId) -> R<Option<Meaning>> {
        let (span, line) = (self.hir.exprs[at].span, self.hir.exprs[at].line);
        let (source, ty) = match name {
            Name::Local(l) => (ArgSource::Local(*l), self.local(*l, span, line)?),
            Name::Free(_) | Name::Global(_) => {
                let captured = match name {
                    Name::Free(n) => self.tables.capture(n),
                    _ => None,
                };
                if let Some(i) = captured {
                    (ArgSource::Capture(i), self.tables.captures[i].1.clone())
                } else {
                    match self.outside(name, span)? {
                        Resolved::Const(t) => (ArgSource::Const, t),
                        Resolved::Hidden { index, ty } => (ArgSource::Hidden(index), ty),
                        _ => return Ok(None),
                    }
                }
            }
        };
        self.no_objects([&ty])?;
        Ok(match ty {
            Type::None => Some(Meaning::Text("None".into())),
            Type::Str(s) => Some(Meaning::Text(format!("{s:?}"))).filter(|_| plain_text(&s)),
            Type::Array(a) => shape_only.then_some(Meaning::Shape(source, a)),
            Type::Known(o) => match self.cx.env.known(o) {
                Known::Builtin(path) => path.strip_prefix("builtins.").map(|n| Meaning::Text(n.into())),
                Known::C(_) => None,
                Known::Exception(n) => Some(Meaning::Text(n)),
                Known::Module(m) => match m.as_str() {
                    "numpy" => Some(Meaning::Text("np".into())),
                    "math" | "cmath" => Some(Meaning::Text(m)),
                    _ => None,
                },
            },
            Type::Never => None,
            Type::Optional(_) => None,
            t if storable(&t) && !has_array(&t) => Some(Meaning::Operand(source, t)),
            _ => None,
        })
    }
}

fn source(hir: &Function, e: ExprId) -> Option<&str> {
    let span = hir.exprs[e].span;
    hir.source.get(span.start as usize..span.end as usize)
}

fn has_array(t: &Type) -> bool {
    matches!(t, Type::Array(_)) || t.parts().into_iter().any(has_array)
}

fn slot_count(t: &Type) -> usize {
    match t {
        Type::Scalar(_) => 2,
        Type::Union(_) => 3,
        t => t.parts().into_iter().map(slot_count).sum(),
    }
}

/// Rust's escapes of printable ASCII are Python's.
fn plain_text(s: &str) -> bool {
    s.chars().all(|c| c == ' ' || c.is_ascii_graphic())
}

/// Whether every place of `name` in a text is `name.shape`, `len(name)` or the like.
fn asks_for_shape(text: &str, name: &str) -> bool {
    const ATTRIBUTES: [&str; 6] = [".shape", ".ndim", ".size", ".dtype", ".itemsize", ".nbytes"];
    let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(name).all(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + name.len()..]);
        if word(before.chars().next_back()) || word(after.chars().next()) {
            return true;
        }
        let attribute = ATTRIBUTES
            .iter()
            .filter_map(|a| after.strip_prefix(a))
            .any(|rest| !word(rest.chars().next()));
        attribute || (before.ends_with("len(") && after.starts_with(')'))
    })
}

#[cfg(test)]
mod tests {
    use super::asks_for_shape;

    #[test]
    fn only_shape_and_dtype() {
        for (text, expected) in [
            ("f'{a.shape} {aa} {len(a)}'", true),
            ("f'{a.shaped}'", false),
            ("f'{a}'", false),
            ("f'a {a.dtype}'", false),
            ("b.a.shape", true),
        ] {
            assert_eq!(asks_for_shape(text, "a"), expected, "{text}");
        }
    }
}
