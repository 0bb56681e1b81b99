"""The decorators and the object they make."""

import functools
import os
import types
import weakref
from collections.abc import Callable, Sequence
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    Literal,
    NamedTuple,
    ParamSpec,
    Protocol,
    TypeAlias,
    TypeVar,
    Unpack,
    cast,
    overload,
)

from numlift import _core, _pickle
from numlift._options import Options, resolve
from numlift.types import Signature, Type

if TYPE_CHECKING:
    from numlift._report import Report

P = ParamSpec("P")
Q = ParamSpec("Q")
T = TypeVar("T")
R = TypeVar("R", covariant=True)
S = TypeVar("S", contravariant=True)

#: One signature, as text or as types; a tuple of types has no result type.
AnySignature: TypeAlias = str | Signature | tuple[Type, ...]

_DEBUG = os.environ.get("NUMLIFT_DEBUG", "") not in ("", "0")
if _DEBUG:
    _core.set_internal_errors_fatal(True)


def _number(variable: str) -> int | None:
    """The number that an environment variable holds, None if it is not set.

    Raises ValueError if it holds something else.
    """
    text = os.environ.get(variable, "")
    if text and not (text.isascii() and text.isdecimal() and int(text) < 1 << 64):
        raise ValueError(f"{variable} must be a number below 2**64, not {text!r}")
    return int(text) if text else None


# Rewrites that the optimiser may do in each compilation, to find the one that breaks a program.
_FUEL = _number("NUMLIFT_OPT_FUEL")

#: Parallel range: counts as `range` does until parallel execution comes.
prange = range


class Specialization(NamedTuple):
    """One compiled version of a function.

    args: types of the arguments as text; result: type of the result (None if interpreted);
    tier: "native", "mixed" or "interpreter"; diagnostic: why (a part of) it is interpreted; exits: calls
    that the interpreter finished.
    """

    args: tuple[str, ...]
    result: str | None
    tier: str
    diagnostic: str | None
    exits: int


class CacheStats(NamedTuple):
    """What became of the specialisations of a function in the disk cache, by argument types.

    cache_path: the directory, None if the function is not cached or there is no directory; cache_hits: those
    that were loaded; cache_misses: those that were compiled.
    """

    cache_path: str | None
    cache_hits: dict[tuple[str, ...], int]
    cache_misses: dict[tuple[str, ...], int]


def _rebuild(
    function: types.FunctionType, options: dict[str, Any], texts: list[_pickle.Text]
) -> "Dispatcher[..., Any]":
    _pickle.install(function, texts)
    return Dispatcher(function, **options)


if TYPE_CHECKING:

    class _Takes(Protocol[S, Q, R]):
        """What can be bound to its first argument."""

        def __call__(self, first: S, /, *args: Q.args, **kwargs: Q.kwargs) -> R: ...


