//! The passes, one file each, and what several of them need.

pub mod addresses;
pub mod assumptions;
pub mod carry;
pub mod checks;
mod clone;
pub mod dead_code;
pub mod divisions;
mod emit;
mod entry;
pub mod gvn;
pub mod hoist;
pub mod if_convert;
mod import;
pub mod inline;
pub mod intervals;
pub mod invariant_loads;
pub mod overflow;
pub mod preheaders;
pub mod references;
pub mod simplify;
mod speculation;
pub mod stack_arrays;
pub mod strip_mine;
pub mod unchecked;
pub mod unroll;
pub mod unswitch;
pub mod vectorise;
pub mod version;

use cranelift_entity::SecondaryMap;
use cranelift_entity::packed_option::PackedOption;
use numlift_mir::{Function, Value};

/// Values that stand for others; applied to a whole function at once.
#[derive(Default)]
pub(crate) struct Aliases {
    to: SecondaryMap<Value, PackedOption<Value>>,
    any: bool,
}

impl Aliases {
    /// From now on `from` is `to`.
    pub fn set(&mut self, from: Value, to: Value) {
        debug_assert!(self.get(to) != from, "a value would stand for itself");
        self.to[from] = to.into();
        self.any = true;
    }

    pub fn get(&self, mut v: Value) -> Value {
        while let Some(next) = self.to[v].expand() {
            v = next;
        }
        v
    }

    /// Rewrites every use in the layout; whether there was anything to rewrite.
    pub fn apply(&self, f: &mut Function) -> bool {
        if self.any {
            for n in 0..f.layout.len() {
                let b = f.layout[n];
                for k in 0..f.blocks[b].insts.len() {
                    let i = f.blocks[b].insts[k];
                    f.map_uses(i, |v| self.get(v));
                }
            }
        }
        self.any
    }
}
