//! Exchanges two loops, if the inner one adds to elements that lie next to each other and the outer one adds again:
//! vectors then keep the sums of several elements in registers while the other loop runs, each in its order.
//!
//! ```text
//! for k: v = a[k]; for j: c[j] += v * b[k, j]      ->      for j: for k: c[j] += a[k] * b[k, j]
//! ```
//! Nothing else that the loops read may be where they store; that, and that what they read fits in a cache, is tested before
//! them, else the loops run as they were. Sums are what they were: those of one element are taken in the same order.

use std::collections::{HashMap, HashSet};

use numlift_mir::ops::Effect;
use numlift_mir::{
    Block, BlockCall, Builder, ControlFlowGraph, DominatorTree, Function, Imm, Inst, InstData, IntCC, Loop,
    LoopData, LoopForest, Opcode, Ty, Value,
};

use super::around_others;
use super::counted::Counted;
use super::emit::{enter_by, step_by};
use super::nest::Inner;
use super::plan::Plan;
use super::shape::Shape;
use crate::PassContext;
use crate::analysis::scev::ScalarEvolution;
use crate::transform::clone::branches_mut;

/// Instructions of a nest, and loads that are tested, at most.
const MAX_SIZE: usize = 60;
const MAX_LOADS: usize = 6;
/// Bytes between the ends of what a load reads at most: part of a second-level cache.
const MAX_SPAN: i64 = 1 << 20;

pub(super) fn run(f: &mut Function, context: &mut PassContext) {
    let cfg = ControlFlowGraph::compute(f);
    let dom = DominatorTree::compute(&cfg);
    let forest = LoopForest::compute(&cfg, &dom);
    let outer = around_others(&forest);
    if outer.is_empty() {
        return;
    }
    let scev = ScalarEvolution::compute(f, &cfg, &dom, &forest);
    let found = outer
        .iter()
        .filter_map(|l| Nest::find(f, &scev, &forest.loops[*l]));
    let found: Vec<Nest> = found.collect();
    if found.is_empty() {
        return;
    }
    // all are exchanged, then those that vectors do not take are given up: the function is analysed once for all
    let made: Vec<Exchanged> = found.iter().map(|nest| nest.emit(f)).collect();
    let worth = vectorised(f, &made);
    let mut left = vec![];
    for ((nest, made), worth) in found.iter().zip(made).zip(worth) {
        if worth && context.rewrite() {
            context.remark(
                nest.line,
                "loops exchanged, so that vectors keep what they add up in registers",
            );
        } else {
            left.push((made, nest.header));
        }
    }
    give_up(f, &left);
}

/// Which of the exchanged loops are ones that `vectorise-nests` takes.
fn vectorised(f: &Function, made: &[Exchanged]) -> Vec<bool> {
    let cfg = ControlFlowGraph::compute(f);
    let dom = DominatorTree::compute(&cfg);
    let forest = LoopForest::compute(&cfg, &dom);
    let scev = ScalarEvolution::compute(f, &cfg, &dom, &forest);
    let headers: HashMap<Block, Loop> = forest.loops.iter().map(|(l, data)| (data.header, l)).collect();
    let taken = |made: &Exchanged| {
        let data = &forest.loops[*headers.get(&made.header)?];
        let shape = Shape::find_nest(f, &scev, data).ok()?;
        Plan::make(f, &scev, shape).ok()
    };
    made.iter().map(|m| taken(m).is_some()).collect()
}

/// What was put before loops: the test that selects, and the exchanged loops.
struct Exchanged {
    test: Block,
    header: Block,
    blocks: Vec<Block>,
}

/// Takes loops out again that were put before those with these headers.
fn give_up(f: &mut Function, made: &[(Exchanged, Block)]) {
    let entries: HashMap<Block, Block> = made.iter().map(|(m, header)| (m.test, *header)).collect();
    let gone: HashSet<Block> = made.iter().flat_map(|(m, _)| &m.blocks).copied().collect();
    f.layout.retain(|b| !gone.contains(b));
    for n in 0..f.layout.len() {
        let Some(i) = f.terminator(f.layout[n]) else {
            continue;
        };
        for t in branches_mut(&mut f.insts[i].imm) {
            t.block = entries.get(&t.block).copied().unwrap_or(t.block);
        }
    }
}

/// How a value of the nest depends on the counters.
#[derive(Clone, Copy)]
struct Form {
    outer: bool,
    inner: bool,
    /// It is a sum of them with factors from outside.
    linear: bool,
    /// It follows from them and from outside by operations that may be done for nothing.
    known: bool,
}

const FIXED: Form = Form {
    outer: false,
    inner: false,
    linear: true,
    known: true,
};

