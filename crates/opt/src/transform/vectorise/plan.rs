//! What a vector iteration computes, how many turns it does, and whether that pays.

use std::collections::HashSet;

use numlift_mir::{Function, Imm, Inst, IntCC, Opcode, Ty, Value, ValueDef};
use smallvec::SmallVec;

use super::alias::{Condition, conditions};
use super::calls;
use super::nest;
use super::ordered;
use super::reduction::Fold;
use super::shape::{Carried, Kind, Reason, Shape};
use crate::analysis::scev::ScalarEvolution;

/// A loop that is vectorised.
pub(super) struct Plan {
    pub shape: Shape,
    /// Values of which the lanes of all turns are needed.
    pub wide: HashSet<Value>,
    pub conditions: Vec<Condition>,
    /// Turns of a vector iteration: of the main loop, and of one for what it leaves.
    pub turns: u32,
    pub rest: u32,
}

/// Vector registers that hold a value at most.
const MAX_REGISTERS: u32 = 8;
/// Vector instructions of an iteration at most.
const MAX_SIZE: u32 = 160;
const MAX_SIZE_WITH_CALLS: u32 = 1200;
/// Turns at least where kernels are called.
const CALL_TURNS: u32 = 8;

impl Plan {
    pub fn make(f: &Function, scev: &ScalarEvolution<'_>, shape: Shape) -> Result<Plan, Reason> {
        let wide = wide_values(f, &shape)?;
        let (least, most) = sizes(f, &shape, &wide).ok_or("it has no elements")?;
        let mut rest = 16 / least;
        let mut cost = Cost::of(f, &shape, &wide, rest)?;
        if !shape.chain.is_empty() && !ordered::pays(f, &shape, cost.apart) {
            return Err(shape.in_order(f));
        }
        if cost.vector * 10 >= cost.scalar * 9 {
            return Err("vectors would not be faster".into());
        }
        let calls = shape.blocks.iter().any(|b| calls::any(f, &f.blocks[*b].insts));
        // A kernel is called for several registers.
        let (mut unroll, max_size) = match (calls, cost.size) {
            (true, _) => (8, MAX_SIZE_WITH_CALLS),
            // Sums of more registers hide that each waits for its last addition.
            (false, 0..=8) if shape.inner.is_some() => (8, MAX_SIZE),
            (false, 0..=8) => (4, MAX_SIZE),
            (false, 9..=20) => (2, MAX_SIZE),
            (false, _) => (1, MAX_SIZE),
        };
        if calls {
            let more = (CALL_TURNS / rest).max(1);
            (rest, cost.size, unroll) = (rest * more, cost.size * more, unroll / more);
        }
        let mut turns = rest * unroll.max(1);
        while turns > rest && (turns * most / 16 > MAX_REGISTERS || cost.size * (turns / rest) > max_size) {
            turns /= 2;
        }
        if cost.size > max_size {
            return Err("its body is long".into());
        }
        let mut reason = None;
        let conditions = loop {
            match conditions(scev, &shape, turns) {
                Ok(c) => break c,
                Err(e) if turns == rest => return Err(reason.unwrap_or(e)),
                Err(e) => {
                    reason.get_or_insert(e);
                    turns /= 2;
                }
            }
        };
        let mut conditions = conditions;
        conditions.extend(fitting(f, &shape, &wide));
        Ok(Plan {
            shape,
            wide,
            conditions,
            turns,
            rest,
        })
    }

    /// Turns of the vector iterations before the one for the rest. A nest has one more between: what the main loop leaves
    /// there runs through the inner loop as often as that has turns.
    pub fn widths(&self) -> SmallVec<[u32; 2]> {
        let between = self.turns / 4;
        match (
            self.turns > self.rest,
            self.shape.inner.is_some() && between > self.rest,
        ) {
            (false, _) => SmallVec::new(),
            (true, false) => SmallVec::from_slice(&[self.turns]),
            (true, true) => SmallVec::from_slice(&[self.turns, between]),
        }
    }
}

