//! The functions of a compiled module: entries come from the payload, where a JIT would compile.

use std::any::Any;

use numlift_pyrt::bind::Params;
use numlift_pyrt::feedback::Feedback;
use numlift_pyrt::image::{self, Image};
use numlift_pyrt::payload::{Compiled, Function, Payload};
use numlift_pyrt::select::{self, Compiler, Refusal, Request};
use numlift_pyrt::spec::Specialization;
use numlift_pyrt::support;
use numlift_pyrt::table::{Entry, Tier};
use numlift_pyrt::value;
use numlift_pyrt::world::{Identity, World};
use numlift_pyrt::{call, object};
use numlift_types::{ArrayType, Layout, Reason, Type, signature};
use pyo3::exceptions::{PyImportError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyModule, PyTuple};

use crate::locate;

/// What `numlift._aot` calls.
///
/// # Errors
/// If there is no memory.
pub fn native(py: Python<'_>) -> PyResult<Bound<'_, PyModule>> {
    let m = PyModule::new(py, "numlift._native")?;
    m.add("version", env!("CARGO_PKG_VERSION"))?;
    m.add_function(wrap_pyfunction!(make_class, &m)?)?;
    m.add_function(wrap_pyfunction!(create, &m)?)?;
    m.add_function(wrap_pyfunction!(py_func, &m)?)?;
    m.add_function(wrap_pyfunction!(signatures, &m)?)?;
    m.add_function(wrap_pyfunction!(tier, &m)?)?;
    Ok(m)
}

#[pyfunction]
fn make_class<'py>(base: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    object::make_class(base)
}

/// The object of a function of the source.
#[pyfunction]
fn create<'py>(cls: &Bound<'py, PyAny>, function: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let payload = locate::payload().map_err(|d| PyImportError::new_err(d.text()))?;
    object::make(cls, function, Box::new(Precompiled::of(payload, function)?))
}

#[pyfunction]
fn py_func<'py>(jitted: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    Ok(object::body(jitted)?.function.bind(jitted.py()))
}

#[pyfunction]
fn signatures(jitted: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    let compiler = object::body(jitted)?.selector.compiler.as_any();
    let own = compiler.downcast_ref::<Precompiled>();
    Ok(own.map_or(vec![], Precompiled::signatures))
}

#[pyfunction]
fn tier(
    jitted: &Bound<'_, PyAny>,
    args: &Bound<'_, PyTuple>,
    kwargs: &Bound<'_, PyDict>,
) -> PyResult<&'static str> {
    call::tier(object::body(jitted)?, args, Some(kwargs))
}

/// The machine code of one function.
struct Precompiled {
    payload: &'static Payload,
    /// What is compiled of it, with the types of the signatures.
    specializations: Vec<(Vec<Type>, &'static Compiled)>,
    qualname: String,
}

impl Precompiled {
    /// The function of the payload with the same name and line; one that is not in it has no machine code.
    fn of(payload: &'static Payload, function: &Bound<'_, PyAny>) -> PyResult<Precompiled> {
        let qualname: String = function.getattr("__qualname__")?.extract()?;
        let line: u32 = function
            .getattr("__code__")?
            .getattr("co_firstlineno")?
            .extract()?;
        let is_it = |f: &&Function| f.qualname == qualname && f.first_line == line;
        let found = payload.functions.iter().find(is_it);
        let typed = |c: &'static Compiled| match signature::parse(&c.signature) {
            Ok(types) => Ok((types, c)),
            Err(e) => Err(PyImportError::new_err(format!("{qualname}{}: {e}", c.signature))),
        };
        let all = found.into_iter().flat_map(|f| &f.specializations);
        Ok(Precompiled {
            payload,
            specializations: all.map(typed).collect::<PyResult<_>>()?,
            qualname,
        })
    }

    fn signatures(&self) -> Vec<String> {
        self.specializations
            .iter()
            .map(|(_, c)| c.signature.clone())
            .collect()
    }

