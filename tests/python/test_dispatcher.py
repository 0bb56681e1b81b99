"""The compiled function as a Python object."""

import copy
import doctest
import functools
import inspect
import json
import pickle
import subprocess
import sys
import textwrap
import types
import warnings
from typing import Any

import numpy as np
import pytest

from harness import FAKE, CompileError, NumliftFallbackWarning, check, define, jit, njit, prange

pytestmark = pytest.mark.skipif(FAKE, reason="needs the compiler")


@jit
def area(width: float, height: float = 2.0) -> float:
    """Area of a rectangle.

    >>> area(2.0, 3.0)
    6.0
    """
    return width * height


def test_identity_of_the_function() -> None:
    assert area.__name__ == "area" and area.__qualname__ == "area" and area.__module__ == __name__
    assert area.__doc__.startswith("Area") and area.__wrapped__ is area.py_func
    assert isinstance(area.py_func, types.FunctionType)
    assert str(inspect.signature(area)) == "(width: float, height: float = 2.0) -> float"
    assert area.__annotations__ == area.py_func.__annotations__
    assert callable(area) and inspect.getdoc(area) and "area" in repr(area)
    assert inspect.unwrap(area) is area.py_func


def test_attributes() -> None:
    f = jit(define("def f(a, b):\n    c = a * b\n    return c + 1\n"))
    assert len(f.signatures) == 0
    f(1, 2)
    f(1.0, 2)
    f(3, 4)
    assert len(f.signatures) == 2 and len(f.specializations) == 2
    assert f.tier(1, 2) == "native" and f.tier("x", "y") == "interpreter"
    for text in (f.inspect_types(), f.inspect_mir(), f.inspect_clif(), f.inspect_asm()):
        assert text
    timings = f.timings()
    assert len(timings) == 2
    for times in timings.values():
        assert all(t >= 0 for t in times.values())
        passes = [t for name, t in times.items() if name.startswith("opt/")]
        assert len(passes) > 5 and 0 < sum(passes) <= times["opt"]


def test_tier_does_not_run() -> None:
    f = jit(define("def f(a):\n    a[0] = 1\n"))
    a = np.zeros(2)
    assert f.tier(a) == "native"
    assert a[0] == 0


def test_keywords_and_defaults() -> None:
    f = define("def f(a, b=2, *, c=3, d):\n    return a, b, c, d\n")
    compiled = jit(f)
    for args, kwargs in [
        ((1,), {"d": 4}),
        ((1, 5), {"d": 4}),
        ((1,), {"b": 5.5, "d": 4, "c": 1}),
        ((), {"d": 1, "c": 2, "b": 3, "a": 4}),
        ((1,), {}),
        ((1,), {"d": 1, "e": 1}),
    ]:
        check(f, *args, kwargs=kwargs, compiled=compiled, tier=None)


def test_positional_only_and_variadic() -> None:
    check(define("def f(a, /, b):\n    return a - b\n"), 1, tier=None, kwargs={"b": 2})
    check(define("def f(a, /, b):\n    return a - b\n"), tier=None, kwargs={"a": 1, "b": 2})
    check(define("def f(*args):\n    return len(args)\n"), 1, 2, 3, tier=None)
    check(define("def f(**kw):\n    return len(kw)\n"), tier=None, kwargs={"x": 1})


def test_mutable_default() -> None:
    f = jit(define("def f(x, a=np.zeros(1)):\n    a[0] += x\n    return a[0]\n"))
    assert [f(1), f(2)] == [1, 3] and f.py_func(0) == 3


class Body:
    scale = 3

    def __init__(self) -> None:
        self.mass = 2.0

    @jit
    def scaled(self, x):
        return x * self.scale

    @staticmethod
    @jit
    def twice(x):
        return 2 * x

    @classmethod
    @jit
    def of_class(cls, x):
        return cls.scale + x


