//! Where a value outside the function is read: for guards and hidden arguments.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyModule, PyString, PyTuple};

/// A place that a name or attribute was resolved from.
pub enum Source {
    /// a global, else a builtin
    Global {
        globals: Py<PyDict>,
        builtins: Py<PyDict>,
        name: Py<PyString>,
    },
    /// an attribute of a module
    Module {
        dict: Py<PyDict>,
        name: Py<PyString>,
    },
    /// a closure cell
    Cell(Py<PyAny>),
    /// default of a parameter, by position from the end of `__defaults__`, or by name
    Default {
        function: Py<PyAny>,
        index: usize,
    },
    KeywordDefault {
        function: Py<PyAny>,
        name: Py<PyString>,
    },
    /// an attribute of any object
    Attribute {
        object: Py<PyAny>,
        name: &'static str,
    },
}

impl Source {
    /// The object there now.
    pub fn fetch<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        match self {
            Source::Global {
                globals,
                builtins,
                name,
            } => {
                let name = name.bind(py);
                match globals.bind(py).get_item(name) {
                    Ok(Some(o)) => Some(o),
                    _ => builtins.bind(py).get_item(name).ok().flatten(),
                }
            }
            Source::Module { dict, name } => dict.bind(py).get_item(name.bind(py)).ok().flatten(),
            Source::Cell(c) => c.bind(py).getattr("cell_contents").ok(),
            Source::Default { function, index } => {
                let d = function.bind(py).getattr("__defaults__").ok()?;
                d.cast::<PyTuple>().ok()?.get_item(*index).ok()
            }
            Source::KeywordDefault { function, name } => {
                let d = function.bind(py).getattr("__kwdefaults__").ok()?;
                d.cast::<PyDict>().ok()?.get_item(name.bind(py)).ok().flatten()
            }
            Source::Attribute { object, name } => object.bind(py).getattr(*name).ok(),
        }
    }
}

/// The object that compilation assumed at a place; `None`: there was none.
pub struct Guard {
    pub source: Source,
    pub expected: Option<Py<PyAny>>,
}

impl Guard {
    pub fn holds(&self, py: Python<'_>) -> bool {
        match (self.source.fetch(py), &self.expected) {
            (Some(o), Some(e)) => o.as_ptr() == e.as_ptr(),
            (None, None) => true,
            _ => false,
        }
    }
}

/// A value read at call time.
pub struct Hidden {
    pub source: Source,
    pub ty: numlift_types::Type,
}

/// The dict of a module.
pub fn module_dict(o: &Bound<'_, PyAny>) -> Option<Py<PyDict>> {
    o.cast::<PyModule>().ok().map(|m| m.dict().unbind())
}
