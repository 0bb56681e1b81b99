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
    /// `Imm::Int`: the number of a lane
    Lane,
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
    /// `Imm::Call { func, site, levels }`
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
    /// integers and vectors of them
    Ints,
    /// i32, i64
    Wide,
    /// f32, f64
    Float,
    /// floats and vectors of them
    Floats,
    /// every vector
    Vector,
    /// vectors of integers that have halves
    WideLanes,
    /// vectors of integers that are halves
    NarrowLanes,
    F32x4,
    F64x2,
    /// every type
    Any,
    /// the result of the helper, i64 if it has none
    Helper,
}

impl Class {
    /// The members, in words.
    pub const fn describe(self) -> &'static str {
        match self {
            Class::I8 => "i8",
            Class::I64 => "i64",
            Class::F32 => "f32",
            Class::F64 => "f64",
            Class::Int => "i8, i16, i32, i64",
            Class::Ints => "integers and their vectors",
            Class::Wide => "i32, i64",
            Class::Float => "f32, f64",
            Class::Floats => "floats and their vectors",
            Class::Vector => "vectors",
            Class::WideLanes => "i16x8, i32x4, i64x2",
            Class::NarrowLanes => "i8x16, i16x8, i32x4",
            Class::F32x4 => "f32x4",
            Class::F64x2 => "f64x2",
            Class::Any => "every",
            Class::Helper => "the helper's result",
        }
    }

    /// The only member, which the text form leaves out.
    pub const fn only(self) -> Option<Ty> {
        match self {
            Class::I8 => Some(Ty::I8),
            Class::I64 => Some(Ty::I64),
            Class::F32 => Some(Ty::F32),
            Class::F64 => Some(Ty::F64),
            Class::F32x4 => Some(Ty::F32x4),
            Class::F64x2 => Some(Ty::F64x2),
            _ => None,
        }
    }

    pub const fn contains(self, ty: Ty) -> bool {
        match self {
            Class::I8 => matches!(ty, Ty::I8),
            Class::I64 => matches!(ty, Ty::I64),
            Class::F32 => matches!(ty, Ty::F32),
            Class::F64 => matches!(ty, Ty::F64),
            Class::Int => !ty.is_float() && !ty.is_vector(),
            Class::Ints => !ty.is_float(),
            Class::Wide => matches!(ty, Ty::I32 | Ty::I64),
            Class::Float => ty.is_float() && !ty.is_vector(),
            Class::Floats => ty.is_float(),
            Class::Vector => ty.is_vector(),
            Class::WideLanes => matches!(ty, Ty::I16x8 | Ty::I32x4 | Ty::I64x2),
            Class::NarrowLanes => matches!(ty, Ty::I8x16 | Ty::I16x8 | Ty::I32x4),
            Class::F32x4 => matches!(ty, Ty::F32x4),
            Class::F64x2 => matches!(ty, Ty::F64x2),
            Class::Any => true,
            Class::Helper => !ty.is_vector(),
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
    I32x4,
    F32x4,
    F64x2,
    /// what a comparison gives: an i8, of vectors their mask
    Truth,
    /// a lane of the controlling type, which itself is one if it is a scalar
    Lane,
    /// i32, i64; of a vector as many integers of the same size
    Wide,
    /// f32, f64
    Float,
    /// an integer of fewer bits than the controlling type
    Narrower,
    /// an integer of more bits than the controlling type
    Wider,
    /// integers of half as many bits as those of the controlling type
    Half,
    /// integers of twice as many bits as those of the controlling type
    Double,
    /// another type of the size of the controlling type
    SameSize,
}

impl Operand {
    pub const fn accepts(self, ty: Ty, controlling: Ty) -> bool {
        let integer = !ty.is_float() && !ty.is_vector();
        let lanes = !ty.is_float() && ty.is_vector();
        match self {
            Operand::Narrower => integer && ty.bits() < controlling.bits(),
            Operand::Wider => integer && ty.bits() > controlling.bits(),
            Operand::Half => lanes && ty.lane().bits() * 2 == controlling.lane().bits(),
            Operand::Double => lanes && ty.lane().bits() == controlling.lane().bits() * 2,
            Operand::Wide if controlling.is_vector() => ty as u8 == controlling.truth() as u8,
            Operand::Wide => matches!(ty, Ty::I32 | Ty::I64),
            Operand::Float => ty.is_float() && !ty.is_vector(),
            Operand::SameSize => ty as u8 != controlling as u8 && ty.bits() == controlling.bits(),
            _ => match self.only(controlling) {
                Some(only) => ty as u8 == only as u8,
                None => false,
            },
        }
    }

    /// The type, if the controlling type leaves no choice.
    pub const fn only(self, controlling: Ty) -> Option<Ty> {
        Some(match self {
            Operand::Ty => controlling,
            Operand::I8 => Ty::I8,
            Operand::I64 => Ty::I64,
            Operand::F32 => Ty::F32,
            Operand::F64 => Ty::F64,
            Operand::I32x4 => Ty::I32x4,
            Operand::F32x4 => Ty::F32x4,
            Operand::F64x2 => Ty::F64x2,
            Operand::Truth => controlling.truth(),
            Operand::Lane => controlling.lane(),
            _ => return None,
        })
    }

    /// The types accepted, in words, beside a controlling type.
    pub fn describe(self, controlling: Ty) -> String {
        let names = Ty::all().filter(|t| self.accepts(*t, controlling));
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
            /// What it does, in words.
            pub const fn doc(self) -> &'static str { match self { $(Opcode::$name => concat!($($doc),*).trim_ascii()),* } }
            pub const fn effect(self) -> Effect { match self { $(Opcode::$name => Effect::$effect),* } }
        }
    };
}

