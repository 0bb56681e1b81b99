"""Compiled functions called from C, and by `ctypes`."""

import ctypes
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import numpy as np
import pytest

from compiled import ROOT, alone, compile_, needs_stub

pytestmark = needs_stub


C_KERNELS = """
import numpy as np
from numlift import float64, int64, jit

RATE = 2

@jit
def mixed_types(x: float64[:, ::1], y: np.int16, z: np.float32, w: bool, n: int64):
    s = 0
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            x[i, j] += y
            s += n
    return s, z * np.float32(2), not w, x[0, 0]

@jit(["(int64)", "(float64)", "(float64[:])", "(float64[::1])"])
def double(x):
    return x

@jit("(int64)")
def fact(n):
    return 1 if n < 2 else n * fact(n - 1)

@jit("(int64[:], int64)")
def at(a, i):
    return a[i]

@jit("(int64)")
def refused(n):
    if n < 0:
        raise ValueError("negative")

@jit("(int64)")
def scaled(n): return n * RATE

@jit("(float64[:])")
def fresh(a): return np.zeros(len(a))

@jit("(int64[:])")
def result(result): return result[0] / len(result)
"""


def array(a: np.ndarray) -> ctypes.Structure:
    words = ctypes.c_ssize_t * a.ndim
    fields = [("data", ctypes.c_void_p), ("shape", words), ("strides", words)]
    made = type("Array", (ctypes.Structure,), {"_fields_": fields})
    return made(a.ctypes.data, words(*a.shape), words(*a.strides))


def test_calls_from_c(tmp_path: Path) -> None:
    (tmp_path / "ck.py").write_text(C_KERNELS)
    compile_("ck.py", cwd=tmp_path)
    header = (tmp_path / "ck.h").read_text()
    prototypes = re.findall(r"^int32_t (\w+)\(", header, re.MULTILINE)
    # `double` is a word of C; globals and new arrays need Python
    assert prototypes == ["mixed_types", "fact", "at", "refused", "result"]
    lib = ctypes.CDLL(str(tmp_path / "ck.abi3.so"))
    lib.ck_error.restype = ctypes.c_char_p
    a = np.arange(6.0).reshape(2, 3)
    c = array(a)
    outs = ctypes.c_int64(), ctypes.c_float(), ctypes.c_bool(), ctypes.c_double()
    references = [ctypes.byref(o) for o in outs]
    arguments = [ctypes.c_int16(-3), ctypes.c_float(1.5), ctypes.c_bool(False), ctypes.c_int64(7)]
    lib.mixed_types.argtypes = None
    assert lib.mixed_types(ctypes.byref(c), *arguments, *references) == 0
    assert [o.value for o in outs] == [42, 3.0, True, -3.0] and a[1, 2] == 2.0
    assert lib.mixed_types(ctypes.byref(c), *arguments, None, None, None, references[3]) == 0
    assert outs[3].value == -6.0
    transposed = array(np.ones((3, 2)).T)
    assert lib.mixed_types(ctypes.byref(transposed), *arguments, *references) == 3
    assert lib.ck_error() == b"argument 1: it is not contiguous in the order of the signature"
    out = ctypes.c_int64(-1)
    assert lib.fact(ctypes.c_int64(20), ctypes.byref(out)) == 0 and out.value == 2432902008176640000
    out.value = -1
    assert lib.fact(ctypes.c_int64(21), ctypes.byref(out)) == 2 and out.value == -1
    assert b"a value left machine code (overflow)" in lib.ck_error()
    assert lib.fact(ctypes.c_int64(10**9), ctypes.byref(out)) != 0
    numbers = array(np.arange(4))
    assert lib.at(ctypes.byref(numbers), ctypes.c_int64(-1), ctypes.byref(out)) == 0 and out.value == 3
    assert lib.at(ctypes.byref(numbers), ctypes.c_int64(4), ctypes.byref(out)) == 1
    assert lib.ck_error().startswith(b"ck.py:26: in at: ")
    assert lib.refused(ctypes.c_int64(1)) == 0 and lib.refused(ctypes.c_int64(-1)) == 1
    assert lib.ck_error().startswith(b"ck.py:31: in refused: ")
    # the same library as a Python module
    code = "import ck, numpy as np; print(ck.fact(21), ck.double(1.5), ck.scaled(2), ck.at(np.arange(3), 1))"
    assert alone(code, tmp_path).stdout == "51090942171709440000 1.5 4 1\n"


def test_a_c_program(tmp_path: Path) -> None:
    if shutil.which("cc") is None or not sysconfig.get_config_var("Py_ENABLE_SHARED"):
        pytest.skip("needs cc and a shared libpython")
    compile_(
        ROOT / "examples" / "sum2d.py", "-o", tmp_path, "--signature", "sum2d(float64[:, ::1])", cwd=tmp_path
    )
    libraries = sysconfig.get_config_var("LIBDIR")
    command = [
        "cc",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-std=c11",
        "-I",
        ".",
        str(ROOT / "examples" / "c" / "sum2d.c"),
    ]
    command += ["./sum2d.abi3.so", f"-L{libraries}", f"-lpython{sysconfig.get_config_var('LDVERSION')}"]
    command += [f"-Wl,-rpath,{tmp_path}:{libraries}", "-o", "program"]
    subprocess.run(command, cwd=tmp_path, check=True)
    done = subprocess.run(["./program"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "the sum is 66",
        "status 3: argument 1: it is not contiguous in the order of the signature",
    ]
