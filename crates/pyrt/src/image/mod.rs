//! A specialisation as bytes: everything that is needed to run it, without a compiler.
//!
//! ```text
//! magic "NLIMAGE\0" · digest of the rest (32 bytes) · ABI (8) · length of the body (8) · body
//! ```
//!
//! The body is an [`Image`] in postcard's format. The digest finds damage, whoever can write a file can also write a
//! digest: what may be executed is decided by who may write where it comes from. The [`abi`] is that of the helper
//! table and the call context: code that was compiled for another one is refused. Decoding allocates no more than
//! the input is long, nests types to a fixed depth, and [`check`] looks at every index before it is used.

mod check;
mod link;

use std::sync::OnceLock;

use numlift_runtime::abi::{CodeBlob, MAX_OPERANDS};
use numlift_runtime::{CallSig, Ctx, FrameInfo, IslandVar, ObjectEntry, ResumePoint, SiteData, helpers};
use numlift_types::{ReadPath, Resolved, Type};
use serde::{Deserialize, Serialize};

use crate::island::Form;
use crate::world::Facts;

pub use link::{Moved, moved, parts};

const MAGIC: &[u8; 8] = b"NLIMAGE\0";
/// Changes when the meaning of an image changes and the helper table does not.
const FORMAT: u32 = 4;
const HEADER: usize = 8 + 32 + 8 + 8;

/// A compiled specialisation.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Image {
    pub blob: CodeBlob,
    pub args: Vec<Type>,
    pub ret: Option<Type>,
    pub sites: Vec<SiteData>,
    pub frames: Vec<FrameInfo>,
    /// Signatures of `py_call`, by index.
    pub calls: Vec<CallSig>,
    pub islands: Vec<IslandImage>,
    /// Where the interpreter can go on at exits.
    pub points: Vec<ResumePoint>,
    /// Texts of the functions, by handle, which islands and what goes on behind exits are made from: empty where they
    /// are not needed.
    pub texts: Vec<Text>,
    /// `ctx.objects`, by index.
    pub objects: Vec<ObjectEntry>,
    /// NumPy's global generator is locked during the call.
    pub global_rng: bool,
    /// It can nest without bound: it recurses, or calls Python.
    pub nests: bool,
    /// The GIL is released during the call.
    pub nogil: bool,
    /// The code counts references or calls helpers that need the GIL.
    pub touches_python: bool,
    /// What it assumes of the world.
    pub facts: Facts,
    /// For the compiler's own use.
    pub notes: Vec<u8>,
}

/// The text of a function.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Text {
    pub source: String,
    /// Line of the file where it begins.
    pub first_line: u32,
}

/// An island before its function is made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IslandImage {
    /// Lines and columns of its statements in the function's text.
    pub at: Vec<(u32, u32)>,
    /// What `numlift._islands` calls its form.
    pub kind: String,
    pub form: Form,
    pub params: Vec<IslandVar>,
    /// Variables that it uses in their cells, and whether they are bound all the time.
    pub cells: Vec<(String, bool)>,
    /// It looks at its own frame.
    pub frame: bool,
    pub outs: Vec<IslandVar>,
    pub partial: Vec<IslandVar>,
    pub protected: bool,
    pub ret: Type,
    pub watched: usize,
    pub resume: Option<u32>,
    pub over: Option<u32>,
    pub unbinds: Vec<String>,
    /// Of a `Read`, for each out; variables are parameters.
    pub reads: Vec<ReadPath>,
    /// It assumes types.
    pub assumes: bool,
    /// Control does not come behind it.
    pub ends: bool,
    pub line: u32,
}

/// Why bytes are no image that can be run here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Too short, too long, or not an image at all.
    Length,
    /// The digest is another one.
    Digest,
    /// Compiled for another helper table.
    Abi,
    /// The body cannot be read.
    Body,
    /// A part of it is inconsistent.
    Inconsistent(&'static str),
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Damage::Length => "truncated",
            Damage::Digest => "damaged",
            Damage::Abi => "made by another version",
            Damage::Body => "unreadable",
            Damage::Inconsistent(what) => what,
        })
    }
}

/// What generated code relies on, as a number: helpers in their order, the layout of the context.
pub fn abi() -> u64 {
    static ABI: OnceLock<u64> = OnceLock::new();
    *ABI.get_or_init(|| {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&FORMAT.to_le_bytes());
        let sizes = [size_of::<Ctx>(), MAX_OPERANDS, crate::spec::TRACE];
        sizes.iter().for_each(|n| {
            hasher.update(&n.to_le_bytes());
        });
        hasher.update(std::env::consts::ARCH.as_bytes());
        for helper in helpers::all() {
            hasher.update(format!("{helper:?}").as_bytes());
        }
        let digest = hasher.finalize();
        digest.as_bytes()[..8]
            .iter()
            .fold(0, |n, b| n << 8 | u64::from(*b))
    })
}

