"""Context managers of compiled `with` statements: code that enters and leaves them, and goes on inside."""

import _thread
import ast
import contextlib
import dis
import sys
import types
import warnings
from typing import Any

_MISSING = object()

#: Managers that change nothing that machine code depends on, by their exact types.
_HARMLESS = {contextlib.nullcontext, contextlib.suppress, _thread.LockType, type(_thread.RLock())}

#: What NumPy does about floating-point errors that machine code does not.
_FATAL = {"raise", "call", "print", "log"}


def load(name: str) -> ast.expr:
    return ast.Name(name, ast.Load())


def store(name: str) -> ast.expr:
    return ast.Name(name, ast.Store())


def _special(manager: Any, name: str) -> Any:
    """A method as `with` looks it up: on the type."""
    kind = type(manager)
    for base in kind.__mro__:
        found = base.__dict__.get(name, _MISSING)
        if found is not _MISSING:
            get = getattr(type(found), "__get__", None)
            return found if get is None else get(found, manager, kind)
    return _MISSING


def specials(manager: Any) -> tuple[Any, Any] | None:
    """The methods that enter and leave a manager; None if it has not both."""
    enter = _special(manager, "__enter__")
    leave = _special(manager, "__exit__") if enter is not _MISSING else _MISSING
    return None if leave is _MISSING else (enter, leave)


def keeps_silent(manager: Any) -> bool:
    """Whether what machine code does not look at is no error inside of a manager that was entered."""
    if type(manager) in _HARMLESS:
        return True
    if isinstance(manager, warnings.catch_warnings):
        return False
    numpy = sys.modules.get("numpy")
    return numpy is None or _FATAL.isdisjoint(numpy.geterr().values())


class Again:
    """Stands for managers that were entered already: a class for each, as `with` looks methods up on it."""

    def __new__(cls, leave: Any) -> Any:
        return types.new_class("entered", (), {}, lambda space: space.update(_methods(leave)))()


def _methods(leave: Any) -> dict[str, Any]:
    return {"__enter__": lambda self: None, "__exit__": staticmethod(leave)}


def _lines() -> tuple[bool, bool]:
    """Whether CPython gives entering and leaving the line of the expression, not that of the statement."""
    code = compile("with (\n a\n):\n pass", "", "exec")
    entering, leaving = ("BEFORE_WITH", "LOAD_SPECIAL"), ("WITH_EXCEPT_START",)
    found = [(i.opname, i.positions and i.positions.lineno) for i in dis.get_instructions(code)]
    at = [next((line for name, line in found if name in names), 1) for names in (entering, leaving)]
    return at[0] == 2, at[1] == 2


_ENTERS_AT_EXPRESSION, _LEAVES_AT_EXPRESSION = _lines()


def enter(node: ast.With, item: ast.withitem, wanted: bool, reports: list[ast.stmt]) -> list[ast.stmt]:
    """Enters a manager; whether native code may run inside, what it gives if wanted, its `__exit__`."""
    place = item.context_expr if _ENTERS_AT_EXPRESSION else node
    manager = ast.Assign([store("<manager>")], item.context_expr)
    methods = ast.Assign([store("<methods>")], ast.Call(load("<specials>"), [load("<manager>")], []))
    # the interpreter says what is missing
    wrong = ast.With([ast.withitem(load("<manager>"), None)], [ast.Pass()])
    test = ast.If(ast.Compare(load("<methods>"), [ast.Is()], [ast.Constant(None)]), [wrong], [])
    entering, leaving = (ast.Subscript(load("<methods>"), ast.Constant(i), ast.Load()) for i in (0, 1))
    value = ast.Assign([store("<value>")], ast.Call(entering, [], []))
    silent = ast.Call(load("<silent>"), [load("<manager>")], [])
    outs: list[ast.expr] = [silent, *([load("<value>")] if wanted else []), leaving]
    result = ast.Return(ast.Tuple(outs, ast.Load()))
    made: list[ast.stmt] = [ast.copy_location(manager, item.context_expr)]
    rest = [methods, test, value, *reports, result]
    return made + [ast.fix_missing_locations(ast.copy_location(s, place)) for s in rest]


def leave(node: ast.With, item: ast.withitem) -> list[ast.stmt]:
    """`<exit>(None, None, None)`"""
    none: list[ast.expr] = [ast.Constant(None), ast.Constant(None), ast.Constant(None)]
    return [_placed(node, item, ast.Expr(ast.Call(load("<exit>"), none, [])))]


def suppress(node: ast.With, item: ast.withitem) -> list[ast.stmt]:
    """`return True if <exit>(type(e), e, e.__traceback__) else False`"""
    given = ast.Call(load("<raised>"), [load("<exception>")], [])
    call = ast.Call(load("<exit>"), [ast.Starred(given, ast.Load())], [])
    return [_placed(node, item, ast.Return(ast.IfExp(call, ast.Constant(True), ast.Constant(False))))]


def _placed(node: ast.With, item: ast.withitem, made: ast.stmt) -> ast.stmt:
    place = item.context_expr if _LEAVES_AT_EXPRESSION else node
    return ast.fix_missing_locations(ast.copy_location(made, place))


def raised(exception: BaseException) -> tuple[Any, BaseException, Any]:
    """What `__exit__` is called with."""
    return type(exception), exception, exception.__traceback__


def inside(names: list[str], body: list[ast.stmt], node: ast.stmt) -> list[ast.stmt]:
    """`with <again>(name), ...: body`"""
    if not names:
        return body
    items = [ast.withitem(ast.Call(load("<again>"), [load(name)], []), None) for name in names]
    made = ast.With(items, body or [ast.Pass()])
    return [ast.copy_location(made, node)]


#: What the code that is made calls.
CALLED: dict[str, Any] = {
    "<specials>": specials,
    "<silent>": keeps_silent,
    "<raised>": raised,
    "<again>": Again,
}
