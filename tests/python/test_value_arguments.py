"""Arguments that are constants of a specialisation: strings, classes, builtins, functions with defaults.

Where a parameter gets ever new ones, one specialisation serves all of them.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from harness import FAKE, check, define, jit

pytestmark = [
    pytest.mark.skipif(FAKE, reason="needs the compiler"),
    pytest.mark.filterwarnings("ignore::numlift.NumliftFallbackWarning"),
]

TOTAL = (
    "def f(a, name):\n    s = 0.0\n    for i in range(a.shape[0]):\n        s += a[i] * 2\n"
    "    return name, s, name == 'n7', len(name)\n"
)


def test_texts_without_end_have_one_specialisation() -> None:
    f = jit(define(TOTAL))
    a = np.arange(50.0)
    for _ in range(2):
        for k in range(60):
            assert f(a, f"n{k}") == f.py_func(a, f"n{k}")
    assert [s.args[1] for s in f.specializations[-2:]] == ["Literal['n15']".replace("'", '"'), "str"]
    assert len([s for s in f.specializations if s.args[1] != "str"]) == 16
    assert f.tier(a, "n3") == f.tier(a, "other") == "mixed"
    # another dtype and another kind of argument are other specialisations, as ever
    assert f(a.astype(np.float32), "n3") == f.py_func(a.astype(np.float32), "n3")
    with pytest.raises(TypeError, match="has no len"):
        f(a, 5)


def test_few_texts_stay_constants() -> None:
    f = jit(define("def f(x, kind):\n    if kind == 'sum':\n        return x + 1\n    return x * 2.5\n"))
    for _ in range(3):
        for kind in [f"k{k}" for k in range(15)] + ["sum"]:
            assert f(3, kind) == f.py_func(3, kind) and f.tier(3, kind) == "native"
    assert len(f.specializations) == 16


def test_each_parameter_has_its_own_count() -> None:
    f = jit(define("def f(x, a, b):\n    return x + len(a) + len(b)\n"))
    for k in range(30):
        assert f(k, str(k), "fixed") == f.py_func(k, str(k), "fixed")
    assert f.specializations[-1].args[1:] == ("str", 'Literal["fixed"]')
    for k in range(30):
        assert f(k, b=str(k), a="x") == f.py_func(k, "x", str(k))
    assert f.specializations[-1].args[1:] == ("str", "str")


def scale_by(k: int) -> Callable[..., Any]:
    def g(x: Any, k: int = k) -> Any:
        return x * k

    return g


def test_functions_without_end() -> None:
    f = jit(
        define(
            "def f(g, a):\n    s = 0.0\n    for i in range(a.shape[0]):\n        s += a[i]\n    return g(s)\n"
        )
    )
    a = np.arange(9.0)
    for k in range(120):
        assert f(scale_by(k), a) == 36.0 * k
    assert len(f.specializations) <= 50 and f.tier(scale_by(-1), a) == "mixed"
    # a closure is keyed by its code and what it holds, not by its identity
    assert f(lambda x: x - 1, a) == 35.0


def test_what_an_object_does_is_the_interpreters() -> None:
    f = define(
        "def f(name, x):\n    return name[x], name.upper(), f'{name}:{x}', name < 'n2', name in ('n1', 'n4')\n"
    )
    compiled = jit(f)
    for k in range(20):
        compiled(f"n{k}", 1)
    for args in [("n1", 0), ("n4", 1), ("", 0), ("\ud800x", 0), ("n" * 300, 299), ("n", 5)]:
        check(f, *args, tier=None, compiled=compiled)
