"""What the commands of `numlift` do; their spelling is in `crates/python/src/cli.rs`."""

import difflib
import json
import os
import platform
import re
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from numlift import _core
from numlift._terminal import use_colour


def _print(text: str, status: int) -> int:
    print(text, end="", file=sys.stderr if status else sys.stdout)
    return status


def _paint(page: str) -> str:
    """A page of Markdown for a terminal: titles and code stand out."""
    page = re.sub(r"^# (.*)$", "\x1b[1m\\1\x1b[0m", page, flags=re.MULTILINE)
    page = re.sub(r"\*\*(.+?)\*\*", "\x1b[1m\\1\x1b[0m", page)
    parts = re.split(r"(^```.*?^```$)", page, flags=re.MULTILINE | re.DOTALL)
    for i, part in enumerate(parts):
        if part.startswith("```"):
            lines = part.splitlines()[1:-1]
            parts[i] = "\n".join(f"    \x1b[36m{line}\x1b[0m" if line else "" for line in lines)
        else:
            parts[i] = re.sub(r"`([^`\n]+)`", "\x1b[36m\\1\x1b[0m", part)
    return "".join(parts)


def _explain(code: str | None) -> int:
    if code is None:
        for name, title, summary in _core.list_codes():
            print(f"{name}  {title}\n        {summary}")
        return 0
    wanted = code.strip().upper()
    wanted = wanted if wanted.startswith("NL") else f"NL{wanted}"
    page = _core.code_page(wanted)
    if page is None:
        codes = [name for name, _, _ in _core.list_codes()]
        near = difflib.get_close_matches(wanted, codes, n=3, cutoff=0.6)
        hint = f"did you mean {' or '.join(near)}?" if near else "`numlift explain` lists all"
        print(f"numlift: there is no diagnostic {code!r}; {hint}", file=sys.stderr)
        return 2
    # The fence's info string is for the tests of the documentation.
    page = re.sub(r"^```python error=NL\d+$", "```python", page, flags=re.MULTILINE)
    print(_paint(page) if use_colour(sys.stdout) else page, end="")
    return 0


def _version(module: str) -> str | None:
    """The version of an installed package; it is not imported."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(module)
    except PackageNotFoundError:
        return None


def _information() -> dict[str, Any]:
    import numpy as np

    from numlift._options import resolve

    return {
        "numlift": _core.__version__,
        "extension": _core.__file__,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "executable": sys.executable,
        "numpy": np.__version__,
        "numba": _version("numba"),
        "platform": platform.platform(),
        "libc": " ".join(filter(None, platform.libc_ver())),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "cpu_features": _core.cpu_features(),
        "options": resolve({}),
        "environment": {k: v for k, v in sorted(os.environ.items()) if k.startswith("NUMLIFT_")},
    }


def _info(format: str) -> int:
    found = _information()
    if format == "json":
        print(json.dumps(found, indent=2))
        return 0
    for name, value in found.items():
        if isinstance(value, dict):
            value = ", ".join(f"{k}={v}" for k, v in value.items())
        elif isinstance(value, list):
            value = " ".join(value)
        print(f"{name.replace('_', ' '):14}{'-' if value in (None, '') else value}")
    return 0


def _check(files: Sequence[str], all: bool, assume: Sequence[str], format: str) -> int:
    from numlift._check import run

    return run(files, everything=all, assumed=assume, format=format)


def _compile(file: str, **options: Any) -> int:
    from numlift._compile import run

    return run(os.fspath(file), **options)


def _report(**options: Any) -> int:
    from numlift._observe import run

    return run(**options)


def _size(bytes: int) -> str:
    return f"{bytes / 2**20:.1f} MiB" if bytes >= 2**20 else f"{bytes / 2**10:.1f} KiB"


def _when(seconds: int | None) -> str:
    return "-" if seconds is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _cache(what: str, format: str) -> int:
    try:
        if what == "path":
            print(os.fspath(_core.cache_directory()))
            return 0
        found: dict[str, Any] = _core.cache_contents()
        found["directory"] = os.fspath(found["directory"])
        if what == "clear":
            cleared = {"directory": found["directory"], "deleted": _core.clear_cache()}
            many = "" if cleared["deleted"] == 1 else "s"
            text = f"{cleared['deleted']} specialisation{many} deleted from {cleared['directory']}"
            print(json.dumps(cleared, indent=2) if format == "json" else text)
            return 0
    except OSError as error:
        print(f"numlift: {error}", file=sys.stderr)
        return 2
    if format == "json":
        print(json.dumps(found, indent=2))
        return 0
    print(f"directory        {found['directory']}")
    print(f"specialisations  {found['entries']}")
    print(f"size             {_size(found['bytes'])} of {_size(found['limit'])}")
    print(f"last used        {_when(found['oldest_use'])} to {_when(found['newest_use'])}")
    return 0


def _completion(shell: str) -> int:
    print(_core.completion_script(shell), end="")
    return 0


_COMMANDS: dict[str, Callable[..., int]] = {
    "cache": _cache,
    "check": _check,
    "compile": _compile,
    "completion": _completion,
    "explain": _explain,
    "info": _info,
    "report": _report,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; gives the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    name, options = _core.parse_command_line(words, colour=use_colour(sys.stdout))
    try:
        if name == "print":
            return _print(options["text"], options["status"])
        return _COMMANDS[name](**options)
    except BrokenPipeError:
        # What reads the output has seen enough. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
