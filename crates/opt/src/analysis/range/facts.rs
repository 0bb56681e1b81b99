//! Inequalities that conditions and checks establish, and where they hold.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use numlift_mir::{
    Block, ControlFlowGraph, DominatorTree, Function, Imm, Inst, IntCC, Opcode, Ty, Value, ValueDef,
};
use smallvec::SmallVec;

use super::{Dir, Place};

/// `low <= high + k` from a place on. `None` stands for zero.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fact {
    pub low: Option<Value>,
    pub high: Option<Value>,
    pub k: i64,
    /// It holds because an index was checked, not because the program asked.
    pub checked: bool,
    /// The first place where it holds; `None` for facts local to a proof.
    since: Option<Place>,
}

impl Fact {
    fn new(low: Option<Value>, high: Option<Value>, k: i64) -> Fact {
        Fact {
            low,
            high,
            k,
            checked: false,
            since: None,
        }
    }

    fn checked(self) -> Fact {
        Fact {
            checked: true,
            ..self
        }
    }

    /// Whether it holds at a place.
    pub fn at(&self, dom: &DominatorTree, at: Place) -> bool {
        self.since.is_none_or(|s| {
            if s.block == at.block {
                s.pos <= at.pos
            } else {
                dom.dominates(s.block, at.block)
            }
        })
    }

    /// What it says of the value that `is` tells: `v dir y + c`.
    pub fn bound(&self, dir: Dir, is: impl Fn(Value) -> bool) -> Option<(Option<Value>, i64)> {
        match dir {
            Dir::Le if self.low.is_some_and(&is) => Some((self.high, self.k)),
            Dir::Ge if self.high.is_some_and(&is) => Some((self.low, self.k.checked_neg()?)),
            _ => None,
        }
    }
}

/// Facts about one side of a value that are tried at a place, the nearest ones: a proof does not take longer the longer
/// the function is. Bounds that do not change come before those by a counter, of which each loop leaves one behind.
const FIXED: usize = 24;
const COUNTED: usize = 8;

/// Facts by what is bounded, its side, and the block.
type Tried = HashMap<(Value, Dir, Block), Rc<[Fact]>>;

/// The facts of a function by the values they speak of.
#[derive(Default)]
pub(super) struct Facts {
    /// Those that bound the value from this side, in the order of the layout, and whether by a counter.
    by_value: HashMap<(Value, Dir), Vec<(Fact, bool)>>,
    /// Of these the ones that are tried in a block.
    tried: RefCell<Tried>,
    /// Sums of a value and a constant: the sum, the constant, the instruction.
    sums: HashMap<Value, Vec<(Value, i64, Inst)>>,
}

impl Facts {
    pub fn collect(f: &Function, cfg: &ControlFlowGraph) -> Facts {
        let mut out = Facts::default();
        for &b in &f.layout {
            for (n, &i) in f.blocks[b].insts.iter().enumerate() {
                let after = Place {
                    block: b,
                    pos: n as u32 + 1,
                };
                out.check(f, i, after);
                out.sum(f, i);
            }
            let Some(i) = f.terminator(b) else { continue };
            if let Imm::Branch(then, other) = &f.insts[i].imm {
                for (t, holds) in [(then, true), (other, false)] {
                    if cfg.preds(t.block).len() == 1 {
                        let start = Place {
                            block: t.block,
                            pos: 0,
                        };
                        out.add(f, conditions(f, f.insts[i].args[0], holds), start);
                    }
                }
            }
        }
        out
    }

    /// What is known after an instruction that can fail.
    fn check(&mut self, f: &Function, i: Inst, after: Place) {
        let d = &f.insts[i];
        match d.op {
            Opcode::Guard => self.add(f, conditions(f, d.args[0], true), after),
            Opcode::Assume => self.add(f, conditions(f, d.args[0], true), after),
            Opcode::IndexCheck => {
                let (v, n) = (d.args[0], d.args[1]);
                self.add(
                    f,
                    [Fact::new(Some(v), Some(n), -1), Fact::new(None, Some(v), 0)].map(Fact::checked),
                    after,
                );
            }
            // negative indices count from the end: the length has no more than 63 bits
            Opcode::BoundsCheck => {
                let (v, n) = (d.args[0], d.args[1]);
                let facts = [
                    Fact::new(Some(v), Some(n), -1),
                    Fact::new(None, Some(v), i64::MAX),
                ];
                self.add(f, facts.map(Fact::checked), after);
            }
            // of its argument: what is said to be an extent is one from there on
            Opcode::Extent => {
                let v = d.args[0];
                self.add(f, [Fact::new(None, Some(v), 0)], after);
            }
            Opcode::ShapeCheck => {
                let (a, b) = (d.args[0], d.args[1]);
                self.add(
                    f,
                    [Fact::new(Some(a), Some(b), 0), Fact::new(Some(b), Some(a), 0)],
                    after,
                );
            }
            _ => {}
        }
    }

    fn sum(&mut self, f: &Function, i: Inst) {
        let d = &f.insts[i];
        let sign = match d.op {
            Opcode::IaddChk | Opcode::Iadd if d.ty == Ty::I64 => 1,
            Opcode::IsubChk | Opcode::Isub if d.ty == Ty::I64 => -1,
            _ => return,
        };
        if let Some(n) = f.int_const(d.args[1]).and_then(|n| n.checked_mul(sign)) {
            let of = strip(f, d.args[0]);
            self.sums.entry(of).or_default().push((d.results[0], n, i));
        }
    }

