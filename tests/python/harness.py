"""Runs a function compiled and interpreted on copies of the same arguments and compares all that is observable.

`NUMLIFT_TEST_FAKE=1` replaces `jit` by the identity: the suite then tests itself.
"""

import copy
import itertools
import linecache
import os
import traceback
import types
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

FAKE = os.environ.get("NUMLIFT_TEST_FAKE") == "1"
# With this set a test that expects machine code fails where the tier is another one, instead of xfail.
STRICT_TIER = os.environ.get("NUMLIFT_TEST_STRICT") == "1"

if FAKE:
    import functools

    class CompileError(Exception):
        """Stands in for the one of numlift."""

    class NumliftFallbackWarning(UserWarning):
        """Stands in for the one of numlift."""

    def jit(function: Any = None, **options: Any) -> Any:
        """The identity, with the attributes the harness uses."""
        if function is None or isinstance(function, str | list):
            return lambda f: jit(f)

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        wrapper.py_func = function
        wrapper.tier = lambda *args, **kwargs: "native"
        return wrapper

    njit = jit
    prange = range
else:
    from numlift import CompileError, NumliftFallbackWarning, jit, njit, prange

__all__ = [
    "FAKE",
    "CompileError",
    "NumliftFallbackWarning",
    "assert_same",
    "check",
    "define",
    "jit",
    "njit",
    "outcome",
    "prange",
    "same",
]

_counter = itertools.count()


def define(source: str, name: str | None = None, **extra: Any) -> Callable[..., Any]:
    """Executes `source` and returns the function `name` (the last one defined), its source in `linecache`."""
    filename = f"<generated-{next(_counter)}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    space: dict[str, Any] = {"np": np, "__name__": "generated", **extra}
    import cmath
    import math

    space.setdefault("math", math)
    space.setdefault("cmath", cmath)
    exec(compile(source, filename, "exec"), space)
    if name is None:
        functions = [
            v
            for v in space.values()
            if isinstance(v, types.FunctionType) and v.__code__.co_filename == filename
        ]
        return functions[-1]
    return space[name]


class Outcome:
    """What a call did: its result or its error, and the arguments after it."""

    def __init__(
        self, value: Any, error: BaseException | None, args: tuple[Any, ...], kwargs: dict[str, Any]
    ):
        self.value, self.error, self.args, self.kwargs = value, error, args, kwargs

    def frames(self, files: set[str]) -> list[tuple[str, int | None]]:
        """Function and line of the frames in the user's files."""
        assert self.error is not None
        found = traceback.extract_tb(self.error.__traceback__)
        return [(f.name, f.lineno) for f in found if f.filename in files]

    def __repr__(self) -> str:
        if self.error is not None:
            return f"raised {type(self.error).__name__}: {self.error}"
        return f"{type(self.value).__module__}.{type(self.value).__name__} {self.value!r}"


def copied(value: Any) -> Any:
    """A copy with the same strides and flags; `copy.deepcopy` makes arrays contiguous."""
    if type(value) is tuple:
        return tuple(copied(v) for v in value)
    if type(value) is list:
        return [copied(v) for v in value]
    if not isinstance(value, np.ndarray):
        return value if callable(value) or isinstance(value, types.ModuleType) else copy.deepcopy(value)
    if value.flags.c_contiguous or value.dtype.hasobject or value.size == 0:
        out = value.copy(order="K")
    else:
        base = np.lib.array_utils.byte_bounds(value)
        raw = np.zeros(base[1] - base[0], dtype=np.uint8)
        start = value.__array_interface__["data"][0] - base[0]
        out = np.ndarray(value.shape, value.dtype, raw.data, start, value.strides)
        out[...] = value
    if not value.flags.writeable:
        out.flags.writeable = False
    return out


def outcome(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any] | None = None
) -> Outcome:
    """Calls on copies of the arguments."""
    args, kwargs = tuple(copied(a) for a in args), {k: copied(v) for k, v in (kwargs or {}).items()}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        # NumPy's own warnings of overflow and division are not emitted by native code (documented).
        warnings.simplefilter("ignore", RuntimeWarning)
        warnings.simplefilter("ignore", NumliftFallbackWarning)
        try:
            return Outcome(function(*args, **kwargs), None, args, kwargs)
        except Exception as error:
            return Outcome(None, error, args, kwargs)


def _same_bits(a: Any, b: Any) -> bool:
    """Equal bytes, except that all NaN are the same."""
    a, b = np.asarray(a), np.asarray(b)
    if a.dtype.kind == "c":
        return _same_bits(a.real, b.real) and _same_bits(a.imag, b.imag)
    if a.dtype.kind == "f":
        nan = np.isnan(a)
        if not np.array_equal(nan, np.isnan(b)):
            return False
        return bool(np.all(nan | ((a == b) & (np.signbit(a) == np.signbit(b)))))
    return bool(np.array_equal(a, b))


