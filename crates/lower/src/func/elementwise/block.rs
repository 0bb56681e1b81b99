//! Functions of which NumPy's own loops give the bits, over blocks of elements.
//!
//! `r[...] = 2 * np.exp(-x)` becomes
//! ```text
//! for b in 0, 512, 1024...:
//!     m = min(512, n - b)
//!     for i in 0..m: t[i] = -x[b + i]
//!     exp's loop: u[0..m] = exp(t[0..m])
//!     for i in 0..m: r[b + i] = 2 * u[i]
//! ```
//! with `t` and `u` in memory of a few KB. An array that is an operand as it is goes to the loop with its own stride, as NumPy passes it.

use numlift_mir::{Block, IntCC, Opcode, Region, Ty, Value};
use numlift_runtime::ObjectEntry;
use numlift_types::{ArrayType, DType, Layout, Scalar};

use super::loops::{Pointer, Pointers, Stride};
use super::{Apply, Node, Step};
use crate::emit::Vals;
use crate::func::{FnLower, R};

/// Elements of a block.
const BLOCK: i64 = 512;
/// Bytes of an element of a block at most.
const WIDTH: i64 = 8;

/// What is being computed of a block.
struct Stage<'p> {
    /// Arrays that are read, from the block's first element on.
    given: std::vec::IntoIter<Pointer>,
    /// Elements of this block.
    m: Value,
    /// Blocks in use.
    used: &'p mut i64,
}

/// Blocks that a node needs at most.
fn count(node: &Node) -> i64 {
    let Node::Apply(a) = node else { return 0 };
    let parts: i64 = a.operands.iter().map(count).sum();
    match a.step {
        Step::Line(..) => parts + 1 + a.operands.len() as i64,
        _ => parts,
    }
}

impl FnLower<'_, '_> {
    /// Memory for the blocks of a node while `loops` are lowered.
    pub(crate) fn with_blocks(&mut self, node: &Node, loops: impl FnOnce(&mut Self) -> R<()>) -> R<()> {
        if !node.has_lines() {
            return loops(self);
        }
        let bytes = self.e.b.iconst(Ty::I64, count(node) * BLOCK * WIDTH);
        let (data, owner) = self.new_memory(DType::U8, &[bytes], None, 0);
        let slot = self.e.b.create_slot(8, true);
        self.replace_slot(slot, owner);
        self.memory.blocks = Some(data);
        loops(self)?;
        self.memory.blocks = None;
        let null = self.e.b.iconst(Ty::I64, 0);
        self.replace_slot(slot, null);
        Ok(())
    }

    /// The loop over `n` elements in blocks; it goes on at `done`.
    pub(crate) fn in_blocks(&mut self, node: &Node, n: Value, p: &Pointers, done: Block) -> R<()> {
        let state = self.state();
        let zero = self.e.b.iconst(Ty::I64, 0);
        let size = self.e.b.iconst(Ty::I64, BLOCK);
        let head = self.e.b.create_block();
        self.e.b.jump(head, &[zero]);
        self.start(head, state.clone());
        let b = self.e.b.func.append_param(head, Ty::I64);
        let left = self.e.b.op(Opcode::Isub, &[n, b]);
        let m = self.e.b.op(Opcode::Smin, &[left, size]);
        let given: Vec<Pointer> = p.read.iter().map(|p| self.from(*p, b)).collect();
        let written = self.from(p.written, b);
        let mut used = 0;
        let mut stage = Stage {
            given: given.into_iter(),
            m,
            used: &mut used,
        };
        match node {
            Node::Apply(a)
                if matches!(a.step, Step::Line(..))
                    && a.result == p.dtype
                    && matches!(written.step, Stride::Unit(_)) =>
            {
                self.numpy_line(a, &mut stage, written)?;
            }
            node => {
                let mut read = vec![];
                let rest = self.staged(node, &mut stage, &mut read)?;
                let pointers = Pointers {
                    read,
                    written,
                    dtype: p.dtype,
                };
                let behind = self.e.b.create_block();
                self.line(&rest, m, &pointers, behind)?;
                self.start(behind, state);
            }
        }
        let next = self.e.b.op(Opcode::Iadd, &[b, size]);
        let more = self.e.b.icmp(IntCC::Slt, next, n);
        self.e.b.br(more, (head, &[next]), (done, &[]));
        Ok(())
    }

    /// A pointer from element `b` on.
    fn from(&mut self, p: Pointer, b: Value) -> Pointer {
        let base = match p.step {
            Stride::Fixed => p.base,
            Stride::Unit(size) => self.at(p.base, b, size),
            Stride::By(s) => {
                let off = self.e.b.op(Opcode::Imul, &[b, s]);
                self.e.b.op(Opcode::Iadd, &[p.base, off])
            }
        };
        Pointer { base, ..p }
    }

