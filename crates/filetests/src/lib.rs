//! Tests that are files: `tests/filetests/<stage>/**`.
//!
//! A test computes from a file's input what the file ought to hold, expectation included. The
//! runner compares that with what it holds; with `BLESS=1` it writes it. `FILETESTS=text` runs only the
//! files whose path contains the text.
//!
//! | stage | input | expectation |
//! |---|---|---|
//! | `mir/*.mir` | a module | `; error:` line of the reader or the verifier, or none |
//! | `opt/<pass>/*.mir` | a module | the module after the pass, and its remarks |
//! | `lower/*.py` | Python functions, `# lower: f(types)` | the module, in the `.mir` file beside it |
//! | `run/*.mir` | a module, `; run: f(1, 2.5, [f64: 1.0 2.0])` | what each call gives: in the interpreter and as machine code, before and after the passes |

pub mod calls;
pub mod env;
pub mod generate;
pub mod machine;
mod report;
pub mod stages;

use std::path::{Path, PathBuf};

/// What a file ought to hold.
pub struct Expected {
    pub path: PathBuf,
    pub text: String,
}

/// Gives the files as they ought to be for an input file and its text; an error if there is no such text.
pub type Test = fn(&Path, &str) -> Result<Vec<Expected>, String>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/filetests")
}

/// Runs a test on the files of a stage whose name has the extension.
///
/// # Panics
/// If a file is not as it ought to be, with the differences of all such files.
pub fn run(stage: &str, extension: &str, test: Test) {
    let wanted = std::env::var("FILETESTS").unwrap_or_default();
    let bless = std::env::var("BLESS").is_ok_and(|v| v == "1");
    let (mut count, mut failures) = (0, vec![]);
    for path in files(&root().join(stage), extension) {
        let shown = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
        if !shown.contains(&wanted) {
            continue;
        }
        count += 1;
        if let Err(e) = check(&path, test, bless) {
            failures.push(format!("{shown}:\n{e}"));
        }
    }
    assert!(count > 0 || !wanted.is_empty(), "no files in {stage}");
    assert!(
        failures.is_empty(),
        "{} of {count} files of `{stage}` are not as expected (BLESS=1 writes them)\n\n{}",
        failures.len(),
        failures.join("\n")
    );
}

fn check(path: &Path, test: Test, bless: bool) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
    let mut differences = String::new();
    for expected in test(path, &text)? {
        let held = std::fs::read_to_string(&expected.path).unwrap_or_default();
        if held == expected.text {
            continue;
        }
        if bless {
            std::fs::write(&expected.path, &expected.text).map_err(|e| e.to_string())?;
        } else {
            differences += &report::difference(&held, &expected.text);
        }
    }
    match differences.is_empty() {
        true => Ok(()),
        false => Err(differences),
    }
}

fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}
