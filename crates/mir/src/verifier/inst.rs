//! The rules of one instruction, read off the table of operations.

use numlift_runtime::abi::MAX_OPERANDS;
use numlift_runtime::{HelperId, HelperType, SiteKind, helpers};

use super::Checker;
use crate::builder::helper_ty;
use crate::flatten::flat_tys;
use crate::ir::{BlockCall, FuncId, Imm, InstData, Region, Site, Slot, Ty, Value, ValueDef};
use crate::ops::{Format, Opcode, Operand, Rest};
use crate::{Landing, Unwind};

impl Checker<'_> {
    pub(super) fn inst(&self, d: &InstData) -> Result<(), String> {
        if !has_format(d.op.format(), &d.imm) {
            return Err(format!("an immediate of another format than {:?}", d.op.format()));
        }
        if !d.op.class().contains(d.ty) {
            return Err(format!("does not exist for {}", d.ty.name()));
        }
        let (args, results) = (d.op.args(), d.op.result_types());
        self.fixed("argument", &d.args, args, d.ty)?;
        self.fixed("result", &d.results, results, d.ty)?;
        self.immediate(d)?;
        d.unwind.as_ref().map_or(Ok(()), |u| self.unwind(d, u))
    }

    /// Inlined calls record what they would have; what lands raises, by itself or as one of them.
    fn unwind(&self, d: &InstData, u: &Unwind) -> Result<(), String> {
        let site = match d.imm {
            Imm::Site(site) | Imm::Call { site, .. } | Imm::Helper { site: Some(site), .. } => site,
            _ => return Err("a way out without a site".into()),
        };
        for c in &u.inlined {
            let want = self.recorded(c.site)?;
            self.types(&format!("what {} records", c.site), &c.recorded, &want)?;
        }
        let raises = u.inlined.last().map_or(site, |c| c.site);
        u.landing.as_ref().map_or(Ok(()), |l| self.landing(raises, l))
    }

    /// A landing is of what raises, and its slot has room.
    fn landing(&self, site: Site, l: &Landing) -> Result<(), String> {
        if matches!(self.site_kind(site)?, SiteKind::Exit(_) | SiteKind::Resume { .. }) {
            return Err(format!("{site} is an exit, which lands nowhere"));
        }
        self.slot(l.slot)?;
        match self.f.slots[l.slot].bytes as usize >= 8 * l.values.len() {
            true => Ok(()),
            false => Err(format!("{} values for {}", l.values.len(), l.slot)),
        }
    }

    /// The arguments or results that the table lists; no others unless something follows them.
    fn fixed(
        &self,
        what: &str,
        values: &[Value],
        (want, rest): (&[Operand], Rest),
        ty: Ty,
    ) -> Result<(), String> {
        if values.len() < want.len() || rest == Rest::None && values.len() > want.len() {
            return Err(format!("{} {what}s, not {}", values.len(), want.len()));
        }
        for (n, (&v, operand)) in values.iter().zip(want).enumerate() {
            let have = self.f.ty(v);
            if !operand.accepts(have, ty) {
                let want = operand.describe(ty);
                return Err(format!("{what} {}: {}, not {want}", n + 1, have.name()));
            }
        }
        Ok(())
    }

    /// The immediate, and the arguments and results that depend on it.
    fn immediate(&self, d: &InstData) -> Result<(), String> {
        match &d.imm {
            Imm::Int(n) => constant(d, *n),
            Imm::Float(bits) => float_constant(d.ty, f64::from_bits(*bits)),
            Imm::Slot(slot) => self.slot(*slot),
            Imm::Mem { disp, region } => self.access(d, *disp, *region),
            Imm::Site(site) => self.site(d, *site),
            Imm::Helper { helper, site } => self.helper(d, *helper, *site),
            Imm::Call { func, site, .. } => self.call(d, *func, *site),
            Imm::Jump(t) => self.target(t),
            Imm::Branch(t, e) => self.target(t).and_then(|()| self.target(e)),
            Imm::None if d.op == Opcode::Return => self.types("results", &d.args, &self.f.results),
            Imm::None | Imm::IntCC(_) | Imm::FloatCC(_) => Ok(()),
        }
    }

    fn target(&self, t: &BlockCall) -> Result<(), String> {
        let params = &self.f.blocks[t.block].params;
        let want: Vec<Ty> = params.iter().map(|v| self.f.ty(*v)).collect();
        self.types(&format!("arguments of {}", t.block), &t.args, &want)
    }

    fn slot(&self, slot: Slot) -> Result<(), String> {
        match self.f.slots.is_valid(slot) {
            true => Ok(()),
            false => Err(format!("{slot} does not exist")),
        }
    }

    /// Accesses of slots are told from others by their region alone.
    fn access(&self, d: &InstData, disp: i32, region: Region) -> Result<(), String> {
        let Some(slot) = d.args.last().and_then(|v| self.slot_at(*v)) else {
            return Ok(());
        };
        if region != Region::Stack {
            return Err(format!("an access of {slot} with the region {region}"));
        }
        let Some(data) = self.f.slots.get(slot).filter(|s| !s.array) else {
            return Ok(());
        };
        let bytes = data.bytes;
        match u32::try_from(disp).is_ok_and(|at| u64::from(at) + u64::from(d.ty.bytes()) <= u64::from(bytes))
        {
            true => Ok(()),
            false => Err(format!(
                "{} bytes at {disp} of {slot}, which has {bytes}",
                d.ty.bytes()
            )),
        }
    }

    fn slot_at(&self, v: Value) -> Option<Slot> {
        match self.f.values[v].def {
            ValueDef::Result(i, _) => match self.f.insts.get(i)?.imm {
                Imm::Slot(slot) => Some(slot),
                _ => None,
            },
            ValueDef::Param(..) => None,
        }
    }

    /// The site of a check, of `fail` or of a safepoint, and the operands recorded there.
    fn site(&self, d: &InstData, site: Site) -> Result<(), String> {
        let operands = &d.args[d.op.own_args()..];
        let kind = self.site_kind(site)?;
        if d.op == Opcode::Safepoint {
            return is_of(site, kind, &SiteKind::Helper);
        }
        let unbounded = matches!(kind, SiteKind::Resume { .. });
        if operands.len() > MAX_OPERANDS && !unbounded {
            return Err(format!(
                "{} operands, at most {MAX_OPERANDS} are recorded",
                operands.len()
            ));
        }
        let what = format!("operands of {site}");
        match kind {
            SiteKind::Replay { operands: types, .. } => {
                let want: Vec<Ty> = types.iter().flat_map(flat_tys).collect();
                self.types(&what, operands, &want)
            }
            SiteKind::Raise { .. } => self.types(&what, operands, &[]),
            SiteKind::Resume { operands: types, .. } => {
                let values = types.iter().flat_map(flat_tys);
                let want: Vec<Ty> = std::iter::once(Ty::I8).chain(values).collect();
                self.types(&what, operands, &want)
            }
            SiteKind::Exit(_) => self.types(&what, operands, &[Ty::I8]),
            SiteKind::Call | SiteKind::Frame { .. } => Err(format!("{site} is of a call, not of a check")),
            SiteKind::Helper => Err(format!("{site} is of a helper, not of a check")),
            SiteKind::Island => Err(format!("{site} is of an island, not of a check")),
        }
    }

    fn helper(&self, d: &InstData, helper: HelperId, site: Option<Site>) -> Result<(), String> {
        if usize::from(helper.0) >= helpers::count() {
            return Err(format!("no helper {}", helper.0));
        }
        let sig = helpers::sig(helper);
        let types = |types: &[HelperType]| types.iter().map(|t| helper_ty(*t)).collect::<Vec<_>>();
        self.types(&format!("arguments of {}", sig.name), &d.args, &types(sig.params))?;
        self.types(
            &format!("results of {}", sig.name),
            &d.results,
            &types(sig.ret.as_slice()),
        )?;
        let want = sig.ret.map_or(Ty::I64, helper_ty);
        if d.ty != want {
            return Err(format!("of type {}, not {}", d.ty.name(), want.name()));
        }
        match (site, sig.fallible) {
            (Some(site), true) if sig.name == "py_island" => {
                is_of(site, self.site_kind(site)?, &SiteKind::Island)
            }
            (Some(site), true) => is_of(site, self.site_kind(site)?, &SiteKind::Helper),
            (None, true) => Err(format!("{} can fail and has no site", sig.name)),
            (Some(site), false) => Err(format!("{} cannot fail and has {site}", sig.name)),
            (None, false) => Ok(()),
        }
    }

    fn call(&self, d: &InstData, func: FuncId, site: Site) -> Result<(), String> {
        let callee = self.module.funcs.get(func);
        let callee = callee.ok_or_else(|| format!("{func} does not exist"))?;
        let want = [callee.params.as_slice(), &self.recorded(site)?].concat();
        self.types(&format!("arguments of {func}"), &d.args, &want)?;
        self.types(&format!("results of {func}"), &d.results, &callee.results)
    }

    /// What the site of a call records: the effects flag, then values of its types.
    fn recorded(&self, site: Site) -> Result<Vec<Ty>, String> {
        let operands = match self.site_kind(site)? {
            SiteKind::Frame { operands, .. } => operands.as_slice(),
            kind => {
                is_of(site, kind, &SiteKind::Call)?;
                &[]
            }
        };
        let values = operands.iter().flat_map(flat_tys);
        Ok(std::iter::once(Ty::I8).chain(values).collect())
    }
}

