//! Copies of blocks, and what a function needs around them.

use std::collections::HashMap;

use cranelift_entity::SecondaryMap;
use cranelift_entity::packed_option::PackedOption;
use numlift_mir::{
    Block, BlockCall, BlockData, ControlFlowGraph, Function, Imm, Inst, InstData, Opcode, Value, ValueData,
    ValueDef,
};
use smallvec::SmallVec;

/// The targets of a terminator's immediate data.
pub(crate) fn branches_mut(imm: &mut Imm) -> SmallVec<[&mut BlockCall; 2]> {
    match imm {
        Imm::Jump(t) => SmallVec::from_iter([t]),
        Imm::Branch(t, e) => SmallVec::from_iter([t, e]),
        _ => SmallVec::new(),
    }
}

/// What copies stand for.
#[derive(Default)]
pub(crate) struct Copies {
    pub blocks: SecondaryMap<Block, PackedOption<Block>>,
    pub values: SecondaryMap<Value, PackedOption<Value>>,
}

impl Copies {
    pub fn block(&self, b: Block) -> Block {
        self.blocks[b].expand().unwrap_or(b)
    }

    pub fn value(&self, v: Value) -> Value {
        self.values[v].expand().unwrap_or(v)
    }
}

/// Whether something in blocks lands outside of them, or something outside in them: they cannot be copied, as a landing
/// has one block that leads to it.
pub(crate) fn lands_across(f: &Function, blocks: &[Block]) -> bool {
    let raised = |v: Value| f.def(v).is_some_and(|i| f.insts[i].op == Opcode::Raised);
    let mut branches = blocks.iter().filter_map(|b| f.terminator(*b));
    let out = branches.any(|i| match &f.insts[i].imm {
        Imm::Branch(then, _) => raised(f.insts[i].args[0]) && !blocks.contains(&then.block),
        _ => false,
    });
    // a handler that raises on is in no loop, the handler around it may be
    let others = f.layout.iter().filter(|b| !blocks.contains(b));
    let mut landings = others
        .flat_map(|b| &f.blocks[*b].insts)
        .filter_map(|i| f.insts[*i].landing());
    out || landings.any(|l| blocks.contains(&l.block))
}

/// Copies blocks: branches among them lead to copies, all others where they did. The copies are not in
/// the layout. With a header in `given` they are one turn of a loop: the header's copy has no parameters but
/// uses those values, and branches to the header still lead to the header.
pub(crate) fn copy_blocks(f: &mut Function, blocks: &[Block], given: Option<(Block, &[Value])>) -> Copies {
    let mut c = Copies::default();
    for &b in blocks {
        let copy = f.blocks.push(BlockData {
            cold: f.blocks[b].cold,
            ..BlockData::default()
        });
        c.blocks[b] = copy.into();
        for k in 0..f.blocks[b].params.len() {
            let v = f.blocks[b].params[k];
            let instead = match given {
                Some((block, values)) if block == b => values[k],
                _ => {
                    let ty = f.ty(v);
                    f.append_param(copy, ty)
                }
            };
            c.values[v] = instead.into();
        }
    }
    // All results first: a loop's blocks may use values of blocks that come later in the list.
    let mut made: Vec<(Inst, Inst)> = Vec::new();
    for &b in blocks {
        for k in 0..f.blocks[b].insts.len() {
            let i = f.blocks[b].insts[k];
            let copy = copy_inst(f, i, &mut c);
            f.blocks[c.block(b)].insts.push(copy);
            made.push((i, copy));
        }
    }
    for (_, copy) in made {
        f.map_uses(copy, |v| c.value(v));
        let mut imm = std::mem::replace(&mut f.insts[copy].imm, Imm::None);
        for t in branches_mut(&mut imm) {
            if given.is_none_or(|g| g.0 != t.block) {
                t.block = c.block(t.block);
            }
        }
        f.insts[copy].imm = imm;
        if let Some(l) = (f.insts[copy].unwind.as_mut()).and_then(|u| u.landing.as_mut()) {
            l.block = c.block(l.block);
        }
    }
    c
}

