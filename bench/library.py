"""Times NumPy's reductions, sorts and searches, called from a compiled function and from Python.

`python bench/library.py [WORD...]`. A function makes one call and does nothing else. Above a ratio of
1 compiling has made it slower.
"""

import linecache
import math
import sys

import numpy as np
from islands import best

from numlift import jit

REDUCTIONS = [
    *(
        f"a.{name}()"
        for name in ["sum", "prod", "min", "max", "mean", "var", "std", "any", "all", "argmin", "argmax"]
    ),
    "np.ptp(a)",
    "np.median(a)",
    "np.percentile(a, 30.0)",
    "np.average(a)",
    "np.nansum(a)",
    "np.nanmax(a)",
    "np.count_nonzero(a)",
    "np.linalg.norm(a)",
    "np.dot(a, b)",
    "a @ b",
    "m.sum(axis=0)",
    "m.sum(axis=1)",
    "m.max(axis=1)",
    "m.mean(axis=0)",
    "m.argmax(axis=1)",
    "i.sum()",
    "i.max()",
]
OTHERS = [
    "np.cumsum(a)",
    "np.sort(a)",
    "np.argsort(a)",
    "np.unique(i)",
    "np.histogram(a, 20)[0]",
    "np.searchsorted(s, b)",
    "np.bincount(i)",
    "np.diff(a)",
    "a.copy()",
    "a[a > 0.5]",
    "a[i]",
]


def function(call):
    """A function that makes one call."""
    source = f"def f(a, b, s, i, m):\n    return {call}\n"
    file = f"<{call}>"
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    space = {"np": np}
    exec(compile(source, file, "exec"), space)
    return space["f"]


def arguments(n):
    r = np.random.default_rng(1)
    a, b = r.random(n), r.random(n)
    return a, b, np.sort(a), r.integers(0, n, n), r.random((n // 100, 100))


def main():
    words = sys.argv[1:]
    sizes = [1000, 1_000_000]
    logs = {n: [] for n in sizes}
    print(f"{'call':28}" + "".join(f"{f'n = {n}: NumPy':>24}{'numlift':>12}{'ratio':>8}" for n in sizes))
    for call in REDUCTIONS + OTHERS:
        if words and not any(word in call for word in words):
            continue
        row = f"{call:28}"
        for n in sizes:
            f, given = function(call), arguments(n)
            compiled = jit(f)
            numpy, ours = best([lambda: f(*given), lambda: compiled(*given)], 0.2)
            logs[n].append(math.log(ours / numpy))
            row += f"{numpy / 1000:>21.2f} us{ours / 1000:>9.2f} us{ours / numpy:>8.2f}"
        print(row, flush=True)
    for n, all_ in logs.items():
        if all_:
            mean, most = math.exp(sum(all_) / len(all_)), math.exp(max(all_))
            print(f"n = {n}: geometric mean {mean:.2f}, greatest {most:.2f}")


if __name__ == "__main__":
    main()
