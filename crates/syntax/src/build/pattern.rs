//! Patterns of `match` statements.

use rustpython_parser::ast::{self, Ranged};

use super::Builder;
use super::expr::nothing;
use super::names::Place;
use crate::hir::{ExprKind, Pattern};
use crate::scope::Bindings;

impl Builder<'_> {
    pub(super) fn pattern(&mut self, pattern: &ast::Pattern) -> Pattern {
        let span = self.span(pattern.range());
        self.deeper(span, |this| this.pattern_kind(pattern))
            .unwrap_or(Pattern::Dynamic(nothing("pattern")))
    }

    fn pattern_kind(&mut self, pattern: &ast::Pattern) -> Pattern {
        match pattern {
            ast::Pattern::MatchValue(x) => Pattern::Value(self.expr(&x.value)),
            ast::Pattern::MatchSingleton(x) => {
                let span = self.span(x.range);
                let kind = self.constant(&x.value, span);
                Pattern::Value(self.expr_node(kind, span))
            }
            ast::Pattern::MatchSequence(x) => {
                if x.patterns
                    .iter()
                    .any(|item| matches!(item, ast::Pattern::MatchStar(_)))
                {
                    return self.dynamic_pattern(pattern, "sequence pattern with a star");
                }
                Pattern::Sequence(x.patterns.iter().map(|item| self.pattern(item)).collect())
            }
            ast::Pattern::MatchMapping(_) => self.dynamic_pattern(pattern, "mapping pattern"),
            ast::Pattern::MatchClass(_) => self.dynamic_pattern(pattern, "class pattern"),
            ast::Pattern::MatchStar(_) => self.dynamic_pattern(pattern, "star pattern"),
            ast::Pattern::MatchAs(x) => self.capture(x),
            ast::Pattern::MatchOr(x) => {
                Pattern::Or(x.patterns.iter().map(|item| self.pattern(item)).collect())
            }
        }
    }

    fn capture(&mut self, x: &ast::PatternMatchAs) -> Pattern {
        let inner = x.pattern.as_ref().map(|inner| self.pattern(inner));
        let Some(name) = &x.name else {
            return inner.unwrap_or(Pattern::Capture(None));
        };
        match (self.place(name), inner) {
            (Place::Local(local), None) => Pattern::Capture(Some(local)),
            (Place::Local(local), Some(inner)) => Pattern::As(Box::new(inner), local),
            (Place::Outer, _) => Pattern::Dynamic(nothing("capture of a global or nonlocal name")),
        }
    }

    /// The names of a pattern without nodes; what it captures is bound.
    fn dynamic_pattern(&mut self, pattern: &ast::Pattern, what: &'static str) -> Pattern {
        let mut bound = Bindings::default();
        bound.pattern(pattern);
        let mut code = self.opaque(what, |this| this.pattern_exprs(pattern));
        for name in &bound.assigned {
            if let Place::Local(local) = self.place(name)
                && !code.binds.contains(&local)
            {
                code.binds.push(local);
            }
        }
        Pattern::Dynamic(code)
    }

    fn pattern_exprs(&mut self, pattern: &ast::Pattern) {
        let (exprs, patterns): (Vec<&ast::Expr>, Vec<&ast::Pattern>) = match pattern {
            ast::Pattern::MatchValue(x) => (vec![&x.value], vec![]),
            ast::Pattern::MatchSequence(x) => (vec![], x.patterns.iter().collect()),
            ast::Pattern::MatchMapping(x) => (x.keys.iter().collect(), x.patterns.iter().collect()),
            ast::Pattern::MatchClass(x) => (vec![&x.cls], x.patterns.iter().chain(&x.kwd_patterns).collect()),
            ast::Pattern::MatchAs(x) => (vec![], x.pattern.iter().map(|inner| &**inner).collect()),
            ast::Pattern::MatchOr(x) => (vec![], x.patterns.iter().collect()),
            ast::Pattern::MatchSingleton(_) | ast::Pattern::MatchStar(_) => (vec![], vec![]),
        };
        for expr in exprs {
            self.expr(expr);
        }
        for inner in patterns {
            let span = self.span(inner.range());
            self.deeper(span, |this| this.pattern_exprs(inner));
        }
    }

    /// The node of a constant.
    pub(super) fn constant(&self, value: &ast::Constant, span: numlift_diagnostics::Span) -> ExprKind {
        use crate::hir::Const;
        let constant = match value {
            ast::Constant::None => Const::None,
            ast::Constant::Bool(value) => Const::Bool(*value),
            ast::Constant::Str(text) => {
                let source = self.map.text().get(span.start as usize..span.end as usize);
                // The parser replaces lone surrogates.
                if text.contains('\u{fffd}') && source.is_none_or(|source| source.contains('\\')) {
                    return ExprKind::Dynamic(nothing("string with a surrogate"));
                }
                Const::Str(text.clone())
            }
            ast::Constant::Bytes(bytes) => Const::Bytes(bytes.clone()),
            ast::Constant::Int(value) => match i64::try_from(value) {
                Ok(value) => Const::Int(value),
                Err(_) => Const::BigInt(value.to_string()),
            },
            ast::Constant::Float(value) => Const::Float(*value),
            ast::Constant::Complex { imag, .. } => Const::Complex(*imag),
            ast::Constant::Ellipsis => Const::Ellipsis,
            ast::Constant::Tuple(_) => return ExprKind::Dynamic(nothing("constant tuple")),
        };
        ExprKind::Const(constant)
    }
}
