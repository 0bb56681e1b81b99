//! Items of objects that are read before a statement.
//!
//! Before: a statement with expressions like `d["scale"]`, whose types are assumed. After: one `py_island` that runs no code
//! gives all of them, or is an exit; the expressions are its results.

use numlift_runtime::IslandVar;
use numlift_syntax::hir::StmtId;
use numlift_typeck::islands::{Code, Island};
use numlift_types::Reason;

use super::{FnLower, R};
use crate::IslandForm;
use crate::emit::Vals;

impl FnLower<'_, '_> {
    /// Reads what is to be read before a statement.
    pub(super) fn read_items(&mut self, id: StmtId) -> R<()> {
        let Some(reads) = self.plan.and_then(|p| p.reads.get(&id)) else {
            return Ok(());
        };
        let mut bases = vec![];
        for read in reads {
            if !bases.contains(&read.base) {
                bases.push(read.base);
            }
        }
        let island = Island {
            code: Code::Read(id),
            reads: bases.clone(),
            binds: vec![],
            cells: vec![],
            frame: false,
            first: false,
            returns: false,
            breaks: false,
            continues: false,
            protected: false,
            reason: Reason::JOIN,
        };
        let hir = self.hir.clone();
        let out = |r: &numlift_typeck::islands::Read| {
            let span = hir.exprs[r.expr].span;
            let text = hir.source.get(span.start as usize..span.end as usize);
            let var = IslandVar {
                name: text.unwrap_or_default().to_owned(),
                ty: r.ty.clone(),
                maybe: false,
                sure: true,
                annotated: false,
                assumed: Some(hir.exprs[r.expr].line),
            };
            (r.base, var)
        };
        let outs: Vec<_> = reads.iter().map(out).collect();
        let frame = self.frame(id, false);
        let slots = self.enter_island(&island, &outs, IslandForm::Read, None, [frame, None])?;
        if let Some(spec) = self.sh.islands.last_mut() {
            let item = |r: &numlift_typeck::islands::Read| {
                let base = bases.iter().position(|b| *b == r.base);
                base.map(|i| (i, r.key.clone())).ok_or("an object to be read")
            };
            spec.items = reads.iter().map(item).collect::<Result<_, _>>()?;
        }
        let mut at = 8;
        for read in reads {
            let mut vals = Vals::new();
            for t in crate::emit::flat_tys(&read.ty) {
                vals.push(self.e.b.load(t, slots, at, numlift_mir::Region::Stack));
                at += 8;
            }
            let mut v = (read.ty.clone(), vals);
            self.mark_extents(&mut v);
            for owner in Self::owners_of(&v) {
                self.hold_new(owner);
            }
            self.items.insert(read.expr, v);
        }
        Ok(())
    }
}
