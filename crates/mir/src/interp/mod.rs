//! The reference interpreter: what a module means, by the shortest way.
//!
//! It runs verified modules with the outcome that generated code has, and reports as a [`Trap`] what
//! generated code would do wrong without notice: accesses outside of the memory it was given, reads of
//! stack slots before a write, divisions that trap. So "this pass changed the meaning of a program" and
//! "this pass moved an access before its check" are found by running it.

pub mod memory;
mod outcome;
pub mod scalar;
#[cfg(test)]
mod tests;
pub mod vector;

use cranelift_entity::SecondaryMap;
use numlift_runtime::evaluate::Kernels;
use numlift_runtime::{HelperId, HelperSig, SiteKind, Status, helpers};

use crate::builder::helper_ty;
use crate::ir::{Block, BlockCall, FuncId, Function, Imm, InstData, Module, Site, Slot, Ty, Value};
use crate::ops::Opcode;
pub use memory::Memory;
pub use outcome::{Failure, Outcome, Trap};
use scalar::{signed, to_slot, truncate};

/// Calls inside one another at most, whether they count their depth or not.
const MAX_FRAMES: usize = 10_000;

/// What a helper that is not a function of numbers gave.
pub enum Answer {
    /// It has no result, or a fallible one succeeded.
    Done,
    Value(u64),
    /// A Python exception is set.
    Raised,
}

/// The helpers that need more than numbers, and the tables of `Ctx`.
pub trait Host {
    /// # Errors
    /// If the host does not have it, or it accesses memory that is not there.
    fn call(&mut self, helper: &HelperSig, args: &[u64], memory: &mut Memory) -> Result<Answer, Trap>;

    /// `ctx.objects[index]`
    fn object(&mut self, index: i64) -> Option<u64>;

    /// An instruction has failed whose landing comes next.
    fn landed(&mut self, failure: Failure) {
        let _ = failure;
    }

    /// Whether a safepoint has something to do: it then calls the `safepoint` helper.
    fn interrupted(&mut self) -> bool {
        false
    }
}

/// Without Python: references are not counted, nothing else is there.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHost;

impl Host for NoHost {
    fn call(&mut self, helper: &HelperSig, _: &[u64], _: &mut Memory) -> Result<Answer, Trap> {
        match helper.name {
            "py_incref" | "py_decref" | "safepoint" => Ok(Answer::Done),
            name => Err(Trap::Missing(format!("helper `{name}`"))),
        }
    }

    fn object(&mut self, _: i64) -> Option<u64> {
        None
    }
}

/// Runs functions of a module.
pub struct Interpreter<'a> {
    module: &'a Module,
    host: &'a mut dyn Host,
    kernels: Kernels,
    pub memory: Memory,
    /// Address of the slots of hidden arguments.
    pub hidden: u64,
    pub depth_limit: i64,
    /// Instructions that may still run.
    pub fuel: u64,
}

/// How a function ended: its results, or what `ctx` holds.
type Ended = Result<Vec<u64>, Failure>;

/// What an instruction leads to.
enum Next {
    Inst,
    Block,
    Call(FuncId, Vec<u64>, i64),
    End(Ended),
}

/// One activation of a function.
struct Frame<'a> {
    func: &'a Function,
    /// The bits of each value, in 128.
    values: SecondaryMap<Value, u128>,
    slots: SecondaryMap<Slot, u64>,
    /// Recursion depth, in functions that carry it.
    depth: Option<i64>,
    block: Block,
    /// Index of the instruction in the block.
    at: usize,
}

