//! Sums of two numbers that stand for one with twice the bits, and what becomes of them.

/// `a + b` and what it lost; `a` is not below `b` in size, or is 0.
#[inline(always)]
pub(super) fn fast_two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    (sum, b - (sum - a))
}

/// `a + b` and what it lost.
#[inline(always)]
pub(super) fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let b_part = sum - a;
    let a_part = sum - b_part;
    (sum, (a - a_part) + (b - b_part))
}

/// `a * b` and what it lost.
#[inline(always)]
pub(super) fn two_product(a: f64, b: f64) -> (f64, f64) {
    let product = a * b;
    (product, a.mul_add(b, -product))
}

/// A polynomial in `x`: even and odd powers apart, for two short chains in place of a long one.
#[inline(always)]
pub(super) fn polynomial<const N: usize>(c: &[f64; N], x: f64) -> f64 {
    let square = x * x;
    let (even_last, odd_last) = ((N - 1) / 2 * 2, (N - 2) / 2 * 2 + 1);
    let (mut even, mut odd) = (c[even_last], c[odd_last]);
    for k in (0..even_last / 2).rev() {
        even = even.mul_add(square, c[2 * k]);
    }
    for k in (0..odd_last / 2).rev() {
        odd = odd.mul_add(square, c[2 * k + 1]);
    }
    odd.mul_add(x, even)
}

const EXPONENT: u64 = 0x7ff << 52;

/// The number nearest to `high + low`, and whether all numbers up to `margin` units in its last place away
/// have the same one.
#[inline(always)]
pub(super) fn nearest(high: f64, low: f64, margin: f64) -> (f64, bool) {
    let unit = f64::from_bits((high + low).to_bits() & EXPONENT) * (f64::EPSILON * margin);
    let (least, most) = (high + (low - unit), high + (low + unit));
    (least, least == most)
}

/// The integer nearest to `x`, and its bits in the low half; for sizes below 2^31.
#[inline(always)]
pub(super) fn nearest_integer(x: f64) -> (f64, u64) {
    const SHIFT: f64 = 6_755_399_441_055_744.0;
    let shifted = x + SHIFT;
    (shifted - SHIFT, shifted.to_bits())
}

/// 2^n for the bits of `nearest_integer`.
#[inline(always)]
pub(super) fn power_of_two(n: u64) -> f64 {
    f64::from_bits((n << 52).wrapping_add(1023 << 52))
}
