//! Islands: code of a compiled function that the interpreter runs.
//!
//! An island is a Python function. Generated code passes the variables that it reads, boxed; it returns the
//! variables that it binds, or how it left (see [`Island::parse`]). What native code has assumed is looked at
//! again behind it: the descriptors of arrays, guards, hidden arguments.

use numlift_runtime::{Ctx, IslandVar};
use numlift_types::Type;
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyTuple};
use smallvec::SmallVec;

use crate::cells::IslandCells;
use crate::count::Counter;
use crate::cpython;
use crate::descriptors::{Descriptors, are_as, describe, recalled};
use crate::feedback::Misses;
pub use crate::form::Form;
use crate::helpers::Host;
use crate::object::guarded_status;
use crate::read::Path;
use crate::reference::Ref;
use crate::resume::{Env, Found, Operands, Prepared};
use crate::slots::Held;
use crate::{unbox, value};

/// Code of a function that the interpreter runs.
#[derive(Debug)]
pub struct Island {
    pub function: Ref,
    /// What stands for an unbound variable.
    pub unbound: Ref,
    pub params: Vec<IslandVar>,
    /// The objects of parameters that are strings known when compiling.
    pub texts: Vec<Option<Ref>>,
    /// Its slots are behind those of the parameters.
    pub cells: IslandCells,
    pub outs: Vec<IslandVar>,
    /// Variables as it has left them when it raises: its last argument is then a list for their values.
    pub partial: Vec<IslandVar>,
    /// A compiled handler goes on if it raises.
    pub protected: bool,
    /// Result type of the function, for islands that return.
    pub ret: Type,
    pub form: Form,
    /// Owners of arrays that native code goes on to use: slots behind those of the parameters.
    pub watched: usize,
    /// Resume point behind it; its operands are the slots behind those of the watched arrays.
    pub resume: Option<u32>,
    /// Resume point where there is no next item, or an exception is not suppressed, with the same operands.
    pub over: Option<u32>,
    /// Names of variables that it leaves unbound.
    pub unbinds: Vec<String>,
    /// Of a `Read`, for each out; variables are parameters.
    pub reads: Vec<Path>,
    /// It assumes types: it may go another way than they say.
    pub assumes: bool,
    /// Control does not come behind it.
    pub ends: bool,
    /// Values of each out that were not as assumed.
    pub misses: Box<[Misses]>,
    /// First line.
    pub line: u32,
    pub counter: Counter,
}

/// Why an island did not end well.
enum Stop {
    /// An exception is set.
    Raised,
    /// Native code cannot go on.
    Exit,
}

