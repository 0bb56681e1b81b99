//! Sums of values with constant factors: `c1*v1 + c2*v2 + ... + k`.

use numlift_mir::Value;
use smallvec::SmallVec;

/// Terms, factors and constants beyond make no sum: what is computed from one fits in 64 bits if its
/// values are small (see `Affine::magnitude`).
const MAX_TERMS: usize = 8;
const MAX_FACTOR: i64 = 1 << 12;
const MAX_CONSTANT: i64 = 1 << 50;

/// A sum; its terms are sorted by their values and have no factor 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Affine {
    pub terms: SmallVec<[(Value, i64); 4]>,
    pub k: i64,
}

impl Affine {
    /// `None` if it is too large.
    pub fn constant(k: i64) -> Option<Affine> {
        (k.unsigned_abs() <= MAX_CONSTANT as u64).then(|| Affine {
            terms: SmallVec::new(),
            k,
        })
    }

    pub fn value(v: Value) -> Affine {
        Affine {
            terms: SmallVec::from_slice(&[(v, 1)]),
            k: 0,
        }
    }

    /// The number that it is, if it has no terms.
    pub fn as_constant(&self) -> Option<i64> {
        self.terms.is_empty().then_some(self.k)
    }

    /// `self + factor * other`, if it is small enough.
    pub fn add_scaled(&self, other: &Affine, factor: i64) -> Option<Affine> {
        let mut out = Affine::constant(other.k.checked_mul(factor)?.checked_add(self.k)?)?;
        let (mut a, mut b) = (self.terms.iter().peekable(), other.terms.iter().peekable());
        loop {
            let (v, c) = match (a.peek(), b.peek()) {
                (None, None) => return Some(out),
                (Some(&&x), None) => (a.next(), x).1,
                (Some(&&x), Some(&&y)) if x.0 < y.0 => (a.next(), x).1,
                (Some(&&x), Some(&&y)) if x.0 == y.0 => {
                    a.next();
                    b.next();
                    (x.0, x.1.checked_add(y.1.checked_mul(factor)?)?)
                }
                (_, Some(&&y)) => (b.next(), (y.0, y.1.checked_mul(factor)?)).1,
            };
            if c != 0 {
                if c.unsigned_abs() > MAX_FACTOR as u64 || out.terms.len() == MAX_TERMS {
                    return None;
                }
                out.terms.push((v, c));
            }
        }
    }

    pub fn add(&self, other: &Affine) -> Option<Affine> {
        self.add_scaled(other, 1)
    }

    pub fn sub(&self, other: &Affine) -> Option<Affine> {
        self.add_scaled(other, -1)
    }

    pub fn scale(&self, factor: i64) -> Option<Affine> {
        Affine::default().add_scaled(self, factor)
    }

    pub fn add_constant(&self, k: i64) -> Option<Affine> {
        self.add(&Affine::constant(k)?)
    }

    /// The factor of a value, 0 if it does not occur.
    pub fn factor(&self, v: Value) -> i64 {
        self.terms.iter().find(|t| t.0 == v).map_or(0, |t| t.1)
    }

    /// Puts a sum in the place of a value.
    pub fn substitute(&self, v: Value, by: &Affine) -> Option<Affine> {
        let c = self.factor(v);
        self.add_scaled(&Affine::value(v), -c)?.add_scaled(by, c)
    }

    /// How far from 0 the sum is at most if each value is as far as `of` says.
    pub fn magnitude(&self, mut of: impl FnMut(Value) -> Option<i128>) -> Option<i128> {
        let mut sum = i128::from(self.k).abs();
        for &(v, c) in &self.terms {
            sum += i128::from(c).abs() * of(v)?;
        }
        Some(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_cancel_and_stay_small() {
        let [x, y] = [1, 2].map(|n| Affine::value(Value::from_u32(n)));
        let both = x
            .add_scaled(&y, 3)
            .and_then(|a| a.add_constant(5))
            .expect("small");
        assert_eq!((both.factor(Value::from_u32(2)), both.k), (3, 5));
        let only_x = both.add_scaled(&y, -3).expect("small");
        assert_eq!(only_x, x.add_constant(5).expect("small"));
        assert_eq!(both.sub(&both).and_then(|a| a.as_constant()), Some(0));
        assert_eq!(x.scale(MAX_FACTOR + 1), None);
        assert_eq!(x.add_constant(i64::MIN), None);
        let x_is_y = both.substitute(Value::from_u32(1), &y).expect("small");
        assert_eq!(x_is_y.terms.as_slice(), [(Value::from_u32(2), 4)]);
        assert_eq!(both.magnitude(|_| Some(10)), Some(45));
    }
}
