//! NumPy's universal functions on scalars.

use numlift_syntax::hir::{Arg, ExprId};
use numlift_types::{DType, Kind, ObjectRef, Scalar, Type};

use super::elementwise::is_array;
use super::{FnInfer, R};
use crate::env::Env;
use crate::tables::Call;

impl FnInfer<'_, '_> {
    /// A ufunc on scalars: the loop that NumPy would select.
    pub(super) fn ufunc(&mut self, id: ExprId, object: ObjectRef, path: &str, args: &[Arg]) -> R<Type> {
        let types = self.positional(id, args)?;
        if types.contains(&Type::Never) {
            return Ok(Type::Never);
        }
        self.tables.calls.remove(&id);
        if types.iter().any(is_array) {
            return self.array_ufunc(id, object, path, args, &types);
        }
        let Some((found, dtypes)) = select_loop(self.cx.env, object, &types) else {
            return self.unsupported(id, path, &types);
        };
        let results: Vec<Type> = dtypes[types.len()..].iter().map(|d| Type::np(*d)).collect();
        let args = args.iter().map(|a| a.value).collect();
        let call = match depends_on_memory(path, &dtypes) {
            true => Call::Boxed {
                object: Some(object),
                method: String::new(),
                args,
                keywords: vec![],
                fresh: true,
                effect: false,
            },
            false => Call::Ufunc {
                object,
                types: found,
                args,
                dtypes,
            },
        };
        self.tables.calls.insert(id, call);
        Ok(match results.as_slice() {
            [only] => only.clone(),
            _ => Type::tuple(results),
        })
    }
}

/// Loops whose last bit depends on where their operands lie: complex products are fused where operands and
/// result do not touch in memory. Only the function itself, called with objects, gives what it gives.
fn depends_on_memory(path: &str, dtypes: &[DType]) -> bool {
    let complex = dtypes.iter().any(|d| d.kind() == Kind::Complex);
    complex && matches!(path, "numpy.multiply" | "numpy.square")
}

/// The loop for operands of these types; members of a union must all select the same one.
pub(super) fn select_loop(env: &dyn Env, object: ObjectRef, types: &[Type]) -> Option<(String, Vec<DType>)> {
    let mut combinations: Vec<Vec<Scalar>> = vec![vec![]];
    for t in types {
        let extend = |c: &Vec<Scalar>| {
            let c = c.clone();
            let each = t.scalars().iter();
            each.map(move |s| c.iter().copied().chain([*s]).collect())
                .collect::<Vec<_>>()
        };
        combinations = combinations.iter().flat_map(extend).collect();
    }
    let mut found = combinations.iter().map(|c| env.ufunc_loop(object, c));
    let first = found.next()??;
    if !found.all(|f| f.as_ref() == Some(&first)) {
        return None;
    }
    let codes = first.chars().filter(|c| !matches!(c, '-' | '>'));
    let dtypes: Option<Vec<DType>> = codes.map(DType::from_char_code).collect();
    Some((first, dtypes?))
}
