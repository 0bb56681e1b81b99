//! Data structures of the IR.

use cranelift_entity::packed_option::PackedOption;
use cranelift_entity::{PrimaryMap, SecondaryMap, entity_impl};
use numlift_runtime::{FrameInfo, HelperId, SiteData};
use smallvec::SmallVec;

use crate::{Opcode, Unwind};

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

/// Machine type of a value. Addresses are `I64`, booleans `I8` (0 or 1). A vector has 128 bits; what a
/// comparison of vectors gives is a mask, integers of as many bits that are all ones or zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ty {
    I8,
    I16,
    I32,
    I64,
    F32,
    F64,
    I8x16,
    I16x8,
    I32x4,
    I64x2,
    F32x4,
    F64x2,
}

impl Ty {
    pub const SCALARS: [Ty; 6] = [Ty::I8, Ty::I16, Ty::I32, Ty::I64, Ty::F32, Ty::F64];
    pub const VECTORS: [Ty; 6] = [Ty::I8x16, Ty::I16x8, Ty::I32x4, Ty::I64x2, Ty::F32x4, Ty::F64x2];

    pub const fn name(self) -> &'static str {
        match self {
            Ty::I8 => "i8",
            Ty::I16 => "i16",
            Ty::I32 => "i32",
            Ty::I64 => "i64",
            Ty::F32 => "f32",
            Ty::F64 => "f64",
            Ty::I8x16 => "i8x16",
            Ty::I16x8 => "i16x8",
            Ty::I32x4 => "i32x4",
            Ty::I64x2 => "i64x2",
            Ty::F32x4 => "f32x4",
            Ty::F64x2 => "f64x2",
        }
    }

    /// Every type there is.
    pub fn all() -> impl Iterator<Item = Ty> {
        Ty::SCALARS.into_iter().chain(Ty::VECTORS)
    }

    pub fn from_name(name: &str) -> Option<Ty> {
        Ty::all().find(|t| t.name() == name)
    }

    /// The type of a vector's lanes; a scalar is its own.
    pub const fn lane(self) -> Ty {
        match self {
            Ty::I8 | Ty::I8x16 => Ty::I8,
            Ty::I16 | Ty::I16x8 => Ty::I16,
            Ty::I32 | Ty::I32x4 => Ty::I32,
            Ty::I64 | Ty::I64x2 => Ty::I64,
            Ty::F32 | Ty::F32x4 => Ty::F32,
            Ty::F64 | Ty::F64x2 => Ty::F64,
        }
    }

    /// The vector with lanes of this type.
    pub const fn vector(self) -> Ty {
        match self.lane() {
            Ty::I8 => Ty::I8x16,
            Ty::I16 => Ty::I16x8,
            Ty::I32 => Ty::I32x4,
            Ty::F32 => Ty::F32x4,
            Ty::F64 => Ty::F64x2,
            _ => Ty::I64x2,
        }
    }

    pub const fn is_vector(self) -> bool {
        self as u8 >= Ty::I8x16 as u8
    }

    /// Number of lanes, 1 of a scalar.
    pub const fn lanes(self) -> u32 {
        self.bytes() / self.lane().bytes()
    }

    /// What a comparison of this type gives: 0 or 1, or a mask of vectors.
    pub const fn truth(self) -> Ty {
        match (self.is_vector(), self.lane()) {
            (false, _) => Ty::I8,
            (true, Ty::F32) => Ty::I32x4,
            (true, Ty::F64) => Ty::I64x2,
            (true, _) => self,
        }
    }

    pub const fn bytes(self) -> u32 {
        match self {
            Ty::I8 => 1,
            Ty::I16 => 2,
            Ty::I32 | Ty::F32 => 4,
            Ty::I64 | Ty::F64 => 8,
            _ => 16,
        }
    }

    pub const fn bits(self) -> u32 {
        self.bytes() * 8
    }

    /// Whether it is a float, or has floats for lanes.
    pub const fn is_float(self) -> bool {
        matches!(self.lane(), Ty::F32 | Ty::F64)
    }

    /// The signed number that the low bits of `n` stand for in an integer (a lane) of this type: `n` if it is in range.
    pub const fn wrap(self, n: i64) -> i64 {
        let unused = 64 - self.lane().bits();
        (n << unused) >> unused
    }
}

/// An enum of bare names that the text form spells as given.
macro_rules! named {
    ($(#[$doc:meta])* $enum:ident { $($(#[$item_doc:meta])* $item:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $enum { $($(#[$item_doc])* $item,)* }

        impl $enum {
            pub const ALL: &'static [$enum] = &[$($enum::$item),*];

            pub const fn name(self) -> &'static str {
                match self { $($enum::$item => $text),* }
            }

            pub fn from_name(name: &str) -> Option<$enum> {
                $enum::ALL.iter().copied().find(|c| c.name() == name)
            }
        }
    };
}

named! {
    /// Integer comparison.
    IntCC {
        Eq = "eq",
        Ne = "ne",
        Slt = "slt",
        Sle = "sle",
        Sgt = "sgt",
        Sge = "sge",
        Ult = "ult",
        Ule = "ule",
        Ugt = "ugt",
        Uge = "uge",
    }
}

impl IntCC {
    /// The comparison that holds exactly where this one does not; floats have none (NaN).
    pub const fn opposite(self) -> IntCC {
        match self {
            IntCC::Eq => IntCC::Ne,
            IntCC::Ne => IntCC::Eq,
            IntCC::Slt => IntCC::Sge,
            IntCC::Sle => IntCC::Sgt,
            IntCC::Sgt => IntCC::Sle,
            IntCC::Sge => IntCC::Slt,
            IntCC::Ult => IntCC::Uge,
            IntCC::Ule => IntCC::Ugt,
            IntCC::Ugt => IntCC::Ule,
            IntCC::Uge => IntCC::Ult,
        }
    }

