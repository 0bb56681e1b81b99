//! The table of operations, from which the printer, the reader, the verifier and the docs derive.
//!
//! A row gives the mnemonic, the format of the immediate data, the class of the controlling type, the
//! types of arguments and results, and the kind of effect.

use crate::ir::Ty;

/// Shape of an instruction's immediate data. Value arguments are always in `args`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// only value arguments
    Plain,
    /// `Imm::Int`
    IntConst,
    /// `Imm::Float` (bits)
    FloatConst,
    /// `Imm::IntCC`
    IntCmp,
    /// `Imm::FloatCC`
    FloatCmp,
    /// `Imm::Mem { disp, .. }`
    Mem,
    /// `Imm::Site`: value arguments, then recorded operands after the op's own arguments
    Site,
    /// `Imm::Helper { helper, site }`
    Helper,
    /// `Imm::Call { func, site }`
    Call,
    /// `Imm::Slot`
    Slot,
    /// `Imm::Jump`
    Jump,
    /// `Imm::Branch`
    Branch,
}

/// The controlling types an operation may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    I8,
    I64,
    F32,
    F64,
    /// i8, i16, i32, i64
    Int,
    /// i32, i64
    Wide,
    /// f32, f64
    Float,
    /// every type
    Any,
    /// the result of the helper, i64 if it has none
    Helper,
}

impl Class {
    /// The only member, which the text form leaves out.
    pub const fn only(self) -> Option<Ty> {
        match self {
            Class::I8 => Some(Ty::I8),
            Class::I64 => Some(Ty::I64),
            Class::F32 => Some(Ty::F32),
            Class::F64 => Some(Ty::F64),
            Class::Int | Class::Wide | Class::Float | Class::Any | Class::Helper => None,
        }
    }

    pub const fn contains(self, ty: Ty) -> bool {
        match self {
            Class::I8 => matches!(ty, Ty::I8),
            Class::I64 => matches!(ty, Ty::I64),
            Class::F32 => matches!(ty, Ty::F32),
            Class::F64 => matches!(ty, Ty::F64),
            Class::Int => !ty.is_float(),
            Class::Wide => matches!(ty, Ty::I32 | Ty::I64),
            Class::Float => ty.is_float(),
            Class::Any | Class::Helper => true,
        }
    }
}

/// Type of one argument or result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// the controlling type
    Ty,
    I8,
    I64,
    F32,
    F64,
    /// i32, i64
    Wide,
    /// f32, f64
    Float,
    /// an integer of fewer bits than the controlling type
    Narrower,
    /// an integer of more bits than the controlling type
    Wider,
    /// another type of the size of the controlling type
    SameSize,
}

impl Operand {
    pub const fn accepts(self, ty: Ty, controlling: Ty) -> bool {
        match self {
            Operand::Ty => ty as u8 == controlling as u8,
            Operand::I8 => matches!(ty, Ty::I8),
            Operand::I64 => matches!(ty, Ty::I64),
            Operand::F32 => matches!(ty, Ty::F32),
            Operand::F64 => matches!(ty, Ty::F64),
            Operand::Wide => matches!(ty, Ty::I32 | Ty::I64),
            Operand::Float => ty.is_float(),
            Operand::Narrower => !ty.is_float() && ty.bits() < controlling.bits(),
            Operand::Wider => !ty.is_float() && ty.bits() > controlling.bits(),
            Operand::SameSize => ty as u8 != controlling as u8 && ty.bits() == controlling.bits(),
        }
    }

    /// The types accepted, in words, beside a controlling type.
    pub fn describe(self, controlling: Ty) -> String {
        let names = Ty::ALL.into_iter().filter(|t| self.accepts(*t, controlling));
        match names.map(Ty::name).collect::<Vec<_>>()[..] {
            [] => "any there is".to_owned(),
            ref names => names.join(" or "),
        }
    }
}

/// What follows the fixed arguments or results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    None,
    /// values of any type that the failure site records
    Operands,
    /// as the helper's signature says
    Helper,
    /// as the callee says; arguments end in the i8 effects flag
    Callee,
    /// the results of the function
    Results,
}

/// What an operation does besides giving its results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Pure,
    /// reads memory
    Read,
    /// writes memory
    Write,
    /// may leave the function by its site
    Check,
    /// anything
    Call,
    /// ends its block
    Terminator,
}

macro_rules! rest {
    () => {
        Rest::None
    };
    ($rest:ident) => {
        Rest::$rest
    };
}

