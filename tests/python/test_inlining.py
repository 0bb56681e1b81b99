"""Functions whose bodies stand in the place of their calls: what fails in them, and how deep they may call themselves."""

import sys

import numpy as np
import pytest
from test_calls import both
from test_threads import depth_reached

from harness import FAKE, check, define, jit

needs_compiler = pytest.mark.skipif(FAKE, reason="needs the compiler")

PICK = "def pick(a, i):\n    b = a\n    return b[i] * 2\n"
DEEP = (
    "def inner(a, i):\n"
    "    if i > 90:\n"
    "        raise ValueError('far', i)\n"
    "    return a[i] // (i - 2)\n"
    "def middle(a, i):\n"
    "    x = i + 1\n"
    "    return inner(a, x) + \\\n"
    "        inner(a, i)\n"
    "def f(a, n):\n"
    "    s = 0\n"
    "    for i in range(n):\n"
    "        s += middle(a, i)\n"
    "    return s\n"
)


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_tracebacks_name_every_function(n: int) -> None:
    """Also twice from one line, and from a line that is continued."""
    both(DEEP, np.arange(5), n)
    both(DEEP, np.arange(5), n + 10)


def test_index_errors_in_a_callee() -> None:
    source = (
        PICK + "def f(a, n):\n    s = 0.0\n    for i in range(n):\n        s += pick(a, i)\n    return s\n"
    )
    for n in (0, 3, 4, 5):
        check(define(source, "f"), np.arange(4.0), n)
    both(PICK + "def f(a, n):\n    return pick(a, n) + pick(a, -n - 5)\n", np.arange(4.0), 1)


def test_raises_with_arguments_and_causes() -> None:
    source = (
        "def g(x):\n"
        "    if x < 0:\n"
        "        raise ValueError('negative') from None\n"
        "    return 1 // x\n"
        "def f(x):\n"
        "    y = x\n"
        "    return g(y) + g(y - 1)\n"
    )
    for x in (5, 1, 0, -1):
        check(define(source, "f"), x)


def test_handlers_around_inlined_bodies() -> None:
    source = (
        PICK
        + "def f(a, n):\n"
        + "    s = 0.0\n"
        + "    for i in range(n):\n"
        + "        try:\n"
        + "            s += pick(a, i)\n"
        + "        except IndexError as e:\n"
        + "            s -= i\n"
        + "            if i > 6:\n"
        + "                raise KeyError(i)\n"
        + "            if i > 5:\n"
        + "                raise\n"
        + "    return s\n"
    )
    for n in (3, 6, 7, 8):
        error = check(define(source, "f"), np.arange(4.0), n)
        assert isinstance(error, IndexError) == (n > 6) or n < 7
    nested = source.replace("i > 5", "i > 50").replace("i > 6", "i > 4")
    error = check(define(nested, "f"), np.arange(4.0), 9)
    assert isinstance(error.__context__, IndexError)


def test_handlers_in_inlined_bodies() -> None:
    source = (
        "def g(a, i):\n"
        "    try:\n"
        "        return a[i]\n"
        "    except IndexError:\n"
        "        return a[0] // (i - 6)\n"
        "def f(a, n):\n"
        "    s = 0\n"
        "    for i in range(n):\n"
        "        try:\n"
        "            s += g(a, i)\n"
        "        finally:\n"
        "            a[1] += 1\n"
        "    return s\n"
    )
    for n in (3, 6, 8):
        check(define(source, "f"), np.arange(1, 5), n, tier=None)


@pytest.mark.parametrize("start", [1, 2**40, 2**62, 2**63 - 1])
def test_overflow_goes_on_exactly(start: int) -> None:
    """Before an effect of anybody, behind one of the callee, of the caller, and in a loop of either."""
    both("def g(x):\n    return x * 3\ndef f(x):\n    return g(x) + g(x + 1)\n", start, tier=None)
    both(
        "def g(a, x):\n    a[0] += 1\n    return x * 3\ndef f(a, x):\n    y = g(a, x)\n    return y - g(a, y)\n",
        np.zeros(2),
        start,
        tier=None,
    )
    both(
        "def g(x, y):\n    z = x + y\n    return z + 1\n"
        "def f(a, x):\n    s = 0\n    for i in range(4):\n        a[i] = i\n        s = g(x, g(s, i))\n    return s\n",
        np.zeros(4),
        start,
        tier=None,
    )
    both(
        "def g(a, x):\n    s = x\n    for i in range(3):\n        a[i] = i + 1\n        s += x\n    return s\n"
        "def h(a, x):\n    a[3] = 7\n    return g(a, x) * 2\n"
        "def f(a, x):\n    return h(a, x) + h(a, -x)\n",
        np.zeros(4),
        start,
        tier=None,
    )


