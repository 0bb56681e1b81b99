//! `for` loops over objects: the interpreter iterates, the body is compiled.
//!
//! Before: a loop with three islands. After: the first gives the iterator, kept in an owner slot; the head of the
//! loop is the second, which binds the targets or says that there is no item; the third gives the iterator up
//! behind the loop, where what native code has read is looked at again.

use cranelift_entity::EntityRef;
use numlift_mir::{IntCC, Region, Slot, Ty};
use numlift_runtime::IslandVar;
use numlift_syntax::facts;
use numlift_syntax::hir::{Block, LocalId, StmtId};
use numlift_typeck::islands::{Code, Island};
use numlift_types::Type;

use super::island::ITERATOR;
use super::resume::ActiveLoop;
use super::{FnLower, R, scan};
use crate::IslandForm;
use crate::emit::Frame;

impl FnLower<'_, '_> {
    pub(super) fn iteration(
        &mut self,
        id: StmtId,
        islands: [usize; 3],
        body: &Block,
        orelse: &Block,
    ) -> R<()> {
        let plan = self.plan.ok_or("an iteration without a plan")?;
        let [start, next, end] = islands.map(|i| &plan.islands[i]);
        let hir = self.hir.clone();
        let stmt = &hir.stmts[id];
        self.settle_for(start)?;
        let behind = match start.code {
            Code::Iter(_, iter) => self.frame_within(Some(iter)),
            _ => None,
        };
        let out = self.enter_island(start, &[], IslandForm::Iter, &[], [behind, None])?;
        let it = self.e.b.load(Ty::I64, out, 8, Region::Stack);
        let slot = self.e.b.create_slot(8, true);
        self.replace_slot(slot, it);
        self.all_iterators.push(slot);

        let mut assigned = scan::assigned_in(&hir, body);
        facts::stmt_locals(&hir, id, &mut assigned);
        let head = self.head(id, &assigned)?;
        let items = (Type::Object(next.reason), [it].into_iter().collect());
        self.mark_turn(id, ActiveLoop::over(stmt.span, items));
        self.jump_head(&head, &[])?;
        self.start_head(&head, &[]);
        self.e.b.set_line(stmt.line);
        self.leave_statement();
        self.settle_for(next)?;
        let outs = self.target_outs(id, next)?;
        let items = (Type::Object(next.reason), [it].into_iter().collect());
        let active = ActiveLoop::over(stmt.span, items);
        let over = self.frame_over(id, orelse);
        self.active.push(active.clone());
        let first = body.first().and_then(|s| self.frame(*s, false));
        self.active.pop();
        let resume = [first, over];
        let out = self.enter_island(next, &outs, IslandForm::Next, &[(ITERATOR, it)], resume)?;
        let code = self.e.b.load(Ty::I64, out, 0, Region::Stack);
        let zero = self.e.b.iconst(Ty::I64, 0);
        let over = self.e.b.icmp(IntCC::Ne, code, zero);
        let state = self.state();
        let (done, more) = self.branch(over);
        self.start(done, state.clone());
        let exits: Vec<_> = self.suspend(None).into_iter().collect();
        self.start(more, state);
        self.bind_outs(&outs, out);

        self.begin_turns(id, body, self.active.len());
        self.active.push(active);
        self.iterators.push(slot);
        self.block(body)?;
        self.iterators.pop();
        let mut l = self.end_turns()?;
        l.continues.extend(self.suspend(None));
        self.merge(l.continues)?;
        self.mark_behind(body.last());
        if self.reachable() {
            self.e.b.set_line(stmt.line);
            self.safepoint();
            self.jump_head(&head, &[])?;
        }
        self.active.pop();

        self.merge(exits)?;
        let over = |f: &mut Self| f.frame_over(id, orelse);
        self.end_iteration(slot, end, stmt.line, over)?;
        self.block_or_end(orelse, id)?;
        let mut behind: Vec<_> = self.suspend(None).into_iter().collect();
        self.merge(l.breaks)?;
        self.end_iteration(slot, end, stmt.line, |f| f.frame(id, true))?;
        self.mark_behind(Some(&id));
        behind.extend(self.suspend(None));
        self.merge(behind)?;
        Ok(())
    }

    /// What the next item is bound to.
    fn target_outs(&self, id: StmtId, next: &Island) -> R<Vec<(LocalId, IslandVar)>> {
        let states = self.inst.tables.targets.get(&id).ok_or("targets without types")?;
        let out = |&l: &LocalId| {
            let var = IslandVar {
                name: self.hir.locals[l].name.clone(),
                ty: states[l.index()].ty.clone(),
                maybe: false,
                sure: true,
                annotated: false,
                assumed: self.assumed_at(next, l),
            };
            (l, var)
        };
        Ok(next.binds.iter().map(out).collect())
    }

    /// Gives the iterator up, which may run code of the interpreter.
    fn end_iteration(
        &mut self,
        slot: Slot,
        end: &Island,
        line: u32,
        behind: impl FnOnce(&mut Self) -> Option<Frame>,
    ) -> R<()> {
        if !self.reachable() {
            return Ok(());
        }
        self.e.b.set_line(line);
        self.settle_for(end)?;
        let behind = behind(self);
        self.leave_statement();
        let addr = self.e.b.slot_addr(slot);
        let it = self.e.b.load(Ty::I64, addr, 0, Region::Stack);
        let null = self.e.b.iconst(Ty::I64, 0);
        self.e.b.store(null, addr, 0, Region::Stack);
        self.enter_island(end, &[], IslandForm::Drop, &[(ITERATOR, it)], [behind, None])?;
        Ok(())
    }

    /// The state where a loop has no more items.
    fn frame_over(&mut self, id: StmtId, orelse: &Block) -> Option<Frame> {
        match orelse.first() {
            Some(s) => self.frame(*s, false),
            None => self.frame(id, true),
        }
    }

    /// A `return` leaves the loops around it from a number on, the innermost first.
    pub(super) fn drop_iterators(&mut self, first: usize) {
        for slot in self.iterators.clone().into_iter().skip(first).rev() {
            self.drop_slot(slot);
        }
    }
}
