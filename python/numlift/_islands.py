"""Islands: code of a compiled function that the interpreter runs, made into functions of their own."""

import ast
import copy
import itertools
import re
import types
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from numlift._cells import Checked, Own, cell_name, if_bound, mangled, named
from numlift._inner import INNER, Calls, Inner
from numlift._managers import CALLED, load, store
from numlift._managers import enter as enter_manager
from numlift._managers import leave as leave_manager
from numlift._managers import suppress as suppress_by_manager
from numlift._reports import ON, SEE, Seen, report
from numlift._source import compilable
from numlift.types import Type

if TYPE_CHECKING:
    from numlift._rest import Rests

#: Stands for a variable that is not bound.
UNBOUND = types.new_class("unbound")()

_UNBOUND = "<unbound>"
#: The list for variables of an island that raises.
_LEFT = "<left>"
# Completion codes besides falling through.
_RETURN, _BREAK, _CONTINUE = 1, 2, 3


class Spec(NamedTuple):
    """An island.

    positions: (line, column) of its statements in the function's source, lines from 1, columns in bytes;
    of a part of a statement that one. form: `test`: its test; `plain`: statements; `coded`: statements, and
    how they were left; `iter`, `next`, `drop`: of a `for` its iterator, the next item, nothing; `class N`:
    the class of handler N of a `try`; `value`: what a `return` gives; `enter N`, `leave N`, `suppress N`: of
    the context manager N of a `with`.
    params, outs: (name, whether it is certainly bound) of variables.
    left: variables that a compiled handler wants as they are when it raises. cells: variables that are in
    cells, free variables of its function, and whether they are bound all the time. frame: it looks at its
    own frame: its names are those of the function, free variables included.
    """

    positions: list[tuple[int, int]]
    form: str
    params: list[tuple[str, bool]]
    outs: list[tuple[str, bool]]
    left: list[str]
    cells: list[tuple[str, bool]]
    frame: bool

    def value(self, name: str) -> ast.expr:
        """A variable, or what stands for one that is not bound."""
        unsure = (name, False) in self.cells
        return if_bound(name, load(_UNBOUND)) if unsure else load(name)

    def marks(self, names: Iterable[str]) -> list[ast.stmt]:
        """What marks variables that are not bound."""
        cells = [name for name, _ in self.cells]
        return [_mark(name) for name in names if name not in cells]


class Watch(NamedTuple):
    """What reports values of variables.

    see: called with the number of a subject, its value and its object while the cell `on` is true.
    variables: each behind the statement at a position; of a `for`, at the beginning of a turn.
    reads: expressions, counted behind the variables: where they begin and end in the source, in bytes.
    """

    see: Callable[..., Any]
    on: types.CellType
    variables: list[tuple[tuple[int, int], str]]
    reads: list[tuple[int, int]]


class _Returning(ast.NodeTransformer):
    """`return` becomes a return of the completion code and the value."""

    def _keep(self, node: ast.AST) -> ast.AST:
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = visit_Lambda = _keep

    def visit_Return(self, node: ast.Return) -> ast.AST:
        value = node.value or ast.Constant(None)
        return ast.copy_location(ast.Return(ast.Tuple([ast.Constant(_RETURN), value], ast.Load())), node)


def _leaves(nodes: list[ast.stmt]) -> bool:
    """Whether a `break` or `continue` leaves the statements."""
    for node in nodes:
        if isinstance(node, (ast.Break, ast.Continue)):
            return True
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        inner = [node.orelse] if isinstance(node, (ast.For, ast.While)) else blocks(node)
        if any(map(_leaves, inner)):
            return True
    return False


