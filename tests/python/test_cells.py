"""Variables that compiled code shares with functions and generators which outlive their statement, and code that looks at
its own frame."""

import gc
import random
import sys
from typing import Any

import numpy as np
import pytest
from capture_programs import Captures
from island_programs import program
from island_runs import PRELUDE, calls, differences

from harness import FAKE, check, define, jit

pytestmark = pytest.mark.skipif(FAKE, reason="needs the compiler")

LOOP = " t = 0.0\n for x in a:\n  t += x\n"
NATIVE = " for x in a:\n  t += x * 0.5\n"

SHARED = {
    "loop variable": " g = []\n for i in range(3):\n  for x in a:\n   t += x * i\n  g.append(lambda: i)\n return t, [h() for h in g]",
    "accumulator": " g = [lambda: t]\n r = g[0]()\n"
    + NATIVE
    + " s = g[0]()\n"
    + NATIVE
    + " return r, s, t, g[0]()",
    "counter": " n = 0\n def key(z):\n  nonlocal n\n  n += 1\n  return -z\n l.sort(key=key)\n"
    + NATIVE
    + " return l, n, t",
    "written between": " n = 1\n def add(z):\n  nonlocal n\n  n += z\n  return n\n l.append(add)\n n = 10\n"
    + NATIVE
    + " r = l[-1](3)\n n *= 2\n l.pop()\n return r, n, t",
    "written by an inner one": " n = 1\n def out():\n  def put():\n   nonlocal n\n   n = t\n  return put\n l.append(out())\n"
    + NATIVE
    + " l.pop()()\n return n, t",
    "written by a method": " n = 1\n class K:\n  def put(self):\n   nonlocal n\n   n += 1\n k = K()\n k.put()\n"
    + NATIVE
    + " k.put()\n return n, t",
    "written by a method of an inner class": " n = 1\n def out():\n  class K:\n   def put(self):\n    nonlocal n\n    n += 1\n  return K()\n"
    " k = out()\n k.put()\n" + NATIVE + " k.put()\n return n, t",
    "before it is bound": " h = [lambda: late]\n try:\n  h[0]()\n except NameError as e:\n  r = str(e)\n late = t\n"
    + NATIVE
    + " return r, h[0](), t",
    "deleted": " k = t\n h = [lambda: k]\n"
    + NATIVE
    + " del k\n try:\n  h[0]()\n except NameError as e:\n  r = type(e), str(e)\n try:\n  k\n except NameError as e:\n  q = type(e), str(e)\n return r, q, t",
    "deleted by it": " k = t\n def drop():\n  nonlocal k\n  del k\n l.append(drop)\n l.pop()()\n"
    + NATIVE
    + " try:\n  l.append(k)\n except NameError as e:\n  q = type(e), str(e)\n try:\n  del k\n except NameError as e:\n  q = q, type(e), str(e)\n return q, t",
    "unbound where it is added to": " def drop():\n  nonlocal k\n  k = 1\n  del k\n l.append(drop)\n k = 2\n"
    + NATIVE
    + " l.pop()()\n k += t\n return k",
    "generator": " k = 1\n g = (z * k for z in l)\n k = 2\n r = next(g)\n"
    + NATIVE
    + " k = t\n return r, list(g), t",
    "generator that binds": " q = 0\n g = ((q := z) for z in l)\n next(g)\n r = q\n"
    + NATIVE
    + " next(g)\n return r, q, t",
    "map": " k = 1\n g = map(lambda z: z + k, l)\n k = 2\n" + NATIVE + " return list(g), t",
    "parameter": " g = [lambda: b]\n r = g[0]()\n b = b * 2\n" + NATIVE + " return r, g[0](), t",
    "written parameter": " def put():\n  nonlocal b\n  b = [b]\n l.append(put)\n"
    + NATIVE
    + " l.pop()()\n return b, t",
    "recursion": " def down(n):\n  return [n, down(n - 1)] if n else k\n k = t\n l.append(down)\n"
    + NATIVE
    + " k = t\n return l.pop()(3)",
    "array": " v = a[1:]\n g = [lambda: v]\n"
    + NATIVE
    + " v[0] = 9.0\n v = a[:2]\n"
    + NATIVE
    + " return g[0](), t, v is g[0]()",
    "list": " v = [1, b]\n g = [lambda: v]\n v.append(t)\n" + NATIVE + " v = [2]\n return g[0](), t",
    "handler": " for i in range(4):\n  g = [lambda: (i, k)]\n  try:\n   k = i\n   for x in a:\n    t += x / (2 - i)\n   k = t\n"
    "  except ZeroDivisionError as e:\n   l.append((g[0](), str(e)))\n return t, l",
    "handler's name": " g = [lambda: e]\n for i in range(3):\n  try:\n   t += 1 // (1 - i)\n  except ZeroDivisionError as e:\n   l.append(str(g[0]()))\n"
    " try:\n  g[0]()\n except NameError as q:\n  l.append(str(q))\n return t, l",
    "name in its handler": " for i in range(3):\n  try:\n   t += 1 // (1 - i)\n  except ZeroDivisionError as e:\n   l.append(lambda: e)\n   r = str(l[-1]())\n"
    + NATIVE
    + " try:\n  l.pop()()\n except NameError as q:\n  l.append(str(q))\n return t, l, r",
    "name in its handler, once": " try:\n  for x in a:\n   t += 1 // (len(l) - b)\n   t += a[len(a)]\n except (ZeroDivisionError, IndexError) as e:\n  l.append(lambda: e)\n"
    + NATIVE
    + " try:\n  l.pop()()\n except NameError as q:\n  l.append(str(q))\n return t, l",
    "test": " k = 1\n if not l.append(lambda: k):\n  k = 2\n  for x in a:\n   t += x\n else:\n  for x in a:\n   t -= x\n return l.pop()(), t",
    "test of a loop": " k = 1\n while not l.append(lambda: k) and k < 4:\n  for x in a:\n   t += x\n  k += 1\n return [l.pop()() for _ in range(4)], t",
    "bound on one way": " if b > 8:\n  k = d = {}\n l.append(lambda: k)\n try:\n  l.pop()()\n except NameError as q:\n  l.append(str(q))\n"
    + NATIVE
    + " return t, l",
    "iterable": " k = 1\n for z in [lambda: k, lambda: k]:\n  for x in a:\n   t += x\n  k = 2\n  t += z()\n return t",
    "target of a loop over objects": " g = [lambda: (k, i)]\n for i, k in enumerate(l):\n"
    + "  for x in a:\n   t += x * i\n  t += g[0]()[0]\n return t, g[0]()",
    "written target": " def put():\n  nonlocal k\n  k = 0\n  return 1\n for k in range(3):\n  for x in a:\n   t += x\n  l.append((k, put(), k))\n return t, l, k",
    "while": " i = 0\n g = [lambda: i]\n while g[0]() < 3:\n  i += 1\n  for x in a:\n   t += x\n return t, i",
    "break": " g = [lambda: i]\n for i in range(5):\n  for x in a:\n   t += x\n  with np.errstate():\n   if g[0]() == 2:\n    break\n return t, g[0]()",
    "return": " for i in range(5):\n  for x in a:\n   t += x\n  l.append(lambda: (i, t))\n  if len(l) == 5:\n   return l.pop()(), l.pop()()",
    "default": " k = 1\n g = [lambda z=k: (z, k)]\n k = 2\n" + NATIVE + " return g[0](), t",
    "class body": " k = 1\n class K:\n  z = k\n  y = [k for _ in range(2)]\n k = 2\n"
    + NATIVE
    + " return K.z, K.y, t",
    "big integers": " p = 3\n g = [lambda: p]\n l.append(1)\n for i in range(60):\n  p *= 3\n"
    + NATIVE
    + " l.append(g[0]())\n return p, l, t",
    "big integers in a compiled loop": " p = 3\n l.append(lambda: p)\n for i in range(60):\n  p *= 3\n"
    + NATIVE
    + " return p, l.pop()(), t",
}


