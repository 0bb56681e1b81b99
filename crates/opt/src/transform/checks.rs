//! Deletes checks that range analysis proves, and weakens others.
//!
//! Before (`v1` is the extent that the loop counts `v2` to):
//! ```text
//! v3 = bounds_check v2, v1 (v2, v1) site0
//! v4 = iadd_chk v3, v5 site1
//! ```
//! After:
//! ```text
//! v4 = iadd.i64 v2, v5
//! ```
//! A bounds check of an index that is not negative becomes an `index_check`, which does not wrap.

use numlift_mir::{Block, ControlFlowGraph, DominatorTree, Function, Imm, Inst, InstData, Opcode, Ty, Value};

use super::Aliases;
use crate::analysis::counters::counts;
use crate::analysis::range::{Dir, Place, Ranges};
use crate::{Pass, PassContext};

pub const PASS: Pass = Pass {
    name: "checks",
    doc: "Deletes bounds, overflow and division checks that ranges prove, and weakens others.",
    run,
};

/// What becomes of a check.
enum Verdict {
    Keep,
    /// The operation without its check.
    Unchecked(Opcode),
    /// The check holds: its result, if any, is its first operand.
    Holds,
    /// The index is not negative.
    NotNegative,
    /// A select: its last operand.
    Other,
}

pub fn run(f: &mut Function, context: &mut PassContext) {
    let cfg = ControlFlowGraph::compute(f);
    let dom = DominatorTree::compute(&cfg);
    let verdicts = judge(f, &cfg, &dom);
    let mut aliases = Aliases::default();
    for (b, i, verdict) in verdicts {
        let line = f.insts[i].line;
        match verdict {
            Verdict::Keep => {}
            _ if !context.rewrite() => {}
            Verdict::Unchecked(op) => {
                let d = &mut f.insts[i];
                context.remark(line, format!("{} removed", what(d.op)));
                d.uncheck(op);
            }
            Verdict::Holds => {
                context.remark(line, format!("{} removed", what(f.insts[i].op)));
                if let [result] = f.insts[i].results[..] {
                    let v = aliases.get(f.insts[i].args[0]);
                    aliases.set(result, v);
                }
                f.blocks[b].insts.retain(|x| *x != i);
            }
            Verdict::NotNegative => f.insts[i].op = Opcode::IndexCheck,
            Verdict::Other => {
                let (result, v) = (f.insts[i].results[0], aliases.get(f.insts[i].args[2]));
                aliases.set(result, v);
                f.blocks[b].insts.retain(|x| *x != i);
            }
        }
    }
    aliases.apply(f);
}

fn judge(f: &Function, cfg: &ControlFlowGraph, dom: &DominatorTree) -> Vec<(Block, Inst, Verdict)> {
    let ranges = Ranges::compute(f, cfg, dom);
    let mut out = Vec::new();
    for b in cfg.reverse_postorder() {
        for &i in &f.blocks[b].insts {
            let d = &f.insts[i];
            if let Some(v) = verdict(f, cfg, &ranges, d, ranges.before(b, i)) {
                out.push((b, i, v));
            }
        }
    }
    out
}

fn what(op: Opcode) -> &'static str {
    match op {
        Opcode::BoundsCheck | Opcode::IndexCheck => "bounds check",
        Opcode::ZeroCheck => "check for a zero divisor",
        Opcode::Guard => "guard",
        _ => "overflow check",
    }
}

/// `None` for what is no check.
fn verdict(
    f: &Function,
    cfg: &ControlFlowGraph,
    ranges: &Ranges<'_>,
    d: &InstData,
    at: Place,
) -> Option<Verdict> {
    Some(match d.op {
        Opcode::BoundsCheck | Opcode::IndexCheck => index(ranges, d, at),
        Opcode::IaddChk | Opcode::IsubChk | Opcode::ImulChk => match overflow(ranges, d, at) {
            Verdict::Keep => counted(f, cfg, ranges, d),
            verdict => verdict,
        },
        Opcode::Select if excluded(f, ranges, d.args[0], at) => Verdict::Other,
        Opcode::ZeroCheck => {
            let v = d.args[0];
            let nonzero = f.ty(v) == Ty::I64
                && (ranges.holds(Dir::Ge, v, None, 1, at) || ranges.holds(Dir::Le, v, None, -1, at));
            if nonzero { Verdict::Holds } else { Verdict::Keep }
        }
        Opcode::Guard => {
            if implied(f, ranges, d.args[0], at) {
                Verdict::Holds
            } else {
                Verdict::Keep
            }
        }
        _ => return None,
    })
}

fn index(ranges: &Ranges<'_>, d: &InstData, at: Place) -> Verdict {
    let (v, len) = (d.args[0], d.args[1]);
    // An index check refuses negative indices, it does not promise that there are none.
    let not_negative = ranges.holds(Dir::Ge, v, None, 0, at);
    match not_negative {
        true if ranges.holds(Dir::Le, v, Some(len), -1, at) => Verdict::Holds,
        true if d.op == Opcode::BoundsCheck => Verdict::NotNegative,
        _ => Verdict::Keep,
    }
}

