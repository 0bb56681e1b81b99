//! Polls for signals once per strip of a counted innermost loop instead of in every turn, and not at all
//! in one of few turns, since the loop around it polls.
//!
//! Before:
//! ```text
//! block1(v2: i64):
//!   ...
//!   safepoint site0
//!   v3 = iadd.i64 v2, v9            ; 1
//!   v4 = icmp.i64 slt v3, v1
//!   br v4, block1(v3), block2
//! ```
//! After:
//! ```text
//! block1(v2: i64, v5: i64):         ; v5: end of the strip
//!   ...
//!   v3 = iadd.i64 v2, v9
//!   v6 = icmp.i64 slt v3, v5
//!   br v6, block1(v3, v5), block3
//! block3:
//!   v4 = icmp.i64 slt v3, v1
//!   br v4, block4, block2
//! block4: (cold)
//!   safepoint site0
//!   v7 = iadd.i64 v5, v10           ; the length of a strip
//!   v8 = smin.i64 v1, v7
//!   jump block1(v3, v8)
//! ```
//! Only the real limit in `block3` ends the loop: a strip's end that wrapped just polls more often. The next end
//! is counted from the last one, not from the counter, which in Cranelift would keep two of its values in registers.

use cranelift_entity::SecondaryMap;
use cranelift_entity::packed_option::PackedOption;
use numlift_mir::{
    Block, BlockCall, Builder, ControlFlowGraph, DominatorTree, Function, Imm, Inst, IntCC, Loop, LoopForest,
    Opcode, Site, Ty, Unwind, Value, ValueDef,
};

use crate::{Pass, PassContext};

pub const PASS: Pass = Pass {
    name: "strip-mine",
    doc: "Polls for signals once per strip of a counted innermost loop.",
    run,
};

/// Turns between two polls: a turn of a few nanoseconds up to a few microseconds polls in time.
const STRIP: i64 = 1 << 14;

pub fn run(f: &mut Function, context: &mut PassContext) {
    let cfg = ControlFlowGraph::compute(f);
    let dom = DominatorTree::compute(&cfg);
    let forest = LoopForest::compute(&cfg, &dom);
    let homes = f.inst_blocks();
    let used = times_used(f);
    let counted: Vec<Counted> = forest
        .inner_first()
        .filter(|l| forest.is_innermost(*l))
        .filter_map(|l| Counted::find(f, (&dom, &homes), &forest, l))
        .collect();
    for c in counted {
        if !context.rewrite() {
            return;
        }
        if c.is_short(f, &cfg, &forest) {
            f.blocks[c.latch].insts.retain(|i| *i != c.poll);
        } else {
            c.strip(f, &cfg, &used);
        }
    }
}

/// A loop that ends in `safepoint; ...; br (test cc limit), header, exit`.
struct Counted {
    id: Loop,
    header: Block,
    latch: Block,
    poll: Inst,
    site: Site,
    unwind: Option<Box<Unwind>>,
    cc: IntCC,
    /// Number of the parameter that counts.
    counter: usize,
    step: i64,
    /// The counter, or its next value.
    test: Value,
    limit: Value,
}

