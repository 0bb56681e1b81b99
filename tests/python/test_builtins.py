"""Every row of the table of library functions, compared with the interpreter: a row without cases fails."""

import math
from typing import Any

import numpy as np
import pytest
from test_operators import compare_all, expression

from harness import FAKE, check, define
from values import DTYPES, SCALARS, layouts, sample

INTS = [(3,), (0,), (-4,), (17,), (2**40,)]
FLOATS = [(1.5,), (0.0,), (-0.0,), (0.5,), (-1.0,), (2.0**60,), (math.inf,), (-math.inf,), (math.nan,)]
COMPLEX = [
    (1 - 1j,),
    (0j,),
    (complex(-0.0, 0.0),),
    (-1.5 + 0j,),
    (complex(math.inf, 1),),
    (complex(1, math.nan),),
]
PAIRS = [(a, b) for a in (12, 0, 1, 18, -4, 62) for b in (7, 0, 5, -3, 31)]
FLOAT_PAIRS = [(a, b) for (a,) in FLOATS for (b,) in FLOATS]
A = np.array([2.5, -1.0, 4.0, 0.5])
ARRAYS = [(sample(d, (7,), 3),) for d in DTYPES] + [(sample(d, (4, 3), 5),) for d in ("int32", "float64")]
INEXACT = [(a,) for (a,) in ARRAYS if a.dtype.kind in "fc"]

Case = tuple[str, list[tuple[Any, ...]]]


def one(f: str, *more: Case) -> list[Case]:
    """A function of one float."""
    ints: Case = (f"{f}(a)", INTS)
    return [(f"{f}(a)", FLOATS), ints, (f"{f}(a)", [(np.float32(v),) for (v,) in FLOATS]), *more]


def two(f: str) -> list[Case]:
    return [(f"{f}(a, b)", FLOAT_PAIRS), (f"{f}(a, b)", PAIRS)]


def of_complex(f: str) -> list[Case]:
    return [(f"{f}(a)", COMPLEX), (f"{f}(a)", FLOATS), (f"{f}(a)", [(np.complex128(v),) for (v,) in COMPLEX])]


def reduction(f: str, arrays: list[tuple[Any, ...]] = ARRAYS) -> list[Case]:
    return [(f"{f}", [a]) for a in arrays] + [(f"{f}", [(layouts("float64")["negative"],)])]


