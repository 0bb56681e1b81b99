//! A readable dump of the HIR, one statement per line, for tests and inspection.

use std::fmt::Write as _;

use crate::hir::{
    BinOp, Block, BoolOp, CmpOp, Const, ExprId, ExprKind, Function, LocalId, Name, Opaque, ParamKind,
    Pattern, StmtId, StmtKind, Target, UnaryOp,
};

/// The dump of `f` and the functions nested in it.
pub fn display(f: &Function) -> String {
    let mut printer = Printer {
        f,
        out: String::new(),
        indent: 0,
    };
    printer.function();
    printer.out
}

struct Printer<'f> {
    f: &'f Function,
    out: String,
    indent: usize,
}

impl Printer<'_> {
    fn line(&mut self, text: &str) {
        let indent = self.indent * 4;
        let _ = writeln!(self.out, "{:indent$}{text}", "");
    }

    fn function(&mut self) {
        let f = self.f;
        let params: Vec<String> = f.params.iter().map(|param| self.param(param)).collect();
        let generator = if f.is_generator { "generator " } else { "" };
        self.line(&format!("{generator}def {}({}):", f.name, params.join(", ")));
        self.indent += 1;
        let locals: Vec<String> = f.locals.keys().map(|id| self.declared(id)).collect();
        for (what, names) in [
            ("locals", &locals),
            ("free", &f.free),
            ("writes outer", &f.writes_outer),
        ] {
            if !names.is_empty() {
                self.line(&format!("# {what}: {}", names.join(", ")));
            }
        }
        self.block(&f.body);
        for nested in &f.nested {
            let mut inner = Printer {
                f: nested,
                out: String::new(),
                indent: self.indent,
            };
            inner.function();
            self.out.push_str(&inner.out);
        }
        self.indent -= 1;
    }

    fn param(&self, param: &crate::hir::Param) -> String {
        let stars = match param.kind {
            ParamKind::Positional => "",
            ParamKind::PositionalOnly => "/",
            ParamKind::KeywordOnly => "*, ",
            ParamKind::VarArgs => "*",
            ParamKind::VarKeywords => "**",
        };
        let annotation = param
            .annotation
            .map_or(String::new(), |e| format!(": {}", self.expr(e)));
        let default = if param.has_default { " = ..." } else { "" };
        format!("{stars}{}{annotation}{default}", self.local(param.local))
    }

    fn declared(&self, id: LocalId) -> String {
        let captured = if self.f.locals[id].captured {
            " captured"
        } else {
            ""
        };
        format!("{}{captured}", self.local(id))
    }

    fn local(&self, id: LocalId) -> String {
        format!("{}.{}", self.f.locals[id].name, id.as_u32())
    }

    fn block(&mut self, block: &Block) {
        for &stmt in block {
            self.stmt(stmt);
        }
    }

    fn nested_block(&mut self, header: &str, block: &Block) {
        if block.is_empty() {
            return;
        }
        self.line(header);
        self.indent += 1;
        self.block(block);
        self.indent -= 1;
    }

    fn stmt(&mut self, id: StmtId) {
        let f = self.f;
        let text = match &f.stmts[id].kind {
            StmtKind::Expr(value) => self.expr(*value),
            StmtKind::Assign { targets, value } => {
                let targets: String = targets.iter().map(|t| format!("{} = ", self.target(t))).collect();
                format!("{targets}{}", self.expr(*value))
            }
            StmtKind::AnnAssign {
                target,
                annotation,
                value,
            } => {
                let value = value.map_or(String::new(), |value| format!(" = {}", self.expr(value)));
                format!("{}: {}{value}", self.target(target), self.expr(*annotation))
            }
            StmtKind::AugAssign { target, op, value } => {
                format!("{} {}= {}", self.target(target), bin_op(*op), self.expr(*value))
            }
            StmtKind::If { test, then, other } => {
                self.nested_block(&format!("if {}:", self.expr(*test)), then);
                return self.nested_block("else:", other);
            }
            StmtKind::While { test, body, orelse } => {
                self.nested_block(&format!("while {}:", self.expr(*test)), body);
                return self.nested_block("else:", orelse);
            }
            StmtKind::For {
                target,
                iter,
                body,
                orelse,
            } => {
                self.nested_block(
                    &format!("for {} in {}:", self.target(target), self.expr(*iter)),
                    body,
                );
                return self.nested_block("else:", orelse);
            }
            StmtKind::Match { subject, cases } => {
                self.line(&format!("match {}:", self.expr(*subject)));
                self.indent += 1;
                for case in cases {
                    let guard = case
                        .guard
                        .map_or(String::new(), |guard| format!(" if {}", self.expr(guard)));
                    self.nested_block(
                        &format!("case {}{guard}:", self.pattern(&case.pattern)),
                        &case.body,
                    );
                }
                self.indent -= 1;
                return;
            }
            StmtKind::Break => "break".to_owned(),
            StmtKind::Continue => "continue".to_owned(),
            StmtKind::Return(value) => self.keyword("return", &[("", *value)]),
            StmtKind::Assert { test, message } => {
                self.keyword("assert", &[("", Some(*test)), (",", *message)])
            }
            StmtKind::Raise { exc, cause } => self.keyword("raise", &[("", *exc), (" from", *cause)]),
            StmtKind::Import { module, local, top } => {
                let top = if *top { " (top)" } else { "" };
                format!("import {module}{top} as {}", self.local(*local))
            }
            StmtKind::ImportFrom {
                module,
                name,
                local,
                level,
            } => {
                let dots = ".".repeat(*level as usize);
                format!("from {dots}{module} import {name} as {}", self.local(*local))
            }
            StmtKind::Def {
                local,
                nested,
                defaults,
            } => {
                format!(
                    "{} = def #{nested}{}",
                    self.local(*local),
                    self.defaults(defaults)
                )
            }
            StmtKind::Del(targets) => {
                format!("del {}", join(targets.iter().map(|target| self.target(target))))
            }
            StmtKind::With { items, body } => {
                let items = join(items.iter().map(|(context, target)| match target {
                    Some(target) => format!("{} as {}", self.expr(*context), self.target(target)),
                    None => self.expr(*context),
                }));
                return self.nested_block(&format!("with {items}:"), body);
            }
            StmtKind::Try {
                body,
                handlers,
                orelse,
                finalbody,
                ..
            } => {
                self.nested_block("try:", body);
                for handler in handlers {
                    let name = handler.name.map(|name| format!(" as {}", self.local(name)));
                    let header = self.keyword("except", &[("", handler.class)]) + &name.unwrap_or_default();
                    self.nested_block(&format!("{header}:"), &handler.body);
                }
                self.nested_block("else:", orelse);
                return self.nested_block("finally:", finalbody);
            }
            StmtKind::Pass => "pass".to_owned(),
            StmtKind::Dynamic(code) => format!("dynamic {}", self.opaque(code)),
        };
        self.line(&text);
    }

    fn defaults(&self, defaults: &[ExprId]) -> String {
        if defaults.is_empty() {
            String::new()
        } else {
            format!(" ({})", join(defaults.iter().map(|&value| self.expr(value))))
        }
    }

    /// `"class" reads a.0 binds C.1`
    fn opaque(&self, code: &Opaque) -> String {
        let mut text = format!("{:?}", code.what);
        for (word, locals) in [("reads", &code.reads), ("binds", &code.binds)] {
            if !locals.is_empty() {
                text += &format!(" {word} {}", join(locals.iter().map(|&local| self.local(local))));
            }
        }
        text
    }

    fn keyword(&self, word: &str, parts: &[(&str, Option<ExprId>)]) -> String {
        let mut text = word.to_owned();
        for (separator, value) in parts {
            if let Some(value) = value {
                text += &format!("{separator} {}", self.expr(*value));
            }
        }
        text
    }

    fn exprs(&self, exprs: &[ExprId]) -> String {
        join(exprs.iter().map(|&expr| self.expr(expr)))
    }

    fn expr(&self, id: ExprId) -> String {
        let optional = |e: &Option<ExprId>| e.map_or(String::new(), |e| self.expr(e));
        match &self.f.exprs[id].kind {
            ExprKind::Const(constant) => const_text(constant),
            ExprKind::Name(Name::Local(local)) => self.local(*local),
            ExprKind::Name(Name::Free(name)) => format!("free {name}"),
            ExprKind::Name(Name::Global(name)) => format!("global {name}"),
            ExprKind::Binary(op, left, right) => {
                format!("({} {} {})", self.expr(*left), bin_op(*op), self.expr(*right))
            }
            ExprKind::Unary(op, value) => {
                let op = match op {
                    UnaryOp::Neg => "-",
                    UnaryOp::Pos => "+",
                    UnaryOp::Invert => "~",
                    UnaryOp::Not => "not ",
                };
                format!("({op}{})", self.expr(*value))
            }
            ExprKind::Bool(op, values) => {
                let op = match op {
                    BoolOp::And => " and ",
                    BoolOp::Or => " or ",
                };
                format!(
                    "({})",
                    values.iter().map(|&v| self.expr(v)).collect::<Vec<_>>().join(op)
                )
            }
            ExprKind::Compare(first, rest) => {
                let rest: String = rest
                    .iter()
                    .map(|(op, value)| format!(" {} {}", cmp_op(*op), self.expr(*value)))
                    .collect();
                format!("({}{rest})", self.expr(*first))
            }
            ExprKind::If { test, then, other } => {
                format!(
                    "({} if {} else {})",
                    self.expr(*then),
                    self.expr(*test),
                    self.expr(*other)
                )
            }
            ExprKind::Call { func, args } => {
                let args = args.iter().map(|arg| {
                    let name = arg.name.as_ref().map_or(String::new(), |name| format!("{name}="));
                    format!(
                        "{}{name}{}",
                        "*".repeat(usize::from(arg.star)),
                        self.expr(arg.value)
                    )
                });
                format!("{}({})", self.expr(*func), join(args))
            }
            ExprKind::Attribute(value, name) => format!("{}.{name}", self.expr(*value)),
            ExprKind::Subscript(value, index) => format!("{}[{}]", self.expr(*value), self.expr(*index)),
            ExprKind::Slice { start, stop, step } => {
                format!("slice({}:{}:{})", optional(start), optional(stop), optional(step))
            }
            ExprKind::Tuple(items) if items.len() == 1 => format!("({},)", self.exprs(items)),
            ExprKind::Tuple(items) => format!("({})", self.exprs(items)),
            ExprKind::List(items) => format!("[{}]", self.exprs(items)),
            ExprKind::Starred(value) => format!("*{}", self.expr(*value)),
            ExprKind::Walrus(local, value) => format!("({} := {})", self.local(*local), self.expr(*value)),
            ExprKind::Lambda(index, defaults) => format!("lambda #{index}{}", self.defaults(defaults)),
            ExprKind::Dynamic(code) => format!("dynamic({})", self.opaque(code)),
        }
    }

    fn target(&self, target: &Target) -> String {
        match target {
            Target::Local(local) => self.local(*local),
            Target::Outer(name) => format!("outer {name}"),
            Target::Subscript(value, index) => format!("{}[{}]", self.expr(*value), self.expr(*index)),
            Target::Attribute(value, name) => format!("{}.{name}", self.expr(*value)),
            Target::Tuple { items, star } => {
                let star_at = |index| if Some(index) == *star { "*" } else { "" };
                let items = items
                    .iter()
                    .enumerate()
                    .map(|(n, item)| format!("{}{}", star_at(n), self.target(item)));
                format!("({})", join(items))
            }
        }
    }

    fn pattern(&self, pattern: &Pattern) -> String {
        match pattern {
            Pattern::Value(value) => self.expr(*value),
            Pattern::Capture(None) => "_".to_owned(),
            Pattern::Capture(Some(local)) => self.local(*local),
            Pattern::Or(items) => items
                .iter()
                .map(|p| self.pattern(p))
                .collect::<Vec<_>>()
                .join(" | "),
            Pattern::As(inner, local) => format!("({} as {})", self.pattern(inner), self.local(*local)),
            Pattern::Sequence(items) => format!("[{}]", join(items.iter().map(|p| self.pattern(p)))),
            Pattern::Dynamic(code) => format!("dynamic({})", self.opaque(code)),
        }
    }
}

