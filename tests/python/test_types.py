"""The names that a reader of Numba's documentation expects: types, signatures, options, and what is missing."""

import doctest

import numpy as np
import pytest

from harness import FAKE, check, define

pytestmark = pytest.mark.skipif(FAKE, reason="is about the package")
if not FAKE:
    import numlift
    from numlift import types
    from numlift.types import complex128, float32, float64, int32, int64, void


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (lambda: float64(int64, float32), "float64(int64, float32)"),
        (lambda: float64(float64[:, ::1], int64), "float64(float64[:, ::1], int64)"),
        (lambda: void(int32[::1], complex128[::1, :, :]), "none(int32[::1], complex128[::1, :, :])"),
        (lambda: int64((float64, int64[:])), "int64((float64, int64[:]))"),
        (lambda: int64(types.UniTuple(float64, 2), types.Tuple((int64,))), "int64((float64, float64), (int64,))"),
        (lambda: void(types.Array(float64, 3, "C"), types.Array(int64, 2, "F")), "none(float64[:, :, ::1], int64[::1, :])"),
        (lambda: types.boolean(types.b1[:], types.Array(types.u1, 1, "A")), "bool(bool[:], uint8[:])"),
        (lambda: void(), "none()"),
    ],
)  # fmt: skip
def test_text_of_signatures_compiles(made, text: str) -> None:
    signature = made()
    assert str(signature) == repr(signature) == text
    count = len(signature.args)
    names = ", ".join(f"a{i}" for i in range(count))
    f = numlift.jit(signature)(define(f"def f({names}):\n    return None\n"))
    assert len(f.signatures) == 1 and len(f.signatures[0]) == count


def test_signatures_in_every_form() -> None:
    source = "def f(a, b):\n    return a * b\n"
    forms = [float64(float64, int64), (float64, int64), "float64(float64, int64)", "(float64, int64)"]
    for form in forms:
        assert len(numlift.jit(form)(define(source)).signatures) == 1
        assert len(numlift.njit(form, cache=True)(define(source)).signatures) == 1
    both = numlift.jit([float64(float64, int64), "(int64, int64)"])(define(source))
    assert len(both.signatures) == 2
    assert len(numlift.jit(tuple(["(float64, int64)", "(int64, int64)"]))(define(source)).signatures) == 2
    check(define(source), 2.5, 3, compiled=both)
    f = numlift.jit(float64(float64[:, ::1]))(define("def f(a):\n    return a[0, 0]\n"))
    check(f.py_func, np.ones((2, 2)), compiled=f)
    with pytest.raises(TypeError, match="5"):
        numlift.jit([5])
    with pytest.raises(ValueError):
        numlift.jit("float64(float63)")(define(source))


def test_a_declared_result_is_no_conversion() -> None:
    f = numlift.jit(float64(int64))(define("def f(a):\n    return a + 1\n"))
    check(f.py_func, 1, compiled=f)


@pytest.mark.parametrize(
    "make",
    [
        lambda: float64[0],
        lambda: float64[:, 1:],
        lambda: float64[::2],
        lambda: float64[::1, ::1],
        lambda: float64[:, ::1, :],
        lambda: float64[()],
        lambda: float64(int64, 3),
        lambda: float64("x", int64),
        lambda: types.Array(void, 1, "C"),
        lambda: types.Tuple((1, 2)),
    ],
)
def test_mistakes_in_types(make) -> None:
    with pytest.raises(TypeError):
        make()


def test_layouts() -> None:
    for layout, ndim in (("X", 1), ("C", 0)):
        with pytest.raises(ValueError):
            types.Array(float64, ndim, layout)


def test_types_convert_numbers_and_compare() -> None:
    value = int32(7.9)
    assert type(value) is np.int32 and value == 7
    assert type(numlift.boolean(1)) is np.bool_
    assert types.f8 is float64 and float64[:] == types.Array(float64, 1, "A") != float64[::1]
    assert len({float64[:], types.f8[:], float64(int64), float64(types.i8)}) == 2


