//! Subscripts: element access, views, tuple items.

use numlift_syntax::hir::ExprId;
use numlift_types::{ArrayType, Layout, Type};

use super::stmt::is_index;
use super::{FnInfer, R, selection};

/// What iterating over an array or indexing it with one integer gives.
pub(super) fn element(a: ArrayType) -> Type {
    if a.ndim == 1 {
        return Type::np(a.dtype);
    }
    let layout = if a.layout == Layout::C {
        Layout::C
    } else {
        Layout::A
    };
    Type::Array(ArrayType {
        ndim: a.ndim - 1,
        layout,
        ..a
    })
}

pub(super) fn transposed(a: ArrayType) -> ArrayType {
    let layout = match a.layout {
        Layout::C if a.ndim > 1 => Layout::F,
        Layout::F => Layout::C,
        other => other,
    };
    ArrayType { layout, ..a }
}

/// Slice of a whole axis.
const WHOLE: Type = Type::Slice {
    start: false,
    stop: false,
    step: false,
};

/// Type of `array[parts]`, each part an integer, a slice, `None` (a new axis) or `...` (once).
fn indexed(a: ArrayType, parts: &[Type]) -> Option<Type> {
    let ints = parts.iter().filter(|t| is_index(t)).count();
    let slices = parts.iter().filter(|t| matches!(t, Type::Slice { .. })).count();
    let new = parts.iter().filter(|t| **t == Type::None).count();
    let whole = parts.iter().filter(|t| **t == Type::Ellipsis).count();
    let known = ints + slices + new + whole == parts.len() && whole <= 1;
    if !known || ints + slices > usize::from(a.ndim) || a.ndim == 0 {
        return None;
    }
    let ndim = a.ndim - ints as u8 + new as u8;
    if ndim == 0 {
        // `a[0, ...]` is an array without axes
        return (whole == 0).then_some(Type::np(a.dtype));
    }
    // Integers, then at most one slice without a step, then whole axes: still C-contiguous.
    let is_whole = |t: &&Type| **t == WHOLE || **t == Type::Ellipsis;
    let trailing = parts.iter().rev().take_while(is_whole).count();
    let parts = &parts[..parts.len() - trailing];
    let leading = parts.iter().take_while(|t| is_index(t)).count();
    let contiguous = matches!(parts[leading..], [] | [Type::Slice { step: false, .. }]);
    let layout = if a.layout == Layout::C && contiguous {
        Layout::C
    } else {
        Layout::A
    };
    Some(Type::Array(ArrayType { ndim, layout, ..a }))
}

/// Type of `a[mask]` and `a[indices]`.
fn selected(a: ArrayType, parts: &[Type]) -> Option<Type> {
    match parts {
        [Type::Array(index)] => selection::picked(a, *index),
        _ => None,
    }
}

impl FnInfer<'_, '_> {
    fn index_parts(&mut self, index: ExprId) -> Vec<Type> {
        match self.expr(index) {
            Type::Tuple(items) => items.to_vec(),
            t => vec![t],
        }
    }

    pub(super) fn subscript(&mut self, base: ExprId, index: ExprId) -> R<Type> {
        let t = self.expr(base);
        let parts = self.index_parts(index);
        if t == Type::Never || parts.contains(&Type::Never) {
            return Ok(Type::Never);
        }
        match &t {
            Type::Array(a) => match indexed(*a, &parts).or_else(|| selected(*a, &parts)) {
                Some(t) => Ok(t),
                None => self.subscript_error(&t, &parts, index),
            },
            Type::Tuple(_) | Type::List(_) | Type::Record(_) if parts.len() == 1 => {
                let items = t.items().unwrap_or_default();
                self.item(&t, items, index, &parts[0])
            }
            _ => self.subscript_error(&t, &parts, index),
        }
    }

    pub(super) fn subscript_error<T>(&mut self, base: &Type, parts: &[Type], index: ExprId) -> R<T> {
        self.no_objects(parts.iter().chain([base]))?;
        let names: Vec<String> = parts.iter().map(ToString::to_string).collect();
        let (span, line) = (self.hir.exprs[index].span, self.hir.exprs[index].line);
        self.error(
            span,
            line,
            "NL2008",
            format!("{base}[{}] is not compiled", names.join(", ")),
        )
    }

    /// `base[index] = value of type ty`.
    pub(super) fn store(&mut self, base: ExprId, index: ExprId, ty: &Type) -> R<()> {
        let t = self.expr(base);
        let parts = self.index_parts(index);
        if t == Type::Never || *ty == Type::Never || parts.contains(&Type::Never) {
            return Ok(());
        }
        self.effects = true;
        self.tables.parts.remove(&index);
        self.no_objects(parts.iter().chain([&t, ty]))?;
        let (span, line) = (self.hir.exprs[index].span, self.hir.exprs[index].line);
        let Type::Array(a) = t else {
            return self.subscript_error(&t, &parts, index);
        };
        if a.readonly {
            return self.error(span, line, "NL2008", "a store to a read-only array is dynamic");
        }
        if let [Type::Array(chosen)] = parts.as_slice()
            && selection::is_put(a, *chosen, ty)
        {
            return Ok(());
        }
        match indexed(a, &parts) {
            Some(Type::Scalar(s)) if !ty.scalars().is_empty() => {
                let complex = |d: numlift_types::DType| d.kind() == numlift_types::Kind::Complex;
                if ty.scalars().iter().any(|x| complex(x.dtype())) && !complex(s.dtype()) {
                    return self.operand_error(span, line, "a store of", &[ty]);
                }
                Ok(())
            }
            Some(Type::Array(part)) if super::elementwise::is_stored(part, ty) => {
                self.tables.parts.insert(index);
                Ok(())
            }
            Some(_) => self.error(
                span,
                line,
                "NL2015",
                format!("assignment of {ty} to part of an array is not compiled"),
            ),
            None => self.subscript_error(&Type::Array(a), &parts, index),
        }
    }
}
