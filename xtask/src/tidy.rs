//! Rules of the repository that no compiler checks.
//!
//! - A crate depends on what the table of `docs/architecture.md` allows, directly or through those, and on nothing else of the workspace.
//! - Third-party crates with a single home (the parser, Cranelift, PyO3) stay in it.
//! - Source files begin with a `//!` header and have at most [`MAX_LINES`] lines.
//! - No unfinished work, debugging aid or path of somebody's machine is left in a file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::files;

const MAX_LINES: usize = 600;

/// Third-party dependency and the crates it may appear in.
const HOMES: &[(&str, &[&str])] = &[
    ("rustpython-parser", &["syntax"]),
    ("cranelift-codegen", &["codegen"]),
    ("cranelift-frontend", &["codegen"]),
    ("cranelift-native", &["codegen"]),
    ("iced-x86", &["codegen"]),
    ("clap", &["python"]),
    ("pyo3", &["pyrt", "python", "stub"]),
    ("object", &["aot"]),
    ("postcard", &["pyrt", "python"]),
    ("memmap2", &["pyrt", "filetests"]),
];

/// Written in two parts so that this file does not contain them.
const FORBIDDEN: &[(&str, &str)] = &[
    ("TO", "DO"),
    ("FIX", "ME"),
    ("dbg", "!("),
    ("to", "do!("),
    ("unimplement", "ed!("),
    ("/ro", "ot/"),
    ("/ho", "me/"),
    ("/wo", "rk/"),
    ("/tmp/", "venv"),
    ("/tmp/", "tgt"),
];

/// Every breach, one line each.
pub fn run(root: &Path) -> Vec<String> {
    let mut problems = Vec::new();
    match std::fs::read_to_string(root.join("docs/architecture.md")) {
        Ok(text) => {
            let table = parse_table(&text);
            if table.is_empty() {
                problems.push("docs/architecture.md: no table of crates found".into());
            }
            check_crates(root, &table, &mut problems);
        }
        Err(e) => problems.push(format!("docs/architecture.md: {e}")),
    }
    for path in files(&root.join("crates"), ".rs")
        .into_iter()
        .chain(files(&root.join("xtask"), ".rs"))
    {
        check_source(root, &path, true, &mut problems);
    }
    for directory in ["python", "packaging", "tests", "examples", "bench"] {
        for path in files(&root.join(directory), ".py") {
            check_source(root, &path, false, &mut problems);
        }
    }
    problems
}

/// Rows `| `name` | purpose | `dependency`, ... |` of the crate table.
pub fn parse_table(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut table = BTreeMap::new();
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with("| crate ") {
            inside = true;
            continue;
        }
        if !line.starts_with('|') {
            inside = false;
        }
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        if inside && let [name, _, allowed] = cells.as_slice() {
            let Some(name) = quoted(name).into_iter().next() else {
                continue;
            };
            table.insert(name, quoted(allowed).into_iter().collect());
        }
    }
    table
}

/// What stands between backticks.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_string).collect()
}

/// `allowed` and what those may depend on.
fn closure(table: &BTreeMap<String, BTreeSet<String>>, name: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut pending: Vec<String> = table.get(name).into_iter().flatten().cloned().collect();
    while let Some(next) = pending.pop() {
        if reached.insert(next.clone()) {
            pending.extend(table.get(&next).into_iter().flatten().cloned());
        }
    }
    reached
}

fn check_crates(root: &Path, table: &BTreeMap<String, BTreeSet<String>>, problems: &mut Vec<String>) {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(root.join("crates"))
        .into_iter()
        .flatten()
        .flatten()
    {
        if entry.path().join("Cargo.toml").exists() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    for name in names {
        let Ok(manifest) = std::fs::read_to_string(root.join("crates").join(&name).join("Cargo.toml")) else {
            continue;
        };
        if !table.contains_key(&name) {
            problems.push(format!("crates/{name}: not in the table of docs/architecture.md"));
            continue;
        }
        let allowed = closure(table, &name);
        for dependency in dependencies(&manifest) {
            if let Some(own) = dependency.strip_prefix("numlift-") {
                if !allowed.contains(own) {
                    problems.push(format!("crates/{name}: may not depend on {own}"));
                }
            } else if let Some((_, homes)) = HOMES.iter().find(|(third, _)| *third == dependency)
                && !homes.contains(&name.as_str())
            {
                problems.push(format!(
                    "crates/{name}: {dependency} belongs to {}",
                    homes.join(" and ")
                ));
            }
        }
    }
}

/// Names under `[dependencies]` and `[build-dependencies]`; dev-dependencies are free.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]") && !line.contains("dev-");
        } else if inside && !line.starts_with('#') && line.contains('=') {
            let end = line.find(['.', ' ', '=']).unwrap_or(line.len());
            found.push(line[..end].to_string());
        }
    }
    found
}

fn check_source(root: &Path, path: &Path, rust: bool, problems: &mut Vec<String>) {
    let shown = path.strip_prefix(root).unwrap_or(path).display().to_string();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) => return problems.push(format!("{shown}: {e}")),
    };
    if rust && !text.starts_with("//!") {
        problems.push(format!("{shown}: no `//!` header"));
    }
    let lines = text.lines().count();
    if lines > MAX_LINES {
        problems.push(format!("{shown}: {lines} lines, at most {MAX_LINES}"));
    }
    for (index, line) in text.lines().enumerate() {
        for (a, b) in FORBIDDEN {
            if line.contains(&format!("{a}{b}")) {
                problems.push(format!("{shown}:{}: contains `{a}{b}`", index + 1));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "| crate | purpose | may depend on |\n|---|---|---|\n| `a` | x | – |\n| `b` | y | `a` |\n| `c` | z | `b` |\n";

    #[test]
    fn reads_the_table_and_follows_it() {
        let table = parse_table(TABLE);
        assert_eq!(table.len(), 3);
        assert_eq!(closure(&table, "c").into_iter().collect::<Vec<_>>(), ["a", "b"]);
        assert!(closure(&table, "a").is_empty());
    }

    #[test]
    fn reads_the_manifest() {
        let manifest = "[package]\nname = \"x\"\n[dependencies]\nnumlift-a.workspace = true\nlibc = \"1\"\n[dev-dependencies]\nz = \"1\"\n";
        assert_eq!(dependencies(manifest), ["numlift-a", "libc"]);
    }
}
