//! The changes that would help most.
//!
//! A reason costs what the interpreter does because of it: the entries and the time of its islands. In a function that
//! the interpreter runs as a whole it is the time of the lines that are dynamic because of it, if that was measured;
//! else, as each reason is in the way there, all of the function's. Specialisations that others have replaced count
//! too: without the reason there would have been none.

use std::collections::HashMap;

use crate::data::{FunctionReport, LineReport, Reason, SpecializationReport, Suggestion, Tier};

/// Changes that are suggested, at most.
const SUGGESTIONS: usize = 5;

/// File, line, code and message: reasons of several specialisations that are one.
type Place<'f> = (&'f str, u32, &'f str, &'f str);

/// The reasons that cost most, the most expensive first.
pub(crate) fn suggestions(functions: &[FunctionReport]) -> Vec<Suggestion> {
    let mut all: Vec<Suggestion> = vec![];
    let mut places: HashMap<Place<'_>, usize> = HashMap::new();
    for f in functions {
        for s in &f.specializations {
            for (line, reason) in reasons(s) {
                let file = reason.file.as_deref().unwrap_or(&f.file);
                let place = (file, reason.line, reason.code.as_str(), reason.message.as_str());
                let at = *places.entry(place).or_insert_with(|| {
                    all.push(suggestion(f, file, reason));
                    all.len() - 1
                });
                let (entries, us) = cost(s, line, reason);
                all[at].interpreter_calls += entries;
                if let Some(us) = us {
                    *all[at].interpreter_us.get_or_insert(0.0) += us;
                }
            }
        }
    }
    all.retain(|s| !s.code.is_empty());
    // The sort is stable: what costs the same stays in the order of the source.
    let us = |s: &Suggestion| s.interpreter_us.unwrap_or(0.0);
    all.sort_by(|a, b| {
        let entries = b.interpreter_calls.cmp(&a.interpreter_calls);
        us(b).total_cmp(&us(a)).then(entries)
    });
    all.truncate(SUGGESTIONS);
    all
}

/// Those at lines of the function, then those elsewhere.
fn reasons(s: &SpecializationReport) -> impl Iterator<Item = (Option<&LineReport>, &Reason)> {
    let at_lines = s
        .lines
        .iter()
        .flat_map(|l| l.reasons.iter().map(move |r| (Some(l), r)));
    at_lines.chain(s.reasons.iter().map(|r| (None, r)))
}

fn suggestion(f: &FunctionReport, file: &str, reason: &Reason) -> Suggestion {
    Suggestion {
        function: f.name.clone(),
        file: file.to_owned(),
        line: reason.line,
        code: reason.code.clone(),
        message: reason.message.clone(),
        help: reason.help.clone(),
        interpreter_calls: 0,
        interpreter_us: None,
    }
}

/// Entries into the interpreter and time there because of a reason, which is listed at a line.
fn cost(s: &SpecializationReport, line: Option<&LineReport>, reason: &Reason) -> (u64, Option<f64>) {
    match (s.tier, line) {
        (Tier::Interpreter, _) => {
            let known = s
                .lines
                .iter()
                .any(|l| l.cause.is_some() && l.interpreter_us.is_some());
            let because = |l: &&LineReport| l.cause.as_ref().is_some_and(|c| c.is(reason));
            let us = s.lines.iter().filter(because).filter_map(|l| l.interpreter_us);
            (s.calls, if known { Some(us.sum()) } else { s.time_us })
        }
        (_, Some(line)) => s
            .island(line)
            .map_or((0, None), |l| (l.interpreter_calls, l.interpreter_us)),
        (_, None) => (0, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::tests::sample;
    use crate::data::{Cause, ReportData};

    #[test]
    fn measured_lines_decide_the_order() {
        let mut functions = sample().functions;
        let s = &mut functions[0].specializations[1];
        let second = Reason {
            line: 4,
            message: "another".to_owned(),
            ..s.lines[2].reasons[0].clone()
        };
        let cause = |r: &Reason| Cause {
            line: r.line,
            code: r.code.clone(),
            message: r.message.clone(),
        };
        // the first line is dynamic because of what is said at the second
        s.lines[0].cause = Some(cause(&second));
        s.lines[0].interpreter_us = Some(30.0);
        s.lines[2].cause = Some(cause(&s.lines[2].reasons[0]));
        s.lines[2].interpreter_us = Some(10.0);
        s.lines[1].reasons.push(second);
        let data = ReportData::new("", "", functions);
        let found: Vec<_> = data
            .suggestions
            .iter()
            .map(|s| (s.line, s.interpreter_us))
            .collect();
        assert_eq!(found, [(4, Some(30.0)), (5, Some(10.0))]);
    }
}