@_core.callable_class
class Dispatcher(Generic[P, T]):
    """A function that runs as machine code for the argument types it is called with.

    Call it as the function it was made from. What cannot be compiled runs in the interpreter.
    """

    __slots__ = ()

    if TYPE_CHECKING:
        __wrapped__: Callable[P, T]
        __name__: str
        __qualname__: str

        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T: ...

        # A class method through its class and an instance, what a class holds, a method, a static method.
        @overload
        def __get__(self: "_Takes[type[S], Q, R]", instance: None, owner: type[S], /) -> Callable[Q, R]: ...
        @overload
        def __get__(
            self: "_Takes[type[S], Q, R]", instance: S, owner: type[S] | None = None, /
        ) -> Callable[Q, R]: ...
        @overload
        def __get__(self, instance: None, owner: type | None = None, /) -> "Dispatcher[P, T]": ...
        @overload
        def __get__(self: "_Takes[S, Q, R]", instance: S, owner: type | None = None, /) -> Callable[Q, R]: ...
        @overload
        def __get__(self, instance: object, owner: type | None = None, /) -> "Dispatcher[P, T]": ...
        def __get__(self, instance: Any, owner: type | None = None, /) -> Any: ...

    def __new__(
        cls,
        function: Callable[P, T],
        *,
        strict: bool = False,
        overflow: str = "raise",
        fastmath: bool = False,
        boundscheck: bool = True,
        nogil: bool = False,
        cache: bool = False,
        quiet: bool = False,
    ) -> "Dispatcher[P, T]":
        options = {
            "strict": strict,
            "overflow_wrap": overflow == "wrap",
            "fastmath": fastmath,
            "trust_indices": not boundscheck,
            "nogil": nogil,
            "cache": cache,
            "quiet": quiet,
            "verify": _DEBUG,
            "fuel": _FUEL,
        }
        self: Dispatcher[P, T] = _core.create(cls, function, options)
        functools.update_wrapper(self, function)
        self.__dict__["_options"] = {
            "strict": strict,
            "overflow": overflow,
            "fastmath": fastmath,
            "boundscheck": boundscheck,
            "nogil": nogil,
            "cache": cache,
        }
        return self

    def __repr__(self) -> str:
        return f"<numlift.jit {self.__module__}.{self.__qualname__}>"

    @property
    def py_func(self) -> Callable[P, T]:
        """The decorated function."""
        return cast("Callable[P, T]", _core.py_func(self))

    def tier(self, *args: P.args, **kwargs: P.kwargs) -> Literal["native", "mixed", "interpreter"]:
        """What a call with these arguments would run now: "native", "mixed" or "interpreter".

        Compiles if the argument types are new, and does not call the function.
        """
        return _core.tier(self, args, kwargs)

    def dynamic_places(
        self, *args: P.args, **kwargs: P.kwargs
    ) -> list[tuple[str, str, str, int, int, int, str | None]]:
        """Every place without a static type in the code that these arguments would run, callees included.

        Each is code, message, file, line, column, length and help.
        """
        return _core.dynamic_places(self, args, kwargs)

    def compile(self, signature: str) -> None:
        """Compile for the argument types of a signature such as `"float64(float64[:, :], int64)"`.

        Raises ValueError if the signature is not understood or has another number of arguments.
        """
        _core.compile_signature(self, signature)

    @property
    def signatures(self) -> list[tuple[str, ...]]:
        """Argument types of the specialisations that have machine code."""
        return [s.args for s in self.specializations if s.tier != "interpreter"]

    @property
    def specializations(self) -> list[Specialization]:
        """Every argument type combination seen, compiled or not."""
        return [Specialization(tuple(a), r, t, d, n) for a, r, t, d, n in _core.specialization_rows(self)]

    def _inspect(self, stage: str) -> dict[tuple[str, ...], str]:
        return {tuple(a): text for a, text in _core.stage_text(self, stage)}

    def inspect_types(self) -> dict[tuple[str, ...], str]:
        """Types of the variables, by argument types."""
        return self._inspect("types")

    def inspect_mir(self) -> dict[tuple[str, ...], str]:
        """Mid-level IR after optimisation, by argument types."""
        return self._inspect("mir")

    def inspect_clif(self) -> dict[tuple[str, ...], str]:
        """Cranelift IR, by argument types."""
        return self._inspect("clif")

    def inspect_asm(self) -> dict[tuple[str, ...], str]:
        """Machine code, by argument types."""
        return self._inspect("asm")

    def timings(self) -> dict[tuple[str, ...], dict[str, float]]:
        """Microseconds per stage of the compilation and per pass of the optimiser, by argument types.

        The passes (`opt/gvn`) are parts of the stage `opt`.
        """
        return {tuple(a): dict(t) for a, t in _core.stage_times(self)}

    def ctypes(self, signature: str) -> Any:
        """The function as a C function of ctypes, for a signature of numbers: `f.ctypes("float64(float64)")`.

        An exception cannot be passed through C: it is printed, and the result is 0.
        """
        from numlift import _cfunc

        return _cfunc.pointer(self, signature)

    def address(self, signature: str) -> int:
        """The address of the C function that `ctypes` gives; it stays valid."""
        from numlift import _cfunc

        return _cfunc.address(self, signature)

    @property
    def stats(self) -> CacheStats:
        """Which specialisations came from the disk cache, and which were compiled."""
        uses = [(tuple(args), use) for args, use in _core.cache_uses(self)]
        if not self.__dict__["_options"]["cache"]:
            return CacheStats(None, {}, {})
        hits = {args: 1 for args, use in uses if use == "hit"}
        misses = {args: 1 for args, use in uses if use in ("stored", "missed")}
        try:
            path = os.fspath(_core.cache_directory())
        except OSError:
            path = None
        return CacheStats(path, hits, misses)

    def report(self) -> "Report":
        """What each specialisation runs where: signature, tier, calls, types, reasons, remarks, code.

        Print it, or look at it in a notebook; `html` and `json` give it to browsers and programs.
        """
        from numlift._report import Report

        return Report.of([self], self.__qualname__)

    def __copy__(self) -> "Dispatcher[P, T]":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "Dispatcher[P, T]":
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        function = cast("types.FunctionType", self.py_func)
        if _pickle.is_importable(self, function):
            return (_pickle.by_name, (function.__module__, function.__qualname__))
        return (_rebuild, (function, self.__dict__["_options"], _pickle.texts(function)))


