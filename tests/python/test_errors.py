"""Exceptions: type, text, and a traceback with the user's file, functions and lines."""

import subprocess
import sys
import traceback

import numpy as np
import pytest
from test_control_flow import run

from harness import FAKE, check, define, jit


def test_raise_of_builtin_exceptions() -> None:
    for raised in (
        "ValueError('bad value')",
        "ValueError",
        "TypeError('t')",
        "RuntimeError()",
        "IndexError('a', 1)",
        "KeyError('k')",
        "ZeroDivisionError('z')",
        "StopIteration",
        "OverflowError('o')",
        "NotImplementedError",
        "ArithmeticError('x') from None",
        "Exception('Grüße, \\u4e16\\u754c')",
    ):
        run(f"def f(x):\n    if x > 1:\n        raise {raised}\n    return x\n", (0,), (2,), tier=None)
    run("def f(x):\n    raise ValueError(f'x is {x}')\n", (2,), tier=None)
    run("def f(x):\n    raise ValueError('x', x)\n", (2,), tier=None)
    run("def f(x):\n    raise x\n", (2,), tier=None)
    run("def f(x):\n    raise\n", (2,), tier=None)


def test_raise_is_native() -> None:
    run("def f(x):\n    if x > 1:\n        raise ValueError('too large')\n    return x\n", (0,), (2,))


def test_assert() -> None:
    run("def f(x):\n    assert x > 1, 'small'\n    return x\n", (2,), (0,))
    run("def f(x):\n    assert x > 1\n    return x\n", (2,), (0,))
    run("def f(x):\n    assert x > 1, x\n    return x\n", (2,), (0,), tier=None)
    run("def f(x):\n    assert x > 1, f'{x} is small'\n    return x\n", (2,), (0,), tier=None)


