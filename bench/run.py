"""Times numlift beside Numba in one process, interleaved; the minimum of many runs counts.

python bench/run.py [NAME ...] [--rounds N] [--output FILE.md]
"""

import argparse
import os
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"

import numba
import numpy as np

import kernels
import numlift

TARGET_SECONDS = 0.004


def fresh(
    function: Callable[..., Any], helpers: list[Callable[..., Any]], compiler: Callable[..., Any]
) -> Any:
    """The function compiled, with its own globals in which helpers and itself are the compiled ones."""
    space = dict(vars(kernels))
    for f in [*helpers, function]:
        copy = types.FunctionType(f.__code__, space, f.__name__, f.__defaults__, f.__closure__)
        space[f.__name__] = compiler(copy)
    return space[function.__name__]


def batch(function: Callable[..., Any], args: tuple[Any, ...], count: int) -> float:
    """Seconds per call of `count` calls in a row."""
    clock = time.perf_counter
    repeat = range(count)
    start = clock()
    for _ in repeat:
        function(*args)
    return (clock() - start) / count


def measure(kernel: kernels.Kernel, rounds: int) -> dict[str, Any]:
    """First call and steady state of both compilers."""
    plain = kernel.function
    args = kernel.arguments(np.random.default_rng(1))
    ours, theirs = fresh(plain, kernel.helpers, numlift.jit), fresh(plain, kernel.helpers, numba.njit)
    first = {}
    for name, f in (("numlift", ours), ("numba", theirs)):
        start = time.perf_counter()
        f(*args)
        first[name] = time.perf_counter() - start
    best = {"numlift": float("inf"), "numba": float("inf")}
    counts = {
        name: max(1, int(TARGET_SECONDS / max(batch(f, args, 3), 1e-8)))
        for name, f in (("numlift", ours), ("numba", theirs))
    }
    for _ in range(rounds):
        for name, f in (("numlift", ours), ("numba", theirs)):
            best[name] = min(best[name], batch(f, args, counts[name]))
    return {"best": best, "first": first, "tier": ours.tier(*args)}


def shown(seconds: float) -> str:
    """A time with a unit and three figures."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="kernels whose name contains one of these")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("results.md"))
    options = parser.parse_args()

    # Start-up costs of either compiler are not part of the first call of a kernel.
    for compiler in (numlift.jit, numba.njit):
        fresh(kernels.add, [], compiler)(1, 2)

    rows = [
        "| kernel | numlift | Numba | ratio | first call | Numba's | tier |",
        "|---|--:|--:|--:|--:|--:|---|",
    ]
    print("\n".join(rows))
    for name, kernel in kernels.KERNELS.items():
        if options.names and not any(part in name for part in options.names):
            continue
        m = measure(kernel, options.rounds)
        best, first = m["best"], m["first"]
        row = (
            f"| {name} | {shown(best['numlift'])} | {shown(best['numba'])} "
            f"| {best['numlift'] / best['numba']:.2f} "
            f"| {shown(first['numlift'])} | {shown(first['numba'])} | {m['tier']} |"
        )
        rows.append(row)
        print(row, flush=True)
    if not options.names:
        versions = f"numlift {numlift.__version__}, Numba {numba.__version__}, NumPy {np.__version__}"
        versions += f", Python {sys.version.split()[0]}"
        how = f"one thread, interleaved in one process, the best of {options.rounds} rounds"
        text = f"# Results\n\n{versions}; {how}.\n\n"
        options.output.write_text(text + "\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
