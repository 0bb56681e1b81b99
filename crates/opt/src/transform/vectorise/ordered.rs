//! Values that are carried from turn to turn in order, behind a body that is worth vectors: what they are made of is computed
//! in lanes, and the lanes are taken one after the other, each turn's operations on scalars as they were.
//!
//! ```text
//! s += exp(x[i])      ->      y = exp of 8 elements; s += y[0]; s += y[1]; ...
//! ```

use std::collections::{HashMap, HashSet};

use numlift_mir::ops::Effect;
use numlift_mir::{Builder, Function, InstData, Value};

use super::emit::{Scalars, step_by};
use super::lanes::{Lanes, Registers};
use super::shape::{Carried, Kind, Shape, dependents};

/// Operations of a turn that are done in order, at most.
const MAX_CHAIN: usize = 8;
/// The time in which a result can be used again, in what `weights` counts.
const LATENCY: u32 = 4;

/// The values that depend on what these parameters carry; none if a store, a guard or anything else but the next turn
/// needs one of them.
pub(super) fn chain(f: &Function, shape: &Shape, ordered: &[usize]) -> Option<HashSet<Value>> {
    let mut chain = HashSet::new();
    for &k in ordered {
        chain.extend(dependents(f, shape.header, shape.params[k]));
    }
    let (end, insts) = f.blocks[shape.header].insts.split_last()?;
    let follow = insts
        .iter()
        .filter(|i| f.insts[**i].args.iter().any(|v| chain.contains(v)));
    let (mut count, mut pure) = (0, true);
    for i in follow {
        count += 1;
        pure &= f.insts[*i].op.effect() == Effect::Pure && !f.insts[*i].ty.is_vector();
    }
    let apart = (0..shape.next.len()).all(|k| ordered.contains(&k) || !chain.contains(&shape.next[k]));
    let counted = f.insts[*end].args.iter().all(|v| !chain.contains(v));
    (pure && apart && counted && count <= MAX_CHAIN).then_some(chain)
}

/// What the operations in order take that is another value in each turn.
pub(super) fn inputs(f: &Function, shape: &Shape) -> Vec<Value> {
    let mut out = vec![];
    if shape.chain.is_empty() {
        return out;
    }
    let insts = f.blocks[shape.header].insts.iter().map(|i| &f.insts[*i]);
    let taken = insts
        .filter(|d| d.args.iter().any(|v| shape.chain.contains(v)))
        .flat_map(|d| d.args.iter().copied());
    let next = shape.carried.iter().zip(&shape.next);
    let next = next
        .filter(|(c, _)| matches!(c, Carried::Ordered))
        .map(|(_, v)| *v);
    for v in taken.chain(next) {
        if !shape.chain.contains(&v) && shape.kind(v) == Kind::Varying && !out.contains(&v) {
            out.push(v);
        }
    }
    out
}

/// Whether the rest of a turn takes so long that the operations in order do not decide.
pub(super) fn pays(f: &Function, shape: &Shape, rest: u32) -> bool {
    let insts = f.blocks[shape.header].insts.iter();
    let long = insts.filter(|i| f.insts[**i].results.iter().any(|v| shape.chain.contains(v)));
    let ordered = shape.carried.iter().filter(|c| matches!(c, Carried::Ordered));
    // Values that are carried side by side wait at the same time.
    let one_by_one = long.count().div_ceil(ordered.count().max(1));
    rest > LATENCY * one_by_one as u32
}

/// Does the operations in order for all turns; what is carried then, by parameter.
pub(super) fn emit(
    b: &mut Builder,
    shape: &Shape,
    lanes: &mut Lanes<'_>,
    scalars: &mut Scalars<'_>,
    (turns, carried): (u32, &[Value]),
) -> Vec<Value> {
    let mut now = carried.to_vec();
    let mut wide: HashMap<Value, Registers> = HashMap::new();
    for v in inputs(&b.func, shape) {
        wide.insert(v, lanes.of(b, scalars, v));
    }
    let follow: Vec<InstData> = b.func.blocks[shape.header]
        .insts
        .iter()
        .map(|i| b.func.insts[*i].clone())
        .filter(|d| d.results.iter().any(|v| shape.chain.contains(v)))
        .collect();
    for turn in 0..turns {
        let mut known: HashMap<Value, Value> = HashMap::new();
        for (k, c) in shape.carried.iter().enumerate() {
            if matches!(c, Carried::Ordered) {
                known.insert(shape.params[k], now[k]);
            }
        }
        let mut get = |b: &mut Builder, known: &mut HashMap<Value, Value>, v: Value| {
            if let Some(x) = known.get(&v) {
                return *x;
            }
            let x = match (wide.get(&v), shape.kind(v)) {
                (Some(registers), _) => {
                    let of = b.func.ty(registers[0]).lanes();
                    b.extract(registers[(turn / of) as usize], turn % of)
                }
                (None, Kind::Steps(n)) if turn > 0 => {
                    let first = scalars.get(b, v);
                    step_by(b, first, n.wrapping_mul(i64::from(turn)))
                }
                _ => scalars.get(b, v),
            };
            known.insert(v, x);
            x
        };
        for d in &follow {
            let args: Vec<Value> = d.args.iter().map(|&v| get(b, &mut known, v)).collect();
            let result = b.func.ty(d.results[0]);
            let copy = b.push(d.op, d.ty, &args, d.imm.clone(), &[result]);
            known.insert(d.results[0], b.func.insts[copy].results[0]);
        }
        for (k, c) in shape.carried.iter().enumerate() {
            if matches!(c, Carried::Ordered) {
                now[k] = get(b, &mut known, shape.next[k]);
            }
        }
    }
    now
}
