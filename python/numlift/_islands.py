"""Islands: code of a compiled function that the interpreter runs, made into functions of their own."""

import ast
import itertools
import types
import weakref
from typing import Any, NamedTuple

from numlift._source import compilable
from numlift.types import Type

#: Stands for a variable that is not bound.
UNBOUND = types.new_class("unbound")()

_UNBOUND = "<unbound>"
# Completion codes besides falling through.
_RETURN, _BREAK, _CONTINUE = 1, 2, 3


class Spec(NamedTuple):
    """An island.

    positions: (line, column) of its statements in the function's source, lines from 1, columns in bytes;
    of a part of a statement that one. form: `test`: its test; `plain`: statements; `coded`: statements, and
    how they were left; `iter`, `next`, `drop`: of a `for` its iterator, the next item, nothing. params, outs:
    (name, whether it is certainly bound) of variables.
    """

    positions: list[tuple[int, int]]
    form: str
    params: list[tuple[str, bool]]
    outs: list[tuple[str, bool]]


class _Leaving(ast.NodeTransformer):
    """`return`, `break` and `continue` that leave the island become returns of completion codes.

    end: what marks variables that are not bound; outs: the variables.
    """

    def __init__(self, outs: list[ast.expr], end: list[ast.stmt]) -> None:
        self.outs, self.end, self.loops = outs, end, 0
        self.caught: list[str] = []

    def statements(self, nodes: list[ast.stmt]) -> list[ast.stmt]:
        made: list[ast.stmt] = []
        for node in nodes:
            result: Any = self.visit(node)
            made += result if isinstance(result, list) else [result]
        return made

    def _keep(self, node: ast.AST) -> ast.AST:
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = visit_Lambda = _keep

    def _loop(self, node: ast.For | ast.While) -> ast.AST:
        self.loops += 1
        node.body = self.statements(node.body)
        self.loops -= 1
        node.orelse = self.statements(node.orelse)
        return node

    visit_For = visit_While = _loop

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        names = [node.name] if node.name else []
        self.caught += names
        node.body = self.statements(node.body)
        del self.caught[len(self.caught) - len(names) :]
        return node

    def visit_Return(self, node: ast.Return) -> ast.AST:
        value = node.value or ast.Constant(None)
        return ast.copy_location(ast.Return(ast.Tuple([ast.Constant(_RETURN), value], ast.Load())), node)

    def _code(self, node: ast.stmt, code: int) -> ast.stmt | list[ast.stmt]:
        if self.loops:
            return node
        # a handler that is left unbinds its name
        gone = [part for name in self.caught for part in _forget(name)]
        return [*gone, *self.end, ast.copy_location(_result(code, self.outs), node)]

    def visit_Break(self, node: ast.Break) -> ast.stmt | list[ast.stmt]:
        return self._code(node, _BREAK)

    def visit_Continue(self, node: ast.Continue) -> ast.stmt | list[ast.stmt]:
        return self._code(node, _CONTINUE)


def _result(code: int, outs: list[ast.expr]) -> ast.Return:
    return ast.Return(ast.Tuple([ast.Constant(code), *outs], ast.Load()))


def _load(name: str) -> ast.expr:
    return ast.Name(name, ast.Load())


def _forget(name: str) -> list[ast.stmt]:
    """`name = None; del name`"""
    none = ast.Assign([ast.Name(name, ast.Store())], ast.Constant(None))
    return [none, ast.Delete([ast.Name(name, ast.Del())])]


def _unbind(name: str) -> ast.stmt:
    """`if name is <unbound>: del name`"""
    test = ast.Compare(_load(name), [ast.Is()], [_load(_UNBOUND)])
    return ast.If(test, [ast.Delete([ast.Name(name, ast.Del())])], [])


def _mark(name: str) -> ast.stmt:
    """`try: name; except NameError: name = <unbound>`"""
    marked = ast.Assign([ast.Name(name, ast.Store())], _load(_UNBOUND))
    handler = ast.ExceptHandler(_load("<NameError>"), None, [marked])
    return ast.Try([ast.Expr(_load(name))], [handler], [], [])


def _next_item(node: ast.For, outs: list[ast.expr]) -> list[ast.stmt]:
    """Binds the targets of a `for` to the next item and returns them; if there is none, what is unbound."""
    value = ast.Call(_load("<next>"), [_load("<iterator>"), _load(_UNBOUND)], [])
    item = ast.Assign([ast.Name("<item>", ast.Store())], ast.copy_location(value, node))
    over = ast.Compare(_load("<item>"), [ast.Is()], [_load(_UNBOUND)])
    bind = ast.Assign([node.target], _load("<item>"))
    return [
        ast.copy_location(item, node),
        ast.If(over, [ast.Return(_load(_UNBOUND))], []),
        ast.copy_location(bind, node.target),
        ast.Return(ast.Tuple(outs, ast.Load())),
    ]


