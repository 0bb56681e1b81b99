"""Where static typing ends: every place is found, with its code, line, column and length."""

from typing import Any

import numpy as np
import pytest

from harness import FAKE, check, define, jit

pytestmark = pytest.mark.skipif(FAKE, reason="needs the compiler")


def places(source: str, *args: Any, **extra: Any) -> list[tuple[str, str]]:
    """(code, underlined text) of each place; the first line of `source` is line 1."""
    f = define(source, "f", **extra)
    rows = jit(f).dynamic_places(*args)
    lines = source.splitlines()
    found = [(code, lines[line - 1][column - 1 :][:length]) for code, _, _, line, column, length, _ in rows]
    assert not rows or jit(f).tier(*args) != "native"
    return found


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        # an object flows: only where it begins is a place
        ("d = {}\n y = d[x] + 1\n return y", [("NL2007", "{}")]),
        ("d = open\n y = -d.a.b(x)[0] * 2 < 3\n if y: x += 1\n return x", [("NL2003", "d.a")]),
        ("a, (b, *c) = {}\n for i in b: x += i\n return x", [("NL2007", "{}")]),
        # inference goes on
        ("y = {}\n z = [x]\n return x", [("NL2007", "{}"), ("NL2007", "[x]")]),
        ("return f'{x}' if x else {}", [("NL2007", "f'{x}'"), ("NL2007", "{}")]),
        ("while [x]:\n  y = {}\n return x", [("NL2007", "[x]"), ("NL2007", "{}")]),
        (
            "g({}, [x], k=f'{x}')",
            [("NL2003", "g"), ("NL2007", "{}"), ("NL2007", "[x]"), ("NL2007", "f'{x}'")],
        ),
        ("x.foo = {}\n return (y := [])", [("NL2007", "{}"), ("NL2005", "x"), ("NL2007", "[]")]),
        # statements
        (
            "try:\n  y = {}\n except ValueError as e:\n  y = 1\n finally:\n  z = []\n return y + 1",
            [("NL2007", "{}"), ("NL2007", "[]")],
        ),
        ("with open as y:\n  x = x + 1\n return x + y", [("NL2007", "with open as y:")]),
        ("class C: y = x\n return C", [("NL2007", "class C: y = x")]),
        ("y = 0\n def g():\n  nonlocal y\n  y = x\n g()\n return y", [("NL2010", "def g():")]),
        # joins
        ("if x: y = 1\n else: y = (1, 2)\n return y", [("NL2001", "y")]),
        ("for i in range(x):\n  if i: x = x + 1\n  x = ()\n return x", [("NL2001", "x"), ("NL2001", "x")]),
    ],
)
def test_places(body: str, expected: list[tuple[str, str]]) -> None:
    assert places(f"def f(x):\n {body}\n", 3) == expected


@pytest.mark.filterwarnings("ignore::numlift.NumliftFallbackWarning")
def test_callees() -> None:
    # the call is a place of the caller with the reason of the callee, whose own places follow
    source = "def g(n):\n  if n: return g(n - 1)\n  return [n]\ndef f(x):\n  for i in range(x): y = g(i)\n  return y\n"
    assert places(source, 3) == [("NL2007", "g(i)"), ("NL2007", "g(n - 1)"), ("NL2007", "[n]")]
    check(define(source, "f"), 3, tier="interpreter")
    source = "def g(n):\n  yield n\ndef h(n): return g(n)\ndef f(x):\n  return h(x), h(x + 1)\n"
    assert places(source, 3) == [("NL1003", "h(x)"), ("NL1003", "h(x + 1)"), ("NL1003", "g(n)")]


@pytest.mark.filterwarnings("ignore::numlift.NumliftFallbackWarning")
def test_mutual_recursion() -> None:
    source = "def f(n):\n  if n: return g(n - 1)\n  return 0\ndef g(n):\n  if n > 5: {}\n  return f(n - 1) if n else 1\n"
    assert places(source, 3) == [("NL2007", "g(n - 1)"), ("NL2007", "{}"), ("NL2007", "f(n - 1)")]
    check(define(source, "f"), 3, tier="interpreter")


def test_wide_characters() -> None:
    # columns count characters
    assert places("def f(é):\n ñ = 'é' * é; return [é]\n", np.float64(3)) == [
        ("NL2006", "'é' * é"),
        ("NL2007", "[é]"),
    ]


def test_native_has_none() -> None:
    # an object that nothing reads needs no reason
    assert places("def f(x):\n  y = 1\n  if x: y = (1, 2)\n  return x\n", 3) == []
