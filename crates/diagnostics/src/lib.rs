//! Spans, source maps, diagnostics and their renderers.

pub mod codes;
pub mod render;
mod source_map;

use serde::Serialize;

pub use source_map::SourceMap;

/// Byte range in a source text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Span {
    pub start: u32,
    pub end: u32,
}

/// A stable diagnostic code such as `NL2001`; see the table in [`codes`].
pub type Code = &'static str;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The code runs, in the interpreter.
    Unsupported,
    /// The compiler failed.
    Bug,
}

/// One message about the user's source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    pub code: Code,
    pub message: String,
    pub help: Option<String>,
    pub file: String,
    /// 1-based line and column (in characters), 0 if unknown.
    pub line: u32,
    pub column: u32,
    /// Length in characters of what is underlined.
    pub length: u32,
    /// Text of the source line, for rendering.
    pub source_line: String,
}

impl Diagnostic {
    /// Decided by the family of the code: NL9 are failures of the compiler.
    pub fn severity(&self) -> Severity {
        if self.code.starts_with("NL9") {
            Severity::Bug
        } else {
            Severity::Unsupported
        }
    }
}

impl std::fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} ({}:{})", self.code, self.message, self.file, self.line)
    }
}

impl std::error::Error for Diagnostic {}