/// Loops that can be exchanged.
struct Nest {
    header: Block,
    blocks: Vec<Block>,
    line: u32,
    outer: Counted,
    outer_next: Value,
    outer_test: Value,
    inner: Counted,
    inner_first: Value,
    inner_next: Value,
    inner_test: Value,
    /// The condition under which the inner loop has a turn.
    enter: Option<(Value, bool)>,
    exit: BlockCall,
    store: Inst,
    /// What is read elsewhere.
    loads: Vec<Inst>,
    /// Polls of the inner loop and those around it.
    polls: [Vec<Inst>; 2],
    forms: HashMap<Value, Form>,
}

impl Nest {
    fn find(f: &Function, scev: &ScalarEvolution<'_>, data: &LoopData) -> Option<Nest> {
        let header = data.header;
        let (inner, enter) = Inner::of(f, scev, data)?;
        let blocks = inner.blocks(header);
        let (outer_branch, outer_next) = inner.back(f, header)?;
        let (outer_next, exit) = match (&outer_next[..], &f.insts[outer_branch].imm) {
            (&[next], Imm::Branch(_, exit)) => (next, exit.clone()),
            _ => return None,
        };
        let outer = Counted::find(f, scev, outer_branch, &f.blocks[header].params, &[outer_next])?;
        let inner_branch = f.terminator(inner.block)?;
        let inner_next = match &f.insts[inner_branch].imm {
            Imm::Branch(again, _) if again.args.len() == 1 => again.args[0],
            _ => return None,
        };
        let passes_nothing = f.blocks[inner.latch].params.is_empty() && inner.leave(f).is_some();
        let size: usize = blocks.iter().map(|b| f.blocks[*b].insts.len()).sum();
        if f.blocks[header].cold || !passes_nothing || size > MAX_SIZE {
            return None;
        }
        let mut nest = Nest {
            header,
            line: f.insts[outer_branch].line,
            outer,
            outer_next,
            outer_test: f.insts[outer_branch].args[0],
            inner: inner.count,
            inner_first: inner.first,
            inner_next,
            inner_test: f.insts[inner_branch].args[0],
            enter: enter.past.map(|(cond, inside, _)| (cond, inside)),
            exit,
            store: inner_branch,
            loads: vec![],
            polls: [vec![], vec![]],
            forms: HashMap::new(),
            blocks,
        };
        nest.instructions(f, inner.block)?;
        nest.places(f, scev)?;
        nest.is_closed(f).then_some(nest)
    }

    fn form(&self, v: Value) -> Form {
        self.forms.get(&v).copied().unwrap_or(FIXED)
    }

    /// The forms of all values; nothing but one store has an effect.
    fn instructions(&mut self, f: &Function, innermost: Block) -> Option<()> {
        let counter = |outer| Form {
            outer,
            inner: !outer,
            ..FIXED
        };
        self.forms.insert(self.outer.counter, counter(true));
        self.forms.insert(self.inner.counter, counter(false));
        let mut stores = vec![];
        for b in self.blocks.clone() {
            for &i in &f.blocks[b].insts {
                let d = &f.insts[i];
                match d.op {
                    Opcode::Store if b == innermost => stores.push(i),
                    Opcode::Load => self.loads.push(i),
                    Opcode::Safepoint if d.landing().is_none() => {
                        self.polls[usize::from(b != innermost)].push(i);
                    }
                    Opcode::Br | Opcode::Jump | Opcode::Assume => {}
                    _ if d.op.effect() == Effect::Pure && !d.ty.is_vector() => {}
                    _ => return None,
                }
                let form = self.form_of(d);
                self.forms.extend(d.results.iter().map(|v| (*v, form)));
            }
        }
        match stores[..] {
            [store] => self.store = store,
            _ => return None,
        }
        Some(())
    }

    fn form_of(&self, d: &InstData) -> Form {
        let args: Vec<Form> = d.args.iter().map(|v| self.form(*v)).collect();
        let any = |of: fn(&Form) -> bool| args.iter().any(of);
        let (outer, inner) = (any(|a| a.outer), any(|a| a.inner));
        let fixed = |n: usize| !args[n].outer && !args[n].inner && args[n].linear;
        let linear = match d.op {
            _ if d.op.effect() != Effect::Pure => false,
            Opcode::Iadd | Opcode::Isub => args[0].linear && args[1].linear,
            Opcode::Imul => args[0].linear && fixed(1) || fixed(0) && args[1].linear,
            Opcode::Ishl => args[0].linear && fixed(1),
            _ => !outer && !inner && args.iter().all(|a| a.linear),
        };
        let divides = matches!(d.op, Opcode::Sdiv | Opcode::Srem | Opcode::Udiv | Opcode::Urem);
        Form {
            outer,
            inner,
            linear,
            known: d.op.effect() == Effect::Pure && !divides && args.iter().all(|a| a.known),
        }
    }

