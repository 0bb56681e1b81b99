//! What one instruction folds to.

use numlift_mir::{Function, Imm, Inst, InstData, IntCC, Opcode, Ty, Value};
use smallvec::smallvec;

/// Outcome for an instruction.
pub(super) enum Folded {
    Keep,
    /// Rewritten in place.
    Changed,
    /// Its result is this value.
    Value(Value),
    /// A check that holds: it goes, and it had no result.
    Nothing,
}

pub(super) fn inst(f: &mut Function, i: Inst) -> Folded {
    let d = f.insts[i].clone();
    if d.ty.is_vector() {
        return Folded::Keep;
    }
    match d.op {
        Opcode::Guard | Opcode::ZeroCheck => match f.int_const(d.args[0]) {
            Some(n) if n != 0 => Folded::Nothing,
            _ => Folded::Keep,
        },
        Opcode::ShapeCheck if d.args[0] == d.args[1] => Folded::Nothing,
        Opcode::BoundsCheck => bounds(f, &d),
        Opcode::IaddChk | Opcode::IsubChk | Opcode::ImulChk => checked(f, i, &d),
        Opcode::Icmp => compare(f, i, &d),
        Opcode::Select => select(f, i, &d),
        Opcode::Br => branch(f, i, &d),
        Opcode::Trunc => match widened(f, d.args[0], Opcode::Zext).or(widened(f, d.args[0], Opcode::Sext)) {
            Some(v) if f.ty(v) == d.ty => Folded::Value(v),
            _ => arithmetic(f, i, &d),
        },
        _ if d.results.len() == 1 && !d.ty.is_float() => arithmetic(f, i, &d),
        _ => Folded::Keep,
    }
}

fn constant(f: &mut Function, i: Inst, ty: Ty, n: i64) -> Folded {
    let d = &mut f.insts[i];
    d.op = Opcode::Iconst;
    d.ty = ty;
    d.args.clear();
    d.imm = Imm::Int(ty.wrap(n));
    d.unwind = None;
    Folded::Changed
}

fn bounds(f: &Function, d: &InstData) -> Folded {
    match (f.int_const(d.args[0]), f.int_const(d.args[1])) {
        (Some(k), Some(n)) if 0 <= k && k < n => Folded::Value(d.args[0]),
        _ => Folded::Keep,
    }
}

fn checked(f: &mut Function, i: Inst, d: &InstData) -> Folded {
    let (a, b) = (f.int_const(d.args[0]), f.int_const(d.args[1]));
    match (d.op, a, b) {
        (Opcode::IaddChk | Opcode::IsubChk, _, Some(0)) => return Folded::Value(d.args[0]),
        (Opcode::IaddChk, Some(0), _) => return Folded::Value(d.args[1]),
        (Opcode::ImulChk, _, Some(1)) => return Folded::Value(d.args[0]),
        (Opcode::ImulChk, Some(1), _) => return Folded::Value(d.args[1]),
        _ => {}
    }
    let (Some(a), Some(b)) = (a, b) else {
        return Folded::Keep;
    };
    let exact = match d.op {
        Opcode::IaddChk => a.checked_add(b),
        Opcode::IsubChk => a.checked_sub(b),
        _ => a.checked_mul(b),
    };
    match exact {
        Some(n) => constant(f, i, Ty::I64, n),
        None => Folded::Keep,
    }
}

fn compare(f: &mut Function, i: Inst, d: &InstData) -> Folded {
    let Imm::IntCC(cc) = d.imm else {
        return Folded::Keep;
    };
    if d.args[0] == d.args[1] {
        let holds = matches!(cc, IntCC::Eq | IntCC::Sle | IntCC::Sge | IntCC::Ule | IntCC::Uge);
        return constant(f, i, Ty::I8, i64::from(holds));
    }
    match (f.int_const(d.args[0]), f.int_const(d.args[1])) {
        (Some(a), Some(b)) => constant(f, i, Ty::I8, i64::from(holds(cc, d.ty, a, b))),
        // `c == 0` and `c != 1` of a comparison are its opposite
        (None, Some(n)) if d.ty == Ty::I8 && (cc, n) == (IntCC::Eq, 0) => negate(f, i, d.args[0]),
        (None, Some(0)) if matches!(cc, IntCC::Eq | IntCC::Ne) => match widened(f, d.args[0], Opcode::Zext) {
            Some(truth) if is_truth(f, truth) && cc == IntCC::Ne => Folded::Value(truth),
            Some(truth) if is_truth(f, truth) => negate(f, i, truth),
            _ => Folded::Keep,
        },
        _ => Folded::Keep,
    }
}

/// Evaluates a comparison of two constants of a type.
fn holds(cc: IntCC, ty: Ty, a: i64, b: i64) -> bool {
    let mask = u64::MAX >> (64 - ty.bits());
    let (ua, ub) = (a as u64 & mask, b as u64 & mask);
    match cc {
        IntCC::Eq => a == b,
        IntCC::Ne => a != b,
        IntCC::Slt => a < b,
        IntCC::Sle => a <= b,
        IntCC::Sgt => a > b,
        IntCC::Sge => a >= b,
        IntCC::Ult => ua < ub,
        IntCC::Ule => ua <= ub,
        IntCC::Ugt => ua > ub,
        IntCC::Uge => ua >= ub,
    }
}

