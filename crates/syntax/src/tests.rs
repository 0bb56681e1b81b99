//! What parsing makes of functions: spans, lines, names, shapes.

use crate::hir::{Const, ExprKind, Function, Name, ParamKind, Pattern, StmtKind, Target};
use crate::{FunctionQuery, extract_block, parse_function};

fn query(name: &str, line: u32) -> FunctionQuery {
    FunctionQuery {
        name: name.to_owned(),
        line,
        ..FunctionQuery::default()
    }
}

fn def(source: &str) -> Function {
    parse_function(source, "t.py", 1, &query("f", 1)).expect(source)
}

fn lambda(source: &str, args: &[&str]) -> Result<Function, numlift_diagnostics::Diagnostic> {
    let arg_names = args.iter().map(ToString::to_string).collect();
    parse_function(
        source,
        "t.py",
        1,
        &FunctionQuery {
            arg_names,
            ..query("<lambda>", 1)
        },
    )
}

fn text(source: &str, span: numlift_diagnostics::Span) -> &str {
    &source[span.start as usize..span.end as usize]
}

/// The value returned by the last statement.
fn returned(f: &Function) -> &ExprKind {
    let last = f.body.last().map(|&stmt| &f.stmts[stmt].kind);
    match last {
        Some(StmtKind::Return(Some(value))) => &f.exprs[*value].kind,
        other => panic!("no return: {other:?}"),
    }
}

fn local_names(f: &Function) -> Vec<&str> {
    f.locals.values().map(|local| local.name.as_str()).collect()
}

#[test]
fn spans_and_lines_survive_indentation_and_decorators() {
    let source = "    @jit(\n        x)\n    # é\n    def f(a):\n        é = 1; return é + a\n\n    y = 3\n";
    let want = query("f", 40);
    let f = parse_function(source, "t.py", 40, &want).expect("parses");
    let ret = &f.stmts[f.body[1]];
    assert_eq!(text(source, ret.span), "return é + a");
    assert_eq!((ret.line, f.first_line), (44, 40));
    assert!(text(source, f.span).starts_with("def f"));
    assert!(text(source, f.span).ends_with("é + a"));
    let add = f
        .exprs
        .values()
        .find(|e| matches!(e.kind, ExprKind::Binary(..)))
        .expect("add");
    assert_eq!(text(source, add.span), "é + a");
}

#[test]
fn earlier_lines_are_skipped_and_strings_keep_their_columns() {
    let source = "x = 1\n  def f():\n    '''a\n  b'''\n    return 1\n";
    let f = parse_function(source, "t.py", 7, &query("f", 8)).expect("parses");
    let StmtKind::Expr(doc) = f.stmts[f.body[0]].kind else {
        panic!("docstring")
    };
    assert!(matches!(&f.exprs[doc].kind, ExprKind::Const(Const::Str(s)) if s == "a\n  b"));
    assert_eq!(f.stmts[f.body[1]].line, 11);
}

#[test]
fn what_binds_makes_a_local() {
    let f = def(
        "def f(p, /, q=1, *args, k, **kw):\n  import a.b, c as d\n  from m import n\n  global g\n  g = h = 1\n  for i, (j, *k2) in p: pass\n  try:\n    t = 1\n  except E as e: pass\n  with q as w, o() as (u, v): pass\n  class C: inner = 1\n  def z(): zz = 1\n  (y := 1)\n  [(r := s) for s in p]\n  x: int\n  del b\n  match p:\n    case [m1, {'k': m2, **m3}, P(m4, z=m5)] | (m6 as m7): pass\n  return t\n",
    );
    let expected = "p q args k kw a d n h i j k2 t e w u v C z y r x b m1 m2 m3 m4 m5 m6 m7";
    assert_eq!(local_names(&f), expected.split(' ').collect::<Vec<_>>());
    assert_eq!(f.writes_outer, ["g"]);
    assert!(matches!(returned(&f), ExprKind::Name(Name::Local(_))));
    let kinds: Vec<_> = f.params.iter().map(|p| (p.kind, p.has_default)).collect();
    assert_eq!(
        kinds,
        [
            (ParamKind::PositionalOnly, false),
            (ParamKind::Positional, true),
            (ParamKind::VarArgs, false),
            (ParamKind::KeywordOnly, false),
            (ParamKind::VarKeywords, false)
        ]
    );
}

