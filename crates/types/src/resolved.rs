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

/// How a value is found from an object, without code of the user's: `self.settings["scale"]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadPath {
    pub root: ReadRoot,
    pub steps: Vec<ReadStep>,
}

/// Where a [`ReadPath`] begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReadRoot {
    /// One of the variables that go with the path, by number.
    Variable(u32),
    Global(String),
    /// A closure variable.
    Free(String),
}

/// A step of a [`ReadPath`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReadStep {
    Attribute(String),
    Item(ItemKey),
    /// By the value of a variable that goes with the path.
    ItemBy(u32),
}

impl ReadPath {
    /// The largest number of a variable in it.
    pub fn last_variable(&self) -> Option<u32> {
        let root = match self.root {
            ReadRoot::Variable(n) => Some(n),
            ReadRoot::Global(_) | ReadRoot::Free(_) => None,
        };
        let keys = self.steps.iter().filter_map(|s| match s {
            ReadStep::ItemBy(n) => Some(*n),
            ReadStep::Attribute(_) | ReadStep::Item(_) => None,
        });
        root.into_iter().chain(keys).max()
    }
}

/// A constant key by which an item of an object is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ItemKey {
    Text(String),
    Index(i64),
}
