//! The report of functions: collected from their specialisations, rendered for terminals, browsers and programs.

mod listing;

use std::collections::BTreeMap;
use std::time::Duration;

use numlift_diagnostics::{Diagnostic, SourceMap, codes};
use numlift_driver::{Analysis, Artifact, IslandForm};
use numlift_pyrt::reference::Ref;
use numlift_pyrt::spec::Specialization;
use numlift_pyrt::table::{Entry, Tier as Ran};
use numlift_pyrt::{count, object};
use numlift_report::{
    Assumption, Cause, Code, FunctionReport, LineReport, Reason, Remark, ReportData, SpecializationReport,
    Stage, State, Terminal, Tier, Variable,
};
use numlift_types::Type;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::compile::{self, JitCompiler, Uncompiled};
use crate::dispatcher::info;
use crate::env::{PyEnv, ROOT, is_static};
use listing::Listing;

/// Adds the functions of this file to the module.
pub fn add_to(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(observe_calls, m)?)?;
    m.add_function(wrap_pyfunction!(collect_report, m)?)?;
    m.add_function(wrap_pyfunction!(render_report, m)?)?;
    m.add_function(wrap_pyfunction!(compare_reports, m)?)
}

/// Measures the time of calls from now on, or no more.
#[pyfunction]
fn observe_calls(on: bool) {
    count::observe(on);
}

/// The report of these functions as JSON.
#[pyfunction]
fn collect_report(functions: Vec<Bound<'_, PyAny>>, title: &str) -> PyResult<String> {
    let (mut reports, mut contained) = (vec![], vec![]);
    for function in &functions {
        reports.push(function_report(function, &mut contained)?);
    }
    for (function, report) in functions.iter().zip(&mut reports) {
        add_contained(function, report, &contained)?;
    }
    let data = ReportData::new(env!("CARGO_PKG_VERSION"), title, reports);
    numlift_report::json(&data).map_err(|e| PyValueError::new_err(e.to_string()))
}

/// A function that machine code of another one contains.
struct Contained {
    function: Ref,
    args: Vec<Type>,
    ret: Type,
    caller: String,
}

/// Adds how a function is compiled into others.
fn add_contained(
    jitted: &Bound<'_, PyAny>,
    report: &mut FunctionReport,
    contained: &[Contained],
) -> PyResult<()> {
    let body = object::body(jitted)?;
    let function = body.function.bind(jitted.py());
    let Some(compiler) = body.selector.compiler.as_any().downcast_ref::<JitCompiler>() else {
        return Ok(());
    };
    let place = Place::of(&function)?;
    for c in contained
        .iter()
        .filter(|c| c.function.as_ptr() == function.as_ptr())
    {
        let types: Vec<String> = c.args.iter().map(ToString::to_string).collect();
        let signature = format!("({})", types.join(", "));
        let known = report
            .specializations
            .iter_mut()
            .find(|s| s.signature == signature);
        if let Some(known) = known {
            if !known.callers.contains(&c.caller) {
                known.callers.push(c.caller.clone());
            }
            continue;
        }
        let env = PyEnv::new(&function, &[]);
        let analysis = compile::analyse(&env, &c.args, &function);
        let mut made = SpecializationReport {
            signature,
            result: Some(c.ret.to_string()),
            tier: Tier::Native,
            callers: vec![c.caller.clone()],
            lines: source_lines(&function, &place, &analysis),
            ..SpecializationReport::default()
        };
        mark(&mut made, &analysis, &[], &place);
        if let Some(a) = compile::compile_with_texts(&env, &c.args, &compiler.options, &function) {
            add_code(&mut made, &a, &place);
        }
        report.specializations.push(made);
    }
    Ok(())
}

fn read(json: &str) -> PyResult<ReportData> {
    numlift_report::from_json(json).map_err(|e| PyValueError::new_err(format!("not a report: {e}")))
}

/// A report as `text` or `html`.
#[pyfunction]
#[pyo3(signature = (json, format, *, colour, width))]
fn render_report(json: &str, format: &str, colour: bool, width: usize) -> PyResult<String> {
    let data = read(json)?;
    match format {
        "text" => Ok(numlift_report::text(&data, &Terminal { colour, width })),
        "html" => numlift_report::html(&data).map_err(|e| PyValueError::new_err(e.to_string())),
        other => Err(PyValueError::new_err(format!("no format {other}"))),
    }
}

