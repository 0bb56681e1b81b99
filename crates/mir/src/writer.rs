//! The text form of a module: what `Display` prints and [`crate::reader`] reads back.
//!
//! Everything of a module that has a meaning is printed, numbers of values, blocks, slots and sites as
//! they are. The operations are in the table of `ops`; `tests/filetests` has examples.

use std::fmt::{self, Display, Formatter, Write as _};

use numlift_runtime::{FrameInfo, SiteData, SiteKind, helpers};

use crate::builder::helper_ty;
use crate::ir::{Block, BlockCall, FuncId, Function, Imm, InstData, Module, Region, Site, Ty, Value};
use crate::ops::Opcode;
use crate::text_types::Spelled;

/// Column of the `@line` marks.
const LINE_COLUMN: usize = 56;

impl Display for Module {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (i, frame) in self.frames.iter().enumerate() {
            write_frame(f, i, frame)?;
        }
        for (site, data) in self.sites.iter() {
            write_site(f, site, data)?;
        }
        if let Some(entry) = self.entry {
            writeln!(f, "entry {entry}")?;
        }
        for (id, func) in self.funcs.iter() {
            if id.as_u32() > 0 || !self.sites.is_empty() || !self.frames.is_empty() || self.entry.is_some() {
                writeln!(f)?;
            }
            write_function(f, Some(id), func)?;
        }
        Ok(())
    }
}

/// A function alone, without its number.
impl Display for Function {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_function(f, None, self)
    }
}

fn write_frame(f: &mut Formatter<'_>, index: usize, frame: &FrameInfo) -> fmt::Result {
    let FrameInfo {
        file,
        name,
        qualname,
        first_line,
    } = frame;
    writeln!(f, "frame{index} = {file:?} {name:?} {qualname:?} @{first_line}")
}

fn write_site(f: &mut Formatter<'_>, site: Site, data: &SiteData) -> fmt::Result {
    write!(f, "{site} = ")?;
    match &data.kind {
        SiteKind::Replay { expr, operands } => {
            let types: Vec<_> = operands.iter().map(Spelled).collect();
            write!(f, "replay {expr:?} ({})", List(&types))?;
        }
        SiteKind::Raise {
            exc,
            args,
            cause_none,
        } => {
            let args: Vec<_> = args.iter().map(|a| format!("{a:?}")).collect();
            write!(f, "raise {exc:?}({})", List(&args))?;
            if *cause_none {
                f.write_str(" from none")?;
            }
        }
        SiteKind::Exit(reason) => write!(f, "exit {}", reason.name())?,
        SiteKind::Resume {
            reason,
            point,
            operands,
        } => {
            let types: Vec<_> = operands.iter().map(Spelled).collect();
            write!(f, "resume {point} {} ({})", reason.name(), List(&types))?;
        }
        SiteKind::Call => f.write_str("call")?,
        SiteKind::Frame { point: None, .. } => f.write_str("call lost")?,
        SiteKind::Frame {
            point: Some(point),
            operands,
        } => {
            let types: Vec<_> = operands.iter().map(Spelled).collect();
            write!(f, "call at {point} ({})", List(&types))?;
        }
        SiteKind::Helper => f.write_str("helper")?,
        SiteKind::Island => f.write_str("island")?,
    }
    if data.frame != 0 {
        write!(f, " frame{}", data.frame)?;
    }
    if data.line != 0 {
        write!(f, " @{}", data.line)?;
    }
    writeln!(f)
}

fn write_function(f: &mut Formatter<'_>, id: Option<FuncId>, func: &Function) -> fmt::Result {
    f.write_str("function ")?;
    if let Some(id) = id {
        write!(f, "{id} ")?;
    }
    let names = |types: &[Ty]| types.iter().map(|t| t.name()).collect::<Vec<_>>();
    write!(f, "{:?}({})", func.name, List(&names(&func.params)))?;
    if !func.results.is_empty() {
        write!(f, " -> {}", List(&names(&func.results)))?;
    }
    if func.recursive {
        f.write_str(" recursive")?;
        if let Some(site) = func.recursion_site {
            write!(f, " {site}")?;
        }
    }
    writeln!(f, " {{")?;
    for (slot, data) in func.slots.iter() {
        let kind = match (data.owner, data.array) {
            (true, _) => "owner",
            (_, true) => "array",
            _ => "slot",
        };
        writeln!(f, "  {slot} = {kind} {}", data.bytes)?;
    }
    for &b in &func.layout {
        write_block(f, func, b)?;
    }
    writeln!(f, "}}")
}

