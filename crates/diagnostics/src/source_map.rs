//! Byte offsets of a source text to lines and columns.

use crate::{Code, Diagnostic, Span};

/// A source text and where it stands in its file.
#[derive(Clone, Debug)]
pub struct SourceMap<'s> {
    text: &'s str,
    file: &'s str,
    first_line: u32,
    /// Byte offset of each line's start.
    starts: Vec<u32>,
}

impl<'s> SourceMap<'s> {
    /// `first_line` is the 1-based line in `file` of the first line of `text`.
    pub fn new(text: &'s str, file: &'s str, first_line: u32) -> Self {
        let newlines = text.bytes().enumerate().filter(|&(_, b)| b == b'\n');
        let starts = std::iter::once(0)
            .chain(newlines.map(|(i, _)| i as u32 + 1))
            .collect();
        Self {
            text,
            file,
            first_line,
            starts,
        }
    }

    pub fn text(&self) -> &'s str {
        self.text
    }

    pub fn file(&self) -> &'s str {
        self.file
    }

    fn index(&self, offset: u32) -> usize {
        self.starts.partition_point(|&start| start <= offset) - 1
    }

    /// 1-based line in the file.
    pub fn line(&self, offset: u32) -> u32 {
        self.first_line + self.index(offset) as u32
    }

    /// Byte offset of the start of the line with this number in the file.
    pub fn line_start(&self, line: u32) -> Option<u32> {
        let index = line.checked_sub(self.first_line)?;
        self.starts.get(index as usize).copied()
    }

    /// 1-based column, in characters.
    pub fn column(&self, offset: u32) -> u32 {
        let start = self.starts[self.index(offset)] as usize;
        let before = self.text.get(start..(offset as usize).min(self.text.len()));
        before.map_or(0, |text| text.chars().count() as u32) + 1
    }

    /// Text of the line that holds `offset`, without its end.
    pub fn line_text(&self, offset: u32) -> &'s str {
        let rest = &self.text[self.starts[self.index(offset)] as usize..];
        rest.split('\n').next().unwrap_or("").trim_end_matches('\r')
    }

    /// A message about `span`; what is underlined ends with the first line of it.
    pub fn diagnostic(&self, code: Code, span: Span, message: impl Into<String>) -> Diagnostic {
        let start = span.start.min(self.text.len() as u32);
        let source_line = self.line_text(start);
        let column = self.column(start);
        let covered = self
            .text
            .get(start as usize..(span.end as usize).min(self.text.len()))
            .unwrap_or("");
        let covered = covered.split('\n').next().unwrap_or("").trim_end_matches('\r');
        Diagnostic {
            code,
            message: message.into(),
            help: None,
            file: self.file.to_owned(),
            line: self.line(start),
            column,
            length: (covered.chars().count() as u32).max(1),
            source_line: source_line.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        let map = SourceMap::new("é = 1\nñá = x\n", "f.py", 10);
        let at = map.text().find('x').unwrap_or(0) as u32;
        let d = map.diagnostic(
            "NL2003",
            Span {
                start: at,
                end: at + 1,
            },
            "m",
        );
        assert_eq!(
            (d.line, d.column, d.length, d.source_line.as_str()),
            (11, 6, 1, "ñá = x")
        );
        assert_eq!(map.line(0), 10);
        assert_eq!(map.line_start(11), Some(7));
        assert_eq!(map.line_start(9), None);
    }

    #[test]
    fn a_span_over_several_lines_is_cut() {
        let map = SourceMap::new("ab(\n1)", "f.py", 1);
        assert_eq!(map.diagnostic("NL2003", Span { start: 0, end: 6 }, "m").length, 3);
        assert_eq!(
            map.diagnostic("NL2003", Span { start: 99, end: 120 }, "m").line,
            2
        );
    }
}
