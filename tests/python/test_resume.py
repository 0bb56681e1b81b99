"""Exits behind effects: the interpreter goes on from the statement, with the variables and loops as they were."""

import gc
import sys
import weakref
from typing import Any

import numpy as np
import pytest

from harness import FAKE, check, define, jit

pytestmark = pytest.mark.skipif(FAKE, reason="needs the compiler")

LOOP = " t = 0.0\n for i in range(a.shape[0]):\n  t += a[i]\n"

# `a[0] += 1` is an effect, `t = t * B` leaves 64 bits sooner or later.
BODIES = {
    "straight": " a[0] += 1\n t = n * B\n t = t * B\n a[1] += 1\n return t",
    "in-range": " t = 1\n for i in range(n):\n  a[0] += i\n  t = t * B\n  a[1] += i\n return t, i",
    "in-range-step": " t = 1\n for i in range(100, -1, -7):\n  a[0] += i\n  t = t * B\n  a[1] += 1\n return t, i",
    "in-range-variable-step": " t = 1\n s = n - 3\n for i in range(0, 100, s):\n  a[0] += i\n  t = t * B\n return t, i",
    "in-array": " t = 1\n for x in a:\n  a[0] += 1\n  t = t * B\n  a[2] = x\n return t, x",
    "in-rows": " t = 1\n b = a.reshape(2, 2)\n for r in b:\n  r[0] += 1\n  t = t * B\n return t, r",
    "in-enumerate": " t = 1\n for i, x in enumerate(a, 5):\n  a[0] += i\n  t = t * B\n return t, i, x",
    "in-zip": " t = 1\n for i, x in zip(range(9), a):\n  a[0] += i\n  t = t * B\n return t, i, x",
    "in-reversed": " t = 1\n for x in reversed(a):\n  a[0] += 1\n  t = t * B\n return t, x",
    "in-reversed-range": " t = 1\n for x in reversed(range(n)):\n  a[0] += 1\n  t = t * B\n return t, x",
    "in-tuple": " t = 1\n for x in (1, 2, 3, 4, 5):\n  a[0] += x\n  t = t * B\n return t, x",
    "nested": " t = 1\n for i in range(n):\n  for j in range(n):\n   a[0] += j\n   t = t * (B >> 8)\n   a[1] += j\n  a[2] += i\n return t, i, j",
    "deep": " t = 1\n for i in range(2):\n  for j in range(2):\n   for k in range(2):\n    a[0] += k\n    t = t * B\n    if t % 7 == 3:\n     a[3] += 1\n return t, i, j, k",
    "in-while": " t = 1\n k = 0\n while k < n:\n  k += 1\n  a[0] += 1\n  t = t * B\n  a[1] += k\n return t, k",
    "while-test": " t = 1\n a[0] += 1\n while t * B < B ** 4:\n  t = t * 1000\n  a[1] += 1\n return t",
    "while-test-later": " t = 1\n while t * B * B < B ** 5:\n  t = t * 1000\n  a[1] += 1\n return t",
    "while-else": " t = 1\n k = 0\n while k < n:\n  k += 1\n  a[0] += 1\n  t = t * B\n else:\n  a[2] = 9\n return t, k",
    "for-else": " t = 1\n for i in range(n):\n  a[0] += 1\n  t = t * B\n else:\n  a[2] = 9\n return t",
    "else-itself": " for i in range(2):\n  a[0] += 1\n else:\n  t = n * B * B\n return t",
    "break": " t = 1\n for i in range(n):\n  a[0] += 1\n  t = t * B\n  if i == 3:\n   break\n else:\n  a[2] = 9\n return t, i",
    "continue": " t = 1\n for i in range(n):\n  a[0] += 1\n  t = t * B\n  if i % 2:\n   continue\n  a[1] += 1\n return t",
    "return": " t = 1\n for i in range(n):\n  a[0] += 1\n  t = t * B\n  if i == 3:\n   return t, i\n return None, 0",
    "if": " a[0] += 1\n if n > 2:\n  t = n * B * B\n  a[1] += 1\n else:\n  t = 0\n a[2] += 1\n return t",
    "elif": " a[0] += 1\n if n > 100:\n  t = 1\n elif n > 2:\n  t = n * B * B\n  a[1] += 1\n else:\n  t = 0\n return t",
    "else": " a[0] += 1\n if n > 100:\n  t = 1\n else:\n  a[3] += 1\n  t = n * B * B\n return t",
    "if-test": " a[0] += 1\n if n * B * B > 5:\n  a[1] += 1\n return n",
    "match": " a[0] += 1\n match n:\n  case 1:\n   t = 0\n  case 6 | 3:\n   a[1] += 1\n   t = n * B * B\n  case _:\n   t = 5\n return t",
    "unbound": " if n > 100:\n  u = 1\n a[0] += 1\n t = n * B * B\n if n > 5:\n  return u\n return t",
    "maybe-bound": " if n > 4:\n  u = 1.5\n a[0] += 1\n t = n * B * B\n return t, u",
    "deleted": " u = 1\n a[0] += 1\n del u\n t = n * B * B\n return t, u",
    "store": " a[0] += 1\n a[1] = n * B * B % 7\n return n",
    "swap": " a[0] += 1\n a[1], a[2] = a[2], n * B * B % 5\n return n",
    "own-array": " z = np.zeros(n)\n a[0] += 1\n t = 1\n for i in range(n):\n  z[i] = i\n  t = t * B\n return t, z",
    "own-view": " z = a[1:]\n a[0] += 1\n t = n * B * B\n z[0] = 7\n return t, z",
    "rebound": " b = a\n a = np.ones(3)\n b[0] += 1\n t = n * B * B\n a[1] = 5\n return t, a, b",
    "tuple": " p = (n, 2.5, (1j, np.float32(2)))\n a[0] += 1\n t = n * B * B\n return t, p",
    "union": " r = 0\n for i in range(n):\n  a[0] += 1\n  r = 0.5 if i == 2 else i\n  t = (i + 1) * B * B\n return t, r",
    "join-branch": " a[0] += 1\n if n > 2:\n  r = n * (2 ** 53 + 1)\n else:\n  r = 0.5\n a[1] += 1\n return r",
    "join-loop": " r = 0.5\n for i in range(n):\n  a[0] += 1\n  if i % 2:\n   continue\n  r = i * (2 ** 53 + 1)\n return r",
    "join-nested": " r = 0.5\n for i in range(n):\n  a[0] += 1\n  if i % 2:\n   r = i * (2 ** 53 + 1)\n  elif i % 3:\n   r = i + 1\n  else:\n   a[2] += 1\n return r, i",
    "join-while": " r = 0.5\n k = 0\n while k < n:\n  k += 1\n  a[0] += 1\n  if k % 2:\n   r = k * (2 ** 53 + 1)\n return r, k",
    "join-while-loop": " r = 0.5\n k = 0\n while k < n:\n  k += 1\n  a[0] += 1\n  r = r * 2 if k == 2 else k * (2 ** 53 + 1)\n return r, k",
    "join-break": " r = 0.5\n for i in range(n):\n  a[0] += 1\n  if i == 2:\n   r = 2 ** 53 + 1\n   break\n return r",
    "join-match": " a[0] += 1\n match n:\n  case 1:\n   r = 0.5\n  case 6:\n   r = 2 ** 53 + 1\n  case _:\n   r = 3\n a[1] = 9\n return r",
    "function": " g = math.sqrt\n a[0] += 1\n t = n * B * B\n return t, g(4.0)",
    "import": " import math as m\n a[0] += 1\n t = n * B * B\n return t, m.pi",
    "power": " a[0] += 1\n return n ** 40",
    "negative-power": " a[0] += 1\n return n ** (2 - n)",
    "round": " a[0] += 1\n return round(n * 1e30)",
    "int": " a[0] += 1\n return int(n * 1e30)",
    "shift": " a[0] += 1\n return n << 70",
    "absolute": " a[0] += 1\n t = -B * 8 - B * 8 + 0\n t = -9223372036854775807 - 1\n return abs(t), -t",
    "raises-later": " t = 1\n for i in range(n):\n  a[0] += 1\n  t = t * B\n  if i == 3:\n   a[100] = 1\n return t",
    "global": " t = 1\n for i in range(n):\n  a[0] += 1\n  t = t * (B + helper(i))\n return t",
    "chained": " a[0] += 1\n t = u = n * B * B\n return t, u",
    "walrus": " a[0] += 1\n if (u := n + 1) and (t := u * B * B):\n  a[1] += 1\n return t, u",
    "assert": " a[0] += 1\n assert n * B * B > 5, 'no'\n return n",
}


