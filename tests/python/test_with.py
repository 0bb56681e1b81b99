"""`with` statements of which the body is compiled, compared with the interpreter's."""

import json
import os

import pytest
from test_try import EXITS, LOOP, SOURCES, WORK, arguments, indented
from test_try import PRELUDE as TRY

from harness import FAKE, check, define, jit, outcome

pytestmark = pytest.mark.skipif(FAKE, reason="needs the compiler")

PRELUDE = (
    TRY
    + """
import contextlib
import threading
import warnings

class Manager:
    def __init__(self, value, *suppressed):
        self.value, self.suppressed = value, suppressed

    def __enter__(self):
        LOG.append(("enter", self.value, info()))
        return self.value

    def __exit__(self, kind, error, trace):
        lines = []
        while trace is not None:
            lines.append((trace.tb_frame.f_code.co_name, trace.tb_lineno))
            trace = trace.tb_next
        LOG.append(("exit", self.value, kind, repr(error), lines, info()))
        return kind is not None and issubclass(kind, self.suppressed)

class Broken(Manager):
    def __enter__(self):
        raise KeyError("enter")

class Failing(Manager):
    def __exit__(self, *error):
        LOG.append(repr(error[1]))
        raise LookupError("exit")

class Nothing:
    pass

class Half:
    def __enter__(self):
        pass

class Truth:
    def __bool__(self):
        LOG.append(("bool", info()))
        return True

class Asked(Manager):
    def __exit__(self, *error):
        return Truth()

@contextlib.contextmanager
def managed(value):
    LOG.append("in")
    try:
        yield value
    except IndexError:
        LOG.append("caught")
    finally:
        LOG.append("out")

LOCK = threading.Lock()

def strict():
    return np.errstate(all="raise")
"""
)

# What is done inside: §.
FORMS = {
    "alone": "with M(1):\n §\n t += 100.0\nreturn t",
    "as": "with M(1.5) as v:\n §\n t += v\nreturn t, v",
    "as-argument": "with M(2) as n:\n t += n\n §\nreturn t, n",
    "two": "with M(1) as v, M(2, ValueError) as w:\n §\n t += v + w\nreturn t, v, w",
    "nested": "with M(1):\n with M(2) as w:\n  t += 1.0\n  §\n t += 2.0\nreturn t",
    "suppress": "with M(1, LookupError, ArithmeticError):\n t += 1.0\n §\n t += 2.0\nreturn t",
    "variables": "y = 1\nwith M(1, Exception):\n y = 2\n z = 3.5\n §\n y = 4.5\nreturn t, y, z",
    "return": "with M(1):\n §\n return t\nreturn -t",
    "return-object": "with M(1) as v:\n §\n return x['l']\nreturn v",
    "return-arrays": "b = a\nwith M(1):\n b = a * 2.0\n §\n return b\nreturn a",
    "break": "for i in range(5):\n with M(i):\n  if i == 2:\n   break\n  if i == 1:\n   §\n  t += 1.0\nelse:\n t += 1000.0\nreturn t, i",
    "continue": "for i in range(5):\n with M(i, LookupError) as v:\n  if i == 2:\n   continue\n  §\n  t += v\nreturn t, i",
    "all-ways": "for i in range(6):\n with M(i), M(-i) as v:\n  if i == 1:\n   continue\n  if i == 4:\n   §\n   break\n  if t > 1e6:\n   return t, i, 0\n  t += 1.0\nreturn t, i, v",
    "in-try": "try:\n with M(1) as v:\n  §\nexcept LookupError as e:\n t = -t\nfinally:\n x['v'] = info()\nreturn t",
    "try-inside": "with M(1) as v:\n try:\n  §\n except LookupError:\n  t = -t\n finally:\n  a[1] += t\nreturn t",
    "in-finally": "try:\n k = a[n]\nfinally:\n with M(1) as v:\n  §\nreturn t",
    "in-finally-leaves": "for i in range(3):\n try:\n  k = a[n]\n finally:\n  with M(i) as v:\n   §\n   continue\nreturn t, i",
    "in-handler": "try:\n k = a[n]\nexcept IndexError as e:\n with M(1) as v:\n  §\nreturn t",
    "enter-fails": "try:\n with M(1), Broken(2):\n  §\nexcept KeyError as e:\n t += 1.0\nreturn t",
    "exit-fails": "try:\n with M(1) as v, Failing(2):\n  §\n  t += v\nexcept LookupError as e:\n x['c'] = repr(e), repr(e.__context__), info()\nreturn t",
    "exit-fails-return": "with Failing(1):\n §\n return t\nreturn -t",
    "no-manager": "with Nothing() as v:\n §\nreturn t",
    "half-manager": "with M(1), Half():\n §\nreturn t",
    "truth": "with Asked(1):\n §\n t += 2.0\nreturn t",
    "contextmanager": "with managed(3.5) as v:\n §\n t += v\nreturn t",
    "lock": "with LOCK:\n §\n t += 2.0\nx['locked'] = LOCK.locked()\nreturn t",
    "library": "with contextlib.suppress(LookupError), contextlib.nullcontext(2.5) as v:\n §\n t += v\nreturn t",
    "object-loop": "for v in x['l']:\n with M(v, LookupError) as w:\n  for j in range(3):\n   t += j * v\n  §\nreturn t, v",
    "object-loop-inside": "with M(1):\n for v in x['l']:\n  for j in range(3):\n   t += j * v\n  §\n  if v > 1.5:\n   return t, v\nreturn t",
    "target": "with M(1) as x['t'], M((1, 2.0)) as (v, w):\n §\n t += w\nreturn t, v, w",
    "walrus": "with (m := M(2)) as v:\n §\n t += v\nreturn t, m.value",
    "lines": "with M(\n 1\n), M(\n 2,\n LookupError\n) as v:\n §\n t += v\nreturn t",
    "errstate": "with np.errstate(all='ignore'):\n t += a[0] / 0.0\n §\n t += 1.0\nreturn t",
    "errstate-raise": "with np.errstate(all='raise'):\n t += (a[:2] / (a[:2] - 1.0))[0]\n §\nreturn t",
    "errstate-hidden": "with strict() as v:\n t += a[0] / (a[1] - 2.0)\n §\nreturn t",
    "errstate-nested": "with M(1), strict(), M(2) as v:\n t += v\n §\n t += a[0] / (a[1] - 2.0)\nreturn t",
    "warnings": "with warnings.catch_warnings():\n warnings.simplefilter('error')\n t += a[0] / (a[1] - 2.0)\n §\nreturn t",
}


