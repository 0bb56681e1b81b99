"""Every operator on every pair of scalar types: value, exact type, sign of zero, error type and text."""

import warnings
from typing import Any

import numpy as np
import pytest

from harness import NumliftFallbackWarning, define, jit, outcome, same
from values import PYTHON, SCALARS

ARITHMETIC = ["+", "-", "*", "/", "//", "%"]
BITWISE = ["&", "|", "^"]
COMPARISONS = ["==", "!=", "<", "<=", ">", ">="]
MANY = ARITHMETIC + BITWISE + COMPARISONS + ["**", "<<", ">>", "and", "or"]


def compare_all(functions: list[tuple[Any, list[tuple[Any, ...]]]], ulps: int = 0) -> None:
    """Runs each function over its argument tuples; lists the disagreements, then the tiers."""
    wrong, slow = [], []
    for function, cases in functions:
        compiled = jit(function)
        for args in cases:
            expected, got = outcome(function, args), outcome(compiled, args)
            agree = (
                (expected.error is None) == (got.error is None)
                and type(expected.error) is type(got.error)
                and str(expected.error) == str(got.error)
                and (expected.error is not None or same(expected.value, got.value, ulps))
            )
            if not agree:
                source = getattr(function, "source", function.__name__)
                shown = ", ".join(f"{type(a).__module__}.{type(a).__name__} {a!r}" for a in args)
                wrong.append(f"{source}  on ({shown}): interpreter {expected!r}, compiled {got!r}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NumliftFallbackWarning)
            first = outcome(function, cases[0])
            # float16 is a dtype that native code does not have
            if (
                first.error is None
                and not isinstance(first.value, np.float16)
                and compiled.tier(*cases[0]) != "native"
            ):
                slow.append(
                    f"{getattr(function, 'source', function)} on {[type(a).__name__ for a in cases[0]]}"
                )
    if wrong:
        pytest.fail(f"{len(wrong)} disagreements:\n" + "\n".join(wrong[:15]), pytrace=False)
    if slow:
        pytest.xfail(f"{len(slow)} not native: " + "; ".join(slow[:5]))


def expression(text: str, *parameters: str) -> Any:
    function = define(f"def f({', '.join(parameters)}):\n    return {text}\n")
    function.source = text
    return function


def _limit(operator: str, values: list[Any]) -> list[Any]:
    """Right operands with which the interpreter does not compute a number of gigabytes."""
    if operator not in ("**", "<<", ">>"):
        return values
    if isinstance(values[0], int) and not isinstance(values[0], bool):
        return [3, 0, 1, -1, 2, 63, 64] + ([70] if operator != "**" else [])
    if isinstance(values[0], np.integer):
        return [v for v in values if abs(int(v)) < 200]
    return values


def _pairs(operator: str, left: str, right: str) -> list[tuple[Any, Any]]:
    lefts, rights = SCALARS[left], _limit(operator, SCALARS[right])
    if left not in PYTHON or right not in PYTHON:
        lefts, rights = lefts[:8], rights[:8]
    return [(a, b) for a in lefts for b in rights]


@pytest.mark.parametrize("left", SCALARS)
@pytest.mark.parametrize("operator", MANY)
def test_binary(operator: str, left: str) -> None:
    compare_all(
        [(expression(f"a {operator} b", "a", "b"), _pairs(operator, left, right)) for right in SCALARS]
    )


@pytest.mark.parametrize("left", SCALARS)
@pytest.mark.parametrize("operator", ["+", "-", "*", "/", "//", "%", "&", "<<", ">>", "**"])
def test_constant_operand(operator: str, left: str) -> None:
    """NEP 50: a Python constant beside a NumPy scalar is weak and its value is checked."""
    constants = ["2", "-3", "0"] + (["300", "70000", "2**40"] if operator not in ("**", "<<", ">>") else [])
    if operator not in ("&", "<<", ">>"):
        constants += ["0.5", "-0.0"]
    right = [(expression(f"a {operator} {c}", "a"), [(v,) for v in SCALARS[left]]) for c in constants]
    compare_all(right)


@pytest.mark.parametrize("right", SCALARS)
@pytest.mark.parametrize("operator", ["+", "-", "*", "/", "//", "%", "<", "=="])
def test_constant_first(operator: str, right: str) -> None:
    constants = ["1", "-1", "0", "300", "2.5", "-0.0"]
    compare_all([(expression(f"{c} {operator} a", "a"), [(v,) for v in SCALARS[right]]) for c in constants])


@pytest.mark.parametrize("operator", COMPARISONS)
@pytest.mark.parametrize("name", [n for n in SCALARS if n not in ("bool", "complex", "np.bool_")])
def test_comparison_with_constant(operator: str, name: str) -> None:
    constants = ["0", "-1", "300", "70000", "2**40", "2**53 + 1", "0.5"]
    compare_all([(expression(f"a {operator} {c}", "a"), [(v,) for v in SCALARS[name]]) for c in constants])


@pytest.mark.parametrize("name", SCALARS)
@pytest.mark.parametrize(
    "text",
    [
        "-a",
        "+a",
        "~a",
        "not a",
        "abs(a)",
        "a if a else 1",
        "bool(a)",
        "int(a)",
        "float(a)",
        "complex(a)",
        "round(a)",
        "round(a, 1)",
        "round(a, -1)",
        "a is None",
    ],
)
def test_unary(text: str, name: str) -> None:
    compare_all([(expression(text, "a"), [(v,) for v in SCALARS[name]])])


@pytest.mark.parametrize("name", SCALARS)
@pytest.mark.parametrize(
    "operator", ["+=", "-=", "*=", "/=", "//=", "%=", "**=", "&=", "|=", "^=", "<<=", ">>="]
)
def test_augmented(operator: str, name: str) -> None:
    functions = []
    for right in ("int", "float", name):
        f = define(f"def f(a, b):\n    a {operator} b\n    return a\n")
        f.source = f"a {operator} b"
        functions.append((f, _pairs(operator[:-1], name, right)[:40]))
    compare_all(functions)


@pytest.mark.parametrize("left", SCALARS)
def test_divmod_min_max_pow(left: str) -> None:
    functions = []
    for right in ("int", "float", "np.int32", "np.float32", "np.float64", left):
        for call in ("divmod(a, b)", "min(a, b)", "max(a, b)", "min(b, a, b)", "max(a, b, a)"):
            functions.append((expression(call, "a", "b"), _pairs("+", left, right)[:40]))
        functions.append((expression("pow(a, b)", "a", "b"), _pairs("**", left, right)[:40]))
    compare_all(functions)


@pytest.mark.parametrize("name", SCALARS)
def test_conversion_to_dtype(name: str) -> None:
    dtypes = ["bool_", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
    dtypes += ["float32", "float64", "complex64", "complex128", "intp"]
    # A conversion of NaN, infinity and out of range floats to an integer is undefined in C.
    finite = [v for v in SCALARS[name] if not isinstance(v, float | complex | np.inexact) or abs(v) < 2**7]
    compare_all([(expression(f"np.{d}(a)", "a"), [(v,) for v in finite]) for d in dtypes])


def test_comparison_chains() -> None:
    ints, floats = [(a, b, c) for a in (-1, 0, 2) for b in (0, 1) for c in (1, 5)], [(1.0, float("nan"), 2.0)]
    compare_all(
        [
            (expression("a < b < c", "a", "b", "c"), ints + floats),
            (expression("a <= b != c > a", "a", "b", "c"), ints + floats),
            (expression("a == b == c", "a", "b", "c"), ints + floats),
            (expression("0 <= a < 10", "a", "b", "c"), ints + floats),
        ]
    )


def test_int_is_exact() -> None:
    """Results beyond 64 bits are Python's big integers."""
    big = 2**62
    compare_all(
        [
            (expression("a + b", "a", "b"), [(1, 2), (big, big), (-big, -big - big)]),
            (expression("a * b - b", "a", "b"), [(1, 2), (big, 4), (-big, 3)]),
            (expression("-a", "a"), [(1,), (-(2**63),)]),
            (expression("abs(a)", "a"), [(1,), (-(2**63),)]),
            (expression("a // b", "a", "b"), [(7, 2), (-(2**63), -1)]),
            (expression("a << b", "a", "b"), [(1, 2), (1, 63), (3, 62), (-1, 63), (1, 200)]),
            (expression("a ** b", "a", "b"), [(3, 2), (3, 40), (10, 19), (-2, 63), (2, -1)]),
            (expression("a + b", "a", "b"), [(1, 2), (2**64, 1), (1, 2**70)]),
        ]
    )


def test_value_dependent_types() -> None:
    compare_all(
        [
            (expression("a ** b", "a", "b"), [(2.0, 0.5), (-8.0, 0.5), (-8.0, 2.0), (0.0, -1.0)]),
            (expression("a ** b", "a", "b"), [(2, 3), (2, -3), (0, -1)]),
            (expression("int(a)", "a"), [(1.5,), (1e300,), (-1e19,), (float("inf"),), (float("nan"),)]),
            (expression("round(a)", "a"), [(2.5,), (3.5,), (1e300,), (float("nan"),)]),
            (expression("math.floor(a)", "a"), [(2.5,), (-0.5,), (1e300,), (float("-inf"),)]),
            (expression("a < b", "a", "b"), [(1, 1.5), (2**53 + 1, 2.0**53), (2**62 + 1, 2.0**62)]),
            (expression("a == b", "a", "b"), [(1, 1.0), (2**53 + 1, 2.0**53), (2**53, 2.0**53)]),
        ]
    )
