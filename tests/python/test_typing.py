"""What a type checker sees: the decorators keep the signature of the function, the stubs are the modules'."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import harness

pytestmark = pytest.mark.skipif(harness.FAKE, reason="is about the package")

CASES = """\
from numlift import float64, int64, jit, njit, types

@jit
def bare(a: list[float], n: int = 1) -> float: return 0.0

@jit("float64(float64)")
def text(a: float) -> float: return a

@njit(float64(float64, int64), cache=True, fastmath={"nnan"})
def typed(a: float, *, n: int) -> float: return a

@jit([(float64, int64), (int64, int64)])
def many(a: float, n: int) -> float: return a

@njit
def positional(x: int, /) -> tuple[int, str]: return x, ""

@jit(nopython=True, error_model="python", boundscheck=None, inline="never", parallel=False)
def options(x: int) -> int: return x

class Body:
    @jit
    def scaled(self, x: float) -> str: return ""

    @staticmethod
    @jit
    def plain(x: float, n: int) -> str: return ""

    @classmethod
    @njit(fastmath=True)
    def made(cls, x: float) -> str: return ""

bare([1.0], n=2)         # revealed: float
text                     # revealed: Dispatcher[[a: float], float]
typed                    # revealed: Dispatcher[[a: float, *, n: int], float]
many                     # revealed: Dispatcher[[a: float, n: int], float]
positional(1)            # revealed: tuple[int, str]
options(1)               # revealed: int
Body().scaled            # revealed: def (x: float) -> str
Body().scaled(1.0)       # revealed: str
Body.scaled              # revealed: Dispatcher[[self: cases.Body, x: float], str]
Body().plain             # revealed: Dispatcher[[x: float, n: int], str]
Body.plain(1.0, 2)       # revealed: str
Body().plain(1.0, n=2)   # revealed: str
Body().made(1.0)         # revealed: str
Body.made(1.0)           # revealed: str
bare.py_func             # revealed: def (a: list[float], n: int =) -> float
bare.tier([1.0])         # revealed: Literal['native'] | Literal['mixed'] | Literal['interpreter']
bare.signatures          # revealed: list[tuple[str, ...]]
float64(int64)           # revealed: Signature
float64[:, ::1]          # revealed: Type
float64(2)               # revealed: Any
types.UniTuple(int64, 3) # revealed: Type

bare("x")                # error: arg-type
bare()                   # error: call-arg
text(1.0).no_such        # error: attr-defined
Body().scaled("x")       # error: arg-type
Body().plain("x", 2)     # error: arg-type
Body.made("x")           # error: arg-type
Body.made()              # error: call-arg
bare.tier(n=2)           # error: call-arg
jit(no_such=True)        # error: call-overload
jit(overflow="x")        # error: call-overload
jit(5)                   # error: call-overload
"""


def run(arguments: list[str], cwd: Path) -> str:
    """Output of a module of mypy, with the package that the tests use on its path."""
    import numlift

    environment = {**os.environ, "MYPYPATH": str(Path(numlift.__file__).parents[1])}
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, check=False)
    return done.stdout + done.stderr


def test_signatures_are_kept(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    lines = [re.sub(r"^(.*?)\s*# revealed: .*", r"reveal_type(\1)", line) for line in CASES.splitlines()]
    (tmp_path / "cases.py").write_text("\n".join(lines) + "\n")
    output = run(["mypy", "--strict", "--config-file=", "--cache-dir=cache", "cases.py"], tmp_path)
    seen: dict[int, str] = {}
    for found in re.finditer(r"^cases\.py:(\d+): (\w+): (.*)$", output, re.MULTILINE):
        line, kind, text = int(found[1]), found[2], found[3]
        if kind == "note" and text.startswith("Revealed type is"):
            text = re.sub(r"numlift\.\w+\.", "", text.removeprefix('Revealed type is "')[:-1])
            seen[line] = f"revealed: {text}"
        elif kind == "error":
            seen[line] = "error: " + text.rsplit("[", 1)[1].removesuffix("]")
    expected = {
        number: line.split("# ", 1)[1]
        for number, line in enumerate(CASES.splitlines(), start=1)
        if "# " in line
    }
    assert seen == expected, output


def test_stubs_are_those_of_the_modules() -> None:
    pytest.importorskip("mypy")
    here = Path(__file__).parent
    output = run(["mypy.stubtest", "numlift", "--allowlist", "stubtest_allow.txt"], here)
    assert "Success" in output, output


def test_the_package_says_that_it_is_typed() -> None:
    import numlift

    assert (Path(numlift.__file__).parent / "py.typed").exists()
