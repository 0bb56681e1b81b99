//! The body of a function: statements over the values in scope.

pub(super) mod strided;

use numlift_mir::{
    Block, Builder, FloatCC, FuncId, Imm, IntCC, Module, Opcode, Region, Site, Slot, Ty, Value,
};
use numlift_runtime::{ExitReason, SiteData, SiteKind, helpers};

use super::{ELEMENTS, FLOATS, INTS, Tape, start};

/// What memory besides stack slots a function has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Memory {
    None,
    /// Two blocks whose accesses do not say which of them they touch.
    Any,
    /// Two blocks, the second of which has a region of its own.
    Regions,
}

pub(super) struct Body<'m, 't, 'a> {
    pub(super) m: &'m mut Module,
    pub(super) tape: &'t mut Tape<'a>,
    pub(super) b: Builder,
    /// Values that may be used here.
    pub(super) scope: Vec<Value>,
    pub(super) memory: Memory,
    /// Addresses of the blocks and their number of elements.
    pub(super) blocks: Vec<Value>,
    slot: Slot,
    /// Nested statements so far.
    pub(super) depth: usize,
    /// Statements that may still be made.
    budget: usize,
}

/// Adds a function to the module.
pub(super) fn function(
    m: &mut Module,
    tape: &mut Tape<'_>,
    name: &str,
    params: &[Ty],
    results: &[Ty],
    memory: Memory,
) {
    let mut body = begin(m, tape, name, params, memory);
    body.b.func.results = results.to_vec();
    body.statements();
    body.end();
}

/// A function whose statements come next.
pub(super) fn begin<'m, 't, 'a>(
    m: &'m mut Module,
    tape: &'t mut Tape<'a>,
    name: &str,
    params: &[Ty],
    memory: Memory,
) -> Body<'m, 't, 'a> {
    let (mut b, values) = start(name, params, &[]);
    let slot = b.create_slot(16, false);
    let own = match memory {
        Memory::None => 0,
        Memory::Any | Memory::Regions => 3,
    };
    let mut body = Body {
        m,
        tape,
        b,
        scope: values[own..].to_vec(),
        memory,
        blocks: values[..own].to_vec(),
        slot,
        depth: 0,
        budget: 40,
    };
    body.fill_slot();
    if own > 0 && body.tape.once_in(2) {
        body.blocks[2] = body.b.op(Opcode::Extent, &values[2..3]);
    }
    body
}