def _coded(nodes: list[ast.stmt], end: list[ast.stmt], outs: list[ast.expr]) -> list[ast.stmt]:
    """Statements, then a return of how they are left; what they do on the way is done by then.

    end: what marks variables that are not bound; outs: the variables.
    """
    nodes = [_Returning().visit(node) for node in nodes]

    def result(code: int) -> list[ast.stmt]:
        return [*end, ast.Return(ast.Tuple([ast.Constant(code), *outs], ast.Load()))]

    if not _leaves(nodes):
        return [*nodes, *result(0)]
    # a loop of one turn, without a variable: `continue` ends it, `break` leaves it
    nothing = ast.Tuple([ast.Tuple([], ast.Load())], ast.Load())
    once = ast.For(ast.Tuple([], ast.Store()), nothing, [*nodes, *result(0)], result(_CONTINUE))
    return [ast.copy_location(once, nodes[0]), *result(_BREAK)]


def in_cells(names: Iterable[str], body: list[ast.stmt]) -> list[ast.stmt]:
    """Code that binds variables in cells."""
    declared = list(names)
    return [ast.Nonlocal(declared), *body] if declared else body


def unbind(name: str) -> ast.stmt:
    """`if name is <unbound>: del name`"""
    test = ast.Compare(load(name), [ast.Is()], [load(_UNBOUND)])
    return ast.If(test, [ast.Delete([ast.Name(name, ast.Del())])], [])


def _mark(name: str) -> ast.stmt:
    """`try: name; except NameError: name = <unbound>`"""
    marked = ast.Assign([store(name)], load(_UNBOUND))
    handler = ast.ExceptHandler(load("<NameError>"), None, [marked])
    return ast.Try([ast.Expr(load(name))], [handler], [], [])


def _leaving_behind(spec: Spec, body: list[ast.stmt]) -> list[ast.stmt]:
    """`try: body; except: <left>.extend((names)); raise`"""
    values = ast.Tuple([spec.value(name) for name in spec.left], ast.Load())
    extend = ast.Call(ast.Attribute(load(_LEFT), "extend", ast.Load()), [values], [])
    keep: list[ast.stmt] = [*spec.marks(spec.left), ast.Expr(extend), ast.Raise()]
    handler = ast.ExceptHandler(load("<BaseException>"), None, keep)
    return [ast.Try(body, [handler], [], [])]


def _targets(node: ast.With) -> set[str]:
    return {item.optional_vars.id for item in node.items if isinstance(item.optional_vars, ast.Name)}


def _next_item(node: ast.For, reports: list[ast.stmt], outs: list[ast.expr]) -> list[ast.stmt]:
    """Binds the targets of a `for` to the next item and returns them; if there is none, what is unbound."""
    value = ast.Call(load("<next>"), [load("<iterator>"), load(_UNBOUND)], [])
    item = ast.Assign([store("<item>")], ast.copy_location(value, node))
    over = ast.Compare(load("<item>"), [ast.Is()], [load(_UNBOUND)])
    bind = ast.Assign([node.target], load("<item>"))
    return [
        ast.copy_location(item, node),
        ast.If(over, [ast.Return(load(_UNBOUND))], []),
        ast.copy_location(bind, node.target),
        *reports,
        ast.Return(ast.Tuple(outs, ast.Load())),
    ]