fn negate(f: &mut Function, i: Inst, cond: Value) -> Folded {
    let Some(def) = f.def(cond) else {
        return Folded::Keep;
    };
    let InstData {
        op: Opcode::Icmp,
        ty,
        args,
        imm: Imm::IntCC(cc),
        ..
    } = f.insts[def].clone()
    else {
        return Folded::Keep;
    };
    let d = &mut f.insts[i];
    d.ty = ty;
    d.args = args;
    d.imm = Imm::IntCC(cc.opposite());
    Folded::Changed
}

fn select(f: &mut Function, i: Inst, d: &InstData) -> Folded {
    let [c, x, y] = d.args[..] else {
        return Folded::Keep;
    };
    match f.int_const(c) {
        Some(0) => return Folded::Value(y),
        Some(_) => return Folded::Value(x),
        None if x == y => return Folded::Value(x),
        None => {}
    }
    // Between truth values it is a connective.
    let connective = match (f.int_const(x), f.int_const(y)) {
        (Some(1), Some(0)) if d.ty == Ty::I8 && is_truth(f, c) => return Folded::Value(c),
        (Some(1), _) if is_truth(f, y) => (Opcode::Bor, y),
        (_, Some(0)) if is_truth(f, x) => (Opcode::Band, x),
        _ if x == c && is_truth(f, y) => (Opcode::Bor, y),
        _ if y == c && is_truth(f, x) => (Opcode::Band, x),
        _ => return Folded::Keep,
    };
    if d.ty != Ty::I8 || !is_truth(f, c) {
        return Folded::Keep;
    }
    let d = &mut f.insts[i];
    d.op = connective.0;
    d.args = smallvec![c, connective.1];
    Folded::Changed
}

/// What a value extends.
fn widened(f: &Function, v: Value, op: Opcode) -> Option<Value> {
    let d = &f.insts[f.def(v)?];
    (d.op == op).then(|| d.args[0])
}

/// Whether a value is 0 or 1.
fn is_truth(f: &Function, v: Value) -> bool {
    let Some(i) = f.def(v) else { return false };
    match f.insts[i].op {
        Opcode::Icmp | Opcode::Fcmp => true,
        Opcode::Iconst => matches!(f.int_const(v), Some(0 | 1)),
        _ => false,
    }
}

/// `br (c == 0)` exchanges the targets, also where `c` is a float comparison.
fn branch(f: &mut Function, i: Inst, d: &InstData) -> Folded {
    let Some(def) = f.def(d.args[0]) else {
        return Folded::Keep;
    };
    let InstData {
        op: Opcode::Icmp,
        ty: Ty::I8,
        args,
        imm: Imm::IntCC(IntCC::Eq),
        ..
    } = f.insts[def].clone()
    else {
        return Folded::Keep;
    };
    let (Some(0), Imm::Branch(then, other)) = (f.int_const(args[1]), d.imm.clone()) else {
        return Folded::Keep;
    };
    let d = &mut f.insts[i];
    d.args = smallvec![args[0]];
    d.imm = Imm::Branch(other, then);
    Folded::Changed
}

/// Integer operations with a neutral operand or with constants.
fn arithmetic(f: &mut Function, i: Inst, d: &InstData) -> Folded {
    let int = |n: usize| d.args.get(n).and_then(|&v| f.int_const(v));
    let (a, b) = (int(0), int(1));
    match (d.op, a, b) {
        (Opcode::Iadd | Opcode::Bor | Opcode::Bxor, Some(0), _) => return Folded::Value(d.args[1]),
        (
            Opcode::Iadd
            | Opcode::Isub
            | Opcode::Bor
            | Opcode::Bxor
            | Opcode::Ishl
            | Opcode::Sshr
            | Opcode::Ushr,
            _,
            Some(0),
        ) => return Folded::Value(d.args[0]),
        (Opcode::Imul, _, Some(1)) => return Folded::Value(d.args[0]),
        (Opcode::Imul, Some(1), _) => return Folded::Value(d.args[1]),
        (Opcode::Imul, _, Some(0)) | (Opcode::Imul, Some(0), _) | (Opcode::Band, _, Some(0)) => {
            return constant(f, i, d.ty, 0);
        }
        (Opcode::Smin | Opcode::Smax | Opcode::Band | Opcode::Bor, _, _) if d.args[0] == d.args[1] => {
            return Folded::Value(d.args[0]);
        }
        _ => {}
    }
    let from = d.args.first().map_or(d.ty, |&v| f.ty(v));
    let n = match (d.op, a, b) {
        (Opcode::Iadd, Some(a), Some(b)) => a.wrapping_add(b),
        (Opcode::Isub, Some(a), Some(b)) => a.wrapping_sub(b),
        (Opcode::Imul, Some(a), Some(b)) => a.wrapping_mul(b),
        (Opcode::Band, Some(a), Some(b)) => a & b,
        (Opcode::Bor, Some(a), Some(b)) => a | b,
        (Opcode::Bxor, Some(a), Some(b)) => a ^ b,
        (Opcode::Smin, Some(a), Some(b)) => a.min(b),
        (Opcode::Smax, Some(a), Some(b)) => a.max(b),
        (Opcode::Ineg, Some(a), None) => a.wrapping_neg(),
        (Opcode::Sext | Opcode::Trunc, Some(a), None) => a,
        (Opcode::Zext, Some(a), None) => a & (u64::MAX >> (64 - from.bits())) as i64,
        _ => return Folded::Keep,
    };
    constant(f, i, d.ty, n)
}
