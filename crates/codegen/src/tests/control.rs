//! Checks, loops, calls, memory and the ways out.

use super::*;

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
        // `jcc rel32` and `jmp rel32` end alike: the opcode, then the distance.
        let jumps = code
            .windows(6)
            .enumerate()
            .filter(|(_, w)| w[5] == 0xFF && (w[1] == 0xE9 || w[0] == 0x0F && matches!(w[1], 0x80..=0x8F)));
        let mut targets =
            jumps.map(|(i, w)| i as i64 + 6 + i64::from(i32::from_le_bytes([w[2], w[3], w[4], w[5]])));
        assert!(targets.any(|t| t % 64 == 0), "{}", out.asm);
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
    // Level k runs at depth k from 0, so 51 levels are too many for a limit of 50.
    let got = run(&m, &[60]);
    assert_eq!((got.status, got.site, got.trace), (1, 0, vec![1; 4]));
    let mut outer = m;
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