class Builder:
    def __init__(self, function: types.FunctionType, source: str, first_line: int) -> None:
        self.function = function
        self.source = source
        self.places: dict[tuple[type[ast.AST], int], list[Any]] = {}
        text, before = compilable(source)
        self.tree = ast.increment_lineno(ast.parse(text), first_line - 1 - before)
        self.first_line = first_line
        nodes = [n for n in ast.walk(self.tree) if isinstance(n, ast.stmt)]
        self.stmts = {(n.lineno, n.col_offset): n for n in nodes}
        name = function.__code__.co_name
        own = next((n for n in nodes if isinstance(n, ast.FunctionDef) and n.name == name), None)
        self.line = own.lineno if own else first_line
        declarations = (ast.Global, ast.Nonlocal)
        self.declared = [n for n in inside(own) if isinstance(n, declarations)] if own else []
        self.own = own
        self.reports: dict[ast.stmt, list[ast.stmt]] = {}
        #: of `with` statements, for what their managers give
        self.entered: dict[ast.stmt, dict[str, int]] = {}
        self.watching: dict[str, types.CellType] = {}
        self.inner: types.CellType | None = None
        self.rests: Rests | None = None

    def watch(self, watch: Watch) -> None:
        """What is made from now on reports variables."""
        self.watching = {SEE: types.CellType(watch.see), ON: watch.on}
        for i, (position, variable) in enumerate(watch.variables):
            node = self.statement(position)
            if isinstance(node, ast.With) and variable in _targets(node):
                self.entered.setdefault(node, {})[variable] = i
                continue
            sure = not isinstance(node, (ast.With, ast.Try))
            self.reports.setdefault(node, []).append(report(i, variable, sure))
        first = len(watch.variables)
        seen = {self.at(place, ast.expr): first + i for i, place in enumerate(watch.reads)}
        if seen:
            self.tree = Seen(seen).visit(self.tree)

    def statement(self, position: tuple[int, int]) -> ast.stmt:
        line, column = position
        return self.stmts[line + self.first_line - 1, column]

    def reporting(self, block: list[ast.stmt]) -> list[ast.stmt]:
        """The block with reports of what its statements bind."""
        made = []
        for node in block:
            reports = self.reports.get(node, [])
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                for inner in blocks(node):
                    inner[:] = self.reporting(inner)
            if isinstance(node, ast.For):
                node.body = [*reports, *node.body]
                reports = []
            if isinstance(node, ast.With):
                entered = self.entered.get(node, {}).items()
                node.body = [*(report(i, name, True) for name, i in entered), *node.body]
            made += [node, *reports]
        return made

    def body(self, spec: Spec) -> list[ast.stmt]:
        nodes = [self.statement(p) for p in spec.positions]
        start: list[ast.stmt] = [unbind(name) for name, sure in spec.params if not sure]
        node: Any = nodes[0]
        if spec.form == "test":
            truth = ast.IfExp(node.test, ast.Constant(True), ast.Constant(False))
            return [*start, ast.copy_location(ast.Return(truth), node.test)]
        if spec.form == "iter":
            iterator = ast.copy_location(ast.Call(load("<iter>"), [node.iter], []), node)
            return [*start, ast.copy_location(ast.Return(iterator), node)]
        if spec.form == "next":
            return _next_item(node, self.reports.get(node, []), [spec.value(name) for name, _ in spec.outs])
        if spec.form.startswith("class "):
            class_ = node.handlers[int(spec.form.removeprefix("class "))].type
            return [*start, ast.copy_location(ast.Return(class_), class_)]
        if spec.form == "value":
            return [*start, ast.copy_location(ast.Return(node.value), node)]
        if spec.form == "drop":
            return [ast.Pass()]
        if isinstance(node, ast.With) and spec.form not in ("plain", "coded"):
            return [*start, *self._manager(spec, node)]
        end = spec.marks(name for name, sure in spec.outs if not sure)
        outs = [spec.value(name) for name, _ in spec.outs]
        nodes = self.reporting(nodes)
        if spec.form == "coded":
            return [*start, *_coded(nodes, end, outs)]
        value = outs[0] if len(outs) == 1 else ast.Tuple(outs, ast.Load()) if outs else ast.Constant(None)
        return [*start, *nodes, *end, ast.Return(value)]

    def _manager(self, spec: Spec, node: ast.With) -> list[ast.stmt]:
        form, number = spec.form.split()
        item = node.items[int(number)]
        if form == "leave":
            return leave_manager(node, item)
        if form == "suppress":
            return suppress_by_manager(node, item)
        variable = spec.outs[0][0]
        seen = self.entered.get(node, {}).get(variable)
        reports = [] if seen is None else [report(seen, "<value>", True)]
        return enter_manager(node, item, len(spec.outs) > 1, reports)

    def compiled(
        self,
        names: list[str],
        body: list[ast.stmt],
        captures: tuple[str, ...] = (),
        nested: ast.FunctionDef | None = None,
    ) -> types.CodeType:
        """A function of these parameters and this body, with the names of the original.

        nested: the one in it whose names it has instead; captures: variables that this one captures.
        """
        line = nested.lineno if nested else self.line
        inner = ast.FunctionDef(
            "<island>",  # binds no name that the code may use
            ast.arguments([], [ast.arg(n) for n in names], None, [], [], None, []),
            [*self.declared, *body] or [ast.Pass()],
            [],
            lineno=line,
            col_offset=0,
            end_lineno=line,
            end_col_offset=0,
        )
        return self._compiled(inner, captures, nested.name if nested else self.function.__code__.co_name)

    def nested(self, node: ast.FunctionDef | ast.Lambda, captures: tuple[str, ...]) -> types.CodeType:
        """A function that is nested in this one; its defaults are set by who calls it."""
        node = copy.deepcopy(node)
        _forget_defaults(node.args)
        if isinstance(node, ast.FunctionDef):
            name, made = node.name, ast.FunctionDef("<island>", node.args, node.body, [])
        else:
            name, made = "<lambda>", ast.FunctionDef("<island>", node.args, [ast.Return(node.body)], [])
        return self._compiled(ast.copy_location(made, node), captures, name)

    def _compiled(self, made: ast.stmt, captures: tuple[str, ...], name: str) -> types.CodeType:
        function, code = self.function, self.function.__code__
        before: list[ast.stmt] = []
        inner = made
        owner = _class_around(code.co_qualname)
        if owner:
            # private names are those of the class
            made = ast.ClassDef(owner, [], [], [made], [])
            before = [] if owner in code.co_freevars else [ast.Global([owner])]
        captures = tuple(mangled(name, owner) for name in captures)
        outer_names = [ast.arg(n) for n in dict.fromkeys((*code.co_freevars, *captures, *CONSTANTS))]
        outer = ast.FunctionDef(
            "around", ast.arguments([], outer_names, None, [], [], None, []), [*before, made], []
        )
        ast.copy_location(outer, inner)
        module = ast.fix_missing_locations(ast.Module([outer], []))
        flags = code.co_flags & 0x1FFE000
        compiled = compile(module, code.co_filename, "exec", flags=flags, dont_inherit=True)
        qualname = function.__qualname__
        if name != code.co_name:
            qualname = f"{qualname}.<locals>.{name}"
        return named(_innermost(compiled, made, name, qualname), owner)

    def island(self, spec: Spec) -> types.FunctionType:
        names, body = [name for name, _ in spec.params], self.body(spec)
        if spec.left:
            body = _leaving_behind(spec, body)
        unsure = {name for name, sure in spec.cells if not sure}
        names += [cell_name(name) for name, sure in spec.cells if not sure]
        names += [_LEFT] if spec.left else []
        cells = [name for name, _ in spec.cells]
        body = Checked(unsure).block(body)
        used = dict(self.watching)
        if self.inner is not None:
            calls = Calls(self.function)
            body = calls.block(body)
            used |= {INNER: self.inner} if calls.any else {}
        if spec.frame:
            free = (*cells, *self.function.__code__.co_freevars)
            own = Own(CONSTANTS, used)
            inside = own.put(self.compiled(names, in_cells(free, own.block(body)), tuple(cells)))
            return bound(self.function, inside, dict.fromkeys(cells, types.CellType()))
        inside = self.compiled(names, in_cells(cells, body), (*used, *cells))
        return bound(self.function, inside, used | dict.fromkeys(cells, types.CellType()))

    def cell_places(self, spec: Spec, function: types.FunctionType) -> list[int]:
        """Where the cells of an island are in the closure of its function."""
        owner, names = _class_around(self.function.__code__.co_qualname), function.__code__.co_freevars
        return [names.index(mangled(name, owner)) for name, _ in spec.cells]

    def observing(self, own: ast.FunctionDef) -> types.FunctionType:
        """The function itself, with reports of what it binds."""
        _forget_defaults(own.args)
        body = self.reporting(own.body)
        if self.rests is not None:
            body = self.rests.before_loops(body)
            self.watching |= self.rests.cells()
        made = ast.FunctionDef("<island>", own.args, body, [])
        code = self._compiled(ast.copy_location(made, own), tuple(self.watching), own.name)
        result = bound(self.function, code, self.watching)
        result.__defaults__ = self.function.__defaults__
        result.__kwdefaults__ = self.function.__kwdefaults__
        result.__dict__["rests"] = self.rests
        return result

    def at(self, place: tuple[int, int], kind: type[ast.AST]) -> Any:
        """The node of a kind at a place."""
        found = self._places()[kind, place[0]]
        if kind is ast.stmt:
            return found[0]
        return next(n for n in found if self._offset(n.end_lineno, n.end_col_offset) == place[1])

    def running(self, place: tuple[int, int]) -> tuple[ast.stmt, ast.FunctionDef]:
        """The statement at a place and the function around it; for the body of a lambda both are made."""
        if (ast.stmt, place[0]) in self._places():
            target = self.at(place, ast.stmt)
            functions = (n for n in ast.walk(self.tree) if isinstance(n, ast.FunctionDef))
            return target, next(f for f in functions if target in inside(f))
        body = self.at(place, ast.expr)
        result = ast.copy_location(ast.Return(body), body)
        nodes = (n for n in ast.walk(self.tree) if isinstance(n, ast.Lambda) and n.body is body)
        node = next(nodes)
        function = ast.FunctionDef("<lambda>", node.args, [result], [])
        return result, ast.copy_location(function, node)

    def function_at(self, place: tuple[int, int]) -> Any:
        """The `def` or lambda at a place."""
        places = self._places()
        nodes = [*places.get((ast.stmt, place[0]), ()), *places.get((ast.expr, place[0]), ())]
        return next(n for n in nodes if isinstance(n, (ast.FunctionDef, ast.Lambda)))

    def _places(self) -> dict[tuple[type[ast.AST], int], list[Any]]:
        """Statements and expressions by where they begin; of those at one place the outermost comes first."""
        if not self.places:
            text = self.source.encode()
            self.offsets = [0, *(i + 1 for i, c in enumerate(text) if c == ord("\n"))]
            for node in ast.walk(self.tree):
                if isinstance(node, (ast.stmt, ast.expr)):
                    kind = ast.stmt if isinstance(node, ast.stmt) else ast.expr
                    offset = self._offset(node.lineno, node.col_offset)
                    self.places.setdefault((kind, offset), []).append(node)
        return self.places

    def _offset(self, line: int | None, column: int | None) -> int:
        at = (line or 0) - self.first_line
        return (self.offsets[at] if at >= 0 else -1) + (column or 0)


