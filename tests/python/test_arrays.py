"""Arrays: every dtype and layout, element access, indexing errors, attributes, construction."""

from typing import Any

import numpy as np
import pytest
from test_control_flow import run

from harness import check, define, jit
from values import DTYPES, layouts, sample

NAMES = [d.name for d in DTYPES]


def sum2d(arr):
    M, N = arr.shape
    result = 0.0
    for i in range(M):
        for j in range(N):
            result += arr[i, j]
    return result


@pytest.mark.parametrize("layout", ["C", "F", "strided", "negative", "transposed", "readonly"])
@pytest.mark.parametrize("dtype", NAMES)
def test_sum2d(dtype: str, layout: str) -> None:
    check(sum2d, layouts(dtype)[layout])


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0), (1, 1)])
def test_sum2d_of_small(shape: tuple[int, int]) -> None:
    for dtype in ("int64", "float64", "float32", "complex128"):
        check(sum2d, sample(dtype, shape))


def test_sum2d_of_lists_and_scalars() -> None:
    check(sum2d, sample("float64", (3,)), tier=None)
    check(sum2d, sample("float64", (3, 2, 2)), tier=None)
    check(sum2d, np.zeros((2, 2), dtype="f2"), tier=None)
    check(sum2d, np.array([[1, 2]], dtype=object), tier=None)
    check(sum2d, np.zeros((2, 2), dtype=">f8"), tier=None)


def test_misaligned_and_overlapping() -> None:
    raw = np.zeros(1 + 8 * 12, dtype=np.uint8)
    odd = raw[1:].view(np.float64).reshape(3, 4)
    odd[...] = sample("float64", (3, 4))
    assert not odd.flags.aligned
    assert jit(sum2d)(odd) == sum2d(odd)
    window = np.lib.stride_tricks.as_strided(np.arange(6.0), (3, 4), (8, 8))
    assert jit(sum2d)(window) == sum2d(window)
    broadcast = np.broadcast_to(np.arange(4.0), (3, 4))
    assert jit(sum2d)(broadcast) == sum2d(broadcast)


def test_subclasses_keep_their_meaning() -> None:
    class Doubled(np.ndarray):
        def __getitem__(self, key: Any) -> Any:
            return 2.0 * super().__getitem__(key)

    a = np.ones((2, 3)).view(Doubled)
    assert jit(sum2d)(a) == sum2d(a) == 12.0
    m = np.ma.masked_array(np.ones((2, 3)), mask=np.eye(2, 3))
    assert jit(sum2d)(m) is sum2d(m) or jit(sum2d)(m) == sum2d(m)


GET = "def f(a, i):\n    return a[i]\n"
SET = "def f(a, i, v):\n    a[i] = v\n"


@pytest.mark.parametrize("dtype", NAMES)
def test_get(dtype: str) -> None:
    for name, a in layouts(dtype, (7,)).items():
        run(GET, *[(a, i) for i in (0, 6, -1, -7, 7, -8, 2**40, -(2**63))])
        assert name


@pytest.mark.parametrize(
    "index", [np.int8(-1), np.uint8(2), np.int64(3), np.uint64(1), True, np.int32(7), np.uint64(2**63)]
)
def test_index_types(index: Any) -> None:
    run(GET, (sample("float64", (5,)), index), tier=None if isinstance(index, bool) else "native")


@pytest.mark.parametrize(
    "index", [1.0, np.float64(1), None, "x", (), (0, 0), slice(1, 3), np.array([0, 1]), 2**64, [0]]
)
def test_index_of_other_kinds(index: Any) -> None:
    run(GET, (sample("float64", (5,)), index), tier=None)


STORED = [3, 0, -1, 300, 2**40, 2**63, True, 1.75, -0.0, 1e300, float("nan"), 1 + 2j]
STORED += [np.int8(-3), np.uint8(200), np.int32(70000), np.uint64(2**63), np.float32(1.5), np.float64(-2.5)]
STORED += [np.complex64(1j), np.True_, None, "x"]


@pytest.mark.parametrize("dtype", NAMES)
def test_set(dtype: str) -> None:
    kind = np.dtype(dtype).kind
    for value in STORED:
        if kind in "iu" and isinstance(value, float | np.floating) and not abs(value) < 100:
            continue  # undefined in C
        if kind in "u" and isinstance(value, float | np.floating) and value < 0:
            continue
        run(SET, (sample(dtype, (5,)), 2, value), tier=None)
    for i in (0, -5, 5, -6):
        run(SET, (sample(dtype, (5,)), i, sample(dtype, (1,))[0]))


