//! Outcomes, failures and traps of modules in text form.

use super::*;
use crate::{parse, verifier};

/// Calls the last function.
fn run(text: &str, args: &[u64]) -> Result<Outcome, Trap> {
    run_with(text, args, |_| {})
}

fn run_with(text: &str, args: &[u64], set: impl FnOnce(&mut Interpreter<'_>)) -> Result<Outcome, Trap> {
    let m = parse(text).unwrap_or_else(|e| panic!("{e}"));
    verifier::verify(&m).unwrap_or_else(|e| panic!("{e}"));
    let mut host = NoHost;
    let mut interpreter = Interpreter::new(&m, &mut host);
    set(&mut interpreter);
    interpreter.call(FuncId::from_u32(m.funcs.len() as u32 - 1), args)
}

fn returned(values: &[u64]) -> Result<Outcome, Trap> {
    Ok(Outcome::Returned(values.to_vec()))
}

const SUM: &str = r#"
function "sum"(i64, i64) -> f64 {
block0(v0: i64, v1: i64):
  v2 = iconst.i64 0
  v3 = fconst.f64 0.0
  jump block1(v2, v3)
block1(v4: i64, v5: f64):
  v6 = icmp.i64 slt v4, v1
  br v6, block2, block3
block2:
  v7 = iconst.i64 3
  v8 = ishl.i64 v4, v7
  v9 = iadd.i64 v0, v8
  v10 = load.f64 v9
  v11 = fadd.f64 v5, v10
  v12 = iconst.i64 1
  v13 = iadd.i64 v4, v12
  jump block1(v13, v11)
block3:
  return v5
}
"#;

#[test]
fn loops_read_the_memory_they_are_given() {
    let data: Vec<u8> = [1.0f64, 2.5].iter().flat_map(|x| x.to_le_bytes()).collect();
    let address = Memory::default().add(vec![]);
    let call = |n: u64, fuel: u64| {
        run_with(SUM, &[address, n], |i| {
            i.memory.add(data.clone());
            i.fuel = fuel;
        })
    };
    assert_eq!(call(2, 100), returned(&[3.5f64.to_bits()]));
    assert_eq!(
        call(3, 100),
        Err(Trap::Memory {
            address: address + 16,
            bytes: 8
        })
    );
    assert_eq!(call(2, 10), Err(Trap::Fuel));
}

#[test]
fn a_failing_callee_leaves_a_trace_and_the_effects() {
    let text = r#"
site0 = exit overflow
site1 = call
function "leaf"(i64) -> i64 {
block0(v0: i64):
  v1 = iconst.i8 0
  v2 = iadd_chk v0, v0 (v1) site0
  return v2
}
function "main"(i64, i8) -> i64 {
block0(v0: i64, v1: i8):
  v2 = call fn0(v0, v1) site1
  return v2
}
"#;
    assert_eq!(run(text, &[4, 1]), returned(&[8]));
    let site = Site::from_u32;
    let failure = Failure {
        status: Status::Site,
        site: site(0),
        operands: vec![0],
        effects: 1,
        trace: vec![site(1)],
    };
    assert_eq!(run(text, &[i64::MAX as u64, 1]), Ok(Outcome::Failed(failure)));
}

#[test]
fn recursion_stops_at_the_limit() {
    let text = r#"
site0 = raise "RecursionError"()
site1 = call
function "down"(i64) -> i64 recursive site0 {
block0(v0: i64):
  br v1, block1, block2
block1:
  return v0
block2:
  v2 = iconst.i64 1
  v3 = isub.i64 v0, v2
  v4 = iconst.i8 0
  v5 = call fn0(v3, v4) site1
  return v5
}
"#
    .replace(
        "  br v1",
        "  v6 = iconst.i64 0\n  v1 = icmp.i64 eq v0, v6\n  br v1",
    );
    assert_eq!(run(&text, &[499]), returned(&[0]));
    let failed = run(&text, &[500]);
    assert!(matches!(failed, Ok(Outcome::Failed(f)) if f.site.as_u32() == 0 && f.trace.len() == 500));
}

#[test]
fn slots_are_unwritten_until_written() {
    let text = |value: &str| {
        format!(
            "function \"f\"() -> i32 {{\nss0 = slot 8\nblock0:\n v0 = slot_addr ss0\n v1 = {value}\n store.{} stack v1, v0\n v2 = load.i32 stack v0\n return v2\n}}",
            &value[7..10]
        )
    };
    assert_eq!(run(&text("iconst.i32 -2"), &[]), returned(&[-2i64 as u64]));
    assert!(matches!(
        run(&text("iconst.i16 -2"), &[]),
        Err(Trap::Unwritten { .. })
    ));
}

#[test]
fn helpers_of_numbers_are_the_real_ones() {
    let text = r#"
function "f"(f64, f64, i64) -> f64, i64 {
ss0 = slot 8
block0(v0: f64, v1: f64, v2: i64):
  v3 = call_helper pow(v0, v1)
  v4 = slot_addr ss0
  v5 = call_helper int_pow(v2, v2, v4)
  v6 = load.i64 stack v4
  return v3, v6
}
"#;
    let args = [2.0f64.to_bits(), 0.5f64.to_bits(), 5];
    assert_eq!(run(text, &args), returned(&[2.0f64.powf(0.5).to_bits(), 3125]));
    let safepoint = "site0 = helper\nfunction \"f\"() {\nblock0:\n call_helper array_new(v0, v0, v0, v0, v0) site0\n return\n}";
    let missing = run(&safepoint.replace(" call", " v0 = iconst.i64 0\n call"), &[]);
    assert!(matches!(missing, Err(Trap::Missing(_))));
}

#[test]
fn what_generated_code_must_not_do_is_a_trap() {
    let text = "function \"f\"(i8, i8) -> i8 {\nblock0(v0: i8, v1: i8):\n v2 = sdiv.i8 v0, v1\n return v2\n}";
    assert_eq!(run(text, &[0xF9, 2]), returned(&[0xFD]));
    assert_eq!(run(text, &[1, 0]), Err(Trap::Division));
    assert_eq!(run(text, &[0x80, 0xFF]), Err(Trap::Division));
    let text = "function \"f\"() {\nblock0:\n unreachable\n}";
    assert_eq!(run(text, &[]), Err(Trap::Unreachable));
}
