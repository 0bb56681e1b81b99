//! Facts read off the nodes of a function: which variables a statement binds, what opaque code reads and binds.

use crate::hir::{Block, ExprKind, Function, LocalId, Name, Opaque, Pattern, StmtId, StmtKind, Target};

/// Variables an assignment target binds.
pub fn target_locals(target: &Target, out: &mut impl Extend<LocalId>) {
    match target {
        Target::Local(local) => out.extend([*local]),
        Target::Tuple { items, .. } => items.iter().for_each(|item| target_locals(item, out)),
        Target::Outer(_) | Target::Subscript(..) | Target::Attribute(..) => {}
    }
}

/// Variables a pattern captures.
pub fn pattern_locals(pattern: &Pattern, out: &mut impl Extend<LocalId>) {
    match pattern {
        Pattern::Capture(local) => out.extend(*local),
        Pattern::As(inner, local) => {
            out.extend([*local]);
            pattern_locals(inner, out);
        }
        Pattern::Or(items) | Pattern::Sequence(items) => {
            items.iter().for_each(|item| pattern_locals(item, out));
        }
        Pattern::Dynamic(code) => out.extend(code.binds.iter().copied()),
        Pattern::Value(_) => {}
    }
}

/// Variables that a statement itself binds or deletes: not those of its blocks, nor of `:=`.
pub fn stmt_locals(f: &Function, stmt: StmtId, out: &mut impl Extend<LocalId>) {
    match &f.stmts[stmt].kind {
        StmtKind::Assign { targets, .. } | StmtKind::Del(targets) => {
            targets.iter().for_each(|target| target_locals(target, out));
        }
        StmtKind::AnnAssign {
            target,
            value: Some(_),
            ..
        }
        | StmtKind::AugAssign { target, .. }
        | StmtKind::For { target, .. } => target_locals(target, out),
        StmtKind::Match { cases, .. } => cases.iter().for_each(|case| pattern_locals(&case.pattern, out)),
        StmtKind::Import { local, .. } | StmtKind::ImportFrom { local, .. } | StmtKind::Def { local, .. } => {
            out.extend([*local]);
        }
        StmtKind::With { items, .. } => {
            let targets = items.iter().filter_map(|(_, target)| target.as_ref());
            targets.for_each(|target| target_locals(target, out));
        }
        StmtKind::Try { handlers, .. } => out.extend(handlers.iter().filter_map(|handler| handler.name)),
        StmtKind::Dynamic(code) => out.extend(code.binds.iter().copied()),
        StmtKind::Expr(_)
        | StmtKind::AnnAssign { value: None, .. }
        | StmtKind::If { .. }
        | StmtKind::While { .. }
        | StmtKind::Break
        | StmtKind::Continue
        | StmtKind::Return(_)
        | StmtKind::Assert { .. }
        | StmtKind::Raise { .. }
        | StmtKind::Pass => {}
    }
}

/// The blocks of a compound statement.
pub fn blocks(kind: &StmtKind) -> Vec<&Block> {
    match kind {
        StmtKind::If { then, other, .. } => vec![then, other],
        StmtKind::While { body, orelse, .. } | StmtKind::For { body, orelse, .. } => vec![body, orelse],
        StmtKind::Match { cases, .. } => cases.iter().map(|case| &case.body).collect(),
        StmtKind::With { body, .. } => vec![body],
        StmtKind::Try {
            body,
            handlers,
            orelse,
            finalbody,
            ..
        } => {
            let mut all = vec![body];
            all.extend(handlers.iter().map(|handler| &handler.body));
            all.extend([orelse, finalbody]);
            all
        }
        _ => vec![],
    }
}

