//! Expressions that NumPy evaluates for each element of arrays: one loop nest for a tree of them.
//!
//! `a * b + np.sqrt(c)` becomes
//! ```text
//! check that the shapes of a and b, then of the product and c, broadcast
//! allocate the result
//! for each element: r[i] = a[i] * b[i] + sqrt(c[i])
//! ```
//! Leaves are evaluated in the order of the source, and each operation checks its operands when NumPy would run it; only
//! the elements are computed later. So an operand behind which other code may run is computed at once. Functions of
//! which machine code does not give NumPy's bits are called, with arrays.

mod block;
mod loops;
mod store;

use cranelift_entity::PrimaryMap;
use numlift_mir::{Builder, Function, IntCC, Opcode, Ty, Value};
use numlift_syntax::hir::{CmpOp, ExprId, ExprKind};
use numlift_syntax::visit::{Visitor, walk_expr};
use numlift_typeck::{Applied, Call, Elementwise, Tables};
use numlift_types::{ArrayType, DType, Kind, Layout, ObjectRef, Scalar, Type};

use super::{FnLower, R, Typed};
use crate::arith;
use crate::emit::{Emit, Vals, carrier_tys};

/// What is still to be computed for each element.
#[derive(Clone)]
pub(crate) enum Node {
    Array(ArrayType, Vals),
    Scalar(Scalar, Vals),
    Apply(Apply),
    /// Control does not come here.
    Never,
}

#[derive(Clone)]
pub(crate) struct Apply {
    pub step: Step,
    pub operands: Vec<Node>,
    /// dtypes that the operands are converted to
    pub dtypes: Vec<DType>,
    pub result: DType,
    pub shape: Vec<Value>,
}

/// An operation on elements.
#[derive(Clone)]
pub(crate) enum Step {
    Ufunc(String),
    /// integers by value
    Compare(CmpOp),
    Where,
    Cast,
    /// Blocks of elements, through NumPy's loop of these types.
    Line(ObjectRef, String),
}

/// Leaves and operations of a tree at most; what goes beyond is computed in parts.
const MAX_LEAVES: usize = 10;
const MAX_STEPS: usize = 40;

impl Node {
    pub fn leaf(v: Typed) -> R<Node> {
        match v {
            (Type::Array(a), vals) => Ok(Node::Array(a, vals)),
            (Type::Scalar(s), vals) => Ok(Node::Scalar(s, vals)),
            (Type::Never, _) => Ok(Node::Never),
            (t, _) => Err(format!("{t} has no elements")),
        }
    }

    /// Extents, the outermost axis first.
    pub fn shape(&self) -> &[Value] {
        match self {
            Node::Array(a, v) => &v[1..1 + usize::from(a.ndim)],
            Node::Apply(a) => &a.shape,
            Node::Scalar(..) | Node::Never => &[],
        }
    }

    /// The arrays that it reads, in order.
    pub fn leaves<'n>(&'n self, out: &mut Vec<(ArrayType, &'n Vals)>) {
        match self {
            Node::Array(a, v) => out.push((*a, v)),
            Node::Apply(a) => a.operands.iter().for_each(|n| n.leaves(out)),
            Node::Scalar(..) | Node::Never => {}
        }
    }

    /// Arrays that it reads, and operations.
    fn size(&self) -> (usize, usize) {
        match self {
            Node::Array(..) => (1, 0),
            Node::Apply(a) => {
                let parts = a.operands.iter().map(Node::size);
                parts.fold((0, 1), |(x, y), (l, s)| (x + l, y + s))
            }
            Node::Scalar(..) | Node::Never => (0, 0),
        }
    }

    /// Whether a part of it is computed in blocks.
    pub fn has_lines(&self) -> bool {
        match self {
            Node::Apply(a) => matches!(a.step, Step::Line(..)) || a.operands.iter().any(Node::has_lines),
            _ => false,
        }
    }

    pub fn dtype(&self) -> DType {
        match self {
            Node::Array(a, _) => a.dtype,
            Node::Scalar(s, _) => s.dtype(),
            Node::Apply(a) => a.result,
            Node::Never => DType::Bool,
        }
    }

