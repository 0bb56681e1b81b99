//! The machine values of a value: a complex number has two, an array its data, shape, strides and owner.
//!
//! This is the MIR side of the slots that `numlift_runtime::abi` lists.

use numlift_types::{Carrier, Type};
use smallvec::SmallVec;

use crate::ir::Ty;

/// MIR types of a carrier.
pub fn carrier_tys(c: Carrier) -> &'static [Ty] {
    match c {
        Carrier::I8 => &[Ty::I8],
        Carrier::I16 => &[Ty::I16],
        Carrier::I32 => &[Ty::I32],
        Carrier::I64 => &[Ty::I64],
        Carrier::F32 => &[Ty::F32],
        Carrier::F64 => &[Ty::F64],
        Carrier::C64 => &[Ty::F32, Ty::F32],
        Carrier::C128 => &[Ty::F64, Ty::F64],
    }
}

/// MIR types of the flattened form of a type.
pub fn flat_tys(t: &Type) -> SmallVec<[Ty; 8]> {
    let mut out = SmallVec::new();
    push_flat(t, &mut out);
    out
}

fn push_flat(t: &Type, out: &mut SmallVec<[Ty; 8]>) {
    match t {
        Type::Scalar(s) => out.extend_from_slice(carrier_tys(s.carrier())),
        Type::Union(u) => {
            out.extend_from_slice(carrier_tys(u.carrier()));
            out.push(Ty::I8);
        }
        Type::Optional(t) => {
            push_flat(t, out);
            out.push(Ty::I8);
        }
        Type::Array(a) => out.extend(std::iter::repeat_n(Ty::I64, 2 + 2 * usize::from(a.ndim))),
        Type::Range => out.extend([Ty::I64; 3]),
        Type::Object(_) => out.push(Ty::I64),
        Type::Slice { start, stop, step } => {
            out.extend([start, stop, step].into_iter().filter(|p| **p).map(|_| Ty::I64));
        }
        t => t.parts().into_iter().for_each(|t| push_flat(t, out)),
    }
}

/// Positions of the references in the machine values of a type that begin at `at`, which moves behind them.
pub fn owners(t: &Type, at: &mut usize, out: &mut Vec<usize>) {
    let parts = t.parts();
    if parts.is_empty() {
        *at += flat_tys(t).len();
        if matches!(t, Type::Array(_) | Type::Object(_)) {
            out.push(*at - 1);
        }
        return;
    }
    for part in parts {
        owners(part, at, out);
    }
    // the flag
    *at += usize::from(matches!(t, Type::Optional(_)));
}
