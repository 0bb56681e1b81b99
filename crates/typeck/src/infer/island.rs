//! Compound statements that run in the interpreter: their blocks are typed, what they assign is object behind them.

use numlift_syntax::facts;
use numlift_syntax::hir::{Block, ExprId, Handler, LocalId, StmtId, Target};
use numlift_types::{Reason, Type};

use super::dynamic::Node;
use super::{FnInfer, Interpreted, Vars, join_vars};

impl FnInfer<'_, '_> {
    /// The variables where control leaves the islands and handlers from these numbers on: each way out of an
    /// island has the same variables, and a handler unbinds its own.
    pub(super) fn unwound(&self, islands: usize, handling: usize) -> Vars {
        let mut vars = self.vars.clone();
        for island in self.islands.iter().skip(islands) {
            vars = Self::clobbered(&vars, &island.locals, island.caught.as_slice(), island.reason);
        }
        for l in self.handling.iter().skip(handling).filter_map(|(name, _)| *name) {
            if let Some(vars) = &mut vars {
                vars[super::index(l)] = super::UNBOUND;
            }
        }
        vars
    }

    /// Infers a block of code that runs in the interpreter as it would run natively.
    pub(super) fn island(
        &mut self,
        block: &Block,
        locals: &[LocalId],
        caught: Option<LocalId>,
        reason: Reason,
    ) {
        self.islands.push(Interpreted {
            locals: locals.to_vec(),
            caught,
            reason,
        });
        self.block(block);
        if let Some(island) = self.islands.pop() {
            self.vars = Self::left(self.vars.take(), &island.locals, island.reason);
            island.caught.into_iter().for_each(|l| self.unbind(l));
        }
    }

    /// `with`: what it assigns is object behind it, which is also reached by a suppressed exception.
    pub(super) fn with(&mut self, id: StmtId, items: &[(ExprId, Option<Target>)], body: &Block) {
        let r = self.interpreted(id, "with");
        for (context, target) in items {
            self.expr(*context);
            if let Some(t) = target {
                self.bind(t, &Type::Object(r), *context);
            }
        }
        let hir = self.hir.clone();
        let mut locals = vec![];
        facts::block_locals(&hir, body, &mut locals);
        let mut unbinds = vec![];
        facts::block_unbinds(&hir, body, &mut unbinds);
        let suppressed = Self::clobbered(&self.vars, &locals, &unbinds, r);
        self.may_raise_in(&suppressed);
        self.island(body, &locals, None, r);
        self.vars = join_vars(self.vars.take(), suppressed);
    }

    pub(super) fn try_stmt(&mut self, id: StmtId, [body, orelse, last]: [&Block; 3], handlers: &[Handler]) {
        let r = self.interpreted(id, "try");
        let hir = self.hir.clone();
        let mut locals = vec![];
        facts::stmt_locals(&hir, id, &mut locals);
        for b in facts::blocks(&hir.stmts[id].kind) {
            facts::block_locals(&hir, b, &mut locals);
        }
        // a handler begins at any point of the body, `finally` at any point of all
        let mut unbinds = vec![];
        facts::block_unbinds(&hir, &vec![id], &mut unbinds);
        let raised = Self::clobbered(&self.vars, &locals, &unbinds, r);
        self.may_raise_in(&raised);
        self.island(body, &locals, None, r);
        self.island(orelse, &locals, None, r);
        let mut out = self.vars.take();
        for h in handlers {
            self.vars = raised.clone();
            if let Some(class) = h.class {
                self.expr(class);
            }
            if let Some(l) = h.name {
                self.set_object(l, r);
            }
            self.island(&h.body, &locals, h.name, r);
            out = join_vars(out, self.vars.take());
        }
        self.vars = join_vars(out.clone(), raised);
        self.island(last, &locals, None, r);
        if out.is_none() || last.is_empty() {
            self.vars = out;
        }
    }

    pub(super) fn interpreted(&mut self, id: StmtId, what: &str) -> Reason {
        let (span, line) = (self.hir.stmts[id].span, self.hir.stmts[id].line);
        let stop = self.error::<()>(span, line, "NL2007", format!("{what} is dynamic"));
        match stop {
            Err(stop) => self.reason(Node::Stmt(id), stop),
            Ok(()) => Reason::JOIN,
        }
    }
}