CASES: dict[str, list[Case]] = {
    "builtins.abs": [("abs(a)", FLOATS), ("abs(a)", COMPLEX), ("abs(a)", [*INTS, (-(2**63),)])],
    "builtins.bool": [("bool(a)", FLOATS), ("bool(a)", COMPLEX), ("bool()", [()])],
    "builtins.complex": [("complex(a)", FLOATS), ("complex(a, b)", FLOAT_PAIRS), ("complex()", [()])],
    "builtins.divmod": two("divmod"),
    "builtins.enumerate": [("f(a)", [(A,)])],
    "builtins.float": [("float(a)", INTS), ("float(a)", FLOATS), ("float()", [()])],
    "builtins.int": [("int(a)", FLOATS), ("int(a)", [(np.float32(1.5),)]), ("int()", [()])],
    "builtins.len": [("len(a)", [(A,)]), ("len(a)", [((1, 2.0),)]), ("len(range(a, 10, 3))", INTS)],
    "builtins.max": [("max(a, b)", FLOAT_PAIRS), ("max(a, b, 3)", PAIRS), ("max((a, b))", FLOAT_PAIRS)],
    "builtins.min": [("min(a, b)", FLOAT_PAIRS), ("min(a, b, 3)", PAIRS), ("min((a, b))", FLOAT_PAIRS)],
    "builtins.pow": [
        ("pow(a, b)", FLOAT_PAIRS),
        ("pow(a, b)", PAIRS),
        ("pow(a, b, 7)", PAIRS),
        (
            "pow(a, b, c)",
            [(3, 100, 7), (3, 100, -7), (-3, 5, 10), (3, -1, 7), (2, 2**40, 2**61 - 1), (1, 1, 0)],
        ),
    ],
    "builtins.range": [("f(a)", INTS[:4])],
    "builtins.reversed": [("f(a)", [(A,)])],
    "builtins.round": [
        ("round(a)", FLOATS),
        ("round(a, 2)", [(2.675,), (0.125,), (1e300,), (-0.001,), (math.nan,), (math.inf,), (5e-324,)]),
        (
            "round(a, b)",
            [(v, n) for v in (12345.678, -0.5, 2.5, 1e22, math.nan) for n in (0, 1, -2, 22, 23, 400, -400)],
        ),
        ("round(a, b)", [(v, n) for v in (15, 25, -25, 2**62) for n in (0, 1, -1, -2, -30)]),
        ("round(a, None)", FLOATS),
        ("round(a, ndigits=1)", [(0.25,), (0.35,)]),
        *[
            ("round(a, 1)", [(v,) for v in SCALARS[t]])
            for t in ("np.float32", "np.float64", "np.int8", "np.uint64")
        ],
    ],
    "builtins.sum": [
        ("sum(a)", [(A,)]),
        ("sum(a)", [(A[:0],)]),
        ("sum((a, b, 1))", FLOAT_PAIRS),
        ("sum((a, b), 2.5)", PAIRS),
        ("sum((a, a))", [(1,), (2**62,), (-(2**63),)]),
        ("sum(a, start=1.0)", [(np.arange(4, dtype=np.int32),)]),
    ],
    "builtins.zip": [("f(a)", [(A,)])],
    "numlift.prange": [("f(a)", INTS[:4])],
    "math.hypot": [
        *two("math.hypot"),
        ("math.hypot(a, b, 1.5)", FLOAT_PAIRS),
        ("math.hypot()", [()]),
        ("math.hypot(a)", FLOATS),
    ],
    "math.ldexp": [
        ("math.ldexp(a, b)", [(v, n) for (v,) in FLOATS for n in (3, 0, -5, 1030, -1080, 2**40, -(2**62))])
    ],
    "math.log": [*one("math.log"), *two("math.log")],
    "math.gcd": [
        ("math.gcd(a, b)", PAIRS),
        ("math.gcd(a, b, 6)", PAIRS),
        ("math.gcd(a)", [(5,), (-5,), (-(2**63),)]),
        ("math.gcd()", [()]),
        ("math.gcd(a, b)", [(np.int32(12), 18), (np.int32(-12), True)]),
        ("math.gcd(a, b)", [(-(2**63), -(2**63)), (-(2**63), 6)]),
    ],
    "math.lcm": [
        ("math.lcm(a, b)", PAIRS),
        ("math.lcm(a, b, 6)", PAIRS),
        ("math.lcm(a)", [(5,), (-5,), (-(2**63),)]),
        ("math.lcm()", [()]),
        ("math.lcm(a, b)", [(4, 6), (2**40 + 1, 2**40 - 1), (np.int64(4), np.uint8(6))][:2]),
    ],
    "math.comb": [("math.comb(a, b)", [*PAIRS, (66, 33), (67, 33), (2**62, 2), (2**62, 2**62 - 1)])],
    "math.perm": [
        ("math.perm(a, b)", [*PAIRS, (20, 20), (21, 21), (2**62, 1)]),
        ("math.perm(a)", [(5,), (0,), (-1,), (21,)]),
    ],
    "math.factorial": [
        ("math.factorial(a)", [(n,) for n in (5, 0, 1, 20, 21, 100, -1)]),
        ("math.factorial(a)", [(np.int8(5),)]),
    ],
    "math.isqrt": [
        ("math.isqrt(a)", [(n,) for n in (17, 0, 2**63 - 1, 2**52 + 1, -1)]),
        ("math.isqrt(a)", [(np.uint8(17),)]),
    ],
    "math.isclose": [
        ("math.isclose(a, b)", FLOAT_PAIRS),
        ("math.isclose(a, b, rel_tol=0.5)", FLOAT_PAIRS),
        ("math.isclose(a, b, rel_tol=-1.0)", [(1.0, 2.0)]),
        ("math.isclose(a, b, abs_tol=2)", PAIRS),
    ],
    "math.dist": [
        ("math.dist(a, b)", [((1.0, 2.0), (3, 4)), ((1.0, 2.0), (3, 5))]),
        ("math.dist(a, b)", [((1.0,), (3.0, 4.0))]),
    ],
    "math.fsum": [("math.fsum(a)", [(A,)]), ("math.fsum((a, 1e100, 1.0, -1e100))", FLOATS)],
    "math.prod": [
        ("math.prod(a)", [(A,)]),
        ("math.prod(a)", [(A[:0],)]),
        ("math.prod((a, b, 3))", FLOAT_PAIRS),
        ("math.prod((a, b))", [*PAIRS, (2**40, 2**40)]),
        ("math.prod((a, b), start=0.5)", PAIRS),
    ],
    "cmath.rect": two("cmath.rect"),
    "cmath.isclose": [
        ("cmath.isclose(a, a + 1e-12)", COMPLEX),
        ("cmath.isclose(a, 1, abs_tol=3.0)", COMPLEX),
    ],
    "cmath.log": [*of_complex("cmath.log"), ("cmath.log(a, 2)", COMPLEX)],
    "numpy.zeros": [],
    "numpy.full": [
        ("np.full(3, a)", INTS),
        ("np.full((2, 3), a)", FLOATS),
        ("np.full(2, a, dtype=np.float32)", INTS),
        ("np.full(2, a, np.int8)", [(3,), (300,)]),
        ("np.full(shape=(1, 2), fill_value=a, dtype=float)", INTS),
    ],
    "numpy.full_like": [
        ("np.full_like(a, 2)", ARRAYS[1:]),
        ("np.full_like(a, 2.5, dtype=np.float32)", ARRAYS[:2]),
    ],
    "numpy.arange": [
        ("np.arange(a)", [(5,), (0,), (-3,)]),
        ("np.arange(a)", [(2.5,), (0.1,), (-1.0,), (math.nan,)]),
        ("np.arange(a, b)", PAIRS),
        ("np.arange(a, b, 3)", PAIRS),
        ("np.arange(a, b, c)", [(0.0, 1.0, 0.1), (1, 0, -0.25), (0.0, 1.0, 0.0), (0, 10, 2.5)]),
        ("np.arange(a, b, c)", [(5, 0, -2), (0, 5, -1), (0, 5, 0)]),
        ("np.arange(a, dtype=np.float32)", [(4,)]),
        ("np.arange(a, dtype='i4')", [(4,)]),
        ("np.arange(start=a, stop=9, step=2)", [(4,)]),
        *[("np.arange(a)", [(v(5),)]) for v in (np.int8, np.uint8, np.int32, np.uint64, np.float32)],
    ],
    "numpy.clip": [
        ("np.clip(a, -1.0, 2)", FLOATS),
        ("np.clip(a, b, 2.0)", FLOAT_PAIRS),
        ("np.clip(1.0, a, b)", FLOAT_PAIRS),
        ("np.clip(a, 0, b)", PAIRS),
        ("np.clip(a, 0, 300)", [(np.uint8(7),)]),
        ("np.clip(a, None, 3)", [(np.int8(7),)]),
        ("np.clip(a, a_min=0.0, a_max=3)", [(np.float32(7),)]),
    ],
    "numpy.finfo": [
        (f"np.finfo({d}).{n}", [()])
        for d in ("np.float64", "np.float32", "float", "np.complex64")
        for n in "bits eps epsneg max min tiny smallest_normal smallest_subnormal resolution nmant nexp iexp maxexp "
        "minexp machep negep precision".split()
    ],
    "numpy.iinfo": [
        (f"np.iinfo({d}).{n}", [()]) for d in ("np.int8", "np.uint32", "int") for n in ("max", "min", "bits")
    ],
    "numpy.angle": [
        ("np.angle(a)", FLOATS),
        ("np.angle(a)", COMPLEX),
        ("np.angle(a)", [(np.complex64(1j),)]),
    ],
    "numpy.random.seed": [],
    "ndarray.fill": [],
    "ndarray.copy": [("a.copy()", [a]) for a in ARRAYS],
    "numpy.copy": [("np.copy(a)", [a]) for a in (*ARRAYS, (layouts("float32")["F"],))],
    "ndarray.item": [("a.item(2)", [a]) for a in ARRAYS] + [("a.item()", [(A[:1],), (A,)])],
    "ndarray.std": reduction("a.std()") + [("a.std(ddof=1)", [(A,)])],
    "ndarray.sum": [*reduction("a.sum()"), ("a.sum(dtype=np.float32)", [(A,)]), ("a.sum(axis=None)", [(A,)])],
}

