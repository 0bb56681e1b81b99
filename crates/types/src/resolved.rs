//! What names and attributes outside a function are.

use serde::{Deserialize, Serialize};

use crate::{DType, Layout, Type};

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
    /// A function of a C library, as ctypes or cffi have it.
    C(CFunction),
}

/// A C function that machine code can call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CFunction {
    pub params: Vec<CParam>,
    /// `None`: void
    pub ret: Option<DType>,
    /// Integers that do not fit are errors (cffi), else they are cut off (ctypes).
    pub checked: bool,
}

/// A parameter of a C function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CParam {
    Number(DType),
    /// The data of an array, as `numpy.ctypeslib.ndpointer` asks for it.
    Array {
        dtype: Option<DType>,
        ndim: Option<u8>,
        /// C or Fortran, if it must be contiguous
        layout: Option<Layout>,
        writeable: bool,
    },
}

impl CFunction {
    /// Arguments in registers: integers and addresses, floating-point numbers.
    pub const MAX_WORDS: usize = 6;
    pub const MAX_FLOATS: usize = 8;
}

/// A constant key by which an item of an object is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ItemKey {
    Text(String),
    Index(i64),
}
