//! Operators and functions that NumPy applies to each element of arrays: the loop it would select, the type of the result.

use numlift_diagnostics::Span;
use numlift_syntax::hir::{Arg, BinOp, CmpOp, Const, ExprId, ExprKind, UnaryOp};
use numlift_types::{ArrayType, DType, Kind, Layout, ObjectRef, Scalar, Type};

use super::boxed::Callee;
use super::ufunc::select_loop;
use super::{FnInfer, R};
use crate::operators;
use crate::tables::{Applied, Elementwise};

/// The universal function that an operator on arrays is.
const fn binary_ufunc(op: BinOp) -> Option<&'static str> {
    Some(match op {
        BinOp::Add => "numpy.add",
        BinOp::Sub => "numpy.subtract",
        BinOp::Mul => "numpy.multiply",
        BinOp::Div => "numpy.divide",
        BinOp::FloorDiv => "numpy.floor_divide",
        BinOp::Mod => "numpy.remainder",
        BinOp::Pow => "numpy.power",
        BinOp::LShift => "numpy.left_shift",
        BinOp::RShift => "numpy.right_shift",
        BinOp::And => "numpy.bitwise_and",
        BinOp::Or => "numpy.bitwise_or",
        BinOp::Xor => "numpy.bitwise_xor",
        BinOp::MatMul => return None,
    })
}

const fn unary_ufunc(op: UnaryOp) -> Option<&'static str> {
    Some(match op {
        UnaryOp::Neg => "numpy.negative",
        UnaryOp::Pos => "numpy.positive",
        UnaryOp::Invert => "numpy.invert",
        UnaryOp::Not => return None,
    })
}

const fn compare_ufunc(op: CmpOp) -> Option<&'static str> {
    Some(match op {
        CmpOp::Eq => "numpy.equal",
        CmpOp::Ne => "numpy.not_equal",
        CmpOp::Lt => "numpy.less",
        CmpOp::Le => "numpy.less_equal",
        CmpOp::Gt => "numpy.greater",
        CmpOp::Ge => "numpy.greater_equal",
        CmpOp::Is | CmpOp::IsNot | CmpOp::In | CmpOp::NotIn => return None,
    })
}

pub(super) fn is_array(t: &Type) -> bool {
    matches!(t, Type::Array(_))
}

/// Whether it is an operand of an operation on elements: an array or a number.
fn is_operand(t: &Type) -> bool {
    is_array(t) || !t.scalars().is_empty()
}

/// The operand as far as promotion is concerned.
fn element(t: &Type) -> Type {
    match t {
        Type::Array(a) => Type::np(a.dtype),
        t => t.clone(),
    }
}

/// The array that an operation on elements makes: NumPy keeps the order of its operands' axes (`order="K"`).
pub fn result_array(dtype: DType, types: &[Type]) -> Option<Type> {
    let arrays = || {
        types.iter().filter_map(|t| match t {
            Type::Array(a) => Some(*a),
            _ => None,
        })
    };
    let ndim = arrays().map(|a| a.ndim).max()?;
    if ndim == 0 {
        return Some(Type::np(dtype));
    }
    let contiguous = ndim == 1 || arrays().all(|a| a.layout == Layout::C);
    let layout = if contiguous { Layout::C } else { Layout::A };
    Some(Type::array(dtype, ndim, layout))
}

/// Whether machine code assigns values of a type to a part of an array.
pub(super) fn is_stored(part: ArrayType, value: &Type) -> bool {
    let fits = |d: DType| part.dtype.kind() == Kind::Complex || d.kind() != Kind::Complex;
    match value {
        Type::Array(a) => a.ndim <= part.ndim && fits(a.dtype),
        t => !t.scalars().is_empty() && t.scalars().iter().all(|s| fits(s.dtype())),
    }
}

/// Whether NumPy casts results of one dtype into an array of another (`casting="same_kind"`).
fn same_kind(from: DType, to: DType) -> bool {
    let rank = |d: DType| match d.kind() {
        Kind::Bool => 0,
        Kind::Unsigned => 1,
        Kind::Signed => 2,
        Kind::Float => 3,
        Kind::Complex => 4,
    };
    rank(from) <= rank(to)
}

