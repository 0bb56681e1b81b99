"""`numlift check`: what has no static type in the functions of a file, found without calling them.

The file is imported under its own name, so decorators run and the main part does not. Nothing is compiled.
"""

import contextlib
import importlib
import importlib.util
import inspect
import json
import linecache
import sys
import traceback
import types
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_origin

import numpy as np

from numlift import _core, _decorator
from numlift._decorator import Dispatcher
from numlift._terminal import use_colour
from numlift.types import Type

_PYTHON = {bool: "bool", int: "int", float: "float", complex: "complex", None: "none", type(None): "none"}


class Place(NamedTuple):
    """A diagnostic, in the order of the extension's rows."""

    code: str
    message: str
    file: str
    line: int
    column: int
    length: int
    help: str | None


class Unusable(Exception):
    """A file that cannot be checked, or an option that is not understood; the text is for the user."""


class Collector(_decorator.Watcher):
    """Keeps the functions that decorators make, and compiles none of them."""

    def __init__(self) -> None:
        self.found: list[tuple[Dispatcher[..., Any], list[str]]] = []
        #: what was imported
        self.module: types.ModuleType | None = None

    def options(self, chosen: dict[str, Any]) -> dict[str, Any]:
        return {**chosen, "strict": False}

    def made(self, function: Dispatcher[..., Any], signatures: list[str]) -> None:
        self.found.append((function, signatures))


class Assumptions:
    """Types of parameters that have no annotation: of all, or of those with a name."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.default: str | None = None
        self.named: dict[str, str] = {}
        for text in texts:
            name, equals, type_ = text.partition("=")
            try:
                _core.parse_type(type_ if equals else text)
            except ValueError as e:
                raise Unusable(f"--assume {text!r}: {e}") from None
            if equals:
                self.named[name.strip()] = type_
            else:
                self.default = text

    def of(self, parameter: inspect.Parameter) -> str | None:
        found = self.named.get(parameter.name)
        if found is None and parameter.default is not None:
            found = _PYTHON.get(type(parameter.default))
        return self.default if found is None else found


def module_name(path: Path) -> tuple[Path, str]:
    """The directory to import from, and the dotted name of the file."""
    parts = [path.stem] if path.stem != "__init__" else []
    directory = path.parent
    while (directory / "__init__.py").exists():
        parts.insert(0, directory.name)
        directory = directory.parent
    return directory, ".".join(parts)


def _load(path: Path, name: str) -> types.ModuleType:
    package = name.rpartition(".")[0]
    if package:
        importlib.import_module(package)
    if name in sys.modules or name in sys.stdlib_module_names:
        name = f"{package}.{path.stem}_checked" if package else f"{path.stem}_checked"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise Unusable(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def _as_script(path: Path, directory: Path) -> Iterator[None]:
    """What the file prints while it is imported goes to standard error: the output is the diagnostics'."""
    arguments, search = sys.argv, list(sys.path)
    sys.argv = [str(path)]
    sys.path.insert(0, str(directory))
    try:
        with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.argv, sys.path[:] = arguments, search


def import_file(path: Path, collector: Collector) -> list[tuple[Dispatcher[..., Any], list[str]]]:
    """The functions that decorators make while the file is imported, with their signatures.

    Raises Unusable if that fails.
    """
    if not path.is_file():
        raise Unusable(f"{path}: no such file")
    directory, name = module_name(path)
    before = _decorator.watch(collector)
    try:
        with _as_script(path, directory):
            collector.module = _load(path, name)
    except Unusable:
        raise
    except (Exception, SystemExit) as e:
        shown = "".join(traceback.format_exception_only(e)).strip()
        where = [f for f in traceback.extract_tb(e.__traceback__) if f.filename == str(path)]
        line = f":{where[-1].lineno}" if where else ""
        raise Unusable(f"{path}{line}: cannot be imported: {shown}") from None
    finally:
        _decorator.watch(before)
    return collector.found


def _plain_functions(path: Path, jitted: set[types.CodeType]) -> list[Dispatcher[..., Any]]:
    """The functions of the module, and of its classes, that no decorator has made."""
    of_file = [m for m in list(sys.modules.values()) if getattr(m, "__file__", None) == str(path)]
    scopes: list[Any] = [vars(module) for module in of_file]
    classes = {id(value): value for scope in scopes for value in scope.values() if isinstance(value, type)}
    names = {module.__name__ for module in of_file}
    scopes += [vars(c) for c in classes.values() if c.__module__ in names]
    found: dict[types.CodeType, Dispatcher[..., Any]] = {}
    for value in (value for scope in scopes for value in scope.values()):
        code = value.__code__ if isinstance(value, types.FunctionType) else None
        if code is not None and code.co_filename == str(path) and code not in jitted:
            found.setdefault(code, Dispatcher(value))
    return list(found.values())


