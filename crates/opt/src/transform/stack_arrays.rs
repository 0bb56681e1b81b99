//! Puts small arrays on the stack that do not leave the function.
//!
//! Before (`ss0` has the extents, then room for the address of the elements and the owner):
//! ```text
//!   store.i64 stack v1, v0                          ; 3
//!   call_helper array_new(v2, v3, v0, v4, v5) site0 ; float64, one dimension, zeros
//!   v6 = load.i64 stack v0+8
//!   v7 = load.i64 stack v0+16
//!   ...
//!   store.f64 v8, v6+16
//! ```
//! After:
//! ```text
//!   ss1 = array 24
//!   v9 = slot_addr ss1
//!   store.i64 stack v10, v9                         ; 0, and so on
//!   v6 = slot_addr ss1
//!   v7 = iconst.i64 0
//!   ...
//!   store.f64 stack v8, v6+16
//! ```
//! The extents are constants. The address and what is added to it are only accessed: not passed to other blocks, recorded
//! or compared, so that all of it belongs to the array that was made last. Its owner is only counted and put into owner
//! slots, which hold none instead. What only the failures of such calls would record is not looked at: they are gone.

use std::collections::{HashMap, HashSet};

use numlift_mir::ir::SlotData;
use numlift_mir::{Block, BlockCall, ControlFlowGraph, Function, Imm, Inst, Opcode, Region, Slot, Ty, Value};
use numlift_runtime::helpers;
use numlift_types::DType;

use super::dead_code::Liveness;
use super::emit::Emit;
use crate::{Pass, PassContext};

pub const PASS: Pass = Pass {
    name: "stack-arrays",
    doc: "Puts small arrays that do not leave the function on the stack.",
    run,
};

/// Bytes of an array, and of one that is zeroed.
const MAX_BYTES: i64 = 256;
const MAX_ZEROED: i64 = 128;

pub fn run(f: &mut Function, context: &mut PassContext) {
    let Some(helper) = helpers::find("array_new") else {
        return;
    };
    let is_new =
        |f: &Function, i: &Inst| matches!(f.insts[*i].imm, Imm::Helper { helper: h, .. } if h == helper);
    let mut calls: Vec<(Block, Inst)> = vec![];
    for &b in &f.layout {
        let new = f.blocks[b].insts.iter().filter(|i| is_new(f, i));
        calls.extend(new.map(|i| (b, *i)));
    }
    if calls.is_empty() {
        return;
    }
    let users = users(f);
    let read: HashSet<Inst> = calls
        .iter()
        .flat_map(|&(b, i)| read_behind(f, b, i))
        .map(|r| r.0)
        .collect();
    let cfg = ControlFlowGraph::compute(f);
    let mut found: Vec<Array> = vec![];
    while !calls.is_empty() {
        let gone: HashSet<Inst> = calls.iter().map(|c| c.1).collect();
        let uses = Uses {
            users: &users,
            live: Liveness::compute(f, &cfg, &gone),
            gone,
        };
        let find =
            |&(b, i): &(Block, Inst)| Array::find(f, &uses, b, i).filter(|a| is_private(f, &users, a, &read));
        found = calls.iter().filter_map(find).collect();
        if found.len() == calls.len() {
            break;
        }
        // one that stays may keep others
        calls = found.drain(..).map(|a| (a.block, a.call)).collect();
    }
    // they go together, as what one would record is taken to be gone with the others
    if found.is_empty() || !context.rewrite() {
        return;
    }
    for array in found {
        let line = f.insts[array.call].line;
        context.remark(line, format!("array of {} bytes put on the stack", array.bytes));
        array.place(f);
    }
}

type Users = HashMap<Value, Vec<Inst>>;

/// What uses values, if calls go.
struct Uses<'a> {
    users: &'a Users,
    gone: HashSet<Inst>,
    live: Liveness,
}

impl Uses<'_> {
    /// The instructions that use a value where it matters.
    fn of(&self, f: &Function, v: Value) -> Vec<Inst> {
        let users = self.users.get(&v).into_iter().flatten().copied();
        users
            .filter(|i| !self.gone.contains(i) && !self.is_dropped(f, *i, v))
            .collect()
    }

    /// Whether a branch passes the value, but only to parameters that nothing needs.
    fn is_dropped(&self, f: &Function, i: Inst, v: Value) -> bool {
        let targets: &[&BlockCall] = match &f.insts[i].imm {
            Imm::Jump(t) => &[t],
            Imm::Branch(t, e) => &[t, e],
            _ => return false,
        };
        let needed = |t: &&BlockCall| {
            let mut passed = t.args.iter().zip(&f.blocks[t.block].params);
            passed.any(|(a, p)| *a == v && self.live.params.contains(*p))
        };
        !f.insts[i].args.contains(&v) && !targets.iter().any(needed)
    }
}

