//! Loops around an inner one that adds up in order: several turns of the outer loop are done at once, each with its
//! own sum, so that no sum changes its order.
//!
//! ```text
//! header ─ [entry] ─ block ⟲ ─ latch ─ back to the header
//!    └──── no turns ───────────┘
//! ```
//! The inner loop has as many turns in each turn of the outer one. It stores nothing, or adds up in one place of memory for
//! each outer turn: what is there is then kept in registers while the inner loop runs.

use std::collections::HashSet;

use numlift_mir::ops::Effect;
use numlift_mir::{Block, BlockCall, Builder, Function, Imm, Inst, LoopData, Opcode, Value};

use super::counted::Counted;
use super::emit::{Scalars, step_by};
use super::lanes::Lanes;
use super::plan::Plan;
use super::shape::{Access, Carried, Kind, Reason, Shape, again};
use crate::analysis::scev::ScalarEvolution;

/// The inner loop.
pub(super) struct Inner {
    pub block: Block,
    /// A block between the header and the loop.
    entry: Option<Block>,
    pub latch: Block,
    pub count: Counted,
    /// What its counter starts from.
    pub first: Value,
    /// The load and the store of what is added up in memory.
    kept: Option<(Inst, Inst)>,
}

/// Where the header goes: into the loop, and past it under a condition.
pub(super) struct Enter {
    pub into: BlockCall,
    pub past: Option<(Value, bool, BlockCall)>,
}

impl Inner {
    /// The blocks of a nest, the latch last.
    fn find(f: &Function, data: &LoopData) -> Option<(Block, Option<Block>, Block)> {
        let [latch] = data.latches[..] else { return None };
        let others: Vec<Block> = data
            .blocks
            .iter()
            .copied()
            .filter(|b| *b != data.header && *b != latch)
            .collect();
        let &block = others.iter().find(|b| again(f, **b).is_some())?;
        let entry = match others.len() {
            1 => None,
            2 => others.iter().copied().find(|b| *b != block),
            _ => return None,
        };
        (latch != data.header).then_some((block, entry, latch))
    }

    /// The inner loop of a nest, and where that is entered.
    pub fn of(f: &Function, scev: &ScalarEvolution<'_>, data: &LoopData) -> Option<(Inner, Enter)> {
        let (block, entry, latch) = Inner::find(f, data)?;
        let (branch, next) = again(f, block)?;
        let params = &f.blocks[block].params;
        let count = Counted::find(f, scev, branch, params, &next)?;
        let mut inner = Inner {
            block,
            entry,
            latch,
            count,
            first: count.counter,
            kept: None,
        };
        let enter = inner.enter(f, data.header)?;
        let at = params.iter().position(|p| *p == count.counter)?;
        inner.first = enter.into.args[at];
        Some((inner, enter))
    }

    /// The blocks of the nest.
    pub fn blocks(&self, header: Block) -> Vec<Block> {
        let mut blocks = vec![header];
        blocks.extend(self.entry);
        blocks.extend([self.block, self.latch]);
        blocks
    }

    /// The branch back to the header, and what it passes.
    pub fn back(&self, f: &Function, header: Block) -> Option<(Inst, Vec<Value>)> {
        let branch = f.terminator(self.latch)?;
        match &f.insts[branch].imm {
            Imm::Branch(then, other) if then.block == header && other.block != header => {
                Some((branch, then.args.to_vec()))
            }
            _ => None,
        }
    }

    fn enter(&self, f: &Function, header: Block) -> Option<Enter> {
        let start = self.entry.unwrap_or(self.block);
        let into = |t: &BlockCall| match self.entry {
            None => Some(t.clone()),
            Some(e) => match &f.insts[f.terminator(e)?].imm {
                Imm::Jump(t) if t.block == self.block && f.blocks[e].params.is_empty() => Some(t.clone()),
                _ => None,
            },
        };
        let i = f.terminator(header)?;
        match &f.insts[i].imm {
            Imm::Jump(t) if t.block == start => Some(Enter {
                into: into(t)?,
                past: None,
            }),
            Imm::Branch(t, e) if t.block == start && e.block == self.latch => Some(Enter {
                into: into(t)?,
                past: Some((f.insts[i].args[0], true, e.clone())),
            }),
            Imm::Branch(t, e) if e.block == start && t.block == self.latch => Some(Enter {
                into: into(e)?,
                past: Some((f.insts[i].args[0], false, t.clone())),
            }),
            _ => None,
        }
    }

