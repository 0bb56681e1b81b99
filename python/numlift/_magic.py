"""The cell magic `%%jit`: compiles the functions of a cell, and with `-a` shows their report under it."""

import argparse
import ast
import shlex
from typing import Any

from numlift._decorator import jit
from numlift._observe import observed
from numlift._report import Report

_DECORATOR = "_numlift_jit"


class _Decorate(ast.NodeTransformer):
    """Puts the decorator on the functions of a cell that have none."""

    def visit_Module(self, node: ast.Module) -> ast.Module:
        for statement in node.body:
            if isinstance(statement, ast.FunctionDef) and not statement.decorator_list:
                name = ast.Name(_DECORATOR, ast.Load())
                statement.decorator_list.append(ast.copy_location(name, statement))
        return ast.fix_missing_locations(node)


class _Usage(Exception):
    """The options are not understood; the text says what there is."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        raise _Usage(f"%%jit: {message}\n{self.format_usage()}")

    def exit(self, status: int = 0, message: str | None = None) -> Any:
        raise _Usage(message or "")


def _parser() -> _Parser:
    parser = _Parser(prog="%%jit", description=__doc__, add_help=False)
    parser.add_argument("-a", "--annotate", action="store_true", help="show the report under the cell")
    parser.add_argument("--strict", action="store_true", help="an error where something has no static type")
    parser.add_argument("--overflow", choices=["raise", "wrap"], default="raise", help="of Python ints")
    parser.add_argument("--fastmath", action="store_true")
    return parser


def run_cell(shell: Any, line: str, cell: str) -> None:
    """Runs a cell with `@jit` on its functions; those that have a decorator keep theirs."""
    try:
        options = vars(_parser().parse_args(shlex.split(line)))
    except _Usage as e:
        print(e)
        return
    annotate = options.pop("annotate")
    transformer = _Decorate()
    shell.user_ns[_DECORATOR] = jit(**options)
    shell.ast_transformers.append(transformer)
    try:
        with observed() as functions:
            result = shell.run_cell(cell)
    finally:
        shell.ast_transformers.remove(transformer)
        shell.user_ns.pop(_DECORATOR, None)
    if annotate and result.success:
        from IPython import display

        show: Any = display.display
        show(Report.of(functions, "cell"))


def register(shell: Any) -> None:
    """Makes `%%jit` known to a shell of IPython."""

    def jit(line: str, cell: str) -> None:
        run_cell(shell, line, cell)

    jit.__doc__ = run_cell.__doc__ + "\n\n" + _parser().format_help() if run_cell.__doc__ else None
    shell.register_magic_function(jit, magic_kind="cell", magic_name="jit")
