//! Takes owner slots away that hold references to what lives longer anyway.
//!
//! Before (`v0` is the owner of an array that the caller holds, or that another slot holds from before the loop):
//! ```text
//!   ss0 = owner 8
//! block1(v1: i64):
//!   call_helper py_incref(v0)
//!   v2 = slot_addr ss0
//!   v3 = load.i64 stack v2
//!   store.i64 stack v0, v2
//!   call_helper py_decref(v3)
//! ```
//! After:
//! ```text
//!   ss0 = slot 8
//! block1(v1: i64):
//!   v2 = slot_addr ss0
//! ```
//! A slot qualifies if it is stored to and loaded from alone, what is loaded is given back, and each reference that
//! comes into it was taken in the same block, to an object that lives until the function ends: a parameter, a hidden
//! argument, or what another slot has got before in a place that is passed once and keeps. Which of two references to one object is which
//! does not matter, so all of the slot goes.

use std::collections::HashMap;

use cranelift_entity::{EntitySet, SecondaryMap};
use numlift_mir::{
    Block, ControlFlowGraph, DominatorTree, Function, Imm, Inst, LoopForest, Opcode, Slot, Value, ValueDef,
};
use numlift_runtime::helpers;

use super::gvn::is_hidden;
use crate::{Pass, PassContext};

pub const PASS: Pass = Pass {
    name: "references",
    doc: "Counts no references to what lives until the function ends.",
    run,
};

pub fn run(f: &mut Function, context: &mut PassContext) {
    if !f.slots.values().any(|s| s.owner) {
        return;
    }
    // of arrays that are on the stack
    for n in 0..f.layout.len() {
        let b = f.layout[n];
        let mut insts = std::mem::take(&mut f.blocks[b].insts);
        insts.retain(|i| counts(f, *i).is_none_or(|(_, v)| f.int_const(v) != Some(0)) || !context.rewrite());
        f.blocks[b].insts = insts;
    }
    let uses = Uses::collect(f);
    let lasting = Lasting::find(f, &uses);
    let plans = uses.plans(f, &lasting);
    let mut gone: EntitySet<Inst> = EntitySet::new();
    for (slot, insts) in plans {
        if context.rewrite() {
            f.slots[slot].owner = false;
            let line = insts.iter().map(|i| f.insts[*i].line).find(|n| *n > 0);
            gone.extend(insts);
            context.remark(
                line.unwrap_or(0),
                "references to an array that lives longer are not counted",
            );
        }
    }
    for n in 0..f.layout.len() {
        let b = f.layout[n];
        f.blocks[b].insts.retain(|i| !gone.contains(*i));
    }
}

/// Where a store puts a value that is not 0.
#[derive(Clone, Copy)]
struct Store {
    slot: Slot,
    value: Value,
    block: Block,
    /// Number of the instruction in its block.
    at: usize,
}

/// What is done with owner slots.
#[derive(Default)]
struct Uses {
    /// Slots with an address that something else uses, or of which something else than the count sees the content.
    shared: EntitySet<Slot>,
    stores: Vec<Store>,
    /// Stores, loads and what gives back what is loaded.
    insts: SecondaryMap<Slot, Vec<Inst>>,
}

impl Uses {
    fn collect(f: &Function) -> Uses {
        let mut out = Uses::default();
        let insts = || f.layout.iter().flat_map(|b| f.blocks[*b].insts.iter().copied());
        let mut addresses: HashMap<Value, Slot> = HashMap::new();
        for i in insts() {
            if let Imm::Slot(slot) = f.insts[i].imm
                && f.slots[slot].owner
            {
                addresses.insert(f.insts[i].results[0], slot);
            }
        }
        let mut loaded: HashMap<Value, Slot> = HashMap::new();
        for &block in &f.layout {
            for (at, &i) in f.blocks[block].insts.iter().enumerate() {
                for v in f.uses(i) {
                    let Some(&slot) = addresses.get(&v) else { continue };
                    let d = &f.insts[i];
                    match (d.op, &d.args[..]) {
                        (Opcode::Load, _) => {
                            loaded.insert(d.results[0], slot);
                        }
                        (Opcode::Store, &[value, to]) if to == v && value != v => {
                            let store = Store {
                                slot,
                                value,
                                block,
                                at,
                            };
                            out.stores
                                .extend(Some(store).filter(|_| f.int_const(value) != Some(0)));
                        }
                        _ => {
                            out.shared.insert(slot);
                            continue;
                        }
                    }
                    out.insts[slot].push(i);
                }
            }
        }
        for i in insts() {
            for v in f.uses(i) {
                let Some(&slot) = loaded.get(&v) else { continue };
                match counts(f, i) {
                    Some(("py_decref", _)) => out.insts[slot].push(i),
                    _ => {
                        out.shared.insert(slot);
                    }
                }
            }
        }
        out
    }

