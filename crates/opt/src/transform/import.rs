//! A copy of another function's body in the place of a call.

use std::collections::HashMap;

use cranelift_entity::SecondaryMap;
use numlift_mir::{
    Block, BlockCall, BlockData, Function, Imm, InlinedCall, Inst, InstData, Opcode, Region, Slot, Ty,
    Unwind, Value, ValueData, ValueDef,
};
use numlift_runtime::helpers;
use smallvec::SmallVec;

use super::clone::branches_mut;
use super::emit::Emit;

pub(crate) struct Import {
    /// Where the function goes on with the results.
    behind: Block,
    pub line: u32,
    cold: bool,
    args: SmallVec<[Value; 4]>,
    /// What failures of the body pass.
    pub unwind: Unwind,
    /// Calls that the depth of the body counts more than that of the function.
    pub levels: u32,
    blocks: SecondaryMap<Block, Block>,
    values: HashMap<Value, Value>,
    slots: HashMap<Slot, Slot>,
    /// Number of the first array that the body makes.
    fresh: u32,
}

impl Import {
    pub fn new(f: &Function, call: Inst, body: &Function, behind: Block) -> Import {
        let d = &f.insts[call];
        let (site, levels) = match d.imm {
            Imm::Call { site, levels, .. } => (Some(site), levels),
            _ => (None, 0),
        };
        let (args, recorded) = d.args.split_at(body.params.len());
        let own = site.map(|site| InlinedCall {
            site,
            recorded: SmallVec::from_slice(recorded),
        });
        Import {
            behind,
            line: d.line,
            cold: f.blocks[behind].cold,
            args: SmallVec::from_slice(args),
            unwind: Unwind {
                inlined: own.into_iter().chain(d.inlined().iter().cloned()).collect(),
                landing: d.landing().cloned(),
            },
            levels: levels + u32::from(body.recursive),
            blocks: SecondaryMap::with_default(behind),
            values: HashMap::new(),
            slots: HashMap::new(),
            fresh: f
                .insts
                .values()
                .filter_map(|d| fresh(&d.imm))
                .max()
                .map_or(0, |n| n + 1),
        }
    }

    /// Copies all blocks; the parameters of the first are the arguments. With `polled` the caller has polled already.
    pub fn body(&mut self, f: &mut Function, body: &Function, polled: bool) -> Vec<Block> {
        for (slot, data) in body.slots.iter() {
            self.slots.insert(slot, f.slots.push(*data));
        }
        for (n, &b) in body.layout.iter().enumerate() {
            let copy = f.blocks.push(BlockData {
                cold: self.cold || body.blocks[b].cold,
                ..BlockData::default()
            });
            self.blocks[b] = copy;
            for (k, &v) in body.blocks[b].params.iter().enumerate() {
                let to = match n {
                    0 => self.args[k],
                    _ => f.append_param(copy, body.ty(v)),
                };
                self.values.insert(v, to);
            }
        }
        let blocks: Vec<Block> = body.layout.iter().map(|b| self.blocks[*b]).collect();
        self.owners(f, body, blocks[0], |e, slot| e.clear(slot));
        let mut made: Vec<Inst> = Vec::new();
        for (n, &b) in body.layout.iter().enumerate() {
            for &i in &body.blocks[b].insts {
                let op = body.insts[i].op;
                if polled && n == 0 && op == Opcode::Safepoint {
                    continue;
                }
                if op == Opcode::Return {
                    self.owners(f, body, self.blocks[b], |e, slot| e.give_back(slot));
                }
                let copy = self.inst(f, body, i);
                f.blocks[self.blocks[b]].insts.push(copy);
                made.push(copy);
            }
        }
        for i in made {
            f.map_uses(i, |v| self.values.get(&v).copied().unwrap_or(v));
            self.pass_on(&mut f.insts[i]);
        }
        blocks
    }

    /// Does something to each slot that holds a reference.
    fn owners(&self, f: &mut Function, body: &Function, block: Block, act: fn(&mut Emit<'_>, Slot)) {
        for (slot, _) in body.slots.iter().filter(|(_, data)| data.owner) {
            let line = self.line;
            act(&mut Emit { f, block, line }, self.slots[&slot]);
        }
    }

    fn inst(&mut self, f: &mut Function, body: &Function, i: Inst) -> Inst {
        let mut data = InstData {
            results: SmallVec::new(),
            line: self.line,
            ..body.insts[i].clone()
        };
        match &mut data.imm {
            Imm::Slot(slot) => *slot = self.slots[slot],
            Imm::Call { levels, .. } => *levels += self.levels,
            Imm::Mem {
                region: Region::Fresh(n),
                ..
            } => *n += self.fresh,
            _ => {}
        }
        if let Some(l) = data.unwind.as_mut().and_then(|u| u.landing.as_mut()) {
            l.block = self.blocks[l.block];
            l.slot = self.slots[&l.slot];
        }
        if data.op == Opcode::Return {
            let args = std::mem::take(&mut data.args);
            data.op = Opcode::Jump;
            data.imm = Imm::Jump(BlockCall {
                block: self.behind,
                args: args.into_iter().collect(),
            });
        } else {
            for t in branches_mut(&mut data.imm) {
                t.block = self.blocks[t.block];
            }
        }
        let copy = f.insts.push(data);
        for (n, &v) in body.insts[i].results.iter().enumerate() {
            let new = f.values.push(ValueData {
                ty: body.ty(v),
                def: ValueDef::Result(copy, n as u16),
            });
            f.insts[copy].results.push(new);
            self.values.insert(v, new);
        }
        copy
    }

    /// A failure that leaves the body passes the call.
    fn pass_on(&self, d: &mut InstData) {
        let leaves = matches!(
            d.imm,
            Imm::Site(_) | Imm::Call { .. } | Imm::Helper { site: Some(_), .. }
        );
        if !leaves || d.landing().is_some() {
            return;
        }
        let mut unwind = d.unwind.take().map_or_else(Unwind::default, |u| *u);
        unwind.inlined.extend(self.unwind.inlined.iter().cloned());
        unwind.landing = self.unwind.landing.clone();
        d.unwind = unwind.boxed();
    }
}

/// The array that an access is of.
fn fresh(imm: &Imm) -> Option<u32> {
    match imm {
        Imm::Mem {
            region: Region::Fresh(n),
            ..
        } => Some(*n),
        _ => None,
    }
}

impl Emit<'_> {
    /// Nothing is in a slot.
    fn clear(&mut self, slot: Slot) {
        let zero = self.constant(Ty::I64, 0);
        let address = self.slot_addr(slot);
        self.store(zero, address, 0, Region::Stack);
    }

    /// Gives back the reference that is in a slot.
    fn give_back(&mut self, slot: Slot) {
        let address = self.slot_addr(slot);
        let object = self.load(Ty::I64, address, Region::Stack);
        if let Some(decref) = helpers::find("py_decref") {
            self.helper(decref, &[object]);
        }
        self.clear(slot);
    }
}
