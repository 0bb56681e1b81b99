//! Exits behind an effect: the interpreter goes on from a statement, or in it.
//!
//! The exit has recorded the variables, what is done of the statement and what is left of the loops around it.
//! `numlift._resume` makes a function of the rest of the source. Where callees are left as well, the rest of the
//! caller calls the rest of the callee in place of its call, so that tracebacks show the user's frames.

use numlift_runtime::{Ctx, Done, Extent, ResumePoint, ResumeSource};
use numlift_types::{ClosureType, CodeRef, Reason, Type};
use pyo3::exceptions::PySystemError;
use pyo3::ffi::PyObject;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::cpython;
use crate::image::Text;
use crate::reference::Ref;
use crate::source::Args;
use crate::value;

/// A Python function of a specialisation.
#[derive(Debug)]
pub enum Origin {
    Function(Ref),
    /// An argument of the call: other functions of the same code use the specialisation too.
    Argument(usize),
}

/// A function with its source.
#[derive(Debug)]
pub struct Code {
    pub code: CodeRef,
    pub origin: Origin,
    pub text: Text,
}

/// The resume points of a specialisation and the functions they are in.
#[derive(Debug)]
pub struct Resume {
    pub codes: Vec<Code>,
    pub points: Vec<ResumePoint>,
}

/// A function and its arguments.
pub(crate) type Prepared<'py> = (Bound<'py, PyAny>, Bound<'py, PyTuple>);

/// The call that code goes on in.
#[derive(Clone, Copy)]
pub(crate) struct Env {
    pub(crate) ctx: *const Ctx,
    pub(crate) args: Args,
}

/// What is known where code goes on, behind what its exit has recorded.
#[derive(Default)]
pub(crate) struct Found<'a, 'py> {
    /// Variables that have these values instead.
    pub(crate) bound: &'a [(&'a str, *mut PyObject)],
    /// What the call in progress is replaced by; without it the call is made again.
    pub(crate) call: Option<Prepared<'py>>,
    /// The exception that the statement has raised.
    pub(crate) raised: Option<Bound<'py, PyAny>>,
    /// The statement was left by a `break` or `continue`.
    pub(crate) left: Option<&'static str>,
}

/// Values in slots, read in order.
pub(crate) struct Operands(*const u64);

impl Operands {
    pub(crate) fn new(at: *const u64) -> Operands {
        Operands(at)
    }

    unsafe fn flag(&mut self) -> bool {
        // SAFETY: as for `next`.
        unsafe { *self.skip(&Type::BOOL) & 0xff != 0 }
    }

    /// The place of a value.
    unsafe fn skip(&mut self, t: &Type) -> *const u64 {
        let at = self.0;
        // SAFETY: as for `next`.
        self.0 = unsafe { at.add(value::slots(t)) };
        at
    }
}

/// References that the operands of a site hold, given back on drop.
pub(crate) struct Owned<'a> {
    types: &'a [Type],
    at: *const u64,
}

impl<'a> Owned<'a> {
    /// # Safety
    /// There are values of these types; their references are to be given up; the GIL is held until the end.
    pub(crate) unsafe fn new(types: &'a [Type], at: *const u64) -> Owned<'a> {
        Owned { types, at }
    }
}

impl Drop for Owned<'_> {
    fn drop(&mut self) {
        let mut at = self.at;
        for t in self.types {
            // SAFETY: as for `new`.
            unsafe {
                value::release(t, at);
                at = at.add(value::slots(t));
            }
        }
    }
}

/// What reads the operands of a point.
struct Reader<'a> {
    resume: &'a Resume,
    point: &'a ResumePoint,
    env: Env,
    operands: Operands,
}