    /// What the loop leaves with, to the latch.
    pub fn leave(&self, f: &Function) -> Option<BlockCall> {
        match &f.insts[f.terminator(self.block)?].imm {
            Imm::Branch(_, out) if out.block == self.latch => Some(out.clone()),
            _ => None,
        }
    }

    /// The least and the greatest value, in all turns of the inner loop, of an address that is linear in its counter.
    pub fn ends(&self, b: &mut Builder, scalars: &Scalars<'_>, addr: Value) -> (Value, Value) {
        let mut first = scalars.clone();
        let mut last = scalars.clone();
        let start = first.get(b, self.first);
        let limit = first.get(b, self.count.limit);
        let end = step_by(b, limit, self.count.beyond);
        let op = if self.count.step > 0 {
            Opcode::Smax
        } else {
            Opcode::Smin
        };
        let end = b.op(op, &[start, end]);
        first.known.insert(self.count.counter, start);
        last.known.insert(self.count.counter, end);
        let (x, y) = (first.get(b, addr), last.get(b, addr));
        (b.op(Opcode::Smin, &[x, y]), b.op(Opcode::Smax, &[x, y]))
    }
}

const REASON: &str = "the loops inside are not of a form that is known";

impl Shape {
    /// A loop with one inner loop.
    pub fn find_nest(f: &Function, scev: &ScalarEvolution<'_>, data: &LoopData) -> Result<Shape, Reason> {
        let (mut inner, enter) = Inner::of(f, scev, data).ok_or(REASON)?;
        let (branch, next) = inner.back(f, data.header).ok_or(REASON)?;
        let block = inner.block;
        let mut shape = Shape::new(f, inner.blocks(data.header), branch, &next);
        shape.allowed.polls = true;
        shape.carry(f, scev)?;
        if shape.carried.iter().any(|c| matches!(c, Carried::Folded(_))) {
            return Err("a value of one turn is needed in the next".into());
        }
        shape.kinds_of_nest(f, scev, &inner, &enter)?;
        shape.count(f, branch)?;
        let before = shape.known_before(f);
        let linear = shape.linear(f, &inner, &before);
        let known = |v: Value| !shape.is_inside(v) || before.contains(&v);
        let uniform = |v: Value| shape.kind(v) == Kind::Uniform && known(v);
        let branches_alike = enter
            .past
            .as_ref()
            .is_none_or(|(c, ..)| shape.kind(*c) == Kind::Uniform);
        if !uniform(inner.first) || !uniform(inner.count.limit) || !branches_alike {
            return Err("the inner loop has another number of turns each time".into());
        }
        inner.kept = shape.kept(f, scev, block, &before)?;
        for a in &mut shape.accesses {
            let kept = inner
                .kept
                .is_some_and(|(load, store)| a.inst == load || a.inst == store);
            a.inner = !kept && f.blocks[block].insts.contains(&a.inst);
            if kept {
                // It is accessed outside of the block, where another's address may not be known.
                a.from = (a.addr, a.disp);
            }
        }
        let known = |v: Value| !shape.is_inside(v) || before.contains(&v);
        let placed = |inside: bool, addr: Value| known(addr) || inside && linear.contains(&addr);
        let all_placed = shape.accesses.iter().all(|a| placed(a.inner, a.addr));
        if !all_placed || !known(shape.test) || !known(shape.limit) {
            return Err("an index depends on data".into());
        }
        shape.inner = Some(inner);
        Ok(shape)
    }

    /// The only store of the inner loop, to one place in all of its turns, and the load of the same place before it.
    fn kept(
        &self,
        f: &Function,
        scev: &ScalarEvolution<'_>,
        block: Block,
        before: &HashSet<Value>,
    ) -> Result<Option<(Inst, Inst)>, Reason> {
        let inside: Vec<&Access> = self
            .accesses
            .iter()
            .filter(|a| f.blocks[block].insts.contains(&a.inst))
            .collect();
        let Some(at) = inside.iter().position(|a| a.store) else {
            return Ok(None);
        };
        let store = inside[at];
        let same = |a: &&&Access| {
            let between = scev.affine(a.addr).sub(&scev.affine(store.addr));
            (a.disp, a.ty, a.region) == (store.disp, store.ty, store.region)
                && between.and_then(|d| d.as_constant()) == Some(0)
        };
        let mut loads = inside[..at].iter().filter(same);
        let only_store = inside[at + 1..].iter().all(|a| !a.store && !same(&a));
        match (loads.next(), loads.next()) {
            (Some(load), None)
                if only_store
                    && [load.addr, store.addr]
                        .iter()
                        .all(|v| !self.is_inside(*v) || before.contains(v)) =>
            {
                Ok(Some((load.inst, store.inst)))
            }
            _ => Err("the inner loop stores".into()),
        }
    }

