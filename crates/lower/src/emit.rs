//! What every part of lowering needs while it emits MIR: the builder, the site table, the effects flag.

use std::cell::OnceCell;
use std::rc::Rc;

use cranelift_entity::PrimaryMap;
pub use numlift_mir::flatten::{carrier_tys, flat_tys};
use numlift_mir::{Builder, IntCC, Opcode, Site, Slot, Ty, Value};
use numlift_runtime::{ExitReason, ResumePoint, SiteData, SiteKind, helpers};
use numlift_types::{Scalar, Type};
use smallvec::SmallVec;

use crate::func::{AtIsland, Cell, Var};

/// The machine values of one value, flattened as `numlift_runtime::abi` says
/// (a complex number has two, an array data, shape, strides, owner).
pub type Vals = SmallVec<[Value; 4]>;

/// Emission state of one function.
pub struct Emit<'m> {
    pub b: Builder,
    pub sites: &'m mut PrimaryMap<Site, SiteData>,
    /// Index of this function in the frame table.
    pub frame: u32,
    /// 1 (i8) once an effect has been done in this call; recorded at exits.
    pub effects: Value,
    /// `overflow="wrap"`: Python ints wrap at 64 bits.
    pub wrap: bool,
    /// It may have effects, behind which exits go on in the interpreter.
    pub tracked: bool,
    /// Where the interpreter can go on at an exit.
    pub resume: Option<Rc<Frame>>,
    /// Resume points of the module.
    pub points: &'m mut Vec<ResumePoint>,
    /// The variables, where code is emitted.
    pub(crate) vars: Vec<Var>,
    /// What may raise in the innermost `try` or handler; without one it leaves the function.
    pub(crate) raised: Option<Vec<Raised>>,
    /// `raised` is of the function as a whole, where only those with stale cells are of interest.
    pub(crate) stale_only: bool,
    pub(crate) cells: Vec<Cell>,
    /// What each cell has, if it is known: its variable as it was when it was put there.
    pub(crate) settled: Vec<Option<Var>>,
    /// There may be functions that look at the cells.
    pub(crate) observed: bool,
    /// The first line where an exit behind an effect would be lost.
    pub lost: Option<u32>,
    scratch: Option<(Slot, u32)>,
}

/// A place in a `try` or handler that may raise.
#[derive(Debug)]
pub(crate) struct Raised {
    pub site: Site,
    /// The variables there.
    pub vars: Vec<Var>,
    /// The effects flag; `None`: it has had one for sure.
    pub effects: Option<Value>,
    pub island: Option<AtIsland>,
}

/// The state at the start of a statement, or in it.
#[derive(Debug)]
pub struct Frame {
    pub point: ResumePoint,
    /// Types and values that exits record.
    pub types: Vec<Type>,
    pub vals: Vals,
    /// The effects flag there.
    pub effects: Value,
    /// Its number, once an exit uses it.
    pub number: OnceCell<u32>,
}

impl<'m> Emit<'m> {
    pub fn new(
        b: Builder,
        sites: &'m mut PrimaryMap<Site, SiteData>,
        points: &'m mut Vec<ResumePoint>,
        frame: u32,
        effects: Value,
        wrap: bool,
    ) -> Self {
        Emit {
            b,
            sites,
            frame,
            effects,
            wrap,
            tracked: false,
            resume: None,
            points,
            vars: vec![],
            raised: None,
            stale_only: false,
            cells: vec![],
            settled: vec![],
            observed: false,
            lost: None,
            scratch: None,
        }
    }

    /// A new site at the current line.
    pub fn site(&mut self, kind: SiteKind) -> Site {
        let raises = !matches!(kind, SiteKind::Exit(_) | SiteKind::Resume { .. })
            && (!self.stale_only || self.has_stale_cells());
        let site = self.sites.push(SiteData {
            kind,
            frame: self.frame,
            line: self.b.line(),
        });
        if let (true, Some(raised)) = (raises, &mut self.raised) {
            raised.push(Raised {
                site,
                vars: self.vars.clone(),
                effects: Some(self.effects),
                island: None,
            });
        }
        site
    }

    /// What raises since `count` places were known may have had an effect before.
    pub(crate) fn raises_behind_effect(&mut self, count: usize) {
        let raised = self.raised.iter_mut().flatten().skip(count);
        raised.for_each(|r| r.effects = None);
    }

    /// How many places may raise.
    pub(crate) fn raising(&self) -> usize {
        self.raised.as_ref().map_or(0, Vec::len)
    }

