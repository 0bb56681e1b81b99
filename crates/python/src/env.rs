//! Names and attributes of live objects: the environment that inference asks.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use numlift_diagnostics::Diagnostic;
use numlift_driver::Subject;
use numlift_pyrt::opaque::Opaque;
use numlift_pyrt::select::Request;
use numlift_pyrt::world::{Origin, World};
use numlift_syntax::hir::{ExprId, Function, Name, ParamKind};
use numlift_syntax::{FunctionQuery, parse_function};
use numlift_typeck::{Binding, Env};
use numlift_types::{CodeRef, Known, ObjectRef, Resolved, Scalar, Type};
use pyo3::prelude::*;

pub struct PyEnv<'py> {
    pub py: Python<'py>,
    pub world: RefCell<World>,
    /// By handle.
    hirs: RefCell<Vec<Option<Arc<Function>>>>,
    /// The arguments of the entry, in words.
    pub arguments: RefCell<Vec<String>>,
    /// Types that calls have observed.
    pub assumed: Assumed,
}

/// Types that are assumed.
pub type Assumed = Arc<BTreeMap<Subject, Type>>;

/// The handle of the function that is compiled.
pub const ROOT: CodeRef = CodeRef(0);

impl<'py> PyEnv<'py> {
    /// Of a function, and the arguments it is called with if there is a call.
    pub fn new(function: &Bound<'py, PyAny>, arguments: &[Bound<'py, PyAny>]) -> PyEnv<'py> {
        PyEnv::of(function, arguments, Opaque::default())
    }

    /// Of a function and a request.
    pub fn requested(function: &Bound<'py, PyAny>, request: &Request<'_, 'py>) -> PyEnv<'py> {
        PyEnv::of(function, request.objects(), request.opaque())
    }

    fn of(function: &Bound<'py, PyAny>, arguments: &[Bound<'py, PyAny>], opaque: Opaque) -> PyEnv<'py> {
        PyEnv {
            py: function.py(),
            world: RefCell::new(World::new(function, arguments, opaque)),
            hirs: RefCell::default(),
            arguments: RefCell::default(),
            assumed: Assumed::default(),
        }
    }

    /// The function behind a handle.
    pub fn function(&self, code: CodeRef) -> Bound<'py, PyAny> {
        self.world.borrow().codes[code.0 as usize].bind(self.py)
    }

    fn ask(&self, origin: Origin) -> Resolved {
        self.world.borrow_mut().ask(self.py, origin)
    }

    /// The type of argument number `i`; `None` if native code cannot look into it.
    pub fn argument_type(&self, i: usize) -> Option<Type> {
        self.world.borrow_mut().argument(self.py, i)
    }

    /// An argument's type as the user sees it.
    pub fn describe(&self, o: &Bound<'py, PyAny>, t: &Type) -> String {
        match t {
            Type::Function(_) => format!("function {}", text(o, "__qualname__")),
            Type::Known(k) => match self.known(*k) {
                Known::Builtin(path) | Known::Module(path) | Known::Exception(path) => path,
                Known::C(_) => "C function".into(),
            },
            Type::Object(_) => o.get_type().name().map(|n| n.to_string()).unwrap_or_default(),
            other => other.to_string(),
        }
    }

    /// The object if it is a ufunc on scalars.
    fn known_ufunc(&self, object: ObjectRef) -> Option<Bound<'py, PyAny>> {
        let o = self.world.borrow().objects[object.0 as usize].bind(self.py);
        let class = o.get_type();
        (class.name().is_ok_and(|n| n == "ufunc") && o.getattr("signature").is_ok_and(|s| s.is_none()))
            .then_some(o)
    }

    /// The functions that have been read, by handle.
    pub fn hirs(&self) -> Vec<Option<Arc<Function>>> {
        self.hirs.borrow().clone()
    }

    fn parse(&self, code: CodeRef) -> Result<Function, Diagnostic> {
        let f = self.function(code);
        let unavailable = |m: &str| Diagnostic {
            code: "NL1001",
            message: m.to_owned(),
            help: Some("put the function into a file or a notebook cell".into()),
            file: String::new(),
            line: 0,
            column: 0,
            length: 0,
            source_line: String::new(),
        };
        let lost = |_: PyErr| unavailable("the function's source is not available");
        let co = f.getattr("__code__").map_err(lost)?;
        let file: String = co
            .getattr("co_filename")
            .and_then(|x| x.extract())
            .map_err(lost)?;
        let line: u32 = co
            .getattr("co_firstlineno")
            .and_then(|x| x.extract())
            .map_err(lost)?;
        let name: String = co.getattr("co_name").and_then(|x| x.extract()).map_err(lost)?;
        let vars: Vec<String> = co
            .getattr("co_varnames")
            .and_then(|x| x.extract())
            .map_err(lost)?;
        let count = |n: &str| co.getattr(n).and_then(|x| x.extract::<usize>()).unwrap_or(0);
        let n = count("co_argcount") + count("co_kwonlyargcount");
        let free: Vec<String> = co
            .getattr("co_freevars")
            .and_then(|x| x.extract())
            .map_err(lost)?;
        let lines = self.lines(&f, &file, line).map_err(lost)?;
        let rest: Vec<&str> = lines.iter().map(String::as_str).collect();
        if rest.is_empty() {
            return Err(unavailable("the function's source is not available"));
        }
        let query = FunctionQuery {
            name,
            line,
            arg_names: vars.iter().take(n).cloned().collect(),
            free_names: free,
        };
        let block = numlift_syntax::extract_block(&rest);
        let hir = parse_function(&rest[..block].concat(), &file, line, &query)?;
        let plain = |k: ParamKind| !matches!(k, ParamKind::VarArgs | ParamKind::VarKeywords);
        let params: Vec<&str> = hir
            .params
            .iter()
            .filter(|p| plain(p.kind))
            .map(|p| hir.locals[p.local].name.as_str())
            .collect();
        let same = params.len() == n && params.iter().zip(&vars).all(|(a, b)| a == b);
        let unchanged = self
            .py
            .import("numlift._source")
            .and_then(|m| m.call_method1("unchanged", (&f, rest[..block].concat())))
            .and_then(|b| b.extract::<bool>())
            .map_err(lost)?;
        if hir.name != query.name || !same || !unchanged {
            let mut d = unavailable("the source has changed since the function was made");
            d.code = "NL1005";
            return Err(d);
        }
        Ok(hir)
    }
}

