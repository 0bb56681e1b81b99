//! Text to module and back, and the positions of errors.

use cranelift_entity::packed_option::ReservedValue;
use numlift_runtime::SiteKind;

use crate::ir::{Imm, Inst, Module, Ty, ValueDef};
use crate::ops::{Format, Opcode};
use crate::parse;

fn read(text: &str) -> Module {
    parse(text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

/// Every item, format and spelling.
const EVERYTHING: &str = r#"frame0 = "a \"b\".py" "f" "C.f" @3
frame1 = "<stdin>" "λ\n" "\u{200b}" @0
site0 = replay "a + b; c" (int, np.float64, int | float, readonly float32[:, ::1], (int,None,))
site1 = raise "ValueError"("'x'", "3") from none frame1 @12
site2 = raise "StopIteration"()
site3 = exit value-type @4
site4 = call
site5 = helper frame1
site6 = island @5
site7 = resume 3 tag (int, float64[:])
entry fn1

function fn0 "leaf"(i64, f64) -> i64, f64 recursive site3 {
  ss0 = slot 16
  ss1 = owner 8
block0(v0: i64, v1: f64):
  v5 = iconst.i64 -9223372036854775808                   @7
  v2 = fconst.f32 nan:0x7ff8000000000001
  v3 = fconst.f64 -0.0
  v4 = fconst.f64 1e300
  v6 = fconst.f64 -inf
  v7 = icmp.i64 slt v0, v5
  v8 = fcmp.f64 uno v1, v3
  v9 = select.f64 v8, v1, v3
  v10 = slot_addr ss1
  v11 = load.i8 stack v10+4
  store.f64 fresh2 v9, v10-8
  v12 = load.f64 v10
  v13 = bounds_check v0, v5 (v0, v5) site0
  guard v7 site3
  zero_check.i8 v11 (v11) site0
  v14 = call_helper pow(v9, v4)
  call_helper safepoint() site5
  v15 = fpromote v2
  v16 = object -1
  safepoint site5
  br v7, block3(v13, v12), block1
block1 cold:
  fail (v0, v1) site1
block3(v20: i64, v21: f64):
  return v20, v21
}

function fn1 "main"() {
block0 cold:
  v0 = iconst.i64 1
  v1 = fconst.f64 0.1
  v2 = iconst.i8 0
  v3, v4 = call fn0(v0, v1, v2) site4
  jump block2
block2:
  unreachable
}
"#;

#[test]
fn every_form_is_read_and_printed_back() {
    let text = EVERYTHING;
    let m = read(text);
    assert_eq!(m.to_string(), text);
    assert_eq!(read(&m.to_string()), m);
    let f = &m.funcs.values().next().unwrap_or_else(|| panic!("a function"));
    let values: Vec<_> = f.values.values().collect();
    assert_eq!(values[15].ty, Ty::F64);
    assert_eq!(values[13].ty, Ty::I64);
    assert!(matches!(values[17].def, ValueDef::Result(i, 0) if i == Inst::reserved_value()));
    let main = m.funcs.values().nth(1).unwrap_or_else(|| panic!("a function"));
    assert_eq!(main.ty(crate::Value::from_u32(4)), Ty::F64);
    let SiteKind::Replay { expr, operands } = &m.sites[crate::Site::from_u32(0)].kind else {
        panic!("a replay")
    };
    assert_eq!((expr.as_str(), operands.len()), ("a + b; c", 5));
}

/// Whatever their number, arguments are kept: breaches are for the verifier to find.
#[test]
fn every_operation_round_trips_with_any_number_of_arguments() {
    for &op in Opcode::ALL {
        for n in 0..4 {
            let args: Vec<String> = (0..n).map(|i| format!("v{i}")).collect();
            let args = args.join(", ");
            let rest = match op.format() {
                Format::Plain => args,
                Format::IntConst | Format::Lane => format!("7 {args}"),
                Format::FloatConst => format!("0.5 {args}"),
                Format::IntCmp | Format::FloatCmp => format!("eq {args}"),
                Format::Mem => format!("{args} +8"),
                Format::Site => format!("({args}) site0"),
                Format::Helper => format!("exp({args}) site0"),
                Format::Call => format!("fn0({args}) site0"),
                Format::Slot => format!("ss0 {args}"),
                Format::Jump => format!("block0({args})"),
                Format::Branch => format!("v0, block0({args}), block0"),
            };
            let text = format!(
                "site0 = call\nfunction \"f\"() {{\nss0 = slot 8\nblock0(v0: i64, v1: f32, v2: i8):\n{}.i16 {rest} @3\n}}",
                op.name()
            );
            let m = read(&text);
            let printed = m.to_string();
            assert_eq!(read(&printed), m, "{printed}");
            let inst = m.funcs.values().next().and_then(|f| f.insts.values().next());
            let inst = inst.unwrap_or_else(|| panic!("an instruction"));
            let count = match &inst.imm {
                Imm::Jump(t) | Imm::Branch(t, _) => t.args.len(),
                _ => inst.args.len(),
            };
            assert_eq!((inst.op, count, inst.ty, inst.line), (op, n, Ty::I16, 3));
        }
    }
}

#[test]
fn a_float_is_rounded_to_its_type() {
    let m = read("function \"f\"() {\nblock0:\n  v0 = fconst.f32 0.1\n}");
    assert!(
        m.to_string().contains("v0 = fconst.f32 0.10000000149011612\n"),
        "{m}"
    );
}

#[test]
fn errors_say_where() {
    let body = |line: &str| format!("site0 = call\nfunction fn0 \"f\"() {{\nblock0:\n  {line}\n}}\n");
    for (text, want) in [
        (
            "block0:".into(),
            "1:1: expected an item of a module, found `block0`",
        ),
        (
            "site1 = call".into(),
            "1:1: expected site0: they are listed in order",
        ),
        (
            "site0 = exit soon".into(),
            "1:14: expected a reason to exit, found `soon`",
        ),
        (
            "site0 = replay \"a\" (int, object)".into(),
            "1:20: `object` is not a type of an operand",
        ),
        ("entry fn0".into(), "1:7: fn0 is not defined"),
        ("function \"f\" {".into(), "1:14: expected `(`, found `{`"),
        ("function \"f() {".into(), "1:10: a string without an end"),
        (
            "function \"f\"() {\n".into(),
            "1:17: a function without a closing brace",
        ),
        (body("v0 = iadd.i64 v1, v1"), "4:17: v1 is not defined"),
        (
            body("v0 = iconst.i64 1\n v0 = iconst.i64 1"),
            "5:2: v0 is defined twice",
        ),
        (
            body("v0 = iconst 1"),
            "4:8: `iconst` needs a type, as in `iconst.i64`",
        ),
        (body("v0 = iconst.i65 1"), "4:8: unknown type `i65`"),
        (
            body("v0 = iconst.i64 9223372036854775808"),
            "4:19: expected an integer, found `9223372036854775808`",
        ),
        (body("v0 = iconst.i8 128"), "4:18: 128 is not an i8: -128 to 127"),
        (
            body("v0 = iconst.i32 -2147483649"),
            "4:19: -2147483649 is not an i32: -2147483648 to 2147483647",
        ),
        (body("frob"), "4:3: unknown operation `frob`"),
        (body("jump block7"), "4:8: block7 is not defined"),
        (body("v0 = slot_addr ss0"), "4:18: ss0 is not defined"),
        (body("fail site1"), "4:8: site1 is not defined"),
        (
            body("return v0 v1"),
            "4:13: expected the end of the line, found `v1`",
        ),
        (
            body("v4294967295 = iconst.i64 1"),
            "4:15: v4294967295: numbers are below 1048576",
        ),
        (body("v0, v1 = iconst.i64 1"), "4:3: `iconst` has 1 results"),
        (body("v0 = call fn0() site0"), "4:3: fn0 has 0 results"),
        (
            body("v0 = call_helper sinus()"),
            "4:20: expected a helper, found `sinus()`",
        ),
        (body("block0:"), "4:3: block0 is defined twice"),
    ] {
        let error = parse(&text).map_err(|e| e.to_string());
        assert_eq!(error.err().as_deref(), Some(want), "{text}");
    }
}
