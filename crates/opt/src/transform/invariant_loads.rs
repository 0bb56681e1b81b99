//! What a loop of one block loads from the same address in every turn is loaded where the loop is entered.
//!
//! Before:
//! ```text
//!   jump block1(v0)
//! block1(v1: i64):
//!   v2 = load.i64 v9
//!   ...
//!   v3 = iadd.i64 v8, v1
//!   store.i64 v4, v3
//!   ...
//!   br v5, block1(v6), block2
//! ```
//! After:
//! ```text
//!   jump block3(v0)
//! block3(v10: i64):
//!   v11 = iadd.i64 v8, v10                  ; the first address that is stored to
//!   ...                                     ; no turn stores to what v9 points to
//!   br v12, block4, block5
//! block4:
//!   v2 = load.i64 v9
//!   jump block1(v10)
//! block1(v1: i64):
//!   ...
//! block5: (cold)
//!   jump block6(v10)                        ; the loop as it was
//! ```
//! There is no test where regions or constant distances say that no store is to the same place. The load is
//! done in the first turn anyway: nothing before it leaves the loop.

use std::collections::HashMap;

use numlift_mir::{
    Block, BlockData, ControlFlowGraph, DominatorTree, Function, Imm, Inst, IntCC, LoopForest, Opcode,
    Region, Ty, Value,
};

use super::Aliases;
use super::clone::{copy_blocks, join_copies};
use super::emit::Emit;
use super::entry::{Entry, collect};
use crate::analysis::scev::ScalarEvolution;
use crate::{Pass, PassContext};

pub const PASS: Pass = Pass {
    name: "invariant-loads",
    doc: "Loads what a loop does not change where the loop is entered.",
    run,
};

/// Pairs of a load and a store that are compared before a loop, and instructions of one that is copied for it.
const MAX_TESTS: usize = 4;
const MAX_COPIED: usize = 100;
/// A counter that goes further is not looked at: no sum of addresses wraps below.
const MAX_SPAN: i64 = 1 << 40;
const MAX_BEYOND: i64 = 1 << 20;

pub fn run(f: &mut Function, context: &mut PassContext) {
    let plans: Vec<Plan> = {
        let cfg = ControlFlowGraph::compute(f);
        let turns = |b: &&Block| f.successors(**b).iter().any(|t| t.block == **b);
        let hot = |b: &&Block| !f.blocks[**b].cold;
        let loops: Vec<Block> = f.layout.iter().filter(turns).filter(hot).copied().collect();
        if loops.is_empty() {
            return;
        }
        let dom = DominatorTree::compute(&cfg);
        let forest = LoopForest::compute(&cfg, &dom);
        let scev = ScalarEvolution::compute(f, &cfg, &dom, &forest);
        let plans = loops.into_iter().filter(|b| !follows_vectors(f, &cfg, *b));
        plans.filter_map(|b| Plan::find(f, &scev, b)).collect()
    };
    let mut aliases = Aliases::default();
    for plan in plans {
        if context.rewrite() {
            for &(load, _) in &plan.loads {
                context.remark(f.insts[load].line, "loaded once: the loop does not change it");
            }
            plan.apply(f, &mut aliases);
        }
    }
    aliases.apply(f);
}

/// Whether a loop does what a vector loop has left, which are few turns.
fn follows_vectors(f: &Function, cfg: &ControlFlowGraph, b: Block) -> bool {
    let has_vectors = |b: &Block| f.blocks[*b].insts.iter().any(|i| f.insts[*i].ty.is_vector());
    let before = cfg.preds(b).iter().filter(|p| **p != b);
    before
        .into_iter()
        .any(|p| has_vectors(p) || cfg.preds(*p).iter().any(has_vectors))
}

struct Plan {
    block: Block,
    /// The loads, each with what its address is computed from.
    loads: Vec<(Inst, Vec<Inst>)>,
    tests: Vec<Apart>,
    size: usize,
}

/// A load and a store that must be shown to be apart.
struct Apart {
    load: Inst,
    store: Inst,
    /// What the address of the store is computed from.
    address: Vec<Inst>,
    /// How it moves; none if it does not.
    moves: Option<Moves>,
}

