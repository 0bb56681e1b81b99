//! The blocks of a vectorised loop.
//!
//! ```text
//! entry ─ arrays overlap ─────────────────────────────────────┐
//!   └ main: enough turns? ─ no ─┐                             │
//!       └ body ⟲ ─ fold ────────┴─ rest: enough turns? ─ no ──┤
//!                                    └ body ⟲ ─ fold ─────────┴─ the loop as it was
//! ```
//! Behind each fold: no turn is left ─ the end (`exit`), where what leaves the loop is cheap to have. Else the last turn
//! is always left to the loop as it was, which defines it.

use std::collections::HashMap;

use numlift_mir::{
    Block, BlockCall, BlockData, Builder, FloatCC, Function, Imm, InstData, IntCC, Opcode, Ty, Value,
};
use smallvec::SmallVec;

use super::alias::{Condition, Place};
use super::exit::Exit;
use super::lanes::{Lanes, Registers};
use super::nest;
use super::ordered;
use super::plan::Plan;
use super::reduction::Fold;
use super::shape::{Carried, Shape};

/// Where a vector loop goes on, with the loop's parameters.
struct Target {
    block: Block,
    args: Vec<Value>,
}

pub(super) fn emit(f: &mut Function, plan: &Plan) {
    let header = plan.shape.header;
    let old = f.layout.len();
    let mut b = Builder::new(std::mem::replace(f, Function::new("")));
    b.set_line(plan.shape.line);
    let exit = Exit::make(&mut b, plan);
    let entry = block_like(&mut b, header);
    enter_by(&mut b.func, &plan.shape.blocks, entry);
    b.switch_to(entry);
    let params = b.func.blocks[entry].params.to_vec();
    let target = |block: Block, args: &[Value]| Target {
        block,
        args: args.to_vec(),
    };
    if let Some(cond) = all_conditions(&mut b, plan, &params) {
        let main = b.create_block();
        b.br(cond, (main, &[]), (header, &params));
        b.switch_to(main);
    }
    let mut last = params;
    for turns in plan.widths() {
        let rest = block_like(&mut b, header);
        let otherwise = target(rest, &last);
        let done = vector_loop(&mut b, plan, turns, &last, &otherwise, exit.as_ref());
        leave(&mut b, plan, &last, rest, done, exit.as_ref());
        b.switch_to(rest);
        last = b.func.blocks[rest].params.to_vec();
    }
    let otherwise = target(header, &last);
    let done = vector_loop(&mut b, plan, plan.rest, &last, &otherwise, exit.as_ref());
    leave(&mut b, plan, &last, header, done, exit.as_ref());
    *f = b.func;
    let mut made = f.layout.split_off(old);
    // The end comes behind the loop, all else before it.
    if let Some(exit) = exit {
        made.retain(|x| *x != exit.block);
        let at = f.layout.iter().rposition(|x| plan.shape.blocks.contains(x));
        f.layout.insert(at.map_or(old, |n| n + 1), exit.block);
    }
    let at = f.layout.iter().position(|x| *x == header).unwrap_or(old);
    f.layout.splice(at..at, made);
}

/// The state behind a vector loop.
struct Done {
    /// the loop's parameters for the next turn
    params: Vec<Value>,
    /// Whether there is another turn; known to be one if it is not asked.
    more: Option<Value>,
    /// what the end takes if there is none
    outs: Vec<Value>,
}

/// A block with parameters of the same types.
fn block_like(b: &mut Builder, header: Block) -> Block {
    let types: Vec<Ty> = b.func.blocks[header]
        .params
        .iter()
        .map(|v| b.func.ty(*v))
        .collect();
    let block = b.func.blocks.push(BlockData::default());
    for ty in types {
        b.func.append_param(block, ty);
    }
    block
}

/// Makes the branches that enter a loop enter another block.
pub(super) fn enter_by(f: &mut Function, blocks: &[Block], entry: Block) {
    let header = blocks[0];
    for n in 0..f.layout.len() {
        let from = f.layout[n];
        let Some(i) = f.terminator(from).filter(|_| !blocks.contains(&from)) else {
            continue;
        };
        let targets: SmallVec<[&mut BlockCall; 2]> = match &mut f.insts[i].imm {
            Imm::Jump(t) => SmallVec::from_iter([t]),
            Imm::Branch(t, e) => SmallVec::from_iter([t, e]),
            _ => continue,
        };
        for t in targets.into_iter().filter(|t| t.block == header) {
            t.block = entry;
        }
    }
}

