"""Plain functions that islands call: their loops are compiled too.

The call `g(a)` in an island becomes `<inner>(g)(a)`. What `g` is decides when it is called: a function with
loops is called as if it were jitted, anything else as it is.
"""

import ast
import copy
import dis
import inspect
import types
from collections.abc import Callable
from typing import Any, NamedTuple

#: The name of an `Inner` in the code of islands.
INNER = "<inner>"
#: Functions that one function's islands may have compiled.
_MOST = 16
_LOOP = dis.opmap.get("JUMP_BACKWARD")
_OTHERS = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


def has_loop(function: object) -> bool:
    """Whether it is a Python function with a loop of its own."""
    if type(function) is not types.FunctionType or _LOOP is None:
        return False
    code = function.__code__
    return not code.co_flags & _OTHERS and _LOOP in code.co_code[::2]


class _Known(NamedTuple):
    """A function with what it was compiled with."""

    compiled: Callable[..., Any]
    code: types.CodeType
    defaults: tuple[Any, ...] | None
    named: dict[str, Any] | None


class Inner:
    """Gives what stands for a function in a call."""

    def __init__(self, make: Callable[[types.FunctionType], Callable[..., Any]]) -> None:
        self.make = make
        self.known: dict[types.FunctionType, _Known | None] = {}

    def __call__(self, function: Any) -> Any:
        if type(function) is not types.FunctionType:
            return function
        try:
            known = self.known[function]
        except KeyError:
            known = self._new(function)
        if (
            known is None
            or function.__code__ is not known.code
            or function.__defaults__ is not known.defaults
            or function.__kwdefaults__ is not known.named
        ):
            return function
        return known.compiled

    def _new(self, function: types.FunctionType) -> _Known | None:
        if len(self.known) >= _MOST:
            return None
        made = None
        if has_loop(function):
            compiled = self.make(function)
            made = _Known(compiled, function.__code__, function.__defaults__, function.__kwdefaults__)
        self.known[function] = made
        return made


class Calls(ast.NodeTransformer):
    """Calls of names that are functions with loops go through an `Inner`."""

    def __init__(self, function: types.FunctionType) -> None:
        code = function.__code__
        self.local = {*code.co_varnames, *code.co_cellvars}
        cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
        self.outside = {name: cell for name, cell in cells if name not in self.local}
        self.globals = function.__globals__
        self.any = False

    def block(self, nodes: list[ast.stmt]) -> list[ast.stmt]:
        """The statements, the same ones if there is no such call."""
        made = [self.visit(copy.deepcopy(node)) for node in nodes]
        return made if self.any else nodes

    def _value(self, name: str) -> object:
        cell = self.outside.get(name)
        try:
            return cell.cell_contents if cell is not None else self.globals.get(name)
        except ValueError:
            return None

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        func = node.func
        if isinstance(func, ast.Name) and func.id not in self.local and has_loop(self._value(func.id)):
            self.any = True
            call = ast.Call(ast.copy_location(ast.Name(INNER, ast.Load()), func), [func], [])
            node.func = ast.copy_location(call, func)
        return node

    def _keep(self, node: ast.AST) -> ast.AST:
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = visit_Lambda = _keep