@pytest.mark.parametrize("name", SHARED)
def test_shared_variables(name: str) -> None:
    f = define(f"def f(a, l, b):\n{LOOP}{SHARED[name]}\n", "f")
    check(f, np.arange(5.0), [3, 1, 2], 7, tier=None)
    assert jit(f).tier(np.arange(5.0), [3, 1, 2], 7) == "mixed"


def test_a_function_that_is_kept_sees_what_a_failed_call_has_left() -> None:
    """Native code raises; its variables are in the cells nevertheless."""
    source = (
        "def f(a, kept, n):\n t = 0.0\n kept.append(lambda: (t, i))\n for i in range(9):\n  for x in a:\n   t += x\n"
        "  t += 1 // (n - i)\n return t\n"
    )
    f = define(source, "f")
    g = jit(f)
    for n in (4, 6, 20):
        want: list[Any] = []
        got: list[Any] = []
        for function, kept in ((f, want), (g, got)):
            for _ in range(3):
                try:
                    kept.append(function(np.arange(3.0), kept, n))
                except ZeroDivisionError as error:
                    kept.append(str(error))
        results = [[v() if callable(v) else v for v in kept] for kept in (want, got)]
        assert repr(results[0]) == repr(results[1])
    assert g.tier(np.arange(3.0), [], 4) == "mixed"


