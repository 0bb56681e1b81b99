//! Patterns of `match` statements.

use rustpython_parser::ast::{self, Ranged};

use super::Builder;
use super::names::Place;
use crate::hir::{ExprKind, Pattern};

impl Builder<'_> {
    pub(super) fn pattern(&mut self, pattern: &ast::Pattern) -> Pattern {
        let span = self.span(pattern.range());
        self.deeper(span, |this| this.pattern_kind(pattern))
            .unwrap_or(Pattern::Dynamic("pattern"))
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
                    return self.dynamic_pattern(&x.patterns, &[], "sequence pattern with a star");
                }
                Pattern::Sequence(x.patterns.iter().map(|item| self.pattern(item)).collect())
            }
            ast::Pattern::MatchMapping(x) => self.dynamic_pattern(&x.patterns, &x.keys, "mapping pattern"),
            ast::Pattern::MatchClass(x) => {
                self.discard(|this| {
                    this.expr(&x.cls);
                    x.patterns.iter().chain(&x.kwd_patterns).for_each(|item| {
                        this.pattern(item);
                    });
                });
                Pattern::Dynamic("class pattern")
            }
            ast::Pattern::MatchStar(_) => Pattern::Dynamic("star pattern"),
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
            (Place::Outer, _) => Pattern::Dynamic("capture of a global or nonlocal name"),
        }
    }

    fn dynamic_pattern(
        &mut self,
        patterns: &[ast::Pattern],
        keys: &[ast::Expr],
        what: &'static str,
    ) -> Pattern {
        self.discard(|this| {
            for key in keys {
                this.expr(key);
            }
            for item in patterns {
                this.pattern(item);
            }
        });
        Pattern::Dynamic(what)
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
                    return ExprKind::Dynamic("string with a surrogate");
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
            ast::Constant::Tuple(_) => return ExprKind::Dynamic("constant tuple"),
        };
        ExprKind::Const(constant)
    }
}