/// Goes on behind a vector loop that began with `before`: with `next` if there are turns left; back to the loop as it
/// was if the sign of a zero is not known.
fn leave(b: &mut Builder, plan: &Plan, before: &[Value], next: Block, done: Done, exit: Option<&Exit>) {
    let mut unsure: Option<Value> = None;
    for (k, c) in plan.shape.carried.iter().enumerate() {
        if matches!(c, Carried::Folded(Fold::PickFloat(_))) {
            let zero = b.fconst(b.func.ty(done.params[k]), 0.0);
            let is_zero = b.fcmp(FloatCC::Eq, done.params[k], zero);
            unsure = Some(match unsure {
                None => is_zero,
                Some(other) => b.op(Opcode::Bor, &[other, is_zero]),
            });
        }
    }
    if let Some(c) = unsure {
        let sure = b.create_block();
        b.br(c, (plan.shape.header, before), (sure, &[]));
        b.switch_to(sure);
    }
    match (done.more, exit) {
        (Some(more), Some(exit)) => b.br(more, (next, &done.params), (exit.block, &done.outs)),
        _ => b.jump(next, &done.params),
    }
}

/// Scalars of the first of the turns that are done at once: the instructions of the loop's block, copied where they are needed.
#[derive(Clone)]
pub(super) struct Scalars<'p> {
    shape: &'p Shape,
    pub known: HashMap<Value, Value>,
}