def program(form: str, source: str, work: bool = True) -> str:
    lines = []
    for line in (LOOP + FORMS[form].replace("M(", "Manager(")).splitlines():
        if line.strip() == "§":
            text = WORK + source if work else source
            lines.append(indented(text, line[: line.index("§")]))
        else:
            lines.append(line)
    body = "\n".join(lines)
    return PRELUDE + "def f(a, n, x):\n" + indented(body, " ") + "\n"


def run(source: str) -> str:
    """Compares the outcomes of calls and what the managers have seen; the tier."""
    function = define(source, "f")
    compiled, log = jit(function), function.__globals__["LOG"]
    check(function, *arguments(), compiled=compiled, tier=None)
    for _ in range(3):
        logs = []
        for f in (function, compiled):
            log.clear()
            outcome(f, arguments())
            logs.append([repr(entry) for entry in log])
        assert logs[0] == logs[1], f"interpreter {logs[0]}, compiled {logs[1]}"
    return str(compiled.tier(*arguments()))


ALL = "NUMLIFT_EXAMPLES" in os.environ


def run_all(form: str, sources: dict[str, str], count: int) -> None:
    names = list(sources)
    first = list(FORMS).index(form)
    picked = names if ALL else [names[(first + 5 * i) % len(names)] for i in range(count)]
    for name in dict.fromkeys(picked):
        try:
            assert run(program(form, sources[name])) == "mixed"
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error


@pytest.mark.parametrize("form", FORMS)
def test_forms(form: str) -> None:
    run_all(form, SOURCES, 4)


@pytest.mark.parametrize("form", FORMS)
def test_exits(form: str) -> None:
    # in some forms the loop of `in-test` does not end
    run_all(form, {name: text for name, text in EXITS.items() if name != "in-test"}, 2)


@pytest.mark.parametrize("form", ["alone", "two", "return", "all-ways", "suppress", "lock", "errstate"])
def test_the_body_is_compiled(form: str) -> None:
    f = jit(define(program(form, "t += 4.0"), "f"))
    f(*arguments())
    line = next(n for n, text in enumerate(program(form, "t += 4.0").splitlines(), 1) if "0.5 * h" in text)
    (lines,) = [s["lines"] for s in json.loads(f.report().json())["functions"][0]["specializations"]]
    assert next(x for x in lines if x["line"] == line)["interpreter_calls"] == 0
