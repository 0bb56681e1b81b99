//! NumPy's universal functions on scalars: machine code where it is the loop's, else one turn of the loop.

use numlift_mir::{Opcode, Region, Ty};
use numlift_runtime::ObjectEntry;
use numlift_typeck::Known;
use numlift_types::{DType, Kind, ObjectRef, Type};

use super::{FnLower, R, Typed};
use crate::arith;
use crate::emit::Vals;

impl FnLower<'_, '_> {
    /// A ufunc with the loop of the given types; `dtypes` are the operands', then the results'.
    pub(crate) fn ufunc(
        &mut self,
        object: ObjectRef,
        types: &str,
        dtypes: &[DType],
        args: &[Typed],
    ) -> R<Typed> {
        let path = match self.sh.env.known(object) {
            Known::Builtin(path) => path,
            _ => String::new(),
        };
        let name = path.rsplit('.').next().unwrap_or_default();
        // Integers compare by value, a Python int outside the dtype included.
        if let (Some(op), [a, b]) = (arith::comparison(name), args)
            && let (Type::Scalar(s), Type::Scalar(t)) = (&a.0, &b.0)
            && (s.is_numpy() || t.is_numpy())
            && s.dtype().kind().max(t.dtype().kind()) < Kind::Float
        {
            return self.scalar_compare(op, (*s, &a.1), (*t, &b.1));
        }
        let mut operands = vec![];
        for (v, &d) in args.iter().zip(dtypes) {
            let (_, vals) = self.number(v, |f, s, v| {
                let vals = match s.dtype() == d {
                    true => v,
                    false => arith::store(&mut f.e, d, (s, &v)).ok_or("ufunc operand")?,
                };
                Ok((Type::np(d), vals))
            })?;
            operands.push(vals);
        }
        let (ins, outs) = dtypes.split_at(args.len());
        let results = match arith::ufunc(&mut self.e, name, ins, &operands) {
            Some(vals) => vals,
            None => self.ufunc_loop(object, types, dtypes, &operands)?,
        };
        Ok(match outs {
            [d] => (Type::np(*d), results),
            _ => (Type::tuple(outs.iter().map(|d| Type::np(*d))), results),
        })
    }

    /// One element through a NumPy inner loop.
    fn ufunc_loop(&mut self, object: ObjectRef, types: &str, dtypes: &[DType], operands: &[Vals]) -> R<Vals> {
        let slot = self.e.b.create_slot(16 * dtypes.len() as u32, false);
        let base = self.e.b.slot_addr(slot);
        for (k, (vals, d)) in operands.iter().zip(dtypes).enumerate() {
            let size = d.component().size() as i32;
            for (i, &x) in vals.iter().enumerate() {
                let at = 16 * k as i32 + i as i32 * size;
                self.e.b.store(x, base, at, Region::Stack);
            }
        }
        let f = self.sh.object(ObjectEntry::UfuncLoop(object, types.to_owned()));
        let data = self.sh.object(ObjectEntry::UfuncData(object, types.to_owned()));
        let f = self.e.b.object(f);
        let data = self.e.b.object(data);
        let (n, inputs) = (dtypes.len(), operands.len());
        let size = |k: usize| dtypes.get(k).map_or(0, |d| d.size() as u8);
        let shape = [n as u8, inputs as u8, size(0), size(inputs), 0, 0, 0, 0];
        let shape = i64::from_le_bytes(shape);
        let shape = self.e.b.iconst(Ty::I64, shape);
        self.e.helper("ufunc", &[f, data, base, shape]);
        let mut results = Vals::new();
        for (k, &d) in dtypes.iter().enumerate().skip(operands.len()) {
            let skip = self.e.b.iconst(Ty::I64, 16 * k as i64);
            let at = self.e.b.op(Opcode::Iadd, &[base, skip]);
            results.extend(self.load_element(d, at).1);
        }
        Ok(results)
    }
}
