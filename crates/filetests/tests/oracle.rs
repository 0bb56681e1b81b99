//! Generated programs: the text form gives them back, every pass keeps what they compute (results,
//! memory, the failing site and what it records), and so does machine code.
//!
//! A pass is covered by being in the table of passes. `PROPTEST_CASES=10000` searches longer.

use numlift_codegen::Options;
use numlift_filetests::generate::{self, Tape};
use numlift_filetests::machine::{Arg, Native, Observed, compare, interpret};
use numlift_mir::Module;
use numlift_mir::interp::Trap;
use numlift_mir::verifier::verify;
use numlift_opt::{OptOptions, PASSES, PIPELINE, Pass, run_passes};
use proptest::prelude::*;

const FUEL: u64 = 20_000;

/// A module, and calls of it with what they give.
struct Program {
    module: Module,
    calls: Vec<(Vec<Arg>, Observed)>,
}

/// The program of a tape; calls that take too long are left out.
fn program(choices: &[u16]) -> Program {
    let mut tape = Tape::new(choices);
    // Arguments first: they are few, and a short tape shall still vary them.
    let arguments: Vec<Vec<Arg>> = (0..3).map(|_| generate::arguments(&mut tape)).collect();
    observed(generate::module(&mut tape), arguments)
}

/// The loops of a tape. Their arguments are many: they have a tape of their own.
fn loops(choices: &[u16], arguments: &[u16]) -> Program {
    let module = generate::loops(&mut Tape::new(choices));
    let mut tape = Tape::new(arguments);
    let arguments = (0..4).map(|_| generate::loop_arguments(&mut tape)).collect();
    observed(module, arguments)
}

fn observed(module: Module, arguments: Vec<Vec<Arg>>) -> Program {
    if let Err(e) = verify(&module) {
        panic!("the generator made something malformed: {e}\n{module}");
    }
    let observe = |args: Vec<Arg>| match interpret(&module, &args, FUEL) {
        Ok(observed) => Some((args, observed)),
        Err(Trap::Fuel) => None,
        Err(e) => panic!("the generator made a program without an outcome: {e}\n{args:?}\n{module}"),
    };
    let calls = arguments.into_iter().filter_map(observe).collect();
    Program { module, calls }
}

/// The module after the passes, within a number of rewrites, and the rewrites done.
fn optimised(module: &Module, passes: &[Pass], mut fuel: Option<u64>) -> (Result<Module, String>, u64) {
    let (mut m, mut rewrites) = (module.clone(), 0);
    for pass in passes {
        let before = m.clone();
        let verify_later = OptOptions {
            fuel,
            ..OptOptions::default()
        };
        let done = run_passes(&mut m, &[*pass], &verify_later).rewrites;
        rewrites += done;
        fuel = fuel.map(|n| n - done);
        if let Err(e) = verify(&m) {
            let name = pass.name;
            return (
                Err(format!("{name} breaks the module: {e}\n{before}\n; becomes\n{m}")),
                rewrites,
            );
        }
    }
    (Ok(m), rewrites)
}

/// What is wrong after the passes: the module, or the first call that gives something else.
fn wrong(p: &Program, passes: &[Pass], fuel: Option<u64>) -> Option<String> {
    let m = match optimised(&p.module, passes, fuel).0 {
        Ok(m) => m,
        Err(e) => return Some(e),
    };
    p.calls.iter().find_map(|(args, before)| {
        let after = interpret(&m, args, 10 * FUEL);
        match &after {
            Ok(after) if after.agrees(before) => None,
            _ => Some(format!(
                "{args:?}\nbefore: {before:?}\nafter: {after:?}\n; after the passes\n{m}"
            )),
        }
    })
}

/// Fails with the rewrite that changes the meaning.
fn check_passes(p: &Program, passes: &[Pass]) -> Result<(), TestCaseError> {
    let Some(complaint) = wrong(p, passes, None) else {
        return Ok(());
    };
    // The least fuel with which something is wrong: the last rewrite done with it is the culprit.
    let rewrites = optimised(&p.module, passes, None).1;
    let culprit = (0..=rewrites).find_map(|n| wrong(p, passes, Some(n)).map(|e| (n, e)));
    let (fuel, complaint) = culprit.unwrap_or((rewrites, complaint));
    let names: Vec<&str> = passes.iter().map(|p| p.name).collect();
    let before = optimised(&p.module, passes, Some(fuel.saturating_sub(1))).0;
    Err(TestCaseError::fail(format!(
        "rewrite {fuel} of {names:?}: {complaint}\n; without the last rewrite\n{}",
        before.map_or_else(|e| e, |m| m.to_string()),
    )))
}

