//! Trusts indices to be in range (`boundscheck=False`); negative ones still count from the end.
//!
//! Before:
//! ```text
//! v2 = bounds_check v0, v1 site0
//! v3 = index_check v4, v1 site0
//! ```
//! After, with `v4` in the place of `v3`:
//! ```text
//! v5 = iconst.i64 0
//! v6 = icmp.i64 slt v0, v5
//! v7 = iadd.i64 v0, v1
//! v2 = select.i64 v6, v7, v0
//! ```
//! It comes behind the passes that prove checks or move them before loops: what they have learnt from checks holds.

use numlift_mir::{Block, Function, IntCC, Opcode, Ty};

use super::Aliases;
use super::emit::Emit;
use crate::{Pass, PassContext};

pub const PASS: Pass = Pass {
    name: "unchecked",
    doc: "Takes indices as they are where a function is compiled with `boundscheck=False`.",
    run,
};

pub fn run(f: &mut Function, context: &mut PassContext) {
    if !context.trust_indices {
        return;
    }
    let mut aliases = Aliases::default();
    for b in f.layout.clone() {
        trust(f, b, &mut aliases, context);
    }
    aliases.apply(f);
}

fn trust(f: &mut Function, block: Block, aliases: &mut Aliases, context: &mut PassContext) {
    let old = std::mem::take(&mut f.blocks[block].insts);
    for i in old {
        let (op, line) = (f.insts[i].op, f.insts[i].line);
        let checks = matches!(op, Opcode::BoundsCheck | Opcode::IndexCheck);
        if !checks || !context.rewrite() {
            f.blocks[block].insts.push(i);
            continue;
        }
        let (index, len, result) = (f.insts[i].args[0], f.insts[i].args[1], f.insts[i].results[0]);
        let trusted = match op {
            Opcode::IndexCheck => index,
            _ => {
                let mut e = Emit { f, block, line };
                let zero = e.constant(Ty::I64, 0);
                let negative = e.compare(IntCC::Slt, index, zero);
                let from_end = e.op(Opcode::Iadd, &[index, len]);
                e.op(Opcode::Select, &[negative, from_end, index])
            }
        };
        aliases.set(result, aliases.get(trusted));
        context.remark(line, "bounds check left out: boundscheck=False");
    }
}
