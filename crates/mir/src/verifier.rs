//! Checks the rules of the IR.
//!
//! - Every block of the layout ends in a terminator and has no other.
//! - Instructions have the number of arguments and results that the table of operations says.
//! - A branch passes as many arguments, of the same types, as its target has parameters.
//! - A call passes the callee's parameters and the effects flag, and takes its results.
//! - A `return` gives the function's results.
//! - A value is used only where its definition is: in the same block before the use, or in a block
//!   that dominates it.

use std::collections::{HashMap, HashSet};

use crate::ir::{Block, BlockCall, Function, Imm, Inst, Module, Ty, Value, ValueDef};
use crate::ops::Opcode;

/// The first broken rule.
///
/// # Errors
/// Function, block and rule as text.
pub fn verify(module: &Module) -> Result<(), String> {
    for (id, f) in module.funcs.iter() {
        Checker { module, f }
            .function()
            .map_err(|e| format!("{id:?} `{}`: {e}", f.name))?;
    }
    Ok(())
}

struct Checker<'m> {
    module: &'m Module,
    f: &'m Function,
}

impl Checker<'_> {
    fn function(&self) -> Result<(), String> {
        let entry = self.f.layout.first().ok_or("no blocks")?;
        self.types("entry parameters", &self.f.blocks[*entry].params, &self.f.params)?;
        let dominators = self.dominators(*entry);
        for &b in &self.f.layout {
            if !dominators.contains_key(&b) {
                continue;
            }
            let insts = &self.f.blocks[b].insts;
            let mut defined: HashSet<Value> = self.f.blocks[b].params.iter().copied().collect();
            for (n, &i) in insts.iter().enumerate() {
                let data = &self.f.insts[i];
                if data.op.is_terminator() != (n + 1 == insts.len()) {
                    return Err(format!("{b:?}: a terminator is missing or not last"));
                }
                self.inst(i)
                    .map_err(|e| format!("{b:?} {}: {e}", data.op.name()))?;
                for v in self.operands(i) {
                    let home = self.home(v);
                    let ok =
                        defined.contains(&v) || home.is_some_and(|h| h != b && dominators[&b].contains(&h));
                    if !ok {
                        return Err(format!("{b:?} {}: {v:?} is not defined here", data.op.name()));
                    }
                }
                defined.extend(&data.results);
            }
            if insts.is_empty() {
                return Err(format!("{b:?} is empty"));
            }
        }
        Ok(())
    }

    fn operands(&self, i: Inst) -> Vec<Value> {
        let data = &self.f.insts[i];
        let mut out = data.args.to_vec();
        match &data.imm {
            Imm::Jump(t) => out.extend(&t.args),
            Imm::Branch(t, e) => out.extend(t.args.iter().chain(&e.args)),
            _ => {}
        }
        out
    }

    fn home(&self, v: Value) -> Option<Block> {
        match self.f.values[v].def {
            ValueDef::Param(b, _) => Some(b),
            ValueDef::Result(i, _) => self
                .f
                .layout
                .iter()
                .copied()
                .find(|b| self.f.blocks[*b].insts.contains(&i)),
        }
    }

    fn inst(&self, i: Inst) -> Result<(), String> {
        let d = &self.f.insts[i];
        let (args, results) = (d.op.arity(), d.op.results());
        if args >= 0 && d.args.len() != args as usize {
            return Err(format!("{} arguments, not {args}", d.args.len()));
        }
        if results >= 0 && d.results.len() != results as usize {
            return Err(format!("{} results, not {results}", d.results.len()));
        }
        match &d.imm {
            Imm::Jump(t) => self.target(t),
            Imm::Branch(t, e) => self.target(t).and_then(|()| self.target(e)),
            Imm::Call { func, .. } => {
                let callee = &self.module.funcs[*func];
                let mut want = callee.params.clone();
                want.push(Ty::I8);
                self.types("arguments", &d.args, &want)?;
                self.types("results", &d.results, &callee.results)
            }
            _ if d.op == Opcode::Return => self.types("results", &d.args, &self.f.results),
            _ => Ok(()),
        }
    }

    fn target(&self, t: &BlockCall) -> Result<(), String> {
        let want: Vec<Ty> = self.f.blocks[t.block]
            .params
            .iter()
            .map(|v| self.f.ty(*v))
            .collect();
        self.types(&format!("arguments of {:?}", t.block), &t.args, &want)
    }

    fn types(&self, what: &str, values: &[Value], want: &[Ty]) -> Result<(), String> {
        let have: Vec<Ty> = values.iter().map(|v| self.f.ty(*v)).collect();
        if have == want {
            Ok(())
        } else {
            Err(format!("{what}: {have:?}, not {want:?}"))
        }
    }

    /// The blocks that dominate each reachable block, itself included.
    fn dominators(&self, entry: Block) -> HashMap<Block, HashSet<Block>> {
        let mut order = vec![];
        let mut preds: HashMap<Block, Vec<Block>> = HashMap::new();
        let mut work = vec![entry];
        let mut seen = HashSet::from([entry]);
        while let Some(b) = work.pop() {
            order.push(b);
            for t in self.f.successors(b) {
                preds.entry(t.block).or_default().push(b);
                if seen.insert(t.block) {
                    work.push(t.block);
                }
            }
        }
        let all: HashSet<Block> = order.iter().copied().collect();
        let mut dom: HashMap<Block, HashSet<Block>> = order.iter().map(|&b| (b, all.clone())).collect();
        dom.insert(entry, HashSet::from([entry]));
        loop {
            let mut changed = false;
            for &b in order.iter().filter(|b| **b != entry) {
                let mut new: Option<HashSet<Block>> = None;
                for p in preds.get(&b).into_iter().flatten() {
                    new = Some(match new {
                        None => dom[p].clone(),
                        Some(s) => s.intersection(&dom[p]).copied().collect(),
                    });
                }
                let mut new = new.unwrap_or_default();
                new.insert(b);
                if new != dom[&b] {
                    dom.insert(b, new);
                    changed = true;
                }
            }
            if !changed {
                return dom;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Builder;

    fn module(f: Function) -> Module {
        let mut m = Module::default();
        m.entry = Some(m.funcs.push(f));
        m
    }

    #[test]
    fn results_must_match() {
        let mut b = Builder::new(Function::new("f"));
        let entry = b.create_block();
        b.switch_to(entry);
        let x = b.iconst(Ty::I64, 1);
        b.ret(&[x]);
        assert!(verify(&module(b.func.clone())).is_err_and(|e| e.contains("results")));
        b.func.results.push(Ty::I64);
        assert_eq!(verify(&module(b.func)), Ok(()));
    }

    #[test]
    fn a_use_needs_its_definition() {
        let mut b = Builder::new(Function::new("f"));
        let (entry, left, right) = (b.create_block(), b.create_block(), b.create_block());
        b.switch_to(entry);
        let c = b.iconst(Ty::I8, 1);
        b.br(c, (left, &[]), (right, &[]));
        b.switch_to(left);
        let x = b.iconst(Ty::I64, 1);
        b.ret(&[]);
        b.switch_to(right);
        b.op(Opcode::Ineg, &[x]);
        b.ret(&[]);
        assert!(verify(&module(b.func)).is_err_and(|e| e.contains("not defined here")));
    }
}
