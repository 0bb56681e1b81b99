//! Python objects and calls that generated code names by index.

use numlift_types::{DType, ObjectRef, Type};
use serde::{Deserialize, Serialize};

/// An entry of `ctx.objects`, resolved to an address when a blob is loaded.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ObjectEntry {
    /// the `PyObject *`
    Object(ObjectRef),
    /// inner loop function of the ufunc with the types string (`"d->d"`)
    UfuncLoop(ObjectRef, String),
    /// data pointer of that loop
    UfuncData(ObjectRef, String),
    /// a function of a dtype, by its place in `PyArray_ArrFuncs`
    ArrayFunction(DType, ArrayFunction),
    /// the address of a C function
    CFunction(ObjectRef),
    /// `bitgen_t *` of NumPy's global generator (`np.random.mtrand._rand._bit_generator.capsule`)
    GlobalBitgen,
    /// `aug_bitgen_t *` of NumPy's global generator: its spare normal
    GlobalGauss,
}

/// Functions that a dtype of NumPy has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ArrayFunction {
    ArgMax,
    Dot,
    ArgMin,
}

/// Signature of a `py_call`: types of the boxed arguments and of the result.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CallSig {
    pub args: Vec<Type>,
    /// Names of trailing keyword arguments.
    pub keywords: Vec<String>,
    /// `attr` not empty: the first argument's method of that name is called, not the object.
    pub method: String,
    pub ret: Type,
    /// The call cannot be made again: a result of another type is an error.
    pub effect: bool,
}
