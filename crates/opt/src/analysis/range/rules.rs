//! What the definition of a value says of its range.

use numlift_mir::{Block, Function, Imm, Inst, InstData, IntCC, Opcode, Ty, Value, ValueDef};

use super::facts::{conditions, edge};
use super::{Dir, Place, Proof, Question};

/// Largest extent of an array (see `Opcode::Extent`).
const MAX_EXTENT: i64 = (1 << 48) - 1;

/// Whether `[low, high]` answers a question about a constant bound.
fn within(q: Question, low: i64, high: i64) -> bool {
    q.base.is_none()
        && match q.dir {
            Dir::Le => i128::from(high) <= q.k,
            Dir::Ge => i128::from(low) >= q.k,
        }
}

impl Proof<'_, '_> {
    pub(super) fn by_definition(&mut self, q: Question, at: Place) -> bool {
        let i = match self.r.f.values[q.v].def {
            ValueDef::Param(b, k) => return self.parameter(q, b, usize::from(k)),
            ValueDef::Result(i, _) => i,
        };
        let f = self.r.f;
        let d = &f.insts[i];
        let of = |v: Value| Question { v, ..q };
        match d.op {
            Opcode::Extent => within(q, 0, MAX_EXTENT) || self.prove(of(d.args[0]), at),
            Opcode::IaddChk | Opcode::Iadd => self.exact(i, at) && self.sum(q, d.args[0], d.args[1], at),
            Opcode::IsubChk | Opcode::Isub => {
                self.exact(i, at) && self.difference(q, d.args[0], d.args[1], at)
            }
            Opcode::ImulChk | Opcode::Imul => self.exact(i, at) && self.product(q, d, at),
            Opcode::Band => self.masked(q, d, at),
            Opcode::Zext => {
                let bits = f.ty(d.args[0]).bits();
                d.ty == Ty::I64 && within(q, 0, (1 << bits) - 1)
            }
            Opcode::Sext => {
                let bits = f.ty(d.args[0]).bits();
                d.ty == Ty::I64 && within(q, -(1 << (bits - 1)), (1 << (bits - 1)) - 1)
            }
            Opcode::Smin | Opcode::Smax => {
                let either = (d.op == Opcode::Smin) == (q.dir == Dir::Le);
                let first = self.prove(of(d.args[0]), at);
                if either {
                    first || self.prove(of(d.args[1]), at)
                } else {
                    first && self.prove(of(d.args[1]), at)
                }
            }
            Opcode::Select => match floor_divisor(f, d) {
                Some(y) => self.floor_remainder(q, y, at),
                None => self.both_ways(q, d, at),
            },
            Opcode::BoundsCheck | Opcode::IndexCheck => self.checked_index(q, d, at),
            Opcode::Sshr | Opcode::Ushr => self.shifted(q, d, at),
            Opcode::Srem => self.remainder(q, d, at),
            Opcode::Sdiv => {
                // towards zero by at least one: between zero and the dividend
                let positive = self.at_least(d.args[1], 1, at);
                positive
                    && self.at_least(d.args[0], 0, at)
                    && (within(q, 0, i64::MAX) || q.dir == Dir::Le && self.prove(of(d.args[0]), at))
            }
            _ => false,
        }
    }

    fn at_least(&mut self, v: Value, k: i64, at: Place) -> bool {
        let k = i128::from(k);
        self.prove(
            Question {
                dir: Dir::Ge,
                v,
                base: None,
                k,
            },
            at,
        )
    }

    fn at_most(&mut self, v: Value, k: i64, at: Place) -> bool {
        let k = i128::from(k);
        self.prove(
            Question {
                dir: Dir::Le,
                v,
                base: None,
                k,
            },
            at,
        )
    }