/// The values that are needed in lanes, starting from what is stored and folded.
fn wide_values(f: &Function, shape: &Shape) -> Result<HashSet<Value>, Reason> {
    let mut wide = HashSet::new();
    let mut work: Vec<Value> = vec![];
    let mut repeats = false;
    for (k, c) in shape.carried.iter().enumerate() {
        if let Carried::Folded(fold) = c {
            work.extend([shape.params[k], shape.next[k]]);
            repeats |= matches!(fold, Fold::PickFloat(_));
        }
    }
    for a in shape.accesses.iter().filter(|a| a.store) {
        if repeats {
            return Err("it stores, and folds floats whose zeros have signs".into());
        }
        work.push(f.insts[a.inst].args[0]);
    }
    work.extend(shape.guards.iter().map(|i| f.insts[*i].args[0]));
    work.extend(ordered::inputs(f, shape));
    while let Some(v) = work.pop() {
        if !wide.insert(v) || shape.kind(v) != Kind::Varying {
            continue;
        }
        match f.values[v].def {
            ValueDef::Result(i, _) => work.extend(operands(f, shape, i)?),
            ValueDef::Param(b, k) => work.extend(nest::passed(f, shape, b, usize::from(k))),
        }
    }
    Ok(wide)
}

/// A comparison of a truth value with 0: whether it is the opposite.
pub(super) fn negates(f: &Function, shape: &Shape, i: Inst) -> Option<bool> {
    let d = &f.insts[i];
    match (&d.imm, f.int_const(*d.args.get(1)?)) {
        (Imm::IntCC(cc @ (IntCC::Eq | IntCC::Ne)), Some(0)) if shape.truths.contains(&d.args[0]) => {
            Some(*cc == IntCC::Eq)
        }
        _ => None,
    }
}

/// A comparison of integers that were made wider, with one from outside: if that fits, as narrow as they were.
pub(super) struct Narrowed {
    pub value: Value,
    pub limit: Value,
    pub cc: IntCC,
    pub op: Opcode,
}

pub(super) fn narrowed(f: &Function, shape: &Shape, i: Inst) -> Option<Narrowed> {
    let d = &f.insts[i];
    let &Imm::IntCC(mut cc) = &d.imm else { return None };
    let (mut wide, mut limit) = (d.args[0], d.args[1]);
    if shape.kind(wide) != Kind::Varying {
        (wide, limit) = (limit, wide);
        cc = cc.swapped();
    }
    if shape.is_inside(limit) {
        return None;
    }
    let source = &f.insts[f.def(wide).filter(|_| shape.kind(wide) == Kind::Varying)?];
    let value = *source.args.first()?;
    let cc = match (source.op, cc) {
        (Opcode::Sext | Opcode::Zext, IntCC::Eq | IntCC::Ne) => cc,
        (Opcode::Sext, IntCC::Slt | IntCC::Sle | IntCC::Sgt | IntCC::Sge) => cc,
        (Opcode::Zext, IntCC::Slt) => IntCC::Ult,
        (Opcode::Zext, IntCC::Sle) => IntCC::Ule,
        (Opcode::Zext, IntCC::Sgt) => IntCC::Ugt,
        (Opcode::Zext, IntCC::Sge) => IntCC::Uge,
        _ => return None,
    };
    let bits = f.ty(value).bits();
    let fits = |n: i64| match source.op {
        Opcode::Sext => f.ty(value).wrap(n) == n,
        _ => (0..1 << bits).contains(&n),
    };
    let possible = f.int_const(limit).is_none_or(fits) && !shape.truths.contains(&value);
    possible.then_some(Narrowed {
        value,
        limit,
        cc,
        op: source.op,
    })
}

/// What the comparisons that are done in fewer bits need.
fn fitting(f: &Function, shape: &Shape, wide: &HashSet<Value>) -> Vec<Condition> {
    let insts = shape.blocks.iter().flat_map(|b| &f.blocks[*b].insts);
    let done = insts.filter(|i| f.insts[**i].results.iter().any(|v| wide.contains(v)));
    let narrow = done.filter_map(|&i| narrowed(f, shape, i));
    let mut seen = HashSet::new();
    narrow
        .filter(|n| f.int_const(n.limit).is_none() && seen.insert((n.limit, f.ty(n.value), n.op)))
        .map(|n| Condition::Fits {
            value: n.limit,
            ty: f.ty(n.value),
            op: n.op,
        })
        .collect()
}

