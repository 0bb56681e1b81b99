//! Every operation, on every combination of types and edge values: the interpreter and machine code
//! give the same bits (NaNs aside).

use numlift_codegen::{Cpu, Options};
use numlift_filetests::machine::{Arg, Native, compare, interpret};
use numlift_mir::interp::{Trap, scalar};
use numlift_mir::{
    Builder, FloatCC, Format, Function, Imm, IntCC, Module, Opcode, Region, Site, Ty, Value,
    ops::{Operand, Rest},
};
use numlift_runtime::{ExitReason, HelperType, SiteData, SiteKind, helpers};
use numlift_types::{DType, Scalar, Type};

/// Numbers at which operations change their behaviour.
fn edges(ty: Ty) -> Vec<u64> {
    let bits: Vec<u64> = match ty {
        Ty::F64 => FLOATS.iter().map(|x| x.to_bits()).collect(),
        Ty::F32 => FLOATS.iter().map(|x| u64::from((*x as f32).to_bits())).collect(),
        _ => {
            let least = 1u64 << (ty.bits() - 1);
            let plain = [0, 1, 2, 3, 7, 0x55, u64::MAX, u64::MAX - 1, 0xFFFF_FFF9];
            plain.into_iter().chain([least, least - 1, least + 1]).collect()
        }
    };
    bits.into_iter().map(|x| scalar::truncate(ty, x)).collect()
}

const FLOATS: [f64; 18] = [
    0.0,
    -0.0,
    1.0,
    -1.5,
    2.5,
    0.1,
    3e9,
    -3e9,
    1e19,
    -1e19,
    4503599627370496.5,
    8388607.5,
    1e-310,
    1e300,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
    -f64::NAN,
];

/// A module whose entry has the parameters and ends in what `build` returns; it may leave by a site of the kind.
fn module(
    params: &[Ty],
    results: &[Ty],
    kind: SiteKind,
    build: impl FnOnce(&mut Builder, &[Value], Site) -> Vec<Value>,
) -> Module {
    let mut m = Module::default();
    let site = m.sites.push(SiteData {
        kind,
        frame: 0,
        line: 0,
    });
    let mut f = Function::new("f");
    f.params = params.to_vec();
    f.results = results.to_vec();
    let mut b = Builder::new(f);
    let entry = b.create_block();
    b.switch_to(entry);
    let values: Vec<Value> = params.iter().map(|&t| b.func.append_param(entry, t)).collect();
    let returned = build(&mut b, &values, site);
    if !b.is_terminated() {
        b.ret(&returned);
    }
    m.entry = Some(m.funcs.push(b.func));
    m
}

/// Every combination of edge values, thinned out where there are too many.
fn combinations(params: &[Ty]) -> Vec<Vec<u64>> {
    let mut rows: Vec<Vec<u64>> = vec![vec![]];
    for &ty in params {
        let values = edges(ty);
        rows = rows
            .iter()
            .flat_map(|row| values.iter().map(move |x| [&row[..], &[*x]].concat()))
            .collect();
    }
    let step = rows.len().div_ceil(400);
    rows.into_iter().step_by(step.max(1)).collect()
}

fn check(m: &Module, params: &[Ty], what: &str) {
    let calls = combinations(params).into_iter();
    check_calls(m, calls.map(|row| row.into_iter().map(Arg::Bits).collect()), what);
}

fn check_calls(m: &Module, calls: impl Iterator<Item = Vec<Arg>>, what: &str) {
    check_calls_for(&Options::default(), m, calls, what);
}

fn check_calls_for(options: &Options, m: &Module, calls: impl Iterator<Item = Vec<Arg>>, what: &str) {
    numlift_mir::verifier::verify(m).unwrap_or_else(|e| panic!("{what}: {e}\n{m}"));
    let native = Native::compile(m, options).unwrap_or_else(|e| panic!("{what}: {e}"));
    for args in calls {
        match interpret(m, &args, 100) {
            Ok(observed) => {
                compare(&native, &args, &observed).unwrap_or_else(|e| panic!("{what} {args:x?}: {e}"));
            }
            Err(Trap::Division | Trap::Extent(_) | Trap::Assumption) => {}
            Err(e) => panic!("{what} {args:x?}: {e}"),
        }
    }
}

/// The types an argument may have.
fn accepted(o: Operand, ty: Ty) -> Vec<Ty> {
    Ty::all().filter(|t| o.accepts(*t, ty)).collect()
}

