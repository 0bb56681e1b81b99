"""What `test_report.py` observes: functions of each tier, called a known number of times."""

import sys

import numpy as np

from numlift import jit

SETTINGS = {"scale": 2.0}


@jit
def total(a):
    """Sum of all elements."""
    s = 0.0
    for i in range(a.shape[0]):
        s += a[i]
    return s


@jit
def scaled(x, n):
    s = 0.0
    for _ in range(n):
        s += x * SETTINGS.get("scale")
    return s


@jit
def square(n):
    return n * n


@jit
def unused(a):
    return a


@jit
def mixed(settings, a):
    scale: float = settings["scale"]
    total = 0.0
    for i in range(a.size):
        total += a[i] * scale
        if i % 10 == 0:
            settings[i] = total
            settings["last"] = i
    return total


for _ in range(10):
    total(np.ones(100))
total(np.ones(100, dtype=np.float32))
for _ in range(25):
    scaled(1.5, 2)
square(3)
square(2**40)
square(4)
for _ in range(4):
    mixed(dict(SETTINGS), np.ones(100))

if __name__ == "__main__":
    print(*sys.argv[1:], sys.path[0], __file__, sep="\n")
    sys.exit(3)
