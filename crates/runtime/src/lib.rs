//! The ABI and native kernels that generated code calls.
