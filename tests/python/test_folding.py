"""Branches that the types of the arguments decide: the other branch is not compiled."""

from typing import Any

import numpy as np
import pytest

from harness import check, define

A = np.arange(6.0)
B = np.arange(12.0).reshape(3, 4)


@pytest.mark.parametrize("args", [(3,), (3, 2), (3, 2.5), (3.5, None)])
@pytest.mark.parametrize(
    "body",
    [
        "if y is None: y = 1.5\n return x * y",
        "y = y if y is not None else x * 2\n return y",
        "if not y: return x\n return y",
        "if y is None or y > 2: return x\n return y",
        "if y is not None and y > 2: return x\n return 5",
        "return (y or 7) + 1",
        "return (y and y + 1)",
        "if y == None: return x\n return y + 1",
        "assert y is None or y, 'no'\n return y",
        "if not (y is None): return y + 1\n return x.real",
        "while y is not None:\n  y += 1\n  if y > 5: return y\n else: x += 1\n return x",
    ],
)
def test_default_none(body: str, args: tuple[Any, ...]) -> None:
    f = define(f"def f(x, y=None):\n {body}\n", "f")
    check(f, *args, tier="native")


def test_default_none_of_callee() -> None:
    f = define("def g(x, y=None): return x if y is None else x * y\ndef f(x): return g(x) + g(x, 2.5)\n", "f")
    check(f, 3)


def test_assert_that_fails() -> None:
    check(define("def f(x):\n assert x is None\n return x.nothing\n", "f"), 3)


@pytest.mark.parametrize("array", [A, B, np.arange(3, dtype=np.int32), np.zeros((2, 2, 2), np.complex64)])
@pytest.mark.parametrize(
    "body",
    [
        "if a.ndim == 1: return a[0]\n elif a.ndim == 2: return a[0, 0]\n else: raise ValueError('rank')",
        "if a.ndim != 1 and a.ndim <= 2: return a[0, 0]\n return 0",
        "return a.shape[a.ndim - 1], a.shape[-a.ndim]",
        "if len(a.shape) > 1: return a.shape[1]\n return 0",
        "if a.dtype == np.float64: return 1\n return 2",
        "if a.dtype == 'int32': return 1\n return 2",
        "if a.dtype != float: return 1\n return 2",
        "if a.itemsize == 8: return 1\n return 2",
        "if isinstance(a, np.ndarray): return a.size\n return a + 1",
    ],
)
def test_arrays(body: str, array: np.ndarray) -> None:
    check(define(f"def f(a):\n {body}\n", "f"), array)


CLASSES = (
    "int float complex bool tuple str list object (int,float) (np.ndarray,np.floating) np.integer np.number np.generic "
    "np.float64 np.int32 np.inexact np.signedinteger np.complexfloating np.bool_"
).split()


@pytest.mark.parametrize(
    "value",
    [True, 1, 2.5, 1j, None, (1, 2), np.bool_(True), np.int32(1), np.uint8(1), np.float32(1), np.float64(1)]
    + [np.complex128(1), A],
    ids=repr,
)
def test_isinstance(value: Any) -> None:
    answers = ", ".join(f"isinstance(x, {c})" for c in CLASSES)
    check(define(f"def f(x): return {answers}\n", "f"), value)
    if value is not None:
        check(define("def f(x): return type(x) == int, type(x) == tuple, type(x) != float\n", "f"), value)


def test_isinstance_evaluates_its_argument() -> None:
    source = "def g(a):\n a[0] += 1\n return a[0]\ndef f(a):\n if isinstance(g(a), float): return a[0]\n return 0\n"
    check(define(source, "f"), A)


def test_isinstance_selects() -> None:
    source = "def f(x):\n if isinstance(x, (int, float)): return x + 1\n return x[0]\n"
    check(define(source, "f"), 3)
    check(define(source, "f"), A)


def test_loop_that_changes_the_answer() -> None:
    # `x` is None only in the first turn
    source = "def f(n):\n x = None\n s = 0\n for i in range(n):\n  if x is None: s += 1\n  x = i\n return s\n"
    check(define(source, "f"), 3, tier=None)