def test_private_names_in_methods() -> None:
    source = (
        "class K:\n def f(self, a):\n  t = 0.0\n  __k = 1\n  h = [lambda: __k]\n  for x in a:\n   t += x\n  r = h[0]()\n"
        "  __k = 2\n  del __q\n  return t, r, h[0]()\n  __q = 1\n def g(self, a):\n  t = 0.0\n  __k = 1\n  h = [lambda: __k]\n"
        "  for x in a:\n   t += x\n  __k = 2\n  return t, h[0]()\nf = K.f\ng = K.g\n"
    )
    check(define(source, "g"), None, np.arange(3.0), tier="mixed")


def test_references_are_balanced() -> None:
    source = (
        "def f(a, o, n):\n t = 0.0\n k = o\n g = [lambda: (k, t)]\n def put():\n  nonlocal m\n  m = [m, o]\n m = o\n"
        " for x in a:\n  t += x\n k = (o, t)\n l = [put]\n l[0]()\n for i in range(4):\n  k = o\n  t += 1 // (n - i)\n"
        " del k\n return m, t, g\n"
    )
    g = jit(define(source, "f"))
    o, a = object(), np.arange(4.0)

    def run() -> None:
        for n in (9, 2):
            try:
                g(a, o, n)
            except ZeroDivisionError:
                pass

    def counts() -> tuple[int, ...]:
        gc.collect()
        return sys.getrefcount(o), sys.getrefcount(a), len(gc.get_objects())

    for _ in range(20):
        run()
    before = counts()
    for _ in range(10_000):
        run()
    after = counts()
    assert before[:2] == after[:2] and abs(after[2] - before[2]) < 50
    assert g.tier(a, o, 9) == "mixed"


