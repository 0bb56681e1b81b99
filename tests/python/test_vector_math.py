"""Functions of `math` and conditions that raise, in loops that are vectorised."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from harness import FAKE, check, define, jit

EQUAL = ["math.exp({})", "math.log({})", "math.sin({})", "math.cos({})", "float({}) ** 2", "{} ** 2"]
SPECIAL = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    1e-310,
    5e-324,
    1e-9,
    700.0,
    -700.0,
    709.7,
    -745.0,
    1e5,
    1e22,
    np.inf,
    -np.inf,
    np.nan,
]
COUNTS = [0, 1, 7, 8, 9, 15, 16, 17, 31, 40, 100]


def loop(expression: str) -> Callable[..., Any]:
    return define(f"""
def f(x, y):
    for i in range(x.shape[0]):
        y[i] = {expression.format("x[i]")}
""")


def has_vectors(function: Any) -> bool:
    return all("f64x2" in text for text in function.inspect_mir().values())


@pytest.mark.parametrize("expression", EQUAL)
def test_values_are_those_of_the_interpreter(expression: str) -> None:
    f = loop(expression)
    compiled = jit(f)
    rng = np.random.default_rng(1)
    for n in COUNTS:
        check(f, rng.uniform(0.01, 10, n), np.zeros(n), compiled=compiled)
    x = np.concatenate(
        [rng.uniform(0, 2, 20_000), rng.uniform(0, 400, 20_000), np.exp(rng.uniform(-700, 700, 20_000))]
    )
    if "exp" in expression:
        x = x[x < 700]
    if "**" in expression:
        x = x[x < 1e150]
    check(f, x, np.zeros(len(x)), compiled=compiled)
    if not FAKE:
        assert has_vectors(compiled)
    if "log" not in expression:
        check(f, -x, np.zeros(len(x)), compiled=compiled)


@pytest.mark.parametrize("expression", EQUAL)
@pytest.mark.parametrize("special", SPECIAL)
def test_a_special_value_in_any_turn(expression: str, special: float) -> None:
    """What raises does so in its turn: those before have stored, those behind have not."""
    f = loop(expression)
    compiled = jit(f)
    for at in [0, 1, 6, 7, 8, 15, 16, 23, 31, 32, 36]:
        x = np.linspace(0.5, 3.0, 37)
        x[at] = special
        check(f, x, np.zeros(37), compiled=compiled)


def test_erf_is_within_one_unit() -> None:
    f = loop("math.erf({})")
    compiled = jit(f)
    rng = np.random.default_rng(2)
    for n in COUNTS:
        check(f, rng.uniform(-3, 3, n), np.zeros(n), compiled=compiled, ulps=1)
    x = np.concatenate([rng.normal(size=50_000), np.array(SPECIAL)])
    check(f, x, np.zeros(len(x)), compiled=compiled, ulps=1)


@pytest.mark.skipif(FAKE, reason="compares machine code with itself")
def test_erf_is_the_same_in_scalar_and_vector_code() -> None:
    @jit
    def one(x: float) -> float:
        return math.erf(x)

    x = np.random.default_rng(3).normal(size=1000)
    y = np.zeros(1000)
    jit(loop("math.erf({})"))(x, y)
    assert [one(v) for v in x.tolist()] == y.tolist()


def test_in_place_and_overlapping() -> None:
    f = define("""
def f(a, shift, n):
    x = a[:n]
    y = a[shift:shift + n]
    for i in range(n):
        y[i] = math.exp(x[i]) * 0.25
    return a
""")
    compiled = jit(f)
    for shift in range(0, 40, 3):
        check(f, np.linspace(0, 1, 100), shift, 50, compiled=compiled)


STORES = """
def f(x, y, z, w):
    for i in range(x.shape[0]):
        y[i] = x[i] + 1.0
        z[i] = math.log(x[i])
        w[i] = y[i] * 2.0
