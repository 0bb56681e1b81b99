"""Continuations of every kind: nothing that a call has done is ever lost, and no exit is an error."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from harness import FAKE, check, compare, define, jit, outcome

pytestmark = pytest.mark.skipif(FAKE, reason="needs the compiler")

B = 2**61 + 1


def many(count: int, effect: str, value: str) -> str:
    names = [f"v{i}" for i in range(count)]
    lines = [f" {v} = n + {i}\n" for i, v in enumerate(names)]
    turn = [f"  {effect}\n  n = {value}\n", *(f"  {v} += n\n" for v in names)]
    return (
        f"def f(a, n):\n{''.join(lines)} for _ in range(30):\n{''.join(turn)} return n, {', '.join(names)}\n"
    )


# More values than the context has room for, of the exit and of a call.
LARGE = {
    "exit": many(110, "a[0] += 1", "n * 1000003"),
    "call": "def g(a, n):\n a[1] += 1\n return n * 1000003\n"
    + many(100, "a[0] += g(a, 1) * 0 + 1", "g(a, n)"),
}


@pytest.mark.parametrize("name", LARGE)
def test_functions_with_many_variables(name: str) -> None:
    f = define(LARGE[name], "f")
    g = jit(f)
    for n in (0, 1, 3):
        check(f, np.zeros(4, np.int64), n, compiled=g)


# `a` is an array of floats, `n` an int; products with `B` leave 64 bits.
NATIVE = {
    "targets": (
        "def f(a, n):\n a[1] += 1\n x = k = 0\n for a[n - n], a[k % 4], x in zip(range(3), range(4), range(5)):\n"
        "  k += n * B * x * x * B\n  a[2] += x\n return x, k\n"
    ),
    "target index": (
        "def f(a, n):\n a[1] += 1\n for a[n - n], a[n * B * B], x in zip(range(3), range(4), range(5)):\n"
        "  a[2] += x\n return x\n"
    ),
    "target call": (
        "def g(a, n):\n a[3] += 1\n return n * B % 5\ndef f(a, n):\n a[1] += 1\n k = 0\n"
        " for a[n - n], a[g(a, k * B * B * n) % 4], x in zip(range(3), range(4), range(5)):\n"
        "  k += n\n  a[2] += x\n return x, k\n"
    ),
    "tuple of constants": "def f(a, n):\n t = (np.float64, n)\n a[0] += 1\n k = n * B * B\n return t[0](n) + k % 7\n",
    "tuple of functions": (
        "def g(x):\n return x + 1\ndef f(a, n):\n t = (g, n)\n a[0] += 1\n k = n * B * B\n return t[0](n) + k % 7\n"
    ),
    "captured constant": (
        "def f(a, n):\n import math as m\n def h(z):\n  a[0] += 1\n  return m.sin(z) * (z * B * B % 7)\n return h(n)\n"
    ),
    "captured function": (
        "def q(x):\n return x + 1\ndef f(a, n):\n h = q\n def g(x):\n  a[0] += 1\n  return h(x * B * B % 7)\n"
        " return g(n) + g(n + 1)\n"
    ),
    "default function": (
        "def q(x):\n return x + 1\ndef f(a, n):\n def g(x, q=q, m=np.sin):\n  a[0] += 1\n"
        "  return q(x) * B * n % 7 + m(x)\n return g(n)\n"
    ),
    "classes": (
        "def f(a, n):\n E = (ValueError, IndexError)\n t = 0\n try:\n  a[0] += 1\n  a[n + 10]\n except E:\n"
        "  t = n * B * B % 7\n return t\n"
    ),
    "join behind handler": (
        "def f(a, n):\n t = 0.0\n x = 1.5\n for i in range(n):\n  a[0] += 1\n  try:\n   a[n + i + 6]\n"
        "  except IndexError as e:\n   if i == 3:\n    x = 2**53 + i\n    a[1] += 1\n    continue\n   x = 2.5\n"
        "   if i == 5:\n    x = 2**54 + i + 1\n    a[1] += 2\n    break\n  t += x\n return t, x\n"
    ),
}


@pytest.mark.parametrize("name", NATIVE)
def test_machine_code(name: str) -> None:
    f = define(NATIVE[name], "f", np=np, B=B)
    g = jit(f)
    for n in (0, 1, 2, 5, 9):
        check(f, np.arange(6.0), n, compiled=g)


# A nested function that cannot be made again: the function is not compiled, so no exit of it is lost.
INTERPRETED = {
    "in a tuple": (
        "def f(a, n):\n def g(x):\n  return x + n\n t = (g, n)\n a[0] += 1\n k = n * B * B\n return t[0](n) + k % 7\n"
    ),
    "hidden name": (
        "def f(a, n):\n y = n\n def g(x):\n  return x + y\n def h(y):\n  a[0] += 1\n  return g(y) * B * B % 7\n"
        " return h(n) + h(n + 1)\n"
    ),
}


@pytest.mark.parametrize("name", INTERPRETED)
def test_interpreted(name: str) -> None:
    f = define(INTERPRETED[name], "f", B=B)
    g = jit(f)
    for n in (0, 1, 2, 5):
        check(f, np.arange(6.0), n, compiled=g, tier="interpreter")
    assert "NL2017" in g.report().json()


# Islands that raise, or leave a loop, behind what machine code cannot take. `d` has what sets G, and large ints.
ISLANDS = {
    "shape": (
        "def f(a, d, n):\n t = 0.0\n for i in range(n):\n  try:\n   t += a[i % len(a)]\n   if i == 4:\n"
        "    d['x'] = 1\n    a.shape = (2, -1)\n    d[i]\n   t += 1.5\n  except KeyError as e:\n   t += 1\n"
        "   d['r'] = str(e), e.__traceback__.tb_lineno, e.__traceback__.tb_next is None, type(e.__context__)\n"
        "  t += a.size\n return t, a.shape\n"
    ),
    "shape in a handler": (
        "def f(a, d, n):\n t = 0.0\n for i in range(n):\n  try:\n   try:\n    t += a[i % len(a)]\n    1 // (i % 3)\n"
        "   except ZeroDivisionError:\n    t += 0.25\n    if i == 6:\n     a.shape = (2, -1)\n     d[i]\n"
        "  except KeyError as e:\n   t += 1\n   d['r'] = str(e), e.__traceback__.tb_lineno, type(e.__context__)\n"
        "  t += a.size\n return t, a.shape\n"
    ),
    "large int": (
        "def f(a, d, n):\n t = 0\n k = 1\n for i in range(n):\n  try:\n   t += i\n   a[0] += 1\n   if i == 4:\n"
        "    k = d['big']; d['none']\n  except KeyError as e:\n   t += 1\n   k = k + 1\n return t, k\n"
    ),
    "global": (
        "def f(a, d, n):\n t = 0.0\n for i in range(n):\n  try:\n   t += G * a[0]\n   if i == 4:\n"
        "    d['set']('x')\n    d['no']\n  except KeyError as e:\n   t += 1\n   try:\n    d['no2']\n"
        "   except KeyError:\n    t += 2\n return t, G\n"
    ),
    "break": (
        "def f(a, d, n):\n t = 0.0\n for i in range(n):\n  for j in range(5):\n   t += a[j]\n   if i == 2:\n"
        "    d['set']('x')\n    if d['big']: break\n   t += 1 if G else 2\n  else:\n   t += 100\n return t, G\n"
    ),
    "continue": (
        "def f(a, d, n):\n t = 0.0\n for i in range(n):\n  for j in range(5):\n   t += a[j]\n   if i == 2:\n"
        "    d['set']('x')\n    if d['big']: continue\n   t += 1 if G else 2\n  else:\n   t += 100\n return t, G\n"
    ),
    "joins": (
        "def f(a, d, n):\n x = 0\n t = 0.0\n for i in range(n):\n  a[0] += 1\n  try:\n   if i % 2: x = n * 2.0\n"
        "   a[i % 4] += x\n   x = d['big'] * 1 if i == 3 else x\n   a[i + 100]\n  except IndexError:\n   t += x\n"
        "  if i == 5:\n   x = 2**53 + 1 + i\n   a[1] += 1\n   d['y'] = 1\n  else:\n   x = 1.5\n   d['z'] = 2\n"
        " return t, x\n"
    ),
    "class of a handler": (
        "def f(a, d, n):\n t = 0.0\n for i in range(n):\n  try:\n   t += G * a[0]\n   a[n + i]\n"
        "  except ValueError:\n   t += 7\n  except d['class'](i) as e:\n   t += 1\n  except IndexError:\n   t += 2\n"
        "  t += G and 1\n return t, G\n"
    ),
    "class that raises": (
        "def f(a, d, n):\n t = 0.0\n e = 5\n try:\n  for i in range(n):\n   try:\n    t += G * a[0]\n    a[n + i + 4]\n"
        "   except d['raises'](i) as e:\n    t += 1\n   except IndexError:\n    t += 2\n except RuntimeError as r:\n"
        "  d['r'] = str(r), type(r.__context__), e\n return t, G\n"
    ),
}


def run_island(function: Callable[..., Any], n: int) -> Any:
    names = getattr(function, "py_func", function).__globals__
    names["G"] = 2

    def class_of(i: int) -> type[Exception]:
        if i == 3:
            names["G"] = 1.5
        return KeyError if i < 5 else IndexError

    def raises(i: int) -> type[Exception]:
        if i == 3:
            names["G"] = "x"
            raise RuntimeError("no class")
        return KeyError

    d = {"big": 2**70, "set": lambda v: names.__setitem__("G", v), "class": class_of, "raises": raises}
    got = outcome(function, (np.arange(6.0), d, n), {})
    for key in ("set", "class", "raises"):
        got.args[1].pop(key)
    return got


@pytest.mark.parametrize("name", ISLANDS)
def test_islands(name: str) -> None:
    f = define(ISLANDS[name], "f", G=2)
    g = jit(f)
    for n in (0, 3, 5, 7, 9):
        for _ in range(3):
            compare(run_island(f, n), run_island(g, n), {f.__code__.co_filename})


# Ways out of `finally` and `with` with what is not exact, or cannot be taken by machine code, on them.
COMBINED = {
    "break out of a handler": (
        "def f(a, d, n):\n x = 1.5\n t = 0.0\n for i in range(n):\n  a[0] += 1\n  try:\n   a[n + i + 6]\n"
        "  except IndexError as e:\n   if i == 3:\n    x = 2**53 + i\n    a[1] += 1\n    continue\n   x = 2.5\n"
        "   if i == 5:\n    x = 2**54 + i + 1\n    a[1] += 2\n    break\n  finally:\n   a[2] += x * B * B % 7\n"
        "   t += x\n return t, x\n"
    ),
    "exit in finally behind break": (
        "def f(a, d, n):\n t = k = 0\n for i in range(n):\n  try:\n   a[i + 6 - i % 3 * 3]\n   t += 1\n"
        "  except IndexError as e:\n   a[0] += 1\n   if i == 3:\n    break\n   t += 2\n  finally:\n   a[1] += 1\n"
        "   k += (n + i) * B * B % 7\n   a[2] += k\n else:\n  t += 100\n return t, k\n"
    ),
    "break in finally": (
        "def f(a, d, n):\n x = 1.5\n k = 0\n for i in range(n):\n  a[0] += 1\n  try:\n   a[n + i + 6]\n"
        "  finally:\n   k += 1\n   if i == 2:\n    x = 2**53 + i\n    break\n   x = 2.5\n   if i > n - 8:\n"
        "    x = 2**54 + 1 + i\n    continue\n a[3] += k\n return x, k\n"
    ),
    "join behind finally": (
        "def f(a, d, n):\n x = 1.5\n for i in range(n):\n  try:\n   a[i % 9]\n   a[0] += 1\n   x = 2.5\n"
        "  except IndexError:\n   a[1] += 1\n   x = 2**53 + i\n  finally:\n   a[2] += 1\n  a[3] += x\n return x\n"
    ),
    "join in finally": (
        "def f(a, d, n):\n x = 1.5\n try:\n  for i in range(n):\n   a[0] += 1\n   if i > 3:\n    x = 2**53 + i\n    a[i + 6]\n"
        " finally:\n  a[1] += 1\n  d['x'] = x\n return x\n"
    ),
    "return through finally": (
        "def f(a, d, n):\n x = 1.5\n try:\n  a[0] += 1\n  try:\n   if n > 3:\n    a[1] += 1\n    x = 2**53 + n\n    return n * B\n"
        "   a[n + 4]\n   x = 3\n  except IndexError:\n   x = 2**54 + 1\n   return a[0]\n  finally:\n   a[2] += x % 8\n"
        " finally:\n  a[3] += n * B * B % 7\n  a[4] = x\n return n\n"
    ),
    "island in finally": (
        "def f(a, d, n):\n t = 0.0\n for i in range(n):\n  try:\n   t += a[i % len(a)]\n   if i == 4:\n    d['x'] = 1\n"
        "    a.shape = (2, -1)\n    d[i]\n   t += 1.5\n  finally:\n   t += a.size\n   d['t'] = t\n return t, a.shape\n"
    ),
    "island in try and finally": (
        "def f(a, d, n):\n t = 0.0\n for i in range(n):\n  try:\n   t += a[i % len(a)]\n   if i == 3:\n    d['x'] = 1\n"
        "    a.shape = (2, -1)\n    d[i]\n   t += 1.5\n  except KeyError as e:\n   t += 1\n   d['r'] = str(e), type(e.__context__)\n"
        "   if n == 5:\n    continue\n   break\n  finally:\n   d['s'] = t, a.shape\n   a.shape = (-1,)\n   t += a.size\n return t, a.shape\n"
    ),
    "finally raises": (
        "def f(a, d, n):\n t = 0.0\n try:\n  for i in range(n):\n   try:\n    t += a[i % len(a)]\n   finally:\n    if i == 3:\n"
        "     d['x'] = 1\n     a.shape = (2, -1)\n     d[i]\n    t += 1.5\n except KeyError as e:\n"
        "  d['r'] = str(e), type(e.__context__), e.__traceback__.tb_lineno\n return t, a.shape\n"
    ),
    "finally raises again": (
        "def f(a, d, n):\n t = 0.0\n try:\n  for i in range(n):\n   try:\n    t += a[0] + a[i + 2]\n   finally:\n    if i == n - 1:\n"
        "     d['x'] = 1\n     a.shape = (2, -1)\n     d[i]\n    t += 1.5\n except KeyError as e:\n"
        "  d['r'] = str(e), repr(e.__context__), e.__traceback__.tb_lineno\n return t, a.shape\n"
    ),
    "return raises": (
        "def g(a, d, n):\n if n > 2:\n  a.shape = (2, -1)\n return d[n]\n"
        "def f(a, d, n):\n t = 0.0\n try:\n  for i in range(n):\n   t += a[i]\n  try:\n   return g(a, d, n)\n  finally:\n   a[0] += 1\n   t += a.ndim\n"
        " except KeyError as e:\n  d['r'] = repr(e), t, type(e.__context__)\n return t, a.shape\n"
    ),
    "return reshapes": (
        "def g(a, d, n):\n if n > 2:\n  a.shape = (2, -1)\n return d.get(n, n * B)\n"
        "def f(a, d, n):\n t = 0.0\n for i in range(n):\n  t += a[i]\n  try:\n   try:\n    a[i + 4]\n   except IndexError as e:\n"
        "    return g(a, d, i)\n  finally:\n   a[0] += 1\n   d['t'] = t, a.ndim, info()\n return t, a.shape\n"
    ),
    "with": (
        "def f(a, d, n):\n t = 0.0\n for i in range(n):\n  with M(d, n):\n   for j in range(8):\n    t += a[j % len(a)]\n   if i == 3:\n"
        "    d['x'] = 1\n    a.shape = (2, -1)\n    d[i]\n   t += 1.5\n  t += a.size\n return t, a.shape\n"
    ),
    "global in with": (
        "G = 1\ndef s(v):\n global G\n G = v\n"
        "def f(a, d, n):\n t = 0.0\n for i in range(n):\n  with M(d, 9):\n   for j in range(8):\n    t += a[j] * G\n   if i == 3:\n"
        "    d['x'] = s(2.5)\n    d[i]\n   t += 1.5\n  t += G\n t = t * 1.0\n s(1)\n return t\n"
    ),
    "break in with": (
        "def f(a, d, n):\n x = 1.5\n for i in range(n):\n  a[0] += 1\n  with M(d, 4):\n   for j in range(8):\n    x += a[j % 3]\n   try:\n    a[n + i + 6]\n"
        "   except IndexError as e:\n    if i == 3:\n     x = 2**53 + i\n     continue\n    x = 2.5\n    if i == 5:\n"
        "     x = 2**54 + i + 1\n     break\n   a[1] += 1\n  a[2] += x * B % 7\n return x\n"
    ),
    "manager raises": (
        "def f(a, d, n):\n t = 0.0\n for i in range(n):\n  t += a[i % len(a)]\n  try:\n   with M(d, 4), M(d, i, a, n - 3) as m:\n"
        "    for j in range(8):\n     t += a[j % len(a)]\n  except KeyError as e:\n   d['r'] = repr(e), type(e.__context__), t\n  t += a.size\n return t, a.shape\n"
    ),
    "manager raises at the end": (
        "def f(a, d, n):\n t = 0.0\n for i in range(n):\n  t += a[i % len(a)]\n  try:\n   with M(d, 4), M(d, i, a, -1, n - 3) as m:\n"
        "    for j in range(8):\n     t += a[j % len(a)]\n    if n == 5:\n     a[i + 9]\n    if n == 9:\n     break\n  except KeyError as e:\n   d['r'] = repr(e), repr(e.__context__), t\n"
        "  t += a.size\n return t, a.shape\n"
    ),
}

MANAGER = """
import sys
def info():
    return repr(sys.exc_info()[1])
class M:
    def __init__(self, d, i, a=None, enter=-1, leave=-1):
        self.d, self.i, self.a, self.enter, self.leave = d, i, a, enter, leave
    def reshape(self, at):
        if self.i == at:
            self.a.shape = (2, -1)
            raise KeyError(self.i)
    def __enter__(self):
        self.reshape(self.enter)
        self.d.setdefault("log", []).append(("enter", self.i, info()))
    def __exit__(self, kind, error, trace):
        self.d.setdefault("log", []).append(("exit", self.i, repr(error), info()))
        self.reshape(self.leave)
        return self.i == 9 and kind is not None
"""


@pytest.mark.parametrize("name", COMBINED)
def test_finally_and_with(name: str) -> None:
    f = define(MANAGER + COMBINED[name], "f", B=B)
    g = jit(f)
    for n in (0, 1, 2, 4, 5, 9, 2):
        check(f, np.arange(6.0), {}, n, compiled=g, tier=None)
