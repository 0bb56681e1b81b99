//! Checks the rules of the IR.
//!
//! Of a module and a function:
//!
//! - The entry function exists. Frames that sites name exist (frame 0 may be left out).
//! - A recursive function has a site, which raises. An owner slot has 8 bytes.
//! - A block is in the layout once, an instruction in one block once; branch targets are in the layout.
//! - The parameters of the first block are the function's, and no branch leads to it. They and the results are scalars.
//! - Every block of the layout ends in a terminator and has no other.
//! - A value is defined once, and used only where its definition is: in the same block before the use, or in a
//!   block that dominates it (uses in unreachable blocks are not held to that).
//!
//! Of an instruction, whose file is `inst`:
//!
//! - Its type, its arguments and its results are what the table of operations says.
//! - The immediate has the operation's format, and a constant is in the range of its type.
//! - A branch passes as many arguments, of the same types, as its target has parameters.
//! - A call passes the callee's parameters and the effects flag, and takes its results.
//! - A helper is called with the arguments of its signature; it has a site exactly if it is fallible.
//! - A `return` gives the function's results.
//! - A site exists, is of a kind that the operation can leave by, and the operands are those it records.
//! - What is in an inlined call has a site; the site of that call is one, and records what it would have.
//! - What lands in a block has a site that raises, and is dominated by the only block that leads there.
//! - An access whose address is a slot's says so by its region, and is inside of the slot, unless that is an array.

mod inst;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use cranelift_entity::packed_option::PackedOption;
use cranelift_entity::{EntitySet, SecondaryMap};
use numlift_runtime::SiteKind;

use crate::cfg::ControlFlowGraph;
use crate::dominators::DominatorTree;
use crate::ir::{Block, Function, Inst, Module, Site, Ty, Value, ValueDef};

/// The first broken rule.
///
/// # Errors
/// Function, block and rule as text.
pub fn verify(module: &Module) -> Result<(), String> {
    if let Some(entry) = module.entry
        && !module.funcs.is_valid(entry)
    {
        return Err(format!("the entry {entry} does not exist"));
    }
    for (site, data) in module.sites.iter() {
        if data.frame > 0 && data.frame as usize >= module.frames.len() {
            return Err(format!("{site}: frame{} does not exist", data.frame));
        }
    }
    for (id, f) in module.funcs.iter() {
        Checker { module, f }
            .function()
            .map_err(|e| format!("{id} `{}`: {e}", f.name))?;
    }
    Ok(())
}

struct Checker<'m> {
    module: &'m Module,
    f: &'m Function,
}