macro_rules! define_ops {
    ($( $(#[doc = $doc:literal])* $name:ident = $text:literal, $format:ident, $class:ident,
        ($($arg:ident),* $(; $args:ident)?) -> ($($result:ident),* $(; $results:ident)?), $effect:ident; )*) => {
        /// An operation. `ty` below is the instruction's controlling type.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Opcode { $( $(#[doc = $doc])* $name, )* }

        impl Opcode {
            pub const ALL: &'static [Opcode] = &[$(Opcode::$name),*];
            /// Mnemonic in the text form.
            pub const fn name(self) -> &'static str { match self { $(Opcode::$name => $text),* } }
            pub const fn format(self) -> Format { match self { $(Opcode::$name => Format::$format),* } }
            pub const fn class(self) -> Class { match self { $(Opcode::$name => Class::$class),* } }
            /// Types of the fixed arguments, then what follows them.
            pub const fn args(self) -> (&'static [Operand], Rest) {
                match self { $(Opcode::$name => (&[$(Operand::$arg),*], rest!($($args)?))),* }
            }
            /// Types of the fixed results, then what follows them.
            pub const fn result_types(self) -> (&'static [Operand], Rest) {
                match self { $(Opcode::$name => (&[$(Operand::$result),*], rest!($($results)?))),* }
            }
            /// The text above the row; empty for a row that continues the one before.
            pub const fn doc(self) -> &'static str { match self { $(Opcode::$name => concat!($($doc),*)),* } }
            pub const fn effect(self) -> Effect { match self { $(Opcode::$name => Effect::$effect),* } }
        }
    };
}

define_ops! {
    /// integer constant of `ty`
    Iconst = "iconst", IntConst, Int, () -> (Ty), Pure;
    /// float constant of `ty`
    Fconst = "fconst", FloatConst, Float, () -> (Ty), Pure;

    /// wrapping integer arithmetic on `ty`
    Iadd = "iadd", Plain, Int, (Ty, Ty) -> (Ty), Pure;
    Isub = "isub", Plain, Int, (Ty, Ty) -> (Ty), Pure;
    Imul = "imul", Plain, Int, (Ty, Ty) -> (Ty), Pure;
    Ineg = "ineg", Plain, Int, (Ty) -> (Ty), Pure;
    /// high 64 bits of the signed product (i64 only)
    Smulhi = "smulhi", Plain, I64, (Ty, Ty) -> (Ty), Pure;
    /// C division and remainder (towards zero). The divisor is nonzero and the quotient fits: guarded before.
    Sdiv = "sdiv", Plain, Int, (Ty, Ty) -> (Ty), Pure;
    Srem = "srem", Plain, Int, (Ty, Ty) -> (Ty), Pure;
    Udiv = "udiv", Plain, Int, (Ty, Ty) -> (Ty), Pure;
    Urem = "urem", Plain, Int, (Ty, Ty) -> (Ty), Pure;
    Band = "band", Plain, Int, (Ty, Ty) -> (Ty), Pure;
    Bor = "bor", Plain, Int, (Ty, Ty) -> (Ty), Pure;
    Bxor = "bxor", Plain, Int, (Ty, Ty) -> (Ty), Pure;
    Bnot = "bnot", Plain, Int, (Ty) -> (Ty), Pure;
    /// shifts by an amount of the same type, which is in 0..bits: guarded before
    Ishl = "ishl", Plain, Int, (Ty, Ty) -> (Ty), Pure;
    Sshr = "sshr", Plain, Int, (Ty, Ty) -> (Ty), Pure;
    Ushr = "ushr", Plain, Int, (Ty, Ty) -> (Ty), Pure;
    Smin = "smin", Plain, Int, (Ty, Ty) -> (Ty), Pure;
    Smax = "smax", Plain, Int, (Ty, Ty) -> (Ty), Pure;
    Clz = "clz", Plain, Int, (Ty) -> (Ty), Pure;
    Ctz = "ctz", Plain, Int, (Ty) -> (Ty), Pure;
    Popcnt = "popcnt", Plain, Int, (Ty) -> (Ty), Pure;

    /// exact i64 arithmetic: overflow leaves by the site
    IaddChk = "iadd_chk", Site, I64, (Ty, Ty; Operands) -> (Ty), Check;
    IsubChk = "isub_chk", Site, I64, (Ty, Ty; Operands) -> (Ty), Check;
    ImulChk = "imul_chk", Site, I64, (Ty, Ty; Operands) -> (Ty), Check;

    Fadd = "fadd", Plain, Float, (Ty, Ty) -> (Ty), Pure;
    Fsub = "fsub", Plain, Float, (Ty, Ty) -> (Ty), Pure;
    Fmul = "fmul", Plain, Float, (Ty, Ty) -> (Ty), Pure;
    Fdiv = "fdiv", Plain, Float, (Ty, Ty) -> (Ty), Pure;
    Fneg = "fneg", Plain, Float, (Ty) -> (Ty), Pure;
    Fabs = "fabs", Plain, Float, (Ty) -> (Ty), Pure;
    Fsqrt = "fsqrt", Plain, Float, (Ty) -> (Ty), Pure;
    Ffloor = "ffloor", Plain, Float, (Ty) -> (Ty), Pure;
    Fceil = "fceil", Plain, Float, (Ty) -> (Ty), Pure;
    Ftrunc = "ftrunc", Plain, Float, (Ty) -> (Ty), Pure;
    /// round half to even
    Fnearest = "fnearest", Plain, Float, (Ty) -> (Ty), Pure;
    Fcopysign = "fcopysign", Plain, Float, (Ty, Ty) -> (Ty), Pure;

    /// comparisons give an i8, 0 or 1; `ty` is the operands' type
    Icmp = "icmp", IntCmp, Int, (Ty, Ty) -> (I8), Pure;
    Fcmp = "fcmp", FloatCmp, Float, (Ty, Ty) -> (I8), Pure;
    /// `select cond(i8), then, else`
    Select = "select", Plain, Any, (I8, Ty, Ty) -> (Ty), Pure;

    /// integer width changes to `ty`
    Sext = "sext", Plain, Int, (Narrower) -> (Ty), Pure;
    Zext = "zext", Plain, Int, (Narrower) -> (Ty), Pure;
    Trunc = "trunc", Plain, Int, (Wider) -> (Ty), Pure;
    /// signed / unsigned integer (i32 or i64) to float `ty`
    StoF = "s2f", Plain, Float, (Wide) -> (Ty), Pure;
    UtoF = "u2f", Plain, Float, (Wide) -> (Ty), Pure;
    /// float to integer `ty` (i32 or i64), saturating, NaN gives 0
    FtoS = "f2s", Plain, Wide, (Float) -> (Ty), Pure;
    FtoU = "f2u", Plain, Wide, (Float) -> (Ty), Pure;
    Fpromote = "fpromote", Plain, F64, (F32) -> (Ty), Pure;
    Fdemote = "fdemote", Plain, F32, (F64) -> (Ty), Pure;
    /// same bits as another type of the same size
    Bitcast = "bitcast", Plain, Any, (SameSize) -> (Ty), Pure;

    /// `load.ty [addr + disp]`
    Load = "load", Mem, Any, (I64) -> (Ty), Read;
    /// `store value, [addr + disp]`
    Store = "store", Mem, Any, (Ty, I64) -> (), Write;
    /// its operand, which is the extent of an array: in 0..2**48
    Extent = "extent", Plain, I64, (Ty) -> (Ty), Pure;
    /// address of a stack slot
    SlotAddr = "slot_addr", Slot, I64, () -> (Ty), Pure;

    /// `bounds_check index, length, operands...`: negative indices count from the end; the result is in 0..length
    BoundsCheck = "bounds_check", Site, I64, (Ty, Ty; Operands) -> (Ty), Check;
    /// `index_check index, length, operands...`: fails unless 0 <= index < length; the result is the index
    IndexCheck = "index_check", Site, I64, (Ty, Ty; Operands) -> (Ty), Check;
    /// `zero_check divisor, operands...` (integer): fails if zero
    ZeroCheck = "zero_check", Site, Int, (Ty; Operands) -> (), Check;
    /// `shape_check a, b, operands...`: fails unless equal
    ShapeCheck = "shape_check", Site, I64, (Ty, Ty; Operands) -> (), Check;
    /// `guard cond(i8), operands...`: fails if cond is 0
    Guard = "guard", Site, I8, (Ty; Operands) -> (), Check;
    /// its operand is 1: for range analysis, without code
    Assume = "assume", Plain, I8, (Ty) -> (), Check;
    /// polls for signals and other threads
    Safepoint = "safepoint", Site, I64, () -> (), Check;

    /// a row of the helper table; a nonzero status of a fallible one leaves by the site
    CallHelper = "call_helper", Helper, Helper, (; Helper) -> (; Helper), Call;
    /// a function of the module; its failure is this function's, with the site as traceback entry
    Call = "call", Call, I64, (; Callee) -> (; Callee), Call;
    /// `ctx.objects[imm]`, or `ctx.hidden` if imm is -1
    ObjectAddr = "object", IntConst, I64, () -> (Ty), Pure;

    /// `jump block(args)`
    Jump = "jump", Jump, I64, () -> (), Terminator;
    /// `br cond(i8), block(args), block(args)`
    Br = "br", Branch, I8, (Ty) -> (), Terminator;
    Return = "return", Plain, I64, (; Results) -> (), Terminator;
    /// `fail operands...`: leaves by the site
    Fail = "fail", Site, I64, (; Operands) -> (), Terminator;
    /// never reached
    Unreachable = "unreachable", Plain, I64, () -> (), Terminator;
}

const fn count(types: (&[Operand], Rest)) -> i32 {
    match types {
        (fixed, Rest::None) => fixed.len() as i32,
        _ => -1,
    }
}

impl Opcode {
    /// Number of value arguments, -1 if it varies.
    pub const fn arity(self) -> i32 {
        count(self.args())
    }

    /// Number of results, -1 if it varies.
    pub const fn results(self) -> i32 {
        count(self.result_types())
    }

    pub const fn is_terminator(self) -> bool {
        matches!(self.effect(), Effect::Terminator)
    }

    /// Must not be deleted, duplicated or moved (memory writes, calls, failures).
    pub const fn has_effect(self) -> bool {
        !matches!(self.effect(), Effect::Pure | Effect::Read)
    }

    /// Number of leading value arguments that are the operation's own; the rest are the
    /// operands recorded for the failure site, or as a signature says.
    pub const fn own_args(self) -> usize {
        self.args().0.len()
    }

    pub fn from_name(name: &str) -> Option<Opcode> {
        Opcode::ALL.iter().copied().find(|o| o.name() == name)
    }
}
