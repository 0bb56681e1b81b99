//! One visitor over the HIR, with default walks: override a method, and call the `walk_*` function
//! of the same name to go on into the children. Children come in the order of evaluation.

use crate::hir::{Block, Case, ExprId, ExprKind, Function, Pattern, StmtId, StmtKind, Target};

/// Visits the nodes of one function; nested functions are not entered.
pub trait Visitor {
    fn visit_block(&mut self, f: &Function, block: &Block) {
        for &stmt in block {
            self.visit_stmt(f, stmt);
        }
    }

    fn visit_stmt(&mut self, f: &Function, stmt: StmtId) {
        walk_stmt(self, f, stmt);
    }

    fn visit_expr(&mut self, f: &Function, expr: ExprId) {
        walk_expr(self, f, expr);
    }

    fn visit_target(&mut self, f: &Function, target: &Target) {
        walk_target(self, f, target);
    }

    fn visit_pattern(&mut self, f: &Function, pattern: &Pattern) {
        walk_pattern(self, f, pattern);
    }

    fn visit_case(&mut self, f: &Function, case: &Case) {
        self.visit_pattern(f, &case.pattern);
        if let Some(guard) = case.guard {
            self.visit_expr(f, guard);
        }
        self.visit_block(f, &case.body);
    }
}

pub fn walk_stmt<V: Visitor + ?Sized>(v: &mut V, f: &Function, stmt: StmtId) {
    match &f.stmts[stmt].kind {
        StmtKind::Expr(value) => v.visit_expr(f, *value),
        StmtKind::Assign { targets, value } => {
            v.visit_expr(f, *value);
            targets.iter().for_each(|target| v.visit_target(f, target));
        }
        StmtKind::AnnAssign {
            target,
            annotation: _,
            value,
        } => {
            if let Some(value) = value {
                v.visit_expr(f, *value);
            }
            v.visit_target(f, target);
        }
        StmtKind::AugAssign { target, op: _, value } => {
            v.visit_target(f, target);
            v.visit_expr(f, *value);
        }
        StmtKind::If { test, then, other } => {
            v.visit_expr(f, *test);
            v.visit_block(f, then);
            v.visit_block(f, other);
        }
        StmtKind::While { test, body, orelse } => {
            v.visit_expr(f, *test);
            v.visit_block(f, body);
            v.visit_block(f, orelse);
        }
        StmtKind::For {
            target,
            iter,
            body,
            orelse,
        } => {
            v.visit_expr(f, *iter);
            v.visit_target(f, target);
            v.visit_block(f, body);
            v.visit_block(f, orelse);
        }
        StmtKind::Match { subject, cases } => {
            v.visit_expr(f, *subject);
            cases.iter().for_each(|case| v.visit_case(f, case));
        }
        StmtKind::Return(value) => value.iter().for_each(|&value| v.visit_expr(f, value)),
        StmtKind::Assert { test, message } => {
            v.visit_expr(f, *test);
            message.iter().for_each(|&message| v.visit_expr(f, message));
        }
        StmtKind::Raise { exc, cause } => {
            exc.iter().chain(cause).for_each(|&expr| v.visit_expr(f, expr));
        }
        StmtKind::Def { defaults, .. } => defaults.iter().for_each(|&value| v.visit_expr(f, value)),
        StmtKind::Del(targets) => targets.iter().for_each(|target| v.visit_target(f, target)),
        StmtKind::With { items, body } => {
            for (context, target) in items {
                v.visit_expr(f, *context);
                target.iter().for_each(|target| v.visit_target(f, target));
            }
            v.visit_block(f, body);
        }
        StmtKind::Try {
            body,
            handlers,
            orelse,
            finalbody,
            ..
        } => {
            v.visit_block(f, body);
            for handler in handlers {
                handler.class.iter().for_each(|&class| v.visit_expr(f, class));
                v.visit_block(f, &handler.body);
            }
            v.visit_block(f, orelse);
            v.visit_block(f, finalbody);
        }
        StmtKind::Break
        | StmtKind::Continue
        | StmtKind::Import { .. }
        | StmtKind::ImportFrom { .. }
        | StmtKind::Pass
        | StmtKind::Dynamic(_) => {}
    }
}

