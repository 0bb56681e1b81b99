//! Files of compiled modules, made without a compiler or a linker.
//!
//! [`stub`] makes an extension module of the prebuilt stub: a segment with machine code, payload and the dynamic
//! symbols that the module has. [`relocatable`] makes object files.

pub mod relocatable;
pub mod stub;

/// Why no file could be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The stub is not the file that it should be.
    #[error("the stub of compiled modules is damaged: {0}")]
    Stub(&'static str),
    /// What is to be written does not fit.
    #[error("the module is too large")]
    Large,
}
