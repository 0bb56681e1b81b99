"""What crosses the boundary: keys of arguments, constants as arguments, binding, guards, results."""

import functools
import gc
import math
import sys
import types
import warnings
import weakref

import numpy as np
import pytest

from harness import FAKE, NumliftFallbackWarning, check, define, jit

pytestmark = pytest.mark.skipif(FAKE, reason="needs the compiler")


def quiet(f, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NumliftFallbackWarning)
        return f(*args, **kwargs)


def test_class_has_vectorcall_and_collects() -> None:
    f = jit(define("def f(x):\n    return x\n"))
    have_vectorcall, method_descriptor = 1 << 11, 1 << 17
    assert type(f).__flags__ & have_vectorcall and type(f).__flags__ & method_descriptor
    assert gc.is_tracked(f)
    with pytest.raises(TypeError):
        type(f)(5)


def test_subclass_is_callable() -> None:
    from numlift import Dispatcher

    class Mine(Dispatcher):
        pass

    f = Mine(define("def f(x, y=2):\n    return x * y\n"))
    assert f(3) == 6 and f(3, y=4) == 12 and f.tier(3) == "native"


@pytest.mark.parametrize("n", [0, 1, 3, 9, 17, 40])
def test_any_number_of_arguments(n: int) -> None:
    names = [f"a{i}" for i in range(n)]
    total = " + ".join(names) or "0"
    f = define(f"def f({', '.join(f'{x}=1' for x in names)}):\n    return {total}\n")
    compiled = jit(f)
    check(f, *range(n), compiled=compiled)
    check(f, compiled=compiled)
    check(f, *[float(i) for i in range(n)], compiled=compiled)
    if n:
        check(f, kwargs={names[-1]: 5}, compiled=compiled)


def test_wide_tuples_and_many_arrays() -> None:
    f = define("def f(t):\n    return t[0] + t[39], t\n")
    check(f, tuple(float(i) for i in range(40)))
    names = [f"a{i}" for i in range(20)]
    f = define(f"def f({', '.join(names)}):\n    return {' + '.join(f'{x}[0, 1]' for x in names)}\n")
    check(f, *[np.full((2, 2), float(i)) for i in range(20)])


def test_keywords_that_are_not_interned() -> None:
    f = define("def f(first, second):\n    return first - second\n")
    names = ["".join(["sec", "ond"]), "".join(["fi", "rst"])]
    assert jit(f)(**{names[0]: 1, names[1]: 5}) == 4


def test_defaults_are_those_of_the_function_now() -> None:
    f = jit(define("def f(x, y=1, *, z=10):\n    return x + y + z\n"))
    assert f(1) == 12
    f.py_func.__defaults__ = (2.5,)
    assert f(1) == 13.5
    f.py_func.__kwdefaults__ = {"z": 20}
    assert f(1) == 23.5
    f.py_func.__defaults__ = None
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'y'"):
        f(1)


def test_defaults_and_code_of_a_callee() -> None:
    f = define("def g(x, y=1):\n    return x + y\ndef f(x):\n    return g(x)\n", "f")
    g = f.__globals__["g"]
    compiled = jit(f)
    assert compiled(1) == 2 and compiled.tier(1) == "native"
    g.__defaults__ = (5,)
    assert compiled(1) == 6
    g.__defaults__ = (0.5,)
    assert compiled(1) == 1.5
    g.__code__ = define("def g(x, y):\n    return x - y\n").__code__
    assert quiet(compiled, 1) == 0.5


def test_own_code_is_guarded() -> None:
    f = jit(define("def f(x):\n    return x + 1\n"))
    assert f(1) == 2
    f.py_func.__code__ = define("def f(x):\n    return x + 2\n").__code__
    assert quiet(f, 1) == 3


def test_functions_as_arguments() -> None:
    f = define("def f(g, x):\n    return g(x) + g(x + 1)\n")
    g = define("def g(x):\n    return x * x\n")
    compiled = jit(f)
    for args in ((g, 3), (jit(g), 3), (g, 2.5), (math.sqrt, 4.0), (abs, -3), (np.sin, 0.5), (float, 3)):
        check(f, *args, compiled=compiled)
    assert "function g" in [s.args[0] for s in compiled.specializations]
    assert all(compiled.inspect_types().values())