def _forget_defaults(parameters: ast.arguments) -> None:
    none: list[Any] = [ast.Constant(None)]
    parameters.defaults = none * len(parameters.defaults)
    parameters.kw_defaults = [None if d is None else none[0] for d in parameters.kw_defaults]


def bound(
    function: types.FunctionType, inside: types.CodeType, captured: dict[str, types.CellType] | None = None
) -> types.FunctionType:
    """A function of this code with the globals and cells of the original, and more cells."""
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    owner = _class_around(function.__code__.co_qualname)
    cells |= {mangled(name, owner): cell for name, cell in (captured or {}).items()}
    cells |= {name: types.CellType(value) for name, value in CONSTANTS.items()}
    closure = tuple(cells[name] for name in inside.co_freevars)
    result = types.FunctionType(inside, function.__globals__, function.__name__, None, closure)
    result.__module__ = function.__module__
    return result


def _class_around(qualname: str) -> str | None:
    """The name of the innermost class around a function."""
    names = qualname.split(".")[:-1]
    while names and not names[-1].isidentifier():
        del names[-2:]
    return names[-1] if names else None


def _kept(exc: BaseException) -> tuple[Any, ...]:
    """What raising an exception once more changes of it."""
    return exc, exc.__traceback__, exc.__context__, exc.__suppress_context__