def test_set_in_other_layouts() -> None:
    for dtype in ("int32", "float64", "complex64"):
        for a in layouts(dtype, (3, 4)).values():
            run("def f(a, v):\n    a[1, 2] = v\n    a[-1, -1] = v\n    a[0, 0] += v\n", (a, a[0, 0]))


def test_read_only_raises() -> None:
    a = np.zeros(3)
    a.flags.writeable = False
    run(SET, (np.zeros(3), 0, 1.0), (a, 0, 1.0), tier=None)
    run("def f(a):\n    a[0] += 1\n    return a[0]\n", (np.zeros(3),), (a,), tier=None)


def test_augmented_element() -> None:
    for operator in ("+=", "-=", "*=", "//=", "%=", "**="):
        for dtype in ("int8", "uint8", "int64", "float32", "float64"):
            run(
                f"def f(a):\n    for i in range(len(a)):\n        a[i] {operator} 3\n", (sample(dtype, (6,)),)
            )
    run("def f(a):\n    a[1] /= 2\n", (sample("float64", (3,)),), (sample("int64", (3,)),), tier=None)
    run("def f(a):\n    a[1] <<= 2\n    a[0] |= 1\n    a[2] ^= a[1]\n", (sample("int64", (3,)),))


def test_n_dimensional() -> None:
    a = sample("float64", (2, 3, 4))
    get = "def f(a, i, j, k):\n    return a[i, j, k]\n"
    run(get, (a, 1, 2, 3), (a, -1, -1, -1), (a, 2, 0, 0), (a, 0, 3, 0), (a, 0, 0, 4), (a, 0, 0, -5))
    run("def f(a):\n    return a[1][2][3], a[1, 2][0]\n", (a,), tier=None)
    run("def f(a, i):\n    return a[i, 0]\n", (a[0], 1), (a[0], 9))
    run("def f(a):\n    return a[0, 0, 0, 0]\n", (a,), tier=None)
    run("def f(a):\n    return a[()]\n", (np.array(2.5),), tier=None)
    run("def f(a, t):\n    return a[t]\n", (a, (1, 2, 3)), (a, (1, 2, 9)), tier=None)
    zero_d = np.array(3.5)
    run("def f(a):\n    return a.ndim, a.size, a.shape\n", (zero_d,), (a,))


def test_rows_are_views() -> None:
    run(
        "def f(a):\n    r = a[1]\n    r[0] = 99.0\n    return r[1]\n", (sample("float64", (3, 4)),), tier=None
    )
    run(
        "def f(a):\n    s = 0.0\n    for row in a:\n        for v in row:\n            s += v\n    return s\n",
        (sample("float64", (3, 4)),),
    )
    run("def f(a):\n    return a[1], a[:, 1], a[::2]\n", (sample("float64", (3, 4)),), tier=None)


@pytest.mark.parametrize("dtype", NAMES)
def test_iteration(dtype: str) -> None:
    source = "def f(a):\n    n = 0\n    last = None\n    for v in a:\n        last = v\n        n += 1\n    return n\n"
    for a in layouts(dtype, (5,)).values():
        run(source, (a,), (a[:0],), tier=None)
    run(
        "def f(a):\n    for v in a:\n        if v:\n            return v\n    return a[0]\n",
        (sample(dtype, (5,)),),
    )


def test_iteration_helpers() -> None:
    a, b = sample("float64", (6,)), sample("float32", (4,))
    run("def f(a, b):\n    s = 0.0\n    for x, y in zip(a, b):\n        s += x * y\n    return s\n", (a, b))
    run(
        "def f(a):\n    k = 0\n    for i, x in enumerate(a):\n        if x > a[k]:\n            k = i\n    return k\n",
        (a,),
    )
    run(
        "def f(a):\n    s = 0.0\n    for x in reversed(a):\n        s = s * 0.5 + x\n    return s\n",
        (a,),
        tier=None,
    )
    run("def f(a):\n    for x in a:\n        return x\n", (np.array(1.0),), tier=None)


