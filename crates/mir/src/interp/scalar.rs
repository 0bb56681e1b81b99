//! The operations that are functions of numbers.
//!
//! A value is its bits in 64: integers zero-extended, f32 in the low half.

use super::Trap;
use crate::ir::{FloatCC, Imm, IntCC, Ty};
use crate::ops::Opcode;

/// What the extents of arrays are below.
const MAX_EXTENT: u64 = 1 << 48;

/// The low bits of `x` that a value of the type has.
pub fn truncate(ty: Ty, x: u64) -> u64 {
    x & (u64::MAX >> (64 - ty.lane().bits()))
}

/// The number that an integer's bits stand for.
pub fn signed(ty: Ty, x: u64) -> i64 {
    ty.wrap(x as i64)
}

/// The 64-bit slot form of a value: i8 zero-extended, i16 and i32 sign-extended, float bits zero-extended.
pub fn to_slot(ty: Ty, x: u64) -> u64 {
    match ty {
        Ty::I16 | Ty::I32 => signed(ty, x) as u64,
        _ => x,
    }
}

/// The value of a float; exact for f32.
pub fn float(ty: Ty, x: u64) -> f64 {
    match ty {
        Ty::F32 => f64::from(f32::from_bits(x as u32)),
        _ => f64::from_bits(x),
    }
}

