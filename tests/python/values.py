"""Edge values of every scalar type, and arrays of every dtype and layout."""

from typing import Any

import numpy as np

I64 = np.iinfo(np.int64)
NAN, INF = float("nan"), float("inf")

_FLOATS = [0.0, -0.0, 1.0, -1.5, 3.0, 2.0**53 + 2.0, 1e308, 5e-324, INF, -INF, NAN]
_COMPLEX = [0j, complex(-0.0, -0.0), 1 + 2j, -1.5 + 0j, complex(0.0, INF), complex(NAN, 1.0)]

# The first value of each type is an ordinary one: its call decides about the tier.
PYTHON: dict[str, list[Any]] = {
    "bool": [True, False],
    "int": [3, 0, -1, 7, -7, 2**31, -(2**53) - 1, I64.max, I64.min],
    "float": [1.5, *_FLOATS],
    "complex": [1 - 1j, *_COMPLEX],
}


def _integers(dtype: Any) -> list[Any]:
    info = np.iinfo(dtype)
    values = [3, 0, 1, 7, info.max, info.min]
    if info.min < 0:
        values += [-1, -7]
    return [dtype(v) for v in dict.fromkeys(values)]


NUMPY: dict[str, list[Any]] = {
    "np.bool_": [np.True_, np.False_],
    **{f"np.{d.__name__}": _integers(d) for d in (np.int8, np.uint8, np.int16, np.uint16)},
    **{f"np.{d.__name__}": _integers(d) for d in (np.int32, np.uint32, np.int64, np.uint64)},
    "np.float32": [np.float32(v) for v in [1.5, 0.0, -0.0, 3.0, -2.5, 1e30, 1e-45, INF, -INF, NAN]],
    "np.float64": [np.float64(v) for v in [1.5, *_FLOATS]],
    "np.complex64": [np.complex64(v) for v in [1 - 1j, *_COMPLEX]],
    "np.complex128": [np.complex128(v) for v in [1 - 1j, *_COMPLEX]],
}

SCALARS = {**PYTHON, **NUMPY}
DTYPES = [np.dtype(name.removeprefix("np.")) for name in ["bool", *list(NUMPY)[1:]]]


def sample(dtype: Any, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Random values that use the range of the dtype."""
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind in "iu":
        return rng.integers(-40 if dtype.kind == "i" else 0, 100, shape).astype(dtype)
    if dtype.kind == "f":
        return rng.normal(size=shape).astype(dtype)
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(dtype)


def layouts(dtype: Any, shape: tuple[int, ...] = (4, 6)) -> dict[str, np.ndarray]:
    """Equal values in every memory layout."""
    base = sample(dtype, shape)
    doubled = np.zeros(tuple(2 * n for n in shape), dtype)
    every_other = doubled[tuple(slice(None, None, 2) for _ in shape)]
    every_other[...] = base
    backwards = base[tuple(slice(None, None, -1) for _ in shape)].copy()
    backwards = backwards[tuple(slice(None, None, -1) for _ in shape)]
    readonly = base.copy()
    readonly.flags.writeable = False
    return {
        "C": base,
        "F": np.asfortranarray(base),
        "strided": every_other,
        "negative": backwards,
        "transposed": np.ascontiguousarray(base.T).T,
        "readonly": readonly,
    }
