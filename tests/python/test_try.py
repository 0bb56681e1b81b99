"""`try` statements of which the body is compiled, compared with the interpreter's."""

import _thread
import gc
import sys
import textwrap
import threading
from typing import Any

import numpy as np
import pytest

from harness import FAKE, check, define, jit

pytestmark = pytest.mark.skipif(FAKE, reason="needs the compiler")

PRELUDE = """\
import _thread
import gc
import sys

class Own(LookupError):
    pass

OWN = Own
BIG = 2**61 + 1
NUMBER = 5
CLASSES = (KeyError, IndexError)
LOG = []

def second(a, n):
    return a[n] * 2.0

def helper(a, n):
    a[0] += 1.0
    return second(a, n) + 1.0

def sure(a, n):
    try:
        return second(a, n)
    except IndexError:
        return -1.0

def clean(a, n):
    t = 0.0
    try:
        for i in range(n):
            t += a[i]
        return t
    except ValueError:
        return 0.0

def again(a, n):
    try:
        return second(a, n)
    except LookupError:
        a[1] += 7.0
        raise

def info():
    e = sys.exc_info()
    tb, lines = e[2], []
    while tb is not None:
        lines.append((tb.tb_frame.f_code.co_name, tb.tb_lineno))
        tb = tb.tb_next
    return e[0], str(e[1]), e[1] is sys.exception(), lines
"""

# What raises, with a, n (4, the length of a) and x (a dict).
SOURCES = {
    "index": "t += a[n]",
    "negative-index": "t += a[-n - 1]",
    "store": "a[n] = t",
    "zero": "t += 1 // (n - 4)",
    "modulo": "t += n % (n - 4)",
    "math": "t += math.sqrt(-t - 9.0)",
    "shift": "m = 1 << (3 - n)",
    "overflow": "t += np.uint8(1) + 300",
    "raise": "raise ValueError('no', n)",
    "raise-class": "raise IndexError",
    "raise-from-none": "raise ValueError(n) from None",
    "raise-from": "raise ValueError(n) from KeyError(n)",
    "assert": "assert t < 0, f'{t} {n}'",
    "unbound": "t += u",
    "shapes": "b = a + np.ones(n + 1)",
    "callee": "t += helper(a, n)",
    "again": "t += again(a, n)",
    "unpack": "p, q = a",
    "item": "t += x['none']",
    "call": "t = x['f'](t)",
    "own": "raise Own(n)",
    "memory": "b = np.zeros(n * 10 ** 14)",
    "none": "t += 4.0",
    "several": "p = x['s']\nq = x['none']",
    "island-loop": "for v in x['l']:\n w = v + t\n p = x[w]",
    "walrus": "t += (w := n + 1.0) + a[n]",
    "chain": "w = a[n] = t",
    "later": "for i in range(9):\n t += a[i]",
    "later-while": "i = 0\nwhile a[i] < 100.0:\n i += 1\n t += 0.5",
    "later-rows": "b = a.reshape(2, 2)\nfor r in b:\n t += r[0]\n w = r[1]\n m = 1 // (int(w) - 3)",
}

LOOP = "t = 0.0\nfor i in range(a.shape[0]):\n t += a[i]\n"