    /// Values that are `v` and a constant.
    pub fn sums(&self, v: Value) -> &[(Value, i64, Inst)] {
        self.sums.get(&v).map_or(&[], Vec::as_slice)
    }

    /// Facts are kept under the values that extents are of (see `Opcode::Extent`).
    fn add(&mut self, f: &Function, facts: impl IntoIterator<Item = Fact>, since: Place) {
        for mut fact in facts {
            fact.since = Some(since);
            let sides = [(fact.low, Dir::Le, fact.high), (fact.high, Dir::Ge, fact.low)];
            for (v, dir, by) in sides {
                let Some(v) = v else { continue };
                let counted = by.is_some_and(|by| counts(f, by));
                let about = self.by_value.entry((strip(f, v), dir)).or_default();
                about.push((fact, counted));
            }
        }
    }

    /// Whether there is one about a value.
    pub fn speak_of(&self, v: Value) -> bool {
        let known = |dir| self.by_value.contains_key(&(v, dir));
        known(Dir::Le) || known(Dir::Ge)
    }

    /// Bounds of a value on this side that may hold in a block (see [`Fact::at`]), nearest first.
    pub fn about(&self, v: Value, dir: Dir, block: Block, dom: &DominatorTree) -> Rc<[Fact]> {
        let Some(all) = self.by_value.get(&(v, dir)) else {
            return Rc::new([]);
        };
        let mut tried = self.tried.borrow_mut();
        let entry = tried.entry((v, dir, block));
        entry.or_insert_with(|| nearest(all, block, dom)).clone()
    }
}

fn nearest(all: &[(Fact, bool)], block: Block, dom: &DominatorTree) -> Rc<[Fact]> {
    let end = Place::end(block);
    let mut left = [FIXED, COUNTED];
    let mut out = Vec::new();
    for (fact, counted) in all.iter().rev() {
        let left = &mut left[usize::from(*counted)];
        if *left > 0 && fact.at(dom, end) {
            *left -= 1;
            out.push(*fact);
        }
    }
    out.into()
}

/// Whether a value is a parameter of a block behind the entry, or that and a constant.
fn counts(f: &Function, v: Value) -> bool {
    match f.values[strip(f, v)].def {
        ValueDef::Param(b, _) => Some(&b) != f.layout.first(),
        ValueDef::Result(i, _) => match f.insts[i].op {
            Opcode::IaddChk | Opcode::Iadd | Opcode::IsubChk | Opcode::Isub => {
                let x = f.values[f.insts[i].args[0]].def;
                matches!(x, ValueDef::Param(b, _) if Some(&b) != f.layout.first())
            }
            _ => false,
        },
    }
}

/// What a condition that holds, or does not, says of i64 values.
pub(crate) fn conditions(f: &Function, cond: Value, holds: bool) -> SmallVec<[Fact; 4]> {
    let mut out = SmallVec::new();
    push(f, cond, holds, 0, &mut out);
    out
}

fn push(f: &Function, cond: Value, holds: bool, depth: u32, out: &mut SmallVec<[Fact; 4]>) {
    let Some(i) = f.def(cond) else { return };
    let d = &f.insts[i];
    match (d.op, &d.imm) {
        (Opcode::Band, _) if holds && depth < 4 => {
            push(f, d.args[0], true, depth + 1, out);
            push(f, d.args[1], true, depth + 1, out);
        }
        (Opcode::Bor, _) if !holds && depth < 4 => {
            push(f, d.args[0], false, depth + 1, out);
            push(f, d.args[1], false, depth + 1, out);
        }
        (Opcode::Icmp, Imm::IntCC(IntCC::Eq)) if d.ty == Ty::I8 && f.int_const(d.args[1]) == Some(0) => {
            push(f, d.args[0], !holds, depth + 1, out);
        }
        (Opcode::Icmp, Imm::IntCC(cc)) if d.ty == Ty::I64 => {
            let (a, b) = (Some(d.args[0]), Some(d.args[1]));
            match (cc, holds) {
                (IntCC::Slt, true) | (IntCC::Sge, false) => out.push(Fact::new(a, b, -1)),
                (IntCC::Sle, true) | (IntCC::Sgt, false) => out.push(Fact::new(a, b, 0)),
                (IntCC::Sgt, true) | (IntCC::Sle, false) => out.push(Fact::new(b, a, -1)),
                (IntCC::Sge, true) | (IntCC::Slt, false) => out.push(Fact::new(b, a, 0)),
                (IntCC::Eq, true) | (IntCC::Ne, false) => {
                    out.extend([Fact::new(a, b, 0), Fact::new(b, a, 0)]);
                }
                _ => {}
            }
        }
        _ => {}
    }
}

/// The condition under which a block branches to another, if it does so on one side only.
pub(super) fn edge(f: &Function, from: Block, to: Block) -> Option<(Value, bool)> {
    let i = f.terminator(from)?;
    match &f.insts[i].imm {
        Imm::Branch(then, other) if (then.block == to) != (other.block == to) => {
            Some((f.insts[i].args[0], then.block == to))
        }
        _ => None,
    }
}

/// The value that is said to be an extent.
pub(super) fn strip(f: &Function, mut v: Value) -> Value {
    while let Some(i) = f.def(v)
        && f.insts[i].op == Opcode::Extent
    {
        v = f.insts[i].args[0];
    }
    v
}
