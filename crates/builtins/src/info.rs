//! Attributes of `np.iinfo` and `np.finfo`.

use numlift_types::{DType, Kind, Scalar};

/// Limits of a binary floating point format.
struct Format {
    bits: i64,
    mantissa: i64,
    exponent: i64,
    max_exponent: i64,
    min_exponent: i64,
    digits: i64,
    resolution: f64,
    max: f64,
    min_positive: f64,
    smallest: f64,
}

const FLOAT32: Format = Format {
    bits: 32,
    mantissa: 23,
    exponent: 8,
    max_exponent: 128,
    min_exponent: -126,
    digits: 6,
    resolution: 1e-6,
    max: f32::MAX as f64,
    min_positive: f32::MIN_POSITIVE as f64,
    smallest: 1e-45f32 as f64,
};

const FLOAT64: Format = Format {
    bits: 64,
    mantissa: 52,
    exponent: 11,
    max_exponent: 1024,
    min_exponent: -1022,
    digits: 15,
    resolution: 1e-15,
    max: f64::MAX,
    min_positive: f64::MIN_POSITIVE,
    smallest: 5e-324,
};

/// `numpy.iinfo(dtype).name` or `numpy.finfo(dtype).name`: its family and the bits of its slot.
pub fn info(path: &str, dtype: DType, name: &str) -> Option<(Scalar, u64)> {
    let int = |n: i64| Some((Scalar::PyInt, n as u64));
    match (path, dtype.component()) {
        ("numpy.iinfo", d) if d.is_integer() => {
            let (low, high) = d.int_range()?;
            match name {
                "bits" => int(i64::from(d.bits())),
                "max" => int(i64::try_from(high).ok()?),
                "min" => int(i64::try_from(low).ok()?),
                _ => None,
            }
        }
        ("numpy.finfo", d) if d.kind() == Kind::Float => {
            let f = if d == DType::F32 { FLOAT32 } else { FLOAT64 };
            integer(&f, name).map_or_else(|| float(&f, d, name), int)
        }
        _ => None,
    }
}

fn integer(f: &Format, name: &str) -> Option<i64> {
    Some(match name {
        "bits" => f.bits,
        "nmant" => f.mantissa,
        "nexp" | "iexp" => f.exponent,
        "maxexp" => f.max_exponent,
        "minexp" => f.min_exponent,
        "machep" => -f.mantissa,
        "negep" => -f.mantissa - 1,
        "precision" => f.digits,
        _ => return None,
    })
}

fn float(f: &Format, d: DType, name: &str) -> Option<(Scalar, u64)> {
    let epsilon = 1.0 / (1u64 << f.mantissa) as f64;
    let x = match name {
        "eps" => epsilon,
        "epsneg" => epsilon / 2.0,
        "max" => f.max,
        "min" => -f.max,
        "tiny" | "smallest_normal" => f.min_positive,
        "smallest_subnormal" => f.smallest,
        "resolution" => f.resolution,
        _ => return None,
    };
    let bits = if d == DType::F32 {
        u64::from((x as f32).to_bits())
    } else {
        x.to_bits()
    };
    Some((Scalar::Np(d), bits))
}