/// What became of the code of an island.
enum Outcome {
    None,
    Value(*mut PyObject),
    Raised(PyErr),
    Left(&'static str),
}

impl Stop {
    /// Machine code cannot go on with an exception: it is another error.
    fn lost() -> Stop {
        // SAFETY: the GIL is held.
        unsafe { ffi::PyErr_Clear() };
        Stop::Exit
    }
}

/// Whether what native code has read of the world outside holds; an exception on its way survives.
unsafe fn refreshed(host: &Host<'_>) -> bool {
    let mut holds = false;
    // SAFETY: the GIL is held, and the call is in progress.
    crate::slots::with_exception_aside(|| holds = unsafe { host.refresh() });
    holds
}

impl Island {
    /// Runs it.
    ///
    /// # Safety
    /// `args` and `ret` are laid out as generated code does; the GIL is held.
    unsafe fn run(&self, ctx: *mut Ctx, args: *const u64, ret: *mut u64) -> Result<(), Stop> {
        // SAFETY: as promised by the caller.
        unsafe {
            if self.form == Form::Read {
                return self.read(ctx, args, ret);
            }
            let mut objects = Held::default();
            let mut at = args;
            if self.form == Form::Drop {
                // the reference is not another one
                at = at.add(1);
            }
            let params = self.params.iter().zip(&self.texts);
            for (p, text) in params.filter(|_| self.form != Form::Drop) {
                let bound = !p.maybe || *at != 0;
                at = at.add(usize::from(p.maybe));
                let o = if let (Some(text), true) = (text, bound) {
                    ffi::Py_INCREF(text.as_ptr());
                    text.as_ptr()
                } else if bound {
                    value::boxed(&p.ty, at)
                } else {
                    ffi::Py_INCREF(self.unbound.as_ptr());
                    self.unbound.as_ptr()
                };
                if o.is_null() {
                    return Err(Stop::Raised);
                }
                objects.push(o);
                at = at.add(value::slots(&p.ty));
            }
            let cells = at.cast::<*mut PyObject>();
            at = at.add(self.cells.slots());
            for (i, _) in self.cells.all.iter().enumerate().filter(|(_, cell)| cell.passed) {
                ffi::Py_INCREF(*cells.add(i));
                objects.push(*cells.add(i));
            }
            if !self.partial.is_empty() {
                let left = ffi::PyList_New(0);
                if left.is_null() {
                    return Err(Stop::Raised);
                }
                objects.push(left);
            }
            let watched = std::slice::from_raw_parts(at.cast::<*mut PyObject>(), self.watched);
            let mut before = Descriptors::new();
            describe(watched, &mut before);
            (*ctx).effects |= 1;
            let n = objects.as_slice().len();
            let function = self.cells.bind(&self.function, cells);
            if function.is_null() {
                return Err(Stop::Raised);
            }
            let host = &*(*ctx).host.cast::<Host<'_>>();
            let call = || {
                if self.form == Form::Drop {
                    ffi::Py_DECREF(*args as *mut PyObject);
                    ffi::Py_INCREF(ffi::Py_None());
                    return Some(ffi::Py_None());
                }
                let objects = objects.as_slice().as_ptr();
                Some(cpython::call(function, objects, n, std::ptr::null_mut()))
            };
            let unlocked = || host.spec.unlocked(|| self.counter.count(call));
            let result = unlocked().unwrap_or(std::ptr::null_mut());
            let unchanged = are_as(watched, &before);
            if result.is_null() {
                let objects = objects.as_slice();
                let fits = || {
                    unchanged
                        && refreshed(host)
                        && (self.partial.is_empty() || self.left(objects, cells, ret))
                };
                return match self.protected && !fits() {
                    true => self.raise_on(ctx, at.add(self.watched), objects, (watched, &before)),
                    false => Err(Stop::Raised),
                };
            }
            let mut outcome = match unchanged && host.refresh() {
                true => self.assumed(self.parse(result, ret), host),
                false => Err(Stop::Exit),
            };
            if matches!(outcome, Err(Stop::Exit)) {
                outcome = self.go_on(ctx, at.add(self.watched), result, (watched, &before));
            }
            ffi::Py_DECREF(result);
            outcome
        }
    }

    /// Reads attributes and items of the parameters. Nothing of the user's runs.
    unsafe fn read(&self, ctx: *mut Ctx, args: *const u64, ret: *mut u64) -> Result<(), Stop> {
        let mut objects = Held::default();
        let mut found: SmallVec<[Ref; 8]> = SmallVec::new();
        // SAFETY: the parameters are bound, and there is room for the outs.
        unsafe {
            let mut at = args;
            for p in &self.params {
                let o = value::boxed(&p.ty, at);
                if o.is_null() {
                    return Err(Stop::Raised);
                }
                objects.push(o);
                at = at.add(value::slots(&p.ty));
            }
            let mut out = ret.add(1);
            for (i, (path, v)) in self.reads.iter().zip(&self.outs).enumerate() {
                let o = path.read(objects.as_slice());
                if !o
                    .as_ref()
                    .is_some_and(|o| unbox::write_if(o.as_ptr(), &v.ty, out))
                {
                    self.misses[i].add(o.and_then(|o| value::type_of(o.as_ptr())));
                    let host = &*(*ctx).host.cast::<Host<'_>>();
                    host.spec.count_miss();
                    let point = self.resume.ok_or(Stop::Exit)?;
                    let operands = at.add(self.watched);
                    return self.rest(ctx, (point, operands), &[], Outcome::None);
                }
                found.extend(o);
                out = out.add(value::slots(&v.ty));
            }
            let mut at = ret.add(1);
            for v in &self.outs {
                unbox::retain(&v.ty, at);
                at = at.add(value::slots(&v.ty));
            }
        }
        Ok(())
    }

