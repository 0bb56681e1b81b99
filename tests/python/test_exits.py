"""Exits of callees and in the middle of statements: the interpreter goes on in each function that was left."""

import gc
import sys
from typing import Any

import numpy as np
import pytest

from exit_programs import run
from harness import FAKE, check, define, jit

pytestmark = pytest.mark.skipif(FAKE, reason="needs the compiler")

# `B * n` leaves 64 bits from n = 5 on, `B * n * n` from n = 2 on; `a[0] += 1` is an effect.
PROGRAMS = {
    "basic": (
        "def g(a, n):\n t = 1\n for i in range(n):\n  a[0] += 1\n  t = t * 1000003\n return t\n"
        "def f(a, n):\n return g(a, n) + 1\n"
    ),
    "within": (
        "def g(a, n):\n a[0] += 1\n return n\ndef f(a, n):\n t = g(a, n) * B * (a[0] + g(a, n))\n"
        " return t, a[0]\n"
    ),
    "clean callee": (
        "def g(n):\n return n * B * n\ndef f(a, n):\n a[0] += 1\n t = g(n) + 1\n a[1] += 1\n return t\n"
    ),
    "clean in dirty": (
        "def g(n):\n return n * B * n\ndef h(a, n):\n a[1] += 1\n return g(n) + a[1]\n"
        "def f(a, n):\n t = 0\n for i in range(n):\n  t = h(a, i) + t * 0.5\n a[1] += 1\n"
        " return t\n"
    ),
    "three": (
        "def g(a, n):\n a[0] += 1\n return n * B * n\ndef h(a, n):\n x = g(a, n) + 1\n"
        " a[1] += 1\n return x\ndef f(a, n):\n return h(a, n) + h(a, 0)\n"
    ),
    "args": (
        "def g(a, n, m):\n a[0] += 1\n return n * B * m\ndef h(a):\n a[0] *= 2\n return a[0]\n"
        "def f(a, n):\n return a[0] + g(a, n, h(a) > 1) - h(a)\n"
    ),
    "if": (
        "def g(a, n):\n a[0] += 1\n return n * B * n\ndef f(a, n):\n"
        " if g(a, n) > 5 and g(a, n) < 10 or n == 2:\n  a[1] = 4\n else:\n  a[1] = 7\n"
        " return a[0] if g(a, n) > 3 and g(a, 0) < 5 else a[1]\n"
    ),
    "while": (
        "def g(a, n):\n a[0] += 1\n return n * B * n\ndef f(a, n):\n k = 0\n"
        " while k < 4 and g(a, n - k) > 5:\n  k += 1\n  a[1] += 1\n else:\n  a[2] = 4\n"
        " return k\n"
    ),
    "whilewithin": (
        "def g(a, n):\n a[0] += 1\n return n\ndef f(a, n):\n k = 0\n"
        " while g(a, k) * B * k + g(a, 1) < 30 ** 20 and k < 10:\n  k += 1\n  a[1] += 1\n else:\n"
        "  a[2] = 4\n return k\n"
    ),
    "for": (
        "def g(a, n):\n a[0] += 1\n return n * B % 7\ndef f(a, n):\n t = 0\n"
        " for i in range(g(a, n)):\n  for j in range(g(a, n + i) % 3):\n   t += j + g(a, n)\n"
        " return t, i\n"
    ),
    "aug": (
        "def g(a, n):\n a[0] += 1\n return n * B % 7\ndef f(a, n):\n t = n\n t += g(a, n)\n"
        " a[n % 4] += g(a, n)\n a[g(a, n) % 4] -= a[0] + g(a, n)\n return t\n"
    ),
    "aug2": (
        "def g(a, n):\n a[0] += 1\n return n\ndef f(a, n):\n t = n\n t += g(a, n) * B % 9\n"
        " a[0] += g(a, n) * B % 9\n a[g(a, 0) * B * n] -= g(a, n)* B % 3\n return t\n"
    ),
    "targets": (
        "def g(a, n):\n a[0] += 1\n return n\ndef f(a, n):\n"
        " x, a[g(a, n) * B % 4], y = a[0], g(a, 3), a[1]\n"
        " x2 = a[1] = a[g(a, 0) * B * n] = z = g(a, n)\n"
        " p, (q, a[g(a, n) * B % 4]), *r = 1, (a[0], g(a, 4)), a[0], 5\n"
        " return x, y, x2, z, p, q, r[0], r[1]\n"
    ),
    "rec": (
        "def g(a, n):\n a[0] += 1\n if n == 0:\n  return 3037000500\n"
        " return g(a, n - 1) * g(a, n - 1) % 1000000007 + 3037000500 * n\ndef f(a, n):\n"
        " return g(a, n)\n"
    ),
    "rec2": "def f(a, n):\n a[0] += 1\n if n <= 0:\n  return B\n return f(a, n - 1) + f(a, n - 2)\n",
    "mutual": (
        "def h(a, n):\n a[1] += n\n return f(a, n - 1) * 3\ndef f(a, n):\n a[0] += 1\n"
        " if n <= 0:\n  return B\n return h(a, n - 1) + 1\n"
    ),
    "nested": (
        "def f(a, n):\n k = n + 1\n def g(x):\n  a[0] += x\n  return x * B * k\n return g(n) + g(1) + k\n"
    ),
    "nested2": (
        "def f(a, n):\n k = n + 1\n def g(x, d=k + 5):\n  return x + d + k\n"
        " h = lambda z: z * 2 + k\n a[0] += 1\n k = 7\n t = n * B * n\n return t, g(1), h(2)\n"
    ),
    "raises": (
        "def g(a, n):\n a[0] += 1\n t = n * B * n\n a[10 + n] = 3\n return t\ndef f(a, n):\n"
        " x = 1\n return (x +\n   g(a, n))\n"
    ),
    "match": (
        "def g(a, n):\n a[0] += 1\n return n * B % 7\ndef f(a, n):\n match g(a, n):\n"
        "  case 1 if g(a, n) > 4:\n   t = 1\n  case 2 | 3 if g(a, 2) == g(a, n) and n > 7:\n"
        "   t = 2\n  case x if g(a, x) * B > 2:\n   t = x\n  case _:\n   t = 4\n return t\n"
    ),
    "assert": "def g(a, n):\n a[0] += 1\n return n * B % 7\ndef f(a, n):\n assert g(a, n) > 2\n return n\n",
    "chain": (
        "def g(a, n):\n a[0] += 1\n return n\ndef f(a, n):\n"
        " return g(a, 1) < g(a, n) < g(a, 4) * B <= g(a, n), g(a, 3) * B < a[0]\n"
    ),
    "walrus": (
        "def g(a, n):\n a[0] += 1\n return n\ndef f(a, n):\n x = 5\n return x + (x := g(a, n)) * B + x\n"
    ),
    "random": (
        "def f(a, n):\n a[0] = np.random.randint(0, 10) * B * n + np.random.random()\n"
        " x = np.random.random() + n * B * n\n return x\n"
    ),
    "list": "def f(a, n):\n x, *l = n, 2, 3\n a[0] += 1\n t = n * B * n\n return t, l[0]\n",
    "dtype": "def f(a, n):\n d = np.float32\n a[0] += 1\n t = n * B * n\n return t, d(1.5)\n",
    "helper": (
        "def g(n):\n return n + 1\ndef f(a, n):\n h = g\n if n > 2:\n  m = math\n a[0] += 1\n"
        " t = n * B * n\n return t, h(1), m.pi\n"
    ),
    "fresh": (
        "def f(a, n):\n a[0] += 1\n z = np.zeros(3)\n z[1] = 3\n z[0], z[n * B % 3] = z[1], z[0]\n return z\n"
    ),
    "kw": (
        "def g(a, n, *, k=3):\n a[0] += 1\n return n * B * k\ndef f(a, n):\n"
        " return g(a, k=g(a, 0), n=n) + g(n=n, a=a)\n"
    ),
    "lambda": (
        "def f(a, n):\n def h(x):\n  a[0] += x\n  return x\n g = lambda x: h(x) * B * n\n return g(n) + 1\n"
    ),
    "closurearg": (
        "def g(h, a, n):\n a[0] += 1\n return h(n) * B\ndef f(a, n):\n k = n\n def h(x):\n"
        "  return x * k\n return g(h, a, n) + 1\n"
    ),
    "funcarg": (
        "def g(h, a, n):\n a[0] += 1\n return h(n) * B\ndef q(x):\n return x + 1\ndef f(a, n):\n"
        " return g(q, a, n) + 1\n"
    ),
}


