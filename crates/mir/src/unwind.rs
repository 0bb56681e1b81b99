//! What happens between the failure of an instruction and the end of its function.

use smallvec::SmallVec;

use crate::Opcode;
use crate::ir::{Block, Imm, InstData, Site, Slot, Value};

/// The way out of an instruction that fails. Calls that were inlined around it pass the failure on as their callers
/// would have: each is noted in the trace, and what its site records is recorded. Then the function goes on at the
/// landing, or ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unwind {
    /// Innermost first.
    pub inlined: SmallVec<[InlinedCall; 1]>,
    pub landing: Option<Landing>,
}

/// A call whose callee's body is in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InlinedCall {
    /// Of the call.
    pub site: Site,
    /// The effects flag of the caller, then what the site records.
    pub recorded: SmallVec<[Value; 4]>,
}

/// Where an instruction goes on when it fails, instead of leaving the function: its site and operands are recorded, and
/// values are stored in a slot, 8 bytes for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Landing {
    pub block: Block,
    pub slot: Slot,
    pub values: SmallVec<[Value; 4]>,
}

impl Unwind {
    /// The form in which an instruction has it: nothing if it simply leaves.
    pub fn boxed(self) -> Option<Box<Unwind>> {
        (!self.inlined.is_empty() || self.landing.is_some()).then(|| Box::new(self))
    }

    /// Every value that it records or stores.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        let recorded = self.inlined.iter().flat_map(|c| &c.recorded);
        recorded.chain(self.landing.iter().flat_map(|l| &l.values))
    }

    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Value> {
        let recorded = self.inlined.iter_mut().flat_map(|c| &mut c.recorded);
        recorded.chain(self.landing.iter_mut().flat_map(|l| &mut l.values))
    }
}

impl InstData {
    /// Takes its check from an operation, which becomes `op` of the operands alone.
    pub fn uncheck(&mut self, op: Opcode) {
        self.args.truncate(self.op.own_args());
        self.op = op;
        self.imm = Imm::None;
        self.unwind = None;
    }

    /// Where it goes on when it fails.
    pub fn landing(&self) -> Option<&Landing> {
        self.unwind.as_ref()?.landing.as_ref()
    }

    /// The inlined calls that it is in, innermost first.
    pub fn inlined(&self) -> &[InlinedCall] {
        self.unwind.as_ref().map_or(&[], |u| &u.inlined)
    }

    /// The values that its failure records or stores, beyond its own operands.
    pub fn unwound(&self) -> impl Iterator<Item = Value> {
        self.unwind.iter().flat_map(|u| u.values().copied())
    }
}
