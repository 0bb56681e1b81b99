//! The type lattice.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::DType;

/// A scalar type: a Python number or a NumPy scalar. The order is the order of tags in unions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scalar {
    PyBool,
    PyInt,
    PyFloat,
    PyComplex,
    Np(DType),
}

/// The machine representation of a scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Carrier {
    I8,
    I16,
    I32,
    I64,
    F32,
    F64,
    /// two f32
    C64,
    /// two f64
    C128,
}

impl Scalar {
    pub const F64: Scalar = Scalar::Np(DType::F64);
    pub const I64: Scalar = Scalar::Np(DType::I64);
    pub const BOOL: Scalar = Scalar::Np(DType::Bool);

    /// dtype with the same machine representation (`int` is int64, `float` float64).
    pub const fn dtype(self) -> DType {
        match self {
            Scalar::PyBool => DType::Bool,
            Scalar::PyInt => DType::I64,
            Scalar::PyFloat => DType::F64,
            Scalar::PyComplex => DType::C128,
            Scalar::Np(d) => d,
        }
    }

    pub const fn is_python(self) -> bool {
        !matches!(self, Scalar::Np(_))
    }

    pub const fn is_numpy(self) -> bool {
        matches!(self, Scalar::Np(_))
    }

    pub const fn carrier(self) -> Carrier {
        match self.dtype() {
            DType::Bool | DType::I8 | DType::U8 => Carrier::I8,
            DType::I16 | DType::U16 => Carrier::I16,
            DType::I32 | DType::U32 => Carrier::I32,
            DType::I64 | DType::U64 => Carrier::I64,
            DType::F32 => Carrier::F32,
            DType::F64 => Carrier::F64,
            DType::C64 => Carrier::C64,
            DType::C128 => Carrier::C128,
        }
    }

    /// Class name as the interpreter prints it (`type(x).__name__`).
    pub const fn class_name(self) -> &'static str {
        match self {
            Scalar::PyBool => "bool",
            Scalar::PyInt => "int",
            Scalar::PyFloat => "float",
            Scalar::PyComplex => "complex",
            Scalar::Np(d) => d.name(),
        }
    }
}

impl fmt::Display for Scalar {
    /// `int`, `float` are Python's; NumPy scalars print as `np.float64`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scalar::Np(d) => write!(f, "np.{d}"),
            s => f.write_str(s.class_name()),
        }
    }
}

/// Memory layout of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Layout {
    /// C-contiguous: the last stride is the item size.
    C,
    /// Fortran-contiguous: the first stride is the item size. Only for `ndim >= 2`.
    F,
    /// any strides, negative and zero included
    A,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ArrayType {
    pub dtype: DType,
    pub ndim: u8,
    pub layout: Layout,
    pub readonly: bool,
}

impl fmt::Display for ArrayType {
    /// Numba's spelling: `float64[:, ::1]` is C, `float64[::1, :]` Fortran, `float64[:, :]` any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dims: Vec<&str> = (0..self.ndim)
            .map(|i| match self.layout {
                Layout::C if i + 1 == self.ndim => "::1",
                Layout::F if i == 0 => "::1",
                _ => ":",
            })
            .collect();
        let ro = if self.readonly { "readonly " } else { "" };
        write!(f, "{ro}{}[{}]", self.dtype, dims.join(", "))
    }
}

/// Handle of a compile-time-known Python object (module, builtin, dtype, exception class…),
/// an index into the environment's object table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectRef(pub u32);

/// Handle of a Python function that can be compiled along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CodeRef(pub u32);

/// Why a value has no static type: a handle into the reasons of the function instance it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Reason(pub u32);

impl Reason {
    /// Types that nothing static holds meet at a join: the reason gets its place where the value is read.
    pub const JOIN: Reason = Reason(u32::MAX);
}

/// Two or more scalar families that meet at a join, sorted, without repeats.
/// The value is kept in [`UnionType::carrier`] with a tag: the index of the member.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<Scalar>", into = "Vec<Scalar>")]
pub struct UnionType {
    members: Arc<[Scalar]>,
}

impl From<UnionType> for Vec<Scalar> {
    fn from(u: UnionType) -> Vec<Scalar> {
        u.members.to_vec()
    }
}

impl TryFrom<Vec<Scalar>> for UnionType {
    type Error = &'static str;

    fn try_from(members: Vec<Scalar>) -> Result<UnionType, &'static str> {
        let sorted = members.is_sorted_by(|a, b| a < b);
        if !sorted || !(2..=UnionType::MAX_MEMBERS).contains(&members.len()) {
            return Err("the members of a union");
        }
        Ok(UnionType {
            members: members.into(),
        })
    }
}

impl UnionType {
    /// More members than this become `object`.
    pub const MAX_MEMBERS: usize = 4;

    pub fn members(&self) -> &[Scalar] {
        &self.members
    }

