"""Expressions on whole arrays: values, dtypes, shapes, strides, overlapping memory, errors."""

import itertools
from typing import Any

import numpy as np
import pytest

from harness import check, define, jit
from values import DTYPES, layouts, sample

NUMBERS = [d.name for d in DTYPES]
ARITHMETIC = ["+", "-", "*", "/", "//", "%", "**"]
COMPARISONS = ["<", "<=", ">", ">=", "==", "!="]
BITS = ["&", "|", "^", "<<", ">>"]
PAIRS = [
    ("float64", "float64"),
    ("float32", "float64"),
    ("int64", "float32"),
    ("uint8", "int8"),
    ("int64", "uint64"),
]


def defined(op: str, *values: Any) -> bool:
    """Whether NumPy has the operator for these operands."""
    try:
        eval(f"a {op} b", {"a": values[0], "b": values[-1]})
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def same_layout(function: Any, *args: Any) -> None:
    """The result has the strides that NumPy gives it."""
    expected, got = function(*args), jit(function)(*args)

    def steps(a: Any) -> list[int]:
        return [s for s, n in zip(a.strides, a.shape, strict=True) if n > 1]

    assert steps(expected) == steps(got), (expected.strides, got.strides)
    assert got.flags.writeable and got.base is None


@pytest.mark.parametrize("op", [*ARITHMETIC, *COMPARISONS, *BITS])
@pytest.mark.parametrize("dtypes", PAIRS)
def test_operators(op: str, dtypes: tuple[str, str]) -> None:
    a, b = sample(dtypes[0], (7, 5)), sample(dtypes[1], (7, 5), 1)
    if op in ("**", "<<", ">>") and b.dtype.kind == "i":
        b = abs(b) % 5
    if not defined(op, a, b):
        return
    f = define(f"def f(a, b):\n    return a {op} b\n")
    with np.errstate(all="ignore"):
        check(f, a, b)
        if dtypes in PAIRS[1:3]:
            check(f, a[:, :1], b[0])


@pytest.mark.parametrize("dtype", NUMBERS)
def test_scalars_are_weak(dtype: str) -> None:
    a = sample(dtype, (9,))
    for scalar in (2, 1.5, True, 1j, np.float32(2), np.uint64(7)):
        for op in ("*", "<"):
            f = define(f"def f(a, s):\n    return a {op} s\n")
            if defined(op, a, scalar):
                check(f, a, scalar)
    with np.errstate(all="ignore"):
        check(define("def f(a):\n    return 1 / a\n"), a)


@pytest.mark.parametrize("name", NUMBERS)
def test_unary(name: str) -> None:
    a = sample(name, (3, 4))
    for op in ("-a", "+a", "~a", "abs(a)"):
        try:
            eval(op, {"a": a})
        except TypeError:
            continue
        check(define(f"def f(a):\n    return {op}\n"), a)


@pytest.mark.parametrize("exponent", ["2", "2.0", "0.5", "-1", "3", "1", "0", "-1.5"])
@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "uint8", "bool", "complex128"])
def test_powers_with_constants(dtype: str, exponent: str) -> None:
    f = define(f"def f(a):\n    return a ** {exponent}\n")
    with np.errstate(all="ignore"):
        check(f, abs(sample(dtype, (300,))) if dtype != "bool" else sample(dtype, (30,)), tier=None)


@pytest.mark.parametrize(
    "name",
    "sqrt exp log sin cos tanh floor ceil trunc rint sign square reciprocal isnan isinf isfinite signbit cbrt expm1 fabs".split(),
)
@pytest.mark.parametrize("dtype", ["float64", "float32", "int32", "complex128"])
def test_functions(name: str, dtype: str) -> None:
    if dtype == "complex128" and not any("D" in t.split("->")[0] for t in getattr(np, name).types):
        return
    f = define(f"def f(a, b):\n    return np.{name}(a) + np.{name}(a * b)\n")
    special = np.array([0.0, -0.0, 1e300, 1.5, -2.5, np.inf, -np.inf, np.nan] * 3).astype(dtype)
    with np.errstate(all="ignore"):
        a = sample(dtype, (101,))
        if np.issubdtype(getattr(np, name)(a).dtype, np.bool_):
            f = define(f"def f(a, b):\n    return np.{name}(a) | np.{name}(a * b)\n")
        check(f, a, sample(dtype, (101,), 1))
        if dtype != "int32":
            check(f, special, special[::-1])


