//! Which loops are candidates, and how their values change from turn to turn.

use std::collections::{HashMap, HashSet};

use numlift_mir::{Block, Function, Imm, Inst, IntCC, Opcode, Region, Ty, Value};
use smallvec::SmallVec;

use super::calls;
use super::nest::Inner;
use super::ordered;
use super::reduction::{Fold, fold};
use crate::analysis::affine::Affine;
use crate::analysis::scev::ScalarEvolution;

/// How a value of the loop changes from turn to turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// the same in all turns
    Uniform,
    /// grows by a constant
    Steps(i64),
    Varying,
}

/// What a parameter of the header carries from one turn to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Carried {
    Same,
    Counter(i64),
    Folded(Fold),
    /// what the turns make of it one after the other
    Ordered,
}

/// A load or a store.
#[derive(Clone, Copy, Debug)]
pub(super) struct Access {
    pub inst: Inst,
    pub store: bool,
    pub addr: Value,
    pub disp: i32,
    pub region: Region,
    pub ty: Ty,
    /// 0 or the size of the element
    pub step: i64,
    /// An address that another access of the block has too, and how far behind it this one is, if that is known.
    pub from: (Value, i32),
    /// in an inner loop
    pub inner: bool,
}

/// A loop of one block, or with one of that kind inside, that only computes, loads and stores, and goes on while a
/// counter is within a limit.
pub(super) struct Shape {
    pub header: Block,
    /// The blocks of the loop, the header first.
    pub blocks: Vec<Block>,
    pub line: u32,
    pub params: Vec<Value>,
    pub next: Vec<Value>,
    pub carried: Vec<Carried>,
    /// `test cc limit` holds if there is another turn.
    pub cc: IntCC,
    pub test: Value,
    pub limit: Value,
    pub step: i64,
    /// Of what is computed in the loop.
    pub kinds: HashMap<Value, Kind>,
    pub accesses: Vec<Access>,
    pub inner: Option<Inner>,
    pub allowed: Allowed,
    /// The guards, all of which a vector iteration tests before it stores.
    pub guards: Vec<Inst>,
    /// Truth values, which are kept as masks.
    pub truths: HashSet<Value>,
    /// What depends on memory that the loop reads.
    loaded: HashSet<Value>,
    /// What depends on values that are carried in order.
    pub chain: HashSet<Value>,
    /// The first access of the block that is looked at.
    block_accesses: usize,
}

/// What a loop may do.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Allowed {
    /// Poll.
    pub polls: bool,
    /// Fail, in a turn of its own.
    pub guards: bool,
    /// Sum floats in another order.
    pub fast: bool,
}

const APART: &str = "elements are not next to each other";

/// Why a loop is not vectorised.
pub(super) type Reason = String;

/// The branch of a block to itself: its other arguments come from outside or are carried.
pub(super) fn again(f: &Function, b: Block) -> Option<(Inst, SmallVec<[Value; 4]>)> {
    let i = f.terminator(b)?;
    match &f.insts[i].imm {
        Imm::Branch(then, other) if then.block == b && other.block != b => Some((i, then.args.clone())),
        _ => None,
    }
}

impl Shape {
    pub fn find(
        f: &Function,
        scev: &ScalarEvolution<'_>,
        header: Block,
        allowed: Allowed,
    ) -> Result<Shape, Reason> {
        let (branch, next) = again(f, header).ok_or("its body branches")?;
        let mut shape = Shape::new(f, vec![header], branch, &next);
        shape.allowed = allowed;
        shape.carry(f, scev)?;
        shape.block(f, scev, header)?;
        shape.count(f, branch)?;
        Ok(shape)
    }

    /// Of blocks of which nothing is known yet; the last ends in the branch back.
    pub fn new(f: &Function, blocks: Vec<Block>, branch: Inst, next: &[Value]) -> Shape {
        // So that a value which is no sum but of itself is not taken for one from outside.
        let insts = blocks.iter().flat_map(|b| &f.blocks[*b].insts);
        let results = insts.flat_map(|i| &f.insts[*i].results);
        let kinds = results.map(|&v| (v, Kind::Varying)).collect();
        Shape {
            header: blocks[0],
            line: f.insts[branch].line,
            params: f.blocks[blocks[0]].params.to_vec(),
            blocks,
            next: next.to_vec(),
            carried: vec![],
            cc: IntCC::Slt,
            test: f.insts[branch].args[0],
            limit: f.insts[branch].args[0],
            step: 0,
            kinds,
            accesses: vec![],
            inner: None,
            allowed: Allowed::default(),
            guards: vec![],
            truths: HashSet::new(),
            loaded: HashSet::new(),
            chain: HashSet::new(),
            block_accesses: 0,
        }
    }

