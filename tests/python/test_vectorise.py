"""Loops that vectors do: every length of what is left over, dtypes, places in memory, arrays that overlap."""

import itertools
import math
import warnings

import numpy as np
import pytest

from harness import FAKE, jit, same

INTEGERS = [np.dtype(t) for t in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")]
FLOATS = [np.dtype(t) for t in ("f4", "f8")]
LENGTHS = range(41)


@jit
def scale_and_add(x, y):
    for i in range(min(len(x), len(y))):
        y[i] = x[i] * x[i] + y[i]


@jit
def shift_back(x, y):
    for i in range(1, min(len(x), len(y))):
        y[i] = x[i - 1] + x[i]


@jit
def clamp(x, y):
    for i in range(min(len(x), len(y))):
        v = x[i]
        y[i] = v if v > y[i] else y[i] - v


@jit
def logic(x, y):
    for i in range(min(len(x), len(y))):
        y[i] = (x[i] & y[i]) ^ (x[i] | 5)


@jit
def count_up(x, y):
    for i in range(min(len(x), len(y))):
        y[i] = i


@jit
def exchange(x, y):
    for i in range(min(len(x), len(y))):
        v = x[i]
        x[i] = y[i]
        y[i] = v


@jit
def twice(x, y):
    for i in range(min(len(x), len(y))):
        y[i] = x[i]
        x[i] = y[i] + y[i]


@jit
def rounding(x, y):
    for i in range(min(len(x), len(y))):
        y[i] = np.floor(x[i]) - np.sqrt(np.abs(x[i])) / (y[i] * y[i])


@jit
def folds(x):
    total = np.int64(0)
    product = np.int64(1)
    mixed = np.int64(0)
    least = x[0]
    most = x[0]
    found = 0
    for i in range(len(x)):
        v = x[i]
        total += v
        product *= np.int64(v)
        mixed ^= v
        if v < least:
            least = v
        if v > most:
            most = v
        if v > 3:
            found += 1
    return total, product, mixed, least, most, found


@jit
def extremes(x, low, high):
    for i in range(len(x)):
        v = x[i]
        if v > high:
            high = v
        if v <= low:
            low = v
    return low, high


@jit
def ordered_sum(x):
    s = 0.0
    for i in range(len(x)):
        s += x[i]
    return s


@jit
def to_float(x, y):
    for i in range(min(len(x), len(y))):
        y[i] = x[i] * 0.5


@jit
def flags(x, y):
    for i in range(min(len(x), len(y))):
        y[i] = x[i] > 2


@jit
def narrow(x, y):
    for i in range(min(len(x), len(y))):
        y[i] = np.int8(x[i])


@jit
def product(a, b, c):
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            s = c[i, j]
            for k in range(a.shape[1]):
                s += a[i, k] * b[k, j]
            c[i, j] = s


@jit
def product_in_memory(a, b, c):
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            for k in range(a.shape[1]):
                c[i, j] += a[i, k] * b[k, j]


@jit
def product_by_rows(a, b, c):
    for i in range(a.shape[0]):
        for k in range(a.shape[1]):
            v = a[i, k]
            for j in range(b.shape[1]):
                c[i, j] += v * b[k, j]


@jit
def window(a, kernel, out):
    for i in range(1, a.shape[0] - 1):
        for j in range(1, a.shape[1] - 1):
            s = 0.0
            for di in range(3):
                for dj in range(3):
                    s += a[i + di - 1, j + dj - 1] * kernel[di, dj]
            out[i, j] = s


@jit
def columns(a, out):
    for j in range(min(a.shape[1], len(out))):
        most = a[0, j]
        for i in range(a.shape[0]):
            if a[i, j] > most:
                most = a[i, j]
        out[j] = most - j


@jit
def thresholds(a, low, high):
    out = np.zeros(len(a), dtype=np.int32)
    for i in range(len(a)):
        v = a[i]
        if v > high:
            out[i] = 255
        elif v < low:
            out[i] = 0
        else:
            out[i] = v // 4
    return out, len(a)


@jit
def last_of(x, y):
    i = -1
    v = 0.0
    for i in range(min(len(x), len(y))):
        v = x[i] * 2.0
        y[i] = v
    return i, v


def values(dtype, n, seed=0):
    r = np.random.default_rng(seed)
    if dtype.kind == "f":
        special = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.5, -2.25, 1e-40, 3.0]
        x = np.where(r.random(n) < 0.4, r.choice(special, n), r.normal(size=n) * 10)
        return x.astype(dtype)
    if dtype.kind == "b":
        return r.random(n) < 0.5
    info = np.iinfo(dtype)
    edge = r.choice(np.array([info.min, info.max, 0, 1, 5], dtype=dtype), n)
    return np.where(r.random(n) < 0.3, edge, r.integers(0, 100, n).astype(dtype))