def test_a_function_argument_is_guarded() -> None:
    f = jit(define("def f(g, x):\n    return g(x)\n"))
    g = define("K = 1\ndef g(x):\n    return x + K\n")
    assert f(g, 1) == 2
    g.__globals__["K"] = 10
    assert f(g, 1) == 11
    g.__code__ = define("def g(x):\n    return x * 7\n").__code__
    assert quiet(f, g, 3) == 21


def test_addresses_of_dead_functions_are_not_reused() -> None:
    f = jit(define("def f(g, x):\n    return g(x)\n"))
    for k in range(30):
        g = define(f"def g(x):\n    return x * {k}\n")
        assert f(g, 2) == 2 * k
        del g
        gc.collect()


def test_lambdas_made_anew_share_their_code() -> None:
    f = jit(define("def f(g, x):\n    return g(x)\n"))
    make = define("def make():\n    return lambda x: x * 2\n")
    for k in range(100):
        assert f(make(), k) == 2 * k
    assert len(f.specializations) == 1 and f.tier(make(), 1) == "native"


def test_closures_as_arguments() -> None:
    f = jit(define("def f(g, x):\n    return g(x) + g(x)\n"))
    make = define("def make(k, shift):\n    def g(x):\n        return x * k + shift\n    return g\n", "make")
    for k in [*range(80), 2.5, 2**62, 2**64, np.float32(0.1), True, 3]:
        for shift in (1, 0.5):
            assert quiet(f, make(k, shift), 4) == 2 * (4 * k + shift)
    assert f.tier(make(1, 1), 4) == "native"
    assert len(f.specializations) < 15


def test_closures_over_arrays_tuples_strings_functions_and_objects() -> None:
    f = jit(define("def f(g, h, x):\n    return g(x), h(x)\n"))
    make = define(
        "def make(k):\n    def g(x):\n        return k[x] if k is not None else 0\n    return g\n", "make"
    )
    for k in (
        np.arange(3.0),
        np.arange(5),
        (1, 2.5),
        (1, 2.5, 3),
        [5, 6, 7],
        {1: 4},
        "abc",
        "xyz",
        None,
        (1, [2]),
    ):
        for other in (np.arange(4) * 2, [1, 2]):
            g, h = make(k), make(other)
            assert quiet(f, g, h, 1) == (g(1), h(1))
    call = define("def make(k):\n    def g(x):\n        return k(x)\n    return g\n", "make")
    for k in (math.sqrt, abs, np.sin, make(np.arange(3)), define("def k(x):\n    return x + 5\n")):
        for _ in range(2):
            assert quiet(f, call(k), call(abs), 1) == (k(1), 1)


def test_the_same_closure_twice_and_as_a_global() -> None:
    f = define("def f(g, h, x):\n    return g(x) * 100 + h(x) + G(x)\n")
    make = define("def make(k):\n    def g(x):\n        return x * k\n    return g\n", "make")
    f.__globals__["G"] = make(10_000)
    compiled = jit(f)
    for a, b in ((1, 2), (3, 4), (5, 5)):
        g = make(a)
        assert quiet(compiled, g, make(b), 1) == f(g, make(b), 1)
        assert quiet(compiled, g, g, 1) == f(g, g, 1)
        assert quiet(compiled, f.__globals__["G"], g, 1) == f(f.__globals__["G"], g, 1)
    f.__globals__["G"] = make(7)
    g = make(1)
    assert quiet(compiled, g, g, 1) == f(g, g, 1)


