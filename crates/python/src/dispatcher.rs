//! The callable that `@jit` makes: finds the specialisation for the arguments, compiles on a miss.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use numlift_diagnostics::{Diagnostic, render};
use numlift_driver::{Artifact, Options, Refusal, compile};
use numlift_pyrt::value;
use numlift_types::Type;
use pyo3::exceptions::PyKeyError;
use pyo3::ffi::PyObject;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::env::PyEnv;
use crate::run::Specialization;
use crate::source::Guard;

/// More specialisations than this and new argument types run in the interpreter.
const MAX_SPECIALIZATIONS: usize = 64;

static INTERNAL_FATAL: AtomicBool = AtomicBool::new(false);

/// Internal errors of the compiler raise instead of falling back to the interpreter.
#[pyfunction]
pub fn set_internal_errors_fatal(on: bool) {
    INTERNAL_FATAL.store(on, Ordering::Relaxed);
}

enum Tier {
    Native(Box<Specialization>),
    Interpreter {
        refusal: Box<Refusal>,
        guards: Vec<Guard>,
    },
}

struct Entry {
    args: Vec<Type>,
    tier: Tier,
}

struct Param {
    name: String,
    default: Option<Py<PyAny>>,
    keyword_only: bool,
    positional_only: bool,
}

/// `Dispatcher(function, options, binder)`: see `numlift.jit`.
#[pyclass(subclass, module = "numlift._core")]
pub struct Dispatcher {
    function: Py<PyAny>,
    params: Option<Vec<Param>>,
    options: Options,
    strict: bool,
    entries: Mutex<Vec<Arc<Entry>>>,
    warned: AtomicBool,
}

