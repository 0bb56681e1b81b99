//! What compilation asked of the world outside the function, and what it was told.
//!
//! Every question has an origin in terms of the function: "global `np` of function 0", "attribute `sin` of object
//! 2". The answers become guards and hidden arguments. Asked in another process, the same questions must have the
//! same answers ([`World::replay`]): then code that was compiled on their ground fits there too.
//!
//! Functions and objects have handles in the order in which they are first met, so equal answers mean that the same
//! places hold the same objects.

mod classify;
mod fingerprint;

use std::collections::HashMap;

use numlift_types::{CodeRef, Known, ObjectRef, Resolved, Type};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyModule, PyString, PyTuple};
use serde::{Deserialize, Serialize};

use crate::key::{is_keyed_by_parts, is_opaque};
use crate::opaque::Opaque;
use crate::reference::Ref;
use crate::source::{Guard, Source, module_dict};
use crate::{ufunc, value};

pub use fingerprint::{Fingerprint, Identity};

/// Methods that functions of the table are.
const UFUNC_METHODS: [&str; 5] = ["accumulate", "at", "outer", "reduce", "reduceat"];

/// Where something is, from the function that is compiled.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Origin {
    /// An argument whose type needs the object.
    Argument(u32),
    /// A global, else a builtin.
    Global {
        function: CodeRef,
        name: String,
    },
    /// A closure variable, by its place in the closure.
    Cell {
        function: CodeRef,
        index: u32,
    },
    /// A name of a module.
    Attribute {
        module: ObjectRef,
        name: String,
    },
    /// The default of a parameter, by position.
    Default {
        function: CodeRef,
        index: u32,
    },
    KeywordDefault {
        function: CodeRef,
        name: String,
    },
    /// A module that is loaded.
    Loaded(String),
    /// A name of a module, which is imported.
    Imported {
        module: String,
        name: String,
    },
    /// The type of the number that a global is now; nothing is guarded.
    NumberGlobal {
        function: CodeRef,
        name: String,
    },
    /// The same for a closure variable.
    NumberCell {
        function: CodeRef,
        index: u32,
    },
    /// The type that an annotation names.
    Annotation {
        function: CodeRef,
        text: String,
    },
}

/// The questions with their answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    pub answers: Vec<(Origin, Resolved)>,
    /// What the objects are, by handle.
    pub known: Vec<Known>,
    /// The functions, by handle.
    pub functions: Vec<Fingerprint>,
    /// Types of the loops of ufuncs that are not NumPy's: another version of their library may have others.
    pub loops: Vec<(ObjectRef, Vec<String>)>,
}

/// The questions of one compilation.
#[derive(Debug, Default)]
pub struct World {
    pub objects: Vec<Ref>,
    pub known: Vec<Known>,
    pub codes: Vec<Ref>,
    pub guards: Vec<Guard>,
    /// Values read at call time.
    pub hidden: Vec<(Source, Type)>,
    pub hidden_slots: u32,
    /// The arguments of the call, if there is one.
    arguments: Vec<Ref>,
    /// The parameters whose values are not looked at.
    opaque: Opaque,
    /// Number of the argument that a code is of, where its closure is the argument's.
    argument_codes: HashMap<CodeRef, usize>,
    answers: Vec<(Origin, Resolved)>,
    /// Index of an answer.
    asked: HashMap<Origin, usize>,
    /// What is at a place that may be reached in several ways, by its owner and its name there.
    places: HashMap<(usize, String), Resolved>,
}