pub fn walk_expr<V: Visitor + ?Sized>(v: &mut V, f: &Function, expr: ExprId) {
    match &f.exprs[expr].kind {
        ExprKind::Binary(_, left, right) | ExprKind::Subscript(left, right) => {
            v.visit_expr(f, *left);
            v.visit_expr(f, *right);
        }
        ExprKind::Unary(_, value)
        | ExprKind::Attribute(value, _)
        | ExprKind::Starred(value)
        | ExprKind::Walrus(_, value) => v.visit_expr(f, *value),
        ExprKind::Bool(_, values) | ExprKind::Tuple(values) | ExprKind::List(values) => {
            values.iter().for_each(|&value| v.visit_expr(f, value));
        }
        ExprKind::Compare(first, rest) => {
            v.visit_expr(f, *first);
            rest.iter().for_each(|&(_, value)| v.visit_expr(f, value));
        }
        ExprKind::If { test, then, other } => {
            for value in [test, then, other] {
                v.visit_expr(f, *value);
            }
        }
        ExprKind::Call { func, args } => {
            v.visit_expr(f, *func);
            args.iter().for_each(|arg| v.visit_expr(f, arg.value));
        }
        ExprKind::Slice { start, stop, step } => {
            [start, stop, step]
                .into_iter()
                .flatten()
                .for_each(|&value| v.visit_expr(f, value));
        }
        ExprKind::Lambda(_, defaults) => defaults.iter().for_each(|&value| v.visit_expr(f, value)),
        ExprKind::Const(_) | ExprKind::Name(_) | ExprKind::Dynamic(_) => {}
    }
}

pub fn walk_target<V: Visitor + ?Sized>(v: &mut V, f: &Function, target: &Target) {
    match target {
        Target::Local(_) | Target::Outer(_) => {}
        Target::Subscript(value, index) => {
            v.visit_expr(f, *value);
            v.visit_expr(f, *index);
        }
        Target::Attribute(value, _) => v.visit_expr(f, *value),
        Target::Tuple { items, star: _ } => items.iter().for_each(|item| v.visit_target(f, item)),
    }
}

pub fn walk_pattern<V: Visitor + ?Sized>(v: &mut V, f: &Function, pattern: &Pattern) {
    match pattern {
        Pattern::Value(value) => v.visit_expr(f, *value),
        Pattern::Capture(_) | Pattern::Dynamic(_) => {}
        Pattern::Or(items) | Pattern::Sequence(items) => {
            items.iter().for_each(|item| v.visit_pattern(f, item));
        }
        Pattern::As(inner, _) => v.visit_pattern(f, inner),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FunctionQuery, parse_function};

    #[derive(Default)]
    struct Count {
        exprs: usize,
        stmts: usize,
    }

    impl Visitor for Count {
        fn visit_stmt(&mut self, f: &Function, stmt: StmtId) {
            self.stmts += 1;
            walk_stmt(self, f, stmt);
        }
        fn visit_expr(&mut self, f: &Function, expr: ExprId) {
            self.exprs += 1;
            walk_expr(self, f, expr);
        }
    }

    #[test]
    fn every_node_is_visited_once() {
        let source = "def f(a):\n  for i, a[0] in g(x, *a, k=-b):\n    while not a: break\n    else: del a[1:2]\n  match a.b:\n    case 1 | None as z if z < 2 < a: return (1, [a])\n  assert (y := a and b), 'm'\n  x += 1 if a else 2\n  raise E from None\n";
        let query = FunctionQuery {
            name: "f".to_owned(),
            line: 1,
            ..FunctionQuery::default()
        };
        let f = parse_function(source, "t.py", 1, &query).expect("parses");
        let mut count = Count::default();
        count.visit_block(&f, &f.body);
        assert_eq!((count.exprs, count.stmts), (f.exprs.len(), f.stmts.len()));
    }
}
