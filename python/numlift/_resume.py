"""Exits: functions that go on in the middle of a compiled function."""

import ast
import copy
import itertools
import types
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

from numlift._cells import Checked, cell_name
from numlift._islands import CONSTANTS, Builder, blocks, bound, in_cells, inside, unbind
from numlift._managers import inside as inside_managers
from numlift._managers import load, store


class Point(NamedTuple):
    """Where a function is gone on with: at a statement or behind it, or in it.

    at: (start, end) of the statement, bytes of the function's source, as all places are. names: variables.
    nested: those that hold nested functions, with the places of these. captures: variables of functions
    around. done: parts of the statement: ("value", place), ("truth", place, truth), ("old",) for the left
    side of an augmented assignment, ("assign", path of a target) for a value that is still to be stored,
    ("raised",) for an exception that the statement has raised, ("tried", n) if the handlers before number n
    do not handle it, ("left", "break" or "continue") if it was left so.
    call: the place of a call in progress, which the rest of the callee stands for. loops: of the `for`
    statements around. cells: variables that are in cells. ways: how control has left the statements around
    whose `finally` runs, outermost first: "normal", "raised", "return", "break", "continue"; behind a
    `return` that one is the last. entered: of a `with` statement, how many managers have been entered and
    not been left.
    """

    at: tuple[int, int]
    behind: bool
    names: tuple[str, ...]
    nested: tuple[tuple[str, tuple[int, int]], ...]
    captures: tuple[str, ...]
    done: tuple[tuple[Any, ...], ...]
    call: tuple[int, int] | None
    loops: tuple[tuple[int, int], ...]
    cells: tuple[str, ...]
    ways: tuple[str, ...]
    entered: int