    /// Whether an operation's result is that of exact arithmetic.
    pub(super) fn exact(&mut self, i: Inst, at: Place) -> bool {
        let f = self.r.f;
        let d = &f.insts[i];
        if matches!(d.op, Opcode::IaddChk | Opcode::IsubChk | Opcode::ImulChk) {
            return true;
        }
        if d.ty != Ty::I64 {
            return false;
        }
        match (d.op, f.int_const(d.args[1])) {
            (Opcode::Iadd, Some(k)) if k >= 0 => self.at_most(d.args[0], i64::MAX - k, at),
            (Opcode::Iadd, Some(k)) => self.at_least(d.args[0], i64::MIN - k, at),
            (Opcode::Isub, Some(k)) if k >= 0 => self.at_least(d.args[0], i64::MIN + k, at),
            (Opcode::Iadd | Opcode::Isub, None) => d
                .args
                .iter()
                .all(|&x| self.at_most(x, 1 << 62, at) && self.at_least(x, -(1 << 61), at)),
            _ => false,
        }
    }

    fn sum(&mut self, q: Question, x: Value, y: Value, at: Place) -> bool {
        for (a, b) in [(x, y), (y, x)] {
            if let Some(n) = self.r.f.int_const(b) {
                let k = q.k - i128::from(n);
                return self.prove(Question { v: a, k, ..q }, at);
            }
        }
        // one of them moves the other no further than it is
        [(x, y), (y, x)].into_iter().any(|(a, b)| {
            let still = Question {
                dir: q.dir,
                v: b,
                base: None,
                k: 0,
            };
            self.prove(still, at) && self.prove(Question { v: a, ..q }, at)
        })
    }

    fn difference(&mut self, q: Question, x: Value, y: Value, at: Place) -> bool {
        if let Some(n) = self.r.f.int_const(y) {
            let k = q.k + i128::from(n);
            return self.prove(Question { v: x, k, ..q }, at);
        }
        // x - y >= k if y <= x - k
        if q.base.is_none()
            && self.prove(
                Question {
                    dir: q.dir.flip(),
                    v: y,
                    base: Some(x),
                    k: -q.k,
                },
                at,
            )
        {
            return true;
        }
        let still = Question {
            dir: q.dir.flip(),
            v: y,
            base: None,
            k: 0,
        };
        self.prove(still, at) && self.prove(Question { v: x, ..q }, at)
    }

    /// A product of two numbers that are not negative is not; by a constant it is scaled.
    fn product(&mut self, q: Question, d: &InstData, at: Place) -> bool {
        if q.base.is_some() {
            return false;
        }
        let scale = [(d.args[0], d.args[1]), (d.args[1], d.args[0])]
            .into_iter()
            .find_map(|(x, n)| self.r.f.int_const(n).filter(|n| *n > 0).map(|n| (x, n)));
        if let Some((v, n)) = scale {
            let n = i128::from(n);
            // What does not leave 64 bits is a multiple within them.
            let (low, high) = (i128::from(i64::MIN) / n * n, i128::from(i64::MAX) / n * n);
            if q.dir == Dir::Le && high <= q.k || q.dir == Dir::Ge && low >= q.k {
                return true;
            }
            let k = match q.dir {
                Dir::Le => q.k.div_euclid(n),
                Dir::Ge => (q.k + n - 1).div_euclid(n),
            };
            return self.prove(Question { v, k, ..q }, at);
        }
        q.dir == Dir::Ge && q.k <= 0 && self.at_least(d.args[0], 0, at) && self.at_least(d.args[1], 0, at)
    }

    fn masked(&mut self, q: Question, d: &InstData, at: Place) -> bool {
        let masks = [(d.args[0], d.args[1]), (d.args[1], d.args[0])];
        masks.into_iter().any(|(x, mask)| match self.r.f.int_const(mask) {
            Some(m) if m >= 0 => {
                within(q, 0, m)
                    || q.dir == Dir::Le && self.at_least(x, 0, at) && self.prove(Question { v: x, ..q }, at)
            }
            _ => false,
        })
    }

