"""The report of functions: where each line runs, how often the interpreter, why, and what to change."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, overload

from numlift import _core
from numlift._terminal import use_colour, width


class Report:
    """What ran where. `str` of it is for terminals; notebooks show it as a page.

    `docs/report.schema.json` describes the data.
    """

    __slots__ = ("_json",)

    def __init__(self, text: str) -> None:
        """A report from its JSON text.

        Raises ValueError if it is none, or of a later version.
        """
        _core.render_report(text, "text", colour=False, width=40)
        self._json = text

    @classmethod
    def of(cls, functions: Sequence[Any], title: str) -> "Report":
        """The report of jitted functions, as of now."""
        made = cls.__new__(cls)
        made._json = _core.collect_report(functions, title)
        return made

    def __str__(self) -> str:
        return _core.render_report(self._json, "text", colour=use_colour(sys.stdout), width=width())

    def __repr__(self) -> str:
        data = self.data()
        totals = data["totals"]
        return f"<numlift.Report of {data['title']}: {totals['score']} % native, {totals['calls']} calls>"

    @overload
    def html(self, path: None = None) -> str: ...
    @overload
    def html(self, path: str | os.PathLike[str]) -> None: ...
    def html(self, path: str | os.PathLike[str] | None = None) -> str | None:
        """One page that needs no other file; written to `path` if one is given."""
        page = _core.render_report(self._json, "html", colour=False, width=100)
        if path is None:
            return page
        Path(path).write_text(page, encoding="utf-8")
        return None

    def json(self) -> str:
        """The data as JSON text."""
        return self._json

    def data(self) -> dict[str, Any]:
        """The data."""
        import json

        found: dict[str, Any] = json.loads(self._json)
        return found

    def diff(self, after: "Report") -> str:
        """What a later report has that this one has not, and the reverse."""
        colour = use_colour(sys.stdout)
        return _core.compare_reports(self._json, after._json, "text", colour=colour, width=width())

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        from html import escape

        page = escape(self.html())
        rows = max(
            (len(s["lines"]) for f in self.data()["functions"] for s in f["specializations"]), default=0
        )
        height = min(720, 330 + 21 * rows)
        style = f"width:100%;height:{height}px;border:1px solid #8884;border-radius:8px"
        return f'<iframe title="numlift report" style="{style}" srcdoc="{page}"></iframe>'
