//! Calls of C functions.

use numlift_syntax::hir::{Arg, ExprId};
use numlift_types::{CFunction, CParam, DType, Layout, ObjectRef, Scalar, Type};

use super::{FnInfer, R};
use crate::tables::Call;

impl FnInfer<'_, '_> {
    /// A C function with arguments that ctypes or cffi would convert without looking at their values. It may do
    /// anything to the memory it knows.
    pub(super) fn c_call(&mut self, id: ExprId, object: ObjectRef, f: &CFunction, args: &[Arg]) -> R<Type> {
        let types = self.positional(id, args)?;
        if types.contains(&Type::Never) {
            return Ok(Type::Never);
        }
        let fitting = types.iter().zip(&f.params).all(|(t, p)| accepts(p, t, f.checked));
        if types.len() != f.params.len() || !fitting {
            return self.unsupported(id, "a C function", &types);
        }
        self.effects = true;
        let args = args.iter().map(|a| a.value).collect();
        self.tables.calls.insert(id, Call::C { object, args });
        Ok(match f.ret {
            None => Type::None,
            Some(DType::Bool) => Type::BOOL,
            Some(DType::F32 | DType::F64) => Type::FLOAT,
            Some(_) => Type::INT,
        })
    }
}

/// Whether an argument of the type is converted, and never refused but for its value.
fn accepts(p: &CParam, t: &Type, checked: bool) -> bool {
    match (p, t) {
        (CParam::Number(DType::F32 | DType::F64), Type::Scalar(s)) => {
            !matches!(s, Scalar::PyComplex | Scalar::Np(DType::C64 | DType::C128))
        }
        (CParam::Number(DType::Bool), Type::Scalar(s)) => {
            *s == Scalar::PyBool || *s == Scalar::PyInt && !checked
        }
        (CParam::Number(_), Type::Scalar(s)) => matches!(s, Scalar::PyInt | Scalar::PyBool),
        (
            CParam::Array {
                dtype,
                ndim,
                layout,
                writeable,
            },
            Type::Array(a),
        ) => {
            // what has one dimension is contiguous in both orders
            let contiguous = |l: Layout| a.layout == l || a.layout == Layout::C && a.ndim < 2;
            dtype.is_none_or(|d| d == a.dtype)
                && ndim.is_none_or(|n| n == a.ndim)
                && layout.is_none_or(contiguous)
                && !(*writeable && a.readonly)
        }
        _ => false,
    }
}
