"""Sums of floats behind functions that vectors do: the lanes are added in order, of every length, and errors are in their turn."""

import math

import numpy as np
import pytest

from harness import check

LENGTHS = [*range(36), 100]


def sum_of_exp(x):
    s = 0.0
    for i in range(len(x)):
        s += math.exp(x[i])
    return s


def softmax(x):
    out = np.empty(len(x))
    s = 0.0
    for i in range(len(x)):
        e = math.exp(x[i] - 0.5)
        out[i] = e
        s += e
    for i in range(len(x)):
        out[i] /= s
    return out, s


def distances(x):
    s = 0.0
    t = 1.0
    for i in range(len(x)):
        d = x[i] - 0.25
        s -= math.sqrt(d * d + 0.1)
        t = t * 0.75 + 1.0 / (1.0 + d * d)
    return s, t


def compensated(x):
    s = 0.0
    c = 0.0
    for i in range(len(x)):
        y = math.exp(x[i]) - c
        t = s + y
        c = (t - s) - y
        s = t
    return s, c


def conditional(x):
    s = 0.0
    for i in range(len(x)):
        if x[i] > 0.4:
            s += math.cos(x[i]) * i
    return s


def with_the_one_before(x):
    s = 0.0
    before = -0.0
    for i in range(len(x)):
        e = math.sin(x[i])
        s += e * before
        before = e
    return s, before


def counted(x):
    s = 0.0
    k = 3
    for i in range(len(x) - 1, -1, -1):
        s = s * 0.5 + i
        k = k ^ i
    for i in range(len(x)):
        s = s * 0.5 + math.exp(x[i]) - i
        k = (k * 3 + i) & 1023
    return s, k


def logs(x, out):
    s = 0.0
    for i in range(len(x)):
        v = math.log(x[i])
        out[i] = v
        s += v
    return s


FUNCTIONS = [sum_of_exp, softmax, distances, compensated, conditional, with_the_one_before, counted]


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_lanes_are_added_in_order(f, dtype):
    r = np.random.default_rng(5)
    for n in LENGTHS:
        check(f, r.random(n).astype(dtype))


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_special_numbers(f):
    special = np.array([0.0, -0.0, math.inf, -math.inf, math.nan, 1e308, -1e308, 5e-324, 709.9, -800.0])
    for n in range(len(special)):
        x = np.random.default_rng(n).random(33)
        x[n : n + 1] = special[n]
        check(f, x)


@pytest.mark.parametrize("at", [0, 1, 7, 8, 15, 16, 31, 32, 36])
def test_errors_in_their_turn(at):
    x = np.random.default_rng(at).random(37) + 0.1
    x[at] = -1.0
    check(logs, x, np.zeros(37))
    x[at] = 1000.0
    check(sum_of_exp, x)
