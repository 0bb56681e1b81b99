"""Reductions of whole arrays and products of lines that machine code computes: NumPy's bits for every dtype, length and layout."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import FAKE, check, define, jit

WHOLE = ["sum", "prod", "min", "max", "mean", "var", "std", "any", "all", "argmin", "argmax"]
CALLS = [f"np.{name}(a)" for name in [*WHOLE, "amin", "amax", "linalg.norm"]] + [
    f"a.{name}()" for name in WHOLE
]
LINES = ["np.sum(a, axis=0)", "a.max(0)", "a.mean(axis=-1)", "np.argmin(a, axis=None)"]
AXES = [
    f"a.{name}({axis})"
    for name in ["sum", "prod", "min", "max", "mean", "argmin", "argmax"]
    for axis in ["axis=0", "1", "axis=-1, keepdims=True"]
]
COPIES = ["a.copy()", "np.copy(a)", "np.array(a)", "a.copy() + 1", "a[::2].copy()"]
PRODUCTS = ["np.dot(a, b)", "a.dot(b)", "a @ b", "np.inner(a, b)", "np.matmul(a, b)"]
FUNCTIONS = {
    call: define(f"def f(a, b):\n    return {call}\n") for call in [*CALLS, *LINES, *AXES, *COPIES, *PRODUCTS]
}
JITTED = {call: jit(f) for call, f in FUNCTIONS.items()}
# around the blocks of NumPy's pairwise sums and buffers
LENGTHS = [0, 1, 2, 7, 8, 9, 16, 17, 127, 128, 129, 136, 257, 1000, 1025, 8193]
DTYPES = "?bhilBHILfdFD"


def numbers(dtype: str, n: int, seed: int, special: str) -> np.ndarray:
    r = np.random.default_rng(seed)
    if dtype == "?":
        return r.random(n) < r.choice([0.001, 0.5, 0.999])
    if dtype in "bhilBHIL":
        i = np.iinfo(dtype)
        wide = special == "wide"
        return r.integers(i.min if wide else 0, i.max if wide else 5, n, dtype=dtype, endpoint=True)
    x = r.standard_normal(n) * 10.0 ** r.integers(-3, 4, n)
    if special == "zeros":
        x = r.choice([0.0, -0.0], n)
    if special == "nan" and n:
        x[r.integers(n)] = np.nan
    if special == "inf" and n:
        x[r.integers(n)], x[r.integers(n)] = np.inf, -np.inf
    return (x + 1j * x[::-1] if dtype in "FD" else x).astype(dtype)


@st.composite
def lines(draw: st.DrawFn, dtype: str, n: int) -> np.ndarray:
    step = draw(st.sampled_from([1, 1, 2, 3, -1, -2]))
    special = draw(st.sampled_from(["", "wide", "zeros", "nan", "inf"]))
    return numbers(dtype, n * abs(step), draw(st.integers(0, 99)), special)[::step]


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray:
    n = draw(st.sampled_from(LENGTHS))
    a = draw(lines(draw(st.sampled_from(DTYPES)), n * 6))
    layout = draw(st.sampled_from(["line", "rows", "columns", "box", "part", "reversed", "repeated"]))
    return {
        "line": a[:n],
        "rows": a.reshape(n, 6),
        "columns": a.reshape(n, 6).T,
        "box": a.reshape(2, n, 3),
        "part": a.reshape(n, 6)[:, 1:4],
        "reversed": a.reshape(6, n)[::-1, ::-1],
        "repeated": np.broadcast_to(a[:n], (3, n)),
    }[layout]


@given(st.sampled_from(CALLS), arrays())
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_whole_array(call: str, a: np.ndarray) -> None:
    check(JITTED[call], a, a)


@given(st.sampled_from(LINES), st.data())
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_only_axis(call: str, data: st.DataObject) -> None:
    a = data.draw(lines(data.draw(st.sampled_from(DTYPES)), data.draw(st.sampled_from(LENGTHS))))
    check(JITTED[call], a, a)


@given(st.sampled_from(AXES + COPIES), st.data())
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_one_axis_and_copies(call: str, data: st.DataObject) -> None:
    extents = st.sampled_from([0, 1, 2, 3, 8, 9, 17, 130])
    shape = data.draw(
        st.one_of(st.tuples(extents, extents), st.tuples(extents, st.sampled_from([1, 3]), extents))
    )
    a = data.draw(lines(data.draw(st.sampled_from(DTYPES)), int(np.prod(shape)))).reshape(shape)
    check(JITTED[call], data.draw(st.sampled_from([a, a.copy(order="F"), a[:, ::-1]])), None)


@given(st.sampled_from(PRODUCTS), st.data())
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_products_of_lines(call: str, data: st.DataObject) -> None:
    dtype, n = data.draw(st.sampled_from(DTYPES)), data.draw(st.sampled_from(LENGTHS))
    a, b = data.draw(lines(dtype, n)), data.draw(lines(dtype, data.draw(st.sampled_from([n, n, n, 3]))))
    check(JITTED[call], a, b)


@pytest.mark.parametrize("call", ["a.min()", "np.argmax(a)", "np.dot(a, b)", "a @ b"])
def test_what_numpy_refuses(call: str) -> None:
    check(JITTED[call], np.zeros(0), np.zeros(2))


def test_no_call_of_the_interpreter_is_left_in_the_way() -> None:
    def orthogonal(a):
        q = np.zeros(a.shape)
        for k in range(a.shape[1]):
            v = a[:, k].copy()
            for j in range(k):
                v -= np.dot(q[:, j], v) * q[:, j]
            q[:, k] = v / np.sqrt(np.sum(v * v))
        return q

    def scaled(a):
        e = a - a.max(axis=-1, keepdims=True)
        return e / e.sum(axis=1, keepdims=True)

    for function, kernel in [(orthogonal, "reduce"), (scaled, "reduce_axis")]:
        f = jit(function)
        check(f, np.random.default_rng(1).random((20, 12)))
        if not FAKE:
            (mir,) = f.inspect_mir().values()
            assert f"call_helper {kernel}(" in mir
            assert kernel == "reduce" or "py_call" not in mir
