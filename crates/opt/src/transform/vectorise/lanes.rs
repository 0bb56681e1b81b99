//! The values of all turns of a vector iteration, in vector registers.

use std::collections::HashMap;

use numlift_mir::{Block, Builder, Imm, Inst, InstData, IntCC, Opcode, Ty, Value};
use smallvec::SmallVec;

use super::calls::{self, Area};
use super::emit::Scalars;
use super::guards::Guards;
use super::plan::{Plan, narrowed, negates, small_source};
use super::shape::Kind;

pub(super) type Registers = SmallVec<[Value; 8]>;

/// A value in lanes, the earliest turn first.
#[derive(Clone)]
pub(super) struct Wide {
    /// Type of a lane.
    ty: Ty,
    /// The lanes are masks that stand for 0 and 1, in integers of that type.
    truth: bool,
    pub registers: Registers,
}

pub(super) struct Lanes<'p> {
    plan: &'p Plan,
    turns: u32,
    pub known: HashMap<Value, Wide>,
    /// A load and a store of one place in memory, and what is there at the moment.
    pub kept: Option<(Inst, Inst, Registers)>,
    /// Vectors `0, n, 2*n, ...` of values that grow by `n`.
    ramps: HashMap<i64, Value>,
    /// Arguments and results of calls.
    area: Option<Area>,
    pub guards: Guards,
    /// Stores that wait for the guards, and what they store.
    late: Vec<(Inst, Registers)>,
}