# Where it raises: §; what it returns: t, and `out` where that is bound.
FORMS = {
    "bare": "try:\n §\n t += 100.0\nexcept:\n t = -t\nreturn t",
    "class": "try:\n t += 1.0\n §\nexcept IndexError:\n t = -t\nexcept ZeroDivisionError:\n t += 0.5\nreturn t",
    "base-class": "try:\n §\nexcept (LookupError, ArithmeticError):\n t = -t\nreturn t",
    "name": "try:\n §\nexcept Exception as e:\n out = type(e), str(e), e.args\n x['out'] = out\nreturn t",
    "name-unbound": "try:\n §\nexcept Exception as e:\n t += 1.0\nreturn t, e",
    "name-bound-before": "e = 5.0\ntry:\n §\nexcept ValueError as e:\n t += 1.0\nexcept LookupError:\n t -= e\nreturn t, e",
    "else": "try:\n §\nexcept IndexError:\n t = -t\nelse:\n t *= 2.0\n t += a[1]\nreturn t",
    "else-raises": "try:\n try:\n  t += 1.0\n except IndexError:\n  t = -t\n else:\n  §\nexcept IndexError:\n t += 1000.0\nreturn t",
    "again": "try:\n §\nexcept IndexError:\n t = -t\n raise\nreturn t",
    "again-caught": "try:\n try:\n  §\n except LookupError:\n  t = -t\n  raise\nexcept IndexError as e:\n x['tb'] = info()\nreturn t",
    "from": "try:\n §\nexcept Exception as e:\n t = -t\n raise RuntimeError(t) from e\nreturn t",
    "in-handler": "try:\n k = a[n]\nexcept IndexError:\n §\nreturn t",
    "in-handler-caught": "try:\n try:\n  k = a[n]\n except IndexError as e:\n  t += 1.0\n  §\nexcept Exception as e2:\n x['c'] = repr(e2.__context__), repr(e2.__cause__), info()\nreturn t",
    "nested": "try:\n try:\n  §\n except ZeroDivisionError:\n  t += 1.0\n t += 2.0\nexcept IndexError:\n t += 4.0\nreturn t",
    "nested-in-loop": "for i in range(4):\n try:\n  try:\n   t += 1.0\n   §\n  except ZeroDivisionError:\n   t += 2.0\n except Exception:\n  t -= 0.25\nreturn t, i",
    "nested-in-handler": "try:\n §\nexcept Exception:\n x['a'] = info()\n try:\n  k = 1 // (n - 4)\n except ZeroDivisionError as z:\n  x['b'] = info(), repr(z.__context__)\n x['c'] = info()\n t += 1.0\nx['d'] = sys.exc_info()\nreturn t",
    "info": "try:\n §\nexcept Exception:\n x['i'] = info()\nx['j'] = info()\nreturn t",
    "own-class": "try:\n §\nexcept OWN:\n t += 1.0\nexcept CLASSES as e:\n t += 2.0\nreturn t",
    "no-class": "try:\n §\nexcept NUMBER:\n t += 1.0\nreturn t",
    "unknown-class": "try:\n §\nexcept Unknown:\n t += 1.0\nreturn t",
    "no-class-caught": "try:\n try:\n  §\n except (ZeroDivisionError, x['k']):\n  t += 1.0\nexcept TypeError as e:\n x['i'] = str(e), repr(e.__context__)\nreturn t",
    "in-loop": "for i in range(3):\n try:\n  t += 1.0\n  §\n  t += 100.0\n except Exception:\n  t -= 0.25\nreturn t, i",
    "in-loop-continue": "for i in range(3):\n try:\n  §\n except Exception as e:\n  t -= 0.25\n  continue\n t += 8.0\nreturn t, i",
    "in-loop-break": "for i in range(3):\n try:\n  if i == 1:\n   §\n  t += 8.0\n except Exception as e:\n  t -= 0.25\n  break\nelse:\n t += 1000.0\nx['i'] = sys.exc_info()\nreturn t, i",
    "body-break": "for i in range(5):\n try:\n  if i == 2:\n   break\n  if i == 1:\n   §\n except Exception as e:\n  t -= 0.25\nreturn t, i",
    "in-while": "k = 0\nwhile k < 3:\n k += 1\n try:\n  §\n  t += 100.0\n except ArithmeticError:\n  t -= 0.25\n except Exception as e:\n  t -= 0.5\nreturn t, k",
    "in-object-loop": "for v in x['l']:\n try:\n  t += v\n  for j in range(3):\n   t += j\n  §\n except Exception:\n  t -= 0.25\nreturn t, v",
    "object-loop-inside": "try:\n for v in x['l']:\n  for j in range(3):\n   t += v * j\n  §\nexcept Exception:\n t -= 0.25\nreturn t, v",
    "return-handler": "try:\n §\nexcept Exception as e:\n return t, 1\nreturn t, 2",
    "return-body": "try:\n §\n return t, 0\nexcept LookupError:\n t += 1.0\nreturn t, 2",
    "return-in-loop": "for i in range(4):\n try:\n  if i == 2:\n   §\n except Exception as e:\n  return t, i\nreturn t, 2",
    "return-exception": "try:\n §\nexcept Exception as e:\n return e.args\nreturn t",
    "variables": "y = 1\ntry:\n y = 2\n t += 1.0\n z = 3.5\n §\n y = 4\nexcept Exception:\n x['v'] = y\nreturn t, y, z",
    "types": "try:\n y = 1\n t += a[0]\n y = 1.5\n t += a[1]\n §\n y = a\nexcept Exception:\n x['v'] = y\nreturn t",
    "unions": "y = 1\ntry:\n t += a[0]\n y = 1.5\n §\n y = 7\nexcept Exception:\n t += y\nreturn t, y",
    "arrays": "b = a\ntry:\n b = np.ones(3)\n t += b[0]\n §\n b = a[1:]\nexcept Exception:\n t += b[-1]\nreturn t, b",
    "pass": "try:\n §\nexcept Exception:\n pass\nreturn t",
    "island-handler": "try:\n §\nexcept Exception as e:\n x['e'] = str(e)\n for i in range(3):\n  t += a[i]\n x['i'] = info()\nreturn t",
}


