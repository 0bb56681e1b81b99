//! Inference: instances of functions, recursion to a fixpoint.

mod call;
mod expr;
mod index;
mod library;
mod stmt;

use std::collections::HashMap;
use std::sync::Arc;

use numlift_diagnostics::{Diagnostic, Span};
use numlift_syntax::hir::{Function, LocalId};
use numlift_types::{CodeRef, Type};

use crate::env::Env;
use crate::tables::{Bound, Instance, InstanceId, Program, Tables, VarTy};

pub use library::boxed_result;

pub(crate) type R<T> = Result<T, Box<Diagnostic>>;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    code: CodeRef,
    path: Vec<u32>,
    args: Vec<Type>,
    captures: Vec<(String, Type)>,
}

/// Infers `root` for the argument types, and everything it calls.
///
/// # Errors
/// A diagnostic at the first expression without a static type.
pub fn infer(env: &dyn Env, root: CodeRef, args: &[Type]) -> R<Program> {
    let mut cx = Context {
        env,
        program: Program::default(),
        keys: HashMap::new(),
        open: Vec::new(),
        depth: 0,
    };
    let hir = env.hir(root).map_err(Box::new)?;
    let key = Key {
        code: root,
        path: vec![],
        args: args.to_vec(),
        captures: vec![],
    };
    let id = cx.instance(key, hir)?;
    cx.program.root = Some(id);
    cx.propagate();
    Ok(cx.program)
}

struct Context<'e> {
    env: &'e dyn Env,
    program: Program,
    keys: HashMap<Key, InstanceId>,
    /// Instances being inferred, and whether their result was asked for meanwhile.
    open: Vec<(InstanceId, bool)>,
    depth: u32,
}

/// Deeper chains of different instances are not compiled.
const MAX_DEPTH: u32 = 60;

impl Context<'_> {
    /// The instance for a key, inferred now if it is new. An open one answers with what is known so far.
    fn instance(&mut self, key: Key, hir: Arc<Function>) -> R<InstanceId> {
        if let Some(&id) = self.keys.get(&key) {
            if let Some(pos) = self.open.iter().position(|(o, _)| *o == id) {
                self.open[pos].1 = true;
                for (o, _) in &self.open[pos..] {
                    self.program.instances[o.0].recursive = true;
                }
            }
            return Ok(id);
        }
        if hir.is_generator {
            let what = "generators and coroutines run in the interpreter";
            return Err(whole(&hir, "NL1003", what.into(), None));
        }
        if self.depth >= MAX_DEPTH {
            return Err(whole(
                &hir,
                "NL2004",
                "calls nest too deep to compile".into(),
                None,
            ));
        }
        self.depth += 1;
        let id = InstanceId(self.program.instances.len());
        self.program.instances.push(Instance {
            code: key.code,
            path: key.path.clone(),
            args: key.args.clone(),
            hir: hir.clone(),
            tables: Tables {
                captures: key.captures.clone(),
                ..Tables::default()
            },
            ret: Type::Never,
            effects: false,
            callees: vec![],
            recursive: false,
            uses_rng: false,
        });
        self.keys.insert(key, id);
        let result = self.fixpoint(id, &hir);
        self.depth -= 1;
        result.map(|()| id)
    }

    /// Infers the body until the result type that recursive calls assumed is the one found.
    fn fixpoint(&mut self, id: InstanceId, hir: &Arc<Function>) -> R<()> {
        for _ in 0..12 {
            self.open.push((id, false));
            let before = self.program.instances[id.0].ret.clone();
            let count = self.program.instances.len();
            let result = FnInfer::new(self, id, hir.clone()).run();
            let used = self.open.pop().is_some_and(|(_, used)| used);
            let ret = result?.join(&before);
            let stable = ret == before;
            self.program.instances[id.0].ret = ret;
            if !used || stable {
                return Ok(());
            }
            // Instances found on the way assumed the old result.
            self.keys.retain(|_, v| v.0 < count);
            self.program.instances.truncate(count);
        }
        Err(whole(
            hir,
            "NL2001",
            "the result type of this recursive function does not settle".into(),
            None,
        ))
    }

    /// Effects and generator use reach callers.
    fn propagate(&mut self) {
        loop {
            let mut changed = false;
            for i in 0..self.program.instances.len() {
                let (mut effects, mut rng) = (
                    self.program.instances[i].effects,
                    self.program.instances[i].uses_rng,
                );
                for c in self.program.instances[i].callees.clone() {
                    effects |= self.program.instances[c.0].effects;
                    rng |= self.program.instances[c.0].uses_rng;
                }
                let inst = &mut self.program.instances[i];
                changed |= effects != inst.effects || rng != inst.uses_rng;
                inst.effects = effects;
                inst.uses_rng = rng;
            }
            if !changed {
                return;
            }
        }
    }
}