fn users(f: &Function) -> Users {
    let mut out = Users::new();
    for &i in f.layout.iter().flat_map(|b| &f.blocks[*b].insts) {
        for v in f.uses(i) {
            out.entry(v).or_default().push(i);
        }
    }
    out
}

/// An array whose elements fit on the stack.
struct Array {
    block: Block,
    call: Inst,
    bytes: u32,
    zeroed: bool,
    /// What the call reads and writes, and the stores of extents to it.
    slot: Slot,
    extents: Vec<Inst>,
    data: Inst,
    owner: Inst,
    accesses: HashSet<Inst>,
}

impl Array {
    fn find(f: &Function, uses: &Uses<'_>, block: Block, call: Inst) -> Option<Array> {
        let args = f.insts[call].args.clone();
        let constant = |n: usize| f.int_const(args[n]);
        let (dtype, nd, how) = (constant(0)?, constant(1)?, constant(3)?);
        let (slot, shape) = place(f, args[2], 0)?;
        let item = i64::from(DType::ALL.get(usize::try_from(dtype).ok()?)?.size());
        // in the order of Fortran only if that is the same, never with strides of its own
        if !(1..=4).contains(&nd) || how > 3 || how >= 2 && nd > 1 {
            return None;
        }
        let insts = &f.blocks[block].insts;
        let at = insts.iter().position(|i| *i == call)?;
        let (mut bytes, mut extents) = (item, vec![]);
        for k in 0..nd {
            let is = |i: &&Inst| {
                f.insts[**i].op == Opcode::Store && accessed(f, **i) == Some((slot, shape + 8 * k))
            };
            let &store = insts[..at].iter().rev().find(is)?;
            let n = f.int_const(f.insts[store].args[0]).filter(|n| *n >= 0)?;
            bytes = bytes.checked_mul(n)?;
            extents.push(store);
        }
        let zeroed = how & 1 != 0;
        if bytes > if zeroed { MAX_ZEROED } else { MAX_BYTES } {
            return None;
        }
        let out = place(f, args[4], 0)?;
        let behind = read_behind(f, block, call);
        let [(data, data_at), (owner, owner_at)] = behind[..] else {
            return None;
        };
        let array = Array {
            block,
            call,
            bytes: bytes.max(8).unsigned_abs() as u32,
            zeroed,
            extents,
            slot,
            data,
            owner,
            accesses: accesses(f, uses, f.insts[data].results[0])?,
        };
        let read = (data_at, owner_at) == (out.1, out.1 + 8) && out.0 == slot;
        (read && array.is_counted(f, uses)).then_some(array)
    }

    /// Whether the owner is nowhere but in owner slots.
    fn is_counted(&self, f: &Function, uses: &Uses<'_>) -> bool {
        let owner = f.insts[self.owner].results[0];
        uses.of(f, owner).into_iter().all(|i| {
            let d = &f.insts[i];
            match d.op {
                Opcode::Store if d.args[1] != owner => {
                    accessed(f, i).is_some_and(|(slot, _)| f.slots[slot].owner)
                }
                Opcode::CallHelper => matches!(&d.imm, Imm::Helper { helper, .. }
                    if ["py_incref", "py_decref"].contains(&helpers::sig(*helper).name)),
                _ => false,
            }
        })
    }

