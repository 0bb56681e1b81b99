"""What the examples share: comparison with the interpreter and a table of times."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np


def best_of(function: Callable[..., Any], make_args: Callable[[], tuple[Any, ...]], repeat: int) -> float:
    """Seconds of the fastest of `repeat` calls, each on fresh arguments."""
    times = []
    for _ in range(repeat):
        args = make_args()
        start = time.perf_counter()
        function(*args)
        times.append(time.perf_counter() - start)
    return min(times)


def equal(a: Any, b: Any, tolerance: float) -> bool:
    """Same type and same value, arrays and tuples included; elements of arrays may be so far apart."""
    if type(a) is not type(b):
        return False
    if isinstance(a, tuple):
        return len(a) == len(b) and all(equal(x, y, tolerance) for x, y in zip(a, b, strict=True))
    if isinstance(a, np.ndarray):
        if tolerance:
            return a.dtype == b.dtype and np.allclose(a, b, rtol=0, atol=tolerance)
        return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
    return bool(a == b or (a != a and b != b))


def interpreted(function: Any, helpers: tuple[Any, ...], args: tuple[Any, ...]) -> Any:
    """Calls the undecorated function with the undecorated helpers in its globals."""
    names = {h.__name__: h for h in helpers}
    space = function.py_func.__globals__
    try:
        space.update({name: h.py_func for name, h in names.items()})
        return function.py_func(*args)
    finally:
        space.update(names)


def show(
    function: Any,
    make_args: Callable[[], tuple[Any, ...]],
    *,
    seed: int | None = None,
    helpers: tuple[Any, ...] = (),
    label: str = "",
    tolerance: float = 0.0,
) -> float:
    """Checks `function` against the interpreter, arguments included; prints both times and the ratio."""
    label = label or function.__name__
    results = []
    first = 0.0
    for run in (lambda *a: interpreted(function, helpers, a), function):
        if seed is not None:
            np.random.seed(seed)
        args = make_args()
        start = time.perf_counter()
        results.append((run(*args), args))
        first = time.perf_counter() - start
    if not equal(results[0], results[1], tolerance):
        raise SystemExit(f"{label}: the compiled result differs from the interpreter's")
    slow = best_of(lambda *a: interpreted(function, helpers, a), make_args, 1)
    fast = best_of(function, make_args, 5)
    tier = function.tier(*make_args())
    print(
        f"{label:<16}{slow * 1e3:>12.2f} ms{fast * 1e3:>12.3f} ms{slow / fast:>10.0f} x"
        f"{first * 1e3:>12.2f} ms   {tier}"
    )
    return slow / fast


def header() -> None:
    """Titles of the columns that `show` prints."""
    print(f"{'function':<16}{'interpreter':>15}{'numlift':>15}{'speed-up':>12}{'first call':>15}   tier")