def _restore(exc: BaseException, traceback: Any, context: Any, suppressed: bool) -> None:
    exc.__traceback__, exc.__context__, exc.__suppress_context__ = traceback, context, suppressed


CONSTANTS: dict[str, Any] = {
    _UNBOUND: UNBOUND,
    "<NameError>": NameError,
    "<BaseException>": BaseException,
    "<kept>": _kept,
    "<restore>": _restore,
    "<iter>": iter,
    "<next>": next,
    "<resume>": object(),
    "<empty>": types.CellType(),
    **CALLED,
}


def blocks(node: ast.AST) -> list[list[ast.stmt]]:
    lists = [getattr(node, name, []) for name in ("body", "orelse", "finalbody")]
    parts = [*getattr(node, "handlers", []), *getattr(node, "cases", [])]
    return [*lists, *(part.body for part in parts)]


def inside(node: ast.AST) -> list[ast.stmt]:
    """The statements in a node; those of functions and classes nested in it are left out."""
    found = []
    for block in blocks(node):
        for stmt in block:
            found.append(stmt)
            if not isinstance(stmt, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                found += inside(stmt)
    return found


def _innermost(code: types.CodeType, made: ast.stmt, name: str, qualname: str) -> types.CodeType:
    """The code of the island's function, with the qualified names that it has in its function."""
    depth = 2 if isinstance(made, ast.FunctionDef) else 3
    for _ in range(depth):
        code = next(c for c in code.co_consts if isinstance(c, types.CodeType))
    renamed = _renamed(code, len(code.co_qualname), qualname)
    return renamed.replace(co_name=name)


def _renamed(code: types.CodeType, prefix: int, qualname: str) -> types.CodeType:
    consts = tuple(
        _renamed(c, prefix, qualname) if isinstance(c, types.CodeType) else c for c in code.co_consts
    )
    own = code.co_qualname[prefix:]
    name = _NUMBER.sub("", code.co_name)
    return code.replace(co_name=name, co_qualname=qualname + _NUMBER.sub("", own), co_consts=consts)


#: What `_Rest.functions` puts before the name of a function.
_NUMBER = re.compile(r"<function \d+> ")


def build(
    function: types.FunctionType,
    source: str,
    first_line: int,
    specs: list[tuple[Any, ...]],
    watch: tuple[Any, ...] | None,
    make: Callable[[types.FunctionType], Callable[..., Any]] | None,
) -> list[tuple[types.FunctionType, list[int]]]:
    """A function for each island of `function`, whose text begins at a line of its file; `watch`: a `Watch`.

    make: compiles plain functions that they call. With a function come the places of its cells in its
    closure.


    Raises KeyError if a statement is not where it should be, and what `compile` raises.
    """
    builder = Builder(function, source, first_line)
    if watch:
        builder.watch(Watch(*watch))
    if make:
        builder.inner = types.CellType(Inner(make))
    made = []
    for spec in itertools.starmap(Spec, specs):
        function = builder.island(spec)
        made.append((function, builder.cell_places(spec, function)))
    return made


def observing(
    function: types.FunctionType,
    source: str,
    first_line: int,
    watch: tuple[Any, ...],
    make: Callable[[types.FunctionType], Any],
) -> types.FunctionType | None:
    """The function with reports of what its statements bind; None if its definition is not found.

    make: compiles a function; where it gives machine code for the rest, a call goes on in that.
    """
    # not part of what compiled modules carry
    from numlift._rest import leaving

    builder = Builder(function, source, first_line)
    builder.watch(Watch(*watch))
    leaving(builder, make)
    return builder.observing(builder.own) if builder.own else None


def annotation(function: types.FunctionType, text: str) -> str | None:
    """The native type that an annotation names: `"int"`, `"float64[:, ::1]"`; None if it is another one."""
    try:
        found = eval(text, function.__globals__)
    except Exception:
        return None
    if isinstance(found, str) and found != text:
        return annotation(function, found)
    if any(found is t for t in (bool, int, float, complex)):
        return str(found.__name__)
    return str(found) if isinstance(found, Type) else None
