//! Whether a function is the one that was compiled: its code object and its source text, wherever they are.
//!
//! The code object alone would not do: annotations of local variables leave no trace in it, but types depend on
//! them. The source alone would not do either: it is read from a file that may have changed since. File and line
//! are noted beside, so that code compiled for a function that has moved since can be told where it is now.

use blake3::Hasher;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyBytes, PyCode, PyComplex, PyEllipsis, PyFloat, PyFrozenSet, PyInt, PyNone, PyString, PyTuple,
};
use serde::{Deserialize, Serialize};

/// What makes a function the same as another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Code object and source text.
    Code,
    /// The source text: other versions of Python make other code objects of it.
    Text,
}

/// A function as another process can recognise it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Of code object and source text.
    pub digest: [u8; 32],
    /// Of names and source text.
    pub text: [u8; 32],
    pub file: String,
    pub first_line: u32,
    /// The line behind its last one.
    pub end_line: u32,
}

impl Fingerprint {
    /// `None` if its source is not available, or something in its code has no stable form.
    pub fn of(function: &Bound<'_, PyAny>) -> Option<Fingerprint> {
        let code = function.getattr("__code__").ok()?;
        let (file, first_line): (String, u32) = (
            code.getattr("co_filename").ok()?.extract().ok()?,
            code.getattr("co_firstlineno").ok()?.extract().ok()?,
        );
        let mut hasher = Hasher::new();
        hash_code(&mut hasher, &code, first_line)?;
        let globals = function.getattr("__globals__").ok()?;
        let linecache = function.py().import("linecache").ok()?;
        let lines = linecache.call_method1("getlines", (&file, globals)).ok()?;
        let lines: Vec<String> = lines.extract().ok()?;
        let rest = lines.get((first_line as usize).checked_sub(1)?..)?;
        let block = block(rest, last_line(&code)?.saturating_sub(first_line) as usize + 1)?;
        let mut text = Hasher::new();
        for name in TEXTS {
            put(
                &mut text,
                code.getattr(name).ok()?.extract::<String>().ok()?.as_bytes(),
            );
        }
        for line in block {
            put(&mut hasher, line.as_bytes());
            put(&mut text, line.as_bytes());
        }
        Some(Fingerprint {
            digest: *hasher.finalize().as_bytes(),
            text: *text.finalize().as_bytes(),
            first_line,
            end_line: first_line + block.len() as u32,
            file,
        })
    }

    /// Whether it is that of a function, wherever it is.
    pub fn is_of(&self, function: &Bound<'_, PyAny>, identity: Identity) -> bool {
        Fingerprint::of(function).is_some_and(|f| match identity {
            Identity::Code => f.digest == self.digest,
            Identity::Text => f.text == self.text,
        })
    }
}

