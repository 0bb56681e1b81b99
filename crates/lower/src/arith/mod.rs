//! Scalar operations: one file per family. Typing is `numlift_typeck::operators`.

use numlift_mir::Value;
use numlift_syntax::hir::{BinOp, CmpOp, UnaryOp};
use numlift_types::{DType, Scalar, UnionType};

use crate::emit::{Emit, Vals};

/// `a op b`, in the family `operators::binary` says (which must be `Some`).
pub fn binary(e: &mut Emit, op: BinOp, a: (Scalar, &Vals), b: (Scalar, &Vals)) -> Vals {
    let _ = (e, op, a, b);
    unimplemented!()
}

/// `op a`, in the family `operators::unary` says.
pub fn unary(e: &mut Emit, op: UnaryOp, a: (Scalar, &Vals)) -> Vals {
    let _ = (e, op, a);
    unimplemented!()
}

/// `a op b` as 0 or 1.
pub fn compare(e: &mut Emit, op: CmpOp, a: (Scalar, &Vals), b: (Scalar, &Vals)) -> Value {
    let _ = (e, op, a, b);
    unimplemented!()
}

/// `bool(a)` as 0 or 1.
pub fn truth(e: &mut Emit, a: (Scalar, &Vals)) -> Value {
    let _ = (e, a);
    unimplemented!()
}

/// The call `to(from)`: `int(x)`, `float(x)`, `np.int32(x)`...; `None` if not supported.
pub fn construct(e: &mut Emit, to: Scalar, from: (Scalar, &Vals)) -> Option<Vals> {
    let _ = (e, to, from);
    unimplemented!()
}

/// The element that `array[i] = from` stores; `None` if not supported.
pub fn store(e: &mut Emit, dtype: DType, from: (Scalar, &Vals)) -> Option<Vals> {
    let _ = (e, dtype, from);
    unimplemented!()
}

/// A value as a member of a union: its carrier and the tag (i8).
pub fn embed(e: &mut Emit, from: (Scalar, &Vals), union: &UnionType) -> Vals {
    let _ = (e, from, union);
    unimplemented!()
}

/// The value of `member` in a union; the caller knows the tag.
pub fn project(e: &mut Emit, union: &UnionType, v: &Vals, member: Scalar) -> Vals {
    let _ = (e, union, v, member);
    unimplemented!()
}

/// `abs(a)`, in the family `operators::abs` says.
pub fn abs(e: &mut Emit, a: (Scalar, &Vals)) -> Vals {
    let _ = (e, a);
    unimplemented!()
}

/// `round(a)`, in the family `operators::round` says.
pub fn round(e: &mut Emit, a: (Scalar, &Vals)) -> Vals {
    let _ = (e, a);
    unimplemented!()
}

/// `math.name(args)`, in the family `operators::math` says; `None` if it is not supported.
pub fn math_call(e: &mut Emit, name: &str, args: &[(Scalar, &Vals)]) -> Option<Vals> {
    let _ = (e, name, args);
    unimplemented!()
}
