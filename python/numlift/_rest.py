"""The rest of a function from a loop on: a first call that the interpreter began goes on in machine code.

Before: `f(cfg, a)` with `s = cfg["s"]` in front of a loop, which has no types until `s` has a value.
After: a function `f(cfg, a, s)` that begins with the loop, with the names, lines and file of `f`. It is
compiled for the values that the variables have there.
"""

import ast
import re
import types
from collections.abc import Callable
from typing import Any

from numlift import _core
from numlift._islands import Builder
from numlift._managers import load
from numlift._source import compilable

_READY, _LEAVE = "<ready>", "<leave>"
#: Loops of a function at which it may be left: each costs a compilation.
_MOST = 4
#: Code with these names may look at its frame, or at which object a number is.
_FRAME = {"locals", "vars", "dir", "eval", "exec", "_getframe", "currentframe", "stack", "id", "__class__"}
_PRIVATE = re.compile(r"_[^_]\w*__\w")


class _Bound:
    """Variables of a function that statements have bound for certain, and those that they may have bound."""

    def __init__(self, names: list[str]) -> None:
        self.sure, self.maybe = dict.fromkeys(names), set[str]()

    def add(self, node: ast.stmt) -> None:
        simple = isinstance(
            node, (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.Import, ast.ImportFrom)
        )
        sure: list[str] = []
        for name in _stored(node, sure):
            if simple and name in sure:
                self.sure[name] = None
            elif name not in self.sure:
                self.maybe.add(name)
        if isinstance(node, ast.AnnAssign) and node.value is None:
            return
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Del):
                self.sure.pop(part.id, None)
                self.maybe.add(part.id)


