//! `with` whose body is compiled: the interpreter enters and leaves the context managers.
//!
//! `with a as x, b: body` is `with a as x:` around `with b:`. What follows is reached from the end of the body, and from
//! wherever it may raise if the manager suppresses that.

use numlift_syntax::hir::{Block, Const, ExprId, ExprKind, StmtId, Target};
use numlift_types::{Reason, Type};

use super::finals::Ways;
use super::{FnInfer, join_vars};
use crate::env::Known;
use crate::islands::Uses;

type Item = (ExprId, Option<Target>);

/// Managers that may make errors of warnings, which machine code does not give.
const FATAL: &[(&str, &str)] = &[("numpy", "errstate"), ("warnings", "catch_warnings")];

impl FnInfer<'_, '_> {
    /// Infers a `with` statement of which the body may be compiled; false if the interpreter runs all of it.
    pub(super) fn native_with(&mut self, id: StmtId, items: &[Item], body: &Block) -> bool {
        let hir = self.hir.clone();
        let plain = |(context, target): &Item| {
            let named = match target {
                None => true,
                Some(Target::Local(l)) => !self.written.contains_key(l),
                Some(_) => false,
            };
            named && !Uses::of_expr(&hir, *context).binds_any()
        };
        let interpreted = self.boxing.is_some_and(|b| b.tries.contains(&id));
        if interpreted || !items.iter().all(plain) || items.iter().any(|(c, _)| self.makes_errors(*c)) {
            return false;
        }
        let r = self.interpreted(id, "entering and leaving `with`");
        self.managed(id, items, body, r);
        true
    }

    fn managed(&mut self, id: StmtId, items: &[Item], body: &Block, r: Reason) {
        let Some(((context, target), rest)) = items.split_first() else {
            return self.block(body);
        };
        self.expr(*context);
        self.may_raise();
        let ways = self.ways(|this| {
            if let Some(target) = target {
                this.bind(target, &Type::Object(r), *context);
                this.observe_targets(id, target);
            }
            // a manager may raise whatever the body does
            this.may_raise();
            if let (Some(vars), Some(Target::Local(l))) = (&this.vars, target) {
                let ty = vars[super::index(*l)].ty.clone();
                this.tables.entered.insert(*context, ty);
            }
            this.managed(id, rest, body, r);
        });
        self.may_raise_in(&ways.all());
        self.tables
            .managed
            .insert(*context, ways.raised.clone().unwrap_or_default());
        let normal = join_vars(ways.normal.clone(), ways.raised.clone());
        self.go_on(Ways { normal, ..ways }, Clone::clone);
    }

    /// The body of a `with` statement with these items may be compiled.
    pub(super) fn is_managed(&self, items: &[Item]) -> bool {
        items
            .iter()
            .all(|(context, _)| self.tables.managed.contains_key(context))
    }

    /// A manager that may make errors of what machine code does not look at.
    fn makes_errors(&mut self, context: ExprId) -> bool {
        let hir = self.hir.clone();
        let ExprKind::Call { func, args } = &hir.exprs[context].kind else {
            return false;
        };
        let ExprKind::Attribute(base, name) = &hir.exprs[*func].kind else {
            return false;
        };
        let Type::Known(o) = self.expr(*base) else {
            return false;
        };
        let Known::Module(module) = self.cx.env.known(o) else {
            return false;
        };
        let harmless = |e: ExprId| match &hir.exprs[e].kind {
            ExprKind::Const(Const::Str(s)) => s == "ignore" || s == "warn",
            _ => false,
        };
        let all = args.iter().all(|a| a.name.is_some() && harmless(a.value));
        FATAL.contains(&(module.as_str(), name.as_str())) && !(all && name == "errstate")
    }
}
