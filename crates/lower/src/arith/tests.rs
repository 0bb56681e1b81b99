//! Structure of what is emitted; the values are compared with the interpreter from Python.

use cranelift_entity::PrimaryMap;
use numlift_mir::{Builder, Function, Opcode, Site, Ty, Value};
use numlift_runtime::{ExitReason, SiteData, SiteKind};
use numlift_syntax::hir::{BinOp, CmpOp};
use numlift_types::{DType, Scalar, Type};
use smallvec::smallvec;

use super::{binary, compare, construct, embed, math_call, store};
use crate::emit::{Emit, Vals, carrier_tys};

const INT: Scalar = Scalar::PyInt;
const FLOAT: Scalar = Scalar::PyFloat;
const I8: Scalar = Scalar::Np(DType::I8);

/// Runs `f` on a function with the given parameters; gives its operations and what its sites do.
fn emitted(params: &[Scalar], f: impl FnOnce(&mut Emit, &[Vals])) -> (Vec<Opcode>, Vec<String>) {
    let mut b = Builder::new(Function::new("t"));
    let block = b.create_block();
    let vals: Vec<Vals> = params
        .iter()
        .map(|s| {
            carrier_tys(s.carrier())
                .iter()
                .map(|&ty| b.func.append_param(block, ty))
                .collect()
        })
        .collect();
    b.switch_to(block);
    let effects = b.iconst(Ty::I8, 0);
    let mut points = vec![];
    let mut sites: PrimaryMap<Site, SiteData> = PrimaryMap::new();
    let mut e = Emit::new(b, &mut sites, &mut points, 0, effects, false);
    f(&mut e, &vals);
    let ops = e.b.func.insts.values().map(|i| i.op).collect();
    let names = sites.values().map(|s| match &s.kind {
        SiteKind::Exit(reason) => reason.name().to_owned(),
        SiteKind::Replay { expr, .. } => expr.clone(),
        kind => format!("{kind:?}"),
    });
    (ops, names.collect())
}

fn int_const(e: &mut Emit, n: i64) -> Vals {
    smallvec![e.b.iconst(Ty::I64, n)]
}

fn two(op: BinOp, a: Scalar, b: Scalar) -> (Vec<Opcode>, Vec<String>) {
    emitted(&[a, b], |e, v| {
        binary(e, op, (a, &v[0]), (b, &v[1]));
    })
}

#[test]
fn python_ints_are_checked_and_numpy_ints_wrap() {
    let (ops, sites) = two(BinOp::Add, INT, INT);
    assert!(ops.contains(&Opcode::IaddChk));
    assert_eq!(sites, [ExitReason::Overflow.name()]);
    let (ops, sites) = two(BinOp::Add, I8, I8);
    assert!(ops.contains(&Opcode::Iadd));
    assert!(sites.is_empty());
}

#[test]
fn division_by_zero_raises_only_in_python() {
    assert_eq!(two(BinOp::FloorDiv, INT, INT).1, ["a // b", "overflow"]);
    assert_eq!(two(BinOp::Mod, INT, INT).1, ["a % b"]);
    assert_eq!(two(BinOp::Div, FLOAT, INT).1, ["a / b"]);
    for op in [BinOp::FloorDiv, BinOp::Mod, BinOp::Div] {
        assert!(two(op, I8, I8).1.is_empty());
        assert!(two(op, Scalar::F64, FLOAT).1.is_empty());
    }
}

#[test]
fn constants_need_no_checks() {
    let (ops, sites) = emitted(&[INT], |e, v| {
        let seven = int_const(e, 7);
        binary(e, BinOp::FloorDiv, (INT, &v[0]), (INT, &seven));
        let eight = int_const(e, 8);
        binary(e, BinOp::Mod, (INT, &v[0]), (INT, &eight));
        binary(e, BinOp::RShift, (INT, &v[0]), (INT, &seven));
    });
    assert!(sites.is_empty());
    assert_eq!(ops.iter().filter(|&&o| o == Opcode::Sdiv).count(), 1);
    assert!(!ops.contains(&Opcode::Srem));
}

#[test]
fn a_python_int_must_fit_the_dtype_it_meets() {
    assert_eq!(two(BinOp::Add, I8, INT).1, ["a + b"]);
    let (_, sites) = emitted(&[I8], |e, v| {
        let n = int_const(e, 100);
        binary(e, BinOp::Add, (I8, &v[0]), (INT, &n));
    });
    assert!(sites.is_empty());
    let (_, sites) = emitted(&[I8, INT], |e, v| {
        compare(e, CmpOp::Lt, (I8, &v[0]), (INT, &v[1]));
    });
    assert!(sites.is_empty());
}

#[test]
fn stores_check_as_numpy_does() {
    let sites = |dtype, from: Scalar| {
        emitted(&[from], |e, v| {
            assert!(store(e, dtype, (from, &v[0])).is_some());
        })
        .1
    };
    assert_eq!(sites(DType::I8, INT), ["np.empty(1, np.int8).__setitem__(0, a)"]);
    assert_eq!(sites(DType::I8, Scalar::I64).len(), 1);
    assert!(sites(DType::U8, Scalar::I64).is_empty());
    assert!(sites(DType::F64, INT).is_empty());
    let (_, none) = emitted(&[Scalar::PyComplex], |e, v| {
        assert_eq!(store(e, DType::F64, (Scalar::PyComplex, &v[0])), None);
    });
    assert!(none.is_empty());
}

#[test]
fn a_float_union_holds_ints_exactly_or_exits() {
    let Some(Type::Union(union)) = Type::union([INT, FLOAT]) else {
        panic!("a union")
    };
    let (_, sites) = emitted(&[INT], |e, v| {
        assert_eq!(embed(e, (INT, &v[0]), &union).len(), 2);
    });
    assert_eq!(sites, ["inexact"]);
    let (_, sites) = emitted(&[], |e, _| {
        let zero = int_const(e, 0);
        embed(e, (INT, &zero), &union);
    });
    assert!(sites.is_empty());
}

#[test]
fn math_raises_where_cpython_does() {
    let sites = |name: &str| {
        emitted(&[FLOAT], |e, v| {
            assert!(math_call(e, name, &[(FLOAT, &v[0])]).is_some());
        })
        .1
    };
    assert_eq!(sites("sqrt"), ["math.sqrt(a)"]);
    assert_eq!(sites("floor"), ["math.floor(a)", "overflow"]);
    assert!(sites("atan").is_empty());
    assert!(sites("isnan").is_empty());
}

#[test]
fn conversions_have_the_machine_type_of_their_family() {
    for to in DType::ALL {
        for from in DType::ALL {
            let (to, from) = (Scalar::Np(to), Scalar::Np(from));
            emitted(&[from], |e, v| {
                let Some(out) = construct(e, to, (from, &v[0])) else {
                    return;
                };
                let tys: Vec<Ty> = out.iter().map(|&x: &Value| e.b.func.ty(x)).collect();
                assert_eq!(tys, carrier_tys(to.carrier()), "{to}({from})");
            });
        }
    }
}
