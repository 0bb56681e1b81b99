"""Edit distance of two words, given as arrays of code points."""

import numpy as np

from _support import header, show
from numlift import jit


@jit
def levenshtein(a, b):
    previous = np.arange(len(b) + 1)
    current = np.zeros(len(b) + 1, dtype=np.int64)
    for i in range(len(a)):
        current[0] = i + 1
        for j in range(len(b)):
            change = previous[j] + (a[i] != b[j])
            current[j + 1] = min(change, previous[j + 1] + 1, current[j] + 1)
        previous, current = current, previous
    return previous[len(b)]


def letters(word: str) -> np.ndarray:
    return np.frombuffer(word.encode("utf-32-le"), dtype=np.uint32)


def main(n: int = 400) -> None:
    header()
    rng = np.random.default_rng(0)
    a, b = (rng.integers(97, 123, n).astype(np.uint32) for _ in range(2))
    show(levenshtein, lambda: (a, b))
    print("\nWords of a list nearest to what was typed:")
    words = ["compile", "compiler", "interpreter", "python", "numeric", "array"]
    for typed in ("comiler", "pyhton", "arry", "numerics"):
        distance, word = min((int(levenshtein(letters(typed), letters(w))), w) for w in words)
        print(f"  {typed:<10} {word:<12} {distance} changes")


if __name__ == "__main__":
    main()