/// An address that is `factor` times a counter.
#[derive(Clone, Copy)]
struct Moves {
    counter: Counter,
    factor: i64,
}

#[derive(Clone, Copy)]
struct Counter {
    value: Value,
    step: i64,
    /// It is at most (at least, if it goes down) this plus `beyond` in all turns but the first.
    limit: Value,
    beyond: i64,
}

/// What is known of the turns of a loop.
struct Turns<'a, 'f> {
    f: &'f Function,
    scev: &'a ScalarEvolution<'f>,
    block: Block,
    /// The parameters, with what the next turn gets.
    next: HashMap<Value, Value>,
}

impl Plan {
    fn find(f: &Function, scev: &ScalarEvolution<'_>, block: Block) -> Option<Plan> {
        let turns = Turns::new(f, scev, block)?;
        let insts = &f.blocks[block].insts;
        let stores: Vec<Inst> = insts
            .iter()
            .copied()
            .filter(|i| f.insts[*i].op == Opcode::Store)
            .collect();
        let leaves = |i: &Inst| f.has_effect(*i) && !matches!(f.insts[*i].op, Opcode::Store);
        if insts.iter().any(|i| {
            matches!(
                f.insts[*i].op,
                Opcode::Call | Opcode::CallHelper | Opcode::Safepoint
            )
        }) {
            return None;
        }
        let mut plan = Plan {
            block,
            loads: Vec::new(),
            tests: Vec::new(),
            size: insts.len(),
        };
        for &i in insts.iter().take_while(|i| !leaves(i)) {
            let Some(address) = turns.fixed_load(i) else {
                continue;
            };
            let tests: Option<Vec<Option<Apart>>> = stores.iter().map(|s| turns.apart(i, *s)).collect();
            let Some(tests) = tests else { continue };
            let tests: Vec<Apart> = tests.into_iter().flatten().collect();
            let few = plan.tests.len() + tests.len() <= MAX_TESTS && plan.size <= MAX_COPIED;
            if tests.is_empty() || few {
                plan.tests.extend(tests);
                plan.loads.push((i, address));
            }
        }
        (!plan.loads.is_empty()).then_some(plan)
    }
}

impl<'a, 'f> Turns<'a, 'f> {
    fn new(f: &'f Function, scev: &'a ScalarEvolution<'f>, block: Block) -> Option<Turns<'a, 'f>> {
        let again: Vec<_> = f
            .successors(block)
            .into_iter()
            .filter(|t| t.block == block)
            .collect();
        let [again] = again[..] else { return None };
        let params = f.blocks[block].params.iter().copied();
        Some(Turns {
            f,
            scev,
            block,
            next: params.zip(again.args.iter().copied()).collect(),
        })
    }

    /// Whether a value is the same in all turns.
    fn is_fixed(&self, v: Value) -> bool {
        self.scev.home(v) != Some(self.block) || self.next.get(&v) == Some(&v)
    }

    /// What the address of a load is computed from, if it is the same in all turns.
    fn fixed_load(&self, i: Inst) -> Option<Vec<Inst>> {
        let d = &self.f.insts[i];
        let Imm::Mem { region, .. } = d.imm else {
            return None;
        };
        let mut address = Vec::new();
        let known = d.op == Opcode::Load
            && region != Region::Constant
            && collect(self.f, self.scev, self.block, d.args[0], &mut address);
        let computed = |v: &Value| self.f.def(*v).is_some_and(|i| address.contains(&i));
        let fixed = |v: &Value| computed(v) || self.is_fixed(*v);
        let args = address.iter().flat_map(|i| self.f.insts[*i].args.iter());
        (known && args.chain([&d.args[0]]).all(fixed)).then_some(address)
    }

