//! Types of values, dtypes, NumPy 2 promotion (NEP 50) and signatures.
//!
//! Python numbers and NumPy scalars are different families ([`Scalar`]) because the interpreter
//! treats them differently; a variable that may hold either at a join has a [`Type::Union`].

mod dtype;
mod promote;
mod resolved;
pub mod signature;
mod ty;

pub use dtype::{DType, Kind};
pub use promote::{common_dtype, weak_promote};
pub use resolved::{CFunction, CParam, ItemKey, Known, ReadPath, ReadRoot, ReadStep, Resolved};
pub use ty::{
    ArrayType, Capture, Carrier, ClosureType, CodeRef, Layout, NestedType, ObjectRef, Reason, RecordType,
    Scalar, Type, UnionType,
};
