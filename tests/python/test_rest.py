"""First calls that the interpreter begins and machine code goes on with, from a loop on."""

import gc
import traceback
import weakref
from typing import Any

import numpy as np
import pytest

from harness import FAKE, check, define, jit

pytestmark = [
    pytest.mark.skipif(FAKE, reason="needs the compiler"),
    pytest.mark.filterwarnings("ignore::numlift.NumliftFallbackWarning"),
]

LOOP = " t = 0.0\n for i in range(a.size):\n  t += a[i] * s\n"


def rests(compiled: Any) -> list[str]:
    """The signatures of what calls went on with."""
    found = compiled.report().data()["functions"][0]["specializations"]
    return [s["signature"] for s in found if "from line" in s["signature"]]


LEFT = {
    "item": " s = d['s']\n" + LOOP + " return t",
    "docstring and comment": " 'Text.'\n # more\n s = d['s']\n\n" + LOOP + " return t",
    "two names of one value": " s = r = d['s']\n" + LOOP + " return t, r, s",
    "several lines": ' s = d[\n"s"\n]\n x = """\nfor\n"""\n' + LOOP + " return t, x",
    "unpacked": " s, (r, *q) = d['l']\n" + LOOP + " return t, r, q",
    "comprehension before": " s = max([i for i in d['l'] if isinstance(i, float)])\n" + LOOP + " return t, s",
    "same variable twice": " u = 0\n for i in d:\n  u += 1\n s = d['s']\n" + LOOP + " return t, u",
    "import": " import math as m\n s = d['s']\n" + LOOP + " return m.sqrt(t)",
    "while": " s = d['s']\n i = 0\n t = 1.0\n while i < a.size:\n  t = t * 0.5 + a[i] * s\n  i += 1\n return t",
    "islands in the rest": " s = d['s']\n d['n'] = 0\n"
    + LOOP
    + " for k in range(3):\n  d['n'] += 1\n  t += k\n return t, f'{t}'",
    "no result": " s = d['s']\n for i in range(a.size):\n  a[i] *= s\n",
    "annotated": " s: object = d['s']\n" + LOOP + " return t",
    "default": " s = d['s'] if a.size else 1\n" + LOOP + " return t",
    "returns in the loop": " s = d['s']\n for i in range(a.size):\n  if a[i] > s:\n   return i, s\n return -1",
    "text": " s = d['s']\n k = d['k']\n" + LOOP + " return k, t, k == 'x'",
}


@pytest.mark.parametrize("name", LEFT)
def test_a_call_goes_on(name: str) -> None:
    f = define(f"def f(d, a):\n{LEFT[name]}\n")
    d = {"s": 2.5, "l": [0.5, (1, 2.5, "x")], "k": "x"}
    if name == "comprehension before":
        d["l"] = [0.5, 1]
    compiled = jit(f)
    check(f, d, np.arange(6.0), tier=None, compiled=compiled)
    assert rests(compiled), name
    for other in ({**d, "s": 3}, {**d, "s": True}, {**d, "s": np.float32(2)}, {**d, "s": "w"}, {}):
        fresh = jit(f)
        for _ in range(3):
            check(f, other, np.arange(6.0), tier=None, compiled=fresh, repeat=1)


KEPT = {
    "nested function": " def g(x):\n  return x + 1\n s = d['s']\n" + LOOP + " return g(t)",
    "unbound": " if d['n']:\n  s = 2.0\n t = 0.0\n for i in range(a.size):\n  t += a[i] * s\n return t, d['s']",
    "deleted": " s = d['s']\n u = 1\n del u\n" + LOOP + " return t, u",
    "cells": " s = d['s']\n" + LOOP + " return (lambda: t + s)()",
    "frame": " s = d['s']\n" + LOOP + " return sorted(locals())",
    "identity": " s = d['s']\n r = d['s']\n" + LOOP + " return r is s",
    "id": " s = d['s']\n q = id(s)\n" + LOOP + " return q == id(s)",
    "one line": " s = d['s']; t = 0.0\n if 1:\n  for i in range(a.size): t += a[i] * s\n return t",
}


@pytest.mark.parametrize("name", KEPT)
def test_a_call_that_stays_in_the_interpreter(name: str) -> None:
    """Where the rest could differ it is not taken."""
    f = define(f"def f(d, a):\n{KEPT[name]}\n")
    for n in (0, 1):
        compiled = jit(f)
        check(f, {"s": 2.5, "n": n}, np.arange(6.0), tier=None, compiled=compiled)
        assert not rests(compiled)


def test_tracebacks_show_one_frame() -> None:
    source = "def f(d, a):\n s = d['s']\n t = 0.0\n for i in range(9):\n  t += a[i] * s\n return t\n"
    f = define(source)
    compiled = jit(f)
    with pytest.raises(IndexError) as e:
        compiled({"s": 2.0}, np.ones(4))
    with pytest.raises(IndexError) as plain:
        f({"s": 2.0}, np.ones(4))
    found, expected = ([(x.name, x.lineno) for x in traceback.extract_tb(e.tb)[1:]] for e in (e, plain))
    assert found == expected == [("f", 5)] and rests(compiled)


def test_integers_that_grow_beyond_64_bits_in_the_rest() -> None:
    f = define("def f(d, n):\n x = d['x']\n for i in range(n):\n  x = x * 3 + i\n d['y'] = x\n return x\n")
    compiled = jit(f)
    d: dict[str, int] = {"x": 1}
    assert compiled(d, 100) == f({"x": 1}, 100) == d["y"] and rests(compiled)
    wide = {"x": 2**80}
    assert jit(f)(wide, 5) == f({"x": 2**80}, 5)


def test_methods_arguments_and_recursion() -> None:
    source = """
class C:
    rate = 0.5

    def f(self, a, *rest, scale=2, **more):
        s = self.settings["s"] * scale
        t = 0.0
        for i in range(a.size):
            t += a[i] * s
        if rest:
            return self.f(a, *rest[1:], scale=1) + t
        return t + more.get("plus", 0)
"""
    namespace: dict[str, Any] = {}
    c = define(source, "C", **namespace)
    instance = c()
    instance.settings = {"s": 1.5}
    a = np.arange(10.0)
    calls = [((a,), {}), ((a, 1, 2), {"plus": 3}), ((a,), {"scale": 4, "plus": 1})]
    expected = [instance.f(*args, **kwargs) for args, kwargs in calls]
    c.f = jit(c.f)
    assert [instance.f(*args, **kwargs) for args, kwargs in calls] == expected
    assert rests(c.f)


def test_interpreted_objects_and_functions_are_collected() -> None:
    class Settings(dict[str, float]):
        pass

    f = define("def f(d, a):\n" + LEFT["item"] + "\n")
    compiled = jit(f)
    f.__globals__["f"] = compiled
    d = Settings(s=2.0)
    compiled(d, np.ones(3))
    assert rests(compiled)
    references = [weakref.ref(d), weakref.ref(compiled), weakref.ref(f)]
    del d
    gc.collect()
    assert references[0]() is None
    f.__globals__.clear()
    del f, compiled
    gc.collect()
    assert [r() for r in references] == [None] * 3
