//! Two reports compared: what is faster, what is native now, which reasons are gone.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::data::{Reason, ReportData, SpecializationReport, State, Tier};

/// The difference of two reports.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Diff {
    pub score: [u32; 2],
    pub interpreter_calls: [u64; 2],
    pub calls: [u64; 2],
    /// Time of the calls; none: not measured.
    pub time_us: [Option<f64>; 2],
    pub compile_us: [f64; 2],
    /// Specialisations that differ, are new or are gone.
    pub changes: Vec<FunctionDiff>,
}

/// A specialisation in both reports, or in one of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FunctionDiff {
    pub function: String,
    pub file: String,
    pub signature: String,
    /// None: not in this report.
    pub tier: [Option<Tier>; 2],
    pub interpreter_calls: [u64; 2],
    pub time_us: [Option<f64>; 2],
    /// Codes and messages that only the first, or only the second report has.
    pub fixed: Vec<String>,
    pub new: Vec<String>,
}

type Key<'a> = (&'a str, &'a str, &'a str);

/// What calls with the same types run or ran: the specialisation in use, and what it costs with those before it.
struct Row<'a> {
    key: Key<'a>,
    current: &'a SpecializationReport,
    interpreter_calls: u64,
    time_us: Option<f64>,
}

fn rows(data: &ReportData) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = vec![];
    let all = data.functions.iter();
    for (f, s) in all.flat_map(|f| f.specializations.iter().map(move |s| (f, s))) {
        let key = (f.file.as_str(), f.name.as_str(), s.signature.as_str());
        let (entries, time) = (s.interpreter_calls(), s.time_us);
        match rows.iter_mut().find(|r| r.key == key) {
            Some(row) => {
                row.interpreter_calls += entries;
                row.time_us = row.time_us.zip(time).map(|(a, b)| a + b);
                if s.state == State::InUse {
                    row.current = s;
                }
            }
            None => rows.push(Row {
                key,
                current: s,
                interpreter_calls: entries,
                time_us: time,
            }),
        }
    }
    rows
}

/// Compares two reports of the same program.
pub fn diff(before: &ReportData, after: &ReportData) -> Diff {
    let (old, new) = (rows(before), rows(after));
    let mut keys: Vec<Key<'_>> = old.iter().chain(&new).map(|r| r.key).collect();
    let mut seen = BTreeSet::new();
    keys.retain(|k| seen.insert(*k));
    let changes = keys.into_iter().filter_map(|key| {
        let find = |rows: &'_ [Row<'_>]| rows.iter().position(|r| r.key == key);
        change(key, [find(&old).map(|i| &old[i]), find(&new).map(|i| &new[i])])
    });
    let pair = |f: fn(&ReportData) -> u64| [f(before), f(after)];
    Diff {
        score: [before.totals.score, after.totals.score],
        interpreter_calls: pair(|d| d.totals.interpreter_calls),
        calls: pair(|d| d.totals.calls),
        time_us: [before.totals.time_us, after.totals.time_us],
        compile_us: [before.totals.compile_us, after.totals.compile_us],
        changes: changes.collect(),
    }
}

fn change((file, function, signature): Key<'_>, both: [Option<&Row<'_>>; 2]) -> Option<FunctionDiff> {
    let [had, has] = both.map(|row| reasons(row.map(|r| r.current)));
    let found = FunctionDiff {
        function: function.to_owned(),
        file: file.to_owned(),
        signature: signature.to_owned(),
        tier: both.map(|row| row.map(|r| r.current.tier)),
        interpreter_calls: both.map(|row| row.map_or(0, |r| r.interpreter_calls)),
        time_us: both.map(|row| row.and_then(|r| r.time_us)),
        fixed: had.difference(&has).cloned().collect(),
        new: has.difference(&had).cloned().collect(),
    };
    let same = found.tier[0] == found.tier[1]
        && found.interpreter_calls[0] == found.interpreter_calls[1]
        && found.fixed.is_empty()
        && found.new.is_empty();
    (!same).then_some(found)
}

/// Lines move when a file is edited, so a reason is its code and message.
fn reasons(s: Option<&SpecializationReport>) -> BTreeSet<String> {
    let at_lines = s
        .into_iter()
        .flat_map(|s| s.lines.iter().flat_map(|l| &l.reasons));
    let all = at_lines.chain(s.into_iter().flat_map(|s| &s.reasons));
    all.map(|r: &Reason| format!("{} {}", r.code, r.message))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::tests::sample;

    #[test]
    fn what_differs_is_listed() {
        let before = sample();
        assert!(diff(&before, &before).changes.is_empty());
        let mut functions = before.functions.clone();
        let fixed = &mut functions[0].specializations[1];
        fixed.tier = Tier::Native;
        fixed.lines[0].interpreter_calls = 0;
        fixed.lines[2].reasons.clear();
        fixed.lines[2].tier = Some(Tier::Native);
        functions[0].specializations.remove(0);
        let after = ReportData::new("", "", functions);
        let d = diff(&before, &after);
        assert_eq!((d.score, d.interpreter_calls), ([50, 100], [7, 0]));
        assert_eq!(d.changes.len(), 2);
        assert_eq!(d.changes[0].tier, [Some(Tier::Native), None]);
        assert_eq!(d.changes[1].fixed, ["NL2008 dict[int] is not compiled"]);
    }

    #[test]
    fn a_specialisation_costs_what_those_before_it_did() {
        let before = sample();
        let mut functions = before.functions.clone();
        let mut replaced = functions[0].specializations[1].clone();
        let time = replaced.time_us.unwrap_or_default();
        (replaced.state, replaced.time_us) = (State::Replaced, Some(100.0));
        functions[0].specializations.insert(1, replaced);
        let after = ReportData::new("", "", functions);
        let d = diff(&before, &after);
        assert_eq!(d.changes.len(), 1);
        assert_eq!(d.changes[0].interpreter_calls, [7, 14]);
        assert_eq!(d.changes[0].time_us, [Some(time), Some(time + 100.0)]);
    }
}