def test_mutation_while_iterating() -> None:
    run(
        "def f(a):\n    s = 0.0\n    for x in a:\n        a[-1] = s\n        s += x\n    return s\n",
        (sample("float64", (5,)),),
    )


def test_attributes() -> None:
    for dtype in ("float64", "int8", "complex64"):
        for a in layouts(dtype).values():
            run("def f(a):\n    return a.shape, a.ndim, a.size, a.itemsize, a.nbytes, len(a)\n", (a,))
    a = sample("float64", (3, 4))
    run("def f(a):\n    return a.T[1, 2], a.T.shape\n", (a,))
    run("def f(a):\n    return a.dtype\n", (a,), tier=None)
    run(
        "def f(a):\n    return a.sum()\n", (a,), (a.astype("f4"),), (a.astype("i4"),), (a[:, ::2],), tier=None
    )
    run("def f(a):\n    b = a.copy()\n    b[0, 0] = 7\n    return b, a\n", (a,), (a.T,), tier=None)
    run("def f(a):\n    a.fill(3)\n", (a,), (a.astype("i4"),), tier=None)
    run("def f(a):\n    return a.nothing\n", (a,), tier=None)
    run(
        "def f(z):\n    return z.real, z.imag, z.conjugate()\n",
        (1 + 2j,),
        (np.complex64(1 - 2j),),
        (2.5,),
        tier=None,
    )


def test_returned_argument_is_the_same_object() -> None:
    def f(a):
        return a

    a = np.zeros(3)
    assert jit(f)(a) is a

    def g(a, b):
        return b, a

    x, y = jit(g)(a, a)
    assert x is a and y is a


def test_construction() -> None:
    for make in ("zeros", "ones"):
        run(f"def f(n):\n    return np.{make}(n)\n", (3,), (0,), (-1,))
        run(f"def f(n, m):\n    return np.{make}((n, m))\n", (3, 2), (0, 2), (2, -1))
        for d in ("np.int32", "np.float32", "np.bool_", "np.complex128", "int", "float", "bool", "complex"):
            run(f"def f(n):\n    return np.{make}(n, dtype={d})\n", (3,))
            run(f"def f(n):\n    return np.{make}((n, 2), {d})\n", (3,))
    run(
        "def f(n):\n    a = np.empty(n)\n    for i in range(n):\n        a[i] = i\n    return a\n", (4,), (0,)
    )
    run("def f(n, v):\n    return np.full(n, v)\n", (3, 1.5), (3, 2), (2, np.float32(1)), tier=None)
    run("def f(n):\n    return np.full((n, 2), 7, dtype=np.int8)\n", (3,), tier=None)
    for args in ("n", "1, n", "0, n, 3", "n, 0, -2", "0.5, n", "n, dtype=np.int32"):
        run(f"def f(n):\n    return np.arange({args})\n", (7,), (0,), (-3,), tier=None)
    a = sample("float32", (3, 4))
    for make in ("zeros_like", "ones_like"):
        run(f"def f(a):\n    return np.{make}(a)\n", (a,), (a.T,), (a[:, ::2],), tier=None)
    run(
        "def f(a):\n    b = np.empty_like(a)\n    b[0, 0] = 1\n    return b.shape, b[0, 0]\n", (a,), tier=None
    )


def test_made_arrays_are_ordinary() -> None:
    f = jit(define("def f(n):\n    a = np.zeros(n)\n    a[0] = 1\n    return a\n"))
    a = f(5)
    assert a.flags.owndata and a.flags.writeable and a.base is None and a.flags.c_contiguous
    a.resize(10, refcheck=False)
    assert a.shape == (10,)


def test_stencil_matmul_sort() -> None:
    run(
        """
def f(a, b):
    n, m = a.shape
    p = b.shape[1]
    c = np.zeros((n, p))
    for i in range(n):
        for j in range(p):
            s = 0.0
            for k in range(m):
                s += a[i, k] * b[k, j]
            c[i, j] = s
    return c
""",
        (sample("float64", (4, 5)), sample("float64", (5, 3))),
        (sample("float32", (4, 5)), sample("float64", (5, 3)).T.copy().T),
    )
    run(
        """
def f(a):
    for i in range(1, len(a)):
        v = a[i]
        j = i - 1
        while j >= 0 and a[j] > v:
            a[j + 1] = a[j]
            j -= 1
        a[j + 1] = v
    return a
""",
        (sample("float64", (30,)),),
        (sample("uint8", (30,)),),
    )
    run(
        """
def f(a, steps):
    b = np.zeros_like(a)
    for _ in range(steps):
        for i in range(1, a.shape[0] - 1):
            for j in range(1, a.shape[1] - 1):
                b[i, j] = 0.2 * (a[i, j] + a[i, j - 1] + a[i, j + 1] + a[i - 1, j] + a[i + 1, j])
        a, b = b, a
    return a
""",
        (sample("float64", (6, 7)), 3),
        (sample("float32", (6, 7)), 2),
    )


