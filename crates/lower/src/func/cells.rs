//! Variables in cells, which functions and generators that outlive their statement share with this one.
//!
//! Before: a variable as any other. After: a cell made at the entry; where others may look (an island, the way out of
//! the function) and the variable is not what the cell has, it is put there. An island finds it in the cell, and
//! what it binds is in the cell and comes out as well.
//!
//! ```text
//! v1 = load.i64 stack ...                   ; py_cell
//! ...
//! call_helper py_cell_set(v1, v9)           ; v9: the variable as an object
//! call_helper py_island(...) site3
//! ```
//!
//! A variable that nested functions assign too is in its cell only, and nowhere else.

use cranelift_entity::EntityRef;
use numlift_mir::{Region, Ty, Value};
use numlift_syntax::facts;
use numlift_syntax::hir::LocalId;
use numlift_typeck::Bound;
use numlift_typeck::islands::{Code, Island};
use numlift_types::Type;

use super::handlers::Handling;
use super::landing::Protected;
use super::{FnLower, IsBound, R, Var};
use crate::emit::Emit;

/// A variable in a cell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    pub local: LocalId,
    pub object: Value,
    /// Nested functions assign it.
    pub written: bool,
}

impl Emit<'_> {
    /// The cell of a variable, with its number.
    pub(super) fn cell(&self, l: LocalId) -> Option<(usize, Cell)> {
        let found = self.cells.iter().enumerate().find(|(_, c)| c.local == l);
        found.map(|(i, c)| (i, *c))
    }

    pub(super) fn is_stale(&self, i: usize) -> bool {
        let cell = &self.cells[i];
        !cell.written && self.settled[i].as_ref() != Some(&self.vars[cell.local.index()])
    }

    /// Whether others may find another value in a cell than its variable has.
    pub(crate) fn has_stale_cells(&self) -> bool {
        self.observed && (0..self.cells.len()).any(|i| self.is_stale(i))
    }

    /// A variable is what its cell has, if it is in one.
    pub(super) fn settle(&mut self, l: LocalId) {
        if let Some((i, _)) = self.cell(l) {
            self.settled[i] = Some(self.vars[l.index()].clone());
        }
    }

    /// It is not known what the cell of a variable has.
    pub(super) fn unsettle(&mut self, l: usize) {
        if let Some((i, _)) = self.cell(LocalId::new(l)) {
            self.settled[i] = None;
        }
    }
}

impl FnLower<'_, '_> {
    /// Makes the cells. Code that raises from here on leaves them as the variables are.
    pub(super) fn make_cells(&mut self) -> R<Option<Protected>> {
        let Some(plan) = self.plan.filter(|p| !p.cells.all.is_empty()) else {
            return Ok(None);
        };
        for &local in &plan.cells.all {
            let (_, out) = self.helper_area(&[], 1);
            self.e.helper_fallible("py_cell", &[out]);
            let object = self.e.b.load(Ty::I64, out, 0, Region::Stack);
            self.hold_new(object);
            let written = plan.cells.written.contains(&local);
            self.e.cells.push(Cell {
                local,
                object,
                written,
            });
            self.e.settled.push(Some(super::unbound()));
        }
        for (i, cell) in self.e.cells.clone().into_iter().enumerate() {
            if cell.written {
                self.store_cell(i)?;
                self.unset_var(cell.local);
            }
        }
        if self.e.cells.iter().all(|c| c.written) {
            return Ok(None);
        }
        let protected = self.protect(true, None)?;
        self.e.stale_only = true;
        Ok(Some(protected))
    }

    /// What has raised in the function goes on behind the cells are what the variables were.
    pub(super) fn land_cells(&mut self, mut of: Protected) -> R<()> {
        for p in self.land(&mut of)? {
            self.resume(&p);
            self.e.observed = true;
            self.settle_cells()?;
            self.raise_on(Handling::ending(&of));
        }
        Ok(())
    }

    /// A statement or island begins that may be the first one to make a function which sees the cells.
    pub(super) fn observe_cells(&mut self, start: u32) {
        self.e.observed |= self.plan.is_some_and(|p| start >= p.cells.from);
    }

