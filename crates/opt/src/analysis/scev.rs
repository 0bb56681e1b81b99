//! Scalar evolution: integers as sums of loop counters and other values, and what loop counters run from
//! and to.
//!
//! A counter is a parameter of a loop header that starts with a value and grows by a constant in every
//! turn. Sums are those of the ring of 64-bit integers: they are exact where [`Affine::magnitude`] says
//! that nothing leaves 64 bits.

use std::collections::HashMap;

use cranelift_entity::SecondaryMap;
use cranelift_entity::packed_option::PackedOption;
use numlift_mir::{
    Block, BlockCall, ControlFlowGraph, DominatorTree, Function, Imm, Inst, IntCC, Loop, LoopData,
    LoopForest, Opcode, Ty, Value, ValueDef,
};

use super::affine::Affine;

/// A loop counter.
#[derive(Clone, Debug)]
pub struct Induction {
    /// The loop that it counts.
    pub of: Loop,
    /// The block that enters the loop.
    pub before: Block,
    /// Its value in the first turn.
    pub start: Value,
    /// What it grows by, not 0.
    pub step: i64,
    /// The last value that another turn can have: the loop goes on only where the counter is at most this
    /// (`step > 0`) or at least this (`step < 0`). It does not change in the loop.
    pub last: Option<Affine>,
}

/// Sums and counters of a function.
pub struct ScalarEvolution<'f> {
    f: &'f Function,
    dom: &'f DominatorTree,
    pub forest: &'f LoopForest,
    homes: SecondaryMap<Inst, PackedOption<Block>>,
    inductions: HashMap<Value, Induction>,
    sums: HashMap<Value, Affine>,
    /// Values that an instruction says are extents, and the first block that does.
    extents: HashMap<Value, Block>,
}

/// The block that enters a loop, if it is one that does nothing else, and what it passes.
pub fn preheader<'f>(
    f: &'f Function,
    cfg: &ControlFlowGraph,
    l: &LoopData,
) -> Option<(Block, &'f BlockCall)> {
    let mut outside = cfg.preds(l.header).iter().filter(|p| !l.latches.contains(p));
    let (&entry, None) = (outside.next()?, outside.next()) else {
        return None;
    };
    match &f.insts[f.terminator(entry)?].imm {
        Imm::Jump(t) => Some((entry, t)),
        _ => None,
    }
}

