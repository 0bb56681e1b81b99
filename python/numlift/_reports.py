"""Reports of values: what code of the interpreter tells while a cell is true."""

import ast
import copy

from numlift._managers import load

#: What is told, and the cell that says whether it is.
SEE, ON = "<see>", "<on>"


class Seen(ast.NodeTransformer):
    """`e` becomes `<see>(number, e, its object, keys that are variables) if <on> else e`"""

    def __init__(self, numbers: dict[ast.expr, int]) -> None:
        self.numbers = numbers

    def _read(self, node: ast.Attribute | ast.Subscript) -> ast.AST:
        number = self.numbers.get(node)
        if number is None:
            return self.generic_visit(node)
        origin = _origin(node)
        self.generic_visit(node)
        call = ast.Call(load(SEE), [ast.Constant(number), node, *origin], [])
        return ast.copy_location(ast.IfExp(load(ON), call, node), node)

    visit_Attribute = visit_Subscript = _read

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Nothing but a call of an attribute as it stands is a call of a method without an object for it."""
        parts = [*node.args, *(k.value for k in node.keywords)]
        again = isinstance(node.func, ast.Attribute) and node.func in self.numbers
        if not again or not all(isinstance(p, (ast.Name, ast.Constant)) for p in parts):
            return self.generic_visit(node)
        plain = copy.deepcopy(node)
        self.generic_visit(node)
        return ast.copy_location(ast.IfExp(load(ON), node, plain), node)


def _origin(node: ast.expr) -> list[ast.expr]:
    """The name that attributes and items are read of, then keys that are names, in order."""
    keys: list[ast.expr] = []
    while not isinstance(node, ast.Name):
        assert isinstance(node, (ast.Attribute, ast.Subscript))
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Name):
            keys.insert(0, load(node.slice.id))
        node = node.value
    return [load(node.id), *keys]


def report(variable: int, name: str, sure: bool) -> ast.stmt:
    """`if <on>: <see>(variable, name)`, if the name is bound"""
    call: ast.stmt = ast.Expr(ast.Call(load(SEE), [ast.Constant(variable), load(name)], []))
    if not sure:
        call = ast.Try([call], [ast.ExceptHandler(load("<NameError>"), None, [ast.Pass()])], [], [])
    return ast.If(load(ON), [call], [])