impl Image {
    /// Whether the code runs without Python: no objects, islands, hidden arguments or locks.
    pub fn is_pure(&self) -> bool {
        let asks = |r: &Resolved| matches!(r, Resolved::Hidden { .. });
        let python = !self.calls.is_empty() || !self.islands.is_empty() || !self.objects.is_empty();
        let hidden = self.facts.answers.iter().any(|(_, r)| asks(r));
        !(python || hidden || self.global_rng || self.touches_python)
    }

    /// Makes the names of files that are in a directory relative to it.
    pub fn strip(&mut self, directory: &str) {
        let frames = self.frames.iter_mut().map(|f| &mut f.file);
        let functions = self.facts.functions.iter_mut().map(|f| &mut f.file);
        for file in frames.chain(functions) {
            if let Some(inside) = file.strip_prefix(directory).and_then(|f| f.strip_prefix('/')) {
                *file = inside.to_owned();
            }
        }
    }

    /// The bytes; `None` if there is no memory for them.
    pub fn encode(&self) -> Option<Vec<u8>> {
        let mut out = vec![0; HEADER];
        out = postcard::to_extend(self, out).ok()?;
        let length = (out.len() - HEADER) as u64;
        out[..8].copy_from_slice(MAGIC);
        out[40..48].copy_from_slice(&abi().to_le_bytes());
        out[48..56].copy_from_slice(&length.to_le_bytes());
        let digest = blake3::hash(&out[40..]);
        out[8..40].copy_from_slice(digest.as_bytes());
        Some(out)
    }

    /// Reads what [`Image::encode`] has made.
    ///
    /// # Errors
    /// If the bytes are anything else.
    pub fn decode(bytes: &[u8]) -> Result<Image, Damage> {
        let number = |at: usize| {
            let word = bytes.get(at..at + 8)?.try_into().ok()?;
            Some(u64::from_le_bytes(word))
        };
        let (Some(found), Some(length)) = (number(40), number(48)) else {
            return Err(Damage::Length);
        };
        if bytes[..8] != *MAGIC || length != (bytes.len() - HEADER) as u64 {
            return Err(Damage::Length);
        }
        if blake3::hash(&bytes[40..]).as_bytes()[..] != bytes[8..40] {
            return Err(Damage::Digest);
        }
        if found != abi() {
            return Err(Damage::Abi);
        }
        let body = postcard::take_from_bytes::<Image>(&bytes[HEADER..]);
        let (image, rest) = body.map_err(|_| Damage::Body)?;
        if !rest.is_empty() {
            return Err(Damage::Length);
        }
        check::check(&image).map_err(Damage::Inconsistent)?;
        Ok(image)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use numlift_runtime::SiteKind;

    fn image() -> Image {
        Image {
            blob: CodeBlob {
                code: vec![0xC3; 64],
                entry: 0,
                align: 64,
                frame_bytes: 16,
                ret_slots: 1,
            },
            args: vec![Type::tuple([Type::FLOAT, Type::tuple([Type::INT])])],
            ret: Type::union([numlift_types::Scalar::PyInt, numlift_types::Scalar::PyFloat]),
            frames: vec![FrameInfo {
                file: "a.py".into(),
                name: "f".into(),
                qualname: "f".into(),
                first_line: 1,
            }],
            sites: vec![SiteData {
                kind: SiteKind::Call,
                frame: 0,
                line: 2,
            }],
            ..Image::default()
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes = image().encode().expect("memory");
        let read = Image::decode(&bytes).expect("an image");
        assert_eq!(read.args, image().args);
        assert_eq!(read.ret, image().ret);
        assert_eq!(read.sites, image().sites);
        assert_eq!(read.encode(), Some(bytes));
    }

    #[test]
    fn damage_is_found() {
        let bytes = image().encode().expect("memory");
        for n in 0..bytes.len() {
            assert_eq!(Image::decode(&bytes[..n]).err(), Some(Damage::Length));
            for bit in [1, 0x80] {
                let mut changed = bytes.clone();
                changed[n] ^= bit;
                assert!(Image::decode(&changed).is_err(), "byte {n}");
            }
        }
    }

    /// Whoever makes up a digest gets an error or an image without a wrong index, and no overflow of the stack.
    #[test]
    fn any_body_is_refused_or_consistent() {
        let bytes = image().encode().expect("memory");
        for n in HEADER..bytes.len() {
            for value in 0..=255 {
                let mut changed = bytes.clone();
                changed[n] = value;
                let digest = blake3::hash(&changed[40..]);
                changed[8..40].copy_from_slice(digest.as_bytes());
                if let Ok(read) = Image::decode(&changed) {
                    assert!((read.blob.entry as usize) < read.blob.code.len());
                    assert!(read.sites.iter().all(|s| (s.frame as usize) < read.frames.len()));
                }
            }
        }
    }

    #[test]
    fn nesting_is_limited() {
        let mut t = Type::INT;
        for _ in 0..100 {
            t = Type::tuple([t]);
        }
        let deep = Image {
            args: vec![t],
            ..image()
        };
        let bytes = deep.encode().expect("memory");
        assert_eq!(Image::decode(&bytes).err(), Some(Damage::Body));
    }
}
