//! One broken module for each rule, as text where the reader lets it through.

use cranelift_entity::EntityRef;
use numlift_runtime::abi::MAX_OPERANDS;
use numlift_runtime::{ExitReason, HelperId, SiteData, SiteKind};

use super::verify;
use crate::ir::{Block, FuncId, Function, Imm, Inst, Module, Site, Slot, Ty, Value};
use crate::parse;

const SITES: &str = r#"site0 = exit overflow
site1 = raise "RecursionError"()
site2 = call
site3 = helper
site4 = replay "a[b]" (int, int | float, complex64[:])
site5 = island
site6 = resume 2 overflow (float)
entry fn0
"#;

fn read(text: &str) -> Module {
    parse(text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

/// A function of an i64, an f64 and an i8 that returns the i64, with these lines before its end.
fn body(lines: &str) -> String {
    let lines = lines.replace("; ", "\n  ");
    format!(
        "{SITES}function fn0 \"f\"(i64, f64, i8) -> i64 {{\n  ss0 = slot 16\n\
         block0(v0: i64, v1: f64, v2: i8):\n  {lines}\n  return v0\n}}\n"
    )
}

fn refused(text: &str, want: &str) {
    assert_eq!(verify(&read(text)).err().as_deref(), Some(want), "{text}");
}

/// The error of a module that no text gives.
fn refused_after(change: impl FnOnce(&mut Module), want: &str) {
    let mut m = read(&body("v3 = ineg.i64 v0; guard v2 (v2) site0"));
    assert_eq!(verify(&m), Ok(()));
    change(&mut m);
    assert_eq!(verify(&m).err().as_deref(), Some(want));
}

fn first(m: &mut Module) -> &mut Function {
    &mut m.funcs[FuncId::new(0)]
}

#[test]
fn arguments_results_and_type_are_those_of_the_table() {
    for (line, want) in [
        ("v3 = iadd.i64 v0", "iadd: 1 arguments, not 2"),
        ("v3 = ineg.i64 v0, v0", "ineg: 2 arguments, not 1"),
        ("ineg.i64 v0", "ineg: 0 results, not 1"),
        ("v3 = iadd.i64 v0, v1", "iadd: argument 2: f64, not i64"),
        ("v3 = fadd.i64 v0, v0", "fadd: does not exist for i64"),
        ("v3 = smulhi.i8 v2, v2", "smulhi: does not exist for i8"),
        ("v3 = sext.i64 v0", "sext: argument 1: i64, not i8 or i16 or i32"),
        ("v3 = trunc.i64 v0", "trunc: argument 1: i64, not any there is"),
        ("v3 = s2f.f64 v2", "s2f: argument 1: i8, not i32 or i64"),
        ("v3 = f2s.i64 v0", "f2s: argument 1: i64, not f32 or f64"),
        ("v3 = bitcast.i64 v0", "bitcast: argument 1: i64, not f64"),
        ("v3 = select.f64 v2, v0, v1", "select: argument 2: i64, not f64"),
        ("v3 = select.f64 v0, v1, v1", "select: argument 1: i64, not i8"),
        ("v3 = fcmp.f64 lt v1, v0", "fcmp: argument 2: i64, not f64"),
        ("store.f64 v0, v0", "store: argument 1: i64, not f64"),
        ("v3 = load.i8 v2", "load: argument 1: i8, not i64"),
        ("guard v0 (v2) site0", "guard: argument 1: i64, not i8"),
        (
            "v3 = bounds_check v0, v1 (v2) site0",
            "bounds_check: argument 2: f64, not i64",
        ),
        (
            "zero_check.f64 v1 (v2) site0",
            "zero_check: does not exist for f64",
        ),
    ] {
        refused(&body(line), &format!("fn0 `f`: block0 {want}"));
    }
    refused_after(
        |m| first(m).values[Value::new(3)].ty = Ty::I32,
        "fn0 `f`: block0 ineg: result 1: i32, not i64",
    );
}

#[test]
fn immediates_have_the_format_and_are_in_range() {
    let constant = |ty, imm| {
        move |m: &mut Module| {
            let f = first(m);
            let d = &mut f.insts[Inst::new(0)];
            d.op = match imm {
                Imm::Float(_) => crate::Opcode::Fconst,
                _ => crate::Opcode::Iconst,
            };
            (d.ty, d.imm) = (ty, imm);
            d.args.clear();
            f.values[Value::new(3)].ty = ty;
        }
    };
    refused_after(
        constant(Ty::I8, Imm::Int(128)),
        "fn0 `f`: block0 iconst: 128 is not an i8",
    );
    refused_after(
        constant(Ty::I32, Imm::Int(-(1 << 31) - 1)),
        "fn0 `f`: block0 iconst: -2147483649 is not an i32",
    );
    refused_after(
        constant(Ty::F32, Imm::Float(0.1f64.to_bits())),
        "fn0 `f`: block0 fconst: 0.1 is not an f32",
    );
    refused_after(
        constant(Ty::I8, Imm::None),
        "fn0 `f`: block0 iconst: an immediate of another format than IntConst",
    );
    refused_after(
        |m| first(m).insts[Inst::new(0)].imm = Imm::Int(0),
        "fn0 `f`: block0 ineg: an immediate of another format than Plain",
    );
    refused(
        &body("v3 = object -2"),
        "fn0 `f`: block0 object: -2 is not the index of an object",
    );
}

#[test]
fn sites_exist_and_fit_the_operation() {
    for (line, want) in [
        ("guard v2 (v2) site2", "guard: site2 is of a call, not of a check"),
        (
            "v3 = iadd_chk v0, v0 (v2) site3",
            "iadd_chk: site3 is of a helper, not of a check",
        ),
        ("safepoint site0", "safepoint: site0 is not of a helper"),
        (
            "call_helper safepoint() site2",
            "call_helper: site2 is not of a helper",
        ),
        (
            "v3 = call fn0(v0, v1, v2, v2) site3",
            "call: site3 is not of a call",
        ),
        ("guard v2 site0", "guard: operands of site0: (), not (i8)"),
        ("guard v2 (v2) site1", "guard: operands of site1: (i8), not ()"),
        (
            "guard v2 (v0, v0, v0) site4",
            "guard: operands of site4: (i64, i64, i64), not (i64, f64, i8, i64, i64, i64, i64)",
        ),
        (
            "v3 = iadd_chk v0, v0 (v2) site5",
            "iadd_chk: site5 is of an island, not of a check",
        ),
        (
            "call_helper py_island(v0, v0, v0) site3",
            "call_helper: site3 is not of an island",
        ),
        (
            "call_helper py_call(v0, v0, v0, v0) site5",
            "call_helper: site5 is not of a helper",
        ),
        (
            "guard v2 (v2) site6",
            "guard: operands of site6: (i8), not (i8, f64)",
        ),
    ] {
        refused(&body(line), &format!("fn0 `f`: block0 {want}"));
    }
    assert_eq!(
        verify(&read(&body("guard v2 (v0, v1, v2, v0, v0, v0, v0) site4"))),
        Ok(())
    );
    assert_eq!(verify(&read(&body("guard v2 (v2, v1) site6"))), Ok(()));
    let many = vec!["v0"; MAX_OPERANDS + 1].join(", ");
    refused(
        &body(&format!("guard v2 ({many}) site4")),
        &format!(
            "fn0 `f`: block0 guard: {} operands, at most {MAX_OPERANDS} are recorded",
            MAX_OPERANDS + 1
        ),
    );
    refused_after(
        |m| first(m).insts[Inst::new(1)].imm = Imm::Site(Site::new(9)),
        "fn0 `f`: block0 guard: site9 does not exist",
    );
    refused_after(
        |m| {
            m.sites.push(SiteData {
                kind: SiteKind::Exit(ExitReason::Tag),
                frame: 2,
                line: 0,
            });
        },
        "site7: frame2 does not exist",
    );
}

#[test]
fn calls_fit_their_signatures() {
    for (line, want) in [
        (
            "v3 = call_helper exp(v0)",
            "call_helper: arguments of exp: (i64), not (f64)",
        ),
        (
            "v3 = call_helper pow(v1)",
            "call_helper: arguments of pow: (f64), not (f64, f64)",
        ),
        (
            "call_helper exp(v1)",
            "call_helper: results of exp: (), not (f64)",
        ),
        (
            "v3 = call_helper.f32 exp(v1)",
            "call_helper: of type f32, not f64",
        ),
        (
            "call_helper safepoint()",
            "call_helper: safepoint can fail and has no site",
        ),
        (
            "v3 = call_helper exp(v1) site3",
            "call_helper: exp cannot fail and has site3",
        ),
        (
            "v3 = call fn0(v0, v1, v2) site2",
            "call: arguments of fn0: (i64, f64, i8), not (i64, f64, i8, i8)",
        ),
        (
            "call fn0(v0, v1, v2, v2) site2",
            "call: results of fn0: (), not (i64)",
        ),
    ] {
        refused(&body(line), &format!("fn0 `f`: block0 {want}"));
    }
    let helper = HelperId(u16::MAX);
    let call = move |m: &mut Module| {
        let d = &mut first(m).insts[Inst::new(0)];
        (d.op, d.imm) = (crate::Opcode::CallHelper, Imm::Helper { helper, site: None });
    };
    refused_after(call, "fn0 `f`: block0 call_helper: no helper 65535");
    let callee = |m: &mut Module| {
        let d = &mut first(m).insts[Inst::new(0)];
        let (func, site) = (FuncId::new(7), Site::new(2));
        (d.op, d.imm) = (
            crate::Opcode::Call,
            Imm::Call {
                func,
                site,
                levels: 0,
            },
        );
    };
    refused_after(callee, "fn0 `f`: block0 call: fn7 does not exist");
}

#[test]
fn slots_are_accessed_as_slots() {
    for (line, want) in [
        (
            "v3 = slot_addr ss0; v4 = load.i64 v3",
            "load: an access of ss0 with the region any",
        ),
        (
            "v3 = slot_addr ss0; store.i64 stack v0, v3+12",
            "store: 8 bytes at 12 of ss0, which has 16",
        ),
        (
            "v3 = slot_addr ss0; v4 = load.i8 stack v3-1",
            "load: 1 bytes at -1 of ss0, which has 16",
        ),
    ] {
        refused(&body(line), &format!("fn0 `f`: block0 {want}"));
    }
    refused_after(
        |m| {
            let d = &mut first(m).insts[Inst::new(0)];
            (d.op, d.imm) = (crate::Opcode::SlotAddr, Imm::Slot(Slot::new(3)));
            d.args.clear();
        },
        "fn0 `f`: block0 slot_addr: ss3 does not exist",
    );
    let owner = body("").replace("ss0 = slot 16", "ss0 = owner 16");
    refused(&owner, "fn0 `f`: ss0: an owner of 16 bytes, not 8");
}

#[test]
fn branches_pass_the_parameters_and_never_lead_to_the_entry() {
    let blocks = |jump: &str| body(&format!("jump {jump}; block1(v3: i64, v4: i8):"));
    assert_eq!(verify(&read(&blocks("block1(v0, v2)"))), Ok(()));
    for (jump, want) in [
        ("block1(v0)", "jump: arguments of block1: (i64), not (i64, i8)"),
        (
            "block1(v0, v1)",
            "jump: arguments of block1: (i64, f64), not (i64, i8)",
        ),
        ("block0(v0, v1, v2)", "branches to the entry block0"),
    ] {
        refused(&blocks(jump), &format!("fn0 `f`: block0 {want}"));
    }
    let branch = body("br v2, block1, block2(v2); block1:; return v0; block2(v3: i64):");
    refused(
        &branch,
        "fn0 `f`: block0 br: arguments of block2: (i8), not (i64)",
    );
    let condition = body("br v0, block1, block1; block1:");
    refused(&condition, "fn0 `f`: block0 br: argument 1: i64, not i8");
    let entry = body("").replace("block0(v0: i64, v1: f64, v2: i8)", "block0(v0: i64)");
    refused(&entry, "fn0 `f`: entry parameters: (i64), not (i64, f64, i8)");
    let results = body("").replace("return v0", "return v0, v1");
    refused(&results, "fn0 `f`: block0 return: results: (i64, f64), not (i64)");
}

#[test]
fn blocks_end_in_their_only_terminator() {
    for (text, want) in [
        (
            body("jump block1; block1:").replace("  return v0\n", ""),
            "block1 is empty",
        ),
        (
            body("return v0"),
            "block0 return: a terminator is missing or not last",
        ),
        (
            body("v3 = ineg.i64 v0").replace("  return v0\n", ""),
            "block0 ineg: a terminator is missing or not last",
        ),
        // Of blocks that no path leads to as well.
        (
            body("return v0; block1:; ineg.i64 v0"),
            "block1 ineg: 0 results, not 1",
        ),
        ("function fn0 \"f\"() {\n}\n".into(), "no blocks"),
    ] {
        refused(&text, &format!("fn0 `f`: {want}"));
    }
}

#[test]
fn a_use_needs_its_definition() {
    for (lines, want) in [
        (
            "v3 = ineg.i64 v4; v4 = ineg.i64 v0",
            "block0 ineg: v4 is not defined here",
        ),
        (
            "br v2, block1, block2; block1:; v3 = ineg.i64 v0; jump block2; block2:; v4 = ineg.i64 v3",
            "block2 ineg: v3 is not defined here",
        ),
        (
            "br v2, block1(v0), block2; block1(v3: i64):; jump block2; block2:; v4 = ineg.i64 v3",
            "block2 ineg: v3 is not defined here",
        ),
        (
            "jump block1(v3); block1(v4: i64):; v3 = ineg.i64 v4",
            "block0 jump: v3 is not defined here",
        ),
    ] {
        refused(&body(lines), &format!("fn0 `f`: {want}"));
    }
}

#[test]
fn everything_is_placed_once() {
    refused_after(
        |m| first(m).layout.push(Block::new(0)),
        "fn0 `f`: block0 is in the layout twice",
    );
    refused_after(
        |m| first(m).layout.push(Block::new(5)),
        "fn0 `f`: block5 does not exist",
    );
    refused_after(
        |m| first(m).blocks[Block::new(0)].insts.insert(0, Inst::new(0)),
        "fn0 `f`: block0: `v3 = ineg.i64 v0` is placed twice",
    );
    refused_after(
        |m| first(m).blocks[Block::new(0)].insts.insert(0, Inst::new(8)),
        "fn0 `f`: inst8 does not exist",
    );
    refused_after(
        |m| first(m).insts[Inst::new(0)].results[0] = Value::new(0),
        "fn0 `f`: v0 is defined twice",
    );
    refused_after(
        |m| first(m).insts[Inst::new(0)].results[0] = Value::new(90),
        "fn0 `f`: v90 does not exist",
    );
    refused_after(
        |m| first(m).insts[Inst::new(0)].args[0] = Value::new(90),
        "fn0 `f`: block0: v90 does not exist",
    );
    let mut m = read(&body("jump block1; block1:"));
    first(&mut m).layout.truncate(1);
    assert_eq!(
        verify(&m).err().as_deref(),
        Some("fn0 `f`: block1 is not in the layout")
    );
}

#[test]
fn the_entry_exists_and_recursion_raises() {
    refused_after(|m| m.entry = Some(FuncId::new(3)), "the entry fn3 does not exist");
    let recursive = |how: &str| body("").replace("-> i64 {", &format!("-> i64 recursive{how} {{"));
    assert_eq!(verify(&read(&recursive(" site1"))), Ok(()));
    refused(&recursive(""), "fn0 `f`: recursive without a site");
    refused(
        &recursive(" site0"),
        "fn0 `f`: recursive by site0, which does not raise",
    );
}

#[test]
fn inlined_calls_record_what_they_would() {
    let inside = |way: &str| body(&format!("v4 = bounds_check v0, v0 site1{way}"));
    assert_eq!(verify(&read(&inside(" in site2(v2)"))), Ok(()));
    refused(
        &inside(" in site1(v2)"),
        "fn0 `f`: block0 bounds_check: site1 is not of a call",
    );
    refused(
        &inside(" in site2(v2, v0)"),
        "fn0 `f`: block0 bounds_check: what site2 records: (i8, i64), not (i8)",
    );
}

#[test]
fn landings_are_around_what_lands() {
    let protected = |check: &str| {
        body(&format!(
            "v3 = raised; br v3, block2, block1; block1:; {check}; return v0; block2 cold:"
        ))
    };
    let ok = protected("v4 = bounds_check v0, v0 site1 else block2 ss0(v0, v1)");
    assert_eq!(verify(&read(&ok)), Ok(()));
    refused(
        &protected("v4 = iadd_chk v0, v0 (v2) site0 else block2 ss0"),
        "fn0 `f`: block1 iadd_chk: site0 is an exit, which lands nowhere",
    );
    refused(
        &protected("guard v2 site1 else block2 ss0(v0, v1, v2)"),
        "fn0 `f`: block1 guard: 3 values for ss0",
    );
    refused(
        &protected("v4 = ineg.i64 v0 else block2 ss0"),
        "fn0 `f`: block1 ineg: a way out without a site",
    );
    refused(
        &body(
            "guard v2 site1 else block2 ss0; v3 = raised; br v3, block2, block1; block1:; return v0; block2:",
        ),
        "fn0 `f`: block0 guard: lands in block2, which is not around it",
    );
}