#[test]
fn names_resolve_through_nested_functions() {
    let f = def(
        "def f(a, b):\n  c = 1\n  def g(d):\n    nonlocal c\n    c = a + d + e\n    return lambda: d + b + c\n  return g\n",
    );
    let captured: Vec<_> = f
        .locals
        .values()
        .filter(|l| l.captured)
        .map(|l| l.name.as_str())
        .collect();
    assert_eq!(captured, ["a", "b", "c"]);
    let g = &f.nested[0];
    let mut free = g.free.clone();
    free.sort_unstable();
    assert_eq!(free, ["a", "b", "c"]);
    assert_eq!(g.writes_outer, ["c"]);
    assert_eq!(local_names(g), ["d"]);
    assert!(g.locals.values().all(|l| l.captured));
    assert_eq!(g.nested[0].free, ["d", "b", "c"]);
    assert!(
        matches!(&g.stmts[g.body[0]].kind, StmtKind::Assign { targets, .. } if matches!(&targets[0], Target::Outer(n) if n == "c"))
    );
    assert!(f.free.is_empty());
}

#[test]
fn free_names_come_from_the_code_object() {
    let want = FunctionQuery {
        free_names: vec!["x".to_owned()],
        ..query("f", 1)
    };
    let f = parse_function("def f():\n  return x\n", "t.py", 1, &want).expect("parses");
    assert_eq!(returned(&f), &ExprKindName::free("x"));
    assert_eq!(f.free, ["x"]);
    assert_eq!(
        returned(&def("def f():\n  return x\n")),
        &ExprKindName::global("x")
    );
}

/// A comparable name expression.
#[derive(Debug)]
struct ExprKindName(Name);

impl ExprKindName {
    fn free(name: &str) -> Self {
        Self(Name::Free(name.to_owned()))
    }
    fn global(name: &str) -> Self {
        Self(Name::Global(name.to_owned()))
    }
}

impl PartialEq<ExprKindName> for ExprKind {
    fn eq(&self, other: &ExprKindName) -> bool {
        matches!(self, ExprKind::Name(name) if *name == other.0)
    }
}

#[test]
fn dynamic_code_captures_but_leaves_no_nodes() {
    let f = def("def f(a, b):\n  class C:\n    g = lambda: a\n  return [(c := b) for b in a]\n");
    assert!(f.nested.is_empty());
    let captured: Vec<_> = f
        .locals
        .values()
        .filter(|l| l.captured)
        .map(|l| l.name.as_str())
        .collect();
    assert_eq!(captured, ["a"]);
    let names = |locals: &[crate::hir::LocalId]| {
        let names = locals.iter().map(|&local| f.locals[local].name.as_str());
        names.collect::<Vec<_>>().join(" ")
    };
    let StmtKind::Dynamic(class) = &f.stmts[f.body[0]].kind else {
        panic!("class")
    };
    assert_eq!(
        (class.what, names(&class.reads), names(&class.binds)),
        ("class", "a".into(), "C".into())
    );
    let ExprKind::Dynamic(list) = returned(&f) else {
        panic!("comprehension")
    };
    assert_eq!(
        (list.what, names(&list.reads), names(&list.binds)),
        ("list comprehension", "a".into(), "c".into())
    );
    assert_eq!((f.exprs.len(), f.stmts.len()), (1, 2));
}

