//! `try` with `finally` whose blocks are compiled: the last block begins with the variables as they are on any way out.

use numlift_syntax::hir::{Block, StmtId};

use super::{FnInfer, Vars, join_vars};
use crate::islands::Uses;

/// How control leaves a statement besides falling through and raising.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leave {
    Return,
    Break,
    Continue,
}

const LEAVES: [Leave; 3] = [Leave::Return, Leave::Break, Leave::Continue];

/// A statement that does something wherever control leaves it.
#[derive(Default)]
pub(super) struct FinalCx {
    /// Variables where it is left, by [`Leave`].
    left: [Vars; 3],
    /// How many loops, islands and handlers it is in.
    loops: usize,
    islands: usize,
    handling: usize,
}

/// Variables where control has left a statement.
pub(super) struct Ways {
    pub normal: Vars,
    pub raised: Vars,
    /// By [`Leave`].
    pub left: [Vars; 3],
}

impl Ways {
    /// The variables on any way.
    pub fn all(&self) -> Vars {
        let ways = [&self.normal, &self.raised].into_iter().chain(&self.left);
        ways.fold(None, |all, way| join_vars(all, way.clone()))
    }
}

impl FnInfer<'_, '_> {
    /// Control leaves by `return`, `break` or `continue`: to the innermost statement that does something then, else to
    /// the loop.
    pub(super) fn leave(&mut self, way: Leave) {
        let loops = self.loops.len();
        let around = self.finals.last();
        let around = around.filter(|f| way == Leave::Return || f.loops >= loops);
        let vars = match around {
            Some(&FinalCx {
                islands, handling, ..
            }) => self.unwound(islands, handling),
            None if way == Leave::Return => None,
            None => {
                let islands = self.loops.last().map_or(0, |l| l.islands);
                let inside = self.handling.iter().position(|(_, n)| *n >= loops);
                self.unwound(islands, inside.unwrap_or(self.handling.len()))
            }
        };
        self.vars = None;
        if around.is_some() {
            if let Some(f) = self.finals.last_mut() {
                let left = &mut f.left[way as usize];
                *left = join_vars(left.take(), vars);
            }
        } else if let Some(l) = self.loops.last_mut() {
            let left = match way {
                Leave::Break => &mut l.breaks,
                Leave::Continue => &mut l.continues,
                Leave::Return => return,
            };
            *left = join_vars(left.take(), vars);
        }
    }

    /// Infers code of a statement that does something on each way out of it.
    pub(super) fn ways(&mut self, code: impl FnOnce(&mut Self)) -> Ways {
        self.raises.push(None);
        self.finals.push(FinalCx {
            left: [const { None }; 3],
            loops: self.loops.len(),
            islands: self.islands.len(),
            handling: self.handling.len(),
        });
        code(self);
        let left = self.finals.pop().map(|f| f.left).unwrap_or_default();
        Ways {
            normal: self.vars.take(),
            raised: self.raises.pop().flatten(),
            left,
        }
    }

    /// Goes on from the ways out of a statement: `behind` gives the variables where one is gone on with.
    pub(super) fn go_on(&mut self, ways: Ways, behind: impl Fn(&Vars) -> Vars) {
        for (way, vars) in LEAVES.into_iter().zip(&ways.left) {
            self.vars = behind(vars);
            if self.vars.is_some() {
                self.leave(way);
            }
        }
        self.vars = behind(&ways.normal);
    }

    /// `finally`: the block is inferred once, for all ways. Variables that it does not bind are behind it what they
    /// were on each.
    pub(super) fn finally(&mut self, id: StmtId, code: impl FnOnce(&mut Self), last: &Block) {
        let ways = self.ways(code);
        self.vars = ways.all();
        self.tables
            .finals
            .insert(id, self.vars.clone().unwrap_or_default());
        self.block(last);
        let after = self.vars.take();
        if ways.raised.is_some() {
            self.may_raise_in(&after);
        }
        let bound = Uses::of_stmts(&self.hir, last).binds;
        self.go_on(ways, |way| {
            let mut out = after.clone()?;
            for (i, v) in way.as_ref()?.iter().enumerate() {
                if !bound.contains(&numlift_syntax::hir::LocalId::from_u32(i as u32)) {
                    out[i] = v.clone();
                }
            }
            Some(out)
        });
    }
}
