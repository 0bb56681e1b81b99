"""Loops over objects whose bodies are compiled: the interpreter iterates."""

import sys
import traceback
from typing import Any

import numpy as np
import pytest

from harness import FAKE, check, compare, define, jit, outcome, same

pytestmark = pytest.mark.skipif(FAKE, reason="needs the compiler")

ARRAY = np.arange(12.0).reshape(3, 4)

INNER = "   for i in range(a.shape[0]):\n    for j in range(a.shape[1]):\n     t += a[i, j]\n"
DEEPER = INNER.replace("   ", "    ", 1).replace("\n ", "\n  ")

BODIES = {
    "list": f"for x in d:\n{INNER}  return t, x",
    "items": f"for k, v in {{1: 2, 3: 'x'}}.items():\n{INNER}   note(k, v, t)\n  return t, k, v",
    "break": f"for x in gen(5):\n{INNER}   if t > 100:\n    break\n  note('after')\n  return t, G",
    "else": f"for x in gen(3):\n{INNER}  else:\n   note('else')\n   t += G\n  return t, x",
    "return": f"for y in gen(5):\n   for x in gen(2):\n{DEEPER}    if t > 200:\n     return t, x, y\n  return t",
    "return-object": f"for x in gen(5):\n{INNER}   if t > 100:\n    return [t]\n  return t",
    "return-in-try": f"for x in gen(5):\n{INNER}   try:\n    return d[x + 1]\n   finally:\n    note('finally')\n  return t",
    "continue": f"for x in d:\n{INNER}   if t > 100:\n    continue\n   note(x)\n  return t",
    "unpacking-fails": f"for x, y in [(1, 2), (3,)]:\n{INNER}  return t, x, y",
    "starred": f"for x, *y in ['abc', (1,)]:\n{INNER}   note(x, y)\n  return t",
    "no-iterable": f"for x in q:\n{INNER}  return t",
    "own-iterator": f"for x in Own():\n{INNER}  return t, x",
    "raises": f"for x in gen(3):\n{INNER}   if x == 1:\n    raise ValueError(x)\n  return t",
    "raises-natively": f"for x in gen(3):\n{INNER}   if t > 100:\n    t += a[9, 9]\n  return t",
    "next-raises": f"for x in gen(-1):\n{INNER}  return t",
    "empty": f"for x in []:\n{INNER}  return t, x",
    "global-target": f"for H in d:\n{INNER}  return t, H",
    "global-read": f"for x in gen(3):\n{INNER}   t += G\n   if t > 100:\n    break\n  t += G\n  return t",
    "rebound": f"x = 1\n  for x in d:\n{INNER}  return t, x",
    "iterated-changes": f"for x in d:\n{INNER}   if len(d) < 6:\n    d.append(x)\n  return t, d",
    "overflow": f"n = 1\n  for x in [1, 2, 3]:\n{INNER}   note(x)\n   for k in range(30):\n    n = n * 3\n  return t, n",
}

HELPERS = """
LOG, G, H = [], 3, None
def note(*args):
 LOG.append(repr(args))
def gen(n):
 global G
 if n < 0:
  raise KeyError(n)
 try:
  for i in range(n):
   yield i
 finally:
  G += 1
  note('closed')
class Next:
 n = 3
 def __next__(self):
  self.n -= 1
  if self.n < 0:
   raise StopIteration
  return self.n
class Own:
 def __iter__(self):
  note('iter')
  return Next()
"""


@pytest.mark.parametrize("name", BODIES)
def test_iteration_over_objects(name: str) -> None:
    source = f"{HELPERS}def f(a, d, q):\n  global H\n  t = 0.0\n  {BODIES[name]}\n"
    if name != "global-target":
        source = source.replace("  global H\n", "")
    f, plain = define(source, "f"), define(source, "f")
    g = jit(f)
    args = (ARRAY, [1, 2.5, "s"], 5)
    for _ in range(3):
        want, got = outcome(plain, args), outcome(g, args)
        compare(want, got, set())
        for k in ("LOG", "G", "H"):
            assert same(plain.__globals__[k], f.__globals__[k])
        if want.error is not None and got.error is not None:
            frames = [
                [(s.name, s.lineno) for s in traceback.extract_tb(e.__traceback__)[1:]]
                for e in (want.error, got.error)
            ]
            assert frames[0] == frames[1]
    assert g.tier(*args) == "mixed"


def test_iterators_die_with_their_loops() -> None:
    source = (
        "def f(a, d, way):\n t = 0.0\n for x in d:\n  for i in range(9):\n   for j in range(9):\n    t += a[0, 0]\n"
        "  if way == 1:\n   break\n  if way == 2:\n   return t\n  if way == 3:\n   t += a[9, 9]\n return t\n"
    )
    f = jit(define(source, "f"))
    item = object()
    d = [item] * 3

    def run(n: int, way: int) -> None:
        for _ in range(n):
            try:
                f(ARRAY, d, way)
            except IndexError:
                pass

    for way in range(4):
        run(10, way)
        before = sys.getrefcount(item), sys.getrefcount(d)
        run(1000, way)
        assert (sys.getrefcount(item), sys.getrefcount(d)) == before
    assert f.tier(ARRAY, d, 1) == "mixed"


def test_views_are_one_object() -> None:
    source = (
        "def f(d, a):\n v = a[1:]\n d['v'] = v\n t = 0.0\n for i in range(v.shape[0]):\n  t += v[i, 0]\n"
        " d['same'] = d['v'] is v\n for row in a:\n  for j in range(4):\n   t += row[j]\n"
        "  d['row'] = row\n  d['rows'] = d['row'] is row\n return t, v is d['v']\n"
    )
    empty: dict[str, Any] = {}
    check(define(source, "f"), empty, ARRAY, tier="mixed")
