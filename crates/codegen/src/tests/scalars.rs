//! Arithmetic of every width, conversions, checked arithmetic.

use super::*;

type Rounding = fn(f64) -> f64;
type Checked = fn(i64, i64) -> Option<i64>;

#[test]
fn integer_operations_of_every_width() {
    for ty in [Ty::I8, Ty::I16, Ty::I32, Ty::I64] {
        let bits = ty.bits();
        let mask = u64::MAX >> (64 - bits);
        let sign = |x: u64| ((x << (64 - bits)) as i64) >> (64 - bits);
        let slot = |x: u64| if ty == Ty::I8 { x & mask } else { sign(x) as u64 };
        let a = 0x9234_5678_9ABC_DE93_u64;
        let (ua, sa) = (a & mask, sign(a));
        let b = 5u64;
        let expect = [
            (Opcode::Iadd, a.wrapping_add(b)),
            (Opcode::Isub, a.wrapping_sub(b)),
            (Opcode::Imul, a.wrapping_mul(b)),
            (Opcode::Sdiv, (sa / 5) as u64),
            (Opcode::Srem, (sa % 5) as u64),
            (Opcode::Udiv, ua / 5),
            (Opcode::Urem, ua % 5),
            (Opcode::Band, a & b),
            (Opcode::Bor, a | b),
            (Opcode::Bxor, a ^ b),
            (Opcode::Ishl, a << b),
            (Opcode::Sshr, (sa >> b) as u64),
            (Opcode::Ushr, ua >> b),
            (Opcode::Smin, sa.min(5) as u64),
            (Opcode::Smax, sa.max(5) as u64),
        ];
        for (op, want) in expect {
            let m = module(&[ty, ty], &[ty], |f, v, _| {
                let r = f.op(op, v);
                f.ret(&[r]);
            });
            // The bits above the type are not the callee's business.
            let got = run(&m, &[a, (0xFFFF_0000_0000_0000 * u64::from(bits < 64)) | b]);
            assert_eq!((got.status, got.ret[0]), (0, slot(want)), "{} {ty:?}", op.name());
        }
        let leading = (ua << (64 - bits)).leading_zeros();
        for (op, want) in [
            (Opcode::Ineg, a.wrapping_neg()),
            (Opcode::Bnot, !a),
            (Opcode::Clz, u64::from(leading)),
            (Opcode::Ctz, u64::from(ua.trailing_zeros())),
            (Opcode::Popcnt, u64::from(ua.count_ones())),
        ] {
            let m = module(&[ty], &[ty], |f, v, _| {
                let r = f.op(op, v);
                f.ret(&[r]);
            });
            assert_eq!(run(&m, &[a]).ret[0], slot(want), "{} {ty:?}", op.name());
        }
        let m = module(&[], &[ty], |f, _, _| {
            let r = f.iconst(ty, -3);
            f.ret(&[r]);
        });
        assert_eq!(run(&m, &[]).ret[0], slot(-3i64 as u64));
    }
}

#[test]
fn conversions() {
    let convert = |from: Ty, op: Opcode, to: Ty, arg: u64| {
        let m = module(&[from], &[to], |f, v, _| {
            let r = f.convert(op, to, v[0]);
            f.ret(&[r]);
        });
        run(&m, &[arg]).ret[0]
    };
    let f = f64::to_bits;
    assert_eq!(convert(Ty::I8, Opcode::Sext, Ty::I64, 0x80), -128i64 as u64);
    assert_eq!(convert(Ty::I16, Opcode::Zext, Ty::I64, 0xFFFF), 0xFFFF);
    assert_eq!(
        convert(Ty::I64, Opcode::Trunc, Ty::I32, 0x1_8000_0000),
        0xFFFF_FFFF_8000_0000
    );
    assert_eq!(convert(Ty::I64, Opcode::StoF, Ty::F64, -3i64 as u64), f(-3.0));
    assert_eq!(
        convert(Ty::I64, Opcode::UtoF, Ty::F64, u64::MAX),
        f(u64::MAX as f64)
    );
    assert_eq!(
        convert(Ty::I32, Opcode::UtoF, Ty::F32, u64::from(u32::MAX)),
        u64::from((u32::MAX as f32).to_bits())
    );
    assert_eq!(convert(Ty::F64, Opcode::FtoS, Ty::I64, f(1e300)), i64::MAX as u64);
    assert_eq!(convert(Ty::F64, Opcode::FtoS, Ty::I32, f(-2.9)), -2i64 as u64);
    assert_eq!(convert(Ty::F64, Opcode::FtoS, Ty::I64, f(f64::NAN)), 0);
    assert_eq!(
        convert(Ty::F64, Opcode::FtoU, Ty::I64, f(1e19)),
        10_000_000_000_000_000_000
    );
    assert_eq!(
        convert(Ty::F32, Opcode::Fpromote, Ty::F64, u64::from(1.5f32.to_bits())),
        f(1.5)
    );
    assert_eq!(
        convert(Ty::F64, Opcode::Fdemote, Ty::F32, f(0.1)),
        u64::from(0.1f32.to_bits())
    );
    assert_eq!(convert(Ty::F64, Opcode::Bitcast, Ty::I64, f(0.1)), f(0.1));
}