for _name in """acos acosh asin asinh atan atanh cbrt ceil cos cosh degrees erf erfc exp exp2 expm1 fabs floor frexp gamma
isfinite isinf isnan lgamma log10 log1p log2 modf radians sin sinh sqrt tan tanh trunc ulp""".split():
    CASES[f"math.{_name}"] = one(f"math.{_name}")
for _name in "atan2 copysign fmod nextafter pow remainder".split():
    CASES[f"math.{_name}"] = two(f"math.{_name}")
for (
    _name
) in """acos acosh asin asinh atan atanh cos cosh exp isfinite isinf isnan log10 phase polar sin sinh sqrt tan
tanh""".split():
    CASES[f"cmath.{_name}"] = of_complex(f"cmath.{_name}")
for _name in ("zeros", "ones"):
    CASES[f"numpy.{_name}"] = [
        (f"np.{_name}(a)", [(3,), (0,), (-1,)]),
        (f"np.{_name}((a, 2))", [(3,), (0,), (-1,)]),
        (f"np.{_name}(shape=(a, 2, a), dtype=np.int16)", [(3,)]),
        (f"np.{_name}(a, np.complex64)", [(3,)]),
        (f"np.{_name}(a, 'f4')", [(3,)]),
        (f"np.{_name}(a, dtype='bool')", [(3,)]),
        (f"np.{_name}(a, float)", [(3,)]),
        (f"np.{_name}((a, a), order='C')", [(3,)]),
    ]
