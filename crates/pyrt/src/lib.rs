//! What compiled code needs of Python at run time: code memory, types of objects, marshalling,
//! the helpers that call Python. No compiler inside.

pub mod code;
pub mod helpers;
pub mod numpy;
pub mod value;
