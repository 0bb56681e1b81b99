"""Bugs of the compiler: a panic is a diagnostic and never the caller's, and how the culprit is found."""

import os
import subprocess
import sys
import textwrap
import threading
import warnings
from collections.abc import Iterator

import bisect_rewrites
import numpy as np
import pytest

from harness import FAKE, CompileError, NumliftFallbackWarning, define, jit

pytestmark = pytest.mark.skipif(FAKE, reason="needs the compiler")


@pytest.fixture
def shipped() -> Iterator[None]:
    """Internal errors as users have them: without NUMLIFT_DEBUG."""
    from numlift import _core

    _core.set_internal_errors_fatal(False)
    yield
    _core.set_internal_errors_fatal(True)


SOURCE = "def f(x):\n    return x + 1 if TRAP is not None else x\n"


class Trap:
    """The compiler panics where it looks at this object: PyO3 goes on panicking where Rust code meets its exception."""

    # it looks at names of what NumPy defines
    __module__ = "numpy"

    def __init__(self, panic: type[BaseException]) -> None:
        self.looks = 0
        self.panic = panic

    @property
    def __name__(self) -> str:
        self.looks += 1
        raise self.panic("the trap has sprung")


def springs(panic: type[BaseException]) -> bool:
    """Whether the exception is a panic for our extension: each that is made with PyO3 has a class of its own."""
    f = jit(define(SOURCE, TRAP=Trap(panic)))
    try:
        f(1)
    except CompileError:
        return True
    return "NL9001" in str(f.specializations)


@pytest.fixture(scope="module")
def panic() -> type[BaseException]:
    """The class by which PyO3 carries a panic through Python: made when the extension first meets an exception."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        jit(define(SOURCE, TRAP=object()))(1)
        classes = [c for c in BaseException.__subclasses__() if c.__name__ == "PanicException"]
        return next(filter(springs, classes))


@pytest.fixture
def trap(panic: type[BaseException]) -> Trap:
    return Trap(panic)


def test_a_panic_of_the_compiler_runs_the_interpreter(shipped: None, trap: Trap) -> None:
    f = jit(define(SOURCE, TRAP=trap))
    with pytest.warns(NumliftFallbackWarning, match="NL9001: internal error: the trap has sprung") as seen:
        assert f(1) == 2
    assert len(seen) == 1
    assert trap.looks == 1 and f.tier(1) == "interpreter"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert f(2) == 3  # known by now: neither compiled nor reported again
        assert trap.looks == 1
        r = f(np.float32(0.5))
    assert type(r) is np.float32 and r == 1.5
    assert trap.looks == 2
    (a, b) = f.specializations
    assert a.tier == b.tier == "interpreter" and "the trap has sprung" in a.diagnostic


def test_errors_are_those_of_the_function(shipped: None, trap: Trap) -> None:
    f = jit(define(SOURCE, TRAP=trap))
    with pytest.warns(NumliftFallbackWarning), pytest.raises(TypeError, match="can only concatenate"):
        f("text")
    with pytest.raises(TypeError, match="can only concatenate"):
        f("text")


def test_a_panic_lets_waiting_threads_go(shipped: None, trap: Trap) -> None:
    f = jit(define(SOURCE, TRAP=trap))
    start, results = threading.Barrier(8), []

    def call() -> None:
        start.wait()
        results.append(f(41))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        threads = [threading.Thread(target=call) for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join(30)
    assert results == [42] * 8


def test_strict_raises_it(shipped: None, trap: Trap) -> None:
    f = jit(define(SOURCE, TRAP=trap), strict=True)
    with pytest.raises(CompileError, match="NL9001: internal error: the trap has sprung"):
        f(1)


def test_it_is_an_error_while_debugging(trap: Trap) -> None:
    f = jit(define(SOURCE, TRAP=trap))
    for looks in (1, 2):
        with pytest.raises(CompileError, match="NL9001: internal error: the trap has sprung") as seen:
            f(1)
        assert trap.looks == looks
    assert seen.value.code == "NL9001"


PROGRAM = """
    import numpy as np
    from numlift import jit

    @jit
    def total(a):
        t = 0.0
        for i in range(len(a)):
            t += a[i] * 2.0
        return t

    assert total(np.ones(5)) == 10.0 and total.tier(np.ones(5)) == "native"
    print(*total.inspect_mir().values())
"""


def run(program: str, fuel: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "NUMLIFT_OPT_FUEL": fuel}
    command = [sys.executable, "-c", textwrap.dedent(program)]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("fuel") / "program.py"
    path.write_text(textwrap.dedent(PROGRAM))
    return f"import runpy; runpy.run_path({str(path)!r}, run_name='__main__')"


def test_fuel_limits_the_rewrites(program: str) -> None:
    texts = [run(program, fuel).stdout for fuel in ("0", "1", "12", "1000000", "")]
    assert all("function fn0" in t for t in texts)
    assert texts[0].count("bounds_check") == 1 and "bounds_check" not in texts[3]
    assert texts[3] == texts[4] and len(set(texts)) == 4


@pytest.mark.parametrize("fuel", ["-1", "many", "1.5", str(2**64)])
def test_fuel_is_a_number(fuel: str) -> None:
    done = run("import numlift", fuel)
    assert f"ValueError: NUMLIFT_OPT_FUEL must be a number below 2**64, not {fuel!r}" in done.stderr


@pytest.mark.parametrize("culprit", [0, 1, 2, 3, 37, 1000, None])
def test_bisection_finds_the_least(culprit: int | None) -> None:
    def fails(fuel: int) -> bool:
        return culprit is not None and fuel >= culprit

    assert bisect_rewrites.least_failing(fails, most=4000) == culprit


def test_bisection_runs_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    code = "import os, sys; sys.exit(int(os.environ['NUMLIFT_OPT_FUEL']) >= 5)"
    assert bisect_rewrites.main([sys.executable, "-c", code]).startswith("rewrite 5 breaks it")
    assert "passes with fuel 4\n" in capsys.readouterr().err
