//! What became of a call.

use numlift_runtime::Status;

use crate::ir::Site;

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The results in slot form.
    Returned(Vec<u64>),
    Failed(Failure),
}

/// What `Ctx` holds after a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub status: Status,
    pub site: Site,
    /// The recorded operands in slot form.
    pub operands: Vec<u64>,
    /// 1 if an effect was done before an exit.
    pub effects: u32,
    /// Call sites passed on the way out, innermost first.
    pub trace: Vec<Site>,
}

impl Failure {
    /// A call passes it on.
    pub(super) fn pass(&mut self, site: Site, effects: u32) {
        self.effects |= effects;
        self.trace.push(site);
    }
}

/// Why there is no outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trap {
    /// More instructions than allowed.
    Fuel,
    /// Calls that do not end: recursion that does not count its depth.
    Frames,
    /// A division by zero, or one whose quotient does not fit.
    Division,
    /// `unreachable` was reached.
    Unreachable,
    /// An `assume` that does not hold.
    Assumption,
    /// An `extent` that no array has.
    Extent(i64),
    /// An access outside of every allocation.
    Memory { address: u64, bytes: u32 },
    /// A read of a byte that was never written.
    Unwritten { address: u64 },
    /// The host does not have the helper or object.
    Missing(String),
    /// The module breaks a rule that the verifier checks.
    Invalid(String),
}

impl std::fmt::Display for Trap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Trap::Fuel => f.write_str("out of fuel"),
            Trap::Frames => f.write_str("too many frames"),
            Trap::Division => f.write_str("a division that traps"),
            Trap::Unreachable => f.write_str("`unreachable` was reached"),
            Trap::Extent(n) => write!(f, "an array with the extent {n}"),
            Trap::Assumption => f.write_str("an assumption that does not hold"),
            Trap::Memory { address, bytes } => {
                write!(
                    f,
                    "an access of {bytes} bytes at {address:#x}, which is outside of every block"
                )
            }
            Trap::Unwritten { address } => write!(f, "a read at {address:#x} of what was never written"),
            Trap::Missing(what) => write!(f, "the host has no {what}"),
            Trap::Invalid(what) => write!(f, "not well-formed: {what}"),
        }
    }
}
