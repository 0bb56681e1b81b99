//! Jitted functions as C function pointers, from signature strings.

use numlift_pyrt::callback::pointer;
use numlift_pyrt::object;
use numlift_types::{DType, Scalar, Type, signature};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

use crate::dispatcher::signature_types;

/// Adds the functions of this file to the module.
pub fn add_to(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(c_pointer, m)?)
}

/// Address, type of the result (None: void), types of the parameters.
type Pointer = (usize, Option<&'static str>, Vec<&'static str>);

/// A C function pointer of a jitted function for a signature string with a result type.
#[pyfunction]
fn c_pointer(jitted: &Bound<'_, PyAny>, signature: &str) -> PyResult<Pointer> {
    let params = signature_types(object::body(jitted)?, signature)?;
    let ret = result(signature)?;
    let number = |t: &Type| number(t).ok_or_else(|| PyTypeError::new_err(format!("{t} has no C type here")));
    let params = params.iter().map(number).collect::<PyResult<Vec<Scalar>>>()?;
    let names = params.iter().map(|s| s.dtype().name()).collect();
    let ret = match &ret {
        Type::None => None,
        other => Some(number(other)?.dtype()),
    };
    let address = pointer(jitted, params, ret)?;
    Ok((address as usize, ret.map(DType::name), names))
}

/// The result type of a signature string.
fn result(text: &str) -> PyResult<Type> {
    let (before, _) = text.split_once('(').unwrap_or(("", ""));
    match before.trim() {
        "" => Err(PyValueError::new_err(format!(
            "`{text}` has no result type: write float64(float64)"
        ))),
        "void" | "none" | "None" => Ok(Type::None),
        name => signature::parse_type(name).map_err(|e| PyValueError::new_err(e.to_string())),
    }
}

fn number(t: &Type) -> Option<Scalar> {
    match t {
        Type::Scalar(Scalar::PyComplex | Scalar::Np(DType::C64 | DType::C128)) => None,
        Type::Scalar(s) => Some(*s),
        _ => None,
    }
}
