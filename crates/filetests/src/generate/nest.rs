//! Loop nests over arrays, as lowering makes them: rotated, entered behind a test, with counters that
//! start, end and step in many ways, triangular ones included, and accesses at sums of counters.
//!
//! The arrays are the two blocks, parts of them (so that they overlap) and, where they have no regions
//! of their own, blocks that change places in every turn of the outer loop.

use numlift_mir::{Block, IntCC, Opcode, Region, Ty, Value};

use super::body::{Body, Memory};

/// An array in a nest: its first element, its extent.
#[derive(Clone, Copy)]
struct Array {
    base: Value,
    len: Value,
    region: Region,
}

/// What the body of a nest may use.
#[derive(Clone, Default)]
struct Nest {
    counters: Vec<Value>,
    arrays: Vec<Array>,
}

impl Body<'_, '_, '_> {
    /// One to three loops; gives their sum.
    pub(super) fn nest(&mut self) -> Vec<Value> {
        if self.memory == Memory::None || self.depth > 1 {
            return self.comparison();
        }
        let mut nest = Nest {
            arrays: vec![self.array(0), self.array(1)],
            ..Nest::default()
        };
        let sum = self.pick(Ty::I64);
        let levels = 1 + self.tape.below(3);
        let swap = self.memory == Memory::Any && self.tape.once_in(3);
        vec![self.level(&mut nest, levels, sum, swap)]
    }

    /// A block, or what follows its first element.
    fn array(&mut self, which: usize) -> Array {
        let region = match (self.memory, which) {
            (Memory::Regions, 1) => Region::Fresh(1),
            _ => Region::Any,
        };
        let (base, len) = (self.blocks[which], self.blocks[2]);
        if !self.tape.once_in(3) {
            return Array { base, len, region };
        }
        let (eight, one) = (self.b.iconst(Ty::I64, 8), self.b.iconst(Ty::I64, 1));
        let base = self.b.op(Opcode::Iadd, &[base, eight]);
        let len = self.b.op(Opcode::Isub, &[len, one]);
        let len = match self.tape.once_in(2) {
            true => self.b.op(Opcode::Extent, &[len]),
            false => len,
        };
        Array { base, len, region }
    }

    /// A loop around the levels that are left.
    fn level(&mut self, nest: &mut Nest, levels: usize, sum: Value, swap: bool) -> Value {
        let (start, limit) = (self.start(nest), self.limit(nest));
        let step = self.tape.choose(&[1, 1, 1, 1, 2, 3, -1, -2]);
        let cc = match step > 0 {
            true => IntCC::Slt,
            false => IntCC::Sgt,
        };
        let (body, exit) = (self.b.create_block(), self.b.create_block());
        let mut carried = vec![start, sum];
        if swap {
            carried.extend(nest.arrays.iter().flat_map(|a| [a.base, a.len]));
        }
        let types = vec![Ty::I64; carried.len()];
        let params = self.params_of(body, &types);
        let result = self.b.func.append_param(exit, Ty::I64);
        if self.tape.once_in(6) {
            self.b.jump(body, &carried);
        } else {
            let enter = self.b.icmp(cc, start, limit);
            self.b.br(enter, (body, &carried), (exit, &[sum]));
        }
        self.b.switch_to(body);
        let outside = (self.scope.len(), nest.clone());
        nest.counters.push(params[0]);
        if swap {
            for (n, a) in nest.arrays.iter_mut().enumerate() {
                (a.base, a.len) = (params[2 + 2 * n], params[3 + 2 * n]);
            }
        }
        let mut sum = params[1];
        for _ in 0..self.tape.below(3) {
            sum = self.maybe(nest, sum);
        }
        if levels > 1 {
            sum = self.level(nest, levels - 1, sum, false);
        } else {
            sum = self.maybe(nest, sum);
        }
        let swapped: Vec<Value> = nest.arrays.iter().rev().flat_map(|a| [a.base, a.len]).collect();
        *nest = outside.1;
        self.scope.truncate(outside.0);
        self.again(
            body,
            exit,
            (params[0], step),
            (cc, limit),
            sum,
            if swap { &swapped } else { &[] },
        );
        self.b.switch_to(exit);
        result
    }

    /// The end of a turn.
    fn again(
        &mut self,
        body: Block,
        exit: Block,
        (i, step): (Value, i64),
        (cc, limit): (IntCC, Value),
        sum: Value,
        others: &[Value],
    ) {
        if self.tape.once_in(3) {
            let site = self.site(numlift_runtime::SiteKind::Helper);
            self.b.safepoint(site);
        }
        let by = self.b.iconst(Ty::I64, step);
        let next = match self.tape.below(3) {
            0 => self.b.op(Opcode::Iadd, &[i, by]),
            1 => {
                let by = self.b.iconst(Ty::I64, -step);
                self.b.op(Opcode::Isub, &[i, by])
            }
            _ => {
                let (site, operands) = self.failure();
                self.b.checked(Opcode::IaddChk, &[i, by], &operands, site)
            }
        };
        let again = [&[next, sum], others].concat();
        match self.tape.below(4) {
            0 => {
                let done = self.b.icmp(cc.opposite(), next, limit);
                self.b.br(done, (exit, &[sum]), (body, &again));
            }
            1 => {
                let more = self.b.icmp(cc.swapped(), limit, next);
                self.b.br(more, (body, &again), (exit, &[sum]));
            }
            _ => {
                let more = self.b.icmp(cc, next, limit);
                self.b.br(more, (body, &again), (exit, &[sum]));
            }
        }
    }

    fn start(&mut self, nest: &Nest) -> Value {
        match (self.tape.below(6), nest.counters.last()) {
            (0 | 1, _) | (2 | 3, None) => self.b.iconst(Ty::I64, 0),
            (2, Some(&i)) => i,
            (3, Some(&i)) => {
                let one = self.b.iconst(Ty::I64, 1);
                self.b.op(Opcode::Iadd, &[i, one])
            }
            (4, _) => {
                let n = self.tape.below(5) as i64 - 2;
                self.b.iconst(Ty::I64, n)
            }
            _ => self.small(),
        }
    }

    /// A number of -4 to 3 that is not known, or anything.
    fn small(&mut self) -> Value {
        let x = self.pick(Ty::I64);
        if self.tape.once_in(6) {
            return x;
        }
        let (mask, four) = (self.b.iconst(Ty::I64, 7), self.b.iconst(Ty::I64, 4));
        let x = self.b.op(Opcode::Band, &[x, mask]);
        self.b.op(Opcode::Isub, &[x, four])
    }

    fn limit(&mut self, nest: &Nest) -> Value {
        let which = self.tape.below(nest.arrays.len());
        let len = nest.arrays[which].len;
        match (self.tape.below(6), nest.counters.last()) {
            (0 | 1, _) | (2, None) => len,
            (2, Some(&i)) => i,
            (3, _) => {
                let one = self.b.iconst(Ty::I64, 1);
                self.b.op(Opcode::Isub, &[len, one])
            }
            (4, _) => {
                let n = self.tape.below(8) as i64 - 2;
                self.b.iconst(Ty::I64, n)
            }
            _ => self.small(),
        }
    }

    /// Work of one turn, perhaps behind a condition on the counters.
    fn maybe(&mut self, nest: &Nest, sum: Value) -> Value {
        if !self.tape.once_in(4) {
            return self.work(nest, sum);
        }
        let (x, y) = (self.index(nest), self.limit(nest));
        let cc = self.tape.choose(IntCC::ALL);
        let c = self.b.icmp(cc, x, y);
        let (then, merge) = (self.b.create_block(), self.b.create_block());
        let result = self.b.func.append_param(merge, Ty::I64);
        self.b.br(c, (then, &[]), (merge, &[sum]));
        self.b.switch_to(then);
        let outer = self.scope.len();
        let more = self.work(nest, sum);
        self.b.jump(merge, &[more]);
        self.scope.truncate(outer);
        self.b.switch_to(merge);
        result
    }

    fn work(&mut self, nest: &Nest, sum: Value) -> Value {
        match self.tape.below(6) {
            0 => {
                let x = self.index(nest);
                let (site, operands) = self.failure();
                self.b.check(Opcode::ZeroCheck, &[x], &operands, site);
                sum
            }
            1 => {
                let (x, y) = (self.index(nest), self.limit(nest));
                let cc = self.tape.choose(IntCC::ALL);
                let c = self.b.icmp(cc, x, y);
                let (site, operands) = self.failure();
                self.b.check(Opcode::Guard, &[c], &operands, site);
                sum
            }
            _ => self.access(nest, sum),
        }
    }

    /// Reads or writes an element at a sum of counters.
    fn access(&mut self, nest: &Nest, sum: Value) -> Value {
        let which = self.tape.below(nest.arrays.len());
        let Array { base, len, region } = nest.arrays[which];
        let index = self.index(nest);
        let op = self.tape.choose(&[Opcode::BoundsCheck, Opcode::IndexCheck]);
        let (site, operands) = self.failure();
        let index = self.b.checked(op, &[index, len], &operands, site);
        let eight = self.b.iconst(Ty::I64, 8);
        let offset = self.b.op(Opcode::Imul, &[index, eight]);
        let addr = self.b.op(Opcode::Iadd, &[base, offset]);
        if self.tape.once_in(2) {
            self.b.store(sum, addr, 0, region);
            return sum;
        }
        let x = self.b.load(Ty::I64, addr, 0, region);
        self.b.op(Opcode::Bxor, &[sum, x])
    }

    /// A sum of counters, small numbers and what is in scope.
    fn index(&mut self, nest: &Nest) -> Value {
        let mut index = self.tape.choose(&nest.counters);
        for _ in 0..self.tape.below(3) {
            let op = self.tape.choose(&[
                Opcode::Iadd,
                Opcode::Isub,
                Opcode::IaddChk,
                Opcode::IsubChk,
                Opcode::Imul,
                Opcode::ImulChk,
                Opcode::Smin,
                Opcode::Smax,
            ]);
            let other = match self.tape.below(6) {
                0..=2 => {
                    let n = self.tape.below(5) as i64 - 2;
                    self.b.iconst(Ty::I64, n)
                }
                3 => self.tape.choose(&nest.counters),
                4 => self.small(),
                _ => self.limit(nest),
            };
            index = match op {
                Opcode::IaddChk | Opcode::IsubChk | Opcode::ImulChk => {
                    let (site, operands) = self.failure();
                    self.b.checked(op, &[index, other], &operands, site)
                }
                _ => self.b.op(op, &[index, other]),
            };
        }
        index
    }
}