@pytest.mark.skipif(FAKE, reason="needs the compiler")
def test_assert_is_gone_with_optimisation(tmp_path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "from numlift import jit\n@jit\ndef f(x):\n    assert x > 1\n    return x\nprint(f(0))\n"
    )
    done = subprocess.run([sys.executable, "-O", str(program)], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "0", done.stderr


@pytest.mark.parametrize(
    ("text", "args"),
    [
        ("a // b", (1, 0)),
        ("a % b", (1, 0)),
        ("a / b", (1, 0)),
        ("a / b", (1.0, 0.0)),
        ("a // b", (1.0, 0)),
        ("a % b", (1.5, 0.0)),
        ("divmod(a, b)", (1, 0)),
        ("divmod(a, b)", (1.0, 0.0)),
        ("a ** b", (0, -1)),
        ("a ** b", (0.0, -2.0)),
        ("a ** b", (1e200, 2.0)),
        ("a << b", (1, -1)),
        ("a >> b", (1, -1)),
        ("a / b", (1j, 0)),
        ("a / b", (10**400, 1)),
        ("math.sqrt(a) + b", (-1.0, 1)),
        ("math.log(a) + b", (0.0, 1)),
        ("math.exp(a) + b", (1000.0, 1)),
        ("math.factorial(a) + b", (-1, 1)),
        ("int(a) + b", (float("nan"), 1)),
        ("int(a) + b", (float("inf"), 1)),
        ("math.floor(a) + b", (float("inf"), 1)),
        ("round(a) + b", (float("nan"), 1)),
        ("a + b", (1, "x")),
        ("a + b", (None, 1)),
        ("a[b]", (1, 1)),
        ("a < b", (1j, 1)),
        ("a & b", (1.0, 1)),
        ("np.uint8(a) + b", (1, 300)),
        ("np.uint8(a) + b", (300, 1)),
        ("np.int8(a) * 200 + b", (1, 1)),
        ("len(a) + b", (1, 1)),
        ("min(a) + b", (1, 1)),
        ("float(a) + b", ("x", 1)),
        ("undefined_name + a + b", (1, 1)),
        ("math.undefined(a) + b", (1, 1)),
    ],
)
def test_operation_errors(text: str, args: tuple) -> None:
    run(f"def f(a, b):\n    x = 1\n\n    return {text}\n", args, tier=None)


def test_nested_frames() -> None:
    source = """
def third(a, i):

    return a[i]

def second(a, i):
    x = 0.0
    for k in range(3):
        x += third(a, i + k)
    return x

def f(a, i):
    y = 1.0
    return y + second(a, i)
"""
    run(
        source,
        (np.arange(5.0), 0),
        (np.arange(5.0), 3),
        (np.arange(5.0), 99),
        (np.arange(5.0), -99),
        name="f",
    )


def test_recursive_frames() -> None:
    source = "def f(n):\n    if n == 0:\n        return 1 // n\n    return 1 + f(n - 1)\n"
    run(source, (0,), (5,), tier=None)


def test_traceback_prints_the_source_line() -> None:
    f = jit(define("def f(a, i):\n    b = 1.0\n    return a[i] + b  # this line\n"))
    with pytest.raises(IndexError) as caught:
        f(np.zeros(3), 3)
    text = "".join(traceback.format_exception(caught.value))
    assert "this line" in text and "line 3, in f" in text
    assert str(caught.value) == "index 3 is out of bounds for axis 0 with size 3"


def test_errors_leave_partial_effects() -> None:
    run("def f(a):\n    for i in range(10):\n        a[i] = i * 2\n", (np.zeros(4),), tier=None)
    run(
        "def f(a, b):\n    for i in range(4):\n        a[i] = 10 // b[i]\n",
        (np.zeros(4), np.array([1, 2, 0, 4])),
        tier=None,
    )
    run(
        "def f(a, n):\n    for i in range(n):\n        a[i] = 10 // (2 - i)\n",
        (np.zeros(4), 2),
        (np.zeros(4), 4),
    )


def test_zero_trip_loops_do_not_raise() -> None:
    """A hoisted check never raises earlier than the interpreter."""
    run(
        "def f(a, n):\n    s = 0.0\n    for i in range(n):\n        s += a[100]\n    return s\n",
        (np.zeros(101), 2),
        (np.zeros(3), 0),
        (np.zeros(3), 1),
    )
    run(
        "def f(a, n, d):\n    s = 0\n    for i in range(n):\n        s += a // d\n    return s\n",
        (5, 2, 3),
        (5, 0, 0),
        (5, 1, 0),
    )
    run(
        "def f(a, n):\n    for i in range(n):\n        a[0] += 1\n        a[i + 2] = 7\n",
        (np.zeros(5), 2),
        (np.zeros(5), 5),
    )


def test_error_in_callee_after_effect() -> None:
    source = "def g(a, i):\n    a[0] += 1\n    return a[i]\n\ndef f(a, i):\n    return g(a, 0) + g(a, i)\n"
    run(source, (np.zeros(3), 1), (np.zeros(3), 3), name="f")


def test_argument_errors() -> None:
    f = define("def f(a, b=2, *, c=3):\n    return a + b + c\n")
    compiled = jit(f)
    for args, kwargs in [
        ((), {}),
        ((1, 2, 3), {}),
        ((1,), {"a": 1}),
        ((1,), {"d": 1}),
        ((1,), {"c": 5}),
        ((), {"b": 1}),
        ((), {"a": 1, "b": 2, "c": 3}),
    ]:
        check(f, *args, kwargs=kwargs, compiled=compiled, tier=None)


def test_exception_context_is_clean() -> None:
    f = jit(define("def f(a):\n    return 1 // a\n"))
    try:
        f(0)
    except ZeroDivisionError as error:
        assert error.__cause__ is None and error.__context__ is None
    try:
        try:
            raise KeyError("outer")
        except KeyError:
            f(0)
    except ZeroDivisionError as error:
        assert isinstance(error.__context__, KeyError)


def test_traceback_of_deep_recursion() -> None:
    """Every frame is there, and none of the call that was refused."""
    source = (
        "def down(n, k):\n"
        "    if n == 0: raise ValueError('bottom')\n"
        "    x = k + 1\n"
        "    return (1 if n < 0 else\n"
        "            1 + down(n - 1, k) + x)\n"
        "def ping(n): return pong(n + 1)\n"
        "def pong(n):\n"
        "    if n < 0: return 1\n"
        "    return ping(n + 1)\n"
        "def f(n):\n"
        "    if n == 0: return ping(n)\n"
        "    return down(n, n)\n"
    )
    for name, args in (("down", (10**6, 2)), ("ping", (1,)), ("f", (10**6,)), ("f", (300,)), ("f", (0,))):
        error = check(define(source, name), *args)
        assert isinstance(error, RecursionError | ValueError)


@pytest.mark.skipif(FAKE, reason="needs the compiler")
@pytest.mark.parametrize("above", [0, 5, 40, 3000])
def test_instructions_of_the_frames_are_valid(above: int) -> None:
    """IPython looks up the instruction of each traceback entry; no columns are underlined."""
    source = "\n" * above + "def f(a):\n    b = a\n" + "\n" * above + "    return 1 // b\n"
    f = jit(define(source))
    with pytest.raises(ZeroDivisionError) as caught:
        f(0)
    tb = caught.value.__traceback__
    while tb.tb_next is not None:
        tb = tb.tb_next
    code = tb.tb_frame.f_code
    line = 2 * above + 3
    assert (tb.tb_lineno, tb.tb_frame.f_lineno, code.co_firstlineno) == (line, line, above + 1)
    assert list(code.co_positions())[tb.tb_lasti // 2] == (line, line, None, None)
    assert "^" not in "".join(traceback.format_exception(caught.value)).split("in f")[-1]
