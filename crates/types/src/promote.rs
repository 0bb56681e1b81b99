//! NumPy 2 promotion (NEP 50).

use crate::{DType, Kind, Scalar};

fn signed(bits: u32) -> Option<DType> {
    Some(match bits {
        8 => DType::I8,
        16 => DType::I16,
        32 => DType::I32,
        64 => DType::I64,
        _ => return None,
    })
}

/// `np.promote_types(a, b)` for the supported dtypes.
pub fn common_dtype(a: DType, b: DType) -> DType {
    let (a, b) = if a.kind() <= b.kind() { (a, b) } else { (b, a) };
    if a == b || a == DType::Bool {
        return b;
    }
    match (a.kind(), b.kind()) {
        (x, y) if x == y => {
            if a.size() >= b.size() {
                a
            } else {
                b
            }
        }
        // A signed type that holds the unsigned one; none does for uint64.
        (Kind::Unsigned, Kind::Signed) => {
            let bits = if a.bits() < b.bits() {
                b.bits()
            } else {
                a.bits() * 2
            };
            signed(bits).unwrap_or(DType::F64)
        }
        (Kind::Unsigned | Kind::Signed, Kind::Float) => {
            // 8- and 16-bit integers fit the 24-bit significand of float32.
            if b == DType::F32 && a.size() > 2 {
                DType::F64
            } else {
                b
            }
        }
        (Kind::Unsigned | Kind::Signed, _) => {
            if b == DType::C64 && a.size() > 2 {
                DType::C128
            } else {
                b
            }
        }
        _ => {
            if a == DType::F64 {
                DType::C128
            } else {
                b
            }
        }
    }
}

/// dtype of an operation between a NumPy dtype and a weak Python scalar (NEP 50).
/// Python `bool` is not weak: it is NumPy's bool.
pub fn weak_promote(dtype: DType, python: Scalar) -> DType {
    match python {
        Scalar::PyBool => common_dtype(dtype, DType::Bool),
        Scalar::PyInt => {
            if dtype == DType::Bool {
                DType::I64
            } else {
                dtype
            }
        }
        Scalar::PyFloat => match dtype.kind() {
            Kind::Float | Kind::Complex => dtype,
            _ => DType::F64,
        },
        Scalar::PyComplex => match dtype {
            DType::F32 | DType::C64 => DType::C64,
            _ => DType::C128,
        },
        Scalar::Np(other) => common_dtype(dtype, other),
    }
}
