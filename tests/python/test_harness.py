"""The harness itself: it sees each kind of difference."""

from typing import Any

import numpy as np
import pytest

from harness import check, copied, define, same


class Wrong:
    """A 'compiled' function that does something else."""

    def __init__(self, function: Any) -> None:
        self.function = function

    def __call__(self, *args: Any) -> Any:
        return self.function(*args)

    def tier(self, *args: Any) -> str:
        return "native"


def source(body: str) -> Any:
    return define(f"def f(a):\n{body}\n")


DIFFERENT = {
    "value": ("    return a[0]", "    return a[1]"),
    "class": ("    return a[0]", "    return float(a[0])"),
    "dtype": ("    return a[0]", "    return np.float32(a[0])"),
    "sign of zero": ("    return 0.0", "    return -0.0"),
    "NaN": ("    return 0.0", "    return float('nan')"),
    "bool for int": ("    return 1", "    return True"),
    "mutation": ("    return 0", "    a[0] = 9\n    return 0"),
    "no error": ("    return a[9]", "    return 0"),
    "error": ("    return 0", "    return a[9]"),
    "error class": ("    raise ValueError('x')", "    raise TypeError('x')"),
    "error text": ("    raise ValueError('x')", "    raise ValueError('y')"),
    "inside a tuple": ("    return (1, (2, 0.0))", "    return (1, (2, -0.0))"),
    "list for tuple": ("    return (1, 2)", "    return [1, 2]"),
    "shape": ("    return a", "    return a.reshape(1, -1)"),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_differences_are_seen(name: str) -> None:
    right, wrong = (source(body) for body in DIFFERENT[name])
    with pytest.raises(AssertionError):
        check(right, np.arange(1.0, 4.0), compiled=Wrong(wrong))
    check(right, np.arange(1.0, 4.0), compiled=Wrong(right))


def test_lines_of_tracebacks_are_seen() -> None:
    right = source("    b = a\n    return b[9]")

    def moved(a):
        try:
            return right(a)
        except IndexError as error:
            raise IndexError(str(error)) from None

    with pytest.raises(AssertionError, match="traceback"):
        check(right, np.zeros(2), compiled=Wrong(moved))


def test_random_state_is_seen() -> None:
    right = source("    return 0")
    wrong = source("    np.random.random()\n    return 0")
    with pytest.raises(AssertionError, match="generator"):
        check(right, 1, seed=1, compiled=Wrong(wrong))


def test_copies_keep_layout() -> None:
    base = np.arange(24.0).reshape(4, 6)
    for a in (base, base.T, base[::-1, ::2], base[1:, ::-3], base[:0], np.asfortranarray(base), base[0, 1]):
        b = copied(a)
        assert same(a, b)
        if isinstance(a, np.ndarray):
            assert a.strides == b.strides or a.size == 0
            assert not a.size or not np.shares_memory(a, b)
    base.flags.writeable = False
    assert not copied(base).flags.writeable


def test_same_tells_nan_payload_free_values() -> None:
    nan = float("nan")
    assert same(nan, -nan) and same((1, nan), (1, nan)) and same(complex(nan, -0.0), complex(nan, -0.0))
    assert not same(complex(nan, -0.0), complex(nan, 0.0))
    assert same(np.array([nan, 0.0]), np.array([nan, 0.0])) and not same(np.array([0.0]), np.array([-0.0]))