    pub fn block(&mut self, f: &Function, scev: &ScalarEvolution<'_>, b: Block) -> Result<(), Reason> {
        let insts = &f.blocks[b].insts;
        self.block_accesses = self.accesses.len();
        insts.iter().try_for_each(|&i| self.inst(f, scev, i))
    }

    /// What the parameters carry.
    pub fn carry(&mut self, f: &Function, scev: &ScalarEvolution<'_>) -> Result<(), Reason> {
        let mut ordered = vec![];
        for (k, &p) in self.params.iter().enumerate() {
            let next = self.next[k];
            let (carried, kind) = if next == p {
                (Carried::Same, Kind::Uniform)
            } else if let Some(step) = grows(f, scev, p, next) {
                (Carried::Counter(step), Kind::Steps(step))
            } else {
                match fold(f, self.header, k, &self.next, self.allowed.fast) {
                    Some(fold) => (Carried::Folded(fold), Kind::Varying),
                    None => {
                        ordered.push(k);
                        (Carried::Ordered, Kind::Varying)
                    }
                }
            };
            self.kinds.insert(p, kind);
            self.carried.push(carried);
        }
        if !ordered.is_empty() {
            let alone = self.blocks.len() == 1;
            let chain = ordered::chain(f, self, &ordered).filter(|_| alone);
            self.chain = chain.ok_or_else(|| self.in_order(f))?;
        }
        Ok(())
    }

    /// Why values that are carried in order keep a loop from vectors.
    pub fn in_order(&self, f: &Function) -> Reason {
        let fold_of = |k: usize| fold(f, self.header, k, &self.next, true);
        let mut ordered = (0..self.carried.len()).filter(|k| matches!(self.carried[*k], Carried::Ordered));
        match ordered.all(|k| fold_of(k).is_some()) {
            true => "floats are summed in order, unless fastmath allows another".into(),
            false => "a value of one turn is needed in the next".into(),
        }
    }

    pub fn kind(&self, v: Value) -> Kind {
        match self.kinds.get(&v) {
            Some(k) => *k,
            None => Kind::Uniform,
        }
    }

    fn inst(&mut self, f: &Function, scev: &ScalarEvolution<'_>, i: Inst) -> Result<(), Reason> {
        let d = &f.insts[i];
        let kind = match d.op {
            Opcode::Load | Opcode::Store => self.access(f, scev, i)?,
            Opcode::Br | Opcode::Jump | Opcode::Assume => return Ok(()),
            Opcode::Safepoint if self.allowed.polls => return Ok(()),
            Opcode::Guard if self.allowed.guards => {
                self.guards.push(i);
                return Ok(());
            }
            Opcode::CallHelper if calls::kernel(f, i).is_none() => {
                return Err("it calls a function".into());
            }
            _ if f.has_effect(i) => return Err(format!("a check is left: {}", d.op.name())),
            _ if d.ty.is_vector() => return Err("it is vectorised".into()),
            _ if d.args.iter().all(|&v| self.kind(v) == Kind::Uniform) => Kind::Uniform,
            _ => match self.delta(&scev.affine(d.results[0])) {
                Some(0) => Kind::Uniform,
                Some(n) => Kind::Steps(n),
                None => Kind::Varying,
            },
        };
        let truth = match d.op {
            Opcode::Icmp | Opcode::Fcmp => true,
            Opcode::Band | Opcode::Bor | Opcode::Bxor => {
                d.ty == Ty::I8 && d.args.iter().all(|v| self.truths.contains(v))
            }
            _ => false,
        };
        let loaded = d.op == Opcode::Load || d.args.iter().any(|v| self.loaded.contains(v));
        for &v in &d.results {
            self.kinds.insert(v, kind);
            if truth && kind == Kind::Varying {
                self.truths.insert(v);
            }
            if loaded {
                self.loaded.insert(v);
            }
        }
        Ok(())
    }

