//! The data of a report, and what is computed from it: totals, score, suggestions.

use serde::{Deserialize, Serialize};

use crate::suggestions::suggestions;

/// Version of the JSON format.
pub const VERSION: u32 = 1;

/// Everything a report shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReportData {
    /// Of the format: [`VERSION`].
    pub version: u32,
    /// Version of numlift.
    pub numlift: String,
    /// What the report is of: a script or a function.
    pub title: String,
    pub totals: Totals,
    /// The changes that would help most, the best first.
    pub suggestions: Vec<Suggestion>,
    pub functions: Vec<FunctionReport>,
}

/// Sums over all functions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// Percentage of the lines with code that run as machine code, over all specialisations, rounded down.
    pub score: u32,
    /// Percentage of the time of the calls that is machine code's, rounded down; none if it was not measured.
    #[serde(default)]
    pub native_time: Option<u32>,
    pub functions: usize,
    pub specializations: usize,
    pub native: usize,
    pub mixed: usize,
    pub interpreter: usize,
    pub calls: u64,
    /// Entries into the interpreter.
    pub interpreter_calls: u64,
    /// Calls that native code gave up and the interpreter finished.
    pub exits: u64,
    pub compile_us: f64,
    /// Time of the calls, of nested ones twice; none if it was not measured.
    pub time_us: Option<f64>,
    /// The interpreter's part of it.
    #[serde(default)]
    pub interpreter_us: Option<f64>,
}

/// A change that would help.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suggestion {
    pub function: String,
    pub file: String,
    pub line: u32,
    pub code: String,
    pub message: String,
    pub help: String,
    /// Entries into the interpreter that it would save.
    pub interpreter_calls: u64,
    /// Time in the interpreter that it would save; none if it was not measured.
    #[serde(default)]
    pub interpreter_us: Option<f64>,
}

/// A jitted function.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FunctionReport {
    /// Qualified name.
    pub name: String,
    pub file: String,
    /// First line, of the decorator.
    pub line: u32,
    pub specializations: Vec<SpecializationReport>,
}

/// What runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    Native,
    Mixed,
    #[default]
    Interpreter,
}

impl Tier {
    pub fn name(self) -> &'static str {
        match self {
            Tier::Native => "native",
            Tier::Mixed => "mixed",
            Tier::Interpreter => "interpreter",
        }
    }
}

/// Whether calls run a specialisation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    #[default]
    #[serde(rename = "in use")]
    InUse,
    /// One that assumes types which its calls have observed runs instead.
    #[serde(rename = "replaced")]
    Replaced,
    /// What it assumed was wrong too often.
    #[serde(rename = "given up")]
    GivenUp,
}

impl State {
    /// What to say of it; nothing if it is in use.
    pub fn note(self) -> Option<&'static str> {
        match self {
            State::InUse => None,
            State::Replaced => Some("replaced by one that assumes types"),
            State::GivenUp => Some("given up"),
        }
    }
}

/// A type of a variable that calls had observed and the code assumes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Assumption {
    /// Where the variable is bound.
    pub line: u32,
    pub name: String,
    #[serde(rename = "type")]
    pub ty: String,
    /// Values of another type.
    pub misses: u64,
}

/// A function for argument types.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SpecializationReport {
    /// Argument types: `(float64[:, ::1], int)`.
    pub signature: String,
    pub result: Option<String>,
    pub tier: Tier,
    pub state: State,
    /// Types that it assumes.
    pub assumptions: Vec<Assumption>,
    pub calls: u64,
    /// Functions whose code contains it: their calls of it are not counted.
    pub callers: Vec<String>,
    /// Calls that native code gave up and the interpreter finished.
    pub exits: u64,
    /// Time of its calls; none if it was not measured.
    pub time_us: Option<f64>,
    /// The interpreter's part of it.
    #[serde(default)]
    pub interpreter_us: Option<f64>,
    pub compile_us: f64,
    pub stages: Vec<Stage>,
    /// The lines of the function, from its decorator to its end.
    pub lines: Vec<LineReport>,
    /// Reasons that are not at a line of the function: about all of it, or in functions it calls.
    pub reasons: Vec<Reason>,
    pub code: Code,
}