/// A site of a call, whose kind has no more to say.
fn is_of(site: Site, have: &SiteKind, want: &SiteKind) -> Result<(), String> {
    let what = match want {
        SiteKind::Call => "a call",
        SiteKind::Island => "an island",
        _ => "a helper",
    };
    match have == want {
        true => Ok(()),
        false => Err(format!("{site} is not of {what}")),
    }
}

fn constant(d: &InstData, n: i64) -> Result<(), String> {
    match d.op {
        Opcode::ObjectAddr if n < -1 => Err(format!("{n} is not the index of an object")),
        Opcode::Iconst if d.ty.wrap(n) != n => Err(format!("{n} is not an {}", d.ty.name())),
        Opcode::Extract | Opcode::Insert if !(0..i64::from(d.ty.lanes())).contains(&n) => {
            Err(format!("{} has no lane {n}", d.ty.name()))
        }
        _ => Ok(()),
    }
}

fn float_constant(ty: Ty, x: f64) -> Result<(), String> {
    match ty == Ty::F32 && !x.is_nan() && f64::from(x as f32).to_bits() != x.to_bits() {
        true => Err(format!("{x:?} is not an f32")),
        false => Ok(()),
    }
}

fn has_format(format: Format, imm: &Imm) -> bool {
    match format {
        Format::Plain => matches!(imm, Imm::None),
        Format::IntConst | Format::Lane => matches!(imm, Imm::Int(_)),
        Format::FloatConst => matches!(imm, Imm::Float(_)),
        Format::IntCmp => matches!(imm, Imm::IntCC(_)),
        Format::FloatCmp => matches!(imm, Imm::FloatCC(_)),
        Format::Mem => matches!(imm, Imm::Mem { .. }),
        Format::Site => matches!(imm, Imm::Site(_)),
        Format::Helper => matches!(imm, Imm::Helper { .. }),
        Format::Call => matches!(imm, Imm::Call { .. }),
        Format::Slot => matches!(imm, Imm::Slot(_)),
        Format::Jump => matches!(imm, Imm::Jump(_)),
        Format::Branch => matches!(imm, Imm::Branch(..)),
    }
}