    /// The type of the array that it makes.
    pub fn ty(&self) -> Type {
        match self {
            Node::Array(a, _) => Type::Array(*a),
            Node::Scalar(s, _) => Type::Scalar(*s),
            Node::Never => Type::Never,
            Node::Apply(a) => {
                let types: Vec<Type> = a.operands.iter().map(Node::ty).collect();
                numlift_typeck::result_array(a.result, &types).unwrap_or(Type::Never)
            }
        }
    }
}

/// Whether evaluating an expression changes nothing that arrays hold.
fn is_quiet(f: &FnLower<'_, '_>, id: ExprId) -> bool {
    struct Quiet<'a, 'f, 'm> {
        f: &'a FnLower<'f, 'm>,
        tables: &'a Tables,
        quiet: bool,
    }
    impl Visitor for Quiet<'_, '_, '_> {
        fn visit_expr(&mut self, hir: &numlift_syntax::hir::Function, id: ExprId) {
            if let ExprKind::Call { .. } = &hir.exprs[id].kind {
                self.quiet &= match self.tables.calls.get(&id) {
                    None => self.tables.elementwise.get(&id).is_some_and(|c| c.out.is_none()),
                    Some(Call::Instance { id, .. }) => !self.f.sh.program.instances[id.0].effects,
                    Some(Call::Builtin(row)) => !row.effect,
                    Some(Call::Boxed { effect, .. }) => !effect,
                    Some(Call::C { .. }) => false,
                    Some(Call::Ufunc { .. } | Call::Cast(_) | Call::Constant(..) | Call::Static(_)) => true,
                };
            }
            if let ExprKind::Dynamic(_) = &hir.exprs[id].kind {
                self.quiet = false;
            }
            walk_expr(self, hir, id);
        }
    }
    let tables = &f.inst.tables;
    let mut q = Quiet {
        f,
        tables,
        quiet: true,
    };
    q.visit_expr(&f.hir, id);
    q.quiet
}

/// Whether machine code gives what the loop of these operands gives: asked by trying.
fn is_inline(name: &str, ins: &[DType]) -> bool {
    let mut b = Builder::new(Function::new(""));
    let block = b.create_block();
    b.switch_to(block);
    let operands: Vec<Vals> = ins
        .iter()
        .map(|d| {
            let tys = carrier_tys(Scalar::Np(*d).carrier());
            tys.iter().map(|&t| b.func.append_param(block, t)).collect()
        })
        .collect();
    let effects = b.iconst(Ty::I8, 0);
    let (mut sites, mut points) = (PrimaryMap::new(), vec![]);
    let mut e = Emit::new(b, &mut sites, &mut points, 0, effects, false);
    let integer_power = name == "power";
    !integer_power && arith::ufunc(&mut e, name, ins, &operands).is_some()
}

impl FnLower<'_, '_> {
    /// The value of an expression on elements.
    pub(super) fn elementwise(&mut self, id: ExprId, call: &Elementwise) -> R<Typed> {
        if let Some(out) = call.out {
            return self.written_out(id, call, out);
        }
        let node = self.applied_node(id, call)?;
        self.materialise(node)
    }

    /// The value of an operand that is computed at once, which the statement may refer to until it ends. A number
    /// of several families is cast to the dtype, which it has in the loop.
    fn settled_node(&mut self, id: ExprId, dtype: Option<DType>) -> R<Node> {
        let mut v = self.expr(id)?;
        if let (Type::Union(_), Some(d)) = (&v.0, dtype) {
            v = self.split(&v, |f, s, x| {
                let x = arith::to_loop(&mut f.e, (s, &x), d, "", &[]);
                Ok((Type::np(d), x))
            })?;
        }
        if let Some(owner) = v.1.last() {
            self.memory.temporaries.remove(owner);
        }
        Node::leaf(v)
    }

    /// Gives up the arrays that only a node refers to.
    pub(super) fn release_leaves(&mut self, node: &Node) {
        let mut leaves = vec![];
        node.leaves(&mut leaves);
        let owners: Vec<Value> = leaves.iter().filter_map(|(_, v)| v.last().copied()).collect();
        owners.into_iter().for_each(|o| self.release(o));
    }

    pub(super) fn quiet(&self, id: ExprId) -> bool {
        is_quiet(self, id)
    }

