"""The disk cache: what is found again, what must not be, and that no state of the disk changes a result."""

import json
import linecache
import os
import resource
import subprocess
import sys
import textwrap
import traceback
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import FAKE

if not FAKE:
    import numlift
    from numlift import NumliftCacheWarning, jit

pytestmark = pytest.mark.skipif(FAKE, reason="needs the compiler")

HEADER = "import numpy as np\nfrom numlift import jit, njit\n"


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / "cache"
    monkeypatch.setenv("NUMLIFT_CACHE_DIR", str(path))
    for name in ("NUMLIFT_CACHE_SIZE", "NUMLIFT_CACHE_SHARED"):
        monkeypatch.delenv(name, raising=False)
    yield path
    for name in [n for n in sys.modules if n.startswith("cached_")]:
        del sys.modules[name]


def module(directory: Path, text: str, name: str = "cached_main") -> types.ModuleType:
    """Executes a file anew, as a process would that starts after it was written."""
    path = directory / f"{name}.py"
    path.write_text(HEADER + textwrap.dedent(text))
    linecache.checkcache(str(path))
    made = types.ModuleType(name)
    made.__file__ = str(path)
    sys.modules[name] = made
    exec(compile(path.read_text(), str(path), "exec"), made.__dict__)
    return made


def uses(f: Any) -> list[str | None]:
    """What became of each specialisation, in order."""
    return [use for _, use in numlift._core.cache_uses(f)]


def files(directory: Path) -> list[Path]:
    return sorted(p for p in directory.glob("*/*") if p.is_file())


def run(script: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "PYTHONPATH": str(Path(numlift.__file__).parents[1]), **environment}
    command = [sys.executable, "-c", textwrap.dedent(script)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=variables, check=False)


SUM = """
@jit(cache=True)
def f(a, x=1.0):
    s = 0.0
    for i in range(len(a)):
        s += a[i] * x
    return s
"""


def test_another_process_loads_it(tmp_path: Path, directory: Path) -> None:
    (tmp_path / "kernels.py").write_text(HEADER + SUM)
    script = "import kernels, numpy as np; print(kernels.f(np.arange(4.0)), kernels.f.stats)"
    first, second = run(script, tmp_path), run(script, tmp_path)
    assert first.stdout.startswith("6.0") and "cache_hits={}" in first.stdout, first.stderr
    assert second.stdout.startswith("6.0") and "cache_misses={}" in second.stdout, second.stderr
    assert len(files(directory)) == 1 and files(directory)[0].stat().st_mode & 0o777 == 0o600
    assert directory.stat().st_mode & 0o777 == 0o700


ANNOTATED = """
D = {{1: {value}}}
@jit(cache=True)
def f(n):
    x: {ty} = D[1]
    s = x
    for i in range(n):
        s = s * 3 + x * i - 1
    return s
"""

