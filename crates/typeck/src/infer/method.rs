//! Methods of numbers.

use numlift_builtins::{Builtin, Kind, Method};
use numlift_syntax::hir::{Arg, ExprId};
use numlift_types::{Scalar, Type};

use super::FnInfer;
use crate::operators;
use crate::tables::Call;

impl FnInfer<'_, '_> {
    /// `x.name(...)` of a number: a row of the table whose every family has its result.
    pub(super) fn number_method(&mut self, id: ExprId, of: &Type, name: &str, args: &[Arg]) -> Option<Type> {
        let row = numlift_builtins::find_number_method(name)?;
        let Kind::Method(method) = row.kind else {
            return None;
        };
        let to = match (method, args) {
            (Method::AsType, [a]) if a.name.is_none() && a.star == 0 => {
                let t = self.expr(a.value);
                Some(Scalar::Np(self.dtype_of(&t)?))
            }
            (Method::AsType, _) => return None,
            (_, []) => None,
            _ => return None,
        };
        let each = of.scalars().iter().map(|s| result(method, row, *s, to));
        let ty = Type::union(each.collect::<Option<Vec<_>>>()?)?;
        self.tables.calls.insert(id, Call::Builtin(row));
        Some(ty)
    }
}

/// Family of the method's result; `None` if the family has no such method.
fn result(method: Method, row: &Builtin, s: Scalar, to: Option<Scalar>) -> Option<Scalar> {
    let numpy = s.is_numpy();
    let integer = s.dtype().is_integer();
    let int_like = matches!(s, Scalar::PyInt | Scalar::PyBool);
    match method {
        Method::Conjugate if row.path == "conj" && !numpy => None,
        Method::Conjugate => operators::conjugate(s),
        Method::IsInteger => {
            let float = s.dtype().kind() == numlift_types::Kind::Float;
            (float || (numpy && integer)).then_some(Scalar::PyBool)
        }
        Method::BitLength => int_like.then_some(Scalar::PyInt),
        Method::BitCount => (int_like || (numpy && integer)).then_some(Scalar::PyInt),
        Method::Item => numpy.then(|| operators::python_number(s.dtype())),
        Method::AsType => to.filter(|to| numpy && operators::store(to.dtype(), s)),
    }
}
