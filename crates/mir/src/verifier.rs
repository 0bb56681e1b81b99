//! Checks the rules of the IR.
//!
//! - Every block of the layout ends in a terminator and has no other.
//! - Instructions have the number of arguments and results that the table of operations says.
//! - A branch passes as many arguments, of the same types, as its target has parameters.
//! - A call passes the callee's parameters and the effects flag, and takes its results.
//! - A `return` gives the function's results.
//! - A value is used only where its definition is: in the same block before the use, or in a block
//!   that dominates it.

use std::collections::HashSet;

use cranelift_entity::SecondaryMap;
use cranelift_entity::packed_option::PackedOption;

use crate::cfg::ControlFlowGraph;
use crate::dominators::DominatorTree;
use crate::ir::{Block, BlockCall, Function, Imm, Inst, Module, Ty, Value, ValueDef};
use crate::ops::Opcode;

/// The first broken rule.
///
/// # Errors
/// Function, block and rule as text.
pub fn verify(module: &Module) -> Result<(), String> {
    for (id, f) in module.funcs.iter() {
        let blocks = f.inst_blocks();
        Checker { module, f, blocks }
            .function()
            .map_err(|e| format!("{id:?} `{}`: {e}", f.name))?;
    }
    Ok(())
}

struct Checker<'m> {
    module: &'m Module,
    f: &'m Function,
    blocks: SecondaryMap<Inst, PackedOption<Block>>,
}

impl Checker<'_> {
    fn function(&self) -> Result<(), String> {
        let entry = self.f.layout.first().ok_or("no blocks")?;
        self.types("entry parameters", &self.f.blocks[*entry].params, &self.f.params)?;
        let cfg = ControlFlowGraph::compute(self.f);
        let dominators = DominatorTree::compute(&cfg);
        for &b in &self.f.layout {
            if !cfg.is_reachable(b) {
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
                for v in self.f.uses(i) {
                    let home = self.home(v);
                    let ok =
                        defined.contains(&v) || home.is_some_and(|h| h != b && dominators.dominates(h, b));
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

    fn home(&self, v: Value) -> Option<Block> {
        match self.f.values[v].def {
            ValueDef::Param(b, _) => Some(b),
            ValueDef::Result(i, _) => self.blocks[i].expand(),
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
