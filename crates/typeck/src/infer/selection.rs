//! Elements that an array of bools or of integers picks: `a[mask]`, `a[indices]`.

use numlift_types::{ArrayType, DType, Kind, Layout, Scalar, Type};

/// Type of `a[index]`; `None` if it has no static type.
pub(super) fn picked(a: ArrayType, index: ArrayType) -> Option<Type> {
    let mask = index.dtype == DType::Bool && index.ndim == a.ndim;
    let places = index.dtype.is_integer() && index.ndim == 1 && a.ndim == 1;
    ((mask || places) && a.ndim > 0).then(|| Type::array(a.dtype, 1, Layout::C))
}

/// Whether machine code does `a[index] = value`.
pub(super) fn is_put(a: ArrayType, index: ArrayType, value: &Type) -> bool {
    let fits = |d: DType| a.dtype.kind() == Kind::Complex || d.kind() != Kind::Complex;
    let values = match value {
        Type::Array(v) => v.ndim == 1 && fits(v.dtype),
        Type::Scalar(s) => fits(s.dtype()),
        // the families of a union are converted in different ways
        Type::Union(u) => u
            .members()
            .iter()
            .all(|s| fits(s.dtype()) && !matches!(s, Scalar::Np(d) if d.kind() < Kind::Float)),
        _ => false,
    };
    values && picked(a, index).is_some()
}