    /// The interpreter goes on at a resume point, with variables as `bound` says. The code there has given `value` or
    /// `raised` or has been left by a jump (see [`Found::left`]).
    unsafe fn rest(
        &self,
        ctx: *mut Ctx,
        (point, operands): (u32, *const u64),
        bound: &[(&str, *mut PyObject)],
        outcome: Outcome,
    ) -> Result<(), Stop> {
        // SAFETY: the operands are those of the resume point; objects are borrowed from who called.
        unsafe {
            let host = &*(*ctx).host.cast::<Host<'_>>();
            let Some(resume) = &host.spec.parts().resume else {
                return Err(Stop::Exit);
            };
            let env = Env { ctx, args: host.args };
            host.catching.leave();
            let run = || {
                Python::attach_unchecked(|py| {
                    let rest = || {
                        let mut found = Found {
                            bound,
                            ..Found::default()
                        };
                        match outcome {
                            Outcome::None => {}
                            Outcome::Value(v) => found.call = self.again(py, v)?,
                            Outcome::Raised(e) => {
                                found.raised = Some(e.into_value(py).into_bound(py).into_any())
                            }
                            Outcome::Left(way) => found.left = Some(way),
                        }
                        resume.prepare(py, point, Operands::new(operands), env, found)
                    };
                    let gone = rest().and_then(|(function, args)| function.call1(args));
                    gone.map(Bound::into_ptr).map_err(|e| e.restore(py))
                })
            };
            gone(host, host.spec.unlocked(run))
        }
    }

    /// Counts what was not as assumed.
    fn assumed(&self, outcome: Result<(), Stop>, host: &Host<'_>) -> Result<(), Stop> {
        if self.assumes && matches!(outcome, Err(Stop::Exit)) {
            host.spec.count_miss();
        }
        outcome
    }

    /// The island has raised: writes its variables for a handler, as it has left them. Whether they fit.
    unsafe fn left(&self, objects: &[*mut PyObject], cells: *const *mut PyObject, ret: *mut u64) -> bool {
        let mut fits = true;
        // SAFETY: there are room, and an object or a cell, for each variable.
        crate::slots::with_exception_aside(|| unsafe {
            let mut found = Held::default();
            let mut item = |i: isize| {
                let name = &self.partial[i as usize].name;
                let cell = self.cells.all.iter().position(|c| c.name == *name);
                let Some(at) = cell.filter(|_| !self.has_begun(objects)) else {
                    return self.left_in(objects, i as usize);
                };
                found.push(cpython::cell_contents(*cells.add(at)));
                let found = found.as_slice()[found.as_slice().len() - 1];
                match found.is_null() {
                    true => self.unbound.as_ptr(),
                    false => found,
                }
            };
            fits = self.write(&self.partial, &mut item, ret.add(1)).is_ok();
        });
        fits
    }

    /// Whether the island has raised in its statements: it has left its variables in the last object, a list.
    unsafe fn has_begun(&self, objects: &[*mut PyObject]) -> bool {
        let left = objects.last().filter(|_| !self.partial.is_empty());
        // SAFETY: an island that has such variables has such a list.
        left.is_some_and(|l| unsafe { ffi::PyList_Size(*l) > 0 })
    }

    /// What a variable is where the island has raised: as it has left it, or as it was if it did not begin.
    unsafe fn left_in(&self, objects: &[*mut PyObject], i: usize) -> *mut PyObject {
        // SAFETY: the last object is a list, empty or with an item for each variable.
        unsafe {
            if self.has_begun(objects) {
                return ffi::PyList_GetItem(objects[objects.len() - 1], i as isize);
            }
            let name = &self.partial[i].name;
            let at = self.params.iter().position(|p| p.name == *name);
            at.map_or(self.unbound.as_ptr(), |at| objects[at])
        }
    }

    /// The island has raised, and a compiled handler cannot go on: the interpreter does.
    unsafe fn raise_on(
        &self,
        ctx: *mut Ctx,
        operands: *const u64,
        objects: &[*mut PyObject],
        before: (&[*mut PyObject], &Descriptors),
    ) -> Result<(), Stop> {
        // SAFETY: an exception is set; the operands are those of the resume point.
        unsafe {
            let host = &*(*ctx).host.cast::<Host<'_>>();
            let (Some(point), Some(resume)) = (self.resume, &host.spec.parts().resume) else {
                return Err(Stop::lost());
            };
            let slots = recalled(&resume.points[point as usize].operands(), operands, before);
            let left = self.partial.iter().enumerate();
            let left = left.map(|(i, v)| (v.name.as_str(), self.left_in(objects, i)));
            // a manager that could not be entered has nothing to leave it with
            let exit = self.outs.last().filter(|_| self.form == Form::Enter);
            let exit = exit.map(|v| (v.name.as_str(), self.unbound.as_ptr()));
            let left: Vec<_> = left.chain(exit).collect();
            let raised = Python::attach_unchecked(PyErr::take).map_or(Outcome::None, Outcome::Raised);
            self.rest(ctx, (point, slots.as_ptr()), &left, raised)
        }
    }

