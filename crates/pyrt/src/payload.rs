//! What a compiled module carries: its source, and the specialisations of its functions.
//!
//! `numlift compile` writes it, the stub reads it from its own memory. A payload is a header and a body:
//!
//! | bytes | |
//! |---|---|
//! | 8 | `numlift` and the version of the format |
//! | 8 | size of the body |
//! | 32 | hash of the body |
//! | | the body: a [`Payload`] |

use serde::{Deserialize, Serialize};

const MAGIC: [u8; 8] = *b"numlift\x01";
const HEADER: usize = 48;

/// The body.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// Version of numlift that made it.
    pub version: String,
    /// Name of the file, as tracebacks show it.
    pub file: String,
    /// Text of the file.
    pub source: String,
    /// What the machine code needs of the processor, as Rust names it: `avx2`.
    pub features: Vec<String>,
    /// Calls with argument types that nothing is compiled for are a `TypeError`.
    pub strict: bool,
    pub functions: Vec<Function>,
    /// What C programs call, by the number that the exported functions have.
    pub exports: Vec<Export>,
}

/// A jitted function and what is compiled of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    pub qualname: String,
    /// First line of its source, that of a decorator if there is one.
    pub first_line: u32,
    /// In the order in which they were asked for.
    pub specializations: Vec<Compiled>,
}

/// A specialisation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compiled {
    /// Text of the argument types: `(float64[:, ::1], int)`.
    pub signature: String,
    pub image: Vec<u8>,
}

/// A specialisation that C programs call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    pub name: String,
    /// Index into `functions`, and into their specialisations.
    pub function: u32,
    pub specialization: u32,
}

/// Why a payload cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// There is none.
    Missing,
    /// It is that of another version of the format.
    Version,
    /// It is not what was written.
    Damaged,
}

impl Defect {
    /// For the user.
    pub fn text(self) -> &'static str {
        match self {
            Defect::Missing => "the file is the stub of compiled modules, not a module",
            Defect::Version => "the file was made by another version of numlift",
            Defect::Damaged => "the file is damaged: its checksum is wrong",
        }
    }
}

/// Header and body.
///
/// # Errors
/// If it is too large to be written.
pub fn write(payload: &Payload) -> Result<Vec<u8>, postcard::Error> {
    let body = postcard::to_stdvec(payload)?;
    let mut out = Vec::with_capacity(HEADER + body.len());
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&(body.len() as u64).to_le_bytes());
    out.extend_from_slice(blake3::hash(&body).as_bytes());
    out.extend_from_slice(&body);
    Ok(out)
}

/// Reads what [`write`] has written.
///
/// # Errors
/// If it is something else.
pub fn read(bytes: &[u8]) -> Result<Payload, Defect> {
    let Some((header, body)) = bytes.split_at_checked(HEADER) else {
        return Err(Defect::Missing);
    };
    let (magic, rest) = header.split_at(8);
    if magic[..7] != MAGIC[..7] {
        return Err(Defect::Missing);
    }
    if magic != MAGIC {
        return Err(Defect::Version);
    }
    let (size, hash) = rest.split_at(8);
    if size != (body.len() as u64).to_le_bytes() || *hash != *blake3::hash(body).as_bytes() {
        return Err(Defect::Damaged);
    }
    postcard::from_bytes(body).map_err(|_| Defect::Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_as_it_was_written_is_refused() {
        let payload = Payload {
            source: "x = 1\n".into(),
            functions: vec![Function::default()],
            ..Payload::default()
        };
        let written = write(&payload).expect("small");
        assert_eq!(read(&written), Ok(payload));
        for at in 0..written.len() {
            let mut changed = written.clone();
            changed[at] ^= 1;
            assert!(read(&changed).is_err(), "byte {at}");
            assert!(read(&written[..at]).is_err(), "{at} bytes");
        }
        assert_eq!(read(&[]), Err(Defect::Missing));
    }
}
