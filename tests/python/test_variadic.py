"""Functions with `*args` and `**kwargs`: each call has a tuple and a dict of them, as in the interpreter."""

import gc
import sys
from typing import Any

import numpy as np
import pytest

from harness import check, define
from numlift import jit

LOOP = "\n    t = 0\n    for i in range(100):\n        t += i"

SOURCES = {
    "length": "def f(*args):\n    return len(args)\n",
    "sum": "def f(*args):\n    s = 0\n    for v in args:\n        s += v\n    return s\n",
    "returned": "def f(x, *args):\n    return x, args\n",
    "item": "def f(*args):\n    return args[-1]\n",
    "rest and named": "def f(x, *args, scale=2.0):\n    return x * scale + len(args)\n",
    "assigned": "def f(*args):\n    args = args[0] + 1\n    return args\n",
    "default": "def f(x, y=3, *args):\n    return x + y, args\n",
    "all": "def f(x, /, y=1, *rest, z=2, **more):" + LOOP + "\n    return x, y, rest, z, sorted(more), t\n",
    "keywords": "def f(x, **more):" + LOOP + "\n    return x + more.get('y', 0), more, t\n",
    "changed": "def f(**more):" + LOOP + "\n    more['t'] = t\n    return more\n",
}

CALLS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((), {}),
    ((1,), {}),
    ((1, 2), {}),
    ((1, 2.5, 3), {}),
    ((1.5, np.float32(2.5), True, 1j), {}),
    ((1,), {"y": 2}),
    ((1,), {"y": 2, "z": 3, "w": 4}),
    ((1, 2, 3), {"z": 3, "w": 4.0}),
    ((1, 2), {"x": 5}),
    ((1,), {"x": 5}),
    ((), {"x": 5}),
    ((1, 2), {"y": 5}),
    ((1, 2, 3, 4), {"scale": 0.5}),
    ((1,), {"scale": 1, "other": 2}),
    ((1, "text"), {}),
    ((1, [2, 3]), {"y": "text"}),
    ((2**80, 1), {}),
    (tuple(range(40)), {}),
]


@pytest.mark.parametrize("name", SOURCES)
def test_calls(name: str) -> None:
    f = define(SOURCES[name], "f")
    compiled = jit(f)
    for args, kwargs in CALLS * 2:
        check(f, *args, kwargs=dict(kwargs), compiled=compiled, tier=None)


def test_tiers() -> None:
    total = jit(define(SOURCES["sum"], "f"))
    assert total.tier(1, 2.5) == total.tier() == total.tier(np.float32(1), 2) == "native"
    assert jit(define(SOURCES["keywords"], "f")).tier(1, y=2) == "mixed"
    assert total(np.arange(3), 1).tolist() == [1, 2, 3]


def test_arrays_and_errors() -> None:
    f = define("def f(k, *arrays):\n    arrays[0][k] += 1\n    return arrays[1][k]\n", "f")
    for k in (0, -1, 3):
        check(f, k, np.zeros(3), np.arange(2.0))
        check(f, k, np.zeros(5))


def test_defaults_are_read_when_called() -> None:
    f = define("def f(x, *args, y=1):\n    return x + y + len(args)\n", "f")
    compiled = jit(f)
    assert compiled(1, 2, 3) == 4
    f.__kwdefaults__["y"] = 1.5
    assert compiled(1, 2, 3) == f(1, 2, 3) == 4.5


def test_methods_and_callers() -> None:
    source = """
class C:
    scale = 3
    def m(self, *args):
        t = 0.0
        for v in args:
            t += v
        return t * self.scale
def g(*args):
    return len(args)
def f(a, b):
    t = 0.0
    for i in range(50):
        t += a * i
    return t + g(a, b)
"""
    c = define(source, "C")
    method = c.m
    c.j = jit(method)
    for args in [(1, 2.0), (1,), ()]:
        assert c().j(*args) == c().m(*args)
    check(define(source, "f"), 1.5, 2, tier=None)


def test_references() -> None:
    compiled = jit(define(SOURCES["all"], "f"))
    marker = object()
    for _ in range(3):
        compiled(marker, 1, marker, w=marker)
    gc.collect()
    before = sys.getrefcount(marker)
    for _ in range(200):
        compiled(marker, 1, marker, w=marker)
    assert sys.getrefcount(marker) == before