    /// The slots that go, with the instructions that go along.
    fn plans(&self, f: &Function, lasting: &Lasting) -> Vec<(Slot, Vec<Inst>)> {
        let mut kept = self.shared.clone();
        let mut taken: SecondaryMap<Slot, Vec<Inst>> = SecondaryMap::new();
        let mut next = self.stores.iter().peekable();
        for &b in &f.layout {
            let mut open: HashMap<Value, Vec<Inst>> = HashMap::new();
            for (at, &i) in f.blocks[b].insts.iter().enumerate() {
                if let Some(("py_incref", v)) = counts(f, i) {
                    open.entry(v).or_default().push(i);
                }
                let Some(store) = next.next_if(|s| s.block == b && s.at == at) else {
                    continue;
                };
                let own = open.get_mut(&store.value).filter(|_| lasting.holds(store));
                match own.and_then(Vec::pop) {
                    Some(i) => taken[store.slot].push(i),
                    None => {
                        kept.insert(store.slot);
                    }
                }
            }
        }
        let owners = f
            .slots
            .iter()
            .filter(|(s, data)| data.owner && !kept.contains(*s));
        owners
            .map(|(s, _)| (s, [&self.insts[s][..], &taken[s]].concat()))
            .collect()
    }
}

/// The helper and the object, if references are counted.
fn counts(f: &Function, i: Inst) -> Option<(&'static str, Value)> {
    let name = match f.insts[i].imm {
        Imm::Helper { helper, .. } => helpers::sig(helper).name,
        _ => return None,
    };
    matches!(name, "py_incref" | "py_decref").then(|| (name, f.insts[i].args[0]))
}

/// What lives until the function ends: from the start, or from a store on that is the only one of its slot.
struct Lasting {
    params: EntitySet<Value>,
    since: HashMap<Value, Store>,
    dom: DominatorTree,
}

impl Lasting {
    fn find(f: &Function, uses: &Uses) -> Lasting {
        let cfg = ControlFlowGraph::compute(f);
        let dom = DominatorTree::compute(&cfg);
        let forest = LoopForest::compute(&cfg, &dom);
        let entry = f.layout.first();
        let mut params = EntitySet::new();
        params.extend(entry.iter().flat_map(|b| f.blocks[**b].params.iter().copied()));
        let mut since = HashMap::new();
        for s in &uses.stores {
            let stores = uses.insts[s.slot].iter();
            let alone = stores.filter(|i| f.insts[**i].op == Opcode::Store).count() == 1;
            let once = forest.innermost(s.block).is_none() && !uses.shared.contains(s.slot);
            // the host holds hidden arguments
            if f.def(s.value).is_some_and(|i| is_hidden(f, i)) {
                params.insert(s.value);
            }
            // a parameter of a block may stand for values of several turns
            if alone && once && matches!(f.values[s.value].def, ValueDef::Result(..)) {
                since.entry(s.value).or_insert(*s);
            }
        }
        Lasting { params, since, dom }
    }

    /// Whether what is stored lives on without the store.
    fn holds(&self, s: &Store) -> bool {
        let before = |h: &Store| match h.block == s.block {
            true => h.at < s.at,
            false => self.dom.dominates(h.block, s.block),
        };
        self.params.contains(s.value) || self.since.get(&s.value).is_some_and(before)
    }
}
