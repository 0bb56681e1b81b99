"""Statements: loops, branches, names, tuples, match."""

from typing import Any

import numpy as np
import pytest

from harness import check, define


def run(source: str, *cases: tuple[Any, ...], tier: str | None = "native", name: str = "f") -> None:
    """Checks the function `f` of `source` on each tuple of arguments."""
    from harness import jit

    function = define(source, name)
    compiled = jit(function)
    for args in cases:
        check(function, *args, compiled=compiled, tier=None)
    if tier is not None:
        check(function, *cases[0], compiled=compiled, tier=tier)


BOUNDS = [0, 1, 2, 5, -1, -3]


@pytest.mark.parametrize("step", [1, 2, 3, -1, -2, -7, 0])
def test_range_with_steps(step: int) -> None:
    source = f"""
def f(a, b):
    total, last = 0, -99
    for i in range(a, b, {step}):
        total += i
        last = i
    return total, last
"""
    run(source, *[(a, b) for a in (5, *BOUNDS) for b in BOUNDS])


def test_range_with_variable_step() -> None:
    source = """
def f(a, b, s):
    total = 0
    for i in range(a, b, s):
        total = total * 3 + i
    else:
        total += 1000
    return total
"""
    run(source, *[(a, b, s) for a in (0, 4, -4) for b in (0, 5, -5) for s in (1, 2, -1, -3, 0)])


def test_range_near_the_limits() -> None:
    source = """
def f(a, b, s):
    n = 0
    last = 0
    for i in range(a, b, s):
        n += 1
        last = i
        if n == 5:
            break
    return n, last
"""
    top, low = 2**63 - 1, -(2**63)
    run(
        source,
        (0, 3, 1),
        (top - 2, top, 1),
        (top - 3, top, 2),
        (low + 2, low, -1),
        (low, top, 2**62),
        (top, low, -(2**62)),
        (low, top, 1),
        (0, top, top),
    )


def test_range_of_one_argument_and_reassigned_variables() -> None:
    run(
        """
def f(n):
    s = 0
    for i in range(n):
        s += i
        i = i * 10      # does not change the loop
        n = 0           # nor does this
        s += i
    return s, n
""",
        *[(b,) for b in (4, *BOUNDS)],
    )


def test_loop_variable_after_the_loop() -> None:
    source = """
def f(n):
    i = -5
    for i in range(n):
        pass
    return i
"""
    run(source, (3,), (0,), (1,))


def test_unbound_after_empty_loop() -> None:
    source = """
def f(n):
    for i in range(n):
        x = i * 2.0
    return i, x
"""
    run(source, (3,), (0,), (-1,))


@pytest.mark.parametrize(
    "body", ["raise ValueError", "a[(1, 2)[5]] = 1.0", "a[50] = 1.0\n        raise ValueError"]
)
@pytest.mark.parametrize("index", ["i", "i + 1:", ":i", "1:i:2", "1:2:i", "i, 0"])
def test_index_that_is_never_bound(body: str, index: str) -> None:
    source = f"""
def f(a, n):
    for i in range(n):
        {body}
    else:
        b = a[{index}]
    return b
"""
    for n in (0, 3):
        check(define(source, "f"), np.arange(9.0), n)


def test_unbound_on_one_path() -> None:
    run(
        """
def f(a):
    if a > 0:
        y = 1.5
    return y
""",
        (1,),
        (0,),
    )
    run(
        """
def f(a):
    if a > 0:
        y = a
    while a > 3:
        a -= 1
        z = y
    return z
""",
        (5,),
        (1,),
        (0,),
    )


def test_del_makes_unbound() -> None:
    run("def f(a):\n    b = a\n    if a > 1:\n        del b\n    return b\n", (1,), (2,), tier=None)


def test_while_else_break_continue() -> None:
    run(
        """
def f(n, stop):
    i = 0
    s = 0
    while i < n:
        i += 1
        if i % 2 == 0:
            continue
        if i == stop:
            break
        s += i
    else:
        s = -s
    return s, i
""",
        *[(n, stop) for n in (0, 1, 7, 10) for stop in (0, 3, 4)],
    )


def test_for_else_nested() -> None:
    run(
        """
def f(n):
    count = 0
    for i in range(2, n):
        for j in range(2, i):
            if i % j == 0:
                break
        else:
            count += i
            continue
        count -= 1
    return count
""",
        (0,),
        (3,),
        (50,),
    )


def test_while_true_and_returns() -> None:
    run(
        """
def f(n):
    while True:
        if n > 100:
            return n
        if n < -100:
            return -1
        n = n * 3 + 1
""",
        (1,),
        (-1,),
        (101,),
    )


def test_falling_off_returns_none() -> None:
    run("def f(a):\n    if a > 1:\n        a = 2\n", (1,), (2,))
    run("def f(a):\n    return\n", (1,))
    run("def f(a):\n    pass\n", (1,))


