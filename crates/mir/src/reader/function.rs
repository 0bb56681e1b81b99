//! Functions: header, slots, blocks, instructions.

use cranelift_entity::packed_option::ReservedValue;
use cranelift_entity::{EntityRef, SecondaryMap};
use numlift_runtime::helpers;
use smallvec::SmallVec;

use super::cursor::Cursor;
use super::{ParseError, Reader, in_order};
use crate::builder::helper_ty;
use crate::ir::{
    Block, BlockCall, BlockData, FloatCC, FuncId, Function, Imm, Inst, InstData, IntCC, Module, Region, Slot,
    SlotData, Ty, Value, ValueData, ValueDef,
};
use crate::ops::{Format, Opcode};
use crate::writer::implied_ty;
use crate::{InlinedCall, Landing, Unwind};

/// Results of a call, to be typed when the callee is known.
pub(super) struct CallResults<'a> {
    at: Cursor<'a>,
    caller: FuncId,
    callee: FuncId,
    results: SmallVec<[Value; 2]>,
}

impl CallResults<'_> {
    pub fn resolve(&self, module: &mut Module) -> Result<(), ParseError> {
        let types = module.funcs[self.callee].results.clone();
        if self.results.len() > types.len() {
            return Err(self
                .at
                .error(format!("{} has {} results", self.callee, types.len())));
        }
        for (&v, ty) in self.results.iter().zip(types) {
            module.funcs[self.caller].values[v].ty = ty;
        }
        Ok(())
    }
}

/// One function while it is read.
struct Body<'r, 'a> {
    reader: &'r mut Reader<'a>,
    id: FuncId,
    func: Function,
    /// Values with a definition so far.
    defined: SecondaryMap<Value, bool>,
    /// Blocks in the layout so far.
    placed: SecondaryMap<Block, bool>,
    /// First use of each value and block, to report the undefined ones.
    used: Vec<(Cursor<'a>, Entity)>,
}

#[derive(Clone, Copy)]
enum Entity {
    Value(Value),
    Block(Block),
    Slot(Slot),
}

impl<'a> Reader<'a> {
    /// `function fn0 "name"(types) -> types recursive site0 {` up to the closing brace.
    pub(super) fn function(&mut self, mut c: Cursor<'a>) -> Result<(), ParseError> {
        let id = FuncId::new(self.module.funcs.len());
        if c.at_entity("fn") {
            in_order(&mut c, "fn", self.module.funcs.len())?;
        }
        let mut func = Function::new(c.string()?);
        func.params = c.list(ty)?;
        if c.eat("->") {
            func.results.push(ty(&mut c)?);
            while c.eat(",") {
                func.results.push(ty(&mut c)?);
            }
        }
        if c.eat_word("recursive") {
            func.recursive = true;
            if c.at_entity("site") {
                func.recursion_site = Some(self.site_ref(&mut c)?);
            }
        }
        c.expect("{")?;
        c.end()?;
        let mut body = Body {
            reader: self,
            id,
            func,
            defined: SecondaryMap::new(),
            placed: SecondaryMap::new(),
            used: vec![],
        };
        body.lines(c)?;
        let func = body.func;
        self.module.funcs.push(func);
        Ok(())
    }
}

fn ty(c: &mut Cursor<'_>) -> Result<Ty, ParseError> {
    c.named("a type", Ty::from_name)
}

impl<'a> Body<'_, 'a> {
    fn lines(&mut self, header: Cursor<'a>) -> Result<(), ParseError> {
        loop {
            let Some(mut c) = self.reader.next_line() else {
                return Err(header.error("a function without a closing brace"));
            };
            if c.eat("}") {
                c.end()?;
                return self.check_uses();
            }
            if c.at_entity("ss") {
                self.slot(&mut c)?;
            } else if c.at_entity("block") {
                self.block(&mut c)?;
            } else {
                self.inst(&mut c)?;
            }
            c.end()?;
        }
    }

