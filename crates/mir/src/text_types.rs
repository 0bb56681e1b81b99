//! Spelling of the types of recorded operands: those that have slots, each in one way only.
//!
//! `int`, `np.int64`, `int | float`, `float64[:, ::1]`, `(int, float)`, `None`, `range`, `slice[start,step]`, `optional[int]`.
//! Scalars and arrays are as `numlift_types` prints them.

use std::fmt::{self, Display, Formatter};

use numlift_types::{ArrayType, DType, Layout, Scalar, Type};

/// A type in its text form.
pub(crate) struct Spelled<'a>(pub &'a Type);

impl Display for Spelled<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Type::Tuple(items) => {
                f.write_str("(")?;
                for t in items.iter() {
                    write!(f, "{},", Spelled(t))?;
                }
                f.write_str(")")
            }
            Type::Slice { start, stop, step } => {
                let parts = [(*start, "start"), (*stop, "stop"), (*step, "step")];
                let given: Vec<&str> = parts.iter().filter(|p| p.0).map(|p| p.1).collect();
                write!(f, "slice[{}]", given.join(","))
            }
            Type::Optional(t) => write!(f, "optional[{}]", Spelled(t)),
            t => t.fmt(f),
        }
    }
}

/// Reads what [`Spelled`] writes; `None` if it is not a type with slots.
pub(crate) fn parse(text: &str) -> Option<Type> {
    let text = text.trim();
    if let Some(inner) = text.strip_prefix('(') {
        let items = split(inner.strip_suffix(')')?);
        let items = items.iter().filter(|t| !t.trim().is_empty());
        return Some(Type::tuple(items.map(|t| parse(t)).collect::<Option<Vec<_>>>()?));
    }
    match text {
        "None" => return Some(Type::None),
        "range" => return Some(Type::Range),
        _ => {}
    }
    if let Some(parts) = text.strip_prefix("slice[").and_then(|t| t.strip_suffix(']')) {
        let given = |name| parts.split(',').any(|p| p.trim() == name);
        return Some(Type::Slice {
            start: given("start"),
            stop: given("stop"),
            step: given("step"),
        });
    }
    if let Some(t) = text.strip_prefix("optional[").and_then(|t| t.strip_suffix(']')) {
        return parse(t).map(|t| Type::Optional(t.into()));
    }
    if text.ends_with(']') {
        return array(text).map(Type::Array);
    }
    let members: Option<Vec<Scalar>> = text.split('|').map(|m| scalar(m.trim())).collect();
    Type::union(members?)
}

/// The parts between the commas that are outside brackets.
pub(crate) fn split(text: &str) -> Vec<&str> {
    let (mut out, mut depth, mut start) = (vec![], 0i32, 0);
    for (i, c) in text.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            ',' if depth == 0 => {
                out.push(&text[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    out.push(&text[start..]);
    out
}

fn scalar(text: &str) -> Option<Scalar> {
    Some(match text {
        "bool" => Scalar::PyBool,
        "int" => Scalar::PyInt,
        "float" => Scalar::PyFloat,
        "complex" => Scalar::PyComplex,
        _ => Scalar::Np(DType::from_name(text.strip_prefix("np.")?)?),
    })
}

fn array(text: &str) -> Option<ArrayType> {
    let rest = text.strip_prefix("readonly ");
    let (dtype, dims) = rest.unwrap_or(text).strip_suffix(']')?.split_once('[')?;
    let dims: Vec<&str> = match dims.trim() {
        "" => vec![],
        d => d.split(',').map(str::trim).collect(),
    };
    let ndim = dims.len();
    let layout = match dims.iter().position(|d| *d == "::1") {
        None if ndim == 0 => Layout::C,
        None => Layout::A,
        Some(i) if i + 1 == ndim => Layout::C,
        Some(0) => Layout::F,
        Some(_) => return None,
    };
    Some(ArrayType {
        dtype: DType::from_name(dtype)?,
        ndim: u8::try_from(ndim).ok()?,
        layout,
        readonly: rest.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_back() {
        let array = Type::array(DType::F32, 3, Layout::F);
        let union = Type::union([Scalar::PyInt, Scalar::F64]).unwrap_or(Type::None);
        let slice = Type::Slice {
            start: true,
            stop: false,
            step: true,
        };
        let tuple = Type::tuple([array.clone(), Type::tuple([]), Type::tuple([union.clone()])]);
        let optional = Type::Optional(Type::tuple([Type::INT, Type::FLOAT]).into());
        for t in [
            array,
            union,
            slice,
            tuple,
            optional,
            Type::None,
            Type::Range,
            Type::BOOL,
        ] {
            assert_eq!(parse(&Spelled(&t).to_string()), Some(t));
        }
        assert_eq!(parse("object (NL2001)"), None);
        assert_eq!(parse("known3"), None);
    }
}