    fn place(&self, f: &mut Function) {
        let slot = f.slots.push(SlotData {
            bytes: self.bytes,
            owner: false,
            array: true,
        });
        for &i in &self.accesses {
            if let Imm::Mem { region, .. } = &mut f.insts[i].imm {
                *region = Region::Stack;
            }
        }
        let insts = &mut f.blocks[self.block].insts;
        let at = insts.iter().position(|i| *i == self.call).unwrap_or(insts.len());
        let mut rest = insts.split_off(at);
        rest.retain(|i| *i != self.call);
        insts.retain(|i| !self.extents.contains(i));
        let line = f.insts[self.call].line;
        let mut e = Emit {
            f,
            block: self.block,
            line,
        };
        if self.zeroed {
            let zero = e.constant(Ty::I64, 0);
            let base = e.slot_addr(slot);
            for k in 0..self.bytes.div_ceil(8) {
                e.store(zero, base, 8 * k as i32, Region::Stack);
            }
        }
        f.slots[slot].bytes = self.bytes.next_multiple_of(8);
        f.blocks[self.block].insts.extend(rest);
        for (i, op, imm) in [
            (self.data, Opcode::SlotAddr, Imm::Slot(slot)),
            (self.owner, Opcode::Iconst, Imm::Int(0)),
        ] {
            let d = &mut f.insts[i];
            (d.op, d.imm) = (op, imm);
            d.args.clear();
        }
    }
}

/// The slot and the byte of it that an address is of.
fn place(f: &Function, v: Value, disp: i64) -> Option<(Slot, i64)> {
    let d = &f.insts[f.def(v)?];
    match (d.op, &d.imm) {
        (Opcode::SlotAddr, Imm::Slot(slot)) => Some((*slot, disp)),
        (Opcode::Iadd, _) => {
            let (slot, at) = place(f, d.args[0], disp)?;
            Some((slot, at + f.int_const(d.args[1])?))
        }
        _ => None,
    }
}

/// The place that a load or store accesses.
fn accessed(f: &Function, i: Inst) -> Option<(Slot, i64)> {
    let d = &f.insts[i];
    match d.imm {
        Imm::Mem { disp, .. } => place(f, *d.args.last()?, i64::from(disp)),
        _ => None,
    }
}

/// The loads and stores at an address and what is added to it; `None` if it is used otherwise.
fn accesses(f: &Function, uses: &Uses<'_>, address: Value) -> Option<HashSet<Inst>> {
    let mut out = HashSet::new();
    let mut work = vec![address];
    let mut seen: HashSet<Value> = HashSet::from([address]);
    while let Some(v) = work.pop() {
        for i in uses.of(f, v) {
            let d = &f.insts[i];
            match d.op {
                Opcode::Iadd if d.ty == Ty::I64 => {
                    work.extend(d.results.iter().filter(|r| seen.insert(**r)));
                }
                Opcode::Load if !d.ty.is_vector() => {
                    out.insert(i);
                }
                Opcode::Store if d.args[0] != v && !d.ty.is_vector() => {
                    out.insert(i);
                }
                _ => return None,
            }
        }
    }
    Some(out)
}

/// The loads of what a call has written, in its block before the next one like it, and where they load.
fn read_behind(f: &Function, block: Block, call: Inst) -> Vec<(Inst, i64)> {
    let d = &f.insts[call];
    let Some((slot, _)) = place(f, d.args[2], 0) else {
        return vec![];
    };
    let again = |i: &Inst| f.insts[*i].imm == d.imm && f.insts[*i].args[2] == d.args[2];
    let behind = f.blocks[block].insts.iter().skip_while(|i| **i != call).skip(1);
    let loads = behind
        .take_while(|i| !again(i))
        .filter(|i| f.insts[**i].op == Opcode::Load);
    let read = loads.filter_map(|&i| Some((i, accessed(f, i)?)));
    read.filter(|(_, at)| at.0 == slot)
        .map(|(i, at)| (i, at.1))
        .collect()
}

/// Whether the slot is used for this call, or for others like it: nothing else passes its address on or reads it.
fn is_private(f: &Function, users: &Users, array: &Array, read: &HashSet<Inst>) -> bool {
    let (call, slot) = (&f.insts[array.call], array.slot);
    let insts = f.layout.iter().flat_map(|b| &f.blocks[*b].insts);
    let addresses = insts.filter(|i| f.insts[**i].imm == Imm::Slot(slot));
    let mut work: Vec<Value> = addresses.map(|i| f.insts[*i].results[0]).collect();
    while let Some(v) = work.pop() {
        for &i in users.get(&v).into_iter().flatten() {
            let d = &f.insts[i];
            match d.op {
                Opcode::Iadd => work.extend(&d.results),
                Opcode::Store if d.args[0] != v => {}
                Opcode::Load if read.contains(&i) => {}
                Opcode::CallHelper if d.imm == call.imm => {}
                _ => return false,
            }
        }
    }
    true
}
