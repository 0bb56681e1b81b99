//! Overflow checks of numbers that are known not to be negative: one comparison with the largest number for
//! which nothing overflows, instead of a check at each step.
//!
//! Before, where `v0` is not negative and `v1` in 0..=9:
//! ```text
//! block1:
//!   v4 = imul_chk v0, v3 (v2) site0         ; v3 is 10
//!   v5 = iadd_chk v4, v1 (v2) site1
//!   ...
//! ```
//! After:
//! ```text
//! block1:
//!   v6 = icmp.i64 ule v0, v7                ; v7: (2**63 - 1 - 9) / 10
//!   br v6, block2, block3
//! block2:
//!   v4 = imul.i64 v0, v3
//!   v5 = iadd.i64 v4, v1
//!   ...
//! block3: (cold)
//!   v8 = imul_chk v0, v3 (v2) site0
//!   v9 = iadd_chk v8, v1 (v2) site1
//!   jump block2
//! ```
//! Beyond that number the checks decide. A single step by constants is exact: it becomes a guard. So does a sum
//! with a number that is not negative: it overflows if it is below the other one.

use numlift_mir::{
    Block, BlockData, ControlFlowGraph, DominatorTree, Function, Inst, InstData, IntCC, Opcode, Ty, Value,
};
use smallvec::SmallVec;

use super::clone::{Copies, copy_inst};
use super::emit::Emit;
use super::speculation;
use crate::analysis::range::{Dir, Place, Ranges};
use crate::{Pass, PassContext};

pub const PASS: Pass = Pass {
    name: "overflow",
    doc: "Compares a number once instead of checking each step of what is computed from it.",
    run,
};

/// Steps that one comparison stands for.
const MAX_STEPS: usize = 8;
/// Instructions of a block among which its steps are.
const MAX_WINDOW: usize = 32;
/// Numbers that reach the limit are rare if it is at least this.
const MIN_LIMIT: i64 = 1 << 31;

pub fn run(f: &mut Function, context: &mut PassContext) {
    if !f
        .layout
        .iter()
        .any(|b| f.blocks[*b].insts.iter().any(|i| is_step(f, *i)))
    {
        return;
    }
    let cfg = ControlFlowGraph::compute(f);
    let dom = DominatorTree::compute(&cfg);
    let plans: Vec<Plan> = {
        let ranges = Ranges::compute(f, &cfg, &dom);
        let hot = f.layout.iter().filter(|b| !f.blocks[**b].cold);
        hot.flat_map(|&b| plan_block(f, &ranges, b)).collect()
    };
    for plan in plans {
        if context.rewrite() {
            plan.apply(f);
        }
    }
}

fn is_step(f: &Function, i: Inst) -> bool {
    matches!(f.insts[i].op, Opcode::IaddChk | Opcode::IsubChk | Opcode::ImulChk)
}

enum Plan {
    /// The check fails unless this comparison holds.
    Guard { home: Block, step: Inst, test: Test },
    /// None of the steps fails where the number is at most the limit.
    Limit {
        home: Block,
        of: Value,
        steps: Vec<Inst>,
        limit: i64,
    },
}

#[derive(Clone, Copy)]
enum Test {
    AtMost(Value, i64),
    /// The result is not below this operand.
    NotBelow(Value),
}

/// Plans of a block, the last one first: each leaves what is before it where it is.
fn plan_block(f: &Function, ranges: &Ranges<'_>, home: Block) -> Vec<Plan> {
    let mut plans: Vec<Plan> = Vec::new();
    let mut done: Vec<Inst> = Vec::new();
    for &i in &f.blocks[home].insts {
        if !is_step(f, i) || done.contains(&i) {
            continue;
        }
        let chain = chain(f, ranges, home, i);
        let plan = match chain {
            Some(c) if c.steps.len() > 1 => Some(c.limited(home)),
            c => guarded(f, ranges, home, i, c),
        };
        if let Some(Plan::Limit { steps, .. }) = &plan {
            done.extend_from_slice(steps);
        }
        plans.extend(plan);
    }
    plans.reverse();
    plans
}

/// Steps from a number `x >= 0`: the value of the last one is `x * factor + low..=high`.
struct Chain {
    of: Value,
    steps: Vec<Inst>,
    factor: i128,
    low: i128,
    high: i128,
    /// The largest `x` for which no step overflows.
    limit: i128,
}

