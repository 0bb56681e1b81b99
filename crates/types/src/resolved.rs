//! What names and attributes outside a function are.

use serde::{Deserialize, Serialize};

use crate::Type;

/// Answer to a name or attribute query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Resolved {
    /// Known at compile time: `Known`, `Function`, `DType`, `Str`, `None`, `Ellipsis`.
    Const(Type),
    /// A value read at call time, of the given type; `index` is its first slot in `ctx.hidden`
    /// (slots are given out in the order of first use, each value taking the slots of its type).
    Hidden { index: u32, ty: Type },
    /// There is no such name or attribute.
    Missing,
    /// The module is not in `sys.modules` yet.
    NotLoaded,
    /// An object without a static type; its class name.
    Opaque(String),
}

/// What a [`Type::Known`] object is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Known {
    /// A builtin of the table, by canonical path: `builtins.len`, `math.sqrt`, `numpy.zeros`,
    /// `numpy.random.random`, `numpy.add`. Any callable whose path is found is reported, supported or not.
    Builtin(String),
    Module(String),
    /// A built-in exception class.
    Exception(String),
}
