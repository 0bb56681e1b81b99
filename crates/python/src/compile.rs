//! Compilation for the arguments of a call, and what the user is told when it is not possible.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use numlift_diagnostics::{Diagnostic, render};
use numlift_driver::Refusal as Refused;
use numlift_driver::{Analysis, Artifact, Options};
use numlift_pyrt::bind::Params;
use numlift_pyrt::feedback::{Feedback, MAX_DECISIONS};
use numlift_pyrt::image::Image;
use numlift_pyrt::reference::Ref;
use numlift_pyrt::select::{Compiled, Compiler, MAX_SPECIALIZATIONS, Refusal, Request};
use numlift_pyrt::spec::Specialization;
use numlift_pyrt::table::{Entry, Tier};
use numlift_pyrt::world::{Identity, World};
use numlift_types::{Reason, Type};
use pyo3::exceptions::PySystemError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::cache::{self, Slot};
use crate::counting;
use crate::env::{Assumed, PyEnv, ROOT, is_static};
use crate::feedback::Prospects;
use crate::image;
use crate::inner;

static INTERNAL_FATAL: AtomicBool = AtomicBool::new(false);

/// Internal errors of the compiler raise instead of falling back to the interpreter.
#[pyfunction]
pub fn set_internal_errors_fatal(on: bool) {
    INTERNAL_FATAL.store(on, Ordering::Relaxed);
}

/// The compiler of one jitted function.
pub struct JitCompiler {
    pub options: Options,
    strict: bool,
    nogil: bool,
    /// Specialisations are looked for, and stored, on the disk.
    cache: bool,
    /// It is not warned of what runs in the interpreter.
    pub quiet: bool,
    warned: AtomicBool,
    /// Calls with arguments that nothing is compiled for.
    uncompiled: Mutex<Vec<Uncompiled>>,
}

/// Calls that the interpreter made because nothing is compiled for such arguments.
#[derive(Clone)]
pub struct Uncompiled {
    pub signature: String,
    pub diagnostic: Diagnostic,
    pub calls: u64,
}

/// Kinds of such calls that are told apart.
const MAX_UNCOMPILED: usize = 64;

/// What is kept with a specialisation for the inspectors.
pub struct Info {
    pub arg_names: Vec<String>,
    /// What the arguments are, as messages name it.
    arg_words: Vec<String>,
    pub ret: Option<String>,
    /// Why there is no machine code.
    pub refusal: Option<Box<Refused>>,
    /// What the interpreter runs in the machine code.
    pub places: Vec<Diagnostic>,
    /// Why each island is one, by index.
    pub island_reasons: Vec<Option<Diagnostic>>,
    pub timings: Vec<(&'static str, Duration)>,
    /// Of the passes of the optimiser.
    pub passes: Vec<(&'static str, Duration)>,
    pub cached: cache::Use,
    /// Types that are assumed.
    pub assumed: Assumed,
    pub prospects: Prospects,
    args: Vec<ArgSpec>,
}

/// An argument of a specialisation: its type, or the constant whose type depends on the environment.
#[derive(Clone)]
enum ArgSpec {
    Type(Type),
    Object(Arc<Ref>),
}

impl Info {
    /// Every place without a static type.
    pub fn places(&self) -> &[Diagnostic] {
        self.refusal.as_ref().map_or(&self.places, |r| &r.places)
    }

    /// An environment for the same arguments, and their types in it.
    pub fn again<'py>(&self, function: &Bound<'py, PyAny>) -> (PyEnv<'py>, Option<Vec<Type>>) {
        let py = function.py();
        let object = |a: &ArgSpec| match a {
            ArgSpec::Type(_) => py.None().into_bound(py),
            ArgSpec::Object(o) => o.bind(py),
        };
        let objects: Vec<Bound<'py, PyAny>> = self.args.iter().map(object).collect();
        let mut env = PyEnv::new(function, &objects);
        env.assumed = self.assumed.clone();
        *env.arguments.borrow_mut() = self.arg_words.clone();
        let one = |(i, a): (usize, &ArgSpec)| match a {
            ArgSpec::Type(t) => Some(t.clone()),
            ArgSpec::Object(_) => env.argument_type(i),
        };
        let types = self.args.iter().enumerate().map(one).collect();
        (env, types)
    }
}

impl JitCompiler {
    pub fn new(options: Options, strict: bool, nogil: bool, cache: bool) -> JitCompiler {
        JitCompiler {
            options,
            strict,
            nogil,
            cache,
            warned: AtomicBool::new(false),
            quiet: false,
            uncompiled: Mutex::default(),
        }
    }

