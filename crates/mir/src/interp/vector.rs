//! The operations on vectors, lane by lane as `scalar` does them.
//!
//! A value is its 128 bits, lane 0 in the lowest.

use super::Trap;
use super::scalar;
use crate::ir::{Imm, Ty};
use crate::ops::Opcode;

/// The bits of a lane.
pub fn lane(ty: Ty, x: u128, n: u32) -> u64 {
    scalar::truncate(ty.lane(), (x >> (n * ty.lane().bits())) as u64)
}

/// The vector of what a function gives for each lane.
fn lanes<E>(ty: Ty, mut f: impl FnMut(u32) -> Result<u64, E>) -> Result<u128, E> {
    (0..ty.lanes()).try_fold(0, |sum, n| {
        let bits = scalar::truncate(ty.lane(), f(n)?);
        Ok(sum | u128::from(bits) << (n * ty.lane().bits()))
    })
}

/// Result of an operation on arguments with their types; `None` if it is not a function of them.
///
/// # Errors
/// As [`scalar::eval`].
pub fn eval(op: Opcode, ty: Ty, imm: &Imm, args: &[(Ty, u128)]) -> Result<Option<u128>, Trap> {
    let half = ty.lanes() / 2;
    let made: Result<u128, Trap> = match (op, imm, args) {
        (Opcode::Splat, _, &[(_, x)]) => lanes(ty, |_| Ok(x as u64)),
        (Opcode::Extract, Imm::Int(n), &[(_, x)]) => Ok(u128::from(lane(ty, x, *n as u32))),
        (Opcode::Insert, Imm::Int(k), &[(_, x), (_, y)]) => lanes(ty, |n| {
            Ok(if i64::from(n) == *k {
                y as u64
            } else {
                lane(ty, x, n)
            })
        }),
        (Opcode::Select, _, &[(_, mask), (_, x), (_, y)]) => Ok(x & mask | y & !mask),
        (Opcode::Bitcast, _, &[(_, x)]) => Ok(x),
        (Opcode::Narrow | Opcode::FdemotePair, _, &[(from, x), (_, y)]) => lanes(ty, |n| {
            let (x, n) = if n < half { (x, n) } else { (y, n - half) };
            one(scalar_op(op), ty, imm, &[(from.lane(), lane(from, x, n))])
        }),
        (_, _, &[(from, x)]) if from.lanes() > ty.lanes() => {
            let first = if is_high(op) { ty.lanes() } else { 0 };
            let op = scalar_op(op);
            lanes(ty, |n| {
                one(op, ty, imm, &[(from.lane(), lane(from, x, first + n))])
            })
        }
        (Opcode::Icmp | Opcode::Fcmp, _, &[(from, x), (_, y)]) => lanes(ty.truth(), |n| {
            let pair = [x, y].map(|x| (from.lane(), lane(from, x, n)));
            one(op, ty, imm, &pair).map(u64::wrapping_neg)
        }),
        (_, Imm::None, _) => lanes(ty, |n| {
            let each = args.iter().map(|&(t, x)| match t.is_vector() {
                true => (t.lane(), lane(t, x, n)),
                false => (t, x as u64),
            });
            one(op, ty, imm, &each.collect::<Vec<_>>())
        }),
        _ => return Ok(None),
    };
    made.map(Some)
}

/// An operation on scalars that stands for a lane.
fn one(op: Opcode, ty: Ty, imm: &Imm, args: &[(Ty, u64)]) -> Result<u64, Trap> {
    let result = scalar::eval(op, ty.lane(), imm, args)?;
    result.ok_or_else(|| Trap::Invalid(format!("{}.{}", op.name(), ty.name())))
}

fn is_high(op: Opcode) -> bool {
    matches!(
        op,
        Opcode::SextHigh | Opcode::ZextHigh | Opcode::StoFHigh | Opcode::FpromoteHigh
    )
}

/// What an operation that changes the number of lanes does to each.
fn scalar_op(op: Opcode) -> Opcode {
    match op {
        Opcode::SextLow | Opcode::SextHigh => Opcode::Sext,
        Opcode::ZextLow | Opcode::ZextHigh => Opcode::Zext,
        Opcode::StoFLow | Opcode::StoFHigh => Opcode::StoF,
        Opcode::FpromoteLow | Opcode::FpromoteHigh => Opcode::Fpromote,
        Opcode::FdemotePair => Opcode::Fdemote,
        Opcode::Narrow => Opcode::Trunc,
        op => op,
    }
}
