"""Sums and other reductions, over every layout and the common dtypes."""

import math

import numpy as np

from kernels.kernel import Kernel


def sum2d(a):
    s = 0.0
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            s += a[i, j]
    return s


def sum_integers(a):
    s = 0
    for v in a:
        s += v
    return s


def dot(x, y):
    s = 0.0
    for i in range(len(x)):
        s += x[i] * y[i]
    return s


def mean_variance(a):
    n = 0
    mean = 0.0
    spread = 0.0
    for x in a:
        n += 1
        change = x - mean
        mean += change / n
        spread += change * (x - mean)
    return mean, spread / n


def largest(a):
    at = 0
    for i in range(1, len(a)):
        if a[i] > a[at]:
            at = i
    return at, a[at]


def count_nan(a):
    n = 0
    for x in a:
        if math.isnan(x):
            n += 1
    return n


def axpy(k, x, y):
    for i in range(len(x)):
        y[i] = k * x[i] + 0.5 * y[i]


def prefix_sum(a, out):
    s = 0.0
    for i in range(len(a)):
        s += a[i]
        out[i] = s


def histogram(a, counts):
    n = len(counts)
    for x in a:
        counts[int(x * n)] += 1


def horner(a, coefficients, out):
    for i in range(len(a)):
        y = 0.0
        for c in coefficients:
            y = y * a[i] + c
        out[i] = y


def black_scholes(spot, strike, years, rate, volatility, out):
    for i in range(len(spot)):
        spread = volatility * math.sqrt(years[i])
        d1 = (math.log(spot[i] / strike[i]) + (rate + 0.5 * volatility * volatility) * years[i]) / spread
        d2 = d1 - spread
        cdf1 = 0.5 * (1.0 + math.erf(d1 / math.sqrt(2.0)))
        cdf2 = 0.5 * (1.0 + math.erf(d2 / math.sqrt(2.0)))
        out[i] = spot[i] * cdf1 - strike[i] * math.exp(-rate * years[i]) * cdf2


def _nan(r, n):
    a = r.random(n)
    a[::7] = np.nan
    return (a,)


def _options(r, n):
    return r.uniform(5, 30, n), r.uniform(1, 100, n), r.uniform(0.25, 10, n), 0.02, 0.3, np.zeros(n)


_COMPLEX = lambda r, n: (r.random((n, n)) + 1j * r.random((n, n)),)  # noqa: E731

KERNELS = [
    Kernel("sum2d", sum2d, lambda r, n: (r.random((n, n)),), 9, 500),
    Kernel("sum2d float32", sum2d, lambda r, n: (r.random((n, n), np.float32),), 9, 500),
    Kernel("sum2d int64", sum2d, lambda r, n: (r.integers(0, 99, (n, n)),), 9, 500),
    Kernel("sum2d complex128", sum2d, _COMPLEX, 9, 500),
    Kernel("sum2d Fortran order", sum2d, lambda r, n: (np.asfortranarray(r.random((n, n))),), 9, 500),
    Kernel("sum2d strided", sum2d, lambda r, n: (r.random((2 * n, 2 * n))[::2, ::2],), 9, 500),
    Kernel("sum2d reversed", sum2d, lambda r, n: (r.random((n, n))[::-1, ::-1],), 9, 500),
    Kernel("sum of int64", sum_integers, lambda r, n: (r.integers(0, 99, n),), 50, 200_000),
    Kernel("dot", dot, lambda r, n: (r.random(n), r.random(n)), 50, 200_000),
    Kernel("mean and variance", mean_variance, lambda r, n: (r.random(n),), 50, 100_000),
    Kernel("argmax", largest, lambda r, n: (r.random(n),), 50, 200_000),
    Kernel("count NaN", count_nan, _nan, 50, 200_000),
    Kernel("axpy", axpy, lambda r, n: (2.0, r.random(n), r.random(n)), 50, 10_000),
    Kernel("prefix sum", prefix_sum, lambda r, n: (r.random(n), np.zeros(n)), 50, 100_000),
    Kernel("histogram", histogram, lambda r, n: (r.random(n), np.zeros(64, np.int64)), 50, 100_000),
    Kernel("Horner", horner, lambda r, n: (r.random(n), r.random(12), np.zeros(n)), 9, 10_000),
    Kernel("Black-Scholes", black_scholes, _options, 20, 20_000, last_bit=True),
]