def resumed(body: str, *args: Any, tier: str | None = "native") -> None:
    source = f"B = {2**61 + 1}\ndef helper(x):\n return x + 1\ndef f(a, n):\n{body}\n"
    f = define(source, "f")
    g = jit(f)
    check(f, *args, tier=tier, compiled=g)


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("n", [0, 1, 3, 6])
@pytest.mark.parametrize("dtype", ["i8", "f8"])
def test_goes_on(name: str, n: int, dtype: str) -> None:
    resumed(BODIES[name], np.arange(4, dtype=dtype), n, tier=None)


def test_exits_are_counted() -> None:
    f = jit(define("def f(a, n):\n t = 1\n for i in range(n):\n  a[0] += 1\n  t = t * 1000003\n return t\n"))
    a = np.zeros(1)
    assert f(a, 2) == 1000003**2 and f.specializations[0].exits == 0
    assert f(a, 9) == 1000003**9 and a[0] == 11 and f.specializations[0].exits == 1
    assert f.tier(a, 9) == "native"


def test_mixed_functions_go_on() -> None:
    body = (
        " d = {}\n t = 1\n for i in range(n):\n  for j in range(3):\n   a[0] += j\n   t = t * (B >> 20)\n"
        "  d[i] = t\n return d, t"
    )
    resumed(body, np.zeros(4), 3, tier="mixed")
    body = (
        " d = {'k': [1]}\n x = d['k']\n t = 1\n for i in range(n):\n  for j in range(3):\n   a[0] += j\n   t = t * (B >> 20)\n"
        " x.append(t)\n return d, t, x"
    )
    resumed(body, np.zeros(4), 3, tier="mixed")