"""


def test_stores_before_and_behind_what_raises() -> None:
    f = define(STORES)
    compiled = jit(f)
    for at in [0, 5, 8, 15, 16, 40, None]:
        x = np.linspace(1.0, 2.0, 41)
        if at is not None:
            x[at] = -1.0
        check(f, x, np.zeros(41), np.zeros(41), np.zeros(41), compiled=compiled)


def test_what_is_read_behind_a_store_that_waits() -> None:
    f = define("""
def f(a, b, k, n):
    x = a[:n]
    y = a[k:k + n]
    for i in range(n):
        x[i] = b[i] + 1.0
        b[i] = math.log(b[i]) + y[i]
    return a, b
""")
    compiled = jit(f)
    for k in range(0, 20):
        check(f, np.linspace(1.0, 2.0, 60), np.linspace(3.0, 4.0, 30), k, 30, compiled=compiled)


def test_what_is_folded_until_a_turn_fails() -> None:
    f = define("""
def f(x, k, y):
    n = 0
    last = -1
    big = 0
    try:
        for i in range(x.shape[0]):
            n += k[i]
            big = max(big, k[i])
            y[i] = 1.0 / float(x[i])
            last = i
    except ZeroDivisionError:
        return n, big, last
    return n, big, last
""")
    compiled = jit(f)
    for at in [0, 3, 8, 16, 31, 44, None]:
        x = np.linspace(1.0, 2.0, 45)
        if at is not None:
            x[at] = 0.0
        check(f, x, np.arange(45) * 3 % 17, np.zeros(45), compiled=compiled)


def test_division_is_vectorised_with_its_check() -> None:
    f = define("""
def f(x, y, a):
    for i in range(x.shape[0]):
        y[i] = float(x[i]) / float(a[i]) + math.sqrt(x[i])
""")
    compiled = jit(f)
    check(f, np.linspace(0.0, 2.0, 50), np.zeros(50), np.linspace(1.0, 2.0, 50), compiled=compiled)
    for bad in (0.0, -0.0):
        a = np.linspace(1.0, 2.0, 50)
        a[33] = bad
        check(f, np.linspace(0.0, 2.0, 50), np.zeros(50), a, compiled=compiled)
    x = np.linspace(0.0, 2.0, 50)
    x[17] = -1.0
    check(f, x, np.zeros(50), np.linspace(1.0, 2.0, 50), compiled=compiled)
    if not FAKE:
        assert has_vectors(compiled)


def test_black_and_scholes() -> None:
    f = define("""
def cdf(x):
    return 0.5 * (1.0 + math.erf(x / 1.4142135623730951))

def f(price, strike, t, rate, vol):
    n = price.shape[0]
    call = np.empty(n)
    put = np.empty(n)
    for i in range(n):
        sq = vol * math.sqrt(t[i])
        d1 = (math.log(price[i] / strike[i]) + (rate + 0.5 * vol * vol) * t[i]) / sq
        d2 = d1 - sq
        disc = strike[i] * math.exp(-rate * t[i])
        c = price[i] * cdf(d1) - disc * cdf(d2)
        call[i] = c
        put[i] = c - price[i] + disc
    return call, put
""")
    f.__globals__["cdf"] = jit(f.__globals__["cdf"])
    compiled = jit(f)
    rng = np.random.default_rng(4)
    price, strike, t = rng.uniform(5, 30, 90), rng.uniform(1, 100, 90), rng.uniform(0.25, 10, 90)
    expected = f(price, strike, t, 0.02, 0.3)
    got = compiled(price, strike, t, 0.02, 0.3)
    for a, b in zip(expected, got, strict=True):
        # differences of nearly equal numbers, each with a last bit of its own
        assert np.allclose(a, b, rtol=0, atol=1e-13)
    t[70] = 0.0
    check(f, price, strike, t, 0.02, 0.3, compiled=compiled)
    price[65] = 0.0
    check(f, price, strike, t, 0.02, 0.3, compiled=compiled)
