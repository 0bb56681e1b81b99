//! MIR built by hand, compiled, loaded and run.

use std::ffi::c_void;
use std::sync::atomic::{AtomicU64, Ordering};

use numlift_mir::{Builder, FloatCC, FuncId, Function, IntCC, Module, Opcode, Region, Site, Ty, Value};
use numlift_runtime::abi::{Ctx, EntryFn, MAX_OPERANDS};
use numlift_runtime::{ExitReason, SiteData, SiteKind, helpers};

use crate::{CodegenError, Options, Output, Want, compile};

const OPTIONS: [Options; 3] = [
    Options {
        opt_level_speed: true,
        verify: true,
        host_cpu: true,
    },
    Options {
        opt_level_speed: false,
        verify: true,
        host_cpu: true,
    },
    Options {
        opt_level_speed: true,
        verify: true,
        host_cpu: false,
    },
];

/// What a call left behind.
#[derive(Debug, Clone, PartialEq)]
struct Outcome {
    status: i32,
    ret: [u64; 4],
    site: u32,
    effects: u32,
    operands: [u64; MAX_OPERANDS],
    trace: Vec<u32>,
}

static DECREFS: AtomicU64 = AtomicU64::new(0);

unsafe extern "C" fn decref(object: u64) {
    DECREFS.fetch_add(object, Ordering::SeqCst);
}

unsafe extern "C" fn trace(ctx: *mut Ctx, site: i64) {
    // SAFETY: the tests pass a live `Ctx` with room for four entries.
    unsafe {
        let c = &mut *ctx;
        *c.trace.add(c.trace_len as usize) = site as u32;
        c.trace_len += 1;
    }
}

unsafe extern "C" fn safepoint(ctx: *mut Ctx) -> i32 {
    // SAFETY: the tests pass a live `Ctx`.
    unsafe { (*ctx).effects += 10 };
    1
}

unsafe extern "C" fn exp(x: f64) -> f64 {
    x.exp()
}

unsafe extern "C" fn pow(x: f64, y: f64) -> f64 {
    x.powf(y)
}

unsafe extern "C" fn missing() {
    std::process::abort();
}

fn helper_table() -> Vec<*const c_void> {
    let mut table = vec![missing as *const c_void; helpers::count()];
    for (name, f) in [
        ("py_decref", decref as *const c_void),
        ("trace", trace as *const c_void),
        ("safepoint", safepoint as *const c_void),
        ("exp", exp as *const c_void),
        ("pow", pow as *const c_void),
    ] {
        table[usize::from(helpers::find(name).expect("known").0)] = f;
    }
    table
}

/// Loads the code into executable memory and calls it.
fn run_output(out: &Output, args: &[u64], interrupt: u32) -> Outcome {
    let mut map = memmap2::MmapMut::map_anon(out.blob.code.len()).expect("memory");
    map.copy_from_slice(&out.blob.code);
    let map = map.make_exec().expect("executable memory");
    let table = helper_table();
    let objects = [0x1111 as *mut c_void, 0x2222 as *mut c_void];
    let hidden = [77u64];
    let mut traces = [0u32; 4];
    let mut ctx = Ctx {
        helpers: table.as_ptr(),
        interrupt: &interrupt,
        depth_limit: 50,
        objects: objects.as_ptr(),
        hidden: hidden.as_ptr(),
        site: u32::MAX,
        effects: 0,
        operands: [0; MAX_OPERANDS],
        trace: traces.as_mut_ptr(),
        trace_len: 0,
        trace_cap: 4,
        host: std::ptr::null_mut(),
    };
    let mut ret = [0u64; 4];
    // SAFETY: `entry` is the offset of the thunk, whose type is `EntryFn`; `ctx`, `args` and
    // `ret` live through the call, and the helpers above have the types of the table.
    let status = unsafe {
        let entry: EntryFn = std::mem::transmute(map.as_ptr().add(out.blob.entry as usize));
        entry(&mut ctx, args.as_ptr(), ret.as_mut_ptr())
    };
    let (site, effects, operands) = (ctx.site, ctx.effects, ctx.operands);
    let trace = traces[..ctx.trace_len as usize].to_vec();
    Outcome {
        status,
        ret,
        site,
        effects,
        operands,
        trace,
    }
}

