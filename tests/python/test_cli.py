"""The command line: what it prints, its exit statuses, and that checking does not run what is checked."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness import FAKE

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "cli.md").read_text()

pytestmark = pytest.mark.skipif(FAKE, reason="needs the compiler")


def numlift(*arguments: str, cwd: Path | None = None, status: int = 0, **environment: str) -> str:
    """Standard output; standard error where the status is not one of `check`'s findings."""
    import numlift

    variables = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    variables["PYTHONPATH"] = str(Path(numlift.__file__).parents[1])
    command = [sys.executable, "-m", "numlift", *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=cwd, env={**variables, **environment}, check=False
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + (done.stderr if status != 1 else "")


def write(directory: Path, name: str, text: str) -> str:
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("from numlift import float64, int64, jit, njit\nimport numpy as np\n" + text)
    return name


def found(directory: Path, name: str, *options: str) -> list[tuple[str, str, int]]:
    status = 1
    output = numlift("check", name, "--format", "json", *options, cwd=directory, status=status)
    return [(d["code"], d["file"], d["line"]) for d in json.loads(output) if d["severity"] != "note"]


@pytest.mark.parametrize("console", re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
def test_examples_of_the_page(tmp_path: Path, console: str) -> None:
    for name, text in re.findall(r'^```python title="(.*?)"\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL):
        (tmp_path / name).write_text(text)
    command, expected = console.split("\n", 1)
    words = command.removeprefix("$ numlift ").replace('"', "").split(" ")
    status = 2 if expected.startswith("numlift:") else 1
    assert numlift(*words, cwd=tmp_path, status=status) == expected


def test_the_main_part_and_strict_signatures_do_not_run(tmp_path: Path) -> None:
    text = """
print("imported")
@njit("float64(float64)")
def f(x):
    return {}[x]

assert __name__ == "model"
if __name__ == "__main__":
    raise SystemExit("main ran")
"""
    assert found(tmp_path, write(tmp_path, "model.py", text)) == [("NL2007", "model.py", 7)]


def test_types_of_annotations(tmp_path: Path) -> None:
    text = """from __future__ import annotations
from numlift import float64, jit
import numpy as np
@jit
def numbers(a: int, b: float, c: bool, d: complex, e: np.float32, f: tuple[int, np.uint8]) -> float:
    return a + b + c + (d * e).real + f[0] + f[1]
@jit
def arrays(a: float64[:, ::1], b: float64[:]):
    return a[0, 0] + b[0] + a[0]["x"]
@jit
def nothing() -> int:
    return [1]
@jit
def untyped(a, b: int):
    return [a]
@jit(["int64(int64, int64)", "float64(float64)"])
def wrong(a):
    return a
"""
    (tmp_path / "m.py").write_text(text)
    assert found(tmp_path, "m.py") == [("NL2008", "m.py", 9), ("NL2007", "m.py", 12), ("NL2016", "m.py", 16)]
    output = numlift("check", "m.py", cwd=tmp_path, status=1)
    assert "in 4 functions; 1 not checked for want of types (untyped): --all checks them." in output


def test_functions_that_are_not_checked(tmp_path: Path) -> None:
    text = "@jit\ndef f(a, b: int):\n    return [a]\n@jit\ndef g():\n    return 1\n"
    name = write(tmp_path, "m.py", text)
    rows = json.loads(numlift("check", name, "--format", "json", cwd=tmp_path))
    assert [(d["code"], d["severity"], d["file"], d["line"], d["message"]) for d in rows] == [
        (None, "note", name, 3, "`f` is not checked: the types of `a` are not known"),
        (None, "note", name, 6, "`g` is not checked: it has no annotations"),
    ]
    assert numlift("check", name, "--format", "github", cwd=tmp_path).splitlines() == [
        f"::notice title=numlift,file={name},line={d['line']}::{d['message']}" for d in rows
    ]
    assert json.loads(
        numlift("check", name, "--format", "json", "--all", "--assume", "a=int", cwd=tmp_path, status=1)
    )


def test_objects(tmp_path: Path) -> None:
    text = """
class Config:
    scale = 1.0
@jit
def plain(cfg: Config, a: float64[:]):
    return a[0]
@jit
def generic(table: dict[str, float], a: float64[:]):
    scale: float = table["scale"]
    return a[0] * scale
@jit
def vague(a: np.ndarray, s: str):
    return a
"""
    name = write(tmp_path, "m.py", text)
    assert found(tmp_path, name) == [("NL2002", name, 10)]
    output = numlift("check", name, cwd=tmp_path, status=1)
    assert "argument `table` is a dict: it has no native type" in output
    assert "in 2 functions; 1 not checked for want of types (vague)" in output


def test_assumed_types(tmp_path: Path) -> None:
    text = """
def first(a, n, k=1):
    return a.no_such[n + k]
class C:
    def second(self, x):
        return x.no_such
@jit
def third(x):
    return x.no_such
"""
    name = write(tmp_path, "m.py", text)
    assert numlift("check", name, cwd=tmp_path).startswith("No places")
    assert found(tmp_path, name, "--all", "--assume", "x=float64") == [
        ("NL2005", name, 11),
    ]
    lines = [row[2] for row in found(tmp_path, name, "--all", "--assume", "n=int", "--assume", "float64[:]")]
    assert lines == [5, 8, 11]
    assert "`f9` is not a type" in numlift("check", name, "--assume", "f9", cwd=tmp_path, status=2)


def test_packages_and_names_of_the_standard_library(tmp_path: Path) -> None:
    write(tmp_path, "pkg/__init__.py", "SIZE = 3\n")
    write(tmp_path, "pkg/sub/__init__.py", "")
    name = write(tmp_path, "pkg/sub/m.py", "from .. import SIZE\n@jit('()')\ndef f():\n    return [SIZE]\n")
    assert found(tmp_path, name) == [("NL2007", name, 6)]
    name = write(tmp_path, "lib/types.py", "@jit('()')\ndef f():\n    return [1]\n")
    assert found(tmp_path, name) == [("NL2007", name, 5)]


def test_files_that_cannot_be_checked(tmp_path: Path) -> None:
    assert "no such file" in numlift("check", "absent.py", cwd=tmp_path, status=2)
    for text, expected in [
        ("def f(:\n", "SyntaxError"),
        ("1 / 0\n", ":3: cannot be imported: ZeroDivisionError"),
        ("raise SystemExit(0)\n", "SystemExit"),
    ]:
        assert expected in numlift("check", write(tmp_path, "m.py", text), cwd=tmp_path, status=2)
    good = write(tmp_path, "good.py", "@jit('()')\ndef f():\n    return [1]\n")
    assert "good.py:5:12: NL2007" in numlift("check", "m.py", good, cwd=tmp_path, status=2)


def test_callees_and_generators(tmp_path: Path) -> None:
    text = """
def g(x):
    return [x]
@jit
def f(x: float):
    return g(x)
@jit
def h(x: float):
    yield x
@jit
def v(*args: float):
    return args
"""
    name = write(tmp_path, "m.py", text)
    assert {("NL2007", name, 5), ("NL1003", name, 10), ("NL2002", name, 13)} <= set(found(tmp_path, name))


def test_explain() -> None:
    page = (ROOT / "docs" / "errors" / "NL2003.md").read_text().replace("```python error=NL2003", "```python")
    assert numlift("explain", "NL2003") == numlift("explain", "nl2003") == numlift("explain", "2003") == page
    coloured = numlift("explain", "NL2003", FORCE_COLOR="1")
    assert "\x1b[1mNL2003: name has no static type\x1b[0m" in coloured and "```" not in coloured
    assert "\x1b" not in numlift("explain", "NL2003", FORCE_COLOR="1", NO_COLOR="1")
    listed = numlift("explain")
    assert all(page.stem in listed for page in (ROOT / "docs" / "errors").glob("NL*.md"))


def test_info() -> None:
    information = json.loads(numlift("info", "--format", "json"))
    assert information["options"]["overflow"] == "raise" and information["cpu_features"]
    text = numlift("info")
    assert all(name.replace("_", " ") in text for name in information)


def test_usage() -> None:
    assert "Usage: numlift <COMMAND>" in numlift("--help")
    assert re.fullmatch(r"numlift \d+\.\d+\.\d+\S*\n", numlift("--version"))
    assert "similar subcommand exists: 'check'" in numlift("chek", status=2)
    assert "\x1b[" in numlift("--help", FORCE_COLOR="1")
    assert "Usage" in numlift(status=2)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str) -> None:
    script = numlift("completion", shell)
    assert "numlift" in script and "explain" in script
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True)


def test_the_installed_program_is_the_module() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"numlift": "numlift._cli:main"}


def test_output_that_nobody_reads() -> None:
    import numlift

    environment = {**os.environ, "PYTHONPATH": str(Path(numlift.__file__).parents[1])}
    command = f"{sys.executable} -m numlift explain | head -n 1"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stderr == ""
