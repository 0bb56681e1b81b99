"""What Numba has and numlift has not: the name, and what to use in its place."""

import opcode
import sys

_INSTEAD = {
    "vectorize": "write the loop over the elements in a function with @jit, or use numpy.vectorize",
    "guvectorize": "write the loops over the outer dimensions in a function with @jit",
    "stencil": "write the loops over the interior in a function with @jit; index checks are cheap there",
    "cuda": "there is no GPU support; use Numba or CuPy",
    "jitclass": "pass the fields as arguments, or as a tuple",
    "generated_jit": "each function is compiled for the types it is called with; use @jit",
    "objmode": "what has no static type runs in the interpreter by itself; use @jit without strict=True",
    "typed": "use arrays and tuples; a function that needs a dict or list runs in the interpreter",
    "typeof": "signatures are optional: call the function, then read its `signatures`",
    "set_num_threads": "`prange` counts as `range` does; there are no threads to set",
    "get_num_threads": "`prange` counts as `range` does; there are no threads to count",
    "literal_unroll": "unpack the tuple into names",
}

_IMPORT_FROM = opcode.opmap["IMPORT_FROM"]


def absent(name: str) -> Exception:
    """The error for a name that the package does not have."""
    if name not in _INSTEAD:
        return AttributeError(f"module 'numlift' has no attribute {name!r}", name=name)
    text = f"numlift has no {name!r}: {_INSTEAD[name]}"
    frame = sys._getframe(2)
    # `from numlift import name` would replace the text of an AttributeError by one of its own.
    if frame.f_lasti >= 0 and frame.f_code.co_code[frame.f_lasti] == _IMPORT_FROM:
        return ImportError(text, name="numlift")
    return AttributeError(text, name=name)
