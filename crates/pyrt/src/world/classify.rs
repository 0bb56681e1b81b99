//! What an object is to the compiler: a constant it knows, a function, or nothing it can look into.

use numlift_types::{DType, Known, Resolved, Type};
use pyo3::prelude::*;
use pyo3::types::{PyFunction, PyModule, PyString, PyType};

use super::World;
use crate::{foreign, numpy, object};

impl World {
    pub(super) fn classify(&mut self, o: &Bound<'_, PyAny>) -> Resolved {
        if o.is_none() {
            return Resolved::Const(Type::None);
        }
        if let Ok(s) = o.cast_exact::<PyString>() {
            return match s.to_str() {
                Ok(s) => Resolved::Const(Type::Str(s.into())),
                Err(_) => Resolved::Opaque("str".into()),
            };
        }
        if let Ok(m) = o.cast::<PyModule>() {
            let name = m.name().map(|n| n.to_string()).unwrap_or_default();
            return self.known_object(o, Known::Module(name));
        }
        if let Ok(t) = o.cast::<PyType>() {
            return self.class(o, t);
        }
        if let Ok(jitted) = object::body(o) {
            return Resolved::Const(Type::Function(self.code(&jitted.function.bind(o.py()))));
        }
        if let Some(signature) = foreign::signature(o) {
            // they are looked at once for each place that it is found at
            self.guards.extend(foreign::guards(o));
            return self.known_object(o, Known::C(signature));
        }
        let class = o.get_type().name().map(|n| n.to_string()).unwrap_or_default();
        // objects of other classes may have code that is asked for attributes
        let of = text(&o.get_type(), "__module__");
        if !["builtins", "numpy", "numlift.", "_cython"]
            .iter()
            .any(|m| of.starts_with(m))
        {
            return Resolved::Opaque(class);
        }
        let module = text(o, "__module__");
        let name = text(o, "__name__");
        if o.is_instance_of::<PyFunction>() && !module.starts_with("numpy") && module != "numlift" {
            return Resolved::Const(Type::Function(self.code(o)));
        }
        if class == "ufunc" {
            return self.known_object(o, Known::Builtin(format!("numpy.{name}")));
        }
        let native = |o: &Bound<'_, PyAny>| {
            o.getattr("isnative")
                .is_ok_and(|n| n.is_truthy().unwrap_or(false))
        };
        if let Some(d) = (class.ends_with("DType") && native(o))
            .then(|| text(o, "name"))
            .filter(|_| o.getattr("isnative").and_then(|x| x.extract()).unwrap_or(false))
            .and_then(|n| DType::from_name(&n))
        {
            return Resolved::Const(Type::DType(d));
        }
        if class == "ScalarType"
            && module == "numlift.types"
            && let Some(d) = DType::from_name(&text(o, "name"))
        {
            return Resolved::Const(Type::DType(d));
        }
        if class.starts_with("builtin_function_or_method")
            || class.ends_with("cyfunction")
            || module.starts_with("numpy")
        {
            if let Ok(owner) = o.getattr("__self__")
                && owner.get_type().name().is_ok_and(|n| n == "RandomState")
            {
                let global = o
                    .py()
                    .import("numpy.random")
                    .and_then(|m| m.getattr("mtrand"))
                    .and_then(|m| m.getattr("_rand"));
                if global.is_ok_and(|g| g.is(&owner)) {
                    return self.known_object(o, Known::Builtin(format!("numpy.random.{name}")));
                }
                return Resolved::Opaque("RandomState method".into());
            }
            return self.known_object(o, Known::Builtin(format!("{module}.{name}")));
        }
        Resolved::Opaque(class)
    }

    fn class(&mut self, o: &Bound<'_, PyAny>, t: &Bound<'_, PyType>) -> Resolved {
        let api = numpy::api();
        if let Some(d) = DType::ALL
            .into_iter()
            .find(|d| std::ptr::eq(api.scalar_types[*d as usize].cast(), t.as_ptr()))
        {
            return Resolved::Const(Type::DType(d));
        }
        let name = t.name().map(|n| n.to_string()).unwrap_or_default();
        let module = text(o, "__module__");
        if module == "numlift" && name == "prange" {
            return self.known_object(o, Known::Builtin("numlift.prange".into()));
        }
        if module == "numpy" && (name == "finfo" || name == "iinfo") {
            return self.known_object(o, Known::Builtin(format!("numpy.{name}")));
        }
        if module == "builtins" {
            if t.is_subclass_of::<pyo3::exceptions::PyBaseException>()
                .unwrap_or(false)
            {
                return self.known_object(o, Known::Exception(name));
            }
            return self.known_object(o, Known::Builtin(format!("builtins.{name}")));
        }
        if module == "numpy" {
            return self.known_object(o, Known::Builtin(format!("numpy.{name}")));
        }
        Resolved::Opaque(format!("type ({name})"))
    }
}

fn text(o: &Bound<'_, PyAny>, name: &str) -> String {
    o.getattr(name).and_then(|x| x.extract()).unwrap_or_default()
}
