"""What the terminal can show."""

import os
from typing import TextIO


def use_colour(stream: TextIO) -> bool:
    """Whether to print in colour: on terminals, unless NO_COLOR says no or FORCE_COLOR yes."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def width() -> int:
    """Columns of the terminal, 100 if there is none."""
    import shutil

    return max(40, shutil.get_terminal_size((100, 24)).columns)
