//! Types that calls observe and the next specialisation assumes.
//!
//! A specialisation with variables that code in the interpreter binds observes them in its first call. The second
//! asks here: if machine code would gain by the types that were seen, it is made with them, and its islands look
//! at each value. Where they find another type the interpreter goes on; after some of these the code is given up.

use std::sync::Arc;

use numlift_driver::{Observable, Subject};
use numlift_pyrt::feedback::{Feedback, MAX_DECISIONS, Watch};
use numlift_pyrt::reference::Ref;
use numlift_pyrt::select::{Compiled, Request};
use numlift_pyrt::table::Tier;
use numlift_syntax::hir::{ExprId, Function, LocalId, StmtId};
use numlift_types::{ReadPath, Type};
use pyo3::prelude::*;
use serde::{Deserialize, Serialize};

use crate::compile::{Args, Info, JitCompiler, caught};
use crate::env::{Assumed, PyEnv, ROOT};
use crate::image::position;

/// What calls of a specialisation may observe.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Prospects {
    /// Variables first.
    places: Vec<Place>,
    /// Nanoseconds that the specialisation saves in a call, by the estimate of the planner.
    gain: f64,
    /// The function's text.
    source: String,
}

/// What a run may observe: a variable behind a statement that binds it, or what an expression reads of an object.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Place {
    /// The statement and the variable, or the expression.
    subject: Result<(u32, u32), u32>,
    /// Line and column of the statement, or where the expression begins and ends.
    at: (u32, u32),
    /// Lines from the function's first.
    line: u32,
    /// Of the variable, or the text of the expression.
    name: String,
    path: Option<ReadPath>,
}

impl Place {
    fn of(o: &Observable, hir: &Function) -> Place {
        let (subject, at) = match o.subject {
            Subject::Variable((s, l)) => {
                let at = position(&hir.source, o.span.start);
                (Ok((s.as_u32(), l.as_u32())), at)
            }
            Subject::Read(e) => (Err(e.as_u32()), (o.span.start, o.span.end)),
        };
        Place {
            subject,
            at,
            line: o.line - hir.first_line,
            name: o.name.clone(),
            path: o.path.clone(),
        }
    }

    fn subject(&self) -> Subject {
        match self.subject {
            Ok((s, l)) => Subject::Variable((StmtId::from_u32(s), LocalId::from_u32(l))),
            Err(e) => Subject::Read(ExprId::from_u32(e)),
        }
    }
}

impl Prospects {
    pub fn new(observable: &[Observable], gain: f64, hir: Option<&Function>) -> Prospects {
        let Some(hir) = hir.filter(|_| !observable.is_empty()) else {
            return Prospects {
                gain,
                ..Prospects::default()
            };
        };
        Prospects {
            places: observable.iter().map(|o| Place::of(o, hir)).collect(),
            gain,
            source: hir.source.to_string(),
        }
    }

    /// What code reports to; `None` if there is nothing to observe.
    ///
    /// # Errors
    /// If there is no memory.
    pub fn watch<'py>(&self, function: &Bound<'py, PyAny>) -> PyResult<Option<Watch<'py>>> {
        if self.places.is_empty() {
            return Ok(None);
        }
        let variables = self.places.iter().filter(|p| p.subject.is_ok());
        let variables = variables.map(|p| (p.at, p.name.clone()));
        let reads = self.places.iter().filter_map(|p| Some((p.at, p.path.as_ref()?)));
        Watch::new(function, variables.collect(), reads.collect()).map(Some)
    }

    /// What calls observe of a function that the interpreter runs as a whole; `make` compiles the rest of it for
    /// the first one.
    ///
    /// # Errors
    /// What compiling its code raises.
    pub fn observed<'py>(
        &self,
        function: &Bound<'py, PyAny>,
        watch: Watch<'py>,
        make: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Feedback>> {
        let py = function.py();
        let line: u32 = function
            .getattr("__code__")?
            .getattr("co_firstlineno")?
            .extract()?;
        let args = (function, &self.source, line, watch.row(), make);
        let made = py.import("numlift._islands")?.call_method1("observing", args)?;
        let made = (!made.is_none()).then(|| Ref::from(&made));
        Ok(made.map(|f| watch.feedback(Some(f), 0)))
    }
}

