//! Float functions: Python's and NumPy's division, scaling by powers of two, decimal rounding.

/// CPython's `float_divmod`: quotient and remainder for a nonzero divisor.
fn py_divmod(vx: f64, wx: f64) -> (f64, f64) {
    let mut m = vx % wx;
    let mut div = (vx - m) / wx;
    if m != 0.0 {
        if (wx < 0.0) != (m < 0.0) {
            m += wx;
            div -= 1.0;
        }
    } else {
        m = 0f64.copysign(wx);
    }
    let floor = if div != 0.0 {
        let f = div.floor();
        if div - f > 0.5 { f + 1.0 } else { f }
    } else {
        0f64.copysign(vx / wx)
    };
    (floor, m)
}

pub extern "C" fn float_floordiv(a: f64, b: f64) -> f64 {
    py_divmod(a, b).0
}

pub extern "C" fn float_mod(a: f64, b: f64) -> f64 {
    let m = a % b;
    if m != 0.0 {
        if (b < 0.0) != (m < 0.0) { m + b } else { m }
    } else {
        0f64.copysign(b)
    }
}

pub extern "C" fn np_floordiv(a: f64, b: f64) -> f64 {
    if b == 0.0 { a / b } else { py_divmod(a, b).0 }
}

pub extern "C" fn np_mod(a: f64, b: f64) -> f64 {
    if b == 0.0 { a % b } else { float_mod(a, b) }
}

/// 2**e for a normal exponent.
fn power_of_two(e: i64) -> f64 {
    f64::from_bits(((e + 1023) as u64) << 52)
}

/// `x * 2**e`, rounded once.
pub extern "C" fn float_ldexp(x: f64, e: i64) -> f64 {
    let (mut x, mut e) = (x, e.clamp(-3000, 3000));
    while e > 1023 {
        x *= power_of_two(1023);
        e -= 1023;
    }
    while e < -1022 {
        // 53 bits are kept above the subnormal range, so that only the last step rounds
        x *= power_of_two(-1022 + 53);
        e += 1022 - 53;
    }
    x * power_of_two(e)
}

/// `math.frexp`: the fraction; the exponent is stored.
pub extern "C" fn float_frexp(x: f64, out: *mut i64) -> f64 {
    let special = x == 0.0 || !x.is_finite();
    let scaled = if x.abs() < f64::MIN_POSITIVE {
        x * power_of_two(54)
    } else {
        x
    };
    let bits = scaled.to_bits();
    let raised = if x.abs() < f64::MIN_POSITIVE { 54 } else { 0 };
    let exponent = ((bits >> 52) & 0x7ff) as i64 - 1022 - raised;
    // SAFETY: generated code passes the address of an 8-byte stack slot.
    unsafe { *out = if special { 0 } else { exponent } };
    if special {
        return x;
    }
    f64::from_bits(bits & !(0x7ff << 52) | (1022 << 52))
}

/// `math.ulp`
pub extern "C" fn float_ulp(x: f64) -> f64 {
    let x = x.abs();
    if !x.is_finite() {
        return x;
    }
    if x == f64::MAX {
        return x - x.next_down();
    }
    x.next_up() - x
}

/// `round(x, ndigits)` of a finite x for ndigits in 0..=22: the decimal nearest to the exact value, halves to even.
pub extern "C" fn float_round(x: f64, ndigits: i64) -> f64 {
    const LARGEST: f64 = 4_503_599_627_370_496.0;
    let power = POWERS_OF_TEN[ndigits.clamp(0, 22) as usize];
    let scaled = x * power;
    let nearest = scaled.round_ties_even();
    // Away from halves the error of the product cannot matter; both operands of the division are exact.
    if scaled.abs() < LARGEST && ((scaled - nearest).abs() - 0.5).abs() > scaled.abs() * 1e-15 + 1e-300 {
        return (nearest / power).copysign(x);
    }
    let text = format!("{x:.*}", ndigits.clamp(0, 22) as usize);
    text.parse().unwrap_or(x)
}

const POWERS_OF_TEN: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn division_follows_python() {
        assert_eq!(float_floordiv(-7.0, 2.0), -4.0);
        assert_eq!(float_mod(-7.0, 2.0), 1.0);
        assert!(float_mod(4.0, -2.0).is_sign_negative());
    }

    #[test]
    fn scaling_rounds_once() {
        assert_eq!(float_ldexp(1.0, -1074), 5e-324);
        assert_eq!(float_ldexp(1.5, -1074), 1e-323);
        assert_eq!(float_ldexp(1.0, 5000), f64::INFINITY);
        assert_eq!(float_ldexp(-1.0, i64::MIN).to_bits(), (-0.0f64).to_bits());
        assert_eq!(
            float_ldexp(5e-324, 2097),
            5e-324 * 2f64.powi(1000) * 2f64.powi(1000) * 2f64.powi(97)
        );
        let mut e = 0;
        for x in [1.0, -0.75, 5e-324, 1e308, 1e-310] {
            let m = float_frexp(x, &raw mut e);
            assert!((0.5..1.0).contains(&m.abs()));
            assert_eq!(float_ldexp(m, e), x);
        }
        assert_eq!(float_frexp(f64::INFINITY, &raw mut e), f64::INFINITY);
        assert_eq!(e, 0);
    }

    #[test]
    fn decimal_rounding_takes_the_exact_value() {
        // 2.675 is below 2.675, 0.5 and 2.5 are exact halves
        assert_eq!(float_round(2.675, 2), 2.67);
        assert_eq!(float_round(0.5, 0), 0.0);
        assert_eq!(float_round(2.5, 0), 2.0);
        assert_eq!(float_round(0.125, 2), 0.12);
        assert_eq!(float_round(-0.04, 1).to_bits(), (-0.0f64).to_bits());
        assert_eq!(float_round(1e300, 3), 1e300);
        assert_eq!(float_round(5e-324, 22), 0.0);
    }

    #[test]
    fn units_in_the_last_place() {
        assert_eq!(float_ulp(1.0), f64::EPSILON);
        assert_eq!(float_ulp(0.0), 5e-324);
        assert_eq!(float_ulp(f64::MAX), 1.99584030953472e292);
        assert_eq!(float_ulp(f64::NEG_INFINITY), f64::INFINITY);
    }
}