def test_return_of_different_types() -> None:
    source = """
def f(a):
    if a > 1:
        return 1
    if a > 0:
        return 1.0
    return -0.0
"""
    run(source, (2,), (1,), (0,), tier=None)
    run("def f(a):\n    if a > 1:\n        return 1\n    return None\n", (2,), (0,), tier=None)


def test_joined_families() -> None:
    """A variable that is an int on one path and a float on another keeps its class."""
    source = """
def f(n, x):
    s = 0
    for i in range(n):
        s += x
    return s
"""
    run(source, (3, 0.5), (0, 0.5), (2, 1), (0, 1), (2, np.float64(2)), (0, np.float64(2)))
    run(source, (3, np.float32(0.5)), (0, np.float32(0.5)), tier=None)
    run(
        """
def f(n, x):
    s = 0.0
    for i in range(n):
        s = s + x
    return s / 3, s
""",
        (3, np.float64(2.5)),
        (0, np.float64(2.5)),
        (1, 2),
    )


def test_family_decides_about_division() -> None:
    source = """
def f(n, x):
    d = 0.0
    for i in range(n):
        d = x
    return 1.0 / d
"""
    run(source, (1, np.float64(0.0)), (0, np.float64(0.0)), (1, 0.0), (1, np.float64(-0.0)), tier=None)


def test_int_float_join_is_exact() -> None:
    source = """
def f(a, n):
    x = n
    if a:
        x = 0.5
    return x
"""
    run(source, (False, 3), (True, 3), (False, 2**53 + 1), (False, 2**62 + 1))


def test_short_circuit_values() -> None:
    for text in ("a and b", "a or b", "a or b and c", "not a or b", "a and b or c", "(a or b) + 1"):
        run(
            f"def f(a, b, c):\n    return {text}\n",
            *[(a, b, c) for a in (2, 0) for b in (3, 0) for c in (4, 0)],
        )
    run("def f(a, b):\n    return a and 1 // b > 0\n", (True, 1), (False, 0), (True, 0), tier=None)
    run("def f(a, b):\n    return a or b\n", (0.0, 3), (1.5, 0), (0, np.float32(2)), tier=None)


def test_conditional_expressions_and_walrus() -> None:
    run("def f(a, b):\n    return a if a > b else b\n", (1, 2), (2, 1), (1.0, 2.0))
    run("def f(a, b):\n    return a if a > b else b\n", (1, 2.5), (2, 1.5), tier=None)
    run(
        """
def f(n):
    s = 0
    while (k := n // 2) > 0:
        s += k
        n = k
    return s, k
""",
        (20,),
        (0,),
    )


def test_assignments() -> None:
    run(
        """
def f(a, b):
    x = y = a
    x += b
    a, b = b, a
    (p, q), r = (a, b), x
    first, *rest = 1, 2, 3
    z: float = 2.5
    [m, n] = p, q
    *head, tail = a, b, 4
    a: int
    return x, y, a, b, p, q, r, first, z, m, n, tail
""",
        (1, 2),
        (1.5, 2),
        tier=None,
    )
    run("def f(a, b, c):\n    a, b, c = c, a + b, a - b\n    return a, b, c\n", (1, 2, 3), (1.0, 2.0, 3.0))


def test_wrong_number_of_values_to_unpack() -> None:
    run("def f(t):\n    a, b = t\n    return a + b\n", ((1, 2),), ((1, 2, 3),), ((1,),), tier=None)
    run("def f(a):\n    x, y = a.shape\n    return x * y\n", (np.zeros((2, 3)),), (np.zeros(3),), tier=None)


def test_tuples() -> None:
    run("def f(a, b):\n    return a, (b, a), ()\n", (1, 2.5), (np.float32(1), True))
    run("def f(t):\n    return t[0] + t[1], t[-1], len(t)\n", ((1, 2.5),), ((1, 2, 3.0),))
    run("def f(t):\n    (a, b), c = t\n    return c, b, a\n", (((1, 2.0), 3),))
    run("def f(t):\n    return t\n", ((1, (2.0, np.int8(3))),), ((),), ((None, True),))
    run("def f(t, i):\n    return t[i]\n", ((1, 2, 3), 0), ((1, 2, 3), -1), ((1, 2, 3), 3), tier=None)
    run("def f(t):\n    return t[5]\n", ((1, 2, 3),), tier=None)
    run(
        "def f(t):\n    s = 0\n    for x in t:\n        s += x\n    return s\n",
        ((1, 2, 3),),
        ((1, 2.5),),
        tier=None,
    )
    run("def f(a, b):\n    return (a, b) == (b, a), (a, b) < (b, a)\n", (1, 2), (1, 1), (2, 1.0), tier=None)
    run("def f(t):\n    return t + (1, 2), t[1:]\n", ((1, 2.5),), tier=None)
    run("def f(t):\n    return sum(t), min(t), max(t)\n", ((1, 2, 3),), ((1.0, -2.0),), tier=None)