impl Body<'_, '_, '_> {
    /// Returns values in scope, and puts the function into the module.
    pub(super) fn end(mut self) {
        self.give();
        self.m.funcs.push(self.b.func);
    }

    pub(super) fn give(&mut self) {
        let types = self.b.func.results.clone();
        let returned = self.picks(&types);
        self.b.ret(&returned);
    }

    /// Both halves of the slot are written before anything else.
    fn fill_slot(&mut self) {
        let addr = self.b.slot_addr(self.slot);
        for disp in [0, 8] {
            let x = self.pick(Ty::I64);
            self.b.store(x, addr, disp, Region::Stack);
        }
    }

    pub(super) fn statements(&mut self) {
        let count = self.tape.below(8);
        for _ in 0..count {
            if self.budget == 0 || self.tape.is_at_end() {
                return;
            }
            self.budget -= 1;
            let line = self.b.line() + 1;
            self.b.set_line(line);
            self.statement();
        }
    }

    fn statement(&mut self) {
        let made = match self.tape.below(18) {
            0 | 1 => self.int_operation(),
            2 | 3 => self.float_operation(),
            4 => self.comparison(),
            5 => self.selection(),
            6 => self.conversion(),
            7 => self.checked(),
            8 => self.division(),
            9 => self.array_access(),
            10 => self.slot_access(),
            11 => self.helper(),
            12 => self.call(),
            13 => self.check(),
            14 => self.branch(),
            15 | 16 => self.nest(),
            _ => self.repeat(),
        };
        self.scope.extend(made);
    }

    // Values

    fn constant(&mut self, ty: Ty) -> Value {
        match ty {
            Ty::F32 | Ty::F64 => {
                let x = self.tape.choose(FLOATS);
                self.b.fconst(ty, x)
            }
            _ => {
                let n = self.tape.choose(INTS);
                self.b.iconst(ty, n)
            }
        }
    }

    /// A value of the type: one in scope, or a constant.
    pub(super) fn pick(&mut self, ty: Ty) -> Value {
        let known = self.scope.iter().copied().filter(|v| self.b.func.ty(*v) == ty);
        let known: Vec<Value> = known.collect();
        match known.is_empty() || self.tape.once_in(4) {
            true => self.constant(ty),
            // The newest first, so that most results are used.
            false => known[known.len() - 1 - self.tape.below(known.len())],
        }
    }

    fn int_ty(&mut self) -> Ty {
        self.tape.choose(&[Ty::I64, Ty::I64, Ty::I32, Ty::I8, Ty::I16])
    }

    fn float_ty(&mut self) -> Ty {
        self.tape.choose(&[Ty::F64, Ty::F64, Ty::F32])
    }

    pub(super) fn site(&mut self, kind: SiteKind) -> Site {
        let line = self.b.line();
        self.m.sites.push(SiteData { kind, frame: 0, line })
    }

    /// A site, and operands to record there.
    pub(super) fn failure(&mut self) -> (Site, Vec<Value>) {
        if self.tape.once_in(2) {
            let operands = vec![self.pick(Ty::I64), self.pick(Ty::F64)];
            let kind = SiteKind::Replay {
                expr: "a + b".into(),
                operands: vec![numlift_types::Type::INT, numlift_types::Type::FLOAT],
            };
            return (self.site(kind), operands);
        }
        let done = self.tape.below(2) as i64;
        let done = self.b.iconst(Ty::I8, done);
        (self.site(SiteKind::Exit(ExitReason::Overflow)), vec![done])
    }

    // Pure operations

    fn int_operation(&mut self) -> Vec<Value> {
        let ty = self.int_ty();
        let op = self.tape.choose(&[
            Opcode::Iadd,
            Opcode::Isub,
            Opcode::Imul,
            Opcode::Ineg,
            Opcode::Band,
            Opcode::Bor,
            Opcode::Bxor,
            Opcode::Bnot,
            Opcode::Ishl,
            Opcode::Sshr,
            Opcode::Ushr,
            Opcode::Smin,
            Opcode::Smax,
            Opcode::Clz,
            Opcode::Ctz,
            Opcode::Popcnt,
        ]);
        let mut args: Vec<Value> = (0..op.arity()).map(|_| self.pick(ty)).collect();
        if matches!(op, Opcode::Ishl | Opcode::Sshr | Opcode::Ushr) {
            let bits = self.b.iconst(ty, i64::from(ty.bits()) - 1);
            args[1] = self.b.op(Opcode::Band, &[args[1], bits]);
        }
        vec![self.b.op(op, &args)]
    }

    fn float_operation(&mut self) -> Vec<Value> {
        let ty = self.float_ty();
        let op = self.tape.choose(&[
            Opcode::Fadd,
            Opcode::Fsub,
            Opcode::Fmul,
            Opcode::Fdiv,
            Opcode::Fneg,
            Opcode::Fabs,
            Opcode::Fsqrt,
            Opcode::Ffloor,
            Opcode::Fceil,
            Opcode::Ftrunc,
            Opcode::Fnearest,
        ]);
        let args: Vec<Value> = (0..op.arity()).map(|_| self.pick(ty)).collect();
        vec![self.b.op(op, &args)]
    }

    pub(super) fn comparison(&mut self) -> Vec<Value> {
        vec![self.condition()]
    }

    fn condition(&mut self) -> Value {
        if self.tape.once_in(3) {
            let ty = self.float_ty();
            let (x, y) = (self.pick(ty), self.pick(ty));
            let cc = self.tape.choose(FloatCC::ALL);
            return self.b.fcmp(cc, x, y);
        }
        let ty = self.int_ty();
        let (x, y) = (self.pick(ty), self.pick(ty));
        let cc = self.tape.choose(IntCC::ALL);
        self.b.icmp(cc, x, y)
    }

    fn selection(&mut self) -> Vec<Value> {
        let c = match self.tape.once_in(3) {
            true => self.pick(Ty::I8),
            false => self.condition(),
        };
        let ty = match self.tape.once_in(2) {
            true => self.float_ty(),
            false => self.int_ty(),
        };
        let (x, y) = (self.pick(ty), self.pick(ty));
        vec![self.b.select(c, x, y)]
    }

    fn conversion(&mut self) -> Vec<Value> {
        let (op, from, to) = self.tape.choose(&[
            (Opcode::StoF, Ty::I64, Ty::F64),
            (Opcode::FtoS, Ty::F64, Ty::I64),
            (Opcode::Trunc, Ty::I64, Ty::I32),
            (Opcode::Trunc, Ty::I32, Ty::I8),
            (Opcode::Sext, Ty::I32, Ty::I64),
            (Opcode::Sext, Ty::I8, Ty::I64),
            (Opcode::Zext, Ty::I8, Ty::I64),
            (Opcode::Zext, Ty::I8, Ty::I16),
            (Opcode::Zext, Ty::I32, Ty::I64),
            (Opcode::Fdemote, Ty::F64, Ty::F32),
            (Opcode::Fpromote, Ty::F32, Ty::F64),
            (Opcode::UtoF, Ty::I64, Ty::F64),
            (Opcode::FtoU, Ty::F32, Ty::I32),
            (Opcode::Bitcast, Ty::I64, Ty::F64),
        ]);
        let x = self.pick(from);
        vec![self.b.convert(op, to, x)]
    }

    // What can fail

    fn checked(&mut self) -> Vec<Value> {
        let op = self
            .tape
            .choose(&[Opcode::IaddChk, Opcode::IsubChk, Opcode::ImulChk]);
        let own = [self.pick(Ty::I64), self.pick(Ty::I64)];
        let (site, operands) = self.failure();
        vec![self.b.checked(op, &own, &operands, site)]
    }

    /// A division behind the checks that it needs.
    fn division(&mut self) -> Vec<Value> {
        let ty = self.int_ty();
        let op = self
            .tape
            .choose(&[Opcode::Sdiv, Opcode::Srem, Opcode::Udiv, Opcode::Urem]);
        let (x, y) = (self.pick(ty), self.pick(ty));
        let (site, operands) = self.failure();
        self.b.check(Opcode::ZeroCheck, &[y], &operands, site);
        if matches!(op, Opcode::Sdiv | Opcode::Srem) {
            let all_ones = self.b.iconst(ty, -1);
            let fits = self.b.icmp(IntCC::Ne, y, all_ones);
            let (site, operands) = self.failure();
            self.b.check(Opcode::Guard, &[fits], &operands, site);
        }
        vec![self.b.op(op, &[x, y])]
    }

    fn check(&mut self) -> Vec<Value> {
        let (site, operands) = self.failure();
        match self.tape.below(4) {
            0 => {
                let c = self.condition();
                self.b.check(Opcode::Guard, &[c], &operands, site);
                if self.tape.once_in(3) {
                    self.b.push(Opcode::Assume, Ty::I8, &[c], Imm::None, &[]);
                }
            }
            1 => {
                let ty = self.int_ty();
                let x = self.pick(ty);
                self.b.check(Opcode::ZeroCheck, &[x], &operands, site);
            }
            2 => {
                let x = self.pick(Ty::I64);
                let y = match self.tape.once_in(2) {
                    true => x,
                    false => self.pick(Ty::I64),
                };
                self.b.check(Opcode::ShapeCheck, &[x, y], &operands, site);
            }
            _ => {
                let site = self.site(SiteKind::Helper);
                self.b.safepoint(site);
            }
        }
        vec![]
    }

    // Memory

    /// A load or a store of an element, at a checked or a constant index.
    fn array_access(&mut self) -> Vec<Value> {
        if self.memory == Memory::None {
            return self.slot_access();
        }
        let which = self.tape.below(2);
        let ty = [Ty::F64, Ty::I64][which];
        let region = match (self.memory, which) {
            (Memory::Regions, 1) => Region::Fresh(1),
            _ => Region::Any,
        };
        let (base, len) = (self.blocks[which], self.blocks[2]);
        let (addr, disp) = match self.tape.below(3) {
            0 => (base, 8 * self.tape.below(ELEMENTS) as i32),
            n => {
                let op = [Opcode::BoundsCheck, Opcode::IndexCheck][n - 1];
                let index = self.pick(Ty::I64);
                let (site, operands) = self.failure();
                let index = self.b.checked(op, &[index, len], &operands, site);
                let three = self.b.iconst(Ty::I64, 3);
                let offset = self.b.op(Opcode::Ishl, &[index, three]);
                self.scope.push(index);
                (self.b.op(Opcode::Iadd, &[base, offset]), 0)
            }
        };
        if self.tape.once_in(2) {
            let x = self.pick(ty);
            self.b.store(x, addr, disp, region);
            return vec![];
        }
        vec![self.b.load(ty, addr, disp, region)]
    }

    fn slot_access(&mut self) -> Vec<Value> {
        let addr = self.b.slot_addr(self.slot);
        let disp = 8 * self.tape.below(2) as i32;
        let ty = self
            .tape
            .choose(&[Ty::I64, Ty::F64, Ty::I32, Ty::I8, Ty::F32, Ty::I16]);
        if self.tape.once_in(2) {
            let x = self.pick(ty);
            self.b.store(x, addr, disp, Region::Stack);
            return vec![];
        }
        vec![self.b.load(ty, addr, disp, Region::Stack)]
    }

    // Calls

    fn helper(&mut self) -> Vec<Value> {
        let name = self.tape.choose(&[
            "exp", "pow", "fmod", "gcd", "sin", "py_hypot", "np_mod", "powf", "int_pow",
        ]);
        let Some(id) = helpers::find(name) else {
            return vec![];
        };
        if name == "int_pow" {
            let addr = self.b.slot_addr(self.slot);
            let (x, n) = (self.pick(Ty::I64), self.tape.below(70) as i64);
            let n = self.b.iconst(Ty::I64, n);
            let failed = self.b.call_helper(id, &[x, n, addr], None);
            return failed.into_iter().collect();
        }
        let params = helpers::sig(id).params;
        let args: Vec<Value> = params
            .iter()
            .map(|&t| self.pick(numlift_mir::builder::helper_ty(t)))
            .collect();
        self.b.call_helper(id, &args, None).into_iter().collect()
    }

    fn call(&mut self) -> Vec<Value> {
        if self.m.funcs.is_empty() {
            return self.helper();
        }
        let id = FuncId::from_u32(self.tape.below(self.m.funcs.len()) as u32);
        let callee = &self.m.funcs[id];
        let (params, results) = (callee.params.clone(), callee.results.clone());
        let mut args: Vec<Value> = params.iter().map(|&t| self.pick(t)).collect();
        let done = self.tape.below(2) as i64;
        args.push(self.b.iconst(Ty::I8, done));
        let site = self.site(SiteKind::Call);
        self.b.call(id, &args, &results, site).to_vec()
    }

    // Control flow

    fn new_block(&mut self) -> Block {
        match self.tape.once_in(6) {
            true => self.b.create_cold_block(),
            false => self.b.create_block(),
        }
    }

    pub(super) fn params_of(&mut self, block: Block, types: &[Ty]) -> Vec<Value> {
        types
            .iter()
            .map(|&t| self.b.func.append_param(block, t))
            .collect()
    }

    pub(super) fn picks(&mut self, types: &[Ty]) -> Vec<Value> {
        types.iter().map(|&t| self.pick(t)).collect()
    }

    fn carried(&mut self) -> Vec<Ty> {
        let count = self.tape.below(4);
        let types = [Ty::I64, Ty::F64, Ty::I8, Ty::F32, Ty::I32];
        (0..count).map(|_| self.tape.choose(&types)).collect()
    }

    /// Statements inside a block; what they define is not in scope afterwards.
    fn nested(&mut self, block: Block, params: &[Value]) {
        self.b.switch_to(block);
        self.scope.extend_from_slice(params);
        self.depth += 1;
        if self.depth < 4 {
            self.statements();
        }
        self.depth -= 1;
    }

    /// `if`, with values that both arms pass on; the second arm may be missing or leave the function.
    fn branch(&mut self) -> Vec<Value> {
        let c = self.condition();
        let types = self.carried();
        let (then, other, merge) = (self.new_block(), self.new_block(), self.new_block());
        let params = self.params_of(merge, &types);
        let outer = self.scope.len();
        let direct = self.tape.once_in(3);
        match direct {
            true => {
                let args = self.picks(&types);
                self.b.br(c, (then, &[]), (merge, &args));
            }
            false => self.b.br(c, (then, &[]), (other, &[])),
        }
        self.nested(then, &[]);
        let args = self.picks(&types);
        self.b.jump(merge, &args);
        self.scope.truncate(outer);
        if !direct {
            self.nested(other, &[]);
            if self.tape.once_in(5) {
                let (site, operands) = self.failure();
                self.b.fail(&operands, site);
            } else {
                let args = self.picks(&types);
                self.b.jump(merge, &args);
            }
            self.scope.truncate(outer);
        }
        self.b.switch_to(merge);
        params
    }

    /// How often a loop runs: a small number, constant or not.
    fn trip_count(&mut self) -> Value {
        if self.tape.once_in(3) {
            return match self.blocks.get(2) {
                Some(&len) => len,
                None => self.b.iconst(Ty::I64, 3),
            };
        }
        if self.tape.once_in(2) {
            let x = self.pick(Ty::I64);
            let mask = self.b.iconst(Ty::I64, 7);
            return self.b.op(Opcode::Band, &[x, mask]);
        }
        let n = self.tape.below(6) as i64 - 1;
        self.b.iconst(Ty::I64, n)
    }

    /// A counted loop that tests before or after its body.
    fn repeat(&mut self) -> Vec<Value> {
        if self.depth > 2 {
            return self.comparison();
        }
        let n = self.trip_count();
        let types = self.carried();
        let first = self.picks(&types);
        let zero = self.b.iconst(Ty::I64, 0);
        match self.tape.once_in(2) {
            true => self.rotated_loop(n, zero, &types, &first),
            false => self.header_loop(n, zero, &types, &first),
        }
    }

    fn header_loop(&mut self, n: Value, zero: Value, types: &[Ty], first: &[Value]) -> Vec<Value> {
        let (header, body, exit) = (self.new_block(), self.new_block(), self.new_block());
        let i = self.b.func.append_param(header, Ty::I64);
        let params = self.params_of(header, types);
        self.b.jump(header, &[&[zero], first].concat());
        self.b.switch_to(header);
        let more = self.b.icmp(IntCC::Slt, i, n);
        self.b.br(more, (body, &[]), (exit, &[]));
        let outer = self.scope.len();
        self.nested(body, &[&params[..], &[i]].concat());
        let (next, args) = (self.step(i), self.picks(types));
        self.b.jump(header, &[&[next], &args[..]].concat());
        self.scope.truncate(outer);
        self.b.switch_to(exit);
        [&params[..], &[i]].concat()
    }

    fn rotated_loop(&mut self, n: Value, zero: Value, types: &[Ty], first: &[Value]) -> Vec<Value> {
        let (body, exit) = (self.new_block(), self.new_block());
        let i = self.b.func.append_param(body, Ty::I64);
        let params = self.params_of(body, types);
        let results = self.params_of(exit, types);
        let any = self.b.icmp(IntCC::Slt, zero, n);
        self.b.br(any, (body, &[&[zero], first].concat()), (exit, first));
        let outer = self.scope.len();
        self.nested(body, &[&params[..], &[i]].concat());
        let (next, args) = (self.step(i), self.picks(types));
        let more = self.b.icmp(IntCC::Slt, next, n);
        self.b
            .br(more, (body, &[&[next], &args[..]].concat()), (exit, &args));
        self.scope.truncate(outer);
        self.b.switch_to(exit);
        results
    }

    fn step(&mut self, i: Value) -> Value {
        let one = self.b.iconst(Ty::I64, 1);
        match self.tape.once_in(2) {
            true => {
                let (site, operands) = self.failure();
                self.b.checked(Opcode::IaddChk, &[i, one], &operands, site)
            }
            false => self.b.op(Opcode::Iadd, &[i, one]),
        }
    }
}
