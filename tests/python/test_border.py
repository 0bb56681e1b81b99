"""Values that go into islands and come out of them: edge values of every family, arrays of every layout."""

import math
from typing import Any

import numpy as np
import pytest

from harness import FAKE, check, define

pytestmark = pytest.mark.skipif(FAKE, reason="needs the compiler")


def mixed(rest: str, a: Any, x: Any, tier: str | None = "mixed") -> None:
    """Compares a function with a compiled loop over `a` and this rest, which uses `x` and the sum `t`."""
    loop = " t = 0.0\n for i in range(a.shape[0]):\n  for j in range(a.shape[1]):\n   t += a[i, j]\n"
    check(define(f"def f(a, x):\n{loop}{rest}\n", "f"), a, x, tier=tier)


BORDER = {
    "zero": 0.0,
    "minus-zero": -0.0,
    "nan": math.nan,
    "infinity": -math.inf,
    "least": -(2**63),
    "largest": 2**63 - 1,
    "beyond": 2**63,
    "bool": True,
    "complex": complex(-0.0, math.nan),
    "float32": np.float32(-0.0),
    "int8": np.int8(-128),
    "uint64": np.uint64(2**64 - 1),
    "complex64": np.complex64(1 - 0j),
    "tuple": (1, (-0.0, np.int16(3))),
    "none": None,
    "empty": np.zeros((0, 3)),
    "zero-dimensional": np.array(-0.0),
    "strided": np.arange(12.0)[::-2],
    "fortran": np.asfortranarray(np.arange(6, dtype=np.int32).reshape(2, 3)),
    "broadcast": np.broadcast_to(np.float32(2), (3, 2)),
    "float16": np.ones(3, dtype=np.float16),
}


@pytest.mark.parametrize("name", BORDER)
@pytest.mark.parametrize(
    "rest",
    [
        " return {'x': x, 'y': (x, t)}",
        " y = x\n d = [y]\n d.append(y)\n return d, y",
        " y = t\n for k in {'a': 1}:\n  y = x\n return y, t",
        " try:\n  y = x\n  y[0]\n except Exception:\n  return y\n return y, 1",
        " y = None\n if t > 1:\n  y = x\n d = {'y': y}\n return y, d",
    ],
)
def test_values_cross_the_border_unchanged(name: str, rest: str) -> None:
    tier = None if name in ("beyond", "none") else "mixed"
    mixed(rest, np.arange(12.0).reshape(3, 4), BORDER[name], tier=tier)


@pytest.mark.parametrize("shape", [(0, 4), (3, 0), (1, 1)])
def test_loops_beside_islands_may_be_empty(shape: tuple[int, int]) -> None:
    for layout in (np.ones(shape), np.ones(shape, dtype=np.int32).T.copy().T, np.ones(shape)[::-1]):
        mixed(" return {'t': t}", layout, 1)
        mixed(" for v in []:\n  t = v\n return [t, type(t)]", layout, 1)


@pytest.mark.parametrize("value", [2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63), np.uint64(2**64 - 1)])
@pytest.mark.parametrize("other", ["0.5", "np.float32(0.5)", "1j", "np.complex64(1j)"])
def test_numbers_that_a_union_does_not_hold(value: Any, other: str) -> None:
    mixed(f" y = {other}\n for k in {{'a': 1}}:\n  y = x\n return y, t", np.ones((2, 2)), value)
    mixed(f" y = {other}\n for k in {{}}:\n  y = x\n return y, t", np.ones((2, 2)), value)
