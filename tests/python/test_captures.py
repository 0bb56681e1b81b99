"""Nested functions and generators in islands: which may outlive their statement, so that later assignments show."""

from typing import Any

import numpy as np
import pytest

from harness import FAKE, check, define, jit

pytestmark = pytest.mark.skipif(FAKE, reason="needs the compiler")

LOOPED = " for x in a:\n  t += x\n"

# `k` is assigned again behind a function or generator that uses it; only what may outlive its statement needs that.
CAPTURES = {
    "sorted": (
        " t = 0.0\n" + LOOPED + " l = sorted(l, key=lambda z: -z)\n l = [1, *l]\n return l, t",
        "mixed",
    ),
    "sorted2": (
        " t = 0.0\n k = 3\n" + LOOPED + " l = sorted(l, key=lambda z: z % k)\n k = 4\n return l, t, k",
        "mixed",
    ),
    "sumgen": (
        " t = 0.0\n k = 2\n" + LOOPED + " d = sum(z * k for z in l)\n k = 4\n return d, t, k",
        "mixed",
    ),
    "inloop": (
        " t = 0.0\n d = 0\n for i in range(3):\n  for x in a:\n   t += x\n  d += sum(z * i for z in l)\n  e = any(z > d for z in l)\n return d, t, e",
        "mixed",
    ),
    "dict": (
        " t = 0.0\n" + LOOPED + " d = {'x': sorted(l, key=lambda z: -z), 'y': l}\n l = 5\n return d, t",
        "mixed",
    ),
    "fstring": (
        " t = 0.0\n" + LOOPED + " d = f'{sorted(l, key=lambda z: -z)} {t}'\n t = 5\n return d, t",
        "mixed",
    ),
    "comp": (" t = 0.0\n k = 1\n" + LOOPED + " d = [z + k for z in l]\n k = 7\n return d, t, k", "mixed"),
    "join": (
        " t = 0.0\n k = 1\n" + LOOPED + " s = ','.join(str(z + k) for z in l)\n k = 7\n return s, t",
        "mixed",
    ),
    "map": (
        " t = 0.0\n k = 1\n" + LOOPED + " s = list(map(lambda z: z + k, l))\n k = 7\n return s, t",
        "mixed",
    ),
    "sort": (
        " t = 0.0\n k = 1\n" + LOOPED + " l.sort(key=lambda z: z % k)\n k = 7\n return l, t",
        "mixed",
    ),
    "lazymap": (
        " t = 0.0\n k = 1\n" + LOOPED + " s = map(lambda z: z + k, l)\n k = 7\n return list(s), t",
        "mixed",
    ),
    "lazyzip": (
        " t = 0.0\n k = 1\n" + LOOPED + " s = enumerate(z + k for z in l)\n k = 7\n return list(s), t",
        "mixed",
    ),
    "maxlist": (
        " t = 0.0\n k = 1\n" + LOOPED + " s = max([lambda: k], key=lambda h: h())\n k = 7\n return s(), t",
        "mixed",
    ),
    "minkey": (
        " t = 0.0\n for j in range(3):\n  for x in a:\n   t += x\n  b = min(l, key=lambda z: abs(z - t))\n return b, t",
        "mixed",
    ),
    "returned": (
        " t = 0.0\n k = 1\n"
        + LOOPED
        + " h = list(map(lambda z: lambda: z + k, l))\n k = 7\n return [g() for g in h], t",
        "mixed",
    ),
    "yielded": (
        " t = 0.0\n k = 1\n"
        + LOOPED
        + " h = list((lambda: z + k) for z in l)\n k = 7\n return [g() for g in h], t",
        "mixed",
    ),
    "rebound": (
        " t = 0.0\n k = 2\n"
        + LOOPED
        + " d = sum(z * k for z in l)\n d += max([3, 5], key=lambda z: k)\n k = 4\n return d, t, k",
        "mixed",
    ),
}


@pytest.mark.parametrize("name", CAPTURES)
def test_functions_and_generators_that_are_used_up(name: str) -> None:
    body, tier = CAPTURES[name]
    f = define(f"def f(a, l):\n{body}\n", "f")
    check(f, np.arange(5.0), [3, 1, 2], tier=tier)


def test_a_generator_that_is_used_up_binds_variables() -> None:
    body = (
        " t = 0.0\n q = 1\n"
        + LOOPED
        + " d = any((q := z) > 2 for z in l)\n for x in a:\n  t += x * q\n q = 5\n return d, t, q"
    )
    f = define(f"def f(a, l):\n{body}\n", "f")
    for items in ([], [1, 2], [1, 3, 2]):
        check(f, np.arange(5.0), items, tier=None)


def test_a_nested_function_unbinds_a_variable_in_a_suppressed_exception() -> None:
    source = (
        "import contextlib\ndef f(a):\n t = 0.0\n q = 1\n for x in a:\n  t += x\n def d():\n  nonlocal q\n  del q\n"
        "  raise ValueError\n with contextlib.suppress(ValueError):\n  d()\n  q = 2\n for x in a:\n  t += x\n return t, q\n"
    )
    check(define(source, "f"), np.arange(4.0), tier=None)


def test_a_builtin_that_keeps_a_generator_is_another_one() -> None:
    source = (
        "kept = []\ndef f(a, l, other):\n t = 0.0\n k = 2\n for x in a:\n  t += x\n d = sum(z * k for z in l)\n k = 4\n"
        " return d, t, k\ndef keep(g):\n kept.append(g)\n return 0\n"
    )
    f: Any = define(source, "f")
    g = jit(f)
    a = np.arange(3.0)
    assert g(a, [1, 2], None) == (6, 3.0, 4) and g.tier(a, [1, 2], None) == "mixed"
    f.__globals__["sum"] = f.__globals__["keep"]
    assert g(a, [1, 2], None) == (0, 3.0, 4)
    assert list(f.__globals__["kept"][0]) == [4, 8]
