"""The documentation is true: every Python block of it runs, every diagnostic page shows its diagnostic."""

import linecache
import re
import warnings
from pathlib import Path

import pytest

from harness import FAKE, NumliftFallbackWarning

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# A block, and what it prints if that is shown.
FENCE = re.compile(r"^```python([^\n]*)\n(.*?)^```$(?:\s*^```output\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.skipif(FAKE, reason="needs the compiler")


def blocks() -> list:
    found = []
    for page in PAGES:
        text = page.read_text()
        for match in FENCE.finditer(text):
            line = text[: match.start()].count("\n") + 2
            name = f"{page.relative_to(ROOT)}:{line}"
            found.append(pytest.param(match[1].strip(), match[2], match[3], name, id=name))
    return found


@pytest.mark.parametrize(("info", "source", "output", "name"), blocks())
def test_block(
    info: str, source: str, output: str | None, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        exec(compile(source, name, "exec"), {"__name__": "page"})
    if output is not None:
        assert capsys.readouterr().out == output
    fallbacks = [str(w.message) for w in seen if issubclass(w.category, NumliftFallbackWarning)]
    if info.startswith("error="):
        code = info.removeprefix("error=")
        assert any(code in text for text in fallbacks), f"{code} was not given: {fallbacks}"
    else:
        assert not fallbacks, "a block of the documentation runs in the interpreter"


def test_every_page_of_a_code_shows_it_and_how_to_avoid_it() -> None:
    """`test_block` runs both: the first block gives the diagnostic, the last is machine code."""
    for page in (ROOT / "docs" / "errors").glob("NL*.md"):
        if page.stem.startswith("NL9"):  # bugs of the compiler cannot be shown
            continue
        found = list(FENCE.finditer(page.read_text()))
        assert [match[1].strip() for match in found] == [f"error={page.stem}", ""], page.name
        assert '== "native"' in found[-1][2], page.name