    /// The site of an exit and its operands. Behind an effect the interpreter goes on from where the frame was
    /// taken, if there has been no effect since.
    fn exit(&mut self, reason: ExitReason) -> (Site, Vals) {
        let mut operands = Vals::from_slice(&[self.effects]);
        let clean = self.b.func.int_const(self.effects) == Some(0);
        let frame = self
            .resume
            .clone()
            .filter(|f| !clean && f.effects == self.effects);
        let Some(frame) = frame else {
            if !clean && self.tracked {
                self.lost();
            }
            return (self.site(SiteKind::Exit(reason)), operands);
        };
        let point = self.point(&frame);
        operands.extend_from_slice(&frame.vals);
        let kind = SiteKind::Resume {
            reason,
            point,
            operands: frame.types.clone(),
        };
        (self.site(kind), operands)
    }

    /// There may be an effect here, and no state that the interpreter could go on with.
    pub fn lost(&mut self) {
        self.lost.get_or_insert(self.b.line());
    }

    /// Whether the interpreter can repeat the call, or go on.
    pub fn can_exit(&self) -> bool {
        let clean = !self.tracked || self.b.func.int_const(self.effects) == Some(0);
        clean || self.resume.as_ref().is_some_and(|f| f.effects == self.effects)
    }

    /// The number of a frame's resume point.
    pub fn point(&mut self, frame: &Frame) -> u32 {
        *frame.number.get_or_init(|| {
            self.points.push(frame.point.clone());
            self.points.len() as u32 - 1
        })
    }

    /// Leaves to the interpreter unless `cond` (i8) is nonzero.
    pub fn exit_unless(&mut self, cond: Value, reason: ExitReason) {
        let (site, operands) = self.exit(reason);
        self.b.check(Opcode::Guard, &[cond], &operands, site);
    }

    /// Exact Python int operation (`IaddChk`, `IsubChk`, `ImulChk`); wraps under `overflow="wrap"`.
    pub fn int_op(&mut self, checked: Opcode, wrapping: Opcode, a: Value, b: Value) -> Value {
        if self.wrap {
            return self.b.op(wrapping, &[a, b]);
        }
        let (site, operands) = self.exit(ExitReason::Overflow);
        self.b.checked(checked, &[a, b], &operands, site)
    }

    /// Fails with the error that evaluating `expr` in Python raises (operands named a, b, c...) unless `cond`.
    pub fn replay_unless(&mut self, cond: Value, expr: &str, operands: &[(Scalar, &Vals)]) {
        let types = operands.iter().map(|(s, _)| Type::Scalar(*s)).collect();
        let site = self.site(SiteKind::Replay {
            expr: expr.to_owned(),
            operands: types,
        });
        let vals: Vals = operands.iter().flat_map(|(_, v)| v.iter().copied()).collect();
        self.b.check(Opcode::Guard, &[cond], &vals, site);
    }

    /// Fails with `exc(message)` unless `cond`.
    pub fn raise_unless(&mut self, cond: Value, exc: &str, message: &str) {
        let kind = SiteKind::Raise {
            exc: exc.to_owned(),
            args: vec![format!("{message:?}")],
            cause_none: false,
        };
        let site = self.site(kind);
        self.b.check(Opcode::Guard, &[cond], &[], site);
    }

    /// Calls an infallible helper by name.
    pub fn helper(&mut self, name: &str, args: &[Value]) -> Option<Value> {
        let id = helpers::find(name).unwrap_or_else(|| panic!("helper {name} is in the table"));
        self.b.call_helper(id, args, None)
    }

    /// Calls a fallible helper by name.
    pub fn helper_fallible(&mut self, name: &str, args: &[Value]) {
        let id = helpers::find(name).unwrap_or_else(|| panic!("helper {name} is in the table"));
        let site = self.site(SiteKind::Helper);
        self.b.call_helper(id, args, Some(site));
    }

    /// Address of a scratch slot of at least `bytes`, shared by all short uses.
    pub fn scratch(&mut self, bytes: u32) -> Value {
        let slot = match self.scratch {
            Some((s, n)) if n >= bytes => s,
            _ => {
                let s = self.b.create_slot(bytes.max(64), false);
                self.scratch = Some((s, bytes.max(64)));
                s
            }
        };
        self.b.slot_addr(slot)
    }

    pub fn bool_const(&mut self, x: bool) -> Value {
        self.b.iconst(Ty::I8, i64::from(x))
    }

    pub fn not(&mut self, c: Value) -> Value {
        let zero = self.b.iconst(Ty::I8, 0);
        self.b.icmp(IntCC::Eq, c, zero)
    }
}
