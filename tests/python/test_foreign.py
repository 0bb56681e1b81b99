"""C functions: called from compiled code as ctypes and cffi call them, and compiled functions called from C."""

import ctypes
import ctypes.util
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import FAKE, check, define, jit

pytestmark = pytest.mark.skipif(FAKE, reason="needs the compiler")

LIBM = ctypes.CDLL(ctypes.util.find_library("m"))
LIBC = ctypes.CDLL(None)


def made(text: str, names: dict[str, Any] | None = None, name: str | None = None) -> Callable[..., Any]:
    return define(textwrap.dedent(text), name, **(names or {}))


def prototype(library: ctypes.CDLL, name: str, result: Any, *params: Any) -> Any:
    f = library[name]  # a new object each time
    f.restype, f.argtypes = result, list(params) if len(params) < 2 else params
    return f


double, int_, long = ctypes.c_double, ctypes.c_int, ctypes.c_long
cbrt = prototype(LIBM, "cbrt", double, double)
cbrtf = prototype(LIBM, "cbrtf", ctypes.c_float, ctypes.c_float)
fma = prototype(LIBM, "fma", double, double, double, double)
ldexp = prototype(LIBM, "ldexp", double, double, int_)
c_abs = prototype(LIBC, "abs", int_, int_)
labs = prototype(LIBC, "labs", long, long)
toupper = prototype(LIBC, "toupper", int_, int_)
isnan = prototype(LIBM, "__isnan", int_, double)
drand48 = prototype(LIBC, "drand48", double)
srand48 = prototype(LIBC, "srand48", None, long)
NAMES = {k: v for k, v in globals().items() if isinstance(v, ctypes._CFuncPtr)}

NUMBERS = [0, 1, -1, 7, 2**31, 2**40 + 3, -(2**63), 0.5, -0.0, 1e300, float("nan"), float("inf"), True]
NUMPY = [
    np.float64(2.5),
    np.float32(0.1),
    np.int8(-3),
    np.int64(2**62 + 1),
    np.uint64(2**64 - 1),
    np.bool_(True),
]


@pytest.mark.parametrize("x", [*NUMBERS, *NUMPY], ids=repr)
@pytest.mark.parametrize("name", ["cbrt", "cbrtf", "isnan"])
def test_floats(name: str, x: Any) -> None:
    f = made(f"def f(x):\n    return {name}(x)\n", NAMES)
    check(f, x)


@pytest.mark.parametrize("x", [0, 5, -5, 2**31 - 1, 2**31, -(2**31), 2**40 + 3, True], ids=repr)
@pytest.mark.parametrize("name", ["c_abs", "labs", "toupper"])
def test_ints_are_cut_off_as_ctypes_does(name: str, x: int) -> None:
    check(made(f"def f(x):\n    return {name}(x)\n", NAMES), x)


def test_several_arguments() -> None:
    check(made("def f(x, n):\n    return fma(x, n, 1) + ldexp(x, n)\n", NAMES), 1.5, 3)
    check(made("def f(x, n):\n    return ldexp(x, n), ldexp(n, n)\n", NAMES), np.float32(1.5), -3)
    params = [int_, double, long, double, ctypes.c_float, int_, double, long, long, long, double]
    signature = ctypes.CFUNCTYPE(double, *params)
    # what is in registers beyond the function's own parameters is not looked at
    f = signature(ctypes.cast(NAMES["cbrt"], ctypes.c_void_p).value)
    text = "def f(x):\n    return f_(1, x, 2, 3.0, 4.0, 5, 6.0, 7, 8, 9, 10.0)\n"
    check(made(text, {"f_": f}), 27.0)


@pytest.mark.parametrize(
    ("call", "argument"),
    [("c_abs(x)", 1.5), ("c_abs(x)", np.int64(1)), ("cbrt(x)", 1j), ("cbrt(x, x)", 2.0), ("cbrt()", 2.0)],
)
def test_what_ctypes_refuses(call: str, argument: Any) -> None:
    check(made(f"def f(x):\n    return {call}\n", NAMES), argument, tier=None)


