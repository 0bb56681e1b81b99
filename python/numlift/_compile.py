"""`numlift compile`: an extension module with the functions of a file, without a C compiler.

The file is imported under its own name, so decorators run and the main part does not. The functions that they
make are compiled for the types that are known of their arguments; the module has the others too, and the rest
of the file, as Python.
"""

import ast
import contextlib
import inspect
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from numlift import _check, _core
from numlift._aot import NAMES
from numlift._check import Assumptions, Place, Unusable, Wanted
from numlift._decorator import Dispatcher
from numlift._stubs import Exported, Typed, c_header, c_name, c_suffix, split, type_stub
from numlift._terminal import use_colour

STUB = Path(__file__).with_name("_stub.bin")


class Options(NamedTuple):
    """The options of the command."""

    output: str | None
    name: str | None
    cpu: str
    strip: bool
    signature: list[str]
    from_run: str | None
    strict: bool
    check: bool
    emit: list[str]
    format: str


class Row(NamedTuple):
    """What became of a function: once for each signature, once without one."""

    function: str
    line: int
    signature: str | None
    tier: str
    result: str | None
    size: int
    seconds: float
    #: why not all is machine code: a diagnostic, or words where there is none
    place: Place | None
    made: dict[str, Any]
    why: str | None = None


class _Collector(_check.Collector):
    """Keeps the options that the decorators were given."""

    def options(self, chosen: dict[str, Any]) -> dict[str, Any]:
        return chosen


