"""Lines of functions that the interpreter runs as a whole: counts against a trace, times, and nothing else that differs."""

import json
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_cli import numlift
from test_report import executions, function, validate

from harness import FAKE, define, jit

if not FAKE:
    from numlift._observe import observed

pytestmark = [pytest.mark.skipif(FAKE, reason="needs the compiler"), pytest.mark.filterwarnings("ignore")]


def counts(f: Callable[..., Any], *calls: tuple[Any, ...]) -> list[dict[str, Any]]:
    """The lines of a function after these calls, each of which is the first one."""
    lines = []
    for args in calls:
        compiled = jit(f)
        with observed():
            compiled(*args)
        data = compiled.report().data()
        validate(data)
        (s,) = function(data, f.__qualname__)
        assert s["tier"] == "interpreter"
        lines += s["lines"]
    return lines


def hits(f: Callable[..., Any], *calls: tuple[Any, ...]) -> dict[int, int]:
    found: dict[int, int] = {}
    for line in counts(f, *calls):
        if line["hits"]:
            found[line["line"]] = found.get(line["line"], 0) + line["hits"]
    return found


def traced(f: Callable[..., Any], *calls: tuple[Any, ...]) -> dict[int, int]:
    found: dict[int, int] = {}
    for args in calls:
        for line, n in executions(f, *args).items():
            found[line] = found.get(line, 0) + n
    return found


PROGRAMS = [
    # loops of both kinds, left in every way
    """
def f(words, limit):
    total = 0
    for i, word in enumerate(words):
        if i % 3 == 0:
            total += len(word)
        elif word in words[:i]:
            continue
        else:
            total -= 1
        for letter in word:
            if letter == "c":
                break
            total += 1
        else:
            total += 100
        k = 0
        while k < i:
            k += 1
            if k == limit:
                break
        else:
            total += 1000
    return total, words
""",
    # what is raised, caught and passed on
    """
def f(words, limit):
    seen = {}
    for word in words:
        try:
            seen[word] += 1
        except KeyError:
            seen[word] = 0
        else:
            seen[word] *= 2
        finally:
            seen["n"] = limit
        try:
            int(word)
        except TypeError:
            raise
        except (ValueError, KeyError) as e:
            seen["e"] = str(e)
    return seen
""",
    # nested functions and classes, one-line bodies
    """
def f(words, limit):
    out = []
    def add(word):
        nonlocal limit
        if word in out: limit += 1
        out.append(word)
    for word in words: add(word)
    if limit > 3: out.append(None)
    class Box:
        n = limit
        n += 1
    assert Box.n
    del out[:1]
    return [x for x in out if x], Box.n, words
""",
]


@pytest.mark.parametrize("source", PROGRAMS)
def test_counts_equal_those_of_a_trace(source: str) -> None:
    f = define(source)
    calls = [(["a", "bcd", "a", "xyz", "17", "ccc", "a"], 2), ([], 0), (["c"] * 9, 4)]
    nested = {line for line, text in enumerate(source.splitlines(), 1) if text.startswith("        ")}
    first = f.__code__.co_firstlineno
    found, expected = hits(f, *calls), traced(f, *calls)
    if "def add" in source:
        # a trace of the function does not see what is nested in it
        inner = {line for line in found if line not in expected}
        assert inner <= {first + n - 2 for n in nested} and found[min(inner)] == 16
        found = {line: n for line, n in found.items() if line not in inner}
        expected = {line: n for line, n in expected.items() if line in found}
    assert found == expected and len(found) >= 8


def test_what_a_trace_sees_differently() -> None:
    """A `with` counts once, as does a statement of several lines; a `case` where it is taken."""
    f = define("""
def f(words):
    n = 0
    with open("/dev/null") as file:
        file.read()
    n = (len(words) +
         len(words))
    for word in words:
        match word:
            case "a":
                n += 1
            case _:
                n += 2
    return n, words
""")
    first = f.__code__.co_firstlineno
    found = {line - first: n for line, n in hits(f, (["a", "b", "c"],)).items()}
    assert found == {1: 1, 2: 1, 3: 1, 4: 1, 6: 4, 7: 3, 8: 1, 9: 1, 10: 2, 11: 2, 12: 1}


def test_generators_are_counted() -> None:
    f = jit(define("def f(n):\n    for i in range(n):\n        yield i\n    yield n\n"))
    with observed():
        assert list(f(5)) == [*range(6)] and next(f(3)) == 0
    (s,) = function(f.report().data(), "f")
    assert [line["hits"] for line in s["lines"]] == [None, 7, 6, 1]
    assert [line["interpreter_us"] for line in s["lines"]] == [None] * 4


def test_times_are_those_of_the_lines() -> None:
    f = jit(
        define("""
def f(words, n):
    total = sorted(words)
    for _ in range(n):
        total = sorted(total + words)
    return total
""")
    )
    with observed():
        f(["a", "b"] * 50, 30)
        f(["a", "b"] * 50, 30)
    (s,) = function(f.report().data(), "f")
    times = [line["interpreter_us"] or 0.0 for line in s["lines"]]
    assert times[3] == max(times) and 0.5 * s["time_us"] < sum(times) <= s["time_us"]
    assert s["interpreter_us"] == s["time_us"]


def test_recursive_calls_have_clocks_of_their_own() -> None:
    f = jit(define("def f(x, n):\n    if n == 0:\n        return [x]\n    return f(x, n - 1) + [n]\n"))
    f.py_func.__globals__["f"] = f
    with observed():
        f("a", 10)
    found = function(f.report().data(), "f")
    lines = [[s["lines"][i]["hits"] for i in range(1, 4)] for s in found]
    assert [sum(column) for column in zip(*lines, strict=True)] == [11, 1, 10]


