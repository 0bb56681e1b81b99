//! The table of operations, from which the printer, the reader, the verifier and the docs derive.

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

macro_rules! define_ops {
    ($( $(#[$doc:meta])* $name:ident = $text:literal, $format:ident, args $args:expr, results $results:expr, term $term:literal, effect $effect:literal; )*) => {
        /// An operation. `ty` below is the instruction's controlling type.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Opcode { $( $(#[$doc])* $name, )* }

        impl Opcode {
            pub const ALL: &'static [Opcode] = &[$(Opcode::$name),*];
            /// Mnemonic in the text form.
            pub const fn name(self) -> &'static str { match self { $(Opcode::$name => $text),* } }
            pub const fn format(self) -> Format { match self { $(Opcode::$name => Format::$format),* } }
            /// Number of value arguments, -1 if it varies.
            pub const fn arity(self) -> i32 { match self { $(Opcode::$name => $args),* } }
            /// Number of results, -1 if it varies.
            pub const fn results(self) -> i32 { match self { $(Opcode::$name => $results),* } }
            pub const fn is_terminator(self) -> bool { match self { $(Opcode::$name => $term),* } }
            /// Must not be deleted, duplicated or moved (memory writes, calls, failures).
            pub const fn has_effect(self) -> bool { match self { $(Opcode::$name => $effect),* } }
        }
    };
}

define_ops! {
    /// integer constant of `ty`
    Iconst = "iconst", IntConst, args 0, results 1, term false, effect false;
    /// float constant of `ty`
    Fconst = "fconst", FloatConst, args 0, results 1, term false, effect false;

    /// wrapping integer arithmetic on `ty`
    Iadd = "iadd", Plain, args 2, results 1, term false, effect false;
    Isub = "isub", Plain, args 2, results 1, term false, effect false;
    Imul = "imul", Plain, args 2, results 1, term false, effect false;
    Ineg = "ineg", Plain, args 1, results 1, term false, effect false;
    /// high 64 bits of the signed product (i64 only)
    Smulhi = "smulhi", Plain, args 2, results 1, term false, effect false;
    /// C division and remainder (towards zero). The divisor is nonzero and the quotient fits: guarded before.
    Sdiv = "sdiv", Plain, args 2, results 1, term false, effect false;
    Srem = "srem", Plain, args 2, results 1, term false, effect false;
    Udiv = "udiv", Plain, args 2, results 1, term false, effect false;
    Urem = "urem", Plain, args 2, results 1, term false, effect false;
    Band = "band", Plain, args 2, results 1, term false, effect false;
    Bor = "bor", Plain, args 2, results 1, term false, effect false;
    Bxor = "bxor", Plain, args 2, results 1, term false, effect false;
    Bnot = "bnot", Plain, args 1, results 1, term false, effect false;
    /// shifts by an amount of the same type, which is in 0..bits: guarded before
    Ishl = "ishl", Plain, args 2, results 1, term false, effect false;
    Sshr = "sshr", Plain, args 2, results 1, term false, effect false;
    Ushr = "ushr", Plain, args 2, results 1, term false, effect false;
    Smin = "smin", Plain, args 2, results 1, term false, effect false;
    Smax = "smax", Plain, args 2, results 1, term false, effect false;
    Clz = "clz", Plain, args 1, results 1, term false, effect false;
    Ctz = "ctz", Plain, args 1, results 1, term false, effect false;
    Popcnt = "popcnt", Plain, args 1, results 1, term false, effect false;

    /// exact i64 arithmetic: overflow leaves by the site
    IaddChk = "iadd_chk", Site, args -1, results 1, term false, effect true;
    IsubChk = "isub_chk", Site, args -1, results 1, term false, effect true;
    ImulChk = "imul_chk", Site, args -1, results 1, term false, effect true;

    Fadd = "fadd", Plain, args 2, results 1, term false, effect false;
    Fsub = "fsub", Plain, args 2, results 1, term false, effect false;
    Fmul = "fmul", Plain, args 2, results 1, term false, effect false;
    Fdiv = "fdiv", Plain, args 2, results 1, term false, effect false;
    Fneg = "fneg", Plain, args 1, results 1, term false, effect false;
    Fabs = "fabs", Plain, args 1, results 1, term false, effect false;
    Fsqrt = "fsqrt", Plain, args 1, results 1, term false, effect false;
    Ffloor = "ffloor", Plain, args 1, results 1, term false, effect false;
    Fceil = "fceil", Plain, args 1, results 1, term false, effect false;
    Ftrunc = "ftrunc", Plain, args 1, results 1, term false, effect false;
    /// round half to even
    Fnearest = "fnearest", Plain, args 1, results 1, term false, effect false;
    Fcopysign = "fcopysign", Plain, args 2, results 1, term false, effect false;

    /// comparisons give an i8, 0 or 1; `ty` is the operands' type
    Icmp = "icmp", IntCmp, args 2, results 1, term false, effect false;
    Fcmp = "fcmp", FloatCmp, args 2, results 1, term false, effect false;
    /// `select cond(i8), then, else`
    Select = "select", Plain, args 3, results 1, term false, effect false;

    /// integer width changes to `ty`
    Sext = "sext", Plain, args 1, results 1, term false, effect false;
    Zext = "zext", Plain, args 1, results 1, term false, effect false;
    Trunc = "trunc", Plain, args 1, results 1, term false, effect false;
    /// signed / unsigned integer (i32 or i64) to float `ty`
    StoF = "s2f", Plain, args 1, results 1, term false, effect false;
    UtoF = "u2f", Plain, args 1, results 1, term false, effect false;
    /// float to integer `ty` (i32 or i64), saturating, NaN gives 0
    FtoS = "f2s", Plain, args 1, results 1, term false, effect false;
    FtoU = "f2u", Plain, args 1, results 1, term false, effect false;
    Fpromote = "fpromote", Plain, args 1, results 1, term false, effect false;
    Fdemote = "fdemote", Plain, args 1, results 1, term false, effect false;
    /// same bits as another type of the same size
    Bitcast = "bitcast", Plain, args 1, results 1, term false, effect false;

    /// `load.ty [addr + disp]`
    Load = "load", Mem, args 1, results 1, term false, effect false;
    /// `store value, [addr + disp]`
    Store = "store", Mem, args 2, results 0, term false, effect true;
    /// address of a stack slot
    SlotAddr = "slot_addr", Slot, args 0, results 1, term false, effect false;

    /// `bounds_check index, length, operands...`: negative indices count from the end; the result is in 0..length
    BoundsCheck = "bounds_check", Site, args -1, results 1, term false, effect true;
    /// `zero_check divisor, operands...` (integer): fails if zero
    ZeroCheck = "zero_check", Site, args -1, results 0, term false, effect true;
    /// `shape_check a, b, operands...`: fails unless equal
    ShapeCheck = "shape_check", Site, args -1, results 0, term false, effect true;
    /// `guard cond(i8), operands...`: fails if cond is 0
    Guard = "guard", Site, args -1, results 0, term false, effect true;
    /// polls for signals and other threads
    Safepoint = "safepoint", Site, args 0, results 0, term false, effect true;

    /// a row of the helper table; a nonzero status of a fallible one leaves by the site
    CallHelper = "call_helper", Helper, args -1, results -1, term false, effect true;
    /// a function of the module; its failure is this function's, with the site as traceback entry
    Call = "call", Call, args -1, results -1, term false, effect true;
    /// `ctx.objects[imm]`, or `ctx.hidden` if imm is -1
    ObjectAddr = "object", IntConst, args 0, results 1, term false, effect false;

    /// `jump block(args)`
    Jump = "jump", Jump, args 0, results 0, term true, effect true;
    /// `br cond(i8), block(args), block(args)`
    Br = "br", Branch, args 1, results 0, term true, effect true;
    Return = "return", Plain, args -1, results 0, term true, effect true;
    /// `fail operands...`: leaves by the site
    Fail = "fail", Site, args -1, results 0, term true, effect true;
    /// never reached
    Unreachable = "unreachable", Plain, args 0, results 0, term true, effect true;
}

impl Opcode {
    /// Number of leading value arguments that are the operation's own; the rest are the
    /// operands recorded for the failure site.
    pub const fn own_args(self) -> usize {
        match self {
            Opcode::IaddChk | Opcode::IsubChk | Opcode::ImulChk => 2,
            Opcode::BoundsCheck | Opcode::ShapeCheck => 2,
            Opcode::ZeroCheck | Opcode::Guard => 1,
            _ => 0,
        }
    }

    pub fn from_name(name: &str) -> Option<Opcode> {
        Opcode::ALL.iter().copied().find(|o| o.name() == name)
    }
}
