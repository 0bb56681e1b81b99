"""`numlift compile`: signatures, options, mistakes, and the page of it."""

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from compiled import ROOT, STUB, alone, compile_, needs_stub
from numlift import _core

pytestmark = needs_stub


PAGE = (ROOT / "docs" / "aot.md").read_text()


def masked(text: str) -> list[str]:
    """Without numbers that vary and the columns that they make."""
    numbers = re.sub(r"(?<=\()[\d.]+(?= kB)|(?<=in )\d+(?= ms)", "N", text)
    numbers = re.sub(r" +\d+ +[\d.]+$", " N N", numbers, flags=re.MULTILINE)
    return [" ".join(line.split()).replace("bytes ms", "bytes ms") for line in numbers.splitlines()]


def test_examples_of_the_page(tmp_path: Path) -> None:
    for name, text in re.findall(r'^```python title="(.*?)"\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL):
        (tmp_path / name).write_text(text)
    for console in re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        command, expected = console.split("\n", 1)
        words = shlex.split(command.removeprefix("$ "))
        if words[0] == "python":
            assert alone(words[2], tmp_path).stdout == expected
            continue
        assert words[:2] == ["numlift", "compile"]
        strict = "--strict" in words
        done = compile_(*words[2:], cwd=tmp_path, status=int(strict))
        text = done.stderr + done.stdout
        if strict:
            assert expected.strip() in text
        else:
            assert masked(text) == masked(expected)


KERNELS = """
import numpy as np
import numpy.typing as npt
from numlift import float64, int64, jit, njit, types

TABLE = {"a": 1}
RATE = 2

@jit
def quoted(x: "float", a: "float64[:, ::1]") -> "float":
    return x + a[0, 0]

@jit
def ranked(a: np.ndarray[tuple[int, int], np.dtype[np.float32]], b: tuple[int, np.int16] = (1, 2)):
    return a[0, 0] + b[0]

@jit
def vague(a: npt.NDArray[np.float64]):
    return a[0]

@jit([float64(float64), int64(int64)])
def two(x):
    return x * RATE

@jit
def mixed(x: float):
    s = 0.0
    for i in range(100):
        s += x
    return s + TABLE["a"]

@jit
def grows(x: int64[:], n: int):
    s = 1
    for i in range(n):
        x[0] = i
        s = s * 1000000007
    return s

class Box:
    def __init__(self, n): self.n = n
    @staticmethod
    @jit
    def twice(x: int): return x * 2
"""


@pytest.fixture
def kernels(tmp_path: Path) -> Path:
    (tmp_path / "kernels.py").write_text(KERNELS)
    return tmp_path


def rows(done: subprocess.CompletedProcess) -> list[tuple]:
    functions = json.loads(done.stdout)["functions"]
    return [(r["function"], r["signature"], r["tier"], r["result"]) for r in functions]


def test_signatures(kernels: Path) -> None:
    done = compile_("kernels.py", "-o", "out", "--format", "json", cwd=kernels)
    assert rows(done) == [
        ("quoted", "(float, float64[:, ::1])", "native", "np.float64"),
        ("ranked", "(float32[:, :], (int, np.int16))", "native", "np.float32"),
        ("vague", None, "python", None),
        ("two", "(float)", "native", "float"),
        ("two", "(int)", "native", "int"),
        ("mixed", "(float)", "mixed", "object"),
        ("grows", "(int64[:], int)", "native", "int"),
        ("Box.twice", "(int)", "native", "int"),
    ]
    reason = json.loads(done.stdout)["functions"][2]["reason"]["message"]
    assert reason == "no signature: `a` has no annotation that names a machine type with its rank"
    code = """
    import numpy as np, kernels as k
    a, x, y = np.ones((2, 2)), np.zeros(1, np.int64), np.zeros(1, np.int64)
    print(k.two.tier(1), k.two.tier(1.5), k.two.tier("a"), k.two(2), k.two(2.5), k.two("a"))
    print(k.ranked.tier(a.astype(np.float32), (1, np.int16(2))), k.ranked.tier(a, (1, np.int16(2))))
    print(k.mixed.tier(1.0), k.mixed(1.0), k.vague.tier(a[0]), k.vague(a[0]), k.Box.twice.tier(2), k.Box(1).n)
    print(k.grows(x, 5) == k.grows.py_func(y, 5), x == y, k.two(2**62), k.two(2**70))
    k.RATE = 3
    k.TABLE["a"] = 5
    print(k.two(2), k.mixed(1.0))
    k.RATE = 2.5
    print(k.two(2))
    """
    done = alone(code, kernels / "out")
    assert done.stdout.splitlines() == [
        "native native interpreter 4 5.0 aa",
        "native interpreter",
        "mixed 101.0 interpreter 1.0 native 1",
        f"True [ True] {2**63} {2**71}",
        "6 105.0",
        "5.0",
    ]
    assert (
        "two(int) was compiled with other globals" in done.stderr and "NumliftFallbackWarning" in done.stderr
    )


def test_strict(kernels: Path) -> None:
    done = compile_("kernels.py", "--strict", cwd=kernels, status=1)
    assert "NL2003 `TABLE` is an instance of dict" in done.stderr
    assert not (kernels / "kernels.abi3.so").exists()
    (kernels / "kernels.py").write_text(KERNELS.replace("TABLE[", "float(").replace('"a"]', "1)"))
    compile_("kernels.py", "--strict", "-o", "out", cwd=kernels)
    code = """
    import kernels as k
    print(k.two(2), k.vague([1]))
    try:
        k.two("a")
    except TypeError as e:
        print(e)
    """
    assert alone(code, kernels / "out").stdout.splitlines() == [
        "4 1",
        "two(str): no machine code for these types; compiled signatures: (float), (int)",
    ]
    (kernels / "kernels.py").write_text(
        "from numlift import njit\n@njit('(int64)')\ndef f(x): return str(x)\n"
    )
    assert "NL2" in compile_("kernels.py", cwd=kernels, status=1).stderr


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["nothing.py"], "nothing.py: no such file"),
        (["wrong.py"], "wrong.py:2: cannot be imported: ZeroDivisionError"),
        (["kernels.py", "--signature", "two(x9)"], "`two`: `x9` is not a type"),
        (["kernels.py", "--signature", "two(int, int)"], "`(int, int)` has 2 arguments, the function 1"),
        (
            ["kernels.py", "--signature", "three(int)"],
            "no function 'three' with @jit in kernels.py; there are quoted",
        ),
        (["kernels.py", "--signature", "two"], "write 'function(types)'"),
        (["kernels.py", "--name", "a-b"], "'a-b' cannot be the name of a compiled module"),
        (["kernels.py", "--from-run", "wrong.py"], "wrong.py: ended with exit status 1"),
        (["kernels.py", "-o", "kernels.py/x"], "cannot be written"),
        (["report.py"], "report.py:1: compiled modules have no 'Report' of numlift"),
        (["core.py"], "core.py:2: compiled modules have no 'numlift._core' of numlift"),
    ],
)
def test_mistakes_are_named(kernels: Path, options: list[str], text: str) -> None:
    (kernels / "wrong.py").write_text("x = 1\nx / 0\n")
    (kernels / "report.py").write_text("from numlift import jit, Report\n")
    (kernels / "core.py").write_text("import numlift.types\nimport numlift._core\n")
    status = 1 if text.startswith("`") else 2
    assert text in compile_(*options, cwd=kernels, status=status).stderr


