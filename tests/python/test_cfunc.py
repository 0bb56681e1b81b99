"""Compiled functions as C function pointers: through ctypes, cffi, the C library and SciPy."""

import ctypes
import itertools
import math
import pickle
import sys
import threading
from typing import Any

import numpy as np
import pytest

from harness import FAKE, CompileError, define, jit

if not FAKE:
    import numlift
    from numlift import cfunc, float64, int32, intc

pytestmark = pytest.mark.skipif(FAKE, reason="needs the compiler")

INTEGERS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]


@pytest.fixture
def unraisable(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    seen: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda u: seen.append((type(u.exc_value), str(u.exc_value))))
    return seen


def test_floats() -> None:
    f = cfunc("float64(float64, float64)")(define("def f(x, y):\n    return x - 2.0 * y\n"))
    assert f.ctypes(3.0, 0.5) == 2.0 and f(3.0, 0.5) == 2.0
    assert f.ctypes.argtypes == (ctypes.c_double, ctypes.c_double) and f.ctypes.restype is ctypes.c_double
    assert ctypes.cast(f.ctypes, ctypes.c_void_p).value == f.address
    g = cfunc("float32(float32)")(define("def g(x):\n    return x / np.float32(3)\n"))
    assert g.ctypes(1.0) == float(np.float32(1) / np.float32(3))
    for x in (math.inf, -0.0, 5e-324):
        assert math.copysign(1, f.ctypes(x, 0.0)) == math.copysign(1, x) and f.ctypes(x, 0.0) == x
    assert math.isnan(f.ctypes(math.nan, 1.0))


@pytest.mark.parametrize("name", INTEGERS)
def test_integers(name: str) -> None:
    f = jit(define("def f(x):\n    return x\n")).ctypes(f"{name}({name})")
    info = np.iinfo(name)
    for x in (info.min, info.max, 0, 1):
        assert f(x) == x


def test_what_is_above_a_narrow_integer_is_not_looked_at() -> None:
    f = jit(define("def f(a, b):\n    return a + b\n"))
    address = f.address("int64(int32, uint8)")
    wide = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)(address)
    assert wide(2**40 - 3, 2**20 + 5) == 2


def test_booleans_and_void() -> None:
    f = jit(define("def f(x):\n    return not x\n")).ctypes("boolean(boolean)")
    assert f(True) is False and f(False) is True
    seen = np.zeros(1)
    g = jit(define("def g(x):\n    seen[0] += x\n", seen=seen)).ctypes("void(float64)")
    assert g(2.5) is None and seen[0] == 2.5


def test_more_arguments_than_registers() -> None:
    kinds = ["float64", "int64", "float32", "int32"] * 6
    names = [f"a{i}" for i in range(len(kinds))]
    terms = " + ".join(f"{i + 1} * {n}" for i, n in enumerate(names))
    f = jit(define(f"def f({', '.join(names)}):\n    return {terms}\n"))
    g = f.ctypes(f"float64({', '.join(kinds)})")
    values = [float(i) if "f" in k else i for i, k in zip(itertools.count(1), kinds, strict=False)]
    assert g(*values) == sum((i + 1) * v for i, v in enumerate(values))


def test_globals_and_callees_are_those_of_the_call() -> None:
    space: dict[str, Any] = {}
    f = define("K = 2.0\ndef h(x):\n    return x + 1\ndef f(x):\n    return h(x) * K\n", name="f")
    space = f.__globals__
    g = jit(f).ctypes("float64(float64)")
    assert g(1.0) == 4.0
    space["K"] = 5
    space["h"] = lambda x: x - 1
    assert g(3.0) == 10.0


def test_exceptions_are_printed(unraisable: list[Any]) -> None:
    f = cfunc("float64(float64)")(define("def f(x):\n    return 1.0 / x\n"))
    assert f.ctypes(0.0) == 0.0 and f.ctypes(2.0) == 0.5
    assert unraisable == [(ZeroDivisionError, "float division by zero")]
    with pytest.raises(ZeroDivisionError):
        f(0.0)