def indented(text: str, by: str) -> str:
    return textwrap.indent(text, by)


def program(form: str, source: str) -> str:
    lines = []
    for line in (LOOP + form).splitlines():
        if line.strip() == "§":
            lines.append(indented(source, line[: line.index("§")]))
        else:
            lines.append(line)
    return PRELUDE + "def f(a, n, x):\n" + indented("\n".join(lines), " ") + "\n"


def arguments() -> tuple[Any, ...]:
    x = {"f": boom, "s": 3.0, "l": [1.0, 2.0], "k": 3, "b": 3, 1.0: 2.0}
    return np.array([1.0, 2.0, 3.0, 4.0]), 4, x


def boom(t: float) -> float:
    raise KeyError(t)


def compare(source: str, *args: Any, tier: str | None = None) -> None:
    """As the interpreter: result, arguments, exception with context and cause; and nothing is handled behind it."""
    check(define(source, "f"), *(args or arguments()), tier=tier)
    assert sys.exception() is None


# Worth compiling: what follows is an island in a compiled body.
WORK = "for j in range(9):\n for h in range(9):\n  t += 0.5 * h\n"
DYNAMIC = [
    "unbound",
    "shapes",
    "item",
    "call",
    "own",
    "several",
    "island-loop",
    "rebinds",
    "partly",
    "nested-def",
]
SOURCES["rebinds"] = "t = x['s']\nt += x['none']"
SOURCES["partly"] = "p, x['q'], (q, w) = 1, 2, [3]"
SOURCES["nested-def"] = "p = [v + t for v in x['l']]\nq = (lambda v: v['none'])(x)"


def try_all(form: str, sources: dict[str, str]) -> None:
    for name, source in sources.items():
        try:
            compare(program(FORMS[form], source))
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error


@pytest.mark.parametrize("form", FORMS)
def test_forms(form: str) -> None:
    try_all(form, SOURCES)