/// Argument types, result type, tier, diagnostic, exits.
type Row = (Vec<String>, Option<String>, &'static str, Option<String>, u64);
/// Code, message, file, line, column, length, help of a dynamic place.
type PlaceRow = (&'static str, String, String, u32, u32, u32, Option<String>);
/// Argument types, microseconds by stage.
type Times = (Vec<String>, Vec<(&'static str, f64)>);

/// What a call runs.
enum Found<'py> {
    Native(Arc<Entry>, Vec<Bound<'py, PyAny>>),
    Interpreter,
}

impl Dispatcher {
    fn entries(&self) -> MutexGuard<'_, Vec<Arc<Entry>>> {
        self.entries
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The parameters' objects in order, `None` if the call does not match the signature.
    fn bind<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> Option<Vec<Bound<'py, PyAny>>> {
        let params = self.params.as_ref()?;
        let n = args.len();
        let mut used = 0;
        let mut out = Vec::with_capacity(params.len());
        for (i, p) in params.iter().enumerate() {
            if i < n {
                if p.keyword_only {
                    return None;
                }
                out.push(args.get_item(i).ok()?);
                continue;
            }
            let given = match kwargs {
                Some(k) if !p.positional_only => k.get_item(&p.name).ok()?,
                _ => None,
            };
            match (given, &p.default) {
                (Some(o), _) => {
                    used += 1;
                    out.push(o);
                }
                (None, Some(d)) => out.push(d.bind(py).clone()),
                (None, None) => return None,
            }
        }
        (n <= params.len() && used == kwargs.map_or(0, PyDictMethods::len)).then_some(out)
    }

    fn find<'py>(&self, py: Python<'py>, types: &[Type]) -> Option<Found<'py>> {
        let entries: Vec<Arc<Entry>> = self
            .entries()
            .iter()
            .filter(|e| e.args == types)
            .cloned()
            .collect();
        for e in entries.into_iter().rev() {
            match &e.tier {
                Tier::Native(s) => {
                    if let Some(hidden) = s.current(py) {
                        return Some(Found::Native(e, hidden));
                    }
                }
                Tier::Interpreter { guards, .. } => {
                    if guards.iter().all(|g| g.holds(py)) {
                        return Some(Found::Interpreter);
                    }
                }
            }
        }
        None
    }

    fn select<'py>(&self, py: Python<'py>, types: &[Type]) -> PyResult<Found<'py>> {
        if let Some(f) = self.find(py, types) {
            return Ok(f);
        }
        if self.entries().len() >= MAX_SPECIALIZATIONS {
            let d = self.diagnostic(
                py,
                "NL2014",
                format!("more than {MAX_SPECIALIZATIONS} specialisations: other argument types run in the interpreter"),
            );
            self.report(py, &d)?;
            return Ok(Found::Interpreter);
        }
        let entry = self.compile(py, types)?;
        // Another thread may have compiled the same meanwhile: all callers take the first.
        if let Some(f) = self.find(py, types) {
            return Ok(f);
        }
        self.entries().push(Arc::new(entry));
        self.find(py, types).map_or(Ok(Found::Interpreter), Ok)
    }

    fn compile(&self, py: Python<'_>, types: &[Type]) -> PyResult<Entry> {
        let env = PyEnv::new(py);
        let root = env.code(self.function.bind(py));
        let result = catch_unwind(AssertUnwindSafe(|| compile(&env, root, types, &self.options)));
        let answers = env.answers.into_inner();
        let mut refusal = match result {
            Ok(Ok(artifact)) => match Specialization::load(py, artifact, answers) {
                Ok(s) => {
                    return Ok(Entry {
                        args: types.to_vec(),
                        tier: Tier::Native(Box::new(s)),
                    });
                }
                Err(e) => return Err(e),
            },
            Ok(Err(d)) => d,
            Err(panic) => {
                let text = panic
                    .downcast_ref::<String>()
                    .cloned()
                    .or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()))
                    .unwrap_or_default();
                let d = self.diagnostic(py, "NL9001", format!("internal error: {text}"));
                Refusal::from(Box::new(d))
            }
        };
        let diagnostic = &mut refusal.diagnostic;
        if diagnostic.file.is_empty() {
            let place = self.diagnostic(py, "", String::new());
            diagnostic.file = place.file;
            diagnostic.line = place.line;
        }
        if diagnostic.source_line.is_empty() {
            diagnostic.source_line = source_line(py, diagnostic);
        }
        self.report(py, diagnostic)?;
        Ok(Entry {
            args: types.to_vec(),
            tier: Tier::Interpreter {
                refusal: Box::new(refusal),
                guards: answers.guards,
            },
        })
    }

    fn diagnostic(&self, py: Python<'_>, code: &'static str, message: String) -> Diagnostic {
        let co = self.function.bind(py).getattr("__code__");
        let get = |n: &str| co.as_ref().ok().and_then(|c| c.getattr(n).ok());
        let mut d = Diagnostic {
            code,
            message,
            help: None,
            file: get("co_filename")
                .and_then(|x| x.extract().ok())
                .unwrap_or_default(),
            line: get("co_firstlineno").and_then(|x| x.extract().ok()).unwrap_or(0),
            column: 0,
            length: 0,
            source_line: String::new(),
        };
        d.source_line = source_line(py, &d);
        d
    }

    /// Warns once per function, or raises: `strict`, or an internal error while these are fatal.
    fn report(&self, py: Python<'_>, d: &Diagnostic) -> PyResult<()> {
        let module = py.import("numlift._errors")?;
        let text = render::text(d, false);
        let fatal = d.code == "NL9001" && INTERNAL_FATAL.load(Ordering::Relaxed);
        if self.strict || fatal {
            let e = module.call_method1("compile_error", (text, d.code, &d.message, &d.file, d.line))?;
            return Err(PyErr::from_value(e));
        }
        if !self.warned.swap(true, Ordering::Relaxed) {
            let name = self.function.bind(py).getattr("__qualname__")?;
            module.call_method1("warn_fallback", (name, text, d.code))?;
        }
        Ok(())
    }

    /// Types of the arguments, or the number of the first that has none.
    fn types(args: &[Bound<'_, PyAny>], env: &Bound<'_, PyAny>) -> Result<Vec<Type>, usize> {
        let _ = env;
        args.iter()
            .enumerate()
            // SAFETY: live objects, and the GIL is held.
            .map(|(i, o)| unsafe { value::type_of(o.as_ptr()) }.ok_or(i))
            .collect()
    }

    fn unsupported(&self, py: Python<'_>, args: &[Bound<'_, PyAny>], i: usize) -> PyResult<()> {
        let class = args[i].get_type().name()?.to_string();
        let name = self
            .params
            .as_ref()
            .and_then(|p| p.get(i))
            .map(|p| p.name.clone())
            .unwrap_or_default();
        let detail = match args[i].getattr("dtype") {
            Ok(d) => format!("{class} of dtype {d}"),
            Err(_) => class,
        };
        let d = self.diagnostic(
            py,
            "NL2002",
            format!("argument `{name}` is a {detail}: it has no native type"),
        );
        self.report(py, &d)
    }

    fn interpret<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<PyAny>> {
        self.function.bind(py).call(args, kwargs).map(Bound::unbind)
    }
}

