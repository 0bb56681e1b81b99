//! Tuples, and lists of static length: items by index, slices, comparison, membership.

use numlift_syntax::hir::{CmpOp, Const, ExprId, ExprKind};
use numlift_types::{DType, Reason, Type};

use super::stmt::is_index;
use super::{FnInfer, R};
use crate::operators;

/// The type that holds any of the items, if there is one.
pub(super) fn any_item(items: &[Type]) -> Option<Type> {
    let all = items.iter().fold(Type::Never, |a, b| a.join(b));
    (all != Type::Object(Reason::JOIN)).then_some(all)
}

/// Whether `a == b` is decided natively where a tuple compares its items.
pub(super) fn comparable(a: &Type, b: &Type) -> bool {
    match (a, b) {
        (Type::Tuple(x), Type::Tuple(y)) => x.iter().zip(y.iter()).all(|(a, b)| comparable(a, b)),
        (Type::None | Type::Str(_), Type::None | Type::Str(_)) => true,
        // NumPy compares each element
        (Type::Array(_) | Type::Optional(_), _) | (_, Type::Array(_) | Type::Optional(_)) => false,
        (Type::None | Type::Str(_), t) | (t, Type::None | Type::Str(_)) => {
            t.scalars().iter().all(|s| s.is_python())
        }
        _ => {
            let pairs = a
                .scalars()
                .iter()
                .flat_map(|x| b.scalars().iter().map(move |y| (*x, *y)));
            let mut pairs = pairs.peekable();
            pairs.peek().is_some() && pairs.all(|(x, y)| operators::compare(CmpOp::Eq, x, y).is_some())
        }
    }
}

/// Type of `a op b` for two tuples.
pub(super) fn compare(op: CmpOp, a: &[Type], b: &[Type]) -> Option<Type> {
    let equality = matches!(op, CmpOp::Eq | CmpOp::Ne);
    let mut out = Type::BOOL;
    for (x, y) in a.iter().zip(b) {
        if !comparable(x, y) {
            return None;
        }
        if equality {
            continue;
        }
        let one = match (x, y) {
            (Type::Tuple(x), Type::Tuple(y)) => compare(op, x, y)?,
            _ => {
                let mut all = vec![];
                for s in x.scalars() {
                    for t in y.scalars() {
                        all.push(operators::compare(op, *s, *t)?);
                    }
                }
                Type::union(all)?
            }
        };
        out = out.join(&one);
    }
    Some(out)
}

/// Whether `a in b` is decided natively.
pub(super) fn membership(a: &Type, b: &Type) -> bool {
    let number = !a.scalars().is_empty();
    match b {
        Type::Tuple(items) | Type::List(items) => items.iter().all(|t| comparable(a, t)),
        Type::Range => match a {
            Type::Scalar(s) => is_index(a) || s.dtype() == DType::Bool,
            _ => false,
        },
        Type::Array(_) => number,
        _ => false,
    }
}

/// `range(len)[start:stop:step]` as Python has it; `None` if the step is zero.
fn slice_indices(len: usize, [start, stop, step]: [Option<i64>; 3]) -> Option<Vec<usize>> {
    let len = i64::try_from(len).ok()?;
    let step = step.unwrap_or(1);
    let (low, high) = match step {
        0 => return None,
        1.. => (0, len),
        _ => (-1, len - 1),
    };
    let clamp = |x: i64| (if x < 0 { x.saturating_add(len) } else { x }).clamp(low, high);
    let first = start.map_or(if step > 0 { low } else { high }, clamp);
    let last = stop.map_or(if step > 0 { high } else { low }, clamp);
    let mut out = vec![];
    let mut i = first;
    while if step > 0 { i < last } else { i > last } {
        out.push(usize::try_from(i).ok()?);
        i = i.saturating_add(step);
    }
    Some(out)
}

impl FnInfer<'_, '_> {
    /// `base[index]` of a tuple or list.
    pub(super) fn item(&mut self, base: &Type, items: &[Type], index: ExprId, by: &Type) -> R<Type> {
        let (span, line) = (self.hir.exprs[index].span, self.hir.exprs[index].line);
        if matches!(by, Type::Slice { .. }) {
            return self.slice_of(base, items, index);
        }
        if !is_index(by) {
            return self.subscript_error(base, std::slice::from_ref(by), index);
        }
        if let Some(n) = self.const_int(index) {
            let n = if n < 0 { n + items.len() as i64 } else { n };
            match usize::try_from(n).ok().filter(|n| *n < items.len()) {
                Some(n) => {
                    self.tables.indices.insert(index, n);
                    return Ok(items[n].clone());
                }
                None => {
                    self.tables.indices.insert(index, usize::MAX);
                    return Ok(Type::Never);
                }
            }
        }
        self.tables.indices.remove(&index);
        match any_item(items) {
            Some(t) => Ok(t),
            None => {
                let what = "a tuple of different types is indexed by a variable";
                self.error(span, line, "NL2008", what)
            }
        }
    }

    fn slice_of(&mut self, base: &Type, items: &[Type], index: ExprId) -> R<Type> {
        let (span, line) = (self.hir.exprs[index].span, self.hir.exprs[index].line);
        let hir = self.hir.clone();
        let mut parts = [None; 3];
        let mut constant = true;
        if let ExprKind::Slice { start, stop, step } = hir.exprs[index].kind {
            for (value, part) in parts.iter_mut().zip([start, stop, step]) {
                let Some(e) = part else { continue };
                if !matches!(hir.exprs[e].kind, ExprKind::Const(Const::None)) {
                    *value = self.const_int(e);
                    constant &= value.is_some();
                }
            }
        } else {
            constant = false;
        }
        let picked = slice_indices(items.len(), parts).filter(|_| constant);
        let Some(picked) = picked else {
            let what = "a tuple is sliced by anything but constants";
            return self.error(span, line, "NL2008", what);
        };
        let out: Vec<Type> = picked.iter().map(|&i| items[i].clone()).collect();
        self.tables.picks.insert(index, picked);
        Ok(match base {
            Type::List(_) => Type::List(out.into()),
            _ => Type::tuple(out),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::slice_indices;

    #[test]
    fn slices_of_ranges() {
        for (parts, expected) in [
            ([None, None, None], vec![0, 1, 2, 3]),
            ([Some(1), Some(-1), None], vec![1, 2]),
            ([None, None, Some(-1)], vec![3, 2, 1, 0]),
            ([Some(-9), Some(9), Some(3)], vec![0, 3]),
            ([Some(5), Some(0), Some(-2)], vec![3, 1]),
            ([Some(3), Some(1), None], vec![]),
        ] {
            assert_eq!(slice_indices(4, parts), Some(expected), "{parts:?}");
        }
        assert_eq!(slice_indices(4, [None, None, Some(0)]), None);
    }
}
