//! What Python code asks of a jitted function besides calling it; the class itself is in `pyrt`.

use std::time::Duration;

use numlift_diagnostics::Diagnostic;
use numlift_driver::Options;
use numlift_pyrt::key::Key;
use numlift_pyrt::select::Request;
use numlift_pyrt::table::{Entry, Tier};
use numlift_pyrt::{call, object};
use numlift_types::Type;
use pyo3::exceptions::{PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::compile::{self, Info, JitCompiler};

/// Adds the functions of this file to the module.
pub fn add_to(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(callable_class, m)?)?;
    m.add_function(wrap_pyfunction!(create, m)?)?;
    m.add_function(wrap_pyfunction!(py_func, m)?)?;
    m.add_function(wrap_pyfunction!(tier, m)?)?;
    m.add_function(wrap_pyfunction!(parse_type, m)?)?;
    m.add_function(wrap_pyfunction!(check_signature, m)?)?;
    m.add_function(wrap_pyfunction!(compile_signature, m)?)?;
    m.add_function(wrap_pyfunction!(specialization_rows, m)?)?;
    m.add_function(wrap_pyfunction!(dynamic_places, m)?)?;
    m.add_function(wrap_pyfunction!(stage_text, m)?)?;
    m.add_function(wrap_pyfunction!(stage_times, m)?)?;
    m.add_function(wrap_pyfunction!(cache_uses, m)?)
}

/// The class of jitted functions: derives from `base`, which has its methods, and is called by vectorcall.
#[pyfunction]
fn callable_class<'py>(base: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    object::make_class(base)
}

/// What a jitted function is made with: the items of a dict.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Chosen {
    strict: bool,
    overflow_wrap: bool,
    fastmath: bool,
    trust_indices: bool,
    nogil: bool,
    cache: bool,
    quiet: bool,
    verify: bool,
    fuel: Option<u64>,
}

/// A new jitted function of the class.
#[pyfunction]
fn create<'py>(
    cls: &Bound<'py, PyAny>,
    function: &Bound<'py, PyAny>,
    options: Chosen,
) -> PyResult<Bound<'py, PyAny>> {
    let compilation = Options {
        strict: options.strict,
        overflow_wrap: options.overflow_wrap,
        fastmath: options.fastmath,
        trust_indices: options.trust_indices,
        verify: options.verify,
        fuel: options.fuel,
        ..Options::default()
    };
    let mut compiler = JitCompiler::new(compilation, options.strict, options.nogil, options.cache);
    compiler.quiet = options.quiet;
    object::make(cls, function, Box::new(compiler))
}

/// The decorated function.
#[pyfunction]
fn py_func<'py>(jitted: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    Ok(object::body(jitted)?.function.bind(jitted.py()))
}

/// `"native"`, `"mixed"` or `"interpreter"`: what a call with these arguments would run; compiles if it is new.
#[pyfunction]
fn tier(
    jitted: &Bound<'_, PyAny>,
    args: &Bound<'_, PyTuple>,
    kwargs: &Bound<'_, PyDict>,
) -> PyResult<&'static str> {
    call::tier(object::body(jitted)?, args, Some(kwargs))
}

/// A type of a signature as it is printed.
#[pyfunction]
fn parse_type(text: &str) -> PyResult<String> {
    let parsed = numlift_types::signature::parse_type(text.trim());
    parsed
        .map(|t| t.to_string())
        .map_err(|e| PyValueError::new_err(e.to_string()))
}

/// The argument types of a signature string, which has as many as the function has parameters.
pub fn signature_types(body: &object::Body, signature: &str) -> PyResult<Vec<Type>> {
    let types =
        numlift_types::signature::parse(signature).map_err(|e| PyValueError::new_err(e.to_string()))?;
    let wanted = body.params.len();
    if types.len() != wanted {
        return Err(PyValueError::new_err(format!(
            "`{signature}` has {} arguments, the function {wanted} parameters",
            types.len()
        )));
    }
    Ok(types)
}

/// What has no static type with the argument types of a signature string, callees included; compiles nothing. `words` say
/// what the arguments are whose type is `object`.
#[pyfunction]
fn check_signature(
    jitted: &Bound<'_, PyAny>,
    signature: &str,
    words: Vec<String>,
) -> PyResult<Vec<PlaceRow>> {
    let body = object::body(jitted)?;
    let types = signature_types(body, signature)?;
    let places = compile::check(&body.function.bind(jitted.py()), &types, words);
    Ok(places.iter().map(place_row).collect())
}

/// Compiles for argument types given by a signature string; the arguments are not needed.
#[pyfunction]
fn compile_signature(jitted: &Bound<'_, PyAny>, signature: &str) -> PyResult<()> {
    let body = object::body(jitted)?;
    let types = signature_types(body, signature)?;
    let mut key = Key::default();
    if let Some(t) = types.iter().find(|t| !key.push_type(t)) {
        return Err(PyValueError::new_err(format!("no argument has the type {t}")));
    }
    let function = body.function.bind(jitted.py());
    body.selector
        .select(&function, &body.params, &key, &Request::Types(&types))?;
    Ok(())
}