impl<'p> Lanes<'p> {
    pub fn new(plan: &'p Plan, turns: u32) -> Lanes<'p> {
        Lanes {
            plan,
            turns,
            known: HashMap::new(),
            kept: None,
            ramps: HashMap::new(),
            area: None,
            guards: Guards::default(),
            late: vec![],
        }
    }

    /// Registers that hold the lanes of a type.
    pub fn registers(&self, ty: Ty) -> usize {
        (self.turns * ty.bytes()).div_ceil(16) as usize
    }

    pub fn set(&mut self, v: Value, ty: Ty, registers: &[Value]) {
        let wide = Wide {
            ty,
            truth: false,
            registers: registers.into(),
        };
        self.known.insert(v, wide);
    }

    /// Makes what is the same in all iterations.
    pub fn prepare(&mut self, b: &mut Builder, scalars: &mut Scalars<'_>) {
        let mut values: Vec<Value> = self.plan.wide.iter().copied().collect();
        values.sort();
        for v in values {
            match self.plan.shape.kind(v) {
                Kind::Uniform if !self.plan.shape.is_inside(v) => {
                    let ty = b.func.ty(v);
                    let splat = b.splat(v);
                    let registers = vec![splat; self.registers(ty)];
                    self.set(v, ty, &registers);
                }
                // In a nest it may change in the inner loop.
                Kind::Uniform if self.plan.shape.inner.is_none() => {
                    self.wide(b, scalars, v);
                }
                Kind::Steps(n) if !self.ramps.contains_key(&n) => {
                    let zero = b.iconst(Ty::I64, 0);
                    let (zeros, n_value) = (b.splat(zero), b.iconst(Ty::I64, n));
                    let ramp = b.insert(zeros, 1, n_value);
                    self.ramps.insert(n, ramp);
                }
                _ => {}
            }
        }
    }

    /// A block of the loop, for all turns.
    pub fn block(&mut self, b: &mut Builder, scalars: &mut Scalars<'_>, block: Block) {
        let line = b.line();
        for i in b.func.blocks[block].insts.clone() {
            let d = b.func.insts[i].clone();
            b.set_line(d.line);
            match (d.op, &d.imm, d.results.first()) {
                (Opcode::Safepoint, &Imm::Site(site), _) => b.safepoint(site),
                (Opcode::Store, ..) => {
                    let values = self.of(b, scalars, d.args[0]);
                    match &mut self.kept {
                        Some((_, store, now)) if *store == i => *now = values,
                        _ if !self.plan.shape.guards.is_empty() => self.late.push((i, values)),
                        _ => {
                            self.access(b, scalars, i, Some(&values));
                        }
                    }
                }
                (Opcode::Guard, ..) => self.guard(b, scalars, d.args[0]),
                (_, _, Some(&v))
                    if self.plan.wide.contains(&v) && self.plan.shape.kind(v) == Kind::Varying =>
                {
                    let wide = self.inst(b, scalars, i, &d);
                    self.known.insert(v, wide);
                }
                _ => {}
            }
        }
        b.set_line(line);
    }

    fn guard(&mut self, b: &mut Builder, scalars: &mut Scalars<'_>, cond: Value) {
        match self.plan.shape.kind(cond) {
            Kind::Varying => {
                let bytes = self.wide(b, scalars, cond).ty.bytes();
                let masks = self.mask(b, scalars, cond, bytes);
                self.guards.lanes(b, &masks);
            }
            _ => {
                let cond = scalars.get(b, cond);
                self.guards.uniform(b, cond);
            }
        }
    }

    /// The stores that have waited for the guards.
    pub fn store_late(&mut self, b: &mut Builder, scalars: &mut Scalars<'_>) {
        for (i, values) in std::mem::take(&mut self.late) {
            self.access(b, scalars, i, Some(&values));
        }
    }

    /// Loads the lanes of a load, or stores those of a store.
    pub fn access(
        &mut self,
        b: &mut Builder,
        scalars: &mut Scalars<'_>,
        i: Inst,
        stored: Option<&[Value]>,
    ) -> Registers {
        let d = b.func.insts[i].clone();
        let (Imm::Mem { disp, region }, Some(&addr)) = (d.imm, d.args.last()) else {
            return Registers::new();
        };
        let (addr, disp) = self.plan.shape.place(i).unwrap_or((addr, disp));
        let addr = scalars.get(b, addr);
        let at = |n: usize| disp + 16 * n as i32;
        match stored {
            Some(values) => {
                for (n, &v) in values.iter().enumerate() {
                    b.store(v, addr, at(n), region);
                }
                values.into()
            }
            None => {
                let loads = 0..self.registers(d.ty);
                loads
                    .map(|n| b.load(d.ty.vector(), addr, at(n), region))
                    .collect()
            }
        }
    }

    /// The lanes of a value, as numbers of its type.
    pub fn of(&mut self, b: &mut Builder, scalars: &mut Scalars<'_>, v: Value) -> Registers {
        let wide = self.wide(b, scalars, v);
        match wide.truth {
            false => wide.registers,
            true => {
                let bytes = resize(b, &wide, 1);
                let one = splat_int(b, Ty::I8, 1);
                bytes.iter().map(|&m| b.op(Opcode::Band, &[m, one])).collect()
            }
        }
    }

    fn wide(&mut self, b: &mut Builder, scalars: &mut Scalars<'_>, v: Value) -> Wide {
        if let Some(known) = self.known.get(&v) {
            return known.clone();
        }
        let ty = b.func.ty(v);
        let count = self.registers(ty);
        let x = scalars.get(b, v);
        let mut first = b.splat(x);
        let ramp = match self.plan.shape.kind(v) {
            Kind::Steps(n) => self.ramps.get(&n).map(|r| (n, *r)),
            _ => None,
        };
        if let Some((_, ramp)) = ramp {
            first = b.op(Opcode::Iadd, &[first, ramp]);
        }
        let mut registers = Registers::from_elem(first, count);
        if let Some((n, _)) = ramp {
            for (k, r) in registers.iter_mut().enumerate().skip(1) {
                let by = splat_int(b, Ty::I64, n.wrapping_mul(2 * k as i64));
                *r = b.op(Opcode::Iadd, &[first, by]);
            }
        }
        let wide = Wide {
            ty,
            truth: false,
            registers,
        };
        self.known.insert(v, wide.clone());
        wide
    }

    /// Masks of a truth value, in integers of that many bytes.
    fn mask(&mut self, b: &mut Builder, scalars: &mut Scalars<'_>, v: Value, bytes: u32) -> Registers {
        let mut wide = self.wide(b, scalars, v);
        if !wide.truth {
            let zero = splat_int(b, wide.ty, 0);
            for r in &mut wide.registers {
                *r = b.icmp(IntCC::Ne, *r, zero);
            }
        }
        resize(b, &wide, bytes)
    }

    fn inst(&mut self, b: &mut Builder, scalars: &mut Scalars<'_>, i: Inst, d: &InstData) -> Wide {
        let shape = &self.plan.shape;
        let truth = d.results.first().is_some_and(|&v| shape.truths.contains(&v));
        let numbers = |ty: Ty, registers: Registers| Wide {
            ty,
            truth: false,
            registers,
        };
        let vector = d.ty.vector();
        match d.op {
            Opcode::Load => {
                let kept = self.kept.as_ref().filter(|k| k.0 == i).map(|k| k.2.clone());
                let loaded = kept.unwrap_or_else(|| self.access(b, scalars, i, None));
                numbers(d.ty, loaded)
            }
            Opcode::Icmp | Opcode::Fcmp => self.comparison(b, scalars, i, d),
            Opcode::CallHelper => {
                let args = self.of(b, scalars, d.args[0]);
                let area = *self.area.get_or_insert_with(|| Area::new(b, self.turns));
                let results = calls::kernel(&b.func, i).map(|k| area.call(b, k, &args));
                numbers(d.ty, results.unwrap_or(args))
            }
            Opcode::Band | Opcode::Bor | Opcode::Bxor if truth => {
                let bytes = self.wide(b, scalars, d.args[0]).ty.bytes();
                let [x, y] = [0, 1].map(|n| self.mask(b, scalars, d.args[n], bytes));
                Wide {
                    ty: integer(bytes),
                    truth: true,
                    registers: each(b, d.op, &[x, y]),
                }
            }
            Opcode::Select => {
                let mask = self.mask(b, scalars, d.args[0], d.ty.bytes());
                let [x, y] = [1, 2].map(|n| self.of(b, scalars, d.args[n]));
                let picked = mask.iter().zip(x.iter().zip(&y));
                numbers(d.ty, picked.map(|(&m, (&x, &y))| b.select(m, x, y)).collect())
            }
            Opcode::Ishl | Opcode::Sshr | Opcode::Ushr => {
                let amount = scalars.get(b, d.args[1]);
                let values = self.of(b, scalars, d.args[0]);
                let shifted = values.iter().map(|&x| b.op_of(d.op, vector, &[x, amount]));
                numbers(d.ty, shifted.collect())
            }
            Opcode::Sext
            | Opcode::Zext
            | Opcode::Trunc
            | Opcode::StoF
            | Opcode::Fpromote
            | Opcode::Fdemote
            | Opcode::Bitcast => {
                let converted = self.conversion(b, scalars, d);
                numbers(d.ty, converted)
            }
            _ => {
                let args: Vec<Registers> = d.args.iter().map(|&v| self.of(b, scalars, v)).collect();
                numbers(d.ty, each(b, d.op, &args))
            }
        }
    }

    fn comparison(&mut self, b: &mut Builder, scalars: &mut Scalars<'_>, i: Inst, d: &InstData) -> Wide {
        if let Some(opposite) = negates(&b.func, &self.plan.shape, i) {
            let bytes = self.wide(b, scalars, d.args[0]).ty.bytes();
            let mut registers = self.mask(b, scalars, d.args[0], bytes);
            if opposite {
                registers = each(b, Opcode::Bnot, &[registers]);
            }
            return Wide {
                ty: integer(bytes),
                truth: true,
                registers,
            };
        }
        if let Some(n) = narrowed(&b.func, &self.plan.shape, i) {
            let ty = b.func.ty(n.value);
            let limit = scalars.get(b, n.limit);
            let limit = b.convert(Opcode::Trunc, ty, limit);
            let limit = b.splat(limit);
            let values = self.of(b, scalars, n.value);
            return Wide {
                ty,
                truth: true,
                registers: values.iter().map(|&x| b.icmp(n.cc, x, limit)).collect(),
            };
        }
        let [x, y] = [0, 1].map(|n| self.of(b, scalars, d.args[n]));
        let compared = x.iter().zip(&y).map(|(&x, &y)| match d.imm {
            Imm::FloatCC(cc) => b.fcmp(cc, x, y),
            Imm::IntCC(cc) => b.icmp(cc, x, y),
            _ => x,
        });
        Wide {
            ty: integer(d.ty.bytes()),
            truth: true,
            registers: compared.collect(),
        }
    }

    fn conversion(&mut self, b: &mut Builder, scalars: &mut Scalars<'_>, d: &InstData) -> Registers {
        let v = d.args[0];
        let wide = |l: &mut Self, b: &mut Builder, scalars: &mut Scalars<'_>, v| Wide {
            ty: b.func.ty(v),
            truth: false,
            registers: l.of(b, scalars, v),
        };
        match d.op {
            Opcode::Sext | Opcode::Zext if self.plan.shape.truths.contains(&v) => {
                let masks = self.mask(b, scalars, v, d.ty.bytes());
                let one = splat_int(b, d.ty, 1);
                masks.iter().map(|&m| b.op(Opcode::Band, &[m, one])).collect()
            }
            Opcode::Sext | Opcode::Zext => {
                let from = wide(self, b, scalars, v);
                extend(b, d.op, &from, d.ty.bytes())
            }
            Opcode::Trunc => {
                let from = wide(self, b, scalars, v);
                narrow(b, &from, d.ty.bytes())
            }
            Opcode::StoF => match small_source(&b.func, &self.plan.shape, v) {
                Some((source, op)) => {
                    let from = wide(self, b, scalars, source);
                    let ints = extend(b, op, &from, 4);
                    match d.ty {
                        Ty::F32 => ints
                            .iter()
                            .map(|&x| b.op_of(Opcode::StoF, Ty::F32x4, &[x]))
                            .collect(),
                        _ => halves(b, [Opcode::StoFLow, Opcode::StoFHigh], Ty::F64x2, &ints),
                    }
                }
                None => {
                    let ints = self.of(b, scalars, v);
                    ints.iter()
                        .map(|&x| b.op_of(Opcode::StoF, Ty::F64x2, &[x]))
                        .collect()
                }
            },
            Opcode::Fpromote => {
                let from = self.of(b, scalars, v);
                halves(b, [Opcode::FpromoteLow, Opcode::FpromoteHigh], Ty::F64x2, &from)
            }
            Opcode::Fdemote => {
                let from = self.of(b, scalars, v);
                let pairs = from.chunks(2);
                pairs
                    .map(|p| b.op_of(Opcode::FdemotePair, Ty::F32x4, p))
                    .collect()
            }
            _ => {
                let from = self.of(b, scalars, v);
                let to = d.ty.vector();
                from.iter().map(|&x| b.op_of(d.op, to, &[x])).collect()
            }
        }
    }
}

