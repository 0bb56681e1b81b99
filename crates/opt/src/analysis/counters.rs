//! Values that count events: they start as small constants and change by small constants only. To leave
//! 62 bits one would have to count for years.

use cranelift_entity::EntitySet;
use numlift_mir::{ControlFlowGraph, Function, Opcode, Ty, Value, ValueDef};

/// Largest change by one instruction: 2**58 of them take years.
const MAX_STEP: u64 = 16;
/// Largest value at first.
const MAX_START: i64 = 1 << 48;
/// Values that depend on one another.
const MAX_VALUES: usize = 48;

/// Whether a value is certain to stay within `-2**62..2**62`.
pub fn counts(f: &Function, cfg: &ControlFlowGraph, v: Value) -> bool {
    let mut seen: EntitySet<Value> = EntitySet::new();
    let mut number = 0;
    let mut work = vec![v];
    while let Some(v) = work.pop() {
        if f.int_const(v)
            .is_some_and(|n| n.unsigned_abs() < MAX_START as u64)
            || !seen.insert(v)
        {
            continue;
        }
        number += 1;
        if number > MAX_VALUES || f.ty(v) != Ty::I64 {
            return false;
        }
        match f.values[v].def {
            ValueDef::Param(b, k) => {
                if f.layout.first() == Some(&b) {
                    return false;
                }
                for t in cfg.preds(b).iter().flat_map(|p| f.successors(*p)) {
                    work.extend((t.block == b).then(|| t.args[usize::from(k)]));
                }
            }
            ValueDef::Result(i, _) => {
                let d = &f.insts[i];
                let step = |n: usize| {
                    f.int_const(d.args[n])
                        .is_some_and(|n| n.unsigned_abs() <= MAX_STEP)
                };
                match d.op {
                    Opcode::Iadd | Opcode::IaddChk | Opcode::Isub | Opcode::IsubChk if step(1) => {
                        work.push(d.args[0]);
                    }
                    Opcode::Iadd | Opcode::IaddChk if step(0) => work.push(d.args[1]),
                    Opcode::Select => work.extend_from_slice(&d.args[1..]),
                    Opcode::Extent => {}
                    _ => return false,
                }
            }
        }
    }
    true
}
