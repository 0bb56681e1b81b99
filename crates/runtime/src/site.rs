//! Failure sites: every place where generated code can leave the normal path.

use numlift_types::Type;
use serde::{Deserialize, Serialize};

/// Index into the site table of a specialisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SiteId(pub u32);

/// Why native code gives the call back to the interpreter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ExitReason {
    /// A Python int left int64.
    Overflow,
    /// A result whose type depends on the value (`2 ** -1`, `(-8.0) ** 0.5`).
    ValueType,
    /// A union's rare family met an operation that needs the common one.
    Tag,
    /// A conversion that would not be exact (int above 2**53 to float).
    Inexact,
    /// A check that native code leaves to the interpreter to report.
    Recheck,
    /// Code in the interpreter changed what native code has assumed.
    Changed,
}

impl ExitReason {
    pub const ALL: [ExitReason; 6] = [
        ExitReason::Overflow,
        ExitReason::ValueType,
        ExitReason::Tag,
        ExitReason::Inexact,
        ExitReason::Recheck,
        ExitReason::Changed,
    ];

    pub fn from_name(name: &str) -> Option<ExitReason> {
        ExitReason::ALL.into_iter().find(|r| r.name() == name)
    }

    pub const fn name(self) -> &'static str {
        match self {
            ExitReason::Overflow => "overflow",
            ExitReason::ValueType => "value-type",
            ExitReason::Tag => "tag",
            ExitReason::Inexact => "inexact",
            ExitReason::Recheck => "recheck",
            ExitReason::Changed => "changed",
        }
    }
}

/// What a failure at a site means.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SiteKind {
    /// Evaluate `expr` in Python with `np`, `math`, `cmath`, `operator` and the operands named
    /// `a, b, c, ...`; it raises the error the interpreter would. `operands` gives their types
    /// in the order of their slots in `ctx.operands`.
    Replay { expr: String, operands: Vec<Type> },
    /// `raise exc(*args)`; `exc` names a built-in class; args are Python literals. `cause_none`: `from None`.
    Raise {
        exc: String,
        args: Vec<String>,
        cause_none: bool,
    },
    /// The interpreter repeats the call, or goes on in the caller: the function has had no effect.
    Exit(ExitReason),
    /// As `Exit` before any effect; behind one the interpreter goes on from a statement. The first operand is the
    /// effects flag, then come values of `operands`; `point` is an entry of the specialisation's resume points.
    Resume {
        reason: ExitReason,
        point: u32,
        operands: Vec<Type>,
    },
    /// A call of another native function: only a traceback entry. The caller has had no effect before it.
    Call,
    /// The same with the caller's state, which is recorded if the callee exits. The first operand is the caller's
    /// effects flag, then come values of `operands`; without a `point` the interpreter cannot go on there.
    Frame { point: Option<u32>, operands: Vec<Type> },
    /// A helper call that may set a Python exception.
    Helper,
    /// An island: code that the interpreter runs, with a frame of its own. Without an exception it is an exit.
    Island,
}

/// Which source function a site is in (callees and inlined functions have their own).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameInfo {
    pub file: String,
    pub name: String,
    pub qualname: String,
    pub first_line: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SiteData {
    pub kind: SiteKind,
    /// Index into the specialisation's `FrameInfo` table.
    pub frame: u32,
    /// 1-based line in the file; 0: no entry of the traceback.
    pub line: u32,
}
