//! The least value of a sum in all turns of a loop nest, as a sum of values that are known before it.
//!
//! A counter is at least its start and at most its last value (see [`super::scev`]), another value what
//! conditions and checks say of it at the place. Counters of inner loops are replaced first, so that
//! triangular nests (`for j in range(i)`) come out in terms of the outer one.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use numlift_mir::{Function, InstData, Loop, Opcode, Ty, Value};

use super::affine::Affine;
use super::range::{Dir, Place, Ranges, floor_divisor};
use super::scev::{Induction, ScalarEvolution};

/// Replacements tried between two calls of [`Extremes::clear`], and how deep they nest.
const MAX_STEPS: u32 = 200;
const MAX_DEPTH: u32 = 6;

/// How far from 0 values before the loop are taken to be, and those whose products matter: what is not
/// proven to be within is a condition.
pub const FAR: u32 = 48;
pub const NEAR: u32 = 30;

/// Questions about one loop nest.
pub struct Extremes<'a> {
    pub f: &'a Function,
    pub scev: &'a ScalarEvolution<'a>,
    pub ranges: &'a Ranges<'a>,
    /// The loop, and the place before it.
    pub of: Loop,
    pub before: Place,
    /// Values before the loop that have to be small, and the number of their bits.
    small: RefCell<HashMap<Value, u32>>,
    steps: Cell<u32>,
}

/// A search for one sum: where, within how many others, and what has been put in the place of values.
struct Search {
    at: Place,
    depth: u32,
    path: Vec<Affine>,
}

impl Search {
    fn new(at: Place, depth: u32) -> Search {
        Search {
            at,
            depth,
            path: Vec::new(),
        }
    }
}

