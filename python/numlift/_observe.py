"""`numlift report`: runs a script as `python` does and reports on the functions that decorators make."""

import contextlib
import importlib.util
import json
import os
import sys
import traceback
import types
import webbrowser
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from numlift import _core, _decorator
from numlift._decorator import Dispatcher
from numlift._report import Report
from numlift._terminal import use_colour, width

#: Functions that are watched: a program may make new ones without end.
_MOST = 1000


class _Observer(_decorator.Watcher):
    """Keeps the functions alive until the report is made."""

    def __init__(self) -> None:
        self.functions: list[Dispatcher[..., Any]] = []

    def made(self, function: Dispatcher[..., Any], signatures: list[str]) -> None:
        if len(self.functions) < _MOST:
            self.functions.append(function)
        super().made(function, signatures)


@contextlib.contextmanager
def observed() -> Iterator[list[Dispatcher[..., Any]]]:
    """The functions that are made meanwhile; the time of calls is measured."""
    observer = _Observer()
    before = _decorator.watch(observer)
    _core.observe_calls(True)
    try:
        yield observer.functions
    finally:
        _core.observe_calls(False)
        _decorator.watch(before)


def _status(end: SystemExit) -> int:
    """The exit status that Python gives."""
    if end.code is None:
        return 0
    if isinstance(end.code, int):
        return end.code & 0xFF
    print(end.code, file=sys.stderr)
    return 1


def _without_frames_of_ours(error: BaseException, path: str) -> None:
    """The traceback begins with the script, as with `python`."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != path:
        trace = trace.tb_next
    traceback.print_exception(type(error), error, trace)


def run_script(words: list[str]) -> int:
    """Runs a script as `python` does; the exit status."""
    path = os.path.abspath(words[0])
    sys.argv[:] = words
    if not sys.flags.safe_path:
        sys.path[0] = os.path.dirname(os.path.realpath(path))
    return _run(path, lambda: compile(Path(path).read_bytes(), path, "exec", dont_inherit=True))


def run_module(words: list[str]) -> tuple[int, str | None]:
    """Runs a module as `python -m` does; the exit status, and its file if it is found."""
    name = words[0]
    if not sys.flags.safe_path:
        sys.path[0] = os.getcwd()
    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            name = f"{name}.__main__"
            spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        spec = None
    loader: Any = spec and spec.loader
    code = loader.get_code(name) if hasattr(loader, "get_code") else None
    if spec is None or code is None:
        print(f"numlift: no module named {name}", file=sys.stderr)
        return 1, None
    path = spec.origin or name
    sys.argv[:] = [path, *words[1:]]
    facts = {"__spec__": spec, "__loader__": loader, "__package__": spec.parent, "__cached__": spec.cached}
    return _run(path, lambda: code, **facts), path


def _run(path: str, read: Callable[[], types.CodeType], **facts: Any) -> int:
    """Runs code as the main module; the exit status."""
    module = types.ModuleType("__main__")
    module.__dict__.update(__file__=path, __builtins__=__builtins__, **{"__cached__": None, **facts})
    # It stays there: its globals live until the report is made, and what runs at exit may look for them.
    sys.modules["__main__"] = module
    try:
        exec(read(), module.__dict__)
    except SystemExit as end:
        return _status(end)
    except KeyboardInterrupt as error:
        _without_frames_of_ours(error, path)
        return 130
    except BaseException as error:
        _without_frames_of_ours(error, path)
        return 1
    finally:
        sys.stdout.flush()
    return 0


def _in_order(functions: list[Dispatcher[..., Any]], script: str) -> list[Dispatcher[..., Any]]:
    """Those that were called first, the script's before those of other files."""
    script = os.path.abspath(script)

    def key(function: Dispatcher[..., Any]) -> tuple[bool, bool, str, int]:
        code = function.py_func.__code__
        return (
            not function.specializations,
            code.co_filename != script,
            code.co_filename,
            code.co_firstlineno,
        )

    return sorted(functions, key=key)


def _write(report: Report, format: str, output: str | None, browse: bool) -> None:
    if format == "html":
        output = output or "numlift-report.html"
        text = report.html()
    elif format == "json":
        text = report.json() + "\n"
    else:
        colour = use_colour(sys.stdout) and output in (None, "-")
        text = _core.render_report(report.json(), "text", colour=colour, width=width())
    if output in (None, "-"):
        sys.stdout.write(text)
        return
    assert output is not None
    Path(output).write_text(text, encoding="utf-8")
    totals = report.data()["totals"]
    what = f"{totals['score']} % native, {totals['calls']} calls"
    print(f"numlift: report written to {output} ({what})", file=sys.stderr)
    if browse:
        webbrowser.open(Path(output).resolve().as_uri())


def _diff(paths: list[str], format: str, output: str | None, browse: bool, fail_under: int | None) -> int:
    texts = []
    for path in paths:
        try:
            texts.append(Path(path).read_text(encoding="utf-8"))
            Report(texts[-1])
        except (OSError, ValueError) as e:
            print(f"numlift: {path}: {e}", file=sys.stderr)
            return 2
    if format == "html":
        output = output or "numlift-diff.html"
    colour = use_colour(sys.stdout) and output in (None, "-")
    text = _core.compare_reports(texts[0], texts[1], format, colour=colour, width=width())
    if output in (None, "-"):
        print(text.rstrip("\n"))
    else:
        assert output is not None
        Path(output).write_text(text, encoding="utf-8")
        print(f"numlift: comparison written to {output}", file=sys.stderr)
        if browse:
            webbrowser.open(Path(output).resolve().as_uri())
    return _verdict(json.loads(texts[1])["totals"]["score"], fail_under, 0)


def _verdict(score: int, fail_under: int | None, status: int) -> int:
    if fail_under is None or score >= fail_under:
        return status
    print(
        f"numlift: {score} % of the lines run as machine code, {fail_under} % are asked for", file=sys.stderr
    )
    return status or 1


def run(
    script: list[str],
    format: str | None,
    output: str | None,
    browse: bool,
    fail_under: int | None,
    diff: list[str] | None,
    module: list[str] | None,
) -> int:
    """The command; the script's exit status, or 1 if the score is too low."""
    output = None if output is None else os.fspath(output)
    if diff is not None:
        return _diff([os.fspath(path) for path in diff], format or "text", output, browse, fail_under)
    if module is None and not Path(script[0]).is_file():
        print(f"numlift: {script[0]}: no such file", file=sys.stderr)
        return 2
    path: str | None
    with observed() as functions:
        if module is None:
            status, path = run_script(script), script[0]
        else:
            status, path = run_module([os.fspath(word) for word in module])
    if path is None:
        return status
    report = Report.of(_in_order(functions, path), path)
    _write(report, format or "html", output, browse)
    return _verdict(report.data()["totals"]["score"], fail_under, status)