/// Time of a stage of the compiler.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    pub name: String,
    pub us: f64,
}

/// A line of source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LineReport {
    pub line: u32,
    pub source: String,
    /// What runs it; none where there is no code.
    pub tier: Option<Tier>,
    /// Entries into the interpreter at this line. A function that the interpreter runs as a whole is entered at its
    /// first line, once per call.
    pub interpreter_calls: u64,
    /// How often the interpreter came to the line, of a function that it runs as a whole; none if it was not counted.
    #[serde(default)]
    pub hits: Option<u64>,
    /// Time in the interpreter at this line; none if it was not measured.
    pub interpreter_us: Option<f64>,
    /// First line of the island that it belongs to: the entries are counted there.
    pub island: Option<u32>,
    pub types: Vec<Variable>,
    pub reasons: Vec<Reason>,
    pub remarks: Vec<Remark>,
    /// The reason that makes it dynamic, wherever that is.
    #[serde(skip)]
    pub cause: Option<Cause>,
}

/// Which reason it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    pub line: u32,
    pub code: String,
    pub message: String,
}

impl Cause {
    /// Whether it is this reason.
    pub fn is(&self, reason: &Reason) -> bool {
        (self.line, &self.code, &self.message) == (reason.line, &reason.code, &reason.message)
    }
}

impl LineReport {
    /// How often the interpreter came to it: where statements are counted, these; else entries.
    pub fn came(&self) -> u64 {
        self.hits.unwrap_or(self.interpreter_calls)
    }
}

/// Type of a variable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Variable {
    pub name: String,
    #[serde(rename = "type")]
    pub ty: String,
}

/// Why something is not machine code.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    pub code: String,
    pub message: String,
    pub help: String,
    /// Where, if it is not at a line of the function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line it is about: an island may be one because of a line before it.
    pub line: u32,
    /// 1-based, in characters; 0 if the whole line is meant.
    pub column: u32,
    pub length: u32,
}

/// What the optimiser did or could not do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Remark {
    pub pass: String,
    pub message: String,
    /// How often at this line.
    pub count: u32,
}

/// Code of each stage as lines of text, each with the source line it comes from (0: none).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Code {
    pub mir: Vec<(u32, String)>,
    pub clif: Vec<(u32, String)>,
    pub asm: Vec<(u32, String)>,
}

impl ReportData {
    /// A report of these functions.
    pub fn new(numlift: &str, title: &str, mut functions: Vec<FunctionReport>) -> ReportData {
        for s in functions.iter_mut().flat_map(|f| &mut f.specializations) {
            s.interpreter_us = s.time_in_interpreter();
        }
        ReportData {
            version: VERSION,
            numlift: numlift.to_owned(),
            title: title.to_owned(),
            totals: totals(&functions),
            suggestions: suggestions(&functions),
            functions,
        }
    }
}

impl SpecializationReport {
    /// Entries into the interpreter.
    pub fn interpreter_calls(&self) -> u64 {
        self.lines.iter().map(|l| l.interpreter_calls).sum()
    }

    /// Time in the interpreter; none if the time of calls was not measured.
    fn time_in_interpreter(&self) -> Option<f64> {
        let all = self.time_us?;
        Some(match self.tier {
            Tier::Native => 0.0,
            Tier::Mixed => self
                .lines
                .iter()
                .filter_map(|l| l.interpreter_us)
                .sum::<f64>()
                .min(all),
            Tier::Interpreter => all,
        })
    }

    /// The first line of the island that a line belongs to.
    pub(crate) fn island(&self, line: &LineReport) -> Option<&LineReport> {
        let first = line.island?;
        self.lines.iter().find(|l| l.line == first)
    }

    /// Lines that run as machine code, and lines with code.
    pub fn coverage(&self) -> (usize, usize) {
        let native = self.lines.iter().filter(|l| l.tier == Some(Tier::Native)).count();
        (native, self.lines.iter().filter(|l| l.tier.is_some()).count())
    }
}

