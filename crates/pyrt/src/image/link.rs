//! From an image to what is called: islands are compiled, objects and loops are looked up, what has moved is told
//! where it is now.

use std::ffi::c_void;

use numlift_runtime::{ObjectEntry, SiteData};
use numlift_types::{CodeRef, Type};
use pyo3::exceptions::PySystemError;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::{Image, IslandImage, Text};
use crate::cells::{IslandCell, IslandCells};
use crate::count::Counter;
use crate::feedback::{Misses, Watch};
use crate::foreign;
use crate::helpers::BoxedCall;
use crate::island::Island;
use crate::numpy;
use crate::random;
use crate::read::Path;
use crate::reference::Ref;
use crate::resume::{Code, Origin, Resume};
use crate::source::Hidden;
use crate::spec::Parts;
use crate::world::{Fingerprint, World};

/// Positions, form, parameters, outs, variables left when it raises, those in cells, whether it looks at its frame: a `Spec` of `numlift._islands`.
type Row<'a> = (
    &'a [(u32, u32)],
    &'a str,
    Vec<(&'a str, bool)>,
    Vec<(&'a str, bool)>,
    Vec<&'a str>,
    Vec<(&'a str, bool)>,
    bool,
);

/// What a specialisation is made of. The world is that of the image: the one it was compiled in, or one in which
/// its facts hold. A watch is what the code of its islands reports to, `inner` compiles plain functions that they call.
///
/// # Errors
/// What compiling islands raises; if NumPy's random generator is not where it should be; a `SystemError` for an
/// inconsistency.
pub fn parts<'py>(
    function: &Bound<'py, PyAny>,
    image: Image,
    world: World,
    watch: Option<&Watch<'py>>,
    inner: Option<&Bound<'py, PyAny>>,
) -> PyResult<Parts> {
    let py = function.py();
    let islands = islands(function, &image, watch, inner)?;
    let objects = image.objects.iter().map(|entry| address(py, entry, &world));
    let objects = objects.collect::<PyResult<Vec<_>>>()?;
    let calls = image
        .calls
        .into_iter()
        .map(|c| BoxedCall::new(py, c))
        .collect::<PyResult<Vec<_>>>()?;
    let texts = image
        .texts
        .into_iter()
        .chain(std::iter::repeat_with(Text::default));
    let codes = (0..).map(CodeRef).zip(&world.codes).zip(texts);
    let codes = codes.map(|((code, f), text)| Code {
        code,
        origin: match world.argument_of(code) {
            Some(argument) => Origin::Argument(argument),
            None => Origin::Function(Ref::from(&f.bind(py))),
        },
        text,
    });
    let resume = (!image.points.is_empty()).then(|| Resume {
        codes: codes.collect(),
        points: image.points,
    });
    let mut guards = world.guards;
    let lock = if image.global_rng {
        guards.push(random::guard(py)?);
        let lock = random::generator(py)?.getattr("lock")?;
        let method = |name: &str| lock.getattr(name).map(|m| Ref::from(&m));
        Some([method("acquire")?, method("release")?])
    } else {
        None
    };
    let hidden = world
        .hidden
        .into_iter()
        .map(|(source, ty)| Hidden::new(source, &ty).ok_or_else(|| missing("a key for a hidden argument")))
        .collect::<PyResult<Vec<_>>>()?;
    Ok(Parts {
        nests: image.nests,
        nogil: image.nogil,
        blob: image.blob,
        args: image.args,
        ret: image.ret,
        sites: image.sites,
        frames: image.frames,
        calls,
        islands,
        resume,
        objects,
        keep: world.objects,
        guards,
        hidden,
        hidden_slots: world.hidden_slots as usize,
        lock,
    })
}

/// Makes the functions of all islands.
fn islands<'py>(
    function: &Bound<'py, PyAny>,
    image: &Image,
    watch: Option<&Watch<'py>>,
    inner: Option<&Bound<'py, PyAny>>,
) -> PyResult<Vec<Island>> {
    if image.islands.is_empty() {
        return Ok(vec![]);
    }
    let module = crate::support::module(function.py(), "_islands")?;
    let text = image
        .texts
        .first()
        .ok_or_else(|| missing("the source of a function"))?;
    let rows: Vec<Row<'_>> = image.islands.iter().map(row).collect();
    let watch = watch.map(Watch::row);
    let args = (function, &text.source, text.first_line, rows, watch, inner);
    let functions: Vec<(Bound<'_, PyAny>, Vec<usize>)> = module.call_method1("build", args)?.extract()?;
    let unbound = module.getattr("UNBOUND")?;
    let made = functions
        .iter()
        .zip(&image.islands)
        .map(|((f, places), i)| Island {
            function: Ref::from(f),
            cells: cells(i, places),
            unbound: Ref::from(&unbound),
            params: i.params.clone(),
            texts: i
                .params
                .iter()
                .map(|p| known_text(function.py(), &p.ty))
                .collect(),
            outs: i.outs.clone(),
            partial: i.partial.clone(),
            protected: i.protected,
            ret: i.ret.clone(),
            form: i.form,
            watched: i.watched,
            resume: i.resume,
            over: i.over,
            unbinds: i.unbinds.clone(),
            reads: i.reads.iter().map(|p| Path::new(function, p)).collect(),
            assumes: i.assumes,
            ends: i.ends,
            misses: i.outs.iter().map(|_| Misses::default()).collect(),
            line: i.line,
            counter: Counter::default(),
        });
    Ok(made.collect())
}

/// The object of a string that is known when compiling.
fn known_text(py: Python<'_>, t: &Type) -> Option<Ref> {
    match t {
        Type::Str(s) => Some(Ref::from(PyString::intern(py, s).as_any())),
        _ => None,
    }
}

/// The cells of an island, by their places in the closure of its function.
fn cells(island: &IslandImage, places: &[usize]) -> IslandCells {
    let all = island.cells.iter().zip(places);
    let all = all.map(|((name, sure), place)| IslandCell {
        name: name.clone(),
        place: *place,
        passed: !sure,
    });
    IslandCells { all: all.collect() }
}

fn row(island: &IslandImage) -> Row<'_> {
    let params = island.params.iter().map(|v| (v.name.as_str(), v.sure));
    let outs = island.outs.iter().map(|v| (v.name.as_str(), v.sure));
    let left = island.partial.iter().map(|v| v.name.as_str());
    (
        &island.at,
        &island.kind,
        params.collect(),
        outs.collect(),
        left.collect(),
        island
            .cells
            .iter()
            .map(|(name, sure)| (name.as_str(), *sure))
            .collect(),
        island.frame,
    )
}

