"""Random scalars through every operator and function, compiled and interpreted.

`python tests/python/campaign.py [CASES] [SEED] [TEXT]` runs CASES per expression and pair of families, those whose
expression contains TEXT, and prints the disagreements; `test_campaign.py` runs a sample.
"""

import math
import random
import struct
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from harness import define, jit, same

BINARY = [f"a {op} b" for op in "+ - * / // % ** << >> & | ^ == != < <= > >=".split()]
BINARY += ["divmod(a, b)", "min(a, b)", "max(a, b)", "a and b", "a or b"]
BINARY += [
    f"math.{f}(a, b)"
    for f in "atan2 copysign fmod hypot log nextafter pow remainder gcd lcm comb perm".split()
]
BINARY += [
    f"np.{f}(a, b)"
    for f in """add subtract multiply divide floor_divide remainder fmod power float_power maximum minimum fmax fmin arctan2
    hypot copysign nextafter equal not_equal less less_equal greater greater_equal logical_and logical_or logical_xor
    bitwise_and bitwise_or bitwise_xor left_shift right_shift gcd lcm logaddexp logaddexp2 heaviside divmod ldexp""".split()
]
UNARY = ["-a", "+a", "~a", "not a", "abs(a)", "round(a)", "round(a, 2)", "round(a, -1)"]
UNARY += [
    "int(a)",
    "float(a)",
    "complex(a)",
    "bool(a)",
    "a.real",
    "a.imag",
    "a ** 2",
    "a ** -1",
    "a ** 0.5",
    "2 ** a",
]
UNARY += [f"a // {c}" for c in (7, -7, 8, 1, -1, 2.5)] + [f"a % {c}" for c in (7, -7, 8, 1, -1, 2.5)]
UNARY += [f"a {op} {c}" for op in ("+", "<", "==") for c in (1, 300, -1, 2.5, 2**53 + 1)]
UNARY += [
    f"math.{f}(a)"
    for f in """acos acosh asin asinh atan atanh cbrt ceil cos cosh degrees erf erfc exp exp2 expm1 fabs factorial floor
    frexp gamma isfinite isinf isnan isqrt lgamma log log10 log1p log2 modf radians sin sinh sqrt tan tanh trunc ulp""".split()
]
UNARY += [f"cmath.{f}(a)" for f in "exp log sqrt sin tanh phase polar isnan".split()]
UNARY += [
    f"np.{f}(a)"
    for f in """sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh exp exp2 expm1 log log2 log10 log1p
    sqrt cbrt absolute fabs floor ceil trunc rint sign square reciprocal negative positive isnan isinf isfinite signbit
    degrees radians conjugate invert logical_not modf frexp spacing round real imag""".split()
]
CASTS = "bool_ int8 uint8 int16 uint16 int32 uint32 int64 uint64 float32 float64 complex64 complex128".split()
UNARY += [f"np.{d}(a)" for d in CASTS]

EDGES = [
    0.0,
    1.0,
    0.5,
    1.5,
    2.0,
    3.0,
    1e-310,
    5e-324,
    2.0**31,
    2.0**53,
    2.0**63,
    2.0**64,
    1e308,
    math.inf,
    math.nan,
]
LIMITS = [
    0,
    1,
    2,
    3,
    7,
    8,
    63,
    64,
    127,
    128,
    255,
    256,
    2**15,
    2**16,
    2**31,
    2**32,
    2**53,
    2**53 + 1,
    2**62,
    2**63 - 1,
]


def a_float(rng: random.Random) -> float:
    kind = rng.randrange(6)
    if kind == 0:
        return rng.choice(EDGES) * rng.choice([1, -1])
    if kind == 1:
        return struct.unpack("d", rng.randbytes(8))[0]
    if kind == 2:
        return float(rng.randint(-20, 20))
    if kind == 3:
        return rng.randint(-50, 50) / 4
    return rng.gauss(0, 1) * 10 ** rng.randint(-3, 4)


