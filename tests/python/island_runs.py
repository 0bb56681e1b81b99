"""Runs a random program compiled and interpreted, and compares what its calls leave behind.

A program is a module: `PRELUDE`, with helpers that record what they do, and the rest of `make`, whose function is
compiled. A second module of the same source is not compiled.
"""

import random
import traceback
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from harness import define, jit

PRELUDE = '''\
LOG = []
G = 3
H = 1.5


class Custom(Exception):
    pass


class Box:
    def __init__(self, v):
        self.v = v
        self.seen = []

    def __repr__(self):
        return f"Box({self.v!r})"

    def bump(self, by):
        note("bump", by)
        self.v += by
        return self.v


class Manager:
    def __init__(self, name, *suppressed):
        self.name, self.suppressed = name, suppressed

    def __repr__(self):
        return f"Manager({self.name!r})"

    def __enter__(self):
        note("enter", self.name)
        return self.name

    def __exit__(self, kind, error, trace):
        note("exit", self.name, kind and kind.__name__)
        return kind is not None and issubclass(kind, self.suppressed)


class Flag:
    """Counts how often it is asked."""

    def __init__(self, n):
        self.n = n

    def __repr__(self):
        return f"Flag({self.n})"

    def __bool__(self):
        note("bool", self.n)
        self.n -= 1
        if self.n < -3:
            raise Custom("asked")
        return self.n > 0


def note(*args):
    LOG.append(repr(args))
    return args[-1]


def change(by):
    global G, H
    G = (G + int(by)) % 50
    H = H * 0.5 + 1.0
    note("change", G, H)
    return G


def fill(array, i, value):
    array[i] = value
    return note("fill", i, value)


def scaled(array, by, thing=None):
    total = 0.0
    for i in range(len(array)):
        total += array[i] * 0.5
        array[i] = array[i] * 0.5 + by
    note("scaled", total, thing)
    for i in range(3):
        total = total * 0.5 + by / (array[i] or 1.0)
    return total


def fails(kind, text):
    note("fails", text)
    raise kind(text)


def count(n):
    try:
        for i in range(n):
            yield i
    finally:
        note("closed")


def make():
    c = 2
    k = 0.25

    def bump(by):
        nonlocal c, k
        c = (c + by) % 40
        k = k * 0.5 + 1.0
        return note("cell", c)

'''


def number(rng: random.Random) -> Any:
    """What a compiled loop may read of an object: most often a number."""
    kinds = [
        *[0.5, 2.5, -1.25, 3, 3, 1, 0],
        *[True, None, "w", 2**70, 1j, np.float64(1.5), np.float32(0.25), np.int64(4), (1, 2.0)],
        *[np.arange(4.0), np.arange(8.0)[::2], np.arange(4)],
    ]
    return rng.choice(kinds)


def arguments(rng: random.Random) -> tuple[Any, ...]:
    return (
        rng.randint(0, 4),
        rng.choice([0.0, 1.5, -2.0]),
        np.arange(1.0, 5.0) * rng.choice([1, 0.5, 0]),
        np.array([3, 0, -2, 5]),
        {
            "p": rng.choice([1, "v", None, [2]]),
            2: 2.5,
            "w": number(rng),
            "m": rng.choice([2, 3, 3, 2.0, None]),
        },
        [rng.choice([1, 2.5, "l"]), 4, None][: rng.randint(0, 3)],
        rng.choice([0, 1, 2.5, [1]]),
        rng.choice(["abc", ""]),
        rng.choice([None, 0, [1], {"k": 1}]),
    )


def freeze(value: Any, seen: dict[int, int]) -> Any:
    """Types and contents, and which mutable objects are the same."""
    kind = type(value).__name__
    if isinstance(value, int | float | str | None | np.generic | complex):
        return kind, repr(value)
    if id(value) in seen:
        return "again", seen[id(value)]
    if isinstance(value, tuple):
        return kind, [freeze(v, seen) for v in value]
    seen[id(value)] = len(seen)
    if isinstance(value, list):
        return kind, [freeze(v, seen) for v in value]
    if isinstance(value, set):
        return kind, sorted(map(repr, value))
    if isinstance(value, dict):
        return kind, [(freeze(k, seen), freeze(v, seen)) for k, v in value.items()]
    if isinstance(value, np.ndarray):
        return kind, str(value.dtype), value.shape, value.strides, repr(value.tolist())
    if isinstance(value, BaseException):
        return kind, error_of(value, seen)
    if kind in ("Box", "Manager", "Flag"):
        return kind, freeze(vars(value), seen)
    return (kind,)


def error_of(error: BaseException | None, seen: dict[int, int], depth: int = 0) -> Any:
    if error is None or depth > 5:
        return None
    frames = [
        (f.name, None if isinstance(error, UnboundLocalError) else f.lineno)
        for f in traceback.extract_tb(error.__traceback__)
        if f.filename.startswith("<generated") or ".abi3.so" in f.filename
    ]
    return (
        type(error).__name__,
        str(error),
        frames,
        error.__suppress_context__,
        error_of(error.__cause__, seen, depth + 1),
        error_of(error.__context__, seen, depth + 1),
    )


class Run:
    """A module of the program and its function."""

    def __init__(self, function: Callable[..., Any], space: dict[str, Any]) -> None:
        self.function, self.space = function, space

    @classmethod
    def of(cls, source: str, compiled: bool) -> "Run":
        make = define(source, "make")
        function = make()
        return cls(jit(function) if compiled else function, make.__globals__)

    def enter(self, args: tuple[Any, ...], inside: bool) -> Any:
        if not inside:
            return self.function(*args)
        try:
            raise OSError("outside")
        except OSError:
            return self.function(*args)

    def call(self, values: tuple[Any, ...], inside: bool) -> Any:
        """What a call does, in the handler of another exception if `inside`."""
        box = self.space["Box"](values[6])
        args = (*values[:6], box, *values[7:])
        self.space["LOG"].clear()
        result, error = None, None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                result = self.enter(args, inside)
        except Exception as e:
            error = e
        seen: dict[int, int] = {}
        function = getattr(self.function, "py_func", self.function)
        cells = [
            c.cell_contents for c in function.__closure__ or () if isinstance(c.cell_contents, int | float)
        ]
        return {
            "value": freeze(result, seen),
            "error": error_of(error, seen),
            "arguments": [freeze(a, seen) for a in args],
            "log": list(self.space["LOG"]),
            "globals": [repr(self.space["G"]), repr(self.space["H"]), repr(cells)],
        }


def calls(seed: int) -> list[int]:
    """Seeds of calls: arguments of the same types again and again, others between."""
    a, b, c = seed, seed + 1, seed + 2
    return [a, a, a, b, a, b, b, c, a, c, b, a, a]


def differences(source: str, seeds: list[int]) -> list[str]:
    """What differs in the calls with arguments of these seeds."""
    return differences_of(Run.of(source, False), Run.of(source, True), seeds)


def differences_of(plain: Run, compiled: Run, seeds: list[int]) -> list[str]:
    """What differs in the calls of two runs."""
    for seed in seeds:
        inside = seed % 3 == 0
        want = plain.call(arguments(random.Random(seed)), inside)
        got = compiled.call(arguments(random.Random(seed)), inside)
        different = [
            f"seed {seed}: {k}: interpreter {want[k]}, compiled {got[k]}" for k in want if want[k] != got[k]
        ]
        if different:
            return different
    return []