def test_closure_variables_that_change_or_are_unbound() -> None:
    make = define(
        "def make():\n    def g(x):\n        return x * k\n    def put(v):\n        nonlocal k\n        k = v\n"
        "    def drop():\n        nonlocal k\n        del k\n    k = 1\n    return g, put, drop\n",
        "make",
    )
    f = jit(define("def f(g, x):\n    return g(x)\n"))
    g, put, drop = make()
    assert f(g, 3) == 3
    put(5)
    assert f(g, 3) == 15
    put(0.5)
    assert f(g, 3) == 1.5
    drop()
    with pytest.raises(NameError, match="free variable 'k'"):
        quiet(f, g, 3)
    put(2)
    assert f(g, 3) == 6


def test_functions_with_the_same_code_in_other_globals() -> None:
    f = jit(define("def f(g, x):\n    return g(x)\n"))
    g = define("K = 1\ndef g(x):\n    return x + K\n")
    other = types.FunctionType(g.__code__, {"K": 50, "__builtins__": __builtins__})
    assert f(g, 1) == 2 and f(other, 1) == 51 and f(g, 1) == 2
    other.__defaults__ = (7,)
    assert f(other, 1) == 51 and quiet(f, other, 2) == 52


def test_functions_in_tuples() -> None:
    f = define("def f(t, x):\n    return t[0](x) + t[1]\n")
    g = define("def g(x):\n    return x * x\n")
    check(f, (g, 2), 3, tier=None)


def test_dtypes_of_another_byte_order() -> None:
    f = define("def f(n, d):\n    return np.zeros(n, dtype=d)\n")
    for d in (np.dtype(">f4"), np.dtype("<f4"), np.float32, np.dtype(">i8")):
        check(f, 3, d, tier=None)


def test_constants_as_results() -> None:
    f = define("def f(x):\n    return x\n")
    compiled = jit(f)
    for x in (math.sqrt, np.sin, np.float64, np.dtype("f8"), math, "text", None, range(3), f, ValueError):
        assert quiet(compiled, x) is x and quiet(compiled, x) is x


def test_strings_as_arguments() -> None:
    f = define("def f(x, mode):\n    if mode == 'double':\n        return x * 2\n    return x\n")
    compiled = jit(f)
    for mode in ("double", "none", "".join(["dou", "ble"]), "doublé", ""):
        check(f, 3, mode, compiled=compiled)
    check(f, 3, "x" * 1000, compiled=compiled)
    check(f, 3, "\ud800", compiled=compiled, tier=None)


def test_none_as_argument() -> None:
    f = define("def f(x, y=None):\n    if y is not None:\n        return x * 2\n    return x\n")
    check(f, 3, tier=None)
    check(f, 3, 5, tier=None)


def test_numbers_of_every_family_select_their_own() -> None:
    f = define("def f(x):\n    return x, x\n")
    compiled = jit(f)
    values = [True, 1, 1.0, 1j, None, np.True_, np.complex64(1j), np.complex128(1j)]
    values += [getattr(np, t)(3) for t in ("int8", "uint8", "int16", "uint16", "int32", "uint32", "uint64")]
    values += [np.int64(3), np.float32(1.5), np.float64(1.5)]
    for _ in range(2):
        for v in values:
            check(f, v, compiled=compiled, repeat=1, tier=None if v is None else "native")
    assert len(compiled.specializations) == len(values)


def test_ints_beyond_64_bits_go_to_the_interpreter() -> None:
    f = define("def f(x):\n    return x + 1\n")
    compiled = jit(f)
    for x in (1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**100, 5):
        check(f, x, compiled=compiled, tier="native" if -(2**63) <= x < 2**63 else "interpreter")
    check(define("def f(t):\n    return t[1]\n"), (1, 2**70), tier="interpreter")


def test_arguments_that_the_code_of_the_last_call_is_not_for() -> None:
    class Float(float):
        pass

    class Int(int):
        pass

    class Array(np.ndarray):
        pass

    f = define("def f(x, n):\n    return x, n\n")
    plain = np.arange(6.0)
    readonly = plain.copy()
    readonly.flags.writeable = False
    arrays = [plain, readonly, plain[::2], plain.reshape(2, 3), plain.reshape(2, 3).T, plain.astype(">f8")]
    arrays += [plain.astype(np.int64), plain.view(Array), plain.astype(object), np.array(1.5)]
    others = [1.5, 2, True, None, "x", 2**70, np.float64(1.5), Float(1.5), Int(2), (1.5, 2)]
    for last in (1.5, 7, plain):
        compiled = jit(f)
        for x in [*others, *arrays]:
            check(f, last, last, compiled=compiled)
            check(f, x, last, compiled=compiled, repeat=1, tier=None)
            check(f, last, last, compiled=compiled)
            check(f, last, x, compiled=compiled, repeat=1, tier=None)


