//! Constants of an address go into the displacement of its access: neighbours of an element share its address.
//!
//! Before:
//! ```text
//!   v4 = iadd.i64 v3, v1            ; v1 is 1
//!   v5 = imul.i64 v4, v2            ; v2 is 8
//!   v6 = iadd.i64 v0, v5
//!   v7 = load.f64 v6
//! ```
//! After, where the address is that of the element at `v3`:
//! ```text
//!   v8 = imul.i64 v3, v2
//!   v9 = iadd.i64 v0, v8
//!   v7 = load.f64 v9+8
//! ```
//! Sums and products of addresses wrap, so that nothing depends on their order. A checked sum is a sum where
//! it did not fail. Numbering values anew makes one of equal addresses.

use numlift_mir::{Function, Imm, Inst, Opcode, Region, Ty, Value};

use super::emit::Emit;
use crate::{Pass, PassContext};

pub const PASS: Pass = Pass {
    name: "addresses",
    doc: "Moves constants of addresses into displacements.",
    run,
};

/// Operations that are looked through one in another.
const MAX_DEPTH: u32 = 8;

pub fn run(f: &mut Function, context: &mut PassContext) {
    for n in 0..f.layout.len() {
        let b = f.layout[n];
        for i in std::mem::take(&mut f.blocks[b].insts) {
            if let Some((sum, disp)) = split_address(f, i)
                && context.rewrite()
            {
                let line = f.insts[i].line;
                let address = sum.emit(&mut Emit { f, block: b, line });
                let place = f.insts[i].args.len() - 1;
                f.insts[i].args[place] = address;
                if let Imm::Mem { disp: d, .. } = &mut f.insts[i].imm {
                    *d = disp;
                }
            }
            f.blocks[b].insts.push(i);
        }
    }
}

/// An address without its constant.
enum Sum {
    Value(Value),
    Op(Opcode, Box<Sum>, Box<Sum>),
}

impl Sum {
    fn emit(&self, e: &mut Emit<'_>) -> Value {
        match self {
            Sum::Value(v) => *v,
            Sum::Op(op, a, b) => {
                let args = [a.emit(e), b.emit(e)];
                e.op(*op, &args)
            }
        }
    }
}

/// What the address of an access is without its constant, and the displacement with it.
fn split_address(f: &Function, i: Inst) -> Option<(Sum, i32)> {
    let d = &f.insts[i];
    let Imm::Mem { disp, region } = d.imm else {
        return None;
    };
    let (sum, k) = split(f, *d.args.last()?, 0)?;
    // What is lent to a helper as an array is not accessed as a slot: that must not show.
    if let Sum::Value(v) = sum
        && f.def(v).is_some_and(|i| f.insts[i].op == Opcode::SlotAddr)
        && region != Region::Stack
    {
        return None;
    }
    let disp = i32::try_from(i64::from(disp).checked_add(k)?).ok()?;
    (k != 0).then_some((sum, disp))
}

/// `v` as a sum and a constant; none if there is no constant in it.
fn split(f: &Function, v: Value, depth: u32) -> Option<(Sum, i64)> {
    let d = &f.insts[f.def(v).filter(|_| depth < MAX_DEPTH)?];
    if d.ty != Ty::I64 {
        return None;
    }
    let constant = |n: usize| f.int_const(d.args[n]);
    let part = |n: usize| split(f, d.args[n], depth + 1);
    let whole = |n: usize| (Sum::Value(d.args[n]), 0);
    match d.op {
        Opcode::Iadd | Opcode::IaddChk | Opcode::Isub | Opcode::IsubChk => {
            let sign = if matches!(d.op, Opcode::Iadd | Opcode::IaddChk) {
                1
            } else {
                -1
            };
            if let Some(k) = constant(1) {
                let (x, c) = part(0).unwrap_or(whole(0));
                return Some((x, c.checked_add(k.checked_mul(sign)?)?));
            }
            if let (Some(k), 1) = (constant(0), sign) {
                let (x, c) = part(1).unwrap_or(whole(1));
                return Some((x, c.checked_add(k)?));
            }
            let (x, y) = (part(0), part(1));
            if x.is_none() && y.is_none() {
                return None;
            }
            let ((x, a), (y, b)) = (x.unwrap_or(whole(0)), y.unwrap_or(whole(1)));
            let op = if sign == 1 { Opcode::Iadd } else { Opcode::Isub };
            let k = a.checked_add(b.checked_mul(sign)?)?;
            Some((Sum::Op(op, x.into(), y.into()), k))
        }
        Opcode::Imul => {
            let n = (0..2).find(|n| constant(*n).is_some())?;
            let (x, c) = part(1 - n)?;
            let k = c.checked_mul(constant(n)?)?;
            Some((Sum::Op(d.op, x.into(), whole(n).0.into()), k))
        }
        Opcode::Ishl => {
            let n = constant(1).filter(|n| (0..32).contains(n))?;
            let (x, c) = part(0)?;
            Some((Sum::Op(d.op, x.into(), whole(1).0.into()), c.checked_mul(1 << n)?))
        }
        Opcode::IndexCheck | Opcode::Extent => part(0),
        _ => None,
    }
}
