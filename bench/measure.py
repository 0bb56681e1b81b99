"""Compiles a kernel, compares its results and times it beside another compiler."""

import math
import time
import types
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kernels import Kernel

Compiler = Callable[[Callable[..., Any]], Any]

# A batch of calls lasts about this long, so that the clock and a preempted batch do not count.
BATCH_SECONDS = 0.002


@dataclass
class Row:
    """Times of one kernel in seconds: the best per call, and the CPU time of the first call."""

    name: str
    group: str
    tier: str
    numlift: float
    numba: float
    numlift_first: float
    numba_first: float

    @property
    def ratio(self) -> float:
        return self.numlift / self.numba

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "ratio": self.ratio}


def compiled(kernel: Kernel, compiler: Compiler) -> Any:
    """The function with globals of its own, in which it and its helpers are what the compiler made."""
    space = dict(kernel.function.__globals__)
    for f in (*kernel.helpers, kernel.function):
        copy = types.FunctionType(f.__code__, space, f.__name__, f.__defaults__, f.__closure__)
        space[f.__name__] = compiler(copy)
    return space[kernel.function.__name__]


def same(a: Any, b: Any) -> bool:
    """Same type, dtype and bits; all NaN are the same."""
    if type(a) is not type(b):
        return False
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, (np.ndarray, np.generic, float, complex)):
        x, y = np.asarray(a), np.asarray(b)
        return x.dtype == y.dtype and x.shape == y.shape and _same_numbers(x, y)
    return bool(a == b)


def _same_numbers(x: np.ndarray, y: np.ndarray) -> bool:
    if x.dtype.kind == "c":
        return _same_numbers(x.real, y.real) and _same_numbers(x.imag, y.imag)
    if x.dtype.kind != "f":
        return bool(np.array_equal(x, y))
    signs = np.isnan(x) | (np.signbit(x) == np.signbit(y))
    return bool(np.array_equal(x, y, equal_nan=True) and signs.all())


def copied(args: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(a.copy(order="K") if isinstance(a, np.ndarray) else a for a in args)


def close(a: Any, b: Any, double: float = 1e-9) -> bool:
    """Equal values up to rounding, whatever their types."""
    if isinstance(a, tuple) or isinstance(b, tuple):
        both = isinstance(a, tuple) and isinstance(b, tuple) and len(a) == len(b)
        return both and all(close(x, y, double) for x, y in zip(a, b, strict=True))
    if a is None or b is None:
        return a is b
    return bool(np.allclose(a, b, rtol=1e-4 if np.asarray(a).dtype == np.float32 else double, equal_nan=True))


def outcome(function: Any, kernel: Kernel, size: Any) -> tuple[Any, tuple[Any, ...]]:
    """Result and arguments after the call."""
    args = kernel.arguments(size)
    return function(*args), args


def verify(kernel: Kernel, function: Any) -> None:
    """Raises AssertionError if the small problem's result is not the interpreter's."""
    np.random.seed(1)
    expected = outcome(compiled(kernel, lambda f: f), kernel, kernel.small)
    for _ in range(2):
        np.random.seed(1)
        got = outcome(function, kernel, kernel.small)
        if not (close(expected, got, 1e-12) if kernel.last_bit else same(expected, got)):
            raise AssertionError(f"{kernel.name}: interpreter {expected!r}, compiled {got!r}")


class Timer:
    """Times calls of one function; arguments that it changes are fresh in each call."""

    def __init__(self, function: Any, kernel: Kernel) -> None:
        self.function = function
        self.args, self.pristine = kernel.arguments(kernel.full), kernel.arguments(kernel.full)
        start = time.process_time()
        self.result = function(*self.args)
        self.first = time.process_time() - start
        self.changes = not same(self.args, self.pristine)
        self.best = math.inf
        once = min(self.batch(1) for _ in range(3))
        self.count = max(1, int(BATCH_SECONDS / max(once, 1e-8)))

    def batch(self, count: int) -> float:
        """Seconds per call."""
        clock, function, repeat = time.perf_counter, self.function, range(count)
        if self.changes:
            spent = 0.0
            for _ in repeat:
                args = copied(self.pristine)
                start = clock()
                function(*args)
                spent += clock() - start
            return spent / count
        args = self.args
        start = clock()
        for _ in repeat:
            function(*args)
        return (clock() - start) / count

    def sample(self) -> None:
        self.best = min(self.best, self.batch(self.count))


def measure(kernel: Kernel, numlift: Compiler, numba: Compiler, seconds: float) -> Row:
    """Both compilers in turn, for about `seconds` in all.

    Raises AssertionError for a result of numlift that is not the interpreter's, or that is not Numba's
    up to rounding.
    """
    ours, theirs = Timer(compiled(kernel, numlift), kernel), Timer(compiled(kernel, numba), kernel)
    verify(kernel, ours.function)
    if not kernel.own_random and not close((ours.result, ours.args), (theirs.result, theirs.args)):
        raise AssertionError(f"{kernel.name}: numlift {ours.result!r}, Numba {theirs.result!r}")
    end = time.perf_counter() + seconds
    rounds = 0
    while rounds < 5 or time.perf_counter() < end:
        ours.sample()
        theirs.sample()
        rounds += 1
    tier = ours.function.tier(*kernel.arguments(kernel.full))
    return Row(kernel.name, kernel.group, tier, ours.best, theirs.best, ours.first, theirs.first)


def geometric_mean(values: list[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values)) if values else math.nan