    /// Native code cannot take what the island returned: the interpreter goes on behind it.
    unsafe fn go_on(
        &self,
        ctx: *mut Ctx,
        operands: *const u64,
        result: *mut PyObject,
        before: (&[*mut PyObject], &Descriptors),
    ) -> Result<(), Stop> {
        // SAFETY: the island returns what its form says; the operands are those of the resume point.
        unsafe {
            let host = &*(*ctx).host.cast::<Host<'_>>();
            let item = |i: usize| ffi::PyTuple_GetItem(result, i as isize);
            let (code, first) = match self.form {
                Form::Coded => (ffi::PyLong_AsLongLong(item(0)), 1),
                Form::Enter => (0, 1),
                _ => (0, 0),
            };
            if code == 1 {
                ffi::Py_INCREF(item(1));
                host.resumed.set(item(1));
                return Err(Stop::Exit);
            }
            let over = match self.form {
                Form::Next => result == self.unbound.as_ptr(),
                Form::Suppress => result != ffi::Py_True(),
                _ => false,
            };
            let point = if over { self.over } else { self.resume };
            let (Some(point), Some(resume)) = (point, &host.spec.parts().resume) else {
                return Err(Stop::Exit);
            };
            let slots = recalled(&resume.points[point as usize].operands(), operands, before);
            let outs_given = !over && self.form.binds();
            let single = self.form == Form::Plain && self.outs.len() == 1;
            let out = |i: usize| if single { result } else { item(first + i) };
            let outs = self.outs.iter().enumerate().filter(|_| outs_given);
            let outs = outs.map(|(i, v)| (v.name.as_str(), out(i)));
            let unbound = self.unbinds.iter().map(|n| (n.as_str(), self.unbound.as_ptr()));
            let bound: Vec<_> = outs.chain(unbound).collect();
            let outcome = match code {
                2 => Outcome::Left("break"),
                3 => Outcome::Left("continue"),
                _ => Outcome::Value(result),
            };
            self.rest(ctx, (point, slots.as_ptr()), &bound, outcome)
        }
    }