impl Counted {
    fn find(f: &Function, defined: Defined<'_>, forest: &LoopForest, l: Loop) -> Option<Counted> {
        let data = &forest.loops[l];
        let [latch] = data.latches[..] else { return None };
        let header = data.header;
        let mut polls = Vec::new();
        for &b in &data.blocks {
            for &i in &f.blocks[b].insts {
                match (f.insts[i].op, &f.insts[i].imm) {
                    (Opcode::Safepoint, &Imm::Site(site)) => polls.push((b, i, site)),
                    // What a call takes is not known here; a handler is entered rarely.
                    (Opcode::Call, _) => return None,
                    (Opcode::CallHelper, Imm::Helper { site: Some(_), .. }) if !f.blocks[b].cold => {
                        return None;
                    }
                    _ => {}
                }
            }
        }
        let [(home, poll, site)] = polls[..] else {
            return None;
        };
        let branch = f.terminator(latch)?;
        let Imm::Branch(then, other) = &f.insts[branch].imm else {
            return None;
        };
        if home != latch || then.block != header || other.block == header {
            return None;
        }
        let test = f.def(f.insts[branch].args[0])?;
        let Imm::IntCC(cc @ (IntCC::Slt | IntCC::Sgt)) = f.insts[test].imm else {
            return None;
        };
        let (test, limit) = (f.insts[test].args[0], f.insts[test].args[1]);
        if f.ty(test) != Ty::I64 || !defined_before(f, defined, limit, header) {
            return None;
        }
        let (counter, step) = counter(f, header, test, then)?;
        ((step > 0) == (cc == IntCC::Slt)).then_some(Counted {
            id: l,
            header,
            latch,
            poll,
            site,
            unwind: f.insts[poll].unwind.clone(),
            cc,
            counter,
            step,
            test,
            limit,
        })
    }

    /// Whether constants say that the loop has fewer turns than a strip.
    fn is_short(&self, f: &Function, cfg: &ControlFlowGraph, forest: &LoopForest) -> bool {
        let Some(limit) = f.int_const(self.limit) else {
            return false;
        };
        // A loop that nothing polls around must poll itself.
        forest.loops[self.id].parent.is_some()
            && entries(f, cfg, self.header, self.latch).iter().all(|t| {
                let start = f.int_const(t.args[self.counter]);
                let span = start
                    .and_then(|s| limit.checked_sub(s))
                    .and_then(i64::checked_abs);
                span.is_some_and(|n| n / self.step.abs() < STRIP)
            })
    }

    fn strip(&self, f: &mut Function, cfg: &ControlFlowGraph, used: &SecondaryMap<Value, u32>) {
        let line = f.insts[self.poll].line;
        f.blocks[self.latch].insts.retain(|i| *i != self.poll);
        // a branch that enters with both of its edges is one predecessor
        let mut before: Vec<Block> = cfg.preds(self.header).to_vec();
        before.retain(|p| *p != self.latch);
        before.sort();
        before.dedup();
        for from in before {
            self.enter(f, from, line);
        }
        let end = f.append_param(self.header, Ty::I64);
        let Some(branch) = f.blocks[self.latch].insts.pop() else {
            return;
        };
        let Imm::Branch(again, exit) = f.insts[branch].imm.clone() else {
            return;
        };
        let at = f
            .layout
            .iter()
            .position(|b| *b == self.latch)
            .map_or(f.layout.len(), |n| n + 1);
        let cond = f.insts[branch].args[0];
        let test = self.take_test(f, cond, used);

        let mut b = Builder::new(std::mem::replace(f, Function::new("")));
        b.set_line(line);
        let (outer, poll) = (b.create_block(), b.create_cold_block());
        b.func.blocks[outer].cold = b.func.blocks[self.latch].cold;
        b.resume(self.latch);
        let inside = b.icmp(self.cc, self.test, end);
        let with = |args: &[Value], end: Value| [args, &[end]].concat();
        b.br(inside, (self.header, &with(&again.args, end)), (outer, &[]));
        b.switch_to(outer);
        b.func.blocks[outer].insts.extend(test);
        b.br(cond, (poll, &[]), (exit.block, &exit.args));
        b.switch_to(poll);
        b.safepoint(self.site);
        b.unwind(self.unwind.clone());
        let next = self.strip_end(&mut b, end);
        b.jump(self.header, &with(&again.args, next));
        *f = b.func;
        // The builder appended the new blocks: the first belongs after the latch.
        f.layout.retain(|x| *x != outer);
        f.layout.insert(at, outer);
    }

