"""Builds numlift: maturin, and the stub of compiled modules, a second library that goes beside the extension.

The hooks of a build backend (`build-backend` of pyproject.toml) are maturin's; those that make something to
be run build the stub before. `python packaging/numlift_build.py PROFILE` builds the stub alone, for `make`.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
STUB = ROOT / "python" / "numlift" / "_stub.bin"
# Its own directory: maturin builds with other environment variables, each change of which builds PyO3 anew.
TARGET = ROOT / "target" / "stub"


def build_stub(profile: str, *options: str) -> None:
    """Builds the stub and puts it into the package.

    Raises SystemExit if cargo is missing or fails.
    """
    command = ["cargo", "build", *options, "--package", "numlift-stub", "--profile", profile]
    command += ["--target-dir", str(TARGET), "--message-format", "json-render-diagnostics"]
    environment = {**os.environ, "PYO3_BUILD_EXTENSION_MODULE": "1", "PYO3_PYTHON": sys.executable}
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True)
    except FileNotFoundError:
        raise SystemExit("numlift: cargo is needed to build, see https://rustup.rs") from None
    except subprocess.CalledProcessError as e:
        raise SystemExit(
            f"numlift: the stub of compiled modules cannot be built (cargo: {e.returncode})"
        ) from None
    made = [file for line in done.stdout.splitlines() for file in _files(json.loads(line))]
    # Written aside and renamed: a process may be reading the one that is there.
    aside = STUB.with_suffix(".new")
    shutil.copyfile(made[-1], aside)
    aside.replace(STUB)


def _files(message: dict[str, Any]) -> list[str]:
    """The library that a message of cargo tells of."""
    if message.get("reason") != "compiler-artifact" or message["target"]["name"] != "numlift_stub":
        return []
    return list(message["filenames"])


def build_wheel(directory: str, settings: Any = None, metadata: str | None = None) -> str:
    import maturin

    build_stub("release")
    return str(maturin.build_wheel(directory, settings, metadata))


def build_editable(directory: str, settings: Any = None, metadata: str | None = None) -> str:
    import maturin

    build_stub("release")
    return str(maturin.build_editable(directory, settings, metadata))


def build_sdist(directory: str, settings: Any = None) -> str:
    import maturin

    return str(maturin.build_sdist(directory, settings))


def _requires(name: str, settings: Any) -> list[str]:
    import maturin

    return list(getattr(maturin, name)(settings))


def get_requires_for_build_wheel(settings: Any = None) -> list[str]:
    return _requires("get_requires_for_build_wheel", settings)


def get_requires_for_build_editable(settings: Any = None) -> list[str]:
    return _requires("get_requires_for_build_editable", settings)


def get_requires_for_build_sdist(settings: Any = None) -> list[str]:
    return _requires("get_requires_for_build_sdist", settings)


def prepare_metadata_for_build_wheel(directory: str, settings: Any = None) -> str:
    import maturin

    return str(maturin.prepare_metadata_for_build_wheel(directory, settings))


def prepare_metadata_for_build_editable(directory: str, settings: Any = None) -> str:
    import maturin

    return str(maturin.prepare_metadata_for_build_editable(directory, settings))


if __name__ == "__main__":
    build_stub(sys.argv[1], "--locked")
