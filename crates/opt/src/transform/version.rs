//! Loop versioning: conditions before a loop nest select a copy in which checks are left out.
//!
//! Before (`v1` is the extent of an array, `v2` the limit of the loop, which nobody has compared):
//! ```text
//!   jump block1(v0)                       ; 0
//! block1(v3: i64):
//!   v4 = index_check v3, v1 (v3, v1) site0
//!   ...
//!   v5 = iadd.i64 v3, v9                  ; 1
//!   v6 = icmp.i64 slt v5, v2
//!   br v6, block1(v5), block2
//! ```
//! After:
//! ```text
//!   v7 = icmp.i64 sge v1, v2
//!   br v7, block1(v0), block3(v0)
//! block1(v3: i64):                        ; no check, v4 is v3
//!   ...
//!   br v6, block1(v5), block2
//! block3(v8: i64): (cold)
//!   v10 = index_check v8, v1 (v8, v1) site0
//!   ...
//! ```
//! The copy with all checks fails where the interpreter does, with everything before it done; the
//! conditions have no effect and are sufficient, not necessary. The test stands before the outermost
//! loop of a nest for which its terms are known; checks that need more are tried at the loops inside.
//! Each instruction of a nest is copied at most once per level and `MAX_COPIED` in all.

mod question;

use std::collections::HashMap;

use cranelift_entity::SecondaryMap;
use numlift_mir::{
    Block, BlockCall, ControlFlowGraph, DominatorTree, Function, Imm, Inst, InstData, IntCC, Loop,
    LoopForest, Opcode, Ty, Value,
};

use super::Aliases;
use super::clone::{copy_blocks, join_copies, lands_across};
use super::emit::Emit;
use crate::analysis::affine::Affine;
use crate::analysis::extremes::Extremes;
use crate::analysis::range::{Place, Ranges};
use crate::analysis::scev::{ScalarEvolution, preheader};
use crate::{Pass, PassContext};
use question::Question;

pub const PASS: Pass = Pass {
    name: "version",
    doc: "Tests before a loop what its checks would test, and runs a copy without them.",
    run,
};

/// Instructions of a loop that is copied, and copies made in one function.
const MAX_LOOP: usize = 600;
const MAX_COPIED: usize = 2_000;
/// Levels of a nest that are copied one in another.
const MAX_ROUNDS: usize = 3;
/// Conditions before one loop: more cost more than the checks.
const MAX_CONDITIONS: usize = 24;
/// A loop of fewer turns is not worth a test.
const MIN_TURNS: u64 = 4;

pub fn run(f: &mut Function, context: &mut PassContext) {
    let mut copied = 0;
    for _ in 0..MAX_ROUNDS {
        let plans = plan_all(f);
        let mut any = false;
        // All tests first: their operands are then renamed like other uses where loops are copied.
        let mut ready = Vec::new();
        for plan in plans {
            if copied + plan.size <= MAX_COPIED && context.rewrite() {
                copied += plan.size;
                let test = plan.emit(f);
                ready.push((plan, test));
            }
        }
        // Then all copies: what a check stands for is known when no more values are renamed.
        for (plan, test) in &ready {
            plan.copy(f, *test);
        }
        let mut aliases = Aliases::default();
        for (plan, test) in ready {
            plan.remove_checks(f, test.is_some(), &mut aliases, context);
            any = true;
        }
        aliases.apply(f);
        if !any {
            break;
        }
    }
    report_kept(f, context);
}

/// What becomes of a check where the conditions hold.
#[derive(Clone, Copy)]
enum Action {
    /// It goes; its result, if any, is its first operand.
    Holds,
    Unchecked(Opcode),
}

/// A condition on values before the loop.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Condition {
    NotNegative(Affine),
    NotZero(Value),
    Holds(Value),
    /// It is in `-2**n..2**n`.
    Small(Value, u32),
}

/// A loop that is to be copied.
#[derive(Clone)]
struct Plan {
    header: Block,
    before: Block,
    /// In reverse postorder.
    blocks: Vec<Block>,
    size: usize,
    line: u32,
    checks: Vec<(Block, Inst, Action)>,
    conditions: Vec<Condition>,
    /// How much the checks cost: more, the deeper they are.
    worth: u64,
}