    /// What is stored is where each turn of the outer loop stores it; all else is read where the counters say.
    fn places(&mut self, f: &Function, scev: &ScalarEvolution<'_>) -> Option<()> {
        let address = |i: Inst| f.insts[i].args.last().copied();
        let stored = address(self.store)?;
        let place = self.form(stored);
        if !place.linear || !place.known || place.outer {
            return None;
        }
        let mut elsewhere = vec![];
        for &i in &self.loads {
            let form = self.form(address(i)?);
            let apart = scev.affine(address(i)?).sub(&scev.affine(stored));
            match apart.and_then(|d| d.as_constant()) {
                Some(0)
                    if (f.insts[i].ty, &f.insts[i].imm)
                        == (f.insts[self.store].ty, &f.insts[self.store].imm) => {}
                Some(_) => return None,
                None if form.linear && form.known => elsewhere.push(i),
                None => return None,
            }
        }
        self.loads = elsewhere;
        (self.loads.len() <= MAX_LOADS).then_some(())
    }

    /// Whether each loop runs as often in every turn of the other, and nothing but memory shows that they ran.
    fn is_closed(&self, f: &Function) -> bool {
        let free = |v: Value| !self.forms.contains_key(&v);
        let alone = |v: Value, outer: bool| {
            let form = self.form(v);
            form.known && if outer { !form.inner } else { !form.outer }
        };
        let fixed = |v: Value| alone(v, true) && alone(v, false);
        let tests = alone(self.outer_test, true)
            && alone(self.outer_next, true)
            && alone(self.inner_test, false)
            && alone(self.inner_next, false);
        let starts = [self.inner_first, self.inner.limit, self.outer.limit]
            .into_iter()
            .all(fixed);
        let entered = self.enter.is_none_or(|(cond, _)| fixed(cond));
        let polled = (self.polls.iter().flatten()).all(|i| f.insts[*i].unwound().all(free));
        let outside = f.layout.iter().filter(|b| !self.blocks.contains(b));
        let mut uses = outside.flat_map(|b| &f.blocks[*b].insts).flat_map(|i| f.uses(*i));
        tests && starts && entered && polled && self.exit.args.iter().all(|v| free(*v)) && uses.all(free)
    }

    /// Puts the exchanged loops before those as they are.
    fn emit(&self, f: &mut Function) -> Exchanged {
        let mut b = Builder::new(std::mem::replace(f, Function::new("")));
        let old = b.func.layout.len();
        b.set_line(self.line);
        let [test, enter, header, block, latch] = [(); 5].map(|()| b.create_block());
        enter_by(&mut b.func, &self.blocks, test);
        let first = b.func.append_param(test, Ty::I64);
        let inner = b.func.append_param(header, Ty::I64);
        let outer = b.func.append_param(block, Ty::I64);
        let copies = |outer: Value, inner: Option<Value>| {
            let mut copies = Copies {
                nest: self,
                known: HashMap::from([(self.outer.counter, outer)]),
            };
            copies.known.extend(inner.map(|v| (self.inner.counter, v)));
            copies
        };

        b.switch_to(test);
        match self.conditions(&mut b, first) {
            Some(c) => b.br(c, (enter, &[]), (self.header, &[first])),
            None => b.jump(enter, &[]),
        }

        b.switch_to(enter);
        let mut before = copies(first, None);
        let start = before.get(&mut b, self.inner_first);
        match self.enter {
            None => b.jump(header, &[start]),
            Some((cond, inside)) => {
                let cond = before.get(&mut b, cond);
                let (into, past) = ((header, &[start][..]), (self.exit.block, &self.exit.args[..]));
                let (then, other) = if inside { (into, past) } else { (past, into) };
                b.br(cond, then, other);
            }
        }

        b.switch_to(header);
        b.jump(block, &[first]);

        b.switch_to(block);
        let mut here = copies(outer, Some(inner));
        let store = b.func.insts[self.store].clone();
        let args: Vec<Value> = store.args.iter().map(|v| here.get(&mut b, *v)).collect();
        b.push(Opcode::Store, store.ty, &args, store.imm, &[]);
        poll(&mut b, &self.polls[0]);
        let (next, again) = (
            here.get(&mut b, self.outer_next),
            here.get(&mut b, self.outer_test),
        );
        b.br(again, (block, &[next]), (latch, &[]));

        b.switch_to(latch);
        let mut behind = copies(first, Some(inner));
        poll(&mut b, &self.polls[1]);
        let (next, again) = (
            behind.get(&mut b, self.inner_next),
            behind.get(&mut b, self.inner_test),
        );
        b.br(again, (header, &[next]), (self.exit.block, &self.exit.args));

        *f = b.func;
        let made = f.layout.split_off(old);
        let at = f.layout.iter().position(|x| *x == self.header).unwrap_or(old);
        f.layout.splice(at..at, made.iter().copied());
        Exchanged {
            test,
            header,
            blocks: made,
        }
    }