/// Compares machine code, before and after the passes, with the interpreter.
fn run_natively(p: &Program) -> Result<(), TestCaseError> {
    let after = optimised(&p.module, PIPELINE, None)
        .0
        .map_err(TestCaseError::fail)?;
    for m in [&p.module, &after] {
        let native = Native::compile(m, &Options::default()).map_err(TestCaseError::fail)?;
        for (args, observed) in &p.calls {
            compare(&native, args, observed)
                .map_err(|e| TestCaseError::fail(format!("{args:?}\n{e}\n{m}")))?;
        }
    }
    Ok(())
}

/// A tape that is shown on one line.
#[derive(Clone)]
struct Choices(Vec<u16>);

impl std::fmt::Debug for Choices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let end = self.0.iter().rposition(|c| *c != 0).map_or(0, |i| i + 1);
        write!(f, "{:?}", &self.0[..end])
    }
}

fn tapes() -> impl Strategy<Value = Choices> {
    proptest::collection::vec(any::<u16>(), 40..600).prop_map(Choices)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn text_gives_the_module_back(tape in tapes()) {
        let m = program(&tape.0).module;
        let text = m.to_string();
        let again = numlift_mir::parse(&text);
        prop_assert_eq!(again.as_ref(), Ok(&m), "{}", text);
        prop_assert_eq!(again.map(|m| m.to_string()), Ok(text));
    }

    #[test]
    fn each_pass_keeps_the_meaning(tape in tapes()) {
        let p = program(&tape.0);
        for pass in PASSES {
            check_passes(&p, &[*pass])?;
        }
    }

    #[test]
    fn all_passes_keep_the_meaning_wherever_they_stop(tape in tapes(), fuel in 0..200u64) {
        let p = program(&tape.0);
        check_passes(&p, PIPELINE)?;
        if let Some(complaint) = wrong(&p, PIPELINE, Some(fuel)) {
            return Err(TestCaseError::fail(format!("with fuel {fuel}: {complaint}")));
        }
    }

    #[test]
    fn loops_are_vectorised_without_a_change(
        tape in proptest::collection::vec(any::<u16>(), 20..200).prop_map(Choices),
        arguments in proptest::collection::vec(any::<u16>(), 1800..2400).prop_map(Choices),
        fuel in 0..60u64,
    ) {
        let p = loops(&tape.0, &arguments.0);
        check_passes(&p, &[numlift_opt::transform::vectorise::PASS])?;
        check_passes(&p, &[numlift_opt::transform::vectorise::NESTS])?;
        check_passes(&p, PIPELINE)?;
        if let Some(complaint) = wrong(&p, PIPELINE, Some(fuel)) {
            return Err(TestCaseError::fail(format!("with fuel {fuel}: {complaint}")));
        }
        run_natively(&p)?;
    }

    #[test]
    fn machine_code_does_what_the_interpreter_does(tape in tapes()) {
        let p = program(&tape.0);
        // Machine code of a wrong program could do anything.
        check_passes(&p, PIPELINE)?;
        run_natively(&p)?;
    }
}

/// The generator makes loops that the pass takes, so that its oracle means something.
#[test]
fn generated_loops_are_vectorised() {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as u16
    };
    let mut remarks: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
    for _ in 0..200 {
        let choices: Vec<u16> = (0..100).map(|_| next()).collect();
        let mut m = generate::loops(&mut Tape::new(&choices));
        let out = run_passes(
            &mut m,
            &[
                numlift_opt::transform::vectorise::NESTS,
                numlift_opt::transform::vectorise::PASS,
            ],
            &OptOptions::default(),
        );
        for r in out.remarks {
            *remarks.entry(r.message).or_default() += 1;
        }
    }
    let done = remarks.iter().filter(|(m, _)| m.starts_with("vectorised"));
    let done: usize = done.map(|(_, n)| n).sum();
    assert!(done > 50, "{remarks:#?}");
    let nests = remarks.keys().filter(|m| m.contains("around an inner loop"));
    assert!(nests.count() > 1, "{remarks:#?}");
}