    /// Takes the test of the real limit out of the loop, if nothing else needs it there.
    fn take_test(&self, f: &mut Function, cond: Value, used: &SecondaryMap<Value, u32>) -> Option<Inst> {
        let test = f.def(cond)?;
        let here = f.blocks[self.latch].insts.contains(&test);
        // by the branch that was taken away
        if !here || used[cond] > 1 {
            return None;
        }
        f.blocks[self.latch].insts.retain(|i| *i != test);
        Some(test)
    }

    /// Passes the end of the first strip from a block that enters the loop.
    fn enter(&self, f: &mut Function, from: Block, line: u32) {
        let Some(branch) = f.blocks[from].insts.pop() else {
            return;
        };
        let targets = match &f.insts[branch].imm {
            Imm::Jump(t) => vec![t.clone()],
            Imm::Branch(t, e) => vec![t.clone(), e.clone()],
            _ => vec![],
        };
        let mut b = Builder::new(std::mem::replace(f, Function::new("")));
        b.set_line(line);
        b.resume(from);
        let ends: Vec<Option<Value>> = targets
            .iter()
            .map(|t| (t.block == self.header).then(|| self.strip_end(&mut b, t.args[self.counter])))
            .collect();
        *f = b.func;
        f.blocks[from].insts.push(branch);
        let targets: Vec<&mut BlockCall> = match &mut f.insts[branch].imm {
            Imm::Jump(t) => vec![t],
            Imm::Branch(t, e) => vec![t, e],
            _ => vec![],
        };
        for (t, end) in targets.into_iter().zip(ends) {
            t.args.extend(end);
        }
    }

    /// The end of a strip that starts at a counter's value.
    fn strip_end(&self, b: &mut Builder, start: Value) -> Value {
        let up = self.cc == IntCC::Slt;
        let length = STRIP.saturating_mul(self.step.abs());
        let length = b.iconst(Ty::I64, if up { length } else { -length });
        let end = b.op(Opcode::Iadd, &[start, length]);
        b.op(if up { Opcode::Smin } else { Opcode::Smax }, &[self.limit, end])
    }
}

/// The branches that enter a loop from outside.
fn entries<'f>(f: &'f Function, cfg: &ControlFlowGraph, header: Block, latch: Block) -> Vec<&'f BlockCall> {
    let from = cfg.preds(header).iter().filter(|p| **p != latch);
    from.flat_map(|p| f.successors(*p))
        .filter(|t| t.block == header)
        .collect()
}

/// How often each value is used.
fn times_used(f: &Function) -> SecondaryMap<Value, u32> {
    let mut out = SecondaryMap::new();
    for v in f
        .layout
        .iter()
        .flat_map(|b| &f.blocks[*b].insts)
        .flat_map(|i| f.uses(*i))
    {
        out[v] += 1;
    }
    out
}

/// Dominators, and the block of each instruction.
type Defined<'a> = (&'a DominatorTree, &'a SecondaryMap<Inst, PackedOption<Block>>);

fn defined_before(f: &Function, (dom, homes): Defined<'_>, v: Value, header: Block) -> bool {
    let home = match f.values[v].def {
        ValueDef::Param(b, _) => Some(b),
        ValueDef::Result(i, _) => homes[i].expand(),
    };
    home.is_some_and(|h| h != header && dom.dominates(h, header))
}

/// The parameter that `test` is, or is the next value of, and by how much it grows in a turn.
fn counter(f: &Function, header: Block, test: Value, again: &BlockCall) -> Option<(usize, i64)> {
    let params = &f.blocks[header].params;
    let counter = params.iter().position(|p| *p == test);
    let k = counter.or_else(|| again.args.iter().position(|a| *a == test))?;
    let next = f.def(again.args[k])?;
    let d = &f.insts[next];
    let step = f.int_const(*d.args.get(1)?).filter(|n| *n != 0)?;
    (d.op == Opcode::Iadd && d.args[0] == params[k]).then_some((k, step))
}