/// Disjoint loops, the outermost for which there is a plan.
fn plan_all(f: &Function) -> Vec<Plan> {
    let cfg = ControlFlowGraph::compute(f);
    let dom = DominatorTree::compute(&cfg);
    let forest = LoopForest::compute(&cfg, &dom);
    if forest.loops.is_empty() || !f.layout.iter().any(|&b| has_check(f, b)) {
        return Vec::new();
    }
    let ranges = Ranges::compute(f, &cfg, &dom);
    let scev = ScalarEvolution::compute(f, &cfg, &dom, &forest);
    // Inner loops first: a loop's own plan, or those of the loops in it if they do more.
    let mut best: SecondaryMap<Loop, Vec<Plan>> = SecondaryMap::new();
    let mut roots: Vec<Plan> = Vec::new();
    for l in forest.inner_first() {
        let inner = std::mem::take(&mut best[l]);
        let own = plan(f, &cfg, &scev, &ranges, l);
        let worth = |p: &Plan| p.worth;
        let plans = match own {
            Some(p) if p.worth >= inner.iter().map(worth).sum() => vec![p],
            _ => inner,
        };
        match forest.loops[l].parent.expand() {
            Some(p) => best[p].extend(plans),
            None => roots.extend(plans),
        }
    }
    roots
}

fn has_check(f: &Function, b: Block) -> bool {
    !f.blocks[b].cold && f.blocks[b].insts.iter().any(|i| what(&f.insts[*i]).is_some())
}

/// The name of a check that a plan can remove.
fn what(d: &InstData) -> Option<&'static str> {
    Some(match d.op {
        Opcode::BoundsCheck | Opcode::IndexCheck => "bounds check",
        Opcode::IaddChk | Opcode::IsubChk | Opcode::ImulChk => "overflow check",
        Opcode::ZeroCheck => "check for a zero divisor",
        Opcode::Guard => "guard",
        _ => return None,
    })
}

fn plan(
    f: &Function,
    cfg: &ControlFlowGraph,
    scev: &ScalarEvolution<'_>,
    ranges: &Ranges<'_>,
    l: Loop,
) -> Option<Plan> {
    let data = &scev.forest.loops[l];
    let (before, _) = preheader(f, cfg, data)?;
    let size = data.blocks.iter().map(|b| f.blocks[*b].insts.len()).sum();
    let few = |v: &Value| scev.constant_turns(*v).is_some_and(|n| n < MIN_TURNS);
    if f.blocks[data.header].cold
        || size > MAX_LOOP
        || lands_across(f, &data.blocks)
        || !data.blocks.iter().any(|b| has_check(f, *b))
        || f.blocks[data.header].params.iter().any(few)
    {
        return None;
    }
    let mut plan = Plan {
        header: data.header,
        before,
        blocks: data.blocks.clone(),
        size,
        line: f.terminator(before).map_or(0, |i| f.insts[i].line),
        checks: Vec::new(),
        conditions: Vec::new(),
        worth: 0,
    };
    let question = Question {
        f,
        x: Extremes::new(f, scev, ranges, l, Place::end(before)),
    };
    for &b in data.blocks.iter().filter(|b| !f.blocks[**b].cold) {
        let depth = scev.forest.innermost(b).map_or(1, |l| scev.forest.loops[l].depth);
        for &i in &f.blocks[b].insts {
            let Some((action, conditions)) = question.hoist(i, ranges.before(b, i)) else {
                continue;
            };
            let known = plan.conditions.len();
            plan.checks.push((b, i, action));
            plan.conditions.extend(conditions);
            simplify(&mut plan.conditions);
            if plan.conditions.len() > MAX_CONDITIONS {
                plan.conditions.truncate(known);
                plan.checks.pop();
            } else {
                plan.worth += 10u64.pow(depth.min(12));
            }
        }
    }
    (!plan.checks.is_empty()).then_some(plan)
}

/// Each condition once; of two about the same terms the stronger.
fn simplify(conditions: &mut Vec<Condition>) {
    let mut least: HashMap<Affine, i64> = HashMap::new();
    let mut bits: HashMap<Value, u32> = HashMap::new();
    for c in conditions.iter() {
        match c {
            Condition::NotNegative(a) => {
                let k = least.entry(Affine { k: 0, ..a.clone() }).or_insert(a.k);
                *k = (*k).min(a.k);
            }
            Condition::Small(v, n) => {
                let known = bits.entry(*v).or_insert(*n);
                *known = (*known).min(*n);
            }
            Condition::NotZero(_) | Condition::Holds(_) => {}
        }
    }
    let mut seen = std::collections::HashSet::new();
    conditions.retain_mut(|c| {
        match c {
            Condition::NotNegative(a) => a.k = least[&Affine { k: 0, ..a.clone() }],
            Condition::Small(v, n) => *n = bits[v],
            Condition::NotZero(_) | Condition::Holds(_) => {}
        }
        seen.insert(c.clone())
    });
}

impl Plan {
    /// Puts the test before the loop.
    fn emit(&self, f: &mut Function) -> Option<Value> {
        let enter = f.blocks[self.before].insts.pop()?;
        let mut e = Emit {
            f,
            block: self.before,
            line: self.line,
        };
        let mut all: Option<Value> = None;
        for c in &self.conditions {
            let c = condition(&mut e, c);
            all = Some(all.map_or(c, |a| e.op(Opcode::Band, &[a, c])));
        }
        f.blocks[self.before].insts.push(enter);
        all
    }

