"""Errors and warnings, and how a failure in native code becomes the interpreter's exception."""

import builtins
import cmath
import functools
import math
import operator
import sys
import types
import warnings
from typing import Any

import numpy as np

_PACKAGE = __name__.rpartition(".")[0]


class NumliftError(Exception):
    """Base of numlift's own errors."""


class CompileError(NumliftError):
    """A function cannot be compiled and `strict=True` asked for that to be an error.

    code: the diagnostic's code; message; filename; lineno.
    """

    def __init__(
        self, text: str, code: str = "", message: str = "", filename: str = "", lineno: int = 0
    ) -> None:
        super().__init__(text)
        self.code, self.message, self.filename, self.lineno = code, message, filename, lineno

    def __reduce__(self) -> tuple[Any, ...]:
        return (CompileError, (self.args[0], self.code, self.message, self.filename, self.lineno))


class NumliftFallbackWarning(UserWarning):
    """A function runs in the interpreter; the text says where and why."""


class NumliftCacheWarning(UserWarning):
    """Specialisations cannot be kept on the disk; they are compiled in each process. The text says why."""


def compile_error(text: str, code: str, message: str, filename: str, lineno: int) -> CompileError:
    return CompileError(text, code, message, filename, lineno)


def _warn(text: str, category: type[Warning]) -> None:
    """Warns at the caller's line, outside this package."""
    level, frame = 2, sys._getframe(1)
    while frame is not None and str(frame.f_globals.get("__name__", "")).startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back  # type: ignore[assignment]
    warnings.warn(text, category, stacklevel=level)


def warn_fallback(name: str, text: str, code: str) -> None:
    _warn(f"{name} runs in the interpreter: {text}", NumliftFallbackWarning)


def warn_cache(problem: str) -> None:
    _warn(f"nothing is cached: {problem}", NumliftCacheWarning)


def _raise(class_: type[BaseException], args: tuple[Any, ...] = (), *cause: Any) -> None:
    """`raise class_(*args)`, `from None` or `from cause[0](*cause[1])`."""
    if not cause:
        raise class_(*args)
    raise class_(*args) from (None if cause[0] is None else cause[0](*cause[1]))


_NAMESPACE = {"np": np, "math": math, "cmath": cmath, "operator": operator, "raise_": _raise}


@functools.cache
def _compiled(expr: str) -> types.CodeType:
    return compile(expr, "<numlift>", "eval")


def replay(expr: str, operands: tuple[Any, ...]) -> BaseException:
    """The exception that the interpreter raises for an operation on these operands."""
    names = dict(zip("abcdefghijklmnop", operands, strict=False))
    try:
        with np.errstate(all="ignore"):
            eval(_compiled(expr), {**_NAMESPACE, **names})
    except BaseException as e:
        return e.with_traceback(None)
    return SystemError(f"numlift: {expr} with {operands} does not fail in the interpreter")


def make(name: str, args: list[str], cause_none: bool) -> BaseException:
    """The exception of a `raise` statement; args are Python literals."""
    exc: BaseException = getattr(builtins, name)(*[eval(a, {"__builtins__": builtins}) for a in args])
    if cause_none:
        exc.__cause__ = None
    # as a `raise` statement does: the caller may be in a handler
    exc.__context__ = sys.exception()
    return exc


def _line_table(code: types.CodeType, delta: int) -> bytes:
    """All code on the line `co_firstlineno + delta`, no columns: nobody underlines what is not there."""
    number = -delta << 1 | 1 if delta < 0 else delta << 1
    digits = []
    while number >= 64:
        digits.append(64 | number & 63)
        number >>= 6
    table, units = bytearray(), len(code.co_code) // 2
    while units > 0:
        count = min(units, 8)
        table += bytes(
            [0x80 | 13 << 3 | count - 1, *(digits if not table else ()), number if not table else 0]
        )
        units -= count
    return bytes(table)


@functools.lru_cache(maxsize=1024)
def _frame(filename: str, name: str, first_line: int, line: int) -> types.FrameType:
    """A frame that a traceback shows as this line of this function."""
    code = compile("\n" * (line - 1) + "frame = __import__('sys')._getframe()", filename, "exec")
    table = _line_table(code, line - first_line)
    code = code.replace(co_name=name, co_firstlineno=first_line, co_linetable=table)
    scope: dict[str, Any] = {"__name__": name}
    exec(code, scope)
    frame: types.FrameType = scope.pop("frame")
    return frame


def with_traceback(exc: BaseException, frames: list[tuple[str, str, int, int]]) -> BaseException:
    """Attaches traceback entries, innermost first."""
    tb = exc.__traceback__
    for filename, name, first_line, line in frames:
        frame = _frame(filename, name, first_line, line)
        # A valid instruction: tools that look it up would search for ever before the first one.
        tb = types.TracebackType(tb, frame, frame.f_lasti, line)
    return exc.with_traceback(tb)
