//! Names from a table instead of a Python process: functions of one source, builtins and `math`.

use std::cell::RefCell;
use std::sync::Arc;

use numlift_diagnostics::Diagnostic;
use numlift_syntax::hir::Function;
use numlift_syntax::{FunctionQuery, parse_function};
use numlift_typeck::{Env, Known, Resolved};
use numlift_types::{CodeRef, ObjectRef, Scalar, Type};

/// Functions by index; builtins, `math` and nothing else.
pub struct TableEnv {
    functions: Vec<(String, Arc<Function>)>,
    objects: RefCell<Vec<Known>>,
}

impl TableEnv {
    /// The functions defined at the top level of `source`, and the one named `root`.
    ///
    /// # Errors
    /// If a function is not understood or there is none of that name.
    pub fn of_module(source: &str, root: &str) -> Result<(TableEnv, CodeRef), String> {
        let mut functions = vec![];
        for (i, line) in source.lines().enumerate() {
            let Some(rest) = line.strip_prefix("def ") else {
                continue;
            };
            let name = rest.split('(').next().unwrap_or_default().to_owned();
            let query = FunctionQuery {
                name: name.clone(),
                line: i as u32 + 1,
                ..FunctionQuery::default()
            };
            let f = parse_function(source, "test.py", 1, &query).map_err(|d| d.message)?;
            functions.push((name, Arc::new(f)));
        }
        let root = functions.iter().position(|(n, _)| n == root);
        let root = root.ok_or("the function to lower is not in the file")?;
        let env = TableEnv {
            functions,
            objects: RefCell::default(),
        };
        Ok((env, CodeRef(root as u32)))
    }

    fn known(&self, k: Known) -> Resolved {
        let mut objects = self.objects.borrow_mut();
        let at = objects.iter().position(|o| *o == k).unwrap_or_else(|| {
            objects.push(k);
            objects.len() - 1
        });
        Resolved::Const(Type::Known(ObjectRef(at as u32)))
    }
}

impl Env for TableEnv {
    fn hir(&self, code: CodeRef) -> Result<Arc<Function>, Diagnostic> {
        Ok(self.functions[code.0 as usize].1.clone())
    }
    fn global(&self, _: CodeRef, name: &str) -> Resolved {
        if let Some(i) = self.functions.iter().position(|(n, _)| n == name) {
            return Resolved::Const(Type::Function(CodeRef(i as u32)));
        }
        if name == "math" {
            return self.known(Known::Module("math".into()));
        }
        if name.ends_with("Error") {
            return self.known(Known::Exception(name.into()));
        }
        self.known(Known::Builtin(format!("builtins.{name}")))
    }
    fn free(&self, _: CodeRef, _: &str) -> Resolved {
        Resolved::Missing
    }
    fn attr(&self, object: ObjectRef, name: &str) -> Resolved {
        let path = match &self.objects.borrow()[object.0 as usize] {
            Known::Module(m) => format!("{m}.{name}"),
            _ => return Resolved::Missing,
        };
        self.known(Known::Builtin(path))
    }
    fn module(&self, path: &str) -> Resolved {
        self.known(Known::Module(path.into()))
    }
    fn known(&self, object: ObjectRef) -> Known {
        self.objects.borrow()[object.0 as usize].clone()
    }
    fn default(&self, _: CodeRef, _: usize) -> Resolved {
        Resolved::Missing
    }
    fn ufunc_inputs(&self, _: ObjectRef) -> Option<usize> {
        None
    }
    fn ufunc_loop(&self, _: ObjectRef, _: &[Scalar]) -> Option<String> {
        None
    }
    fn object(&self, _: &str) -> Option<ObjectRef> {
        None
    }
    fn optimized(&self) -> bool {
        false
    }
}