impl Reader<'_> {
    unsafe fn next<'py>(&mut self, py: Python<'py>, t: &Type) -> PyResult<Bound<'py, PyAny>> {
        // SAFETY: the site says which operands there are.
        unsafe {
            match t {
                Type::Closure(c) => self.closure(py, c),
                Type::Known(o) => {
                    let at = self.point.objects.iter().find(|(known, _)| known == o);
                    let (_, at) = at.ok_or_else(missing)?;
                    Ok(Bound::from_borrowed_ptr(
                        py,
                        (*(*self.env.ctx).objects.add(*at as usize)).cast(),
                    ))
                }
                Type::Function(code) => {
                    let code = self.resume.code(*code).ok_or_else(missing)?;
                    Ok(code.function(py, self.env.args))
                }
                Type::Tuple(items) if has_constants(t) => Ok(self.list(py, items)?.to_tuple().into_any()),
                Type::List(items) if has_constants(t) => Ok(self.list(py, items)?.into_any()),
                Type::Optional(inner) if has_constants(t) => {
                    let mut there = Operands(self.operands.0.add(value::slots(inner)));
                    match there.flag() {
                        true => {
                            let found = self.next(py, inner)?;
                            self.operands = there;
                            Ok(found)
                        }
                        false => {
                            self.operands = there;
                            Ok(py.None().into_bound(py))
                        }
                    }
                }
                t => Bound::from_owned_ptr_or_err(py, value::boxed(t, self.operands.skip(t))),
            }
        }
    }

    unsafe fn list<'py>(&mut self, py: Python<'py>, types: &[Type]) -> PyResult<Bound<'py, PyList>> {
        let values = PyList::empty(py);
        for t in types {
            // SAFETY: as for `next`.
            values.append(unsafe { self.next(py, t)? })?;
        }
        Ok(values)
    }

    /// A nested function with what it has captured.
    unsafe fn closure<'py>(&mut self, py: Python<'py>, c: &ClosureType) -> PyResult<Bound<'py, PyAny>> {
        let place = self.point.closures.iter().find(|(known, _)| known == c);
        let place = place.map(|(_, at)| *at).ok_or_else(missing)?;
        let names: Vec<&str> = c.captures.iter().map(|(c, _)| c.name.as_str()).collect();
        let types: Vec<Type> = c.captures.iter().map(|(_, t)| t.clone()).collect();
        // SAFETY: as for `next`: the value is that of the captures, then of the defaults.
        let (captured, defaults) = unsafe { (self.list(py, &types)?, self.list(py, &c.function.defaults)?) };
        let code = self.resume.code(c.code).ok_or_else(missing)?;
        // SAFETY: as for `next`.
        let function = unsafe { code.function(py, self.env.args) };
        let source = (code.text.source.as_str(), code.text.first_line);
        let module = crate::support::module(py, "_resume")?;
        module.call_method1("closure", (function, source, place, names, captured, defaults))
    }

    /// A cell, with the value that belongs into it.
    unsafe fn cell<'py>(
        &mut self,
        py: Python<'py>,
        value: Option<&ResumeSource>,
    ) -> PyResult<Bound<'py, PyAny>> {
        // SAFETY: as for `next`; the cell is the first operand.
        unsafe {
            let cell = self.next(py, &Type::Object(Reason::JOIN))?;
            match value {
                None => {}
                Some(ResumeSource::Unbound) => cpython::cell_set(cell.as_ptr(), std::ptr::null_mut()),
                Some(source) => {
                    if let Variable::Value(v) = self.variable(py, source, true)? {
                        let unbound = crate::support::module(py, "_islands")?.getattr("UNBOUND")?;
                        let bound = !v.is(&unbound);
                        let v = if bound { v.as_ptr() } else { std::ptr::null_mut() };
                        cpython::cell_set(cell.as_ptr(), v);
                    }
                }
            }
            Ok(cell)
        }
    }

    /// The value of a variable, or what makes it; with `wanted` unset its operands are only passed by.
    unsafe fn variable<'py>(
        &mut self,
        py: Python<'py>,
        source: &ResumeSource,
        wanted: bool,
    ) -> PyResult<Variable<'py>> {
        // SAFETY: as for `next`.
        unsafe {
            let maybe = match source {
                ResumeSource::Operand { maybe, .. }
                | ResumeSource::Object { maybe, .. }
                | ResumeSource::Code { maybe, .. }
                | ResumeSource::Nested { maybe, .. } => *maybe,
                ResumeSource::Argument(_) | ResumeSource::Unbound | ResumeSource::Cell(_) => false,
            };
            let unbound = matches!(source, ResumeSource::Unbound) || maybe && !self.operands.flag();
            if unbound || !wanted {
                match source {
                    ResumeSource::Operand { ty, .. } => _ = self.operands.skip(ty),
                    ResumeSource::Nested { defaults, .. } => {
                        defaults.iter().for_each(|t| _ = self.operands.skip(t));
                    }
                    _ => {}
                }
                let unbound = crate::support::module(py, "_islands")?.getattr("UNBOUND")?;
                return Ok(Variable::Value(unbound));
            }
            Ok(Variable::Value(match source {
                ResumeSource::Argument(i) => Bound::from_borrowed_ptr(py, *self.env.args.add(*i)),
                ResumeSource::Object { index, .. } => {
                    let objects = (*self.env.ctx).objects;
                    Bound::from_borrowed_ptr(py, (*objects.add(*index as usize)).cast())
                }
                ResumeSource::Code { code, .. } => {
                    let code = self.resume.code(*code).ok_or_else(missing)?;
                    code.function(py, self.env.args)
                }
                ResumeSource::Operand { ty, .. } => self.next(py, ty)?,
                ResumeSource::Nested { at, defaults, .. } => {
                    return Ok(Variable::Nested(*at, self.list(py, defaults)?));
                }
                ResumeSource::Unbound | ResumeSource::Cell(_) => py.None().into_bound(py),
            }))
        }
    }
}

/// Whether there is something in a value that the boundary makes from the specialisation's tables.
fn has_constants(t: &Type) -> bool {
    match t {
        Type::Known(_) | Type::Function(_) | Type::Closure(_) => true,
        Type::Tuple(items) | Type::List(items) => items.iter().any(has_constants),
        Type::Optional(t) => has_constants(t),
        _ => false,
    }
}