fn overflow(ranges: &Ranges<'_>, d: &InstData, at: Place) -> Verdict {
    let fits = |range: Option<i128>| range.is_some_and(|n| i64::try_from(n).is_ok());
    let (Some(x), Some(y)) = (ranges.bounds(d.args[0], at), ranges.bounds(d.args[1], at)) else {
        return by_one_side(ranges, d, at);
    };
    let (x, y) = ([x.0, x.1].map(i128::from), [y.0, y.1].map(i128::from));
    let (op, extremes) = match d.op {
        Opcode::IaddChk => (Opcode::Iadd, [x[0] + y[0], x[1] + y[1], 0, 0]),
        Opcode::IsubChk => (Opcode::Isub, [x[0] - y[1], x[1] - y[0], 0, 0]),
        _ => (Opcode::Imul, [x[0] * y[0], x[0] * y[1], x[1] * y[0], x[1] * y[1]]),
    };
    if extremes.into_iter().all(|n| fits(Some(n))) {
        return Verdict::Unchecked(op);
    }
    by_one_side(ranges, d, at)
}

/// A sum or difference with a constant leaves int64 on one side only: a bound there is enough.
fn by_one_side(ranges: &Ranges<'_>, d: &InstData, at: Place) -> Verdict {
    let add = d.op == Opcode::IaddChk;
    let operands = [(d.args[0], d.args[1]), (d.args[1], d.args[0])];
    for (x, by) in operands.into_iter().take(if add { 2 } else { 1 }) {
        let Some(by) = ranges.constant(by) else { continue };
        let fits = match (d.op, by) {
            (Opcode::IaddChk, n) if n >= 0 => ranges.holds(Dir::Le, x, None, i64::MAX - n, at),
            (Opcode::IaddChk, n) => ranges.holds(Dir::Ge, x, None, i64::MIN - n, at),
            (Opcode::IsubChk, n) if n >= 0 => ranges.holds(Dir::Ge, x, None, i64::MIN + n, at),
            _ => false,
        };
        if fits {
            return Verdict::Unchecked(if add { Opcode::Iadd } else { Opcode::Isub });
        }
    }
    Verdict::Keep
}

/// A counter that takes a step.
fn counted(f: &Function, cfg: &ControlFlowGraph, ranges: &Ranges<'_>, d: &InstData) -> Verdict {
    let step = |v: Value| ranges.constant(v).is_some_and(|n| n.unsigned_abs() < 1 << 32);
    match d.op {
        Opcode::IaddChk if step(d.args[1]) && counts(f, cfg, d.args[0]) => Verdict::Unchecked(Opcode::Iadd),
        Opcode::IaddChk if step(d.args[0]) && counts(f, cfg, d.args[1]) => Verdict::Unchecked(Opcode::Iadd),
        Opcode::IsubChk if step(d.args[1]) && counts(f, cfg, d.args[0]) => Verdict::Unchecked(Opcode::Isub),
        _ => Verdict::Keep,
    }
}

/// Whether `x == n` never holds: what guards the operands of a division.
fn excluded(f: &Function, ranges: &Ranges<'_>, cond: Value, at: Place) -> bool {
    let Some(i) = f.def(cond) else { return false };
    let d = &f.insts[i];
    let (Opcode::Icmp, Ty::I64, &Imm::IntCC(numlift_mir::IntCC::Eq)) = (d.op, d.ty, &d.imm) else {
        return false;
    };
    let Some(n @ (-1 | 0)) = f.int_const(d.args[1]) else {
        return false;
    };
    ranges.holds(Dir::Ge, d.args[0], None, n + 1, at) || ranges.holds(Dir::Le, d.args[0], None, n - 1, at)
}

/// Whether a condition is certain.
fn implied(f: &Function, ranges: &Ranges<'_>, cond: Value, at: Place) -> bool {
    use numlift_mir::IntCC as C;
    let Some(i) = f.def(cond) else { return false };
    let d = &f.insts[i];
    let (Opcode::Icmp, Ty::I64, &Imm::IntCC(cc)) = (d.op, d.ty, &d.imm) else {
        return d.op == Opcode::Band && d.ty == Ty::I8 && d.args.iter().all(|&c| implied(f, ranges, c, at));
    };
    let (a, b) = (d.args[0], Some(d.args[1]));
    match cc {
        C::Slt => ranges.holds(Dir::Le, a, b, -1, at),
        C::Sle => ranges.holds(Dir::Le, a, b, 0, at),
        C::Sgt => ranges.holds(Dir::Ge, a, b, 1, at),
        C::Sge => ranges.holds(Dir::Ge, a, b, 0, at),
        C::Ne => ranges.holds(Dir::Le, a, b, -1, at) || ranges.holds(Dir::Ge, a, b, 1, at),
        C::Ult => ranges.holds(Dir::Ge, a, None, 0, at) && ranges.holds(Dir::Le, a, b, -1, at),
        C::Ule => ranges.holds(Dir::Ge, a, None, 0, at) && ranges.holds(Dir::Le, a, b, 0, at),
        C::Eq | C::Ugt | C::Uge => false,
    }
}