class _Builder:
    def __init__(self, function: types.FunctionType, source: str, first_line: int) -> None:
        self.function = function
        text, before = compilable(source)
        self.tree = ast.increment_lineno(ast.parse(text), first_line - 1 - before)
        self.first_line = first_line
        nodes = [n for n in ast.walk(self.tree) if isinstance(n, ast.stmt)]
        self.stmts = {(n.lineno, n.col_offset): n for n in nodes}
        name = function.__code__.co_name
        own = next((n for n in nodes if isinstance(n, ast.FunctionDef) and n.name == name), None)
        self.line = own.lineno if own else first_line
        declarations = (ast.Global, ast.Nonlocal)
        self.declared = [n for n in _inside(own) if isinstance(n, declarations)] if own else []

    def statement(self, position: tuple[int, int]) -> ast.stmt:
        line, column = position
        return self.stmts[line + self.first_line - 1, column]

    def body(self, spec: Spec) -> list[ast.stmt]:
        nodes = [self.statement(p) for p in spec.positions]
        start: list[ast.stmt] = [_unbind(name) for name, sure in spec.params if not sure]
        node: Any = nodes[0]
        if spec.form == "test":
            truth = ast.IfExp(node.test, ast.Constant(True), ast.Constant(False))
            return [*start, ast.copy_location(ast.Return(truth), node.test)]
        if spec.form == "iter":
            iterator = ast.copy_location(ast.Call(_load("<iter>"), [node.iter], []), node)
            return [*start, ast.copy_location(ast.Return(iterator), node)]
        if spec.form == "next":
            return _next_item(node, [_load(name) for name, _ in spec.outs])
        if spec.form == "drop":
            return [ast.Pass()]
        end: list[ast.stmt] = [_mark(name) for name, sure in spec.outs if not sure]
        outs = [_load(name) for name, _ in spec.outs]
        if spec.form == "coded":
            nodes = _Leaving(outs, end).statements(nodes)
            return [*start, *nodes, *end, _result(0, outs)]
        value = outs[0] if len(outs) == 1 else ast.Tuple(outs, ast.Load()) if outs else ast.Constant(None)
        return [*start, *nodes, *end, ast.Return(value)]

    def compiled(self, names: list[str], body: list[ast.stmt]) -> types.CodeType:
        """A function of these parameters and this body, with the names of the original."""
        function, code = self.function, self.function.__code__
        inner = ast.FunctionDef(
            "<island>",  # binds no name that the code may use
            ast.arguments([], [ast.arg(n) for n in names], None, [], [], None, []),
            [*self.declared, *body] or [ast.Pass()],
            [],
            lineno=self.line,
            col_offset=0,
            end_lineno=self.line,
            end_col_offset=0,
        )
        made: ast.stmt = inner
        before: list[ast.stmt] = []
        if owner := _class_around(code.co_qualname):
            # private names are those of the class
            made = ast.ClassDef(owner, [], [], [made], [])
            before = [] if owner in code.co_freevars else [ast.Global([owner])]
        outer_names = [ast.arg(n) for n in (*code.co_freevars, *_CONSTANTS)]
        outer = ast.FunctionDef(
            "around", ast.arguments([], outer_names, None, [], [], None, []), [*before, made], []
        )
        ast.copy_location(outer, inner)
        module = ast.fix_missing_locations(ast.Module([outer], []))
        flags = code.co_flags & 0x1FFE000
        compiled = compile(module, code.co_filename, "exec", flags=flags, dont_inherit=True)
        return _innermost(compiled, made, code.co_name, function.__qualname__)

    def island(self, spec: Spec) -> types.FunctionType:
        return _bound(self.function, self.compiled([name for name, _ in spec.params], self.body(spec)))

    def rest(self, position: tuple[int, int], behind: bool, loops: dict[ast.stmt, str]) -> list[ast.stmt]:
        """The function from (behind) a statement on; `loops` names the iterators of `for`s around it."""
        target = self.statement(position)
        root = next(
            n
            for n in ast.walk(self.tree)
            if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef)) and target in _inside(n)
        )
        return _Rest(target, behind, loops).block(root.body)


def _bound(function: types.FunctionType, inside: types.CodeType) -> types.FunctionType:
    """A function of this code with the globals and cells of the original."""
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    cells |= {name: types.CellType(value) for name, value in _CONSTANTS.items()}
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


