//! `np.fft`.

use numlift_types::DType;

use crate::rule::{Elem, Order, Rank, Rule};
use crate::{Builtin, row};

const A: Elem = Elem::Inexact(&Elem::Of("a"));
const SAME: Rank = Rank::Of("a");
const SPECTRUM: Rule = Rule::New(Elem::Complex(&A), SAME, Order::Keep(&["a"]));
const SIGNAL: Rule = Rule::New(Elem::Real(&A), SAME, Order::Keep(&["a"]));
const FREQUENCIES: Rule = Rule::New(Elem::Is(DType::F64), Rank::Is(1), Order::C);
const SHIFTED: Rule = Rule::New(Elem::Of("x"), Rank::Of("x"), Order::Keep(&["x"]));

const LINE: &str = "a, n=None, axis=-1, norm=None, out=None";
const PLANE: &str = "a, s=None, axes=None, norm=None, out=None";

const OF_ANY: &[&str] = &[
    "{x:nonempty}",
    "{c:nonempty}, {int:1:7}",
    "{c:nonempty}, axis={axis}",
    "{x:nonempty}, n=4, norm='ortho'",
    "{f1:nonempty}, None, -1, 'forward'",
];
const OF_REAL: &[&str] = &[
    "{r:nonempty}",
    "{f:nonempty}, {int:1:7}",
    "{f:nonempty}, axis={axis}",
    "{f:nonempty}, 4, norm='ortho'",
];
const PLANES: &[&str] = &[
    "{n2:nonempty}",
    "{c3:nonempty}",
    "{c2:nonempty}, norm='ortho'",
    "{c2:nonempty}, (2, {int:1:4}), axes=(0, 1)",
    "{c3:nonempty}, axes=(0, 1)",
];
const REAL_PLANES: &[&str] = &["{r2:nonempty}", "{f3:nonempty}", "{f2:nonempty}, norm='ortho'"];
const SHIFTS: &[&str] = &[
    "{x:nonempty}",
    "{x:nonempty}, axes={axis}",
    "{x2:nonempty}, (0, 1)",
];
const STEPS: &[&str] = &["{int:1:8}", "{int:1:8}, {float:1:3}", "8, d=0.5", "{int:-1:1}"];

pub const ROWS: &[Builtin] = &[
    row("numpy.fft.fft", LINE, SPECTRUM, OF_ANY),
    row("numpy.fft.ifft", LINE, SPECTRUM, OF_ANY),
    row("numpy.fft.rfft", LINE, SPECTRUM, OF_REAL),
    row("numpy.fft.irfft", LINE, SIGNAL, OF_ANY),
    row("numpy.fft.hfft", LINE, SIGNAL, OF_ANY),
    row("numpy.fft.ihfft", LINE, SPECTRUM, OF_REAL),
    row("numpy.fft.fft2", PLANE, SPECTRUM, PLANES),
    row("numpy.fft.ifft2", PLANE, SPECTRUM, PLANES),
    row("numpy.fft.fftn", PLANE, SPECTRUM, PLANES),
    row("numpy.fft.ifftn", PLANE, SPECTRUM, PLANES),
    row("numpy.fft.rfft2", PLANE, SPECTRUM, REAL_PLANES),
    row("numpy.fft.irfft2", PLANE, SIGNAL, PLANES),
    row("numpy.fft.rfftn", PLANE, SPECTRUM, REAL_PLANES),
    row("numpy.fft.irfftn", PLANE, SIGNAL, PLANES),
    row("numpy.fft.fftfreq", "n, d=1.0", FREQUENCIES, STEPS),
    row("numpy.fft.rfftfreq", "n, d=1.0", FREQUENCIES, STEPS),
    row("numpy.fft.fftshift", "x, axes=None", SHIFTED, SHIFTS),
    row("numpy.fft.ifftshift", "x, axes=None", SHIFTED, SHIFTS),
];