# name → (text, edited text, call, what becomes of the edited one)
EDITS: dict[str, tuple[str, str, str, str]] = {
    "nothing": (SUM, SUM, "m.f(A)", "hit"),
    "own source": (SUM, SUM.replace("a[i] * x", "a[i] + x"), "m.f(A)", "stored"),
    "a comment": (SUM, SUM.replace("s = 0.0", "s = 0.0  # the sum"), "m.f(A)", "stored"),
    "moved": (SUM, "\n\nX = 1\n" + SUM, "m.f(A)", "hit"),
    "default, same type": (SUM, SUM.replace("x=1.0", "x=2.5"), "m.f(A)", "stored"),
    "default, other type": (SUM, SUM.replace("x=1.0", "x=2"), "m.f(A)", "stored"),
    "an option": (SUM, SUM.replace("cache=True", "cache=True, overflow='wrap'"), "m.f(A)", "stored"),
    "nogil": (SUM, SUM.replace("cache=True", "cache=True, nogil=True"), "m.f(A)", "stored"),
    "a global number": (
        "N = 3\n@jit(cache=True)\ndef f(x):\n    return x * N\n",
        "N = 4\n@jit(cache=True)\ndef f(x):\n    return x * N\n",
        "m.f(2)",
        "hit",
    ),
    "type of a global": (
        "N = 3\n@jit(cache=True)\ndef f(x):\n    return x * N\n",
        "N = 3.0\n@jit(cache=True)\ndef f(x):\n    return x * N\n",
        "m.f(2)",
        "stored",
    ),
    "a global constant": (
        "K = 'C'\n@jit(cache=True)\ndef f(n):\n    a = np.zeros((n, 2), order=K)\n    return a.strides\n",
        "K = 'F'\n@jit(cache=True)\ndef f(n):\n    a = np.zeros((n, 2), order=K)\n    return a.strides\n",
        "m.f(3)",
        "stored",
    ),
    "a callee": (
        "def g(x):\n    return x + 1\n@jit(cache=True)\ndef f(x):\n    return g(x)\n",
        "def g(x):\n    return x + 2\n@jit(cache=True)\ndef f(x):\n    return g(x)\n",
        "m.f(2)",
        "stored",
    ),
    "callee of a callee": (
        "def h(x):\n    return x + 1\n@jit\ndef g(x):\n    return h(x)\n"
        "@jit(cache=True)\ndef f(x):\n    return g(x)\n",
        "def h(x):\n    return x - 1\n@jit\ndef g(x):\n    return h(x)\n"
        "@jit(cache=True)\ndef f(x):\n    return g(x)\n",
        "m.f(2)",
        "stored",
    ),
    "default of a callee": (
        "def g(x, y=1):\n    return x + y\n@jit(cache=True)\ndef f(x):\n    return g(x)\n",
        "def g(x, y=1.5):\n    return x + y\n@jit(cache=True)\ndef f(x):\n    return g(x)\n",
        "m.f(2)",
        "stored",
    ),
    "another function of the module": (
        "g = np.sin\n@jit(cache=True)\ndef f(x):\n    return g(x)\n",
        "g = np.cos\n@jit(cache=True)\ndef f(x):\n    return g(x)\n",
        "m.f(2.0)",
        "stored",
    ),
    "a builtin that is shadowed": (
        "@jit(cache=True)\ndef f(x):\n    return abs(x)\n",
        "def abs(x):\n    return x\n@jit(cache=True)\ndef f(x):\n    return abs(x)\n",
        "m.f(-2)",
        "stored",
    ),
    "an annotation": (
        ANNOTATED.format(value="2", ty="int  "),
        ANNOTATED.format(value="2.0", ty="float"),
        "m.f(4)",
        "stored",
    ),
    "what an annotation names": (
        "T = int\n" + ANNOTATED.format(value="2", ty="T"),
        "T = float\n" + ANNOTATED.format(value="2.0", ty="T"),
        "m.f(4)",
        "stored",
    ),
    "type of a closure variable": (
        "def make(k):\n    @jit(cache=True)\n    def f(x):\n        return x * k\n    return f\nf = make(2)\n",
        "def make(k):\n    @jit(cache=True)\n    def f(x):\n        return x * k\n    return f\nf = make(2.5)\n",
        "m.f(3)",
        "stored",
    ),
    "value of a closure variable": (
        "def make(k):\n    @jit(cache=True)\n    def f(x):\n        return x * k\n    return f\nf = make(2)\n",
        "def make(k):\n    @jit(cache=True)\n    def f(x):\n        return x * k\n    return f\nf = make(5)\n",
        "m.f(3)",
        "hit",
    ),
    "a function argument": (
        "g = lambda x: x + 1\n@jit(cache=True)\ndef f(g, x):\n    return g(x)\n",
        "g = lambda x: x + 2\n@jit(cache=True)\ndef f(g, x):\n    return g(x)\n",
        "m.f(m.g, 3)",
        "stored",
    ),
    "the same function argument": (
        "k = 1\ng = lambda x: x + k\n@jit(cache=True)\ndef f(g, x):\n    return g(x)\n",
        "k = 2\ng = lambda x: x + k\n@jit(cache=True)\ndef f(g, x):\n    return g(x)\n",
        "m.f(m.g, 3)",
        "hit",
    ),
    "a lambda": (
        "f = jit(cache=True)(lambda x: x * 2)\n",
        "\nf = jit(cache=True)(lambda x: x * 2)\n",
        "m.f(3)",
        "hit",
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_edits(tmp_path: Path, name: str) -> None:
    before, after, call, expected = EDITS[name]
    for text, use in ((before, "stored"), (before, "hit"), (after, expected), (before, "hit")):
        m = module(tmp_path, text)
        scope = {"m": m, "A": np.arange(5.0)}
        result = eval(call, scope)
        assert uses(m.f)[-1] == use
        m.f = m.f.py_func
        plain = eval(call, scope)
        assert type(result) is type(plain) and result == plain


def test_an_edited_callee_in_another_file(tmp_path: Path) -> None:
    text = "from cached_other import g, K\n@jit(cache=True)\ndef f(x):\n    return g(x) + K\n"
    steps = [(1, 2, "stored"), (1, 2, "hit"), (3, 2, "stored"), (3, 9, "hit"), (1, 0, "hit")]
    for add, k, use in steps:
        module(tmp_path, f"K = {k}\ndef g(x):\n    return x + {add}\n", "cached_other")
        m = module(tmp_path, text)
        assert m.f(10) == 10 + add + k and uses(m.f) == [use]


def test_one_global_that_becomes_two(tmp_path: Path) -> None:
    """Both functions have seen the same `K`; later one of them is in another module with a `K` of its own."""
    callee = "def g(x):\n    return x * K\n"
    caller = "@jit(cache=True)\ndef f(x):\n    return g(x) + K\n"
    m = module(tmp_path, "K = 2\n" + callee + caller)
    assert m.f(5) == 12 and uses(m.f) == ["stored"]
    module(tmp_path, "K = 100\n" + callee, "cached_other")
    m = module(tmp_path, "from cached_other import g\nK = 2\n" + caller)
    assert m.f(5) == 502 and uses(m.f) == ["stored"]


def test_argument_types(tmp_path: Path) -> None:
    arguments: list[tuple[Any, ...]] = [
        (np.ones(3),),
        (np.ones(3, np.float32),),
        (np.ones(6)[::2],),
        (np.ones(3), 2),
    ]
    for use in ("stored", "hit"):
        m = module(tmp_path, SUM)
        for args in arguments:
            assert m.f(*args) == m.f.py_func(*args)
        assert uses(m.f) == [use] * len(arguments)


def test_cells_of_a_notebook() -> None:
    source = "@jit(cache=True)\ndef f(x):\n    return x + 1\n"
    for i, use in enumerate(("stored", "hit")):
        name = f"<ipython-input-{i}-{os.getpid()}>"
        linecache.cache[name] = (len(source), None, source.splitlines(True), name)
        scope: dict[str, Any] = {"jit": jit}
        exec(compile(source, name, "exec"), scope)
        assert scope["f"](1) == 2 and uses(scope["f"]) == [use]


MIXED = """
LOG = []
@jit(cache=True)
def f(a, n):
    s = 0
    for i in range(n):
        s += a[i]
        if i == n - 1:
            LOG.append(f"{i}: {s}")
    p = 1
    for i in range(n):
        a[i] = 0
        p *= 3
    return s, p, a[n]
"""


def test_islands_exits_and_errors_of_what_is_loaded(tmp_path: Path) -> None:
    for shift, use in (("", "stored"), ("", "hit"), ("\n\n\n", "hit")):
        m = module(tmp_path, shift + MIXED)
        for n in (3, 80):
            a = np.arange(100)
            assert m.f(a, n) == (sum(range(n)), 3**n, n) and m.LOG[-1] == f"{n - 1}: {sum(range(n))}"
        assert uses(m.f) == [use] and m.f.tier(np.arange(3), 3) == "mixed"
        texts = []
        for function in (m.f, m.f.py_func):
            try:
                function(np.arange(3), 3)
            except IndexError as e:
                last = traceback.extract_tb(e.__traceback__)[-1]
                texts.append((str(e), last.filename, last.lineno, last.name, last.line))
        assert texts[0] == texts[1] and len(texts) == 2
        lines = Path(m.f.py_func.__code__.co_filename).read_text().splitlines()
        line = next(i for i, text in enumerate(lines, 1) if "LOG.append" in text)
        assert f"cached_main.py:{line})" in m.f.specializations[0].diagnostic
        report = json.loads(m.f.report().json())["functions"][0]["specializations"][0]
        assert [r["line"] for r in report["lines"] if r["island"]] == [line]


def test_random_numbers_and_ufuncs(tmp_path: Path) -> None:
    text = """
    @jit(cache=True)
    def f(x):
        return np.random.random() + np.random.normal() + np.arctan2(x, np.float32(2)) + np.logaddexp(x, 1.0)
    """
    results = []
    for use in ("stored", "hit"):
        m = module(tmp_path, text)
        np.random.seed(1)
        results.append(m.f(np.float64(3)))
        assert uses(m.f) == [use]
    np.random.seed(1)
    assert results == [m.f.py_func(np.float64(3))] * 2


def test_loops_of_other_ufuncs(tmp_path: Path) -> None:
    """A ufunc of another library may have other loops in another version."""
    special = pytest.importorskip("scipy.special")
    text = "from scipy import special\nerf = special.erf\n@jit(cache=True)\ndef f(x):\n    return erf(x)\n"
    for ufunc, use in ((special.erf, "stored"), (special.erf, "hit"), (special.expit, "stored")):
        m = module(tmp_path, text)
        m.erf = ufunc
        assert m.f(0.5) == ufunc(0.5) and uses(m.f) == [use]


def test_what_is_not_compiled_is_not_cached(tmp_path: Path, directory: Path) -> None:
    m = module(tmp_path, "@jit(cache=True)\ndef f(x):\n    yield x\n")
    with pytest.warns(numlift.NumliftFallbackWarning):
        assert list(m.f(1)) == [1]
    assert uses(m.f) == [None] and not files(directory)
    m = module(tmp_path, "@jit\ndef f(x):\n    return x\n")
    assert m.f(1) == 1 and not files(directory) and m.f.stats == (None, {}, {})


def test_damage(tmp_path: Path, directory: Path) -> None:
    """Any byte changed, any length cut: compiled again, with the same result, and stored again."""
    a = np.arange(5.0)
    assert module(tmp_path, SUM).f(a) == 10
    (file,) = files(directory)
    good = file.read_bytes()
    changed = [good[:n] for n in range(0, len(good), 97)] + [good + b"\0", b""]
    for n in range(0, len(good), 41):
        changed.append(good[:n] + bytes([good[n] ^ 0x41]) + good[n + 1 :])
    m = module(tmp_path, SUM)
    for bytes_ in changed:
        file.write_bytes(bytes_)
        f = jit(cache=True)(m.f.py_func)
        assert f(a) == 10 and uses(f) == ["stored"]
    assert file.read_bytes() == good and files(directory) == [file]


def test_many_processes_at_once(tmp_path: Path, directory: Path) -> None:
    (tmp_path / "kernels.py").write_text(HEADER + SUM)
    script = "import kernels, numpy as np; print(kernels.f(np.arange(4.0)))"
    variables = {**os.environ, "PYTHONPATH": str(Path(numlift.__file__).parents[1])}
    command = [sys.executable, "-W", "error", "-c", script]
    pipe = subprocess.PIPE
    started = [
        subprocess.Popen(command, cwd=tmp_path, env=variables, stdout=pipe, stderr=pipe, text=True)
        for _ in range(32)
    ]
    outputs = [p.communicate() for p in started]
    assert outputs == [("6.0\n", "")] * 32
    assert len(files(directory)) == 1
    m = module(tmp_path, SUM)
    assert m.f(np.arange(4.0)) == 6 and uses(m.f) == ["hit"]


# Runs in a process of its own: a problem of the disk is told once per process.
TROUBLE = """
import os, warnings
import numpy as np
import kernels
from numlift import jit
{prepare}
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    f = jit(cache=True)(kernels.f.py_func)
    print([f(np.arange(4.0)), f(np.arange(4)), f(np.arange(4.0), 2)])
print([w.category.__name__ for w in seen], len(f.stats.cache_misses))
print(*(str(w.message) for w in seen))
"""


def trouble(tmp_path: Path, prepare: str, **environment: str) -> str:
    (tmp_path / "kernels.py").write_text(HEADER + SUM)
    done = run(TROUBLE.format(prepare=prepare), tmp_path, **environment)
    assert not done.returncode, done.stderr
    results, warned, text = done.stdout.splitlines()
    assert results == str([np.float64(6.0), np.float64(6.0), np.float64(12.0)]), done.stderr
    assert warned == "['NumliftCacheWarning'] 3"
    return text


def test_a_read_only_disk(tmp_path: Path, directory: Path) -> None:
    directory.mkdir(mode=0o555)
    # the superuser may write anywhere; what another user reads is read before
    prepare = f"""
import linecache
linecache.getlines(kernels.__file__)
os.chdir({str(directory)!r})
os.environ["NUMLIFT_CACHE_DIR"] = "."
if os.geteuid() == 0:
    os.chown(".", 65534, -1)
    os.seteuid(65534)
"""
    assert "ermission denied" in trouble(tmp_path, prepare)
    assert files(directory) == []


def test_a_full_disk(tmp_path: Path, directory: Path) -> None:
    prepare = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))"
    assert "File too large" in trouble(tmp_path, prepare)
    assert not any(p.is_file() for p in directory.rglob("*"))
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 100