_CONSTANTS: dict[str, Any] = {
    _UNBOUND: UNBOUND,
    "<NameError>": NameError,
    "<iter>": iter,
    "<next>": next,
    "<resume>": object(),
}


def _blocks(node: ast.AST) -> list[list[ast.stmt]]:
    lists = [getattr(node, name, []) for name in ("body", "orelse", "finalbody")]
    parts = [*getattr(node, "handlers", []), *getattr(node, "cases", [])]
    return [*lists, *(part.body for part in parts)]


def _inside(node: ast.AST) -> list[ast.stmt]:
    """The statements in a node; those of functions and classes nested in it are left out."""
    found = []
    for block in _blocks(node):
        for stmt in block:
            found.append(stmt)
            if not isinstance(stmt, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                found += _inside(stmt)
    return found


class _Rest:
    """Code that goes on at a statement inside compound statements."""

    def __init__(self, target: ast.stmt, behind: bool, loops: dict[ast.stmt, str]) -> None:
        self.target, self.behind, self.loops = target, behind, loops

    def block(self, block: list[ast.stmt]) -> list[ast.stmt]:
        at = next(i for i, s in enumerate(block) if s is self.target or self.target in _inside(s))
        return [*self.begun(block[at]), *block[at + 1 :]]

    def begun(self, node: ast.stmt) -> list[ast.stmt]:
        """The rest of a statement."""
        if node is self.target:
            return [] if self.behind else [node]
        within = next(
            b for b in _blocks(node) if any(s is self.target or self.target in _inside(s) for s in b)
        )
        rest = self.block(within)
        if not isinstance(node, (ast.For, ast.While)) or within is node.orelse:
            return rest
        resumed = _load("<resume>")
        if isinstance(node, ast.While):
            # the first turn is begun already
            first = ast.Assign([ast.Name("<first>", ast.Store())], ast.Constant(True))
            either = ast.BoolOp(ast.Or(), [_load("<first>"), node.test])
            over = ast.Assign([ast.Name("<first>", ast.Store())], ast.Constant(False))
            turn = ast.If(_load("<first>"), [over, *rest], node.body)
            return [first, ast.copy_location(ast.While(either, [turn], node.orelse), node)]
        item = ast.Name("<item>", ast.Store())
        test = ast.Compare(_load("<item>"), [ast.Is()], [resumed])
        assign = ast.copy_location(ast.Assign([node.target], _load("<item>")), node.target)
        turn = ast.If(test, rest or [ast.Pass()], [assign, *node.body])
        again = ast.For(item, _load(self.loops[node]), [turn], node.orelse)
        return [ast.copy_location(again, node)]


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
    return code.replace(co_qualname=qualname + code.co_qualname[prefix:], co_consts=consts)


def build(
    function: types.FunctionType, source: str, first_line: int, specs: list[tuple[Any, ...]]
) -> list[types.FunctionType]:
    """A function for each island of `function`, whose text begins at a line of its file.

    Raises KeyError if a statement is not where it should be, and what `compile` raises.
    """
    builder = _Builder(function, source, first_line)
    return [builder.island(Spec(*s)) for s in specs]


def resume(
    function: types.FunctionType,
    source: tuple[str, int],
    position: tuple[int, int],
    behind: bool,
    names: list[str],
    values: list[Any],
    loops: list[tuple[tuple[int, int], str, list[Any]]],
) -> tuple[types.FunctionType, tuple[Any, ...]]:
    """A function that goes on at (behind) a statement of `function`, and its arguments: variables, iterators.

    loops: position of each `for` around it, an expression for its remaining items over `v`, and `v`.
    """
    known = _RESUMED.setdefault(function.__code__, {})
    key = (function.__code__.co_filename, function.__qualname__, position, behind, tuple(names))
    iterators = [f"<items {i}>" for i in range(len(loops))]
    made = known.get(key)
    if made is None:
        builder = _Builder(function, *source)
        statements = [builder.statement(at) for at, _, _ in loops]
        rest = builder.rest(position, behind, dict(zip(statements, iterators, strict=True)))
        made = builder.compiled([*names, *iterators], [*(_unbind(name) for name in names), *rest])
        known[key] = made
    again = _CONSTANTS["<resume>"]
    items = [itertools.chain([again], eval(text, {**_ITERATION, "v": v})) for _, text, v in loops]
    return _bound(function, made), (*values, *items)


_ITERATION: dict[str, Any] = {"islice": itertools.islice}


#: What `resume` has compiled, by the function's code: functions hold their cells, which may hold the key.
_RESUMED: weakref.WeakKeyDictionary[types.CodeType, dict[tuple[Any, ...], types.CodeType]] = (
    weakref.WeakKeyDictionary()
)


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
