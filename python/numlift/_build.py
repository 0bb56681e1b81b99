"""Compiled modules in the builds of other packages: what the hooks of setuptools and hatchling share."""

import json
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: Options of `[tool.numlift.compile]` and whether they are switches.
_OPTIONS = {"cpu": False, "strict": True, "strip": True, "from-run": False}


class BuildError(Exception):
    """A module cannot be built; the text is for the user."""


def options(root: Path) -> dict[str, Any]:
    """The table `[tool.numlift.compile]` of a project.

    Raises BuildError for an option that there is not.
    """
    path = root / "pyproject.toml"
    if not path.exists():
        return {}
    table = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {}).get("numlift", {})
    found: dict[str, Any] = table.get("compile", {})
    unknown = found.keys() - {*_OPTIONS, "signatures"}
    if unknown:
        known = ", ".join(sorted({*_OPTIONS, "signatures"}))
        raise BuildError(f"{path}: no option {min(unknown)!r} in [tool.numlift.compile]; there are {known}")
    return found


def compile_module(source: Path, name: str, directory: Path, chosen: Mapping[str, Any]) -> list[Path]:
    """Compiles a file to a module of a dotted name in a directory; the files written.

    signatures: texts by dotted name of the module. Raises BuildError with what `numlift compile` says.
    """
    command = [sys.executable, "-m", "numlift", "compile", str(source), "--name", name]
    command += ["--output", str(directory), "--format", "json"]
    for option, switch in _OPTIONS.items():
        if option in chosen and (chosen[option] is not False):
            command += [f"--{option}"] if switch else [f"--{option}", str(chosen[option])]
    for text in chosen.get("signatures", {}).get(name, []):
        command += ["--signature", text]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return [Path(file) for file in json.loads(done.stdout)["files"]]
    texts = [done.stderr.strip()]
    if done.returncode == 1:
        rows = [r for r in json.loads(done.stdout)["functions"] if r["tier"] == "error" and r["reason"]]
        texts += [f"{source}:{r['reason']['line']}: {r['function']}: {r['reason']['message']}" for r in rows]
    raise BuildError("\n".join(filter(None, [f"numlift cannot compile {source}", *texts])))


def wheel_tag() -> str:
    """The tag of a wheel with compiled modules: CPython 3.11 and later, this platform."""
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    return f"cp311-abi3-{platform}"
