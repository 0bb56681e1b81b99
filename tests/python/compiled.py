"""Compiled modules in tests: made by the command, run by an interpreter that has NumPy and nothing else."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from numlift import _core

ROOT = Path(__file__).parents[2]
STUB = Path(_core.__file__).with_name("_stub.bin")
needs_stub = pytest.mark.skipif(not STUB.exists(), reason="packaging/numlift_build.py has built no stub")

SITE = Path(np.__file__).parents[1]

# Run by an interpreter that has nothing but NumPy.
PRELUDE = f"""
import importlib.machinery, sys
class Only:
    def find_spec(self, name, path=None, target=None):
        if path is None and name == "numpy":
            return importlib.machinery.PathFinder.find_spec(name, [{str(SITE)!r}])
sys.meta_path.append(Only())
"""


def alone(code: str, directory: Path, **options) -> subprocess.CompletedProcess:
    """Runs Python code in a directory without numlift, site-packages and compilers."""
    environment = {"PATH": "/nonexistent", "PYTHONPATH": str(directory)}
    environment.update({k: v for k, v in os.environ.items() if k.startswith("LD_LIBRARY")})
    text = PRELUDE + textwrap.dedent(code)
    command = [sys.executable, "-S", "-c", text]
    return subprocess.run(command, env=environment, capture_output=True, text=True, cwd=directory, **options)


def compile_(*arguments: str, cwd: Path, status: int = 0) -> subprocess.CompletedProcess:
    """`numlift compile`"""
    environment = {**os.environ, "PYTHONPATH": str(Path(_core.__file__).parents[1]), "NO_COLOR": "1"}
    command = [sys.executable, "-m", "numlift", "compile", *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=cwd, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done