fn put(hasher: &mut Hasher, bytes: &[u8]) {
    hasher.update(&(bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}

/// The last line that a code object, or one in it, has.
fn last_line(code: &Bound<'_, PyAny>) -> Option<u32> {
    let mut last = 0;
    for row in code.call_method0("co_lines").ok()?.try_iter().ok()? {
        let (_, _, line): (u32, u32, Option<u32>) = row.ok()?.extract().ok()?;
        last = last.max(line.unwrap_or(0));
    }
    for constant in code.getattr("co_consts").ok()?.cast::<PyTuple>().ok()? {
        if constant.is_instance_of::<PyCode>() {
            last = last.max(last_line(&constant)?);
        }
    }
    Some(last)
}

/// The lines of a function that has code in the first `n`: those, and what follows as long as it is indented deeper
/// than its first line or empty.
fn block(lines: &[String], n: usize) -> Option<&[String]> {
    let indent = |l: &String| l.len() - l.trim_start().len();
    let inside = |l: &&String| l.trim().is_empty() || indent(l) > indent(&lines[0]);
    let more = lines.get(n..)?.iter().take_while(inside).count();
    let all = &lines[..n + more];
    let blank = all.iter().rev().take_while(|l| l.trim().is_empty()).count();
    Some(&all[..all.len() - blank])
}

const TEXTS: [&str; 2] = ["co_name", "co_qualname"];
const NAMES: [&str; 4] = ["co_names", "co_varnames", "co_freevars", "co_cellvars"];
const NUMBERS: [&str; 4] = [
    "co_argcount",
    "co_posonlyargcount",
    "co_kwonlyargcount",
    "co_flags",
];
const BYTES: [&str; 3] = ["co_code", "co_linetable", "co_exceptiontable"];

fn hash_code(hasher: &mut Hasher, code: &Bound<'_, PyAny>, outer_line: u32) -> Option<()> {
    let get = |name: &str| code.getattr(name).ok();
    for name in TEXTS {
        put(hasher, get(name)?.extract::<String>().ok()?.as_bytes());
    }
    for name in NAMES {
        let names: Vec<String> = get(name)?.extract().ok()?;
        hasher.update(&(names.len() as u64).to_le_bytes());
        names.iter().for_each(|n| put(hasher, n.as_bytes()));
    }
    for name in NUMBERS {
        hasher.update(&get(name)?.extract::<u32>().ok()?.to_le_bytes());
    }
    for name in BYTES {
        put(hasher, get(name)?.cast::<PyBytes>().ok()?.as_bytes());
    }
    let line: u32 = get("co_firstlineno")?.extract().ok()?;
    hasher.update(&line.wrapping_sub(outer_line).to_le_bytes());
    hash_constant(hasher, &get("co_consts")?, outer_line)
}

/// `None` for a constant of a kind that no compiler of Python makes.
fn hash_constant(hasher: &mut Hasher, o: &Bound<'_, PyAny>, outer_line: u32) -> Option<()> {
    let mut tagged = |tag: u8, bytes: &[u8]| {
        hasher.update(&[tag]);
        put(hasher, bytes);
    };
    if let Ok(items) = o.cast_exact::<PyTuple>() {
        tagged(1, &(items.len() as u64).to_le_bytes());
        return items
            .iter()
            .try_for_each(|i| hash_constant(hasher, &i, outer_line));
    }
    if let Ok(items) = o.cast_exact::<PyFrozenSet>() {
        let one = |i: Bound<'_, PyAny>| {
            let mut own = Hasher::new();
            hash_constant(&mut own, &i, outer_line).map(|()| *own.finalize().as_bytes())
        };
        let mut digests: Vec<[u8; 32]> = items.iter().map(one).collect::<Option<_>>()?;
        digests.sort_unstable();
        tagged(2, digests.as_flattened());
    } else if o.is_exact_instance_of::<PyCode>() {
        tagged(3, &[]);
        return hash_code(hasher, o, outer_line);
    } else if let Ok(s) = o.cast_exact::<PyString>() {
        let encoded = s.call_method1("encode", ("utf-8", "surrogatepass")).ok()?;
        tagged(4, encoded.cast::<PyBytes>().ok()?.as_bytes());
    } else if let Ok(b) = o.cast_exact::<PyBytes>() {
        tagged(5, b.as_bytes());
    } else if let Ok(x) = o.cast_exact::<PyFloat>() {
        tagged(6, &x.extract::<f64>().ok()?.to_bits().to_le_bytes());
    } else if let Ok(z) = o.cast_exact::<PyComplex>() {
        let parts = ["real", "imag"].map(|n| z.getattr(n).and_then(|x| x.extract::<f64>()));
        let [re, im] = parts.map(|p| p.map(f64::to_bits));
        tagged(7, &[re.ok()?.to_le_bytes(), im.ok()?.to_le_bytes()].concat());
    } else if o.is_exact_instance_of::<PyInt>() {
        // hexadecimal: decimal digits are limited
        let text: String = o.call_method1("__format__", ("x",)).ok()?.extract().ok()?;
        tagged(8, text.as_bytes());
    } else if let Ok(b) = o.cast_exact::<PyBool>() {
        tagged(9, &[u8::from(b.is_true())]);
    } else if o.is_exact_instance_of::<PyNone>() {
        tagged(10, &[]);
    } else if o.is_exact_instance_of::<PyEllipsis>() {
        tagged(11, &[]);
    } else {
        return None;
    }
    Some(())
}