def program(name: str) -> Any:
    return define(f"B = {2**61 + 1}\n{PROGRAMS[name]}", "f")


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("jitted", [False, True])
def test_each_function_goes_on(name: str, jitted: bool) -> None:
    f = program(name)
    names = [n for n in ("g", "h", "q") if n in f.__globals__]
    for n in names if jitted else ():
        f.__globals__[n] = jit(f.__globals__[n])
    for n in (0, 1, 2, 3, 5, 9):
        for dtype in ("i8", "f8"):
            check(f, np.arange(4, dtype=dtype), n, tier=None, seed=3)


@pytest.mark.parametrize("block", range(4))
def test_generated_programs(block: int) -> None:
    for seed in range(20 * block, 20 * block + 20):
        run(seed)


def test_a_callee_in_another_module() -> None:
    source = "B = 5\ndef g(a, n):\n a[0] += 1\n t = n * 2**61 * n\n a[9] = 1\n return t\n"
    g = define(source, "g")
    f = define("def f(a, n):\n B = 7\n return g(a, n) * B\n", "f", g=jit(g))
    plain = define("def f(a, n):\n B = 7\n return g(a, n) * B\n", "f", g=g)
    for size in (4, 10):
        a, b = np.zeros(size), np.zeros(size)
        outcomes = []
        for function, array in ((plain, a), (jit(f), b)):
            try:
                outcomes.append(function(array, 9))
            except IndexError as e:
                tb: Any = e.__traceback__
                names = []
                while tb is not None:
                    names.append((tb.tb_frame.f_code.co_name, tb.tb_lineno))
                    tb = tb.tb_next
                outcomes.append((str(e), names[-2:]))
        assert outcomes[0] == outcomes[1] and (a == b).all()


