//! Reads the text form of a module: the inverse of [`crate::writer`].
//!
//! The text is line-oriented. Numbers of entities are kept; a number that is skipped leaves a gap that
//! nothing refers to. A reference to something that the text does not define is an error here, every
//! other rule is the verifier's.

mod cursor;
mod function;
#[cfg(test)]
mod tests;

use cranelift_entity::EntityRef;
use numlift_runtime::{ExitReason, FrameInfo, SiteData, SiteKind};

use crate::ir::{FuncId, Module, Site};
use crate::text_types;
use cursor::Cursor;

/// What is wrong with the text, and where (both from 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    pub line: u32,
    pub column: u32,
    pub message: String,
}

impl std::fmt::Display for ParseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for ParseError {}

/// A reference to an entity of the module that may be defined further down.
struct Reference<'a> {
    at: Cursor<'a>,
    to: Target,
}

enum Target {
    Func(FuncId),
    Site(Site),
}

/// Reads a module. It is not verified.
///
/// # Errors
/// The first place that is not understood, or that refers to something undefined.
pub fn parse(text: &str) -> Result<Module, ParseError> {
    let lines = text.lines().enumerate();
    let lines = lines.map(|(i, line)| Cursor::new(line, i as u32 + 1));
    let mut reader = Reader {
        lines: lines.filter(|c| !c.is_end()).collect(),
        next: 0,
        module: Module::default(),
        references: vec![],
        calls: vec![],
    };
    while let Some(c) = reader.next_line() {
        reader.item(c)?;
    }
    reader.resolve()?;
    Ok(reader.module)
}

struct Reader<'a> {
    /// The lines that are not empty.
    lines: Vec<Cursor<'a>>,
    next: usize,
    module: Module,
    references: Vec<Reference<'a>>,
    /// Calls, whose results have the types of the callee's.
    calls: Vec<function::CallResults<'a>>,
}

impl<'a> Reader<'a> {
    fn next_line(&mut self) -> Option<Cursor<'a>> {
        let c = self.lines.get(self.next).copied();
        self.next += 1;
        c
    }

    fn item(&mut self, mut c: Cursor<'a>) -> Result<(), ParseError> {
        if c.at_entity("frame") {
            return self.frame(c);
        }
        if c.at_entity("site") {
            return self.site(c);
        }
        let at = c;
        match c.word("`frame`, `site`, `entry` or `function`")? {
            "entry" => {
                self.module.entry = Some(self.func_ref(&mut c)?);
                c.end()
            }
            "function" => self.function(c),
            word => Err(at.error(format!("expected an item of a module, found `{word}`"))),
        }
    }

    /// `frame0 = "file" "name" "qualified name" @line`
    fn frame(&mut self, mut c: Cursor<'a>) -> Result<(), ParseError> {
        in_order(&mut c, "frame", self.module.frames.len())?;
        c.expect("=")?;
        let [file, name, qualname] = [c.string()?, c.string()?, c.string()?];
        let first_line = c.source_line()?;
        c.end()?;
        self.module.frames.push(FrameInfo {
            file,
            name,
            qualname,
            first_line,
        });
        Ok(())
    }

    /// `site0 = kind frame0 @line`
    fn site(&mut self, mut c: Cursor<'a>) -> Result<(), ParseError> {
        in_order(&mut c, "site", self.module.sites.len())?;
        c.expect("=")?;
        let kind = site_kind(&mut c)?;
        let frame = match c.at_entity("frame") {
            true => c.entity("frame")?,
            false => 0,
        };
        let line = c.source_line()?;
        c.end()?;
        self.module.sites.push(SiteData { kind, frame, line });
        Ok(())
    }

    fn func_ref(&mut self, c: &mut Cursor<'a>) -> Result<FuncId, ParseError> {
        let at = *c;
        let func = FuncId::new(c.entity("fn")? as usize);
        self.references.push(Reference {
            at,
            to: Target::Func(func),
        });
        Ok(func)
    }

    fn site_ref(&mut self, c: &mut Cursor<'a>) -> Result<Site, ParseError> {
        let at = *c;
        let site = Site::new(c.entity("site")? as usize);
        self.references.push(Reference {
            at,
            to: Target::Site(site),
        });
        Ok(site)
    }

    /// Checks the references and gives the results of calls their types.
    fn resolve(&mut self) -> Result<(), ParseError> {
        for r in &self.references {
            match r.to {
                Target::Func(f) if !self.module.funcs.is_valid(f) => {
                    return Err(r.at.error(format!("{f} is not defined")));
                }
                Target::Site(s) if !self.module.sites.is_valid(s) => {
                    return Err(r.at.error(format!("{s} is not defined")));
                }
                Target::Func(_) | Target::Site(_) => {}
            }
        }
        for call in &self.calls {
            call.resolve(&mut self.module)?;
        }
        Ok(())
    }
}

/// The number of an entity that must be the next of its kind.
fn in_order(c: &mut Cursor<'_>, prefix: &str, next: usize) -> Result<(), ParseError> {
    let at = *c;
    match c.entity(prefix)? as usize == next {
        true => Ok(()),
        false => Err(at.error(format!("expected {prefix}{next}: they are listed in order"))),
    }
}

/// `(type, …)`
fn operand_types(c: &mut Cursor<'_>) -> Result<Vec<numlift_types::Type>, ParseError> {
    let at = *c;
    let parts = text_types::split(c.parenthesised()?);
    let parts = parts.iter().filter(|t| !t.trim().is_empty());
    let parse = |t: &&str| {
        text_types::parse(t).ok_or_else(|| at.error(format!("`{}` is not a type of an operand", t.trim())))
    };
    parts.map(parse).collect()
}

fn site_kind(c: &mut Cursor<'_>) -> Result<SiteKind, ParseError> {
    let at = *c;
    Ok(match c.word("a kind of site")? {
        "replay" => {
            let expr = c.string()?;
            let operands = operand_types(c)?;
            SiteKind::Replay { expr, operands }
        }
        "raise" => {
            let exc = c.string()?;
            let args = c.list(Cursor::string)?;
            let cause_none = c.eat_word("from");
            if cause_none && !c.eat_word("none") {
                return Err(c.error("expected `none`"));
            }
            SiteKind::Raise {
                exc,
                args,
                cause_none,
            }
        }
        "exit" => SiteKind::Exit(c.named("a reason to exit", ExitReason::from_name)?),
        "resume" => {
            let point = c.number("the number of a resume point")?;
            let reason = c.named("a reason to exit", ExitReason::from_name)?;
            let operands = operand_types(c)?;
            SiteKind::Resume {
                reason,
                point,
                operands,
            }
        }
        "call" if c.eat_word("lost") => SiteKind::Frame {
            point: None,
            operands: vec![],
        },
        "call" if c.eat_word("at") => SiteKind::Frame {
            point: Some(c.number("the number of a resume point")?),
            operands: operand_types(c)?,
        },
        "call" => SiteKind::Call,
        "helper" => SiteKind::Helper,
        "island" => SiteKind::Island,
        word => return Err(at.error(format!("unknown kind of site `{word}`"))),
    })
}
