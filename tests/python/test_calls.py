"""Calls between functions; globals, closures and callees as they are at the time of the call."""

import functools
import math
import sys
import types
from typing import Any

import numpy as np
import pytest
from test_control_flow import run

from harness import check, define, jit, outcome


def both(source: str, *args: object, tier: str | None = "native") -> None:
    run(source, args, tier=tier, name="f")


def test_plain_helper_is_compiled_along() -> None:
    both("def g(x, y=2):\n    return x * y\ndef f(a):\n    return g(a) + g(a, 3) + g(y=4, x=a)\n", 5)


def test_helper_with_array_and_effects() -> None:
    both(
        "def g(a, i):\n    a[i] += 1\n    return a[i]\ndef f(a):\n    s = 0.0\n    for i in range(len(a)):\n        s += g(a, i)\n    return s\n",
        np.arange(4.0),
    )


def test_helper_returns_tuple_and_none() -> None:
    both("def g(a):\n    return a, a + 1\ndef f(a):\n    x, y = g(a)\n    return x * y, g(y)\n", 5)
    both("def g(a):\n    a[0] = 1\ndef f(a):\n    return g(a)\n", np.zeros(2))


def test_recursion() -> None:
    both("def f(n):\n    return n if n < 2 else f(n - 1) + f(n - 2)\n", 15)
    both("def f(n):\n    if n == 0:\n        return 1.0\n    return n * f(n - 1)\n", 20)
    both(
        "def even(n):\n    return True if n == 0 else odd(n - 1)\ndef odd(n):\n    return False if n == 0 else even(n - 1)\ndef f(n):\n    return even(n)\n",
        30,
    )
    both(
        "def f(m, n):\n    if m == 0:\n        return n + 1\n    if n == 0:\n        return f(m - 1, 1)\n    return f(m - 1, f(m, n - 1))\n",
        2,
        3,
    )


def test_recursion_overflow_of_ints_gives_big_ints() -> None:
    both("def f(n):\n    return 1 if n < 2 else n * f(n - 1)\n", 10)
    both("def f(n):\n    return 1 if n < 2 else n * f(n - 1)\n", 30, tier=None)


def test_jitted_calls_jitted() -> None:
    space = define("def g(x):\n    return x * 2\n").__globals__
    space["jit"] = jit
    f = define("@jit\ndef g(x):\n    return x * 2\n\ndef f(a):\n    return g(a) + 1\n", "f", jit=jit)
    check(f, 3)
    check(f, 3.5)


def test_function_as_argument() -> None:
    f = define("def f(g, x):\n    return g(x) + g(x + 1)\n")
    g = define("def g(x):\n    return x * x\n")
    h = define("def h(x):\n    return x - 1\n")
    compiled = jit(f)
    for args in ((g, 3), (h, 3), (jit(g), 3), (math.sqrt, 4.0), (abs, -3)):
        check(f, *args, compiled=compiled, tier=None)


def test_wrong_arguments_of_a_callee() -> None:
    source = "def g(x):\n    return x\ndef f(a):\n    return {}\n"
    for call in ("g()", "g(a, a)", "g(y=a)", "g(a, x=a)", "nothing(a)", "a(1)"):
        run(source.format(call), (1,), tier=None, name="f")


def test_globals_are_live() -> None:
    f = define("K = 2\ndef f(x):\n    return x * K\n")
    compiled = jit(f)
    for value in (2, 3, 2.5, np.float32(1.5), True, 2**70, "ab", (1, 2)):
        f.__globals__["K"] = value
        check(f, 3, compiled=compiled, tier=None)
    del f.__globals__["K"]
    check(f, 3, compiled=compiled, tier=None)


def test_global_numbers_tuples_arrays_are_native() -> None:
    f = define("A = np.arange(5.0)\nT = (1, 2.5)\nN = 3\ndef f(i):\n    return A[i] * T[1] + N\n")
    compiled = jit(f)
    check(f, 2, compiled=compiled)
    f.__globals__["A"][2] = 100.0
    check(f, 2, compiled=compiled)
    f.__globals__["A"] = np.arange(7)
    check(f, 6, compiled=compiled, tier=None)


def test_redefined_helper_takes_effect() -> None:
    f = define("def g(x):\n    return x + 1\ndef f(x):\n    return g(x)\n", "f")
    compiled = jit(f)
    check(f, 3, compiled=compiled)
    f.__globals__["g"] = define("def g(x):\n    return x * 100\n")
    check(f, 3, compiled=compiled)
    f.__globals__["g"].__code__ = define("def g(x):\n    return x - 7\n").__code__
    check(f, 3, compiled=compiled, tier=None)
    f.__globals__["g"] = define("def g(x, y=5):\n    return x + y\n")
    check(f, 3, compiled=compiled)
    f.__globals__["g"].__defaults__ = (6,)
    check(f, 3, compiled=compiled, tier=None)
    del f.__globals__["g"]
    check(f, 3, compiled=compiled, tier=None)
    f.__globals__["g"] = abs
    check(f, -3, compiled=compiled, tier=None)


