//! From the compiler's artifact to what the boundary loads: addresses of objects, signatures of calls.

use std::ffi::c_void;

use numlift_driver::Artifact;
use numlift_pyrt::helpers::BoxedCall;
use numlift_pyrt::random;
use numlift_pyrt::reference::Ref;
use numlift_pyrt::source::Hidden;
use numlift_pyrt::spec::Parts;
use numlift_typeck::ObjectEntry;
use pyo3::exceptions::PySystemError;
use pyo3::prelude::*;

use crate::env::Answers;

/// What a specialisation is made of.
///
/// # Errors
/// If NumPy's random generator is not where it should be; a `SystemError` for an inconsistency.
pub fn parts(
    function: &Bound<'_, PyAny>,
    artifact: Artifact,
    answers: Answers,
    nogil: bool,
) -> PyResult<Parts> {
    let py = function.py();
    let islands = crate::island::load(function, &artifact, &answers)?;
    let resume = crate::island::resume(function, &artifact, &answers)?;
    let objects = artifact
        .objects
        .iter()
        .map(|entry| address(py, entry, &answers))
        .collect::<PyResult<Vec<_>>>()?;
    let calls = artifact
        .calls
        .iter()
        .map(|c| BoxedCall::new(py, c.args.clone(), &c.keywords, &c.method, c.ret.clone()))
        .collect::<PyResult<Vec<_>>>()?;
    let mut guards = answers.guards;
    let lock = if artifact.uses_global_rng {
        guards.push(random::guard(py)?);
        let lock = random::generator(py)?.getattr("lock")?;
        let method = |name: &str| lock.getattr(name).map(|m| Ref::from(&m));
        Some([method("acquire")?, method("release")?])
    } else {
        None
    };
    let hidden = answers
        .hidden
        .into_iter()
        .map(|(source, ty)| Hidden::new(source, &ty).ok_or_else(|| missing("a key for a hidden argument")))
        .collect::<PyResult<Vec<_>>>()?;
    Ok(Parts {
        nests: artifact.recursive || !calls.is_empty() || !islands.is_empty(),
        nogil: nogil && !artifact.uses_python,
        blob: artifact.blob,
        args: artifact.args,
        ret: artifact.ret,
        sites: artifact.sites,
        frames: artifact.frames,
        calls,
        islands,
        resume,
        objects,
        keep: answers.objects,
        guards,
        hidden,
        hidden_slots: answers.hidden_slots as usize,
        lock,
    })
}

fn missing(what: &str) -> PyErr {
    PySystemError::new_err(format!("numlift: {what} is missing"))
}

fn address(py: Python<'_>, entry: &ObjectEntry, answers: &Answers) -> PyResult<*mut c_void> {
    let object = |i: u32| {
        let found = answers.objects.get(i as usize);
        found.ok_or_else(|| missing("an object of the code"))
    };
    let ufunc = |i: u32, types: &str| {
        let found = crate::ufunc::address(&object(i)?.bind(py), types);
        found.ok_or_else(|| missing("a loop of a ufunc"))
    };
    Ok(match entry {
        ObjectEntry::Object(o) => object(o.0)?.as_ptr().cast(),
        ObjectEntry::UfuncLoop(o, types) => ufunc(o.0, types)?.0 as *mut c_void,
        ObjectEntry::UfuncData(o, types) => ufunc(o.0, types)?.1 as *mut c_void,
        ObjectEntry::GlobalBitgen => random::bitgen(py)?,
        ObjectEntry::GlobalGauss => random::gauss(py)?.ok_or_else(|| missing("the spare normal"))?,
    })
}
