"""Small arrays that do not leave the function: values, errors and what happens where they do leave it."""

import numpy as np
import pytest

from harness import FAKE, check, define, jit

BODIES = {
    "zeros": "t = np.zeros(3)\n        t[0] = x[i]\n        t[2] += t[0] + i\n        s += t[2] + t[1]",
    "ones": "t = np.ones(4)\n        t[i % 4] += x[i]\n        s += t[0] * t[3]",
    "empty": "t = np.empty(2)\n        t[0] = i\n        t[1] = x[i]\n        s += t[0] - t[1]",
    "full": "t = np.full(5, x[i])\n        s += t.sum() if i > 99 else t[4]",
    "matrix": "t = np.zeros((2, 3))\n        for j in range(3):\n            t[1, j] = x[i] + j\n        s += t[1, 2] * t[0, 1] + t[1, 0]",
    "ints": "t = np.zeros(7, dtype=np.int16)\n        t[i % 7] -= i\n        s += t[i % 7] + t[1]",
    "bytes": "t = np.zeros(3, dtype=np.uint8)\n        t[1] = i\n        t[1] -= 3\n        s += t[1]",
    "complex": "t = np.zeros(2, dtype=np.complex128)\n        t[1] = 1j * x[i]\n        s += (t[1] * t[1]).real",
    "nothing": "t = np.zeros(0)\n        s += len(t) + i",
    "views": "t = np.zeros(6)\n        u = t[1:4]\n        u[1] = x[i]\n        v = t[::-1]\n        s += v[3] + t[2]",
    "negative": "t = np.zeros(3)\n        t[-1] = x[i]\n        t[-3] = 1\n        s += t[2] + t[0]",
    "out of range": "t = np.zeros(3)\n        t[i] = x[i]\n        s += t[i - 2]",
    "always out of range": "t = np.zeros(3)\n        t[1] = 2\n        if i > 2:\n            t[70000000] = 1\n        s += t[1]",
    "carried": "s += p[1]\n        p = np.zeros(2)\n        p[1] = x[i]",
    "two": "t = np.zeros(2)\n        u = np.zeros(2)\n        t[1] = x[i]\n        u[0] = t[1] + 1\n        t, u = u, t\n        s += t[0] - u[1]",
    "in an inner loop": "for j in range(3):\n            t = np.zeros(3)\n            t[j] += x[i]\n            s += t[0] + t[j]",
    "a sum": "t = np.zeros(3)\n        for j in range(3):\n            t[j] = x[i] * j\n        u = t + 1.0\n        s += u[2]",
    "stored": "t = np.zeros(2)\n        t[0] = i\n        x[i] = t[0]\n        s += x[i] // (3 - t[0])",
    "caught": "t = np.zeros(2)\n        try:\n            t[i] = x[i]\n        except IndexError:\n            t[0] = -i\n        s += t[0] + t[1]",
    "callee": "t = make(i, x[i])\n        s += t[0] * t[2]",
    "callee keeps": "s += norm(x, i)",
}
CALLED = (
    "def make(a, b):\n    r = np.zeros(3)\n    r[0] = a\n    r[2] = b\n    return r\n"
    "def norm(x, i):\n    d = np.empty(2)\n    for k in range(2):\n        d[k] = x[i - k]\n    return d[0] * d[1] / (i - 4)\n"
)


def program(body: str, end: str = "s"):
    source = f"def f(x, n):\n    s = 0.0\n    p = np.ones(2)\n    for i in range(n):\n        {body}\n    return {end}\n"
    return define(CALLED + source, "f")


@pytest.mark.parametrize("name", BODIES)
def test_values_and_errors(name: str) -> None:
    f = program(BODIES[name])
    for n in (0, 1, 3, 4, 6, 7):
        check(f, np.arange(1.0, 7.0), n, tier=None)


@pytest.mark.parametrize("name", ["zeros", "matrix", "carried", "views", "callee"])
def test_what_leaves_the_function(name: str) -> None:
    kept = {"matrix": "t", "carried": "p", "views": "u"}.get(name, "t")
    f = program(BODIES[name], f"s, {kept}" if name == "carried" else f"{kept} if n else s")
    for n in (2, 5):
        check(f, np.arange(1.0, 7.0), n, tier=None)


def test_exits_take_the_array_along() -> None:
    source = (
        "def f(a, n, k):\n"
        "    for i in range(n):\n"
        "        t = np.zeros(3, dtype=np.int64)\n"
        "        a[i] = i\n"
        "        t[1] = i\n"
        "        k = k * 3\n"
        "        t[2] = t[1] + 1\n"
        "    return k, t[2]\n"
    )
    for k in (1, 2**61, 2**62):
        check(define(source), np.zeros(4, dtype=np.int64), 4, k, tier=None)


def test_recursion_has_an_array_for_each_call() -> None:
    source = (
        "def f(n):\n"
        "    t = np.zeros(2)\n"
        "    t[0] = n\n"
        "    if n > 0:\n"
        "        t[1] = f(n - 1)\n"
        "    return t[0] * 2 + t[1]\n"
    )
    for n in (0, 1, 3, 8):
        check(define(source), n)


@pytest.mark.skipif(FAKE, reason="needs the compiler")
def test_the_report_says_so() -> None:
    f = jit(program(BODIES["zeros"]))
    f(np.ones(3), 3)
    assert "array of 24 bytes put on the stack" in f.report().json()
