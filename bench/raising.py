"""What an exception costs that compiled code raises and handles itself.

`bench/raising.py` prints nanoseconds for each turn of a loop that raises and catches, beside the
interpreter's and Numba's where it is installed; what the same loop takes without raising is taken
off. Each time is the best of many batches.
"""

import argparse
import contextlib
import importlib
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from numlift import jit

TURNS = 500


def raised(a, n):
    t = 0
    for i in range(n):
        try:
            if a[i] >= 0.0:
                raise ValueError("negative")
            t += 1
        except Exception:
            t += 2
    return t


def divided(a, n):
    t = 0
    for _ in range(n):
        try:
            t += 1 // (n - a.size)
        except Exception:
            t += 2
    return t


def outside(a, n):
    t = 0
    for i in range(n):
        try:
            if a[i + n] > 0.0:
                t += 1
        except Exception:
            t += 2
    return t


def nothing(a, n):
    t = 0
    for i in range(n):
        try:
            if a[i] > -1.0:
                t += 1
        except Exception:
            t += 2
    return t


CASES: dict[str, Callable[..., Any]] = {
    'raise ValueError("negative")': raised,
    "1 // (n - a.size)": divided,
    "a[i] out of range": outside,
}


def best(f: Callable[..., Any], a: Any, seconds: float) -> float:
    """Nanoseconds of a turn."""
    f(a, a.size)
    least = float("inf")
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter_ns()
        f(a, a.size)
        least = min(least, (time.perf_counter_ns() - start) / a.size)
    return least


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="bench/raising.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=0.5, help="time per case (default %(default)s)")
    options = parser.parse_args()
    compilers: dict[str, Callable[..., Any]] = {"numlift": jit, "interpreter": lambda f: f}
    with contextlib.suppress(ImportError):
        compilers["numba"] = importlib.import_module("numba").njit(boundscheck=True)
    a = np.zeros(TURNS)
    print(f"{'':30}" + "".join(f"{name:>15}" for name in compilers))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bare = {name: best(compiler(nothing), a, options.seconds) for name, compiler in compilers.items()}
        for what, f in CASES.items():
            row = ""
            for name, compiler in compilers.items():
                try:
                    row += f"{best(compiler(f), a, options.seconds) - bare[name]:12.0f} ns"
                except Exception as e:
                    row += f"{type(e).__name__:>15}"
            print(f"{what:30}{row}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
