//! Puts the body of a small function in the place of its call.
//!
//! Before:
//! ```text
//! function fn0 "twice"(i64, i8) -> i64 {
//! block0(v0: i64, v1: i8):
//!   v2 = iadd_chk v0, v0 (v1) site0
//!   return v2
//! }
//!   ...
//!   v7 = call fn0(v5, v6, v4) site1
//! ```
//! After, and after `simplify`:
//! ```text
//!   v8 = iadd_chk v5, v5 (v6) site0 in site1(v4)
//! ```
//! What fails in the body passes the call: the trace and the state of the caller are recorded as if it had been made.
//! A function that calls itself takes itself in, a few levels deep: it counts them (`calls_left`), and polls once
//! for all of them.
//!
//! Callees come first, so that what they have taken in goes along. A function that is no longer called is emptied.

use std::collections::HashMap;

use cranelift_entity::EntitySet;
use numlift_mir::{
    Block, BlockData, Builder, FuncId, Function, Imm, Inst, IntCC, Module, Opcode, Site, Ty, Unwind,
};
use numlift_runtime::SiteKind;

use super::Aliases;
use super::emit::Emit;
use super::import::Import;
use crate::{Pass, PassContext};

pub const PASS: Pass = Pass {
    name: "inline",
    doc: "Puts small functions in the place of their calls, those that call themselves a few levels deep.",
    run,
};

/// Instructions of a function that is inlined, and of all copies in one function.
const MAX_SIZE: usize = 80;
const MAX_COPIED: usize = 800;
/// The same of a function that takes itself in, and how deep it does.
const MAX_RECURSIVE_SIZE: usize = 40;
const MAX_RECURSIVE_COPIED: usize = 240;
const MAX_LEVELS: u32 = 3;

/// The functions that may be inlined.
pub(crate) fn callees(m: &Module) -> HashMap<FuncId, Function> {
    let island = |i: &Inst, f: &Function| match f.insts[*i].imm {
        Imm::Helper { site: Some(s), .. } => matches!(m.sites[s].kind, SiteKind::Island),
        _ => false,
    };
    let may = |f: &Function| is_small(f) && !insts(f).any(|i| island(&i, f));
    let small = m.funcs.iter().filter(|(_, f)| may(f));
    small.map(|(id, f)| (id, f.clone())).collect()
}

fn insts(f: &Function) -> impl Iterator<Item = Inst> {
    f.layout.iter().flat_map(|b| f.blocks[*b].insts.iter().copied())
}

fn size(f: &Function) -> usize {
    insts(f).count()
}

/// Small, it returns, and it has not taken itself in.
fn is_small(f: &Function) -> bool {
    let limit = match f.recursive {
        true => MAX_RECURSIVE_SIZE,
        false => MAX_SIZE,
    };
    let has = |op| insts(f).any(|i| f.insts[i].op == op);
    size(f) <= limit && has(Opcode::Return) && !has(Opcode::CallsLeft)
}

/// The functions, those that are called before those that call them.
pub(crate) fn order(m: &Module) -> Vec<FuncId> {
    let mut seen = EntitySet::new();
    let mut out = vec![];
    for (id, _) in m.funcs.iter() {
        visit(m, id, &mut seen, &mut out);
    }
    out
}

fn visit(m: &Module, id: FuncId, seen: &mut EntitySet<FuncId>, out: &mut Vec<FuncId>) {
    let mut work = vec![(id, false)];
    while let Some((id, done)) = work.pop() {
        if done {
            out.push(id);
        } else if m.funcs.is_valid(id) && seen.insert(id) {
            work.push((id, true));
            let f = &m.funcs[id];
            work.extend(insts(f).filter_map(|i| Some((called(f, i)?, false))));
        }
    }
}

fn called(f: &Function, i: Inst) -> Option<FuncId> {
    match f.insts[i].imm {
        Imm::Call { func, .. } => Some(func),
        _ => None,
    }
}

/// Empties the functions that the entry does not lead to.
pub(crate) fn sweep(m: &mut Module, context: &mut PassContext) {
    let Some(entry) = m.entry else { return };
    let (mut live, mut ids) = (EntitySet::new(), vec![]);
    visit(m, entry, &mut live, &mut ids);
    for (id, f) in m.funcs.iter_mut() {
        let is_empty = |f: &Function| matches!(f.layout[..], [b] if f.blocks[b].insts.len() == 1);
        if !live.contains(id) && !is_empty(f) && context.rewrite() {
            let mut b = Builder::new(Function {
                params: std::mem::take(&mut f.params),
                results: std::mem::take(&mut f.results),
                ..Function::new(std::mem::take(&mut f.name))
            });
            let entry = b.create_block();
            b.switch_to(entry);
            for ty in b.func.params.clone() {
                b.func.append_param(entry, ty);
            }
            b.unreachable();
            *f = b.func;
        }
    }
}

