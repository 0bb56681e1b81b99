//! Attributes and items of objects that are read before a statement.
//!
//! Before: a statement with expressions like `self.scale`, whose types are assumed. After: one `py_island` that runs no code
//! gives all of them, or is an exit; the expressions are its results.

use numlift_runtime::IslandVar;
use numlift_syntax::hir::{LocalId, StmtId};
use numlift_typeck::islands::{Code, Island, Read};
use numlift_types::Reason;

use super::{FnLower, R};
use crate::IslandForm;
use crate::emit::Vals;

fn is_same(a: &Read, b: &Read) -> bool {
    (&a.chain, &a.ty) == (&b.chain, &b.ty)
}

impl FnLower<'_, '_> {
    /// Reads what is to be read before a statement.
    pub(super) fn read_before(&mut self, id: StmtId) -> R<()> {
        let Some(all) = self.plan.and_then(|p| p.reads.get(&id)) else {
            return Ok(());
        };
        // what is the same is read once: an array that is one is not to look like two
        let mut reads: Vec<&Read> = vec![];
        for read in all {
            if !reads.iter().any(|r| is_same(r, read)) {
                reads.push(read);
            }
        }
        let mut variables: Vec<LocalId> = reads.iter().flat_map(|r| r.chain.locals()).collect();
        variables.sort();
        variables.dedup();
        let island = Island {
            code: Code::Read(id),
            reads: variables.clone(),
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
        // what is read is no variable of the function
        let nobody = LocalId::from_u32(u32::MAX - 1);
        let out = |r: &Read| {
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
            (nobody, var)
        };
        let outs: Vec<_> = reads.iter().copied().map(out).collect();
        let frame = self.frame(id, false);
        let slots = self.enter_island(&island, &outs, IslandForm::Read, &[], [frame, None])?;
        if let Some(spec) = self.sh.islands.last_mut() {
            let number = |l: LocalId| variables.iter().position(|v| *v == l).unwrap_or(0) as u32;
            spec.reads = reads.iter().map(|r| r.chain.path(number)).collect();
        }
        let mut at = 8;
        for &read in &reads {
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
            for same in all.iter().filter(|r| is_same(r, read)) {
                self.reads.insert(same.expr, v.clone());
            }
        }
        Ok(())
    }
}