class _Rest:
    """Code that goes on at a statement inside compound statements, or in it."""

    def __init__(self, builder: Builder, point: Point) -> None:
        self.builder, self.point = builder, point
        self.target, self.function = builder.running(point.at)
        self.loops = {builder.at(place, ast.stmt): f"<items {i}>" for i, place in enumerate(point.loops)}
        #: handlers, `finally` blocks and context managers around the statement, as far as it is known
        self.handlers = self.finals = self.managers = 0
        self.old: str | None = None
        self.raised: list[str] = []
        self.tried: int | None = None
        self.left: str | None = None
        self.assigned: list[tuple[tuple[int, ...], str]] = []
        self.replaced: dict[Any, ast.expr] = {}
        values = (f"<value {i}>" for i in range(len(point.done)))
        for kind, *rest in point.done:
            if kind == "value":
                self.replaced[self._expression(rest[0])] = load(next(values))
            elif kind == "truth":
                self.replaced[self._expression(rest[0])] = ast.Constant(rest[1])
            elif kind == "old":
                self.old = next(values)
            elif kind == "raised":
                self.raised.append(next(values))
            elif kind == "tried":
                self.tried = rest[0]
            elif kind == "left":
                self.left = rest[0]
            else:
                self.assigned.append((rest[0], next(values)))
        if point.call is not None:
            arguments = ast.Starred(load("<arguments>"), ast.Load())
            self.replaced[self._expression(point.call)] = ast.Call(load("<callee>"), [arguments], [])

    def _expression(self, place: tuple[int, int]) -> Any:
        return self.builder.at(place, ast.expr)

    def visit(self, node: Any) -> Any:
        """A copy in which what is done is replaced: the node itself runs again in other turns."""
        if isinstance(node, list):
            return [self.visit(part) for part in node]
        # statements inside are not in progress
        if not isinstance(node, ast.AST) or (isinstance(node, ast.stmt) and node is not self.target):
            return node
        done = self.replaced.get(node)
        if done is not None:
            return ast.copy_location(done, node)
        made = copy.copy(node)
        for name, part in ast.iter_fields(node):
            setattr(made, name, self.visit(part))
        return made

    def block(self, block: list[ast.stmt]) -> list[ast.stmt]:
        at = next(i for i, s in enumerate(block) if s is self.target or self.target in inside(s))
        begun = self.begun(block[at])
        gone = block[at] is self.target and (self.raised or self.left)
        return begun if gone else [*begun, *block[at + 1 :]]

    def begun(self, node: ast.stmt) -> list[ast.stmt]:
        """The rest of a statement."""
        if node is self.target:
            if self.raised:
                # a manager that raises is not entered, or left
                entering = bool(self.point.entered) and not self.point.behind
                names = self.exits(self.point.entered - entering)
                return inside_managers(names, self.raising(node, self.raised[0]), node)
            if self.left:
                jump: ast.stmt = ast.Break() if self.left == "break" else ast.Continue()
                return [ast.copy_location(jump, node)]
            if isinstance(node, ast.With) and (self.point.behind or self.point.entered):
                return self.with_(node)
            if isinstance(node, ast.Return) and self.point.behind:
                result = load(f"<returned {len(self.point.ways) - 1}>")
                return [ast.copy_location(ast.Return(result), node)]
            return [] if self.point.behind else self.statement(node)
        within = next(b for b in blocks(node) if any(s is self.target or self.target in inside(s) for s in b))
        if isinstance(node, ast.Try):
            return self.protected(node, within)
        if isinstance(node, ast.With):
            names = self.exits(len(node.items))
            return inside_managers(names, self.block(within), node)
        rest = self.block(within)
        if not isinstance(node, (ast.For, ast.While)) or within is node.orelse:
            return rest
        if isinstance(node, ast.For):
            return [self.turn(node, rest)]
        # the first turn is begun already
        first = ast.Assign([store("<first>")], ast.Constant(True))
        either = ast.BoolOp(ast.Or(), [load("<first>"), node.test])
        over = ast.Assign([store("<first>")], ast.Constant(False))
        turn = ast.If(load("<first>"), [over, *rest], node.body)
        return [first, ast.copy_location(ast.While(either, [turn], node.orelse), node)]

    def turn(self, node: ast.For, rest: list[ast.stmt]) -> ast.stmt:
        """A loop with the rest of a turn, then the other ones."""
        item = store("<item>")
        test = ast.Compare(load("<item>"), [ast.Is()], [load("<resume>")])
        assign = ast.copy_location(ast.Assign([node.target], load("<item>")), node.target)
        turn = ast.If(test, rest or [ast.Pass()], [assign, *node.body])
        return ast.copy_location(ast.For(item, load(self.loops[node]), [turn], node.orelse), node)

    def protected(self, node: ast.Try, within: list[ast.stmt]) -> list[ast.stmt]:
        """The rest of a `try` statement. In a handler its exception is raised once more, as it is."""
        if within is node.finalbody:
            return self.leaving(node, lambda: self.block(node.finalbody))
        handler = next((h for h in node.handlers if h.body is within), None)
        if self.tried is not None and within is node.body and self.target in within:
            again = ast.Try(self.block(within), self.handlers_left(node, self.tried), [], node.finalbody)
            return [ast.copy_location(again, node)]
        if handler is None:
            rest = self.block(within) or [ast.Pass()]
            again = (
                ast.Try(rest, node.handlers, node.orelse, node.finalbody)
                if within is node.body
                else ast.Try(rest, [], [], node.finalbody)
            )
            whole = bool(again.handlers or again.finalbody)
            return [ast.copy_location(again, node)] if whole else rest
        caught, keep, restore = self.caught()
        rest = [restore, *self.block(within)]
        again = ast.Try(
            [ast.Raise(caught)],
            [ast.ExceptHandler(load("<BaseException>"), handler.name, rest)],
            [],
            node.finalbody,
        )
        return [ast.copy_location(keep, node), ast.copy_location(again, node)]

    def caught(self) -> tuple[ast.expr, ast.stmt, ast.stmt]:
        """The exception that is handled next, what keeps its state, what restores it when raised again."""
        caught, kept = f"<caught {self.handlers}>", f"<kept {self.handlers}>"
        self.handlers += 1
        keep = ast.Assign([store(kept)], ast.Call(load("<kept>"), [load(caught)], []))
        restore = ast.Expr(ast.Call(load("<restore>"), [ast.Starred(load(kept), ast.Load())], []))
        return load(caught), keep, restore

    def exits(self, count: int) -> list[str]:
        """What leaves the next managers."""
        first = self.managers
        self.managers += count
        return [f"<exit {i}>" for i in range(first, first + count)]

    def with_(self, node: ast.With) -> list[ast.stmt]:
        """The rest of a `with` statement that is being entered or left."""
        names = self.exits(self.point.entered)
        if self.point.behind:
            on = self.leaving(node, list) if len(self.point.ways) > self.finals else []
            return inside_managers(names, on, node)
        items = node.items[self.point.entered :]
        rest: list[ast.stmt] = [ast.copy_location(ast.With(items, node.body), node)] if items else node.body
        return inside_managers(names, rest, node)

    def leaving(self, node: ast.stmt, rest: Callable[[], list[ast.stmt]]) -> list[ast.stmt]:
        """What is still to be done on the next way out of a statement, and where that leads."""
        way, result = self.point.ways[self.finals], f"<returned {self.finals}>"
        self.finals += 1
        if way == "raised":
            caught, keep, restore = self.caught()
            again = ast.Try([ast.Raise(caught)], [], [], [restore, *rest()])
            return [ast.copy_location(keep, node), ast.copy_location(again, node)]
        behind: dict[str, list[ast.stmt]] = {
            "normal": [],
            "return": [ast.Return(load(result))],
            "break": [ast.Break()],
            "continue": [ast.Continue()],
        }
        return [*rest(), *(ast.copy_location(s, node) for s in behind[way])]

    def raising(self, node: ast.stmt, exception: str) -> list[ast.stmt]:
        """Raises an exception as it is: with its traceback and context."""
        keep = ast.Assign([store("<state>")], ast.Call(load("<kept>"), [load(exception)], []))
        restore = ast.Expr(ast.Call(load("<restore>"), [ast.Starred(load("<state>"), ast.Load())], []))
        again = ast.Try(
            [ast.Raise(load(exception))],
            [ast.ExceptHandler(load("<BaseException>"), None, [restore, ast.Raise()])],
            [],
            [],
        )
        return [ast.copy_location(keep, node), ast.copy_location(again, node)]

    def handlers_left(self, node: ast.Try, tried: int) -> list[ast.ExceptHandler]:
        """The handlers from one on whose class is known, or has raised itself."""
        handler, *others = node.handlers[tried:]
        if len(self.raised) > 1:
            again = self.raising(node.body[0], self.raised[1])
            return [ast.ExceptHandler(load("<BaseException>"), None, again)]
        made = ast.ExceptHandler(self.visit(handler.type), handler.name, handler.body)
        return [ast.copy_location(made, handler), *others]

    def statement(self, node: ast.stmt) -> list[ast.stmt]:
        """The statement, without what is done of it."""
        if isinstance(node, ast.For) and node in self.loops:
            if self.assigned:
                return [self.turn(node, [*self.assignments(node), *node.body])]
            # its next turn has not begun
            again = ast.For(node.target, load(self.loops[node]), node.body, node.orelse)
            return [ast.copy_location(again, node)]
        if not self.point.done and self.point.call is None:
            return [node]
        if self.assigned:
            return self.assignments(node)
        if isinstance(node, ast.While):
            # what is done is done in this turn
            first = ast.Assign([store("<first>")], ast.Constant(True))
            over = ast.Assign([store("<first>")], ast.Constant(False))
            test = ast.IfExp(load("<first>"), self.visit(node.test), node.test)
            loop = ast.While(test, [over, *node.body], node.orelse)
            return [first, ast.copy_location(loop, node)]
        if isinstance(node, ast.AugAssign) and self.old is not None:
            value = ast.BinOp(load(self.old), node.op, self.visit(node.value))
            target = self.visit(node.target)
            assign = ast.Assign([target], ast.copy_location(value, node))
            return [ast.copy_location(assign, node)]
        made: ast.stmt = self.visit(node)
        return [made]

    def assignments(self, node: ast.stmt) -> list[ast.stmt]:
        """What a statement has still to assign."""
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]  # type: ignore[attr-defined]
        made: list[ast.stmt] = []
        for path, value in self.assigned:
            target: Any = targets[path[0]]
            for k in path[1:]:
                target = target.elts[k]
            if isinstance(target, ast.Starred):
                target = target.value
            made.append(ast.copy_location(ast.Assign([self.visit(target)], load(value)), node))
        return made

    def functions(self) -> list[ast.stmt]:
        """Nested functions, made again."""
        made: list[ast.stmt] = []
        for i, (name, place) in enumerate(self.point.nested):
            node = copy.deepcopy(self.builder.function_at(place))
            values: list[ast.expr] = [
                ast.Subscript(load(f"<defaults {i}>"), ast.Constant(k), ast.Load())
                for k in range(len(node.args.defaults) + sum(d is not None for d in node.args.kw_defaults))
            ]
            count = len(node.args.defaults)
            node.args.defaults, keyword = values[:count], iter(values[count:])
            node.args.kw_defaults = [None if d is None else next(keyword) for d in node.args.kw_defaults]
            function: ast.expr
            if isinstance(node, ast.Lambda):
                function = node
            else:
                node.name = f"<function {i}> {node.name}"
                made.append(node)
                function = load(node.name)
            made.append(ast.copy_location(ast.Assign([store(name)], function), node))
        return made


