//! What the inspectors want to know of a specialisation that was compiled elsewhere.

use numlift_diagnostics::{Diagnostic, codes};
use numlift_pyrt::image::Moved;
use serde::Deserialize;

use crate::feedback::Prospects;

/// Diagnostics of a specialisation: its places without a static type, and why each island is one. What its calls may
/// observe.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    pub places: Vec<Diagnostic>,
    pub island_reasons: Vec<Option<Diagnostic>>,
    pub prospects: Prospects,
}

/// A [`Diagnostic`] as it is read: field by field the same.
#[derive(Deserialize)]
struct Note {
    code: String,
    message: String,
    help: Option<String>,
    file: String,
    line: u32,
    column: u32,
    length: u32,
    source_line: String,
}

impl Note {
    /// `None` if the code is not one of the table. Lines are where they are now.
    fn diagnostic(self, moves: &[Moved]) -> Option<Diagnostic> {
        let mut d = Diagnostic {
            code: codes::find(&self.code)?.code,
            message: self.message,
            help: self.help,
            file: self.file,
            line: self.line,
            column: self.column,
            length: self.length,
            source_line: self.source_line,
        };
        if let Some((file, line)) = moves.iter().find_map(|m| m.line(&d.file, d.line)) {
            (d.file, d.line) = (file.to_owned(), line);
        }
        Some(d)
    }
}

impl Notes {
    /// The bytes; empty if there is no memory for them.
    pub fn write(
        places: &[Diagnostic],
        island_reasons: &[Option<Diagnostic>],
        prospects: &Prospects,
    ) -> Vec<u8> {
        postcard::to_stdvec(&(places, island_reasons, prospects)).unwrap_or_default()
    }

    /// `None` if the bytes are something else.
    pub fn read(bytes: &[u8], moves: &[Moved]) -> Option<Notes> {
        type Body = (Vec<Note>, Vec<Option<Note>>, Prospects);
        let (places, reasons, prospects): Body = postcard::from_bytes(bytes).ok()?;
        let reason = |n: Option<Note>| match n {
            Some(note) => note.diagnostic(moves).map(Some),
            None => Some(None),
        };
        Some(Notes {
            places: places
                .into_iter()
                .map(|n| n.diagnostic(moves))
                .collect::<Option<_>>()?,
            island_reasons: reasons.into_iter().map(reason).collect::<Option<_>>()?,
            prospects,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_read_as_they_were_written() {
        let d = Diagnostic {
            code: "NL2003",
            message: "m".into(),
            help: Some("h".into()),
            file: "a.py".into(),
            line: 3,
            column: 4,
            length: 5,
            source_line: "x".into(),
        };
        let bytes = Notes::write(
            std::slice::from_ref(&d),
            &[None, Some(d.clone())],
            &Prospects::default(),
        );
        let read = Notes::read(&bytes, &[]).expect("notes");
        assert_eq!(read.places, std::slice::from_ref(&d));
        assert_eq!(read.island_reasons, [None, Some(d)]);
        assert!(Notes::read(&bytes[1..], &[]).is_none());
    }
}
