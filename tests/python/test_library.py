"""Every library function that is called by signature and rule, against NumPy on random arguments."""

import inspect
import os
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from library_calls import Call, Choice, arrays_in, reads, source

from harness import FAKE, Outcome, compare, define, jit, outcome

if FAKE:
    pytest.skip("the table is the compiler's", allow_module_level=True)

from numlift import _core

ROWS = {path: (signature, cases, view) for path, signature, cases, view in _core.library_rows()}
EXAMPLES = int(os.environ.get("NUMLIFT_EXAMPLES", "0")) or 6
SEED = 3


def run(function: object, call: Call, path: str) -> Outcome:
    if path.startswith("numpy.random."):
        np.random.seed(SEED)
    return outcome(function, tuple(call.values))  # type: ignore[arg-type]


def cases_of(path: str) -> list[str]:
    """A method is one of an array."""
    others = ("{s", "{int", "{float", "[", "(")
    cases: list[str] = ROWS[path][1]
    return [c for c in cases if not (path.startswith("ndarray.") and c.startswith(others))]


def check_call(path: str, call: Call) -> None:
    """The call compiled and interpreted; it must be compiled with the type that it has."""
    view = ROWS[path][2]
    plain = define(source(path, call))
    expected = run(plain, call, path)
    if expected.error is None and not path.startswith("numpy.random."):
        plain = define(source(path, call, reads(expected.value)))
        expected = run(plain, call, path)
    if expected.error is None and not view:
        for a in arrays_in(expected.value):
            out = any(a is b for b in expected.args)
            shared = any(np.shares_memory(a, b) for b in arrays_in(expected.args))
            assert out or not shared, "the result is a view of an argument"
    compiled = jit(plain)
    for _ in range(2):
        got = run(compiled, call, path)
        compare(expected, got, {plain.__code__.co_filename})
        for a, b in zip(arrays_in(expected.value), arrays_in(got.value), strict=True):
            assert a.flags.writeable == b.flags.writeable
            assert a.strides == b.strides or a.size == 0 or 1 in a.shape, (a.strides, b.strides)
    if expected.error is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tier = compiled.tier(*call.values)
        assert tier == "native"
        exits = sum(s.exits for s in compiled.specializations)
        # without elements NumPy's dtypes are sometimes others
        empty = any(a.size == 0 for a in arrays_in(expected.args))
        assert exits == 0 or empty, f"the result has another type than the rule gives: {expected!r}"


@pytest.mark.parametrize("path", sorted(ROWS))
def test_calls(path: str) -> None:
    cases = cases_of(path)

    @given(st.data())
    @settings(max_examples=EXAMPLES * max(1, len(cases) // 2), deadline=None)
    def run_cases(data: st.DataObject) -> None:
        choice = Choice(data.draw)
        check_call(path, Call(choice, choice.pick(cases)))

    run_cases()


def resolve(path: str) -> object:
    found: object = np
    for name in path.removeprefix("numpy.").split("."):
        found = getattr(found, name)
    return found


def test_parameters_have_numpys_names() -> None:
    for path, (signature, _, _) in ROWS.items():
        try:
            theirs = inspect.signature(resolve(path)).parameters.values()  # type: ignore[arg-type]
        except (TypeError, ValueError):
            continue
        # the first of `np.arange` is `start` or `stop`
        free = path == "numpy.arange" or any(p.kind == p.VAR_KEYWORD or p.name == "args" for p in theirs)
        names = {p.name for p in theirs} | {"a" if path.startswith("ndarray.") else ""}
        ours = {p.partition("=")[0].strip(" *") for p in signature.split(",")} - {""}
        assert free or ours <= names, (path, ours - names)
