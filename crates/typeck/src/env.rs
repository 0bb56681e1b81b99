//! What inference may ask of the world outside the function: names, attributes, other functions.
//!
//! The `python` crate implements [`Env`] over live objects and records a guard for every answer,
//! so that a later rebinding is noticed at the next call.

use std::sync::Arc;

use crate::tables::Binding;
use numlift_diagnostics::Diagnostic;
use numlift_syntax::hir::{self, ExprId, Name};
use numlift_types::{CodeRef, ObjectRef, Scalar, Type};
pub use numlift_types::{Known, Resolved};

/// The world outside the functions being compiled.
pub trait Env {
    /// The HIR of a function.
    ///
    /// # Errors
    /// A diagnostic if its source is not available or not understood.
    fn hir(&self, code: CodeRef) -> Result<Arc<hir::Function>, Diagnostic>;
    /// A global of the function's module, else a builtin.
    fn global(&self, code: CodeRef, name: &str) -> Resolved;
    /// A closure variable.
    fn free(&self, code: CodeRef, name: &str) -> Resolved;
    /// The type of the number that a global or closure variable is now; nothing is guarded.
    fn number(&self, code: CodeRef, name: &Name) -> Option<Type> {
        let _ = (code, name);
        None
    }
    /// `object.name` for a `Known` object.
    fn attr(&self, object: ObjectRef, name: &str) -> Resolved;
    /// `import path` (absolute), without importing anything.
    fn module(&self, path: &str) -> Resolved;
    fn known(&self, object: ObjectRef) -> Known;
    /// Default of parameter number `param` (index into `hir::Function::params`).
    fn default(&self, code: CodeRef, param: usize) -> Resolved;
    /// Number of operands of a `numpy.ufunc`; `None` if it is another object.
    fn ufunc_inputs(&self, object: ObjectRef) -> Option<usize>;
    /// Types of the loop that NumPy runs for operands of these families, as in `np.sin.types`
    /// (`"d->d"`); `None` if it raises or needs a dtype that native code does not have.
    fn ufunc_loop(&self, object: ObjectRef, operands: &[Scalar]) -> Option<String>;
    /// Whether the spare normal of NumPy's global generator can be reached from machine code.
    fn legacy_gauss(&self) -> bool {
        false
    }
    /// What argument number `i` of the entry is, in words: `"a dict"`.
    fn argument(&self, i: usize) -> Option<String> {
        let _ = i;
        None
    }
    /// The type that an annotation names, given its text, in the globals of a function.
    fn annotation(&self, code: CodeRef, text: &str) -> Option<Type> {
        let _ = (code, text);
        None
    }
    /// The type of a variable that a run has observed: assumed, and looked at where code of the interpreter ends.
    fn observed(&self, binding: Binding) -> Option<Type> {
        let _ = binding;
        None
    }
    /// The type of what an expression reads of an object, as a run has observed it.
    fn observed_read(&self, read: ExprId) -> Option<Type> {
        let _ = read;
        None
    }
    /// Object by canonical path, e.g. `numpy.zeros` (the module is loaded).
    fn object(&self, path: &str) -> Option<ObjectRef>;
    /// Whether the interpreter runs with `-O` (`__debug__` is false).
    fn optimized(&self) -> bool;
}
