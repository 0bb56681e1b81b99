//! The report as one HTML page that needs nothing else: styles, script and data are in it.

use crate::data::ReportData;

const PAGE: &str = include_str!("assets/report.html");
const STYLE: &str = include_str!("assets/report.css");
const SCRIPT: &str = include_str!("assets/report.js");

/// The page.
///
/// # Errors
/// None that plain data can cause.
pub fn html(data: &ReportData) -> serde_json::Result<String> {
    // Within a script element no text may look like the end of it.
    let json = serde_json::to_string(data)?.replace('<', "\\u003c");
    let mut out = String::with_capacity(PAGE.len() + STYLE.len() + SCRIPT.len() + json.len());
    // Placeholders are looked for in the template alone, so data may contain anything.
    let mut rest = PAGE;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        match name {
            "style" => out.push_str(STYLE),
            "script" => out.push_str(SCRIPT),
            "data" => out.push_str(&json),
            "title" => out.push_str(&escaped(&data.title)),
            "text" => out.push_str(&escaped(&crate::text(data, &crate::Terminal::default()))),
            other => out.push_str(other),
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::tests::sample;

    #[test]
    fn data_cannot_leave_its_element() {
        let mut data = sample();
        data.title = "</script><b>{{data}}".to_owned();
        data.functions[0].name = "</script><script>alert(1)".to_owned();
        let page = html(&data).expect("plain data");
        assert_eq!(
            page.matches("</script>").count(),
            PAGE.matches("</script>").count()
        );
        assert!(page.contains("&lt;/script&gt;&lt;b&gt;{{data}}"));
        assert!(!page.contains("<script>alert"));
    }

    #[test]
    fn nothing_is_fetched() {
        for part in [PAGE, STYLE, SCRIPT] {
            for attribute in ["src=", "href=\"http", "url(", "@import", "fetch("] {
                assert!(!part.contains(attribute), "{attribute}");
            }
        }
    }
}
