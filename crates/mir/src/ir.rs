//! Data structures of the IR.

use cranelift_entity::packed_option::PackedOption;
use cranelift_entity::{PrimaryMap, SecondaryMap, entity_impl};
use numlift_runtime::{FrameInfo, HelperId, SiteData};
use smallvec::SmallVec;

use crate::Opcode;

macro_rules! entity {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u32);
        entity_impl!($name, $prefix);
    };
}

entity!(
    /// An SSA value.
    Value, "v"
);
entity!(
    /// A basic block.
    Block, "block"
);
entity!(
    /// An instruction.
    Inst, "inst"
);
entity!(
    /// A function of the module.
    FuncId, "fn"
);
entity!(
    /// A failure site of the module; the same index as `runtime::SiteId`.
    Site, "site"
);
entity!(
    /// A stack slot.
    Slot, "ss"
);

/// Machine type of a value. Addresses are `I64`, booleans `I8` (0 or 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ty {
    I8,
    I16,
    I32,
    I64,
    F32,
    F64,
}

impl Ty {
    pub const ALL: [Ty; 6] = [Ty::I8, Ty::I16, Ty::I32, Ty::I64, Ty::F32, Ty::F64];

    pub const fn name(self) -> &'static str {
        match self {
            Ty::I8 => "i8",
            Ty::I16 => "i16",
            Ty::I32 => "i32",
            Ty::I64 => "i64",
            Ty::F32 => "f32",
            Ty::F64 => "f64",
        }
    }

    pub const fn bytes(self) -> u32 {
        match self {
            Ty::I8 => 1,
            Ty::I16 => 2,
            Ty::I32 | Ty::F32 => 4,
            Ty::I64 | Ty::F64 => 8,
        }
    }

    pub const fn bits(self) -> u32 {
        self.bytes() * 8
    }

    pub const fn is_float(self) -> bool {
        matches!(self, Ty::F32 | Ty::F64)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IntCC {
    Eq,
    Ne,
    Slt,
    Sle,
    Sgt,
    Sge,
    Ult,
    Ule,
    Ugt,
    Uge,
}

/// Ordered comparisons are false on NaN; `Ne` is true on NaN (as in C and Python).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FloatCC {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    /// neither is NaN
    Ord,
    /// one is NaN
    Uno,
}

/// A branch target with the arguments for its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockCall {
    pub block: Block,
    pub args: SmallVec<[Value; 4]>,
}