/// A site that records values of these types.
fn recording(params: &[Ty]) -> SiteKind {
    let one = |ty: &Ty| {
        Type::Scalar(Scalar::Np(match ty {
            Ty::I8 => DType::I8,
            Ty::I16 => DType::I16,
            Ty::I32 => DType::I32,
            Ty::I64 => DType::I64,
            Ty::F32 => DType::F32,
            _ => DType::F64,
        }))
    };
    SiteKind::Replay {
        expr: "a".into(),
        operands: params.iter().map(one).collect(),
    }
}

/// The immediates to try.
fn immediates(op: Opcode, ty: Ty, site: Site) -> Vec<Imm> {
    match op.format() {
        Format::Plain => vec![Imm::None],
        Format::IntConst => edges(ty).iter().map(|x| Imm::Int(ty.wrap(*x as i64))).collect(),
        Format::Lane => (0..i64::from(ty.lanes())).map(Imm::Int).collect(),
        Format::FloatConst => edges(ty)
            .iter()
            .map(|x| Imm::Float(scalar::float(ty, *x).to_bits()))
            .collect(),
        Format::IntCmp => IntCC::ALL.iter().map(|c| Imm::IntCC(*c)).collect(),
        Format::FloatCmp => FloatCC::ALL.iter().map(|c| Imm::FloatCC(*c)).collect(),
        Format::Site => vec![Imm::Site(site)],
        // These have tests of their own.
        Format::Mem | Format::Helper | Format::Call | Format::Slot | Format::Jump | Format::Branch => vec![],
    }
}

#[test]
fn numbers_and_checks() {
    let site = Site::from_u32(0);
    for &op in Opcode::ALL {
        if matches!(op, Opcode::Unreachable | Opcode::ObjectAddr) {
            continue;
        }
        for ty in Ty::SCALARS.into_iter().filter(|t| op.class().contains(*t)) {
            let (own, rest) = op.args();
            let mut rows: Vec<Vec<Ty>> = vec![vec![]];
            for &o in own {
                let types = accepted(o, ty);
                rows = rows
                    .iter()
                    .flat_map(|row| types.iter().map(move |t| [&row[..], &[*t]].concat()))
                    .collect();
            }
            let result = op.result_types().0.first();
            let results: Vec<Ty> = result.and_then(|o| o.only(ty)).into_iter().collect();
            for params in rows {
                for imm in immediates(op, ty, site) {
                    let what = format!("{}.{} {imm:?} {params:?}", op.name(), ty.name());
                    let kind = match op {
                        Opcode::Safepoint => SiteKind::Helper,
                        _ => recording(&params),
                    };
                    let m = module(&params, &results, kind, |b, v, _| {
                        // A check records its own arguments.
                        let args = match rest {
                            Rest::Operands => [v, v].concat(),
                            _ => v.to_vec(),
                        };
                        let i = b.push(op, ty, &args, imm.clone(), &results);
                        b.func.insts[i].results.to_vec()
                    });
                    check(&m, &params, &what);
                }
            }
        }
    }
}

/// Loads the arguments from a block, applies the operation, stores the result behind them.
fn on_vectors(op: Opcode, ty: Ty, params: &[Ty], result: Ty, imm: Imm) -> Module {
    module(&[Ty::I64], &[], SiteKind::Helper, |b, v, _| {
        let load = |(n, &t): (usize, &Ty)| b.load(t, v[0], 16 * n as i32, Region::Any);
        let args: Vec<Value> = params.iter().enumerate().map(load).collect();
        let i = b.push(op, ty, &args, imm, &[result]);
        let made = b.func.insts[i].results[0];
        b.store(made, v[0], 16 * params.len() as i32, Region::Any);
        vec![]
    })
}

/// Blocks of 16 bytes for each argument and the result, filled with edge values at changing places.
fn blocks(op: Opcode, params: &[Ty]) -> impl Iterator<Item = Vec<Arg>> {
    let shift = matches!(op, Opcode::Ishl | Opcode::Sshr | Opcode::Ushr);
    (0..40usize).map(move |round| {
        let mut bytes = vec![];
        for (n, &ty) in params.iter().enumerate() {
            let (lane, edges) = (ty.lane(), edges(ty.lane()));
            let mask = shift && n == 1 || op == Opcode::Select && n == 0;
            for k in 0..16 / lane.bytes() as usize {
                let x = edges[(round * (2 * n + 1) + k * (n + 3)) % edges.len()];
                let x = match (mask, shift) {
                    (true, true) => x % u64::from(params[0].lane().bits()),
                    (true, false) if (round + k) % 2 == 0 => 0,
                    (true, false) => u64::MAX,
                    _ => x,
                };
                bytes.extend_from_slice(&x.to_le_bytes()[..lane.bytes() as usize]);
            }
        }
        bytes.extend([0; 16]);
        vec![Arg::Block(bytes)]
    })
}

