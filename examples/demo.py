"""Seven real kernels beside the interpreter: `make demo` runs this."""

import black_scholes
import levenshtein
import mandelbrot
import mix_replicas
import nbody
import numpy as np
import sort_and_search
import sum2d

from _support import header, show


def main() -> None:
    rng = np.random.default_rng(0)
    header()
    matrix = rng.random((1000, 1000))
    show(sum2d.sum2d, lambda: (matrix,))

    n = 24
    energies = rng.normal(size=(n, n))
    show(
        mix_replicas.mix_replicas,
        lambda: (50_000, n, np.arange(n), energies, np.zeros((n, n), np.int64), np.zeros((n, n), np.int64)),
        seed=1,
    )
    show(mandelbrot.mandelbrot, lambda: (300, 200, 100))

    bodies = rng.normal(size=(40, 3)), rng.normal(size=(40, 3)), rng.random(40)
    show(nbody.advance, lambda: (bodies[0].copy(), bodies[1].copy(), bodies[2], 1e-3, 20))

    numbers = rng.integers(0, 1 << 30, 50_000)
    quicksort = sort_and_search.quicksort
    show(quicksort, lambda: (numbers.copy(), 0, len(numbers) - 1), helpers=(quicksort,))

    words = [rng.integers(97, 123, 400).astype(np.uint32) for _ in range(2)]
    show(levenshtein.levenshtein, lambda: (words[0], words[1]))

    m = 50_000
    market = rng.uniform(5, 30, m), rng.uniform(1, 100, m), rng.uniform(0.25, 10, m)
    # math.erf is the one function whose last bit may differ (docs/differences.md).
    show(black_scholes.black_scholes, lambda: (*market, 0.02, 0.3), tolerance=1e-12)
    print(
        "\nEach result was compared with the interpreter's, type and all bits (of black_scholes the last one"
    )
    print("may differ, see docs/differences.md); times are the best of five.")
    print("`python examples/NAME.py` shows what each one computes.")


if __name__ == "__main__":
    main()
