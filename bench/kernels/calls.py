"""What a call costs that computes next to nothing."""

from kernels.kernel import Kernel


def nothing():
    return None


def add(x, y):
    return x + y


def first(a):
    return a[0]


def three(a, b, c):
    return a[0] + b[0] + c[0]


def same(a):
    return a


_CALLS = {
    "call f()": (nothing, lambda r, n: ()),
    "call f(1.0, 2.0)": (add, lambda r, n: (1.0, 2.0)),
    "call f(array)": (first, lambda r, n: (r.random(3),)),
    "call f(array, array, array)": (three, lambda r, n: (r.random(3), r.random(3), r.random(3))),
    "call f(array) → array": (same, lambda r, n: (r.random(3),)),
}

KERNELS = [
    Kernel(name, function, make, small=3, full=3, group="empty calls")
    for name, (function, make) in _CALLS.items()
]