def test_check_emit_and_names(kernels: Path) -> None:
    before = sorted(kernels.iterdir())
    assert "NL2003" in compile_("kernels.py", "--check", cwd=kernels, status=1).stdout
    assert sorted(p for p in kernels.iterdir() if p.suffix != ".pyc" and p.name != "__pycache__") == before
    compile_("kernels.py", "--emit", "obj,asm", "--emit", "mir", "--emit", "clif", cwd=kernels)
    assert (kernels / "kernels.o").read_bytes().startswith(b"\x7fELF")
    for suffix in ("s", "mir", "clif"):
        assert "two(float)" in (kernels / f"kernels.{suffix}").read_text()
    compile_("kernels.py", "--name", "pkg._fast", "-o", "out", "--strip", cwd=kernels)
    assert alone("import _fast; print(_fast.two(3), _fast.__name__)", kernels / "out").stdout == "6 _fast\n"
    sizes = [STUB.stat().st_size, (kernels / "out" / "_fast.abi3.so").stat().st_size]
    assert sizes[1] < sizes[0] + 200_000


def test_a_module_of_a_package(tmp_path: Path) -> None:
    package = tmp_path / "pkg"
    package.mkdir()
    (package / "__init__.py").write_text("from . import fast\n")
    (package / "plain.py").write_text("def rate(x):\n    return x * 3\n")
    (package / "fast.py").write_text(
        "from numlift import jit\nfrom .plain import rate\n@jit('(float64)')\ndef f(x): return rate(x) / 2\n"
    )
    compile_("pkg/fast.py", cwd=tmp_path)
    (package / "fast.py").unlink()
    code = """
    import pkg, traceback
    print(pkg.fast.__name__, pkg.fast.f.tier(1.0), pkg.fast.f(2.0))
    """
    assert alone(code, tmp_path).stdout == "pkg.fast native 3.0\n"
    text = (
        (package / "plain.py").read_text().replace("3", "4.0")
    )  # another size: a change within a second is not seen by its time
    (package / "plain.py").write_text(text)
    done = alone(code, tmp_path)
    assert done.stdout == "pkg.fast interpreter 4.0\n" and "f(float) was compiled with other" in done.stderr