fn source_line(py: Python<'_>, d: &Diagnostic) -> String {
    py.import("linecache")
        .and_then(|m| m.call_method1("getline", (&d.file, d.line)))
        .and_then(|l| l.extract::<String>())
        .map(|l| l.trim_end().to_owned())
        .unwrap_or_default()
}

#[pymethods]
impl Dispatcher {
    #[new]
    #[pyo3(signature = (function, strict, overflow_wrap, fastmath, verify))]
    fn new(
        py: Python<'_>,
        function: Py<PyAny>,
        strict: bool,
        overflow_wrap: bool,
        fastmath: bool,
        verify: bool,
    ) -> PyResult<Dispatcher> {
        let params = parameters(py, function.bind(py))?;
        Ok(Dispatcher {
            function,
            params,
            options: Options {
                overflow_wrap,
                fastmath,
                verify,
                keep_text: false,
            },
            strict,
            entries: Mutex::default(),
            warned: AtomicBool::new(false),
        })
    }

    /// The decorated function.
    #[getter]
    fn py_func(&self, py: Python<'_>) -> Py<PyAny> {
        self.function.clone_ref(py)
    }

    #[getter]
    fn __numlift_function__(&self, py: Python<'_>) -> Py<PyAny> {
        self.function.clone_ref(py)
    }

    #[pyo3(signature = (*args, **kwargs))]
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<PyAny>> {
        let Some(bound) = self.bind(py, args, kwargs) else {
            if self.params.is_none() {
                let d = self.diagnostic(
                    py,
                    "NL1004",
                    "functions with *args or **kwargs are not compiled".into(),
                );
                self.report(py, &d)?;
            }
            return self.interpret(py, args, kwargs);
        };
        let types = match Self::types(&bound, self.function.bind(py)) {
            Ok(t) => t,
            Err(i) => {
                self.unsupported(py, &bound, i)?;
                return self.interpret(py, args, kwargs);
            }
        };
        if let Found::Native(entry, hidden) = self.select(py, &types)?
            && let Tier::Native(s) = &entry.tier
        {
            let pointers: Vec<*mut PyObject> = bound.iter().map(|b| b.as_ptr()).collect();
            if let Some(result) = s.call(py, &pointers, &hidden)? {
                return Ok(result);
            }
        }
        self.interpret(py, args, kwargs)
    }

