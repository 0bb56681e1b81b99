//! Functions of `math` on all turns of a vector iteration: their arguments are stored to the stack, one call of a kernel
//! computes all results.

use numlift_mir::ir::SlotData;
use numlift_mir::{Builder, Function, Imm, Inst, Opcode, Region, Slot, Ty, Value};
use numlift_runtime::{HelperId, helpers};

use super::lanes::Registers;

/// The kernel that does what a call does on many numbers.
pub(super) fn kernel(f: &Function, i: Inst) -> Option<HelperId> {
    match f.insts[i].imm {
        Imm::Helper { helper, site: None } => helpers::lanes_of(helper),
        _ => None,
    }
}

/// Whether a block calls any.
pub(super) fn any(f: &Function, insts: &[Inst]) -> bool {
    insts.iter().any(|i| f.insts[*i].op == Opcode::CallHelper)
}

/// Where arguments and results are.
#[derive(Clone, Copy)]
pub(super) struct Area {
    from: Slot,
    to: Slot,
}

impl Area {
    pub fn new(b: &mut Builder, turns: u32) -> Area {
        let mut slot = || {
            b.func.slots.push(SlotData {
                bytes: turns * Ty::F64.bytes(),
                owner: false,
                array: false,
            })
        };
        Area {
            from: slot(),
            to: slot(),
        }
    }

    pub fn call(self, b: &mut Builder, kernel: HelperId, args: &[Value]) -> Registers {
        let [from, to] = [self.from, self.to].map(|s| b.slot_addr(s));
        let at = |k: usize| 16 * k as i32;
        for (k, &v) in args.iter().enumerate() {
            b.store(v, from, at(k), Region::Stack);
        }
        let n = b.iconst(Ty::I64, 2 * args.len() as i64);
        b.call_helper(kernel, &[from, to, n], None);
        let loads = 0..args.len();
        loads
            .map(|k| b.load(Ty::F64x2, to, at(k), Region::Stack))
            .collect()
    }
}
