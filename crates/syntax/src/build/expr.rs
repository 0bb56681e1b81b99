//! Expressions.

use rustpython_parser::ast::{self, Ranged};

use super::names::Place;
use super::{Body, Builder, Definition};
use crate::hir::{Arg, BinOp, BoolOp, CmpOp, Const, ExprId, ExprKind, Opaque, UnaryOp};
use crate::scope::{Bindings, children};

impl Builder<'_> {
    pub(super) fn expr(&mut self, expr: &ast::Expr) -> ExprId {
        let span = self.span(expr.range());
        let kind = self
            .deeper(span, |this| this.expr_kind(expr))
            .unwrap_or(ExprKind::Dynamic(nothing("expression")));
        self.expr_node(kind, span)
    }

    fn expr_opt(&mut self, expr: &Option<Box<ast::Expr>>) -> Option<ExprId> {
        expr.as_ref().map(|expr| self.expr(expr))
    }

    pub(super) fn exprs(&mut self, exprs: &[ast::Expr]) -> Vec<ExprId> {
        exprs.iter().map(|expr| self.expr(expr)).collect()
    }

    fn expr_kind(&mut self, expr: &ast::Expr) -> ExprKind {
        match expr {
            ast::Expr::BoolOp(x) => {
                let op = match x.op {
                    ast::BoolOp::And => BoolOp::And,
                    ast::BoolOp::Or => BoolOp::Or,
                };
                ExprKind::Bool(op, self.exprs(&x.values))
            }
            ast::Expr::NamedExpr(x) => self.walrus(x),
            ast::Expr::BinOp(x) => {
                let left = self.expr(&x.left);
                let right = self.expr(&x.right);
                ExprKind::Binary(bin_op(x.op), left, right)
            }
            ast::Expr::UnaryOp(x) => self.unary(x),
            ast::Expr::Lambda(x) => self.lambda(x),
            ast::Expr::IfExp(x) => {
                let test = self.expr(&x.test);
                let then = self.expr(&x.body);
                let other = self.expr(&x.orelse);
                ExprKind::If { test, then, other }
            }
            ast::Expr::Dict(_) => self.dynamic(expr, "dict"),
            ast::Expr::Set(_) => self.dynamic(expr, "set"),
            ast::Expr::ListComp(x) => self.comprehension(&[&x.elt], &x.generators, "list comprehension"),
            ast::Expr::SetComp(x) => self.comprehension(&[&x.elt], &x.generators, "set comprehension"),
            ast::Expr::DictComp(x) => {
                self.comprehension(&[&x.key, &x.value], &x.generators, "dict comprehension")
            }
            ast::Expr::GeneratorExp(x) => {
                self.comprehension(&[&x.elt], &x.generators, "generator expression")
            }
            ast::Expr::Await(_) => self.dynamic(expr, "await"),
            ast::Expr::Yield(_) | ast::Expr::YieldFrom(_) => self.dynamic(expr, "yield"),
            ast::Expr::Compare(x) => {
                let first = self.expr(&x.left);
                let pairs = x.ops.iter().zip(&x.comparators);
                ExprKind::Compare(
                    first,
                    pairs.map(|(op, right)| (cmp_op(*op), self.expr(right))).collect(),
                )
            }
            ast::Expr::Call(x) => self.call(x),
            ast::Expr::FormattedValue(_) | ast::Expr::JoinedStr(_) => self.dynamic(expr, "f-string"),
            ast::Expr::Constant(x) => {
                let span = self.span(x.range);
                self.constant(&x.value, span)
            }
            ast::Expr::Attribute(x) => ExprKind::Attribute(self.expr(&x.value), x.attr.to_string()),
            ast::Expr::Subscript(x) => {
                let value = self.expr(&x.value);
                ExprKind::Subscript(value, self.expr(&x.slice))
            }
            ast::Expr::Starred(x) => ExprKind::Starred(self.expr(&x.value)),
            ast::Expr::Name(x) => ExprKind::Name(self.resolve(&x.id)),
            ast::Expr::List(x) => ExprKind::List(self.exprs(&x.elts)),
            ast::Expr::Tuple(x) => ExprKind::Tuple(self.exprs(&x.elts)),
            ast::Expr::Slice(x) => {
                let start = self.expr_opt(&x.lower);
                let stop = self.expr_opt(&x.upper);
                let step = self.expr_opt(&x.step);
                ExprKind::Slice { start, stop, step }
            }
        }
    }

    fn walrus(&mut self, x: &ast::ExprNamedExpr) -> ExprKind {
        let value = self.expr(&x.value);
        let ast::Expr::Name(name) = &*x.target else {
            return ExprKind::Dynamic(nothing("assignment expression"));
        };
        match self.place(&name.id) {
            Place::Local(local) => ExprKind::Walrus(local, value),
            Place::Outer => ExprKind::Dynamic(nothing("assignment expression to a global or nonlocal name")),
        }
    }

    fn unary(&mut self, x: &ast::ExprUnaryOp) -> ExprKind {
        let op = match x.op {
            ast::UnaryOp::Invert => UnaryOp::Invert,
            ast::UnaryOp::Not => UnaryOp::Not,
            ast::UnaryOp::UAdd => UnaryOp::Pos,
            ast::UnaryOp::USub => UnaryOp::Neg,
        };
        if let (UnaryOp::Neg, ast::Expr::Constant(operand)) = (op, &*x.operand) {
            match &operand.value {
                ast::Constant::Int(value) => {
                    let negative = -value;
                    return ExprKind::Const(match i64::try_from(&negative) {
                        Ok(value) => Const::Int(value),
                        Err(_) => Const::BigInt(negative.to_string()),
                    });
                }
                ast::Constant::Float(value) => return ExprKind::Const(Const::Float(-value)),
                _ => {}
            }
        }
        ExprKind::Unary(op, self.expr(&x.operand))
    }

    fn lambda(&mut self, x: &ast::ExprLambda) -> ExprKind {
        let def = Definition {
            name: "<lambda>",
            span: self.span(x.range),
            args: &x.args,
            body: Body::Expr(&x.body),
            is_async: false,
        };
        let defaults = self.defaults(&x.args);
        let function = self.function(&def);
        ExprKind::Lambda(self.nest(function), defaults)
    }

    /// The default values, in the order of evaluation, which is that of the parameters.
    pub(super) fn defaults(&mut self, args: &ast::Arguments) -> Vec<ExprId> {
        let all = args.posonlyargs.iter().chain(&args.args).chain(&args.kwonlyargs);
        all.filter_map(|arg| arg.default.as_deref())
            .map(|default| self.expr(default))
            .collect()
    }

    fn call(&mut self, x: &ast::ExprCall) -> ExprKind {
        enum Item<'a> {
            Plain(&'a ast::Expr),
            Keyword(&'a ast::Keyword),
        }
        let func = self.expr(&x.func);
        let mut items: Vec<Item<'_>> = x.args.iter().map(Item::Plain).collect();
        items.extend(x.keywords.iter().map(Item::Keyword));
        // Only `f(a=1, *b)` is not in source order already.
        items.sort_by_key(|item| match item {
            Item::Plain(expr) => expr.range().start(),
            Item::Keyword(keyword) => keyword.range.start(),
        });
        let args = items.into_iter().map(|item| match item {
            Item::Plain(ast::Expr::Starred(inner)) => Arg {
                name: None,
                value: self.expr(&inner.value),
                star: 1,
            },
            Item::Plain(expr) => Arg {
                name: None,
                value: self.expr(expr),
                star: 0,
            },
            Item::Keyword(keyword) => {
                let name = keyword.arg.as_ref().map(ToString::to_string);
                let star = if name.is_none() { 2 } else { 0 };
                Arg {
                    name,
                    value: self.expr(&keyword.value),
                    star,
                }
            }
        });
        let args = args.collect();
        ExprKind::Call { func, args }
    }

    fn dynamic(&mut self, expr: &ast::Expr, what: &'static str) -> ExprKind {
        ExprKind::Dynamic(self.opaque(what, |this| {
            children(expr, &mut |child| {
                this.expr(child);
            });
        }))
    }

    fn comprehension(
        &mut self,
        elements: &[&ast::Expr],
        generators: &[ast::Comprehension],
        what: &'static str,
    ) -> ExprKind {
        let mut bound = Bindings::default();
        generators.iter().for_each(|clause| bound.target(&clause.target));
        ExprKind::Dynamic(self.opaque(what, |this| {
            let mut clauses = generators.iter();
            if let Some(first) = generators.first() {
                this.expr(&first.iter);
            }
            this.shadowed(bound.assigned, false, |this| {
                let first = clauses.next();
                for clause in first.into_iter().chain(clauses) {
                    if !std::ptr::eq(clause, &generators[0]) {
                        this.expr(&clause.iter);
                    }
                    this.exprs(&clause.ifs);
                }
                for element in elements {
                    this.expr(element);
                }
            });
        }))
    }
}

