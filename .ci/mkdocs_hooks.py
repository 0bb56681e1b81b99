"""Hooks of the documentation: blocks that give a diagnostic, and a check of what was rendered."""

import logging
import re
from typing import Any

log = logging.getLogger("mkdocs.hooks")
ERROR_FENCE = re.compile(r"^```python error=(NL\d+)$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """The tests read `python error=CODE`; the page shows the code as the block's title."""
    return ERROR_FENCE.sub(r'```python title="gives \1"', markdown)


def on_page_content(html: str, page: Any, **_: Any) -> str:
    """With --strict a warning fails the build."""
    if "```" in html:
        log.warning("%s: a code block was not understood", page.file.src_uri)
    return html
