//! Values of several families in one carrier, with a tag.

use numlift_mir::{Opcode, Ty, Value};
use numlift_types::{Carrier, DType, Kind, Scalar, UnionType};
use smallvec::smallvec;

use super::conv::{cast, check_exact, float64, int64};
use super::{Operand, fconst_like};
use crate::emit::{Emit, Vals, carrier_tys};

/// A value as a member of a union: its carrier and the tag (i8). An int that a float
/// carrier cannot hold exactly leaves native code.
///
/// # Panics
/// If the value's family is not a member.
pub fn embed(e: &mut Emit, from: Operand, union: &UnionType) -> Vals {
    let tag = union.tag_of(from.0).expect("a member of the union");
    let mut out: Vals = match union.carrier() {
        Carrier::C128 if from.0.dtype().kind() == Kind::Complex => {
            cast(e, from.0.dtype(), from.1, DType::C128)
        }
        Carrier::C128 => {
            let re = exact_float(e, from);
            smallvec![re, fconst_like(e, re, 0.0)]
        }
        Carrier::F64 => smallvec![exact_float(e, from)],
        _ => smallvec![int64(e, from)],
    };
    out.push(e.b.iconst(Ty::I8, tag as i64));
    out
}

fn exact_float(e: &mut Emit, a: Operand) -> Value {
    if a.0.dtype().kind() < Kind::Float {
        check_exact(e, a);
    }
    float64(e, a)
}

/// The value of `member` in a union; the caller knows the tag. With another tag the result
/// is some value of that family, computed without failing.
pub fn project(e: &mut Emit, union: &UnionType, v: &Vals, member: Scalar) -> Vals {
    let d = member.dtype();
    let first = v[0];
    match (union.carrier(), d.kind()) {
        (Carrier::C128, Kind::Complex) => cast(e, DType::C128, &smallvec![first, v[1]], d),
        (Carrier::C128 | Carrier::F64, Kind::Float) => cast(e, DType::F64, &smallvec![first], d),
        (Carrier::C128 | Carrier::F64, Kind::Bool) => {
            smallvec![super::truth(e, (Scalar::F64, &smallvec![first]))]
        }
        (Carrier::C128 | Carrier::F64, _) => {
            let op = if d == DType::U64 {
                Opcode::FtoU
            } else {
                Opcode::FtoS
            };
            let n = e.b.convert(op, Ty::I64, first);
            smallvec![e.b.convert(Opcode::Trunc, carrier_tys(member.carrier())[0], n)]
        }
        (_, Kind::Bool) => smallvec![super::truth(e, (Scalar::I64, &smallvec![first]))],
        _ => smallvec![e.b.convert(Opcode::Trunc, carrier_tys(member.carrier())[0], first)],
    }
}
