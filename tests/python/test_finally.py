"""`try` statements with `finally` of which the blocks are compiled, compared with the interpreter's."""

import _thread
import itertools
import os
import sys
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from test_try import DYNAMIC, EXITS, LOOP, PRELUDE, SOURCES, WORK, arguments, compare, indented, keeps_nothing

from harness import FAKE, check, define, jit

pytestmark = pytest.mark.skipif(FAKE, reason="needs the compiler")

# Where something may raise: §; what the last block does: ¶.
FORMS = {
    "alone": "try:\n §\n t += 100.0\nfinally:\n ¶\nreturn t",
    "handled": "try:\n §\nexcept IndexError:\n t = -t\nexcept Own as e:\n t += 0.5\nfinally:\n ¶\nreturn t",
    "else": "try:\n §\nexcept LookupError:\n t = -t\nelse:\n t += 8.0\nfinally:\n ¶\nreturn t",
    "else-raises": "try:\n t += 1.0\nexcept LookupError:\n t = -t\nelse:\n §\nfinally:\n ¶\nreturn t",
    "handler-raises": "try:\n k = a[n]\nexcept IndexError as e:\n t = -t\n §\nfinally:\n ¶\nreturn t",
    "again": "try:\n §\nexcept LookupError:\n t = -t\n raise\nfinally:\n ¶\nreturn t",
    "from": "try:\n §\nexcept Exception as e:\n raise RuntimeError(t) from e\nfinally:\n ¶\nreturn t",
    "caught": "try:\n try:\n  §\n finally:\n  ¶\nexcept Exception as e:\n x['c'] = repr(e), repr(e.__context__), info()\nx['d'] = info()\nreturn t",
    "return-body": "try:\n §\n return t\nfinally:\n ¶\nreturn -t",
    "return-arrays": "b = a\ntry:\n b = np.ones(3)\n §\n return b\nfinally:\n b = a[1:]\n ¶\nreturn b",
    "return-handler": "try:\n §\nexcept Exception as e:\n return t, 1\nfinally:\n ¶\nreturn t, 2",
    "return-object": "try:\n §\n return x['l']\nexcept LookupError as e:\n return e.args\nfinally:\n ¶\nreturn x['k']",
    "return-if": "try:\n §\n if x['k']:\n  return x['s']\nfinally:\n ¶\nreturn x['k']",
    "return-for": "try:\n §\n for v in x['l']:\n  if v > 1.5:\n   return v\nfinally:\n ¶\nreturn x['k']",
    "return-nested": "try:\n try:\n  §\n  return t + 1.0\n finally:\n  t += 32.0\n  a[1] += t\nfinally:\n ¶\nreturn -t",
    "in-loop": "for i in range(3):\n try:\n  t += 1.0\n  §\n finally:\n  ¶\nreturn t, i",
    "in-loop-caught": "for i in range(3):\n try:\n  try:\n   t += 1.0\n   §\n  finally:\n   ¶\n except Exception:\n  t -= 0.25\nreturn t, i",
    "break": "for i in range(5):\n try:\n  if i == 2:\n   break\n  if i == 1:\n   §\n finally:\n  ¶\nelse:\n t += 1000.0\nreturn t, i",
    "continue": "for i in range(4):\n try:\n  if i == 2:\n   continue\n  if i == 3:\n   §\n  t += 3.0\n finally:\n  ¶\nelse:\n t += 1000.0\nreturn t, i",
    "break-handler": "for i in range(4):\n try:\n  if i == 2:\n   §\n except Exception as e:\n  break\n finally:\n  ¶\nreturn t, i",
    "continue-handler": "for i in range(4):\n try:\n  §\n except Exception as e:\n  t += 2.0\n  continue\n finally:\n  ¶\nreturn t, i",
    "return-loop": "for i in range(4):\n try:\n  if i == 2:\n   §\n   return t, i\n finally:\n  ¶\nreturn t, -1",
    "all-ways": "for i in range(6):\n try:\n  if i == 1:\n   continue\n  if i == 4:\n   §\n   break\n  if t > 1e6:\n   return t, i, 0\n  t += 1.0\n finally:\n  ¶\nelse:\n t += 1000.0\nreturn t, i",
    "while": "k = 0\nwhile k < 4:\n k += 1\n try:\n  if k == 2:\n   continue\n  §\n except Exception:\n  t -= 0.5\n finally:\n  ¶\nreturn t, k",
    "object-loop": "for v in x['l']:\n try:\n  for j in range(3):\n   t += j * v\n  §\n finally:\n  ¶\nreturn t, v",
    "object-loop-inside": "try:\n for v in x['l']:\n  for j in range(3):\n   t += j * v\n  §\n  if v > 1.5:\n   return t, v\nfinally:\n ¶\nreturn t, v",
    "loop-inside": "try:\n for i in range(4):\n  t += a[i]\n  if i == 2:\n   §\n   break\n  else:\n   continue\nfinally:\n ¶\nreturn t, i",
    "nested": "try:\n try:\n  §\n finally:\n  t += 16.0\n  a[2] += t\nfinally:\n ¶\nreturn t",
    "in-last": "try:\n t += 1.0\nfinally:\n try:\n  §\n finally:\n  ¶\nreturn t",
    "in-last-raised": "try:\n k = a[n]\nfinally:\n t = -t\n try:\n  §\n finally:\n  ¶\nreturn t",
    "in-last-caught": "try:\n t += 1 // (n - 4)\nfinally:\n try:\n  §\n except Exception as e:\n  x['c'] = repr(e.__context__), info()\n finally:\n  ¶\nreturn t",
    "last-raises": "try:\n try:\n  §\n finally:\n  t += a[n]\n  ¶\nexcept Exception as e:\n x['c'] = repr(e), repr(e.__context__), info()\n raise\nreturn t",
    "last-zero": "try:\n try:\n  §\n  t += 2.0\n finally:\n  ¶\n  k = 1 // (n - 4)\nexcept Exception as e:\n x['c'] = repr(e), repr(e.__context__), info()\nreturn t",
    "handler-nested": "try:\n k = a[n]\nexcept IndexError as e:\n try:\n  §\n finally:\n  ¶\n x['c'] = info()\nreturn t",
    "variables": "y = 1\ntry:\n y = 2\n t += 1.0\n z = 3.5\n §\n y = 4\nfinally:\n x['v'] = y\n ¶\nreturn t, y, z",
    "unions": "y = 1\ntry:\n t += a[0]\n y = 1.5\n §\n y = 7\nfinally:\n t += y\n ¶\nreturn t, y",
    "unbound": "try:\n §\n y = 2.5\nfinally:\n t += y\n ¶\nreturn t, y",
    "deleted": "y = 2.5\ntry:\n §\n del y\nfinally:\n ¶\nreturn y",
    "optional": "y = None\ntry:\n y = 1.5\n §\nfinally:\n if y is not None:\n  t += y\n ¶\nreturn t, y",
}