def test_redefined_deep_helper_takes_effect() -> None:
    f = define(
        "def h(x):\n    return x + 1\ndef g(x):\n    return h(x) * 2\ndef f(x):\n    return g(x)\n", "f"
    )
    compiled = jit(f)
    check(f, 3, compiled=compiled)
    f.__globals__["h"] = define("def h(x):\n    return x - 1\n")
    check(f, 3, compiled=compiled)


def test_shadowed_builtins_and_module_attributes() -> None:
    f = define("def f(x):\n    return abs(x) + math.sqrt(4.0)\n")
    compiled = jit(f)
    check(f, -3, compiled=compiled)
    f.__globals__["abs"] = lambda x: x * 10
    check(f, -3, compiled=compiled, tier=None)
    del f.__globals__["abs"]
    check(f, -3, compiled=compiled, tier=None)
    fake = types.ModuleType("math")
    fake.sqrt = lambda x: x + 1000
    f.__globals__["math"] = fake
    check(f, -3, compiled=compiled, tier=None)


def test_patched_module_attribute(monkeypatch: pytest.MonkeyPatch) -> None:
    f = define("def f(x):\n    return math.sin(x)\n")
    compiled = jit(f)
    check(f, 1.0, compiled=compiled)
    monkeypatch.setattr(math, "sin", lambda x: 42.0)
    check(f, 1.0, compiled=compiled, tier=None)


def test_constants_of_modules() -> None:
    both("def f(x):\n    return x * np.pi + math.e, np.inf > x, np.nan == x\n", 2.0)


def test_closures_are_live() -> None:
    source = """
def make(k):
    def f(x):
        return x * k
    def set(v):
        nonlocal k
        k = v
    return f, set
"""
    f, assign = define(source, "make")(3)
    compiled = jit(f)
    check(f, 5, compiled=compiled)
    for value in (4, 2.5, np.int8(3), "ab"):
        assign(value)
        check(f, 5, compiled=compiled, tier=None)


def test_two_closures_of_one_code() -> None:
    make = define("def make(k):\n    def f(x):\n        return x + k\n    return f\n", "make")
    one, two = jit(make(1)), jit(make(2.5))
    assert (one(1), two(1)) == (2, 3.5)


def test_global_written_by_the_function() -> None:
    f = define("N = 1\ndef f(x):\n    global N\n    N += x\n    return N\n")
    compiled = jit(f)
    assert [compiled(2), compiled(3)] == [3, 6] and f.__globals__["N"] == 6


def test_import_inside() -> None:
    both("def f(x):\n    import math\n    return math.sqrt(x)\n", 2.0)
    both("def f(x):\n    from math import sqrt as s, pi\n    return s(x) * pi\n", 2.0)
    both("def f(x):\n    import numpy as np\n    return np.float32(x) + np.sin(x)\n", 2.0)
    both("def f(x):\n    import no_such_module\n    return x\n", 2.0, tier=None)


def test_imported_values_are_read_at_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = types.ModuleType("values_to_import")
    module.K, module.A, module.T = 3, np.arange(4.0), (1, 2.5)
    monkeypatch.setitem(sys.modules, "values_to_import", module)
    f = define(
        "def f(x):\n    from values_to_import import K, A, T\n    K += 1\n    return K * x, A[1], T[1], A\n"
    )
    compiled = jit(f)
    check(f, 2.0, compiled=compiled)
    for k in (2.5, 7, "text"):
        module.K = k
        check(f, 2, compiled=compiled, tier=None)


def test_import_of_a_module_not_loaded_yet() -> None:
    sys.modules.pop("colorsys", None)
    f = jit(define("def f(x):\n    import colorsys\n    return colorsys.rgb_to_hsv(x, x, x)\n"))
    plain = f.py_func
    assert f(0.5) == plain(0.5) == f(0.5)


def test_lambda_and_default_arguments() -> None:
    check(jit(lambda x: x * 2 + 1).py_func, 3, tier=None)
    f = define("f = lambda x, y=2: x * y\n", "f")
    check(f, 3, tier=None)
    partial = functools.partial(jit(f), 5)
    assert partial(y=3) == 15


def test_effects_before_an_overflow_are_not_repeated() -> None:
    """Never a silently different result: the exact big integer, or `OverflowError`."""
    f = define("def f(a, n):\n    a[0] += 1\n    return n * n\n")
    compiled = jit(f)
    a = np.zeros(1)
    assert compiled(a, 3) == 9
    try:
        assert compiled(a, 2**40) == 2**80
    except OverflowError:
        pass
    assert a[0] == 2


def test_many_types_of_one_function() -> None:
    f = define("def f(x):\n    return x + x\n")
    compiled = jit(f)
    scalars = [1, 1.0, 1j, True, *[np.dtype(d).type(1) for d in "bBhHiIlLfdFD"]]
    for value in scalars + [np.zeros(3, d) for d in "bBhHiIlLfdFD"] + [(1,) * k for k in range(40)]:
        compiled_result, plain = outcome(compiled, (value,)), outcome(f, (value,))
        assert repr(compiled_result) == repr(plain)
