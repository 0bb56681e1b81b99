"""Plain functions that islands call: loops in them are compiled, and everything else is as if they were not."""

import gc
import sys
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compiled import alone, compile_, needs_stub
from harness import FAKE, check, define, jit

pytestmark = pytest.mark.skipif(FAKE, reason="needs the compiler")

PLAIN = "def solve(a, n, scale=0.5):\n t = 0.0\n for k in range(n):\n  for x in a:\n   t += x * scale / (4 - k)\n return t\n"
LOOP = " s = 0.0\n for x in a:\n  s += x\n"

CALLS = {
    "argument": " return repr(solve(a, n)), s",
    "list": " l.append(solve(a, n))\n return l, s",
    "comprehension": " return [solve(a, k) for k in range(n)], s",
    "keywords": " return repr(solve(n=n, a=a, scale=2)), repr(solve(a, *[n]))",
    "handler": " try:\n  l.append(solve(a, n + 3))\n except ZeroDivisionError as e:\n  l.append(str(e))\n return l, s",
    "raised": " l.append(solve(a, n + 3))\n return l, s",
    "wrong arguments": " l.append(solve(a))\n return l, s",
    "value": " g = [solve]\n return g[0] is solve, repr(solve(a, n)), solve.__name__",
    "shadowed": " return [solve(a, n) for solve in (len, max) if solve is len], s".replace(
        "solve(a, n)", "solve(a)"
    ),
    "assigned": " l.append(solve(a, n))\n solve.count = 1\n return l, solve.count",
    "captured": " k = 1\n h = [lambda: k]\n k = solve(a, len(l))\n return h[0](), s",
    "locals": " return sorted(locals()), repr(solve(a, n))",
}


@pytest.mark.parametrize("name", CALLS)
def test_calls(name: str) -> None:
    f = define(f"{PLAIN}def f(a, l, n):\n{LOOP}{CALLS[name]}\n", "f")
    check(f, np.arange(5.0), [1, 2], 3, tier=None, repeat=4)
    assert jit(f).tier(np.arange(5.0), [1, 2], 3) == "mixed"


def test_functions_that_change() -> None:
    f = define(f"{PLAIN}def f(a, l, n):\n{LOOP} l.append(solve(a, n))\n return l[-1]\n", "f")
    solve = f.__globals__["solve"]
    g, a = jit(f), np.arange(5.0)

    def same() -> None:
        for _ in range(3):
            want, got = f(a, [], 3), g(a, [], 3)
            assert repr(want) == repr(got)

    same()
    solve.__defaults__ = (2.0,)
    same()
    solve.__code__ = define(PLAIN.replace("t = 0.0", "t = 1.0"), "solve").__code__
    same()
    f.__globals__["solve"] = define(PLAIN.replace("t = 0.0", "t = 2"), "solve")
    same()
    f.__globals__["solve"] = lambda a, n: "another"
    same()


def test_loops_are_compiled() -> None:
    """A call counts lines of the interpreter: none of the loop's."""
    f = define(f"{PLAIN}def f(a, l, n):\n{LOOP} l.append(solve(a, n))\n return l[-1]\n", "f")
    g = jit(f)
    lines: list[int] = []

    def trace(frame: Any, event: str, _: Any) -> Any:
        if frame.f_code.co_name == "solve" and event == "line":
            lines.append(frame.f_lineno)
        return trace

    for _ in range(3):
        g(np.arange(50.0), [], 3)
    sys.settrace(trace)
    try:
        g(np.arange(50.0), [], 3)
    finally:
        sys.settrace(None)
    assert not lines


def test_functions_are_freed() -> None:
    f = define(f"{PLAIN}def f(a, l, n):\n{LOOP} l.append(solve(a, n))\n return l[-1]\n", "f")
    g = jit(f)
    for _ in range(3):
        g(np.arange(50.0), [], 3)
    gone = weakref.ref(f.__globals__["solve"])
    del f.__globals__["solve"]
    del f, g
    gc.collect()
    assert gone() is None


@needs_stub
def test_islands_in_compiled_modules(tmp_path: Path) -> None:
    (tmp_path / "k.py").write_text(
        "from numlift import jit\n"
        + PLAIN
        + '@jit("(float64[:], int64)")\ndef f(a, n):\n s = 0.0\n h = [lambda: (s, n)]\n for x in a:\n  s += x\n'
        " n = n + 1\n return h[0](), sorted(locals()), repr(solve(a, 2))\n"
    )
    compile_("k.py", "-o", "out", cwd=tmp_path)
    code = "import k, numpy as np; a = np.arange(4.0); print(k.f(a, 3), k.f.tier(a, 3))"
    done = alone(code, tmp_path / "out")
    want = "((np.float64(6.0), 4), ['a', 'h', 'n', 's', 'x'], 'np.float64(1.75)') mixed\n"
    assert done.stdout == want, done.stderr
