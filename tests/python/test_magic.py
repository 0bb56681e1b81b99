"""`%%jit` in IPython: functions are compiled, errors and results are the cell's, `-a` shows the report."""

from typing import Any

import pytest

from harness import FAKE

pytest.importorskip("IPython")
pytestmark = [pytest.mark.skipif(FAKE, reason="needs the compiler"), pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def shell() -> Any:
    from IPython.core.interactiveshell import InteractiveShell

    made = InteractiveShell.instance()
    made.run_cell("%load_ext numlift")
    yield made
    InteractiveShell.clear_instance()


def run(shell: Any, cell: str) -> Any:
    from IPython.utils.capture import capture_output

    with capture_output() as captured:
        result = shell.run_cell(cell)
    return result, captured


def test_functions_of_the_cell_are_compiled(shell: Any) -> None:
    cell = "%%jit\ndef twice(x):\n    return x * 2\n\ndef gen():\n    return [1]\n\nprint(twice(4))\n"
    result, captured = run(shell, cell)
    assert result.success and captured.stdout == "8\n" and not captured.outputs
    twice = shell.user_ns["twice"]
    assert twice.tier(1) == "native" and twice(2**62) == 2**63
    assert "_numlift_jit" not in shell.user_ns and not shell.ast_transformers


def test_the_report_is_shown(shell: Any) -> None:
    result, captured = run(shell, "%%jit -a\ndef f(x):\n    return [x]\n\nfor _ in range(5):\n    f(1)\n")
    assert result.success
    (shown,) = captured.outputs
    assert shown.data["text/html"].startswith("<iframe ")
    text = shown.data["text/plain"]
    assert "NL2007" in text and "5 calls" in text and "return [x]" in text


def test_options_and_decorators(shell: Any) -> None:
    run(shell, "%%jit --overflow wrap\ndef g(x):\n    return x * 2\n")
    assert shell.user_ns["g"](2**62) == -(2**63)
    run(shell, "%%jit\nimport functools\n@functools.cache\ndef h(x):\n    return x\n")
    assert hasattr(shell.user_ns["h"], "cache_info")
    _, captured = run(shell, "%%jit --no-such\ndef k(x):\n    return x\n")
    assert "unrecognized arguments: --no-such" in captured.stdout and "k" not in shell.user_ns


def test_errors_are_those_of_the_cell(shell: Any) -> None:
    result, captured = run(shell, "%%jit -a\ndef m(x):\n    return 1 // x\n\nm(0)\n")
    assert "ZeroDivisionError" in captured.stdout and not captured.outputs
    assert not shell.ast_transformers
    run(shell, "%%jit\ndef broken(:\n")
    assert not shell.ast_transformers
    _, captured = run(shell, "%%jit --strict\ndef q(x):\n    return [x]\n\nq(1)\n")
    assert "CompileError" in captured.stdout