for _name in ("zeros_like", "ones_like"):
    CASES[f"numpy.{_name}"] = [
        *[
            (f"np.{_name}(a)", [a])
            for a in (*ARRAYS, (layouts("float32")["F"],), (layouts("int8")["strided"],))
        ],
        (f"np.{_name}(a, dtype=np.float32)", [(A,)]),
    ]
CASES["numpy.empty"] = [("np.empty(a).shape", [(3,), (-1,)]), ("np.empty((a, 2), np.int8).nbytes", [(3,)])]
CASES["numpy.empty_like"] = [("np.empty_like(a).shape", [(A,)])]
for _name in ("real", "imag"):
    CASES[f"numpy.{_name}"] = [
        (f"np.{_name}(a)", c) for c in (FLOATS, COMPLEX, INTS, [(True,)], [(np.complex64(1j),)])
    ]
for _name in ("round", "around"):
    CASES[f"numpy.{_name}"] = [
        (f"np.{_name}(a)", FLOATS),
        (f"np.{_name}(a)", INTS),
        (f"np.{_name}(a, 1)", FLOATS),
        (f"np.{_name}(a, decimals=b)", [(12.345, 2), (12.345, -1)]),
        (f"np.{_name}(a)", [(np.float32(2.5),)]),
        (f"np.{_name}(a)", COMPLEX),
    ]