# What the last block does, and how it leaves.
LAST = {
    "store": "a[0] += 1.0",
    "island": "x['f2'] = info()",
    "loop": "for h in range(3):\n a[h] += t",
    "empty": "pass",
    "rebinds": "t = t * 0.5",
    "exit": "a[0] += 1.0\nm = n * BIG * BIG % 1001\nt += m",
    "return": "a[0] += 1.0\nreturn t * 3.0",
    "return-if": "if t < 20.0:\n return t, 7",
    "return-object": "return x['k']",
    "raise": "raise KeyError(t)",
    "raise-if": "if n == 4:\n raise KeyError(t)",
    "unknown": "t += x['none']",
    "zero": "a[1] = t\nk = 1 // (n - 4)",
    "again": "raise",
}

LEAVES = {"break": "a[0] += 1.0\nbreak", "continue": "continue", "break-if": "if t > 12.0:\n break"}
IN_LOOP = [name for name, form in FORMS.items() if form.startswith(("for", "k = 0")) and "\n  ¶" in form]


def program(form: str, source: str, last: str) -> str:
    lines = []
    for line in (LOOP + form).splitlines():
        stripped = line.strip()
        if stripped in ("§", "¶"):
            lines.append(indented(source if stripped == "§" else last, line[: line.index(stripped)]))
        else:
            lines.append(line)
    return PRELUDE + "def f(a, n, x):\n" + indented("\n".join(lines), " ") + "\n"


