//! `math.hypot` of two numbers, as CPython computes it (`vector_norm`): scaled, with the squares
//! in double-double arithmetic and one correction step. The C library's `hypot` differs in the last bit.

/// Veltkamp's constant: splits a double into two halves of 26 bits.
const SPLIT: f64 = 134_217_729.0;

fn split(x: f64) -> (f64, f64) {
    let t = x * SPLIT;
    let high = t - (t - x);
    (high, x - high)
}

/// The exact product, as a double and its error.
fn product(x: f64, y: f64) -> (f64, f64) {
    let ((xh, xl), (yh, yl)) = (split(x), split(y));
    let p = xh * yh;
    let q = xh * yl + xl * yh;
    let z = p + q;
    (z, p - z + q + xl * yl)
}

/// A running sum of squares that starts at 1, with what its roundings lost.
struct Sum {
    high: f64,
    squares: f64,
    sums: f64,
}

impl Sum {
    fn add_product(&mut self, x: f64, y: f64) {
        let (high, low) = product(x, y);
        let sum = self.high + high;
        self.sums += (self.high - sum) + high;
        self.high = sum;
        self.squares += low;
    }

    fn value(&self) -> f64 {
        self.high - 1.0 + (self.squares + self.sums)
    }
}

/// `math.hypot(x, y)`; an infinity where it overflows.
pub extern "C" fn py_hypot(x: f64, y: f64) -> f64 {
    let (x, y) = (x.abs(), y.abs());
    if x.is_infinite() || y.is_infinite() {
        return f64::INFINITY;
    }
    if x.is_nan() || y.is_nan() {
        return f64::NAN;
    }
    let max = x.max(y);
    if max == 0.0 {
        return max;
    }
    if max < f64::MIN_POSITIVE / 2.0 {
        // subnormals, whose scale would overflow
        return f64::MIN_POSITIVE * py_hypot(x / f64::MIN_POSITIVE, y / f64::MIN_POSITIVE);
    }
    // 2**-e for max in 2**(e-1)..2**e
    let exponent = ((max.to_bits() >> 52) & 0x7ff) as i32 - 1022;
    let scale = power_of_two(-exponent);
    let mut sum = Sum {
        high: 1.0,
        squares: 0.0,
        sums: 0.0,
    };
    for v in [x * scale, y * scale] {
        sum.add_product(v, v);
    }
    let root = sum.value().sqrt();
    sum.add_product(-root, root);
    (root + sum.value() / (2.0 * root)) / scale
}

fn power_of_two(e: i32) -> f64 {
    if e >= -1022 {
        f64::from_bits(((e + 1023) as u64) << 52)
    } else {
        f64::from_bits(1u64 << (e + 1074))
    }
}

#[cfg(test)]
mod tests {
    use super::py_hypot;

    #[test]
    fn exact_and_special() {
        assert_eq!(py_hypot(3.0, -4.0), 5.0);
        assert_eq!(py_hypot(0.0, -0.0).to_bits(), 0);
        assert_eq!(py_hypot(f64::NAN, f64::NEG_INFINITY), f64::INFINITY);
        assert!(py_hypot(f64::NAN, 1.0).is_nan());
        assert_eq!(py_hypot(f64::MAX, f64::MAX), f64::INFINITY);
        assert_eq!(py_hypot(3e-320, 4e-320), 5e-320);
        assert_eq!(py_hypot(f64::MAX / 2.0, 1.0), f64::MAX / 2.0);
    }

    /// Values that CPython 3.11 gives and the C library's `hypot` does not.
    #[test]
    fn last_bit_is_cpythons() {
        for (x, y, want) in CPYTHON {
            assert_eq!(py_hypot(f64::from_bits(x), f64::from_bits(y)).to_bits(), want);
        }
    }

    const CPYTHON: [(u64, u64, u64); 4] = [
        (
            0x4014_361b_37f7_7e1c,
            0x4017_8f62_1444_3565,
            0x401f_0aa1_c463_733d,
        ),
        (
            0x4023_5baa_3a07_c3a8,
            0x4021_82bc_3e9e_5c99,
            0x402a_1a54_6ba2_3699,
        ),
        (
            0x4019_db88_a4a9_c74a,
            0x4010_aad7_cbe1_adea,
            0x401e_c38a_fbc3_143e,
        ),
        (
            0x4011_9c2c_317f_d37f,
            0x401e_64ea_dc85_5dd3,
            0x4021_9048_d3a3_3411,
        ),
    ];
}
