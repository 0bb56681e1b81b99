//! Forgets what was assumed: no later pass asks for ranges.
//!
//! Before:
//! ```text
//! v2 = icmp.i64 slt v0, v1
//! assume v2
//! ```
//! After: nothing, if `v2` has no other use (see `dead-code`).

use numlift_mir::{Function, Opcode};

use crate::{Pass, PassContext};

pub const PASS: Pass = Pass {
    name: "assumptions",
    doc: "Forgets assumptions, which only range analysis reads.",
    run,
};

pub fn run(f: &mut Function, context: &mut PassContext) {
    for n in 0..f.layout.len() {
        let b = f.layout[n];
        let mut insts = std::mem::take(&mut f.blocks[b].insts);
        insts.retain(|i| f.insts[*i].op != Opcode::Assume || !context.rewrite());
        f.blocks[b].insts = insts;
    }
}