    /// A node whose functions in blocks are computed: `read` are the arrays that are left.
    fn staged(&mut self, node: &Node, stage: &mut Stage<'_>, read: &mut Vec<Pointer>) -> R<Node> {
        Ok(match node {
            Node::Array(..) => {
                read.push(stage.given.next().ok_or("a leaf without a pointer")?);
                node.clone()
            }
            Node::Scalar(..) | Node::Never => node.clone(),
            Node::Apply(a) if matches!(a.step, Step::Line(..)) => {
                let to = self.block_pointer(a.result, stage)?;
                self.numpy_line(a, stage, to)?;
                read.push(to);
                let ty = ArrayType {
                    dtype: a.result,
                    ndim: 1,
                    layout: Layout::C,
                    readonly: false,
                };
                let unknown = stage.m;
                Node::Array(ty, Vals::from_slice(&[to.base, unknown, unknown, unknown]))
            }
            Node::Apply(a) => {
                let mut operands = vec![];
                for n in &a.operands {
                    operands.push(self.staged(n, stage, read)?);
                }
                Node::Apply(Apply {
                    operands,
                    ..a.clone()
                })
            }
        })
    }

    /// A block of its own.
    fn block_pointer(&mut self, dtype: DType, stage: &mut Stage<'_>) -> R<Pointer> {
        let first = self.memory.blocks.ok_or("no memory for blocks")?;
        let skip = self.e.b.iconst(Ty::I64, *stage.used * BLOCK * WIDTH);
        *stage.used += 1;
        Ok(Pointer {
            base: self.e.b.op(Opcode::Iadd, &[first, skip]),
            step: Stride::Unit(dtype.size()),
        })
    }

    /// Runs NumPy's loop on a block.
    fn numpy_line(&mut self, a: &Apply, stage: &mut Stage<'_>, to: Pointer) -> R<()> {
        let Step::Line(object, types) = &a.step else {
            return Err("not a function in blocks".into());
        };
        let mark = *stage.used;
        let mut pointers = vec![];
        for (n, &d) in a.operands.iter().zip(&a.dtypes) {
            pointers.push(self.line_operand(n, d, stage)?);
        }
        *stage.used = mark;
        pointers.push(to);
        let f = self.sh.object(ObjectEntry::UfuncLoop(*object, types.clone()));
        let data = self.sh.object(ObjectEntry::UfuncData(*object, types.clone()));
        let (f, data) = (self.e.b.object(f), self.e.b.object(data));
        let count = pointers.len();
        let slot = self.e.b.create_slot(16 * count as u32, false);
        let area = self.e.b.slot_addr(slot);
        for (k, p) in pointers.into_iter().enumerate() {
            let stride = match p.step {
                Stride::Fixed => self.e.b.iconst(Ty::I64, 0),
                Stride::Unit(size) => self.e.b.iconst(Ty::I64, i64::from(size)),
                Stride::By(s) => s,
            };
            self.set_word(area, 2 * k, p.base);
            self.set_word(area, 2 * k + 1, stride);
        }
        let count = self.e.b.iconst(Ty::I64, count as i64);
        self.e.helper("ufunc_line", &[f, data, area, count, stage.m]);
        Ok(())
    }

    /// Where an operand of a loop is, in its dtype.
    fn line_operand(&mut self, n: &Node, d: DType, stage: &mut Stage<'_>) -> R<Pointer> {
        match n {
            Node::Array(a, _) if a.dtype == d => stage
                .given
                .next()
                .ok_or_else(|| "a leaf without a pointer".into()),
            Node::Scalar(s, v) if *s == Scalar::Np(d) => {
                let slot = self.e.b.create_slot(16, false);
                let base = self.e.b.slot_addr(slot);
                self.e.b.store(v[0], base, 0, Region::Stack);
                Ok(Pointer {
                    base,
                    step: Stride::Fixed,
                })
            }
            n => {
                let mut read = vec![];
                let rest = self.staged(n, stage, &mut read)?;
                // a function of just the dtype is in its block
                if let (Node::Array(a, _), [only]) = (&rest, read.as_slice())
                    && a.dtype == d
                {
                    return Ok(*only);
                }
                let to = self.block_pointer(d, stage)?;
                let pointers = Pointers {
                    read,
                    written: to,
                    dtype: d,
                };
                let state = self.state();
                let behind = self.e.b.create_block();
                self.line(&rest, stage.m, &pointers, behind)?;
                self.start(behind, state);
                Ok(to)
            }
        }
    }
}
