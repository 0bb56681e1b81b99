//! Integer functions: exact in 64 bits, or a status that says the result left them.

/// Status of a kernel whose result left int64.
const WIDE: i64 = 1;

/// # Safety
/// `out` is the address of an 8-byte stack slot: generated code passes no other.
unsafe fn put(out: *mut i64, result: Option<i64>) -> i64 {
    let Some(r) = result else { return WIDE };
    // SAFETY: the caller's.
    unsafe { *out = r };
    0
}

pub extern "C" fn int_pow(base: i64, exp: i64, out: *mut i64) -> i64 {
    // SAFETY: generated code passes a stack slot.
    unsafe {
        put(
            out,
            u32::try_from(exp).map_or_else(|_| huge_pow(base, exp), |e| base.checked_pow(e)),
        )
    }
}

/// A power with an exponent above 32 bits: only of -1, 0 and 1 is it an int64.
fn huge_pow(base: i64, exp: i64) -> Option<i64> {
    match base {
        0 | 1 => Some(base),
        -1 => Some(if exp & 1 == 0 { 1 } else { -1 }),
        _ => None,
    }
}

/// The wrapping power of NumPy's integers.
pub extern "C" fn np_int_pow(base: i64, exp: i64) -> i64 {
    let (mut result, mut base, mut exp) = (1i64, base, exp as u64);
    while exp > 0 {
        if exp & 1 == 1 {
            result = result.wrapping_mul(base);
        }
        base = base.wrapping_mul(base);
        exp >>= 1;
    }
    result
}

fn unsigned_gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// `math.gcd` of two numbers that are not the smallest int64.
pub extern "C" fn gcd(a: i64, b: i64) -> i64 {
    unsigned_gcd(a.unsigned_abs(), b.unsigned_abs()) as i64
}

fn lcm_of(a: u64, b: u64) -> Option<i64> {
    if a == 0 || b == 0 {
        return Some(0);
    }
    (a / unsigned_gcd(a, b))
        .checked_mul(b)
        .and_then(|r| i64::try_from(r).ok())
}

/// `math.lcm(a, b)`
pub extern "C" fn lcm(a: i64, b: i64, out: *mut i64) -> i64 {
    // SAFETY: generated code passes a stack slot.
    unsafe { put(out, lcm_of(a.unsigned_abs(), b.unsigned_abs())) }
}

fn falling(n: i64, k: i64) -> Option<i64> {
    if k > n {
        return Some(0);
    }
    // at most 21 factors above 1 fit, so this ends soon for any k
    let mut product = 1i64;
    for i in 0..k {
        product = product.checked_mul(n - i)?;
    }
    Some(product)
}

/// `math.perm(n, k)` for numbers that are not negative; `math.factorial(n)` is `perm(n, n)`.
pub extern "C" fn perm(n: i64, k: i64, out: *mut i64) -> i64 {
    // SAFETY: generated code passes a stack slot.
    unsafe { put(out, falling(n, k)) }
}

fn binomial(n: i64, k: i64) -> Option<i64> {
    if k > n {
        return Some(0);
    }
    let mut c = 1i128;
    // the partial results are binomials that grow with i, so an early one outside int64 settles it
    for i in 0..k.min(n - k) {
        c = c * i128::from(n - i) / i128::from(i + 1);
        i64::try_from(c).ok()?;
    }
    i64::try_from(c).ok()
}

/// `math.comb(n, k)` for numbers that are not negative.
pub extern "C" fn comb(n: i64, k: i64, out: *mut i64) -> i64 {
    // SAFETY: generated code passes a stack slot.
    unsafe { put(out, binomial(n, k)) }
}

/// `math.isqrt` of a number that is not negative.
pub extern "C" fn isqrt(n: i64) -> i64 {
    n.unsigned_abs().isqrt() as i64
}

/// `pow(base, exp, modulus)` for `exp >= 0`: the sign is the modulus's. A modulus of 0, which is refused
/// before, gives 0.
pub extern "C" fn pow_mod(base: i64, exp: i64, modulus: i64) -> i64 {
    if modulus == 0 {
        return 0;
    }
    let m = i128::from(modulus).abs();
    let (mut result, mut base, mut exp) = (1 % m, i128::from(base).rem_euclid(m), exp);
    while exp > 0 {
        if exp & 1 == 1 {
            result = result * base % m;
        }
        base = base * base % m;
        exp >>= 1;
    }
    if modulus < 0 && result != 0 {
        result -= m;
    }
    result as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(f: impl Fn(*mut i64) -> i64) -> Option<i64> {
        let mut out = 0;
        (f(&raw mut out) == 0).then_some(out)
    }

    #[test]
    fn integer_power_reports_overflow() {
        assert_eq!(of(|o| int_pow(3, 39, o)), Some(4_052_555_153_018_976_267));
        assert_eq!(of(|o| int_pow(3, 40, o)), None);
        assert_eq!(of(|o| int_pow(-1, i64::MAX, o)), Some(-1));
        assert_eq!(of(|o| int_pow(2, i64::MAX, o)), None);
        assert_eq!(of(|o| int_pow(-2, 63, o)), Some(i64::MIN));
    }

    #[test]
    fn counting_functions_at_their_limits() {
        assert_eq!(of(|o| perm(20, 20, o)), Some(2_432_902_008_176_640_000));
        assert_eq!(of(|o| perm(21, 21, o)), None);
        assert_eq!(of(|o| perm(3, i64::MAX, o)), Some(0));
        assert_eq!(of(|o| perm(i64::MAX, 1, o)), Some(i64::MAX));
        assert_eq!(of(|o| comb(66, 33, o)), Some(7_219_428_434_016_265_740));
        assert_eq!(of(|o| comb(67, 33, o)), None);
        assert_eq!(of(|o| comb(i64::MAX, i64::MAX - 1, o)), Some(i64::MAX));
        assert_eq!(of(|o| comb(i64::MAX, 2, o)), None);
    }

    #[test]
    fn gcd_lcm_and_roots() {
        assert_eq!(gcd(-12, 18), 6);
        assert_eq!(of(|o| lcm(-4, 6, o)), Some(12));
        assert_eq!(of(|o| lcm(0, i64::MIN, o)), Some(0));
        assert_eq!(of(|o| lcm(1, i64::MIN, o)), None);
        assert_eq!(isqrt(i64::MAX), 3_037_000_499);
        assert_eq!(pow_mod(3, 100, 7), 4);
        assert_eq!(pow_mod(3, 100, -7), -3);
        assert_eq!(pow_mod(i64::MIN, i64::MAX, i64::MIN), 0);
        assert_eq!(pow_mod(5, 0, 1), 0);
    }
}