impl<'py> PyEnv<'py> {
    /// The text of a file from the first line of a function on; the rest of a function has a text of its own.
    fn lines(&self, f: &Bound<'py, PyAny>, file: &str, first: u32) -> PyResult<Vec<String>> {
        if let Some(text) = f.getattr_opt("__numlift_text__")? {
            return text.call_method1("splitlines", (true,))?.extract();
        }
        let cache = self.py.import("linecache")?;
        let lines = cache.call_method1("getlines", (file, f.getattr("__globals__")?))?;
        let mut lines: Vec<String> = lines.extract()?;
        lines.drain(..lines.len().min(first.saturating_sub(1) as usize));
        Ok(lines)
    }
}

fn text(o: &Bound<'_, PyAny>, name: &str) -> String {
    o.getattr(name).and_then(|x| x.extract()).unwrap_or_default()
}

/// Whether a type means the same in another environment.
pub fn is_static(t: &Type) -> bool {
    match t {
        Type::Known(_) | Type::Function(_) => false,
        Type::Tuple(items) => items.iter().all(is_static),
        _ => true,
    }
}

/// The place of a variable in the closure of a function.
fn closure_index(f: &Bound<'_, PyAny>, name: &str) -> Option<u32> {
    let names: Vec<String> = f
        .getattr("__code__")
        .ok()?
        .getattr("co_freevars")
        .ok()?
        .extract()
        .ok()?;
    names.iter().position(|n| n == name).map(|i| i as u32)
}