FRAMES = {
    "locals": (" return locals()", "mixed"),
    "order": (" return list(locals())", "mixed"),
    "kept": (" d = locals()\n d['z'] = 1\n t = 5\n return d, t", "mixed"),
    "free variables": (" return sorted(locals()), eval('c + t')", "mixed"),
    "vars": (" return vars()", "mixed"),
    "vars of an object": (" return vars(np)['pi'], t", "mixed"),
    "dir": (" if n > 5:\n  q = 1\n return dir(), locals()", "mixed"),
    "unbound": (" if 'q' in locals():\n  return 1\n q = 5\n return locals()", "mixed"),
    "eval": (" return eval('t + n')", "mixed"),
    "text": (" e = 'a.sum() + t'\n return eval(e)", "mixed"),
    "eval elsewhere": (" return eval('n', {'n': 4}), t", "mixed"),
    "exec": (" exec('t = 77')\n return t", "mixed"),
    "loop": (
        " for k in range(3):\n  for x in a:\n   t += x * k\n  n += len(locals())\n return n, t",
        "mixed",
    ),
    "test": (" while eval('n > 0'):\n  n -= 1\n  for x in a:\n   t += x\n return t", "mixed"),
    "format": (" return '%(t)s %(n)s' % locals(), '{t} {n}'.format(**locals())", "mixed"),
    "f-string": (" return f'{t} {sorted(locals())}'", "mixed"),
    "handler": (
        " try:\n  y = sorted(locals())\n  1 // 0\n except ZeroDivisionError as e:\n  return sorted(locals()), y",
        "mixed",
    ),
    "walrus": (" c = [g := 3, locals()]\n return c", "mixed"),
    "comprehension": (" return [sorted(locals()) for q in range(2)]", "mixed"),
    "of a lambda": (" return (lambda: locals())(), t", "mixed"),
    "captured": (" g = [lambda: n]\n n = 7\n return sorted(locals()), g[0]()", "mixed"),
    "line": (" import sys\n return sys._getframe().f_lineno, t", "mixed"),
    "kept twice": (" d = locals()\n q = 1\n locals()\n return sorted(d)", "interpreter"),
    "changed in a loop": (" for k in range(2):\n  exec('n = k')\n return eval('n')", "interpreter"),
    "value": (" look = locals\n return look()", "interpreter"),
    "frame": (" import sys\n g = sys._getframe()\n return g.f_locals['t']", "interpreter"),
    "shared and unbound": (
        " if n > 5:\n  q = 1\n g = [lambda: q]\n q = 2\n del q\n return sorted(locals()), q",
        "interpreter",
    ),
}


@pytest.mark.parametrize("name", FRAMES)
def test_code_that_looks_at_its_own_frame(name: str) -> None:
    body, tier = FRAMES[name]
    inner = f"def f(a, n):\n{LOOP}{body}\n".replace("\n", "\n ")
    f = define(f"def make():\n c = 3\n {inner}\n return f\n", "make")()
    check(f, np.arange(5.0), 3, tier=None)
    assert jit(f).tier(np.arange(5.0), 3) == tier


def test_super() -> None:
    source = (
        "class B:\n def m(self, a, n):\n  return n + 1\n"
        "class C(B):\n def __eq__(self, other):\n  return type(self) is type(other)\n def m(self, a, n):\n  t = 0.0\n  for x in a:\n   t += x\n  return super().m(a, n) + t\n"
        " def k(self, a, n):\n  t = 0.0\n  for x in a:\n   t += x\n  return sorted(locals()), super().m(a, n), __class__.__name__\n"
        " def s(self, a, n):\n  t = 0.0\n  for x in a:\n   t += x\n  self = C()\n  del self\n  return super().m(a, n)\n"
        "make = C\nm = C.m\nk = C.k\ns = C.s\n"
    )
    for name in "mks":
        f = define(source, name)
        check(f, f.__globals__["C"](), np.arange(5.0), 3, tier="mixed")


def test_nested_functions_that_are_never_bound() -> None:
    source = "def f(n):\n if 2 == 1:\n  def g(): pass\n if g():\n  n += 1\n return n\n"
    check(define(source, "f"), 1, tier=None)


@pytest.mark.parametrize("seed", range(40))
def test_programs(seed: int) -> None:
    source = program(random.Random(seed), Captures)
    try:
        compile(source, "<program>", "exec")
    except SyntaxError:
        return
    found = differences(source, calls(seed))
    assert not found, source[len(PRELUDE) :]