@pytest.mark.parametrize(
    "name", ["maximum", "minimum", "fmax", "fmin", "arctan2", "hypot", "copysign", "fmod"]
)
@pytest.mark.parametrize("dtype", ["float64", "float32", "int16"])
def test_functions_of_two(name: str, dtype: str) -> None:
    f = define(f"def f(a, b):\n    return np.{name}(a, b)\n")
    special = np.array([0.0, -0.0, 1.5, -np.inf, np.nan])
    pairs = np.array(list(itertools.product(special, special)))
    with np.errstate(all="ignore"):
        if dtype != "int16":
            check(f, pairs[:, 0].astype(dtype), pairs[:, 1].astype(dtype))
        check(
            f,
            sample(dtype, (50,)),
            sample(dtype, (50,), 1) | 1 if dtype == "int16" else sample(dtype, (50,), 1),
        )


@pytest.mark.parametrize(
    "first,second", itertools.product(["C", "F", "strided", "negative", "transposed"], repeat=2)
)
def test_layouts(first: str, second: str) -> None:
    def f(a, b):
        return a * b + 0.5 * a

    a, b = layouts("float64")[first], layouts("float32")[second]
    check(f, a, b)
    same_layout(f, a, b)


def test_three_axes_in_every_order() -> None:
    def f(a, b):
        return (a + b) * np.abs(a)

    for p in itertools.permutations(range(3)):
        a = sample("float64", (2, 3, 4)).transpose(p)
        b = sample("float64", a.shape, 1)
        check(f, a, b)
        same_layout(f, a, b)
        same_layout(f, a, b[:1])
        same_layout(f, a, b[0, :, :1])


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (1, 1), (1,), (2, 0, 2)])
def test_small(shape: tuple[int, ...]) -> None:
    def f(a, b):
        c = a + b
        c *= 2
        c[...] = c - b
        return c, a < b, np.where(a < b, a, b)

    check(f, sample("float64", shape), sample("float64", shape, 1))


def test_no_axes() -> None:
    def f(a, b):
        return a * b + 1, b + a

    check(f, np.array(2.0), np.array(3))
    check(f, np.array(2.0), np.arange(3.0))


def test_shapes_that_do_not_broadcast() -> None:
    def f(a, b, c):
        x = a * c
        return (a + b) * x

    a = np.ones((2, 3))
    check(f, a, np.ones(4), np.ones(3))
    check(f, a, np.ones((3, 2)), np.ones(3))
    check(f, a, np.ones(3), np.ones((5, 1, 4)))
    check(f, a, np.ones((4, 1, 1)), np.ones((4, 2, 1)))


def test_errors_come_in_order() -> None:
    def f(a, b, i):
        return (a + b) * a[i]

    check(f, np.ones(2), np.ones(3), 9)
    check(f, np.ones(2), np.ones(2), 9)

    def g(a, n):
        return a + n

    check(g, np.ones(3, np.uint8), 300)
    check(g, np.ones(0, np.uint8), 300)
    check(g, np.ones(3, np.uint8), 255)

    def h(a, n):
        return a < n

    check(h, np.ones(3, np.uint8), 300)
    check(h, np.ones(3, np.uint8), -1)


def test_an_operand_that_changes_another() -> None:
    def bump(a):
        a[0] = a[0] + 1.0
        return a

    def f(a, b):
        return (a * 2.0) + bump(a) * b, a + bump(a)

    check(f, np.arange(4.0), np.ones(4), kwargs={})


def test_stencil() -> None:
    def f(a, b, steps):
        for _ in range(steps):
            b[1:-1, 1:-1] = 0.25 * (a[1:-1, :-2] + a[1:-1, 2:] + a[:-2, 1:-1] + a[2:, 1:-1])
            a[1:-1, 1:-1] = b[1:-1, 1:-1]

    check(f, sample("float64", (9, 12)), np.zeros((9, 12)), 4)
    check(f, sample("float64", (9, 12)).T, np.zeros((12, 9)), 4)
    check(f, sample("float32", (2, 2)), np.zeros((2, 2)), 4)