def test_results_of_every_kind() -> None:
    kinds = [
        ctypes.c_byte,
        ctypes.c_ubyte,
        ctypes.c_short,
        ctypes.c_ushort,
        int_,
        ctypes.c_uint,
        long,
        ctypes.c_bool,
    ]
    for kind in kinds:
        f = prototype(LIBC, "labs", kind, long)
        for x in (0, 200, 2**15 + 7, 2**31 + 9, 2**40 + 255):
            check(made("def f(x):\n    return g(x)\n", {"g": f}), x)
    for kind in (ctypes.c_ulong, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_longdouble):
        f = jit(made("def f(x):\n    return g(x) is None\n", {"g": prototype(LIBC, "labs", kind, long)}))
        assert f.tier(0) != "native"


def test_effects() -> None:
    """Draws are made once each and in order, also where the interpreter goes on."""
    text = """
    def f(n, seed):
        srand48(seed)
        out = 0.0
        p = 1
        for i in range(n):
            out += drand48()
            p *= 3
        return out, p, drand48()
    """
    for n in (3, 60):
        check(made(text, NAMES), n, 42)


def test_loops_of_calls() -> None:
    text = """
    def pi(n):
        inside = 0
        srand48(7)
        for i in range(n):
            x = drand48()
            y = drand48()
            if x * x + y * y < 1.0:
                inside += 1
        return 4.0 * inside / n
    """
    check(made(text, NAMES), 1000)


@pytest.mark.parametrize("how", ["closure", "argument", "callee"])
def test_where_functions_come_from(how: str) -> None:
    texts = {
        "closure": "def make(g):\n    def f(x):\n        return g(x) + 1\n    return f\nf = make(cbrt)\n",
        "argument": "def f(x, g=cbrt):\n    return g(x) + 1\n",
        "callee": "def h(g, x):\n    return g(x)\ndef f(x):\n    return h(cbrt, x) + 1\n",
    }
    check(made(texts[how], NAMES, name="f"), 27.0)


def test_as_an_argument() -> None:
    f = jit(made("def f(g, x):\n    return g(x) * 2\n"))
    for g in (cbrt, isnan, cbrt):
        assert f(g, 8.0) == f.py_func(g, 8.0)
        assert f.tier(g, 8.0) == "native"


def test_a_changed_prototype() -> None:
    g = prototype(LIBC, "labs", long, long)
    f = jit(made("def f(x):\n    return g(x)\n", {"g": g}))
    assert f(-(2**40)) == 2**40
    g.argtypes = [int_]
    assert f(-(2**40) - 3) == f.py_func(-(2**40) - 3)
    g.restype = ctypes.c_byte
    assert f(300) == f.py_func(300) == 44
    g.errcheck = lambda result, function, args: "checked"
    assert f(1) == "checked" and f.tier(1) != "native"


def test_callbacks_run_in_the_interpreter() -> None:
    seen = []
    g = ctypes.CFUNCTYPE(double, double)(lambda x: seen.append(x) or x + 1)
    f = jit(made("def f(x):\n    return g(x) + 1\n", {"g": g}))
    assert f(1.0) == 3.0 and seen == [1.0] and f.tier(1.0) != "native"


POINTER_TEXT = """
def f(a, b, n):
    memcpy(a, b, n)
    return a[0] + a[-1]
"""


def memcpy(**how: Any) -> Any:
    source = np.ctypeslib.ndpointer(np.float64)
    target = np.ctypeslib.ndpointer(np.float64, **how)
    return prototype(LIBC, "memcpy", None, target, source, long)


@pytest.mark.parametrize("how", [{}, {"ndim": 1}, {"flags": "C"}, {"flags": "C,W"}, {"flags": "F"}], ids=str)
def test_arrays(how: dict[str, Any]) -> None:
    f = made(POINTER_TEXT, {"memcpy": memcpy(**how)})
    check(f, np.zeros(4), np.arange(1.0, 5.0), 32)


