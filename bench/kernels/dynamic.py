"""Dynamic programming and graphs."""

import numpy as np

from kernels.kernel import Kernel


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


def knapsack(weights, values, best):
    for i in range(len(weights)):
        w = weights[i]
        for room in range(len(best) - 1, w - 1, -1):
            with_it = best[room - w] + values[i]
            if with_it > best[room]:
                best[room] = with_it
    return best[len(best) - 1]


def common_subsequence(a, b, table):
    for i in range(len(a)):
        for j in range(len(b)):
            if a[i] == b[j]:
                table[i + 1, j + 1] = table[i, j] + 1
            else:
                table[i + 1, j + 1] = max(table[i, j + 1], table[i + 1, j])
    return table[len(a), len(b)]


def shortest_paths(d):
    n = d.shape[0]
    for k in range(n):
        for i in range(n):
            for j in range(n):
                through = d[i, k] + d[k, j]
                if through < d[i, j]:
                    d[i, j] = through


def _words(r, n):
    return [r.integers(97, 123, n).astype(np.uint32) for _ in range(2)]


def _knapsack(r, n):
    return r.integers(1, 40, n), r.integers(1, 99, n), np.zeros(20 * n, np.int64)


KERNELS = [
    Kernel(
        "edit distance",
        levenshtein,
        lambda r, n: (*_words(r, n), np.zeros(n + 1, np.int64), np.zeros(n + 1, np.int64)),
        9,
        300,
    ),
    Kernel("knapsack", knapsack, _knapsack, 5, 100),
    Kernel(
        "common subsequence",
        common_subsequence,
        lambda r, n: (*_words(r, n), np.zeros((n + 1, n + 1), np.int64)),
        9,
        300,
    ),
    Kernel("shortest paths", shortest_paths, lambda r, n: (r.random((n, n)),), 7, 80),
]