#[test]
fn vectors() {
    let is_pure = |op: &Opcode| op.effect() == numlift_mir::ops::Effect::Pure;
    for &op in Opcode::ALL.iter().filter(|op| is_pure(op)) {
        for ty in Ty::VECTORS.into_iter().filter(|t| op.class().contains(*t)) {
            let (own, _) = op.args();
            let params: Option<Vec<Ty>> = own.iter().map(|o| accepted(*o, ty).first().copied()).collect();
            let result = op.result_types().0[0].only(ty);
            let (Some(params), Some(result)) = (params, result) else {
                panic!("{} {}", op.name(), ty.name())
            };
            for imm in immediates(op, ty, Site::from_u32(0)) {
                let what = format!("{}.{} {imm:?}", op.name(), ty.name());
                let m = on_vectors(op, ty, &params, result, imm);
                for cpu in [Cpu::Host, Cpu::Baseline] {
                    let options = Options {
                        cpu,
                        ..Options::default()
                    };
                    check_calls_for(&options, &m, blocks(op, &params), &what);
                }
            }
        }
    }
}

#[test]
fn memory() {
    for ty in Ty::SCALARS {
        for disp in [0, 4, 8] {
            let what = format!("{} {disp}", ty.name());
            let m = module(&[ty], &[ty], SiteKind::Helper, |b, v, _| {
                let slot = b.create_slot(16, false);
                let addr = b.slot_addr(slot);
                b.store(v[0], addr, disp, Region::Stack);
                vec![b.load(ty, addr, disp, Region::Stack)]
            });
            check(&m, &[ty], &format!("stack {what}"));
            let m = module(&[Ty::I64, ty], &[ty], SiteKind::Helper, |b, v, _| {
                b.store(v[1], v[0], disp, Region::Any);
                vec![b.load(ty, v[0], disp, Region::Any)]
            });
            let calls = edges(ty)
                .into_iter()
                .map(|x| vec![Arg::Block(vec![0; 16]), Arg::Bits(x)]);
            check_calls(&m, calls, &what);
        }
    }
}

#[test]
fn pure_helpers() {
    let ty = |t: HelperType| numlift_mir::builder::helper_ty(t);
    // those with a context need the interpreter's host
    let alone = |h: &helpers::HelperSig| h.pure_fn && !h.ctx;
    for (i, h) in helpers::all().enumerate().filter(|(_, h)| alone(h)) {
        let params: Vec<Ty> = h.params.iter().map(|t| ty(*t)).collect();
        let results: Vec<Ty> = h.ret.map(ty).into_iter().collect();
        let id = numlift_runtime::HelperId(i as u16);
        let m = module(&params, &results, SiteKind::Helper, |b, v, _| {
            b.call_helper(id, v, None).into_iter().collect()
        });
        check(&m, &params, h.name);
    }
}

#[test]
fn branches_and_calls() {
    let entry = [Ty::I64, Ty::F32, Ty::I8];
    let mut m = module(&entry, &[Ty::F32, Ty::I64], SiteKind::Call, |b, v, site| {
        let exit = b.create_block();
        let r = b.call(
            numlift_mir::FuncId::from_u32(1),
            &[v[0], v[1], v[2]],
            &[Ty::I64, Ty::F32],
            site,
        );
        let (x, y) = (
            b.func.append_param(exit, Ty::F32),
            b.func.append_param(exit, Ty::I64),
        );
        b.br(v[2], (exit, &[r[1], r[0]]), (exit, &[v[1], v[0]]));
        b.switch_to(exit);
        vec![x, y]
    });
    let mut callee = Builder::new(Function::new("callee"));
    callee.func.params = vec![Ty::I64, Ty::F32];
    callee.func.results = vec![Ty::I64, Ty::F32];
    let block = callee.create_block();
    callee.switch_to(block);
    let (n, x) = (
        callee.func.append_param(block, Ty::I64),
        callee.func.append_param(block, Ty::F32),
    );
    let done = callee.iconst(Ty::I8, 1);
    let overflow = m.sites.push(SiteData {
        kind: SiteKind::Exit(ExitReason::Overflow),
        frame: 0,
        line: 0,
    });
    let doubled = callee.checked(Opcode::IaddChk, &[n, n], &[done], overflow);
    let negative = callee.op(Opcode::Fneg, &[x]);
    callee.ret(&[doubled, negative]);
    m.funcs.push(callee.func);
    check(&m, &entry, "call");
}