_INNER: weakref.WeakValueDictionary[tuple[Any, ...], Dispatcher[..., Any]] = weakref.WeakValueDictionary()


def inner(function: types.FunctionType, **options: Any) -> Dispatcher[..., Any]:
    """A plain function that one made with these options calls; the same object while it is in use."""
    key = (function, *options.items())
    found = _INNER.get(key)
    if found is None:
        found = _INNER[key] = Dispatcher(function, quiet=True, **options)
    return found


def rest(function: types.FunctionType, **options: Any) -> Dispatcher[..., Any]:
    """The rest of a function that was made with these options."""
    return Dispatcher(function, quiet=True, **options)


class Watcher:
    """What happens to the functions that decorators make; the command line has watchers of its own."""

    def options(self, chosen: dict[str, Any]) -> dict[str, Any]:
        """The options that a function is made with."""
        return chosen

    def made(self, function: Dispatcher[..., Any], signatures: list[str]) -> None:
        """A function was made and given these signatures: by default it is compiled for them."""
        for text in signatures:
            function.compile(text)


_watcher = Watcher()


def watch(watcher: Watcher) -> Watcher:
    """Makes it the one that is asked; gives the one before."""
    global _watcher
    before, _watcher = _watcher, watcher
    return before


def signature_text(one: Any) -> str:
    """The text of a signature. Raises TypeError if it is none."""
    if isinstance(one, tuple) and all(isinstance(t, (Type, tuple)) for t in one):
        one = Signature(None, one)
    if not isinstance(one, (str, Signature)):
        raise TypeError(
            "jit() takes a function, a signature such as 'float64(int64)' or float64(int64), "
            f"or a list of signatures, not {one!r}"
        )
    return str(one)


def _signatures(target: Any) -> list[str]:
    """Texts of the signatures that the decorator was given: none, one or a list of them."""
    if target is None:
        return []
    many = target if isinstance(target, list) else [target]
    if isinstance(target, tuple) and not all(isinstance(t, (Type, tuple)) for t in target):
        many = list(target)
    return [signature_text(one) for one in many]


def _decorate(function: Any, signatures: list[str], chosen: dict[str, Any]) -> Any:
    if isinstance(function, Dispatcher):
        function = function.py_func
    if not isinstance(function, types.FunctionType):
        hint = "; put @jit below it" if isinstance(function, (staticmethod, classmethod, property)) else ""
        raise TypeError(f"jit() decorates functions, not {type(function).__name__}{hint}")
    made: Dispatcher[..., Any] = Dispatcher(function, **_watcher.options(chosen))
    _watcher.made(made, signatures)
    return made


def _jit(target: Any, options: dict[str, Any]) -> Any:
    chosen = resolve(options)
    if isinstance(target, (Dispatcher, types.FunctionType, type, staticmethod, classmethod, property)):
        return _decorate(target, [], chosen)
    signatures = _signatures(target)
    return lambda function: _decorate(function, signatures, chosen)


@overload
def jit(function: Callable[P, T], /, **options: Unpack[Options]) -> Dispatcher[P, T]: ...
@overload
def jit(
    signatures: AnySignature | Sequence[AnySignature] | None = None, /, **options: Unpack[Options]
) -> Callable[[Callable[P, T]], Dispatcher[P, T]]: ...
def jit(function: Any = None, /, **options: Any) -> Any:
    """Compile a function for the argument types it is called with.

    Use it bare (`@jit`) or with arguments: a signature or a list of them compiles at once. A signature is
    text (`"float64(float64[:, ::1])"`) or made of the types of the package.

    strict: raise CompileError instead of falling back to the interpreter; nopython is Numba's name of it.
    overflow: "raise" keeps Python ints exact, "wrap" wraps them at 64 bits. nogil: other threads run
    meanwhile, where the machine code touches no Python object. cache: what is compiled is kept on the disk
    for other processes. fastmath: sums of floats may be taken in another order. boundscheck: False takes
    indices as they are, and one out of range reads or writes other memory. parallel, error_model, inline,
    errstate, forceobj, looplift, locals and debug are accepted and change nothing yet.

    Raises TypeError for an unknown option and ValueError for a wrong value or signature.
    """
    return _jit(function, options)


@overload
def njit(function: Callable[P, T], /, **options: Unpack[Options]) -> Dispatcher[P, T]: ...
@overload
def njit(
    signatures: AnySignature | Sequence[AnySignature] | None = None, /, **options: Unpack[Options]
) -> Callable[[Callable[P, T]], Dispatcher[P, T]]: ...
def njit(function: Any = None, /, **options: Any) -> Any:
    """`jit(strict=True)`: CompileError where something has no static type."""
    return _jit(function, {"strict": True, **options})