impl World {
    /// Of a function, whose handle is 0, and the arguments it is called with.
    pub fn new(function: &Bound<'_, PyAny>, arguments: &[Bound<'_, PyAny>], opaque: Opaque) -> World {
        let mut world = World {
            opaque,
            arguments: arguments.iter().map(Ref::from).collect(),
            ..World::default()
        };
        world.code(function);
        world
    }

    /// The handle of a function; its code object is guarded.
    pub fn code(&mut self, f: &Bound<'_, PyAny>) -> CodeRef {
        let mut handles = (0..).map(CodeRef).zip(&self.codes);
        let same =
            |(i, c): &(CodeRef, &Ref)| c.as_ptr() == f.as_ptr() && !self.argument_codes.contains_key(i);
        if let Some((code, _)) = handles.find(same) {
            return code;
        }
        self.codes.push(Ref::from(f));
        self.guards.push(Guard {
            source: Source::Code(Ref::from(f)),
            expected: f.getattr("__code__").ok().map(|c| Ref::from(&c)),
            by_class: false,
        });
        CodeRef(self.codes.len() as u32 - 1)
    }

    /// Number of the argument that a function is, if its closure is the argument's.
    pub fn argument_of(&self, code: CodeRef) -> Option<usize> {
        self.argument_codes.get(&code).copied()
    }

    /// The function behind a handle.
    pub fn function<'py>(&self, py: Python<'py>, code: CodeRef) -> Option<Bound<'py, PyAny>> {
        self.codes.get(code.0 as usize).map(|c| c.bind(py))
    }

    /// What is there. The question is noted with its answer.
    pub fn ask(&mut self, py: Python<'_>, origin: Origin) -> Resolved {
        if let Some(&i) = self.asked.get(&origin) {
            return self.answers[i].1.clone();
        }
        let answer = self.look(py, &origin).unwrap_or(Resolved::Missing);
        self.asked.insert(origin.clone(), self.answers.len());
        self.answers.push((origin, answer.clone()));
        answer
    }

    /// The type of argument number `i`; `None` if native code cannot look into it.
    pub fn argument(&mut self, py: Python<'_>, i: usize) -> Option<Type> {
        let o = self.arguments.get(i)?.bind(py);
        if o.is_exact_instance_of::<PyInt>() {
            return Some(Type::INT);
        }
        // SAFETY: a live object, and the GIL is held.
        if is_opaque(&o) || unsafe { self.opaque.hides(i, o.as_ptr()) } {
            return None;
        }
        // SAFETY: a live object, and the GIL is held.
        if let Some(t) = unsafe { value::type_of(o.as_ptr()) } {
            return Some(t);
        }
        match self.ask(py, Origin::Argument(i as u32)) {
            Resolved::Const(t) => Some(t),
            _ => None,
        }
    }

    fn look(&mut self, py: Python<'_>, origin: &Origin) -> Option<Resolved> {
        match origin {
            Origin::Argument(i) => {
                let o = self.arguments.get(*i as usize)?.bind(py);
                self.constant_argument(*i as usize, &o).map(Resolved::Const)
            }
            Origin::Global { function, name } => {
                let f = self.function(py, *function)?;
                let dict = |n: &str| f.getattr(n).ok()?.cast_into::<PyDict>().ok();
                let (globals, builtins) = (dict("__globals__")?, dict("__builtins__")?);
                let owner = globals.as_ptr() as usize;
                Some(self.place(py, owner, name, || Source::Global {
                    globals: Ref::from(&globals),
                    builtins: Ref::from(&builtins),
                    name: Ref::from(&PyString::intern(py, name)),
                }))
            }
            Origin::Cell { function, index } => {
                let cell = self.cell(py, *function, *index)?;
                match self.argument_codes.get(function).copied() {
                    Some(argument) => self.argument_cell(py, argument, *index as usize, &cell),
                    None => {
                        Some(self.place(py, cell.as_ptr() as usize, "", || Source::Cell(Ref::from(&cell))))
                    }
                }
            }
            Origin::Attribute { module, name } => self.attribute(py, *module, name),
            Origin::Default { function, index } => {
                let f = self.function(py, *function)?;
                let name = index.to_string();
                Some(self.place(py, f.as_ptr() as usize, &name, || Source::Default {
                    function: Ref::from(&f),
                    index: *index as usize,
                }))
            }
            Origin::KeywordDefault { function, name } => {
                let f = self.function(py, *function)?;
                Some(
                    self.place(py, f.as_ptr() as usize, name, || Source::KeywordDefault {
                        function: Ref::from(&f),
                        name: Ref::from(&PyString::intern(py, name)),
                    }),
                )
            }
            Origin::Loaded(path) => {
                let modules = py.import("sys").and_then(|m| m.getattr("modules"));
                let found = modules.ok()?.cast_into::<PyDict>().ok()?.get_item(path);
                Some(match found {
                    Ok(Some(m)) if m.is_instance_of::<PyModule>() => self.classify(&m),
                    _ => Resolved::NotLoaded,
                })
            }
            Origin::Imported { module, name } => {
                let o = py.import(module.as_str()).ok()?.getattr(name).ok()?;
                Some(match self.classify(&o) {
                    found @ Resolved::Const(Type::Known(_)) => found,
                    _ => self.known_object(&o, Known::Builtin(format!("{module}.{name}"))),
                })
            }
            Origin::NumberGlobal { function, name } => {
                let globals = self.function(py, *function)?.getattr("__globals__").ok()?;
                number(&globals.get_item(name).ok()?)
            }
            Origin::NumberCell { function, index } => {
                let cell = self.cell(py, *function, *index)?;
                number(&cell.getattr("cell_contents").ok()?)
            }
            Origin::Annotation { function, text } => {
                annotation(&self.function(py, *function)?, text).map(Resolved::Const)
            }
        }
    }

    fn cell<'py>(&self, py: Python<'py>, function: CodeRef, index: u32) -> Option<Bound<'py, PyAny>> {
        let closure = self.function(py, function)?.getattr("__closure__").ok()?;
        closure.cast_into::<PyTuple>().ok()?.get_item(index as usize).ok()
    }

    /// A name of a module, which may be loaded when it is asked for.
    fn attribute(&mut self, py: Python<'_>, module: ObjectRef, name: &str) -> Option<Resolved> {
        let o = self.objects.get(module.0 as usize)?.bind(py);
        let Some(dict) = module_dict(&o) else {
            let opaque = || Resolved::Opaque(format!("attribute {name}"));
            return Some(self.ufunc_method(&o, name).unwrap_or_else(opaque));
        };
        let dict = dict.bind(py);
        if !dict.contains(name).unwrap_or(false) {
            // modules with lazy attributes: load it once, then it is in the dict
            let _ = o.getattr(name);
        }
        Some(self.place(py, dict.as_ptr() as usize, name, || Source::Module {
            dict: Ref::from(&dict),
            name: Ref::from(&PyString::intern(py, name)),
        }))
    }

    /// `np.add.reduce` and the like: ufuncs do not change, so nothing is guarded.
    fn ufunc_method(&mut self, o: &Bound<'_, PyAny>, name: &str) -> Option<Resolved> {
        let ufunc: String = o.getattr("__name__").and_then(|n| n.extract()).ok()?;
        let own = o
            .py()
            .import("numpy")
            .and_then(|m| m.getattr(ufunc.as_str()))
            .ok()?;
        if !own.is(o) || !UFUNC_METHODS.contains(&name) {
            return None;
        }
        let method = o.getattr(name).ok()?;
        Some(self.known_object(&method, Known::Builtin(format!("numpy.{ufunc}.{name}"))))
    }

    /// What is at a place, with a guard or as a hidden argument.
    fn place(&mut self, py: Python<'_>, owner: usize, name: &str, source: impl Fn() -> Source) -> Resolved {
        let key = (owner, name.to_owned());
        if let Some(r) = self.places.get(&key) {
            return r.clone();
        }
        let r = self.guarded(py, source());
        self.places.insert(key, r.clone());
        r
    }

    fn guarded(&mut self, py: Python<'_>, source: Source) -> Resolved {
        let found = source.fetch(py);
        let r = match &found {
            None => Resolved::Missing,
            // SAFETY: a live object, and the GIL is held.
            Some(o) => match unsafe { value::type_of(o.as_ptr()) } {
                Some(ty) if ty != Type::None => return self.add_hidden(source, ty),
                _ => self.classify(o),
            },
        };
        // of an object that the code knows nothing of it may be another one of the class
        let by_class = matches!(r, Resolved::Opaque(_));
        let expected = found.as_ref().map(|o| match by_class {
            true => Ref::from(&o.get_type()),
            false => Ref::from(o),
        });
        self.guards.push(Guard {
            source,
            expected,
            by_class,
        });
        r
    }

    /// A closure variable of an argument: the key of the call says what it is, so nothing is guarded.
    fn argument_cell(
        &mut self,
        py: Python<'_>,
        argument: usize,
        cell: usize,
        now: &Bound<'_, PyAny>,
    ) -> Option<Resolved> {
        let o = Source::Cell(Ref::from(now)).fetch(py)?;
        // SAFETY: a live object, and the GIL is held.
        let found = unsafe { value::type_of(o.as_ptr()) };
        Some(match found.filter(|t| *t != Type::None) {
            Some(ty) => self.add_hidden(Source::ArgumentCell { argument, cell }, ty),
            None => self.classify(&o),
        })
    }

    fn add_hidden(&mut self, source: Source, ty: Type) -> Resolved {
        let index = self.hidden_slots;
        self.hidden_slots += value::slots(&ty) as u32;
        self.hidden.push((source, ty.clone()));
        Resolved::Hidden { index, ty }
    }

    /// The type of an argument that is, or contains, a constant.
    fn constant_argument(&mut self, i: usize, o: &Bound<'_, PyAny>) -> Option<Type> {
        if !is_keyed_by_parts(o) {
            return self.value_or_constant(o);
        }
        let code = CodeRef(self.codes.len() as u32);
        self.codes.push(Ref::from(o));
        self.argument_codes.insert(code, i);
        Some(Type::Function(code))
    }

    /// The type of a value, or the constant it is.
    fn value_or_constant(&mut self, o: &Bound<'_, PyAny>) -> Option<Type> {
        if let Ok(items) = o.cast_exact::<PyTuple>() {
            let types: Option<Vec<Type>> = items.iter().map(|i| self.value_or_constant(&i)).collect();
            return types.map(Type::tuple);
        }
        // SAFETY: a live object, and the GIL is held.
        if let Some(t) = unsafe { value::type_of(o.as_ptr()) } {
            return Some(t);
        }
        match self.classify(o) {
            Resolved::Const(t) => Some(t),
            _ => None,
        }
    }

    /// The questions and answers, for another process; `None` if the source of a function is not available.
    pub fn facts(&self, py: Python<'_>) -> Option<Facts> {
        let functions: Option<Vec<Fingerprint>> =
            self.codes.iter().map(|f| Fingerprint::of(&f.bind(py))).collect();
        Some(Facts {
            answers: self.answers.clone(),
            known: self.known.clone(),
            functions: functions?,
            loops: self.loops(py),
        })
    }

    fn loops(&self, py: Python<'_>) -> Vec<(ObjectRef, Vec<String>)> {
        let handles = (0..).map(ObjectRef).zip(&self.objects);
        let types = |(handle, o): (ObjectRef, &Ref)| Some((handle, ufunc::foreign_loops(&o.bind(py))?));
        handles.filter_map(types).collect()
    }

    /// Asks the same questions here; `None` if an answer is another one, or a function is not the same.
    pub fn replay(
        facts: &Facts,
        function: &Bound<'_, PyAny>,
        arguments: &[Bound<'_, PyAny>],
        identity: Identity,
    ) -> Option<World> {
        let py = function.py();
        let mut world = World::new(function, arguments, Opaque::default());
        let mut checked = 0;
        let mut same = |world: &World| {
            while let Some(f) = world.codes.get(checked) {
                let expected = facts.functions.get(checked)?;
                expected.is_of(&f.bind(py), identity).then_some(())?;
                checked += 1;
            }
            (world.known[..] == *facts.known.get(..world.known.len())?).then_some(())
        };
        same(&world)?;
        for (origin, answer) in &facts.answers {
            if world.ask(py, origin.clone()) != *answer {
                return None;
            }
            same(&world)?;
        }
        let complete = world.codes.len() == facts.functions.len() && world.known.len() == facts.known.len();
        (complete && world.loops(py) == facts.loops).then_some(world)
    }

    /// The handle of an object.
    fn known_object(&mut self, o: &Bound<'_, PyAny>, k: Known) -> Resolved {
        let at = self.objects.iter().position(|x| x.as_ptr() == o.as_ptr());
        let at = at.unwrap_or_else(|| {
            self.objects.push(Ref::from(o));
            self.known.push(k);
            self.objects.len() - 1
        });
        Resolved::Const(Type::Known(ObjectRef(at as u32)))
    }
}

/// The type of a number, Python's or NumPy's.
fn number(o: &Bound<'_, PyAny>) -> Option<Resolved> {
    // SAFETY: a live object, and the GIL is held.
    let found = unsafe { value::type_of(o.as_ptr()) };
    found
        .filter(|t| matches!(t, Type::Scalar(_)))
        .map(Resolved::Const)
}

/// The type that an annotation names, given its text, in the globals of a function.
fn annotation(function: &Bound<'_, PyAny>, text: &str) -> Option<Type> {
    let module = crate::support::module(function.py(), "_islands").ok()?;
    let found = module.call_method1("annotation", (function, text)).ok()?;
    let name: String = found.extract().ok()?;
    match name.as_str() {
        "bool" => Some(Type::BOOL),
        "int" => Some(Type::INT),
        "float" => Some(Type::FLOAT),
        "complex" => Some(Type::COMPLEX),
        other => numlift_types::signature::parse_type(other).ok(),
    }
}