def compare(f, make):
    """Both ways, on buffers of their own: `make` gives the memory and the arguments."""
    (before, args), (after, others) = make(), make()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        expected = f.py_func(*args)
        got = f(*others)
    assert same(expected, got), (expected, got)
    for a, b in zip(before, after, strict=True):
        assert same(a, b), (a, b)


def apart(dtype, n, m=None, other=None):
    def make():
        x, y = values(dtype, n), values(other or dtype, n if m is None else m, 1)
        return (x, y), (x, y)

    return make


@pytest.mark.parametrize(
    "f", [scale_and_add, shift_back, clamp, count_up, exchange, twice], ids=lambda f: f.__name__
)
@pytest.mark.parametrize("dtype", INTEGERS + FLOATS, ids=str)
def test_every_length(f, dtype):
    for n in LENGTHS:
        compare(f, apart(dtype, n))


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_bits(dtype):
    for n in LENGTHS:
        compare(logic, apart(dtype, n))


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_rounding(dtype):
    for n in LENGTHS:
        compare(rounding, apart(dtype, n))


@pytest.mark.parametrize("f", [scale_and_add, shift_back, clamp, exchange, twice], ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype", ["i1", "i4", "f4", "f8"])
def test_arrays_that_overlap(f, dtype):
    dtype = np.dtype(dtype)
    for n, (a, b) in itertools.product((7, 40, 75), itertools.product((0, 1, 3, 8, 17), repeat=2)):

        def make(n=n, a=a, b=b):
            memory = values(dtype, n + 20)
            return (memory,), (memory[a : a + n], memory[b : b + n])

        compare(f, make)


@pytest.mark.parametrize("dtype", ["i2", "f8"])
def test_any_place_in_memory(dtype):
    dtype = np.dtype(dtype)
    for n, start in itertools.product((5, 33), range(0, 16, dtype.itemsize)):

        def make(n=n, start=start):
            memory = [values(dtype, n + 20, k) for k in (0, 1)]
            x, y = (m[start // dtype.itemsize :][:n] for m in memory)
            return memory, (x, y)

        compare(scale_and_add, make)


@pytest.mark.parametrize("step", [-1, 2, -3])
def test_strides(step):
    for n in (0, 1, 2, 17, 40):

        def make(n=n):
            memory = values(np.dtype("f8"), 4 * n + 1)
            x, y = memory[:n], np.arange(3.0 * n)[::step][:n]
            return (memory, y), (x, y)

        compare(scale_and_add, make)

        def reverse(n=n):
            memory = values(np.dtype("f8"), 2 * n + 1)
            return (memory,), (memory[::-1][:n], memory[:n])

        compare(clamp, reverse)


@pytest.mark.parametrize("dtype", INTEGERS[:6], ids=str)
def test_folds_of_integers(dtype):
    for n in range(1, 41):
        compare(folds, lambda n=n: ((), (values(dtype, n),)))
    compare(folds, lambda: ((), (values(dtype, 40_000),)))


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_extremes_of_floats(dtype):
    """Zeros of both signs, NaN first, last and in between: as the comparisons in their order say."""
    of = dtype.type
    for n in LENGTHS:
        for seed, start in itertools.product(range(3), (0.0, -0.0, np.nan, -5.0)):
            compare(extremes, lambda n=n, seed=seed, s=start: ((), (values(dtype, n, seed), of(s), of(s))))
    for zeros in itertools.product((0.0, -0.0), repeat=5):
        x = np.resize(np.array(zeros, dtype=dtype), 37)
        compare(extremes, lambda x=x: ((), (x, of(-1.0), of(-1.0))))
        compare(extremes, lambda x=x: ((), (x, of(1.0), of(1.0))))


@pytest.mark.parametrize("f", [product, product_in_memory, product_by_rows], ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype", ["i4", "i8", "f4", "f8"])
def test_products_of_matrices(f, dtype):
    """Sums of products are those of the loops, in their order; the result may lie in an operand."""
    dtype = np.dtype(dtype)
    for n, m, p in itertools.product((0, 1, 3), (0, 1, 5), (*range(12), 23)):

        def make(n=n, m=m, p=p):
            a, b, c = (
                values(dtype, r * s, k).reshape(r, s) for k, (r, s) in enumerate(((n, m), (m, p), (n, p)))
            )
            return (a, b, c), (a, b, c)

        compare(f, make)
    for shift in (0, 1, 5, 20):

        def overlapping(shift=shift):
            memory = values(dtype, 200)
            views = memory[:64].reshape(8, 8), memory[64:128].reshape(8, 8)
            return (memory,), (*views, memory[50 + shift : 114 + shift].reshape(8, 8))

        compare(f, overlapping)


@pytest.mark.parametrize("order", ["C", "F"])
def test_products_of_other_layouts(order):
    r = np.random.default_rng(3)

    def make():
        a, b = (np.asarray(r.normal(size=(5, 6)), order=order) for _ in range(2))
        a, b = a, b.T
        c = np.zeros((10, 10))[::2, ::2]
        return (c,), (a, b, c)

    state = r.bit_generator.state

    def again():
        r.bit_generator.state = state
        return make()

    compare(product, again)
    compare(product_in_memory, again)
    compare(product_by_rows, again)


def test_windows():
    for n, m in ((2, 9), (3, 3), (4, 20), (7, 13)):

        def make(n=n, m=m):
            a, kernel = (
                values(np.dtype("f8"), n * m).reshape(n, m),
                values(np.dtype("f8"), 9, 5).reshape(3, 3),
            )
            out = np.zeros((n, m))
            return (a, out), (a, kernel, out)

        compare(window, make)

        def in_place(n=n, m=m):
            a, kernel = np.arange(float(n * m)).reshape(n, m), np.arange(9.0).reshape(3, 3)
            return (a,), (a, kernel, a)

        compare(window, in_place)


@pytest.mark.parametrize("dtype", ["i2", "i8", "f4", "f8"])
def test_extremes_of_columns(dtype):
    for n, m in itertools.product((1, 2, 9), range(20)):
        compare(columns, lambda n=n, m=m: ((), (values(np.dtype(dtype), n * m).reshape(n, m), np.zeros(m))))


def test_branches():
    for n in LENGTHS:
        for low, high in ((0, 50), (-5, 200), (2**40, 2**50), (-(2**40), -(2**35))):
            x = values(np.dtype("i4"), n)
            compare(thresholds, lambda x=x, low=low, high=high: ((), (x, low, high)))


def test_what_leaves_a_loop():
    for n in LENGTHS:
        compare(last_of, apart(np.dtype("f8"), n))


def test_floats_are_summed_in_order():
    for n in (3, 40, 1000):
        compare(ordered_sum, lambda n=n: ((), (np.random.default_rng(n).normal(size=n) * 1e8,)))
    x = np.array([1e16, 1.0, -1e16, 1.0] * 30)
    assert ordered_sum(x) == ordered_sum.py_func(x) != math.fsum(x)


@pytest.mark.skipif(FAKE, reason="sums keep their order")
def test_fastmath_sums_in_another_order():
    @jit(fastmath=True)
    def fast(x):
        s = 0.0
        p = 1.0
        for i in range(len(x)):
            s += x[i]
            p *= x[i]
        return s, p

    def within(n, x):
        s, p = fast(x)
        exact = math.fsum(x)
        assert abs(s - exact) <= 1e-12 * n and math.isclose(p, math.prod(x), rel_tol=1e-12)

    for n in (0, 1, 7, 40, 1000):
        within(n, np.random.default_rng(n).uniform(0.5, 1.5, size=n))
    x = np.array([1e16, 1.0, -1e16, 1.0] * 30)
    assert fast(x)[0] != ordered_sum(x)
    assert math.isnan(fast(np.array([1.0] * 20 + [np.nan] + [2.0] * 20))[0])
    assert math.copysign(1.0, fast(np.array([-0.0] * 40))[0]) == math.copysign(1.0, 0.0 + -0.0)


@pytest.mark.parametrize("dtype", INTEGERS + FLOATS, ids=str)
def test_conversions(dtype):
    for n in LENGTHS:
        compare(to_float, apart(dtype, n, other=np.dtype("f8")))
        compare(flags, apart(dtype, n, other=np.dtype(bool)))
        if dtype.kind == "i":
            compare(narrow, apart(dtype, n, other=np.dtype("i1")))


def test_neither_writes_nor_reads_beyond():
    """The elements behind the shorter array stay, those of a page's end are the last that are read."""
    import mmap

    page = mmap.mmap(-1, mmap.PAGESIZE)
    for n in LENGTHS:
        x = np.frombuffer(page, dtype=np.float64)[-n:] if n else np.zeros(0)
        y = np.full(n + 5, 7.0)
        scale_and_add(x, y)
        assert (y == 7.0).all()


@pytest.mark.skipif(FAKE, reason="there are no remarks")
def test_remarks_say_what_was_done():
    def report(f, *args):
        f(*args)
        return f.report().json()

    x = np.ones(3)
    assert '"message": "vectorised: ' in report(scale_and_add, x, x.copy())
    assert '"message": "not vectorised: ' in report(ordered_sum, x)
