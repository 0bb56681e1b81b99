//! Typing rules of scalar operators: the family of each result, as the interpreter with NumPy 2 has it.

use numlift_syntax::hir::{BinOp, CmpOp, UnaryOp};
use numlift_types::Scalar;

/// Family of `a op b`; `None` if it raises `TypeError` or has no static type.
pub fn binary(op: BinOp, a: Scalar, b: Scalar) -> Option<Scalar> {
    let _ = (op, a, b);
    unimplemented!()
}

/// Family of `op a`.
pub fn unary(op: UnaryOp, a: Scalar) -> Option<Scalar> {
    let _ = (op, a);
    unimplemented!()
}

/// Family of `a op b` for a comparison.
pub fn compare(op: CmpOp, a: Scalar, b: Scalar) -> Option<Scalar> {
    let _ = (op, a, b);
    unimplemented!()
}

/// Family of `abs(a)`.
pub fn abs(a: Scalar) -> Option<Scalar> {
    let _ = a;
    unimplemented!()
}

/// Family of `round(a)` without digits.
pub fn round(a: Scalar) -> Option<Scalar> {
    let _ = a;
    unimplemented!()
}

/// Whether `to(from)` (`int(x)`, `np.int32(x)`) is supported; its family is `to`.
pub fn construct(to: Scalar, from: Scalar) -> bool {
    let _ = (to, from);
    unimplemented!()
}

/// Family of `math.name(args)`; `None` if it is not supported.
pub fn math(name: &str, args: &[Scalar]) -> Option<Scalar> {
    let _ = (name, args);
    unimplemented!()
}
