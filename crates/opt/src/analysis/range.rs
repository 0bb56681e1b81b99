//! Integer ranges with symbolic bounds: proofs of `v <= base + k` and `v >= base + k` for i64 values
//! at a place, `base` another value or zero.
//!
//! Demand-driven, after Bodik, Gupta and Sarkar, "ABCD: Eliminating Array Bounds Checks on Demand"
//! (PLDI 2000): a question about a value becomes questions about what defines it and about the
//! conditions that hold at the place. A question about a block parameter is answered by induction: it
//! is assumed and must follow for every value that a branch passes. Numbers are integers without
//! bounds here: a rule for a wrapping operation first proves that it does not wrap.

mod facts;
mod rules;

use cranelift_entity::SecondaryMap;
use cranelift_entity::packed_option::PackedOption;
use numlift_mir::{Block, ControlFlowGraph, DominatorTree, Function, Inst, Opcode, Value, ValueDef};

pub(crate) use facts::Fact;
pub(crate) use rules::floor_divisor;

/// Which side of its bound a value is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dir {
    /// `v <= base + k`
    Le,
    /// `v >= base + k`
    Ge,
}

impl Dir {
    pub fn flip(self) -> Dir {
        match self {
            Dir::Le => Dir::Ge,
            Dir::Ge => Dir::Le,
        }
    }
}

/// A place in the code: before instruction number `pos` of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub block: Block,
    pub pos: u32,
}

impl Place {
    pub const fn end(block: Block) -> Place {
        Place { block, pos: u32::MAX }
    }
}

/// Nested questions and steps of one proof: beyond, the answer is no.
const MAX_DEPTH: u32 = 24;
const MAX_STEPS: u32 = 600;

/// What ranges are told from, computed once per function.
pub struct Ranges<'f> {
    f: &'f Function,
    cfg: &'f ControlFlowGraph,
    dom: &'f DominatorTree,
    homes: SecondaryMap<Inst, PackedOption<Block>>,
    places: SecondaryMap<Inst, u32>,
    facts: facts::Facts,
}

/// `v dir base + k`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Question {
    dir: Dir,
    v: Value,
    base: Option<Value>,
    /// Wide enough for every sum of bounds.
    k: i128,
}

/// One proof being tried.
struct Proof<'r, 'f> {
    r: &'r Ranges<'f>,
    steps: u32,
    depth: u32,
    /// Inductive assumptions about block parameters.
    assumed: Vec<Question>,
    /// Conditions of the edges and selects being looked through.
    local: Vec<Fact>,
}

impl<'f> Ranges<'f> {
    pub fn compute(f: &'f Function, cfg: &'f ControlFlowGraph, dom: &'f DominatorTree) -> Ranges<'f> {
        let mut places = SecondaryMap::with_capacity(f.insts.len());
        for &b in &f.layout {
            for (n, &i) in f.blocks[b].insts.iter().enumerate() {
                places[i] = n as u32;
            }
        }
        let facts = facts::Facts::collect(f, cfg);
        Ranges {
            f,
            cfg,
            dom,
            homes: f.inst_blocks(),
            places,
            facts,
        }
    }

    /// The place before an instruction of a block.
    pub fn before(&self, block: Block, i: Inst) -> Place {
        Place {
            block,
            pos: self.places[i],
        }
    }

    /// Whether `v dir base + k` is certain at the place.
    pub fn holds(&self, dir: Dir, v: Value, base: Option<Value>, k: i64, at: Place) -> bool {
        let mut proof = Proof {
            r: self,
            steps: 0,
            depth: 0,
            assumed: Vec::new(),
            local: Vec::new(),
        };
        let k = i128::from(k);
        proof.prove(Question { dir, v, base, k }, at)
    }

    /// The number that a value is.
    pub fn constant(&self, v: Value) -> Option<i64> {
        self.f.int_const(v)
    }

    /// A number of bits `n` with `-2**n < v < 2**n`, or a constant's exact range.
    pub fn bounds(&self, v: Value, at: Place) -> Option<(i64, i64)> {
        if let Some(n) = self.f.int_const(v) {
            return Some((n, n));
        }
        // Most values are within none: asked first, the widest bound ends the search.
        let widest = MAGNITUDES[MAGNITUDES.len() - 1];
        if !self.holds(Dir::Ge, v, None, -(1 << widest), at)
            || !self.holds(Dir::Le, v, None, (1 << widest) - 1, at)
        {
            return None;
        }
        let high = MAGNITUDES
            .iter()
            .map(|n| (1 << n) - 1)
            .find(|&k| self.holds(Dir::Le, v, None, k, at))?;
        let lows = std::iter::once(0).chain(MAGNITUDES.iter().map(|n| -(1 << n)));
        let low = lows.into_iter().find(|&k| self.holds(Dir::Ge, v, None, k, at))?;
        Some((low, high))
    }

    /// What is known of a value at a place besides its definition: bounds `y + c`, and whether a check of an
    /// index says so.
    pub fn known(&self, dir: Dir, v: Value, at: Place) -> impl Iterator<Item = ((Option<Value>, i64), bool)> {
        let v = self.strip(v);
        let facts = self.facts.about(v, dir, at.block, self.dom);
        let holding: Vec<Fact> = facts.iter().filter(|f| f.at(self.dom, at)).copied().collect();
        holding
            .into_iter()
            .filter_map(move |f| Some((f.bound(dir, |x| self.strip(x) == v)?, f.checked)))
    }

    /// Whether a value is defined in another block, which dominates this one.
    fn precedes(&self, v: Value, b: Block) -> bool {
        let home = match self.f.values[v].def {
            ValueDef::Param(home, _) => Some(home),
            ValueDef::Result(i, _) => self.homes[i].expand(),
        };
        home.is_some_and(|h| h != b && self.dom.dominates(h, b))
    }

    fn same(&self, a: Value, b: Value) -> bool {
        self.strip(a) == self.strip(b)
    }

    /// The value that is said to be an extent.
    fn strip(&self, v: Value) -> Value {
        facts::strip(self.f, v)
    }
}

/// Sizes of constant bounds that are tried: bytes to array extents.
const MAGNITUDES: [u32; 6] = [8, 16, 31, 40, 48, 62];

impl Proof<'_, '_> {
    fn prove(&mut self, q: Question, at: Place) -> bool {
        self.steps += 1;
        if self.steps > MAX_STEPS || self.depth >= MAX_DEPTH {
            return false;
        }
        self.depth += 1;
        let yes = self.step(q, at);
        self.depth -= 1;
        yes
    }

