//! Names and attributes of live objects: the environment that inference asks.

use std::cell::RefCell;
use std::sync::Arc;

use numlift_diagnostics::Diagnostic;
use numlift_pyrt::key::{is_keyed_by_parts, is_opaque};
use numlift_pyrt::reference::Ref;
use numlift_pyrt::source::{Guard, Source, module_dict};
use numlift_pyrt::{numpy, object, value};
use numlift_syntax::hir::{Function, Name, ParamKind};
use numlift_syntax::{FunctionQuery, parse_function};
use numlift_typeck::{Env, Known, Resolved};
use numlift_types::{CodeRef, DType, ObjectRef, Scalar, Type};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFunction, PyInt, PyModule, PyString, PyTuple, PyType};

/// What one compilation asked for: kept by the specialisation.
#[derive(Default)]
pub struct Answers {
    pub objects: Vec<Ref>,
    pub known: Vec<Known>,
    pub codes: Vec<Ref>,
    /// Number of the argument that a code is of, where its closure is the argument's.
    argument_codes: std::collections::HashMap<u32, usize>,
    pub hirs: Vec<Option<Arc<Function>>>,
    pub guards: Vec<Guard>,
    /// Values read at call time.
    pub hidden: Vec<(Source, Type)>,
    pub hidden_slots: u32,
    keys: std::collections::HashMap<(usize, String), Resolved>,
}

pub struct PyEnv<'py> {
    pub py: Python<'py>,
    pub answers: RefCell<Answers>,
    /// The arguments of the entry, in words.
    pub arguments: RefCell<Vec<String>>,
}

impl<'py> PyEnv<'py> {
    pub fn new(py: Python<'py>) -> PyEnv<'py> {
        PyEnv {
            py,
            answers: RefCell::default(),
            arguments: RefCell::default(),
        }
    }

    /// The handle of a function; its code object is guarded.
    pub fn code(&self, f: &Bound<'py, PyAny>) -> CodeRef {
        let mut a = self.answers.borrow_mut();
        let same = |(i, c): (usize, &Ref)| {
            let i = i as u32;
            (c.as_ptr() == f.as_ptr() && !a.argument_codes.contains_key(&i)).then_some(CodeRef(i))
        };
        if let Some(code) = a.codes.iter().enumerate().find_map(same) {
            return code;
        }
        a.codes.push(Ref::from(f));
        a.hirs.push(None);
        a.guards.push(Guard {
            source: Source::Code(Ref::from(f)),
            expected: f.getattr("__code__").ok().map(|c| Ref::from(&c)),
        });
        CodeRef(a.codes.len() as u32 - 1)
    }

    /// The function behind a handle.
    pub fn function(&self, code: CodeRef) -> Bound<'py, PyAny> {
        self.answers.borrow().codes[code.0 as usize].bind(self.py)
    }

    fn known_object(&self, o: &Bound<'py, PyAny>, k: Known) -> Resolved {
        let mut a = self.answers.borrow_mut();
        let at = a
            .objects
            .iter()
            .position(|x| x.as_ptr() == o.as_ptr())
            .unwrap_or_else(|| {
                a.objects.push(Ref::from(o));
                a.known.push(k);
                a.objects.len() - 1
            });
        Resolved::Const(Type::Known(ObjectRef(at as u32)))
    }

    /// What is at a place, with a guard or as a hidden argument.
    fn resolve(&self, owner: usize, name: &str, source: impl Fn() -> Source) -> Resolved {
        let key = (owner, name.to_owned());
        if let Some(r) = self.answers.borrow().keys.get(&key) {
            return r.clone();
        }
        let r = self.resolve_new(source());
        self.answers.borrow_mut().keys.insert(key, r.clone());
        r
    }

    /// A closure variable of an argument: the key of the call says what it is, so nothing is guarded.
    fn argument_cell(&self, argument: usize, cell: usize, now: &Source) -> Resolved {
        let key = (usize::MAX - argument, format!("{cell}"));
        if let Some(r) = self.answers.borrow().keys.get(&key) {
            return r.clone();
        }
        let Some(o) = now.fetch(self.py) else {
            return Resolved::Missing;
        };
        // SAFETY: a live object, and the GIL is held.
        let found = unsafe { value::type_of(o.as_ptr()) };
        let r = match found.filter(|t| *t != Type::None) {
            Some(ty) => self.add_hidden(Source::ArgumentCell { argument, cell }, ty),
            None => self.classify(&o),
        };
        self.answers.borrow_mut().keys.insert(key, r.clone());
        r
    }

