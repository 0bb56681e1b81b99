//! Spans, source maps, diagnostics and their renderers.

mod source_map;

pub use source_map::SourceMap;

/// Byte range in a source text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    pub start: u32,
    pub end: u32,
}

/// A stable diagnostic code such as `NL2001`; see the table in `codes`.
pub type Code = &'static str;

/// One message about the user's source.
#[derive(Clone, Debug, PartialEq, Eq)]
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

impl std::fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} ({}:{})", self.code, self.message, self.file, self.line)
    }
}

impl std::error::Error for Diagnostic {}