fn write_block(f: &mut Formatter<'_>, func: &Function, b: Block) -> fmt::Result {
    let data = &func.blocks[b];
    write!(f, "{b}")?;
    if !data.params.is_empty() {
        let params: Vec<_> = data
            .params
            .iter()
            .map(|&v| format!("{v}: {}", func.ty(v).name()))
            .collect();
        write!(f, "({})", List(&params))?;
    }
    writeln!(f, "{}:", if data.cold { " cold" } else { "" })?;
    let mut line = String::new();
    for &i in &data.insts {
        let inst = &func.insts[i];
        line.clear();
        write!(line, "  {inst}")?;
        match inst.line {
            0 => writeln!(f, "{line}")?,
            n => writeln!(f, "{line:LINE_COLUMN$} @{n}")?,
        }
    }
    Ok(())
}

impl Display for InstData {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if !self.results.is_empty() {
            write!(f, "{} = ", List(&self.results))?;
        }
        f.write_str(self.op.name())?;
        if implied_ty(self.op, &self.imm) != Some(self.ty) {
            write!(f, ".{}", self.ty.name())?;
        }
        write_operands(f, self)?;
        for c in self.inlined() {
            write!(f, " in {}({})", c.site, List::<Value>(&c.recorded))?;
        }
        match self.landing() {
            Some(l) if l.values.is_empty() => write!(f, " else {} {}", l.block, l.slot),
            Some(l) => write!(f, " else {} {}({})", l.block, l.slot, List::<Value>(&l.values)),
            None => Ok(()),
        }
    }
}

/// The controlling type, where operation and immediate leave no choice.
pub(crate) fn implied_ty(op: Opcode, imm: &Imm) -> Option<Ty> {
    match imm {
        Imm::Helper { helper, .. } => Some(helpers::sig(*helper).ret.map_or(Ty::I64, helper_ty)),
        _ => op.class().only(),
    }
}

/// The arguments and the immediate, each after a space.
fn write_operands(f: &mut Formatter<'_>, d: &InstData) -> fmt::Result {
    let args = |f: &mut Formatter<'_>| match d.args.is_empty() {
        true => Ok(()),
        false => write!(f, " {}", List(&d.args)),
    };
    match &d.imm {
        Imm::None => args(f),
        Imm::Int(n) => write!(f, " {n}").and_then(|()| args(f)),
        Imm::Float(bits) => write!(f, " {}", Float(*bits)).and_then(|()| args(f)),
        Imm::IntCC(cc) => write!(f, " {}", cc.name()).and_then(|()| args(f)),
        Imm::FloatCC(cc) => write!(f, " {}", cc.name()).and_then(|()| args(f)),
        Imm::Slot(slot) => write!(f, " {slot}").and_then(|()| args(f)),
        Imm::Mem { disp, region } => {
            if *region != Region::Any {
                write!(f, " {region}")?;
            }
            args(f)?;
            match disp {
                0 => Ok(()),
                n => write!(f, "{n:+}"),
            }
        }
        Imm::Site(site) => {
            let (own, operands) = d.args.split_at(d.op.own_args().min(d.args.len()));
            if !own.is_empty() {
                write!(f, " {}", List(own))?;
            }
            if !operands.is_empty() {
                write!(f, " ({})", List(operands))?;
            }
            write!(f, " {site}")
        }
        Imm::Helper { helper, site } => {
            write!(f, " {}({})", helpers::sig(*helper).name, List(&d.args))?;
            site.map_or(Ok(()), |s| write!(f, " {s}"))
        }
        Imm::Call { func, site, levels } => {
            write!(f, " {func}")?;
            if *levels > 0 {
                write!(f, "+{levels}")?;
            }
            write!(f, "({}) {site}", List(&d.args))
        }
        Imm::Jump(t) => args(f).and_then(|()| write!(f, " {t}")),
        Imm::Branch(t, e) => args(f).and_then(|()| write!(f, ", {t}, {e}")),
    }
}

impl Display for BlockCall {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.block)?;
        match self.args.is_empty() {
            true => Ok(()),
            false => write!(f, "({})", List::<Value>(&self.args)),
        }
    }
}

/// Items between commas.
struct List<'a, T>(&'a [T]);

impl<T: Display> Display for List<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (i, x) in self.0.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { ", " })?;
            x.fmt(f)?;
        }
        Ok(())
    }
}

/// The shortest digits that give the same bits; a NaN by its bits.
struct Float(u64);

impl Display for Float {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let x = f64::from_bits(self.0);
        match x.is_nan() {
            true => write!(f, "nan:{:#018x}", self.0),
            false => write!(f, "{x:?}"),
        }
    }
}