fn totals(functions: &[FunctionReport]) -> Totals {
    let mut t = Totals {
        functions: functions.len(),
        ..Totals::default()
    };
    let (mut native, mut lines) = (0, 0);
    for s in functions.iter().flat_map(|f| &f.specializations) {
        t.specializations += 1;
        match s.tier {
            Tier::Native => t.native += 1,
            Tier::Mixed => t.mixed += 1,
            Tier::Interpreter => t.interpreter += 1,
        }
        t.calls += s.calls;
        t.exits += s.exits;
        t.compile_us += s.compile_us;
        t.interpreter_calls += s.interpreter_calls();
        if let Some(us) = s.time_us {
            *t.time_us.get_or_insert(0.0) += us;
        }
        if let Some(us) = s.interpreter_us {
            *t.interpreter_us.get_or_insert(0.0) += us;
        }
        if s.state != State::InUse {
            continue;
        }
        let (of_it, all) = s.coverage();
        native += of_it;
        lines += all;
    }
    t.score = (100 * native).checked_div(lines).unwrap_or(100) as u32;
    let times = t.time_us.zip(t.interpreter_us).filter(|(all, _)| *all > 0.0);
    t.native_time = times.map(|(all, interpreter)| (100.0 * (all - interpreter) / all) as u32);
    t
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn line(number: u32, source: &str, tier: Option<Tier>) -> LineReport {
        LineReport {
            line: number,
            source: source.to_owned(),
            tier,
            ..LineReport::default()
        }
    }

    /// One function with a native and an interpreted specialisation.
    pub fn sample() -> ReportData {
        let native = SpecializationReport {
            signature: "(float64[:], int)".to_owned(),
            result: Some("float".to_owned()),
            tier: Tier::Native,
            calls: 1000,
            compile_us: 2500.0,
            stages: vec![Stage {
                name: "typeck".to_owned(),
                us: 2500.0,
            }],
            lines: vec![
                line(3, "@jit", None),
                line(4, "def f(a, n):", None),
                LineReport {
                    types: vec![Variable {
                        name: "a".to_owned(),
                        ty: "float64[:]".to_owned(),
                    }],
                    remarks: vec![Remark {
                        pass: "checks".to_owned(),
                        message: "bounds check kept".to_owned(),
                        count: 1,
                    }],
                    ..line(5, "    return a[n]", Some(Tier::Native))
                },
            ],
            code: Code {
                mir: vec![
                    (0, "function fn0 {".to_owned()),
                    (5, "  v1 = load.f64 v0".to_owned()),
                ],
                ..Code::default()
            },
            ..SpecializationReport::default()
        };
        let mut interpreted = native.clone();
        interpreted.signature = "(dict, int)".to_owned();
        interpreted.tier = Tier::Interpreter;
        interpreted.calls = 7;
        interpreted.time_us = Some(40.0);
        interpreted.lines[0].interpreter_calls = 7;
        interpreted.lines[2] = LineReport {
            reasons: vec![Reason {
                code: "NL2008".to_owned(),
                message: "dict[int] is not compiled".to_owned(),
                help: "index with integers".to_owned(),
                file: None,
                line: 5,
                column: 12,
                length: 4,
            }],
            ..line(5, "    return a[n]", Some(Tier::Interpreter))
        };
        ReportData::new(
            "0.1.0",
            "m.py",
            vec![FunctionReport {
                name: "f".to_owned(),
                file: "m.py".to_owned(),
                line: 3,
                specializations: vec![native, interpreted],
            }],
        )
    }

    #[test]
    fn totals_and_suggestions() {
        let data = sample();
        let t = &data.totals;
        assert_eq!(
            (t.score, t.functions, t.specializations, t.native, t.interpreter),
            (50, 1, 2, 1, 1)
        );
        assert_eq!((t.calls, t.interpreter_calls, t.time_us), (1007, 7, Some(40.0)));
        assert_eq!(data.suggestions.len(), 1);
        let s = &data.suggestions[0];
        assert_eq!((s.code.as_str(), s.line, s.interpreter_calls), ("NL2008", 5, 7));
        assert_eq!(ReportData::new("", "", vec![]).totals.score, 100);
    }

    #[test]
    fn json_is_read_back() {
        let data = sample();
        let text = crate::json(&data).expect("plain data");
        assert_eq!(crate::from_json(&text), Ok(data));
        assert!(crate::from_json(&text.replace("\"version\": 1", "\"version\": 99")).is_err());
        assert!(crate::from_json("{").is_err());
    }
}
