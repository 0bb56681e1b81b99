//! erf: within 0.6 units in the last place where the result is below 0.52, 0.9 above.

use super::exponential::exp_parts;
use super::sums::{fast_two_sum, polynomial, two_product};
use super::tables::{ERF_BEND, ERF_FAR, ERF_NEAR, ERF_SLOPE};

#[inline(always)]
pub(super) fn erf(x: f64) -> f64 {
    let size = x.abs();
    let near = near(size);
    // from here on it is 1 in 53 bits; NaN stays one
    let far = far(if size > 6.0 { 6.0 } else { size });
    (if size < 1.0 { near } else { far }).copysign(x)
}

/// `x (a + b x^2 + x^4 Q(x^2))`
#[inline(always)]
fn near(x: f64) -> f64 {
    let (w, w_low) = two_product(x, x);
    let (cube, cube_low) = two_product(x, w);
    let cube_low = x.mul_add(w_low, cube_low);
    let (slope, slope_low) = two_product(x, ERF_SLOPE.0);
    let (bend, bend_low) = two_product(cube, ERF_BEND.0);
    let tail = cube * w * polynomial(&ERF_NEAR, w);
    let slope_low = x.mul_add(ERF_SLOPE.1, slope_low);
    let bend_low = cube_low.mul_add(ERF_BEND.0, cube.mul_add(ERF_BEND.1, bend_low));
    let (sum, lost) = fast_two_sum(slope, bend);
    sum + (tail + (lost + slope_low + bend_low))
}

/// `1 - e^(-x^2) G((x - 3) / (x + 3))`
#[inline(always)]
fn far(x: f64) -> f64 {
    let (square, square_low) = two_product(x, x);
    let (high, low, scale) = exp_parts(-square, -square_low);
    let g = polynomial(&ERF_FAR, (x - 3.0) / (x + 3.0)) * scale;
    let (rest, rest_low) = two_product(high, g);
    let rest_low = low.mul_add(g, rest_low);
    let sum = 1.0 - rest;
    sum + ((1.0 - sum) - rest - rest_low)
}