    /// Kinds of all values: what the inner loop carries is what it starts as, unless that does not hold.
    fn kinds_of_nest(
        &mut self,
        f: &Function,
        scev: &ScalarEvolution<'_>,
        inner: &Inner,
        enter: &Enter,
    ) -> Result<(), Reason> {
        let out = inner.leave(f).ok_or(REASON)?;
        let (_, next) = again(f, inner.block).ok_or(REASON)?;
        let params = f.blocks[inner.block].params.clone();
        let mut varying = vec![false; params.len()];
        self.block(f, scev, self.header)?;
        if let Some(entry) = inner.entry {
            self.block(f, scev, entry)?;
        }
        let before = self.accesses.len();
        loop {
            self.accesses.truncate(before);
            for (k, &p) in params.iter().enumerate() {
                let kind = match varying[k] {
                    true => Kind::Varying,
                    false => self.kind(enter.into.args[k]),
                };
                self.kinds.insert(p, kind);
            }
            self.block(f, scev, inner.block)?;
            let wrong =
                (0..params.len()).find(|&k| !varying[k] && self.kind(next[k]) != self.kind(params[k]));
            match wrong {
                Some(k) => varying[k] = true,
                None => break,
            }
        }
        for (k, &p) in f.blocks[inner.latch].params.iter().enumerate() {
            let kind = self.kind(out.args[k]);
            let past = enter.past.as_ref().map_or(kind, |(_, _, t)| self.kind(t.args[k]));
            self.kinds
                .insert(p, if past == kind { kind } else { Kind::Varying });
        }
        self.block(f, scev, inner.latch)
    }

    /// The values of the nest that follow from the loop's parameters and from outside, by what can be done even if the
    /// inner loop has no turn: no division.
    fn known_before(&self, f: &Function) -> HashSet<Value> {
        let mut out: HashSet<Value> = self.params.iter().copied().collect();
        for &i in self.blocks.iter().flat_map(|b| &f.blocks[*b].insts) {
            let d = &f.insts[i];
            let known = |v: &Value| !self.is_inside(*v) || out.contains(v);
            let divides = matches!(d.op, Opcode::Sdiv | Opcode::Srem | Opcode::Udiv | Opcode::Urem);
            if d.op.effect() == Effect::Pure && !divides && d.args.iter().all(known) {
                out.extend(&d.results);
            }
        }
        out
    }

    /// The values of the inner loop that grow by the same amount in all of its turns, those that do not among them.
    fn linear(&self, f: &Function, inner: &Inner, before: &HashSet<Value>) -> HashSet<Value> {
        let mut out = HashSet::from([inner.count.counter]);
        for &i in &f.blocks[inner.block].insts {
            let d = &f.insts[i];
            let fixed = |n: usize| !self.is_inside(d.args[n]) || before.contains(&d.args[n]);
            let linear = |n: usize| fixed(n) || out.contains(&d.args[n]);
            let grows = match d.op {
                Opcode::Iadd | Opcode::Isub => linear(0) && linear(1),
                Opcode::Imul => linear(0) && fixed(1) || fixed(0) && linear(1),
                Opcode::Ishl => linear(0) && fixed(1),
                _ => false,
            };
            if grows {
                out.extend(&d.results);
            }
        }
        out
    }
}

/// What a parameter of the blocks behind the header is passed.
pub(super) fn passed(f: &Function, shape: &Shape, b: Block, k: usize) -> Vec<Value> {
    if b == shape.header {
        return vec![];
    }
    let blocks = shape.blocks.iter();
    let targets = blocks.flat_map(|from| f.successors(*from));
    targets.filter(|t| t.block == b).map(|t| t.args[k]).collect()
}

