//! Expressions that read attributes and items of an object by constant names and keys, or by keys that are variables:
//! `self.x`, `settings["a"]["b"]`, `self.tables[k]`.

use numlift_syntax::hir::{Const, ExprId, ExprKind, Function, LocalId, Name};
use numlift_types::{ItemKey, ReadPath, ReadRoot, ReadStep};

/// Steps of the longest one.
const MAX_STEPS: usize = 6;

/// Such an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    pub root: Name,
    /// The first is done first.
    pub steps: Vec<Step>,
}

/// What it does with the object that it has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Attribute(String),
    Item(ItemKey),
    /// The item by the value of a variable.
    ItemBy(LocalId),
}

impl Chain {
    /// The chain that an expression is.
    pub fn of(f: &Function, mut expr: ExprId) -> Option<Chain> {
        let mut steps = vec![];
        loop {
            let (base, step) = match &f.exprs[expr].kind {
                ExprKind::Name(root) if !steps.is_empty() => {
                    steps.reverse();
                    let root = root.clone();
                    return Some(Chain { root, steps });
                }
                ExprKind::Attribute(base, name) => (*base, Step::Attribute(name.clone())),
                ExprKind::Subscript(base, key) => (*base, Step::item(f, *key)?),
                _ => return None,
            };
            steps.push(step);
            if steps.len() > MAX_STEPS {
                return None;
            }
            expr = base;
        }
    }

    /// Variables that are keys, in the order of the steps.
    pub fn keys(&self) -> impl Iterator<Item = LocalId> {
        self.steps.iter().filter_map(|s| match s {
            Step::ItemBy(l) => Some(*l),
            Step::Attribute(_) | Step::Item(_) => None,
        })
    }

    /// The variable that it begins with.
    pub fn local(&self) -> Option<LocalId> {
        match self.root {
            Name::Local(l) => Some(l),
            Name::Free(_) | Name::Global(_) => None,
        }
    }

    /// Variables that it reads.
    pub fn locals(&self) -> impl Iterator<Item = LocalId> {
        self.local().into_iter().chain(self.keys())
    }

    /// The path with its variables numbered: the object is asked for first, keys in the order of the steps.
    pub fn path(&self, mut number: impl FnMut(LocalId) -> u32) -> ReadPath {
        let root = match &self.root {
            Name::Local(l) => ReadRoot::Variable(number(*l)),
            Name::Global(n) => ReadRoot::Global(n.clone()),
            Name::Free(n) => ReadRoot::Free(n.clone()),
        };
        let steps = self.steps.iter().map(|s| match s {
            Step::Attribute(name) => ReadStep::Attribute(name.clone()),
            Step::Item(key) => ReadStep::Item(key.clone()),
            Step::ItemBy(l) => ReadStep::ItemBy(number(*l)),
        });
        ReadPath {
            root,
            steps: steps.collect(),
        }
    }

    /// The path for somebody who has the object itself as variable 0, then the keys in order.
    pub fn observed_path(&self) -> ReadPath {
        let mut next = 1;
        let mut path = self.path(|_| 0);
        path.root = ReadRoot::Variable(0);
        for step in &mut path.steps {
            if let ReadStep::ItemBy(n) = step {
                *n = next;
                next += 1;
            }
        }
        path
    }
}

impl Step {
    fn item(f: &Function, key: ExprId) -> Option<Step> {
        match &f.exprs[key].kind {
            ExprKind::Const(Const::Str(s)) => Some(Step::Item(ItemKey::Text(s.clone()))),
            ExprKind::Const(Const::Int(n)) => Some(Step::Item(ItemKey::Index(*n))),
            ExprKind::Name(Name::Local(l)) => Some(Step::ItemBy(*l)),
            _ => None,
        }
    }
}