def same(a: Any, b: Any, ulps: int = 0) -> bool:
    """Same exact type and same value: dtype, shape, sign of zero and NaN included."""
    if type(a) is not type(b):
        return False
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(same(x, y, ulps) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k], ulps) for k in a)
    if isinstance(a, np.ndarray):
        if a.dtype != b.dtype or a.shape != b.shape:
            return False
    if isinstance(a, np.ndarray | np.generic | float | complex):
        if np.asarray(a).dtype.kind not in "biufc":
            return bool(np.array_equal(a, b))
        if _same_bits(a, b):
            return True
        if ulps == 0 or np.asarray(a).dtype.kind not in "fc":
            return False
        eps = np.finfo(np.asarray(a).dtype).eps * ulps
        return bool(np.allclose(a, b, rtol=eps, atol=0, equal_nan=True))
    return bool(a == b)


def assert_same(expected: Any, got: Any, what: str = "", ulps: int = 0) -> None:
    """`same`, with a message."""
    if not same(expected, got, ulps):
        raise AssertionError(
            f"{what}: interpreter gives {type(expected).__name__} {expected!r}, compiled {type(got).__name__} {got!r}"
        )


def _files(function: Callable[..., Any]) -> set[str]:
    return {function.__code__.co_filename}


def compare(expected: Outcome, got: Outcome, files: set[str], *, ulps: int = 0, lines: bool = True) -> None:
    """Fails if a user could tell the two outcomes apart."""
    if expected.error is None:
        if got.error is not None:
            raise AssertionError(f"interpreter gives {expected!r}, compiled {got!r}") from got.error
        assert_same(expected.value, got.value, "result", ulps)
    else:
        if got.error is None:
            raise AssertionError(f"interpreter {expected!r}, compiled gives {got!r}") from expected.error
        if type(expected.error) is not type(got.error) or str(expected.error) != str(got.error):
            raise AssertionError(f"interpreter {expected!r}, compiled {got!r}") from got.error
        if lines:
            a, b = expected.frames(files), got.frames(files)
            if isinstance(expected.error, UnboundLocalError):
                # CPython 3.11 reports the line before, once its superinstructions are in place.
                a, b = [name for name, _ in a], [name for name, _ in b]
            assert a == b, f"traceback of the interpreter {a}, of compiled code {b}"
    for i, (a, b) in enumerate(zip(expected.args, got.args, strict=True)):
        assert_same(a, b, f"argument {i} after the call", ulps)
    for k, a in expected.kwargs.items():
        assert_same(a, got.kwargs[k], f"argument {k} after the call", ulps)


def require_tier(compiled: Any, args: tuple[Any, ...], kwargs: dict[str, Any], tier: str) -> None:
    """`xfail` if the call does not run in `tier`: results have agreed, only the speed is not there."""
    import pytest

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NumliftFallbackWarning)
        got = compiled.tier(*args, **kwargs)
    if got != tier:
        message = f"runs in the {got} tier, {tier} expected"
        if STRICT_TIER:
            pytest.fail(message)
        pytest.xfail(message)


def check(
    function: Callable[..., Any],
    *args: Any,
    tier: str | None = "native",
    ulps: int = 0,
    lines: bool = True,
    seed: int | None = None,
    repeat: int = 2,
    kwargs: dict[str, Any] | None = None,
    compiled: Any = None,
) -> Any:
    """Compares `function` with `jit(function)` and returns the interpreter's result.

    The compiled function is called `repeat` times: the first call compiles, the others take the fast path.
    `tier=None` does not look at the tier.
    """
    plain = getattr(function, "py_func", function)
    if compiled is None:
        compiled = function if plain is not function else jit(function)
    if seed is not None:
        np.random.seed(seed)
    expected = outcome(plain, args, kwargs)
    state = _random_state() if seed is not None else None
    for _ in range(repeat):
        if seed is not None:
            np.random.seed(seed)
        compare(expected, outcome(compiled, args, kwargs), _files(plain), ulps=ulps, lines=lines)
        if seed is not None:
            assert state == _random_state(), "the random generator is left in another state"
    if tier is not None:
        require_tier(compiled, args, kwargs or {}, tier)
    if expected.error is not None:
        return expected.error
    return expected.value


def _random_state() -> tuple[Any, ...]:
    name, keys, position, has_gauss, cached = np.random.get_state()
    return name, keys.tobytes(), position, has_gauss, cached
