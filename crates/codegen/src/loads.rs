//! Loads that Cranelift may do where their values are used, so that they become operands in memory of what uses them
//! and need no register before.
//!
//! A load is kept in its place by others and by stores behind it. In a loop of one block in which nothing is written it
//! may be done anywhere in its turn. Cranelift takes such loads for values: equal ones are one, and one of which
//! the address does not change in a loop is done before it. So the address must change from turn to turn, which ties the load to
//! the block, and nothing outside of the block may use what it loads. Of scalars there are enough registers, and where loads come
//! first the counter can be counted in its own.

use cranelift_entity::SecondaryMap;
use cranelift_entity::packed_option::PackedOption;
use numlift_mir::{Block, Function, Imm, Inst, Opcode, Value};

/// What is loaded by the loads of vectors that may be done anywhere in their turn.
pub(crate) fn movable(f: &Function) -> SecondaryMap<Value, bool> {
    let mut out = SecondaryMap::new();
    let quiet: Vec<Block> = f.layout.iter().copied().filter(|b| is_quiet(f, *b)).collect();
    if quiet.is_empty() {
        return out;
    }
    let homes = f.inst_blocks();
    let mut outside: SecondaryMap<Value, bool> = SecondaryMap::new();
    for &b in &f.layout {
        for &i in &f.blocks[b].insts {
            for v in f.uses(i) {
                outside[v] |= f.def(v).is_some_and(|d| homes[d] != homes[i]);
            }
        }
    }
    for b in quiet {
        let changing = changing(f, b, &homes);
        for &i in &f.blocks[b].insts {
            let d = &f.insts[i];
            if d.op == Opcode::Load && d.ty.is_vector() {
                out[d.results[0]] = changing[d.args[0]] && !outside[d.results[0]];
            }
        }
    }
    out
}

/// Whether a block is a loop that writes nothing.
fn is_quiet(f: &Function, b: Block) -> bool {
    let Some((end, insts)) = f.blocks[b].insts.split_last() else {
        return false;
    };
    let back = matches!(&f.insts[*end].imm, Imm::Branch(t, e) if t.block == b || e.block == b);
    back && !insts.iter().any(|i| f.has_effect(*i))
}

/// The integers of a loop that are other ones in each turn: sums and products of a parameter that what the turn computes follows.
fn changing(
    f: &Function,
    b: Block,
    homes: &SecondaryMap<Inst, PackedOption<Block>>,
) -> SecondaryMap<Value, bool> {
    let mut out = SecondaryMap::new();
    let computed = |v: Value| f.def(v).is_some_and(|i| homes[i].expand() == Some(b));
    for t in f.successors(b).into_iter().filter(|t| t.block == b) {
        for (&p, &next) in f.blocks[b].params.iter().zip(&t.args) {
            out[p] = computed(next);
        }
    }
    for &i in &f.blocks[b].insts {
        let d = &f.insts[i];
        let follows = match d.op {
            Opcode::Iadd | Opcode::Imul => out[d.args[0]] != out[d.args[1]],
            Opcode::Isub | Opcode::Ishl => out[d.args[0]] && !out[d.args[1]],
            _ => false,
        };
        for &v in &d.results {
            out[v] = follows;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether what `load` loads in a loop may be loaded anywhere in its turn.
    fn is_movable(load: &str, more: &str, end: &str) -> bool {
        let text = format!(
            "function fn0 \"f\"(i64, i64) -> f64 {{\n\
             block0(v0: i64, v1: i64):\n  v2 = iconst.i64 8\n  v3 = fconst.f64 0.0\n  v10 = splat.f64x2 v3\n  jump block1(v0, v10)\n\
             block1(v4: i64, v5: f64x2):\n  v6 = {load}\n{more}  v7 = fadd.f64x2 v5, v6\n  v8 = iadd.i64 v4, v2\n  \
             v9 = icmp.i64 slt v8, v1\n  br v9, block1(v8, v7), block2\n\
             block2:\n  v11 = extract.f64x2 0 {end}\n  return v11\n}}\n"
        );
        let module = numlift_mir::parse(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
        let f = module.funcs.values().next().unwrap_or_else(|| panic!("{text}"));
        let loads = movable(f);
        let insts = f.layout.iter().flat_map(|b| &f.blocks[*b].insts);
        let mut results = insts
            .filter(|i| f.insts[**i].op == Opcode::Load)
            .map(|i| f.insts[*i].results[0]);
        results.any(|v| loads[v])
    }

    #[test]
    fn loads_move_in_loops_that_write_nothing() {
        assert!(is_movable("load.f64x2 v4", "", "v7"));
        assert!(
            !is_movable("load.f64x2 v4", "  store.f64x2 v5, v1\n", "v7"),
            "a store"
        );
        assert!(!is_movable("load.f64x2 v0", "", "v7"), "one address");
        assert!(!is_movable("load.f64x2 v4", "", "v6"), "used outside");
    }
}