impl<'a> Extremes<'a> {
    pub fn new(
        f: &'a Function,
        scev: &'a ScalarEvolution<'a>,
        ranges: &'a Ranges<'a>,
        of: Loop,
        before: Place,
    ) -> Extremes<'a> {
        Extremes {
            f,
            scev,
            ranges,
            of,
            before,
            small: RefCell::default(),
            steps: Cell::new(0),
        }
    }

    /// Begins with another question: forgets what has to be small.
    pub fn clear(&self) {
        self.small.borrow_mut().clear();
        self.steps.set(0);
    }

    /// The values before the loop that what was answered since [`Extremes::clear`] takes to be small.
    pub fn small(&self) -> Vec<(Value, u32)> {
        let mut out: Vec<_> = self.small.borrow().iter().map(|(v, n)| (*v, *n)).collect();
        out.sort_by_key(|s| s.0);
        out
    }

    /// A sum of values before the loop that is at most `a` in every turn, at a place in the loop. One that
    /// is not negative is preferred.
    pub fn least(&self, a: &Affine, at: Place) -> Option<Affine> {
        let mut search = Search::new(at, 0);
        let mut other = None;
        let found = self.replace(a, &mut search, &mut |x| {
            let hopeless = x.as_constant().is_some_and(|k| k < 0);
            if hopeless {
                other.get_or_insert_with(|| x.clone());
            }
            !hopeless
        });
        found.or(other)
    }

    fn replace(
        &self,
        a: &Affine,
        search: &mut Search,
        accept: &mut impl FnMut(&Affine) -> bool,
    ) -> Option<Affine> {
        let Some((v, c)) = self.innermost_variant(a) else {
            // A bound is the value that the machine compared only if it does not leave 64 bits.
            let exact = |b: &Affine| {
                self.magnitude_within(b, FAR, search.at, search.depth + 1)
                    .is_some()
            };
            return (search.path.iter().all(exact) && accept(a)).then(|| a.clone());
        };
        let dir = if c > 0 { Dir::Ge } else { Dir::Le };
        for bound in self.bounds(dir, v, search) {
            if !self.step() {
                return None;
            }
            let Some(next) = a.substitute(v, &bound) else {
                continue;
            };
            search.path.push(bound);
            let found = self.replace(&next, search, accept);
            search.path.pop();
            if found.is_some() {
                return found;
            }
        }
        None
    }

    fn step(&self) -> bool {
        self.steps.set(self.steps.get() + 1);
        self.steps.get() <= MAX_STEPS
    }

    /// The term that changes in the loop and is defined deepest.
    fn innermost_variant(&self, a: &Affine) -> Option<(Value, i64)> {
        let variant = a.terms.iter().filter(|t| !self.scev.is_invariant(t.0, self.of));
        variant.copied().max_by_key(|t| {
            let home = self.scev.home(t.0);
            let inside = home.and_then(|b| self.scev.forest.innermost(b));
            (inside.map_or(0, |l| self.scev.forest.loops[l].depth), t.0)
        })
    }

    /// Bounds of a value that changes in the loop, on one side.
    fn bounds(&self, dir: Dir, v: Value, search: &Search) -> Vec<Affine> {
        let (mut out, mut by_checks) = (Vec::new(), Vec::new());
        for ((y, c), checked) in self.ranges.known(dir, v, search.at) {
            let base = y.map_or_else(Affine::default, |y| self.scev.affine(y));
            let bound = base.add_constant(c).filter(|b| b.factor(v) == 0);
            if checked { &mut by_checks } else { &mut out }.extend(bound);
        }
        if let Some(i) = self.scev.induction(v) {
            match (dir == Dir::Ge) == (i.step > 0) {
                // It does not wrap on its way to a last value.
                true => out.extend(i.last.is_some().then(|| self.scev.affine(i.start))),
                false => out.extend(self.farther(dir, i)),
            }
        }
        self.by_definition(dir, v, search.at, &mut out);
        // Bounds that are known before the loop first, the tightest of several constants first.
        let order = |b: &Affine| (!self.scev.all_invariant(b, self.of), b.terms.len());
        out.sort_by_key(order);
        // What another array has been checked for need not be so of this one: a counter's own end is tighter.
        by_checks.sort_by_key(order);
        out.append(&mut by_checks);
        out.dedup();
        out
    }

    /// Whichever of start and last value is the bound, if that is certain.
    fn farther(&self, dir: Dir, i: &Induction) -> Option<Affine> {
        let (start, last) = (self.scev.affine(i.start), i.last.clone()?);
        let beyond = match dir {
            Dir::Le => last.sub(&start)?,
            Dir::Ge => start.sub(&last)?,
        };
        // A loop is entered behind a test: it is known there that the last value is not before the start.
        let at = Place::end(i.before);
        let proven = match beyond.terms[..] {
            [] if beyond.k < 0 => return Some(start),
            [] => true,
            [(x, 1)] => self.ranges.holds(Dir::Ge, x, None, -beyond.k, at),
            [(x, -1)] => self.ranges.holds(Dir::Le, x, None, beyond.k, at),
            [(x, 1), (y, -1)] | [(y, -1), (x, 1)] => self.ranges.holds(Dir::Ge, x, Some(y), -beyond.k, at),
            _ => false,
        };
        proven.then_some(last)
    }

    /// Bounds that the operation that computes a value gives.
    fn by_definition(&self, dir: Dir, v: Value, at: Place, out: &mut Vec<Affine>) {
        let Some(i) = self.f.def(v) else { return };
        let d = &self.f.insts[i];
        match d.op {
            Opcode::Smin | Opcode::Smax if (d.op == Opcode::Smin) == (dir == Dir::Le) => {
                out.extend(d.args.iter().map(|&x| self.scev.affine(x)));
            }
            Opcode::Select => out.extend(self.floor_remainder(dir, d, at)),
            Opcode::BoundsCheck => out.extend(match dir {
                Dir::Ge => Affine::constant(0),
                Dir::Le => self.scev.affine(d.args[1]).add_constant(-1),
            }),
            Opcode::Zext | Opcode::Sext => {
                let bits = self.f.ty(d.args[0]).bits();
                let high = if d.op == Opcode::Zext { bits } else { bits - 1 };
                let k = match (dir, d.op) {
                    (Dir::Le, _) => (1 << high) - 1,
                    (Dir::Ge, Opcode::Zext) => 0,
                    (Dir::Ge, _) => -(1 << high),
                };
                out.extend(Affine::constant(k));
            }
            _ => {}
        }
    }

    /// `0..y` for a positive divisor `y`.
    fn floor_remainder(&self, dir: Dir, d: &InstData, at: Place) -> Option<Affine> {
        let y = floor_divisor(self.f, d).filter(|y| self.ranges.holds(Dir::Ge, *y, None, 1, at))?;
        match dir {
            Dir::Ge => Affine::constant(0),
            Dir::Le => self.scev.affine(y).add_constant(-1),
        }
    }

    /// The largest distance from 0 of a sum in the loop at a place: below 2**62, so that the value that the
    /// machine computes is the sum. Values before the loop are taken to be below `2**bits`.
    pub fn magnitude(&self, a: &Affine, bits: u32, at: Place) -> Option<i128> {
        self.magnitude_within(a, bits, at, 0).filter(|n| *n < 1 << 62)
    }

    fn magnitude_within(&self, a: &Affine, bits: u32, at: Place, depth: u32) -> Option<i128> {
        if depth > MAX_DEPTH || !self.step() {
            return None;
        }
        a.magnitude(|v| self.distance(v, bits, at, depth))
    }

    fn distance(&self, v: Value, bits: u32, at: Place, depth: u32) -> Option<i128> {
        if self.f.ty(v) != Ty::I64 {
            return None;
        }
        if self.scev.is_invariant(v, self.of) {
            let mut small = self.small.borrow_mut();
            let known = small.entry(v).or_insert(bits);
            *known = (*known).min(bits);
            return Some(1 << bits);
        }
        if let Some(i) = self.scev.induction(v)
            && let Some(last) = &i.last
        {
            let start = self.magnitude_within(&self.scev.affine(i.start), bits, at, depth + 1)?;
            let last = self.magnitude_within(last, bits, at, depth + 1)?;
            return Some(start.max(last));
        }
        if let Some((low, high)) = self.ranges.bounds(v, at) {
            let far = i128::from(low).abs().max(i128::from(high).abs());
            if far < 1 << 50 {
                return Some(far);
            }
        }
        let (least, most) = (
            self.one_side(Dir::Ge, v, at, depth)?,
            self.one_side(Dir::Le, v, at, depth)?,
        );
        let low = self.magnitude_within(&least, bits, at, depth + 1)?;
        Some(low.max(self.magnitude_within(&most, bits, at, depth + 1)?))
    }

    fn one_side(&self, dir: Dir, v: Value, at: Place, depth: u32) -> Option<Affine> {
        let sign = if dir == Dir::Ge { 1 } else { -1 };
        let a = Affine::value(v).scale(sign)?;
        let mut search = Search::new(at, depth + 1);
        self.replace(&a, &mut search, &mut |_| true)?.scale(sign)
    }
}
