"""A function's source text by itself, and whether it is still what its code was made from."""

import opcode
from types import CodeType, FunctionType
from typing import Any


def compilable(source: str) -> tuple[str, int]:
    """Text that compiles at the top of a module, and how many lines are before `source` in it.

    What is indented becomes a block: no line moves, those within strings least of all.
    """
    if source.lstrip("\f")[:1] in (" ", "\t"):
        return "if True:\n" + source, 1
    return source, 0


def _find(code: CodeType, name: str, args: tuple[str, ...]) -> CodeType | None:
    for const in code.co_consts:
        if isinstance(const, CodeType):
            if const.co_name == name and const.co_varnames[: len(args)] == args:
                return const
            found = _find(const, name, args)
            if found is not None:
                return found
    return None


def _constants(code: CodeType) -> list[Any]:
    """Constants by representation (so that 0.0, -0.0, 0 and False differ), nested code left out."""
    return [repr(c) for c in code.co_consts if not isinstance(c, (CodeType, frozenset))]


# What attribute access compiles to depends on the rest of the module (whether a name is imported).
_VARIES = {
    opcode.opmap.get(name, -1)
    for name in ("CACHE", "EXTENDED_ARG", "LOAD_ATTR", "LOAD_METHOD", "NOP", "PRECALL", "PUSH_NULL")
}
_ARGUMENTS = {
    opcode.opmap.get(name, -1)
    for name in ("BINARY_OP", "COMPARE_OP", "LOAD_CONST", "LOAD_FAST", "STORE_FAST")
}


def _operations(code: CodeType) -> list[tuple[int, int]]:
    raw = code.co_code
    pairs = zip(raw[0::2], raw[1::2], strict=True)
    return [(op, arg if op in _ARGUMENTS else 0) for op, arg in pairs if op not in _VARIES]


def unchanged(function: FunctionType, source: str) -> bool:
    """Compile the text again and compare; a text that is no statement of its own passes."""
    code = function.__code__
    try:
        text, _ = compilable(source)
        made = compile(text, code.co_filename, "exec", flags=code.co_flags & 0x1FFE000, dont_inherit=True)
    except (SyntaxError, ValueError):
        return True
    found = _find(made, code.co_name, code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
    if found is None:
        return code.co_name == "<lambda>"
    if _constants(found) != _constants(code):
        return False
    # Without its enclosing function a closure's variables compile to globals.
    return bool(code.co_freevars or code.co_cellvars) or _operations(found) == _operations(code)


def lines(code: CodeType) -> int:
    """How many lines it has, from its first one on."""
    nested = [c for c in code.co_consts if isinstance(c, CodeType)]
    last = max((line or 0 for _, _, line in code.co_lines()), default=0)
    return max([last, *(c.co_firstlineno + lines(c) - 1 for c in nested)]) - code.co_firstlineno + 1