    /// `"native"` or `"interpreter"`: what a call with these arguments would run; compiles if it is new.
    #[pyo3(signature = (*args, **kwargs))]
    fn tier<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<&'static str> {
        let Some(bound) = self.bind(py, args, kwargs) else {
            return Ok("interpreter");
        };
        let Ok(types) = Self::types(&bound, self.function.bind(py)) else {
            return Ok("interpreter");
        };
        Ok(match self.select(py, &types)? {
            Found::Native(..) => "native",
            Found::Interpreter => "interpreter",
        })
    }

    /// Compiles for argument types given by a signature string; the arguments are not needed.
    fn compile_signature(&self, py: Python<'_>, signature: &str) -> PyResult<()> {
        let parsed = numlift_types::signature::parse(signature)
            .map_err(|e| pyo3::exceptions::PyValueError::new_err(e.to_string()))?;
        self.select(py, &parsed).map(|_| ())
    }

    /// (argument types, result type, tier, diagnostic or None, exits) of each specialisation.
    fn specialization_rows(&self) -> Vec<Row> {
        self.entries()
            .iter()
            .map(|e| {
                let args = e.args.iter().map(ToString::to_string).collect();
                match &e.tier {
                    Tier::Native(s) => {
                        let ret = s.artifact.ret.as_ref().map(ToString::to_string);
                        (args, ret, "native", None, s.exits.load(Ordering::Relaxed))
                    }
                    Tier::Interpreter { refusal, .. } => {
                        (args, None, "interpreter", Some(refusal.diagnostic.to_string()), 0)
                    }
                }
            })
            .collect()
    }

    /// Every place without a static type in the code that these arguments would run, callees included.
    #[pyo3(signature = (*args, **kwargs))]
    fn dynamic_places<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Vec<PlaceRow>> {
        let types = self
            .bind(py, args, kwargs)
            .and_then(|bound| Self::types(&bound, self.function.bind(py)).ok());
        let Some(types) = types else {
            return Ok(vec![]);
        };
        self.select(py, &types)?;
        let entries = self.entries();
        let places = entries.iter().rev().find_map(|e| match &e.tier {
            Tier::Interpreter { refusal, .. } if e.args == types => Some(refusal.places.as_slice()),
            _ => None,
        });
        let row = |d: &Diagnostic| {
            let (message, file, help) = (d.message.clone(), d.file.clone(), d.help.clone());
            (d.code, message, file, d.line, d.column, d.length, help)
        };
        Ok(places.unwrap_or_default().iter().map(row).collect())
    }

    /// Text of a stage (`types`, `mir`, `clif`, `asm`) for each native specialisation: compiled again with texts kept.
    fn stage_text(&self, py: Python<'_>, stage: &str) -> PyResult<Vec<(Vec<String>, String)>> {
        let entries: Vec<Arc<Entry>> = self.entries().clone();
        let mut out = vec![];
        for e in entries.iter().filter(|e| matches!(e.tier, Tier::Native(_))) {
            let env = PyEnv::new(py);
            let root = env.code(self.function.bind(py));
            let options = Options {
                keep_text: true,
                ..self.options
            };
            let Ok(a) = compile(&env, root, &e.args, &options) else {
                continue;
            };
            let Artifact {
                types_text,
                mir_text,
                clif_text,
                asm_text,
                ..
            } = a;
            let text = match stage {
                "types" => types_text,
                "mir" => mir_text,
                "clif" => clif_text,
                "asm" => asm_text,
                other => return Err(PyKeyError::new_err(other.to_owned())),
            };
            out.push((e.args.iter().map(ToString::to_string).collect(), text));
        }
        Ok(out)
    }

    /// Microseconds per stage of each native specialisation.
    fn stage_times(&self) -> Vec<Times> {
        self.entries()
            .iter()
            .filter_map(|e| match &e.tier {
                Tier::Native(s) => {
                    let times = s
                        .artifact
                        .timings
                        .iter()
                        .map(|(n, d)| (*n, d.as_secs_f64() * 1e6))
                        .collect();
                    Some((e.args.iter().map(ToString::to_string).collect(), times))
                }
                Tier::Interpreter { .. } => None,
            })
            .collect()
    }
}

/// The parameters of a function, `None` if it has `*args` or `**kwargs`.
fn parameters(py: Python<'_>, f: &Bound<'_, PyAny>) -> PyResult<Option<Vec<Param>>> {
    let code = f.getattr("__code__")?;
    let get = |n: &str| code.getattr(n)?.extract::<usize>();
    let flags = get("co_flags")?;
    if flags & 0x0c != 0 {
        return Ok(None);
    }
    let names: Vec<String> = code.getattr("co_varnames")?.extract()?;
    let (positional, keyword_only, positional_only) = (
        get("co_argcount")?,
        get("co_kwonlyargcount")?,
        get("co_posonlyargcount")?,
    );
    let defaults = f.getattr("__defaults__")?;
    let defaults: Vec<Py<PyAny>> = if defaults.is_none() {
        vec![]
    } else {
        defaults.extract()?
    };
    let kwdefaults = f.getattr("__kwdefaults__")?;
    let first_default = positional - defaults.len();
    let mut out = vec![];
    for (i, name) in names.into_iter().take(positional + keyword_only).enumerate() {
        let default = if i < positional {
            i.checked_sub(first_default).map(|k| defaults[k].clone_ref(py))
        } else if kwdefaults.is_none() {
            None
        } else {
            kwdefaults.cast::<PyDict>()?.get_item(&name)?.map(Bound::unbind)
        };
        out.push(Param {
            name,
            default,
            keyword_only: i >= positional,
            positional_only: i < positional_only,
        });
    }
    Ok(Some(out))
}
