//! A function that calls itself.

use numlift_mir::{FuncId, IntCC, Module, Opcode, Ty, Value};
use numlift_runtime::SiteKind;

use super::Tape;
use super::body::{self, Body, Memory};

/// Adds a function that calls itself once or twice, at most three levels deep, or until the limit.
pub(super) fn function(m: &mut Module, tape: &mut Tape<'_>) {
    let id = FuncId::from_u32(m.funcs.len() as u32);
    let params = [Ty::I64, Ty::F64, Ty::I8];
    let mut b = body::begin(m, tape, "recursive", &params, Memory::None);
    b.b.func.results = vec![Ty::I64];
    b.b.func.recursive = true;
    b.b.func.recursion_site = Some(b.site(SiteKind::Raise {
        exc: "RecursionError".into(),
        args: vec![],
        cause_none: false,
    }));
    if b.tape.once_in(2) {
        let site = b.site(SiteKind::Helper);
        b.b.safepoint(site);
    }
    let (three, zero, one) = (
        b.b.iconst(Ty::I64, 3),
        b.b.iconst(Ty::I64, 0),
        b.b.iconst(Ty::I64, 1),
    );
    let n = b.scope[0];
    let n = b.b.op(Opcode::Band, &[n, three]);
    let done = b.b.icmp(IntCC::Eq, n, zero);
    let (base, step) = (b.b.create_block(), b.b.create_block());
    b.b.br(done, (base, &[]), (step, &[]));
    b.b.switch_to(base);
    let outer = b.scope.len();
    b.give();
    b.scope.truncate(outer);
    b.b.switch_to(step);
    b.statements();
    let endless = b.tape.once_in(6);
    let next = match endless {
        true => n,
        false => b.b.op(Opcode::Isub, &[n, one]),
    };
    let first = again(&mut b, id, next);
    b.scope.push(first);
    b.statements();
    if !endless && b.tape.once_in(2) {
        let second = again(&mut b, id, next);
        let (site, operands) = b.failure();
        let sum = b.b.checked(Opcode::IaddChk, &[first, second], &operands, site);
        b.scope.push(sum);
    }
    b.end();
}

/// The call.
fn again(b: &mut Body<'_, '_, '_>, id: FuncId, n: Value) -> Value {
    let mut args = vec![n];
    args.extend(b.picks(&[Ty::F64, Ty::I8]));
    let done = b.tape.below(2) as i64;
    args.push(b.b.iconst(Ty::I8, done));
    let site = b.site(SiteKind::Call);
    b.b.call(id, &args, &[Ty::I64], site)[0]
}