def test_guards_without_and_with_arguments() -> None:
    f = define("def g():\n    return 1\ndef f():\n    return g()\n", "f")
    compiled = jit(f)
    for text in ("return 2", "return 3.5", "raise ValueError(4)", "return 5"):
        check(f, compiled=compiled)
        f.__globals__["g"].__code__ = define(f"def g():\n    {text}\n").__code__
        check(f, compiled=compiled, tier=None)
        f.__code__ = define(f"def f():\n    return g(), {text!r}\n").__code__
        check(f, compiled=compiled, tier=None)


def test_exits_and_errors_of_simple_calls() -> None:
    f = define("def f(a, i, x):\n    a[i] = x\n    return i + 9223372036854775800\n")
    compiled = jit(f)
    for i in (1, 7, 8, -1, 3):
        check(f, np.zeros(8), i, 2.5, compiled=compiled, lines=False)


def test_a_global_int_that_leaves_64_bits() -> None:
    f = define("K = 1\ndef f(x):\n    return x + K\n")
    compiled = jit(f)
    for k in (1, 2**63 - 1, 2**63, 2**90, 7, -(2**64), 3):
        f.__globals__["K"] = k
        assert quiet(compiled, 1) == k + 1


def test_flags_and_layouts() -> None:
    f = define(
        "def f(a):\n    s = 0.0\n    for i in range(a.shape[0]):\n        s += a[i, 1]\n    return s\n"
    )
    compiled = jit(f)
    base = np.arange(24.0).reshape(4, 6)
    frozen = base.copy()
    frozen.flags.writeable = False
    for a in (base, base.T, base[::2, ::3], base[::-1, ::-1], frozen, np.broadcast_to(base[:1], (4, 6))):
        check(f, a, compiled=compiled)
    assert len(compiled.signatures) == 5


def misaligned() -> np.ndarray:
    raw = np.zeros(8 * 4 + 1, dtype=np.uint8)
    return raw[1:].view(np.float64)


class Sub(np.ndarray):
    pass


@pytest.mark.parametrize(
    "a",
    [
        np.arange(3.0).astype(">f8"),
        misaligned(),
        np.arange(3.0).view(Sub),
        np.ma.array([1.0, 2.0, 3.0]),
        np.array([1, "x", None], dtype=object),
        np.zeros(3, dtype=np.float16),
        np.zeros(3, dtype="M8[s]"),
        np.zeros(3, dtype=[("x", "f8")]),
        np.zeros(3, dtype=np.longlong),
        [1.0, 2.0],
        {0: 1.0},
    ],
    ids=lambda a: str(getattr(a, "dtype", type(a).__name__)),
)
def test_what_has_no_native_type_says_so(a: object) -> None:
    f = jit(define("def f(a):\n    return a[0]\n"))
    with pytest.warns(NumliftFallbackWarning, match=r"NL2002.*argument `a` is an? "):
        got = f(a)
    assert type(got) is type(f.py_func(a)) and f.tier(a) == "interpreter"


def test_zero_dimensional_arrays() -> None:
    check(define("def f(a):\n    return a[()]\n"), np.array(2.5), tier=None)
    check(define("def f(a):\n    return a.ndim, a.size, a.shape\n"), np.array(2.5), tier=None)


def test_the_same_object_is_returned() -> None:
    a, t = np.arange(6.0).reshape(2, 3), np.arange(3)
    f = jit(define("def f(a, t):\n    return a, t, (t, a)\n"))
    for x in (a, a.T, a[::-1]):
        for _ in range(2):
            got = f(x, t)
            assert got[0] is x and got[1] is t and got[2][0] is t and got[2][1] is x