def test_no_directory_at_all(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    trouble(tmp_path, "pass", NUMLIFT_CACHE_DIR=str(tmp_path / "file" / "cache"))
    nowhere = {"NUMLIFT_CACHE_DIR": "", "XDG_CACHE_HOME": "relative", "HOME": ""}
    assert "neither XDG_CACHE_HOME nor HOME" in trouble(tmp_path, "pass", **nowhere)


def test_a_directory_that_others_may_write(tmp_path: Path, directory: Path) -> None:
    directory.mkdir()
    directory.chmod(0o777)
    assert "is writable by others; NUMLIFT_CACHE_SHARED=1 allows it" in trouble(tmp_path, "pass")
    assert files(directory) == []
    script = "import kernels, numpy as np; kernels.f(np.arange(4.0)); print(kernels.f.stats.cache_hits)"
    for expected in ("{}", "{('float64[::1]', 'float'): 1}"):
        done = run(script, tmp_path, NUMLIFT_CACHE_SHARED="1")
        assert done.stdout.strip() == expected, done.stderr


def test_files_that_others_may_write_are_not_run(tmp_path: Path, directory: Path) -> None:
    assert module(tmp_path, SUM).f(np.ones(3)) == 3
    (file,) = files(directory)
    moved = tmp_path / "elsewhere"
    for spoil in (lambda: file.chmod(0o666), lambda: (file.rename(moved), file.symlink_to(moved))):
        spoil()
        m = module(tmp_path, SUM)
        assert m.f(np.ones(3)) == 3 and uses(m.f) == ["stored"]
        assert not file.is_symlink() and file.stat().st_mode & 0o777 == 0o600


def test_the_longest_unused_is_deleted(tmp_path: Path, directory: Path) -> None:
    old = []
    for i in range(4):
        path = directory / f"{i:02}" / (f"{i:02}" * 32 + ".0")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(1 << 20))
        os.utime(path, (1e9 - i, 1e9 - i))
        old.append(path)
    directory.chmod(0o700)
    stranger = directory / "00" / "notes.txt"
    stranger.write_text("mine")
    (tmp_path / "kernels.py").write_text(HEADER + SUM)
    script = "import kernels, numpy as np; print(kernels.f(np.arange(4.0)))"
    done = run(script, tmp_path, NUMLIFT_CACHE_SIZE="3")
    assert done.stdout == "6.0\n"
    assert [p.exists() for p in old] == [True, True, False, False]
    assert stranger.exists() and len(files(directory)) == 4