ISLANDS = {
    "loop": LOOP + " h = 0\n for k in x:\n  h = h * 1000003 + len(k)\n a[0] = 7\n return h, t",
    "in-loop": " h = 1\n t = 0\n for i in range(9):\n  for j in range(9):\n   t += j\n  for k in x:\n   h = h * 1000003 + len(k)\n  a[0] += 1\n return h, t",
    "last": LOOP + " h = 0\n for k in x:\n  h = h * 1000003 + len(k)",
    "in-branch": LOOP
    + " h = 0\n if t > 3:\n  for k in x:\n   h = h * 1000003 + len(k)\n else:\n  h = 5\n return h",
    "return": LOOP + " for k in x:\n  if len(k) == 3:\n   return int(t) ** 40\n return 1",
    "deleted": LOOP
    + " h = 0\n y = 1\n for k in x:\n  h = h * 1000003 + len(k)\n  if h > 10 ** 30:\n   y = 2\n return h, k, y",
    "unbound": LOOP + " h = 0\n for k in x:\n  h = h * 1000003 + len(k)\n del k\n return h, k",
    "several": LOOP
    + " h = 0\n g = 1\n for k in x:\n  h = h * 1000003 + len(k)\n  g += 1\n  w = g * 2.0\n a[1] = w\n return h, g, w",
}


@pytest.mark.parametrize("name", ISLANDS)
@pytest.mark.parametrize("count", [0, 2, 9])
def test_what_islands_make_may_be_large(name: str, count: int) -> None:
    f = define(f"def f(a, x):\n{ISLANDS[name]}\n", "f")
    check(f, np.arange(4.0), ["abc", "de"] * count, tier="mixed")


def test_globals_that_islands_change_to_another_type() -> None:
    source = (
        "scale = 2.0\ndef change(v):\n global scale\n scale = v\n"
        "def f(n, v):\n t = 0.0\n for i in range(n):\n  t += scale\n d = [change(v)]\n for i in range(n):\n  t += scale\n return t\n"
    )
    for value in (3.0, 4, np.float32(1.5), 1j):
        wanted = define(source, "f")(3, value)
        got = jit(define(source, "f"))(3, value)
        assert type(got) is type(wanted) and got == wanted
    with pytest.raises(TypeError, match="unsupported operand"):
        jit(define(source, "f"))(3, "x")


def test_methods_and_closures_go_on() -> None:
    source = (
        "class C:\n def __init__(self):\n  self.__v = 3\n"
        " def f(self, a, n):\n  t = 1\n  for i in range(n):\n   a[0] += 1\n   t = t * 1000003\n  return t, self.__v\n"
    )
    cls: Any = define(source, "C")
    f = jit(cls.f)
    a, b = np.zeros(2), np.zeros(2)
    assert f(cls(), a, 9) == cls().f(b, 9) and (a == b).all()
    source = "def outer(k):\n def f(a, n):\n  t = 1\n  for i in range(n):\n   a[0] += 1\n   t = t * k\n  return t\n return f\n"
    f = jit(define(source, "outer")(1000003))
    assert f(a, 9) == 1000003**9