impl Checker<'_> {
    fn function(&self) -> Result<(), String> {
        let &entry = self.f.layout.first().ok_or("no blocks")?;
        self.header()?;
        self.layout()?;
        self.types("entry parameters", &self.f.blocks[entry].params, &self.f.params)?;
        for &b in &self.f.layout {
            self.block(b, entry).map_err(|e| format!("{b} {e}"))?;
        }
        let cfg = ControlFlowGraph::compute(self.f);
        let dominators = DominatorTree::compute(&cfg);
        let blocks = self.f.inst_blocks();
        for &b in self.f.layout.iter().filter(|b| cfg.is_reachable(**b)) {
            self.uses(b, &dominators, &blocks)?;
            self.landings(b, &cfg, &dominators)?;
        }
        Ok(())
    }

    fn header(&self) -> Result<(), String> {
        if let Some((slot, data)) = self.f.slots.iter().find(|(_, d)| d.owner && d.bytes != 8) {
            return Err(format!("{slot}: an owner of {} bytes, not 8", data.bytes));
        }
        let mut signature = self.f.params.iter().chain(&self.f.results);
        if let Some(ty) = signature.find(|t| t.is_vector()) {
            return Err(format!("a parameter or result of type {}", ty.name()));
        }
        match (self.f.recursive, self.f.recursion_site) {
            (true, None) => Err("recursive without a site".into()),
            (_, Some(site)) => match self.site_kind(site)? {
                SiteKind::Raise { .. } => Ok(()),
                _ => Err(format!("recursive by {site}, which does not raise")),
            },
            (false, None) => Ok(()),
        }
    }

    /// Blocks and instructions are placed once, values defined once.
    fn layout(&self) -> Result<(), String> {
        let (mut blocks, mut insts) = (EntitySet::<Block>::new(), EntitySet::<Inst>::new());
        for &b in &self.f.layout {
            let data = self
                .f
                .blocks
                .get(b)
                .ok_or_else(|| format!("{b} does not exist"))?;
            if !blocks.insert(b) {
                return Err(format!("{b} is in the layout twice"));
            }
            for (n, &v) in data.params.iter().enumerate() {
                self.defined_by(v, ValueDef::Param(b, n as u16))?;
            }
            for &i in &data.insts {
                let d = self.f.insts.get(i).ok_or_else(|| format!("{i} does not exist"))?;
                if !insts.insert(i) {
                    return Err(format!("{b}: `{d}` is placed twice"));
                }
                for (n, &v) in d.results.iter().enumerate() {
                    self.defined_by(v, ValueDef::Result(i, n as u16))?;
                }
                if let Some(v) = self.f.uses(i).into_iter().find(|v| !self.f.values.is_valid(*v)) {
                    return Err(format!("{b}: {v} does not exist"));
                }
            }
        }
        let targets = self.f.layout.iter().flat_map(|b| self.f.successors(*b));
        let landings = self.f.layout.iter().flat_map(|b| &self.f.blocks[*b].insts);
        let landings = landings.filter_map(|i| Some(self.f.insts[*i].landing()?.block));
        match targets
            .map(|t| t.block)
            .chain(landings)
            .find(|b| !blocks.contains(*b))
        {
            Some(b) => Err(format!("{b} is not in the layout")),
            None => Ok(()),
        }
    }

    /// A value knows its definition, so that there is one.
    fn defined_by(&self, v: Value, def: ValueDef) -> Result<(), String> {
        match self.f.values.get(v) {
            Some(data) if data.def == def => Ok(()),
            Some(_) => Err(format!("{v} is defined twice")),
            None => Err(format!("{v} does not exist")),
        }
    }

    fn block(&self, b: Block, entry: Block) -> Result<(), String> {
        let insts = &self.f.blocks[b].insts;
        if insts.is_empty() {
            return Err("is empty".into());
        }
        for (n, &i) in insts.iter().enumerate() {
            let d = &self.f.insts[i];
            if d.op.is_terminator() != (n + 1 == insts.len()) {
                return Err(format!("{}: a terminator is missing or not last", d.op.name()));
            }
            self.inst(d).map_err(|e| format!("{}: {e}", d.op.name()))?;
        }
        match self.f.successors(b).iter().any(|t| t.block == entry) {
            true => Err(format!("branches to the entry {entry}")),
            false => Ok(()),
        }
    }

    /// Values are used where they are defined; `blocks` has the block of each instruction.
    fn uses(
        &self,
        b: Block,
        dominators: &DominatorTree,
        blocks: &SecondaryMap<Inst, PackedOption<Block>>,
    ) -> Result<(), String> {
        let home = |v: Value| match self.f.values[v].def {
            ValueDef::Param(b, _) => Some(b),
            ValueDef::Result(i, _) => blocks[i].expand(),
        };
        let mut defined: HashSet<Value> = self.f.blocks[b].params.iter().copied().collect();
        for &i in &self.f.blocks[b].insts {
            for v in self.f.uses(i) {
                if !defined.contains(&v) && !home(v).is_some_and(|h| h != b && dominators.dominates(h, b)) {
                    let op = self.f.insts[i].op.name();
                    return Err(format!("{b} {op}: {v} is not defined here"));
                }
            }
            defined.extend(&self.f.insts[i].results);
        }
        Ok(())
    }

    /// What is defined where a landing begins is defined at the instructions that land there: they come behind
    /// the only block that leads to it.
    fn landings(&self, b: Block, cfg: &ControlFlowGraph, dominators: &DominatorTree) -> Result<(), String> {
        for &i in &self.f.blocks[b].insts {
            let d = &self.f.insts[i];
            if let Some(l) = d.landing()
                && !matches!(cfg.preds(l.block), [p] if *p != b && dominators.dominates(*p, b))
            {
                return Err(format!(
                    "{b} {}: lands in {}, which is not around it",
                    d.op.name(),
                    l.block
                ));
            }
        }
        Ok(())
    }

    fn site_kind(&self, site: Site) -> Result<&SiteKind, String> {
        let data = self.module.sites.get(site);
        data.map(|d| &d.kind)
            .ok_or_else(|| format!("{site} does not exist"))
    }

    fn types(&self, what: &str, values: &[Value], want: &[Ty]) -> Result<(), String> {
        let have: Vec<Ty> = values.iter().map(|v| self.f.ty(*v)).collect();
        if have == want {
            Ok(())
        } else {
            Err(format!("{what}: ({}), not ({})", names(&have), names(want)))
        }
    }
}

fn names(types: &[Ty]) -> String {
    types.iter().map(|t| t.name()).collect::<Vec<_>>().join(", ")
}
