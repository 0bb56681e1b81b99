"""Texts beside a compiled module: type stubs and a C header."""

import inspect
import re
import types
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple


class Typed(NamedTuple):
    """A specialisation: types of the arguments and of the result as they are printed."""

    arguments: tuple[str, ...]
    result: str | None


_PYTHON = frozenset({"bool", "int", "float", "complex", "None", "range"})


def split(text: str) -> list[str]:
    """The parts of a text between its top-level commas."""
    parts, depth = [""], 0
    for c in text:
        depth += (c in "([") - (c in ")]")
        if c == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += c
    return [part.strip() for part in parts if part.strip()]


def annotation(text: str | None) -> str:
    """The type that a type checker knows for a type as it is printed."""
    if text is None:
        return "Any"
    if " | " in text:
        return _union(annotation(part) for part in text.split(" | "))
    if text in _PYTHON:
        return text
    if text.startswith("np."):
        return f"np.{text[3:].replace('bool', 'bool_')}"
    if text.startswith("(") and text.endswith(")"):
        return f"tuple[{', '.join(map(annotation, split(text[1:-1]))) or '()'}]"
    found = re.fullmatch(r"(?:readonly )?(\w+)\[[:1, ]+\]", text)
    if found:
        return f"npt.NDArray[np.{found[1].replace('bool', 'bool_')}]"
    return "Any"


def _union(texts: Iterable[str]) -> str:
    kinds = list(dict.fromkeys(texts))
    return "Any" if "Any" in kinds else " | ".join(kinds)


def _function(name: str, function: Callable[..., Any], typed: Sequence[Typed]) -> str:
    """`def` of a function; the types are those that it was compiled for."""
    parts: list[str] = []
    parameters = list(inspect.signature(function).parameters.values())
    kinds = [p.kind for p in parameters]
    for i, p in enumerate(parameters):
        if p.kind is p.KEYWORD_ONLY and p.KEYWORD_ONLY not in kinds[:i] and p.VAR_POSITIONAL not in kinds:
            parts.append("*")
        type_ = _union(annotation(t.arguments[i]) for t in typed) if typed else "Any"
        star = "*" if p.kind is p.VAR_POSITIONAL else "**" if p.kind is p.VAR_KEYWORD else ""
        default = "" if p.default is p.empty else " = ..."
        parts.append(f"{star}{p.name}: {type_}{default}")
        if p.kind is p.POSITIONAL_ONLY and p.POSITIONAL_ONLY not in kinds[i + 1 :]:
            parts.append("/")
    result = _union(annotation(t.result) for t in typed) if typed else "Any"
    return f"def {name}({', '.join(parts)}) -> {result}: ..."


def type_stub(module: types.ModuleType, compiled: dict[str, tuple[Callable[..., Any], list[Typed]]]) -> str:
    """The stub of a module; `compiled` are its functions with machine code, by name.

    What is neither a function nor a class is of type Any.
    """
    lines: list[str] = []
    for name, value in vars(module).items():
        own = getattr(value, "__module__", None) == module.__name__
        if not name.isidentifier() or name.startswith("__"):
            continue
        if name in compiled:
            lines.append(_function(name, *compiled[name]))
        elif own and isinstance(value, type):
            lines.append(f"class {name}:")
            lines.append("    def __init__(self, *args: Any, **kwargs: Any) -> None: ...")
            lines.append("    def __getattr__(self, name: str) -> Any: ...")
        elif own and callable(value):
            function = getattr(value, "py_func", value)
            if isinstance(function, types.FunctionType):
                lines.append(_function(name, function, []))
    body = "\n".join(lines)
    imports = ["from typing import Any\n"]
    if "np." in body:
        imports.append("import numpy as np")
    if "npt." in body:
        imports.append("import numpy.typing as npt")
    head = "\n".join([*imports, ""])
    return f"{head}\n{body}\n\ndef __getattr__(name: str) -> Any: ...\n"
