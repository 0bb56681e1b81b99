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
    arrays = {
        "C order": base,
        "Fortran order": np.asfortranarray(base),
        "strided": base[::2, ::2],
        "reversed": base[::-1, ::-1],
        "float32": base.astype(np.float32),
        "int64": (base * 100).astype(np.int64),
        "complex128": base + 1j * base,
    }
    for label, array in arrays.items():
        show(sum2d, lambda array=array: (array,), label=label)
    print(f"\nThe sum of {n} x {n} numbers is {sum2d(base):.6f}, NumPy's np.sum gives {np.sum(base):.6f}.")


if __name__ == "__main__":
    main()