    /// Whether loads read elsewhere than the store writes, and not too far apart; `None` if that is known.
    fn conditions(&self, b: &mut Builder, first: Value) -> Option<Value> {
        let mut all: Option<Value> = None;
        let mut and = |b: &mut Builder, c: Value| {
            all = Some(match all {
                None => c,
                Some(others) => b.op(Opcode::Band, &[others, c]),
            });
        };
        let mut before = Copies {
            nest: self,
            known: HashMap::new(),
        };
        let inner_first = before.get(b, self.inner_first);
        let ends = [
            before.ends(b, self.outer, first),
            before.ends(b, self.inner, inner_first),
        ];
        let stored = self.range(b, self.store, ends);
        for &load in &self.loads {
            let (low, high) = self.range(b, load, ends);
            let span = b.op(Opcode::Isub, &[high, low]);
            let most = b.iconst(Ty::I64, MAX_SPAN);
            let near = b.icmp(IntCC::Ule, span, most);
            and(b, near);
            let region = |i: Inst| match b.func.insts[i].imm {
                Imm::Mem { region, .. } => Some(region),
                _ => None,
            };
            let overlap = region(load)
                .zip(region(self.store))
                .is_none_or(|(x, y)| x.may_overlap(y));
            if overlap {
                let below = b.icmp(IntCC::Ule, high, stored.0);
                let above = b.icmp(IntCC::Ule, stored.1, low);
                let apart = b.op(Opcode::Bor, &[below, above]);
                and(b, apart);
            }
        }
        all
    }

    /// The bytes that an instruction accesses lie between these addresses.
    fn range(&self, b: &mut Builder, i: Inst, ends: [(Value, Value); 2]) -> (Value, Value) {
        let d = b.func.insts[i].clone();
        let (Imm::Mem { disp, .. }, Some(&addr)) = (d.imm, d.args.last()) else {
            return (self.inner_first, self.inner_first);
        };
        let mut bounds: Option<(Value, Value)> = None;
        for outer in [ends[0].0, ends[0].1] {
            for inner in [ends[1].0, ends[1].1] {
                let mut at = Copies {
                    nest: self,
                    known: HashMap::from([(self.outer.counter, outer), (self.inner.counter, inner)]),
                };
                let x = at.get(b, addr);
                bounds = Some(match bounds {
                    None => (x, x),
                    Some((low, high)) => (b.op(Opcode::Smin, &[low, x]), b.op(Opcode::Smax, &[high, x])),
                });
            }
        }
        let (low, high) = bounds.unwrap_or((addr, addr));
        let disp = i64::from(disp);
        (
            step_by(b, low, disp),
            step_by(b, high, disp + i64::from(d.ty.bytes())),
        )
    }
}

fn poll(b: &mut Builder, polls: &[Inst]) {
    for &i in polls {
        if let Imm::Site(site) = b.func.insts[i].imm {
            b.safepoint(site);
            b.unwind(b.func.insts[i].unwind.clone());
        }
    }
}

/// Instructions of a nest, copied where they are needed.
struct Copies<'n> {
    nest: &'n Nest,
    known: HashMap<Value, Value>,
}

impl Copies<'_> {
    /// The first and the last value of a counter.
    fn ends(&mut self, b: &mut Builder, c: Counted, first: Value) -> (Value, Value) {
        let limit = self.get(b, c.limit);
        let last = step_by(b, limit, c.beyond);
        let op = if c.step > 0 { Opcode::Smax } else { Opcode::Smin };
        (first, b.op(op, &[first, last]))
    }

    fn get(&mut self, b: &mut Builder, v: Value) -> Value {
        if let Some(known) = self.known.get(&v) {
            return *known;
        }
        let Some(i) = b.func.def(v).filter(|_| self.nest.forms.contains_key(&v)) else {
            return v;
        };
        let d = b.func.insts[i].clone();
        let args: Vec<Value> = d.args.iter().map(|&a| self.get(b, a)).collect();
        let line = b.line();
        b.set_line(d.line);
        let ty = b.func.ty(v);
        let copy = b.push(d.op, d.ty, &args, d.imm, &[ty]);
        b.set_line(line);
        let made = b.func.insts[copy].results[0];
        self.known.insert(v, made);
        made
    }
}
