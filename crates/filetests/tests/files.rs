//! One test per stage, and one of the page on MIR.

use numlift_filetests::{run, stages};

#[test]
fn mir() {
    run("mir", "mir", stages::mir);
}

#[test]
fn opt() {
    run("opt", "mir", stages::opt);
}

#[test]
fn lower() {
    run("lower", "py", stages::lower);
}

#[test]
fn interpreter_and_machine_code() {
    run("run", "mir", stages::run);
}

#[test]
fn documentation() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/mir.md");
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{path}: {e}"));
    match stages::page(&text) {
        Ok(blocks) => assert!(blocks > 0, "no blocks"),
        Err(e) => panic!("docs/mir.md: {e}"),
    }
}