@pytest.mark.parametrize(
    ("how", "array"),
    [
        ({"ndim": 2}, np.zeros(4)),
        ({}, np.zeros(4, np.float32)),
        ({"flags": "C"}, np.zeros(8)[::2]),
        ({"shape": (3,)}, np.zeros(4)),
    ],
    ids=str,
)
def test_arrays_that_ctypes_refuses(how: dict[str, Any], array: np.ndarray) -> None:
    check(made(POINTER_TEXT, {"memcpy": memcpy(**how)}), array, np.ones(4), 32, tier=None)


def test_what_c_has_written_is_read_again() -> None:
    text = """
    def f(a, b):
        s = 0.0
        for i in range(len(a)):
            before = a[i]
            memcpy(a, b, 8 * len(a))
            s += before * 10 + a[i]
        return s
    """
    check(made(text, {"memcpy": memcpy()}), np.zeros(3), np.arange(1.0, 4.0))


def test_other_threads_run_with_nogil() -> None:
    import threading

    usleep = prototype(LIBC, "usleep", int_, ctypes.c_uint)
    f = jit(nogil=True)(made("def f(n):\n    return usleep(n)\n", {"usleep": usleep}))
    assert f(1) == 0 and f.tier(1) == "native"
    running = threading.Thread(target=f, args=(200_000,))
    running.start()
    turns = 0
    while running.is_alive():
        turns += 1
    running.join()
    assert turns > 1000


class TestCffi:
    """The same through cffi, which refuses what does not fit."""

    @pytest.fixture
    def lib(self) -> Iterator[dict[str, Any]]:
        cffi = pytest.importorskip("cffi")
        ffi = cffi.FFI()
        ffi.cdef(
            "double cbrt(double); float cbrtf(float); int abs(int); long labs(long); double ldexp(double, int);"
            "double drand48(void); void srand48(long); int printf(const char *, ...);"
        )
        c, m = ffi.dlopen(None), ffi.dlopen(ctypes.util.find_library("m"))
        names = {n: getattr(c, n) for n in ("labs", "drand48", "srand48", "printf")}
        names |= {n: getattr(m, n) for n in ("cbrt", "cbrtf", "ldexp")}
        yield {**names, "c_abs": c.abs, "ffi": ffi}

    @pytest.mark.parametrize("x", [0, -3, 2.5, float("nan"), np.float32(0.1), np.int64(27), True], ids=repr)
    @pytest.mark.parametrize("name", ["cbrt", "cbrtf"])
    def test_floats(self, lib: dict[str, Any], name: str, x: Any) -> None:
        check(made(f"def f(x):\n    return {name}(x)\n", lib), x)

    @pytest.mark.parametrize("x", [0, -5, 2**31 - 1, -(2**31), 2**31, -(2**31) - 1, 2**40, True], ids=repr)
    @pytest.mark.parametrize("name", ["c_abs", "labs"])
    def test_ints_must_fit(self, lib: dict[str, Any], name: str, x: int) -> None:
        check(made(f"def f(x):\n    return {name}(x)\n", lib), x)

    def test_effects(self, lib: dict[str, Any]) -> None:
        text = (
            "def f(n):\n    srand48(n)\n    s = drand48()\n    s += ldexp(s, n)\n    return s + drand48()\n"
        )
        for n in (4, 2**35):
            check(made(text, lib), n)

    def test_what_is_not_compiled(self, lib: dict[str, Any]) -> None:
        callback = lib["ffi"].callback("double(double)", lambda x: x + 1)
        f = jit(made("def f(x):\n    return g(x)\n", {"g": callback}))
        assert f(1.0) == 2.0 and f.tier(1.0) != "native"


def test_cached_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMLIFT_CACHE_DIR", str(tmp_path))
    text = "def f(x):\n    return g(x) + 1\n"
    for result, hit in ((double, 0), (double, 1), (ctypes.c_int, 0)):
        f = jit(cache=True)(made(text, {"g": prototype(LIBM, "cbrt", result, double)}))
        assert f(27.0) == f.py_func(27.0) and len(f.stats.cache_hits) == hit
