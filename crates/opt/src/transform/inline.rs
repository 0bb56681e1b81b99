//! Puts the body of a small function in the place of its call, if nothing in it can fail or poll: then no
//! traceback names it and the state of its caller is not needed.
//!
//! Before:
//! ```text
//! function fn0 "twice"(f64) -> f64 {
//! block0(v0: f64):
//!   v1 = fadd.f64 v0, v0
//!   return v1
//! }
//!   ...
//!   v7 = call fn0(v5, v6) site0
//! ```
//! After, and after `simplify`:
//! ```text
//!   v8 = fadd.f64 v5, v5
//! ```
//! Checks that ranges prove are gone by then.

use std::collections::HashMap;

use cranelift_entity::SecondaryMap;
use numlift_mir::ops::Effect;
use numlift_mir::{
    Block, BlockData, FuncId, Function, Imm, Inst, InstData, Module, Opcode, Value, ValueData, ValueDef,
};
use smallvec::SmallVec;

use super::Aliases;
use super::clone::branches_mut;
use super::emit::Emit;
use crate::{Pass, PassContext};

pub const PASS: Pass = Pass {
    name: "inline",
    doc: "Puts small functions in which nothing can fail in the place of their calls.",
    run,
};

/// Instructions of a function that is inlined, and of all copies in one function.
const MAX_SIZE: usize = 60;
const MAX_COPIED: usize = 800;

/// The functions that may be inlined.
pub(crate) fn callees(m: &Module) -> HashMap<FuncId, Function> {
    let small = m.funcs.iter().filter(|(_, f)| is_simple(f));
    small.map(|(id, f)| (id, f.clone())).collect()
}

fn is_simple(f: &Function) -> bool {
    let insts = || f.layout.iter().flat_map(|b| &f.blocks[*b].insts);
    let cannot_fail = |i: &Inst| {
        let d = &f.insts[*i];
        match d.imm {
            Imm::Site(_) | Imm::Call { .. } | Imm::Helper { site: Some(_), .. } => false,
            _ => d.op.effect() != Effect::Check && d.op != Opcode::Unreachable,
        }
    };
    !f.recursive && f.slots.is_empty() && insts().count() <= MAX_SIZE && insts().all(cannot_fail)
}

pub fn run(f: &mut Function, context: &mut PassContext) {
    let mut aliases = Aliases::default();
    let mut copied = 0;
    let mut n = 0;
    while n < f.layout.len() {
        let b = f.layout[n];
        n += 1;
        let call = f.blocks[b]
            .insts
            .iter()
            .position(|i| callee(f, *i, context).is_some());
        let Some(at) = call else { continue };
        let i = f.blocks[b].insts[at];
        let Some(body) = callee(f, i, context).cloned() else {
            continue;
        };
        let size: usize = body.layout.iter().map(|b| body.blocks[*b].insts.len()).sum();
        if copied + size > MAX_COPIED || !context.rewrite() {
            break;
        }
        copied += size;
        context.remark(f.insts[i].line, format!("`{}` inlined", body.name));
        inline(f, (b, at), &body, &mut aliases);
    }
    aliases.apply(f);
}

fn callee<'c>(f: &Function, i: Inst, context: &'c PassContext) -> Option<&'c Function> {
    match f.insts[i].imm {
        Imm::Call { func, .. } => context.callees.get(&func),
        _ => None,
    }
}

/// Splits the block at the call; what follows it goes on in a new block, which is next in the layout.
fn inline(f: &mut Function, (b, at): (Block, usize), body: &Function, aliases: &mut Aliases) {
    let mut rest = f.blocks[b].insts.split_off(at);
    let call = rest.remove(0);
    let cold = f.blocks[b].cold;
    let behind = f.blocks.push(BlockData {
        cold,
        ..BlockData::default()
    });
    for k in 0..f.insts[call].results.len() {
        let v = f.insts[call].results[k];
        let ty = f.ty(v);
        let result = f.append_param(behind, ty);
        aliases.set(v, result);
    }
    f.blocks[behind].insts = rest;
    let line = f.insts[call].line;
    let args = f.insts[call].args.clone();
    let mut import = Import {
        behind,
        line,
        cold,
        blocks: SecondaryMap::with_default(behind),
        values: HashMap::new(),
    };
    let entry = import.body(f, body, &args);
    let mut e = Emit { f, block: b, line };
    e.jump(entry, &[]);
    let place = f
        .layout
        .iter()
        .position(|x| *x == b)
        .map_or(f.layout.len(), |n| n + 1);
    let mut added: Vec<Block> = body.layout.iter().map(|b| import.blocks[*b]).collect();
    added.push(behind);
    f.layout.splice(place..place, added);
}

/// A copy of another function's body.
struct Import {
    behind: Block,
    line: u32,
    cold: bool,
    blocks: SecondaryMap<Block, Block>,
    values: HashMap<Value, Value>,
}

impl Import {
    /// Copies all blocks; gives the first, whose parameters are the arguments.
    fn body(&mut self, f: &mut Function, body: &Function, args: &[Value]) -> Block {
        for (n, &b) in body.layout.iter().enumerate() {
            let copy = f.blocks.push(BlockData {
                cold: self.cold || body.blocks[b].cold,
                ..BlockData::default()
            });
            self.blocks[b] = copy;
            for (k, &v) in body.blocks[b].params.iter().enumerate() {
                let to = match n {
                    0 => args[k],
                    _ => f.append_param(copy, body.ty(v)),
                };
                self.values.insert(v, to);
            }
        }
        let mut made: Vec<Inst> = Vec::new();
        for &b in &body.layout {
            for &i in &body.blocks[b].insts {
                let copy = self.inst(f, body, i);
                f.blocks[self.blocks[b]].insts.push(copy);
                made.push(copy);
            }
        }
        for i in made {
            f.map_uses(i, |v| self.values.get(&v).copied().unwrap_or(v));
        }
        self.blocks[body.layout[0]]
    }

    fn inst(&mut self, f: &mut Function, body: &Function, i: Inst) -> Inst {
        let mut data = InstData {
            results: SmallVec::new(),
            line: self.line,
            ..body.insts[i].clone()
        };
        if data.op == Opcode::Return {
            let args = std::mem::take(&mut data.args);
            data.op = Opcode::Jump;
            data.imm = Imm::Jump(numlift_mir::BlockCall {
                block: self.behind,
                args: args.into_iter().collect(),
            });
        } else {
            for t in branches_mut(&mut data.imm) {
                t.block = self.blocks[t.block];
            }
        }
        let copy = f.insts.push(data);
        for (n, &v) in body.insts[i].results.iter().enumerate() {
            let new = f.values.push(ValueData {
                ty: body.ty(v),
                def: ValueDef::Result(copy, n as u16),
            });
            f.insts[copy].results.push(new);
            self.values.insert(v, new);
        }
        copy
    }
}