impl Env for PyEnv<'_> {
    fn hir(&self, code: CodeRef) -> Result<Arc<Function>, Diagnostic> {
        let at = code.0 as usize;
        if let Some(Some(h)) = self.hirs.borrow().get(at) {
            return Ok(h.clone());
        }
        let h = Arc::new(self.parse(code)?);
        let mut hirs = self.hirs.borrow_mut();
        let n = hirs.len().max(at + 1);
        hirs.resize(n, None);
        hirs[at] = Some(h.clone());
        Ok(h)
    }

    fn number(&self, code: CodeRef, name: &Name) -> Option<Type> {
        let origin = match name {
            Name::Local(_) => return None,
            Name::Global(n) => Origin::NumberGlobal {
                function: code,
                name: n.clone(),
            },
            Name::Free(n) => Origin::NumberCell {
                function: code,
                index: closure_index(&self.function(code), n)?,
            },
        };
        match self.ask(origin) {
            Resolved::Const(t) => Some(t),
            _ => None,
        }
    }

    fn global(&self, code: CodeRef, name: &str) -> Resolved {
        self.ask(Origin::Global {
            function: code,
            name: name.to_owned(),
        })
    }

    fn free(&self, code: CodeRef, name: &str) -> Resolved {
        match closure_index(&self.function(code), name) {
            Some(index) => self.ask(Origin::Cell {
                function: code,
                index,
            }),
            None => Resolved::Missing,
        }
    }

    fn attr(&self, object: ObjectRef, name: &str) -> Resolved {
        self.ask(Origin::Attribute {
            module: object,
            name: name.to_owned(),
        })
    }

    fn module(&self, path: &str) -> Resolved {
        self.ask(Origin::Loaded(path.to_owned()))
    }

    fn known(&self, object: ObjectRef) -> Known {
        self.world.borrow().known[object.0 as usize].clone()
    }

    fn default(&self, code: CodeRef, param: usize) -> Resolved {
        let Ok(hir) = self.hir(code) else {
            return Resolved::Missing;
        };
        let p = &hir.params[param];
        if p.kind == ParamKind::KeywordOnly {
            return self.ask(Origin::KeywordDefault {
                function: code,
                name: hir.locals[p.local].name.clone(),
            });
        }
        let positional = |k: ParamKind| matches!(k, ParamKind::Positional | ParamKind::PositionalOnly);
        let mut with =
            (0..hir.params.len()).filter(|&i| positional(hir.params[i].kind) && hir.params[i].has_default);
        match with.position(|i| i == param) {
            Some(index) => self.ask(Origin::Default {
                function: code,
                index: index as u32,
            }),
            None => Resolved::Missing,
        }
    }

    fn ufunc_inputs(&self, object: ObjectRef) -> Option<usize> {
        let o = self.known_ufunc(object)?;
        o.getattr("nin").and_then(|n| n.extract()).ok()
    }

    fn ufunc_loop(&self, object: ObjectRef, operands: &[Scalar]) -> Option<String> {
        crate::ufunc::resolve(&self.known_ufunc(object)?, operands)
    }

    fn legacy_gauss(&self) -> bool {
        matches!(numlift_pyrt::random::gauss(self.py), Ok(Some(_)))
    }

    fn object(&self, path: &str) -> Option<ObjectRef> {
        let (module, name) = path.rsplit_once('.')?;
        let origin = Origin::Imported {
            module: module.to_owned(),
            name: name.to_owned(),
        };
        match self.ask(origin) {
            Resolved::Const(Type::Known(r)) => Some(r),
            _ => None,
        }
    }

    fn argument(&self, i: usize) -> Option<String> {
        self.arguments.borrow().get(i).cloned()
    }

    fn annotation(&self, code: CodeRef, text: &str) -> Option<Type> {
        let origin = Origin::Annotation {
            function: code,
            text: text.to_owned(),
        };
        match self.ask(origin) {
            Resolved::Const(t) => Some(t),
            _ => None,
        }
    }

    fn observed(&self, binding: Binding) -> Option<Type> {
        self.assumed.get(&Subject::Variable(binding)).cloned()
    }

    fn observed_read(&self, read: ExprId) -> Option<Type> {
        self.assumed.get(&Subject::Read(read)).cloned()
    }

    fn optimized(&self) -> bool {
        let flags = self
            .py
            .import("sys")
            .and_then(|m| m.getattr("flags"))
            .and_then(|f| f.getattr("optimize"));
        flags.and_then(|o| o.extract::<i32>()).unwrap_or(0) > 0
    }
}