/// Variables that the statements of a block and of the blocks in it may leave unbound.
pub fn block_unbinds(f: &Function, block: &Block, out: &mut impl Extend<LocalId>) {
    for &stmt in block {
        let kind = &f.stmts[stmt].kind;
        if matches!(kind, StmtKind::Del(_)) {
            stmt_locals(f, stmt, out);
        }
        if let StmtKind::Try { handlers, .. } = kind {
            out.extend(handlers.iter().filter_map(|handler| handler.name));
        }
        for inner in blocks(kind) {
            block_unbinds(f, inner, out);
        }
    }
}

/// Variables that the statements of a block and of the blocks in it bind, `:=` left out.
pub fn block_locals(f: &Function, block: &Block, out: &mut impl Extend<LocalId>) {
    for &stmt in block {
        stmt_locals(f, stmt, out);
        for inner in blocks(&f.stmts[stmt].kind) {
            block_locals(f, inner, out);
        }
    }
}

/// Free and global names that a function and those nested in it read.
fn outer_names(f: &Function, out: &mut Vec<Name>) {
    let mut add = |name: &Name| {
        if !matches!(name, Name::Local(_)) && !out.contains(name) {
            out.push(name.clone());
        }
    };
    for expr in f.exprs.values() {
        match &expr.kind {
            ExprKind::Name(name) => add(name),
            ExprKind::Dynamic(code) => code.outer.iter().for_each(&mut add),
            _ => {}
        }
    }
    for stmt in f.stmts.values() {
        if let StmtKind::Dynamic(code) = &stmt.kind {
            code.outer.iter().for_each(&mut add);
        }
    }
    for nested in &f.nested {
        outer_names(nested, out);
    }
}

/// Names outside a function that it or a function nested in it assigns.
pub fn outer_writes(f: &Function) -> Vec<String> {
    let inner = f.nested.iter().flat_map(|nested| outer_writes(nested));
    let inner = inner.filter(|name| f.free.contains(name));
    let own = f.writes_outer.iter().chain(&f.hidden_writes).cloned();
    own.chain(inner).collect()
}

/// What the nodes in the arenas of `f` read and bind; `find` gives the variable of a name that a nested function uses.
pub(crate) fn opaque(f: &Function, what: &'static str, find: impl Fn(&str) -> Option<LocalId>) -> Opaque {
    let (mut reads, mut binds, mut outer) = (Vec::new(), Vec::new(), Vec::new());
    let (mut captured, mut written): (Vec<LocalId>, Vec<LocalId>) = Default::default();
    outer_names(f, &mut outer);
    for expr in f.exprs.values() {
        match &expr.kind {
            ExprKind::Name(Name::Local(local)) => reads.push(*local),
            ExprKind::Walrus(local, _) => binds.push(*local),
            ExprKind::Dynamic(code) => {
                reads.extend(&code.reads);
                binds.extend(&code.binds);
                captured.extend(&code.captured);
                written.extend(&code.written);
                if code.is_lazy() {
                    captured.extend(code.reads.iter().chain(&code.binds));
                    written.extend(&code.binds);
                }
            }
            _ => {}
        }
    }
    for stmt in f.stmts.keys() {
        stmt_locals(f, stmt, &mut binds);
        if let StmtKind::Dynamic(code) = &f.stmts[stmt].kind {
            reads.extend(&code.reads);
            captured.extend(&code.captured);
            written.extend(&code.written);
        }
    }
    for nested in &f.nested {
        let used = nested.free.iter().filter_map(|name| find(name));
        captured.extend(used.clone());
        reads.extend(used);
        written.extend(outer_writes(nested).iter().filter_map(|name| find(name)));
    }
    binds.extend(&written);
    if what.contains("class") {
        captured.extend(reads.iter().chain(&binds));
    }
    for list in [&mut reads, &mut binds, &mut captured, &mut written] {
        list.sort();
        list.dedup();
    }
    // what nested functions read of this one are variables
    outer.retain(|name| !matches!(name, Name::Free(n) if find(n).is_some()));
    Opaque {
        what,
        reads,
        binds,
        captured,
        written,
        outer,
    }
}