impl FnInfer<'_, '_> {
    /// A universal function on operands of which one is an array: what it applies, and the type of the result.
    fn applied(&mut self, path: &str, types: &[Type]) -> Option<(Elementwise, Type)> {
        let object = self.cx.env.object(path)?;
        self.applied_object(object, path, types)
    }

    fn applied_object(
        &mut self,
        object: ObjectRef,
        path: &str,
        types: &[Type],
    ) -> Option<(Elementwise, Type)> {
        if !types.iter().all(is_operand) {
            return None;
        }
        let elements: Vec<Type> = types.iter().map(element).collect();
        let (found, dtypes) = select_loop(self.cx.env, object, &elements)?;
        let (operands, results) = dtypes.split_at(types.len());
        let [result] = results else { return None };
        // whether an int fits is asked of ints only
        let mixed = |(t, d): (&Type, &DType)| {
            matches!(t, Type::Union(_)) && d.is_integer() && t.scalars().contains(&Scalar::PyInt)
        };
        if types.iter().zip(operands).any(mixed) {
            return None;
        }
        let name = path.rsplit('.').next().unwrap_or(path).to_owned();
        let call = Elementwise {
            function: Applied::Ufunc {
                name,
                types: found,
                object,
            },
            args: vec![],
            out: None,
            operands: operands.to_vec(),
            result: *result,
        };
        Some((call, result_array(*result, types)?))
    }

    /// Notes what an expression applies to elements.
    fn elementwise(&mut self, id: ExprId, found: (Elementwise, Type), args: Vec<ExprId>) -> Type {
        let (mut call, ty) = found;
        call.args = args;
        self.tables.elementwise.insert(id, call);
        ty
    }

    /// `a op b` if one of them is an array.
    pub(super) fn array_binary(
        &mut self,
        id: ExprId,
        op: BinOp,
        args: [ExprId; 2],
        types: [&Type; 2],
    ) -> R<Option<Type>> {
        if !types.iter().any(|t| is_array(t)) || types.contains(&&Type::Never) {
            return Ok(None);
        }
        let (span, line) = (self.hir.exprs[id].span, self.hir.exprs[id].line);
        let given = types.map(Clone::clone);
        if let (BinOp::Pow, Some(path)) = (op, self.fast_power(args[1], &given[0]))
            && let Some(found) = self.applied(path, &given[..1])
        {
            return Ok(Some(self.elementwise(id, found, vec![args[0]])));
        }
        // a bool array to a Python int has a dtype that depends on the value
        let path =
            binary_ufunc(op).filter(|_| op != BinOp::Pow || element(&given[0]) != Type::np(DType::Bool));
        match path.and_then(|path| self.applied(path, &given)) {
            Some(mut found) => {
                if op == BinOp::Pow {
                    // other exponents have short cuts, too
                    found.0.function = Applied::Boxed(self.cx.env.object("_operator.pow"));
                }
                Ok(Some(self.elementwise(id, found, args.to_vec())))
            }
            None => self.operand_error(span, line, &format!("operator {op:?} of"), &types),
        }
    }