def test_results_that_do_not_fit(unraisable: list[Any]) -> None:
    f = jit(define("def f(x):\n    return x * x\n")).ctypes("int32(int64)")
    assert f(3) == 9 and f(2**20) == 0 and f(2**40) == 0
    assert [kind for kind, _ in unraisable] == [OverflowError, OverflowError]
    g = jit(define("def g(x):\n    return x / 2\n")).ctypes("int64(int64)")
    assert g(4) == 0 and unraisable[-1][0] is TypeError


def test_exits() -> None:
    """An int that leaves 64 bits on the way: the interpreter goes on, with the result."""
    f = cfunc("float64(int64)")(define("def f(n):\n    return float(n * n * n % 1000)\n"))
    assert f.ctypes(2**40 + 1) == (2**40 + 1) ** 3 % 1000


def test_strict() -> None:
    with pytest.raises(CompileError):
        cfunc("float64(float64)")(define("def f(x):\n    return {}[x]\n"))
    f = jit(define("def f(x):\n    d = {1.0: 2.0}\n    return d[x]\n"))
    with pytest.warns(numlift.NumliftFallbackWarning):
        assert f.ctypes("float64(float64)")(1.0) == 2.0


@pytest.mark.parametrize(
    ("signature", "error"),
    [
        ("(float64)", ValueError),
        ("float64(float64, float64)", ValueError),
        ("complex128(float64)", TypeError),
        ("float64(float64[:])", TypeError),
        ("nothing(float64)", ValueError),
    ],
)
def test_wrong_signatures(signature: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        cfunc(signature)(define("def f(x):\n    return 1.0\n"))
    with pytest.raises(TypeError):
        cfunc(3)  # type: ignore[arg-type]


def test_signatures_of_types_and_pickling() -> None:
    assert cfunc(float64(float64, int32))(define("def f(x, n):\n    return x * n\n")).ctypes(1.5, 2) == 3.0
    assert pickle.loads(pickle.dumps(ADD)).ctypes(1.0, 2.0) == 3.0
    assert repr(ADD) == "<numlift.cfunc add float64(float64, float64)>"


if not FAKE:

    @cfunc("float64(float64, float64)")
    def add(x: float, y: float) -> float:
        return x + y

    ADD = add


def test_qsort() -> None:
    """The C library calls back, from a call of ctypes that has released the lock of the interpreter."""
    seen = np.zeros(1, np.int64)
    compare = jit(define("def f(a, b):\n    seen[0] += 1\n    return 0\n", seen=seen))
    callback = compare.ctypes("intc(intp, intp)")
    data = (ctypes.c_int * 8)(*range(8))
    qsort = ctypes.CDLL(None).qsort
    qsort.restype = None
    qsort(data, 8, 4, callback)
    assert list(data) == list(range(8)) and seen[0] > 6
    assert intc is not None


def test_threads() -> None:
    f = cfunc("float64(float64)")(
        define("def f(n):\n    s = 0.0\n    for i in range(int(n)):\n        s += i\n    return s\n")
    )
    results: list[float] = []

    def work() -> None:
        results.extend(f.ctypes(100.0) for _ in range(200))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == [4950.0] * 800


def test_called_from_compiled_code() -> None:
    """A pointer is a C function like any other."""
    square = cfunc("float64(float64)")(define("def f(x):\n    return x * x\n")).ctypes
    f = jit(
        define(
            "def f(n):\n    s = 0.0\n    for i in range(n):\n        s += square(i)\n    return s\n",
            square=square,
        )
    )
    assert f(10) == 285.0 and f.tier(10) == "native"


def test_cffi() -> None:
    cffi = pytest.importorskip("cffi")
    ffi = cffi.FFI()
    f = cfunc("float64(float64)")(define("def f(x):\n    return x + 0.5\n"))
    assert ffi.cast("double (*)(double)", f.cffi)(1.0) == 1.5


def test_scipy() -> None:
    integrate = pytest.importorskip("scipy.integrate")
    from scipy import LowLevelCallable

    f = cfunc("float64(float64)")(define("def f(x):\n    return np.exp(-x * x)\n"))
    found, _ = integrate.quad(LowLevelCallable(f.ctypes), -np.inf, np.inf)
    assert found == pytest.approx(math.sqrt(math.pi), abs=1e-12)
    plain, _ = integrate.quad(f.py_func, -np.inf, np.inf)
    assert found == plain
