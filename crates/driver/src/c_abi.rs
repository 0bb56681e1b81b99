//! What of a specialisation C can call: numbers and arrays in, numbers out.

use numlift_codegen::c_abi::{Param, Wrapper, wrappers as code};
use numlift_mir::Ty;
use numlift_types::{ArrayType, Carrier, DType, Scalar, Type};

use crate::Cpu;

/// The type of a parameter in C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CType {
    Number(DType),
    Array(ArrayType),
}

/// A function as C sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CFunction {
    pub params: Vec<CType>,
    /// What the pointers behind the parameters point to.
    pub results: Vec<DType>,
    wrapper: Wrapper,
}

impl CFunction {
    /// `None` if a type has no form in C: complex numbers, tuples of arguments, arrays among the results, None or a value.
    pub fn of(args: &[Type], ret: &Type) -> Option<CFunction> {
        let mut out = CFunction::default();
        for t in args {
            let (param, ty) = match t {
                Type::Scalar(s) => (Param::Number(machine(s.dtype())?), CType::Number(s.dtype())),
                Type::Array(a) if !a.readonly && a.ndim > 0 => (Param::Array(a.ndim), CType::Array(*a)),
                _ => return None,
            };
            out.wrapper.params.push(param);
            out.params.push(ty);
        }
        out.result(ret)?;
        Some(out)
    }

    fn result(&mut self, t: &Type) -> Option<()> {
        let (dtype, slots) = match t {
            Type::None => return Some(()),
            Type::Scalar(s) => (s.dtype(), 1),
            // what the value is on this path is known to Python alone
            Type::Union(u) => match u.carrier() {
                Carrier::F64 => (Scalar::F64.dtype(), 2),
                Carrier::I64 => (Scalar::I64.dtype(), 2),
                _ => return None,
            },
            Type::Tuple(items) => return items.iter().try_for_each(|t| self.result(t)),
            _ => return None,
        };
        self.results.push(dtype);
        self.wrapper
            .results
            .push((machine(dtype)?, self.wrapper.ret_slots));
        self.wrapper.ret_slots += slots;
        Some(())
    }
}

fn machine(d: DType) -> Option<Ty> {
    Some(match Scalar::Np(d).carrier() {
        Carrier::I8 => Ty::I8,
        Carrier::I16 => Ty::I16,
        Carrier::I32 => Ty::I32,
        Carrier::I64 => Ty::I64,
        Carrier::F32 => Ty::F32,
        Carrier::F64 => Ty::F64,
        Carrier::C64 | Carrier::C128 => return None,
    })
}

/// Machine code of functions that C calls, and where each begins. They call the function that is `call` bytes from
/// the beginning of the code with their number.
///
/// # Errors
/// If there is no code for these processors here; the text is for the user.
pub fn wrappers(functions: &[CFunction], cpu: Cpu, call: i64) -> Result<(Vec<u8>, Vec<u32>), String> {
    let options = numlift_codegen::Options {
        cpu,
        ..Default::default()
    };
    let all: Vec<Wrapper> = functions.iter().map(|f| f.wrapper.clone()).collect();
    code(&options, &all, call).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_c_can_call() {
        let of = |args: &[Type], ret: Type| CFunction::of(args, &ret);
        let array = numlift_types::signature::parse_type("float64[:, ::1]").expect("a type");
        let union = Type::union([Scalar::PyFloat, Scalar::F64]);
        let f = of(
            &[array.clone(), Type::INT],
            Type::tuple([union.expect("two numbers"), Type::BOOL]),
        )
        .expect("a form in C");
        assert_eq!(f.results, [DType::F64, DType::Bool]);
        assert_eq!(f.wrapper.results, [(Ty::F64, 0), (Ty::I8, 2)]);
        assert_eq!(f.wrapper.ret_slots, 3);
        assert!(of(&[Type::COMPLEX], Type::None).is_none());
        assert!(of(&[], array).is_none());
        let (code, starts) = wrappers(&[f.clone(), f], Cpu::Baseline, -4096).expect("host");
        assert!(starts.len() == 2 && code.len() > starts[1] as usize);
    }
}