    pub fn tag_of(&self, member: Scalar) -> Option<usize> {
        self.members.iter().position(|&m| m == member)
    }

    /// Machine representation that holds every member: complex128 if any is complex, else
    /// float64 if any is a float, else a 64-bit integer (each member sign- or zero-extended).
    pub fn carrier(&self) -> Carrier {
        use crate::Kind;
        let kind = self.members.iter().map(|m| m.dtype().kind()).max();
        match kind {
            Some(Kind::Complex) => Carrier::C128,
            Some(Kind::Float) => Carrier::F64,
            _ => Carrier::I64,
        }
    }
}

/// A nested function. Its value is that of its defaults.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NestedType {
    /// Indices into `hir::Function::nested`, from the outermost function on.
    pub path: Vec<u32>,
    /// Of its parameters that have one.
    pub defaults: Vec<Type>,
}

/// A variable that a nested function captures.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Capture {
    /// How deep the function is nested whose variable it is.
    pub depth: u32,
    pub name: String,
}

/// A nested function with what it captures. Its value is that of the captures, then of the defaults.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClosureType {
    /// The outermost function around it.
    pub code: CodeRef,
    pub captures: Vec<(Capture, Type)>,
    pub function: NestedType,
}

/// A named tuple of NumPy's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecordType {
    /// Where its class is: module and name.
    pub class: String,
    pub names: Vec<String>,
    pub items: Vec<Type>,
}