    /// Puts the variables into their cells that others may look at.
    pub(super) fn settle_cells(&mut self) -> R<()> {
        for i in 0..self.e.cells.len() {
            if self.e.observed && self.e.is_stale(i) {
                self.store_cell(i)?;
            }
        }
        Ok(())
    }

    /// The same before an island, with those that it uses itself.
    pub(super) fn settle_for(&mut self, island: &Island) -> R<()> {
        for i in 0..self.e.cells.len() {
            let used = island.cells.contains(&self.e.cells[i].local);
            if self.e.is_stale(i) && (used || self.e.observed) {
                self.store_cell(i)?;
            }
        }
        Ok(())
    }

    /// Before a loop with islands: those that it does not assign, once.
    pub(super) fn settle_before_loop(&mut self, span: (u32, u32), assigned: &[usize]) -> R<()> {
        let plan = self.plan.into_iter().flat_map(|p| &p.islands);
        let mut starts = plan.filter_map(|i| i.code.stmt().map(|s| self.hir.stmts[s].span.start));
        if starts.any(|at| (span.0..span.1).contains(&at)) {
            for i in 0..self.e.cells.len() {
                let is_assigned = assigned.contains(&self.e.cells[i].local.index());
                if self.e.observed && !is_assigned && self.e.is_stale(i) {
                    self.store_cell(i)?;
                }
            }
        }
        Ok(())
    }

    fn store_cell(&mut self, i: usize) -> R<()> {
        let cell = self.e.cells[i];
        let var = self.e.vars[cell.local.index()].clone();
        match var.bound {
            IsBound::Yes => self.fill_cell(cell, &var)?,
            IsBound::No => self.empty_cell(cell),
            IsBound::Flag(flag) => {
                let state = self.state();
                let (yes, no) = self.branch(flag);
                let behind = self.e.b.create_block();
                self.start(yes, state.clone());
                self.fill_cell(cell, &var)?;
                self.e.b.jump(behind, &[]);
                self.start(no, state.clone());
                self.empty_cell(cell);
                self.e.b.jump(behind, &[]);
                self.start(behind, state);
            }
        }
        self.e.settled[i] = Some(var);
        Ok(())
    }

    fn fill_cell(&mut self, cell: Cell, var: &Var) -> R<()> {
        let object = self.new_object(&(var.ty.clone(), var.vals.clone()))?;
        self.e.helper("py_cell_set", &[cell.object, object]);
        Ok(())
    }

    fn empty_cell(&mut self, cell: Cell) {
        let null = self.e.b.iconst(Ty::I64, 0);
        self.e.helper("py_cell_set", &[cell.object, null]);
    }

    /// The cells that an island uses: name, and whether it is bound all the time.
    pub(super) fn island_cells(&self, island: &Island) -> Vec<(String, bool)> {
        let mut unbound = vec![];
        if let Code::Run(stmts) = &island.code {
            facts::block_unbinds(&self.hir, stmts, &mut unbound);
        }
        let before = island.code.stmt().and_then(|s| self.inst.tables.states.get(&s));
        let is_sure = |cell: Cell| match cell.written {
            true => {
                before.is_some_and(|[b, _]| b.get(cell.local.index()).is_some_and(|v| v.bound == Bound::Yes))
            }
            false => self.e.vars[cell.local.index()].bound == IsBound::Yes && !unbound.contains(&cell.local),
        };
        let cells = island.cells.iter().filter_map(|l| self.e.cell(*l));
        cells
            .map(|(_, c)| (self.hir.locals[c.local].name.clone(), island.frame || is_sure(c)))
            .collect()
    }

    /// A variable in a cell that only the interpreter uses.
    pub(super) fn is_written(&self, l: LocalId) -> bool {
        self.e.cell(l).is_some_and(|(_, c)| c.written)
    }
}

/// The type of a cell where it is an operand.
pub(super) const CELL: Type = Type::Object(numlift_types::Reason::JOIN);