for _name in ("sum", "prod", "max", "min", "mean", "var", "std", "all", "any", "argmax", "argmin"):
    CASES.setdefault(f"ndarray.{_name}", reduction(f"a.{_name}()"))
    CASES[f"numpy.{_name}"] = reduction(f"np.{_name}(a)")
for _name, _families in {
    "conjugate": [n for n in SCALARS if n != "np.bool_"],
    "conj": [n for n in SCALARS if n.startswith("np.") and n != "np.bool_"],
    "is_integer": ["float", *(n for n in SCALARS if n.startswith(("np.int", "np.uint", "np.float")))],
    "bit_length": ["bool", "int"],
    "bit_count": ["bool", "int", *(n for n in SCALARS if n.startswith(("np.int", "np.uint")))],
    "item": [n for n in SCALARS if n.startswith("np.")],
}.items():
    CASES[f"number.{_name}"] = [(f"a.{_name}()", [(v,) for v in SCALARS[f]]) for f in _families]
CASES["number.astype"] = [
    (f"(a.astype(np.{t}), a.astype('{t}'))", [(np.float64(2.7),), (np.float64(-0.0),)])
    for t in ("int8", "int64", "float32", "float64", "complex64", "bool")
] + [
    (f"a.astype(np.{t})", [(np.int64(-300),), (np.int64(7),)]) for t in ("int8", "uint8", "uint64", "float32")
]
for _name, _order in (("zeros", "'F'"), ("ones", "'C'"), ("ones", "'F'"), ("full", "'F'"), ("full", "'C'")):
    _value = ", 2.5" if _name == "full" else ""
    CASES[f"numpy.{_name}"] += [
        (f"np.{_name}((a, b){_value}, order={_order})", [(2, 3), (0, 3), (3, 0), (1, 1), (-1, 2)]),
        (f"np.{_name}((a, 2, b){_value}, dtype=np.int16, order={_order})", [(2, 3)]),
        (f"np.{_name}(a{_value}, order={_order})", [(3,)]),
    ]
for _name in ("min", "max", "sum"):
    CASES[f"builtins.{_name}"] += [
        (f"{_name}(a)", [(A,), (A[::-2],), (A[:0],), (A[:3].astype(np.int8),)]),
        (f"{_name}(range(a, b, 3))", [(2, 30), (30, 2), (-9, 1)]),
    ]
CASES["numpy.amax"], CASES["numpy.amin"] = CASES["numpy.max"], CASES["numpy.min"]