/// The type of a value or of a compile-time-known object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Type {
    /// Unreachable or unbound: the bottom of the lattice.
    Never,
    None,
    Scalar(Scalar),
    Union(UnionType),
    Array(ArrayType),
    Tuple(#[serde(deserialize_with = "nested")] Arc<[Type]>),
    /// A value of the type, or None.
    Optional(#[serde(deserialize_with = "nested")] Arc<Type>),
    /// A list of static length that nothing changes.
    List(#[serde(deserialize_with = "nested")] Arc<[Type]>),
    /// A named tuple that a library function returns.
    Record(#[serde(deserialize_with = "nested")] Arc<RecordType>),
    /// A string constant.
    Str(Arc<str>),
    /// A slice; the flags say which of start, stop, step are given (ints).
    Slice {
        start: bool,
        stop: bool,
        step: bool,
    },
    Ellipsis,
    /// `range` object with int parts.
    Range,
    /// A dtype object or NumPy scalar class (`np.float64`), or `int`/`float`/`complex`/`bool` used as a dtype.
    DType(DType),
    /// A module, builtin or class known at compile time.
    Known(ObjectRef),
    /// A Python function known at compile time, compiled along when called.
    Function(CodeRef),
    /// A function nested in the one being compiled, as a value inside it: the variables around it are read where it is called.
    Nested(#[serde(deserialize_with = "nested")] Arc<NestedType>),
    /// The same outside the function around it: with the values of the variables.
    Closure(#[serde(deserialize_with = "nested")] Arc<ClosureType>),
    /// No static type.
    Object(Reason),
}

/// Types within types that are read: deeper ones are refused, whatever the input says.
const MAX_NESTING: u32 = 64;

/// Reads what is inside a type.
fn nested<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    thread_local!(static DEPTH: Cell<u32> = const { Cell::new(0) });
    let depth = DEPTH.get();
    if depth == MAX_NESTING {
        return Err(serde::de::Error::custom("types nested too deep"));
    }
    DEPTH.set(depth + 1);
    let read = T::deserialize(from);
    DEPTH.set(depth);
    read
}

impl Type {
    pub const BOOL: Type = Type::Scalar(Scalar::PyBool);
    pub const INT: Type = Type::Scalar(Scalar::PyInt);
    pub const FLOAT: Type = Type::Scalar(Scalar::PyFloat);
    pub const COMPLEX: Type = Type::Scalar(Scalar::PyComplex);

    pub const fn np(d: DType) -> Type {
        Type::Scalar(Scalar::Np(d))
    }

    pub fn tuple(items: impl IntoIterator<Item = Type>) -> Type {
        Type::Tuple(items.into_iter().collect())
    }

    pub fn array(dtype: DType, ndim: u8, layout: Layout) -> Type {
        Type::Array(ArrayType {
            dtype,
            ndim,
            layout,
            readonly: false,
        })
    }

    pub fn scalars(&self) -> &[Scalar] {
        match self {
            Type::Scalar(s) => std::slice::from_ref(s),
            Type::Union(u) => u.members(),
            _ => &[],
        }
    }

    /// The union of scalar families; `None` if there are too many or none.
    pub fn union(members: impl IntoIterator<Item = Scalar>) -> Option<Type> {
        let mut v: Vec<Scalar> = members.into_iter().collect();
        v.sort();
        v.dedup();
        match v.len() {
            0 => None,
            1 => Some(Type::Scalar(v[0])),
            n if n <= UnionType::MAX_MEMBERS => Some(Type::Union(UnionType { members: v.into() })),
            _ => None,
        }
    }

    /// Least upper bound at a join; `Object` where nothing static holds both.
    pub fn join(&self, other: &Type) -> Type {
        match (self, other) {
            (a, b) if a == b => a.clone(),
            (Type::Never, t) | (t, Type::Never) => t.clone(),
            (o @ Type::Object(_), _) | (_, o @ Type::Object(_)) => o.clone(),
            (Type::Scalar(_) | Type::Union(_), Type::Scalar(_) | Type::Union(_)) => {
                let all = self.scalars().iter().chain(other.scalars()).copied();
                Type::union(all).unwrap_or(Type::Object(Reason::JOIN))
            }
            (Type::Array(a), Type::Array(b))
                if a.dtype == b.dtype && a.ndim == b.ndim && a.readonly == b.readonly =>
            {
                Type::Array(ArrayType {
                    layout: Layout::A,
                    ..*a
                })
            }
            (Type::Tuple(a), Type::Tuple(b)) | (Type::List(a), Type::List(b)) if a.len() == b.len() => {
                let items: Arc<[Type]> = a.iter().zip(b.iter()).map(|(x, y)| x.join(y)).collect();
                match items.iter().find(|t| matches!(t, Type::Object(_))) {
                    Some(o) => o.clone(),
                    None if matches!(self, Type::List(_)) => Type::List(items),
                    None => Type::Tuple(items),
                }
            }
            (Type::None, t) | (t, Type::None) => t.or_none(),
            (Type::Optional(t), other) | (other, Type::Optional(t)) => match other {
                Type::Optional(other) => t.join(other),
                other => t.join(other),
            }
            .or_none(),
            _ => Type::Object(Reason::JOIN),
        }
    }

    /// Whether machine values hold it and Python has an object for it. Nothing optional is in an optional
    /// value: a loop that puts a value into a tuple of itself has no type.
    fn is_value(&self) -> bool {
        match self {
            Type::None | Type::Scalar(_) | Type::Union(_) | Type::Array(_) => true,
            Type::Tuple(items) => items.iter().all(Type::is_value),
            _ => false,
        }
    }

    /// A value of this type, or None.
    fn or_none(&self) -> Type {
        match self {
            Type::Optional(_) | Type::Object(_) => self.clone(),
            t if t.is_value() => Type::Optional(Arc::new(t.clone())),
            _ => Type::Object(Reason::JOIN),
        }
    }

    /// Items of a tuple or list.
    pub fn items(&self) -> Option<&[Type]> {
        match self {
            Type::Tuple(items) | Type::List(items) => Some(items),
            Type::Record(r) => Some(&r.items),
            _ => None,
        }
    }

    /// Types of the parts a composed value consists of, in the order of their machine values.
    pub fn parts(&self) -> Vec<&Type> {
        match self {
            Type::Tuple(items) | Type::List(items) => items.iter().collect(),
            Type::Record(r) => r.items.iter().collect(),
            Type::Optional(t) => vec![t],
            Type::Nested(n) => n.defaults.iter().collect(),
            Type::Closure(c) => {
                let captured = c.captures.iter().map(|(_, t)| t);
                captured.chain(&c.function.defaults).collect()
            }
            _ => vec![],
        }
    }

    pub const fn is_object(&self) -> bool {
        matches!(self, Type::Object(_))
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Never => f.write_str("never"),
            Type::None => f.write_str("None"),
            Type::Scalar(s) => s.fmt(f),
            Type::Union(u) => {
                let names: Vec<String> = u.members().iter().map(ToString::to_string).collect();
                f.write_str(&names.join(" | "))
            }
            Type::Array(a) => a.fmt(f),
            Type::Optional(t) => write!(f, "{t} | None"),
            Type::Tuple(items) => {
                f.write_str("(")?;
                for (i, t) in items.iter().enumerate() {
                    let sep = if i == 0 { "" } else { ", " };
                    write!(f, "{sep}{t}")?;
                }
                f.write_str(if items.len() == 1 { ",)" } else { ")" })
            }
            Type::List(items) => {
                let names: Vec<String> = items.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", names.join(", "))
            }
            Type::Record(r) => f.write_str(r.class.rsplit('.').next().unwrap_or(&r.class)),
            Type::Str(s) => write!(f, "Literal[{s:?}]"),
            Type::Slice { .. } => f.write_str("slice"),
            Type::Ellipsis => f.write_str("ellipsis"),
            Type::Range => f.write_str("range"),
            Type::DType(d) => write!(f, "dtype({d})"),
            Type::Known(o) => write!(f, "known{}", o.0),
            Type::Function(c) => write!(f, "function{}", c.0),
            Type::Nested(_) | Type::Closure(_) => f.write_str("nested function"),
            Type::Object(_) => f.write_str("object"),
        }
    }
}