def test_results_own_their_memory() -> None:
    f = jit(define("def f(n):\n    return np.zeros((n, 2))\n"))
    a = f(3)
    assert a.base is None and a.flags.owndata and a.flags.writeable
    a.resize((5, 2), refcheck=False)


def test_hidden_arrays_survive_rebinding_during_the_call() -> None:
    f = define("A = np.zeros(4)\ndef f(g):\n    return A\n")
    compiled = jit(f)
    a = f.__globals__["A"]
    assert compiled(0) is a
    before = sys.getrefcount(a)
    for _ in range(100):
        compiled(0)
    assert sys.getrefcount(a) == before


def test_many_kinds_of_call() -> None:
    f = jit(define("def f(a, b=2):\n    return a - b\n"))
    assert functools.partial(f, b=1)(5) == 4
    assert functools.reduce(f, [10, 1, 2]) == 7
    assert f(*[5], **{"b": 3}) == 2
    assert types.MethodType(f, 9)() == 7
    assert max([3, 1, 2], key=f) == 3 and list(map(f, [1, 2], [3, 4])) == [-2, -2]
    assert f.__call__(5) == 3 and type(f).__call__(f, 5, 1) == 4


def test_bound_methods() -> None:
    class Point:
        shift = jit(define("def shift(self, x):\n    return x + 1\n"))

    p = Point()
    method = p.shift
    assert method.__self__ is p and method.__func__ is Point.__dict__["shift"]
    assert Point.shift is Point.__dict__["shift"]
    assert quiet(method, 1) == quiet(p.shift, 1) == quiet(Point.shift, p, 1) == 2
    assert isinstance(method, types.MethodType) and p.shift == p.shift


def test_attributes_of_the_function() -> None:
    f = jit(define('def f(x: int) -> int:\n    "Doc."\n    return x\n'))
    assert f.__doc__ == "Doc." and f.__annotations__ == {"x": int, "return": int}
    f.extra = [1]
    assert f.__dict__["extra"] == [1]
    del f.extra
    with pytest.raises(AttributeError):
        f.extra  # noqa: B018
    with pytest.raises(AttributeError):
        f.py_func = None


def test_cycles_are_collected() -> None:
    space = define("def g(x):\n    return x + K\ndef f(x):\n    return g(x)\nK = 1\n", "f").__globals__
    space["f"], space["g"] = jit(space["f"]), jit(space["g"])
    space["f"].itself = space["f"]
    assert space["f"](1) == 2
    references = [weakref.ref(space["f"]), weakref.ref(space["g"])]
    space.clear()
    del space
    gc.collect()
    assert [r() for r in references] == [None, None]


def test_a_weakref_callback_may_look_at_the_heap() -> None:
    seen = []
    f = jit(define("def f(x):\n    return x\n"))
    f(1)
    r = weakref.ref(f, lambda _: seen.append(gc.get_objects() is not None))
    del f
    gc.collect()
    assert r() is None and seen == [True]


def test_specializations_beyond_the_limit_run_in_the_interpreter() -> None:
    f = jit(define("def f(x, rest):\n    return x\n"))
    with pytest.warns(NumliftFallbackWarning, match="NL2014"):
        for k in range(70):
            assert f(k, (1,) * k) == k
    assert f.tier(1, ()) == "native" and f.tier(1, (1,) * 69) == "interpreter"
    assert len(f.specializations) == 64


def test_signature_of_the_wrong_length() -> None:
    with pytest.raises(ValueError, match="2 arguments"):
        jit("(int64, int64)")(define("def f(x):\n    return x\n"))


def test_tier_sees_guards() -> None:
    f = define("def g(x):\n    return x\ndef f(x):\n    return g(x)\n", "f")
    compiled = jit(f)
    assert compiled.tier(1) == "native"
    f.__globals__["g"] = [].append
    assert quiet(compiled.tier, 1) == "interpreter"
    f.__globals__["g"] = f.__globals__["np"].float64
    assert compiled.tier(1) == "native"
