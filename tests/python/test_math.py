"""`math`, `cmath`, NumPy functions on scalars: values to the last bit, errors with their texts."""

import cmath
import math
from typing import Any

import numpy as np
import pytest
from test_operators import compare_all, expression

from values import SCALARS

ARGUMENTS = [1.5, 0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 2.0, 10.0, 170.5, 710.0, 1e300, 5e-324]
ARGUMENTS += [float("inf"), float("-inf"), float("nan")]
INTEGERS = [3, 0, 1, -1, 5, 20, 2**40]
COMPLEX = [
    1 - 1j,
    0j,
    complex(-0.0, 0.0),
    -1.5 + 0j,
    2j,
    complex(math.inf, 1),
    complex(math.nan, 0),
    1e200 + 1e200j,
]

UNARY = """acos acosh asin asinh atan atanh cbrt ceil cos cosh degrees erf erfc exp exp2 expm1 fabs floor frexp gamma
isfinite isinf isnan lgamma log log10 log1p log2 modf radians sin sinh sqrt tan tanh trunc ulp""".split()
BINARY = "atan2 copysign fmod hypot ldexp log nextafter pow remainder".split()
INTEGER_UNARY = ["factorial", "isqrt"]
INTEGER_BINARY = ["comb", "gcd", "lcm", "perm"]
CMATH = """acos acosh asin asinh atan atanh cos cosh exp isfinite isinf isnan log log10 phase polar sin sinh sqrt tan
tanh""".split()


@pytest.mark.parametrize("name", UNARY)
def test_math_unary(name: str) -> None:
    f = f"math.{name}(a)"
    compare_all(
        [
            (expression(f, "a"), [(v,) for v in ARGUMENTS]),
            (expression(f, "a"), [(v,) for v in INTEGERS]),
            (expression(f, "a"), [(True,), (False,)]),
            *[
                (expression(f, "a"), [(v,) for v in SCALARS[t]])
                for t in ("np.float64", "np.float32", "np.int32")
            ],
        ]
    )


@pytest.mark.parametrize("name", BINARY)
def test_math_binary(name: str) -> None:
    f = f"math.{name}(a, b)"
    compare_all(
        [
            (expression(f, "a", "b"), [(a, b) for a in ARGUMENTS for b in ARGUMENTS]),
            (expression(f, "a", "b"), [(a, b) for a in ARGUMENTS for b in INTEGERS]),
            (expression(f, "a", "b"), [(a, b) for a in INTEGERS for b in INTEGERS]),
        ]
    )


@pytest.mark.parametrize("name", INTEGER_UNARY)
def test_math_integer_unary(name: str) -> None:
    compare_all([(expression(f"math.{name}(a)", "a"), [(v,) for v in (3, 0, 1, 20, 21, -1)])])


@pytest.mark.parametrize("name", INTEGER_BINARY)
def test_math_integer_binary(name: str) -> None:
    values = [12, 0, 1, 18, -4, 7]
    compare_all([(expression(f"math.{name}(a, b)", "a", "b"), [(a, b) for a in values for b in values])])


def test_math_constants_and_more_arguments() -> None:
    compare_all(
        [
            (expression(text, "a"), [(v,) for v in (1.5, 0.25, -2.0)])
            for text in (
                "a * math.pi + math.e - math.tau",
                "math.inf * a",
                "a < math.inf",
                "math.isnan(math.nan * a)",
                "math.hypot(a, 1.0, 2.0)",
                "math.isclose(a, 1.5)",
                "math.isclose(a, 1.6, rel_tol=0.1)",
                "math.log(a, 2)",
                "cmath.pi + a",
            )
        ]
    )


@pytest.mark.parametrize("name", CMATH)
def test_cmath(name: str) -> None:
    f = f"cmath.{name}(a)"
    compare_all(
        [
            (expression(f, "a"), [(v,) for v in COMPLEX]),
            (expression(f, "a"), [(v,) for v in ARGUMENTS]),
            (expression(f, "a"), [(np.complex128(v),) for v in COMPLEX]),
        ]
    )


def test_cmath_rect() -> None:
    compare_all(
        [(expression("cmath.rect(a, b)", "a", "b"), [(a, b) for a in (2.0, 0.0, -1.0) for b in (0.5, 3.0)])]
    )


UFUNCS = """sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh exp exp2 expm1 log log2 log10
log1p sqrt cbrt abs absolute fabs floor ceil trunc rint sign square reciprocal negative positive isnan isinf isfinite
signbit degrees radians conj conjugate real imag angle invert logical_not""".split()
UFUNCS_2 = """add subtract multiply divide true_divide floor_divide mod remainder fmod power float_power maximum minimum
fmax fmin arctan2 hypot copysign nextafter equal not_equal less less_equal greater greater_equal logical_and logical_or
logical_xor bitwise_and bitwise_or bitwise_xor left_shift right_shift gcd lcm logaddexp""".split()
UFUNC_TYPES = [
    "int",
    "float",
    "bool",
    "complex",
    "np.int32",
    "np.uint8",
    "np.int64",
    "np.float32",
    "np.float64",
    "np.complex128",
]


def _sane(values: list[Any]) -> list[Any]:
    return [v for v in values if not (isinstance(v, int | np.integer) and abs(int(v)) > 2**53)]


@pytest.mark.parametrize("name", UFUNCS)
def test_ufunc(name: str) -> None:
    compare_all([(expression(f"np.{name}(a)", "a"), [(v,) for v in _sane(SCALARS[t])]) for t in UFUNC_TYPES])


@pytest.mark.parametrize("name", UFUNCS_2)
def test_ufunc_of_two(name: str) -> None:
    small = {t: _sane(SCALARS[t])[:6] for t in UFUNC_TYPES}
    if name in ("power", "left_shift", "right_shift", "float_power"):
        small = {
            t: [v for v in vs if isinstance(v, complex | np.complexfloating) or abs(complex(v)) <= 64]
            for t, vs in small.items()
        }
    compare_all(
        [
            (expression(f"np.{name}(a, b)", "a", "b"), [(a, b) for a in small[s] for b in small[t]])
            for s, t in [(t, t) for t in UFUNC_TYPES]
            + [("int", "float"), ("np.float32", "float"), ("np.int32", "np.float32")]
        ]
    )


def test_aliases_of_functions() -> None:
    from math import sqrt as root

    from harness import check

    def f(x):
        return root(x) + sin(x)  # noqa: F821

    f.__globals__["sin"] = math.sin
    check(f, 2.0)
    check(lambda z: cmath.exp(z), 1j, tier=None)
