//! Where the interpreter goes on when native code gives up behind an effect: the state at the start of a statement.
//!
//! Before: a statement, with values of variables and of the loops around it. After: a [`Frame`] that exits in the
//! statement record, as long as it has had no effect itself.

use std::cell::OnceCell;
use std::rc::Rc;

use cranelift_entity::EntityRef;
use numlift_diagnostics::Span;
use numlift_mir::Value;
use numlift_runtime::ObjectEntry;
use numlift_runtime::ResumeSource;
use numlift_syntax::hir::StmtId;
use numlift_types::Type;

use super::loops::Iter;
use super::{FnLower, IsBound, Typed};
use crate::ResumePoint;
use crate::emit::{Frame, Vals};

/// A `for` loop in one of its turns.
#[derive(Clone, Debug)]
pub(crate) struct ActiveLoop {
    span: Span,
    /// The remaining items, as a Python expression over `v`.
    items: String,
    operands: Vec<Typed>,
}

impl ActiveLoop {
    /// A loop that takes its items from an iterator.
    pub(super) fn over(span: Span, iterator: Typed) -> ActiveLoop {
        ActiveLoop {
            span,
            items: "v[0]".into(),
            operands: vec![iterator],
        }
    }

    /// The loop in the turn with counter `i`.
    pub(super) fn new(span: Span, it: &Iter, i: Value) -> ActiveLoop {
        let mut operands = vec![];
        let mut int = |v: Value| {
            operands.push((Type::INT, Vals::from_slice(&[v])));
            format!("v[{}]", operands.len() - 1)
        };
        let items = match it {
            Iter::Range { stop, step, .. } => {
                let (i, stop, step) = (int(i), int(*stop), int(*step));
                format!("iter(range({i} + {step}, {stop}, {step}))")
            }
            other => {
                let i = int(i);
                let all = iterable(other, &mut operands);
                format!("islice({all}, {i} + 1, None)")
            }
        };
        ActiveLoop {
            span,
            items,
            operands,
        }
    }
}

/// The whole iterable, as a Python expression.
fn iterable(it: &Iter, operands: &mut Vec<Typed>) -> String {
    let mut operand = |v: Typed| {
        operands.push(v);
        format!("v[{}]", operands.len() - 1)
    };
    match it {
        Iter::Range {
            start, stop, step, ..
        } => operand((Type::Range, Vals::from_slice(&[*start, *stop, *step]))),
        Iter::Array(a, vals) => operand((Type::Array(*a), vals.clone())),
        Iter::Tuple(v) => operand(v.clone()),
        Iter::Enumerate(start, inner) => {
            let start = operand((Type::INT, Vals::from_slice(&[*start])));
            format!("enumerate({}, {start})", iterable(inner, operands))
        }
        Iter::Zip(items) => {
            let items: Vec<String> = items.iter().map(|i| iterable(i, operands)).collect();
            format!("zip({})", items.join(", "))
        }
        Iter::Reversed(inner) => format!("reversed({})", iterable(inner, operands)),
    }
}

/// Whether boxing a value gives what the interpreter would have there.
fn is_portable(t: &Type) -> bool {
    match t {
        Type::Tuple(items) => items.iter().all(is_portable),
        Type::Optional(t) => is_portable(t),
        Type::Scalar(_) | Type::Union(_) | Type::Array(_) | Type::None | Type::Object(_) => true,
        Type::Range | Type::Ellipsis | Type::Str(_) | Type::Never => true,
        _ => false,
    }
}

impl FnLower<'_, '_> {
    /// A statement begins: exits in it go on from here.
    pub(super) fn mark_statement(&mut self, id: StmtId) {
        self.e.resume = None;
        if self.entry.is_some() && self.e.b.func.int_const(self.e.effects) != Some(0) {
            self.e.resume = self.frame(id).map(Rc::new);
        }
    }

    /// Exits from here on go on behind a statement: conversions where paths meet.
    pub(super) fn mark_behind(&mut self, id: Option<&StmtId>) {
        self.e.resume = None;
        if let (Some(&id), true) = (id, self.reachable())
            && self.entry.is_some()
            && self.e.b.func.int_const(self.e.effects) != Some(0)
        {
            self.e.resume = self.frame(id).map(|mut frame| {
                frame.point.behind = true;
                Rc::new(frame)
            });
        }
    }

    pub(super) fn frame(&mut self, id: StmtId) -> Option<Frame> {
        let (mut types, mut vals, mut vars) = (vec![], Vals::new(), vec![]);
        let hir = self.hir.clone();
        for (l, local) in hir.locals.iter() {
            let var = &self.vars[l.index()];
            let maybe = match var.bound {
                IsBound::No => {
                    vars.push((local.name.clone(), ResumeSource::Unbound));
                    continue;
                }
                IsBound::Yes => false,
                IsBound::Flag(f) => {
                    types.push(Type::BOOL);
                    vals.push(f);
                    true
                }
            };
            let source = match &var.ty {
                Type::Known(o) if !maybe => ResumeSource::Object(self.sh.object(ObjectEntry::Object(*o))),
                ty if !is_portable(ty) => return None,
                ty => match self.argument(l.index()) {
                    Some(i) => ResumeSource::Argument(i),
                    None => {
                        types.push(ty.clone());
                        vals.extend_from_slice(&var.vals);
                        ResumeSource::Operand {
                            ty: ty.clone(),
                            maybe,
                        }
                    }
                },
            };
            vars.push((local.name.clone(), source));
        }
        let mut loops = vec![];
        for l in &self.active {
            for (t, v) in &l.operands {
                if !is_portable(t) {
                    return None;
                }
                types.push(t.clone());
                vals.extend_from_slice(v);
            }
            let operands = l.operands.iter().map(|(t, _)| t.clone()).collect();
            loops.push((l.span, l.items.clone(), operands));
        }
        Some(Frame {
            point: ResumePoint {
                span: hir.stmts[id].span,
                behind: false,
                vars,
                loops,
            },
            types,
            vals,
            effects: self.e.effects,
            number: OnceCell::new(),
        })
    }

    /// The parameter that a variable still is.
    fn argument(&self, local: usize) -> Option<usize> {
        let entry = &self.entry.as_ref()?[local];
        let same = entry.bound == IsBound::Yes && *entry == self.vars[local];
        let at = self.hir.params.iter().position(|p| p.local.index() == local);
        at.filter(|_| same)
    }
}