def test_stubs_are_understood(kernels: Path) -> None:
    mypy = pytest.importorskip("mypy.api")
    compile_("kernels.py", cwd=kernels)
    (kernels / "use.py").write_text(
        "import numpy as np\nimport kernels\n"
        "reveal_type(kernels.quoted(1.0, np.ones((2, 2))))\nreveal_type(kernels.two(2))\n"
        "kernels.quoted('a', np.ones((2, 2)))\nkernels.Box(1).anything\nkernels.TABLE\n"
    )
    cwd = os.getcwd()
    os.chdir(kernels)
    try:
        out, _, _ = mypy.run(["--strict", "--no-incremental", "use.py", "kernels.pyi"])
    finally:
        os.chdir(cwd)
    lines = out.splitlines()
    assert (
        "float64" in lines[0]
        and '"float | int"' in lines[1]
        and '"quoted" has incompatible type "str"' in lines[2]
    )
    assert len(lines) == 4


def test_the_processor_is_checked(kernels: Path) -> None:
    assert _core.features_of("baseline") == []
    assert {"avx2", "fma"} <= set(_core.features_of("x86-64-v3"))
    with pytest.raises(ValueError, match="cpu must be"):
        _core.features_of("z80")
    compile_("kernels.py", "-o", "v3", "--cpu", "x86-64-v3", cwd=kernels)
    if set(_core.features_of("x86-64-v3")) <= set(_core.features_of("native")):
        assert alone("import kernels; print(kernels.two(2))", kernels / "v3").stdout == "4\n"


def test_reproducible_and_without_paths(kernels: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("elsewhere")
    (other / "kernels.py").write_text(KERNELS)
    for directory in (kernels, other):
        compile_("kernels.py", "-o", "out", cwd=directory)
    made = [(d / "out" / "kernels.abi3.so").read_bytes() for d in (kernels, other)]
    assert made[0] == made[1]
    assert str(kernels).encode() not in made[0]