#[test]
fn rounding_with_and_without_the_instruction() {
    for x in [
        0.5,
        -0.5,
        1.5,
        2.5,
        -2.5,
        -0.0,
        3.7,
        -3.2,
        4503599627370497.5,
        1e300,
        -1e300,
        f64::INFINITY,
    ] {
        let cases: [(Opcode, Rounding); 4] = [
            (Opcode::Ffloor, f64::floor),
            (Opcode::Fceil, f64::ceil),
            (Opcode::Ftrunc, f64::trunc),
            (Opcode::Fnearest, f64::round_ties_even),
        ];
        for (op, want) in cases {
            let m = module(&[Ty::F64, Ty::F32], &[Ty::F64, Ty::F32], |f, v, _| {
                let (a, b) = (f.op(op, &v[..1]), f.op(op, &v[1..]));
                f.ret(&[a, b]);
            });
            let got = run(&m, &[x.to_bits(), u64::from((x as f32).to_bits())]);
            assert_eq!(got.ret[0], want(x).to_bits(), "{} {x}", op.name());
            assert_eq!(
                got.ret[1],
                u64::from((want(f64::from(x as f32)) as f32).to_bits()),
                "{} {x} f32",
                op.name()
            );
        }
    }
}

#[test]
fn float_operations_and_selects() {
    for (x, y) in [(1.5f64, -2.0f64), (-2.0, 1.5), (f64::NAN, 1.0), (0.0, -0.0)] {
        let m = module(
            &[Ty::F64, Ty::F64, Ty::I64],
            &[Ty::F64, Ty::F64, Ty::F32],
            |f, v, _| {
                let sum = f.op(Opcode::Fcopysign, &v[..2]);
                let lt = f.fcmp(FloatCC::Lt, v[0], v[1]);
                let le = f.fcmp(FloatCC::Le, v[0], v[1]);
                let less = f.select(lt, v[0], v[1]);
                let scaled = f.op(Opcode::Fmul, &[less, sum]);
                let picked = f.select(le, scaled, v[1]);
                let zero = f.iconst(Ty::I64, 0);
                let c = f.icmp(IntCC::Sgt, v[2], zero);
                let by_int = f.select(c, v[0], v[1]);
                let narrow: Vec<Value> = v[..2]
                    .iter()
                    .map(|&v| f.convert(Opcode::Fdemote, Ty::F32, v))
                    .collect();
                let mixed = f.select(le, narrow[0], narrow[1]);
                f.ret(&[picked, by_int, mixed]);
            },
        );
        for n in [1i64, -1] {
            let got = run(&m, &[x.to_bits(), y.to_bits(), n as u64]);
            let less = if x < y { x } else { y };
            let picked = if x <= y { less * x.copysign(y) } else { y };
            assert_eq!(got.ret[0], picked.to_bits(), "{x} {y}");
            assert_eq!(got.ret[1], if n > 0 { x } else { y }.to_bits(), "{x} {y}");
            let mixed = if x <= y { x as f32 } else { y as f32 };
            assert_eq!(got.ret[2], u64::from(mixed.to_bits()), "{x} {y}");
        }
    }
}

#[test]
fn checked_arithmetic_is_exact_and_records_its_operands() {
    let limits = [
        i64::MIN,
        i64::MIN + 1,
        i64::MIN / 3,
        -7,
        -1,
        0,
        1,
        2,
        9,
        i64::MAX / 3,
        i64::MAX / 3 + 1,
        i64::MAX,
    ];
    let ops: [(Opcode, Checked); 3] = [
        (Opcode::IaddChk, i64::checked_add),
        (Opcode::IsubChk, i64::checked_sub),
        (Opcode::ImulChk, i64::checked_mul),
    ];
    let opts = &OPTIONS[0];
    for (op, want) in ops {
        for constant in [
            None,
            Some(0),
            Some(1),
            Some(2),
            Some(3),
            Some(-1),
            Some(-5),
            Some(8),
            Some(i64::MIN),
        ] {
            for swap in [false, true] {
                let m = module(&[Ty::I64, Ty::I64], &[Ty::I64], |f, v, site| {
                    let k = constant.map_or(v[1], |k| f.iconst(Ty::I64, k));
                    let own = if swap { [k, v[0]] } else { [v[0], k] };
                    let r = f.checked(op, &own, &own, site);
                    f.ret(&[r]);
                });
                let out = compile(&m, opts, Want::default()).unwrap_or_else(|e| panic!("{e}"));
                for a in limits {
                    for b in constant.map_or(limits.to_vec(), |k| vec![k]) {
                        let (x, y) = if swap { (b, a) } else { (a, b) };
                        let got = run_output(&out, &[a as u64, b as u64], 0);
                        let text = format!("{} {x} {y} {constant:?}", op.name());
                        match want(x, y) {
                            Some(r) => assert_eq!((got.status, got.ret[0]), (0, r as u64), "{text}"),
                            None => {
                                assert_eq!((got.status, got.site), (1, 0), "{text}");
                                assert_eq!(got.operands[..2], [x as u64, y as u64], "{text}");
                            }
                        }
                    }
                }
            }
        }
    }
}
