//! Draws from NumPy's global generator, as `RandomState` makes them.

use numlift_builtins::Draw;
use numlift_mir::{FloatCC, IntCC, Opcode, Ty, Value};
use numlift_runtime::ObjectEntry;
use numlift_syntax::hir::{Arg, ExprId};
use numlift_types::{DType, Scalar, Type};

use super::{FnLower, R, Typed};
use crate::arith;
use crate::emit::Vals;

impl FnLower<'_, '_> {
    /// A scalar draw; `ty` is its type.
    pub(crate) fn random(&mut self, id: ExprId, draw: Draw, args: &[Arg], ty: &Type) -> R<Typed> {
        let names = draw.parameters();
        let mut given: Vec<Option<Typed>> = vec![None; names.len()];
        for (i, a) in args.iter().enumerate() {
            let v = self.expr(a.value)?;
            if !self.reachable() {
                return Ok((Type::Never, Vals::new()));
            }
            let at = match &a.name {
                Some(n) => names.iter().position(|p| p == n),
                None => Some(i),
            };
            if let Some(place) = at.and_then(|i| given.get_mut(i)) {
                *place = Some(v).filter(|v| v.0 != Type::None);
            }
        }
        self.e.b.set_line(self.hir.exprs[id].line);
        let v = match draw {
            Draw::Double | Draw::Rand => self.random_double()?,
            Draw::StandardNormal | Draw::Randn => self.gauss()?,
            Draw::Uniform => self.uniform(&given)?,
            Draw::Normal => self.normal(&given)?,
            Draw::Exponential => self.exponential(&given)?,
            Draw::Int => {
                let dtype = self.inst.tables.dtypes.get(&id).copied().unwrap_or(DType::I64);
                self.integer(&given, dtype, ty)?
            }
        };
        self.effect();
        Ok((ty.clone(), Vals::from_slice(&[v])))
    }

    fn draw(&mut self, helper: &str, entry: ObjectEntry, args: &[Value]) -> R<Value> {
        let i = self.sh.object(entry);
        let mut all = vec![self.e.b.object(i)];
        all.extend_from_slice(args);
        let drawn = self.e.helper(helper, &all);
        drawn.ok_or_else(|| format!("{helper} has no result"))
    }

    fn random_double(&mut self) -> R<Value> {
        self.draw("bitgen_double", ObjectEntry::GlobalBitgen, &[])
    }

    fn gauss(&mut self) -> R<Value> {
        self.draw("legacy_gauss", ObjectEntry::GlobalGauss, &[])
    }

    /// A parameter as a double.
    fn parameter(&mut self, given: Option<&Typed>, default: f64) -> R<Value> {
        match given {
            None => Ok(self.e.b.fconst(Ty::F64, default)),
            Some((Type::Scalar(s), v)) => {
                let x = arith::construct(&mut self.e, Scalar::PyFloat, (*s, v));
                Ok(x.ok_or("a parameter")?[0])
            }
            Some(_) => Err("a parameter".into()),
        }
    }

    /// Fails as the interpreter does unless `ok`.
    fn check_draw(&mut self, ok: Value, expr: &str, family: Scalar, values: &[Value]) {
        let vals: Vec<Vals> = values.iter().map(|v| Vals::from_slice(&[*v])).collect();
        let operands: Vec<_> = vals.iter().map(|v| (family, v)).collect();
        self.e.replay_unless(ok, expr, &operands);
    }

    /// `low + (high - low) * random()`
    fn uniform(&mut self, given: &[Option<Typed>]) -> R<Value> {
        let low = self.parameter(given[0].as_ref(), 0.0)?;
        let high = self.parameter(given[1].as_ref(), 1.0)?;
        let range = self.e.b.op(Opcode::Fsub, &[high, low]);
        let ok = arith::is_finite(&mut self.e, range);
        self.check_draw(ok, "np.random.uniform(a, b)", Scalar::PyFloat, &[low, high]);
        let x = self.random_double()?;
        let scaled = self.e.b.op(Opcode::Fmul, &[range, x]);
        Ok(self.e.b.op(Opcode::Fadd, &[low, scaled]))
    }

