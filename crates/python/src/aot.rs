//! Ahead of time: specialisations for other processes, and files of compiled modules.

use std::time::Instant;

use numlift_aot::relocatable;
use numlift_aot::stub::{Contents, Export, Stub};
use numlift_driver::c_abi::{self, CFunction, CType};
use numlift_driver::{Cpu, Options};
use numlift_pyrt::image::Image;
use numlift_pyrt::object;
use numlift_pyrt::payload::{self, Compiled, Function, Payload};
use pyo3::exceptions::{PyMemoryError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::compile::{self, JitCompiler};
use crate::dispatcher::{place_row, signature_types};

/// Adds the functions of this file to the module.
pub fn add_to(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(compile_ahead, m)?)?;
    m.add_function(wrap_pyfunction!(features_of, m)?)?;
    m.add_function(wrap_pyfunction!(object_file, m)?)?;
    m.add_function(wrap_pyfunction!(module_file, m)?)
}

/// The processors that a word of the command line means.
fn processors(word: &str) -> PyResult<Cpu> {
    match word {
        "native" => Ok(Cpu::Host),
        "baseline" => Ok(Cpu::Baseline),
        "x86-64-v3" => Ok(Cpu::X86V3),
        other => Err(PyValueError::new_err(format!(
            "cpu must be baseline, native or x86-64-v3, not {other}"
        ))),
    }
}

/// What code for these processors needs.
#[pyfunction]
fn features_of(cpu: &str) -> PyResult<Vec<&'static str>> {
    numlift_driver::cpu_features(processors(cpu)?).map_err(PyValueError::new_err)
}

/// How to compile: the items of a dict.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct How {
    cpu: String,
    /// What has no static type is an error.
    strict: bool,
    /// Keep the texts of the stages.
    texts: bool,
    /// Files in it are named relative to it.
    directory: String,
}

/// A specialisation for another process: a dict, which has `error` or the rest.
#[pyfunction]
fn compile_ahead<'py>(jitted: &Bound<'py, PyAny>, signature: &str, how: How) -> PyResult<Bound<'py, PyDict>> {
    let out = PyDict::new(jitted.py());
    let body = object::body(jitted)?;
    let Some(compiler) = body.selector.compiler.as_any().downcast_ref::<JitCompiler>() else {
        return Err(PyValueError::new_err("a jitted function is required"));
    };
    let types = signature_types(body, signature)?;
    let text: Vec<String> = types.iter().map(ToString::to_string).collect();
    out.set_item("signature", format!("({})", text.join(", ")))?;
    let options = Options {
        cpu: processors(&how.cpu)?,
        strict: how.strict || compiler.options.strict,
        keep_text: how.texts,
        ..compiler.options
    };
    let start = Instant::now();
    let made = compile::ahead(
        &body.function.bind(jitted.py()),
        &types,
        &options,
        compiler.nogil(),
    );
    out.set_item("seconds", start.elapsed().as_secs_f64())?;
    let mut made = match made {
        Ok(made) => made,
        Err(refused) => {
            out.set_item("error", place_row(&refused.diagnostic))?;
            return Ok(out);
        }
    };
    made.image.strip(&how.directory);
    let a = &made.artifact;
    out.set_item("result", a.ret.as_ref().map(ToString::to_string))?;
    out.set_item("tier", if a.islands.is_empty() { "native" } else { "mixed" })?;
    out.set_item("places", a.places.iter().map(place_row).collect::<Vec<_>>())?;
    out.set_item("code", PyBytes::new(jitted.py(), &a.blob.code))?;
    out.set_item("entry", a.blob.entry)?;
    out.set_item("mir", &a.mir_text)?;
    out.set_item("clif", &a.clif_text)?;
    out.set_item("asm", &a.asm_text)?;
    out.set_item("c", c_form(&made.image).as_ref().map(c_row))?;
    let image = made.image.encode();
    let image = image.ok_or_else(|| PyMemoryError::new_err("no memory for machine code"))?;
    out.set_item("image", PyBytes::new(jitted.py(), &image))?;
    Ok(out)
}

