//! Element types of arrays and NumPy scalars.

use serde::{Deserialize, Serialize};

/// Broad class of a dtype, in promotion order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Bool,
    Unsigned,
    Signed,
    Float,
    Complex,
}

/// A NumPy dtype that native code can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum DType {
    Bool,
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    F32,
    F64,
    C64,
    C128,
}

impl DType {
    pub const ALL: [DType; 13] = [
        DType::Bool,
        DType::I8,
        DType::U8,
        DType::I16,
        DType::U16,
        DType::I32,
        DType::U32,
        DType::I64,
        DType::U64,
        DType::F32,
        DType::F64,
        DType::C64,
        DType::C128,
    ];

    /// Name as NumPy prints it (`np.dtype(x).name`).
    pub const fn name(self) -> &'static str {
        match self {
            DType::Bool => "bool",
            DType::I8 => "int8",
            DType::U8 => "uint8",
            DType::I16 => "int16",
            DType::U16 => "uint16",
            DType::I32 => "int32",
            DType::U32 => "uint32",
            DType::I64 => "int64",
            DType::U64 => "uint64",
            DType::F32 => "float32",
            DType::F64 => "float64",
            DType::C64 => "complex64",
            DType::C128 => "complex128",
        }
    }

    pub fn from_name(name: &str) -> Option<DType> {
        match name {
            "bool_" => Some(DType::Bool),
            "intp" | "int_" => Some(DType::I64),
            "uintp" | "uint" => Some(DType::U64),
            "double" => Some(DType::F64),
            "single" => Some(DType::F32),
            _ => DType::ALL.into_iter().find(|d| d.name() == name),
        }
    }

    /// The dtype that `np.dtype(text)` makes: a name, a Python class's name, a code (`f8`, `<i4`, `d`).
    pub fn from_spec(text: &str) -> Option<DType> {
        let native = text.strip_prefix(['=', '|', if cfg!(target_endian = "big") { '>' } else { '<' }]);
        let code = native.unwrap_or(text);
        let sized = |d: &DType| {
            let letter = match d.kind() {
                Kind::Bool => 'b',
                Kind::Unsigned => 'u',
                Kind::Signed => 'i',
                Kind::Float => 'f',
                Kind::Complex => 'c',
            };
            code.strip_prefix(letter).and_then(|n| n.parse().ok()) == Some(d.size())
        };
        let plain = native.is_none();
        match text {
            "int" => Some(DType::I64),
            "float" => Some(DType::F64),
            "complex" => Some(DType::C128),
            _ => DType::ALL.into_iter().find(|d| {
                sized(d) || code.chars().eq([d.char_code()]) || (plain && DType::from_name(text) == Some(*d))
            }),
        }
    }

    pub const fn kind(self) -> Kind {
        match self {
            DType::Bool => Kind::Bool,
            DType::I8 | DType::I16 | DType::I32 | DType::I64 => Kind::Signed,
            DType::U8 | DType::U16 | DType::U32 | DType::U64 => Kind::Unsigned,
            DType::F32 | DType::F64 => Kind::Float,
            DType::C64 | DType::C128 => Kind::Complex,
        }
    }

    /// Bytes of one element.
    pub const fn size(self) -> u32 {
        match self {
            DType::Bool | DType::I8 | DType::U8 => 1,
            DType::I16 | DType::U16 => 2,
            DType::I32 | DType::U32 | DType::F32 => 4,
            DType::I64 | DType::U64 | DType::F64 | DType::C64 => 8,
            DType::C128 => 16,
        }
    }

    /// Bits of an integer dtype, of one component for complex.
    pub const fn bits(self) -> u32 {
        match self {
            DType::C64 => 32,
            DType::C128 => 64,
            _ => self.size() * 8,
        }
    }

    pub const fn is_integer(self) -> bool {
        matches!(self.kind(), Kind::Signed | Kind::Unsigned)
    }

    /// The float dtype of a complex dtype's components; other dtypes are their own.
    pub const fn component(self) -> DType {
        match self {
            DType::C64 => DType::F32,
            DType::C128 => DType::F64,
            _ => self,
        }
    }

    /// Smallest and largest value of an integer dtype, as i128.
    pub const fn int_range(self) -> Option<(i128, i128)> {
        let bits = self.size() * 8;
        match self.kind() {
            Kind::Signed => Some((-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1)),
            Kind::Unsigned => Some((0, (1i128 << bits) - 1)),
            _ => None,
        }
    }

    /// NumPy's type number (`NPY_TYPES`) on LP64 Unix.
    pub const fn type_num(self) -> i32 {
        match self {
            DType::Bool => 0,
            DType::I8 => 1,
            DType::U8 => 2,
            DType::I16 => 3,
            DType::U16 => 4,
            DType::I32 => 5,
            DType::U32 => 6,
            DType::I64 => 7,
            DType::U64 => 8,
            DType::F32 => 11,
            DType::F64 => 12,
            DType::C64 => 14,
            DType::C128 => 15,
        }
    }

    /// Inverse of [`DType::type_num`]; `longlong` (9, 10) has the layout of `long` but is its own dtype.
    pub fn from_type_num(num: i32) -> Option<DType> {
        DType::ALL.into_iter().find(|d| d.type_num() == num)
    }

    /// The character code ufunc loops use (`np.ufunc.types`).
    /// The dtype of a type code; `q` and `Q` are the other names of 64-bit integers.
    pub fn from_char_code(code: char) -> Option<DType> {
        match code {
            'q' => Some(DType::I64),
            'Q' => Some(DType::U64),
            code => DType::ALL.into_iter().find(|d| d.char_code() == code),
        }
    }

    pub const fn char_code(self) -> char {
        match self {
            DType::Bool => '?',
            DType::I8 => 'b',
            DType::U8 => 'B',
            DType::I16 => 'h',
            DType::U16 => 'H',
            DType::I32 => 'i',
            DType::U32 => 'I',
            DType::I64 => 'l',
            DType::U64 => 'L',
            DType::F32 => 'f',
            DType::F64 => 'd',
            DType::C64 => 'F',
            DType::C128 => 'D',
        }
    }
}

impl std::fmt::Display for DType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