    fn add_hidden(&self, source: Source, ty: Type) -> Resolved {
        let mut a = self.answers.borrow_mut();
        let index = a.hidden_slots;
        a.hidden_slots += value::slots(&ty) as u32;
        a.hidden.push((source, ty.clone()));
        Resolved::Hidden { index, ty }
    }

    fn resolve_new(&self, source: Source) -> Resolved {
        let Some(o) = source.fetch(self.py) else {
            self.answers.borrow_mut().guards.push(Guard {
                source,
                expected: None,
            });
            return Resolved::Missing;
        };
        // SAFETY: a live object, and the GIL is held.
        let found = unsafe { value::type_of(o.as_ptr()) };
        if let Some(ty) = found.filter(|t| *t != Type::None) {
            return self.add_hidden(source, ty);
        }
        let r = self.classify(&o);
        self.answers.borrow_mut().guards.push(Guard {
            source,
            expected: Some(Ref::from(&o)),
        });
        r
    }

    /// The type of argument number `i`; `None` if native code cannot look into it.
    pub fn argument_type(&self, i: usize, o: &Bound<'py, PyAny>) -> Option<Type> {
        if o.is_exact_instance_of::<PyInt>() {
            return Some(Type::INT);
        }
        if is_opaque(o) {
            return None;
        }
        if !is_keyed_by_parts(o) {
            return self.value_or_constant(o);
        }
        let mut a = self.answers.borrow_mut();
        let code = a.codes.len() as u32;
        a.codes.push(Ref::from(o));
        a.hirs.push(None);
        a.argument_codes.insert(code, i);
        Some(Type::Function(CodeRef(code)))
    }

    /// The type of a value, or the constant it is.
    fn value_or_constant(&self, o: &Bound<'py, PyAny>) -> Option<Type> {
        if let Ok(items) = o.cast_exact::<PyTuple>() {
            let types: Option<Vec<Type>> = items.iter().map(|i| self.value_or_constant(&i)).collect();
            return types.map(Type::tuple);
        }
        // SAFETY: a live object, and the GIL is held.
        if let Some(t) = unsafe { value::type_of(o.as_ptr()) } {
            return Some(t);
        }
        match self.classify(o) {
            Resolved::Const(t) => Some(t),
            _ => None,
        }
    }

    /// Whether a type means the same in another environment.
    pub fn is_static(&self, t: &Type) -> bool {
        match t {
            Type::Known(_) | Type::Function(_) => false,
            Type::Tuple(items) => items.iter().all(|t| self.is_static(t)),
            _ => true,
        }
    }

    /// An argument's type as the user sees it.
    pub fn describe(&self, o: &Bound<'py, PyAny>, t: &Type) -> String {
        match t {
            Type::Function(_) => format!("function {}", text(o, "__qualname__")),
            Type::Known(k) => match self.known(*k) {
                Known::Builtin(path) | Known::Module(path) | Known::Exception(path) => path,
            },
            Type::Object(_) => o.get_type().name().map(|n| n.to_string()).unwrap_or_default(),
            other => other.to_string(),
        }
    }