ALL = "NUMLIFT_EXAMPLES" in os.environ


def pairs(form: str, sources: dict[str, str], lasts: dict[str, str]) -> Iterator[tuple[str, str]]:
    """All pairs when searching; else each last block once, with another source in each form."""
    if ALL:
        yield from itertools.product(sources, lasts)
        return
    names = list(sources)
    first = list(FORMS).index(form)
    for i, last in enumerate(lasts):
        yield names[(first * 3 + i * 5) % len(names)], last


def try_all(form: str, sources: dict[str, str], lasts: dict[str, str]) -> None:
    for name, last in pairs(form, sources, lasts):
        try:
            compare(program(FORMS[form], sources[name], lasts[last]))
        except AssertionError as error:
            raise AssertionError(f"{name}, {last}: {error}") from error


def some(names: str) -> dict[str, str]:
    return {name: LAST[name] for name in names.split()}


@pytest.mark.parametrize("form", FORMS)
def test_ways_out(form: str) -> None:
    try_all(form, SOURCES, LAST)


@pytest.mark.parametrize("form", IN_LOOP)
def test_leaving_a_loop(form: str) -> None:
    try_all(form, SOURCES, LEAVES)


@pytest.mark.parametrize("form", FORMS)
def test_exits(form: str) -> None:
    # in some forms the loop of `in-test` does not end
    sources = {name: text for name, text in EXITS.items() if name != "in-test"}
    try_all(form, sources, some("store island exit return-if zero"))


@pytest.mark.parametrize("form", FORMS)
def test_islands(form: str) -> None:
    sources = {name: WORK + SOURCES[name] for name in DYNAMIC}
    try_all(form, sources, some("store island return-object raise-if"))


def test_all_blocks_are_native() -> None:
    f = jit(define(program(FORMS["return-loop"], SOURCES["index"], LAST["loop"]), "f"))
    with pytest.raises(IndexError):
        f(*arguments())
    assert f.tier(*arguments()) == "native"
    (mir,) = f.inspect_mir().values()
    assert "py_catch" in mir and "py_island" not in mir


def test_an_interpreted_statement_is_left_by_break() -> None:
    source = (
        "def f(a, n, x):\n t, c = 0.0, 0\n for i in range(n):\n"
        "  for j in range(9):\n   for h in range(9):\n    t += a[0] * h\n"
        "  try:\n   x[i] = t\n   if i == n - 1:\n    break\n   x['none']\n"
        "  except KeyError:\n   continue\n  finally:\n   c = c + len(x)\n"
        " return t, c, i\n"
    )
    function = define(PRELUDE + source, "f")
    check(function, *arguments(), tier="mixed")


@pytest.mark.parametrize(
    "form", ["caught", "return-nested", "return-object", "in-loop-caught", "break-handler"]
)
@pytest.mark.parametrize("last", ["store", "island", "return-object", "raise-if"])
def test_references_are_balanced(form: str, last: str) -> None:
    keeps_nothing(jit(define(program(FORMS[form], WORK + SOURCES["several"], LAST[last]), "f")))


def test_a_signal_runs_the_last_block() -> None:
    source = (
        "def f(n, a):\n k = 0\n try:\n  for i in range(n):\n   for j in range(n):\n    k += i ^ j\n"
        " finally:\n  a[0] += 1\n return k\n"
    )
    f = jit(define(source, "f"))
    a = np.zeros(1)
    f(3, a)
    timer = threading.Timer(0.2, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        f(10**6, a)
    timer.join()
    assert a[0] == 2.0 and sys.exception() is None


def test_callees() -> None:
    source = (
        "def g(a, i):\n try:\n  return a[i]\n finally:\n  a[0] += 1.0\n"
        "def f(a, n, x):\n t = 0.0\n for i in range(n + 1):\n  t += g(a, i)\n return t\n"
    )
    check(define(source, "f"), *arguments())
