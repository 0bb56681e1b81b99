//! Two comparisons that a value lies between bounds become one, unsigned.
//!
//! Before, where `v1` is not negative:
//! ```text
//!   v3 = icmp.i64 sle v2, v0        ; v2 is 0
//!   br v3, block1, block3
//! block1:
//!   v4 = icmp.i64 slt v0, v1
//!   br v4, block2, block3
//! ```
//! After:
//! ```text
//!   v5 = icmp.i64 ult v0, v1
//!   br v5, block2, block3
//! ```
//! With constants on both sides, the lower one is subtracted before. The block in between does nothing else
//! and has no other way in; each way out is the same in both.

use numlift_mir::{
    Block, BlockCall, ControlFlowGraph, DominatorTree, Function, Imm, IntCC, Opcode, Ty, Value,
};

use super::emit::Emit;
use crate::analysis::range::{Dir, Place, Ranges};
use crate::{Pass, PassContext};

pub const PASS: Pass = Pass {
    name: "intervals",
    doc: "Makes one unsigned comparison of two that a value lies between bounds.",
    run,
};

pub fn run(f: &mut Function, context: &mut PassContext) {
    let cfg = ControlFlowGraph::compute(f);
    let found: Vec<Interval> = {
        let candidates = f.layout.iter().filter_map(|&b| Pair::find(f, &cfg, b));
        let candidates: Vec<Pair> = candidates.collect();
        if candidates.is_empty() {
            return;
        }
        let dom = DominatorTree::compute(&cfg);
        let ranges = Ranges::compute(f, &cfg, &dom);
        candidates.iter().filter_map(|p| p.interval(f, &ranges)).collect()
    };
    let mut gone: Vec<Block> = Vec::new();
    for i in found {
        // Of a chain of three only two are one.
        if !gone.contains(&i.from) && !gone.contains(&i.between) && context.rewrite() {
            gone.push(i.between);
            i.apply(f);
        }
    }
    f.layout.retain(|b| !gone.contains(b));
}

/// A comparison of a value with a bound: `value >= bound` (`Ge`) or `value <= bound` (`Le`) plus a constant.
#[derive(Clone, Copy)]
struct Side {
    dir: Dir,
    value: Value,
    bound: Value,
    k: i64,
}

/// A branch and the one that follows where its condition holds.
struct Pair {
    from: Block,
    between: Block,
    sides: [Side; 2],
    inside: BlockCall,
    outside: BlockCall,
}

struct Interval {
    from: Block,
    between: Block,
    value: Value,
    /// subtracted from the value
    low: i64,
    high: High,
    inside: BlockCall,
    outside: BlockCall,
}

/// The value less `low` is unsigned below this.
enum High {
    Value(Value),
    Constant(i64),
}

impl Pair {
    fn find(f: &Function, cfg: &ControlFlowGraph, from: Block) -> Option<Pair> {
        let Imm::Branch(then, outside) = &f.insts[f.terminator(from)?].imm else {
            return None;
        };
        let between = then.block;
        let Imm::Branch(inside, other) = &f.insts[f.terminator(between)?].imm else {
            return None;
        };
        let tests = |b: &Block| f.insts[f.blocks[*b].insts[f.blocks[*b].insts.len() - 1]].args[0];
        let compare = f.def(tests(&between))?;
        let alone = f.blocks[between].insts.len() <= 2 && f.blocks[between].params.is_empty();
        let own = f.blocks[between].insts.len() == 1 || f.blocks[between].insts[0] == compare;
        if !alone || !own || other != outside || cfg.preds(between).len() != 1 || between == inside.block {
            return None;
        }
        let (first, second) = (tests(&from), tests(&between));
        let ways = |s: &[Side; 2]| s[0].dir != s[1].dir && s[0].value == s[1].value;
        let sides = sides(f, first)
            .into_iter()
            .flat_map(|a| sides(f, second).into_iter().map(move |b| [a, b]))
            .find(ways)?;
        Some(Pair {
            from,
            between,
            sides,
            inside: inside.clone(),
            outside: outside.clone(),
        })
    }

    fn interval(&self, f: &Function, ranges: &Ranges<'_>) -> Option<Interval> {
        let [a, b] = self.sides;
        let (low, high) = if a.dir == Dir::Ge { (a, b) } else { (b, a) };
        let least = f.int_const(low.bound)?.checked_add(low.k)?;
        let high = match f.int_const(high.bound) {
            Some(most) => {
                let width = most.checked_add(high.k)?.checked_sub(least)?.checked_add(1)?;
                High::Constant(Some(width).filter(|n| *n > 0)?)
            }
            None => {
                let end = Place::end(self.from);
                let fits = least == 0 && high.k == -1 && ranges.holds(Dir::Ge, high.bound, None, 0, end);
                High::Value(Some(high.bound).filter(|_| fits)?)
            }
        };
        Some(Interval {
            from: self.from,
            between: self.between,
            value: low.value,
            low: least,
            high,
            inside: self.inside.clone(),
            outside: self.outside.clone(),
        })
    }
}

impl Interval {
    fn apply(self, f: &mut Function) {
        let Some(end) = f.blocks[self.from].insts.pop() else {
            return;
        };
        // The second comparison may be used elsewhere, too.
        let mut moved = std::mem::take(&mut f.blocks[self.between].insts);
        moved.pop();
        f.blocks[self.from].insts.append(&mut moved);
        let mut e = Emit {
            line: f.insts[end].line,
            f,
            block: self.from,
        };
        let value = match self.low {
            0 => self.value,
            n => {
                let low = e.constant(Ty::I64, n);
                e.op(Opcode::Isub, &[self.value, low])
            }
        };
        let high = match self.high {
            High::Value(v) => v,
            High::Constant(n) => e.constant(Ty::I64, n),
        };
        let inside = e.compare(IntCC::Ult, value, high);
        f.insts[end].args[0] = inside;
        f.insts[end].imm = Imm::Branch(self.inside, self.outside);
        f.blocks[self.from].insts.push(end);
    }
}

/// What a signed comparison of two i64 says of each of them.
fn sides(f: &Function, test: Value) -> Vec<Side> {
    let Some(d) = f.def(test).map(|i| &f.insts[i]) else {
        return Vec::new();
    };
    let (Opcode::Icmp, Ty::I64, &Imm::IntCC(cc)) = (d.op, d.ty, &d.imm) else {
        return Vec::new();
    };
    let of = |cc: IntCC, value: Value, bound: Value| {
        let (dir, k) = match cc {
            IntCC::Slt => (Dir::Le, -1),
            IntCC::Sle => (Dir::Le, 0),
            IntCC::Sgt => (Dir::Ge, 1),
            IntCC::Sge => (Dir::Ge, 0),
            _ => return None,
        };
        Some(Side { dir, value, bound, k })
    };
    let (a, b) = (d.args[0], d.args[1]);
    [of(cc, a, b), of(cc.swapped(), b, a)]
        .into_iter()
        .flatten()
        .collect()
}
