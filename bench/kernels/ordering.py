"""Sorting and searching."""

import numpy as np

from kernels.kernel import Kernel


def quicksort(a, low, high):
    while low < high:
        pivot = a[(low + high) // 2]
        i = low
        j = high
        while i <= j:
            while a[i] < pivot:
                i += 1
            while a[j] > pivot:
                j -= 1
            if i <= j:
                a[i], a[j] = a[j], a[i]
                i += 1
                j -= 1
        if j - low < high - i:
            quicksort(a, low, j)
            low = i
        else:
            quicksort(a, i, high)
            high = j


def sift_down(a, root, end):
    while 2 * root + 1 < end:
        child = 2 * root + 1
        if child + 1 < end and a[child] < a[child + 1]:
            child += 1
        if a[root] >= a[child]:
            return
        a[root], a[child] = a[child], a[root]
        root = child


def heapsort(a):
    n = len(a)
    for root in range(n // 2 - 1, -1, -1):
        sift_down(a, root, n)
    for end in range(n - 1, 0, -1):
        a[0], a[end] = a[end], a[0]
        sift_down(a, 0, end)


def insertion_sort(a):
    for i in range(1, len(a)):
        x = a[i]
        j = i
        while j > 0 and a[j - 1] > x:
            a[j] = a[j - 1]
            j -= 1
        a[j] = x


def search(a, values):
    total = 0
    for value in values:
        low = 0
        high = len(a)
        while low < high:
            middle = (low + high) // 2
            if a[middle] < value:
                low = middle + 1
            else:
                high = middle
        total += low
    return total


def _numbers(r, n):
    return r.integers(0, 1 << 30, n)


KERNELS = [
    Kernel("quicksort", quicksort, lambda r, n: (_numbers(r, n), 0, n - 1), 30, 20_000),
    Kernel("heapsort", heapsort, lambda r, n: (_numbers(r, n),), 30, 20_000, (sift_down,)),
    Kernel("insertion sort", insertion_sort, lambda r, n: (r.random(n),), 20, 1_000),
    Kernel("binary search", search, lambda r, n: (np.sort(_numbers(r, n)), _numbers(r, n)), 20, 20_000),
]