/// What two reports differ in, as `text` or `json`.
#[pyfunction]
#[pyo3(signature = (before, after, format, *, colour, width))]
fn compare_reports(before: &str, after: &str, format: &str, colour: bool, width: usize) -> PyResult<String> {
    let diff = numlift_report::diff(&read(before)?, &read(after)?);
    match format {
        "text" => Ok(numlift_report::diff_text(&diff, &Terminal { colour, width })),
        "html" => Ok(numlift_report::diff_html(&diff)),
        "json" => numlift_report::json_of_diff(&diff).map_err(|e| PyValueError::new_err(e.to_string())),
        other => Err(PyValueError::new_err(format!("no format {other} of comparisons"))),
    }
}

fn function_report(jitted: &Bound<'_, PyAny>, contained: &mut Vec<Contained>) -> PyResult<FunctionReport> {
    let body = object::body(jitted)?;
    let function = body.function.bind(jitted.py());
    let place = Place::of(&function)?;
    let mut specializations = vec![];
    if let Some(compiler) = body.selector.compiler.as_any().downcast_ref::<JitCompiler>() {
        for e in body.selector.table.iter() {
            specializations.extend(specialization(&function, &place, compiler, e, contained));
            specializations.extend(rests(&function, &place, e, contained)?);
        }
        let rest = compiler.uncompiled();
        specializations.extend(rest.iter().map(|u| uncompiled(&function, &place, u)));
    }
    Ok(FunctionReport {
        name: function.getattr("__qualname__")?.extract()?,
        file: place.file,
        line: place.line,
        specializations,
    })
}

/// What first calls that the interpreter began have gone on with.
fn rests(
    function: &Bound<'_, PyAny>,
    place: &Place,
    entry: &Entry,
    contained: &mut Vec<Contained>,
) -> PyResult<Vec<SpecializationReport>> {
    let py = function.py();
    let observing = entry.feedback.as_ref().and_then(|f| f.function.as_ref());
    let counted = entry.counted.as_ref().map(|c| &c.function);
    let mut all = vec![];
    for made in observing.into_iter().chain(counted) {
        let rests = match made.bind(py).getattr_opt("rests")? {
            Some(rests) if !rests.is_none() => rests.call_method0("lines")?,
            _ => continue,
        };
        for (line, rest) in rests.extract::<Vec<(u32, Bound<'_, PyAny>)>>()? {
            let body = object::body(&rest)?;
            let of_rest = body.function.bind(py);
            let Some(compiler) = body.selector.compiler.as_any().downcast_ref::<JitCompiler>() else {
                continue;
            };
            for e in body.selector.table.iter().filter(|e| e.counter.calls() > 0) {
                let Some(mut report) = specialization(&of_rest, place, compiler, e, contained) else {
                    continue;
                };
                report.signature = format!("{} from line {line}", report.signature);
                report.state = State::Replaced;
                let whole = source_lines(function, place, &Analysis::default());
                for (line, own) in report.lines.iter_mut().zip(whole) {
                    line.source = own.source;
                }
                all.push(report);
            }
        }
    }
    Ok(all)
}

/// Where a function begins.
struct Place {
    file: String,
    line: u32,
}

impl Place {
    fn of(function: &Bound<'_, PyAny>) -> PyResult<Place> {
        let code = function.getattr("__code__")?;
        Ok(Place {
            file: code.getattr("co_filename")?.extract()?,
            line: code.getattr("co_firstlineno")?.extract()?,
        })
    }
}