fn missing(what: &str) -> PyErr {
    PySystemError::new_err(format!("numlift: {what} is missing"))
}

fn address(py: Python<'_>, entry: &ObjectEntry, world: &World) -> PyResult<*mut c_void> {
    let object = |i: u32| {
        let found = world.objects.get(i as usize);
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
        ObjectEntry::ArrayFunction(d, which) => {
            let found = numpy::api().array_function(*d, *which);
            found.ok_or_else(|| missing("a function of a dtype"))?
        }
        ObjectEntry::CFunction(o) => {
            let found = foreign::address(&object(o.0)?.bind(py));
            found.ok_or_else(|| missing("the address of a C function"))?
        }
        ObjectEntry::GlobalBitgen => random::bitgen(py)?,
        ObjectEntry::GlobalGauss => random::gauss(py)?.ok_or_else(|| missing("the spare normal"))?,
    })
}

/// Lines of a file that are elsewhere now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    from: Fingerprint,
    file: String,
    first_line: u32,
}

impl Moved {
    /// Where a line is now; `None` if it is not one of these.
    pub fn line(&self, file: &str, line: u32) -> Option<(&str, u32)> {
        let from = &self.from;
        let inside = file == from.file && (from.first_line..from.end_line).contains(&line);
        inside.then(|| (self.file.as_str(), line - from.first_line + self.first_line))
    }
}

/// Tells an image where the functions of its world are; gives those that were elsewhere when it was compiled.
pub fn moved(py: Python<'_>, image: &mut Image, world: &World) -> PyResult<Vec<Moved>> {
    let mut all = vec![];
    for (from, f) in image.facts.functions.iter().zip(&world.codes) {
        let code = f.bind(py).getattr("__code__")?;
        let file: String = code.getattr("co_filename")?.extract()?;
        let first_line: u32 = code.getattr("co_firstlineno")?.extract()?;
        if file != from.file || first_line != from.first_line {
            let from = from.clone();
            all.push(Moved {
                from,
                file,
                first_line,
            });
        }
    }
    if all.is_empty() {
        return Ok(all);
    }
    let place = |file: &str, line: u32| {
        let found = all.iter().find_map(|m| m.line(file, line));
        found.map(|(file, line)| (file.to_owned(), line))
    };
    let files: Vec<String> = image.frames.iter().map(|f| f.file.clone()).collect();
    for SiteData { frame, line, .. } in &mut image.sites {
        if let Some((_, now)) = files.get(*frame as usize).and_then(|f| place(f, *line)) {
            *line = now;
        }
    }
    for frame in &mut image.frames {
        if let Some((file, line)) = place(&frame.file, frame.first_line) {
            (frame.file, frame.first_line) = (file, line);
        }
    }
    let root = image
        .facts
        .functions
        .first()
        .map(|f| f.file.clone())
        .unwrap_or_default();
    for island in &mut image.islands {
        if let Some((_, line)) = place(&root, island.line) {
            island.line = line;
        }
    }
    for (text, f) in image.texts.iter_mut().zip(&image.facts.functions) {
        if let Some((_, line)) = place(&f.file, text.first_line) {
            text.first_line = line;
        }
    }
    Ok(all)
}