impl<'f> ScalarEvolution<'f> {
    pub fn compute(
        f: &'f Function,
        cfg: &ControlFlowGraph,
        dom: &'f DominatorTree,
        forest: &'f LoopForest,
    ) -> ScalarEvolution<'f> {
        let mut out = ScalarEvolution {
            f,
            dom,
            forest,
            homes: f.inst_blocks(),
            inductions: HashMap::new(),
            sums: HashMap::new(),
            extents: HashMap::new(),
        };
        // In an order in which operands come first, so that no sum is computed by deep recursion.
        for b in cfg.reverse_postorder() {
            for &i in &f.blocks[b].insts {
                out.sum(i);
                if f.insts[i].op == Opcode::Extent {
                    out.extents.entry(f.insts[i].args[0]).or_insert(b);
                }
            }
        }
        for (id, l) in forest.loops.iter() {
            let (Some((before, enter)), [latch]) = (preheader(f, cfg, l), &l.latches[..]) else {
                continue;
            };
            out.counters(id, before, enter, *latch);
        }
        out
    }

    /// The sum that a value is; itself if it is no other.
    pub fn affine(&self, v: Value) -> Affine {
        self.sums.get(&v).cloned().unwrap_or_else(|| self.leaf(v))
    }

    /// The counter that a value is.
    pub fn induction(&self, v: Value) -> Option<&Induction> {
        self.inductions.get(&v)
    }

    /// The counters, in no order.
    pub fn inductions(&self) -> impl Iterator<Item = (Value, &Induction)> {
        self.inductions.iter().map(|(v, i)| (*v, i))
    }

    /// Whether a value is computed before a loop and the same in all of its turns.
    pub fn is_invariant(&self, v: Value, l: Loop) -> bool {
        self.home(v).is_some_and(|b| {
            let header = self.forest.loops[l].header;
            b != header && self.dom.dominates(b, header)
        })
    }

    pub fn all_invariant(&self, a: &Affine, l: Loop) -> bool {
        a.terms.iter().all(|t| self.is_invariant(t.0, l))
    }

    /// Whether a value is known to be an array's extent where a block ends: in `0..2**48`.
    pub fn is_extent(&self, v: Value, at_end_of: Block) -> bool {
        self.extents
            .get(&v)
            .is_some_and(|b| self.dom.dominates(*b, at_end_of))
    }

    /// The block that defines a value.
    pub fn home(&self, v: Value) -> Option<Block> {
        match self.f.values[v].def {
            ValueDef::Param(b, _) => Some(b),
            ValueDef::Result(i, _) => self.homes[i].expand(),
        }
    }

    /// The number of turns, if it is a constant and the loop has no other exit than its end: that of the
    /// counter with this value.
    pub fn constant_turns(&self, v: Value) -> Option<u64> {
        let i = self.induction(v)?;
        let (start, last) = (self.f.int_const(i.start)?, i.last.as_ref()?.as_constant()?);
        let span = i128::from(last) - i128::from(start);
        // The first turn is not tested.
        u64::try_from((span / i128::from(i.step)).max(0) + 1).ok()
    }

    fn leaf(&self, v: Value) -> Affine {
        let constant = self.f.int_const(v).and_then(Affine::constant);
        constant.unwrap_or_else(|| Affine::value(v))
    }

    fn sum(&mut self, i: Inst) {
        let d = &self.f.insts[i];
        if d.ty != Ty::I64 || d.results.len() != 1 {
            return;
        }
        let of = |n: usize| self.affine(d.args[n]);
        let factor = |n: usize| d.args.get(n).and_then(|v| self.f.int_const(*v));
        let sum = match d.op {
            Opcode::Iadd | Opcode::IaddChk => of(0).add(&of(1)),
            Opcode::Isub | Opcode::IsubChk => of(0).sub(&of(1)),
            Opcode::Ineg => of(0).scale(-1),
            Opcode::Imul | Opcode::ImulChk => match (factor(0), factor(1)) {
                (_, Some(n)) => of(0).scale(n),
                (Some(n), _) => of(1).scale(n),
                _ => None,
            },
            Opcode::Ishl => factor(1)
                .filter(|n| (0..12).contains(n))
                .and_then(|n| of(0).scale(1 << n)),
            Opcode::Extent | Opcode::IndexCheck => Some(of(0)),
            _ => None,
        };
        if let Some(sum) = sum {
            self.sums.insert(d.results[0], sum);
        }
    }

    fn counters(&mut self, of: Loop, before: Block, enter: &BlockCall, latch: Block) {
        let header = self.forest.loops[of].header;
        let Some(end) = self.f.terminator(latch) else {
            return;
        };
        let again: Vec<&BlockCall> = self
            .f
            .successors(latch)
            .into_iter()
            .filter(|t| t.block == header)
            .collect();
        let [again] = again[..] else { return };
        for (k, &v) in self.f.blocks[header].params.iter().enumerate() {
            if self.f.ty(v) != Ty::I64 {
                continue;
            }
            let next = self.affine(again.args[k]);
            if next.terms.as_slice() != [(v, 1)] || next.k == 0 {
                continue;
            }
            let induction = Induction {
                of,
                before,
                start: enter.args[k],
                step: next.k,
                last: self.last(of, end, header, v, next.k),
            };
            self.inductions.insert(v, induction);
        }
    }

    /// What the branch at the end of a loop says of a counter's next value: `T < limit` and `T = v + k`
    /// give `v + step <= limit - 1 - k + step`.
    fn last(&self, of: Loop, end: Inst, header: Block, v: Value, step: i64) -> Option<Affine> {
        let Imm::Branch(then, _) = &self.f.insts[end].imm else {
            return None;
        };
        let test = &self.f.insts[self.f.def(self.f.insts[end].args[0])?];
        let (Opcode::Icmp, Ty::I64, &Imm::IntCC(cc)) = (test.op, test.ty, &test.imm) else {
            return None;
        };
        let cc = match then.block == header {
            true => cc,
            false => cc.opposite(),
        };
        let (tested, limit, cc) = match self.affine(test.args[0]) {
            a if a.factor(v) == 1 => (a, test.args[1], cc),
            _ => (self.affine(test.args[1]), test.args[0], cc.swapped()),
        };
        if tested.terms.as_slice() != [(v, 1)] {
            return None;
        }
        let beyond = match (cc, step > 0) {
            (IntCC::Slt, true) => -1,
            (IntCC::Sgt, false) => 1,
            (IntCC::Sle, true) | (IntCC::Sge, false) => 0,
            _ => return None,
        };
        let limit = self.affine(limit);
        let last = limit.add_constant(step - tested.k + beyond)?;
        self.all_invariant(&last, of).then_some(last)
    }
}