impl<'a> Interpreter<'a> {
    pub fn new(module: &'a Module, host: &'a mut dyn Host) -> Interpreter<'a> {
        Interpreter {
            module,
            host,
            kernels: Kernels::load(),
            memory: Memory::default(),
            hidden: 0,
            depth_limit: 500,
            fuel: 1_000_000,
        }
    }

    /// Calls a function as the entry thunk does: an argument is the low bits of its slot.
    ///
    /// # Errors
    /// If the call has no outcome.
    pub fn call(&mut self, func: FuncId, args: &[u64]) -> Result<Outcome, Trap> {
        let f = self
            .module
            .funcs
            .get(func)
            .ok_or_else(|| Trap::Invalid(format!("no {func}")))?;
        if args.len() != f.params.len() {
            return Err(Trap::Invalid(format!("{} arguments for {func}", args.len())));
        }
        let args: Vec<u64> = f.params.iter().zip(args).map(|(t, x)| truncate(*t, *x)).collect();
        Ok(match self.run(func, &args)? {
            Ok(results) => {
                let slots = f.results.iter().zip(results).map(|(t, x)| to_slot(*t, x));
                Outcome::Returned(slots.collect())
            }
            Err(failure) => Outcome::Failed(failure),
        })
    }

    fn run(&mut self, func: FuncId, args: &[u64]) -> Result<Ended, Trap> {
        let mut stack: Vec<Frame<'a>> = vec![];
        let mut ended = self.push(&mut stack, func, args, 0)?;
        loop {
            if let Some(result) = ended.take() {
                let Some(frame) = stack.last_mut() else {
                    return Ok(result);
                };
                let func = frame.func;
                let at = func.blocks[frame.block].insts[frame.at];
                if let Err(failure) = frame.take_results(self.module, result)?
                    && let Next::End(result) = self.land(frame, &func.insts[at], failure)?
                {
                    ended = Some(result);
                    self.pop(&mut stack)?;
                }
                continue;
            }
            let frame = stack.last_mut().ok_or(Trap::Frames)?;
            let func = frame.func;
            let inst = func.blocks[frame.block].insts.get(frame.at);
            let &inst = inst.ok_or_else(|| Trap::Invalid(format!("{} has no terminator", frame.block)))?;
            self.fuel = self.fuel.checked_sub(1).ok_or(Trap::Fuel)?;
            match self.inst(frame, &func.insts[inst])? {
                Next::Inst => frame.at += 1,
                Next::Block => {}
                Next::Call(callee, args, depth) => {
                    ended = self.push(&mut stack, callee, &args, depth)?;
                }
                Next::End(result) => {
                    self.pop(&mut stack)?;
                    ended = Some(result);
                }
            }
        }
    }

    /// Enters a function, unless the recursion is too deep.
    fn push(
        &mut self,
        stack: &mut Vec<Frame<'a>>,
        id: FuncId,
        args: &[u64],
        depth: i64,
    ) -> Result<Option<Ended>, Trap> {
        let module = self.module;
        let func = &module.funcs[id];
        let entry = func.layout.first();
        let &block = entry.ok_or_else(|| Trap::Invalid("no blocks".into()))?;
        if func.recursive && depth >= self.depth_limit {
            let site = func.recursion_site;
            let site = site.ok_or_else(|| Trap::Invalid("recursive without a site".into()))?;
            return Ok(Some(Err(self.failure(site, &[]))));
        }
        if stack.len() == MAX_FRAMES {
            return Err(Trap::Frames);
        }
        let mut frame = Frame {
            func,
            values: SecondaryMap::with_capacity(func.values.len()),
            slots: SecondaryMap::new(),
            depth: func.recursive.then_some(depth),
            block,
            at: 0,
        };
        for (slot, data) in func.slots.iter() {
            frame.slots[slot] = self.memory.reserve(data.bytes.max(8));
            if data.owner {
                self.memory.write(frame.slots[slot], &[0; 8])?;
            }
        }
        let args: Vec<u128> = args.iter().map(|x| u128::from(*x)).collect();
        frame.enter(block, &args);
        stack.push(frame);
        Ok(None)
    }

    /// Leaves a function: releases what its owner slots hold.
    fn pop(&mut self, stack: &mut Vec<Frame<'a>>) -> Result<(), Trap> {
        let Some(frame) = stack.pop() else {
            return Ok(());
        };
        for (slot, data) in frame.func.slots.iter() {
            if data.owner {
                let object = self.load(Ty::I64, frame.slots[slot])?;
                let decref = helpers::find("py_decref");
                let decref = decref.ok_or_else(|| Trap::Missing("helper `py_decref`".into()))?;
                self.host
                    .call(helpers::sig(decref), &[object], &mut self.memory)?;
            }
            self.memory.remove(frame.slots[slot]);
        }
        Ok(())
    }

    fn inst(&mut self, frame: &mut Frame<'a>, d: &InstData) -> Result<Next, Trap> {
        if d.ty.is_vector() {
            return self.vector(frame, d);
        }
        let args = frame.args(&d.args);
        if let Some(x) = scalar::eval(d.op, d.ty, &d.imm, &args)? {
            return frame.result(d, x);
        }
        let raw: Vec<u64> = args.iter().map(|a| a.1).collect();
        match &d.imm {
            Imm::Site(site) => self.check(frame, d, *site, &args),
            Imm::Helper { helper, site } => self.helper(frame, d, *helper, *site, &raw),
            Imm::Call { func, levels, .. } => {
                let params = self.module.funcs.get(*func).map(|f| f.params.len());
                let args = params.and_then(|n| raw.get(..n)).ok_or_else(|| malformed(d))?;
                let depth = frame.depth.unwrap_or(0) + 1 + i64::from(*levels);
                Ok(Next::Call(*func, args.to_vec(), depth))
            }
            Imm::Mem { disp, .. } => {
                let base = raw.last().copied().unwrap_or_default();
                let address = base.wrapping_add(i64::from(*disp) as u64);
                match (d.op, &raw[..]) {
                    (Opcode::Load, [_]) => {
                        let x = self.load(d.ty, address)?;
                        frame.result(d, x)
                    }
                    (Opcode::Store, [x, _]) => {
                        let bytes = d.ty.bytes() as usize;
                        self.memory.write(address, &x.to_le_bytes()[..bytes])?;
                        Ok(Next::Inst)
                    }
                    _ => Err(malformed(d)),
                }
            }
            Imm::Slot(slot) => frame.result(d, frame.slots[*slot]),
            Imm::Int(-1) if d.op == Opcode::ObjectAddr => frame.result(d, self.hidden),
            Imm::Int(n) if d.op == Opcode::ObjectAddr => {
                let object = self.host.object(*n);
                let object = object.ok_or_else(|| Trap::Missing(format!("object {n}")))?;
                frame.result(d, object)
            }
            Imm::Jump(t) => Ok(frame.jump(t)),
            Imm::Branch(then, other) => match raw[..] {
                [c] => Ok(frame.jump(if c != 0 { then } else { other })),
                _ => Err(malformed(d)),
            },
            _ => match d.op {
                Opcode::Return => Ok(Next::End(Ok(raw))),
                Opcode::Unreachable => Err(Trap::Unreachable),
                Opcode::Raised => frame.result(d, 0u64),
                Opcode::CallsLeft => {
                    let left = self.depth_limit - frame.depth.unwrap_or(0);
                    frame.result(d, left as u64)
                }
                Opcode::Assume if raw[..] == [1] => Ok(Next::Inst),
                Opcode::Assume => Err(Trap::Assumption),
                _ => Err(malformed(d)),
            },
        }
    }

    fn load(&mut self, ty: Ty, address: u64) -> Result<u64, Trap> {
        let mut bits = [0; 8];
        let bytes = ty.bytes() as usize;
        bits[..bytes].copy_from_slice(self.memory.read(address, bytes)?);
        Ok(u64::from_le_bytes(bits))
    }

    fn vector(&mut self, frame: &mut Frame<'a>, d: &InstData) -> Result<Next, Trap> {
        let args = d.args.iter().map(|&v| (frame.func.ty(v), frame.values[v]));
        let args: Vec<(Ty, u128)> = args.collect();
        let Imm::Mem { disp, .. } = d.imm else {
            let x = vector::eval(d.op, d.ty, &d.imm, &args)?;
            return frame.result(d, x.ok_or_else(|| malformed(d))?);
        };
        let base = args.last().map_or(0, |a| a.1 as u64);
        let address = base.wrapping_add(i64::from(disp) as u64);
        match (d.op, &args[..]) {
            (Opcode::Load, [_]) => {
                let mut bits = [0; 16];
                bits.copy_from_slice(self.memory.read(address, 16)?);
                frame.result(d, u128::from_le_bytes(bits))
            }
            (Opcode::Store, [(_, x), _]) => {
                self.memory.write(address, &x.to_le_bytes())?;
                Ok(Next::Inst)
            }
            _ => Err(malformed(d)),
        }
    }

    /// A checked operation: goes on with its result, or leaves by the site with the operands.
    fn check(
        &mut self,
        frame: &mut Frame<'a>,
        d: &InstData,
        site: Site,
        args: &[(Ty, u64)],
    ) -> Result<Next, Trap> {
        let own = d.op.own_args();
        if args.len() < own {
            return Err(malformed(d));
        }
        let int = |i: usize| signed(d.ty, args[i].1);
        let passed = match d.op {
            Opcode::IaddChk => int(0).checked_add(int(1)).map(Some),
            Opcode::IsubChk => int(0).checked_sub(int(1)).map(Some),
            Opcode::ImulChk => int(0).checked_mul(int(1)).map(Some),
            Opcode::BoundsCheck => {
                let (index, len) = (int(0), int(1));
                if len < 0 {
                    return Err(Trap::Extent(len));
                }
                let index = if index < 0 { index.wrapping_add(len) } else { index };
                ((index as u64) < len as u64).then_some(Some(index))
            }
            Opcode::IndexCheck => ((int(0) as u64) < int(1) as u64).then_some(Some(int(0))),
            Opcode::ZeroCheck | Opcode::Guard => (args[0].1 != 0).then_some(None),
            Opcode::ShapeCheck => (args[0].1 == args[1].1).then_some(None),
            Opcode::Safepoint => {
                if self.host.interrupted() {
                    let safepoint = helpers::find("safepoint");
                    let safepoint = safepoint.ok_or_else(|| Trap::Missing("helper `safepoint`".into()))?;
                    return self.helper(frame, d, safepoint, Some(site), &[]);
                }
                Some(None)
            }
            Opcode::Fail => None,
            _ => return Err(malformed(d)),
        };
        match passed {
            Some(Some(x)) => frame.result(d, x as u64),
            Some(None) => Ok(Next::Inst),
            None => {
                let failure = self.failure(site, &args[own..]);
                self.land(frame, d, failure)
            }
        }
    }

    /// A failure passes the inlined calls around its instruction, and goes on at its landing or ends the function.
    fn land(&mut self, frame: &mut Frame<'a>, d: &InstData, mut failure: Failure) -> Result<Next, Trap> {
        for c in d.inlined() {
            let effects = c.recorded.first().ok_or_else(|| malformed(d))?;
            failure.pass(c.site, frame.values[*effects] as u32);
        }
        let Some(l) = d.landing() else {
            return Ok(Next::End(Err(failure)));
        };
        for (k, &v) in l.values.iter().enumerate() {
            let address = frame.slots[l.slot] + 8 * k as u64;
            let bytes = frame.func.ty(v).bytes() as usize;
            self.memory
                .write(address, &frame.values[v].to_le_bytes()[..bytes])?;
        }
        self.host.landed(failure);
        frame.enter(l.block, &[]);
        Ok(Next::Block)
    }

    fn failure(&self, site: Site, operands: &[(Ty, u64)]) -> Failure {
        let exit = matches!(
            self.module.sites.get(site).map(|s| &s.kind),
            Some(SiteKind::Exit(_) | SiteKind::Resume { .. })
        );
        Failure {
            status: Status::Site,
            site,
            operands: operands.iter().map(|(t, x)| to_slot(*t, *x)).collect(),
            effects: match operands {
                [(Ty::I8, done), ..] if exit => *done as u32,
                _ => 0,
            },
            trace: vec![],
        }
    }

    fn helper(
        &mut self,
        frame: &mut Frame<'a>,
        d: &InstData,
        helper: HelperId,
        site: Option<Site>,
        args: &[u64],
    ) -> Result<Next, Trap> {
        let sig = helpers::sig(helper);
        if let Some(one) = helpers::of_lanes(helper) {
            return self.lanes(d, one, args);
        }
        // What the helper does not store through its last parameter stays as it is.
        let out = args.last().copied().filter(|_| Kernels::stores(helper));
        let mut place = match out {
            Some(address) => self.memory.peek(address)?,
            None => 0,
        };
        if let Some(value) = self.kernels.call(helper, args, &mut place) {
            if let Some(address) = out {
                self.memory.write(address, &place.to_le_bytes())?;
            }
            return match sig.ret {
                Some(ty) => frame.result(d, truncate(helper_ty(ty), value)),
                None => Ok(Next::Inst),
            };
        }
        match self.host.call(sig, args, &mut self.memory)? {
            Answer::Done => Ok(Next::Inst),
            Answer::Value(x) => frame.result(d, truncate(d.ty, x)),
            Answer::Raised => {
                let site = site.ok_or_else(|| malformed(d))?;
                let failure = Failure {
                    status: Status::Python,
                    ..self.failure(site, &[])
                };
                self.land(frame, d, failure)
            }
        }
    }
}

