//! Signature strings such as `float64(float64[:, ::1])`: parse and print.
//!
//! Spelling is Numba's. The result type before the parentheses is optional and not used:
//! inference finds it. `int`, `float`, `bool`, `complex` are Python's numbers; `float64` and the
//! other dtype names mean the Python number of the same kind as an argument where Numba does
//! (`int64`, `float64`, `boolean`, `complex128`), else the NumPy scalar, which `np.float64` is always. `readonly`
//! before an array means one that cannot be written. What is printed is understood. `object` is what native code cannot look into.

use crate::{ArrayType, DType, Layout, Reason, Type};

/// What is wrong with a signature string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureError {
    pub message: String,
}

impl std::fmt::Display for SignatureError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SignatureError {}

fn error<T>(message: impl Into<String>) -> Result<T, SignatureError> {
    Err(SignatureError {
        message: message.into(),
    })
}

/// The argument types of a signature: `ret(arg, ...)` or `(arg, ...)`.
///
/// # Errors
/// If the text is not a signature; the message names the part that is not understood.
pub fn parse(text: &str) -> Result<Vec<Type>, SignatureError> {
    let text = text.trim();
    let Some(open) = text.find('(') else {
        return error(format!("`{text}` has no parentheses"));
    };
    let Some(inner) = text[open + 1..].strip_suffix(')') else {
        return error(format!("`{text}` does not end with a parenthesis"));
    };
    split(inner)?.into_iter().map(parse_type).collect()
}

/// Splits at top-level commas.
fn split(text: &str) -> Result<Vec<&str>, SignatureError> {
    let mut out = vec![];
    let (mut depth, mut start) = (0i32, 0);
    for (i, c) in text.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            ',' if depth == 0 => {
                out.push(text[start..i].trim());
                start = i + 1;
            }
            _ => {}
        }
        if depth < 0 {
            return error(format!("unbalanced brackets in `{text}`"));
        }
    }
    if depth != 0 {
        return error(format!("unbalanced brackets in `{text}`"));
    }
    let last = text[start..].trim();
    if !last.is_empty() {
        out.push(last);
    }
    Ok(out)
}

/// One type.
///
/// # Errors
/// If it is not understood.
pub fn parse_type(text: &str) -> Result<Type, SignatureError> {
    if let Some(inner) = text.strip_prefix('(').and_then(|t| t.strip_suffix(')')) {
        return Ok(Type::tuple(
            split(inner)?
                .into_iter()
                .map(parse_type)
                .collect::<Result<Vec<_>, _>>()?,
        ));
    }
    if let Some(rest) = text.strip_prefix("readonly ")
        && let Type::Array(a) = parse_type(rest)?
    {
        return Ok(Type::Array(ArrayType { readonly: true, ..a }));
    }
    if let Some(d) = text.strip_prefix("np.").and_then(DType::from_name) {
        return Ok(Type::np(d));
    }
    if let Some(open) = text.find('[') {
        let Some(dims) = text[open + 1..].strip_suffix(']') else {
            return error(format!("`{text}` does not end with a bracket"));
        };
        let Some(dtype) = dtype(text[..open].trim()) else {
            return error(format!("`{}` is not a dtype", &text[..open]));
        };
        let dims = split(dims)?;
        let ndim = dims.len();
        let unit: Vec<usize> = dims
            .iter()
            .enumerate()
            .filter(|(_, d)| **d == "::1")
            .map(|(i, _)| i)
            .collect();
        if ndim == 0 || dims.iter().any(|d| *d != ":" && *d != "::1") {
            return error(format!("`{text}`: dimensions are `:` or `::1`"));
        }
        let layout = match unit.as_slice() {
            [] => Layout::A,
            [i] if *i + 1 == ndim => Layout::C,
            [0] => Layout::F,
            _ => return error(format!("`{text}`: `::1` stands first or last")),
        };
        return Ok(Type::Array(ArrayType {
            dtype,
            ndim: ndim as u8,
            layout,
            readonly: false,
        }));
    }
    Ok(match text {
        "int" | "int64" | "i8" | "intp" => Type::INT,
        "float" | "float64" | "f8" | "double" => Type::FLOAT,
        "bool" | "boolean" | "b1" => Type::BOOL,
        "complex" | "complex128" | "c16" => Type::COMPLEX,
        "none" | "None" | "void" => Type::None,
        "object" => Type::Object(Reason::JOIN),
        other => match dtype(other) {
            Some(d) => Type::np(d),
            None => return error(format!("`{other}` is not a type")),
        },
    })
}

fn dtype(name: &str) -> Option<DType> {
    Some(match name {
        "i1" => DType::I8,
        "i2" => DType::I16,
        "i4" | "intc" => DType::I32,
        "i8" | "int" => DType::I64,
        "u1" => DType::U8,
        "u2" => DType::U16,
        "u4" | "uintc" => DType::U32,
        "u8" => DType::U64,
        "f4" => DType::F32,
        "f8" | "float" => DType::F64,
        "c8" => DType::C64,
        "c16" | "complex" => DType::C128,
        "b1" | "boolean" => DType::Bool,
        other => return DType::from_name(other),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_parse() {
        let t = parse("float64(float64[:, ::1], int64, (f4[:], bool))").unwrap_or_default();
        let printed: Vec<String> = t.iter().map(ToString::to_string).collect();
        assert_eq!(printed, ["float64[:, ::1]", "int", "(float32[:], bool)"]);
        assert_eq!(parse("()"), Ok(vec![]));
    }

    #[test]
    fn what_is_printed_is_understood() {
        for text in [
            "(np.float64, (int,), readonly float32[:, ::1])",
            "(bool, np.bool, None)",
            "((np.int64, complex), complex64[::1, :])",
        ] {
            let printed: Vec<String> = parse(text)
                .unwrap_or_default()
                .iter()
                .map(ToString::to_string)
                .collect();
            assert_eq!(format!("({})", printed.join(", ")), text);
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (text, part) in [
            ("float64", "parentheses"),
            ("f(x9)", "x9"),
            ("(f8[2])", "dimensions"),
            ("(f8[:)", "brackets"),
        ] {
            let e = parse(text).map_err(|e| e.message).err().unwrap_or_default();
            assert!(e.contains(part), "{text}: {e}");
        }
    }
}
