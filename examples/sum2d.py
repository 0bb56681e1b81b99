"""Sum of a matrix, element by element: any dtype, any layout."""

import numpy as np

from _support import header, show
from numlift import jit


@jit
def sum2d(arr):
    M, N = arr.shape
    result = 0.0
    for i in range(M):
        for j in range(N):
            result += arr[i, j]
    return result


def main(n: int = 1000) -> None:
    header()
    base = np.random.default_rng(0).random((n, n))
    for array in (
        base,
        np.asfortranarray(base),
        base[::-2, ::2],
        (base * 100).astype(np.int64),
        base + 1j * base,
    ):
        show(sum2d, lambda array=array: (array,))


if __name__ == "__main__":
    main()
