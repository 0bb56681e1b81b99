//! The numlift._core extension module.