def test_methods() -> None:
    body = Body()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NumliftFallbackWarning)
        assert body.scaled(2.0) == 6.0 and Body.scaled(body, 2) == 6
        assert body.twice(3) == 6 and Body.twice(3) == 6
        assert body.of_class(1) == 4 and Body.of_class(1) == 4
    assert body.scaled.__self__ is body
    assert Body.scaled is Body.__dict__["scaled"]


def test_wraps_and_partial() -> None:
    @functools.wraps(area)
    def outer(*args):
        return area(*args)

    assert outer(2.0, 2.0) == 4.0 and outer.__name__ == "area"
    assert functools.partial(area, 4.0)(height=0.5) == 2.0
    assert list(map(jit(define("def f(x):\n    return x + 1\n")), [1, 2])) == [2, 3]


def test_pickle_by_name() -> None:
    again = pickle.loads(pickle.dumps(area))
    assert again is area
    assert copy.copy(area) is not None and copy.deepcopy(area)(1.0) == 2.0


def test_cloudpickle() -> None:
    cloudpickle = pytest.importorskip("cloudpickle")
    f = jit(define("def f(x):\n    return x * 3\n"))
    assert f(2) == 6
    assert cloudpickle.loads(cloudpickle.dumps(f))(2) == 6


def test_options_are_kept_by_pickle() -> None:
    cloudpickle = pytest.importorskip("cloudpickle")
    f = njit(define("def f(x):\n    return [x]\n"))
    with pytest.raises(CompileError):
        cloudpickle.loads(cloudpickle.dumps(f))(2)


def test_doctest_finds_it() -> None:
    runner = doctest.DocTestRunner(verbose=False)
    found = [t for t in doctest.DocTestFinder().find(area, "area", globs={"area": area}) if t.examples]
    assert found
    assert all(runner.run(t).failed == 0 for t in found)


def test_eager_signatures() -> None:
    f = jit("float64(float64, int64)")(define("def f(a, b):\n    return a * b\n"))
    assert len(f.signatures) == 1
    g = jit(["int64(int64)", "float64(float64)"])(define("def f(a):\n    return a + a\n"))
    assert len(g.signatures) == 2 and g(2) == 4 and g(2.5) == 5.0
    h = jit("(float64[:, :],)")(define("def f(a):\n    return a[0, 0]\n"))
    assert h(np.ones((2, 2))) == 1.0
    with pytest.raises((ValueError, TypeError)):
        jit("no such type(((")(define("def f(a):\n    return a\n"))


def test_decorator_forms() -> None:
    source = "def f(a):\n    return a + 1\n"
    assert jit(define(source))(1) == jit()(define(source))(1) == jit(strict=True)(define(source))(1) == 2
    assert njit(define(source))(1) == 2
    with pytest.raises(TypeError):
        jit(5)
    with pytest.raises(TypeError):
        jit(no_such_option=1)
    assert jit(jit(define(source)))(1) == 2


def test_fallback_warns_once_with_line_code_help() -> None:
    f = jit(define("def f(x):\n    y = x\n    return {y: 1}\n"))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert f(1) == {1: 1} and f(2) == {2: 1}
    ours = [w for w in seen if issubclass(w.category, NumliftFallbackWarning)]
    assert len(ours) == 1
    text = str(ours[0].message)
    assert "NL" in text and "3" in text
    assert f.tier(1) == "interpreter"


def test_strict_raises_with_the_same_diagnostic() -> None:
    f = njit(define("def f(x):\n    return {x: 1}\n"))
    with pytest.raises(CompileError, match="NL"):
        f(1)
    assert jit(define("def f(x):\n    return x\n"), strict=True)(1) == 1


def test_no_source() -> None:
    space: dict = {}
    exec("def f(x):\n    return x + 1\n", space)
    with pytest.warns(NumliftFallbackWarning):
        assert jit(space["f"])(1) == 2


def test_source_that_is_not_the_code_any_more() -> None:
    """A file edited after import: the interpreter runs what was imported."""
    import linecache

    f = define("def f(x):\n    return x + 1\n")
    name = f.__code__.co_filename
    text = "def f(x):\n    return x - 1\n"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NumliftFallbackWarning)
        assert jit(f)(1) == 2