def test_references_are_balanced() -> None:
    source = (
        "def f(a, b, n):\n z = np.zeros(3)\n v = b[1:]\n t = 1\n for x in b:\n  a[0] += 1\n  t = t * (n + 1000003)\n"
        " if n == 1:\n  raise ValueError('one')\n return z, v, t\n"
    )
    f = jit(define(source, "f"))
    a, b = np.zeros(2), np.zeros(9)

    def run() -> None:
        for i in range(2000):
            try:
                f(a, b, i % 2)
            except ValueError:
                pass

    run()
    before = sys.getrefcount(a), sys.getrefcount(b)
    run()
    assert before == (sys.getrefcount(a), sys.getrefcount(b))


def test_functions_that_went_on_die() -> None:
    source = (
        "def outer():\n def f(a, n):\n  t = 1\n  for i in range(n):\n   a[0] += 1\n   t = t * 1000003\n"
        "  return t if n > 0 else f(a, 9)\n return f\n"
    )
    outer = define(source, "outer")
    refs = []
    for _ in range(2):
        function = outer()
        assert jit(function)(np.zeros(1), 9) == 1000003**9
        refs.append(weakref.ref(function))
    del function
    gc.collect()
    assert [r() for r in refs] == [None, None]


CHANGES = {
    "shape": "def change(a):\n a.shape = (2, 2)\n",
    "dtype": "def change(a):\n a.dtype = np.int64\n",
    "flags": "def change(a):\n a.flags.writeable = False\n",
    "memory": "def change(a):\n a.resize(9, refcheck=False)\n",
    "global": "def change(a):\n global scale\n scale = 'ab'\n",
    "nothing": "def change(a):\n pass\n",
}

# `change` runs in an island: what native code has assumed does not hold behind it.
BEHIND = {
    "statement": " for x in a:\n  t += x\n d = [change(a)]\n b = a\n for x in a.flat:\n  t = t + x\n return t, a.shape, b is a, scale",
    "loop": " for i in range(3):\n  for y in u:\n   t += y\n  if t == 5.0:\n   d = [change(a)]\n return t, a.shape, scale",
    "test": " for x in a:\n  t += x\n if change(a) is None and len(u) == 3:\n  t += 1\n else:\n  t += 2\n t += 3\n return t, a.shape, scale",
    "while": " for x in a:\n  t += x\n while change(a) is None and t < 9.0 + x:\n  for y in u:\n   t += y\n return t, a.shape, scale",
    "iter": " for x in a:\n  t += x\n for x in things(a, 0):\n  for y in u:\n   t += y\n else:\n  t += 4\n return t, x, a.shape, scale",
    "next": " for x in things(a, 1):\n  for y in u:\n   t += y\n  if x == 7:\n   break\n else:\n  t += 4\n return t, x, a.shape, scale",
    "exhausted": " for x in things(a, 2):\n  for y in u:\n   t += y\n else:\n  t += 4\n return t, x, a.shape, scale",
    "exhausted-without-else": " for x in things(a, 2):\n  for y in u:\n   t += y\n t += 4\n return t, x, a.shape, scale",
    "dropped": " for x in things(a, 3):\n  for y in u:\n   t += y\n  if x == 2:\n   break\n else:\n  t += 4\n return t, x, a.shape, scale",
    "nested": " for k in things(a, 1):\n  for i in range(2):\n   for y in u:\n    t += y\n   for x in things(a, i):\n    for y in u:\n     t += y\n return t, x, k, a.shape, scale",
}

THINGS = (
    "scale = 2.0\ndef things(a, where):\n if where == 0:\n  change(a)\n try:\n  for i in range(1, 4):\n   if where == 1 and i == 2:\n"
    "    change(a)\n   yield i\n  if where == 2:\n   change(a)\n finally:\n  if where == 3:\n   change(a)\n"
)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", BEHIND)
def test_goes_on_behind_islands_that_change_arrays(name: str, change: str) -> None:
    source = f"{THINGS}{CHANGES[change]}def f(a, u):\n t = 0.0\n t += scale\n{BEHIND[name]}\n"
    outcomes = []
    for compiled in (False, True):
        f: Any = define(source, "f")
        a = np.arange(4.0) + 1
        try:
            outcomes.append(repr((jit(f) if compiled else f)(a, np.ones(3))))
        except Exception as e:
            outcomes.append(repr(e))
        outcomes[-1] += repr(a)
    assert outcomes[0] == outcomes[1]


def test_the_counter_of_enumerate_may_be_large() -> None:
    body = " t = 0\n for i, x in enumerate(a, n):\n  a[0] += 1\n  t = i\n return t, i"
    for n in (0, 2**63 - 3):
        resumed(body, np.arange(4.0), n)
    body = " a[0] += 1\n t = math.comb(n, n // 2) + math.factorial(n)\n return t, a[0]"
    for n in (0, 5, 21, 90):
        resumed(body, np.arange(4.0), n)