def test_narrow_integers_in_loops() -> None:
    for dtype in ("int8", "uint8", "int16", "uint32", "uint64"):
        run(
            "def f(a):\n    s = a[0]\n    for v in a:\n        s += v\n        s *= v\n    return s\n",
            (sample(dtype, (9,)),),
        )
        run(
            "def f(a):\n    s = 0\n    for v in a:\n        s += v\n    return s\n",
            (sample(dtype, (9,)),),
            tier=None,
        )
        run("def f(a, i):\n    return a[a[i]]\n", (np.array([1, 2, 0], dtype), 1))


def test_float_index_result_of_division() -> None:
    run("def f(a, n):\n    return a[n // 2], a[int(n / 2)]\n", (np.arange(5.0), 4))
    run("def f(a, n):\n    return a[n / 2]\n", (np.arange(5.0), 4), tier=None)


def test_arrays_share_memory() -> None:
    a = np.arange(10.0)
    compiled = jit(
        define(
            "def f(a, b):\n    for i in range(len(b)):\n        b[i] = a[i] + 1\n    return b[len(b) - 1]\n"
        )
    )
    plain = compiled.py_func
    x, y = a.copy(), a.copy()
    assert plain(x[:-1], x[1:]) == compiled(y[:-1], y[1:])
    assert np.array_equal(x, y)


def test_histogram_with_tuples_of_arrays() -> None:
    run(
        "def f(t):\n    a, b = t\n    return a[0] + b[1]\n",
        ((sample("float64", (3,)), sample("int32", (3,))),),
    )
    run("def f(a):\n    return a, (a, 1)\n", (sample("float64", (3,)),))
    run(
        "def f(a, b, c):\n    if c:\n        a, b = b, a\n    return a[0], b[0]\n",
        (np.ones(2), np.zeros(2), True),
        (np.ones(2), np.zeros(2), False),
    )


C3 = sample("float64", (3, 4, 5))

INDICES = [
    "a[..., 0]",
    "a[0, ...]",
    "a[...]",
    "a[0, ..., 1]",
    "a[..., 1, :]",
    "a[:, ..., ::2]",
    "a[-1, ..., -1:, 0]",
    "a[None]",
    "a[:, None, 1]",
    "a[..., None]",
    "a[None, :, 0, ..., None]",
    "a[0, None, 0, 1]",
    "a[1:, :], a[1:, :, :], a[1:, ...], a[:, :, :]",
    "a[..., 9]",
    "a[9, ...]",
]


@pytest.mark.parametrize("text", INDICES)
def test_ellipsis_and_new_axes(text: str) -> None:
    f = define(f"def f(a): return {text}\n")
    for a in (C3, np.asfortranarray(C3), C3[::-1, :, ::2], C3.transpose(2, 0, 1)):
        check(f, a)


def test_views_with_ellipsis_in_loops() -> None:
    check(
        define(
            "def f(a):\n"
            "    s = 0.0\n"
            "    for k in range(a.shape[-1]):\n"
            "        plane = a[..., k]\n"
            "        for row in plane:\n"
            "            row[0] += k\n"
            "            for x in row:\n"
            "                s = s * 0.5 + x\n"
            "    return s, a\n"
        ),
        C3,
    )


def test_new_arrays_are_those_of_numpy() -> None:
    f = define("def f(n, m): return np.zeros((n, m)), np.ones((n, m), order='F')\n")
    for shape in ((0, 3), (3, 0), (1, 3), (3, 1), (2, 2)):
        for a, b in zip(f(*shape), jit(f)(*shape), strict=True):
            assert a.strides == b.strides and a.flags == b.flags and b.base is None
