"""numlift: machine code for numeric Python functions, with the interpreter's results.

>>> from numlift import jit
>>> @jit
... def add(a, b):
...     return a + b
>>> add(1, 2)
3
"""

from numlift._core import __version__
from numlift._decorator import Dispatcher, Specialization, jit, njit, prange
from numlift._errors import CompileError, NumliftError, NumliftFallbackWarning

__all__ = [
    "CompileError",
    "Dispatcher",
    "NumliftError",
    "NumliftFallbackWarning",
    "Specialization",
    "__version__",
    "jit",
    "njit",
    "prange",
]
