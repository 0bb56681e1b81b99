"""`numlift compile`: modules that need neither numlift nor a compiler."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from numlift import _core

STUB = Path(_core.__file__).with_name("_stub.bin")
pytestmark = pytest.mark.skipif(not STUB.exists(), reason="packaging/numlift_build.py has built no stub")

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


def content(**changed) -> dict:
    whole = {"name": "kernels", "file": "kernels.py", "source": "", "features": [], "strict": False}
    return {**whole, "functions": [], **changed}


def write(directory: Path, **changed) -> Path:
    made = content(**changed)
    path = directory / f"{made['name']}.abi3.so"
    path.write_bytes(_core.module_file(STUB.read_bytes(), made))
    return path


SOURCE = '''
"""A module."""
from __future__ import annotations
import math, numlift.types as nt
from numlift import float64 as f8, jit
import numlift

LIMIT = 3.5

class Box:
    kind: nt.Type = nt.int64

    @jit
    def half(self, x): return x / 2

@jit
def f(x: f8[:]) -> float:
    return x[0] * LIMIT

@numlift.njit(nogil=True)
def g(x):
    return 1 / x

def plain(x):
    from numlift import int32
    return int32, math.floor(x)
'''


def test_the_source_is_run_without_numlift(tmp_path: Path) -> None:
    write(tmp_path, source=SOURCE)
    code = """
    import copy, pickle, sys, traceback
    import numpy as np, kernels
    assert "numlift" not in sys.modules and "numlift.types" not in sys.modules
    print(kernels.__doc__, kernels.f(np.array([2.0])), kernels.Box().half(3), kernels.plain(2.5))
    print(kernels.f, kernels.f.__name__, kernels.f.signatures, kernels.f.py_func.__name__)
    assert pickle.loads(pickle.dumps(kernels.f)) is kernels.f is copy.deepcopy(kernels.f)
    try:
        kernels.g(0)
    except ZeroDivisionError:
        print(traceback.format_exc())
    try:
        import numlift
    except ImportError as e:
        print(e)
    """
    done = alone(code, tmp_path)
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == "A module. 7.0 1.5 (int32, 2)"
    assert lines[1] == "<numlift.compiled kernels.f> f [] f"
    file = tmp_path / "kernels.abi3.so" / "kernels.py"
    assert f'  File "{file}", line 22, in g' in lines and "    return 1 / x" in lines
    assert lines[-1] == "No module named 'numlift'"


def test_modules_beside_each_other_and_the_package(tmp_path: Path) -> None:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").write_text("")
    write(tmp_path, source=SOURCE)
    write(
        tmp_path / "pkg", name="inner", source="from numlift import jit\n@jit\ndef f(x):\n    return x + 1\n"
    )
    code = """
    import sys
    import numpy as np
    import kernels, numlift
    import pkg.inner
    @numlift.jit
    def own(x): return x * 3
    assert (pkg.inner.f(1), kernels.g(2), own(5), own.tier(5)) == (2, 0.5, 15, "native")
    assert not isinstance(kernels.f, numlift.Dispatcher)
    assert pkg.inner.__name__ == "pkg.inner" == pkg.inner.f.__module__, pkg.inner.f
    """
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(_core.__file__).parents[1])]),
    }
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(code))
    subprocess.run([sys.executable, str(script)], env=environment, check=True)


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"features": ["avx2", "never"]}, "kernels: it was compiled for a processor with never, which this"),
        ({"source": "from numlift import Report"}, "compiled modules have no 'Report' of numlift"),
        ({"source": "import numlift._core"}, "compiled modules have no numlift._core"),
        ({"name": "other"}, "dynamic module does not define module export function (PyInit_kernels)"),
    ],
)
def test_what_cannot_be_imported_says_why(tmp_path: Path, changed: dict, text: str) -> None:
    path = write(tmp_path, **changed)
    path.rename(tmp_path / "kernels.abi3.so")
    done = alone("import kernels", tmp_path)
    assert text in done.stderr and "ImportError" in done.stderr


def test_damage_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path, source="x = 'some text that is changed'")
    data = path.read_bytes()
    path.write_bytes(data.replace(b"text that", b"TEXT that"))
    assert "the file is damaged: its checksum is wrong" in alone("import kernels", tmp_path).stderr
    (tmp_path / "numlift_stub.abi3.so").write_bytes(STUB.read_bytes())
    assert "is the stub of compiled modules" in alone("import numlift_stub", tmp_path).stderr
    with pytest.raises(ValueError, match="the stub of compiled modules is damaged"):
        _core.module_file(b"\x7fELF", content())


def test_stripped(tmp_path: Path) -> None:
    path = write(tmp_path, source="x = 1")
    try:
        subprocess.run(["strip", str(path)], check=True)
    except FileNotFoundError:
        pytest.skip("no strip")
    assert alone("import kernels; print(kernels.x)", tmp_path).stdout == "1\n"


def undefined(path: Path) -> set[str]:
    """Names of the undefined dynamic symbols."""
    out = subprocess.run(
        ["readelf", "--dyn-syms", "-W", str(path)], capture_output=True, text=True, check=True
    )
    rows = [line.split() for line in out.stdout.splitlines() if " UND " in line]
    return {row[7].partition("@")[0] for row in rows if len(row) > 7}


def test_symbols_are_those_of_the_stable_abi(tmp_path: Path) -> None:
    path = write(tmp_path, source="x = 1")
    try:
        names = undefined(path)
    except FileNotFoundError:
        pytest.skip("no readelf")
    # those with an underscore that the stable ABI of 3.11 has
    private = {n for n in names if n.startswith("_Py")}
    of_abi = "DecRef Dealloc EllipsisObject FalseStruct IncRef NoneStruct NotImplementedStruct TrueStruct"
    assert private <= {f"_Py_{name}" for name in of_abi.split()}
    assert {"PyType_FromSpecWithBases", "PyModuleDef_Init"} <= names