fn is_comparison(f: &Function, i: Inst) -> bool {
    matches!(f.insts[i].op, Opcode::Icmp | Opcode::Fcmp)
}

/// The integer of 32 bits or less that a conversion to float starts from, and how it is made wider.
pub(super) fn small_source(f: &Function, shape: &Shape, v: Value) -> Option<(Value, Opcode)> {
    if f.ty(v) == Ty::I32 {
        return Some((v, Opcode::Sext));
    }
    let d = &f.insts[f.def(v)?];
    let from = *d.args.first()?;
    let fits = match d.op {
        Opcode::Sext => f.ty(from).bits() <= 32,
        Opcode::Zext => f.ty(from).bits() < 32,
        _ => false,
    };
    (fits && shape.kind(v) == Kind::Varying && !shape.truths.contains(&from)).then_some((from, d.op))
}

/// The operands of an instruction that are needed in lanes.
pub(super) fn operands(f: &Function, shape: &Shape, i: Inst) -> Result<SmallVec<[Value; 4]>, Reason> {
    let d = &f.insts[i];
    let all = || Ok(d.args.clone());
    match d.op {
        Opcode::Load => Ok(SmallVec::new()),
        Opcode::CallHelper if calls::kernel(f, i).is_some() => all(),
        Opcode::Icmp => match (negates(f, shape, i), narrowed(f, shape, i)) {
            (Some(_), _) => Ok(SmallVec::from_slice(&d.args[..1])),
            (None, Some(n)) => Ok(SmallVec::from_slice(&[n.value])),
            (None, None) => all(),
        },
        Opcode::Ishl | Opcode::Sshr | Opcode::Ushr => match shape.kind(d.args[1]) {
            Kind::Uniform => Ok(SmallVec::from_slice(&d.args[..1])),
            _ => Err("it shifts by different amounts".into()),
        },
        Opcode::StoF => match (small_source(f, shape, d.args[0]), d.ty) {
            (Some((from, _)), _) => Ok(SmallVec::from_slice(&[from])),
            (None, Ty::F64) => all(),
            _ => Err("it converts 64-bit integers to float32".into()),
        },
        Opcode::Bitcast if f.ty(d.args[0]).bits() == d.ty.bits() => all(),
        Opcode::Iadd
        | Opcode::Isub
        | Opcode::Imul
        | Opcode::Ineg
        | Opcode::Band
        | Opcode::Bor
        | Opcode::Bxor
        | Opcode::Bnot
        | Opcode::Smin
        | Opcode::Smax
        | Opcode::Fadd
        | Opcode::Fsub
        | Opcode::Fmul
        | Opcode::Fdiv
        | Opcode::Fneg
        | Opcode::Fabs
        | Opcode::Fsqrt
        | Opcode::Ffloor
        | Opcode::Fceil
        | Opcode::Ftrunc
        | Opcode::Fnearest
        | Opcode::Fcopysign
        | Opcode::Fcmp
        | Opcode::Select
        | Opcode::Sext
        | Opcode::Zext
        | Opcode::Trunc
        | Opcode::Fpromote
        | Opcode::Fdemote => all(),
        Opcode::Sdiv | Opcode::Srem | Opcode::Udiv | Opcode::Urem => Err("it divides integers".into()),
        op => Err(format!("there is no vector instruction for `{}`", op.name())),
    }
}