    /// Whether the GIL is released where the code needs no Python.
    pub fn nogil(&self) -> bool {
        self.nogil
    }

    /// Calls with arguments that nothing is compiled for, by the classes of the arguments.
    pub fn uncompiled(&self) -> Vec<Uncompiled> {
        let rows = self.uncompiled.lock().unwrap_or_else(PoisonError::into_inner);
        rows.clone()
    }

    fn count_uncompiled(&self, args: &[Bound<'_, PyAny>], diagnostic: &Diagnostic) {
        let class = |o: &Bound<'_, PyAny>| o.get_type().name().map_or(String::new(), |n| n.to_string());
        let signature = format!("({})", args.iter().map(class).collect::<Vec<_>>().join(", "));
        let mut rows = self.uncompiled.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |r: &&mut Uncompiled| r.signature == signature && r.diagnostic.code == diagnostic.code;
        if let Some(row) = rows.iter_mut().find(same) {
            row.calls += 1;
        } else if rows.len() < MAX_UNCOMPILED {
            rows.push(Uncompiled {
                signature,
                diagnostic: diagnostic.clone(),
                calls: 1,
            });
        }
    }

    /// Where the specialisation is, or will be, on the disk.
    fn slot(&self, env: &PyEnv<'_>, function: &Bound<'_, PyAny>, args: &Args<'_>) -> Option<Slot> {
        let of = |world: &World| Slot::of(function, world, &args.types, &self.options, self.nogil);
        self.cache.then(|| of(&env.world.borrow())).flatten()
    }

    /// Compiles or says why not; a panic of the compiler is an internal error.
    pub(crate) fn attempt(
        &self,
        env: &PyEnv<'_>,
        args: &[Type],
        function: &Bound<'_, PyAny>,
    ) -> Result<Artifact, Refused> {
        let run = || numlift_driver::compile(env, ROOT, args, &self.options);
        caught(function, run).unwrap_or_else(|d| Err(Refused::from(Box::new(d))))
    }

    /// Warns once per function, or raises: `strict`, or an internal error while these are fatal.
    pub(crate) fn report(&self, function: &Bound<'_, PyAny>, d: &Diagnostic) -> PyResult<()> {
        let module = function.py().import("numlift._errors")?;
        let text = render::text(d, false);
        let fatal = d.code == "NL9001" && INTERNAL_FATAL.load(Ordering::Relaxed);
        if self.strict || fatal {
            let e = module.call_method1("compile_error", (text, d.code, &d.message, &d.file, d.line))?;
            return Err(PyErr::from_value(e));
        }
        let quiet = self.quiet && d.code != "NL9001";
        if !quiet && !self.warned.swap(true, Ordering::Relaxed) {
            let name = function.getattr("__qualname__")?;
            module.call_method1("warn_fallback", (name, text, d.code))?;
        }
        Ok(())
    }

    /// The entry of an artifact; `decisions` have been taken about the types that calls observe.
    pub(crate) fn native(
        &self,
        function: &Bound<'_, PyAny>,
        artifact: Artifact,
        env: PyEnv<'_>,
        args: Args<'_>,
        slot: Option<Slot>,
        decisions: u8,
    ) -> PyResult<Compiled> {
        let hirs = env.hirs();
        let hir = hirs.first().and_then(Option::as_deref);
        let mut info = Info {
            arg_names: args.names,
            arg_words: args.words,
            ret: artifact.ret.as_ref().map(ToString::to_string),
            refusal: None,
            places: artifact.places.clone(),
            island_reasons: artifact.island_reasons.clone(),
            timings: artifact.timings.clone(),
            passes: artifact.passes.clone(),
            cached: cache::Use::Off,
            assumed: env.assumed.clone(),
            prospects: Prospects::new(&artifact.observable, artifact.gain, hir),
            args: args.specs,
        };
        let mut image = image::of(artifact, &hirs, self.nogil);
        let mut world = env.world.into_inner();
        if self.cache {
            let start = Instant::now();
            info.cached = cache::Use::Missed;
            if let (Some(slot), Some(facts)) = (slot, world.facts(function.py())) {
                image.facts = facts;
                image.notes = cache::Notes::write(&info.places, &info.island_reasons, &info.prospects);
                info.cached = slot.save(function.py(), &image)?;
            }
            info.timings.push(("store", start.elapsed()));
        }
        if self.options.verify {
            let facts = world.facts(function.py());
            image.facts = facts.ok_or_else(|| unreadable("a function has no fingerprint"))?;
            (image, world) = round_trip(&image, function, &args.objects)?;
        }
        self.loaded(function, image, world, info, decisions)
    }

    /// The entry of an image.
    fn loaded(
        &self,
        function: &Bound<'_, PyAny>,
        image: Image,
        world: World,
        info: Info,
        decisions: u8,
    ) -> PyResult<Compiled> {
        let watch = match decisions < MAX_DECISIONS {
            true => info.prospects.watch(function)?,
            false => None,
        };
        let inner = inner::of(function.py(), &self.options, self.nogil, self.cache)?;
        let parts = numlift_pyrt::image::parts(function, image, world, watch.as_ref(), Some(&inner))?;
        Ok(Compiled {
            tier: Tier::Native(Box::new(Specialization::load(parts)?)),
            feedback: watch.map(|w| w.feedback(None, decisions)),
            counted: None,
            info: Box::new(info),
        })
    }
}

/// A specialisation that was compiled elsewhere; `None` if it cannot be made to run here.
fn cached(
    compiler: &JitCompiler,
    function: &Bound<'_, PyAny>,
    found: cache::Loaded,
    args: &Args<'_>,
    start: Instant,
) -> Option<Compiled> {
    let info = Info {
        arg_names: args.names.clone(),
        arg_words: args.words.clone(),
        ret: found.image.ret.as_ref().map(ToString::to_string),
        refusal: None,
        places: found.notes.places,
        island_reasons: found.notes.island_reasons,
        timings: vec![("cache", start.elapsed())],
        passes: vec![],
        cached: cache::Use::Hit,
        assumed: Assumed::default(),
        prospects: found.notes.prospects,
        args: args.specs.clone(),
    };
    compiler.loaded(function, found.image, found.world, info, 0).ok()
}

fn unreadable(what: &str) -> PyErr {
    PySystemError::new_err(format!("numlift: an image cannot be read: {what}"))
}

/// What another process would make of an image.
fn round_trip(
    image: &Image,
    function: &Bound<'_, PyAny>,
    arguments: &[Bound<'_, PyAny>],
) -> PyResult<(Image, World)> {
    let failed = |what: String| PySystemError::new_err(format!("numlift: an image cannot be read: {what}"));
    let bytes = image.encode().ok_or_else(|| failed("no bytes".into()))?;
    let mut read = Image::decode(&bytes).map_err(|e| failed(e.to_string()))?;
    let world = World::replay(&read.facts, function, arguments, Identity::Code)
        .ok_or_else(|| failed("another world".into()))?;
    numlift_pyrt::image::moved(function.py(), &mut read, &world)?;
    Ok((read, world))
}

/// A specialisation that is not loaded here.
pub struct Ahead {
    pub image: Image,
    /// What it was made from; the tables that are in the image are empty.
    pub artifact: Artifact,
}

/// Compiles for argument types, for another process.
///
/// # Errors
/// What is wrong, with its place in the file.
pub fn ahead(
    function: &Bound<'_, PyAny>,
    args: &[Type],
    options: &Options,
    nogil: bool,
) -> Result<Ahead, Refused> {
    let env = PyEnv::new(function, &[]);
    let run = || numlift_driver::compile(&env, ROOT, args, options);
    let result = caught(function, run).unwrap_or_else(|d| Err(Refused::from(Box::new(d))));
    let located = |mut refused: Refused| {
        locate(function, &mut refused.diagnostic);
        refused.places.iter_mut().for_each(|d| locate(function, d));
        refused
    };
    let artifact = result.map_err(located)?;
    let mut image = image::of(artifact.clone(), &env.hirs(), nogil);
    let facts = env.world.into_inner().facts(function.py());
    image.facts = facts.ok_or_else(|| {
        let text = "the source of a function is not available".to_owned();
        Refused::from(Box::new(diagnostic(function, "NL1001", text)))
    })?;
    Ok(Ahead { image, artifact })
}

/// What has no static type in a function with arguments of these types; nothing is compiled. `words` say what the
/// arguments are that have none themselves.
pub fn check(function: &Bound<'_, PyAny>, args: &[Type], words: Vec<String>) -> Vec<Diagnostic> {
    let env = PyEnv::new(function, &[]);
    *env.arguments.borrow_mut() = words;
    analyse(&env, args, function).places
}

/// What typing tells of a function with arguments of these types.
pub fn analyse(env: &PyEnv<'_>, args: &[Type], function: &Bound<'_, PyAny>) -> Analysis {
    let analysis = caught(function, || numlift_driver::analyse(env, ROOT, args));
    let mut analysis = analysis.unwrap_or_else(|d| Analysis {
        places: vec![d],
        ..Analysis::default()
    });
    analysis.places.iter_mut().for_each(|d| locate(function, d));
    analysis
}

/// Compiles once more with the texts of the stages kept.
pub fn compile_with_texts(
    env: &PyEnv<'_>,
    args: &[Type],
    options: &Options,
    function: &Bound<'_, PyAny>,
) -> Option<Artifact> {
    let options = Options {
        keep_text: true,
        ..*options
    };
    let run = || numlift_driver::compile(env, ROOT, args, &options);
    caught(function, run).ok()?.ok()
}

/// Runs a stage of the compiler; a panic of it is an internal error.
pub(crate) fn caught<R>(function: &Bound<'_, PyAny>, run: impl FnOnce() -> R) -> Result<R, Diagnostic> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("unknown");
        diagnostic(function, "NL9001", format!("internal error: {text}"))
    })
}

/// Adds what a diagnostic about the whole function does not say: its place and the line there.
fn locate(function: &Bound<'_, PyAny>, d: &mut Diagnostic) {
    if d.file.is_empty() {
        let place = diagnostic(function, "", String::new());
        d.file = place.file;
        d.line = place.line;
    }
    if d.source_line.is_empty() {
        d.source_line = source_line(function.py(), d);
    }
}

/// The arguments of a request.
pub(crate) struct Args<'py> {
    pub types: Vec<Type>,
    names: Vec<String>,
    words: Vec<String>,
    specs: Vec<ArgSpec>,
    objects: Vec<Bound<'py, PyAny>>,
}