    /// An operand, whose elements are not computed yet.
    pub(super) fn node(&mut self, id: ExprId, dtype: Option<DType>) -> R<Node> {
        match self.inst.tables.elementwise.get(&id).cloned() {
            Some(call) if call.out.is_none() => self.applied_node(id, &call),
            _ => self.settled_node(id, dtype),
        }
    }

    fn applied_node(&mut self, id: ExprId, call: &Elementwise) -> R<Node> {
        let ty = self.ty(id)?;
        let Some(operands) = self.operand_nodes(call)? else {
            return Ok(Node::Never);
        };
        self.e.b.set_line(self.hir.exprs[id].line);
        self.apply(call, operands, &ty)
    }

    /// The operands of an operation, in source order; `None` if control does not come behind them.
    pub(super) fn operand_nodes(&mut self, call: &Elementwise) -> R<Option<Vec<Node>>> {
        let mut operands = vec![];
        for (k, &a) in call.args.iter().enumerate() {
            let mut later = call.args[k + 1..].iter().chain(&call.out);
            let deferred = later.all(|x| self.quiet(*x));
            let node = match deferred {
                true => self.node(a, call.operands.get(k).copied())?,
                false => self.settled_node(a, call.operands.get(k).copied())?,
            };
            if !self.reachable() || matches!(node, Node::Never) {
                return Ok(None);
            }
            operands.push(node);
        }
        Ok(Some(operands))
    }

    /// What one operation makes of its operands.
    pub(super) fn apply(&mut self, call: &Elementwise, operands: Vec<Node>, ty: &Type) -> R<Node> {
        let step = match (self.step(call, &operands), ty) {
            (Ok(step), Type::Array(_)) => step,
            (Err(object), _) => return self.called(object, operands, ty),
            (Ok(_), _) => {
                let Applied::Ufunc { object, .. } = call.function else {
                    return Err("a function of arrays gives a scalar".into());
                };
                return self.called(Some(object), operands, ty);
            }
        };
        let mut nodes = vec![];
        for (n, &d) in operands.into_iter().zip(&call.operands) {
            nodes.push(self.prepared(n, d, &step)?);
        }
        let shape = self.broadcast(&nodes, &step)?;
        for n in &mut nodes {
            let lower = n.shape().len() < shape.len();
            let (leaves, steps) = n.size();
            // what is repeated along an axis has other strides in a loop of NumPy than here
            let repeated = n.shape() != shape && (n.has_lines() || matches!(step, Step::Line(..)));
            if steps > 0 && (lower || repeated || leaves > MAX_LEAVES / 2 || steps > MAX_STEPS / 2) {
                let part = std::mem::replace(n, Node::Never);
                *n = Node::leaf(self.materialise(part)?)?;
            }
        }
        Ok(Node::Apply(Apply {
            step,
            operands: nodes,
            dtypes: call.operands.clone(),
            result: call.result,
            shape,
        }))
    }

    /// How machine code does it, or the object that is called.
    pub(super) fn step(&self, call: &Elementwise, operands: &[Node]) -> Result<Step, Option<ObjectRef>> {
        let (name, object) = match &call.function {
            Applied::Where => return Ok(Step::Where),
            Applied::Cast => return Ok(Step::Cast),
            Applied::Boxed(object) => return Err(*object),
            Applied::Ufunc { name, object, .. } => (name, *object),
        };
        let integers = operands.iter().all(|n| n.dtype().kind() < Kind::Float);
        match arith::comparison(name) {
            Some(op) if integers => Ok(Step::Compare(op)),
            _ if is_inline(name, &call.operands) => Ok(Step::Ufunc(name.clone())),
            _ => match &call.function {
                Applied::Ufunc { types, .. } if self.in_lines(call, operands) => {
                    Ok(Step::Line(object, types.clone()))
                }
                _ => Err(Some(object)),
            },
        }
    }

    /// Whether a function of floats, whose loop cannot fail, on arrays of one dimension: the loop's bits depend on strides, and of
    /// more dimensions NumPy may pass other ones, as it looks at each function's operands alone.
    fn in_lines(&self, call: &Elementwise, operands: &[Node]) -> bool {
        let floats = call.operands.iter().all(|d| d.kind() == Kind::Float);
        let line = operands.iter().map(|n| n.shape().len()).max() == Some(1);
        floats && line && call.result.kind() <= Kind::Float && !self.inst.recursive
    }