def test_types_are_called_in_kernels() -> None:
    space = {
        name: getattr(types, name) for name in ("float64", "int32", "uint8", "boolean", "complex64", "f4")
    }
    for name in space:
        check(define(f"def f(x):\n    return {name}(x)\n", **space), 3)
        check(define(f"def f(x):\n    return {name}(x)\n", **space), 1.5)
        check(define(f"def f(n):\n    return np.zeros(n, dtype={name})\n", **space), 3)
        check(define(f"def f(n):\n    return np.ones((n, 2), {name})\n", **space), 3)
    check(
        define("def f(a):\n    return a.dtype == float64, a.dtype == int32\n", **space), np.ones(2), tier=None
    )
    check(define("def f(n):\n    return types.int64(n) + types.f8(1)\n", types=types), 3, tier=None)
    check(define("def f():\n    return float64\n", **space), tier=None)
    check(define("def f():\n    return float64(1, 2)\n", **space), tier=None)
    check(define("def f(x):\n    return uint8(x)\n", **space), 300, tier=None)
    f = define("def f(x):\n    return kind(x)\n", kind=float64)
    compiled = numlift.jit(f)
    check(f, 3, compiled=compiled)
    f.__globals__["kind"] = int32
    check(f, 3, compiled=compiled)


def test_numpy_takes_types_as_dtypes() -> None:
    assert np.zeros(2, float64).dtype == np.float64 and np.dtype(types.i2) == np.int16
    assert float64.name == "float64" and float64[:].name == "float64[:]"


def test_types_are_annotations() -> None:
    def scaled(a: float64[:], k: float64 = 2.0) -> float64:
        x: float64 = a[0] * k
        return x

    check(scaled, np.ones(3), compiled=numlift.jit(scaled))


def test_doctests_of_the_package() -> None:
    for module in (numlift, types):
        found = doctest.testmod(module)
        assert found.attempted and not found.failed


@pytest.mark.parametrize(
    "options",
    [
        {"nopython": True, "cache": True, "parallel": True, "nogil": True, "fastmath": True},
        {"boundscheck": True, "error_model": "numpy", "inline": "always", "debug": False},
        {"boundscheck": None, "error_model": "python", "inline": "never", "looplift": True},
        {"fastmath": {"nnan", "reassoc"}, "forceobj": True, "locals": {"x": "float64"}, "errstate": True},
    ],
)
def test_options_of_numba(options: dict) -> None:
    f = define("def f(a, b):\n    return a + b\n")
    check(f, 1.5, 2, compiled=numlift.jit(**options)(f))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"nopython": "yes"}, "nopython must be True or False, not 'yes'"),
        ({"cache": 1}, "cache must be True or False, not 1"),
        ({"overflow": "ignore"}, "overflow must be 'raise' or 'wrap', not 'ignore'"),
        ({"error_model": "c"}, "error_model must be 'python' or 'numpy', not 'c'"),
        ({"inline": True}, "inline must be 'never' or 'always', not True"),
        ({"boundscheck": "on"}, "boundscheck must be True, False or None, not 'on'"),
        ({"fastmath": {"quick"}}, "fastmath must be True, False or a set of "),
        ({"locals": []}, "locals must be a dict"),
    ],
)
def test_wrong_values_of_options(options: dict, text: str) -> None:
    for decorator in (numlift.jit, numlift.njit):
        with pytest.raises(ValueError) as caught:
            decorator(**options)
        assert str(caught.value).startswith(text)


def test_unknown_option_and_wrong_target() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'target'; there are strict, "):
        numlift.jit(target="cuda")
    with pytest.raises(TypeError, match="not type"):
        numlift.jit(int)
    with pytest.raises(TypeError, match="put @jit below it"):
        numlift.jit(staticmethod(len))


def test_nopython_is_strict() -> None:
    f = define("def f(x):\n    return {x: 1}\n")
    for decorator in (numlift.jit(nopython=True), numlift.njit, numlift.njit()):
        with pytest.raises(numlift.CompileError):
            decorator(f)(1)
    with pytest.warns(numlift.NumliftFallbackWarning):
        assert numlift.njit(strict=False)(f)(1) == {1: 1}


@pytest.mark.parametrize("name", ["vectorize", "guvectorize", "stencil", "cuda", "typeof", "objmode"])
def test_what_is_missing_is_said(name: str) -> None:
    text = f"numlift has no '{name}': "
    with pytest.raises(AttributeError) as attribute:
        getattr(numlift, name)
    with pytest.raises(ImportError) as imported:
        exec(f"from numlift import {name}")
    assert str(attribute.value).startswith(text) and str(imported.value).startswith(text)
    assert attribute.value.name == name and not hasattr(numlift, name)


def test_other_names_are_missing_as_ever() -> None:
    with pytest.raises(AttributeError, match="module 'numlift' has no attribute 'no_such'"):
        numlift.no_such  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'no_such'"):
        exec("from numlift import no_such")


def test_every_exported_name_exists() -> None:
    for module in (numlift, types):
        assert all(hasattr(module, name) for name in module.__all__)
        assert len(set(module.__all__)) == len(module.__all__)
    assert numlift.__version__.count(".") == 2
