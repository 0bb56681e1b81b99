"""Compiled modules need neither numlift nor a compiler."""

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import test_examples

from compiled import ROOT, STUB, alone, compile_, needs_stub
from numlift import _core

pytestmark = needs_stub


def content(**changed) -> dict:
    whole = {
        "name": "kernels",
        "file": "kernels.py",
        "source": "",
        "features": [],
        "strict": False,
        "strip": False,
    }
    whole |= {"functions": [], "exports": [], "cpu": "baseline"}
    return {**whole, **changed}


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


@pytest.mark.parametrize("name", sorted(test_examples.SMALL))
def test_examples_run_alone(tmp_path: Path, name: str) -> None:
    """The example itself compares with the interpreter."""
    text = f"import {name}; {name}.main(**{test_examples.SMALL[name]!r})"
    (tmp_path / "driver.py").write_text(text)
    source = tmp_path / "source"
    source.mkdir()
    for file in ("_support.py", f"{name}.py"):
        (source / file).write_text((ROOT / "examples" / file).read_text())
    (source / "driver.py").write_text(text)
    out = tmp_path / "out"
    compile_(f"{name}.py", "-o", out, "--from-run", "driver.py", "--cpu", "native", cwd=source)
    (out / "_support.py").write_text((source / "_support.py").read_text())
    done = alone(text, out)
    assert done.stderr == ""
    tiers = [line.split()[-1] for line in done.stdout.splitlines() if " ms " in line]
    assert tiers and set(tiers) == {"native"}


# Calls each kernel of a module: as the interpreter does, and compiled; both begin with the same random numbers.
KERNELS_DRIVER = """
import copy, sys
import numpy as np
from kernels import {module} as m
def same(a, b):
    if isinstance(a, tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.tobytes() == b.tobytes()
    return type(a) is type(b) and (a == b or a != a and b != b)
for k in m.KERNELS:
    f = getattr(m, k.function.__name__)
    results = []
    for run in (f.py_func, f):
        np.random.seed(1)
        args = k.arguments(k.small)
        results.append((run(*args), args))
    arrays = [[a for a in args if isinstance(a, np.ndarray)] for _, args in results]
    close = k.last_bit and np.allclose(*arrays, rtol=0, atol=1e-12)
    assert k.own_random or close or same(*results), (k.name, results)
    if hasattr(f, "signatures"):
        print(k.name, "|", f.tier(*k.arguments(k.small)))
"""

MODULES = ["calls", "dynamic", "grids", "integers", "ordering", "physics", "recursion", "reductions"]


@pytest.mark.parametrize("module", MODULES)
def test_kernels_of_the_benchmark_run_alone(tmp_path: Path, module: str) -> None:
    source = tmp_path / "source" / "kernels"
    out = tmp_path / "out" / "kernels"
    source.mkdir(parents=True)
    out.mkdir(parents=True)
    kernels = ROOT / "bench" / "kernels"
    own = (kernels / f"{module}.py").read_text()
    jitted = "from numlift import jit\nfor _k in KERNELS:\n    for _f in (_k.function, *_k.helpers):\n"
    jitted += "        if globals().get(_f.__name__) is _f:\n            globals()[_f.__name__] = jit(_f)\n"
    (source / f"{module}.py").write_text(f"{own}\n{jitted}")
    for directory in (source, out):
        (directory / "__init__.py").write_text("")
        (directory / "kernel.py").write_text((kernels / "kernel.py").read_text())
    driver = KERNELS_DRIVER.format(module=module)
    (source.parent / "driver.py").write_text(driver)
    file = f"kernels/{module}.py"
    compile_(file, "-o", out, "--from-run", "driver.py", "--cpu", "native", cwd=source.parent)
    done = alone(driver, out.parent)
    assert done.stderr == ""
    tiers = {line.split(" | ")[1] for line in done.stdout.splitlines()}
    assert tiers <= {"native", "mixed"} and tiers


LATER = ["python3.12", "python3.13", "python3.14", "python3.15"]


@pytest.mark.parametrize("name", LATER)
def test_later_versions_of_python(tmp_path: Path, name: str) -> None:
    """The module is made by this one."""
    other = shutil.which(name)
    if other is None or subprocess.run([other, "-c", "import numpy"], capture_output=True).returncode != 0:
        pytest.skip(f"no {name} with NumPy")
    source = ROOT / "bench" / "kernels" / "dynamic.py"
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels" / "__init__.py").write_text("")
    (tmp_path / "kernels" / "kernel.py").write_text(source.with_name("kernel.py").read_text())
    jitted = "from numlift import jit\nfor _k in KERNELS:\n    globals()[_k.function.__name__] = jit(_k.function)\n"
    (tmp_path / "kernels" / "dynamic.py").write_text(f"{source.read_text()}\n{jitted}")
    driver = KERNELS_DRIVER.format(module="dynamic")
    (tmp_path / "driver.py").write_text(driver)
    compile_("kernels/dynamic.py", "--from-run", "driver.py", cwd=tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([other, "-c", driver], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    tiers = {line.split(" | ")[1] for line in done.stdout.splitlines()}
    assert tiers and tiers <= {"native", "mixed"}
