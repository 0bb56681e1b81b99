//! The build's identity, for the disk cache: a digest of the sources, the compiler and the profile. Code that
//! another build has written is never run.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

fn main() {
    let workspace = Path::new("../..");
    let mut files = vec![workspace.join("Cargo.lock")];
    for crate_ in entries(&workspace.join("crates")) {
        sources(&crate_.join("src"), &mut files);
    }
    files.sort();
    // not a secret and not against malice: two builds of the same version must differ
    let mut hasher = DefaultHasher::new();
    for file in &files {
        println!("cargo::rerun-if-changed={}", file.display());
        file.hash(&mut hasher);
        std::fs::read(file).unwrap_or_default().hash(&mut hasher);
    }
    for variable in ["PROFILE", "OPT_LEVEL", "TARGET", "RUSTC"] {
        std::env::var_os(variable).hash(&mut hasher);
    }
    println!("cargo::rustc-env=NUMLIFT_BUILD={:016x}", hasher.finish());
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let Ok(found) = std::fs::read_dir(directory) else {
        return vec![];
    };
    found.flatten().map(|e| e.path()).collect()
}

/// The files below a directory.
fn sources(directory: &Path, out: &mut Vec<PathBuf>) {
    for path in entries(directory) {
        if path.is_dir() {
            sources(&path, out);
        } else {
            out.push(path);
        }
    }
}