fn join(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

fn const_text(constant: &Const) -> String {
    match constant {
        Const::None => "None".to_owned(),
        Const::Ellipsis => "...".to_owned(),
        Const::Bool(true) => "True".to_owned(),
        Const::Bool(false) => "False".to_owned(),
        Const::Int(value) => value.to_string(),
        Const::BigInt(digits) => format!("big {digits}"),
        Const::Float(value) => format!("{value:?}"),
        Const::Complex(imaginary) => format!("{imaginary:?}j"),
        Const::Str(text) => format!("{text:?}"),
        Const::Bytes(bytes) => format!("b\"{}\"", bytes.escape_ascii()),
    }
}

fn bin_op(op: BinOp) -> &'static str {
    match op {
        BinOp::Add => "+",
        BinOp::Sub => "-",
        BinOp::Mul => "*",
        BinOp::Div => "/",
        BinOp::FloorDiv => "//",
        BinOp::Mod => "%",
        BinOp::Pow => "**",
        BinOp::MatMul => "@",
        BinOp::LShift => "<<",
        BinOp::RShift => ">>",
        BinOp::And => "&",
        BinOp::Or => "|",
        BinOp::Xor => "^",
    }
}

fn cmp_op(op: CmpOp) -> &'static str {
    match op {
        CmpOp::Eq => "==",
        CmpOp::Ne => "!=",
        CmpOp::Lt => "<",
        CmpOp::Le => "<=",
        CmpOp::Gt => ">",
        CmpOp::Ge => ">=",
        CmpOp::Is => "is",
        CmpOp::IsNot => "is not",
        CmpOp::In => "in",
        CmpOp::NotIn => "not in",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FunctionQuery, parse_function};

    #[test]
    fn a_function_is_dumped() {
        let source = "def f(a, *, k: int = 2):\n  for i in range(len(a)):\n    k += a[i, 1:] if i else -x\n  else: pass\n  g = lambda: k\n  try: pass\n  finally: pass\n  return (k,)\n";
        let query = FunctionQuery {
            name: "f".to_owned(),
            line: 1,
            ..FunctionQuery::default()
        };
        let expected = "\
def f(a.0, *, k.1: global int = ...):
    # locals: a.0, k.1 captured, i.2, g.3
    for i.2 in global range(global len(a.0)):
        k.1 += (a.0[(i.2, slice(1::))] if i.2 else (-global x))
    else:
        pass
    g.3 = lambda #0
    try:
        pass
    finally:
        pass
    return (k.1,)
    def <lambda>():
        # free: k
        return free k
";
        assert_eq!(
            display(&parse_function(source, "t.py", 1, &query).expect("parses")),
            expected
        );
    }
}