#: Parameters that take any number of values, in words.
_VARIABLE = {
    inspect.Parameter.VAR_POSITIONAL: "a tuple of any number of values",
    inspect.Parameter.VAR_KEYWORD: "a dict of keywords",
}

#: Classes whose instances are constants when compiling, or of many types.
_VAGUE: tuple[type, ...] = (str, np.ndarray, types.FunctionType, type)


def type_text(annotation: Any) -> str | None:
    """An annotation as the text of a type; None: it says nothing about the machine type."""
    if isinstance(annotation, Type):
        return str(annotation)
    if annotation is None or (isinstance(annotation, type) and annotation in _PYTHON):
        return _PYTHON[annotation]
    if isinstance(annotation, type) and issubclass(annotation, np.generic):
        name = np.dtype(annotation).name
        return name if _understood(name) else None
    origin = get_origin(annotation)
    if origin is tuple:
        items = [type_text(item) for item in get_args(annotation)]
        texts = [item for item in items if item is not None and item != "object"]
        if len(texts) == len(items) and texts:
            return f"({texts[0]},)" if len(texts) == 1 else f"({', '.join(texts)})"
        return None
    if origin is np.ndarray:
        return _array_text(*get_args(annotation))
    class_ = origin or annotation
    if not isinstance(class_, type) or class_ is inspect.Parameter.empty or issubclass(class_, _VAGUE):
        return None
    return "object" if class_.__module__ not in ("typing", "collections.abc", "numpy.typing") else None


def _array_text(shape: Any, dtype: Any) -> str | None:
    """The type that `np.ndarray[tuple[int, int], np.dtype[np.float64]]` is; None if the rank is not said."""
    rank = get_args(shape)
    scalar = get_args(dtype)
    if not rank or Ellipsis in rank or not scalar or not isinstance(scalar[0], type):
        return None
    text = f"{np.dtype(scalar[0]).name}[{', '.join(':' for _ in rank)}]"
    return text if _understood(text) else None


def _words(annotation: Any) -> str:
    """What an object is, for messages."""
    name = getattr(get_origin(annotation) or annotation, "__name__", "object")
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def _understood(text: str) -> bool:
    try:
        _core.parse_type(text)
    except ValueError:
        return False
    return True