fn missing() -> PyErr {
    PySystemError::new_err("numlift: an exit without a resume point")
}

impl Resume {
    /// A function that goes on from a point, and its arguments.
    ///
    /// # Errors
    /// If there is no memory, or for an inconsistency.
    ///
    /// # Safety
    /// The operands are those of the point; `env` is that of the call; the GIL is held.
    pub(crate) unsafe fn prepare<'py>(
        &self,
        py: Python<'py>,
        point: u32,
        operands: Operands,
        env: Env,
        found: Found<'_, 'py>,
    ) -> PyResult<Prepared<'py>> {
        let point = self.points.get(point as usize).ok_or_else(missing)?;
        let module = crate::support::module(py, "_resume")?;
        let mut reader = Reader {
            resume: self,
            point,
            env,
            operands,
        };
        let (names, values) = (PyList::empty(py), PyList::empty(py));
        let (nested, defaults) = (PyList::empty(py), PyList::empty(py));
        let (captures, captured) = (PyList::empty(py), PyList::empty(py));
        let (parts, done) = (PyList::empty(py), PyList::empty(py));
        let (loops, items) = (PyList::empty(py), PyList::empty(py));
        let (shared, cells) = (PyList::empty(py), PyList::empty(py));
        // SAFETY: as promised by the caller.
        unsafe {
            for (name, source) in &point.vars {
                if let ResumeSource::Cell(value) = source {
                    shared.append(name)?;
                    cells.append(reader.cell(py, value.as_deref())?)?;
                    continue;
                }
                let given = found.bound.iter().find(|(n, _)| n == name);
                let own = reader.variable(py, source, given.is_none())?;
                let value = match given {
                    Some((_, o)) => Variable::Value(Bound::from_borrowed_ptr(py, *o)),
                    None => own,
                };
                match value {
                    Variable::Value(v) => {
                        names.append(name)?;
                        values.append(v)?;
                    }
                    Variable::Nested(at, v) => {
                        nested.append((name, at))?;
                        defaults.append(v)?;
                    }
                }
            }
            for (name, t) in &point.captures {
                captures.append(name)?;
                captured.append(reader.next(py, t)?)?;
            }
            for part in &point.done {
                parts.append(spelled(py, part)?)?;
                if let Some(t) = part.operand() {
                    done.append(reader.next(py, t)?)?;
                }
            }
            if let Some(exception) = found.raised {
                parts.append(("raised",))?;
                done.append(exception)?;
            }
            if let Some(way) = found.left {
                parts.append(("left", way))?;
            }
            for (at, text, types) in &point.loops {
                let v = reader.list(py, types)?;
                loops.append(at)?;
                items.append((text, v))?;
            }
        }
        let code = self.code(point.code).ok_or_else(missing)?;
        // SAFETY: as promised by the caller.
        let function = unsafe { code.function(py, env.args) };
        let source = (code.text.source.as_str(), code.text.first_line);
        let lists = [&names, &nested, &captures, &parts, &loops, &shared].map(|l| l.to_tuple());
        let [names, nested, captures, parts, loops, shared] = lists;
        let place = point.call.filter(|_| found.call.is_some());
        let ways = PyTuple::new(py, point.ways.iter().map(|w| w.name()))?;
        let key = (
            point.at,
            point.behind,
            names,
            nested,
            captures,
            parts,
            place,
            loops,
            shared,
            ways,
            point.entered,
        );
        let given = (values, defaults, captured, done, found.call, items, cells);
        module
            .call_method1("resume", (function, source, key, given))?
            .extract()
    }

    fn code(&self, code: CodeRef) -> Option<&Code> {
        self.codes.iter().find(|c| c.code == code)
    }
}

enum Variable<'py> {
    Value(Bound<'py, PyAny>),
    Nested(Extent, Bound<'py, PyList>),
}

impl Code {
    pub(crate) fn visit(&self, f: &mut dyn FnMut(*mut PyObject)) {
        if let Origin::Function(o) = &self.origin {
            f(o.as_ptr());
        }
    }

    unsafe fn function<'py>(&self, py: Python<'py>, args: Args) -> Bound<'py, PyAny> {
        match &self.origin {
            Origin::Function(f) => f.bind(py),
            // SAFETY: the arguments of the call in progress.
            Origin::Argument(i) => unsafe { Bound::from_borrowed_ptr(py, *args.add(*i)) },
        }
    }
}

/// What is done, for `numlift._resume`.
fn spelled<'py>(py: Python<'py>, part: &Done) -> PyResult<Bound<'py, PyTuple>> {
    match part {
        Done::Value(at, _) => ("value", *at).into_pyobject(py),
        Done::Truth(at, truth) => ("truth", *at, *truth).into_pyobject(py),
        Done::Old(_) => ("old",).into_pyobject(py),
        Done::Raised(_) => ("raised",).into_pyobject(py),
        Done::Tried(n) => ("tried", *n).into_pyobject(py),
        Done::Assign(path, _) => ("assign", PyTuple::new(py, path)?).into_pyobject(py),
    }
}
