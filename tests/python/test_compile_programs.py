"""Random mixed programs as compiled modules: what calls leave behind is what the interpreter leaves."""

import importlib.machinery
import importlib.util
import random
from pathlib import Path
from typing import Any

import pytest
from island_programs import program
from island_runs import Run, arguments, calls, differences_of

from compiled import needs_stub
from harness import define
from numlift._compile import Options, build

pytestmark = needs_stub

HEAD = "import cmath, math\nimport numpy as np\nfrom numlift import jit\n"
SIGNATURE = "make.<locals>.f(int, float, float64[::1], int64[:], object, object, object, object, object)"
DEFAULTS = {
    "name": None,
    "cpu": "native",
    "strip": True,
    "from_run": None,
    "strict": False,
    "check": False,
    "emit": [],
    "format": "text",
}


def compiled_module(directory: Path, source: str) -> Any:
    """The module of a source whose `f` is jitted."""
    path = directory / "program.py"
    path.write_text(source)
    options = Options(output=str(directory), signature=[SIGNATURE], **DEFAULTS)
    rows, files = build(path, options)
    assert rows[0].tier in ("mixed", "native", "interpreter"), rows
    loader = importlib.machinery.ExtensionFileLoader("program", str(files[0]))
    spec = importlib.util.spec_from_file_location("program", files[0], loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return rows[0].tier, module


@pytest.mark.parametrize("seed", range(24))
def test_mixed_programs(tmp_path: Path, seed: int) -> None:
    source = HEAD + program(random.Random(seed)) + "\nf = jit(make())\n"
    try:
        compile(source, "program", "exec")
    except SyntaxError:
        pytest.skip("no program")
    tier, module = compiled_module(tmp_path, source)
    plain = define(source.replace("f = jit(make())", ""), "make")
    if tier == "mixed":
        assert module.f.tier(*arguments(random.Random(0))) == "mixed"
    found = differences_of(Run(plain(), plain.__globals__), Run(module.f, vars(module)), calls(seed * 7))
    assert found == []
    if tier == "interpreter":
        pytest.skip("nothing is worth compiling")