/// The blocks of one iteration, up to the branch back; the scalars where they end.
pub(super) fn body<'p>(
    b: &mut Builder,
    plan: &'p Plan,
    lanes: &mut Lanes<'p>,
    carried: &[Value],
) -> Scalars<'p> {
    let shape = &plan.shape;
    let mut scalars = Scalars::new(shape, carried);
    lanes.block(b, &mut scalars, shape.header);
    let Some((inner, enter)) = shape
        .inner
        .as_ref()
        .and_then(|n| Some((n, n.enter(&b.func, shape.header)?)))
    else {
        return scalars;
    };
    let (Some(out), Some((branch, next))) = (inner.leave(&b.func), again(&b.func, inner.block)) else {
        return scalars;
    };
    let (entry, block, latch) = (b.create_block(), b.create_block(), b.create_block());
    match &enter.past {
        None => b.jump(entry, &[]),
        Some((cond, inside, past)) => {
            let cond = scalars.get(b, *cond);
            let args = pack(b, plan, lanes, &mut scalars, past);
            match inside {
                true => b.br(cond, (entry, &[]), (latch, &args)),
                false => b.br(cond, (latch, &args), (entry, &[])),
            }
        }
    }
    let (known, before) = (lanes.known.clone(), scalars.clone());
    b.switch_to(entry);
    if let Some(e) = inner.entry {
        lanes.block(b, &mut scalars, e);
    }
    let mut first = pack(b, plan, lanes, &mut scalars, &enter.into);
    if let Some((load, _)) = inner.kept {
        first.extend(lanes.access(b, &mut scalars, load, None));
    }
    b.jump(block, &first);

    b.switch_to(block);
    unpack(b, plan, lanes, &mut scalars, inner.block, block);
    if let Some((load, store)) = inner.kept {
        let ty = b.func.insts[load].ty;
        let count = lanes.registers(ty);
        let parts = (0..count).map(|_| b.func.append_param(block, ty.vector()));
        lanes.kept = Some((load, store, parts.collect()));
    }
    lanes.block(b, &mut scalars, inner.block);
    let kept = lanes.kept.take();
    let cond = b.func.insts[branch].args[0];
    let cond = scalars.get(b, cond);
    let again = BlockCall {
        block: inner.block,
        args: next,
    };
    let mut again = pack(b, plan, lanes, &mut scalars, &again);
    let out = pack(b, plan, lanes, &mut scalars, &out);
    match kept {
        None => b.br(cond, (block, &again), (latch, &out)),
        Some((_, store, parts)) => {
            again.extend_from_slice(&parts);
            let after = b.create_block();
            b.br(cond, (block, &again), (after, &[]));
            b.switch_to(after);
            lanes.access(b, &mut scalars, store, Some(&parts));
            b.jump(latch, &out);
        }
    }

    b.switch_to(latch);
    if enter.past.is_some() {
        // What the inner loop made is not there on the way past it.
        lanes.known = known;
        scalars = before;
    }
    unpack(b, plan, lanes, &mut scalars, inner.latch, latch);
    lanes.block(b, &mut scalars, inner.latch);
    scalars
}

/// The arguments of a branch: one value for what all turns have, or what follows from the first; else its lanes.
fn pack<'p>(
    b: &mut Builder,
    plan: &'p Plan,
    lanes: &mut Lanes<'p>,
    scalars: &mut Scalars<'p>,
    to: &BlockCall,
) -> Vec<Value> {
    let params = b.func.blocks[to.block].params.clone();
    let mut out = vec![];
    for (&p, &v) in params.iter().zip(&to.args) {
        match plan.shape.kind(p) {
            Kind::Varying if plan.wide.contains(&p) => out.extend(lanes.of(b, scalars, v)),
            Kind::Varying => {}
            _ => out.push(scalars.get(b, v)),
        }
    }
    out
}

/// The parameters that take what [`pack`] gives.
fn unpack<'p>(
    b: &mut Builder,
    plan: &'p Plan,
    lanes: &mut Lanes<'p>,
    scalars: &mut Scalars<'p>,
    of: Block,
    block: Block,
) {
    for p in b.func.blocks[of].params.clone() {
        let ty = b.func.ty(p);
        match plan.shape.kind(p) {
            Kind::Varying if plan.wide.contains(&p) => {
                let count = lanes.registers(ty);
                let parts: Vec<Value> = (0..count)
                    .map(|_| b.func.append_param(block, ty.vector()))
                    .collect();
                lanes.set(p, ty, &parts);
            }
            Kind::Varying => {}
            _ => {
                let v = b.func.append_param(block, ty);
                scalars.known.insert(p, v);
            }
        }
    }
}