def test_overlapping_parts() -> None:
    def f(a):
        a[1:] = a[:-1]
        a[:-1] = a[1:] * 2
        a[::-1] = a + 1
        a[::2] = a[: (len(a) + 1) // 2]
        a[1:] += a[:-1]
        a += a[::-1]
        a *= a
        a[:] = a
        return a

    for n in (0, 1, 2, 7, 64):
        check(f, np.arange(float(n)) / 3, tier="native")
    check(f, np.arange(20)[::2])

    def g(a):
        a[...] = a.T
        a += a.T
        a[1:] = a[:-1] + a[1:]
        return a

    for n in (1, 5, 20):
        check(g, sample("float64", (n, n)))
        check(g, sample("int16", (n, n)).T)

    def h(a, b):
        a[1:] = b[:-1] * 2 + a[1:]
        return a, b

    x = np.arange(9.0)
    jit(h)(x, x)
    y = np.arange(9.0)
    h(y, y)
    assert (x == y).all()


@pytest.mark.parametrize("to", NUMBERS)
@pytest.mark.parametrize("value", ["float64", "int64", "uint8", "bool"])
def test_conversions_of_what_is_assigned(to: str, value: str) -> None:
    def f(a, v):
        a[:] = v
        a[1:3] = v[:2] + v[1:3]
        return a.astype(v.dtype)

    v = abs(sample(value, (6,))) if value != "bool" else sample(value, (6,))
    check(f, sample(to, (6,)), v, tier=None)


@pytest.mark.parametrize("to", ["uint8", "int8", "int64", "float32", "bool", "complex64"])
def test_scalars_that_are_assigned(to: str) -> None:
    def f(a, m, v):
        a[1:] = v
        a[m] = v
        return a

    a = sample(to, (5,))
    m = np.array([True, False, True, True, False])
    for v in (3, 300, -1, 2.5, 300.5, float("nan"), True, np.int64(300), np.float64(2.5), np.uint8(7), 1j):
        if not isinstance(v, complex) or to == "complex64":
            with np.errstate(all="ignore"):
                check(f, a, m, v)


@pytest.mark.parametrize("op", ["-", "*", "/", "%", "&"])
@pytest.mark.parametrize("dtypes", [*PAIRS, ("float64", "int8"), ("int64", "float64"), ("bool", "bool")])
def test_in_place(op: str, dtypes: tuple[str, str]) -> None:
    f = define(f"def f(a, b):\n    a {op}= b\n    a[1:] {op}= b[1:]\n    return a\n")
    a, b = sample(dtypes[0], (5, 4)), sample(dtypes[1], (5, 4), 1)
    with np.errstate(all="ignore"):
        check(f, a, b, tier=None)
        check(f, a[:, ::2], b[:, :2], tier=None)


def test_in_place_shapes() -> None:
    def f(a, b):
        a += b

    check(f, np.ones((2, 3)), np.ones(3))
    check(f, np.ones((2, 3)), np.ones(4))
    check(f, np.ones((1, 3)), np.ones((2, 3)))
    check(f, np.ones(1), np.ones(2))
    check(f, np.ones(3), np.ones((2, 3)), tier=None)

    def g(a, b):
        a[1:] = b

    check(g, np.ones((3, 3)), np.ones(3))
    check(g, np.ones((3, 3)), np.ones((1, 3)))
    check(g, np.ones((3, 3)), np.ones((3, 3)))
    check(g, np.ones((3, 3)), np.ones(2))
    check(g, np.ones(3), np.ones((2, 2)), tier=None)

    frozen = np.ones(3)
    frozen.flags.writeable = False
    check(f, frozen, np.ones(3), tier=None)
    check(g, frozen, np.ones(2), tier=None)


def test_in_place_keeps_the_array() -> None:
    def f(a, b):
        c = a
        a += b
        c *= 2
        return c

    a = np.ones(3)
    assert jit(f)(a, np.ones(3)) is a and a.tolist() == [4.0, 4.0, 4.0]


@pytest.mark.parametrize("dtype", NUMBERS)
def test_masks(dtype: str) -> None:
    def f(a, m, v):
        x = a[m]
        a[m] = v
        a[~m] = x[:1]
        return x, a

    for shape in ((40,), (5, 8), (2, 3, 7)):
        m = sample("bool", shape, 3)
        m.flat[0] = True
        check(f, sample(dtype, shape), m, sample(dtype, (1,))[0])
        check(f, sample(dtype, shape[::-1]).T, m, sample(dtype, (1,))[0])
        check(f, sample(dtype, shape), m[::-1], sample(dtype, (1,))[0])


def test_masks_that_are_expressions() -> None:
    def f(a):
        a[a < 0] = 0
        a[(a > 1) & (a < 2)] *= 10
        return a[a != 0], np.where(a > 1, a, -a)

    check(f, sample("float64", (60,)))
    check(f, sample("float32", (6, 10))[:, ::2])
    check(f, sample("int64", (60,)) % 3)


def test_values_for_a_mask() -> None:
    def f(a, m, v):
        a[m] = v
        return a

    m = np.array([True, False, True, True])
    for v in (np.arange(3.0), np.arange(1.0), np.arange(2.0), np.arange(0.0), np.arange(3)):
        check(f, np.zeros(4), m, v)
    check(f, np.zeros(5), m, 1.0)
    check(f, np.zeros(5), m, np.arange(3.0))
    check(f, m.copy(), m, np.array([False, True, False]))

    def g(a, b):
        a[b > 0] = a[1:4]
        b[b] = False
        return a, b

    check(g, np.arange(4.0), m)

    def h(a, m):
        return a[m]

    check(h, np.zeros(5), m)
    check(h, np.zeros((4, 2)), np.ones((4, 3), bool))
    check(h, np.zeros((4, 2)), m, tier=None)


@pytest.mark.parametrize("index", ["int64", "int8", "uint16", "uint64"])
def test_indices(index: str) -> None:
    def f(a, i, v):
        x = a[i]
        a[i] = v
        a[i] += 1
        return x, a

    i = np.array([3, 0, 3, 1, 4]).astype(index)
    for a in (np.arange(5.0), np.arange(10)[::2], sample("complex64", (5,))):
        check(f, a, i, 2)
        check(f, a, i, np.arange(5))
        check(f, a, i[::-1], np.arange(1))
        check(f, a, i, np.arange(3))
        check(f, a[:4], i, 2)
        check(f, a, i[:0], 2)

    def g(a, i):
        a[i] = 7
        return a[i]

    check(g, np.arange(5), np.array([0, -1, -5]))
    check(g, np.arange(5), np.array([0, -6]))
    a = np.arange(5)
    check(g, a, a)


@pytest.mark.parametrize("shape", [(1300,), (3, 700), (0,), (5, 4, 3)])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_functions_in_blocks(shape: tuple[int, ...], dtype: str) -> None:
    def f(a, b):
        c = np.exp(np.sin(np.cos(a) + b) * 2) - np.arctan2(b, 0.5)
        c[...] = np.tanh(c)
        a[:1] = np.exp(b)[:1]
        return np.exp(a), np.log1p(abs(c)) > 0.5, c

    a, b = sample(dtype, shape), sample(dtype, shape, 1)
    check(f, a, b)
    check(f, a.T[..., ::-1], b.T)
    check(f, a, b[..., :1])
    same_layout(define("def f(a):\n    return np.exp(a)\n"), a.T)


def test_bits_that_depend_on_strides() -> None:
    def f(a, b, c):
        c[::2] = np.arctan(a)[: len(c[::2])]
        np.exp(b, out=b)
        return np.arctan(a), np.arctan(a) * b, np.arctan(a + 1), np.arctan2(a + 1, b), np.arctan2(a, b) + c

    def g(a):
        return np.arctan(a)

    for dtype in ("float32", "float64"):
        a, b = sample(dtype, (2, 90)) * 9, sample(dtype, (2, 90), 1)
        for view in (a[:, ::-1], a[::-1, ::-1], a.T, a[:, ::3], a.T[::-1]):
            check(g, view)
        line = a[0]
        for x in (line, line[::-1], line[:1], line[3:4]):
            for y in (b[0], b[0][::-1]):
                check(f, x, y, np.zeros(90, dtype))
        check(f, line[::2], b[0][::2], np.zeros(45, dtype))


def test_clip() -> None:
    def f(a, low, high):
        return np.clip(a * 2, low, high), a.clip(low, high)

    a = np.array([0.0, -0.0, 1.5, -1.5, np.nan, np.inf, -np.inf] * 4)
    for low, high in [
        (-1.0, 1.0),
        (0.0, -0.0),
        (-0.0, 1),
        (a[::-1], 1.0),
        (np.nan, 1.0),
        (-1, np.float32(1)),
    ]:
        check(f, a, low, high)
        check(f, a.astype("float32").reshape(4, 7), low, high) if np.isscalar(low) else None
    check(f, np.arange(9), -1, 300, tier=None)


def test_out() -> None:
    def f(a, b, c):
        d = np.add(a, b, out=c)
        np.sqrt(np.abs(d), a)
        np.multiply(d, c[::-1], out=c)
        return d

    check(f, sample("float64", (9,)), sample("float64", (9,), 1), np.zeros(9))
    check(f, sample("float64", (3, 9)), sample("float32", (9,), 1), np.zeros((3, 9)))
    check(f, sample("float64", (9,)), sample("float64", (9,), 1), np.zeros((3, 9)), tier=None)
    check(f, sample("float64", (9,)), sample("float64", (8,), 1), np.zeros(9))
    check(f, sample("float64", (9,)), sample("float64", (9,), 1), np.zeros(8))
    check(f, sample("complex64", (9,)), sample("complex64", (9,), 1), np.zeros(9, "complex64"), tier=None)
    check(f, sample("float64", (9,)), sample("float64", (9,), 1), np.zeros(9, int), tier=None)


def test_functions_that_write_in_place() -> None:
    def f(a, b):
        a *= b
        a *= a
        a **= 2
        a[1:] **= b[1:]
        return a

    for dtype in ("complex128", "float64", "float32", "int64", "uint8"):
        with np.errstate(all="ignore"):
            check(f, abs(sample(dtype, (3, 7))), abs(sample(dtype, (3, 7), 1)))
    check(f, np.arange(3), np.array([-1, -1, -2]))


def test_a_new_name_of_an_argument_is_no_new_array() -> None:
    def f(a, n):
        if (d := a)[0] >= 0:
            pass
        d[0] += 1
        p = 1
        for _ in range(n):
            p *= 3
        return p

    check(f, np.arange(4), 60)


def test_where() -> None:
    def f(c, x, y):
        return np.where(c, x, y)

    c = sample("bool", (6, 5))
    for x, y in [
        (sample("float32", (6, 5)), 1.0),
        (1, 2.5),
        (sample("uint8", (5,)), 300),
        (0, sample("int8", (6, 1))),
    ]:
        check(f, c, x, y)
    check(f, sample("float64", (6, 5)), True, 2)
    check(f, c, np.ones(4), 1.0)
    same_layout(f, c.T, sample("float64", (6, 5)).T, 1)


@pytest.mark.parametrize("layout", ["C", "F", "strided", "negative"])
def test_astype(layout: str) -> None:
    def f(a):
        return a.astype(np.float32) + a.astype("int8")

    for dtype in ("float64", "int64", "bool", "uint16"):
        check(f, layouts(dtype)[layout])
    same_layout(f, layouts("float64")[layout])


def test_long_expressions() -> None:
    text = " + ".join(f"a * {k} - b / (c + {k})" for k in range(1, 9))
    f = define(f"def f(a, b, c):\n    return {text}\n")
    check(f, *(sample("float64", (33,), k) ** 2 for k in range(3)))
    check(f, *(sample("float64", (3, 5), k) ** 2 for k in range(3)))


def test_variables_in_loops() -> None:
    def f(x, n):
        total = np.zeros_like(x)
        term = x
        for k in range(1, n):
            term = term * x / k
            total = total + term
        return total

    check(f, sample("float64", (20,)), 12)
    check(f, sample("float64", (4, 5)), 12)


def test_results_are_new_arrays() -> None:
    def f(a):
        b = +a
        c = a * 1
        b[0] = 9
        c[0] = 8
        return a, b, c

    check(f, np.arange(3.0))


def test_exits_behind_assignments_to_parts() -> None:
    def f(a, n):
        a[1:] = a[:-1] * 2
        p = 1
        for i in range(n):
            p *= 3
        a += p % 7
        return p

    check(f, np.arange(4.0), 10)
    check(f, np.arange(4.0), 60)


def test_no_warnings() -> None:
    def f(a, b):
        return a / b, a // b

    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        jit(f)(np.ones(3), np.zeros(3))