/// Functions of many numbers.
impl Interpreter<'_> {
    /// A function on each of `n` numbers: `(in, out, n)`.
    fn lanes(&mut self, d: &InstData, one: HelperId, args: &[u64]) -> Result<Next, Trap> {
        let &[from, to, n] = args else {
            return Err(malformed(d));
        };
        for at in (0..n).map(|k| 8 * k) {
            let x = self.load(Ty::F64, from.wrapping_add(at))?;
            let y = self.kernels.call(one, &[x], &mut 0).ok_or_else(|| malformed(d))?;
            self.memory.write(to.wrapping_add(at), &y.to_le_bytes())?;
        }
        Ok(Next::Inst)
    }
}

fn malformed(d: &InstData) -> Trap {
    Trap::Invalid(format!("`{d}`"))
}

impl Frame<'_> {
    fn args(&self, args: &[Value]) -> Vec<(Ty, u64)> {
        args.iter()
            .map(|&v| (self.func.ty(v), self.values[v] as u64))
            .collect()
    }

    fn result(&mut self, d: &InstData, x: impl Into<u128>) -> Result<Next, Trap> {
        let [v] = d.results[..] else {
            return Err(malformed(d));
        };
        self.values[v] = x.into();
        Ok(Next::Inst)
    }

    fn jump(&mut self, t: &BlockCall) -> Next {
        let args: Vec<u128> = t.args.iter().map(|&v| self.values[v]).collect();
        self.enter(t.block, &args);
        Next::Block
    }

    fn enter(&mut self, block: Block, args: &[u128]) {
        for (&v, &x) in self.func.blocks[block].params.iter().zip(args) {
            self.values[v] = x;
        }
        self.block = block;
        self.at = 0;
    }

    /// Gives the call at which the frame stands its results, or what becomes of the callee's failure.
    fn take_results(&mut self, module: &Module, result: Ended) -> Result<Result<(), Failure>, Trap> {
        let d = &self.func.insts[self.func.blocks[self.block].insts[self.at]];
        let Imm::Call { func, site, .. } = &d.imm else {
            return Err(malformed(d));
        };
        let params = module.funcs[*func].params.len();
        let &effects = d.args.get(params).ok_or_else(|| malformed(d))?;
        self.at += 1;
        Ok(match result {
            Ok(results) => {
                for (&v, x) in d.results.iter().zip(results) {
                    self.values[v] = x.into();
                }
                Ok(())
            }
            Err(mut failure) => {
                failure.pass(*site, self.values[effects] as u32);
                Err(failure)
            }
        })
    }
}
