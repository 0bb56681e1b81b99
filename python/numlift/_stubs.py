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


class Exported(NamedTuple):
    """A function that C calls.

    parameters: dtype and rank (-1: a number); results: dtypes. names: of the parameters.
    """

    name: str
    signature: str
    parameters: Sequence[tuple[str, int]]
    results: Sequence[str]
    names: Sequence[str]


_C_TYPES = {"float32": "float", "float64": "double", "bool": "bool"}
_WORDS = (
    "auto bool break case char const continue default do double else enum extern false float for goto if "
    "inline int long main register restrict return short signed sizeof static struct switch true typedef "
    "union unsigned void volatile while"
)
_C_WORDS = frozenset(_WORDS.split())


def _c_type(dtype: str) -> str:
    return _C_TYPES.get(dtype, f"{dtype}_t")


def c_name(qualname: str) -> str | None:
    """The name in C; None if there is none."""
    name = qualname.replace(".", "_")
    return name if name.isidentifier() and name.isascii() and name not in _C_WORDS else None


def c_suffix(arguments: Sequence[str]) -> str:
    """What tells specialisations of a function apart: `float64[:, ::1]` is `_float64_2dc`."""
    suffix = ""
    for text in arguments:
        dtype, bracket, dims = text.rstrip("]").partition("[")
        order = "c" if dims.endswith("::1") else "f" if dims.startswith("::1") else ""
        suffix += f"_{dtype.removeprefix('np.')}" + (f"_{dims.count(',') + 1}d{order}" if bracket else "")
    return suffix


def _prototype(f: Exported) -> str:
    parts = []
    for name, (dtype, rank) in zip(f.names, f.parameters, strict=True):
        name = c_name(name) or f"{name}_"
        parts.append(
            f"{_c_type(dtype)} {name}" if rank < 0 else f"const struct numlift_array_{rank}d *{name}"
        )
    for i, dtype in enumerate(f.results):
        name = f"result{i}" if len(f.results) > 1 else "result"
        parts.append(f"{_c_type(dtype)} *{name}{'_' * (name in f.names)}")
    return f"/* {f.signature} */\nint32_t {f.name}({', '.join(parts) or 'void'});\n"


def c_header(module: str, functions: Sequence[Exported]) -> str:
    """The header of the functions that C calls."""
    ranks = sorted({rank for f in functions for _, rank in f.parameters if rank > 0})
    lines = [
        f"/* C functions of the compiled module {module}. Written by `numlift compile`. */",
        f"#ifndef NUMLIFT_MODULE_{module}",
        f"#define NUMLIFT_MODULE_{module}",
        "",
        "#include <stdbool.h>",
        "#include <stdint.h>",
        "",
        "#ifdef __cplusplus",
        'extern "C" {',
        "#endif",
        "",
        "#ifndef NUMLIFT_STATUS",
        "#define NUMLIFT_STATUS",
        "/* What the functions return. Results are set with NUMLIFT_OK only; arrays may be written. */",
        "enum {",
        "    NUMLIFT_OK = 0,",
        "    NUMLIFT_RAISED = 1,   /* Python would raise an exception */",
        "    NUMLIFT_LEFT = 2,     /* Python would go on without machine code: an int beyond 64 bits */",
        "    NUMLIFT_ARGUMENT = 3, /* an array is not aligned or contiguous as the signature says */",
        "    NUMLIFT_UNUSABLE = 4  /* the code cannot run on this processor */",
        "};",
        "#endif",
        "",
    ]
    for rank in ranks:
        lines += [
            f"#ifndef NUMLIFT_ARRAY_{rank}D",
            f"#define NUMLIFT_ARRAY_{rank}D",
            f"struct numlift_array_{rank}d {{",
            "    void *data;",
            f"    intptr_t shape[{rank}];",
            f"    intptr_t strides[{rank}]; /* in bytes */",
            "};",
            "#endif",
            "",
        ]
    lines += [
        "/* Why the last call of this thread that failed did; valid until the next one does. */",
        f"const char *{module}_error(void);",
        "",
    ]
    lines += [_prototype(f) for f in functions]
    lines += ["#ifdef __cplusplus", "}", "#endif", "#endif", ""]
    return "\n".join(lines)