fn whole(hir: &Function, code: &'static str, message: String, help: Option<String>) -> Box<Diagnostic> {
    Box::new(diagnostic(
        hir,
        code,
        message,
        help,
        hir.first_line,
        Span::default(),
    ))
}

fn diagnostic(
    hir: &Function,
    code: &'static str,
    message: String,
    help: Option<String>,
    line: u32,
    span: Span,
) -> Diagnostic {
    Diagnostic {
        code,
        message,
        help,
        file: hir.file.clone(),
        line,
        column: 0,
        length: span.end.saturating_sub(span.start),
        source_line: String::new(),
    }
}

/// Variables at a point, or `None` where control does not come.
type Vars = Option<Vec<VarTy>>;

fn join_vars(a: Vars, b: Vars) -> Vars {
    match (a, b) {
        (None, x) | (x, None) => x,
        (Some(a), Some(b)) => Some(
            a.into_iter()
                .zip(b)
                .map(|(x, y)| VarTy {
                    ty: x.ty.join(&y.ty),
                    bound: x.bound.join(y.bound),
                })
                .collect(),
        ),
    }
}

/// State of one loop being inferred.
#[derive(Default)]
struct LoopCx {
    breaks: Vars,
    continues: Vars,
}

/// Inference of one instance's body.
struct FnInfer<'c, 'e> {
    cx: &'c mut Context<'e>,
    id: InstanceId,
    code: CodeRef,
    hir: Arc<Function>,
    tables: Tables,
    vars: Vars,
    loops: Vec<LoopCx>,
    ret: Type,
    effects: bool,
    uses_rng: bool,
    callees: Vec<InstanceId>,
}

impl<'c, 'e> FnInfer<'c, 'e> {
    fn new(cx: &'c mut Context<'e>, id: InstanceId, hir: Arc<Function>) -> Self {
        let inst = &cx.program.instances[id.0];
        let (code, captures) = (inst.code, inst.tables.captures.clone());
        let mut vars = vec![
            VarTy {
                ty: Type::Never,
                bound: Bound::No
            };
            hir.locals.len()
        ];
        for (p, t) in hir.params.iter().zip(&inst.args) {
            vars[index(p.local)] = VarTy {
                ty: t.clone(),
                bound: Bound::Yes,
            };
        }
        FnInfer {
            cx,
            id,
            code,
            hir,
            tables: Tables {
                captures,
                ..Tables::default()
            },
            vars: Some(vars),
            loops: vec![],
            ret: Type::Never,
            effects: false,
            uses_rng: false,
            callees: vec![],
        }
    }

    fn run(mut self) -> R<Type> {
        use numlift_syntax::hir::ParamKind;
        if self
            .hir
            .params
            .iter()
            .any(|p| matches!(p.kind, ParamKind::VarArgs | ParamKind::VarKeywords))
        {
            let m = "functions with *args or **kwargs are not compiled";
            return Err(whole(&self.hir, "NL1004", m.into(), None));
        }
        if let Some(n) = self.hir.writes_outer.first() {
            let m = format!("`{n}` of an outer scope is assigned");
            return Err(whole(
                &self.hir,
                "NL2010",
                m,
                Some("return the value instead".into()),
            ));
        }
        let body = self.hir.clone();
        self.block(&body.body)?;
        if self.vars.is_some() {
            self.ret = self.ret.join(&Type::None);
        }
        if let Type::Object(code) = self.ret {
            return Err(whole(
                &self.hir,
                code,
                "the function's results have no common static type".into(),
                None,
            ));
        }
        let inst = &mut self.cx.program.instances[self.id.0];
        inst.tables = self.tables;
        inst.effects = self.effects;
        inst.uses_rng = self.uses_rng;
        inst.callees = self.callees;
        Ok(self.ret)
    }

    fn error<T>(&self, span: Span, line: u32, code: &'static str, message: impl Into<String>) -> R<T> {
        Err(Box::new(diagnostic(
            &self.hir,
            code,
            message.into(),
            None,
            line,
            span,
        )))
    }

    fn var(&self, l: LocalId) -> Option<&VarTy> {
        self.vars.as_ref().map(|v| &v[index(l)])
    }

    fn set(&mut self, l: LocalId, ty: Type) {
        if let Some(v) = &mut self.vars {
            v[index(l)] = VarTy {
                ty,
                bound: Bound::Yes,
            };
        }
    }
}

fn index(l: LocalId) -> usize {
    use cranelift_entity::EntityRef;
    l.index()
}