    /// Whether a store of the loop is never to what is loaded: `Some(None)`, or what has to be tested.
    fn apart(&self, load: Inst, store: Inst) -> Option<Option<Apart>> {
        let (l, s) = (&self.f.insts[load], &self.f.insts[store]);
        let (
            Imm::Mem {
                disp: from,
                region: a,
            },
            Imm::Mem { disp: to, region: b },
        ) = (&l.imm, &s.imm)
        else {
            return None;
        };
        if !a.may_overlap(*b) {
            return Some(None);
        }
        let to_address = self.scev.affine(s.args[1]);
        if let Some(d) = to_address
            .sub(&self.scev.affine(l.args[0]))
            .and_then(|d| d.as_constant())
        {
            // both are fixed
            let d = d + i64::from(*to) - i64::from(*from);
            let apart = d >= i64::from(l.ty.bytes()) || -d >= i64::from(s.ty.bytes());
            return apart.then_some(None);
        }
        let moving: Vec<(Value, i64)> = to_address
            .terms
            .iter()
            .copied()
            .filter(|t| !self.is_fixed(t.0))
            .collect();
        let moves = match moving[..] {
            [] => None,
            [(v, factor)] => Some(Moves {
                counter: self.counter(v)?,
                factor,
            }),
            _ => return None,
        };
        let mut address = Vec::new();
        collect(self.f, self.scev, self.block, s.args[1], &mut address).then_some(Some(Apart {
            load,
            store,
            address,
            moves,
        }))
    }

    fn counter(&self, v: Value) -> Option<Counter> {
        let f = self.f;
        let next = self.scev.affine(*self.next.get(&v)?);
        if next.terms.as_slice() != [(v, 1)] || next.k == 0 {
            return None;
        }
        let step = next.k;
        let end = &f.insts[f.terminator(self.block)?];
        let Imm::Branch(then, _) = &end.imm else {
            return None;
        };
        let test = &f.insts[f.def(end.args[0])?];
        let (Opcode::Icmp, Ty::I64, &Imm::IntCC(cc)) = (test.op, test.ty, &test.imm) else {
            return None;
        };
        let cc = if then.block == self.block {
            cc
        } else {
            cc.opposite()
        };
        let (tested, limit, cc) = match self.scev.affine(test.args[0]) {
            a if a.factor(v) == 1 => (a, test.args[1], cc),
            _ => (self.scev.affine(test.args[1]), test.args[0], cc.swapped()),
        };
        let strict = match (cc, step > 0) {
            (IntCC::Slt, true) => -1,
            (IntCC::Sgt, false) => 1,
            (IntCC::Sle, true) | (IntCC::Sge, false) => 0,
            _ => return None,
        };
        let beyond = step - tested.k + strict;
        let known = tested.terms.as_slice() == [(v, 1)] && self.is_fixed(limit);
        (known && beyond.abs() <= MAX_BEYOND).then_some(Counter {
            value: v,
            step,
            limit,
            beyond,
        })
    }
}

impl Plan {
    fn apply(self, f: &mut Function, aliases: &mut Aliases) {
        let line = f.insts[self.loads[0].0].line;
        let copies = (!self.tests.is_empty()).then(|| copy_blocks(f, &[self.block], None));
        let mut entry = Entry::create(f, self.block);
        for i in self
            .loads
            .iter()
            .flat_map(|l| l.1.iter())
            .chain(self.tests.iter().flat_map(|t| t.address.iter()))
        {
            entry.copy_once(f, *i);
        }
        let mut home = entry.block;
        if let Some(copies) = &copies {
            let slow = copies.block(self.block);
            let [fast, around] = [false, true].map(|cold| {
                f.blocks.push(BlockData {
                    cold,
                    ..BlockData::default()
                })
            });
            let test = self.test(f, &entry, line);
            Emit {
                f,
                block: entry.block,
                line,
            }
            .branch(test, fast, around);
            Emit {
                f,
                block: around,
                line,
            }
            .jump(slow, &entry.params);
            f.blocks[slow].cold = true;
            let at = f.layout.iter().position(|b| *b == self.block);
            f.layout.insert(at.unwrap_or(f.layout.len()), fast);
            f.layout.extend([around, slow]);
            home = fast;
        }
        let params = entry.params.clone();
        Emit { f, block: home, line }.jump(self.block, &params);
        // before the loads move: what is used behind the loop is told by where it is defined
        if let Some(copies) = &copies {
            join_copies(f, &[self.block], copies);
        }
        for &(load, _) in &self.loads {
            let copy = entry.copy(f, load);
            f.blocks[entry.block].insts.pop();
            let end = f.blocks[home].insts.len() - 1;
            f.blocks[home].insts.insert(end, copy);
            aliases.set(f.insts[load].results[0], f.insts[copy].results[0]);
            f.blocks[self.block].insts.retain(|i| *i != load);
        }
    }