impl<'py> Args<'py> {
    pub fn of(env: &PyEnv<'py>, request: &Request<'_, 'py>) -> Args<'py> {
        match request {
            Request::Types(types) => Args {
                types: types.to_vec(),
                names: types.iter().map(ToString::to_string).collect(),
                words: vec![],
                specs: types.iter().cloned().map(ArgSpec::Type).collect(),
                objects: vec![],
            },
            Request::Objects(objects, _) => {
                let words = objects.iter().map(|o| what_it_is(o).unwrap_or_default());
                let words: Vec<String> = words.collect();
                *env.arguments.borrow_mut() = words.clone();
                let unknown = Type::Object(Reason::JOIN);
                let types = 0..objects.len();
                let types = types.map(|i| env.argument_type(i).unwrap_or(unknown.clone()));
                let types: Vec<Type> = types.collect();
                let spec = |(o, t): (&Bound<'_, PyAny>, &Type)| match is_static(t) {
                    true => ArgSpec::Type(t.clone()),
                    false => ArgSpec::Object(Arc::new(Ref::from(o))),
                };
                let names = objects.iter().zip(&types).map(|(o, t)| env.describe(o, t));
                Args {
                    names: names.collect(),
                    words,
                    specs: objects.iter().zip(&types).map(spec).collect(),
                    types,
                    objects: objects.to_vec(),
                }
            }
        }
    }
}

impl Compiler for JitCompiler {
    fn compile<'py>(&self, function: &Bound<'py, PyAny>, request: &Request<'_, 'py>) -> PyResult<Compiled> {
        let env = PyEnv::requested(function, request);
        let start = Instant::now();
        let args = Args::of(&env, request);
        let slot = self.slot(&env, function, &args);
        if let Some(slot) = &slot
            && let Some(loaded) = slot.load(function, &args.objects)
            && let Some(compiled) = cached(self, function, loaded, &args, start)
        {
            return Ok(compiled);
        }
        let result = self.attempt(&env, &args.types, function);
        let spent = start.elapsed();
        let mut refused = match result {
            Ok(artifact) => return self.native(function, artifact, env, args, slot, 0),
            Err(refused) => refused,
        };
        locate(function, &mut refused.diagnostic);
        let observable = std::mem::take(&mut refused.observable);
        let hirs = env.hirs();
        let prospects = Prospects::new(&observable, 0.0, hirs.first().and_then(Option::as_deref));
        let watch = prospects.watch(function)?;
        let make = inner::of_rest(function.py(), &self.options, self.nogil)?;
        let hir = hirs.first().and_then(Option::as_deref);
        let counted = counting::copy_of(function, hir, watch.as_ref(), &make)?;
        let feedback = match watch {
            Some(watch) => prospects.observed(function, watch, &make)?,
            None => None,
        };
        if feedback.is_none() {
            self.report(function, &refused.diagnostic)?;
        }
        let info = Info {
            arg_names: args.names,
            arg_words: args.words,
            ret: None,
            refusal: Some(Box::new(refused)),
            places: vec![],
            island_reasons: vec![],
            timings: vec![("typeck", spent)],
            passes: vec![],
            cached: cache::Use::Off,
            assumed: Assumed::default(),
            prospects,
            args: args.specs,
        };
        Ok(Compiled {
            tier: Tier::Interpreter(env.world.into_inner().guards),
            feedback,
            counted,
            info: Box::new(info),
        })
    }