    /// What NumPy calls for a power with a constant exponent.
    fn fast_power(&self, exponent: ExprId, base: &Type) -> Option<&'static str> {
        let Type::Array(a) = base else { return None };
        let float = a.dtype.kind() == Kind::Float;
        let constant = match &self.hir.exprs[exponent].kind {
            ExprKind::Const(Const::Float(x)) if float => Some(*x),
            ExprKind::Const(Const::Int(n)) => Some(*n as f64),
            ExprKind::Unary(UnaryOp::Neg, inner) if float => match &self.hir.exprs[*inner].kind {
                ExprKind::Const(Const::Int(1)) => Some(-1.0),
                _ => None,
            },
            _ => None,
        };
        match constant? {
            2.0 if float || a.dtype.is_integer() => Some("numpy.square"),
            0.5 if float => Some("numpy.sqrt"),
            -1.0 if float => Some("numpy.reciprocal"),
            _ => None,
        }
    }

    /// `op a` of an array.
    pub(super) fn array_unary(&mut self, id: ExprId, op: UnaryOp, arg: ExprId, t: &Type) -> R<Option<Type>> {
        if !is_array(t) {
            return Ok(None);
        }
        let (span, line) = (self.hir.exprs[id].span, self.hir.exprs[id].line);
        match unary_ufunc(op).and_then(|path| self.applied(path, std::slice::from_ref(t))) {
            Some(found) => Ok(Some(self.elementwise(id, found, vec![arg]))),
            None => self.operand_error(span, line, "this operator", &[t]),
        }
    }

    /// `a op b` of a comparison if one of them is an array.
    pub(super) fn array_compare(
        &mut self,
        id: ExprId,
        op: CmpOp,
        args: [ExprId; 2],
        types: [&Type; 2],
    ) -> R<Option<Type>> {
        let Some(path) = compare_ufunc(op) else {
            return Ok(None);
        };
        if !types.iter().any(|t| is_array(t)) || !types.iter().all(|t| is_operand(t)) {
            return Ok(None);
        }
        let (span, line) = (self.hir.exprs[id].span, self.hir.exprs[id].line);
        match self.applied(path, &types.map(Clone::clone)) {
            Some(found) => Ok(Some(self.elementwise(id, found, args.to_vec()))),
            None => self.operand_error(span, line, "comparison of", &types),
        }
    }

    /// A universal function called with an array.
    pub(super) fn array_ufunc(
        &mut self,
        id: ExprId,
        object: ObjectRef,
        path: &str,
        args: &[Arg],
        types: &[Type],
    ) -> R<Type> {
        match self.applied_object(object, path, types) {
            Some(found) => {
                let args = args.iter().map(|a| a.value).collect();
                Ok(self.elementwise(id, found, args))
            }
            None => self.unsupported(id, path, types),
        }
    }

    /// `np.clip(a, low, high)` or `a.clip(low, high)`, `operands` being all three, with an array of floats; `None` if it is another one.
    pub(super) fn array_clip(&mut self, id: ExprId, operands: &[ExprId]) -> Option<Type> {
        let types: Vec<Type> = operands.iter().map(|e| self.expr(*e)).collect();
        if types.len() != 3 || !types.iter().any(is_array) {
            return None;
        }
        // Python ints beyond the dtype are bounds of integers, too
        let found = self.applied("numpy._core.umath.clip", &types)?;
        let floats = found.0.result.kind() == Kind::Float && is_array(&found.1);
        floats.then(|| self.elementwise(id, found, operands.to_vec()))
    }

    /// A universal function that writes to the array `out`.
    pub(super) fn ufunc_into(
        &mut self,
        id: ExprId,
        object: ObjectRef,
        path: &str,
        operands: &[ExprId],
        out: ExprId,
    ) -> R<Type> {
        let types: Vec<Type> = operands.iter().map(|e| self.expr(*e)).collect();
        let to = self.expr(out);
        if to == Type::Never || types.contains(&Type::Never) {
            return Ok(Type::Never);
        }
        self.tables.calls.remove(&id);
        let Type::Array(target) = to else {
            return self.unsupported(id, path, &[to]);
        };
        let fits = |t: &Type| match t {
            Type::Array(a) => a.ndim <= target.ndim,
            _ => true,
        };
        let given: Vec<Type> = types.iter().chain([&to]).cloned().collect();
        let known = types.iter().all(fits) && types.len() <= 2 && target.ndim > 0 && !target.readonly;
        // the target says that the result is an array, whatever the operands are
        match self.applied_object(object, path, &types).filter(|_| known) {
            Some((call, _)) if same_kind(call.result, target.dtype) => {
                self.effects = true;
                let call = Elementwise {
                    out: Some(out),
                    ..call
                };
                self.elementwise(id, (call, to.clone()), operands.to_vec());
                Ok(to)
            }
            _ => self.unsupported(id, path, &given),
        }
    }

    /// `np.where(condition, x, y)` with an array.
    pub(super) fn array_where(&mut self, id: ExprId, args: &[Arg]) -> R<Type> {
        let types = self.positional(id, args)?;
        if types.contains(&Type::Never) {
            return Ok(Type::Never);
        }
        let scalar = |t: &Type| match element(t) {
            Type::Scalar(s) => Some(s),
            _ => None,
        };
        let scalars: Option<Vec<Scalar>> = types.iter().map(scalar).collect();
        let result = scalars.as_deref().and_then(|s| match s {
            [_, x, y] => Some(
                operators::promote(*x, *y)
                    .unwrap_or_else(|| numlift_types::common_dtype(x.dtype(), y.dtype())),
            ),
            _ => None,
        });
        let ty = result.and_then(|d| result_array(d, &types));
        match (result, ty) {
            (Some(d), Some(ty @ Type::Array(_))) => {
                let call = Elementwise {
                    function: Applied::Where,
                    args: vec![],
                    out: None,
                    operands: vec![DType::Bool, d, d],
                    result: d,
                };
                let args = args.iter().map(|a| a.value).collect();
                Ok(self.elementwise(id, (call, ty), args))
            }
            _ => self.unsupported(id, "numpy.where", &types),
        }
    }

    /// `a.astype(dtype)` of an array.
    pub(super) fn array_astype(&mut self, id: ExprId, base: ExprId, a: ArrayType, args: &[Arg]) -> R<Type> {
        let t = Type::Array(a);
        let to = match args {
            [d] if d.star == 0 && d.name.as_deref().is_none_or(|n| n == "dtype") => {
                let d = self.expr(d.value);
                self.no_objects([&d])?;
                self.dtype_of(&d)
            }
            _ => None,
        };
        let real = |d: DType| d.kind() != Kind::Complex;
        match to {
            Some(d) if a.ndim > 0 && (real(a.dtype) || !real(d)) => match self.converted(id, base, a, d) {
                Some(ty) => Ok(ty),
                None => self.unsupported(id, "astype", &[t]),
            },
            _ => match numlift_builtins::find_method("astype") {
                Some(row) => self.table_call(id, Callee::Method(base, &t, "astype"), row, args),
                None => self.unsupported(id, "astype", &[t]),
            },
        }
    }

    /// A copy of an array in its memory order; `None` where that is not what copies have.
    pub(super) fn array_copy(&mut self, id: ExprId, base: ExprId, t: &Type) -> Option<Type> {
        match *t {
            Type::Array(a) if a.ndim == 1 || (a.ndim > 0 && a.layout == Layout::C) => {
                self.converted(id, base, a, a.dtype)
            }
            _ => None,
        }
    }

    /// The elements of an array as another dtype.
    fn converted(&mut self, id: ExprId, base: ExprId, a: ArrayType, to: DType) -> Option<Type> {
        let ty = result_array(to, &[Type::Array(a)])?;
        let call = Elementwise {
            function: Applied::Cast,
            args: vec![],
            out: None,
            operands: vec![a.dtype],
            result: to,
        };
        Some(self.elementwise(id, (call, ty), vec![base]))
    }

    /// `a op= b` of an array `a`, which stays the same; `None` if `a` is no array.
    pub(super) fn in_place(
        &mut self,
        op: BinOp,
        a: &Type,
        value: ExprId,
        b: &Type,
        (span, line): (Span, u32),
    ) -> R<Option<Type>> {
        let &Type::Array(target) = a else {
            return Ok(None);
        };
        self.no_objects([b])?;
        let types = [a.clone(), b.clone()];
        let fits = match b {
            Type::Array(b) => b.ndim <= target.ndim,
            b => !b.scalars().is_empty(),
        };
        let found = match (fits && target.ndim > 0 && !target.readonly, binary_ufunc(op)) {
            (true, Some(path)) => self.applied(path, &types),
            _ => None,
        };
        match found {
            Some((mut call, _)) if same_kind(call.result, target.dtype) => {
                if op == BinOp::Pow {
                    call.function = Applied::Boxed(self.cx.env.object("_operator.ipow"));
                }
                self.effects = true;
                self.tables.in_place.insert(value, call);
                Ok(Some(a.clone()))
            }
            _ => self.operand_error(span, line, &format!("operator {op:?}= of"), &[a, b]),
        }
    }
}