def test_a_use_is_noted(tmp_path: Path, directory: Path) -> None:
    assert module(tmp_path, SUM).f(np.ones(3)) == 3
    (file,) = files(directory)
    os.utime(file, (1e9, 1e9))
    assert module(tmp_path, SUM).f(np.ones(3)) == 3
    assert file.stat().st_mtime > 1.7e9


def test_command_line(tmp_path: Path, directory: Path) -> None:
    def numlift_(*arguments: str) -> str:
        script = f"import sys; from numlift._cli import main; sys.exit(main({list(arguments)!r}))"
        done = run(script, tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert json.loads(numlift_("cache", "info", "--format", "json"))["entries"] == 0
    assert module(tmp_path, SUM).f(np.ones(3)) == 3
    found = json.loads(numlift_("cache", "info", "--format", "json"))
    assert found["entries"] == 1 and found["bytes"] == files(directory)[0].stat().st_size
    assert found["directory"] == str(directory) and found["limit"] == 256 << 20
    assert "specialisations  1\n" in numlift_("cache", "info")
    assert numlift_("cache", "path") == f"{directory}\n"
    (directory / "notes.txt").write_text("mine")
    assert numlift_("cache", "clear") == f"1 specialisation deleted from {directory}\n"
    assert files(directory) == [] and (directory / "notes.txt").exists()
    assert json.loads(numlift_("cache", "clear", "--format", "json")) == {
        "directory": str(directory),
        "deleted": 0,
    }


def test_the_report_and_the_statistics_say_so(tmp_path: Path, directory: Path) -> None:
    f: Callable[..., Any]
    for stages in ({"typeck", "lower", "opt", "codegen", "store"}, {"cache"}):
        f = module(tmp_path, SUM).f
        f(np.ones(3))
        report = json.loads(f.report().json())["functions"][0]["specializations"][0]
        assert {s["name"] for s in report["stages"]} == stages
        assert report["tier"] == "native" and all(line["types"] is not None for line in report["lines"])
    assert f.stats == (str(directory), {("float64[::1]", "float"): 1}, {})


def test_signatures_are_cached(tmp_path: Path) -> None:
    text = "@jit('float64(float64[:])', cache=True)\ndef f(a):\n    return a.sum()\n"
    for use in ("stored", "hit"):
        assert uses(module(tmp_path, text).f) == [use]


def test_the_warning_is_exported() -> None:
    assert issubclass(NumliftCacheWarning, UserWarning)