    fn check_uses(&self) -> Result<(), ParseError> {
        let f = &self.func;
        for (at, entity) in &self.used {
            let undefined = match *entity {
                Entity::Value(v) => (!self.defined[v]).then(|| v.to_string()),
                Entity::Block(b) => (!self.placed[b]).then(|| b.to_string()),
                Entity::Slot(s) => (!f.slots.is_valid(s)).then(|| s.to_string()),
            };
            if let Some(name) = undefined {
                return Err(at.error(format!("{name} is not defined")));
            }
        }
        Ok(())
    }

    /// `ss0 = slot 8`, `ss0 = owner 8` or `ss0 = array 24`
    fn slot(&mut self, c: &mut Cursor<'a>) -> Result<(), ParseError> {
        in_order(c, "ss", self.func.slots.len())?;
        c.expect("=")?;
        let kind = c.named("`slot`, `owner` or `array`", |w| {
            ["slot", "owner", "array"].into_iter().find(|k| *k == w)
        })?;
        let bytes = c.number("a size in bytes")?;
        self.func.slots.push(SlotData {
            bytes,
            owner: kind == "owner",
            array: kind == "array",
        });
        Ok(())
    }

    /// `block0(v0: i64) cold:`
    fn block(&mut self, c: &mut Cursor<'a>) -> Result<(), ParseError> {
        let at = *c;
        let block = self.block_number(c)?;
        if std::mem::replace(&mut self.placed[block], true) {
            return Err(at.error(format!("{block} is defined twice")));
        }
        self.func.layout.push(block);
        if !c.eat("(") {
            self.func.blocks[block].cold = c.eat_word("cold");
            return c.expect(":");
        }
        loop {
            let index = self.func.blocks[block].params.len() as u16;
            let v = self.define(c, ValueDef::Param(block, index))?;
            c.expect(":")?;
            self.func.values[v].ty = ty(c)?;
            self.func.blocks[block].params.push(v);
            if c.eat(")") {
                break;
            }
            c.expect(",")?;
        }
        self.func.blocks[block].cold = c.eat_word("cold");
        c.expect(":")
    }

    fn block_number(&mut self, c: &mut Cursor<'a>) -> Result<Block, ParseError> {
        let block = Block::new(c.entity("block")? as usize);
        while !self.func.blocks.is_valid(block) {
            self.func.blocks.push(BlockData::default());
        }
        Ok(block)
    }

    fn value_number(&mut self, c: &mut Cursor<'a>) -> Result<Value, ParseError> {
        let v = Value::new(c.entity("v")? as usize);
        while !self.func.values.is_valid(v) {
            self.func.values.push(ValueData {
                ty: Ty::I64,
                def: ValueDef::Result(Inst::reserved_value(), 0),
            });
        }
        Ok(v)
    }

    /// A value that is defined here, by `def`; its type is set afterwards.
    fn define(&mut self, c: &mut Cursor<'a>, def: ValueDef) -> Result<Value, ParseError> {
        let at = *c;
        let v = self.value_number(c)?;
        if std::mem::replace(&mut self.defined[v], true) {
            return Err(at.error(format!("{v} is defined twice")));
        }
        self.func.values[v].def = def;
        Ok(v)
    }

    fn value(&mut self, c: &mut Cursor<'a>) -> Result<Value, ParseError> {
        let at = *c;
        let v = self.value_number(c)?;
        self.used.push((at, Entity::Value(v)));
        Ok(v)
    }