def given(value: Any) -> Any:
    """The value itself."""
    return value


def _code(builder: Builder, point: Point) -> types.CodeType:
    """The code of a function from a point on.

    Its parameters: variables, defaults of nested functions, what is done, the call, remaining items of loops,
    cells.
    """
    rest = _Rest(builder, point)
    function = rest.function
    done = sum(part[0] not in ("truth", "left", "tried") for part in point.done)
    names = [
        *point.names,
        *(f"<defaults {i}>" for i in range(len(point.nested))),
        *(f"<value {i}>" for i in range(done)),
        *(("<callee>", "<arguments>") if point.call is not None else ()),
        *(f"<items {i}>" for i in range(len(point.loops))),
        *(cell_name(name) for name in point.cells),
    ]
    start = [unbind(name) for name in point.names]
    body = Checked(set(point.cells)).block([*rest.functions(), *rest.block(function.body)])
    body = in_cells(point.cells, [*start, *body])
    return builder.compiled(names, body, (*point.captures, *point.cells), function)


def closure(
    function: types.FunctionType,
    source: tuple[str, int],
    place: tuple[int, int],
    names: list[str],
    values: list[Any],
    defaults: list[Any],
) -> types.FunctionType:
    """The function nested in `function` at a place, with captured variables of these names and values."""
    function = getattr(function, "py_func", function)
    builder = Builder(function, *source)
    node = builder.function_at(place)
    count = len(node.args.defaults)
    given = iter(defaults[count:])
    keyword = {
        arg.arg: next(given)
        for arg, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
        if default is not None
    }
    made = bound(
        function,
        builder.nested(node, tuple(names)),
        dict(zip(names, map(types.CellType, values), strict=True)),
    )
    made.__defaults__ = tuple(defaults[:count]) or None
    made.__kwdefaults__ = keyword or None
    return made