/// Dynamic code that reads and binds nothing.
pub(super) fn nothing(what: &'static str) -> Opaque {
    Opaque {
        what,
        reads: Vec::new(),
        binds: Vec::new(),
        captured: Vec::new(),
        written: Vec::new(),
        outer: Vec::new(),
    }
}

pub(super) fn bin_op(op: ast::Operator) -> BinOp {
    match op {
        ast::Operator::Add => BinOp::Add,
        ast::Operator::Sub => BinOp::Sub,
        ast::Operator::Mult => BinOp::Mul,
        ast::Operator::MatMult => BinOp::MatMul,
        ast::Operator::Div => BinOp::Div,
        ast::Operator::Mod => BinOp::Mod,
        ast::Operator::Pow => BinOp::Pow,
        ast::Operator::LShift => BinOp::LShift,
        ast::Operator::RShift => BinOp::RShift,
        ast::Operator::BitOr => BinOp::Or,
        ast::Operator::BitXor => BinOp::Xor,
        ast::Operator::BitAnd => BinOp::And,
        ast::Operator::FloorDiv => BinOp::FloorDiv,
    }
}

fn cmp_op(op: ast::CmpOp) -> CmpOp {
    match op {
        ast::CmpOp::Eq => CmpOp::Eq,
        ast::CmpOp::NotEq => CmpOp::Ne,
        ast::CmpOp::Lt => CmpOp::Lt,
        ast::CmpOp::LtE => CmpOp::Le,
        ast::CmpOp::Gt => CmpOp::Gt,
        ast::CmpOp::GtE => CmpOp::Ge,
        ast::CmpOp::Is => CmpOp::Is,
        ast::CmpOp::IsNot => CmpOp::IsNot,
        ast::CmpOp::In => CmpOp::In,
        ast::CmpOp::NotIn => CmpOp::NotIn,
    }
}