    /// The object if it is a ufunc on scalars.
    fn known_ufunc(&self, object: ObjectRef) -> Option<Bound<'py, PyAny>> {
        let o = self.answers.borrow().objects[object.0 as usize].bind(self.py);
        let class = o.get_type();
        (class.name().is_ok_and(|n| n == "ufunc") && o.getattr("signature").is_ok_and(|s| s.is_none()))
            .then_some(o)
    }

    fn classify(&self, o: &Bound<'py, PyAny>) -> Resolved {
        if o.is_none() {
            return Resolved::Const(Type::None);
        }
        if let Ok(s) = o.cast_exact::<PyString>() {
            return match s.to_str() {
                Ok(s) => Resolved::Const(Type::Str(s.into())),
                Err(_) => Resolved::Opaque("str".into()),
            };
        }
        if let Ok(m) = o.cast::<PyModule>() {
            let name = m.name().map(|n| n.to_string()).unwrap_or_default();
            return self.known_object(o, Known::Module(name));
        }
        if let Ok(t) = o.cast::<PyType>() {
            return self.class(o, t);
        }
        if let Ok(jitted) = object::body(o) {
            return Resolved::Const(Type::Function(self.code(&jitted.function.bind(self.py))));
        }
        let module = text(o, "__module__");
        let name = text(o, "__name__");
        if o.is_instance_of::<PyFunction>() && !module.starts_with("numpy") && module != "numlift" {
            return Resolved::Const(Type::Function(self.code(o)));
        }
        let class = o.get_type().name().map(|n| n.to_string()).unwrap_or_default();
        if class == "ufunc" {
            return self.known_object(o, Known::Builtin(format!("numpy.{name}")));
        }
        let native = |o: &Bound<'_, PyAny>| {
            o.getattr("isnative")
                .is_ok_and(|n| n.is_truthy().unwrap_or(false))
        };
        if let Some(d) = (class.ends_with("DType") && native(o))
            .then(|| text(o, "name"))
            .filter(|_| o.getattr("isnative").and_then(|x| x.extract()).unwrap_or(false))
            .and_then(|n| DType::from_name(&n))
        {
            return Resolved::Const(Type::DType(d));
        }
        if class == "ScalarType"
            && module == "numlift.types"
            && let Some(d) = DType::from_name(&text(o, "name"))
        {
            return Resolved::Const(Type::DType(d));
        }
        if class.starts_with("builtin_function_or_method")
            || class.ends_with("cyfunction")
            || module.starts_with("numpy")
        {
            if let Ok(owner) = o.getattr("__self__")
                && owner.get_type().name().is_ok_and(|n| n == "RandomState")
            {
                let global = self
                    .py
                    .import("numpy.random")
                    .and_then(|m| m.getattr("mtrand"))
                    .and_then(|m| m.getattr("_rand"));
                if global.is_ok_and(|g| g.is(&owner)) {
                    return self.known_object(o, Known::Builtin(format!("numpy.random.{name}")));
                }
                return Resolved::Opaque("RandomState method".into());
            }
            return self.known_object(o, Known::Builtin(format!("{module}.{name}")));
        }
        Resolved::Opaque(class)
    }

    fn class(&self, o: &Bound<'py, PyAny>, t: &Bound<'py, PyType>) -> Resolved {
        let api = numpy::api();
        if let Some(d) = DType::ALL
            .into_iter()
            .find(|d| std::ptr::eq(api.scalar_types[*d as usize].cast(), t.as_ptr()))
        {
            return Resolved::Const(Type::DType(d));
        }
        let name = t.name().map(|n| n.to_string()).unwrap_or_default();
        let module = text(o, "__module__");
        if module == "numlift" && name == "prange" {
            return self.known_object(o, Known::Builtin("numlift.prange".into()));
        }
        if module == "numpy" && (name == "finfo" || name == "iinfo") {
            return self.known_object(o, Known::Builtin(format!("numpy.{name}")));
        }
        if module == "builtins" {
            if t.is_subclass_of::<pyo3::exceptions::PyBaseException>()
                .unwrap_or(false)
            {
                return self.known_object(o, Known::Exception(name));
            }
            return self.known_object(o, Known::Builtin(format!("builtins.{name}")));
        }
        if module == "numpy" {
            return self.known_object(o, Known::Builtin(format!("numpy.{name}")));
        }
        Resolved::Opaque(format!("type ({name})"))
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
        let lines: Vec<String> = self
            .py
            .import("linecache")
            .and_then(|m| m.call_method1("getlines", (&file, f.getattr("__globals__")?)))
            .and_then(|l| l.extract())
            .map_err(lost)?;
        let rest: Vec<&str> = lines
            .iter()
            .skip(line.saturating_sub(1) as usize)
            .map(String::as_str)
            .collect();
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

fn text(o: &Bound<'_, PyAny>, name: &str) -> String {
    o.getattr(name).and_then(|x| x.extract()).unwrap_or_default()
}

/// The closure cell of a variable, and its number.
fn closure_cell<'py>(f: &Bound<'py, PyAny>, name: &str) -> Option<(usize, Bound<'py, PyAny>)> {
    let names: Vec<String> = f
        .getattr("__code__")
        .ok()?
        .getattr("co_freevars")
        .ok()?
        .extract()
        .ok()?;
    let i = names.iter().position(|n| n == name)?;
    let cells = f.getattr("__closure__").ok()?.cast_into::<PyTuple>().ok()?;
    Some((i, cells.get_item(i).ok()?))
}

