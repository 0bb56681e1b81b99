"""Variables that hold a Python number on one path and a NumPy scalar on another."""

import numpy as np
import pytest

from harness import check, define

ARRAYS = [np.array([]), np.array([2.0, 2.25]), np.array([-0.0]), np.array([np.nan, 1.0]), np.array([-4.0])]


@pytest.mark.parametrize("a", ARRAYS, ids=str)
@pytest.mark.parametrize(
    "result",
    [
        "s",
        "math.sqrt(s)",
        "np.sqrt(s)",
        "math.isnan(s)",
        "s * 2",
        "1.0 / (s + 1.0)",
        "s > 0",
        "-s",
        "abs(s)",
        "(s, s)",
    ],
)
def test_sum_from_zero(a: np.ndarray, result: str) -> None:
    f = define(
        f"import math\nimport numpy as np\ndef f(a):\n    s = 0.0\n    for x in a:\n        s += x\n    return {result}\n"
    )
    check(f, a, tier="native")


@pytest.mark.parametrize("flag", [True, False])
@pytest.mark.parametrize("other", [1.5, np.float64(1.5), np.float32(0.25), np.int64(3), True, 2.5j])
def test_join_with_int(flag: bool, other: object) -> None:
    f = define(
        "def f(flag, y):\n    x = 7\n    if flag:\n        x = y\n    return x, x + 1, x * 2, x == 7\n"
    )
    check(f, flag, other, tier="native")


def test_dividing_a_union_by_zero() -> None:
    f = define("def f(a, d):\n    s = 0.0\n    for x in a:\n        s += x\n    return s / d\n")
    check(f, np.array([]), 0, tier="native")
    check(f, np.array([1.0]), 0, tier="native")