impl<'p> Scalars<'p> {
    /// With the loop's parameters as they are in that turn.
    pub fn new(shape: &'p Shape, params: &[Value]) -> Scalars<'p> {
        let known = shape.params.iter().copied().zip(params.iter().copied());
        Scalars {
            shape,
            known: known.collect(),
        }
    }

    pub fn get(&mut self, b: &mut Builder, v: Value) -> Value {
        if let Some(known) = self.known.get(&v) {
            return *known;
        }
        let Some(i) = b.func.def(v).filter(|_| self.shape.is_inside(v)) else {
            return v;
        };
        let InstData {
            op, ty, args, imm, ..
        } = b.func.insts[i].clone();
        let args: Vec<Value> = args.iter().map(|&a| self.get(b, a)).collect();
        let result = b.func.ty(v);
        let copy = b.push(op, ty, &args, imm, &[result]);
        let made = b.func.insts[copy].results[0];
        self.known.insert(v, made);
        made
    }
}

/// Whether the arrays are where vectors may be used; `None` if they always are.
fn all_conditions(b: &mut Builder, plan: &Plan, params: &[Value]) -> Option<Value> {
    let mut scalars = Scalars::new(&plan.shape, params);
    let mut all: Option<Value> = None;
    for c in &plan.conditions {
        let holds = match *c {
            Condition::Ordered {
                a,
                b: second,
                low,
                high,
            } => {
                let (a, second) = (scalars.get(b, a), scalars.get(b, second));
                let apart = b.op(Opcode::Isub, &[second, a]);
                let first = b.iconst(Ty::I64, low + 1);
                let from_first = b.op(Opcode::Isub, &[apart, first]);
                let count = b.iconst(Ty::I64, high - low - 1);
                b.icmp(IntCC::Uge, from_first, count)
            }
            Condition::Fits { value, ty, op } => {
                let narrow = b.convert(Opcode::Trunc, ty, value);
                let again = b.convert(op, b.func.ty(value), narrow);
                b.icmp(IntCC::Eq, value, again)
            }
            Condition::Apart(x, y) => {
                let turns = most_turns(b, &plan.shape, &mut scalars);
                let [x, y] = [x, y].map(|p| range(b, &plan.shape, &mut scalars, &p, turns));
                let below = b.icmp(IntCC::Ule, x.1, y.0);
                let above = b.icmp(IntCC::Ule, y.1, x.0);
                b.op(Opcode::Bor, &[below, above])
            }
        };
        all = Some(match all {
            None => holds,
            Some(others) => b.op(Opcode::Band, &[others, holds]),
        });
    }
    all
}

/// The number of turns, or more.
fn most_turns(b: &mut Builder, shape: &Shape, scalars: &mut Scalars<'_>) -> Value {
    let (test, limit) = (scalars.get(b, shape.test), scalars.get(b, shape.limit));
    let left = match shape.step > 0 {
        true => b.op(Opcode::Isub, &[limit, test]),
        false => b.op(Opcode::Isub, &[test, limit]),
    };
    let (none, one) = (b.iconst(Ty::I64, 0), b.iconst(Ty::I64, 1));
    let left = b.op(Opcode::Smax, &[left, none]);
    b.op(Opcode::Iadd, &[left, one])
}

/// The addresses between which a place lies.
fn range(
    b: &mut Builder,
    shape: &Shape,
    scalars: &mut Scalars<'_>,
    p: &Place,
    turns: Value,
) -> (Value, Value) {
    let (first, last) = match &shape.inner {
        Some(inner) if p.inner => inner.ends(b, scalars, p.addr),
        _ => {
            let addr = scalars.get(b, p.addr);
            (addr, addr)
        }
    };
    let (low, high) = (b.iconst(Ty::I64, p.low), b.iconst(Ty::I64, p.high));
    let step = b.iconst(Ty::I64, p.step);
    let bytes = b.op(Opcode::Imul, &[turns, step]);
    let end = b.op(Opcode::Iadd, &[last, bytes]);
    (
        b.op(Opcode::Iadd, &[first, low]),
        b.op(Opcode::Iadd, &[end, high]),
    )
}

/// A loop that does `w` turns at once while that many are left, without an exit one more.
fn vector_loop(
    b: &mut Builder,
    plan: &Plan,
    w: u32,
    params: &[Value],
    otherwise: &Target,
    exit: Option<&Exit>,
) -> Done {
    let shape = &plan.shape;
    let mut scalars = Scalars::new(shape, params);
    let (test, limit) = (scalars.get(b, shape.test), scalars.get(b, shape.limit));
    // `test cc limit` in a turn is what the next one needs.
    let last = i64::from(w - 1).wrapping_mul(shape.step);
    let last_limit = step_by(b, limit, last.wrapping_neg());
    let first_limit = match exit {
        Some(_) => step_by(b, limit, shape.step.wrapping_sub(last)),
        None => last_limit,
    };
    let exact = b.icmp(shape.cc, last_limit, limit);
    let enough = b.icmp(shape.cc, test, first_limit);
    let enough = b.op(Opcode::Band, &[exact, enough]);
    let (before, body, after) = (b.create_block(), b.create_block(), b.create_block());
    b.br(enough, (before, &[]), (otherwise.block, &otherwise.args));

    b.switch_to(before);
    let mut lanes = Lanes::new(plan, w);
    lanes.prepare(b, &mut scalars);
    let (first, carried) = begin(b, shape, &mut lanes, params, body);
    b.jump(body, &first);

    b.switch_to(body);
    let parts = parts(shape, &lanes);
    let mut scalars = nest::body(b, plan, &mut lanes, &carried);
    if let Some(pass) = lanes.guards.all(b) {
        let (stores, one_by_one) = (b.create_block(), b.create_cold_block());
        b.br(pass, (stores, &[]), (one_by_one, &[]));
        b.switch_to(one_by_one);
        let first = first_turn(b, shape, params, &carried, &parts);
        b.jump(shape.header, &first);
        b.switch_to(stores);
        lanes.store_late(b, &mut scalars);
    }
    let in_order = ordered::emit(b, shape, &mut lanes, &mut scalars, (w, &carried));
    let (mut again, mut done) = (vec![], params.to_vec());
    for (k, c) in shape.carried.iter().enumerate() {
        match c {
            Carried::Same => {}
            Carried::Counter(step) => {
                done[k] = step_by(b, carried[k], step.wrapping_mul(i64::from(w)));
                again.push(done[k]);
            }
            Carried::Folded(_) => again.extend(lanes.of(b, &mut scalars, shape.next[k])),
            Carried::Ordered => {
                done[k] = in_order[k];
                again.push(done[k]);
            }
        }
    }
    let test = scalars.get(b, shape.test);
    let test = match exit {
        Some(_) => step_by(b, test, last),
        None => step_by(b, test, last.wrapping_add(shape.step)),
    };
    let more = b.icmp(shape.cc, test, last_limit);
    b.br(more, (body, &again), (after, &[]));

    b.switch_to(after);
    for (k, c) in shape.carried.iter().enumerate() {
        if let Carried::Folded(fold) = c {
            let parts = lanes.of(b, &mut scalars, shape.next[k]);
            done[k] = total(b, *fold, params[k], &parts);
        }
    }
    Done {
        more: exit.map(|_| b.icmp(shape.cc, test, limit)),
        outs: exit.map_or(vec![], |e| e.outs(b, plan, &done)),
        params: done,
    }
}

/// The parameters of a vector loop's block: counters, and the parts of what is folded. What it is entered with, and
/// the loop's own parameters in it.
fn begin(
    b: &mut Builder,
    shape: &Shape,
    lanes: &mut Lanes<'_>,
    params: &[Value],
    body: Block,
) -> (Vec<Value>, Vec<Value>) {
    let (mut first, mut carried) = (vec![], params.to_vec());
    for (k, c) in shape.carried.iter().enumerate() {
        match c {
            Carried::Same => {}
            Carried::Counter(_) => {
                first.push(params[k]);
                carried[k] = b.func.append_param(body, Ty::I64);
            }
            Carried::Ordered => {
                first.push(params[k]);
                carried[k] = b.func.append_param(body, b.func.ty(params[k]));
            }
            Carried::Folded(fold) => {
                let start = start(b, *fold, params[k]);
                let count = lanes.registers(b.func.ty(params[k]));
                first.extend(std::iter::repeat_n(start, count));
                let ty = b.func.ty(start);
                let parts: Vec<Value> = (0..count).map(|_| b.func.append_param(body, ty)).collect();
                lanes.set(shape.params[k], b.func.ty(params[k]), &parts);
            }
        }
    }
    (first, carried)
}

/// The parts of what is folded, as an iteration begins.
fn parts(shape: &Shape, lanes: &Lanes<'_>) -> Vec<Registers> {
    let known = |p| lanes.known.get(p).map(|w| w.registers.clone());
    shape
        .params
        .iter()
        .map(|p| known(p).unwrap_or_default())
        .collect()
}

/// The loop's parameters in the first turn of an iteration. Zeros of which only the loop as it was knows the sign are left
/// to it from the start: nothing is stored then.
fn first_turn(
    b: &mut Builder,
    shape: &Shape,
    params: &[Value],
    carried: &[Value],
    parts: &[Registers],
) -> Vec<Value> {
    if shape
        .carried
        .iter()
        .any(|c| matches!(c, Carried::Folded(Fold::PickFloat(_))))
    {
        return params.to_vec();
    }
    let mut first = carried.to_vec();
    for (k, c) in shape.carried.iter().enumerate() {
        if let Carried::Folded(fold) = c {
            first[k] = total(b, *fold, params[k], &parts[k]);
        }
    }
    first
}

pub(super) fn step_by(b: &mut Builder, v: Value, n: i64) -> Value {
    let n = b.iconst(Ty::I64, n);
    b.op(Opcode::Iadd, &[v, n])
}

/// What a part begins with.
fn start(b: &mut Builder, fold: Fold, carried: Value) -> Value {
    let ty = b.func.ty(carried);
    let first = fold.neutral(b, ty).unwrap_or(carried);
    b.splat(first)
}

/// The parts put together, with what was carried in.
fn total(b: &mut Builder, fold: Fold, carried: Value, parts: &[Value]) -> Value {
    let mut sum = parts[0];
    for &x in &parts[1..] {
        sum = join(b, fold, sum, x);
    }
    let mut out = b.extract(sum, 0);
    for n in 1..b.func.ty(sum).lanes() {
        let x = b.extract(sum, n);
        out = join(b, fold, out, x);
    }
    match fold.has_neutral() {
        true => join(b, fold, carried, out),
        false => out,
    }
}

fn join(b: &mut Builder, fold: Fold, x: Value, y: Value) -> Value {
    match fold {
        Fold::By(op) => b.op(op, &[x, y]),
        Fold::Pick(cc) => {
            let c = b.icmp(cc, x, y);
            b.select(c, x, y)
        }
        Fold::PickFloat(cc) => {
            let c = b.fcmp(cc, y, x);
            b.select(c, y, x)
        }
    }
}
