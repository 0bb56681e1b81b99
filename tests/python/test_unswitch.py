"""Loops with conditions that no turn changes: both copies give what the interpreter does."""

import numpy as np
import pytest

from harness import FAKE, check, define, jit

MODES = (
    "def f(x, y, mode, n):\n"
    "    k = 0\n"
    "    for i in range(n):\n"
    "        if mode == 1:\n"
    "            y[i] = x[i] * 2.0 + y[i]\n"
    "        elif mode == 2:\n"
    "            y[i] = x[i] / 3.0\n"
    "            k += 1\n"
    "        else:\n"
    "            y[i] = 0.5\n"
    "    return k, i\n"
)


@pytest.mark.parametrize("mode", [0, 1, 2])
@pytest.mark.parametrize("n", [0, 1, 2, 5, 40, 41])
def test_modes(mode: int, n: int) -> None:
    """Also where no turn is run, and where one is beyond the end."""
    x = np.arange(40.0)
    check(define(MODES), x, x[::-1].copy(), mode, n)


@pytest.mark.parametrize("flag", [True, False])
def test_what_the_loop_leaves_with(flag: bool) -> None:
    source = (
        "def f(a, flag, n):\n"
        "    last = -1\n"
        "    s = 0\n"
        "    i = 0\n"
        "    while i < n:\n"
        "        if flag and n > 3:\n"
        "            a[i] = s\n"
        "            s += a[i - 1]\n"
        "        else:\n"
        "            if a[i] == 7:\n"
        "                break\n"
        "            a[i] -= 1\n"
        "            last = i\n"
        "        i += 1\n"
        "    return s, last, i\n"
    )
    for n in (0, 2, 5, 9, 10):
        check(define(source), np.arange(2, 11), flag, n)
    check(define(source), np.full(9, 2**62), flag, 9, tier=None)


def test_a_divisor_is_not_asked_for_earlier() -> None:
    """The condition would raise where the loop has no turn, or only behind stores."""
    source = (
        "def f(a, d, n):\n"
        "    for i in range(n):\n"
        "        a[i] = i\n"
        "        if 10 // d > 2:\n"
        "            a[i] += 5\n"
        "            a[0] -= 1\n"
        "        else:\n"
        "            a[-1] = 3\n"
        "    return a[0]\n"
    )
    for d in (0, 1, 9):
        for n in (0, 1, 4):
            check(define(source), np.zeros(6), d, n)


@pytest.mark.skipif(FAKE, reason="needs the compiler")
def test_the_report_says_so() -> None:
    f = jit(define(MODES))
    f(np.ones(3), np.ones(3), 1, 3)
    assert "condition tested before the loop" in f.report().json()