/// An operation on each register.
fn each(b: &mut Builder, op: Opcode, args: &[Registers]) -> Registers {
    let registers = 0..args.first().map_or(0, SmallVec::len);
    let apply = registers.map(|n| {
        let args: SmallVec<[Value; 3]> = args.iter().map(|a| a[n]).collect();
        b.op(op, &args)
    });
    apply.collect()
}

/// Two registers of each.
fn halves(b: &mut Builder, ops: [Opcode; 2], to: Ty, from: &[Value]) -> Registers {
    let both = from.iter().flat_map(|&x| ops.map(|op| (op, x)));
    both.map(|(op, x)| b.op_of(op, to, &[x])).collect()
}

fn integer(bytes: u32) -> Ty {
    match bytes {
        1 => Ty::I8,
        2 => Ty::I16,
        4 => Ty::I32,
        _ => Ty::I64,
    }
}

fn splat_int(b: &mut Builder, ty: Ty, n: i64) -> Value {
    let n = b.iconst(ty, n);
    b.splat(n)
}

/// Integers of more bits.
fn extend(b: &mut Builder, op: Opcode, from: &Wide, bytes: u32) -> Registers {
    let ops = match op {
        Opcode::Sext => [Opcode::SextLow, Opcode::SextHigh],
        _ => [Opcode::ZextLow, Opcode::ZextHigh],
    };
    let (mut registers, mut size) = (from.registers.clone(), from.ty.bytes());
    while size < bytes {
        size *= 2;
        registers = halves(b, ops, integer(size).vector(), &registers);
    }
    registers
}

/// Integers of fewer bits.
fn narrow(b: &mut Builder, from: &Wide, bytes: u32) -> Registers {
    let (mut registers, mut size) = (from.registers.clone(), from.ty.bytes());
    while size > bytes {
        size /= 2;
        let to = integer(size).vector();
        registers = registers
            .chunks(2)
            .map(|p| b.op_of(Opcode::Narrow, to, p))
            .collect();
    }
    registers
}

/// Masks of another size.
fn resize(b: &mut Builder, masks: &Wide, bytes: u32) -> Registers {
    match masks.ty.bytes() < bytes {
        true => extend(b, Opcode::Sext, masks, bytes),
        false => narrow(b, masks, bytes),
    }
}