define_ops! {
    /// the integer, which is in the signed range of the type
    Iconst = "iconst", IntConst, Int, () -> (Ty), Pure;
    /// the float; of f32, the number is exactly one
    Fconst = "fconst", FloatConst, Float, () -> (Ty), Pure;

    /// sum, wrapping
    Iadd = "iadd", Plain, Ints, (Ty, Ty) -> (Ty), Pure;
    /// difference, wrapping
    Isub = "isub", Plain, Ints, (Ty, Ty) -> (Ty), Pure;
    /// product, wrapping
    Imul = "imul", Plain, Ints, (Ty, Ty) -> (Ty), Pure;
    /// negation, wrapping
    Ineg = "ineg", Plain, Ints, (Ty) -> (Ty), Pure;
    /// high 64 bits of the signed product
    Smulhi = "smulhi", Plain, I64, (Ty, Ty) -> (Ty), Pure;
    /// signed quotient, towards zero; the divisor is not 0 and the quotient fits: guarded before
    Sdiv = "sdiv", Plain, Int, (Ty, Ty) -> (Ty), Pure;
    /// remainder of `sdiv`, with the sign of the dividend, under the same conditions
    Srem = "srem", Plain, Int, (Ty, Ty) -> (Ty), Pure;
    /// unsigned quotient; the divisor is not 0: guarded before
    Udiv = "udiv", Plain, Int, (Ty, Ty) -> (Ty), Pure;
    /// remainder of `udiv`, under the same condition
    Urem = "urem", Plain, Int, (Ty, Ty) -> (Ty), Pure;
    /// bitwise and
    Band = "band", Plain, Ints, (Ty, Ty) -> (Ty), Pure;
    /// bitwise or
    Bor = "bor", Plain, Ints, (Ty, Ty) -> (Ty), Pure;
    /// bitwise exclusive or
    Bxor = "bxor", Plain, Ints, (Ty, Ty) -> (Ty), Pure;
    /// bitwise complement
    Bnot = "bnot", Plain, Ints, (Ty) -> (Ty), Pure;
    /// shift left; the amount is below the number of bits: guarded before
    Ishl = "ishl", Plain, Ints, (Ty, Lane) -> (Ty), Pure;
    /// shift right that keeps the sign, by an amount as of `ishl`
    Sshr = "sshr", Plain, Ints, (Ty, Lane) -> (Ty), Pure;
    /// shift right that brings zeros, by an amount as of `ishl`
    Ushr = "ushr", Plain, Ints, (Ty, Lane) -> (Ty), Pure;
    /// smaller of two signed integers
    Smin = "smin", Plain, Ints, (Ty, Ty) -> (Ty), Pure;
    /// larger of two signed integers
    Smax = "smax", Plain, Ints, (Ty, Ty) -> (Ty), Pure;
    /// number of leading zero bits
    Clz = "clz", Plain, Int, (Ty) -> (Ty), Pure;
    /// number of trailing zero bits
    Ctz = "ctz", Plain, Int, (Ty) -> (Ty), Pure;
    /// number of one bits
    Popcnt = "popcnt", Plain, Int, (Ty) -> (Ty), Pure;

    /// exact sum: fails if it leaves the type
    IaddChk = "iadd_chk", Site, I64, (Ty, Ty; Operands) -> (Ty), Check;
    /// exact difference: fails if it leaves the type
    IsubChk = "isub_chk", Site, I64, (Ty, Ty; Operands) -> (Ty), Check;
    /// exact product: fails if it leaves the type
    ImulChk = "imul_chk", Site, I64, (Ty, Ty; Operands) -> (Ty), Check;

    /// IEEE sum
    Fadd = "fadd", Plain, Floats, (Ty, Ty) -> (Ty), Pure;
    /// IEEE difference
    Fsub = "fsub", Plain, Floats, (Ty, Ty) -> (Ty), Pure;
    /// IEEE product
    Fmul = "fmul", Plain, Floats, (Ty, Ty) -> (Ty), Pure;
    /// IEEE quotient
    Fdiv = "fdiv", Plain, Floats, (Ty, Ty) -> (Ty), Pure;
    /// negation: the other sign
    Fneg = "fneg", Plain, Floats, (Ty) -> (Ty), Pure;
    /// absolute value: no sign
    Fabs = "fabs", Plain, Floats, (Ty) -> (Ty), Pure;
    /// IEEE square root
    Fsqrt = "fsqrt", Plain, Floats, (Ty) -> (Ty), Pure;
    /// largest integral number that is not above
    Ffloor = "ffloor", Plain, Floats, (Ty) -> (Ty), Pure;
    /// smallest integral number that is not below
    Fceil = "fceil", Plain, Floats, (Ty) -> (Ty), Pure;
    /// integral part
    Ftrunc = "ftrunc", Plain, Floats, (Ty) -> (Ty), Pure;
    /// nearest integral number, halves to even
    Fnearest = "fnearest", Plain, Floats, (Ty) -> (Ty), Pure;
    /// first argument with the sign of the second
    Fcopysign = "fcopysign", Plain, Floats, (Ty, Ty) -> (Ty), Pure;

    /// comparison of integers: 0 or 1, of vectors a mask
    Icmp = "icmp", IntCmp, Ints, (Ty, Ty) -> (Truth), Pure;
    /// comparison of floats: 0 or 1, of vectors a mask
    Fcmp = "fcmp", FloatCmp, Floats, (Ty, Ty) -> (Truth), Pure;
    /// second argument if the first is not 0, else the third; of vectors bit by bit, as the mask says
    Select = "select", Plain, Any, (Truth, Ty, Ty) -> (Ty), Pure;

    /// wider integer of the same signed value
    Sext = "sext", Plain, Int, (Narrower) -> (Ty), Pure;
    /// wider integer of the same unsigned value
    Zext = "zext", Plain, Int, (Narrower) -> (Ty), Pure;
    /// low bits of a wider integer
    Trunc = "trunc", Plain, Int, (Wider) -> (Ty), Pure;
    /// nearest float of a signed integer
    StoF = "s2f", Plain, Floats, (Wide) -> (Ty), Pure;
    /// nearest float of an unsigned integer
    UtoF = "u2f", Plain, Float, (Wide) -> (Ty), Pure;
    /// signed integer towards zero, the nearest there is beyond the range, 0 for NaN
    FtoS = "f2s", Plain, Wide, (Float) -> (Ty), Pure;
    /// unsigned integer towards zero, the nearest there is beyond the range, 0 for NaN
    FtoU = "f2u", Plain, Wide, (Float) -> (Ty), Pure;
    /// same number in more bits
    Fpromote = "fpromote", Plain, F64, (F32) -> (Ty), Pure;
    /// nearest number in fewer bits
    Fdemote = "fdemote", Plain, F32, (F64) -> (Ty), Pure;
    /// same bits as another type of the same size
    Bitcast = "bitcast", Plain, Any, (SameSize) -> (Ty), Pure;

    /// vector of which each lane is the argument
    Splat = "splat", Plain, Vector, (Lane) -> (Ty), Pure;
    /// lane of that number, 0 is the one at the lowest address
    Extract = "extract", Lane, Vector, (Ty) -> (Lane), Pure;
    /// vector with the second argument for the lane of that number
    Insert = "insert", Lane, Vector, (Ty, Lane) -> (Ty), Pure;
    /// first half of the lanes with more bits of the same signed value
    SextLow = "sext_low", Plain, WideLanes, (Half) -> (Ty), Pure;
    /// second half of the lanes with more bits of the same signed value
    SextHigh = "sext_high", Plain, WideLanes, (Half) -> (Ty), Pure;
    /// first half of the lanes with more bits of the same unsigned value
    ZextLow = "zext_low", Plain, WideLanes, (Half) -> (Ty), Pure;
    /// second half of the lanes with more bits of the same unsigned value
    ZextHigh = "zext_high", Plain, WideLanes, (Half) -> (Ty), Pure;
    /// low bits of the lanes of two vectors
    Narrow = "narrow", Plain, NarrowLanes, (Double, Double) -> (Ty), Pure;
    /// nearest floats of the first half of the lanes, signed
    StoFLow = "s2f_low", Plain, F64x2, (I32x4) -> (Ty), Pure;
    /// nearest floats of the second half of the lanes, signed
    StoFHigh = "s2f_high", Plain, F64x2, (I32x4) -> (Ty), Pure;
    /// first half of the lanes in more bits
    FpromoteLow = "fpromote_low", Plain, F64x2, (F32x4) -> (Ty), Pure;
    /// second half of the lanes in more bits
    FpromoteHigh = "fpromote_high", Plain, F64x2, (F32x4) -> (Ty), Pure;
    /// nearest numbers of the lanes of two vectors in fewer bits
    FdemotePair = "fdemote_pair", Plain, F32x4, (F64x2, F64x2) -> (Ty), Pure;

    /// value in memory at the address plus the displacement
    Load = "load", Mem, Any, (I64) -> (Ty), Read;
    /// writes the first argument to memory at the address plus the displacement
    Store = "store", Mem, Any, (Ty, I64) -> (), Write;
    /// its argument, which is the extent of an array: in 0..2**48
    Extent = "extent", Plain, I64, (Ty) -> (Ty), Pure;
    /// address of a stack slot
    SlotAddr = "slot_addr", Slot, I64, () -> (Ty), Pure;

    /// index and length give the index in 0..length: negative ones count from the end, those outside fail
    BoundsCheck = "bounds_check", Site, I64, (Ty, Ty; Operands) -> (Ty), Check;
    /// index and length give the index: fails unless it is in 0..length
    IndexCheck = "index_check", Site, I64, (Ty, Ty; Operands) -> (Ty), Check;
    /// fails if the argument is 0
    ZeroCheck = "zero_check", Site, Int, (Ty; Operands) -> (), Check;
    /// fails unless the arguments are equal
    ShapeCheck = "shape_check", Site, I64, (Ty, Ty; Operands) -> (), Check;
    /// fails if the argument is 0
    Guard = "guard", Site, I8, (Ty; Operands) -> (), Check;
    /// its argument is 1: for range analysis, without code
    Assume = "assume", Plain, I8, (Ty) -> (), Check;
    /// 0, and 1 where an instruction has failed that names the first block of the branch on it as its landing
    Raised = "raised", Plain, I8, () -> (Ty), Check;
    /// polls for signals and other threads; an exception that they bring leaves by the site
    Safepoint = "safepoint", Site, I64, () -> (), Check;

    /// calls a row of the helper table; a nonzero status of a fallible one leaves by the site
    CallHelper = "call_helper", Helper, Helper, (; Helper) -> (; Helper), Call;
    /// calls a function of the module; its failure is this function's, with the site as traceback entry
    Call = "call", Call, I64, (; Callee) -> (; Callee), Call;
    /// number of calls that may still be entered inside of this one: the limit of recursion less its depth
    CallsLeft = "calls_left", Plain, I64, () -> (Ty), Pure;
    /// object of that index of the specialisation; -1: address of the hidden arguments' slots
    ObjectAddr = "object", IntConst, I64, () -> (Ty), Pure;

    /// goes to a block
    Jump = "jump", Jump, I64, () -> (), Terminator;
    /// goes to the first block if the argument is not 0, else to the second
    Br = "br", Branch, I8, (Ty) -> (), Terminator;
    /// ends the function with its results
    Return = "return", Plain, I64, (; Results) -> (), Terminator;
    /// leaves by the site
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