class Source:
    """A file and the functions that decorators make in it."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        collector = _Collector()
        found = _check.import_file(self.path, collector)
        assert collector.module is not None
        self.module = collector.module
        self.directory, self.name = _check.module_name(self.path)
        own = str(self.path)
        functions: dict[int, tuple[Dispatcher[..., Any], list[str]]] = {}
        for dispatcher, signatures in found:
            code = dispatcher.py_func.__code__
            if code.co_filename == own:
                # decorated twice, or made anew by each call of a function around it: the last one
                before = functions.get(code.co_firstlineno, (dispatcher, []))[1]
                functions[code.co_firstlineno] = (dispatcher, [*before, *signatures])
        self.functions = [functions[line] for line in sorted(functions)]
        self.text = self.path.read_text(encoding="utf-8")
        self._check_imports()

    def _check_imports(self) -> None:
        """Raises Unusable for names of numlift that compiled modules do not have."""
        for node in ast.walk(ast.parse(self.text)):
            if isinstance(node, ast.ImportFrom) and not node.level:
                module, names = node.module or "", {a.name for a in node.names} - {"*"}
            elif isinstance(node, ast.Import):
                own = [a.name for a in node.names if a.name.startswith("numlift.")]
                module, names = own[0] if own else "", set[str]()
            else:
                continue
            if module == "numlift":
                missing = names - NAMES
            else:
                missing = {module} if module.startswith("numlift.") and module != "numlift.types" else set()
            if missing:
                where = f"{self.file}:{node.lineno}"
                raise Unusable(f"{where}: compiled modules have no {min(missing)!r} of numlift")

    @property
    def file(self) -> str:
        """The path from the directory that imports begin in."""
        return str(self.path.relative_to(self.directory))


def _asked(source: Source, texts: Sequence[str]) -> dict[str, list[str]]:
    """The signatures of --signature by function.

    Raises Unusable for a text that is none, or a function that there is not.
    """
    names = [d.__qualname__ for d, _ in source.functions]
    found: dict[str, list[str]] = {}
    for text in texts:
        name, parenthesis, rest = text.partition("(")
        name = name.strip()
        if not parenthesis or not text.rstrip().endswith(")"):
            raise Unusable(f"--signature {text!r}: write 'function(types)'")
        if name not in names:
            known = ", ".join(names) or "none"
            raise Unusable(
                f"--signature {text!r}: no function {name!r} with @jit in {source.file}; there are {known}"
            )
        found.setdefault(name, []).append(f"({rest}")
    return found


def _is_type(text: str) -> bool:
    try:
        _core.parse_type(text)
    except ValueError:
        return False
    return True


def _of_run(script: str, path: Path) -> dict[tuple[str, int], list[str]]:
    """What the calls of a script specialise of the functions of a file, by name and line.

    Raises Unusable if the script fails.
    """
    from numlift._observe import observed, run_script

    if not Path(script).is_file():
        raise Unusable(f"{script}: no such file")
    arguments, search = sys.argv[:], list(sys.path)
    try:
        with observed() as functions, contextlib.redirect_stdout(sys.stderr):
            status = run_script([script])
    finally:
        sys.argv[:], sys.path[:] = arguments, search
    if status != 0:
        raise Unusable(f"{script}: ended with exit status {status}")
    found: dict[tuple[str, int], list[str]] = {}
    for f in functions:
        code = f.py_func.__code__
        if Path(code.co_filename).resolve() == path:
            # constants (functions, strings) are those of the script's process: no signature says them
            rows = [s for s in f.specializations if s.tier != "interpreter" and all(map(_is_type, s.args))]
            texts = [f"({', '.join(s.args)})" for s in rows]
            found.setdefault((f.__qualname__, code.co_firstlineno), []).extend(texts)
    for name, module in list(sys.modules.items()):
        if name != "__main__" and getattr(module, "__file__", None) == str(path):
            del sys.modules[name]
    return found


def _load(path: Path, options: Options) -> tuple[Source, list[tuple[Dispatcher[..., Any], list[Wanted]]]]:
    """The file, its functions and what to compile them for.

    Raises Unusable if there is something wrong with the file or an option.
    """
    # before the file is imported: the script's import is to make functions of its own
    run = {} if options.from_run is None else _of_run(options.from_run, path.resolve())
    source = Source(path)
    asked = _asked(source, options.signature)
    wanted = []
    for dispatcher, given in source.functions:
        function = dispatcher.py_func
        texts = [*given, *asked.get(dispatcher.__qualname__, [])]
        texts += run.get((dispatcher.__qualname__, function.__code__.co_firstlineno), [])
        all_ = [Wanted(text, []) for text in texts]
        if not all_ and _check.is_annotated(function):
            of_annotations = _check.signature_of(function, Assumptions([]))
            all_ = [] if of_annotations is None else [of_annotations]
        wanted.append((dispatcher, all_))
    return source, wanted


def _why_not(function: Any) -> str:
    """Why there is no signature."""
    if not _check.is_annotated(function):
        return "no signature: annotate the parameters, or use --signature or --from-run"
    vague = _check.vague(function, Assumptions([]))
    names = ", ".join(f"`{name}`" for name in vague)
    return f"no signature: {names} has no annotation that names a machine type with its rank"


def _compile(dispatcher: Dispatcher[..., Any], wanted: Wanted, source: Source, options: Options) -> Row:
    code = dispatcher.py_func.__code__
    how = {
        "cpu": options.cpu,
        "strict": options.strict,
        "texts": bool(options.emit),
        "directory": str(source.directory),
    }
    name, line = dispatcher.__qualname__, code.co_firstlineno
    try:
        made = _core.compile_ahead(dispatcher, wanted.signature, how)
    except ValueError as e:
        return Row(name, line, wanted.signature, "error", None, 0, 0.0, None, {}, str(e))
    if "error" in made:
        place = Place(*made["error"])
        strict = options.strict or bool(dispatcher.__dict__["_options"]["strict"])
        tier = "error" if strict else "interpreter"
        return Row(name, line, made["signature"], tier, None, 0, made["seconds"], place, {})
    first = Place(*made["places"][0]) if made["places"] else None
    size = len(made["code"])
    return Row(
        name, line, made["signature"], made["tier"], made["result"], size, made["seconds"], first, made
    )


def _rows(
    source: Source, functions: list[tuple[Dispatcher[..., Any], list[Wanted]]], options: Options
) -> list[Row]:
    rows = []
    progress = sys.stderr.isatty() and options.format == "text"
    for dispatcher, wanted in functions:
        if not wanted:
            line = dispatcher.py_func.__code__.co_firstlineno
            why = _why_not(dispatcher.py_func)
            rows.append(Row(dispatcher.__qualname__, line, None, "python", None, 0, 0.0, None, {}, why))
        signatures = set()
        for one in wanted:
            if progress:
                print(f"\r\x1b[Kcompiling {dispatcher.__qualname__}{one.signature}", end="", file=sys.stderr)
            row = _compile(dispatcher, one, source, options)
            if row.signature not in signatures:
                signatures.add(row.signature)
                rows.append(row)
    if progress:
        print("\r\x1b[K", end="", file=sys.stderr)
    return rows


def _exported(source: Source, rows: list[Row]) -> list[tuple[Exported, Row]]:
    """What C can call, with the specialisation that it is."""
    names = {d.__qualname__: list(inspect.signature(d.py_func).parameters) for d, _ in source.functions}
    callable_ = [row for row in rows if row.made and row.made["c"] is not None and c_name(row.function)]
    of_name = Counter(row.function for row in callable_)
    found = []
    for row in callable_:
        parameters, results = row.made["c"]
        name = row.function.replace(".", "_")
        if of_name[row.function] > 1:
            assert row.signature is not None
            name += c_suffix(split(row.signature[1:-1]))
        text = f"{row.function}{row.signature}"
        found.append((Exported(name, text, parameters, results, names[row.function]), row))
    return found


def _module_file(
    source: Source, rows: list[Row], exported: list[tuple[Exported, Row]], name: str, options: Options
) -> bytes:
    """The extension module.

    Raises Unusable if the package has no stub.
    """
    if not STUB.exists():
        raise Unusable(f"{STUB.name} is missing: this installation of numlift cannot make modules")
    functions: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        if row.made:
            functions.setdefault((row.function, row.line), []).append(row)
    exports = []
    for export, row in exported:
        key = (row.function, row.line)
        exports.append((export.name, list(functions).index(key), functions[key].index(row)))
    content = {
        "name": name,
        "file": source.file,
        "source": source.text,
        "features": _core.features_of(options.cpu),
        "cpu": options.cpu,
        "strict": options.strict,
        "strip": options.strip,
        "functions": [
            (*key, [(r.made["signature"], r.made["image"]) for r in all_]) for key, all_ in functions.items()
        ],
        "exports": exports,
    }
    return _core.module_file(STUB.read_bytes(), content)


def _stub_text(source: Source, rows: list[Row]) -> str:
    compiled: dict[str, tuple[Any, list[Typed]]] = {}
    by_name = {d.__qualname__: d.py_func for d, _ in source.functions}
    for row in rows:
        if row.made and row.signature is not None:
            typed = Typed(tuple(split(row.signature[1:-1])), row.result)
            compiled.setdefault(row.function, (by_name[row.function], []))[1].append(typed)
    return type_stub(source.module, compiled)


_SUFFIXES = {"asm": ".s", "clif": ".clif", "mir": ".mir"}


def _emitted(rows: list[Row], kind: str) -> bytes:
    """A text of a stage, or the object file."""
    made = [row for row in rows if row.made]
    if kind == "obj":
        named = [(f"{r.function}{r.signature}", r.made["code"], r.made["entry"]) for r in made]
        return _core.object_file(named)
    comment = "#" if kind == "asm" else ";"
    parts = [f"{comment} {r.function}{r.signature}\n{r.made[kind].rstrip()}\n" for r in made]
    return "\n".join(parts).encode()


def _write(path: Path, data: bytes) -> Path:
    """Aside and renamed: a process may have the file of that name mapped.

    Raises Unusable if it cannot be written.
    """
    aside = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(data)
        if path.name.endswith(".so"):
            aside.chmod(0o755)
        aside.replace(path)
    except OSError as e:
        raise Unusable(f"{path}: cannot be written: {e.strerror}") from None
    return path


def build(path: Path, options: Options) -> tuple[list[Row], list[Path]]:
    """Compiles a file: what became of its functions, and the files written, none if a function has an error.

    Raises Unusable if the file cannot be imported or a file cannot be written.
    """
    source, functions = _load(path, options)
    name = (options.name or source.name).rpartition(".")[2]
    if not (name.isidentifier() and name.isascii()):
        raise Unusable(
            f"{name!r} cannot be the name of a compiled module: use letters, digits and underscores"
        )
    rows = _rows(source, functions, options)
    if any(row.tier == "error" for row in rows):
        return rows, []
    directory = Path(options.output) if options.output is not None else path.parent
    if options.emit:
        kinds = dict.fromkeys(options.emit)
        files = [directory / f"{name}{_SUFFIXES.get(kind, '.o')}" for kind in kinds]
        return rows, [_write(f, _emitted(rows, kind)) for f, kind in zip(files, kinds, strict=True)]
    exported = _exported(source, rows)
    module = _module_file(source, rows, exported, name, options)
    written = [_write(directory / f"{name}.abi3.so", module)]
    written.append(_write(directory / f"{name}.pyi", _stub_text(source, rows).encode()))
    if exported:
        header = c_header(name, [export for export, _ in exported])
        written.append(_write(directory / f"{name}.h", header.encode()))
    return rows, written


def _table(rows: list[Row]) -> str:
    """Function, signature, tier, bytes, milliseconds."""
    cells = [("function", "signature", "tier", "bytes", "ms")]
    for r in rows:
        numbers = (str(r.size), f"{r.seconds * 1e3:.1f}") if r.made else ("", "")
        cells.append((r.function, r.signature or "", r.tier, *numbers))
    widths = [max(len(row[i]) for row in cells) for i in range(5)]
    lines = []
    for row in cells:
        texts = [
            c.rjust(w) if i > 2 else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(texts).rstrip())
    return "\n".join(lines)


def _diagnostics(rows: list[Row], file: str) -> str:
    """Why not all is machine code."""
    places = dict.fromkeys(r.place for r in rows if r.place is not None)
    words = [f"{file}:{r.line}: `{r.function}`: {r.why}" for r in rows if r.why is not None]
    colour = use_colour(sys.stderr)
    text = _core.render_diagnostics([_check.row_of(p) for p in places], "text", colour=colour)
    return "\n".join([*words, *([text] if text else [])])


def _json(rows: list[Row], written: list[Path], seconds: float) -> str:
    functions = []
    for r in rows:
        place = {"code": None, "message": r.why, "line": r.line} if r.why is not None else None
        if r.place is not None:
            place = {"code": r.place.code, "message": r.place.message, "line": r.place.line}
        functions.append(
            {
                "function": r.function,
                "line": r.line,
                "signature": r.signature,
                "tier": r.tier,
                "result": r.result,
                "bytes": r.size,
                "seconds": r.seconds,
                "reason": place,
            }
        )
    whole = {"functions": functions, "files": [str(p) for p in written], "seconds": seconds}
    return json.dumps(whole, indent=2)


def _checked(path: Path, options: Options) -> int:
    """`--check`: types alone."""
    _, functions = _load(path, options)
    places: dict[Place, None] = {}
    count = 0
    for dispatcher, wanted in functions:
        count += bool(wanted)
        for one in wanted:
            places.update(dict.fromkeys(_check.places_of(dispatcher, one)))
    format = "json" if options.format == "json" else "text"
    text = _core.render_diagnostics([_check.row_of(p) for p in places], format, colour=use_colour(sys.stdout))
    if text:
        print(text)
    if format == "text":
        what = f"{len(places) or 'No'} place{'s' * (len(places) != 1)} without a static type"
        print(f"{what} in {count} function{'s' * (count != 1)}.")
    return int(bool(places))


def run(file: str, **chosen: Any) -> int:
    """The command: 0 if the file was compiled, 1 if a function could not be, 2 if nothing could be tried."""
    options = Options(**chosen)
    path = Path(file)
    start = time.perf_counter()
    try:
        if options.check:
            return _checked(path, options)
        rows, written = build(path, options)
    except Unusable as e:
        print(f"numlift: {e}", file=sys.stderr)
        return 2
    seconds = time.perf_counter() - start
    failed = any(row.tier == "error" for row in rows)
    if options.format == "json":
        print(_json(rows, written, seconds))
        return int(failed)
    text = _diagnostics(rows, file)
    if text:
        print(text, end="\n\n", file=sys.stderr)
    print(_table(rows))
    if failed:
        print(f"numlift: {file} was not compiled", file=sys.stderr)
        return 1
    sizes = ", ".join(f"{p} ({p.stat().st_size / 1e3:.0f} kB)" for p in written)
    print(f"\n{sizes} in {seconds * 1e3:.0f} ms")
    return 0