#[test]
fn constants_are_folded_and_sized() {
    let constant = |text: &str| match returned(&def(&format!("def f():\n  return {text}\n"))) {
        ExprKind::Const(constant) => constant.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(constant("-9223372036854775808"), Const::Int(i64::MIN));
    assert_eq!(
        constant("9223372036854775808"),
        Const::BigInt("9223372036854775808".to_owned())
    );
    assert_eq!(constant("0xff_ff"), Const::Int(65535));
    assert_eq!(constant("-2"), Const::Int(-2));
    assert!(matches!(constant("-0.0"), Const::Float(x) if x == 0.0 && x.is_sign_negative()));
    assert_eq!(constant("2j"), Const::Complex(2.0));
    assert_eq!(constant("'a' 'b'"), Const::Str("ab".to_owned()));
    assert_eq!(constant("1e999"), Const::Float(f64::INFINITY));
    assert_eq!(constant("0.1"), Const::Float(0.1));
    assert_eq!(constant("..."), Const::Ellipsis);
    assert!(matches!(
        returned(&def("def f():\n  return -1**2\n")),
        ExprKind::Unary(..)
    ));
    assert!(matches!(
        returned(&def("def f():\n  return '\\ud800'\n")),
        ExprKind::Dynamic(_)
    ));
}

#[test]
fn lambdas_are_told_apart_by_their_parameters() {
    let source = "f(lambda x: x, lambda y, z: (y,\n z))\n";
    let f = lambda(source, &["y", "z"]).expect("found");
    assert_eq!(text(source, f.span), "lambda y, z: (y,\n z)");
    assert_eq!(
        lambda("  lambda x: x + 1)\nfoo\n", &["x"])
            .expect("cut")
            .exprs
            .len(),
        3
    );
    let source = "   lambda x: x\n     + 1)\n";
    assert_eq!(
        text(source, lambda(source, &["x"]).expect("continued").span),
        "lambda x: x\n     + 1"
    );
    let twice = lambda("f(lambda x: x, lambda x: -x)", &["x"]).expect_err("ambiguous");
    assert_eq!(twice.code, "NL1002");
    assert_eq!(lambda("g = 1\n", &["x"]).expect_err("gone").code, "NL1005");
    assert!(lambda("f = lambda: (lambda x: x)\n", &["x"]).is_ok());
}

#[test]
fn shapes_of_statements() {
    let f = def(
        "def f(a):\n  x = y = a[1:, ::2]\n  x, *y = a\n  x.b += 1\n  z: float = 1 < x <= 2\n  return g(x, k=1, *y, **a) if not x else (x := 3)\n",
    );
    let kinds: Vec<_> = f.body.iter().map(|&s| f.stmts[s].kind.clone()).collect();
    assert!(matches!(&kinds[0], StmtKind::Assign { targets, .. } if targets.len() == 2));
    assert!(
        matches!(&kinds[1], StmtKind::Assign { targets, .. } if matches!(&targets[0], Target::Tuple { star: Some(1), .. }))
    );
    assert!(matches!(
        &kinds[2],
        StmtKind::AugAssign {
            target: Target::Attribute(..),
            ..
        }
    ));
    assert!(matches!(&kinds[3], StmtKind::AnnAssign { value: Some(_), .. }));
    let call = f.exprs.values().find_map(|e| match &e.kind {
        ExprKind::Call { args, .. } => {
            Some(args.iter().map(|a| (a.name.clone(), a.star)).collect::<Vec<_>>())
        }
        _ => None,
    });
    let k = Some("k".to_owned());
    assert_eq!(call, Some(vec![(None, 0), (k, 0), (None, 1), (None, 2)]));
}

#[test]
fn patterns() {
    let f = def(
        "def f(a):\n  match a:\n    case -1 | None | m.X: pass\n    case [x, _] as y if x: pass\n    case {}: pass\n    case _: pass\n",
    );
    let StmtKind::Match { cases, .. } = &f.stmts[f.body[0]].kind else {
        panic!("match")
    };
    assert!(matches!(&cases[0].pattern, Pattern::Or(items) if items.len() == 3));
    assert!(matches!(&cases[1].pattern, Pattern::As(inner, _) if matches!(**inner, Pattern::Sequence(_))));
    assert!(cases[1].guard.is_some());
    assert!(matches!(cases[2].pattern, Pattern::Dynamic(_)));
    assert!(matches!(cases[3].pattern, Pattern::Capture(None)));
}

#[test]
fn generators_and_async_are_marked() {
    assert!(def("def f():\n  x = yield\n").is_generator);
    assert!(def("async def f(): pass\n").is_generator);
    assert!(!def("def f():\n  def g(): yield 1\n").is_generator);
}

#[test]
fn errors_point_at_the_place() {
    let error = parse_function("def f():\n  é = 1 x\n", "t.py", 5, &query("f", 5)).expect_err("syntax");
    assert_eq!((error.code, error.line, error.column), ("NL1002", 6, 9));
    let error = parse_function("def g(): pass\n", "t.py", 5, &query("f", 5)).expect_err("changed");
    assert_eq!(error.code, "NL1005");
}

#[test]
fn deep_code_is_refused_not_overflowed() {
    for (open, middle, close) in [("(", "1", ")"), ("-", "x", ""), ("not ", "x", ""), ("[", "", "]")] {
        let source = format!(
            "def f():\n  return {}{middle}{}\n",
            open.repeat(20_000),
            close.repeat(20_000)
        );
        if let Err(error) = parse_function(&source, "t.py", 1, &query("f", 1)) {
            assert_eq!(error.code, "NL1002");
        }
    }
    let sum = format!("def f(x):\n  return x{}\n", " + x".repeat(900));
    assert!(parse_function(&sum, "t.py", 1, &query("f", 1)).is_ok());
    let elifs = format!("def f(x):\n  if x: pass\n{}", "  elif x: pass\n".repeat(5000));
    assert_eq!(
        parse_function(&elifs, "t.py", 1, &query("f", 1))
            .expect_err("deep")
            .code,
        "NL1002"
    );
}

#[test]
fn blocks_are_counted_in_lines() {
    assert_eq!(extract_block(&["def f():\n", "  x\n", "\n", "y\n"]), 2);
    assert_eq!(extract_block(&["f = lambda: 1", "y"]), 1);
}

#[test]
#[ignore = "a measurement"]
fn speed() {
    let source = "@jit\ndef f(arr):\n    M, N = arr.shape\n    result = 0.0\n    for i in range(M):\n        for j in range(N):\n            result += arr[i, j]\n    return result\n";
    let start = std::time::Instant::now();
    for _ in 0..1000 {
        std::hint::black_box(def(source));
    }
    eprintln!("{:?} per function", start.elapsed() / 1000);
}
