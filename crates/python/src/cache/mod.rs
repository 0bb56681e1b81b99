//! The disk cache: what one process has compiled, another one loads.
//!
//! The key is a digest of what is known before compilation: the function's code and source, argument types, options,
//! processor, Python, NumPy and this build. What compilation learned of the world (globals, callees, defaults, closure
//! variables, each with its type or identity) is in the file, as the facts of an image: a file is used only if the
//! same questions have the same answers here. Several files may have one key and different facts.

mod key;
mod notes;
mod store;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::UNIX_EPOCH;

use numlift_driver::Options;
use numlift_pyrt::image::{Image, Moved, moved};
use numlift_pyrt::world::{Identity, World};
use numlift_types::Type;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

pub use notes::Notes;
use store::{Problem, Store};

/// Files with one key. They differ in what they assume.
const VARIANTS: usize = 8;
const MEBIBYTE: u64 = 1 << 20;
const DEFAULT_LIMIT: u64 = 256;

/// What became of a specialisation that was to be cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// The function is not cached.
    Off,
    /// Loaded.
    Hit,
    /// Compiled and stored.
    Stored,
    /// Compiled, and not stored.
    Missed,
}

impl Use {
    pub fn name(self) -> Option<&'static str> {
        match self {
            Use::Off => None,
            Use::Hit => Some("hit"),
            Use::Stored => Some("stored"),
            Use::Missed => Some("missed"),
        }
    }
}

/// Where a specialisation belongs in the cache.
#[derive(Debug)]
pub struct Slot {
    name: String,
}

/// A specialisation as it was loaded.
pub struct Loaded {
    pub image: Image,
    pub world: World,
    pub notes: Notes,
}

impl Slot {
    /// For a function and the types of its arguments; `None` if something in them has no stable form.
    pub fn of(
        function: &Bound<'_, PyAny>,
        world: &World,
        args: &[Type],
        options: &Options,
        nogil: bool,
    ) -> Option<Slot> {
        let name = key::of(function, world, args, options, nogil)?;
        Some(Slot { name })
    }

    fn file(&self, variant: usize) -> String {
        format!("{}.{variant}", self.name)
    }

    /// What is stored for it, if its facts hold here.
    pub fn load(&self, function: &Bound<'_, PyAny>, arguments: &[Bound<'_, PyAny>]) -> Option<Loaded> {
        let store = store().ok()?;
        (0..VARIANTS)
            .map_while(|i| store.read(&self.file(i)))
            .find_map(|bytes| open(&bytes, function, arguments))
    }

    /// Stores an image, and tells the user once if that is not possible.
    ///
    /// # Errors
    /// The warning, if the user has made it an error.
    pub fn save(&self, py: Python<'_>, image: &Image) -> PyResult<Use> {
        static FAILED: AtomicBool = AtomicBool::new(false);
        let Some(bytes) = image.encode() else {
            return Ok(Use::Missed);
        };
        let written = store().and_then(|store| store.write(&self.file(self.place(&store, image)), &bytes));
        match written {
            Ok(()) => Ok(Use::Stored),
            Err(problem) => {
                if !FAILED.swap(true, Ordering::Relaxed) {
                    let module = py.import("numlift._errors")?;
                    module.call_method1("warn_cache", (problem.to_string(),))?;
                }
                Ok(Use::Missed)
            }
        }
    }

    /// The first number that is free, or whose file is damaged or assumes the same.
    fn place(&self, store: &Store, image: &Image) -> usize {
        let taken = |i: &usize| {
            let bytes = store.read(&self.file(*i));
            let other = bytes.and_then(|b| Image::decode(&b).ok());
            other.is_some_and(|o| o.facts != image.facts)
        };
        let free = (0..VARIANTS).find(|i| !taken(i));
        free.unwrap_or_else(|| {
            usize::from(image.facts.functions.first().map_or(0, |f| f.digest[0])) % VARIANTS
        })
    }
}

fn open(bytes: &[u8], function: &Bound<'_, PyAny>, arguments: &[Bound<'_, PyAny>]) -> Option<Loaded> {
    let mut image = Image::decode(bytes).ok()?;
    let world = World::replay(&image.facts, function, arguments, Identity::Code)?;
    let moves: Vec<Moved> = moved(function.py(), &mut image, &world).ok()?;
    let notes = Notes::read(&image.notes, &moves)?;
    Some(Loaded { image, world, notes })
}

/// The cache that the environment asks for.
fn store() -> Result<Store, Problem> {
    let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty());
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let directory = match variable("NUMLIFT_CACHE_DIR") {
        Some(chosen) => PathBuf::from(chosen),
        None => absolute("XDG_CACHE_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
            .ok_or(Problem::Nowhere)?
            .join("numlift"),
    };
    let number = |text: OsString| text.to_str().and_then(|t| t.parse::<u64>().ok());
    let limit = variable("NUMLIFT_CACHE_SIZE")
        .and_then(number)
        .unwrap_or(DEFAULT_LIMIT);
    Ok(Store {
        directory,
        limit: limit.saturating_mul(MEBIBYTE),
        shared: variable("NUMLIFT_CACHE_SHARED").is_some_and(|v| v != "0"),
    })
}

/// Adds the functions of this file to the module.
pub fn add_to(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(cache_directory, m)?)?;
    m.add_function(wrap_pyfunction!(cache_contents, m)?)?;
    m.add_function(wrap_pyfunction!(clear_cache, m)?)
}

fn failed(problem: Problem) -> PyErr {
    PyOSError::new_err(problem.to_string())
}

/// Where specialisations are cached.
#[pyfunction]
fn cache_directory() -> PyResult<PathBuf> {
    store().map(|s| s.directory).map_err(failed)
}

/// Directory, number of files, their bytes, the limit, the oldest and the newest use (seconds since 1970, or None).
#[pyfunction]
fn cache_contents(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let store = store().map_err(failed)?;
    let entries = store.entries();
    let seconds = entries
        .iter()
        .filter_map(|e| e.used.duration_since(UNIX_EPOCH).ok())
        .map(|d| d.as_secs());
    let found = PyDict::new(py);
    found.set_item("directory", &store.directory)?;
    found.set_item("entries", entries.len())?;
    found.set_item("bytes", entries.iter().map(|e| e.size).sum::<u64>())?;
    found.set_item("limit", store.limit)?;
    found.set_item("oldest_use", seconds.clone().min())?;
    found.set_item("newest_use", seconds.max())?;
    Ok(found)
}

/// Deletes what is cached; how many specialisations.
#[pyfunction]
fn clear_cache() -> PyResult<usize> {
    store().and_then(|s| s.clear()).map_err(failed)
}
