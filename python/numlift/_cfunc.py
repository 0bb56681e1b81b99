"""Compiled functions as C function pointers."""

import ctypes
import functools
import importlib
import types
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar, cast

from numlift import _core, _pickle
from numlift._decorator import AnySignature, Dispatcher, njit, signature_text

P = ParamSpec("P")
T = TypeVar("T")

_TYPES: dict[str | None, Any] = {
    None: None,
    "bool": ctypes.c_bool,
    "int8": ctypes.c_int8,
    "uint8": ctypes.c_uint8,
    "int16": ctypes.c_int16,
    "uint16": ctypes.c_uint16,
    "int32": ctypes.c_int32,
    "uint32": ctypes.c_uint32,
    "int64": ctypes.c_int64,
    "uint64": ctypes.c_uint64,
    "float32": ctypes.c_float,
    "float64": ctypes.c_double,
}


def pointer(function: Dispatcher[..., Any], signature: str) -> Any:
    """The function as an object of ctypes; made once for each signature."""
    known: dict[str, Any] = function.__dict__.setdefault("_pointers", {})
    if signature not in known:
        function.compile(signature)
        address, result, params = _core.c_pointer(function, signature)
        known[signature] = ctypes.CFUNCTYPE(_TYPES[result], *(_TYPES[p] for p in params))(address)
    return known[signature]


def address(function: Dispatcher[..., Any], signature: str) -> int:
    """The function pointer itself."""
    found = ctypes.cast(pointer(function, signature), ctypes.c_void_p).value
    assert found is not None
    return found


class CFunc(Generic[P, T]):
    """A function that C can call, by `address`, `ctypes` or `cffi`; Python calls the compiled function.

    An exception cannot be passed through C: it is printed, and the result is 0.
    """

    def __init__(self, function: Dispatcher[P, T], signature: str) -> None:
        functools.update_wrapper(self, function.py_func)
        self._function, self._signature = function, signature
        self.ctypes: Any = pointer(function, signature)
        self.address: int = address(function, signature)

    def __repr__(self) -> str:
        return f"<numlift.cfunc {self.py_func.__qualname__} {self._signature}>"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._function(*args, **kwargs)

    @property
    def py_func(self) -> Callable[P, T]:
        """The decorated function."""
        return self._function.py_func

    @property
    def cffi(self) -> Any:
        """The pointer as cffi's `void *`."""
        cffi = importlib.import_module("cffi")
        return cffi.FFI().cast("void *", self.address)

    def __reduce__(self) -> tuple[Any, ...]:
        function = cast("types.FunctionType", self.py_func)
        if _pickle.is_importable(self, function):
            return (_pickle.by_name, (function.__module__, function.__qualname__))
        return (CFunc, (self._function, self._signature))


def cfunc(signature: AnySignature, /, **options: Any) -> Callable[[Callable[P, T]], CFunc[P, T]]:
    """A C function of numbers: `@cfunc("float64(float64, float64)")`, with the options of `njit`.

    Raises CompileError if something has no static type, and TypeError for types that are no numbers.
    """
    text = signature_text(signature)

    def decorate(function: Callable[P, T]) -> CFunc[P, T]:
        return CFunc(njit(**options)(function), text)

    return decorate