def annotation_of(function: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    value = parameter.annotation
    if isinstance(value, str):
        try:
            return eval(value, getattr(function, "__globals__", {}))
        except Exception:
            return inspect.Parameter.empty
    return value


class Wanted(NamedTuple):
    """Argument types to check a function for, and words for those that are objects."""

    signature: str
    words: list[str]


def signature_of(function: Callable[..., Any], assumptions: Assumptions) -> Wanted | None:
    """The signature that the annotations spell, completed by what is assumed; None: a type is not known."""
    texts, words = [], []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in _VARIABLE:
            # each call says how many there are, and of which types
            texts.append("object")
            words.append(_VARIABLE[parameter.kind])
            continue
        annotation = annotation_of(function, parameter)
        text = type_text(annotation) or assumptions.of(parameter)
        if text is None:
            return None
        texts.append(text)
        words.append("an object" if annotation is parameter.empty else _words(annotation))
    return Wanted(f"({', '.join(texts)})", words)


def vague(function: Callable[..., Any], assumptions: Assumptions) -> list[str]:
    """Names of the parameters whose types are not known."""
    parameters = inspect.signature(function).parameters.values()
    unknown = (p for p in parameters if not (type_text(annotation_of(function, p)) or assumptions.of(p)))
    return [p.name for p in unknown]


def is_annotated(function: Callable[..., Any]) -> bool:
    parameters = inspect.signature(function).parameters.values()
    return any(p.annotation is not p.empty for p in parameters) or (
        not parameters and "return" in function.__annotations__
    )


class Skipped(NamedTuple):
    """A function whose argument types are not known."""

    name: str
    file: str
    line: int
    parameters: list[str]

    def message(self) -> str:
        unknown = ", ".join(f"`{name}`" for name in self.parameters)
        why = f"the types of {unknown} are not known" if unknown else "it has no annotations"
        return f"`{self.name}` is not checked: {why}"


class Result(NamedTuple):
    """What was found in a file."""

    places: list[Place]
    checked: int
    skipped: list[Skipped]


def check_file(path: Path, everything: bool, assumptions: Assumptions) -> Result:
    """Checks the functions of one file.

    Raises Unusable if it cannot be imported.
    """
    path = path.resolve()
    found = [(d, s) for d, s in import_file(path, Collector()) if d.py_func.__code__.co_filename == str(path)]
    if everything:
        jitted = {d.py_func.__code__ for d, _ in found}
        found += [(d, []) for d in _plain_functions(path, jitted)]
    found.sort(key=lambda item: item[0].py_func.__code__.co_firstlineno)
    places: dict[Place, None] = {}
    checked, skipped = 0, []
    for dispatcher, signatures in found:
        function = dispatcher.py_func
        wanted = [Wanted(text, []) for text in signatures]
        if not wanted and (everything or is_annotated(function)):
            found_types = signature_of(function, assumptions)
            wanted = [] if found_types is None else [found_types]
        if not wanted:
            code = function.__code__
            unknown = vague(function, assumptions)
            skipped.append(Skipped(function.__qualname__, code.co_filename, code.co_firstlineno, unknown))
            continue
        checked += 1
        for one in wanted:
            places.update(dict.fromkeys(places_of(dispatcher, one)))
    ordered = sorted(places, key=lambda p: (p.file != str(path), p.file, p.line, p.column))
    return Result(ordered, checked, skipped)


def places_of(dispatcher: Dispatcher[..., Any], wanted: Wanted) -> list[Place]:
    try:
        return [Place(*row) for row in _core.check_signature(dispatcher, wanted.signature, wanted.words)]
    except ValueError as e:
        code = dispatcher.py_func.__code__
        return [Place("NL2016", str(e), code.co_filename, code.co_firstlineno, 1, 1, None)]


def _shown(file: str) -> str:
    """The path relative to the working directory, if it is below."""
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except ValueError:
        return file


def row_of(place: Place) -> tuple[str, str, str, int, int, int, str | None, str]:
    line = linecache.getline(place.file, place.line).rstrip("\r\n")
    return (*place._replace(file=_shown(place.file)), line)


def _summary(results: list[Result], everything: bool) -> str:
    places = sum(len(r.places) for r in results)
    checked = sum(r.checked for r in results)
    skipped = [s.name for r in results for s in r.skipped]
    text = f"{places or 'No'} place{'s' * (places != 1)} without a static type in {checked} "
    text += f"function{'s' * (checked != 1)}"
    if skipped:
        hint = "--assume says what their arguments are" if everything else "--all checks them"
        text += f"; {len(skipped)} not checked for want of types ({', '.join(skipped)}): {hint}"
    return text + "."


def _note(skipped: Skipped) -> dict[str, Any]:
    """A function that is not checked, as a diagnostic in JSON."""
    line = linecache.getline(skipped.file, skipped.line).rstrip("\r\n")
    return {
        "code": None,
        "title": None,
        "severity": "note",
        "message": skipped.message(),
        "help": "annotate the parameters, or use --assume",
        "file": skipped.file,
        "line": skipped.line,
        "column": 1,
        "length": max(len(line), 1),
        "source_line": line,
    }


def _notice(skipped: Skipped) -> str:
    """The same as a command of a GitHub workflow."""
    escaped = skipped.file.replace("%", "%25").replace(":", "%3A").replace(",", "%2C")
    return f"::notice title=numlift,file={escaped},line={skipped.line}::{skipped.message()}"


def run(files: Sequence[str], *, everything: bool, assumed: Sequence[str], format: str) -> int:
    """Prints what is found; 0: nothing, 1: something, 2: a file cannot be checked."""
    results, failed = [], False
    try:
        assumptions = Assumptions(assumed)
    except Unusable as e:
        print(f"numlift: {e}", file=sys.stderr)
        return 2
    for file in files:
        try:
            results.append(check_file(Path(file), everything, assumptions))
        except Unusable as e:
            print(f"numlift: {e}", file=sys.stderr)
            failed = True
    rows = [row_of(place) for result in results for place in result.places]
    text = _core.render_diagnostics(rows, format, colour=use_colour(sys.stdout))
    skipped = [s._replace(file=_shown(s.file)) for r in results for s in r.skipped]
    if format == "json":
        text = json.dumps([*json.loads(text), *map(_note, skipped)], ensure_ascii=False)
    if text:
        print(text)
    if format == "github":
        for one in skipped:
            print(_notice(one))
    if format == "text" and results:
        print(_summary(results, everything))
    return 2 if failed else int(bool(rows))