def resume(
    function: types.FunctionType, source: tuple[str, int], key: tuple[Any, ...], values: tuple[Any, ...]
) -> tuple[types.FunctionType, tuple[Any, ...]]:
    """A function that goes on at a point of `function`, and its arguments.

    source: the text and its first line. key: a `Point`. values: of its variables; of the defaults of its
    nested functions; of captured variables; of what is done; for the call a function and its arguments, or
    None; for each loop an expression for its remaining items over `v`, and `v`; the cells.
    """
    function = getattr(function, "py_func", function)
    variables, defaults, captured, done, call, loops, cells = values
    code = function.__code__
    known = _RESUMED.setdefault(code, {})
    point = Point(*key)
    name = (code.co_filename, function.__qualname__, point)
    made = known.get(name)
    if made is None:
        made = known[name] = _code(Builder(function, *source), point)
    again = CONSTANTS["<resume>"]
    items = []
    for place, (text, v) in zip(point.loops, loops, strict=True):
        rest = eval(text, {**_ITERATION, "v": v})
        begins = place == point.at and not point.behind and not point.done
        items.append(rest if begins else itertools.chain([again], rest))
    around = dict(zip(point.captures, map(types.CellType, captured), strict=True))
    around |= zip(point.cells, cells, strict=True)
    return bound(function, made, around), (*variables, *defaults, *done, *(call or ()), *items, *cells)


_ITERATION: dict[str, Any] = {"islice": itertools.islice}


#: What `resume` has compiled, by the function's code: functions hold their cells, which may hold the key.
_RESUMED: weakref.WeakKeyDictionary[types.CodeType, dict[tuple[Any, ...], types.CodeType]] = (
    weakref.WeakKeyDictionary()
)