impl Chain {
    fn limited(self, home: Block) -> Plan {
        Plan::Limit {
            home,
            of: self.of,
            steps: self.steps,
            limit: self.limit as i64,
        }
    }

    /// Goes one step on, if that cannot fail for small numbers.
    fn step(&mut self, f: &Function, ranges: &Ranges<'_>, i: Inst, at: Place, value: Value) -> bool {
        let d = &f.insts[i];
        let Some(n) = (0..2).find(|n| d.args[*n] == value && d.args[1 - n] != value) else {
            return false;
        };
        let other = d.args[1 - n];
        let Some((low, high)) = ranges
            .bounds(other, at)
            .map(|(a, b)| (i128::from(a), i128::from(b)))
        else {
            return false;
        };
        let (factor, low, high) = match d.op {
            Opcode::IaddChk => (self.factor, self.low + low, self.high + high),
            Opcode::IsubChk if n == 0 => (self.factor, self.low - high, self.high - low),
            Opcode::ImulChk if low == high && low > 1 => (self.factor * low, self.low * low, self.high * low),
            _ => return false,
        };
        let (min, max) = (i128::from(i64::MIN), i128::from(i64::MAX));
        let limit = self.limit.min((max - high).div_euclid(factor));
        if low < min || limit < i128::from(MIN_LIMIT) {
            return false;
        }
        *self = Chain {
            factor,
            low,
            high,
            limit,
            of: self.of,
            steps: std::mem::take(&mut self.steps),
        };
        self.steps.push(i);
        true
    }
}

/// The steps that begin with one, with nothing in between that has an effect.
fn chain(f: &Function, ranges: &Ranges<'_>, home: Block, first: Inst) -> Option<Chain> {
    let at = ranges.before(home, first);
    let of = f.insts[first].args[..2]
        .iter()
        .copied()
        .find(|&v| f.int_const(v).is_none() && ranges.holds(Dir::Ge, v, None, 0, at))?;
    let mut chain = Chain {
        of,
        steps: Vec::new(),
        factor: 1,
        low: 0,
        high: 0,
        limit: i64::MAX.into(),
    };
    if !chain.step(f, ranges, first, at, of) {
        return None;
    }
    let rest = f.blocks[home].insts.iter().skip_while(|i| **i != first).skip(1);
    for &i in rest.take(MAX_WINDOW - 1) {
        let value = f.insts[chain.steps[chain.steps.len() - 1]].results[0];
        let next = is_step(f, i) && chain.steps.len() < MAX_STEPS;
        let next = next && recorded_before(f, home, first, i, &chain.steps);
        if !(next && chain.step(f, ranges, i, at, value)) && f.has_effect(i) {
            break;
        }
    }
    Some(chain)
}

/// Whether all that a step uses is or can be computed before the first one, but for the results of steps.
fn recorded_before(f: &Function, home: Block, first: Inst, i: Inst, steps: &[Inst]) -> bool {
    let bound = dependent(f, home, first);
    let unwound = f.insts[i].unwound();
    f.insts[i]
        .args
        .iter()
        .copied()
        .chain(unwound)
        .all(|v| f.def(v).is_none_or(|d| !bound.contains(&d) || steps.contains(&d)))
}

/// The instructions of a block that cannot be moved before one of them: itself, what depends on it, and what
/// is not safe to move.
fn dependent(f: &Function, home: Block, first: Inst) -> Vec<Inst> {
    let mut out: Vec<Inst> = Vec::new();
    let window = f.blocks[home].insts.iter().skip_while(|i| **i != first);
    for &i in window.take(MAX_WINDOW) {
        let depends = f
            .uses(i)
            .into_iter()
            .any(|v| f.def(v).is_some_and(|d| out.contains(&d)));
        if i == first || depends || !speculation::is_safe(f, i) {
            out.push(i);
        }
    }
    out
}

/// The comparison that says exactly whether one step fails.
fn guarded(f: &Function, ranges: &Ranges<'_>, home: Block, i: Inst, chain: Option<Chain>) -> Option<Plan> {
    let d = &f.insts[i];
    let at = ranges.before(home, i);
    let (a, b) = (d.args[0], d.args[1]);
    let not_negative = |v: Value| f.int_const(v).is_none() && ranges.holds(Dir::Ge, v, None, 0, at);
    let test = match d.op {
        Opcode::ImulChk if a == b && not_negative(a) => Some(Test::AtMost(a, 3_037_000_499)),
        Opcode::ImulChk => chain.map(|c| Test::AtMost(c.of, c.limit as i64)),
        // Code for constants compares as well.
        Opcode::IaddChk if f.int_const(a).is_none() && f.int_const(b).is_none() => {
            let small = [(b, a), (a, b)].into_iter().find(|(x, _)| not_negative(*x));
            small.map(|(_, other)| Test::NotBelow(other))
        }
        _ => None,
    };
    test.map(|test| Plan::Guard { home, step: i, test })
}