/// An object file with these functions: name, code, offset of the entry.
#[pyfunction]
fn object_file(py: Python<'_>, functions: Vec<(String, Vec<u8>, u32)>) -> PyResult<Bound<'_, PyBytes>> {
    let functions: Vec<relocatable::Function<'_>> = functions
        .iter()
        .map(|(name, code, entry)| relocatable::Function {
            name,
            code,
            entry: *entry,
            align: 64,
        })
        .collect();
    let made = relocatable::write(&functions).map_err(|e| PyValueError::new_err(e.to_string()))?;
    Ok(PyBytes::new(py, &made))
}

/// Functions of the stub that exported functions call, and that is exported as it is.
const STUB_CALL: &str = "numlift_stub_call";
const STUB_ERROR: &str = "numlift_stub_error";

/// The functions that C calls.
fn wrappers(stub: &Stub<'_>, payload: &Payload, cpu: Cpu) -> PyResult<(Vec<u8>, Vec<u32>)> {
    let wrong = |what: &str| PyValueError::new_err(format!("an exported function: {what}"));
    let form = |e: &payload::Export| {
        let function = payload.functions.get(e.function as usize);
        let found = function.and_then(|f| f.specializations.get(e.specialization as usize));
        let image = Image::decode(&found.ok_or_else(|| wrong("there is none"))?.image);
        c_form(&image.map_err(|e| wrong(&e.to_string()))?).ok_or_else(|| wrong("no form in C"))
    };
    let all = payload.exports.iter().map(form).collect::<PyResult<Vec<_>>>()?;
    if all.is_empty() {
        return Ok((vec![], vec![]));
    }
    let call = stub.distance(STUB_CALL).map_err(|e| wrong(&e.to_string()))?;
    c_abi::wrappers(&all, cpu, call).map_err(|e| wrong(&e))
}

/// The form of a specialisation in C; `None` if it needs Python, or a type has none.
fn c_form(image: &Image) -> Option<CFunction> {
    let ret = image.ret.as_ref()?;
    image.is_pure().then(|| CFunction::of(&image.args, ret))?
}

/// Dtypes and ranks of the parameters (-1: a number), dtypes of the results.
type CRow = (Vec<(&'static str, i32)>, Vec<&'static str>);

fn c_row(f: &CFunction) -> CRow {
    let param = |p: &CType| match p {
        CType::Number(d) => (d.name(), -1),
        CType::Array(a) => (a.dtype.name(), i32::from(a.ndim)),
    };
    let results = f.results.iter().map(|d| d.name());
    (f.params.iter().map(param).collect(), results.collect())
}

/// What a compiled module consists of: the items of a dict.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Content {
    /// Last part of the module's name.
    name: String,
    file: String,
    source: String,
    features: Vec<String>,
    strict: bool,
    /// Without the stub's symbol table.
    strip: bool,
    functions: Vec<FunctionRow>,
    /// What C programs call: name, function and specialisation by index.
    exports: Vec<(String, u32, u32)>,
    cpu: String,
}

/// Qualified name, first line, specialisations: signature and image.
type FunctionRow = (String, u32, Vec<(String, Vec<u8>)>);

/// The extension module made of the stub.
#[pyfunction]
fn module_file<'py>(py: Python<'py>, stub: &[u8], content: Content) -> PyResult<Bound<'py, PyBytes>> {
    let function = |(qualname, first_line, all): FunctionRow| Function {
        qualname,
        first_line,
        specializations: all
            .into_iter()
            .map(|(signature, image)| Compiled { signature, image })
            .collect(),
    };
    let export = |(name, function, specialization)| payload::Export {
        name,
        function,
        specialization,
    };
    let payload = Payload {
        version: env!("CARGO_PKG_VERSION").into(),
        file: content.file,
        source: content.source,
        features: content.features,
        strict: content.strict,
        functions: content.functions.into_iter().map(function).collect(),
        exports: content.exports.into_iter().map(export).collect(),
    };
    let wrong = |e: numlift_aot::Error| PyValueError::new_err(e.to_string());
    let stub = Stub::parse(stub).map_err(wrong)?;
    let (code, starts) = wrappers(&stub, &payload, processors(&content.cpu)?)?;
    let error = format!("{}_error", content.name);
    let mut exports = vec![];
    if !starts.is_empty() {
        let distance = stub.distance(STUB_ERROR).map_err(wrong)?;
        exports.push(Export {
            name: &error,
            distance,
        });
    }
    exports.extend(payload.exports.iter().zip(starts).map(|(e, start)| Export {
        name: &e.name,
        distance: i64::from(start),
    }));
    let bytes = payload::write(&payload).map_err(|e| PyValueError::new_err(e.to_string()))?;
    let contents = Contents {
        init: &content.name,
        code: &code,
        payload: &bytes,
        exports: &exports,
        strip: content.strip,
    };
    let made = stub.write(&contents).map_err(wrong)?;
    Ok(PyBytes::new(py, &made))
}
