//! Statements and assignment targets.

use numlift_diagnostics::Span;
use rustpython_parser::ast::{self, Ranged};

use super::expr::{bin_op, nothing};
use super::names::Place;
use super::{Body, Builder, Definition};
use crate::hir::{Block, Case, ExprId, ExprKind, Handler, Name, Opaque, StmtKind, Target};
use crate::scope::Bindings;

/// The parts `def` and `async def` share.
struct Def<'a> {
    name: &'a str,
    args: &'a ast::Arguments,
    body: &'a [ast::Stmt],
    decorators: &'a [ast::Expr],
    is_async: bool,
}

impl Builder<'_> {
    pub(super) fn block(&mut self, body: &[ast::Stmt]) -> Block {
        let mut block = Vec::with_capacity(body.len());
        for stmt in body {
            let span = self.span(stmt.range());
            self.deeper(span, |this| this.stmt(stmt, span, &mut block));
        }
        block
    }

    fn stmt(&mut self, stmt: &ast::Stmt, span: Span, block: &mut Block) {
        let kind = match stmt {
            ast::Stmt::FunctionDef(x) => self.def(
                &Def {
                    name: &x.name,
                    args: &x.args,
                    body: &x.body,
                    decorators: &x.decorator_list,
                    is_async: false,
                },
                span,
            ),
            ast::Stmt::AsyncFunctionDef(x) => self.def(
                &Def {
                    name: &x.name,
                    args: &x.args,
                    body: &x.body,
                    decorators: &x.decorator_list,
                    is_async: true,
                },
                span,
            ),
            ast::Stmt::ClassDef(x) => self.class(x),
            ast::Stmt::Return(x) => StmtKind::Return(self.option(&x.value)),
            ast::Stmt::Delete(x) => StmtKind::Del(x.targets.iter().map(|t| self.target(t)).collect()),
            ast::Stmt::Assign(x) => {
                let value = self.expr(&x.value);
                StmtKind::Assign {
                    targets: x.targets.iter().map(|t| self.target(t)).collect(),
                    value,
                }
            }
            ast::Stmt::TypeAlias(x) => {
                let name = match &*x.name {
                    ast::Expr::Name(name) => Some(name.id.to_string()),
                    _ => None,
                };
                let code = self.opaque("type alias", |_| {});
                StmtKind::Dynamic(self.binding(code, name.as_deref()))
            }
            ast::Stmt::AugAssign(x) => {
                let target = self.target(&x.target);
                StmtKind::AugAssign {
                    target,
                    op: bin_op(x.op),
                    value: self.expr(&x.value),
                }
            }
            ast::Stmt::AnnAssign(x) => self.ann_assign(x),
            ast::Stmt::For(x) => {
                let iter = self.expr(&x.iter);
                let target = self.target(&x.target);
                let body = self.block(&x.body);
                StmtKind::For {
                    target,
                    iter,
                    body,
                    orelse: self.block(&x.orelse),
                }
            }
            ast::Stmt::While(x) => {
                let test = self.expr(&x.test);
                let body = self.block(&x.body);
                StmtKind::While {
                    test,
                    body,
                    orelse: self.block(&x.orelse),
                }
            }
            ast::Stmt::If(x) => {
                let test = self.expr(&x.test);
                let then = self.block(&x.body);
                StmtKind::If {
                    test,
                    then,
                    other: self.block(&x.orelse),
                }
            }
            ast::Stmt::Match(x) => {
                let subject = self.expr(&x.subject);
                StmtKind::Match {
                    subject,
                    cases: x.cases.iter().map(|case| self.case(case)).collect(),
                }
            }
            ast::Stmt::Raise(x) => {
                let exc = self.option(&x.exc);
                StmtKind::Raise {
                    exc,
                    cause: self.option(&x.cause),
                }
            }
            ast::Stmt::Assert(x) => {
                let test = self.expr(&x.test);
                StmtKind::Assert {
                    test,
                    message: self.option(&x.msg),
                }
            }
            ast::Stmt::Import(x) => return self.import(x, block),
            ast::Stmt::ImportFrom(x) => return self.import_from(x, span, block),
            ast::Stmt::Global(_) | ast::Stmt::Nonlocal(_) => return,
            ast::Stmt::Expr(x) => StmtKind::Expr(self.expr(&x.value)),
            ast::Stmt::Pass(_) => StmtKind::Pass,
            ast::Stmt::Break(_) => StmtKind::Break,
            ast::Stmt::Continue(_) => StmtKind::Continue,
            ast::Stmt::With(x) => StmtKind::With {
                items: x.items.iter().map(|item| self.with_item(item)).collect(),
                body: self.block(&x.body),
            },
            ast::Stmt::Try(x) => self.try_stmt([&x.body, &x.orelse, &x.finalbody], &x.handlers, false),
            ast::Stmt::TryStar(x) => self.try_stmt([&x.body, &x.orelse, &x.finalbody], &x.handlers, true),
            ast::Stmt::AsyncFor(x) => StmtKind::Dynamic(self.opaque("async for", |this| {
                this.expr(&x.iter);
                this.target(&x.target);
                this.block(&x.body);
                this.block(&x.orelse);
            })),
            ast::Stmt::AsyncWith(x) => StmtKind::Dynamic(self.opaque("async with", |this| {
                for item in &x.items {
                    this.with_item(item);
                }
                this.block(&x.body);
            })),
        };
        block.push(self.stmt_node(kind, span));
    }

    fn option(&mut self, expr: &Option<Box<ast::Expr>>) -> Option<ExprId> {
        expr.as_ref().map(|expr| self.expr(expr))
    }

    fn ann_assign(&mut self, x: &ast::StmtAnnAssign) -> StmtKind {
        let annotation = self.expr(&x.annotation);
        let value = self.option(&x.value);
        StmtKind::AnnAssign {
            target: self.target(&x.target),
            annotation,
            value,
        }
    }

    fn case(&mut self, case: &ast::MatchCase) -> Case {
        let pattern = self.pattern(&case.pattern);
        let guard = self.option(&case.guard);
        Case {
            pattern,
            guard,
            body: self.block(&case.body),
        }
    }

    fn import(&mut self, x: &ast::StmtImport, block: &mut Block) {
        for alias in &x.names {
            let top = alias.name.split('.').next().unwrap_or("");
            let bound = alias.asname.as_deref().unwrap_or(top);
            let kind = match self.place(bound) {
                Place::Local(local) => StmtKind::Import {
                    module: alias.name.to_string(),
                    local,
                    top: alias.asname.is_none(),
                },
                Place::Outer => StmtKind::Dynamic(nothing("import to a global or nonlocal name")),
            };
            let span = self.span(x.range);
            block.push(self.stmt_node(kind, span));
        }
    }

    fn import_from(&mut self, x: &ast::StmtImportFrom, span: Span, block: &mut Block) {
        for alias in &x.names {
            let kind = match self.place(alias.asname.as_deref().unwrap_or(&alias.name)) {
                Place::Local(local) => StmtKind::ImportFrom {
                    module: x.module.as_deref().unwrap_or("").to_owned(),
                    name: alias.name.to_string(),
                    local,
                    level: x.level.map_or(0, |level| level.to_u32()),
                },
                Place::Outer => StmtKind::Dynamic(nothing("import to a global or nonlocal name")),
            };
            block.push(self.stmt_node(kind, span));
        }
    }

    fn def(&mut self, def: &Def<'_>, span: Span) -> StmtKind {
        let definition = Definition {
            name: def.name,
            span,
            args: def.args,
            body: Body::Block(def.body),
            is_async: def.is_async,
        };
        if let (true, Place::Local(local)) = (def.decorators.is_empty(), self.place(def.name)) {
            let defaults = self.defaults(def.args);
            let function = self.function(&definition);
            return StmtKind::Def {
                local,
                nested: self.nest(function),
                defaults,
            };
        }
        let what = if def.decorators.is_empty() {
            "definition of a global or nonlocal function"
        } else {
            "nested function with decorators"
        };
        let code = self.opaque(what, |this| {
            this.exprs(def.decorators);
            this.defaults(def.args);
            let function = this.function(&definition);
            this.nest(function);
        });
        StmtKind::Dynamic(self.binding(code, Some(def.name)))
    }

    /// Dynamic code that binds `name` besides.
    fn binding(&mut self, mut code: Opaque, name: Option<&str>) -> Opaque {
        if let Some(name) = name
            && let Place::Local(local) = self.place(name)
        {
            code.binds.push(local);
        }
        code
    }

    fn class(&mut self, x: &ast::StmtClassDef) -> StmtKind {
        let bound = Bindings::of_body(&x.body).assigned;
        let code = self.opaque("class", |this| {
            this.exprs(&x.decorator_list);
            this.exprs(&x.bases);
            x.keywords.iter().for_each(|keyword| {
                this.expr(&keyword.value);
            });
            this.shadowed(bound, true, |this| {
                this.block(&x.body);
            });
        });
        StmtKind::Dynamic(self.binding(code, Some(&x.name)))
    }

    fn with_item(&mut self, item: &ast::WithItem) -> (ExprId, Option<Target>) {
        let context = self.expr(&item.context_expr);
        let target = item.optional_vars.as_ref().map(|target| self.target(target));
        (context, target)
    }

    fn try_stmt(
        &mut self,
        [body, orelse, finalbody]: [&[ast::Stmt]; 3],
        handlers: &[ast::ExceptHandler],
        star: bool,
    ) -> StmtKind {
        let body = self.block(body);
        let mut dynamic = star;
        let handlers = handlers.iter().map(|ast::ExceptHandler::ExceptHandler(handler)| {
            let class = self.option(&handler.type_);
            let name = handler.name.as_ref().and_then(|name| match self.place(name) {
                Place::Local(local) => Some(local),
                Place::Outer => {
                    dynamic = true;
                    None
                }
            });
            Handler {
                class,
                name,
                body: self.block(&handler.body),
            }
        });
        let handlers = handlers.collect();
        StmtKind::Try {
            body,
            handlers,
            orelse: self.block(orelse),
            finalbody: self.block(finalbody),
            dynamic,
        }
    }

    pub(super) fn target(&mut self, target: &ast::Expr) -> Target {
        let span = self.span(target.range());
        let built = self.deeper(span, |this| match target {
            ast::Expr::Name(x) => match this.resolve(&x.id) {
                Name::Local(local) => Target::Local(local),
                Name::Free(_) | Name::Global(_) => Target::Outer(x.id.to_string()),
            },
            ast::Expr::Subscript(x) => {
                let value = this.expr(&x.value);
                Target::Subscript(value, this.expr(&x.slice))
            }
            ast::Expr::Attribute(x) => Target::Attribute(this.expr(&x.value), x.attr.to_string()),
            ast::Expr::Tuple(x) => this.targets(&x.elts),
            ast::Expr::List(x) => this.targets(&x.elts),
            ast::Expr::Starred(x) => this.target(&x.value),
            other => {
                // not reached with what the parser accepts
                let value = this.expr(other);
                Target::Attribute(value, String::new())
            }
        });
        built.unwrap_or_else(|| {
            let value = self.expr_node(ExprKind::Dynamic(nothing("target")), span);
            Target::Attribute(value, String::new())
        })
    }

    fn targets(&mut self, elts: &[ast::Expr]) -> Target {
        let star = elts.iter().position(|item| matches!(item, ast::Expr::Starred(_)));
        Target::Tuple {
            items: elts.iter().map(|item| self.target(item)).collect(),
            star,
        }
    }
}