    fn refine<'py>(
        &self,
        function: &Bound<'py, PyAny>,
        request: &Request<'_, 'py>,
        entry: &Entry,
        feedback: &Feedback,
    ) -> PyResult<Option<Compiled>> {
        match entry.info.downcast_ref::<Info>() {
            Some(info) => self.refined(function, request, info, feedback),
            None => Ok(None),
        }
    }

    fn refuse(
        &self,
        function: &Bound<'_, PyAny>,
        params: &Params,
        args: &[Bound<'_, PyAny>],
        why: Refusal,
    ) -> PyResult<()> {
        let (code, text) = match why {
            Refusal::TooMany => (
                "NL2014",
                format!(
                    "more than {MAX_SPECIALIZATIONS} specialisations: other argument types run in the interpreter"
                ),
            ),
            Refusal::Argument(i) => {
                let name = params.name(function.py(), i);
                let what = args.get(i).map_or(Ok(String::new()), what_it_is)?;
                (
                    "NL2002",
                    format!("argument `{name}` is {what}: it has no native type"),
                )
            }
        };
        let d = diagnostic(function, code, text);
        self.count_uncompiled(args, &d);
        self.report(function, &d)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// An argument without a native type, in words.
fn what_it_is(o: &Bound<'_, PyAny>) -> PyResult<String> {
    let class = o.get_type().name()?.to_string();
    if class == "int" {
        return Ok("an int beyond 64 bits".into());
    }
    let article = if class.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    // objects of other classes may have code that is asked for attributes
    let numpy = o.py().import("numpy")?;
    let numbers = [numpy.getattr("ndarray")?, numpy.getattr("generic")?];
    let numbers = PyTuple::new(o.py(), numbers)?;
    if !o.get_type().is_subclass(&numbers)? {
        return Ok(format!("{article} {class}"));
    }
    let dtype = o.getattr("dtype")?;
    let aligned = o.getattr("flags").and_then(|f| f.getattr("aligned"));
    if aligned.and_then(|a| a.is_truthy()).unwrap_or(true) {
        Ok(format!("{article} {class} of dtype {dtype}"))
    } else {
        Ok(format!("a misaligned {class} of dtype {dtype}"))
    }
}

fn diagnostic(function: &Bound<'_, PyAny>, code: &'static str, message: String) -> Diagnostic {
    let co = function.getattr("__code__");
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
    d.source_line = source_line(function.py(), &d);
    d
}

fn source_line(py: Python<'_>, d: &Diagnostic) -> String {
    py.import("linecache")
        .and_then(|m| m.call_method1("getline", (&d.file, d.line)))
        .and_then(|l| l.extract::<String>())
        .map(|l| l.trim_end().to_owned())
        .unwrap_or_default()
}