    fn step(&mut self, mut q: Question, at: Place) -> bool {
        if let Some(b) = q.base
            && let Some(n) = self.r.f.int_const(b)
        {
            q = Question {
                base: None,
                k: q.k + i128::from(n),
                ..q
            };
        }
        // Two int64 are never further apart than this, one is never beyond its own limits.
        let (low, high) = match q.base {
            None => (i128::from(i64::MIN), i128::from(i64::MAX)),
            Some(_) => (-(1 << 64), 1 << 64),
        };
        match q.dir {
            Dir::Le if q.k >= high => return true,
            Dir::Ge if q.k <= low => return true,
            Dir::Le if q.k < low => return false,
            Dir::Ge if q.k > high => return false,
            _ => {}
        }
        if let Some(n) = self.r.f.int_const(q.v) {
            return self.constant(q, n, at);
        }
        if q.base.is_some_and(|b| self.r.same(b, q.v)) {
            return match q.dir {
                Dir::Le => 0 <= q.k,
                Dir::Ge => 0 >= q.k,
            };
        }
        let same = |a: &Question| {
            (a.dir, a.v, a.base.map(|b| self.r.strip(b))) == (q.dir, q.v, q.base.map(|b| self.r.strip(b)))
        };
        if let Some(a) = self.assumed.iter().rev().find(|a| same(a)).copied() {
            let enough = match q.dir {
                Dir::Le => a.k <= q.k,
                Dir::Ge => a.k >= q.k,
            };
            return enough || self.by_facts(q, at);
        }
        self.by_definition(q, at) || self.by_facts(q, at) || self.by_base(q, at)
    }

    /// `n dir base + k`
    fn constant(&mut self, q: Question, n: i64, at: Place) -> bool {
        let n = i128::from(n);
        match (q.base, q.dir) {
            (None, Dir::Le) => n <= q.k,
            (None, Dir::Ge) => n >= q.k,
            (Some(v), dir) => {
                let k = n - q.k;
                self.prove(
                    Question {
                        dir: dir.flip(),
                        v,
                        base: None,
                        k,
                    },
                    at,
                )
            }
        }
    }

    /// `v <= y + c` is known: does `y + c <= base + k` hold? And the same of a `v + n` that is known about.
    fn by_facts(&mut self, q: Question, at: Place) -> bool {
        let r = self.r;
        let v = r.strip(q.v);
        if self.by_facts_about(q, v, at) {
            return true;
        }
        r.facts.sums(v).iter().any(|&(sum, n, inst)| {
            let k = q.k + i128::from(n);
            self.known(sum) && self.exact(inst, at) && self.by_facts_about(Question { k, ..q }, sum, at)
        })
    }

    /// Whether there are facts about a value.
    fn known(&self, v: Value) -> bool {
        let speaks = |f: &Fact| f.low == Some(v) || f.high == Some(v);
        self.r.facts.speak_of(v) || self.local.iter().any(speaks)
    }

    /// As [`Proof::by_facts`], with the facts about `v` in place of the question's value.
    fn by_facts_about(&mut self, q: Question, v: Value, at: Place) -> bool {
        let r = self.r;
        let local = self.local.clone();
        let general = r.facts.about(v, q.dir, at.block, r.dom);
        for fact in local.iter().chain(general.iter().filter(|f| f.at(r.dom, at))) {
            if let Some((y, c)) = fact.bound(q.dir, |x| r.strip(x) == v) {
                let k = q.k - i128::from(c);
                let next = match y {
                    Some(v) => self.prove(Question { v, k, ..q }, at),
                    None => self.constant(q, c, at),
                };
                if next {
                    return true;
                }
            }
        }
        false
    }

    /// The bound is itself a sum, a minimum or a maximum.
    fn by_base(&mut self, q: Question, at: Place) -> bool {
        let Some(b) = q.base else { return false };
        let f = self.r.f;
        let Some(i) = f.def(self.r.strip(b)) else {
            return false;
        };
        let d = &f.insts[i];
        match d.op {
            Opcode::IaddChk | Opcode::Iadd | Opcode::IsubChk | Opcode::Isub => {
                let add = matches!(d.op, Opcode::IaddChk | Opcode::Iadd);
                let Some(n) = f.int_const(d.args[1]).map(i128::from) else {
                    return false;
                };
                let next = Question {
                    base: Some(d.args[0]),
                    k: if add { q.k + n } else { q.k - n },
                    ..q
                };
                self.exact(i, at) && self.prove(next, at)
            }
            Opcode::Smin | Opcode::Smax => {
                let [x, y] = [d.args[0], d.args[1]].map(|base| Question {
                    base: Some(base),
                    ..q
                });
                match (d.op == Opcode::Smin) == (q.dir == Dir::Le) {
                    true => self.prove(x, at) && self.prove(y, at),
                    false => self.prove(x, at) || self.prove(y, at),
                }
            }
            _ => false,
        }
    }
}
