"""Functions that the interpreter runs as a whole, made into copies that count and time their lines.

Before: `while x: f()`. After: `while <come>(3) or x: <come>(4); f()`. Files, lines and names stay the same,
so do tracebacks. A line is counted where a statement begins at it: a loop before each turn and where it ends,
`except` when its class is compared, `case` when it is taken.
"""

import ast
import types
from collections.abc import Callable
from typing import Any

from numlift._islands import Builder, Watch, blocks
from numlift._managers import load
from numlift._rest import leaving
from numlift._source import unchanged

#: Code with these names may look at the variables of its frame, among which are those of the counts.
_FRAME = {"locals", "vars", "dir", "eval", "exec", "_getframe", "currentframe", "stack"}

_COME, _MARK, _TURNS = "<come>", "<mark>", "<turns>"


def _names(code: types.CodeType) -> set[str]:
    nested = (_names(c) for c in code.co_consts if isinstance(c, types.CodeType))
    return set(code.co_names).union(*nested)


class _Outlives(ast.NodeVisitor):
    """Whether code of a function runs when its call is over."""

    def __init__(self) -> None:
        self.found = False

    def visit_Yield(self, node: ast.AST) -> None:
        self.found = True

    visit_YieldFrom = visit_Await = visit_Yield

    def _leave_out(self, node: ast.AST) -> None:
        pass

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = _leave_out


def _outlives(body: list[ast.stmt]) -> bool:
    search = _Outlives()
    for node in body:
        search.visit(node)
    return search.found


def _has_code(node: ast.stmt) -> bool:
    constant = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return not (constant or isinstance(node, (ast.Global, ast.Nonlocal)))


class _Counting:
    """Counts the blocks of a function; `timed`: with the time of its lines."""

    def __init__(self, first_line: int, timed: bool) -> None:
        self.first_line, self.timed = first_line, timed

    def block(self, nodes: list[ast.stmt], line: int | None = None) -> None:
        """What is at `line` is counted already."""
        made: list[ast.stmt] = []
        for node in nodes:
            # the test of a `while` counts
            if _has_code(node) and node.lineno != line and not isinstance(node, ast.While):
                made.append(self._statement(node))
            self._parts(node)
            made.append(node)
            line = node.lineno
        nodes[:] = made

    def _parts(self, node: Any) -> None:
        line = node.lineno
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            _Counting(self.first_line, False).block(node.body, line)
            return
        if isinstance(node, ast.For):
            number, timed = ast.Constant(line - self.first_line), ast.Constant(self.timed)
            turns = ast.Call(load(_TURNS), [node.iter, number, timed], [])
            node.iter = ast.copy_location(turns, node.iter)
        elif isinstance(node, ast.While):
            node.test = self._before(node.test, line)
        for handler in getattr(node, "handlers", []):
            if handler.type:
                handler.type = self._before(handler.type, handler.lineno)
            self.block(handler.body, handler.lineno)
            if not handler.type:
                handler.body.insert(0, self._statement(handler))
        for case in getattr(node, "cases", []):
            self.block(case.body, case.pattern.lineno)
            case.body.insert(0, self._statement(case.pattern))
        if not isinstance(node, (ast.Try, ast.TryStar, ast.Match)):
            for inner in blocks(node):
                self.block(inner, line)
            return
        for name in ("body", "orelse", "finalbody"):
            self.block(getattr(node, name, []), line)

    def _call(self, line: int) -> ast.expr:
        return ast.Call(load(_COME if self.timed else _MARK), [ast.Constant(line - self.first_line)], [])

    def _statement(self, node: Any) -> ast.stmt:
        return ast.copy_location(ast.Expr(ast.copy_location(self._call(node.lineno), node)), node)

    def _before(self, value: ast.expr, line: int) -> ast.expr:
        """`<come>(line) or value`"""
        return ast.copy_location(
            ast.BoolOp(ast.Or(), [ast.copy_location(self._call(line), value), value]), value
        )


def counted(
    function: types.FunctionType,
    source: str | None,
    first_line: int,
    watch: tuple[Any, ...] | None,
    make: Callable[[types.FunctionType], Any],
    meter: Any,
) -> types.FunctionType | None:
    """The function with counts of its lines and reports of what it binds; None if it cannot be counted.

    source: None if the compiler did not understand it. watch: a `Watch` of `numlift._islands`.
    make: as for its `observing`.
    """
    if _names(function.__code__) & _FRAME:
        return None
    if source is None:
        import inspect

        try:
            source = inspect.getsource(function)
        except (OSError, TypeError):
            return None
        if not unchanged(function, source):
            return None
    try:
        builder = Builder(function, source, first_line)
    except SyntaxError:
        return None
    own = builder.own
    if own is None:
        return None
    if watch:
        builder.watch(Watch(*watch))
        leaving(builder, make)
    cell = types.CellType
    builder.watching |= {_COME: cell(meter.come), _MARK: cell(meter.mark), _TURNS: cell(meter.turns)}
    _Counting(first_line, not _outlives(own.body)).block(own.body)
    return builder.observing(own)
