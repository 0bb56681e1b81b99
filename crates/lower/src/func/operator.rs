//! Operators on two numbers of known families: machine code, a NumPy loop, or the interpreter.

use numlift_syntax::hir::{BinOp, CmpOp};
use numlift_typeck::operators::{self, Means};
use numlift_types::{ObjectRef, Scalar, Type};

use super::{FnLower, R, Typed};
use crate::arith;
use crate::emit::Vals;

impl FnLower<'_, '_> {
    /// The object at a canonical path, for a call that typing knows to be possible.
    pub(crate) fn library(&self, path: &str) -> R<ObjectRef> {
        let found = self.sh.env.object(path);
        found.ok_or_else(|| format!("{path} is missing"))
    }

    /// `a op b` of two scalars.
    pub(crate) fn scalar_binary(&mut self, op: BinOp, a: (Scalar, &Vals), b: (Scalar, &Vals)) -> R<Typed> {
        let ty = Type::Scalar(operators::binary(op, a.0, b.0).ok_or("binary operator")?);
        let operands = || [a, b].map(|(s, v)| (Type::Scalar(s), v.clone()));
        match operators::means(op, a.0, b.0) {
            Means::Inline => Ok((ty, arith::binary(&mut self.e, op, a, b))),
            Means::Ufunc(path, d) => {
                let object = self.library(path)?;
                let c = d.char_code();
                self.ufunc(object, &format!("{c}{c}->{c}"), &[d; 3], &operands())
            }
            Means::Boxed(path) => {
                let object = self.library(path)?;
                self.boxed(Some(object), String::new(), vec![], &operands(), &ty)
            }
        }
    }

    /// `a op b` of two scalars for a comparison.
    pub(crate) fn scalar_compare(&mut self, op: CmpOp, a: (Scalar, &Vals), b: (Scalar, &Vals)) -> R<Typed> {
        // Python's complex numbers have no order: the call raises
        let ty = Type::Scalar(operators::compare(op, a.0, b.0).unwrap_or(Scalar::PyBool));
        let Some(path) = operators::compare_boxed(op, a.0, b.0) else {
            let c = arith::compare(&mut self.e, op, a, b);
            return Ok((ty, Vals::from_slice(&[c])));
        };
        let object = self.library(path)?;
        let operands = [a, b].map(|(s, v)| (Type::Scalar(s), v.clone()));
        self.boxed(Some(object), String::new(), vec![], &operands, &ty)
    }
}
