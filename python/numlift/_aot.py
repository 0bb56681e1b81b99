"""What a compiled module has instead of the package: decorators that find its machine code, its source run.

The stub of compiled modules contains this file and those that it needs, and makes modules of them that are
not in `sys.modules`. `import numlift` in a compiled module's source means these, whether numlift is installed
or not.
"""

import ast
import builtins
import functools
import linecache
import types
from collections.abc import Callable
from typing import Any, ClassVar, Protocol

#: The name that a compiled module has for what stands for the package.
CARRIED = "__numlift__"

_TYPES = (
    "bool_ boolean complex64 complex128 double float32 float64 int8 int16 int32 int64 int_ intc intp none "
    "uint uint8 uint16 uint32 uint64 uintp void"
)

#: What can be imported from numlift in a compiled module, besides the module `types`.
NAMES = frozenset(_TYPES.split()) | frozenset(
    ("types", "jit", "njit", "prange", "Dispatcher", "__version__")
    + ("CompileError", "NumliftError", "NumliftFallbackWarning")
)


class Native(Protocol):
    """What the stub does."""

    version: str

    def make_class(self, base: type) -> type: ...
    def create(self, cls: type, function: types.FunctionType) -> Any: ...
    def py_func(self, jitted: object) -> Callable[..., Any]: ...
    def signatures(self, jitted: object) -> list[str]: ...
    def tier(self, jitted: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str: ...


class Carried:
    """The modules of the package that a compiled module has, made when they are asked for."""

    def __init__(self, sources: dict[str, str], native: Native) -> None:
        self.sources, self.native = sources, native
        self.made: dict[str, types.ModuleType] = {}

    def module(self, name: str) -> types.ModuleType:
        """`numlift`, or a module of it by its name in the package.

        Raises ImportError if compiled modules do not have it.
        """
        found = self.made.get(name)
        if found is not None:
            return found
        if name == "numlift":
            made = types.ModuleType(name, "What a compiled module has of numlift.")
            self.made[name] = made
            self.fill(made)
            return made
        text = self.sources.get(name)
        if text is None:
            raise ImportError(f"compiled modules have no numlift.{name}", name=f"numlift.{name}")
        made = types.ModuleType(f"numlift.{name}")
        self.made[name] = made
        try:
            self.run(text, f"<numlift.{name}>", made)
        except BaseException:
            del self.made[name]
            raise
        return made

    def fill(self, package: types.ModuleType) -> None:
        scope = vars(package)
        scope["types"] = types_ = self.module("types")
        scope.update({name: getattr(types_, name) for name in _TYPES.split()})
        errors = self.module("_errors")
        for name in ("CompileError", "NumliftError", "NumliftFallbackWarning"):
            scope[name] = getattr(errors, name)
        scope["__version__"] = self.native.version
        scope["prange"] = range
        Dispatcher._native = self.native
        scope["Dispatcher"] = dispatcher = self.native.make_class(Dispatcher)

        def decorator(target: Any = None, /, **options: Any) -> Any:
            if isinstance(target, dispatcher):
                target = self.native.py_func(target)
            if not isinstance(target, types.FunctionType):
                return decorator
            return functools.update_wrapper(self.native.create(dispatcher, target), target)

        scope["jit"] = scope["njit"] = decorator

    def imported(self, name: str, *names: str) -> Any:
        """What `import name` binds, or the objects of `from name import *names`."""
        module = self.module("numlift")
        if name != "numlift":
            module = self.module(name.partition(".")[2])
        if not names:
            return module
        if names == ("*",):
            return {k: v for k, v in vars(module).items() if not k.startswith("_")}
        missing = [n for n in names if not hasattr(module, n)]
        if missing:
            raise ImportError(f"compiled modules have no {missing[0]!r} of {name}", name=name)
        found = tuple(getattr(module, n) for n in names)
        return found if len(found) > 1 else found[0]

    def run(self, text: str, file: str, module: types.ModuleType) -> None:
        """Runs a source in a module; numlift is what is carried."""
        tree = ast.parse(text, file)
        if "numlift" in text:
            tree = ast.fix_missing_locations(_Imports().visit(tree))
        scope = vars(module)
        scope[CARRIED] = self.imported
        scope["__builtins__"] = builtins
        exec(compile(tree, file, "exec", dont_inherit=True), scope)


class _Imports(ast.NodeTransformer):
    """Replaces imports of numlift by what a compiled module has."""

    def visit_Import(self, node: ast.Import) -> Any:
        """`import numlift.types as t` is `t = __numlift__("numlift.types")`."""
        others = [a for a in node.names if not _is_own(a.name)]
        made: list[ast.stmt] = [ast.copy_location(ast.Import(others), node)] if others else []
        for alias in node.names:
            if _is_own(alias.name):
                module = alias.name if alias.asname else "numlift"
                target = ast.Name(alias.asname or "numlift", ast.Store())
                made.append(ast.copy_location(ast.Assign([target], _imported(module)), node))
                if module != alias.name:
                    made.append(ast.copy_location(ast.Expr(_imported(alias.name)), node))
        return made

    def visit_ImportFrom(self, node: ast.ImportFrom) -> Any:
        """`from numlift import jit, njit as n` is `jit, n = __numlift__("numlift", "jit", "njit")`."""
        if node.level or node.module is None or not _is_own(node.module):
            return node
        value = _imported(node.module, *(a.name for a in node.names))
        if node.names[0].name == "*":
            update = ast.Attribute(ast.Call(ast.Name("globals", ast.Load()), [], []), "update", ast.Load())
            return ast.copy_location(ast.Expr(ast.Call(update, [value], [])), node)
        names: list[ast.expr] = [ast.Name(a.asname or a.name, ast.Store()) for a in node.names]
        target = names[0] if len(names) == 1 else ast.Tuple(names, ast.Store())
        return ast.copy_location(ast.Assign([target], value), node)


def _is_own(name: str) -> bool:
    return name.partition(".")[0] == "numlift"


def _imported(module: str, *names: str) -> ast.expr:
    texts: list[ast.expr] = [ast.Constant(text) for text in (module, *names)]
    return ast.Call(ast.Name(CARRIED, ast.Load()), texts, [])


class Dispatcher:
    """A function of a compiled module: machine code for the argument types it was compiled for."""

    __slots__ = ()
    __module__ = "numlift"
    _native: ClassVar[Native]

    def __repr__(self) -> str:
        return f"<numlift.compiled {self.__module__}.{self.__qualname__}>"  # type: ignore[attr-defined]

    @property
    def py_func(self) -> Callable[..., Any]:
        """The function's Python source."""
        return self._native.py_func(self)

    @property
    def signatures(self) -> list[str]:
        """Argument types that it was compiled for."""
        return self._native.signatures(self)

    def tier(self, *args: Any, **kwargs: Any) -> str:
        """What a call with these arguments would run: "native", "mixed" or "interpreter"."""
        return self._native.tier(self, args, kwargs)

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return self

    def __reduce__(self) -> str:
        return str(self.__qualname__)  # type: ignore[attr-defined]


def start(carried: Carried, module: types.ModuleType, source: str, file: str) -> None:
    """Fills a compiled module: runs its source, with the text where tracebacks look for it."""
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    carried.module("numlift")
    carried.run(source, file, module)
