"""Library functions in compiled code: what their results refer to, effects, and results of another type than expected."""

import gc
import sys

import numpy as np
import pytest

from harness import check, define, jit


def test_references_are_balanced() -> None:
    source = (
        "def f(a, n):\n s = 0.0\n for i in range(n):\n"
        "  b, c = np.split(a, 2)\n  q = np.linalg.qr(a)\n  w = np.stack([a, q.Q])\n"
        "  u = np.unique(a, return_index=True)\n  s += b[0, 0] + w[1, 0, 0] + u[0][0] + np.array([s, 1.0])[1]\n"
        " return s, b, q, u, a @ a\n"
    )
    f = jit(define(source))
    a = np.array([[4.0, 1.0], [1.0, 3.0]])
    for _ in range(100):
        f(a, 3)
    gc.collect()
    before, blocks = sys.getrefcount(a), sys.getallocatedblocks()
    for _ in range(1000):
        f(a, 3)
    gc.collect()
    assert sys.getrefcount(a) == before
    assert sys.getallocatedblocks() - blocks < 500
    result = f(a, 1)
    held = sys.getrefcount(a)
    assert held == before + 1
    assert result[1].base is a
    del result
    assert sys.getrefcount(a) == before


def test_views_share_memory() -> None:
    f = define(
        "def f(a, t):\n v = a.reshape(-1)\n v[0] = 7\n w = np.swapaxes(a, 0, 1)\n w[0, 1] += 2\n"
        " h = np.split(a, 2)[1]\n h[0, 0] = -1\n t = t * 2**62\n d = a.diagonal()\n return t, v, w, h, d[1]\n"
    )
    for t in (1, 2, 8):
        check(f, np.arange(4.0).reshape(2, 2), t)
    check(define("def f(a):\n b = np.broadcast_to(a, (2, 3))\n return b, b[1, 2], b[0]\n"), np.arange(3))
    check(define("def f(a):\n b = np.asarray(a)\n b[0] = 5\n return b is a, b\n"), np.arange(3), tier=None)


# without elements NumPy counts integers, whatever the weights are
MISMATCH = {
    "before": "def f(a, w):\n r = np.bincount(a, w)\n s = 0\n for x in r:\n  s += x\n return r, s\n",
    "behind": "def f(a, w):\n w[0] += 1\n r = np.bincount(a[:0], w[:0], len(w))\n w[1] += 1\n return r, w[1], r[0]\n",
    "callee": "def g(a, w):\n w[0] += 1\n return np.bincount(a[:0], w[:0])\ndef f(a, w):\n w[1] += 1\n r = g(a, w)\n w[1] += r.size\n return r\n",
}


@pytest.mark.parametrize("name", MISMATCH)
def test_a_result_of_another_type_goes_on_in_the_interpreter(name: str) -> None:
    f = define(MISMATCH[name], "f")
    for n in (0, 3):
        a = np.arange(n)
        w = np.ones(3) if name != "before" else np.ones(n)
        check(f, a, w)


ERRORS = {
    "axis": ("def f(a):\n b = a.sum(0)\n return b, np.sum(\n  a, axis=5)\n", np.ones((2, 2))),
    "singular": ("def f(a):\n a[0, 0] += 0\n return np.linalg.inv(a)\n", np.zeros((2, 2))),
    "shape": ("def f(a):\n return np.concatenate([a, np.ones((3, 3))])\n", np.zeros((2, 2))),
    "handled": (
        "def f(a):\n try:\n  return np.linalg.cholesky(a)\n except np.linalg.LinAlgError:\n  return a\n",
        -np.ones((2, 2)),
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_numpys(name: str) -> None:
    source, a = ERRORS[name]
    check(define(source), a, tier=None)


PROGRAMS = {
    "lists": "def f(a, x):\n m = np.array([[x, 2.0], [a[0], x]])\n return m, m.T @ m, np.vstack((a, a))[1, 0]\n",
    "records": "def f(a, x):\n r = np.linalg.slogdet(np.outer(a, a) + x * np.eye(3))\n s, l = r\n return r, s * np.exp(l), r.sign, r[1]\n",
    "loop": "def f(a, x):\n s = a\n for i in range(5):\n  s = np.roll(s, i) + np.cumsum(s)\n return s, s.max(), np.argmax(s)\n",
    "in place": "def f(a, x):\n b = a.copy()\n b.sort()\n np.add.at(b, [0, 0, 1], x)\n np.random.shuffle(b)\n return b, b[0] + b[1] + b[2]\n",
    "attributes": "def f(a, x):\n z = np.fft.fft(a)\n z.real[0] = x\n z.imag[1] = -x\n return z, z.real, z.imag[1], a.real\n",
    "parts": "def f(a, x):\n b, c, d = np.split(a, 3)\n q = np.meshgrid(a, a)\n return b, q[0][1, 2], [0, 1][1] if x > 9 else c[0]\n",
    "axis": "def f(a, x):\n m = np.outer(a, a)\n s = 0.0\n for axis in range(2):\n  s += m.sum(axis)[0] + np.median(m, axis=axis)[1]\n return s\n",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name: str) -> None:
    check(define(PROGRAMS[name]), np.array([2.0, -1.0, 0.5]), 1.25, tier=None, seed=4)