    /// Copies the loop, with its checks, for where the test fails.
    fn copy(&self, f: &mut Function, test: Option<Value>) {
        let Some(test) = test else { return };
        let copies = copy_blocks(f, &self.blocks, None);
        for &b in &self.blocks {
            let copy = copies.block(b);
            f.blocks[copy].cold = true;
            f.layout.push(copy);
        }
        self.select(f, test, copies.block(self.header));
        join_copies(f, &self.blocks, &copies);
    }

    /// Takes the checks out of the loop, which has a copy `tested` for or needs none.
    fn remove_checks(self, f: &mut Function, tested: bool, aliases: &mut Aliases, context: &mut PassContext) {
        for (b, i, action) in self.checks {
            let d = &mut f.insts[i];
            let line = d.line;
            let name = what(d).unwrap_or("check");
            let how = match tested {
                true => format!("{name} hoisted out of the loop at line {}", self.line),
                false => format!("{name} removed"),
            };
            context.remark(line, how);
            match action {
                Action::Unchecked(op) => d.uncheck(op),
                Action::Holds => {
                    if let [result] = d.results[..] {
                        let v = aliases.get(d.args[0]);
                        aliases.set(result, v);
                    }
                    f.blocks[b].insts.retain(|x| *x != i);
                }
            }
        }
    }

    /// Enters the copy where the test fails.
    fn select(&self, f: &mut Function, test: Value, copy: Block) {
        let Some(i) = f.terminator(self.before) else {
            return;
        };
        let d = &mut f.insts[i];
        let Imm::Jump(fast) = d.imm.clone() else { return };
        let slow = BlockCall {
            block: copy,
            args: fast.args.clone(),
        };
        d.op = Opcode::Br;
        d.ty = Ty::I8;
        d.args.push(test);
        d.imm = Imm::Branch(fast, slow);
    }
}

/// Emits one condition.
fn condition(e: &mut Emit<'_>, c: &Condition) -> Value {
    match c {
        // an instruction: renamed with its operand until the branch uses it
        Condition::Holds(v) => e.op(Opcode::Band, &[*v, *v]),
        Condition::NotZero(v) => {
            let zero = e.constant(e.f.ty(*v), 0);
            e.compare(IntCC::Ne, *v, zero)
        }
        Condition::Small(v, bits) => {
            let half = e.constant(Ty::I64, 1 << bits);
            let shifted = e.op(Opcode::Iadd, &[*v, half]);
            let width = e.constant(Ty::I64, 2 << bits);
            e.compare(IntCC::Ult, shifted, width)
        }
        Condition::NotNegative(a) => {
            let (positive, negative) = (part(e, a, 1), part(e, a, -1));
            e.compare(IntCC::Sge, positive, negative)
        }
    }
}

/// The part of a sum whose factors have this sign, without the sign.
fn part(e: &mut Emit<'_>, a: &Affine, sign: i64) -> Value {
    let mut terms: Vec<Value> = Vec::new();
    for &(v, c) in a.terms.iter().filter(|t| t.1 * sign > 0) {
        terms.push(match c.abs() {
            1 => v,
            n => {
                let n = e.constant(Ty::I64, n);
                e.op(Opcode::Imul, &[v, n])
            }
        });
    }
    if a.k * sign > 0 || terms.is_empty() {
        terms.push(e.constant(Ty::I64, (a.k * sign).max(0)));
    }
    let first = terms[0];
    terms[1..]
        .iter()
        .fold(first, |sum, &t| e.op(Opcode::Iadd, &[sum, t]))
}

/// Says which checks are left where the code is fast.
fn report_kept(f: &Function, context: &mut PassContext) {
    let cfg = ControlFlowGraph::compute(f);
    let dom = DominatorTree::compute(&cfg);
    let forest = LoopForest::compute(&cfg, &dom);
    for &b in f.layout.iter().filter(|b| !f.blocks[**b].cold) {
        for &i in &f.blocks[b].insts {
            let d = &f.insts[i];
            let Some(name) = what(d) else { continue };
            let why = match (forest.innermost(b), d.op) {
                (None, _) => "",
                (_, Opcode::BoundsCheck | Opcode::IndexCheck) => {
                    ": the index is not bounded by what is known before the loop"
                }
                (_, Opcode::Guard) => ": its condition depends on what the loop computes",
                _ => ": its operands are not bounded by what is known before the loop",
            };
            context.remark(d.line, format!("{name} kept{why}"));
        }
    }
}