def test_prange_is_range() -> None:
    f = define("def f(n):\n    s = 0\n    for i in prange(n):\n        s += i\n    return s\n", prange=prange)
    check(f, 10)


def test_generators_coroutines_classes() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NumliftFallbackWarning)
        assert list(jit(define("def f(n):\n    yield n\n    yield n + 1\n"))(1)) == [1, 2]
        coroutine = jit(define("async def f(n):\n    return n\n"))(1)
        with pytest.raises(StopIteration, match="1"):
            coroutine.send(None)


def test_two_threads_of_subclasses() -> None:
    class MyInt(int):
        def __add__(self, other):
            return 100

    class MyFloat(float):
        pass

    f = define("def f(a):\n    return a + 1\n")
    compiled = jit(f)
    for value in (1, MyInt(1), MyFloat(1.5), np.float64(1.5)):
        check(f, value, compiled=compiled, tier=None)


def test_wrapping_and_fastmath_options() -> None:
    f = jit(overflow="wrap")(define("def f(a, b):\n    return a * b + 1\n"))
    assert f(2**62, 4) == 1 and f(2, 3) == 7
    g = jit(fastmath=True)(define("def f(a, b):\n    return a * b + 1\n"))
    assert g(2.0, 3.0) == 7.0


def test_boundscheck_false_takes_indices_as_they_are() -> None:
    source = """
    def f(a, at, out):
        s = 0
        for i in range(len(at)):
            out[at[i]] += 1
            s += a[at[i]] * a[i] * a[-1]
        for j in range(1, len(a) - 1):
            out[j] += a[j - 1] + a[j + 1]
        return s
    """
    f = define(textwrap.dedent(source))
    arrays = np.arange(7), np.array([0, 6, -1, 3, -7, 2, 2]), np.zeros(7, int)
    check(f, *arrays, compiled=jit(f, boundscheck=False))
    # an element of the array that a view is of, on either side of it
    whole = np.arange(10)
    item = define("def f(a, i):\n    return a[i]\n")
    outside = jit(item, boundscheck=False)
    assert [outside(whole[3:6], i) for i in (-4, -3, 2, 3)] == [2, 3, 5, 6]
    for checked in (jit(item), jit(item, boundscheck=True), jit(item, boundscheck=None)):
        with pytest.raises(IndexError, match="index 3 is out of bounds for axis 0 with size 3"):
            checked(whole[3:6], 3)
    assert any("boundscheck=False" in r["message"] for r in _remarks(outside))


def _remarks(f) -> list[dict[str, Any]]:
    report = json.loads(f.report().json())
    lines = [line for s in report["functions"][0]["specializations"] for line in s["lines"]]
    return [remark for line in lines for remark in line["remarks"]]


def test_a_function_in_a_file_and_in_a_cell(tmp_path) -> None:
    program = textwrap.dedent(
        """
        import linecache
        source = "from numlift import jit\\n@jit\\ndef f(x):\\n    return x * 2\\n"
        name = "<ipython-input-1-abc>"
        linecache.cache[name] = (len(source), None, source.splitlines(True), name)
        exec(compile(source, name, "exec"))
        print(f(4), f.tier(4))
        """
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["8", "native"], done.stderr


def test_weakref_hash_equality() -> None:
    import weakref

    f = jit(define("def f(x):\n    return x\n"))
    assert weakref.ref(f)() is f and f == f and hash(f) == hash(f) and f != area
    f.note = "attributes can be set"
    assert f.note


def test_import_is_light() -> None:
    program = "import sys, numpy, numlift; print(' '.join(m for m in ('numba', 'scipy', 'asyncio', 'inspect') if m in sys.modules and m not in B))"
    program = "import sys, numpy; B = set(sys.modules); " + program
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "numba" not in done.stdout and "asyncio" not in done.stdout
