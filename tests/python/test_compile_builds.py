"""Libraries that ship compiled modules in their wheels, built by setuptools and by hatchling."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from compiled import ROOT, alone, needs_stub
from numlift import _build, _core

pytestmark = needs_stub

PAGE = (ROOT / "docs" / "aot.md").read_text()


def project(directory: Path, backend: str) -> None:
    """A library with the pyproject.toml of the page."""
    configuration = next(t for t in re.findall(r"^```toml\n(.*?)^```$", PAGE, re.M | re.S) if backend in t)
    (directory / "pyproject.toml").write_text(configuration)
    package = directory / "src" / "fastlib"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("from fastlib.kernels import scale, total\n")
    (package / "kernels.py").write_text(
        "from numlift import float64, jit\n"
        "@jit\n"
        "def total(a: float64[:]):\n    s = 0.0\n    for x in a:\n        s += x\n    return s\n"
        "@jit\n"
        "def scale(x, k):\n    return x * k\n"
    )


def build(directory: Path, hook: str) -> subprocess.CompletedProcess:
    """Runs a hook of the backend that pyproject.toml names, as `pip` does."""
    # what an installation of numlift tells others
    entries = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    info = directory / "installed" / "numlift_entries-1.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: numlift-entries\nVersion: 1\n")
    sections = [
        f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in e.items()) for group, e in entries.items()
    ]
    (info / "entry_points.txt").write_text("\n".join(sections))
    backend = tomllib.loads((directory / "pyproject.toml").read_text())["build-system"]["build-backend"]
    paths = [str(Path(_core.__file__).parents[1]), str(info.parent)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PATH": "/nonexistent"}
    code = f"import {backend} as b; b.{hook}('dist')"
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, env=environment, cwd=directory, capture_output=True, text=True, check=False
    )


BACKENDS = ["setuptools", "hatchling"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_wheels(tmp_path: Path, backend: str) -> None:
    pytest.importorskip(backend)
    project(tmp_path, backend)
    done = build(tmp_path, "build_wheel")
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    assert re.fullmatch(r"fastlib-1\.0-cp311-abi3-linux_\w+\.whl", wheel.name)
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "installed-wheel")
    assert {"fastlib/kernels.abi3.so", "fastlib/kernels.pyi", "fastlib/kernels.py"} <= set(names)
    code = """
    import fastlib, numpy as np
    from fastlib import kernels
    print(kernels.__file__.rpartition("/")[2], fastlib.total.tier(np.ones(3)), fastlib.total(np.ones(3)))
    print(fastlib.scale.tier(2.0, 3), fastlib.scale(2.0, 3))
    """
    assert alone(code, tmp_path / "installed-wheel").stdout.splitlines() == [
        "kernels.abi3.so native 3.0",
        "native 6.0",
    ]


@pytest.mark.parametrize("backend", BACKENDS)
def test_failures_are_told(tmp_path: Path, backend: str) -> None:
    pytest.importorskip(backend)
    project(tmp_path, backend)
    path = tmp_path / "src" / "fastlib" / "kernels.py"
    path.write_text(path.read_text() + "@jit('(int64)', strict=True)\ndef wrong(x):\n    return str(x)\n")
    done = build(tmp_path, "build_wheel")
    assert done.returncode != 0
    assert "numlift cannot compile" in done.stderr and "kernels.py:13: wrong:" in done.stderr
    path.write_text("import nothing_of_the_kind\n")
    done = build(tmp_path, "build_wheel")
    assert done.returncode != 0 and "nothing_of_the_kind" in done.stderr


def test_editable_with_hatchling(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    project(tmp_path, "hatchling")
    configuration = tmp_path / "pyproject.toml"
    configuration.write_text(configuration.read_text() + '[tool.hatch.build]\ndev-mode-dirs = ["src"]\n')
    done = build(tmp_path, "build_editable")
    assert done.returncode == 0, done.stdout + done.stderr
    assert alone("import fastlib; print(fastlib.scale(2.0, 3))", tmp_path / "src").stdout == "6.0\n"
    assert (tmp_path / "src" / "fastlib" / "kernels.abi3.so").exists()


def test_options_are_checked(tmp_path: Path) -> None:
    assert _build.options(tmp_path) == {}
    path = tmp_path / "pyproject.toml"
    path.write_text("[tool.numlift.compile]\ncpu = 'native'\n")
    assert _build.options(tmp_path) == {"cpu": "native"}
    path.write_text("[tool.numlift.compile]\nspeed = 9\n")
    with pytest.raises(_build.BuildError, match="no option 'speed'"):
        _build.options(tmp_path)