def test_arrays_that_a_callee_makes() -> None:
    """Views and new arrays of a callee are given back where its body ends, on every way."""
    source = (
        "def g(a, i):\n"
        "    row = a[i]\n"
        "    t = np.zeros(3)\n"
        "    for j in range(3):\n"
        "        t[j] = row[j] * 2\n"
        "    return t[1] // (i - 4)\n"
        "def f(a, n):\n"
        "    s = 0.0\n"
        "    for i in range(n):\n"
        "        s += g(a, i)\n"
        "    return s\n"
    )
    for n in (2, 3, 4, 5, 6):
        check(define(source, "f"), np.arange(15.0).reshape(5, 3), n)
    caught = source.replace(
        "        s += g(a, i)\n",
        "        try:\n            s += g(a, i)\n        except IndexError:\n            s += 1\n",
    )
    check(define(caught, "f"), np.arange(15.0).reshape(5, 3), 8, tier=None)


@needs_compiler
def test_references_of_inlined_bodies_are_given_back() -> None:
    source = (
        "def g(a, i):\n    row = a[i]\n    return row[i]\n"
        "def f(a, n):\n    s = 0.0\n    for i in range(n):\n        s += g(a, i)\n    return s\n"
    )
    f, a = jit(define(source, "f")), np.eye(4)
    f(a, 4)
    before = sys.getrefcount(a)
    for n in (4, 5):
        for _ in range(50):
            try:
                f(a, n)
            except IndexError:
                pass
    assert sys.getrefcount(a) == before


def test_closures_and_defaults() -> None:
    both(
        "def f(a, k):\n"
        "    def at(i, by=2):\n"
        "        return a[i] * by + k\n"
        "    s = 0\n"
        "    for i in range(7):\n"
        "        s += at(i) + at(i - 1, 3)\n"
        "    return s\n",
        np.arange(5),
        2,
    )


RECURSIVE = {
    "fib": (
        "def f(n):\n    if n < 2:\n        return n\n    return f(n - 1) + f(n - 2)\n",
        (0, 1, 2, 3, 4, 5, 15),
    ),
    "factorial": ("def f(n):\n    return 1 if n < 2 else n * f(n - 1)\n", (0, 1, 5, 20, 21, 40)),
    "raises": (
        "def f(n):\n    if n == 0:\n        raise ValueError('bottom')\n    return 1 + f(n - 1)\n",
        (0, 1, 2, 3, 4, 5, 9),
    ),
    "catches": (
        "def f(n):\n    try:\n        return 10 // n + f(n - 1)\n    except ZeroDivisionError:\n        return 0\n",
        (0, 1, 2, 3, 4, 7),
    ),
    "ackermann": (
        "def f(m):\n    return g(m, 2)\ndef g(m, n):\n    if m == 0:\n        return n + 1\n"
        "    if n == 0:\n        return g(m - 1, 1)\n    return g(m - 1, g(m, n - 1))\n",
        (0, 1, 2, 3),
    ),
    "mutual": (
        "def even(n):\n    return True if n == 0 else odd(n - 1)\n"
        "def odd(n):\n    return False if n == 0 else even(n - 1)\n"
        "def f(n):\n    return even(n)\n",
        (0, 1, 2, 5, 10, 11, 10**5),
    ),
    "endless": ("def f(n):\n    return f(n + 1) + 1\n", (0,)),
}


@pytest.mark.parametrize("name", RECURSIVE)
def test_recursion(name: str) -> None:
    source, arguments = RECURSIVE[name]
    for n in arguments:
        check(define(source, "f"), n, tier=None)


def test_effects_of_recursive_bodies() -> None:
    source = (
        "def f(a, n):\n"
        "    if n == 0:\n"
        "        return a[7]\n"
        "    a[n] += 1\n"
        "    return f(a, n - 1) * 3 + a[n]\n"
    )
    check(define(source, "f"), np.zeros(9), 8)
    check(define(source, "f"), np.zeros(5), 4)
    check(define(source, "f"), np.full(12, 2**62), 3, tier=None)


@needs_compiler
@pytest.mark.parametrize("start", [0, 100, 301])
@pytest.mark.parametrize(
    "source",
    [
        "def f(n):\n    return 0 if n == 0 else 1 + f(n - 1)\n",
        "def f(n):\n    if n < 2:\n        return n\n    return f(n - 1) + f(min(n - 2, 1))\n",
        "def g(n):\n    return 0 if n == 0 else f(n - 1)\ndef f(n):\n    return 1 if n == 0 else g(n - 1) + 1\n",
    ],
)
def test_the_depth_is_that_of_the_interpreter(source: str, start: int) -> None:
    f = jit(define(source, "f"))
    f(3)
    assert abs(depth_reached(f, start) - depth_reached(f.py_func, start)) <= 2


@needs_compiler
def test_the_report_says_so() -> None:
    f = jit(define(DEEP, "f"))
    f(np.arange(5), 1)
    assert "`middle` inlined" in f.report().json()
