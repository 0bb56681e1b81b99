"""Kernels of the project's own benchmark: name → function, helpers, maker of arguments."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Kernel:
    """One function and how to call it."""

    function: Callable[..., Any]
    arguments: Callable[[np.random.Generator], tuple[Any, ...]]
    helpers: list[Callable[..., Any]] = field(default_factory=list)


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


def axpy(k, x, y):
    for i in range(len(x)):
        y[i] = k * x[i] + 0.5 * y[i]


def escape(cr, ci, limit):
    zr = 0.0
    zi = 0.0
    for k in range(limit):
        zr2 = zr * zr
        zi2 = zi * zi
        if zr2 + zi2 > 4.0:
            return k
        zi = 2.0 * zr * zi + ci
        zr = zr2 - zi2 + cr
    return limit


def mandelbrot(width, height, limit):
    n = 0
    for y in range(height):
        for x in range(width):
            n += escape(3.0 * x / width - 2.1, 2.4 * y / height - 1.2, limit)
    return n


def nbody(position, velocity, mass, dt, steps):
    n = position.shape[0]
    for _ in range(steps):
        for i in range(n):
            ax = 0.0
            ay = 0.0
            az = 0.0
            for j in range(n):
                dx = position[j, 0] - position[i, 0]
                dy = position[j, 1] - position[i, 1]
                dz = position[j, 2] - position[i, 2]
                inverse = 1.0 / math.sqrt(dx * dx + dy * dy + dz * dz + 0.01)
                weight = mass[j] * inverse * inverse * inverse
                ax += weight * dx
                ay += weight * dy
                az += weight * dz
            velocity[i, 0] += dt * ax
            velocity[i, 1] += dt * ay
            velocity[i, 2] += dt * az
        for i in range(n):
            for k in range(3):
                position[i, k] += dt * velocity[i, k]


def collatz(n):
    best = 0
    for start in range(1, n):
        x = start
        steps = 0
        while x != 1:
            if x % 2 == 0:
                x //= 2
            else:
                x = 3 * x + 1
            steps += 1
        if steps > best:
            best = steps
    return best


def fibonacci(n):
    if n < 2:
        return n
    return fibonacci(n - 1) + fibonacci(n - 2)


def matmul(a, b, c):
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            s = 0.0
            for k in range(a.shape[1]):
                s += a[i, k] * b[k, j]
            c[i, j] = s


def levenshtein(a, b, previous, current):
    for j in range(len(b) + 1):
        previous[j] = j
    for i in range(len(a)):
        current[0] = i + 1
        for j in range(len(b)):
            change = previous[j]
            if a[i] != b[j]:
                change += 1
            current[j + 1] = min(change, previous[j + 1] + 1, current[j] + 1)
        previous, current = current, previous
    return previous[len(b)]


def nothing():
    return None


def add(x, y):
    return x + y


def first(a):
    return a[0]


def _axpy(r):
    return 2.0, r.random(10_000), r.random(10_000)


def _bodies(r):
    return r.normal(size=(60, 3)), r.normal(size=(60, 3)), r.random(60), 1e-6, 10


def _words(r):
    n = 300
    words = [r.integers(97, 123, n).astype(np.uint32) for _ in range(2)]
    return (*words, np.zeros(n + 1, np.int64), np.zeros(n + 1, np.int64))


KERNELS: dict[str, Kernel] = {
    "sum2d": Kernel(sum2d, lambda r: (r.random((500, 500)),)),
    "sum2d, strided": Kernel(sum2d, lambda r: (r.random((1000, 1000))[::2, ::2],)),
    "sum of int64": Kernel(sum_integers, lambda r: (r.integers(0, 99, 200_000),)),
    "axpy": Kernel(axpy, _axpy),
    "mandelbrot": Kernel(mandelbrot, lambda r: (100, 100, 100), [escape]),
    "nbody": Kernel(nbody, _bodies),
    "collatz": Kernel(collatz, lambda r: (10_000,)),
    "fibonacci": Kernel(fibonacci, lambda r: (24,)),
    "matmul": Kernel(matmul, lambda r: (r.random((96, 96)), r.random((96, 96)), np.zeros((96, 96)))),
    "levenshtein": Kernel(levenshtein, _words),
    "call f()": Kernel(nothing, lambda r: ()),
    "call f(1.0, 2.0)": Kernel(add, lambda r: (1.0, 2.0)),
    "call f(array)": Kernel(first, lambda r: (r.random(3),)),
}
