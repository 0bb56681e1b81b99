//! The linked code as text: address, instruction and source line.
//!
//! ```text
//! ; f
//!   0040  push %rbp
//!   0041  vaddsd (%rsi,%rax,8),%xmm0,%xmm0                 @3
//! ```

use std::fmt::Write as _;

use cranelift_codegen::CompiledCode;
use cranelift_codegen::ir::SourceLoc;
use iced_x86::{Decoder, DecoderOptions, Formatter, GasFormatter, Instruction, SymbolResolver, SymbolResult};

/// Column of the source line.
const LINE_COLUMN: usize = 56;

/// A function in the linked code.
#[derive(Debug)]
pub(crate) struct Placed<'a> {
    pub name: &'a str,
    pub start: u32,
    pub bytes: &'a [u8],
    pub lines: &'a [SourceRange],
}

/// Code that comes from a source line: offsets in the function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SourceRange {
    start: u32,
    end: u32,
    line: u32,
}

/// What Cranelift keeps with an instruction: its line, and whether it is in a cold block.
pub(crate) fn source(line: u32, cold: bool) -> SourceLoc {
    SourceLoc::new(line & !COLD | if cold { COLD } else { 0 })
}

const COLD: u32 = 1 << 31;

/// The lines of the code.
pub(crate) fn source_ranges(code: &CompiledCode) -> Vec<SourceRange> {
    let known = code.buffer.get_srclocs_sorted().iter();
    known
        .filter(|s| !s.loc.is_default() && s.loc.bits() != COLD)
        .map(|s| SourceRange {
            start: s.start,
            end: s.end,
            line: s.loc.bits() & !COLD,
        })
        .collect()
}

/// Where the cold blocks begin, which are behind all others.
pub(crate) fn cold_start(code: &CompiledCode) -> u32 {
    let known = code.buffer.get_srclocs_sorted().iter();
    let cold = known.filter(|s| !s.loc.is_default() && s.loc.bits() & COLD != 0);
    cold.map(|s| s.start).min().unwrap_or(u32::MAX)
}

/// Names of functions in place of the addresses that are called.
struct Names(Vec<(u64, String)>);

impl SymbolResolver for Names {
    fn symbol(
        &mut self,
        _: &Instruction,
        _: u32,
        _: Option<u32>,
        address: u64,
        _: u32,
    ) -> Option<SymbolResult<'_>> {
        let (at, name) = self.0.iter().find(|(start, _)| *start == address)?;
        Some(SymbolResult::with_str(*at, name))
    }
}

/// The text of all functions; empty for another architecture.
pub(crate) fn text(functions: &[Placed<'_>]) -> String {
    let mut out = String::new();
    if !cfg!(target_arch = "x86_64") {
        return out;
    }
    let names = functions
        .iter()
        .map(|f| (u64::from(f.start), f.name.to_owned()))
        .collect();
    let mut formatter = GasFormatter::with_options(Some(Box::new(Names(names))), None);
    let options = formatter.options_mut();
    options.set_show_useless_prefixes(false);
    options.set_branch_leading_zeros(false);
    options.set_uppercase_hex(false);
    for f in functions {
        let _ = writeln!(out, "; {}", f.name);
        function(&mut formatter, f, &mut out);
        out.push('\n');
    }
    out
}

fn function(formatter: &mut GasFormatter, f: &Placed<'_>, out: &mut String) {
    let base = u64::from(f.start);
    let instructions: Vec<Instruction> = Decoder::with_ip(64, f.bytes, base, DecoderOptions::NONE)
        .into_iter()
        .collect();
    // Constants follow the code; the first that is addressed is where they begin.
    let inside = |i: &&Instruction| {
        i.is_ip_rel_memory_operand()
            && (base..base + f.bytes.len() as u64).contains(&i.memory_displacement64())
    };
    let end = instructions
        .iter()
        .filter(inside)
        .map(Instruction::memory_displacement64)
        .min();
    let mut row = String::new();
    for i in instructions
        .iter()
        .take_while(|i| end.is_none_or(|end| i.ip() < end))
    {
        row.clear();
        let _ = write!(row, "  {:04x}  ", i.ip());
        formatter.format(i, &mut row);
        let offset = (i.ip() - base) as u32;
        let at = f.lines.partition_point(|r| r.end <= offset);
        match f.lines.get(at).filter(|r| r.start <= offset) {
            Some(r) => {
                let _ = writeln!(out, "{row:LINE_COLUMN$} @{}", r.line);
            }
            None => {
                let _ = writeln!(out, "{row}");
            }
        }
    }
}