impl JitCompiler {
    /// Compiles with the types that calls have observed, if machine code gains by it.
    pub(crate) fn refined<'py>(
        &self,
        function: &Bound<'py, PyAny>,
        request: &Request<'_, 'py>,
        info: &Info,
        feedback: &Feedback,
    ) -> PyResult<Option<Compiled>> {
        let decisions = feedback.decide();
        let first_line = function
            .getattr("__code__")?
            .getattr("co_firstlineno")?
            .extract()?;
        let mut assumed = (*info.assumed).clone();
        let seen = info.prospects.places.iter().zip(feedback.observations.types());
        for (i, (p, t)) in seen.enumerate() {
            let Some(t) = t else { continue };
            let known = with_misses(p, first_line, t, feedback);
            feedback.observations.revise(i, known.clone());
            assumed.extend(known.map(|t| (p.subject(), t)));
        }
        let better = self.assume(function, request, info, assumed.into(), (decisions, feedback))?;
        if better.is_some() {
            return Ok(better);
        }
        if !feedback.observations.is_complete() && decisions < MAX_DECISIONS {
            feedback.observe_again(function.py());
        } else if let Some(refused) = info.refusal.as_ref().filter(|_| feedback.next().is_none()) {
            // it was not said before, as the second call might be compiled
            self.report(function, &refused.diagnostic)?;
        }
        Ok(None)
    }

    fn assume<'py>(
        &self,
        function: &Bound<'py, PyAny>,
        request: &Request<'_, 'py>,
        info: &Info,
        observed: Assumed,
        (decisions, feedback): (u8, &Feedback),
    ) -> PyResult<Option<Compiled>> {
        let gain = info.prospects.gain;
        let (env, args) = environment(function, request, observed.clone());
        let found = caught(function, || numlift_driver::prospect(&env, ROOT, &args.types));
        let Some(found) = found.ok().flatten() else {
            return Ok(None);
        };
        if found.gain <= gain || found.useful.is_empty() {
            return Ok(None);
        }
        let useful = observed.iter().filter(|(b, _)| found.useful.contains(b));
        let assumed: Assumed = Arc::new(useful.map(|(b, t)| (*b, t.clone())).collect());
        let given_up = feedback.next().and_then(|e| e.info.downcast_ref::<Info>());
        if given_up.is_some_and(|i| i.assumed == assumed) {
            return Ok(None);
        }
        let (env, args) = environment(function, request, assumed);
        match self.attempt(&env, &args.types, function) {
            Ok(artifact) if artifact.gain > gain => self
                .native(function, artifact, env, args, None, decisions)
                .map(Some),
            Err(refused) if refused.diagnostic.code == "NL9001" => {
                self.report(function, &refused.diagnostic)?;
                Ok(None)
            }
            Ok(_) | Err(_) => Ok(None),
        }
    }
}

/// An environment for the arguments of a request, in which calls have observed these types.
fn environment<'py>(
    function: &Bound<'py, PyAny>,
    request: &Request<'_, 'py>,
    assumed: Assumed,
) -> (PyEnv<'py>, Args<'py>) {
    let mut env = PyEnv::requested(function, request);
    env.assumed = assumed;
    let args = Args::of(&env, request);
    (env, args)
}

/// The type of a subject, given the values that an entry that assumed one has met.
fn with_misses(p: &Place, first_line: u32, seen: Type, feedback: &Feedback) -> Option<Type> {
    let Some(Tier::Native(s)) = feedback.next().map(|e| &e.tier) else {
        return Some(seen);
    };
    let outs = s.islands().iter().flat_map(|i| i.outs.iter().zip(&i.misses));
    // what several expressions read alike is read once
    let at = |line: u32| p.path.is_some() || line == p.line + first_line;
    let mut same = outs.filter(|(o, _)| o.assumed.is_some_and(at) && o.name == p.name);
    same.try_fold(seen, |t, (_, misses)| misses.joined(&t))
}