LOOPS = {
    "builtins.range": "def f(a):\n    s = 0\n    for i in range(a):\n        s += i\n    return s\n",
    "numlift.prange": "def f(a):\n    s = 0\n    for i in prange(a):\n        s += i\n    return s\n",
    "builtins.enumerate": "def f(a):\n    s = 0.0\n    for i, x in enumerate(a):\n        s += i * x\n    return s\n",
    "builtins.zip": "def f(a):\n    s = 0.0\n    for x, y in zip(a, a[::-1]):\n        s += x * y\n    return s\n",
    "builtins.reversed": "def f(a):\n    s = 0.0\n    for x in reversed(a):\n        s = s / 2 + x\n    return s\n",
}
DRAWS = {
    "random": ["np.random.random()", "np.random.random(size=3)[1]", "np.random.random((2, 2)).sum()"],
    "random_sample": ["np.random.random_sample()", "np.random.random_sample(n)[1]"],
    "rand": ["np.random.rand()", "np.random.rand(2, 3).sum()"],
    "randint": [
        "np.random.randint(10)",
        "np.random.randint(-5, 100)",
        "np.random.randint(low=0, high=2**40)",
        "np.random.randint(-(2**63), 2**63 - 1)",
        "np.random.randint(0, 2**32)",
        "np.random.randint(0, 2**32 + 1)",
        "np.random.randint(1)",
        "np.random.randint(7, None)",
        "np.random.randint(0, 5, size=3)[0]",
        "np.random.randint(3, size=(2, 2), dtype=np.int8).sum()",
        *[
            f"np.random.randint(5, dtype={d})"
            for d in ("int", "np.int64", "np.int32", "np.int16", "np.int8", "np.uint64")
        ],
        *[f"np.random.randint(1, 200, dtype={d})" for d in ("np.uint8", "np.uint16", "np.uint32", "'u1'")],
        "np.random.randint(0, 2, dtype=bool)",
        "np.random.randint(0, 2, dtype=np.bool_)",
        "np.random.randint(-128, 128, dtype=np.int8)",
        "np.random.randint(0, 2**32, dtype=np.uint32)",
    ],
    "uniform": [
        "np.random.uniform()",
        "np.random.uniform(2.0, 3.5)",
        "np.random.uniform(high=n)",
        "np.random.uniform(1, 2, 3)[2]",
    ],
    "normal": [
        "np.random.normal()",
        "np.random.normal(1.0, 2.0)",
        "np.random.normal(scale=n)",
        "np.random.normal(0, 1, n)[1]",
    ],
    "standard_normal": ["np.random.standard_normal()", "np.random.standard_normal(3)[0]"],
    "randn": ["np.random.randn()", "np.random.randn(n)[0]"],
    "exponential": [
        "np.random.exponential()",
        "np.random.exponential(2.5)",
        "np.random.exponential(scale=n)",
    ],
}
DRAW_ERRORS = [
    "np.random.randint(0)",
    "np.random.randint(5, 5)",
    "np.random.randint(n - 7)",
    "np.random.randint(300, dtype=np.int8)",
    "np.random.randint(-1, 3, dtype=np.uint8)",
    "np.random.randint(-1, 3, dtype=np.uint64)",
    "np.random.randint(5, dtype=bool)",
    "np.random.uniform(n, np.inf)",
    "np.random.uniform(np.nan, n)",
    "np.random.normal(0.0, -n)",
    "np.random.normal(0.0, -0.0)",
    "np.random.normal(0.0, np.nan)",
    "np.random.exponential(-1.0)",
]


def rows() -> list[str]:
    if FAKE:
        return sorted(CASES)
    from numlift import _core

    # those are called by test_library.py
    others = {row[0] for row in _core.library_rows()} - set(CASES)
    return sorted(set(_core.list_builtins()) - others)


@pytest.mark.parametrize("path", rows())
def test_row(path: str) -> None:
    if path in LOOPS:
        from numlift import prange

        f = define(LOOPS[path], prange=prange)
        for args in CASES[path][0][1]:
            check(f, *args)
        return
    if path.startswith("numpy.random.") and path != "numpy.random.seed":
        for text in DRAWS[path.removeprefix("numpy.random.")]:
            source = f"def f(n):\n    s = 0.0\n    for _ in range(41):\n        s = s * 0.5 + {text}\n    return s, {text}\n"
            check(define(source), 3, seed=7)
        return
    if path == "numpy.random.seed":
        check(
            define("def f(s):\n    np.random.seed(s)\n    return np.random.random(), np.random.normal()\n"),
            5,
            seed=1,
        )
        return
    if path == "ndarray.fill":
        for (a,) in ARRAYS:
            check(define("def f(a):\n    a.fill(1)\n    return a[0]\n"), a)
        return
    assert CASES.get(path), f"{path} has no cases"
    compare_all([(expression(text, *"abc"[: len(args[0])]), args) for text, args in CASES[path]])


@pytest.mark.parametrize("text", DRAW_ERRORS)
def test_errors_of_draws(text: str) -> None:
    """They leave the generator as the interpreter does, also after draws."""
    check(
        define(f"def f(n):\n    x = np.random.normal()\n    return x, {text}\n"),
        2.5 if "randint" not in text else 3,
        seed=1,
    )


def test_no_cases_of_unknown_rows() -> None:
    known = set(rows()) | {f"numpy.random.{d}" for d in DRAWS}
    assert set(CASES) <= known
