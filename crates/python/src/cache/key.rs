//! The name of a specialisation in the cache: a digest of everything that is known before it is compiled.

use std::fmt::Write as _;
use std::sync::OnceLock;

use blake3::Hasher;
use numlift_driver::Options;
use numlift_pyrt::world::{Fingerprint, World};
use numlift_types::Type;
use pyo3::prelude::*;

/// `None` if something in it has no stable form.
pub fn of(
    function: &Bound<'_, PyAny>,
    world: &World,
    args: &[Type],
    options: &Options,
    nogil: bool,
) -> Option<String> {
    let py = function.py();
    let mut hasher = process(py, options.verify)?;
    put(&mut hasher, format!("{options:?} {nogil}").as_bytes());
    hasher.update(&Fingerprint::of(function)?.digest);
    for t in args {
        put_type(&mut hasher, py, world, t)?;
    }
    Some(hasher.finalize().to_hex().to_string())
}

fn put(hasher: &mut Hasher, bytes: &[u8]) {
    hasher.update(&(bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}

/// What is the same for all compilations of a process: this build, the processor, Python, NumPy, the C library
/// (constants are folded with its functions).
fn process(py: Python<'_>, verify: bool) -> Option<Hasher> {
    static KNOWN: OnceLock<Option<Hasher>> = OnceLock::new();
    KNOWN.get_or_init(|| describe(py, verify).ok()).clone()
}

fn describe(py: Python<'_>, verify: bool) -> PyResult<Hasher> {
    let sys = py.import("sys")?;
    let mut text = format!("{} {}", env!("CARGO_PKG_VERSION"), env!("NUMLIFT_BUILD"));
    let _ = write!(text, "\n{:x}", numlift_pyrt::image::abi());
    let _ = write!(text, "\n{}", numlift_driver::target(verify).unwrap_or_default());
    let _ = write!(text, "\n{}", sys.getattr("version")?);
    let _ = write!(text, "\n{}", sys.getattr("flags")?.getattr("optimize")?);
    let _ = write!(text, "\n{}", py.import("numpy")?.getattr("__version__")?);
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: gives a constant string of the C library.
        let libc = unsafe { std::ffi::CStr::from_ptr(libc::gnu_get_libc_version()) };
        let _ = write!(text, "\n{libc:?}");
    }
    let mut hasher = Hasher::new_derive_key("numlift disk cache");
    put(&mut hasher, text.as_bytes());
    Ok(hasher)
}

/// A type without the handles in it, which say nothing by themselves.
fn put_type(hasher: &mut Hasher, py: Python<'_>, world: &World, t: &Type) -> Option<()> {
    match t {
        Type::Known(o) => put(hasher, format!("{:?}", world.known.get(o.0 as usize)?).as_bytes()),
        Type::Function(code) => {
            put(hasher, b"function");
            hasher.update(&Fingerprint::of(&world.function(py, *code)?)?.digest);
        }
        Type::Tuple(items) => {
            put(hasher, b"tuple");
            hasher.update(&(items.len() as u64).to_le_bytes());
            items.iter().try_for_each(|t| put_type(hasher, py, world, t))?;
        }
        other => put(hasher, format!("{other:?}").as_bytes()),
    }
    Some(())
}
