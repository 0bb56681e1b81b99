//! NumPy's universal functions on scalars.

use numlift_syntax::hir::{Arg, ExprId};
use numlift_types::{DType, ObjectRef, Scalar, Type, common_dtype};

use super::{FnInfer, R};
use crate::tables::Call;

impl FnInfer<'_, '_> {
    /// A ufunc on scalars: the loop that NumPy would select.
    pub(super) fn ufunc(
        &mut self,
        id: ExprId,
        object: ObjectRef,
        path: &str,
        loops: &[String],
        args: &[Arg],
    ) -> R<Type> {
        let types = self.positional(id, args)?;
        if types.contains(&Type::Never) {
            return Ok(Type::Never);
        }
        let Some((found, dtypes)) = select_common_loop(loops, &types) else {
            return self.unsupported(id, path, &types);
        };
        let results: Vec<Type> = dtypes[types.len()..].iter().map(|d| Type::np(*d)).collect();
        let args = args.iter().map(|a| a.value).collect();
        self.tables.calls.insert(
            id,
            Call::Ufunc {
                object,
                types: found,
                args,
                dtypes,
            },
        );
        Ok(match results.as_slice() {
            [only] => only.clone(),
            _ => Type::tuple(results),
        })
    }
}

/// The loop for operands of these types; members of a union must all select the same one.
fn select_common_loop(loops: &[String], types: &[Type]) -> Option<(String, Vec<DType>)> {
    let mut combinations: Vec<Vec<Scalar>> = vec![vec![]];
    for t in types {
        let extend = |c: &Vec<Scalar>| {
            let c = c.clone();
            t.scalars()
                .iter()
                .map(move |s| c.iter().copied().chain([*s]).collect())
                .collect::<Vec<_>>()
        };
        combinations = combinations.iter().flat_map(extend).collect();
    }
    let mut found = combinations.iter().map(|c| select_loop(loops, c));
    let first = found.next()??;
    found.all(|f| f.as_ref() == Some(&first)).then_some(first)
}

/// The ufunc loop for the operand types and its dtypes, results last: the first whose operands hold
/// the promoted ones, as NumPy's type resolution does.
fn select_loop(loops: &[String], scalars: &[Scalar]) -> Option<(String, Vec<DType>)> {
    let strong = scalars
        .iter()
        .filter(|s| s.is_numpy())
        .map(|s| s.dtype())
        .reduce(common_dtype);
    let wanted: Vec<DType> = scalars
        .iter()
        .map(|s| match (s, strong) {
            (Scalar::Np(d), _) => *d,
            (s, Some(d)) => numlift_types::weak_promote(d, *s),
            (s, None) => s.dtype(),
        })
        .collect();
    let common = wanted.iter().copied().reduce(common_dtype)?;
    let small = |d: &DType| matches!(d, DType::Bool | DType::I8 | DType::U8);
    for text in loops {
        let (ins, outs) = text.split_once("->")?;
        // NumPy computes in float16 here, which native code does not have.
        if ins.contains('e') && wanted.iter().all(small) {
            return None;
        }
        // Loops of wider types refuse bools in some functions (`subtract`): left to NumPy.
        if common == DType::Bool && ins.chars().any(|c| c != '?') {
            return None;
        }
        if ins.len() != scalars.len() {
            return None;
        }
        let dtype = |c: char| DType::ALL.into_iter().find(|d| d.char_code() == c);
        let Some(mut dtypes) = ins.chars().map(dtype).collect::<Option<Vec<_>>>() else {
            continue;
        };
        let Some(results) = outs.chars().map(dtype).collect::<Option<Vec<_>>>() else {
            continue;
        };
        let fits = dtypes.iter().all(|d| common_dtype(*d, common) == *d);
        if fits {
            dtypes.extend(results);
            return Some((text.clone(), dtypes));
        }
    }
    None
}
