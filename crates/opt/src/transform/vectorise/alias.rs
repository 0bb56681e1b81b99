//! Which accesses of a loop may change their order.
//!
//! In a vector iteration an access is done for all of its turns before the next one of the body. Of two
//! accesses A before B, one of them a store, that exchanges A of a turn with B of an earlier turn of
//! the same iteration. Where both pass elements of `s` bytes, `w` at a time, those touch the same
//! memory if `0 < B - A < w*s` for their addresses of one turn; otherwise the order is kept, also of
//! an array that is read and written in place. In a loop with guards stores are done at the end of the iteration: a load B
//! behind a store A of the same turn must not touch the same memory then, either.

use numlift_mir::{Opcode, Ty, Value};

use super::shape::{Access, Reason, Shape};
use crate::analysis::scev::ScalarEvolution;

/// What must hold before the loop.
#[derive(Clone, Copy, Debug)]
pub(super) enum Condition {
    /// not `low < b - a < high` in the first turn
    Ordered { a: Value, b: Value, low: i64, high: i64 },
    /// A value from outside that is compared with narrower ones fits in their type, made wider by `op`.
    Fits { value: Value, ty: Ty, op: Opcode },
    /// The loop touches no byte in both.
    Apart(Place, Place),
}

/// The bytes from `addr + low` up to `addr + turns * step + high`; in an inner loop, those of all of its turns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub addr: Value,
    pub low: i64,
    pub step: i64,
    pub high: i64,
    pub inner: bool,
}

/// More tests than this cost more than short loops take.
const MAX_CONDITIONS: usize = 10;

/// The conditions under which `w` turns may be done at once.
pub(super) fn conditions(
    scev: &ScalarEvolution<'_>,
    shape: &Shape,
    w: u32,
) -> Result<Vec<Condition>, Reason> {
    let mut conditions = Conditions { scev, out: vec![] };
    for (n, b) in shape.accesses.iter().enumerate() {
        for a in &shape.accesses[..n] {
            if (a.store || b.store) && a.region.may_overlap(b.region) {
                // Behind a guard, stores come behind all loads.
                match a.store && !b.store && !shape.guards.is_empty() {
                    true => conditions.pair(b, a, i64::from(w), true)?,
                    false => conditions.pair(a, b, i64::from(w), false)?,
                }
            }
        }
    }
    match conditions.out.len() > MAX_CONDITIONS {
        true => Err("too many arrays might overlap".into()),
        false => Ok(conditions.out),
    }
}

struct Conditions<'a, 'f> {
    scev: &'a ScalarEvolution<'f>,
    out: Vec<Condition>,
}

impl Conditions<'_, '_> {
    /// How far apart two addresses of one turn are, if that is known.
    fn distance(&self, from: Value, to: Value) -> Option<i64> {
        let d = self.scev.affine(to).sub(&self.scev.affine(from))?;
        d.as_constant()
    }

    /// Where A is done before B; `exchanged`, if it is the other way round in the turn itself.
    fn pair(&mut self, a: &Access, b: &Access, w: i64, exchanged: bool) -> Result<(), Reason> {
        if a.step != b.step || a.step == 0 || a.inner || b.inner {
            self.apart(place(a), place(b));
            return Ok(());
        }
        let between = i64::from(b.disp) - i64::from(a.disp);
        let first = if exchanged { a.step } else { 0 };
        let (low, high) = (-between - first, w * a.step - between);
        match self.distance(a.addr, b.addr) {
            Some(d) if low < d && d < high => {
                let what = if b.store { "written" } else { "read" };
                let before = if a.store { "writes" } else { "reads" };
                Err(format!("what a turn {before} is {what} by an earlier one"))
            }
            Some(_) => Ok(()),
            None => {
                self.ordered(a.addr, b.addr, low, high);
                Ok(())
            }
        }
    }

    /// Widens a condition that speaks of the same arrays, or adds one.
    fn ordered(&mut self, a: Value, b: Value, low: i64, high: i64) {
        let known = self.out.iter().enumerate().find_map(|(n, c)| match *c {
            Condition::Ordered { a: x, b: y, .. } => {
                let shift = self.distance(y, b)? - self.distance(x, a)?;
                Some((n, shift))
            }
            _ => None,
        });
        match known.map(|(n, shift)| (&mut self.out[n], shift)) {
            Some((Condition::Ordered { low: l, high: h, .. }, shift)) => {
                (*l, *h) = ((*l).min(low - shift), (*h).max(high - shift));
            }
            _ => self.out.push(Condition::Ordered { a, b, low, high }),
        }
    }

    fn apart(&mut self, a: Place, b: Place) {
        let within = |into: Place, x: Place| {
            let d = self.distance(into.addr, x.addr)?;
            if (into.step, into.inner) != (x.step, x.inner) {
                return None;
            }
            Some(Place {
                low: into.low.min(x.low + d),
                high: into.high.max(x.high + d),
                ..into
            })
        };
        let known = self.out.iter().enumerate().find_map(|(n, c)| match *c {
            Condition::Apart(x, y) => Some((n, Condition::Apart(within(x, a)?, within(y, b)?))),
            _ => None,
        });
        match known {
            Some((n, wider)) => self.out[n] = wider,
            None => self.out.push(Condition::Apart(a, b)),
        }
    }
}

fn place(a: &Access) -> Place {
    let disp = i64::from(a.disp);
    Place {
        addr: a.addr,
        low: disp,
        step: a.step,
        high: disp + i64::from(a.ty.bytes()) - a.step,
        inner: a.inner,
    }
}
