//! Loops over elements next to each other, in arrays that may overlap: what vectors are used for.

use numlift_mir::{FloatCC, IntCC, Module, Opcode, Region, Ty, Value};
use numlift_runtime::{SiteKind, helpers};

use super::{Body, Memory};
use crate::generate::{Tape, start};

/// Parameters of the entry function: a block of floats, one of integers, the number of turns, two offsets, numbers.
pub(in crate::generate) const PARAMS: [Ty; 9] = [
    Ty::I64,
    Ty::I64,
    Ty::I64,
    Ty::I64,
    Ty::I64,
    Ty::I64,
    Ty::F64,
    Ty::I8,
    Ty::I32,
];
/// Its results: the types of what loops carry.
const CARRIED: [Ty; 6] = [Ty::I64, Ty::I32, Ty::I16, Ty::I8, Ty::F64, Ty::F32];
/// Turns at most, and elements beyond the turn's own that are accessed.
pub(in crate::generate) const TURNS: usize = 100;
const AHEAD: usize = 4;
/// Bytes by which arrays may be shifted.
const SHIFT: usize = 64;
/// Turns of an inner loop at most, and bytes between what two of them access.
const INNER: usize = 7;
const STRIDE: usize = 16;
/// Bytes of a block.
pub(in crate::generate) const BLOCK: usize = SHIFT + (TURNS + AHEAD + 1) * 8 + INNER * STRIDE;

/// An array in one of the blocks.
#[derive(Clone, Copy)]
struct Array {
    base: Value,
    ty: Ty,
}

/// Adds a function of loops to the module.
pub(in crate::generate) fn function(m: &mut Module, tape: &mut Tape<'_>) {
    let (mut b, values) = start("loops", &PARAMS, &CARRIED);
    let slot = b.create_slot(16, false);
    let mut body = Body {
        m,
        tape,
        b,
        scope: values[5..].to_vec(),
        memory: Memory::None,
        blocks: values[..5].to_vec(),
        slot,
        depth: 0,
        budget: 0,
    };
    body.fill_slot();
    let float = body.float_ty();
    let arrays: Vec<Array> = (0..1 + body.tape.below(4))
        .map(|_| body.placed_array(float))
        .collect();
    let mut carried: Vec<Value> = CARRIED.iter().map(|&t| body.pick(t)).collect();
    for _ in 0..1 + body.tape.below(2) {
        match body.tape.once_in(3) {
            true => body.nested_loop(&arrays),
            false => carried = body.strided_loop(&arrays, &carried),
        }
    }
    body.b.ret(&carried);
    let func = body.b.func;
    m.entry = Some(m.funcs.push(func));
}

