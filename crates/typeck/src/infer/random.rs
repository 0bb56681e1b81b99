//! Draws from NumPy's global generator.

use numlift_builtins::{Builtin, Draw};
use numlift_syntax::hir::{Arg, ExprId};
use numlift_types::{DType, Kind, Layout, ObjectRef, Scalar, Type};

use super::boxed::{Callee, Given, shape_rank};
use super::stmt::is_index;
use super::{FnInfer, R};
use crate::tables::Call;

impl FnInfer<'_, '_> {
    /// A draw: scalars natively, arrays and the rarer forms through the interpreter.
    pub(super) fn random(
        &mut self,
        id: ExprId,
        object: ObjectRef,
        path: &str,
        draw: Draw,
        row: &'static Builtin,
        args: &[Arg],
    ) -> R<Type> {
        let ty = self.boxed(id, Callee::Object(object, path), args, |g| drawn(draw, g))?;
        let dtype = args.iter().position(|a| a.name.as_deref() == Some("dtype"));
        let dtype = dtype.or((draw == Draw::Int && args.len() == 4).then_some(3));
        let class = dtype.and_then(|i| self.tables.exprs.get(&args[i].value)).cloned();
        // `dtype=int` and `dtype=bool` give Python's numbers, NumPy's classes NumPy's
        let ty = match (ty, class) {
            (Type::Scalar(Scalar::Np(DType::I64)), Some(Type::Known(_))) => Type::INT,
            (Type::Scalar(Scalar::Np(DType::Bool)), Some(Type::Known(_))) => Type::BOOL,
            (ty, _) => ty,
        };
        if matches!(ty, Type::Scalar(_)) && self.is_native(draw, args) {
            self.tables.calls.insert(id, Call::Builtin(row));
            if let Type::Scalar(s) = ty {
                self.tables.dtypes.insert(id, s.dtype());
            }
        }
        Ok(ty)
    }

    /// Whether machine code draws: every parameter is a number of the kind it converts itself.
    fn is_native(&self, draw: Draw, args: &[Arg]) -> bool {
        let gauss = matches!(draw, Draw::Normal | Draw::StandardNormal | Draw::Randn);
        let accepted = |a: &Arg| {
            let name = a.name.as_deref();
            match self.tables.exprs.get(&a.value) {
                Some(Type::Scalar(s)) if draw == Draw::Int => {
                    is_index(&Type::Scalar(*s)) && s.dtype() != DType::U64
                }
                Some(Type::Scalar(s)) => s.dtype().kind() <= Kind::Float,
                // None: a size, `high=None`, `dtype=None`
                Some(Type::None) => draw == Draw::Int || name == Some("size"),
                Some(_) => draw == Draw::Int && !matches!(name, Some("low" | "high" | "size")),
                None => false,
            }
        };
        (!gauss || self.cx.env.legacy_gauss()) && args.iter().all(accepted)
    }
}

/// Type of a draw for the arguments.
fn drawn(draw: Draw, given: &Given) -> Option<Type> {
    let names = draw.parameters();
    let dtype = match (draw, given.dtype) {
        (Draw::Int, Some(d)) if d.kind() <= Kind::Signed => Some(d),
        (_, None) => None,
        _ => return None,
    };
    let element = dtype.unwrap_or(if draw == Draw::Int { DType::I64 } else { DType::F64 });
    if matches!(draw, Draw::Rand | Draw::Randn) {
        let extents = given.items.iter().all(|(n, t)| n.is_none() && is_index(t));
        return match given.items.len() {
            0 => Some(Type::FLOAT),
            n if extents => Some(Type::array(element, u8::try_from(n).ok()?, Layout::C)),
            _ => None,
        };
    }
    if given.items.len() > names.len()
        || given
            .items
            .iter()
            .any(|(n, _)| n.as_deref().is_some_and(|n| !names.contains(&n)))
    {
        return None;
    }
    let number = |t: Option<&Type>| matches!(t, None | Some(Type::None | Type::Scalar(_)));
    let at = |name| {
        names
            .iter()
            .position(|n| *n == name)
            .and_then(|i| given.get(i, name))
    };
    if !["low", "high", "loc", "scale"].into_iter().all(|n| number(at(n))) {
        return None;
    }
    match at("size") {
        None | Some(Type::None) if draw == Draw::Int => Some(dtype.map_or(Type::INT, Type::np)),
        None | Some(Type::None) => Some(Type::FLOAT),
        Some(size) => Some(Type::array(element, shape_rank(size)?, Layout::C)),
    }
}
