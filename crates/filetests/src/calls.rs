//! The calls that `run` files list: `name(1, 2.5, [f64: 1.0 2.0])`, and what becomes of them.

use std::fmt::Write as _;

use numlift_mir::interp::{Outcome, scalar};
use numlift_mir::{Function, Module, Ty};
use numlift_runtime::Status;

use crate::machine::{Arg, Observed};

/// A call as it is written.
pub struct Call {
    /// `name(arguments)`
    pub text: String,
    pub args: Vec<Arg>,
    /// Element types of the blocks.
    blocks: Vec<Ty>,
}

impl Call {
    /// Reads a call up to its closing parenthesis, and makes the function the entry.
    ///
    /// # Errors
    /// If there is no such function or an argument is not of its parameter's type.
    pub fn parse(text: &str, module: &mut Module) -> Result<Call, String> {
        let (name, rest) = text.split_once('(').ok_or("a call needs parentheses")?;
        let (inner, _) = rest.split_once(')').ok_or("a call needs parentheses")?;
        let found = module.funcs.iter().find(|(_, f)| f.name == name.trim());
        let (id, f) = found.ok_or_else(|| format!("no function `{name}`"))?;
        let words: Vec<&str> = match inner.trim() {
            "" => vec![],
            inner => inner.split(',').map(str::trim).collect(),
        };
        if words.len() != f.params.len() {
            return Err(format!("`{name}` has {} parameters", f.params.len()));
        }
        let mut call = Call {
            text: format!("{}({inner})", name.trim()),
            args: vec![],
            blocks: vec![],
        };
        for (word, &ty) in words.iter().zip(&f.params) {
            let arg = match word.strip_prefix('[') {
                Some(block) => call.block(block)?,
                None => Arg::Bits(number(ty, word)?),
            };
            call.args.push(arg);
        }
        module.entry = Some(id);
        Ok(call)
    }

    /// `f64: 1.0 2.0]`
    fn block(&mut self, text: &str) -> Result<Arg, String> {
        let inner = text.strip_suffix(']').ok_or("a block ends in `]`")?;
        let (ty, items) = inner
            .split_once(':')
            .ok_or("a block begins with its element type")?;
        let ty = Ty::from_name(ty.trim()).ok_or_else(|| format!("`{ty}` is not a type"))?;
        let mut bytes = vec![];
        for item in items.split_whitespace() {
            bytes.extend(&number(ty, item)?.to_le_bytes()[..ty.bytes() as usize]);
        }
        self.blocks.push(ty);
        Ok(Arg::Block(bytes))
    }

    /// What the call gave, as the file says it.
    pub fn describe(&self, f: &Function, observed: &Observed) -> String {
        let mut out = outcome(f, &observed.outcome);
        let before = self.args.iter().filter_map(|a| match a {
            Arg::Block(bytes) => Some(bytes),
            Arg::Bits(_) => None,
        });
        for ((before, after), &ty) in before.zip(&observed.blocks).zip(&self.blocks) {
            if before == after {
                continue;
            }
            let _ = write!(out, " leaving [{}:", ty.name());
            for item in after.chunks(ty.bytes() as usize) {
                let mut word = [0; 8];
                word[..item.len()].copy_from_slice(item);
                let _ = write!(out, " {}", show(ty, u64::from_le_bytes(word)));
            }
            out += "]";
        }
        out
    }
}

fn number(ty: Ty, text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a number of type {}", ty.name());
    let bits = match ty {
        Ty::F32 => u64::from(text.parse::<f32>().map_err(|_| wrong())?.to_bits()),
        Ty::F64 => text.parse::<f64>().map_err(|_| wrong())?.to_bits(),
        _ => text.parse::<i64>().map_err(|_| wrong())? as u64,
    };
    Ok(scalar::truncate(ty, bits))
}

fn show(ty: Ty, bits: u64) -> String {
    match ty {
        Ty::F32 => format!("{:?}", f32::from_bits(bits as u32)),
        Ty::F64 => format!("{:?}", f64::from_bits(bits)),
        _ => scalar::signed(ty, bits).to_string(),
    }
}

fn outcome(f: &Function, outcome: &Outcome) -> String {
    match outcome {
        Outcome::Returned(results) if results.is_empty() => "== ()".into(),
        Outcome::Returned(results) => {
            let shown = f
                .results
                .iter()
                .zip(results)
                .map(|(t, x)| show(*t, scalar::truncate(*t, *x)));
            format!("== {}", shown.collect::<Vec<_>>().join(", "))
        }
        Outcome::Failed(failure) => {
            let how = match failure.status {
                Status::Python => "raises",
                _ => "fails",
            };
            let mut out = format!("{how} {}", failure.site);
            if !failure.operands.is_empty() {
                let operands = failure.operands.iter().map(|x| format!("{x:#x}"));
                let _ = write!(out, " ({})", operands.collect::<Vec<_>>().join(", "));
            }
            if failure.effects != 0 {
                out += " after effects";
            }
            for same in failure.trace.chunk_by(|a, b| a == b) {
                let _ = write!(out, " from {}", same[0]);
                if same.len() > 1 {
                    let _ = write!(out, " {} times", same.len());
                }
            }
            out
        }
    }
}