impl Body<'_, '_, '_> {
    /// An array that begins somewhere in a block: where, the program knows or not.
    fn placed_array(&mut self, float: Ty) -> Array {
        let (block, ty) = match self.tape.once_in(2) {
            true => (0, float),
            false => (1, self.int_ty()),
        };
        let mut base = self.blocks[block];
        let size = ty.bytes() as usize;
        let shift = match self.tape.below(3) {
            0 => None,
            1 => {
                let n = self.tape.below(SHIFT / size) * size;
                Some(self.b.iconst(Ty::I64, n as i64))
            }
            _ => {
                let by = self.blocks[3 + self.tape.below(2)];
                let unaligned = self.tape.once_in(4) && block == 1;
                let mask = if unaligned { SHIFT - 1 } else { SHIFT - size };
                let mask = self.b.iconst(Ty::I64, mask as i64);
                Some(self.b.op(Opcode::Band, &[by, mask]))
            }
        };
        if let Some(shift) = shift {
            base = self.b.op(Opcode::Iadd, &[base, shift]);
        }
        Array { base, ty }
    }

    /// A loop of one block that tests behind its body; what it carries then.
    fn strided_loop(&mut self, arrays: &[Array], carried: &[Value]) -> Vec<Value> {
        let (body, exit) = (self.b.create_block(), self.b.create_block());
        let i = self.b.func.append_param(body, Ty::I64);
        let params = self.params_of(body, &CARRIED);
        let results = self.params_of(exit, &CARRIED);
        let (n, zero) = (self.blocks[2], self.b.iconst(Ty::I64, 0));
        let any = self.b.icmp(IntCC::Slt, zero, n);
        self.b
            .br(any, (body, &[&[zero], carried].concat()), (exit, carried));
        self.b.switch_to(body);
        let outer = self.scope.len();
        self.scope.push(i);
        for _ in 0..1 + self.tape.below(10) {
            let made = self.strided_statement(arrays, i);
            self.scope.extend(made);
            if self.tape.once_in(8) {
                self.rare_guard();
            }
        }
        let next: Vec<Value> = params.iter().map(|&p| self.folded(p)).collect();
        let one = self.b.iconst(Ty::I64, 1);
        let after = self.b.op(Opcode::Iadd, &[i, one]);
        let more = self.b.icmp(IntCC::Slt, after, n);
        self.b
            .br(more, (body, &[&[after], &next[..]].concat()), (exit, &next));
        self.scope.truncate(outer);
        self.b.switch_to(exit);
        results
    }

    /// A loop around one that carries a value of its own: rows of a product of matrices, say.
    fn nested_loop(&mut self, arrays: &[Array]) {
        let [header, inner, latch, exit] = [(); 4].map(|()| self.b.create_block());
        let ty = self.tape.choose(&[Ty::F64, Ty::F32, Ty::I64, Ty::I32, Ty::I16]);
        let (zero, one) = (self.b.iconst(Ty::I64, 0), self.b.iconst(Ty::I64, 1));
        let (n, least) = (self.blocks[2], self.tape.below(INNER + 1) as i64);
        let turns = match self.tape.once_in(2) {
            true => self.b.iconst(Ty::I64, least),
            false => {
                let mask = self.b.iconst(Ty::I64, INNER as i64);
                self.b.op(Opcode::Band, &[self.blocks[3], mask])
            }
        };
        let i = self.b.func.append_param(header, Ty::I64);
        let any = self.b.icmp(IntCC::Slt, zero, n);
        self.b.br(any, (header, &[zero]), (exit, &[]));
        let outer = self.scope.len();

        self.b.switch_to(header);
        self.scope.push(i);
        self.strided_statements(arrays, i, 2);
        let first = self.pick(ty);
        let enter = self.b.icmp(IntCC::Slt, zero, turns);
        self.b.br(enter, (inner, &[zero, first]), (latch, &[first]));
        let here = self.scope.len();

        self.b.switch_to(inner);
        let k = self.b.func.append_param(inner, Ty::I64);
        let sum = self.b.func.append_param(inner, ty);
        self.scope.extend([k, sum]);
        for _ in 0..1 + self.tape.below(4) {
            let made = match self.tape.once_in(2) {
                true => self.strided_statement(arrays, i),
                false => vec![self.in_row(arrays, i, k)],
            };
            self.scope.extend(made);
        }
        let x = self.pick(ty);
        let op = match ty.is_float() {
            true => self.tape.choose(&[Opcode::Fadd, Opcode::Fmul, Opcode::Fsub]),
            false => self.tape.choose(&[Opcode::Iadd, Opcode::Isub, Opcode::Smax]),
        };
        let sum = self.b.op(op, &[sum, x]);
        if self.tape.once_in(3) {
            // added up in memory
            let array = self.tape.choose(arrays);
            let size = self.b.iconst(Ty::I64, i64::from(array.ty.bytes()));
            let offset = self.b.op(Opcode::Imul, &[i, size]);
            let addr = self.b.op(Opcode::Iadd, &[array.base, offset]);
            let old = self.b.load(array.ty, addr, 0, Region::Any);
            let x = self.pick(array.ty);
            let op = if array.ty.is_float() {
                Opcode::Fadd
            } else {
                Opcode::Isub
            };
            let new = self.b.op(op, &[old, x]);
            self.b.store(new, addr, 0, Region::Any);
        }
        let helper = self.site(SiteKind::Helper);
        self.b.safepoint(helper);
        let after = self.b.op(Opcode::Iadd, &[k, one]);
        let more = self.b.icmp(IntCC::Slt, after, turns);
        self.b.br(more, (inner, &[after, sum]), (latch, &[sum]));
        self.scope.truncate(here);

        self.b.switch_to(latch);
        let sum = self.b.func.append_param(latch, ty);
        self.scope.push(sum);
        self.strided_statements(arrays, i, 1);
        let stored = self.tape.choose(arrays);
        let x = self.pick(stored.ty);
        self.store_element(stored, i, x);
        self.b.safepoint(helper);
        let after = self.b.op(Opcode::Iadd, &[i, one]);
        let more = self.b.icmp(IntCC::Slt, after, n);
        self.b.br(more, (header, &[after]), (exit, &[]));
        self.scope.truncate(outer);
        self.b.switch_to(exit);
    }

    fn strided_statements(&mut self, arrays: &[Array], i: Value, most: usize) {
        for _ in 0..self.tape.below(most + 1) {
            let made = self.strided_statement(arrays, i);
            self.scope.extend(made);
        }
    }

    fn store_element(&mut self, array: Array, i: Value, x: Value) {
        let size = self.b.iconst(Ty::I64, i64::from(array.ty.bytes()));
        let offset = self.b.op(Opcode::Imul, &[i, size]);
        let addr = self.b.op(Opcode::Iadd, &[array.base, offset]);
        self.b.store(x, addr, 0, Region::Any);
    }

    /// The element of an outer turn, or none, that an inner turn moves by a stride.
    fn in_row(&mut self, arrays: &[Array], i: Value, k: Value) -> Value {
        let Array { base, ty } = self.tape.choose(arrays);
        let size = i64::from(ty.bytes());
        let stride = size * self.tape.below(STRIDE / size as usize + 1) as i64;
        let stride = self.b.iconst(Ty::I64, stride);
        let along = self.b.op(Opcode::Imul, &[k, stride]);
        let mut addr = self.b.op(Opcode::Iadd, &[base, along]);
        if self.tape.below(3) > 0 {
            let size = self.b.iconst(Ty::I64, size);
            let across = self.b.op(Opcode::Imul, &[i, size]);
            addr = self.b.op(Opcode::Iadd, &[addr, across]);
        }
        self.b.load(ty, addr, 0, Region::Any)
    }

    fn strided_statement(&mut self, arrays: &[Array], i: Value) -> Vec<Value> {
        match self.tape.below(10) {
            0 | 1 => self.element(arrays, i, false),
            2 | 3 => self.element(arrays, i, true),
            4 => self.int_operation(),
            5 => self.float_operation(),
            6 => self.comparison(),
            7 => self.selection(),
            8 => self.function(),
            _ => self.conversion(),
        }
    }

    /// A function that has a kernel for many numbers.
    fn function(&mut self) -> Vec<Value> {
        let name = self.tape.choose(&["exp", "log", "square", "sin", "cos", "erf"]);
        let x = self.pick(Ty::F64);
        let call = helpers::find(name).map(|id| self.b.call_helper(id, &[x], None));
        call.flatten().into_iter().collect()
    }

    /// A guard that most numbers pass.
    fn rare_guard(&mut self) {
        let (x, bound) = (self.pick(Ty::I64), self.b.iconst(Ty::I64, 40));
        let c = match self.tape.below(4) {
            0 => self.condition(),
            1 => {
                let x = self.pick(Ty::F64);
                let bound = self.b.fconst(Ty::F64, 3e9);
                self.b.fcmp(FloatCC::Ne, x, bound)
            }
            _ => self.b.icmp(IntCC::Ne, x, bound),
        };
        let (site, operands) = self.failure();
        self.b.check(Opcode::Guard, &[c], &operands, site);
    }

    /// Loads or stores the element of a turn, or one a little later.
    fn element(&mut self, arrays: &[Array], i: Value, store: bool) -> Vec<Value> {
        let Array { base, ty } = self.tape.choose(arrays);
        let size = i64::from(ty.bytes());
        let ahead = self.tape.below(AHEAD + 1) as i64;
        let fixed = self.tape.once_in(8) && !store;
        let addr = if fixed {
            base
        } else {
            let size = self.b.iconst(Ty::I64, size);
            let offset = self.b.op(Opcode::Imul, &[i, size]);
            self.b.op(Opcode::Iadd, &[base, offset])
        };
        let disp = (ahead * size) as i32;
        if store {
            let x = self.pick(ty);
            self.b.store(x, addr, disp, Region::Any);
            return vec![];
        }
        vec![self.b.load(ty, addr, disp, Region::Any)]
    }

    /// What a loop carries on: the value as it is, or folded with one of the turn, perhaps under a condition.
    fn folded(&mut self, p: Value) -> Value {
        let ty = self.b.func.ty(p);
        let x = self.pick(ty);
        let pick = self.tape.below(6);
        let next = match (ty.is_float(), pick) {
            (_, 0 | 1) => return p,
            (true, 2) => self.b.op(Opcode::Fadd, &[p, x]),
            (true, _) => {
                let cc = self.tape.choose(FloatCC::ALL);
                let order = self.tape.once_in(2);
                let (a, b) = if order { (x, p) } else { (p, x) };
                let c = self.b.fcmp(cc, a, b);
                return self.b.select(c, x, p);
            }
            (false, 2) => {
                let cc = self.tape.choose(IntCC::ALL);
                let c = self.b.icmp(cc, x, p);
                return match self.tape.once_in(2) {
                    true => self.b.select(c, x, p),
                    false => self.b.select(c, p, x),
                };
            }
            (false, _) => {
                let op = self.tape.choose(&[
                    Opcode::Iadd,
                    Opcode::Isub,
                    Opcode::Imul,
                    Opcode::Band,
                    Opcode::Bor,
                    Opcode::Bxor,
                    Opcode::Smin,
                    Opcode::Smax,
                ]);
                self.b.op(op, &[p, x])
            }
        };
        if self.tape.once_in(3) {
            let c = self.condition();
            return self.b.select(c, next, p);
        }
        next
    }
}
