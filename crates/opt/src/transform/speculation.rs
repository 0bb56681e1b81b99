//! Which instructions may run where the program would not have run them, and what they cost.

use numlift_mir::{Function, Inst, Opcode};

/// Whether an instruction does nothing but give its result, whatever its operands are.
pub(crate) fn is_safe(f: &Function, i: Inst) -> bool {
    let d = &f.insts[i];
    let constant = |n: usize| f.int_const(d.args[n]);
    match d.op {
        Opcode::Sdiv | Opcode::Srem => constant(1).is_some_and(|n| n != 0 && n != -1),
        Opcode::Udiv | Opcode::Urem => constant(1).is_some_and(|n| n != 0),
        Opcode::Ishl | Opcode::Sshr | Opcode::Ushr => {
            constant(1).is_some_and(|n| (0..i64::from(d.ty.bits())).contains(&n))
        }
        // A claim about its operand.
        Opcode::Extent | Opcode::Load | Opcode::CallHelper => false,
        _ => !f.has_effect(i) && d.results.len() == 1,
    }
}

/// Roughly the time that a safe instruction takes, in simple operations; none if it is too long to run for
/// nothing.
pub(crate) fn cost(f: &Function, i: Inst) -> Option<u32> {
    if !is_safe(f, i) {
        return None;
    }
    Some(match f.insts[i].op {
        Opcode::Iconst | Opcode::Fconst => 0,
        Opcode::Fdiv | Opcode::Fsqrt => return None,
        Opcode::Sdiv | Opcode::Udiv | Opcode::Srem | Opcode::Urem => 4,
        Opcode::Imul | Opcode::Smulhi => 2,
        Opcode::Fadd | Opcode::Fsub | Opcode::Fmul | Opcode::FtoS | Opcode::FtoU => 2,
        _ => 1,
    })
}