pub(crate) fn copy_inst(f: &mut Function, i: Inst, c: &mut Copies) -> Inst {
    let data = InstData {
        results: SmallVec::new(),
        ..f.insts[i].clone()
    };
    let copy = f.insts.push(data);
    for n in 0..f.insts[i].results.len() {
        let v = f.insts[i].results[n];
        let new = f.values.push(ValueData {
            ty: f.ty(v),
            def: ValueDef::Result(copy, n as u16),
        });
        f.insts[copy].results.push(new);
        c.values[v] = new.into();
    }
    copy
}

/// Uses, outside of `blocks` and of their copies, of values that `blocks` define: where both can lead
/// there, a parameter takes whichever it is.
pub(crate) fn join_copies(f: &mut Function, blocks: &[Block], c: &Copies) {
    let mut inside: SecondaryMap<Block, Option<bool>> = SecondaryMap::new();
    for &b in blocks {
        inside[b] = Some(false);
        inside[c.block(b)] = Some(true);
    }
    let homes = f.inst_blocks();
    let mut uses: HashMap<Value, Vec<Block>> = HashMap::new();
    for &b in &f.layout {
        if inside[b].is_some() {
            continue;
        }
        for &i in &f.blocks[b].insts {
            for v in f.uses(i) {
                let home = match f.values[v].def {
                    ValueDef::Param(home, _) => Some(home),
                    ValueDef::Result(i, _) => homes[i].expand(),
                };
                if home.is_some_and(|h| inside[h] == Some(false)) {
                    uses.entry(v).or_default().push(b);
                }
            }
        }
    }
    if uses.is_empty() {
        return;
    }
    let cfg = ControlFlowGraph::compute(f);
    let mut uses: Vec<(Value, Vec<Block>)> = uses.into_iter().collect();
    uses.sort_by_key(|u| u.0);
    let mut renamed: SecondaryMap<Block, SmallVec<[(Value, Value); 2]>> = SecondaryMap::new();
    for (v, at) in uses {
        join(f, &cfg, &inside, (v, c.value(v)), &at, &mut renamed);
    }
    for n in 0..f.layout.len() {
        let b = f.layout[n];
        for k in 0..f.blocks[b].insts.len() {
            let i = f.blocks[b].insts[k];
            let to = &renamed[b];
            if !to.is_empty() {
                f.map_uses(i, |v| to.iter().find(|r| r.0 == v).map_or(v, |r| r.1));
            }
        }
    }
}

/// Finds the definition of one value that reaches each of the blocks `at` and those on the way there.
fn join(
    f: &mut Function,
    cfg: &ControlFlowGraph,
    inside: &SecondaryMap<Block, Option<bool>>,
    (own, copy): (Value, Value),
    at: &[Block],
    renamed: &mut SecondaryMap<Block, SmallVec<[(Value, Value); 2]>>,
) {
    let mut on_the_way: HashMap<Block, Option<Value>> = HashMap::new();
    let mut work = at.to_vec();
    while let Some(b) = work.pop() {
        if inside[b].is_none() && on_the_way.insert(b, None).is_none() {
            work.extend_from_slice(cfg.preds(b));
        }
    }
    let reaching = |known: &HashMap<Block, Option<Value>>, p: Block| match inside[p] {
        Some(false) => Some(own),
        Some(true) => Some(copy),
        None => known.get(&p).copied().flatten(),
    };
    let mut joins: Vec<Block> = Vec::new();
    for b in cfg.reverse_postorder() {
        if !on_the_way.contains_key(&b) {
            continue;
        }
        let mut from = cfg.preds(b).iter().map(|&p| reaching(&on_the_way, p));
        let first = from.next().flatten();
        let v = match first {
            Some(v) if from.all(|x| x == Some(v)) => v,
            _ => {
                joins.push(b);
                let ty = f.ty(own);
                f.append_param(b, ty)
            }
        };
        on_the_way.insert(b, Some(v));
        if v != own {
            renamed[b].push((own, v));
        }
    }
    for b in joins {
        let mut from: Vec<Block> = cfg.preds(b).to_vec();
        from.sort();
        from.dedup();
        for p in from {
            let (Some(v), Some(i)) = (reaching(&on_the_way, p), f.terminator(p)) else {
                continue;
            };
            for t in branches_mut(&mut f.insts[i].imm) {
                if t.block == b {
                    t.args.push(v);
                }
            }
        }
    }
}
