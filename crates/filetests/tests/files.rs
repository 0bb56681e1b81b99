//! One test per stage.

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