    /// Whether all are apart: `true` only if no turn stores to what is loaded.
    fn test(&self, f: &mut Function, entry: &Entry, line: u32) -> Value {
        let mut e = Emit {
            f,
            block: entry.block,
            line,
        };
        let mut all: Option<Value> = None;
        for t in &self.tests {
            for c in t.conditions(&mut e, entry) {
                all = Some(all.map_or(c, |a| e.op(Opcode::Band, &[a, c])));
            }
        }
        all.unwrap_or_else(|| e.constant(Ty::I8, 1))
    }
}

impl Apart {
    /// With `d` from the first byte that is stored to the first that is loaded, both around the end of memory:
    /// `d >= span + stored bytes` and `-d >= loaded bytes`.
    fn conditions(&self, e: &mut Emit<'_>, entry: &Entry) -> Vec<Value> {
        let mem = |f: &Function, i: Inst| match f.insts[i].imm {
            Imm::Mem { disp, .. } => i64::from(disp),
            _ => 0,
        };
        let between = mem(e.f, self.load) - mem(e.f, self.store);
        let [loaded, stored] = [self.load, self.store].map(|i| i64::from(e.f.insts[i].ty.bytes()));
        let from = entry.value(e.f.insts[self.load].args[0]);
        let first = entry.value(e.f.insts[self.store].args[1]);
        let mut conditions = Vec::new();
        let mut distance = e.op(Opcode::Isub, &[from, first]);
        if between != 0 {
            let between = e.constant(Ty::I64, between);
            distance = e.op(Opcode::Iadd, &[distance, between]);
        }
        let mut bytes = e.constant(Ty::I64, stored);
        if let Some(m) = self.moves {
            let turns = m.counter.distance(e, entry);
            let limit = e.constant(Ty::I64, MAX_SPAN);
            conditions.push(e.compare(IntCC::Ule, turns, limit));
            let factor = e.constant(Ty::I64, m.factor.abs());
            let span = e.op(Opcode::Imul, &[turns, factor]);
            let beyond = e.constant(Ty::I64, m.counter.beyond() * m.factor.abs());
            let span = e.op(Opcode::Iadd, &[span, beyond]);
            bytes = e.op(Opcode::Iadd, &[span, bytes]);
            if (m.factor > 0) != (m.counter.step > 0) {
                // the last turn stores to the lowest address
                distance = e.op(Opcode::Iadd, &[distance, span]);
            }
        }
        let zero = e.constant(Ty::I64, 0);
        let back = e.op(Opcode::Isub, &[zero, distance]);
        let loaded = e.constant(Ty::I64, loaded);
        conditions.push(e.compare(IntCC::Uge, distance, bytes));
        conditions.push(e.compare(IntCC::Uge, back, loaded));
        conditions
    }
}

impl Counter {
    /// How far the limit is from the start in its direction, 0 if it is behind.
    fn distance(&self, e: &mut Emit<'_>, entry: &Entry) -> Value {
        let [start, limit] = [self.value, self.limit].map(|v| entry.value(v));
        let (from, to) = if self.step > 0 {
            (start, limit)
        } else {
            (limit, start)
        };
        let ahead = e.compare(IntCC::Slt, from, to);
        let distance = e.op(Opcode::Isub, &[to, from]);
        let zero = e.constant(Ty::I64, 0);
        e.op(Opcode::Select, &[ahead, distance, zero])
    }

    /// How much further than that the counter goes at most. The first turn is not tested.
    fn beyond(&self) -> i64 {
        (self.beyond * self.step.signum()).max(0)
    }
}