    /// How much a sum grows in a turn.
    fn delta(&self, a: &Affine) -> Option<i64> {
        a.terms
            .iter()
            .try_fold(0i64, |sum, &(v, factor)| match self.kind(v) {
                Kind::Uniform => Some(sum),
                Kind::Steps(n) => sum.checked_add(n.checked_mul(factor)?),
                Kind::Varying => None,
            })
    }

    fn access(&mut self, f: &Function, scev: &ScalarEvolution<'_>, i: Inst) -> Result<Kind, Reason> {
        let d = &f.insts[i];
        let &Imm::Mem { disp, region } = &d.imm else {
            return Err("it is vectorised".into());
        };
        let (store, addr) = (d.op == Opcode::Store, d.args[d.args.len() - 1]);
        let size = i64::from(d.ty.bytes());
        let step = match self.kind(addr) {
            Kind::Uniform => 0,
            Kind::Steps(n) => n,
            Kind::Varying => match self.delta(&scev.affine(addr)) {
                Some(n) => n,
                None if self.loaded.contains(&addr) => return Err("an index depends on data".into()),
                None => return Err(APART.into()),
            },
        };
        if step != size && (step != 0 || store) {
            return Err(match (step, store) {
                (0, _) => "it writes one place in every turn".into(),
                (n, _) if n == -size => "an array is passed backwards".into(),
                _ => APART.into(),
            });
        }
        let from = self.accesses[self.block_accesses..].iter().find_map(|a| {
            let between = scev.affine(addr).sub(&scev.affine(a.from.0))?.as_constant()?;
            let total = i32::try_from(between).ok()?.checked_add(disp)?;
            // Far enough from the ends for all registers.
            (total.unsigned_abs() < 1 << 20).then_some((a.from.0, total))
        });
        self.accesses.push(Access {
            from: from.unwrap_or((addr, disp)),
            inner: false,
            inst: i,
            store,
            addr,
            disp,
            region,
            ty: d.ty,
            step,
        });
        Ok(match step {
            0 => Kind::Uniform,
            _ => Kind::Varying,
        })
    }

    /// The counter that ends the loop.
    pub fn count(&mut self, f: &Function, branch: Inst) -> Result<(), Reason> {
        const REASON: &str = "the number of its turns is not counted";
        let cond = f.def(f.insts[branch].args[0]).ok_or(REASON)?;
        let d = &f.insts[cond];
        let (Opcode::Icmp, Ty::I64, &Imm::IntCC(cc)) = (d.op, d.ty, &d.imm) else {
            return Err(REASON.into());
        };
        (self.cc, self.test, self.limit) = (cc, d.args[0], d.args[1]);
        if self.kind(self.test) == Kind::Uniform {
            (self.cc, self.test, self.limit) = (cc.swapped(), d.args[1], d.args[0]);
        }
        match (self.kind(self.test), self.kind(self.limit), self.cc) {
            (Kind::Steps(n @ 1..), Kind::Uniform, IntCC::Slt)
            | (Kind::Steps(n @ ..=-1), Kind::Uniform, IntCC::Sgt) => self.step = n,
            _ => return Err(REASON.into()),
        }
        Ok(())
    }

    /// Where an instruction accesses memory: an address and a displacement.
    pub fn place(&self, i: Inst) -> Option<(Value, i32)> {
        let mut known = self.accesses.iter();
        known.find(|a| a.inst == i).map(|a| a.from)
    }

    /// Whether the loop's own block defines a value.
    pub fn is_inside(&self, v: Value) -> bool {
        self.kinds.contains_key(&v)
    }
}

/// By how much a counter grows in a turn.
fn grows(f: &Function, scev: &ScalarEvolution<'_>, p: Value, next: Value) -> Option<i64> {
    if f.ty(p) != Ty::I64 {
        return None;
    }
    let step = scev.affine(next).sub(&Affine::value(p))?;
    step.as_constant()
}

/// The values of a block that depend on one of them.
pub(super) fn dependents(f: &Function, b: Block, on: Value) -> HashSet<Value> {
    let mut out = HashSet::from([on]);
    for &i in &f.blocks[b].insts {
        let d = &f.insts[i];
        if d.args.iter().any(|v| out.contains(v)) {
            out.extend(&d.results);
        }
    }
    out
}