    fn both_ways(&mut self, q: Question, d: &InstData, at: Place) -> bool {
        [(d.args[1], true), (d.args[2], false)]
            .into_iter()
            .all(|(v, holds)| {
                let known = self.local.len();
                self.local.extend(conditions(self.r.f, d.args[0], holds));
                let yes = self.prove(Question { v, ..q }, at);
                self.local.truncate(known);
                yes
            })
    }

    /// In `0..length`; the index itself if it is not negative.
    fn checked_index(&mut self, q: Question, d: &InstData, at: Place) -> bool {
        if within(q, 0, i64::MAX) {
            return true;
        }
        let k = q.k + 1;
        if q.dir == Dir::Le && self.prove(Question { v: d.args[1], k, ..q }, at) {
            return true;
        }
        (d.op == Opcode::IndexCheck || self.at_least(d.args[0], 0, at))
            && self.prove(Question { v: d.args[0], ..q }, at)
    }

    fn shifted(&mut self, q: Question, d: &InstData, at: Place) -> bool {
        let f = self.r.f;
        let (x, Some(n @ 1..=62)) = (d.args[0], f.int_const(d.args[1])) else {
            return false;
        };
        if d.ty != Ty::I64 || d.op == Opcode::Ushr && !self.at_least(x, 0, at) {
            return false;
        }
        if let (1, Some(i)) = (n, f.def(x))
            && matches!(f.insts[i].op, Opcode::IaddChk | Opcode::Iadd)
            && self.exact(i, at)
            && self.middle(q, f.insts[i].args[0], f.insts[i].args[1], at)
        {
            return true;
        }
        if q.base.is_none() {
            let k = match q.dir {
                Dir::Le => ((q.k + 1) << n) - 1,
                Dir::Ge => q.k << n,
            };
            return self.prove(Question { v: x, k, ..q }, at);
        }
        q.dir == Dir::Le && self.at_least(x, 0, at) && self.prove(Question { v: x, ..q }, at)
    }

    /// `(x + y) >> 1`: at most `b` if one is at most `b` and the other `b + 1`; at least `b` if both are.
    fn middle(&mut self, q: Question, x: Value, y: Value, at: Place) -> bool {
        match q.dir {
            Dir::Ge => self.prove(Question { v: x, ..q }, at) && self.prove(Question { v: y, ..q }, at),
            Dir::Le => [(x, y), (y, x)].into_iter().any(|(a, b)| {
                let k = q.k + 1;
                self.prove(Question { v: a, ..q }, at) && self.prove(Question { v: b, k, ..q }, at)
            }),
        }
    }

    /// The sign of the dividend, and smaller than the divisor.
    fn remainder(&mut self, q: Question, d: &InstData, at: Place) -> bool {
        let (x, y) = (d.args[0], d.args[1]);
        if d.ty != Ty::I64 {
            return false;
        }
        match q.dir {
            Dir::Ge => q.base.is_none() && q.k <= 0 && self.at_least(x, 0, at),
            Dir::Le => {
                let k = q.k + 1;
                self.at_least(y, 1, at) && self.prove(Question { v: y, k, ..q }, at)
                    || self.at_least(x, 0, at) && self.prove(Question { v: x, ..q }, at)
            }
        }
    }

    /// `0..y` for a positive divisor.
    fn floor_remainder(&mut self, q: Question, y: Value, at: Place) -> bool {
        let k = q.k + 1;
        self.at_least(y, 1, at)
            && match q.dir {
                Dir::Ge => q.base.is_none() && q.k <= 0,
                Dir::Le => self.prove(Question { v: y, k, ..q }, at),
            }
    }

    /// By induction over the branches to the block; a constant bound also by way of a sibling, so that a
    /// counter in a loop is bounded by the loop's own.
    fn parameter(&mut self, q: Question, block: Block, k: usize) -> bool {
        let r = self.r;
        if Some(&block) == r.f.layout.first() {
            return false;
        }
        // The bound must be one value for all turns of a loop that the block may head, or change along.
        let sibling = q
            .base
            .and_then(|b| r.f.blocks[block].params.iter().position(|p| *p == b));
        if sibling.is_none() && q.base.is_some_and(|b| !r.precedes(b, block)) {
            return false;
        }
        self.induction(q, block, k, sibling) || q.base.is_none() && self.by_sibling(q, block, k)
    }

