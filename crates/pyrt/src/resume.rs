//! Exits behind an effect: the interpreter goes on from the start of a statement.
//!
//! The exit has recorded the variables and what is left of the loops around the statement. `numlift._islands`
//! makes a function of the rest of the source; it is called here, so that tracebacks show the user's frames only.

use numlift_runtime::{Ctx, ResumeSource};
use numlift_types::Type;
use pyo3::ffi::PyObject;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use serde::{Deserialize, Serialize};

use crate::reference::Ref;
use crate::source::Args;
use crate::value;

/// Line, from 1, and column in bytes in the function's source.
pub type Position = (u32, u32);

/// A statement from which the interpreter can go on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Point {
    pub at: Position,
    /// It goes on behind the statement.
    pub behind: bool,
    pub vars: Vec<(String, ResumeSource)>,
    /// `for` statements around it: where, what gives the remaining items, types of its operands.
    pub loops: Vec<(Position, String, Vec<Type>)>,
}

/// The resume points of a specialisation and the function they are in.
#[derive(Debug)]
pub struct Resume {
    pub function: Ref,
    pub source: String,
    pub first_line: u32,
    pub points: Vec<Point>,
}

/// Values of variables in slots, read in order; references that are ours are given back on drop.
pub(crate) struct Operands {
    at: *const u64,
    owned: bool,
    read: Vec<(Type, *const u64)>,
}

impl Operands {
    /// Operands of an exit, which took references for us.
    pub(crate) fn owned(at: *const u64) -> Operands {
        Operands {
            at,
            owned: true,
            read: vec![],
        }
    }

    /// Slots of a function that is still there.
    pub(crate) fn borrowed(at: *const u64) -> Operands {
        Operands {
            at,
            owned: false,
            read: vec![],
        }
    }

    unsafe fn next<'py>(&mut self, py: Python<'py>, t: &Type) -> PyResult<Bound<'py, PyAny>> {
        // SAFETY: the site says which operands there are.
        unsafe {
            let at = self.at;
            self.at = at.add(value::slots(t));
            self.read.push((t.clone(), at));
            Bound::from_owned_ptr_or_err(py, value::boxed(t, at))
        }
    }

    unsafe fn flag(&mut self) -> bool {
        // SAFETY: as for `next`.
        unsafe {
            let flag = *self.at & 0xff != 0;
            self.at = self.at.add(1);
            flag
        }
    }

    /// Skips a value that is not there.
    unsafe fn skip(&mut self, t: &Type) {
        // SAFETY: as for `next`.
        self.at = unsafe { self.at.add(value::slots(t)) };
    }
}

impl Drop for Operands {
    fn drop(&mut self) {
        for (t, at) in self.read.iter().filter(|_| self.owned) {
            // SAFETY: the references are ours; the GIL is held.
            unsafe { value::release(t, *at) };
        }
    }
}

impl Resume {
    /// Goes on from a point: the result of the call. Variables of `bound` have these values instead.
    ///
    /// # Errors
    /// What the rest of the function raises.
    ///
    /// # Safety
    /// The operands are those of the point; `args` are the arguments of the call; the GIL is held.
    pub(crate) unsafe fn run<'py>(
        &self,
        py: Python<'py>,
        point: u32,
        mut operands: Operands,
        ctx: *const Ctx,
        args: Args,
        bound: &[(&str, *mut PyObject)],
    ) -> PyResult<Bound<'py, PyAny>> {
        let missing = || pyo3::exceptions::PySystemError::new_err("numlift: an exit without a resume point");
        let point = self.points.get(point as usize).ok_or_else(missing)?;
        let module = crate::support::module(py, "_islands")?;
        let unbound = module.getattr("UNBOUND")?;
        // SAFETY: as promised by the caller.
        let (names, values, loops) = unsafe {
            let (names, values) = (PyList::empty(py), PyList::empty(py));
            for (name, source) in &point.vars {
                let value = match source {
                    ResumeSource::Argument(i) => Bound::from_borrowed_ptr(py, *args.add(*i)),
                    ResumeSource::Object(i) => {
                        Bound::from_borrowed_ptr(py, (*(*ctx).objects.add(*i as usize)).cast())
                    }
                    ResumeSource::Operand { ty, maybe: true } => match operands.flag() {
                        true => operands.next(py, ty)?,
                        false => {
                            operands.skip(ty);
                            unbound.clone()
                        }
                    },
                    ResumeSource::Operand { ty, maybe: false } => operands.next(py, ty)?,
                    ResumeSource::Unbound => unbound.clone(),
                };
                let value = match bound.iter().find(|(n, _)| n == name) {
                    Some((_, o)) => Bound::from_borrowed_ptr(py, *o),
                    None => value,
                };
                names.append(name)?;
                values.append(value)?;
            }
            let loops = PyList::empty(py);
            for (at, items, types) in &point.loops {
                let v = PyList::empty(py);
                for t in types {
                    v.append(operands.next(py, t)?)?;
                }
                loops.append((*at, items, v))?;
            }
            (names, values, loops)
        };
        let function = self.function.bind(py);
        let source = (self.source.as_str(), self.first_line);
        let made = module.call_method1(
            "resume",
            (function, source, point.at, point.behind, names, values, loops),
        )?;
        let (rest, args): (Bound<'py, PyAny>, Bound<'py, PyTuple>) = made.extract()?;
        rest.call1(args)
    }
}