/// Compiles with every set of options, which must agree.
fn run(module: &Module, args: &[u64]) -> Outcome {
    run_with(module, args, 0)
}

fn run_with(module: &Module, args: &[u64], interrupt: u32) -> Outcome {
    let run = |o: &Options| {
        let out = compile(module, o, Want::default()).unwrap_or_else(|e| panic!("{e}"));
        run_output(&out, args, interrupt)
    };
    let first = run(&OPTIONS[0]);
    for o in &OPTIONS[1..] {
        assert_eq!(run(o), first, "{o:?}");
    }
    first
}

fn function(name: &str, params: &[Ty], results: &[Ty]) -> (Builder, Vec<Value>) {
    let mut f = Function::new(name);
    f.params = params.to_vec();
    f.results = results.to_vec();
    let mut b = Builder::new(f);
    let entry = b.create_block();
    b.switch_to(entry);
    let values = params.iter().map(|&t| b.func.append_param(entry, t)).collect();
    (b, values)
}

fn add_site(m: &mut Module, kind: SiteKind) -> Site {
    m.sites.push(SiteData {
        kind,
        frame: 0,
        line: 1,
    })
}

fn replay() -> SiteKind {
    SiteKind::Replay {
        expr: String::new(),
        operands: Vec::new(),
    }
}

fn single(b: Builder) -> Module {
    let mut m = Module::default();
    m.entry = Some(m.funcs.push(b.func));
    m
}