    fn induction(&mut self, q: Question, block: Block, k: usize, sibling: Option<usize>) -> bool {
        let r = self.r;
        self.assumed.push(q);
        // Conditions of an enclosing edge speak of another moment: of this loop's last turn, say.
        let outer = self.local.split_off(0);
        let yes = r.cfg.preds(block).iter().all(|&from| {
            if let Some((cond, holds)) = edge(r.f, from, block) {
                self.local.extend(conditions(r.f, cond, holds));
            }
            let yes = passed(r.f, from, block).into_iter().all(|args| {
                let base = sibling.map_or(q.base, |s| Some(args[s]));
                self.prove(
                    Question {
                        v: args[k],
                        base,
                        ..q
                    },
                    Place::end(from),
                )
            });
            self.local.clear();
            yes
        });
        self.local = outer;
        self.assumed.pop();
        yes
    }

    /// `v <= w + n` and `w <= k - n` for another parameter `w` that starts as a constant `n` away.
    fn by_sibling(&mut self, q: Question, block: Block, k: usize) -> bool {
        let r = self.r;
        // One level: siblings of siblings are not asked.
        if self
            .assumed
            .iter()
            .any(|a| a.base.is_some_and(|b| r.f.blocks[block].params.contains(&b)))
        {
            return false;
        }
        let starts = r.cfg.preds(block).first().map(|from| passed(r.f, *from, block));
        let Some([args]) = starts.as_deref() else {
            return false;
        };
        let Some(own) = r.f.int_const(args[k]) else {
            return false;
        };
        (0..args.len()).any(|s| {
            let w = r.f.blocks[block].params[s];
            let Some(other) = r.f.int_const(args[s]).filter(|_| s != k && r.f.ty(w) == Ty::I64) else {
                return false;
            };
            let n = i128::from(own) - i128::from(other);
            let along = Question {
                base: Some(w),
                k: n,
                ..q
            };
            self.induction(along, block, k, Some(s))
                && self.induction(
                    Question {
                        v: w,
                        k: q.k - n,
                        ..q
                    },
                    block,
                    s,
                    None,
                )
        })
    }
}

/// The divisor, if a select is a remainder with the divisor's sign: `r + y` if `r` is not 0 and its sign is
/// not that of `y`, else `r`, which is the remainder with the dividend's sign.
pub(crate) fn floor_divisor(f: &Function, d: &InstData) -> Option<Value> {
    let args = |v: Value, op: Opcode| {
        let d = &f.insts[f.def(v)?];
        (d.op == op && d.args.len() == 2).then(|| (d.args[0], d.args[1]))
    };
    let compares = |v: Value, want: IntCC| match f.insts[f.def(v)?] {
        InstData {
            op: Opcode::Icmp,
            imm: Imm::IntCC(cc),
            ref args,
            ..
        } if cc == want && f.int_const(args[1]) == Some(0) => Some(args[0]),
        _ => None,
    };
    let r = d.args[2];
    let (_, y) = args(r, Opcode::Srem)?;
    let (nonzero, signs) = args(d.args[0], Opcode::Band)?;
    let signs = args(compares(signs, IntCC::Slt)?, Opcode::Bxor)?;
    let pair = |p: (Value, Value)| p == (r, y) || p == (y, r);
    (compares(nonzero, IntCC::Ne)? == r && pair(signs) && pair(args(d.args[1], Opcode::Iadd)?)).then_some(y)
}

/// The arguments of each branch of a block to another.
fn passed(f: &Function, from: Block, to: Block) -> Vec<&[Value]> {
    let targets = f.successors(from).into_iter();
    targets
        .filter(|t| t.block == to)
        .map(|t| t.args.as_slice())
        .collect()
}
