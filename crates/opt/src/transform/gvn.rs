//! Global value numbering: an instruction whose result, or whose success, an earlier one that
//! dominates it has already is that one. Constants move to the entry block, as do hidden arguments that loops load.
//!
//! Before:
//! ```text
//! block0(v0: i64, v1: i64):
//!   v2 = bounds_check v0, v1 (v0, v1) site0
//!   v3 = iadd.i64 v2, v1
//!   v4 = bounds_check v0, v1 (v0, v1) site1
//!   v5 = iadd.i64 v4, v1
//! ```
//! After:
//! ```text
//! block0(v0: i64, v1: i64):
//!   v2 = bounds_check v0, v1 (v0, v1) site0
//!   v3 = iadd.i64 v2, v1
//! ```
//! Loads of memory that never changes take part, other loads do not.

use std::collections::HashMap;

use numlift_mir::{
    Block, ControlFlowGraph, DominatorTree, Function, Imm, Inst, LoopForest, Opcode, Region, Ty, Value,
};
use smallvec::SmallVec;

use super::Aliases;
use crate::{Pass, PassContext};

pub const PASS: Pass = Pass {
    name: "gvn",
    doc: "Replaces an instruction by an earlier one that computes or checks the same.",
    run,
};

/// What makes two instructions the same.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Key {
    op: Opcode,
    ty: Ty,
    args: SmallVec<[Value; 4]>,
    imm: u64,
}

pub fn run(f: &mut Function, context: &mut PassContext) {
    let cfg = ControlFlowGraph::compute(f);
    let dom = DominatorTree::compute(&cfg);
    let forest = LoopForest::compute(&cfg, &dom);
    let mut aliases = Aliases::default();
    let mut constants: HashMap<Key, Value> = HashMap::new();
    let mut moved: Vec<Inst> = Vec::new();
    // The instructions seen, with their blocks: looked up among those that dominate the place.
    let mut seen: HashMap<Key, SmallVec<[(Block, Inst); 2]>> = HashMap::new();
    for &b in dom.preorder() {
        for i in std::mem::take(&mut f.blocks[b].insts) {
            f.map_uses(i, |v| aliases.get(v));
            let Some(key) = key(f, i) else {
                f.blocks[b].insts.push(i);
                continue;
            };
            let fixed = match key.op {
                Opcode::Iconst | Opcode::Fconst => true,
                Opcode::ObjectAddr => is_hidden(f, i),
                _ => is_hidden(f, i) && forest.innermost(b).is_some(),
            };
            if fixed {
                let v = f.insts[i].results[0];
                match constants.get(&key) {
                    Some(&known) if context.rewrite() => aliases.set(v, known),
                    Some(_) => moved.push(i),
                    None => {
                        constants.insert(key, v);
                        moved.push(i);
                    }
                }
                continue;
            }
            let places = seen.entry(key).or_default();
            match places.iter().find(|(home, _)| dom.dominates(*home, b)) {
                Some(&(_, known)) if context.rewrite() => {
                    for (from, to) in f.insts[i]
                        .results
                        .clone()
                        .into_iter()
                        .zip(f.insts[known].results.clone())
                    {
                        aliases.set(from, to);
                    }
                }
                _ => {
                    places.push((b, i));
                    f.blocks[b].insts.push(i);
                }
            }
        }
    }
    if let Some(&entry) = f.layout.first() {
        f.blocks[entry].insts.splice(0..0, moved);
    }
    aliases.apply(f);
}

/// Whether it is a hidden argument, or where they are: the same from the start of the call.
pub(super) fn is_hidden(f: &Function, i: Inst) -> bool {
    let d = &f.insts[i];
    match (d.op, &d.imm) {
        (Opcode::ObjectAddr, Imm::Int(-1)) => true,
        (
            Opcode::Load,
            Imm::Mem {
                region: Region::Constant,
                ..
            },
        ) => f.def(d.args[0]).is_some_and(|base| is_hidden(f, base)),
        _ => false,
    }
}

/// The key of an instruction that may be merged with others.
pub(super) fn key(f: &Function, i: Inst) -> Option<Key> {
    let d = &f.insts[i];
    if d.op == Opcode::Raised {
        return None;
    }
    let mut args: SmallVec<[Value; 4]> = d.args.clone();
    let imm = match d.imm {
        Imm::None => 0,
        Imm::Int(n) => n as u64,
        Imm::Float(bits) => bits,
        Imm::IntCC(cc) => cc as u64,
        Imm::FloatCC(cc) => cc as u64,
        Imm::Slot(s) => u64::from(s.as_u32()),
        Imm::Mem {
            disp,
            region: Region::Constant,
        } if d.op == Opcode::Load => disp as u64,
        Imm::Site(_) if d.op.own_args() > 0 => {
            args.truncate(d.op.own_args());
            0
        }
        Imm::Helper { helper, .. } if !f.has_effect(i) => u64::from(helper.0),
        _ => return None,
    };
    if commutes(d.op) && args[0] > args[1] {
        args.swap(0, 1);
    }
    Some(Key {
        op: d.op,
        ty: d.ty,
        args,
        imm,
    })
}

/// Operations that give the same bits with their operands exchanged. Float addition and
/// multiplication are not among them: which NaN they give may depend on the order.
fn commutes(op: Opcode) -> bool {
    matches!(
        op,
        Opcode::Iadd
            | Opcode::Imul
            | Opcode::Band
            | Opcode::Bor
            | Opcode::Bxor
            | Opcode::IaddChk
            | Opcode::ImulChk
            | Opcode::Smin
            | Opcode::Smax
            | Opcode::ShapeCheck
    )
}