    /// The call of a function with arrays.
    fn called(&mut self, object: Option<ObjectRef>, operands: Vec<Node>, ty: &Type) -> R<Node> {
        let line = self.e.b.line();
        let mut args = vec![];
        for n in operands {
            args.push(self.materialise(n)?);
        }
        self.e.b.set_line(line);
        let object = object.ok_or("a function that is missing")?;
        let v = self.boxed(Some(object), String::new(), vec![], &args, ty)?;
        self.temporary(&v);
        for owner in args.iter().filter_map(|(_, v)| v.last()) {
            self.release(*owner);
        }
        Node::leaf(v)
    }

    /// An operand with numbers in the dtype of the loop: a Python int that does not fit raises here.
    fn prepared(&mut self, n: Node, d: DType, step: &Step) -> R<Node> {
        let n = match n {
            Node::Array(a, v) if a.ndim == 0 => {
                let (_, vals) = self.load_element(a.dtype, v[0]);
                Node::Scalar(Scalar::Np(a.dtype), vals)
            }
            n => n,
        };
        let Node::Scalar(s, vals) = n else {
            return Ok(n);
        };
        let vals = match step {
            Step::Compare(_) => return Ok(Node::Scalar(s, vals)),
            _ if s == Scalar::Np(d) => vals,
            Step::Where | Step::Cast => arith::cast(&mut self.e, s.dtype(), &vals, d),
            Step::Ufunc(_) | Step::Line(..) => {
                arith::store(&mut self.e, d, (s, &vals)).ok_or("an operand")?
            }
        };
        Ok(Node::Scalar(Scalar::Np(d), vals))
    }

    /// The common shape of operands, or NumPy's error.
    fn broadcast(&mut self, nodes: &[Node], step: &Step) -> R<Vec<Value>> {
        let shapes: Vec<Vec<Value>> = nodes.iter().map(|n| n.shape().to_vec()).collect();
        let (shape, ok) = self.broadcast_shapes(&shapes);
        if let Some(ok) = ok {
            let mut names = Names::default();
            let zeros: Vec<String> = shapes.iter().map(|s| names.zeros(s)).collect();
            let f = if matches!(step, Step::Where) {
                "where"
            } else {
                "add"
            };
            self.shape_check(ok, &format!("np.{f}({})", zeros.join(", ")), &names);
        }
        Ok(shape)
    }

    /// The common shape, and whether there is one (`None`: for sure).
    pub(super) fn broadcast_shapes(&mut self, shapes: &[Vec<Value>]) -> (Vec<Value>, Option<Value>) {
        let nd = shapes.iter().map(Vec::len).max().unwrap_or(0);
        let (mut shape, mut ok) = (vec![], None);
        for axis in 0..nd {
            let mut extents = shapes
                .iter()
                .filter_map(|s| (axis + s.len()).checked_sub(nd).map(|i| s[i]));
            let mut n = extents.next();
            for other in extents {
                let here = n.unwrap_or(other);
                let (common, fits) = self.common_extent(here, other);
                n = Some(common);
                ok = self.both(ok, fits);
            }
            shape.extend(n);
        }
        (shape, ok)
    }

    /// The extent of two axes that broadcast, and whether they do.
    fn common_extent(&mut self, a: Value, b: Value) -> (Value, Option<Value>) {
        let f = &self.e.b.func;
        match (f.int_const(a), f.int_const(b)) {
            _ if a == b => return (a, None),
            (Some(1), _) => return (b, None),
            (_, Some(1)) => return (a, None),
            _ => {}
        }
        let one = self.e.b.iconst(Ty::I64, 1);
        let same = self.e.b.icmp(IntCC::Eq, a, b);
        let (first, second) = (self.e.b.icmp(IntCC::Eq, a, one), self.e.b.icmp(IntCC::Eq, b, one));
        let either = self.e.b.op(Opcode::Bor, &[first, second]);
        let fits = self.e.b.op(Opcode::Bor, &[same, either]);
        (self.e.b.select(first, b, a), Some(fits))
    }