    /// A call that gives the value of the expression that the island is.
    unsafe fn again<'py>(&self, py: Python<'py>, value: *mut PyObject) -> PyResult<Option<Prepared<'py>>> {
        // SAFETY: an object; the GIL is held.
        let value = unsafe { Bound::from_borrowed_ptr(py, value) };
        let function = match self.form {
            Form::Test => py.get_type::<PyBool>().into_any(),
            Form::Iter => py.import("builtins")?.getattr("iter")?,
            Form::Class => crate::support::module(py, "_resume")?.getattr("given")?,
            _ => return Ok(None),
        };
        Ok(Some((function, PyTuple::new(py, [value])?)))
    }

    /// Result slots of what the island returned.
    unsafe fn parse(&self, result: *mut PyObject, ret: *mut u64) -> Result<(), Stop> {
        // SAFETY: the island returns what its form says.
        unsafe {
            *ret = 0;
            let out = ret.add(1);
            match (self.form, self.outs.as_slice()) {
                (Form::Test | Form::Suppress, _) => {
                    *ret = u64::from(result == ffi::Py_True());
                    Ok(())
                }
                (Form::Plain, _) if self.ends => Err(Stop::Exit),
                (Form::Plain, []) | (Form::Drop | Form::Read, _) => Ok(()),
                (Form::Next, _) if result == self.unbound.as_ptr() => {
                    *ret = 1;
                    Ok(())
                }
                (Form::Next, _) => self.write(&self.outs, &mut |i| ffi::PyTuple_GetItem(result, i), out),
                (Form::Plain | Form::Iter | Form::Class, [_]) => self.write(&self.outs, &mut |_| result, out),
                (Form::Plain | Form::Iter | Form::Class, _) => {
                    self.write(&self.outs, &mut |i| ffi::PyTuple_GetItem(result, i), out)
                }
                (Form::Enter, _) if ffi::PyTuple_GetItem(result, 0) != ffi::Py_True() => Err(Stop::Exit),
                (Form::Enter, _) => self.write(&self.outs, &mut |i| ffi::PyTuple_GetItem(result, i + 1), out),
                (Form::Coded, _) => {
                    *ret = ffi::PyLong_AsLongLong(ffi::PyTuple_GetItem(result, 0)) as u64;
                    if *ret == 0 && self.ends {
                        return Err(Stop::Exit);
                    }
                    if *ret != 1 {
                        let mut item = |i| ffi::PyTuple_GetItem(result, i + 1);
                        return self.write(&self.outs, &mut item, out);
                    }
                    let value = ffi::PyTuple_GetItem(result, 1);
                    if !unbox::write_if(value, &self.ret, out) {
                        return Err(Stop::Exit);
                    }
                    unbox::retain(&self.ret, out);
                    Ok(())
                }
            }
        }
    }

    /// Writes variables: all of them, or none holds a reference.
    unsafe fn write(
        &self,
        vars: &[IslandVar],
        item: &mut dyn FnMut(isize) -> *mut PyObject,
        mut out: *mut u64,
    ) -> Result<(), Stop> {
        let first = out;
        // SAFETY: there is an item for each out, and room for its slots.
        unsafe {
            for (i, v) in vars.iter().enumerate() {
                let o = item(i as isize);
                let bound = o != self.unbound.as_ptr();
                if v.maybe {
                    *out = u64::from(bound);
                    out = out.add(1);
                }
                if !bound && !v.maybe && self.assumes {
                    return Err(Stop::Exit);
                } else if !bound && !v.maybe {
                    let text = c"numlift: an island left a variable unbound";
                    ffi::PyErr_SetString(ffi::PyExc_SystemError, text.as_ptr());
                    return Err(Stop::Raised);
                } else if !bound {
                    std::ptr::write_bytes(out, 0, value::slots(&v.ty));
                } else if !unbox::write_if(o, &v.ty, out) {
                    return Err(self.mismatch(i, o));
                }
                out = out.add(value::slots(&v.ty));
            }
            let mut at = first;
            for v in vars {
                let bound = !v.maybe || *at != 0;
                at = at.add(usize::from(v.maybe));
                if bound {
                    unbox::retain(&v.ty, at);
                }
                at = at.add(value::slots(&v.ty));
            }
        }
        Ok(())
    }

    /// A variable that has not the type it should have.
    unsafe fn mismatch(&self, i: usize, o: *mut PyObject) -> Stop {
        let v = &self.outs[i];
        if !v.annotated {
            // SAFETY: a live object, and the GIL is held.
            self.misses[i].add(unsafe { value::type_of(o) });
            return Stop::Exit;
        }
        // SAFETY: a live object, and the GIL is held.
        let found = unsafe {
            match value::type_of(o) {
                Some(t) => t.to_string(),
                None => Python::attach_unchecked(|py| {
                    let o = Bound::from_borrowed_ptr(py, o);
                    o.get_type().name().map(|n| n.to_string()).unwrap_or_default()
                }),
            }
        };
        let text = format!(
            "`{}` is annotated as {}, its value is of type {found}\0",
            v.name, v.ty
        );
        // SAFETY: the GIL is held; the text ends with a zero.
        unsafe { ffi::PyErr_SetString(ffi::PyExc_TypeError, text.as_ptr().cast()) };
        Stop::Raised
    }
}

/// What became of a call that the interpreter has finished; an error is set.
fn gone(host: &Host<'_>, result: Result<*mut PyObject, ()>) -> Result<(), Stop> {
    match result {
        Ok(o) => {
            host.resumed.set(o);
            Err(Stop::Exit)
        }
        Err(()) => {
            host.catching.end();
            Err(Stop::Raised)
        }
    }
}

/// The helper `py_island`.
pub(crate) extern "C" fn py_island(ctx: *mut Ctx, index: i64, args: *const u64, ret: *mut u64) -> i32 {
    // SAFETY: the index is into the specialisation's table; the GIL is held.
    guarded_status(|| unsafe {
        let host = &*(*ctx).host.cast::<Host<'_>>();
        host.islands()[index as usize].run(ctx, args, ret).is_ok()
    })
}

/// The helper `py_box`.
pub(crate) extern "C" fn py_box(ctx: *mut Ctx, sig: i64, args: *const u64, ret: *mut u64) -> i64 {
    // SAFETY: the index is into the specialisation's table; the GIL is held.
    let failed = guarded_status(|| unsafe {
        let host = &*(*ctx).host.cast::<Host<'_>>();
        let t = host.calls()[sig as usize].argument();
        if value::is_absent(t, args) {
            *ret = 0;
            return true;
        }
        let o = value::boxed(t, args);
        *ret = o as u64;
        !o.is_null()
    });
    if failed != 0 {
        // SAFETY: the GIL is held.
        unsafe { ffi::PyErr_Clear() };
    }
    i64::from(failed == 0)
}

/// The helper `py_object`.
pub(crate) extern "C" fn py_object(ctx: *mut Ctx, index: i64) -> i64 {
    // SAFETY: the index is into the specialisation's objects.
    unsafe { *(*ctx).objects.add(index as usize) as i64 }
}