def test_nothing_but_the_counts_differs() -> None:
    """Tracebacks, frames, defaults, cells, exceptions on the way, and what the function is called for later."""
    source = '''
def f(words, at=1, *, more=2):
    """Text."""
    found = [at, more]
    for word in words:
        if word == "end":
            raise KeyError(word,
                           at)
    for word in at:
        pass
    return found
'''
    frames = "import sys\ndef f(x):\n    y = [x]\n    return sorted(sys._getframe().f_locals), y\n"

    def outcome(f: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return f(*args, **kwargs)
        except Exception as e:
            rows = traceback.extract_tb(e.__traceback__)
            return repr(e), [(r.name, r.lineno, r.end_lineno, r.colno, r.end_colno) for r in rows][1:]

    looks = jit(define(frames))
    with observed():
        assert looks(1) == (["x", "y"], [1])
    f = define(source)
    compiled = jit(f)
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((["a"], ()), {}),
        ((["a"],), {"at": (), "more": 7}),
        ((["a", "end"],), {}),
        ((["a"],), {"at": 3}),
        ((3,), {}),
        ((), {}),
    ]
    with observed():
        for args, kwargs in calls:
            assert outcome(compiled, *args, **kwargs) == outcome(f, *args, **kwargs)
    for args, kwargs in calls:
        assert outcome(compiled, *args, **kwargs) == outcome(f, *args, **kwargs)


def test_observed_types_are_assumed_as_without() -> None:
    """The copy that counts reports values, too."""
    f = define("""
def f(settings, a):
    scale = settings.get("scale")
    total = 0.0
    for i in range(a.size):
        total += a[i] * scale
    return total
""")
    compiled = jit(f)
    with observed():
        for _ in range(3):
            assert compiled({"scale": 2.0}, np.ones(100)) == 200.0
    assert compiled.tier({"scale": 2.0}, np.ones(100)) == "mixed"


def test_reasons_are_ordered_by_the_time_of_their_lines(tmp_path: Path) -> None:
    script = tmp_path / "s.py"
    script.write_text(
        "from numlift import jit\n@jit\ndef f(words):\n    a = {}\n    b = sorted(words)\n"
        "    for _ in words:\n        b = sorted(b + words)\n    return a, b\n"
        "for _ in range(3):\n    f(['a', 'b'] * 100)\n"
    )
    data = json.loads(numlift("report", "--format", "json", str(script), PYTHONWARNINGS="ignore"))
    validate(data)
    assert data["totals"]["native_time"] == 0
    assert data["totals"]["interpreter_us"] == data["totals"]["time_us"] > 0
    first, *rest = data["suggestions"]
    assert first["interpreter_us"] > 0.5 * data["totals"]["time_us"]
    assert all(first["interpreter_us"] >= (s["interpreter_us"] or 0.0) for s in rest)
    lines = function(data, "f")[0]["lines"]
    (hot,) = (line for line in lines if line["line"] == 7)
    assert hot["hits"] == 600 and hot["interpreter_us"] == max(line["interpreter_us"] or 0 for line in lines)


def test_lines_of_a_first_call_count_for_the_argument_behind_them(tmp_path: Path) -> None:
    script = tmp_path / "s.py"
    script.write_text(
        "from numlift import jit\nimport numpy as np\n@jit\ndef f(cfg, a):\n    scale = cfg['scale']\n"
        "    total = 0.0\n    if True:\n        for i in range(a.size):\n            total += a[i] * scale\n"
        "    return total\n"
        "for _ in range(3):\n    f({'scale': 2.0}, np.ones(20_000))\n"
    )
    data = json.loads(numlift("report", "--format", "json", str(script), PYTHONWARNINGS="ignore"))
    validate(data)
    replaced, used = function(data, "f")
    assert (replaced["state"], used["state"], used["tier"]) == ("replaced", "in use", "mixed")
    (line,) = (line for line in replaced["lines"] if line["line"] == 9)
    (suggestion,) = (s for s in data["suggestions"] if s["code"] == "NL2002")
    assert suggestion["line"] == 4 and suggestion["message"].startswith("argument `cfg` is a dict")
    assert line["hits"] == 20_000 and suggestion["interpreter_us"] >= line["interpreter_us"]


def test_warnings_and_traces_of_others_stay(recwarn: pytest.WarningsRecorder) -> None:
    f = jit(
        define("def f(x):\n    import warnings\n    warnings.warn('here', stacklevel=1)\n    return {x}\n")
    )
    trace = sys.gettrace()
    with observed(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        f(1)
    assert sys.gettrace() is trace
    assert [w.lineno for w in caught if str(w.message) == "here"] == [f.py_func.__code__.co_firstlineno + 2]


def test_methods() -> None:
    source = """
class Base:
    def f(self, words):
        return [*words]

class Derived(Base):
    __private = 1

    def f(self, words):
        words = super().f(words)
        return words, self.__private, __class__
"""
    Derived = define(source, name="Derived")
    compiled = jit(Derived.f)
    Derived.f = compiled
    with observed():
        for _ in range(3):
            assert Derived().f("ab") == (["a", "b"], 1, Derived)
    lines = [line for s in function(compiled.report().data(), "Derived.f") for line in s["lines"]]
    assert sum(line["hits"] or 0 for line in lines) == 6
