//! Forms of islands.

use serde::{Deserialize, Serialize};

/// How an island says how it was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Form {
    /// The truth of an expression, as an int, which becomes the completion code.
    Test,
    /// Returns an iterator, its only out.
    Iter,
    /// Returns the class of a handler, its only out.
    Class,
    /// Falls through always: returns its only out, None without one, else a tuple of them.
    Plain,
    /// Returns a tuple of its outs, or what stands for unbound if there is no item: the completion code is 1.
    Next,
    /// Gives its only parameter up, an object of which it takes the reference.
    Drop,
    /// Reads attributes and items of objects; there is no code.
    Read,
    /// Enters a context manager: a tuple of whether native code may run inside, and its outs.
    Enter,
    /// Leaves it because of an exception; the completion code is whether that is suppressed.
    Suppress,
    /// Returns a tuple with the completion code first; with code 1 the function's result follows, else the outs.
    Coded,
}

impl Form {
    /// What it returns are its outs.
    pub(crate) fn binds(self) -> bool {
        !matches!(
            self,
            Form::Test | Form::Iter | Form::Class | Form::Drop | Form::Read | Form::Suppress
        )
    }
}
