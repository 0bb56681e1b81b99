//! What compiled code needs of Python at run time: the class of jitted functions, keys and marshalling
//! of arguments, guards, code memory, images, the helpers that call Python. No compiler inside.

pub mod bind;
pub mod call;
pub mod callback;
pub mod cells;
pub mod code;
pub mod count;
pub mod cpu;
pub mod cpython;
mod descriptors;
mod direct;
pub mod fail;
pub mod feedback;
mod foreign;
mod form;
mod handlers;
pub mod helpers;
pub mod image;
pub mod island;
pub mod key;
pub mod left;
pub mod lines;
pub mod numpy;
pub mod object;
pub mod opaque;
pub mod payload;
pub mod plan;
pub mod random;
pub mod read;
pub mod reference;
pub mod resume;
pub mod select;
mod slots;
pub mod source;
pub mod spec;
pub mod stack;
pub mod support;
pub mod table;
pub mod ticker;
mod ufunc;
pub mod unbox;
pub mod value;
pub mod world;

pub use object::guarded_int;
use pyo3::prelude::*;

/// Prepares what calls need: NumPy's API, the layout of functions, the recursion limit, the state
/// after `fork`.
///
/// # Errors
/// If NumPy cannot be imported or is too old.
pub fn init(py: Python<'_>) -> PyResult<()> {
    numpy::init(py)?;
    cpython::init(py);
    // SAFETY: `py` says that the GIL is held.
    unsafe { stack::init() };
    ticker::init();
    Ok(())
}
