"""Loops whose checks are tested before them: what fails, fails where the interpreter does, with all stores before it done."""

import itertools

import numpy as np
import pytest

from harness import check, define, jit

A = np.arange(42.0).reshape(6, 7)
V = np.arange(9.0)
PAIRS = {
    "same": (A, A[::-1].copy()),
    "smaller": (A, A[:4, :5].copy()),
    "larger": (A[:3, :4].copy(), A.copy()),
    "strided": (A[::2, ::3], A[::-1, ::-1]),
    "no rows": (A[:0], A.copy()),
    "no columns": (A[:, :0], A.copy()),
    "second empty": (A, A[:0, :0].copy()),
    "fortran": (np.asfortranarray(A), A.T.copy().T),
    "one element": (A[:1, :1], A[:1, :1].copy()),
}

MATRIX = {
    "copy": """\
def f(a, b):
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            b[i, j] = a[i, j] + 1.0
    return 0
""",
    "stencil": """\
def f(a, b):
    n, m = a.shape
    for i in range(n - 1):
        for j in range(m - 1):
            b[i, j] = a[i - 1, j + 1] + a[i + 1, j - 1]
    return b[0, 0]
""",
    "triangle": """\
def f(a, b):
    n = a.shape[0]
    for i in range(n):
        for j in range(i + 1, n):
            b[j, i] = a[i, j]
        for j in range(i):
            b[i, j] += a[j, i - 1]
    return n
""",
    "swap": """\
def f(a, b):
    for k in range(3):
        for i in range(1, a.shape[0] - 1):
            for j in range(1, a.shape[1] - 1):
                b[i, j] = a[i - 1, j] + a[i, j + 1]
        a, b = b, a
    return a.shape[0]
""",
    "down": """\
def f(a, b):
    for i in range(a.shape[0] - 1, -1, -1):
        for j in range(a.shape[1] - 1, 0, -2):
            b[i, j - 1] = a[i, j]
    return 0
""",
    "while": """\
def f(a, b):
    i = 0
    while i < a.shape[0]:
        j = a.shape[1]
        while j > 0:
            j -= 1
            b[i, j] = a[i, j] * 2.0
        i += 1
    return i, j
""",
    "beyond": """\
def f(a, b):
    k = 0
    for i in range(a.shape[0] + 1):
        for j in range(a.shape[1]):
            k += 1
            b[i - 1, j] = a[i, j] + k
    return k
""",
    "window": """\
def f(a, b):
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            c = 0
            for di in range(-1, 2):
                for dj in range(-1, 2):
                    if di != 0 or dj != 0:
                        c += a[i + di, j + dj]
                        b[i, j] += c
            b[i, j] = c if c > 100 else -c
    return b[0, 0]
""",
    "torus": """\
def f(a, b):
    n, m = a.shape
    for i in range(n):
        for j in range(m):
            for d in (1, -1, 3):
                b[(i + d) % n, (j - d) % m] = a[i, (j + d) % m] + d
    return n // 1
""",
    "product": """\
def f(a, b):
    n, p, q = a.shape[0], a.shape[1], b.shape[1]
    for i in range(n):
        for j in range(q):
            s = 0.0
            for k in range(p):
                s += a[i, k] * b[k, j]
            a[i, j] = s
    return s
""",
}


@pytest.mark.parametrize("kind", PAIRS)
@pytest.mark.parametrize("name", MATRIX)
def test_nests_of_two_arrays(name, kind):
    f = define(MATRIX[name])
    a, b = PAIRS[kind]
    check(f, a.copy(order="K"), b)
    check(f, b, a)


VECTOR = {
    "window": "y[i] = x[i - w] + x[i + w]",
    "guarded": "y[i] = x[i - w] if i >= w else 0.0",
    "behind": "y[i + w] = x[i]",
    "scaled": "y[2 * i] = x[i] + w",
    "mirrored": "y[n - 1 - i] = x[i]",
    "divided": "y[i] = x[i] + (i // w)",
    "modulo": "y[(i + w) % n] = x[i]",
    "gather": "y[int(x[i])] += 1.0",
    "product": "y[i * w] = x[i]",
    "sum": "y[i] = (i + w) + i * w",
}


@pytest.mark.parametrize("body", VECTOR)
def test_offsets_that_are_arguments(body):
    f = jit(define(f"def f(x, y, n, w):\n    for i in range(n):\n        {VECTOR[body]}\n    return n\n"))
    offsets = [0, 1, -1, 3, 9, -9, 2**40, 2**62, -(2**63), 2**63 - 1]
    for n, w in itertools.product([0, 1, 4, 9, 10, -3], offsets):
        if 0 <= n < 20:
            check(f, V, V.copy(), n, w)


@pytest.mark.parametrize("step", [1, 2, -1, -3])
@pytest.mark.parametrize("stop", [0, 9, -3, 2**63 - 1])
@pytest.mark.parametrize("start", [0, 3, -4, 8, 2**63 - 4])
def test_ranges_of_any_step(start, stop, step):
    if abs(stop - start) > 40:
        start = stop - 10 * step if step > 0 else start
    f = jit(
        define(
            """\
def f(x, y, start, stop, step):
    k = 0
    for i in range(start, stop, step):
        y[i] = x[i - 1] + k
        k += 1
    return k
"""
        )
    )
    check(f, V, V.copy(), start, stop, step)


def test_views_that_overlap():
    f = jit(define("def f(x, y, n):\n    for i in range(n):\n        y[i] = x[i] + 1.0\n    return y[0]\n"))
    for n in (5, 6, 7, 8, 9):
        for shift in (-2, -1, 0, 1, 2):
            base = np.arange(12.0)

            def on(function, n=n, shift=shift, base=base):
                a = base.copy()
                try:
                    result = function(a[2:8], a[2 + shift : 8 + shift], n)
                except IndexError as e:
                    result = str(e)
                return result, a.tolist()

            assert on(f) == on(f.__wrapped__)


def test_the_first_error_of_several():
    """A division, an index and an overflow in one loop: whichever comes first is raised, no other."""
    f = jit(
        define(
            """\
def f(x, y, n, d):
    for i in range(n):
        for j in range(i, n):
            y[j] = x[i] + 100 // (d - i)
            x[j + d - 4] = y[i]
    return n
"""
        )
    )
    for n, d in itertools.product(range(11), range(-2, 11)):
        check(f, V.copy(), V.copy(), n, d)


def test_values_of_the_loop_are_used_behind_it():
    f = jit(
        define(
            """\
def f(x, n):
    last = -1.0
    for i in range(n):
        last = x[i]
        if last > 6.5:
            break
    else:
        i = 100
    return i, last, x[i % 9]
"""
        )
    )
    for n in range(1, 12):
        check(f, V, n)
        check(f, V[:5], n)