def _stored(node: ast.stmt, sure: list[str]) -> list[str]:
    """Names that a statement binds; in `sure` those that it binds whenever it does not fail."""
    found = []
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        sure += [alias.asname or alias.name.split(".")[0] for alias in node.names]
    elif isinstance(node, ast.Assign):
        sure += [n.id for t in node.targets for n in ast.walk(t) if isinstance(n, ast.Name)]
    elif isinstance(node, (ast.AugAssign, ast.AnnAssign)) and isinstance(node.target, ast.Name):
        sure += [node.target.id] if node.value is not None else []
    inner = _comprehended(node)
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store) and part not in inner:
            found.append(part.id)
        elif isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.append(part.name)
        elif isinstance(part, (ast.Import, ast.ImportFrom)):
            found += [alias.asname or alias.name.split(".")[0] for alias in part.names]
        elif isinstance(part, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and part.name:
            found.append(part.name)
        elif isinstance(part, ast.MatchMapping) and part.rest:
            found.append(part.rest)
    return found


def _comprehended(node: ast.stmt) -> set[ast.AST]:
    """Variables of comprehensions, which are not the function's."""
    return {part for c in ast.walk(node) if isinstance(c, ast.comprehension) for part in ast.walk(c.target)}


def _names(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def _needs(node: ast.stmt, name: str) -> bool:
    """Whether a statement may read what a variable was before."""
    if not isinstance(node, ast.For) or name not in _names(node.target):
        return name in _names(node)
    return any(name in _names(part) for part in (node.iter, *node.orelse))


def _may_be_left(function: types.FunctionType, own: ast.FunctionDef) -> bool:
    """Whether variables are all that the rest of a function has from what was before."""
    code = function.__code__
    names = {*code.co_names, *code.co_varnames}
    declared = any(isinstance(n, (ast.Global, ast.Nonlocal)) for n in ast.walk(own))
    private = any(_PRIVATE.match(n) for n in names)
    captures = code.co_freevars or code.co_cellvars
    return not (captures or declared or private or names & _FRAME or _compares_identities(own))


def _compares_identities(own: ast.FunctionDef) -> bool:
    """Whether it may find that a number is another object than before."""
    for node in ast.walk(own):
        if isinstance(node, ast.Compare):
            sides = (node.left, *node.comparators)
            for op, left, right in zip(node.ops, sides, sides[1:], strict=False):
                constant = any(isinstance(side, ast.Constant) for side in (left, right))
                if isinstance(op, (ast.Is, ast.IsNot)) and not constant:
                    return True
    return False


class _Place:
    """A loop at which a function may be left, and the variables that the rest uses."""

    def __init__(self, loop: ast.stmt, names: list[str]) -> None:
        self.loop, self.names = loop, names


def _places(function: types.FunctionType, own: ast.FunctionDef) -> list[_Place]:
    if not _may_be_left(function, own):
        return []
    code = function.__code__
    flags = code.co_flags
    n = code.co_argcount + code.co_kwonlyargcount + bool(flags & 4) + bool(flags & 8)
    bound = _Bound(list(code.co_varnames[:n]))
    places: list[_Place] = []
    line = own.lineno
    for i, node in enumerate(own.body):
        # the text before it is left out by lines
        if isinstance(node, (ast.For, ast.While)) and node.lineno > line and len(places) < _MOST:
            rest = own.body[i:]
            used = set().union(*(_names(later) for later in rest))
            unsure = used & (bound.maybe - bound.sure.keys())
            if not any(_needs(later, name) for name in unsure for later in rest):
                places.append(_Place(node, [name for name in bound.sure if name in used]))
        bound.add(node)
        line = node.end_lineno or node.lineno
    return places


class Rests:
    """The rests of a function, made and compiled when a call comes to their loops."""

    def __init__(
        self,
        function: types.FunctionType,
        own: ast.FunctionDef,
        source: str,
        first_line: int,
        make: Callable[[types.FunctionType], Any],
    ) -> None:
        self.function, self.own, self.source, self.first_line = function, own, source, first_line
        self.make = make
        self.places = _places(function, own)
        self.made: dict[int, Any] = {}

    def ready(self, number: int, values: tuple[Any, ...]) -> bool:
        """Whether machine code goes on at a loop with these values of its variables."""
        return bool(_core.aside(self._is_compiled, number, values))

    def _is_compiled(self, number: int, values: tuple[Any, ...]) -> bool:
        rest = self.made.get(number)
        if rest is None:
            rest = self.made[number] = self.make(self._rest(self.places[number]))
        return bool(rest.tier(*values) != "interpreter")

    def leave(self, number: int, values: tuple[Any, ...]) -> object:
        """What the function returns for the call to go on so."""
        return _core.Left(self.made[number], values)

    def lines(self) -> list[tuple[int, Any]]:
        """The lines of the loops that calls went on at, and what is compiled there."""
        return [(self.places[number].loop.lineno, rest) for number, rest in self.made.items()]

    def _rest(self, place: _Place) -> types.FunctionType:
        lines = self.source.splitlines(keepends=True)
        begin, end = self.own.lineno - self.first_line, place.loop.lineno - self.first_line
        indent = lines[begin][: len(lines[begin]) - len(lines[begin].lstrip())]
        header = f"{indent}def {self.own.name}({', '.join(place.names)}):\n"
        text = "".join([*lines[:begin], header, *["\n"] * (end - begin - 1), *lines[end:]])
        code = self.function.__code__
        whole, before = compilable(text)
        tree = ast.increment_lineno(ast.parse(whole), self.first_line - 1 - before)
        flags = code.co_flags & 0x1FFE000
        made = _find(compile(tree, code.co_filename, "exec", flags=flags, dont_inherit=True), code)
        rest = types.FunctionType(
            made.replace(co_qualname=code.co_qualname), self.function.__globals__, self.function.__name__
        )
        rest.__qualname__, rest.__module__ = self.function.__qualname__, self.function.__module__
        rest.__dict__["__numlift_text__"] = text
        return rest

    def before_loops(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """The body of the function with the places at which it may be left."""
        switches = {place.loop: self._switch(i, place) for i, place in enumerate(self.places)}
        made: list[ast.stmt] = []
        for node in body:
            if node in switches:
                # in front of what counts the line
                at = len(made)
                while at and getattr(made[at - 1], "lineno", None) == node.lineno:
                    at -= 1
                made.insert(at, switches[node])
            made.append(node)
        return made

    def _switch(self, number: int, place: _Place) -> ast.stmt:
        def call(name: str) -> ast.expr:
            values = ast.Tuple([load(n) for n in place.names], ast.Load())
            return ast.Call(load(name), [ast.Constant(number), values], [])

        switch = ast.If(call(_READY), [ast.Return(call(_LEAVE))], [])
        return ast.fix_missing_locations(ast.copy_location(switch, place.loop))

    def cells(self) -> dict[str, types.CellType]:
        """The variables of the switches."""
        return {_READY: types.CellType(self.ready), _LEAVE: types.CellType(self.leave)}


def leaving(builder: Builder, make: Callable[[types.FunctionType], Any]) -> None:
    """What the builder makes of the function may be left at a loop; `make` compiles the rest."""
    if builder.own is not None:
        builder.rests = Rests(builder.function, builder.own, builder.source, builder.first_line, make)


def _find(code: types.CodeType, like: types.CodeType) -> types.CodeType:
    found = (c for c in code.co_consts if isinstance(c, types.CodeType))
    return next(c for c in found if c.co_name == like.co_name)
