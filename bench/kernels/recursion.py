"""Functions that call themselves."""

from kernels.kernel import Kernel


def fibonacci(n):
    if n < 2:
        return n
    return fibonacci(n - 1) + fibonacci(n - 2)


def ackermann(m, n):
    if m == 0:
        return n + 1
    if n == 0:
        return ackermann(m - 1, 1)
    return ackermann(m - 1, ackermann(m, n - 1))


def queens(all_columns, columns, left, right):
    if columns == all_columns:
        return 1
    found = 0
    free = all_columns & ~(columns | left | right)
    while free:
        place = free & -free
        free ^= place
        found += queens(all_columns, columns | place, (left | place) << 1, (right | place) >> 1)
    return found


KERNELS = [
    Kernel("fibonacci", fibonacci, lambda r, n: (n,), 10, 24),
    Kernel("Ackermann", ackermann, lambda r, n: (2, n), 3, 60),
    Kernel("n queens", queens, lambda r, n: ((1 << n) - 1, 0, 0, 0), 5, 8),
]
