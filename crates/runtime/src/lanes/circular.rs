//! sin, cos.

use std::f64::consts::FRAC_2_PI;

use super::sums::{fast_two_sum, nearest, nearest_integer, polynomial, two_product, two_sum};
use super::tables::{COS, HALF_PI, SIN};

/// Below this sine and cosine round to x and 1.
const TINY: f64 = 7.450_580_596_923_828e-9;
/// Up to here the first products of the reduction are exact.
const FAR: f64 = 524_288.0;
/// The library's error is below 0.55 units.
const MARGIN: f64 = 0.065;

/// The part of x above the nearest multiple of pi/2, and the number of that.
#[inline(always)]
pub(super) fn reduce(x: f64) -> (f64, f64, u64) {
    let (n, bits) = nearest_integer(x * FRAC_2_PI);
    let r = (-n).mul_add(HALF_PI[0], x);
    let (r, lost) = two_sum(r, -n * HALF_PI[1]);
    let (third, third_low) = two_product(n, HALF_PI[2]);
    let rest = lost - third;
    let rest_low = ((lost - rest) - third) - third_low - n * HALF_PI[3];
    let (r, r_low) = two_sum(r, rest);
    (r, r_low + rest_low, bits)
}

#[inline(always)]
pub(super) fn sine(r: f64, r_low: f64) -> (f64, f64) {
    // r - r^3/6 + r^5 S(r^2)
    const SIXTH: (f64, f64) = (-1.0 / 6.0, -9.251_858_538_542_97e-18);
    let (w, w_low) = two_product(r, r);
    let (cube, cube_low) = two_product(r, w);
    let cube_low = r.mul_add(w_low, cube_low);
    let (third, third_low) = two_product(cube, SIXTH.0);
    let third_low = cube_low.mul_add(SIXTH.0, cube.mul_add(SIXTH.1, third_low));
    let tail = cube * w * polynomial(&SIN, w);
    let (high, lost) = fast_two_sum(r, third);
    let slope = (1.0f64 / 24.0).mul_add(w, -0.5).mul_add(w, 1.0);
    let small = r_low.mul_add(slope, third_low) + lost;
    (high, tail + small)
}

#[inline(always)]
pub(super) fn cosine(r: f64, r_low: f64) -> (f64, f64) {
    // 1 - r^2/2 + r^4/24 + r^6 C(r^2)
    const SHARE: (f64, f64) = (1.0 / 24.0, 2.312_964_634_635_742_7e-18);
    let (w, w_low) = two_product(r, r);
    let (fourth, fourth_low) = two_product(w, w);
    let fourth_low = (2.0 * w).mul_add(w_low, fourth_low);
    let (term, term_low) = two_product(fourth, SHARE.0);
    let term_low = fourth_low.mul_add(SHARE.0, fourth.mul_add(SHARE.1, term_low));
    let tail = fourth * w * polynomial(&COS, w);
    let (sum, lost) = fast_two_sum(1.0, -0.5 * w);
    let (high, lost_next) = fast_two_sum(sum, term);
    let slope = r * (-1.0f64 / 6.0).mul_add(w, 1.0);
    let small = term_low - slope.mul_add(r_low, 0.5 * w_low) + (lost + lost_next);
    (high, tail + small)
}

/// The sine, `ahead` quarters of the circle further.
#[inline(always)]
fn turned(x: f64, ahead: u64) -> (f64, bool) {
    let (r, r_low, n) = reduce(x);
    let n = n.wrapping_add(ahead);
    let (sine, cosine) = (sine(r, r_low), cosine(r, r_low));
    let (high, low) = if n & 1 == 0 { sine } else { cosine };
    let (y, sure) = nearest(high, low, MARGIN);
    (
        f64::from_bits(y.to_bits() ^ (n & 2) << 62),
        sure & (x.abs() <= FAR),
    )
}

#[inline(always)]
pub(super) fn sin(x: f64) -> (f64, bool) {
    let (y, sure) = turned(x, 0);
    if x.abs() <= TINY { (x, true) } else { (y, sure) }
}

#[inline(always)]
pub(super) fn cos(x: f64) -> (f64, bool) {
    let (y, sure) = turned(x, 1);
    if x.abs() <= TINY { (1.0, true) } else { (y, sure) }
}