/// What memory an access touches, for alias analysis: accesses of different regions never overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Region {
    /// may overlap anything but slots
    Any,
    /// a stack slot
    Stack,
    /// memory of an array allocated in this function, numbered
    Fresh(u32),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Imm {
    None,
    Int(i64),
    /// bits of an f64 (also for `F32`: the f64 of the same value)
    Float(u64),
    IntCC(IntCC),
    FloatCC(FloatCC),
    Mem {
        disp: i32,
        region: Region,
    },
    Site(Site),
    Helper {
        helper: HelperId,
        site: Option<Site>,
    },
    Call {
        func: FuncId,
        site: Site,
    },
    Slot(Slot),
    Jump(BlockCall),
    /// targets when the condition is nonzero and zero
    Branch(BlockCall, BlockCall),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstData {
    pub op: Opcode,
    /// Controlling type: of the result where there is one (operands for compares and stores).
    pub ty: Ty,
    pub args: SmallVec<[Value; 4]>,
    pub imm: Imm,
    pub results: SmallVec<[Value; 2]>,
    /// 1-based source line, 0 if none.
    pub line: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueDef {
    Result(Inst, u16),
    Param(Block, u16),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueData {
    pub ty: Ty,
    pub def: ValueDef,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockData {
    pub params: SmallVec<[Value; 4]>,
    pub insts: Vec<Inst>,
    /// Rarely run: placed out of line.
    pub cold: bool,
}

/// Bytes on the native stack, zeroed on entry if `owner` (it holds a counted reference that
/// every way out of the function releases with `py_decref`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotData {
    pub bytes: u32,
    pub owner: bool,
}

#[derive(Clone, Debug)]
pub struct Function {
    pub name: String,
    pub params: Vec<Ty>,
    pub results: Vec<Ty>,
    pub values: PrimaryMap<Value, ValueData>,
    pub blocks: PrimaryMap<Block, BlockData>,
    pub insts: PrimaryMap<Inst, InstData>,
    pub slots: PrimaryMap<Slot, SlotData>,
    /// Block order; the first is the entry, whose parameters are the function's.
    pub layout: Vec<Block>,
    /// Takes part in recursion: calls carry the depth and check `ctx.depth_limit`.
    pub recursive: bool,
    /// Site that raises `RecursionError`, if recursive.
    pub recursion_site: Option<Site>,
}

/// The functions of one specialisation. `entry` is called by the thunk.
#[derive(Clone, Debug, Default)]
pub struct Module {
    pub funcs: PrimaryMap<FuncId, Function>,
    pub entry: Option<FuncId>,
    pub sites: PrimaryMap<Site, SiteData>,
    pub frames: Vec<FrameInfo>,
}

impl Function {
    pub fn new(name: impl Into<String>) -> Function {
        Function {
            name: name.into(),
            params: Vec::new(),
            results: Vec::new(),
            values: PrimaryMap::new(),
            blocks: PrimaryMap::new(),
            insts: PrimaryMap::new(),
            slots: PrimaryMap::new(),
            layout: Vec::new(),
            recursive: false,
            recursion_site: None,
        }
    }

    pub fn ty(&self, v: Value) -> Ty {
        self.values[v].ty
    }

    pub fn terminator(&self, b: Block) -> Option<Inst> {
        self.blocks[b]
            .insts
            .last()
            .copied()
            .filter(|&i| self.insts[i].op.is_terminator())
    }

    /// The targets of a block's terminator.
    pub fn successors(&self, b: Block) -> SmallVec<[&BlockCall; 2]> {
        match self.terminator(b).map(|i| &self.insts[i].imm) {
            Some(Imm::Jump(t)) => SmallVec::from_slice(&[t]),
            Some(Imm::Branch(t, e)) => SmallVec::from_slice(&[t, e]),
            _ => SmallVec::new(),
        }
    }

    /// Every value an instruction reads, arguments of its branch targets included.
    pub fn uses(&self, i: Inst) -> SmallVec<[Value; 8]> {
        let data = &self.insts[i];
        let mut out = SmallVec::from_slice(&data.args);
        match &data.imm {
            Imm::Jump(t) => out.extend_from_slice(&t.args),
            Imm::Branch(t, e) => {
                out.extend_from_slice(&t.args);
                out.extend_from_slice(&e.args);
            }
            _ => {}
        }
        out
    }

    /// Applies `f` to every value an instruction reads.
    pub fn map_uses(&mut self, i: Inst, mut f: impl FnMut(Value) -> Value) {
        let data = &mut self.insts[i];
        let branches: &mut [&mut BlockCall] = match &mut data.imm {
            Imm::Jump(t) => &mut [t],
            Imm::Branch(t, e) => &mut [t, e],
            _ => &mut [],
        };
        let passed = branches.iter_mut().flat_map(|t| t.args.iter_mut());
        for v in data.args.iter_mut().chain(passed) {
            *v = f(*v);
        }
    }

    /// The block of each instruction in the layout.
    pub fn inst_blocks(&self) -> SecondaryMap<Inst, PackedOption<Block>> {
        let mut out = SecondaryMap::with_capacity(self.insts.len());
        for &b in &self.layout {
            for &i in &self.blocks[b].insts {
                out[i] = b.into();
            }
        }
        out
    }

    /// The instruction that defines a value; none for a block parameter.
    pub fn def(&self, v: Value) -> Option<Inst> {
        match self.values[v].def {
            ValueDef::Result(i, _) => Some(i),
            ValueDef::Param(..) => None,
        }
    }

    /// The number of an `iconst`.
    pub fn int_const(&self, v: Value) -> Option<i64> {
        match self.insts[self.def(v)?].imm {
            Imm::Int(n) if self.insts[self.def(v)?].op == Opcode::Iconst => Some(n),
            _ => None,
        }
    }

    pub fn append_param(&mut self, block: Block, ty: Ty) -> Value {
        let n = self.blocks[block].params.len() as u16;
        let v = self.values.push(ValueData {
            ty,
            def: ValueDef::Param(block, n),
        });
        self.blocks[block].params.push(v);
        v
    }
}