    /// The first specialisation for arguments of these types; one for exactly these comes first.
    fn select(&self, types: &[Type]) -> Option<&'static Compiled> {
        let all = || self.specializations.iter();
        let exact = all().find(|(t, _)| t == types);
        let fits = |(t, _): &&(Vec<Type>, _)| {
            t.len() == types.len() && t.iter().zip(types).all(|(t, of)| accepts(t, of))
        };
        exact.or_else(|| all().find(fits)).map(|(_, c)| *c)
    }

    /// Tells that machine code is not used because names that the function uses mean something else here.
    fn elsewhere(&self, function: &Bound<'_, PyAny>, found: &Compiled) -> PyResult<()> {
        let name = &self.qualname;
        let text = format!(
            "{name}{} was compiled with other globals, closure variables or modules",
            found.signature
        );
        if self.payload.strict {
            return Err(PyTypeError::new_err(text));
        }
        let errors = support::module(function.py(), "_errors")?;
        errors.call_method1("warn_fallback", (name, text, ""))?;
        Ok(())
    }

    /// What a call runs that no machine code is for: the function's source, or an error.
    fn without_code(&self, args: &[Bound<'_, PyAny>]) -> PyResult<()> {
        if !self.payload.strict || self.specializations.is_empty() {
            return Ok(());
        }
        let given: Vec<String> = args.iter().map(describe).collect();
        let known = self.signatures().join(", ");
        Err(PyTypeError::new_err(format!(
            "{}({}): no machine code for these types; compiled signatures: {known}",
            self.qualname,
            given.join(", ")
        )))
    }
}

/// The type of an argument: `object` if native code cannot look into it.
fn type_of(o: &Bound<'_, PyAny>) -> Type {
    // SAFETY: a live object, and the GIL is held.
    unsafe { value::type_of(o.as_ptr()) }.unwrap_or(Type::Object(Reason::JOIN))
}

/// The same in words.
fn describe(o: &Bound<'_, PyAny>) -> String {
    match type_of(o) {
        Type::Object(_) => o.get_type().name().map_or(String::new(), |n| n.to_string()),
        t => t.to_string(),
    }
}

/// Whether code for the one type takes arguments of the other: strides of any layout are read from the array, an object
/// can be anything.
fn accepts(code: &Type, argument: &Type) -> bool {
    match (code, argument) {
        (Type::Object(_), _) => true,
        (Type::Array(a), Type::Array(b)) => {
            a == b
                || (a.layout == Layout::A
                    && ArrayType {
                        layout: Layout::A,
                        ..*b
                    } == *a)
        }
        (Type::Tuple(a), Type::Tuple(b)) => {
            a.len() == b.len() && a.iter().zip(&**b).all(|(a, b)| accepts(a, b))
        }
        _ => code == argument,
    }
}

/// The machine code, if what it assumes of the world around the function holds here.
fn load<'py>(
    function: &Bound<'py, PyAny>,
    arguments: &[Bound<'py, PyAny>],
    bytes: &[u8],
) -> PyResult<Option<Specialization>> {
    let mut image = Image::decode(bytes).map_err(|e| PyImportError::new_err(format!("machine code: {e}")))?;
    let Some(world) = World::replay(&image.facts, function, arguments, Identity::Text) else {
        return Ok(None);
    };
    image::moved(function.py(), &mut image, &world)?;
    let parts = image::parts(function, image, world, None, None)?;
    Ok(Some(Specialization::load(parts)?))
}

impl Compiler for Precompiled {
    fn compile<'py>(
        &self,
        function: &Bound<'py, PyAny>,
        request: &Request<'_, 'py>,
    ) -> PyResult<select::Compiled> {
        let compiled = |tier| {
            Ok(select::Compiled {
                tier,
                feedback: None,
                counted: None,
                info: Box::new(()),
            })
        };
        let interpreter = || compiled(Tier::Interpreter(vec![]));
        let Request::Objects(args, _) = request else {
            return interpreter();
        };
        let Some(found) = self.select(&args.iter().map(type_of).collect::<Vec<_>>()) else {
            self.without_code(args)?;
            return interpreter();
        };
        match load(function, args, &found.image)? {
            Some(code) => compiled(Tier::Native(Box::new(code))),
            None => {
                self.elsewhere(function, found)?;
                interpreter()
            }
        }
    }

    fn refine<'py>(
        &self,
        _: &Bound<'py, PyAny>,
        _: &Request<'_, 'py>,
        _: &Entry,
        _: &Feedback,
    ) -> PyResult<Option<select::Compiled>> {
        Ok(None)
    }

    fn refuse(
        &self,
        _: &Bound<'_, PyAny>,
        _: &Params,
        args: &[Bound<'_, PyAny>],
        _: Refusal,
    ) -> PyResult<()> {
        self.without_code(args)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