/// The least and the greatest size of what has lanes, in bytes.
fn sizes(f: &Function, shape: &Shape, wide: &HashSet<Value>) -> Option<(u32, u32)> {
    let values = wide.iter().filter(|&&v| shape.kind(v) == Kind::Varying);
    let lanes = values.filter(|&&v| !shape.truths.contains(&v)).map(|&v| f.ty(v));
    // What is compared has lanes even if the result alone is not a constant.
    let compared = wide.iter().filter(|&&v| shape.truths.contains(&v));
    let compared = compared.filter_map(|&v| f.def(v));
    let compared = compared.filter(|&i| is_comparison(f, i) && negates(f, shape, i).is_none());
    let compared = compared.map(|i| match narrowed(f, shape, i) {
        Some(n) => f.ty(n.value),
        None => f.insts[i].ty,
    });
    let stored = shape.accesses.iter().filter(|a| a.store).map(|a| a.ty);
    let sizes = lanes.chain(compared).chain(stored).map(|t| t.bytes());
    let (least, most) = sizes.fold((16, 0), |(l, m), n| (l.min(n), m.max(n)));
    (most > 0).then_some((least, most))
}

/// What an iteration takes, in instructions of about the same time.
struct Cost {
    scalar: u32,
    vector: u32,
    /// vector instructions
    size: u32,
    /// A turn's share of what is done in lanes, where long operations decide.
    apart: u32,
}

impl Cost {
    fn of(f: &Function, shape: &Shape, wide: &HashSet<Value>, turns: u32) -> Result<Cost, Reason> {
        let mut cost = Cost {
            scalar: 0,
            vector: 0,
            size: 0,
            apart: 0,
        };
        let mut short = 0;
        // Of a nest, only what is inside counts.
        let hot = shape.inner.as_ref().map_or(shape.header, |n| n.block);
        for &i in &f.blocks[hot].insts {
            let d = &f.insts[i];
            let done_wide = match d.results.first() {
                Some(v) => wide.contains(v) && shape.kind(*v) == Kind::Varying,
                None => matches!(d.op, Opcode::Store | Opcode::Guard),
            };
            let (one, all) = weights(f, shape, i);
            cost.scalar += one * turns;
            if d.results.iter().any(|v| shape.chain.contains(v)) {
                // and an element taken out of a vector
                cost.vector += (one + 1) * turns;
                cost.size += 2 * turns;
                continue;
            }
            if !done_wide {
                // addresses and the counter, once for all turns; what only leaves the loop is not computed
                cost.vector += 1;
                continue;
            }
            match one {
                LONG.. => cost.apart += one,
                _ => short += one,
            }
            let bytes = d
                .args
                .iter()
                .map(|v| f.ty(*v))
                .chain([d.ty])
                .map(|t| t.bytes())
                .max();
            let bytes = if d.op == Opcode::Load {
                d.ty.bytes()
            } else {
                bytes.unwrap_or(8)
            };
            let bytes = if d.op == Opcode::Store {
                d.ty.bytes()
            } else {
                bytes
            };
            let bytes = narrowed(f, shape, i).map_or(bytes, |n| f.ty(n.value).bytes());
            let registers = (turns * bytes).div_ceil(16);
            cost.vector += registers * all;
            cost.size += registers;
        }
        cost.apart += short / 4;
        Ok(cost)
    }
}

/// Operations that take as long are not begun in every cycle.
const LONG: u32 = 5;

/// The time of an instruction on one turn, and on a register of lanes.
fn weights(f: &Function, shape: &Shape, i: Inst) -> (u32, u32) {
    let d = &f.insts[i];
    match (d.op, d.ty) {
        (Opcode::Imul, Ty::I64) => (1, 6),
        (Opcode::Imul, Ty::I8) => (1, 40),
        (Opcode::Sshr, Ty::I64) | (Opcode::Sshr | Opcode::Ushr | Opcode::Ishl, Ty::I8) => (1, 5),
        (Opcode::Smin | Opcode::Smax, Ty::I64) => (2, 3),
        (Opcode::StoF, Ty::F64) if small_source(f, shape, d.args[0]).is_none() => (1, 6),
        (Opcode::Trunc, Ty::I8 | Ty::I16) => (1, 3),
        (Opcode::Fdiv | Opcode::Fsqrt, _) => (5, 6),
        (Opcode::Select, _) => (2, 2),
        (Opcode::Fcopysign, _) => (2, 2),
        (Opcode::CallHelper, _) => (24, 16),
        _ => (1, 1),
    }
}