    /// A scale is NaN or has no sign.
    fn check_scale(&mut self, scale: Value, expr: &str, values: &[Value]) {
        let bits = self.e.b.convert(Opcode::Bitcast, Ty::I64, scale);
        let zero = self.e.b.iconst(Ty::I64, 0);
        let positive = self.e.b.icmp(IntCC::Sge, bits, zero);
        let nan = self.e.b.fcmp(FloatCC::Uno, scale, scale);
        let ok = self.e.b.op(Opcode::Bor, &[positive, nan]);
        self.check_draw(ok, expr, Scalar::PyFloat, values);
    }

    fn normal(&mut self, given: &[Option<Typed>]) -> R<Value> {
        let loc = self.parameter(given[0].as_ref(), 0.0)?;
        let scale = self.parameter(given[1].as_ref(), 1.0)?;
        self.check_scale(scale, "np.random.normal(a, b)", &[loc, scale]);
        let x = self.gauss()?;
        let scaled = self.e.b.op(Opcode::Fmul, &[scale, x]);
        Ok(self.e.b.op(Opcode::Fadd, &[loc, scaled]))
    }

    fn exponential(&mut self, given: &[Option<Typed>]) -> R<Value> {
        let scale = self.parameter(given[0].as_ref(), 1.0)?;
        self.check_scale(scale, "np.random.exponential(a)", &[scale]);
        let x = self.draw("legacy_exponential", ObjectEntry::GlobalBitgen, &[])?;
        Ok(self.e.b.op(Opcode::Fmul, &[scale, x]))
    }

    /// `randint(low, high, dtype=...)`: the range is checked, then drawn by masked rejection.
    fn integer(&mut self, given: &[Option<Typed>], dtype: DType, ty: &Type) -> R<Value> {
        let class = match ty {
            Type::Scalar(Scalar::PyInt) => "int".to_owned(),
            Type::Scalar(Scalar::PyBool) => "bool".to_owned(),
            _ => format!("np.{dtype}"),
        };
        let first = given[0].as_ref().ok_or("randint without a bound")?;
        let first = self.index_value(first)?;
        let one = self.e.b.iconst(Ty::I64, 1);
        let (low, high, expr) = match &given[1] {
            None => {
                let zero = self.e.b.iconst(Ty::I64, 0);
                (zero, first, format!("np.random.randint(b, dtype={class})"))
            }
            Some(high) => (
                first,
                self.index_value(high)?,
                format!("np.random.randint(a, b, dtype={class})"),
            ),
        };
        let mut ok = self.e.b.icmp(IntCC::Slt, low, high);
        if dtype.size() < 8 || dtype == DType::U64 {
            // within the dtype, the end being exclusive
            let (least, most) = dtype.int_range().unwrap_or((0, 1));
            let least = self.e.b.iconst(Ty::I64, least as i64);
            let above = self.e.b.icmp(IntCC::Sge, low, least);
            ok = self.e.b.op(Opcode::Band, &[ok, above]);
            if dtype != DType::U64 {
                let end = self.e.b.iconst(Ty::I64, most as i64 + 1);
                let below = self.e.b.icmp(IntCC::Sle, high, end);
                ok = self.e.b.op(Opcode::Band, &[ok, below]);
            }
        }
        self.check_draw(ok, &expr, Scalar::PyInt, &[low, high]);
        let span = self.e.b.op(Opcode::Isub, &[high, low]);
        let range = self.e.b.op(Opcode::Isub, &[span, one]);
        let x = if dtype.size() < 4 {
            let bits = if dtype == DType::Bool { 1 } else { dtype.bits() };
            let bits = self.e.b.iconst(Ty::I64, bits.into());
            self.draw("bitgen_narrow", ObjectEntry::GlobalBitgen, &[range, bits])?
        } else {
            self.draw("bitgen_masked", ObjectEntry::GlobalBitgen, &[range])?
        };
        let v = self.e.b.op(Opcode::Iadd, &[low, x]);
        let Type::Scalar(s) = ty else {
            return Err("an integer draw".into());
        };
        Ok(self
            .e
            .b
            .convert(Opcode::Trunc, crate::emit::carrier_tys(s.carrier())[0], v))
    }
}