    /// The comparison that says the same with its operands exchanged.
    pub const fn swapped(self) -> IntCC {
        match self {
            IntCC::Eq => IntCC::Eq,
            IntCC::Ne => IntCC::Ne,
            IntCC::Slt => IntCC::Sgt,
            IntCC::Sle => IntCC::Sge,
            IntCC::Sgt => IntCC::Slt,
            IntCC::Sge => IntCC::Sle,
            IntCC::Ult => IntCC::Ugt,
            IntCC::Ule => IntCC::Uge,
            IntCC::Ugt => IntCC::Ult,
            IntCC::Uge => IntCC::Ule,
        }
    }
}

named! {
    /// Ordered comparisons are false on NaN; `Ne` is true on NaN (as in C and Python).
    FloatCC {
        Eq = "eq",
        Ne = "ne",
        Lt = "lt",
        Le = "le",
        Gt = "gt",
        Ge = "ge",
        /// neither is NaN
        Ord = "ord",
        /// one is NaN
        Uno = "uno",
    }
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
    /// written before the call and never during it
    Constant,
    /// memory of an array allocated in this function, numbered
    Fresh(u32),
}

impl Region {
    /// Whether accesses of these regions may be to the same place.
    pub fn may_overlap(self, other: Region) -> bool {
        match (self, other) {
            (Region::Constant, _) | (_, Region::Constant) => false,
            (Region::Stack, Region::Stack) => true,
            (Region::Stack, _) | (_, Region::Stack) => false,
            (Region::Fresh(x), Region::Fresh(y)) => x == y,
            (Region::Any, _) | (_, Region::Any) => true,
        }
    }
}

impl std::fmt::Display for Region {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Region::Any => f.write_str("any"),
            Region::Stack => f.write_str("stack"),
            Region::Constant => f.write_str("constant"),
            Region::Fresh(n) => write!(f, "fresh{n}"),
        }
    }
}

impl Region {
    /// Reads what `Display` writes.
    pub fn from_name(name: &str) -> Option<Region> {
        match name {
            "stack" => Some(Region::Stack),
            "constant" => Some(Region::Constant),
            _ => name
                .strip_prefix("fresh")
                .and_then(|n| n.parse().ok())
                .map(Region::Fresh),
        }
    }
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
        /// inlined calls around it that the depth of the callee counts
        levels: u32,
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
    /// Of an instruction with a site that does not simply leave the function.
    pub unwind: Option<Box<Unwind>>,
    /// 1-based source line, 0 if none.
    pub line: u32,
}

/// Where a value comes from. A number that no definition uses (a pass deleted it) may be left in the
/// arena; read from text, such a gap is a `Result` of the reserved instruction.
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
/// every way out of the function releases with `py_decref`). Memory of an `array` is accessed behind checks of
/// indices, which may be such that they always fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotData {
    pub bytes: u32,
    pub owner: bool,
    pub array: bool,
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
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Module {
    pub funcs: PrimaryMap<FuncId, Function>,
    pub entry: Option<FuncId>,
    pub sites: PrimaryMap<Site, SiteData>,
    pub frames: Vec<FrameInfo>,
}

/// Functions are equal if they are the same text: numbers of instructions, which nothing refers to,
/// and values and blocks that are not in the layout do not count.
impl PartialEq for Function {
    fn eq(&self, other: &Function) -> bool {
        let same_block = |b: &Block| {
            let (x, y) = (&self.blocks[*b], &other.blocks[*b]);
            let types =
                |f: &Function, values: &[Value]| -> Vec<Ty> { values.iter().map(|v| f.ty(*v)).collect() };
            let insts = |f: &Function, i: &Inst| (f.insts[*i].clone(), types(f, &f.insts[*i].results));
            (x.cold, &x.params) == (y.cold, &y.params)
                && types(self, &x.params) == types(other, &y.params)
                && x.insts.len() == y.insts.len()
                && (x.insts.iter().zip(&y.insts)).all(|(i, j)| insts(self, i) == insts(other, j))
        };
        self.name == other.name
            && (&self.params, &self.results) == (&other.params, &other.results)
            && (self.recursive, self.recursion_site) == (other.recursive, other.recursion_site)
            && self.slots == other.slots
            && self.layout == other.layout
            && self.layout.iter().all(same_block)
    }
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

    /// Every value an instruction reads, arguments of its branch targets and what its failure records included.
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
        out.extend(data.unwound());
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
        let stored = data.unwind.iter_mut().flat_map(|u| u.values_mut());
        for v in data.args.iter_mut().chain(passed).chain(stored) {
            *v = f(*v);
        }
    }

    /// Whether an instruction must not be deleted, merged or moved: writes, failures, calls but of pure helpers.
    pub fn has_effect(&self, i: Inst) -> bool {
        let d = &self.insts[i];
        let pure_call = match d.imm {
            Imm::Helper { helper, .. } => numlift_runtime::helpers::sig(helper).pure_fn,
            _ => false,
        };
        d.op.has_effect() && !pure_call
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

    /// Takes parameter `k` from a block; branches to it must drop the argument.
    pub fn remove_param(&mut self, block: Block, k: usize) {
        self.blocks[block].params.remove(k);
        for n in k..self.blocks[block].params.len() {
            let v = self.blocks[block].params[n];
            self.values[v].def = ValueDef::Param(block, n as u16);
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
