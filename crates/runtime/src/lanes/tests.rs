//! Kernels against the library, on every level this processor has, and against exact values.

use super::*;

/// Numbers of all kinds, most of them between `low` and `high`.
fn samples(n: u64, low: f64, high: f64) -> Vec<f64> {
    let bits = |k: u64| {
        let x = (k + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    };
    let random = (0..n).map(|k| match (k % 8, bits(k)) {
        (0, x) => f64::from_bits(x),
        // between 2^-33 and 2^27
        (1, x) => f64::from_bits(x & !(0x7ff << 52) | (990 + x % 60) << 52),
        (_, x) => low + (high - low) * (x >> 11) as f64 / (1u64 << 53) as f64,
    });
    let special = [
        0.0,
        1.0,
        2.0,
        0.5,
        1e-8,
        708.5,
        710.0,
        745.2,
        1e300,
        1e-310,
        5e-324,
        f64::MAX,
        f64::INFINITY,
        f64::NAN,
    ];
    random.chain(special).chain(special.map(|x| -x)).collect()
}

fn apply(f: Lanes, x: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; x.len()];
    // SAFETY: two arrays of the same length.
    unsafe { f(x.as_ptr(), out.as_mut_ptr(), x.len()) };
    out
}

fn bits(y: f64) -> u64 {
    if y.is_nan() { 0 } else { y.to_bits() }
}

/// On every level what is asked one by one, and how many of the first eight kinds of numbers are not sure.
fn check<K: Kernel>(one: impl Fn(f64) -> f64, low: f64, high: f64) {
    let x = samples(20_000, low, high);
    let expected: Vec<f64> = x.iter().map(|x| one(*x)).collect();
    for (level, f) in levels::<K>().into_iter().enumerate() {
        for ((x, y), z) in x.iter().zip(apply(f, &x)).zip(&expected) {
            assert_eq!(bits(y), bits(*z), "level {level}: {x:e} gives {y:e}, not {z:e}");
        }
    }
}

#[test]
fn equal_kernels_give_what_the_library_gives() {
    check::<Exp>(Exp::slow, -20.0, 20.0);
    check::<Log>(Log::slow, 0.0, 10.0);
    check::<Log>(Log::slow, 0.9, 1.1);
    check::<Square>(Square::slow, -10.0, 10.0);
    check::<Sin>(Sin::slow, -10.0, 10.0);
    check::<Sin>(Sin::slow, -1e6, 1e6);
    check::<Cos>(Cos::slow, -10.0, 10.0);
    check::<Cos>(Cos::slow, -1e6, 1e6);
}

#[test]
fn few_numbers_are_left_to_the_library() {
    fn share<K: Kernel>(low: f64, high: f64) -> f64 {
        let x: Vec<f64> = samples(8000, low, high)
            .into_iter()
            .filter(|x| (low..high).contains(x))
            .collect();
        x.iter().filter(|x| !K::eval(**x).1).count() as f64 / x.len() as f64
    }
    assert!(share::<Exp>(-20.0, 20.0) < 0.1);
    assert!(share::<Log>(0.1, 10.0) < 0.12);
    assert!(share::<Square>(0.1, 10.0) < 0.07);
    assert!(share::<Sin>(-10.0, 10.0) < 0.16);
    assert!(share::<Cos>(-10.0, 10.0) < 0.16);
}

#[test]
fn own_kernels_give_the_same_everywhere() {
    check::<Erf>(error::erf, -4.0, 4.0);
    // SAFETY: these are the addresses of functions of a number.
    let scalar: extern "C" fn(f64) -> f64 = unsafe { std::mem::transmute(one::<Erf>()) };
    check::<Erf>(|x| scalar(x), -4.0, 4.0);
}

#[test]
fn own_kernels_are_within_one_unit_of_the_exact_value() {
    for (x, exact) in ERF {
        let units = (error::erf(x).to_bits() as i64 - exact.to_bits() as i64).abs();
        assert!(units <= 1, "erf({x:e})");
        assert_eq!(error::erf(-x), -error::erf(x));
    }
    assert_eq!(error::erf(-0.0).to_bits(), (-0.0f64).to_bits());
    assert_eq!(error::erf(f64::NEG_INFINITY), -1.0);
}

#[test]
fn any_number_of_numbers() {
    let x: Vec<f64> = (0..40).map(|k| 0.1 + f64::from(k)).collect();
    for f in levels::<Log>() {
        for n in 0..x.len() {
            let expected: Vec<f64> = x[..n].iter().map(|x| Log::slow(*x)).collect();
            assert_eq!(apply(f, &x[..n]), expected);
        }
    }
}

/// erf, rounded correctly.
#[rustfmt::skip]
const ERF: [(f64, f64); 41] = [
    (5e-324, 5e-324),
    (1e-300, 1.1283791670955126e-300),
    (1e-08, 1.1283791670955126e-08),
    (0.1, 0.1124629160182849),
    (0.5, 0.5204998778130465),
    (0.99, 0.8385080695553698),
    (0.9999999999999999, 0.8427007929497148),
    (1.0, 0.8427007929497149),
    (1.5, 0.9661051464753108),
    (2.0, 0.9953222650189527),
    (3.0, 0.9999779095030014),
    (4.0, 0.9999999845827421),
    (5.0, 0.9999999999984626),
    (5.9, 0.9999999999999999),
    (5.92, 0.9999999999999999),
    (5.93, 1.0),
    (6.0, 1.0),
    (1.8687050846691058, 0.9917763802208275),
    (2.225360967782188, 0.998351215561821),
    (2.38558069669709, 0.9992584039515836),
    (2.827350851331151, 0.9999362488730343),
    (2.2196957242197923, 0.9983054615762714),
    (2.766974989996251, 0.9999088787897497),
    (0.08701568485084421, 0.0979394335585062),
    (1.3968679631343162, 0.9517851208896713),
    (2.830070150994941, 0.999937276567626),
    (1.9469236594107726, 0.9941014060082328),
    (2.7027014752518683, 0.9998677320902484),
    (0.3396178939594331, 0.36898038811481493),
    (1.4072071433464912, 0.9534191350018445),
    (0.739718497859491, 0.7044943362255744),
    (1.6312825777077913, 0.9789441733686628),
    (1.7218235637843025, 0.9851092900099827),
    (0.03934256876670661, 0.04437044104879581),
    (0.6501894013915445, 0.6421693812972159),
    (0.838447098033331, 0.7642762939926495),
    (2.749036115425656, 0.9998988114739006),
    (2.297176354887425, 0.9988406549026101),
    (0.4788126370741147, 0.5016849776089128),
    (2.3914409742936136, 0.9992804201895674),
    (0.4163022551967095, 0.443964497541971),
];
