"""Integers in loops: checks that one comparison stands for, intervals, conversions, neighbours of elements."""

import math

import numpy as np
import pytest

from harness import check

MAX = 2**63 - 1


def number(digits, start):
    value = start
    if value < 0:
        return None
    for c in digits:
        if 48 <= c and c <= 57:
            value = value * 10 + (int(c) - 48)
    return value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12ab3",
        str(MAX),
        str(MAX + 1),
        str(MAX // 10) + "9",
        "922337203685477579",
        "9223372036854775799",
        "9" * 30,
    ],
)
def test_steps_at_the_limit(text: str) -> None:
    digits = np.frombuffer(text.encode(), dtype=np.uint8)
    for start in (0, 7, -1):
        check(number, digits, start)


def recorded(digits, out):
    value = 0
    for i in range(digits.shape[0]):
        out[i] = value
        value = value * 10 + (int(digits[i]) - 48)
    return value


def test_steps_overflow_behind_an_effect() -> None:
    digits = np.frombuffer(b"9" * 25, dtype=np.uint8)
    check(recorded, digits, np.zeros(25, dtype=object))
    check(recorded, digits, np.zeros(25))
    check(recorded, digits[:18], np.zeros(18, dtype=np.int64))


def collatz(x):
    steps = 0
    while x > 1:
        x = x // 2 if x % 2 == 0 else 3 * x + 1
        steps += 1
    return steps


def square(x):
    return x * x + x if x >= 0 else x


def total(counts, start):
    s = start
    for c in counts:
        s += int(c)
    return s


def test_steps_of_one_number() -> None:
    for x in (1, 27, 97, 2**62 - 1, (MAX - 1) // 3 | 1, MAX):
        check(collatz, x)
    for x in (0, 3, 3037000499, 3037000500, -3037000500, MAX):
        check(square, x)
    for start in (0, MAX - 255 * 4, MAX - 255 * 4 + 1, -MAX - 1, MAX):
        check(total, np.full(4, 255, dtype=np.uint8), start)


def histogram(x, bins, n):
    h = np.zeros(n, dtype=np.int64)
    for v in x:
        k = int(v * bins)
        if 0 <= k < n:
            h[k] += 1
    return h


def inside(values, n):
    found = 0
    for v in values:
        if 0 <= v and v < n:
            found += 1
        if -3 < v <= 5:
            found += 100
    return found


def test_intervals() -> None:
    values = np.array([-MAX - 1, -4, -3, -2, -1, 0, 1, 4, 5, 6, 7, MAX])
    for n in (-MAX - 1, -1, 0, 1, 6, MAX):
        check(inside, values, n)
    check(inside, values.astype(np.int32), 3)
    check(histogram, np.linspace(-0.2, 1.2, 50), 10, 10)


EDGES = [
    0.0,
    -0.0,
    0.5,
    -1.5,
    2.0**53,
    2.0**62,
    2.0**63,
    -(2.0**63),
    2.0**63 - 1024,
    -(2.0**63) - 2048,
    1e300,
]


@pytest.mark.parametrize("x", [*EDGES, math.inf, -math.inf, math.nan, -math.nan])
def test_int_of_a_float(x: float) -> None:
    def convert(x):
        return int(x)

    def last(xs):
        n = 0
        for v in xs:
            n = int(v)
        return n

    check(convert, x)
    with np.errstate(over="ignore"):
        check(convert, np.float32(x))
    check(last, np.array([1.0, x]))
    check(histogram, np.array([0.25, x]), 4, 4)


def neighbours(a, out):
    for i in range(1, a.shape[0] - 1):
        out[i + 1] = a[i - 1] - 2 * a[i] + a[i + 1] + out[i - 1]
    return out[a.shape[0] - 1]


def test_neighbours() -> None:
    for dtype in (np.float64, np.float32, np.int64, np.int16, np.uint8):
        a = np.arange(40).astype(dtype)
        check(neighbours, a, np.zeros(40, dtype=dtype))
        check(neighbours, a[::-1], np.zeros(80, dtype=dtype)[::2])
        check(neighbours, a, np.zeros(39, dtype=dtype))
    same = np.arange(20.0)
    check(neighbours, same, same)


def gather(a, indices, out):
    k = 0
    for i in indices:
        out[k] = a[i] * 2
        a[i] += 1
        k += 1
    return k


def test_indices_from_the_end() -> None:
    for indices in ([0, -1, 4, -5], [-5, -5, -1], [4, 5], [-1, -6], [2**62], [-(2**63)], [2**63 - 1]):
        for dtype in (np.float64, np.int16):
            check(gather, np.arange(5).astype(dtype), np.array(indices), np.zeros(4, dtype=dtype))


def rows(a, b, n):
    previous = np.zeros(n + 1, dtype=np.int64)
    current = np.zeros(n + 1, dtype=np.int64)
    for i in range(a.shape[0]):
        current[0] = i
        for j in range(n):
            current[j + 1] = min(previous[j] + a[i], previous[j + 1] + 1, current[j] + b[j])
        previous, current = current, previous
    return previous


def test_rows_of_the_same_length() -> None:
    """Neither is checked for the length of the other, which would send the loop to its slow copy."""
    a, b = np.arange(6) % 3, np.arange(9) % 4
    for n in (0, 1, 8, 9, 10):
        check(rows, a, b, n)
