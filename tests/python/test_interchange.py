"""Loops that are exchanged: results in the order of the source, also where arrays overlap."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from harness import check, define, jit

PRODUCT = """
def f(a, b, c):
    n, m = a.shape
    for i in range(n):
        for k in range(m):
            v = a[i, k]
            for j in range(b.shape[1]):
                c[i, j] += v * b[k, j]
"""
ROWS = {
    "scaled": "for k in range(n):\n        for j in range(m):\n            c[j] = c[j] * 0.5 + a[k] * b[k, j]",
    "backwards": "for k in range(n - 1, -1, -1):\n        for j in range(m):\n            c[j] -= a[k] * b[k, j]",
    "triangle": "for k in range(n):\n        for j in range(k, m):\n            c[j] += a[k] * b[k, j]",
    "neighbours": "for k in range(1, n):\n        for j in range(1, m - 1):\n            c[j] += b[k, j - 1] + b[k - 1, j + 1]",
}


def test_products_of_all_shapes() -> None:
    f = define(PRODUCT)
    compiled = jit(f)
    rng = np.random.default_rng(1)
    for n, m, p in [
        (0, 3, 3),
        (3, 0, 3),
        (3, 3, 0),
        (1, 1, 1),
        (2, 5, 7),
        (3, 4, 16),
        (5, 3, 33),
        (9, 17, 40),
    ]:
        check(f, rng.random((n, m)), rng.random((m, p)), rng.random((n, p)), compiled=compiled)
    # what is read does not fit in a cache
    check(f, rng.random((1, 400)), rng.random((400, 400)), rng.random((1, 400)), compiled=compiled, repeat=1)


@pytest.mark.parametrize("body", ROWS.values(), ids=ROWS.keys())
def test_rows_that_may_overlap(body: str) -> None:
    f: Callable[..., Any] = define(f"""
def f(x, n, m, start, at):
    a = x[:n]
    b = x[start:start + n * m].reshape(n, m)
    c = x[at:at + m]
    {body}
    return x
""")
    compiled = jit(f)
    x = np.random.default_rng(2).random(900)
    for at in [0, 5, 20, 25, 30, 39, 40, 100, 300, 700, 850]:
        check(f, x, 17, 31, 40, at, compiled=compiled, tier=None)
