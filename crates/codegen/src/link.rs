//! From compiled functions to one relocation-free piece of code.
//!
//! Functions start at multiples of 64. A function with loops may be moved up by a few bytes so
//! that the innermost ones lie in as few cache lines as they can: a small loop that crosses one
//! is 1.6 to 3 times slower.

use cranelift_codegen::CompiledCode;
use cranelift_codegen::FinalizedRelocTarget;
use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::ir::ExternalName;
use cranelift_codegen::ir::function::FunctionParameters;

use crate::CodegenError;
use crate::disassembly::{Placed, SourceRange, cold_start, source_ranges};
use crate::isa::Isa;

/// Alignment of function starts and of the blob.
pub(crate) const ALIGN: u32 = 64;

/// What the processor pushes or the prologue saves above Cranelift's frame.
const RETURN_AND_FP: u32 = 16;

/// A call of another function of the blob.
#[derive(Clone, Copy, Debug)]
struct CallReloc {
    at: u32,
    func: u32,
    kind: Reloc,
    addend: i64,
}

/// Machine code of one function.
#[derive(Debug)]
pub(crate) struct FuncCode {
    name: String,
    bytes: Vec<u8>,
    /// Bytes between the aligned place and the function's start.
    pad: u32,
    calls: Vec<CallReloc>,
    pub frame_bytes: u32,
    /// Source lines of the code; empty unless its text is wanted.
    lines: Vec<SourceRange>,
}

impl FuncCode {
    pub fn new(
        name: &str,
        code: &CompiledCode,
        params: &FunctionParameters,
        isa: &Isa,
    ) -> Result<FuncCode, CodegenError> {
        let refuse = |message: String| CodegenError::Relocation {
            func: name.to_owned(),
            message,
        };
        if code.buffer.alignment > ALIGN {
            return Err(refuse(format!("alignment {}", code.buffer.alignment)));
        }
        let mut calls = Vec::new();
        for r in code.buffer.relocs() {
            let FinalizedRelocTarget::ExternalName(ExternalName::User(name)) = &r.target else {
                return Err(refuse(format!("{:?} {:?}", r.kind, r.target)));
            };
            if !matches!(r.kind, Reloc::X86CallPCRel4 | Reloc::X86PCRel4 | Reloc::Arm64Call) {
                return Err(refuse(format!("{:?} {:?}", r.kind, r.target)));
            }
            let func = params.user_named_funcs()[*name].index;
            calls.push(CallReloc {
                at: r.offset,
                func,
                kind: r.kind,
                addend: r.addend,
            });
        }
        let pad = padding(&hot_loops(code));
        // Without AVX the vector constants, which follow the code, need their alignment.
        let pad = if isa.unaligned_simd || pad.is_multiple_of(code.buffer.alignment) {
            pad
        } else {
            0
        };
        let frame = code.buffer.frame_layout().map_or(0, |f| f.frame_to_fp_offset);
        Ok(FuncCode {
            name: name.to_owned(),
            bytes: code.code_buffer().to_vec(),
            pad,
            calls,
            lines: Vec::new(),
            frame_bytes: frame + RETURN_AND_FP,
        })
    }

    /// Keeps the source lines of the code.
    pub fn with_lines(mut self, code: &CompiledCode) -> FuncCode {
        self.lines = source_ranges(code);
        self
    }

    /// The function where it was placed.
    pub fn placed<'a>(&'a self, code: &'a [u8], start: u32) -> Placed<'a> {
        Placed {
            name: &self.name,
            start,
            bytes: &code[start as usize..start as usize + self.bytes.len()],
            lines: &self.lines,
        }
    }
}

/// Where the loops begin and end, but for those in rarely run code, which is behind all other.
fn hot_loops(code: &CompiledCode) -> Vec<(u32, u32)> {
    let cold = cold_start(code);
    let ends = |from: u32| code.bb_starts.iter().copied().filter(|s| *s > from).min();
    code.bb_edges
        .iter()
        .filter(|(from, to)| to <= from && *from < cold)
        .map(|&(from, to)| (to, ends(from).unwrap_or(from).min(cold)))
        .collect()
}