impl Env for PyEnv<'_> {
    fn hir(&self, code: CodeRef) -> Result<Arc<Function>, Diagnostic> {
        if let Some(h) = &self.answers.borrow().hirs[code.0 as usize] {
            return Ok(h.clone());
        }
        let h = Arc::new(self.parse(code)?);
        self.answers.borrow_mut().hirs[code.0 as usize] = Some(h.clone());
        Ok(h)
    }

    fn number(&self, code: CodeRef, name: &Name) -> Option<Type> {
        let f = self.function(code);
        let value = match name {
            Name::Local(_) => return None,
            Name::Global(n) => f.getattr("__globals__").ok()?.get_item(n).ok()?,
            Name::Free(n) => closure_cell(&f, n)?.1.getattr("cell_contents").ok()?,
        };
        // SAFETY: a live object, and the GIL is held.
        unsafe { value::type_of(value.as_ptr()) }.filter(|t| matches!(t, Type::Scalar(_)))
    }

    fn global(&self, code: CodeRef, name: &str) -> Resolved {
        let f = self.function(code);
        let dict = |n: &str| f.getattr(n).ok().and_then(|d| d.cast_into::<PyDict>().ok());
        let (Some(globals), Some(builtins)) = (dict("__globals__"), dict("__builtins__")) else {
            return Resolved::Missing;
        };
        self.resolve(globals.as_ptr() as usize, name, || Source::Global {
            globals: Ref::from(&globals),
            builtins: Ref::from(&builtins),
            name: Ref::from(&PyString::intern(self.py, name)),
        })
    }

    fn free(&self, code: CodeRef, name: &str) -> Resolved {
        let f = self.function(code);
        let Some((i, cell)) = closure_cell(&f, name) else {
            return Resolved::Missing;
        };
        let argument = self.answers.borrow().argument_codes.get(&code.0).copied();
        match argument {
            Some(argument) => self.argument_cell(argument, i, &Source::Cell(Ref::from(&cell))),
            None => self.resolve(cell.as_ptr() as usize, "", || Source::Cell(Ref::from(&cell))),
        }
    }

    fn attr(&self, object: ObjectRef, name: &str) -> Resolved {
        let o = self.answers.borrow().objects[object.0 as usize].bind(self.py);
        let Some(dict) = module_dict(&o) else {
            return Resolved::Opaque(format!("attribute {name}"));
        };
        if !dict.bind(self.py).contains(name).unwrap_or(false) {
            // modules with lazy attributes: load it once, then it is in the dict
            let _ = o.getattr(name);
        }
        self.resolve(dict.as_ptr() as usize, name, || Source::Module {
            dict: Ref::from(&dict.bind(self.py)),
            name: Ref::from(&PyString::intern(self.py, name)),
        })
    }

    fn module(&self, path: &str) -> Resolved {
        let loaded = || -> PyResult<Option<Bound<'_, PyAny>>> {
            self.py
                .import("sys")?
                .getattr("modules")?
                .cast_into::<PyDict>()?
                .get_item(path)
        };
        match loaded() {
            Ok(Some(m)) if m.is_instance_of::<PyModule>() => self.classify(&m),
            _ => Resolved::NotLoaded,
        }
    }

    fn known(&self, object: ObjectRef) -> Known {
        self.answers.borrow().known[object.0 as usize].clone()
    }

    fn default(&self, code: CodeRef, param: usize) -> Resolved {
        let f = self.function(code);
        let Ok(hir) = self.hir(code) else {
            return Resolved::Missing;
        };
        let p = &hir.params[param];
        if p.kind == ParamKind::KeywordOnly {
            let name = hir.locals[p.local].name.clone();
            return self.resolve(f.as_ptr() as usize, &name, || Source::KeywordDefault {
                function: Ref::from(&f),
                name: Ref::from(&PyString::intern(self.py, &name)),
            });
        }
        let positional = |k: ParamKind| matches!(k, ParamKind::Positional | ParamKind::PositionalOnly);
        let with: Vec<usize> = (0..hir.params.len())
            .filter(|&i| positional(hir.params[i].kind) && hir.params[i].has_default)
            .collect();
        let Some(index) = with.iter().position(|&i| i == param) else {
            return Resolved::Missing;
        };
        self.resolve(f.as_ptr() as usize, &format!("{index}"), || Source::Default {
            function: Ref::from(&f),
            index,
        })
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
        let o = self.py.import(module).ok()?.getattr(name).ok()?;
        let known = match self.classify(&o) {
            Resolved::Const(Type::Known(r)) => return Some(r),
            _ => self.known_object(&o, Known::Builtin(path.to_owned())),
        };
        match known {
            Resolved::Const(Type::Known(r)) => Some(r),
            _ => None,
        }
    }

    fn argument(&self, i: usize) -> Option<String> {
        self.arguments.borrow().get(i).cloned()
    }

    fn annotation(&self, code: CodeRef, text: &str) -> Option<Type> {
        let module = self.py.import("numlift._islands").ok()?;
        let found = module
            .call_method1("annotation", (self.function(code), text))
            .ok()?;
        let name: String = found.extract().ok()?;
        match name.as_str() {
            "bool" => Some(Type::BOOL),
            "int" => Some(Type::INT),
            "float" => Some(Type::FLOAT),
            "complex" => Some(Type::COMPLEX),
            other => numlift_types::signature::parse_type(other).ok(),
        }
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
