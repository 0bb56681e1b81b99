//! The report for terminals.

use std::fmt::Write as _;

use crate::data::{FunctionReport, LineReport, Reason, ReportData, SpecializationReport, Tier};
use crate::diff::Diff;

/// What the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terminal {
    pub colour: bool,
    pub width: usize,
}

impl Default for Terminal {
    fn default() -> Terminal {
        Terminal {
            colour: false,
            width: 100,
        }
    }
}

const BOLD: &str = "1";
const DIM: &str = "2";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const RED: &str = "31";

impl Terminal {
    fn paint(&self, style: &str, text: &str) -> String {
        if self.colour && !text.is_empty() {
            format!("\x1b[{style}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// The text cut to what is left of the line behind `used` columns.
    fn cut(&self, text: &str, used: usize) -> String {
        let room = self.width.saturating_sub(used).max(10);
        let text = text.replace('\t', "    ");
        if text.chars().count() <= room {
            return text;
        }
        let head: String = text.chars().take(room - 1).collect();
        format!("{head}…")
    }

    /// Lines of words that fit behind an indent.
    fn wrap(&self, text: &str, indent: usize) -> Vec<String> {
        let room = self.width.saturating_sub(indent).max(20);
        let mut lines: Vec<String> = vec![];
        for word in text.split_whitespace() {
            match lines.last_mut() {
                Some(line) if line.chars().count() + 1 + word.chars().count() <= room => {
                    line.push(' ');
                    line.push_str(word);
                }
                _ => lines.push(word.to_owned()),
            }
        }
        lines
    }
}

/// 1234567 as `1,234,567`.
pub(crate) fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// A duration with three digits.
pub(crate) fn time(us: f64) -> String {
    let (value, unit) = match us {
        us if us < 1e3 => (us, "µs"),
        us if us < 1e6 => (us / 1e3, "ms"),
        us => (us / 1e6, "s"),
    };
    let digits = if value >= 100.0 { 0 } else { 1 };
    format!("{value:.digits$} {unit}")
}

/// A part in percent, in at most 4 columns.
fn percent(part: f64, all: f64) -> String {
    match (100.0 * part / all).round() {
        p if p < 1.0 => "<1 %".to_owned(),
        p => format!("{p} %"),
    }
}

fn plural(n: u64, what: &str) -> String {
    format!("{} {what}{}", number(n), if n == 1 { "" } else { "s" })
}

fn entries(n: u64) -> String {
    let word = if n == 1 { "entry" } else { "entries" };
    format!("{} {word} into the interpreter", number(n))
}

fn tier_style(tier: Tier) -> &'static str {
    match tier {
        Tier::Native => GREEN,
        Tier::Mixed => YELLOW,
        Tier::Interpreter => RED,
    }
}

/// The whole report. Sources are shown of functions that are not wholly native, or of the only one.
pub fn text(data: &ReportData, terminal: &Terminal) -> String {
    let mut out = String::new();
    summary(data, terminal, &mut out);
    for f in &data.functions {
        function(f, data.functions.len() == 1, terminal, &mut out);
    }
    suggestions(data, terminal, &mut out);
    out
}

fn summary(data: &ReportData, terminal: &Terminal, out: &mut String) {
    let t = &data.totals;
    let style = match t.score {
        90.. => GREEN,
        50..90 => YELLOW,
        _ => RED,
    };
    let _ = writeln!(
        out,
        "{}  {}",
        terminal.paint(BOLD, &data.title),
        terminal.paint(style, &format!("{} % native", t.score))
    );
    let mut parts = vec![
        plural(t.functions as u64, "function"),
        format!(
            "{}: {} native, {} mixed, {} in the interpreter",
            plural(t.specializations as u64, "specialisation"),
            t.native,
            t.mixed,
            t.interpreter
        ),
        plural(t.calls, "call"),
    ];
    if let Some(us) = t.time_us {
        parts.push(time(us));
    }
    if let (Some(share), Some(us)) = (t.native_time, t.interpreter_us) {
        parts.push(format!(
            "{share} % of it in machine code, {} in the interpreter",
            time(us)
        ));
    }
    parts.push(format!("{} compiling", time(t.compile_us)));
    if t.exits > 0 {
        parts.push(format!("{} finished by the interpreter", plural(t.exits, "call")));
    }
    for line in terminal.wrap(&parts.join(", "), 0) {
        let _ = writeln!(out, "{}", terminal.paint(DIM, &line));
    }
}

fn function(f: &FunctionReport, only: bool, terminal: &Terminal, out: &mut String) {
    let place = format!("{}:{}", f.file, f.line);
    let _ = writeln!(
        out,
        "\n{}  {}",
        terminal.paint(BOLD, &f.name),
        terminal.paint(DIM, &place)
    );
    if f.specializations.is_empty() {
        let _ = writeln!(out, "  {}", terminal.paint(DIM, "not called"));
    }
    for s in &f.specializations {
        heading(s, terminal, out);
        for reason in &s.reasons {
            explain(reason, 0, 4, terminal, out);
        }
        if only || s.tier != Tier::Native {
            lines(s, terminal, out);
        }
    }
}

fn heading(s: &SpecializationReport, terminal: &Terminal, out: &mut String) {
    let result = s.result.as_ref().map_or(String::new(), |r| format!(" -> {r}"));
    let mut facts = vec![plural(s.calls, "call")];
    if let Some(us) = s.time_us {
        let inside = match (s.tier, s.interpreter_us) {
            (Tier::Mixed, Some(part)) => format!(" ({} in the interpreter)", percent(part, us)),
            _ => String::new(),
        };
        facts.push(format!("{}{inside}", time(us)));
    }
    if !s.callers.is_empty() {
        facts.push(format!("compiled into {}", s.callers.join(", ")));
    }
    let verb = if s.tier == Tier::Interpreter {
        "typed"
    } else {
        "compiled"
    };
    facts.push(format!("{verb} in {}", time(s.compile_us)));
    if s.exits > 0 {
        facts.push(format!("{} finished by the interpreter", number(s.exits)));
    }
    facts.extend(s.state.note().map(str::to_owned));
    let tier = terminal.paint(tier_style(s.tier), s.tier.name());
    let signature = terminal.cut(&format!("{}{result}", s.signature), 2);
    let _ = writeln!(out, "  {signature}");
    let indent = s.tier.name().len() + 6;
    for (i, line) in terminal.wrap(&facts.join(", "), indent).iter().enumerate() {
        let line = terminal.paint(DIM, line);
        let _ = match i {
            0 => writeln!(out, "    {tier}  {line}"),
            _ => writeln!(out, "{:indent$}{line}", ""),
        };
    }
    for a in &s.assumptions {
        let missed = match a.misses {
            0 => String::new(),
            n => format!(", {}", plural(n, "other value")),
        };
        let text = format!("assumes {}: {} (line {}){missed}", a.name, a.ty, a.line);
        for line in terminal.wrap(&text, 4) {
            let _ = writeln!(out, "    {}", terminal.paint(DIM, &line));
        }
    }
}

/// Columns of a source.
struct Columns {
    counts: usize,
    /// 0 if no time was measured.
    shares: usize,
    numbers: usize,
    /// Time of the calls.
    time: f64,
}

fn lines(s: &SpecializationReport, terminal: &Terminal, out: &mut String) {
    let counts = s.lines.iter().map(|l| number(l.came()).len()).max();
    let time = s.time_us.unwrap_or(0.0);
    let timed = time > 0.0 && s.lines.iter().any(|l| l.interpreter_us.is_some());
    let columns = Columns {
        counts: counts.unwrap_or(1),
        shares: if timed { 6 } else { 0 },
        numbers: s.lines.last().map_or(1, |l| l.line.to_string().len()),
        time,
    };
    for l in &s.lines {
        line(l, &columns, terminal, out);
    }
}

fn line(l: &LineReport, columns: &Columns, terminal: &Terminal, out: &mut String) {
    let &Columns {
        counts,
        shares,
        numbers,
        time,
    } = columns;
    let count = match l.came() {
        0 => String::new(),
        n => number(n),
    };
    let share = l
        .interpreter_us
        .filter(|_| shares > 0)
        .map_or(String::new(), |us| percent(us, time));
    let mark = match l.tier {
        None => " ".to_owned(),
        Some(Tier::Native) => terminal.paint(GREEN, "│"),
        Some(tier) => terminal.paint(tier_style(tier), "┃"),
    };
    let used = 4 + counts + shares + numbers + 5;
    let source = terminal.cut(&l.source, used);
    let _ = writeln!(
        out,
        "{}",
        format!(
            "    {}{} {} {mark} {source}",
            terminal.paint(RED, &format!("{count:>counts$}")),
            terminal.paint(DIM, &format!("{share:>shares$}")),
            terminal.paint(DIM, &format!("{:>numbers$}", l.line)),
        )
        .trim_end()
    );
    let indent = used + l.source.chars().take_while(|c| c.is_whitespace()).count();
    for reason in &l.reasons {
        explain(reason, l.line, indent, terminal, out);
    }
}

/// `at` is the line it is printed at.
fn explain(reason: &Reason, at: u32, indent: usize, terminal: &Terminal, out: &mut String) {
    let place = match &reason.file {
        Some(file) if reason.line > 0 => format!(" ({file}:{})", reason.line),
        None if reason.line != at && at > 0 => format!(" (line {})", reason.line),
        _ => String::new(),
    };
    let message = format!("{} {}{place}", reason.code, reason.message);
    for (style, text) in [(YELLOW, message), (DIM, format!("help: {}", reason.help))] {
        for line in terminal.wrap(&text, indent) {
            let _ = writeln!(out, "{:indent$}{}", "", terminal.paint(style, &line));
        }
    }
}

fn suggestions(data: &ReportData, terminal: &Terminal, out: &mut String) {
    if data.suggestions.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{}", terminal.paint(BOLD, "What would help most"));
    for (i, s) in data.suggestions.iter().enumerate() {
        let place = format!("  {}. {}:{}", i + 1, s.file, s.line);
        let _ = writeln!(out, "{place} {}", terminal.paint(YELLOW, &s.code));
        let spent = s
            .interpreter_us
            .filter(|us| *us > 0.0)
            .map(|us| format!("{} in it, ", time(us)));
        if s.interpreter_calls > 0 {
            let saved = format!("{}{}", spent.unwrap_or_default(), entries(s.interpreter_calls));
            for line in terminal.wrap(&saved, 5) {
                let _ = writeln!(out, "     {}", terminal.paint(DIM, &line));
            }
        }
        for text in [&s.message, &s.help] {
            for line in terminal.wrap(text, 5) {
                let _ = writeln!(out, "     {line}");
            }
        }
    }
}

/// The comparison of two reports.
pub fn diff_text(d: &Diff, terminal: &Terminal) -> String {
    let mut out = String::new();
    let style = |worse: bool, better: bool| match (worse, better) {
        (true, _) => RED,
        (_, true) => GREEN,
        _ => DIM,
    };
    let [a, b] = d.score;
    let _ = writeln!(
        out,
        "{}",
        terminal.paint(style(b < a, b > a), &format!("{a} % -> {b} % native"))
    );
    let [a, b] = d.interpreter_calls;
    let entries = format!("{} -> {} entries into the interpreter", number(a), number(b));
    let _ = writeln!(out, "{}", terminal.paint(style(b > a, b < a), &entries));
    if let [Some(a), Some(b)] = d.time_us {
        let _ = writeln!(
            out,
            "{}",
            terminal.paint(DIM, &format!("{} -> {} in calls", time(a), time(b)))
        );
    }
    for c in &d.changes {
        let name = |t: Option<Tier>| t.map_or("absent", Tier::name);
        let _ = writeln!(
            out,
            "\n{}{}  {}",
            terminal.paint(BOLD, &c.function),
            c.signature,
            terminal.paint(DIM, &c.file)
        );
        let mut costs = String::new();
        if let [Some(a), Some(b)] = c.time_us {
            costs = format!(", {} -> {}", time(a), time(b));
        }
        if c.interpreter_calls[0] != c.interpreter_calls[1] {
            let [a, b] = c.interpreter_calls.map(number);
            costs = format!(", {a} -> {b} entries{costs}");
        }
        let _ = writeln!(out, "  {} -> {}{costs}", name(c.tier[0]), name(c.tier[1]));
        for (mark, style, reasons) in [("-", GREEN, &c.fixed), ("+", RED, &c.new)] {
            for reason in reasons {
                let _ = writeln!(out, "  {}", terminal.paint(style, &format!("{mark} {reason}")));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::tests::sample;

    #[test]
    fn lines_fit_the_terminal() {
        for width in [40, 60, 100] {
            let terminal = Terminal { colour: false, width };
            let shown = text(&sample(), &terminal);
            assert!(
                shown.lines().all(|l| l.chars().count() <= width),
                "{width}\n{shown}"
            );
        }
    }

    #[test]
    fn the_text_says_what_runs_where() {
        let shown = text(&sample(), &Terminal::default());
        for part in [
            "m.py  50 % native",
            "1,007 calls",
            "(dict, int)",
            "┃     return a[n]",
            "NL2008 dict[int]",
            "help: index",
            "1. m.py:5 NL2008",
            "7 entries into",
        ] {
            assert!(shown.contains(part), "{part}\n{shown}");
        }
        assert!(!shown.contains('\x1b'));
        assert!(
            text(
                &sample(),
                &Terminal {
                    colour: true,
                    width: 80
                }
            )
            .contains("\x1b[31minterpreter\x1b[0m")
        );
    }

    #[test]
    fn numbers_and_times() {
        assert_eq!(
            (number(1_234_567).as_str(), number(12).as_str()),
            ("1,234,567", "12")
        );
        assert_eq!(
            (time(1.25).as_str(), time(2500.0).as_str(), time(3e8).as_str()),
            ("1.2 µs", "2.5 ms", "300 s")
        );
    }

    #[test]
    fn a_comparison_shows_both_sides() {
        let mut other = sample();
        other.functions[0].specializations.truncate(1);
        let other = ReportData::new("", "", other.functions);
        let shown = diff_text(&crate::diff(&sample(), &other), &Terminal::default());
        for part in [
            "50 % -> 100 % native",
            "7 -> 0 entries",
            "interpreter -> absent",
            "- NL2008 dict[int]",
        ] {
            assert!(shown.contains(part), "{part}\n{shown}");
        }
    }
}