    /// `v1 = op.type arguments @line`
    fn inst(&mut self, c: &mut Cursor<'a>) -> Result<(), ParseError> {
        let at = *c;
        let Some(&block) = self.func.layout.last() else {
            return Err(at.error("an instruction before the first block"));
        };
        let inst = self.func.insts.next_key();
        let mut results: SmallVec<[Value; 2]> = SmallVec::new();
        while c.at_entity("v") {
            let def = ValueDef::Result(inst, results.len() as u16);
            results.push(self.define(c, def)?);
            match c.eat("=") {
                true => break,
                false => c.expect(",")?,
            }
        }
        let op_at = *c;
        let word = c.word("an operation")?;
        let (name, suffix) = match word.split_once('.') {
            Some((name, suffix)) => (name, Some(suffix)),
            None => (word, None),
        };
        let op = Opcode::from_name(name).ok_or_else(|| op_at.error(format!("unknown operation `{name}`")))?;
        let suffix = suffix
            .map(|s| Ty::from_name(s).ok_or_else(|| op_at.error(format!("unknown type `{s}`"))))
            .transpose()?;
        let imm_at = *c;
        let (args, imm) = self.operands(c, op)?;
        let ty = suffix
            .or_else(|| implied_ty(op, &imm))
            .ok_or_else(|| op_at.error(format!("`{name}` needs a type, as in `{name}.i64`")))?;
        let imm = constant(imm_at, op, ty, imm)?;
        let unwind = self.unwind(c)?;
        let line = c.source_line()?;
        self.type_results(at, op, ty, &imm, &results)?;
        self.func.insts.push(InstData {
            op,
            ty,
            args,
            imm,
            results,
            unwind,
            line,
        });
        self.func.blocks[block].insts.push(inst);
        Ok(())
    }

    fn type_results(
        &mut self,
        at: Cursor<'a>,
        op: Opcode,
        ty: Ty,
        imm: &Imm,
        results: &SmallVec<[Value; 2]>,
    ) -> Result<(), ParseError> {
        let types: SmallVec<[Ty; 2]> = match imm {
            Imm::Call { func, .. } => {
                self.reader.calls.push(CallResults {
                    at,
                    caller: self.id,
                    callee: *func,
                    results: results.clone(),
                });
                return Ok(());
            }
            Imm::Helper { helper, .. } => helpers::sig(*helper).ret.map(helper_ty).into_iter().collect(),
            _ => op
                .result_types()
                .0
                .iter()
                .map(|o| o.only(ty).unwrap_or(ty))
                .collect(),
        };
        if results.len() > types.len() {
            return Err(at.error(format!("`{}` has {} results", op.name(), types.len())));
        }
        for (&v, &ty) in results.iter().zip(&types) {
            self.func.values[v].ty = ty;
        }
        Ok(())
    }

    fn operands(
        &mut self,
        c: &mut Cursor<'a>,
        op: Opcode,
    ) -> Result<(SmallVec<[Value; 4]>, Imm), ParseError> {
        let mut args = SmallVec::new();
        let imm = match op.format() {
            Format::Plain => Imm::None,
            Format::IntConst | Format::Lane => Imm::Int(c.number("an integer")?),
            Format::FloatConst => Imm::Float(c.float()?),
            Format::IntCmp => Imm::IntCC(c.named("a comparison", IntCC::from_name)?),
            Format::FloatCmp => Imm::FloatCC(c.named("a comparison", FloatCC::from_name)?),
            Format::Slot => Imm::Slot(self.slot_ref(c)?),
            Format::Mem => {
                let region = match c.peek_word().is_empty() || c.at_entity("v") {
                    true => Region::Any,
                    false => c.named("a region or a value", Region::from_name)?,
                };
                self.values(c, &mut args)?;
                let disp = match c.is_end() || c.at("@") {
                    true => 0,
                    false => c.number("a displacement")?,
                };
                Imm::Mem { disp, region }
            }
            Format::Site => {
                self.values(c, &mut args)?;
                if c.at("(") {
                    args.extend(self.value_list(c)?);
                }
                Imm::Site(self.reader.site_ref(c)?)
            }
            Format::Helper => {
                let helper = c.named("a helper", helpers::find)?;
                args.extend(self.value_list(c)?);
                let site = c.at_entity("site").then(|| self.reader.site_ref(c)).transpose()?;
                Imm::Helper { helper, site }
            }
            Format::Call => {
                let func = self.reader.func_ref(c)?;
                let levels = match c.at("(") {
                    true => 0,
                    false => c.number("a number of inlined calls")?,
                };
                args.extend(self.value_list(c)?);
                let site = self.reader.site_ref(c)?;
                Imm::Call { func, site, levels }
            }
            Format::Jump => Imm::Jump(self.target(c)?),
            Format::Branch => {
                args.push(self.value(c)?);
                c.expect(",")?;
                let then = self.target(c)?;
                c.expect(",")?;
                Imm::Branch(then, self.target(c)?)
            }
        };
        self.values(c, &mut args)?;
        Ok((args, imm))
    }