/// Argument types, result type, tier, diagnostic, exits.
type Row = (Vec<String>, Option<String>, &'static str, Option<String>, u64);

pub fn info(e: &Entry) -> Option<&Info> {
    e.info.downcast_ref::<Info>()
}

/// (argument types, result type, tier, diagnostic or None, exits) of each specialisation.
#[pyfunction]
fn specialization_rows(jitted: &Bound<'_, PyAny>) -> PyResult<Vec<Row>> {
    let row = |e: &Entry| {
        let info = info(e)?;
        let args = info.arg_names.clone();
        Some(match &e.tier {
            Tier::Native(s) => {
                let why = info.places.first().map(ToString::to_string);
                (args, info.ret.clone(), s.tier(), why, s.exits())
            }
            Tier::Interpreter(_) => {
                let why = info.refusal.as_ref().map(|r| r.diagnostic.to_string());
                (args, None, "interpreter", why, 0)
            }
        })
    };
    Ok(object::body(jitted)?
        .selector
        .table
        .iter()
        .filter(|e| e.is_in_use())
        .filter_map(row)
        .collect())
}

/// Code, message, file, line, column, length, help of a dynamic place.
pub type PlaceRow = (&'static str, String, String, u32, u32, u32, Option<String>);

pub fn place_row(d: &Diagnostic) -> PlaceRow {
    let (message, file, help) = (d.message.clone(), d.file.clone(), d.help.clone());
    (d.code, message, file, d.line, d.column, d.length, help)
}

/// Every place without a static type in the code that these arguments would run, callees included.
#[pyfunction]
fn dynamic_places(
    jitted: &Bound<'_, PyAny>,
    args: &Bound<'_, PyTuple>,
    kwargs: &Bound<'_, PyDict>,
) -> PyResult<Vec<PlaceRow>> {
    let entry = call::entry_for(object::body(jitted)?, args, Some(kwargs))?;
    let places = entry.and_then(info).map_or(&[][..], Info::places);
    Ok(places.iter().map(place_row).collect())
}

/// Text of a stage (`types`, `mir`, `clif`, `asm`) for each native specialisation: compiled again with texts kept.
#[pyfunction]
fn stage_text(jitted: &Bound<'_, PyAny>, stage: &str) -> PyResult<Vec<(Vec<String>, String)>> {
    let body = object::body(jitted)?;
    let Some(compiler) = body.selector.compiler.as_any().downcast_ref::<JitCompiler>() else {
        return Ok(vec![]);
    };
    let mut out = vec![];
    for e in body.selector.table.iter().filter(|e| e.is_in_use()) {
        let (Some(info), Tier::Native(_)) = (info(e), &e.tier) else {
            continue;
        };
        let function = body.function.bind(jitted.py());
        let (env, Some(args)) = info.again(&function) else {
            continue;
        };
        let Some(a) = compile::compile_with_texts(&env, &args, &compiler.options, &function) else {
            continue;
        };
        let text = match stage {
            "types" => a.types_text,
            "mir" => a.mir_text,
            "clif" => a.clif_text,
            "asm" => a.asm_text,
            other => return Err(PyKeyError::new_err(other.to_owned())),
        };
        out.push((info.arg_names.clone(), text));
    }
    Ok(out)
}

/// Argument types, microseconds by stage.
type Times = (Vec<String>, Vec<(String, f64)>);

/// Microseconds per stage of each native specialisation, then per pass of the optimiser (`opt/gvn`).
#[pyfunction]
fn stage_times(jitted: &Bound<'_, PyAny>) -> PyResult<Vec<Times>> {
    let row = |e: &Entry| {
        let us = |time: &Duration| time.as_secs_f64() * 1e6;
        let info = info(e)?;
        let stages = info.timings.iter().map(|(n, d)| ((*n).to_owned(), us(d)));
        let passes = info.passes.iter().map(|(n, d)| (format!("opt/{n}"), us(d)));
        let times = stages.chain(passes);
        matches!(e.tier, Tier::Native(_)).then(|| (info.arg_names.clone(), times.collect()))
    };
    let entries = object::body(jitted)?.selector.table.iter();
    let rows = entries.filter(|e| e.is_in_use()).filter_map(row);
    Ok(rows.collect())
}

/// Argument types, and what became of it in the disk cache: `"hit"`, `"stored"` or `"missed"`, None if it is not cached.
#[pyfunction]
fn cache_uses(jitted: &Bound<'_, PyAny>) -> PyResult<Vec<(Vec<String>, Option<&'static str>)>> {
    let entries = object::body(jitted)?.selector.table.iter();
    let row = |i: &Info| (i.arg_names.clone(), i.cached.name());
    Ok(entries.filter_map(info).map(row).collect())
}
