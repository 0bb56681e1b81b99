"""Loops that load what the turn before has stored: the optimiser carries it in a register."""

import itertools

import numpy as np
import pytest

from harness import check, define, jit

BODIES = {
    "sum": "for i in range(1, n):\n        y[i] = y[i - 1] + x[i]",
    "filter": "for i in range(1, n):\n        y[i] = y[i - 1] * c + x[i] * c",
    "from 0": "for i in range(n):\n        y[i] = y[i - 1] + x[i]",
    "backwards": "for i in range(n - 2, -1, -1):\n        y[i] = y[i + 1] - x[i]",
    "by two": "for i in range(2, n, 2):\n        y[i] = y[i - 2] + x[i]",
    "other distance": "for i in range(2, n):\n        y[i] = y[i - 2] + x[i]",
    "both": "for i in range(1, n):\n        y[i] = y[i] + y[i - 1] + x[i]",
    "copied": "for i in range(1, n):\n        y[i] = y[i - 1]",
    "in place": "for i in range(1, n):\n        y[0] += x[i]",
    "behind": "for i in range(n - 1):\n        y[i + 1] = x[i]\n        c = y[i]",
    "least": "for i in range(1, n):\n        y[i] = min(y[i - 1] + x[i], x[i])",
    "way out": "for i in range(1, n):\n        y[i] = y[i - 1] + x[i]\n        if y[i] > 20:\n            break",
    "shifted": "for i in range(m, n):\n        y[i] = y[i - m] + x[i]",
}


@pytest.mark.parametrize("name", BODIES)
def test_recurrences(name: str) -> None:
    f = define(f"def f(x, y, c, n, m):\n    {BODIES[name]}\n    return c\n", "f")
    compiled = jit(f)
    types = [np.float64, np.float32, np.int64, np.int8, np.uint16, np.complex128]
    for dtype, n in itertools.product(types, (0, 1, 2, 3, 9, 40)):
        x = (np.arange(n) * 7 % 5 - 2).astype(dtype)
        if "min" in BODIES[name] and dtype is np.complex128:
            continue
        if ">" in BODIES[name] and dtype is np.complex128:
            continue
        check(f, x, x[::-1].copy(), x[0] if n else 0, n, 1, compiled=compiled, tier=None)
        check(f, x, x[::-1].copy(), x[0] if n else 0, n + 1, 2, compiled=compiled, tier=None)


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("offset", [0, 1, 2])
def test_overlapping(name: str, offset: int) -> None:
    """The arrays are views of one: a store may be to what another array's load reads."""
    f = define(
        f"def f(base, n, m):\n    c = 0.5\n    x = base[{offset}:]\n    y = base[1:]\n    {BODIES[name]}\n    return c\n",
        "f",
    )
    compiled = jit(f)
    for n in (0, 1, 2, 9, 30):
        check(f, np.arange(float(n + 3)), n, 1, compiled=compiled, tier=None)


def test_rows() -> None:
    source = """
def f(a, b):
    n = b.shape[0]
    previous = np.arange(n + 1)
    current = np.zeros(n + 1, dtype=np.int64)
    for i in range(a.shape[0]):
        current[0] = i + 1
        for j in range(n):
            cost = 0 if a[i] == b[j] else 1
            current[j + 1] = min(previous[j] + cost, previous[j + 1] + 1, current[j] + 1)
        previous, current = current, previous
    return previous[n]
"""
    f = define("import numpy as np\n" + source, "f")
    rng = np.random.default_rng(0)
    for n, m in itertools.product((0, 1, 7, 60), repeat=2):
        check(f, rng.integers(0, 4, n), rng.integers(0, 4, m))


INVARIANT = {
    "up": "for j in range(n - 1):\n        y[j + 1] = y[j] * 2 + a[i] - 1",
    "down": "for j in range(n - 2, -1, -1):\n        y[j] = y[j + 1] + a[i]",
    "by two": "for j in range(2, n, 2):\n        y[j] = y[j - 2] - a[i]",
    "two": "for j in range(n - 1):\n        y[j + 1] = y[j] * a[0] + a[i]",
    "condition": "for j in range(n - 1):\n        y[j + 1] = y[j] + (1 if a[i] == y[j + 1] else 2)",
    "while": "j = 0\n    while j < n - 1:\n        j += 1\n        y[j] = y[j - 1] + a[i]\n        if y[j] > 1000:\n            break",
    "kept": "c = 0.0\n    for j in range(n - 1):\n        c = a[i]\n        y[j + 1] = y[j] + c",
    "own": "for j in range(n - 1):\n        y[j + 1] = y[j] + y[i]",
}


@pytest.mark.parametrize("name", INVARIANT)
def test_invariant_loads(name: str) -> None:
    """What a loop loads from one place, where its stores may be there or not."""
    f = define(
        f"def f(a, y, i, n):\n    {INVARIANT[name]}\n    return {'c' if name == 'kept' else 'y[0]'}\n", "f"
    )
    views = define(
        f"def f(base, p, q, s, i, n):\n    a = base[p:]\n    y = base[q::s]\n    {INVARIANT[name]}\n    return a[i]\n",
        "f",
    )
    compiled, compiled_views = jit(f), jit(views)
    for dtype, n in itertools.product([np.float64, np.float32, np.int64, np.int8], (0, 1, 2, 9, 30)):
        a = (np.arange(31) * 7 % 5 - 2).astype(dtype)
        for i in (0, 3, -1):
            check(f, a, a[::-1].copy(), i, n, compiled=compiled, tier=None)
            check(f, a, a, i, n, compiled=compiled, tier=None)
    for p, q, s, i in itertools.product((0, 1, 5), (0, 1, 4), (1, 2, -1), (0, 2, 9, 10)):
        base = np.arange(24.0) % 7
        check(views, base, p, q + 12 if s < 0 else q, s, i, 10, compiled=compiled_views, tier=None)
