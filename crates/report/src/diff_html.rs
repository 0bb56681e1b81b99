//! A comparison of two reports as one HTML page, without script: the style follows what the reader prefers.

use std::fmt::Write as _;

use crate::data::Tier;
use crate::diff::{Diff, FunctionDiff};
use crate::html::escaped;
use crate::text::{number, time};

const STYLE: &str = include_str!("assets/diff.css");

/// The page.
pub fn diff_html(d: &Diff) -> String {
    let mut body = String::new();
    let mut totals = vec![
        (
            "Native lines",
            d.score.map(|n| format!("{n} %")),
            trend(d.score[1], d.score[0]),
        ),
        (
            "Entries into the interpreter",
            d.interpreter_calls.map(number),
            trend(d.interpreter_calls[0], d.interpreter_calls[1]),
        ),
        ("Calls", d.calls.map(number), ""),
        ("Compiling", d.compile_us.map(time), ""),
    ];
    if let [Some(before), Some(after)] = d.time_us {
        totals.insert(3, ("In calls", [before, after].map(time), ""));
    }
    for (name, [before, after], class) in totals {
        let _ = write!(
            body,
            "<div><dt>{name}</dt><dd class=\"{class}\"><s>{}</s> <b>{}</b></dd></div>",
            escaped(&before),
            escaped(&after)
        );
    }
    let mut rows = String::new();
    for change in &d.changes {
        row(&mut rows, change);
    }
    if d.changes.is_empty() {
        rows.push_str("<p>Nothing differs.</p>");
    }
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>numlift: two reports compared</title>\n\
         <link rel=\"icon\" href=\"data:,\">\n<style>\n{STYLE}</style>\n</head>\n<body>\n<header><h1>Two reports compared</h1>\
         <dl>{body}</dl></header>\n<main>{rows}</main>\n</body>\n</html>\n"
    )
}

/// How a value is that should be large.
fn trend<T: PartialOrd>(wanted_large: T, other: T) -> &'static str {
    match wanted_large.partial_cmp(&other) {
        Some(std::cmp::Ordering::Greater) => "better",
        Some(std::cmp::Ordering::Less) => "worse",
        _ => "",
    }
}

fn row(out: &mut String, c: &FunctionDiff) {
    let tier = |t: Option<Tier>| t.map_or("absent", Tier::name);
    let [before, after] = c.tier.map(tier);
    let _ = write!(
        out,
        "<section><h2>{}<span>{}</span></h2><p class=\"file\">{}</p><p><i class=\"{before}\">{before}</i> → \
         <i class=\"{after}\">{after}</i>",
        escaped(&c.function),
        escaped(&c.signature),
        escaped(&c.file),
    );
    let [before, after] = c.interpreter_calls;
    if before != after {
        let _ = write!(
            out,
            " <span class=\"{}\">{} → {} entries</span>",
            trend(before, after),
            number(before),
            number(after)
        );
    }
    if let [Some(before), Some(after)] = c.time_us {
        let times = [before, after].map(time);
        let _ = write!(
            out,
            " <span>{} → {}</span>",
            escaped(&times[0]),
            escaped(&times[1])
        );
    }
    out.push_str("</p>");
    for (class, mark, reasons) in [("better", "gone", &c.fixed), ("worse", "new", &c.new)] {
        for reason in reasons {
            let _ = write!(out, "<p class=\"{class}\"><b>{mark}</b> {}</p>", escaped(reason));
        }
    }
    out.push_str("</section>");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::tests::sample;

    #[test]
    fn the_page_is_whole_and_safe() {
        let mut after = sample();
        after.functions[0].name = "<script>".to_owned();
        let page = diff_html(&crate::diff(&sample(), &after));
        assert!(page.contains("&lt;script&gt;") && !page.contains("<script"));
        assert!(page.contains(">absent</i>") && page.ends_with("</html>\n"));
        for attribute in ["src=", "href=\"http", "url(", "@import"] {
            assert!(!page.contains(attribute), "{attribute}");
        }
        assert!(diff_html(&crate::diff(&sample(), &sample())).contains("Nothing differs."));
    }
}
