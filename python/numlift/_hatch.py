"""The build hook `numlift` of hatchling: modules of a wheel that are compiled.

[tool.hatch.build.targets.wheel.hooks.numlift]
modules = ["src/package/kernels.py"]
"""

import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.plugin import hookimpl

from numlift import _build
from numlift._check import module_name


class NumliftBuildHook(BuildHookInterface[Any]):
    """Compiles `modules`; a wheel gets the files, an editable install has them beside the sources."""

    PLUGIN_NAME = "numlift"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        chosen = _build.options(root)
        if self.target_name != "wheel":
            return
        self._made = tempfile.TemporaryDirectory()
        for text in self.config.get("modules", []):
            source = root / text
            if not source.is_file():
                raise _build.BuildError(f"{source}: no such file")
            _, name = module_name(source.resolve())
            inside = Path(*name.split(".")[:-1])
            directory = source.parent if version == "editable" else Path(self._made.name) / inside
            for file in _build.compile_module(source, name, directory, chosen):
                if version != "editable":
                    build_data["force_include"][str(file)] = str(inside / file.name)
        build_data["pure_python"] = False
        build_data["tag"] = _build.wheel_tag()

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if self.target_name == "wheel":
            self._made.cleanup()


@hookimpl
def hatch_register_build_hook() -> type[NumliftBuildHook]:
    """What hatchling asks for."""
    return NumliftBuildHook
