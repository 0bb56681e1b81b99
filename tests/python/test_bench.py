"""The benchmark's kernels agree with the interpreter, and its report says what was measured."""

import json
import sys
from pathlib import Path

import pytest

from harness import FAKE, jit

BENCH = Path(__file__).parents[2] / "bench"
sys.path.insert(0, str(BENCH))

import measure
import report
import run

from kernels import KERNELS

pytestmark = pytest.mark.skipif(FAKE, reason="needs the compiler")


@pytest.mark.parametrize("name", KERNELS)
def test_kernel(name: str) -> None:
    kernel = KERNELS[name]
    function = measure.compiled(kernel, jit)
    measure.verify(kernel, function)
    tier = function.tier(*kernel.arguments(kernel.small))
    if tier != "native":
        pytest.xfail(f"runs in the {tier} tier")


def test_a_wrong_result_is_seen() -> None:
    kernel = KERNELS["dot"]
    with pytest.raises(AssertionError, match="dot"):
        measure.verify(kernel, lambda x, y: 0.0)
    assert not measure.same(0.0, -0.0) and measure.same(float("nan"), float("nan"))


def test_timer_gives_fresh_arguments_to_what_changes_them() -> None:
    for name in ("insertion sort", "call f(1.0, 2.0)"):
        kernel = KERNELS[name]
        timer = measure.Timer(measure.compiled(kernel, jit), kernel)
        assert timer.changes == (name == "insertion sort") and timer.count >= 1
        timer.sample()
        assert 0 < timer.best < 1 and timer.first >= 0


ROWS = [
    measure.Row("a", "kernels", "native", 1e-6, 2e-6, 1e-3, 0.1),
    measure.Row("b", "kernels", "interpreter", 8e-6, 1e-6, 1e-3, 0.4),
]


def test_report() -> None:
    assert "| a | 1 µs | 2 µs | 0.50 | 1 ms | 100 ms | native |" in report.table(ROWS)
    assert "| **8.00** |" in report.table(ROWS)
    text = report.sentences(ROWS)
    assert "2.00 times" in text and "faster on 1 and slower on 1" in text and "200 ms" in text
    assert report.summary(ROWS)["kernels"]["native"] == 1


def test_page_and_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "versions", lambda: {"numlift": "1", "Numba": "2", "processor": "one"})
    page = report.with_results((BENCH.parent / "docs" / "benchmarks.md").read_text(), ROWS)
    assert page.startswith("# Benchmarks") and page.endswith("| interpreter |\n")
    assert report.with_results(page, ROWS) == page and "Measured with numlift 1, Numba 2, one." in page
    readme = report.with_summary((BENCH.parent / "README.md").read_text(), ROWS)
    assert report.with_summary(readme, ROWS) == readme and "\n- Geometric mean of 2 kernels: " in readme
    assert readme.startswith("# numlift") and readme.endswith("as you like.\n")
    read = json.loads(report.as_json(ROWS))
    assert [k["ratio"] for k in read["kernels"]] == [0.5, 8.0] and read["versions"]["numlift"] == "1"
    with pytest.raises(ValueError):
        report.with_results("# other page\n", ROWS)
    with pytest.raises(ValueError):
        report.with_summary("# other page\n", ROWS)


def test_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["--list", "--only", "sum2d, quicksort", "--core=-1"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "quicksort"
    assert run.main(["--only", "no such", "--core=-1"]) == 2
    assert "no such" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run.main(["--help"])
    assert "--write" in capsys.readouterr().out
