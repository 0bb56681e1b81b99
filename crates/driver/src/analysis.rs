//! What typing alone tells of a function, for `check` and the report.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use numlift_diagnostics::{Diagnostic, SourceMap, Span};
use numlift_syntax::hir::{Const, ExprId, ExprKind, Function, Name, StmtId, StmtKind, Target};
use numlift_typeck::{Bound, Env, Instance, VarTy};
use numlift_types::{CodeRef, Type};

/// Type of a variable at a line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Variable {
    pub line: u32,
    pub name: String,
    pub ty: String,
}

/// Product of [`analyse`].
#[derive(Clone, Debug, Default)]
pub struct Analysis {
    /// Every place without a static type, callees included; empty if all is native.
    pub places: Vec<Diagnostic>,
    /// The function, if its text was understood.
    pub hir: Option<Arc<Function>>,
    /// Lines of the function that have code, nested functions included.
    pub code_lines: BTreeSet<u32>,
    /// Variables of the function, by line.
    pub variables: BTreeSet<Variable>,
    /// Why lines are dynamic.
    pub causes: BTreeMap<u32, Diagnostic>,
    /// Other functions that its code contains, with the types of their arguments and of the result.
    pub callees: Vec<(CodeRef, Vec<Type>, Type)>,
}

/// The function and its lines, nothing typed.
pub fn outline(env: &dyn Env, root: CodeRef) -> Analysis {
    let mut out = Analysis {
        hir: env.hir(root).ok(),
        ..Analysis::default()
    };
    if let Some(hir) = &out.hir {
        code_lines(hir, &mut out.code_lines);
    }
    out
}

/// Types `root` for the argument types without making code.
pub fn analyse(env: &dyn Env, root: CodeRef, args: &[Type]) -> Analysis {
    let mut out = outline(env, root);
    match numlift_typeck::infer(env, root, args) {
        Ok(program) => {
            out.places = program.places().into_iter().cloned().collect();
            let other = |i: &&Instance| {
                let plain = i.path.is_empty() && i.tables.captures.is_empty();
                i.code != root && plain && i.places().next().is_none()
            };
            let callees = program.instances.iter().filter(other);
            out.callees = callees.map(|i| (i.code, i.args.clone(), i.ret.clone())).collect();
            let own = |i: &&Instance| i.code == root;
            for instance in program.instances.iter().filter(own) {
                variables(instance, &mut out.variables);
            }
            if let Some(root) = program.root {
                causes(&program.instances[root.0], &mut out.causes);
            }
        }
        Err(whole) => out.places = vec![*whole],
    }
    out
}

fn code_lines(f: &Function, lines: &mut BTreeSet<u32>) {
    let Some(first) = f.body.first().map(|&s| f.stmts[s].line) else {
        return;
    };
    let is_text = |e| matches!(f.exprs[e].kind, ExprKind::Const(Const::Str(_)));
    let mut docstrings = BTreeSet::new();
    for stmt in f.stmts.values() {
        match stmt.kind {
            StmtKind::Expr(e) if is_text(e) => _ = docstrings.insert(e),
            _ => _ = lines.insert(stmt.line),
        }
    }
    let expressions = f.exprs.iter().filter(|(e, _)| !docstrings.contains(e));
    lines.extend(expressions.map(|(_, e)| e.line).filter(|&line| line >= first));
    for nested in &f.nested {
        code_lines(nested, lines);
    }
}

/// The reason of each line that belongs to a dynamic statement, of the innermost one.
fn causes(instance: &Instance, out: &mut BTreeMap<u32, Diagnostic>) {
    let f = &instance.hir;
    let source = SourceMap::new(&f.source, &f.file, f.first_line);
    let reason_of = |e: ExprId| match instance.tables.exprs.get(&e)? {
        Type::Object(reason) => Some(*reason),
        _ => None,
    };
    // a `for` over an object is none by itself
    let iterables = f.stmts.iter().filter_map(|(s, stmt)| match stmt.kind {
        StmtKind::For { iter, .. } => Some((s, reason_of(iter)?)),
        _ => None,
    });
    let dynamic = instance.tables.dynamic.iter().map(|(s, r)| (*s, *r));
    let mut dynamic: Vec<_> = iterables.chain(dynamic).collect();
    dynamic.sort_by_key(|(s, _)| Reverse(f.stmts[*s].span.end - f.stmts[*s].span.start));
    for (s, reason) in dynamic {
        let Some(place) = instance.tables.reasons.get(reason.0 as usize) else {
            continue;
        };
        // the blocks of these are statements of their own
        let whole = !matches!(
            f.stmts[s].kind,
            StmtKind::For { .. } | StmtKind::While { .. } | StmtKind::If { .. }
        );
        let span = f.stmts[s].span;
        let last = if whole {
            source.line(span.end.saturating_sub(1))
        } else {
            f.stmts[s].line
        };
        for line in f.stmts[s].line..=last {
            out.insert(line, place.diagnostic.clone());
        }
    }
}

fn variables(instance: &Instance, out: &mut BTreeSet<Variable>) {
    let f = &instance.hir;
    let mut add = |line, local, ty: &Type| {
        let local: &numlift_syntax::hir::Local = &f.locals[local];
        out.insert(Variable {
            line,
            name: local.name.clone(),
            ty: ty.to_string(),
        });
    };
    for (param, ty) in f.params.iter().zip(&instance.args) {
        add(f.first_line, param.local, ty);
    }
    for (&id, ty) in &instance.tables.exprs {
        if let ExprKind::Name(Name::Local(local)) = f.exprs[id].kind {
            add(f.exprs[id].line, local, ty);
        }
    }
    for (id, stmt) in f.stmts.iter() {
        match &stmt.kind {
            StmtKind::Assign { targets, value } => {
                for target in targets {
                    if let (Target::Local(local), Some(ty)) = (target, instance.tables.exprs.get(value)) {
                        add(stmt.line, *local, ty);
                    }
                }
            }
            // What a loop changes has the type that it has at the loop's head.
            StmtKind::For { target, .. } | StmtKind::AugAssign { target, .. } => {
                if let Target::Local(local) = target
                    && let Some(variables) = innermost_loop(instance, id)
                    && let Some(variable) = variables.get(local.as_u32() as usize)
                    && variable.bound != Bound::No
                {
                    add(stmt.line, *local, &variable.ty);
                }
            }
            _ => {}
        }
    }
}

/// Variables at the head of the loop that a statement is, or that is nearest around it.
fn innermost_loop(instance: &Instance, id: StmtId) -> Option<&[VarTy]> {
    let f = &instance.hir;
    let inner = f.stmts[id].span;
    let around = |outer: Span| outer.start <= inner.start && inner.end <= outer.end;
    let loops = instance.tables.loops.iter();
    let loops = loops.filter(|(s, _)| around(f.stmts[**s].span));
    let nearest = loops.min_by_key(|(s, _)| f.stmts[**s].span.end - f.stmts[**s].span.start);
    nearest.map(|(_, variables)| variables.as_slice())
}