/// A module of one function: `build` gets its parameters and one `Replay` site.
fn module(params: &[Ty], results: &[Ty], build: impl FnOnce(&mut Builder, &[Value], Site)) -> Module {
    let mut m = Module::default();
    let site = add_site(&mut m, replay());
    let (mut b, values) = function("f", params, results);
    build(&mut b, &values, site);
    m.entry = Some(m.funcs.push(b.func));
    m
}

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
            let got = run(&m, &[a, 0xFFFF_0000_0000_0000 * u64::from(bits < 64) | b]);
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
        let cases: [(Opcode, fn(f64) -> f64); 4] = [
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
    for (x, y) in [(1.5, -2.0), (-2.0, 1.5), (f64::NAN, 1.0), (0.0, -0.0)] {
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
    let ops: [(Opcode, fn(i64, i64) -> Option<i64>); 3] = [
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

#[test]
fn bounds_zero_shape_and_guard() {
    let m = module(&[Ty::I64, Ty::I64], &[Ty::I64], |f, v, site| {
        let r = f.checked(Opcode::BoundsCheck, v, v, site);
        f.ret(&[r]);
    });
    for (i, n, want) in [
        (0, 3, Some(0)),
        (2, 3, Some(2)),
        (3, 3, None),
        (-1, 3, Some(2)),
        (-3, 3, Some(0)),
        (-4, 3, None),
        (0, 0, None),
    ] {
        let got = run(&m, &[i as u64, n]);
        assert_eq!((got.status == 0).then_some(got.ret[0]), want, "{i} {n}");
        if want.is_none() {
            assert_eq!(got.operands[..2], [i as u64, n]);
        }
    }
    let m = module(&[Ty::I64], &[Ty::I64], |f, v, site| {
        let two = f.iconst(Ty::I64, 2);
        let r = f.checked(Opcode::BoundsCheck, &[two, v[0]], &[], site);
        f.ret(&[r]);
    });
    assert_eq!((run(&m, &[3]).status, run(&m, &[2]).status), (0, 1));

    // Operands of every type in slot form.
    let types = [Ty::I8, Ty::I16, Ty::I32, Ty::I64, Ty::F32, Ty::F64];
    for op in [Opcode::ZeroCheck, Opcode::Guard, Opcode::ShapeCheck, Opcode::Fail] {
        let m = module(&types, &[], |f, v, site| {
            let one = f.iconst(Ty::I64, 1);
            match op {
                Opcode::ZeroCheck => f.check(op, &v[3..4], v, site),
                Opcode::Guard => f.check(op, &v[..1], v, site),
                Opcode::ShapeCheck => f.check(op, &[v[3], one], v, site),
                _ => return f.fail(v, site),
            }
            f.ret(&[]);
        });
        let float = u64::from((-1.5f32).to_bits());
        let args = [0, 0xFFFF, 0xFFFF_FFFE, 0, float | 7 << 40, 2.5f64.to_bits()];
        let got = run(&m, &args);
        assert_eq!(got.status, 1, "{}", op.name());
        assert_eq!(
            got.operands[..6],
            [0, u64::MAX, -2i64 as u64, 0, float, 2.5f64.to_bits()]
        );
        if op != Opcode::Fail {
            assert_eq!(run(&m, &[0x80, 0, 0, 1, 0, 0]).status, 0, "{}", op.name());
        }
    }
}

/// `sum(p[i] for i in range(n))` as a rotated loop whose exit block comes first in the layout.
fn sum_module(safepoint: bool) -> Module {
    module(&[Ty::I64, Ty::I64], &[Ty::F64], |f, v, site| {
        let (body, done) = (f.create_block(), f.create_block());
        let (i, acc) = (
            f.func.append_param(body, Ty::I64),
            f.func.append_param(body, Ty::F64),
        );
        let result = f.func.append_param(done, Ty::F64);
        let (zero, zerof) = (f.iconst(Ty::I64, 0), f.fconst(Ty::F64, 0.0));
        let any = f.icmp(IntCC::Sgt, v[1], zero);
        f.br(any, (body, &[zero, zerof]), (done, &[zerof]));
        f.switch_to(done);
        f.ret(&[result]);
        f.switch_to(body);
        if safepoint {
            f.safepoint(site);
        }
        let three = f.iconst(Ty::I64, 3);
        let offset = f.op(Opcode::Ishl, &[i, three]);
        let addr = f.op(Opcode::Iadd, &[v[0], offset]);
        let x = f.load(Ty::F64, addr, 0, Region::Any);
        let sum = f.op(Opcode::Fadd, &[acc, x]);
        let one = f.iconst(Ty::I64, 1);
        let next = f.checked(Opcode::IaddChk, &[i, one], &[], site);
        let more = f.icmp(IntCC::Slt, next, v[1]);
        f.br(more, (body, &[next, sum]), (done, &[sum]));
    })
}

#[test]
fn loops_and_safepoints() {
    let data = [1.0f64, 2.0, 3.5];
    let address = data.as_ptr() as u64;
    assert_eq!(run(&sum_module(false), &[address, 3]).ret[0], 6.5f64.to_bits());
    assert_eq!(run(&sum_module(false), &[address, 0]).ret[0], 0);
    assert_eq!(run(&sum_module(true), &[address, 3]).ret[0], 6.5f64.to_bits());
    let got = run_with(&sum_module(true), &[address, 3], 1);
    assert_eq!((got.status, got.site, got.effects), (2, 0, 10));
}

#[test]
fn loop_headers_start_a_cache_line() {
    let want = Want {
        clif: true,
        asm: true,
    };
    let out = compile(&sum_module(false), &OPTIONS[0], want).unwrap_or_else(|e| panic!("{e}"));
    assert!(out.clif.contains("; f\n") && out.clif.contains("; thunk\n") && !out.asm.is_empty());
    assert_eq!((out.blob.align, out.blob.ret_slots), (64, 1));
    assert!(out.blob.frame_bytes >= 16);
    // The backward branch of the only loop goes to a multiple of 64.
    if cfg!(target_arch = "x86_64") && std::is_x86_feature_detected!("avx") {
        let code = &out.blob.code[..out.blob.entry as usize];
        let short = code
            .windows(2)
            .enumerate()
            .filter(|(_, w)| matches!(w[0], 0x70..=0x7F | 0xEB) && w[1] >= 0x80);
        let near = code
            .windows(6)
            .enumerate()
            .filter(|(_, w)| w[0] == 0x0F && matches!(w[1], 0x80..=0x8F) && w[5] == 0xFF);
        let targets = short
            .map(|(i, w)| i as i64 + 2 + i64::from(w[1] as i8))
            .chain(near.map(|(i, w)| i as i64 + 6 + i64::from(i32::from_le_bytes([w[2], w[3], w[4], w[5]]))));
        assert!(targets.into_iter().any(|t| t % 64 == 0), "{}", out.asm);
    }
}

#[test]
fn memory_slots_and_objects() {
    let m = module(&[Ty::I64], &[Ty::I64, Ty::I64, Ty::I64, Ty::I16], |f, v, _| {
        let slot = f.create_slot(16, false);
        let a = f.slot_addr(slot);
        f.store(v[0], a, 8, Region::Stack);
        let narrow = f.load(Ty::I16, a, 8, Region::Stack);
        let object = f.object(1);
        let i = f.push(
            Opcode::ObjectAddr,
            Ty::I64,
            &[],
            numlift_mir::Imm::Int(-1),
            &[Ty::I64],
        );
        let hidden = f.func.insts[i].results[0];
        let first = f.load(Ty::I64, hidden, 0, Region::Any);
        let whole = f.load(Ty::I64, a, 8, Region::Stack);
        f.ret(&[whole, object, first, narrow]);
    });
    assert_eq!(
        run(&m, &[0x1_8000]).ret,
        [0x1_8000, 0x2222, 77, -0x8000i64 as u64]
    );
}

#[test]
fn helpers_are_called_through_the_table() {
    let m = module(&[Ty::F64, Ty::F64], &[Ty::F64], |f, v, _| {
        let e = f
            .call_helper(helpers::find("exp").expect("exp"), &v[..1], None)
            .expect("result");
        let r = f
            .call_helper(helpers::find("pow").expect("pow"), &[e, v[1]], None)
            .expect("result");
        f.ret(&[r]);
    });
    let got = run(&m, &[1.5f64.to_bits(), 2.0f64.to_bits()]);
    assert_eq!(got.ret[0], 1.5f64.exp().powf(2.0).to_bits());
    let m = module(&[], &[Ty::F64], |f, _, site| {
        f.call_helper(helpers::find("safepoint").expect("safepoint"), &[], Some(site));
        let x = f.fconst(Ty::F64, 1.0);
        f.ret(&[x]);
    });
    let got = run(&m, &[]);
    assert_eq!((got.status, got.site), (2, 0));
}

#[test]
fn a_failing_callee_leaves_a_trace_and_the_effects() {
    let mut m = Module::default();
    let inner = add_site(&mut m, SiteKind::Exit(ExitReason::Overflow));
    let calls = [add_site(&mut m, SiteKind::Call), add_site(&mut m, SiteKind::Call)];
    let (mut b, v) = function("leaf", &[Ty::I64, Ty::F32], &[Ty::I64, Ty::F32]);
    let none = b.iconst(Ty::I8, 0);
    let r = b.checked(Opcode::IaddChk, &[v[0], v[0]], &[none], inner);
    b.ret(&[r, v[1]]);
    let leaf = m.funcs.push(b.func);
    let (mut b, v) = function("middle", &[Ty::I64, Ty::I8], &[Ty::F32]);
    let x = b.fconst(Ty::F32, 0.1);
    let r = b.call(leaf, &[v[0], x, v[1]], &[Ty::I64, Ty::F32], calls[0]);
    let wide = b.convert(Opcode::StoF, Ty::F32, r[0]);
    let sum = b.op(Opcode::Fadd, &[wide, r[1]]);
    b.ret(&[sum]);
    let middle = m.funcs.push(b.func);
    let (mut b, v) = function("main", &[Ty::I64, Ty::I8], &[Ty::F32]);
    let none = b.iconst(Ty::I8, 0);
    let r = b.call(middle, &[v[0], v[1], none], &[Ty::F32], calls[1]);
    b.ret(&r);
    m.entry = Some(m.funcs.push(b.func));

    assert_eq!(run(&m, &[4, 0]).ret[0], u64::from((8.0f32 + 0.1).to_bits()));
    for effects in [0, 1] {
        let got = run(&m, &[i64::MAX as u64, effects]);
        assert_eq!((got.status, got.site, u64::from(got.effects)), (1, 0, effects));
        assert_eq!(got.trace, [1, 2]);
    }
}

#[test]
fn an_exit_records_its_effects() {
    let mut m = Module::default();
    let site = add_site(&mut m, SiteKind::Exit(ExitReason::Tag));
    let (mut b, v) = function("f", &[Ty::I8], &[]);
    b.fail(&v, site);
    m.entry = Some(m.funcs.push(b.func));
    assert_eq!((run(&m, &[1]).effects, run(&m, &[0]).effects), (1, 0));
}

#[test]
fn recursion_stops_at_the_depth_limit() {
    let mut m = Module::default();
    let (deep, call) = (add_site(&mut m, replay()), add_site(&mut m, SiteKind::Call));
    let (mut b, v) = function("fib", &[Ty::I64], &[Ty::I64]);
    b.func.recursive = true;
    b.func.recursion_site = Some(deep);
    let fib = FuncId::from_u32(0);
    let (base, step) = (b.create_block(), b.create_block());
    let two = b.iconst(Ty::I64, 2);
    let small = b.icmp(IntCC::Slt, v[0], two);
    b.br(small, (base, &[]), (step, &[]));
    b.switch_to(base);
    b.ret(&v);
    b.switch_to(step);
    let none = b.iconst(Ty::I8, 0);
    let one = b.iconst(Ty::I64, 1);
    let less = [one, two].map(|k| b.op(Opcode::Isub, &[v[0], k]));
    let x = b.call(fib, &[less[0], none], &[Ty::I64], call)[0];
    let y = b.call(fib, &[less[1], none], &[Ty::I64], call)[0];
    let sum = b.op(Opcode::Iadd, &[x, y]);
    b.ret(&[sum]);
    m.entry = Some(m.funcs.push(b.func));
    assert_eq!(run(&m, &[20]).ret[0], 6765);
    let limit = &mut m.funcs[fib];
    assert!(limit.recursive);
    // The trace buffer of these tests is short: a limit of 50 from a depth near it.
    let mut outer = Module { entry: None, ..m };
    let (mut b, v) = function("main", &[Ty::I64], &[Ty::I64]);
    let none = b.iconst(Ty::I8, 0);
    let r = b.call(fib, &[v[0], none], &[Ty::I64], call);
    b.ret(&r);
    outer.entry = Some(outer.funcs.push(b.func));
    assert_eq!(run(&outer, &[10]).ret[0], 55);
}

#[test]
fn owner_slots_are_released_on_every_way_out() {
    let m = module(&[Ty::I64, Ty::I64], &[Ty::I64], |f, v, site| {
        let (a, b) = (f.create_slot(8, true), f.create_slot(8, true));
        let addr = f.slot_addr(a);
        f.store(v[0], addr, 0, Region::Stack);
        let r = f.checked(Opcode::IaddChk, &[v[1], v[1]], &[], site);
        let addr = f.slot_addr(b);
        f.store(v[0], addr, 0, Region::Stack);
        f.ret(&[r]);
    });
    let before = DECREFS.load(Ordering::SeqCst);
    let out = compile(&m, &OPTIONS[0], Want::default()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(run_output(&out, &[1000, 4], 0).ret[0], 8);
    assert_eq!(DECREFS.load(Ordering::SeqCst) - before, 2000);
    assert_eq!(run_output(&out, &[1000, i64::MAX as u64], 0).status, 1);
    assert_eq!(DECREFS.load(Ordering::SeqCst) - before, 3000);
}

#[test]
fn malformed_modules_are_refused() {
    let compile = |m: &Module| compile(m, &OPTIONS[0], Want::default()).map(|_| ());
    assert!(matches!(
        compile(&Module::default()),
        Err(CodegenError::Invalid { .. })
    ));
    let (b, _) = function("open", &[], &[]);
    assert!(matches!(compile(&single(b)), Err(CodegenError::Invalid { .. })));
    let (mut b, v) = function("f", &[Ty::I64], &[]);
    b.ret(&v);
    assert!(matches!(compile(&single(b)), Err(CodegenError::Invalid { .. })));
}