def test_deep_recursion_goes_on() -> None:
    source = "def f(a, n):\n a[0] += n\n if n == 0:\n  return 2**62\n return f(a, n - 1) * 2 + n\n"
    check(define(source, "f"), np.zeros(1), 300)


def test_a_recursive_callee_with_dynamic_places() -> None:
    source = (
        "def h(a, n):\n a[0] += 1\n s = str(n)\n return h(a, n - 1) + len(s) if n > 0 else 0\n"
        "def f(a, n):\n t = 0.0\n for x in a:\n  t += x\n return h(a, n), t\n"
    )
    check(define(source, "f"), np.arange(4.0), 12, tier=None)


def test_references_are_balanced() -> None:
    source = (
        "def g(v, w, n):\n u = v[1:]\n u[0] += 1\n t = 1\n for x in w:\n  v[0] += 1\n  t = t * (n + 1000003)\n"
        " if n == 1:\n  raise ValueError('one')\n return t\n"
        "def f(a, b, n):\n z = np.zeros(3)\n c = a[1:]\n return g(c, b[1:], n) + g(z, b, n), z, c\n"
    )
    f = jit(define(source, "f"))
    a, b = np.zeros(4), np.zeros(9)

    def run() -> None:
        for i in range(1000):
            try:
                f(a, b, i % 2)
            except ValueError:
                pass

    run()
    gc.collect()
    before = sys.getrefcount(a), sys.getrefcount(b)
    run()
    gc.collect()
    assert before == (sys.getrefcount(a), sys.getrefcount(b))
    assert f.specializations[0].exits > 0


def test_an_exit_before_any_effect_holds_nothing() -> None:
    """The call is repeated: what the exit has recorded is given back."""
    source = "def f(a, b, n):\n v = b[1:]\n t = 1\n for i in range(n):\n  t = t * 2**62 * 4\n  a[0] = i\n return t, v\n"
    f = jit(define(source, "f"))
    a, b = np.zeros(4), np.zeros(9)
    assert f(a, b, 2)[0] == 2**128
    before = sys.getrefcount(b)
    for _ in range(100):
        f(a, b, 2)
    gc.collect()
    assert sys.getrefcount(b) == before and f.specializations[0].exits == 101


# The exit of a callee in a `try`: what its rest raises is handled where it is called.
HANDLED = {
    "handler": (
        "def f(a, n):\n r = 0.0\n for i in range(3):\n  for j in range(3):\n   r += a[j]\n"
        "  try:\n   x = g(a, n)\n   a[1] += 1\n  except IndexError:\n   a[2] += 7\n   x = 3\n"
        "  r -= 1.0\n  for j in range(3):\n   r += a[j]\n return r, x\n"
    ),
    "finally": (
        "def f(a, n):\n r = 0.0\n for j in range(3):\n  r += a[j]\n try:\n"
        "  x = g(a, n) + g(a, 2)\n  a[1] += 1\n finally:\n  a[2] += 7\n for j in range(3):\n"
        "  r += a[j]\n return r, x\n"
    ),
    "else": (
        "def f(a, n):\n r = 0.0\n for j in range(3):\n  r += a[j]\n try:\n  y = a[n] + 1.0\n"
        " except IndexError:\n  a[2] += 7\n  y = 1.0\n  x = g(a, n) % 1000\n  r += 1.0\n"
        " else:\n  x = g(a, n + 1) % 999\n finally:\n  a[3] += g(a, n) % 3\n"
        " for j in range(3):\n  r += a[j]\n return r, x, y\n"
    ),
}


@pytest.mark.parametrize("name", HANDLED)
def test_what_the_rest_of_a_callee_raises_is_handled(name: str) -> None:
    callee = "def g(a, n):\n a[0] += 1\n t = n * 2**61 * n\n if n == 5:\n  a[10] = 1\n return t\n"
    f = define(callee + HANDLED[name], "f")
    for n in (0, 1, 2, 3, 5, 9):
        for dtype in ("i8", "f8"):
            check(f, np.arange(4, dtype=dtype), n, tier=None)