/// How many bytes to leave before a function for its loops: those of a nest count the more the deeper they are.
fn padding(loops: &[(u32, u32)]) -> u32 {
    let depth = |l: (u32, u32)| loops.iter().filter(|o| o.0 <= l.0 && l.1 <= o.1).count();
    let weighed: Vec<((u32, u32), u64)> = loops
        .iter()
        .map(|&l| (l, 8u64.pow(depth(l).min(8) as u32)))
        .collect();
    let Some(&(innermost, _)) = weighed.iter().max_by_key(|(l, w)| (*w, u32::MAX - (l.1 - l.0))) else {
        return 0;
    };
    let lines = |(from, to): (u32, u32)| u64::from(to.div_ceil(ALIGN) - from / ALIGN);
    let cost = |pad: u32| -> u64 {
        weighed
            .iter()
            .map(|&((from, to), w)| w * (lines((from + pad, to + pad)) - lines((0, to - from))))
            .sum()
    };
    (0..ALIGN)
        .min_by_key(|&pad| (cost(pad), (innermost.0 + pad) % ALIGN))
        .unwrap_or(0)
}

/// Places the functions one after another and resolves the calls between them. Gives the code
/// and the offset of each function.
pub(crate) fn link(funcs: &[FuncCode], isa: &Isa) -> Result<(Vec<u8>, Vec<u32>), CodegenError> {
    link_with(funcs, isa, &[])
}

/// The same with functions outside, which have the next numbers and are at these distances from the code's beginning.
pub(crate) fn link_with(
    funcs: &[FuncCode],
    isa: &Isa,
    outside: &[i64],
) -> Result<(Vec<u8>, Vec<u32>), CodegenError> {
    let fill = if isa.target.name() == "x64" { 0xCC } else { 0 };
    let mut code: Vec<u8> = Vec::new();
    let mut starts = Vec::with_capacity(funcs.len());
    for f in funcs {
        let start = code.len().next_multiple_of(ALIGN as usize) + f.pad as usize;
        code.resize(start, fill);
        starts.push(start as u32);
        code.extend_from_slice(&f.bytes);
    }
    let targets: Vec<i64> = starts.iter().map(|&s| i64::from(s)).collect();
    let targets = [&targets[..], outside].concat();
    for (f, &start) in funcs.iter().zip(&starts) {
        for call in &f.calls {
            patch(&mut code, start + call.at, call, &targets).map_err(|message| {
                CodegenError::Relocation {
                    func: f.name.clone(),
                    message,
                }
            })?;
        }
    }
    Ok((code, starts))
}

fn patch(code: &mut [u8], at: u32, call: &CallReloc, starts: &[i64]) -> Result<(), String> {
    let target = *starts
        .get(call.func as usize)
        .ok_or_else(|| format!("no function {}", call.func))?;
    let distance = target + call.addend - i64::from(at);
    let field = &mut code[at as usize..at as usize + 4];
    let word = u32::from_le_bytes([field[0], field[1], field[2], field[3]]);
    let new = match call.kind {
        Reloc::Arm64Call => {
            if !(-(1 << 27)..1 << 27).contains(&distance) {
                return Err(format!("a call over {distance} bytes"));
            }
            word & 0xFC00_0000 | (distance >> 2) as u32 & 0x03FF_FFFF
        }
        _ => i32::try_from(distance).map_err(|_| format!("a call over {distance} bytes"))? as u32,
    };
    field.copy_from_slice(&new.to_le_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::padding;

    #[test]
    fn innermost_loops_cross_few_lines() {
        assert_eq!(padding(&[]), 0);
        // one loop begins a line
        assert_eq!(padding(&[(40, 80)]), 24);
        // the inner one, also of two in one
        assert_eq!(padding(&[(10, 90), (30, 50)]), 34);
        let pad = padding(&[(10, 200), (30, 60), (100, 140)]);
        assert!((30 + pad) % 64 + 30 <= 64 && (100 + pad) % 64 + 40 <= 64, "{pad}");
        assert_eq!(padding(&[(8, 8)]), 56);
    }
}
