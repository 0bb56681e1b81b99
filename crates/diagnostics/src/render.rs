//! Diagnostics as text, in the manner of rustc, and as JSON.

use std::fmt::Write as _;

use crate::{Diagnostic, codes};

/// Colours of a terminal.
struct Paint {
    colour: bool,
}

impl Paint {
    fn text(&self, style: &str, text: &str) -> String {
        if self.colour {
            format!("\x1b[{style}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    fn bold(&self, text: &str) -> String {
        self.text("1", text)
    }

    fn warning(&self, text: &str) -> String {
        self.text("1;33", text)
    }

    fn rule(&self, text: &str) -> String {
        self.text("1;34", text)
    }
}

/// The diagnostic with its source line and a pointer to the place:
///
/// ```text
/// NL2003: name has no static type: `table`
///  --> model.py:12:9
///    |
/// 12 |     y = table[x]
///    |         ^^^^^
///    = help: pass it as an argument
/// ```
pub fn text(diagnostic: &Diagnostic, colour: bool) -> String {
    let d = diagnostic;
    let paint = Paint { colour };
    let mut out = format!(
        "{}{}\n",
        paint.warning(d.code),
        paint.bold(&format!(": {}", d.message))
    );
    if !d.file.is_empty() {
        let gutter = " ".repeat(number(d).len());
        let _ = writeln!(out, "{gutter}{} {}", paint.rule("-->"), place(d));
    }
    snippet(d, &paint, &mut out);
    out
}

/// The diagnostic as linters print it, place first:
///
/// ```text
/// model.py:12:9: NL2003 name has no static type: `table`
///    |
/// 12 |     y = table[x]
///    |         ^^^^^
///    = help: pass it as an argument
/// ```
pub fn linter(diagnostic: &Diagnostic, colour: bool) -> String {
    let d = diagnostic;
    let paint = Paint { colour };
    let mut out = format!(
        "{} {} {}\n",
        paint.bold(&format!("{}:", place(d))),
        paint.warning(d.code),
        d.message
    );
    snippet(d, &paint, &mut out);
    out
}

/// The diagnostic as a command of GitHub's workflows, which shows it beside the line.
pub fn github(diagnostic: &Diagnostic) -> String {
    let d = diagnostic;
    let mut properties = vec![format!("title=numlift ({})", d.code)];
    if !d.file.is_empty() {
        let file = escaped(&d.file).replace(':', "%3A").replace(',', "%2C");
        properties.push(format!("file={file}"));
    }
    if d.line > 0 {
        properties.push(format!("line={}", d.line));
    }
    if d.column > 0 {
        let end = d.column + d.length.max(1);
        properties.push(format!("col={},endColumn={end}", d.column));
    }
    let message = escaped(&format!("{}: {} {}", place(d), d.code, d.message));
    format!("::warning {}::{message}", properties.join(","))
}

/// Text within a command of GitHub's workflows.
fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn number(d: &Diagnostic) -> String {
    match d.line {
        0 => String::new(),
        line => line.to_string(),
    }
}

/// Source line, carets and help.
fn snippet(d: &Diagnostic, paint: &Paint, out: &mut String) {
    let number = number(d);
    let gutter = " ".repeat(number.len());
    if d.line > 0 && !d.source_line.is_empty() {
        let bar = paint.rule("|");
        let (line, pad, carets) = underline(d);
        let _ = writeln!(out, "{gutter} {bar}");
        let _ = writeln!(out, "{} {bar} {line}", paint.rule(&number));
        if !carets.is_empty() {
            let _ = writeln!(out, "{gutter} {bar} {pad}{}", paint.warning(&carets));
        }
    }
    let help = d
        .help
        .as_deref()
        .or_else(|| codes::find(d.code).map(|info| info.help));
    if let Some(help) = help {
        let _ = writeln!(out, "{gutter} {} {} {help}", paint.rule("="), paint.bold("help:"));
    }
}

fn place(d: &Diagnostic) -> String {
    match (d.line, d.column) {
        (0, _) => d.file.clone(),
        (line, 0) => format!("{}:{line}", d.file),
        (line, column) => format!("{}:{line}:{column}", d.file),
    }
}

/// Columns a terminal gives a character.
fn width(c: char) -> usize {
    match u32::from(c) {
        // combining marks
        0x300..=0x36f => 0,
        // East Asian wide forms and pictographs
        0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f => 2,
        0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x1f300..=0x1f64f | 0x1f900..=0x1f9ff | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// The line with tabs expanded, the blanks before the carets, and the carets.
fn underline(d: &Diagnostic) -> (String, String, String) {
    let from = d.column.saturating_sub(1) as usize;
    let to = from + d.length.max(1) as usize;
    let (mut line, mut pad, mut carets) = (String::new(), 0, 0);
    for (index, c) in d.source_line.chars().enumerate() {
        let columns = if c == '\t' { 4 } else { width(c) };
        if c == '\t' {
            line.push_str("    ");
        } else {
            line.push(c);
        }
        if index < from {
            pad += columns;
        } else if index < to {
            carets += columns;
        }
    }
    if d.column == 0 {
        return (line, String::new(), String::new());
    }
    (line, " ".repeat(pad), "^".repeat(carets.max(1)))
}

/// The diagnostic as a JSON object on one line.
pub fn json(diagnostic: &Diagnostic) -> String {
    to_value(diagnostic).to_string()
}

/// Several diagnostics as a JSON array.
pub fn json_all<'d>(diagnostics: impl IntoIterator<Item = &'d Diagnostic>) -> String {
    serde_json::Value::Array(diagnostics.into_iter().map(to_value).collect()).to_string()
}

fn to_value(d: &Diagnostic) -> serde_json::Value {
    serde_json::json!({
        "code": d.code,
        "title": codes::find(d.code).map(|info| info.title),
        "severity": d.severity(),
        "message": d.message,
        "help": d.help,
        "file": d.file,
        "line": d.line,
        "column": d.column,
        "length": d.length,
        "source_line": d.source_line,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Diagnostic {
        Diagnostic {
            code: codes::NL2003,
            message: "`tab` has no static type".to_owned(),
            help: Some("pass it".to_owned()),
            file: "m.py".to_owned(),
            line: 12,
            column: 6,
            length: 3,
            source_line: "\té = tab[x]".to_owned(),
        }
    }

    #[test]
    fn text_points_at_the_place() {
        let expected = "\
NL2003: `tab` has no static type
  --> m.py:12:6
   |
12 |     é = tab[x]
   |         ^^^
   = help: pass it
";
        assert_eq!(text(&sample(), false), expected);
        assert!(text(&sample(), true).contains("\x1b[1;33m^^^\x1b[0m"));
    }

    #[test]
    fn unknown_places_are_left_out() {
        let d = Diagnostic {
            line: 0,
            help: None,
            ..sample()
        };
        let expected = "NL2003: `tab` has no static type\n--> m.py\n = help: pass the value as an argument, or make it a number, tuple or array\n";
        assert_eq!(text(&d, false), expected);
        let d = Diagnostic {
            length: 99,
            column: 99,
            ..sample()
        };
        assert!(text(&d, false).contains('^'));
    }

    #[test]
    fn linters_put_the_place_first() {
        let expected = "\
m.py:12:6: NL2003 `tab` has no static type
   |
12 |     é = tab[x]
   |         ^^^
   = help: pass it
";
        assert_eq!(linter(&sample(), false), expected);
    }

    #[test]
    fn github_commands_are_escaped() {
        let d = Diagnostic {
            file: "a,b:c.py".to_owned(),
            message: "100 %\nof it".to_owned(),
            ..sample()
        };
        let expected = "::warning title=numlift (NL2003),file=a%2Cb%3Ac.py,line=12,col=6,endColumn=9\
                        ::a,b:c.py:12:6: NL2003 100 %25%0Aof it";
        assert_eq!(github(&d), expected);
    }

    #[test]
    fn json_has_every_field() {
        let value: serde_json::Value = serde_json::from_str(&json(&sample())).expect("valid");
        assert_eq!(value["code"], "NL2003");
        assert_eq!(value["severity"], "unsupported");
        assert_eq!(value["column"], 6);
        assert!(json_all([&sample(), &sample()]).starts_with("[{"));
    }
}
