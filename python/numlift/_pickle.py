"""Jitted functions in other processes: by name where they can be imported, else by value with their source.

A function by value is the work of cloudpickle; what it leaves behind are the name of the file and the text,
without which nothing can be compiled.
"""

import inspect
import linecache
import sys
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

#: Qualified name of a function, its file, its first line, its text.
Text = tuple[str, str, int, list[str]]


def by_name(module: str, qualname: str) -> Any:
    """What is there. Raises ImportError or AttributeError if nothing is."""
    __import__(module)
    found: Any = sys.modules[module]
    for part in qualname.split("."):
        found = getattr(found, part)
    return found


def is_importable(dispatcher: Any, function: FunctionType) -> bool:
    """Whether another process finds it by its name.

    The main module is another one there, unless `multiprocessing` has made it: then the pickler is Python's.
    """
    module, name = function.__module__, function.__qualname__
    try:
        found = by_name(module, name) is dispatcher
    except (ImportError, AttributeError, KeyError, ValueError):
        return False
    return found and (module != "__main__" or not _is_cloudpickle())


def _is_cloudpickle() -> bool:
    """Whether the pickler that asks is cloudpickle's, or the copy of it in another package."""
    frame = sys._getframe(3)
    return "cloudpickle" in str(frame.f_globals.get("__name__", "")) if frame else False


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _names(const)


def _functions(function: object, seen: dict[int, FunctionType]) -> None:
    """The function and those that it may call, by identity."""
    function = getattr(function, "py_func", function)
    if not isinstance(function, FunctionType) or id(function) in seen:
        return
    seen[id(function)] = function
    for name in _names(function.__code__):
        _functions(function.__globals__.get(name), seen)
    for cell in function.__closure__ or ():
        try:
            _functions(cell.cell_contents, seen)
        except ValueError:
            continue


def _reachable(function: FunctionType) -> list[FunctionType]:
    found: dict[int, FunctionType] = {}
    _functions(function, found)
    return list(found.values())


def texts(function: FunctionType) -> list[Text]:
    """The texts of a function and of those that it may call; those that can be imported bring their files."""
    rows = []
    for f in _reachable(function):
        if f is not function and f.__module__ in sys.modules and f.__module__ != "__main__":
            continue
        code = f.__code__
        lines = linecache.getlines(code.co_filename, f.__globals__)[code.co_firstlineno - 1 :]
        if lines:
            block = inspect.getblock(lines)
            rows.append((f.__qualname__, code.co_filename, code.co_firstlineno, block))
    return rows


def _file(filename: str, first: int, lines: list[str]) -> str:
    """A file that has the text at its place: the one it is from, or one that `linecache` alone knows."""
    if linecache.getlines(filename)[first - 1 : first - 1 + len(lines)] == lines:
        return filename
    filename = f"<pickled {filename}>"
    known = list(linecache.getlines(filename))
    known += ["\n"] * (first - 1 + len(lines) - len(known))
    known[first - 1 : first - 1 + len(lines)] = lines
    linecache.cache[filename] = (sum(map(len, known)), None, known, filename)
    return filename


def _renamed(code: CodeType, filename: str) -> CodeType:
    consts = tuple(_renamed(c, filename) if isinstance(c, CodeType) else c for c in code.co_consts)
    return code.replace(co_filename=filename, co_consts=consts)


def install(function: FunctionType, rows: list[Text]) -> None:
    """Gives functions that came by value their files again."""
    places = {(name, first): (filename, lines) for name, filename, first, lines in rows}
    for f in _reachable(function):
        place = places.get((f.__qualname__, f.__code__.co_firstlineno))
        # where Python has not read it from a file itself
        if place is None or linecache.getlines(f.__code__.co_filename, f.__globals__):
            continue
        filename = _file(place[0], f.__code__.co_firstlineno, place[1])
        f.__code__ = _renamed(f.__code__, filename)
