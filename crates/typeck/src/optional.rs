//! What conditions tell about None: `x is None`, `x is not None`, `x`, and what `not`, `and` and `or` make of them.

use numlift_syntax::hir::{BoolOp, CmpOp, Const, ExprId, ExprKind, Function, LocalId, Name, UnaryOp};

/// What is known of a variable that may be None.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    None,
    Value,
}

/// What holds of variables where an expression has this truth.
pub fn learnt(hir: &Function, test: ExprId, truth: bool) -> Vec<(LocalId, Known)> {
    let mut out = vec![];
    learn(hir, test, truth, &mut out);
    out
}

fn learn(hir: &Function, test: ExprId, truth: bool, out: &mut Vec<(LocalId, Known)>) {
    match &hir.exprs[test].kind {
        ExprKind::Unary(UnaryOp::Not, a) => learn(hir, *a, !truth, out),
        // all operands of a true `and` are true, all of a false `or` false
        ExprKind::Bool(op, items) if (*op == BoolOp::And) == truth => {
            items.iter().for_each(|&x| learn(hir, x, truth, out));
        }
        ExprKind::Compare(first, rest) => {
            let [(op @ (CmpOp::Is | CmpOp::IsNot), second)] = rest.as_slice() else {
                return;
            };
            let none = |e: ExprId| matches!(hir.exprs[e].kind, ExprKind::Const(Const::None));
            let of = match (none(*first), none(*second)) {
                (false, true) => *first,
                (true, false) => *second,
                _ => return,
            };
            let known = if (*op == CmpOp::Is) == truth {
                Known::None
            } else {
                Known::Value
            };
            out.extend(variable(hir, of).map(|l| (l, known)));
        }
        _ if truth => out.extend(variable(hir, test).map(|l| (l, Known::Value))),
        _ => {}
    }
}

/// The variable whose value an expression is.
fn variable(hir: &Function, e: ExprId) -> Option<LocalId> {
    match hir.exprs[e].kind {
        ExprKind::Name(Name::Local(l)) | ExprKind::Walrus(l, _) => Some(l),
        _ => None,
    }
}
