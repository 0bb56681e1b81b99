//! exp, log, x ** 2.

use std::f64::consts::LOG2_E;

use super::sums::{fast_two_sum, nearest, nearest_integer, polynomial, power_of_two, two_product, two_sum};
use super::tables::{EXP, LN2, LOG};

/// `e^(x + rest)` as `(high + low) * scale`, high + low between 0.7 and 1.42; for sizes of x up to 708.
#[inline(always)]
pub(super) fn exp_parts(x: f64, rest: f64) -> (f64, f64, f64) {
    let (k, bits) = nearest_integer(x * LOG2_E);
    // x = k ln(2) + r; the first product and its difference from x are exact
    let r = (-k).mul_add(LN2.0, x);
    let (r, r_low) = two_sum(r, rest - k * LN2.1);
    // 1 + r + r^2/2 + r^3 P(r)
    let (square, square_low) = two_product(r, r);
    let tail = square * r * polynomial(&EXP, r);
    let (sum, lost) = fast_two_sum(1.0, r);
    let (high, lost_next) = fast_two_sum(sum, 0.5 * square);
    let small = r_low.mul_add(high, 0.5 * square_low) + (lost + lost_next);
    (high, tail + small, power_of_two(bits))
}

#[inline(always)]
pub(super) fn exp(x: f64) -> (f64, bool) {
    // The library's error is below 0.511 units.
    let (high, low, scale) = exp_parts(x, 0.0);
    let (y, sure) = nearest(high, low, 0.04);
    (y * scale, sure & (x.abs() <= 708.0))
}

/// ln(x) as a sum; for positive normal x.
#[inline(always)]
pub(super) fn log_parts(x: f64) -> (f64, f64) {
    const SQRT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
    // x = 2^k m, m in sqrt(1/2)..sqrt(2)
    let above = x.to_bits().wrapping_sub(SQRT_HALF);
    let m = f64::from_bits((above & ((1 << 52) - 1)).wrapping_add(SQRT_HALF));
    // k from the low bits of a number whose last bit is 1
    let biased = (above >> 52).wrapping_add(2048) & 0xfff;
    let k = f64::from_bits(biased | (0x433 << 52)) - (4_503_599_627_370_496.0 + 2048.0);
    // ln(m) = 2z + z^3 Q(z^2), z = (m - 1) / (m + 1)
    let f = m - 1.0;
    let (divisor, divisor_low) = fast_two_sum(2.0, f);
    let inverse = 1.0 / divisor;
    let z = f * inverse;
    let left = (-z).mul_add(divisor, f) - z * divisor_low;
    let z_low = left * inverse;
    let w = z * z;
    let tail = z * w * polynomial(&LOG, w);
    let (high, lost) = fast_two_sum(k * LN2.0, 2.0 * z);
    let small = 2.0 * z_low.mul_add(w, z_low) + k.mul_add(LN2.1, lost);
    (high, tail + small)
}

#[inline(always)]
pub(super) fn log(x: f64) -> (f64, bool) {
    let (high, low) = log_parts(x);
    // The library's error is below 0.519 units.
    let (y, sure) = nearest(high, low, 0.045);
    (y, sure & (f64::MIN_POSITIVE..=f64::MAX).contains(&x))
}

/// The library's `pow(x, 2.0)`: the product, where it is not near the middle between two numbers. The library's error is
/// below 0.511 units, and what its logarithm adds, 1.5 * 2^-15 units for each unit of ln(x^2).
#[inline(always)]
pub(super) fn square(x: f64) -> (f64, bool) {
    const FAR: f64 = 1_099_511_627_776.0;
    let (product, lost) = two_product(x, x);
    let unit = f64::from_bits(product.to_bits() & (0x7ff << 52)) * (0.48 * f64::EPSILON);
    let size = x.abs();
    let sure = (1.0 / FAR..=FAR).contains(&size) & (lost.abs() <= unit);
    (product, sure | (x == 0.0))
}
