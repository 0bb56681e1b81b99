//! Where turns of loops end: at the end of the body, at `continue` and at `break`.

use numlift_syntax::hir::{self, StmtId};

use super::{FnLower, LoopState, R};

impl FnLower<'_, '_> {
    /// The body of a loop begins.
    pub(super) fn begin_turns(&mut self, id: StmtId, body: &hir::Block, active: usize) {
        self.loops.push(LoopState {
            id,
            last: body.last().copied(),
            active,
            ways: self.ways.len(),
            breaks: vec![],
            continues: vec![],
        });
    }

    pub(super) fn end_turns(&mut self) -> R<LoopState> {
        Ok(self.loops.pop().ok_or("a loop that has not begun")?)
    }

    /// `break` or `continue`, with nothing more to be done on the way.
    pub(super) fn leave_turn(&mut self, breaks: bool) -> R<()> {
        let l = self.loops.last().ok_or("a break outside a loop")?;
        let (id, last, active, ways) = (l.id, l.last, l.active, l.ways);
        let inside = self.handling.iter().position(|h| h.loops >= self.loops.len());
        let inside = inside.unwrap_or(self.handling.len());
        self.leave_handlers(inside);
        let handlers = self.handling.split_off(inside);
        let ways = self.ways.split_off(ways);
        if breaks {
            let inner = self.active.split_off(active);
            self.mark_behind(Some(&id));
            self.active.extend(inner);
        } else {
            self.mark_behind(last.as_ref());
        }
        self.handling.extend(handlers);
        self.ways.extend(ways);
        let end = self.suspend(None);
        if let Some(l) = self.loops.last_mut() {
            match breaks {
                true => l.breaks.extend(end),
                false => l.continues.extend(end),
            }
        }
        Ok(())
    }
}