pub fn run(f: &mut Function, context: &mut PassContext) {
    let mut inliner = Inliner {
        context,
        aliases: Aliases::default(),
        copied: 0,
    };
    inliner.others(f);
    if f.recursive {
        inliner.levels(f);
    }
    inliner.aliases.apply(f);
    let id = context.function;
    match is_small(f) {
        true if !f.recursive => {
            context.callees.insert(id, f.clone());
        }
        _ if !f.recursive => {
            context.callees.remove(&id);
        }
        // its callers take the function in as it was
        _ => {}
    }
}

struct Inliner<'c> {
    context: &'c mut PassContext,
    aliases: Aliases,
    /// Instructions of all copies.
    copied: usize,
}

impl Inliner<'_> {
    /// Takes in functions that do not recurse.
    fn others(&mut self, f: &mut Function) {
        let mut n = 0;
        while n < f.layout.len() {
            let b = f.layout[n];
            n += 1;
            if f.blocks[b].cold {
                continue;
            }
            let mut calls = f.blocks[b].insts.iter().enumerate();
            let call = calls.find_map(|(at, i)| Some((at, self.body(f, *i, false)?)));
            let Some((at, body)) = call else { continue };
            if self.copied + size(&body) > MAX_COPIED {
                continue;
            }
            if !self.inline(f, (b, at), &body) {
                return;
            }
        }
    }

    /// Takes in functions that recurse, a level at a time as long as all calls of it fit.
    fn levels(&mut self, f: &mut Function) {
        for level in 0..MAX_LEVELS {
            let mut calls: Vec<(Inst, Function)> = vec![];
            for b in f.layout.iter().filter(|b| !f.blocks[**b].cold) {
                for &i in &f.blocks[*b].insts {
                    let here = matches!(f.insts[i].imm, Imm::Call { levels, .. } if levels == level);
                    calls.extend(self.body(f, i, true).filter(|_| here).map(|body| (i, body)));
                }
            }
            let added: usize = calls.iter().map(|(_, body)| size(body)).sum();
            if self.copied + added > MAX_RECURSIVE_COPIED {
                return;
            }
            for (i, body) in calls {
                let homes = f.inst_blocks();
                let Some(b) = homes[i].expand() else { continue };
                let at = f.blocks[b].insts.iter().position(|x| *x == i).unwrap_or(0);
                if !self.inline(f, (b, at), &body) {
                    return;
                }
            }
        }
    }

    /// The body that may stand for a call.
    fn body(&self, f: &Function, i: Inst, recursive: bool) -> Option<Function> {
        let body = self.context.callees.get(&called(f, i)?)?;
        // a landing outlives the callee, whose references nothing would give back
        let owns = body.slots.values().any(|s| s.owner);
        let may = body.recursive == recursive && !(owns && f.insts[i].landing().is_some());
        may.then(|| body.clone())
    }

    /// Splits the block at the call; what follows it goes on in a new block. Whether it was allowed.
    fn inline(&mut self, f: &mut Function, (b, at): (Block, usize), body: &Function) -> bool {
        if !self.context.rewrite() {
            return false;
        }
        self.copied += size(body);
        let line = f.insts[f.blocks[b].insts[at]].line;
        self.context.remark(line, format!("`{}` inlined", body.name));
        let mut rest = f.blocks[b].insts.split_off(at);
        let call = rest.remove(0);
        let behind = f.blocks.push(BlockData {
            cold: f.blocks[b].cold,
            ..BlockData::default()
        });
        for k in 0..f.insts[call].results.len() {
            let v = f.insts[call].results[k];
            let ty = f.ty(v);
            let result = f.append_param(behind, ty);
            self.aliases.set(v, result);
        }
        f.blocks[behind].insts = rest;
        let mut import = Import::new(f, call, body, behind);
        if let Some(site) = body.recursion_site.filter(|_| body.recursive) {
            enter(f, b, site, &import);
        }
        let mut added = import.body(f, body, f.recursive && body.recursive);
        let entry = added[0];
        Emit { f, block: b, line }.jump(entry, &[]);
        let place = f.layout.iter().position(|x| *x == b);
        let place = place.map_or(f.layout.len(), |n| n + 1);
        added.push(behind);
        f.layout.splice(place..place, added);
        true
    }
}

/// Checks the depth as the prologue of the callee would.
fn enter(f: &mut Function, b: Block, site: Site, import: &Import) {
    let (line, levels) = (import.line, import.levels);
    let mut e = Emit { f, block: b, line };
    let left = e.calls_left();
    let levels = e.constant(Ty::I64, i64::from(levels));
    let deeper = e.compare(IntCC::Sgt, left, levels);
    let unwind: Unwind = import.unwind.clone();
    e.guard(deeper, site, unwind.boxed());
}