impl Plan {
    fn apply(self, f: &mut Function) {
        match self {
            Plan::Guard { home, step, test } => guard(f, home, step, test),
            Plan::Limit {
                home,
                of,
                steps,
                limit,
            } => compare(f, home, of, &steps, limit),
        }
    }
}

/// Takes the check from a step.
fn uncheck(f: &mut Function, step: Inst) {
    let d = &mut f.insts[step];
    d.uncheck(match d.op {
        Opcode::IaddChk => Opcode::Iadd,
        Opcode::IsubChk => Opcode::Isub,
        _ => Opcode::Imul,
    });
}

fn guard(f: &mut Function, home: Block, step: Inst, test: Test) {
    let InstData {
        args,
        imm,
        unwind,
        line,
        ..
    } = f.insts[step].clone();
    let at = f.blocks[home].insts.iter().position(|i| *i == step);
    let rest = f.blocks[home].insts.split_off(at.unwrap_or(0) + 1);
    f.blocks[home].insts.pop();
    let result = f.insts[step].results[0];
    if let Test::NotBelow(_) = test {
        f.blocks[home].insts.push(step);
    }
    uncheck(f, step);
    let mut e = Emit { f, block: home, line };
    let holds = match test {
        Test::AtMost(v, n) => {
            let limit = e.constant(Ty::I64, n);
            e.compare(IntCC::Ule, v, limit)
        }
        Test::NotBelow(v) => e.compare(IntCC::Sge, result, v),
    };
    let mut recorded: SmallVec<[Value; 4]> = SmallVec::from_slice(&[holds]);
    recorded.extend_from_slice(&args[2..]);
    let check = f.insts.push(InstData {
        op: Opcode::Guard,
        ty: Ty::I8,
        args: recorded,
        imm,
        results: SmallVec::new(),
        unwind,
        line,
    });
    f.blocks[home].insts.push(check);
    if let Test::AtMost(..) = test {
        f.blocks[home].insts.push(step);
    }
    f.blocks[home].insts.extend(rest);
}

fn compare(f: &mut Function, home: Block, of: Value, steps: &[Inst], limit: i64) {
    let line = f.insts[steps[0]].line;
    let at = f.blocks[home].insts.iter().position(|i| *i == steps[0]);
    let bound = dependent(f, home, steps[0]);
    let rest = f.blocks[home].insts.split_off(at.unwrap_or(0));
    let last = rest.iter().rposition(|i| steps.contains(i)).unwrap_or(0);
    let moves = |n: usize, i: &Inst| n < last && !bound.contains(i);
    let place = |(n, i): (usize, Inst)| (i, moves(n, &i));
    let (before, rest): (Vec<_>, Vec<_>) = rest.into_iter().enumerate().map(place).partition(|p| p.1);
    let [before, rest] = [before, rest].map(|part| part.into_iter().map(|p| p.0).collect::<Vec<Inst>>());
    f.blocks[home].insts.extend(before);
    let next = f.blocks.push(BlockData {
        cold: f.blocks[home].cold,
        insts: rest,
        ..BlockData::default()
    });
    let slow = f.blocks.push(BlockData {
        cold: true,
        ..BlockData::default()
    });
    let mut copies = Copies::default();
    for &i in steps {
        let copy = copy_inst(f, i, &mut copies);
        f.map_uses(copy, |v| copies.value(v));
        f.blocks[slow].insts.push(copy);
        uncheck(f, i);
    }
    Emit { f, block: slow, line }.jump(next, &[]);
    let mut e = Emit { f, block: home, line };
    let limit = e.constant(Ty::I64, limit);
    let small = e.compare(IntCC::Ule, of, limit);
    e.branch(small, next, slow);
    let at = f
        .layout
        .iter()
        .position(|b| *b == home)
        .map_or(f.layout.len(), |n| n + 1);
    f.layout.insert(at, next);
    f.layout.push(slow);
}