/// Result of an operation on arguments with their types; `None` if it is not a function of numbers.
///
/// # Errors
/// Where the operation has no result: a division that the processor refuses, an extent that no array has.
pub fn eval(op: Opcode, ty: Ty, imm: &Imm, args: &[(Ty, u64)]) -> Result<Option<u64>, Trap> {
    let bits = match (op, imm, args) {
        (Opcode::Iconst, Imm::Int(n), []) => *n as u64,
        (Opcode::Fconst, Imm::Float(bits), []) => from_float(ty, f64::from_bits(*bits)),
        (Opcode::Icmp, Imm::IntCC(cc), &[(_, a), (_, b)]) => u64::from(icmp(*cc, ty, a, b)),
        (Opcode::Fcmp, Imm::FloatCC(cc), &[(_, a), (_, b)]) => {
            u64::from(fcmp(*cc, float(ty, a), float(ty, b)))
        }
        (Opcode::Select, Imm::None, &[(_, c), (_, a), (_, b)]) => {
            if c != 0 {
                a
            } else {
                b
            }
        }
        (Opcode::Extent, Imm::None, &[(_, a)]) => match a < MAX_EXTENT {
            true => a,
            false => return Err(Trap::Extent(a as i64)),
        },
        (_, Imm::None, &[(from, a)]) => match unary(op, ty, from, a) {
            Some(x) => x,
            None => return Ok(None),
        },
        (_, Imm::None, &[(_, a), (_, b)]) if ty.is_float() => match float_binary(op, ty, a, b) {
            Some(x) => x,
            None => return Ok(None),
        },
        (_, Imm::None, &[(_, a), (_, b)]) => match int_binary(op, ty, a, b)? {
            Some(x) => x,
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    Ok(Some(truncate(ty_of_result(op, ty), bits)))
}

fn ty_of_result(op: Opcode, ty: Ty) -> Ty {
    match op {
        Opcode::Icmp | Opcode::Fcmp => Ty::I8,
        _ => ty,
    }
}

fn from_float(ty: Ty, x: f64) -> u64 {
    match ty {
        Ty::F32 => u64::from((x as f32).to_bits()),
        _ => x.to_bits(),
    }
}

fn icmp(cc: IntCC, ty: Ty, a: u64, b: u64) -> bool {
    let (sa, sb) = (signed(ty, a), signed(ty, b));
    match cc {
        IntCC::Eq => a == b,
        IntCC::Ne => a != b,
        IntCC::Slt => sa < sb,
        IntCC::Sle => sa <= sb,
        IntCC::Sgt => sa > sb,
        IntCC::Sge => sa >= sb,
        IntCC::Ult => a < b,
        IntCC::Ule => a <= b,
        IntCC::Ugt => a > b,
        IntCC::Uge => a >= b,
    }
}

fn fcmp(cc: FloatCC, a: f64, b: f64) -> bool {
    match cc {
        FloatCC::Eq => a == b,
        FloatCC::Ne => a != b,
        FloatCC::Lt => a < b,
        FloatCC::Le => a <= b,
        FloatCC::Gt => a > b,
        FloatCC::Ge => a >= b,
        FloatCC::Ord => !a.is_nan() && !b.is_nan(),
        FloatCC::Uno => a.is_nan() || b.is_nan(),
    }
}

fn unary(op: Opcode, ty: Ty, from: Ty, a: u64) -> Option<u64> {
    let sign = 1u64 << (ty.bits() - 1);
    let whole = |f: fn(f64) -> f64| from_float(ty, f(float(ty, a)));
    Some(match op {
        Opcode::Ineg => a.wrapping_neg(),
        Opcode::Bnot => !a,
        Opcode::Clz => u64::from(a.leading_zeros() - (64 - ty.bits())),
        Opcode::Ctz => u64::from(a.trailing_zeros().min(ty.bits())),
        Opcode::Popcnt => u64::from(a.count_ones()),
        Opcode::Fneg => a ^ sign,
        Opcode::Fabs => a & !sign,
        // Rounding twice does no harm to a square root.
        Opcode::Fsqrt => whole(f64::sqrt),
        Opcode::Ffloor => whole(f64::floor),
        Opcode::Fceil => whole(f64::ceil),
        Opcode::Ftrunc => whole(f64::trunc),
        Opcode::Fnearest => whole(f64::round_ties_even),
        Opcode::Sext => signed(from, a) as u64,
        Opcode::Zext | Opcode::Trunc | Opcode::Bitcast => a,
        Opcode::StoF => match ty {
            Ty::F32 => u64::from((signed(from, a) as f32).to_bits()),
            _ => (signed(from, a) as f64).to_bits(),
        },
        Opcode::UtoF => match ty {
            Ty::F32 => u64::from((a as f32).to_bits()),
            _ => (a as f64).to_bits(),
        },
        Opcode::FtoS => match ty {
            Ty::I32 => float(from, a) as i32 as u64,
            _ => float(from, a) as i64 as u64,
        },
        Opcode::FtoU => match ty {
            Ty::I32 => u64::from(float(from, a) as u32),
            _ => float(from, a) as u64,
        },
        Opcode::Fpromote | Opcode::Fdemote => from_float(ty, float(from, a)),
        _ => return None,
    })
}

/// In f64 for f32 too: `+ - * /` rounded to f32 afterwards are as if computed in f32.
fn float_binary(op: Opcode, ty: Ty, a: u64, b: u64) -> Option<u64> {
    let (x, y) = (float(ty, a), float(ty, b));
    let sign = 1u64 << (ty.bits() - 1);
    Some(match op {
        Opcode::Fadd => from_float(ty, x + y),
        Opcode::Fsub => from_float(ty, x - y),
        Opcode::Fmul => from_float(ty, x * y),
        Opcode::Fdiv => from_float(ty, x / y),
        Opcode::Fcopysign => a & !sign | b & sign,
        _ => return None,
    })
}

fn int_binary(op: Opcode, ty: Ty, a: u64, b: u64) -> Result<Option<u64>, Trap> {
    let (sa, sb) = (signed(ty, a), signed(ty, b));
    let amount = (b & u64::from(ty.bits() - 1)) as u32;
    let least = i64::MIN >> (64 - ty.bits());
    if matches!(op, Opcode::Sdiv | Opcode::Srem | Opcode::Udiv | Opcode::Urem) {
        let unsigned = matches!(op, Opcode::Udiv | Opcode::Urem);
        if b == 0 || !unsigned && sa == least && sb == -1 {
            return Err(Trap::Division);
        }
    }
    Ok(Some(match op {
        Opcode::Iadd => a.wrapping_add(b),
        Opcode::Isub => a.wrapping_sub(b),
        Opcode::Imul => a.wrapping_mul(b),
        Opcode::Smulhi => ((i128::from(sa) * i128::from(sb)) >> 64) as u64,
        Opcode::Sdiv => (sa / sb) as u64,
        Opcode::Srem => (sa % sb) as u64,
        Opcode::Udiv => a / b,
        Opcode::Urem => a % b,
        Opcode::Band => a & b,
        Opcode::Bor => a | b,
        Opcode::Bxor => a ^ b,
        Opcode::Ishl => a << amount,
        Opcode::Sshr => (sa >> amount) as u64,
        Opcode::Ushr => a >> amount,
        Opcode::Smin => sa.min(sb) as u64,
        Opcode::Smax => sa.max(sb) as u64,
        _ => return Ok(None),
    }))
}
