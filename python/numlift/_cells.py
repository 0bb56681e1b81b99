"""Variables in cells, where code outside of a function reads and binds them as the function itself does."""

import ast
import copy
import sys
import types
from typing import Any

#: A variable that is never bound, to raise what the one in an empty cell would.
_MISSING = "<unbound "


def cell_name(name: str) -> str:
    """The parameter for the cell of a variable."""
    return f"<cell {name}>"


def _load(name: str) -> ast.expr:
    return ast.Name(name, ast.Load())


def if_bound(name: str, other: ast.expr) -> ast.expr:
    """`name if <cell name> != <empty> else other`"""
    bound = ast.Compare(_load(cell_name(name)), [ast.NotEq()], [_load("<empty>")])
    return ast.IfExp(bound, Contents(name, ast.Load()), other)


class Contents(ast.Name):
    """A read of a cell of which it is known that it is not empty."""


class Checked(ast.NodeTransformer):
    """Reads and `del` of variables raise what they raise in the function if the cell is empty.

    A free variable that is not bound raises another exception than a local one. `x` becomes
    `x if <cell x> != <empty> else <unbound x>`.
    """

    def __init__(self, names: set[str]) -> None:
        self.names = names

    def block(self, nodes: list[ast.stmt]) -> list[ast.stmt]:
        if not self.names:
            return nodes
        made: list[ast.stmt] = []
        for node in nodes:
            result: Any = self.visit(copy.deepcopy(node))
            made += result if isinstance(result, list) else [result]
        # makes them local and has no code
        local = [
            ast.AnnAssign(_missing(n, ast.Store()), ast.Constant(0), None, 1) for n in sorted(self.names)
        ]
        return [*local, *made]

    def _read(self, name: str, at: ast.AST) -> ast.expr:
        made = if_bound(name, _missing(name, ast.Load()))
        for node in ast.walk(made):
            ast.copy_location(node, at)
        return made

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if isinstance(node, Contents) or not isinstance(node.ctx, ast.Load) or node.id not in self.names:
            return node
        return self._read(node.id, node)

    def _expr(self, at: ast.AST, name: str) -> ast.stmt:
        return ast.copy_location(ast.Expr(self._read(name, at)), at)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST | list[ast.AST]:
        self.generic_visit(node)
        if isinstance(node.target, ast.Name) and node.target.id in self.names:
            return [self._expr(node.target, node.target.id), node]
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.target = self.visit(node.target)
        node.value = node.value and self.visit(node.value)
        return node

    def visit_Delete(self, node: ast.Delete) -> ast.AST | list[ast.AST]:
        made: list[ast.AST] = []
        for target in _flat(node.targets):
            if isinstance(target, ast.Name) and target.id in self.names:
                made.append(self._expr(target, target.id))
            made.append(ast.copy_location(ast.Delete([self.visit(target)]), node))
        return made

    # -- code that runs elsewhere ---------------------------------------------------------------------

    def _function(self, node: Any) -> ast.AST:
        node.args = self._defaults(node.args)
        node.decorator_list = [self.visit(d) for d in node.decorator_list]
        return node  # type: ignore[no-any-return]

    visit_FunctionDef = visit_AsyncFunctionDef = _function

    def _defaults(self, args: ast.arguments) -> ast.arguments:
        args.defaults = [self.visit(d) for d in args.defaults]
        args.kw_defaults = [d and self.visit(d) for d in args.kw_defaults]
        return args

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        node.args = self._defaults(node.args)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.bases = [self.visit(b) for b in node.bases]
        node.keywords = [self.visit(k) for k in node.keywords]
        node.decorator_list = [self.visit(d) for d in node.decorator_list]
        return node

    def visit_match_case(self, node: ast.match_case) -> ast.AST:
        node.guard = node.guard and self.visit(node.guard)
        node.body = [s for old in node.body for s in _listed(self.visit(old))]
        return node

    def _comprehension(self, node: Any) -> ast.AST:
        first = node.generators[0]
        if isinstance(node, ast.GeneratorExp) or sys.version_info < (3, 12):
            first.iter = self.visit(first.iter)
            return node  # type: ignore[no-any-return]
        # it is part of the function but for its own variables
        own = {n.id for g in node.generators for n in ast.walk(g.target) if isinstance(n, ast.Name)}
        first.iter = self.visit(first.iter)
        inner = Checked(self.names - own)
        for name, value in ast.iter_fields(node):
            if isinstance(value, ast.expr):
                setattr(node, name, inner.visit(value))
        for g in node.generators:
            g.ifs = [inner.visit(e) for e in g.ifs]
        for g in node.generators[1:]:
            g.iter = inner.visit(g.iter)
        return node

    visit_GeneratorExp = visit_ListComp = visit_SetComp = visit_DictComp = _comprehension


class Own(ast.NodeTransformer):
    """What an island uses itself is in a constant of its code: no name of it is in the frame."""

    def __init__(self, names: dict[str, Any], cells: dict[str, types.CellType]) -> None:
        self.names, self.cells = names, cells
        # no source has such a text
        self.mark = f"<own {id(self)}>"

    def block(self, nodes: list[ast.stmt]) -> list[ast.stmt]:
        return [self.visit(copy.deepcopy(node)) for node in nodes]

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id not in self.names and node.id not in self.cells:
            return node
        own: ast.expr = ast.Attribute(ast.Constant(self.mark), node.id, ast.Load())
        if node.id in self.cells:
            own = ast.Attribute(own, "cell_contents", ast.Load())
        return ast.copy_location(own, node)

    def put(self, code: types.CodeType) -> types.CodeType:
        own = types.SimpleNamespace(**self.names, **self.cells)
        consts = (own if type(c) is str and c == self.mark else c for c in code.co_consts)
        return code.replace(co_consts=tuple(consts))


def _listed(result: Any) -> list[Any]:
    return result if isinstance(result, list) else [result]


def _missing(name: str, ctx: ast.expr_context) -> ast.Name:
    return ast.Name(f"{_MISSING}{name}>", ctx)


def _flat(targets: list[ast.expr]) -> list[ast.expr]:
    found = []
    for target in targets:
        found += _flat(target.elts) if isinstance(target, (ast.Tuple, ast.List)) else [target]
    return found


def mangled(name: str, owner: str | None) -> str:
    """A private name as it is in the methods of a class."""
    owner = (owner or "").lstrip("_")
    private = name.startswith("__") and not name.endswith("__") and "." not in name
    return f"_{owner}{name}" if owner and private else name


def named(code: types.CodeType, owner: str | None) -> types.CodeType:
    """The code in which what an empty cell raises has the variable's name."""

    def own(name: str) -> str:
        return mangled(name[len(_MISSING) : -1], owner) if name.startswith(_MISSING) else name

    if not any(name.startswith(_MISSING) for name in code.co_varnames):
        return code
    return code.replace(co_varnames=tuple(map(own, code.co_varnames)))
