"""References that loops do not count: arrays live as long as they are used, and their counts are what they were."""

import gc
import sys
from typing import Any

import numpy as np
import pytest

from harness import FAKE, check, define, jit

needs_compiler = pytest.mark.skipif(FAKE, reason="needs the compiler")

LOOPS = {
    "rows": "    for i in range(n):\n        row = a[i]\n        s += row[0] * row[-1]\n",
    "iteration": "    for row in a:\n        s += row[0]\n",
    "carried": "    last = a[0]\n    for i in range(n):\n        row = a[i]\n        s += last[0] - row[1]\n        last = row\n",
    "swapped": "    x = a[0]\n    y = a[1]\n    for i in range(n):\n        x, y = y, x\n        s += x[0]\n",
    "fresh": "    b = np.ones((n, 3))\n    for i in range(n):\n        row = b[i]\n        row[0] = i\n        s += row[0] + row[1]\n",
    "new in each turn": "    for i in range(n):\n        t = np.zeros(3)\n        u = t\n        u[1] = a[i, 0]\n        s += t[1]\n",
    "kept from a turn": "    t = np.zeros(3)\n    k = t\n    for i in range(n):\n        k = t\n        t = np.full(3, 1.0 * i)\n        s += k[1] + t[0]\n",
    "rebound": "    for i in range(n):\n        a = a[::-1]\n        s += a[0, 0] * i\n",
    "callee": "    for i in range(n):\n        s += g(a, i)\n",
    "pairs": "    for i in range(n):\n        x, y = two(a, i)\n        s += x[0] * y[1]\n",
    "deleted": "    for i in range(n):\n        row = a[i]\n        s += row[0]\n        del row\n",
    "unbound": "    for i in range(n):\n        if i > 2:\n            row = a[i]\n        s += row[0]\n",
    "caught": "    for i in range(n + 2):\n        try:\n            row = a[i]\n            s += row[0]\n        except IndexError:\n            s += row[1]\n",
    "global": "    for i in range(3):\n        row = G[i]\n        s += row[0]\n",
}
CALLED = (
    "def g(a, i):\n    x = a[i]\n    y = x[1:]\n    return y[0] + x[0]\n"
    "def two(a, i):\n    return a[i], a[i - 1]\n"
)


def program(body: str, end: str = "    return s\n") -> Any:
    return define(CALLED + "def f(a, n):\n    s = 0.0\n" + body + end, "f", G=np.arange(9.0).reshape(3, 3))


@pytest.mark.parametrize("name", LOOPS)
def test_values_and_errors(name: str) -> None:
    f = program(LOOPS[name])
    for n in (0, 1, 4, 5):
        check(f, np.arange(12.0).reshape(4, 3), n, tier=None)


@needs_compiler
@pytest.mark.parametrize("name", LOOPS)
def test_counts_are_what_they_were(name: str) -> None:
    plain = program(LOOPS[name])
    f, a = jit(plain), np.arange(12.0).reshape(4, 3)
    held = (a, plain.__globals__["G"])

    def run() -> None:
        for n in (2, 4, 5, 6):
            try:
                f(a, n)
            except (IndexError, UnboundLocalError):
                pass

    run()
    run()
    gc.collect()
    before = [sys.getrefcount(x) for x in held]
    for _ in range(20):
        run()
    gc.collect()
    assert [sys.getrefcount(x) for x in held] == before


@needs_compiler
def test_what_is_returned_is_alive() -> None:
    """The loop's last row outlives the arrays, of which only it holds a reference then."""
    for body in (
        "    for i in range(n):\n        row = a[i]\n",
        "    b = a + 1\n    for i in range(n):\n        row = b[i]\n",
    ):
        f = jit(program(body, "    return row\n"))
        a = np.arange(12.0).reshape(4, 3)
        rows = [f(a, n) for n in (1, 4, 4)]
        expected = [f.py_func(a, n) for n in (1, 4, 4)]
        del a
        gc.collect()
        junk = [np.full(12, np.nan) for _ in range(100)]
        assert len(junk) == 100
        assert [r.tolist() for r in rows] == [r.tolist() for r in expected]


@needs_compiler
def test_an_argument_that_only_the_call_holds() -> None:
    f = jit(
        program(
            "    for i in range(n):\n        row = a[i]\n        a = a + 1\n        s += row[0] + a[0, 1]\n"
        )
    )
    assert f(np.ones((4, 3)), 4) == f.py_func(np.ones((4, 3)), 4)
    assert f(np.ones((4, 3)), 4) == f.py_func(np.ones((4, 3)), 4)


@needs_compiler
def test_islands_see_the_rows() -> None:
    source = (
        "def f(a, n):\n"
        "    s = 0.0\n"
        "    seen = []\n"
        "    for i in range(n):\n"
        "        row = a[i]\n"
        "        for j in range(3):\n"
        "            s += row[j]\n"
        "        seen.append(row)\n"
        "        a = a + 1\n"
        "    return s, [r.tolist() for r in seen]\n"
    )
    check(define(source), np.arange(12.0).reshape(4, 3), 4, tier=None, repeat=3)


@needs_compiler
def test_a_global_array_that_a_signal_would_rebind() -> None:
    """Hidden arguments are held for the call."""
    f = program("    for i in range(n):\n        row = G[i % 3]\n        s += row[0]\n")
    space = f.__globals__
    compiled = jit(f)
    first = compiled(np.zeros((1, 1)), 7)
    space["G"] = space["G"] + 1
    assert compiled(np.zeros((1, 1)), 7) == first + 7