def an_int(rng: random.Random) -> int:
    kind = rng.randrange(4)
    if kind == 0:
        n = rng.choice(LIMITS) + rng.randint(-1, 1)
    elif kind == 1:
        n = rng.getrandbits(rng.randint(1, 63))
    else:
        n = rng.randint(0, 20)
    return max(-(2**63), min(2**63 - 1, n * rng.choice([1, -1])))


def wrapped(dtype: Any) -> Callable[[random.Random], Any]:
    bits, signed = np.iinfo(dtype).bits, np.iinfo(dtype).min < 0

    def make(rng: random.Random) -> Any:
        n = an_int(rng) & (2**bits - 1)
        return dtype(n - 2**bits if signed and n >= 2 ** (bits - 1) else n)

    return make


def a_complex(rng: random.Random) -> complex:
    return complex(a_float(rng), a_float(rng))


FAMILIES: dict[str, Callable[[random.Random], Any]] = {
    "bool": lambda rng: rng.random() < 0.5,
    "int": an_int,
    "float": a_float,
    "complex": a_complex,
    "np.bool": lambda rng: np.bool_(rng.random() < 0.5),
    **{f"np.{d}": wrapped(getattr(np, d)) for d in CASTS if "int" in d},
    "np.float32": lambda rng: np.float32(a_float(rng)),
    "np.float64": lambda rng: np.float64(a_float(rng)),
    "np.complex64": lambda rng: np.complex64(a_complex(rng)),
    "np.complex128": lambda rng: np.complex128(a_complex(rng)),
}


def is_large(text: str, args: tuple[Any, ...]) -> bool:
    """Whether the interpreter would make a number of gigabytes, or take minutes."""
    exact = [isinstance(a, int) for a in args]
    if text in ("a ** b", "a << b") and all(exact):
        return abs(args[1]) > 200
    if text == "2 ** a" and exact[0]:
        return abs(args[0]) > 200
    if text.startswith(("math.comb", "math.perm", "math.factorial")):
        return any(isinstance(a, int | np.integer) and abs(int(a)) > 2000 for a in args)
    return False


def is_undefined(text: str, args: tuple[Any, ...]) -> bool:
    """C leaves the conversion of a float outside the integer's range to the machine."""
    name = text.removeprefix("np.").split("(")[0]
    if name not in CASTS or "int" not in name or not isinstance(args[0], np.inexact):
        return False
    info, x = np.iinfo(name), args[0].real
    return not (info.min <= x <= info.max)


def result(function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[str, Any]:
    try:
        return "value", function(*args)
    except Exception as e:
        return f"{type(e).__name__}: {e}", None


def run(texts: list[str], families: list[tuple[str, ...]], cases: int, seed: int) -> Iterator[str]:
    """Yields a line for each expression and families that disagree."""
    warnings.simplefilter("ignore")
    with np.errstate(all="ignore"):
        for text in texts:
            for names in families:
                rng = random.Random(f"{seed} {text} {names}")
                parameters = "ab"[: len(names)]
                plain = define(f"def f({', '.join(parameters)}):\n    return {text}\n")
                compiled = jit(plain)
                for _ in range(cases):
                    args = tuple(FAMILIES[n](rng) for n in names)
                    if is_large(text, args) or is_undefined(text, args):
                        continue
                    want, got = result(plain, args), result(compiled, args)
                    if want[0] != got[0] or not same(want[1], got[1]):
                        shown = [
                            v[0] if v[1] is None else f"{type(v[1]).__name__} {v[1]!r}" for v in (want, got)
                        ]
                        yield f"{text} on {args!r}: interpreter {shown[0]}, compiled {shown[1]}"
                        break


def unary_families() -> list[tuple[str, ...]]:
    return [(n,) for n in FAMILIES]


def binary_families() -> list[tuple[str, ...]]:
    return [(a, b) for a in FAMILIES for b in FAMILIES]


def main() -> None:
    cases = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    part = sys.argv[3] if len(sys.argv) > 3 else ""
    for texts, families in ((UNARY, unary_families()), (BINARY, binary_families())):
        for text in [t for t in texts if part in t]:
            for line in run([text], families, cases, seed):
                print(line, flush=True)


if __name__ == "__main__":
    main()