    /// `in site0(v0) in site1(v1)`, then `else block1 ss0(v0, v1)`, if they are there
    fn unwind(&mut self, c: &mut Cursor<'a>) -> Result<Option<Box<Unwind>>, ParseError> {
        let mut unwind = Unwind::default();
        while c.eat_word("in") {
            let site = self.reader.site_ref(c)?;
            let recorded = self.value_list(c)?.into();
            unwind.inlined.push(InlinedCall { site, recorded });
        }
        if c.eat_word("else") {
            unwind.landing = Some(self.landing(c)?);
        }
        Ok(unwind.boxed())
    }

    fn landing(&mut self, c: &mut Cursor<'a>) -> Result<Landing, ParseError> {
        let at = *c;
        let block = self.block_number(c)?;
        self.used.push((at, Entity::Block(block)));
        let slot = self.slot_ref(c)?;
        let values = match c.at("(") {
            true => self.value_list(c)?.into(),
            false => SmallVec::new(),
        };
        Ok(Landing { block, slot, values })
    }

    fn slot_ref(&mut self, c: &mut Cursor<'a>) -> Result<Slot, ParseError> {
        let at = *c;
        let slot = Slot::new(c.entity("ss")? as usize);
        self.used.push((at, Entity::Slot(slot)));
        Ok(slot)
    }

    /// Values between commas, if there are any.
    fn values(&mut self, c: &mut Cursor<'a>, out: &mut SmallVec<[Value; 4]>) -> Result<(), ParseError> {
        if !c.at_entity("v") {
            return Ok(());
        }
        out.push(self.value(c)?);
        while c.eat(",") {
            out.push(self.value(c)?);
        }
        Ok(())
    }

    fn value_list(&mut self, c: &mut Cursor<'a>) -> Result<Vec<Value>, ParseError> {
        c.list(|c| self.value(c))
    }

    /// `block1(v0, v1)`
    fn target(&mut self, c: &mut Cursor<'a>) -> Result<BlockCall, ParseError> {
        let at = *c;
        let block = self.block_number(c)?;
        self.used.push((at, Entity::Block(block)));
        let args = match c.at("(") {
            true => self.value_list(c)?.into(),
            false => SmallVec::new(),
        };
        Ok(BlockCall { block, args })
    }
}

/// The immediate, which a constant's type must hold: an integer in range, a float rounded to it.
fn constant(at: Cursor<'_>, op: Opcode, ty: Ty, imm: Imm) -> Result<Imm, ParseError> {
    match imm {
        Imm::Int(n) if op == Opcode::Iconst && ty.wrap(n) != n => {
            let (least, most) = (ty.wrap(1 << (ty.bits() - 1)), ty.wrap(!(1 << (ty.bits() - 1))));
            Err(at.error(format!("{n} is not an {}: {least} to {most}", ty.name())))
        }
        Imm::Float(bits) if ty == Ty::F32 && !f64::from_bits(bits).is_nan() => {
            Ok(Imm::Float(f64::from(f64::from_bits(bits) as f32).to_bits()))
        }
        imm => Ok(imm),
    }
}
