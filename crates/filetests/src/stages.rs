//! The stages: from an input to the text that a file ought to hold.

use std::fmt::Write as _;
use std::path::Path;

use numlift_diagnostics::Diagnostic;
use numlift_mir::Module;
use numlift_mir::verifier::verify;
use numlift_opt::{OptOptions, PIPELINE, Pass, run_passes};
use numlift_types::CodeRef;

use crate::Expected;
use crate::calls::Call;
use crate::env::TableEnv;
use crate::machine::{Native, compare, interpret};

fn one(path: &Path, text: String) -> Result<Vec<Expected>, String> {
    let path = path.to_path_buf();
    Ok(vec![Expected { path, text }])
}

/// Reads and verifies; what is well-formed must also come back from its printed form.
pub fn mir(path: &Path, text: &str) -> Result<Vec<Expected>, String> {
    const ERROR: &str = "; error: ";
    let body: String = text
        .lines()
        .filter(|l| !l.starts_with(ERROR))
        .map(|l| format!("{l}\n"))
        .collect();
    let error = match numlift_mir::parse(&body) {
        Ok(m) => {
            round_trip(&m)?;
            verify(&m).err()
        }
        // The line with the error is the first of the file.
        Err(_) => numlift_mir::parse(&format!("\n{body}"))
            .err()
            .map(|e| e.to_string()),
    };
    one(
        path,
        match error {
            Some(e) => format!("{ERROR}{e}\n{body}"),
            None => body,
        },
    )
}

fn round_trip(m: &Module) -> Result<(), String> {
    let text = m.to_string();
    match numlift_mir::parse(&text) {
        Ok(again) if again == *m => Ok(()),
        Ok(_) => Err(format!("read back as another module:\n{text}")),
        Err(e) => Err(format!("not read back: {e}\n{text}")),
    }
}

/// Reads and verifies the blocks of `mir` in a page of the documentation; their number.
///
/// # Errors
/// The block, and what is wrong with it.
pub fn page(text: &str) -> Result<usize, String> {
    let blocks = text.split("\n```mir\n").skip(1);
    let mut count = 0;
    for block in blocks.filter_map(|b| b.split("\n```").next()) {
        let m = parse_verified(block).map_err(|e| format!("{e}\n{block}"))?;
        round_trip(&m)?;
        count += 1;
    }
    Ok(count)
}

/// Applies the pass that the folder is named after, or those of a line `; passes: a, b`.
pub fn opt(path: &Path, text: &str) -> Result<Vec<Expected>, String> {
    const AFTER: &str = "; after ";
    let before: String = text
        .lines()
        .take_while(|l| !l.starts_with(AFTER))
        .map(|l| format!("{l}\n"))
        .collect();
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
    let folder = folder.to_string_lossy().into_owned();
    let names = before.lines().find_map(|l| l.strip_prefix("; passes: "));
    let names = names.unwrap_or(&folder);
    let passes: Vec<Pass> = match names {
        "all" => PIPELINE.to_vec(),
        _ => names
            .split(", ")
            .map(|n| {
                numlift_opt::find(n)
                    .copied()
                    .ok_or_else(|| format!("no pass `{n}`"))
            })
            .collect::<Result<_, _>>()?,
    };
    let mut module = parse_verified(&before)?;
    let unchanged = module.clone();
    let options = OptOptions {
        verify: true,
        fastmath: before.lines().any(|l| l == "; fastmath"),
        trust_indices: before.lines().any(|l| l == "; trust-indices"),
        ..OptOptions::default()
    };
    let out = run_passes(&mut module, &passes, &options);
    let mut text = format!("{}\n\n{AFTER}{names}:", before.trim_end());
    match module == unchanged {
        true => text += " unchanged\n",
        false => {
            let _ = write!(text, "\n{module}");
        }
    }
    for r in &out.remarks {
        let _ = writeln!(text, "; {} @{}: {}", r.pass, r.line, r.message);
    }
    one(path, text)
}

fn parse_verified(text: &str) -> Result<Module, String> {
    let m = numlift_mir::parse(text).map_err(|e| e.to_string())?;
    verify(&m)?;
    Ok(m)
}

/// Lowers the function of the line `# lower: name(types)` with what it calls; other functions of the file
/// are found by name.
pub fn lower(path: &Path, text: &str) -> Result<Vec<Expected>, String> {
    let signature = text.lines().find_map(|l| l.strip_prefix("# lower: "));
    let signature = signature.ok_or("no line `# lower: name(types)`")?;
    let root = signature.split('(').next().unwrap_or_default();
    let args = numlift_types::signature::parse(signature).map_err(|e| e.to_string())?;
    let (env, root) = TableEnv::of_module(text, root)?;
    let text = match lowered(&env, root, &args) {
        Ok(m) => {
            round_trip(&m)?;
            m.to_string()
        }
        Err(e) => format!("; {e}\n"),
    };
    one(&path.with_extension("mir"), text)
}

fn lowered(env: &TableEnv, root: CodeRef, args: &[numlift_types::Type]) -> Result<Module, String> {
    let shown = |d: &Diagnostic| format!("{}: {} (line {})", d.code, d.message, d.line);
    let program = numlift_typeck::infer(env, root, args).map_err(|d| shown(&d))?;
    let places: Vec<String> = program.places().into_iter().map(shown).collect();
    if !places.is_empty() {
        return Err(places.join("\n; "));
    }
    let lowered = numlift_lower::lower(&program, None, env, false)?;
    verify(&lowered.module)?;
    Ok(lowered.module)
}

/// Runs the calls of the lines `; run: name(arguments)` four ways, which must agree.
pub fn run(path: &Path, text: &str) -> Result<Vec<Expected>, String> {
    const RUN: &str = "; run: ";
    let module = parse_verified(text)?;
    let mut optimised = module.clone();
    let options = OptOptions {
        verify: true,
        ..OptOptions::default()
    };
    numlift_opt::run(&mut optimised, &options);
    let mut out = String::new();
    for line in text.lines() {
        let Some(call) = line.strip_prefix(RUN) else {
            out += line;
            out.push('\n');
            continue;
        };
        let mut module = module.clone();
        let call = Call::parse(call, &mut module)?;
        optimised.entry = module.entry;
        let result = observe(&module, &optimised, &call)?;
        let _ = writeln!(out, "{RUN}{} {result}", call.text);
    }
    one(path, out)
}

fn observe(module: &Module, optimised: &Module, call: &Call) -> Result<String, String> {
    const FUEL: u64 = 1_000_000;
    let entry = module.entry.ok_or("no entry")?;
    let observed = match interpret(module, &call.args, FUEL) {
        Ok(observed) => observed,
        Err(trap) => return Ok(format!("has no outcome: {trap}")),
    };
    let after = interpret(optimised, &call.args, FUEL).map_err(|e| format!("after the passes: {e}"))?;
    if !after.agrees(&observed) {
        return Err(format!(
            "{}: the passes change {observed:?} into {after:?}",
            call.text
        ));
    }
    for m in [module, optimised] {
        let native = Native::compile(m, &numlift_codegen::Options::default())?;
        compare(&native, &call.args, &observed).map_err(|e| format!("{}: {e}", call.text))?;
    }
    Ok(call.describe(&module.funcs[entry], &observed))
}
