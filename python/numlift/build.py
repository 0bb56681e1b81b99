"""For `pyproject.toml` of packages built by setuptools: extension modules whose source is a Python file.

[[tool.setuptools.ext-modules]]
name = "package.kernels"
sources = ["package/kernels.py"]
py-limited-api = true

[tool.setuptools.cmdclass]
build_ext = "numlift.build.build_ext"
"""

from pathlib import Path
from typing import Any

from setuptools.command.build_ext import build_ext as _build_ext  # type: ignore[import-untyped]
from setuptools.errors import CompileError  # type: ignore[import-untyped]

from numlift import _build

__all__ = ["build_ext"]


class build_ext(_build_ext):
    """Builds extensions of one `.py` file with `numlift compile`, others as before."""

    def build_extension(self, ext: Any) -> None:
        sources = [str(source) for source in ext.sources]
        if len(sources) != 1 or not sources[0].endswith(".py"):
            super().build_extension(ext)
            return
        if not ext.py_limited_api:
            raise CompileError(
                f"{ext.name}: compiled modules have the stable ABI: say `py-limited-api = true`"
            )
        directory = Path(self.get_ext_fullpath(ext.name)).parent
        try:
            _build.compile_module(Path(sources[0]), ext.name, directory, _build.options(Path.cwd()))
        except _build.BuildError as e:
            raise CompileError(str(e)) from None
