//! The annotated report: what ran where, how often, why, and what to change. Plain data, rendered as text, JSON
//! and one HTML page. `docs/report.schema.json` describes the JSON.

mod data;
mod diff;
mod diff_html;
mod html;
mod suggestions;
mod text;

pub use data::{
    Assumption, Cause, Code, FunctionReport, LineReport, Reason, Remark, ReportData, SpecializationReport,
    Stage, State, Suggestion, Tier, Totals, VERSION, Variable,
};
pub use diff::{Diff, FunctionDiff, diff};
pub use diff_html::diff_html;
pub use html::html;
pub use text::{Terminal, diff_text, text};

/// The report as JSON, indented.
///
/// # Errors
/// None that plain data can cause.
pub fn json(data: &ReportData) -> serde_json::Result<String> {
    serde_json::to_string_pretty(data)
}

/// A comparison as JSON, indented.
///
/// # Errors
/// None that plain data can cause.
pub fn json_of_diff(diff: &Diff) -> serde_json::Result<String> {
    serde_json::to_string_pretty(diff)
}

/// The report that [`json`] has written.
///
/// # Errors
/// If the text is not such a report, or of a later version.
pub fn from_json(text: &str) -> Result<ReportData, String> {
    let data: ReportData = serde_json::from_str(text).map_err(|e| e.to_string())?;
    if data.version > VERSION {
        return Err(format!(
            "version {} of the format; this is numlift for version {VERSION}",
            data.version
        ));
    }
    Ok(data)
}