def test_match() -> None:
    run(
        """
def f(n):
    match n:
        case 0:
            return -1
        case 1 | 2:
            return 10
        case 3.0:
            return 30
        case k if k > 100:
            return k
        case _:
            return 0
""",
        *[(n,) for n in (0, 1, 2, 3, 4, 101)],
        *[(n,) for n in (0.0, 3.0, 2.5)],
    )
    run("def f(n):\n    match n:\n        case 1:\n            r = 5\n    return r\n", (1,), (2,))


def test_iteration_helpers() -> None:
    run(
        "def f(n):\n    s = 0\n    for i, j in zip(range(n), range(3, 9)):\n        s = s * 2 + i * j\n    return s\n",
        (0,),
        (4,),
        (20,),
    )
    run(
        "def f(n):\n    s = 0\n    for k, i in enumerate(range(n, 0, -2), 5):\n        s += k * i\n    return s\n",
        (9,),
        (0,),
    )
    run(
        "def f(n):\n    s = 0\n    for i in reversed(range(1, n, 3)):\n        s = s * 7 + i\n    return s\n",
        (9,),
        (0,),
        (2,),
    )
    run("def f(n):\n    r = range(2, n, 3)\n    return len(r)\n", (9,), (0,), tier=None)
    run("def f(n):\n    return sum(range(n)), max(range(n)), min(range(n))\n", (9,), (0,), tier=None)


def test_loops_that_overflow() -> None:
    """The call is repeated by the interpreter, which has big integers."""
    run(
        "def f(n):\n    p = 1\n    for i in range(1, n):\n        p *= i\n    return p\n",
        (10,),
        (21,),
        (22,),
        (40,),
    )
    run(
        "def f(n):\n    a, b = 0, 1\n    for _ in range(n):\n        a, b = b, a + b\n    return a\n",
        (10,),
        (92,),
        (93,),
        (200,),
    )
    run(
        "def f(n):\n    x = 7\n    for _ in range(n):\n        x = (x * 1103515245 + 12345) & 0x7fffffff\n    return x\n",
        (100,),
    )
    run(
        "def f(n):\n    x = 7\n    for _ in range(n):\n        x = (x * 6364136223846793005 + 1) & 0xffffffffffffffff\n    return x\n",
        (50,),
        tier=None,
    )


def test_numpy_integers_wrap() -> None:
    for dtype in (np.int8, np.uint8, np.int32, np.uint32, np.int64, np.uint64):
        run(
            "def f(x, n):\n    for _ in range(n):\n        x = x * x + x\n    return x\n",
            (dtype(3), 2),
            (dtype(5), 20),
        )


def test_docstring_constant_expressions_pass() -> None:
    run('def f(a):\n    """Text."""\n    1 + 1\n    ...\n    pass\n    return a\n', (1,))


def test_chained_loops_and_early_exit() -> None:
    run(
        """
def f(n):
    for i in range(n):
        for j in range(n):
            for k in range(n):
                if i * j * k == 24:
                    return i, j, k
    return -1, -1, -1
""",
        (3,),
        (10,),
    )


def test_collatz_gcd_newton() -> None:
    run(
        "def f(n):\n    k = 0\n    while n != 1:\n        n = n // 2 if n % 2 == 0 else 3 * n + 1\n        k += 1\n    return k\n",
        (27,),
        (1,),
    )
    run(
        "def f(a, b):\n    while b:\n        a, b = b, a % b\n    return a\n",
        (48, 18),
        (0, 5),
        (-48, 18),
        (7.5, 2.5),
    )
    run(
        "def f(x):\n    y = x\n    while abs(y * y - x) > 1e-12:\n        y = 0.5 * (y + x / y)\n    return y\n",
        (2.0,),
        (1e6,),
    )


def test_global_statement_and_nested_scopes() -> None:
    run(
        "def f(a):\n    b = a + 1\n    def g(x):\n        return x * b\n    return g(a) + g(2)\n",
        (3,),
        (1.5,),
        tier=None,
    )
    run("def f(a):\n    g = lambda x, y=2: x * y\n    return g(a) + g(a, 3)\n", (3,), tier=None)
    run("def f(n):\n    return [i * i for i in range(n)]\n", (3,), tier=None)
    run("def f(n):\n    return {i: i for i in range(n)}, f'{n:03d}'\n", (3,), tier=None)
    run(
        "def f(n):\n    try:\n        return 1 // n\n    except ZeroDivisionError:\n        return -1\n",
        (3,),
        (0,),
        tier=None,
    )


UNBOUND = [
    " while q < n:\n  q += 1\n",
    " while n < q:\n  q += 1\n else:\n  return 1\n",
    " for i in range(n):\n  while q < i:\n   q += 1\n return n\n",
    " for i in range(n):\n  if i > 1:\n   q += i\n return i\n",
]


@pytest.mark.parametrize("body", UNBOUND)
def test_variables_that_only_read_themselves(body: str) -> None:
    f = define(f"def f(n):\n{body}")
    for n in (0, 1, 5):
        check(f, n, tier=None)