# The interpreter goes on from inside of the statement.
EXITS = {
    "overflow": "a[0] += 1.0\nm = n * BIG * BIG % 1001\nt += m",
    "before-effects": "m = n * BIG * BIG % 1001\nt += m",
    "then-raises": "a[0] += 1.0\nm = n * BIG * BIG % 1001\nt += a[n]",
    "in-loop": "for h in range(4):\n a[0] += 1.0\n m = (n + h) * BIG * BIG % 1001\n t += a[h + 1]",
    "in-test": "a[0] += 1.0\nwhile n * BIG * BIG > t:\n t = t * 1e9 + a[0]\nt += a[n]",
    "island": "for h in range(2):\n for o in range(9):\n  t += a[h] * 0.5\nm: int = x['b'] if t > 0.0 else 0\nm = m % 7\nt += a[m]",
    "power": "a[0] += 1.0\nm = n ** 40 % 1001\nm = 1 // (n - 4)",
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_with_exits(form: str) -> None:
    try_all(form, EXITS)


@pytest.mark.parametrize("form", FORMS)
def test_forms_with_islands(form: str) -> None:
    try_all(form, {name: WORK + SOURCES[name] for name in DYNAMIC})


def test_the_body_is_native() -> None:
    f = jit(define(program(FORMS["in-loop"], SOURCES["index"]), "f"))
    f(*arguments())
    assert f.tier(*arguments()) == "native"
    (mir,) = f.inspect_mir().values()
    assert "py_catch" in mir and "py_island" not in mir


def test_callees_handle_their_own() -> None:
    source = (
        "def f(a, n, x):\n t = 0.0\n for i in range(n + 2):\n  t += sure(a, i) + clean(a, n)\n return t\n"
    )
    check(define(PRELUDE + source, "f"), *arguments())


def keeps_nothing(f: Any) -> None:
    """Calls a compiled function, which may raise, many times: objects and references do not become more."""
    args = arguments()

    def call() -> None:
        try:
            f(*args)
        except Exception:
            pass

    for _ in range(200):
        call()
    gc.collect()
    array, _, x = args
    objects, counts = len(gc.get_objects()), [sys.getrefcount(a) for a in (array, x)]
    for _ in range(2000):
        call()
    gc.collect()
    assert len(gc.get_objects()) - objects < 50
    assert [sys.getrefcount(a) for a in (array, x)] == counts


@pytest.mark.parametrize("form", ["in-loop", "name", "from", "info", "nested-in-handler", "return-in-loop"])
@pytest.mark.parametrize("source", ["index", "raise", "callee", "several"])
def test_references_are_balanced(form: str, source: str) -> None:
    text = WORK + SOURCES[source] if source in DYNAMIC else SOURCES[source]
    f = jit(define(program(FORMS[form], text), "f"))
    keeps_nothing(f)


@pytest.mark.parametrize("kind", ["KeyboardInterrupt", "BaseException", ""])
def test_a_signal_is_caught(kind: str) -> None:
    source = (
        "def f(n):\n k = 0\n try:\n  for i in range(n):\n   for j in range(n):\n    k += i ^ j\n"
        f" except {kind}:\n  return -1\n return k\n"
    )
    f = jit(define(source, "f"))
    f(3)
    timer = threading.Timer(0.2, _thread.interrupt_main)
    timer.start()
    assert f(10**6) == -1
    timer.join()
    assert sys.exception() is None


def test_recursion_is_caught() -> None:
    source = (
        "def down(n):\n return 0 if n == 0 else down(n - 1) + 1\n"
        "def f(n):\n try:\n  return down(n)\n except RecursionError:\n  return -1\n"
    )
    f = jit(define(source, "f"))
    assert f(10) == 10 and f(10**7) == -1


def test_what_is_handled_around_the_call() -> None:
    f = jit(define(program(FORMS["in-handler-caught"], SOURCES["zero"]), "f"))
    plain = f.py_func

    def around(function: Any) -> list[Any]:
        x = arguments()[2]
        seen = []
        try:
            raise ValueError("outer")
        except ValueError as error:
            function(np.arange(4.0), 4, x)
            seen.append(sys.exception() is error)

            def values() -> Any:
                yield function(np.arange(4.0), 4, x)
                yield repr(sys.exception())

            inside = values()
            seen.append(next(inside))
        seen.append(next(inside))
        return [*seen, x["c"]]

    assert around(f) == around(plain)
