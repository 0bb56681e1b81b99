"""numlift: machine code for numeric Python functions, with the interpreter's results.

>>> from numlift import jit
>>> @jit
... def add(a, b):
...     return a + b
>>> add(1, 2)
3
"""

from typing import TYPE_CHECKING

from numlift import types
from numlift._cfunc import CFunc, cfunc
from numlift._core import __version__
from numlift._decorator import CacheStats, Dispatcher, Specialization, jit, njit, prange
from numlift._errors import CompileError, NumliftCacheWarning, NumliftError, NumliftFallbackWarning
from numlift._report import Report
from numlift.types import (
    bool_,
    boolean,
    complex64,
    complex128,
    double,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    int_,
    intc,
    intp,
    none,
    uint,
    uint8,
    uint16,
    uint32,
    uint64,
    uintp,
    void,
)

__all__ = [
    "CFunc",
    "CacheStats",
    "CompileError",
    "Dispatcher",
    "NumliftCacheWarning",
    "NumliftError",
    "NumliftFallbackWarning",
    "Report",
    "Specialization",
    "__version__",
    "bool_",
    "boolean",
    "cfunc",
    "complex64",
    "complex128",
    "double",
    "float32",
    "float64",
    "int8",
    "int16",
    "int32",
    "int64",
    "int_",
    "intc",
    "intp",
    "jit",
    "njit",
    "none",
    "prange",
    "types",
    "uint",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "uintp",
    "void",
]


def load_ipython_extension(shell: object) -> None:
    """`%load_ext numlift` in a notebook: the cell magic `%%jit`."""
    from numlift._magic import register

    register(shell)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        from numlift._missing import absent

        raise absent(name)
