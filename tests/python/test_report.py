"""The report: its data against a schema and a golden file, counts against what was called, and `numlift report`."""

import json
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_cli import numlift

from harness import FAKE, define, jit

if not FAKE:
    from numlift import Report

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
SCRIPT = str(HERE / "report_script.py")
GOLDEN = HERE / "data" / "report.json"

pytestmark = [pytest.mark.skipif(FAKE, reason="needs the compiler"), pytest.mark.filterwarnings("ignore")]


def validate(data: Any) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((ROOT / "docs" / "report.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(data)


def observe(tmp_path: Path, *options: str, status: int = 3) -> dict[str, Any]:
    output = tmp_path / "report.json"
    numlift("report", "--format", "json", "-o", str(output), *options, SCRIPT, status=status)
    found: dict[str, Any] = json.loads(output.read_text())
    validate(found)
    return found


def without_measurements(data: Any) -> Any:
    """Times and places on this machine are not the same twice; what the compiler finds out has tests of its own."""
    if isinstance(data, list):
        return [without_measurements(item) for item in data]
    if not isinstance(data, dict):
        return data
    drop = ("us", "time_us", "compile_us", "interpreter_us", "native_time", "numlift")
    drop += ("clif", "asm", "mir", "remarks", "result", "types")
    kept = {k: without_measurements(v) for k, v in data.items() if k not in drop}
    return {k: Path(v).name if k in ("file", "title") else v for k, v in kept.items()}


def function(data: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return next(f["specializations"] for f in data["functions"] if f["name"] == name)


def test_golden(tmp_path: Path) -> None:
    """`BLESS=1` writes the file again."""
    data = without_measurements(observe(tmp_path))
    # Their order is by time.
    data["suggestions"].sort(key=lambda s: (s["line"], s["message"]))
    text = json.dumps(data, indent=1) + "\n"
    if os.environ.get("BLESS"):
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


def test_counts_are_those_of_the_calls(tmp_path: Path) -> None:
    data = observe(tmp_path)
    assert [(s["signature"], s["tier"], s["calls"]) for s in function(data, "total")] == [
        ("(float64[::1])", "native", 10),
        ("(float32[::1])", "native", 1),
    ]
    (scaled,) = function(data, "scaled")
    assert (scaled["tier"], scaled["calls"]) == ("interpreter", 25)
    assert sum(line["interpreter_calls"] for line in scaled["lines"]) == 25
    (square,) = function(data, "square")
    assert (square["calls"], square["exits"]) == (3, 1)
    assert function(data, "unused") == []
    assert data["totals"]["calls"] == 10 + 1 + 25 + 3 + 4 and data["totals"]["exits"] == 1
    assert all(s["time_us"] > 0 for f in data["functions"] for s in f["specializations"])
    assert ("NL2003", 25) in [(s["code"], s["line"]) for s in data["suggestions"]]
    (mixed,) = function(data, "mixed")
    assert (mixed["tier"], mixed["calls"]) == ("mixed", 4)
    lines = {line["source"].strip(): line for line in mixed["lines"]}
    assert lines['scale: float = settings["scale"]']["interpreter_calls"] == 4
    first, second = lines["settings[i] = total"], lines['settings["last"] = i']
    assert (first["interpreter_calls"], second["interpreter_calls"]) == (40, 0)
    assert first["island"] == second["island"] == first["line"] and first["interpreter_us"] > 0
    assert lines["total += a[i] * scale"]["tier"] == "native"
    # Why these are dynamic is said at the parameter and where it costs.
    (parameter,) = lines["def mixed(settings, a):"]["reasons"]
    (reason,) = first["reasons"]
    assert (reason["code"], reason["line"]) == ("NL2002", parameter["line"]) and "dict" in reason["message"]
    suggested = {(s["code"], s["line"]): s["interpreter_calls"] for s in data["suggestions"]}
    assert suggested["NL2002", parameter["line"]] == 44


def executions(f: Any, *args: Any) -> dict[int, int]:
    """How often the interpreter begins each line of a function."""
    counts: dict[int, int] = {}

    def trace(frame: Any, event: str, _: Any) -> Any:
        if frame.f_code is not f.__code__:
            return None
        if event == "line":
            counts[frame.f_lineno] = counts.get(frame.f_lineno, 0) + 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        f(*args)
    finally:
        sys.settrace(before)
    return counts


def test_entries_are_those_of_an_oracle() -> None:
    source = """
def f(seen, a, n):
    total = 0.0
    for i in range(n):
        for j in range(a.size):
            total += a[j] * a[j] + i
        if i % 3 == 1:
            seen[i] = total
        k = 0
        while k < i:
            total += k
            k += 1
            if k == 7:
                seen.setdefault("k", []).append(total)
        if i == 40:
            seen["end"] = i
            break
    return total
"""
    f = define(source)
    compiled = jit(f)
    for n in (0, 5, 100):
        compiled({}, np.ones(50), n)
    (s,) = function(compiled.report().data(), "f")
    assert s["tier"] == "mixed" and s["calls"] == 3
    entered = {line["line"]: line["interpreter_calls"] for line in s["lines"] if line["interpreter_calls"]}
    expected = dict.fromkeys(entered, 0)
    for n in (0, 5, 100):
        for line, count in executions(f, {}, np.ones(50), n).items():
            if line in expected:
                expected[line] += count
    assert entered == expected and len(entered) == 3


def test_lines_have_types_remarks_and_code(tmp_path: Path) -> None:
    native = function(observe(tmp_path), "total")[0]
    lines = {line["source"].strip(): line for line in native["lines"]}
    assert lines["@jit"]["tier"] is lines['"""Sum of all elements."""']["tier"] is None
    adds = lines["s += a[i]"]
    types = {v["name"]: v["type"] for v in adds["types"]}
    assert adds["tier"] == "native" and types["a"] == "float64[::1]" and types["i"] == "int"
    assert {"name": "s", "type": "float"} in lines["s = 0.0"]["types"]
    assert any("removed" in r["message"] for line in native["lines"] for r in line["remarks"])
    for stage in ("mir", "clif", "asm"):
        assert any(at == adds["line"] for at, _ in native["code"][stage]), stage
    assert sum(stage["us"] for stage in native["stages"]) == pytest.approx(native["compile_us"])


def test_reports_of_one_function() -> None:
    f = jit(define("def f(a, i):\n    return a[i]\n"))
    assert "not called" in str(f.report())
    for _ in range(4):
        f(np.ones(3), 1)
    with pytest.raises(IndexError):
        f(np.ones(3), 7)
    f({1: 2}, 1)
    f({1: 2}, 1)
    report = f.report()
    validate(report.data())
    assert [(s["tier"], s["calls"]) for s in function(report.data(), "f")] == [
        ("native", 5),
        ("interpreter", 2),
    ]
    assert "return a[i]" in str(report) and "NL2002" in str(report)
    assert "7 calls" in repr(report)
    assert report._repr_html_().startswith("<iframe ")
    assert Report(report.json()).json() == report.json()


def test_callees_that_are_not_compiled_are_reasons() -> None:
    space: dict[str, Any] = {}
    source = "def g(x):\n    return {x}\ndef f(x):\n    return g(x)\n"
    f = define(source, name="f")
    compiled = jit(f)
    compiled(1)
    (s,) = function(compiled.report().data(), "f")
    places = [r for line in s["lines"] for r in line["reasons"]] + s["reasons"]
    assert {r["code"] for r in places} == {"NL2007"} and any(r["line"] == 2 for r in places)
    assert space == {}


def test_functions_compiled_into_others(tmp_path: Path) -> None:
    script = tmp_path / "s.py"
    script.write_text(
        "import numpy as np\nfrom numlift import jit\n"
        "@jit\ndef weight(x, k):\n    return x * k\n"
        "@jit\ndef f(a):\n    s = 0.0\n    for i in range(a.size):\n        s += weight(a[i], 2)\n    return s\n"
        "@jit\ndef g(a):\n    return weight(a[0], 3)\n"
        "f(np.ones(5))\ng(np.ones(5))\nweight(1.0, 2)\n"
    )
    data = json.loads(numlift("report", "--format", "json", str(script)))
    validate(data)
    called, contained = function(data, "weight")
    assert (called["signature"], called["calls"], called["callers"]) == ("(float, int)", 1, [])
    assert (contained["signature"], contained["calls"], contained["tier"]) == (
        "(np.float64, int)",
        0,
        "native",
    )
    assert sorted(contained["callers"]) == ["f", "g"]
    (line,) = (line for line in contained["lines"] if line["types"] and line["tier"])
    assert {v["name"]: v["type"] for v in line["types"]} == {"x": "np.float64", "k": "int"}
    assert any(at == line["line"] for at, _ in contained["code"]["asm"])
    script.write_text(
        "from numlift import jit\n@jit\ndef h(x):\n    return [x]\n@jit\ndef f(x):\n    return h(x)\nf(1)\n"
    )
    data = json.loads(numlift("report", "--format", "json", str(script), PYTHONWARNINGS="ignore"))
    assert all(s["callers"] == [] for s in function(data, "h"))


def test_text_names_the_callers(tmp_path: Path) -> None:
    script = tmp_path / "s.py"
    script.write_text(
        "from numlift import jit\n@jit\ndef w(x):\n    return x\n"
        "@jit\ndef f(x):\n    return w(x)\n@jit\ndef g(x):\n    return w(x)\nf(1)\ng(1)\n"
    )
    assert "compiled into f, g" in numlift("report", "--format", "text", str(script))


def test_html_is_written_and_escaped(tmp_path: Path) -> None:
    f = jit(define("def f(a):\n    return '</script><b>' if a else 1\n"))
    f(1)
    page = f.report().html()
    assert page.startswith("<!doctype html>") and "</script><b>" not in page
    path = tmp_path / "r.html"
    assert f.report().html(path) is None
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 99}'])
def test_what_is_no_report(text: str) -> None:
    with pytest.raises(ValueError, match="not a report"):
        Report(text)


def test_text_fits_and_is_coloured_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    f = jit(define("def f(a, i):\n    return a[i] + sum([x for x in a])  # a comment that is quite long\n"))
    f(np.ones(3), 1)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", "50")
    assert max(map(len, str(f.report()).splitlines())) <= 50
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[31minterpreter" in str(f.report())
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in str(f.report())


def run(*command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    import numlift

    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(numlift.__file__).parents[1]),
        "PYTHONWARNINGS": "ignore",
    }
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, env=environment, cwd=cwd, check=False
    )


def test_the_script_runs_as_with_python(tmp_path: Path) -> None:
    output = str(tmp_path / "r.html")
    plain = run(SCRIPT, "--format", "-x", "y z")
    reported = run("-m", "numlift", "report", "-o", output, SCRIPT, "--format", "-x", "y z")
    assert (plain.returncode, plain.stdout) == (reported.returncode, reported.stdout)
    assert plain.returncode == 3 and Path(output).exists()
    for text in (
        "1 / 0",
        "raise SystemExit('text')",
        "import sys; sys.exit()",
        "def f():\n    raise KeyError(1)\nf()",
        "def f(:",
        "import pickle\nclass C: pass\nprint(type(pickle.loads(pickle.dumps(C()))))",
        "import atexit, __main__\natexit.register(lambda: print(__main__.__name__, __main__.x))\nx = 1",
    ):
        script = tmp_path / "script.py"
        script.write_text(text + "\n")
        plain = run(str(script))
        reported = run("-m", "numlift", "report", "-o", output, str(script))
        assert (plain.returncode, plain.stdout) == (reported.returncode, reported.stdout), text
        assert reported.stderr.startswith(plain.stderr), text


def test_a_module_runs_as_with_python(tmp_path: Path) -> None:
    package = tmp_path / "pkg"
    package.mkdir()
    (package / "__init__.py").write_text("")
    text = "import sys\nfrom numlift import jit\n@jit\ndef f(x):\n return x\nprint(__name__, __package__, __spec__.name, sys.argv, f(1))\nsys.exit(3)\n"
    (package / "mod.py").write_text(text)
    (package / "__main__.py").write_text(text)
    output = str(tmp_path / "r.json")
    for name in ("pkg.mod", "pkg"):
        plain = run("-m", name, "-x", "--open", "y", cwd=tmp_path)
        options = ("--format", "json", "-o", output)
        words = ("-m", name, "-x", "--open", "y")
        reported = run("-m", "numlift", "report", *options, *words, cwd=tmp_path)
        assert (plain.returncode, plain.stdout) == (reported.returncode, reported.stdout)
        assert json.loads(Path(output).read_text())["functions"][0]["name"] == "f"
    assert run("-m", "numlift", "report", "-m", "pkg.absent", cwd=tmp_path).returncode == 1


def test_thresholds_and_comparison(tmp_path: Path) -> None:
    before = tmp_path / "before.json"
    script = tmp_path / "script.py"
    text = "from numlift import jit\n@jit\ndef f(x):\n    return {body}\nf(1.0)\n"
    script.write_text(text.format(body="[x][0]"))
    numlift("report", "--format", "json", "-o", str(before), str(script))
    assert "100 %" not in numlift("report", "--format", "text", str(script))
    failed = run("-m", "numlift", "report", "--format", "text", "--fail-under", "80", str(script))
    assert failed.returncode == 1 and "0 % of the lines" in failed.stderr
    script.write_text(text.format(body="x"))
    after = tmp_path / "after.json"
    numlift("report", "--fail-under", "80", "--format", "json", "-o", str(after), str(script))
    shown = numlift("report", "--diff", str(before), str(after))
    for part in (
        "0 % -> 100 % native",
        "1 -> 0 entries",
        "s in calls",
        "interpreter -> native, 1 -> 0",
        "- NL2007",
    ):
        assert part in shown, shown
    data = json.loads(numlift("report", "--diff", str(before), str(after), "--format", "json"))
    page = tmp_path / "d.html"
    numlift("report", "--diff", str(before), str(after), "--format", "html", "-o", str(page))
    assert "NL2007" in page.read_text() and page.read_text().startswith("<!doctype html>")
    assert data["score"] == [0, 100] and data["changes"][0]["tier"] == ["interpreter", "native"]
    assert min(data["time_us"]) > 0 and min(data["changes"][0]["time_us"]) > 0
    assert "before.json" in numlift("report", "--diff", str(before), str(script), status=2).replace(
        "script.py", "before.json"
    )
    numlift("report", status=2)
    numlift("report", str(tmp_path / "absent.py"), status=2)


def test_formats_and_outputs(tmp_path: Path) -> None:
    script = tmp_path / "s.py"
    script.write_text("from numlift import jit\n@jit\ndef f(x):\n    return x\nf(1.0)\n")
    assert json.loads(numlift("report", "--format", "json", str(script)))["totals"]["score"] == 100
    assert numlift("report", "-o", "-", str(script)).startswith("<!doctype html>")
    numlift("report", str(script), cwd=tmp_path)
    assert (tmp_path / "numlift-report.html").read_text().startswith("<!doctype html>")
    text = numlift("report", "--format", "text", str(script))
    assert re.search(r"100 % native\n1 function, 1 specialisation: 1 native", text)


def test_calls_of_threads_are_counted() -> None:
    from concurrent.futures import ThreadPoolExecutor

    f = jit(define("def f(x):\n    return x + 1\n"))
    f(1)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(f, range(2000)))
    (s,) = function(f.report().data(), "f")
    assert s["calls"] == 2001


def test_a_report_needs_no_source() -> None:
    space: dict[str, Any] = {}
    exec("def f(x):\n    return x\n", space)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        f = jit(space["f"])
        f(1)
    data = f.report().data()
    validate(data)
    (s,) = function(data, "f")
    assert s["lines"] == [] and [r["code"] for r in s["reasons"]] == ["NL1001"] and s["calls"] == 1


def test_programs_that_make_functions_without_end(tmp_path: Path) -> None:
    script = tmp_path / "s.py"
    script.write_text(
        "from numlift import jit\ndef make(k):\n    return jit(lambda x: x + k)\nfor k in range(1200):\n    make(k)\n"
    )
    data = json.loads(numlift("report", "--format", "json", str(script)))
    assert data["totals"]["functions"] == 1000
