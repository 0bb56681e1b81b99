//! Random modules: well-formed, and without undefined behaviour on the arguments that come with them.
//!
//! A module is a function of a tape of choices. Where the tape has ended every choice is the first one,
//! which is the simplest, so that a shorter tape is a smaller module: property tests shrink the tape.

mod body;
mod nest;
mod recursion;

use numlift_mir::{Builder, Function, Module, Ty, Value};
use numlift_runtime::FrameInfo;

use crate::machine::Arg;

/// Elements of each of the two blocks that the entry function gets.
pub const ELEMENTS: usize = 4;

/// A source of choices.
pub struct Tape<'a> {
    choices: &'a [u16],
    at: usize,
}

impl<'a> Tape<'a> {
    pub fn new(choices: &'a [u16]) -> Tape<'a> {
        Tape { choices, at: 0 }
    }

    /// A number below `n`.
    fn below(&mut self, n: usize) -> usize {
        let choice = self.choices.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        usize::from(choice) % n.max(1)
    }

    fn choose<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// True once in `n` times, never at the end of the tape.
    fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    fn is_at_end(&self) -> bool {
        self.at >= self.choices.len()
    }
}

const INTS: &[i64] = &[
    0,
    1,
    2,
    3,
    -1,
    -2,
    7,
    10,
    255,
    -128,
    1 << 31,
    -(1 << 31),
    1 << 53,
    i64::MAX,
    i64::MIN,
    i64::MAX - 1,
];
const FLOATS: &[f64] = &[
    0.0,
    1.0,
    -0.0,
    2.5,
    -1.5,
    0.1,
    3.0,
    1e300,
    -1e-310,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
    1e19,
];

/// Parameters of the entry function: a block of f64, a block of i64, their number of elements, numbers.
const PARAMS: [Ty; 8] = [
    Ty::I64,
    Ty::I64,
    Ty::I64,
    Ty::I64,
    Ty::I64,
    Ty::F64,
    Ty::I8,
    Ty::I32,
];
const RESULTS: [Ty; 5] = [Ty::I64, Ty::F64, Ty::I32, Ty::F32, Ty::I8];

/// A module whose entry takes [`arguments`].
pub fn module(tape: &mut Tape<'_>) -> Module {
    let mut m = Module::default();
    m.frames.push(FrameInfo {
        file: "generated.py".into(),
        name: "main".into(),
        qualname: "main".into(),
        first_line: 1,
    });
    for callee in 0..tape.below(3) {
        let results = tape.choose(&[&[Ty::I64][..], &[], &[Ty::F64, Ty::I64], &[Ty::I8]]);
        let name = format!("callee{callee}");
        body::function(
            &mut m,
            tape,
            &name,
            &[Ty::I64, Ty::F64, Ty::I8],
            results,
            body::Memory::None,
        );
    }
    if tape.once_in(3) {
        recursion::function(&mut m, tape);
    }
    let memory = match tape.once_in(2) {
        true => body::Memory::Regions,
        false => body::Memory::Any,
    };
    body::function(&mut m, tape, "main", &PARAMS, &RESULTS, memory);
    m.entry = m.funcs.last().map(|(id, _)| id);
    m
}

/// Arguments for the entry of a generated module.
pub fn arguments(tape: &mut Tape<'_>) -> Vec<Arg> {
    let floats: Vec<u8> = (0..ELEMENTS)
        .flat_map(|_| tape.choose(FLOATS).to_le_bytes())
        .collect();
    let ints: Vec<u8> = (0..ELEMENTS)
        .flat_map(|_| tape.choose(INTS).to_le_bytes())
        .collect();
    let int = |tape: &mut Tape<'_>| Arg::Bits(tape.choose(INTS) as u64);
    vec![
        Arg::Block(floats),
        Arg::Block(ints),
        Arg::Bits(ELEMENTS as u64),
        int(tape),
        int(tape),
        Arg::Bits(tape.choose(FLOATS).to_bits()),
        Arg::Bits(tape.below(2) as u64),
        int(tape),
    ]
}

/// A module of loops over arrays that may overlap, whose entry takes [`loop_arguments`].
pub fn loops(tape: &mut Tape<'_>) -> Module {
    let mut m = Module::default();
    body::strided::function(&mut m, tape);
    m
}

/// Arguments for the entry of a module of [`loops`].
pub fn loop_arguments(tape: &mut Tape<'_>) -> Vec<Arg> {
    let words = body::strided::BLOCK.div_ceil(8);
    let floats = (0..words).flat_map(|_| match tape.below(3) {
        0 => tape.choose(FLOATS).to_le_bytes(),
        1 => (tape.below(1000) as f64 / 8.0).to_le_bytes(),
        _ => {
            let (low, high) = (tape.choose(FLOATS) as f32, tape.below(1000) as f32 / 4.0);
            (u64::from(low.to_bits()) | u64::from(high.to_bits()) << 32).to_le_bytes()
        }
    });
    let floats = floats.collect();
    let ints = (0..words).flat_map(|_| match tape.once_in(2) {
        true => (tape.below(1 << 16) as u64)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .to_le_bytes(),
        false => tape.choose(INTS).to_le_bytes(),
    });
    let ints = ints.collect();
    let turns = tape.below(body::strided::TURNS + 1) as u64;
    let mut args = vec![Arg::Block(floats), Arg::Block(ints), Arg::Bits(turns)];
    for ty in &body::strided::PARAMS[3..] {
        args.push(Arg::Bits(match ty {
            Ty::F64 => tape.choose(FLOATS).to_bits(),
            Ty::I8 => tape.below(2) as u64,
            _ => match tape.once_in(2) {
                true => tape.below(80) as u64,
                false => tape.choose(INTS) as u64,
            },
        }));
    }
    args
}

/// Starts a function; its parameters are those of the entry block.
fn start(name: &str, params: &[Ty], results: &[Ty]) -> (Builder, Vec<Value>) {
    let mut f = Function::new(name);
    f.params = params.to_vec();
    f.results = results.to_vec();
    let mut b = Builder::new(f);
    let entry = b.create_block();
    b.switch_to(entry);
    let values = params.iter().map(|&t| b.func.append_param(entry, t)).collect();
    (b, values)
}