fn specialization(
    function: &Bound<'_, PyAny>,
    place: &Place,
    compiler: &JitCompiler,
    entry: &Entry,
    contained: &mut Vec<Contained>,
) -> Option<SpecializationReport> {
    let info = info(entry)?;
    let (env, args) = info.again(function);
    let args = args.unwrap_or_default();
    let analysis = compile::analyse(&env, &args, function);
    let (tier, exits) = match &entry.tier {
        Ran::Native(s) if s.islands().is_empty() => (Tier::Native, s.exits()),
        Ran::Native(s) => (Tier::Mixed, s.exits()),
        Ran::Interpreter(_) => (Tier::Interpreter, 0),
    };
    let artifact = (tier != Tier::Interpreter)
        .then(|| compile::compile_with_texts(&env, &args, &compiler.options, function))
        .flatten();
    if artifact.is_some() {
        let caller = function
            .getattr("__qualname__")
            .and_then(|n| n.extract::<String>());
        let statically = |types: &[Type]| types.iter().all(is_static);
        let callees = analysis.callees.iter().filter(|(_, args, _)| statically(args));
        contained.extend(callees.map(|(code, args, ret)| Contained {
            function: Ref::from(&env.function(*code)),
            args: args.clone(),
            ret: ret.clone(),
            caller: caller.as_ref().map_or(String::new(), Clone::clone),
        }));
    }
    let calls = entry.counter.calls();
    let nanoseconds = entry.counter.nanoseconds();
    let stages = info.timings.iter().map(|(name, time)| Stage {
        name: (*name).to_owned(),
        us: time.as_secs_f64() * 1e6,
    });
    let mut report = SpecializationReport {
        signature: format!("({})", info.arg_names.join(", ")),
        result: info.ret.clone(),
        tier,
        state: match (entry.is_retired(), entry.is_in_use()) {
            (true, _) => State::GivenUp,
            (_, true) => State::InUse,
            _ => State::Replaced,
        },
        assumptions: assumptions(&entry.tier),
        calls,
        exits,
        time_us: (nanoseconds > 0).then_some(nanoseconds as f64 / 1e3),
        compile_us: info
            .timings
            .iter()
            .map(|(_, t)| *t)
            .sum::<Duration>()
            .as_secs_f64()
            * 1e6,
        stages: stages.collect(),
        lines: source_lines(function, place, &analysis),
        ..SpecializationReport::default()
    };
    mark(&mut report, &analysis, info.places(), place);
    for a in &report.assumptions {
        let at = report.lines.iter_mut().find(|l| l.line == a.line);
        let known = at.map(|l| &mut l.types);
        if let Some(types) = known {
            types.retain(|v| v.name != a.name);
            types.push(Variable {
                name: a.name.clone(),
                ty: a.ty.clone(),
            });
        }
    }
    if let Some(counted) = entry.counted.as_ref().filter(|_| calls > 0) {
        for (line, (hits, nanoseconds)) in report.lines.iter_mut().zip(counted.lines.rows()) {
            line.hits = (line.tier.is_some() || hits > 0).then_some(hits);
            line.interpreter_us = (nanoseconds > 0).then_some(nanoseconds as f64 / 1e3);
        }
    }
    if let Some(artifact) = &artifact {
        add_code(&mut report, artifact, place);
        if let Ran::Native(s) = &entry.tier {
            add_islands(&mut report, &analysis, (artifact, s), &info.island_reasons);
        }
    }
    Some(report)
}

/// Types that machine code assumes, by line.
fn assumptions(tier: &Ran) -> Vec<Assumption> {
    let Ran::Native(s) = tier else { return vec![] };
    let outs = s.islands().iter().flat_map(|i| i.outs.iter().zip(&i.misses));
    let mut all: Vec<Assumption> = outs
        .filter_map(|(v, misses)| {
            Some(Assumption {
                line: v.assumed?,
                name: v.name.clone(),
                ty: v.ty.to_string(),
                misses: misses.count(),
            })
        })
        .collect();
    all.sort_by(|a, b| (a.line, &a.name).cmp(&(b.line, &b.name)));
    all
}

/// Calls that nothing is compiled for, as a specialisation of the interpreter tier.
fn uncompiled(function: &Bound<'_, PyAny>, place: &Place, u: &Uncompiled) -> SpecializationReport {
    let env = PyEnv::new(function, &[]);
    let analysis = numlift_driver::outline(&env, ROOT);
    let mut report = SpecializationReport {
        signature: u.signature.clone(),
        tier: Tier::Interpreter,
        calls: u.calls,
        lines: source_lines(function, place, &analysis),
        ..SpecializationReport::default()
    };
    mark(&mut report, &analysis, std::slice::from_ref(&u.diagnostic), place);
    report
}

/// The lines of the function's text; without it, none.
fn source_lines(function: &Bound<'_, PyAny>, place: &Place, analysis: &Analysis) -> Vec<LineReport> {
    let text = match &analysis.hir {
        Some(hir) => hir.source.to_string(),
        None => function
            .py()
            .import("inspect")
            .and_then(|m| m.call_method1("getsource", (function,)))
            .and_then(|s| s.extract())
            .unwrap_or_default(),
    };
    let numbered = text.trim_end().lines().zip(place.line..);
    numbered
        .map(|(source, line)| LineReport {
            line,
            source: source.to_owned(),
            ..LineReport::default()
        })
        .collect()
}

/// Adds what runs each line, the types of variables, and the reasons.
fn mark(report: &mut SpecializationReport, analysis: &Analysis, places: &[Diagnostic], place: &Place) {
    let whole = report.tier == Tier::Interpreter;
    let mut reasons: BTreeMap<u32, Vec<Reason>> = BTreeMap::new();
    let last = place.line + report.lines.len() as u32;
    for d in places {
        let here = d.file == place.file && (place.line..last).contains(&d.line) && d.column > 0;
        let reason = reason(d, !here);
        match here {
            true => reasons.entry(d.line).or_default().push(reason),
            false => report.reasons.push(reason),
        }
    }
    for line in &mut report.lines {
        line.reasons = reasons.remove(&line.line).unwrap_or_default();
        line.tier = match analysis.code_lines.contains(&line.line) {
            true if whole => Some(Tier::Interpreter),
            true => Some(Tier::Native),
            false => None,
        };
        line.cause = analysis.causes.get(&line.line).map(|d| Cause {
            line: d.line,
            code: d.code.to_owned(),
            message: d.message.clone(),
        });
        let types = analysis.variables.iter().filter(|v| v.line == line.line);
        line.types = types
            .map(|v| Variable {
                name: v.name.clone(),
                ty: v.ty.clone(),
            })
            .collect();
    }
    if let (true, Some(first)) = (whole, report.lines.first_mut()) {
        first.interpreter_calls = report.calls;
    }
}