    /// Both conditions.
    pub(super) fn both(&mut self, a: Option<Value>, b: Option<Value>) -> Option<Value> {
        match (a, b) {
            (Some(a), Some(b)) => Some(self.e.b.op(Opcode::Band, &[a, b])),
            (a, b) => a.or(b),
        }
    }

    /// Fails as `expr` does, which is over extents.
    pub(super) fn shape_check(&mut self, ok: Value, expr: &str, names: &Names) {
        let extents: Vec<Vals> = names.0.iter().map(|v| Vals::from_slice(&[*v])).collect();
        let operands: Vec<(Scalar, &Vals)> = extents.iter().map(|v| (Scalar::PyInt, v)).collect();
        self.e.replay_unless(ok, expr, &operands);
    }

    /// One element of a node; `addresses` are those of its leaves that are not read yet.
    pub(super) fn element(&mut self, n: &Node, addresses: &mut std::slice::Iter<'_, Value>) -> R<Vals> {
        match n {
            Node::Array(a, _) => {
                let addr = *addresses.next().ok_or("a leaf without an address")?;
                Ok(self.load_element(a.dtype, addr).1)
            }
            Node::Scalar(_, v) => Ok(v.clone()),
            Node::Never => Err("an operand that has no value".into()),
            Node::Apply(a) => {
                let mut operands = vec![];
                for (n, &d) in a.operands.iter().zip(&a.dtypes) {
                    let v = self.element(n, addresses)?;
                    let family = match n {
                        Node::Scalar(s, _) => *s,
                        n => Scalar::Np(n.dtype()),
                    };
                    operands.push((
                        family,
                        match a.step {
                            Step::Compare(_) => v,
                            _ => arith::cast(&mut self.e, family.dtype(), &v, d),
                        },
                    ));
                }
                self.element_of(a, &operands)
            }
        }
    }

    fn element_of(&mut self, a: &Apply, operands: &[(Scalar, Vals)]) -> R<Vals> {
        match (&a.step, operands) {
            (Step::Ufunc(name), _) => {
                let vals: Vec<Vals> = operands.iter().map(|(_, v)| v.clone()).collect();
                arith::ufunc(&mut self.e, name, &a.dtypes, &vals).ok_or_else(|| format!("{name} of elements"))
            }
            (Step::Compare(op), [(s, x), (t, y)]) => Ok(Vals::from_slice(&[arith::compare(
                &mut self.e,
                *op,
                (*s, x),
                (*t, y),
            )])),
            (Step::Where, [(_, c), (_, x), (_, y)]) => Ok(x
                .iter()
                .zip(y)
                .map(|(&x, &y)| self.e.b.select(c[0], x, y))
                .collect()),
            (Step::Line(..), _) => Err("an element of a block".into()),
            (Step::Cast, [(s, x)]) => Ok(arith::cast(&mut self.e, s.dtype(), x, a.result)),
            _ => Err("operands of elements".into()),
        }
    }
}

/// Names of extents in an expression that is replayed.
#[derive(Default)]
pub(super) struct Names(pub Vec<Value>);

impl Names {
    fn shape(&mut self, extents: &[Value]) -> String {
        let mut out = String::from("(");
        for &v in extents {
            self.0.push(v);
            out.push(char::from(b'a' + (self.0.len() as u8 - 1) % 26));
            out.push_str(", ");
        }
        out + ")"
    }

    /// An array of zeros that takes no memory.
    pub fn zeros(&mut self, extents: &[Value]) -> String {
        format!("np.broadcast_to(np.int8(0), {})", self.shape(extents))
    }

    /// One that may be assigned to.
    pub fn target(&mut self, extents: &[Value]) -> String {
        let shape = self.shape(extents);
        let zeros = "0, ".repeat(extents.len());
        format!("np.lib.stride_tricks.as_strided(np.zeros(1, np.int8), {shape}, ({zeros}))")
    }
}

/// Whether an axis of the layout has the stride of an element for sure.
pub(super) fn is_unit(a: ArrayType, axis: usize) -> bool {
    a.layout == Layout::C && axis + 1 == usize::from(a.ndim)
}
