//! `try` whose blocks are compiled: a handler begins with the variables as they are wherever the body may raise.

use numlift_syntax::hir::{Block, ExprId, Handler, LocalId, StmtId};
use numlift_types::{ObjectRef, Reason, Type};

use super::dynamic::{Node, diagnostic};
use super::{FnInfer, Vars, join_vars};

impl FnInfer<'_, '_> {
    /// The place may raise: a handler around begins with these variables.
    pub(super) fn may_raise(&mut self) {
        if !self.raises.is_empty() {
            let vars = self.vars.clone();
            self.may_raise_in(&vars);
        }
    }

    pub(super) fn may_raise_in(&mut self, vars: &Vars) {
        if let Some(around) = self.raises.last_mut() {
            *around = join_vars(around.take(), vars.clone());
        }
    }

    /// Infers a block; the variables wherever it may raise.
    fn raising(&mut self, block: &Block) -> Vars {
        self.raises.push(None);
        self.block(block);
        self.raises.pop().flatten()
    }

    pub(super) fn native_try(&mut self, id: StmtId, [body, orelse]: [&Block; 2], handlers: &[Handler]) {
        if handlers.is_empty() {
            return self.block(body);
        }
        let raised = self.raising(body);
        self.block(orelse);
        let mut out = self.vars.take();
        self.tables
            .handlers
            .insert(id, raised.clone().unwrap_or_default());
        for h in handlers.iter().filter(|_| raised.is_some()) {
            self.vars = raised.clone();
            if let Some(class) = h.class {
                self.class(class);
            }
            if let Some(l) = h.name {
                let r = self.caught(l);
                self.set_object(l, r);
            }
            self.handling.push((h.name, self.loops.len()));
            let mut left = self.raising(&h.body);
            self.handling.pop();
            for vars in [&mut self.vars, &mut left] {
                if let (Some(vars), Some(l)) = (vars, h.name) {
                    vars[super::index(l)] = super::UNBOUND;
                }
            }
            self.may_raise_in(&left);
            out = join_vars(out, self.vars.take());
        }
        self.may_raise_in(&raised);
        self.vars = out;
    }

    /// The class of a handler. One that types do not tell is evaluated in the interpreter when an exception comes.
    fn class(&mut self, class: ExprId) {
        let noted = self.noted;
        let ty = self.expr(class);
        if let Some(known) = self.exception_classes(&ty) {
            self.tables.classes.insert(class, known);
            return;
        }
        self.tables.classes.remove(&class);
        match self.boxing {
            Some(_) => self.noted = noted,
            None if self.noted.is_some() => {}
            None => {
                let e = &self.hir.exprs[class];
                let stop = self.error::<()>(e.span, e.line, "NL2007", "this class of exceptions is dynamic");
                if let Err(stop) = stop {
                    self.reason(Node::Expr(class), stop);
                }
            }
        }
    }

    /// The classes that a type stands for.
    fn exception_classes(&self, ty: &Type) -> Option<Vec<ObjectRef>> {
        match ty {
            Type::Known(o) => self.exception_name(ty).map(|_| vec![*o]),
            Type::Tuple(items) => {
                let classes = items.iter().map(|t| self.exception_classes(t));
                Some(classes.collect::<Option<Vec<_>>>()?.concat())
            }
            _ => None,
        }
    }

    /// The reason of a variable that holds an exception.
    fn caught(&mut self, l: LocalId) -> Reason {
        let text = format!("`{}` is an exception", self.hir.locals[l].name);
        let span = self.hir.span;
        let d = diagnostic(&self.hir, "NL2007", text, span);
        self.place(Node::Caught(l), d)
    }
}
