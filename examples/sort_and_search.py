"""Quicksort by recursion, then binary search: functions that call each other natively."""

import numpy as np

from _support import header, show
from numlift import jit


@jit
def quicksort(a, low, high):
    while low < high:
        pivot = a[(low + high) // 2]
        i, j = low, high
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


@jit
def find(a, value):
    low, high = 0, len(a)
    while low < high:
        middle = (low + high) // 2
        if a[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@jit
def count_found(a, values):
    found = 0
    for value in values:
        k = find(a, value)
        if k < len(a) and a[k] == value:
            found += 1
    return found


def main(n: int = 50_000) -> None:
    header()
    rng = np.random.default_rng(0)
    data, wanted = rng.integers(0, n, n), rng.integers(0, n, n)
    ordered = np.sort(data)
    check = data.copy()
    quicksort(check, 0, n - 1)
    assert np.array_equal(check, ordered)
    show(quicksort, lambda: (data.copy(), 0, n - 1), helpers=(quicksort,))
    show(count_found, lambda: (ordered, wanted), helpers=(find,))
    print(f"\nSorted: {' '.join(map(str, check[:5]))} ... {' '.join(map(str, check[-3:]))}")
    print(f"{count_found(check, wanted)} of {n} values were found among {n}.")


if __name__ == "__main__":
    main()