fn reason(d: &Diagnostic, elsewhere: bool) -> Reason {
    let help = d.help.clone();
    let general = || codes::find(d.code).map_or(String::new(), |info| info.help.to_owned());
    Reason {
        code: d.code.to_owned(),
        message: d.message.clone(),
        help: help.unwrap_or_else(general),
        file: elsewhere.then(|| d.file.clone()),
        line: d.line,
        column: d.column,
        length: d.length,
    }
}

/// Adds which lines islands run, and how often they were entered. `artifact` is compiled as the specialisation was.
fn add_islands(
    report: &mut SpecializationReport,
    analysis: &Analysis,
    (artifact, specialization): (&Artifact, &Specialization),
    reasons: &[Option<Diagnostic>],
) {
    let Some(hir) = &analysis.hir else { return };
    let source = SourceMap::new(&hir.source, &hir.file, hir.first_line);
    for ((spec, island), why) in artifact.islands.iter().zip(specialization.islands()).zip(reasons) {
        if matches!(spec.form, IslandForm::Drop | IslandForm::Read) {
            continue;
        }
        // The statement of a test or a loop has blocks that are compiled: the test is its first line.
        let ranges = spec.spans.iter().map(|s| match spec.form {
            IslandForm::Test
            | IslandForm::Iter
            | IslandForm::Next
            | IslandForm::Drop
            | IslandForm::Read
            | IslandForm::Class(_)
            | IslandForm::Enter(_)
            | IslandForm::Leave(_)
            | IslandForm::Suppress(_) => spec.line..=spec.line,
            IslandForm::Plain | IslandForm::Coded | IslandForm::Value => {
                source.line(s.start)..=source.line(s.end.saturating_sub(1).max(s.start))
            }
        });
        let ranges: Vec<_> = ranges.collect();
        let covered = |l: &&mut LineReport| l.tier.is_some() && ranges.iter().any(|r| r.contains(&l.line));
        for line in report.lines.iter_mut().filter(covered) {
            line.tier = Some(Tier::Interpreter);
            line.island = Some(spec.line);
        }
        if let Some(first) = report.lines.iter_mut().find(|l| l.line == spec.line) {
            first.interpreter_calls += island.counter.calls();
            // The reason may be elsewhere: an argument, a variable that was assigned before.
            if let Some(d) = why
                .as_ref()
                .filter(|_| spec.form != IslandForm::Next)
                .filter(|d| !ranges.iter().any(|r| r.contains(&d.line)))
            {
                first.reasons.push(Reason {
                    column: 0,
                    length: 0,
                    ..reason(d, d.file != hir.file)
                });
            }
            let nanoseconds = island.counter.nanoseconds();
            if nanoseconds > 0 {
                *first.interpreter_us.get_or_insert(0.0) += nanoseconds as f64 / 1e3;
            }
        }
    }
}

/// Adds the text of the stages and the remarks of the optimiser.
fn add_code(report: &mut SpecializationReport, artifact: &Artifact, place: &Place) {
    let lines = place.line..place.line + report.lines.len() as u32;
    let own = artifact
        .frames
        .iter()
        .filter(|f| f.file == place.file && lines.contains(&f.first_line));
    let listing = Listing {
        functions: own.map(|f| f.name.as_str()).collect(),
    };
    report.code = Code {
        mir: listing.mir(&artifact.mir_text),
        clif: listing.clif(&artifact.clif_text),
        asm: listing.asm(&artifact.asm_text),
    };
    for r in artifact
        .remarks
        .iter()
        .filter(|r| listing.functions.contains(&r.function.as_str()))
    {
        let Some(line) = report.lines.iter_mut().find(|l| l.line == r.line) else {
            continue;
        };
        match line
            .remarks
            .iter_mut()
            .find(|x| x.message == r.message && x.pass == r.pass)
        {
            Some(known) => known.count += 1,
            None => line.remarks.push(Remark {
                pass: r.pass.to_owned(),
                message: r.message.clone(),
                count: 1,
            }),
        }
    }
}
